//! Paths that were found before: a bounded store that its owner passes to whoever verifies.
//!
//! A path is remembered under its certificates, the version of the trust list, and the policy with its purposes. What is
//! remembered is that the signatures and the constraints hold, which no time changes. The validity at the moment asked
//! for, revocation, and the dates of algorithms are judged on every call. A distrust or a change of policy changes the
//! key, so the very next call searches anew.
//!
//! An answer never depends on what was asked before. So a path is remembered only where nothing was to be chosen from at
//! any step, as which of several is taken depends on the moment; and it costs the budget what the search cost.

use crate::crypto::digest::sha256;
use crate::domain::trust::budget::Budget;
use crate::domain::trust::path::failure::PathFailure;
use crate::domain::trust::path::revoked::statuses;
use crate::domain::trust::path::{PathQuestion, TrustedPath};
use crate::domain::trust::recent::{Recent, RecentKey};

/// Paths by what they depend on. The least recently used goes first.
#[derive(Debug)]
pub struct PathCache {
    paths: Recent<TrustedPath>,
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
        Self { paths: Recent::new(most) }
    }

    /// How many paths there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.paths.count()
    }

    /// As [`PathQuestion::answer`], from the store where the same was asked before and the path still holds at the
    /// moment asked for.
    ///
    /// # Errors
    /// Those of [`PathQuestion::answer`].
    pub fn answer(&self, question: &PathQuestion<'_>, budget: &mut Budget) -> Result<TrustedPath, PathFailure> {
        let key = key(question);
        if let Some(known) = self.paths.get(&key)
            && let Some(path) = still_holds(known, question, budget)
        {
            question.admit(question.end);
            return Ok(path);
        }
        let found = question.answer(budget)?;
        if found.is_only_way {
            self.paths.keep(key, TrustedPath { statuses: Vec::new(), ..found.clone() });
        }
        Ok(found)
    }
}

/// The path as an answer to the question, paid for; none, and nothing paid, where a search must tell.
fn still_holds(mut known: TrustedPath, question: &PathQuestion<'_>, budget: &mut Budget) -> Option<TrustedPath> {
    known.holds_at(question.at, question.policy.end_validity).ok()?;
    let mut left = budget.clone();
    left.pay(known.spent)?;
    if known.steps.len() > left.length() {
        return None;
    }
    if let Some(demand) = question.revocation {
        known.statuses = statuses(&known, question, demand, &mut left).ok()?;
    }
    *budget = left;
    Some(known)
}

/// A digest of all that a path depends on but the time.
fn key(question: &PathQuestion<'_>) -> RecentKey {
    let policy = question.policy.digest();
    // A critical cRLDistributionPoints is known only where revocation is demanded.
    let demands = [u8::from(question.revocation.is_some())];
    let named = [question.trust.version(), &policy, question.check.name().as_bytes(), &demands];
    let certificates = [question.end].into_iter().chain(question.beside).map(|certificate| certificate.raw);
    let mut all = Vec::with_capacity(2048);
    for part in named.into_iter().chain(certificates) {
        all.extend_from_slice(&part.len().to_be_bytes());
        all.extend_from_slice(part);
    }
    sha256(&all)
}
