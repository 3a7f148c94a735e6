//! An authority passes to a new key under the same name.
//!
//! A root: the new root, the old key certified by the new one and the new key certified by the old one come into being in
//! one transaction (RFC 4210 4.4.1), so that whoever trusts either root accepts what the other one signed. The old root goes
//! on until it is retired. An authority below another one: a new authority of the same name below the same one.
//!
//! What a crash means at each arrow of `prepare → intend → sign → keep`: before *intend* nothing happened; between *intend*
//! and *keep* the next start abandons the batch of the old root, and what the new key signed is trusted by nobody; after
//! *keep* all is there.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, BatchId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::rollover::{Rollover, prepare_rollover};
use crate::domain::ca::subject::attributes_of;
use crate::domain::ca::{self, IssuanceToken, Profiles};
use crate::format::x509::Certificate;
use crate::service::authorities::{self, AuthorityKey, NewAuthority, OwnKey, Signed, begin, decide, kept, make, sign};
use crate::service::issuance::batch::certificate_row;
use crate::service::issuance::issuer::{ReadyIssuer, abandon, reason_of};
use crate::service::issuance::serial;
use crate::service::{Error, Services};
use crate::store::authorities::StoredAuthority;
use crate::store::issued_certificates::IssuedCertificate;
use crate::store::{audit, issuance_batches, issued_certificates};

/// The profile of a root that no row of an issuer tells.
const ROOT: &str = "root";
/// The profile of the two certificates between old and new key: what stands below a root.
const BETWEEN: &str = "intermediate";

/// What is asked when an authority passes to a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloverOrder {
    /// The authority.
    pub old: AuthorityId,
    /// The name of its successor here and in the addresses of what it publishes.
    pub new: AuthorityId,
    /// What the successor is called.
    pub name: String,
    /// The new key.
    pub key: AuthorityKey,
    /// End of the new certificate's validity; the profile's usual one where nothing is told.
    pub not_after: Option<Timestamp>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledOver {
    /// The successor.
    pub authority: StoredAuthority,
    /// Of a root: the old key certified by the new one, and the new key by the old one.
    pub between: Option<(IssuedCertificate, IssuedCertificate)>,
}

/// Makes the successor of an authority, and for a root the two certificates between both keys.
///
/// # Errors
/// As for a new authority; the old one may not issue.
pub async fn rollover(
    services: &Services,
    profiles: &Profiles,
    actor: &Actor,
    order: &RolloverOrder,
) -> Result<RolledOver, Error> {
    let now = services.clock.now();
    let (old, certificate) = authorities::find(services, &order.old).await?;
    let named = old.certificate;
    let issued = services.store.read(|tx| Box::pin(async move { issued_certificates::find_by_sm3(tx, &named).await }));
    let profile = issued.await.map_err(Error::from)?.map_or_else(|| ROOT.to_owned(), |row| row.profile);
    let written = Certificate::parse(&certificate).map_err(ca::Error::Unreadable)?;
    if old.parent.is_none() && written.issuer.raw() != written.subject.raw() {
        return Err(Error::AuthorityFromOutside);
    }
    let new = NewAuthority {
        id: Some(order.new.clone()),
        name: order.name.clone(),
        profile,
        parent: old.parent.clone(),
        subject: attributes_of(&written.subject).map_err(ca::Error::from)?,
        key: order.key.clone(),
        not_after: order.not_after,
        base_url: old.base_url.clone(),
        crl_shards: old.crl_shards,
    };
    if old.parent.is_some() {
        if old.retired_at.is_some() {
            return Err(Error::AuthorityRetired);
        }
        let authority = make(services, profiles, actor, (&new, Some(&old.id))).await?;
        return Ok(RolledOver { authority, between: None });
    }
    let above = Arc::new(ReadyIssuer::load(services, &old.id, now).await?);
    let (authority, key) = begin(services, profiles, &new, now).await?;
    let (number, token) = decide(services, profiles, &new, (&key, None), now).await?;
    let value = sign(services, key.signer(), &token).await?;
    let signed = authorities::self_signed(token, &value, number, &authority.key, now)?;
    let authority = StoredAuthority { certificate: signed.certificate.sm3, ..authority };
    let material = (signed.certificate.der.clone(), Arc::clone(key.signer()));
    let below = Arc::new(ReadyIssuer::of(services, authority.clone(), material)?);

    let old_with_new = between(services, profiles, Rollover::OldWithNew, (&above, &below), now).await?;
    let new_with_old = between(services, profiles, Rollover::NewWithOld, (&above, &below), now).await?;
    let items = [(new_with_old.0, sm3(new_with_old.1.to_sign()))];
    let batch = above.intend(services, (actor, None), &items, now).await?;
    let finish = async {
        let value = sign(services, &below.signer, &old_with_new.1).await?;
        let old_with_new = certificate_row(&below, (old_with_new.1, &value), old_with_new.0, BETWEEN, now)?;
        let value = sign(services, &above.signer, &new_with_old.1).await?;
        let new_with_old = certificate_row(&above, (new_with_old.1, &value), new_with_old.0, BETWEEN, now)?;
        let root = (&key, &signed);
        keep(services, actor, (&above, &below), root, (&old_with_new, &new_with_old, &batch), now).await?;
        Ok(RolledOver { authority, between: Some((old_with_new.0, new_with_old.0)) })
    };
    let outcome = finish.await;
    if let Err(error) = &outcome {
        abandon(services, &batch, &items, reason_of(error)).await;
    }
    outcome
}

/// Decides one of the two certificates between both keys, and lints it.
async fn between(
    services: &Services,
    profiles: &Profiles,
    which: Rollover,
    (old, new): (&Arc<ReadyIssuer>, &Arc<ReadyIssuer>),
    now: Timestamp,
) -> Result<([u8; 16], IssuanceToken), Error> {
    let profile = profiles.require(BETWEEN).map_err(ca::Error::from)?.clone();
    let serial = serial(&*services.random)?;
    let (old, new, algorithms) = (Arc::clone(old), Arc::clone(new), Arc::clone(&services.algorithms));
    let deciding = tokio::task::spawn_blocking(move || {
        let (before, after) = (old.certificate()?, new.certificate()?);
        let by = match which {
            Rollover::OldWithNew => new.as_issuer(&after),
            Rollover::NewWithOld => old.as_issuer(&before),
        };
        let rules = (&*algorithms, now);
        Ok::<_, Error>(prepare_rollover(which, (&before, &after), (&profile, &serial), &by, rules)?)
    });
    Ok((serial, deciding.await.map_err(|_| Error::Interrupted)??))
}

/// A certificate between both keys, and SM3 of its issuer's name.
type Between = (IssuedCertificate, [u8; 32]);

/// Keeps the new root, both certificates and their events, and closes the intent of the old root, all or nothing.
async fn keep(
    services: &Services,
    actor: &Actor,
    (above, below): (&ReadyIssuer, &ReadyIssuer),
    (key, signed): (&OwnKey, &Signed),
    (old_with_new, new_with_old, batch): (&Between, &Between, &BatchId),
    now: Timestamp,
) -> Result<(), Error> {
    let issued = |(row, issuer_sm3): &Between, key: &ReadyIssuer| EventBody::CertificateIssued {
        serial: row.serial.to_vec(),
        issuer_sm3: *issuer_sm3,
        certificate_sm3: row.sm3,
        key: Some(key.authority.key.clone()),
    };
    let events = &[
        issued(old_with_new, above),
        issued(new_with_old, below),
        EventBody::AuthorityRolledOver {
            old: above.authority.id.clone(),
            new: below.authority.id.clone(),
            old_with_new: Some(old_with_new.0.sm3),
            new_with_old: Some(new_with_old.0.sm3),
        },
    ];
    let rows = &[old_with_new.0.clone(), new_with_old.0.clone()];
    let steps = services.store.run("roll over root", |tx| {
        Box::pin(async move {
            // Retired since the intent, the old root or its key: nothing is released.
            above.still_may(services, tx, now).await?;
            authorities::insert(services, tx, actor, &below.authority, (key, signed), now).await?;
            for row in rows {
                issued_certificates::insert_many(tx, std::slice::from_ref(row)).await?;
            }
            issuance_batches::complete(tx, batch, now).await?;
            for body in events {
                let event = Event { at: now, actor: actor.clone(), request: None, body: body.clone() };
                audit::append(tx, &event).await?;
            }
            Ok::<_, Error>(())
        })
    });
    kept(steps.await)
}
