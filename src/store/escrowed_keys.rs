//! Rows of encryption keys that are kept for their owners: which key belongs to which pair of certificates. They give
//! authority, so each carries an integrity value. The private keys are rows of `keys`.

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "escrowed_keys";

/// A key that is kept for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscrowedKey {
    /// The row of `keys`.
    pub key: KeyId,
    /// SM3 of the encryption certificate.
    pub certificate: [u8; 32],
    /// SM3 of the signing certificate of the pair.
    pub signing_certificate: [u8; 32],
    /// SM3 of the owner's signing key, as SubjectPublicKeyInfo.
    pub owner_key_sm3: [u8; 32],
    /// SM3 of the public key that the envelope is for.
    pub recipient_sm3: [u8; 32],
    /// As it went to its owner; empty when the key was destroyed.
    pub envelope: Vec<u8>,
    /// End of the encryption certificate.
    pub ends_at: Timestamp,
    /// Since when it is kept.
    pub created_at: Timestamp,
    /// When it was destroyed.
    pub destroyed_at: Option<Timestamp>,
    /// Counts its changes, from 1.
    pub version: i64,
}

type Row = (String, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, i64, i64, Option<i64>, i64, Vec<u8>);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT key_id, certificate, signing_certificate, owner_key_sm3, recipient_sm3, envelope, ends_at, ",
            "created_at, destroyed_at, version, integrity FROM escrowed_keys ",
            $rest
        )
    };
}

/// The content that the integrity value covers.
fn covered<T>(key: &EscrowedKey, judge: impl FnOnce(&[&[u8]]) -> T) -> T {
    let [ends, created] = [key.ends_at, key.created_at].map(|moment| moment.unix().to_be_bytes());
    let destroyed = optional(key.destroyed_at.map(|at| at.unix().to_be_bytes()).as_ref().map(|octets| &octets[..]));
    let EscrowedKey { certificate, signing_certificate, owner_key_sm3, recipient_sm3, envelope, .. } = key;
    judge(&[certificate, signing_certificate, owner_key_sm3, recipient_sm3, envelope, &ends, &created, &destroyed])
}

fn entity(tx: &Tx<'_>, row: Row) -> Result<EscrowedKey, Error> {
    let (id, certificate, signing, owner, recipient, envelope, ends_at, created_at, destroyed_at, version, found) = row;
    let wrong = || Error::Inconsistent { table: TABLE, row: id.clone() };
    let digest = |octets: Vec<u8>| <[u8; 32]>::try_from(octets).map_err(|_| wrong());
    let key = EscrowedKey {
        key: KeyId::parse(&id).map_err(|_| wrong())?,
        certificate: digest(certificate)?,
        signing_certificate: digest(signing)?,
        owner_key_sm3: digest(owner)?,
        recipient_sm3: digest(recipient)?,
        envelope,
        ends_at: Timestamp::from_unix(ends_at),
        created_at: Timestamp::from_unix(created_at),
        destroyed_at: destroyed_at.map(Timestamp::from_unix),
        version,
    };
    covered(&key, |content| tx.integrity.check(TABLE, &id, version, content, &found))?;
    Ok(key)
}

/// Keeps a new one, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when it is there already, or its key is not.
pub async fn insert(tx: &mut Tx<'_>, key: &EscrowedKey) -> Result<(), Error> {
    let id = key.key.as_str();
    let integrity = covered(key, |content| tx.integrity.over(TABLE, id, 1, content))?;
    let sql = "INSERT INTO escrowed_keys (key_id, certificate, signing_certificate, owner_key_sm3, recipient_sm3, \
               envelope, ends_at, created_at, destroyed_at, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10)";
    let (certificate, signing) = (&key.certificate[..], &key.signing_certificate[..]);
    let (owner, recipient, envelope) = (&key.owner_key_sm3[..], &key.recipient_sm3[..], &key.envelope[..]);
    let (ends, created) = (key.ends_at.unix(), key.created_at.unix());
    let destroyed = key.destroyed_at.map(Timestamp::unix);
    execute!(tx, sql, id, certificate, signing, owner, recipient, envelope, ends, created, destroyed, integrity)
        .map(|_| ())
}

/// The one whose encryption certificate, or else signing certificate, has that SM3; of several the newest.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find_by_certificate(tx: &mut Tx<'_>, sm3: &[u8; 32]) -> Result<Option<EscrowedKey>, Error> {
    let sql = select!(
        "WHERE certificate = $1 OR signing_certificate = $1 \
         ORDER BY CASE WHEN certificate = $1 THEN 0 ELSE 1 END, created_at DESC, key_id LIMIT 1"
    );
    fetch_optional!(tx, Row, sql, &sm3[..])?.map(|row| entity(tx, row)).transpose()
}

/// Those that are not destroyed and ended before that moment, oldest end first, at most `limit`. One whose recovery is
/// ordered waits until the order has ended or its time is over; one that is suspended waits until it is resumed.
///
/// # Errors
/// As [`find_by_certificate`].
pub async fn ended(
    tx: &mut Tx<'_>,
    (before, now): (Timestamp, Timestamp),
    limit: i64,
) -> Result<Vec<EscrowedKey>, Error> {
    let sql = select!(
        "WHERE destroyed_at IS NULL AND ends_at < $1 AND NOT EXISTS \
         (SELECT 1 FROM key_recoveries AS waiting WHERE waiting.key_id = escrowed_keys.key_id \
         AND waiting.outcome IS NULL AND waiting.expires_at >= $2) AND NOT EXISTS \
         (SELECT 1 FROM keys AS held WHERE held.id = escrowed_keys.key_id AND held.state = 'suspended') \
         ORDER BY ends_at, key_id LIMIT $3"
    );
    fetch_all!(tx, Row, sql, before.unix(), now.unix(), limit)?.into_iter().map(|row| entity(tx, row)).collect()
}

/// The key is gone, and its envelope with it.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `key`.
pub async fn destroyed(tx: &mut Tx<'_>, key: &EscrowedKey, at: Timestamp) -> Result<EscrowedKey, Error> {
    let version = key.version.saturating_add(1);
    let next = EscrowedKey { envelope: Vec::new(), destroyed_at: Some(at), version, ..key.clone() };
    let id = key.key.as_str();
    let integrity = covered(&next, |content| tx.integrity.over(TABLE, id, version, content))?;
    let sql = "UPDATE escrowed_keys SET envelope = $1, destroyed_at = $2, version = $3, integrity = $4 \
               WHERE key_id = $5 AND version = $6";
    match execute!(tx, sql, &next.envelope[..], at.unix(), version, integrity, id, key.version)? {
        1 => Ok(next),
        _ => Err(Error::Stale { table: TABLE, row: id.to_owned() }),
    }
}
