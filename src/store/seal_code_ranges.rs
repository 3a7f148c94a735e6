//! Rows of the codes of seals that were assigned. They say which code is given next, so each carries an integrity value.

use crate::base::division::Division;
use crate::domain::seal::code::CodeRange;
use crate::store::newest::{self, integrity_of_newest};
use crate::store::sql::{execute, fetch_all};
use crate::store::{Error, Tx};

const TABLE: &str = "seal_code_ranges";

/// A range, and how often it moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRange {
    /// The codes, and how far they are used.
    pub range: CodeRange,
    /// Counts its changes, from 1.
    pub version: i64,
}

type Row = (String, i64, i64, i64, i64, Vec<u8>);

fn name(division: &str, first: i64) -> String {
    format!("{division}/{first}")
}

fn numbers(range: &CodeRange) -> (String, [i64; 3]) {
    let (first, last) = range.bounds();
    (range.division().code(), [first.into(), last.into(), range.next().into()])
}

fn integrity(tx: &Tx<'_>, range: &CodeRange, version: i64) -> Result<Vec<u8>, Error> {
    let (division, [first, last, next]) = numbers(range);
    tx.integrity.over(TABLE, &name(&division, first), version, &[&last.to_be_bytes(), &next.to_be_bytes()])
}

fn entity(tx: &Tx<'_>, (division, first, last, next, version, found): Row) -> Result<StoredRange, Error> {
    let row = name(&division, first);
    tx.integrity.check(TABLE, &row, version, &[&last.to_be_bytes(), &next.to_be_bytes()], &found)?;
    let read = || {
        let number = |number: i64| u32::try_from(number).ok();
        let division = Division::parse(&division).ok()?;
        CodeRange::kept(&division, (number(first)?, number(last)?), number(next)?).ok()
    };
    let range = read().ok_or(Error::Inconsistent { table: TABLE, row })?;
    Ok(StoredRange { range, version })
}

/// Keeps a new range.
///
/// # Errors
/// [`Error::Conflict`] when one of the division begins there already.
pub async fn insert(tx: &mut Tx<'_>, range: &CodeRange) -> Result<(), Error> {
    let integrity = integrity(tx, range, 1)?;
    let (division, [first, last, next]) = numbers(range);
    let sql = "INSERT INTO seal_code_ranges (division, first, last, next, version, integrity) \
               VALUES ($1, $2, $3, $4, 1, $5)";
    execute!(tx, sql, division, first, last, next, integrity).map(|_| ())
}

/// The ranges of that division, in their order.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn of(tx: &mut Tx<'_>, division: &Division) -> Result<Vec<StoredRange>, Error> {
    let sql = concat!(
        "SELECT division, first, last, next, version, ",
        integrity_of_newest!("seal_code_ranges", "division || '/' || first"),
        " FROM seal_code_ranges WHERE division = $1 \
               ORDER BY first"
    );
    fetch_all!(tx, Row, sql, division.code())?.into_iter().map(|row| entity(tx, row)).collect()
}

/// All ranges, by division.
///
/// # Errors
/// As [`of`].
pub async fn all(tx: &mut Tx<'_>) -> Result<Vec<StoredRange>, Error> {
    let sql = concat!(
        "SELECT division, first, last, next, version, ",
        integrity_of_newest!("seal_code_ranges", "division || '/' || first"),
        " FROM seal_code_ranges ORDER BY division, first"
    );
    fetch_all!(tx, Row, sql)?.into_iter().map(|row| entity(tx, row)).collect()
}

/// Moves a range on: `next` is it without the codes that were taken.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `stored`.
pub async fn moved(tx: &mut Tx<'_>, stored: &StoredRange, next: &CodeRange) -> Result<StoredRange, Error> {
    let version = stored.version.saturating_add(1);
    let integrity = integrity(tx, next, version)?;
    let (division, [first, _, number]) = numbers(next);
    let sql = "UPDATE seal_code_ranges SET next = $1, version = $2, integrity = $3 \
               WHERE division = $4 AND first = $5 AND version = $6";
    match execute!(tx, sql, number, version, integrity, &division[..], first, stored.version)? {
        1 => {
            newest::keep(tx, TABLE, &name(&division, first), version).await?;
            Ok(StoredRange { range: next.clone(), version })
        }
        _ => Err(Error::Stale { table: TABLE, row: name(&division, first) }),
    }
}
