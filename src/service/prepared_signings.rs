//! Seals whose signer's key lies with the client: prepared here, signed there, completed here, by the same rules and in the
//! same ledger as every other use.
//!
//! What a crash means at each arrow of `decide → prepare → (the client signs) → complete → answer`: before *prepare* nothing
//! happened; after it the use is counted and waits, whatever is killed or restarted; where no right value comes in time it is
//! abandoned and given back, once. Before *complete* commits nothing was released; after it the same value gets the same
//! document again for a day.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId, SealId, SignatureId};
use crate::base::limits::Limits;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::sm3;
use crate::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use crate::domain::seal::signing::{self, SigningToken};
use crate::domain::seal::stamp_plan::StampPlan;
use crate::domain::trust::key::decode_value;
use crate::service::idempotency::{self, Reservation};
use crate::service::seal_uses::{self, Wish};
use crate::service::seals::{Order, Sealed, algorithm_of, digest_of};
use crate::service::units::is_active;
use crate::service::{Error, Services};
use crate::store::outbox::StoredMessage;
use crate::store::prepared_signings::{PreparedEnd, StoredPrepared};
use crate::store::seals::StoredSeal;
use crate::store::signatures::SigningState;
use crate::store::{
    Tx, audit, certificates, issued_certificates, outbox, prepared_signings, seal_records, seals, signatures,
};

/// For how long a value counts, in seconds, where no settings say otherwise: a person finds the token and enters its PIN.
pub const COUNTS: i64 = 600;
/// For how long what left is given again, in days.
const KEPT_DAYS: i64 = 1;
/// Those of one caller that wait at a time: each holds its document here.
pub const MOST_OPEN: i64 = 64;
/// Those that one look gives back.
const TOGETHER: i64 = 50;

/// What the client signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Names the act of signing.
    pub signature: SignatureId,
    /// The octets to sign: `TBS_Sign`.
    pub to_sign: Vec<u8>,
    /// By which algorithm.
    pub algorithm: SignatureAlgorithm,
    /// Until when a value counts.
    pub expires_at: Timestamp,
}

fn caller(actor: &Actor) -> Option<&CallerId> {
    match actor {
        Actor::Caller { id, .. } => Some(id),
        Actor::Operator | Actor::Anonymous => None,
    }
}

/// The seal, and its signer's certificate, whose key is the client's.
async fn of_client(tx: &mut Tx<'_>, id: &SealId) -> Result<(StoredSeal, Vec<u8>), Error> {
    let seal = seals::find(tx, id).await?.ok_or(Error::UnknownSeal)?;
    if seal.signer_key.is_some() {
        return Err(Error::SignerOurs);
    }
    let record = seal_records::find(tx, id).await?.ok_or(Error::SignerNotOurs)?;
    let der = match issued_certificates::find_by_sm3(tx, &record.certificate_sm3).await? {
        Some(issued) => Some(issued.der),
        None => certificates::find(tx, &record.certificate_sm3).await?.map(|row| row.der),
    };
    if !is_active(tx, &record.certificate_sm3).await? {
        return Err(Error::SignerCertificateEnded);
    }
    Ok((seal, der.ok_or(Error::SignerNotOurs)?))
}

/// The same token for the same row, however often it is made.
async fn token(
    (document, seal, certificate): (Vec<u8>, Vec<u8>, Vec<u8>),
    (plan, now): (StampPlan, Timestamp),
) -> Result<(SigningToken, SignatureAlgorithm), Error> {
    let algorithm = algorithm_of(&certificate)?;
    let preparing = tokio::task::spawn_blocking(move || {
        signing::prepare(&document, &seal, &certificate, algorithm, &plan, now, &Limits::DEFAULT)
    });
    Ok((preparing.await.map_err(|_| Error::Interrupted)??, algorithm))
}

/// Prepares a signing: decided, counted and entered as if it were signed here; the client has
/// `value_within` seconds, ten minutes unless the settings say otherwise.
///
/// # Errors
/// As `seals::sign`; [`Error::SignerOurs`]: the key is here, so it is signed here; [`Error::SignerCertificateEnded`].
pub async fn prepare(
    services: &Services,
    actor: &Actor,
    request: Option<&RequestId>,
    seal: &SealId,
    order: Order,
) -> Result<Prepared, Error> {
    let document_sm3 = sm3(&order.document);
    let reserved = match (caller(actor), &order.idempotency_key) {
        (Some(caller), Some(key)) => Some((caller, key.clone())),
        _ => None,
    };
    if let Some((caller, key)) = &reserved {
        let asked = sm3(&[&b"prepare"[..], &digest_of(seal, &order, &document_sm3)].concat());
        if let Reservation::Done { response, events, .. } = idempotency::reserve(services, caller, key, &asked).await? {
            idempotency::receipt_again(services, request, &events).await;
            let id = std::str::from_utf8(&response).ok().and_then(|text| SignatureId::parse(text).ok());
            return again(services, actor, &id.ok_or(Error::AnswerUnreadable)?).await;
        }
    }
    let outcome = prepare_once(services, (actor, request), seal, order, document_sm3, reserved.as_ref()).await;
    let reserved = reserved.as_ref().map(|(caller, key)| (*caller, key.as_str()));
    idempotency::free_where_failed(services, reserved, outcome).await
}

async fn prepare_once(
    services: &Services,
    (actor, request): (&Actor, Option<&RequestId>),
    id: &SealId,
    order: Order,
    document_sm3: [u8; 32],
    reserved: Option<&(&CallerId, String)>,
) -> Result<Prepared, Error> {
    let (seal, certificate) = services.store.read(|tx| Box::pin(of_client(tx, id))).await?;
    seal.state.may_sign()?;
    let wish = &Wish { actor, seal: id, document_sm3, purpose: &order.purpose };
    // Before the work that a document makes; asked again with the intent.
    services.permit_use(wish).await?;
    let now = services.clock.now();
    let certificate_sm3 = sm3(&certificate);
    let parts = (order.document.clone(), seal.seal_der, certificate);
    let (token, algorithm) = token(parts, (order.plan.clone(), now)).await?;
    let to_sign = token.to_sign().to_vec();
    let prepared = StoredPrepared {
        signature: SignatureId::fresh(now, &*services.random)?,
        seal: id.clone(),
        caller: caller(actor).cloned(),
        document: Some(order.document),
        document_sm3,
        plan: order.plan,
        to_sign_sm3: sm3(&to_sign),
        prepared_at: now,
        expires_at: now.plus_seconds(services.value_within),
        ended: None,
        version: 1,
    };
    let event = |body| Event { at: now, actor: actor.clone(), request: request.cloned(), body };
    let intent = event(EventBody::SigningPrepared {
        signature: prepared.signature.clone(),
        seal: id.clone(),
        document_sm3,
        certificate_sm3,
    });
    let (kept, intent, event_of) = (&prepared, &intent, &event);
    let steps = services.store.run("prepare signing", |tx| {
        Box::pin(async move {
            let (seal, _) = of_client(tx, id).await?;
            seal.state.may_sign()?;
            if prepared_signings::count_open(tx, kept.caller.as_ref()).await? >= MOST_OPEN {
                return Err(Error::TooManyPrepared { most: MOST_OPEN });
            }
            let permitted = seal_uses::decide(tx, services.unkept, wish, now).await?;
            signatures::record_intent(tx, &kept.signature, id, &document_sm3, now).await?;
            audit::append(tx, intent).await?;
            if let Some(entered) = seal_uses::enter(tx, permitted, wish, (&kept.signature, now)).await? {
                audit::append(tx, &event_of(entered)).await?;
            }
            prepared_signings::insert(tx, kept).await?;
            if let Some((caller, key)) = reserved {
                let answer = (*caller, key.as_str(), intent.request.as_ref(), kept.signature.as_str().as_bytes());
                crate::store::idempotency::complete(tx, answer, 201).await?;
            }
            Ok::<_, Error>(())
        })
    });
    steps.await?;
    Ok(Prepared { signature: prepared.signature, to_sign, algorithm, expires_at: prepared.expires_at })
}

/// The row of a prepared signing, which this actor prepared.
async fn own(tx: &mut Tx<'_>, actor: &Actor, id: &SignatureId) -> Result<StoredPrepared, Error> {
    let prepared = prepared_signings::find(tx, id).await?.ok_or(Error::UnknownSigning)?;
    match prepared.caller.as_ref() == caller(actor) {
        true => Ok(prepared),
        // Nobody learns what others prepare.
        false => Err(Error::UnknownSigning),
    }
}

/// What the client signs, once more.
///
/// # Errors
/// [`Error::UnknownSigning`]; [`Error::SigningEnded`].
pub async fn again(services: &Services, actor: &Actor, id: &SignatureId) -> Result<Prepared, Error> {
    let (prepared, _, token, algorithm) = waiting(services, actor, id).await?;
    let to_sign = token.to_sign().to_vec();
    Ok(Prepared { signature: prepared.signature, to_sign, algorithm, expires_at: prepared.expires_at })
}

/// A prepared signing that waits still, its document, and its token as it was.
async fn waiting(
    services: &Services,
    actor: &Actor,
    id: &SignatureId,
) -> Result<(StoredPrepared, StoredSeal, SigningToken, SignatureAlgorithm), Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let prepared = own(tx, actor, id).await?;
            let (seal, certificate) = of_client(tx, &prepared.seal).await?;
            Ok::<_, Error>((prepared, seal, certificate))
        })
    });
    let (mut prepared, seal, certificate) = steps.await?;
    let Some(document) = prepared.document.take() else { return Err(Error::SigningEnded) };
    if services.clock.now() > prepared.expires_at {
        return Err(Error::SigningEnded);
    }
    let parts = (document, seal.seal_der.clone(), certificate);
    let (token, algorithm) = token(parts, (prepared.plan.clone(), prepared.prepared_at)).await?;
    // Another program's way to write the package: what the client signs would not fit it.
    if sm3(token.to_sign()) != prepared.to_sign_sm3 {
        return Err(Error::SigningEnded);
    }
    Ok((prepared, seal, token, algorithm))
}

/// Completes a signing by the client's value, DER or of fixed width: it is checked against the signer's certificate before
/// anything leaves. The same value again gets the same document.
///
/// # Errors
/// [`Error::UnknownSigning`]; [`Error::SigningEnded`]: too late, or given up; [`Error::ValueWrong`], which leaves the signing
/// as it is; where the seal is not to be used any more it is abandoned.
pub async fn complete(
    services: &Services,
    actor: &Actor,
    request: Option<&RequestId>,
    (id, value): (&SignatureId, &[u8]),
) -> Result<Sealed, Error> {
    let value_sm3 = sm3(value);
    let before = services.store.read(|tx| Box::pin(own(tx, actor, id))).await?;
    if let Some((signed_at, PreparedEnd::Signed { value_sm3: known, result: Some(document) })) = before.ended
        && known == value_sm3
    {
        return Ok(Sealed { signature: id.clone(), signed_at, document });
    }
    let (prepared, _, token, algorithm) = waiting(services, actor, id).await?;
    let fixed = decode_value(algorithm, value).unwrap_or_else(|| value.to_vec());
    let assembled = tokio::task::spawn_blocking(move || token.assemble(&fixed));
    let sealed = assembled.await.map_err(|_| Error::Interrupted)?;
    let sealed = sealed.map_err(|refused| match refused {
        signing::Error::Signature => Error::ValueWrong,
        refused => refused.into(),
    })?;
    let (now, result_sm3) = (services.clock.now(), sm3(&sealed.document));
    let done = Event {
        at: now,
        actor: actor.clone(),
        request: request.cloned(),
        body: EventBody::DocumentSigned {
            signature: id.clone(),
            seal: prepared.seal.clone(),
            document_sm3: prepared.document_sm3,
            signed_value_sm3: sm3(&sealed.signed_value),
            result_sm3,
        },
    };
    let message = StoredMessage {
        id: id.to_string(),
        topic: "document-signed".to_owned(),
        payload: done.to_der(),
        created_at: now,
    };
    let end = PreparedEnd::Signed { value_sm3, result: Some(sealed.document.clone()) };
    let (prepared, done, message, end) = (&prepared, &done, &message, &end);
    let steps = services.store.run("complete signing", |tx| {
        Box::pin(async move {
            // Suspended, revoked, ended or withdrawn since it was prepared: the value is not released.
            let (seal, _) = of_client(tx, &prepared.seal).await?;
            seal.state.may_sign()?;
            seal_uses::release(tx, id, now).await?;
            signatures::complete(tx, id, &result_sm3, now).await?;
            prepared_signings::end(tx, prepared, end.clone(), now).await?;
            audit::append(tx, done).await?;
            outbox::push(tx, message).await?;
            Ok::<_, Error>(())
        })
    });
    match steps.await {
        Ok(()) => Ok(Sealed { signature: id.clone(), signed_at: now, document: sealed.document }),
        Err(error) => {
            let reason = match &error {
                Error::InvalidTransition(_) | Error::UnknownSeal | Error::SignerCertificateEnded => {
                    Some(AbandonmentReason::SealNotActive)
                }
                Error::Use(_) => Some(AbandonmentReason::UseWithdrawn),
                _ => None,
            };
            if let Some(reason) = reason
                && let Err(error) = abandon(services, (actor, request), id, reason).await
            {
                tracing::warn!(code = error.code(), "a prepared signing waits until its time is over");
            }
            Err(error)
        }
    }
}

/// Ends a prepared signing that comes to nothing, and gives its use back; gives whether it waited still.
async fn abandon(
    services: &Services,
    (actor, request): (&Actor, Option<&RequestId>),
    id: &SignatureId,
    reason: AbandonmentReason,
) -> Result<bool, Error> {
    let now = services.clock.now();
    let steps = services.store.run("abandon prepared signing", |tx| {
        Box::pin(async move {
            let Some(prepared) = prepared_signings::find(tx, id).await?.filter(|one| one.ended.is_none()) else {
                return Ok(false);
            };
            prepared_signings::end(tx, &prepared, PreparedEnd::Abandoned, now).await?;
            // A program of before, which knows nothing of clients, may have abandoned it at its start: it was given back then.
            let act = signatures::find(tx, id).await?;
            if act.is_none_or(|act| act.state != SigningState::Signing) {
                return Ok(false);
            }
            signatures::abandon(tx, id, now).await?;
            seal_uses::give_back(tx, id, now).await?;
            let body = EventBody::SigningAbandoned { signature: id.clone(), reason };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: request.cloned(), body }).await?;
            Ok::<_, Error>(true)
        })
    });
    steps.await
}

/// The client gives up what it prepared: the use is given back.
///
/// # Errors
/// [`Error::UnknownSigning`]; [`Error::SigningEnded`].
pub async fn give_up(
    services: &Services,
    actor: &Actor,
    request: Option<&RequestId>,
    id: &SignatureId,
) -> Result<(), Error> {
    services.store.read(|tx| Box::pin(own(tx, actor, id))).await?;
    match abandon(services, (actor, request), id, AbandonmentReason::KeyFailed).await? {
        true => Ok(()),
        false => Err(Error::SigningEnded),
    }
}

/// Gives back what was prepared and not completed in time, and forgets documents that left a day ago; gives how many were
/// given back. A row that somebody changed keeps the others from nothing: it is told, and its use stays counted.
///
/// # Errors
/// The store's.
pub async fn expire(services: &Services) -> Result<u64, Error> {
    let now = services.clock.now();
    let mut count = 0_u64;
    for id in services.store.read(|tx| Box::pin(prepared_signings::expired(tx, now, TOGETHER))).await? {
        match abandon(services, (&Actor::Operator, None), &id, AbandonmentReason::KeyFailed).await {
            Ok(ended) => count = count.saturating_add(u64::from(ended)),
            Err(Error::Store(crate::store::Error::Inconsistent { table, row })) => {
                tracing::error!(table, row, "a prepared signing stays counted: its row was changed");
            }
            Err(error) => return Err(error),
        }
    }
    let before = now.plus_days(-KEPT_DAYS);
    services.store.run("forget completed signings", |tx| Box::pin(prepared_signings::forget(tx, before))).await?;
    Ok(count)
}

/// Gives back what is over until it is dropped.
pub async fn keep_expiring(services: Services) {
    loop {
        if let Err(error) = expire(&services).await {
            tracing::error!(code = error.code(), "prepared signings are not given back: {error}");
        }
        tokio::time::sleep(std::time::Duration::from_secs(15)).await;
    }
}
