//! One group of orders to one authority: prepare, intend, sign, keep, answer.
//!
//! What a crash means at each arrow of `prepare → intend → sign → keep → answer`: before *intend* nothing happened;
//! between *intend* and *keep* the next start abandons the batch, and signatures that may exist were never released;
//! after *keep* the certificates are issued, kept and logged though nobody was told: each is found by its subject, and
//! under the same idempotency key the same answer is given again.

use std::sync::Arc;
use std::thread::available_parallelism;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, BatchId, KeyId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use crate::domain::ca::possession::{Asked, Proved};
use crate::domain::ca::{self, IssuanceToken, Profiles, Request, prepare, shard};
use crate::format::x509::Certificate;
use crate::service::issuance::issuer::{ReadyIssuer, abandon, reason_of};
use crate::service::issuance::{Issued, Queued, UnitRole, Wanted, serial};
use crate::service::{Error, Services};
use crate::store::certificates::StoredCertificate;
use crate::store::issuance_batches::{Item, encode_items};
use crate::store::issued_certificates::{IssuedCertificate, StoredStatus};
use crate::store::responders::StoredResponder;
use crate::store::{audit, certificates, issuance_batches, issued_certificates, responders};

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
    match keep(services, &issuer, &batch, &items, &signed).await {
        Ok(()) => {
            for Signed { queued, row, .. } in signed {
                let IssuedCertificate { sm3, serial, der, not_before, not_after, .. } = row;
                // Whoever stopped waiting finds it among the issued ones.
                let _ = queued.answer.send(Ok(Issued { sm3, serial, der, not_before, not_after }));
            }
        }
        Err(error) => {
            abandon(services, &batch, &items, reason_of(&error)).await;
            refuse_all(signed.into_iter().map(|signed| signed.queued), error);
        }
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
        transaction: order.transaction.as_ref(),
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

/// Keeps all certificates with their events and closes the batch, in one transaction. What was intended and not signed
/// is abandoned in it.
async fn keep(
    services: &Services,
    issuer: &ReadyIssuer,
    batch: &BatchId,
    items: &[Item],
    signed: &[Signed],
) -> Result<(), Error> {
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
    let is_left = |item: &&Item| !complete && !signed.iter().any(|signed| signed.item == **item);
    let left = items.iter().filter(is_left).copied().collect::<Vec<_>>();
    if !left.is_empty() {
        let (reason, items) = (AbandonmentReason::KeyFailed, encode_items(&left));
        let body = EventBody::IssuanceAbandoned { batch: batch.clone(), reason, items };
        events.push(Event { at: now, actor: Actor::Operator, request: None, body });
    }
    let rows = signed.iter().map(|signed| signed.row.clone()).collect::<Vec<_>>();
    let (events, rows) = (&events, &rows);
    let steps = services.store.run("keep certificates", |tx| {
        Box::pin(async move {
            // Retired, revoked or suspended since the intent, the authority or its key: nothing is released.
            issuer.still_may(services, tx, now).await?;
            issued_certificates::insert_many(tx, rows).await?;
            issuance_batches::complete(tx, batch, now).await?;
            audit::append_many(tx, events).await?;
            for Signed { queued, row, own_key, unit, .. } in signed {
                if let Some((role, certificate)) = unit {
                    certificates::insert(tx, certificate).await?;
                    if let (UnitRole::Responder, Some(key)) = (role, own_key) {
                        responders::insert(tx, &responder(row, key)).await?;
                    }
                }
                if let Some((caller, key)) = &queued.order.reserved {
                    crate::store::idempotency::complete(tx, caller, key, 201, &row.sm3).await?;
                }
            }
            Ok::<_, Error>(())
        })
    });
    steps.await
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
