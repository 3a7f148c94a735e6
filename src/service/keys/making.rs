//! New keys for an operator: in the software store or in a device.

use std::sync::Arc;

use crate::base::id::KeyId;
use crate::crypto::PublicKey;
use crate::domain::audit::{Actor, Event};
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyLocation, KeyUse};
use crate::domain::trust::public_key;
use crate::format::keys::SubjectPublicKeyInfo;
use crate::service::Services;
use crate::service::keys::{Error, NewKey, doors, made_bits};
use crate::store::keys::StoredKey;
use crate::store::{self, audit, keys};

/// The public key of a row.
///
/// # Errors
/// [`Error::Store`]: it cannot be read.
pub fn public_key_of(key: &StoredKey) -> Result<PublicKey, Error> {
    let read = SubjectPublicKeyInfo::parse(&key.public_key).ok().and_then(|info| public_key(&info));
    read.ok_or_else(|| store::Error::Inconsistent { table: "keys", row: key.id.to_string() }.into())
}

/// A new key pair in the place that is named: made there, checked to sign and verify, then kept with its event.
///
/// # Errors
/// [`Error::PurposeNotMade`]: the algorithm does not do what the purpose wants; [`Error::EmptyPeriod`];
/// [`Error::Unacceptable`]: the algorithm policy lets nobody make such a key now; no randomness;
/// the pair does not fit; the device's or the store's refusal.
pub async fn generate(
    services: &Services,
    actor: &Actor,
    location: KeyLocation,
    attributes: &KeyAttributes,
) -> Result<StoredKey, Error> {
    let (purpose, algorithm, uses) = (attributes.purpose, attributes.algorithm, attributes.purpose.uses());
    let decrypts = uses.allow(KeyUse::Decrypt) && matches!(algorithm, KeyAlgorithm::Sm2 | KeyAlgorithm::Rsa);
    if !(uses.allow(KeyUse::Sign) || decrypts) {
        return Err(Error::PurposeNotMade { purpose, algorithm });
    }
    let (from, to) = (attributes.validity.not_before, attributes.validity.not_after);
    if from.zip(to).is_some_and(|(from, to)| to < from) || to.is_some_and(|to| to < services.clock.now()) {
        return Err(Error::EmptyPeriod);
    }
    services.keys.permit_new(attributes, made_bits(purpose, algorithm), services.clock.now())?;
    if location != KeyLocation::Software {
        return doors::generate(services, actor, location, attributes).await;
    }
    let random = Arc::clone(&services.random);
    let making = tokio::task::spawn_blocking(move || NewKey::generate(purpose, algorithm, &*random));
    let made = making.await.map_err(|_| Error::Unavailable)??;
    let now = services.clock.now();
    let id = KeyId::fresh(now, &*services.random)?;
    let (id, made, store) = (&id, &made, &*services.keys);
    let steps = services.store.run("make key", |tx| {
        Box::pin(async move {
            let body = store.keep(tx, id, attributes, (&made.private, &made.public), now).await?;
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            keys::find(tx, id).await?.ok_or_else(|| Error::Unknown { id: id.clone() })
        })
    });
    steps.await
}
