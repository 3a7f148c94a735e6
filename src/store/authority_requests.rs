//! Rows of authorities of ours that wait for a certificate from outside. They will give authority, so each carries an
//! integrity value.

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, KeyId};
use crate::store::sql::{execute, fetch_all};
use crate::store::{Error, Tx};

const TABLE: &str = "authority_requests";

/// An authority that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAuthorityRequest {
    /// Its name here.
    pub id: AuthorityId,
    /// What it is called.
    pub name: String,
    /// Its profile.
    pub profile: String,
    /// Its key.
    pub key: KeyId,
    /// The request of PKCS#10 in DER.
    pub csr: Vec<u8>,
    /// Where it will publish, without a slash at the end.
    pub base_url: String,
    /// Among how many CRLs its certificates will be shared out.
    pub crl_shards: u32,
    /// Since when it waits.
    pub created_at: Timestamp,
}

type Row = (String, String, String, String, Vec<u8>, String, i64, i64, Vec<u8>);

fn content(request: &StoredAuthorityRequest) -> [Vec<u8>; 7] {
    let StoredAuthorityRequest { name, profile, key, csr, base_url, crl_shards, created_at, .. } = request;
    [
        name.as_bytes().to_vec(),
        profile.as_bytes().to_vec(),
        key.as_str().as_bytes().to_vec(),
        csr.clone(),
        base_url.as_bytes().to_vec(),
        crl_shards.to_be_bytes().to_vec(),
        created_at.unix().to_be_bytes().to_vec(),
    ]
}

fn entity(tx: &Tx<'_>, row: Row) -> Result<StoredAuthorityRequest, Error> {
    let (id, name, profile, key, csr, base_url, crl_shards, created_at, found) = row;
    let wrong = || Error::Inconsistent { table: TABLE, row: id.clone() };
    let request = StoredAuthorityRequest {
        id: AuthorityId::parse(&id).map_err(|_| wrong())?,
        name,
        profile,
        key: KeyId::parse(&key).map_err(|_| wrong())?,
        csr,
        base_url,
        crl_shards: u32::try_from(crl_shards).map_err(|_| wrong())?,
        created_at: Timestamp::from_unix(created_at),
    };
    let content = content(&request);
    tx.integrity.check(TABLE, &id, 1, &content.each_ref().map(Vec::as_slice), &found)?;
    Ok(request)
}

/// Keeps a request.
///
/// # Errors
/// [`Error::Conflict`] when the name or the key waits already, or the key is not there.
pub async fn insert(tx: &mut Tx<'_>, request: &StoredAuthorityRequest) -> Result<(), Error> {
    let content = content(request);
    let parts = content.each_ref().map(Vec::as_slice);
    let integrity = tx.integrity.over(TABLE, request.id.as_str(), 1, &parts)?;
    let sql = "INSERT INTO authority_requests (id, name, profile, key_id, csr, base_url, crl_shards, created_at, \
               integrity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let (id, name, profile) = (request.id.as_str(), request.name.as_str(), request.profile.as_str());
    let (key, csr, url) = (request.key.as_str(), &request.csr[..], request.base_url.as_str());
    let (shards, created) = (i64::from(request.crl_shards), request.created_at.unix());
    execute!(tx, sql, id, name, profile, key, csr, url, shards, created, integrity).map(|_| ())
}

/// All that wait, oldest first.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn all(tx: &mut Tx<'_>) -> Result<Vec<StoredAuthorityRequest>, Error> {
    let sql = "SELECT id, name, profile, key_id, csr, base_url, crl_shards, created_at, integrity \
               FROM authority_requests ORDER BY created_at, id";
    fetch_all!(tx, Row, sql)?.into_iter().map(|row| entity(tx, row)).collect()
}

/// Forgets a request, since its authority waits no more.
///
/// # Errors
/// [`Error::Stale`] when it waited no more before.
pub async fn remove(tx: &mut Tx<'_>, id: &AuthorityId) -> Result<(), Error> {
    match execute!(tx, "DELETE FROM authority_requests WHERE id = $1", id.as_str())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: TABLE, row: id.to_string() }),
    }
}
