//! A seal, or a caller, is at work far more often than usual: what a stolen key or a program gone wild looks like.

use crate::base::division::Division;
use crate::domain::audit::alarm::{Alarm, AlarmKind};
use crate::domain::audit::event::Event;
use crate::domain::audit::misuse::memory::{Memory, Topic};
use crate::domain::audit::misuse::window::Threshold;
use crate::domain::audit::misuse::{Rule, Use};

/// Whose uses are counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counted {
    /// Of one seal, by whomever.
    Seal,
    /// By one caller, of whatever seal.
    Caller,
}

/// More uses than the threshold.
pub(super) struct Burst {
    pub(super) counted: Counted,
    pub(super) threshold: Threshold,
}

impl Burst {
    fn topic(&self, used: &Use<'_>) -> Option<Topic> {
        match self.counted {
            Counted::Seal => Some(Topic::new(AlarmKind::Burst, &["seal", used.seal.as_str()])),
            Counted::Caller => used.caller.map(|caller| Topic::new(AlarmKind::Burst, &["caller", caller.as_str()])),
        }
    }
}

impl Rule for Burst {
    fn kind(&self) -> AlarmKind {
        AlarmKind::Burst
    }

    fn topics(&self, event: &Event, _: Option<&Division>) -> Vec<Topic> {
        Use::of(event).and_then(|used| self.topic(&used)).into_iter().collect()
    }

    fn observe(&self, number: u64, event: &Event, _: Option<&Division>, memory: &mut Memory) -> Option<Alarm> {
        let used = Use::of(event)?;
        let count = self.threshold.count(memory, self.topic(&used)?, used.at)?;
        let (seal, caller) = (Some(used.seal.clone()), used.caller.cloned());
        Some(Alarm { kind: AlarmKind::Burst, seal, caller, sink: None, event: Some(number), count })
    }
}
