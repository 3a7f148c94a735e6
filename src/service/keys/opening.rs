//! Opening an installation's keys: at its first start, at the first start after version 0.1, and at every other.

use std::sync::Arc;
use std::sync::Once;

use subtle::ConstantTimeEq as _;

use crate::base::clock::{Clock, Timestamp};
use crate::base::id::EncryptionKeyId;
use crate::base::random::{Random, array};
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::key::{KeyAttributes, Owner, Profile, SealingAlgorithm};
use crate::service::keys::encryption_key::{KeySource, SourceKey};
use crate::service::keys::profile::require_keys;
use crate::service::keys::soft::associated;
use crate::service::keys::wrapping::{EncryptionKey, IntegritySecret, open_earlier};
use crate::service::keys::{Error, KeyStore};
use crate::store::installation::StoredInstallation;
use crate::store::key_encryption_keys::{StoredEncryptionKey, Unchecked};
use crate::store::keys::{Custody, StoredKey};
use crate::store::{Database, IntegrityKey, Store, Tx, audit, installation, key_encryption_keys, keys};

/// An installation whose keys can be used.
pub struct Opened {
    /// The database, under its integrity key.
    pub store: Store,
    /// The key store.
    pub keys: KeyStore,
    /// The wrapping key: wanted by rotation only; drop it otherwise.
    pub source: SourceKey,
    /// The integrity key, for wrapping anew.
    pub integrity: IntegritySecret,
}

/// Opens the keys of the database at `url`, and makes them when it has none. Keys come from the first generator, salts of
/// events from the second.
///
/// # Errors
/// The database or the source's key is not the right one, or cannot be had; the profile forbids the source or a key.
pub async fn open(
    database: Database,
    (source, sealing, profile): (&KeySource, SealingAlgorithm, Profile),
    clock: &dyn Clock,
    (random, salts): (Arc<dyn Random>, Arc<dyn Random>),
) -> Result<Opened, Error> {
    if !profile.permits_source(source.kind()) {
        return Err(Error::SourceForbidden { profile, given: source.kind() });
    }
    // The integrity key is wrapped in the database itself; until it is had, no row that carries an integrity value is read.
    let store = Store::open(database, IntegrityKey::none(), salts).await?;
    let read = store.read(|tx| {
        Box::pin(async move {
            let known = installation::find(tx).await?;
            Ok::<_, Error>((known, key_encryption_keys::active_unchecked(tx).await?))
        })
    });
    let (known, row) = read.await?;
    let salt = match &known {
        Some(known) => known.salt,
        None => array(&*random)?,
    };
    // A database that has its key somewhere must not be given a new one: the operator has to bring the old one back.
    let source = match source {
        KeySource::File { path, .. } if known.is_some() => &KeySource::File { path: path.clone(), create: false },
        source => source,
    };
    let given = source.clone();
    let source_random = Arc::clone(&random);
    // Stretching a passphrase takes its time.
    let loading = tokio::task::spawn_blocking(move || SourceKey::load(&given, &salt, &*source_random));
    let source = loading.await.map_err(|_| Error::Derivation)??;
    let now = clock.now();
    let (store, key, integrity) = match (known, row) {
        (Some(known), Some(row)) => again(store, (known, &row), &source).await?,
        (None, _) => first(store, (&source, sealing), (&salt, now), &*random).await?,
        // What version 0.1 kept was under a key from the source itself.
        (Some(_), None) if !profile.permits_software_keys() => {
            return Err(Error::SoftwareKeysForbidden { profile, keys: Vec::new() });
        }
        (Some(known), None) => from_0_1(store, known, (&source, sealing), now, &*random).await?,
    };
    if profile != Profile::Standard {
        require_keys(&store, profile).await?;
    }
    if !(source.is_locked() && key.is_locked() && integrity.is_locked()) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing::warn!("keys in memory cannot be locked and may be swapped out: raise RLIMIT_MEMLOCK");
        });
    }
    Ok(Opened { store, keys: KeyStore::new(key, sealing, random).with_profile(profile), source, integrity })
}

type Keys = (Store, EncryptionKey, IntegritySecret);

async fn again(
    store: Store,
    (known, row): (StoredInstallation, &Unchecked),
    source: &SourceKey,
) -> Result<Keys, Error> {
    let (key, integrity) = EncryptionKey::unwrap(row.claimed(), source, &known.salt)?;
    let check = integrity.check_value(&known.salt)?;
    if !bool::from(known.key_check.ct_eq(&check)) {
        return Err(Error::WrongEncryptionKey);
    }
    let store = store.with_integrity(integrity.rows());
    // Now the row can vouch for itself; what was sealed is counted in it.
    store.read(|tx| Box::pin(key_encryption_keys::active(tx))).await?;
    Ok((store, key, integrity))
}

/// A key-encryption key's row and event.
fn row_of(
    key: &EncryptionKey,
    integrity: &IntegritySecret,
    (source, sealing): (&SourceKey, SealingAlgorithm),
    now: Timestamp,
    random: &dyn Random,
) -> Result<(StoredEncryptionKey, Event), Error> {
    let row = StoredEncryptionKey {
        id: key.id().clone(),
        source: source.kind(),
        sealing,
        wrapped: key.wrap(integrity, (source, sealing), random)?,
        sealings: 0,
        created_at: now,
        destroyed_at: None,
        version: 1,
    };
    let body = EventBody::EncryptionKeyCreated { key: key.id().clone(), source: source.kind() };
    Ok((row, Event { at: now, actor: Actor::Operator, request: None, body }))
}

async fn first(
    store: Store,
    (source, sealing): (&SourceKey, SealingAlgorithm),
    (salt, now): (&[u8; 32], Timestamp),
    random: &dyn Random,
) -> Result<Keys, Error> {
    let key = EncryptionKey::fresh(EncryptionKeyId::fresh(now, random)?, salt, random)?;
    let integrity = IntegritySecret::fresh(source, random)?;
    let store = store.with_integrity(integrity.rows());
    let (row, event) = row_of(&key, &integrity, (source, sealing), now, random)?;
    let ours = StoredInstallation { salt: *salt, key_check: integrity.check_value(salt)?, created_at: now };
    let (row, event, ours) = (&row, &event, &ours);
    let steps = store.run("first start", |tx| {
        Box::pin(async move {
            installation::insert(tx, ours).await?;
            key_encryption_keys::insert(tx, row).await?;
            audit::append(tx, event).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await?;
    Ok((store, key, integrity))
}

/// Takes over a database of version 0.1, whose keys were sealed and whose rows were bound under keys from the source
/// itself: the integrity key stays what it was, wrapped now; private keys are sealed anew. All or nothing.
async fn from_0_1(
    store: Store,
    known: StoredInstallation,
    (source, sealing): (&SourceKey, SealingAlgorithm),
    now: Timestamp,
    random: &dyn Random,
) -> Result<Keys, Error> {
    let salt = &known.salt;
    if !bool::from(known.key_check.ct_eq(&source.earlier_check_value(salt)?)) {
        return Err(Error::WrongEncryptionKey);
    }
    let integrity = IntegritySecret::earlier(source, salt)?;
    let key = EncryptionKey::fresh(EncryptionKeyId::fresh(now, random)?, salt, random)?;
    let store = store.with_integrity(integrity.rows());
    let (row, event) = row_of(&key, &integrity, (source, sealing), now, random)?;
    let check = integrity.check_value(salt)?;
    let (row, event, check, sealer) = (&row, &event, &check, (&key, source, sealing));
    let steps = store.run("take over keys", |tx| {
        Box::pin(async move {
            key_encryption_keys::insert(tx, row).await?;
            let sealings = take_over(tx, sealer, random).await?;
            key_encryption_keys::change(tx, &StoredEncryptionKey { sealings, ..row.clone() }).await?;
            installation::change_key_check(tx, check).await?;
            audit::append(tx, event).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await?;
    Ok((store, key, integrity))
}

/// Seals every key of version 0.1 anew; gives their number.
async fn take_over(
    tx: &mut Tx<'_>,
    (key, source, sealing): (&EncryptionKey, &SourceKey, SealingAlgorithm),
    random: &dyn Random,
) -> Result<i64, Error> {
    let mut sealings = 0_i64;
    for earlier in keys::earlier(tx).await? {
        let id = earlier.id.clone();
        let bound = format!("keys|{id}|{}|{}", earlier.purpose, earlier.algorithm);
        let private = open_earlier(source, key.salt(), bound.as_bytes(), &earlier.sealed_private)?;
        let private = private.ok_or_else(|| Error::SealBroken { id: id.clone() })?;
        let attributes = KeyAttributes::new(Owner::not_recorded(), earlier.purpose, earlier.algorithm);
        let custody = Custody::Software {
            sealed_private: key.seal(sealing, &associated(&id, &attributes, key.id()), &private, random)?,
            sealing,
            wrapped_under: key.id().clone(),
        };
        let (public_key, state, created_at) = (earlier.public_key, earlier.state, earlier.created_at);
        keys::adopt(tx, &StoredKey { id, attributes, public_key, custody, state, created_at, version: 1 }).await?;
        sealings = sealings.saturating_add(1);
    }
    Ok(sealings)
}
