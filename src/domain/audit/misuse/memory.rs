//! What rules remember: a trace for each subject, of which there is a bounded number.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::base::clock::Timestamp;
use crate::domain::audit::alarm::AlarmKind;

/// The subject of a trace: a rule's name, then whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic(String);

impl Topic {
    /// Of the names of identifiers (64 octets each), which have no `/`.
    pub(in crate::domain::audit::misuse) fn new(kind: AlarmKind, parts: &[&str]) -> Self {
        Self(format!("{kind}/{}", parts.join("/")))
    }

    /// Of a place that security events are sent to.
    #[must_use]
    pub fn sink(name: &str) -> Self {
        Self::new(AlarmKind::SinkDown, &[name])
    }

    /// Of the audit log itself: what is wrong, and with which witness.
    #[must_use]
    pub fn log(kind: AlarmKind, witness: &str) -> Self {
        Self::new(kind, &[witness])
    }

    /// As in a row.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is remembered of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// When its window began.
    pub since: Timestamp,
    /// What was counted in the window before.
    pub before: u64,
    /// What was counted in this one.
    pub count: u64,
    /// When its last alarm was raised.
    pub alarmed_at: Option<Timestamp>,
    /// When it was last seen.
    pub seen_at: Timestamp,
}

/// Traces, no more than its limit: whoever was not seen for the longest time makes room.
#[derive(Debug, Clone)]
pub struct Memory {
    traces: BTreeMap<Topic, Trace>,
    changed: BTreeSet<Topic>,
    limit: usize,
}

impl Memory {
    /// Remembers nothing yet, and never more than `limit` subjects.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { traces: BTreeMap::new(), changed: BTreeSet::new(), limit }
    }

    /// Takes what was kept of earlier events.
    pub fn restore(&mut self, topic: Topic, trace: Trace) {
        self.make_room(&topic);
        self.traces.insert(topic, trace);
    }

    /// What is remembered of that subject.
    #[must_use]
    pub fn recall(&self, topic: &Topic) -> Option<Trace> {
        self.traces.get(topic).copied()
    }

    /// Remembers a subject.
    pub fn keep(&mut self, topic: Topic, trace: Trace) {
        self.make_room(&topic);
        self.changed.insert(topic.clone());
        self.traces.insert(topic, trace);
    }

    /// What changed since it was restored.
    pub fn changed(&self) -> impl Iterator<Item = (&Topic, &Trace)> {
        self.changed.iter().filter_map(|topic| self.traces.get_key_value(topic))
    }

    /// How many subjects are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.traces.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.traces.is_empty()
    }

    fn make_room(&mut self, topic: &Topic) {
        if self.traces.len() < self.limit || self.traces.contains_key(topic) {
            return;
        }
        let oldest = self.traces.iter().min_by_key(|(_, trace)| trace.seen_at).map(|(topic, _)| topic.clone());
        if let Some(oldest) = oldest {
            self.traces.remove(&oldest);
            self.changed.remove(&oldest);
        }
    }
}
