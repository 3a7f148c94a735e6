//! Moments in time, and the one place that reads the system's clock.

use std::fmt;

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
    fn ends_hold() {
        assert_eq!(Timestamp::MIN.plus_days(-1), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.plus_seconds(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59Z");
    }
}
