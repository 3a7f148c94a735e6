//! Files that a caller has verified together, in the background.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::id::VerificationBatchId;
use crate::domain::verify::OriginalDigest;
use crate::http::App;
use crate::http::api::files::DIGEST;
use crate::http::api::form::{file_name, malformed, media_type, whole_body, within_limit};
use crate::http::api::json::Fields;
use crate::http::api::verifications::policy;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::guard::IdempotencyKey;
use crate::http::places::UploadPlace;
use crate::http::problem::{Code, Problem};
use crate::service::door::Actor;
use crate::service::inventory::hexadecimal;
use crate::service::verification_batches::{BatchFile, BatchRecord, BatchStep, MOST_IN_PAGE};

/// Files of one page, where nothing is told.
const PAGE: i64 = 20;

/// What is wished.
#[derive(ToSchema)]
#[schema(as = NewVerificationBatch)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct NewBatchShape {
    /// A verification policy by name; the configured one where nothing is told.
    policy: Option<String>,
    /// Replaces *now*, RFC 3339.
    at: Option<String>,
}

/// A batch. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = VerificationBatch)]
pub(crate) struct BatchShape {
    /// Its name.
    id: String,
    /// `open`: it takes files; `running`: they are being judged; `finished`.
    state: &'static str,
    /// Since when.
    since: String,
    /// The verification policy.
    policy: String,
    /// What replaces *now*.
    at: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it and its files and reports are forgotten, unless its state changes before.
    forgotten_at: String,
    /// How many files it has.
    files: i64,
    /// How many of them are judged.
    judged: i64,
    /// Bytes of all.
    bytes: i64,
    /// Some of its files, in the order in which they came.
    results: Vec<ResultShape>,
    /// What `after` is for the next page; nothing on the last one.
    next: Option<i64>,
}

/// A file of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = VerificationBatchFile)]
pub(crate) struct ResultShape {
    /// Its name.
    name: String,
    /// SM3 of its content, hex.
    sm3: String,
    /// Bytes of it and of its original.
    bytes: i64,
    /// What it came to; nothing until it is judged. `LOST`: the service lost its content.
    indication: Option<String>,
    /// The report on it.
    #[schema(value_type = Option<Object>)]
    report: Option<serde_json::Value>,
}

impl BatchShape {
    fn of(record: BatchRecord) -> Result<Self, Problem> {
        let BatchRecord { batch, counts, forgotten_at, files, next } = record;
        let result = |(file, report): (BatchFile, Option<Vec<u8>>)| {
            let report = report.as_deref().map(serde_json::from_slice).transpose();
            Ok(ResultShape {
                name: file.name,
                sm3: hexadecimal(&file.sm3),
                bytes: file.bytes,
                indication: file.indication,
                report: report.map_err(|broken: serde_json::Error| Problem::internal(&broken))?,
            })
        };
        Ok(Self {
            id: batch.id.to_string(),
            state: batch.state.name(),
            since: batch.since.to_string(),
            policy: batch.policy,
            at: batch.judged_as_of.map(|at| at.to_string()),
            created_at: batch.created_at.to_string(),
            forgotten_at: forgotten_at.to_string(),
            files: counts.files,
            judged: counts.judged,
            bytes: counts.bytes,
            results: files.into_iter().map(result).collect::<Result<_, Problem>>()?,
            next,
        })
    }
}

/// Which files.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// Behind the page that ended with this number.
    after: Option<String>,
    /// At most so many: 0 to 100, 20 where nothing is told.
    limit: Option<String>,
}

/// About a file.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutQuery {
    /// The digest of what a detached signature signs.
    original_digest: Option<String>,
}

/// Makes a batch that takes files. It and all that belongs to it are its owner's alone.
///
/// The same Idempotency-Key with the same wish gives the same batch.
#[utoipa::path(
    post, path = "/api/v1/verification-batches", operation_id = "create_verification_batch", tag = "verifications",
    params(("Idempotency-Key" = String, Header, description = "1 to 64 visible ASCII characters; repeat it with a repeated request")),
    request_body(content = Option<NewBatchShape>, content_type = "application/json"),
    responses(
        (status = 201, description = "The batch", body = BatchShape,
            headers(("Location" = String, description = "Where it stands"))),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(IdempotencyKey(idempotency_key)): Extension<IdempotencyKey>,
    request: Request,
) -> Result<Response, Problem> {
    let fields = Fields::read_if_any(request, &["policy", "at"]).await?;
    let (policy, at) = (policy(fields.text("policy")?)?, fields.moment("at")?);
    let step = BatchStep::Create { policy, at, idempotency_key };
    let shape = taken(&app, actor, step, None).await?;
    let location = format!("/api/v1/verification-batches/{}", shape.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shape)).into_response())
}

/// A batch, how far it has come, and the reports on some of its files.
#[utoipa::path(
    get, path = "/api/v1/verification-batches/{id}", operation_id = "show_verification_batch", tag = "verifications",
    params(("id" = String, Path, description = "Names the batch"), PageQuery),
    responses(
        (status = 200, description = "The batch", body = BatchShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<BatchShape>, Problem> {
    let misread = |_| Problem::new(Code::QueryMalformed, "Known are after and limit, each once.");
    let (id, Query(query)) = (batch(id)?, query.map_err(misread)?);
    let after = number("after", query.after.as_deref(), (0, i64::MAX))?.unwrap_or(0);
    let limit = number("limit", query.limit.as_deref(), (0, MOST_IN_PAGE))?.unwrap_or(PAGE);
    taken(&app, actor, BatchStep::Show { id, after, limit }, None).await.map(Json)
}

/// Adds a file to a batch that takes files. The same again changes nothing.
#[utoipa::path(
    put, path = "/api/v1/verification-batches/{id}/files/{name}", operation_id = "put_batch_file", tag = "verifications",
    params(
        ("id" = String, Path, description = "Names the batch"),
        ("name" = String, Path, description = "As the report shall name the file"),
        PutQuery,
    ),
    request_body(content((FileShape = "application/octet-stream"), (FileShape = "application/ofd"))),
    responses(
        (status = 200, description = "The batch", body = BatchShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(place): Extension<UploadPlace>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<PutQuery>, QueryRejection>,
    request: Request,
) -> Result<Json<BatchShape>, Problem> {
    let misread = |_| Problem::new(Code::QueryMalformed, "Known is original_digest, once.");
    let ((id, name), Query(query)) = (file_of(path)?, query.map_err(misread)?);
    let digest = query.original_digest.as_deref().map(OriginalDigest::parse).transpose();
    let original_digest = digest.map_err(|_| malformed("original_digest", DIGEST))?;
    let file = content(&app, request).await?;
    taken(&app, actor, BatchStep::Put { id, name, file, original_digest }, Some(place)).await.map(Json)
}

/// Adds what a file signs, where that is a detached signature. The same again changes nothing.
#[utoipa::path(
    put, path = "/api/v1/verification-batches/{id}/files/{name}/original", operation_id = "put_batch_original", tag = "verifications",
    params(
        ("id" = String, Path, description = "Names the batch"),
        ("name" = String, Path, description = "The name under which the file was added"),
    ),
    request_body(content((FileShape = "application/octet-stream"))),
    responses(
        (status = 200, description = "The batch", body = BatchShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn put_original(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(place): Extension<UploadPlace>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Json<BatchShape>, Problem> {
    let (id, name) = file_of(path)?;
    let original = content(&app, request).await?;
    taken(&app, actor, BatchStep::PutOriginal { id, name, original }, Some(place)).await.map(Json)
}

/// Has the files of a batch judged; it takes no more of them. Again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/verification-batches/{id}/start", operation_id = "start_verification_batch", tag = "verifications",
    params(("id" = String, Path, description = "Names the batch")),
    responses(
        (status = 202, description = "The batch", body = BatchShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let shape = taken(&app, actor, BatchStep::Start { id: batch(id)? }, None).await?;
    Ok((StatusCode::ACCEPTED, Json(shape)).into_response())
}

/// Forgets a batch with its files and reports, whatever its state.
#[utoipa::path(
    delete, path = "/api/v1/verification-batches/{id}", operation_id = "forget_verification_batch", tag = "verifications",
    params(("id" = String, Path, description = "Names the batch")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn forget(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let (id, door) = (batch(id)?, app.door.clone());
    app.to_its_end(async move { door.verification_batch(&actor, BatchStep::Forget { id }).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a step that leaves a batch.
async fn taken(
    app: &Arc<App>,
    actor: Actor,
    step: BatchStep,
    place: Option<UploadPlace>,
) -> Result<BatchShape, Problem> {
    let door = app.door.clone();
    let work = app.to_its_end(async move {
        let _place = place;
        door.verification_batch(&actor, step).await
    });
    let record = work.await?.ok_or_else(|| Problem::new(Code::RouteUnknown, "The batch is gone."))?;
    BatchShape::of(record)
}

fn batch(id: Result<Path<String>, PathRejection>) -> Result<VerificationBatchId, Problem> {
    let malformed = || Problem::new(Code::IdentifierMalformed, "This is no batch's identifier.");
    let Path(id) = id.map_err(|_| malformed())?;
    VerificationBatchId::parse(&id).map_err(|_| malformed())
}

fn file_of(path: Result<Path<(String, String)>, PathRejection>) -> Result<(VerificationBatchId, String), Problem> {
    let malformed = |_| Problem::new(Code::IdentifierMalformed, "This is no file of a batch.");
    let Path((id, name)) = path.map_err(malformed)?;
    Ok((batch(Ok(Path(id)))?, file_name("name", &name)?))
}

/// The body, which is the file itself.
async fn content(app: &App, request: Request) -> Result<Vec<u8>, Problem> {
    match media_type(request.headers()).as_str() {
        "application/octet-stream" | "application/ofd" => {}
        _ => {
            let detail = "Send application/octet-stream or application/ofd.";
            return Err(Problem::new(Code::ContentTypeRefused, detail));
        }
    }
    let body = whole_body(request).await?;
    within_limit(app, &body)?;
    Ok(body)
}

fn number(name: &str, text: Option<&str>, (least, most): (i64, i64)) -> Result<Option<i64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let plain = text.bytes().all(|digit| digit.is_ascii_digit());
    let number = text.parse::<i64>().ok().filter(|number| plain && (least..=most).contains(number));
    number.map(Some).ok_or_else(|| malformed(name, &format!("a number from {least} to {most}")))
}
