//! A seal is used at night, when the people who may use it are not at work.

use crate::base::clock::Timestamp;
use crate::base::division::Division;
use crate::domain::audit::alarm::{Alarm, AlarmKind};
use crate::domain::audit::event::Event;
use crate::domain::audit::misuse::memory::{Memory, Topic, Trace};
use crate::domain::audit::misuse::{Rule, Use};

const DAY: i64 = 86_400;

/// Hours of a day at a named offset from UTC. There is no daylight saving in it: China has had one time, +08:00, since 1992.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    /// Its beginning, in minutes of the local day, 0 to 1439.
    pub from: u16,
    /// Its end; before its beginning where midnight lies between.
    pub to: u16,
    /// Minutes that local time is ahead of UTC.
    pub offset: i16,
}

impl Night {
    /// When the night began that this moment lies in; nothing by day.
    #[must_use]
    pub fn began(self, at: Timestamp) -> Option<Timestamp> {
        let local = at.unix().saturating_add(i64::from(self.offset).saturating_mul(60));
        let begins = i64::from(self.from).saturating_mul(60);
        let lasts = i64::from(self.to).saturating_mul(60).saturating_sub(begins).rem_euclid(DAY);
        let passed = local.saturating_sub(begins).rem_euclid(DAY);
        (passed < lasts).then(|| at.plus_seconds(-passed))
    }
}

/// The first use of a seal in a night.
pub(super) struct NightUse {
    pub(super) night: Night,
}

fn topic(used: &Use<'_>) -> Topic {
    Topic::new(AlarmKind::NightUse, &[used.seal.as_str()])
}

impl Rule for NightUse {
    fn kind(&self) -> AlarmKind {
        AlarmKind::NightUse
    }

    fn topics(&self, event: &Event, _: Option<&Division>) -> Vec<Topic> {
        let used = Use::of(event).filter(|used| self.night.began(used.at).is_some());
        used.iter().map(topic).collect()
    }

    fn observe(&self, number: u64, event: &Event, _: Option<&Division>, memory: &mut Memory) -> Option<Alarm> {
        let used = Use::of(event)?;
        let since = self.night.began(used.at)?;
        let old = memory.recall(&topic(&used)).filter(|old| old.since == since);
        let count = old.map_or(0, |old| old.count).saturating_add(1);
        let alarmed_at = Some(old.and_then(|old| old.alarmed_at).unwrap_or(used.at));
        memory.keep(topic(&used), Trace { since, before: 0, count, alarmed_at, seen_at: used.at });
        let (seal, caller) = (Some(used.seal.clone()), used.caller.cloned());
        let alarm = Alarm { kind: AlarmKind::NightUse, seal, caller, sink: None, event: Some(number), count };
        old.is_none().then_some(alarm)
    }
}
