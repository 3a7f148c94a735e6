//! Rows of the audit log: numbered 0, 1, 2, … without gaps, never changed.

use crate::base::clock::Timestamp;
use crate::domain::audit::{Event, EventClass};
use crate::store::sql::{execute, fetch_all, fetch_one, fetch_optional, insert_many};
use crate::store::{Error, Tx};

/// Writes an event behind all others; gives its number.
///
/// # Errors
/// The database's.
pub async fn append(tx: &mut Tx<'_>, event: &Event) -> Result<i64, Error> {
    let next = "UPDATE audit_head SET next = next + 1 WHERE single = 1 RETURNING next - 1";
    let (number,) = fetch_one!(tx, (i64,), next)?;
    let class = i64::try_from(event.class().number()).unwrap_or(i64::MAX);
    let insert = "INSERT INTO audit_events (number, class, at, event) VALUES ($1, $2, $3, $4)";
    execute!(tx, insert, number, class, event.at.unix(), event.to_der())?;
    Ok(number)
}

/// Writes several events behind all others, in their order, by one statement; gives the number of the first.
///
/// # Errors
/// The database's.
pub async fn append_many(tx: &mut Tx<'_>, events: &[Event]) -> Result<i64, Error> {
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let next = "UPDATE audit_head SET next = next + $1 WHERE single = 1 RETURNING next - $1";
    let (first,) = fetch_one!(tx, (i64,), next, count)?;
    // Far below the number of values that a statement may bind.
    for (numbers, part) in (first..).step_by(PART).zip(events.chunks(PART)) {
        let into = "INSERT INTO audit_events (number, class, at, event) ";
        insert_many!(tx, into, (numbers..).zip(part), |row, (number, event)| {
            row.push_bind(number);
            row.push_bind(i64::try_from(event.class().number()).unwrap_or(i64::MAX));
            row.push_bind(event.at.unix());
            row.push_bind(event.to_der());
        })?;
    }
    Ok(first)
}

/// Events that one statement inserts.
const PART: usize = 500;

/// Events from that number on, with their numbers, at most `limit`.
///
/// # Errors
/// A gap, or an event that does not decode, is [`Error::Inconsistent`].
pub async fn read(tx: &mut Tx<'_>, from: i64, limit: i64) -> Result<Vec<(i64, Event)>, Error> {
    let sql = "SELECT number, class, at, event FROM audit_events WHERE number >= $1 ORDER BY number LIMIT $2";
    let rows = fetch_all!(tx, (i64, i64, i64, Vec<u8>), sql, from, limit)?;
    let events = (from.max(0)..).zip(rows).map(|(expected, (number, class, at, der))| {
        let event = Event::from_der(&der).ok().filter(|event| {
            number == expected && i64::try_from(event.class().number()) == Ok(class) && event.at.unix() == at
        });
        let wrong = || Error::Inconsistent { table: "audit_events", row: number.to_string() };
        Ok((number, event.ok_or_else(wrong)?))
    });
    events.collect()
}

/// How many events there are: also the next number.
///
/// # Errors
/// The database's.
pub async fn count(tx: &mut Tx<'_>) -> Result<i64, Error> {
    let (next,) = fetch_one!(tx, (i64,), "SELECT next FROM audit_head WHERE single = 1")?;
    Ok(next)
}

/// When the last event of that class was written.
///
/// # Errors
/// The database's.
pub async fn last_of(tx: &mut Tx<'_>, class: EventClass) -> Result<Option<Timestamp>, Error> {
    let class = i64::try_from(class.number()).unwrap_or(i64::MAX);
    // From the end of the log: a service that stamps finds its last stamp soon.
    let sql = "SELECT at FROM audit_events WHERE class = $1 ORDER BY number DESC LIMIT 1";
    let row = fetch_optional!(tx, (i64,), sql, class)?;
    Ok(row.map(|(at,)| Timestamp::from_unix(at)))
}
