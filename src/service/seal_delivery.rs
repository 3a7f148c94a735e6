//! The life of a seal after its making: its keeper takes it, an officer lets it rest, its papers are closed; and what is
//! known of it.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId, SealId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody, SuspensionReason};
use crate::domain::officer::Hand;
use crate::domain::seal::statement;
use crate::domain::seal::{State, signing};
use crate::domain::trust::key::{decode_value, subject_public_key_info};
use crate::format::ses::SesSeal;
use crate::service::officers::{fixed_value, registered_key};
use crate::service::registration::{MOST_IN_PAGE, Signed};
use crate::service::seal_applications::may_keep;
use crate::service::seal_expiry::by_the_clock;
use crate::service::seal_officers::officer_in;
use crate::service::{Error, Services, seal_changes};
use crate::store::callers::StoredCaller;
use crate::store::seal_records::StoredSealRecord;
use crate::store::seals::StoredSeal;
use crate::store::{Tx, audit, seal_records, seals};

/// A seal that was made for an application, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSeal {
    /// What is known.
    pub record: StoredSealRecord,
    /// The seal.
    pub seal: StoredSeal,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The seals, in the order of their names.
    pub seals: Vec<KnownSeal>,
    /// Behind which one the next page begins; nothing when there is none.
    pub next: Option<SealId>,
}

/// A seal as it stands by the clock.
async fn known(tx: &mut Tx<'_>, id: &SealId, now: Timestamp) -> Result<KnownSeal, Error> {
    let record = seal_records::find(tx, id).await?.ok_or(Error::UnknownSeal)?;
    let seal = by_the_clock(seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?, now);
    Ok(KnownSeal { record, seal })
}

/// A seal that was made for an application.
///
/// # Errors
/// [`Error::UnknownSeal`], also for a seal that came into being otherwise.
pub async fn find(services: &Services, id: &SealId) -> Result<KnownSeal, Error> {
    let now = services.clock.now();
    services.store.read(|tx| Box::pin(known(tx, id, now))).await
}

/// Seals that were made for applications, from the one behind `after` on, at most `limit` and [`MOST_IN_PAGE`].
///
/// # Errors
/// The store's.
pub async fn list(services: &Services, after: Option<&SealId>, limit: i64) -> Result<Page, Error> {
    let limit = limit.clamp(1, MOST_IN_PAGE);
    let (more, now) = (limit.saturating_add(1), services.clock.now());
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let records = seal_records::list(tx, after, more).await?;
            let ids = records.iter().map(|record| record.seal.clone()).collect::<Vec<_>>();
            let mut seals = seals::of_names(tx, &ids).await?;
            let known = |record: StoredSealRecord| {
                let seal = by_the_clock(seals.remove(&record.seal).ok_or(Error::UnknownSeal)?, now);
                Ok::<_, Error>(KnownSeal { record, seal })
            };
            records.into_iter().map(known).collect::<Result<Vec<_>, Error>>()
        })
    });
    let mut seals = steps.await?;
    let full = i64::try_from(seals.len()) == Ok(more);
    if full {
        seals.pop();
    }
    let next = seals.last().filter(|_| full).map(|last| last.record.seal.clone());
    Ok(Page { seals, next })
}

/// What a keeper signs, and the keeper as of now.
async fn delivery(tx: &mut Tx<'_>, known: &KnownSeal, keeper: &CallerId) -> Result<(Vec<u8>, StoredCaller), Error> {
    let caller = may_keep(tx, keeper).await?;
    if known.record.keeper != *keeper {
        return Err(Error::DeliverySignature);
    }
    let key_sm3 = sm3(&subject_public_key_info(&registered_key(&caller)?));
    let hand = Hand { officer: caller.id.clone(), key_sm3 };
    Ok((statement::to_deliver(&known.record.seal, &sm3(&known.seal.seal_der), &hand), caller))
}

/// The octets that the keeper signs to take a seal.
///
/// # Errors
/// [`Error::UnknownSeal`]; [`Error::SealKeeper`], [`Error::DeliverySignature`]: that is not its keeper.
pub async fn to_deliver(services: &Services, id: &SealId, keeper: &CallerId) -> Result<Vec<u8>, Error> {
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let known = known(tx, id, now).await?;
            Ok::<_, Error>(delivery(tx, &known, keeper).await?.0)
        })
    });
    steps.await
}

/// The keeper takes a seal by a signature over [`to_deliver`] (交付): from now on it may be used. The signature is kept.
///
/// # Errors
/// As [`to_deliver`]; [`Error::InvalidTransition`]: it was delivered before, or has ended.
pub async fn deliver(services: &Services, id: &SealId, signed: Signed<'_>) -> Result<State, Error> {
    let now = services.clock.now();
    let steps = services.store.run("deliver seal", |tx| {
        Box::pin(async move {
            let known = known(tx, id, now).await?;
            let (octets, keeper) = delivery(tx, &known, signed.officer).await?;
            let algorithm = keeper.algorithm.signature();
            let value = decode_value(algorithm, signed.signature).unwrap_or_default();
            if !registered_key(&keeper)?.verify(algorithm, &octets, &value) {
                return Err(Error::DeliverySignature);
            }
            let (state, body) = known.seal.state.clone().deliver(id, &keeper.id, now)?;
            seal_changes::change_state(tx, &known.seal, state.clone()).await?;
            seal_records::delivered(tx, &known.record, (now, &value)).await?;
            let actor = Actor::Caller { id: keeper.id, roles: keeper.roles };
            audit::append(tx, &Event { at: now, actor, request: signed.call.cloned(), body }).await?;
            Ok(state)
        })
    });
    steps.await
}

/// The octets that this officer signs to let a seal rest now.
///
/// # Errors
/// [`Error::UnknownSeal`]; the officer is none, or acts for another division than the holder's.
pub async fn to_suspend(
    services: &Services,
    id: &SealId,
    officer: &CallerId,
    reason: SuspensionReason,
) -> Result<Vec<u8>, Error> {
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (officer, _) = officer_in(tx, officer).await?;
            let known = known(tx, id, now).await?;
            officer.acts_for(&known.record.holder.division)?;
            Ok::<_, Error>(statement::to_suspend(id, &known.seal.state, reason, &Hand::of(&officer.officer)))
        })
    });
    steps.await
}

/// One officer of the holder's division lets a seal rest, at once (冻结、挂失). To take it back into use needs an application.
///
/// # Errors
/// As [`to_suspend`]; [`Error::SuspensionSignature`]; [`Error::InvalidTransition`].
pub async fn suspend(
    services: &Services,
    id: &SealId,
    reason: SuspensionReason,
    signed: Signed<'_>,
) -> Result<State, Error> {
    let now = services.clock.now();
    let steps = services.store.run("suspend seal by an officer", |tx| {
        Box::pin(async move {
            let (officer, actor) = officer_in(tx, signed.officer).await?;
            let known = known(tx, id, now).await?;
            officer.acts_for(&known.record.holder.division)?;
            let officer = &officer.officer;
            let octets = statement::to_suspend(id, &known.seal.state, reason, &Hand::of(officer));
            if !officer.key.verify(officer.algorithm, &octets, &fixed_value(officer, signed.signature)) {
                return Err(Error::SuspensionSignature);
            }
            let (state, body) = known.seal.state.clone().suspend(id, now, reason)?;
            seal_changes::change_state(tx, &known.seal, state.clone()).await?;
            audit::append(tx, &Event { at: now, actor, request: signed.call.cloned(), body }).await?;
            Ok(state)
        })
    });
    steps.await
}

/// Closes the papers of a seal that ended, or whose validity is over (归档): the operator, or an officer of the holder's
/// division, in any role.
///
/// # Errors
/// [`Error::UnknownSeal`]; the caller is no officer, or acts for another division; [`Error::InvalidTransition`]: it may still
/// be used, or is archived.
pub async fn archive(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    id: &SealId,
) -> Result<State, Error> {
    let now = services.clock.now();
    let steps = services.store.run("archive seal", |tx| {
        Box::pin(async move {
            let seal = by_the_clock(seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?, now);
            match actor {
                Actor::Operator => {}
                Actor::Anonymous => return Err(Error::CallerNeeded),
                Actor::Caller { id: officer, .. } => {
                    let record = seal_records::find(tx, id).await?.ok_or(Error::UnknownSeal)?;
                    officer_in(tx, officer).await?.0.acts_for(&record.holder.division)?;
                }
            }
            let valid_to = valid_to(&seal)?;
            let (state, body): (State, EventBody) = seal.state.clone().archive(id, valid_to, now)?;
            seal_changes::change_state(tx, &seal, state.clone()).await?;
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: call.cloned(), body }).await?;
            Ok::<_, Error>(state)
        })
    });
    steps.await
}

fn valid_to(seal: &StoredSeal) -> Result<Timestamp, Error> {
    Ok(SesSeal::parse_any(&seal.seal_der).map_err(signing::Error::from)?.valid_end)
}

/// The picture of a seal as its maker signed it, and its type as the seal names it.
///
/// # Errors
/// The seal cannot be read.
pub fn picture(seal: &StoredSeal) -> Result<(Vec<u8>, String), Error> {
    let parsed = SesSeal::parse_any(&seal.seal_der).map_err(signing::Error::from)?;
    Ok((parsed.picture.to_vec(), parsed.picture_type.to_owned()))
}
