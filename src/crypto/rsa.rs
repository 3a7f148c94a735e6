//! RSASSA-PKCS1-v1_5 (RFC 8017 8.2): verification by ring, key generation and signing by OpenSSL.

use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use ring::signature as ring_signature;

use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::crypto::{Error, Signer};

/// Modulus and exponent, big-endian without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl PublicKey {
    /// A key of 2048 to 8192 bits; both numbers big-endian, unsigned, leading zeros allowed.
    ///
    /// # Errors
    /// [`Error::RsaKeySize`].
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        let trim = |number: &[u8]| number.iter().copied().skip_while(|b| *b == 0).collect::<Vec<u8>>();
        let key = Self { modulus: trim(modulus), exponent: trim(exponent) };
        let bits = key.bits();
        if (2048..=8192).contains(&bits) { Ok(key) } else { Err(Error::RsaKeySize { bits }) }
    }

    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> usize {
        let top = self.modulus.first().map_or(8, |byte| byte.leading_zeros());
        let top = usize::try_from(top).unwrap_or(8);
        self.modulus.len().saturating_mul(8).saturating_sub(top)
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

    /// Whether `signature` is right over `message`. SM3 is not offered with RSA: always `false`.
    #[must_use]
    pub fn verify(&self, digest: DigestAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let parameters = match digest {
            DigestAlgorithm::Sha256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
            DigestAlgorithm::Sha384 => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
            DigestAlgorithm::Sha512 => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
            DigestAlgorithm::Sm3 => return false,
        };
        let key = ring_signature::RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(parameters, message, signature).is_ok()
    }
}

impl PublicKey {
    /// Whether `signature` is right over `message` by RSASSA-PSS with SHA-512 (RFC 8017 8.1), salt of 64 octets.
    #[must_use]
    pub fn verify_pss_sha512(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = ring_signature::RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(&ring_signature::RSA_PSS_2048_8192_SHA512, message, signature).is_ok()
    }
}

/// A private key, held by OpenSSL, which wipes it. Signs with SHA-256.
pub struct PrivateKey {
    key: PKey<Private>,
    public: PublicKey,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("rsa::PrivateKey(..)")
    }
}

impl PrivateKey {
    /// A fresh key of 3072 or 4096 bits with exponent 65537. Randomness comes from OpenSSL's own generator.
    ///
    /// # Errors
    /// [`Error::RsaKeySize`] for other sizes; [`Error::Rsa`].
    pub fn generate(bits: u32) -> Result<Self, Error> {
        if bits != 3072 && bits != 4096 {
            return Err(Error::RsaKeySize { bits: usize::try_from(bits).unwrap_or(0) });
        }
        let key = openssl::rsa::Rsa::generate(bits).map_err(|_| Error::Rsa)?;
        Self::from_openssl(key)
    }

    /// Reads the DER of an RSAPrivateKey (RFC 8017 A.1.2).
    ///
    /// # Errors
    /// [`Error::Rsa`], [`Error::RsaKeySize`].
    pub fn from_bytes(der: &[u8]) -> Result<Self, Error> {
        Self::from_openssl(openssl::rsa::Rsa::private_key_from_der(der).map_err(|_| Error::Rsa)?)
    }

    fn from_openssl(key: openssl::rsa::Rsa<Private>) -> Result<Self, Error> {
        let public = PublicKey::new(&key.n().to_vec(), &key.e().to_vec())?;
        let key = PKey::from_rsa(key).map_err(|_| Error::Rsa)?;
        Ok(Self { key, public })
    }

    /// The DER of an RSAPrivateKey, for sealing under a key-encryption key.
    ///
    /// # Errors
    /// [`Error::Rsa`].
    pub fn to_bytes(&self) -> Result<Secret, Error> {
        let key = self.key.rsa().map_err(|_| Error::Rsa)?;
        key.private_key_to_der().map(Secret::new).map_err(|_| Error::Rsa)
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

impl Signer for PrivateKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256)
    }

    fn public_key(&self) -> crate::crypto::PublicKey {
        crate::crypto::PublicKey::Rsa(self.public.clone())
    }

    fn sign(&self, message: &[u8], _: &dyn Random) -> Result<Vec<u8>, Error> {
        #[expect(clippy::disallowed_methods, reason = "RSA; the trap is SM2")]
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &self.key).map_err(|_| Error::Rsa)?;
        let value = signer.sign_oneshot_to_vec(message).map_err(|_| Error::Rsa)?;
        if !self.public.verify(DigestAlgorithm::Sha256, message, &value) {
            return Err(Error::Fault);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    #[test]
    fn openssl_signs_ring_verifies() {
        let key = PrivateKey::generate(3072).unwrap();
        let value = key.sign(b"message", &SystemRandom).unwrap();
        let public = key.public_key();
        assert_eq!((public.bits(), value.len()), (3072, 384));
        assert!(public.verify(DigestAlgorithm::Sha256, b"message", &value));
        assert!(!public.verify(DigestAlgorithm::Sha256, b"massage", &value));
        assert!(!public.verify(DigestAlgorithm::Sha512, b"message", &value));
        assert!(!public.verify(DigestAlgorithm::Sm3, b"message", &value));
        let again = PrivateKey::from_bytes(key.to_bytes().unwrap().expose()).unwrap();
        assert_eq!(again.public_key(), public);
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(PrivateKey::generate(2048).unwrap_err(), Error::RsaKeySize { bits: 2048 });
        assert_eq!(PublicKey::new(&[0x80; 128], &[1, 0, 1]).unwrap_err(), Error::RsaKeySize { bits: 1024 });
        assert_eq!(PublicKey::new(&[0xff; 1025], &[1, 0, 1]).unwrap_err(), Error::RsaKeySize { bits: 8200 });
    }
}
