//! What is refused, by name; what an approval covers; and a world in which everything goes wrong that can.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::base::random::SystemRandom;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{hex, sm3};
use crate::crypto::{Signer, sm2};
use crate::domain::officer::request::{RefusalReason, RequestState, WithdrawalReason};
use crate::domain::officer::{ApprovalPolicy, OfficerRole};
use crate::domain::seal::code::{CodeRange, SealCode};

static KEYS: LazyLock<Vec<sm2::PrivateKey>> =
    LazyLock::new(|| (0..4).map(|_| sm2::PrivateKey::generate(&SystemRandom).unwrap()).collect());

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn division(code: &str) -> Division {
    Division::parse(code).unwrap()
}

fn seal_id(number: usize) -> SealId {
    SealId::parse(&format!("seal-{number}")).unwrap()
}

fn officer(number: usize, role: OfficerRole, place: &str) -> SealOfficer {
    let id = CallerId::parse(&format!("officer-{number}")).unwrap();
    let key = Signer::public_key(&KEYS[number]);
    let officer = Officer { id, role, key, algorithm: SignatureAlgorithm::Sm2Sm3 };
    SealOfficer { officer, division: division(place) }
}

/// Of organisations that do not exist: the check characters are right.
fn credit_code(number: usize) -> CreditCode {
    let front = format!("1133010600000000{number}");
    let mut last = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars();
    last.find_map(|last| CreditCode::parse(&format!("{front}{last}")).ok()).unwrap()
}

fn holder(number: usize) -> Holder {
    Holder {
        credit_code: credit_code(number), name: format!("样章市试验局{number}"), division: division("330106")
    }
}

fn wanted(number: usize, kind: u8, name: &str) -> Wanted {
    Wanted {
        kind,
        name: name.to_owned(),
        holder: holder(number),
        keeper: CallerId::parse("keeper").unwrap(),
        picture_sm3: [5; 32],
        size_mm: (42, 42),
        form: SealForm::V4,
        list: SignerList::Certificates,
        key: SignerKey::Ours(KeyId::parse("key-1").unwrap()),
        maker: Maker::Own(AuthorityId::parse("authority").unwrap()),
        profile: "seal-signer".to_owned(),
        days: 365,
        filing: None,
    }
}

fn submission(purpose: Purpose) -> SealSubmission {
    SealSubmission {
        nonce: [7; 32],
        purpose,
        division: division("3301"),
        documents: vec![[1; 32], [2; 32]],
        applicant: Hand::of(&officer(0, OfficerRole::Applicant, "3301").officer),
        submitted_at: at(100),
    }
}

fn make(number: usize, kind: u8, name: &str) -> SealSubmission {
    submission(Purpose::Make(Box::new(wanted(number, kind, name))))
}

fn existing(number: usize, of: usize, kind: u8, name: &str, state: State) -> Existing {
    Existing { seal: seal_id(number), kind, name: name.to_owned(), holder: holder(of), state }
}

const ACTIVE: State = State::Active { since: Timestamp::from_unix(1) };
const SUSPENDED: State =
    State::Suspended { since: Timestamp::from_unix(1), reason: crate::domain::audit::SuspensionReason::OwnerRequest };
const REVOKED: State = State::Revoked { at: Timestamp::from_unix(1), reason: RevocationReason::KeyCompromise };

#[test]
fn what_cannot_be_made_is_refused_by_name() {
    let kinds = SealKinds::common();
    let judge = |submission: &SealSubmission| examine(submission, &kinds, &[]);
    let right = make(1, 1, "样章市试验局1");
    assert_eq!(judge(&right), Ok(()));
    let changed = |change: fn(&mut Wanted)| {
        let mut wanted = wanted(1, 1, "样章市试验局1");
        change(&mut wanted);
        judge(&submission(Purpose::Make(Box::new(wanted)))).unwrap_err().code()
    };
    assert_eq!(changed(|one| one.kind = 9), "seal-kind-unknown");
    assert_eq!(changed(|one| one.name = "样章市试验局".into()), "seal-naming");
    assert_eq!(changed(|one| one.name = String::new()), "seal-name");
    assert_eq!(changed(|one| one.name = "样".repeat(101)), "seal-name");
    assert_eq!(changed(|one| one.holder.name = "样章\u{7}".into()), "seal-name");
    assert_eq!(changed(|one| one.holder.name = " 样章".into()), "seal-name");
    assert_eq!(changed(|one| one.size_mm = (0, 42)), "seal-size");
    assert_eq!(changed(|one| one.size_mm = (42, 201)), "seal-size");
    assert_eq!(changed(|one| one.days = 0), "seal-validity");
    assert_eq!(changed(|one| one.days = MOST_DAYS + 1), "seal-validity");
    assert_eq!(changed(|one| one.holder.division = Division::parse("330206").unwrap()), "out-of-division");
    for documents in [vec![], vec![[1; 32]; 2], (0..33).map(|n| [n; 32]).collect()] {
        let refused = judge(&SealSubmission { documents, ..right.clone() });
        assert_eq!(refused, Err(ApplicationRefused::Documents));
    }
}

#[test]
fn a_holder_has_one_of_what_is_single_and_each_name_once() {
    let kinds = SealKinds::common();
    let name = "样章市试验局1";
    let there = [existing(1, 1, 1, name, ACTIVE)];
    let single = ApplicationRefused::Single { code: 1, seal: seal_id(1) };
    assert_eq!(examine(&make(1, 1, name), &kinds, &there), Err(single.clone()));
    // A seal that rests is still there; one that ended is not; another holder's is another's.
    let resting = [existing(1, 1, 1, name, SUSPENDED)];
    assert_eq!(examine(&make(1, 1, name), &kinds, &resting), Err(single));
    assert_eq!(examine(&make(1, 1, name), &kinds, &[existing(1, 1, 1, name, REVOKED)]), Ok(()));
    assert_eq!(examine(&make(1, 1, name), &kinds, &[existing(1, 2, 1, "样章市试验局2", ACTIVE)]), Ok(()));
    let contract = "样章市试验局1合同专用章";
    let there = [existing(3, 1, 4, contract, ACTIVE)];
    let duplicate = ApplicationRefused::Duplicate { seal: seal_id(3) };
    assert_eq!(examine(&make(1, 4, contract), &kinds, &there), Err(duplicate));
    assert_eq!(examine(&make(1, 4, "样章市试验局1（2）合同专用章"), &kinds, &there), Ok(()));
}

#[test]
fn changes_are_of_a_seal_that_is_there_in_a_state_that_allows_them() {
    let kinds = SealKinds::common();
    let name = "样章市试验局1";
    let seal = seal_id(1);
    let judge = |purpose: Purpose, state: State| {
        examine(&submission(purpose), &kinds, &[existing(1, 1, 1, name, state)]).map_err(|refused| refused.code())
    };
    let replace = |of, kind| {
        let wanted = Wanted { name: name.into(), ..wanted(of, kind, name) };
        Purpose::Replace { seal: seal.clone(), wanted: Box::new(wanted) }
    };
    let resume = || Purpose::Resume { seal: seal.clone() };
    let revoke = || Purpose::Revoke { seal: seal.clone(), reason: RevocationReason::KeyCompromise };
    assert_eq!(judge(replace(1, 1), ACTIVE), Ok(()));
    assert_eq!(judge(replace(1, 1), SUSPENDED), Ok(()));
    assert_eq!(judge(replace(1, 1), REVOKED), Err("seal-state"));
    assert_eq!(judge(replace(2, 1), ACTIVE), Err("seal-naming"));
    assert_eq!(judge(replace(1, 99), ACTIVE), Err("seal-replacement"));
    assert_eq!(judge(resume(), SUSPENDED), Ok(()));
    assert_eq!(judge(resume(), ACTIVE), Err("seal-state"));
    assert_eq!(judge(revoke(), State::Made { since: at(1) }), Ok(()));
    assert_eq!(judge(revoke(), REVOKED), Err("seal-state"));
    assert_eq!(examine(&submission(resume()), &kinds, &[]), Err(ApplicationRefused::UnknownSeal));
    let mut elsewhere = submission(resume());
    elsewhere.division = division("3302");
    let there = [existing(1, 1, 1, name, SUSPENDED)];
    let refused = ApplicationRefused::OutOfDivision { holder: division("330106"), division: division("3302") };
    assert_eq!(examine(&elsewhere, &kinds, &there), Err(refused));
}

#[test]
fn officers_act_for_their_division_and_what_lies_in_it() {
    let city = officer(1, OfficerRole::Checker, "3301");
    assert_eq!(city.acts_for(&division("330106")), Ok(()));
    assert_eq!(city.acts_for(&division("3301")), Ok(()));
    for other in ["33", "3302", "330206", "000000"] {
        let refused = ApplicationRefused::OfficersDivision { officer: division("3301"), division: division(other) };
        assert_eq!(city.acts_for(&division(other)), Err(refused));
    }
}

/// Every field is in the encoding: change one, and no approval fits.
#[test]
fn the_canonical_encoding_holds_every_field() {
    let same = submission(Purpose::Replace { seal: seal_id(1), wanted: Box::new(wanted(1, 1, "样章市试验局1")) });
    let with = |change: fn(&mut Wanted)| {
        let mut other = same.clone();
        if let Purpose::Replace { wanted, .. } = &mut other.purpose {
            change(wanted);
        }
        other
    };
    let mut others = vec![
        with(|one| one.kind = 2),
        with(|one| one.name.push('a')),
        with(|one| one.holder.credit_code = credit_code(2)),
        with(|one| one.holder.name.push('a')),
        with(|one| one.holder.division = Division::parse("330105").unwrap()),
        with(|one| one.keeper = CallerId::parse("other").unwrap()),
        with(|one| one.picture_sm3[0] ^= 1),
        with(|one| one.size_mm.0 = 41),
        with(|one| one.size_mm.1 = 41),
        with(|one| one.form = SealForm::V5),
        with(|one| one.list = SignerList::Digests),
        with(|one| one.key = SignerKey::Ours(KeyId::parse("key-2").unwrap())),
        with(|one| one.key = SignerKey::Clients { csr: vec![0x30, 0] }),
        with(|one| one.maker = Maker::Own(AuthorityId::parse("other").unwrap())),
        with(|one| one.maker = Maker::National),
        with(|one| one.profile.push('a')),
        with(|one| one.days = 366),
        with(|one| one.filing = FilingNumber::parse("4101035072803").ok()),
    ];
    let changes: [fn(&mut SealSubmission); 9] = [
        |one| one.nonce[0] ^= 1,
        |one| one.purpose = Purpose::Resume { seal: seal_id(1) },
        |one| one.purpose = Purpose::Resume { seal: seal_id(2) },
        |one| one.purpose = Purpose::Revoke { seal: seal_id(1), reason: RevocationReason::KeyCompromise },
        |one| one.purpose = Purpose::Revoke { seal: seal_id(1), reason: RevocationReason::Superseded },
        |one| one.division = Division::parse("33").unwrap(),
        |one| one.documents[1] = [9; 32],
        |one| one.applicant.officer = CallerId::parse("other").unwrap(),
        |one| one.applicant.key_sm3[0] ^= 1,
    ];
    for change in changes {
        let mut other = same.clone();
        change(&mut other);
        others.push(other);
    }
    let mut seen = BTreeSet::from([same.to_approve(), same.to_submit()]);
    for other in others {
        assert!(seen.insert(other.to_approve()), "{other:?}");
        assert!(seen.insert(other.to_submit()), "{other:?}");
    }
    let later = SealSubmission { submitted_at: at(101), ..same };
    assert!(seen.insert(later.to_approve()));
    assert!(!seen.insert(later.to_submit()), "the applicant does not sign the time");
}

/// Approvals are kept for years: version 1 is written like this for ever.
#[test]
fn the_canonical_encoding_does_not_change() {
    let mut one = make(1, 1, "样章市试验局1");
    one.applicant.key_sm3 = [3; 32];
    assert_eq!(hex(&sm3(&one.to_approve())), "042b90c4b63d2858e98a47df26b78d28f2ce7bd1ae7fd47cc99842c0ffb5a053");
}

/// What an office can do, in whatever order.
#[derive(Debug, Clone)]
enum Op {
    /// The clock goes on.
    Wait(i64),
    /// Applies for a seal of that type for that organisation, or for a change of that seal.
    Apply { organisation: usize, purpose: u8, about: usize },
    /// An officer checks, approves, refuses or takes back an application.
    Judge { application: usize, officer: usize, role: usize, step: u8, signer: usize },
    /// Two officers approve the same application from the same state; the store lets one of them through.
    Race { application: usize },
    /// Fulfils an application; `is_lost` where the program dies before its transaction ends.
    Fulfil { application: usize, is_lost: bool },
    /// The keeper takes delivery.
    Deliver { seal: usize },
    /// Somebody lets a seal rest.
    Suspend { seal: usize },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => (0_i64..100).prop_map(Op::Wait),
        4 => (0_usize..2, 0_u8..5, 0_usize..4)
            .prop_map(|(organisation, purpose, about)| Op::Apply { organisation, purpose, about }),
        8 => (0_usize..6, 0_usize..4, 0_usize..3, 0_u8..5, 0_usize..4)
            .prop_map(|(application, officer, role, step, signer)| Op::Judge { application, officer, role, step, signer }),
        1 => (0_usize..6).prop_map(|application| Op::Race { application }),
        4 => (0_usize..6, any::<bool>()).prop_map(|(application, is_lost)| Op::Fulfil { application, is_lost }),
        2 => (0_usize..4).prop_map(|seal| Op::Deliver { seal }),
        1 => (0_usize..4).prop_map(|seal| Op::Suspend { seal }),
    ]
}

const POLICY: ApprovalPolicy = ApprovalPolicy { how_many: 1, role: OfficerRole::Approver };

/// Rows as a database would hold them, changed by whole transactions.
#[derive(Clone)]
struct World {
    now: i64,
    nonce: u8,
    applications: Vec<SealApplication>,
    seals: BTreeMap<usize, (Existing, SealCode, usize)>,
    range: CodeRange,
    codes: BTreeSet<SealCode>,
    events: Vec<&'static str>,
}

impl World {
    fn new() -> Self {
        Self {
            now: 200,
            nonce: 0,
            applications: Vec::new(),
            seals: BTreeMap::new(),
            range: CodeRange::assign(&division("330106"), (1, 5), &[]).unwrap(),
            codes: BTreeSet::new(),
            events: Vec::new(),
        }
    }

    fn existing(&self) -> Vec<Existing> {
        self.seals.values().map(|(seal, ..)| seal.clone()).collect()
    }

    fn apply(&mut self, organisation: usize, purpose: u8, about: usize) {
        let name = format!("样章市试验局{organisation}");
        let wanted = |kind: u8, name: &str| Box::new(wanted(organisation, kind, name));
        let purpose = match purpose {
            0 => Purpose::Make(wanted(1, &name)),
            1 => Purpose::Make(wanted(4, &format!("{name}合同专用章"))),
            2 => Purpose::Replace { seal: seal_id(about), wanted: wanted(1, &name) },
            3 => Purpose::Resume { seal: seal_id(about) },
            _ => Purpose::Revoke { seal: seal_id(about), reason: RevocationReason::KeyCompromise },
        };
        self.nonce += 1;
        let submission = SealSubmission { nonce: [self.nonce; 32], submitted_at: at(self.now), ..submission(purpose) };
        if examine(&submission, &SealKinds::common(), &self.existing()).is_ok() {
            self.applications.push(SealApplication::new(submission));
        }
    }

    fn judge(&mut self, (application, by, role): (usize, usize, usize), step: u8, signer: usize) {
        let Some(found) = self.applications.get(application).cloned() else { return };
        let by = officer(by, OfficerRole::ALL[role], if by == 3 { "3302" } else { "33" });
        if by.acts_for(&found.submission.division).is_err() {
            return;
        }
        let now = at(self.now);
        let outcome = match step {
            0 => found.check(&by.officer, now),
            1 | 2 => {
                let octets = found.submission.to_approve();
                let signature = KEYS[signer].sign(&octets, &SystemRandom).unwrap();
                found.approve(&by.officer, &signature, now, POLICY)
            }
            3 => found.refuse(&by.officer, RefusalReason::NotEntitled, now),
            _ => found.withdraw(&by.officer, WithdrawalReason::Mistaken, now),
        };
        if let Ok((next, _)) = outcome {
            self.applications[application] = next;
        }
    }

    /// The transaction that does what was approved: everything of it or nothing.
    fn fulfil(&mut self, application: usize) -> Result<(), ()> {
        let found = self.applications.get(application).cloned().ok_or(())?;
        let officers = (0..4).map(|number| officer(number, OfficerRole::Approver, "33").officer).collect::<Vec<_>>();
        found.confirm(POLICY, |id| officers.iter().find(|one| one.id == *id)).map_err(|_| ())?;
        examine(&found.submission, &SealKinds::common(), &self.existing()).map_err(|_| ())?;
        let (now, mut after) = (at(self.now), self.clone());
        let about = found.submission.purpose.seal().cloned();
        let number = after.seals.iter().find(|(_, (seal, ..))| Some(&seal.seal) == about.as_ref()).map(|(n, _)| *n);
        let tell = |after: &mut Self, number: usize, next: Result<(State, _), _>| {
            let (state, event): (State, crate::domain::audit::EventBody) =
                next.map_err(|_: crate::domain::seal::InvalidTransition| ())?;
            after.events.push(event.class().name());
            after.seals.get_mut(&number).unwrap().0.state = state;
            Ok(())
        };
        let state = |after: &Self, number: usize| after.seals[&number].0.state.clone();
        if let Some(wanted) = found.submission.purpose.wanted() {
            let (code, range) = after.range.take().map_err(|_| ())?;
            let fresh = after.seals.len();
            after.range = range;
            if !after.codes.insert(code.clone()) {
                panic!("the code {code} was given twice");
            }
            let made = Existing {
                seal: seal_id(fresh),
                kind: wanted.kind,
                name: wanted.name.clone(),
                holder: wanted.holder.clone(),
                state: State::Made { since: now },
            };
            after.seals.insert(fresh, (made, code, application));
            if let Some(number) = number {
                let next = state(&after, number).supersede(&seal_id(number), &seal_id(fresh), now);
                tell(&mut after, number, next)?;
            }
        } else if let Some(number) = number {
            let next = match &found.submission.purpose {
                Purpose::Resume { seal } => state(&after, number).resume(seal, now),
                Purpose::Revoke { seal, reason } => state(&after, number).revoke(seal, now, *reason),
                _ => return Err(()),
            };
            tell(&mut after, number, next)?;
        }
        after.applications[application] = found.fulfilled([1; 32], now).map_err(|_| ())?.0;
        *self = after;
        Ok(())
    }

    fn change(&mut self, number: usize, next: impl FnOnce(State, &SealId) -> Option<State>) {
        if let Some((seal, ..)) = self.seals.get_mut(&number)
            && let Some(state) = next(seal.state.clone(), &seal_id(number))
        {
            seal.state = state;
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Wait(seconds) => self.now += seconds,
            Op::Apply { organisation, purpose, about } => self.apply(organisation, purpose, about),
            Op::Judge { application, officer, role, step, signer } => {
                self.judge((application, officer, role), step, signer);
            }
            Op::Race { application } => {
                // Both read the same row; the second write is stale and changes nothing.
                let read = self.applications.get(application).cloned();
                self.judge((application, 2, 2), 1, 2);
                if self.applications.get(application).cloned() == read {
                    self.judge((application, 1, 2), 1, 1);
                }
            }
            Op::Fulfil { application, is_lost } => {
                // A program that dies before the transaction ends has changed a copy that nobody sees.
                let mut copy = self.clone();
                let outcome = copy.fulfil(application);
                if !is_lost && outcome.is_ok() {
                    *self = copy;
                }
            }
            Op::Deliver { seal } => {
                let (now, keeper) = (at(self.now), CallerId::parse("keeper").unwrap());
                self.change(seal, |state, id| state.deliver(id, &keeper, now).ok().map(|(state, _)| state));
            }
            Op::Suspend { seal } => {
                let (now, reason) = (at(self.now), crate::domain::audit::SuspensionReason::OwnerRequest);
                self.change(seal, |state, id| state.suspend(id, now, reason).ok().map(|(state, _)| state));
            }
        }
    }

    /// What always holds.
    fn check(&self) -> Result<(), TestCaseError> {
        // 1. A seal exists by an application that was checked by one and approved by another, neither of them the applicant.
        for (_, _, application) in self.seals.values() {
            let found = &self.applications[*application];
            let RequestState::Fulfilled { approvals, .. } = &found.state else {
                return Err(TestCaseError::fail("a seal without a fulfilled application"));
            };
            prop_assert_eq!(approvals.len(), 1);
            prop_assert!(approvals.iter().all(|one| !one.hand.is_same(&found.submission.applicant)));
            prop_assert!(approvals.iter().all(|one| one.hand.officer.as_str() != "officer-3"));
        }
        // 2. Each seal has a code of its own, and no code that was given is free again.
        let codes = self.seals.values().map(|(_, code, _)| code.clone()).collect::<BTreeSet<_>>();
        prop_assert_eq!(codes.len(), self.seals.len());
        prop_assert_eq!(&codes, &self.codes);
        // 3. An organisation has one seal of its statutory name at most that has not ended.
        for organisation in 0..2 {
            let open = self.seals.values().filter(|(seal, ..)| {
                seal.kind == 1 && seal.holder.credit_code == credit_code(organisation) && !seal.state.is_ended()
            });
            prop_assert!(open.count() <= 1);
        }
        // 4. What is superseded has its successor, of the same holder and type.
        for (seal, ..) in self.seals.values() {
            if let State::Superseded { by, .. } = &seal.state {
                let next = self.seals.values().find(|(other, ..)| other.seal == *by);
                prop_assert!(next.is_some_and(|(other, ..)| other.holder == seal.holder && other.kind == seal.kind));
            }
        }
        // 5. An application is fulfilled once: there are as many seals as applications that made one.
        let makers = self.seals.values().map(|(.., application)| *application).collect::<BTreeSet<_>>();
        prop_assert_eq!(makers.len(), self.seals.len());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever is done in whatever order, answers lost and officers at once: the invariants hold after each step, and what
    /// ended stays ended.
    #[test]
    fn no_order_of_steps_breaks_the_life_of_seals(ops in proptest::collection::vec(op(), 0..60)) {
        let mut world = World::new();
        for op in ops {
            let ended = world.seals.values().filter(|(seal, ..)| seal.state.is_ended()).cloned().collect::<Vec<_>>();
            world.run(op);
            world.check()?;
            for (seal, ..) in ended {
                let now = world.seals.values().find(|(other, ..)| other.seal == seal.seal);
                prop_assert_eq!(now.map(|(other, ..)| &other.state), Some(&seal.state));
            }
        }
    }
}

/// The world of the simulation is not empty: its steps lead from an application to a seal in use, its successor and its end.
#[test]
fn the_simulation_reaches_every_state() {
    let mut world = World::new();
    let judged = |world: &mut World, application| {
        world.judge((application, 1, 1), 0, 1);
        world.judge((application, 2, 2), 1, 2);
    };
    world.apply(0, 0, 0);
    judged(&mut world, 0);
    world.run(Op::Fulfil { application: 0, is_lost: true });
    assert!(world.seals.is_empty());
    world.run(Op::Fulfil { application: 0, is_lost: false });
    world.run(Op::Fulfil { application: 0, is_lost: false });
    assert_eq!(world.seals.len(), 1);
    world.run(Op::Deliver { seal: 0 });
    world.run(Op::Suspend { seal: 0 });
    world.apply(0, 3, 0);
    judged(&mut world, 1);
    world.run(Op::Fulfil { application: 1, is_lost: false });
    assert_eq!(world.seals[&0].0.state.name(), "active");
    world.apply(0, 2, 0);
    judged(&mut world, 2);
    world.run(Op::Fulfil { application: 2, is_lost: false });
    assert_eq!(world.seals[&0].0.state.name(), "superseded");
    world.apply(0, 4, 1);
    judged(&mut world, 3);
    world.run(Op::Fulfil { application: 3, is_lost: false });
    assert_eq!(world.seals[&1].0.state.name(), "revoked");
    assert_eq!(world.events, ["seal-resumed", "seal-superseded", "seal-revoked"]);
    assert_eq!(world.codes.len(), 2);
}
