//! Rows of certificates: those we issued and those we were given for our keys.

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCertificate {
    /// SM3 of the whole certificate in DER: its name here.
    pub sm3: [u8; 32],
    /// Content octets of the serial number.
    pub serial: Vec<u8>,
    /// The subject's name in DER.
    pub subject: Vec<u8>,
    /// The issuer's name in DER.
    pub issuer: Vec<u8>,
    /// The key it certifies, when it is ours.
    pub key: Option<KeyId>,
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// What it is to us, such as `root`, `seal-maker`, `signer`, `server`.
    pub role: String,
    /// When we issued or took it.
    pub issued_at: Timestamp,
}

type Row = (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Option<String>, Vec<u8>, String, i64);

fn entity(row: Row) -> Result<StoredCertificate, Error> {
    let (sm3, serial, subject, issuer, key, der, role, issued_at) = row;
    let name = sm3.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let wrong = || Error::Inconsistent { table: "certificates", row: name.clone() };
    let sm3 = sm3.try_into().map_err(|_| wrong())?;
    let key = key.map(|key| KeyId::parse(&key)).transpose().map_err(|_| wrong())?;
    let issued_at = Timestamp::from_unix(issued_at);
    Ok(StoredCertificate { sm3, serial, subject, issuer, key, der, role, issued_at })
}

/// Keeps a certificate.
///
/// # Errors
/// [`Error::Conflict`] when it, or another of this issuer and serial number, is there already.
pub async fn insert(tx: &mut Tx<'_>, certificate: &StoredCertificate) -> Result<(), Error> {
    let sql = "INSERT INTO certificates (sm3, serial, subject, issuer, key_id, der, role, issued_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let StoredCertificate { sm3, serial, subject, issuer, key, der, role, issued_at } = certificate;
    let key = key.as_ref().map(KeyId::as_str);
    let (serial, subject, issuer, der) = (&serial[..], &subject[..], &issuer[..], &der[..]);
    execute!(tx, sql, &sm3[..], serial, subject, issuer, key, der, role.as_str(), issued_at.unix()).map(|_| ())
}

/// The certificate with that SM3.
///
/// # Errors
/// The database's, or a row that is not as we write it.
pub async fn find(tx: &mut Tx<'_>, sm3: &[u8; 32]) -> Result<Option<StoredCertificate>, Error> {
    let sql = "SELECT sm3, serial, subject, issuer, key_id, der, role, issued_at FROM certificates WHERE sm3 = $1";
    fetch_optional!(tx, Row, sql, &sm3[..])?.map(entity).transpose()
}

/// All certificates of that key, newest first.
///
/// # Errors
/// As [`find`].
pub async fn of_key(tx: &mut Tx<'_>, key: &KeyId) -> Result<Vec<StoredCertificate>, Error> {
    let sql = "SELECT sm3, serial, subject, issuer, key_id, der, role, issued_at FROM certificates \
               WHERE key_id = $1 ORDER BY issued_at DESC, sm3";
    fetch_all!(tx, Row, sql, key.as_str())?.into_iter().map(entity).collect()
}

/// All certificates in that role, newest first: of those of one second the one that was issued last, where an authority of
/// ours issued them.
///
/// # Errors
/// As [`find`].
pub async fn in_role(tx: &mut Tx<'_>, role: &str) -> Result<Vec<StoredCertificate>, Error> {
    let sql = "SELECT sm3, serial, subject, issuer, key_id, der, role, issued_at FROM certificates \
               WHERE role = $1 ORDER BY issued_at DESC, \
               COALESCE((SELECT number FROM issued_certificates WHERE sm3 = certificates.sm3), 0) DESC, sm3";
    fetch_all!(tx, Row, sql, role)?.into_iter().map(entity).collect()
}

/// All certificates of that subject (its name in DER), newest first.
///
/// # Errors
/// As [`find`].
pub async fn of_subject(tx: &mut Tx<'_>, subject: &[u8]) -> Result<Vec<StoredCertificate>, Error> {
    let sql = "SELECT sm3, serial, subject, issuer, key_id, der, role, issued_at FROM certificates \
               WHERE subject = $1 ORDER BY issued_at DESC, sm3";
    fetch_all!(tx, Row, sql, subject)?.into_iter().map(entity).collect()
}
