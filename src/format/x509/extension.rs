//! Certificate extensions that path building and verification look at (RFC 5280 4.2).

use crate::format::der::{self, ObjectIdentifier, Reader};

/// `subjectKeyIdentifier`.
pub const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
/// `keyUsage`.
pub const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
/// `subjectAltName`.
pub const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// `basicConstraints`.
pub const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
/// `cRLDistributionPoints`.
pub const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
/// `certificatePolicies`.
pub const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");
/// `authorityKeyIdentifier`.
pub const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
/// `extKeyUsage`.
pub const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
/// `authorityInfoAccess`.
pub const AUTHORITY_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");

/// One extension as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// `extnID`.
    pub oid: ObjectIdentifier,
    /// `critical`.
    pub critical: bool,
    /// The content of `extnValue`.
    pub value: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Reads one from where the reader stands. A written-out `critical FALSE` is accepted: it is common in the field
    /// and changes nothing, since the signature covers the bytes that arrived.
    ///
    /// # Errors
    /// Not this structure.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "extension";
        let mut inner = reader.sequence(WHAT)?;
        let oid = inner.oid(WHAT)?;
        let critical = inner.peek() == Some(der::Tag::Boolean) && inner.boolean(WHAT)?;
        let value = inner.octet_string(WHAT)?;
        inner.finish(WHAT)?;
        Ok(Self { oid, critical, value })
    }
}

/// `BasicConstraints` (RFC 5280 4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BasicConstraints {
    /// `cA`.
    pub authority: bool,
    /// `pathLenConstraint`.
    pub path_length: Option<u32>,
}

impl BasicConstraints {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not this structure.
    pub fn parse(value: &[u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "basicConstraints";
        let mut outer = Reader::new(value);
        let mut inner = outer.sequence(WHAT)?;
        let authority = inner.peek() == Some(der::Tag::Boolean) && inner.boolean(WHAT)?;
        let path_length = if inner.is_empty() { None } else { Some(inner.small(WHAT)?) };
        inner.finish(WHAT)?;
        outer.finish(WHAT)?;
        Ok(Self { authority, path_length })
    }
}

/// `KeyUsage` (RFC 5280 4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage(pub u16);

impl KeyUsage {
    /// `digitalSignature`.
    pub const DIGITAL_SIGNATURE: u16 = 1;
    /// `nonRepudiation` (contentCommitment).
    pub const NON_REPUDIATION: u16 = 1 << 1;
    /// `keyCertSign`.
    pub const KEY_CERT_SIGN: u16 = 1 << 5;
    /// `cRLSign`.
    pub const CRL_SIGN: u16 = 1 << 6;

    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a named bit list.
    pub fn parse(value: &[u8]) -> Result<Self, der::Error> {
        let mut reader = Reader::new(value);
        let bits = reader.named_bits("keyUsage")?;
        reader.finish("keyUsage")?;
        Ok(Self(bits))
    }

    /// Whether any of these bits is set.
    #[must_use]
    pub const fn any(self, bits: u16) -> bool {
        self.0 & bits != 0
    }
}
