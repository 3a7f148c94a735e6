//! Rows of the audit log: numbered 0, 1, 2, … without gaps, never changed. Each has its salt, with which alone it can be
//! shown to be a leaf of the trees; an event that is erased goes with it.

use std::collections::BTreeMap;

use crate::base::clock::Timestamp;
use crate::domain::audit::{Actor, Event, EventClass, LoggedEvent};
use crate::store::erasures::{self, Erasure};
use crate::store::sql::{execute, fetch_all, fetch_one, fetch_optional, insert_many};
use crate::store::{Error, Tx};

/// Octets of a salt.
pub const SALT_LENGTH: usize = 32;

/// An event as it is committed to: its canonical encoding and its salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaltedEvent {
    /// Its number, which is the index of its leaf.
    pub number: i64,
    /// Its canonical encoding, as it was written.
    pub event: Vec<u8>,
    /// Its salt.
    pub salt: [u8; SALT_LENGTH],
}

/// Writes an event behind all others; gives its number. What happened is kept even where there is no randomness now: its salt
/// is drawn before it becomes a leaf ([`fill_salts`]), and there is no receipt meanwhile.
///
/// # Errors
/// The database's.
pub async fn append(tx: &mut Tx<'_>, event: &Event) -> Result<i64, Error> {
    let next = "UPDATE audit_head SET next = next + 1 WHERE single = 1 RETURNING next - 1";
    let (number,) = fetch_one!(tx, (i64,), next)?;
    let class = i64::try_from(event.class().number()).unwrap_or(i64::MAX);
    let salt = tx.salt().ok();
    let insert = "INSERT INTO audit_events (number, class, at, event, salt) VALUES ($1, $2, $3, $4, $5)";
    let der = event.to_der();
    execute!(tx, insert, number, class, event.at.unix(), &der[..], salt.as_ref().map(<[u8; SALT_LENGTH]>::as_slice))?;
    if let Some(salt) = salt {
        note(tx, event, SaltedEvent { number, event: der, salt });
    }
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
        let salts = part.iter().map(|_| tx.salt().ok()).collect::<Vec<_>>();
        let into = "INSERT INTO audit_events (number, class, at, event, salt) ";
        insert_many!(tx, into, (numbers..).zip(part.iter().zip(&salts)), |row, (number, (event, salt))| {
            row.push_bind(number);
            row.push_bind(i64::try_from(event.class().number()).unwrap_or(i64::MAX));
            row.push_bind(event.at.unix());
            row.push_bind(event.to_der());
            row.push_bind(salt.as_ref().map(<[u8; SALT_LENGTH]>::as_slice));
        })?;
        for (number, (event, salt)) in (numbers..).zip(part.iter().zip(&salts)) {
            if let Some(salt) = salt.filter(|_| is_noted(event)) {
                note(tx, event, SaltedEvent { number, event: event.to_der(), salt });
            }
        }
    }
    Ok(first)
}

/// Whether somebody will ask for the receipt of an event: a caller, at the end of its request.
fn is_noted(event: &Event) -> bool {
    event.request.is_some() && matches!(event.actor, Actor::Caller { .. })
}

fn note(tx: &mut Tx<'_>, event: &Event, written: SaltedEvent) {
    if let Some(request) = event.request.as_ref().filter(|_| is_noted(event)) {
        tx.written.push((request.clone(), written));
    }
}

/// Events that one statement inserts.
const PART: usize = 500;

/// As [`logged`], for whoever must understand every event: one that only a newer program knows is refused.
///
/// # Errors
/// As [`logged`]; an event that is not known is [`Error::Inconsistent`].
pub async fn read(tx: &mut Tx<'_>, from: i64, limit: i64) -> Result<Vec<(i64, Event)>, Error> {
    let events = logged(tx, from, limit).await?.into_iter().map(|(number, event)| match event {
        LoggedEvent::Known(event) => Ok((number, event)),
        LoggedEvent::Unknown(_) => Err(broken(number)),
    });
    events.collect()
}

/// Events from that number on, with their numbers, at most `limit`, whoever wrote them. Those that were erased are passed
/// over.
///
/// # Errors
/// A gap, or what is no event, is [`Error::Inconsistent`].
pub async fn logged(tx: &mut Tx<'_>, from: i64, limit: i64) -> Result<Vec<(i64, LoggedEvent)>, Error> {
    let sql = "SELECT number, class, at, event FROM audit_events WHERE number >= $1 ORDER BY number LIMIT $2";
    let rows = fetch_all!(tx, (i64, i64, i64, Vec<u8>), sql, from, limit)?;
    let mut erased = erasures::within(tx, from, rows.last().map_or(from, |row| row.0)).await?.into_iter().peekable();
    let mut expected = from.max(0);
    let mut events = Vec::with_capacity(rows.len());
    for (number, class, at, der) in rows {
        while let Some(range) = erased.next_if(|range| range.first <= expected) {
            expected = expected.max(range.last.saturating_add(1));
        }
        let event = LoggedEvent::from_der(&der).ok().filter(|event| {
            number == expected && i64::try_from(event.class_number()) == Ok(class) && event.at().unix() == at
        });
        events.push((number, event.ok_or_else(|| broken(number))?));
        expected = expected.saturating_add(1);
    }
    Ok(events)
}

fn broken(number: i64) -> Error {
    Error::Inconsistent { table: "audit_events", row: number.to_string() }
}

/// What the leaves from that number on commit to, at most `limit`, without gaps.
///
/// # Errors
/// A number that is missing, or whose event has no salt yet, is [`Error::Inconsistent`].
pub async fn salted(tx: &mut Tx<'_>, from: i64, limit: i64) -> Result<Vec<SaltedEvent>, Error> {
    let sql = "SELECT number, event, salt FROM audit_events WHERE number >= $1 ORDER BY number LIMIT $2";
    let rows = fetch_all!(tx, (i64, Vec<u8>, Option<Vec<u8>>), sql, from, limit)?;
    let events = (from.max(0)..).zip(rows).map(|(expected, (number, event, salt))| {
        let salt = salt.and_then(|salt| salt.try_into().ok()).filter(|_| number == expected);
        Ok(SaltedEvent { number, event, salt: salt.ok_or_else(|| broken(expected))? })
    });
    events.collect()
}

/// What the leaves from that number on commit to, at most `limit` numbers: nothing where the event was erased. A number that
/// is missing is neither there nor erased.
///
/// # Errors
/// An event that has no salt yet is [`Error::Inconsistent`].
pub async fn commitments(tx: &mut Tx<'_>, from: i64, limit: i64) -> Result<BTreeMap<i64, Option<SaltedEvent>>, Error> {
    let end = from.saturating_add(limit);
    let mut known = BTreeMap::new();
    for range in erasures::within(tx, from, end.saturating_sub(1)).await? {
        known.extend((range.first.max(from)..=range.last.min(end.saturating_sub(1))).map(|number| (number, None)));
    }
    let sql = "SELECT number, event, salt FROM audit_events WHERE number >= $1 AND number < $2";
    for (number, event, salt) in fetch_all!(tx, (i64, Vec<u8>, Option<Vec<u8>>), sql, from, end)? {
        let salt = salt.and_then(|salt| salt.try_into().ok()).ok_or_else(|| broken(number))?;
        known.insert(number, Some(SaltedEvent { number, event, salt }));
    }
    Ok(known)
}

/// One event with its salt; none where there is no such number, or where it was erased.
///
/// # Errors
/// An event that has no salt yet is [`Error::Inconsistent`].
pub async fn find_salted(tx: &mut Tx<'_>, number: i64) -> Result<Option<SaltedEvent>, Error> {
    let sql = "SELECT event, salt FROM audit_events WHERE number = $1";
    let row = fetch_optional!(tx, (Vec<u8>, Option<Vec<u8>>), sql, number)?;
    let found = row.map(|(event, salt)| {
        let salt = salt.and_then(|salt| salt.try_into().ok()).ok_or_else(|| broken(number))?;
        Ok(SaltedEvent { number, event, salt })
    });
    found.transpose()
}

/// Gives each event a salt that an older program wrote without one, at most `limit` of them from that number on; tells how
/// many.
///
/// # Errors
/// There is no randomness; the database's.
pub async fn fill_salts(tx: &mut Tx<'_>, from: i64, limit: i64) -> Result<u64, Error> {
    let sql = "SELECT number FROM audit_events WHERE number >= $1 AND salt IS NULL ORDER BY number LIMIT $2";
    let numbers = fetch_all!(tx, (i64,), sql, from, limit)?;
    let mut filled = 0_u64;
    for (number,) in numbers {
        let salt = tx.salt()?;
        let update = "UPDATE audit_events SET salt = $2 WHERE number = $1 AND salt IS NULL";
        filled = filled.saturating_add(execute!(tx, update, number, &salt[..])?);
    }
    Ok(filled)
}

/// Erases the events of a range with their salts, and what says of which things they spoke: what they said can be proven no
/// more, and their leaves stay. The event of that number names the erasure. Tells how many were there.
///
/// # Errors
/// The database's.
pub async fn erase(tx: &mut Tx<'_>, (first, last): (i64, i64), at: Timestamp, event: i64) -> Result<u64, Error> {
    let sql = "SELECT number, event FROM audit_events WHERE number >= $1 AND number <= $2 ORDER BY number";
    let rows = fetch_all!(tx, (i64, Vec<u8>), sql, first, last)?;
    erasures::add(tx, &Erasure { first, last, at, event }).await?;
    for (number, der) in &rows {
        let read = LoggedEvent::from_der(der).map_err(|_| broken(*number))?;
        for thing in read.things() {
            execute!(tx, "DELETE FROM log_things WHERE thing = $1 AND number = $2", &thing[..], *number)?;
        }
    }
    execute!(tx, "DELETE FROM log_unread WHERE number >= $1 AND number <= $2", first, last)?;
    execute!(tx, "DELETE FROM audit_events WHERE number >= $1 AND number <= $2", first, last)
}

/// Notes that the events of those numbers, up to and not with the second, are lost, as if they were erased: the next number
/// is the one behind them, and its event has to say so.
///
/// # Errors
/// [`Error::Stale`] where the first one is not the next number; the database's.
pub async fn lose(tx: &mut Tx<'_>, (from, to): (i64, i64), at: Timestamp) -> Result<(), Error> {
    let head = "UPDATE audit_head SET next = $2 WHERE single = 1 AND next = $1";
    if execute!(tx, head, from, to)? != 1 {
        return Err(Error::Stale { table: "audit_head", row: "1".to_owned() });
    }
    erasures::add(tx, &Erasure { first: from, last: to.saturating_sub(1), at, event: to }).await
}

/// The events that there are still from the first number up to, not with, the second: numbers and times, in their order, at
/// most `limit`.
///
/// # Errors
/// The database's.
pub async fn kept(tx: &mut Tx<'_>, from: i64, to: i64, limit: i64) -> Result<Vec<(i64, Timestamp)>, Error> {
    let sql = "SELECT number, at FROM audit_events WHERE number >= $1 AND number < $2 ORDER BY number LIMIT $3";
    let rows = fetch_all!(tx, (i64, i64), sql, from, to, limit)?;
    Ok(rows.into_iter().map(|(number, at)| (number, Timestamp::from_unix(at))).collect())
}

/// The events of a class that there are still, with their numbers, oldest first.
///
/// # Errors
/// One that does not decode is [`Error::Inconsistent`]; the database's.
pub async fn of_class(tx: &mut Tx<'_>, class: EventClass) -> Result<Vec<(i64, Event)>, Error> {
    let class = i64::try_from(class.number()).unwrap_or(i64::MAX);
    let sql = "SELECT number, event FROM audit_events WHERE class = $1 ORDER BY number";
    let rows = fetch_all!(tx, (i64, Vec<u8>), sql, class)?;
    let read =
        |(number, der): (i64, Vec<u8>)| Event::from_der(&der).map(|event| (number, event)).map_err(|_| broken(number));
    rows.into_iter().map(read).collect()
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
