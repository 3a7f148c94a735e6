//! What falls due while a service is at work: orders of recovery lapse, seals expire, renewed certificates are superseded, what ended
//! long ago is kept no longer.

use std::time::Duration;

use crate::domain::audit::Actor;
use crate::service::audit_log::erasing::Terms;
use crate::service::audit_log::pruning::prune_due;
use crate::service::escrow::destroy_ended;
use crate::service::inventory::Retention;
use crate::service::recovery::lapse_overdue;
use crate::service::renewal::supersede_due;
use crate::service::seal_expiry::expire_due;
use crate::service::{Error, Services, idempotency, offices, registration};

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(60);
/// Looks from one at what is kept no longer to the next: its terms are days and years.
const ROUNDS: u32 = 60;

/// How long what ended is kept; for ever where nothing is told.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// Requests for certificates: so many days. One that was issued stays as long as its certificate is on record.
    pub request_days: Option<u32>,
    /// Encryption keys that are kept for their owners: so long after the end of their certificates.
    pub keys: Option<Retention>,
    /// Messages to offices elsewhere that ended: so many days.
    pub office_message_days: Option<u32>,
    /// Answers under an `Idempotency-Key`: so many hours after the request came.
    pub answer_hours: Option<u32>,
    /// Events of the audit log: so many days, and by these terms.
    pub events: Option<(u32, Terms)>,
}

/// Does what is due, now and every minute, for as long as it is polled; what is kept no longer goes now and every hour.
/// Several services on one database do not disturb each other: whoever comes second finds the row changed.
pub async fn keep_current(services: Services, keeping: Keeping) {
    let mut rounds = 0_u32;
    loop {
        told("orders of recovery lapsed", lapse_overdue(&services).await);
        told("renewed certificates were revoked as superseded", supersede_due(&services).await);
        told("seals came to the end of their validity", expire_due(&services).await);
        if rounds == 0 {
            keep_no_longer(&services, &keeping).await;
        }
        rounds = rounds.saturating_add(1) % ROUNDS;
        tokio::time::sleep(EVERY).await;
    }
}

/// One that fails does not keep the other.
async fn keep_no_longer(services: &Services, keeping: &Keeping) {
    if let Some(days) = keeping.request_days {
        told("requests for certificates that ended are forgotten", registration::forget(services, days).await);
    }
    if let Some(retention) = keeping.keys {
        let gone = destroy_ended(services, &Actor::Operator, retention).await;
        told("keys kept for their owners are destroyed", gone);
    }
    if let Some(days) = keeping.office_message_days {
        told("messages to offices that ended long ago are deleted", offices::forget(services, days).await);
    }
    if let Some(hours) = keeping.answer_hours {
        told("answers that were kept for repeated requests are forgotten", idempotency::forget(services, hours).await);
    }
    if let Some((days, terms)) = &keeping.events {
        told("events of the audit log are erased, their leaves stay", prune_due(services, terms, *days).await);
    }
}

fn told(what: &'static str, outcome: Result<u64, Error>) {
    match outcome {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "{what}"),
        Err(error) => tracing::warn!(code = error.code(), "not done, and tried again later: {what}"),
    }
}
