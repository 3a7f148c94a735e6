//! Rows of messages that are signed for callers: intended, then signed or abandoned, as those of seals.
//!
//! What a crash means: an intent without its result is abandoned at the next start; its message was never released.

use crate::base::clock::Timestamp;
use crate::base::id::{KeyId, SignatureId};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// Where such a signing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageSigningState {
    /// Intended; nothing was released.
    Signing,
    /// Done; the message may be released.
    Signed {
        /// SM3 of the message as it left.
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

/// One act of signing a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessageSigning {
    /// Its name.
    pub id: SignatureId,
    /// The key.
    pub key: KeyId,
    /// The form, by its name.
    pub form: String,
    /// When it was intended.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: MessageSigningState,
}

type Row = (String, String, String, String, Option<Vec<u8>>, i64, Option<i64>);

fn entity(row: Row) -> Result<StoredMessageSigning, Error> {
    let (id, state, key, form, result, created_at, finished_at) = row;
    let facts = || {
        let finished_at = finished_at.map(Timestamp::from_unix);
        let state = match (state.as_str(), result, finished_at) {
            ("signing", None, None) => MessageSigningState::Signing,
            ("signed", Some(result), Some(finished_at)) => {
                MessageSigningState::Signed { result_sm3: result.try_into().ok()?, finished_at }
            }
            ("abandoned", None, Some(finished_at)) => MessageSigningState::Abandoned { finished_at },
            _ => return None,
        };
        let (id, key) = (SignatureId::parse(&id).ok()?, KeyId::parse(&key).ok()?);
        Some(StoredMessageSigning { id, key, form, created_at: Timestamp::from_unix(created_at), state })
    };
    facts().ok_or(Error::Inconsistent { table: "message_signings", row: id })
}

/// Keeps the intent to sign.
///
/// # Errors
/// [`Error::Conflict`] when the id is there already.
pub async fn record_intent(
    tx: &mut Tx<'_>,
    id: &SignatureId,
    (key, form): (&KeyId, &str),
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "INSERT INTO message_signings (id, state, key_id, form, created_at) VALUES ($1, 'signing', $2, $3, $4)";
    execute!(tx, sql, id.as_str(), key.as_str(), form, now.unix()).map(|_| ())
}

/// Keeps the result of a signing that is open.
///
/// # Errors
/// [`Error::Stale`] when it is not open: nothing may be released then.
pub async fn complete(tx: &mut Tx<'_>, id: &SignatureId, result_sm3: &[u8; 32], now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE message_signings SET state = 'signed', result_sm3 = $1, finished_at = $2 \
               WHERE id = $3 AND state = 'signing'";
    match execute!(tx, sql, &result_sm3[..], now.unix(), id.as_str())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "message_signings", row: id.to_string() }),
    }
}

/// Closes an open signing that came to nothing.
///
/// # Errors
/// [`Error::Stale`] when it is not open.
pub async fn abandon(tx: &mut Tx<'_>, id: &SignatureId, now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE message_signings SET state = 'abandoned', finished_at = $1 WHERE id = $2 AND state = 'signing'";
    match execute!(tx, sql, now.unix(), id.as_str())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "message_signings", row: id.to_string() }),
    }
}

/// Closes every open signing, for a start after a crash; gives their names.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn abandon_open(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<SignatureId>, Error> {
    let sql = "UPDATE message_signings SET state = 'abandoned', finished_at = $1 WHERE state = 'signing' RETURNING id";
    let mut rows = fetch_all!(tx, (String,), sql, now.unix())?;
    rows.sort_unstable();
    let named = |(id,): (String,)| {
        SignatureId::parse(&id).map_err(|_| Error::Inconsistent { table: "message_signings", row: id })
    };
    rows.into_iter().map(named).collect()
}

/// The act of signing of that name.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn find(tx: &mut Tx<'_>, id: &SignatureId) -> Result<Option<StoredMessageSigning>, Error> {
    let sql = "SELECT id, state, key_id, form, result_sm3, created_at, finished_at \
               FROM message_signings WHERE id = $1";
    fetch_optional!(tx, Row, sql, id.as_str())?.map(entity).transpose()
}
