//! Alerts of what ends soon: certificates that authorities issued, and authorities. Each is told once for each number of
//! days: as a row, a message to leave, an event, and a figure.
//!
//! Of a certificate that is found late only the nearest number is told. OCSP responders are left out: they are replaced by
//! themselves. What is told is forgotten [`KEPT_DAYS`] after its end.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::crypto::digest::hex;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::format::x509::Certificate;
use crate::service::{Error, Services, responder};
use crate::store::expiry_alerts::{self, Ending, StoredAlert};
use crate::store::issued_certificates::StoredStatus;
use crate::store::outbox::StoredMessage;
use crate::store::{Tx, audit, authorities, certificates, issued_certificates, outbox};

/// The topic of the messages that leave.
pub const TOPIC: &str = "expiry-alert";
/// Days after its end for which what was told of a certificate is kept.
pub const KEPT_DAYS: i64 = 30;
/// The most that are listed.
pub const MOST_LISTED: i64 = 10_000;

/// Alerts told, by the number of their days.
const ALERTS: &str = "yinxin_expiry_alerts_total";
/// Alerts of one transaction: others wait no longer than that takes.
const TOGETHER: i64 = 200;
/// From one look to the next.
const DAILY: Duration = Duration::from_secs(86_400);
/// After a look that failed.
const SOON: Duration = Duration::from_secs(600);

/// Looks once a day until it is dropped.
pub async fn watch(services: Services, days: Vec<u32>) {
    metrics::describe_counter!(ALERTS, "Alerts of certificates and authorities that end soon, by days.");
    loop {
        let pause = match raise(&services, &days).await {
            Ok(0) => DAILY,
            Ok(told) => {
                tracing::warn!(told, "certificates end soon: yinxin ca alerts");
                DAILY
            }
            Err(error) => {
                tracing::warn!(code = error.code(), "what ends soon cannot be read; tried again in ten minutes");
                SOON
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Tells what ends within any of those numbers of days and was not told yet; gives how much. Forgets what ended long ago.
///
/// # Errors
/// The store's; what was told before stays told.
pub async fn raise(services: &Services, days: &[u32]) -> Result<u64, Error> {
    let now = services.clock.now();
    let mut days = days.to_vec();
    // The nearest first: what is told of it need not be told of the others.
    days.sort_unstable();
    let longest = days.last().copied().unwrap_or(0);
    let mut told = 0_u64;
    for days in days {
        loop {
            let steps = services.store.run("tell what ends", |tx| Box::pin(tell(tx, days, now)));
            let count = steps.await?;
            metrics::counter!(ALERTS, "days" => days.to_string()).increment(count);
            told = told.saturating_add(count);
            if count == 0 {
                break;
            }
        }
    }
    let (ended, written) = (now.plus_days(-KEPT_DAYS), now.plus_days(-KEPT_DAYS - i64::from(longest)));
    let steps = services.store.run("forget what ended", |tx| {
        Box::pin(async move {
            expiry_alerts::forget(tx, ended).await?;
            outbox::forget(tx, TOPIC, written).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await?;
    Ok(told)
}

/// Tells some of what ends within so many days; gives how many.
async fn tell(tx: &mut Tx<'_>, days: u32, now: Timestamp) -> Result<u64, Error> {
    let mut found = Vec::new();
    for (certificate, authority, not_after) in ending_authorities(tx, days, now).await? {
        found.push((certificate, authority, not_after, Ending::Authority));
    }
    if found.is_empty() {
        for (certificate, authority, not_after) in
            expiry_alerts::untold(tx, (now, days), responder::PROFILE, TOGETHER).await?
        {
            found.push((certificate, authority, not_after, Ending::Certificate));
        }
    }
    let mut events = Vec::with_capacity(found.len());
    for (certificate, authority, not_after, ending) in found {
        let alert = StoredAlert { certificate, days, ending, authority, not_after, raised_at: now };
        expiry_alerts::insert(tx, &alert).await?;
        let body = EventBody::ExpiryAlerted { certificate_sm3: certificate, days: days.into() };
        let event = Event { at: now, actor: Actor::Operator, request: None, body };
        let id = format!("{TOPIC}-{}-{days}", hex(&certificate));
        let message = StoredMessage { id, topic: TOPIC.to_owned(), payload: event.to_der(), created_at: now };
        outbox::push(tx, &message).await?;
        events.push(event);
    }
    if !events.is_empty() {
        audit::append_many(tx, &events).await?;
    }
    Ok(u64::try_from(events.len()).unwrap_or(u64::MAX))
}

type Found = ([u8; 32], crate::base::id::AuthorityId, Timestamp);

/// Authorities at work whose certificate ends within so many days and of which that was not told yet.
async fn ending_authorities(tx: &mut Tx<'_>, days: u32, now: Timestamp) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for authority in authorities::all(tx).await? {
        let sm3 = authority.certificate;
        if authority.retired_at.is_some() || expiry_alerts::is_told(tx, &sm3, days).await? {
            continue;
        }
        let revoked = issued_certificates::find_by_sm3(tx, &sm3).await?;
        if revoked.is_some_and(|row| matches!(row.status, StoredStatus::Revoked { .. })) {
            continue;
        }
        let Some(row) = certificates::find(tx, &sm3).await? else { continue };
        let Ok(certificate) = Certificate::parse(&row.der) else { continue };
        if (now..now.plus_days(days.into())).contains(&certificate.not_after) {
            found.push((sm3, authority.id, certificate.not_after));
        }
    }
    Ok(found)
}

/// What was told of certificates that have not ended, the soonest end first, at most [`MOST_LISTED`]; of each the last word.
///
/// # Errors
/// The store's.
pub async fn pending(services: &Services) -> Result<Vec<StoredAlert>, Error> {
    let now = services.clock.now();
    Ok(services.store.read(|tx| Box::pin(expiry_alerts::pending(tx, now, MOST_LISTED))).await?)
}
