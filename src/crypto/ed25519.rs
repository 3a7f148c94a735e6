//! Ed25519 (RFC 8032 5.1), by ring. Signing needs no randomness.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::{Error, Signer};

/// A compressed point. Whether it is one of the curve, verification tells: a value under another verifies never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    point: [u8; 32],
}

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032 5.1.5.
    ///
    /// # Errors
    /// [`Error::NotAPoint`]: another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self { point: bytes.try_into().map_err(|_| Error::NotAPoint)? })
    }

    /// The compressed point.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.point
    }

    /// Whether `signature` (64 bytes) is right over `message` (RFC 8032 5.1.7; s not below the order is wrong).
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.point).verify(message, signature).is_ok()
    }
}

/// A private seed, wiped when dropped, and what follows from it. ring keeps a copy of its own, which it does not wipe.
pub struct PrivateKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ed25519::PrivateKey(..)")
    }
}

impl PrivateKey {
    /// A fresh key from that source of randomness.
    ///
    /// # Errors
    /// The source failed.
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        random.fill(seed.as_mut())?;
        Self::from_bytes(seed.as_ref())
    }

    /// Reads a seed, 32 bytes: any are a key.
    ///
    /// # Errors
    /// [`Error::NotAScalar`]: another length. [`Error::Library`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let seed = Zeroizing::new(<[u8; 32]>::try_from(bytes).map_err(|_| Error::NotAScalar)?);
        // "Unchecked" means that no public key was given to compare with.
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| Error::Library)?;
        let public = PublicKey::from_bytes(pair.public_key().as_ref())?;
        Ok(Self { seed, pair, public })
    }

    /// The seed, for sealing under a key-encryption key.
    #[must_use]
    pub fn to_bytes(&self) -> Secret {
        Secret::new(self.seed.to_vec())
    }

    /// The public key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

impl Signer for PrivateKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Ed25519
    }

    fn public_key(&self) -> crate::crypto::PublicKey {
        crate::crypto::PublicKey::Ed25519(self.public)
    }

    fn sign(&self, message: &[u8], _: &dyn Random) -> Result<Vec<u8>, Error> {
        let value = self.pair.sign(message).as_ref().to_vec();
        if !self.public.verify(message, &value) {
            return Err(Error::Fault);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, RandomUnavailable, SystemRandom};
    use crate::crypto::digest::hex;

    #[test]
    fn the_rfc_s_second_example() {
        // RFC 8032 7.1, TEST 2; the seed and the public key in bytes of one digit each.
        let seed = b"\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f\
            \x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb";
        let key = PrivateKey::from_bytes(seed).unwrap();
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!(hex(&key.public_key().to_bytes()), public);
        let value = key.sign(b"\x72", &DeadRandom).unwrap();
        assert!(hex(&value).starts_with("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"));
        assert!(!key.public_key().verify(b"\x73", &value));
        assert_eq!(PrivateKey::from_bytes(key.to_bytes().expose()).unwrap().public_key(), key.public_key());
    }

    #[test]
    fn lengths_and_dead_generators_are_refused() {
        assert_eq!(PrivateKey::from_bytes(&[1; 31]).unwrap_err(), Error::NotAScalar);
        assert_eq!(PublicKey::from_bytes(&[1; 33]).unwrap_err(), Error::NotAPoint);
        assert_eq!(PrivateKey::generate(&DeadRandom).unwrap_err(), Error::Random(RandomUnavailable));
        let key = PrivateKey::generate(&SystemRandom).unwrap();
        assert_eq!(format!("{key:?}"), "ed25519::PrivateKey(..)");
    }
}
