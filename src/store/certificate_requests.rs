//! Rows of requests for certificates, with the approvals that officers signed. They say who may have a certificate, so
//! each carries an integrity value: that of a request covers its approvals too.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::id::{ApplicationId, AuthorityId, CallerId};
use crate::domain::ca::request::{
    Approval, CertificateRequest, Hand, RefusalReason, RequestState, Submission, WithdrawalReason,
};
use crate::store::integrity::optional;
use crate::store::sql::{execute, fetch_all, fetch_optional};
use crate::store::{Error, Tx};

const TABLE: &str = "certificate_requests";
const APPROVALS: &str = "request_approvals";

/// Who compared a request with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheck {
    /// Who.
    pub by: Hand,
    /// When.
    pub at: Timestamp,
    /// The signature over the statement.
    pub signature: Vec<u8>,
}

/// A request for a certificate, with what officers signed on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    /// Its name here.
    pub id: ApplicationId,
    /// What was asked for, and where it stands.
    pub request: CertificateRequest,
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

/// The columns, as the database holds them.
struct Row {
    id: String,
    nonce: Vec<u8>,
    authority: String,
    profile: String,
    subject: Vec<u8>,
    alternative_names: Vec<u8>,
    public_key: Vec<u8>,
    not_after: Option<i64>,
    encryption_profile: Option<String>,
    evidence_sm3: Vec<u8>,
    applicant: String,
    applicant_key_sm3: Vec<u8>,
    submitted_at: i64,
    csr: Vec<u8>,
    submission_signature: Vec<u8>,
    state: String,
    since: i64,
    checked_by: Option<String>,
    checked_key_sm3: Option<Vec<u8>>,
    checked_at: Option<i64>,
    check_signature: Option<Vec<u8>>,
    ended_by: Option<String>,
    ended_key_sm3: Option<Vec<u8>>,
    end_signature: Option<Vec<u8>>,
    reason: Option<String>,
    explanation: Option<String>,
    certificate_sm3: Option<Vec<u8>>,
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
            nonce: row.try_get("nonce")?,
            authority: row.try_get("authority")?,
            profile: row.try_get("profile")?,
            subject: row.try_get("subject")?,
            alternative_names: row.try_get("alternative_names")?,
            public_key: row.try_get("public_key")?,
            not_after: row.try_get("not_after")?,
            encryption_profile: row.try_get("encryption_profile")?,
            evidence_sm3: row.try_get("evidence_sm3")?,
            applicant: row.try_get("applicant")?,
            applicant_key_sm3: row.try_get("applicant_key_sm3")?,
            submitted_at: row.try_get("submitted_at")?,
            csr: row.try_get("csr")?,
            submission_signature: row.try_get("submission_signature")?,
            state: row.try_get("state")?,
            since: row.try_get("since")?,
            checked_by: row.try_get("checked_by")?,
            checked_key_sm3: row.try_get("checked_key_sm3")?,
            checked_at: row.try_get("checked_at")?,
            check_signature: row.try_get("check_signature")?,
            ended_by: row.try_get("ended_by")?,
            ended_key_sm3: row.try_get("ended_key_sm3")?,
            end_signature: row.try_get("end_signature")?,
            reason: row.try_get("reason")?,
            explanation: row.try_get("explanation")?,
            certificate_sm3: row.try_get("certificate_sm3")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

impl Row {
    /// The columns of a request, with the integrity value over them and over all its approvals.
    fn of(tx: &Tx<'_>, stored: &StoredRequest, approvals: &[Approval]) -> Result<Self, Error> {
        let submission = &stored.request.submission;
        let (mut ended, mut reason, mut certificate_sm3) = (None, None, None);
        match &stored.request.state {
            RequestState::Refused { by, reason: why, .. } => {
                ended = by.as_ref();
                reason = Some(why.name().to_owned());
            }
            RequestState::Withdrawn { reason: why, .. } => reason = Some(why.name().to_owned()),
            RequestState::Fulfilled { result_sm3: sm3, .. } => certificate_sm3 = Some(sm3.to_vec()),
            _ => {}
        }
        let check = stored.check.as_ref();
        let mut row = Self {
            id: stored.id.to_string(),
            nonce: submission.nonce.to_vec(),
            authority: submission.authority.to_string(),
            profile: submission.profile.clone(),
            subject: submission.subject.clone(),
            alternative_names: submission.alternative_names.clone(),
            public_key: submission.public_key.clone(),
            not_after: submission.not_after.map(Timestamp::unix),
            encryption_profile: submission.encryption_profile.clone(),
            evidence_sm3: submission.evidence_sm3.to_vec(),
            applicant: submission.applicant.officer.to_string(),
            applicant_key_sm3: submission.applicant.key_sm3.to_vec(),
            submitted_at: submission.submitted_at.unix(),
            csr: submission.csr.clone(),
            submission_signature: stored.submission_signature.clone(),
            state: stored.request.state_name().to_owned(),
            since: stored.request.since().unix(),
            checked_by: check.map(|check| check.by.officer.to_string()),
            checked_key_sm3: check.map(|check| check.by.key_sm3.to_vec()),
            checked_at: check.map(|check| check.at.unix()),
            check_signature: check.map(|check| check.signature.clone()),
            ended_by: ended.map(|hand| hand.officer.to_string()),
            ended_key_sm3: ended.map(|hand| hand.key_sm3.to_vec()),
            end_signature: stored.end_signature.clone(),
            reason,
            explanation: stored.explanation.clone(),
            certificate_sm3,
            version: stored.version,
            integrity: Vec::new(),
        };
        row.integrity = row.covered(approvals, |id, content| tx.integrity.over(TABLE, id, row.version, content))?;
        Ok(row)
    }

    /// The name and the content that the integrity value covers.
    fn covered<T>(&self, approvals: &[Approval], judge: impl FnOnce(&str, &[&[u8]]) -> T) -> T {
        let number = |value: Option<i64>| optional(value.map(i64::to_be_bytes).as_ref().map(|octets| &octets[..]));
        let octets = |value: &Option<Vec<u8>>| optional(value.as_deref());
        let text = |value: &Option<String>| optional(value.as_ref().map(String::as_bytes));
        let mut parts = vec![
            self.nonce.clone(),
            self.authority.as_bytes().to_vec(),
            self.profile.as_bytes().to_vec(),
            self.subject.clone(),
            self.alternative_names.clone(),
            self.public_key.clone(),
            number(self.not_after),
            self.evidence_sm3.clone(),
            self.applicant.as_bytes().to_vec(),
            self.applicant_key_sm3.clone(),
            self.submitted_at.to_be_bytes().to_vec(),
            self.csr.clone(),
            self.submission_signature.clone(),
            self.state.as_bytes().to_vec(),
            self.since.to_be_bytes().to_vec(),
            text(&self.checked_by),
            octets(&self.checked_key_sm3),
            number(self.checked_at),
            octets(&self.check_signature),
            text(&self.ended_by),
            octets(&self.ended_key_sm3),
            octets(&self.end_signature),
            text(&self.reason),
            text(&self.explanation),
            octets(&self.certificate_sm3),
        ];
        // Rows from before there were requests for pairs have no such part; approvals have four parts each.
        parts.extend(self.encryption_profile.as_ref().map(|profile| profile.as_bytes().to_vec()));
        parts.extend(approvals.iter().flat_map(approval_content));
        judge(&self.id, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn entity(self, tx: &Tx<'_>, approvals: Vec<Approval>) -> Result<StoredRequest, Error> {
        let content =
            |id: &str, content: &[&[u8]]| tx.integrity.check(TABLE, id, self.version, content, &self.integrity);
        self.covered(&approvals, content)?;
        let wrong = Error::Inconsistent { table: TABLE, row: self.id.clone() };
        self.read(approvals).ok_or(wrong)
    }

    fn read(self, approvals: Vec<Approval>) -> Option<StoredRequest> {
        let submission = Submission {
            nonce: self.nonce.try_into().ok()?,
            authority: AuthorityId::parse(&self.authority).ok()?,
            profile: self.profile,
            subject: self.subject,
            alternative_names: self.alternative_names,
            public_key: self.public_key,
            not_after: self.not_after.map(Timestamp::from_unix),
            encryption_profile: self.encryption_profile,
            csr: self.csr,
            evidence_sm3: self.evidence_sm3.try_into().ok()?,
            applicant: hand(&self.applicant, self.applicant_key_sm3)?,
            submitted_at: Timestamp::from_unix(self.submitted_at),
        };
        let check = match (self.checked_by, self.checked_key_sm3, self.checked_at, self.check_signature) {
            (None, None, None, None) => None,
            (Some(by), Some(key), Some(at), Some(signature)) => {
                Some(StoredCheck { by: hand(&by, key)?, at: Timestamp::from_unix(at), signature })
            }
            _ => return None,
        };
        let ended = match (self.ended_by, self.ended_key_sm3) {
            (None, None) => None,
            (Some(by), Some(key)) => Some(hand(&by, key)?),
            _ => return None,
        };
        let at = Timestamp::from_unix(self.since);
        let state = match (self.state.as_str(), &check, self.reason.as_deref(), self.certificate_sm3) {
            ("submitted", None, None, None) => RequestState::Submitted,
            ("checked", Some(check), None, None) => {
                RequestState::Checked { by: check.by.clone(), at: check.at, approvals }
            }
            ("approved", Some(check), None, None) => {
                RequestState::Approved { checked_by: check.by.clone(), approvals, at }
            }
            ("issued", Some(_), None, Some(sm3)) => {
                RequestState::Fulfilled { result_sm3: sm3.try_into().ok()?, approvals, at }
            }
            ("refused", _, Some(reason), None) => {
                RequestState::Refused { by: ended, reason: RefusalReason::from_name(reason)?, at }
            }
            ("withdrawn", _, Some(reason), None) => {
                RequestState::Withdrawn { reason: WithdrawalReason::from_name(reason)?, at }
            }
            _ => return None,
        };
        Some(StoredRequest {
            id: ApplicationId::parse(&self.id).ok()?,
            request: CertificateRequest { submission, state },
            submission_signature: self.submission_signature,
            check,
            end_signature: self.end_signature,
            explanation: self.explanation,
            version: self.version,
        })
    }
}

pub(in crate::store) fn hand(officer: &str, key_sm3: Vec<u8>) -> Option<Hand> {
    Some(Hand { officer: CallerId::parse(officer).ok()?, key_sm3: key_sm3.try_into().ok()? })
}

pub(in crate::store) fn approval_content(approval: &Approval) -> [Vec<u8>; 4] {
    [
        approval.hand.officer.as_str().as_bytes().to_vec(),
        approval.hand.key_sm3.to_vec(),
        approval.signature.clone(),
        approval.at.unix().to_be_bytes().to_vec(),
    ]
}

/// An approval's name under its integrity value and in errors.
fn approval_name(request: &str, number: i64) -> String {
    format!("{request}/{number}")
}

async fn approvals_of(tx: &mut Tx<'_>, request: &str) -> Result<Vec<Approval>, Error> {
    let sql = "SELECT number, officer, key_sm3, signature, at, integrity FROM request_approvals WHERE request = $1 \
               ORDER BY number";
    let rows = fetch_all!(tx, (i64, String, Vec<u8>, Vec<u8>, i64, Vec<u8>), sql, request)?;
    let mut approvals = Vec::with_capacity(rows.len());
    for (number, officer, key_sm3, signature, at, integrity) in rows {
        let name = approval_name(request, number);
        let wrong = || Error::Inconsistent { table: APPROVALS, row: name.clone() };
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
            "SELECT id, nonce, authority, profile, subject, alternative_names, public_key, not_after, ",
            "encryption_profile, evidence_sm3, applicant, applicant_key_sm3, submitted_at, csr, submission_signature, state, since, checked_by, ",
            "checked_key_sm3, checked_at, check_signature, ended_by, ended_key_sm3, end_signature, reason, explanation, ",
            "certificate_sm3, version, integrity FROM certificate_requests ",
            $where
        )
    };
}

/// Keeps a new request, as version 1 whatever it says. Only one that was just submitted is new.
///
/// # Errors
/// [`Error::Conflict`] when its name or its nonce is there already, or its authority or applicant is not.
pub async fn insert(tx: &mut Tx<'_>, stored: &StoredRequest) -> Result<(), Error> {
    let row = Row::of(tx, &StoredRequest { version: 1, ..stored.clone() }, &[])?;
    let sql = "INSERT INTO certificate_requests (id, nonce, authority, profile, subject, alternative_names, public_key, \
               not_after, evidence_sm3, applicant, applicant_key_sm3, submitted_at, csr, submission_signature, state, \
               since, encryption_profile, version, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 1, $18)";
    let done = execute!(
        tx,
        sql,
        row.id,
        row.nonce,
        row.authority,
        row.profile,
        row.subject,
        row.alternative_names,
        row.public_key,
        row.not_after,
        row.evidence_sm3,
        row.applicant,
        row.applicant_key_sm3,
        row.submitted_at,
        row.csr,
        row.submission_signature,
        row.state,
        row.since,
        row.encryption_profile,
        row.integrity
    );
    done.map(|_| ())
}

/// Notes the number of the event of a request's submission.
///
/// # Errors
/// The database's.
pub async fn note_submission(tx: &mut Tx<'_>, id: &ApplicationId, event: i64) -> Result<(), Error> {
    let sql = "UPDATE certificate_requests SET submission_event = $2 WHERE id = $1";
    execute!(tx, sql, id.as_str(), event).map(|_| ())
}

/// The number of the event of a request's submission; nothing where it was not noted. No integrity value covers it: the
/// event itself says of which request it is.
///
/// # Errors
/// The database's.
pub async fn submission_event(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<Option<i64>, Error> {
    let sql = "SELECT submission_event FROM certificate_requests WHERE id = $1";
    let row = fetch_optional!(tx, (Option<i64>,), sql, id.as_str())?;
    Ok(row.and_then(|(event,)| event))
}

/// The request of that name.
///
/// # Errors
/// [`Error::Inconsistent`] for a row, or an approval, that is not as we wrote it; the database's.
pub async fn find(tx: &mut Tx<'_>, id: &ApplicationId) -> Result<Option<StoredRequest>, Error> {
    let Some(row) = fetch_optional!(tx, Row, select!("WHERE id = $1"), id.as_str())? else { return Ok(None) };
    let approvals = approvals_of(tx, &row.id).await?;
    row.entity(tx, approvals).map(Some)
}

/// The request with that nonce, which is its own.
///
/// # Errors
/// As [`find`].
pub async fn with_nonce(tx: &mut Tx<'_>, nonce: &[u8; 32]) -> Result<Option<StoredRequest>, Error> {
    let Some(row) = fetch_optional!(tx, Row, select!("WHERE nonce = $1"), &nonce[..])? else { return Ok(None) };
    let approvals = approvals_of(tx, &row.id).await?;
    row.entity(tx, approvals).map(Some)
}

/// Keeps the next state of a request with the approvals that are new in it; gives it with its next version. What was
/// asked for never changes.
///
/// # Errors
/// [`Error::Stale`] when the row is no longer at the version of `stored`; [`Error::Conflict`] for an officer or a key that
/// approved before.
pub async fn update(tx: &mut Tx<'_>, stored: &StoredRequest) -> Result<StoredRequest, Error> {
    let next = StoredRequest { version: stored.version.saturating_add(1), ..stored.clone() };
    let mut approvals = approvals_of(tx, next.id.as_str()).await?;
    for approval in next.request.approvals().iter().skip(approvals.len()) {
        approvals.push(approval.clone());
        let number = i64::try_from(approvals.len()).unwrap_or(i64::MAX);
        insert_approval(tx, &next.id, number, approval).await?;
    }
    let row = Row::of(tx, &next, &approvals)?;
    let sql = "UPDATE certificate_requests SET state = $1, since = $2, checked_by = $3, checked_key_sm3 = $4, \
               checked_at = $5, check_signature = $6, ended_by = $7, ended_key_sm3 = $8, end_signature = $9, \
               reason = $10, explanation = $11, certificate_sm3 = $12, version = $13, integrity = $14 \
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
        row.certificate_sm3,
        row.version,
        row.integrity,
        row.id,
        stored.version
    )?;
    match rows {
        1 => Ok(next),
        _ => Err(Error::Stale { table: TABLE, row: next.id.to_string() }),
    }
}

async fn insert_approval(
    tx: &mut Tx<'_>,
    request: &ApplicationId,
    number: i64,
    approval: &Approval,
) -> Result<(), Error> {
    let (name, content) = (approval_name(request.as_str(), number), approval_content(approval));
    let integrity = tx.integrity.over(APPROVALS, &name, 1, &content.each_ref().map(Vec::as_slice))?;
    let sql = "INSERT INTO request_approvals (request, number, officer, key_sm3, signature, at, integrity) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (request, officer, at) = (request.as_str(), approval.hand.officer.as_str(), approval.at.unix());
    let (key, signature) = (&approval.hand.key_sm3[..], &approval.signature[..]);
    execute!(tx, sql, request, number, officer, key, signature, at, integrity).map(|_| ())
}

/// Requests in that state, or in any, in the order of their names, from the one behind `after` on, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn search(
    tx: &mut Tx<'_>,
    state: Option<&str>,
    after: Option<&ApplicationId>,
    limit: i64,
) -> Result<Vec<StoredRequest>, Error> {
    let sql = select!(
        "WHERE (CAST($1 AS TEXT) IS NULL OR state = $1) AND (CAST($2 AS TEXT) IS NULL OR id > $2) ORDER BY id LIMIT $3"
    );
    let rows = fetch_all!(tx, Row, sql, state, after.map(ApplicationId::as_str), limit)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let approvals = approvals_of(tx, &row.id).await?;
        found.push(row.entity(tx, approvals)?);
    }
    Ok(found)
}

/// Requests that have not ended and did not move since that moment, at most `limit`.
///
/// # Errors
/// As [`find`].
pub async fn waiting_since(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<Vec<StoredRequest>, Error> {
    let sql = select!("WHERE state IN ('submitted', 'checked', 'approved') AND since < $1 ORDER BY since LIMIT $2");
    let rows = fetch_all!(tx, Row, sql, before.unix(), limit)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let approvals = approvals_of(tx, &row.id).await?;
        found.push(row.entity(tx, approvals)?);
    }
    Ok(found)
}

/// Forgets requests that ended before that moment, at most `limit`; gives how many. One whose certificate is on record
/// stays as long as the certificate does.
///
/// # Errors
/// The database's.
pub async fn forget_ended(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<u64, Error> {
    let sql = "DELETE FROM certificate_requests WHERE id IN \
               (SELECT old.id FROM certificate_requests AS old WHERE old.since < $1 \
               AND old.state IN ('issued', 'refused', 'withdrawn') AND NOT EXISTS \
               (SELECT 1 FROM issued_certificates AS kept WHERE kept.sm3 = old.certificate_sm3) \
               ORDER BY old.since LIMIT $2)";
    execute!(tx, sql, before.unix(), limit)
}
