//! Counting within a window of time that slides, by two numbers: this window's and the last one's.

use crate::base::clock::Timestamp;
use crate::domain::audit::misuse::memory::{Memory, Topic, Trace};

/// So many within so many minutes are usual; more are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// The most that is usual.
    pub most: u32,
    /// The window.
    pub minutes: u32,
}

impl Threshold {
    /// Counts one more; gives how many there were when that is more than usual and was not told within this window.
    ///
    /// What came in the window that slides is reckoned as the whole of the present window and the part of the last one that
    /// still lies within it, as if that had come evenly: exact for a steady rate, at most one window wrong for any other.
    pub(super) fn count(self, memory: &mut Memory, topic: Topic, at: Timestamp) -> Option<u64> {
        let length = i64::from(self.minutes.max(1)).saturating_mul(60);
        let passed = at.unix().rem_euclid(length);
        let start = at.plus_seconds(-passed);
        let old = memory.recall(&topic);
        let (since, before, count) = match old {
            // A clock that was set back a little; one that was far ahead is not believed any more.
            Some(old) if at < old.since && old.since <= at.plus_seconds(length) => (old.since, old.before, old.count),
            Some(old) if old.since == start => (start, old.before, old.count),
            Some(old) if old.since.plus_seconds(length) == start => (start, old.count, 0),
            _ => (start, 0, 0),
        };
        let count = count.saturating_add(1);
        let rest = u64::try_from(length.saturating_sub(passed)).unwrap_or(0);
        let part = before.saturating_mul(rest).checked_div(length.unsigned_abs()).unwrap_or(0);
        let reckoned = part.saturating_add(count);
        let told =
            old.and_then(|old| old.alarmed_at).filter(|told| told.unix().abs_diff(at.unix()) < length.unsigned_abs());
        let is_news = reckoned > u64::from(self.most) && told.is_none();
        let alarmed_at = if is_news { Some(at) } else { told };
        memory.keep(topic, Trace { since, before, count, alarmed_at, seen_at: at });
        is_news.then_some(reckoned)
    }
}
