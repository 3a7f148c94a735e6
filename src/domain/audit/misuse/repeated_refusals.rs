//! Requests are refused again and again: somebody tries what it may not, or what it cannot prove.
//!
//! Refusals of strangers enter the log within a budget (`http/observe.rs`), so that they cannot fill it; all strangers are
//! one subject here, since nothing about them is believed.

use crate::base::division::Division;
use crate::domain::audit::alarm::{Alarm, AlarmKind};
use crate::domain::audit::body::EventBody;
use crate::domain::audit::event::{Actor, Event};
use crate::domain::audit::misuse::memory::{Memory, Topic};
use crate::domain::audit::misuse::window::Threshold;
use crate::domain::audit::misuse::{Rule, caller_of};

/// Whose refusals are counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// Those of each caller by itself.
    Callers,
    /// Those of everybody whom we do not know.
    Strangers,
}

/// More refusals than the threshold.
pub(super) struct RepeatedRefusals {
    pub(super) of: Of,
    pub(super) threshold: Threshold,
}

impl RepeatedRefusals {
    fn topic(&self, event: &Event) -> Option<Topic> {
        if !matches!(event.body, EventBody::AccessRefused { .. }) {
            return None;
        }
        match (self.of, &event.actor) {
            (Of::Callers, Actor::Caller { id, .. }) => {
                Some(Topic::new(AlarmKind::RepeatedRefusals, &["caller", id.as_str()]))
            }
            (Of::Strangers, Actor::Anonymous) => Some(Topic::new(AlarmKind::RepeatedRefusals, &["strangers"])),
            _ => None,
        }
    }
}

impl Rule for RepeatedRefusals {
    fn kind(&self) -> AlarmKind {
        AlarmKind::RepeatedRefusals
    }

    fn topics(&self, event: &Event, _: Option<&Division>) -> Vec<Topic> {
        self.topic(event).into_iter().collect()
    }

    fn observe(&self, number: u64, event: &Event, _: Option<&Division>, memory: &mut Memory) -> Option<Alarm> {
        let count = self.threshold.count(memory, self.topic(event)?, event.at)?;
        let (kind, caller) = (AlarmKind::RepeatedRefusals, caller_of(event).cloned());
        Some(Alarm { kind, seal: None, caller, sink: None, event: Some(number), count })
    }
}
