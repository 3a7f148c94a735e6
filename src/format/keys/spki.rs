//! SubjectPublicKeyInfo and what is in it (RFC 5280, RFC 8017).

use crate::format::der::{self, ObjectIdentifier, Reader, Writer};
use crate::format::keys::oid;
use crate::format::keys::pkcs8::KeyKind;
use crate::format::keys::sec1::Curve;

/// An `AlgorithmIdentifier` (RFC 5280 4.1.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmIdentifier<'a> {
    /// The algorithm.
    pub oid: ObjectIdentifier,
    /// Its parameters as they arrived, tag and length included; NULL and absent are both common beside SM2.
    pub parameters: Option<&'a [u8]>,
}

impl<'a> AlgorithmIdentifier<'a> {
    /// Reads one from where the reader stands.
    ///
    /// # Errors
    /// Not this structure.
    pub fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, der::Error> {
        let mut inner = reader.sequence(what)?;
        let oid = inner.oid(what)?;
        let parameters = if inner.is_empty() { None } else { Some(inner.value(what)?.raw()) };
        inner.finish(what)?;
        Ok(Self { oid, parameters })
    }
}

/// `SubjectPublicKeyInfo` (RFC 5280 4.1.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectPublicKeyInfo<'a> {
    /// The whole structure, as it arrived.
    pub raw: &'a [u8],
    /// Which kind of key.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// The key's octets: a point for SM2, an RSAPublicKey for RSA.
    pub key: &'a [u8],
}

impl<'a> SubjectPublicKeyInfo<'a> {
    /// Reads one from where the reader stands.
    ///
    /// # Errors
    /// Not this structure.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "subjectPublicKeyInfo";
        let value = reader.expect(der::Tag::Sequence, WHAT)?;
        let mut inner = value.inside();
        let algorithm = AlgorithmIdentifier::read(&mut inner, WHAT)?;
        let key = inner.bit_string(WHAT)?;
        inner.finish(WHAT)?;
        Ok(Self { raw: value.raw(), algorithm, key })
    }

    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// Not this structure.
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        let mut reader = Reader::new(der);
        let info = Self::read(&mut reader)?;
        reader.finish("subjectPublicKeyInfo")?;
        Ok(info)
    }

    /// The structure for a key's octets: the point of SM2 and P-256 (RFC 5480 2, GB/T 20518), the RSAPublicKey
    /// (RFC 3279 2.3.1), the 32 bytes of Ed25519 (RFC 8410 4).
    #[must_use]
    pub fn write(kind: KeyKind, key: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|info| {
            info.sequence(|algorithm| {
                match kind {
                    KeyKind::Sm2 => algorithm.oid(oid::EC_PUBLIC_KEY).oid(Curve::Sm2.oid()),
                    KeyKind::P256 => algorithm.oid(oid::EC_PUBLIC_KEY).oid(Curve::P256.oid()),
                    KeyKind::Rsa => algorithm.oid(oid::RSA).null(),
                    KeyKind::Ed25519 => algorithm.oid(oid::ED25519),
                };
            });
            info.bit_string(key);
        });
        writer.into_bytes()
    }
}

/// `RSAPublicKey` (RFC 8017 A.1.1): modulus and exponent, big-endian.
///
/// # Errors
/// Not this structure.
pub fn read_rsa_public_key(der: &[u8]) -> Result<(&[u8], &[u8]), der::Error> {
    const WHAT: &str = "RSAPublicKey";
    let mut outer = Reader::new(der);
    let mut inner = outer.sequence(WHAT)?;
    let numbers = (inner.unsigned(WHAT)?, inner.unsigned(WHAT)?);
    inner.finish(WHAT)?;
    outer.finish(WHAT)?;
    Ok(numbers)
}

/// `RSAPublicKey` (RFC 8017 A.1.1) of modulus and exponent, big-endian.
#[must_use]
pub fn write_rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|numbers| {
        numbers.unsigned(modulus).unsigned(exponent);
    });
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_there_and_back() {
        for kind in [KeyKind::Sm2, KeyKind::P256, KeyKind::Rsa, KeyKind::Ed25519] {
            let der = SubjectPublicKeyInfo::write(kind, b"key");
            assert_eq!(SubjectPublicKeyInfo::parse(&der).unwrap().key, b"key");
        }
        let rsa = write_rsa_public_key(&[0, 0x81], &[3]);
        assert_eq!(read_rsa_public_key(&rsa), Ok((&[0x81][..], &[3][..])));
    }
}
