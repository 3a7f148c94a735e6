//! Requests for certificates: what is asked for, in its canonical encoding. The way of a request is that of all requests
//! (`domain::officer::request`).

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::crypto::digest::sm3;
use crate::domain::officer::request::Request;
use crate::format::der::Writer;

pub use crate::domain::officer::request::{
    RefusalReason, RequestEvent, RequestState, StepRefused, Submitted, WithdrawalReason,
};
pub use crate::domain::officer::{Approval, ApprovalPolicy, Hand, InvalidPolicy, Officer, OfficerRole};

/// A request for a certificate on its way.
pub type CertificateRequest = Request<Submission>;

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

impl Submitted for Submission {
    const FULFILLED: &'static str = "issued";
    const STEP_DOMAIN: &'static str = "yinxin certificate request step";

    fn nonce(&self) -> &[u8; 32] {
        &self.nonce
    }

    fn applicant(&self) -> &Hand {
        &self.applicant
    }

    fn submitted_at(&self) -> Timestamp {
        self.submitted_at
    }

    /// The octets that an officer signs to approve: one encoding for one request, for ever.
    ///
    /// `Approval ::= SEQUENCE { domain UTF8String ("yinxin certificate request approval"), version INTEGER, nonce OCTET
    /// STRING, authority UTF8String, profile UTF8String, subject OCTET STRING, subjectAltName OCTET STRING, subjectPublicKeyInfo OCTET STRING,
    /// notAfter [0] EXPLICIT GeneralizedTime OPTIONAL, csr OCTET STRING (SM3 of it), evidence OCTET STRING, applicant
    /// UTF8String, applicantKey OCTET STRING, encryptionProfile [1] EXPLICIT UTF8String OPTIONAL, submitted GeneralizedTime }`,
    /// all of it DER.
    ///
    /// Who signs this approves the numbers of identity in the request of PKCS#10 too.
    fn to_approve(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            self.write_fields(fields, "yinxin certificate request approval");
            fields.generalized_time(self.submitted_at);
        });
        writer.into_bytes()
    }

    /// The octets that the applicant signs to submit: what [`Self::to_approve`] says under another domain, `yinxin
    /// certificate request submission`, and without the time, which is ours to tell.
    fn to_submit(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| self.write_fields(fields, "yinxin certificate request submission"));
        writer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::base::id::CallerId;
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::SignatureAlgorithm;
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
        assert_eq!(request.clone().fulfilled([1; 32], at(103)).unwrap_err().code(), "request-state");
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
        let (request, event) = request.fulfilled([1; 32], at(104)).unwrap();
        assert_eq!(event, RequestEvent::Fulfilled { result_sm3: [1; 32] });
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
                    _ => request.clone().fulfilled([1; 32], at(now)),
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

#[cfg(test)]
mod statements {
    use super::*;
    use crate::base::id::CallerId;
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::SignatureAlgorithm;
    use crate::crypto::digest::hex;
    use crate::crypto::{Signer, sm2};
    use crate::domain::officer::statement::{Statement, check_submitter};

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
        assert_eq!(check_submitter(&request.submission, &other, &signature), Ok(()));
        assert_eq!(check_submitter(&request.submission, &one, &signature), Err(StepRefused::StepSignature));
        let approval = keys[1].sign(&request.submission.to_approve(), &SystemRandom).unwrap();
        assert_eq!(check_submitter(&request.submission, &other, &approval), Err(StepRefused::StepSignature));
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
