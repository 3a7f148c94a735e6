//! Key pairs and signers: from nothing to a sealed row, from a sealed row to something that signs.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::{self, PublicKey, Signer, ecdsa, ed25519, rsa, sm2};
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyPurpose, KeyUse, Owner};
use crate::domain::trust::key::subject_public_key_info;
use crate::service::keys::{Error, KeyStore};
use crate::store::Tx;
use crate::store::keys::Custody;

/// Size of the RSA keys that we make (product contract 3).
const RSA_BITS: u16 = 3072;
/// Size of those of authorities: they sign for decades, and the profiles of authorities ask for no less.
const AUTHORITY_RSA_BITS: u16 = 4096;

/// Bits of the keys that we make for that purpose, as policies count them.
pub(in crate::service) fn made_bits(purpose: KeyPurpose, algorithm: KeyAlgorithm) -> usize {
    match algorithm {
        KeyAlgorithm::Rsa if purpose == KeyPurpose::CertificateAuthority => usize::from(AUTHORITY_RSA_BITS),
        KeyAlgorithm::Rsa => usize::from(RSA_BITS),
        KeyAlgorithm::Sm2 | KeyAlgorithm::EcdsaP256 | KeyAlgorithm::Ed25519 => 256,
    }
}

/// A key pair just made, not yet kept.
pub struct NewKey {
    /// What it will sign.
    pub purpose: KeyPurpose,
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// The private key, for [`KeyStore::keep`].
    pub private: Secret,
    /// SubjectPublicKeyInfo, DER.
    pub public: Vec<u8>,
    /// Signs with it.
    pub signer: Arc<dyn Signer>,
}

impl NewKey {
    /// Makes a key pair and checks that it signs and verifies (pairwise check; GM/T 0028 as remembered).
    ///
    /// # Errors
    /// No randomness, an algorithm that we make no keys of, or the pair does not fit.
    pub fn generate(purpose: KeyPurpose, algorithm: KeyAlgorithm, random: &dyn Random) -> Result<Self, Error> {
        let (private, signer): (Secret, Arc<dyn Signer>) = match algorithm {
            KeyAlgorithm::Sm2 => {
                let key = sm2::PrivateKey::generate(random)?;
                (key.to_bytes(), Arc::new(key))
            }
            KeyAlgorithm::Rsa => {
                let bits = if purpose == KeyPurpose::CertificateAuthority { AUTHORITY_RSA_BITS } else { RSA_BITS };
                let key = rsa::PrivateKey::generate(bits.into())?;
                (key.to_bytes()?, Arc::new(key))
            }
            KeyAlgorithm::EcdsaP256 => {
                let key = ecdsa::PrivateKey::generate(random)?;
                (key.to_bytes(), Arc::new(key))
            }
            KeyAlgorithm::Ed25519 => {
                let key = ed25519::PrivateKey::generate(random)?;
                (key.to_bytes(), Arc::new(key))
            }
        };
        const PAIRWISE: &[u8] = b"yinxin pairwise check";
        let value = signer.sign(PAIRWISE, random)?;
        if !signer.public_key().verify(signer.algorithm(), PAIRWISE, &value) {
            return Err(crypto::Error::Fault.into());
        }
        let public = subject_public_key_info(&signer.public_key());
        Ok(Self { purpose, algorithm, private, public, signer })
    }

    /// The attributes of a key of that owner that does not leave the store.
    #[must_use]
    pub const fn attributes(&self, owner: Owner) -> KeyAttributes {
        KeyAttributes::new(owner, self.purpose, self.algorithm)
    }

    /// Its public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey")
            .field("purpose", &self.purpose)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// What a private key of ours signs with.
///
/// # Errors
/// The octets are no private key of that algorithm, or we do not sign with it.
pub(in crate::service) fn software_signer(algorithm: KeyAlgorithm, private: &Secret) -> Result<Arc<dyn Signer>, Error> {
    match algorithm {
        KeyAlgorithm::Sm2 => Ok(Arc::new(sm2::PrivateKey::from_bytes(private.expose())?)), // to sign with
        KeyAlgorithm::Rsa => Ok(Arc::new(rsa::PrivateKey::from_bytes(private.expose())?)), // to sign with
        KeyAlgorithm::EcdsaP256 => Ok(Arc::new(ecdsa::PrivateKey::from_bytes(private.expose())?)), // to sign with
        KeyAlgorithm::Ed25519 => Ok(Arc::new(ed25519::PrivateKey::from_bytes(private.expose())?)), // to sign with
    }
}

impl KeyStore {
    /// Whatever signs with the key of that name, which must be for that purpose, active and within its time, and make
    /// signatures that the algorithm policy allows now.
    ///
    /// # Errors
    /// As [`KeyStore::permitted`]; [`Error::Unacceptable`]; [`Error::SealBroken`] when the private key does not open, or does not belong to the
    /// row's public key; [`Error::Unavailable`] when no door leads to its device.
    pub async fn signer(
        &self,
        tx: &mut Tx<'_>,
        id: &KeyId,
        wanted: KeyPurpose,
        now: Timestamp,
    ) -> Result<Arc<dyn Signer>, Error> {
        let row = self.permitted(tx, id, (wanted, KeyUse::Sign), now).await?;
        let signer = match &row.custody {
            Custody::Software { .. } => software_signer(row.attributes.algorithm, &self.open(&row)?)?,
            Custody::Device { .. } => self.devices()?.signer(&row)?,
        };
        if subject_public_key_info(&signer.public_key()) != row.public_key {
            return Err(Error::SealBroken { id: id.clone() });
        }
        self.permit_signature(&*signer, now)?;
        Ok(signer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, RandomUnavailable, SystemRandom};

    #[test]
    fn every_algorithm_has_keys_but_none_without_randomness() {
        let purpose = KeyPurpose::SealSigning;
        let key = NewKey::generate(purpose, KeyAlgorithm::Sm2, &SystemRandom).unwrap();
        assert_eq!(format!("{key:?}"), "NewKey { purpose: SealSigning, algorithm: Sm2, .. }");
        for algorithm in [KeyAlgorithm::Sm2, KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519] {
            let key = NewKey::generate(purpose, algorithm, &SystemRandom).unwrap();
            assert_eq!(key.public, subject_public_key_info(&key.public_key()));
            let refused = NewKey::generate(purpose, algorithm, &DeadRandom).unwrap_err();
            assert!(matches!(refused, Error::Crypto(crypto::Error::Random(RandomUnavailable))), "{algorithm}");
        }
    }
}
