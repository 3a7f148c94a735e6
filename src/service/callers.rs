//! Callers: registering their keys, finding them again, and refusing a request that comes twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

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
use crate::store::{self, Store, audit, callers};

/// Requests whose callers are looked up together; more wait for their turn.
const MOST_LOOKING: usize = 256;

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
    let algorithm = public_key(&info).as_ref().and_then(algorithm_of).ok_or(Error::CallerCertificate)?;
    let (key_fingerprint, public_key) = (sha256(info.raw), info.raw.to_vec());
    Ok(Registration { name: name.to_owned(), key_fingerprint, public_key, algorithm, roles })
}

/// The algorithm of a key's kind; `None` for kinds that are others' alone.
pub(in crate::service) const fn algorithm_of(key: &PublicKey) -> Option<KeyAlgorithm> {
    Some(match key {
        PublicKey::Sm2(_) => KeyAlgorithm::Sm2,
        PublicKey::Rsa(_) => KeyAlgorithm::Rsa,
        PublicKey::EcdsaP256(_) => KeyAlgorithm::EcdsaP256,
        PublicKey::Ed25519(_) => KeyAlgorithm::Ed25519,
        PublicKey::EcdsaLarge(_) => return None,
    })
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

/// The caller that was found, as the audit log names it: with the roles that it has now.
///
/// # Errors
/// No such caller, or it is barred.
pub(in crate::service) fn actor_of(found: Option<StoredCaller>) -> Result<Actor, Error> {
    let caller = found.ok_or(Error::UnknownCaller)?;
    match caller.state {
        CallerState::Active => Ok(Actor::Caller { id: caller.id, roles: caller.roles }),
        CallerState::Barred => Err(Error::CallerBarred),
    }
}

/// A look for a caller that waits.
struct Looking {
    wanted: Wanted,
    answer: oneshot::Sender<Result<Option<StoredCaller>, Error>>,
}

/// By what a caller is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Name(CallerId),
    Fingerprint([u8; 32]),
}

/// Looks callers up in groups: requests that come at the same time share one snapshot, which begins after all of them
/// came. Nothing is kept from one group to the next, so that a caller who is barred is out at once. The task behind it ends
/// with the last clone.
#[derive(Clone)]
pub struct Register {
    looks: mpsc::Sender<Looking>,
}

impl Register {
    /// Starts the task. Wants a runtime.
    #[must_use]
    pub fn start(services: &Services) -> Self {
        let (looks, mut taken) = mpsc::channel(MOST_LOOKING);
        let store = services.store.clone();
        tokio::spawn(async move {
            let mut group = Vec::new();
            while taken.recv_many(&mut group, MOST_LOOKING).await > 0 {
                look_up(&store, std::mem::take(&mut group)).await;
            }
        });
        Self { looks }
    }

    /// The caller with that key.
    ///
    /// # Errors
    /// As [`caller_by_fingerprint`]; [`Error::Shared`] for what befell the whole group.
    pub async fn by_fingerprint(&self, fingerprint: &[u8; 32]) -> Result<StoredCaller, Error> {
        let caller = self.look(Wanted::Fingerprint(*fingerprint)).await?.ok_or(Error::UnknownCaller)?;
        match caller.state {
            CallerState::Active => Ok(caller),
            CallerState::Barred => Err(Error::CallerBarred),
        }
    }

    /// The caller of that name, as the audit log names it: with the roles that it has now.
    ///
    /// # Errors
    /// As [`Self::by_fingerprint`].
    pub async fn actor(&self, id: &CallerId) -> Result<Actor, Error> {
        actor_of(self.look(Wanted::Name(id.clone())).await?)
    }

    async fn look(&self, wanted: Wanted) -> Result<Option<StoredCaller>, Error> {
        let (answer, answered) = oneshot::channel();
        // Connections are bounded, and each waits for one look at most: a queue that is full is waited for.
        self.looks.send(Looking { wanted, answer }).await.map_err(|_| Error::Interrupted)?;
        answered.await.map_err(|_| Error::Interrupted)?
    }
}

/// Answers all of them from one snapshot. A row that is not as it was written is told to those who asked for it alone.
async fn look_up(store: &Store, group: Vec<Looking>) {
    let wanted = group.iter().map(|looking| looking.wanted.clone()).collect::<BTreeSet<_>>();
    let asked = &wanted;
    let steps = store.read(|tx| {
        Box::pin(async move {
            let mut found = BTreeMap::new();
            for wanted in asked {
                let caller = match wanted {
                    Wanted::Name(id) => callers::find(tx, id).await,
                    Wanted::Fingerprint(fingerprint) => callers::find_by_fingerprint(tx, fingerprint).await,
                };
                match caller {
                    Ok(caller) => found.insert(wanted.clone(), Ok(caller)),
                    Err(error @ store::Error::Inconsistent { .. }) => {
                        found.insert(wanted.clone(), Err(Arc::new(Error::from(error))))
                    }
                    Err(error) => return Err(error),
                };
            }
            Ok::<_, store::Error>(found)
        })
    });
    let found = steps.await.map_err(|error| Arc::new(Error::from(error)));
    for Looking { wanted, answer } in group {
        let caller = match &found {
            Ok(found) => found.get(&wanted).cloned().unwrap_or(Ok(None)),
            Err(error) => Err(Arc::clone(error)),
        };
        // Nobody may be waiting any more.
        let _ = answer.send(caller.map_err(Error::Shared));
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
