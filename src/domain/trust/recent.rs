//! What was found before, under the digest of all that it depends on: a bounded store, in which the least recently used
//! goes first.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// A digest that nobody can make two of: SHA-256, which processors compute by themselves.
pub type RecentKey = [u8; 32];

/// Findings by what they depend on. Its owner passes it to whoever judges; it changes how fast, never what.
pub struct Recent<V> {
    most: usize,
    /// Counts uses, so that the least recent can be told.
    clock: AtomicU64,
    entries: RwLock<HashMap<RecentKey, (V, AtomicU64)>>,
}

impl<V> fmt::Debug for Recent<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("most", &self.most).field("count", &self.count()).finish()
    }
}

impl<V> Recent<V> {
    /// An empty store for that many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, clock: AtomicU64::new(0), entries: RwLock::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

impl<V: Clone> Recent<V> {
    /// What is known under that key.
    #[must_use]
    pub fn get(&self, key: &RecentKey) -> Option<V> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let (value, used) = entries.get(key)?;
        used.store(self.now(), Ordering::Relaxed);
        Some(value.clone())
    }

    /// Keeps it; the least recently used makes room.
    pub fn keep(&self, key: RecentKey, value: V) {
        if self.most == 0 {
            return;
        }
        let used = AtomicU64::new(self.now());
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.most && !entries.contains_key(&key) {
            let oldest = entries.iter().min_by_key(|(_, (_, used))| used.load(Ordering::Relaxed)).map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                entries.remove(&oldest);
            }
        }
        entries.insert(key, (value, used));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let recent = Recent::new(2);
        recent.keep([1; 32], 'a');
        recent.keep([2; 32], 'b');
        assert_eq!(recent.get(&[1; 32]), Some('a'));
        recent.keep([3; 32], 'c');
        assert_eq!([1, 2, 3].map(|n| recent.get(&[n; 32])), [Some('a'), None, Some('c')]);
        recent.keep([3; 32], 'd');
        assert_eq!((recent.get(&[3; 32]), recent.count()), (Some('d'), 2));
        let none = Recent::new(0);
        none.keep([1; 32], 'a');
        assert_eq!((none.get(&[1; 32]), none.count()), (None, 0));
    }
}
