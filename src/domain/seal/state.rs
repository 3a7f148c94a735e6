//! The states of a seal and the ways between them. Its end by time is a state too: told by the clock at once ([`State::seen`]),
//! and entered when somebody looks ([`State::expire`]).

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, SealId};
use crate::domain::audit::{EventBody, RevocationReason, SuspensionReason};
use crate::domain::key::named;

/// Where a seal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Made, and not yet acknowledged by its keeper: it signs nothing.
    Made {
        /// Since when.
        since: Timestamp,
    },
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
    /// Its validity is over (到期): it signs nothing. What it signed before stays right.
    Expired {
        /// When its validity ended.
        at: Timestamp,
    },
    /// Another seal stands in its place (换发). What it signed before stays right.
    Superseded {
        /// When.
        at: Timestamp,
        /// The other one.
        by: SealId,
    },
    /// Its end was long ago, and its papers are closed (归档).
    Archived {
        /// When.
        at: Timestamp,
        /// How it ended: `revoked`, `superseded` or `expired`.
        after: ArchivedAfter,
    },
}

named! {
    /// How a seal ended that is archived now.
    ArchivedAfter {
        /// It was revoked.
        Revoked = 1, "revoked";
        /// Another one stands in its place.
        Superseded = 2, "superseded";
        /// Its validity ended.
        Expired = 3, "expired";
    }
}

/// A way that the states do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a seal that is {from} cannot {attempt}")]
pub struct InvalidTransition {
    /// The state's name.
    pub from: &'static str,
    /// What was asked: `deliver`, `suspend`, `resume`, `supersede`, `revoke`, `expire`, `archive` or `sign`.
    pub attempt: &'static str,
}

impl State {
    /// The state's stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Made { .. } => "made",
            Self::Active { .. } => "active",
            Self::Suspended { .. } => "suspended",
            Self::Revoked { .. } => "revoked",
            Self::Expired { .. } => "expired",
            Self::Superseded { .. } => "superseded",
            Self::Archived { .. } => "archived",
        }
    }

    /// When it came to stand there.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        match self {
            Self::Made { since } | Self::Active { since } | Self::Suspended { since, .. } => *since,
            Self::Revoked { at, .. }
            | Self::Expired { at }
            | Self::Superseded { at, .. }
            | Self::Archived { at, .. } => *at,
        }
    }

    /// Whether it never signs again.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self, Self::Revoked { .. } | Self::Expired { .. } | Self::Superseded { .. } | Self::Archived { .. })
    }

    /// Where it stands by the clock: expired, from the moment its validity ended, unless it ended otherwise before.
    #[must_use]
    pub fn seen(self, valid_to: Timestamp, now: Timestamp) -> Self {
        if !self.is_ended() && valid_to < now { Self::Expired { at: valid_to } } else { self }
    }

    /// Its validity, which the caller knows, is over (到期).
    ///
    /// # Errors
    /// It is not over, or the seal ended otherwise before, or this is known.
    pub fn expire(
        self,
        seal: &SealId,
        valid_to: Timestamp,
        now: Timestamp,
    ) -> Result<(Self, EventBody), InvalidTransition> {
        match self {
            Self::Made { .. } | Self::Active { .. } | Self::Suspended { .. } if valid_to < now => {
                Ok((Self::Expired { at: valid_to }, EventBody::SealExpired { seal: seal.clone(), valid_to }))
            }
            _ => Err(self.refuse("expire")),
        }
    }

    /// Its keeper has it (交付): from now on it may be used.
    ///
    /// # Errors
    /// It is not just made.
    pub fn deliver(
        self,
        seal: &SealId,
        keeper: &CallerId,
        now: Timestamp,
    ) -> Result<(Self, EventBody), InvalidTransition> {
        match self {
            Self::Made { .. } => Ok((
                Self::Active { since: now },
                EventBody::SealDelivered { seal: seal.clone(), keeper: keeper.clone() },
            )),
            _ => Err(self.refuse("deliver")),
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
            _ => Err(self.refuse("suspend")),
        }
    }

    /// Brings a resting seal back into use.
    ///
    /// # Errors
    /// It is not suspended.
    pub fn resume(self, seal: &SealId, now: Timestamp) -> Result<(Self, EventBody), InvalidTransition> {
        match self {
            Self::Suspended { .. } => Ok((Self::Active { since: now }, EventBody::SealResumed { seal: seal.clone() })),
            _ => Err(self.refuse("resume")),
        }
    }

    /// Ends a seal, for ever. One that expired is revoked too: what it signed before is not trusted any more.
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
            Self::Made { .. } | Self::Active { .. } | Self::Suspended { .. } | Self::Expired { .. } => {
                Ok((Self::Revoked { at: now, reason }, EventBody::SealRevoked { seal: seal.clone(), reason }))
            }
            _ => Err(self.refuse("revoke")),
        }
    }

    /// Another seal takes its place, also after its validity is over.
    ///
    /// # Errors
    /// It was never in use, or ended otherwise.
    pub fn supersede(self, seal: &SealId, by: &SealId, now: Timestamp) -> Result<(Self, EventBody), InvalidTransition> {
        match self {
            Self::Active { .. } | Self::Suspended { .. } | Self::Expired { .. } => Ok((
                Self::Superseded { at: now, by: by.clone() },
                EventBody::SealSuperseded { seal: seal.clone(), by: by.clone() },
            )),
            _ => Err(self.refuse("supersede")),
        }
    }

    /// Closes the papers of a seal that ended, or whose validity, which the caller knows, is over.
    ///
    /// # Errors
    /// It may still be used, or is archived.
    pub fn archive(
        self,
        seal: &SealId,
        valid_to: Timestamp,
        now: Timestamp,
    ) -> Result<(Self, EventBody), InvalidTransition> {
        let after = match &self {
            Self::Revoked { .. } => ArchivedAfter::Revoked,
            Self::Superseded { .. } => ArchivedAfter::Superseded,
            Self::Expired { .. } => ArchivedAfter::Expired,
            Self::Active { .. } | Self::Suspended { .. } | Self::Made { .. } if valid_to < now => {
                ArchivedAfter::Expired
            }
            _ => return Err(self.refuse("archive")),
        };
        let body = EventBody::SealArchived { seal: seal.clone(), after: after.name().to_owned() };
        Ok((Self::Archived { at: now, after }, body))
    }

    /// Whether the seal may sign now.
    ///
    /// # Errors
    /// It is not active.
    pub fn may_sign(&self) -> Result<(), InvalidTransition> {
        match self {
            Self::Active { .. } => Ok(()),
            _ => Err(self.refuse("sign")),
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

    const VALID_TO: i64 = 30;

    fn step(state: State, choice: u8, seal: &SealId, now: Timestamp) -> Result<(State, EventBody), InvalidTransition> {
        match choice {
            0 => state.suspend(seal, now, SuspensionReason::OwnerRequest),
            1 => state.resume(seal, now),
            2 => state.revoke(seal, now, RevocationReason::KeyCompromise),
            3 => state.deliver(seal, &CallerId::parse("keeper").unwrap(), now),
            4 => state.supersede(seal, &SealId::parse("t").unwrap(), now),
            5 => state.expire(seal, Timestamp::from_unix(VALID_TO), now),
            _ => state.archive(seal, Timestamp::from_unix(VALID_TO), now),
        }
    }

    #[test]
    fn a_revoked_seal_stays_revoked_with_its_first_reason() {
        let seal = SealId::parse("s").unwrap();
        let revoked = State::Revoked { at: Timestamp::from_unix(5), reason: RevocationReason::Superseded };
        for (choice, attempt) in [(0, "suspend"), (1, "resume"), (2, "revoke"), (3, "deliver"), (4, "supersede")] {
            let refused = step(revoked.clone(), choice, &seal, Timestamp::from_unix(9));
            assert_eq!(refused, Err(InvalidTransition { from: "revoked", attempt }));
        }
        let refused = revoked.may_sign().unwrap_err();
        assert_eq!(refused.to_string(), "a seal that is revoked cannot sign");
    }

    proptest! {
        /// A second, independent description of the states: a table of names.
        #[test]
        fn any_sequence_follows_the_table(choices in proptest::collection::vec(0_u8..7, 0..60)) {
            let seal = SealId::parse("s").unwrap();
            let mut state = State::Made { since: Timestamp::from_unix(0) };
            for (now, choice) in (1..).zip(choices) {
                let is_over = now > VALID_TO;
                let expected = match (state.name(), choice) {
                    ("active", 0) => Some(("suspended", "seal-suspended")),
                    ("suspended", 1) => Some(("active", "seal-resumed")),
                    ("made" | "active" | "suspended" | "expired", 2) => Some(("revoked", "seal-revoked")),
                    ("made", 3) => Some(("active", "seal-delivered")),
                    ("active" | "suspended" | "expired", 4) => Some(("superseded", "seal-superseded")),
                    ("made" | "active" | "suspended", 5) if is_over => Some(("expired", "seal-expired")),
                    ("revoked" | "superseded" | "expired", 6) => Some(("archived", "seal-archived")),
                    ("made" | "active" | "suspended", 6) if is_over => Some(("archived", "seal-archived")),
                    _ => None,
                };
                let before = state.clone();
                let seen = state.clone().seen(Timestamp::from_unix(VALID_TO), Timestamp::from_unix(now));
                let is_open = matches!(state.name(), "made" | "active" | "suspended");
                prop_assert_eq!(seen.name(), if is_open && is_over { "expired" } else { state.name() });
                if let (true, 5, Ok((expired, _))) = (is_over, choice, step(state.clone(), 5, &seal, Timestamp::from_unix(now))) {
                    // The look finds what everybody read before it.
                    prop_assert_eq!(expired, seen);
                }
                let next = step(state, choice, &seal, Timestamp::from_unix(now));
                let got = next.as_ref().ok().map(|(state, event)| (state.name(), event.class().name()));
                prop_assert_eq!(got, expected);
                state = next.map_or(before, |(state, _)| state);
                prop_assert_eq!(state.may_sign().is_ok(), state.name() == "active");
                prop_assert_eq!(state.is_ended(), matches!(state.name(), "revoked" | "expired" | "superseded" | "archived"));
            }
        }
    }
}
