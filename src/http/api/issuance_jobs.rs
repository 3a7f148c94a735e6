//! Jobs that issue many certificates: submitted, found, checked, approved, started, paused, resumed, cancelled, and what
//! came of their rows. The officer is the caller.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::id::JobId;
use crate::domain::audit::Actor as RecordedActor;
use crate::domain::ca::job::JobState;
use crate::domain::ca::job_approval::JobStep;
use crate::domain::ca::request::Approval;
use crate::http::App;
use crate::http::api::accept::most_welcome;
use crate::http::api::certificate_requests::{ApprovalShape, OctetsShape, SignedShape, signature};
use crate::http::api::certificates::{authority, number, profile};
use crate::http::api::form::{malformed, media_type, missing, whole_body, within_limit};
use crate::http::api::job_lines::job_lines;
use crate::http::api::json::Fields;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::guard::IdempotencyKey;
use crate::http::places::UploadPlace;
use crate::http::problem::{Code, Problem};
use crate::service::door::Actor;
use crate::service::inventory::hexadecimal as hex;
use crate::service::issuance_jobs::desk::{JobAction, JobPage, JobRecord, MOST_JOBS_IN_PAGE, ResultPage, ResultQuery};
use crate::service::issuance_jobs::{MOST_IN_PAGE, NewJob, RowOutcome, RowResult};
use crate::service::registration_desk::ApprovalRecord;
use crate::service::verification::pem_of;

/// Jobs or rows of a page where nothing is told.
const USUAL_LIMIT: i64 = 100;
/// JSON Lines by the name that most programs know.
const JSON_LINES: &str = "application/jsonl";
/// And by another.
const NDJSON: &str = "application/x-ndjson";

/// A job. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuanceJob)]
pub(crate) struct JobShape {
    /// Its name.
    id: String,
    /// `waiting`, `running`, `paused`, `finished` or `cancelled`.
    state: &'static str,
    /// Since when.
    since: String,
    /// Why it rests: `asked`, or the code of what stopped it.
    reason: Option<String>,
    /// Who issues.
    authority: String,
    /// Under which profile.
    profile: String,
    /// SM3 of its file, hex.
    rows_sm3: String,
    /// How many rows it has.
    rows: u32,
    /// Rows with a certificate.
    issued: u32,
    /// Rows refused.
    refused: u32,
    /// The caller who submitted it; null where somebody at the machine did.
    created_by: Option<String>,
    /// When.
    created_at: String,
    /// `submitted`, `checked` or `approved`; null where it begins without officers' signatures.
    approval: Option<&'static str>,
    /// Who checked it.
    checked_by: Option<String>,
    /// When.
    checked_at: Option<String>,
    /// The approvals so far.
    approvals: Vec<ApprovalShape>,
}

impl From<JobRecord> for JobShape {
    fn from(JobRecord { stored, consent, approval }: JobRecord) -> Self {
        let job = stored.job;
        let reason = match &job.state {
            JobState::Paused { reason } => Some(reason.clone()),
            JobState::Waiting | JobState::Running { .. } | JobState::Finished | JobState::Cancelled => None,
        };
        let created_by = match stored.created_by {
            RecordedActor::Caller { id, .. } => Some(id.to_string()),
            RecordedActor::Operator | RecordedActor::Anonymous => None,
        };
        let check = consent.check.map(|check| (check.hand.officer.to_string(), check.at.to_string()));
        let (checked_by, checked_at) = check.unzip();
        let approval_of = |Approval { hand, signature, at }| {
            ApprovalRecord { officer: hand.officer, key_sm3: hand.key_sm3, signature, at }.into()
        };
        Self {
            id: stored.id.to_string(),
            state: job.state.name(),
            since: job.since.to_string(),
            reason,
            authority: stored.authority.to_string(),
            profile: stored.profile,
            rows_sm3: hex(&stored.rows_sm3),
            rows: job.rows,
            issued: job.issued,
            refused: job.refused,
            created_by,
            created_at: stored.created_at.to_string(),
            approval,
            checked_by,
            checked_at,
            approvals: consent.approvals.into_iter().map(approval_of).collect(),
        }
    }
}

/// A page of jobs, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuanceJobPage)]
pub(crate) struct PageShape {
    /// The jobs.
    jobs: Vec<JobShape>,
    /// What the query for the next page gives as `after`; null on the last one.
    next: Option<String>,
}

impl From<JobPage> for PageShape {
    fn from(page: JobPage) -> Self {
        let next = page.next.map(|id| id.to_string());
        Self { jobs: page.jobs.into_iter().map(JobShape::from).collect(), next }
    }
}

/// What came of a row.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuanceJobRow)]
pub(crate) struct RowShape {
    /// Its place in the file, from 1.
    row: u32,
    /// What the file calls it.
    name: String,
    /// `waiting`, `issued` or `refused`.
    state: &'static str,
    /// SM3 of its certificate, hex.
    certificate_sm3: Option<String>,
    /// The stable code of its refusal.
    refusal: Option<String>,
    /// Why, for people.
    reason: Option<String>,
    /// When it got its result.
    at: Option<String>,
    /// Its certificate, in JSON Lines alone; null where its record is forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pem: Option<Option<String>>,
}

impl RowShape {
    fn of(outcome: RowOutcome) -> Self {
        let RowOutcome { number, name, result } = outcome;
        let (state, certificate_sm3, refusal, reason, at) = match result {
            None => ("waiting", None, None, None, None),
            Some((RowResult::Issued(sm3), at)) => ("issued", Some(hex(&sm3)), None, None, Some(at)),
            Some((RowResult::Refused { code, reason }, at)) => ("refused", None, Some(code), Some(reason), Some(at)),
        };
        let at = at.map(|at| at.to_string());
        Self { row: number, name, state, certificate_sm3, refusal, reason, at, pem: None }
    }

    /// The same with its certificate.
    pub(crate) fn with_certificate((outcome, der): (RowOutcome, Option<Vec<u8>>)) -> Self {
        Self { pem: Some(der.as_deref().map(pem_of)), ..Self::of(outcome) }
    }
}

/// A page of what came of rows, in the order of the file.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuanceJobResultPage)]
pub(crate) struct ResultPageShape {
    /// The rows.
    rows: Vec<RowShape>,
    /// What the query for the next page gives as `after`; null on the last one.
    next: Option<u32>,
}

impl From<ResultPage> for ResultPageShape {
    fn from(page: ResultPage) -> Self {
        Self { rows: page.rows.into_iter().map(|(row, _)| RowShape::of(row)).collect(), next: page.next }
    }
}

/// Under what the rows are issued.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmitQuery {
    /// Who issues.
    authority: Option<String>,
    /// Under which profile.
    profile: Option<String>,
}

/// Which jobs.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Behind this job.
    after: Option<String>,
    /// At most so many: 1 to 100, 100 where nothing is told.
    limit: Option<String>,
}

/// Which rows.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResultsQuery {
    /// Behind the page that ended with this number.
    after: Option<String>,
    /// At most so many: 1 to 500, 100 where nothing is told. JSON Lines hold every row, and take no limit.
    limit: Option<String>,
}

/// A step whose octets are asked for.
#[derive(ToSchema)]
#[schema(as = IssuanceJobStep)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct StepShape {
    /// `check` or `approve`.
    step: String,
}

/// Keeps a job: a certificate for each row of a file in JSON Lines, as `docs/ca.md` describes it. It waits until it is
/// started.
///
/// The same Idempotency-Key with the same file, authority and profile gives the same job.
#[utoipa::path(
    post, path = "/api/v1/issuance-jobs", operation_id = "submit_issuance_job", tag = "issuance jobs",
    params(
        SubmitQuery,
        ("Idempotency-Key" = String, Header, description = "1 to 64 visible ASCII characters; repeat it with a repeated request"),
    ),
    request_body(content((FileShape = "application/jsonl"), (FileShape = "application/x-ndjson"))),
    responses(
        (status = 201, description = "The job", body = JobShape,
            headers(("Location" = String, description = "Where it stands"))),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(IdempotencyKey(idempotency_key)): Extension<IdempotencyKey>,
    Extension(place): Extension<UploadPlace>,
    query: Result<Query<SubmitQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let misread = |_| Problem::new(Code::QueryMalformed, "Known are authority and profile, each once.");
    let Query(query) = query.map_err(misread)?;
    let authority = authority("authority", query.authority.as_deref().ok_or_else(|| missing("authority"))?)?;
    let profile = profile(query.profile.as_deref().ok_or_else(|| missing("profile"))?)?;
    if !matches!(media_type(request.headers()).as_str(), JSON_LINES | NDJSON) {
        let detail = "Send application/jsonl or application/x-ndjson.";
        return Err(Problem::new(Code::ContentTypeRefused, detail));
    }
    let body = whole_body(request).await?;
    within_limit(&app, &body)?;
    let new = NewJob { authority, profile, file: body };
    let action = JobAction::Submit { new, idempotency_key };
    let shape = acted(&app, actor, action, Some(place)).await?;
    let location = format!("/api/v1/issuance-jobs/{}", shape.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shape)).into_response())
}

/// Jobs, oldest first, page by page.
#[utoipa::path(
    get, path = "/api/v1/issuance-jobs", operation_id = "list_issuance_jobs", tag = "issuance jobs",
    params(ListQuery),
    responses(
        (status = 200, description = "A page", body = PageShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<PageShape>, Problem> {
    let Query(query) = query.map_err(page_misread)?;
    let after = query.after.map(|text| JobId::parse(&text).map_err(|_| malformed("after", "the name of a job")));
    let limit = number("limit", query.limit.as_deref(), (1, MOST_JOBS_IN_PAGE))?.unwrap_or(USUAL_LIMIT);
    Ok(Json(app.door.issuance_jobs(&actor, after.transpose()?, limit).await?.into()))
}

/// How a job stands.
#[utoipa::path(
    get, path = "/api/v1/issuance-jobs/{id}", operation_id = "show_issuance_job", tag = "issuance jobs",
    params(("id" = String, Path, description = "Names the job")),
    responses(
        (status = 200, description = "The job", body = JobShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<JobShape>, Problem> {
    Ok(Json(app.door.issuance_job(&actor, JobAction::Show(name(id)?)).await?.into()))
}

/// What came of the rows of a job.
///
/// `Accept: application/jsonl` gives every row behind `after`, one JSON object a line, each with its certificate.
#[utoipa::path(
    get, path = "/api/v1/issuance-jobs/{id}/results", operation_id = "show_issuance_job_results", tag = "issuance jobs",
    params(("id" = String, Path, description = "Names the job"), ResultsQuery),
    responses(
        (status = 200, description = "A page, or all of it", content(
            (ResultPageShape = "application/json"),
            (FileShape = "application/jsonl"),
        )),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn results(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<ResultsQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let (id, Query(query)) = (name(id)?, query.map_err(page_misread)?);
    let after = number("after", query.after.as_deref(), (0, u32::MAX.into()))?.unwrap_or(0);
    let after = u32::try_from(after).unwrap_or(u32::MAX);
    if wants_lines(&headers) {
        if query.limit.is_some() {
            return Err(malformed("limit", "left out where JSON Lines are asked for"));
        }
        let lines = job_lines(app, actor, id, after).await?;
        return Ok(([(header::CONTENT_TYPE, JSON_LINES)], lines).into_response());
    }
    let limit = number("limit", query.limit.as_deref(), (1, MOST_IN_PAGE))?.unwrap_or(USUAL_LIMIT);
    let rows = ResultQuery { after, limit, with_certificates: false };
    let page = app.door.issuance_job_results(&actor, &id, rows).await?;
    Ok(Json(ResultPageShape::from(page)).into_response())
}

/// The octets that the caller signs to check or approve the job: the same for every officer.
#[utoipa::path(
    post, path = "/api/v1/issuance-jobs/{id}/to-sign", operation_id = "issuance_job_to_sign", tag = "issuance jobs",
    params(("id" = String, Path, description = "Names the job")),
    request_body(content = StepShape, content_type = "application/json"),
    responses(
        (status = 200, description = "What to sign", body = OctetsShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn to_sign(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<OctetsShape>, Problem> {
    let id = name(id)?;
    let fields = Fields::read(request, &["step"]).await?;
    let step = JobStep::from_name(fields.required("step")?).ok_or_else(|| malformed("step", "check or approve"))?;
    let octets = app.door.issuance_job_octets(&actor, &id, step).await?;
    Ok(Json(OctetsShape { to_sign: STANDARD.encode(octets) }))
}

/// States that the rows of the job agree with their evidence, as a checker.
#[utoipa::path(
    post, path = "/api/v1/issuance-jobs/{id}/check", operation_id = "check_issuance_job", tag = "issuance jobs",
    params(("id" = String, Path, description = "Names the job")),
    request_body(content = SignedShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The job as it stands from now on", body = JobShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<JobShape>, Problem> {
    signed(&app, actor, (name(id)?, JobStep::Check), request).await
}

/// Approves the job, as an officer of the role that its profile wants.
#[utoipa::path(
    post, path = "/api/v1/issuance-jobs/{id}/approval", operation_id = "approve_issuance_job", tag = "issuance jobs",
    params(("id" = String, Path, description = "Names the job")),
    request_body(content = SignedShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The job as it stands from now on", body = JobShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<JobShape>, Problem> {
    signed(&app, actor, (name(id)?, JobStep::Approve), request).await
}

/// Lets a waiting job begin: the service takes it within seconds, and works on it until each row has its result.
#[utoipa::path(
    post, path = "/api/v1/issuance-jobs/{id}/start", operation_id = "start_issuance_job", tag = "issuance jobs",
    params(("id" = String, Path, description = "Names the job")),
    responses(
        (status = 202, description = "The job as it stands from now on", body = JobShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let shape = acted(&app, actor, JobAction::Start(name(id)?), None).await?;
    Ok((StatusCode::ACCEPTED, Json(shape)).into_response())
}

/// Puts a running job to rest; what was issued stays.
#[utoipa::path(
    post, path = "/api/v1/issuance-jobs/{id}/pause", operation_id = "pause_issuance_job", tag = "issuance jobs",
    params(("id" = String, Path, description = "Names the job")),
    responses(
        (status = 200, description = "The job as it stands from now on", body = JobShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn pause(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<JobShape>, Problem> {
    acted(&app, actor, JobAction::Pause(name(id)?), None).await.map(Json)
}

/// Lets a resting job go on: the service takes it within seconds.
#[utoipa::path(
    post, path = "/api/v1/issuance-jobs/{id}/resumption", operation_id = "resume_issuance_job", tag = "issuance jobs",
    params(("id" = String, Path, description = "Names the job")),
    responses(
        (status = 202, description = "The job as it stands from now on", body = JobShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let shape = acted(&app, actor, JobAction::Resume(name(id)?), None).await?;
    Ok((StatusCode::ACCEPTED, Json(shape)).into_response())
}

/// Gives a job up, for ever; what was issued stays.
#[utoipa::path(
    post, path = "/api/v1/issuance-jobs/{id}/cancellation", operation_id = "cancel_issuance_job", tag = "issuance jobs",
    params(("id" = String, Path, description = "Names the job")),
    responses(
        (status = 200, description = "The job as it stands from now on", body = JobShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<JobShape>, Problem> {
    acted(&app, actor, JobAction::Cancel(name(id)?), None).await.map(Json)
}

async fn acted(app: &App, actor: Actor, action: JobAction, place: Option<UploadPlace>) -> Result<JobShape, Problem> {
    let door = app.door.clone();
    let work = app.to_its_end(async move {
        let _place = place;
        door.issuance_job(&actor, action).await
    });
    Ok(work.await?.into())
}

async fn signed(
    app: &App,
    actor: Actor,
    (id, step): (JobId, JobStep),
    request: Request,
) -> Result<Json<JobShape>, Problem> {
    let fields = Fields::read(request, &["signature"]).await?;
    let signature = signature(&fields)?;
    acted(app, actor, JobAction::Sign { id, step, signature }, None).await.map(Json)
}

/// Whether JSON Lines are more welcome than JSON.
fn wants_lines(headers: &HeaderMap) -> bool {
    let forms = [(false, "application/json"), (true, JSON_LINES), (true, NDJSON)];
    most_welcome(headers, &forms).unwrap_or(false)
}

fn page_misread(_: QueryRejection) -> Problem {
    Problem::new(Code::QueryMalformed, "Known are after and limit, each once.")
}

/// The job in a path.
fn name(path: Result<Path<String>, PathRejection>) -> Result<JobId, Problem> {
    let wrong =
        || Problem::new(Code::IdentifierMalformed, "A job is named by 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'.");
    let Path(text) = path.map_err(|_| wrong())?;
    JobId::parse(&text).map_err(|_| wrong())
}
