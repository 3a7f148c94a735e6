//! Rows of jobs, and what came of each: a certificate, a refusal, or nothing yet.
//!
//! A row never changes. Its result is a row of its own, whose key it is that no row gets two.

use crate::base::clock::Timestamp;
use crate::base::id::JobId;
use crate::domain::ca::job_file::{JobRow, RowOrder};
use crate::store::sql::{execute, fetch_all, fetch_one, insert_many};
use crate::store::{Error, Tx};

const TABLE: &str = "issuance_job_rows";

/// The version of rows, which never change.
const VERSION: i64 = 1;

/// Rows that one statement inserts: far below the number of values that it may bind.
const PART: usize = 500;

/// What came of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowResult {
    /// A certificate, by its SM3.
    Issued([u8; 32]),
    /// No certificate, for ever.
    Refused {
        /// The stable code.
        code: String,
        /// For people.
        reason: String,
    },
}

/// A row with what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOutcome {
    /// Its place in the file, from 1.
    pub number: u32,
    /// What the customer calls it.
    pub name: String,
    /// What came of it, and when; nothing yet.
    pub result: Option<(RowResult, Timestamp)>,
}

fn name(job: &JobId, number: i64) -> String {
    format!("{job}/{number}")
}

/// Keeps rows of a new job; the first gets that number.
///
/// # Errors
/// [`Error::Conflict`] when they are there already, or the job is not.
pub async fn insert(tx: &mut Tx<'_>, job: &JobId, rows: &[JobRow]) -> Result<(), Error> {
    let mut numbers = 1_i64..;
    for part in rows.chunks(PART) {
        let mut columns = Vec::with_capacity(part.len());
        for (row, number) in part.iter().zip(&mut numbers) {
            let content = row.order.to_der();
            let covered = [row.name.as_bytes(), &content];
            let integrity = tx.integrity.over(TABLE, &name(job, number), VERSION, &covered)?;
            columns.push((number, row.name.clone(), content, integrity));
        }
        let into = "INSERT INTO issuance_job_rows (job, number, name, content, integrity) ";
        insert_many!(tx, into, columns, |bound, (number, name, content, integrity)| {
            bound.push_bind(job.to_string()).push_bind(number).push_bind(name).push_bind(content);
            bound.push_bind(integrity);
        })?;
    }
    Ok(())
}

/// Rows without a result behind that number, in their order, at most `limit`.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn open(tx: &mut Tx<'_>, job: &JobId, after: u32, limit: i64) -> Result<Vec<(u32, JobRow)>, Error> {
    let sql = "SELECT number, name, content, integrity FROM issuance_job_rows AS ordered \
               WHERE job = $1 AND number > $2 AND NOT EXISTS \
               (SELECT 1 FROM issuance_job_results AS done WHERE done.job = ordered.job AND done.number = ordered.number) \
               ORDER BY number LIMIT $3";
    let rows = fetch_all!(tx, (i64, String, Vec<u8>, Vec<u8>), sql, job.as_str(), i64::from(after), limit)?;
    let entity = |(number, called, content, integrity): (i64, String, Vec<u8>, Vec<u8>)| {
        let row = name(job, number);
        tx.integrity.check(TABLE, &row, VERSION, &[called.as_bytes(), &content], &integrity)?;
        let read = || Some((u32::try_from(number).ok()?, RowOrder::from_der(&content).ok()?));
        let (number, order) = read().ok_or(Error::Inconsistent { table: TABLE, row })?;
        Ok((number, JobRow { name: called, order }))
    };
    rows.into_iter().map(entity).collect()
}

/// Keeps what came of rows.
///
/// # Errors
/// [`Error::Conflict`] when one of them has its result already, or there is no such row: then none is kept.
pub async fn keep_results(
    tx: &mut Tx<'_>,
    job: &JobId,
    results: &[(u32, RowResult)],
    now: Timestamp,
) -> Result<(), Error> {
    for part in results.chunks(PART) {
        let into = "INSERT INTO issuance_job_results (job, number, certificate, refusal, reason, at) ";
        insert_many!(tx, into, part, |bound, (number, result)| {
            let (certificate, refusal, reason) = match result {
                RowResult::Issued(sm3) => (Some(sm3.to_vec()), None, None),
                RowResult::Refused { code, reason } => (None, Some(code.clone()), Some(reason.clone())),
            };
            bound.push_bind(job.to_string()).push_bind(i64::from(*number));
            bound.push_bind(certificate).push_bind(refusal).push_bind(reason).push_bind(now.unix());
        })?;
    }
    Ok(())
}

/// How many rows of a job have a certificate, and how many were refused.
///
/// # Errors
/// The database's.
pub async fn count_results(tx: &mut Tx<'_>, job: &JobId) -> Result<(i64, i64), Error> {
    let sql = "SELECT COUNT(certificate), COUNT(refusal) FROM issuance_job_results WHERE job = $1";
    fetch_one!(tx, (i64, i64), sql, job.as_str())
}

type OutcomeRow = (i64, String, Option<Vec<u8>>, Option<String>, Option<String>, Option<i64>);

/// Rows with what came of them, behind that number, in their order, at most `limit`.
///
/// # Errors
/// [`Error::Inconsistent`] for a result that is none; the database's.
pub async fn outcomes(tx: &mut Tx<'_>, job: &JobId, after: u32, limit: i64) -> Result<Vec<RowOutcome>, Error> {
    let sql = "SELECT ordered.number, ordered.name, done.certificate, done.refusal, done.reason, done.at \
               FROM issuance_job_rows AS ordered LEFT JOIN issuance_job_results AS done \
               ON done.job = ordered.job AND done.number = ordered.number \
               WHERE ordered.job = $1 AND ordered.number > $2 ORDER BY ordered.number LIMIT $3";
    let rows = fetch_all!(tx, OutcomeRow, sql, job.as_str(), i64::from(after), limit)?;
    let entity = |(number, called, certificate, refusal, reason, at): OutcomeRow| {
        let wrong = || Error::Inconsistent { table: "issuance_job_results", row: name(job, number) };
        let result = match (certificate, refusal, reason, at) {
            (None, None, None, None) => None,
            (Some(sm3), None, None, Some(at)) => {
                Some((RowResult::Issued(sm3.try_into().map_err(|_| wrong())?), Timestamp::from_unix(at)))
            }
            (None, Some(code), Some(reason), Some(at)) => {
                Some((RowResult::Refused { code, reason }, Timestamp::from_unix(at)))
            }
            _ => return Err(wrong()),
        };
        Ok(RowOutcome { number: u32::try_from(number).map_err(|_| wrong())?, name: called, result })
    };
    rows.into_iter().map(entity).collect()
}

/// Forgets rows of a job and their results, the first ones, at most `limit`; gives how many rows.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, job: &JobId, limit: i64) -> Result<u64, Error> {
    let results = "DELETE FROM issuance_job_results WHERE job = $1 AND number IN \
                   (SELECT number FROM issuance_job_rows WHERE job = $1 ORDER BY number LIMIT $2)";
    execute!(tx, results, job.as_str(), limit)?;
    let rows = "DELETE FROM issuance_job_rows WHERE job = $1 AND number IN \
                (SELECT number FROM issuance_job_rows WHERE job = $1 ORDER BY number LIMIT $2)";
    execute!(tx, rows, job.as_str(), limit)
}
