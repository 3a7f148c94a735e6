//! Rows of our certification authorities. They give authority, so each carries an integrity value.

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, KeyId};
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// A certification authority of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAuthority {
    /// Its name here.
    pub id: AuthorityId,
    /// What it is called.
    pub name: String,
    /// SM3 of its certificate in DER: the row of `certificates`.
    pub certificate: [u8; 32],
    /// Its key.
    pub key: KeyId,
    /// The authority above it, when that is ours.
    pub parent: Option<AuthorityId>,
    /// Where its CRLs, its certificate and its OCSP answers are found, without a slash at the end.
    pub base_url: String,
    /// Among how many CRLs its certificates are shared out, from now on.
    pub crl_shards: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// Since when it issues no more.
    pub retired_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
}

type Row = (String, String, Vec<u8>, String, Option<String>, String, i64, i64, Option<i64>, i64, Vec<u8>);

fn integrity_content(authority: &StoredAuthority) -> [Vec<u8>; 8] {
    let StoredAuthority { name, certificate, key, parent, base_url, crl_shards, created_at, retired_at, .. } =
        authority;
    [
        name.as_bytes().to_vec(),
        certificate.to_vec(),
        key.as_str().as_bytes().to_vec(),
        optional(parent.as_ref().map(|parent| parent.as_str().as_bytes())),
        base_url.as_bytes().to_vec(),
        crl_shards.to_be_bytes().to_vec(),
        created_at.unix().to_be_bytes().to_vec(),
        optional(retired_at.map(|at| at.unix().to_be_bytes()).as_ref().map(|octets| &octets[..])),
    ]
}

fn integrity(tx: &Tx<'_>, authority: &StoredAuthority) -> Result<Vec<u8>, Error> {
    let content = integrity_content(authority);
    let parts: [&[u8]; 8] = content.each_ref().map(Vec::as_slice);
    tx.integrity.over("authorities", authority.id.as_str(), authority.version, &parts)
}

fn entity(tx: &Tx<'_>, row: Row) -> Result<StoredAuthority, Error> {
    let (id, name, certificate, key, parent, base_url, crl_shards, created_at, retired_at, version, found) = row;
    let wrong = || Error::Inconsistent { table: "authorities", row: id.clone() };
    let authority = StoredAuthority {
        id: AuthorityId::parse(&id).map_err(|_| wrong())?,
        name,
        certificate: certificate.try_into().map_err(|_| wrong())?,
        key: KeyId::parse(&key).map_err(|_| wrong())?,
        parent: parent.map(|parent| AuthorityId::parse(&parent)).transpose().map_err(|_| wrong())?,
        base_url,
        crl_shards: u32::try_from(crl_shards).map_err(|_| wrong())?,
        created_at: Timestamp::from_unix(created_at),
        retired_at: retired_at.map(Timestamp::from_unix),
        version,
    };
    let content = integrity_content(&authority);
    let parts: [&[u8]; 8] = content.each_ref().map(Vec::as_slice);
    tx.integrity.check("authorities", &id, version, &parts, &found)?;
    Ok(authority)
}

/// Keeps a new authority, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when it is there already, or its certificate, key or parent is not.
pub async fn insert(tx: &mut Tx<'_>, authority: &StoredAuthority) -> Result<(), Error> {
    let authority = StoredAuthority { version: 1, ..authority.clone() };
    let integrity = integrity(tx, &authority)?;
    let sql = "INSERT INTO authorities (id, name, certificate, key_id, parent, base_url, crl_shards, created_at, \
               retired_at, version, integrity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10)";
    let (id, name, url) = (authority.id.as_str(), authority.name.as_str(), authority.base_url.as_str());
    let (certificate, key) = (&authority.certificate[..], authority.key.as_str());
    let parent = authority.parent.as_ref().map(AuthorityId::as_str);
    let (shards, created) = (i64::from(authority.crl_shards), authority.created_at.unix());
    let retired = authority.retired_at.map(Timestamp::unix);
    execute!(tx, sql, id, name, certificate, key, parent, url, shards, created, retired, integrity).map(|_| ())
}

/// The authority of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &AuthorityId) -> Result<Option<StoredAuthority>, Error> {
    let sql = "SELECT id, name, certificate, key_id, parent, base_url, crl_shards, created_at, retired_at, version, \
               integrity FROM authorities WHERE id = $1";
    let row = fetch_optional!(tx, Row, sql, id.as_str())?;
    row.map(|row| entity(tx, row)).transpose()
}

/// All of them, oldest first.
///
/// # Errors
/// As [`find`].
pub async fn all(tx: &mut Tx<'_>) -> Result<Vec<StoredAuthority>, Error> {
    let sql = "SELECT id, name, certificate, key_id, parent, base_url, crl_shards, created_at, retired_at, version, \
               integrity FROM authorities ORDER BY created_at, id";
    let rows = fetch_all!(tx, Row, sql)?;
    rows.into_iter().map(|row| entity(tx, row)).collect()
}

/// Keeps the changed certificate, key, number of shards or retirement of an authority; gives it with its next version.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `authority`.
pub async fn update(tx: &mut Tx<'_>, authority: &StoredAuthority) -> Result<StoredAuthority, Error> {
    let next = StoredAuthority { version: authority.version.saturating_add(1), ..authority.clone() };
    let integrity = integrity(tx, &next)?;
    let sql = "UPDATE authorities SET name = $1, certificate = $2, key_id = $3, parent = $4, base_url = $5, \
               crl_shards = $6, created_at = $7, retired_at = $8, version = $9, integrity = $10 \
               WHERE id = $11 AND version = $12";
    let (name, certificate, key) = (next.name.as_str(), &next.certificate[..], next.key.as_str());
    let (parent, url) = (next.parent.as_ref().map(AuthorityId::as_str), next.base_url.as_str());
    let (shards, created) = (i64::from(next.crl_shards), next.created_at.unix());
    let retired = next.retired_at.map(Timestamp::unix);
    let (id, version) = (next.id.as_str(), authority.version);
    let rows = execute!(
        tx,
        sql,
        name,
        certificate,
        key,
        parent,
        url,
        shards,
        created,
        retired,
        next.version,
        integrity,
        id,
        version
    )?;
    match rows {
        1 => Ok(next),
        _ => Err(Error::Stale { table: "authorities", row: next.id.to_string() }),
    }
}
