//! RSA public keys: which are taken, and what they verify.

use openssl::bn::BigNum;
use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::{Padding, Rsa};
use ring::signature::{self as ring_signature, RsaParameters, RsaPublicKeyComponents};

use crate::crypto::Error;
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::crypto::rsa::{close_primes, encoding};

/// Modulus and exponent, big-endian without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// RSASSA-PSS-params (RFC 4055 3.1) of any digest that we compute and any salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PssParameters {
    /// `hashAlgorithm`.
    pub digest: DigestAlgorithm,
    /// The digest of `maskGenAlgorithm`, MGF1.
    pub mask: DigestAlgorithm,
    /// `saltLength`.
    pub salt: usize,
}

impl PssParameters {
    /// The usual ones: one digest, a salt as long.
    #[must_use]
    pub const fn usual(digest: DigestAlgorithm) -> Self {
        Self { digest, mask: digest, salt: digest.size() }
    }
}

impl PublicKey {
    /// A key of 2048 to 8192 bits, its modulus odd, its exponent odd and of 65537 to 2³³−1 (FIPS 186-5 5.1; the upper
    /// bound is ring's, against exponents that only cost time). Both numbers big-endian, unsigned, leading zeros allowed.
    ///
    /// # Errors
    /// [`Error::RsaKeySize`], [`Error::RsaModulus`], [`Error::RsaExponent`].
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        let trim = |number: &[u8]| number.iter().copied().skip_while(|b| *b == 0).collect::<Vec<u8>>();
        let key = Self { modulus: trim(modulus), exponent: trim(exponent) };
        let bits = key.bits();
        if !(2048..=8192).contains(&bits) {
            return Err(Error::RsaKeySize { bits });
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        if !is_odd(&key.modulus) {
            return Err(Error::RsaModulus);
        }
        let value = key.exponent.iter().fold(0_u64, |sum, octet| (sum << 8) | u64::from(*octet));
        if key.exponent.len() > 5 || !is_odd(&key.exponent) || !(65537..1 << 33).contains(&value) {
            return Err(Error::RsaExponent);
        }
        Ok(key)
    }

    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> usize {
        let top = self.modulus.first().map_or(8, |byte| byte.leading_zeros());
        let top = usize::try_from(top).unwrap_or(8);
        self.modulus.len().saturating_mul(8).saturating_sub(top)
    }

    /// Encrypts by RSAES-OAEP with SHA-256, MGF1 with SHA-256 and an empty label (RFC 8017 7.1.1). The seed comes from
    /// OpenSSL's own generator.
    ///
    /// # Errors
    /// [`Error::TextLength`]: longer than the key takes; [`Error::Rsa`].
    pub fn encrypt_oaep_sha256(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        // The text, two digests and two octets fill the modulus.
        let most = self.bits().div_ceil(8).saturating_sub(66);
        if text.len() > most {
            return Err(Error::TextLength { length: text.len() });
        }
        let refused = |_| Error::Rsa;
        let (modulus, exponent) = (BigNum::from_slice(&self.modulus), BigNum::from_slice(&self.exponent));
        let key = Rsa::from_public_components(modulus.map_err(refused)?, exponent.map_err(refused)?);
        let key = PKey::from_rsa(key.map_err(refused)?).map_err(refused)?;
        let mut encrypter = Encrypter::new(&key).map_err(refused)?;
        encrypter.set_rsa_padding(Padding::PKCS1_OAEP).map_err(refused)?;
        encrypter.set_rsa_oaep_md(MessageDigest::sha256()).map_err(refused)?;
        encrypter.set_rsa_mgf1_md(MessageDigest::sha256()).map_err(refused)?;
        let mut out = vec![0; encrypter.encrypt_len(text).map_err(refused)?];
        let length = encrypter.encrypt(text, &mut out).map_err(refused)?;
        out.truncate(length);
        Ok(out)
    }

    /// The modulus, big-endian.
    #[must_use]
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The public exponent, big-endian.
    #[must_use]
    pub fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// Whether the two primes lie so close together that Fermat's method finds them in a hundred rounds.
    ///
    /// # Errors
    /// [`Error::Library`]: there is no memory.
    pub fn has_close_primes(&self) -> Result<bool, Error> {
        close_primes::are_close(&self.modulus).map_err(|_| Error::Library)
    }

    /// Whether `signature` is right over `message` by that algorithm; `false` for one that is not of RSA.
    #[must_use]
    pub fn verify_with(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match algorithm {
            SignatureAlgorithm::RsaPkcs1(digest) => self.verify(digest, message, signature),
            SignatureAlgorithm::RsaPss(digest) => self.verify_pss(&PssParameters::usual(digest), message, signature),
            _ => false,
        }
    }

    /// Whether `signature` is right over `message` by RSASSA-PKCS1-v1_5 (RFC 8017 8.2.2).
    #[must_use]
    pub fn verify(&self, digest: DigestAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match digest {
            DigestAlgorithm::Sha256 => self.by_ring(&ring_signature::RSA_PKCS1_2048_8192_SHA256, message, signature),
            DigestAlgorithm::Sha384 => self.by_ring(&ring_signature::RSA_PKCS1_2048_8192_SHA384, message, signature),
            DigestAlgorithm::Sha512 => self.by_ring(&ring_signature::RSA_PKCS1_2048_8192_SHA512, message, signature),
            DigestAlgorithm::Sm3 => {
                // Encoded anew and compared whole, so that nothing of the padding is parsed.
                let expected = encoding::pkcs1(digest, message, self.modulus.len());
                expected.is_some() && self.open(signature) == expected
            }
        }
    }

    /// Whether `signature` is right over `message` by RSASSA-PSS with those parameters (RFC 8017 8.1.2).
    #[must_use]
    pub fn verify_pss(&self, parameters: &PssParameters, message: &[u8], signature: &[u8]) -> bool {
        let PssParameters { digest, mask, salt } = *parameters;
        let known = match digest {
            DigestAlgorithm::Sha256 => Some(&ring_signature::RSA_PSS_2048_8192_SHA256),
            DigestAlgorithm::Sha384 => Some(&ring_signature::RSA_PSS_2048_8192_SHA384),
            DigestAlgorithm::Sha512 => Some(&ring_signature::RSA_PSS_2048_8192_SHA512),
            DigestAlgorithm::Sm3 => None,
        };
        match known {
            Some(known) if *parameters == PssParameters::usual(digest) => self.by_ring(known, message, signature),
            _ => self
                .open(signature)
                .is_some_and(|encoded| encoding::is_pss((digest, mask), message, &encoded, (salt, self.bits()))),
        }
    }

    /// As [`PublicKey::verify_pss`] with SHA-512 and a salt of 64 octets: `rsa-pss-sha512` of RFC 9421 3.3.1.
    #[must_use]
    pub fn verify_pss_sha512(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verify_pss(&PssParameters::usual(DigestAlgorithm::Sha512), message, signature)
    }

    fn by_ring(&self, parameters: &RsaParameters, message: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(parameters, message, signature).is_ok()
    }

    /// RSAVP1 (RFC 8017 5.2.2), as long as the modulus; `None` for a value of another length or not below the modulus.
    fn open(&self, signature: &[u8]) -> Option<Vec<u8>> {
        if signature.len() != self.modulus.len() {
            return None;
        }
        let (n, e) = (BigNum::from_slice(&self.modulus).ok()?, BigNum::from_slice(&self.exponent).ok()?);
        let key = Rsa::from_public_components(n, e).ok()?;
        let mut encoded = vec![0; signature.len()];
        let written = key.public_decrypt(signature, &mut encoded, Padding::NONE).ok()?;
        (written == encoded.len()).then_some(encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_bounds_are_refused() {
        let refused = |modulus: &[u8], exponent: &[u8]| PublicKey::new(modulus, exponent).unwrap_err();
        assert_eq!(refused(&[0x81; 128], &[1, 0, 1]), Error::RsaKeySize { bits: 1024 });
        assert_eq!(refused(&[0xff; 1025], &[1, 0, 1]), Error::RsaKeySize { bits: 8200 });
        assert_eq!(refused(&[0x7f; 256], &[1, 0, 1]), Error::RsaKeySize { bits: 2047 });
        assert_eq!(refused(&[0x80; 256], &[1, 0, 1]), Error::RsaModulus);
        assert_eq!(refused(&[], &[1, 0, 1]), Error::RsaKeySize { bits: 0 });
        for exponent in [&[][..], &[3], &[0xff, 0xff], &[1, 0, 2], &[2, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 1]] {
            assert_eq!(refused(&[0x81; 256], exponent), Error::RsaExponent, "{exponent:?}");
        }
        for exponent in [&[0, 0, 1, 0, 1][..], &[1, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(PublicKey::new(&[0x81; 256], exponent).unwrap().bits(), 2048);
        }
    }
}
