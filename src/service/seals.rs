//! Using seals: status, and sealing a document with intent before and result after (product contract 5).
//!
//! What a crash means at each arrow of `reserve → decide → intent → sign → result → answer`: before *intent* nothing
//! happened; between *intent* and *result* the next start abandons the intent and frees the idempotency key, and a
//! value that may exist was never released; after *result* the same idempotency key gets the same document again.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, KeyId, RequestId, SealId, SignatureId};
use crate::base::limits::Limits;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{hex, sm3};
use crate::domain::audit::{AbandonmentReason, Actor, Event, EventBody, SuspensionReason};
use crate::domain::key::{KeyPurpose, KeyUse};
use crate::domain::seal::signing;
use crate::domain::seal::stamp_plan::StampPlan;
use crate::domain::seal::taking;
use crate::domain::seal::{InvalidTransition, State};
use crate::domain::trust::key::public_key;
use crate::format::keys::read_pem;
use crate::format::ses::SesSeal;
use crate::format::x509::Certificate;
use crate::service::callers::algorithm_of as key_algorithm;
use crate::service::idempotency::{self, Reservation};
use crate::service::seal_expiry::by_the_clock;
use crate::service::seal_uses::{self, UsePurpose, Wish};
use crate::service::{Error, Services, seal_changes};
use crate::store::alarms::StoredAlarm;
use crate::store::certificates::StoredCertificate;
use crate::store::outbox::StoredMessage;
use crate::store::seals::StoredSeal;
use crate::store::{self, alarms, audit, certificates, outbox, seal_records, seals, signatures};

/// How a seal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its name here.
    pub id: SealId,
    /// `esID`.
    pub es_id: String,
    /// What it is called.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Start of its validity.
    pub valid_from: Timestamp,
    /// End of its validity.
    pub valid_to: Timestamp,
    /// SM3 of its signer's certificate, hexadecimal; empty where the signer is not ours.
    pub certificate_sm3: String,
}

/// What is asked when a document is sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The document.
    pub document: Vec<u8>,
    /// Where the stamps go.
    pub plan: StampPlan,
    /// The same key with the same content gives the same answer; needs a caller.
    pub idempotency_key: Option<String>,
    /// What the seal is used for.
    pub purpose: UsePurpose,
}

/// A sealed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Names the act of signing.
    pub signature: SignatureId,
    /// When.
    pub signed_at: Timestamp,
    /// The document.
    pub document: Vec<u8>,
}

/// The seal of that name and the certificate of its signer.
async fn find(services: &Services, id: &SealId) -> Result<(StoredSeal, Option<Vec<u8>>), Error> {
    let now = services.clock.now();
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let seal = by_the_clock(seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?, now);
            let certificate = match &seal.signer_key {
                Some(key) => certificates::of_key(tx, key).await?.into_iter().next().map(|row| row.der),
                None => None,
            };
            Ok::<_, Error>((seal, certificate))
        })
    });
    steps.await
}

/// Takes in a seal that a maker elsewhere made for a key of ours (DER), with the certificate by which that key uses it
/// (PEM or DER).
///
/// Does not ask whether the maker is trusted.
///
/// # Errors
/// The key is unknown, not for seals, or not to be used now; seal, certificate and key do not belong together; a seal of
/// that number, or that certificate, is here already.
pub async fn take(
    services: &Services,
    actor: &Actor,
    (seal_der, certificate): (&[u8], &[u8]),
    key: &KeyId,
) -> Result<SealId, Error> {
    let pem = std::str::from_utf8(certificate).ok().and_then(|text| read_pem(text, "CERTIFICATE"));
    let pem = pem.and_then(|ders| ders.into_iter().next());
    let certificate_der = pem.as_deref().unwrap_or(certificate);
    let now = services.clock.now();
    let id = SealId::fresh(now, &*services.random)?;
    let taken = services.store.run("take seal", |tx| {
        let id = id.clone();
        Box::pin(async move {
            let row = services.keys.permitted(tx, key, (KeyPurpose::SealSigning, KeyUse::Sign), now).await?;
            let (seal, signer) = taking::examine(seal_der, certificate_der, &row.public_key)?;
            let certificate = StoredCertificate {
                sm3: sm3(certificate_der),
                serial: signer.serial.to_vec(),
                subject: signer.subject.raw().to_vec(),
                issuer: signer.issuer.raw().to_vec(),
                key: Some(key.clone()),
                der: certificate_der.to_vec(),
                role: "signer".to_owned(),
                issued_at: now,
            };
            let kept = StoredSeal {
                id: id.clone(),
                es_id: seal.es_id.to_owned(),
                name: seal.name.to_owned(),
                seal_der: seal_der.to_vec(),
                signer_key: Some(key.clone()),
                state: State::Active { since: now },
                version: 1,
            };
            let body = EventBody::SealTaken {
                seal: id,
                seal_sm3: sm3(seal_der),
                signer: key.clone(),
                certificate_sm3: certificate.sm3,
            };
            certificates::insert(tx, &certificate).await?;
            seals::insert(tx, &kept).await?;
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            Ok::<_, Error>(())
        })
    });
    match taken.await {
        Ok(()) => Ok(id),
        Err(Error::Store(store::Error::Conflict { .. })) => Err(Error::SealExists),
        Err(error) => Err(error),
    }
}

/// How a seal stands now (状态查询).
///
/// # Errors
/// [`Error::UnknownSeal`].
pub async fn status(services: &Services, id: &SealId) -> Result<Status, Error> {
    let (seal, certificate) = find(services, id).await?;
    let parsed = SesSeal::parse_any(&seal.seal_der).map_err(signing::Error::from)?;
    Ok(Status {
        valid_from: parsed.valid_start,
        valid_to: parsed.valid_end,
        certificate_sm3: certificate.map(|der| hex(&sm3(&der))).unwrap_or_default(),
        id: seal.id,
        es_id: seal.es_id,
        name: seal.name,
        state: seal.state,
    })
}

/// Lets a seal rest (冻结): from the next request on it is refused.
///
/// # Errors
/// [`Error::UnknownSeal`]; it is not active.
pub async fn suspend(
    services: &Services,
    actor: &Actor,
    id: &SealId,
    reason: SuspensionReason,
) -> Result<State, Error> {
    change(services, actor, id, |state, now| state.suspend(id, now, reason)).await
}

/// Takes a resting seal back into use (解冻).
///
/// # Errors
/// [`Error::UnknownSeal`]; it is not suspended; [`Error::SealApprovalNeeded`]: it was made for an application, so two persons
/// resume it (`seal_fulfilment`).
pub async fn resume(services: &Services, actor: &Actor, id: &SealId) -> Result<State, Error> {
    let now = services.clock.now();
    let steps = services.store.run("resume seal", |tx| {
        Box::pin(async move {
            if let Some(StoredAlarm { number: alarm, .. }) = alarms::holding(tx, id).await? {
                return Err(Error::SealHeld { alarm });
            }
            if seal_records::find(tx, id).await?.is_some() {
                return Err(Error::SealApprovalNeeded);
            }
            let seal = by_the_clock(seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?, now);
            let (state, body) = seal.state.clone().resume(id, now)?;
            seal_changes::change_state(tx, &seal, state.clone()).await?;
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            Ok::<_, Error>(state)
        })
    });
    steps.await
}

type Next = Result<(State, EventBody), InvalidTransition>;

async fn change(
    services: &Services,
    actor: &Actor,
    id: &SealId,
    next: impl Fn(State, Timestamp) -> Next + Sync,
) -> Result<State, Error> {
    let (now, next) = (services.clock.now(), &next);
    let steps = services.store.run("change seal", |tx| {
        Box::pin(async move {
            let seal = by_the_clock(seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?, now);
            let (state, body) = next(seal.state.clone(), now)?;
            seal_changes::change_state(tx, &seal, state.clone()).await?;
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            Ok::<_, Error>(state)
        })
    });
    steps.await
}

/// Seals a document (签章).
///
/// # Errors
/// The seal's state, the document or the place does not allow it, and nothing was signed; or the key or the store
/// failed, and nothing was released.
pub async fn sign(
    services: &Services,
    actor: &Actor,
    request: Option<&RequestId>,
    seal: &SealId,
    order: Order,
) -> Result<Sealed, Error> {
    let (document_sm3, caller) = (sm3(&order.document), caller(actor));
    let reserved = match (caller, &order.idempotency_key) {
        (Some(caller), Some(key)) => Some((caller, key.clone())),
        _ => None,
    };
    if let Some((caller, key)) = &reserved {
        let asked = digest_of(seal, &order, &document_sm3);
        if let Reservation::Done { response, events, .. } = idempotency::reserve(services, caller, key, &asked).await? {
            let sealed = match Kept::decoded(&response) {
                Some(kept) => again(services, seal, order, kept).await?,
                // Of a program before this one, which kept the document.
                None => Sealed::decoded(&response).ok_or(Error::AnswerUnreadable)?,
            };
            idempotency::receipt_again(services, request, &events).await;
            return Ok(sealed);
        }
    }
    let outcome = sign_once(services, (actor, request), seal, order, document_sm3, reserved.as_ref()).await;
    let reserved = reserved.as_ref().map(|(caller, key)| (*caller, key.as_str()));
    idempotency::free_where_failed(services, reserved, outcome).await
}

/// How a signer of that certificate signs seals.
pub(in crate::service) fn algorithm_of(certificate: &[u8]) -> Result<SignatureAlgorithm, Error> {
    let read = Certificate::parse(certificate).map_err(|_| signing::Error::Certificate)?;
    let key = public_key(&read.public_key).ok_or(signing::Error::Certificate)?;
    Ok(key_algorithm(&key).ok_or(signing::Error::Certificate)?.signature())
}

/// The answer of before, made again from the document that came again and the value that the key gave then: the same octets, or
/// an error where another version of this program writes the package otherwise.
async fn again(services: &Services, id: &SealId, order: Order, kept: Kept) -> Result<Sealed, Error> {
    let certificate_sm3 = &kept.certificate_sm3;
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let seal = seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?;
            let certificate = certificates::find(tx, certificate_sm3).await?.ok_or(Error::AnswerUnreadable)?;
            Ok::<_, Error>((seal.seal_der, certificate.der))
        })
    });
    let (seal_der, certificate) = steps.await?;
    let algorithm = algorithm_of(&certificate)?;
    let (plan, document, prepared_at, value) = (order.plan, order.document, kept.prepared_at, kept.value);
    let assembled = tokio::task::spawn_blocking(move || {
        signing::prepare(&document, &seal_der, &certificate, algorithm, &plan, prepared_at, &Limits::DEFAULT)?
            .assemble(&value)
    });
    match assembled.await.map_err(|_| Error::Interrupted)? {
        Ok(sealed) if sm3(&sealed.document) == kept.result_sm3 => {
            Ok(Sealed { signature: kept.signature, signed_at: kept.signed_at, document: sealed.document })
        }
        Ok(_) | Err(_) => Err(Error::AnswerNotRemade { signature: kept.signature }),
    }
}

async fn sign_once(
    services: &Services,
    (actor, request): (&Actor, Option<&RequestId>),
    id: &SealId,
    order: Order,
    document_sm3: [u8; 32],
    reserved: Option<&(&CallerId, String)>,
) -> Result<Sealed, Error> {
    let (seal, certificate) = find(services, id).await?;
    seal.state.may_sign()?;
    let wish = &Wish { actor, seal: id, document_sm3, purpose: &order.purpose };
    // Before the work that a document makes; asked again with the intent.
    services.permit_use(wish).await?;
    let (Some(key), Some(certificate)) = (seal.signer_key.clone(), certificate) else {
        return Err(Error::SignerNotOurs);
    };
    let (now, purpose) = (services.clock.now(), KeyPurpose::SealSigning);
    let signer = services.store.read(|tx| Box::pin(services.keys.signer(tx, &key, purpose, now))).await?;
    let algorithm = signer.algorithm();
    let certificate_sm3 = sm3(&certificate);
    let (seal_der, plan, document) = (seal.seal_der.clone(), order.plan, order.document);
    let prepared = tokio::task::spawn_blocking(move || {
        let limits = &Limits::DEFAULT;
        signing::prepare(&document, &seal_der, &certificate, algorithm, &plan, now, limits)
    });
    let token = prepared.await.map_err(|_| Error::Interrupted)??;

    let signature = SignatureId::fresh(now, &*services.random)?;
    let event = |body| Event { at: now, actor: actor.clone(), request: request.cloned(), body };
    let (signature_id, key_id) = (&signature, key.clone());
    let intent =
        event(EventBody::SigningIntended { signature: signature.clone(), seal: id.clone(), document_sm3, key });
    let (intent, event_of) = (&intent, &event);
    let steps = services.store.run("intend signing", |tx| {
        Box::pin(async move {
            let seal = by_the_clock(seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?, now);
            seal.state.may_sign()?;
            let permitted = seal_uses::decide(tx, services.unkept, wish, now).await?;
            signatures::record_intent(tx, signature_id, id, &document_sm3, now).await?;
            audit::append(tx, intent).await?;
            if let Some(entered) = seal_uses::enter(tx, permitted, wish, (signature_id, now)).await? {
                audit::append(tx, &event_of(entered)).await?;
            }
            Ok::<_, Error>(())
        })
    });
    steps.await?;

    let made = Made { token, signer, key: &key_id, certificate_sm3, prepared_at: now };
    let outcome = release(services, made, (&event, id), signature_id, document_sm3, reserved).await;
    if let Err(error) = &outcome {
        abandon(services, &event, signature_id, reason_of(error)).await;
    }
    outcome
}

/// What is ready to be signed.
struct Made<'a> {
    token: signing::SigningToken,
    signer: Arc<dyn crate::crypto::Signer>,
    key: &'a KeyId,
    certificate_sm3: [u8; 32],
    prepared_at: Timestamp,
}

/// From the intent to the released document: the key signs between two transactions.
async fn release(
    services: &Services,
    Made { token, signer, key, certificate_sm3, prepared_at }: Made<'_>,
    (event, id): (&(dyn Fn(EventBody) -> Event + Sync), &SealId),
    signature: &SignatureId,
    document_sm3: [u8; 32],
    reserved: Option<&(&CallerId, String)>,
) -> Result<Sealed, Error> {
    let random = Arc::clone(&services.random);
    let value = services.pool.sign(signer, token.to_sign().to_vec(), random).await?;
    let assembled = tokio::task::spawn_blocking(move || token.assemble(&value).map(|sealed| (sealed, value)));
    let (sealed, value) = assembled.await.map_err(|_| Error::Interrupted)??;
    let result_sm3 = sm3(&sealed.document);
    let done = event(EventBody::DocumentSigned {
        signature: signature.clone(),
        seal: id.clone(),
        document_sm3,
        signed_value_sm3: sm3(&sealed.signed_value),
        result_sm3,
    });
    let now = done.at;
    let message = StoredMessage {
        id: signature.to_string(),
        topic: "document-signed".to_owned(),
        payload: done.to_der(),
        created_at: now,
    };
    let answer = Sealed { signature: signature.clone(), signed_at: now, document: sealed.document };
    let kept = Kept { signature: signature.clone(), signed_at: now, prepared_at, certificate_sm3, result_sm3, value };
    let kept = reserved.map(|_| kept.encoded());
    let (done, message, kept) = (&done, &message, &kept);
    let steps = services.store.run("keep signature", |tx| {
        Box::pin(async move {
            // Suspended, revoked or destroyed since the intent, the seal or its key: the value is not released.
            let seal = by_the_clock(seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?, now);
            seal.state.may_sign()?;
            services.keys.permitted(tx, key, (KeyPurpose::SealSigning, KeyUse::Sign), now).await?;
            // Withdrawn since the intent: nor is it.
            seal_uses::release(tx, signature, now).await?;
            signatures::complete(tx, signature, &result_sm3, now).await?;
            audit::append(tx, done).await?;
            outbox::push(tx, message).await?;
            if let (Some((caller, key)), Some(kept)) = (reserved, kept) {
                let answer = (*caller, key.as_str(), done.request.as_ref(), kept.as_slice());
                crate::store::idempotency::complete(tx, answer, 200).await?;
            }
            Ok::<_, Error>(())
        })
    });
    steps.await?;
    Ok(answer)
}

/// Closes an intent whose value was never released; the next start does it where this fails.
async fn abandon(
    services: &Services,
    event: &(dyn Fn(EventBody) -> Event + Sync),
    signature: &SignatureId,
    reason: AbandonmentReason,
) {
    let body = EventBody::SigningAbandoned { signature: signature.clone(), reason };
    let closing = event(body);
    let (now, closing) = (closing.at, &closing);
    let steps = services.store.run("abandon signing", |tx| {
        Box::pin(async move {
            signatures::abandon(tx, signature, now).await?;
            seal_uses::give_back(tx, signature, now).await?;
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
        Error::InvalidTransition(_) | Error::UnknownSeal => AbandonmentReason::SealNotActive,
        Error::Use(_) => AbandonmentReason::UseWithdrawn,
        Error::Signing(signing::Error::Signature) => AbandonmentReason::SelfCheckFailed,
        Error::Signing(_) => AbandonmentReason::DocumentNotWritten,
        Error::Keys(_) | Error::Interrupted => AbandonmentReason::KeyFailed,
        _ => AbandonmentReason::NotKept,
    }
}

fn caller(actor: &Actor) -> Option<&CallerId> {
    match actor {
        Actor::Caller { id, .. } => Some(id),
        Actor::Operator | Actor::Anonymous => None,
    }
}

/// What makes two orders the same.
pub(in crate::service) fn digest_of(seal: &SealId, order: &Order, document_sm3: &[u8; 32]) -> [u8; 32] {
    let mut text = format!("{seal}|{}|{}", order.plan.named(), hex(document_sm3));
    // A second factor is presented anew with each attempt. What is left out is not written, as before there was any.
    let UsePurpose { item, document_kind, amount, .. } = &order.purpose;
    let amount = amount.map(|amount| amount.to_string());
    for (name, value) in [("item", item), ("kind", document_kind), ("amount", &amount)] {
        if let Some(value) = value {
            text.push_str(&format!("|{name}={value}"));
        }
    }
    sm3(text.as_bytes())
}

/// What is kept of a sealing under an idempotency key: enough to make the document again from the one that comes again. The
/// document itself is not kept, so that a service that seals all day does not hold what it sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    signature: SignatureId,
    signed_at: Timestamp,
    /// The time that the signature claims.
    prepared_at: Timestamp,
    certificate_sm3: [u8; 32],
    result_sm3: [u8; 32],
    /// As the key gave it, of fixed width.
    value: Vec<u8>,
}

impl Kept {
    /// `␀signature␀seconds␀seconds␀`, both digests, the value; no [`Sealed::encoded`] begins so.
    fn encoded(&self) -> Vec<u8> {
        let Self { signature, signed_at, prepared_at, certificate_sm3, result_sm3, value } = self;
        let head = format!("\0{signature}\0{}\0{}\0", signed_at.unix(), prepared_at.unix());
        [head.as_bytes(), certificate_sm3, result_sm3, value].concat()
    }

    /// What [`Self::encoded`] wrote.
    fn decoded(kept: &[u8]) -> Option<Self> {
        let mut parts = kept.strip_prefix(b"\0")?.splitn(4, |byte| *byte == 0);
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let signature = SignatureId::parse(text()?).ok()?;
        let signed_at = Timestamp::from_unix(text()?.parse().ok()?);
        let prepared_at = Timestamp::from_unix(text()?.parse().ok()?);
        let (certificate_sm3, rest) = parts.next()?.split_first_chunk()?;
        let (result_sm3, value) = rest.split_first_chunk()?;
        let (certificate_sm3, result_sm3) = (*certificate_sm3, *result_sm3);
        Some(Self { signature, signed_at, prepared_at, certificate_sm3, result_sm3, value: value.to_vec() })
    }
}

impl Sealed {
    /// As it is kept under an idempotency key: `signature␀seconds␀document`.
    pub(in crate::service) fn encoded(&self) -> Vec<u8> {
        let head = format!("{}\0{}\0", self.signature, self.signed_at.unix());
        [head.as_bytes(), &self.document].concat()
    }

    /// What [`Self::encoded`] wrote.
    pub(in crate::service) fn decoded(kept: &[u8]) -> Option<Self> {
        let mut parts = kept.splitn(3, |byte| *byte == 0);
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let signature = SignatureId::parse(text()?).ok()?;
        let signed_at = Timestamp::from_unix(text()?.parse().ok()?);
        Some(Self { signature, signed_at, document: parts.next()?.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_an_answer_again_is_kept_whole() {
        let kept = Kept {
            signature: SignatureId::parse("s-1").unwrap(),
            signed_at: Timestamp::from_unix(1_800_000_001),
            prepared_at: Timestamp::from_unix(1_800_000_000),
            certificate_sm3: [0; 32],
            result_sm3: [0xfe; 32],
            value: vec![0, 1, 0, 2],
        };
        let encoded = kept.encoded();
        assert_eq!(Sealed::decoded(&encoded), None);
        for length in 0..encoded.len() - 4 {
            assert_eq!(Kept::decoded(encoded.get(..length).unwrap()), None);
        }
        assert_eq!(Kept::decoded(&encoded), Some(kept));
    }

    #[test]
    fn answers_are_kept_whole() {
        let answer = Sealed {
            signature: SignatureId::parse("s-1").unwrap(),
            signed_at: Timestamp::from_unix(1_800_000_000),
            document: vec![0, 1, 0, 2],
        };
        assert_eq!(Sealed::decoded(&answer.encoded()), Some(answer));
        assert_eq!(Sealed::decoded(b"s-1"), None);
    }
}
