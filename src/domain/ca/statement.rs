//! What officers sign when they check, refuse or withdraw a request: one encoding for one step of one request.
//!
//! A statement is bound to the request by its nonce and to the state in which it finds the request, which the step ends:
//! it fits no other request, and it fits once. An approval is another thing, see [`Submission::to_approve`].
//!
//! [`Submission::to_approve`]: crate::domain::ca::request::Submission::to_approve

use crate::domain::ca::request::{
    CertificateRequest, Hand, Officer, RefusalReason, StepRefused, Submission, WithdrawalReason,
};
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

impl CertificateRequest {
    /// The octets that this officer signs to take that step now.
    ///
    /// `Statement ::= SEQUENCE { domain UTF8String ("yinxin certificate request step"), version INTEGER, nonce OCTET STRING,
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
            fields.utf8("yinxin certificate request step").small(Statement::VERSION);
            fields.octet_string(&self.submission.nonce).utf8(self.state_name()).generalized_time(self.since());
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

impl Submission {
    /// Whether it is this officer who submits; the signature's value is of fixed width.
    ///
    /// # Errors
    /// [`StepRefused::StepSignature`].
    pub fn check_submitter(&self, officer: &Officer, signature: &[u8]) -> Result<(), StepRefused> {
        if self.applicant != Hand::of(officer) {
            return Err(StepRefused::StepSignature);
        }
        is_signed(officer, &self.to_submit(), signature)
    }
}

fn is_signed(officer: &Officer, octets: &[u8], signature: &[u8]) -> Result<(), StepRefused> {
    if officer.key.verify(officer.algorithm, octets, signature) { Ok(()) } else { Err(StepRefused::StepSignature) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::id::{AuthorityId, CallerId};
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::SignatureAlgorithm;
    use crate::crypto::digest::{hex, sm3};
    use crate::crypto::{Signer, sm2};
    use crate::domain::ca::request::OfficerRole;

    fn officer(number: usize, key: &sm2::PrivateKey) -> Officer {
        let id = CallerId::parse(&format!("officer-{number}")).unwrap();
        let (key, algorithm) = (Signer::public_key(key), SignatureAlgorithm::Sm2Sm3);
        Officer { id, role: OfficerRole::Checker, key, algorithm }
    }

    fn request(applicant: &Officer) -> CertificateRequest {
        CertificateRequest::new(Submission {
            nonce: [7; 32],
            authority: AuthorityId::parse("officers").unwrap(),
            profile: "officer".into(),
            subject: vec![0x30, 0],
            alternative_names: Vec::new(),
            public_key: vec![1],
            not_after: None,
            encryption_profile: None,
            csr: vec![0x30, 1, 7],
            evidence_sm3: [9; 32],
            applicant: Hand::of(applicant),
            submitted_at: Timestamp::from_unix(100),
        })
    }

    #[test]
    fn a_statement_fits_one_step_of_one_request_by_one_officer() {
        let keys = [(); 2].map(|()| sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let (one, other) = (officer(1, &keys[0]), officer(2, &keys[1]));
        let request = request(&other);
        let refuse = |reason, explanation: &[u8]| Statement::Refuse { reason, explanation_sm3: sm3(explanation) };
        let statements = [
            Statement::Check,
            refuse(RefusalReason::NotEntitled, b"a"),
            refuse(RefusalReason::NotEntitled, b"b"),
            refuse(RefusalReason::KeyRefused, b"a"),
            Statement::Withdraw { reason: WithdrawalReason::Mistaken },
            Statement::Withdraw { reason: WithdrawalReason::Replaced },
        ];
        let mut elsewhere = request.clone();
        elsewhere.submission.nonce = [8; 32];
        let (later, _) = request.clone().check(&one, Timestamp::from_unix(100)).unwrap();
        for (index, statement) in statements.iter().enumerate() {
            let signature = keys[0].sign(&request.to_state(&one, statement), &SystemRandom).unwrap();
            for (position, wanted) in statements.iter().enumerate() {
                let expected = if position == index { Ok(()) } else { Err(StepRefused::StepSignature) };
                assert_eq!(request.check_statement(&one, wanted, &signature), expected);
            }
            for wrong in [&elsewhere, &later] {
                let refused = wrong.check_statement(&one, statement, &signature);
                assert_eq!(refused, Err(StepRefused::StepSignature));
            }
            let impostor = Officer { id: other.id.clone(), ..one.clone() };
            for wrong in [&other, &impostor] {
                let refused = request.check_statement(wrong, statement, &signature);
                assert_eq!(refused, Err(StepRefused::StepSignature));
            }
        }
        let signature = keys[1].sign(&request.submission.to_submit(), &SystemRandom).unwrap();
        assert_eq!(request.submission.check_submitter(&other, &signature), Ok(()));
        assert_eq!(request.submission.check_submitter(&one, &signature), Err(StepRefused::StepSignature));
        let approval = keys[1].sign(&request.submission.to_approve(), &SystemRandom).unwrap();
        assert_eq!(request.submission.check_submitter(&other, &approval), Err(StepRefused::StepSignature));
    }

    /// Statements are kept for years: version 1 is written like this for ever.
    #[test]
    fn the_canonical_encoding_does_not_change() {
        let key = sm2::PrivateKey::from_bytes(&[7; 32]).unwrap();
        let one = officer(1, &key);
        let statement = Statement::Refuse { reason: RefusalReason::NotEntitled, explanation_sm3: [5; 32] };
        let octets = request(&one).to_state(&one, &statement);
        assert_eq!(crate::format::der::walk(&octets, 4).unwrap(), 13);
        assert_eq!(hex(&sm3(&octets)), "40bf5b5b5dd79d422451b17c8440c45da93bcdbf14a06b80c9b171a5997248e2");
    }
}
