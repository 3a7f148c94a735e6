//! What a run comes to, and its exit code (product contract 1).

use crate::domain::verify::Indication;

/// What one file, or a whole run, comes to. The order is the order of precedence: the first that applies decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// The arguments make no sense.
    Usage,
    /// Something broke inside, or results could not be written.
    Internal,
    /// A file could not be read.
    Unreadable,
    /// A file was refused: its form, or a limit.
    Refused,
    /// A signature failed.
    Failed,
    /// Not enough is known.
    Indeterminate,
    /// A file without any signature.
    Unsigned,
    /// Every file is signed and passed.
    Passed,
}

impl Outcome {
    /// What a file that could be read comes to.
    pub(crate) const fn of(indication: Indication) -> Self {
        match indication {
            Indication::TotalPassed => Self::Passed,
            Indication::NoSignatureFound => Self::Unsigned,
            Indication::Indeterminate => Self::Indeterminate,
            Indication::TotalFailed => Self::Failed,
            Indication::Refused => Self::Refused,
        }
    }

    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::Internal => 70,
            Self::Unreadable => 66,
            Self::Refused => 4,
            Self::Failed => 1,
            Self::Indeterminate => 2,
            Self::Unsigned => 3,
            Self::Passed => 0,
        }
    }
}

/// What all of them come to together. Nothing at all is a mistake of usage.
pub(crate) fn over_all(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    outcomes.into_iter().min().unwrap_or(Outcome::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the contract lists them.
    const PRECEDENCE: [(Outcome, u8); 8] = [
        (Outcome::Usage, 64),
        (Outcome::Internal, 70),
        (Outcome::Unreadable, 66),
        (Outcome::Refused, 4),
        (Outcome::Failed, 1),
        (Outcome::Indeterminate, 2),
        (Outcome::Unsigned, 3),
        (Outcome::Passed, 0),
    ];

    #[test]
    fn the_first_that_applies_decides_in_every_combination() {
        for set in 1..256_u32 {
            let members: Vec<_> = (0..8).filter(|bit| set & (1 << bit) != 0).map(|bit| PRECEDENCE[bit]).collect();
            let expected = members[0].1;
            let forward = over_all(members.iter().map(|(outcome, _)| *outcome));
            let backward = over_all(members.iter().rev().map(|(outcome, _)| *outcome));
            assert_eq!((forward.code(), backward.code()), (expected, expected), "{members:?}");
        }
        assert_eq!(over_all([]).code(), 64);
    }
}
