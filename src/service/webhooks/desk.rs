//! What an operator looks at, and has sent again.

use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::key::{KeyAlgorithm, KeyPurpose, KeyState, Validity};
use crate::domain::webhook::delivery::Delivery;
use crate::service::keys::export::public_key_pem;
use crate::service::keys::making::public_key_of;
use crate::service::outside::exchange::key_id;
use crate::service::{Error, Services, webhooks as service};
use crate::store::webhooks::{self, DeadNotice, StoredPlace};
use crate::store::{Tx, audit, keys};

/// The most that are listed at a time.
pub const MOST_LISTED: i64 = 1000;

/// By what notices are signed, and what their signatures call it.
const ALGORITHMS: [(KeyAlgorithm, &str); 3] = [
    (KeyAlgorithm::Sm2, "sm2-sm3"),
    (KeyAlgorithm::EcdsaP256, "ecdsa-p256-sha256"),
    (KeyAlgorithm::Ed25519, "ed25519"),
];

/// A receiver that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub place: StoredPlace,
    /// Events behind its place.
    pub behind: u64,
    /// Notices that were given up and are not delivered.
    pub dead: u64,
}

/// Every receiver that has begun, by its name: those too that the configuration does not name any more.
///
/// # Errors
/// The store's.
pub async fn standings(services: &Services) -> Result<Vec<Standing>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let count = u64::try_from(audit::count(tx).await?).unwrap_or(0);
            let mut standings = Vec::new();
            for receiver in webhooks::receivers(tx).await? {
                let Some(place) = webhooks::place(tx, &receiver).await? else { continue };
                let dead = webhooks::count_dead(tx, &receiver).await?;
                let behind = count.saturating_sub(place.place.next);
                standings.push(Standing { place, behind, dead });
            }
            Ok::<_, Error>(standings)
        })
    });
    steps.await
}

/// What was given up for that receiver from that event on, at most [`MOST_LISTED`].
///
/// # Errors
/// The store's.
pub async fn dead(services: &Services, receiver: &str, from: u64) -> Result<Vec<DeadNotice>, Error> {
    Ok(services.store.read(|tx| Box::pin(webhooks::dead(tx, receiver, from, MOST_LISTED))).await?)
}

async fn found(tx: &mut Tx<'_>, receiver: &str, event: u64) -> Result<DeadNotice, Error> {
    webhooks::find_dead(tx, receiver, event).await?.ok_or(Error::UnknownNotice)
}

/// A notice that was given up.
///
/// # Errors
/// [`Error::UnknownNotice`]: none of that event was given up for that receiver, or it is delivered; the store's.
pub async fn show(services: &Services, receiver: &str, event: u64) -> Result<DeadNotice, Error> {
    services.store.read(|tx| Box::pin(found(tx, receiver, event))).await
}

/// Has a notice sent again that was given up: as soon as the service at work looks, beside those that follow in their order.
/// One that is being sent again already stays so.
///
/// # Errors
/// As [`show`].
pub async fn resend(services: &Services, actor: &Actor, receiver: &str, event: u64) -> Result<DeadNotice, Error> {
    let now = services.clock.now();
    let steps = services.store.run("send notice again", |tx| {
        Box::pin(async move {
            let dead = found(tx, receiver, event).await?;
            if dead.resending.is_some() {
                return Ok(dead);
            }
            let next = webhooks::update_dead(tx, &DeadNotice { resending: Some(Delivery::New), ..dead }).await?;
            let body = EventBody::WebhookResent { receiver: receiver.to_owned(), event };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: None, body }).await?;
            Ok::<_, Error>(next)
        })
    });
    steps.await
}

/// The public key by which notices of that algorithm are signed, as PEM, and its `keyid`; its key pair is made where there is
/// none.
///
/// # Errors
/// The profile or the algorithm policy lets nobody make one; the key store's; the store's.
pub async fn public_key(services: &Services, algorithm: KeyAlgorithm) -> Result<(String, String), Error> {
    let key = service::key(services, algorithm).await?;
    Ok((public_key_pem(&key.public_key), key_id(&public_key_of(&key)?)))
}

/// How a key of notices stands to the one that signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKeyStanding {
    /// It signs now.
    Present,
    /// Its time has not come; it signs from then on.
    Next,
    /// A newer one signs.
    Earlier,
}

impl NoticeKeyStanding {
    /// Stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Next => "next",
            Self::Earlier => "earlier",
        }
    }
}

/// A public key by which notices are, were just now, or will be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeKey {
    /// `keyid` of its signatures.
    pub keyid: String,
    /// `alg` of its signatures.
    pub alg: &'static str,
    /// How it stands.
    pub standing: NoticeKeyStanding,
    /// When it may be used.
    pub validity: Validity,
    /// SubjectPublicKeyInfo, PEM.
    pub pem: String,
}

/// The public keys by which notices are signed, by algorithm and the newest first: those that are active and whose time is
/// not over. No key is made for it.
///
/// # Errors
/// The store's.
pub async fn notice_keys(services: &Services) -> Result<Vec<NoticeKey>, Error> {
    let now = services.clock.now();
    let known = services.store.read(|tx| Box::pin(keys::of_purpose(tx, KeyPurpose::Webhook))).await?;
    let mut found = Vec::new();
    for (algorithm, alg) in ALGORITHMS {
        let mut is_signed = false;
        for key in known.iter().rev().filter(|key| key.attributes.algorithm == algorithm) {
            let validity = key.attributes.validity;
            let is_over = validity.not_after.is_some_and(|end| end < now);
            if is_over || !matches!(key.state, KeyState::Active { .. }) {
                continue;
            }
            let standing = if validity.not_before.is_some_and(|begin| now < begin) {
                NoticeKeyStanding::Next
            } else if is_signed {
                NoticeKeyStanding::Earlier
            } else {
                is_signed = true;
                NoticeKeyStanding::Present
            };
            let (keyid, pem) = (key_id(&public_key_of(key)?), public_key_pem(&key.public_key));
            found.push(NoticeKey { keyid, alg, standing, validity, pem });
        }
    }
    Ok(found)
}
