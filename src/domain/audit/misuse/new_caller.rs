//! A caller uses a seal for the first time, when others have used it for long: a right that was given by mistake, or taken.

use crate::base::division::Division;
use crate::domain::audit::alarm::{Alarm, AlarmKind};
use crate::domain::audit::event::Event;
use crate::domain::audit::misuse::memory::{Memory, Topic, Trace};
use crate::domain::audit::misuse::{Rule, Use};

/// Days for which a caller's last use of a seal is remembered: a year, and the month in which yearly work moves.
pub(super) const REMEMBERED_DAYS: i64 = 400;

/// Another caller than those before, so many days after the seal's first use.
pub(super) struct NewCaller {
    pub(super) days: u32,
}

fn topics(used: &Use<'_>) -> [Topic; 2] {
    let (seal, kind) = (used.seal.as_str(), AlarmKind::NewCaller);
    let pair = match used.caller {
        Some(caller) => Topic::new(kind, &[seal, "caller", caller.as_str()]),
        None => Topic::new(kind, &[seal, "operator"]),
    };
    [Topic::new(kind, &[seal]), pair]
}

impl Rule for NewCaller {
    fn kind(&self) -> AlarmKind {
        AlarmKind::NewCaller
    }

    fn topics(&self, event: &Event, _: Option<&Division>) -> Vec<Topic> {
        Use::of(event).iter().flat_map(topics).collect()
    }

    fn observe(&self, number: u64, event: &Event, _: Option<&Division>, memory: &mut Memory) -> Option<Alarm> {
        let used = Use::of(event)?;
        let [of_seal, of_pair] = topics(&used);
        let (seal, pair) = (memory.recall(&of_seal), memory.recall(&of_pair));
        let fresh = Trace { since: used.at, before: 0, count: 0, alarmed_at: None, seen_at: used.at };
        let seen = |old: Option<Trace>| {
            let old = old.unwrap_or(fresh);
            Trace { count: old.count.saturating_add(1), seen_at: used.at.max(old.seen_at), ..old }
        };
        let settled = seal.is_some_and(|seal| seal.since.plus_days(i64::from(self.days)) <= used.at);
        let forgotten = |pair: Trace| pair.seen_at.plus_days(REMEMBERED_DAYS) <= used.at;
        let is_new = settled && pair.is_none_or(forgotten);
        memory.keep(of_seal, seen(seal));
        let pair = seen(pair);
        let alarmed_at = if is_new { Some(used.at) } else { pair.alarmed_at };
        memory.keep(of_pair, Trace { alarmed_at, ..pair });
        let (seal, caller) = (Some(used.seal.clone()), used.caller.cloned());
        let alarm = Alarm { kind: AlarmKind::NewCaller, seal, caller, sink: None, event: Some(number), count: 1 };
        is_new.then_some(alarm)
    }
}
