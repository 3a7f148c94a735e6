//! Re-making many seals by one order of three persons (批量换发): submitted, approved by two officers, carried out, cancelled.
//!
//! First every seal of the selection is revoked with its signer's certificate, then each is made anew; `carrying` does both,
//! and goes on where it was broken off. `documents` names what was signed before and has no proof of its time.

mod beginning;
mod carrying;
pub mod documents;
mod revoking;

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, JobId, RequestId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody, RevocationReason};
use crate::domain::ca::{self, Profiles};
use crate::domain::officer::request::StepRefused;
use crate::domain::officer::{Approval, Hand, OfficerRole};
use crate::domain::seal::application::SealOfficer;
use crate::domain::seal::remake::{APPROVALS, Making, RemakeOrder, RemakeRefused, RemakeState, Selection};
use crate::domain::trust::key::{public_key, subject_public_key_info};
use crate::format::x509::Certificate;
use crate::service::officers::fixed_value;
use crate::service::registration::Signed;
use crate::service::seal_imports::one_certificate;
use crate::service::seal_officers::{officer_in, officer_still};
use crate::service::{Error, Services};
use crate::store::seal_remakes::{self, RemakeCounts, StoredRemake, StoredRemakeSeal};
use crate::store::{self, Tx, audit, authorities};

pub(in crate::service) use carrying::certified;
pub use carrying::run;

/// Orders that are listed.
const MOST_LISTED: i64 = 500;

/// What an applicant orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRemake {
    /// Which seals.
    pub selection: Selection,
    /// How they are made anew.
    pub making: Making,
    /// Why they are revoked.
    pub reason: RevocationReason,
    /// Since when the old key is known or thought to be unsafe.
    pub compromised_at: Option<Timestamp>,
}

/// The key of a maker's certificate, PEM or DER, as a selection names it.
///
/// # Errors
/// [`Error::UnknownCertificate`]: no certificate of a key that we compute.
pub fn maker_key(file: Vec<u8>) -> Result<Vec<u8>, Error> {
    let der = one_certificate(file);
    let key = Certificate::parse(&der).ok().and_then(|certificate| public_key(&certificate.public_key));
    key.map(|key| subject_public_key_info(&key)).ok_or(Error::UnknownCertificate)
}

/// The order as it would be on record, for the applicant to sign: [`RemakeOrder::to_submit`]. `nonce` is the applicant's choice.
///
/// # Errors
/// Why no such order is taken; the officer is none, or acts for another division.
pub async fn draft(
    services: &Services,
    profiles: &Profiles,
    officer: &CallerId,
    new: NewRemake,
    nonce: [u8; 32],
) -> Result<RemakeOrder, Error> {
    let now = services.clock.now();
    if profiles.require(&new.making.profile).map_err(ca::Error::from)?.rules().authority {
        return Err(Error::AuthorityProfile);
    }
    let new = &new;
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (applicant, _) = officer_in(tx, officer).await?;
            let NewRemake { selection, making, reason, compromised_at } = new.clone();
            let applicant_hand = Hand::of(&applicant.officer);
            let order = RemakeOrder {
                nonce,
                selection,
                making,
                reason,
                compromised_at,
                applicant: applicant_hand,
                submitted_at: now,
            };
            may_be_ordered(tx, &order, &applicant).await?;
            Ok::<_, Error>(order)
        })
    });
    steps.await
}

/// Whether this officer may order that.
async fn may_be_ordered(tx: &mut Tx<'_>, order: &RemakeOrder, applicant: &SealOfficer) -> Result<(), Error> {
    applicant.acts_for(&order.selection.division)?;
    let found = applicant.officer.role;
    if found != OfficerRole::Applicant {
        return Err(StepRefused::Role { found, needed: OfficerRole::Applicant }.into());
    }
    order.examine()?;
    let authority = authorities::find(tx, &order.making.authority).await?.ok_or(Error::UnknownAuthority)?;
    if authority.retired_at.is_some() { Err(Error::AuthorityRetired) } else { Ok(()) }
}

/// Takes an order that the applicant signed. It is judged once more.
///
/// # Errors
/// As [`draft`]; the signature is not the applicant's; [`Error::ApplicationExists`] for a nonce that came before.
pub async fn submit(services: &Services, order: RemakeOrder, signed: Signed<'_>) -> Result<StoredRemake, Error> {
    let now = services.clock.now();
    let (id, order) = (&JobId::fresh(now, &*services.random)?, &RemakeOrder { submitted_at: now, ..order });
    let steps = services.store.run("order seals re-made", |tx| {
        Box::pin(async move {
            let (applicant, actor) = officer_in(tx, signed.officer).await?;
            let value = fixed_value(&applicant.officer, signed.signature);
            let officer = &applicant.officer;
            if order.applicant != Hand::of(officer)
                || !officer.key.verify(officer.algorithm, &order.to_submit(), &value)
            {
                return Err(StepRefused::StepSignature.into());
            }
            may_be_ordered(tx, order, &applicant).await?;
            let stored = StoredRemake {
                id: id.clone(),
                order: order.clone(),
                submission_signature: value,
                approvals: Vec::new(),
                state: RemakeState::Submitted,
                begun_at: None,
                revoked_at: None,
                ended_at: None,
                version: 1,
            };
            seal_remakes::insert(tx, &stored).await?;
            let body = EventBody::SealRemakeOrdered {
                remake: id.clone(),
                order_sm3: sm3(&order.to_approve()),
                division: order.selection.division.code(),
            };
            audit::append(tx, &Event { at: now, actor, request: signed.call.cloned(), body }).await?;
            Ok(stored)
        })
    });
    match steps.await {
        Err(Error::Store(store::Error::Conflict { .. })) => Err(Error::ApplicationExists),
        outcome => outcome,
    }
}

/// The octets that each approver signs: [`RemakeOrder::to_approve`].
///
/// # Errors
/// [`Error::UnknownJob`].
pub async fn to_approve(services: &Services, id: &JobId) -> Result<Vec<u8>, Error> {
    Ok(find(services, id).await?.order.to_approve())
}

/// An approver approves an order by a signature over [`to_approve`]; with the second one it may be carried out.
///
/// # Errors
/// [`Error::UnknownJob`]; [`Error::Remake`]: it stands elsewhere; [`Error::RequestStep`]: why the step is not taken; the
/// officer is none, or acts for another division.
pub async fn approve(services: &Services, id: &JobId, signed: Signed<'_>) -> Result<StoredRemake, Error> {
    let now = services.clock.now();
    let steps = services.store.run("approve seals re-made", |tx| {
        Box::pin(async move {
            let (officer, actor) = officer_in(tx, signed.officer).await?;
            let stored = known(tx, id).await?;
            officer.acts_for(&stored.order.selection.division)?;
            if stored.state != RemakeState::Submitted {
                return Err(RemakeRefused::State { from: stored.state.name(), attempt: "be approved" }.into());
            }
            if stored.approvals.len() >= APPROVALS {
                return Err(RemakeRefused::State { from: "approved", attempt: "be approved" }.into());
            }
            let signature = fixed_value(&officer.officer, signed.signature);
            let signature_sm3 = sm3(&signature);
            let given = Approval { hand: Hand::of(&officer.officer), signature, at: now };
            stored.order.counts(&given, &officer.officer, &stored.approvals)?;
            let number = i64::try_from(stored.approvals.len()).unwrap_or(i64::MAX).saturating_add(1);
            seal_remakes::approve(tx, id, number, &given).await?;
            let order_sm3 = sm3(&stored.order.to_approve());
            let body = EventBody::SealRemakeApproved { remake: id.clone(), order_sm3, signature_sm3 };
            audit::append(tx, &Event { at: now, actor, request: signed.call.cloned(), body }).await?;
            let approvals = stored.approvals.into_iter().chain([given]).collect();
            Ok::<_, Error>(StoredRemake { approvals, ..stored })
        })
    });
    match steps.await {
        // A third one, at the same moment or later.
        Err(Error::Store(store::Error::Conflict { .. })) => {
            Err(RemakeRefused::State { from: "approved", attempt: "be approved" }.into())
        }
        outcome => outcome,
    }
}

/// Gives an order up: what is revoked stays revoked, what is made stays made.
///
/// # Errors
/// [`Error::UnknownJob`]; [`Error::Remake`]: it has ended.
pub async fn cancel(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    id: &JobId,
) -> Result<StoredRemake, Error> {
    let now = services.clock.now();
    let steps = services.store.run("cancel seals re-made", |tx| {
        Box::pin(async move {
            let stored = known(tx, id).await?;
            if matches!(stored.state, RemakeState::Finished | RemakeState::Cancelled) {
                return Err(RemakeRefused::State { from: stored.state.name(), attempt: "be cancelled" }.into());
            }
            end(tx, (actor, call), stored, RemakeState::Cancelled, now).await
        })
    });
    steps.await
}

/// Ends an order, and tells what came of it.
async fn end(
    tx: &mut Tx<'_>,
    (actor, call): (&Actor, Option<&RequestId>),
    stored: StoredRemake,
    state: RemakeState,
    now: Timestamp,
) -> Result<StoredRemake, Error> {
    let RemakeCounts { revoked, made, refused } = seal_remakes::counts(tx, &stored.id).await?;
    let body = EventBody::SealRemakeEnded {
        remake: stored.id.clone(),
        state: state.name().to_owned(),
        revoked,
        made,
        refused,
    };
    let ended = StoredRemake { state, ended_at: Some(now), ..stored };
    let kept = seal_remakes::update(tx, &ended).await?;
    audit::append(tx, &Event { at: now, actor: actor.clone(), request: call.cloned(), body }).await?;
    Ok(kept)
}

/// The order of that name.
///
/// # Errors
/// [`Error::UnknownJob`].
pub async fn find(services: &Services, id: &JobId) -> Result<StoredRemake, Error> {
    services.store.read(|tx| Box::pin(known(tx, id))).await
}

/// How many of its seals are how far.
///
/// # Errors
/// The store's.
pub async fn counts(services: &Services, id: &JobId) -> Result<RemakeCounts, Error> {
    Ok(services.store.read(|tx| Box::pin(seal_remakes::counts(tx, id))).await?)
}

/// Every order, oldest first.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services) -> Result<Vec<StoredRemake>, Error> {
    Ok(services.store.read(|tx| Box::pin(seal_remakes::list(tx, MOST_LISTED))).await?)
}

/// The seals of an order that were not made anew, with the reason: their holders apply.
///
/// # Errors
/// The store's.
pub async fn refused(services: &Services, id: &JobId) -> Result<Vec<StoredRemakeSeal>, Error> {
    use crate::domain::seal::remake::RemakeStep;
    let mut all: Vec<StoredRemakeSeal> = Vec::new();
    loop {
        let after = all.last().map(|row| &row.seal);
        let steps =
            services.store.read(|tx| Box::pin(seal_remakes::seals_at(tx, id, RemakeStep::Refused, after, MOST_LISTED)));
        let page = steps.await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

async fn known(tx: &mut Tx<'_>, id: &JobId) -> Result<StoredRemake, Error> {
    seal_remakes::find(tx, id).await?.ok_or(Error::UnknownJob)
}

/// Verifies every approval with the officers as they are now; each must act for the order's division still.
async fn confirm(tx: &mut Tx<'_>, stored: &StoredRemake) -> Result<(), Error> {
    let mut officers = Vec::new();
    for Approval { hand, .. } in &stored.approvals {
        let still = officer_still(tx, &hand.officer).await?;
        officers.extend(still.filter(|officer| officer.acts_for(&stored.order.selection.division).is_ok()));
    }
    let find = |id: &CallerId| officers.iter().map(|one| &one.officer).find(|officer| officer.id == *id);
    stored.order.confirm(&stored.approvals, find)?;
    Ok(())
}
