//! Rows of seals that are about to be made: what was taken for an application before its seal is there. They say which code
//! and which certificate belong to which application, so each carries an integrity value.

use std::collections::BTreeSet;

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, SealId};
use crate::domain::seal::code::SealCode;
use crate::store::integrity::optional;
use crate::store::newest::{self, integrity_of_newest};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "seal_makings";

/// A seal that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMaking {
    /// For which application.
    pub application: ApplicationId,
    /// The name that the seal will have here.
    pub seal: SealId,
    /// Its code.
    pub code: SealCode,
    /// SM3 of its signer's certificate, once that is issued.
    pub certificate_sm3: Option<[u8; 32]>,
    /// Since when.
    pub begun_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: i64,
}

type Row = (String, String, String, Option<Vec<u8>>, i64, i64, Vec<u8>);

fn content(making: &StoredMaking) -> [Vec<u8>; 4] {
    [
        making.seal.as_str().as_bytes().to_vec(),
        making.code.as_str().as_bytes().to_vec(),
        optional(making.certificate_sm3.as_ref().map(|sm3| &sm3[..])),
        making.begun_at.unix().to_be_bytes().to_vec(),
    ]
}

fn integrity(tx: &Tx<'_>, making: &StoredMaking) -> Result<Vec<u8>, Error> {
    let content = content(making);
    tx.integrity.over(TABLE, making.application.as_str(), making.version, &content.each_ref().map(Vec::as_slice))
}

fn entity(tx: &Tx<'_>, (application, seal, code, sm3, begun_at, version, found): Row) -> Result<StoredMaking, Error> {
    let wrong = || tx.integrity.refuse(TABLE, &application);
    let making = StoredMaking {
        application: ApplicationId::parse(&application).map_err(|_| wrong())?,
        seal: SealId::parse(&seal).map_err(|_| wrong())?,
        code: SealCode::parse(&code).map_err(|_| wrong())?,
        certificate_sm3: sm3.map(<[u8; 32]>::try_from).transpose().map_err(|_| wrong())?,
        begun_at: Timestamp::from_unix(begun_at),
        version,
    };
    let content = content(&making);
    tx.integrity.check(TABLE, &application, version, &content.each_ref().map(Vec::as_slice), &found)?;
    Ok(making)
}

/// Keeps that a seal is about to be made, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when one is for the application, or the code was taken before.
pub async fn insert(tx: &mut Tx<'_>, making: &StoredMaking) -> Result<(), Error> {
    let making = StoredMaking { version: 1, ..making.clone() };
    let integrity = integrity(tx, &making)?;
    let sql = "INSERT INTO seal_makings (application, seal, code, certificate_sm3, begun_at, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, 1, $6)";
    let sm3 = making.certificate_sm3.map(|sm3| sm3.to_vec());
    let (application, seal, code) = (making.application.as_str(), making.seal.as_str(), making.code.as_str());
    execute!(tx, sql, application, seal, code, sm3, making.begun_at.unix(), integrity)?;
    newest::first(tx, TABLE, application).await
}

/// What is about to be made for that application.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, application: &ApplicationId) -> Result<Option<StoredMaking>, Error> {
    let sql = concat!(
        "SELECT application, seal, code, certificate_sm3, begun_at, version, ",
        integrity_of_newest!("seal_makings", "application"),
        " FROM seal_makings \
               WHERE application = $1"
    );
    match fetch_optional!(tx, Row, sql, application.as_str())? {
        Some(row) => entity(tx, row).map(Some),
        None => newest::absent(tx, TABLE, application.as_str()).await,
    }
}

/// Keeps that the signer's certificate is there.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `making`.
pub async fn certified(tx: &mut Tx<'_>, making: &StoredMaking, sm3: &[u8; 32]) -> Result<StoredMaking, Error> {
    let version = making.version.saturating_add(1);
    let next = StoredMaking { certificate_sm3: Some(*sm3), version, ..making.clone() };
    let integrity = integrity(tx, &next)?;
    let sql = "UPDATE seal_makings SET certificate_sm3 = $1, version = $2, integrity = $3 \
               WHERE application = $4 AND version = $5";
    match execute!(tx, sql, &sm3[..], version, integrity, next.application.as_str(), making.version)? {
        1 => {
            newest::keep(tx, TABLE, next.application.as_str(), version).await?;
            Ok(next)
        }
        _ => Err(Error::Stale { table: TABLE, row: next.application.to_string() }),
    }
}

/// Whether that code was taken, here or by a seal that was made elsewhere.
///
/// # Errors
/// The database's.
pub async fn is_taken(tx: &mut Tx<'_>, code: &SealCode) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM seal_makings WHERE code = $1 UNION SELECT 1 FROM seals WHERE es_id = $1 \
               UNION SELECT 1 FROM seal_remake_seals WHERE code = $1";
    Ok(fetch_optional!(tx, (i32,), sql, code.as_str())?.is_some())
}

/// The codes that were taken from the first on, up to the one before the last. All have 14 digits.
///
/// # Errors
/// The database's.
pub async fn taken_between(tx: &mut Tx<'_>, (first, last): (&str, &str)) -> Result<BTreeSet<String>, Error> {
    let sql = "SELECT code FROM seal_makings WHERE code >= $1 AND code < $2 \
               UNION SELECT es_id FROM seals WHERE es_id >= $1 AND es_id < $2 \
               UNION SELECT code FROM seal_remake_seals WHERE code >= $1 AND code < $2";
    Ok(fetch_all!(tx, (String,), sql, first, last)?.into_iter().map(|(code,)| code).collect())
}
