//! Rows of persons' signings: intended, then signed or abandoned, as those of seals.
//!
//! What a crash means: an intent without its result is abandoned at the next start; the key of the act was in memory alone, and
//! its certificate is kept with the result or not at all.

use crate::base::clock::Timestamp;
use crate::base::id::SignatureId;
use crate::domain::seal::person::AssuranceLevel;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// Where such a signing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonSigningState {
    /// Intended; nothing was released.
    Signing,
    /// Done; the result may be released.
    Signed {
        /// SM3 of the certificate of the act.
        certificate_sm3: [u8; 32],
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

/// One act of signing by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPersonSigning {
    /// Its name.
    pub id: SignatureId,
    /// SM3 of the document as it came.
    pub document_sm3: [u8; 32],
    /// How surely the person was identified.
    pub level: AssuranceLevel,
    /// When it was intended.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: PersonSigningState,
}

type Row = (String, String, Vec<u8>, i64, Option<Vec<u8>>, Option<Vec<u8>>, i64, Option<i64>);

fn entity(row: Row) -> Result<StoredPersonSigning, Error> {
    let (id, state, document, level, certificate, result, created_at, finished_at) = row;
    let facts = || {
        let finished_at = finished_at.map(Timestamp::from_unix);
        let state = match (state.as_str(), certificate, result, finished_at) {
            ("signing", None, None, None) => PersonSigningState::Signing,
            ("signed", Some(certificate), Some(result), Some(finished_at)) => {
                let (certificate_sm3, result_sm3) = (certificate.try_into().ok()?, result.try_into().ok()?);
                PersonSigningState::Signed { certificate_sm3, result_sm3, finished_at }
            }
            ("abandoned", None, None, Some(finished_at)) => PersonSigningState::Abandoned { finished_at },
            _ => return None,
        };
        let level = AssuranceLevel::new(u8::try_from(level).ok()?)?;
        let (id, created_at) = (SignatureId::parse(&id).ok()?, Timestamp::from_unix(created_at));
        Some(StoredPersonSigning { id, document_sm3: document.try_into().ok()?, level, created_at, state })
    };
    facts().ok_or(Error::Inconsistent { table: "person_signings", row: id })
}

/// Keeps the intent to sign.
///
/// # Errors
/// [`Error::Conflict`] when the id is there already.
pub async fn record_intent(
    tx: &mut Tx<'_>,
    id: &SignatureId,
    (document_sm3, level): (&[u8; 32], AssuranceLevel),
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "INSERT INTO person_signings (id, state, document_sm3, level, created_at) \
               VALUES ($1, 'signing', $2, $3, $4)";
    execute!(tx, sql, id.as_str(), &document_sm3[..], i64::from(level.number()), now.unix()).map(|_| ())
}

/// Keeps the result of a signing that is open.
///
/// # Errors
/// [`Error::Stale`] when it is not open: nothing may be released then.
pub async fn complete(
    tx: &mut Tx<'_>,
    id: &SignatureId,
    (certificate_sm3, result_sm3): (&[u8; 32], &[u8; 32]),
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "UPDATE person_signings SET state = 'signed', certificate_sm3 = $1, result_sm3 = $2, finished_at = $3 \
               WHERE id = $4 AND state = 'signing'";
    match execute!(tx, sql, &certificate_sm3[..], &result_sm3[..], now.unix(), id.as_str())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "person_signings", row: id.to_string() }),
    }
}

/// Closes an open signing that came to nothing.
///
/// # Errors
/// [`Error::Stale`] when it is not open.
pub async fn abandon(tx: &mut Tx<'_>, id: &SignatureId, now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE person_signings SET state = 'abandoned', finished_at = $1 WHERE id = $2 AND state = 'signing'";
    match execute!(tx, sql, now.unix(), id.as_str())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: "person_signings", row: id.to_string() }),
    }
}

/// Closes every open signing, for a start after a crash; gives their names.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn abandon_open(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<SignatureId>, Error> {
    let sql = "UPDATE person_signings SET state = 'abandoned', finished_at = $1 WHERE state = 'signing' RETURNING id";
    let mut rows = fetch_all!(tx, (String,), sql, now.unix())?;
    rows.sort_unstable();
    let named = |(id,): (String,)| {
        SignatureId::parse(&id).map_err(|_| Error::Inconsistent { table: "person_signings", row: id })
    };
    rows.into_iter().map(named).collect()
}

/// The act of signing of that name.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn find(tx: &mut Tx<'_>, id: &SignatureId) -> Result<Option<StoredPersonSigning>, Error> {
    let sql = "SELECT id, state, document_sm3, level, certificate_sm3, result_sm3, created_at, finished_at \
               FROM person_signings WHERE id = $1";
    fetch_optional!(tx, Row, sql, id.as_str())?.map(entity).transpose()
}
