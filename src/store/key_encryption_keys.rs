//! Rows of key-encryption keys, wrapped before they come here, each with an integrity value.

use crate::base::clock::Timestamp;
use crate::base::id::EncryptionKeyId;
use crate::domain::key::{EncryptionKeyState, KeySourceKind, SealingAlgorithm};
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// A key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEncryptionKey {
    /// Its name.
    pub id: EncryptionKeyId,
    /// Where the key comes from that wraps it.
    pub source: KeySourceKind,
    /// Under which cipher it is wrapped; where a device wraps it, which cipher private keys are sealed under.
    pub sealing: SealingAlgorithm,
    /// Its wrapped form; empty once it is destroyed.
    pub wrapped: Vec<u8>,
    /// How many private keys were sealed under it.
    pub sealings: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was destroyed, if it was.
    pub destroyed_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
}

impl StoredEncryptionKey {
    /// Whether it still seals.
    #[must_use]
    pub const fn state(&self) -> EncryptionKeyState {
        if self.destroyed_at.is_none() { EncryptionKeyState::Active } else { EncryptionKeyState::Destroyed }
    }
}

type Row = (String, String, String, Vec<u8>, i64, String, i64, Option<i64>, i64, Vec<u8>);

/// A row that was read before its integrity key could be had, since that key is wrapped in it.
#[derive(Debug, Clone)]
pub struct Unchecked(StoredEncryptionKey);

impl Unchecked {
    /// What the row says. The wrapping's own tag must vouch for it.
    #[must_use]
    pub const fn claimed(&self) -> &StoredEncryptionKey {
        &self.0
    }
}

fn parse(row: &Row) -> Result<StoredEncryptionKey, Error> {
    let (id, source, sealing, wrapped, sealings, state, created_at, destroyed_at, version, _) = row;
    let wrong = || Error::Inconsistent { table: "key_encryption_keys", row: id.clone() };
    let key = StoredEncryptionKey {
        id: EncryptionKeyId::parse(id).map_err(|_| wrong())?,
        source: KeySourceKind::from_name(source).ok_or_else(wrong)?,
        sealing: SealingAlgorithm::from_name(sealing).ok_or_else(wrong)?,
        wrapped: wrapped.clone(),
        sealings: *sealings,
        created_at: Timestamp::from_unix(*created_at),
        destroyed_at: destroyed_at.map(Timestamp::from_unix),
        version: *version,
    };
    let gone = key.state() == EncryptionKeyState::Destroyed;
    if key.state().name() == state && gone == key.wrapped.is_empty() { Ok(key) } else { Err(wrong()) }
}

fn content(key: &StoredEncryptionKey) -> [Vec<u8>; 6] {
    let destroyed = key.destroyed_at.map(|moment| moment.unix().to_be_bytes());
    [
        key.source.name().as_bytes().to_vec(),
        key.sealing.name().as_bytes().to_vec(),
        key.wrapped.clone(),
        key.sealings.to_be_bytes().to_vec(),
        key.created_at.unix().to_be_bytes().to_vec(),
        optional(destroyed.as_ref().map(|octets| &octets[..])),
    ]
}

fn integrity(tx: &Tx<'_>, key: &StoredEncryptionKey) -> Result<Vec<u8>, Error> {
    let content = content(key);
    let parts = content.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.over("key_encryption_keys", key.id.as_str(), key.version, &parts)
}

fn entity(tx: &Tx<'_>, row: &Row) -> Result<StoredEncryptionKey, Error> {
    let key = parse(row)?;
    let content = content(&key);
    let parts = content.iter().map(Vec::as_slice).collect::<Vec<_>>();
    tx.integrity.check("key_encryption_keys", key.id.as_str(), key.version, &parts, &row.9)?;
    Ok(key)
}

const ACTIVE: &str = "SELECT id, source, sealing, wrapped, sealings, state, created_at, destroyed_at, version, integrity \
                      FROM key_encryption_keys WHERE state = 'active'";

/// The one that seals now, before its row can be checked; none in a new database and in one of migration 1.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn active_unchecked(tx: &mut Tx<'_>) -> Result<Option<Unchecked>, Error> {
    let row = fetch_optional!(tx, Row, ACTIVE)?;
    row.map(|row| parse(&row).map(Unchecked)).transpose()
}

/// The one that seals now.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn active(tx: &mut Tx<'_>) -> Result<Option<StoredEncryptionKey>, Error> {
    let row = fetch_optional!(tx, Row, ACTIVE)?;
    row.map(|row| entity(tx, &row)).transpose()
}

/// All there ever were, oldest first.
///
/// # Errors
/// As [`active`].
pub async fn list(tx: &mut Tx<'_>) -> Result<Vec<StoredEncryptionKey>, Error> {
    let sql = "SELECT id, source, sealing, wrapped, sealings, state, created_at, destroyed_at, version, integrity \
               FROM key_encryption_keys ORDER BY created_at, id";
    let rows = fetch_all!(tx, Row, sql)?;
    rows.iter().map(|row| entity(tx, row)).collect()
}

/// Keeps a new one, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when there is an active one already.
pub async fn insert(tx: &mut Tx<'_>, key: &StoredEncryptionKey) -> Result<(), Error> {
    let key = StoredEncryptionKey { version: 1, ..key.clone() };
    let integrity = integrity(tx, &key)?;
    let sql = "INSERT INTO key_encryption_keys (id, source, sealing, wrapped, sealings, state, created_at, \
               destroyed_at, version, integrity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)";
    let (source, sealing, state) = (key.source.name(), key.sealing.name(), key.state().name());
    let (created, destroyed) = (key.created_at.unix(), key.destroyed_at.map(|moment| moment.unix()));
    let (id, wrapped) = (key.id.as_str(), &key.wrapped[..]);
    execute!(tx, sql, id, source, sealing, wrapped, key.sealings, state, created, destroyed, integrity).map(|_| ())
}

/// Replaces the row by `next`, which bears the version that the row has now.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at that version.
pub async fn change(tx: &mut Tx<'_>, next: &StoredEncryptionKey) -> Result<StoredEncryptionKey, Error> {
    let version = next.version;
    let next = StoredEncryptionKey { version: version.saturating_add(1), ..next.clone() };
    let integrity = integrity(tx, &next)?;
    let sql = "UPDATE key_encryption_keys SET source = $1, sealing = $2, wrapped = $3, sealings = $4, state = $5, \
               destroyed_at = $6, version = $7, integrity = $8 WHERE id = $9 AND version = $10";
    let (source, sealing, state) = (next.source.name(), next.sealing.name(), next.state().name());
    let (wrapped, destroyed) = (&next.wrapped[..], next.destroyed_at.map(|moment| moment.unix()));
    let (id, new) = (next.id.as_str(), next.version);
    let done =
        execute!(tx, sql, source, sealing, wrapped, next.sealings, state, destroyed, new, integrity, id, version)?;
    match done {
        1 => Ok(next),
        _ => Err(Error::Stale { table: "key_encryption_keys", row: id.to_owned() }),
    }
}
