//! Rows of expiry alerts: which certificate was told to end within how many days.

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::crypto::digest;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "expiry_alerts";

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The certificate of an authority: whatever it issued ends with it.
    Authority,
    /// Another certificate.
    Certificate,
}

impl Ending {
    /// As in the column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Certificate => "certificate",
        }
    }
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAlert {
    /// SM3 of the certificate in DER.
    pub certificate: [u8; 32],
    /// Within so many days.
    pub days: u32,
    /// What ends.
    pub ending: Ending,
    /// The authority, or who issued the certificate.
    pub authority: AuthorityId,
    /// When it ends.
    pub not_after: Timestamp,
    /// When that was told.
    pub raised_at: Timestamp,
}

/// Keeps an alert.
///
/// # Errors
/// [`Error::Conflict`] when it was told before.
pub async fn insert(tx: &mut Tx<'_>, alert: &StoredAlert) -> Result<(), Error> {
    let sql = "INSERT INTO expiry_alerts (certificate, days, kind, authority, not_after, raised_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let StoredAlert { certificate, days, ending, authority, not_after, raised_at } = alert;
    let (days, kind, authority) = (i64::from(*days), ending.name(), authority.as_str());
    execute!(tx, sql, &certificate[..], days, kind, authority, not_after.unix(), raised_at.unix()).map(|_| ())
}

/// Whether it was told of that certificate that it ends within so many days, or fewer.
///
/// # Errors
/// The database's.
pub async fn is_told(tx: &mut Tx<'_>, certificate: &[u8; 32], days: u32) -> Result<bool, Error> {
    let sql = "SELECT days FROM expiry_alerts WHERE certificate = $1 AND days <= $2 LIMIT 1";
    Ok(fetch_optional!(tx, (i64,), sql, &certificate[..], i64::from(days))?.is_some())
}

/// Active certificates that end within so many days from `now` on and of which that, or less, was not told yet, the soonest
/// first, at most `limit`: SM3, issuer and end. Not those whose whole life is shorter than twice that, nor those under the
/// profile `but`.
///
/// # Errors
/// A row that is not as we wrote it; the database's.
pub async fn untold(
    tx: &mut Tx<'_>,
    (now, days): (Timestamp, u32),
    but: &str,
    limit: i64,
) -> Result<Vec<([u8; 32], AuthorityId, Timestamp)>, Error> {
    let sql = "SELECT sm3, authority, not_after FROM issued_certificates \
               WHERE not_after >= $1 AND not_after < $2 AND status = 'active' AND profile <> $3 \
               AND not_after - not_before >= $4 \
               AND NOT EXISTS (SELECT 1 FROM expiry_alerts WHERE certificate = sm3 AND days <= $5) \
               ORDER BY not_after, number LIMIT $6";
    let (until, least) = (now.plus_days(i64::from(days)), i64::from(days).saturating_mul(2 * 86_400));
    let rows =
        fetch_all!(tx, (Vec<u8>, String, i64), sql, now.unix(), until.unix(), but, least, i64::from(days), limit)?;
    let row = |(sm3, authority, not_after): (Vec<u8>, String, i64)| {
        let wrong = || Error::Inconsistent { table: "issued_certificates", row: digest::hex(&sm3) };
        let authority = AuthorityId::parse(&authority).map_err(|_| wrong())?;
        Ok((sm3.as_slice().try_into().map_err(|_| wrong())?, authority, Timestamp::from_unix(not_after)))
    };
    rows.into_iter().map(row).collect()
}

/// Alerts of what has not ended at that moment, the soonest end first, at most `limit`; of each certificate the last one only.
///
/// # Errors
/// A row that is not as we write it; the database's.
pub async fn pending(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<StoredAlert>, Error> {
    let sql = "SELECT certificate, days, kind, authority, not_after, raised_at FROM expiry_alerts AS told \
               WHERE not_after >= $1 AND NOT EXISTS \
               (SELECT 1 FROM expiry_alerts AS later WHERE later.certificate = told.certificate AND later.days < told.days) \
               ORDER BY not_after, certificate LIMIT $2";
    let rows = fetch_all!(tx, (Vec<u8>, i64, String, String, i64, i64), sql, now.unix(), limit)?;
    let row = |(certificate, days, kind, authority, not_after, raised_at): (Vec<u8>, i64, String, String, i64, i64)| {
        let wrong = || Error::Inconsistent { table: TABLE, row: digest::hex(&certificate) };
        let ending = [Ending::Authority, Ending::Certificate].into_iter().find(|one| one.name() == kind);
        Ok(StoredAlert {
            certificate: certificate.as_slice().try_into().map_err(|_| wrong())?,
            days: u32::try_from(days).map_err(|_| wrong())?,
            ending: ending.ok_or_else(wrong)?,
            authority: AuthorityId::parse(&authority).map_err(|_| wrong())?,
            not_after: Timestamp::from_unix(not_after),
            raised_at: Timestamp::from_unix(raised_at),
        })
    };
    rows.into_iter().map(row).collect()
}

/// Forgets alerts of what ended before that moment; gives how many.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, ended_before: Timestamp) -> Result<u64, Error> {
    execute!(tx, "DELETE FROM expiry_alerts WHERE not_after < $1", ended_before.unix())
}
