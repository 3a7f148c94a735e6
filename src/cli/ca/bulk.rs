//! `yinxin ca bulk`: jobs that issue many certificates.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::base::id::{AuthorityId, JobId};
use crate::cli::ca::BY;
use crate::cli::console::{json_shown, shown};
use crate::cli::installation::{Error, create_folder, create_new};
use crate::cli::proof::{Proof, Proven};
use crate::domain::ca::Profiles;
use crate::domain::ca::job::{Job, JobState};
use crate::domain::ca::job_approval::JobStep;
use crate::domain::ca::job_file::{JobFileError, MOST_BYTES};
use crate::service::inventory::{self, hexadecimal};
use crate::service::issuance::Issuance;
use crate::service::issuance_jobs::{self, MOST_IN_PAGE, NewJob, Pace, approval};
use crate::service::registration::Signed;
use crate::service::verification::pem_of;
use crate::service::{self, Services};
use crate::store::issuance_job_rows::{RowOutcome, RowResult};
use crate::store::issuance_jobs::StoredJob;

/// What can be done with jobs.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Keep a job with all its rows, and print its name: one JSON object a line with name, csr, and where wanted subject,
    /// `not_after` and transaction
    Submit(Submit),
    /// Work on a job until it is finished or put to rest; print how it stands
    Run(Named),
    /// A checker states that a job's rows agree with their evidence; wanted where the profile wants approvals
    Check(Step),
    /// An officer approves a job; with the last approval that the profile asks for it can be run
    Approve(Step),
    /// How a job stands
    Status(Shown),
    /// What came of each row
    Results(Results),
    /// Put a running job to rest; what was issued stays
    Pause(Named),
    /// Let a resting job go on: a service at work takes it within seconds, or `run` does
    Resume(Named),
    /// Give a job up, for ever; what was issued stays
    Cancel(Named),
    /// Every job, oldest first
    List {
        /// Print one JSON object for each job
        #[arg(long)]
        json: bool,
    },
    /// Forget jobs that have ended, with their rows and results; certificates and events stay
    Forget {
        /// So many days ago, or more
        #[arg(long, value_name = "N")]
        days: u32,
    },
}

/// A job.
#[derive(Args)]
pub(crate) struct Named {
    /// The job
    #[arg(value_name = "JOB", value_parser = JobId::parse)]
    job: JobId,
}

/// What `check` and `approve` are told.
#[derive(Args)]
pub(crate) struct Step {
    /// The job
    #[arg(value_name = "JOB", value_parser = JobId::parse)]
    job: JobId,
    #[command(flatten)]
    proof: Proof,
}

/// A job, and how it is shown.
#[derive(Args)]
pub(crate) struct Shown {
    /// The job
    #[arg(value_name = "JOB", value_parser = JobId::parse)]
    job: JobId,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `submit` is told.
#[derive(Args)]
pub(crate) struct Submit {
    /// The file, JSON Lines
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Who issues
    #[arg(long, value_name = "AUTHORITY", value_parser = AuthorityId::parse)]
    authority: AuthorityId,
    /// Under which profile
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// Work on it at once
    #[arg(long)]
    run: bool,
}

/// What `results` is told.
#[derive(Args)]
pub(crate) struct Results {
    /// The job
    #[arg(value_name = "JOB", value_parser = JobId::parse)]
    job: JobId,
    /// Go on behind the page that ended with this row
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u32,
    /// At most so many rows, up to 500
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: i64,
    /// Print one JSON object for each row
    #[arg(long)]
    json: bool,
    /// Write the certificate of every row to a new file of this folder, named by the row's number
    #[arg(long, value_name = "DIR", conflicts_with_all = ["after", "limit", "json"])]
    pem_dir: Option<PathBuf>,
}

/// Does what is asked.
pub(super) async fn act(services: &Services, profiles: &Arc<Profiles>, action: &Action) -> Result<String, Error> {
    match action {
        Action::Submit(order) => submit(services, profiles, order).await,
        Action::Run(order) => run(services, profiles, &order.job).await,
        Action::Check(order) => step(services, profiles, order, JobStep::Check).await,
        Action::Approve(order) => step(services, profiles, order, JobStep::Approve).await,
        Action::Status(order) => {
            let job = issuance_jobs::find(services, &order.job).await?;
            Ok(if order.json { facts(&job) } else { line(&job) })
        }
        Action::Results(order) => match &order.pem_dir {
            Some(folder) => certificates(services, &order.job, folder).await,
            None => results(services, order).await,
        },
        Action::Pause(order) => Ok(line(&issuance_jobs::pause(services, BY, &order.job).await?)),
        Action::Resume(order) => Ok(line(&issuance_jobs::resume(services, BY, &order.job).await?)),
        Action::Cancel(order) => Ok(line(&issuance_jobs::cancel(services, BY, &order.job).await?)),
        Action::List { json } => {
            let all = issuance_jobs::list(services).await?;
            Ok(all.iter().map(if *json { facts } else { line }).collect())
        }
        Action::Forget { days } => {
            let forgotten = issuance_jobs::forget(services, *days).await?;
            Ok(format!("{forgotten} jobs forgotten\n"))
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |source| Error::File { path: path.to_owned(), source };
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    if fs::metadata(path).map_err(wrong)?.len() > most {
        return Err(service::Error::from(JobFileError::TooLarge { most: MOST_BYTES }).into());
    }
    fs::read(path).map_err(wrong)
}

async fn submit(services: &Services, profiles: &Arc<Profiles>, order: &Submit) -> Result<String, Error> {
    let new = NewJob { authority: order.authority.clone(), profile: order.profile.clone(), file: read(&order.file)? };
    let submitted = issuance_jobs::submit(services, profiles, BY, &new).await?;
    if order.run { run(services, profiles, &submitted.id).await } else { Ok(format!("{}\n", submitted.id)) }
}

/// An officer's step: taken, or its octets written.
async fn step(
    services: &Services,
    profiles: &Arc<Profiles>,
    Step { job, proof }: &Step,
    step: JobStep,
) -> Result<String, Error> {
    match proof.over(services, approval::to_sign(services, job, step).await?).await? {
        Proven::Written(path) => Ok(format!("{path}\n")),
        Proven::Signature(signature) => {
            let signed = Signed { officer: &proof.officer, signature: &signature, call: None };
            let (stored, consent) = approval::take(services, profiles, (job, step), signed).await?;
            let (checks, approvals) = (consent.check.iter().count(), consent.approvals.len());
            Ok(format!("{}  {checks} checks  {approvals} approvals\n", stored.id))
        }
    }
}

async fn run(services: &Services, profiles: &Arc<Profiles>, id: &JobId) -> Result<String, Error> {
    let issuance = Issuance::start(services.clone(), Arc::clone(profiles));
    let terminal = io::stderr().is_terminal();
    let told = |job: &Job| {
        if terminal {
            let Job { rows, issued, refused, .. } = job;
            // Where nobody can be told there is nothing left to do.
            let _ = write!(io::stderr(), "\r{issued} issued, {refused} refused, {} of {rows} left  ", job.open_rows());
        }
    };
    let outcome = issuance_jobs::run(services, &issuance, id, Pace::default(), &told).await;
    if terminal {
        let _ = writeln!(io::stderr());
    }
    let stored = outcome?;
    let reason = match &stored.job.state {
        JobState::Finished => return Ok(line(&stored)),
        JobState::Paused { reason } => Some(reason.clone()),
        JobState::Waiting | JobState::Running { .. } | JobState::Cancelled => None,
    };
    Err(Error::JobStopped { job: stored.id, state: stored.job.state.name(), reason })
}

async fn results(services: &Services, order: &Results) -> Result<String, Error> {
    let page = issuance_jobs::results(services, &order.job, order.after, order.limit).await?;
    let mut text = page.rows.iter().map(if order.json { row_facts } else { row_line }).collect::<String>();
    match page.next {
        Some(next) if order.json => text.push_str(&format!("{}\n", json!({ "next": next }))),
        Some(next) => text.push_str(&format!("more: --after {next}\n")),
        None => {}
    }
    Ok(text)
}

/// Writes every certificate of the job.
async fn certificates(services: &Services, id: &JobId, folder: &Path) -> Result<String, Error> {
    create_folder(folder)?;
    let (mut after, mut written) = (0, 0_u32);
    loop {
        let page = issuance_jobs::results(services, id, after, MOST_IN_PAGE).await?;
        for row in &page.rows {
            let Some((RowResult::Issued(sm3), _)) = &row.result else { continue };
            let certificate = inventory::find(services, sm3).await?;
            let path = folder.join(format!("{:06}.pem", row.number));
            let put = create_new(&path)?.write_all(pem_of(&certificate.der).as_bytes());
            put.map_err(|source| Error::File { path, source })?;
            written = written.saturating_add(1);
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(format!("{written} certificates in {}\n", folder.display())),
        }
    }
}

const fn reason(stored: &StoredJob) -> Option<&String> {
    match &stored.job.state {
        JobState::Paused { reason } => Some(reason),
        _ => None,
    }
}

/// One job on one line.
fn line(stored: &StoredJob) -> String {
    let StoredJob { id, authority, profile, job, .. } = stored;
    let Job { rows, issued, refused, since, state, .. } = job;
    let why = reason(stored).map_or_else(String::new, |why| format!("  {}", shown(why)));
    let state = state.name();
    format!("{id}  {state}  {authority}  {profile}  {rows} rows  {issued} issued  {refused} refused  {since}{why}\n")
}

fn facts(stored: &StoredJob) -> String {
    let StoredJob { id, authority, profile, rows_sm3, created_at, job, .. } = stored;
    let facts = json!({
        "id": id,
        "authority": authority,
        "profile": profile,
        "rows_sm3": hexadecimal(rows_sm3),
        "rows": job.rows,
        "issued": job.issued,
        "refused": job.refused,
        "state": job.state.name(),
        "since": job.since.to_string(),
        "reason": reason(stored),
        "created_at": created_at.to_string(),
    });
    format!("{facts}\n")
}

/// One row on one line.
fn row_line(row: &RowOutcome) -> String {
    let (number, name) = (row.number, shown(&row.name));
    match &row.result {
        None => format!("{number}  waiting  -  {name}\n"),
        Some((RowResult::Issued(sm3), _)) => format!("{number}  issued  {}  {name}\n", hexadecimal(sm3)),
        Some((RowResult::Refused { code, reason }, _)) => {
            format!("{number}  refused  {code}  {name}: {}\n", shown(reason))
        }
    }
}

fn row_facts(row: &RowOutcome) -> String {
    let (state, certificate, refusal, reason, at) = match &row.result {
        None => ("waiting", None, None, None, None),
        Some((RowResult::Issued(sm3), at)) => ("issued", Some(hexadecimal(sm3)), None, None, Some(at)),
        Some((RowResult::Refused { code, reason }, at)) => ("refused", None, Some(code), Some(reason), Some(at)),
    };
    let facts: Value = json!({
        "row": row.number,
        "name": row.name,
        "state": state,
        "certificate_sm3": certificate,
        "refusal": refusal,
        "reason": reason,
        "at": at.map(ToString::to_string),
    });
    format!("{}\n", json_shown(&facts.to_string()))
}
