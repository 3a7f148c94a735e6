//! What is done only when two officers signed it: the one rule for what nobody may do alone with the audit log and its alarms.
//!
//! What is signed is the caller's: it names all that the act does, so that a signature fits one act and no other.

use crate::domain::ca::request::{Hand, Officer, OfficerRole};

/// How many officers must sign.
pub const NEEDED: usize = 2;

/// Why an act is not approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TwoHandsRefused {
    /// The officer's role is another.
    #[error("an officer in the role {found} does not decide on this; an approver does")]
    Role {
        /// The officer's.
        found: OfficerRole,
    },
    /// The officer, or the officer's key, approved already.
    #[error("this officer approved already")]
    Repeated,
    /// The signature is not this officer's over this act.
    #[error("the signature is not this officer's over what would be done")]
    Signature,
    /// Two officers must approve.
    #[error("{found} officers approved, {NEEDED} different ones must")]
    TooFew {
        /// So many did.
        found: usize,
    },
}

impl TwoHandsRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Role { .. } => "officer-role",
            Self::Repeated => "approver-repeated",
            Self::Signature => "approval-signature",
            Self::TooFew { .. } => "approvals-missing",
        }
    }
}

/// Whether two different officers, as they are now, signed it: each with the value of a signature, of fixed width, over what
/// `to_sign` gives for that officer.
///
/// # Errors
/// [`TwoHandsRefused`].
pub fn two_hands(
    approvals: &[(Officer, Vec<u8>)],
    to_sign: impl Fn(&Officer) -> Vec<u8>,
) -> Result<(), TwoHandsRefused> {
    let mut hands: Vec<Hand> = Vec::new();
    for (officer, signature) in approvals {
        if officer.role != OfficerRole::Approver {
            return Err(TwoHandsRefused::Role { found: officer.role });
        }
        let hand = Hand::of(officer);
        if hands.iter().any(|known| known.is_same(&hand)) {
            return Err(TwoHandsRefused::Repeated);
        }
        if !officer.key.verify(officer.algorithm, &to_sign(officer), signature) {
            return Err(TwoHandsRefused::Signature);
        }
        hands.push(hand);
    }
    if hands.len() < NEEDED { Err(TwoHandsRefused::TooFew { found: hands.len() }) } else { Ok(()) }
}
