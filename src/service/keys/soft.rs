//! The software key store: private keys sealed in rows under the key-encryption key.

use std::sync::{Arc, PoisonError, RwLock};

use crate::base::clock::Timestamp;
use crate::base::id::{EncryptionKeyId, KeyId};
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::Signer;
use crate::crypto::digest::sm3;
use crate::domain::audit::EventBody;
use crate::domain::key::{
    KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, KeyState, KeyUse, Profile, SealingAlgorithm,
};
use crate::domain::trust::{AlgorithmPolicy, SignatureUsed, Use, public_key};
use crate::format::keys::SubjectPublicKeyInfo;
use crate::service::keys::wrapping::{EncryptionKey, MOST_SEALINGS};
use crate::service::keys::{DeviceSigners, Error};
use crate::store::key_encryption_keys::StoredEncryptionKey;
use crate::store::keys::{Custody, StoredKey};
use crate::store::{Tx, key_encryption_keys, keys};

/// Seals and opens private keys, and leads to those in devices.
pub struct KeyStore {
    current: RwLock<EncryptionKey>,
    sealing: SealingAlgorithm,
    random: Arc<dyn Random>,
    devices: Option<Arc<dyn DeviceSigners>>,
    profile: Profile,
    algorithms: Arc<AlgorithmPolicy>,
}

impl KeyStore {
    /// Seals under that key-encryption key from now on. Keys are of whatever we compute, until a policy is given.
    #[must_use]
    pub fn new(key: EncryptionKey, sealing: SealingAlgorithm, random: Arc<dyn Random>) -> Self {
        let algorithms = Arc::new(AlgorithmPolicy::whatever_we_compute());
        Self { current: RwLock::new(key), sealing, random, devices: None, profile: Profile::Standard, algorithms }
    }

    /// The same with doors to devices.
    #[must_use]
    pub fn with_devices(self, devices: Arc<dyn DeviceSigners>) -> Self {
        Self { devices: Some(devices), ..self }
    }

    /// The same under a profile.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The same under an algorithm policy.
    #[must_use]
    pub fn with_algorithms(self, algorithms: Arc<AlgorithmPolicy>) -> Self {
        Self { algorithms, ..self }
    }

    /// Refuses a key pair, with these attributes and that many bits, that the algorithm policy lets nobody make or take in
    /// at that moment.
    ///
    /// # Errors
    /// [`Error::Unacceptable`].
    pub fn permit_new(&self, attributes: &KeyAttributes, bits: usize, at: Timestamp) -> Result<(), Error> {
        Ok(self.algorithms.all_acceptable(attributes.algorithms(bits), at, Use::Issue)?)
    }

    /// As [`Self::permit_new`], of a pair whose public key is there, as SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// As [`Self::permit_new`]; [`Error::PairMismatch`]: the public key is none of the attributes' algorithm.
    pub fn permit_pair(&self, attributes: &KeyAttributes, public: &[u8], at: Timestamp) -> Result<(), Error> {
        let key = SubjectPublicKeyInfo::parse(public).ok().and_then(|info| public_key(&info));
        let right = key.filter(|key| key.name() == attributes.algorithm.key_name());
        self.permit_new(attributes, right.ok_or(Error::PairMismatch)?.bits(), at)
    }

    /// Refuses a signature of ours that the algorithm policy does not allow at that moment.
    ///
    /// # Errors
    /// [`Error::Unacceptable`].
    pub fn permit_signature(&self, signer: &dyn Signer, at: Timestamp) -> Result<(), Error> {
        let used = SignatureUsed::of(&signer.public_key(), signer.algorithm());
        Ok(self.algorithms.signature(&used, at, Use::Issue)?)
    }

    /// The profile.
    #[must_use]
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Refuses what makes private keys outside a device, where the profile forbids it.
    ///
    /// # Errors
    /// [`Error::SoftwareKeysForbidden`].
    pub fn permit_software(&self) -> Result<(), Error> {
        let profile = self.profile;
        let refused = || Error::SoftwareKeysForbidden { profile, keys: Vec::new() };
        if profile.permits_software_keys() { Ok(()) } else { Err(refused()) }
    }

    /// Where keys that the installation makes for itself lie: in the SDF device where the profile wants it so.
    #[must_use]
    pub const fn own_location(&self) -> KeyLocation {
        if self.profile.permits_software_keys() { KeyLocation::Software } else { KeyLocation::Sdf }
    }

    /// Refuses an algorithm that the profile forbids for keys of our own.
    ///
    /// # Errors
    /// [`Error::AlgorithmForbidden`].
    pub fn permit_algorithm(&self, algorithm: KeyAlgorithm) -> Result<(), Error> {
        let profile = self.profile;
        let refused = || Error::AlgorithmForbidden { profile, keys: Vec::new() };
        if profile.permits_algorithm(algorithm) { Ok(()) } else { Err(refused()) }
    }

    /// The cipher that new keys are sealed under.
    #[must_use]
    pub const fn sealing(&self) -> SealingAlgorithm {
        self.sealing
    }

    /// The name of the key-encryption key in use.
    #[must_use]
    pub fn encryption_key_id(&self) -> EncryptionKeyId {
        self.current().id().clone()
    }

    /// The installation's salt. Not secret.
    #[must_use]
    pub fn salt(&self) -> [u8; 32] {
        *self.current().salt()
    }

    pub(in crate::service::keys) fn current(&self) -> EncryptionKey {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this one seals: its row is kept.
    pub(in crate::service::keys) fn replace(&self, key: EncryptionKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    pub(in crate::service::keys) fn random(&self) -> &dyn Random {
        &*self.random
    }

    pub(in crate::service::keys) fn devices(&self) -> Result<&dyn DeviceSigners, Error> {
        self.devices.as_deref().ok_or(Error::Unavailable)
    }

    /// Keeps a new key pair in the open transaction; gives the event that belongs into the same one.
    ///
    /// # Errors
    /// The profile or the algorithm policy forbids it; no randomness, the key-encryption key was rotated elsewhere or has
    /// sealed enough, or the store refuses.
    pub async fn keep(
        &self,
        tx: &mut Tx<'_>,
        id: &KeyId,
        attributes: &KeyAttributes,
        (private, public): (&Secret, &[u8]),
        now: Timestamp,
    ) -> Result<EventBody, Error> {
        self.permit_software()?;
        self.permit_pair(attributes, public, now)?;
        let current = self.current();
        count_sealing(tx, current.id()).await?;
        let bound = associated(id, attributes, current.id());
        let custody = Custody::Software {
            sealed_private: current.seal(self.sealing, &bound, private, &*self.random)?,
            sealing: self.sealing,
            wrapped_under: current.id().clone(),
        };
        insert(tx, id, attributes, (custody, public), now).await
    }

    /// Keeps the row of a key pair that a device made and holds; gives the event that belongs into the same transaction.
    ///
    /// # Errors
    /// The profile or the algorithm policy forbids it; the store refuses.
    pub async fn keep_in_device(
        &self,
        tx: &mut Tx<'_>,
        id: &KeyId,
        attributes: &KeyAttributes,
        (location, handle, public): (KeyLocation, &[u8], &[u8]),
        now: Timestamp,
    ) -> Result<EventBody, Error> {
        self.permit_algorithm(attributes.algorithm)?;
        self.permit_pair(attributes, public, now)?;
        insert(tx, id, attributes, (Custody::Device { location, handle: handle.to_vec() }, public), now).await
    }

    /// The row of a key that may be used for that purpose, in that way, now.
    ///
    /// # Errors
    /// No such key, or the exact reason why not (see [`crate::domain::key::KeyRefusal`]).
    pub async fn permitted(
        &self,
        tx: &mut Tx<'_>,
        id: &KeyId,
        wanted: (KeyPurpose, KeyUse),
        now: Timestamp,
    ) -> Result<StoredKey, Error> {
        let key = keys::find(tx, id).await?.ok_or_else(|| Error::Unknown { id: id.clone() })?;
        key.attributes.permit(id, &key.state, wanted, now)?;
        Ok(key)
    }

    /// The private key of that name and its row, for that purpose and no other, to be used in that way, now.
    ///
    /// # Errors
    /// As [`Self::permitted`]; [`Error::InDevice`]; its seal is broken, or under another key-encryption key.
    pub async fn load(
        &self,
        tx: &mut Tx<'_>,
        id: &KeyId,
        wanted: (KeyPurpose, KeyUse),
        now: Timestamp,
    ) -> Result<(Secret, StoredKey), Error> {
        let key = self.permitted(tx, id, wanted, now).await?;
        Ok((self.open(&key)?, key))
    }

    /// Opens the private key of a row. A row of which a part was changed by hand does not open.
    pub(in crate::service::keys) fn open(&self, key: &StoredKey) -> Result<Secret, Error> {
        let current = self.current();
        let Custody::Software { sealed_private, sealing, wrapped_under } = &key.custody else {
            return Err(Error::InDevice { id: key.id.clone() });
        };
        if !self.profile.permits_software_keys() {
            return Err(Error::SoftwareKeysForbidden { profile: self.profile, keys: vec![key.id.clone()] });
        }
        if wrapped_under != current.id() {
            return Err(Error::EncryptionKeyChanged { known: current.id().clone() });
        }
        let bound = associated(&key.id, &key.attributes, wrapped_under);
        let private = current.open(*sealing, &bound, sealed_private)?;
        private.ok_or_else(|| Error::SealBroken { id: key.id.clone() })
    }
}

async fn insert(
    tx: &mut Tx<'_>,
    id: &KeyId,
    attributes: &KeyAttributes,
    (custody, public): (Custody, &[u8]),
    now: Timestamp,
) -> Result<EventBody, Error> {
    let key = StoredKey {
        id: id.clone(),
        attributes: attributes.clone(),
        public_key: public.to_vec(),
        custody,
        state: KeyState::Active { since: now },
        created_at: now,
        version: 1,
    };
    keys::insert(tx, &key).await?;
    let (purpose, algorithm) = (attributes.purpose, attributes.algorithm);
    Ok(EventBody::KeyCreated { key: id.clone(), purpose, algorithm, public_key_sm3: sm3(public) })
}

/// Counts one more sealing under the key-encryption key in use, which must be the one in force.
async fn count_sealing(tx: &mut Tx<'_>, current: &EncryptionKeyId) -> Result<(), Error> {
    let row = in_force(tx, current).await?;
    if row.sealings >= MOST_SEALINGS {
        return Err(Error::EncryptionKeyExhausted { id: row.id });
    }
    let next = StoredEncryptionKey { sealings: row.sealings.saturating_add(1), ..row };
    key_encryption_keys::change(tx, &next).await?;
    Ok(())
}

/// The row of the key-encryption key in force, which must be the one that this process holds.
pub(in crate::service::keys) async fn in_force(
    tx: &mut Tx<'_>,
    current: &EncryptionKeyId,
) -> Result<StoredEncryptionKey, Error> {
    let row = key_encryption_keys::active(tx).await?.filter(|row| row.id == *current);
    row.ok_or_else(|| Error::EncryptionKeyChanged { known: current.clone() })
}

/// What binds a sealed key to its row: name, purpose, algorithm, and the key-encryption key.
pub(in crate::service::keys) fn associated(id: &KeyId, attributes: &KeyAttributes, under: &EncryptionKeyId) -> Vec<u8> {
    // No part can hold the separator: ids and names are of a-z A-Z 0-9 - _ .
    format!("keys|{id}|{}|{}|{under}", attributes.purpose, attributes.algorithm).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};
    use crate::domain::key::Owner;

    fn store(random: Arc<dyn Random>) -> KeyStore {
        let key = EncryptionKey::fresh(EncryptionKeyId::parse("e").unwrap(), &[1; 32], &SystemRandom).unwrap();
        KeyStore::new(key, SealingAlgorithm::Sm4Gcm, random)
    }

    /// The row that `keep` would write.
    fn row(keys: &KeyStore, sealing: SealingAlgorithm, private: &Secret) -> Result<StoredKey, Error> {
        let (id, current) = (KeyId::parse("k1").unwrap(), keys.current());
        let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::SealSigning, KeyAlgorithm::Sm2);
        let bound = associated(&id, &attributes, current.id());
        let sealed_private = current.seal(sealing, &bound, private, keys.random())?;
        let wrapped_under = current.id().clone();
        Ok(StoredKey {
            id,
            attributes,
            public_key: b"public".to_vec(),
            custody: Custody::Software { sealed_private, sealing, wrapped_under },
            state: KeyState::Active { since: Timestamp::from_unix(1) },
            created_at: Timestamp::from_unix(1),
            version: 1,
        })
    }

    #[test]
    fn a_key_opens_only_in_its_own_row_under_its_own_key() {
        let (ours, theirs) = (store(Arc::new(SystemRandom)), store(Arc::new(SystemRandom)));
        let private = Secret::new(vec![5; 32]);
        // Both ciphers open, whichever new keys are sealed under.
        for sealing in SealingAlgorithm::ALL.iter().copied() {
            let key = row(&ours, sealing, &private).unwrap();
            assert_ne!(key.custody, row(&ours, sealing, &private).unwrap().custody, "nonces differ");
            assert_eq!(ours.open(&key).unwrap().expose(), private.expose());
            let code =
                |keys: &KeyStore, key: &StoredKey| keys.open(key).map(|_| "open").unwrap_or_else(|error| error.code());
            // The same name, but another key.
            assert_eq!(code(&theirs, &key), "key-seal-broken");
            let renamed = StoredKey { id: KeyId::parse("k2").unwrap(), ..key.clone() };
            assert_eq!(code(&ours, &renamed), "key-seal-broken");
            let mut other = key.clone();
            other.attributes.purpose = KeyPurpose::Raw;
            assert_eq!(code(&ours, &other), "key-seal-broken");
            other.attributes = KeyAttributes { algorithm: KeyAlgorithm::Rsa, ..key.attributes.clone() };
            assert_eq!(code(&ours, &other), "key-seal-broken");
            let Custody::Software { sealed_private, wrapped_under, .. } = key.custody.clone() else { panic!() };
            assert_eq!(sealed_private.len(), 12 + 32 + 16);
            let holding = |sealed_private: Vec<u8>, sealing, under: &EncryptionKeyId| {
                let custody = Custody::Software { sealed_private, sealing, wrapped_under: under.clone() };
                code(&ours, &StoredKey { custody, ..key.clone() })
            };
            for at in 0..sealed_private.len() {
                let mut changed = sealed_private.clone();
                changed[at] ^= 1;
                assert_eq!(holding(changed, sealing, &wrapped_under), "key-seal-broken", "octet {at}");
            }
            assert_eq!(holding(vec![0; 11], sealing, &wrapped_under), "key-seal-broken");
            let cipher = SealingAlgorithm::ALL.iter().copied().find(|one| *one != sealing).unwrap();
            assert_eq!(holding(sealed_private.clone(), cipher, &wrapped_under), "key-seal-broken");
            let other = EncryptionKeyId::parse("f").unwrap();
            assert_eq!(holding(sealed_private, sealing, &other), "key-encryption-key-changed");
            let device = Custody::Device { location: KeyLocation::Sdf, handle: vec![1] };
            assert_eq!(code(&ours, &StoredKey { custody: device, ..key }), "key-in-device");
            let refused = row(&store(Arc::new(DeadRandom)), sealing, &private).unwrap_err();
            assert!(matches!(refused, Error::Random(_)), "{refused:?}");
        }
    }
}
