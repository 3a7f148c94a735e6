//! Applications for seals: drafted, submitted with documents and picture, found, checked, approved, refused, withdrawn,
//! fulfilled. The officer is the caller.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::base::credit_code::CreditCode;
use crate::base::division::Division;
use crate::base::id::ApplicationId;
use crate::http::App;
use crate::http::api::application_shapes::{
    ApplicationPageShape, ApplicationShape, DraftShape, DraftedShape, SubmissionForm, WANTED, asked, octets_answer,
    purpose,
};
use crate::http::api::certificate_requests::{
    OctetsShape, RefusalShape, SignedShape, StepShape, WithdrawalShape, octets_of, refusal, signature, step, withdrawal,
};
use crate::http::api::certificates::number;
use crate::http::api::form::malformed;
use crate::http::api::json::Fields;
use crate::http::api::parts::Parts;
use crate::http::api::seal_life::{RecordShape, unforeseen};
use crate::http::api::{FileShape, ProblemShape};
use crate::http::places::UploadPlace;
use crate::http::problem::{Code, Problem};
use crate::service::door::Actor;
use crate::service::registration::{MOST_IN_PAGE, evidence_sm3};
use crate::service::registration_desk::RequestStep;
use crate::service::seal_applications::NewApplication;
use crate::service::seal_desk::{ApplicationQuery, ApplicationRequest, Place, SealAnswer, SealRequest};

/// Applications of a page where nothing is told.
const USUAL_LIMIT: i64 = 100;
/// States that are searched for.
const STATES: [&str; 6] = ["submitted", "checked", "approved", "fulfilled", "refused", "withdrawn"];
/// The most documents that are asked for by number.
const MOST_NUMBER: i64 = 32;

/// Which applications.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchQuery {
    /// `submitted`, `checked`, `approved`, `fulfilled`, `refused` or `withdrawn`.
    state: Option<String>,
    /// Decided in this division, or in one in it: the officer's own, or one in that.
    division: Option<String>,
    /// For a seal of the holder with this unified social credit code.
    credit_code: Option<String>,
    /// What the last page gave as `next`.
    after: Option<String>,
    /// At most so many: 1 to 500, 100 where nothing is told. A page may hold fewer, or none, and lead on all the same.
    limit: Option<String>,
}

/// Judges what is applied for, its files by their SM3, and gives the octets that the caller signs as the applicant. Nothing is
/// kept.
#[utoipa::path(
    post, path = "/api/v1/seal-applications/draft", operation_id = "draft_seal_application", tag = "seal applications",
    request_body(content = DraftShape, content_type = "application/json"),
    responses(
        (status = 200, description = "What to sign", body = DraftedShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn draft(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    request: Request,
) -> Result<Json<DraftedShape>, Problem> {
    let known = [&WANTED[..], &["documents_sm3", "picture_sm3"]].concat();
    let fields = Fields::read(request, &known).await?;
    let asked = asked(&fields)?;
    match app.door.seal_desk(&actor, about(ApplicationRequest::Draft(asked))).await? {
        SealAnswer::Drafted { nonce, to_sign } => Ok(Json(DraftedShape::of(&nonce, &to_sign))),
        _ => Err(unforeseen()),
    }
}

/// Takes an application that the caller signed, with its documents and, where something is to be made, its picture.
///
/// The same submission again, with its nonce, is the same application, and its answer carries the same receipt. Another one
/// with that nonce is refused.
#[utoipa::path(
    post, path = "/api/v1/seal-applications", operation_id = "submit_seal_application", tag = "seal applications",
    request_body(content = SubmissionForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The application", body = ApplicationShape,
            headers(("Location" = String, description = "Where the application stands"))),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(place): Extension<UploadPlace>,
    request: Request,
) -> Result<Response, Problem> {
    let parts = Parts::read(&app, request).await?;
    let fields = Fields::parse(&parts.application, &[&WANTED[..], &["nonce", "signature"]].concat())?;
    let nonce = octets_of("nonce", fields.required("nonce")?)?;
    let signature = signature(&fields)?;
    let picture_sm3 = parts.picture.as_deref().map(evidence_sm3);
    let (purpose, division) = purpose(&fields, picture_sm3)?;
    let new = NewApplication { purpose, division, documents: parts.documents, picture: parts.picture };
    let submission = about(ApplicationRequest::Submit { new, nonce, signature });
    let shape = acted(&app, actor, submission, Some(place)).await?;
    let location = format!("/api/v1/seal-applications/{}", shape.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shape)).into_response())
}

/// Applications of the caller's division, by the division that decides and then oldest first, page by page.
#[utoipa::path(
    get, path = "/api/v1/seal-applications", operation_id = "search_seal_applications", tag = "seal applications",
    params(SearchQuery),
    responses(
        (status = 200, description = "A page", body = ApplicationPageShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Json<ApplicationPageShape>, Problem> {
    const KNOWN: &str = "Known are state, division, credit_code, after and limit, each once.";
    let Query(query) = query.map_err(|_| Problem::new(Code::QueryMalformed, KNOWN))?;
    let state = query.state.map(|state| match STATES.contains(&state.as_str()) {
        true => Ok(state),
        false => Err(malformed("state", "submitted, checked, approved, fulfilled, refused or withdrawn")),
    });
    let after = |text: String| {
        Place::parse(&text, ApplicationId::parse).ok_or_else(|| malformed("after", "what the last page gave as next"))
    };
    let query = ApplicationQuery {
        state: state.transpose()?,
        division: query.division.map(|code| division("division", &code)).transpose()?,
        credit_code: query.credit_code.map(|code| credit_code(&code)).transpose()?,
        after: query.after.map(after).transpose()?,
        limit: number("limit", query.limit.as_deref(), (1, MOST_IN_PAGE))?.unwrap_or(USUAL_LIMIT),
    };
    match app.door.seal_desk(&actor, about(ApplicationRequest::List(query))).await? {
        SealAnswer::Applications(found, next) => Ok(Json(ApplicationPageShape::of(found, next))),
        _ => Err(unforeseen()),
    }
}

/// All that is known of an application.
#[utoipa::path(
    get, path = "/api/v1/seal-applications/{id}", operation_id = "show_seal_application", tag = "seal applications",
    params(("id" = String, Path, description = "Names the application here")),
    responses(
        (status = 200, description = "The application", body = ApplicationShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ApplicationShape>, Problem> {
    told(app.door.seal_desk(&actor, about(ApplicationRequest::Show(name(id)?))).await?).map(Json)
}

/// The picture that came with an application.
#[utoipa::path(
    get, path = "/api/v1/seal-applications/{id}/picture",
    operation_id = "seal_application_picture", tag = "seal applications",
    params(("id" = String, Path, description = "Names the application here")),
    responses(
        (status = 200, description = "The file as it was brought", body = FileShape, content_type = "application/octet-stream"),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn picture(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    file(&app, &actor, name(id)?, 0).await
}

/// A document that came with an application.
#[utoipa::path(
    get, path = "/api/v1/seal-applications/{id}/documents/{number}",
    operation_id = "seal_application_document", tag = "seal applications",
    params(("id" = String, Path, description = "Names the application here"),
        ("number" = String, Path, description = "Its number, from 1")),
    responses(
        (status = 200, description = "The file as it was brought", body = FileShape, content_type = "application/octet-stream"),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn document(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((id, text)) = path.map_err(|_| unnamed())?;
    let id = ApplicationId::parse(&id).map_err(|_| unnamed())?;
    let wrong = |_| Problem::new(Code::IdentifierMalformed, "A document is named by its number, from 1 to 32.");
    let number = number("number", Some(&text), (1, MOST_NUMBER)).map_err(wrong)?.unwrap_or(1);
    file(&app, &actor, id, number).await
}

/// The octets that the caller signs to take a step with the application as it stands now.
#[utoipa::path(
    post, path = "/api/v1/seal-applications/{id}/to-sign",
    operation_id = "seal_application_to_sign", tag = "seal applications",
    params(("id" = String, Path, description = "Names the application here")),
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
    let fields = Fields::read(request, &["step", "reason", "explanation"]).await?;
    octets_answer(app.door.seal_desk(&actor, about(ApplicationRequest::Octets(id, step(&fields)?))).await?)
}

/// States that the application agrees with its documents, as a checker.
#[utoipa::path(
    post, path = "/api/v1/seal-applications/{id}/check",
    operation_id = "check_seal_application", tag = "seal applications",
    params(("id" = String, Path, description = "Names the application here")),
    request_body(content = SignedShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The application as it stands from now on", body = ApplicationShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<ApplicationShape>, Problem> {
    let id = name(id)?;
    let fields = Fields::read(request, &["signature"]).await?;
    take(&app, actor, id, RequestStep::Check, signature(&fields)?).await
}

/// Approves the application, as an approver.
#[utoipa::path(
    post, path = "/api/v1/seal-applications/{id}/approval",
    operation_id = "approve_seal_application", tag = "seal applications",
    params(("id" = String, Path, description = "Names the application here")),
    request_body(content = SignedShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The application as it stands from now on", body = ApplicationShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<ApplicationShape>, Problem> {
    let id = name(id)?;
    let fields = Fields::read(request, &["signature"]).await?;
    take(&app, actor, id, RequestStep::Approve, signature(&fields)?).await
}

/// Refuses the application, as a checker or an approver.
#[utoipa::path(
    post, path = "/api/v1/seal-applications/{id}/refusal",
    operation_id = "refuse_seal_application", tag = "seal applications",
    params(("id" = String, Path, description = "Names the application here")),
    request_body(content = RefusalShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The application as it stands from now on", body = ApplicationShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn refuse(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<ApplicationShape>, Problem> {
    let id = name(id)?;
    let fields = Fields::read(request, &["reason", "explanation", "signature"]).await?;
    take(&app, actor, id, refusal(&fields)?, signature(&fields)?).await
}

/// Takes the application back, as its applicant.
#[utoipa::path(
    post, path = "/api/v1/seal-applications/{id}/withdrawal",
    operation_id = "withdraw_seal_application", tag = "seal applications",
    params(("id" = String, Path, description = "Names the application here")),
    request_body(content = WithdrawalShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The application as it stands from now on", body = ApplicationShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn withdraw(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<ApplicationShape>, Problem> {
    let id = name(id)?;
    let fields = Fields::read(request, &["reason", "signature"]).await?;
    take(&app, actor, id, withdrawal(&fields)?, signature(&fields)?).await
}

/// Does what was approved, and nothing else: the approvals decide.
///
/// For an application that was fulfilled it gives the seal again.
#[utoipa::path(
    post, path = "/api/v1/seal-applications/{id}/seal",
    operation_id = "fulfil_seal_application", tag = "seal applications",
    params(("id" = String, Path, description = "Names the application here")),
    responses(
        (status = 201, description = "The seal that was made, or changed", body = RecordShape,
            headers(("Location" = String, description = "Where the seal stands"))),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn fulfil(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let (id, door) = (name(id)?, app.door.clone());
    let order = about(ApplicationRequest::Fulfil(id));
    let done = app.to_its_end(async move { door.seal_desk(&actor, order).await });
    let shape = match done.await? {
        SealAnswer::Seal(record) => RecordShape::from(*record),
        _ => return Err(unforeseen()),
    };
    let location = format!("/api/v1/seals/{}", shape.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shape)).into_response())
}

async fn take(
    app: &App,
    actor: Actor,
    id: ApplicationId,
    step: RequestStep,
    signature: Vec<u8>,
) -> Result<Json<ApplicationShape>, Problem> {
    acted(app, actor, about(ApplicationRequest::Step(id, step, signature)), None).await.map(Json)
}

async fn acted(
    app: &App,
    actor: Actor,
    request: SealRequest,
    place: Option<UploadPlace>,
) -> Result<ApplicationShape, Problem> {
    let door = app.door.clone();
    let work = app.to_its_end(async move {
        let _place = place;
        door.seal_desk(&actor, request).await
    });
    told(work.await?)
}

async fn file(app: &App, actor: &Actor, id: ApplicationId, number: i64) -> Result<Response, Problem> {
    match app.door.seal_desk(actor, about(ApplicationRequest::File(id, number))).await? {
        SealAnswer::File(octets) => {
            // Whatever it is, it was uploaded: a browser shows none of it.
            let headers =
                [(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_DISPOSITION, "attachment")];
            Ok((headers, octets).into_response())
        }
        _ => Err(unforeseen()),
    }
}

fn about(request: ApplicationRequest) -> SealRequest {
    SealRequest::Application(request)
}

fn told(answer: SealAnswer) -> Result<ApplicationShape, Problem> {
    match answer {
        SealAnswer::Application(record) => Ok(ApplicationShape::from(*record)),
        _ => Err(unforeseen()),
    }
}

/// A division of a field or a query.
pub(crate) fn division(name: &str, text: &str) -> Result<Division, Problem> {
    Division::parse(text).map_err(|_| malformed(name, "a division's code of 2, 4, 6, 9 or 12 digits"))
}

/// The code of an organisation.
pub(crate) fn credit_code(text: &str) -> Result<CreditCode, Problem> {
    CreditCode::parse(text).map_err(|_| malformed("credit_code", "a unified social credit code"))
}

fn unnamed() -> Problem {
    Problem::new(Code::IdentifierMalformed, "An application is named by 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'.")
}

/// The application in a path.
fn name(path: Result<Path<String>, PathRejection>) -> Result<ApplicationId, Problem> {
    let Path(text) = path.map_err(|_| unnamed())?;
    ApplicationId::parse(&text).map_err(|_| unnamed())
}
