//! Rows of signings: intended, then signed or abandoned.
//!
//! The order: one transaction keeps the intent; the key is used and its signature checked; a second one keeps the
//! result; only then the answer leaves. A crash before the second leaves an open intent, which the next start abandons.

use crate::base::clock::Timestamp;
use crate::base::id::{SealId, SignatureId};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// Where a signing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningState {
    /// Intended; the key may have been used, nothing was released.
    Signing,
    /// Done; the result may be released.
    Signed {
        /// SM3 of the document as it left.
        result_sm3: [u8; 32],
        /// When.
        finished_at: Timestamp,
    },
    /// Came to nothing.
    Abandoned {
        /// When this was found.
        finished_at: Timestamp,
    },
}

/// One act of signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSignature {
    /// Its name.
    pub id: SignatureId,
    /// The seal used.
    pub seal: SealId,
    /// SM3 of the document as it came.
    pub document_sm3: [u8; 32],
    /// When it was intended.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: SigningState,
}

type Row = (String, String, String, Vec<u8>, Option<Vec<u8>>, i64, Option<i64>);

fn entity(row: Row) -> Result<StoredSignature, Error> {
    let (id, seal, state, document, result, created_at, finished_at) = row;
    let facts = || {
        let finished_at = finished_at.map(Timestamp::from_unix);
        let state = match (state.as_str(), result, finished_at) {
            ("signing", None, None) => SigningState::Signing,
            ("signed", Some(result), Some(finished_at)) => {
                SigningState::Signed { result_sm3: result.try_into().ok()?, finished_at }
            }
            ("abandoned", None, Some(finished_at)) => SigningState::Abandoned { finished_at },
            _ => return None,
        };
        let (id, seal) = (SignatureId::parse(&id).ok()?, SealId::parse(&seal).ok()?);
        let created_at = Timestamp::from_unix(created_at);
        Some(StoredSignature { id, seal, document_sm3: document.try_into().ok()?, created_at, state })
    };
    facts().ok_or(Error::Inconsistent { table: "signatures", row: id })
}

/// Keeps the intent to sign.
///
/// # Errors
/// [`Error::Conflict`] when the id is there already, or the seal is not.
pub async fn record_intent(
    tx: &mut Tx<'_>,
    id: &SignatureId,
    seal: &SealId,
    document_sm3: &[u8; 32],
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "INSERT INTO signatures (id, seal, state, document_sm3, created_at) VALUES ($1, $2, 'signing', $3, $4)";
    execute!(tx, sql, id.as_str(), seal.as_str(), &document_sm3[..], now.unix()).map(|_| ())
}

/// Keeps the result of a signing that is open.
///
/// # Errors
/// [`Error::Stale`] when it is not open: nothing may be released then.
pub async fn complete(tx: &mut Tx<'_>, id: &SignatureId, result_sm3: &[u8; 32], now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE signatures SET state = 'signed', result_sm3 = $1, finished_at = $2 \
               WHERE id = $3 AND state = 'signing'";
    match execute!(tx, sql, &result_sm3[..], now.unix(), id.as_str())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "signatures", row: id.to_string() }),
    }
}

/// Closes an open signing that came to nothing.
///
/// # Errors
/// [`Error::Stale`] when it is not open.
pub async fn abandon(tx: &mut Tx<'_>, id: &SignatureId, now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE signatures SET state = 'abandoned', finished_at = $1 WHERE id = $2 AND state = 'signing'";
    match execute!(tx, sql, now.unix(), id.as_str())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "signatures", row: id.to_string() }),
    }
}

/// Closes every open signing, for a start after a crash, but for those that wait for a client's value; gives their names.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn abandon_open(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<SignatureId>, Error> {
    let sql = "UPDATE signatures SET state = 'abandoned', finished_at = $1 WHERE state = 'signing' AND NOT EXISTS \
               (SELECT 1 FROM prepared_signings WHERE signature = signatures.id AND ended_at IS NULL) RETURNING id";
    let mut rows = fetch_all!(tx, (String,), sql, now.unix())?;
    rows.sort_unstable();
    let named =
        |(id,): (String,)| SignatureId::parse(&id).map_err(|_| Error::Inconsistent { table: "signatures", row: id });
    rows.into_iter().map(named).collect()
}

/// The act of signing of that name.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn find(tx: &mut Tx<'_>, id: &SignatureId) -> Result<Option<StoredSignature>, Error> {
    let sql = "SELECT id, seal, state, document_sm3, result_sm3, created_at, finished_at FROM signatures WHERE id = $1";
    fetch_optional!(tx, Row, sql, id.as_str())?.map(entity).transpose()
}
