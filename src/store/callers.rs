//! Rows of callers, each with an integrity value, and the nonces they have spent.

use crate::base::clock::Timestamp;
use crate::base::id::CallerId;
use crate::domain::caller::{CallerState, Roles};
use crate::domain::key::KeyAlgorithm;
use crate::store::sql::{execute, fetch_optional};
use crate::store::{Error, Tx};

/// A caller: a registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCaller {
    /// Its name here.
    pub id: CallerId,
    /// What it is called.
    pub name: String,
    /// SHA-256 of the public key in DER.
    pub key_fingerprint: [u8; 32],
    /// The public key in DER (SubjectPublicKeyInfo).
    pub public_key: Vec<u8>,
    /// The key's algorithm.
    pub algorithm: KeyAlgorithm,
    /// What it may do.
    pub roles: Roles,
    /// Whether it is let in.
    pub state: CallerState,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: i64,
}

type Row = (String, String, Vec<u8>, Vec<u8>, String, String, String, i64, i64, Vec<u8>);

fn entity(tx: &Tx<'_>, row: Row) -> Result<StoredCaller, Error> {
    let (id, name, fingerprint, public_key, algorithm, roles, state, created_at, version, sealed) = row;
    let created = created_at.to_be_bytes();
    let (facts, kind) = ([name.as_bytes(), &fingerprint, &public_key], algorithm.as_bytes());
    let [name_octets, fingerprint_octets, key_octets] = facts;
    let content = [name_octets, fingerprint_octets, key_octets, kind, roles.as_bytes(), state.as_bytes(), &created[..]];
    tx.integrity.check("callers", &id, version, &content, &sealed)?;
    let wrong = || Error::Inconsistent { table: "callers", row: id.clone() };
    Ok(StoredCaller {
        id: CallerId::parse(&id).map_err(|_| wrong())?,
        key_fingerprint: fingerprint.as_slice().try_into().map_err(|_| wrong())?,
        algorithm: KeyAlgorithm::from_name(&algorithm).ok_or_else(wrong)?,
        roles: Roles::from_names(&roles).ok_or_else(wrong)?,
        state: CallerState::from_name(&state).ok_or_else(wrong)?,
        created_at: Timestamp::from_unix(created_at),
        name,
        public_key,
        version,
    })
}

/// The integrity value of a caller's row at that version.
fn integrity(tx: &Tx<'_>, caller: &StoredCaller, version: i64) -> Result<Vec<u8>, Error> {
    let (roles, created) = (caller.roles.to_names(), caller.created_at.unix().to_be_bytes());
    let content: [&[u8]; 7] = [
        caller.name.as_bytes(),
        &caller.key_fingerprint,
        &caller.public_key,
        caller.algorithm.name().as_bytes(),
        roles.as_bytes(),
        caller.state.name().as_bytes(),
        &created,
    ];
    tx.integrity.over("callers", caller.id.as_str(), version, &content)
}

/// Keeps a new caller, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when its id or key is there already.
pub async fn insert(tx: &mut Tx<'_>, caller: &StoredCaller) -> Result<(), Error> {
    let integrity = integrity(tx, caller, 1)?;
    let sql = "INSERT INTO callers \
               (id, name, key_fingerprint, public_key, algorithm, roles, state, created_at, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)";
    let (id, name, fingerprint) = (caller.id.as_str(), caller.name.as_str(), &caller.key_fingerprint[..]);
    let (key, algorithm, roles) = (&caller.public_key[..], caller.algorithm.name(), caller.roles.to_names());
    let (state, created) = (caller.state.name(), caller.created_at.unix());
    execute!(tx, sql, id, name, fingerprint, key, algorithm, roles, state, created, integrity).map(|_| ())
}

/// The caller of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &CallerId) -> Result<Option<StoredCaller>, Error> {
    let sql = "SELECT id, name, key_fingerprint, public_key, algorithm, roles, state, created_at, version, integrity \
               FROM callers WHERE id = $1";
    let row = fetch_optional!(tx, Row, sql, id.as_str())?;
    row.map(|row| entity(tx, row)).transpose()
}

/// The caller with that key.
///
/// # Errors
/// As [`find`].
pub async fn find_by_fingerprint(tx: &mut Tx<'_>, fingerprint: &[u8; 32]) -> Result<Option<StoredCaller>, Error> {
    let sql = "SELECT id, name, key_fingerprint, public_key, algorithm, roles, state, created_at, version, integrity \
               FROM callers WHERE key_fingerprint = $1";
    let row = fetch_optional!(tx, Row, sql, &fingerprint[..])?;
    row.map(|row| entity(tx, row)).transpose()
}

/// Gives a caller a new state.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `caller`.
pub async fn change_state(tx: &mut Tx<'_>, caller: &StoredCaller, state: CallerState) -> Result<StoredCaller, Error> {
    let next = StoredCaller { state, version: caller.version.saturating_add(1), ..caller.clone() };
    let integrity = integrity(tx, &next, next.version)?;
    let sql = "UPDATE callers SET state = $1, version = $2, integrity = $3 WHERE id = $4 AND version = $5";
    match execute!(tx, sql, state.name(), next.version, integrity, caller.id.as_str(), caller.version)? {
        1 => Ok(next),
        _ => Err(Error::Stale { table: "callers", row: caller.id.to_string() }),
    }
}

/// Keeps a nonce as spent until that moment, and forgets those of all callers that ended before `now`.
///
/// Says whether it is fresh: `false` when this caller has spent it before.
///
/// # Errors
/// [`Error::Conflict`] when there is no such caller; the database's.
pub async fn spend_nonce(
    tx: &mut Tx<'_>,
    caller: &CallerId,
    nonce: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<bool, Error> {
    execute!(tx, "DELETE FROM nonces WHERE expires_at < $1", now.unix())?;
    let sql = "INSERT INTO nonces (caller, nonce, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    Ok(execute!(tx, sql, caller.as_str(), nonce, expires_at.unix())? == 1)
}
