//! The columns of an application, and the way between them and what they mean.

use sqlx::{ColumnIndex, Database, Decode, FromRow, Type};

use crate::base::clock::Timestamp;
use crate::base::credit_code::CreditCode;
use crate::base::division::Division;
use crate::base::id::{ApplicationId, AuthorityId, CallerId, KeyId, SealId};
use crate::domain::audit::RevocationReason;
use crate::domain::officer::Approval;
use crate::domain::officer::request::{RefusalReason, RequestState, Submitted as _, WithdrawalReason};
use crate::domain::seal::application::{
    Holder, Maker, Purpose, SealApplication, SealForm, SealSubmission, SignerKey, SignerList, Wanted,
};
use crate::domain::seal::code::FilingNumber;
use crate::store::certificate_requests::{StoredCheck, approval_content, hand};
use crate::store::integrity::optional;
use crate::store::seal_applications::{StoredApplication, TABLE};
use crate::store::{Error, Tx};

/// The columns, as the database holds them.
#[derive(Default)]
pub(in crate::store::seal_applications) struct Row {
    pub(in crate::store::seal_applications) id: String,
    pub(in crate::store::seal_applications) nonce: Vec<u8>,
    pub(in crate::store::seal_applications) purpose: String,
    pub(in crate::store::seal_applications) seal: Option<String>,
    pub(in crate::store::seal_applications) seal_reason: Option<String>,
    pub(in crate::store::seal_applications) kind: Option<i64>,
    pub(in crate::store::seal_applications) name: Option<String>,
    pub(in crate::store::seal_applications) credit_code: Option<String>,
    pub(in crate::store::seal_applications) holder: Option<String>,
    pub(in crate::store::seal_applications) holder_division: Option<String>,
    pub(in crate::store::seal_applications) keeper: Option<String>,
    pub(in crate::store::seal_applications) picture_sm3: Option<Vec<u8>>,
    pub(in crate::store::seal_applications) width: Option<i64>,
    pub(in crate::store::seal_applications) height: Option<i64>,
    pub(in crate::store::seal_applications) form: Option<String>,
    pub(in crate::store::seal_applications) list: Option<String>,
    pub(in crate::store::seal_applications) signer_key: Option<String>,
    pub(in crate::store::seal_applications) csr: Option<Vec<u8>>,
    pub(in crate::store::seal_applications) authority: Option<String>,
    pub(in crate::store::seal_applications) profile: Option<String>,
    pub(in crate::store::seal_applications) days: Option<i64>,
    pub(in crate::store::seal_applications) filing: Option<String>,
    pub(in crate::store::seal_applications) division: String,
    pub(in crate::store::seal_applications) documents: Vec<u8>,
    pub(in crate::store::seal_applications) applicant: String,
    pub(in crate::store::seal_applications) applicant_key_sm3: Vec<u8>,
    pub(in crate::store::seal_applications) submitted_at: i64,
    pub(in crate::store::seal_applications) submission_signature: Vec<u8>,
    pub(in crate::store::seal_applications) state: String,
    pub(in crate::store::seal_applications) since: i64,
    pub(in crate::store::seal_applications) checked_by: Option<String>,
    pub(in crate::store::seal_applications) checked_key_sm3: Option<Vec<u8>>,
    pub(in crate::store::seal_applications) checked_at: Option<i64>,
    pub(in crate::store::seal_applications) check_signature: Option<Vec<u8>>,
    pub(in crate::store::seal_applications) ended_by: Option<String>,
    pub(in crate::store::seal_applications) ended_key_sm3: Option<Vec<u8>>,
    pub(in crate::store::seal_applications) end_signature: Option<Vec<u8>>,
    pub(in crate::store::seal_applications) reason: Option<String>,
    pub(in crate::store::seal_applications) explanation: Option<String>,
    pub(in crate::store::seal_applications) result_sm3: Option<Vec<u8>>,
    pub(in crate::store::seal_applications) version: i64,
    pub(in crate::store::seal_applications) integrity: Vec<u8>,
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
            purpose: row.try_get("purpose")?,
            seal: row.try_get("seal")?,
            seal_reason: row.try_get("seal_reason")?,
            kind: row.try_get("kind")?,
            name: row.try_get("name")?,
            credit_code: row.try_get("credit_code")?,
            holder: row.try_get("holder")?,
            holder_division: row.try_get("holder_division")?,
            keeper: row.try_get("keeper")?,
            picture_sm3: row.try_get("picture_sm3")?,
            width: row.try_get("width")?,
            height: row.try_get("height")?,
            form: row.try_get("form")?,
            list: row.try_get("list")?,
            signer_key: row.try_get("signer_key")?,
            csr: row.try_get("csr")?,
            authority: row.try_get("authority")?,
            profile: row.try_get("profile")?,
            days: row.try_get("days")?,
            filing: row.try_get("filing")?,
            division: row.try_get("division")?,
            documents: row.try_get("documents")?,
            applicant: row.try_get("applicant")?,
            applicant_key_sm3: row.try_get("applicant_key_sm3")?,
            submitted_at: row.try_get("submitted_at")?,
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
            result_sm3: row.try_get("result_sm3")?,
            version: row.try_get("version")?,
            integrity: row.try_get("integrity")?,
        })
    }
}

/// What the integrity value covers: what was asked for in its one encoding, every column of its way, and all approvals.
fn covered<T>(stored: &StoredApplication, approvals: &[Approval], judge: impl FnOnce(&[&[u8]]) -> T) -> T {
    let application = &stored.application;
    let number = |value: i64| value.to_be_bytes().to_vec();
    let (mut ended, mut reason, mut result) = (None, None, None);
    match &application.state {
        RequestState::Refused { by, reason: why, .. } => {
            ended = by.as_ref();
            reason = Some(why.name());
        }
        RequestState::Withdrawn { reason: why, .. } => reason = Some(why.name()),
        RequestState::Fulfilled { result_sm3, .. } => result = Some(&result_sm3[..]),
        _ => {}
    }
    let check = stored.check.as_ref();
    let checked_at = check.map(|check| number(check.at.unix()));
    let mut parts = vec![
        application.submission.to_approve(),
        stored.submission_signature.clone(),
        application.state_name().as_bytes().to_vec(),
        number(application.since().unix()),
        optional(check.map(|check| check.by.officer.as_str().as_bytes())),
        optional(check.map(|check| &check.by.key_sm3[..])),
        optional(checked_at.as_deref()),
        optional(check.map(|check| &check.signature[..])),
        optional(ended.map(|hand| hand.officer.as_str().as_bytes())),
        optional(ended.map(|hand| &hand.key_sm3[..])),
        optional(stored.end_signature.as_deref()),
        optional(reason.map(str::as_bytes)),
        optional(stored.explanation.as_ref().map(String::as_bytes)),
        optional(result),
    ];
    parts.extend(approvals.iter().flat_map(approval_content));
    judge(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

impl Row {
    /// The columns of an application, with the integrity value over them and over all its approvals.
    pub(in crate::store::seal_applications) fn of(
        tx: &Tx<'_>,
        stored: &StoredApplication,
        approvals: &[Approval],
    ) -> Result<Self, Error> {
        let submission = &stored.application.submission;
        let (mut ended, mut reason, mut result_sm3) = (None, None, None);
        match &stored.application.state {
            RequestState::Refused { by, reason: why, .. } => {
                ended = by.as_ref();
                reason = Some(why.name().to_owned());
            }
            RequestState::Withdrawn { reason: why, .. } => reason = Some(why.name().to_owned()),
            RequestState::Fulfilled { result_sm3: sm3, .. } => result_sm3 = Some(sm3.to_vec()),
            _ => {}
        }
        let check = stored.check.as_ref();
        let seal_reason = match &submission.purpose {
            Purpose::Revoke { reason, .. } => Some(reason.name().to_owned()),
            _ => None,
        };
        let integrity = |content: &[&[u8]]| tx.integrity.over(TABLE, stored.id.as_str(), stored.version, content);
        let row = Self {
            id: stored.id.to_string(),
            nonce: submission.nonce.to_vec(),
            purpose: submission.purpose.name().to_owned(),
            seal: submission.purpose.seal().map(ToString::to_string),
            seal_reason,
            division: submission.division.code(),
            documents: submission.documents.concat(),
            applicant: submission.applicant.officer.to_string(),
            applicant_key_sm3: submission.applicant.key_sm3.to_vec(),
            submitted_at: submission.submitted_at.unix(),
            submission_signature: stored.submission_signature.clone(),
            state: stored.application.state_name().to_owned(),
            since: stored.application.since().unix(),
            checked_by: check.map(|check| check.by.officer.to_string()),
            checked_key_sm3: check.map(|check| check.by.key_sm3.to_vec()),
            checked_at: check.map(|check| check.at.unix()),
            check_signature: check.map(|check| check.signature.clone()),
            ended_by: ended.map(|hand| hand.officer.to_string()),
            ended_key_sm3: ended.map(|hand| hand.key_sm3.to_vec()),
            end_signature: stored.end_signature.clone(),
            reason,
            explanation: stored.explanation.clone(),
            result_sm3,
            version: stored.version,
            integrity: covered(stored, approvals, integrity)?,
            ..Self::default()
        };
        Ok(match submission.purpose.wanted() {
            Some(wanted) => row.with(wanted),
            None => row,
        })
    }

    fn with(self, wanted: &Wanted) -> Self {
        let (signer_key, csr) = match &wanted.key {
            SignerKey::Ours(key) => (Some(key.to_string()), None),
            SignerKey::Clients { csr } => (None, Some(csr.clone())),
        };
        Self {
            kind: Some(wanted.kind.into()),
            name: Some(wanted.name.clone()),
            credit_code: Some(wanted.holder.credit_code.as_str().to_owned()),
            holder: Some(wanted.holder.name.clone()),
            holder_division: Some(wanted.holder.division.code()),
            keeper: Some(wanted.keeper.to_string()),
            picture_sm3: Some(wanted.picture_sm3.to_vec()),
            width: Some(wanted.size_mm.0.into()),
            height: Some(wanted.size_mm.1.into()),
            form: Some(wanted.form.name().to_owned()),
            list: Some(wanted.list.name().to_owned()),
            signer_key,
            csr,
            authority: match &wanted.maker {
                Maker::Own(authority) => Some(authority.to_string()),
                Maker::National => None,
            },
            profile: Some(wanted.profile.clone()),
            days: Some(wanted.days.into()),
            filing: wanted.filing.as_ref().map(ToString::to_string),
            ..self
        }
    }

    pub(in crate::store::seal_applications) fn entity(
        self,
        tx: &Tx<'_>,
        approvals: Vec<Approval>,
    ) -> Result<StoredApplication, Error> {
        let (id, version, integrity) = (self.id.clone(), self.version, self.integrity.clone());
        let wrong = || tx.integrity.refuse(TABLE, &id);
        let stored = self.read(approvals.clone()).ok_or_else(wrong)?;
        covered(&stored, &approvals, |content| tx.integrity.check(TABLE, &id, version, content, &integrity))?;
        Ok(stored)
    }

    fn read(mut self, approvals: Vec<Approval>) -> Option<StoredApplication> {
        let purpose = self.purpose()?;
        let (documents, rest) = self.documents.as_chunks::<32>();
        if !rest.is_empty() {
            return None;
        }
        let submission = SealSubmission {
            nonce: self.nonce.try_into().ok()?,
            purpose,
            division: Division::parse(&self.division).ok()?,
            documents: documents.to_vec(),
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
        let state = match (self.state.as_str(), &check, self.reason.as_deref(), self.result_sm3) {
            ("submitted", None, None, None) => RequestState::Submitted,
            ("checked", Some(check), None, None) => {
                RequestState::Checked { by: check.by.clone(), at: check.at, approvals }
            }
            ("approved", Some(check), None, None) => {
                RequestState::Approved { checked_by: check.by.clone(), approvals, at }
            }
            ("fulfilled", Some(_), None, Some(sm3)) => {
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
        Some(StoredApplication {
            id: ApplicationId::parse(&self.id).ok()?,
            application: SealApplication { submission, state },
            submission_signature: self.submission_signature,
            check,
            end_signature: self.end_signature,
            explanation: self.explanation,
            version: self.version,
        })
    }

    /// What is asked for; takes the columns from `kind` to `filing`.
    fn purpose(&mut self) -> Option<Purpose> {
        let seal = self.seal.take().map(|seal| SealId::parse(&seal)).transpose().ok()?;
        let reason = self.seal_reason.take();
        match (self.purpose.as_str(), seal, reason) {
            ("make", None, None) => Some(Purpose::Make(Box::new(self.wanted()?))),
            ("replace", Some(seal), None) => Some(Purpose::Replace { seal, wanted: Box::new(self.wanted()?) }),
            ("resume", Some(seal), None) => Some(Purpose::Resume { seal }),
            ("revoke", Some(seal), Some(reason)) => {
                Some(Purpose::Revoke { seal, reason: RevocationReason::from_name(&reason)? })
            }
            _ => None,
        }
    }

    fn wanted(&mut self) -> Option<Wanted> {
        let key = match (self.signer_key.take(), self.csr.take()) {
            (Some(key), None) => SignerKey::Ours(KeyId::parse(&key).ok()?),
            (None, Some(csr)) => SignerKey::Clients { csr },
            _ => return None,
        };
        Some(Wanted {
            kind: u8::try_from(self.kind?).ok()?,
            name: self.name.take()?,
            holder: Holder {
                credit_code: CreditCode::parse(self.credit_code.as_deref()?).ok()?,
                name: self.holder.take()?,
                division: Division::parse(self.holder_division.as_deref()?).ok()?,
            },
            keeper: CallerId::parse(self.keeper.as_deref()?).ok()?,
            picture_sm3: self.picture_sm3.take()?.try_into().ok()?,
            size_mm: (u16::try_from(self.width?).ok()?, u16::try_from(self.height?).ok()?),
            form: SealForm::from_name(self.form.as_deref()?)?,
            list: SignerList::from_name(self.list.as_deref()?)?,
            key,
            // What was approved says which it is, and the integrity value covers that: one cannot be made of the other.
            maker: match self.authority.as_deref() {
                Some(authority) => Maker::Own(AuthorityId::parse(authority).ok()?),
                None => Maker::National,
            },
            profile: self.profile.take()?,
            days: u32::try_from(self.days?).ok()?,
            filing: self.filing.as_deref().map(FilingNumber::parse).transpose().ok()?,
        })
    }
}
