//! Keys that are kept for their owners: opened for them, and destroyed when their time of keeping is over.

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::base::secret::Secret;
use crate::domain::key::{KeyEvent, KeyPurpose, KeyRefusal, KeyState, KeySuspensionReason};
use crate::domain::trust::key::subject_public_key_info;
use crate::service::keys::life_cycle::proof_of;
use crate::service::keys::signers::software_signer;
use crate::service::keys::{Error, KeyStore};
use crate::store::keys::{Custody, StoredKey};
use crate::store::{Tx, keys};

impl KeyStore {
    /// The row of a key that is kept for its owner and may leave now.
    ///
    /// # Errors
    /// No such key, it is of another purpose, suspended or destroyed.
    pub(in crate::service) async fn escrowed(&self, tx: &mut Tx<'_>, id: &KeyId) -> Result<StoredKey, Error> {
        let key = keys::find(tx, id).await?.ok_or_else(|| Error::Unknown { id: id.clone() })?;
        let (purpose, wanted) = (key.attributes.purpose, KeyPurpose::Escrow);
        if purpose != wanted {
            return Err(KeyRefusal::OtherPurpose { key: id.clone(), purpose, wanted }.into());
        }
        match key.state {
            KeyState::Active { .. } => Ok(key),
            KeyState::Suspended { .. } => Err(KeyRefusal::Suspended { key: id.clone() }.into()),
            KeyState::Destroyed { .. } => Err(KeyRefusal::Destroyed { key: id.clone() }.into()),
        }
    }

    /// The private key in such a row. Whoever calls this has two officers' approvals, verified now.
    ///
    /// # Errors
    /// [`Error::SealBroken`]: it does not open, or does not belong to the row's public key; it was sealed under another
    /// key-encryption key; the profile forbids software keys.
    pub(in crate::service) fn open_escrowed(&self, key: &StoredKey) -> Result<Secret, Error> {
        let private = self.open(key)?;
        let signer = software_signer(key.attributes.algorithm, &private)?;
        if subject_public_key_info(&signer.public_key()) != key.public_key {
            return Err(Error::SealBroken { id: key.id.clone() });
        }
        Ok(private)
    }

    /// Destroys such a key in the open transaction: it is laid to rest, then ended; gives both events.
    ///
    /// # Errors
    /// No such key, or of another purpose; it was suspended or destroyed before.
    pub(in crate::service) async fn destroy_escrowed(
        &self,
        tx: &mut Tx<'_>,
        id: &KeyId,
        now: Timestamp,
    ) -> Result<Vec<KeyEvent>, Error> {
        let key = keys::find(tx, id).await?.ok_or_else(|| Error::Unknown { id: id.clone() })?;
        let (purpose, wanted) = (key.attributes.purpose, KeyPurpose::Escrow);
        if purpose != wanted {
            return Err(KeyRefusal::OtherPurpose { key: id.clone(), purpose, wanted }.into());
        }
        let (resting, suspended) = key.state.suspend(id, now, KeySuspensionReason::Retired)?;
        let (state, destroyed) = resting.destroy(id, now, proof_of(&key))?;
        let custody = match key.custody.clone() {
            Custody::Software { sealing, wrapped_under, .. } => {
                Custody::Software { sealed_private: Vec::new(), sealing, wrapped_under }
            }
            Custody::Device { .. } => return Err(Error::InDevice { id: id.clone() }),
        };
        keys::change(tx, &key, (state, custody)).await?;
        Ok(vec![suspended, destroyed])
    }
}
