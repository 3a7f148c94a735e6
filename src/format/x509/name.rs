//! Distinguished names (RFC 5280 4.1.2.4): compared as bytes or by the rules of RFC 5280 7.1, shown as text.
//!
//! Values of every string type are read, and any other type too: a name is first of all bytes. UniversalString is
//! refused as malformed, since the `der` crate has no such tag; no file with one is known.

use unicode_normalization::UnicodeNormalization as _;

use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};

const WHAT: &str = "name";

/// Attributes of one RelativeDistinguishedName. Files have one, seldom two.
const MAX_ATTRIBUTES: usize = 64;

/// `commonName`.
pub const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// `countryName`.
pub const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
/// `organizationName`.
pub const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
/// `surname`.
pub const SURNAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.4");
/// `serialNumber` of the subject, not of the certificate.
pub const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
/// `localityName`.
pub const LOCALITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.7");
/// `stateOrProvinceName`.
pub const STATE_OR_PROVINCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.8");
/// `streetAddress`.
pub const STREET_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.9");
/// `organizationalUnitName`.
pub const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
/// `title`.
pub const TITLE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.12");
/// `description`.
pub const DESCRIPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.13");
/// `businessCategory`.
pub const BUSINESS_CATEGORY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.15");
/// `postalCode`.
pub const POSTAL_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.17");
/// `telephoneNumber`.
pub const TELEPHONE_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.20");
/// `name`.
pub const NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.41");
/// `givenName`.
pub const GIVEN_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.42");
/// `initials`.
pub const INITIALS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.43");
/// `generationQualifier`.
pub const GENERATION_QUALIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.44");
/// `dnQualifier`.
pub const DN_QUALIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.46");
/// `pseudonym`.
pub const PSEUDONYM: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.65");
/// `organizationIdentifier` (X.520, ETSI EN 319 412-1 5.1.4).
pub const ORGANIZATION_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.97");
/// `emailAddress` (RFC 2985 5.2.1).
pub const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");
/// `domainComponent` (RFC 4519 2.4).
pub const DOMAIN_COMPONENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25");
/// `userid` (RFC 4519 2.39).
pub const USER_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1");

/// The short label that people know, of RFC 4514 3 and of custom.
fn label(kind: ObjectIdentifier) -> Option<&'static str> {
    Some(match kind {
        COMMON_NAME => "CN",
        COUNTRY => "C",
        ORGANIZATION => "O",
        ORGANIZATIONAL_UNIT => "OU",
        LOCALITY => "L",
        STATE_OR_PROVINCE => "ST",
        SERIAL_NUMBER => "SERIALNUMBER",
        EMAIL_ADDRESS => "E",
        _ => return None,
    })
}

/// A distinguished name as it arrived.
///
/// Equality compares bytes: the binary comparison that RFC 5280 7.1 allows where both ends come from one authority.
/// [`Name::matches`] is the comparison of RFC 5280 7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    raw: &'a [u8],
}

impl<'a> Name<'a> {
    /// Reads one from where the reader stands and walks through all of it.
    ///
    /// # Errors
    /// Not a Name; a RelativeDistinguishedName without an attribute (RFC 5280 4.1.2.4).
    pub fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, der::Error> {
        let name = Self { raw: reader.expect(Tag::Sequence, what)?.raw() };
        let mut parts = name.parts_reader();
        while !parts.is_empty() {
            read_part(&mut parts)?;
        }
        Ok(name)
    }

    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// Those of [`Self::read`]; bytes behind it.
    pub fn parse(der: &'a [u8], what: &'static str) -> Result<Self, der::Error> {
        let mut reader = Reader::new(der);
        let name = Self::read(&mut reader, what)?;
        reader.finish(what)?;
        Ok(name)
    }

    /// The bytes, tag and length included.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether it has no parts, as the subject of a certificate that is named by `subjectAltName` alone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts_reader().is_empty()
    }

    fn parts_reader(&self) -> Reader<'a> {
        // It was read as a SEQUENCE before it became a Name.
        Reader::new(self.raw).sequence(WHAT).unwrap_or_else(|_| Reader::new(&[]))
    }

    /// The RelativeDistinguishedNames in order, each as its attributes.
    pub fn parts(&self) -> impl Iterator<Item = Vec<Attribute<'a>>> {
        let mut reader = self.parts_reader();
        std::iter::from_fn(move || if reader.is_empty() { None } else { read_part(&mut reader).ok() })
    }

    /// The attributes in order, over all parts.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> {
        self.parts().flatten()
    }

    /// The first value of that attribute, for showing.
    #[must_use]
    pub fn first(&self, kind: ObjectIdentifier) -> Option<String> {
        self.attributes().find(|attribute| attribute.kind == kind).map(|attribute| attribute.display())
    }

    /// For people: the parts in the order of the certificate, `C=CN, O=…, CN=…`; control characters are replaced.
    #[must_use]
    pub fn display(&self) -> String {
        let shown = |attribute: Attribute<'_>| match label(attribute.kind) {
            Some(label) => format!("{label}={}", attribute.display()),
            None => format!("{}={}", attribute.kind, attribute.display()),
        };
        self.attributes().map(shown).collect::<Vec<_>>().join(", ")
    }

    /// Whether both name the same by RFC 5280 7.1: as many parts, each with the same attributes in any order, texts
    /// compared without case and without regard to how much white space stands where.
    #[must_use]
    pub fn matches(&self, other: &Name<'_>) -> bool {
        self.raw == other.raw || (self.parts().count() == other.parts().count() && self.is_within(other))
    }

    /// Whether it lies in the subtree of that base: the base's parts are its first ones (RFC 5280 4.2.1.10, 7.1).
    #[must_use]
    pub fn is_within(&self, base: &Name<'_>) -> bool {
        let mut parts = self.parts();
        base.parts().all(|wanted| parts.next().is_some_and(|part| same_part(&part, &wanted)))
    }
}

/// Same attributes in any order.
fn same_part(left: &[Attribute<'_>], right: &[Attribute<'_>]) -> bool {
    let sorted = |part: &[Attribute<'_>]| {
        let mut all: Vec<_> = part.iter().map(|attribute| (attribute.kind, attribute.canonical())).collect();
        all.sort_unstable();
        all
    };
    left.len() == right.len() && sorted(left) == sorted(right)
}

fn read_part<'a>(parts: &mut Reader<'a>) -> Result<Vec<Attribute<'a>>, der::Error> {
    let mut set = parts.expect(Tag::Set, WHAT)?.inside();
    if set.is_empty() {
        return Err(der::Error::Missing { what: WHAT });
    }
    let mut attributes = Vec::with_capacity(1);
    while !set.is_empty() {
        if attributes.len() >= MAX_ATTRIBUTES {
            return Err(der::Error::TooMany { what: WHAT, limit: MAX_ATTRIBUTES });
        }
        let mut inner = set.sequence(WHAT)?;
        let kind = inner.oid(WHAT)?;
        let value = inner.value(WHAT)?;
        inner.finish(WHAT)?;
        attributes.push(Attribute { kind, value });
    }
    Ok(attributes)
}

/// One attribute of a name, `AttributeTypeAndValue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// `type`.
    pub kind: ObjectIdentifier,
    /// `value`, with its tag.
    pub value: der::Value<'a>,
}

impl Attribute<'_> {
    /// The text, if the value is of a string type whose octets say without doubt which characters they are:
    /// UTF8String, PrintableString, IA5String, NumericString, VisibleString, BMPString.
    ///
    /// TeletexString is none: X.680 gives it escape sequences that nobody writes; files hold ISO 8859-1, GBK or UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let content = self.value.content();
        match self.value.tag() {
            Tag::Utf8String => String::from_utf8(content.to_vec()).ok(),
            Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
                std::str::from_utf8(content).ok().filter(|text| text.is_ascii()).map(str::to_owned)
            }
            Tag::BmpString if content.len().is_multiple_of(2) => char::decode_utf16(
                content.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?))),
            )
            .collect::<Result<_, _>>()
            .ok(),
            _ => None,
        }
    }

    /// For people, never for comparing: control characters are replaced, TeletexString is taken for UTF-8, a value that
    /// is not text is shown as `?`.
    #[must_use]
    pub fn display(&self) -> String {
        let text = self.text().unwrap_or_else(|| match self.value.tag() {
            Tag::BmpString => {
                let pairs = self.value.content().chunks_exact(2);
                let units = pairs.filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
                char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
            }
            Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::TeletexString => {
                String::from_utf8_lossy(self.value.content()).into_owned()
            }
            _ => "?".to_owned(),
        });
        text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    }

    /// RFC 5280 7.1: the same type, and texts that are the same after folding, whatever string type carries them;
    /// values that are not text compare as bytes.
    #[must_use]
    pub fn matches(&self, other: &Attribute<'_>) -> bool {
        self.kind == other.kind && (self.value.raw() == other.value.raw() || self.canonical() == other.canonical())
    }

    /// A folded text, or the bytes with their tag.
    fn canonical(&self) -> (Option<String>, Vec<u8>) {
        match self.text() {
            Some(text) => (Some(fold(&text)), Vec::new()),
            None => (None, self.value.raw().to_vec()),
        }
    }
}

/// A text for comparing, after RFC 4518 2: characters that have no meaning are dropped, case is folded, compatible forms
/// are one (NFKC), each kind of white space is a space, spaces at both ends are dropped and runs of them are one.
///
/// Case is folded by Unicode's simple and full lower case, not by the tables of RFC 3454 B.2: they differ in letters such
/// as `ß`, which folds to itself here.
fn fold(text: &str) -> String {
    let mapped = text.chars().filter(|c| !is_ignored(*c) || c.is_whitespace());
    // Compatible forms of capitals, such as full-width ones, have lower cases only after they are made one.
    let lower: String = mapped.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What RFC 4518 2.2 maps to nothing.
const fn is_ignored(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{1806}' | '\u{034f}' | '\u{180b}'..='\u{180d}' | '\u{fe00}'..='\u{fe0f}' | '\u{fffc}'
        | '\u{0000}'..='\u{0008}' | '\u{000e}'..='\u{001f}' | '\u{007f}'..='\u{0084}' | '\u{0086}'..='\u{009f}'
        | '\u{06dd}' | '\u{070f}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// A name on its own: bytes that were read as a Name once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameBuf(Vec<u8>);

impl NameBuf {
    /// The name that fills the bytes.
    ///
    /// # Errors
    /// Those of [`Name::parse`].
    pub fn parse(der: Vec<u8>) -> Result<Self, der::Error> {
        Name::parse(&der, WHAT)?;
        Ok(Self(der))
    }

    /// The issuer's name with one more part: `nameRelativeToCRLIssuer` (RFC 5280 4.2.1.13), given as the content octets
    /// of its SET.
    ///
    /// # Errors
    /// The part is not a RelativeDistinguishedName.
    pub fn below(issuer: &Name<'_>, part: &[u8]) -> Result<Self, der::Error> {
        let mut writer = Writer::new();
        writer.sequence(|name| {
            let mut parts = issuer.parts_reader();
            while let Ok(value) = parts.value(WHAT) {
                name.raw(value.raw());
            }
            name.set_of_one(|set| {
                set.raw(part);
            });
        });
        Self::parse(writer.into_bytes())
    }

    /// The name, borrowed.
    #[must_use]
    pub fn as_name(&self) -> Name<'_> {
        Name { raw: &self.0 }
    }
}

impl From<Name<'_>> for NameBuf {
    fn from(name: Name<'_>) -> Self {
        Self(name.raw.to_vec())
    }
}

/// A name that we write: country, organisation, common name (GB/T 20518 5.2.3.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewName {
    /// `organizationName`.
    pub organisation: String,
    /// `commonName`.
    pub common_name: String,
}

impl NewName {
    /// `C=CN, O=…, CN=…` as DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        NameAttributes::from(self).to_der()
    }
}

impl From<&NewName> for NameAttributes {
    fn from(name: &NewName) -> Self {
        let parts = [(COUNTRY, "CN"), (ORGANIZATION, &name.organisation), (COMMON_NAME, &name.common_name)];
        Self(parts.map(|(kind, value)| (kind, value.to_owned())).to_vec())
    }
}

/// A name that we write from any attributes, each a part of its own, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameAttributes(pub Vec<(ObjectIdentifier, String)>);

/// Why an attribute is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// It has no value.
    #[error("attribute {kind} is empty (RFC 5280 A.1)")]
    Empty {
        /// The attribute.
        kind: ObjectIdentifier,
    },
    /// It is longer than X.520 allows.
    #[error("attribute {kind} has more than {limit} characters (RFC 5280 A.1)")]
    TooLong {
        /// The attribute.
        kind: ObjectIdentifier,
        /// Its upper bound.
        limit: usize,
    },
    /// It holds characters that its string type has not, or that nobody can read.
    #[error("attribute {kind} holds a character that its type does not allow (RFC 5280 A.1)")]
    Character {
        /// The attribute.
        kind: ObjectIdentifier,
    },
    /// A country is not two letters.
    #[error("a country has two capital letters (ISO 3166, RFC 5280 A.1)")]
    Country,
}

impl NameAttributes {
    /// As DER. Texts are UTF8String (RFC 5280 4.1.2.4), but for those that have a type of their own.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|name| {
            for (kind, value) in &self.0 {
                name.set_of_one(|set| {
                    set.sequence(|attribute| {
                        attribute.oid(*kind);
                        match StringType::of(*kind) {
                            StringType::Printable => attribute.printable(value),
                            StringType::Ia5 => attribute.ia5(value),
                            StringType::Utf8 => attribute.utf8(value),
                        };
                    });
                });
            }
        });
        writer.into_bytes()
    }

    /// Whether each attribute keeps to the bounds and alphabets of RFC 5280 A.1. [`Self::to_der`] writes without asking.
    ///
    /// # Errors
    /// The first attribute that does not.
    pub fn check(&self) -> Result<(), AttributeError> {
        for (kind, value) in &self.0 {
            let (kind, limit) = (*kind, upper_bound(*kind));
            let allowed = |c: char| match StringType::of(kind) {
                StringType::Printable => is_printable(c),
                StringType::Ia5 => c.is_ascii() && !c.is_control(),
                StringType::Utf8 => !c.is_control() && !is_ignored(c),
            };
            if value.trim().is_empty() {
                return Err(AttributeError::Empty { kind });
            }
            if value.chars().nth(limit).is_some() {
                return Err(AttributeError::TooLong { kind, limit });
            }
            if !value.chars().all(allowed) {
                return Err(AttributeError::Character { kind });
            }
            if kind == COUNTRY && (value.len() != 2 || !value.chars().all(|c| c.is_ascii_uppercase())) {
                return Err(AttributeError::Country);
            }
        }
        Ok(())
    }
}

/// The string type in which we write an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StringType {
    Printable,
    Ia5,
    Utf8,
}

impl StringType {
    /// RFC 5280 A.1 fixes some; all others are DirectoryString.
    fn of(kind: ObjectIdentifier) -> Self {
        match kind {
            COUNTRY | SERIAL_NUMBER | DN_QUALIFIER | TELEPHONE_NUMBER => Self::Printable,
            EMAIL_ADDRESS | DOMAIN_COMPONENT => Self::Ia5,
            _ => Self::Utf8,
        }
    }
}

/// Whether the alphabet of PrintableString has it (X.680 41.4).
#[must_use]
pub const fn is_printable(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ' ' | '\'' | '(' | ')' | '+' | ',' | '-' | '.' | '/' | ':' | '=' | '?')
}

/// Upper bounds in characters: RFC 5280 A.1; for those that it does not name, X.520 as of 2001.
fn upper_bound(kind: ObjectIdentifier) -> usize {
    match kind {
        COUNTRY => 2,
        TELEPHONE_NUMBER => 32,
        POSTAL_CODE => 40,
        COMMON_NAME | ORGANIZATION | ORGANIZATIONAL_UNIT | TITLE | SERIAL_NUMBER => 64,
        LOCALITY | STATE_OR_PROVINCE | PSEUDONYM | STREET_ADDRESS | BUSINESS_CATEGORY => 128,
        EMAIL_ADDRESS => 255,
        ORGANIZATION_IDENTIFIER | USER_ID => 256,
        DESCRIPTION => 1024,
        _ => 32_768,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_names_are_read() {
        let name = NewName { organisation: "示例市印信演示局".into(), common_name: "a\u{7}b".into() };
        let der = name.to_der();
        let read = Name::read(&mut Reader::new(&der), "x").unwrap();
        assert_eq!(read.display(), "C=CN, O=示例市印信演示局, CN=a\u{fffd}b");
        assert_eq!(read.first(ORGANIZATION).as_deref(), Some("示例市印信演示局"));
        assert_eq!(read.raw(), der);
    }

    /// A name of these parts, each a list of attributes with their tags.
    fn name(parts: &[&[(ObjectIdentifier, u8, &[u8])]]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|name| {
            for part in parts {
                name.set_of_one(|set| {
                    for (kind, tag, content) in *part {
                        set.sequence(|attribute| {
                            let length = u8::try_from(content.len()).unwrap();
                            attribute.oid(*kind).raw(&[*tag, length]).raw(content);
                        });
                    }
                });
            }
        });
        writer.into_bytes()
    }

    const UTF8: u8 = 12;
    const PRINTABLE: u8 = 19;
    const TELETEX: u8 = 20;
    const BMP: u8 = 30;

    fn parsed(der: &[u8]) -> Name<'_> {
        Name::parse(der, "x").unwrap()
    }

    #[test]
    fn names_match_whatever_case_space_and_string_type() {
        let cn = |tag, content: &'static [u8]| name(&[&[(COMMON_NAME, tag, content)]]);
        let plain = cn(PRINTABLE, b"Ab c");
        for same in [
            cn(UTF8, b"ab c"),
            cn(UTF8, b"  AB \t  C "),
            cn(BMP, &[0, b'a', 0, b'b', 0, b' ', 0, b'c']),
            cn(22, b"aB c"),
            cn(UTF8, "a\u{ad}b c".as_bytes()),
            cn(UTF8, "Ａｂ\u{3000}ｃ".as_bytes()),
        ] {
            assert!(parsed(&plain).matches(&parsed(&same)), "{same:?}");
            assert!(parsed(&same).matches(&parsed(&plain)), "{same:?}");
            assert_ne!(parsed(&plain), parsed(&same));
        }
        for other in [
            cn(UTF8, b"abc"),
            cn(UTF8, b"ab d"),
            // Which characters a TeletexString holds nobody can say.
            cn(TELETEX, b"Ab c"),
            cn(UTF8, &[b'A', b'b', 0xff]),
            name(&[&[(ORGANIZATION, PRINTABLE, b"Ab c")]]),
            name(&[&[(COMMON_NAME, PRINTABLE, b"Ab c")], &[(COMMON_NAME, PRINTABLE, b"Ab c")]]),
            name(&[]),
        ] {
            assert!(!parsed(&plain).matches(&parsed(&other)), "{other:?}");
            assert!(!parsed(&other).matches(&parsed(&plain)), "{other:?}");
        }
        let teletex = cn(TELETEX, b"Ab c");
        assert!(parsed(&teletex).matches(&parsed(&teletex.clone())));
        let cased = cn(TELETEX, b"ab c");
        assert!(!parsed(&teletex).matches(&parsed(&cased)));
    }

    #[test]
    fn parts_have_an_order_and_attributes_of_one_part_have_none() {
        let (o, cn) = ((ORGANIZATION, UTF8, &b"o"[..]), (COMMON_NAME, UTF8, &b"c"[..]));
        let (two, turned) = (name(&[&[o, cn]]), name(&[&[cn, o]]));
        assert!(parsed(&two).matches(&parsed(&turned)));
        let (apart, reversed) = (name(&[&[o], &[cn]]), name(&[&[cn], &[o]]));
        assert!(!parsed(&apart).matches(&parsed(&reversed)));
        assert!(!parsed(&apart).matches(&parsed(&two)));
        let twice = name(&[&[o, o, cn]]);
        let other = name(&[&[o, cn, cn]]);
        assert!(!parsed(&twice).matches(&parsed(&other)));
    }

    #[test]
    fn a_subtree_is_a_beginning() {
        let base = name(&[&[(ORGANIZATION, PRINTABLE, b"Acme")]]);
        let below = name(&[&[(ORGANIZATION, UTF8, b"ACME")], &[(COMMON_NAME, UTF8, b"x")]]);
        let behind = name(&[&[(COMMON_NAME, UTF8, b"x")], &[(ORGANIZATION, UTF8, b"ACME")]]);
        assert!(parsed(&below).is_within(&parsed(&base)));
        assert!(!parsed(&base).is_within(&parsed(&below)));
        assert!(!parsed(&behind).is_within(&parsed(&base)));
        assert!(parsed(&below).is_within(&parsed(&name(&[]))));
        assert!(parsed(&name(&[])).is_empty());
    }

    #[test]
    fn a_part_has_attributes_and_a_name_relative_to_another_is_below_it() {
        assert_eq!(Name::parse(&name(&[&[]]), "x"), Err(der::Error::Missing { what: "name" }));
        let many = vec![(COMMON_NAME, UTF8, &b"x"[..]); 65];
        let limit = MAX_ATTRIBUTES;
        assert_eq!(Name::parse(&name(&[&many]), "x"), Err(der::Error::TooMany { what: "name", limit }));
        assert_eq!(Name::parse(&[0x30, 0, 0], "x"), Err(der::Error::TrailingBytes { what: "x" }));
        let issuer = name(&[&[(ORGANIZATION, UTF8, b"o")]]);
        let whole = name(&[&[(ORGANIZATION, UTF8, b"o")], &[(COMMON_NAME, UTF8, b"c")]]);
        let part = [0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, b'c'];
        assert_eq!(NameBuf::below(&parsed(&issuer), &part).unwrap().as_name().raw(), whole);
        assert_eq!(NameBuf::below(&parsed(&issuer), &[]), Err(der::Error::Missing { what: "name" }));
    }

    #[test]
    fn texts_of_every_type_are_shown() {
        for (tag, content, shown) in [
            (BMP, &[0x53, 0x70, 0x5b, 0x57][..], "CN=印字"),
            (BMP, &[0x53, 0x70, 0x5b][..], "CN=印"),
            (TELETEX, "é".as_bytes(), "CN=é"),
            (PRINTABLE, b"a\xff", "CN=a\u{fffd}"),
            (2, &[5], "CN=?"),
        ] {
            assert_eq!(parsed(&name(&[&[(COMMON_NAME, tag, content)]])).display(), shown);
        }
        let odd = ObjectIdentifier::new_unwrap("1.2.3.4");
        assert_eq!(parsed(&name(&[&[(odd, UTF8, b"x")]])).display(), "1.2.3.4=x");
    }

    #[test]
    fn attributes_keep_to_their_bounds_and_alphabets() {
        let check = |kind, value: &str| NameAttributes(vec![(COUNTRY, "CN".into()), (kind, value.to_owned())]).check();
        assert_eq!(check(COMMON_NAME, &"印".repeat(64)), Ok(()));
        let kind = COMMON_NAME;
        assert_eq!(check(kind, &"印".repeat(65)), Err(AttributeError::TooLong { kind, limit: 64 }));
        assert_eq!(check(kind, " "), Err(AttributeError::Empty { kind }));
        assert_eq!(check(kind, "a\u{0}b"), Err(AttributeError::Character { kind }));
        assert_eq!(check(kind, "a\u{200b}b"), Err(AttributeError::Character { kind }));
        assert_eq!(check(SERIAL_NUMBER, "a_b"), Err(AttributeError::Character { kind: SERIAL_NUMBER }));
        assert_eq!(check(EMAIL_ADDRESS, "印@b"), Err(AttributeError::Character { kind: EMAIL_ADDRESS }));
        assert_eq!(check(COUNTRY, "cn"), Err(AttributeError::Country));
        assert_eq!(check(COUNTRY, "C"), Err(AttributeError::Country));
        assert_eq!(check(COUNTRY, "CHN"), Err(AttributeError::TooLong { kind: COUNTRY, limit: 2 }));
    }

    #[test]
    fn attributes_are_written_in_the_types_of_their_own_and_a_second_parser_reads_them() {
        use x509_parser::prelude::FromDer as _;
        let attributes = NameAttributes(vec![
            (COUNTRY, "CN".into()),
            (DOMAIN_COMPONENT, "example".into()),
            (SERIAL_NUMBER, "123".into()),
            (EMAIL_ADDRESS, "a@b.example".into()),
            (COMMON_NAME, "甲".into()),
        ]);
        let der = attributes.to_der();
        let tags: Vec<_> = parsed(&der).attributes().map(|attribute| attribute.value.tag()).collect();
        assert_eq!(tags, [Tag::PrintableString, Tag::Ia5String, Tag::PrintableString, Tag::Ia5String, Tag::Utf8String]);
        assert_eq!(parsed(&der).first(COMMON_NAME).as_deref(), Some("甲"));
        let (rest, peer) = x509_parser::x509::X509Name::from_der(&der).unwrap();
        assert!(rest.is_empty());
        let theirs: Vec<_> = peer.iter_attributes().map(|found| found.as_str().unwrap().to_owned()).collect();
        let ours: Vec<_> = attributes.0.iter().map(|(_, value)| value.clone()).collect();
        assert_eq!(theirs, ours);
    }
}
