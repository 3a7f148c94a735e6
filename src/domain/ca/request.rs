//! Requests for certificates on their way: submitted, checked, approved by others than the applicant, then issued, refused
//! or withdrawn.
//!
//! An approval is an officer's signature over the request in its canonical encoding. It is kept and can be verified again at
//! any time; a name in an argument approves nothing.

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, CallerId};
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::sm3;
use crate::domain::key::named;
use crate::domain::trust::key::subject_public_key_info;
use crate::format::der::Writer;

named! {
    /// What an officer may do with requests.
    OfficerRole {
        /// Enters requests for others (录入).
        Applicant = 1, "applicant";
        /// Compares a request with its evidence (审核).
        Checker = 2, "checker";
        /// Decides (审批).
        Approver = 3, "approver";
    }
}

named! {
    /// Why a request was refused.
    RefusalReason {
        /// The evidence does not show what the request says.
        EvidenceInsufficient = 1, "evidence-insufficient";
        /// The request breaks a rule of its profile.
        ProfileViolated = 2, "profile-violated";
        /// The applicant has no right to it.
        NotEntitled = 3, "not-entitled";
        /// The key is weak or known to others.
        KeyRefused = 4, "key-refused";
        /// It waited too long.
        Lapsed = 5, "lapsed";
    }
}

named! {
    /// Why a request was withdrawn.
    WithdrawalReason {
        /// It contains an error.
        Mistaken = 1, "mistaken";
        /// It is not needed any more.
        NotNeeded = 2, "not-needed";
        /// Another request stands in its place.
        Replaced = 3, "replaced";
    }
}

/// An officer, with a registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Officer {
    /// Who.
    pub id: CallerId,
    /// In which role now.
    pub role: OfficerRole,
    /// The registered key.
    pub key: PublicKey,
    /// How that key signs.
    pub algorithm: SignatureAlgorithm,
}

impl Officer {
    /// SM3 of the key's SubjectPublicKeyInfo: two officers with one key are one officer.
    #[must_use]
    pub fn key_sm3(&self) -> [u8; 32] {
        sm3(&subject_public_key_info(&self.key))
    }
}

/// Who did something, by id and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hand {
    /// Who.
    pub officer: CallerId,
    /// SM3 of the key.
    pub key_sm3: [u8; 32],
}

impl Hand {
    /// This officer, with the key registered now.
    #[must_use]
    pub fn of(officer: &Officer) -> Self {
        Self { officer: officer.id.clone(), key_sm3: officer.key_sm3() }
    }

    /// One person cannot be two: neither by id nor by key.
    pub(in crate::domain::ca) fn is_same(&self, other: &Self) -> bool {
        self.officer == other.officer || self.key_sm3 == other.key_sm3
    }
}

/// What was asked for; it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The request's own random number: no approval fits another request.
    pub nonce: [u8; 32],
    /// Who shall issue.
    pub authority: AuthorityId,
    /// The profile's name.
    pub profile: String,
    /// The subject's name as it will be written, DER.
    pub subject: Vec<u8>,
    /// The value of subjectAltName, DER; empty where there is none.
    pub alternative_names: Vec<u8>,
    /// The subject's SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// End of validity that was asked for.
    pub not_after: Option<Timestamp>,
    /// Where a pair is asked for: the profile of its encryption certificate.
    pub encryption_profile: Option<String>,
    /// The request of PKCS#10, DER: it proves that the subject holds the key, and numbers of identity stand in it.
    pub csr: Vec<u8>,
    /// SM3 of the evidence on file.
    pub evidence_sm3: [u8; 32],
    /// Who submitted it.
    pub applicant: Hand,
    /// When.
    pub submitted_at: Timestamp,
}

impl Submission {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 3;

    /// The octets that an officer signs to approve: one encoding for one request, for ever.
    ///
    /// `Approval ::= SEQUENCE { domain UTF8String ("yinxin certificate request approval"), version INTEGER, nonce OCTET
    /// STRING, authority UTF8String, profile UTF8String, subject OCTET STRING, subjectAltName OCTET STRING, subjectPublicKeyInfo OCTET STRING,
    /// notAfter [0] EXPLICIT GeneralizedTime OPTIONAL, csr OCTET STRING (SM3 of it), evidence OCTET STRING, applicant
    /// UTF8String, applicantKey OCTET STRING, encryptionProfile [1] EXPLICIT UTF8String OPTIONAL, submitted GeneralizedTime }`,
    /// all of it DER.
    ///
    /// Who signs this approves the numbers of identity in the request of PKCS#10 too.
    #[must_use]
    pub fn to_approve(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            self.write_fields(fields, "yinxin certificate request approval");
            fields.generalized_time(self.submitted_at);
        });
        writer.into_bytes()
    }

    /// The octets that the applicant signs to submit: what [`Self::to_approve`] says under another domain, `yinxin
    /// certificate request submission`, and without the time, which is ours to tell.
    #[must_use]
    pub fn to_submit(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| self.write_fields(fields, "yinxin certificate request submission"));
        writer.into_bytes()
    }

    fn write_fields(&self, fields: &mut Writer, domain: &str) {
        fields.utf8(domain).small(Self::VERSION);
        fields.octet_string(&self.nonce).utf8(self.authority.as_str()).utf8(&self.profile);
        fields.octet_string(&self.subject).octet_string(&self.alternative_names).octet_string(&self.public_key);
        if let Some(end) = self.not_after {
            fields.context(0, |inner| {
                inner.generalized_time(end);
            });
        }
        fields.octet_string(&sm3(&self.csr)).octet_string(&self.evidence_sm3);
        fields.utf8(self.applicant.officer.as_str()).octet_string(&self.applicant.key_sm3);
        if let Some(profile) = &self.encryption_profile {
            fields.context(1, |inner| {
                inner.utf8(profile);
            });
        }
    }
}

/// An officer's signature over a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Whose.
    pub hand: Hand,
    /// The signature's value, of fixed width.
    pub signature: Vec<u8>,
    /// When it arrived.
    pub at: Timestamp,
}

impl Approval {
    /// Whether it is this officer's approval of this request.
    #[must_use]
    pub fn is_right(&self, submission: &Submission, officer: &Officer) -> bool {
        self.hand == Hand::of(officer)
            && officer.key.verify(officer.algorithm, &submission.to_approve(), &self.signature)
    }
}

/// How many approvals a request needs, in which role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalPolicy {
    /// How many officers, one at least.
    pub(in crate::domain::ca) how_many: usize,
    /// Their role.
    pub(in crate::domain::ca) role: OfficerRole,
}

/// A policy that asks nobody, or more officers than anybody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a policy asks for 1 to 16 approvals")]
pub struct InvalidPolicy;

impl ApprovalPolicy {
    /// One approver.
    pub const ONE: Self = Self { how_many: 1, role: OfficerRole::Approver };

    /// That many officers of that role.
    ///
    /// # Errors
    /// None, or more than 16.
    pub fn new(how_many: usize, role: OfficerRole) -> Result<Self, InvalidPolicy> {
        if (1..=16).contains(&how_many) { Ok(Self { how_many, role }) } else { Err(InvalidPolicy) }
    }
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestState {
    /// Waits for a check.
    Submitted,
    /// Compared with its evidence; gathers approvals.
    Checked {
        /// By whom.
        by: Hand,
        /// When.
        at: Timestamp,
        /// So far.
        approvals: Vec<Approval>,
    },
    /// Enough officers agree: a certificate may be issued.
    Approved {
        /// Who checked.
        checked_by: Hand,
        /// The approvals.
        approvals: Vec<Approval>,
        /// Since when.
        at: Timestamp,
    },
    /// The certificate is there.
    Issued {
        /// Its SM3.
        certificate_sm3: [u8; 32],
        /// The approvals.
        approvals: Vec<Approval>,
        /// When.
        at: Timestamp,
    },
    /// Somebody said no, or it waited too long.
    Refused {
        /// Who; nobody where it lapsed.
        by: Option<Hand>,
        /// Why.
        reason: RefusalReason,
        /// When.
        at: Timestamp,
    },
    /// The applicant took it back.
    Withdrawn {
        /// Why.
        reason: WithdrawalReason,
        /// When.
        at: Timestamp,
    },
}

/// What a step tells the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestEvent {
    /// Checked.
    Checked {
        /// By whom.
        by: CallerId,
    },
    /// One officer agrees.
    Approved {
        /// Who.
        by: CallerId,
        /// SM3 of the signature.
        signature_sm3: [u8; 32],
        /// Whether this was the last that was needed.
        complete: bool,
    },
    /// Issued.
    Issued {
        /// SM3 of the certificate.
        certificate_sm3: [u8; 32],
    },
    /// Refused.
    Refused {
        /// By whom; nobody where it lapsed.
        by: Option<CallerId>,
        /// Why.
        reason: RefusalReason,
    },
    /// Withdrawn.
    Withdrawn {
        /// Why.
        reason: WithdrawalReason,
    },
}

/// Why a step is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepRefused {
    /// From that state there is no such step.
    #[error("a request that is {from} cannot be {attempt}")]
    State {
        /// The state's name.
        from: &'static str,
        /// `checked`, `approved`, `issued`, `refused` or `withdrawn`.
        attempt: &'static str,
    },
    /// The officer's role is another.
    #[error("an officer in the role {found} cannot do what {needed} does")]
    Role {
        /// The officer's.
        found: OfficerRole,
        /// What is needed.
        needed: OfficerRole,
    },
    /// The applicant would judge the own request.
    #[error("the applicant cannot judge the own request")]
    Applicant,
    /// The checker would approve as well.
    #[error("who checked a request does not approve it")]
    Checker,
    /// The officer, or the officer's key, approved already.
    #[error("this officer approved already")]
    Repeated,
    /// Only the applicant withdraws.
    #[error("only the applicant withdraws a request")]
    NotApplicant,
    /// The signature is not the officer's over this request.
    #[error("the signature is not this officer's over this request")]
    Signature,
    /// An officer who approved is none any more.
    #[error("an officer who approved is none any more")]
    ApproverGone,
    /// The signature is not the officer's over this step of this request.
    #[error("the signature is not this officer's over this step of the request")]
    StepSignature,
    /// Time alone lets a request lapse.
    #[error("time alone lets a request lapse")]
    LapsedByHand,
    /// It would happen before what happened last.
    #[error("the step is dated before the last one")]
    Backwards,
}

impl StepRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::State { .. } => "request-state",
            Self::Role { .. } => "officer-role",
            Self::Applicant => "approver-is-applicant",
            Self::Checker => "approver-is-checker",
            Self::Repeated => "approver-repeated",
            Self::NotApplicant => "not-applicant",
            Self::Signature => "approval-signature",
            Self::ApproverGone => "approver-gone",
            Self::StepSignature => "step-signature",
            Self::LapsedByHand => "lapsed-by-hand",
            Self::Backwards => "step-backdated",
        }
    }
}

/// A request on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// What was asked for.
    pub submission: Submission,
    /// Where it stands.
    pub state: RequestState,
}

type Step = Result<(CertificateRequest, RequestEvent), StepRefused>;

impl CertificateRequest {
    /// A new one.
    #[must_use]
    pub const fn new(submission: Submission) -> Self {
        Self { submission, state: RequestState::Submitted }
    }

    /// The state's stable name.
    #[must_use]
    pub const fn state_name(&self) -> &'static str {
        match self.state {
            RequestState::Submitted => "submitted",
            RequestState::Checked { .. } => "checked",
            RequestState::Approved { .. } => "approved",
            RequestState::Issued { .. } => "issued",
            RequestState::Refused { .. } => "refused",
            RequestState::Withdrawn { .. } => "withdrawn",
        }
    }

    /// When it last moved.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        match &self.state {
            RequestState::Submitted => self.submission.submitted_at,
            RequestState::Checked { at, approvals, .. } => approvals.last().map_or(*at, |approval| approval.at),
            RequestState::Approved { at, .. }
            | RequestState::Issued { at, .. }
            | RequestState::Refused { at, .. }
            | RequestState::Withdrawn { at, .. } => *at,
        }
    }

    /// An officer who is not the applicant has compared it with its evidence.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn check(self, officer: &Officer, now: Timestamp) -> Step {
        self.in_order(now)?;
        if self.state != RequestState::Submitted {
            return Err(self.no_way("checked"));
        }
        role(officer, OfficerRole::Checker)?;
        let by = self.judge(officer)?;
        let event = RequestEvent::Checked { by: officer.id.clone() };
        Ok((self.into(RequestState::Checked { by, at: now, approvals: Vec::new() }), event))
    }

    /// An officer agrees by a signature over [`Submission::to_approve`]; with the last one that the policy asks for the
    /// request is approved.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn approve(self, officer: &Officer, signature: &[u8], now: Timestamp, policy: ApprovalPolicy) -> Step {
        self.in_order(now)?;
        let RequestState::Checked { by, at, approvals } = &self.state else { return Err(self.no_way("approved")) };
        role(officer, policy.role)?;
        let hand = self.judge(officer)?;
        if by.is_same(&hand) {
            return Err(StepRefused::Checker);
        }
        if approvals.iter().any(|approval| approval.hand.is_same(&hand)) {
            return Err(StepRefused::Repeated);
        }
        let approval = Approval { hand, signature: signature.to_vec(), at: now };
        if !approval.is_right(&self.submission, officer) {
            return Err(StepRefused::Signature);
        }
        let (checked_by, checked_at, mut approvals) = (by.clone(), *at, approvals.clone());
        approvals.push(approval);
        let complete = approvals.len() >= policy.how_many;
        let event = RequestEvent::Approved { by: officer.id.clone(), signature_sm3: sm3(signature), complete };
        let state = if complete {
            RequestState::Approved { checked_by, approvals, at: now }
        } else {
            RequestState::Checked { by: checked_by, at: checked_at, approvals }
        };
        Ok((self.into(state), event))
    }

    /// Verifies every kept approval again, as the moment of issue demands: enough officers of the role, all different, each
    /// signature right. `officer` finds a registered officer.
    ///
    /// # Errors
    /// Why the request may not be issued.
    pub fn confirm<'a>(
        &self,
        policy: ApprovalPolicy,
        officer: impl Fn(&CallerId) -> Option<&'a Officer>,
    ) -> Result<(), StepRefused> {
        let RequestState::Approved { checked_by, approvals, .. } = &self.state else {
            return Err(self.no_way("issued"));
        };
        for (index, approval) in approvals.iter().enumerate() {
            let known = officer(&approval.hand.officer).ok_or(StepRefused::ApproverGone)?;
            role(known, policy.role)?;
            if approval.hand.is_same(&self.submission.applicant) {
                return Err(StepRefused::Applicant);
            }
            if approval.hand.is_same(checked_by) {
                return Err(StepRefused::Checker);
            }
            if approvals.iter().take(index).any(|other| other.hand.is_same(&approval.hand)) {
                return Err(StepRefused::Repeated);
            }
            if !approval.is_right(&self.submission, known) {
                return Err(StepRefused::Signature);
            }
        }
        if approvals.len() < policy.how_many {
            return Err(self.no_way("issued"));
        }
        Ok(())
    }

    /// The certificate was issued.
    ///
    /// # Errors
    /// The request is not approved.
    pub fn issued(self, certificate_sm3: [u8; 32], now: Timestamp) -> Step {
        self.in_order(now)?;
        let RequestState::Approved { approvals, .. } = &self.state else { return Err(self.no_way("issued")) };
        let state = RequestState::Issued { certificate_sm3, approvals: approvals.clone(), at: now };
        Ok((self.into(state), RequestEvent::Issued { certificate_sm3 }))
    }

    /// An officer who is not the applicant says no.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn refuse(self, officer: &Officer, reason: RefusalReason, now: Timestamp) -> Step {
        self.in_order(now)?;
        if !self.is_open() {
            return Err(self.no_way("refused"));
        }
        if officer.role == OfficerRole::Applicant {
            return Err(StepRefused::Role { found: officer.role, needed: OfficerRole::Checker });
        }
        if reason == RefusalReason::Lapsed {
            return Err(StepRefused::LapsedByHand);
        }
        let by = Some(self.judge(officer)?);
        let event = RequestEvent::Refused { by: Some(officer.id.clone()), reason };
        Ok((self.into(RequestState::Refused { by, reason, at: now }), event))
    }

    /// It waited too long, wherever it stands; how long is too long the caller knows.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn lapse(self, now: Timestamp) -> Step {
        self.in_order(now)?;
        if !self.is_open() {
            return Err(self.no_way("refused"));
        }
        let reason = RefusalReason::Lapsed;
        let event = RequestEvent::Refused { by: None, reason };
        Ok((self.into(RequestState::Refused { by: None, reason, at: now }), event))
    }

    /// The applicant takes it back.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn withdraw(self, officer: &Officer, reason: WithdrawalReason, now: Timestamp) -> Step {
        self.in_order(now)?;
        if !self.is_open() {
            return Err(self.no_way("withdrawn"));
        }
        if Hand::of(officer) != self.submission.applicant {
            return Err(StepRefused::NotApplicant);
        }
        Ok((self.into(RequestState::Withdrawn { reason, at: now }), RequestEvent::Withdrawn { reason }))
    }

    /// Whether anything can happen to it still.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, RequestState::Submitted | RequestState::Checked { .. } | RequestState::Approved { .. })
    }

    fn judge(&self, officer: &Officer) -> Result<Hand, StepRefused> {
        let hand = Hand::of(officer);
        if self.submission.applicant.is_same(&hand) { Err(StepRefused::Applicant) } else { Ok(hand) }
    }

    fn in_order(&self, now: Timestamp) -> Result<(), StepRefused> {
        if now < self.since() { Err(StepRefused::Backwards) } else { Ok(()) }
    }

    const fn no_way(&self, attempt: &'static str) -> StepRefused {
        StepRefused::State { from: self.state_name(), attempt }
    }

    fn into(self, state: RequestState) -> Self {
        Self { submission: self.submission, state }
    }
}

fn role(officer: &Officer, needed: OfficerRole) -> Result<(), StepRefused> {
    if officer.role == needed { Ok(()) } else { Err(StepRefused::Role { found: officer.role, needed }) }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::digest::hex;
    use crate::crypto::{Signer, sm2};

    const TWO: ApprovalPolicy = ApprovalPolicy { how_many: 2, role: OfficerRole::Approver };

    static KEYS: LazyLock<Vec<sm2::PrivateKey>> =
        LazyLock::new(|| (0..5).map(|_| sm2::PrivateKey::generate(&SystemRandom).unwrap()).collect());

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn id(number: usize) -> CallerId {
        CallerId::parse(&format!("caller-0198{number:04}-0000-7000-8000-000000000000")).unwrap()
    }

    fn officer(number: usize, key: usize, role: OfficerRole) -> Officer {
        let key = Signer::public_key(&KEYS[key]);
        Officer { id: id(number), role, key, algorithm: SignatureAlgorithm::Sm2Sm3 }
    }

    fn request() -> CertificateRequest {
        CertificateRequest::new(Submission {
            nonce: [7; 32],
            authority: AuthorityId::parse("officers").unwrap(),
            profile: "officer".into(),
            subject: vec![0x30, 0],
            alternative_names: Vec::new(),
            public_key: vec![1, 2, 3],
            not_after: None,
            encryption_profile: None,
            csr: vec![0x30, 1, 7],
            evidence_sm3: [9; 32],
            applicant: Hand::of(&officer(0, 0, OfficerRole::Applicant)),
            submitted_at: at(100),
        })
    }

    fn sign(request: &CertificateRequest, key: usize) -> Vec<u8> {
        KEYS[key].sign(&request.submission.to_approve(), &SystemRandom).unwrap()
    }

    #[test]
    fn two_others_approve_and_their_signatures_are_verified_again() {
        let checker = officer(1, 1, OfficerRole::Checker);
        let (first, second) = (officer(2, 2, OfficerRole::Approver), officer(3, 3, OfficerRole::Approver));
        let (request, event) = request().check(&checker, at(101)).unwrap();
        assert_eq!(event, RequestEvent::Checked { by: id(1) });
        let signature = sign(&request, 2);
        let (request, event) = request.approve(&first, &signature, at(102), TWO).unwrap();
        let signature_sm3 = sm3(&signature);
        assert_eq!(event, RequestEvent::Approved { by: id(2), signature_sm3, complete: false });
        assert_eq!(request.clone().issued([1; 32], at(103)).unwrap_err().code(), "request-state");
        assert_eq!(request.clone().approve(&first, &signature, at(103), TWO), Err(StepRefused::Repeated));
        let signature = sign(&request, 3);
        let (request, _) = request.approve(&second, &signature, at(103), TWO).unwrap();
        assert_eq!(request.state_name(), "approved");
        let all = [checker, first, second.clone()];
        let find = |wanted: &CallerId| all.iter().find(|one| one.id == *wanted);
        assert_eq!(request.confirm(TWO, find), Ok(()));
        let three = ApprovalPolicy::new(3, OfficerRole::Approver).unwrap();
        let open = StepRefused::State { from: "approved", attempt: "issued" };
        assert_eq!(request.confirm(three, find), Err(open));
        // A changed request, an officer who is gone, one whose key is another now.
        let mut changed = request.clone();
        changed.submission.public_key.push(4);
        assert_eq!(changed.confirm(TWO, find), Err(StepRefused::Signature));
        assert_eq!(request.confirm(TWO, |_| None), Err(StepRefused::ApproverGone));
        let other = Officer { key: Signer::public_key(&KEYS[4]), ..second };
        let with_other = |wanted: &CallerId| if other.id == *wanted { Some(&other) } else { find(wanted) };
        assert_eq!(request.confirm(TWO, with_other), Err(StepRefused::Signature));
        let (request, event) = request.issued([1; 32], at(104)).unwrap();
        assert_eq!(event, RequestEvent::Issued { certificate_sm3: [1; 32] });
        let applicant = officer(0, 0, OfficerRole::Applicant);
        let late = request.withdraw(&applicant, WithdrawalReason::Mistaken, at(105)).unwrap_err();
        assert_eq!(late, StepRefused::State { from: "issued", attempt: "withdrawn" });
    }

    #[test]
    fn nobody_judges_the_own_request_or_twice_or_in_another_role() {
        let checker = officer(1, 1, OfficerRole::Checker);
        let own = officer(0, 0, OfficerRole::Checker);
        assert_eq!(request().check(&own, at(101)), Err(StepRefused::Applicant));
        // The applicant's key under another id.
        assert_eq!(request().check(&officer(4, 0, OfficerRole::Checker), at(101)), Err(StepRefused::Applicant));
        let role = StepRefused::Role { found: OfficerRole::Approver, needed: OfficerRole::Checker };
        assert_eq!(request().check(&officer(1, 1, OfficerRole::Approver), at(101)), Err(role));
        assert_eq!(request().check(&checker, at(99)), Err(StepRefused::Backwards));
        let (checked, _) = request().check(&checker, at(101)).unwrap();
        let approve = |by: Officer, key: usize| {
            let signature = sign(&checked, key);
            checked.clone().approve(&by, &signature, at(102), TWO).map(|_| ()).unwrap_err()
        };
        assert_eq!(approve(officer(1, 1, OfficerRole::Approver), 1), StepRefused::Checker);
        assert_eq!(approve(officer(4, 1, OfficerRole::Approver), 1), StepRefused::Checker);
        assert_eq!(approve(officer(4, 0, OfficerRole::Approver), 0), StepRefused::Applicant);
        assert_eq!(approve(officer(2, 2, OfficerRole::Approver), 3), StepRefused::Signature);
        let role = StepRefused::Role { found: OfficerRole::Checker, needed: OfficerRole::Approver };
        assert_eq!(approve(officer(2, 2, OfficerRole::Checker), 2), role);
        let stranger = officer(2, 2, OfficerRole::Approver);
        let withdrawn = checked.clone().withdraw(&stranger, WithdrawalReason::NotNeeded, at(102));
        assert_eq!(withdrawn, Err(StepRefused::NotApplicant));
        assert_eq!(ApprovalPolicy::new(0, OfficerRole::Approver), Err(InvalidPolicy));
    }

    /// Approvals are kept for years: version 3 is written like this for ever.
    #[test]
    fn the_canonical_encoding_does_not_change() {
        let mut submission = request().submission;
        submission.applicant.key_sm3 = [3; 32];
        submission.not_after = Some(at(1_000));
        assert_eq!(
            hex(&sm3(&submission.to_approve())),
            "2bb5eaab8940ad0109903d5e3fc85013a97112c50a02ae1d221afbe91e755626"
        );
    }

    /// Every field is in the encoding: change one, and no approval fits.
    #[test]
    fn the_canonical_encoding_holds_every_field() {
        let same = request().submission;
        let changes: [fn(&mut Submission); 12] = [
            |one| one.nonce[0] ^= 1,
            |one| one.authority = AuthorityId::parse("others").unwrap(),
            |one| one.profile.push('a'),
            |one| one.subject.push(0),
            |one| one.alternative_names.push(0),
            |one| one.public_key.push(0),
            |one| one.not_after = Some(at(1)),
            |one| one.csr.push(0),
            |one| one.evidence_sm3[0] ^= 1,
            |one| one.applicant.officer = id(9),
            |one| one.applicant.key_sm3[0] ^= 1,
            |one| one.submitted_at = at(101),
        ];
        let mut seen = vec![same.to_approve(), same.to_submit()];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = same.clone();
            change(&mut other);
            let (approved, submitted) = (other.to_approve(), other.to_submit());
            assert!(!seen.contains(&approved));
            // The last change is that of the time, which the applicant does not sign.
            assert_eq!(seen.contains(&submitted), number == 11);
            seen.extend([approved, submitted]);
        }
        assert_eq!(crate::format::der::walk(&seen[0], 4).unwrap(), 14);
        assert_eq!(crate::format::der::walk(&seen[1], 4).unwrap(), 13);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever officers try in whatever order: what is approved was checked by one and approved by two others, none of
        /// them the applicant; what has ended does not move.
        #[test]
        fn no_order_of_steps_gets_around_four_eyes(
            steps in proptest::collection::vec((0_u8..5, 0_usize..5, 0_usize..5, 0_usize..3, 0_usize..5), 0..24),
        ) {
            let mut request = request();
            for (now, (step, number, key, role, signer)) in (101..).zip(steps) {
                let by = officer(number, key, OfficerRole::ALL[role]);
                let before = request.clone();
                let outcome = match step {
                    0 => request.clone().check(&by, at(now)),
                    1 | 2 => { let signature = sign(&request, signer); request.clone().approve(&by, &signature, at(now), TWO) }
                    3 if number == 3 => request.clone().refuse(&by, RefusalReason::NotEntitled, at(now)),
                    4 if number == 0 => request.clone().withdraw(&by, WithdrawalReason::Mistaken, at(now)),
                    _ => request.clone().issued([1; 32], at(now)),
                };
                if let Ok((after, _)) = outcome {
                    prop_assert!(!matches!(before.state_name(), "issued" | "refused" | "withdrawn"));
                    request = after;
                }
                if let RequestState::Approved { checked_by, approvals, .. } = &request.state {
                    let mut hands = vec![&request.submission.applicant, checked_by];
                    hands.extend(approvals.iter().map(|approval| &approval.hand));
                    prop_assert_eq!(hands.len(), 4);
                    for (index, hand) in hands.iter().enumerate() {
                        prop_assert!(!hands[..index].iter().any(|other| other.is_same(hand)));
                    }
                }
                if request.state_name() == "issued" {
                    prop_assert!(matches!(before.state_name(), "approved" | "issued"));
                }
            }
        }
    }
}
