//! Where old tiles of the log lie that are no rows any more.

use crate::store::log::TileKind;
use crate::store::sql::{execute, fetch_optional};
use crate::store::{Error, Tx};

/// Leaves below one hash of level 1, and of level 2.
const SPANS: [u64; 2] = [256, 65_536];

/// What was moved: full tiles and bundles of levels 0 and 1 that stand over the leaves below a bound alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The bound, a multiple of 256.
    pub below: u64,
    /// The folder, or the address of an object store.
    pub place: String,
}

impl Moved {
    /// How many tiles of that level are no rows any more: those of a smaller index.
    #[must_use]
    pub fn tiles(&self, level: u8) -> u64 {
        tiles_below(level, self.below)
    }
}

/// Full tiles of a level that stand over leaves below that bound alone, of levels 0 and 1.
#[must_use]
pub fn tiles_below(level: u8, below: u64) -> u64 {
    SPANS.get(usize::from(level)).map_or(0, |span| below / span)
}

/// What was moved; nothing where all tiles are rows.
///
/// # Errors
/// A row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>) -> Result<Option<Moved>, Error> {
    let row = fetch_optional!(tx, (i64, String), "SELECT below, place FROM log_moved WHERE single = 1")?;
    let moved = row.map(|(below, place)| {
        let below =
            u64::try_from(below).map_err(|_| Error::Inconsistent { table: "log_moved", row: "1".to_owned() })?;
        Ok(Moved { below, place })
    });
    moved.transpose()
}

/// Notes bound and place.
///
/// # Errors
/// The database's: the bound never becomes lower.
pub async fn note(tx: &mut Tx<'_>, moved: &Moved) -> Result<(), Error> {
    let below = i64::try_from(moved.below).unwrap_or(i64::MAX);
    let sql = "INSERT INTO log_moved (single, below, place) VALUES (1, $1, $2) \
               ON CONFLICT (single) DO UPDATE SET below = excluded.below, place = excluded.place";
    execute!(tx, sql, below, moved.place.clone()).map(|_| ())
}

/// Deletes the rows of full tiles of that kind and level from one index up to, not with, another; tells how many.
///
/// # Errors
/// The database's.
pub async fn delete(tx: &mut Tx<'_>, (kind, level): (TileKind, u8), (from, to): (u64, u64)) -> Result<u64, Error> {
    let sql = "DELETE FROM log_tiles WHERE kind = $1 AND level = $2 AND number >= $3 AND number < $4 AND width = 256";
    let [from, to] = [from, to].map(|index| i64::try_from(index).unwrap_or(i64::MAX));
    execute!(tx, sql, kind.stored(), i64::from(level), from, to)
}
