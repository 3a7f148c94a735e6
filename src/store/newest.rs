//! The newest version of each row that gives authority over seals, kept a second time: an older row that somebody puts back
//! whole, with the integrity value that it had, does not pass for the newest.
//!
//! What no program of this version has changed has no line here, and a line that is older than its row means nothing: an older
//! program may work beside us. Row and line put back together are not noticed: the audit log tells.

use crate::store::sql::execute;
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

/// Keeps that the row has that version now; in the transaction that writes it.
pub(in crate::store) async fn keep(tx: &mut Tx<'_>, table: &str, row: &str, version: i64) -> Result<(), Error> {
    let sql = "INSERT INTO newest_rows (name, version) VALUES ($1, $2) \
               ON CONFLICT (name) DO UPDATE SET version = excluded.version";
    execute!(tx, sql, format!("{table}/{row}"), version).map(|_| ())
}
