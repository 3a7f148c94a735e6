//! Pruning: events that are kept no longer are erased from the left, whole ranges at a time; their leaves stay.
//!
//! A run is one transaction, with one event that names its range: *a crash before its commit* erases nothing of it, and the
//! next run begins where the last one ended. What goes is compared with its leaves first, so that no run covers up what
//! somebody deleted or changed by hand.

use crate::base::clock::Timestamp;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::erasure::ErasureRefused;
use crate::service::audit_log::Error;
use crate::service::audit_log::erasing::{Terms, TermsNow, signed};
use crate::service::audit_log::opening::{bundles_over, compare};
use crate::service::audit_log::tiles::Bundles;
use crate::service::{Error as ServiceError, Services};
use crate::store::{self, Tx, audit, erasures, log};

/// Events of one run: others wait no longer than erasing them takes.
const TOGETHER: i64 = 10_000;

/// What a run erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// The first number.
    pub from: u64,
    /// The number after the last one.
    pub to: u64,
    /// How many were there still.
    pub count: u64,
    /// The event that names the run.
    pub event: i64,
}

/// Erases what happened before that moment, from the left, up to a bound; nothing where there is nothing to erase. It ends
/// before the first event that is later, that is in no signed tree, or that a follower or the mirror lacks.
///
/// # Errors
/// [`Error::Erasing`]: the term of what happened before that moment is not over; [`Error::OtherEvent`],
/// [`Error::MissingEvent`]: rows were changed by hand, and nothing is erased; the store's.
pub async fn prune(services: &Services, terms: &Terms, before: Timestamp) -> Result<Option<Pruned>, ServiceError> {
    let (now, at) = (terms.now(services).await?, services.clock.now());
    if before > now.before {
        return Err(Error::from(ErasureRefused::TooYoung { before: now.before }).into());
    }
    // The bundles may lie elsewhere, so they are read before the transaction; which events go, it finds again.
    let foreseen = services.store.read(|tx| {
        Box::pin(async move {
            let size = log::head(tx).await?.ok_or(Error::Off)?.size;
            Ok::<_, ServiceError>((size, ended(tx, now, before).await?))
        })
    });
    let (size, Some((from, to, _))) = foreseen.await? else { return Ok(None) };
    let bundles = &Bundles::read(services, size, bundles_over(from, to)).await?;
    let steps = services.store.run("prune events", |tx| {
        Box::pin(async move {
            let found = ended(tx, now, before).await?;
            // More may have come to its end meanwhile; its turn is the next run's.
            let Some((from, to, count)) = found.filter(|found| (found.0, found.1) == (from, to)) else {
                return Err(store::Error::Stale { table: "audit_events", row: from.to_string() }.into());
            };
            compare(tx, bundles, from, to).await?;
            let body = EventBody::EventsPruned { from, to, count, before };
            let event = audit::append(tx, &Event { at, actor: Actor::Operator, request: None, body }).await?;
            // Another service on this database was quicker: nothing of this run is kept.
            if audit::erase(tx, (signed(from), signed(to.saturating_sub(1))), at, event).await? != count {
                return Err(store::Error::Stale { table: "audit_events", row: from.to_string() }.into());
            }
            Ok::<_, ServiceError>(Some(Pruned { from, to, count, event }))
        })
    });
    steps.await
}

/// The range that is to go: from the first number that is not erased, and how many events of it are there.
async fn ended(tx: &mut Tx<'_>, terms: TermsNow, before: Timestamp) -> Result<Option<(u64, u64, u64)>, ServiceError> {
    let bound = signed(terms.bounds(tx).await?.below());
    // Ranges that touch are one: at most the first begins at the beginning.
    let erased = erasures::within(tx, 0, 0).await?;
    let from = erased.first().map_or(0, |range| range.last.saturating_add(1));
    let rows = audit::kept(tx, from, bound, TOGETHER).await?;
    let old = rows.iter().take_while(|(_, at)| *at < before);
    let (count, last) = old.fold((0_u64, None), |(count, _), (number, _)| (count.saturating_add(1), Some(*number)));
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(last.map(|last| (unsigned(from), unsigned(last).saturating_add(1), count)))
}

/// As [`prune`], again and again until nothing is left to erase; then lets go of what the database holds of deleted rows.
/// Gives each run.
///
/// # Errors
/// As [`prune`]; what went before stays erased.
pub async fn prune_all(services: &Services, terms: &Terms, before: Timestamp) -> Result<Vec<Pruned>, ServiceError> {
    let mut runs = Vec::new();
    while let Some(run) = prune(services, terms, before).await? {
        runs.push(run);
    }
    if !runs.is_empty() {
        services.store.forget_deleted().await?;
    }
    Ok(runs)
}

/// Erases what is kept no longer than so many days; gives how many events.
///
/// # Errors
/// As [`prune_all`].
pub async fn prune_due(services: &Services, terms: &Terms, keep_days: u32) -> Result<u64, ServiceError> {
    let before = services.clock.now().plus_days(-i64::from(keep_days));
    let runs = prune_all(services, terms, before).await?;
    Ok(runs.iter().map(|run| run.count).sum())
}
