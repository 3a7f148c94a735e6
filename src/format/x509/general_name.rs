//! GeneralName (RFC 5280 4.2.1.6): what certificates, constraints, CRLs and time stamps call a party or a place.

use crate::base::limits::Limits;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::x509::name::{Name, NameBuf};

/// How many names one list may hold: hostile lists are cheap to write and dear to match.
pub const MAX_NAMES: usize = 4096;

/// One GeneralName as it arrived.
///
/// Read here: the tag, the alphabet of IA5String, the length of an address, well-formed DER inside. Not judged here:
/// whether a host name or an address of mail is a sensible one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeneralName<'a> {
    /// `otherName`.
    OtherName {
        /// `type-id`.
        type_id: ObjectIdentifier,
        /// The value inside of its explicit tag, DER.
        value: &'a [u8],
    },
    /// `rfc822Name`.
    Rfc822(&'a str),
    /// `dNSName`.
    Dns(&'a str),
    /// `x400Address`, content octets.
    X400(&'a [u8]),
    /// `directoryName`.
    Directory(Name<'a>),
    /// `ediPartyName`, content octets.
    EdiParty(&'a [u8]),
    /// `uniformResourceIdentifier`.
    Uri(&'a str),
    /// `iPAddress`: 4 or 16 octets; as base of a constraint 8 or 32, address and mask.
    Ip(&'a [u8]),
    /// `registeredID`.
    RegisteredId(ObjectIdentifier),
}

impl<'a> GeneralName<'a> {
    /// Reads one from where the reader stands.
    ///
    /// # Errors
    /// Not a GeneralName; an address that has not 4 or 16 octets (RFC 5280 4.2.1.6).
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        Self::read_with(reader, |address| matches!(address.len(), 4 | 16))
    }

    /// Reads the base of a name constraint: addresses have a mask, which must be contiguous (RFC 5280 4.2.1.10,
    /// RFC 4632 3.1).
    ///
    /// # Errors
    /// Not a GeneralName; an address and mask that have not 8 or 32 octets, or a mask with holes.
    pub fn read_base(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        Self::read_with(reader, |subtree| {
            let (_, mask) = subtree.split_at(subtree.len() / 2);
            matches!(subtree.len(), 8 | 32) && is_contiguous(mask)
        })
    }

    fn read_with(reader: &mut Reader<'a>, is_address: impl FnOnce(&[u8]) -> bool) -> Result<Self, der::Error> {
        const WHAT: &str = "GeneralName";
        const INVALID: der::Error = der::Error::InvalidValue { what: WHAT };
        let value = reader.value(WHAT)?;
        let Tag::ContextSpecific { constructed, number } = value.tag() else {
            return Err(INVALID);
        };
        let content = value.content();
        let ia5 = || std::str::from_utf8(content).ok().filter(|text| text.is_ascii()).ok_or(INVALID);
        match (number.value(), constructed) {
            (0, true) => {
                let mut inner = value.inside();
                let type_id = inner.oid(WHAT)?;
                let mut explicit = inner.expect(explicit_zero(), WHAT)?.inside();
                inner.finish(WHAT)?;
                let wrapped = explicit.value(WHAT)?.raw();
                explicit.finish(WHAT)?;
                der::walk(wrapped, Limits::DEFAULT.der_depth)?;
                Ok(Self::OtherName { type_id, value: wrapped })
            }
            (1, false) => ia5().map(Self::Rfc822),
            (2, false) => ia5().map(Self::Dns),
            (3, true) => {
                der::walk(value.raw(), Limits::DEFAULT.der_depth)?;
                Ok(Self::X400(content))
            }
            (4, true) => {
                let mut inner = value.inside();
                let name = Name::read(&mut inner, "directoryName")?;
                inner.finish("directoryName")?;
                Ok(Self::Directory(name))
            }
            (5, true) => {
                der::walk(value.raw(), Limits::DEFAULT.der_depth)?;
                Ok(Self::EdiParty(content))
            }
            (6, false) => ia5().map(Self::Uri),
            (7, false) if is_address(content) => Ok(Self::Ip(content)),
            (8, false) => ObjectIdentifier::from_bytes(content).map(Self::RegisteredId).map_err(|_| INVALID),
            _ => Err(INVALID),
        }
    }

    /// Reads GeneralNames to the end of the reader, which stands inside of the list: at least one (RFC 5280 4.2.1.6).
    ///
    /// # Errors
    /// Those of [`Self::read`]; an empty list; more than [`MAX_NAMES`].
    pub fn read_many(reader: &mut Reader<'a>, what: &'static str) -> Result<Vec<Self>, der::Error> {
        let mut names = Vec::new();
        if reader.is_empty() {
            return Err(der::Error::Missing { what });
        }
        while !reader.is_empty() {
            if names.len() >= MAX_NAMES {
                return Err(der::Error::TooMany { what, limit: MAX_NAMES });
            }
            names.push(Self::read(reader)?);
        }
        Ok(names)
    }

    /// Writes it. The caller keeps texts to ASCII.
    pub fn write(&self, writer: &mut Writer) {
        match self {
            Self::OtherName { type_id, value } => writer.context(0, |inner| {
                inner.oid(*type_id).context(0, |explicit| {
                    explicit.raw(value);
                });
            }),
            Self::Rfc822(text) => writer.context_primitive(1, text.as_bytes()),
            Self::Dns(text) => writer.context_primitive(2, text.as_bytes()),
            Self::X400(content) => writer.context(3, |inner| {
                inner.raw(content);
            }),
            Self::Directory(name) => writer.context(4, |inner| {
                inner.raw(name.raw());
            }),
            Self::EdiParty(content) => writer.context(5, |inner| {
                inner.raw(content);
            }),
            Self::Uri(text) => writer.context_primitive(6, text.as_bytes()),
            Self::Ip(octets) => writer.context_primitive(7, octets),
            Self::RegisteredId(oid) => writer.context_primitive(8, oid.as_bytes()),
        };
    }
}

const fn explicit_zero() -> Tag {
    Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(0) }
}

/// Ones, then zeros.
fn is_contiguous(mask: &[u8]) -> bool {
    let first_zero = mask.iter().position(|octet| *octet != 0xff).unwrap_or(mask.len());
    let partial = mask.get(first_zero).copied().unwrap_or(0);
    let is_partial_clean = partial.leading_ones() + partial.trailing_zeros() == 8;
    let rest_is_zero = mask.iter().skip(first_zero.saturating_add(1)).all(|octet| *octet == 0);
    is_partial_clean && rest_is_zero
}

/// A GeneralName that we keep and write: the owned counterpart of [`GeneralName`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewGeneralName {
    /// `otherName`: its type and its value as DER.
    OtherName(ObjectIdentifier, Vec<u8>),
    /// `rfc822Name`.
    Rfc822(String),
    /// `dNSName`.
    Dns(String),
    /// `directoryName`.
    Directory(NameBuf),
    /// `uniformResourceIdentifier`.
    Uri(String),
    /// `iPAddress`.
    Ip(Vec<u8>),
    /// `registeredID`.
    RegisteredId(ObjectIdentifier),
}

impl NewGeneralName {
    /// The same, borrowed: the form that extensions hold and write.
    #[must_use]
    pub fn as_general_name(&self) -> GeneralName<'_> {
        match self {
            Self::OtherName(type_id, value) => GeneralName::OtherName { type_id: *type_id, value },
            Self::Rfc822(text) => GeneralName::Rfc822(text),
            Self::Dns(text) => GeneralName::Dns(text),
            Self::Directory(name) => GeneralName::Directory(name.as_name()),
            Self::Uri(text) => GeneralName::Uri(text),
            Self::Ip(octets) => GeneralName::Ip(octets),
            Self::RegisteredId(oid) => GeneralName::RegisteredId(*oid),
        }
    }

    /// Whether it can be read again: texts not empty and ASCII, addresses of 4 or 16 octets, values DER.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        let mut writer = Writer::new();
        self.as_general_name().write(&mut writer);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        let read = GeneralName::read(&mut reader);
        let is_empty = match self {
            Self::Rfc822(text) | Self::Dns(text) | Self::Uri(text) => text.is_empty(),
            _ => false,
        };
        !is_empty && reader.is_empty() && read == Ok(self.as_general_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::x509::name::NewName;

    const INVALID: der::Error = der::Error::InvalidValue { what: "GeneralName" };

    fn read(bytes: &[u8]) -> Result<GeneralName<'_>, der::Error> {
        GeneralName::read(&mut Reader::new(bytes))
    }

    #[test]
    fn every_kind_is_written_and_read() {
        let oid = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");
        let name = NewName { organisation: "示例".into(), common_name: "甲".into() };
        let kinds = [
            NewGeneralName::OtherName(oid, vec![12, 1, b'x']),
            NewGeneralName::Rfc822("a@b.example".into()),
            NewGeneralName::Dns("b.example".into()),
            NewGeneralName::Directory(NameBuf::parse(name.to_der()).unwrap()),
            NewGeneralName::Uri("ldap:///x".into()),
            NewGeneralName::Ip(vec![127, 0, 0, 1]),
            NewGeneralName::RegisteredId(oid),
        ];
        let mut writer = Writer::new();
        for kind in &kinds {
            assert!(kind.is_writable(), "{kind:?}");
            kind.as_general_name().write(&mut writer);
        }
        GeneralName::X400(&[5, 0]).write(&mut writer);
        GeneralName::EdiParty(&[0x81, 1, b'x']).write(&mut writer);
        let bytes = writer.into_bytes();
        let names = GeneralName::read_many(&mut Reader::new(&bytes), "x").unwrap();
        assert_eq!(names.len(), 9);
        for (kind, name) in kinds.iter().zip(&names) {
            assert_eq!(kind.as_general_name(), *name);
        }
        assert_eq!(names[7..], [GeneralName::X400(&[5, 0]), GeneralName::EdiParty(&[0x81, 1, b'x'])]);
    }

    #[test]
    fn what_cannot_be_read_again_is_not_writable() {
        for new in [
            NewGeneralName::Dns(String::new()),
            NewGeneralName::Uri("http://例".into()),
            NewGeneralName::Ip(vec![1; 5]),
            NewGeneralName::OtherName(ObjectIdentifier::new_unwrap("1.2.3"), vec![4, 9]),
        ] {
            assert!(!new.is_writable(), "{new:?}");
        }
    }

    #[test]
    fn what_is_no_general_name_is_refused() {
        assert_eq!(read(&[0x82, 1, 0xff]), Err(INVALID));
        assert_eq!(read(&[0x82, 2, 0xc3, 0xa9]), Err(INVALID));
        assert_eq!(read(&[0xa2, 1, b'x']), Err(INVALID));
        assert_eq!(read(&[0x89, 0]), Err(INVALID));
        assert_eq!(read(&[0x16, 1, b'x']), Err(INVALID));
        assert_eq!(read(&[0x88, 1, 0x80]), Err(INVALID));
        assert_eq!(read(&[]), Err(der::Error::Missing { what: "GeneralName" }));
        // An otherName whose value has no explicit tag, and one with two values.
        let untagged = der::Error::UnexpectedTag { what: "GeneralName", expected: explicit_zero(), found: Tag::Null };
        assert_eq!(read(&[0xa0, 6, 6, 2, 0x2a, 3, 5, 0]), Err(untagged));
        let two = [0xa0, 10, 6, 2, 0x2a, 3, 0xa0, 4, 5, 0, 5, 0];
        assert_eq!(read(&two), Err(der::Error::TrailingBytes { what: "GeneralName" }));
        for octets in [0, 3, 5, 8, 15, 17, 32] {
            let mut writer = Writer::new();
            writer.context_primitive(7, &vec![0; octets]);
            assert_eq!(read(&writer.into_bytes()), Err(INVALID), "{octets}");
        }
        let nothing = GeneralName::read_many(&mut Reader::new(&[]), "names");
        assert_eq!(nothing, Err(der::Error::Missing { what: "names" }));
        let many = [0x82, 0].repeat(MAX_NAMES + 1);
        let limit = MAX_NAMES;
        let refused = GeneralName::read_many(&mut Reader::new(&many), "names");
        assert_eq!(refused, Err(der::Error::TooMany { what: "names", limit }));
    }

    #[test]
    fn a_mask_has_no_holes() {
        let base = |octets: &[u8]| {
            let mut writer = Writer::new();
            writer.context_primitive(7, octets);
            let bytes = writer.into_bytes();
            GeneralName::read_base(&mut Reader::new(&bytes)).map(|_| ())
        };
        for mask in [[0, 0, 0, 0], [0xff, 0, 0, 0], [0xff, 0xf0, 0, 0], [0xff; 4], [0x80, 0, 0, 0]] {
            assert_eq!(base(&[[10, 0, 0, 0], mask].concat()), Ok(()), "{mask:?}");
        }
        for mask in [[0, 0xff, 0, 0], [0xff, 0, 0xff, 0], [0xf1, 0, 0, 0], [0xfe, 1, 0, 0], [0, 0, 0, 1]] {
            assert_eq!(base(&[[10, 0, 0, 0], mask].concat()), Err(INVALID), "{mask:?}");
        }
        assert_eq!(base(&[0; 32]), Ok(()));
        assert_eq!(base(&[[0; 16], [0xff; 16]].concat()), Ok(()));
        for octets in [4, 16, 33] {
            assert_eq!(base(&vec![0; octets]), Err(INVALID), "{octets}");
        }
    }
}
