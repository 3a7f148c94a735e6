//! Rows of OCSP responders: which key and certificate sign an authority's answers. Each carries an integrity value.

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, KeyId};
use crate::crypto::digest;
use crate::store::sql::{execute, fetch_all};
use crate::store::{Error, Tx};

const TABLE: &str = "responders";

/// Who signs the OCSP answers of an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponder {
    /// The authority.
    pub authority: AuthorityId,
    /// SM3 of the responder's certificate in DER: the row of `certificates`.
    pub certificate: [u8; 32],
    /// Its key.
    pub key: KeyId,
    /// Start of its certificate's validity.
    pub not_before: Timestamp,
    /// End of its certificate's validity.
    pub not_after: Timestamp,
    /// Since when it answers.
    pub created_at: Timestamp,
}

type Row = (Vec<u8>, String, i64, i64, i64, Vec<u8>);

/// The name and the content that the integrity value covers.
fn covered<T>(responder: &StoredResponder, judge: impl FnOnce(&str, &[&[u8]]) -> T) -> T {
    let times = [responder.not_before, responder.not_after, responder.created_at];
    let [from, to, since] = times.map(|moment| moment.unix().to_be_bytes());
    let (authority, key) = (responder.authority.as_str().as_bytes(), responder.key.as_str().as_bytes());
    judge(&digest::hex(&responder.certificate), &[authority, key, &from, &to, &since])
}

/// Keeps a responder; it signs from now on.
///
/// # Errors
/// [`Error::Conflict`] when it is there already, or its authority, certificate or key is not.
pub async fn insert(tx: &mut Tx<'_>, responder: &StoredResponder) -> Result<(), Error> {
    let integrity = covered(responder, |id, content| tx.integrity.over(TABLE, id, 1, content))?;
    let sql = "INSERT INTO responders (certificate, authority, key_id, not_before, not_after, created_at, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (certificate, authority, key) =
        (&responder.certificate[..], responder.authority.as_str(), responder.key.as_str());
    let (from, to, since) = (responder.not_before.unix(), responder.not_after.unix(), responder.created_at.unix());
    execute!(tx, sql, certificate, authority, key, from, to, since, integrity).map(|_| ())
}

/// The newest responder of an authority. Of those made in one second it is the one that was issued last.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn newest(tx: &mut Tx<'_>, authority: &AuthorityId) -> Result<Option<StoredResponder>, Error> {
    Ok(select(tx, authority, 1).await?.into_iter().next())
}

/// All responders of an authority, newest first; those that are forgotten are few at any time.
///
/// # Errors
/// As [`newest`].
pub async fn of_authority(tx: &mut Tx<'_>, authority: &AuthorityId) -> Result<Vec<StoredResponder>, Error> {
    select(tx, authority, MOST).await
}

/// Responders of one authority that are looked at together.
const MOST: i64 = 100;

async fn select(tx: &mut Tx<'_>, authority: &AuthorityId, limit: i64) -> Result<Vec<StoredResponder>, Error> {
    let sql = "SELECT certificate, key_id, not_before, not_after, created_at, integrity FROM responders \
               WHERE authority = $1 ORDER BY created_at DESC, \
               COALESCE((SELECT number FROM issued_certificates WHERE sm3 = responders.certificate), 0) DESC, \
               certificate LIMIT $2";
    let rows = fetch_all!(tx, Row, sql, authority.as_str(), limit)?;
    let entity = |(certificate, key, not_before, not_after, created_at, integrity): Row| {
        let wrong = || Error::Inconsistent { table: TABLE, row: digest::hex(&certificate) };
        let responder = StoredResponder {
            authority: authority.clone(),
            certificate: certificate.as_slice().try_into().map_err(|_| wrong())?,
            key: KeyId::parse(&key).map_err(|_| wrong())?,
            not_before: Timestamp::from_unix(not_before),
            not_after: Timestamp::from_unix(not_after),
            created_at: Timestamp::from_unix(created_at),
        };
        covered(&responder, |id, content| tx.integrity.check(TABLE, id, 1, content, &integrity))?;
        Ok(responder)
    };
    rows.into_iter().map(entity).collect()
}

/// Forgets a responder. Its certificate stays among the issued ones.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, certificate: &[u8; 32]) -> Result<u64, Error> {
    execute!(tx, "DELETE FROM responders WHERE certificate = $1", &certificate[..])
}
