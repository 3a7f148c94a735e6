//! What happens to a key after its making: it rests, is used again, is destroyed; and what can be said about keys.

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event};
use crate::domain::key::{DestructionProof, InvalidTransition, KeyEvent, KeyState, KeySuspensionReason};
use crate::service::Services;
use crate::service::keys::Error;
use crate::store::keys::{Custody, StoredKey};
use crate::store::{audit, keys};

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

/// Destroys a resting key: its sealed private key is deleted in the transaction that records its digest, and overwritten
/// in the database's file. Backups are not reached: rotating the key-encryption key makes their sealed keys worthless,
/// as long as no copy of the old key-encryption key's row is kept with its source.
///
/// # Errors
/// No such key, it is not suspended, or it lies in a device, where it has to be destroyed.
pub async fn destroy(services: &Services, actor: &Actor, id: &KeyId) -> Result<StoredKey, Error> {
    let gone = change(services, actor, id, |key, now| {
        let Custody::Software { sealed_private, sealing, wrapped_under } = &key.custody else {
            return Err(Error::InDevice { id: key.id.clone() });
        };
        let proof = DestructionProof { public_key_sm3: sm3(&key.public_key), private_key_sm3: sm3(sealed_private) };
        let (state, event) = key.state.destroy(&key.id, now, proof)?;
        let (sealed_private, sealing, wrapped_under) = (Vec::new(), *sealing, wrapped_under.clone());
        Ok((state, Custody::Software { sealed_private, sealing, wrapped_under }, event))
    });
    let gone = gone.await?;
    services.store.forget_deleted().await?;
    Ok(gone)
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
