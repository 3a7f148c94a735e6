//! Paths that were found before: a bounded store that its owner passes to whoever verifies.
//!
//! A path is remembered under the hashes of its certificates, the version of the trust list, and the hash of the policy
//! with its purposes. What is remembered is that the signatures and the constraints hold, which no time changes. The
//! validity at the moment asked for, revocation, and the dates of algorithms are judged on every call. A distrust or a
//! change of policy changes the key, so the very next call searches anew.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::crypto::digest::sm3;
use crate::domain::trust::budget::Budget;
use crate::domain::trust::path::failure::PathFailure;
use crate::domain::trust::path::revoked::statuses;
use crate::domain::trust::path::{PathQuestion, TrustedPath};

struct Entry {
    path: TrustedPath,
    used: AtomicU64,
}

/// Paths by what they depend on. The least recently used goes first.
pub struct PathCache {
    most: usize,
    clock: AtomicU64,
    entries: RwLock<HashMap<[u8; 32], Entry>>,
}

impl fmt::Debug for PathCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathCache").field("most", &self.most).field("count", &self.count()).finish()
    }
}

impl Default for PathCache {
    /// 1024 paths, some kilobytes each.
    fn default() -> Self {
        Self::new(1024)
    }
}

impl PathCache {
    /// An empty store for that many paths.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, clock: AtomicU64::new(0), entries: RwLock::default() }
    }

    /// How many paths there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// As [`PathQuestion::answer`], from the store where the same was asked before and the path still holds at the
    /// moment asked for. Signatures cost no budget then.
    ///
    /// # Errors
    /// Those of [`PathQuestion::answer`].
    pub fn answer(&self, question: &PathQuestion<'_>, budget: &mut Budget) -> Result<TrustedPath, PathFailure> {
        let key = key(question);
        if let Some(mut known) = self.known(&key)
            && known.holds_at(question.at, question.policy.end_validity).is_ok()
        {
            let Some(demand) = question.revocation else { return Ok(known) };
            if let Ok(statuses) = statuses(&known, question, demand, budget) {
                known.statuses = statuses;
                return Ok(known);
            }
            // Another path may still hold.
        }
        let found = question.answer(budget)?;
        self.remember(key, TrustedPath { statuses: Vec::new(), ..found.clone() });
        Ok(found)
    }

    fn known(&self, key: &[u8; 32]) -> Option<TrustedPath> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(key)?;
        entry.used.store(self.now(), Ordering::Relaxed);
        Some(entry.path.clone())
    }

    fn remember(&self, key: [u8; 32], path: TrustedPath) {
        if self.most == 0 {
            return;
        }
        let used = AtomicU64::new(self.now());
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.most && !entries.contains_key(&key) {
            let oldest =
                entries.iter().min_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed)).map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                entries.remove(&oldest);
            }
        }
        entries.insert(key, Entry { path, used });
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

/// SM3 over all that a path depends on but the time. Each part has a fixed length.
fn key(question: &PathQuestion<'_>) -> [u8; 32] {
    let mut all = Vec::with_capacity(160);
    all.extend_from_slice(question.trust.version());
    all.extend_from_slice(&question.policy.digest());
    all.extend_from_slice(&sm3(question.check.name().as_bytes()));
    // A critical cRLDistributionPoints is known only where revocation is demanded.
    all.push(u8::from(question.revocation.is_some()));
    all.extend_from_slice(&sm3(question.end.raw));
    for certificate in question.beside {
        all.extend_from_slice(&sm3(certificate.raw));
    }
    sm3(&all)
}
