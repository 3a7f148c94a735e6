//! Rows of officers of seals, each with a division. They give authority, so each carries an integrity value.

use crate::base::clock::Timestamp;
use crate::base::division::Division;
use crate::base::id::CallerId;
use crate::domain::officer::OfficerRole;
use crate::store::integrity::optional;
use crate::store::newest::{self, integrity_of_newest};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "seal_officers";

/// An officer, or one who was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSealOfficer {
    /// The caller.
    pub caller: CallerId,
    /// What the officer may do with applications.
    pub role: OfficerRole,
    /// For which division, and all that lie in it.
    pub division: Division,
    /// Since when.
    pub since: Timestamp,
    /// Until when; nothing while the officer is one.
    pub ended_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
}

type Row = (String, String, String, i64, Option<i64>, i64, Vec<u8>);

fn content(officer: &StoredSealOfficer) -> [Vec<u8>; 4] {
    let ended = officer.ended_at.map(|at| at.unix().to_be_bytes());
    [
        officer.role.name().as_bytes().to_vec(),
        officer.division.code().into_bytes(),
        officer.since.unix().to_be_bytes().to_vec(),
        optional(ended.as_ref().map(|octets| &octets[..])),
    ]
}

fn integrity(tx: &Tx<'_>, officer: &StoredSealOfficer) -> Result<Vec<u8>, Error> {
    let content = content(officer);
    tx.integrity.over(TABLE, officer.caller.as_str(), officer.version, &content.each_ref().map(Vec::as_slice))
}

fn entity(
    tx: &Tx<'_>,
    (caller, role, division, since, ended_at, version, found): Row,
) -> Result<StoredSealOfficer, Error> {
    let wrong = || tx.integrity.refuse(TABLE, &caller);
    let officer = StoredSealOfficer {
        caller: CallerId::parse(&caller).map_err(|_| wrong())?,
        role: OfficerRole::from_name(&role).ok_or_else(wrong)?,
        division: Division::parse(&division).map_err(|_| wrong())?,
        since: Timestamp::from_unix(since),
        ended_at: ended_at.map(Timestamp::from_unix),
        version,
    };
    let content = content(&officer);
    tx.integrity.check(TABLE, &caller, version, &content.each_ref().map(Vec::as_slice), &found)?;
    Ok(officer)
}

/// Keeps a new officer, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when the caller has a row already, or is none.
pub async fn insert(tx: &mut Tx<'_>, officer: &StoredSealOfficer) -> Result<(), Error> {
    let officer = StoredSealOfficer { version: 1, ..officer.clone() };
    let integrity = integrity(tx, &officer)?;
    let sql = "INSERT INTO seal_officers (caller, role, division, since, ended_at, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, 1, $6)";
    let (since, ended) = (officer.since.unix(), officer.ended_at.map(Timestamp::unix));
    execute!(tx, sql, officer.caller.as_str(), officer.role.name(), officer.division.code(), since, ended, integrity)
        .map(|_| ())
}

/// The row of that caller.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, caller: &CallerId) -> Result<Option<StoredSealOfficer>, Error> {
    let sql = concat!(
        "SELECT caller, role, division, since, ended_at, version, ",
        integrity_of_newest!("seal_officers", "seal_officers.caller"),
        " FROM seal_officers WHERE caller = $1"
    );
    match fetch_optional!(tx, Row, sql, caller.as_str())? {
        Some(row) => entity(tx, row).map(Some),
        None => newest::absent(tx, TABLE, caller.as_str()).await,
    }
}

/// All of them, also those who were, by their names.
///
/// # Errors
/// As [`find`].
pub async fn all(tx: &mut Tx<'_>) -> Result<Vec<StoredSealOfficer>, Error> {
    let sql = concat!(
        "SELECT caller, role, division, since, ended_at, version, ",
        integrity_of_newest!("seal_officers", "seal_officers.caller"),
        " FROM seal_officers ORDER BY caller"
    );
    fetch_all!(tx, Row, sql)?.into_iter().map(|row| entity(tx, row)).collect()
}

/// Keeps the changed role, division, begin or end of an officer; gives it with its next version.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `officer`.
pub async fn update(tx: &mut Tx<'_>, officer: &StoredSealOfficer) -> Result<StoredSealOfficer, Error> {
    let next = StoredSealOfficer { version: officer.version.saturating_add(1), ..officer.clone() };
    let integrity = integrity(tx, &next)?;
    let sql = "UPDATE seal_officers SET role = $1, division = $2, since = $3, ended_at = $4, version = $5, \
               integrity = $6 WHERE caller = $7 AND version = $8";
    let (role, division) = (next.role.name(), next.division.code());
    let (since, ended) = (next.since.unix(), next.ended_at.map(Timestamp::unix));
    let caller = next.caller.as_str();
    match execute!(tx, sql, role, division, since, ended, next.version, integrity, caller, officer.version)? {
        1 => {
            newest::keep(tx, TABLE, caller, next.version).await?;
            Ok(next)
        }
        _ => Err(Error::Stale { table: TABLE, row: next.caller.to_string() }),
    }
}
