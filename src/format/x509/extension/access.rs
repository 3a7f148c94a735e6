//! Where services about a certificate are reached, and which certificate needs none (RFC 5280 4.2.2, RFC 6960 4.2.2.2.1).

use crate::format::der::{self, ObjectIdentifier, Reader, Writer};
use crate::format::x509::extension::{list, write_sequence};
use crate::format::x509::general_name::GeneralName;

/// `id-ad-ocsp`.
pub const ACCESS_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// `id-ad-caIssuers`.
pub const ACCESS_CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");
/// `id-ad-timeStamping`.
pub const ACCESS_TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.3");
/// `id-ad-caRepository`.
pub const ACCESS_CA_REPOSITORY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.5");

/// `AccessDescription` (RFC 5280 4.2.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessDescription<'a> {
    /// `accessMethod`.
    pub method: ObjectIdentifier,
    /// `accessLocation`.
    pub location: GeneralName<'a>,
}

impl<'a> AccessDescription<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "AccessDescription";
        let mut inner = reader.sequence(WHAT)?;
        let (method, location) = (inner.oid(WHAT)?, GeneralName::read(&mut inner)?);
        inner.finish(WHAT)?;
        Ok(Self { method, location })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|inner| {
            inner.oid(self.method);
            self.location.write(inner);
        });
    }
}

/// `AuthorityInfoAccessSyntax` (RFC 5280 4.2.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityInfoAccess<'a>(pub Vec<AccessDescription<'a>>);

/// `SubjectInfoAccessSyntax` (RFC 5280 4.2.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectInfoAccess<'a>(pub Vec<AccessDescription<'a>>);

impl<'a> AuthorityInfoAccess<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a list of at least one place.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        list(value, "authorityInfoAccess", AccessDescription::read).map(Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|places| self.0.iter().for_each(|place| place.write(places)))
    }
}

impl<'a> SubjectInfoAccess<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a list of at least one place.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        list(value, "subjectInfoAccess", AccessDescription::read).map(Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|places| self.0.iter().for_each(|place| place.write(places)))
    }
}

/// The content of an extension that says all by being there: NULL.
fn read_null(value: &[u8], what: &'static str) -> Result<(), der::Error> {
    let mut reader = Reader::new(value);
    let null = reader.expect(der::Tag::Null, what)?;
    reader.finish(what)?;
    if null.content().is_empty() { Ok(()) } else { Err(der::Error::InvalidValue { what }) }
}

fn null() -> Vec<u8> {
    let mut writer = Writer::new();
    writer.null();
    writer.into_bytes()
}

/// `id-pkix-ocsp-nocheck`: this responder's certificate is not asked about (RFC 6960 4.2.2.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OcspNoCheck;

impl OcspNoCheck {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not NULL.
    pub fn parse(value: &[u8]) -> Result<Self, der::Error> {
        read_null(value, "ocsp-nocheck").map(|()| Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        null()
    }
}

/// `noRevAvail`: the issuer says nothing of the revocation of this certificate, now or later (RFC 9608 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRevAvail;

impl NoRevAvail {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not NULL.
    pub fn parse(value: &[u8]) -> Result<Self, der::Error> {
        read_null(value, "noRevAvail").map(|()| Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        null()
    }
}
