//! `CertID` (RFC 6960 4.1.1): a certificate, by digests of its issuer's name and key and by its serial number.

use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::keys::AlgorithmIdentifier;

/// `CertID` as it arrived. An answer repeats the question's, so the bytes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertId<'a> {
    /// All of it.
    pub raw: &'a [u8],
    /// `hashAlgorithm`.
    pub hash_algorithm: AlgorithmIdentifier<'a>,
    /// `issuerNameHash`: over the issuer's name, DER.
    pub issuer_name_hash: &'a [u8],
    /// `issuerKeyHash`: over the content of the issuer's `subjectPublicKey`, without tag, length and unused bits.
    pub issuer_key_hash: &'a [u8],
    /// `serialNumber`, content octets.
    pub serial: &'a [u8],
}

impl<'a> CertId<'a> {
    /// Reads one from where the reader stands.
    ///
    /// # Errors
    /// Not this structure.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "CertID";
        let value = reader.expect(Tag::Sequence, WHAT)?;
        let mut inner = value.inside();
        let hash_algorithm = AlgorithmIdentifier::read(&mut inner, "hashAlgorithm")?;
        let issuer_name_hash = inner.octet_string("issuerNameHash")?;
        let issuer_key_hash = inner.octet_string("issuerKeyHash")?;
        let serial = inner.integer("serialNumber")?;
        inner.finish(WHAT)?;
        Ok(Self { raw: value.raw(), hash_algorithm, issuer_name_hash, issuer_key_hash, serial })
    }
}

/// `CertID` to be written; the parameters of the digest are NULL, as others write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewCertId<'a> {
    /// The digest's algorithm.
    pub hash_algorithm: ObjectIdentifier,
    /// Over the issuer's name.
    pub issuer_name_hash: &'a [u8],
    /// Over the issuer's key.
    pub issuer_key_hash: &'a [u8],
    /// `serialNumber`, big-endian magnitude.
    pub serial: &'a [u8],
}

impl NewCertId<'_> {
    /// The DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|id| {
            id.sequence(|algorithm| {
                algorithm.oid(self.hash_algorithm).null();
            });
            id.octet_string(self.issuer_name_hash).octet_string(self.issuer_key_hash).unsigned(self.serial);
        });
        writer.into_bytes()
    }
}
