//! Rows of messages that must leave: written in the transaction of what they tell, sent after it.

use crate::base::clock::Timestamp;
use crate::store::sql::{execute, fetch_all};
use crate::store::{Error, Tx};

/// A message that has not left yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its name: the receiver sees it, and so notices one that came twice.
    pub id: String,
    /// What it is about.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Writes a message.
///
/// # Errors
/// [`Error::Conflict`] when the id is there already.
pub async fn push(tx: &mut Tx<'_>, message: &StoredMessage) -> Result<(), Error> {
    let sql = "INSERT INTO outbox (id, topic, payload, created_at) VALUES ($1, $2, $3, $4)";
    let StoredMessage { id, topic, payload, created_at } = message;
    execute!(tx, sql, id.as_str(), topic.as_str(), &payload[..], created_at.unix()).map(|_| ())
}

/// Messages that have not left, oldest first, at most `limit`.
///
/// # Errors
/// The database's.
pub async fn unsent(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<StoredMessage>, Error> {
    let sql =
        "SELECT id, topic, payload, created_at FROM outbox WHERE sent_at IS NULL ORDER BY created_at, id LIMIT $1";
    let rows = fetch_all!(tx, (String, String, Vec<u8>, i64), sql, limit)?;
    let entity = |(id, topic, payload, at)| StoredMessage { id, topic, payload, created_at: Timestamp::from_unix(at) };
    Ok(rows.into_iter().map(entity).collect())
}

/// Forgets messages of that topic that were written before that moment, whether they have left or not; gives how many.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, topic: &str, before: Timestamp) -> Result<u64, Error> {
    execute!(tx, "DELETE FROM outbox WHERE topic = $1 AND created_at < $2", topic, before.unix())
}

/// Notes that a message has left.
///
/// # Errors
/// [`Error::Stale`] when it had left before, or is not there.
pub async fn mark_sent(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE outbox SET sent_at = $1 WHERE id = $2 AND sent_at IS NULL";
    match execute!(tx, sql, now.unix(), id)? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "outbox", row: id.to_owned() }),
    }
}
