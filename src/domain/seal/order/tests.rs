//! Any order of what can happen to an order: sent, answered, doubled, lost, late, refused, withdrawn, crashed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn accepted(number: &str) -> MakerAnswer {
    MakerAnswer::Accepted { number: number.to_owned() }
}

fn made(number: &str, seal: u8) -> MakerAnswer {
    MakerAnswer::Made { number: number.to_owned(), seal_sm3: [seal; 32] }
}

fn refused(reason: &str) -> MakerAnswer {
    MakerAnswer::Refused { reason: reason.to_owned() }
}

fn after(state: &OrderState, answers: &[MakerAnswer]) -> (OrderState, Vec<&'static str>) {
    let (mut state, mut told) = (state.clone(), Vec::new());
    for answer in answers {
        match state.hear(answer, at(9)) {
            Heard::Counts(next) => {
                told.push("counts");
                state = next;
            }
            Heard::Again => told.push("again"),
            Heard::Refused { why, state: next } => {
                told.push(why.code());
                state = next;
            }
        }
    }
    (state, told)
}

#[test]
fn each_answer_counts_once_and_what_does_not_fit_is_named() {
    let ordered = OrderState::Ordered { since: at(1) };
    let (arrived, told) = after(&ordered, &[accepted("1"), accepted("1"), accepted("2"), made("2", 7), made("1", 7)]);
    assert_eq!(
        (arrived.name(), told),
        ("arrived", vec!["counts", "again", "answer-other-number", "answer-other-number", "counts"])
    );
    let kept = arrived.keep(at(9)).unwrap();
    let (same, told) =
        after(&kept, &[made("1", 7), made("1", 8), accepted("1"), refused("no"), MakerAnswer::Cancelled]);
    assert_eq!(
        (&same, told),
        (&kept, vec!["again", "answer-other-seal", "again", "answer-contradicts", "answer-unasked"])
    );
    assert_eq!(kept.keep(at(9)), Err(OrderStands { from: "kept", attempt: "kept" }));
    let withdrawn = kept.withdraw(OrderWithdrawal::ApplicationEnded, at(9));
    assert_eq!(withdrawn, Err(OrderStands { from: "kept", attempt: "withdrawn" }));
}

#[test]
fn what_comes_for_a_withdrawn_order_is_refused_and_cancelled_there() {
    let ordered = OrderState::Ordered { since: at(1) };
    let withdrawn = ordered.withdraw(OrderWithdrawal::ApplicationEnded, at(2)).unwrap();
    let (still, told) = after(&withdrawn, &[made("1", 7), accepted("1"), refused("no")]);
    assert_eq!((&still, told), (&withdrawn, vec!["answer-late"; 3]));
    let (cancelled, told) = after(&withdrawn, &[MakerAnswer::Cancelled, MakerAnswer::Cancelled]);
    assert_eq!((cancelled.name(), told), ("cancelled", vec!["counts", "again"]));
    // A seal after all: it is to be cancelled again.
    let (again, told) = after(&cancelled, &[made("1", 7)]);
    assert_eq!((again.owes_cancel(), told), (true, vec!["answer-late"]));
    let (no, _) = after(&ordered, &[refused("name-taken")]);
    let (owes, told) = after(&no, &[accepted("1"), made("1", 7)]);
    assert_eq!((owes.owes_cancel(), told), (true, vec!["answer-contradicts", "answer-contradicts"]));
    assert_eq!(no.withdraw(OrderWithdrawal::ApplicationEnded, at(3)), Ok(no));
}

/// What can happen.
#[derive(Debug, Clone, Copy)]
enum Op {
    /// The courier sends what is due: the order or a question, or the cancellation.
    Send,
    /// The maker works: makes the seal, or refuses.
    Work { makes: bool },
    /// An answer arrives, one of those on their way.
    Arrive { which: u8 },
    /// An answer arrives and stays on its way: it comes again.
    Double { which: u8 },
    /// An answer is lost.
    Lose { which: u8 },
    /// A request is lost before the maker has it.
    LoseRequest,
    /// The application is withdrawn.
    Withdraw,
    /// What arrived is checked and kept, or found unfit.
    Check { fits: bool },
    /// The process dies: what was not committed is gone, which is nothing here; what is on its way stays.
    Crash,
    /// The clock jumps, either way.
    Jump { seconds: i16 },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Send),
        3 => any::<bool>().prop_map(|makes| Op::Work { makes }),
        4 => any::<u8>().prop_map(|which| Op::Arrive { which }),
        1 => any::<u8>().prop_map(|which| Op::Double { which }),
        1 => any::<u8>().prop_map(|which| Op::Lose { which }),
        1 => Just(Op::LoseRequest),
        1 => Just(Op::Withdraw),
        2 => any::<bool>().prop_map(|fits| Op::Check { fits }),
        1 => Just(Op::Crash),
        1 => any::<i16>().prop_map(|seconds| Op::Jump { seconds }),
    ]
}

/// The maker, who remembers what was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Office {
    Nothing,
    Working,
    Made,
    Refused,
    Cancelled,
}

struct World {
    now: i64,
    state: OrderState,
    application_ended: bool,
    office: Office,
    /// Requests on their way: `true` cancels.
    requests: Vec<bool>,
    answers: Vec<MakerAnswer>,
    kept: BTreeSet<u8>,
    arrivals: u32,
}

impl World {
    fn new() -> Self {
        Self {
            now: 1_000,
            state: OrderState::Ordered { since: at(1_000) },
            application_ended: false,
            office: Office::Nothing,
            requests: Vec::new(),
            answers: Vec::new(),
            kept: BTreeSet::new(),
            arrivals: 0,
        }
    }

    /// What the maker answers to a request that reached it.
    fn reach(&mut self, cancels: bool) {
        let answer = match (cancels, &self.office) {
            (true, _) => {
                self.office = Office::Cancelled;
                MakerAnswer::Cancelled
            }
            (false, Office::Nothing) => {
                self.office = Office::Working;
                accepted("1")
            }
            (false, Office::Working) => accepted("1"),
            (false, Office::Made) => made("1", 7),
            (false, Office::Refused) => refused("no"),
            (false, Office::Cancelled) => refused("cancelled"),
        };
        self.answers.push(answer);
    }

    fn hear(&mut self, answer: &MakerAnswer) {
        match self.state.hear(answer, at(self.now)) {
            Heard::Counts(next) => {
                self.arrivals += u32::from(next.name() == "arrived");
                self.state = next;
            }
            Heard::Again => {}
            Heard::Refused { state, .. } => self.state = state,
        }
    }

    fn step(&mut self, op: Op) {
        let which = |which: u8, count: usize| (count > 0).then(|| usize::from(which) % count.max(1));
        match op {
            Op::Send if self.state.is_awaited() => self.requests.push(false),
            Op::Send if self.state.owes_cancel() => self.requests.push(true),
            Op::Send | Op::Crash => {}
            Op::Work { makes } => {
                if !self.requests.is_empty() {
                    let cancels = self.requests.remove(0);
                    self.reach(cancels);
                }
                if self.office == Office::Working {
                    self.office = if makes { Office::Made } else { Office::Refused };
                }
            }
            Op::Arrive { which: one } => {
                if let Some(place) = which(one, self.answers.len()) {
                    let answer = self.answers.remove(place);
                    self.hear(&answer);
                }
            }
            Op::Double { which: one } => {
                if let Some(place) = which(one, self.answers.len()) {
                    let answer = self.answers[place].clone();
                    self.hear(&answer);
                }
            }
            Op::Lose { which: one } => {
                if let Some(place) = which(one, self.answers.len()) {
                    self.answers.remove(place);
                }
            }
            Op::LoseRequest => {
                self.requests.pop();
            }
            Op::Withdraw => {
                if let Ok(next) = self.state.withdraw(OrderWithdrawal::ApplicationEnded, at(self.now)) {
                    (self.state, self.application_ended) = (next, true);
                }
            }
            Op::Check { fits } => {
                if self.state.name() == "arrived" {
                    if fits {
                        self.state = self.state.keep(at(self.now)).unwrap();
                        assert!(self.kept.insert(7), "kept twice");
                    } else {
                        self.state = self.state.withdraw(OrderWithdrawal::Unfit, at(self.now)).unwrap();
                    }
                }
            }
            Op::Jump { seconds } => self.now += i64::from(seconds),
        }
        self.holds();
    }

    fn holds(&self) {
        assert!(self.arrivals <= 1, "an answer counted twice");
        assert_eq!(self.kept.len() == 1, self.state.name() == "kept");
        if self.state.name() == "kept" {
            assert!(!self.application_ended);
            assert_eq!(self.office, Office::Made, "what is kept here is made there, and not cancelled");
        }
    }

    /// Everything that is due happens, and nothing else.
    fn settle(&mut self) {
        for _ in 0..12 {
            self.step(Op::Send);
            self.step(Op::Work { makes: true });
            while !self.requests.is_empty() {
                self.step(Op::Work { makes: true });
            }
            while !self.answers.is_empty() {
                self.step(Op::Arrive { which: 0 });
            }
            self.step(Op::Check { fits: true });
        }
        // No order is lost: each has its end, and the maker has no seal that nobody wants.
        match self.state.name() {
            "kept" => assert_eq!(self.office, Office::Made),
            "cancelled" => assert_eq!(self.office, Office::Cancelled),
            "refused" => assert_eq!(self.office, Office::Refused),
            other => panic!("left {other}, the maker {:?}", self.office),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_sequence_keeps_one_seal_or_none_anywhere(ops in proptest::collection::vec(op(), 0..60)) {
        let mut world = World::new();
        for op in ops {
            world.step(op);
        }
        world.settle();
    }
}
