//! Alarms: raised with their event in one transaction, listed, and ended by somebody who has looked.

use crate::base::clock::Timestamp;
use crate::domain::audit::{
    Actor, Alarm, AlarmKind, Event, EventBody, EventClass, LoggedEvent, Suspends, SuspensionReason,
};
use crate::domain::caller::CallerState;
use crate::service::audit_log::alarming;
use crate::service::seal_expiry::by_the_clock;
use crate::service::{Error, Services, seal_changes};
use crate::store::alarms::{self, StoredAlarm};
use crate::store::{self, Tx, audit, callers, seals};

/// Alarms raised, by their kind.
const ALARMS: &str = "yinxin_alarms_total";
/// Alarms that nobody has looked at.
const OPEN: &str = "yinxin_alarms_open";
/// Characters of a row's name in an alarm.
const MOST_NAMED: usize = 128;
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

/// Ends an alarm: somebody has looked at it. What it suspended stays so until two officers release it.
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
            let version = found.version.saturating_add(1);
            Ok::<_, Error>(StoredAlarm { acknowledged_at: Some(now), version, ..found })
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
    let (alarm, raised_at) = (alarm.clone(), now);
    let stored =
        StoredAlarm { number, alarm, suspended, raised_at, acknowledged_at: None, released_at: None, version: 1 };
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
            let seal = by_the_clock(seal, now);
            let Ok((next, body)) = seal.state.clone().suspend(id, now, SuspensionReason::SuspectedMisuse) else {
                return Ok(None);
            };
            seal_changes::change_state(tx, &seal, next).await?;
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

/// Writes rows of an older program anew, which carry no integrity value, from the events of the log: what was raised, what it
/// suspended, who looked, who released. A row whose events are gone stays as it is, and is refused.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn take_over(services: &Services) -> Result<(), Error> {
    if services.store.read(|tx| Box::pin(alarms::unsealed(tx))).await?.is_empty() {
        return Ok(());
    }
    let steps = services.store.run("take over alarms", |tx| {
        Box::pin(async move {
            let acknowledged = audit::of_class(tx, EventClass::AlarmAcknowledged).await?;
            let released = audit::of_class(tx, EventClass::AlarmReleased).await?;
            for event in alarms::unsealed(tx).await? {
                let told = audit::logged(tx, event, 2).await?;
                let told = told.into_iter().filter_map(|(number, event)| match event {
                    LoggedEvent::Known(event) => Some((number, event)),
                    LoggedEvent::Unknown(_) => None,
                });
                let told = told.collect::<Vec<_>>();
                let number = u64::try_from(event).unwrap_or(0);
                let Some(mut stored) = told_by(event, &told) else { continue };
                let looked = acknowledged
                    .iter()
                    .find(|(_, end)| matches!(end.body, EventBody::AlarmAcknowledged { event, .. } if event == number));
                let let_go = released
                    .iter()
                    .find(|(_, end)| matches!(end.body, EventBody::AlarmReleased { event, .. } if event == number));
                stored.acknowledged_at = looked.map(|(_, end)| end.at);
                stored.released_at = let_go.map(|(_, end)| end.at);
                alarms::take_over(tx, &stored).await?;
            }
            Ok(())
        })
    });
    steps.await
}

/// The alarm that an event raised, and what the next event says that it suspended.
fn told_by(number: i64, told: &[(i64, Event)]) -> Option<StoredAlarm> {
    let (_, raised) = told.first().filter(|(found, _)| *found == number)?;
    let EventBody::AlarmRaised { alarm: kind, seal, caller, sink, event, count } = raised.body.clone() else {
        return None;
    };
    let alarm = Alarm { kind, seal, caller, sink, event, count };
    let next = told.get(1).filter(|(found, _)| *found == number.saturating_add(1)).map(|(_, event)| &event.body);
    let suspended = match next {
        Some(EventBody::SealSuspended { seal, .. }) if alarm.seal.as_ref() == Some(seal) => kind.suspends(),
        Some(EventBody::CallerBarred { caller }) if alarm.caller.as_ref() == Some(caller) => kind.suspends(),
        _ => None,
    };
    let (number, raised_at) = (u64::try_from(number).ok()?, raised.at);
    Some(StoredAlarm { number, alarm, suspended, raised_at, acknowledged_at: None, released_at: None, version: 1 })
}

/// Raises an alarm for each row of alarms that is not as it was written, once a day.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn watch_rows(services: &Services) -> Result<(), Error> {
    for row in services.store.read(|tx| Box::pin(alarms::changed(tx))).await? {
        let named = format!("alarms/{row}");
        alarming::raise(services, AlarmKind::RowChanged, (Some(&named), row.parse().ok()), 1).await;
    }
    Ok(())
}

/// Raises an alarm for each row that was refused in this process since the last look, once a day for each row.
pub(in crate::service) async fn tell_refused_rows(services: &Services) {
    for (table, row) in services.store.refused_rows() {
        let named = format!("{table}/{row}").chars().take(MOST_NAMED).collect::<String>();
        alarming::raise(services, AlarmKind::RowChanged, (Some(&named), None), 1).await;
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
