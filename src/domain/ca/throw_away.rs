//! Throw-away keys: what is linted before its issuer signs it is signed by one of these, so that rules look at a whole
//! certificate whose signature is of the issuer's algorithm, and nothing linted can be taken for issued.
//!
//! A key is made when it is first needed, lives in the memory of one process, certifies nothing and is known to nobody: that
//! it is in software says nothing about where an installation keeps its keys.

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::random::Random;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::{Error, PublicKey, Signer, ecdsa, ed25519, rsa, sm2};

/// So many certificates are linted by one key of a curve. A modulus is expensive: it lives as long as the process.
const USES: u32 = 1 << 16;

/// One throw-away key.
enum Key {
    Sm2(sm2::PrivateKey),
    EcdsaP256(ecdsa::PrivateKey),
    Ed25519(ed25519::PrivateKey),
    Rsa(rsa::PrivateKey),
}

impl Key {
    /// A key of the kind and size of that one; RSA of the sizes that are made.
    fn beside(issuer: &PublicKey, random: &dyn Random) -> Result<Self, Error> {
        Ok(match issuer {
            PublicKey::Sm2(_) => Self::Sm2(sm2::PrivateKey::generate(random)?),
            PublicKey::EcdsaP256(_) => Self::EcdsaP256(ecdsa::PrivateKey::generate(random)?),
            PublicKey::EcdsaLarge(_) => return Err(Error::NotOfThisKey { algorithm: issuer.name() }),
            PublicKey::Ed25519(_) => Self::Ed25519(ed25519::PrivateKey::generate(random)?),
            PublicKey::Rsa(key) => Self::Rsa(rsa::PrivateKey::generate(if key.bits() > 3072 { 4096 } else { 3072 })?),
        })
    }

    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8], random: &dyn Random) -> Result<Vec<u8>, Error> {
        match self {
            Self::Sm2(key) => Signer::sign(key, message, random),
            Self::EcdsaP256(key) => Signer::sign(key, message, random),
            Self::Ed25519(key) => Signer::sign(key, message, random),
            Self::Rsa(key) => key.sign_with(algorithm, message, random),
        }
    }

    fn public_key(&self) -> PublicKey {
        match self {
            Self::Sm2(key) => Signer::public_key(key),
            Self::EcdsaP256(key) => Signer::public_key(key),
            Self::Ed25519(key) => Signer::public_key(key),
            Self::Rsa(key) => Signer::public_key(key),
        }
    }

    /// Whether it stands in for that issuer.
    fn stands_for(&self, issuer: &PublicKey) -> bool {
        let own = self.public_key();
        own.name() == issuer.name() && (own.bits() > 3072) == (issuer.bits() > 3072)
    }
}

/// The throw-away keys of one process.
pub struct ThrowAwayKeys {
    random: Arc<dyn Random>,
    keys: Mutex<Vec<(Arc<Key>, u32)>>,
}

impl std::fmt::Debug for ThrowAwayKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThrowAwayKeys").finish_non_exhaustive()
    }
}

impl ThrowAwayKeys {
    /// None yet.
    #[must_use]
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self { random, keys: Mutex::default() }
    }

    /// A signature over the message as an issuer with that key gives it, by a key that is not the issuer's; the key that
    /// made it beside it.
    ///
    /// # Errors
    /// No randomness, or the library fails.
    pub fn sign(
        &self,
        issuer: &PublicKey,
        algorithm: SignatureAlgorithm,
        message: &[u8],
    ) -> Result<(Vec<u8>, PublicKey), Error> {
        let key = self.key(issuer)?;
        Ok((key.sign(algorithm, message, &*self.random)?, key.public_key()))
    }

    fn key(&self, issuer: &PublicKey) -> Result<Arc<Key>, Error> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|(key, uses)| *uses < USES || matches!(**key, Key::Rsa(_)));
        if let Some((key, uses)) = keys.iter_mut().find(|(key, _)| key.stands_for(issuer)) {
            *uses = uses.saturating_add(1);
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(Key::beside(issuer, &*self.random)?);
        keys.push((Arc::clone(&key), 1));
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};
    use crate::crypto::algorithm::DigestAlgorithm;

    #[test]
    fn another_key_of_the_same_kind_signs() {
        let keys = ThrowAwayKeys::new(Arc::new(SystemRandom));
        let issuers: [Box<dyn Signer>; 3] = [
            Box::new(sm2::PrivateKey::generate(&SystemRandom).unwrap()),
            Box::new(ecdsa::PrivateKey::generate(&SystemRandom).unwrap()),
            Box::new(rsa::PrivateKey::generate(3072).unwrap()),
        ];
        for issuer in &issuers {
            let (own, algorithm) = (issuer.public_key(), issuer.algorithm());
            let (value, by) = keys.sign(&own, algorithm, b"draft").unwrap();
            assert!(by.verify(algorithm, b"draft", &value) && !own.verify(algorithm, b"draft", &value));
            assert_eq!((by.name(), by.bits()), (own.name(), own.bits()));
            let (_, again) = keys.sign(&own, algorithm, b"next").unwrap();
            assert_eq!(again, by);
        }
        let rsa = issuers[2].public_key();
        let sha512 = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha512);
        let (value, by) = keys.sign(&rsa, sha512, b"draft").unwrap();
        assert!(by.verify(sha512, b"draft", &value));
        let dead =
            ThrowAwayKeys::new(Arc::new(DeadRandom)).sign(&issuers[0].public_key(), issuers[0].algorithm(), b"x");
        assert!(matches!(dead, Err(Error::Random(_))), "{dead:?}");
    }

    #[test]
    fn keys_of_curves_are_made_anew_after_many_uses() {
        let keys = ThrowAwayKeys::new(Arc::new(SystemRandom));
        let issuer = Signer::public_key(&ecdsa::PrivateKey::generate(&SystemRandom).unwrap());
        let first = keys.key(&issuer).unwrap().public_key();
        for _ in 1..USES {
            assert_eq!(keys.key(&issuer).unwrap().public_key(), first);
        }
        assert_ne!(keys.key(&issuer).unwrap().public_key(), first);
    }
}
