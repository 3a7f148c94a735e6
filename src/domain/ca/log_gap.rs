//! A gap of the audit log: leaves that a mirror has and whose events are lost, taken in by two officers.
//!
//! An approval is an officer's signature over the log, the numbers that are lost, and both roots that the mirror's
//! checkpoint has. So it fits one gap of one log, and nobody can name a larger one later.

use crate::domain::ca::request::{Hand, Officer, OfficerRole};
use crate::format::der::Writer;

/// How many officers must approve.
pub const NEEDED: usize = 2;

/// What is lost: the events from one number up to, not with, another; their leaves are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGap {
    /// The origin of the log, without `/sm3` and `/sha256`.
    pub origin: String,
    /// The first number whose event is lost.
    pub from: u64,
    /// How many leaves the mirror has: the number after the last one.
    pub to: u64,
    /// The root of its tree of SM3.
    pub sm3_root: [u8; 32],
    /// The root of its tree of SHA-256.
    pub sha256_root: [u8; 32],
}

/// Why a gap is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogGapRefused {
    /// The officer's role is another.
    #[error("an officer in the role {found} does not decide on the audit log; an approver does")]
    Role {
        /// The officer's.
        found: OfficerRole,
    },
    /// The officer, or the officer's key, approved already.
    #[error("this officer approved already")]
    Repeated,
    /// The signature is not this officer's over this gap.
    #[error("the signature is not this officer's over this gap of the audit log")]
    Signature,
    /// Two officers must approve.
    #[error("events from {from} to {to} are lost: {found} officers approved that, {NEEDED} different ones must")]
    TooFew {
        /// The first number that is lost.
        from: u64,
        /// The number after the last one.
        to: u64,
        /// So many did.
        found: usize,
    },
}

impl LogGapRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Role { .. } => "officer-role",
            Self::Repeated => "approver-repeated",
            Self::Signature => "approval-signature",
            Self::TooFew { .. } => "log-gap-approvals",
        }
    }
}

impl LogGap {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 1;

    /// Whether no event is lost.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.from >= self.to
    }

    /// The octets that this officer signs to approve.
    ///
    /// `LogGap ::= SEQUENCE { domain UTF8String ("yinxin log gap approval"), version INTEGER, origin UTF8String, from
    /// INTEGER, to INTEGER, sm3Root OCTET STRING, sha256Root OCTET STRING, officer UTF8String, officerKey OCTET STRING }`,
    /// all of it DER.
    #[must_use]
    pub fn to_sign(&self, officer: &Officer) -> Vec<u8> {
        let hand = Hand::of(officer);
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            fields.utf8("yinxin log gap approval").small(Self::VERSION).utf8(&self.origin);
            fields.unsigned(&self.from.to_be_bytes()).unsigned(&self.to.to_be_bytes());
            fields.octet_string(&self.sm3_root).octet_string(&self.sha256_root);
            fields.utf8(hand.officer.as_str()).octet_string(&hand.key_sm3);
        });
        writer.into_bytes()
    }

    /// Whether two different officers, as they are now, approve it: each with the value of a signature, of fixed width.
    ///
    /// # Errors
    /// [`LogGapRefused`].
    pub fn is_approved(&self, approvals: &[(Officer, Vec<u8>)]) -> Result<(), LogGapRefused> {
        let mut hands: Vec<Hand> = Vec::new();
        for (officer, signature) in approvals {
            if officer.role != OfficerRole::Approver {
                return Err(LogGapRefused::Role { found: officer.role });
            }
            let hand = Hand::of(officer);
            if hands.iter().any(|known| known.is_same(&hand)) {
                return Err(LogGapRefused::Repeated);
            }
            if !officer.key.verify(officer.algorithm, &self.to_sign(officer), signature) {
                return Err(LogGapRefused::Signature);
            }
            hands.push(hand);
        }
        match hands.len() {
            NEEDED.. => Ok(()),
            found => Err(LogGapRefused::TooFew { from: self.from, to: self.to, found }),
        }
    }
}
