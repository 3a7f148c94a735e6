//! The doors to devices: which device holds the key of a row, and how a new key comes to lie in one.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::crypto::{self, Signer};
use crate::domain::audit::{Actor, Event, EventBody};
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

/// A key pair that lies in a device, and that no row names yet.
pub(in crate::service) struct DevicePair {
    /// The name of its row to be.
    pub(in crate::service) id: KeyId,
    device: Arc<dyn KeyDevice>,
    handle: KeyHandle,
    /// SubjectPublicKeyInfo, DER.
    public: Vec<u8>,
}

impl DevicePair {
    /// Keeps it in a row, and gives what happened, for the caller to write.
    ///
    /// # Errors
    /// [`Error::AlreadyHere`]; the store's.
    pub(in crate::service) async fn keep(
        &self,
        tx: &mut Tx<'_>,
        services: &Services,
        attributes: &KeyAttributes,
        now: Timestamp,
    ) -> Result<EventBody, Error> {
        let public = &self.public[..];
        if let Some(known) = keys::find_by_public_key(tx, public).await? {
            return Err(Error::AlreadyHere { id: known.id });
        }
        let place = (location_of(self.device.kind()), self.handle.as_str().as_bytes(), public);
        services.keys.keep_in_device(tx, &self.id, attributes, place, now).await
    }

    /// Nobody will ever ask for it: where the device lets us, it is destroyed.
    pub(in crate::service) async fn give_up(self) {
        if self.device.kind() != DeviceKind::Pkcs11 {
            return;
        }
        let (device, handle) = (self.device, self.handle.clone());
        let destroyed = tokio::task::spawn_blocking(move || device.destroy(&handle)).await;
        if !matches!(destroyed, Ok(Ok(()))) {
            tracing::warn!(handle = %self.handle, "a key pair that no row names is left in the token");
        }
    }
}

/// A key pair of a device, made there and checked to sign and verify (pairwise check; GM/T 0028 as remembered). No row names it
/// yet; `besides` are other pairs of which the same holds.
///
/// # Errors
/// The profile forbids the algorithm; no such device, or its refusal; the pair does not fit.
pub(in crate::service) async fn make_pair(
    services: &Services,
    location: KeyLocation,
    attributes: &KeyAttributes,
    besides: &[DevicePair],
) -> Result<DevicePair, Error> {
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
    let id = KeyId::fresh(services.clock.now(), &*services.random)?;
    let mut taken = services.store.read(|tx| Box::pin(taken(tx, location))).await?;
    taken.extend(besides.iter().map(|pair| pair.handle.clone()));
    let (label, asked) = (id.to_string(), Arc::clone(&device));
    let making = tokio::task::spawn_blocking(move || asked.generate(&label, kind, wanted, &taken));
    let (handle, public) = making.await.map_err(|_| Error::Unavailable)??;
    let signer = device::signer_by(&device, &handle, public);
    let (key, algorithm) = (signer.public_key(), signer.algorithm());
    let pair = DevicePair { id, device, handle, public: subject_public_key_info(&key) };
    if !signs {
        return Ok(pair);
    }
    let checked = match services.pool.sign(signer, PAIRWISE.to_vec(), Arc::clone(&services.random)).await {
        Ok(value) if key.verify(algorithm, PAIRWISE, &value) => return Ok(pair),
        Ok(_) => crypto::Error::Fault.into(),
        Err(error) => error,
    };
    pair.give_up().await;
    Err(checked)
}

/// A key pair of a device for a new row of ours: made there, then kept.
///
/// # Errors
/// The profile forbids the algorithm; no such device, or its refusal; the pair does not fit; the store refuses.
pub async fn generate(
    services: &Services,
    actor: &Actor,
    location: KeyLocation,
    attributes: &KeyAttributes,
) -> Result<StoredKey, Error> {
    let pair = make_pair(services, location, attributes, &[]).await?;
    let (made, now) = (&pair, services.clock.now());
    let steps = services.store.run("make key in device", |tx| {
        Box::pin(async move {
            let body = made.keep(tx, services, attributes, now).await?;
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            keys::find(tx, &made.id).await?.ok_or_else(|| Error::Unknown { id: made.id.clone() })
        })
    });
    let kept = steps.await;
    if kept.is_err() {
        pair.give_up().await;
    }
    kept
}
