//! Use cases: load, decide, record, commit. State and audit event leave in one transaction.

pub mod callers;
mod certificates;
pub mod development;
pub mod door;
pub mod front;
pub mod idempotency;
pub mod keys;
pub mod seals;
pub mod selftest;
pub mod tampering;
pub mod verification;

mod error;

use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::base::clock::Clock;
use crate::base::id::RequestId;
use crate::base::random::{Random, array};
use crate::base::secret::Secret;
use crate::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use crate::service::keys::{EncryptionKey, KeySource, KeyStore};
use crate::store::installation::StoredInstallation;
use crate::store::{IntegrityKey, Store, audit, installation, signatures};

pub use error::Error;

/// What every use case needs from outside.
#[derive(Clone)]
pub struct Services {
    /// The rows.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// The private keys.
    pub keys: Arc<KeyStore>,
}

impl Services {
    /// Opens the database at `url`, brings it up to date, opens the key store, closes what a crash left open,
    /// and records the start.
    ///
    /// # Errors
    /// The database or the key-encryption key is not the right one, or cannot be had.
    pub async fn open(
        url: &str,
        source: &KeySource,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        // The integrity key's salt stands in the database; until it is read, no row that carries an integrity value is.
        let store = Store::open(url, IntegrityKey::new(Secret::new(Vec::new()))).await?;
        let known = store.read(|tx| Box::pin(installation::find(tx))).await?;
        let salt = match &known {
            Some(known) => known.salt,
            None => array(&*random)?,
        };
        // A database that has its key somewhere must not be given a new one: the operator has to bring the old one back.
        let source = match source {
            KeySource::File { path, .. } if known.is_some() => &KeySource::File { path: path.clone(), create: false },
            source => source,
        };
        let key = EncryptionKey::load(source, &salt, &*random)?;
        let key_check = key.check_value(&salt)?;
        match known {
            Some(known) if bool::from(known.key_check.ct_eq(&key_check)) => {}
            Some(_) => return Err(keys::Error::WrongEncryptionKey.into()),
            None => {
                let ours = StoredInstallation { salt, key_check, created_at: clock.now() };
                let ours = &ours;
                store.run("first start", |tx| Box::pin(installation::insert(tx, ours))).await?;
            }
        }
        let keys = Arc::new(KeyStore::new(&key, &salt, Arc::clone(&random))?);
        let services = Self { store: store.with_integrity(key.integrity(&salt)?), clock, random, keys };
        services.start().await?;
        Ok(services)
    }

    /// Records an event that changes no other row; gives its number.
    ///
    /// # Errors
    /// The store's.
    pub async fn record(&self, actor: &Actor, request: Option<&RequestId>, body: EventBody) -> Result<i64, Error> {
        let event = Event { at: self.clock.now(), actor: actor.clone(), request: request.cloned(), body };
        let event = &event;
        Ok(self.store.run("record event", |tx| Box::pin(audit::append(tx, event))).await?)
    }

    /// Abandons every open intent, frees keys of requests that never ended, and records the start, all or nothing.
    ///
    /// One service at a time: another one's signings on the same database would be abandoned, and their results refused.
    async fn start(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let event = |body| Event { at: now, actor: Actor::Operator, request: None, body };
        let event = &event;
        let steps = self.store.run("start", |tx| {
            Box::pin(async move {
                for signature in signatures::abandon_open(tx, now).await? {
                    let reason = AbandonmentReason::Interrupted;
                    audit::append(tx, &event(EventBody::SigningAbandoned { signature, reason })).await?;
                }
                crate::store::idempotency::release_open(tx).await?;
                let version = env!("CARGO_PKG_VERSION").to_owned();
                audit::append(tx, &event(EventBody::ServiceStarted { version })).await
            })
        });
        steps.await?;
        Ok(())
    }
}
