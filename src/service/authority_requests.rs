//! Authorities of ours that somebody else certifies, such as a root that is kept offline: key and request are made here,
//! the certificate is taken in when it comes; and the reverse, a certificate for an authority elsewhere by its request.
//!
//! What a crash means: key and request are kept in one transaction, and so is all that taking in keeps. A certificate for
//! an authority elsewhere is issued as every other one, `prepare → intend → sign → keep`.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, BatchId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::possession::Proved;
use crate::domain::ca::taking_in::{Returned, TakingInError, judge_returned, prepare_request};
use crate::domain::ca::{self, IssuanceToken, Profiles, Request, prepare};
use crate::domain::key::{KeyPurpose, KeyUse, Owner};
use crate::format::keys::write_pem;
use crate::format::x509::Certificate;
use crate::service::authorities::{self, NewAuthority, OwnKey, begin, sign};
use crate::service::issuance::batch::certificate_row;
use crate::service::issuance::issuer::{ReadyIssuer, abandon, reason_of};
use crate::service::issuance::serial;
use crate::service::{Error, Services};
use crate::store::authorities::StoredAuthority;
use crate::store::authority_requests::StoredAuthorityRequest;
use crate::store::certificates::StoredCertificate;
use crate::store::issued_certificates::IssuedCertificate;
use crate::store::{self, Tx, audit, authority_requests, certificates, issuance_batches, issued_certificates};

/// The role of certificates above an authority of ours that are somebody else's.
const ABOVE: &str = "above";

/// Makes the key of an authority, or takes one that is there, and the request for its certificate. The authority waits
/// until the certificate is taken in.
///
/// # Errors
/// The profile or the algorithm policy refuses; the name or the key is taken; the key store or the database fails. Then
/// nothing is there.
pub async fn request(
    services: &Services,
    profiles: &Profiles,
    actor: &Actor,
    new: &NewAuthority,
) -> Result<StoredAuthorityRequest, Error> {
    if new.parent.is_some() {
        return Err(TakingInError::Profile.into());
    }
    let now = services.clock.now();
    let (authority, key) = begin(services, profiles, new, now).await?;
    let profile = profiles.require(&new.profile).map_err(ca::Error::from)?;
    let signer = key.signer();
    let token = prepare_request(profile, &new.subject, (&signer.public_key(), signer.algorithm()))?;
    let value = services.pool.sign(Arc::clone(signer), token.to_sign().to_vec(), services.random.clone()).await?;
    let request = &StoredAuthorityRequest {
        id: authority.id,
        name: authority.name,
        profile: new.profile.clone(),
        key: authority.key,
        csr: token.assemble(&value)?,
        base_url: authority.base_url,
        crl_shards: authority.crl_shards,
        created_at: now,
    };
    let key = &key;
    let steps = services.store.run("request authority", |tx| {
        Box::pin(async move {
            let event = |body| Event { at: now, actor: actor.clone(), request: None, body };
            match key {
                OwnKey::Made(key) => {
                    let attributes = key.attributes(Owner::installation());
                    let pair = (&key.private, &key.public[..]);
                    let body = services.keys.keep(tx, &request.key, &attributes, pair, now).await?;
                    audit::append(tx, &event(body)).await?;
                }
                OwnKey::There(_) => {
                    let wanted = (KeyPurpose::CertificateAuthority, KeyUse::Sign);
                    services.keys.permitted(tx, &request.key, wanted, now).await?;
                }
            }
            authorities::free(tx, (&request.id, &request.key)).await?;
            authority_requests::insert(tx, request).await?;
            audit::append(tx, &event(changed(request, "requested", None))).await?;
            Ok::<_, Error>(())
        })
    });
    authorities::kept(steps.await)?;
    Ok(request.clone())
}

fn changed(request: &StoredAuthorityRequest, change: &str, root: Option<&[u8]>) -> EventBody {
    EventBody::AuthorityRequestChanged {
        authority: request.id.clone(),
        key: request.key.clone(),
        request_sm3: sm3(&request.csr),
        change: change.to_owned(),
        root_sm3: root.map(sm3),
    }
}

/// A request as a file.
#[must_use]
pub fn pem_of_request(der: &[u8]) -> String {
    write_pem(der, "CERTIFICATE REQUEST")
}

/// All that wait, oldest first.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services) -> Result<Vec<StoredAuthorityRequest>, Error> {
    Ok(services.store.read(|tx| Box::pin(authority_requests::all(tx))).await?)
}

async fn find(tx: &mut Tx<'_>, id: &AuthorityId) -> Result<StoredAuthorityRequest, Error> {
    let all = authority_requests::all(tx).await?;
    all.into_iter().find(|request| request.id == *id).ok_or(Error::UnknownAuthorityRequest)
}

/// Waits no more. The key stays: whoever wants it gone destroys it.
///
/// # Errors
/// [`Error::UnknownAuthorityRequest`].
pub async fn withdraw(services: &Services, actor: &Actor, id: &AuthorityId) -> Result<StoredAuthorityRequest, Error> {
    let now = services.clock.now();
    let steps = services.store.run("withdraw authority request", |tx| {
        Box::pin(async move {
            let request = find(tx, id).await?;
            authority_requests::remove(tx, id).await?;
            let body = changed(&request, "withdrawn", None);
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            Ok::<_, Error>(request)
        })
    });
    steps.await
}

/// What came back from outside, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenIn {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The root, DER.
    pub root: Vec<u8>,
    /// Those between both, DER.
    pub between: Vec<Vec<u8>>,
}

/// Takes in the certificate of an authority that waits: from now on the authority issues.
///
/// # Errors
/// [`Error::UnknownAuthorityRequest`]; [`Error::TakingIn`]: it is not the certificate that was asked for, or finds no path
/// to the root; its key may not sign now; the database's. Then the authority waits on.
pub async fn take_in(
    services: &Services,
    profiles: &Profiles,
    actor: &Actor,
    (id, given): (&AuthorityId, &TakenIn),
) -> Result<StoredAuthority, Error> {
    let now = services.clock.now();
    let request = &services.store.read(|tx| Box::pin(find(tx, id))).await?;
    let profile = profiles.require(&request.profile).map_err(ca::Error::from)?.clone();
    let (csr, judged) = (request.csr.clone(), given.clone());
    let judging = tokio::task::spawn_blocking(move || {
        let TakenIn { certificate, root, between } = &judged;
        judge_returned(&profile, &csr, &Returned { certificate, root, between }, now)
    });
    judging.await.map_err(|_| Error::Interrupted)??;
    let own =
        StoredCertificate { key: Some(request.key.clone()), ..stored(&given.certificate, authorities::ROLE, now)? };
    let above = given.between.iter().chain([&given.root]).map(|der| stored(der, ABOVE, now));
    let (own, above) = (&own, &above.collect::<Result<Vec<_>, _>>()?);
    let authority = &StoredAuthority {
        id: request.id.clone(),
        name: request.name.clone(),
        certificate: own.sm3,
        key: request.key.clone(),
        parent: None,
        base_url: request.base_url.clone(),
        crl_shards: request.crl_shards,
        created_at: now,
        retired_at: None,
        version: 1,
    };
    let steps = services.store.run("take in authority", |tx| {
        Box::pin(async move {
            // The same request as was judged, and its key not put to rest since.
            if find(tx, id).await? != *request {
                return Err(Error::UnknownAuthorityRequest);
            }
            let wanted = (KeyPurpose::CertificateAuthority, KeyUse::Sign);
            services.keys.permitted(tx, &request.key, wanted, now).await?;
            authority_requests::remove(tx, id).await?;
            for row in above {
                if certificates::find(tx, &row.sm3).await?.is_none() {
                    certificates::insert(tx, row).await?;
                }
            }
            certificates::insert(tx, own).await?;
            store::authorities::insert(tx, authority).await?;
            let created = EventBody::AuthorityCreated {
                authority: authority.id.clone(),
                certificate_sm3: authority.certificate,
                key: authority.key.clone(),
                parent: None,
            };
            for body in [changed(request, "taken-in", Some(&given.root)), created] {
                audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            }
            Ok::<_, Error>(())
        })
    });
    authorities::kept(steps.await)?;
    Ok(authority.clone())
}

fn stored(der: &[u8], role: &str, now: Timestamp) -> Result<StoredCertificate, Error> {
    let read = Certificate::parse(der).map_err(ca::Error::Unreadable)?;
    Ok(StoredCertificate {
        sm3: sm3(der),
        serial: read.serial.to_vec(),
        subject: read.subject.raw().to_vec(),
        issuer: read.issuer.raw().to_vec(),
        key: None,
        der: der.to_vec(),
        role: role.to_owned(),
        issued_at: now,
    })
}

/// An order to certify an authority elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideOrder {
    /// Who certifies.
    pub issuer: AuthorityId,
    /// Its request of PKCS#10, DER.
    pub csr: Vec<u8>,
    /// Under which profile: one of authorities below others.
    pub profile: String,
    /// End of validity; the profile's usual one where nothing is told.
    pub not_after: Option<Timestamp>,
}

/// Certifies an authority elsewhere by its request: when the certificate is given, it and its events are durable.
///
/// # Errors
/// The issuer may not issue; the request does not prove that its key is held; the profile, the algorithm policy or a lint
/// rule refuses; the key store or the database fails. Then nothing is there.
pub async fn certify(
    services: &Services,
    profiles: &Profiles,
    actor: &Actor,
    order: &OutsideOrder,
) -> Result<IssuedCertificate, Error> {
    let now = services.clock.now();
    let issuer = Arc::new(ReadyIssuer::load(services, &order.issuer, now).await?);
    let (serial, token) = decide(services, profiles, order, &issuer, now).await?;
    let items = [(serial, sm3(token.to_sign()))];
    let batch = issuer.intend(services, (actor, None), &items, now).await?;
    let finish = async {
        let value = sign(services, &issuer.signer, &token).await?;
        let (row, issuer_sm3) = certificate_row(&issuer, (token, &value), serial, &order.profile, now)?;
        keep(services, actor, &issuer, (&row, issuer_sm3, &batch), now).await?;
        Ok(row)
    };
    let outcome = finish.await;
    if let Err(error) = &outcome {
        abandon(services, &batch, &items, reason_of(error)).await;
    }
    outcome
}

async fn decide(
    services: &Services,
    profiles: &Profiles,
    order: &OutsideOrder,
    issuer: &Arc<ReadyIssuer>,
    now: Timestamp,
) -> Result<([u8; 16], IssuanceToken), Error> {
    let profile = profiles.require(&order.profile).map_err(ca::Error::from)?.clone();
    if !profile.rules().authority {
        return Err(Error::AuthorityProfile);
    }
    let serial = serial(&*services.random)?;
    let (order, issuer, algorithms) = (order.clone(), Arc::clone(issuer), Arc::clone(&services.algorithms));
    let deciding = tokio::task::spawn_blocking(move || {
        let proved = Proved::read(&order.csr)?;
        let asked = proved.asked(&profile)?;
        let request = Request {
            profile: &profile,
            subject: &asked.subject,
            alternative_names: &asked.alternative_names,
            identity: &asked.identity,
            key: &asked.key,
            not_before: now,
            not_after: order.not_after,
            serial: &serial,
            transaction: None,
            name_constraints: None,
        };
        let certificate = issuer.certificate()?;
        Ok::<_, Error>(prepare(&request, &issuer.as_issuer(&certificate), (&algorithms, now))?)
    });
    Ok((serial, deciding.await.map_err(|_| Error::Interrupted)??))
}

async fn keep(
    services: &Services,
    actor: &Actor,
    issuer: &ReadyIssuer,
    (row, issuer_sm3, batch): (&IssuedCertificate, [u8; 32], &BatchId),
    now: Timestamp,
) -> Result<(), Error> {
    let body =
        EventBody::CertificateIssued { serial: row.serial.to_vec(), issuer_sm3, certificate_sm3: row.sm3, key: None };
    let event = &Event { at: now, actor: actor.clone(), request: None, body };
    let steps = services.store.run("keep certificate of an authority elsewhere", |tx| {
        Box::pin(async move {
            // Retired, revoked or suspended since the intent, the issuer or its key: nothing is released.
            issuer.still_may(services, tx, now).await?;
            issued_certificates::insert_many(tx, std::slice::from_ref(row)).await?;
            issuance_batches::complete(tx, batch, now).await?;
            audit::append(tx, event).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await
}
