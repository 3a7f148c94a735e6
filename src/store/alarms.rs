//! Rows of alarms: what was raised, what it holds, and whether somebody has looked at it. They decide who may let a seal or a
//! caller go, so each carries an integrity value.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, SealId};
use crate::domain::audit::{Alarm, AlarmKind, Suspends};
use crate::store::integrity::optional;
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
    /// Counts its changes, from 1.
    pub version: i64,
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
    i64,
    Option<Vec<u8>>,
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

fn content(stored: &StoredAlarm) -> [Vec<u8>; 10] {
    let Alarm { kind, seal, caller, sink, event, count } = &stored.alarm;
    let text = |text: Option<&str>| optional(text.map(str::as_bytes));
    let number = |number: Option<i64>| optional(number.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
    [
        kind.name().as_bytes().to_vec(),
        text(seal.as_ref().map(SealId::as_str)),
        text(caller.as_ref().map(CallerId::as_str)),
        text(sink.as_deref()),
        number(event.map(signed)),
        signed(*count).to_be_bytes().to_vec(),
        text(stored.suspended.map(suspends_name)),
        stored.raised_at.unix().to_be_bytes().to_vec(),
        number(stored.acknowledged_at.map(Timestamp::unix)),
        number(stored.released_at.map(Timestamp::unix)),
    ]
}

fn integrity(tx: &Tx<'_>, stored: &StoredAlarm) -> Result<Vec<u8>, Error> {
    let content = content(stored);
    tx.integrity.over(TABLE, &stored.number.to_string(), stored.version, &content.each_ref().map(Vec::as_slice))
}

fn entity(tx: &Tx<'_>, row: Row) -> Result<StoredAlarm, Error> {
    let (
        event,
        kind,
        seal,
        caller,
        sink,
        cause,
        count,
        suspended,
        raised_at,
        acknowledged_at,
        released_at,
        version,
        found,
    ) = row;
    let wrong = || Error::Inconsistent { table: TABLE, row: event.to_string() };
    let unsigned = |number: i64| u64::try_from(number).map_err(|_| wrong());
    let suspended = match suspended.as_deref() {
        None => None,
        Some("seal") => Some(Suspends::Seal),
        Some("caller") => Some(Suspends::Caller),
        Some(_) => return Err(wrong()),
    };
    let stored = StoredAlarm {
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
        version,
    };
    let content = content(&stored);
    let content = content.each_ref().map(Vec::as_slice);
    tx.integrity.check(TABLE, &event.to_string(), version, &content, &found.unwrap_or_default())?;
    Ok(stored)
}

/// Keeps a new alarm, as version 1, which nobody has looked at whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when that event raised one before.
pub async fn insert(tx: &mut Tx<'_>, stored: &StoredAlarm) -> Result<(), Error> {
    put(tx, &StoredAlarm { acknowledged_at: None, released_at: None, version: 1, ..stored.clone() }).await
}

/// Writes the row of an older program anew, which has no integrity value, as version 1.
///
/// # Errors
/// The database's.
pub async fn take_over(tx: &mut Tx<'_>, stored: &StoredAlarm) -> Result<(), Error> {
    execute!(tx, "DELETE FROM alarms WHERE event = $1 AND integrity IS NULL", signed(stored.number))?;
    put(tx, &StoredAlarm { version: 1, ..stored.clone() }).await
}

async fn put(tx: &mut Tx<'_>, stored: &StoredAlarm) -> Result<(), Error> {
    let sql = "INSERT INTO alarms (event, kind, seal, caller, sink, cause, count, suspended, raised_at, \
               acknowledged_at, released_at, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let integrity = integrity(tx, stored)?;
    let Alarm { kind, seal, caller, sink, event, count } = &stored.alarm;
    let (seal, caller) = (seal.as_ref().map(SealId::as_str), caller.as_ref().map(CallerId::as_str));
    let (cause, suspended) = (event.map(signed), stored.suspended.map(suspends_name));
    let (number, raised) = (signed(stored.number), stored.raised_at.unix());
    let (acknowledged, released) =
        (stored.acknowledged_at.map(Timestamp::unix), stored.released_at.map(Timestamp::unix));
    execute!(
        tx,
        sql,
        number,
        kind.name(),
        seal,
        caller,
        sink.as_deref(),
        cause,
        signed(*count),
        suspended,
        raised,
        acknowledged,
        released,
        stored.version,
        integrity
    )
    .map(|_| ())
}

/// Numbers of the rows that an older program wrote, without an integrity value.
///
/// # Errors
/// The database's.
pub async fn unsealed(tx: &mut Tx<'_>) -> Result<Vec<i64>, Error> {
    let rows = fetch_all!(tx, (i64,), "SELECT event FROM alarms WHERE integrity IS NULL ORDER BY event")?;
    Ok(rows.into_iter().map(|(number,)| number).collect())
}

/// Rows that are not as we wrote them, by their ids.
///
/// # Errors
/// The database's; what computes integrity values is away.
pub async fn changed(tx: &mut Tx<'_>) -> Result<Vec<String>, Error> {
    let sql = "SELECT event, kind, seal, caller, sink, cause, count, suspended, raised_at, acknowledged_at, \
               released_at, version, integrity FROM alarms ORDER BY event";
    let mut changed = Vec::new();
    for row in fetch_all!(tx, Row, sql)? {
        match entity(tx, row) {
            Ok(_) => {}
            Err(Error::Inconsistent { row, .. }) => changed.push(row),
            Err(error) => return Err(error),
        }
    }
    Ok(changed)
}

/// The alarm that this event raised.
///
/// # Errors
/// A row that is not as we wrote it is [`Error::Inconsistent`]; the database's.
pub async fn find(tx: &mut Tx<'_>, number: u64) -> Result<Option<StoredAlarm>, Error> {
    let sql = "SELECT event, kind, seal, caller, sink, cause, count, suspended, raised_at, acknowledged_at, \
               released_at, version, integrity FROM alarms WHERE event = $1";
    let row = fetch_optional!(tx, Row, sql, signed(number))?;
    row.map(|row| entity(tx, row)).transpose()
}

/// Alarms that nobody has looked at, the oldest first, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn open(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<StoredAlarm>, Error> {
    let sql = "SELECT event, kind, seal, caller, sink, cause, count, suspended, raised_at, acknowledged_at, \
               released_at, version, integrity FROM alarms WHERE acknowledged_at IS NULL ORDER BY event LIMIT $1";
    let rows = fetch_all!(tx, Row, sql, limit)?;
    rows.into_iter().map(|row| entity(tx, row)).collect()
}

/// All alarms behind that number, the oldest first, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn list(tx: &mut Tx<'_>, after: Option<u64>, limit: i64) -> Result<Vec<StoredAlarm>, Error> {
    let sql = "SELECT event, kind, seal, caller, sink, cause, count, suspended, raised_at, acknowledged_at, \
               released_at, version, integrity FROM alarms WHERE event > $1 ORDER BY event LIMIT $2";
    let rows = fetch_all!(tx, Row, sql, after.map_or(-1, signed), limit)?;
    rows.into_iter().map(|row| entity(tx, row)).collect()
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
/// [`Error::Stale`] when somebody had before, or there is no such alarm; as [`find`].
pub async fn acknowledge(tx: &mut Tx<'_>, number: u64, now: Timestamp) -> Result<(), Error> {
    match find(tx, number).await?.filter(|stored| stored.acknowledged_at.is_none()) {
        Some(stored) => change(tx, &StoredAlarm { acknowledged_at: Some(now), ..stored }).await,
        None => Err(stale(number)),
    }
}

/// The oldest alarm that holds that seal. Every row is read: one that was changed may have held it.
///
/// # Errors
/// As [`find`], for any row.
pub async fn holding(tx: &mut Tx<'_>, seal: &SealId) -> Result<Option<StoredAlarm>, Error> {
    let all = list(tx, None, i64::MAX).await?;
    let holds = |stored: &StoredAlarm| {
        stored.suspended == Some(Suspends::Seal)
            && stored.released_at.is_none()
            && stored.alarm.seal.as_ref() == Some(seal)
    };
    Ok(all.into_iter().find(holds))
}

/// Notes that what it suspended is released.
///
/// # Errors
/// [`Error::Stale`] when it was before, it suspended nothing, or there is no such alarm; as [`find`].
pub async fn release(tx: &mut Tx<'_>, number: u64, now: Timestamp) -> Result<(), Error> {
    let holds = |stored: &StoredAlarm| stored.suspended.is_some() && stored.released_at.is_none();
    match find(tx, number).await?.filter(holds) {
        Some(stored) => change(tx, &StoredAlarm { released_at: Some(now), ..stored }).await,
        None => Err(stale(number)),
    }
}

fn stale(number: u64) -> Error {
    Error::Stale { table: TABLE, row: number.to_string() }
}

/// Keeps what somebody did with an alarm, as its next version.
async fn change(tx: &mut Tx<'_>, stored: &StoredAlarm) -> Result<(), Error> {
    let next = StoredAlarm { version: stored.version.saturating_add(1), ..stored.clone() };
    let integrity = integrity(tx, &next)?;
    let sql = "UPDATE alarms SET acknowledged_at = $1, released_at = $2, version = $3, integrity = $4 \
               WHERE event = $5 AND version = $6";
    let (acknowledged, released) = (next.acknowledged_at.map(Timestamp::unix), next.released_at.map(Timestamp::unix));
    match execute!(tx, sql, acknowledged, released, next.version, integrity, signed(next.number), stored.version)? {
        1 => Ok(()),
        _ => Err(stale(next.number)),
    }
}

/// Forgets alarms that somebody had looked at before that moment, and that hold nothing any more; their events stay. A row
/// that is not as we wrote it stays. Gives how many.
///
/// # Errors
/// The database's; what computes integrity values is away.
pub async fn forget(tx: &mut Tx<'_>, acknowledged_before: Timestamp) -> Result<u64, Error> {
    let sql = "SELECT event, kind, seal, caller, sink, cause, count, suspended, raised_at, acknowledged_at, \
               released_at, version, integrity FROM alarms WHERE acknowledged_at < $1 ORDER BY event";
    let mut forgotten = 0_u64;
    for row in fetch_all!(tx, Row, sql, acknowledged_before.unix())? {
        let stored = match entity(tx, row) {
            Ok(stored) => stored,
            Err(Error::Inconsistent { .. }) => continue,
            Err(error) => return Err(error),
        };
        if stored.suspended.is_none() || stored.released_at.is_some() {
            let gone = execute!(tx, "DELETE FROM alarms WHERE event = $1", signed(stored.number))?;
            forgotten = forgotten.saturating_add(gone);
        }
    }
    Ok(forgotten)
}
