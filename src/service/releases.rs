//! Releasing what an alarm holds, by two officers: the seal is resumed, the caller let in again, and an event names both.

use crate::base::id::CallerId;
use crate::domain::audit::{Actor, Event, EventBody, Suspends};
use crate::domain::ca::release::{Held, Release};
use crate::domain::caller::CallerState;
use crate::service::officers::{fixed_value, officer_in};
use crate::service::{Error, Services, seal_changes};
use crate::store::alarms::{self, StoredAlarm};
use crate::store::{Tx, audit, callers, seals};

/// The octets that this officer signs to release what that alarm holds.
///
/// # Errors
/// [`Error::UnknownAlarm`], [`Error::AlarmHoldsNothing`]; the officer is none; the store's.
pub async fn to_sign(services: &Services, number: u64, officer: &CallerId) -> Result<Vec<u8>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (_, release) = held(tx, number).await?;
            let (officer, _) = officer_in(tx, officer).await?;
            Ok(release.to_sign(&officer))
        })
    });
    steps.await
}

/// Releases it, when two different officers signed just this: a seal that rests may be used again, a caller that is barred
/// is let in again. The alarm stays until somebody has looked at it.
///
/// # Errors
/// [`Error::NotApproved`]; as [`to_sign`]; [`Error::InvalidTransition`]: the seal was revoked meanwhile, or does not rest.
pub async fn release(
    services: &Services,
    number: u64,
    approvals: &[(CallerId, Vec<u8>)],
) -> Result<StoredAlarm, Error> {
    let now = services.clock.now();
    let steps = services.store.run("release alarm", |tx| {
        Box::pin(async move {
            let (stored, release) = held(tx, number).await?;
            let mut officers = Vec::new();
            for (id, value) in approvals {
                let (officer, _) = officer_in(tx, id).await?;
                let value = fixed_value(&officer, value);
                officers.push((officer, value));
            }
            release.is_approved(&officers)?;
            let mut hands = officers.into_iter().map(|(officer, signature)| (officer.id, signature));
            let (Some((first, first_signature)), Some((second, second_signature))) = (hands.next(), hands.next())
            else {
                return Err(Error::Interrupted);
            };
            let event = |body| Event { at: now, actor: Actor::Operator, request: None, body };
            let (seal, caller) = match release.held {
                Held::Seal(id) => {
                    let row = seals::find(tx, &id).await?.ok_or(Error::UnknownSeal)?;
                    let (next, body) = row.state.clone().resume(&id, now)?;
                    seal_changes::change_state(tx, &row, next).await?;
                    audit::append(tx, &event(body)).await?;
                    (Some(id), None)
                }
                Held::Caller(id) => {
                    let row = callers::find(tx, &id).await?.ok_or(Error::UnknownCaller)?;
                    if row.state == CallerState::Barred {
                        callers::change_state(tx, &row, CallerState::Active).await?;
                    }
                    (None, Some(id))
                }
            };
            alarms::release(tx, number, now).await?;
            let body = EventBody::AlarmReleased {
                alarm: release.kind,
                event: number,
                seal,
                caller,
                first,
                first_signature,
                second,
                second_signature,
            };
            audit::append(tx, &event(body)).await?;
            let version = stored.version.saturating_add(1);
            Ok::<_, Error>(StoredAlarm { released_at: Some(now), version, ..stored })
        })
    });
    steps.await
}

/// The alarm, and what it holds still.
async fn held(tx: &mut Tx<'_>, number: u64) -> Result<(StoredAlarm, Release), Error> {
    let stored = alarms::find(tx, number).await?.ok_or(Error::UnknownAlarm)?;
    let held = match stored.suspended.filter(|_| stored.released_at.is_none()) {
        Some(Suspends::Seal) => stored.alarm.seal.clone().map(Held::Seal),
        Some(Suspends::Caller) => stored.alarm.caller.clone().map(Held::Caller),
        None => None,
    };
    let held = held.ok_or(Error::AlarmHoldsNothing)?;
    let release = Release { alarm: number, kind: stored.alarm.kind, raised_at: stored.raised_at, held };
    Ok((stored, release))
}
