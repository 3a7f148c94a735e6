//! Certificate extensions (RFC 5280 4.2, GB/T 20518 5.2.4): each a type of its own, read strictly, written as DER.
//!
//! Refused where the standard demands an element: empty lists, empty constraints; a policy named twice. Accepted
//! beyond DER: a written-out `critical FALSE` and `cA FALSE`, and trailing zero bits of keyUsage and reasons, all common
//! in the field. Whether an extension may stand in a certificate, and be critical there, is not judged here.

mod access;
mod constraint;
mod context;
mod distribution;
mod identity;
mod key;
mod policy;
mod subject;

use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};

pub use access::{
    ACCESS_CA_ISSUERS, ACCESS_CA_REPOSITORY, ACCESS_OCSP, ACCESS_TIME_STAMPING, AccessDescription, AuthorityInfoAccess,
    NoRevAvail, OcspNoCheck, SubjectInfoAccess,
};
pub use constraint::{BasicConstraints, GeneralSubtree, NameConstraints};
pub use context::{AuthenticationContext, AuthenticationContexts};
pub use distribution::{CrlDistributionPoints, DistributionPoint, DistributionPointName, FreshestCrl, ReasonFlags};
pub use identity::{IdentityCode, IdentityNumber, IdentityNumberKind};
pub use key::{
    ANY_EXTENDED_KEY_USAGE, AuthorityKeyIdentifier, CLIENT_AUTH, CODE_SIGNING, EMAIL_PROTECTION, ExtendedKeyUsage,
    KeyUsage, OCSP_SIGNING, PrivateKeyUsagePeriod, SERVER_AUTH, SubjectKeyIdentifier, TIME_STAMPING,
};
pub use policy::{
    ANY_POLICY, CertificatePolicies, InhibitAnyPolicy, PolicyConstraints, PolicyInformation, PolicyMappings,
};
pub use subject::{IssuerAltName, SubjectAltName, SubjectDirectoryAttributes};

/// `subjectDirectoryAttributes`.
pub const SUBJECT_DIRECTORY_ATTRIBUTES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.9");
/// `subjectKeyIdentifier`.
pub const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
/// `keyUsage`.
pub const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
/// `privateKeyUsagePeriod`.
pub const PRIVATE_KEY_USAGE_PERIOD: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.16");
/// `subjectAltName`.
pub const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// `issuerAltName`.
pub const ISSUER_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.18");
/// `basicConstraints`.
pub const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
/// `nameConstraints`.
pub const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");
/// `cRLDistributionPoints`.
pub const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
/// `certificatePolicies`.
pub const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");
/// `policyMappings`.
pub const POLICY_MAPPINGS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.33");
/// `authorityKeyIdentifier`.
pub const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
/// `policyConstraints`.
pub const POLICY_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.36");
/// `extKeyUsage`.
pub const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
/// `freshestCRL`.
pub const FRESHEST_CRL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");
/// `inhibitAnyPolicy`.
pub const INHIBIT_ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.54");
/// `noRevAvail` (RFC 9608 2).
pub const NO_REV_AVAIL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.56");
/// `authContext` (RFC 7773 3).
pub const AUTHENTICATION_CONTEXTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.752.201.5.1");
/// `authorityInfoAccess`.
pub const AUTHORITY_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
/// `subjectInfoAccess`.
pub const SUBJECT_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.11");
/// `id-pkix-ocsp-nocheck` (RFC 6960 4.2.2.2.1).
pub const OCSP_NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
/// `IdentityCode` of GM/T 0015.
pub const IDENTITY_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.1");

/// Elements of one list in an extension.
const MAX_ELEMENTS: usize = 4096;

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
        let critical = inner.peek() == Some(Tag::Boolean) && inner.boolean(WHAT)?;
        let value = inner.octet_string(WHAT)?;
        inner.finish(WHAT)?;
        Ok(Self { oid, critical, value })
    }
}

/// An extension that we write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExtension {
    /// `extnID`.
    pub oid: ObjectIdentifier,
    /// `critical`.
    pub critical: bool,
    /// The content of `extnValue`, DER.
    pub value: Vec<u8>,
}

impl NewExtension {
    /// The extension of that value.
    #[must_use]
    pub fn new<'a, T: ExtensionValue<'a>>(critical: bool, value: &T) -> Self {
        Self { oid: T::OID, critical, value: value.to_value() }
    }

    /// Writes it.
    pub fn write(&self, writer: &mut Writer) {
        writer.sequence(|extension| {
            extension.oid(self.oid);
            if self.critical {
                extension.boolean(true);
            }
            extension.octet_string(&self.value);
        });
    }
}

/// The value of one kind of extension.
pub trait ExtensionValue<'a>: Sized {
    /// Its `extnID`.
    const OID: ObjectIdentifier;

    /// Reads the content of `extnValue`.
    ///
    /// # Errors
    /// Not this structure.
    fn from_value(value: &'a [u8]) -> Result<Self, der::Error>;

    /// The content of `extnValue`.
    fn to_value(&self) -> Vec<u8>;
}

macro_rules! extension_values {
    ($($oid:ident: $kind:ty;)+) => {$(
        impl<'a> ExtensionValue<'a> for $kind {
            const OID: ObjectIdentifier = $oid;

            fn from_value(value: &'a [u8]) -> Result<Self, der::Error> {
                Self::parse(value)
            }

            fn to_value(&self) -> Vec<u8> {
                self.to_der()
            }
        }
    )+
        /// Reads an extension of a kind that has a type here, and writes it again; `None` for any other kind. What is DER
        /// throughout comes back byte for byte.
        #[must_use]
        pub fn rewrite<'a>(extension: &Extension<'a>) -> Option<Result<Vec<u8>, der::Error>> {
            match extension.oid {
                $($oid => Some(<$kind>::from_value(extension.value).map(|read| read.to_value())),)+
                _ => {
                    let number = IdentityNumber::from_extension(extension).transpose()?;
                    Some(number.map(|number| number.to_der()))
                }
            }
        }
    };
}

extension_values! {
    SUBJECT_DIRECTORY_ATTRIBUTES: SubjectDirectoryAttributes<'a>;
    SUBJECT_KEY_IDENTIFIER: SubjectKeyIdentifier<'a>;
    KEY_USAGE: KeyUsage;
    PRIVATE_KEY_USAGE_PERIOD: PrivateKeyUsagePeriod;
    SUBJECT_ALT_NAME: SubjectAltName<'a>;
    ISSUER_ALT_NAME: IssuerAltName<'a>;
    BASIC_CONSTRAINTS: BasicConstraints;
    NAME_CONSTRAINTS: NameConstraints<'a>;
    CRL_DISTRIBUTION_POINTS: CrlDistributionPoints<'a>;
    CERTIFICATE_POLICIES: CertificatePolicies<'a>;
    POLICY_MAPPINGS: PolicyMappings;
    AUTHORITY_KEY_IDENTIFIER: AuthorityKeyIdentifier<'a>;
    POLICY_CONSTRAINTS: PolicyConstraints;
    EXTENDED_KEY_USAGE: ExtendedKeyUsage;
    FRESHEST_CRL: FreshestCrl<'a>;
    INHIBIT_ANY_POLICY: InhibitAnyPolicy;
    AUTHORITY_INFO_ACCESS: AuthorityInfoAccess<'a>;
    SUBJECT_INFO_ACCESS: SubjectInfoAccess<'a>;
    OCSP_NO_CHECK: OcspNoCheck;
    NO_REV_AVAIL: NoRevAvail;
    AUTHENTICATION_CONTEXTS: AuthenticationContexts<'a>;
    IDENTITY_CODE: IdentityCode<'a>;
}

/// A context tag.
const fn context(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number: ::der::TagNumber(number) }
}

/// Reads a value of one SEQUENCE that fills the bytes.
fn sequence<'a>(value: &'a [u8], what: &'static str) -> Result<Reader<'a>, der::Error> {
    let mut outer = Reader::new(value);
    let inner = outer.sequence(what)?;
    outer.finish(what)?;
    Ok(inner)
}

/// Reads a `SEQUENCE SIZE (1..MAX) OF` that fills the bytes.
fn list<'a, T>(
    value: &'a [u8],
    what: &'static str,
    read: impl FnMut(&mut Reader<'a>) -> Result<T, der::Error>,
) -> Result<Vec<T>, der::Error> {
    elements(sequence(value, what)?, what, read)
}

/// Reads elements to the end: at least one, bounded.
fn elements<'a, T>(
    mut reader: Reader<'a>,
    what: &'static str,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, der::Error>,
) -> Result<Vec<T>, der::Error> {
    let mut found = Vec::new();
    if reader.is_empty() {
        return Err(der::Error::Missing { what });
    }
    while !reader.is_empty() {
        if found.len() >= MAX_ELEMENTS {
            return Err(der::Error::TooMany { what, limit: MAX_ELEMENTS });
        }
        found.push(read(&mut reader)?);
    }
    Ok(found)
}

/// The content of a non-negative INTEGER of 32 bits under an implicit tag, minimal (X.690 8.3).
fn small(content: &[u8], what: &'static str) -> Result<u32, der::Error> {
    let invalid = der::Error::InvalidValue { what };
    match content {
        [] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => Err(invalid),
        [0, rest @ ..] | rest if rest.len() <= 4 => {
            Ok(rest.iter().fold(0, |number, octet| number << 8 | u32::from(*octet)))
        }
        _ => Err(invalid),
    }
}

/// The content octets of a small non-negative INTEGER, for an implicit tag.
fn small_content(number: u32) -> Vec<u8> {
    let mut content: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
    if content.first().is_none_or(|top| *top >= 0x80) {
        content.insert(0, 0);
    }
    content
}

/// The extension's value as one SEQUENCE.
fn write_sequence(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(fill);
    writer.into_bytes()
}

#[cfg(test)]
mod tests;
