//! What one search for paths may cost, so that nobody can make us search, or compare names, for ever.

use crate::base::limits::Limits;

/// Candidates that one search may look at. A genuine graph needs some dozens; authorities that certify each other in
/// all directions would cost the factorial of their number.
const STEPS: usize = 10_000;

/// Names that one search may compare with name constraints: a certificate of 60 names under 4,000 constraints.
const COMPARISONS: usize = 250_000;

/// What was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Exhausted {
    /// Signature checks.
    #[error("too many signatures to check")]
    Checks,
    /// Certificates in the path.
    #[error("too long a path")]
    Length,
    /// Candidates looked at.
    #[error("too many candidates")]
    Steps,
    /// Names compared with constraints.
    #[error("too many names to compare with name constraints")]
    Comparisons,
}

/// Signature checks, candidates and comparisons that may still be spent, and the length that a path may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    checks: usize,
    length: usize,
    steps: usize,
    comparisons: usize,
}

impl Budget {
    /// What the limits allow for one document.
    #[must_use]
    pub const fn new(limits: &Limits) -> Self {
        Self { checks: limits.path_checks, length: limits.path_length, steps: STEPS, comparisons: COMPARISONS }
    }

    /// The same, with another number of signature checks.
    #[must_use]
    pub const fn with_checks(self, checks: usize) -> Self {
        Self { checks, ..self }
    }

    /// The same, with another length of paths, both ends counted.
    #[must_use]
    pub const fn with_length(self, length: usize) -> Self {
        Self { length, ..self }
    }

    /// The same, with another number of comparisons.
    #[must_use]
    pub const fn with_comparisons(self, comparisons: usize) -> Self {
        Self { comparisons, ..self }
    }

    /// The certificates that a path may have, both ends counted.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    pub(in crate::domain::trust) fn check(&mut self) -> Result<(), Exhausted> {
        spend(&mut self.checks, Exhausted::Checks)
    }

    pub(in crate::domain::trust) fn step(&mut self) -> Result<(), Exhausted> {
        spend(&mut self.steps, Exhausted::Steps)
    }

    pub(in crate::domain::trust) fn compare(&mut self) -> Result<(), Exhausted> {
        spend(&mut self.comparisons, Exhausted::Comparisons)
    }

    /// What was spent since it was like that.
    pub(in crate::domain::trust) fn spent_since(&self, before: &Self) -> Spent {
        Spent {
            checks: before.checks.saturating_sub(self.checks),
            steps: before.steps.saturating_sub(self.steps),
            comparisons: before.comparisons.saturating_sub(self.comparisons),
        }
    }

    /// Takes it off, if so much is left.
    pub(in crate::domain::trust) fn pay(&mut self, spent: Spent) -> Option<()> {
        let checks = self.checks.checked_sub(spent.checks)?;
        let steps = self.steps.checked_sub(spent.steps)?;
        let comparisons = self.comparisons.checked_sub(spent.comparisons)?;
        *self = Self { checks, steps, comparisons, ..*self };
        Some(())
    }

    /// Takes off what another budget spent, from its beginning to its end.
    pub(in crate::domain::trust) fn charge(&mut self, before: &Self, after: &Self) {
        let parts = [
            (&mut self.checks, before.checks, after.checks),
            (&mut self.steps, before.steps, after.steps),
            (&mut self.comparisons, before.comparisons, after.comparisons),
        ];
        for (left, before, after) in parts {
            *left = left.saturating_sub(before.saturating_sub(after));
        }
    }
}

/// What a search cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::domain::trust) struct Spent {
    checks: usize,
    steps: usize,
    comparisons: usize,
}

fn spend(left: &mut usize, what: Exhausted) -> Result<(), Exhausted> {
    *left = left.checked_sub(1).ok_or(what)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_gone() {
        let mut budget = Budget::new(&Limits::DEFAULT).with_checks(1).with_comparisons(0);
        assert_eq!(budget.check(), Ok(()));
        assert_eq!(budget.check(), Err(Exhausted::Checks));
        assert_eq!(budget.compare(), Err(Exhausted::Comparisons));
        for _ in 0..STEPS {
            assert_eq!(budget.step(), Ok(()));
        }
        assert_eq!(budget.step(), Err(Exhausted::Steps));
        assert_eq!(budget.with_length(3).length(), 3);
    }

    #[test]
    fn what_was_spent_before_is_paid_whole_or_not_at_all() {
        let full = Budget::new(&Limits::DEFAULT).with_checks(2).with_comparisons(1);
        let mut after = full.clone();
        assert_eq!((after.check(), after.compare()), (Ok(()), Ok(())));
        let spent = after.spent_since(&full);
        let mut other = full.clone();
        assert_eq!((other.pay(spent), other == after), (Some(()), true));
        assert_eq!((other.pay(spent), other == after), (None, true));
    }
}
