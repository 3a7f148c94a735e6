//! Extensions about keys: which one, what it may do, how long (RFC 5280 4.2.1.1 to 4.2.1.3, 4.2.1.12).

use crate::base::clock::Timestamp;
use crate::format::der::{self, ObjectIdentifier, Reader, Writer};
use crate::format::x509::extension::{context, list, sequence, write_sequence};
use crate::format::x509::general_name::GeneralName;

/// `KeyUsage` (RFC 5280 4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage(pub u16);

impl KeyUsage {
    /// `digitalSignature`.
    pub const DIGITAL_SIGNATURE: u16 = 1;
    /// `nonRepudiation` (contentCommitment).
    pub const NON_REPUDIATION: u16 = 1 << 1;
    /// `keyEncipherment`.
    pub const KEY_ENCIPHERMENT: u16 = 1 << 2;
    /// `dataEncipherment`.
    pub const DATA_ENCIPHERMENT: u16 = 1 << 3;
    /// `keyAgreement`.
    pub const KEY_AGREEMENT: u16 = 1 << 4;
    /// `keyCertSign`.
    pub const KEY_CERT_SIGN: u16 = 1 << 5;
    /// `cRLSign`.
    pub const CRL_SIGN: u16 = 1 << 6;
    /// `encipherOnly`.
    pub const ENCIPHER_ONLY: u16 = 1 << 7;
    /// `decipherOnly`.
    pub const DECIPHER_ONLY: u16 = 1 << 8;

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

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.named_bits(self.0);
        writer.into_bytes()
    }

    /// Whether any of these bits is set.
    #[must_use]
    pub const fn any(self, bits: u16) -> bool {
        self.0 & bits != 0
    }
}

/// `anyExtendedKeyUsage`.
pub const ANY_EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
/// `id-kp-serverAuth`.
pub const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// `id-kp-clientAuth`.
pub const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// `id-kp-codeSigning`.
pub const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
/// `id-kp-emailProtection`.
pub const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
/// `id-kp-timeStamping`.
pub const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// `id-kp-OCSPSigning`.
pub const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");

/// `ExtKeyUsageSyntax` (RFC 5280 4.2.1.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedKeyUsage(pub Vec<ObjectIdentifier>);

impl ExtendedKeyUsage {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a list of at least one purpose.
    pub fn parse(value: &[u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "extKeyUsage";
        list(value, WHAT, |reader| reader.oid(WHAT)).map(Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|purposes| {
            for purpose in &self.0 {
                purposes.oid(*purpose);
            }
        })
    }

    /// Whether that purpose is named, or any is allowed.
    #[must_use]
    pub fn allows(&self, purpose: ObjectIdentifier) -> bool {
        self.0.iter().any(|found| *found == purpose || *found == ANY_EXTENDED_KEY_USAGE)
    }
}

/// `SubjectKeyIdentifier` (RFC 5280 4.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectKeyIdentifier<'a>(pub &'a [u8]);

impl<'a> SubjectKeyIdentifier<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not an OCTET STRING.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "subjectKeyIdentifier";
        let mut reader = Reader::new(value);
        let identifier = reader.octet_string(WHAT)?;
        reader.finish(WHAT)?;
        Ok(Self(identifier))
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.octet_string(self.0);
        writer.into_bytes()
    }
}

/// `AuthorityKeyIdentifier` (RFC 5280 4.2.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthorityKeyIdentifier<'a> {
    /// `keyIdentifier`.
    pub key_identifier: Option<&'a [u8]>,
    /// `authorityCertIssuer`; empty where absent.
    pub issuer: Vec<GeneralName<'a>>,
    /// `authorityCertSerialNumber`, content octets.
    pub serial: Option<&'a [u8]>,
}

impl<'a> AuthorityKeyIdentifier<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not this structure; issuer without serial number or the reverse (RFC 5280 A.2).
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "authorityKeyIdentifier";
        let mut inner = sequence(value, WHAT)?;
        let key_identifier = inner.optional(context(0, false), WHAT)?.map(|found| found.content());
        let issuer = match inner.optional(context(1, true), WHAT)? {
            Some(names) => GeneralName::read_many(&mut names.inside(), WHAT)?,
            None => Vec::new(),
        };
        let serial = inner.optional(context(2, false), WHAT)?.map(|found| found.content());
        inner.finish(WHAT)?;
        let is_minimal = !matches!(serial, Some([] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..]));
        if issuer.is_empty() != serial.is_none() || !is_minimal {
            return Err(der::Error::InvalidValue { what: WHAT });
        }
        Ok(Self { key_identifier, issuer, serial })
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|inner| {
            if let Some(identifier) = self.key_identifier {
                inner.context_primitive(0, identifier);
            }
            if !self.issuer.is_empty() {
                inner.context(1, |names| self.issuer.iter().for_each(|name| name.write(names)));
            }
            if let Some(serial) = self.serial {
                inner.context_primitive(2, serial);
            }
        })
    }
}

/// `PrivateKeyUsagePeriod` (RFC 3280 4.2.1.4; GB/T 20518 keeps it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrivateKeyUsagePeriod {
    /// `notBefore`.
    pub not_before: Option<Timestamp>,
    /// `notAfter`.
    pub not_after: Option<Timestamp>,
}

impl PrivateKeyUsagePeriod {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not this structure; neither end given.
    pub fn parse(value: &[u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "privateKeyUsagePeriod";
        let mut inner = sequence(value, WHAT)?;
        let mut end = |number| match inner.optional(context(number, false), WHAT)? {
            Some(found) => {
                der::time::generalized(found.content()).map(Some).ok_or(der::Error::InvalidValue { what: WHAT })
            }
            None => Ok(None),
        };
        let (not_before, not_after) = (end(0)?, end(1)?);
        inner.finish(WHAT)?;
        if not_before.is_none() && not_after.is_none() {
            return Err(der::Error::Missing { what: WHAT });
        }
        Ok(Self { not_before, not_after })
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|inner| {
            for (number, end) in [(0, self.not_before), (1, self.not_after)] {
                if let Some(moment) = end {
                    inner.context_primitive(number, der::time::to_generalized(moment).as_bytes());
                }
            }
        })
    }
}
