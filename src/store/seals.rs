//! Rows of seals. They give authority, so each carries an integrity value; the state is kept as facts.

use crate::base::clock::Timestamp;
use crate::base::id::{KeyId, SealId};
use crate::domain::audit::{RevocationReason, SuspensionReason};
use crate::domain::seal::State;
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// A seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSeal {
    /// Its name here.
    pub id: SealId,
    /// Its number in the world (`esID`, GB/T 38540 6.2).
    pub es_id: String,
    /// What it is called.
    pub name: String,
    /// The seal in DER, as its maker signed it.
    pub seal_der: Vec<u8>,
    /// The signer's key, when it is ours.
    pub signer_key: Option<KeyId>,
    /// Where it stands.
    pub state: State,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// Moments and reasons, as the columns hold them.
type Facts = (Option<i64>, Option<i64>, Option<String>, Option<i64>, Option<String>);
type Key = (String, String, String, Vec<u8>, Option<String>);
type Row = (
    String,
    String,
    String,
    Vec<u8>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
    i64,
    Vec<u8>,
);

fn facts(state: State) -> Facts {
    match state {
        State::Active { since } => (Some(since.unix()), None, None, None, None),
        State::Suspended { since, reason } => (None, Some(since.unix()), Some(reason.name().into()), None, None),
        State::Revoked { at, reason } => (None, None, None, Some(at.unix()), Some(reason.name().into())),
    }
}

fn state(facts: &Facts) -> Option<State> {
    match facts {
        (Some(since), None, None, None, None) => Some(State::Active { since: Timestamp::from_unix(*since) }),
        (None, Some(since), Some(reason), None, None) => {
            let reason = SuspensionReason::from_name(reason)?;
            Some(State::Suspended { since: Timestamp::from_unix(*since), reason })
        }
        (None, None, None, Some(at), Some(reason)) => {
            let reason = RevocationReason::from_name(reason)?;
            Some(State::Revoked { at: Timestamp::from_unix(*at), reason })
        }
        _ => None,
    }
}

/// The content that the integrity value covers: every column but id, version and the value itself.
fn content(key: &Key, facts: &Facts) -> [Vec<u8>; 9] {
    let (_, es_id, name, seal_der, signer_key) = key;
    let (active_since, suspended_since, suspension_reason, revoked_at, revocation_reason) = facts;
    let moment = |moment: &Option<i64>| optional(moment.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
    let text = |text: &Option<String>| optional(text.as_ref().map(String::as_bytes));
    [
        es_id.as_bytes().to_vec(),
        name.as_bytes().to_vec(),
        seal_der.clone(),
        text(signer_key),
        moment(active_since),
        moment(suspended_since),
        text(suspension_reason),
        moment(revoked_at),
        text(revocation_reason),
    ]
}

fn parts(content: &[Vec<u8>; 9]) -> Vec<&[u8]> {
    content.iter().map(Vec::as_slice).collect()
}

fn key_of(seal: &StoredSeal) -> Key {
    let signer = seal.signer_key.as_ref().map(ToString::to_string);
    (seal.id.to_string(), seal.es_id.clone(), seal.name.clone(), seal.seal_der.clone(), signer)
}

fn entity(tx: &Tx<'_>, row: Row) -> Result<StoredSeal, Error> {
    let (id, es_id, name, seal_der, signer, active, suspended, why_suspended, revoked, why_revoked, version, sealed) =
        row;
    let key = (id, es_id, name, seal_der, signer);
    let facts = (active, suspended, why_suspended, revoked, why_revoked);
    tx.integrity.check("seals", &key.0, version, &parts(&content(&key, &facts)), &sealed)?;
    let wrong = || Error::Inconsistent { table: "seals", row: key.0.clone() };
    let state = state(&facts).ok_or_else(wrong)?;
    let seal_id = SealId::parse(&key.0).map_err(|_| wrong())?;
    let signer_key = key.4.as_deref().map(KeyId::parse).transpose().map_err(|_| wrong())?;
    let (_, es_id, name, seal_der, _) = key;
    Ok(StoredSeal { id: seal_id, es_id, name, seal_der, signer_key, state, version })
}

/// Keeps a new seal, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when its id or `esID` is there already.
pub async fn insert(tx: &mut Tx<'_>, seal: &StoredSeal) -> Result<(), Error> {
    let (key, facts) = (key_of(seal), facts(seal.state));
    let integrity = tx.integrity.over("seals", &key.0, 1, &parts(&content(&key, &facts)))?;
    let sql = "INSERT INTO seals (id, es_id, name, seal_der, signer_key, active_since, suspended_since, \
               suspension_reason, revoked_at, revocation_reason, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11)";
    let (id, es_id, name, der, signer) = key;
    let (active, suspended, why_suspended, revoked, why_revoked) = facts;
    execute!(tx, sql, id, es_id, name, der, signer, active, suspended, why_suspended, revoked, why_revoked, integrity)
        .map(|_| ())
}

/// The seal of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &SealId) -> Result<Option<StoredSeal>, Error> {
    let sql = "SELECT id, es_id, name, seal_der, signer_key, active_since, suspended_since, suspension_reason, \
               revoked_at, revocation_reason, version, integrity FROM seals WHERE id = $1";
    let row = fetch_optional!(tx, Row, sql, id.as_str())?;
    row.map(|row| entity(tx, row)).transpose()
}

/// Seals behind that name, in the order of their names, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn list(tx: &mut Tx<'_>, after: Option<&SealId>, limit: i64) -> Result<Vec<StoredSeal>, Error> {
    let sql = "SELECT id, es_id, name, seal_der, signer_key, active_since, suspended_since, suspension_reason, \
               revoked_at, revocation_reason, version, integrity FROM seals WHERE id > $1 ORDER BY id LIMIT $2";
    let rows = fetch_all!(tx, Row, sql, after.map_or("", SealId::as_str), limit)?;
    rows.into_iter().map(|row| entity(tx, row)).collect()
}

/// Gives a seal a new state; the rest of it never changes.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `seal`.
pub async fn change_state(tx: &mut Tx<'_>, seal: &StoredSeal, next: State) -> Result<StoredSeal, Error> {
    let (key, facts, version) = (key_of(seal), facts(next), seal.version.saturating_add(1));
    let integrity = tx.integrity.over("seals", &key.0, version, &parts(&content(&key, &facts)))?;
    let sql = "UPDATE seals SET active_since = $1, suspended_since = $2, suspension_reason = $3, revoked_at = $4, \
               revocation_reason = $5, version = $6, integrity = $7 WHERE id = $8 AND version = $9";
    let (active, suspended, why_suspended, revoked, why_revoked) = facts;
    let touched = execute!(
        tx,
        sql,
        active,
        suspended,
        why_suspended,
        revoked,
        why_revoked,
        version,
        integrity,
        &key.0[..],
        seal.version
    )?;
    match touched {
        1 => Ok(StoredSeal { state: next, version, ..seal.clone() }),
        _ => Err(Error::Stale { table: "seals", row: key.0 }),
    }
}
