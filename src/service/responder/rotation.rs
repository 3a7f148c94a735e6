//! Making and replacing OCSP responders: a key and a short certificate of its own for each authority (RFC 6960 4.2.2.2).
//!
//! What a crash means at each arrow of `make key → intent → sign → keep`: before *intent* nothing happened; between
//! *intent* and *keep* the batch stays open and the next start abandons it, key and certificate never existed for anybody
//! else; *keep* writes key, certificate, responder and events or none of them.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, BatchId, KeyId};
use crate::base::random::array;
use crate::crypto::Signer;
use crate::crypto::digest::sm3;
use crate::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use crate::domain::ca::profile::{AttributeKind, Profile};
use crate::domain::ca::{self, IssuanceToken, Publication};
use crate::domain::key::{KeyAlgorithm, KeyAttributes, KeyPurpose, KeyUse, Owner};
use crate::format::x509::Certificate;
use crate::service::keys::{NewKey, made_bits};
use crate::service::publication::{Error as Refusal, shard_of};
use crate::service::{Error, Services};
use crate::store::authorities::StoredAuthority;
use crate::store::certificates::StoredCertificate;
use crate::store::issuance_batches::{self, encode_items};
use crate::store::issued_certificates::{self, IssuedCertificate, StoredStatus};
use crate::store::responders::{self, StoredResponder};
use crate::store::{audit, authorities, certificates};

/// Characters of an authority's name that stand in its responder's: 64 are the most (RFC 5280 A.1).
const NAME: usize = 48;

/// The authority's responder: the newest one, or, when there is none or two thirds of its time are over, a new one.
///
/// # Errors
/// There is no such authority, or its key may not be used; the profile or the algorithm policy refuses; the store refuses.
pub async fn ensure(
    services: &Services,
    actor: &Actor,
    profile: &Profile,
    id: &AuthorityId,
) -> Result<StoredResponder, Error> {
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let authority = authorities::find(tx, id).await?.ok_or(Refusal::UnknownAuthority)?;
            let newest = responders::newest(tx, id).await?;
            let usable = match &newest {
                Some(responder) => {
                    let wanted = (KeyPurpose::Ocsp, KeyUse::Sign);
                    services.keys.permitted(tx, &responder.key, wanted, now).await.is_ok()
                }
                None => false,
            };
            if let Some(responder) = newest.clone().filter(|responder| usable && is_young(responder, now)) {
                return Ok((authority, newest, Err(responder)));
            }
            let certificate = certificates::find(tx, &authority.certificate).await?.ok_or(Refusal::Certificate)?;
            let purpose = KeyPurpose::CertificateAuthority;
            let signer = services.keys.signer(tx, &authority.key, purpose, now).await?;
            Ok::<_, Error>((authority, newest, Ok((certificate.der, signer))))
        })
    });
    let (authority, before, found) = steps.await?;
    match found {
        Err(young) => Ok(young),
        Ok(above) => {
            let made = make(services, actor, profile, (&authority, before.as_ref()), above).await?;
            services.publication.answers().desks.forget(id);
            Ok(made)
        }
    }
}

fn is_young(responder: &StoredResponder, now: Timestamp) -> bool {
    let lifetime = responder.not_after.unix().saturating_sub(responder.not_before.unix());
    responder.not_before <= now && now < responder.not_before.plus_seconds(lifetime.saturating_mul(2) / 3)
}

/// A responder's key is of the kind of its authority's, so that whoever can check the one can check the other.
fn algorithm_beside(signer: &dyn Signer) -> Result<KeyAlgorithm, Refusal> {
    let all = [KeyAlgorithm::Sm2, KeyAlgorithm::Rsa, KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519];
    let name = signer.public_key().name();
    all.into_iter().find(|algorithm| algorithm.key_name() == name).ok_or(Refusal::Algorithm)
}

/// Key and certificate, signed, not yet kept.
struct Made {
    key_id: KeyId,
    key: NewKey,
    der: Vec<u8>,
    serial: [u8; 16],
    validity: (Timestamp, Timestamp),
}

async fn make(
    services: &Services,
    actor: &Actor,
    profile: &Profile,
    (authority, before): (&StoredAuthority, Option<&StoredResponder>),
    (issuer_der, signer): (Vec<u8>, Arc<dyn Signer>),
) -> Result<StoredResponder, Error> {
    let now = services.clock.now();
    let algorithm = algorithm_beside(&*signer)?;
    let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::Ocsp, algorithm);
    services.keys.permit_software()?;
    services.keys.permit_new(&attributes, made_bits(algorithm), now)?;
    let random = Arc::clone(&services.random);
    let generating = tokio::task::spawn_blocking(move || NewKey::generate(KeyPurpose::Ocsp, algorithm, &*random));
    let key = generating.await.map_err(|_| Error::Interrupted)??;
    let serial: [u8; 16] = array(&*services.random)?;
    let token = decide(services, profile, authority, (&issuer_der, &*signer), (&key, &serial), now)?;
    let validity = (now, token.not_after());

    let batch = BatchId::fresh(now, &*services.random)?;
    let items = [(serial, sm3(token.to_sign()))];
    let event = |body| Event { at: now, actor: actor.clone(), request: None, body };
    let encoded = encode_items(&items);
    let body =
        EventBody::IssuanceIntended { batch: batch.clone(), authority: authority.id.clone(), items: encoded.clone() };
    let (intent, batch_id, id, items) = (&event(body), &batch, &authority.id, &items[..]);
    let steps = services.store.run("intend responder", |tx| {
        Box::pin(async move {
            issuance_batches::record_intent(tx, batch_id, id, items, now).await?;
            audit::append(tx, intent).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await?;

    let outcome = async {
        let to_sign = token.to_sign().to_vec();
        let value = services.pool.sign(signer, to_sign, Arc::clone(&services.random)).await?;
        let der = token.assemble(&value)?;
        let made = Made { key_id: KeyId::fresh(now, &*services.random)?, key, der, serial, validity };
        keep(services, &event, (authority, before), (&made, &attributes), &batch).await
    };
    let outcome = outcome.await;
    if outcome.is_err() {
        let body =
            EventBody::IssuanceAbandoned { batch: batch.clone(), reason: AbandonmentReason::NotKept, items: encoded };
        let closing = &event(body);
        let steps = services.store.run("abandon responder", |tx| {
            Box::pin(async move {
                issuance_batches::abandon(tx, batch_id, now).await?;
                audit::append(tx, closing).await?;
                Ok::<_, Error>(())
            })
        });
        if let Err(error) = steps.await {
            tracing::warn!(code = error.code(), "an intent stays open until the next start");
        }
    }
    outcome
}

/// What the responder's certificate says: within the authority's time, for as long as the profile is used to.
fn decide(
    services: &Services,
    profile: &Profile,
    authority: &StoredAuthority,
    (issuer_der, signer): (&[u8], &dyn Signer),
    (key, serial): (&NewKey, &[u8; 16]),
    now: Timestamp,
) -> Result<IssuanceToken, Error> {
    let certificate = Certificate::parse(issuer_der).map_err(|_| Refusal::Certificate)?;
    let name = authority.name.chars().take(NAME).collect::<String>().trim().to_owned();
    let subject = [(AttributeKind::Organisation, name.clone()), (AttributeKind::CommonName, format!("{name} OCSP"))];
    let usual = now.plus_seconds(profile.rules().validity.usual.saturating_sub(1));
    let public = key.public_key();
    let request = ca::Request {
        profile,
        subject: &subject,
        alternative_names: &[],
        key: &public,
        not_before: now,
        not_after: Some(usual.min(certificate.not_after)),
        serial,
        transaction: None,
        name_constraints: None,
    };
    let issuer_key = signer.public_key();
    let issuer = ca::Issuer {
        certificate: Some(&certificate),
        key: &issuer_key,
        algorithm: signer.algorithm(),
        publication: &Publication::nowhere(),
    };
    Ok(ca::prepare(&request, &issuer, (&services.algorithms, now))?)
}

async fn keep(
    services: &Services,
    event: &(dyn Fn(EventBody) -> Event + Sync),
    (authority, before): (&StoredAuthority, Option<&StoredResponder>),
    (made, attributes): (&Made, &KeyAttributes),
    batch: &BatchId,
) -> Result<StoredResponder, Error> {
    let written = Certificate::parse(&made.der).map_err(|_| Refusal::Certificate)?;
    let (now, digest) = (made.validity.0, sm3(&made.der));
    let row = StoredCertificate {
        sm3: digest,
        serial: made.serial.to_vec(),
        subject: written.subject.raw().to_vec(),
        issuer: written.issuer.raw().to_vec(),
        key: Some(made.key_id.clone()),
        der: made.der.clone(),
        role: "ocsp-responder".to_owned(),
        issued_at: now,
    };
    let issued = IssuedCertificate {
        authority: authority.id.clone(),
        serial: made.serial,
        sm3: digest,
        shard: shard_of(&made.serial, authority),
        profile: "ocsp-responder".to_owned(),
        subject: written.subject.display(),
        not_before: made.validity.0,
        not_after: made.validity.1,
        der: made.der.clone(),
        issued_at: now,
        status: StoredStatus::Active,
        status_since: now,
        status_event: None,
        version: 1,
    };
    let responder = StoredResponder {
        authority: authority.id.clone(),
        certificate: digest,
        key: made.key_id.clone(),
        not_before: made.validity.0,
        not_after: made.validity.1,
        created_at: now,
    };
    let told = event(EventBody::CertificateIssued {
        serial: made.serial.to_vec(),
        issuer_sm3: sm3(written.issuer.raw()),
        certificate_sm3: digest,
        key: Some(made.key_id.clone()),
    });
    let changed = event(EventBody::ResponderChanged {
        authority: authority.id.clone(),
        certificate_sm3: digest,
        key: made.key_id.clone(),
    });
    let (row, issued, kept, told, changed) = (&row, &[issued], &responder, &told, &changed);
    let steps = services.store.run("keep responder", |tx| {
        Box::pin(async move {
            // Another process was faster: one new responder is enough.
            if responders::newest(tx, &authority.id).await?.as_ref() != before {
                return Err(Refusal::InProgress.into());
            }
            let wanted = (KeyPurpose::CertificateAuthority, KeyUse::Sign);
            services.keys.permitted(tx, &authority.key, wanted, now).await?;
            let pair = (&made.key.private, &made.key.public[..]);
            let body = services.keys.keep(tx, &made.key_id, attributes, pair, now).await?;
            audit::append(tx, &event(body)).await?;
            certificates::insert(tx, row).await?;
            issued_certificates::insert_many(tx, issued).await?;
            audit::append(tx, told).await?;
            responders::insert(tx, kept).await?;
            audit::append(tx, changed).await?;
            issuance_batches::complete(tx, batch, now).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await?;
    Ok(responder)
}
