//! What each rule tells and keeps to itself, and what none of them ever does.

use proptest::prelude::*;

use super::*;
use crate::base::id::{KeyId, SignatureId};
use crate::domain::caller::{Role, Roles};

const DAY: i64 = 86_400;
/// 2026-11-23 00:00 at +08:00.
const MIDNIGHT: i64 = 1_795_363_200;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(MIDNIGHT + seconds)
}

fn by(name: &str) -> Actor {
    Actor::Caller { id: CallerId::parse(name).unwrap(), roles: Roles::new([Role::SealUser]).unwrap() }
}

fn used(seconds: i64, seal: &str, actor: Actor) -> Event {
    let body = EventBody::SigningIntended {
        signature: SignatureId::parse("s").unwrap(),
        seal: SealId::parse(seal).unwrap(),
        document_sm3: [0; 32],
        key: KeyId::parse("k").unwrap(),
    };
    Event { at: at(seconds), actor, request: None, body }
}

fn refused(seconds: i64, actor: Actor) -> Event {
    let body = EventBody::AccessRefused { endpoint: "POST /x".into(), code: "role-missing".into() };
    Event { at: at(seconds), actor, request: None, body }
}

fn other(seconds: i64) -> Event {
    let body = EventBody::ServiceStarted { version: String::new() };
    Event { at: at(seconds), actor: Actor::Operator, request: None, body }
}

/// The division of a seal, which the tests write behind its name: `a-330106`.
fn division_of(event: &Event) -> Option<Division> {
    let (_, code) = Use::of(event)?.seal.as_str().split_once('-')?;
    Some(Division::parse(code).unwrap())
}

/// Every alarm of the events, in their order, as kind, subject, event and count.
fn alarms(misuse: &Misuse, events: &[Event]) -> Vec<(AlarmKind, String, u64, u64)> {
    let (rules, mut memory) = (misuse.rules(), Memory::new(1000));
    let mut found = Vec::new();
    for (number, event) in (0..).zip(events) {
        for rule in &rules {
            let Some(alarm) = rule.observe(number, event, division_of(event).as_ref(), &mut memory) else {
                continue;
            };
            assert_eq!((alarm.kind, alarm.event), (rule.kind(), Some(number)));
            let seal = alarm.seal.map_or(String::new(), |seal| seal.to_string());
            let caller = alarm.caller.map_or(String::new(), |caller| caller.to_string());
            found.push((alarm.kind, format!("{seal}|{caller}"), number, alarm.count));
        }
    }
    found
}

/// A use whose key lies with the client is a use.
#[test]
fn what_is_prepared_counts_as_what_is_intended() {
    let prepared = |seconds| {
        let body = EventBody::SigningPrepared {
            signature: SignatureId::parse("s").unwrap(),
            seal: SealId::parse("a").unwrap(),
            document_sm3: [0; 32],
            certificate_sm3: [0; 32],
        };
        Event { at: at(seconds), actor: by("c"), request: None, body }
    };
    let night = Some(Night { from: 22 * 60, to: 6 * 60, offset: 8 * 60 });
    let misuse = Misuse { night, ..Misuse::default() };
    assert_eq!(alarms(&misuse, &[prepared(3600)]), alarms(&misuse, &[used(3600, "a", by("c"))]));
    assert_eq!(alarms(&misuse, &[prepared(3600)]).len(), 1);
}

#[test]
fn a_night_is_told_once_for_each_seal() {
    let night = Some(Night { from: 22 * 60, to: 6 * 60, offset: 8 * 60 });
    let misuse = Misuse { night, ..Misuse::default() };
    let hour = |hour: i64, seal| used(hour * 3600, seal, by("c"));
    let events = [
        hour(6, "a"),  // 06:00: the night is over
        hour(21, "a"), // 21:00: not begun
        hour(22, "a"), // told
        hour(25, "a"), // the same night, after midnight
        hour(26, "b"), // another seal: told
        hour(29, "a"), // 05:00, the same
        hour(46, "a"), // the next night: told
    ];
    let expected = [("a", 2), ("b", 4), ("a", 6)];
    let expected = expected.map(|(seal, number)| (AlarmKind::NightUse, format!("{seal}|c"), number, 1));
    assert_eq!(alarms(&misuse, &events), expected);
}

#[test]
fn a_night_within_one_day_and_at_another_offset() {
    let night = Night { from: 60, to: 120, offset: -150 };
    // 01:00 at -02:30 is 03:30 UTC.
    let utc = |hour: i64, minute: i64| Timestamp::from_unix(hour * 3600 + minute * 60);
    assert_eq!(night.began(utc(3, 29)), None);
    assert_eq!(night.began(utc(3, 30)), Some(utc(3, 30)));
    assert_eq!(night.began(utc(4, 29)), Some(utc(3, 30)));
    assert_eq!(night.began(utc(4, 30)), None);
    // No hours are no night.
    assert_eq!(Night { from: 60, to: 60, offset: 0 }.began(utc(1, 0)), None);
}

#[test]
fn a_burst_is_told_once_in_a_window_for_seal_and_caller() {
    let misuse = Misuse { burst: Some(Threshold { most: 3, minutes: 10 }), ..Misuse::default() };
    let burst = |start: i64, count: i64| (0..count).map(move |i| used(start + i, "a", by("c")));
    let usual = burst(0, 3).chain(burst(1200, 3)).collect::<Vec<_>>();
    assert_eq!(alarms(&misuse, &usual), []);
    let both = |number, count| {
        let one = (AlarmKind::Burst, "a|c".to_owned(), number, count);
        [one.clone(), one]
    };
    let twice = burst(0, 9).chain(burst(1200, 9)).collect::<Vec<_>>();
    assert_eq!(alarms(&misuse, &twice), [both(3, 4), both(12, 4)].concat());
    // By several callers, of one seal: the seal's alarm alone.
    let names = ["c", "d", "e", "f"];
    let shared = names.iter().map(|name| used(0, "a", by(name))).collect::<Vec<_>>();
    assert_eq!(alarms(&misuse, &shared), [(AlarmKind::Burst, "a|f".to_owned(), 3, 4)]);
    // By one caller, of several seals: the caller's alone.
    let spread = names.iter().map(|name| used(0, name, by("c"))).collect::<Vec<_>>();
    assert_eq!(alarms(&misuse, &spread), [(AlarmKind::Burst, "f|c".to_owned(), 3, 4)]);
}

/// A burst across the border of two windows is one.
#[test]
fn windows_slide() {
    let misuse = Misuse { burst: Some(Threshold { most: 10, minutes: 10 }), ..Misuse::default() };
    let across =
        (0..8).map(|i| used(590 + i, "a", Actor::Operator)).chain((0..8).map(|i| used(600 + i, "a", Actor::Operator)));
    let found = alarms(&misuse, &across.collect::<Vec<_>>());
    // Eight before the border count almost whole ten seconds later: 7 + 4 is the first sum above ten.
    assert_eq!(found, [(AlarmKind::Burst, "a|".to_owned(), 11, 11)]);
}

#[test]
fn a_clock_that_was_far_ahead_is_forgotten() {
    let misuse = Misuse { burst: Some(Threshold { most: 2, minutes: 1 }), ..Misuse::default() };
    let mut events = vec![used(1_000_000, "a", Actor::Operator)];
    events.extend((0..3).map(|i| used(i, "a", Actor::Operator)));
    assert_eq!(alarms(&misuse, &events), [(AlarmKind::Burst, "a|".to_owned(), 3, 3)]);
}

#[test]
fn a_new_caller_is_told_once_the_seal_has_its_users() {
    let misuse = Misuse { new_caller_days: Some(7), ..Misuse::default() };
    let events = [
        used(0, "a", by("c")),
        used(DAY, "a", by("d")), // within the first days: no news
        used(7 * DAY, "a", by("c")),
        used(7 * DAY, "a", by("e")), // told
        used(8 * DAY, "a", by("e")),
        used(8 * DAY, "b", by("e")),         // another seal, its first user
        used(9 * DAY, "a", Actor::Operator), // told: nobody at the machine used it before
        used(500 * DAY, "a", by("d")),       // forgotten, and new again: told
    ];
    let told = |who: &str, number| (AlarmKind::NewCaller, format!("a|{who}"), number, 1);
    assert_eq!(alarms(&misuse, &events), [told("e", 3), told("", 6), told("d", 7)]);
}

/// The alarms of the rule of new divisions, each as caller, event and division.
fn new_divisions(days: u32, digits: u8, events: &[Event]) -> Vec<(String, u64, String)> {
    let misuse = Misuse { new_division: Some(UsualDivisions { days, digits }), ..Misuse::default() };
    let (rules, mut memory) = (misuse.rules(), Memory::new(1000));
    let mut found = Vec::new();
    for (number, event) in (0..).zip(events) {
        for alarm in
            rules.iter().filter_map(|rule| rule.observe(number, event, division_of(event).as_ref(), &mut memory))
        {
            let Alarm {
                kind: AlarmKind::NewDivision,
                seal,
                caller: Some(caller),
                sink: Some(division),
                event,
                count: 1,
            } = alarm
            else {
                panic!("{alarm:?}");
            };
            assert!(seal.is_some());
            found.push((caller.to_string(), event.unwrap(), division));
        }
    }
    found
}

fn told(caller: &str, number: u64, division: &str) -> (String, u64, String) {
    (caller.to_owned(), number, division.to_owned())
}

#[test]
fn a_division_is_new_that_a_caller_did_not_use_within_the_window() {
    let events = [
        used(0, "a-330106", by("c")),             // its first use ever: `new-caller` tells of it
        used(1, "b-330106", by("c")),             // another seal of the same division
        used(2, "a-330105", by("c")),             // told
        used(3, "a-330105", by("c")),             // once
        used(3, "a-330105", by("d")),             // another caller, its first use ever
        used(4, "a-330106", by("d")),             // told: usual for others, not for this one
        used(29 * DAY, "a-330106", by("c")),      // within the window
        used(30 * DAY + 3, "b-330105", by("c")),  // 30 days after its last use there: told again
        used(59 * DAY - 1, "a-330106", by("c")),  // one second before the window ends
        used(89 * DAY - 1, "a-330106", by("c")),  // it has ended: told
        used(489 * DAY - 1, "a-440305", by("c")), // forgotten whole: its first use again
    ];
    let expected = [told("c", 2, "330105"), told("d", 5, "330106"), told("c", 7, "330105"), told("c", 9, "330106")];
    assert_eq!(new_divisions(30, 6, &events), expected);
    // One second earlier it would not have been forgotten.
    let last = used(489 * DAY - 2, "a-440305", by("c"));
    let found = new_divisions(30, 6, &[&events[..10], &[last]].concat());
    assert_eq!(found.last(), Some(&told("c", 10, "440305")));
}

#[test]
fn a_division_is_as_large_as_its_digits_say() {
    let codes = ["330106", "330105", "330106109", "330200", "330000", "440305", "000000"];
    let events = (0..).zip(codes).map(|(at, code)| used(at, &format!("a-{code}"), by("c"))).collect::<Vec<_>>();
    let found = |digits| new_divisions(90, digits, &events).into_iter().map(|(_, _, code)| code).collect::<Vec<_>>();
    assert_eq!(found(6), ["330105", "330200", "330000", "440305", "000000"]);
    assert_eq!(found(4), ["330200", "330000", "440300", "000000"]);
    assert_eq!(found(2), ["440000", "000000"]);
}

/// Nothing is known of where they belong: the operator at the machine, seals without a record, strangers.
#[test]
fn without_a_caller_or_a_division_none_is_new() {
    let events = [
        used(0, "a-330106", Actor::Operator),
        used(1, "a-440305", Actor::Operator),
        used(2, "a", by("c")),
        used(3, "b", by("c")),
        // The first in a division that is known.
        used(4, "a-440305", by("c")),
        refused(5, by("c")),
        other(6),
    ];
    assert_eq!(new_divisions(90, 6, &events), []);
    let on = Misuse { new_division: Some(UsualDivisions { days: 90, digits: 6 }), ..Misuse::default() };
    let placed = |misuse: &Misuse| events.iter().map(|event| misuse.placed(event).is_some()).collect::<Vec<_>>();
    assert_eq!(placed(&on), [false, false, true, true, true, false, false]);
    assert_eq!(placed(&Misuse::default()), [false; 7]);
}

#[test]
fn refusals_are_counted_for_each_caller_and_for_strangers_together() {
    let two = Some(Threshold { most: 2, minutes: 10 });
    let misuse = Misuse { refusals: two, strangers: Some(Threshold { most: 3, minutes: 10 }), ..Misuse::default() };
    let mut events = vec![other(0)];
    for i in 0..4 {
        events.extend([refused(i, by("c")), refused(i, Actor::Anonymous), refused(i, by(&format!("d{i}")))]);
    }
    let told = |who: &str, number, count| (AlarmKind::RepeatedRefusals, format!("|{who}"), number, count);
    assert_eq!(alarms(&misuse, &events), [told("c", 7, 3), told("", 11, 4)]);
    assert_eq!(alarms(&Misuse::default(), &events), []);
}

fn all() -> Misuse {
    let threshold = |most| Some(Threshold { most, minutes: 10 });
    Misuse {
        night: Some(Night { from: 22 * 60, to: 6 * 60, offset: 480 }),
        burst: threshold(3),
        new_caller_days: Some(1),
        new_division: Some(UsualDivisions { days: 1, digits: 6 }),
        refusals: threshold(2),
        strangers: threshold(4),
        suspend: BTreeSet::new(),
    }
}

fn any_event(moments: std::ops::Range<i64>) -> impl Strategy<Value = Event> {
    (moments, 0..4_u8, 0..40_u8, 0..40_u8).prop_map(|(seconds, kind, seal, caller)| {
        // Of four counties, and of none.
        let code = ["-330105", "-330106", "-330106109", "-440305", ""].get(usize::from(seal % 5)).unwrap();
        let (seal, caller) = (format!("s{seal}{code}"), by(&format!("c{caller}")));
        match kind {
            0 => other(seconds),
            1 => used(seconds, &seal, caller),
            2 => refused(seconds, caller),
            _ => refused(seconds, Actor::Anonymous),
        }
    })
}

proptest! {
    /// Whatever comes, in whatever order and at whatever times: what is remembered stays within its bound, and an event
    /// recalls no more than its topics.
    #[test]
    fn memory_has_its_bound(events in proptest::collection::vec(any_event(-10 * DAY..1000 * DAY), 0..300)) {
        let (rules, mut memory) = (all().rules(), Memory::new(20));
        for (number, event) in (0..).zip(&events) {
            let topics = rules.iter().flat_map(|rule| rule.topics(event, division_of(event).as_ref())).collect::<Vec<_>>();
            prop_assert!(topics.len() <= MOST_TOPICS);
            prop_assert!(topics.iter().all(|topic| topic.as_str().len() <= 192));
            for rule in &rules {
                rule.observe(number, event, division_of(event).as_ref(), &mut memory);
                prop_assert!(memory.len() <= 20);
            }
        }
        prop_assert!(memory.changed().count() <= 20);
    }

    /// What a rule says depends only on the topics that it names: recalled one event at a time it says the same.
    #[test]
    fn topics_are_all_that_is_recalled(mut events in proptest::collection::vec(any_event(0..3 * DAY), 0..200)) {
        events.sort_by_key(|event| event.at);
        let (rules, mut whole) = (all().rules(), Memory::new(10_000));
        let mut kept = std::collections::BTreeMap::new();
        for (number, event) in (0..).zip(&events) {
            let (mut part, division) = (Memory::new(MOST_TOPICS), division_of(event));
            let division = division.as_ref();
            for topic in rules.iter().flat_map(|rule| rule.topics(event, division)) {
                if let Some(trace) = kept.get(&topic) {
                    part.restore(topic, *trace);
                }
            }
            for rule in &rules {
                let alone = rule.observe(number, event, division, &mut part);
                prop_assert_eq!(alone, rule.observe(number, event, division, &mut whole));
            }
            kept.extend(part.changed().map(|(topic, trace)| (topic.clone(), *trace)));
        }
    }

    /// A division is told of when its caller is known and used none of it within the window, and never else: by a list of all uses
    /// so far, which the rule does not keep.
    #[test]
    fn new_divisions_are_those_of_the_list(mut events in proptest::collection::vec(any_event(0..900 * DAY), 0..200)) {
        events.sort_by_key(|event| event.at);
        let mut list = Vec::<(CallerId, String, Timestamp)>::new();
        let mut expected = Vec::new();
        for (number, event) in (0..).zip(&events) {
            let Some(division) = division_of(event) else { continue };
            let (caller, county) = (caller_of(event).unwrap().clone(), division.six_digits());
            let within = |days, at: &Timestamp| event.at.unix() - at.unix() < days * DAY;
            let is_known = list.iter().any(|(who, _, at)| *who == caller && within(400, at));
            let is_usual = list.iter().any(|(who, place, at)| *who == caller && *place == county && within(30, at));
            if is_known && !is_usual {
                expected.push(told(caller.as_str(), number, &county));
            }
            list.push((caller, county, event.at));
        }
        prop_assert_eq!(new_divisions(30, 6, &events), expected);
    }

    /// At most one alarm for a subject within a window, as long as the clock does not run backwards.
    #[test]
    fn one_alarm_for_a_window_and_a_subject(mut events in proptest::collection::vec(any_event(0..3 * DAY), 0..300)) {
        events.sort_by_key(|event| event.at);
        let (rules, mut memory) = (all().rules(), Memory::new(10_000));
        let mut last = std::collections::BTreeMap::<(usize, Vec<Topic>), Timestamp>::new();
        for (number, event) in (0..).zip(&events) {
            for (index, rule) in rules.iter().enumerate() {
                let division = division_of(event);
                let alarm = rule.observe(number, event, division.as_ref(), &mut memory);
                if alarm.is_none() || rule.kind() == AlarmKind::NewCaller {
                    continue;
                }
                let window = match rule.kind() {
                    AlarmKind::NightUse => 8 * 3600,
                    AlarmKind::NewDivision => DAY,
                    _ => 600,
                };
                let before = last.insert((index, rule.topics(event, division.as_ref())), event.at);
                prop_assert!(before.is_none_or(|before| before.plus_seconds(window) <= event.at));
            }
        }
    }
}
