//! Keys from outside and to outside.

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::base::secret::Secret;
use crate::crypto;
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::key::{Exportability, KeyAttributes, KeyPurpose, KeyRefusal, KeyState, KeyUse};
use crate::domain::trust::key::subject_public_key_info;
use crate::service::Services;
use crate::service::keys::export::{Protection, pkcs8_encrypted_pem};
use crate::service::keys::import::Imported;
use crate::service::keys::signers::software_signer;
use crate::service::keys::{Error, KeyStore, life_cycle};
use crate::store::keys::StoredKey;
use crate::store::{Tx, audit, keys};

const PAIRWISE: &[u8] = b"yinxin pairwise check";

/// Takes a key pair that was made elsewhere into the key store; the file's certificates are left to others.
///
/// What is to sign is checked to sign and verify first (pairwise check; GM/T 0028 as remembered).
///
/// # Errors
/// The profile or the algorithm policy forbids it; the attributes name another algorithm; the pair does not fit; the key store has it already; we do not sign with it.
pub async fn import(
    services: &Services,
    actor: &Actor,
    attributes: &KeyAttributes,
    imported: &Imported,
) -> Result<StoredKey, Error> {
    let now = services.clock.now();
    admit(services, attributes, imported, now).await?;
    let id = KeyId::fresh(now, &*services.random)?;
    let (id, store) = (&id, &*services.keys);
    let steps = services.store.run("import key", |tx| {
        Box::pin(async move {
            if let Some(known) = keys::find_by_public_key(tx, &imported.public).await? {
                return Err(Error::AlreadyHere { id: known.id });
            }
            keep_in(tx, store, (actor, id), (attributes, imported), now).await?;
            keys::find(tx, id).await?.ok_or_else(|| Error::Unknown { id: id.clone() })
        })
    });
    steps.await
}

/// Whether a pair that was made elsewhere may be taken in: what is to sign signs and verifies.
pub(in crate::service) async fn admit(
    services: &Services,
    attributes: &KeyAttributes,
    imported: &Imported,
    now: Timestamp,
) -> Result<(), Error> {
    services.keys.permit_software()?;
    if attributes.purpose == KeyPurpose::Escrow {
        return Err(Error::PurposeNotMade { purpose: attributes.purpose, algorithm: attributes.algorithm });
    }
    if imported.algorithm != attributes.algorithm {
        return Err(Error::OtherAlgorithm { expected: attributes.algorithm, found: imported.algorithm });
    }
    services.keys.permit_pair(attributes, &imported.public, now)?;
    if attributes.purpose.uses().allow(KeyUse::Sign) {
        let signer = software_signer(imported.algorithm, &imported.private)?;
        let (key, algorithm) = (signer.public_key(), signer.algorithm());
        if subject_public_key_info(&key) != imported.public {
            return Err(Error::PairMismatch);
        }
        let value = services.pool.sign(signer, PAIRWISE.to_vec(), std::sync::Arc::clone(&services.random)).await?;
        if !key.verify(algorithm, PAIRWISE, &value) {
            return Err(crypto::Error::Fault.into());
        }
    }
    Ok(())
}

/// Keeps a pair that was admitted, and tells of it.
pub(in crate::service) async fn keep_in(
    tx: &mut Tx<'_>,
    store: &KeyStore,
    (actor, id): (&Actor, &KeyId),
    (attributes, imported): (&KeyAttributes, &Imported),
    now: Timestamp,
) -> Result<(), Error> {
    store.keep(tx, id, attributes, (&imported.private, &imported.public), now).await?;
    let (purpose, algorithm) = (attributes.purpose, attributes.algorithm);
    let public_key_sm3 = sm3(&imported.public);
    let body = EventBody::KeyImported { key: id.clone(), purpose, algorithm, public_key_sm3 };
    audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
    Ok(())
}

/// Whether the mark of a key decides on its export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportRule {
    /// Only what is marked as exportable.
    Marked,
    /// Everything: the installation's own trust is a development PKI, worth nothing elsewhere.
    Development,
}

/// The private key as an encrypted PKCS#8 block of PEM (RFC 7468, 11). The event is kept before it is given out.
///
/// # Errors
/// No such key; it is not exportable, destroyed or in a device; the passphrase is too short.
pub async fn export(
    services: &Services,
    actor: &Actor,
    id: &KeyId,
    (passphrase, protection, rule): (&Secret, Protection, ExportRule),
) -> Result<String, Error> {
    let key = life_cycle::find(services, id).await?;
    if key.attributes.purpose == KeyPurpose::Escrow {
        return Err(Error::InEscrow { id: id.clone() });
    }
    if key.attributes.exportability != Exportability::Exportable && rule != ExportRule::Development {
        return Err(Error::NotExportable { id: id.clone() });
    }
    if let KeyState::Destroyed { .. } = key.state {
        return Err(KeyRefusal::Destroyed { key: id.clone() }.into());
    }
    let private = services.keys.open(&key)?;
    let (passphrase, random) = (passphrase.clone(), std::sync::Arc::clone(&services.random));
    let (algorithm, public) = (key.attributes.algorithm, key.public_key.clone());
    let writing = tokio::task::spawn_blocking(move || {
        pkcs8_encrypted_pem((algorithm, &private, &public), &passphrase, protection, &*random)
    });
    let pem = writing.await.map_err(|_| Error::Unavailable)??;
    let body = EventBody::KeyExported { key: id.clone(), public_key_sm3: sm3(&key.public_key) };
    let event = Event { at: services.clock.now(), actor: actor.clone(), request: None, body };
    let event = &event;
    services.store.run("export key", |tx| Box::pin(audit::append(tx, event))).await?;
    Ok(pem)
}
