//! Rows of those that follow the audit log: where each stands, and what rules against misuse remember.

use crate::base::clock::Timestamp;
use crate::domain::audit::misuse::{Topic, Trace};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// The number of the next event of that follower; nothing for one that has not begun.
///
/// # Errors
/// The database's.
pub async fn position(tx: &mut Tx<'_>, name: &str) -> Result<Option<i64>, Error> {
    let row = fetch_optional!(tx, (i64,), "SELECT next FROM watch_positions WHERE name = $1", name)?;
    Ok(row.map(|(next,)| next))
}

/// Every follower that has begun, with the number of its next event, by their names.
///
/// # Errors
/// The database's.
pub async fn positions(tx: &mut Tx<'_>) -> Result<Vec<(String, i64)>, Error> {
    fetch_all!(tx, (String, i64), "SELECT name, next FROM watch_positions ORDER BY name")
}

/// Puts a follower at an event.
///
/// # Errors
/// The database's.
pub async fn move_to(tx: &mut Tx<'_>, name: &str, next: i64) -> Result<(), Error> {
    let sql = "INSERT INTO watch_positions (name, next) VALUES ($1, $2) \
               ON CONFLICT (name) DO UPDATE SET next = excluded.next";
    execute!(tx, sql, name, next).map(|_| ())
}

/// What is remembered of a subject.
///
/// # Errors
/// A row that is not as we wrote it; the database's.
pub async fn trace(tx: &mut Tx<'_>, topic: &Topic) -> Result<Option<Trace>, Error> {
    type Row = (i64, i64, i64, Option<i64>, i64);
    let sql = "SELECT since, last_count, this_count, alarmed_at, seen_at FROM misuse_traces WHERE topic = $1";
    let row = fetch_optional!(tx, Row, sql, topic.as_str())?;
    let wrong = || Error::Inconsistent { table: "misuse_traces", row: topic.to_string() };
    let entity = |(since, before, count, alarmed_at, seen_at): Row| {
        Ok(Trace {
            since: Timestamp::from_unix(since),
            before: u64::try_from(before).map_err(|_| wrong())?,
            count: u64::try_from(count).map_err(|_| wrong())?,
            alarmed_at: alarmed_at.map(Timestamp::from_unix),
            seen_at: Timestamp::from_unix(seen_at),
        })
    };
    row.map(entity).transpose()
}

/// Keeps what is remembered of a subject.
///
/// # Errors
/// The database's.
pub async fn keep_trace(tx: &mut Tx<'_>, topic: &Topic, trace: &Trace) -> Result<(), Error> {
    let sql = "INSERT INTO misuse_traces (topic, since, last_count, this_count, alarmed_at, seen_at) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (topic) DO UPDATE SET since = excluded.since, \
               last_count = excluded.last_count, this_count = excluded.this_count, \
               alarmed_at = excluded.alarmed_at, seen_at = excluded.seen_at";
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (since, seen, alarmed) = (trace.since.unix(), trace.seen_at.unix(), trace.alarmed_at.map(Timestamp::unix));
    execute!(tx, sql, topic.as_str(), since, signed(trace.before), signed(trace.count), alarmed, seen).map(|_| ())
}

/// Forgets subjects that were not seen since that moment; gives how many.
///
/// # Errors
/// The database's.
pub async fn forget_traces(tx: &mut Tx<'_>, unseen_since: Timestamp) -> Result<u64, Error> {
    execute!(tx, "DELETE FROM misuse_traces WHERE seen_at < $1", unseen_since.unix())
}
