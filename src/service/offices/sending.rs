//! Sending what offices elsewhere are to be told, hearing what they answer, and asking what they decided by themselves.
//!
//! An attempt is noted before it is made, with a time until which nobody else makes it. *A crash after that* makes the attempt
//! again when the time is over, under the same name: the office knows what it gets twice. An office that is away costs one
//! attempt at a look, each later one at a longer distance, up to [`LONGEST_PAUSE`]; nothing is ever given up.
//!
//! A row that is not as it was written is refused and alarmed, and costs its own subject alone: what is to be said of it is set
//! apart and looked at again after [`LONGEST_PAUSE`], what the office decided about it is noted as `row-changed` and not done,
//! and everything else goes on. So it is with a row of what is to be said itself.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::random::array;
use crate::crypto::Signer;
use crate::domain::audit::{Alarm, AlarmKind};
use crate::domain::ca::Profiles;
use crate::domain::key::KeyPurpose;
use crate::format::office::{Answer, AnswerBody, Change, Message, MessageBody};
use crate::service::issuance::Issuance;
use crate::service::offices::{FILING, NATIONAL_MAKER, Office, report};
use crate::service::outside::exchange::ExchangeError;
use crate::service::outside::web::told;
use crate::service::seal_making::national;
use crate::service::{Error, Services, alarms, offices, seal_filing, seal_fulfilment};
use crate::store::office_messages::{self, StoredOfficeMessage};
use crate::store::{self, Tx, keys, seal_orders};

pub use crate::service::outside::exchange::LEASE;

/// The first pause after an attempt, in seconds; each further one is twice as long.
const FIRST_PAUSE: i64 = 5;
/// The longest pause, in seconds.
pub const LONGEST_PAUSE: i64 = 900;
/// Messages that are sent at one look.
const TOGETHER: i64 = 50;
/// A silence that lasts is told of again after a day.
const AGAIN_SECONDS: i64 = 86_400;
/// The subject of questions that concern no one seal.
const EVERYTHING: &str = "changes";
/// After a look that failed.
const SOON: Duration = Duration::from_secs(30);
/// From one look to the next, when there was nothing to do.
const EVERY: Duration = Duration::from_secs(2);

/// What becomes of a message after its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::service) enum Next {
    /// It ended so.
    Ends(String),
    /// The office is at work: it is asked again at its distance.
    Later,
    /// It is sent again after so many seconds.
    Again(i64),
}

/// The pause after so many attempts, in seconds.
pub(in crate::service) fn after(attempts: u32) -> i64 {
    1_i64.checked_shl(attempts.min(16)).unwrap_or(1).saturating_mul(FIRST_PAUSE).min(LONGEST_PAUSE)
}

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attended {
    /// Messages that were answered.
    pub answered: usize,
    /// Changes that the office decided.
    pub decided: usize,
    /// Seals that were kept.
    pub kept: usize,
    /// Subjects whose rows are not as they were written.
    pub refused: usize,
    /// Whether the office was away.
    pub away: bool,
}

/// The newest key by which messages are signed.
async fn signer(services: &Services, now: Timestamp) -> Result<Arc<dyn Signer>, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            for key in keys::of_purpose(tx, KeyPurpose::Exchange).await?.into_iter().rev() {
                if let Ok(signer) = services.keys.signer(tx, &key.id, KeyPurpose::Exchange, now).await {
                    return Ok(signer);
                }
            }
            Err(Error::NoExchangeKey)
        })
    });
    steps.await
}

/// Looks once at one office: sends what is due, hears what comes back, asks what it decided, and keeps seals that arrived.
///
/// # Errors
/// [`Error::NoExchangeKey`]; the store's. That an office is away is no error.
pub async fn attend(services: &Services, profiles: &Profiles, name: &str) -> Result<Attended, Error> {
    let mut attended = Attended::default();
    let Some(office) = services.offices.named(name).cloned() else { return Ok(attended) };
    let now = services.clock.now();
    let signer = match signer(services, now).await {
        Ok(signer) => signer,
        Err(error) => {
            // Nothing is written, so nobody answers.
            silence(services, (name, &office)).await?;
            return Err(error);
        }
    };
    let due = services.store.read(|tx| Box::pin(office_messages::due(tx, name, now, TOGETHER))).await?;
    for id in &due.broken {
        attended.refused = attended.refused.saturating_add(1);
        set_apart(services, id).await?;
    }
    for message in &due.messages {
        match exchange(services, &office, &signer, message).await {
            Ok(Sent::Answered) => attended.answered = attended.answered.saturating_add(1),
            Ok(Sent::Moot) => {}
            Ok(Sent::Away) => {
                attended.away = true;
                break;
            }
            Err(error) if is_of_one_message(&error) => {
                tracing::error!(office = name, subject = message.subject, code = error.code(), "not said: {error}");
                if !is_of_one_row(&error) {
                    // The rows that it is about are not those that it was written with.
                    offices::refused(services, message).await;
                }
                attended.refused = attended.refused.saturating_add(1);
                set_apart(services, &message.id).await?;
            }
            Err(error) => return Err(error),
        }
    }
    if !attended.away && name == NATIONAL_MAKER {
        match changes(services, (name, &office), &signer).await? {
            Some(count) => attended.decided = count,
            None => attended.away = true,
        }
    }
    if attended.away {
        silence(services, (name, &office)).await?;
    } else if attended.answered > 0 {
        broken(services, name).await?;
    }
    if name == NATIONAL_MAKER {
        let (kept, refused) = keep_arrived(services, profiles).await?;
        (attended.kept, attended.refused) = (kept, attended.refused.saturating_add(refused));
    }
    Ok(attended)
}

/// Whether a row is not as it was written, which the store has refused and noted for the alarm: no other subject has to do
/// with it.
pub(in crate::service) const fn is_of_one_row(error: &Error) -> bool {
    matches!(error, Error::Store(store::Error::Inconsistent { .. }))
}

/// Whether a message cannot be said as its row, or a row that it is about, is. No other subject has to do with it.
const fn is_of_one_message(error: &Error) -> bool {
    is_of_one_row(error) || matches!(error, Error::UnknownSeal | Error::UnknownApplication | Error::Signing(_))
}

/// It cannot be sent as its row is: it is looked at again later.
async fn set_apart(services: &Services, id: &str) -> Result<(), Error> {
    let now = services.clock.now();
    let later = now.plus_seconds(LONGEST_PAUSE);
    let steps = services.store.run("set office message apart", |tx| {
        Box::pin(async move { Ok::<_, Error>(office_messages::set_apart(tx, id, now, later).await?) })
    });
    steps.await
}

enum Sent {
    Answered,
    Moot,
    Away,
}

/// One attempt at one message.
async fn exchange(
    services: &Services,
    office: &Office,
    signer: &Arc<dyn Signer>,
    message: &StoredOfficeMessage,
) -> Result<Sent, Error> {
    let octets = compose(services, message).await?;
    let now = services.clock.now();
    let Some(octets) = octets else {
        services
            .store
            .run("end office message", |tx| Box::pin(office_messages::end(tx, &message.id, "moot", now)))
            .await?;
        return Ok(Sent::Moot);
    };
    let lease = now.plus_seconds(LEASE);
    let begun = services.store.run("send office message", |tx| Box::pin(office_messages::begin(tx, message, lease)));
    match begun.await {
        Ok(()) => {}
        // Another service sends it.
        Err(store::Error::Stale { .. }) => return Ok(Sent::Moot),
        Err(error) => return Err(error.into()),
    }
    let by = (Arc::clone(signer), &services.pool);
    let asked = office.correspondent.ask(octets, by, (Arc::clone(&services.random), now)).await;
    let now = services.clock.now();
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(office = message.office, code = error.code(), "no answer: {}", told(&error));
            let code = matches!(error, ExchangeError::Unsigned { .. }).then_some(error.code());
            put_off(services, message, code, after(message.attempts)).await?;
            return Ok(Sent::Away);
        }
    };
    let answer = &answer;
    let every = i64::try_from(office.every.as_secs()).unwrap_or(LONGEST_PAUSE);
    let steps = services.store.run("hear office", |tx| {
        Box::pin(async move {
            let to = (message.office.as_str(), message.subject.as_str());
            let body = match Answer::parse(answer) {
                Ok(Answer { name, subject, body }) if name == message.name && subject == message.subject => Ok(body),
                Ok(_) => Err("answer-of-another"),
                Err(_) => Err("answer-malformed"),
            };
            let next = match body {
                Ok(body) => hear(tx, message, &body, now).await?,
                Err(code) => {
                    report(tx, to, code, now).await?;
                    Next::Again(after(message.attempts))
                }
            };
            match next {
                Next::Ends(outcome) => office_messages::end(tx, &message.id, &outcome, now).await.map(|_| ())?,
                Next::Later => office_messages::again(tx, &message.id, now.plus_seconds(every)).await?,
                Next::Again(seconds) => office_messages::again(tx, &message.id, now.plus_seconds(seconds)).await?,
            }
            Ok::<_, Error>(())
        })
    });
    steps.await?;
    Ok(Sent::Answered)
}

async fn compose(services: &Services, message: &StoredOfficeMessage) -> Result<Option<Vec<u8>>, Error> {
    match message.office.as_str() {
        FILING => seal_filing::compose(services, message).await,
        _ => national::compose(services, message).await,
    }
}

async fn hear(
    tx: &mut Tx<'_>,
    message: &StoredOfficeMessage,
    body: &AnswerBody<'_>,
    now: Timestamp,
) -> Result<Next, Error> {
    match message.office.as_str() {
        FILING => seal_filing::hear(tx, message, body, now).await,
        _ => national::hear(tx, message, body, now).await,
    }
}

/// No answer, or none that is the office's: the message is sent after so many seconds.
async fn put_off(
    services: &Services,
    message: &StoredOfficeMessage,
    code: Option<&'static str>,
    seconds: i64,
) -> Result<(), Error> {
    let now = services.clock.now();
    let later = now.plus_seconds(seconds);
    let steps = services.store.run("put off office message", |tx| {
        Box::pin(async move {
            if let Some(code) = code {
                report(tx, (&message.office, &message.subject), code, now).await?;
            }
            office_messages::again(tx, &message.id, later).await?;
            Ok::<_, Error>(())
        })
    });
    steps.await
}

/// Asks what the office decided by itself, when it is time; gives how many decisions there were, nothing when it is away.
async fn changes(
    services: &Services,
    (name, office): (&str, &Office),
    signer: &Arc<dyn Signer>,
) -> Result<Option<usize>, Error> {
    let now = services.clock.now();
    let place = services.store.read(|tx| Box::pin(office_messages::place(tx, name))).await?;
    let every = i64::try_from(office.every.as_secs()).unwrap_or(LONGEST_PAUSE);
    // A clock that was set back does not keep it from being asked.
    if (0..every).contains(&now.unix().saturating_sub(place.asked_at)) {
        return Ok(Some(0));
    }
    let message_name = array::<16>(&*services.random)?;
    let message = Message { name: message_name, subject: EVERYTHING, body: MessageBody::Changes(place.known_to) };
    let by = (Arc::clone(signer), &services.pool);
    let asked = office.correspondent.ask(message.to_der(), by, (Arc::clone(&services.random), now)).await;
    let octets = match asked {
        Ok(octets) => octets,
        Err(error) => {
            tracing::warn!(office = name, code = error.code(), "no answer: {}", told(&error));
            return Ok(None);
        }
    };
    let (now, octets) = (services.clock.now(), &octets);
    let steps = services.store.run("take office changes", |tx| {
        Box::pin(async move {
            let mut place = office_messages::place(tx, name).await?;
            let decided: Vec<Change<'_>> = match Answer::parse(octets) {
                Ok(Answer { name, subject: EVERYTHING, body: AnswerBody::Changes(decided) })
                    if name == message_name =>
                {
                    decided
                }
                _ => {
                    report(tx, (name, EVERYTHING), "answer-malformed", now).await?;
                    Vec::new()
                }
            };
            let known_to = place.known_to;
            let mut count = 0_usize;
            // Another service may have taken some of them meanwhile.
            for change in decided.iter().filter(|change| change.number > known_to) {
                national::decided(tx, change, now).await?;
                place.known_to = change.number;
                count = count.saturating_add(1);
            }
            // Where there were some there may be more.
            place.asked_at = if count > 0 { 0 } else { now.unix() };
            (place.silent_since, place.alarmed_at) = (None, None);
            office_messages::keep_place(tx, name, &place).await?;
            Ok::<_, Error>(count)
        })
    });
    Ok(Some(steps.await?))
}

/// The office answers again.
async fn broken(services: &Services, name: &str) -> Result<(), Error> {
    let steps = services.store.run("end office silence", |tx| {
        Box::pin(async move {
            let place = office_messages::place(tx, name).await?;
            if place.silent_since.is_some() {
                let place = office_messages::OfficePlace { silent_since: None, alarmed_at: None, ..place };
                office_messages::keep_place(tx, name, &place).await?;
            }
            Ok::<_, Error>(())
        })
    });
    steps.await
}

/// Remembers since when an office is silent, and raises the alarm when that is long, once a day.
async fn silence(services: &Services, (name, office): (&str, &Office)) -> Result<(), Error> {
    let now = services.clock.now();
    let limit = i64::try_from(office.silent.as_secs()).unwrap_or(i64::MAX);
    let steps = services.store.run("note office silence", |tx| {
        Box::pin(async move {
            let mut place = office_messages::place(tx, name).await?;
            let since = *place.silent_since.get_or_insert(now);
            let seconds = now.unix().saturating_sub(since.unix());
            let is_told = place.alarmed_at.is_some_and(|told| now < told.plus_seconds(AGAIN_SECONDS));
            let raised = if seconds < limit || is_told {
                None
            } else {
                place.alarmed_at = Some(now);
                let count = u64::try_from(seconds / 60).unwrap_or(0);
                let (kind, sink) = (AlarmKind::OfficeSilent, Some(name.to_owned()));
                let alarm = Alarm { kind, seal: None, caller: None, sink, event: None, count };
                Some(alarms::raise(tx, &alarm, false, now).await?)
            };
            office_messages::keep_place(tx, name, &place).await?;
            Ok::<_, Error>(raised)
        })
    });
    if let Some(raised) = steps.await? {
        alarms::tell(&[raised]);
    }
    Ok(())
}

/// Keeps seals that arrived; gives how many, and how many orders are not as they were written. One that is not what was
/// applied for is refused by its own step.
async fn keep_arrived(services: &Services, profiles: &Profiles) -> Result<(usize, usize), Error> {
    let (mut kept, mut refused) = (0_usize, 0_usize);
    for application in services.store.read(|tx| Box::pin(seal_orders::arrived(tx, TOGETHER))).await? {
        match seal_fulfilment::collect(services, profiles, &application).await {
            Ok(_) => kept = kept.saturating_add(1),
            Err(error) if is_of_one_row(&error) => {
                tracing::error!(%application, code = error.code(), "a seal that arrived is not kept: {error}");
                refused = refused.saturating_add(1);
            }
            Err(error @ (Error::Store(_) | Error::Interrupted)) => return Err(error),
            // It stays where it is, or was refused: whoever asks for it is told the same.
            Err(error) => tracing::warn!(%application, code = error.code(), "a seal that arrived is not kept: {error}"),
        }
    }
    Ok((kept, refused))
}

/// Writes to the offices until it is dropped.
pub async fn keep_writing(services: Services, issuance: Issuance) {
    loop {
        let mut is_idle = true;
        for name in services.offices.names() {
            match attend(&services, issuance.profiles(), name).await {
                Ok(attended) => is_idle &= attended.answered == 0 && attended.kept == 0,
                Err(error) => {
                    tracing::error!(office = name, code = error.code(), "an office is not written to: {error}");
                    tokio::time::sleep(SOON).await;
                }
            }
        }
        if is_idle || services.offices.names().is_empty() {
            tokio::time::sleep(EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert_eq!([0, 1, 2, 7, 8, 40, u32::MAX].map(after), [5, 10, 20, 640, 900, 900, 900]);
    }
}
