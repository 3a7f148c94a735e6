//! Rows of renewals: which certificate took the place of which; and which key was certified when.

use crate::base::clock::Timestamp;
use crate::crypto::digest;
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, insert_many};
use crate::store::{Error, Tx};

const TABLE: &str = "renewals";

/// Rows that one statement inserts: far below the number of values that it may bind.
const PART: usize = 1_000;

/// A certificate that took the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRenewal {
    /// SM3 of the new certificate.
    pub certificate: [u8; 32],
    /// SM3 of the old one.
    pub renewed: [u8; 32],
    /// When.
    pub renewed_at: Timestamp,
    /// When the old one is to be revoked as superseded, if it is.
    pub supersede_at: Option<Timestamp>,
    /// When that was done, or found not to be needed.
    pub settled_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
}

type Row = (Vec<u8>, Vec<u8>, i64, Option<i64>, Option<i64>, i64, Vec<u8>);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT certificate, renewed, renewed_at, supersede_at, settled_at, version, integrity FROM renewals ",
            $rest
        )
    };
}

/// The name and the content that the integrity value covers.
fn covered<T>(renewal: &StoredRenewal, judge: impl FnOnce(&str, &[&[u8]]) -> T) -> T {
    let moment =
        |at: Option<Timestamp>| optional(at.map(|at| at.unix().to_be_bytes()).as_ref().map(|octets| &octets[..]));
    let (supersede, settled) = (moment(renewal.supersede_at), moment(renewal.settled_at));
    let renewed_at = renewal.renewed_at.unix().to_be_bytes();
    judge(&digest::hex(&renewal.certificate), &[&renewal.renewed, &renewed_at, &supersede, &settled])
}

fn entity(tx: &Tx<'_>, row: Row) -> Result<StoredRenewal, Error> {
    let (certificate, renewed, renewed_at, supersede_at, settled_at, version, integrity) = row;
    let wrong = || Error::Inconsistent { table: TABLE, row: digest::hex(&certificate) };
    let renewal = StoredRenewal {
        certificate: certificate.as_slice().try_into().map_err(|_| wrong())?,
        renewed: renewed.try_into().map_err(|_| wrong())?,
        renewed_at: Timestamp::from_unix(renewed_at),
        supersede_at: supersede_at.map(Timestamp::from_unix),
        settled_at: settled_at.map(Timestamp::from_unix),
        version,
    };
    covered(&renewal, |id, content| tx.integrity.check(TABLE, id, version, content, &integrity))?;
    Ok(renewal)
}

/// Keeps a new one, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when it is there already.
pub async fn insert(tx: &mut Tx<'_>, renewal: &StoredRenewal) -> Result<(), Error> {
    let integrity = covered(renewal, |id, content| tx.integrity.over(TABLE, id, 1, content))?;
    let sql = "INSERT INTO renewals (certificate, renewed, renewed_at, supersede_at, settled_at, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, 1, $6)";
    let (certificate, renewed, at) = (&renewal.certificate[..], &renewal.renewed[..], renewal.renewed_at.unix());
    let (supersede, settled) = (renewal.supersede_at.map(Timestamp::unix), renewal.settled_at.map(Timestamp::unix));
    execute!(tx, sql, certificate, renewed, at, supersede, settled, integrity).map(|_| ())
}

/// What took the place of that certificate, oldest first.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn of(tx: &mut Tx<'_>, renewed: &[u8; 32]) -> Result<Vec<StoredRenewal>, Error> {
    let rows = fetch_all!(tx, Row, select!("WHERE renewed = $1 ORDER BY renewed_at, certificate"), &renewed[..])?;
    rows.into_iter().map(|row| entity(tx, row)).collect()
}

/// Those whose old certificate is to be revoked by now and was not looked at yet, at most `limit`.
///
/// # Errors
/// As [`of`].
pub async fn due(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<StoredRenewal>, Error> {
    let sql = select!("WHERE settled_at IS NULL AND supersede_at <= $1 ORDER BY supersede_at, certificate LIMIT $2");
    fetch_all!(tx, Row, sql, now.unix(), limit)?.into_iter().map(|row| entity(tx, row)).collect()
}

/// The old certificate was revoked, or needed not be.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `renewal`.
pub async fn settle(tx: &mut Tx<'_>, renewal: &StoredRenewal, at: Timestamp) -> Result<StoredRenewal, Error> {
    let next = StoredRenewal { settled_at: Some(at), version: renewal.version.saturating_add(1), ..renewal.clone() };
    let integrity = covered(&next, |id, content| tx.integrity.over(TABLE, id, next.version, content))?;
    let sql =
        "UPDATE renewals SET settled_at = $1, version = $2, integrity = $3 WHERE certificate = $4 AND version = $5";
    match execute!(tx, sql, at.unix(), next.version, integrity, &next.certificate[..], renewal.version)? {
        1 => Ok(next),
        _ => Err(Error::Stale { table: TABLE, row: digest::hex(&next.certificate) }),
    }
}

/// That a key was certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertifiedKey {
    /// SM3 of its SubjectPublicKeyInfo.
    pub key_sm3: [u8; 32],
    /// SM3 of the certificate.
    pub certificate: [u8; 32],
    /// `notBefore`.
    pub not_before: Timestamp,
    /// `notAfter`.
    pub not_after: Timestamp,
}

/// Keeps that keys were certified.
///
/// # Errors
/// [`Error::Conflict`] when one is there already.
pub async fn certified(tx: &mut Tx<'_>, keys: &[CertifiedKey]) -> Result<(), Error> {
    for part in keys.chunks(PART) {
        let into = "INSERT INTO certified_keys (key_sm3, certificate, not_before, not_after) ";
        insert_many!(tx, into, part, |bound, key| {
            bound.push_bind(key.key_sm3.to_vec()).push_bind(key.certificate.to_vec());
            bound.push_bind(key.not_before.unix()).push_bind(key.not_after.unix());
        })?;
    }
    Ok(())
}

/// Since when a key has been certified, as far as rows tell. A row taken out by hand is not noticed.
///
/// # Errors
/// The database's.
pub async fn certified_since(tx: &mut Tx<'_>, key_sm3: &[u8; 32]) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT not_before FROM certified_keys WHERE key_sm3 = $1 ORDER BY not_before LIMIT 1";
    let rows = fetch_all!(tx, (i64,), sql, &key_sm3[..])?;
    Ok(rows.first().map(|(first,)| Timestamp::from_unix(*first)))
}

/// Forgets what was certified until before that moment, at most `limit` rows; gives how many.
///
/// # Errors
/// The database's.
pub async fn forget_certified(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<u64, Error> {
    let sql = "DELETE FROM certified_keys WHERE certificate IN \
               (SELECT certificate FROM certified_keys WHERE not_after < $1 ORDER BY not_after LIMIT $2)";
    execute!(tx, sql, before.unix(), limit)
}
