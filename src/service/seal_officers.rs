//! Officers of seals: appointed and dismissed, each for a division and all that lie in it.
//!
//! An officer is a registered caller that is let in, holds the role `seal-administrator`, which no administrator of the
//! system, its security or its log can hold, and has a row that says what the officer may do with applications, and where.
//! All three are asked at each step, and again when an application is fulfilled.

use crate::base::division::Division;
use crate::base::id::{CallerId, RequestId};
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::caller::{CallerState, Role};
use crate::domain::officer::OfficerRole;
use crate::domain::seal::application::SealOfficer;
use crate::service::officers::officer_of;
use crate::service::{Error, Services};
use crate::store::callers::StoredCaller;
use crate::store::seal_officers::StoredSealOfficer;
use crate::store::{Tx, audit, callers, seal_officers};

/// Makes a caller an officer of seals, also one who was before.
///
/// # Errors
/// [`Error::UnknownCaller`], [`Error::CallerBarred`], [`Error::NotSealAdministrator`] for a caller without the role;
/// [`Error::SealOfficerExists`] for one who is an officer: whoever shall have another role or division is dismissed first.
pub async fn appoint(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    caller: &CallerId,
    (role, division): (OfficerRole, &Division),
) -> Result<StoredSealOfficer, Error> {
    let now = services.clock.now();
    let body = EventBody::SealOfficerAppointed {
        officer: caller.clone(),
        role: role.name().to_owned(),
        division: division.code(),
    };
    let event = &Event { at: now, actor: actor.clone(), request: call.cloned(), body };
    let steps = services.store.run("appoint officer of seals", |tx| {
        Box::pin(async move {
            let found = callers::find(tx, caller).await?.ok_or(Error::UnknownCaller)?;
            may_be_officer(&found)?;
            let division = division.clone();
            let new =
                StoredSealOfficer { caller: caller.clone(), role, division, since: now, ended_at: None, version: 1 };
            let officer = match seal_officers::find(tx, caller).await? {
                None => {
                    seal_officers::insert(tx, &new).await?;
                    new
                }
                Some(before) if before.ended_at.is_some() => {
                    seal_officers::update(tx, &StoredSealOfficer { version: before.version, ..new }).await?
                }
                Some(_) => return Err(Error::SealOfficerExists),
            };
            audit::append(tx, event).await?;
            Ok(officer)
        })
    });
    steps.await
}

/// Ends an officer's duty at once. What the officer approved is not fulfilled any more.
///
/// # Errors
/// [`Error::NotSealOfficer`].
pub async fn dismiss(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    caller: &CallerId,
) -> Result<StoredSealOfficer, Error> {
    let now = services.clock.now();
    let body = EventBody::SealOfficerDismissed { officer: caller.clone() };
    let event = &Event { at: now, actor: actor.clone(), request: call.cloned(), body };
    let steps = services.store.run("dismiss officer of seals", |tx| {
        Box::pin(async move {
            let officer = seal_officers::find(tx, caller).await?.filter(|officer| officer.ended_at.is_none());
            let officer = officer.ok_or(Error::NotSealOfficer)?;
            let ended = seal_officers::update(tx, &StoredSealOfficer { ended_at: Some(now), ..officer }).await?;
            audit::append(tx, event).await?;
            Ok(ended)
        })
    });
    steps.await
}

/// Every officer of seals, also those who were, with the caller's row.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services) -> Result<Vec<(StoredSealOfficer, StoredCaller)>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for officer in seal_officers::all(tx).await? {
                let caller = callers::find(tx, &officer.caller).await?.ok_or(Error::UnknownCaller)?;
                found.push((officer, caller));
            }
            Ok(found)
        })
    });
    steps.await
}

/// The officer of that name as of now, and as the audit log names the officer.
pub(in crate::service) async fn officer_in(tx: &mut Tx<'_>, id: &CallerId) -> Result<(SealOfficer, Actor), Error> {
    let caller = callers::find(tx, id).await?.ok_or(Error::UnknownCaller)?;
    may_be_officer(&caller)?;
    let row = seal_officers::find(tx, id).await?.filter(|row| row.ended_at.is_none()).ok_or(Error::NotSealOfficer)?;
    let officer = officer_of(&caller, row.role)?;
    Ok((SealOfficer { officer, division: row.division }, Actor::Caller { id: caller.id, roles: caller.roles }))
}

/// The officer as of now, or nothing where there is none any more.
pub(in crate::service) async fn officer_still(tx: &mut Tx<'_>, id: &CallerId) -> Result<Option<SealOfficer>, Error> {
    match officer_in(tx, id).await {
        Ok((officer, _)) => Ok(Some(officer)),
        Err(Error::UnknownCaller | Error::CallerBarred | Error::NotSealAdministrator | Error::NotSealOfficer) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn may_be_officer(caller: &StoredCaller) -> Result<(), Error> {
    if caller.state == CallerState::Barred {
        return Err(Error::CallerBarred);
    }
    if !caller.roles.contains(Role::SealAdministrator) {
        return Err(Error::NotSealAdministrator);
    }
    Ok(())
}
