//! Recovery of keys that are kept for their owners: ordered, approved by two officers' signatures, given out once.
//!
//! What a crash means at each arrow of `verify → envelope → keep → answer`: before *keep* nothing happened, and the
//! envelope was never released; after *keep* the order is spent though nobody got the key: it is ordered anew.

use std::sync::Arc;

use crate::base::id::{ApplicationId, CallerId, RequestId};
use crate::base::random::array;
use crate::crypto::PublicKey;
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::recovery::{Recovery, RecoveryEvent, RecoveryOrder, RecoveryReason, RecoveryRefusal};
use crate::domain::ca::request::Officer;
use crate::domain::trust::public_key;
use crate::format::keys::SubjectPublicKeyInfo;
use crate::service::callers::algorithm_of;
use crate::service::keys::enveloping::{Envelope, envelope};
use crate::service::officers::{fixed_value, officer_in};
use crate::service::{Error, Services};
use crate::store::key_recoveries::{self, StoredRecovery};
use crate::store::{Tx, audit, escrowed_keys};

/// The most that one page of a list holds.
pub const MOST_IN_PAGE: i64 = 500;
/// Orders that lapse in one transaction.
const MOST_LAPSED: i64 = 100;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewRecovery {
    /// SM3 of the encryption certificate, or of the signing certificate of the pair.
    pub certificate: [u8; 32],
    /// For whom the key will be enveloped: SubjectPublicKeyInfo, DER.
    pub recipient: Vec<u8>,
    /// Why.
    pub reason: RecoveryReason,
    /// SM3 of the evidence on file.
    pub evidence_sm3: [u8; 32],
    /// So many days the order can be approved and carried out.
    pub days: i64,
}

/// A key that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// By which order.
    pub order: RecoveryOrder,
    /// The key.
    pub envelope: Envelope,
}

/// The recipient's key, where it is one.
fn recipient_of(info: &[u8]) -> Result<PublicKey, Error> {
    let info = SubjectPublicKeyInfo::parse(info).map_err(|_| Error::RecoveryRecipient)?;
    public_key(&info).ok_or(Error::RecoveryRecipient)
}

/// What an order says of evidence: its SM3.
#[must_use]
pub fn evidence_sm3(evidence: &[u8]) -> [u8; 32] {
    sm3(evidence)
}

/// Orders that a key be given out again. Nothing is opened.
///
/// # Errors
/// [`Error::UnknownEscrow`]; [`Error::EscrowDestroyed`]; the key is suspended; [`Error::RecoveryRecipient`];
/// [`Error::Recovery`]: the time is too long.
pub async fn order(
    services: &Services,
    (actor, request): (&Actor, Option<&RequestId>),
    new: &NewRecovery,
) -> Result<StoredRecovery, Error> {
    let now = services.clock.now();
    let (id, nonce) = (ApplicationId::fresh(now, &*services.random)?, array::<32>(&*services.random)?);
    let recipient = recipient_of(&new.recipient)?;
    let (id, nonce, recipient) = (&id, &nonce, &recipient);
    let steps = services.store.run("order recovery", |tx| {
        Box::pin(async move {
            let kept = escrowed_keys::find_by_certificate(tx, &new.certificate).await?.ok_or(Error::UnknownEscrow)?;
            if kept.destroyed_at.is_some() {
                return Err(Error::EscrowDestroyed);
            }
            let key = services.keys.escrowed(tx, &kept.key).await?;
            if algorithm_of(recipient) != Some(key.attributes.algorithm) {
                return Err(Error::RecoveryRecipient);
            }
            let recovery = Recovery::new(RecoveryOrder {
                id: id.clone(),
                nonce: *nonce,
                key: kept.key.clone(),
                certificate_sm3: kept.certificate,
                owner_key_sm3: kept.owner_key_sm3,
                recipient: new.recipient.clone(),
                reason: new.reason,
                evidence_sm3: new.evidence_sm3,
                ordered_at: now,
                expires_at: now.plus_days(new.days),
            })?;
            key_recoveries::insert(tx, &recovery).await?;
            let (application, application_sm3) = (id.clone(), recovery.order.sm3());
            let body = EventBody::RecoveryOrdered { application, application_sm3, key: kept.key };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: request.cloned(), body }).await?;
            Ok(StoredRecovery { recovery, version: 1 })
        })
    });
    steps.await
}

/// The order of that name.
///
/// # Errors
/// [`Error::UnknownRecovery`].
pub async fn find(services: &Services, id: &ApplicationId) -> Result<StoredRecovery, Error> {
    services.store.read(|tx| Box::pin(found(tx, id))).await
}

async fn found(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<StoredRecovery, Error> {
    key_recoveries::find(tx, id).await?.ok_or(Error::UnknownRecovery)
}

/// Orders, oldest first, from the one behind `after` on, at most `limit` and [`MOST_IN_PAGE`]; only those that have not
/// ended where `open`.
///
/// # Errors
/// The store's.
pub async fn list(
    services: &Services,
    open: bool,
    after: Option<&ApplicationId>,
    limit: i64,
) -> Result<Vec<StoredRecovery>, Error> {
    let limit = limit.clamp(1, MOST_IN_PAGE);
    Ok(services.store.read(|tx| Box::pin(key_recoveries::list(tx, open, after, limit))).await?)
}

/// What an officer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// To agree.
    Approve,
    /// To refuse.
    Refuse(RecoveryRefusal),
}

/// An officer decides on an order, by a signature over its canonical encoding.
///
/// # Errors
/// [`Error::UnknownRecovery`]; the officer is none, or barred; [`Error::Recovery`]: why it does not count.
pub async fn decide(
    services: &Services,
    request: Option<&RequestId>,
    (id, decision): (&ApplicationId, Decision),
    (by, signature): (&CallerId, &[u8]),
) -> Result<StoredRecovery, Error> {
    let now = services.clock.now();
    let steps = services.store.run("decide on recovery", |tx| {
        Box::pin(async move {
            let stored = found(tx, id).await?;
            let (officer, actor) = officer_in(tx, by).await?;
            let value = fixed_value(&officer, signature);
            let recovery = stored.recovery.clone();
            let (next, event) = match decision {
                Decision::Approve => recovery.approve(&officer, &value, now)?,
                Decision::Refuse(reason) => recovery.refuse(&officer, reason, &value, now)?,
            };
            if let (RecoveryEvent::Approved { .. }, Some(approval)) = (&event, next.approvals.last()) {
                key_recoveries::insert_approval(tx, id, approval).await?;
            }
            let changed = key_recoveries::change(tx, &stored, &next).await?;
            let body = told(&next.order, event);
            audit::append(tx, &Event { at: now, actor, request: request.cloned(), body }).await?;
            Ok::<_, Error>(changed)
        })
    });
    steps.await
}

fn told(order: &RecoveryOrder, event: RecoveryEvent) -> EventBody {
    let application = order.id.clone();
    match event {
        RecoveryEvent::Approved { signature_sm3, .. } => {
            EventBody::ApplicationApproved { application, application_sm3: order.sm3(), signature_sm3 }
        }
        RecoveryEvent::Recovered { recipient_sm3 } => {
            EventBody::KeyRecovered { key: order.key.clone(), application, recipient_sm3 }
        }
        RecoveryEvent::Refused { reason, .. } => {
            EventBody::ApplicationRefused { application, reason_sm3: sm3(reason.name().as_bytes()) }
        }
        RecoveryEvent::Lapsed => EventBody::RecoveryLapsed { application },
    }
}

/// The officers who approved, as they are registered now.
async fn approvers(tx: &mut Tx<'_>, recovery: &Recovery) -> Result<Vec<Officer>, Error> {
    let mut all = Vec::with_capacity(recovery.approvals.len());
    for approval in &recovery.approvals {
        all.push(officer_in(tx, &approval.hand.officer).await?.0);
    }
    Ok(all)
}

/// Gives the key out, enveloped for the recipient, when two officers agree: every approval is verified again, before the
/// key is opened and in the transaction that spends the order. The event is kept before the envelope leaves.
///
/// # Errors
/// [`Error::UnknownRecovery`]; [`Error::Recovery`]: why not; an approver is barred or no officer any more; the key is
/// suspended or destroyed.
pub async fn recover(
    services: &Services,
    (actor, request): (&Actor, Option<&RequestId>),
    id: &ApplicationId,
) -> Result<Recovered, Error> {
    let now = services.clock.now();
    let opening = services.store.read(|tx| {
        Box::pin(async move {
            let stored = found(tx, id).await?;
            let officers = approvers(tx, &stored.recovery).await?;
            stored.recovery.confirm(|wanted| officers.iter().find(|one| one.id == *wanted), now)?;
            let order = stored.recovery.order;
            Ok::<_, Error>((services.keys.escrowed(tx, &order.key).await?, order))
        })
    });
    let (key, order) = opening.await?;
    let recipient = recipient_of(&order.recipient)?;
    let enveloping = {
        let (keys, random) = (Arc::clone(&services.keys), Arc::clone(&services.random));
        tokio::task::spawn_blocking(move || {
            let private = keys.open_escrowed(&key)?;
            envelope((key.attributes.algorithm, &private, &key.public_key), &recipient, &*random)
        })
    };
    let envelope = enveloping.await.map_err(|_| Error::Interrupted)??;
    let steps = services.store.run("recover key", |tx| {
        Box::pin(async move {
            let stored = found(tx, id).await?;
            let officers = approvers(tx, &stored.recovery).await?;
            services.keys.escrowed(tx, &stored.recovery.order.key).await?;
            let find = |wanted: &CallerId| officers.iter().find(|one| one.id == *wanted);
            let (next, event) = stored.recovery.clone().recover(find, now)?;
            key_recoveries::change(tx, &stored, &next).await?;
            let body = told(&next.order, event);
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: request.cloned(), body }).await?;
            Ok::<_, Error>(next.order)
        })
    });
    let spent = steps.await?;
    // The order never changes, and its row carries an integrity value.
    if spent != order {
        return Err(Error::Interrupted);
    }
    Ok(Recovered { order, envelope })
}

/// Ends the orders whose time is over; gives how many.
///
/// # Errors
/// The store's.
pub async fn lapse_overdue(services: &Services) -> Result<u64, Error> {
    let now = services.clock.now();
    let mut lapsed = 0_u64;
    // Nearly always nothing is, and no writer is kept waiting.
    if services.store.read(|tx| Box::pin(key_recoveries::overdue(tx, now, 1))).await?.is_empty() {
        return Ok(lapsed);
    }
    loop {
        let steps = services.store.run("lapse recoveries", |tx| {
            Box::pin(async move {
                let overdue = key_recoveries::overdue(tx, now, MOST_LAPSED).await?;
                for stored in &overdue {
                    let (next, event) = stored.recovery.clone().lapse(now)?;
                    key_recoveries::change(tx, stored, &next).await?;
                    let body = told(&next.order, event);
                    audit::append(tx, &Event { at: now, actor: Actor::Operator, request: None, body }).await?;
                }
                Ok::<_, Error>(overdue.len())
            })
        });
        match steps.await? {
            0 => return Ok(lapsed),
            count => lapsed = lapsed.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)),
        }
    }
}
