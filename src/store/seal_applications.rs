//! Rows of applications for seals, with the approvals that officers signed and the files that came with them. They say who
//! may have a seal, so each carries an integrity value: that of an application covers its approvals and the SM3 of its files.

mod row;

use row::Row;

use crate::base::clock::Timestamp;
use crate::base::division::Division;
use crate::base::id::ApplicationId;
use crate::crypto::digest::sm3;
use crate::domain::officer::Approval;
use crate::domain::seal::application::SealApplication;
use crate::store::certificate_requests::{StoredCheck, approval_content, hand};
use crate::store::newest::{self, integrity_of_newest};
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "seal_applications";
const APPROVALS: &str = "seal_application_approvals";
const FILES: &str = "seal_application_files";

/// An application for a seal, with what officers signed on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApplication {
    /// Its name here.
    pub id: ApplicationId,
    /// What was asked for, and where it stands.
    pub application: SealApplication,
    /// The applicant's signature over the submission.
    pub submission_signature: Vec<u8>,
    /// The check, once there was one.
    pub check: Option<StoredCheck>,
    /// The signature of whoever refused or withdrew it; nothing where it lapsed.
    pub end_signature: Option<Vec<u8>>,
    /// Why it was refused, in words.
    pub explanation: Option<String>,
    /// Counts its changes, from 1.
    pub version: i64,
}

fn approval_name(application: &str, number: i64) -> String {
    format!("{application}/{number}")
}

async fn approvals_of(tx: &mut Tx<'_>, application: &str) -> Result<Vec<Approval>, Error> {
    let sql = "SELECT number, officer, key_sm3, signature, at, integrity FROM seal_application_approvals \
               WHERE application = $1 ORDER BY number";
    let rows = fetch_all!(tx, (i64, String, Vec<u8>, Vec<u8>, i64, Vec<u8>), sql, application)?;
    let mut approvals = Vec::with_capacity(rows.len());
    for (number, officer, key_sm3, signature, at, integrity) in rows {
        let name = approval_name(application, number);
        let wrong = || tx.integrity.refuse(APPROVALS, &name);
        let hand = hand(&officer, key_sm3).ok_or_else(wrong)?;
        let approval = Approval { hand, signature, at: Timestamp::from_unix(at) };
        let content = approval_content(&approval);
        tx.integrity.check(APPROVALS, &name, 1, &content.each_ref().map(Vec::as_slice), &integrity)?;
        approvals.push(approval);
    }
    Ok(approvals)
}

/// A statement that reads whole rows.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT id, nonce, purpose, seal, seal_reason, kind, name, credit_code, holder, holder_division, keeper, ",
            "picture_sm3, width, height, form, list, signer_key, csr, authority, profile, days, filing, division, documents, ",
            "applicant, applicant_key_sm3, submitted_at, submission_signature, state, since, checked_by, checked_key_sm3, ",
            "checked_at, check_signature, ended_by, ended_key_sm3, end_signature, reason, explanation, result_sm3, version, ",
            integrity_of_newest!("seal_applications", "id"),
            " FROM seal_applications ",
            $where
        )
    };
}

async fn entities(tx: &mut Tx<'_>, rows: Vec<Row>) -> Result<Vec<StoredApplication>, Error> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let approvals = approvals_of(tx, &row.id).await?;
        found.push(row.entity(tx, approvals)?);
    }
    Ok(found)
}

/// Keeps a new application with its files, the picture first where there is one; as version 1 whatever it says. Only one
/// that was just submitted is new.
///
/// # Errors
/// [`Error::Conflict`] when its name or its nonce is there already, or what it names is not.
pub async fn insert(tx: &mut Tx<'_>, stored: &StoredApplication, files: &[(i64, &[u8])]) -> Result<(), Error> {
    let row = Row::of(tx, &StoredApplication { version: 1, ..stored.clone() }, &[])?;
    let sql = "INSERT INTO seal_applications (id, nonce, purpose, seal, seal_reason, kind, name, credit_code, holder, \
               holder_division, keeper, picture_sm3, width, height, form, list, signer_key, csr, authority, profile, days, \
               filing, division, documents, applicant, applicant_key_sm3, submitted_at, submission_signature, state, since, \
               version, integrity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
               $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, 1, $31)";
    execute!(
        tx,
        sql,
        &row.id[..],
        row.nonce,
        row.purpose,
        row.seal,
        row.seal_reason,
        row.kind,
        row.name,
        row.credit_code,
        row.holder,
        row.holder_division,
        row.keeper,
        row.picture_sm3,
        row.width,
        row.height,
        row.form,
        row.list,
        row.signer_key,
        row.csr,
        row.authority,
        row.profile,
        row.days,
        row.filing,
        row.division,
        row.documents,
        row.applicant,
        row.applicant_key_sm3,
        row.submitted_at,
        row.submission_signature,
        row.state,
        row.since,
        row.integrity
    )?;
    for (number, octets) in files {
        let sql = "INSERT INTO seal_application_files (application, number, octets) VALUES ($1, $2, $3)";
        execute!(tx, sql, &row.id[..], *number, *octets)?;
    }
    Ok(())
}

/// Notes the number of the event of an application's submission.
///
/// # Errors
/// The database's.
pub async fn note_submission(tx: &mut Tx<'_>, id: &ApplicationId, event: i64) -> Result<(), Error> {
    let sql = "UPDATE seal_applications SET submission_event = $2 WHERE id = $1";
    execute!(tx, sql, id.as_str(), event).map(|_| ())
}

/// The number of the event of an application's submission; nothing where it was not noted. No integrity value covers it: the
/// event itself says of which application it is.
///
/// # Errors
/// The database's.
pub async fn submission_event(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<Option<i64>, Error> {
    let sql = "SELECT submission_event FROM seal_applications WHERE id = $1";
    let row = fetch_optional!(tx, (Option<i64>,), sql, id.as_str())?;
    Ok(row.and_then(|(event,)| event))
}

/// The application of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row, or an approval, that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<Option<StoredApplication>, Error> {
    let Some(row) = fetch_optional!(tx, Row, select!("WHERE id = $1"), id.as_str())? else {
        return newest::absent(tx, TABLE, id.as_str()).await;
    };
    let approvals = approvals_of(tx, &row.id).await?;
    row.entity(tx, approvals).map(Some)
}

/// The application with that nonce.
///
/// # Errors
/// As [`find`].
pub async fn with_nonce(tx: &mut Tx<'_>, nonce: &[u8; 32]) -> Result<Option<StoredApplication>, Error> {
    let Some(row) = fetch_optional!(tx, Row, select!("WHERE nonce = $1"), &nonce[..])? else { return Ok(None) };
    let approvals = approvals_of(tx, &row.id).await?;
    row.entity(tx, approvals).map(Some)
}

/// Applications that are decided in that division, by the division that decides and then by name, behind that place, at most
/// `limit`.
///
/// # Errors
/// As [`find`].
pub async fn in_division(
    tx: &mut Tx<'_>,
    division: &Division,
    after: Option<(&Division, &ApplicationId)>,
    limit: i64,
) -> Result<Vec<StoredApplication>, Error> {
    let sql = select!("WHERE (division, id) > ($1, $2) AND division < $3 ORDER BY division, id LIMIT $4");
    let (from, before) = division.bounds();
    // One place alone, so that the index leads to it: the beginning, or where the last page ended.
    let begins = after.map(|(place, id)| (place.code(), id.as_str())).filter(|(place, _)| *place >= from);
    let (place, id) = begins.unwrap_or((from, ""));
    let rows = fetch_all!(tx, Row, sql, &place[..], id, &before[..], limit)?;
    entities(tx, rows).await
}

/// The picture (number 0) or a document (from 1) of an application.
///
/// # Errors
/// [`Error::Inconsistent`]: its SM3 is not the one that the application says, or it is not there.
pub async fn file(tx: &mut Tx<'_>, stored: &StoredApplication, number: i64) -> Result<Vec<u8>, Error> {
    let submission = &stored.application.submission;
    let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let said = match place {
        None => submission.purpose.wanted().map(|wanted| wanted.picture_sm3),
        Some(place) => submission.documents.get(place).copied(),
    };
    let sql = "SELECT octets FROM seal_application_files WHERE application = $1 AND number = $2";
    let found = fetch_optional!(tx, (Vec<u8>,), sql, stored.id.as_str(), number)?;
    let wrong = || tx.integrity.refuse(FILES, &approval_name(stored.id.as_str(), number));
    found.map(|(octets,)| octets).filter(|octets| said == Some(sm3(octets))).ok_or_else(wrong)
}

/// Keeps the next state of an application with the approvals that are new in it; gives it with its next version. What was
/// asked for never changes.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `stored`; [`Error::Conflict`] for an officer or a key that
/// approved before.
pub async fn update(tx: &mut Tx<'_>, stored: &StoredApplication) -> Result<StoredApplication, Error> {
    let next = StoredApplication { version: stored.version.saturating_add(1), ..stored.clone() };
    let mut approvals = approvals_of(tx, next.id.as_str()).await?;
    for approval in next.application.approvals().iter().skip(approvals.len()) {
        approvals.push(approval.clone());
        let number = i64::try_from(approvals.len()).unwrap_or(i64::MAX);
        insert_approval(tx, &next.id, number, approval).await?;
    }
    let row = Row::of(tx, &next, &approvals)?;
    let sql = "UPDATE seal_applications SET state = $1, since = $2, checked_by = $3, checked_key_sm3 = $4, \
               checked_at = $5, check_signature = $6, ended_by = $7, ended_key_sm3 = $8, end_signature = $9, \
               reason = $10, explanation = $11, result_sm3 = $12, version = $13, integrity = $14 \
               WHERE id = $15 AND version = $16";
    let rows = execute!(
        tx,
        sql,
        row.state,
        row.since,
        row.checked_by,
        row.checked_key_sm3,
        row.checked_at,
        row.check_signature,
        row.ended_by,
        row.ended_key_sm3,
        row.end_signature,
        row.reason,
        row.explanation,
        row.result_sm3,
        row.version,
        row.integrity,
        row.id,
        stored.version
    )?;
    match rows {
        1 => {
            newest::keep(tx, TABLE, next.id.as_str(), next.version).await?;
            Ok(next)
        }
        _ => Err(Error::Stale { table: TABLE, row: next.id.to_string() }),
    }
}

async fn insert_approval(
    tx: &mut Tx<'_>,
    application: &ApplicationId,
    number: i64,
    approval: &Approval,
) -> Result<(), Error> {
    let name = approval_name(application.as_str(), number);
    let content = approval_content(approval);
    let integrity = tx.integrity.over(APPROVALS, &name, 1, &content.each_ref().map(Vec::as_slice))?;
    let sql = "INSERT INTO seal_application_approvals (application, number, officer, key_sm3, signature, at, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (application, officer, at) = (application.as_str(), approval.hand.officer.as_str(), approval.at.unix());
    let (key, signature) = (&approval.hand.key_sm3[..], &approval.signature[..]);
    execute!(tx, sql, application, number, officer, key, signature, at, integrity).map(|_| ())
}

/// Applications in that state, or in any, in the order of their names, from the one behind `after` on, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn search(
    tx: &mut Tx<'_>,
    state: Option<&str>,
    after: Option<&ApplicationId>,
    limit: i64,
) -> Result<Vec<StoredApplication>, Error> {
    let sql = select!(
        "WHERE (CAST($1 AS TEXT) IS NULL OR state = $1) AND (CAST($2 AS TEXT) IS NULL OR id > $2) ORDER BY id LIMIT $3"
    );
    let rows = fetch_all!(tx, Row, sql, state, after.map(ApplicationId::as_str), limit)?;
    entities(tx, rows).await
}

/// Applications that have not ended and did not move since that moment, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn waiting_since(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<Vec<StoredApplication>, Error> {
    let sql = select!("WHERE state IN ('submitted', 'checked', 'approved') AND since < $1 ORDER BY since LIMIT $2");
    let rows = fetch_all!(tx, Row, sql, before.unix(), limit)?;
    entities(tx, rows).await
}
