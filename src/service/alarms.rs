//! Alarms: raised with their event in one transaction, listed, and ended by somebody who has looked.

use crate::base::clock::Timestamp;
use crate::domain::audit::{Actor, Alarm, Event, EventBody, Suspends, SuspensionReason};
use crate::domain::caller::CallerState;
use crate::service::{Error, Services};
use crate::store::alarms::{self, StoredAlarm};
use crate::store::{self, Tx, audit, callers, seals};

/// Alarms raised, by their kind.
const ALARMS: &str = "yinxin_alarms_total";
/// Alarms that nobody has looked at.
const OPEN: &str = "yinxin_alarms_open";
/// The most that are listed at a time.
pub const MOST_LISTED: i64 = 10_000;

/// Says what the figures are.
pub(in crate::service) fn describe_figures() {
    metrics::describe_counter!(ALARMS, "Alarms raised, by their kind.");
    metrics::describe_gauge!(OPEN, "Alarms that nobody has acknowledged.");
}

/// Alarms that nobody has acknowledged, the oldest first, at most [`MOST_LISTED`].
///
/// # Errors
/// The store's.
pub async fn open(services: &Services) -> Result<Vec<StoredAlarm>, Error> {
    Ok(services.store.read(|tx| Box::pin(alarms::open(tx, MOST_LISTED))).await?)
}

/// All alarms that are kept behind that number, the oldest first, at most [`MOST_LISTED`].
///
/// # Errors
/// The store's.
pub async fn list(services: &Services, after: Option<u64>) -> Result<Vec<StoredAlarm>, Error> {
    Ok(services.store.read(|tx| Box::pin(alarms::list(tx, after, MOST_LISTED))).await?)
}

/// Ends an alarm: somebody has looked at it. What it suspended stays so.
///
/// # Errors
/// [`Error::UnknownAlarm`]; [`Error::AlarmAcknowledged`] when somebody had looked before.
pub async fn acknowledge(services: &Services, actor: &Actor, number: u64) -> Result<StoredAlarm, Error> {
    let now = services.clock.now();
    let steps = services.store.run("acknowledge alarm", |tx| {
        Box::pin(async move {
            let found = alarms::find(tx, number).await?.ok_or(Error::UnknownAlarm)?;
            if found.acknowledged_at.is_some() {
                return Err(Error::AlarmAcknowledged);
            }
            alarms::acknowledge(tx, number, now).await?;
            let body = EventBody::AlarmAcknowledged { alarm: found.alarm.kind, event: number };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            Ok::<_, Error>(StoredAlarm { acknowledged_at: Some(now), ..found })
        })
    });
    steps.await
}

/// Raises an alarm, and suspends where that is wanted: event, row and suspension in the caller's transaction.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn raise(
    tx: &mut Tx<'_>,
    alarm: &Alarm,
    suspends: bool,
    now: Timestamp,
) -> Result<StoredAlarm, Error> {
    let event = |body| Event { at: now, actor: Actor::Operator, request: None, body };
    let number = audit::append(tx, &event(alarm.body())).await?;
    let suspended = match if suspends { suspend(tx, alarm, now).await? } else { None } {
        None => None,
        Some((what, body)) => {
            audit::append(tx, &event(body)).await?;
            Some(what)
        }
    };
    let number = u64::try_from(number).unwrap_or(0);
    let stored = StoredAlarm { number, alarm: alarm.clone(), suspended, raised_at: now, acknowledged_at: None };
    alarms::insert(tx, &stored).await?;
    Ok(stored)
}

/// Ends the use that an alarm is about; gives what, and the event. What rests already stays as it is, and a row that is not
/// as we wrote it gives no authority anyway: neither keeps an alarm from being raised.
async fn suspend(tx: &mut Tx<'_>, alarm: &Alarm, now: Timestamp) -> Result<Option<(Suspends, EventBody)>, Error> {
    match alarm.kind.suspends() {
        Some(Suspends::Seal) => {
            let Some(id) = &alarm.seal else { return Ok(None) };
            let Some(seal) = usable(seals::find(tx, id).await)? else { return Ok(None) };
            let Ok((next, body)) = seal.state.clone().suspend(id, now, SuspensionReason::SuspectedMisuse) else {
                return Ok(None);
            };
            seals::change_state(tx, &seal, next).await?;
            Ok(Some((Suspends::Seal, body)))
        }
        Some(Suspends::Caller) => {
            let Some(id) = &alarm.caller else { return Ok(None) };
            let Some(caller) = usable(callers::find(tx, id).await)? else { return Ok(None) };
            if caller.state == CallerState::Barred {
                return Ok(None);
            }
            callers::change_state(tx, &caller, CallerState::Barred).await?;
            Ok(Some((Suspends::Caller, EventBody::CallerBarred { caller: id.clone() })))
        }
        None => Ok(None),
    }
}

fn usable<T>(found: Result<Option<T>, store::Error>) -> Result<Option<T>, store::Error> {
    match found {
        Err(store::Error::Inconsistent { table, row }) => {
            tracing::error!(table, row, "an alarm suspends nothing: the row is not as it was written");
            Ok(None)
        }
        other => other,
    }
}

/// Tells of alarms that were raised, after their commit.
pub(in crate::service) fn tell(raised: &[StoredAlarm]) {
    for StoredAlarm { number, alarm, suspended, .. } in raised {
        metrics::counter!(ALARMS, "alarm" => alarm.kind.name()).increment(1);
        let (seal, caller) =
            (alarm.seal.as_ref().map(ToString::to_string), alarm.caller.as_ref().map(ToString::to_string));
        let (kind, runbook, suspended) = (alarm.kind.name(), alarm.kind.runbook(), suspended.is_some());
        tracing::warn!(alarm = kind, number, seal, caller, sink = alarm.sink, suspended, runbook, "alarm");
    }
}

/// Brings the figure of open alarms up to date, and forgets those that were acknowledged before that moment.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn tidy(services: &Services, acknowledged_before: Timestamp) -> Result<(), Error> {
    let steps = services.store.run("forget alarms", |tx| {
        Box::pin(async move {
            alarms::forget(tx, acknowledged_before).await?;
            alarms::count_open(tx).await
        })
    });
    let open = steps.await?;
    metrics::gauge!(OPEN).set(f64::from(u32::try_from(open).unwrap_or(u32::MAX)));
    Ok(())
}
