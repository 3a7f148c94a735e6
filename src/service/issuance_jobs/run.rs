//! Working on a job: its rows in their order, many at a time, until each has its result.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::base::id::JobId;
use crate::domain::audit::{Actor, Event};
use crate::domain::ca::Profiles;
use crate::domain::ca::job::{Job, JobEvent};
use crate::domain::ca::job_file::{JobRow, RowOrder};
use crate::domain::caller::CallerState;
use crate::service::issuance::{Completion, Issuance, Issued, Order, Wanted};
use crate::service::issuance_jobs::outcome::{Meaning, meaning};
use crate::service::issuance_jobs::{approval, change, find, keep_results, known, told};
use crate::service::{Error, Services};
use crate::store::issuance_job_rows::{self, RowResult};
use crate::store::issuance_jobs::{self, StoredJob};
use crate::store::{self, audit, callers};

/// Seconds of a lease. A crash delays its job by no more.
const LEASE: i64 = 30;
/// A lease is renewed this often.
const RENEW: Duration = Duration::from_secs(8);
/// Progress is told this often.
const SHOW: Duration = Duration::from_millis(500);
/// Rows that are read at once.
const PAGE: i64 = 1024;
/// Refusals that are kept at once.
const REFUSALS: usize = 256;
/// How often a service looks for jobs that nobody works on.
const LOOK: Duration = Duration::from_secs(5);
/// When more orders wait than are taken, this one asks again after.
const BUSY: Duration = Duration::from_millis(20);

/// How a job is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Orders that wait at the same time; two batches of the engine, so that single orders find room beside a job.
    pub at_once: usize,
    /// What passes is first waited for this long, then twice as long, and so on.
    pub patience: Duration,
    /// The longest wait.
    pub most_patience: Duration,
    /// After so many waits with no row between them the job is put to rest.
    pub waits: u32,
}

impl Default for Pace {
    fn default() -> Self {
        let (patience, most_patience) = (Duration::from_secs(1), Duration::from_secs(30));
        Self { at_once: 512, patience, most_patience, waits: 10 }
    }
}

/// A job that this process works on.
struct Work<'a> {
    services: &'a Services,
    issuance: &'a Issuance,
    pace: Pace,
    stored: StoredJob,
    /// Whether officers were asked, and agree.
    approved: bool,
    renewed: Instant,
    /// As it was taken, with what was added in this run.
    progress: Job,
    shown: Instant,
    told: &'a (dyn Fn(&Job) + Send + Sync),
}

/// Works on a job until it is finished or put to rest, by us or by somebody else; gives it as it stands then. `told`
/// hears of its progress.
///
/// A refused row stops nothing. What passes (the database, the key store) is waited for; what only somebody can mend (the
/// authority is retired, its key suspended) puts the job to rest, and no row is refused for it.
///
/// # Errors
/// [`Error::UnknownJob`]; [`Error::Job`]: it has ended, or another process works on it; [`Error::ApprovalNeeded`],
/// [`Error::RequestStep`]: officers do not let it begin; what would not pass, when not even that could be written down.
pub async fn run(
    services: &Services,
    issuance: &Issuance,
    id: &JobId,
    pace: Pace,
    told: &(dyn Fn(&Job) + Send + Sync),
) -> Result<StoredJob, Error> {
    let (stored, approved) = take(services, issuance.profiles(), id).await?;
    let (progress, now) = (stored.job.clone(), Instant::now());
    let mut work = Work { services, issuance, pace, stored, approved, renewed: now, progress, shown: now, told };
    match work.run_to_end().await {
        Ok(()) => find(services, id).await,
        Err(error) => match meaning(&error) {
            Meaning::Lost => find(services, id).await,
            _ => Err(error),
        },
    }
}

/// Runs every job that is to be run and that nobody works on, one after the other, until it is dropped.
pub async fn keep_running(services: Services, issuance: Issuance) {
    loop {
        let now = services.clock.now();
        match services.store.read(|tx| Box::pin(issuance_jobs::free(tx, now))).await.map_err(Error::from) {
            Ok(free) => {
                for id in free {
                    match run(&services, &issuance, &id, Pace::default(), &|_| {}).await {
                        Ok(StoredJob { job, .. }) => {
                            let (state, issued, refused) = (job.state.name(), job.issued, job.refused);
                            tracing::info!(job = %id, state, issued, refused, "worked on a job");
                        }
                        // Another process was first.
                        Err(Error::Job(_)) => {}
                        Err(error) => cannot_begin(&services, &id, &error).await,
                    }
                }
            }
            Err(error) => tracing::warn!(code = error.code(), "jobs cannot be read"),
        }
        sleep(LOOK).await;
    }
}

/// Tells why a job is not begun; puts it to rest where only somebody can mend that.
async fn cannot_begin(services: &Services, id: &JobId, error: &Error) {
    tracing::warn!(job = %id, code = error.code(), "a job cannot be worked on");
    if let Meaning::Stops { code } = meaning(error)
        && let Err(second) = change(services, (&Actor::Operator, None), id, |job, now| job.pause(code, now)).await
    {
        tracing::warn!(job = %id, code = second.code(), "a job cannot be put to rest");
    }
}

/// Begins to work on a job: under a lease of its own, and only when its counts are those of its results.
async fn take(services: &Services, profiles: &Profiles, id: &JobId) -> Result<(StoredJob, bool), Error> {
    let now = services.clock.now();
    let steps = services.store.run("take job", |tx| {
        Box::pin(async move {
            let stored = known(tx, id).await?;
            if let Actor::Caller { id: caller, .. } = &stored.created_by {
                let caller = callers::find(tx, caller).await?.ok_or(Error::UnknownCaller)?;
                if caller.state != CallerState::Active {
                    return Err(Error::CallerBarred);
                }
            }
            let job = stored.job.clone().take(now, LEASE)?;
            let approved = approval::confirm(tx, profiles, &stored).await?;
            // A result that was taken away would have its row issued once more.
            if issuance_job_rows::count_results(tx, id).await? != (job.issued.into(), job.refused.into()) {
                return Err(store::Error::Inconsistent { table: "issuance_job_results", row: id.to_string() }.into());
            }
            Ok((issuance_jobs::update(tx, &StoredJob { job, ..stored }).await?, approved))
        })
    });
    steps.await
}

/// Something failed that is no row's fault.
struct Disturbance {
    meaning: Meaning,
    error: Error,
}

impl Work<'_> {
    const fn lease(&self) -> i64 {
        self.stored.job.lease
    }

    /// Until no row is left, or somebody must look.
    async fn run_to_end(&mut self) -> Result<(), Error> {
        let mut waits = 0;
        loop {
            let before = self.progress.open_rows();
            let (meaning, error) = match self.rows().await {
                Err(Disturbance { meaning, error }) => (meaning, error),
                Ok(()) => match self.finish().await {
                    Ok(()) => return Ok(()),
                    Err(error) => (meaning(&error), error),
                },
            };
            let code = error.code();
            waits = if self.progress.open_rows() == before { waits } else { 0 };
            let passes = matches!(meaning, Meaning::Passes { .. }) && waits < self.pace.waits;
            match meaning {
                Meaning::Lost => return Err(error),
                _ if passes => {
                    let patience = self.pace.patience.saturating_mul(1 << waits.min(16)).min(self.pace.most_patience);
                    tracing::warn!(job = %self.stored.id, code, "a job waits for what has failed");
                    self.rest(patience).await?;
                    waits = waits.saturating_add(1);
                }
                _ => return self.stop(code, error).await,
            }
        }
    }

    /// Orders every row that has no result; each is asked once. When it ends, no order of ours is under way.
    async fn rows(&mut self) -> Result<(), Disturbance> {
        let (mut waiting, mut last, mut all_read) = (VecDeque::<(u32, JobRow)>::new(), 0, false);
        let mut flight = JoinSet::new();
        let (mut refusals, mut disturbed) = (Vec::new(), None::<Disturbance>);
        // The gravest counts; what is under way comes to its end.
        let mut note = |error: Error| {
            let graver = Disturbance { meaning: meaning(&error), error };
            if disturbed.as_ref().is_none_or(|known| graver.meaning > known.meaning) {
                disturbed = Some(graver);
            }
            true
        };
        let mut stopping = false;
        loop {
            while !stopping && flight.len() < self.pace.at_once {
                if waiting.is_empty() && !all_read {
                    match self.page(last).await {
                        Ok(page) => waiting = page.into(),
                        Err(error) => stopping = note(error),
                    }
                    last = waiting.back().map_or(last, |(number, _)| *number);
                    all_read = waiting.is_empty();
                }
                let Some((number, row)) = waiting.pop_front() else { break };
                let (issuance, order) = (self.issuance.clone(), self.order(number, row.order));
                flight.spawn(async move { (number, ordered(&issuance, order).await) });
            }
            let Some(joined) = flight.join_next().await else { break };
            match joined {
                Ok((_, Ok(_))) => self.progress.issued = self.progress.issued.saturating_add(1),
                Ok((number, Err(error))) => match meaning(&error) {
                    Meaning::Refused { code, reason } => {
                        refusals.push((number, RowResult::Refused { code: code.to_owned(), reason }));
                    }
                    _ => stopping = note(error),
                },
                Err(_) => stopping = note(Error::Interrupted),
            }
            let kept = if refusals.len() < REFUSALS { Ok(()) } else { self.refuse(&mut refusals).await };
            let kept = kept.and(if self.renewed.elapsed() > RENEW { self.renew().await } else { Ok(()) });
            if let Err(error) = kept {
                stopping = note(error);
            }
            if self.shown.elapsed() > SHOW {
                (self.told)(&self.progress);
                self.shown = Instant::now();
            }
        }
        if let Err(error) = self.refuse(&mut refusals).await {
            note(error);
        }
        disturbed.map_or(Ok(()), Err)
    }

    async fn page(&self, last: u32) -> Result<Vec<(u32, JobRow)>, Error> {
        let id = &self.stored.id;
        Ok(self.services.store.read(|tx| Box::pin(issuance_job_rows::open(tx, id, last, PAGE))).await?)
    }

    fn order(&self, index: u32, row: RowOrder) -> Order {
        let RowOrder { csr, subject, not_after, transaction } = row;
        Order {
            authority: self.stored.authority.clone(),
            profile: self.stored.profile.clone(),
            wanted: Wanted::Request { csr, subject },
            not_before: None,
            not_after,
            transaction,
            actor: self.stored.created_by.clone(),
            request: None,
            completes: Some(Completion::JobRow {
                job: self.stored.id.clone(),
                index,
                lease: self.lease(),
                approved: self.approved,
            }),
        }
    }

    /// Keeps what was refused.
    async fn refuse(&mut self, refusals: &mut Vec<(u32, RowResult)>) -> Result<(), Error> {
        if refusals.is_empty() {
            return Ok(());
        }
        let (held, now, results) = ((&self.stored.id, self.lease()), self.services.clock.now(), &*refusals);
        let profiles = self.issuance.profiles();
        let steps =
            self.services.store.run("refuse rows", |tx| Box::pin(keep_results(tx, profiles, held, results, now)));
        steps.await?;
        self.progress.refused = self.progress.refused.saturating_add(u32::try_from(refusals.len()).unwrap_or(u32::MAX));
        refusals.clear();
        Ok(())
    }

    /// Takes a step under the lease; tells the log where the step tells something.
    async fn step(
        &self,
        step: impl Fn(Job, i64) -> Result<(Job, Option<JobEvent>), Error> + Send + Sync,
    ) -> Result<StoredJob, Error> {
        let (id, lease, now, step) = (&self.stored.id, self.lease(), self.services.clock.now(), &step);
        let actor = &self.stored.created_by;
        let steps = self.services.store.run("work on job", |tx| {
            Box::pin(async move {
                let stored = known(tx, id).await?;
                let (job, event) = step(stored.job.clone(), lease)?;
                let stored = issuance_jobs::update(tx, &StoredJob { job, ..stored }).await?;
                if let Some(event) = event {
                    let event = Event { at: now, actor: actor.clone(), request: None, body: told(id, event) };
                    audit::append(tx, &event).await?;
                }
                Ok::<_, Error>(stored)
            })
        });
        steps.await
    }

    async fn renew(&mut self) -> Result<(), Error> {
        let now = self.services.clock.now();
        let stored = self.step(|job, lease| Ok((job.renew(lease, now, LEASE)?, None))).await?;
        (self.stored, self.renewed) = (stored, Instant::now());
        Ok(())
    }

    /// Waits, and keeps the lease.
    async fn rest(&mut self, patience: Duration) -> Result<(), Error> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(RENEW)).await;
            match self.renew().await {
                Err(error) if meaning(&error) == Meaning::Lost => return Err(error),
                // What has failed may be what keeps the lease.
                _ => {}
            }
        }
    }

    async fn finish(&self) -> Result<(), Error> {
        let now = self.services.clock.now();
        let finished = self.step(|job, lease| {
            let (job, event) = job.finish(lease, now)?;
            Ok((job, Some(event)))
        });
        (self.told)(&finished.await?.job);
        Ok(())
    }

    /// Puts the job to rest for a reason that somebody must look at.
    async fn stop(&self, code: &'static str, error: Error) -> Result<(), Error> {
        let now = self.services.clock.now();
        let paused = self.step(|job, lease| {
            let (job, event) = job.renew(lease, now, LEASE)?.pause(code, now)?;
            Ok((job, Some(event)))
        });
        match paused.await {
            Ok(stored) => {
                tracing::warn!(job = %stored.id, code, "a job is paused");
                (self.told)(&stored.job);
                Ok(())
            }
            // The first error is the one to tell.
            Err(second) if meaning(&second) != Meaning::Lost => Err(error),
            Err(lost) => Err(lost),
        }
    }
}

/// Issues one certificate; waits where too many wait.
async fn ordered(issuance: &Issuance, order: Order) -> Result<Issued, Error> {
    loop {
        match issuance.issue(order.clone()).await {
            Err(Error::IssuanceBusy) => sleep(BUSY).await,
            outcome => return outcome,
        }
    }
}
