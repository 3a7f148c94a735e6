//! Misuse of seals and doors, as the order of events shows it: a rule looks at one event after the other and remembers little.
//!
//! A rule holds what it was configured with; what it remembers lies in a [`Memory`] that its owner keeps. So an owner that
//! keeps memory and place in the log together, in one transaction, loses no alarm by a crash and raises none twice.
//!
//! Events carry no administrative division: whoever asks a rule says in which one the seal of the event is used.

mod burst;
mod memory;
mod new_caller;
mod new_division;
mod night_use;
mod repeated_refusals;
mod window;

use std::collections::BTreeSet;

use crate::base::clock::Timestamp;
use crate::base::division::Division;
use crate::base::id::{CallerId, SealId};
use crate::domain::audit::alarm::{Alarm, AlarmKind};
use crate::domain::audit::body::EventBody;
use crate::domain::audit::event::{Actor, Event};

pub use memory::{Memory, Topic, Trace};
pub use new_division::UsualDivisions;
pub use night_use::Night;
pub use window::Threshold;

/// What counts as misuse, and what it suspends. A rule without its part is off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Misuse {
    /// Hours in which no seal should be used.
    pub night: Option<Night>,
    /// Uses of one seal, or by one caller.
    pub burst: Option<Threshold>,
    /// Days after a seal's first use from which on another caller is told of.
    pub new_caller_days: Option<u32>,
    /// Divisions in which a caller uses seals.
    pub new_division: Option<UsualDivisions>,
    /// Refusals of one caller.
    pub refusals: Option<Threshold>,
    /// Refusals of all strangers together.
    pub strangers: Option<Threshold>,
    /// Alarms that suspend.
    pub suspend: BTreeSet<AlarmKind>,
}

/// A rule: what it wants to know of an event, and what it concludes.
pub trait Rule: Send + Sync {
    /// What it may raise.
    fn kind(&self) -> AlarmKind;
    /// What must be recalled before it looks at that event, whose seal is of that division; nothing where the event does not
    /// concern it.
    fn topics(&self, event: &Event, division: Option<&Division>) -> Vec<Topic>;
    /// Looks at an event and remembers it. At most one alarm for a window and a subject.
    fn observe(&self, number: u64, event: &Event, division: Option<&Division>, memory: &mut Memory) -> Option<Alarm>;
}

/// Topics of one event, all rules together: at most.
pub const MOST_TOPICS: usize = 7;

impl Misuse {
    /// The rules that are on, of the closed list: one file each.
    #[must_use]
    pub fn rules(&self) -> Vec<Box<dyn Rule>> {
        let mut rules: Vec<Box<dyn Rule>> = Vec::new();
        if let Some(night) = self.night {
            rules.push(Box::new(night_use::NightUse { night }));
        }
        if let Some(threshold) = self.burst {
            rules.push(Box::new(burst::Burst { counted: burst::Counted::Seal, threshold }));
            rules.push(Box::new(burst::Burst { counted: burst::Counted::Caller, threshold }));
        }
        if let Some(days) = self.new_caller_days {
            rules.push(Box::new(new_caller::NewCaller { days }));
        }
        if let Some(usual) = self.new_division {
            rules.push(Box::new(new_division::NewDivision { usual }));
        }
        if let Some(threshold) = self.refusals {
            rules.push(Box::new(repeated_refusals::RepeatedRefusals { of: repeated_refusals::Of::Callers, threshold }));
        }
        if let Some(threshold) = self.strangers {
            rules.push(Box::new(repeated_refusals::RepeatedRefusals {
                of: repeated_refusals::Of::Strangers,
                threshold,
            }));
        }
        rules
    }

    /// The seal whose division a rule that is on wants to know.
    #[must_use]
    pub fn placed<'e>(&self, event: &'e Event) -> Option<&'e SealId> {
        let used = Use::of(event).filter(|used| self.new_division.is_some() && used.caller.is_some());
        used.map(|used| used.seal)
    }

    /// Seconds after which what is remembered changes no judgement any more, and may be forgotten.
    ///
    /// A pair of seal and caller that rested for [`NewCaller`](AlarmKind::NewCaller)'s time of memory is new again, and a caller that
    /// used nothing for it has no usual divisions any more.
    #[must_use]
    pub fn memory_seconds() -> i64 {
        new_caller::REMEMBERED_DAYS.saturating_mul(86_400)
    }
}

/// A use of a seal: its key is asked for from this event on, whatever becomes of it.
struct Use<'a> {
    seal: &'a SealId,
    /// Nobody where somebody at the machine used it.
    caller: Option<&'a CallerId>,
    at: Timestamp,
}

impl<'a> Use<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        let (EventBody::SigningIntended { seal, .. } | EventBody::SigningPrepared { seal, .. }) = &event.body else {
            return None;
        };
        Some(Self { seal, caller: caller_of(event), at: event.at })
    }
}

fn caller_of(event: &Event) -> Option<&CallerId> {
    match &event.actor {
        Actor::Caller { id, .. } => Some(id),
        Actor::Operator | Actor::Anonymous => None,
    }
}

#[cfg(test)]
mod tests;
