//! Jobs that issue many certificates: submitted, run, paused, resumed, cancelled, looked at, forgotten.
//!
//! A crash at any moment loses nothing and repeats nothing: a row has its result in the transaction that keeps its
//! certificate, or it has none and its turn comes again. Whoever runs a job holds a lease that ends by itself.

pub mod approval;
pub mod desk;
pub(in crate::service) mod outcome;
mod run;

use crate::base::clock::Timestamp;
use crate::base::id::{AuthorityId, CallerId, JobId, RequestId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::job::{Job, JobEvent, StepRefused};
use crate::domain::ca::{self, Profiles, job, job_file};
use crate::service::idempotency::receipt_again;
use crate::service::inventory::record_forgotten;
use crate::service::{Error, Services};
use crate::store::issuance_job_rows;
use crate::store::issuance_jobs::{self, StoredJob};
use crate::store::{Tx, audit, authorities, idempotency};

pub use crate::store::issuance_job_rows::{RowOutcome, RowResult};
pub use run::{Pace, keep_running, run};

/// Jobs that have not ended; more are not taken.
pub const MOST_OPEN: i64 = 64;
/// The most that one page of results holds.
pub const MOST_IN_PAGE: i64 = 500;
/// Rows that one transaction forgets: others wait no longer than that takes.
const MOST_FORGOTTEN: i64 = 1000;
/// Jobs that are looked for at once.
const JOBS: i64 = 100;

/// What is asked when a job is submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Who issues.
    pub authority: AuthorityId,
    /// Under which profile.
    pub profile: String,
    /// The rows, as [`job_file`] reads them.
    pub file: Vec<u8>,
}

/// A page of what came of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rows, in the order of the file.
    pub rows: Vec<RowOutcome>,
    /// The number behind which the next page begins; nothing when there is none.
    pub next: Option<u32>,
}

/// Keeps a job with all its rows: nobody works on it before it is run.
///
/// # Errors
/// The file's first wrong line; no such profile or authority, or one that issues nothing; too many jobs. Then nothing is
/// kept.
pub async fn submit(services: &Services, profiles: &Profiles, actor: &Actor, new: &NewJob) -> Result<StoredJob, Error> {
    keep(services, profiles, (actor, None), (new, None)).await
}

/// What a job that was submitted under an `Idempotency-Key` is told again with.
const SUBMITTED: u16 = 201;

/// Keeps a job, once under a caller's `Idempotency-Key`: the same again is the same job.
async fn keep(
    services: &Services,
    profiles: &Profiles,
    (actor, request): (&Actor, Option<&RequestId>),
    (new, key): (&NewJob, Option<(&CallerId, &str)>),
) -> Result<StoredJob, Error> {
    if *actor == Actor::Anonymous {
        return Err(Error::CallerNeeded);
    }
    if profiles.require(&new.profile).map_err(ca::Error::from)?.rules().authority {
        return Err(Error::AuthorityProfile);
    }
    let file = new.file.clone();
    let reading = tokio::task::spawn_blocking(move || Ok::<_, Error>((job_file::read(&file)?, sm3(&file))));
    let (rows, rows_sm3) = reading.await.map_err(|_| Error::Interrupted)??;
    let now = services.clock.now();
    let stored = &StoredJob {
        id: JobId::fresh(now, &*services.random)?,
        authority: new.authority.clone(),
        profile: new.profile.clone(),
        rows_sm3,
        created_by: actor.clone(),
        created_at: now,
        // The file has no more rows than fit.
        job: Job::new(u32::try_from(rows.len()).unwrap_or(u32::MAX), now),
        version: 1,
    };
    let body = EventBody::JobStarted {
        job: stored.id.clone(),
        authority: stored.authority.clone(),
        rows_sm3,
        rows: u64::from(stored.job.rows),
    };
    let (rows, wish) = (&rows, &wish_sm3(stored));
    let event = &Event { at: now, actor: actor.clone(), request: request.cloned(), body };
    let steps = services.store.run("submit job", |tx| {
        Box::pin(async move {
            if let Some((caller, key)) = key
                && !idempotency::reserve(tx, caller, key, wish, now).await?
            {
                return submitted_before(tx, (caller, key), wish).await;
            }
            let authority = authorities::find(tx, &stored.authority).await?.ok_or(Error::UnknownAuthority)?;
            if authority.retired_at.is_some() {
                return Err(Error::AuthorityRetired);
            }
            if issuance_jobs::open_jobs(tx).await? >= MOST_OPEN {
                return Err(Error::TooManyJobs { most: MOST_OPEN });
            }
            issuance_jobs::insert(tx, stored).await?;
            issuance_job_rows::insert(tx, &stored.id, rows).await?;
            audit::append(tx, event).await?;
            if let Some((caller, key)) = key {
                let answer = (caller, key, request, stored.id.as_str().as_bytes());
                idempotency::complete(tx, answer, SUBMITTED).await?;
            }
            Ok::<_, Error>((stored.clone(), Vec::new()))
        })
    });
    let (stored, before) = steps.await?;
    receipt_again(services, request, &before).await;
    Ok(stored)
}

/// What makes two submissions the same. Names hold no zero octet.
fn wish_sm3(stored: &StoredJob) -> [u8; 32] {
    let names = format!("issuance job\0{}\0{}\0", stored.authority, stored.profile);
    sm3(&[names.as_bytes(), &stored.rows_sm3].concat())
}

/// The job that was submitted under that key, and the numbers of the events that were written then.
async fn submitted_before(
    tx: &mut Tx<'_>,
    (caller, key): (&CallerId, &str),
    wish: &[u8; 32],
) -> Result<(StoredJob, Vec<i64>), Error> {
    let before = idempotency::find(tx, caller, key).await?.ok_or(Error::IdempotencyKeyInUse)?;
    if before.request_sm3 != *wish {
        return Err(Error::IdempotencyKeyReused);
    }
    let (_, id) = before.answer.ok_or(Error::IdempotencyKeyInUse)?;
    let id = String::from_utf8(id).ok().and_then(|id| JobId::parse(&id).ok()).ok_or(Error::AnswerUnreadable)?;
    Ok((known(tx, &id).await?, before.events))
}

/// The job of that name.
///
/// # Errors
/// [`Error::UnknownJob`].
pub async fn find(services: &Services, id: &JobId) -> Result<StoredJob, Error> {
    services.store.read(|tx| Box::pin(known(tx, id))).await
}

/// Every job, oldest first.
///
/// # Errors
/// The store's.
pub async fn list(services: &Services) -> Result<Vec<StoredJob>, Error> {
    let mut all: Vec<StoredJob> = Vec::new();
    loop {
        let after = all.last().map(|stored| &stored.id);
        let page = services.store.read(|tx| Box::pin(issuance_jobs::all(tx, after, JOBS))).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// What came of rows behind that number, at most `limit` and [`MOST_IN_PAGE`].
///
/// # Errors
/// [`Error::UnknownJob`].
pub async fn results(services: &Services, id: &JobId, after: u32, limit: i64) -> Result<Page, Error> {
    let limit = limit.clamp(1, MOST_IN_PAGE);
    let more = limit.saturating_add(1);
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            known(tx, id).await?;
            Ok::<_, Error>(issuance_job_rows::outcomes(tx, id, after, more).await?)
        })
    });
    let mut rows = steps.await?;
    let full = i64::try_from(rows.len()) == Ok(more);
    if full {
        rows.pop();
    }
    let next = rows.last().filter(|_| full).map(|row| row.number);
    Ok(Page { rows, next })
}

/// Lets a waiting job begin: a service at work takes it soon, or [`run`] does.
///
/// # Errors
/// [`Error::UnknownJob`]; [`Error::Job`]: it does not wait; [`Error::ApprovalNeeded`], [`Error::RequestStep`]: officers do
/// not let it begin; its profile is no more.
pub async fn start(
    services: &Services,
    profiles: &Profiles,
    (actor, request): (&Actor, Option<&RequestId>),
    id: &JobId,
) -> Result<StoredJob, Error> {
    let now = services.clock.now();
    let steps = services.store.run("start job", |tx| {
        Box::pin(async move {
            let stored = known(tx, id).await?;
            let (job, event) = stored.job.clone().start(now)?;
            profiles.require(&stored.profile).map_err(ca::Error::from)?;
            approval::confirm(tx, profiles, &stored).await?;
            let stored = issuance_jobs::update(tx, &StoredJob { job, ..stored }).await?;
            let event = Event { at: now, actor: actor.clone(), request: request.cloned(), body: told(id, event) };
            audit::append(tx, &event).await?;
            Ok::<_, Error>(stored)
        })
    });
    steps.await
}

/// Puts a running job to rest: what is kept is kept, and what is at work keeps nothing more.
///
/// # Errors
/// [`Error::UnknownJob`]; [`Error::Job`]: it does not run.
pub async fn pause(services: &Services, actor: &Actor, id: &JobId) -> Result<StoredJob, Error> {
    change(services, (actor, None), id, |job, now| job.pause(job::ASKED, now)).await
}

/// Lets a resting job go on: a service at work takes it soon, or [`run`] does.
///
/// # Errors
/// [`Error::UnknownJob`]; [`Error::Job`]: it does not rest.
pub async fn resume(services: &Services, actor: &Actor, id: &JobId) -> Result<StoredJob, Error> {
    change(services, (actor, None), id, Job::resume).await
}

/// Gives a job up: what was issued stays, the other rows get no certificate.
///
/// # Errors
/// [`Error::UnknownJob`]; [`Error::Job`]: it has ended.
pub async fn cancel(services: &Services, actor: &Actor, id: &JobId) -> Result<StoredJob, Error> {
    change(services, (actor, None), id, Job::cancel).await
}

/// Forgets jobs that ended so many days ago, with their rows and results; gives how many. Certificates and events stay.
///
/// # Errors
/// The store's; what was forgotten before stays forgotten.
pub async fn forget(services: &Services, days: u32) -> Result<u64, Error> {
    let now = services.clock.now();
    let bound = now.plus_days(i64::from(days).saturating_mul(-1));
    let mut forgotten = 0_u64;
    loop {
        let ended = services.store.read(|tx| Box::pin(issuance_jobs::ended_before(tx, bound, JOBS))).await?;
        if ended.is_empty() {
            return Ok(forgotten);
        }
        for id in &ended {
            let part = async || {
                let steps = services
                    .store
                    .run("forget rows of a job", |tx| Box::pin(issuance_job_rows::forget(tx, id, MOST_FORGOTTEN)));
                steps.await
            };
            while part().await? > 0 {}
            let steps = services.store.run("forget job", |tx| {
                Box::pin(async move {
                    issuance_jobs::forget(tx, id).await?;
                    record_forgotten(tx, ("issuance-jobs", 1), bound, now).await
                })
            });
            steps.await?;
            forgotten = forgotten.saturating_add(1);
        }
    }
}

/// The job, or a refusal.
async fn known(tx: &mut Tx<'_>, id: &JobId) -> Result<StoredJob, Error> {
    issuance_jobs::find(tx, id).await?.ok_or(Error::UnknownJob)
}

/// Takes one step and tells the log, in one transaction.
async fn change(
    services: &Services,
    (actor, request): (&Actor, Option<&RequestId>),
    id: &JobId,
    step: impl Fn(Job, Timestamp) -> Result<(Job, JobEvent), StepRefused> + Send + Sync,
) -> Result<StoredJob, Error> {
    let (now, step) = (services.clock.now(), &step);
    let steps = services.store.run("change job", |tx| {
        Box::pin(async move {
            let stored = known(tx, id).await?;
            let (job, event) = step(stored.job.clone(), now)?;
            let stored = issuance_jobs::update(tx, &StoredJob { job, ..stored }).await?;
            let event = Event { at: now, actor: actor.clone(), request: request.cloned(), body: told(id, event) };
            audit::append(tx, &event).await?;
            Ok::<_, Error>(stored)
        })
    });
    steps.await
}

fn told(id: &JobId, event: JobEvent) -> EventBody {
    let job = id.clone();
    match event {
        JobEvent::Paused { reason } => EventBody::JobPaused { job, reason },
        JobEvent::Begun => EventBody::JobBegun { job },
        JobEvent::Resumed => EventBody::JobResumed { job },
        JobEvent::Cancelled { issued, refused } => {
            EventBody::JobCancelled { job, issued: issued.into(), refused: refused.into() }
        }
        JobEvent::Finished { issued, refused } => {
            EventBody::JobFinished { job, issued: issued.into(), refused: refused.into() }
        }
    }
}

/// Keeps what came of rows under a lease, and counts it.
///
/// # Errors
/// [`Error::Job`]: the lease is lost; a row has its result already; officers do not agree to the job any more. Then the
/// transaction keeps nothing.
pub(in crate::service) async fn keep_results(
    tx: &mut Tx<'_>,
    profiles: &Profiles,
    (id, lease): (&JobId, i64),
    results: &[(u32, RowResult)],
    now: Timestamp,
) -> Result<(), Error> {
    let stored = known(tx, id).await?;
    approval::confirm(tx, profiles, &stored).await?;
    let issued = results.iter().filter(|(_, result)| matches!(result, RowResult::Issued(_))).count();
    let (issued, all) = (u32::try_from(issued).unwrap_or(u32::MAX), u32::try_from(results.len()).unwrap_or(u32::MAX));
    let job = stored.job.clone().count(lease, issued, all.saturating_sub(issued))?;
    issuance_job_rows::keep_results(tx, id, results, now).await?;
    issuance_jobs::update(tx, &StoredJob { job, ..stored }).await?;
    Ok(())
}
