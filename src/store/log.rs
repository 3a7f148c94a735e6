//! The published half of the audit log: the tree that was signed last, and its tiles.
//!
//! Tiles and head change in one transaction, so no head is ever seen without the tiles that it stands on. A row holds the
//! widest form of its tile; every narrower form that was ever published is its beginning.

use crate::base::clock::Timestamp;
use crate::store::sql::{execute, fetch_all, fetch_optional, insert_many};
use crate::store::{Error, Tx};

/// The tree that was signed last, and its signed notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// The origin of both trees, without `/sm3` and `/sha256`.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// The checkpoint of the tree of SM3.
    pub sm3_note: Vec<u8>,
    /// The checkpoint of the tree of SHA-256; none where the installation may not sign it.
    pub sha256_note: Option<Vec<u8>>,
}

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Entries (level 0 alone).
    Entries,
    /// Hashes of the tree of SM3.
    Sm3,
    /// Hashes of the tree of SHA-256.
    Sha256,
}

/// A tile, in the widest form that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTile {
    /// What it holds.
    pub kind: TileKind,
    /// Its level.
    pub level: u8,
    /// Its index in the level.
    pub number: u64,
    /// How many entries or hashes: 1 to 256.
    pub width: u16,
    /// They.
    pub octets: Vec<u8>,
}

impl TileKind {
    pub(in crate::store) const fn stored(self) -> i64 {
        match self {
            Self::Entries => 0,
            Self::Sm3 => 1,
            Self::Sha256 => 2,
        }
    }
}

/// The head; none before the first tree was signed.
///
/// # Errors
/// The database's.
pub async fn head(tx: &mut Tx<'_>) -> Result<Option<LogHead>, Error> {
    let sql = "SELECT origin, size, signed_at, sm3_note, sha256_note FROM log_head WHERE single = 1";
    let row = fetch_optional!(tx, (String, i64, i64, Vec<u8>, Option<Vec<u8>>), sql)?;
    let head = row.map(|(origin, size, signed_at, sm3_note, sha256_note)| {
        let wrong = || Error::Inconsistent { table: "log_head", row: "1".to_owned() };
        let size = u64::try_from(size).map_err(|_| wrong())?;
        Ok(LogHead { origin, size, signed_at: Timestamp::from_unix(signed_at), sm3_note, sha256_note })
    });
    head.transpose()
}

/// Writes the first head.
///
/// # Errors
/// [`Error::Conflict`] when there is one already.
pub async fn begin(tx: &mut Tx<'_>, head: &LogHead) -> Result<(), Error> {
    let size = i64::try_from(head.size).unwrap_or(i64::MAX);
    let sql =
        "INSERT INTO log_head (single, origin, size, signed_at, sm3_note, sha256_note) VALUES (1, $1, $2, $3, $4, $5)";
    execute!(tx, sql, &head.origin[..], size, head.signed_at.unix(), &head.sm3_note[..], head.sha256_note.as_deref())?;
    Ok(())
}

/// Puts the head in the place of the one of that size. Whoever knows an older one is refused.
///
/// # Errors
/// [`Error::Stale`] when somebody else was quicker.
pub async fn advance(tx: &mut Tx<'_>, known: u64, head: &LogHead) -> Result<(), Error> {
    let (size, known) = (i64::try_from(head.size).unwrap_or(i64::MAX), i64::try_from(known).unwrap_or(i64::MAX));
    let sql = "UPDATE log_head SET size = $1, signed_at = $2, sm3_note = $3, sha256_note = $4 \
               WHERE single = 1 AND size = $5 AND origin = $6";
    let (sm3, sha256) = (&head.sm3_note[..], head.sha256_note.as_deref());
    match execute!(tx, sql, size, head.signed_at.unix(), sm3, sha256, known, &head.origin[..])? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "log_head", row: "1".to_owned() }),
    }
}

/// Writes a tile, or its wider form.
///
/// # Errors
/// The database's: a tile that is full never changes, and none becomes narrower.
pub async fn put_tile(tx: &mut Tx<'_>, tile: &StoredTile) -> Result<(), Error> {
    let sql = "INSERT INTO log_tiles (kind, level, number, width, octets) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (kind, level, number) DO UPDATE SET width = excluded.width, octets = excluded.octets";
    let number = i64::try_from(tile.number).unwrap_or(i64::MAX);
    let (level, width) = (i64::from(tile.level), i64::from(tile.width));
    execute!(tx, sql, tile.kind.stored(), level, number, width, &tile.octets[..])?;
    Ok(())
}

/// A tile in its widest form.
///
/// # Errors
/// A row that says what no tile can is [`Error::Inconsistent`].
pub async fn tile(tx: &mut Tx<'_>, (kind, level, number): (TileKind, u8, u64)) -> Result<Option<StoredTile>, Error> {
    Ok(tiles(tx, (kind, level, number), 1).await?.into_iter().find(|tile| tile.number == number))
}

/// Tiles of a level from that number on, in their order, at most so many. There may be gaps.
///
/// # Errors
/// As [`tile`].
pub async fn tiles(
    tx: &mut Tx<'_>,
    (kind, level, from): (TileKind, u8, u64),
    most: i64,
) -> Result<Vec<StoredTile>, Error> {
    let sql = "SELECT number, width, octets FROM log_tiles WHERE kind = $1 AND level = $2 AND number >= $3 \
               ORDER BY number LIMIT $4";
    let first = i64::try_from(from).unwrap_or(i64::MAX);
    let rows = fetch_all!(tx, (i64, i64, Vec<u8>), sql, kind.stored(), i64::from(level), first, most)?;
    let tiles = rows.into_iter().map(|(number, width, octets)| {
        let wrong = || Error::Inconsistent { table: "log_tiles", row: format!("{}/{level}/{number}", kind.stored()) };
        let width = u16::try_from(width).map_err(|_| wrong())?;
        let number = u64::try_from(number).map_err(|_| wrong())?;
        Ok(StoredTile { kind, level, number, width, octets })
    });
    tiles.collect()
}

/// Notes under which SM3 the events of those numbers will be asked for.
///
/// # Errors
/// [`Error::Conflict`]: one is noted already.
pub async fn note_things(tx: &mut Tx<'_>, things: &[([u8; 32], i64)]) -> Result<(), Error> {
    // Far below the number of values that a statement may bind.
    for part in things.chunks(5_000) {
        insert_many!(tx, "INSERT INTO log_things (thing, number) ", part.iter(), |row, (thing, number)| {
            row.push_bind(&thing[..]);
            row.push_bind(*number);
        })?;
    }
    Ok(())
}

/// Numbers of the events of that thing, oldest first, at most so many.
///
/// # Errors
/// The database's.
pub async fn of_thing(tx: &mut Tx<'_>, thing: &[u8; 32], most: i64) -> Result<Vec<i64>, Error> {
    let sql = "SELECT number FROM log_things WHERE thing = $1 ORDER BY number LIMIT $2";
    Ok(fetch_all!(tx, (i64,), sql, &thing[..], most)?.into_iter().map(|(number,)| number).collect())
}

/// Notes that the events of those numbers became leaves without being understood.
///
/// # Errors
/// [`Error::Conflict`]: one is noted already.
pub async fn note_unread(tx: &mut Tx<'_>, numbers: &[i64]) -> Result<(), Error> {
    for part in numbers.chunks(5_000) {
        insert_many!(tx, "INSERT INTO log_unread (number) ", part.iter(), |row, number| {
            row.push_bind(*number);
        })?;
    }
    Ok(())
}

/// Numbers from that one on whose events became leaves without being understood, at most so many.
///
/// # Errors
/// The database's.
pub async fn unread(tx: &mut Tx<'_>, from: i64, most: i64) -> Result<Vec<i64>, Error> {
    let sql = "SELECT number FROM log_unread WHERE number >= $1 ORDER BY number LIMIT $2";
    Ok(fetch_all!(tx, (i64,), sql, from, most)?.into_iter().map(|(number,)| number).collect())
}

/// The event of that number is understood now. Tells whether that was still to do.
///
/// # Errors
/// The database's.
pub async fn forget_unread(tx: &mut Tx<'_>, number: i64) -> Result<bool, Error> {
    Ok(execute!(tx, "DELETE FROM log_unread WHERE number = $1", number)? == 1)
}

/// A checkpoint that a witness cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCosignature {
    /// Of which tree.
    pub kind: TileKind,
    /// The witness's name.
    pub witness: String,
    /// How many leaves.
    pub size: u64,
    /// When it was taken in.
    pub at: Timestamp,
    /// The note, with the log's signature and the witness's.
    pub note: Vec<u8>,
}

/// Keeps a cosigned checkpoint in the place of the witness's older one.
///
/// # Errors
/// The database's.
pub async fn put_cosignature(tx: &mut Tx<'_>, new: &StoredCosignature) -> Result<(), Error> {
    let sql = "INSERT INTO log_cosignatures (kind, witness, size, at, note) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (kind, witness) DO UPDATE SET size = excluded.size, at = excluded.at, note = excluded.note \
               WHERE log_cosignatures.size <= excluded.size";
    let size = i64::try_from(new.size).unwrap_or(i64::MAX);
    execute!(tx, sql, new.kind.stored(), &new.witness[..], size, new.at.unix(), &new.note[..])?;
    Ok(())
}

/// Keeps a cosigned checkpoint for good, where one of its size stays already, or none has stayed since that moment.
///
/// # Errors
/// The database's.
pub async fn keep_seen(tx: &mut Tx<'_>, new: &StoredCosignature, since: Timestamp) -> Result<bool, Error> {
    let kind = new.kind.stored();
    let size = i64::try_from(new.size).unwrap_or(i64::MAX);
    let same = "SELECT size FROM log_seen WHERE kind = $1 AND size = $2 LIMIT 1";
    let recent = "SELECT size FROM log_seen WHERE kind = $1 AND at > $2 LIMIT 1";
    if fetch_optional!(tx, (i64,), same, kind, size)?.is_none()
        && fetch_optional!(tx, (i64,), recent, kind, since.unix())?.is_some()
    {
        return Ok(false);
    }
    let sql = "INSERT INTO log_seen (kind, size, witness, at, note) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (kind, size, witness) DO NOTHING";
    Ok(execute!(tx, sql, kind, size, &new.witness[..], new.at.unix(), &new.note[..])? == 1)
}

/// The smallest checkpoint that stays and holds the leaf of that index, once for each of its witnesses.
///
/// # Errors
/// A row that says what none can is [`Error::Inconsistent`].
pub async fn seen_with(tx: &mut Tx<'_>, kind: TileKind, index: u64) -> Result<Vec<StoredCosignature>, Error> {
    let sql = "SELECT witness, size, at, note FROM log_seen WHERE kind = $1 AND size = \
               (SELECT min(size) FROM log_seen WHERE kind = $1 AND size > $2) ORDER BY witness";
    let index = i64::try_from(index).unwrap_or(i64::MAX);
    let rows = fetch_all!(tx, (String, i64, i64, Vec<u8>), sql, kind.stored(), index)?;
    let seen = rows.into_iter().map(|(witness, size, at, note)| {
        let wrong = || Error::Inconsistent { table: "log_seen", row: witness.clone() };
        let size = u64::try_from(size).map_err(|_| wrong())?;
        Ok(StoredCosignature { kind, witness, size, at: Timestamp::from_unix(at), note })
    });
    seen.collect()
}

/// The cosigned checkpoints of a tree, by the names of their witnesses.
///
/// # Errors
/// A row that says what none can is [`Error::Inconsistent`].
pub async fn cosignatures(tx: &mut Tx<'_>, kind: TileKind) -> Result<Vec<StoredCosignature>, Error> {
    let sql = "SELECT witness, size, at, note FROM log_cosignatures WHERE kind = $1 ORDER BY witness";
    let rows = fetch_all!(tx, (String, i64, i64, Vec<u8>), sql, kind.stored())?;
    let cosignatures = rows.into_iter().map(|(witness, size, at, note)| {
        let wrong = || Error::Inconsistent { table: "log_cosignatures", row: witness.clone() };
        let size = u64::try_from(size).map_err(|_| wrong())?;
        Ok(StoredCosignature { kind, witness, size, at: Timestamp::from_unix(at), note })
    });
    cosignatures.collect()
}
