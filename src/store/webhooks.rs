//! Rows of those who receive notices of state changes: where each stands in the log, and what was given up.
//!
//! Whoever changes one names the version that it read, so two services never note the end of one attempt.

use crate::base::clock::Timestamp;
use crate::domain::webhook::delivery::{Delivery, Place};
use crate::store::sql::{execute, fetch_all, fetch_one, fetch_optional};
use crate::store::{Error, Tx};

const PLACES: &str = "webhook_places";
const DEAD: &str = "dead_notices";

/// Where a receiver stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPlace {
    /// The receiver.
    pub receiver: String,
    /// Where.
    pub place: Place,
    /// When the alarm of notices that were given up was raised last.
    pub alarmed_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// A notice that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadNotice {
    /// The receiver.
    pub receiver: String,
    /// The event that it is of.
    pub event: u64,
    /// What happened, by its stable name.
    pub kind: String,
    /// What was sent; nothing where it could not be written.
    pub body: Option<String>,
    /// The stable code of the last refusal.
    pub refusal: String,
    /// How often it was sent until it was given up the last time.
    pub sent: u32,
    /// When for the first time.
    pub first_at: Timestamp,
    /// When it was given up the last time.
    pub given_up_at: Timestamp,
    /// How far it is, where somebody wants it sent again.
    pub resending: Option<Delivery>,
    /// Counts its changes, from 1.
    pub version: i64,
}

fn columns(delivery: &Delivery) -> (i64, Option<i64>, Option<i64>) {
    match delivery {
        Delivery::New => (0, None, None),
        Delivery::Begun { attempts, since, at } => (i64::from(*attempts), Some(since.unix()), Some(at.unix())),
    }
}

fn delivery(columns: (i64, Option<i64>, Option<i64>)) -> Option<Delivery> {
    match columns {
        (0, None, None) => Some(Delivery::New),
        (attempts, Some(since), Some(at)) => Some(Delivery::Begun {
            attempts: u32::try_from(attempts).ok().filter(|attempts| *attempts > 0)?,
            since: Timestamp::from_unix(since),
            at: Timestamp::from_unix(at),
        }),
        _ => None,
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Where that receiver stands; nothing where it has not begun.
///
/// # Errors
/// A row that is not as we write it; the database's.
pub async fn place(tx: &mut Tx<'_>, receiver: &str) -> Result<Option<StoredPlace>, Error> {
    type Row = (i64, i64, Option<i64>, Option<i64>, Option<i64>, i64);
    let sql = "SELECT next, attempts, since, next_at, alarmed_at, version FROM webhook_places WHERE receiver = $1";
    let Some(row) = fetch_optional!(tx, Row, sql, receiver)? else { return Ok(None) };
    let (next, attempts, since, next_at, alarmed_at, version) = row;
    let wrong = || Error::Inconsistent { table: PLACES, row: receiver.to_owned() };
    let next = u64::try_from(next).map_err(|_| wrong())?;
    let delivery = delivery((attempts, since, next_at)).ok_or_else(wrong)?;
    let (place, alarmed_at) = (Place { next, delivery }, alarmed_at.map(Timestamp::from_unix));
    Ok(Some(StoredPlace { receiver: receiver.to_owned(), place, alarmed_at, version }))
}

/// The names of all receivers that have begun.
///
/// # Errors
/// The database's.
pub async fn receivers(tx: &mut Tx<'_>) -> Result<Vec<String>, Error> {
    let rows = fetch_all!(tx, (String,), "SELECT receiver FROM webhook_places ORDER BY receiver")?;
    Ok(rows.into_iter().map(|(receiver,)| receiver).collect())
}

/// Puts a receiver that has not begun in front of that event; as version 1.
///
/// # Errors
/// [`Error::Conflict`] when it has begun; the database's.
pub async fn begin(tx: &mut Tx<'_>, receiver: &str, next: u64) -> Result<(), Error> {
    let sql = "INSERT INTO webhook_places (receiver, next, attempts, version) VALUES ($1, $2, 0, 1)";
    execute!(tx, sql, receiver, signed(next)).map(|_| ())
}

/// Keeps where a receiver stands.
///
/// # Errors
/// [`Error::Stale`] when somebody else changed it meanwhile; the database's.
pub async fn update(tx: &mut Tx<'_>, stored: &StoredPlace) -> Result<StoredPlace, Error> {
    let sql = "UPDATE webhook_places SET next = $1, attempts = $2, since = $3, next_at = $4, alarmed_at = $5, \
               version = version + 1 WHERE receiver = $6 AND version = $7";
    let (attempts, since, next_at) = columns(&stored.place.delivery);
    let (next, alarmed_at) = (signed(stored.place.next), stored.alarmed_at.map(Timestamp::unix));
    let receiver = stored.receiver.as_str();
    match execute!(tx, sql, next, attempts, since, next_at, alarmed_at, receiver, stored.version)? {
        1 => Ok(StoredPlace { version: stored.version.saturating_add(1), ..stored.clone() }),
        _ => Err(Error::Stale { table: PLACES, row: stored.receiver.clone() }),
    }
}

/// A statement that reads whole rows of what was given up.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT receiver, event, type, body, refusal, sent, first_at, given_up_at, resending, attempts, since, next_at, ",
            "version FROM dead_notices ",
            $where
        )
    };
}

type Row = (String, i64, String, Option<String>, String, i64, i64, i64, i64, i64, Option<i64>, Option<i64>, i64);

fn entity(row: Row) -> Result<DeadNotice, Error> {
    let (
        receiver,
        event,
        kind,
        body,
        refusal,
        sent,
        first_at,
        given_up_at,
        resending,
        attempts,
        since,
        next_at,
        version,
    ) = row;
    let wrong = || Error::Inconsistent { table: DEAD, row: format!("{receiver}/{event}") };
    let delivery = delivery((attempts, since, next_at)).ok_or_else(wrong)?;
    Ok(DeadNotice {
        event: u64::try_from(event).map_err(|_| wrong())?,
        sent: u32::try_from(sent).map_err(|_| wrong())?,
        resending: (resending == 1).then_some(delivery),
        receiver,
        kind,
        body,
        refusal,
        first_at: Timestamp::from_unix(first_at),
        given_up_at: Timestamp::from_unix(given_up_at),
        version,
    })
}

/// Keeps a notice that is given up; as version 1. One that is there already, since its receiver was put in front of it again,
/// is written anew.
///
/// # Errors
/// The database's.
pub async fn give_up(tx: &mut Tx<'_>, dead: &DeadNotice) -> Result<(), Error> {
    let sql = "INSERT INTO dead_notices (receiver, event, type, body, refusal, sent, first_at, given_up_at, resending, \
               attempts, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 1) \
               ON CONFLICT (receiver, event) DO UPDATE SET body = excluded.body, refusal = excluded.refusal, \
               sent = excluded.sent, first_at = excluded.first_at, given_up_at = excluded.given_up_at, resending = 0, \
               attempts = 0, since = NULL, next_at = NULL, version = dead_notices.version + 1";
    let (receiver, kind, refusal) = (dead.receiver.as_str(), dead.kind.as_str(), dead.refusal.as_str());
    let (first_at, given_up_at) = (dead.first_at.unix(), dead.given_up_at.unix());
    let (event, sent, body) = (signed(dead.event), i64::from(dead.sent), dead.body.as_deref());
    execute!(tx, sql, receiver, event, kind, body, refusal, sent, first_at, given_up_at).map(|_| ())
}

/// The notice of that event that was given up for that receiver.
///
/// # Errors
/// A row that is not as we write it; the database's.
pub async fn find_dead(tx: &mut Tx<'_>, receiver: &str, event: u64) -> Result<Option<DeadNotice>, Error> {
    let row = fetch_optional!(tx, Row, select!("WHERE receiver = $1 AND event = $2"), receiver, signed(event))?;
    row.map(entity).transpose()
}

/// What was given up for that receiver from that event on, in the order of the events, at most `limit`.
///
/// # Errors
/// As [`find_dead`].
pub async fn dead(tx: &mut Tx<'_>, receiver: &str, from: u64, limit: i64) -> Result<Vec<DeadNotice>, Error> {
    let sql = select!("WHERE receiver = $1 AND event >= $2 ORDER BY event LIMIT $3");
    fetch_all!(tx, Row, sql, receiver, signed(from), limit)?.into_iter().map(entity).collect()
}

/// How much was given up for that receiver and is not delivered.
///
/// # Errors
/// The database's.
pub async fn count_dead(tx: &mut Tx<'_>, receiver: &str) -> Result<u64, Error> {
    let sql = "SELECT count(*) FROM dead_notices WHERE receiver = $1";
    let (count,) = fetch_one!(tx, (i64,), sql, receiver)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The first notice that somebody wants sent again to that receiver.
///
/// # Errors
/// As [`find_dead`].
pub async fn resending(tx: &mut Tx<'_>, receiver: &str) -> Result<Option<DeadNotice>, Error> {
    let sql = select!("WHERE receiver = $1 AND resending = 1 ORDER BY event LIMIT 1");
    fetch_optional!(tx, Row, sql, receiver)?.map(entity).transpose()
}

/// Keeps how far a notice is that was given up.
///
/// # Errors
/// [`Error::Stale`] when somebody else changed it meanwhile; the database's.
pub async fn update_dead(tx: &mut Tx<'_>, dead: &DeadNotice) -> Result<DeadNotice, Error> {
    let sql = "UPDATE dead_notices SET body = $1, refusal = $2, sent = $3, given_up_at = $4, resending = $5, \
               attempts = $6, since = $7, next_at = $8, version = version + 1 \
               WHERE receiver = $9 AND event = $10 AND version = $11";
    let (attempts, since, next_at) = columns(dead.resending.as_ref().unwrap_or(&Delivery::New));
    let (body, refusal, sent) = (dead.body.as_deref(), dead.refusal.as_str(), i64::from(dead.sent));
    let (given_up_at, resending) = (dead.given_up_at.unix(), i64::from(dead.resending.is_some()));
    let (receiver, event, version) = (dead.receiver.as_str(), signed(dead.event), dead.version);
    let done = execute!(
        tx,
        sql,
        body,
        refusal,
        sent,
        given_up_at,
        resending,
        attempts,
        since,
        next_at,
        receiver,
        event,
        version
    )?;
    match done {
        1 => Ok(DeadNotice { version: version.saturating_add(1), ..dead.clone() }),
        _ => Err(Error::Stale { table: DEAD, row: format!("{receiver}/{event}") }),
    }
}

/// Forgets a notice that was delivered after all.
///
/// # Errors
/// [`Error::Stale`] when somebody else changed it meanwhile; the database's.
pub async fn forget_dead(tx: &mut Tx<'_>, dead: &DeadNotice) -> Result<(), Error> {
    let sql = "DELETE FROM dead_notices WHERE receiver = $1 AND event = $2 AND version = $3";
    match execute!(tx, sql, dead.receiver.as_str(), signed(dead.event), dead.version)? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: DEAD, row: format!("{}/{}", dead.receiver, dead.event) }),
    }
}
