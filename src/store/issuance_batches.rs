//! Rows of intents to issue: written before an authority's key is used, closed with what came of them.
//!
//! A crash between intent and result leaves an open row. The next start abandons it: whatever was signed then never left.

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, BatchId};
use crate::store::sql::{execute, fetch_all};
use crate::store::{Error, Tx};

/// One certificate of a batch: its serial number and SM3 of its `tbsCertificate`.
pub type Item = ([u8; 16], [u8; 32]);

/// Items as the column and the audit events hold them.
#[must_use]
pub fn encode_items(items: &[Item]) -> Vec<u8> {
    items.iter().flat_map(|(serial, sm3)| serial.iter().chain(sm3).copied()).collect()
}

/// What [`encode_items`] wrote; nothing for octets of another length.
#[must_use]
pub fn decode_items(octets: &[u8]) -> Option<Vec<Item>> {
    let (items, rest) = octets.as_chunks::<48>();
    let item = |item: &[u8; 48]| Some((item.first_chunk().copied()?, item.last_chunk().copied()?));
    items.iter().map(item).collect::<Option<Vec<_>>>().filter(|_| rest.is_empty())
}

/// An open batch that a start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenBatch {
    /// Its name.
    pub id: BatchId,
    /// Who meant to issue.
    pub authority: AuthorityId,
    /// What was to be signed.
    pub items: Vec<Item>,
}

/// Keeps the intent.
///
/// # Errors
/// [`Error::Conflict`] when the batch is there already, or the authority is not.
pub async fn record_intent(
    tx: &mut Tx<'_>,
    id: &BatchId,
    authority: &AuthorityId,
    items: &[Item],
    now: Timestamp,
) -> Result<(), Error> {
    let sql =
        "INSERT INTO issuance_batches (id, authority, items, state, created_at) VALUES ($1, $2, $3, 'issuing', $4)";
    execute!(tx, sql, id.as_str(), authority.as_str(), encode_items(items), now.unix()).map(|_| ())
}

/// Closes a batch whose certificates are kept in the same transaction.
///
/// # Errors
/// [`Error::Stale`] when it is not open: nothing may be released then.
pub async fn complete(tx: &mut Tx<'_>, id: &BatchId, now: Timestamp) -> Result<(), Error> {
    close(tx, id, "issued", now).await
}

/// Closes a batch of which nothing is released.
///
/// # Errors
/// [`Error::Stale`] when it is not open.
pub async fn abandon(tx: &mut Tx<'_>, id: &BatchId, now: Timestamp) -> Result<(), Error> {
    close(tx, id, "abandoned", now).await
}

async fn close(tx: &mut Tx<'_>, id: &BatchId, state: &'static str, now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE issuance_batches SET state = $1, finished_at = $2 WHERE id = $3 AND state = 'issuing'";
    match execute!(tx, sql, state, now.unix(), id.as_str())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "issuance_batches", row: id.to_string() }),
    }
}

/// Closes every open batch, for a start after a crash; gives them, oldest first.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn abandon_open(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<OpenBatch>, Error> {
    let sql = "UPDATE issuance_batches SET state = 'abandoned', finished_at = $1 WHERE state = 'issuing' \
               RETURNING id, authority, items";
    let mut rows = fetch_all!(tx, (String, String, Vec<u8>), sql, now.unix())?;
    rows.sort_unstable();
    let batch = |(id, authority, items): (String, String, Vec<u8>)| {
        let read = || {
            let authority = AuthorityId::parse(&authority).ok()?;
            Some(OpenBatch { id: BatchId::parse(&id).ok()?, authority, items: decode_items(&items)? })
        };
        read().ok_or_else(|| Error::Inconsistent { table: "issuance_batches", row: id.clone() })
    };
    rows.into_iter().map(batch).collect()
}

/// Forgets closed batches that ended before that moment: the audit log keeps what they were. Gives how many.
///
/// # Errors
/// The database's.
pub async fn forget_closed(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, Error> {
    execute!(tx, "DELETE FROM issuance_batches WHERE finished_at < $1", before.unix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_lead_back() {
        let items = [([1; 16], [2; 32]), ([3; 16], [4; 32])];
        let octets = encode_items(&items);
        assert_eq!(octets.len(), 96);
        assert_eq!(decode_items(&octets), Some(items.to_vec()));
        assert_eq!(decode_items(octets.get(1..).unwrap()), None);
    }
}
