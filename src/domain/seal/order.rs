//! An order at a maker elsewhere (国家制章系统): where it stands, and what an answer means there.
//!
//! Answers come late, twice, in any order, or not at all. What always holds: one seal at most is kept for an order; no answer
//! counts twice; what is withdrawn here is cancelled there, whatever comes meanwhile; an answer that does not fit changes
//! nothing and is reported.

use crate::base::clock::Timestamp;
use crate::domain::key::named;

named! {
    /// Why nothing more is wanted of an order.
    OrderWithdrawal {
        /// Its application ended.
        ApplicationEnded = 1, "application-ended";
        /// What came is not what was applied for.
        Unfit = 2, "unfit";
    }
}

/// Where an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderState {
    /// To be sent, or sent and not answered.
    Ordered {
        /// Since when.
        since: Timestamp,
    },
    /// The maker is at work.
    Accepted {
        /// Since when.
        since: Timestamp,
        /// The maker's number.
        number: String,
    },
    /// The seal is here, and is not kept yet.
    Arrived {
        /// Since when.
        since: Timestamp,
        /// The maker's number.
        number: String,
        /// SM3 of the seal.
        seal_sm3: [u8; 32],
    },
    /// The seal is one of ours.
    Kept {
        /// Since when.
        since: Timestamp,
        /// The maker's number.
        number: String,
        /// SM3 of the seal.
        seal_sm3: [u8; 32],
    },
    /// The maker makes no such seal.
    Refused {
        /// Since when.
        since: Timestamp,
        /// The maker's reason.
        reason: String,
    },
    /// Nothing more is wanted, and the maker has not confirmed that yet.
    Withdrawn {
        /// Since when.
        since: Timestamp,
        /// Why.
        why: OrderWithdrawal,
    },
    /// Nothing more is wanted, and the maker knows.
    Cancelled {
        /// Since when.
        since: Timestamp,
        /// Why.
        why: OrderWithdrawal,
    },
}

/// What a maker answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MakerAnswer {
    /// It is at work.
    Accepted {
        /// The maker's number.
        number: String,
    },
    /// Here is the seal.
    Made {
        /// The maker's number.
        number: String,
        /// SM3 of the seal.
        seal_sm3: [u8; 32],
    },
    /// No such seal is made, or the order was cancelled there.
    Refused {
        /// The maker's reason.
        reason: String,
    },
    /// What was withdrawn is cancelled there.
    Cancelled,
}

/// Why an answer changes nothing and is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerRefused {
    /// Nothing more is wanted of the order.
    #[error("the order was withdrawn before its answer came")]
    Late,
    /// The maker gave another number before.
    #[error("the maker gave the order another number before")]
    OtherNumber,
    /// Another seal came before.
    #[error("another seal came for this order before")]
    OtherSeal,
    /// The maker said the contrary before.
    #[error("the maker said the contrary before")]
    Contradiction,
    /// It answers what was not asked.
    #[error("the answer is to something that was not asked")]
    Unasked,
}

impl AnswerRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Late => "answer-late",
            Self::OtherNumber => "answer-other-number",
            Self::OtherSeal => "answer-other-seal",
            Self::Contradiction => "answer-contradicts",
            Self::Unasked => "answer-unasked",
        }
    }
}

/// What an answer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The order stands elsewhere now.
    Counts(OrderState),
    /// It was said before.
    Again,
    /// It does not fit. Where it shows that the maker has a seal which nobody wants, the order is to be cancelled there
    /// again, and stands at [`OrderState::Withdrawn`].
    Refused {
        /// Why.
        why: AnswerRefused,
        /// Where the order stands now.
        state: OrderState,
    },
}

/// An order that cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from} cannot be {attempt}")]
pub struct OrderStands {
    /// The state's name.
    pub from: &'static str,
    /// `kept` or `withdrawn`.
    pub attempt: &'static str,
}

impl OrderState {
    /// The state's stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ordered { .. } => "ordered",
            Self::Accepted { .. } => "accepted",
            Self::Arrived { .. } => "arrived",
            Self::Kept { .. } => "kept",
            Self::Refused { .. } => "refused",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// When it came to stand there.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        match self {
            Self::Ordered { since }
            | Self::Accepted { since, .. }
            | Self::Arrived { since, .. }
            | Self::Kept { since, .. }
            | Self::Refused { since, .. }
            | Self::Withdrawn { since, .. }
            | Self::Cancelled { since, .. } => *since,
        }
    }

    /// Whether the maker is still to be asked for the seal.
    #[must_use]
    pub const fn is_awaited(&self) -> bool {
        matches!(self, Self::Ordered { .. } | Self::Accepted { .. })
    }

    /// Whether the maker is to be told that nothing more is wanted.
    #[must_use]
    pub const fn owes_cancel(&self) -> bool {
        matches!(self, Self::Withdrawn { .. })
    }

    /// What an answer means.
    #[must_use]
    pub fn hear(&self, answer: &MakerAnswer, now: Timestamp) -> Heard {
        let refused = |why| Heard::Refused { why, state: self.clone() };
        match (self, answer) {
            (Self::Ordered { .. }, MakerAnswer::Accepted { number }) => {
                Heard::Counts(Self::Accepted { since: now, number: number.clone() })
            }
            (Self::Ordered { .. }, MakerAnswer::Made { number, seal_sm3 }) => {
                Heard::Counts(Self::Arrived { since: now, number: number.clone(), seal_sm3: *seal_sm3 })
            }
            (Self::Ordered { .. } | Self::Accepted { .. }, MakerAnswer::Refused { reason }) => {
                Heard::Counts(Self::Refused { since: now, reason: reason.clone() })
            }
            (
                Self::Accepted { number: before, .. }
                | Self::Arrived { number: before, .. }
                | Self::Kept { number: before, .. },
                MakerAnswer::Accepted { number } | MakerAnswer::Made { number, .. },
            ) if before != number => refused(AnswerRefused::OtherNumber),
            (Self::Accepted { .. }, MakerAnswer::Made { number, seal_sm3 }) => {
                Heard::Counts(Self::Arrived { since: now, number: number.clone(), seal_sm3: *seal_sm3 })
            }
            (
                Self::Arrived { seal_sm3: before, .. } | Self::Kept { seal_sm3: before, .. },
                MakerAnswer::Made { seal_sm3, .. },
            ) => match before == seal_sm3 {
                true => Heard::Again,
                false => refused(AnswerRefused::OtherSeal),
            },
            // Of its own number: it overtook what came before, or came twice.
            (Self::Accepted { .. } | Self::Arrived { .. } | Self::Kept { .. }, MakerAnswer::Accepted { .. })
            | (Self::Refused { .. }, MakerAnswer::Refused { .. })
            | (Self::Cancelled { .. }, MakerAnswer::Refused { .. } | MakerAnswer::Cancelled) => Heard::Again,
            (Self::Arrived { .. } | Self::Kept { .. }, MakerAnswer::Refused { .. })
            | (Self::Refused { .. }, MakerAnswer::Accepted { .. }) => refused(AnswerRefused::Contradiction),
            (Self::Refused { .. }, MakerAnswer::Made { .. }) => Heard::Refused {
                why: AnswerRefused::Contradiction,
                state: Self::Withdrawn { since: now, why: OrderWithdrawal::Unfit },
            },
            (Self::Withdrawn { why, .. }, MakerAnswer::Cancelled) => {
                Heard::Counts(Self::Cancelled { since: now, why: *why })
            }
            // The cancellation is on its way: only its own answer ends it.
            (Self::Withdrawn { .. }, _) => refused(AnswerRefused::Late),
            (Self::Cancelled { why, .. }, MakerAnswer::Accepted { .. } | MakerAnswer::Made { .. }) => {
                Heard::Refused { why: AnswerRefused::Late, state: Self::Withdrawn { since: now, why: *why } }
            }
            (_, MakerAnswer::Cancelled) => refused(AnswerRefused::Unasked),
        }
    }

    /// The seal that arrived is one of ours now.
    ///
    /// # Errors
    /// No seal is here, or it is kept.
    pub fn keep(&self, now: Timestamp) -> Result<Self, OrderStands> {
        match self {
            Self::Arrived { number, seal_sm3, .. } => {
                Ok(Self::Kept { since: now, number: number.clone(), seal_sm3: *seal_sm3 })
            }
            _ => Err(OrderStands { from: self.name(), attempt: "kept" }),
        }
    }

    /// Nothing more is wanted: the maker is to be told. What the maker refused, or was told already, stays as it is.
    ///
    /// # Errors
    /// Its seal is one of ours: that is revoked, not withdrawn.
    pub fn withdraw(&self, why: OrderWithdrawal, now: Timestamp) -> Result<Self, OrderStands> {
        match self {
            Self::Ordered { .. } | Self::Accepted { .. } | Self::Arrived { .. } => {
                Ok(Self::Withdrawn { since: now, why })
            }
            Self::Refused { .. } | Self::Withdrawn { .. } | Self::Cancelled { .. } => Ok(self.clone()),
            Self::Kept { .. } => Err(OrderStands { from: self.name(), attempt: "withdrawn" }),
        }
    }
}

#[cfg(test)]
mod tests;
