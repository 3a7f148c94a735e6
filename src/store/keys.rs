//! Rows of key pairs. The private part is sealed before it comes here.

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::domain::key::{KeyAlgorithm, KeyPurpose, KeyState};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// A key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its name.
    pub id: KeyId,
    /// What it signs.
    pub purpose: KeyPurpose,
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// The public key, in the form that its algorithm's maker gave.
    pub public_key: Vec<u8>,
    /// The private key, sealed under the key-encryption key.
    pub sealed_private: Vec<u8>,
    /// Whether it may be used.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
}

type Row = (String, String, String, Vec<u8>, Vec<u8>, String, i64);

fn entity(row: Row) -> Result<StoredKey, Error> {
    let (id, purpose, algorithm, public_key, sealed_private, state, created_at) = row;
    let facts = || {
        let (purpose, algorithm) = (KeyPurpose::from_name(&purpose)?, KeyAlgorithm::from_name(&algorithm)?);
        Some((KeyId::parse(&id).ok()?, purpose, algorithm, KeyState::from_name(&state)?))
    };
    let Some((id, purpose, algorithm, state)) = facts() else {
        return Err(Error::Inconsistent { table: "keys", row: id });
    };
    let created_at = Timestamp::from_unix(created_at);
    Ok(StoredKey { id, purpose, algorithm, public_key, sealed_private, state, created_at })
}

/// Keeps a new key pair.
///
/// # Errors
/// [`Error::Conflict`] when the id or the public key is there already.
pub async fn insert(tx: &mut Tx<'_>, key: &StoredKey) -> Result<(), Error> {
    let sql = "INSERT INTO keys (id, purpose, algorithm, public_key, sealed_private, state, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (purpose, algorithm, state) = (key.purpose.name(), key.algorithm.name(), key.state.name());
    let (public, sealed, created) = (&key.public_key[..], &key.sealed_private[..], key.created_at.unix());
    execute!(tx, sql, key.id.as_str(), purpose, algorithm, public, sealed, state, created).map(|_| ())
}

/// The key pair of that name.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn find(tx: &mut Tx<'_>, id: &KeyId) -> Result<Option<StoredKey>, Error> {
    let sql = "SELECT id, purpose, algorithm, public_key, sealed_private, state, created_at FROM keys WHERE id = $1";
    fetch_optional!(tx, Row, sql, id.as_str())?.map(entity).transpose()
}

/// All key pairs of that purpose, oldest first.
///
/// # Errors
/// As [`find`].
pub async fn of_purpose(tx: &mut Tx<'_>, purpose: KeyPurpose) -> Result<Vec<StoredKey>, Error> {
    let sql = "SELECT id, purpose, algorithm, public_key, sealed_private, state, created_at FROM keys \
               WHERE purpose = $1 ORDER BY created_at, id";
    fetch_all!(tx, Row, sql, purpose.name())?.into_iter().map(entity).collect()
}

/// Lets a key sign no more.
///
/// # Errors
/// [`Error::Stale`] when it was not active.
pub async fn retire(tx: &mut Tx<'_>, id: &KeyId) -> Result<(), Error> {
    let sql = "UPDATE keys SET state = 'retired' WHERE id = $1 AND state = 'active'";
    match execute!(tx, sql, id.as_str())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "keys", row: id.to_string() }),
    }
}
