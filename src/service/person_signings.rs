//! Persons sign (市民与办事人员签名): a key that lives in memory for one act, a certificate for the digest of that one transaction,
//! the handwriting as a stamp, and a time stamp where the installation makes them.
//!
//! Who the person is and how surely that was proven is the statement of the caller; it is logged as such. The certificate, the
//! result and the answer are kept in one transaction.
//!
//! What a crash means at each arrow of `reserve → decide → intend → certify → make the seal → sign → stamp → keep → answer`:
//! before *intend* nothing happened; between *intend* and *keep* the key is gone with the process, certificate, seal and value
//! were never released, and the next start abandons both intents and frees the idempotency key; after *keep* the same
//! idempotency key gets the same document again.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId, SignatureId};
use crate::base::limits::Limits;
use crate::crypto::Signer;
use crate::crypto::digest::{hex, sm3};
use crate::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::{self, Profiles, Request, Transaction, prepare};
use crate::domain::caller::Role;
use crate::domain::key::{KeyAlgorithm, KeyPurpose, KeyUse, Owner};
use crate::domain::seal::maker::{self, SealForm, SealRequest, SignerList};
use crate::domain::seal::person::{self, PersonDraft, PersonRefused, PersonRules, StatedPerson};
use crate::domain::seal::signing::{self, SealedDocument};
use crate::domain::seal::stamp_plan::StampPlan;
use crate::format::x509::event::{BoundDigest, EventStatement};
use crate::render::seal::Trust;
use crate::service::door::ErrorKind;
use crate::service::idempotency::{self, Reservation};
use crate::service::issuance::issuer::ReadyIssuer;
use crate::service::issuance::serial;
use crate::service::issuance::together::{Decision, Together};
use crate::service::keys::NewKey;
use crate::service::pictures::{PictureError, written};
use crate::service::seal_fulfilment::maker_in;
use crate::service::seals::Sealed;
use crate::service::stamping::{self, Stamping};
use crate::service::{Error, Services};
use crate::store::outbox::StoredMessage;
use crate::store::{audit, outbox, person_signings};

/// The built-in profile of the certificates.
pub const PROFILE: &str = "event";
/// The type of the seals that show handwriting: none of those that organisations have.
const KIND: u8 = 99;

/// What an installation says of persons who sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSettings {
    /// What is asked of them.
    pub rules: PersonRules,
    /// Under development trust their handwriting carries 样章.
    pub pictures: Trust,
}

/// Why a person does not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PersonError {
    /// The settings name no authority for persons.
    #[error("persons do not sign here")]
    Off,
    /// The caller does not hold the role.
    #[error("the caller does not hold the role person-signer")]
    NotPersonSigner,
    /// What is stated of the person.
    #[error(transparent)]
    Refused(#[from] PersonRefused),
    /// The handwriting.
    #[error(transparent)]
    Handwriting(#[from] PictureError),
    /// A signature that locks the document lets no seal come beside it.
    #[error("a person's signature does not lock the document: the organisation's seal comes beside it")]
    Lock,
    /// The stamping unit gave no token for this value.
    #[error("the signature got no time stamp")]
    NotStamped,
}

impl PersonError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Off => "person-signing-off",
            Self::NotPersonSigner => "not-person-signer",
            Self::Refused(refused) => refused.code(),
            Self::Handwriting(error) => error.code(),
            Self::Lock => "person-lock",
            Self::NotStamped => "person-not-stamped",
        }
    }

    /// Which sort of refusal it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Off => ErrorKind::NotFound,
            Self::NotPersonSigner => ErrorKind::Forbidden,
            Self::NotStamped => ErrorKind::Unavailable,
            Self::Refused(_) | Self::Handwriting(_) | Self::Lock => ErrorKind::Refused,
        }
    }
}

/// What is asked when a person signs.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonOrder {
    /// The document.
    pub document: Vec<u8>,
    /// Where the handwriting goes.
    pub plan: StampPlan,
    /// The picture of the handwriting, as it was taken.
    pub handwriting: Vec<u8>,
    /// How large it is shown, width and height in millimetres.
    pub size_mm: (u16, u16),
    /// Who signs.
    pub person: StatedPerson,
    /// The same key with the same content gives the same answer; needs a caller.
    pub idempotency_key: Option<String>,
}

/// What persons sign with here.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The profiles in force.
    pub profiles: &'a Profiles,
    /// Stamps the time, where the installation does that.
    pub stamping: Option<&'a Stamping>,
}

/// Who asks, in which request.
type By<'a> = (&'a Actor, Option<&'a RequestId>);

/// A person signs a document.
///
/// # Errors
/// [`PersonError`]; the document or the place does not allow it, the authority or the maker does not do it; then nothing was
/// released.
pub async fn sign(services: &Services, means: Means<'_>, by: By<'_>, order: PersonOrder) -> Result<Sealed, Error> {
    let settings = services.persons.clone().ok_or(PersonError::Off)?;
    let caller = match by.0 {
        Actor::Caller { id, roles } if roles.contains(Role::PersonSigner) => Some(id),
        Actor::Operator => None,
        Actor::Caller { .. } | Actor::Anonymous => return Err(PersonError::NotPersonSigner.into()),
    };
    let reserved = match (caller, &order.idempotency_key) {
        (Some(caller), Some(key)) => Some((caller, key.clone())),
        _ => None,
    };
    if let Some((caller, key)) = &reserved
        && let Reservation::Done { response, events, .. } =
            idempotency::reserve(services, caller, key, &digest_of(&order)).await?
    {
        idempotency::receipt_again(services, by.1, &events).await;
        return Sealed::decoded(&response).ok_or(Error::AnswerUnreadable);
    }
    let reserved = reserved.as_ref().map(|(caller, key)| (*caller, key.as_str()));
    // Boxed, as below: together these steps are more than a small stack holds.
    let outcome = Box::pin(sign_once(services, (&settings, means), by, order, reserved)).await;
    idempotency::free_where_failed(services, reserved, outcome).await
}

/// What makes two orders the same.
fn digest_of(order: &PersonOrder) -> [u8; 32] {
    let PersonOrder { document, plan, handwriting, size_mm, person, .. } = order;
    let (document, handwriting) = (hex(&sm3(document)), hex(&sm3(handwriting)));
    let text = format!("person|{}|{document}|{handwriting}|{size_mm:?}|{person:?}", plan.named());
    sm3(text.as_bytes())
}

/// One act, decided.
struct Act {
    signature: SignatureId,
    person: StatedPerson,
    statement: EventStatement,
    draft: PersonDraft,
    picture: Vec<u8>,
    size_mm: (u16, u16),
    document_sm3: [u8; 32],
    now: Timestamp,
}

async fn sign_once(
    services: &Services,
    (settings, means): (&PersonSettings, Means<'_>),
    by: By<'_>,
    order: PersonOrder,
    reserved: Option<(&CallerId, &str)>,
) -> Result<Sealed, Error> {
    let now = services.clock.now();
    settings.rules.permit(&order.person, now).map_err(PersonError::from)?;
    if order.plan.lock {
        return Err(PersonError::Lock.into());
    }
    services.keys.permit_software()?;
    let signature = SignatureId::fresh(now, &*services.random)?;
    let PersonOrder { document, plan, handwriting, size_mm, person, .. } = order;
    let (document_sm3, pictures) = (sm3(&document), settings.pictures);
    let preparing = tokio::task::spawn_blocking(move || {
        let picture = written(&handwriting, size_mm, pictures).map_err(PersonError::from)?;
        let draft = person::prepare(&document, size_mm, &plan, now, &Limits::DEFAULT)?;
        Ok::<_, Error>((picture.png, draft))
    });
    let (picture, draft) = preparing.await.map_err(|_| Error::Interrupted)??;
    let statement = EventStatement {
        transaction: signature.clone(),
        digest: BoundDigest::Sm3,
        level: person.level,
        procedure: person.procedure.clone(),
        proven_at: person.proven_at,
        person: person.person.clone(),
    };
    let act = Act { signature, person, statement, draft, picture, size_mm, document_sm3, now };
    let issuer = Arc::new(ReadyIssuer::load(services, &settings.rules.authority, now).await?);
    let (key, decision) = decide(services, means.profiles, (&issuer, settings), &act).await?;
    intend(services, by, &act).await?;
    let signature = act.signature.clone();
    let outcome = Box::pin(release(services, means, by, (act, issuer, decision, key), reserved)).await;
    if let Err(error) = &outcome {
        abandon(services, by, &signature, reason_of(error)).await;
    }
    outcome
}

/// Makes the key of the act, and decides what its certificate says.
async fn decide(
    services: &Services,
    profiles: &Profiles,
    (issuer, settings): (&Arc<ReadyIssuer>, &PersonSettings),
    act: &Act,
) -> Result<(NewKey, Decision), Error> {
    let profile = profiles.require(PROFILE).map_err(ca::Error::from)?.clone();
    // Where officers approve each certificate, none is issued for an act of minutes.
    if profile.rules().approval.is_some() {
        return Err(Error::ApprovalNeeded);
    }
    let end = act.now.plus_seconds(i64::from(settings.rules.minutes).saturating_mul(60));
    let subject = vec![
        (AttributeKind::SerialNumber, act.signature.to_string()),
        (AttributeKind::CommonName, act.person.name.clone()),
    ];
    let (now, digest, statement) = (act.now, *act.draft.digest(), act.statement.clone());
    let (services, issuer) = (services.clone(), Arc::clone(issuer));
    let deciding = tokio::task::spawn_blocking(move || {
        let key = NewKey::generate(KeyPurpose::EventSigning, KeyAlgorithm::Sm2, &*services.random)?;
        services.keys.permit_pair(&key.attributes(Owner::installation()), &key.public, now)?;
        let (above, serial, public) = (issuer.certificate()?, serial(&*services.random)?, key.public_key());
        let request = Request {
            profile: &profile,
            subject: &subject,
            alternative_names: &[],
            identity: &[],
            key: &public,
            not_before: now,
            not_after: Some(end),
            serial: &serial,
            transaction: Some(Transaction { digest: &digest, statement: Some(&statement) }),
            name_constraints: None,
        };
        let token = prepare(&request, &issuer.as_issuer(&above), (&services.algorithms, now))?;
        Ok::<_, Error>((key, Decision { serial, token, profile: PROFILE.to_owned(), own_key: None }))
    });
    deciding.await.map_err(|_| Error::Interrupted)?
}

/// Keeps the intent, before the key of the act is used.
async fn intend(services: &Services, (actor, request): By<'_>, act: &Act) -> Result<(), Error> {
    let (now, signature) = (act.now, &act.signature);
    let body = EventBody::PersonSigningIntended {
        signature: signature.clone(),
        document_sm3: act.document_sm3,
        level: u64::from(act.person.level.number()),
        procedure: act.person.procedure.clone(),
        proven_at: act.person.proven_at,
        statement_sm3: sm3(act.statement.to_text().as_bytes()),
    };
    let intent = &Event { at: now, actor: actor.clone(), request: request.cloned(), body };
    let what = (&act.document_sm3, act.person.level);
    let steps = services.store.run("intend person's signing", |tx| {
        Box::pin(async move {
            person_signings::record_intent(tx, signature, what, now).await?;
            audit::append(tx, intent).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await
}

/// From the intent to the released document.
async fn release(
    services: &Services,
    means: Means<'_>,
    by: By<'_>,
    (act, issuer, decision, key): (Act, Arc<ReadyIssuer>, Decision, NewKey),
    reserved: Option<(&CallerId, &str)>,
) -> Result<Sealed, Error> {
    let together = Together::sign(services, issuer, by, vec![decision], act.now).await?;
    let outcome = Box::pin(finish(services, means, by, (act, &together, key), reserved)).await;
    together.settle(services, outcome).await
}

async fn finish(
    services: &Services,
    means: Means<'_>,
    (actor, request): By<'_>,
    (act, together, key): (Act, &Together, NewKey),
    reserved: Option<(&CallerId, &str)>,
) -> Result<Sealed, Error> {
    let [certificate] = together.rows() else { return Err(Error::UnknownCertificate) };
    let (seal, maker) = make_seal(services, &act, (&certificate.der, certificate.not_after)).await?;
    let token = act.draft.into_token(&seal, &certificate.der)?;
    let signer: Arc<dyn Signer> = Arc::clone(&key.signer);
    services.keys.permit_signature(&*signer, act.now)?;
    let value = services.pool.sign(signer, token.to_sign().to_vec(), Arc::clone(&services.random)).await?;
    // It has signed once. What is left of it is wiped.
    drop(key);
    let value = token.value(&value)?;
    let stamp = match means.stamping.filter(|stamping| !stamping.is_idle()) {
        Some(stamping) => Some(stamping.token_over(value.octets()).await.map_err(|error| match error {
            Error::Stamping(stamping::Error::NotGranted) => PersonError::NotStamped.into(),
            error => error,
        })?),
        None => None,
    };
    let assembled = tokio::task::spawn_blocking(move || value.assemble(stamp.as_deref()));
    let SealedDocument { document, signed_value, .. } = assembled.await.map_err(|_| Error::Interrupted)??;
    let (now, result_sm3, signature) = (services.clock.now(), sm3(&document), &act.signature);
    let body = EventBody::PersonSigned {
        signature: signature.clone(),
        document_sm3: act.document_sm3,
        certificate_sm3: certificate.sm3,
        seal_sm3: sm3(&seal),
        signed_value_sm3: sm3(&signed_value),
        result_sm3,
    };
    let done = Event { at: now, actor: actor.clone(), request: request.cloned(), body };
    let message = StoredMessage {
        id: signature.to_string(),
        topic: "person-signed".to_owned(),
        payload: done.to_der(),
        created_at: now,
    };
    let answer = Sealed { signature: signature.clone(), signed_at: act.now, document };
    let kept = reserved.map(|_| answer.encoded());
    let (done, message, kept, maker) = (&done, &message, &kept, &maker);
    let steps = services.store.run("keep person's signature", |tx| {
        Box::pin(async move {
            // Suspended, revoked or put to rest since the intent, the authority or the maker: nothing is released.
            together.keep(services, tx, now).await?;
            services.keys.permitted(tx, maker, (KeyPurpose::SealMaking, KeyUse::Sign), now).await?;
            person_signings::complete(tx, signature, (&certificate.sm3, &result_sm3), now).await?;
            audit::append(tx, done).await?;
            outbox::push(tx, message).await?;
            if let (Some((caller, key)), Some(kept)) = (reserved, kept) {
                let answer = (caller, key, done.request.as_ref(), kept.as_slice());
                crate::store::idempotency::complete(tx, answer, 200).await?;
            }
            Ok::<_, Error>(())
        })
    });
    steps.await?;
    Ok(answer)
}

/// The maker's key signs the seal of the act, which shows the handwriting and lists its certificate alone.
async fn make_seal(
    services: &Services,
    act: &Act,
    (certificate, until): (&[u8], Timestamp),
) -> Result<(Vec<u8>, crate::base::id::KeyId), Error> {
    let now = act.now;
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let (key, der) = maker_in(services, tx, now).await?;
            let signer = services.keys.signer(tx, &key, KeyPurpose::SealMaking, now).await?;
            Ok::<_, Error>((key, der, signer))
        })
    });
    let (key, maker_der, signer) = steps.await?;
    let request = SealRequest {
        kind: KIND,
        es_id: act.signature.as_str(),
        name: &act.person.name,
        signers: &[certificate],
        created: now,
        valid_end: until,
        picture_type: "png",
        picture: &act.picture,
        size_mm: act.size_mm,
        form: SealForm::V4,
        list: SignerList::Certificates,
    };
    let how = (signer.algorithm(), &*services.algorithms);
    let token = maker::prepare_of_person(&request, &act.signature, &maker_der, how)?;
    let value = services.pool.sign(signer, token.to_sign().to_vec(), Arc::clone(&services.random)).await?;
    let assembled = tokio::task::spawn_blocking(move || token.assemble(&value));
    Ok((assembled.await.map_err(|_| Error::Interrupted)??, key))
}

/// Closes an intent of which nothing was released; the next start does it where this fails.
async fn abandon(services: &Services, (actor, request): By<'_>, signature: &SignatureId, reason: AbandonmentReason) {
    let now = services.clock.now();
    let body = EventBody::PersonSigningAbandoned { signature: signature.clone(), reason };
    let closing = &Event { at: now, actor: actor.clone(), request: request.cloned(), body };
    let steps = services.store.run("abandon person's signing", |tx| {
        Box::pin(async move {
            person_signings::abandon(tx, signature, now).await?;
            audit::append(tx, closing).await?;
            Ok::<_, Error>(())
        })
    });
    if let Err(error) = steps.await {
        tracing::warn!(code = error.code(), "an intent stays open until the next start");
    }
}

const fn reason_of(error: &Error) -> AbandonmentReason {
    match error {
        Error::Issuance(ca::Error::Signature) | Error::Making(maker::Error::Signature) => {
            AbandonmentReason::SelfCheckFailed
        }
        Error::Signing(signing::Error::Signature) => AbandonmentReason::SelfCheckFailed,
        Error::Signing(_) => AbandonmentReason::DocumentNotWritten,
        Error::Keys(_) | Error::Interrupted | Error::NoSealMaker => AbandonmentReason::KeyFailed,
        _ => AbandonmentReason::NotKept,
    }
}
