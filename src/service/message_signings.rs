//! Messages that are signed for callers: CMS, CAdES, GB/T 35275, JWS, OFD of type Sign, each by a key that is one caller's and
//! lies here, with intent before and result after (product contract 5).
//!
//! What a crash means at each arrow of `reserve → decide → intend → sign → stamp → keep → answer`: before *intend* nothing
//! happened; between *intend* and *keep* the next start abandons the intent and frees the idempotency key, and a value that may
//! exist was never released; after *keep* the same idempotency key gets the same message again.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, CallerId, KeyId, RequestId, SignatureId};
use crate::base::limits::Limits;
use crate::crypto::Signer;
use crate::crypto::algorithm::DigestAlgorithm;
use crate::crypto::digest::{hex, sm3};
use crate::crypto::sm2::KeyTables;
use crate::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use crate::domain::caller::Role;
use crate::domain::key::{KeyPurpose, KeyState, KeyUse, Owner};
use crate::domain::message::{self, Content, ContentDigest, Form, Order, Signatory, TimeStamping};
use crate::format::x509::Certificate;
use crate::service::idempotency::{self, Reservation};
use crate::service::issuance::{Issuance, Issued};
use crate::service::stamping::{self, Stamping};
use crate::service::units::{self, NewUnit, UnitRole, above, is_active};
use crate::service::{Error, Services};
use crate::store::certificates::StoredCertificate;
use crate::store::keys::StoredKey;
use crate::store::{Tx, audit, callers, certificates, keys, message_signings};

/// Octets of a content up to which a message is made beside other requests; a larger one gets a thread of its own.
const SMALL: usize = 64 << 10;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageContent {
    /// Octets that the message holds; for [`Form::OfdSign`] the document.
    Attached(Vec<u8>),
    /// Octets that stay beside the message.
    Detached(Vec<u8>),
    /// Octets that the caller kept: their digest.
    Digest {
        /// By which algorithm.
        algorithm: DigestAlgorithm,
        /// Its octets.
        value: Vec<u8>,
        /// How the content is called, where the form needs that.
        uri: Option<String>,
    },
}

/// What is asked when a message is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageOrder {
    /// By which key.
    pub key: KeyId,
    /// In which form.
    pub form: Form,
    /// What.
    pub content: MessageContent,
    /// [`Form::OfdSign`]: nothing may be added to the document afterwards.
    pub lock: bool,
    /// With a time stamp over the value; [`Form::CadesT`] has one always.
    pub time_stamp: bool,
    /// The same key with the same order gives the same answer; needs a caller.
    pub idempotency_key: Option<String>,
}

/// A signed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedMessage {
    /// Names the act of signing.
    pub signature: SignatureId,
    /// The time that the message claims.
    pub signed_at: Timestamp,
    /// The message.
    pub message: Vec<u8>,
}

/// A key by which a caller has messages signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallersKey {
    /// The key.
    pub key: StoredKey,
    /// Its newest certificate, and those above without the root; DER.
    pub certificates: Vec<Vec<u8>>,
    /// Whether messages are signed by it now.
    pub is_usable: bool,
}

/// Makes a key and its certificate by which that caller, and nobody else, has messages signed. A service at work takes it up by
/// itself.
///
/// # Errors
/// [`Error::UnknownCaller`]; as [`units::establish`].
pub async fn establish_for(
    services: &Services,
    issuance: &Issuance,
    actor: &Actor,
    (authority, caller): (&AuthorityId, &CallerId),
    new: NewUnit,
) -> Result<Issued, Error> {
    let known = services.store.read(|tx| Box::pin(callers::find(tx, caller))).await?;
    known.ok_or(Error::UnknownCaller)?;
    let by = (actor, &Owner::caller(caller));
    units::establish_for(services, issuance, by, (authority, UnitRole::Message), new).await
}

/// The keys of that caller, those that rest too, the newest first.
///
/// # Errors
/// [`Error::NotKeyUser`]; the store's.
pub async fn list(services: &Services, actor: &Actor) -> Result<Vec<CallersKey>, Error> {
    let (owner, now) = (Owner::caller(caller_of(actor)?), services.clock.now());
    let steps = services.store.read(|tx| {
        let owner = owner.clone();
        Box::pin(async move {
            let mut found = Vec::new();
            for key in keys::of_purpose(tx, KeyPurpose::Message).await? {
                if key.attributes.owner == owner && !matches!(key.state, KeyState::Destroyed { .. }) {
                    let certified = certificate_of(tx, &key.id, now).await?;
                    let rows = certificates::of_key(tx, &key.id).await?;
                    found.push((key, certified.is_some(), certified.or_else(|| rows.into_iter().next())));
                }
            }
            Ok::<_, Error>(found)
        })
    });
    let (mut found, mut all) = (steps.await?, Vec::new());
    found.sort_by(|(one, ..), (other, ..)| (other.created_at, &one.id).cmp(&(one.created_at, &other.id)));
    for (key, is_certified, certificate) in found {
        let certificates = match certificate {
            Some(row) => chain_of(services, &row.der).await?,
            // One of which no certificate came about.
            None => continue,
        };
        let is_usable = is_certified && matches!(key.state, KeyState::Active { .. });
        all.push(CallersKey { key, certificates, is_usable });
    }
    Ok(all)
}

/// Signs a message in the name of the caller whose key it is. When it is given, its event is durable.
///
/// # Errors
/// [`Error::NotKeyUser`]; [`Error::UnknownSigningKey`]: no such key, or another's; [`Error::Message`]: form, content and key do not
/// go together; the key store's, the stamping unit's, the database's. Nothing was released then.
pub async fn sign(
    services: &Services,
    stamping: Option<&Stamping>,
    (actor, request): (&Actor, Option<&RequestId>),
    order: MessageOrder,
) -> Result<SignedMessage, Error> {
    let caller = caller_of(actor)?;
    let reserved = order.idempotency_key.clone();
    if let Some(key) = &reserved
        && let Reservation::Done { response, events, .. } =
            idempotency::reserve(services, caller, key, &digest_of(&order)).await?
    {
        let signed = on_its_thread(services, None, order, Work::Again(response)).await?;
        idempotency::receipt_again(services, request, &events).await;
        return Ok(signed);
    }
    let by = By { actor: actor.clone(), request: request.cloned(), reserved: reserved.clone() };
    let outcome = on_its_thread(services, stamping, order, Work::Sign(by)).await;
    let reserved = reserved.as_deref().map(|key| (caller, key));
    idempotency::free_where_failed(services, reserved, outcome).await
}

/// Who has messages signed: a caller of that role.
fn caller_of(actor: &Actor) -> Result<&CallerId, Error> {
    match actor {
        Actor::Caller { id, roles } if roles.contains(Role::KeyUser) => Ok(id),
        Actor::Caller { .. } | Actor::Anonymous | Actor::Operator => Err(Error::NotKeyUser),
    }
}

/// What makes two orders the same.
fn digest_of(order: &MessageOrder) -> [u8; 32] {
    let MessageOrder { key, form, content, lock, time_stamp, .. } = order;
    let content = match content {
        MessageContent::Attached(octets) => format!("attached {}", hex(&sm3(octets))),
        MessageContent::Detached(octets) => format!("detached {}", hex(&sm3(octets))),
        MessageContent::Digest { algorithm, value, uri } => {
            format!("digest {} {} {uri:?}", algorithm.name(), hex(value))
        }
    };
    sm3(format!("message|{key}|{}|{content}|{lock}|{time_stamp}", form.name()).as_bytes())
}

/// Digests that a caller may hand in.
const DIGESTS: [DigestAlgorithm; 4] =
    [DigestAlgorithm::Sm3, DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512];

impl MessageContent {
    /// A content of which that digest is at hand, by the name of its algorithm: `sm3`, `sha256`, `sha384` or `sha512`.
    #[must_use]
    pub fn of_digest(algorithm: &str, value: Vec<u8>, uri: Option<String>) -> Option<Self> {
        let algorithm = DIGESTS.into_iter().find(|one| one.name() == algorithm)?;
        Some(Self::Digest { algorithm, value, uri })
    }

    fn length(&self) -> usize {
        match self {
            Self::Attached(octets) | Self::Detached(octets) | Self::Digest { value: octets, .. } => octets.len(),
        }
    }

    fn as_content(&self) -> Content<'_> {
        match self {
            Self::Attached(octets) => Content::Attached(octets),
            Self::Detached(octets) => Content::Detached(octets),
            Self::Digest { algorithm, value, uri } => {
                Content::Digest(ContentDigest { algorithm: *algorithm, value, uri: uri.as_deref() })
            }
        }
    }

    /// The digest that the log names the content by.
    fn named(&self) -> (String, Vec<u8>) {
        match self {
            Self::Attached(octets) | Self::Detached(octets) => {
                (DigestAlgorithm::Sm3.name().to_owned(), sm3(octets).to_vec())
            }
            Self::Digest { algorithm, value, .. } => (algorithm.name().to_owned(), value.clone()),
        }
    }
}

/// Who asks, in which request, and under which idempotency key.
struct By {
    actor: Actor,
    request: Option<RequestId>,
    reserved: Option<String>,
}

enum Work {
    Sign(By),
    /// What was kept of the first answer.
    Again(Vec<u8>),
}

/// Does the work; what hashes a large content does not hold up the requests beside it.
async fn on_its_thread(
    services: &Services,
    stamping: Option<&Stamping>,
    order: MessageOrder,
    work: Work,
) -> Result<SignedMessage, Error> {
    if order.content.length() <= SMALL {
        return Box::pin(carried_out(services, stamping, &order, work)).await;
    }
    let (services, stamping, runtime) = (services.clone(), stamping.cloned(), tokio::runtime::Handle::current());
    let thread = tokio::task::spawn_blocking(move || {
        runtime.block_on(Box::pin(carried_out(&services, stamping.as_ref(), &order, work)))
    });
    thread.await.map_err(|_| Error::Interrupted)?
}

async fn carried_out(
    services: &Services,
    stamping: Option<&Stamping>,
    order: &MessageOrder,
    work: Work,
) -> Result<SignedMessage, Error> {
    match work {
        Work::Sign(by) => sign_once(services, stamping, &by, order).await,
        Work::Again(kept) => again(services, order, &kept).await,
    }
}

/// A key of a caller, ready to sign.
struct ReadyKey {
    certificate: Vec<u8>,
    /// Those above, without the root.
    chain: Vec<Vec<u8>>,
    signer: Arc<dyn Signer>,
}

impl ReadyKey {
    fn signatory(&self) -> Signatory<'_> {
        Signatory { certificate: &self.certificate, chain: &self.chain, algorithm: self.signer.algorithm() }
    }
}

/// The newest certificate of the key that is valid and active now.
async fn certificate_of(tx: &mut Tx<'_>, key: &KeyId, now: Timestamp) -> Result<Option<StoredCertificate>, Error> {
    for row in certificates::of_key(tx, key).await? {
        let valid = Certificate::parse(&row.der).is_ok_and(|one| one.not_before <= now && now <= one.not_after);
        if row.role == UnitRole::Message.name() && valid && is_active(tx, &row.sm3).await? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// A certificate and those above it; whoever checks has the root, or does not believe it (RFC 5280 6.1).
async fn chain_of(services: &Services, certificate: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let parsed = Certificate::parse(certificate).map_err(|_| message::Error::Certificate)?;
    let above = above(services, &parsed).await?.into_iter();
    let below_root = above.filter(|der| Certificate::parse(der).is_ok_and(|one| one.subject.raw() != one.issuer.raw()));
    Ok(std::iter::once(certificate.to_vec()).chain(below_root).collect())
}

/// The caller's key of that name.
async fn ready_key(services: &Services, caller: &CallerId, key: &KeyId, now: Timestamp) -> Result<ReadyKey, Error> {
    let owner = &Owner::caller(caller);
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let row = keys::find(tx, key).await?.ok_or(Error::UnknownSigningKey)?;
            // One answer for whatever is not theirs: which keys there are is nobody else's to know.
            if row.attributes.purpose != KeyPurpose::Message || row.attributes.owner != *owner {
                return Err(Error::UnknownSigningKey);
            }
            let signer = services.keys.signer(tx, key, KeyPurpose::Message, now).await?;
            let certificate = certificate_of(tx, key, now).await?.ok_or(Error::SignerCertificateEnded)?;
            Ok::<_, Error>((certificate.der, signer))
        })
    });
    let (certificate, signer) = steps.await?;
    let mut chain = chain_of(services, &certificate).await?;
    chain.remove(0);
    Ok(ReadyKey { certificate, chain, signer })
}

/// Whether a time stamp is wanted; refuses what cannot have one, before anything is signed.
fn stamping_for<'s>(order: &MessageOrder, stamping: Option<&'s Stamping>) -> Result<Option<&'s Stamping>, Error> {
    let form = order.form.name();
    match (order.form.time_stamping(), order.time_stamp) {
        (TimeStamping::Impossible, true) => Err(message::Error::FormUnfitForTimeStamp { form }.into()),
        (TimeStamping::Impossible | TimeStamping::Possible, false) => Ok(None),
        (TimeStamping::Possible, true) | (TimeStamping::Needed, _) => {
            stamping.map(Some).ok_or_else(|| stamping::Error::Off.into())
        }
    }
}

async fn sign_once(
    services: &Services,
    stamping: Option<&Stamping>,
    by: &By,
    order: &MessageOrder,
) -> Result<SignedMessage, Error> {
    let (caller, now) = (caller_of(&by.actor)?, services.clock.now());
    if order.lock && order.form != Form::OfdSign {
        return Err(message::Error::FormUnfitForLock { form: order.form.name() }.into());
    }
    let stamping = stamping_for(order, stamping)?;
    let ready = ready_key(services, caller, &order.key, now).await?;
    let wanted = Order { form: order.form, content: order.content.as_content(), lock: order.lock };
    let token = message::prepare(&wanted, ready.signatory(), now, &Limits::DEFAULT)?;
    let signature = SignatureId::fresh(now, &*services.random)?;
    intend(services, by, (order, &signature), now).await?;
    let act = Act { services, by, order, ready: &ready, signature: &signature, now };
    let outcome = act.release(token, stamping).await;
    if let Err(error) = &outcome {
        abandon(services, by, &signature, reason_of(error)).await;
    }
    outcome
}

/// Keeps the intent, before the key is used.
async fn intend(
    services: &Services,
    by: &By,
    (order, signature): (&MessageOrder, &SignatureId),
    now: Timestamp,
) -> Result<(), Error> {
    let (content_algorithm, content_digest) = order.content.named();
    let (key, form) = (&order.key, order.form.name());
    let body = EventBody::MessageSigningIntended {
        signature: signature.clone(),
        key: key.clone(),
        form: form.to_owned(),
        content_algorithm,
        content_digest,
    };
    let intent = &by.event(now, body);
    let steps = services.store.run("intend message", |tx| {
        Box::pin(async move {
            message_signings::record_intent(tx, signature, (key, form), now).await?;
            audit::append(tx, intent).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await
}

impl By {
    fn event(&self, at: Timestamp, body: EventBody) -> Event {
        Event { at, actor: self.actor.clone(), request: self.request.clone(), body }
    }
}

/// One act, intended.
#[derive(Clone, Copy)]
struct Act<'a> {
    services: &'a Services,
    by: &'a By,
    order: &'a MessageOrder,
    ready: &'a ReadyKey,
    signature: &'a SignatureId,
    now: Timestamp,
}

impl Act<'_> {
    /// From the intent to the released message.
    async fn release(
        self,
        token: message::MessageToken<'_>,
        stamping: Option<&Stamping>,
    ) -> Result<SignedMessage, Error> {
        let Self { services, by, order, ready, signature, now } = self;
        let (signer, random) = (Arc::clone(&ready.signer), Arc::clone(&services.random));
        let value = services.pool.sign(signer, token.to_sign().to_vec(), random).await?;
        let checked = token.value(&value, &KeyTables::default())?;
        let stamp = match stamping {
            Some(stamping) => Some(stamping.token_over(checked.octets()).await?),
            None => None,
        };
        let signed_value_sm3 = sm3(checked.octets());
        let message = checked.assemble(stamp.as_deref())?;
        let (certificate_sm3, result_sm3) = (sm3(&ready.certificate), sm3(&message));
        let signature_id = signature.clone();
        let body = EventBody::MessageSigned { signature: signature_id, certificate_sm3, signed_value_sm3, result_sm3 };
        let finished_at = services.clock.now();
        let done = &by.event(finished_at, body);
        let kept = Kept { signature: signature.clone(), signed_at: now, certificate_sm3, result_sm3, value, stamp };
        let (kept, key, caller) = (&kept.encoded(), &order.key, caller_of(&by.actor)?);
        let steps = services.store.run("keep message", |tx| {
            Box::pin(async move {
                // Suspended, destroyed or revoked since the intent, the key or its certificate: nothing is released.
                services.keys.permitted(tx, key, (KeyPurpose::Message, KeyUse::Sign), finished_at).await?;
                if !is_active(tx, &certificate_sm3).await? {
                    return Err(Error::SignerCertificateEnded);
                }
                message_signings::complete(tx, signature, &result_sm3, finished_at).await?;
                audit::append(tx, done).await?;
                if let Some(key) = &by.reserved {
                    let answer = (caller, key.as_str(), by.request.as_ref(), kept.as_slice());
                    crate::store::idempotency::complete(tx, answer, 200).await?;
                }
                Ok::<_, Error>(())
            })
        });
        steps.await?;
        Ok(SignedMessage { signature: signature.clone(), signed_at: now, message })
    }
}

/// Closes an intent of which nothing was released; the next start does it where this fails.
async fn abandon(services: &Services, by: &By, signature: &SignatureId, reason: AbandonmentReason) {
    let now = services.clock.now();
    let closing = &by.event(now, EventBody::MessageSigningAbandoned { signature: signature.clone(), reason });
    let steps = services.store.run("abandon message", |tx| {
        Box::pin(async move {
            message_signings::abandon(tx, signature, now).await?;
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
        Error::Message(message::Error::Signature) => AbandonmentReason::SelfCheckFailed,
        Error::Message(_) => AbandonmentReason::DocumentNotWritten,
        Error::Keys(_) | Error::Interrupted => AbandonmentReason::KeyFailed,
        _ => AbandonmentReason::NotKept,
    }
}

/// The answer of before, made again from the content that came again and the value that the key gave then.
async fn again(services: &Services, order: &MessageOrder, kept: &[u8]) -> Result<SignedMessage, Error> {
    let Kept { signature, signed_at, certificate_sm3, result_sm3, value, stamp } =
        Kept::decoded(kept).ok_or(Error::AnswerUnreadable)?;
    let (wanted, key) = (&certificate_sm3, &order.key);
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let certificate = certificates::find(tx, wanted).await?.ok_or(Error::AnswerUnreadable)?;
            let row = keys::find(tx, key).await?.ok_or(Error::AnswerUnreadable)?;
            Ok::<_, Error>((certificate.der, row.attributes.algorithm.signature()))
        })
    });
    let (certificate, algorithm) = steps.await?;
    let chain = chain_of(services, &certificate).await?;
    let chain = chain.get(1..).unwrap_or_default();
    let signatory = Signatory { certificate: &certificate, chain, algorithm };
    let wanted = Order { form: order.form, content: order.content.as_content(), lock: order.lock };
    let remade = message::prepare(&wanted, signatory, signed_at, &Limits::DEFAULT)
        .and_then(|token| token.value(&value, &KeyTables::default()))
        .and_then(|value| value.assemble(stamp.as_deref()));
    match remade {
        Ok(message) if sm3(&message) == result_sm3 => Ok(SignedMessage { signature, signed_at, message }),
        Ok(_) | Err(_) => Err(Error::AnswerNotRemade { signature }),
    }
}

/// What is kept of a message under an idempotency key: enough to make it again from the content that comes again. Neither content
/// nor message is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    signature: SignatureId,
    signed_at: Timestamp,
    certificate_sm3: [u8; 32],
    result_sm3: [u8; 32],
    /// As the key gave it, of fixed width.
    value: Vec<u8>,
    stamp: Option<Vec<u8>>,
}

impl Kept {
    /// `signature␀seconds␀length␀`, both digests, the value of that length, the token of the time stamp.
    fn encoded(&self) -> Vec<u8> {
        let Self { signature, signed_at, certificate_sm3, result_sm3, value, stamp } = self;
        let head = format!("{signature}\0{}\0{}\0", signed_at.unix(), value.len());
        [head.as_bytes(), certificate_sm3, result_sm3, value, stamp.as_deref().unwrap_or_default()].concat()
    }

    /// What [`Self::encoded`] wrote.
    fn decoded(kept: &[u8]) -> Option<Self> {
        let mut parts = kept.splitn(4, |byte| *byte == 0);
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let signature = SignatureId::parse(text()?).ok()?;
        let signed_at = Timestamp::from_unix(text()?.parse().ok()?);
        let length = text()?.parse().ok()?;
        let (certificate_sm3, rest) = parts.next()?.split_first_chunk()?;
        let (result_sm3, rest) = rest.split_first_chunk()?;
        let (value, stamp) = rest.split_at_checked(length)?;
        let (certificate_sm3, result_sm3, value) = (*certificate_sm3, *result_sm3, value.to_vec());
        let stamp = (!stamp.is_empty()).then(|| stamp.to_vec());
        Some(Self { signature, signed_at, certificate_sm3, result_sm3, value, stamp })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_an_answer_again_is_kept_whole() {
        let kept = |stamp| Kept {
            signature: SignatureId::parse("s-1").unwrap(),
            signed_at: Timestamp::from_unix(1_800_000_001),
            certificate_sm3: [0; 32],
            result_sm3: [0xfe; 32],
            value: vec![0, 1, 0, 2],
            stamp,
        };
        for stamp in [None, Some(vec![0, 3])] {
            let kept = kept(stamp);
            assert_eq!(Kept::decoded(&kept.encoded()), Some(kept));
        }
        let encoded = kept(None).encoded();
        for length in 0..encoded.len() {
            assert_eq!(Kept::decoded(encoded.get(..length).unwrap()), None);
        }
    }
}
