//! Rows of keepers of seals (保管人). They give authority, so each carries an integrity value.

use std::collections::BTreeMap;

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, SealId};
use crate::store::newest::{self, integrity_of_newest};
use crate::store::seals::MOST_TOGETHER;
use crate::store::sql::{execute, fetch_all, fetch_listed, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "seal_keepers";

/// Who keeps a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKeeper {
    /// The seal.
    pub seal: SealId,
    /// Who keeps it.
    pub keeper: CallerId,
    /// Since when.
    pub since: Timestamp,
    /// Counts its changes, from 1.
    pub version: i64,
}

type Row = (String, String, i64, i64, Vec<u8>);

fn integrity(tx: &Tx<'_>, kept: &StoredKeeper) -> Result<Vec<u8>, Error> {
    let since = kept.since.unix().to_be_bytes();
    tx.integrity.over(TABLE, kept.seal.as_str(), kept.version, &[kept.keeper.as_str().as_bytes(), &since])
}

fn entity(tx: &Tx<'_>, (seal, keeper, since, version, found): Row) -> Result<StoredKeeper, Error> {
    tx.integrity.check(TABLE, &seal, version, &[keeper.as_bytes(), &since.to_be_bytes()], &found)?;
    let wrong = || Error::Inconsistent { table: TABLE, row: seal.clone() };
    Ok(StoredKeeper {
        seal: SealId::parse(&seal).map_err(|_| wrong())?,
        keeper: CallerId::parse(&keeper).map_err(|_| wrong())?,
        since: Timestamp::from_unix(since),
        version,
    })
}

/// Keeps the first keeper of a seal, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when the seal has a row already, or seal or caller are not here.
pub async fn insert(tx: &mut Tx<'_>, kept: &StoredKeeper) -> Result<(), Error> {
    let kept = StoredKeeper { version: 1, ..kept.clone() };
    let integrity = integrity(tx, &kept)?;
    let sql = "INSERT INTO seal_keepers (seal, keeper, since, version, integrity) VALUES ($1, $2, $3, 1, $4)";
    execute!(tx, sql, kept.seal.as_str(), kept.keeper.as_str(), kept.since.unix(), integrity).map(|_| ())
}

/// Who keeps that seal; nothing where nobody does.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, seal: &SealId) -> Result<Option<StoredKeeper>, Error> {
    let sql = concat!(
        "SELECT seal, keeper, since, version, ",
        integrity_of_newest!("seal_keepers", "seal"),
        " FROM seal_keepers WHERE seal = $1"
    );
    match fetch_optional!(tx, Row, sql, seal.as_str())? {
        Some(row) => entity(tx, row).map(Some),
        None => newest::absent(tx, TABLE, seal.as_str()).await,
    }
}

/// Who keeps the seals of those names, at most [`MOST_TOGETHER`]; those that nobody keeps are left out.
///
/// # Errors
/// As [`find`].
pub async fn of_seals(tx: &mut Tx<'_>, seals: &[SealId]) -> Result<BTreeMap<SealId, StoredKeeper>, Error> {
    let sql = concat!(
        "SELECT seal, keeper, since, version, ",
        integrity_of_newest!("seal_keepers", "seal"),
        " FROM seal_keepers WHERE seal IN ("
    );
    if seals.is_empty() {
        return Ok(BTreeMap::new());
    }
    let seals = seals.iter().take(MOST_TOGETHER).collect::<Vec<_>>();
    let rows = fetch_listed!(
        tx,
        Row,
        sql,
        &seals,
        |bound, seal| {
            bound.push_bind(seal.as_str());
        },
        ")"
    )?;
    let kept = rows.into_iter().map(|row| entity(tx, row)).collect::<Result<Vec<_>, _>>()?;
    let found = kept.into_iter().map(|kept| (kept.seal.clone(), kept)).collect::<BTreeMap<_, _>>();
    let absent = seals.iter().filter(|seal| !found.contains_key(**seal)).map(|seal| seal.as_str());
    newest::all_absent(tx, TABLE, absent.collect::<Vec<_>>()).await?;
    Ok(found)
}

/// Which seals that caller keeps, behind that name, in the order of their names, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn of_keeper(
    tx: &mut Tx<'_>,
    keeper: &CallerId,
    after: Option<&SealId>,
    limit: i64,
) -> Result<Vec<StoredKeeper>, Error> {
    let sql = concat!(
        "SELECT seal, keeper, since, version, ",
        integrity_of_newest!("seal_keepers", "seal"),
        " FROM seal_keepers WHERE keeper = $1 AND seal > $2 \
               ORDER BY seal LIMIT $3"
    );
    let rows = fetch_all!(tx, Row, sql, keeper.as_str(), after.map_or("", SealId::as_str), limit)?;
    rows.into_iter().map(|row| entity(tx, row)).collect()
}

/// Keeps another keeper; gives the row with its next version.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `kept`.
pub async fn update(tx: &mut Tx<'_>, kept: &StoredKeeper) -> Result<StoredKeeper, Error> {
    let next = StoredKeeper { version: kept.version.saturating_add(1), ..kept.clone() };
    let integrity = integrity(tx, &next)?;
    let sql = "UPDATE seal_keepers SET keeper = $1, since = $2, version = $3, integrity = $4 \
               WHERE seal = $5 AND version = $6";
    let (seal, keeper) = (next.seal.as_str(), next.keeper.as_str());
    match execute!(tx, sql, keeper, next.since.unix(), next.version, integrity, seal, kept.version)? {
        1 => {
            newest::keep(tx, TABLE, seal, next.version).await?;
            Ok(next)
        }
        _ => Err(Error::Stale { table: TABLE, row: seal.to_owned() }),
    }
}
