//! The newest version of each row that gives authority over seals, kept a second time: an older row that somebody puts back
//! whole, with the integrity value that it had, does not pass for the newest.
//!
//! A line stands for its row, too: where a line is and no row, somebody deleted the row. What no program of this version has
//! written has no line here, and a line that is older than its row means nothing: an older program may work beside us. Row and
//! line put back, or deleted, together are not noticed: the audit log tells.

use crate::store::sql::{execute, fetch_listed, fetch_optional};
use crate::store::{Error, Tx};

/// What is selected in the place of `integrity`: no value at all where a newer version of the row was kept, so that the row is
/// refused like every other one that is not as it was written.
macro_rules! integrity_of_newest {
    ($table:literal, $name:literal) => {
        concat!(
            "CASE WHEN EXISTS (SELECT 1 FROM newest_rows WHERE newest_rows.name = '",
            $table,
            "/' || ",
            $name,
            " AND newest_rows.version > ",
            $table,
            ".version) THEN substr(integrity, 1, 0) ELSE integrity END AS integrity"
        )
    };
}
pub(in crate::store) use integrity_of_newest;

/// Keeps that the row is new; in the transaction that writes it.
///
/// # Errors
/// [`Error::Inconsistent`]: it was there before, and somebody deleted it.
pub(in crate::store) async fn first(tx: &mut Tx<'_>, table: &'static str, row: &str) -> Result<(), Error> {
    let sql = "INSERT INTO newest_rows (name, version) VALUES ($1, 1) ON CONFLICT (name) DO NOTHING";
    match execute!(tx, sql, format!("{table}/{row}"))? {
        1 => Ok(()),
        _ => Err(tx.integrity.refuse(table, row)),
    }
}

/// What becomes of a row that was not found.
///
/// # Errors
/// [`Error::Inconsistent`]: it was there before, and somebody deleted it.
pub(in crate::store) async fn absent<T>(tx: &mut Tx<'_>, table: &'static str, row: &str) -> Result<Option<T>, Error> {
    let sql = "SELECT version FROM newest_rows WHERE name = $1";
    match fetch_optional!(tx, (i64,), sql, format!("{table}/{row}"))? {
        None => Ok(None),
        Some(_) => Err(tx.integrity.refuse(table, row)),
    }
}

/// What becomes of rows that were not found, all of them by one statement.
///
/// # Errors
/// [`Error::Inconsistent`]: one of them was there before, and somebody deleted it.
pub(in crate::store) async fn all_absent<'r>(
    tx: &mut Tx<'_>,
    table: &'static str,
    rows: impl IntoIterator<Item = &'r str>,
) -> Result<(), Error> {
    let names = rows.into_iter().map(|row| format!("{table}/{row}")).collect::<Vec<_>>();
    if names.is_empty() {
        return Ok(());
    }
    let sql = "SELECT name FROM newest_rows WHERE name IN (";
    let found = fetch_listed!(
        tx,
        (String,),
        sql,
        &names,
        |bound, name| {
            bound.push_bind(&name[..]);
        },
        ") ORDER BY name"
    )?;
    match found.first().and_then(|(name,)| name.split_once('/')) {
        None => Ok(()),
        Some((_, row)) => Err(tx.integrity.refuse(table, row)),
    }
}

/// Keeps that the row has that version now; in the transaction that writes it.
pub(in crate::store) async fn keep(tx: &mut Tx<'_>, table: &str, row: &str, version: i64) -> Result<(), Error> {
    let sql = "INSERT INTO newest_rows (name, version) VALUES ($1, $2) \
               ON CONFLICT (name) DO UPDATE SET version = excluded.version";
    execute!(tx, sql, format!("{table}/{row}"), version).map(|_| ())
}
