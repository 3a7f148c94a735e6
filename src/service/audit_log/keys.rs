//! The keys of the log: one of SM2 for the tree of SM3, one of Ed25519 for that of SHA-256.
//!
//! They are made when the log begins. Earlier ones, suspended or destroyed meanwhile, still verify what they signed.

use std::sync::Arc;

use crate::crypto::Signer;
use crate::domain::audit::Actor;
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::audit::tree::TreeHash;
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyPurpose, KeyState, Owner};
use crate::service::audit_log;
use crate::service::keys::making::{generate, public_key_of};
use crate::service::{Error, Services};
use crate::store::keys;
use crate::store::keys::StoredKey;

/// A key that signs checkpoints of one tree now.
#[derive(Clone)]
pub(super) struct LogKey {
    pub(super) verifier: Verifier,
    pub(super) signer: Arc<dyn Signer>,
}

/// The algorithm that signs that tree's checkpoints.
pub(super) const fn algorithm(tree: TreeHash) -> KeyAlgorithm {
    match tree {
        TreeHash::Sm3 => KeyAlgorithm::Sm2,
        TreeHash::Sha256 => KeyAlgorithm::Ed25519,
    }
}

/// The key that signs that tree, made where there is none. None where the profile lets no such key be used here: what is
/// signed then is the tree of SM3 alone.
pub(super) async fn current(services: &Services, origin: &str, tree: TreeHash) -> Result<Option<LogKey>, Error> {
    let algorithm = algorithm(tree);
    if services.keys.permit_algorithm(algorithm).is_err() {
        return Ok(None);
    }
    let usable =
        |key: &StoredKey| key.attributes.algorithm == algorithm && matches!(key.state, KeyState::Active { .. });
    let known = of_log(services).await?;
    let key = match known.into_iter().rev().find(usable) {
        Some(key) => key,
        None => {
            let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::Log, algorithm);
            generate(services, &Actor::Operator, services.keys.own_location(), &attributes).await?
        }
    };
    let (id, now) = (&key.id, services.clock.now());
    let opening =
        services.store.read(|tx| Box::pin(async move { services.keys.signer(tx, id, KeyPurpose::Log, now).await }));
    let signer = opening.await?;
    let verifier = Verifier::of_log(&tree.origin(origin), &signer.public_key()).map_err(audit_log::Error::from)?;
    Ok(Some(LogKey { verifier, signer }))
}

/// Whatever verifies checkpoints of that tree that were signed here at any time, the newest last.
pub(super) async fn verifiers(services: &Services, origin: &str, tree: TreeHash) -> Result<Vec<Verifier>, Error> {
    let mut verifiers = Vec::new();
    for key in of_log(services).await? {
        if key.attributes.algorithm == algorithm(tree) {
            let public = public_key_of(&key)?;
            verifiers.push(Verifier::of_log(&tree.origin(origin), &public).map_err(audit_log::Error::from)?);
        }
    }
    Ok(verifiers)
}

async fn of_log(services: &Services) -> Result<Vec<StoredKey>, Error> {
    Ok(services.store.read(|tx| Box::pin(keys::of_purpose(tx, KeyPurpose::Log))).await?)
}
