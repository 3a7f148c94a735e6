//! Officers of certificates: appointed, dismissed, found, and their signatures made from key files.
//!
//! An officer is a registered caller that is let in, holds the role `certificate-officer`, and has a row that says what the
//! officer may do with requests. All three are asked at each step, and again when a certificate is issued.

use crate::base::id::{CallerId, RequestId};
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::PublicKey;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::request::{Officer, OfficerRole};
use crate::domain::caller::{CallerState, Role};
use crate::domain::trust::key::{decode_value, encode_value, public_key};
use crate::format::keys::SubjectPublicKeyInfo;
use crate::service::keys::{import, software_signer};
use crate::service::{Error, Services, keys};
use crate::store::callers::StoredCaller;
use crate::store::officers::StoredOfficer;
use crate::store::{self, Tx, audit, callers, officers};

/// Makes a caller an officer, also one who was before.
///
/// # Errors
/// [`Error::UnknownCaller`], [`Error::CallerBarred`], [`Error::NotCertificateOfficer`] for a caller without the role;
/// [`Error::OfficerExists`] for one who is an officer: whoever shall have another role is dismissed first.
pub async fn appoint(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    caller: &CallerId,
    role: OfficerRole,
) -> Result<StoredOfficer, Error> {
    let now = services.clock.now();
    let body = EventBody::OfficerAppointed { officer: caller.clone(), role: role.name().to_owned() };
    let event = &Event { at: now, actor: actor.clone(), request: call.cloned(), body };
    let steps = services.store.run("appoint officer", |tx| {
        Box::pin(async move {
            let found = callers::find(tx, caller).await?.ok_or(Error::UnknownCaller)?;
            may_be_officer(&found)?;
            let new = StoredOfficer { caller: caller.clone(), role, since: now, ended_at: None, version: 1 };
            let officer = match officers::find(tx, caller).await? {
                None => {
                    officers::insert(tx, &new).await?;
                    new
                }
                Some(before) if before.ended_at.is_some() => {
                    officers::update(tx, &StoredOfficer { version: before.version, ..new }).await?
                }
                Some(_) => return Err(Error::OfficerExists),
            };
            audit::append(tx, event).await?;
            Ok(officer)
        })
    });
    steps.await
}

/// Ends an officer's duty at once. What the officer approved is not issued any more.
///
/// # Errors
/// [`Error::NotOfficer`].
pub async fn dismiss(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    caller: &CallerId,
) -> Result<StoredOfficer, Error> {
    let now = services.clock.now();
    let body = EventBody::OfficerDismissed { officer: caller.clone() };
    let event = &Event { at: now, actor: actor.clone(), request: call.cloned(), body };
    let steps = services.store.run("dismiss officer", |tx| {
        Box::pin(async move {
            let officer = officers::find(tx, caller).await?.filter(|officer| officer.ended_at.is_none());
            let officer = officer.ok_or(Error::NotOfficer)?;
            let ended = officers::update(tx, &StoredOfficer { ended_at: Some(now), ..officer }).await?;
            audit::append(tx, event).await?;
            Ok(ended)
        })
    });
    steps.await
}

/// Every officer, also those who were, with the caller's row.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services) -> Result<Vec<(StoredOfficer, StoredCaller)>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for officer in officers::all(tx).await? {
                let caller = callers::find(tx, &officer.caller).await?.ok_or(Error::UnknownCaller)?;
                found.push((officer, caller));
            }
            Ok(found)
        })
    });
    steps.await
}

/// The officer of that name, as of now.
///
/// # Errors
/// [`Error::UnknownCaller`], [`Error::CallerBarred`], [`Error::NotCertificateOfficer`], [`Error::NotOfficer`].
pub async fn officer(services: &Services, id: &CallerId) -> Result<Officer, Error> {
    let steps = services.store.read(|tx| Box::pin(officer_in(tx, id)));
    steps.await.map(|(officer, _)| officer)
}

/// As [`officer`], in a transaction, and as the audit log names the officer.
pub(in crate::service) async fn officer_in(tx: &mut Tx<'_>, id: &CallerId) -> Result<(Officer, Actor), Error> {
    let caller = callers::find(tx, id).await?.ok_or(Error::UnknownCaller)?;
    may_be_officer(&caller)?;
    let row = officers::find(tx, id).await?.filter(|row| row.ended_at.is_none()).ok_or(Error::NotOfficer)?;
    let officer = officer_of(&caller, row.role)?;
    Ok((officer, Actor::Caller { id: caller.id, roles: caller.roles }))
}

/// A caller as one who signs with the registered key.
pub(in crate::service) fn officer_of(caller: &StoredCaller, role: OfficerRole) -> Result<Officer, Error> {
    let key = registered_key(caller)?;
    Ok(Officer { id: caller.id.clone(), role, key, algorithm: caller.algorithm.signature() })
}

/// The registered key of a caller.
pub(in crate::service) fn registered_key(caller: &StoredCaller) -> Result<PublicKey, Error> {
    let info = SubjectPublicKeyInfo::parse(&caller.public_key).ok();
    // Registered keys are of kinds that sign; a row with another is not as we wrote it.
    let wrong = || store::Error::Inconsistent { table: "callers", row: caller.id.to_string() };
    Ok(info.as_ref().and_then(public_key).ok_or_else(wrong)?)
}

/// The officer as of now, or nothing where there is none any more.
pub(in crate::service) async fn officer_still(tx: &mut Tx<'_>, id: &CallerId) -> Result<Option<Officer>, Error> {
    match officer_in(tx, id).await {
        Ok((officer, _)) => Ok(Some(officer)),
        Err(Error::UnknownCaller | Error::CallerBarred | Error::NotCertificateOfficer | Error::NotOfficer) => Ok(None),
        Err(error) => Err(error),
    }
}

fn may_be_officer(caller: &StoredCaller) -> Result<(), Error> {
    if caller.state == CallerState::Barred {
        return Err(Error::CallerBarred);
    }
    if !caller.roles.contains(Role::CertificateOfficer) {
        return Err(Error::NotCertificateOfficer);
    }
    Ok(())
}

/// An officer's signature over octets, by a key file, as the file formats of signatures have it: DER for SM2 and P-256.
///
/// For small installations: the key of an officer is better kept in a token, which signs elsewhere.
///
/// # Errors
/// The file is no private key; no randomness.
pub fn sign_with_file(
    file: &Secret,
    passphrase: Option<&Secret>,
    octets: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, Error> {
    let imported = import::open(file.expose(), passphrase).map_err(keys::Error::from)?; // to be read
    let signer = software_signer(imported.algorithm, &imported.private)?;
    let value = signer.sign(octets, random).map_err(keys::Error::from)?;
    Ok(encode_value(signer.algorithm(), &value))
}

/// A signature's value of fixed width, from DER or r‖s; what is neither is nobody's signature.
pub(in crate::service) fn fixed_value(officer: &Officer, value: &[u8]) -> Vec<u8> {
    decode_value(officer.algorithm, value).unwrap_or_default()
}
