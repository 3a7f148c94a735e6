//! Filing of seals with public security (公安备案): a seal that was made is filed, its number comes back and is kept with it,
//! and where it stands is told from then on.
//!
//! A seal is used whether it is filed or not: the law asks for the filing, not for waiting. What the office refuses is shown
//! with the seal, until an officer has it filed again.

use crate::base::clock::Timestamp;
use crate::base::id::{RequestId, SealId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::seal::code::FilingNumber;
use crate::domain::seal::order::AnswerRefused;
use crate::format::office::{AnswerBody, Filing, Message, MessageBody, StateTold};
use crate::format::ses::SesSeal;
use crate::service::offices::sending::{Next, after};
use crate::service::offices::{self, FILING};
use crate::service::{Error, Services};
use crate::store::office_messages::{MessageKind, StoredOfficeMessage};
use crate::store::{Tx, audit, office_messages, seal_records, seals};

/// What a refused filing ends with, before the office's code.
const REFUSED: &str = "refused: ";

/// Where the filing of a seal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilingState {
    /// Nobody filed it from here.
    None,
    /// The office has not answered yet.
    Waiting,
    /// The office cannot be told: a row of what it is to be told is not as it was written, or one that it is told from.
    SetApart,
    /// It has a number.
    Filed(FilingNumber),
    /// The office refused it, with this code.
    Refused(String),
}

impl FilingState {
    /// Stable name: `none`, `waiting`, `set-apart`, `filed`, `refused`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Waiting => "waiting",
            Self::SetApart => "set-apart",
            Self::Filed(_) => "filed",
            Self::Refused(_) => "refused",
        }
    }
}

async fn state_in(tx: &mut Tx<'_>, seal: &SealId) -> Result<FilingState, Error> {
    let record = seal_records::find(tx, seal).await?.ok_or(Error::UnknownSeal)?;
    if let Some(number) = record.filing {
        return Ok(FilingState::Filed(number));
    }
    let messages = office_messages::places_of_subject(tx, FILING, seal.as_str()).await?;
    let Some(last) = messages.iter().rposition(|message| message.kind == Some(MessageKind::File)) else {
        return Ok(FilingState::None);
    };
    let (upto, _) = messages.split_at(last.saturating_add(1));
    Ok(match upto.last().and_then(|last| last.outcome.as_deref()) {
        Some(outcome) => match outcome.strip_prefix(REFUSED) {
            Some(code) => FilingState::Refused(code.to_owned()),
            None => FilingState::None,
        },
        // It waits behind those before it.
        None if upto.iter().any(|one| one.outcome.is_none() && one.set_apart_at.is_some()) => FilingState::SetApart,
        None => FilingState::Waiting,
    })
}

/// Where the filing of a seal stands.
///
/// # Errors
/// [`Error::UnknownSeal`].
pub async fn state(services: &Services, seal: &SealId) -> Result<FilingState, Error> {
    services.store.read(|tx| Box::pin(state_in(tx, seal))).await
}

/// Whether the office has a seal, or will have it before what is said of it from now on.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn knows(tx: &mut Tx<'_>, seal: &SealId) -> Result<bool, Error> {
    let messages = office_messages::places_of_subject(tx, FILING, seal.as_str()).await?;
    let last = messages.iter().rev().find(|message| message.kind == Some(MessageKind::File));
    Ok(last.is_some_and(|last| last.outcome.as_ref().is_none_or(|outcome| !outcome.starts_with(REFUSED))))
}

/// Has a new seal filed, in the transaction that keeps it, where the installation files seals and it has no number yet.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn file(
    services: &Services,
    tx: &mut Tx<'_>,
    seal: &SealId,
    now: Timestamp,
) -> Result<(), Error> {
    if services.offices.filing.is_none() || state_in(tx, seal).await? != FilingState::None {
        return Ok(());
    }
    offices::push(tx, (FILING, seal.as_str()), MessageKind::File, (None, None), (now, now)).await
}

/// Has a seal filed that the office refused, that was made before seals were filed, or whose message is set apart: then what
/// the office was still to be told ends.
///
/// # Errors
/// [`Error::UnknownSeal`]; [`Error::FilingOff`]; [`Error::FilingStands`]: it is filed, or waits.
pub async fn file_again(
    services: &Services,
    (actor, call): (&Actor, Option<&RequestId>),
    seal: &SealId,
) -> Result<(), Error> {
    let now = services.clock.now();
    if services.offices.filing.is_none() {
        return Err(Error::FilingOff);
    }
    let steps = services.store.run("file seal", |tx| {
        Box::pin(async move {
            let state = state_in(tx, seal).await?;
            let next_at = match state {
                FilingState::None | FilingState::Refused(_) => now,
                FilingState::SetApart => offices::end_open(tx, (FILING, seal.as_str()), "set-apart", now).await?,
                state => return Err(Error::FilingStands { state: state.name() }),
            };
            let body = EventBody::SealFiling { seal: seal.clone(), state: "ordered".to_owned(), detail: None };
            audit::append(tx, &Event { at: now, actor: actor.clone(), request: call.cloned(), body }).await?;
            let to = (FILING, seal.as_str());
            offices::push(tx, to, MessageKind::File, (None, None), (now, next_at)).await?;
            // It may have changed since it was made.
            match seals::find(tx, seal).await? {
                Some(stored) => offices::tell_state(tx, &stored, &[FILING]).await,
                None => Ok(()),
            }
        })
    });
    steps.await
}

/// The octets of a message, as things stand now.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn compose(
    services: &Services,
    message: &StoredOfficeMessage,
) -> Result<Option<Vec<u8>>, Error> {
    let seal = &SealId::parse(&message.subject).map_err(|_| Error::UnknownSeal)?;
    let said = |body: MessageBody<'_>| {
        Ok(Some(Message { name: message.name, subject: message.subject.as_str(), body }.to_der()))
    };
    match message.kind {
        MessageKind::State => {
            let state = offices::word(services, message).await?;
            let known = services.store.read(|tx| Box::pin(seal_records::find(tx, seal))).await?;
            known.ok_or(Error::UnknownSeal)?;
            said(MessageBody::State(StateTold { state, reason: message.reason.as_deref() }))
        }
        MessageKind::File => {
            let steps = services.store.read(|tx| {
                Box::pin(async move {
                    let record = seal_records::find(tx, seal).await?.ok_or(Error::UnknownSeal)?;
                    Ok::<_, Error>((record, seals::find(tx, seal).await?.ok_or(Error::UnknownSeal)?))
                })
            });
            let (record, stored) = steps.await?;
            let read = SesSeal::parse_any(&stored.seal_der).map_err(crate::domain::seal::signing::Error::from)?;
            let division = record.holder.division.code();
            said(MessageBody::File(Filing {
                kind: record.kind.into(),
                name: &record.name,
                credit_code: record.holder.credit_code.as_str(),
                holder: &record.holder.name,
                division: &division,
                code: record.code.as_str(),
                validity: (read.valid_start, read.valid_end),
                seal_sm3: sm3(&stored.seal_der),
            }))
        }
        MessageKind::Order | MessageKind::Cancel => Ok(None),
    }
}

/// What an answer means, in one transaction.
///
/// # Errors
/// The store's.
pub(in crate::service) async fn hear(
    tx: &mut Tx<'_>,
    message: &StoredOfficeMessage,
    body: &AnswerBody<'_>,
    now: Timestamp,
) -> Result<Next, Error> {
    let seal = SealId::parse(&message.subject).map_err(|_| Error::UnknownSeal)?;
    let event = |body| Event { at: now, actor: Actor::Operator, request: None, body };
    match (message.kind, body) {
        (MessageKind::State, AnswerBody::Done) => Ok(Next::Ends("done".to_owned())),
        (MessageKind::File, AnswerBody::Received(_)) => Ok(Next::Later),
        (MessageKind::File, AnswerBody::Filed(text)) => {
            let record = seal_records::find(tx, &seal).await?.ok_or(Error::UnknownSeal)?;
            let code = match FilingNumber::parse(text) {
                Err(error) => error.code(),
                // A number that it has already: what it had counts.
                Ok(number) if record.filing.as_ref() == Some(&number) => return Ok(Next::Ends("filed".to_owned())),
                Ok(_) if record.filing.is_some() => AnswerRefused::OtherNumber.code(),
                Ok(number) if seal_records::is_filed(tx, &number).await? => "filing-number-taken",
                Ok(number) => {
                    seal_records::filed(tx, &record, &number).await?;
                    let detail = Some(number.to_string());
                    let body = EventBody::SealFiling { seal, state: "filed".to_owned(), detail };
                    audit::append(tx, &event(body)).await?;
                    return Ok(Next::Ends("filed".to_owned()));
                }
            };
            offices::report(tx, (FILING, &message.subject), code, now).await?;
            Ok(Next::Again(after(message.attempts)))
        }
        (MessageKind::File, AnswerBody::Refused(code)) => {
            let (reason, outcome) = ((*code).to_owned(), format!("{REFUSED}{code}"));
            let body = EventBody::SealFiling { seal, state: "refused".to_owned(), detail: Some(reason) };
            audit::append(tx, &event(body)).await?;
            // What waits behind it says nothing to somebody who does not know the seal.
            offices::end_open(tx, (FILING, &message.subject), &outcome, now).await?;
            Ok(Next::Ends(outcome))
        }
        (MessageKind::State, AnswerBody::Refused(code)) => {
            offices::report(tx, (FILING, &message.subject), code, now).await?;
            Ok(Next::Ends("refused".to_owned()))
        }
        _ => {
            offices::report(tx, (FILING, &message.subject), AnswerRefused::Unasked.code(), now).await?;
            Ok(Next::Again(after(message.attempts)))
        }
    }
}
