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
    let ones: u32 = mask.iter().map(|octet| octet.leading_ones()).sum();
    let first_zero = mask.iter().position(|octet| *octet != 0xff).unwrap_or(mask.len());
    let partial = mask.get(first_zero).copied().unwrap_or(0);
    let is_partial_clean = partial.leading_ones() + partial.trailing_zeros().min(8) == 8;
    let rest_is_zero = mask.iter().skip(first_zero.saturating_add(1)).all(|octet| *octet == 0);
    is_partial_clean && rest_is_zero && ones <= 128
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
