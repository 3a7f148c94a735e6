//! Offices elsewhere: the national system that makes seals (国家制章系统), and public security that files them (公安备案).
//!
//! What an office is to be told is a row, written in the transaction of what it tells. [`sending`] sends rows, those of one
//! subject in their order, again and again until they are answered; what an answer means is decided by `seal_making` and
//! `seal_filing`. What an office decides by itself is asked for.

pub mod sending;

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::seal::State;
use crate::domain::seal::order::OrderState;
use crate::domain::trust::TrustAnchors;
use crate::service::outside::exchange::Correspondent;
use crate::service::{Error, Services, seal_filing};
use crate::store::office_messages::{MessageKind, MessagePlace, StoredOfficeMessage};
use crate::store::seals::StoredSeal;
use crate::store::{Tx, audit, office_messages, seal_orders};

/// The office that makes seals: its name in rows, events and alarms.
pub const NATIONAL_MAKER: &str = "national-maker";
/// Public security, which files seals.
pub const FILING: &str = "filing";

/// Messages that one transaction deletes, and transactions of one look.
const MOST_TOGETHER: i64 = 1_000;
const MOST_ROUNDS: u32 = 20;

/// An office, and how patient we are.
#[derive(Clone)]
pub struct Office {
    /// Whom we write to.
    pub correspondent: Correspondent,
    /// From one question to the next.
    pub every: Duration,
    /// How long it may be silent before the alarm.
    pub silent: Duration,
}

/// The national system that makes seals.
#[derive(Clone)]
pub struct MakerOffice {
    /// Whom we write to.
    pub office: Office,
    /// The types of seals that it makes; our own maker's key makes the others.
    pub kinds: Vec<u8>,
    /// Whose makers and signers are trusted.
    pub trust: Arc<TrustAnchors>,
}

/// The offices that an installation writes to.
#[derive(Clone, Default)]
pub struct Offices {
    /// Who makes seals.
    pub maker: Option<MakerOffice>,
    /// Who files them.
    pub filing: Option<Office>,
}

impl Offices {
    /// The office of that name.
    fn named(&self, name: &str) -> Option<&Office> {
        match name {
            NATIONAL_MAKER => self.maker.as_ref().map(|maker| &maker.office),
            FILING => self.filing.as_ref(),
            _ => None,
        }
    }

    /// The names of those that are written to.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        [NATIONAL_MAKER, FILING].into_iter().filter(|name| self.named(name).is_some()).collect()
    }
}

/// Writes what an office is to be told about a subject, behind what it is to be told already. Its names follow from office,
/// subject and number, so a transaction that is tried again writes the same.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn push(
    tx: &mut Tx<'_>,
    (office, subject): (&str, &str),
    kind: MessageKind,
    (detail, reason): (Option<&str>, Option<&str>),
    (now, next_at): (Timestamp, Timestamp),
) -> Result<(), Error> {
    let number = MessagePlace::next_number(&office_messages::places_of_subject(tx, office, subject).await?);
    let id = StoredOfficeMessage::named(office, subject, number);
    let digest = sm3(id.as_bytes());
    let (name, _) = digest.split_first_chunk::<16>().ok_or(Error::Interrupted)?;
    let message = StoredOfficeMessage {
        name: *name,
        office: office.to_owned(),
        subject: subject.to_owned(),
        kind,
        detail: detail.map(str::to_owned),
        reason: reason.map(str::to_owned),
        created_at: now,
        attempts: 0,
        next_at,
        ended: None,
        id,
    };
    Ok(office_messages::push(tx, &message).await?)
}

/// Ends what the office was still to be asked or told about a subject; gives when the last of it that is on its way is given
/// up, or now.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn end_open(
    tx: &mut Tx<'_>,
    (office, subject): (&str, &str),
    outcome: &str,
    now: Timestamp,
) -> Result<Timestamp, Error> {
    let mut free = now;
    for open in office_messages::places_of_subject(tx, office, subject).await? {
        if open.outcome.is_none() {
            // Somebody may be sending it: what follows must not overtake it.
            free = if open.attempts > 0 && open.set_apart_at.is_none() {
                free.max(open.next_at.min(now.plus_seconds(sending::LEASE)))
            } else {
                free
            };
            office_messages::end(tx, &open.id, outcome, now).await?;
        }
    }
    Ok(free)
}

/// Deletes messages that ended more than so many days ago, but for the last of each kind about a subject; gives how many. A
/// look deletes so many at most; the next one goes on.
///
/// What an office was told, and how often it had to be told, stands in these rows alone: the log says that a seal changed, not
/// when the office had heard of it. So they stay for as long as the events that they belong to must
/// ([`crate::store::audit`]), and longer where that is configured.
///
/// # Errors
/// The store's.
pub async fn forget(services: &Services, days: u32) -> Result<u64, Error> {
    let before = services.clock.now().plus_days(-i64::from(days));
    let mut gone = 0_u64;
    for _ in 0..MOST_ROUNDS {
        let steps = services
            .store
            .run("forget office messages", |tx| Box::pin(office_messages::forget(tx, before, MOST_TOGETHER)));
        let count = steps.await?;
        gone = gone.saturating_add(count);
        if i64::try_from(count).is_ok_and(|count| count < MOST_TOGETHER) {
            break;
        }
    }
    Ok(gone)
}

/// The word that offices know for a state, and why; nothing for what is no concern of theirs.
fn told_state(state: &State) -> Option<(&'static str, Option<&'static str>)> {
    match state {
        State::Active { .. } => Some(("active", None)),
        State::Suspended { reason, .. } => Some(("suspended", Some(reason.name()))),
        State::Revoked { reason, .. } => Some(("cancelled", Some(reason.name()))),
        State::Superseded { .. } => Some(("cancelled", Some("superseded"))),
        // An office knows the end of a validity itself.
        State::Made { .. } | State::Expired { .. } | State::Archived { .. } => None,
    }
}

/// The word of a message that tells a state; a row that has none of ours is refused.
///
/// # Errors
/// The store's, about that row.
pub(in crate::service) async fn word<'a>(
    services: &Services,
    message: &'a StoredOfficeMessage,
) -> Result<&'a str, Error> {
    match message.detail.as_deref() {
        Some(word @ ("active" | "suspended" | "cancelled")) => Ok(word),
        _ => Err(refused(services, message).await),
    }
}

/// Refuses a message whose row says what cannot be.
pub(in crate::service) async fn refused(services: &Services, message: &StoredOfficeMessage) -> Error {
    let steps = services
        .store
        .read(|tx| Box::pin(async move { Err::<(), _>(Error::from(office_messages::refuse(tx, &message.id))) }));
    steps.await.err().unwrap_or(Error::Interrupted)
}

/// Tells those of these offices that know a seal where it stands now, in the transaction that put it there.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn tell_state(tx: &mut Tx<'_>, seal: &StoredSeal, to: &[&str]) -> Result<(), Error> {
    let Some((state, reason)) = told_state(&seal.state) else { return Ok(()) };
    let now = seal.state.since();
    let said = (Some(state), reason);
    if to.contains(&NATIONAL_MAKER)
        && let Some(order) = seal_orders::of_seal(tx, &seal.id).await?
        && matches!(order.state, OrderState::Kept { .. })
    {
        push(tx, (NATIONAL_MAKER, order.application.as_str()), MessageKind::State, said, (now, now)).await?;
    }
    if to.contains(&FILING) && seal_filing::knows(tx, &seal.id).await? {
        push(tx, (FILING, seal.id.as_str()), MessageKind::State, said, (now, now)).await?;
    }
    Ok(())
}

/// Notes an answer that does not fit.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn report(
    tx: &mut Tx<'_>,
    (office, subject): (&str, &str),
    code: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let (office, subject, code) = (office.to_owned(), subject.to_owned(), code.to_owned());
    let body = EventBody::OfficeAnswerRefused { office, subject, code };
    audit::append(tx, &Event { at: now, actor: Actor::Operator, request: None, body }).await?;
    Ok(())
}
