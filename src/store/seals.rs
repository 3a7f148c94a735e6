//! Rows of seals. They give authority, so each carries an integrity value; the state is kept as facts.

use std::collections::BTreeMap;

use crate::base::clock::Timestamp;
use crate::base::id::{KeyId, SealId};
use crate::domain::audit::{RevocationReason, SuspensionReason};
use crate::domain::seal::{ArchivedAfter, State};
use crate::store::integrity::optional;
use crate::store::newest::{self, integrity_of_newest};
use crate::store::sql::{execute, fetch_all, fetch_listed, fetch_optional};
use crate::store::{Error, Tx};

/// Names that are asked for by one statement.
pub const MOST_TOGETHER: usize = 1_000;

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
#[derive(Default)]
struct Facts {
    active_since: Option<i64>,
    suspended_since: Option<i64>,
    suspension_reason: Option<String>,
    revoked_at: Option<i64>,
    revocation_reason: Option<String>,
    /// The later states: `made`, `expired`, `superseded`, `archived`; when; by which seal, or after which end.
    stage: Option<(String, i64, Option<String>)>,
}

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
    Option<String>,
    Option<i64>,
    Option<String>,
    i64,
    Vec<u8>,
);

fn facts(state: &State) -> Facts {
    let none = Facts::default();
    match state {
        State::Made { since } => Facts { stage: Some((state.name().into(), since.unix(), None)), ..none },
        State::Active { since } => Facts { active_since: Some(since.unix()), ..none },
        State::Suspended { since, reason } => {
            Facts { suspended_since: Some(since.unix()), suspension_reason: Some(reason.name().into()), ..none }
        }
        State::Revoked { at, reason } => {
            Facts { revoked_at: Some(at.unix()), revocation_reason: Some(reason.name().into()), ..none }
        }
        State::Expired { at } => Facts { stage: Some((state.name().into(), at.unix(), None)), ..none },
        State::Superseded { at, by } => {
            Facts { stage: Some((state.name().into(), at.unix(), Some(by.to_string()))), ..none }
        }
        State::Archived { at, after } => {
            Facts { stage: Some((state.name().into(), at.unix(), Some(after.name().into()))), ..none }
        }
    }
}

fn state(facts: &Facts) -> Option<State> {
    let Facts { active_since, suspended_since, suspension_reason, revoked_at, revocation_reason, stage } = facts;
    let older = (active_since, suspended_since, suspension_reason, revoked_at, revocation_reason);
    let at = Timestamp::from_unix;
    match (older, stage) {
        ((Some(since), None, None, None, None), None) => Some(State::Active { since: at(*since) }),
        ((None, Some(since), Some(reason), None, None), None) => {
            Some(State::Suspended { since: at(*since), reason: SuspensionReason::from_name(reason)? })
        }
        ((None, None, None, Some(moment), Some(reason)), None) => {
            Some(State::Revoked { at: at(*moment), reason: RevocationReason::from_name(reason)? })
        }
        ((None, None, None, None, None), Some((stage, moment, detail))) => match (stage.as_str(), detail) {
            ("made", None) => Some(State::Made { since: at(*moment) }),
            ("expired", None) => Some(State::Expired { at: at(*moment) }),
            ("superseded", Some(by)) => Some(State::Superseded { at: at(*moment), by: SealId::parse(by).ok()? }),
            ("archived", Some(after)) => {
                Some(State::Archived { at: at(*moment), after: ArchivedAfter::from_name(after)? })
            }
            _ => None,
        },
        _ => None,
    }
}

/// The content that the integrity value covers: every column but id, version and the value itself. The later states came
/// with migration 22: rows without one have the value that they always had.
fn content(key: &Key, facts: &Facts) -> Vec<Vec<u8>> {
    let (_, es_id, name, seal_der, signer_key) = key;
    let moment = |moment: &Option<i64>| optional(moment.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
    let text = |text: &Option<String>| optional(text.as_ref().map(String::as_bytes));
    let mut content = vec![
        es_id.as_bytes().to_vec(),
        name.as_bytes().to_vec(),
        seal_der.clone(),
        text(signer_key),
        moment(&facts.active_since),
        moment(&facts.suspended_since),
        text(&facts.suspension_reason),
        moment(&facts.revoked_at),
        text(&facts.revocation_reason),
    ];
    if let Some((stage, at, detail)) = &facts.stage {
        content.extend([stage.as_bytes().to_vec(), at.to_be_bytes().to_vec(), text(detail)]);
    }
    content
}

fn parts(content: &[Vec<u8>]) -> Vec<&[u8]> {
    content.iter().map(Vec::as_slice).collect()
}

fn key_of(seal: &StoredSeal) -> Key {
    let signer = seal.signer_key.as_ref().map(ToString::to_string);
    (seal.id.to_string(), seal.es_id.clone(), seal.name.clone(), seal.seal_der.clone(), signer)
}

fn entity(tx: &Tx<'_>, row: Row) -> Result<StoredSeal, Error> {
    let (id, es_id, name, seal_der, signer, active_since, suspended_since, suspension_reason, ..) = row;
    let (.., revoked_at, revocation_reason, stage, stage_at, stage_detail, version, sealed) = row;
    let key = (id, es_id, name, seal_der, signer);
    let wrong = || tx.integrity.refuse("seals", &key.0);
    let stage = match (stage, stage_at, stage_detail) {
        (None, None, None) => None,
        (Some(stage), Some(at), detail) => Some((stage, at, detail)),
        _ => return Err(wrong()),
    };
    let facts = Facts { active_since, suspended_since, suspension_reason, revoked_at, revocation_reason, stage };
    tx.integrity.check("seals", &key.0, version, &parts(&content(&key, &facts)), &sealed)?;
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
    let (key, facts) = (key_of(seal), facts(&seal.state));
    let integrity = tx.integrity.over("seals", &key.0, 1, &parts(&content(&key, &facts)))?;
    let sql = "INSERT INTO seals (id, es_id, name, seal_der, signer_key, active_since, suspended_since, \
               suspension_reason, revoked_at, revocation_reason, stage, stage_at, stage_detail, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, $14)";
    let (id, es_id, name, der, signer) = key;
    let Facts { active_since, suspended_since, suspension_reason, revoked_at, revocation_reason, stage } = facts;
    let (stage, stage_at, detail) = in_columns(stage);
    execute!(
        tx,
        sql,
        id,
        es_id,
        name,
        der,
        signer,
        active_since,
        suspended_since,
        suspension_reason,
        revoked_at,
        revocation_reason,
        stage,
        stage_at,
        detail,
        integrity
    )
    .map(|_| ())
}

/// The seal of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &SealId) -> Result<Option<StoredSeal>, Error> {
    let sql = concat!(
        "SELECT id, es_id, name, seal_der, signer_key, active_since, suspended_since, suspension_reason, \
               revoked_at, revocation_reason, stage, stage_at, stage_detail, version, ",
        integrity_of_newest!("seals", "seals.id"),
        " FROM seals WHERE id = $1"
    );
    match fetch_optional!(tx, Row, sql, id.as_str())? {
        Some(row) => entity(tx, row).map(Some),
        None => newest::absent(tx, "seals", id.as_str()).await,
    }
}

/// The seal with that `esID`.
///
/// # Errors
/// As [`find`].
pub async fn find_by_es_id(tx: &mut Tx<'_>, es_id: &str) -> Result<Option<StoredSeal>, Error> {
    let sql = "SELECT id, es_id, name, seal_der, signer_key, active_since, suspended_since, suspension_reason, \
               revoked_at, revocation_reason, stage, stage_at, stage_detail, version, integrity FROM seals WHERE es_id = $1";
    let row = fetch_optional!(tx, Row, sql, es_id)?;
    row.map(|row| entity(tx, row)).transpose()
}

/// The seals of those names, by them, at most [`MOST_TOGETHER`]; those that are not here are left out.
///
/// # Errors
/// As [`find`].
pub async fn of_names(tx: &mut Tx<'_>, ids: &[SealId]) -> Result<BTreeMap<SealId, StoredSeal>, Error> {
    let sql = concat!(
        "SELECT id, es_id, name, seal_der, signer_key, active_since, suspended_since, suspension_reason, \
               revoked_at, revocation_reason, stage, stage_at, stage_detail, version, ",
        integrity_of_newest!("seals", "seals.id"),
        " FROM seals WHERE id IN ("
    );
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids = ids.iter().take(MOST_TOGETHER).collect::<Vec<_>>();
    let rows = fetch_listed!(
        tx,
        Row,
        sql,
        &ids,
        |bound, id| {
            bound.push_bind(id.as_str());
        },
        ")"
    )?;
    let seals = rows.into_iter().map(|row| entity(tx, row)).collect::<Result<Vec<_>, _>>()?;
    let found = seals.into_iter().map(|seal| (seal.id.clone(), seal)).collect::<BTreeMap<_, _>>();
    let absent = ids.iter().filter(|id| !found.contains_key(**id)).map(|id| id.as_str());
    newest::all_absent(tx, "seals", absent.collect::<Vec<_>>()).await?;
    Ok(found)
}

/// Seals behind that name, in the order of their names, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn list(tx: &mut Tx<'_>, after: Option<&SealId>, limit: i64) -> Result<Vec<StoredSeal>, Error> {
    let sql = concat!(
        "SELECT id, es_id, name, seal_der, signer_key, active_since, suspended_since, suspension_reason, \
               revoked_at, revocation_reason, stage, stage_at, stage_detail, version, ",
        integrity_of_newest!("seals", "seals.id"),
        " FROM seals WHERE id > $1 ORDER BY id LIMIT $2"
    );
    let rows = fetch_all!(tx, Row, sql, after.map_or("", SealId::as_str), limit)?;
    rows.into_iter().map(|row| entity(tx, row)).collect()
}

/// The end of a seal that is not looked for any more.
pub const NEVER: Timestamp = Timestamp::from_unix(i64::MAX);

/// Seals whose end is not noted yet, and what each is, DER; at most `limit`. Nothing is decided by it: what it says is not held
/// against what was written.
///
/// # Errors
/// The database's, or a name that nobody writes.
pub async fn ends_unknown(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<(SealId, Vec<u8>)>, Error> {
    let sql = "SELECT id, seal_der FROM seals WHERE ends_at IS NULL ORDER BY id LIMIT $1";
    let rows = fetch_all!(tx, (String, Vec<u8>), sql, limit)?;
    rows.into_iter().map(|(id, der)| Ok((named(id)?, der))).collect()
}

/// Seals whose noted end lies before that moment, the earliest first, at most `limit`.
///
/// # Errors
/// As [`ends_unknown`].
pub async fn ending_before(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<SealId>, Error> {
    let sql = "SELECT id FROM seals WHERE ends_at < $1 ORDER BY ends_at, id LIMIT $2";
    let rows = fetch_all!(tx, (String,), sql, now.unix(), limit)?;
    rows.into_iter().map(|(id,)| named(id)).collect()
}

/// Notes when a seal is looked at for its end. It is no part of what the integrity value covers.
///
/// # Errors
/// The database's.
pub async fn note_end(tx: &mut Tx<'_>, id: &SealId, end: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE seals SET ends_at = $1 WHERE id = $2";
    execute!(tx, sql, end.unix(), id.as_str()).map(|_| ())
}

fn named(id: String) -> Result<SealId, Error> {
    SealId::parse(&id).map_err(|_| Error::Inconsistent { table: "seals", row: id })
}

/// Gives a seal a new state; the rest of it never changes.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `seal`.
pub async fn change_state(tx: &mut Tx<'_>, seal: &StoredSeal, next: State) -> Result<StoredSeal, Error> {
    let (key, facts, version) = (key_of(seal), facts(&next), seal.version.saturating_add(1));
    let integrity = tx.integrity.over("seals", &key.0, version, &parts(&content(&key, &facts)))?;
    let sql = "UPDATE seals SET active_since = $1, suspended_since = $2, suspension_reason = $3, revoked_at = $4, \
               revocation_reason = $5, stage = $6, stage_at = $7, stage_detail = $8, version = $9, integrity = $10 \
               WHERE id = $11 AND version = $12";
    let Facts { active_since, suspended_since, suspension_reason, revoked_at, revocation_reason, stage } = facts;
    let (stage, stage_at, detail) = in_columns(stage);
    let touched = execute!(
        tx,
        sql,
        active_since,
        suspended_since,
        suspension_reason,
        revoked_at,
        revocation_reason,
        stage,
        stage_at,
        detail,
        version,
        integrity,
        &key.0[..],
        seal.version
    )?;
    match touched {
        1 => {
            newest::keep(tx, "seals", &key.0, version).await?;
            Ok(StoredSeal { state: next, version, ..seal.clone() })
        }
        _ => Err(Error::Stale { table: "seals", row: key.0 }),
    }
}

fn in_columns(stage: Option<(String, i64, Option<String>)>) -> (Option<String>, Option<i64>, Option<String>) {
    stage.map_or((None, None, None), |(stage, at, detail)| (Some(stage), Some(at), detail))
}
