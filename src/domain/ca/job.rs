//! Jobs that issue many certificates: their states, who works on one, and what a step tells the log.
//!
//! Whoever works on a job holds a lease: a number that grows with every change of hands, and a moment when it ends. What
//! is kept for a row names the lease, so a worker whose job was paused, cancelled or taken by another keeps nothing more,
//! whatever its clock says.

use crate::base::clock::Timestamp;

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Kept, and not begun.
    Waiting,
    /// To be worked on: by the holder of the lease until that moment, from then on by whoever comes first.
    Running {
        /// End of the lease.
        until: Timestamp,
    },
    /// At rest.
    Paused {
        /// The stable code of what stopped it; `asked` where somebody paused it.
        reason: String,
    },
    /// Every row has its result.
    Finished,
    /// Given up; rows without a result get none.
    Cancelled,
}

impl JobState {
    /// The state's stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running { .. } => "running",
            Self::Paused { .. } => "paused",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled)
    }
}

/// What a step tells the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobEvent {
    /// It rests.
    Paused {
        /// The stable code of what stopped it.
        reason: String,
    },
    /// It may begin.
    Begun,
    /// It may go on.
    Resumed,
    /// It was given up.
    Cancelled {
        /// Certificates issued.
        issued: u32,
        /// Rows refused.
        refused: u32,
    },
    /// Every row has its result.
    Finished {
        /// Certificates issued.
        issued: u32,
        /// Rows refused.
        refused: u32,
    },
}

/// Why a step is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepRefused {
    /// From that state there is no such step.
    #[error("a job that is {from} cannot {attempt}")]
    State {
        /// The state's name.
        from: &'static str,
        /// `be run`, `be started`, `be paused`, `be resumed`, `be cancelled`, `be finished` or `get results`.
        attempt: &'static str,
    },
    /// Somebody else works on it.
    #[error("another process works on the job, until {until} at least")]
    AtWork {
        /// End of the lease.
        until: Timestamp,
    },
    /// Another lease is in force.
    #[error("the job was paused, cancelled or taken by another process")]
    LeaseLost,
    /// More results than rows.
    #[error("the job has fewer rows without a result")]
    TooManyResults,
    /// Rows without a result.
    #[error("{rows} rows of the job have no result")]
    Unfinished {
        /// How many.
        rows: u32,
    },
}

impl StepRefused {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::State { .. } => "job-state",
            Self::AtWork { .. } => "job-at-work",
            Self::LeaseLost => "job-lease-lost",
            Self::TooManyResults => "job-results",
            Self::Unfinished { .. } => "job-unfinished",
        }
    }
}

/// The reason of a pause that somebody asked for.
pub const ASKED: &str = "asked";

/// A job on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// How many rows it has.
    pub rows: u32,
    /// Rows with a certificate.
    pub issued: u32,
    /// Rows refused.
    pub refused: u32,
    /// Where it stands.
    pub state: JobState,
    /// Since when; a lease that is renewed changes nothing here.
    pub since: Timestamp,
    /// The lease: grows with every change of hands.
    pub lease: i64,
}

impl Job {
    /// A new one.
    #[must_use]
    pub const fn new(rows: u32, now: Timestamp) -> Self {
        Self { rows, issued: 0, refused: 0, state: JobState::Waiting, since: now, lease: 0 }
    }

    /// Rows without a result.
    #[must_use]
    pub const fn open_rows(&self) -> u32 {
        self.rows.saturating_sub(self.issued).saturating_sub(self.refused)
    }

    /// Somebody begins, or goes on, to work on it, for so many seconds under a lease of its own.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn take(self, now: Timestamp, seconds: i64) -> Result<Self, StepRefused> {
        let since = match &self.state {
            JobState::Running { until } if *until > now => return Err(StepRefused::AtWork { until: *until }),
            JobState::Running { .. } => self.since,
            JobState::Waiting | JobState::Paused { .. } => now,
            JobState::Finished | JobState::Cancelled => return Err(self.no_way("be run")),
        };
        let state = JobState::Running { until: now.plus_seconds(seconds) };
        Ok(Self { state, since, lease: self.lease.saturating_add(1), ..self })
    }

    /// The holder goes on for so many seconds.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn renew(self, lease: i64, now: Timestamp, seconds: i64) -> Result<Self, StepRefused> {
        self.held(lease)?;
        Ok(Self { state: JobState::Running { until: now.plus_seconds(seconds) }, ..self })
    }

    /// So many more rows have their result.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn count(self, lease: i64, issued: u32, refused: u32) -> Result<Self, StepRefused> {
        self.held(lease)?;
        let more = issued.checked_add(refused).filter(|more| *more <= self.open_rows());
        more.ok_or(StepRefused::TooManyResults)?;
        Ok(Self { issued: self.issued.saturating_add(issued), refused: self.refused.saturating_add(refused), ..self })
    }

    /// It rests: its holder keeps nothing more.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn pause(self, reason: &str, now: Timestamp) -> Result<(Self, JobEvent), StepRefused> {
        if !matches!(self.state, JobState::Running { .. }) {
            return Err(self.no_way("be paused"));
        }
        let event = JobEvent::Paused { reason: reason.to_owned() };
        Ok((self.hand_on(JobState::Paused { reason: reason.to_owned() }, now), event))
    }

    /// It may begin, by whoever comes first.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn start(self, now: Timestamp) -> Result<(Self, JobEvent), StepRefused> {
        if self.state != JobState::Waiting {
            return Err(self.no_way("be started"));
        }
        Ok((self.hand_on(JobState::Running { until: now }, now), JobEvent::Begun))
    }

    /// It may go on, by whoever comes first.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn resume(self, now: Timestamp) -> Result<(Self, JobEvent), StepRefused> {
        if !matches!(self.state, JobState::Paused { .. }) {
            return Err(self.no_way("be resumed"));
        }
        Ok((self.hand_on(JobState::Running { until: now }, now), JobEvent::Resumed))
    }

    /// It is given up: what was issued stays, and its holder keeps nothing more.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn cancel(self, now: Timestamp) -> Result<(Self, JobEvent), StepRefused> {
        if self.state.is_final() {
            return Err(self.no_way("be cancelled"));
        }
        let event = JobEvent::Cancelled { issued: self.issued, refused: self.refused };
        Ok((self.hand_on(JobState::Cancelled, now), event))
    }

    /// Every row has its result.
    ///
    /// # Errors
    /// Why the step is not taken.
    pub fn finish(self, lease: i64, now: Timestamp) -> Result<(Self, JobEvent), StepRefused> {
        if self.state.is_final() {
            return Err(self.no_way("be finished"));
        }
        self.held(lease)?;
        match self.open_rows() {
            0 => {
                let event = JobEvent::Finished { issued: self.issued, refused: self.refused };
                Ok((self.hand_on(JobState::Finished, now), event))
            }
            rows => Err(StepRefused::Unfinished { rows }),
        }
    }

    fn held(&self, lease: i64) -> Result<(), StepRefused> {
        let running = matches!(self.state, JobState::Running { .. });
        if running && self.lease == lease { Ok(()) } else { Err(StepRefused::LeaseLost) }
    }

    fn hand_on(self, state: JobState, now: Timestamp) -> Self {
        Self { state, since: now, lease: self.lease.saturating_add(1), ..self }
    }

    const fn no_way(&self, attempt: &'static str) -> StepRefused {
        StepRefused::State { from: self.state.name(), attempt }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn state(from: &'static str, attempt: &'static str) -> StepRefused {
        StepRefused::State { from, attempt }
    }

    #[test]
    fn steps_that_are_not_there_are_refused_exactly() {
        let waiting = Job::new(2, at(0));
        assert_eq!(waiting.clone().pause(ASKED, at(1)), Err(state("waiting", "be paused")));
        assert_eq!(waiting.clone().resume(at(1)), Err(state("waiting", "be resumed")));
        assert_eq!(waiting.clone().count(0, 1, 0), Err(StepRefused::LeaseLost));
        let (started, event) = waiting.clone().start(at(5)).unwrap();
        assert_eq!((event, &started.state), (JobEvent::Begun, &JobState::Running { until: at(5) }));
        assert_eq!(started.clone().start(at(6)), Err(state("running", "be started")));
        assert_eq!(started.take(at(5), 30).unwrap().since, at(5));
        let running = waiting.take(at(10), 30).unwrap();
        assert_eq!((running.lease, running.since), (1, at(10)));
        assert_eq!(running.clone().take(at(39), 30), Err(StepRefused::AtWork { until: at(40) }));
        assert_eq!(running.clone().finish(1, at(11)), Err(StepRefused::Unfinished { rows: 2 }));
        assert_eq!(running.clone().count(1, 2, 1), Err(StepRefused::TooManyResults));
        assert_eq!(running.clone().count(1, u32::MAX, 1), Err(StepRefused::TooManyResults));
        // Another takes it when the lease is over; the first keeps nothing more.
        let taken = running.take(at(40), 30).unwrap();
        assert_eq!((taken.lease, taken.since), (2, at(10)));
        for lost in [taken.clone().count(1, 1, 0), taken.clone().renew(1, at(41), 30)] {
            assert_eq!(lost, Err(StepRefused::LeaseLost));
        }
        let (paused, _) = taken.clone().pause("authority-retired", at(50)).unwrap();
        assert_eq!(paused.clone().count(2, 1, 0), Err(StepRefused::LeaseLost));
        let (resumed, event) = paused.resume(at(60)).unwrap();
        assert_eq!((event, resumed.state.clone()), (JobEvent::Resumed, JobState::Running { until: at(60) }));
        let done = resumed.take(at(60), 30).unwrap().count(5, 1, 1).unwrap();
        let (finished, event) = done.finish(5, at(61)).unwrap();
        assert_eq!(event, JobEvent::Finished { issued: 1, refused: 1 });
        assert_eq!(finished.clone().take(at(99), 30), Err(state("finished", "be run")));
        assert_eq!(finished.clone().cancel(at(99)), Err(state("finished", "be cancelled")));
        assert_eq!(finished.finish(6, at(99)), Err(state("finished", "be finished")));
        let (cancelled, event) = taken.cancel(at(70)).unwrap();
        assert_eq!(event, JobEvent::Cancelled { issued: 0, refused: 0 });
        assert_eq!(cancelled.take(at(99), 30), Err(state("cancelled", "be run")));
    }

    proptest! {
        /// Whatever two workers and an operator try in whatever order: a final state stays as it is, results never
        /// exceed rows and never vanish, only the newest lease counts, and a finished job has no row without a result.
        #[test]
        fn nobody_works_on_what_is_not_theirs(
            rows in 1_u32..6,
            steps in proptest::collection::vec((0_u8..9, 0_usize..2, 0_i64..40, 0_u32..3), 0..60),
        ) {
            let mut job = Job::new(rows, at(0));
            let (mut leases, mut now) = ([None, None], 0_i64);
            for (step, worker, later, results) in steps {
                now += later;
                let (before, lease) = (job.clone(), leases[worker].unwrap_or(-1));
                let outcome = match step {
                    0 | 1 => job.clone().take(at(now), 30),
                    2 => job.clone().renew(lease, at(now), 30),
                    3 => job.clone().count(lease, results, 1),
                    4 => job.clone().pause(ASKED, at(now)).map(|(job, _)| job),
                    5 => job.clone().resume(at(now)).map(|(job, _)| job),
                    6 => job.clone().finish(lease, at(now)).map(|(job, _)| job),
                    8 => job.clone().start(at(now)).map(|(job, _)| job),
                    // Rarely: nothing comes after it.
                    _ if results == 0 => job.clone().cancel(at(now)).map(|(job, _)| job),
                    _ => job.clone().take(at(now), 30),
                };
                if let Ok(after) = outcome {
                    prop_assert!(!before.state.is_final());
                    prop_assert!(after.lease >= before.lease && after.rows == rows);
                    prop_assert!(after.issued >= before.issued && after.refused >= before.refused);
                    prop_assert!(u64::from(after.issued) + u64::from(after.refused) <= u64::from(rows));
                    if matches!(step, 2 | 3 | 6) {
                        prop_assert_eq!(before.lease, lease, "a lease that was lost keeps nothing");
                    }
                    if step < 2 || (step == 7 && results > 0) {
                        let free = !matches!(before.state, JobState::Running { until } if until > at(now));
                        prop_assert!(free && after.lease == before.lease + 1);
                        leases[worker] = Some(after.lease);
                    }
                    if after.state == JobState::Finished {
                        prop_assert_eq!(after.open_rows(), 0);
                    }
                    job = after;
                }
            }
        }
    }
}
