//! Rows of officers' signatures over jobs. They let a job begin, so each carries an integrity value.

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, JobId};
use crate::domain::ca::job_approval::{JobConsent, JobStep};
use crate::domain::ca::request::{Approval, Hand};
use crate::store::sql::{execute, fetch_all};
use crate::store::{Error, Tx};

const TABLE: &str = "issuance_job_approvals";

/// Its name under its integrity value and in errors.
fn name(job: &JobId, number: i64) -> String {
    format!("{job}/{number}")
}

fn content(given: &Approval) -> [Vec<u8>; 4] {
    [
        given.hand.officer.as_str().as_bytes().to_vec(),
        given.hand.key_sm3.to_vec(),
        given.signature.clone(),
        given.at.unix().to_be_bytes().to_vec(),
    ]
}

/// What officers signed for a job so far.
///
/// # Errors
/// [`Error::Inconsistent`] for a row that is not as we wrote it; the database's.
pub async fn of(tx: &mut Tx<'_>, job: &JobId) -> Result<JobConsent, Error> {
    let sql = "SELECT number, officer, key_sm3, signature, at, integrity FROM issuance_job_approvals WHERE job = $1 \
               ORDER BY number";
    let rows = fetch_all!(tx, (i64, String, Vec<u8>, Vec<u8>, i64, Vec<u8>), sql, job.as_str())?;
    let mut consent = JobConsent::default();
    for (number, officer, key_sm3, signature, at, integrity) in rows {
        let name = name(job, number);
        let wrong = || Error::Inconsistent { table: TABLE, row: name.clone() };
        let officer = CallerId::parse(&officer).map_err(|_| wrong())?;
        let hand = Hand { officer, key_sm3: key_sm3.try_into().map_err(|_| wrong())? };
        let given = Approval { hand, signature, at: Timestamp::from_unix(at) };
        let content = content(&given);
        tx.integrity.check(TABLE, &name, 1, &content.each_ref().map(Vec::as_slice), &integrity)?;
        if number == 0 {
            consent.check = Some(given);
        } else {
            consent.approvals.push(given);
        }
    }
    Ok(consent)
}

/// Keeps the signature that came last.
///
/// # Errors
/// [`Error::Conflict`] for an officer or a key that signed before, or another signature in its place.
pub async fn insert(tx: &mut Tx<'_>, job: &JobId, step: JobStep, consent: &JobConsent) -> Result<(), Error> {
    let (number, given) = match step {
        JobStep::Check => (0, consent.check.as_ref()),
        JobStep::Approve => (i64::try_from(consent.approvals.len()).unwrap_or(i64::MAX), consent.approvals.last()),
    };
    let name = name(job, number);
    let given = given.ok_or_else(|| Error::Inconsistent { table: TABLE, row: name.clone() })?;
    let content = content(given);
    let integrity = tx.integrity.over(TABLE, &name, 1, &content.each_ref().map(Vec::as_slice))?;
    let sql = "INSERT INTO issuance_job_approvals (job, number, officer, key_sm3, signature, at, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (officer, at) = (given.hand.officer.as_str(), given.at.unix());
    let (key, signature) = (&given.hand.key_sm3[..], &given.signature[..]);
    execute!(tx, sql, job.as_str(), number, officer, key, signature, at, integrity).map(|_| ())
}
