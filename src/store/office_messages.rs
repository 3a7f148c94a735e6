//! Rows of what offices elsewhere are to be told: written in the transaction of what they tell, sent after it; and how far
//! each office is known.
//!
//! They give no authority: what a message says is read again from rows that carry integrity values when it is sent.

use crate::base::clock::Timestamp;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// What a message is about to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// An order, and every question after it until it is decided.
    Order,
    /// Nothing more is wanted.
    Cancel,
    /// Where a seal stands.
    State,
    /// That a seal is to be filed, and every question after it.
    File,
}

impl MessageKind {
    /// Stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Cancel => "cancel",
            Self::State => "state",
            Self::File => "file",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Order, Self::Cancel, Self::State, Self::File].into_iter().find(|kind| kind.name() == name)
    }
}

/// A message that is to be sent, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOfficeMessage {
    /// Its name here; sorts by time.
    pub id: String,
    /// Its name towards the office: the same however often it is sent.
    pub name: [u8; 16],
    /// Which office.
    pub office: String,
    /// What it is about: an application or a seal, by our name.
    pub subject: String,
    /// What it says.
    pub kind: MessageKind,
    /// Of a state: which.
    pub detail: Option<String>,
    /// Of a state: why.
    pub reason: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// How often sending was begun.
    pub attempts: u32,
    /// When it is sent again at the earliest.
    pub next_at: Timestamp,
    /// When it ended, and how.
    pub ended: Option<(Timestamp, String)>,
}

/// Where a message stands, whatever it says: read from a row that may be broken elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePlace {
    /// Its name here.
    pub id: String,
    /// What it says; nothing where that cannot be read.
    pub kind: Option<MessageKind>,
    /// How often sending was begun, by its row.
    pub attempts: i64,
    /// When it is sent again at the earliest.
    pub next_at: Timestamp,
    /// Since when it is set apart: it cannot be sent as its row is, and what is behind it waits.
    pub set_apart_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<String>,
}

impl MessagePlace {
    /// The number of the next message of a subject that has these, the oldest first: one more than the last one's, since older
    /// ones may be gone.
    #[must_use]
    pub fn next_number(all: &[Self]) -> usize {
        let number = |id: &str| id.rsplit(':').next()?.parse::<usize>().ok();
        all.last().map_or(0, |last| number(&last.id).map_or(all.len(), |number| number.saturating_add(1)))
    }
}

/// What may be sent now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DueMessages {
    /// Messages, the oldest first.
    pub messages: Vec<StoredOfficeMessage>,
    /// Names of rows that are not as we write them. They have been refused, and are noted for the alarm.
    pub broken: Vec<String>,
}

/// How far an office is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OfficePlace {
    /// The last of its changes that is known here.
    pub known_to: u32,
    /// When it was asked for changes last; seconds.
    pub asked_at: i64,
    /// Since when it does not answer.
    pub silent_since: Option<Timestamp>,
    /// When that was alarmed.
    pub alarmed_at: Option<Timestamp>,
}

type Row = (
    String,
    Vec<u8>,
    String,
    String,
    String,
    Option<String>,
    Option<String>,
    i64,
    i64,
    i64,
    Option<i64>,
    Option<String>,
);

fn entity(row: Row) -> Result<StoredOfficeMessage, Error> {
    let (id, name, office, subject, kind, detail, reason, created_at, attempts, next_at, ended_at, outcome) = row;
    let wrong = || Error::Inconsistent { table: "office_messages", row: id.clone() };
    Ok(StoredOfficeMessage {
        name: name.try_into().map_err(|_| wrong())?,
        kind: MessageKind::from_name(&kind).ok_or_else(wrong)?,
        attempts: u32::try_from(attempts).map_err(|_| wrong())?,
        ended: match (ended_at, outcome) {
            (None, None) => None,
            (Some(at), Some(outcome)) => Some((Timestamp::from_unix(at), outcome)),
            _ => return Err(wrong()),
        },
        office,
        subject,
        detail,
        reason,
        created_at: Timestamp::from_unix(created_at),
        next_at: Timestamp::from_unix(next_at),
        id,
    })
}

impl StoredOfficeMessage {
    /// Its name: office, subject, and its number among those of the subject, by eight digits, so that names sort.
    #[must_use]
    pub fn named(office: &str, subject: &str, number: usize) -> String {
        format!("{office}:{subject}:{number:08}")
    }
}

/// A statement that reads whole rows.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT id, name, office, subject, kind, detail, reason, created_at, attempts, next_at, ended_at, outcome ",
            "FROM office_messages ",
            $where
        )
    };
}

/// Writes a message that is to be sent.
///
/// # Errors
/// [`Error::Conflict`] when one of its names is there already.
pub async fn push(tx: &mut Tx<'_>, message: &StoredOfficeMessage) -> Result<(), Error> {
    let sql = "INSERT INTO office_messages (id, name, office, subject, kind, detail, reason, created_at, attempts, next_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)";
    let one = message;
    let (office, subject, kind) = (one.office.as_str(), one.subject.as_str(), one.kind.name());
    let (detail, reason) = (one.detail.as_deref(), one.reason.as_deref());
    let (created_at, next_at) = (one.created_at.unix(), one.next_at.unix());
    execute!(tx, sql, one.id.as_str(), &one.name[..], office, subject, kind, detail, reason, created_at, next_at)
        .map(|_| ())
}

/// Messages to that office that may be sent now, the oldest first, at most `limit`: of each subject only the first that has
/// not ended. Each row is read by itself, so that a broken one takes no other with it.
///
/// # Errors
/// The database's.
pub async fn due(tx: &mut Tx<'_>, office: &str, now: Timestamp, limit: i64) -> Result<DueMessages, Error> {
    let sql = "SELECT id FROM office_messages \
               WHERE office = $1 AND ended_at IS NULL AND next_at <= $2 AND NOT EXISTS (SELECT 1 FROM office_messages AS before \
               WHERE before.office = office_messages.office AND before.subject = office_messages.subject \
               AND before.ended_at IS NULL AND before.id < office_messages.id) ORDER BY next_at, id LIMIT $3";
    let mut due = DueMessages::default();
    for (id,) in fetch_all!(tx, (String,), sql, office, now.unix(), limit)? {
        let row = fetch_optional!(tx, Row, select!("WHERE id = $1"), id.as_str());
        match row.and_then(|row| row.map(entity).transpose()) {
            Ok(message) => due.messages.extend(message),
            Err(error) if error.is_of_row() => {
                tracing::error!(id, "a message to an office cannot be read: {error}");
                // Noted for the alarm.
                let _ = tx.integrity.refuse("office_messages", &id);
                due.broken.push(id);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(due)
}

/// Messages of that subject to that office, ended ones too, the oldest first.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn of_subject(tx: &mut Tx<'_>, office: &str, subject: &str) -> Result<Vec<StoredOfficeMessage>, Error> {
    let rows = fetch_all!(tx, Row, select!("WHERE office = $1 AND subject = $2 ORDER BY id"), office, subject)?;
    rows.into_iter().map(entity).collect()
}

/// Where the messages of that subject to that office stand, ended ones too, the oldest first. A row that is broken elsewhere
/// is among them: what is decided about a subject must not wait for what the office is told of it.
///
/// # Errors
/// The database's.
pub async fn places_of_subject(tx: &mut Tx<'_>, office: &str, subject: &str) -> Result<Vec<MessagePlace>, Error> {
    type Place = (String, String, i64, i64, Option<i64>, Option<String>);
    let sql = "SELECT id, kind, attempts, next_at, set_apart_at, outcome FROM office_messages \
               WHERE office = $1 AND subject = $2 ORDER BY id";
    let place = |(id, kind, attempts, next_at, set_apart_at, outcome): Place| MessagePlace {
        id,
        kind: MessageKind::from_name(&kind),
        attempts,
        next_at: Timestamp::from_unix(next_at),
        set_apart_at: set_apart_at.map(Timestamp::from_unix),
        outcome,
    };
    Ok(fetch_all!(tx, Place, sql, office, subject)?.into_iter().map(place).collect())
}

/// Sets a message apart that cannot be sent as its row is: it is looked at again at `next_at`, and leaves this state when it
/// is sent. Nothing happens to one that ended.
///
/// # Errors
/// The database's.
pub async fn set_apart(tx: &mut Tx<'_>, id: &str, now: Timestamp, next_at: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE office_messages SET set_apart_at = COALESCE(set_apart_at, $1), next_at = $2 \
               WHERE id = $3 AND ended_at IS NULL";
    execute!(tx, sql, now.unix(), next_at.unix(), id).map(|_| ())
}

/// Refuses a message whose row reads well and says what cannot be, and notes that for the alarm.
#[must_use]
pub fn refuse(tx: &Tx<'_>, id: &str) -> Error {
    tx.integrity.refuse("office_messages", id)
}

/// Notes that sending begins: until `next_at` nobody else sends it.
///
/// # Errors
/// [`Error::Stale`] when somebody else began meanwhile, or it ended.
pub async fn begin(tx: &mut Tx<'_>, message: &StoredOfficeMessage, next_at: Timestamp) -> Result<(), Error> {
    let attempts = i64::from(message.attempts);
    let sql = "UPDATE office_messages SET attempts = $1, next_at = $2, set_apart_at = NULL \
               WHERE id = $3 AND attempts = $4 AND ended_at IS NULL";
    let next = attempts.saturating_add(1);
    match execute!(tx, sql, next, next_at.unix(), message.id.as_str(), attempts)? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "office_messages", row: message.id.clone() }),
    }
}

/// When it is sent again. Nothing happens to one that ended.
///
/// # Errors
/// The database's.
pub async fn again(tx: &mut Tx<'_>, id: &str, next_at: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE office_messages SET next_at = $1 WHERE id = $2 AND ended_at IS NULL";
    execute!(tx, sql, next_at.unix(), id).map(|_| ())
}

/// Ends a message; gives whether it had not ended before.
///
/// # Errors
/// The database's.
pub async fn end(tx: &mut Tx<'_>, id: &str, outcome: &str, now: Timestamp) -> Result<bool, Error> {
    let sql = "UPDATE office_messages SET ended_at = $1, outcome = $2 WHERE id = $3 AND ended_at IS NULL";
    Ok(execute!(tx, sql, now.unix(), outcome, id)? == 1)
}

/// Deletes messages that ended before that moment, the oldest first, at most `limit`; gives how many. The last of each kind
/// about a subject stays: it says where a filing stands, and from which number on further ones are named.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<u64, Error> {
    let sql = "DELETE FROM office_messages WHERE id IN (SELECT id FROM office_messages AS old WHERE old.ended_at < $1 \
               AND EXISTS (SELECT 1 FROM office_messages AS later WHERE later.office = old.office \
               AND later.subject = old.subject AND later.kind = old.kind AND later.id > old.id) \
               ORDER BY old.ended_at, old.id LIMIT $2)";
    execute!(tx, sql, before.unix(), limit)
}

/// How far that office is known; the beginning for one that nobody asked yet.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn place(tx: &mut Tx<'_>, office: &str) -> Result<OfficePlace, Error> {
    let sql = "SELECT known_to, asked_at, silent_since, alarmed_at FROM office_places WHERE office = $1";
    let row = fetch_optional!(tx, (i64, i64, Option<i64>, Option<i64>), sql, office)?;
    let Some((known_to, asked_at, silent_since, alarmed_at)) = row else { return Ok(OfficePlace::default()) };
    let wrong = |_| Error::Inconsistent { table: "office_places", row: office.to_owned() };
    Ok(OfficePlace {
        known_to: u32::try_from(known_to).map_err(wrong)?,
        asked_at,
        silent_since: silent_since.map(Timestamp::from_unix),
        alarmed_at: alarmed_at.map(Timestamp::from_unix),
    })
}

/// Keeps how far that office is known.
///
/// # Errors
/// The database's.
pub async fn keep_place(tx: &mut Tx<'_>, office: &str, place: &OfficePlace) -> Result<(), Error> {
    let sql = "INSERT INTO office_places (office, known_to, asked_at, silent_since, alarmed_at) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (office) DO UPDATE SET known_to = excluded.known_to, asked_at = excluded.asked_at, \
               silent_since = excluded.silent_since, alarmed_at = excluded.alarmed_at";
    let (known_to, asked_at) = (i64::from(place.known_to), place.asked_at);
    let (silent, alarmed) = (place.silent_since.map(Timestamp::unix), place.alarmed_at.map(Timestamp::unix));
    execute!(tx, sql, office, known_to, asked_at, silent, alarmed).map(|_| ())
}
