//! The doors to devices: which device holds the key of a row, and how a new key comes to lie in one.

use std::sync::Arc;

use crate::base::id::KeyId;
use crate::crypto::{self, Signer};
use crate::domain::audit::{Actor, Event};
use crate::domain::key::{Exportability, KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, KeyUse};
use crate::domain::trust::key::{public_key, subject_public_key_info};
use crate::format::keys::SubjectPublicKeyInfo;
use crate::service::Services;
use crate::service::keys::device::{
    self, DeviceError, DeviceKind, DeviceOptions, DevicePublicKey, KeyDevice, KeyHandle, PairKind, PairUse,
};
use crate::service::keys::{DeviceSigners, Error};
use crate::store;
use crate::store::keys::{Custody, StoredKey};
use crate::store::{Tx, audit, keys};

const PAIRWISE: &[u8] = b"yinxin pairwise check";
/// Rows read at a time.
const PAGE: i64 = 500;

/// The open devices, one of a kind at most.
#[derive(Clone, Default)]
pub struct Doors {
    devices: Vec<Arc<dyn KeyDevice>>,
}

impl std::fmt::Debug for Doors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.devices.iter().map(|device| device.description())).finish()
    }
}

impl Doors {
    /// Opens the devices. Blocks.
    ///
    /// # Errors
    /// The first that cannot be opened.
    pub fn open(devices: Vec<DeviceOptions>) -> Result<Self, DeviceError> {
        let devices = devices.into_iter().map(device::open).collect::<Result<_, _>>()?;
        Ok(Self { devices })
    }

    /// The device of that kind.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the configuration names none.
    pub fn device(&self, location: KeyLocation) -> Result<&Arc<dyn KeyDevice>, Error> {
        let of_kind = |device: &&Arc<dyn KeyDevice>| location == location_of(device.kind());
        self.devices.iter().find(of_kind).ok_or(Error::Unavailable)
    }
}

const fn location_of(kind: DeviceKind) -> KeyLocation {
    match kind {
        DeviceKind::Pkcs11 => KeyLocation::Pkcs11,
        DeviceKind::Sdf => KeyLocation::Sdf,
    }
}

impl DeviceSigners for Doors {
    /// Asks nothing of the device: the row names the key that its signatures are verified by.
    fn signer(&self, key: &StoredKey) -> Result<Arc<dyn Signer>, Error> {
        let Custody::Device { location, .. } = &key.custody else { return Err(inconsistent(key)) };
        let handle = handle_of(key)?;
        let public = SubjectPublicKeyInfo::parse(&key.public_key).ok().and_then(|info| public_key(&info));
        let public = public.and_then(DevicePublicKey::of).ok_or_else(|| inconsistent(key))?;
        Ok(device::signer_by(self.device(*location)?, &handle, public))
    }
}

fn inconsistent(key: &StoredKey) -> Error {
    store::Error::Inconsistent { table: "keys", row: key.id.to_string() }.into()
}

/// Where in its device the key of a row is.
pub(in crate::service::keys) fn handle_of(key: &StoredKey) -> Result<KeyHandle, Error> {
    let Custody::Device { handle, .. } = &key.custody else { return Err(inconsistent(key)) };
    str::from_utf8(handle).ok().and_then(KeyHandle::parse).ok_or_else(|| inconsistent(key))
}

/// Handles of that device which rows name, those of destroyed keys too: a pair is never given to a second row.
async fn taken(tx: &mut Tx<'_>, wanted: KeyLocation) -> Result<Vec<KeyHandle>, Error> {
    let (mut taken, mut behind) = (Vec::new(), None::<KeyId>);
    loop {
        let page = keys::list(tx, behind.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(taken) };
        behind = Some(last.id.clone());
        taken.extend(page.iter().filter_map(|key| match &key.custody {
            Custody::Device { location, handle } if *location == wanted => {
                str::from_utf8(handle).ok().and_then(KeyHandle::parse)
            }
            _ => None,
        }));
    }
}

/// A key pair of a device for a new row of ours: made there, checked to sign and verify (pairwise check; GM/T 0028 as
/// remembered), then kept.
///
/// # Errors
/// The profile forbids the algorithm; no such device, or its refusal; the pair does not fit; the store refuses.
pub async fn generate(
    services: &Services,
    actor: &Actor,
    location: KeyLocation,
    attributes: &KeyAttributes,
) -> Result<StoredKey, Error> {
    if attributes.exportability == Exportability::Exportable {
        return Err(DeviceError::MechanismMissing { what: "private keys that can be exported" }.into());
    }
    services.keys.permit_algorithm(attributes.algorithm)?;
    let device = Arc::clone(services.devices.device(location)?);
    let kind = match attributes.algorithm {
        KeyAlgorithm::Sm2 => PairKind::Sm2,
        KeyAlgorithm::Rsa if attributes.purpose == KeyPurpose::CertificateAuthority => PairKind::Rsa4096,
        KeyAlgorithm::Rsa => PairKind::Rsa3072,
        KeyAlgorithm::EcdsaP256 => PairKind::P256,
        algorithm => return Err(Error::AlgorithmNotMade { algorithm }),
    };
    let signs = attributes.purpose.uses().allow(KeyUse::Sign);
    let wanted = if signs { PairUse::Sign } else { PairUse::Decrypt };
    let now = services.clock.now();
    let id = KeyId::fresh(now, &*services.random)?;
    let taken = services.store.read(|tx| Box::pin(taken(tx, location))).await?;
    let (label, asked) = (id.to_string(), Arc::clone(&device));
    let making = tokio::task::spawn_blocking(move || asked.generate(&label, kind, wanted, &taken));
    let (handle, public) = making.await.map_err(|_| Error::Unavailable)??;
    let kept = keep(services, actor, (&id, attributes, signs), (&device, &handle, public)).await;
    if kept.is_err() && location == KeyLocation::Pkcs11 {
        // Nobody will ever ask for it.
        let orphan = handle.clone();
        let destroyed = tokio::task::spawn_blocking(move || device.destroy(&orphan)).await;
        if !matches!(destroyed, Ok(Ok(()))) {
            tracing::warn!(%handle, "a key pair that no row names is left in the token");
        }
    }
    kept
}

async fn keep(
    services: &Services,
    actor: &Actor,
    (id, attributes, signs): (&KeyId, &KeyAttributes, bool),
    (device, handle, public): (&Arc<dyn KeyDevice>, &KeyHandle, DevicePublicKey),
) -> Result<StoredKey, Error> {
    let signer = device::signer_by(device, handle, public);
    let (key, algorithm) = (signer.public_key(), signer.algorithm());
    if signs {
        let value = services.pool.sign(signer, PAIRWISE.to_vec(), Arc::clone(&services.random)).await?;
        if !key.verify(algorithm, PAIRWISE, &value) {
            return Err(crypto::Error::Fault.into());
        }
    }
    let (public, now) = (subject_public_key_info(&key), services.clock.now());
    let (public, store, location) = (&public[..], &*services.keys, location_of(device.kind()));
    let steps = services.store.run("make key in device", |tx| {
        Box::pin(async move {
            if let Some(known) = keys::find_by_public_key(tx, public).await? {
                return Err(Error::AlreadyHere { id: known.id });
            }
            let place = (location, handle.as_str().as_bytes(), public);
            let body = store.keep_in_device(tx, id, attributes, place, now).await?;
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            keys::find(tx, id).await?.ok_or_else(|| Error::Unknown { id: id.clone() })
        })
    });
    steps.await
}
