//! The clock of the stamping service: readings go into the domain's state machine, and what it thinks is told onward.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::base::clock::{PairedClocks, Timestamp};
use crate::domain::audit::{Actor, EventBody};
use crate::domain::stamp::{ClockDiscipline, ClockRefusal, Reading, Rules, SourceReading, TrustedTime};
use crate::format::tsp::Accuracy;
use crate::service::Services;
use crate::service::outside::ntp::{self, TimeSource};

/// 1 while the clock is trusted, 0 while it is not.
const TRUSTED: &str = "yinxin_stamp_clock_trusted";
/// Questions to sources of time, by what came of them.
const QUESTIONS: &str = "yinxin_stamp_clock_questions_total";

/// How often the clocks are compared where nobody asks for a stamp.
const TICK: Duration = Duration::from_secs(1);
/// Changes of mind that wait to be recorded; of more, the middle ones are lost, never the last.
const WAITING: usize = 64;
/// Sources that want patience are asked this seldom at most.
const SELDOM: Duration = Duration::from_secs(3600);

/// Whether the clock is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// Yes, and so accurate it is, in microseconds.
    Trusted(u64),
    /// No, for that reason.
    Distrusted(ClockRefusal),
}

/// Both clocks of this machine, watched.
pub struct WatchedClock {
    clocks: Arc<dyn PairedClocks>,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    discipline: ClockDiscipline,
    sources: Vec<Option<SourceReading>>,
    belief: Belief,
    changes: VecDeque<Belief>,
}

impl WatchedClock {
    /// At start. `last_event` is when stamps were recorded last: none of them is later than the end of that second.
    #[must_use]
    pub fn new(clocks: Arc<dyn PairedClocks>, rules: &Rules, sources: usize, last_event: Option<Timestamp>) -> Self {
        let last_stamp = last_event.map(|at| at.unix().saturating_add(1).saturating_mul(1_000_000).saturating_sub(1));
        let discipline = ClockDiscipline::new(rules.thresholds, rules.precision, rules.ordering, last_stamp);
        let belief = Belief::Trusted(rules.thresholds.accuracy);
        let state = State { discipline, sources: vec![None; sources], belief, changes: VecDeque::new() };
        Self { clocks, state: Mutex::new(state), changed: Notify::new() }
    }

    /// A time to certify. The clocks are read under the lock: readings enter the state machine in their order.
    ///
    /// # Errors
    /// Why there is none.
    pub fn stamp(&self) -> Result<TrustedTime, ClockRefusal> {
        let mut state = self.state();
        let time = self.with_reading(&mut state, ClockDiscipline::stamp);
        match &time {
            Ok(time) => self.believe(&mut state, Belief::Trusted(time.accuracy().microseconds)),
            // The clock may be right: it is the request that came too early, or an era that nobody stamps in.
            Err(ClockRefusal::NotLater | ClockRefusal::OutOfRange) => {}
            Err(refusal) => self.believe(&mut state, Belief::Distrusted(*refusal)),
        }
        time
    }

    /// Compares the clocks; says whether they are believed.
    pub fn observe(&self) -> Belief {
        let mut state = self.state();
        let observed = self.with_reading(&mut state, ClockDiscipline::observe);
        let belief = match observed {
            Ok(Accuracy { microseconds }) => Belief::Trusted(microseconds),
            Err(refusal) => Belief::Distrusted(refusal),
        };
        self.believe(&mut state, belief);
        belief
    }

    /// Keeps the newest reading of that source.
    pub fn take_reading(&self, source: usize, reading: SourceReading) {
        if let Some(place) = self.state().sources.get_mut(source) {
            *place = Some(reading);
        }
    }

    /// What changed since the last call, in its order.
    #[must_use]
    pub fn take_changes(&self) -> Vec<Belief> {
        self.state().changes.drain(..).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_reading<T>(&self, state: &mut State, step: impl FnOnce(&mut ClockDiscipline, &Reading<'_>) -> T) -> T {
        let sources: Vec<SourceReading> = state.sources.iter().flatten().copied().collect();
        let moments = self.clocks.read();
        let reading = Reading { monotonic: moments.monotonic, wall: moments.wall, sources: &sources };
        step(&mut state.discipline, &reading)
    }

    fn believe(&self, state: &mut State, belief: Belief) {
        let trusted = |belief: &Belief| matches!(belief, Belief::Trusted(_));
        if trusted(&state.belief) != trusted(&belief) {
            if state.changes.len() >= WAITING {
                // Two neighbours that cancel each other out.
                let kept = state.changes.len().saturating_sub(2);
                state.changes.truncate(kept);
            }
            state.changes.push_back(belief);
            self.changed.notify_one();
        }
        state.belief = belief;
    }
}

/// Compares the clocks each second, and records each change of mind.
pub(in crate::service::stamping) async fn watch(clock: Arc<WatchedClock>, services: Services) {
    metrics::describe_gauge!(TRUSTED, "Whether the clock is trusted enough to stamp.");
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut unrecorded = VecDeque::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = clock.changed.notified() => {}
        }
        let trusted = matches!(clock.observe(), Belief::Trusted(_));
        metrics::gauge!(TRUSTED).set(if trusted { 1.0 } else { 0.0 });
        unrecorded.extend(clock.take_changes());
        while let Some(belief) = unrecorded.front() {
            let body = match belief {
                Belief::Trusted(accuracy) => {
                    tracing::info!(accuracy, "the clock is trusted again: time stamps are made");
                    EventBody::ClockTrusted { accuracy: *accuracy }
                }
                Belief::Distrusted(refusal) => {
                    tracing::error!(code = refusal.code(), "no time stamps: {refusal}");
                    EventBody::ClockDistrusted { reason: refusal.code().to_owned() }
                }
            };
            if let Err(error) = services.record(&Actor::Operator, None, body).await {
                // Tried again at the next tick.
                tracing::error!(code = error.code(), "a change of the clock could not be recorded");
                break;
            }
            unrecorded.pop_front();
        }
        while unrecorded.len() > WAITING {
            unrecorded.pop_back();
            unrecorded.pop_back();
        }
    }
}

/// Asks one source again and again; ends when the source denies its service.
pub(in crate::service::stamping) async fn ask(
    clock: Arc<WatchedClock>,
    number: usize,
    source: Arc<dyn TimeSource>,
    every: Duration,
) {
    metrics::describe_counter!(QUESTIONS, "Questions to other sources of time, by outcome.");
    let mut pause = every;
    loop {
        let outcome = match source.ask(&*clock.clocks).await {
            Ok(reading) => {
                clock.take_reading(number, reading);
                // What was distrusted for want of an answer is looked at now.
                let _ = clock.observe();
                "answered"
            }
            Err(ntp::Error::Denied { code }) => {
                tracing::error!(source = source.name(), code, "the source of time is asked no more");
                metrics::counter!(QUESTIONS, "outcome" => "denied").increment(1);
                return;
            }
            Err(ntp::Error::TooOften { code }) => {
                tracing::warn!(source = source.name(), code, "the source of time is asked less often");
                pause = pause.saturating_mul(2).min(SELDOM.max(every));
                "too-often"
            }
            Err(error) => {
                tracing::warn!(source = source.name(), "the source of time gave none: {error}");
                "failed"
            }
        };
        metrics::counter!(QUESTIONS, "outcome" => outcome).increment(1);
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::clock::Moments;
    use crate::domain::stamp::{Precision, Thresholds};

    const START: i64 = 1_800_000_000_000_000;

    /// Clocks that show what they are told.
    struct Told(Mutex<Moments>);

    impl PairedClocks for Told {
        fn read(&self) -> Moments {
            *self.0.lock().unwrap()
        }
    }

    fn told() -> Arc<Told> {
        Arc::new(Told(Mutex::new(Moments { monotonic: 0, wall: START })))
    }

    fn rules(ordering: bool, sources: usize) -> Rules {
        Rules { ordering, precision: Precision::Microseconds, ..Rules::new(sources) }
    }

    #[test]
    fn each_change_of_mind_is_told_once() {
        let clocks = told();
        let clock = WatchedClock::new(Arc::<Told>::clone(&clocks), &rules(false, 1), 1, None);
        let few = Belief::Distrusted(ClockRefusal::TooFewSources { usable: 0, wanted: 1 });
        assert_eq!((clock.observe(), clock.observe()), (few, few));
        assert_eq!(clock.stamp().unwrap_err(), ClockRefusal::TooFewSources { usable: 0, wanted: 1 });
        assert_eq!(clock.take_changes(), [few]);
        clocks.0.lock().unwrap().monotonic = 1_000_000;
        clocks.0.lock().unwrap().wall += 1_000_000;
        let reading = SourceReading { time: START + 1_000_000, round_trip: 1000, taken: 1_000_000 };
        clock.take_reading(0, reading);
        let trusted = Belief::Trusted(Thresholds::DEFAULT.accuracy);
        assert_eq!((clock.observe(), clock.observe()), (trusted, trusted));
        assert!(clock.stamp().is_ok());
        assert_eq!(clock.take_changes(), [trusted]);
        // Three seconds back: remembered until the source vouches again.
        clocks.0.lock().unwrap().wall -= 3_000_000;
        let jumped = ClockRefusal::Jumped { microseconds: -3_000_000 };
        assert_eq!(clock.stamp().unwrap_err(), jumped);
        clocks.0.lock().unwrap().wall += 3_000_000;
        assert!(matches!(clock.observe(), Belief::Distrusted(ClockRefusal::Jumped { .. })));
        assert_eq!(clock.take_changes(), [Belief::Distrusted(jumped)]);
        for told in 0..1000 {
            clock.believe(&mut clock.state(), if told % 2 == 0 { trusted } else { few });
        }
        let changes = clock.take_changes();
        assert!(changes.len() <= WAITING && changes.last() == Some(&few), "{}", changes.len());
    }

    #[test]
    fn after_a_start_no_time_comes_again() {
        let clocks = told();
        let recorded = Timestamp::from_unix(START / 1_000_000);
        let clock = WatchedClock::new(Arc::<Told>::clone(&clocks), &rules(true, 0), 0, Some(recorded));
        assert_eq!(clock.stamp().unwrap_err(), ClockRefusal::NotLater);
        assert_eq!(clock.take_changes(), [], "the clock itself is right");
        *clocks.0.lock().unwrap() = Moments { monotonic: 999_999, wall: START + 999_999 };
        assert_eq!(clock.stamp().unwrap_err(), ClockRefusal::NotLater);
        *clocks.0.lock().unwrap() = Moments { monotonic: 1_000_000, wall: START + 1_000_000 };
        assert!(clock.stamp().is_ok());
    }

    proptest! {
        /// Whatever clocks and sources do: under ordering, each time is later than every one before.
        #[test]
        fn times_never_go_backward(
            steps in prop::collection::vec((0..3_000_000_u64, -3_000_000..3_000_000_i64, any::<bool>(), any::<bool>()), 1..200),
        ) {
            let clocks = told();
            let clock = WatchedClock::new(Arc::<Told>::clone(&clocks), &rules(true, 1), 1, None);
            let mut last = None;
            for (passed, off, steady, answers) in steps {
                let moments = {
                    let mut shown = clocks.0.lock().unwrap();
                    shown.monotonic += passed;
                    shown.wall += i64::try_from(passed).unwrap() + if steady { 0 } else { off };
                    *shown
                };
                if answers {
                    let reading = SourceReading { time: moments.wall, round_trip: 10, taken: moments.monotonic };
                    clock.take_reading(0, reading);
                }
                if let Ok(time) = clock.stamp() {
                    let time = time.gen_time();
                    let time = (time.seconds().unix(), time.nanoseconds());
                    prop_assert!(last.is_none_or(|last| last < time), "{last:?} {time:?}");
                    last = Some(time);
                }
            }
        }
    }
}
