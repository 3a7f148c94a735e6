//! Rows of erasures: ranges of numbers whose events are gone while their leaves stay. They decide whether an event is missing,
//! so each carries an integrity value.

use crate::base::clock::Timestamp;
use crate::store::sql::{execute, fetch_all};
use crate::store::{Error, Tx};

const TABLE: &str = "audit_erasures";
/// A row never changes: it is written anew when it grows.
const VERSION: i64 = 1;

/// A range of numbers whose events are gone, from the first to the last. Ranges neither touch nor overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// The first number.
    pub first: i64,
    /// The last number.
    pub last: i64,
    /// When the newest part of it was erased.
    pub at: Timestamp,
    /// The event that names the newest part of it.
    pub event: i64,
}

type Row = (i64, Option<i64>, i64, Option<i64>, Option<Vec<u8>>);

fn integrity(tx: &Tx<'_>, erasure: &Erasure) -> Result<Vec<u8>, Error> {
    let content = [erasure.last.to_be_bytes(), erasure.at.unix().to_be_bytes(), erasure.event.to_be_bytes()];
    tx.integrity.over(TABLE, &erasure.first.to_string(), VERSION, &content.each_ref().map(|part| &part[..]))
}

fn entity(tx: &Tx<'_>, (first, last, at, event, found): Row) -> Result<Erasure, Error> {
    let wrong = || Error::Inconsistent { table: TABLE, row: first.to_string() };
    let (last, event) = last.zip(event).ok_or_else(wrong)?;
    let content = [last.to_be_bytes(), at.to_be_bytes(), event.to_be_bytes()];
    let content = content.each_ref().map(|part| &part[..]);
    tx.integrity.check(TABLE, &first.to_string(), VERSION, &content, &found.unwrap_or_default())?;
    Ok(Erasure { first, last, at: Timestamp::from_unix(at), event })
}

/// The ranges that have a number from the first to the last one, in their order.
///
/// # Errors
/// A row that is not as we wrote it is [`Error::Inconsistent`]; the database's.
pub async fn within(tx: &mut Tx<'_>, first: i64, last: i64) -> Result<Vec<Erasure>, Error> {
    // The one that begins before may reach into it.
    let sql = "SELECT number, last, at, event, integrity FROM audit_erasures WHERE number <= $2 \
               AND number >= COALESCE((SELECT max(number) FROM audit_erasures WHERE number <= $1), $1) ORDER BY number";
    let mut ranges = Vec::new();
    for row in fetch_all!(tx, Row, sql, first, last)? {
        let erasure = entity(tx, row)?;
        if erasure.last >= first {
            ranges.push(erasure);
        }
    }
    Ok(ranges)
}

/// Adds a range; those that it touches or overlaps become one with it.
///
/// # Errors
/// As [`within`].
pub async fn add(tx: &mut Tx<'_>, new: &Erasure) -> Result<(), Error> {
    let mut whole = *new;
    for old in within(tx, new.first.saturating_sub(1), new.last.saturating_add(1)).await? {
        (whole.first, whole.last) = (whole.first.min(old.first), whole.last.max(old.last));
        execute!(tx, "DELETE FROM audit_erasures WHERE number = $1", old.first)?;
    }
    let integrity = integrity(tx, &whole)?;
    let sql = "INSERT INTO audit_erasures (number, last, at, event, integrity) VALUES ($1, $2, $3, $4, $5)";
    execute!(tx, sql, whole.first, whole.last, whole.at.unix(), whole.event, integrity).map(|_| ())
}

/// Numbers that an older program noted one by one, without an integrity value, in their order.
///
/// # Errors
/// The database's.
pub async fn unsealed(tx: &mut Tx<'_>) -> Result<Vec<i64>, Error> {
    let sql = "SELECT number FROM audit_erasures WHERE integrity IS NULL ORDER BY number";
    Ok(fetch_all!(tx, (i64,), sql)?.into_iter().map(|(number,)| number).collect())
}

/// Puts a range, which an event names, in the place of the numbers in it that have no integrity value.
///
/// # Errors
/// As [`within`].
pub async fn seal(tx: &mut Tx<'_>, range: &Erasure) -> Result<(), Error> {
    let sql = "DELETE FROM audit_erasures WHERE integrity IS NULL AND number >= $1 AND number <= $2";
    execute!(tx, sql, range.first, range.last)?;
    add(tx, range).await
}
