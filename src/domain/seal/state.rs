//! The states of a seal and the ways between them. Whether its period of validity has ended is a question of time, not a state.

use crate::base::clock::Timestamp;
use crate::base::id::SealId;
use crate::domain::audit::{EventBody, RevocationReason, SuspensionReason};

/// Where a seal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// May be used.
    Active {
        /// Since its issue, or since it was last resumed.
        since: Timestamp,
    },
    /// Must not be used for now.
    Suspended {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: SuspensionReason,
    },
    /// Must never be used again.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RevocationReason,
    },
}

/// A way that the states do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a seal that is {from} cannot {attempt}")]
pub struct InvalidTransition {
    /// The state's name.
    pub from: &'static str,
    /// What was asked: `suspend`, `resume`, `revoke` or `sign`.
    pub attempt: &'static str,
}

impl State {
    /// The state's stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Active { .. } => "active",
            Self::Suspended { .. } => "suspended",
            Self::Revoked { .. } => "revoked",
        }
    }

    /// Lays an active seal to rest.
    ///
    /// # Errors
    /// It is not active.
    pub fn suspend(
        self,
        seal: &SealId,
        now: Timestamp,
        reason: SuspensionReason,
    ) -> Result<(Self, EventBody), InvalidTransition> {
        match self {
            Self::Active { .. } => {
                Ok((Self::Suspended { since: now, reason }, EventBody::SealSuspended { seal: seal.clone(), reason }))
            }
            Self::Suspended { .. } | Self::Revoked { .. } => Err(self.refuse("suspend")),
        }
    }

    /// Brings a resting seal back into use.
    ///
    /// # Errors
    /// It is not suspended.
    pub fn resume(self, seal: &SealId, now: Timestamp) -> Result<(Self, EventBody), InvalidTransition> {
        match self {
            Self::Suspended { .. } => Ok((Self::Active { since: now }, EventBody::SealResumed { seal: seal.clone() })),
            Self::Active { .. } | Self::Revoked { .. } => Err(self.refuse("resume")),
        }
    }

    /// Ends a seal, for ever.
    ///
    /// # Errors
    /// It was revoked before; the first moment and reason stand.
    pub fn revoke(
        self,
        seal: &SealId,
        now: Timestamp,
        reason: RevocationReason,
    ) -> Result<(Self, EventBody), InvalidTransition> {
        match self {
            Self::Active { .. } | Self::Suspended { .. } => {
                Ok((Self::Revoked { at: now, reason }, EventBody::SealRevoked { seal: seal.clone(), reason }))
            }
            Self::Revoked { .. } => Err(self.refuse("revoke")),
        }
    }

    /// Whether the seal may sign now.
    ///
    /// # Errors
    /// It is not active.
    pub fn may_sign(&self) -> Result<(), InvalidTransition> {
        match self {
            Self::Active { .. } => Ok(()),
            Self::Suspended { .. } | Self::Revoked { .. } => Err(self.refuse("sign")),
        }
    }

    const fn refuse(&self, attempt: &'static str) -> InvalidTransition {
        InvalidTransition { from: self.name(), attempt }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn step(state: State, choice: u8, seal: &SealId, now: Timestamp) -> Result<(State, EventBody), InvalidTransition> {
        match choice {
            0 => state.suspend(seal, now, SuspensionReason::OwnerRequest),
            1 => state.resume(seal, now),
            _ => state.revoke(seal, now, RevocationReason::KeyCompromise),
        }
    }

    #[test]
    fn a_revoked_seal_stays_revoked_with_its_first_reason() {
        let seal = SealId::parse("s").unwrap();
        let revoked = State::Revoked { at: Timestamp::from_unix(5), reason: RevocationReason::Superseded };
        for (choice, attempt) in [(0, "suspend"), (1, "resume"), (2, "revoke")] {
            let refused = step(revoked, choice, &seal, Timestamp::from_unix(9));
            assert_eq!(refused, Err(InvalidTransition { from: "revoked", attempt }));
        }
        let refused = revoked.may_sign().unwrap_err();
        assert_eq!(refused.to_string(), "a seal that is revoked cannot sign");
    }

    proptest! {
        /// A second, independent description of the states: a table of names.
        #[test]
        fn any_sequence_follows_the_table(choices in proptest::collection::vec(0_u8..3, 0..40)) {
            let seal = SealId::parse("s").unwrap();
            let mut state = State::Active { since: Timestamp::from_unix(0) };
            for (now, choice) in (1..).zip(choices) {
                let expected = match (state.name(), choice) {
                    ("active", 0) => Some(("suspended", "seal-suspended")),
                    ("suspended", 1) => Some(("active", "seal-resumed")),
                    ("active" | "suspended", 2) => Some(("revoked", "seal-revoked")),
                    _ => None,
                };
                let before = state;
                let next = step(state, choice, &seal, Timestamp::from_unix(now));
                let got = next.as_ref().ok().map(|(state, event)| (state.name(), event.class().name()));
                prop_assert_eq!(got, expected);
                state = next.map_or(before, |(state, _)| state);
                prop_assert_eq!(state.may_sign().is_ok(), state.name() == "active");
            }
        }
    }
}
