//! One group of orders to one authority: prepare, intend, sign, keep, answer.
//!
//! What a crash means at each arrow of `prepare → intend → sign → keep → answer`: before *intend* nothing happened;
//! between *intend* and *keep* the next start abandons the batch, and signatures that may exist were never released;
//! after *keep* the certificates are issued, kept and logged though nobody was told: each is found by its subject, and
//! under the same idempotency key the same answer is given again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::available_parallelism;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, BatchId, JobId, KeyId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use crate::domain::ca::possession::{Asked, Proved};
use crate::domain::ca::{self, IssuanceToken, Profiles, Request, prepare, shard};
use crate::domain::key::KeyUse;
use crate::format::x509::Certificate;
use crate::service::issuance::issuer::{ReadyIssuer, abandon, reason_of};
use crate::service::issuance::together::certified_key;
use crate::service::issuance::{Completion, Issued, Queued, UnitRole, Wanted, serial};
use crate::service::issuance_jobs::approval::wants_approval;
use crate::service::issuance_jobs::keep_results;
use crate::service::{Error, Services, registration, seal_fulfilment, seal_remakes};
use crate::store::certificates::StoredCertificate;
use crate::store::issuance_batches::{Item, encode_items};
use crate::store::issuance_job_rows::RowResult;
use crate::store::issued_certificates::{IssuedCertificate, StoredStatus};
use crate::store::responders::StoredResponder;
use crate::store::{Tx, audit, certificates, idempotency, issuance_batches, issued_certificates, renewals, responders};

/// An order that became a decision.
struct Prepared {
    queued: Queued,
    serial: [u8; 16],
    token: IssuanceToken,
    own_key: Option<KeyId>,
    unit: Option<UnitRole>,
}

impl Prepared {
    fn item(&self) -> Item {
        (self.serial, sm3(self.token.to_sign()))
    }
}

/// A decision that was signed, and is not kept yet.
struct Signed {
    queued: Queued,
    item: Item,
    row: IssuedCertificate,
    issuer_sm3: [u8; 32],
    own_key: Option<KeyId>,
    /// Of a unit of ours: its role, and its row among the certificates of our keys.
    unit: Option<(UnitRole, StoredCertificate)>,
}

/// Issues what can be issued of the group, and answers every order of it.
pub(super) async fn issue(
    services: &Arc<Services>,
    profiles: &Arc<Profiles>,
    authority: &AuthorityId,
    group: Vec<Queued>,
) {
    let now = services.clock.now();
    let issuer = match ReadyIssuer::load_any(services, authority, now).await {
        Ok(issuer) => Arc::new(issuer),
        Err(error) => return refuse_all(group, error),
    };
    let prepared = prepare_all(services, profiles, &issuer, group, now).await;
    if prepared.is_empty() {
        return;
    }
    let items = prepared.iter().map(Prepared::item).collect::<Vec<_>>();
    // Intended by the service: which caller wanted which certificate is told when it is issued.
    let batch = match issuer.intend(services, (&Actor::Operator, None), &items, now).await {
        Ok(batch) => batch,
        Err(error) => return refuse_all(prepared.into_iter().map(|prepared| prepared.queued), error),
    };
    let signed = sign_all(services, &issuer, prepared, now).await;
    if signed.is_empty() {
        return abandon(services, &batch, &items, AbandonmentReason::KeyFailed).await;
    }
    let (mut signed, mut dropped, mut refused) = (signed, Vec::new(), Vec::new());
    loop {
        match keep(services, profiles, (&issuer, &batch), (&items, &dropped), &signed).await {
            Ok(()) => {
                for Signed { queued, row, .. } in signed {
                    let IssuedCertificate { sm3, serial, der, not_before, not_after, .. } = row;
                    // Whoever stopped waiting finds it among the issued ones.
                    let _ = queued.answer.send(Ok(Issued { sm3, serial, der, not_before, not_after }));
                }
                break;
            }
            // A request that is not approved any more keeps no other order from its certificate.
            Err(Unkept::One { position, error }) => {
                let one = signed.swap_remove(position);
                dropped.push(one.item);
                refused.push((one.queued, error));
                if signed.is_empty() {
                    abandon(services, &batch, &items, AbandonmentReason::NotKept).await;
                    break;
                }
            }
            Err(Unkept::All(error)) => {
                abandon(services, &batch, &items, reason_of(&error)).await;
                refuse_all(signed.into_iter().map(|signed| signed.queued), error);
                break;
            }
        }
    }
    for (queued, error) in refused {
        queued.refuse(*error);
    }
}

/// Tells each the same error.
fn refuse_all(group: impl IntoIterator<Item = Queued>, error: Error) {
    let error = Arc::new(error);
    group.into_iter().for_each(|queued| queued.refuse(Error::Shared(Arc::clone(&error))));
}

/// The group in as many parts as there are cores.
fn parts<T>(mut group: Vec<T>) -> Vec<Vec<T>> {
    let cores = available_parallelism().map_or(1, usize::from);
    let size = group.len().div_ceil(cores).max(1);
    let mut parts = Vec::with_capacity(cores);
    while group.len() > size {
        parts.push(group.split_off(group.len().saturating_sub(size)));
    }
    parts.push(group);
    parts
}

/// Decides on every order, on all cores; those that are refused are told why.
async fn prepare_all(
    services: &Arc<Services>,
    profiles: &Arc<Profiles>,
    issuer: &Arc<ReadyIssuer>,
    group: Vec<Queued>,
    now: Timestamp,
) -> Vec<Prepared> {
    let work = parts(group).into_iter().map(|part| {
        let (services, profiles, issuer) = (Arc::clone(services), Arc::clone(profiles), Arc::clone(issuer));
        tokio::task::spawn_blocking(move || {
            let mut prepared = Vec::with_capacity(part.len());
            for queued in part {
                match decide(&services, &profiles, &issuer, &queued, now) {
                    Ok((serial, token, own_key)) => {
                        let unit = unit_of(&queued);
                        prepared.push(Prepared { queued, serial, token, own_key, unit });
                    }
                    Err(error) => queued.refuse(error),
                }
            }
            prepared
        })
    });
    let work = work.collect::<Vec<_>>();
    let mut all = Vec::new();
    for part in work {
        // A part that broke down dropped its answers: those who wait are told so.
        all.extend(part.await.unwrap_or_default());
    }
    all
}

/// The unit of ours that it is for.
const fn unit_of(queued: &Queued) -> Option<UnitRole> {
    match queued.order.wanted {
        Wanted::Unit { role, .. } => Some(role),
        Wanted::Request { .. } | Wanted::Identified { .. } | Wanted::Decided { .. } => None,
    }
}

/// Reads one order, proves possession, merges it with the profile and lints what would be signed.
fn decide(
    services: &Services,
    profiles: &Profiles,
    issuer: &ReadyIssuer,
    queued: &Queued,
    now: Timestamp,
) -> Result<([u8; 16], IssuanceToken, Option<KeyId>), Error> {
    let order = &queued.order;
    issuer.permits(unit_of(queued))?;
    let profile = profiles.require(&order.profile).map_err(ca::Error::from)?;
    if profile.rules().authority {
        return Err(Error::AuthorityProfile);
    }
    // What officers agreed to is looked at again in the transaction that keeps the certificate.
    let agreed = matches!(
        order.completes,
        Some(
            Completion::Application(_)
                | Completion::SealApplication(_)
                | Completion::SealRemake(_)
                | Completion::JobRow { approved: true, .. }
        )
    );
    // A caller alone gets nothing that speaks for the authority, whatever the profile says of approvals.
    if !agreed && unit_of(queued).is_none() && wants_approval(profile, &order.actor) {
        return Err(Error::ApprovalNeeded);
    }
    let proved;
    let (asked, own_key) = match &order.wanted {
        Wanted::Request { csr, subject } => {
            let mut asked = Proved::read(csr)?.asked(profile)?;
            if let Some(subject) = subject {
                asked.subject.clone_from(subject);
            }
            proved = asked;
            (&proved, None)
        }
        Wanted::Identified { csr, subject, identity } => {
            let mut asked = Proved::read(csr)?.asked(profile)?;
            if let Some(subject) = subject {
                asked.subject.clone_from(subject);
            }
            asked.identity.clone_from(identity);
            proved = asked;
            (&proved, None)
        }
        Wanted::Decided { asked, key } => (asked, key.clone()),
        Wanted::Unit { asked, key, .. } => (asked, Some(key.clone())),
    };
    let Asked { subject, alternative_names, identity, key } = asked;
    let serial = serial(&*services.random)?;
    let request = Request {
        profile,
        subject,
        alternative_names,
        identity,
        key,
        not_before: order.not_before.unwrap_or(now),
        not_after: order.not_after,
        serial: &serial,
        transaction: order.transaction.as_ref().map(Into::into),
        name_constraints: None,
    };
    let certificate = issuer.certificate()?;
    let token = prepare(&request, &issuer.as_issuer(&certificate), (&services.algorithms, now))?;
    Ok((serial, token, own_key))
}

/// Signs every decision, several at once; those whose signature fails are told so.
async fn sign_all(
    services: &Arc<Services>,
    issuer: &Arc<ReadyIssuer>,
    prepared: Vec<Prepared>,
    now: Timestamp,
) -> Vec<Signed> {
    let work = parts(prepared).into_iter().map(|part| {
        let (services, issuer) = (Arc::clone(services), Arc::clone(issuer));
        tokio::spawn(async move {
            let mut values = Vec::with_capacity(part.len());
            for prepared in part {
                let (signer, random) = (Arc::clone(&issuer.signer), Arc::clone(&services.random));
                match services.pool.sign(signer, prepared.token.to_sign().to_vec(), random).await {
                    Ok(value) => values.push((prepared, value)),
                    Err(error) => prepared.queued.refuse(error.into()),
                }
            }
            let joining = tokio::task::spawn_blocking(move || {
                let joined = values.into_iter().filter_map(|(prepared, value)| join(&issuer, prepared, &value, now));
                joined.collect::<Vec<_>>()
            });
            joining.await.unwrap_or_default()
        })
    });
    let work = work.collect::<Vec<_>>();
    let mut all = Vec::new();
    for part in work {
        all.extend(part.await.unwrap_or_default());
    }
    all
}

/// Checks the signature and joins it with what it signs; nothing when it is wrong, and then the order is told.
fn join(issuer: &ReadyIssuer, prepared: Prepared, value: &[u8], now: Timestamp) -> Option<Signed> {
    let item = prepared.item();
    let Prepared { queued, serial, token, own_key, unit } = prepared;
    let made = certificate_row(issuer, (token, value), serial, &queued.order.profile, now);
    let made = made.and_then(|(row, issuer_sm3)| {
        let unit = match unit {
            Some(role) => Some((role, unit_row(&row, role, own_key.clone())?)),
            None => None,
        };
        Ok((row, issuer_sm3, unit))
    });
    match made {
        Ok((row, issuer_sm3, unit)) => Some(Signed { queued, item, row, issuer_sm3, own_key, unit }),
        Err(error) => {
            queued.refuse(error.into());
            None
        }
    }
}

/// The row of a unit among the certificates of our keys.
fn unit_row(row: &IssuedCertificate, role: UnitRole, key: Option<KeyId>) -> Result<StoredCertificate, ca::Error> {
    let written = Certificate::parse(&row.der).map_err(ca::Error::Unreadable)?;
    Ok(StoredCertificate {
        sm3: row.sm3,
        serial: row.serial.to_vec(),
        subject: written.subject.raw().to_vec(),
        issuer: written.issuer.raw().to_vec(),
        key,
        der: row.der.clone(),
        role: role.name().to_owned(),
        issued_at: row.issued_at,
    })
}

/// The row of a certificate that was just signed, and SM3 of its issuer's name.
pub(in crate::service) fn certificate_row(
    issuer: &ReadyIssuer,
    (token, value): (IssuanceToken, &[u8]),
    serial: [u8; 16],
    profile: &str,
    now: Timestamp,
) -> Result<(IssuedCertificate, [u8; 32]), ca::Error> {
    let der = token.assemble(value)?;
    let written = Certificate::parse(&der).map_err(ca::Error::Unreadable)?;
    let (subject, issuer_sm3) = (written.subject.display(), sm3(written.issuer.raw()));
    let (not_before, not_after) = (written.not_before, written.not_after);
    let row = IssuedCertificate {
        authority: issuer.authority.id.clone(),
        serial,
        sm3: sm3(&der),
        shard: shard(&serial, issuer.authority.crl_shards),
        profile: profile.to_owned(),
        subject,
        not_before,
        not_after,
        der,
        issued_at: now,
        status: StoredStatus::Active,
        status_since: now,
        status_event: None,
        version: 1,
    };
    Ok((row, issuer_sm3))
}

fn responder(row: &IssuedCertificate, key: &KeyId) -> StoredResponder {
    StoredResponder {
        authority: row.authority.clone(),
        certificate: row.sm3,
        key: key.clone(),
        not_before: row.not_before,
        not_after: row.not_after,
        created_at: row.issued_at,
    }
}

/// Why certificates are not kept.
enum Unkept {
    /// One order's request does not allow it.
    One { position: usize, error: Box<Error> },
    /// Whatever befell all.
    All(Error),
}

impl<E: Into<Error>> From<E> for Unkept {
    fn from(error: E) -> Self {
        Self::All(error.into())
    }
}

/// Keeps all certificates with their events and closes the batch, in one transaction. What was intended and not signed,
/// or signed and dropped, is abandoned in it.
async fn keep(
    services: &Services,
    profiles: &Profiles,
    (issuer, batch): (&ReadyIssuer, &BatchId),
    (items, dropped): (&[Item], &[Item]),
    signed: &[Signed],
) -> Result<(), Unkept> {
    let now = services.clock.now();
    let mut events = Vec::with_capacity(signed.len().saturating_add(1));
    for Signed { queued, row, issuer_sm3, own_key, unit, .. } in signed {
        let body = EventBody::CertificateIssued {
            serial: row.serial.to_vec(),
            issuer_sm3: *issuer_sm3,
            certificate_sm3: row.sm3,
            key: own_key.clone(),
        };
        let order = &queued.order;
        let event = |body| Event { at: now, actor: order.actor.clone(), request: order.request.clone(), body };
        events.push(event(body));
        if let (Some((UnitRole::Responder, _)), Some(key)) = (unit, own_key) {
            let (authority, certificate_sm3) = (row.authority.clone(), row.sm3);
            events.push(event(EventBody::ResponderChanged { authority, certificate_sm3, key: key.clone() }));
        }
    }
    // Nearly always nothing is left, and nothing is looked for.
    let complete = signed.len() == items.len();
    let is_left =
        |item: &&Item| !complete && !dropped.contains(item) && !signed.iter().any(|signed| signed.item == **item);
    let left = items.iter().filter(is_left).copied().collect::<Vec<_>>();
    for (reason, items) in [(AbandonmentReason::KeyFailed, &left[..]), (AbandonmentReason::NotKept, dropped)] {
        if !items.is_empty() {
            let body = EventBody::IssuanceAbandoned { batch: batch.clone(), reason, items: encode_items(items) };
            events.push(Event { at: now, actor: Actor::Operator, request: None, body });
        }
    }
    let rows = signed.iter().map(|signed| signed.row.clone()).collect::<Vec<_>>();
    let certified = rows.iter().filter_map(certified_key).collect::<Vec<_>>();
    let (events, rows, certified) = (&events, &rows, &certified);
    let steps = services.store.run("keep certificates", |tx| {
        Box::pin(async move {
            // Retired, revoked or suspended since the intent, the authority or its key: nothing is released.
            issuer.still_may(services, tx, now).await?;
            issued_certificates::insert_many(tx, rows).await?;
            renewals::certified(tx, certified).await?;
            issuance_batches::complete(tx, batch, now).await?;
            audit::append_many(tx, events).await?;
            for (position, Signed { row, own_key, unit, .. }) in signed.iter().enumerate() {
                if let Some((role, certificate)) = unit {
                    if let Some(key) = own_key {
                        let claimed = claim(services, tx, (*role, key), now).await;
                        claimed.map_err(|error| Unkept::One { position, error: Box::new(error) })?;
                    }
                    certificates::insert(tx, certificate).await?;
                    if let (UnitRole::Responder, Some(key)) = (role, own_key) {
                        responders::insert(tx, &responder(row, key)).await?;
                    }
                }
            }
            tell(services, tx, profiles, signed, now).await
        })
    });
    steps.await
}

/// The key of a unit becomes this unit's, in the transaction that keeps its certificate: no other certificate
/// names it, and it may be used. Writers come one after another, so of two units one gets the key.
async fn claim(
    services: &Services,
    tx: &mut Tx<'_>,
    (role, key): (UnitRole, &KeyId),
    now: Timestamp,
) -> Result<(), Error> {
    let wanted = (role.purpose(), KeyUse::Sign);
    let permitted = services.keys.permitted(tx, key, wanted, now).await;
    if permitted.is_err() || !certificates::of_key(tx, key).await?.is_empty() {
        return Err(Error::UnitKeyInUse);
    }
    Ok(())
}

/// Tells what waits for the certificates, in the transaction that keeps them.
async fn tell(
    services: &Services,
    tx: &mut Tx<'_>,
    profiles: &Profiles,
    signed: &[Signed],
    now: Timestamp,
) -> Result<(), Unkept> {
    let mut rows = BTreeMap::<(&JobId, i64), Vec<(u32, RowResult)>>::new();
    let mut answers = Vec::new();
    for (position, Signed { queued, row, own_key, .. }) in signed.iter().enumerate() {
        let order = &queued.order;
        match &order.completes {
            None => {}
            Some(Completion::IdempotencyKey(caller, key)) => {
                answers.push((caller, key.as_str(), order.request.as_ref(), &row.sm3[..]));
            }
            Some(Completion::JobRow { job, index, lease, .. }) => {
                rows.entry((job, *lease)).or_default().push((*index, RowResult::Issued(row.sm3)));
            }
            Some(Completion::SealApplication(application)) => {
                let with = (row, own_key.as_ref());
                let kept = seal_fulfilment::certified(services, tx, profiles, application, with, now).await;
                kept.map_err(|error| Unkept::One { position, error: Box::new(error) })?;
            }
            Some(Completion::SealRemake(seal)) => {
                let kept = seal_remakes::certified(tx, seal, (row, own_key.as_ref()), now).await;
                kept.map_err(|error| Unkept::One { position, error: Box::new(error) })?;
            }
            Some(Completion::Application(application)) => {
                let ended = registration::fulfil(tx, profiles, application, (row, None), now).await;
                let body = ended.map_err(|error| Unkept::One { position, error: Box::new(error) })?;
                let event = Event { at: now, actor: order.actor.clone(), request: order.request.clone(), body };
                audit::append(tx, &event).await?;
            }
        }
    }
    idempotency::complete_many(tx, 201, &answers).await?;
    for ((job, lease), results) in rows {
        keep_results(tx, profiles, (job, lease), &results, now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_everything_once() {
        for count in [0, 1, 2, 7, 256] {
            let mut all = parts((0..count).collect()).concat();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
}
