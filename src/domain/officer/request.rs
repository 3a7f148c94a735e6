//! Requests on their way: submitted, checked, approved by others than the applicant, then fulfilled, refused or withdrawn.
//!
//! What is asked for is a type of its own (certificates: `domain::ca::request`, seals: `domain::seal::application`); the way
//! is the same for all.

use crate::base::clock::Timestamp;
use crate::base::id::CallerId;
use crate::crypto::digest::sm3;
use crate::domain::key::named;
use crate::domain::officer::{Approval, ApprovalPolicy, Hand, Officer, OfficerRole};

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

/// What somebody asks officers for; it never changes.
pub trait Submitted {
    /// How a request of this kind is called once it is fulfilled.
    const FULFILLED: &'static str;
    /// The domain of the octets that officers sign to check, refuse or withdraw such a request.
    const STEP_DOMAIN: &'static str;

    /// The request's own random number: no signature fits another request.
    fn nonce(&self) -> &[u8; 32];
    /// Who submitted it.
    fn applicant(&self) -> &Hand;
    /// When.
    fn submitted_at(&self) -> Timestamp;
    /// The octets that an officer signs to approve: one encoding for one request, for ever.
    fn to_approve(&self) -> Vec<u8>;
    /// The octets that the applicant signs to submit.
    fn to_submit(&self) -> Vec<u8>;
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
    /// Enough officers agree: it may be fulfilled.
    Approved {
        /// Who checked.
        checked_by: Hand,
        /// The approvals.
        approvals: Vec<Approval>,
        /// Since when.
        at: Timestamp,
    },
    /// What was asked for is there, or done.
    Fulfilled {
        /// SM3 of what came of it: a certificate, a seal.
        result_sm3: [u8; 32],
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
    /// Fulfilled.
    Fulfilled {
        /// SM3 of what came of it.
        result_sm3: [u8; 32],
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
        /// `checked`, `approved`, [`Submitted::FULFILLED`], `refused` or `withdrawn`.
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
pub struct Request<S> {
    /// What was asked for.
    pub submission: S,
    /// Where it stands.
    pub state: RequestState,
}

type Step<S> = Result<(Request<S>, RequestEvent), StepRefused>;

impl<S: Submitted> Request<S> {
    /// A new one.
    #[must_use]
    pub const fn new(submission: S) -> Self {
        Self { submission, state: RequestState::Submitted }
    }

    /// The state's stable name.
    #[must_use]
    pub const fn state_name(&self) -> &'static str {
        match self.state {
            RequestState::Submitted => "submitted",
            RequestState::Checked { .. } => "checked",
            RequestState::Approved { .. } => "approved",
            RequestState::Fulfilled { .. } => S::FULFILLED,
            RequestState::Refused { .. } => "refused",
            RequestState::Withdrawn { .. } => "withdrawn",
        }
    }

    /// The approvals so far.
    #[must_use]
    pub fn approvals(&self) -> &[Approval] {
        match &self.state {
            RequestState::Checked { approvals, .. }
            | RequestState::Approved { approvals, .. }
            | RequestState::Fulfilled { approvals, .. } => approvals,
            _ => &[],
        }
    }

    /// When it last moved.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        match &self.state {
            RequestState::Submitted => self.submission.submitted_at(),
            RequestState::Checked { at, approvals, .. } => approvals.last().map_or(*at, |approval| approval.at),
            RequestState::Approved { at, .. }
            | RequestState::Fulfilled { at, .. }
            | RequestState::Refused { at, .. }
            | RequestState::Withdrawn { at, .. } => *at,
        }
    }

    /// An officer who is not the applicant has compared it with its evidence.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn check(self, officer: &Officer, now: Timestamp) -> Step<S> {
        self.in_order(now)?;
        if self.state != RequestState::Submitted {
            return Err(self.no_way("checked"));
        }
        role(officer, OfficerRole::Checker)?;
        let by = self.judge(officer)?;
        let event = RequestEvent::Checked { by: officer.id.clone() };
        Ok((self.into(RequestState::Checked { by, at: now, approvals: Vec::new() }), event))
    }

    /// An officer agrees by a signature over [`Submitted::to_approve`]; with the last one that the policy asks for the
    /// request is approved.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn approve(self, officer: &Officer, signature: &[u8], now: Timestamp, policy: ApprovalPolicy) -> Step<S> {
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
        if !approval.is_right(&self.submission.to_approve(), officer) {
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

    /// Verifies every kept approval again, as the moment of fulfilment demands: enough officers of the role, all different, each
    /// signature right. `officer` finds a registered officer.
    ///
    /// # Errors
    /// Why the request may not be fulfilled.
    pub fn confirm<'a>(
        &self,
        policy: ApprovalPolicy,
        officer: impl Fn(&CallerId) -> Option<&'a Officer>,
    ) -> Result<(), StepRefused> {
        let RequestState::Approved { checked_by, approvals, .. } = &self.state else {
            return Err(self.no_way(S::FULFILLED));
        };
        for (index, approval) in approvals.iter().enumerate() {
            let known = officer(&approval.hand.officer).ok_or(StepRefused::ApproverGone)?;
            role(known, policy.role)?;
            if approval.hand.is_same(self.submission.applicant()) {
                return Err(StepRefused::Applicant);
            }
            if approval.hand.is_same(checked_by) {
                return Err(StepRefused::Checker);
            }
            if approvals.iter().take(index).any(|other| other.hand.is_same(&approval.hand)) {
                return Err(StepRefused::Repeated);
            }
            if !approval.is_right(&self.submission.to_approve(), known) {
                return Err(StepRefused::Signature);
            }
        }
        if approvals.len() < policy.how_many {
            return Err(self.no_way(S::FULFILLED));
        }
        Ok(())
    }

    /// What was asked for is there, or done.
    ///
    /// # Errors
    /// The request is not approved.
    pub fn fulfilled(self, result_sm3: [u8; 32], now: Timestamp) -> Step<S> {
        self.in_order(now)?;
        let RequestState::Approved { approvals, .. } = &self.state else { return Err(self.no_way(S::FULFILLED)) };
        let state = RequestState::Fulfilled { result_sm3, approvals: approvals.clone(), at: now };
        Ok((self.into(state), RequestEvent::Fulfilled { result_sm3 }))
    }

    /// An officer who is not the applicant says no.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn refuse(self, officer: &Officer, reason: RefusalReason, now: Timestamp) -> Step<S> {
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
    pub fn lapse(self, now: Timestamp) -> Step<S> {
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
    pub fn withdraw(self, officer: &Officer, reason: WithdrawalReason, now: Timestamp) -> Step<S> {
        self.in_order(now)?;
        if !self.is_open() {
            return Err(self.no_way("withdrawn"));
        }
        if Hand::of(officer) != *self.submission.applicant() {
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
        if self.submission.applicant().is_same(&hand) { Err(StepRefused::Applicant) } else { Ok(hand) }
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
