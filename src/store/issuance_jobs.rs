//! Rows of jobs that issue many certificates. A job is an order to issue, so each row carries an integrity value.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, CallerId, JobId};
use crate::domain::audit::Actor;
use crate::domain::ca::job::{Job, JobState};
use crate::domain::caller::Roles;
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_one, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "issuance_jobs";

/// A job with all that is known of it but its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredJob {
    /// Its name.
    pub id: JobId,
    /// Who issues.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// SM3 of the file as it came.
    pub rows_sm3: [u8; 32],
    /// Who submitted it: a caller, or somebody at the machine.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// Where it stands.
    pub job: Job,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// The columns, as the database holds them.
struct Row {
    id: String,
    authority: String,
    profile: String,
    rows_sm3: Vec<u8>,
    row_count: i64,
    created_by: Option<String>,
    created_roles: Option<String>,
    created_at: i64,
    state: String,
    state_since: i64,
    lease: i64,
    lease_until: Option<i64>,
    pause_reason: Option<String>,
    issued: i64,
    refused: i64,
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
            id: row.try_get("id")?,
            authority: row.try_get("authority")?,
            profile: row.try_get("profile")?,
            rows_sm3: row.try_get("rows_sm3")?,
            row_count: row.try_get("row_count")?,
            created_by: row.try_get("created_by")?,
            created_roles: row.try_get("created_roles")?,
            created_at: row.try_get("created_at")?,
            state: row.try_get("state")?,
            state_since: row.try_get("state_since")?,
            lease: row.try_get("lease")?,
            lease_until: row.try_get("lease_until")?,
            pause_reason: row.try_get("pause_reason")?,
            issued: row.try_get("issued")?,
            refused: row.try_get("refused")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

impl Row {
    fn of(tx: &Tx<'_>, stored: &StoredJob, version: i64) -> Result<Self, Error> {
        let (created_by, created_roles) = match &stored.created_by {
            Actor::Caller { id, roles } => (Some(id.to_string()), Some(roles.to_names())),
            Actor::Operator | Actor::Anonymous => (None, None),
        };
        let (lease_until, pause_reason) = match &stored.job.state {
            JobState::Running { until } => (Some(until.unix()), None),
            JobState::Paused { reason } => (None, Some(reason.clone())),
            JobState::Waiting | JobState::Finished | JobState::Cancelled => (None, None),
        };
        let mut row = Self {
            id: stored.id.to_string(),
            authority: stored.authority.to_string(),
            profile: stored.profile.clone(),
            rows_sm3: stored.rows_sm3.to_vec(),
            row_count: i64::from(stored.job.rows),
            created_by,
            created_roles,
            created_at: stored.created_at.unix(),
            state: stored.job.state.name().to_owned(),
            state_since: stored.job.since.unix(),
            lease: stored.job.lease,
            lease_until,
            pause_reason,
            issued: i64::from(stored.job.issued),
            refused: i64::from(stored.job.refused),
            version,
            integrity: Vec::new(),
        };
        row.integrity = row.covered(|content| tx.integrity.over(TABLE, &row.id, version, content))?;
        Ok(row)
    }

    fn covered<T>(&self, judge: impl FnOnce(&[&[u8]]) -> T) -> T {
        let text = |text: &Option<String>| optional(text.as_ref().map(String::as_bytes));
        let (by, roles, reason) = (text(&self.created_by), text(&self.created_roles), text(&self.pause_reason));
        let until = optional(self.lease_until.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
        let numbers = [self.row_count, self.created_at, self.state_since, self.lease, self.issued, self.refused];
        let [rows, created, since, lease, issued, refused] = numbers.map(i64::to_be_bytes);
        let content: [&[u8]; 14] = [
            self.authority.as_bytes(),
            self.profile.as_bytes(),
            &self.rows_sm3,
            &rows,
            &by,
            &roles,
            &created,
            self.state.as_bytes(),
            &since,
            &lease,
            &until,
            &reason,
            &issued,
            &refused,
        ];
        judge(&content)
    }

    fn entity(self, tx: &Tx<'_>) -> Result<StoredJob, Error> {
        self.covered(|content| tx.integrity.check(TABLE, &self.id, self.version, content, &self.integrity))?;
        let row = self.id.clone();
        let read = move || {
            let state = match (self.state.as_str(), self.lease_until, self.pause_reason) {
                ("waiting", None, None) => JobState::Waiting,
                ("running", Some(until), None) => JobState::Running { until: Timestamp::from_unix(until) },
                ("paused", None, Some(reason)) => JobState::Paused { reason },
                ("finished", None, None) => JobState::Finished,
                ("cancelled", None, None) => JobState::Cancelled,
                _ => return None,
            };
            let created_by = match (self.created_by, self.created_roles) {
                (None, None) => Actor::Operator,
                (Some(id), Some(roles)) => {
                    Actor::Caller { id: CallerId::parse(&id).ok()?, roles: Roles::from_names(&roles)? }
                }
                _ => return None,
            };
            Some(StoredJob {
                id: JobId::parse(&self.id).ok()?,
                authority: AuthorityId::parse(&self.authority).ok()?,
                profile: self.profile,
                rows_sm3: self.rows_sm3.try_into().ok()?,
                created_by,
                created_at: Timestamp::from_unix(self.created_at),
                job: Job {
                    rows: u32::try_from(self.row_count).ok()?,
                    issued: u32::try_from(self.issued).ok()?,
                    refused: u32::try_from(self.refused).ok()?,
                    state,
                    since: Timestamp::from_unix(self.state_since),
                    lease: self.lease,
                },
                version: self.version,
            })
        };
        read().ok_or(Error::Inconsistent { table: TABLE, row })
    }
}

/// A statement that reads whole rows.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT id, authority, profile, rows_sm3, row_count, created_by, created_roles, created_at, state, ",
            "state_since, lease, lease_until, pause_reason, issued, refused, version, integrity FROM issuance_jobs ",
            $where
        )
    };
}

/// Keeps a new job, as version 1 whatever it says.
///
/// # Errors
/// [`Error::Conflict`] when it is there already, or its authority is not.
pub async fn insert(tx: &mut Tx<'_>, stored: &StoredJob) -> Result<(), Error> {
    let row = Row::of(tx, stored, 1)?;
    let sql = "INSERT INTO issuance_jobs (id, authority, profile, rows_sm3, row_count, created_by, created_roles, \
               created_at, state, state_since, lease, lease_until, pause_reason, issued, refused, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 1, $16)";
    let (id, authority, profile, sm3) =
        (row.id.as_str(), row.authority.as_str(), row.profile.as_str(), &row.rows_sm3[..]);
    let (by, roles, created) = (row.created_by.as_deref(), row.created_roles.as_deref(), row.created_at);
    let (state, since, until) = (row.state.as_str(), row.state_since, row.lease_until);
    let (reason, integrity) = (row.pause_reason.as_deref(), &row.integrity[..]);
    execute!(
        tx,
        sql,
        id,
        authority,
        profile,
        sm3,
        row.row_count,
        by,
        roles,
        created,
        state,
        since,
        row.lease,
        until,
        reason,
        row.issued,
        row.refused,
        integrity
    )
    .map(|_| ())
}

/// Keeps where a job stands now; gives it with its new version.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `stored`.
pub async fn update(tx: &mut Tx<'_>, stored: &StoredJob) -> Result<StoredJob, Error> {
    let version = stored.version.saturating_add(1);
    let row = Row::of(tx, stored, version)?;
    let sql = "UPDATE issuance_jobs SET state = $1, state_since = $2, lease = $3, lease_until = $4, pause_reason = $5, \
               issued = $6, refused = $7, version = $8, integrity = $9 WHERE id = $10 AND version = $11";
    let (state, since, reason) = (row.state.as_str(), row.state_since, row.pause_reason.as_deref());
    let (integrity, id) = (&row.integrity[..], row.id.as_str());
    let done = execute!(
        tx,
        sql,
        state,
        since,
        row.lease,
        row.lease_until,
        reason,
        row.issued,
        row.refused,
        version,
        integrity,
        id,
        stored.version
    );
    match done? {
        1 => Ok(StoredJob { version, ..stored.clone() }),
        _ => Err(Error::Stale { table: TABLE, row: row.id }),
    }
}

/// The job of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &JobId) -> Result<Option<StoredJob>, Error> {
    fetch_optional!(tx, Row, select!("WHERE id = $1"), id.as_str())?.map(|row| row.entity(tx)).transpose()
}

/// Every job, oldest first, from the one behind `after` on, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn all(tx: &mut Tx<'_>, after: Option<&JobId>, limit: i64) -> Result<Vec<StoredJob>, Error> {
    // Names are UUIDs of version 7: they sort by the time of their making.
    let sql = select!("WHERE id > $1 ORDER BY id LIMIT $2");
    let rows = fetch_all!(tx, Row, sql, after.map_or("", JobId::as_str), limit)?;
    rows.into_iter().map(|row| row.entity(tx)).collect()
}

/// Jobs that are to be worked on and that nobody holds, oldest first, by name alone: one row that is not as we wrote it
/// keeps nobody from the others.
///
/// # Errors
/// The database's.
pub async fn free(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<JobId>, Error> {
    let sql = "SELECT id FROM issuance_jobs WHERE state = 'running' AND lease_until <= $1 ORDER BY id";
    named(fetch_all!(tx, (String,), sql, now.unix())?)
}

fn named(rows: Vec<(String,)>) -> Result<Vec<JobId>, Error> {
    let id = |(id,): (String,)| JobId::parse(&id).map_err(|_| Error::Inconsistent { table: TABLE, row: id });
    rows.into_iter().map(id).collect()
}

/// How many jobs have not ended.
///
/// # Errors
/// The database's.
pub async fn open_jobs(tx: &mut Tx<'_>) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM issuance_jobs WHERE state IN ('waiting', 'running', 'paused')";
    fetch_one!(tx, (i64,), sql).map(|(count,)| count)
}

/// Jobs that ended before that moment, oldest first, at most `limit`.
///
/// # Errors
/// The database's.
pub async fn ended_before(tx: &mut Tx<'_>, moment: Timestamp, limit: i64) -> Result<Vec<JobId>, Error> {
    let sql = "SELECT id FROM issuance_jobs WHERE state IN ('finished', 'cancelled') AND state_since < $1 \
               ORDER BY id LIMIT $2";
    named(fetch_all!(tx, (String,), sql, moment.unix(), limit)?)
}

/// Forgets a job that has ended and has no rows any more.
///
/// # Errors
/// [`Error::Stale`] when there is none such; [`Error::Conflict`] when it has rows.
pub async fn forget(tx: &mut Tx<'_>, id: &JobId) -> Result<(), Error> {
    let sql = "DELETE FROM issuance_jobs WHERE id = $1 AND state IN ('finished', 'cancelled')";
    match execute!(tx, sql, id.as_str())? {
        1 => Ok(()),
        _ => Err(Error::Stale { table: TABLE, row: id.to_string() }),
    }
}
