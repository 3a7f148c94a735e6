//! The key-encryption key: made at random, kept wrapped, together with the key of the rows' integrity values.
//!
//! Under a device nothing of the upper two is here: its secret keys wrap the key-encryption key and compute the integrity
//! values, and the row keeps their handles beside what is wrapped.
//!
//! ```text
//! source key (file, passphrase, environment, shares)
//!   └─ HKDF "wrapping" ─ wraps ─ key-encryption key ‖ integrity key       one row of `key_encryption_keys`
//!                                  └─ HKDF "sealing" ─ seals ─ private keys    rows of `keys`
//! ```

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::base::id::EncryptionKeyId;
use crate::base::memory::LockedSecret;
use crate::base::random::{Random, array};
use crate::base::secret::Secret;
use crate::crypto::aead::{AeadAlgorithm, AeadKey, NONCE_LEN};
use crate::domain::key::{KeySourceKind, Profile, SealingAlgorithm};
use crate::service::keys::Error;
use crate::service::keys::device::{DeviceError, KeyHandle, SecretUse};
use crate::service::keys::encryption_key::{SourceKey, derive, fresh};
use crate::service::keys::profile::{DeviceMac, DeviceSource};
use crate::store::IntegrityKey;
use crate::store::key_encryption_keys::StoredEncryptionKey;

const LENGTH: usize = 32;

/// How many private keys may be sealed under one key-encryption key: half of the 2³² that NIST SP 800-38D, 8.3 allows
/// for random nonces of 96 bits, since sealings that were undone with their transaction are not counted.
pub const MOST_SEALINGS: i64 = 1 << 31;

/// A key-encryption key, open.
#[derive(Debug, Clone)]
pub struct EncryptionKey {
    id: EncryptionKeyId,
    key: LockedSecret,
    salt: [u8; 32],
}

/// The key of the rows' integrity values. It outlives key-encryption keys.
#[derive(Debug, Clone)]
pub struct IntegritySecret(Held);

#[derive(Debug, Clone)]
enum Held {
    Here(LockedSecret),
    Device(DeviceMac),
}

impl IntegritySecret {
    /// A fresh one, for a new installation: in the source's device where the source is one. Blocks then.
    ///
    /// # Errors
    /// No randomness, or the device's refusal.
    pub fn fresh(source: &SourceKey, random: &dyn Random) -> Result<Self, Error> {
        match source.device() {
            Some(device) => device.new_mac().map(Held::Device).map(Self),
            None => fresh(random).map(LockedSecret::new).map(Held::Here).map(Self),
        }
    }

    /// The one that version 0.1 took from the source key, so that rows stay right.
    ///
    /// # Errors
    /// The derivation refused.
    pub fn earlier(source: &SourceKey, salt: &[u8; 32]) -> Result<Self, Error> {
        source.derive(salt, "yinxin row integrity 1", LENGTH).map(LockedSecret::new).map(Held::Here).map(Self)
    }

    /// For the store.
    #[must_use]
    pub fn rows(&self) -> IntegrityKey {
        match &self.0 {
            Held::Here(key) => IntegrityKey::locked(key.clone()),
            Held::Device(mac) => IntegrityKey::elsewhere(Arc::new(mac.clone())),
        }
    }

    /// Whether its pages are locked into memory; what is in a device needs none.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        match &self.0 {
            Held::Here(key) => key.is_locked(),
            Held::Device(_) => true,
        }
    }

    /// A value by which the installation knows it again; says nothing about it.
    ///
    /// # Errors
    /// The derivation or the device refused.
    pub fn check_value(&self, salt: &[u8; 32]) -> Result<Vec<u8>, Error> {
        match &self.0 {
            Held::Here(key) => derive(key, salt, "yinxin key check 2", 32).map(|value| value.expose().to_vec()), // public by purpose
            Held::Device(mac) => mac.check_value(salt),
        }
    }
}

/// The cipher behind the name.
const fn cipher(sealing: SealingAlgorithm) -> AeadAlgorithm {
    match sealing {
        SealingAlgorithm::Sm4Gcm => AeadAlgorithm::Sm4Gcm,
        SealingAlgorithm::Aes256Gcm => AeadAlgorithm::Aes256Gcm,
    }
}

/// Nonce ‖ ciphertext ‖ tag.
fn seal(key: &AeadKey, associated: &[u8], text: &[u8], random: &dyn Random) -> Result<Vec<u8>, Error> {
    let nonce = array::<NONCE_LEN>(random)?;
    let mut sealed = nonce.to_vec();
    sealed.extend(key.seal(&nonce, associated, text)?);
    Ok(sealed)
}

fn open(key: &AeadKey, associated: &[u8], sealed: &[u8]) -> Option<Secret> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
    key.open(nonce, associated, text)
}

/// What a wrapped key-encryption key is bound to.
fn associated(id: &EncryptionKeyId, source: KeySourceKind, sealing: SealingAlgorithm) -> Vec<u8> {
    format!("key_encryption_keys|{id}|{source}|{sealing}").into_bytes()
}

/// The same, wrapped in a device: to the handle of the integrity key too.
fn associated_in_device(id: &EncryptionKeyId, sealing: SealingAlgorithm, mac: &KeyHandle) -> Vec<u8> {
    let mut octets = associated(id, KeySourceKind::Device, sealing);
    octets.push(b'|');
    octets.extend_from_slice(mac.as_str().as_bytes());
    octets
}

/// A key-encryption key as a device wrapped it: each handle behind its length in two octets, then what is sealed.
struct InDevice {
    handle: KeyHandle,
    mac: KeyHandle,
    sealed: Vec<u8>,
}

impl InDevice {
    fn to_octets(&self) -> Result<Vec<u8>, Error> {
        let mut octets = Vec::new();
        for handle in [&self.handle, &self.mac] {
            let text = handle.as_str().as_bytes();
            octets.extend_from_slice(&u16::try_from(text.len()).map_err(|_| Error::Derivation)?.to_be_bytes());
            octets.extend_from_slice(text);
        }
        octets.extend_from_slice(&self.sealed);
        Ok(octets)
    }

    fn parse(octets: &[u8]) -> Option<Self> {
        let handle = |octets| -> Option<(KeyHandle, &[u8])> {
            let (length, rest) = <[u8]>::split_first_chunk::<2>(octets)?;
            let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            Some((KeyHandle::parse(str::from_utf8(text).ok()?)?, rest))
        };
        let (first, rest) = handle(octets)?;
        let (mac, sealed) = handle(rest)?;
        Some(Self { handle: first, mac, sealed: sealed.to_vec() })
    }
}

fn wrapping_key(source: &SourceKey, salt: &[u8; 32], sealing: SealingAlgorithm) -> Result<AeadKey, Error> {
    let algorithm = cipher(sealing);
    let key = source.derive(salt, &format!("yinxin key wrapping 2 {sealing}"), algorithm.key_len())?;
    Ok(AeadKey::new(algorithm, key.expose())?) // to wrap with
}

impl EncryptionKey {
    /// A fresh one.
    ///
    /// # Errors
    /// No randomness.
    pub fn fresh(id: EncryptionKeyId, salt: &[u8; 32], random: &dyn Random) -> Result<Self, Error> {
        Ok(Self { id, key: LockedSecret::new(fresh(random)?), salt: *salt })
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> &EncryptionKeyId {
        &self.id
    }

    /// The installation's salt.
    pub(in crate::service::keys) const fn salt(&self) -> &[u8; 32] {
        &self.salt
    }

    /// Whether its pages are locked into memory.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.key.is_locked()
    }

    /// Itself and the integrity key, wrapped under the source's key. In a device it is wrapped under a secret key made
    /// for it alone, and bound to the handle of the integrity key, which is no secret. Blocks there.
    ///
    /// # Errors
    /// No randomness, or the device's refusal; [`Error::SourceForbidden`] when the integrity key is in another place than
    /// the source's key.
    pub fn wrap(
        &self,
        integrity: &IntegritySecret,
        (source, sealing): (&SourceKey, SealingAlgorithm),
        random: &dyn Random,
    ) -> Result<Vec<u8>, Error> {
        let integrity = match (&integrity.0, source.device()) {
            (Held::Here(integrity), None) => integrity,
            (Held::Device(mac), Some(source)) => {
                let device = source.device();
                let handle = device.new_secret("yinxin key wrapping", SecretUse::Wrap)?;
                let bound = associated_in_device(&self.id, sealing, mac.handle());
                let key = Secret::new(self.key.expose().to_vec()); // to be wrapped
                let sealed = device.wrap(&handle, &key, &bound)?;
                return InDevice { handle, mac: mac.handle().clone(), sealed }.to_octets();
            }
            (Held::Here(_), Some(_)) => {
                return Err(Error::SourceForbidden { profile: Profile::Standard, given: source.kind() });
            }
            (Held::Device(_), None) => {
                return Err(Error::SourceForbidden { profile: Profile::Gm3, given: source.kind() });
            }
        };
        let mut text = Zeroizing::new(Vec::with_capacity(LENGTH * 2));
        text.extend_from_slice(self.key.expose()); // to be wrapped
        text.extend_from_slice(integrity.expose()); // to be wrapped
        let key = wrapping_key(source, &self.salt, sealing)?;
        seal(&key, &associated(&self.id, source.kind(), sealing), &text, random)
    }

    /// Opens a row.
    ///
    /// # Errors
    /// [`Error::OtherSource`] when the row names another kind of source; [`Error::WrongEncryptionKey`] when the source's
    /// key does not open it.
    pub fn unwrap(
        row: &StoredEncryptionKey,
        source: &SourceKey,
        salt: &[u8; 32],
    ) -> Result<(Self, IntegritySecret), Error> {
        if row.source != source.kind() {
            return Err(Error::OtherSource { wrapped: row.source, given: source.kind() });
        }
        if let Some(source) = source.device() {
            return Self::unwrap_in_device(row, source, salt);
        }
        let key = wrapping_key(source, salt, row.sealing)?;
        let text = open(&key, &associated(&row.id, row.source, row.sealing), &row.wrapped);
        let text = text.ok_or(Error::WrongEncryptionKey)?;
        let (key, integrity) = text.expose().split_at_checked(LENGTH).ok_or(Error::WrongEncryptionKey)?; // to be kept
        let keep = |part: &[u8]| LockedSecret::new(Secret::new(part.to_vec()));
        Ok((Self { id: row.id.clone(), key: keep(key), salt: *salt }, IntegritySecret(Held::Here(keep(integrity)))))
    }

    fn unwrap_in_device(
        row: &StoredEncryptionKey,
        source: &DeviceSource,
        salt: &[u8; 32],
    ) -> Result<(Self, IntegritySecret), Error> {
        let wrapped = InDevice::parse(&row.wrapped).ok_or(Error::WrongEncryptionKey)?;
        let bound = associated_in_device(&row.id, row.sealing, &wrapped.mac);
        let key = match source.device().unwrap(&wrapped.handle, &wrapped.sealed, &bound) {
            Err(DeviceError::SealBroken | DeviceError::KeyAbsent { .. }) => return Err(Error::WrongEncryptionKey),
            opened => LockedSecret::new(opened?),
        };
        let mac = source.mac(wrapped.mac);
        Ok((Self { id: row.id.clone(), key, salt: *salt }, IntegritySecret(Held::Device(mac))))
    }

    /// Seals a private key to its row.
    ///
    /// # Errors
    /// No randomness.
    pub(in crate::service::keys) fn seal(
        &self,
        sealing: SealingAlgorithm,
        associated: &[u8],
        private: &Secret,
        random: &dyn Random,
    ) -> Result<Vec<u8>, Error> {
        seal(&self.sealing_key(sealing)?, associated, private.expose(), random) // to be sealed
    }

    /// Opens a private key in its row.
    ///
    /// # Errors
    /// The derivation refused; nothing inside when the seal is broken.
    pub(in crate::service::keys) fn open(
        &self,
        sealing: SealingAlgorithm,
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Secret>, Error> {
        Ok(open(&self.sealing_key(sealing)?, associated, sealed))
    }

    /// Derived for each use, so that between uses there is nothing but the locked pages.
    fn sealing_key(&self, sealing: SealingAlgorithm) -> Result<AeadKey, Error> {
        let algorithm = cipher(sealing);
        let key = derive(&self.key, &self.salt, &format!("yinxin key sealing 2 {sealing}"), algorithm.key_len())?;
        Ok(AeadKey::new(algorithm, key.expose())?) // to seal or open with
    }
}

/// Opens a private key that version 0.1 sealed: AES-256-GCM under a key from the source itself.
///
/// # Errors
/// The derivation refused; nothing inside when the seal is broken.
pub(in crate::service::keys) fn open_earlier(
    source: &SourceKey,
    salt: &[u8; 32],
    associated: &[u8],
    sealed: &[u8],
) -> Result<Option<Secret>, Error> {
    let key = source.derive(salt, "yinxin key sealing 1", AeadAlgorithm::Aes256Gcm.key_len())?;
    let key = AeadKey::new(AeadAlgorithm::Aes256Gcm, key.expose())?; // to open with
    Ok(open(&key, associated, sealed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::random::{DeadRandom, SystemRandom};

    fn source(octet: u8, kind: KeySourceKind) -> SourceKey {
        SourceKey::of(Secret::new(vec![octet; 32]), kind)
    }

    #[test]
    fn a_wrapped_key_opens_in_its_row_under_its_source_only() {
        let salt = [1; 32];
        let id = EncryptionKeyId::parse("e").unwrap();
        let ours = source(5, KeySourceKind::File);
        for sealing in SealingAlgorithm::ALL.iter().copied() {
            let key = EncryptionKey::fresh(id.clone(), &salt, &SystemRandom).unwrap();
            let integrity = IntegritySecret::fresh(&ours, &SystemRandom).unwrap();
            let wrapped = key.wrap(&integrity, (&ours, sealing), &SystemRandom).unwrap();
            assert_eq!(wrapped.len(), 12 + 64 + 16);
            let row = StoredEncryptionKey {
                id: id.clone(),
                source: KeySourceKind::File,
                sealing,
                wrapped,
                sealings: 0,
                created_at: Timestamp::from_unix(1),
                destroyed_at: None,
                version: 1,
            };
            let code = |row: &StoredEncryptionKey, source: &SourceKey, salt| {
                EncryptionKey::unwrap(row, source, salt).map(|_| "open").unwrap_or_else(|error| error.code())
            };
            let (again, integrity_again) = EncryptionKey::unwrap(&row, &ours, &salt).unwrap();
            assert_eq!(again.key.expose(), key.key.expose());
            assert_eq!(integrity_again.check_value(&salt).unwrap(), integrity.check_value(&salt).unwrap());
            let Held::Here(apart) = &integrity.0 else { panic!("{integrity:?}") };
            assert_ne!(key.key.expose(), apart.expose());
            assert_eq!(code(&row, &source(6, KeySourceKind::File), &salt), "wrong-encryption-key");
            assert_eq!(code(&row, &ours, &[2; 32]), "wrong-encryption-key");
            assert_eq!(code(&row, &source(5, KeySourceKind::Shares), &salt), "other-key-source");
            let named = StoredEncryptionKey { source: KeySourceKind::Shares, ..row.clone() };
            assert_eq!(code(&named, &source(5, KeySourceKind::Shares), &salt), "wrong-encryption-key");
            let renamed = StoredEncryptionKey { id: EncryptionKeyId::parse("f").unwrap(), ..row.clone() };
            assert_eq!(code(&renamed, &ours, &salt), "wrong-encryption-key");
            for at in 0..row.wrapped.len() {
                let mut changed = row.clone();
                changed.wrapped[at] ^= 1;
                assert_eq!(code(&changed, &ours, &salt), "wrong-encryption-key", "octet {at}");
            }
            let refused = key.wrap(&integrity, (&ours, sealing), &DeadRandom).unwrap_err();
            assert_eq!(refused.code(), "random-unavailable");
        }
    }
}
