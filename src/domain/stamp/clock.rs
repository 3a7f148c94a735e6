//! The discipline of a stamping clock: readings in, a certifiable time or a refusal out.
//!
//! The wall clock is believed only while it moves as the monotonic clock moves, and while other sources of time, where
//! they are demanded, agree with it and with each other. What breaks the belief is remembered: a jump is forgiven only
//! when sources that were asked after it vouch for the clock again, or when an operator does. In doubt it refuses
//! (RFC 3161 2.1: a trustworthy source of time; ETSI EN 319 421 7.7.2 asks that stamping stops).

use crate::base::clock::Timestamp;
use crate::format::tsp::{Accuracy, GenTime};

/// One reading of another source, such as an exchange of NTP (RFC 5905 8): its own time at a moment of our monotonic
/// clock, so that whatever the wall clock did since does not spoil the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceReading {
    /// The source's time when the exchange ended, in microseconds since 1970, half of the round trip already added: it
    /// is off by at most that half.
    pub time: i64,
    /// How long the exchange took, in microseconds.
    pub round_trip: u64,
    /// The monotonic clock when it ended, in microseconds.
    pub taken: u64,
}

/// What the clocks show at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<'a> {
    /// The monotonic clock, in microseconds since some start.
    pub monotonic: u64,
    /// The wall clock, in microseconds since 1970.
    pub wall: i64,
    /// The newest reading of each other source.
    pub sources: &'a [SourceReading],
}

/// What is tolerated. All but the counts in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// How far the wall clock may move otherwise than the monotonic one, between two readings and altogether since
    /// the sources last vouched (besides [`Self::drift`]).
    pub jump: u64,
    /// How fast the two clocks may drift apart, in microseconds for each second.
    pub drift: u64,
    /// How old a source's reading may be.
    pub age: u64,
    /// How long a source's exchange may have taken.
    pub round_trip: u64,
    /// How far the sources may lie apart.
    pub disagreement: u64,
    /// How far the wall clock may be off, by the worst source.
    pub offset: u64,
    /// How many sources must be usable; 0: none is asked, and the operator answers for the wall clock.
    pub sources: usize,
    /// The accuracy that is claimed at best.
    pub accuracy: u64,
}

impl Thresholds {
    /// For a machine that keeps its clock by NTP and asks two sources each minute: one second is claimed.
    pub const DEFAULT: Self = Self {
        jump: 100_000,
        drift: 500,
        age: 300_000_000,
        round_trip: 1_000_000,
        disagreement: 500_000,
        offset: 500_000,
        sources: 2,
        accuracy: 1_000_000,
    };
}

/// Why the time is not certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockRefusal {
    /// The monotonic clock ran backwards: it is another machine's, or broken.
    #[error("the monotonic clock ran backwards")]
    MonotonicBackwards,
    /// The wall clock moved otherwise than the monotonic one.
    #[error("the wall clock jumped by {microseconds} µs")]
    Jumped {
        /// By how much; negative: backwards.
        microseconds: i64,
    },
    /// Too few sources have a reading that is new and quick enough.
    #[error("{usable} sources of time are usable, {wanted} are demanded")]
    TooFewSources {
        /// How many are.
        usable: usize,
        /// How many must be.
        wanted: usize,
    },
    /// The sources tell different times.
    #[error("the sources of time lie {microseconds} µs apart")]
    SourcesDisagree {
        /// How far.
        microseconds: u64,
    },
    /// The sources agree that the wall clock is wrong.
    #[error("the wall clock is off by up to {microseconds} µs")]
    Offset {
        /// How far.
        microseconds: u64,
    },
    /// The time is not later than that of the stamp before, and stamps are promised in order.
    #[error("the time is not later than that of the last stamp")]
    NotLater,
    /// The wall clock shows a year outside 1970 to 9999.
    #[error("the wall clock shows no time of this era")]
    OutOfRange,
}

impl ClockRefusal {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MonotonicBackwards => "clock-monotonic-backwards",
            Self::Jumped { .. } => "clock-jumped",
            Self::TooFewSources { .. } => "clock-too-few-sources",
            Self::SourcesDisagree { .. } => "clock-sources-disagree",
            Self::Offset { .. } => "clock-offset",
            Self::NotLater => "clock-not-later",
            Self::OutOfRange => "clock-out-of-range",
        }
    }
}

/// A time that may be certified: only [`ClockDiscipline::stamp`] makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct TrustedTime {
    gen_time: GenTime,
    accuracy: Accuracy,
    ordering: bool,
}

impl TrustedTime {
    /// The time.
    #[must_use]
    pub const fn gen_time(&self) -> GenTime {
        self.gen_time
    }

    /// How far it may be off.
    #[must_use]
    pub const fn accuracy(&self) -> Accuracy {
        self.accuracy
    }

    /// Whether it is later than every time before.
    #[must_use]
    pub const fn ordering(&self) -> bool {
        self.ordering
    }
}

/// To which fraction of a second genTime is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Whole seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

impl Precision {
    const fn microseconds(self) -> i64 {
        match self {
            Self::Seconds => 1_000_000,
            Self::Milliseconds => 1000,
            Self::Microseconds => 1,
        }
    }
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    monotonic: u64,
    wall: i64,
}

/// The state: what was seen last, what the wall clock is measured against, and what broke the belief in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockDiscipline {
    thresholds: Thresholds,
    precision: Precision,
    /// Stamps are strictly later than each other.
    ordering: bool,
    last: Option<Pair>,
    anchor: Option<Pair>,
    broken: Option<(ClockRefusal, u64)>,
    last_stamp: Option<i64>,
}

impl ClockDiscipline {
    /// At start. `last_stamp` is the time of the last stamp ever made, in microseconds since 1970, from the records.
    #[must_use]
    pub const fn new(thresholds: Thresholds, precision: Precision, ordering: bool, last_stamp: Option<i64>) -> Self {
        Self { thresholds, precision, ordering, last: None, anchor: None, broken: None, last_stamp }
    }

    /// Takes a reading and says how accurate the wall clock is. To be called often: a jump there and back between two
    /// readings is not seen.
    ///
    /// # Errors
    /// Why the clock is not trustworthy at this moment.
    pub fn observe(&mut self, reading: &Reading<'_>) -> Result<Accuracy, ClockRefusal> {
        let now = Pair { monotonic: reading.monotonic, wall: reading.wall };
        self.watch(now);
        let vouched = self.ask_sources(reading);
        if let Some((why, since)) = self.broken {
            // Forgiven only by sources that were all asked after the fault.
            let fresh = |source: &SourceReading| self.is_usable(source, now.monotonic) && source.taken > since;
            let fresh = reading.sources.iter().filter(|source| fresh(source)).count();
            let all_fresh = self.thresholds.sources > 0
                && fresh >= self.thresholds.sources
                && fresh == reading.sources.iter().filter(|source| self.is_usable(source, now.monotonic)).count();
            if !all_fresh || vouched.is_err() {
                return Err(why);
            }
            self.broken = None;
            self.anchor = Some(now);
        }
        let accuracy = vouched?;
        if self.thresholds.sources > 0 {
            self.anchor = Some(now);
        }
        Ok(Accuracy { microseconds: accuracy.max(self.thresholds.accuracy) })
    }

    /// A time to certify.
    ///
    /// # Errors
    /// As [`Self::observe`]; [`ClockRefusal::NotLater`], [`ClockRefusal::OutOfRange`].
    pub fn stamp(&mut self, reading: &Reading<'_>) -> Result<TrustedTime, ClockRefusal> {
        let accuracy = self.observe(reading)?;
        let unit = self.precision.microseconds();
        let cut = reading.wall.div_euclid(unit).saturating_mul(unit);
        let seconds = cut.div_euclid(1_000_000);
        let nanoseconds = u32::try_from(cut.rem_euclid(1_000_000).saturating_mul(1000)).unwrap_or(0);
        let in_era = (0..=Timestamp::MAX.unix()).contains(&seconds);
        let gen_time = GenTime::new(Timestamp::from_unix(seconds), nanoseconds).filter(|_| in_era);
        let gen_time = gen_time.ok_or(ClockRefusal::OutOfRange)?;
        if self.ordering && self.last_stamp.is_some_and(|last| cut <= last) {
            return Err(ClockRefusal::NotLater);
        }
        self.last_stamp = Some(self.last_stamp.map_or(cut, |last| last.max(cut)));
        // What is cut off makes the time earlier than it was.
        let lost = u64::try_from(reading.wall.saturating_sub(cut)).unwrap_or(0);
        let accuracy = Accuracy { microseconds: accuracy.microseconds.max(lost) };
        Ok(TrustedTime { gen_time, accuracy, ordering: self.ordering })
    }

    /// An operator vouches for the wall clock as it stands: the fault is forgotten.
    pub const fn vouch(&mut self, reading: &Reading<'_>) {
        let now = Pair { monotonic: reading.monotonic, wall: reading.wall };
        self.broken = None;
        self.last = Some(now);
        self.anchor = Some(now);
    }

    /// What breaks the belief, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<ClockRefusal> {
        self.broken.map(|(why, _)| why)
    }

    /// Compares the movement of both clocks since the last reading and since the anchor.
    fn watch(&mut self, now: Pair) {
        let last = self.last.replace(now);
        let anchor = *self.anchor.get_or_insert(now);
        for before in [last.unwrap_or(now), anchor] {
            let Some(elapsed) = now.monotonic.checked_sub(before.monotonic) else {
                self.broken = Some((ClockRefusal::MonotonicBackwards, now.monotonic));
                // Measured anew from here: the fault stands until somebody vouches.
                self.anchor = Some(now);
                return;
            };
            let moved = now.wall.saturating_sub(before.wall);
            let jump = moved.saturating_sub(i64::try_from(elapsed).unwrap_or(i64::MAX));
            if jump.unsigned_abs() > self.thresholds.jump.saturating_add(self.drift_over(elapsed)) {
                self.broken = Some((ClockRefusal::Jumped { microseconds: jump }, now.monotonic));
                self.anchor = Some(now);
                return;
            }
        }
    }

    const fn drift_over(&self, elapsed: u64) -> u64 {
        (elapsed / 1_000_000).saturating_add(1).saturating_mul(self.thresholds.drift)
    }

    const fn is_usable(&self, source: &SourceReading, now: u64) -> bool {
        match now.checked_sub(source.taken) {
            Some(age) => age <= self.thresholds.age && source.round_trip <= self.thresholds.round_trip,
            None => false,
        }
    }

    /// How far the wall clock may be off by its sources; 0 where none is demanded.
    fn ask_sources(&self, reading: &Reading<'_>) -> Result<u64, ClockRefusal> {
        let wanted = self.thresholds.sources;
        if wanted == 0 {
            return Ok(0);
        }
        let usable = || reading.sources.iter().filter(|source| self.is_usable(source, reading.monotonic));
        let count = usable().count();
        if count < wanted {
            return Err(ClockRefusal::TooFewSources { usable: count, wanted });
        }
        let age = |source: &SourceReading| reading.monotonic.saturating_sub(source.taken);
        // What must be added to the wall clock to get the source's time at this moment.
        let offset = |source: &SourceReading| {
            let now = source.time.saturating_add(i64::try_from(age(source)).unwrap_or(i64::MAX));
            now.saturating_sub(reading.wall)
        };
        let least = usable().map(offset).min().unwrap_or(0);
        let most = usable().map(offset).max().unwrap_or(0);
        let apart = most.abs_diff(least);
        if apart > self.thresholds.disagreement {
            return Err(ClockRefusal::SourcesDisagree { microseconds: apart });
        }
        let worst = usable().map(|source| {
            let error = source.round_trip.div_ceil(2).saturating_add(self.drift_over(age(source)));
            offset(source).unsigned_abs().saturating_add(error)
        });
        let microseconds = worst.max().unwrap_or(0);
        if microseconds > self.thresholds.offset {
            return Err(ClockRefusal::Offset { microseconds });
        }
        Ok(microseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const START: i64 = 1_800_000_000 * SECOND;
    const ALONE: Thresholds = Thresholds { sources: 0, ..Thresholds::DEFAULT };

    /// A source that is wrong by that much.
    fn source(error: i64, taken: u64) -> SourceReading {
        let time = START + i64::try_from(taken).unwrap() + error;
        SourceReading { time, round_trip: 20_000, taken }
    }

    fn at(seconds: i64, wall_off: i64, sources: &[SourceReading]) -> Reading<'_> {
        let elapsed = seconds * SECOND;
        Reading { monotonic: u64::try_from(elapsed).unwrap(), wall: START + elapsed + wall_off, sources }
    }

    #[test]
    fn a_steady_clock_is_trusted_and_a_jump_is_remembered() {
        let mut clock = ClockDiscipline::new(ALONE, Precision::Seconds, false, None);
        for seconds in 0..100 {
            let time = clock.stamp(&at(seconds, 0, &[])).unwrap();
            assert_eq!(time.gen_time().seconds().unix(), START / SECOND + seconds);
            assert_eq!((time.accuracy().microseconds, time.ordering()), (1_000_000, false));
        }
        for wall_off in [5 * SECOND, -5 * SECOND] {
            let mut clock = clock.clone();
            let jumped = ClockRefusal::Jumped { microseconds: wall_off };
            assert_eq!(clock.stamp(&at(101, wall_off, &[])), Err(jumped));
            assert_eq!(clock.stamp(&at(102, wall_off, &[])), Err(jumped), "steady again, but nobody vouched");
            assert_eq!(clock.fault(), Some(jumped));
            clock.vouch(&at(103, wall_off, &[]));
            assert!(clock.stamp(&at(104, wall_off, &[])).is_ok());
        }
        // A slow drift passes each single reading and not the sum.
        let mut clock = ClockDiscipline::new(ALONE, Precision::Seconds, false, None);
        let refused =
            (0..1000).find_map(|seconds| Some((seconds, clock.stamp(&at(seconds, seconds * 2000, &[])).err()?)));
        assert!(matches!(refused, Some((60..80, ClockRefusal::Jumped { .. }))), "{refused:?}");
        let mut clock = ClockDiscipline::new(ALONE, Precision::Seconds, false, None);
        clock.stamp(&at(5, 0, &[])).unwrap();
        assert_eq!(clock.stamp(&at(4, SECOND, &[])), Err(ClockRefusal::MonotonicBackwards));
        assert_eq!(clock.stamp(&at(6, SECOND, &[])), Err(ClockRefusal::MonotonicBackwards));
    }

    #[test]
    fn sources_must_be_enough_fresh_agreed_and_near() {
        let mut clock = ClockDiscipline::new(Thresholds::DEFAULT, Precision::Microseconds, false, None);
        let now = 1000 * 1_000_000;
        let few = |usable| Err(ClockRefusal::TooFewSources { usable, wanted: 2 });
        let mut ask = |sources: &[SourceReading]| clock.observe(&at(1000, 0, sources)).map(|found| found.microseconds);
        assert_eq!(ask(&[source(0, now), source(100, now)]), Ok(1_000_000));
        assert_eq!(ask(&[source(0, now)]), few(1));
        assert_eq!(ask(&[source(0, now), source(0, now - 301_000_000)]), few(1), "too old");
        assert_eq!(ask(&[source(0, now), source(0, now + 1)]), few(1), "of the future");
        assert_eq!(ask(&[source(0, now), SourceReading { round_trip: 1_000_001, ..source(0, now) }]), few(1), "slow");
        let apart = ClockRefusal::SourcesDisagree { microseconds: 600_000 };
        assert_eq!(ask(&[source(-300_000, now), source(300_000, now)]), Err(apart));
        let off = ClockRefusal::Offset { microseconds: 600_000 + 10_000 + 500 };
        assert_eq!(ask(&[source(600_000, now), source(590_000, now)]), Err(off));
        // The claim is never better than what the sources allow.
        let exact = Thresholds { accuracy: 1, ..Thresholds::DEFAULT };
        let mut clock = ClockDiscipline::new(exact, Precision::Microseconds, false, None);
        let accuracy = clock.observe(&at(1000, 0, &[source(40, now), source(-70, now - 10_000_000)]));
        assert_eq!(accuracy.map(|found| found.microseconds), Ok(70 + 10_000 + 11 * 500));
    }

    #[test]
    fn a_jump_is_forgiven_by_sources_asked_after_it() {
        let mut clock = ClockDiscipline::new(Thresholds::DEFAULT, Precision::Seconds, false, None);
        let both = |offset, taken| [source(offset, taken), source(offset, taken)];
        assert!(clock.stamp(&at(10, 0, &both(0, 9_000_000))).is_ok());
        let jumped = ClockRefusal::Jumped { microseconds: 200_000 };
        assert_eq!(clock.stamp(&at(20, 200_000, &both(0, 19_000_000))), Err(jumped));
        assert_eq!(clock.stamp(&at(21, 200_000, &both(0, 19_500_000))), Err(jumped), "asked before the jump was seen");
        let mixed = [source(0, 19_500_000), source(0, 21_500_000), source(0, 21_600_000)];
        assert_eq!(clock.stamp(&at(22, 200_000, &mixed)), Err(jumped), "one of them is of before");
        assert_eq!(clock.stamp(&at(23, 200_000, &both(900_000, 22_500_000))), Err(jumped), "they do not vouch");
        assert!(clock.stamp(&at(24, 200_000, &both(0, 23_500_000))).is_ok());
        assert!(clock.stamp(&at(25, 200_000, &both(0, 24_500_000))).is_ok());
    }

    #[test]
    fn creeping_below_every_jump_is_measured_by_sources_asked_before_it() {
        let exact = Thresholds { accuracy: 1, ..Thresholds::DEFAULT };
        let mut clock = ClockDiscipline::new(exact, Precision::Seconds, false, None);
        let both = [source(0, 1_000_000); 2];
        let mut creep = |step: i64| clock.observe(&at(step, step * 90_000, &both)).map(|found| found.microseconds);
        assert_eq!([1, 2, 3, 4, 5].map(&mut creep).last(), Some(&Ok(450_000 + 10_000 + 5 * 500)));
        assert_eq!(creep(6), Err(ClockRefusal::Offset { microseconds: 540_000 + 10_000 + 6 * 500 }));
    }

    #[test]
    fn ordered_stamps_are_later_than_all_before_even_after_a_restart() {
        let mut clock = ClockDiscipline::new(ALONE, Precision::Seconds, true, Some(START + 3 * SECOND));
        assert_eq!(clock.stamp(&at(2, 0, &[])), Err(ClockRefusal::NotLater));
        assert_eq!(clock.stamp(&at(3, 999_999, &[])).unwrap_err(), ClockRefusal::Jumped { microseconds: 999_999 });
        clock.vouch(&at(3, 0, &[]));
        assert_eq!(clock.stamp(&at(3, 0, &[])), Err(ClockRefusal::NotLater));
        let time = clock.stamp(&at(4, 0, &[])).unwrap();
        assert!(time.ordering());
        assert_eq!(clock.stamp(&at(4, 0, &[])), Err(ClockRefusal::NotLater));
        let mut early = ClockDiscipline::new(ALONE, Precision::Seconds, true, None);
        let before = Reading { monotonic: 0, wall: -1, sources: &[] };
        assert_eq!(early.stamp(&before), Err(ClockRefusal::OutOfRange));
    }

    proptest::proptest! {
        /// Whatever the clocks do: what is stamped lies within the jump threshold of where a steady clock would be,
        /// in order, and never without the sources that are demanded.
        #[test]
        fn nothing_is_stamped_on_a_clock_that_moved(
            steps in proptest::collection::vec((1_u64..20, -400_000_i64..400_000, 0_usize..4, proptest::bool::weighted(0.2)), 1..60),
            sources in 0_usize..3, ordering: bool,
        ) {
            let thresholds = Thresholds { sources, ..Thresholds::DEFAULT };
            let mut clock = ClockDiscipline::new(thresholds, Precision::Milliseconds, ordering, None);
            let (mut monotonic, mut error, mut last) = (1_000_000_u64, 0_i64, None::<GenTime>);
            let vouching = vec![SourceReading { time: START + 1_000_000, round_trip: 10_000, taken: monotonic }; sources];
            let wall = START + i64::try_from(monotonic).unwrap();
            let at_first = clock.observe(&Reading { monotonic, wall, sources: &vouching });
            proptest::prop_assert!(at_first.is_ok());
            let mut faulty = false;
            for (seconds, shift, count, moves) in steps {
                monotonic += seconds * 1_000_000;
                if moves { error += shift; }
                let right = START + i64::try_from(monotonic).unwrap();
                let list = vec![SourceReading { time: right, round_trip: 10_000, taken: monotonic }; count];
                let wall = right + error;
                let stamped = clock.stamp(&Reading { monotonic, wall, sources: &list });
                // Whoever is asked exactly when the fault is seen was not asked after it.
                if moves && shift.unsigned_abs() > thresholds.jump + (seconds + 1) * thresholds.drift {
                    faulty = true;
                    proptest::prop_assert_eq!(stamped.as_ref().unwrap_err(), &ClockRefusal::Jumped { microseconds: shift });
                }
                if let Ok(time) = stamped {
                    proptest::prop_assert!(count >= sources);
                    if sources == 0 {
                        proptest::prop_assert!(!faulty, "nobody vouched");
                        let slack = thresholds.jump + (monotonic / 1_000_000 + 1) * thresholds.drift;
                        proptest::prop_assert!(error.unsigned_abs() <= slack);
                    } else {
                        proptest::prop_assert!(error.unsigned_abs() <= thresholds.offset);
                    }
                    let earlier = last.is_some_and(|last| time.gen_time() <= last);
                    proptest::prop_assert!(!(ordering && earlier));
                    last = Some(time.gen_time());
                }
            }
        }
    }
}
