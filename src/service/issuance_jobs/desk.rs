//! Jobs through a door: the officer is the caller, and a check or an approval is a signature by the caller's registered
//! key. What begins here is worked on by a service at work, and goes on after its end by whoever starts next.

use std::sync::Arc;

use crate::base::id::{CallerId, JobId, RequestId};
use crate::domain::audit::Actor;
use crate::domain::ca::Profiles;
use crate::domain::ca::job;
use crate::domain::ca::job::Job;
use crate::domain::ca::job_approval::{JobConsent, JobStep};
use crate::domain::ca::request::Hand;
use crate::service::issuance_jobs::{
    self as jobs, MOST_IN_PAGE, NewJob, RowOutcome, RowResult, approval, change, known,
};
use crate::service::officers::{fixed_value, officer_in};
use crate::service::registration::Signed;
use crate::service::{Error, Services};
use crate::store::issuance_jobs::{self as rows, StoredJob};
use crate::store::{Tx, issuance_job_approvals, issued_certificates};

/// The most jobs that one page holds.
pub const MOST_JOBS_IN_PAGE: i64 = 100;
/// The most rows of one page that holds their certificates.
pub const MOST_WITH_CERTIFICATES: i64 = 100;

/// What a caller does with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobAction {
    /// Keeps one; the same key with the same file gives the same job.
    Submit {
        /// What is asked.
        new: NewJob,
        /// Names the wish.
        idempotency_key: String,
    },
    /// Looks at it.
    Show(JobId),
    /// Checks or approves it. The same signature again is the same step.
    Sign {
        /// The job.
        id: JobId,
        /// Which step.
        step: JobStep,
        /// DER, or r and s.
        signature: Vec<u8>,
    },
    /// Lets it begin.
    Start(JobId),
    /// Puts it to rest.
    Pause(JobId),
    /// Lets it go on.
    Resume(JobId),
    /// Gives it up.
    Cancel(JobId),
}

/// A job as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// The job.
    pub stored: StoredJob,
    /// What officers signed for it.
    pub consent: JobConsent,
    /// `submitted`, `checked` or `approved`, where it begins only when officers agree.
    pub approval: Option<&'static str>,
}

/// A page of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPage {
    /// Oldest first.
    pub jobs: Vec<JobRecord>,
    /// What the query for the next page gives as `after`; nothing on the last one.
    pub next: Option<JobId>,
}

/// Which rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultQuery {
    /// Behind this number.
    pub after: u32,
    /// At most so many.
    pub limit: i64,
    /// Each with its certificate.
    pub with_certificates: bool,
}

/// A page of what came of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultPage {
    /// Each with its certificate in DER, where that was wished and its record is not forgotten.
    pub rows: Vec<(RowOutcome, Option<Vec<u8>>)>,
    /// The number behind which the next page begins; nothing when there is none.
    pub next: Option<u32>,
}

/// The use cases of jobs with what they need.
#[derive(Clone)]
pub struct JobDesk {
    services: Services,
    profiles: Arc<Profiles>,
}

impl JobDesk {
    /// Under these profiles.
    #[must_use]
    pub const fn new(services: Services, profiles: Arc<Profiles>) -> Self {
        Self { services, profiles }
    }

    /// Takes an action; gives the job as it stands then.
    ///
    /// # Errors
    /// As [`jobs::submit`], [`jobs::find`], [`approval::take`], [`jobs::start`], [`jobs::pause`], [`jobs::resume`] and
    /// [`jobs::cancel`]; the key came with another wish.
    pub async fn act(
        &self,
        (officer, by, request): (&CallerId, &Actor, &RequestId),
        action: JobAction,
    ) -> Result<JobRecord, Error> {
        let (services, profiles, call) = (&self.services, &*self.profiles, (by, Some(request)));
        let id = match action {
            JobAction::Submit { new, idempotency_key } => {
                jobs::keep(services, profiles, call, (&new, Some((officer, &idempotency_key)))).await?.id
            }
            JobAction::Show(id) => id,
            JobAction::Sign { id, step, signature } => {
                let signed = Signed { officer, signature: &signature, call: Some(request) };
                self.sign(&id, step, signed).await?;
                id
            }
            JobAction::Start(id) => jobs::start(services, profiles, call, &id).await?.id,
            JobAction::Pause(id) => change(services, call, &id, |job, now| job.pause(job::ASKED, now)).await?.id,
            JobAction::Resume(id) => change(services, call, &id, Job::resume).await?.id,
            JobAction::Cancel(id) => change(services, call, &id, Job::cancel).await?.id,
        };
        let steps = services.store.read(|tx| {
            Box::pin(async {
                let stored = known(tx, &id).await?;
                record_of(tx, profiles, stored).await
            })
        });
        steps.await
    }

    /// Jobs, oldest first, behind that one.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, after: Option<&JobId>, limit: i64) -> Result<JobPage, Error> {
        let limit = limit.clamp(1, MOST_JOBS_IN_PAGE);
        let (more, profiles) = (limit.saturating_add(1), &*self.profiles);
        let steps = self.services.store.read(|tx| {
            Box::pin(async move {
                let mut found = rows::all(tx, after, more).await?;
                let full = i64::try_from(found.len()) == Ok(more);
                if full {
                    found.pop();
                }
                let next = found.last().filter(|_| full).map(|last| last.id.clone());
                let mut jobs = Vec::with_capacity(found.len());
                for stored in found {
                    jobs.push(record_of(tx, profiles, stored).await?);
                }
                Ok::<_, Error>(JobPage { jobs, next })
            })
        });
        steps.await
    }

    /// The octets that an officer signs to take that step.
    ///
    /// # Errors
    /// [`Error::UnknownJob`].
    pub async fn octets(&self, id: &JobId, step: JobStep) -> Result<Vec<u8>, Error> {
        approval::to_sign(&self.services, id, step).await
    }

    /// What came of rows.
    ///
    /// # Errors
    /// [`Error::UnknownJob`].
    pub async fn results(&self, id: &JobId, query: ResultQuery) -> Result<ResultPage, Error> {
        let ResultQuery { after, limit, with_certificates } = query;
        let most = if with_certificates { MOST_WITH_CERTIFICATES } else { MOST_IN_PAGE };
        let page = jobs::results(&self.services, id, after, limit.min(most)).await?;
        let (found, next) = (&page.rows, page.next);
        let steps = self.services.store.read(|tx| {
            Box::pin(async move {
                let mut all = Vec::with_capacity(found.len());
                for row in found {
                    let certificate = match &row.result {
                        Some((RowResult::Issued(sm3), _)) if with_certificates => {
                            issued_certificates::find_by_sm3(tx, sm3).await?.map(|certificate| certificate.der)
                        }
                        _ => None,
                    };
                    all.push((row.clone(), certificate));
                }
                Ok::<_, Error>(all)
            })
        });
        Ok(ResultPage { rows: steps.await?, next })
    }

    /// Takes an officer's step. The same signature again is the step that was taken, whatever happened to the job since.
    async fn sign(&self, id: &JobId, step: JobStep, signed: Signed<'_>) -> Result<(), Error> {
        match approval::take(&self.services, &self.profiles, (id, step), signed).await {
            Err(error @ (Error::RequestStep(_) | Error::Job(_))) => {
                let steps = self.services.store.read(|tx| {
                    Box::pin(async move {
                        let (officer, _) = officer_in(tx, signed.officer).await?;
                        let (hand, value) = (Hand::of(&officer), fixed_value(&officer, signed.signature));
                        let consent = issuance_job_approvals::of(tx, id).await?;
                        let given = match step {
                            JobStep::Check => consent.check.into_iter().collect(),
                            JobStep::Approve => consent.approvals,
                        };
                        Ok::<_, Error>(given.iter().any(|given| given.hand == hand && given.signature == value))
                    })
                });
                if steps.await? { Ok(()) } else { Err(error) }
            }
            taken => taken.map(|_| ()),
        }
    }
}

/// A row as the door tells it.
async fn record_of(tx: &mut Tx<'_>, profiles: &Profiles, stored: StoredJob) -> Result<JobRecord, Error> {
    let consent = issuance_job_approvals::of(tx, &stored.id).await?;
    // A profile that is gone asks nobody: no row of the job is issued.
    let profile = profiles.require(&stored.profile).ok();
    let asks = profile.filter(|profile| approval::wants_approval(profile, &stored.created_by));
    let approval = asks.map(|profile| consent.state_name(profile.approval()));
    Ok(JobRecord { stored, consent, approval })
}
