//! Erasing events of the audit log: which may go, and what two officers sign before one does.
//!
//! The leaf stays, and with it class and hour; what the event said can be proven no more. So an event goes only when it is in
//! the trees, when everybody who follows the log has seen it, and when the law's term is over.

use crate::base::clock::Timestamp;
use crate::domain::audit::{Entry, ErasureReason, EventClass};
use crate::domain::ca::request::{Hand, Officer};
use crate::domain::ca::two_hands::{TwoHandsRefused, two_hands};
use crate::format::der::Writer;

/// Events that two officers erase at a time.
pub const MOST: usize = 256;

/// What two officers approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The origin of the log, without `/sm3` and `/sha256`.
    pub origin: String,
    /// The numbers, rising, each with the entry of its leaf.
    pub leaves: Vec<(u64, [u8; Entry::LENGTH])>,
    /// Why.
    pub reason: ErasureReason,
}

/// How far the log is known, and how old an event must be before it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Leaves of the signed trees.
    pub integrated: u64,
    /// Who follows the log, each with the number of its next event.
    pub followers: Vec<(String, u64)>,
    /// Leaves that the mirror has; nothing where there is none.
    pub mirrored: Option<u64>,
    /// The term: what happened later stays.
    pub before: Timestamp,
}

/// Why an event is not erased.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErasureRefused {
    /// None was named, or too many.
    #[error("1 to {MOST} events are erased at a time, not {count}")]
    Count {
        /// How many were named.
        count: usize,
    },
    /// It is in no signed tree.
    #[error("event {number} is not in the trees yet: {size} leaves are signed")]
    NotIntegrated {
        /// Its number.
        number: u64,
        /// Leaves of the signed trees.
        size: u64,
    },
    /// Somebody who follows the log has not seen it.
    #[error("event {number} was not seen yet by {follower}, which is at {next}")]
    NotFollowed {
        /// Its number.
        number: u64,
        /// Who.
        follower: String,
        /// The number of its next event.
        next: u64,
    },
    /// The mirror does not have its leaf.
    #[error("the leaf of event {number} is not in the mirror yet, which has {size}")]
    NotMirrored {
        /// Its number.
        number: u64,
        /// Leaves of the mirror.
        size: u64,
    },
    /// The term is not over.
    #[error("what happened since {before} is kept: its term (log.retention_days) is not over")]
    TooYoung {
        /// Nothing that happened at this moment or later goes.
        before: Timestamp,
    },
    /// It says what was erased, or lost.
    #[error("event {number} is of class {class}, which tells what is gone, and stays")]
    Kept {
        /// Its number.
        number: u64,
        /// Its class.
        class: EventClass,
    },
    /// Only a newer program knows what it says.
    #[error("event {number} is of a class that only a newer program knows, and stays")]
    NotUnderstood {
        /// Its number.
        number: u64,
    },
    /// It is not approved.
    #[error(transparent)]
    Hands(#[from] TwoHandsRefused),
}

impl ErasureRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Count { .. } => "erasure-count",
            Self::NotIntegrated { .. } => "erasure-not-integrated",
            Self::NotFollowed { .. } => "erasure-not-followed",
            Self::NotMirrored { .. } => "erasure-not-mirrored",
            Self::TooYoung { .. } => "erasure-too-young",
            Self::Kept { .. } => "erasure-kept",
            Self::NotUnderstood { .. } => "erasure-not-understood",
            Self::Hands(refused) => refused.code(),
        }
    }
}

impl Bounds {
    /// Whether that event may go.
    ///
    /// # Errors
    /// [`ErasureRefused`], the first that applies.
    pub fn permit(&self, number: u64, class: Option<EventClass>, at: Timestamp) -> Result<(), ErasureRefused> {
        if number >= self.integrated {
            return Err(ErasureRefused::NotIntegrated { number, size: self.integrated });
        }
        if let Some((follower, next)) = self.followers.iter().find(|(_, next)| number >= *next) {
            return Err(ErasureRefused::NotFollowed { number, follower: follower.clone(), next: *next });
        }
        if let Some(size) = self.mirrored.filter(|size| number >= *size) {
            return Err(ErasureRefused::NotMirrored { number, size });
        }
        if at >= self.before {
            return Err(ErasureRefused::TooYoung { before: self.before });
        }
        match class {
            None => Err(ErasureRefused::NotUnderstood { number }),
            Some(class @ (EventClass::EventsErased | EventClass::EventsPruned | EventClass::LogGapRecorded)) => {
                Err(ErasureRefused::Kept { number, class })
            }
            Some(_) => Ok(()),
        }
    }

    /// Whatever its class and age, no event from this number on may go.
    #[must_use]
    pub fn below(&self) -> u64 {
        let followed = self.followers.iter().map(|(_, next)| *next).min().unwrap_or(u64::MAX);
        self.integrated.min(followed).min(self.mirrored.unwrap_or(u64::MAX))
    }
}

impl Erasure {
    /// The version of the canonical encoding.
    pub const VERSION: u32 = 1;

    /// The octets that this officer signs to approve.
    ///
    /// `Erasure ::= SEQUENCE { domain UTF8String ("yinxin audit erasure approval"), version INTEGER, origin UTF8String,
    /// leaves SEQUENCE OF SEQUENCE { number INTEGER, entry OCTET STRING }, reason UTF8String, officer UTF8String, officerKey
    /// OCTET STRING }`, all of it DER.
    #[must_use]
    pub fn to_sign(&self, officer: &Officer) -> Vec<u8> {
        let hand = Hand::of(officer);
        let mut writer = Writer::new();
        writer.sequence(|fields| {
            fields.utf8("yinxin audit erasure approval").small(Self::VERSION).utf8(&self.origin);
            fields.sequence(|leaves| {
                for (number, entry) in &self.leaves {
                    leaves.sequence(|leaf| {
                        leaf.unsigned(&number.to_be_bytes()).octet_string(entry);
                    });
                }
            });
            fields.utf8(self.reason.name()).utf8(hand.officer.as_str()).octet_string(&hand.key_sm3);
        });
        writer.into_bytes()
    }

    /// Whether two different officers, as they are now, approve it: each with the value of a signature, of fixed width.
    ///
    /// # Errors
    /// [`TwoHandsRefused`].
    pub fn is_approved(&self, approvals: &[(Officer, Vec<u8>)]) -> Result<(), TwoHandsRefused> {
        two_hands(approvals, |officer| self.to_sign(officer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_keeps_an_event_by_its_own_name() {
        let at = Timestamp::from_unix(1_000);
        let followers = vec![("misuse".to_owned(), 9), ("json".to_owned(), 7)];
        let bounds = Bounds { integrated: 10, followers, mirrored: Some(6), before: at };
        let earlier = at.plus_seconds(-1);
        let code = |number, class, at| bounds.permit(number, Some(class), at).map_err(|error| error.code());
        let any = EventClass::AccessRefused;
        assert_eq!(code(5, any, earlier), Ok(()));
        assert_eq!(code(10, any, earlier), Err("erasure-not-integrated"));
        assert_eq!(code(9, any, earlier), Err("erasure-not-followed"));
        assert_eq!(code(6, any, earlier), Err("erasure-not-mirrored"));
        assert_eq!(code(5, any, at), Err("erasure-too-young"));
        for class in [EventClass::EventsErased, EventClass::EventsPruned, EventClass::LogGapRecorded] {
            assert_eq!(code(5, class, earlier), Err("erasure-kept"));
        }
        assert_eq!(bounds.permit(5, None, earlier).unwrap_err().code(), "erasure-not-understood");
        let late = bounds.permit(8, Some(any), earlier).unwrap_err();
        assert_eq!(late, ErasureRefused::NotFollowed { number: 8, follower: "json".into(), next: 7 });
        assert_eq!(bounds.below(), 6);
        assert_eq!(Bounds { mirrored: None, ..bounds.clone() }.below(), 7);
        assert_eq!(Bounds { followers: Vec::new(), mirrored: None, ..bounds }.below(), 10);
    }
}
