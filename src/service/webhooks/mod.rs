//! Notices of state changes to programs elsewhere: they follow the events of the audit log in their order, each receiver with a
//! place of its own.
//!
//! Use cases write nothing for it. An event is there with its commit, and whoever follows the log finds it: so nothing can be
//! lost between a change and its notice. Each notice goes at least once; its name is the number of its event.

pub mod desk;
mod sending;
mod subjects;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::base::clock::Timestamp;
use crate::crypto::Signer;
use crate::domain::audit::Actor;
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyPurpose, KeyState, Owner, Validity};
use crate::domain::webhook::Subscription;
use crate::service::keys::making::generate;
use crate::service::outside::notices::Destination;
use crate::service::{Error, Services};
use crate::store::keys::StoredKey;
use crate::store::{Led, keys};

pub use sending::{Sender, Step};

/// Notices that were delivered, by receiver.
const SENT: &str = "yinxin_webhook_notices_total";
/// Attempts that failed, by receiver.
const FAILED: &str = "yinxin_webhook_failures_total";
/// Events in front of a receiver.
const BEHIND: &str = "yinxin_webhook_events_behind";
/// Notices that were given up and are not delivered.
const DEAD: &str = "yinxin_webhook_dead";

/// From one look to the next, when there was nothing to do.
const EVERY: Duration = Duration::from_secs(1);
/// After a look that failed, or while another service leads.
const SOON: Duration = Duration::from_secs(5);

/// A receiver.
#[derive(Clone)]
pub struct Receiver {
    /// Its name: of its rows, figures, events and alarms.
    pub name: String,
    /// Where it is.
    pub destination: Destination,
    /// What it is told.
    pub subscription: Subscription,
    /// The first event that it is told of, when it begins; those from then on where nothing is said.
    pub since: Option<u64>,
    /// How long a notice is tried.
    pub give_up_after: Duration,
    /// The kind of key that signs its notices.
    pub algorithm: KeyAlgorithm,
}

/// The key that signs notices by that algorithm: the newest that is active and whose time it is, made where there is none.
///
/// # Errors
/// The profile or the algorithm policy lets nobody make one; the key store's; the store's.
async fn key(services: &Services, algorithm: KeyAlgorithm) -> Result<StoredKey, Error> {
    let known = services.store.read(|tx| Box::pin(keys::of_purpose(tx, KeyPurpose::Webhook))).await?;
    let now = services.clock.now();
    let is_usable = |key: &StoredKey| {
        let Validity { not_before, not_after } = key.attributes.validity;
        let is_its_time = not_before.is_none_or(|begin| begin <= now) && not_after.is_none_or(|end| now <= end);
        key.attributes.algorithm == algorithm && matches!(key.state, KeyState::Active { .. }) && is_its_time
    };
    if let Some(key) = known.into_iter().rev().find(is_usable) {
        return Ok(key);
    }
    let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::Webhook, algorithm);
    Ok(generate(services, &Actor::Operator, services.keys.own_location(), &attributes).await?)
}

async fn signer(services: &Services, algorithm: KeyAlgorithm, now: Timestamp) -> Result<Arc<dyn Signer>, Error> {
    let id = &key(services, algorithm).await?.id;
    let opening =
        services.store.read(|tx| Box::pin(async move { services.keys.signer(tx, id, KeyPurpose::Webhook, now).await }));
    Ok(opening.await?)
}

/// Sends notices until it is dropped. On PostgreSQL one of several services does it at a time. What is being sent when it ends
/// goes again.
pub async fn keep_sending(services: Services) {
    if services.webhooks.is_empty() {
        return;
    }
    metrics::describe_counter!(SENT, "Notices of state changes that were delivered, by their receiver.");
    metrics::describe_counter!(FAILED, "Attempts to deliver a notice that failed, by their receiver.");
    metrics::describe_gauge!(BEHIND, "Audit events that a receiver of notices has not been told of.");
    metrics::describe_gauge!(DEAD, "Notices that were given up and are not delivered.");
    loop {
        let mut lead = match services.store.lead(Led::Webhooks).await {
            Ok(Some(lead)) => lead,
            Ok(None) => {
                tokio::time::sleep(SOON).await;
                continue;
            }
            Err(error) => {
                tracing::error!(%error, "notices are not sent, and tried again");
                tokio::time::sleep(SOON).await;
                continue;
            }
        };
        let mut senders = JoinSet::new();
        for receiver in services.webhooks.iter() {
            senders.spawn(keep_sending_to(services.clone(), receiver.clone()));
        }
        // A connection that broke takes its lock with it: another service may lead then, and these end.
        while lead.holds().await {
            tokio::time::sleep(EVERY).await;
        }
    }
}

async fn keep_sending_to(services: Services, receiver: Receiver) {
    let mut sender = Sender::new(services, receiver);
    loop {
        match sender.step().await {
            Ok(Step::Delivered) => {}
            Ok(Step::Idle | Step::Waits) => tokio::time::sleep(EVERY).await,
            // The pause of the notice that failed is in its row; what was given up lets the next one go.
            Ok(Step::Failed | Step::GivenUp) => {}
            Err(error) => {
                let (receiver, code) = (sender.receiver(), error.code());
                tracing::error!(receiver, code, "notices are not sent, and tried again: {error}");
                tokio::time::sleep(SOON).await;
            }
        }
    }
}
