//! Rows of officers of certificates. They give authority, so each carries an integrity value.

use crate::base::clock::Timestamp;
use crate::base::id::CallerId;
use crate::domain::ca::request::OfficerRole;
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "officers";

/// An officer, or one who was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOfficer {
    /// The caller.
    pub caller: CallerId,
    /// What the officer may do with requests.
    pub role: OfficerRole,
    /// Since when.
    pub since: Timestamp,
    /// Until when; nothing while the officer is one.
    pub ended_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
}

type Row = (String, String, i64, Option<i64>, i64, Vec<u8>);

fn content(officer: &StoredOfficer) -> [Vec<u8>; 3] {
    let ended = officer.ended_at.map(|at| at.unix().to_be_bytes());
    [
        officer.role.name().as_bytes().to_vec(),
        officer.since.unix().to_be_bytes().to_vec(),
        optional(ended.as_ref().map(|octets| &octets[..])),
    ]
}

fn integrity(tx: &Tx<'_>, officer: &StoredOfficer) -> Result<Vec<u8>, Error> {
    let content = content(officer);
    tx.integrity.over(TABLE, officer.caller.as_str(), officer.version, &content.each_ref().map(Vec::as_slice))
}

fn entity(tx: &Tx<'_>, (caller, role, since, ended_at, version, found): Row) -> Result<StoredOfficer, Error> {
    let wrong = || Error::Inconsistent { table: TABLE, row: caller.clone() };
    let officer = StoredOfficer {
        caller: CallerId::parse(&caller).map_err(|_| wrong())?,
        role: OfficerRole::from_name(&role).ok_or_else(wrong)?,
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
pub async fn insert(tx: &mut Tx<'_>, officer: &StoredOfficer) -> Result<(), Error> {
    let officer = StoredOfficer { version: 1, ..officer.clone() };
    let integrity = integrity(tx, &officer)?;
    let sql = "INSERT INTO officers (caller, role, since, ended_at, version, integrity) VALUES ($1, $2, $3, $4, 1, $5)";
    let (since, ended) = (officer.since.unix(), officer.ended_at.map(Timestamp::unix));
    execute!(tx, sql, officer.caller.as_str(), officer.role.name(), since, ended, integrity).map(|_| ())
}

/// The row of that caller.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, caller: &CallerId) -> Result<Option<StoredOfficer>, Error> {
    let sql = "SELECT caller, role, since, ended_at, version, integrity FROM officers WHERE caller = $1";
    fetch_optional!(tx, Row, sql, caller.as_str())?.map(|row| entity(tx, row)).transpose()
}

/// All of them, also those who were, by their names.
///
/// # Errors
/// As [`find`].
pub async fn all(tx: &mut Tx<'_>) -> Result<Vec<StoredOfficer>, Error> {
    let sql = "SELECT caller, role, since, ended_at, version, integrity FROM officers ORDER BY caller";
    fetch_all!(tx, Row, sql)?.into_iter().map(|row| entity(tx, row)).collect()
}

/// Keeps the changed role, begin or end of an officer; gives it with its next version.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `officer`.
pub async fn update(tx: &mut Tx<'_>, officer: &StoredOfficer) -> Result<StoredOfficer, Error> {
    let next = StoredOfficer { version: officer.version.saturating_add(1), ..officer.clone() };
    let integrity = integrity(tx, &next)?;
    let sql = "UPDATE officers SET role = $1, since = $2, ended_at = $3, version = $4, integrity = $5 \
               WHERE caller = $6 AND version = $7";
    let (role, since, ended) = (next.role.name(), next.since.unix(), next.ended_at.map(Timestamp::unix));
    match execute!(tx, sql, role, since, ended, next.version, integrity, next.caller.as_str(), officer.version)? {
        1 => Ok(next),
        _ => Err(Error::Stale { table: TABLE, row: next.caller.to_string() }),
    }
}
