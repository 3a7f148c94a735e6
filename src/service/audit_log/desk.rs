//! What the doors ask of the log: its public files, proofs for those who may see them, and the search of auditors.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId};
use crate::domain::audit::tree::TreeHash;
use crate::domain::audit::{Actor, LoggedEvent};
use crate::domain::caller::Role;
use crate::format::tlog::tile::TilePath;
use crate::service::Error as ServiceError;
use crate::service::audit_log::{AuditLog, Error, EventProof, Receipt, SignedStatement};
use crate::store::audit::{self, SALT_LENGTH};

/// Events that one answer lists.
pub const MOST_LISTED: usize = 200;
/// Events that one search looks at; the answer tells where to go on.
const MOST_LOOKED_AT: i64 = 20_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogRequest {
    /// A file of the log, by its path below `/log/`. Everybody may have it.
    File {
        /// `checkpoint`, `tile/…`, or these below `sm3/` or `sha256/`; `keys`.
        path: String,
    },
    /// The proof of an event.
    Proof {
        /// Its number.
        index: u64,
    },
    /// Proofs of the events of a thing.
    ProofsOf {
        /// Its SM3.
        thing: [u8; 32],
    },
    /// The statement that no event of a thing is known.
    Statement {
        /// Its SM3.
        thing: [u8; 32],
    },
    /// Events, for auditors.
    Search(EventQuery),
    /// Receipts of a request that was just acknowledged. The door asks for its own answers alone.
    Receipts {
        /// Which.
        request: RequestId,
        /// Whose: what it did is opened to it, and nothing else.
        caller: CallerId,
    },
}

impl LogRequest {
    /// Whether the answer depends on who asks: files are everybody's, and receipts go to whoever was admitted already.
    #[must_use]
    pub const fn names_its_asker(&self) -> bool {
        !matches!(self, Self::File { .. } | Self::Receipts { .. })
    }
}

/// Which events an auditor looks for: those to which all that is said applies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventQuery {
    /// From that number on.
    pub from: u64,
    /// Of the class of that number.
    pub class: Option<u64>,
    /// By that caller.
    pub actor: Option<CallerId>,
    /// Not before that moment.
    pub since: Option<Timestamp>,
    /// Before that moment.
    pub until: Option<Timestamp>,
    /// With a field of that value: a name, or a hash in hex.
    pub noun: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogAnswer {
    /// A file.
    File(LogFile),
    /// Proofs, oldest first.
    Proofs(Vec<EventProof>),
    /// A statement.
    Statement(SignedStatement),
    /// Events.
    Events(EventPage),
    /// Receipts.
    Receipts(Vec<Receipt>),
}

/// A public file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Its octets.
    pub octets: Vec<u8>,
    /// Whether it is text.
    pub is_text: bool,
    /// Whether it never changes.
    pub is_fixed: bool,
}

/// Events that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// With their numbers, oldest first.
    pub events: Vec<(u64, LoggedEvent)>,
    /// From which number on to look next; nothing at the end.
    pub next: Option<u64>,
}

impl AuditLog {
    /// Answers, to that actor. Files are everybody's; proofs are those of auditors, and of whoever did what the event says;
    /// events are auditors' alone.
    ///
    /// # Errors
    /// [`Error::NotEntitled`] and what the log refuses; the store's.
    pub async fn answer(&self, actor: &Actor, request: LogRequest) -> Result<LogAnswer, ServiceError> {
        match request {
            LogRequest::File { path } => self.file(&path).await.map(LogAnswer::File),
            LogRequest::Proof { index } => {
                let proof = self.prove(index).await;
                // A stranger to the event learns nothing of it, not even whether it was erased.
                let proof = proof.and_then(|proof| entitled(actor, proof));
                proof.map(|proof| LogAnswer::Proofs(vec![proof])).map_err(|error| hidden(actor, error))
            }
            // Whoever holds the thing knows what its event says: the hash names nothing else.
            LogRequest::ProofsOf { thing } => self.proofs_of(&thing).await.map(LogAnswer::Proofs),
            LogRequest::Statement { thing } => self.state_unknown(&thing).await.map(LogAnswer::Statement),
            LogRequest::Receipts { request, caller } => {
                let receipts = self.receipts(&request).await?.into_iter();
                Ok(LogAnswer::Receipts(receipts.map(|receipt| opened_to(&caller, receipt)).collect()))
            }
            LogRequest::Search(_) if !is_auditor(actor) => Err(Error::NotEntitled.into()),
            LogRequest::Search(query) => self.search(&query).await.map(LogAnswer::Events),
        }
    }

    /// As [`Self::answer`]; where no log is published there are no receipts, and nothing else is answered.
    ///
    /// # Errors
    /// [`Error::Off`]; as [`Self::answer`].
    pub async fn ask(log: Option<&Self>, actor: &Actor, request: LogRequest) -> Result<LogAnswer, ServiceError> {
        match (log, request) {
            (Some(log), request) => log.answer(actor, request).await,
            (None, LogRequest::Receipts { .. }) => Ok(LogAnswer::Receipts(Vec::new())),
            (None, _) => Err(Error::Off.into()),
        }
    }

    async fn file(&self, path: &str) -> Result<LogFile, ServiceError> {
        let absent = || ServiceError::from(Error::NoSuchFile);
        if path == "keys" {
            let keys = TreeHash::ALL.into_iter().filter_map(|tree| self.verifier(tree));
            let octets = keys.map(|key| format!("{}\n", key.to_vkey())).collect::<String>().into_bytes();
            return Ok(LogFile { octets, is_text: true, is_fixed: false });
        }
        // What any client of C2SP reads stands directly below too.
        let (tree, rest) = match path.split_once('/') {
            Some(("sm3", rest)) => (TreeHash::Sm3, rest),
            Some(("sha256", rest)) => (TreeHash::Sha256, rest),
            _ => (TreeHash::Sha256, path),
        };
        if rest == "checkpoint" {
            let octets = self.with_cosignatures(tree, self.head(tree).await?.note).await?;
            return Ok(LogFile { octets, is_text: true, is_fixed: false });
        }
        // Under load the newest head is younger than any cosignature.
        if rest == "checkpoint.cosigned" {
            let octets = self.cosigned(tree).await?.ok_or_else(absent)?;
            return Ok(LogFile { octets, is_text: true, is_fixed: false });
        }
        let path = TilePath::parse(rest).map_err(|_| absent())?;
        let octets = self.tile(tree, path).await?.ok_or_else(absent)?;
        Ok(LogFile { octets, is_text: false, is_fixed: true })
    }

    async fn search(&self, query: &EventQuery) -> Result<EventPage, ServiceError> {
        const AT_ONCE: i64 = 1_000;
        let (mut events, mut from, mut looked) = (Vec::new(), query.from, 0);
        while looked < MOST_LOOKED_AT {
            let first = i64::try_from(from).unwrap_or(i64::MAX);
            let rows = self.services.store.read(|tx| Box::pin(audit::logged(tx, first, AT_ONCE))).await?;
            if rows.is_empty() {
                return Ok(EventPage { events, next: None });
            }
            looked = looked.saturating_add(AT_ONCE);
            for (number, event) in rows {
                let number = u64::try_from(number).unwrap_or(u64::MAX);
                from = number.saturating_add(1);
                if query.is_met_by(&event) {
                    events.push((number, event));
                    if events.len() >= MOST_LISTED {
                        return Ok(EventPage { events, next: Some(from) });
                    }
                }
            }
        }
        Ok(EventPage { events, next: Some(from) })
    }
}

impl EventQuery {
    fn is_met_by(&self, event: &LoggedEvent) -> bool {
        let by = match event.actor() {
            Some(Actor::Caller { id, .. }) => Some(id),
            Some(Actor::Operator | Actor::Anonymous) | None => None,
        };
        self.class.is_none_or(|class| event.class_number() == class)
            && self.actor.as_ref().is_none_or(|actor| by == Some(actor))
            && self.since.is_none_or(|since| event.at() >= since)
            && self.until.is_none_or(|until| event.at() < until)
            && self.noun.as_ref().is_none_or(|noun| event.names(noun))
    }
}

fn is_auditor(actor: &Actor) -> bool {
    match actor {
        Actor::Caller { roles, .. } => roles.contains(Role::AuditAdministrator),
        Actor::Operator => true,
        Actor::Anonymous => false,
    }
}

fn entitled(actor: &Actor, proof: EventProof) -> Result<EventProof, ServiceError> {
    let event = proof.read()?;
    let is_party = match actor {
        Actor::Caller { id, .. } => did(id, &event),
        Actor::Operator | Actor::Anonymous => false,
    };
    if is_party || is_auditor(actor) { Ok(proof) } else { Err(Error::NotEntitled.into()) }
}

/// Whether it is that caller who did what the event says.
fn did(caller: &CallerId, event: &LoggedEvent) -> bool {
    matches!(event.actor(), Some(Actor::Caller { id, .. }) if id == caller)
}

/// The receipt as that caller may have it: the opening is for whoever did it.
fn opened_to(caller: &CallerId, receipt: Receipt) -> Receipt {
    let event = receipt.opening.as_deref().and_then(|opening| opening.get(SALT_LENGTH..));
    let is_own = event.and_then(|event| LoggedEvent::from_der(event).ok()).is_some_and(|event| did(caller, &event));
    Receipt { opening: receipt.opening.filter(|_| is_own), ..receipt }
}

fn hidden(actor: &Actor, error: ServiceError) -> ServiceError {
    match error {
        ServiceError::AuditLog(Error::Erased { .. }) if !is_auditor(actor) => Error::NotEntitled.into(),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Event, EventBody};
    use crate::domain::caller::Roles;

    #[test]
    fn openings_are_for_whoever_did_it() {
        let caller =
            |name: &str, role| Actor::Caller { id: CallerId::parse(name).unwrap(), roles: Roles::new([role]).unwrap() };
        let (one, auditor) = (caller("one", Role::SealUser), caller("two", Role::AuditAdministrator));
        let body = EventBody::ServiceStarted { version: "0.1.0".into() };
        let event = |actor: &Actor| Event {
            at: Timestamp::from_unix(5),
            actor: actor.clone(),
            request: None,
            body: body.clone(),
        };
        let receipt = |actor: &Actor| {
            let opening = Some([&[7; SALT_LENGTH], event(actor).to_der().as_slice()].concat());
            Receipt { index: 3, note: "note\n".into(), opening }
        };
        let is_open = |to: &str, by: &Actor| opened_to(&CallerId::parse(to).unwrap(), receipt(by)).opening.is_some();
        assert!(is_open("one", &one) && is_open("two", &auditor));
        for (to, by) in [("one", &auditor), ("two", &one), ("one", &Actor::Operator), ("one", &Actor::Anonymous)] {
            assert!(!is_open(to, by), "{to} {by:?}");
        }
        let odd = Receipt { opening: Some(vec![7; 40]), ..receipt(&one) };
        assert_eq!(opened_to(&CallerId::parse("one").unwrap(), odd).opening, None);
    }
}
