//! The way of one notice to one receiver, and the place of the receiver in the log.
//!
//! A receiver has one notice at a time: the first of its place that was neither delivered nor given up. So the order is kept,
//! and whoever is away keeps nobody else waiting. Sending is begun before it is done, with a time until which nobody else begins:
//! *a crash in between* makes the same notice go again when that time is over. What holds, whatever comes in which order:
//! a notice is passed over only when it was delivered or given up, and after its delivery is noted it never goes again.
//!
//! The clock may jump. Forward: a notice goes early, and is given up only after [`FEWEST`] attempts all the same. Back: nobody
//! waits longer than the longest pause.

use crate::base::clock::Timestamp;

/// The first pause after an attempt that failed, in seconds; each further one is twice as long.
const FIRST_PAUSE: i64 = 5;
/// The longest pause, in seconds, before a part of it is added by chance.
pub const LONGEST_PAUSE: i64 = 900;
/// Nothing is given up before so many attempts.
pub const FEWEST: u32 = 8;

/// How far a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Nobody has sent it.
    New,
    /// Sending was begun; it failed, or nobody knows how it ended.
    Begun {
        /// How often.
        attempts: u32,
        /// When for the first time.
        since: Timestamp,
        /// When it may be begun again.
        at: Timestamp,
    },
}

/// The pause after so many attempts: doubled each time up to the longest, and by chance up to half as long again, so that
/// receivers that were away together do not come back together.
#[must_use]
pub fn pause(attempts: u32, chance: u8) -> i64 {
    let doubled = 1_i64.checked_shl(attempts.saturating_sub(1).min(16)).unwrap_or(1);
    let pause = doubled.saturating_mul(FIRST_PAUSE).min(LONGEST_PAUSE);
    pause.saturating_add(pause.saturating_mul(i64::from(chance)) / 512)
}

/// What an attempt came to, for whoever notes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was taken.
    Delivered,
    /// It goes again.
    Again(Delivery),
    /// It was tried for long enough.
    GivenUp,
}

impl Delivery {
    /// Whether sending may be begun now.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        match self {
            Self::New => true,
            // Nobody was told to wait for so long: the clock was set back.
            Self::Begun { at, .. } => now >= *at || *at > now.plus_seconds(LONGEST_PAUSE.saturating_mul(2)),
        }
    }

    /// Sending is begun: until so many seconds from now nobody else begins it. Nothing before it is due.
    #[must_use]
    pub fn begin(self, now: Timestamp, lease: i64) -> Option<Self> {
        if !self.is_due(now) {
            return None;
        }
        let (attempts, since) = match self {
            Self::New => (0, now),
            Self::Begun { attempts, since, .. } => (attempts, since.min(now)),
        };
        Some(Self::Begun { attempts: attempts.saturating_add(1), since, at: now.plus_seconds(lease) })
    }

    /// How often sending was begun.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        match self {
            Self::New => 0,
            Self::Begun { attempts, .. } => *attempts,
        }
    }

    /// The attempt ended: it was taken, or not, and is given up after so many seconds of attempts.
    #[must_use]
    pub fn ended(self, taken: bool, (now, chance): (Timestamp, u8), give_up_after: i64) -> Ended {
        let Self::Begun { attempts, since, .. } = self else { return Ended::Again(self) };
        if taken {
            return Ended::Delivered;
        }
        if attempts >= FEWEST && now.unix().saturating_sub(since.unix()) >= give_up_after {
            return Ended::GivenUp;
        }
        Ended::Again(Self::Begun { attempts, since, at: now.plus_seconds(pause(attempts, chance)) })
    }
}

/// Where a receiver stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The first event that is neither delivered, nor given up, nor no concern of the receiver's.
    pub next: u64,
    /// How far its notice is.
    pub delivery: Delivery,
}

impl Place {
    /// In front of that event.
    #[must_use]
    pub const fn before(next: u64) -> Self {
        Self { next, delivery: Delivery::New }
    }

    /// The place where the next notice is of that event: those between are no concern of the receiver's. What is told to it may
    /// have changed by its configuration, and then another notice is a new one.
    #[must_use]
    pub const fn at(self, event: u64) -> Self {
        if event == self.next { self } else { Self::before(event) }
    }

    /// The place while the notice that is next is being sent.
    #[must_use]
    pub fn begin(self, now: Timestamp, lease: i64) -> Option<Self> {
        Some(Self { next: self.next, delivery: self.delivery.begin(now, lease)? })
    }

    /// The place after that end of the notice that is next.
    #[must_use]
    pub const fn after(self, ended: Ended) -> Self {
        match ended {
            Ended::Delivered | Ended::GivenUp => Self::before(self.next.saturating_add(1)),
            Ended::Again(delivery) => Self { next: self.next, delivery },
        }
    }
}

#[cfg(test)]
mod tests;
