//! Approval of a job that issues many certificates: one officer compares its file with the evidence, others decide, each by
//! a signature over the job and the step.
//!
//! The octets name the job, which is there once, and SM3 of its file: a signature fits no other job and no other file. What
//! was signed is verified again before the job is worked on and in each transaction that keeps certificates of it.

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, CallerId, JobId};
use crate::domain::ca::request::{Approval, ApprovalPolicy, Hand, Officer, OfficerRole, StepRefused};
use crate::domain::key::named;
use crate::format::der::Writer;

named! {
    /// What an officer states of a job.
    JobStep {
        /// Its rows agree with their evidence.
        Check = 1, "check";
        /// They shall be issued.
        Approve = 2, "approve";
    }
}

/// What officers agree to; it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOrder {
    /// The job.
    pub job: JobId,
    /// Who issues.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// SM3 of the file as it came.
    pub rows_sm3: [u8; 32],
    /// How many rows it has.
    pub rows: u32,
    /// The caller who submitted it; nobody where somebody at the machine did.
    pub submitter: Option<CallerId>,
    /// When.
    pub submitted_at: Timestamp,
}

impl JobOrder {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 1;

    /// The octets that an officer signs to take that step: one encoding for one step of one job, for ever.
    ///
    /// `JobStatement ::= SEQUENCE { domain UTF8String ("yinxin issuance job approval"), version INTEGER, step UTF8String,
    /// job UTF8String, authority UTF8String, profile UTF8String, rows OCTET STRING (SM3 of the file), count INTEGER,
    /// submitter [0] EXPLICIT UTF8String OPTIONAL, submitted GeneralizedTime }`, all of it DER.
    #[must_use]
    pub fn to_sign(&self, step: JobStep) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            fields.utf8("yinxin issuance job approval").small(Self::VERSION).utf8(step.name());
            fields.utf8(self.job.as_str()).utf8(self.authority.as_str()).utf8(&self.profile);
            fields.octet_string(&self.rows_sm3).small(self.rows);
            if let Some(submitter) = &self.submitter {
                fields.context(0, |inner| {
                    inner.utf8(submitter.as_str());
                });
            }
            fields.generalized_time(self.submitted_at);
        });
        writer.into_bytes()
    }

    fn is_signed(&self, step: JobStep, by: &Approval, officer: &Officer) -> bool {
        let octets = self.to_sign(step);
        by.hand == Hand::of(officer) && officer.key.verify(officer.algorithm, &octets, &by.signature)
    }
}

/// What officers signed for a job so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobConsent {
    /// Who checked it.
    pub check: Option<Approval>,
    /// Who approved it, in their order.
    pub approvals: Vec<Approval>,
}

impl JobConsent {
    /// `submitted`, `checked`, or `approved` where that policy asks for no more.
    #[must_use]
    pub const fn state_name(&self, policy: ApprovalPolicy) -> &'static str {
        match self.check {
            None => "submitted",
            Some(_) if self.approvals.len() < policy.how_many => "checked",
            Some(_) => "approved",
        }
    }

    /// An officer takes a step by a signature over [`JobOrder::to_sign`]: a check comes first and once, approvals follow
    /// until the policy asks for no more. Neither who submitted, nor an officer or a key twice.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn take(
        self,
        order: &JobOrder,
        (step, officer, signature): (JobStep, &Officer, &[u8]),
        now: Timestamp,
        policy: ApprovalPolicy,
    ) -> Result<Self, StepRefused> {
        let (from, attempt) = (self.state_name(policy), if step == JobStep::Check { "checked" } else { "approved" });
        let (fits, needed) = match step {
            JobStep::Check => (from == "submitted", OfficerRole::Checker),
            JobStep::Approve => (from == "checked", policy.role),
        };
        if !fits {
            return Err(StepRefused::State { from, attempt });
        }
        let given = Approval { hand: Hand::of(officer), signature: signature.to_vec(), at: now };
        let before = self.check.iter().chain(&self.approvals).collect::<Vec<_>>();
        if before.last().is_some_and(|last| now < last.at) || now < order.submitted_at {
            return Err(StepRefused::Backwards);
        }
        counts(order, (step, needed), (&given, officer), &before)?;
        Ok(match step {
            JobStep::Check => Self { check: Some(given), ..self },
            JobStep::Approve => {
                let approvals = self.approvals.into_iter().chain([given]).collect();
                Self { approvals, ..self }
            }
        })
    }

    /// Verifies everything again, as the moment of issue demands: a check, enough approvals, all by different officers who
    /// are officers still. `officer` finds a registered officer.
    ///
    /// # Errors
    /// Why the job may not be worked on.
    pub fn confirm<'a>(
        &self,
        order: &JobOrder,
        policy: ApprovalPolicy,
        officer: impl Fn(&CallerId) -> Option<&'a Officer>,
    ) -> Result<(), StepRefused> {
        let from = self.state_name(policy);
        if from != "approved" {
            return Err(StepRefused::State { from, attempt: "issued" });
        }
        let mut before = Vec::new();
        let checks = self.check.iter().map(|check| (JobStep::Check, OfficerRole::Checker, check));
        for (step, needed, given) in
            checks.chain(self.approvals.iter().map(|given| (JobStep::Approve, policy.role, given)))
        {
            let known = officer(&given.hand.officer).ok_or(StepRefused::ApproverGone)?;
            counts(order, (step, needed), (given, known), &before)?;
            before.push(given);
        }
        Ok(())
    }
}

/// Whether a signature counts beside those before it, the check's first.
fn counts(
    order: &JobOrder,
    (step, needed): (JobStep, OfficerRole),
    (given, officer): (&Approval, &Officer),
    before: &[&Approval],
) -> Result<(), StepRefused> {
    if officer.role != needed {
        return Err(StepRefused::Role { found: officer.role, needed });
    }
    if order.submitter.as_ref() == Some(&officer.id) {
        return Err(StepRefused::Applicant);
    }
    for (index, other) in before.iter().enumerate() {
        if other.hand.is_same(&given.hand) {
            return Err(if index == 0 { StepRefused::Checker } else { StepRefused::Repeated });
        }
    }
    if order.is_signed(step, given, officer) { Ok(()) } else { Err(StepRefused::Signature) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::SignatureAlgorithm;
    use crate::crypto::digest::{hex, sm3};
    use crate::crypto::{Signer, sm2};

    struct Hired {
        officer: Officer,
        key: sm2::PrivateKey,
    }

    fn hired(number: u8, role: OfficerRole) -> Hired {
        let key = sm2::PrivateKey::from_bytes(&[number; 32]).unwrap();
        let id = CallerId::parse(&format!("officer-{number}")).unwrap();
        let algorithm = SignatureAlgorithm::Sm2Sm3;
        Hired { officer: Officer { id, role, key: Signer::public_key(&key), algorithm }, key }
    }

    impl Hired {
        fn signs(&self, order: &JobOrder, step: JobStep) -> Vec<u8> {
            self.key.sign(&order.to_sign(step), &SystemRandom).unwrap()
        }

        fn takes(&self, consent: JobConsent, step: JobStep, policy: ApprovalPolicy) -> Result<JobConsent, StepRefused> {
            let signature = self.signs(&order(), step);
            consent.take(&order(), (step, &self.officer, &signature), at(101), policy)
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn order() -> JobOrder {
        JobOrder {
            job: JobId::parse("01890a5d-ac96-774b-bcce-b302099a8057").unwrap(),
            authority: AuthorityId::parse("officers").unwrap(),
            profile: "officer".into(),
            rows_sm3: [7; 32],
            rows: 97,
            submitter: Some(CallerId::parse("officer-9").unwrap()),
            submitted_at: at(100),
        }
    }

    #[test]
    fn a_check_and_approvals_by_different_officers_let_a_job_begin() {
        let two = ApprovalPolicy::new(2, OfficerRole::Approver).unwrap();
        let [li, wang, zhao] =
            [hired(1, OfficerRole::Checker), hired(2, OfficerRole::Approver), hired(3, OfficerRole::Approver)];
        let state = |from, attempt| Err(StepRefused::State { from, attempt });
        let new = JobConsent::default();
        assert_eq!(wang.takes(new.clone(), JobStep::Approve, two), state("submitted", "approved"));
        let found = OfficerRole::Approver;
        let role = Err(StepRefused::Role { found, needed: OfficerRole::Checker });
        assert_eq!(wang.takes(new.clone(), JobStep::Check, two), role);
        let checked = li.takes(new, JobStep::Check, two).unwrap();
        assert_eq!(li.takes(checked.clone(), JobStep::Check, two), state("checked", "checked"));
        let one = wang.takes(checked.clone(), JobStep::Approve, two).unwrap();
        assert_eq!(wang.takes(one.clone(), JobStep::Approve, two), Err(StepRefused::Repeated));
        let all = zhao.takes(one.clone(), JobStep::Approve, two).unwrap();
        assert_eq!(zhao.takes(all.clone(), JobStep::Approve, two), state("approved", "approved"));
        let officers = [&li.officer, &wang.officer, &zhao.officer];
        let find = |id: &CallerId| officers.into_iter().find(|officer| officer.id == *id);
        assert_eq!(all.confirm(&order(), two, find), Ok(()));
        assert_eq!(one.confirm(&order(), two, find), Err(StepRefused::State { from: "checked", attempt: "issued" }));
        // Nobody is left out: the check too is looked at again.
        for gone in [&li, &wang, &zhao] {
            let left = |id: &CallerId| find(id).filter(|officer| officer.id != gone.officer.id);
            assert_eq!(all.confirm(&order(), two, left), Err(StepRefused::ApproverGone));
        }
        let other = JobOrder { rows_sm3: [8; 32], ..order() };
        assert_eq!(all.confirm(&other, two, find), Err(StepRefused::Signature));
    }

    #[test]
    fn nobody_judges_the_own_job_or_twice() {
        let policy = ApprovalPolicy::new(1, OfficerRole::Checker).unwrap();
        let own = hired(9, OfficerRole::Checker);
        assert_eq!(own.takes(JobConsent::default(), JobStep::Check, policy), Err(StepRefused::Applicant));
        let li = hired(1, OfficerRole::Checker);
        let checked = li.takes(JobConsent::default(), JobStep::Check, policy).unwrap();
        assert_eq!(li.takes(checked.clone(), JobStep::Approve, policy), Err(StepRefused::Checker));
        // The same key under another name.
        let id = CallerId::parse("another").unwrap();
        let double = Hired { officer: Officer { id, ..li.officer.clone() }, key: li.key };
        assert_eq!(double.takes(checked.clone(), JobStep::Approve, policy), Err(StepRefused::Checker));
        let wang = hired(2, OfficerRole::Checker);
        let early = wang.signs(&order(), JobStep::Approve);
        let early = checked.clone().take(&order(), (JobStep::Approve, &wang.officer, &early), at(100), policy);
        assert_eq!(early, Err(StepRefused::Backwards));
    }

    #[test]
    fn a_signature_fits_one_step_of_one_job() {
        let policy = ApprovalPolicy::ONE;
        let (li, wang) = (hired(1, OfficerRole::Checker), hired(2, OfficerRole::Approver));
        let checked = li.takes(JobConsent::default(), JobStep::Check, policy).unwrap();
        let others = [
            JobOrder { job: JobId::parse("01890a5d-ac96-774b-bcce-b302099a8058").unwrap(), ..order() },
            JobOrder { authority: AuthorityId::parse("others").unwrap(), ..order() },
            JobOrder { profile: "organisation".into(), ..order() },
            JobOrder { rows_sm3: [8; 32], ..order() },
            JobOrder { rows: 98, ..order() },
            JobOrder { submitter: None, ..order() },
            JobOrder { submitted_at: at(99), ..order() },
        ];
        let wrong = others.iter().map(|other| wang.signs(other, JobStep::Approve));
        for signature in wrong.chain([wang.signs(&order(), JobStep::Check), Vec::new()]) {
            let step = (JobStep::Approve, &wang.officer, &signature[..]);
            assert_eq!(checked.clone().take(&order(), step, at(101), policy), Err(StepRefused::Signature));
        }
    }

    /// Approvals are kept for years: version 1 is written like this for ever.
    #[test]
    fn the_canonical_encoding_does_not_change() {
        let octets = order().to_sign(JobStep::Approve);
        assert_eq!(crate::format::der::walk(&octets, 4).unwrap(), 12);
        assert_eq!(hex(&sm3(&octets)), "cd4bcba0bb5248e00c96e1fc419d5b5ec2eea9977f61db3091297eb3fbae5e2e");
    }
}
