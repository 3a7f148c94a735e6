//! Rows of revocation lists: an intent that takes a number, and later the list. Each list carries an integrity value.
//!
//! A crash between intent and list leaves an open row. Whoever issues the next list of that shard abandons it: its number is
//! not given again, and a list that may have been signed under it never left.

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::crypto::digest;
use crate::store::sql::{execute, fetch_one, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "crls";

/// What a full list has in the column of its base: numbers begin at 1.
const FULL: i64 = 0;

/// Which list of which authority.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardKey {
    /// Whose.
    pub authority: AuthorityId,
    /// Which part of its certificates.
    pub shard: u32,
}

/// What is known of a list without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlHead {
    /// `cRLNumber`.
    pub number: u64,
    /// The number of the full list that it changes, when it is a delta.
    pub base: Option<u64>,
    /// The audit event up to which changes of status are in it.
    pub last_event: i64,
    /// How many certificates it names.
    pub entries: u64,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`.
    pub next_update: Timestamp,
    /// SM3 of the list in DER.
    pub sm3: [u8; 32],
}

type HeadRow = (i64, i64, i64, i64, i64, i64, Vec<u8>, Vec<u8>);

/// A number of ours is far below the bound.
fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn name(key: &ShardKey, number: i64) -> String {
    format!("{}/{}/{number}", key.authority, key.shard)
}

/// The name and the content that the integrity value covers. The SM3 of the list stands for its DER.
fn covered<T>(key: &ShardKey, head: &CrlHead, judge: impl FnOnce(&str, &[&[u8]]) -> T) -> T {
    let numbers = [
        column(head.number),
        head.base.map_or(FULL, column),
        head.last_event,
        column(head.entries),
        head.this_update.unix(),
        head.next_update.unix(),
    ];
    let octets = numbers.map(i64::to_be_bytes);
    let parts = octets.iter().map(|number| &number[..]).chain([&head.sm3[..]]).collect::<Vec<_>>();
    judge(&name(key, column(head.number)), &parts)
}

fn entity(tx: &Tx<'_>, key: &ShardKey, row: HeadRow) -> Result<CrlHead, Error> {
    let (number, base, last_event, entries, this_update, next_update, sm3, integrity) = row;
    let wrong = || Error::Inconsistent { table: TABLE, row: name(key, number) };
    let head = CrlHead {
        number: u64::try_from(number).map_err(|_| wrong())?,
        base: if base == FULL { None } else { Some(u64::try_from(base).map_err(|_| wrong())?) },
        last_event,
        entries: u64::try_from(entries).map_err(|_| wrong())?,
        this_update: Timestamp::from_unix(this_update),
        next_update: Timestamp::from_unix(next_update),
        sm3: sm3.try_into().map_err(|_| wrong())?,
    };
    covered(key, &head, |id, content| tx.integrity.check(TABLE, id, 1, content, &integrity))?;
    Ok(head)
}

/// Takes the next number of that shard, and no lower one than `least`, for a list that is about to be signed. Intents that
/// began before `stale` are abandoned; nothing comes back while another is open.
///
/// # Errors
/// [`Error::Conflict`] when there is no such authority.
pub async fn record_intent(
    tx: &mut Tx<'_>,
    key: &ShardKey,
    (now, least): (Timestamp, u64),
    stale: Timestamp,
) -> Result<Option<u64>, Error> {
    let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
    let sql = "UPDATE crls SET state = 'abandoned' \
               WHERE authority = $1 AND shard = $2 AND state = 'issuing' AND begun_at < $3";
    execute!(tx, sql, authority, shard, stale.unix())?;
    let sql = "SELECT COUNT(*) FROM crls WHERE authority = $1 AND shard = $2 AND state = 'issuing'";
    let (open,) = fetch_one!(tx, (i64,), sql, authority, shard)?;
    if open > 0 {
        return Ok(None);
    }
    let sql = "SELECT COALESCE(MAX(number), 0) + 1 FROM crls WHERE authority = $1 AND shard = $2";
    let (next,) = fetch_one!(tx, (i64,), sql, authority, shard)?;
    let number = next.max(column(least));
    let sql = "INSERT INTO crls (authority, shard, number, state, begun_at) VALUES ($1, $2, $3, 'issuing', $4)";
    execute!(tx, sql, authority, shard, number, now.unix())?;
    let wrong = || Error::Inconsistent { table: TABLE, row: name(key, number) };
    u64::try_from(number).map(Some).map_err(|_| wrong())
}

/// Keeps the list whose number was taken.
///
/// # Errors
/// [`Error::Stale`] when its intent is no longer open: the list must not be published then.
pub async fn complete(tx: &mut Tx<'_>, key: &ShardKey, head: &CrlHead, der: &[u8]) -> Result<(), Error> {
    let integrity = covered(key, head, |id, content| tx.integrity.over(TABLE, id, 1, content))?;
    let sql = "UPDATE crls SET state = 'issued', base = $1, last_event = $2, entries = $3, this_update = $4, \
               next_update = $5, sm3 = $6, der = $7, integrity = $8 \
               WHERE authority = $9 AND shard = $10 AND number = $11 AND state = 'issuing'";
    let (base, entries, number) = (head.base.map_or(FULL, column), column(head.entries), column(head.number));
    let (from, to, sm3) = (head.this_update.unix(), head.next_update.unix(), &head.sm3[..]);
    let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
    let rows =
        execute!(tx, sql, base, head.last_event, entries, from, to, sm3, der, integrity, authority, shard, number)?;
    match rows {
        1 => Ok(()),
        _ => Err(Error::Stale { table: TABLE, row: name(key, number) }),
    }
}

/// Closes an intent of which nothing came.
///
/// # Errors
/// [`Error::Stale`] when it is not open.
pub async fn abandon(tx: &mut Tx<'_>, key: &ShardKey, number: u64) -> Result<(), Error> {
    let sql = "UPDATE crls SET state = 'abandoned' \
               WHERE authority = $1 AND shard = $2 AND number = $3 AND state = 'issuing'";
    let number = column(number);
    match execute!(tx, sql, key.authority.as_str(), i64::from(key.shard), number)? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: TABLE, row: name(key, number) }),
    }
}

/// The newest full list of that shard, or its newest delta, without its bytes.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn newest(tx: &mut Tx<'_>, key: &ShardKey, delta: bool) -> Result<Option<CrlHead>, Error> {
    let sql = "SELECT number, base, last_event, entries, this_update, next_update, sm3, integrity FROM crls \
               WHERE authority = $1 AND shard = $2 AND state = 'issued' AND (base <> 0) = ($3 <> 0) \
               ORDER BY number DESC LIMIT 1";
    let row = fetch_optional!(tx, HeadRow, sql, key.authority.as_str(), i64::from(key.shard), i64::from(delta))?;
    row.map(|row| entity(tx, key, row)).transpose()
}

/// The bytes of a list.
///
/// # Errors
/// [`Error::Inconsistent`] when they are not those that were kept, or are gone.
pub async fn der(tx: &mut Tx<'_>, key: &ShardKey, head: &CrlHead) -> Result<Vec<u8>, Error> {
    let sql = "SELECT der FROM crls WHERE authority = $1 AND shard = $2 AND number = $3 AND state = 'issued'";
    let number = column(head.number);
    let row = fetch_optional!(tx, (Vec<u8>,), sql, key.authority.as_str(), i64::from(key.shard), number)?;
    match row {
        Some((der,)) if digest::sm3(&der) == head.sm3 => Ok(der),
        _ => Err(Error::Inconsistent { table: TABLE, row: name(key, number) }),
    }
}

/// Forgets lists and closed intents of that shard that are older than the newest `keep`; never the newest full list, which
/// deltas change, and never the newest number. Gives how many.
///
/// # Errors
/// The database's.
pub async fn forget_older(tx: &mut Tx<'_>, key: &ShardKey, keep: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM crls WHERE authority = $1 AND shard = $2 AND state <> 'issuing' \
               AND number <= (SELECT MAX(number) FROM crls WHERE authority = $1 AND shard = $2) - $3 \
               AND number < COALESCE((SELECT MAX(number) FROM crls WHERE authority = $1 AND shard = $2 AND base = 0), 0)";
    execute!(tx, sql, key.authority.as_str(), i64::from(key.shard), i64::from(keep.max(1)))
}

/// The highest shard that a certificate of the authority was given; nothing when it issued none.
///
/// # Errors
/// The database's.
pub async fn highest_shard(tx: &mut Tx<'_>, authority: &AuthorityId) -> Result<Option<u32>, Error> {
    let sql = "SELECT MAX(shard) FROM issued_certificates WHERE authority = $1";
    let (shard,) = fetch_one!(tx, (Option<i64>,), sql, authority.as_str())?;
    Ok(shard.and_then(|shard| u32::try_from(shard).ok()))
}
