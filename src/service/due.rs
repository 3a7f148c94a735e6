//! What falls due while a service is at work: orders of recovery lapse, renewed certificates are superseded.

use std::time::Duration;

use crate::service::recovery::lapse_overdue;
use crate::service::renewal::supersede_due;
use crate::service::{Error, Services};

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(60);

/// Does what is due, now and every minute, for as long as it is polled. Several services on one database do not disturb
/// each other: whoever comes second finds the row changed.
pub async fn keep_current(services: Services) {
    loop {
        told("orders of recovery lapsed", lapse_overdue(&services).await);
        told("renewed certificates were revoked as superseded", supersede_due(&services).await);
        tokio::time::sleep(EVERY).await;
    }
}

fn told(what: &'static str, outcome: Result<u64, Error>) {
    match outcome {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "{what}"),
        Err(error) => tracing::warn!(code = error.code(), "what is due is tried again in a minute"),
    }
}
