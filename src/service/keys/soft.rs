//! The software key store: private keys sealed in rows by AES-256-GCM.

use std::sync::Arc;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::base::random::{Random, array};
use crate::base::secret::Secret;
use crate::crypto::digest::sm3;
use crate::domain::audit::EventBody;
use crate::domain::key::{KeyAlgorithm, KeyPurpose, KeyState};
use crate::service::keys::{EncryptionKey, Error};
use crate::store::Tx;
use crate::store::keys::{self, StoredKey};

/// Seals and opens private keys. Random nonces allow 2³² keys under one key-encryption key (NIST SP 800-38D, 8.3).
pub struct KeyStore {
    sealing: LessSafeKey,
    random: Arc<dyn Random>,
}

impl KeyStore {
    /// Takes its sealing key from the key-encryption key.
    ///
    /// # Errors
    /// The derivation refused.
    pub fn new(key: &EncryptionKey, salt: &[u8; 32], random: Arc<dyn Random>) -> Result<Self, Error> {
        let sealing = key.derive(salt, "yinxin key sealing 1")?;
        let sealing = UnboundKey::new(&AES_256_GCM, sealing.expose()).map_err(|_| Error::Derivation)?; // to seal with
        Ok(Self { sealing: LessSafeKey::new(sealing), random })
    }

    /// Keeps a new key pair in the open transaction; gives the event that belongs into the same one.
    ///
    /// # Errors
    /// No randomness, or the store refuses.
    pub async fn keep(
        &self,
        tx: &mut Tx<'_>,
        id: &KeyId,
        (purpose, algorithm): (KeyPurpose, KeyAlgorithm),
        (private, public): (&Secret, &[u8]),
        now: Timestamp,
    ) -> Result<EventBody, Error> {
        let sealed_private = self.seal_private(private, &associated(id, purpose, algorithm))?;
        let (public_key, state) = (public.to_vec(), KeyState::Active);
        let key = StoredKey { id: id.clone(), purpose, algorithm, public_key, sealed_private, state, created_at: now };
        keys::insert(tx, &key).await?;
        let public_key_sm3 = sm3(public);
        Ok(EventBody::KeyCreated { key: id.clone(), purpose, algorithm, public_key_sm3 })
    }

    /// The private and public key of that name, for that purpose and no other.
    ///
    /// # Errors
    /// No such key; it is for something else or retired; its seal is broken.
    pub async fn load(&self, tx: &mut Tx<'_>, id: &KeyId, wanted: KeyPurpose) -> Result<(Secret, StoredKey), Error> {
        let key = keys::find(tx, id).await?.ok_or_else(|| Error::Unknown { id: id.clone() })?;
        if key.purpose != wanted || key.state != KeyState::Active {
            return Err(Error::NotForThis { id: id.clone(), wanted });
        }
        // A row whose purpose or algorithm was changed by hand does not open: both are in the associated data.
        let private = self.open_private(&key.sealed_private, &associated(id, key.purpose, key.algorithm));
        Ok((private.ok_or_else(|| Error::SealBroken { id: id.clone() })?, key))
    }

    /// Nonce ‖ ciphertext ‖ tag.
    fn seal_private(&self, private: &Secret, associated: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce = array::<NONCE_LEN>(&*self.random)?;
        let mut text = Zeroizing::new(private.expose().to_vec()); // to be sealed
        let sealing = Nonce::assume_unique_for_key(nonce);
        let tag = self.sealing.seal_in_place_separate_tag(sealing, Aad::from(associated), &mut text);
        let tag = tag.map_err(|_| Error::Derivation)?;
        Ok([&nonce[..], &text[..], tag.as_ref()].concat())
    }

    fn open_private(&self, sealed: &[u8], associated: &[u8]) -> Option<Secret> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.sealing.open_in_place(nonce, Aad::from(associated), &mut text).ok()?;
        Some(Secret::new(opened.to_vec()))
    }
}

/// What binds a sealed key to its row.
fn associated(id: &KeyId, purpose: KeyPurpose, algorithm: KeyAlgorithm) -> Vec<u8> {
    // No part can hold the separator: ids and names are of a-z A-Z 0-9 - _ .
    format!("keys|{id}|{purpose}|{algorithm}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};
    use crate::service::keys::KeySource;

    fn open(passphrase: &str, random: Arc<dyn Random>) -> KeyStore {
        let source = KeySource::Passphrase(Secret::new(passphrase.into()));
        let key = EncryptionKey::load(&source, &[1; 32], &SystemRandom).unwrap();
        KeyStore::new(&key, &[1; 32], random).unwrap()
    }

    #[test]
    fn a_key_opens_only_in_its_own_row_under_its_own_key() {
        let keys = open("correct horse", Arc::new(SystemRandom));
        let private = Secret::new(vec![5; 32]);
        let here = b"keys|k1|seal-signing|sm2";
        let sealed = keys.seal_private(&private, here).unwrap();
        assert_ne!(sealed, keys.seal_private(&private, here).unwrap(), "nonces differ");
        assert_eq!(sealed.len(), 12 + 32 + 16);
        assert_eq!(keys.open_private(&sealed, here).unwrap().expose(), private.expose());
        assert!(keys.open_private(&sealed, b"keys|k1|raw|sm2").is_none());
        assert!(open("another horse", Arc::new(SystemRandom)).open_private(&sealed, here).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open_private(&changed, here).is_none(), "octet {at}");
        }
        assert!(keys.open_private(&[0; 11], here).is_none());
        let refused = open("correct horse", Arc::new(DeadRandom)).seal_private(&private, here);
        assert!(matches!(refused, Err(Error::Random(_))));
    }
}
