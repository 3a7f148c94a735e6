//! SM2 digital signatures (GB/T 32918.2) on the curve of GB/T 32918.5, over the RustCrypto `sm2` crate.

use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm2::elliptic_curve::sec1::ToSec1Point;

use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::{Error, Signer};

/// The signer ID where nothing else is agreed (GM/T 0009 10).
pub const DEFAULT_ID: &str = "1234567812345678";

/// A point of the curve that is not infinity.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: sm2::PublicKey,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sm2({})", crate::crypto::digest::hex(&self.to_bytes()))
    }
}

impl PublicKey {
    /// Reads an uncompressed point, 04‖x‖y, 65 bytes; on the curve and not infinity, or refused (GB/T 32918.1 6.2).
    ///
    /// # Errors
    /// [`Error::NotAPoint`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != 65 || bytes.first() != Some(&4) {
            return Err(Error::NotAPoint);
        }
        let point = sm2::PublicKey::from_sec1_bytes(bytes).map_err(|_| Error::NotAPoint)?;
        Ok(Self { point })
    }

    /// The uncompressed point, 65 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.point.as_affine().to_sec1_point(false).as_bytes().to_vec()
    }

    /// Whether `signature` (r‖s, 64 bytes) is right over `message` for the signer ID (GB/T 32918.2 7.1).
    ///
    /// r and s outside 1..n, r+s = 0 mod n and any other length give `false`.
    #[must_use]
    pub fn verify(&self, id: &str, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        let Ok(key) = VerifyingKey::new(id, self.point) else { return false };
        key.verify(message, &signature).is_ok()
    }
}

/// A private scalar; wiped when dropped, never printed.
pub struct PrivateKey {
    key: SigningKey,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sm2::PrivateKey(..)")
    }
}

impl PrivateKey {
    /// A fresh key from that source of randomness (GB/T 32918.1 6.1).
    ///
    /// # Errors
    /// The source failed.
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        loop {
            let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
            random.fill(bytes.as_mut())?;
            // A draw outside the range has a chance of 2^-32 on this curve.
            if let Ok(key) = Self::from_bytes(bytes.as_ref()) {
                return Ok(key);
            }
        }
    }

    /// Reads a scalar, 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`Error::NotAScalar`]: zero, n-1 or more, or another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != 32 {
            return Err(Error::NotAScalar);
        }
        let key = SigningKey::from_slice(DEFAULT_ID, bytes).map_err(|_| Error::NotAScalar)?;
        Ok(Self { key })
    }

    /// The scalar, 32 bytes, for sealing under a key-encryption key.
    #[must_use]
    pub fn to_bytes(&self) -> Secret {
        Secret::new(self.key.to_bytes().to_vec())
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey { point: self.key.verifying_key().into() }
    }
}

impl Signer for PrivateKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Sm2Sm3
    }

    fn public_key(&self) -> crate::crypto::PublicKey {
        crate::crypto::PublicKey::Sm2(Self::public_key(self))
    }

    fn sign(&self, message: &[u8], _: &dyn Random) -> Result<Vec<u8>, Error> {
        let signature: Signature = self.key.try_sign(message).map_err(|_| Error::Fault)?;
        let value = signature.to_bytes().to_vec();
        if !Self::public_key(self).verify(DEFAULT_ID, message, &value) {
            return Err(Error::Fault);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, RandomUnavailable, SystemRandom};

    #[test]
    fn what_it_signs_libsm_accepts_and_a_changed_message_nobody() {
        let key = PrivateKey::generate(&SystemRandom).unwrap();
        let value = key.sign(b"message", &SystemRandom).unwrap();
        let public = key.public_key();
        assert!(public.verify(DEFAULT_ID, b"message", &value));
        assert!(!public.verify(DEFAULT_ID, b"massage", &value));
        assert!(!public.verify("", b"message", &value));

        let peer = libsm::sm2::signature::SigCtx::new();
        let point = peer.load_pubkey(&public.to_bytes()).unwrap();
        let (r, s) = value.split_at(32);
        let signature = libsm::sm2::signature::Signature::new(r, s);
        assert!(peer.verify(b"message", &point, &signature).unwrap());
    }

    #[test]
    fn keys_outside_the_range_are_refused() {
        assert_eq!(PrivateKey::from_bytes(&[0; 32]).unwrap_err(), Error::NotAScalar);
        assert_eq!(PrivateKey::from_bytes(&[0xff; 32]).unwrap_err(), Error::NotAScalar);
        assert_eq!(PrivateKey::from_bytes(&[1; 31]).unwrap_err(), Error::NotAScalar);
        assert_eq!(PrivateKey::generate(&DeadRandom).unwrap_err(), Error::Random(RandomUnavailable));
        let mut point = PrivateKey::generate(&SystemRandom).unwrap().public_key().to_bytes();
        assert!(PublicKey::from_bytes(&point).is_ok());
        *point.last_mut().unwrap() ^= 1;
        assert_eq!(PublicKey::from_bytes(&point).unwrap_err(), Error::NotAPoint);
        assert_eq!(PublicKey::from_bytes(&[0]).unwrap_err(), Error::NotAPoint);
    }

    #[test]
    fn private_keys_are_not_printed() {
        let key = PrivateKey::from_bytes(&[7; 32]).unwrap();
        assert_eq!(format!("{key:?} {:?}", key.to_bytes()), "sm2::PrivateKey(..) Secret(..)");
    }
}
