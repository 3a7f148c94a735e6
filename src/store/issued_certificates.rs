//! Rows of what our authorities issued, with its status. A status gives authority, so each row carries an integrity value.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::crypto::digest;
use crate::store::crls::ShardKey;
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_one, fetch_optional, insert_many};
use crate::store::{Error, Tx, revocation_pages};

const TABLE: &str = "issued_certificates";

/// The status of a certificate, as the columns hold it. What may follow what is the domain's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredStatus {
    /// In use.
    Active,
    /// On hold.
    Suspended,
    /// At its end.
    Revoked {
        /// CRLReason (RFC 5280 5.3.1).
        reason: u8,
        /// Since when the key is known or thought to be unsafe.
        invalidity_date: Option<Timestamp>,
    },
}

/// certificateHold (RFC 5280 5.3.1).
const HOLD: i64 = 6;

impl StoredStatus {
    /// As in the column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked { .. } => "revoked",
        }
    }

    fn facts(self) -> (&'static str, Option<i64>, Option<i64>) {
        match self {
            Self::Active => (self.name(), None, None),
            Self::Suspended => (self.name(), Some(HOLD), None),
            Self::Revoked { reason, invalidity_date } => {
                (self.name(), Some(i64::from(reason)), invalidity_date.map(Timestamp::unix))
            }
        }
    }

    fn from_facts(name: &str, reason: Option<i64>, invalidity_date: Option<i64>) -> Option<Self> {
        match (name, reason, invalidity_date) {
            ("active", None, None) => Some(Self::Active),
            ("suspended", Some(HOLD), None) => Some(Self::Suspended),
            ("revoked", Some(reason), date) => Some(Self::Revoked {
                reason: u8::try_from(reason).ok()?,
                invalidity_date: date.map(Timestamp::from_unix),
            }),
            _ => None,
        }
    }
}

/// A certificate that one of our authorities issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Who issued it.
    pub authority: AuthorityId,
    /// The serial number, sixteen octets.
    pub serial: [u8; 16],
    /// SM3 of the whole certificate in DER: its name here.
    pub sm3: [u8; 32],
    /// The CRL that speaks of it: fixed when it was issued.
    pub shard: u32,
    /// The profile's name.
    pub profile: String,
    /// The subject, for people to search.
    pub subject: String,
    /// `notBefore`.
    pub not_before: Timestamp,
    /// `notAfter`.
    pub not_after: Timestamp,
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its status.
    pub status: StoredStatus,
    /// Since when.
    pub status_since: Timestamp,
    /// The audit event that changed the status last; nothing when nobody ever did.
    pub status_event: Option<i64>,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// The columns, as the database holds them.
struct Row {
    authority: String,
    serial: Vec<u8>,
    sm3: Vec<u8>,
    shard: i64,
    profile: String,
    subject: String,
    not_before: i64,
    not_after: i64,
    der: Vec<u8>,
    issued_at: i64,
    status: String,
    status_since: i64,
    status_event: Option<i64>,
    reason: Option<i64>,
    invalidity_date: Option<i64>,
    version: i64,
    integrity: Vec<u8>,
}

impl<'r, R> FromRow<'r, R> for Row
where
    R: sqlx::Row,
    &'static str: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    R::Database: Database,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self {
            authority: row.try_get("authority")?,
            serial: row.try_get("serial")?,
            sm3: row.try_get("sm3")?,
            shard: row.try_get("shard")?,
            profile: row.try_get("profile")?,
            subject: row.try_get("subject")?,
            not_before: row.try_get("not_before")?,
            not_after: row.try_get("not_after")?,
            der: row.try_get("der")?,
            issued_at: row.try_get("issued_at")?,
            status: row.try_get("status")?,
            status_since: row.try_get("status_since")?,
            status_event: row.try_get("status_event")?,
            reason: row.try_get("reason")?,
            invalidity_date: row.try_get("invalidity_date")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

impl Row {
    /// The columns of a certificate, with the integrity value over them.
    fn of(tx: &Tx<'_>, certificate: &IssuedCertificate) -> Result<Self, Error> {
        let (status, reason, invalidity_date) = certificate.status.facts();
        let mut row = Self {
            authority: certificate.authority.to_string(),
            serial: certificate.serial.to_vec(),
            sm3: certificate.sm3.to_vec(),
            shard: i64::from(certificate.shard),
            profile: certificate.profile.clone(),
            subject: certificate.subject.clone(),
            not_before: certificate.not_before.unix(),
            not_after: certificate.not_after.unix(),
            der: certificate.der.clone(),
            issued_at: certificate.issued_at.unix(),
            status: status.to_owned(),
            status_since: certificate.status_since.unix(),
            status_event: certificate.status_event,
            reason,
            invalidity_date,
            version: certificate.version,
            integrity: Vec::new(),
        };
        row.integrity = row.covered(|id, content| tx.integrity.over(TABLE, id, row.version, content))?;
        Ok(row)
    }

    /// The name and the content that the integrity value covers. The SM3 of the certificate stands for its DER.
    fn covered<T>(&self, judge: impl FnOnce(&str, &[&[u8]]) -> T) -> T {
        let moment = |moment: Option<i64>| optional(moment.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
        let (event, reason, date) = (moment(self.status_event), moment(self.reason), moment(self.invalidity_date));
        let numbers = [self.shard, self.not_before, self.not_after, self.issued_at, self.status_since];
        let [shard, not_before, not_after, issued_at, since] = numbers.map(i64::to_be_bytes);
        let (profile, subject, status) = (self.profile.as_bytes(), self.subject.as_bytes(), self.status.as_bytes());
        let content: [&[u8]; 14] = [
            self.authority.as_bytes(),
            &self.serial,
            &self.sm3,
            profile,
            subject,
            status,
            &shard,
            &not_before,
            &not_after,
            &issued_at,
            &since,
            &event,
            &reason,
            &date,
        ];
        judge(&name(&self.sm3), &content)
    }

    fn entity(self, tx: &Tx<'_>) -> Result<IssuedCertificate, Error> {
        self.covered(|id, content| tx.integrity.check(TABLE, id, self.version, content, &self.integrity))?;
        let row = name(&self.sm3);
        let read = move || {
            Some(IssuedCertificate {
                authority: AuthorityId::parse(&self.authority).ok()?,
                serial: self.serial.try_into().ok()?,
                sm3: self.sm3.try_into().ok()?,
                shard: u32::try_from(self.shard).ok()?,
                profile: self.profile,
                subject: self.subject,
                not_before: Timestamp::from_unix(self.not_before),
                not_after: Timestamp::from_unix(self.not_after),
                status: StoredStatus::from_facts(&self.status, self.reason, self.invalidity_date)?,
                der: self.der,
                issued_at: Timestamp::from_unix(self.issued_at),
                status_since: Timestamp::from_unix(self.status_since),
                status_event: self.status_event,
                version: self.version,
            })
        };
        let certificate = read().ok_or_else(|| Error::Inconsistent { table: TABLE, row: row.clone() })?;
        // A certificate that was put in another's place is not the one that the integrity value names.
        if digest::sm3(&certificate.der) == certificate.sm3 {
            Ok(certificate)
        } else {
            Err(Error::Inconsistent { table: TABLE, row })
        }
    }
}

/// A row's name in errors and under the integrity value.
fn name(sm3: &[u8]) -> String {
    digest::hex(sm3)
}

/// A statement that reads whole rows.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT authority, serial, sm3, shard, profile, subject, not_before, not_after, der, issued_at, status, ",
            "status_since, status_event, reason, invalidity_date, version, integrity FROM issued_certificates ",
            $where
        )
    };
}

/// Certificates that one statement inserts: far below the number of values that it may bind.
const PART: usize = 250;

/// Keeps new certificates, each as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when one is there already, or its authority is not: then none is kept.
pub async fn insert_many(tx: &mut Tx<'_>, certificates: &[IssuedCertificate]) -> Result<(), Error> {
    for part in certificates.chunks(PART) {
        let row =
            |certificate: &IssuedCertificate| Row::of(tx, &IssuedCertificate { version: 1, ..certificate.clone() });
        let rows = part.iter().map(row).collect::<Result<Vec<_>, Error>>()?;
        let into = "INSERT INTO issued_certificates (authority, serial, sm3, shard, profile, subject, not_before, \
                    not_after, der, issued_at, status, status_since, status_event, reason, invalidity_date, version, \
                    integrity) ";
        insert_many!(tx, into, rows, |bound, row| {
            bound.push_bind(row.authority).push_bind(row.serial).push_bind(row.sm3).push_bind(row.shard);
            bound.push_bind(row.profile).push_bind(row.subject).push_bind(row.not_before).push_bind(row.not_after);
            bound.push_bind(row.der).push_bind(row.issued_at).push_bind(row.status).push_bind(row.status_since);
            bound.push_bind(row.status_event).push_bind(row.reason).push_bind(row.invalidity_date);
            bound.push_bind(row.version).push_bind(row.integrity);
        })?;
    }
    revocation_pages::take(tx, certificates).await
}

/// The certificate of that authority and serial number.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, authority: &AuthorityId, serial: &[u8]) -> Result<Option<IssuedCertificate>, Error> {
    let sql = select!("WHERE authority = $1 AND serial = $2");
    fetch_optional!(tx, Row, sql, authority.as_str(), serial)?.map(|row| row.entity(tx)).transpose()
}

/// The certificate with that SM3.
///
/// # Errors
/// As [`find`].
pub async fn find_by_sm3(tx: &mut Tx<'_>, sm3: &[u8; 32]) -> Result<Option<IssuedCertificate>, Error> {
    fetch_optional!(tx, Row, select!("WHERE sm3 = $1"), &sm3[..])?.map(|row| row.entity(tx)).transpose()
}

/// The certificates of a subject that is written so for people, newest first, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn of_subject(tx: &mut Tx<'_>, subject: &str, limit: i64) -> Result<Vec<IssuedCertificate>, Error> {
    let sql = select!("WHERE subject = $1 ORDER BY number DESC LIMIT $2");
    fetch_all!(tx, Row, sql, subject, limit)?.into_iter().map(|row| row.entity(tx)).collect()
}

/// Gives a certificate a new status, which that audit event of the same transaction tells of.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `certificate`.
pub async fn change_status(
    tx: &mut Tx<'_>,
    certificate: &IssuedCertificate,
    (status, since): (StoredStatus, Timestamp),
    event: i64,
) -> Result<IssuedCertificate, Error> {
    let version = certificate.version.saturating_add(1);
    let next =
        IssuedCertificate { status, status_since: since, status_event: Some(event), version, ..certificate.clone() };
    let row = Row::of(tx, &next)?;
    revocation_pages::follow(tx, &next).await?;
    let sql = "UPDATE issued_certificates SET status = $1, status_since = $2, status_event = $3, reason = $4, \
               invalidity_date = $5, version = $6, integrity = $7 WHERE sm3 = $8 AND version = $9";
    let (reason, date, integrity) = (row.reason, row.invalidity_date, row.integrity);
    let (sm3, before) = (&next.sm3[..], certificate.version);
    match execute!(tx, sql, row.status, row.status_since, event, reason, date, version, integrity, sm3, before)? {
        1 => Ok(next),
        _ => Err(Error::Stale { table: TABLE, row: name(&next.sm3) }),
    }
}

/// Certificates whose status was changed by an audit event above that number, in the order of their events, at most
/// `limit`: how a service learns what another one did.
///
/// # Errors
/// As [`find`].
pub async fn changed_since(tx: &mut Tx<'_>, event: i64, limit: i64) -> Result<Vec<IssuedCertificate>, Error> {
    let sql = select!("WHERE status_event > $1 ORDER BY status_event LIMIT $2");
    fetch_all!(tx, Row, sql, event, limit)?.into_iter().map(|row| row.entity(tx)).collect()
}

/// Certificates of one CRL that are on hold or revoked, by serial number, from the one behind `behind` on, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn not_active_behind(
    tx: &mut Tx<'_>,
    key: &ShardKey,
    behind: &[u8],
    limit: i64,
) -> Result<Vec<IssuedCertificate>, Error> {
    let sql =
        select!("WHERE authority = $1 AND shard = $2 AND status <> 'active' AND serial > $3 ORDER BY serial LIMIT $4");
    let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
    fetch_all!(tx, Row, sql, authority, shard, behind, limit)?.into_iter().map(|row| row.entity(tx)).collect()
}

/// Certificates of one CRL whose status was changed by an audit event above that number, in the order of their events, at
/// most `limit`: the entries of a delta.
///
/// # Errors
/// As [`find`].
pub async fn changed_in_shard(
    tx: &mut Tx<'_>,
    key: &ShardKey,
    event: i64,
    limit: i64,
) -> Result<Vec<IssuedCertificate>, Error> {
    let sql = select!("WHERE authority = $1 AND shard = $2 AND status_event > $3 ORDER BY status_event LIMIT $4");
    let (authority, shard) = (key.authority.as_str(), i64::from(key.shard));
    fetch_all!(tx, Row, sql, authority, shard, event, limit)?.into_iter().map(|row| row.entity(tx)).collect()
}

/// What to look for. Whatever is nothing is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Issued by this authority.
    pub authority: Option<AuthorityId>,
    /// Under this profile.
    pub profile: Option<String>,
    /// `active`, `suspended` or `revoked`.
    pub status: Option<String>,
    /// The subject contains this text.
    pub subject: Option<String>,
    /// Ends at this moment or later.
    pub ends_from: Option<Timestamp>,
    /// Ends before this moment.
    pub ends_before: Option<Timestamp>,
}

/// Certificates that the filter describes, oldest first, from the one behind `after` on, at most `limit`; each with the
/// number that the next call gives as `after`.
///
/// # Errors
/// As [`find`].
pub async fn search(
    tx: &mut Tx<'_>,
    filter: &Filter,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, IssuedCertificate)>, Error> {
    let sql = "SELECT number, sm3 FROM issued_certificates WHERE number > $1 \
               AND (CAST($2 AS TEXT) IS NULL OR authority = $2) AND (CAST($3 AS TEXT) IS NULL OR profile = $3) \
               AND (CAST($4 AS TEXT) IS NULL OR status = $4) AND (CAST($5 AS TEXT) IS NULL OR subject LIKE $5 ESCAPE '!') \
               AND (CAST($6 AS BIGINT) IS NULL OR not_after >= $6) AND (CAST($7 AS BIGINT) IS NULL OR not_after < $7) \
               ORDER BY number LIMIT $8";
    let authority = filter.authority.as_ref().map(AuthorityId::as_str);
    let (profile, status) = (filter.profile.as_deref(), filter.status.as_deref());
    let subject = filter.subject.as_deref().map(pattern);
    let (from, before) = (filter.ends_from.map(Timestamp::unix), filter.ends_before.map(Timestamp::unix));
    let rows = fetch_all!(tx, (i64, Vec<u8>), sql, after, authority, profile, status, subject, from, before, limit)?;
    let mut found = Vec::with_capacity(rows.len());
    for (number, sm3) in rows {
        let wrong = || Error::Inconsistent { table: TABLE, row: name(&sm3) };
        let key: [u8; 32] = sm3.as_slice().try_into().map_err(|_| wrong())?;
        found.push((number, find_by_sm3(tx, &key).await?.ok_or_else(wrong)?));
    }
    Ok(found)
}

/// A LIKE pattern for any text that contains this one.
fn pattern(text: &str) -> String {
    let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{escaped}%")
}

/// How many certificates there are of each authority, profile and status that had not ended by that moment.
///
/// # Errors
/// The database's.
pub async fn statistics(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<(AuthorityId, String, String, u64)>, Error> {
    let sql = "SELECT authority, profile, status, COUNT(*) FROM issued_certificates WHERE not_after >= $1 \
               GROUP BY authority, profile, status ORDER BY authority, profile, status";
    let rows = fetch_all!(tx, (String, String, String, i64), sql, now.unix())?;
    let row = |(authority, profile, status, count): (String, String, String, i64)| {
        let id = AuthorityId::parse(&authority);
        let id = id.map_err(|_| Error::Inconsistent { table: TABLE, row: authority.clone() })?;
        Ok((id, profile, status, u64::try_from(count).unwrap_or(0)))
    };
    rows.into_iter().map(row).collect()
}

/// The highest audit event that changed a status; 0 when none did.
///
/// # Errors
/// The database's.
pub async fn last_change(tx: &mut Tx<'_>) -> Result<i64, Error> {
    // The condition lets the index of changes answer.
    let sql = "SELECT MAX(status_event) FROM issued_certificates WHERE status_event IS NOT NULL";
    let (event,) = fetch_one!(tx, (Option<i64>,), sql)?;
    Ok(event.unwrap_or(0))
}

/// Forgets certificates that ended before that moment, at most `limit`; gives how many. The audit log keeps their hashes.
///
/// # Errors
/// The database's.
pub async fn forget_ended(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<u64, Error> {
    revocation_pages::forget_ended(tx, before).await?;
    let sql = "DELETE FROM issued_certificates WHERE number IN \
               (SELECT number FROM issued_certificates WHERE not_after < $1 ORDER BY not_after LIMIT $2)";
    execute!(tx, sql, before.unix(), limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_lead_back() {
        let date = Some(Timestamp::from_unix(5));
        for status in [
            StoredStatus::Active,
            StoredStatus::Suspended,
            StoredStatus::Revoked { reason: 1, invalidity_date: date },
            StoredStatus::Revoked { reason: 0, invalidity_date: None },
        ] {
            let (name, reason, date) = status.facts();
            assert_eq!(StoredStatus::from_facts(name, reason, date), Some(status));
        }
        assert_eq!(StoredStatus::from_facts("suspended", Some(1), None), None);
        assert_eq!(StoredStatus::from_facts("active", Some(1), None), None);
    }

    #[test]
    fn patterns_mean_their_text() {
        assert_eq!(pattern("50%_!"), "%50!%!_!!%");
    }
}
