//! What officers sign when they check, refuse or withdraw a request: one encoding for one step of one request.
//!
//! A statement is bound to the request by its nonce and to the state in which it finds the request, which the step ends:
//! it fits no other request, and it fits once. An approval is another thing, see [`Submitted::to_approve`].
//!
//! [`Submitted::to_approve`]: crate::domain::officer::request::Submitted::to_approve

use crate::domain::officer::request::{RefusalReason, Request, StepRefused, Submitted, WithdrawalReason};
use crate::domain::officer::{Hand, Officer};
use crate::format::der::Writer;

/// A step that an officer states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Statement {
    /// The request agrees with its evidence.
    Check,
    /// No.
    Refuse {
        /// Why.
        reason: RefusalReason,
        /// SM3 of the explanation in words, UTF-8.
        explanation_sm3: [u8; 32],
    },
    /// Taken back.
    Withdraw {
        /// Why.
        reason: WithdrawalReason,
    },
}

impl Statement {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 1;

    const fn name(&self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Refuse { .. } => "refuse",
            Self::Withdraw { .. } => "withdraw",
        }
    }
}

impl<S: Submitted> Request<S> {
    /// The octets that this officer signs to take that step now.
    ///
    /// `Statement ::= SEQUENCE { domain UTF8String (that of the kind), version INTEGER, nonce OCTET STRING,
    /// state UTF8String, since GeneralizedTime, step UTF8String, reason [0] EXPLICIT UTF8String OPTIONAL, explanation [1]
    /// EXPLICIT OCTET STRING OPTIONAL, officer UTF8String, officerKey OCTET STRING }`, all of it DER.
    #[must_use]
    pub fn to_state(&self, officer: &Officer, statement: &Statement) -> Vec<u8> {
        let (reason, explanation) = match statement {
            Statement::Check => (None, None),
            Statement::Refuse { reason, explanation_sm3 } => (Some(reason.name()), Some(explanation_sm3)),
            Statement::Withdraw { reason } => (Some(reason.name()), None),
        };
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            fields.utf8(S::STEP_DOMAIN).small(Statement::VERSION);
            fields.octet_string(self.submission.nonce()).utf8(self.state_name()).generalized_time(self.since());
            fields.utf8(statement.name());
            if let Some(reason) = reason {
                fields.context(0, |inner| {
                    inner.utf8(reason);
                });
            }
            if let Some(explanation) = explanation {
                fields.context(1, |inner| {
                    inner.octet_string(explanation);
                });
            }
            fields.utf8(officer.id.as_str()).octet_string(&officer.key_sm3());
        });
        writer.into_bytes()
    }

    /// Whether it is this officer who takes that step now; the signature's value is of fixed width.
    ///
    /// # Errors
    /// [`StepRefused::StepSignature`].
    pub fn check_statement(
        &self,
        officer: &Officer,
        statement: &Statement,
        signature: &[u8],
    ) -> Result<(), StepRefused> {
        is_signed(officer, &self.to_state(officer, statement), signature)
    }
}

/// Whether it is this officer who submits; the signature's value is of fixed width.
///
/// # Errors
/// [`StepRefused::StepSignature`].
pub fn check_submitter(submission: &impl Submitted, officer: &Officer, signature: &[u8]) -> Result<(), StepRefused> {
    if *submission.applicant() != Hand::of(officer) {
        return Err(StepRefused::StepSignature);
    }
    is_signed(officer, &submission.to_submit(), signature)
}

fn is_signed(officer: &Officer, octets: &[u8], signature: &[u8]) -> Result<(), StepRefused> {
    if officer.key.verify(officer.algorithm, octets, signature) { Ok(()) } else { Err(StepRefused::StepSignature) }
}
