//! Tables of public keys that verify again and again: four times the speed for 52 KB a key, in a bounded store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::comb::{self, Comb};
use super::key::{PublicKey, verify_with};
use super::point::Jacobian;

/// From which use on a table pays for its building.
pub(super) const WORTH_A_TABLE: u32 = 6;

/// The multiples of one public key that make its verifications fast.
pub struct KeyTable {
    key: PublicKey,
    comb: Comb<5, 16>,
}

impl KeyTable {
    /// What a table takes in memory, in bytes.
    pub const BYTES: usize = Comb::<5, 16>::BYTES;

    /// The table of a key; as much work as about six verifications.
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
