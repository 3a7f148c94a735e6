//! The token: a TSTInfo inside SignedData (RFC 3161 2.4.2).

use std::fmt;

use crate::base::clock::Timestamp;
use crate::format::cms::content::context;
use crate::format::cms::{MAX_DEPTH, SignedData, write_integer};
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer, time};
use crate::format::tsp::request::MessageImprint;
use crate::format::tsp::{Error, TST_INFO, bounded_integer, read_extensions};
use crate::format::x509::{Extension, GeneralName};

/// A moment with a fraction of its second, as genTime tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenTime {
    /// Whole seconds.
    seconds: Timestamp,
    /// Nanoseconds of the second, below 10⁹.
    nanoseconds: u32,
}

impl GenTime {
    /// The moment; nanoseconds beyond a second give `None`.
    #[must_use]
    pub const fn new(seconds: Timestamp, nanoseconds: u32) -> Option<Self> {
        if nanoseconds < 1_000_000_000 { Some(Self { seconds, nanoseconds }) } else { None }
    }

    /// Whole seconds.
    #[must_use]
    pub const fn seconds(self) -> Timestamp {
        self.seconds
    }

    /// Nanoseconds of the second.
    #[must_use]
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// `YYYYMMDDhhmmss[.s…]Z`: no fraction of zero, no zeros at its end (X.690 11.7, RFC 3161 2.4.2).
    fn read(content: &[u8]) -> Option<Self> {
        let (whole, rest) = content.split_at_checked(14)?;
        let seconds = time::generalized(&[whole, b"Z"].concat())?;
        let fraction = match rest {
            b"Z" => &[][..],
            [b'.', digits @ .., b'Z'] if !digits.is_empty() && digits.len() <= 9 && digits.last() != Some(&b'0') => {
                digits
            }
            _ => return None,
        };
        let mut nanoseconds = 0_u32;
        for index in 0..9 {
            let digit = fraction.get(index).copied().unwrap_or(b'0');
            if !digit.is_ascii_digit() {
                return None;
            }
            nanoseconds = nanoseconds * 10 + u32::from(digit - b'0');
        }
        Some(Self { seconds, nanoseconds })
    }
}

impl fmt::Display for GenTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = time::to_generalized(self.seconds);
        f.write_str(text.trim_end_matches('Z'))?;
        if self.nanoseconds != 0 {
            let digits = format!("{:09}", self.nanoseconds);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// `Accuracy ::= SEQUENCE { seconds INTEGER OPTIONAL, millis [0] INTEGER (1..999) OPTIONAL, micros [1] INTEGER (1..999)
/// OPTIONAL }`: how far genTime may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Accuracy {
    /// In microseconds altogether.
    pub microseconds: u64,
}

impl Accuracy {
    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Error> {
        const WHAT: &str = "accuracy";
        let Some(value) = reader.optional(Tag::Sequence, WHAT)? else { return Ok(None) };
        let mut inner = value.inside();
        let seconds = if inner.peek() == Some(Tag::Integer) { inner.small("seconds")? } else { 0 };
        let mut microseconds = u64::from(seconds).saturating_mul(1_000_000);
        for (number, what, unit) in [(0, "millis", 1000), (1, "micros", 1)] {
            let tag = crate::format::cms::content::primitive(number);
            if let Some(value) = inner.optional(tag, what)? {
                let mut integer = Writer::new();
                write_integer(&mut integer, value.content());
                let number = Reader::new(&integer.into_bytes()).small(what)?;
                if !(1..=999).contains(&number) {
                    return Err(der::Error::InvalidValue { what }.into());
                }
                microseconds = microseconds.saturating_add(u64::from(number).saturating_mul(unit));
            }
        }
        inner.finish(WHAT)?;
        Ok(Some(Self { microseconds }))
    }

    fn write(self, writer: &mut Writer) {
        let part = |unit: u64, modulus: u64| u32::try_from(self.microseconds / unit % modulus).unwrap_or(u32::MAX);
        let (seconds, millis, micros) = (part(1_000_000, 1 << 31), part(1000, 1000), part(1, 1000));
        writer.sequence(|inner| {
            if seconds != 0 {
                inner.small(seconds);
            }
            for (number, value) in [(0, millis), (1, micros)] {
                if value != 0 {
                    let octets = value.to_be_bytes();
                    let significant: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
                    // Values of 128 to 255 need a sign octet.
                    let sign: &[u8] = if significant.first().is_some_and(|top| *top >= 0x80) { &[0] } else { &[] };
                    inner.context_primitive(number, &[sign, &significant].concat());
                }
            }
        });
    }
}

/// `TSTInfo` as it arrived.
///
/// ```text
/// TSTInfo ::= SEQUENCE { version INTEGER { v1(1) }, policy OBJECT IDENTIFIER, messageImprint MessageImprint,
///     serialNumber INTEGER, genTime GeneralizedTime, accuracy Accuracy OPTIONAL, ordering BOOLEAN DEFAULT FALSE,
///     nonce INTEGER OPTIONAL, tsa [0] EXPLICIT GeneralName OPTIONAL, extensions [1] IMPLICIT Extensions OPTIONAL }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TstInfo<'a> {
    /// All of it, as it arrived.
    pub raw: &'a [u8],
    /// `policy`.
    pub policy: ObjectIdentifier,
    /// `messageImprint`.
    pub imprint: MessageImprint<'a>,
    /// `serialNumber`, content octets.
    pub serial: &'a [u8],
    /// `genTime`.
    pub gen_time: GenTime,
    /// `accuracy`.
    pub accuracy: Option<Accuracy>,
    /// `ordering`: whether genTime alone orders this authority's tokens.
    pub ordering: bool,
    /// `nonce`, content octets.
    pub nonce: Option<&'a [u8]>,
    /// `tsa`: a hint, never the identity, which is the certificate's.
    pub tsa: Option<GeneralName<'a>>,
    /// `extensions`.
    pub extensions: Vec<Extension<'a>>,
}

impl<'a> TstInfo<'a> {
    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// Not this structure; [`Error::Version`].
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "TSTInfo";
        let value = der::reader::only(der, WHAT)?;
        if value.tag() != Tag::Sequence {
            return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found: value.tag() }.into());
        }
        der::walk(der, MAX_DEPTH)?;
        let mut inner = value.inside();
        let version = inner.small("version")?;
        if version != 1 {
            return Err(Error::Version { what: WHAT, version });
        }
        let policy = inner.oid("policy")?;
        let imprint = MessageImprint::read(&mut inner)?;
        let serial = bounded_integer(&mut inner, "serialNumber")?;
        let gen_time = inner.expect(Tag::GeneralizedTime, "genTime")?;
        let gen_time = GenTime::read(gen_time.content()).ok_or(der::Error::InvalidValue { what: "genTime" })?;
        let accuracy = Accuracy::read(&mut inner)?;
        let ordering = inner.peek() == Some(Tag::Boolean) && inner.boolean("ordering")?;
        let nonce = if inner.peek() == Some(Tag::Integer) { Some(bounded_integer(&mut inner, "nonce")?) } else { None };
        let tsa = match inner.optional(context(0), "tsa")? {
            Some(value) => {
                let mut name = value.inside();
                let read = GeneralName::read(&mut name)?;
                name.finish("tsa")?;
                Some(read)
            }
            None => None,
        };
        let extensions = match inner.optional(context(1), "extensions")? {
            Some(value) => read_extensions(value.inside())?,
            None => Vec::new(),
        };
        inner.finish(WHAT)?;
        let raw = value.raw();
        Ok(Self { raw, policy, imprint, serial, gen_time, accuracy, ordering, nonce, tsa, extensions })
    }
}

/// A token as it arrived. Parsed is not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStampToken<'a> {
    /// The signed structure around it.
    pub signed: SignedData<'a>,
    /// What was signed.
    pub info: TstInfo<'a>,
}

impl<'a> TimeStampToken<'a> {
    /// Reads a ContentInfo that fills the bytes.
    ///
    /// # Errors
    /// Not SignedData; not a TSTInfo, attached as an OCTET STRING.
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        let signed = SignedData::parse(der)?;
        if signed.content_type != TST_INFO {
            return Err(Error::NotATimeStamp { found: signed.content_type });
        }
        match signed.content {
            Some(content) if content.tag() == Tag::OctetString => {
                let info = TstInfo::parse(content.content())?;
                Ok(Self { signed, info })
            }
            _ => Err(Error::NotAttached),
        }
    }
}

/// A TSTInfo to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTstInfo<'a> {
    /// `policy`.
    pub policy: ObjectIdentifier,
    /// `messageImprint`, DER: the request's, octet for octet.
    pub imprint: &'a [u8],
    /// `serialNumber`, big-endian magnitude.
    pub serial: &'a [u8],
    /// `genTime`.
    pub gen_time: GenTime,
    /// `accuracy`.
    pub accuracy: Option<Accuracy>,
    /// `ordering`.
    pub ordering: bool,
    /// `nonce`, content octets.
    pub nonce: Option<&'a [u8]>,
    /// `tsa`.
    pub tsa: Option<GeneralName<'a>>,
}

impl NewTstInfo<'_> {
    /// The structure as DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|inner| {
            inner.small(1).oid(self.policy).raw(self.imprint).unsigned(self.serial);
            write_gen_time(inner, self.gen_time);
            if let Some(accuracy) = self.accuracy {
                accuracy.write(inner);
            }
            if self.ordering {
                inner.boolean(true);
            }
            if let Some(nonce) = self.nonce {
                write_integer(inner, nonce);
            }
            if let Some(tsa) = self.tsa {
                inner.context(0, |name| {
                    tsa.write(name);
                });
            }
        });
        writer.into_bytes()
    }
}

fn write_gen_time(writer: &mut Writer, gen_time: GenTime) {
    let mut value = Writer::new();
    value.octet_string(gen_time.to_string().as_bytes());
    let mut bytes = value.into_bytes();
    if let Some(tag) = bytes.first_mut() {
        *tag = 24;
    }
    writer.raw(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_canonical() {
        let read = |text: &str| GenTime::read(text.as_bytes()).map(|moment| (moment.nanoseconds, moment.to_string()));
        for (text, nanoseconds) in [
            ("20260601020304Z", 0),
            ("20260601020304.5Z", 500_000_000),
            ("20260601020304.000001Z", 1000),
            ("20260601020304.123456789Z", 123_456_789),
        ] {
            assert_eq!(read(text), Some((nanoseconds, text.to_owned())));
        }
        for text in [
            "20260601020304.Z",
            "20260601020304.50Z",
            "20260601020304.0Z",
            "20260601020304.1234567891Z",
            "20260601020304,5Z",
            "20260601020304.5",
            "20260601020304.5+0800",
            "20260601020304.5xZ",
            "202606010203Z",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(GenTime::new(Timestamp::from_unix(0), 1_000_000_000), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(
            seconds in 0_i64..4_000_000_000, nanoseconds in 0_u32..1_000_000_000, ordering: bool,
            microseconds in proptest::option::of(0_u64..2_000_000_000_000_000), nonce in proptest::option::of(0_u8..0x80),
        ) {
            let gen_time = GenTime::new(Timestamp::from_unix(seconds), nanoseconds).unwrap();
            let imprint = MessageImprint::write(ObjectIdentifier::new_unwrap("1.2.3"), &[7; 32]);
            let (accuracy, nonce) = (microseconds.map(|microseconds| Accuracy { microseconds }), nonce.map(|octet| [octet]));
            let new = NewTstInfo {
                policy: ObjectIdentifier::new_unwrap("1.2.3.4"), imprint: &imprint, serial: &[0x91, 5], gen_time, accuracy,
                ordering, nonce: nonce.as_ref().map(|octet| octet.as_slice()), tsa: Some(GeneralName::Dns("tsa.example")),
            };
            let der = new.to_der();
            let read = TstInfo::parse(&der).unwrap();
            proptest::prop_assert_eq!((read.gen_time, read.accuracy, read.ordering), (gen_time, accuracy, ordering));
            proptest::prop_assert_eq!((read.nonce, read.tsa, read.serial), (new.nonce, new.tsa, &[0, 0x91, 5][..]));
            proptest::prop_assert_eq!(read.imprint.raw, imprint.as_slice());
        }
    }

    #[test]
    fn other_versions_and_bad_parts_are_refused() {
        let imprint = MessageImprint::write(ObjectIdentifier::new_unwrap("1.2.3"), &[7; 32]);
        let write = |version: u32, accuracy: &[u8]| {
            let mut writer = Writer::new();
            writer.sequence(|inner| {
                inner.small(version).oid(ObjectIdentifier::new_unwrap("1.2.3.4")).raw(&imprint).small(1);
                inner.generalized_time(Timestamp::from_unix(0)).raw(accuracy);
            });
            TstInfo::parse(&writer.into_bytes()).map(|info| info.accuracy.map(|accuracy| accuracy.microseconds))
        };
        assert_eq!(write(1, &[]), Ok(None));
        assert_eq!(write(1, &[0x30, 3, 0x80, 1, 5]), Ok(Some(5000)));
        assert_eq!(write(2, &[]), Err(Error::Version { what: "TSTInfo", version: 2 }));
        let invalid = |what| Err(Error::Der(der::Error::InvalidValue { what }));
        assert_eq!(write(1, &[0x30, 3, 0x80, 1, 0]), invalid("millis"));
        assert_eq!(write(1, &[0x30, 4, 0x81, 2, 3, 0xe8]), invalid("micros"));
        assert_eq!(write(1, &[0x30, 3, 2, 1, 0x80]), invalid("seconds"));
    }
}
