//! Two services, a receiver and a clock in any order: nothing is passed over, nothing goes again that was noted.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const LEASE: i64 = 40;
const GIVE_UP: i64 = 3600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

#[test]
fn pauses_grow_are_bounded_and_differ_by_chance() {
    assert_eq!([1, 2, 3, 8, 9, 40, u32::MAX].map(|attempts| pause(attempts, 0)), [5, 10, 20, 640, 900, 900, 900]);
    assert_eq!([pause(8, 255), pause(9, 128)], [958, 1125]);
}

#[test]
fn a_notice_is_begun_once_at_a_time_and_given_up_after_its_age() {
    let first = Delivery::New.begin(at(100), LEASE).unwrap();
    assert_eq!(first, Delivery::Begun { attempts: 1, since: at(100), at: at(140) });
    assert_eq!(first.begin(at(139), LEASE), None);
    assert_eq!(first.ended(true, (at(101), 0), GIVE_UP), Ended::Delivered);
    let again = Delivery::Begun { attempts: 1, since: at(100), at: at(106) };
    assert_eq!(first.ended(false, (at(101), 0), GIVE_UP), Ended::Again(again));
    // Old enough, but tried too seldom: a clock that jumped.
    let seldom = Delivery::Begun { attempts: FEWEST - 1, since: at(100), at: at(140) };
    assert!(matches!(seldom.ended(false, (at(9_999_999), 0), GIVE_UP), Ended::Again(_)));
    let often = Delivery::Begun { attempts: FEWEST, since: at(100), at: at(140) };
    assert!(matches!(often.ended(false, (at(100 + GIVE_UP - 1), 0), GIVE_UP), Ended::Again(_)));
    assert_eq!(often.ended(false, (at(100 + GIVE_UP), 0), GIVE_UP), Ended::GivenUp);
    // Nobody gives up what nobody began.
    assert_eq!(Delivery::New.ended(false, (at(0), 0), 0), Ended::Again(Delivery::New));
}

#[test]
fn a_clock_that_was_set_back_keeps_nobody_waiting() {
    let waits = Delivery::Begun { attempts: 3, since: at(100_000), at: at(100_040) };
    assert!(!waits.is_due(at(100_039)) && waits.is_due(at(100_040)));
    assert!(waits.is_due(at(50_000)));
    assert_eq!(
        waits.begin(at(50_000), LEASE),
        Some(Delivery::Begun { attempts: 4, since: at(50_000), at: at(50_040) })
    );
}

#[test]
fn another_notice_at_the_place_is_a_new_one() {
    let place = Place { next: 4, delivery: Delivery::Begun { attempts: 3, since: at(1), at: at(2) } };
    assert_eq!((place.at(4), place.at(6)), (place, Place::before(6)));
}

/// What happens next.
#[derive(Debug, Clone)]
enum Op {
    /// A service looks for what is due and begins to send it.
    Begin(usize),
    /// The request of that service arrives at the receiver.
    Arrives(usize),
    /// The service hears an answer, which is the receiver's where the request arrived, and notes it.
    Hears(usize, bool, u8),
    /// The service ends, whatever it was at, and another one begins.
    Crash(usize),
    /// So many seconds pass, or the clock is set.
    Clock(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let service = || 0_usize..2;
    prop_oneof![
        4 => service().prop_map(Op::Begin),
        4 => service().prop_map(Op::Arrives),
        4 => (service(), any::<bool>(), any::<u8>()).prop_map(|(one, taken, chance)| Op::Hears(one, taken, chance)),
        1 => service().prop_map(Op::Crash),
        4 => (0_i64..1000).prop_map(Op::Clock),
        1 => (-200_000_i64..200_000).prop_map(Op::Clock),
    ]
}

/// What a service has under way.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    event: u64,
    place: Place,
    version: u64,
    arrived: bool,
}

/// The row, the receiver, and what was seen of both.
struct World {
    now: i64,
    /// The row: the place, and how often it was changed.
    place: Place,
    version: u64,
    services: [Option<UnderWay>; 2],
    got: Vec<u64>,
    noted: BTreeSet<u64>,
    given_up: BTreeSet<u64>,
}

impl World {
    /// Events of which the receiver is told.
    fn concerns(event: u64) -> bool {
        event % 3 != 1
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Clock(seconds) => self.now += seconds,
            Op::Crash(one) => self.services[one] = None,
            Op::Begin(one) => {
                let Some(event) = (self.place.next..).find(|event| Self::concerns(*event)) else { return };
                let Some(place) = self.place.at(event).begin(at(self.now), LEASE) else { return };
                self.version += 1;
                self.place = place;
                // A notice whose end was noted is never begun again.
                assert!(!self.noted.contains(&event) && !self.given_up.contains(&event), "{event} goes again");
                self.services[one] = Some(UnderWay { event, place, version: self.version, arrived: false });
            }
            Op::Arrives(one) => {
                if let Some(sent) = self.services[one].as_mut().filter(|sent| !sent.arrived) {
                    sent.arrived = true;
                    self.got.push(sent.event);
                }
            }
            Op::Hears(one, taken, chance) => {
                let Some(sent) = self.services[one].take() else { return };
                // Nobody says that it took what did not arrive.
                let ended = sent.place.delivery.ended(taken && sent.arrived, (at(self.now), chance), GIVE_UP);
                // Another service began it meanwhile: that one notes.
                if sent.version != self.version {
                    return;
                }
                match ended {
                    Ended::Delivered => assert!(self.noted.insert(sent.event)),
                    Ended::GivenUp => assert!(self.given_up.insert(sent.event)),
                    Ended::Again(_) => {}
                }
                self.place = sent.place.after(ended);
                self.version += 1;
            }
        }
        for event in (0..self.place.next).filter(|event| Self::concerns(*event)) {
            let is_noted = self.noted.contains(&event);
            assert!(is_noted != self.given_up.contains(&event), "{event} is passed over, or ended twice");
            assert!(!is_noted || self.got.contains(&event), "{event} was never taken");
        }
    }

    /// In the order in which each came for the first time.
    fn firsts(&self) -> Vec<u64> {
        let mut seen = BTreeSet::new();
        self.got.iter().copied().filter(|event| seen.insert(*event)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_passed_over_and_nothing_goes_again(ops in proptest::collection::vec(op(), 0..200)) {
        let mut world = World {
            now: 1_800_000_000,
            place: Place::before(0),
            version: 0,
            services: [None, None],
            got: Vec::new(),
            noted: BTreeSet::new(),
            given_up: BTreeSet::new(),
        };
        for op in &ops {
            world.step(op);
        }
        // Whatever came before, also from the clock: whoever looks again and again gets the next notice to a receiver that takes
        // everything.
        world.services = [None, None];
        let next = (world.place.next..).find(|event| World::concerns(*event)).unwrap();
        for _ in 0..3 {
            world.step(&Op::Begin(0));
            world.step(&Op::Clock(LONGEST_PAUSE));
        }
        for op in [Op::Begin(0), Op::Arrives(0), Op::Hears(0, true, 0)] {
            world.step(&op);
        }
        prop_assert!(world.noted.contains(&next));
    }

    #[test]
    fn a_receiver_gets_each_for_the_first_time_in_its_order(
        answers in proptest::collection::vec((any::<bool>(), any::<bool>(), 0_i64..2000), 0..200)
    ) {
        // One service, which may end at any moment, and a clock that goes forward.
        let mut world = World {
            now: 1_800_000_000,
            place: Place::before(0),
            version: 0,
            services: [None, None],
            got: Vec::new(),
            noted: BTreeSet::new(),
            given_up: BTreeSet::new(),
        };
        for (taken, crash, seconds) in answers {
            world.step(&Op::Begin(0));
            world.step(&Op::Arrives(0));
            world.step(&if crash { Op::Crash(0) } else { Op::Hears(0, taken, 7) });
            world.step(&Op::Clock(seconds));
        }
        let firsts = world.firsts();
        prop_assert!(firsts.is_sorted(), "{:?}", firsts);
        let all = (0..).filter(|event| World::concerns(*event)).take(firsts.len()).collect::<Vec<_>>();
        prop_assert_eq!(firsts, all);
    }
}
