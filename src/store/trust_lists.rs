//! Rows of trust lists, with the approvals that officers signed. They say whom we trust, so each carries an integrity value
//! over its approvals too.

use crate::base::clock::Timestamp;
use crate::base::id::CallerId;
use crate::domain::ca::request::Hand;
use crate::domain::ca::trust_list::{ListApproval, ListOffer, ListOrder, ListState};
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "trust_lists";

/// A trust list as it came, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTrustList {
    /// What was offered, who approved it, where it stands.
    pub order: ListOrder,
    /// The list above that introduced it.
    pub above: Option<String>,
    /// The signed list, as a file.
    pub file: Vec<u8>,
    /// What came with it: a bundle without lists, as a file.
    pub evidence: Vec<u8>,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// The signature of whoever refused it.
    pub end_signature: Option<Vec<u8>>,
    /// Counts its changes, from 1.
    pub version: i64,
}

type Row = (
    Vec<u8>,
    String,
    i64,
    Option<Vec<u8>>,
    i64,
    Option<String>,
    Vec<u8>,
    Vec<u8>,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<Vec<u8>>,
    i64,
    Vec<u8>,
);

type ApprovalRow = (String, Vec<u8>, i64, Vec<u8>, i64);

/// What the columns of a state hold: since, ended at, ended by.
type Moments = (Option<i64>, Option<i64>, Option<String>);

fn moments(state: &ListState) -> Moments {
    match state {
        ListState::Active { since } => (Some(since.unix()), None, None),
        ListState::Superseded { since, at } => (Some(since.unix()), Some(at.unix()), None),
        ListState::Refused { by, at } => (None, Some(at.unix()), Some(by.to_string())),
        _ => (None, None, None),
    }
}

fn state(name: &str, (since, ended_at, ended_by): Moments) -> Option<ListState> {
    let moment = Timestamp::from_unix;
    match (name, since, ended_at, ended_by) {
        ("imported", None, None, None) => Some(ListState::Imported),
        ("active", Some(since), None, None) => Some(ListState::Active { since: moment(since) }),
        ("superseded", Some(since), Some(at), None) => {
            Some(ListState::Superseded { since: moment(since), at: moment(at) })
        }
        ("refused", None, Some(at), Some(by)) => {
            Some(ListState::Refused { by: CallerId::parse(&by).ok()?, at: moment(at) })
        }
        _ => None,
    }
}

fn number(value: Option<i64>) -> Vec<u8> {
    optional(value.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]))
}

fn row_name(list_sm3: &[u8]) -> String {
    crate::crypto::digest::hex(list_sm3)
}

fn content(stored: &StoredTrustList) -> Vec<Vec<u8>> {
    let (offer, (since, ended_at, ended_by)) = (&stored.order.offer, moments(&stored.order.state));
    let mut parts = vec![
        offer.name.as_bytes().to_vec(),
        offer.number.to_be_bytes().to_vec(),
        optional(offer.replaces.as_ref().map(|sm3| &sm3[..])),
        vec![u8::from(offer.by_paper)],
        optional(stored.above.as_deref().map(str::as_bytes)),
        stored.file.clone(),
        stored.evidence.clone(),
        stored.order.state_name().as_bytes().to_vec(),
        stored.imported_at.unix().to_be_bytes().to_vec(),
        number(since),
        number(ended_at),
        optional(ended_by.as_deref().map(str::as_bytes)),
        optional(stored.end_signature.as_deref()),
    ];
    for approval in &stored.order.approvals {
        parts.push(approval.hand.officer.as_str().as_bytes().to_vec());
        parts.push(approval.hand.key_sm3.to_vec());
        parts.push(vec![u8::from(approval.compared)]);
        parts.push(approval.signature.clone());
        parts.push(approval.at.unix().to_be_bytes().to_vec());
    }
    parts
}

fn integrity(tx: &Tx<'_>, stored: &StoredTrustList) -> Result<Vec<u8>, Error> {
    let parts = content(stored);
    let parts = parts.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.over(TABLE, &row_name(&stored.order.offer.list_sm3), stored.version, &parts)
}

async fn entity(tx: &mut Tx<'_>, row: Row) -> Result<StoredTrustList, Error> {
    let (list_sm3, name, version_number, replaces, by_paper, above, file, evidence, rest) = {
        let (a, b, c, d, e, f, g, h, state, imported_at, since, ended_at, ended_by, signature, version, found) = row;
        (a, b, c, d, e, f, g, h, (state, imported_at, (since, ended_at, ended_by), signature, version, found))
    };
    let (state_name, imported_at, moments, end_signature, version, found) = rest;
    let row = row_name(&list_sm3);
    let wrong = || Error::Inconsistent { table: TABLE, row: row.clone() };
    let sql = "SELECT officer, key_sm3, compared, signature, at FROM trust_list_approvals \
               WHERE list_sm3 = $1 ORDER BY position";
    let mut approvals = Vec::new();
    for (officer, key_sm3, compared, signature, at) in fetch_all!(tx, ApprovalRow, sql, &list_sm3[..])? {
        let officer = CallerId::parse(&officer).map_err(|_| wrong())?;
        let hand = Hand { officer, key_sm3: key_sm3.try_into().map_err(|_| wrong())? };
        approvals.push(ListApproval { hand, compared: compared == 1, signature, at: Timestamp::from_unix(at) });
    }
    let replaces = replaces.map(<[u8; 32]>::try_from).transpose().map_err(|_| wrong())?;
    let offer = ListOffer {
        list_sm3: list_sm3.try_into().map_err(|_| wrong())?,
        name,
        number: u64::try_from(version_number).map_err(|_| wrong())?,
        replaces,
        by_paper: by_paper == 1,
    };
    let state = state(&state_name, moments).ok_or_else(wrong)?;
    let stored = StoredTrustList {
        order: ListOrder { offer, approvals, state },
        above,
        file,
        evidence,
        imported_at: Timestamp::from_unix(imported_at),
        end_signature,
        version,
    };
    let parts = content(&stored);
    let parts = parts.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.check(TABLE, &row, version, &parts, &found)?;
    Ok(stored)
}

async fn put_approvals(tx: &mut Tx<'_>, order: &ListOrder) -> Result<(), Error> {
    let list_sm3 = &order.offer.list_sm3[..];
    execute!(tx, "DELETE FROM trust_list_approvals WHERE list_sm3 = $1", list_sm3)?;
    let sql = "INSERT INTO trust_list_approvals (list_sm3, position, officer, key_sm3, compared, signature, at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    for (position, approval) in (1_i64..).zip(&order.approvals) {
        let (hand, signature) = (&approval.hand, &approval.signature[..]);
        let (officer, key_sm3) = (hand.officer.as_str(), &hand.key_sm3[..]);
        let (compared, at) = (i64::from(approval.compared), approval.at.unix());
        execute!(tx, sql, list_sm3, position, officer, key_sm3, compared, signature, at)?;
    }
    Ok(())
}

/// Keeps a new list, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when it is here already.
pub async fn insert(tx: &mut Tx<'_>, stored: &StoredTrustList) -> Result<StoredTrustList, Error> {
    let stored = StoredTrustList { version: 1, ..stored.clone() };
    let integrity = integrity(tx, &stored)?;
    let sql = "INSERT INTO trust_lists (list_sm3, name, number, replaces, by_paper, above, file, evidence, state, \
               imported_at, since, ended_at, ended_by, end_signature, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15)";
    let (offer, (since, ended_at, ended_by)) = (&stored.order.offer, moments(&stored.order.state));
    let number = i64::try_from(offer.number).unwrap_or(i64::MAX);
    let (list_sm3, replaces) = (&offer.list_sm3[..], offer.replaces.map(|sm3| sm3.to_vec()));
    let (by_paper, imported_at) = (i64::from(offer.by_paper), stored.imported_at.unix());
    execute!(
        tx,
        sql,
        list_sm3,
        offer.name.as_str(),
        number,
        replaces,
        by_paper,
        stored.above.as_deref(),
        &stored.file[..],
        &stored.evidence[..],
        stored.order.state_name(),
        imported_at,
        since,
        ended_at,
        ended_by,
        stored.end_signature.as_deref(),
        integrity
    )?;
    put_approvals(tx, &stored.order).await?;
    Ok(stored)
}

/// Keeps what became of a list; gives it with its next version.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `stored`; [`Error::Conflict`] when another version of the
/// list is in force.
pub async fn update(tx: &mut Tx<'_>, stored: &StoredTrustList) -> Result<StoredTrustList, Error> {
    let next = StoredTrustList { version: stored.version.saturating_add(1), ..stored.clone() };
    let integrity = integrity(tx, &next)?;
    let sql = "UPDATE trust_lists SET replaces = $1, by_paper = $2, above = $3, file = $4, evidence = $5, state = $6, \
               imported_at = $7, since = $8, ended_at = $9, ended_by = $10, end_signature = $11, version = $12, \
               integrity = $13 WHERE list_sm3 = $14 AND version = $15";
    let (offer, (since, ended_at, ended_by)) = (&next.order.offer, moments(&next.order.state));
    let replaces = offer.replaces.map(|sm3| sm3.to_vec());
    let (by_paper, imported_at) = (i64::from(offer.by_paper), next.imported_at.unix());
    let changed = execute!(
        tx,
        sql,
        replaces,
        by_paper,
        next.above.as_deref(),
        &next.file[..],
        &next.evidence[..],
        next.order.state_name(),
        imported_at,
        since,
        ended_at,
        ended_by,
        next.end_signature.as_deref(),
        next.version,
        integrity,
        &offer.list_sm3[..],
        stored.version
    )?;
    if changed != 1 {
        return Err(Error::Stale { table: TABLE, row: row_name(&offer.list_sm3) });
    }
    put_approvals(tx, &next.order).await?;
    Ok(next)
}

/// The list with that SM3.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, list_sm3: &[u8; 32]) -> Result<Option<StoredTrustList>, Error> {
    let sql = "SELECT list_sm3, name, number, replaces, by_paper, above, file, evidence, state, imported_at, since, \
               ended_at, ended_by, end_signature, version, integrity FROM trust_lists WHERE list_sm3 = $1";
    match fetch_optional!(tx, Row, sql, &list_sm3[..])? {
        Some(row) => entity(tx, row).await.map(Some),
        None => Ok(None),
    }
}

/// The versions in force, by their names.
///
/// # Errors
/// As [`find`].
pub async fn active(tx: &mut Tx<'_>) -> Result<Vec<StoredTrustList>, Error> {
    let sql = "SELECT list_sm3, name, number, replaces, by_paper, above, file, evidence, state, imported_at, since, \
               ended_at, ended_by, end_signature, version, integrity FROM trust_lists WHERE state = 'active' \
               ORDER BY name";
    let mut found = Vec::new();
    for row in fetch_all!(tx, Row, sql)? {
        found.push(entity(tx, row).await?);
    }
    Ok(found)
}

/// All of them, by name and number.
///
/// # Errors
/// As [`find`].
pub async fn all(tx: &mut Tx<'_>) -> Result<Vec<StoredTrustList>, Error> {
    let sql = "SELECT list_sm3, name, number, replaces, by_paper, above, file, evidence, state, imported_at, since, \
               ended_at, ended_by, end_signature, version, integrity FROM trust_lists ORDER BY name, number, list_sm3";
    let mut found = Vec::new();
    for row in fetch_all!(tx, Row, sql)? {
        found.push(entity(tx, row).await?);
    }
    Ok(found)
}

/// The highest number of that list that was ever in force.
///
/// # Errors
/// The database's.
pub async fn highest_number(tx: &mut Tx<'_>, name: &str) -> Result<Option<u64>, Error> {
    let sql = "SELECT number FROM trust_lists WHERE name = $1 AND since IS NOT NULL ORDER BY number DESC LIMIT 1";
    let row = fetch_optional!(tx, (i64,), sql, name)?;
    Ok(row.and_then(|(number,)| u64::try_from(number).ok()))
}
