//! The states of a key and the ways between them. Whether its period of validity has ended is a question of time, not a state.

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::domain::key::KeySuspensionReason;

/// What was destroyed: enough to recognise it in an old copy of the database, too little to restore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestructionProof {
    /// SM3 of the public key.
    pub public_key_sm3: [u8; 32],
    /// SM3 of the sealed private key that was deleted; of a device's key, of its handle.
    pub private_key_sm3: [u8; 32],
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// May be used.
    Active {
        /// Since its making, or since it was last resumed.
        since: Timestamp,
    },
    /// Must not be used for now.
    Suspended {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: KeySuspensionReason,
    },
    /// Can never be used again: the private key is gone.
    Destroyed {
        /// When.
        at: Timestamp,
        /// What it was.
        proof: DestructionProof,
    },
}

/// What a transition tells the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyEvent {
    /// A key rests.
    Suspended {
        /// Which.
        key: KeyId,
        /// Why.
        reason: KeySuspensionReason,
    },
    /// A resting key is in use again.
    Resumed {
        /// Which.
        key: KeyId,
    },
    /// A private key is gone.
    Destroyed {
        /// Which.
        key: KeyId,
        /// What it was.
        proof: DestructionProof,
    },
}

/// A way that the states do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key that is {from} cannot {attempt}")]
pub struct InvalidTransition {
    /// The state's name.
    pub from: &'static str,
    /// What was asked: `be suspended`, `be resumed` or `be destroyed`.
    pub attempt: &'static str,
}

impl KeyState {
    /// The state's stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Active { .. } => "active",
            Self::Suspended { .. } => "suspended",
            Self::Destroyed { .. } => "destroyed",
        }
    }

    /// Since when it is so.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        match self {
            Self::Active { since } | Self::Suspended { since, .. } => *since,
            Self::Destroyed { at, .. } => *at,
        }
    }

    /// Lays an active key to rest.
    ///
    /// # Errors
    /// It is not active.
    pub fn suspend(
        self,
        key: &KeyId,
        now: Timestamp,
        reason: KeySuspensionReason,
    ) -> Result<(Self, KeyEvent), InvalidTransition> {
        match self {
            Self::Active { .. } => {
                Ok((Self::Suspended { since: now, reason }, KeyEvent::Suspended { key: key.clone(), reason }))
            }
            Self::Suspended { .. } | Self::Destroyed { .. } => Err(self.refuse("be suspended")),
        }
    }

    /// Brings a resting key back into use.
    ///
    /// # Errors
    /// It is not suspended.
    pub fn resume(self, key: &KeyId, now: Timestamp) -> Result<(Self, KeyEvent), InvalidTransition> {
        match self {
            Self::Suspended { .. } => Ok((Self::Active { since: now }, KeyEvent::Resumed { key: key.clone() })),
            Self::Active { .. } | Self::Destroyed { .. } => Err(self.refuse("be resumed")),
        }
    }

    /// Ends a key for ever. Only a suspended key is destroyed, so that nothing in use vanishes by one word.
    ///
    /// # Errors
    /// It is active, or was destroyed before; the first moment and proof stand.
    pub fn destroy(
        self,
        key: &KeyId,
        now: Timestamp,
        proof: DestructionProof,
    ) -> Result<(Self, KeyEvent), InvalidTransition> {
        match self {
            Self::Suspended { .. } => {
                Ok((Self::Destroyed { at: now, proof }, KeyEvent::Destroyed { key: key.clone(), proof }))
            }
            Self::Active { .. } | Self::Destroyed { .. } => Err(self.refuse("be destroyed")),
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

    const PROOF: DestructionProof = DestructionProof { public_key_sm3: [1; 32], private_key_sm3: [2; 32] };

    fn step(state: KeyState, choice: u8, now: Timestamp) -> Result<(KeyState, KeyEvent), InvalidTransition> {
        let key = KeyId::parse("k").unwrap();
        match choice {
            0 => state.suspend(&key, now, KeySuspensionReason::SuspectedMisuse),
            1 => state.resume(&key, now),
            _ => state.destroy(&key, now, PROOF),
        }
    }

    const fn event_name(event: &KeyEvent) -> &'static str {
        match event {
            KeyEvent::Suspended { .. } => "suspended",
            KeyEvent::Resumed { .. } => "resumed",
            KeyEvent::Destroyed { .. } => "destroyed",
        }
    }

    #[test]
    fn a_destroyed_key_stays_destroyed_with_its_first_proof() {
        let destroyed = KeyState::Destroyed { at: Timestamp::from_unix(5), proof: PROOF };
        for (choice, attempt) in [(0, "be suspended"), (1, "be resumed"), (2, "be destroyed")] {
            let refused = step(destroyed, choice, Timestamp::from_unix(9));
            assert_eq!(refused, Err(InvalidTransition { from: "destroyed", attempt }));
        }
        let active = KeyState::Active { since: Timestamp::from_unix(5) };
        let refused = step(active, 2, Timestamp::from_unix(9)).unwrap_err();
        assert_eq!(refused.to_string(), "a key that is active cannot be destroyed");
    }

    proptest! {
        /// A second, independent description of the states: a table of names.
        #[test]
        fn any_sequence_follows_the_table(choices in proptest::collection::vec(0_u8..3, 0..40)) {
            let mut state = KeyState::Active { since: Timestamp::from_unix(0) };
            for (now, choice) in (1..).zip(choices) {
                let expected = match (state.name(), choice) {
                    ("active", 0) => Some(("suspended", "suspended")),
                    ("suspended", 1) => Some(("active", "resumed")),
                    ("suspended", 2) => Some(("destroyed", "destroyed")),
                    _ => None,
                };
                let (before, now) = (state, Timestamp::from_unix(now));
                let next = step(state, choice, now);
                let got = next.as_ref().ok().map(|(state, event)| (state.name(), event_name(event)));
                prop_assert_eq!(got, expected);
                if let Ok((next, _)) = &next {
                    prop_assert_eq!(next.since(), now);
                }
                state = next.map_or(before, |(state, _)| state);
            }
        }
    }
}
