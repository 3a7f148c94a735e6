//! Tables of public keys that verify again and again: four times the speed for 52 KB a key, in a bounded store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::comb::{self, Comb};
use super::key::{PublicKey, verify_with};
use super::point::Jacobian;

/// From which use on a table pays for its building.
pub(super) const WORTH_A_TABLE: u32 = 7;

/// The multiples of one public key that make its verifications fast.
pub struct KeyTable {
    key: PublicKey,
    comb: Comb<5, 16>,
}

impl KeyTable {
    /// What a table takes in memory, in bytes.
    pub const BYTES: usize = Comb::<5, 16>::BYTES;

    /// The table of a key; as much work as about five verifications.
    #[must_use]
    pub fn new(key: &PublicKey) -> Self {
        Self { key: *key, comb: Comb::new(&key.point) }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// As [`PublicKey::verify_prehashed`].
    #[must_use]
    pub fn verify_prehashed(&self, e: &[u8; 32], signature: &[u8]) -> bool {
        verify_with(e, signature, |s, t| {
            let (of_key, of_base) = (self.comb.terms(t), comb::base_terms(s));
            let mut sum = Jacobian::INFINITY;
            of_key.add_public(&mut sum);
            of_base.add_public(&mut sum);
            sum
        })
    }
}

/// How much a [`KeyTables`] may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableBounds {
    /// Tables in all, each of [`KeyTable::BYTES`].
    pub tables: usize,
    /// Tables of keys of one issuer.
    pub tables_of_an_issuer: usize,
    /// Keys that are counted but have no table yet, in all.
    pub candidates: usize,
    /// From which admitted use on a key gets its table.
    pub uses: u32,
}

impl Default for TableBounds {
    /// 52 MB of tables; an issuer may take a quarter.
    fn default() -> Self {
        Self { tables: 1000, tables_of_an_issuer: 250, candidates: 4000, uses: WORTH_A_TABLE }
    }
}

/// Tables of keys, a bounded store that its owner passes to whoever verifies. The least recently used table goes first.
///
/// Only [`KeyTables::admit`] makes tables, so strangers' keys cost nothing until somebody vouches for them.
pub struct KeyTables {
    bounds: TableBounds,
    /// Counts uses, so that the least recent can be told.
    clock: AtomicU64,
    tables: RwLock<HashMap<PublicKey, Arc<Entry>>>,
    candidates: RwLock<HashMap<PublicKey, Candidate>>,
}

struct Entry {
    table: KeyTable,
    issuer: [u8; 32],
    used: AtomicU64,
}

struct Candidate {
    uses: u32,
    used: u64,
}

impl Default for KeyTables {
    fn default() -> Self {
        Self::new(TableBounds::default())
    }
}

impl std::fmt::Debug for KeyTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyTables").field("bounds", &self.bounds).field("count", &self.count()).finish()
    }
}

impl KeyTables {
    /// An empty store.
    #[must_use]
    pub fn new(bounds: TableBounds) -> Self {
        Self { bounds, clock: AtomicU64::new(0), tables: RwLock::default(), candidates: RwLock::default() }
    }

    /// How many tables there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether the key has a table.
    #[must_use]
    pub fn holds(&self, key: &PublicKey) -> bool {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    /// Says that the key is on a path to a trust anchor, or our own, and will verify; `issuer` names whose key it is for
    /// the bound per issuer. The use that makes a table worth its building builds it.
    pub fn admit(&self, key: &PublicKey, issuer: &[u8; 32]) {
        if self.holds(key) || !self.counted(key) || self.bounds.tables == 0 || self.bounds.tables_of_an_issuer == 0 {
            return;
        }
        // Built before the lock is taken: nobody waits for it.
        let used = AtomicU64::new(self.now());
        let entry = Arc::new(Entry { table: KeyTable::new(key), issuer: *issuer, used });
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let of_issuer = tables.values().filter(|entry| entry.issuer == *issuer).count();
        if of_issuer >= self.bounds.tables_of_an_issuer {
            remove_oldest(&mut tables, |entry| entry.issuer == *issuer);
        } else if tables.len() >= self.bounds.tables {
            remove_oldest(&mut tables, |_| true);
        }
        tables.insert(*key, entry);
    }

    /// As [`PublicKey::verify_prehashed`]; faster if the key has a table.
    #[must_use]
    pub fn verify_prehashed(&self, key: &PublicKey, e: &[u8; 32], signature: &[u8]) -> bool {
        let entry = self.tables.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        match entry {
            Some(entry) => {
                entry.used.store(self.now(), Ordering::Relaxed);
                entry.table.verify_prehashed(e, signature)
            }
            None => key.verify_prehashed(e, signature),
        }
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts one more use of a key without a table; whether it has earned one.
    fn counted(&self, key: &PublicKey) -> bool {
        let used = self.now();
        let mut candidates = self.candidates.write().unwrap_or_else(PoisonError::into_inner);
        let uses = candidates.get(key).map_or(0, |candidate| candidate.uses).saturating_add(1);
        if uses >= self.bounds.uses {
            candidates.remove(key);
            return true;
        }
        if !candidates.contains_key(key) && candidates.len() >= self.bounds.candidates {
            let oldest = candidates.iter().min_by_key(|(_, candidate)| candidate.used).map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                candidates.remove(&oldest);
            }
        }
        candidates.insert(*key, Candidate { uses, used });
        false
    }
}

/// Removes the least recently used of those that match.
fn remove_oldest(tables: &mut HashMap<PublicKey, Arc<Entry>>, matches: impl Fn(&Entry) -> bool) {
    let candidates = tables.iter().filter(|(_, entry)| matches(entry));
    let oldest = candidates.min_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed)).map(|(key, _)| *key);
    if let Some(oldest) = oldest {
        tables.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::sm2::PrivateKey;

    fn key(seed: u8) -> PublicKey {
        PrivateKey::from_bytes(&[seed; 32]).unwrap().public_key()
    }

    #[test]
    fn a_table_comes_with_the_use_that_is_worth_it() {
        let bounds = TableBounds { tables: 2, tables_of_an_issuer: 2, candidates: 2, uses: 3 };
        let tables = KeyTables::new(bounds);
        for expected in [false, false, true, true] {
            tables.admit(&key(1), &[0; 32]);
            assert_eq!(tables.holds(&key(1)), expected);
        }
        // Verifying makes no table, however often.
        for _ in 0..10 {
            assert!(!tables.verify_prehashed(&key(2), &[0; 32], &[1; 64]));
        }
        assert_eq!(tables.count(), 1);
    }

    #[test]
    fn the_answer_is_the_same_with_and_without_a_table() {
        let private = PrivateKey::from_bytes(&[1; 32]).unwrap();
        let tables = KeyTables::new(TableBounds { uses: 1, ..TableBounds::default() });
        let e = [9; 32];
        let good = private.sign_prehashed(&e, &SystemRandom).unwrap();
        let mut bad = good;
        bad[40] ^= 1;
        for holds in [false, true] {
            assert_eq!(tables.holds(&key(1)), holds);
            assert!(tables.verify_prehashed(&key(1), &e, &good) && !tables.verify_prehashed(&key(1), &e, &bad));
            assert!(!tables.verify_prehashed(&key(2), &e, &good));
            tables.admit(&key(1), &[0; 32]);
        }
    }

    #[test]
    fn the_least_recently_used_goes_first_and_no_issuer_takes_all() {
        let bounds = TableBounds { tables: 3, tables_of_an_issuer: 2, candidates: 1, uses: 1 };
        let tables = KeyTables::new(bounds);
        let (a, b) = ([1; 32], [2; 32]);
        tables.admit(&key(1), &b);
        tables.admit(&key(2), &a);
        tables.admit(&key(3), &a);
        let _ = tables.verify_prehashed(&key(2), &[0; 32], &[1; 64]);
        // The issuer a has its two; its older one, key 3, makes room, though key 1 of b is older still.
        tables.admit(&key(4), &a);
        assert_eq!([1, 2, 3, 4].map(|seed| tables.holds(&key(seed))), [true, true, false, true]);
        // A third issuer meets the bound of all: the oldest of all goes.
        tables.admit(&key(5), &[3; 32]);
        assert_eq!([1, 2, 4, 5].map(|seed| tables.holds(&key(seed))), [false, true, true, true]);
        assert_eq!(tables.count(), 3);
        let none = KeyTables::new(TableBounds { tables: 0, ..bounds });
        none.admit(&key(1), &a);
        assert_eq!(none.count(), 0);
    }

    #[test]
    fn candidates_are_bounded() {
        let tables = KeyTables::new(TableBounds { tables: 9, tables_of_an_issuer: 9, candidates: 2, uses: 2 });
        for seed in [1, 2, 3, 1] {
            tables.admit(&key(seed), &[0; 32]);
        }
        // Key 1 had been forgotten for key 3, so this was its first use again.
        assert_eq!((tables.count(), tables.candidates.read().unwrap().len()), (0, 2));
        tables.admit(&key(1), &[0; 32]);
        assert!(tables.holds(&key(1)));
    }

    #[test]
    fn many_threads_share_it() {
        let private = PrivateKey::from_bytes(&[1; 32]).unwrap();
        let value = private.sign_prehashed(&[9; 32], &SystemRandom).unwrap();
        let tables = KeyTables::new(TableBounds { tables: 2, tables_of_an_issuer: 2, candidates: 2, uses: 1 });
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (tables, value) = (&tables, &value);
                scope.spawn(move || {
                    for round in 0..20 {
                        tables.admit(&key(1 + (thread + round) % 5), &[0; 32]);
                        assert!(tables.verify_prehashed(&key(1), &[9; 32], value));
                    }
                });
            }
        });
        assert!(tables.count() <= 2);
    }
}
