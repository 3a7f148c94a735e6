//! The one row that tells this installation from others: the salt of its keys and a value to check them by.

use crate::base::clock::Timestamp;
use crate::store::sql::{execute, fetch_optional};
use crate::store::{Error, Tx};

/// This installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInstallation {
    /// Salt of the key-encryption key.
    pub salt: [u8; 32],
    /// What the right key-encryption key gives; says nothing about the key.
    pub key_check: Vec<u8>,
    /// When the database was first used.
    pub created_at: Timestamp,
}

/// The row, once there is one.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn find(tx: &mut Tx<'_>) -> Result<Option<StoredInstallation>, Error> {
    let sql = "SELECT salt, key_check, created_at FROM installation WHERE single = 1";
    let row = fetch_optional!(tx, (Vec<u8>, Vec<u8>, i64), sql)?;
    let entity = |(salt, key_check, created_at): (Vec<u8>, Vec<u8>, i64)| {
        let salt = salt.try_into().map_err(|_| Error::Inconsistent { table: "installation", row: "1".into() })?;
        Ok(StoredInstallation { salt, key_check, created_at: Timestamp::from_unix(created_at) })
    };
    row.map(entity).transpose()
}

/// Keeps the row, once.
///
/// # Errors
/// [`Error::Conflict`] when there is one already.
pub async fn insert(tx: &mut Tx<'_>, installation: &StoredInstallation) -> Result<(), Error> {
    let sql = "INSERT INTO installation (single, salt, key_check, created_at) VALUES (1, $1, $2, $3)";
    let StoredInstallation { salt, key_check, created_at } = installation;
    execute!(tx, sql, &salt[..], &key_check[..], created_at.unix()).map(|_| ())
}

/// Gives the installation another value to check its keys by: once, when a database of migration 1 is taken over.
///
/// # Errors
/// [`Error::Stale`] when there is no such row.
pub async fn change_key_check(tx: &mut Tx<'_>, key_check: &[u8]) -> Result<(), Error> {
    match execute!(tx, "UPDATE installation SET key_check = $1 WHERE single = 1", key_check)? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "installation", row: "1".into() }),
    }
}
