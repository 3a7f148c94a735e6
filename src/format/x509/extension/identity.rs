//! Numbers that identify a person or an organisation, as extensions of their own (GM/T 0015-2012 5.2.3.3, GB/T 20518).
//!
//! The standards' texts were not at hand: object identifiers and the CHOICE of IdentityCode are as open CA software
//! (XiPKI) and published code of provincial authorities' clients agree on them. Files differ in tagging: IdentityCode
//! comes with implicit and with explicit tags, the numbers as PrintableString, UTF8String or IA5String. All are read.
//! The unified social credit code (统一社会信用代码) stands where the organisation code stood, by the same clients.

use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::x509::extension::{Extension, context};
use crate::format::x509::name::is_printable;

/// `IdentityCode`: a natural person's number and on which document it stands.
///
/// ```text
/// IdentityCode ::= CHOICE {
///   residenterCardNumber       [0] PrintableString,
///   militaryOfficerCardNumber  [1] UTF8String,
///   passportNumber             [2] PrintableString }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityCode<'a> {
    /// `residenterCardNumber`: the citizen identity number (公民身份号码).
    ResidentCard(&'a str),
    /// `militaryOfficerCardNumber` (军官证号).
    MilitaryOfficerCard(&'a str),
    /// `passportNumber` (护照号).
    Passport(&'a str),
}

impl<'a> IdentityCode<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not this structure; an empty number.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "IdentityCode";
        let mut reader = Reader::new(value);
        let found = reader.value(WHAT)?;
        reader.finish(WHAT)?;
        let number = |tag: u32| {
            if found.tag() == context(tag, true) {
                let inside = text(found.content(), WHAT)?;
                return checked(inside.as_bytes(), tag == 1, WHAT).map(Some);
            }
            if found.tag() == context(tag, false) {
                return checked(found.content(), tag == 1, WHAT).map(Some);
            }
            Ok(None)
        };
        if let Some(card) = number(0)? {
            return Ok(Self::ResidentCard(card));
        }
        if let Some(card) = number(1)? {
            return Ok(Self::MilitaryOfficerCard(card));
        }
        number(2)?.map(Self::Passport).ok_or(der::Error::InvalidValue { what: WHAT })
    }

    /// The content of the extension, with implicit tags as the module of GM/T 0015 writes them.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::ResidentCard(number) => writer.context_primitive(0, number.as_bytes()),
            Self::MilitaryOfficerCard(number) => writer.context_primitive(1, number.as_bytes()),
            Self::Passport(number) => writer.context_primitive(2, number.as_bytes()),
        };
        writer.into_bytes()
    }
}

/// What an [`IdentityNumber`] is the number of. Each has an extension of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityNumberKind {
    /// `InsuranceNumber` (个人社会保险号).
    SocialInsurance,
    /// `ICRegistrationNumber` (企业工商注册号).
    BusinessRegistration,
    /// `OrganizationCode` (企业组织机构代码); since 2015 it carries the unified social credit code (统一社会信用代码), whose
    /// characters 9 to 17 are the organisation code (GB 32100).
    OrganisationCode,
    /// `TaxationNumber` (企业税号).
    Taxation,
    /// The number of a resident's identity card in an extension of its own (GM/T 0015-2023; one source, a hypothesis).
    ResidentCard,
    /// The number of a passport in an extension of its own (GM/T 0015-2023; one source, a hypothesis).
    Passport,
}

impl IdentityNumberKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SocialInsurance,
        Self::BusinessRegistration,
        Self::OrganisationCode,
        Self::Taxation,
        Self::ResidentCard,
        Self::Passport,
    ];

    /// Its `extnID`.
    #[must_use]
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::SocialInsurance => ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.2"),
            Self::BusinessRegistration => ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.3"),
            Self::OrganisationCode => ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.4"),
            Self::Taxation => ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.5"),
            Self::ResidentCard => ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.1.1"),
            Self::Passport => ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.1.2"),
        }
    }
}

/// One of the numbers that stand as a plain string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityNumber<'a> {
    /// What it is the number of.
    pub kind: IdentityNumberKind,
    /// The number.
    pub number: &'a str,
}

impl<'a> IdentityNumber<'a> {
    /// Reads the content of the extension of that kind.
    ///
    /// # Errors
    /// Not a string; an empty one.
    pub fn parse(kind: IdentityNumberKind, value: &'a [u8]) -> Result<Self, der::Error> {
        Ok(Self { kind, number: text(value, "identity number")? })
    }

    /// Reads an extension, if it is of one of these kinds.
    ///
    /// # Errors
    /// Those of [`Self::parse`].
    pub fn from_extension(extension: &Extension<'a>) -> Result<Option<Self>, der::Error> {
        let kind = IdentityNumberKind::ALL.into_iter().find(|kind| kind.oid() == extension.oid);
        kind.map(|kind| Self::parse(kind, extension.value)).transpose()
    }

    /// The content of the extension: a PrintableString as GM/T 0015 has it, a UTF8String where its alphabet is too small.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        if self.number.chars().all(is_printable) {
            writer.printable(self.number);
        } else {
            writer.utf8(self.number);
        }
        writer.into_bytes()
    }
}

/// One string that fills the bytes.
fn text<'a>(value: &'a [u8], what: &'static str) -> Result<&'a str, der::Error> {
    let mut reader = Reader::new(value);
    let found = reader.value(what)?;
    reader.finish(what)?;
    match found.tag() {
        Tag::Utf8String => checked(found.content(), true, what),
        Tag::PrintableString | Tag::Ia5String => checked(found.content(), false, what),
        tag => Err(der::Error::UnexpectedTag { what, expected: Tag::PrintableString, found: tag }),
    }
}

fn checked<'a>(content: &'a [u8], allows_unicode: bool, what: &'static str) -> Result<&'a str, der::Error> {
    let text = std::str::from_utf8(content).ok();
    let fits =
        |text: &&str| !text.is_empty() && (allows_unicode || text.is_ascii()) && !text.contains(char::is_control);
    text.filter(fits).ok_or(der::Error::InvalidValue { what })
}
