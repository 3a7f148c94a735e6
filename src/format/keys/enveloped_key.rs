//! A key pair enveloped for its owner, as key management centres send it (GM/T 0009 7.4, GB/T 35276).

use crate::format::der::{self, Reader, Writer};
use crate::format::keys::sm2_ciphertext::Sm2Ciphertext;
use crate::format::keys::{AlgorithmIdentifier, Error, oid};

/// `SM2EnvelopedKey ::= SEQUENCE { symAlgID AlgorithmIdentifier, symEncryptedKey SM2Cipher, Sm2PublicKey BIT STRING,
/// Sm2EncryptedPrivateKey BIT STRING }`.
///
/// Not checked: that the public key is a point, nor that the private key belongs to it; whoever decrypts must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sm2EnvelopedKey<'a> {
    /// The key of SM4, 16 bytes, encrypted to the owner's SM2 key.
    pub encrypted_key: Sm2Ciphertext,
    /// The public key of the pair: 04‖x‖y.
    pub public: &'a [u8; 65],
    /// The scalar under that SM4 key, block by block (ECB): 32 bytes, or 64 where the writer filled up with zeros in
    /// front as GM/T 0018's structure does.
    pub encrypted_private: &'a [u8],
}

impl<'a> Sm2EnvelopedKey<'a> {
    /// Reads one that fills the bytes.
    ///
    /// symAlgID must be SM4-ECB, or SM4 without a mode, which genuine files are said to write (a hypothesis).
    ///
    /// # Errors
    /// Not this structure; [`Error::Unsupported`].
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "SM2EnvelopedKey";
        let invalid = |what| der::Error::InvalidValue { what };
        let mut outer = Reader::new(der);
        let mut inner = outer.sequence(WHAT)?;
        let algorithm = AlgorithmIdentifier::read(&mut inner, "symAlgID")?;
        if !matches!(algorithm.oid, oid::SM4_ECB | oid::SM4) {
            return Err(Error::Unsupported { what: "symAlgID", oid: algorithm.oid });
        }
        if algorithm.parameters.is_some_and(|parameters| parameters != [5, 0]) {
            return Err(invalid("symAlgID").into());
        }
        let encrypted_key = Sm2Ciphertext::read(&mut inner)?;
        if encrypted_key.c2.len() != 16 {
            return Err(invalid("symEncryptedKey").into());
        }
        let public = inner.bit_string("Sm2PublicKey")?;
        let public: &[u8; 65] = public.try_into().map_err(|_| invalid("Sm2PublicKey"))?;
        if public.first() != Some(&4) {
            return Err(invalid("Sm2PublicKey").into());
        }
        let encrypted_private = inner.bit_string("Sm2EncryptedPrivateKey")?;
        if !matches!(encrypted_private.len(), 32 | 64) {
            return Err(invalid("Sm2EncryptedPrivateKey").into());
        }
        inner.finish(WHAT)?;
        outer.finish(WHAT)?;
        Ok(Self { encrypted_key, public, encrypted_private })
    }

    /// The structure, with SM4-ECB named.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|outer| {
            outer.sequence(|algorithm| {
                algorithm.oid(oid::SM4_ECB);
            });
            outer.raw(&self.encrypted_key.to_der()).bit_string(self.public).bit_string(self.encrypted_private);
        });
        writer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_and_what_does_not_fit() {
        let mut point = [5; 65];
        point[0] = 4;
        let cipher = |size: usize| Sm2Ciphertext { c1: point, c3: [3; 32], c2: vec![2; size] };
        let key = |size, private: &'static [u8]| {
            Sm2EnvelopedKey { encrypted_key: cipher(size), public: &point, encrypted_private: private }.to_der()
        };
        for private in [&[1; 32][..], &[1; 64]] {
            let der = key(16, private);
            let read = Sm2EnvelopedKey::parse(&der).unwrap();
            assert_eq!(read, Sm2EnvelopedKey { encrypted_key: cipher(16), public: &point, encrypted_private: private });
            assert_eq!(read.to_der(), der);
        }
        let invalid = |what| Err(Error::from(der::Error::InvalidValue { what }));
        assert_eq!(Sm2EnvelopedKey::parse(&key(15, &[1; 32])), invalid("symEncryptedKey"));
        assert_eq!(Sm2EnvelopedKey::parse(&key(16, &[1; 48])), invalid("Sm2EncryptedPrivateKey"));
        let mut aes = Writer::new();
        aes.sequence(|outer| {
            outer.sequence(|algorithm| {
                algorithm.oid(oid::AES_128_CBC);
            });
        });
        let unsupported = Error::Unsupported { what: "symAlgID", oid: oid::AES_128_CBC };
        assert_eq!(Sm2EnvelopedKey::parse(&aes.into_bytes()), Err(unsupported));
    }
}
