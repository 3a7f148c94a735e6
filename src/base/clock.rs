//! Moments in time, and the one place that reads the system's clock.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment: whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Guaranteed to lie in the years 0000 to 9999, so that it can always be printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a moment in RFC 3339 form, such as 2026-11-23T00:00:00Z: {text}")]
pub struct InvalidTimestamp {
    /// What was given.
    pub text: String,
}

impl Timestamp {
    /// 0000-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_167_219_200);
    /// 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799);

    /// The moment that many seconds after 1970; moments outside the years 0 to 9999 become the nearest end.
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        if seconds < Self::MIN.0 {
            return Self::MIN;
        }
        if seconds > Self::MAX.0 {
            return Self::MAX;
        }
        Self(seconds)
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// This moment moved by that many seconds (negative: earlier), within [`Self::MIN`] and [`Self::MAX`].
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_unix(self.0.saturating_add(seconds))
    }

    /// This moment moved by that many days.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_seconds(days.saturating_mul(86_400))
    }

    /// The moment that an RFC 3339 text names; fractions of a second are cut off.
    ///
    /// # Errors
    /// The text is not in that form.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map(|moment| Self::from_unix(moment.unix_timestamp()))
            .map_err(|_| InvalidTimestamp { text: text.chars().take(64).collect() })
    }

    /// The moment as calendar and clock in UTC.
    #[must_use]
    pub fn to_utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(OffsetDateTime::now_utc().unix_timestamp())
    }
}

/// Both clocks of a machine at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moments {
    /// The monotonic clock, in microseconds since some start.
    pub monotonic: u64,
    /// The wall clock, in microseconds since 1970.
    pub wall: i64,
}

/// Where both clocks are read together: the one nobody sets, and the one that claims the time.
pub trait PairedClocks: Send + Sync {
    /// Both, as near to each other as can be.
    fn read(&self) -> Moments;
}

impl PairedClocks for SystemClock {
    /// The wall clock between two readings of the monotonic one; again where something came between them.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clocks")]
    fn read(&self) -> Moments {
        static START: OnceLock<Instant> = OnceLock::new();
        /// Readings further apart than this are tried again, a few times.
        const NEAR: Duration = Duration::from_millis(1);
        const ATTEMPTS: usize = 16;
        let start = *START.get_or_init(Instant::now);
        let once = || {
            let before = start.elapsed();
            let wall = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1000;
            let apart = start.elapsed().saturating_sub(before);
            let middle = before.saturating_add(apart / 2);
            let monotonic = u64::try_from(middle.as_micros()).unwrap_or(u64::MAX);
            (apart, Moments { monotonic, wall: i64::try_from(wall).unwrap_or(i64::MAX) })
        };
        let mut best = once();
        for _ in 1..ATTEMPTS {
            if best.0 <= NEAR {
                break;
            }
            let next = once();
            // The later one of two alike, so that what is read does not run backwards.
            if next.0 <= best.0 {
                best = next;
            }
        }
        best.1
    }
}

/// A clock that stands still, for tests and for `--at`.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_moment_agree() {
        let moment = Timestamp::parse_rfc3339("2026-11-23T08:00:00.25+08:00").unwrap();
        assert_eq!(moment.to_string(), "2026-11-23T00:00:00Z");
        assert_eq!(Timestamp::parse_rfc3339(&moment.to_string()).unwrap(), moment);
    }

    #[test]
    fn text_without_zone_is_refused() {
        let refused = Timestamp::parse_rfc3339("2026-11-23 08:00:00").unwrap_err();
        assert_eq!(refused, InvalidTimestamp { text: "2026-11-23 08:00:00".into() });
    }

    #[test]
    fn the_systems_clocks_move_together() {
        let mut last = PairedClocks::read(&SystemClock);
        for _ in 0..1000 {
            let next = PairedClocks::read(&SystemClock);
            assert!(next.monotonic >= last.monotonic);
            last = next;
        }
        assert!(last.wall.abs_diff(SystemClock.now().unix() * 1_000_000) < 60_000_000);
    }

    #[test]
    fn ends_hold() {
        assert_eq!(Timestamp::MIN.plus_days(-1), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.plus_seconds(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59Z");
    }
}
