//! Another key-encryption key under the same source, or another source for the same key-encryption key.

use crate::base::id::EncryptionKeyId;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::key::KeySourceKind;
use crate::service::Services;
use crate::service::keys::encryption_key::SourceKey;
use crate::service::keys::soft::{associated, in_force};
use crate::service::keys::wrapping::{EncryptionKey, IntegritySecret};
use crate::service::keys::{Error, KeyStore};
use crate::store::key_encryption_keys::StoredEncryptionKey;
use crate::store::keys::Custody;
use crate::store::{Tx, audit, key_encryption_keys, keys};

/// Rows read at a time.
const PAGE: i64 = 500;

/// Makes a new key-encryption key, seals every private key anew under it and destroys the old one: all in one
/// transaction, so that a crash leaves the one or the other. Names, public keys and purposes stay. Gives the number of
/// private keys.
///
/// Another process that holds the old one finds that out before it seals or opens anything: it must be started again.
///
/// # Errors
/// No randomness; a seal is broken, and nothing was changed; the key-encryption key was rotated elsewhere.
pub async fn rotate(
    services: &Services,
    actor: &Actor,
    (source, integrity): (&SourceKey, &IntegritySecret),
) -> Result<u64, Error> {
    let (now, store) = (services.clock.now(), &*services.keys);
    let (old, random, sealing) = (store.current(), store.random(), store.sealing());
    let new = EncryptionKey::fresh(EncryptionKeyId::fresh(now, random)?, old.salt(), random)?;
    let row = StoredEncryptionKey {
        id: new.id().clone(),
        source: source.kind(),
        sealing,
        wrapped: new.wrap(integrity, (source, sealing), random)?,
        sealings: 0,
        created_at: now,
        destroyed_at: None,
        version: 1,
    };
    let (old, new_key, row) = (&old, &new, &row);
    let steps = services.store.run("rotate key-encryption key", |tx| {
        Box::pin(async move {
            let force = in_force(tx, old.id()).await?;
            let ended = StoredEncryptionKey { wrapped: Vec::new(), destroyed_at: Some(now), ..force };
            key_encryption_keys::change(tx, &ended).await?;
            key_encryption_keys::insert(tx, row).await?;
            let sealings = seal_anew(tx, store, new_key).await?;
            key_encryption_keys::change(tx, &StoredEncryptionKey { sealings, ..row.clone() }).await?;
            let keys = u64::try_from(sealings).unwrap_or_default();
            let (key, destroyed) = (new_key.id().clone(), old.id().clone());
            let body = EventBody::EncryptionKeyRotated { key, destroyed, keys, sealing };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            Ok::<_, Error>(keys)
        })
    });
    let sealed = steps.await?;
    store.replace(new);
    services.store.forget_deleted().await?;
    Ok(sealed)
}

/// Seals every private key that there is under the new key-encryption key; gives their number.
async fn seal_anew(tx: &mut Tx<'_>, store: &KeyStore, new: &EncryptionKey) -> Result<i64, Error> {
    let (mut behind, mut sealings) = (None, 0_i64);
    loop {
        let page = keys::list(tx, behind.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(sealings) };
        behind = Some(last.id.clone());
        for key in &page {
            let Custody::Software { sealed_private, .. } = &key.custody else { continue };
            // Of a destroyed key nothing is left to seal.
            if sealed_private.is_empty() {
                continue;
            }
            let private = store.open(key)?;
            let bound = associated(&key.id, &key.attributes, new.id());
            let custody = Custody::Software {
                sealed_private: new.seal(store.sealing(), &bound, &private, store.random())?,
                sealing: store.sealing(),
                wrapped_under: new.id().clone(),
            };
            keys::change(tx, key, (key.state, custody)).await?;
            sealings = sealings.saturating_add(1);
        }
    }
}

/// Refuses a source that the profile forbids: to be asked before a new one is made.
///
/// # Errors
/// [`Error::SourceForbidden`].
pub fn permit_source(store: &KeyStore, given: KeySourceKind) -> Result<(), Error> {
    let profile = store.profile();
    if profile.permits_source(given) { Ok(()) } else { Err(Error::SourceForbidden { profile, given }) }
}

/// Wraps the key-encryption key under a key from another source: one row changes, no private key is touched. The old
/// source opens nothing any more, but opens old copies of that row: rotate too where it may be in other hands.
///
/// # Errors
/// The profile forbids the source; no randomness; the key-encryption key was rotated elsewhere.
pub async fn rewrap(
    services: &Services,
    actor: &Actor,
    (source, integrity): (&SourceKey, &IntegritySecret),
) -> Result<(), Error> {
    let (now, store) = (services.clock.now(), &*services.keys);
    permit_source(store, source.kind())?;
    let (current, sealing) = (store.current(), store.sealing());
    let wrapped = current.wrap(integrity, (source, sealing), store.random())?;
    let (current, wrapped) = (&current, &wrapped);
    let steps = services.store.run("rewrap key-encryption key", |tx| {
        Box::pin(async move {
            let row = in_force(tx, current.id()).await?;
            let next = StoredEncryptionKey { source: source.kind(), sealing, wrapped: wrapped.clone(), ..row };
            key_encryption_keys::change(tx, &next).await?;
            let body = EventBody::EncryptionKeyRewrapped { key: current.id().clone(), source: source.kind() };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await?;
    services.store.forget_deleted().await.map_err(Error::from)
}
