//! Rows of alarms: what was raised, and whether somebody has looked at it.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, SealId};
use crate::domain::audit::{Alarm, AlarmKind, Suspends};
use crate::store::sql::{execute, fetch_all, fetch_one, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "alarms";

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAlarm {
    /// The number of the event that raised it: its name.
    pub number: u64,
    /// What it says.
    pub alarm: Alarm,
    /// What it suspended.
    pub suspended: Option<Suspends>,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// When somebody had looked at it.
    pub acknowledged_at: Option<Timestamp>,
    /// When two officers released what it suspended.
    pub released_at: Option<Timestamp>,
}

type Row = (
    i64,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    i64,
    Option<String>,
    i64,
    Option<i64>,
    Option<i64>,
);

const fn suspends_name(suspends: Suspends) -> &'static str {
    match suspends {
        Suspends::Seal => "seal",
        Suspends::Caller => "caller",
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn entity(row: Row) -> Result<StoredAlarm, Error> {
    let (event, kind, seal, caller, sink, cause, count, suspended, raised_at, acknowledged_at, released_at) = row;
    let wrong = || Error::Inconsistent { table: TABLE, row: event.to_string() };
    let unsigned = |number: i64| u64::try_from(number).map_err(|_| wrong());
    let suspended = match suspended.as_deref() {
        None => None,
        Some("seal") => Some(Suspends::Seal),
        Some("caller") => Some(Suspends::Caller),
        Some(_) => return Err(wrong()),
    };
    Ok(StoredAlarm {
        number: unsigned(event)?,
        alarm: Alarm {
            kind: AlarmKind::from_name(&kind).ok_or_else(wrong)?,
            seal: seal.as_deref().map(SealId::parse).transpose().map_err(|_| wrong())?,
            caller: caller.as_deref().map(CallerId::parse).transpose().map_err(|_| wrong())?,
            sink,
            event: cause.map(unsigned).transpose()?,
            count: unsigned(count)?,
        },
        suspended,
        raised_at: Timestamp::from_unix(raised_at),
        acknowledged_at: acknowledged_at.map(Timestamp::from_unix),
        released_at: released_at.map(Timestamp::from_unix),
    })
}

/// Keeps a new alarm, which nobody has looked at whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when that event raised one before.
pub async fn insert(tx: &mut Tx<'_>, stored: &StoredAlarm) -> Result<(), Error> {
    let sql = "INSERT INTO alarms (event, kind, seal, caller, sink, cause, count, suspended, raised_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let Alarm { kind, seal, caller, sink, event, count } = &stored.alarm;
    let (seal, caller) = (seal.as_ref().map(SealId::as_str), caller.as_ref().map(CallerId::as_str));
    let (cause, suspended) = (event.map(signed), stored.suspended.map(suspends_name));
    let (number, raised) = (signed(stored.number), stored.raised_at.unix());
    execute!(tx, sql, number, kind.name(), seal, caller, sink.as_deref(), cause, signed(*count), suspended, raised)
        .map(|_| ())
}

/// The alarm that this event raised.
///
/// # Errors
/// A row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, number: u64) -> Result<Option<StoredAlarm>, Error> {
    let sql = "SELECT event, kind, seal, caller, sink, cause, count, suspended, raised_at, acknowledged_at, \
               released_at \
               FROM alarms WHERE event = $1";
    let row = fetch_optional!(tx, Row, sql, signed(number))?;
    row.map(entity).transpose()
}

/// Alarms that nobody has looked at, the oldest first, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn open(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<StoredAlarm>, Error> {
    let sql = "SELECT event, kind, seal, caller, sink, cause, count, suspended, raised_at, acknowledged_at, \
               released_at \
               FROM alarms WHERE acknowledged_at IS NULL ORDER BY event LIMIT $1";
    let rows = fetch_all!(tx, Row, sql, limit)?;
    rows.into_iter().map(entity).collect()
}

/// All alarms behind that number, the oldest first, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn list(tx: &mut Tx<'_>, after: Option<u64>, limit: i64) -> Result<Vec<StoredAlarm>, Error> {
    let sql = "SELECT event, kind, seal, caller, sink, cause, count, suspended, raised_at, acknowledged_at, \
               released_at \
               FROM alarms WHERE event > $1 ORDER BY event LIMIT $2";
    let rows = fetch_all!(tx, Row, sql, after.map_or(-1, signed), limit)?;
    rows.into_iter().map(entity).collect()
}

/// How many alarms nobody has looked at.
///
/// # Errors
/// The database's.
pub async fn count_open(tx: &mut Tx<'_>) -> Result<i64, Error> {
    let (count,) = fetch_one!(tx, (i64,), "SELECT count(*) FROM alarms WHERE acknowledged_at IS NULL")?;
    Ok(count)
}

/// Notes that somebody has looked.
///
/// # Errors
/// [`Error::Stale`] when somebody had before, or there is no such alarm.
pub async fn acknowledge(tx: &mut Tx<'_>, number: u64, now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE alarms SET acknowledged_at = $1 WHERE event = $2 AND acknowledged_at IS NULL";
    match execute!(tx, sql, now.unix(), signed(number))? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: TABLE, row: number.to_string() }),
    }
}

/// The oldest alarm that holds that seal.
///
/// # Errors
/// As [`find`].
pub async fn holding(tx: &mut Tx<'_>, seal: &SealId) -> Result<Option<StoredAlarm>, Error> {
    let sql = "SELECT event, kind, seal, caller, sink, cause, count, suspended, raised_at, acknowledged_at, \
               released_at \
               FROM alarms WHERE seal = $1 AND suspended = 'seal' AND released_at IS NULL ORDER BY event LIMIT 1";
    fetch_optional!(tx, Row, sql, seal.as_str())?.map(entity).transpose()
}

/// Notes that what it suspended is released.
///
/// # Errors
/// [`Error::Stale`] when it was before, or there is no such alarm.
pub async fn release(tx: &mut Tx<'_>, number: u64, now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE alarms SET released_at = $1 WHERE event = $2 AND suspended IS NOT NULL AND released_at IS NULL";
    match execute!(tx, sql, now.unix(), signed(number))? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: TABLE, row: number.to_string() }),
    }
}

/// Forgets alarms that somebody had looked at before that moment, and that hold nothing any more; their events stay. Gives
/// how many.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, acknowledged_before: Timestamp) -> Result<u64, Error> {
    let sql = "DELETE FROM alarms WHERE acknowledged_at < $1 AND (suspended IS NULL OR released_at IS NOT NULL)";
    execute!(tx, sql, acknowledged_before.unix())
}
