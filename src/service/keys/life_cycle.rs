//! What happens to a key after its making: it rests, is used again, is destroyed; and what can be said about keys.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event};
use crate::domain::key::{DestructionProof, InvalidTransition, KeyEvent, KeyPurpose, KeyState, KeySuspensionReason};
use crate::service::Services;
use crate::service::keys::Error;
use crate::service::keys::doors::handle_of;
use crate::store::keys::{Custody, StoredKey};
use crate::store::{audit, certificates, keys};

/// Rows read at a time.
const PAGE: i64 = 500;

/// All keys, in the order of their names.
///
/// # Errors
/// A row is not as it was written, or the database fails.
pub async fn list(services: &Services) -> Result<Vec<StoredKey>, Error> {
    let mut all: Vec<StoredKey> = Vec::new();
    loop {
        let behind = all.last().map(|key| key.id.clone());
        let page = services.store.read(|tx| Box::pin(async move { keys::list(tx, behind.as_ref(), PAGE).await }));
        let page = page.await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// The key of that name.
///
/// # Errors
/// [`Error::Unknown`]; its row is not as it was written; the database fails.
pub async fn find(services: &Services, id: &KeyId) -> Result<StoredKey, Error> {
    let found = services.store.read(|tx| Box::pin(keys::find(tx, id))).await?;
    found.ok_or_else(|| Error::Unknown { id: id.clone() })
}

/// Lets a key rest: from the next request on it is refused.
///
/// # Errors
/// No such key, or it is not active.
pub async fn suspend(
    services: &Services,
    actor: &Actor,
    id: &KeyId,
    reason: KeySuspensionReason,
) -> Result<StoredKey, Error> {
    change(services, actor, id, |key, now| {
        let (state, event) = key.state.suspend(&key.id, now, reason)?;
        Ok((state, key.custody.clone(), event))
    })
    .await
}

/// Takes a resting key back into use.
///
/// # Errors
/// No such key, or it is not suspended.
pub async fn resume(services: &Services, actor: &Actor, id: &KeyId) -> Result<StoredKey, Error> {
    change(services, actor, id, |key, now| {
        let (state, event) = key.state.resume(&key.id, now)?;
        Ok((state, key.custody.clone(), event))
    })
    .await
}

/// Destroys a resting key. Of a software key the sealed private key is deleted in the transaction that records its
/// digest, and overwritten in the database's file. Backups are not reached: rotating the key-encryption key makes their
/// sealed keys worthless, as long as no copy of the old key-encryption key's row is kept with its source.
///
/// A key in a device is destroyed there first; where the device refuses, the row stays as it is.
///
/// # Errors
/// No such key, it is kept for its owner ([`Error::InEscrow`]), it is not suspended, or the device's: [`DeviceError::MechanismMissing`] where its own administration
/// alone destroys keys (GM/T 0018).
///
/// [`DeviceError::MechanismMissing`]: crate::service::keys::device::DeviceError::MechanismMissing
pub async fn destroy(services: &Services, actor: &Actor, id: &KeyId) -> Result<StoredKey, Error> {
    let key = find(services, id).await?;
    if key.attributes.purpose == KeyPurpose::Escrow {
        return Err(Error::InEscrow { id: id.clone() });
    }
    if let Custody::Device { location, .. } = &key.custody {
        // Asked before the device is: nothing in use vanishes by one word.
        key.state.destroy(&key.id, services.clock.now(), proof_of(&key))?;
        let (device, handle) = (Arc::clone(services.devices.device(*location)?), handle_of(&key)?);
        let destroying = tokio::task::spawn_blocking(move || device.destroy(&handle));
        destroying.await.map_err(|_| Error::Unavailable)??;
    }
    let gone = change(services, actor, id, |key, now| {
        let (state, event) = key.state.destroy(&key.id, now, proof_of(key))?;
        let custody = match key.custody.clone() {
            Custody::Software { sealing, wrapped_under, .. } => {
                Custody::Software { sealed_private: Vec::new(), sealing, wrapped_under }
            }
            device @ Custody::Device { .. } => device,
        };
        Ok((state, custody, event))
    });
    let gone = gone.await?;
    services.store.forget_deleted().await?;
    Ok(gone)
}

/// Ends a key of the installation's own that is of no use any more: it rests, and is destroyed where its place allows it.
/// What fails is told in the log.
pub(in crate::service) async fn discard(services: &Services, actor: &Actor, id: &KeyId) {
    let ended = async {
        if matches!(find(services, id).await?.state, KeyState::Active { .. }) {
            suspend(services, actor, id, KeySuspensionReason::Retired).await?;
        }
        if matches!(find(services, id).await?.state, KeyState::Suspended { .. }) {
            destroy(services, actor, id).await?;
        }
        Ok::<_, Error>(())
    };
    if let Err(error) = ended.await {
        tracing::warn!(key = %id, code = error.code(), "a key that is of no use any more is not destroyed: {error}");
    }
}

/// What is destroyed with that key.
pub(in crate::service::keys) fn proof_of(key: &StoredKey) -> DestructionProof {
    let private = match &key.custody {
        Custody::Software { sealed_private, .. } => sealed_private,
        Custody::Device { handle, .. } => handle,
    };
    DestructionProof { public_key_sm3: sm3(&key.public_key), private_key_sm3: sm3(private) }
}

/// As [`discard`], where no certificate names the key; else it stays as it is. The look and the step are one transaction.
pub(in crate::service) async fn discard_uncertified(services: &Services, actor: &Actor, id: &KeyId) {
    let now = services.clock.now();
    let steps = services.store.run("put a key of no certificate to rest", |tx| {
        Box::pin(async move {
            let key = keys::find(tx, id).await?.ok_or_else(|| Error::Unknown { id: id.clone() })?;
            if !certificates::of_key(tx, id).await?.is_empty() || !matches!(key.state, KeyState::Active { .. }) {
                return Ok(false);
            }
            let (state, event) = key.state.suspend(&key.id, now, KeySuspensionReason::Retired)?;
            keys::change(tx, &key, (state, key.custody.clone())).await?;
            let event = Event { at: now, actor: actor.clone(), request: None, body: event.into() };
            audit::append(tx, &event).await?;
            Ok::<_, Error>(true)
        })
    });
    match steps.await {
        Ok(true) => discard(services, actor, id).await,
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(key = %id, code = error.code(), "a key that is of no use any more is not put to rest: {error}");
        }
    }
}

type Next = Result<(KeyState, Custody, KeyEvent), Error>;

async fn change(
    services: &Services,
    actor: &Actor,
    id: &KeyId,
    next: impl Fn(&StoredKey, Timestamp) -> Next + Sync,
) -> Result<StoredKey, Error> {
    let (now, next) = (services.clock.now(), &next);
    let steps = services.store.run("change key", |tx| {
        Box::pin(async move {
            let key = keys::find(tx, id).await?.ok_or_else(|| Error::Unknown { id: id.clone() })?;
            let (state, custody, event) = next(&key, now)?;
            let changed = keys::change(tx, &key, (state, custody)).await?;
            let event = Event { at: now, actor: actor.clone(), request: None, body: event.into() };
            audit::append(tx, &event).await?;
            Ok::<_, Error>(changed)
        })
    });
    steps.await
}

impl From<InvalidTransition> for Error {
    fn from(refused: InvalidTransition) -> Self {
        Self::Transition(refused)
    }
}
