//! Renewal of certificates: with the same key or a new one, proved by the old one; the old certificate is superseded.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, RequestId};
use crate::crypto::PublicKey;
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::possession::Proved;
use crate::domain::ca::renewal::{RenewalError, RenewedKey, renew as decide_renewal, to_sign};
use crate::domain::ca::state::{RevocationReason, Standing};
use crate::domain::ca::{self, IssuanceToken, Profiles, Request, prepare};
use crate::domain::trust::key::decode_value;
use crate::domain::trust::public_key;
use crate::format::x509::Certificate;
use crate::service::callers::algorithm_of;
use crate::service::certificate_status::{Change, change, state_of};
use crate::service::issuance::issuer::ReadyIssuer;
use crate::service::issuance::together::{Decision, Together};
use crate::service::issuance::{Issued, serial};
use crate::service::{Error, Services};
use crate::store::issued_certificates::{self, IssuedCertificate, StoredStatus};
use crate::store::renewals::{self, StoredRenewal};
use crate::store::{Tx, audit};

/// Renewals looked at by one read.
const PAGE: i64 = 100;

/// How the subject proves that it holds the old key, and the new one where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A request of PKCS#10 by the old key, DER: the key stays. It serves once, for a certificate has one successor.
    Request(Vec<u8>),
    /// The old key's signature over [`to_sign`] without a request: the key stays.
    Signature(Vec<u8>),
    /// A request of PKCS#10 by the new key, DER, and the old key's signature over [`to_sign`] with it.
    NewKey {
        /// The request.
        csr: Vec<u8>,
        /// The signature.
        signature: Vec<u8>,
    },
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewRenewal {
    /// SM3 of the old certificate.
    pub certificate: [u8; 32],
    /// That its key's holder asks.
    pub proof: Proof,
    /// Who issues; whoever issued the old one where nothing is told.
    pub authority: Option<AuthorityId>,
    /// End of validity; the profile's usual one, or the key's end, where nothing is told.
    pub not_after: Option<Timestamp>,
    /// So many days after the renewal the old certificate is revoked as superseded; never where nothing is told.
    pub supersede_after: Option<u32>,
    /// Who orders.
    pub actor: Actor,
    /// In which request.
    pub request: Option<RequestId>,
}

/// The octets that the old key signs: see [`to_sign`].
#[must_use]
pub fn octets_to_sign(certificate: &[u8; 32], csr: Option<&[u8]>) -> Vec<u8> {
    to_sign(certificate, csr.unwrap_or_default())
}

/// Renews a certificate: the new one says what the old one said, under the profile as it is now. Request's names and
/// extensions are not looked at.
///
/// Old and new are joined, in one transaction, by a row and an event; the old one's state is asked there again.
///
/// # Errors
/// [`Error::Renewal`]: why not; [`Error::Possession`]; what else keeps a certificate from being issued.
pub async fn renew(services: &Services, profiles: &Arc<Profiles>, new: &NewRenewal) -> Result<Issued, Error> {
    let now = services.clock.now();
    let old = services.store.read(|tx| Box::pin(renewable(tx, &new.certificate, now))).await?;
    let key_sm3 = Certificate::parse(&old.der).map_err(ca::Error::Unreadable).map(|old| sm3(old.public_key.raw))?;
    let since = services.store.read(|tx| Box::pin(renewals::certified_since(tx, &key_sm3))).await?;
    let authority = new.authority.as_ref().unwrap_or(&old.authority);
    let issuer = Arc::new(ReadyIssuer::load(services, authority, now).await?);
    let deciding = {
        let (services, profiles, issuer, new, old) =
            (services.clone(), Arc::clone(profiles), Arc::clone(&issuer), new.clone(), old.clone());
        tokio::task::spawn_blocking(move || decide(&services, &profiles, &issuer, &new, (&old, since), now))
    };
    let (serial, token) = deciding.await.map_err(|_| Error::Interrupted)??;
    let by = (&new.actor, new.request.as_ref());
    let decisions = vec![Decision { serial, token, profile: old.profile.clone(), own_key: None }];
    let signed = Together::sign(services, issuer, by, decisions, now).await?;
    let [issued] = signed.rows() else { return signed.settle(services, Err(Error::Interrupted)).await };
    let supersede_at = new.supersede_after.map(|days| now.plus_days(days.into()));
    let row = &StoredRenewal {
        certificate: issued.sm3,
        renewed: old.sm3,
        renewed_at: now,
        supersede_at,
        settled_at: None,
        version: 1,
    };
    let body = EventBody::CertificateRenewed { certificate_sm3: issued.sm3, renewed_sm3: old.sm3, supersede_at };
    let event = &Event { at: now, actor: new.actor.clone(), request: new.request.clone(), body };
    let together = &signed;
    let steps = services.store.run("keep renewal", |tx| {
        Box::pin(async move {
            // Revoked, suspended or renewed by somebody else meanwhile.
            renewable(tx, &row.renewed, now).await?;
            together.keep(services, tx, now).await?;
            renewals::insert(tx, row).await?;
            audit::append(tx, event).await?;
            Ok::<_, Error>(())
        })
    });
    signed.settle(services, steps.await).await?;
    if new.supersede_after == Some(0) {
        supersede_due(services).await?;
    }
    Ok(issued.into())
}

/// The certificate, where it is active and has no active successor.
async fn renewable(tx: &mut Tx<'_>, sm3: &[u8; 32], now: Timestamp) -> Result<IssuedCertificate, Error> {
    let old = issued_certificates::find_by_sm3(tx, sm3).await?.ok_or(Error::UnknownCertificate)?;
    if old.status != StoredStatus::Active {
        return Err(RenewalError::NotActive { state: old.status.name() }.into());
    }
    for renewal in renewals::of(tx, sm3).await? {
        if is_in_use(tx, &renewal.certificate, now).await? {
            return Err(RenewalError::Repeated.into());
        }
    }
    Ok(old)
}

async fn is_in_use(tx: &mut Tx<'_>, sm3: &[u8; 32], now: Timestamp) -> Result<bool, Error> {
    let Some(found) = issued_certificates::find_by_sm3(tx, sm3).await? else { return Ok(false) };
    Ok(state_of(&found)?.standing(now, (found.not_before, found.not_after)) == Standing::Good)
}

/// Verifies the proof and decides what the new certificate says.
fn decide(
    services: &Services,
    profiles: &Profiles,
    issuer: &ReadyIssuer,
    new: &NewRenewal,
    (old, since): (&IssuedCertificate, Option<Timestamp>),
    now: Timestamp,
) -> Result<([u8; 16], IssuanceToken), Error> {
    let profile = profiles.require(&old.profile).map_err(ca::Error::from)?;
    if profile.rules().authority {
        return Err(Error::AuthorityProfile);
    }
    let certificate = Certificate::parse(&old.der).map_err(ca::Error::Unreadable)?;
    let known = public_key(&certificate.public_key).ok_or(RenewalError::Key)?;
    let certified_since = since.unwrap_or(old.not_before);
    let proved;
    let key = match &new.proof {
        Proof::Request(csr) => {
            let request = Proved::read(csr)?;
            if *request.key() != known {
                return Err(RenewalError::Signature.into());
            }
            RenewedKey::Same { certified_since }
        }
        Proof::Signature(value) => {
            signed(&known, &octets_to_sign(&old.sm3, None), value)?;
            RenewedKey::Same { certified_since }
        }
        Proof::NewKey { csr, signature } => {
            proved = Proved::read(csr)?;
            signed(&known, &octets_to_sign(&old.sm3, Some(csr)), signature)?;
            RenewedKey::New(proved.key())
        }
    };
    let policy = &profile.rules().renewal;
    let renewal = decide_renewal((&certificate, &state_of(old)?), key, profile, policy, now)?;
    let usual = now.plus_seconds(profile.rules().validity.usual.saturating_sub(1));
    let asked = new.not_after.or(renewal.not_after_at_most.map(|_| usual));
    let not_after = match (asked, renewal.not_after_at_most) {
        (Some(asked), Some(most)) => Some(asked.min(most)),
        (asked, _) => asked,
    };
    let serial = serial(&*services.random)?;
    let request = Request {
        profile,
        subject: &renewal.subject,
        alternative_names: &renewal.alternative_names,
        identity: &renewal.identity,
        key: &renewal.key,
        not_before: now,
        not_after,
        serial: &serial,
        transaction: None,
        name_constraints: None,
    };
    let above = issuer.certificate()?;
    let token = prepare(&request, &issuer.as_issuer(&above), (&services.algorithms, now))?;
    Ok((serial, token))
}

/// Refuses a signature that is not by that key over these octets.
fn signed(key: &PublicKey, octets: &[u8], value: &[u8]) -> Result<(), RenewalError> {
    let algorithm = algorithm_of(key).ok_or(RenewalError::Signature)?.signature();
    let right = key.verify(algorithm, octets, &decode_value(algorithm, value).unwrap_or_default());
    if right { Ok(()) } else { Err(RenewalError::Signature) }
}

/// Revokes, as superseded, the old certificates whose overlap with their successors is over; gives how many. One whose
/// successor is not in use any more stays as it is, so that nobody is left without.
///
/// # Errors
/// The store's; what was done before stays done.
pub async fn supersede_due(services: &Services) -> Result<u64, Error> {
    let now = services.clock.now();
    let mut revoked = 0_u64;
    loop {
        let due = services.store.read(|tx| Box::pin(renewals::due(tx, now, PAGE))).await?;
        if due.is_empty() {
            return Ok(revoked);
        }
        for renewal in &due {
            let in_use = services.store.read(|tx| Box::pin(is_in_use(tx, &renewal.certificate, now))).await?;
            if in_use {
                let wanted = Change::Revoke { reason: RevocationReason::Superseded, invalidity_date: None };
                match change(services, (&Actor::Operator, None), &renewal.renewed, wanted).await {
                    Ok(_) => revoked = revoked.saturating_add(1),
                    // Revoked before, ended, or forgotten.
                    Err(Error::CertificateState(_) | Error::UnknownCertificate) => {}
                    Err(error) => return Err(error),
                }
            }
            services.store.run("settle renewal", |tx| Box::pin(renewals::settle(tx, renewal, now))).await?;
        }
    }
}
