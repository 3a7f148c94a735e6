//! Callers: registering their keys, finding them again, and refusing a request that comes twice.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId};
use crate::crypto::PublicKey;
use crate::crypto::digest::sha256;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::caller::{CallerState, Roles};
use crate::domain::key::KeyAlgorithm;
use crate::domain::trust::key::public_key;
use crate::format::keys::{SubjectPublicKeyInfo, read_pem};
use crate::format::x509::Certificate;
use crate::service::{Error, Services};
use crate::store::callers::StoredCaller;
use crate::store::{self, audit, callers};

/// What is asked when a caller is registered.
#[derive(Debug, Clone)]
pub struct Registration {
    /// What the caller is called.
    pub name: String,
    /// SHA-256 of the public key in DER: the `keyid` of signed requests.
    pub key_fingerprint: [u8; 32],
    /// The public key in DER (SubjectPublicKeyInfo).
    pub public_key: Vec<u8>,
    /// The key's algorithm.
    pub algorithm: KeyAlgorithm,
    /// What it may do.
    pub roles: Roles,
}

/// Registers a caller's key.
///
/// Does not check that the fingerprint is the key's, nor that the caller holds the private key.
///
/// # Errors
/// [`Error::CallerExists`] for a key that is registered.
pub async fn register_caller(
    services: &Services,
    actor: &Actor,
    request: Option<&RequestId>,
    registration: Registration,
) -> Result<StoredCaller, Error> {
    let now = services.clock.now();
    let Registration { name, key_fingerprint, public_key, algorithm, roles } = registration;
    let caller = StoredCaller {
        id: CallerId::fresh(now, &*services.random)?,
        name,
        key_fingerprint,
        public_key,
        algorithm,
        roles,
        state: CallerState::Active,
        created_at: now,
        version: 1,
    };
    let (id, roles) = (caller.id.clone(), caller.roles.clone());
    let body = EventBody::CallerRegistered { caller: id, key_fingerprint, algorithm, roles };
    let event = Event { at: now, actor: actor.clone(), request: request.cloned(), body };
    let (row, event) = (&caller, &event);
    let kept = services.store.run("register caller", |tx| {
        Box::pin(async move {
            callers::insert(tx, row).await?;
            audit::append(tx, event).await
        })
    });
    match kept.await {
        Ok(_) => Ok(caller),
        Err(store::Error::Conflict { .. }) => Err(Error::CallerExists),
        Err(error) => Err(error.into()),
    }
}

/// What registers the holder of a certificate, or of a public key (PEM; the first certificate counts, else the first key):
/// its key and that key's one algorithm.
///
/// Does not ask who issued the certificate: what a caller proves is that it holds the key.
///
/// # Errors
/// [`Error::CallerCertificate`] when there is none, or its key is of a kind that signs no requests.
pub fn holder(pem: &str, name: &str, roles: Roles) -> Result<Registration, Error> {
    let blocks = |label| read_pem(pem, label).unwrap_or_default();
    let (certificates, keys) = (blocks("CERTIFICATE"), blocks("PUBLIC KEY"));
    let info = match certificates.first() {
        Some(der) => Certificate::parse(der).ok().map(|certificate| certificate.public_key),
        None => keys.first().and_then(|der| SubjectPublicKeyInfo::parse(der).ok()),
    };
    let info = info.ok_or(Error::CallerCertificate)?;
    let algorithm = algorithm_of(&public_key(&info).ok_or(Error::CallerCertificate)?);
    let (key_fingerprint, public_key) = (sha256(info.raw), info.raw.to_vec());
    Ok(Registration { name: name.to_owned(), key_fingerprint, public_key, algorithm, roles })
}

/// The algorithm of a key's kind.
pub(in crate::service) const fn algorithm_of(key: &PublicKey) -> KeyAlgorithm {
    match key {
        PublicKey::Sm2(_) => KeyAlgorithm::Sm2,
        PublicKey::Rsa(_) => KeyAlgorithm::Rsa,
        PublicKey::EcdsaP256(_) => KeyAlgorithm::EcdsaP256,
        PublicKey::Ed25519(_) => KeyAlgorithm::Ed25519,
    }
}

/// The caller with that key.
///
/// # Errors
/// No such caller, or it is barred.
pub async fn caller_by_fingerprint(services: &Services, fingerprint: &[u8; 32]) -> Result<StoredCaller, Error> {
    let found = services.store.read(|tx| Box::pin(callers::find_by_fingerprint(tx, fingerprint)));
    let caller = found.await?.ok_or(Error::UnknownCaller)?;
    match caller.state {
        CallerState::Active => Ok(caller),
        CallerState::Barred => Err(Error::CallerBarred),
    }
}

/// Lets a caller in no more.
///
/// # Errors
/// No such caller, or it is barred already.
pub async fn bar_caller(
    services: &Services,
    actor: &Actor,
    request: Option<&RequestId>,
    id: &CallerId,
) -> Result<(), Error> {
    let body = EventBody::CallerBarred { caller: id.clone() };
    let event = Event { at: services.clock.now(), actor: actor.clone(), request: request.cloned(), body };
    let event = &event;
    let steps = services.store.run("bar caller", |tx| {
        Box::pin(async move {
            let caller = callers::find(tx, id).await?.ok_or(Error::UnknownCaller)?;
            if caller.state == CallerState::Barred {
                return Err(Error::CallerBarred);
            }
            callers::change_state(tx, &caller, CallerState::Barred).await?;
            audit::append(tx, event).await?;
            Ok(())
        })
    });
    steps.await
}

/// Bars the caller whose certificate this is (PEM), if one is registered and let in: what a development installation
/// registered must not stay when development ends. Gives whether one was barred.
///
/// # Errors
/// The store's.
pub async fn bar_holder(services: &Services, certificate_pem: &str) -> Result<bool, Error> {
    let ders = read_pem(certificate_pem, "CERTIFICATE").unwrap_or_default();
    let Some(certificate) = ders.first().and_then(|der| Certificate::parse(der).ok()) else { return Ok(false) };
    match caller_by_fingerprint(services, &sha256(certificate.public_key.raw)).await {
        Ok(caller) => bar_caller(services, &Actor::Operator, None, &caller.id).await.map(|()| true),
        Err(Error::UnknownCaller | Error::CallerBarred) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Spends a caller's nonce. It is remembered for twice the window of seconds, the time in which a signed request
/// can be fresh: its own time may lie a window ahead of ours or behind.
///
/// # Errors
/// [`Error::Replay`] when this caller spent it before; [`Error::InvalidNonce`].
pub async fn spend_nonce(
    services: &Services,
    caller: &CallerId,
    nonce: &str,
    now: Timestamp,
    window: i64,
) -> Result<(), Error> {
    spend(services, caller, nonce, (now, now.plus_seconds(window.saturating_mul(2)))).await
}

/// Spends a caller's nonce and remembers it until that moment.
///
/// # Errors
/// As [`spend_nonce`].
pub async fn spend_nonce_until(
    services: &Services,
    caller: &CallerId,
    nonce: &str,
    expires_at: Timestamp,
) -> Result<(), Error> {
    spend(services, caller, nonce, (services.clock.now(), expires_at)).await
}

async fn spend(
    services: &Services,
    caller: &CallerId,
    nonce: &str,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<(), Error> {
    if !is_token(nonce) {
        return Err(Error::InvalidNonce);
    }
    let spend =
        services.store.run("spend nonce", |tx| Box::pin(callers::spend_nonce(tx, caller, nonce, now, expires_at)));
    if spend.await? { Ok(()) } else { Err(Error::Replay) }
}

/// 1 to 128 visible ASCII characters.
pub(in crate::service) fn is_token(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic())
}
