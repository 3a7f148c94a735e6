//! The states of a certificate and the ways between them. Whether it has expired is a question of time, not a state.

use crate::base::clock::Timestamp;

pub use crate::format::x509::crl::RevocationReason;

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateState {
    /// In force.
    Active {
        /// Since its issue, or since it was last resumed.
        since: Timestamp,
    },
    /// On hold (certificateHold).
    Suspended {
        /// Since when.
        since: Timestamp,
    },
    /// Never to be used again.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RevocationReason,
        /// Since when it is suspected to have been invalid (RFC 5280 5.3.2).
        invalidity_date: Option<Timestamp>,
    },
}

/// What a transition tells the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateEvent {
    /// It was put on hold.
    Suspended,
    /// It is in force again; delta lists say removeFromCRL.
    Resumed,
    /// It was revoked.
    Revoked {
        /// Why.
        reason: RevocationReason,
        /// Since when it is suspected to have been invalid.
        invalidity_date: Option<Timestamp>,
    },
}

/// What a relying party is told at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not begun yet.
    NotYetValid,
    /// In force.
    Good,
    /// On hold.
    OnHold,
    /// Revoked.
    Revoked,
    /// Its time is over, whatever its state.
    Expired,
}

/// A way that the states do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTransition {
    /// From that state there is no such way.
    #[error("a certificate that is {from} cannot {attempt}")]
    State {
        /// The state's name.
        from: &'static str,
        /// `be suspended`, `be resumed` or `be revoked`.
        attempt: &'static str,
    },
    /// It has expired.
    #[error("a certificate that has expired cannot {attempt}")]
    Expired {
        /// As above.
        attempt: &'static str,
    },
    /// It would happen before what happened last.
    #[error("the change is dated before the last one")]
    Backwards,
    /// Certificates do not end for this reason.
    #[error("a certificate is not revoked for {} (RFC 5280 5.3.1)", .0.name())]
    Reason(RevocationReason),
    /// It cannot be invalid since a moment that has not come.
    #[error("the invalidity date is in the future (RFC 5280 5.3.2)")]
    InvalidityDate,
}

impl InvalidTransition {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::State { .. } => "certificate-state",
            Self::Expired { .. } => "certificate-expired",
            Self::Backwards => "certificate-change-backdated",
            Self::Reason(_) => "revocation-reason",
            Self::InvalidityDate => "invalidity-date-in-future",
        }
    }
}

impl CertificateState {
    /// The state's stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Active { .. } => "active",
            Self::Suspended { .. } => "suspended",
            Self::Revoked { .. } => "revoked",
        }
    }

    /// Since when it is so.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        match self {
            Self::Active { since } | Self::Suspended { since } => *since,
            Self::Revoked { at, .. } => *at,
        }
    }

    /// What is told at that moment of a certificate with that validity.
    #[must_use]
    pub fn standing(&self, now: Timestamp, (not_before, not_after): (Timestamp, Timestamp)) -> Standing {
        if now > not_after {
            return Standing::Expired;
        }
        match self {
            Self::Revoked { .. } => Standing::Revoked,
            Self::Suspended { .. } => Standing::OnHold,
            Self::Active { .. } if now < not_before => Standing::NotYetValid,
            Self::Active { .. } => Standing::Good,
        }
    }

    /// Puts it on hold.
    ///
    /// # Errors
    /// It is not active, or has expired.
    pub fn suspend(self, now: Timestamp, not_after: Timestamp) -> Result<(Self, CertificateEvent), InvalidTransition> {
        const ATTEMPT: &str = "be suspended";
        self.in_order(now)?;
        match self {
            Self::Active { .. } if now > not_after => Err(InvalidTransition::Expired { attempt: ATTEMPT }),
            Self::Active { .. } => Ok((Self::Suspended { since: now }, CertificateEvent::Suspended)),
            Self::Suspended { .. } | Self::Revoked { .. } => Err(self.refuse(ATTEMPT)),
        }
    }

    /// Ends the hold.
    ///
    /// # Errors
    /// It is not on hold, or has expired.
    pub fn resume(self, now: Timestamp, not_after: Timestamp) -> Result<(Self, CertificateEvent), InvalidTransition> {
        const ATTEMPT: &str = "be resumed";
        self.in_order(now)?;
        match self {
            Self::Suspended { .. } if now > not_after => Err(InvalidTransition::Expired { attempt: ATTEMPT }),
            Self::Suspended { .. } => Ok((Self::Active { since: now }, CertificateEvent::Resumed)),
            Self::Active { .. } | Self::Revoked { .. } => Err(self.refuse(ATTEMPT)),
        }
    }

    /// Revokes it for ever. After its end only a compromise is still news: it concerns signatures that were made before.
    ///
    /// # Errors
    /// It is revoked already, or has expired; the reason is a hold or the end of one; the invalidity date lies in the future.
    pub fn revoke(
        self,
        now: Timestamp,
        not_after: Timestamp,
        reason: RevocationReason,
        invalidity_date: Option<Timestamp>,
    ) -> Result<(Self, CertificateEvent), InvalidTransition> {
        const ATTEMPT: &str = "be revoked";
        self.in_order(now)?;
        if matches!(self, Self::Revoked { .. }) {
            return Err(self.refuse(ATTEMPT));
        }
        if !reason.is_final() {
            return Err(InvalidTransition::Reason(reason));
        }
        if now > not_after && !reason.is_compromise() {
            return Err(InvalidTransition::Expired { attempt: ATTEMPT });
        }
        if invalidity_date.is_some_and(|date| date > now) {
            return Err(InvalidTransition::InvalidityDate);
        }
        Ok((Self::Revoked { at: now, reason, invalidity_date }, CertificateEvent::Revoked { reason, invalidity_date }))
    }

    fn in_order(&self, now: Timestamp) -> Result<(), InvalidTransition> {
        if now < self.since() { Err(InvalidTransition::Backwards) } else { Ok(()) }
    }

    const fn refuse(&self, attempt: &'static str) -> InvalidTransition {
        InvalidTransition::State { from: self.name(), attempt }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const END: Timestamp = Timestamp::from_unix(1_000);
    const ACTIVE: CertificateState = CertificateState::Active { since: Timestamp::from_unix(10) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[test]
    fn ways_that_are_not_there_are_refused_exactly() {
        let (held, event) = ACTIVE.suspend(at(20), END).unwrap();
        assert_eq!((held, event), (CertificateState::Suspended { since: at(20) }, CertificateEvent::Suspended));
        let state = |from, attempt| InvalidTransition::State { from, attempt };
        assert_eq!(held.suspend(at(30), END), Err(state("suspended", "be suspended")));
        assert_eq!(ACTIVE.resume(at(30), END), Err(state("active", "be resumed")));
        assert_eq!(held.resume(at(19), END), Err(InvalidTransition::Backwards));
        assert_eq!(held.resume(at(1_001), END), Err(InvalidTransition::Expired { attempt: "be resumed" }));
        assert_eq!(ACTIVE.suspend(at(1_001), END), Err(InvalidTransition::Expired { attempt: "be suspended" }));
        let revoke = |state: CertificateState, now, reason, date| state.revoke(at(now), END, reason, date);
        let (revoked, _) = revoke(held, 40, RevocationReason::Superseded, Some(at(40))).unwrap();
        assert_eq!(revoked.resume(at(50), END), Err(state("revoked", "be resumed")));
        assert_eq!(revoke(revoked, 50, RevocationReason::KeyCompromise, None), Err(state("revoked", "be revoked")));
        for reason in [RevocationReason::CertificateHold, RevocationReason::RemoveFromCrl] {
            assert_eq!(revoke(ACTIVE, 40, reason, None), Err(InvalidTransition::Reason(reason)));
        }
        let late = InvalidTransition::InvalidityDate;
        assert_eq!(revoke(ACTIVE, 40, RevocationReason::KeyCompromise, Some(at(41))), Err(late));
        let expired = InvalidTransition::Expired { attempt: "be revoked" };
        assert_eq!(revoke(ACTIVE, 1_001, RevocationReason::Superseded, None), Err(expired));
        assert!(revoke(ACTIVE, 1_001, RevocationReason::KeyCompromise, None).is_ok());
    }

    proptest! {
        /// Whatever is tried in whatever order: a revoked certificate stays exactly as it was revoked, time never runs
        /// backwards, and an event tells of each change and of nothing else.
        #[test]
        fn revoked_is_for_ever(steps in proptest::collection::vec((0_u8..3, 0_i64..1_200, 0_usize..10), 0..40)) {
            let mut state = ACTIVE;
            for (step, now, reason) in steps {
                let before = state;
                let outcome = match step {
                    0 => state.suspend(at(now), END),
                    1 => state.resume(at(now), END),
                    _ => state.revoke(at(now), END, RevocationReason::ALL[reason], None),
                };
                match outcome {
                    Ok((after, event)) => {
                        prop_assert_eq!(after.since(), at(now));
                        prop_assert!(after.since() >= before.since());
                        let told = match (before.name(), after.name()) {
                            ("active", "suspended") => event == CertificateEvent::Suspended,
                            ("suspended", "active") => event == CertificateEvent::Resumed,
                            ("active" | "suspended", "revoked") => matches!(event, CertificateEvent::Revoked { .. }),
                            _ => false,
                        };
                        prop_assert!(told, "{:?} {:?} {:?}", before, after, event);
                        state = after;
                    }
                    Err(refused) => prop_assert!(!refused.code().is_empty()),
                }
                if matches!(before, CertificateState::Revoked { .. }) {
                    prop_assert_eq!(before, state);
                    prop_assert_eq!(state.standing(at(500), (at(0), END)), Standing::Revoked);
                }
            }
            prop_assert_eq!(state.standing(at(1_001), (at(0), END)), Standing::Expired);
        }
    }
}
