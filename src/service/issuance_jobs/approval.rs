//! Jobs that officers let begin: what they sign, what they signed, and whether it holds still.
//!
//! A job under a profile that wants approvals waits until one officer checked its file and as many others approved it as
//! the profile asks for. Their signatures are verified when somebody begins to work on the job, and once more in each
//! transaction that keeps certificates of it: an officer who is dismissed meanwhile stops it.

use crate::base::id::{CallerId, JobId};
use crate::crypto::digest::sm3;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::ca::job::{self, JobState};
use crate::domain::ca::job_approval::{JobConsent, JobOrder, JobStep};
use crate::domain::ca::{self, Profile, Profiles};
use crate::service::issuance_jobs::known;
use crate::service::officers::{fixed_value, officer_in, officer_still};
use crate::service::registration::Signed;
use crate::service::{Error, Services};
use crate::store::issuance_jobs::StoredJob;
use crate::store::{Tx, audit, issuance_job_approvals};

/// What officers sign.
fn order_of(stored: &StoredJob) -> JobOrder {
    JobOrder {
        job: stored.id.clone(),
        authority: stored.authority.clone(),
        profile: stored.profile.clone(),
        rows_sm3: stored.rows_sm3,
        rows: stored.job.rows,
        submitter: match &stored.created_by {
            Actor::Caller { id, .. } => Some(id.clone()),
            Actor::Operator | Actor::Anonymous => None,
        },
        submitted_at: stored.created_at,
    }
}

/// Whether nobody issues under that profile alone, whoever asks: as with single orders.
pub(in crate::service) fn wants_approval(profile: &Profile, actor: &Actor) -> bool {
    let alone = profile.speaks_for_authority() && matches!(actor, Actor::Caller { .. });
    profile.rules().approval.is_some() || alone
}

/// The octets that an officer signs to take that step.
///
/// # Errors
/// [`Error::UnknownJob`].
pub async fn to_sign(services: &Services, id: &JobId, step: JobStep) -> Result<Vec<u8>, Error> {
    let stored = services.store.read(|tx| Box::pin(known(tx, id))).await?;
    Ok(order_of(&stored).to_sign(step))
}

/// An officer checks or approves a job by a signature over [`to_sign`].
///
/// # Errors
/// [`Error::UnknownJob`]; [`Error::Job`]: it has begun or ended; [`Error::RequestStep`]: why the step is not taken; the
/// officer is none; the profile is no more.
pub async fn take(
    services: &Services,
    profiles: &Profiles,
    (id, step): (&JobId, JobStep),
    signed: Signed<'_>,
) -> Result<(StoredJob, JobConsent), Error> {
    let now = services.clock.now();
    let steps = services.store.run("approve job", |tx| {
        Box::pin(async move {
            let (officer, actor) = officer_in(tx, signed.officer).await?;
            let stored = known(tx, id).await?;
            if stored.job.state != JobState::Waiting {
                let attempt = if step == JobStep::Check { "be checked" } else { "be approved" };
                return Err(job::StepRefused::State { from: stored.job.state.name(), attempt }.into());
            }
            let policy = profiles.require(&stored.profile).map_err(ca::Error::from)?.approval();
            let value = fixed_value(&officer, signed.signature);
            let before = issuance_job_approvals::of(tx, id).await?;
            let consent = before.take(&order_of(&stored), (step, &officer, &value), now, policy)?;
            issuance_job_approvals::insert(tx, id, step, &consent).await?;
            let (job, rows_sm3, signature_sm3) = (id.clone(), stored.rows_sm3, sm3(&value));
            let body = match step {
                JobStep::Check => EventBody::JobChecked { job, rows_sm3, signature_sm3 },
                JobStep::Approve => EventBody::JobApproved { job, rows_sm3, signature_sm3 },
            };
            audit::append(tx, &Event { at: now, actor, request: signed.call.cloned(), body }).await?;
            Ok::<_, Error>((stored, consent))
        })
    });
    steps.await
}

/// What officers signed for a job so far.
///
/// # Errors
/// [`Error::UnknownJob`]; a row is not as it was written.
pub async fn consent_of(services: &Services, id: &JobId) -> Result<JobConsent, Error> {
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            known(tx, id).await?;
            Ok::<_, Error>(issuance_job_approvals::of(tx, id).await?)
        })
    });
    steps.await
}

/// Whether officers let this job begin, and do so still; gives whether they were asked at all. A profile that is gone asks
/// nobody: no row of it is issued.
///
/// # Errors
/// [`Error::ApprovalNeeded`]: signatures are missing; [`Error::RequestStep`]: one does not hold any more.
pub(in crate::service) async fn confirm(
    tx: &mut Tx<'_>,
    profiles: &Profiles,
    stored: &StoredJob,
) -> Result<bool, Error> {
    let Ok(profile) = profiles.require(&stored.profile) else { return Ok(false) };
    if !wants_approval(profile, &stored.created_by) {
        return Ok(false);
    }
    let (consent, policy) = (issuance_job_approvals::of(tx, &stored.id).await?, profile.approval());
    if consent.state_name(policy) != "approved" {
        return Err(Error::ApprovalNeeded);
    }
    let mut officers = Vec::new();
    for given in consent.check.iter().chain(&consent.approvals) {
        officers.extend(officer_still(tx, &given.hand.officer).await?);
    }
    let find = |id: &CallerId| officers.iter().find(|officer| officer.id == *id);
    consent.confirm(&order_of(stored), policy, find)?;
    Ok(true)
}
