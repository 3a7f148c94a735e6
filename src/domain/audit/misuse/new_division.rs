//! A caller uses a seal of a division in which it used none for long: a key that has got about, or a right that reaches too far.
//!
//! The division (行政区划) is that of the seal's holder, as its record says. A caller's very first use is no news of this rule, since
//! nothing is known of where it belongs: `new-caller` tells of it. Seals without a record, and the operator at the machine, who
//! belongs to no division, are not judged.

use crate::base::clock::Timestamp;
use crate::base::division::Division;
use crate::domain::audit::alarm::{Alarm, AlarmKind};
use crate::domain::audit::event::Event;
use crate::domain::audit::misuse::memory::{Memory, Topic, Trace};
use crate::domain::audit::misuse::new_caller::REMEMBERED_DAYS;
use crate::domain::audit::misuse::{Rule, Use};

/// How long a division is usual for a caller, and how much of its code is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsualDivisions {
    /// Days after a caller's last use in a division from which on that division is new to it again.
    pub days: u32,
    /// Digits of the code: 2 for provinces, 4 for prefectures, 6 for counties.
    pub digits: u8,
}

/// A use in another division than those of the window.
pub(super) struct NewDivision {
    pub(super) usual: UsualDivisions,
}

/// The caller, and the caller in this division.
struct Place {
    division: Division,
    topics: [Topic; 2],
}

impl NewDivision {
    fn place(&self, used: &Use<'_>, division: Option<&Division>) -> Option<Place> {
        let (caller, division) = (used.caller?, division?.shortened(self.usual.digits));
        let (kind, caller) = (AlarmKind::NewDivision, caller.as_str());
        let topics = [Topic::new(kind, &["caller", caller]), Topic::new(kind, &["caller", caller, &division.code()])];
        Some(Place { division, topics })
    }
}

impl Rule for NewDivision {
    fn kind(&self) -> AlarmKind {
        AlarmKind::NewDivision
    }

    fn topics(&self, event: &Event, division: Option<&Division>) -> Vec<Topic> {
        let place = Use::of(event).and_then(|used| self.place(&used, division));
        place.into_iter().flat_map(|place| place.topics).collect()
    }

    fn observe(&self, number: u64, event: &Event, division: Option<&Division>, memory: &mut Memory) -> Option<Alarm> {
        let used = Use::of(event)?;
        let Place { division, topics: [of_caller, of_pair] } = self.place(&used, division)?;
        let (caller, pair) = (memory.recall(&of_caller), memory.recall(&of_pair));
        let since =
            |trace: Option<Trace>, days: i64| trace.is_some_and(|trace| used.at < trace.seen_at.plus_days(days));
        // Whoever used nothing for so long is forgotten sooner or later: for the rule that is now, so that it does not depend
        // on when rows are deleted.
        let is_known = since(caller, REMEMBERED_DAYS);
        let is_new = is_known && !since(pair, i64::from(self.usual.days));
        memory.keep(of_caller, seen(caller, used.at, false));
        memory.keep(of_pair, seen(pair, used.at, is_new));
        let (seal, caller, sink) = (Some(used.seal.clone()), used.caller.cloned(), Some(division.code()));
        let alarm = Alarm { kind: AlarmKind::NewDivision, seal, caller, sink, event: Some(number), count: 1 };
        is_new.then_some(alarm)
    }
}

fn seen(old: Option<Trace>, at: Timestamp, is_alarmed: bool) -> Trace {
    let old = old.unwrap_or(Trace { since: at, before: 0, count: 0, alarmed_at: None, seen_at: at });
    let alarmed_at = if is_alarmed { Some(at) } else { old.alarmed_at };
    Trace { count: old.count.saturating_add(1), seen_at: at.max(old.seen_at), alarmed_at, ..old }
}
