//! Seals and what becomes of them: listed, shown with those before and behind them, delivered, let rest, archived.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::id::{CallerId, SealId};
use crate::domain::audit::SuspensionReason;
use crate::domain::seal::State as SealState;
use crate::domain::seal::code::SealCode;
use crate::http::App;
use crate::http::api::application_shapes::octets_answer;
use crate::http::api::certificate_requests::{OctetsShape, SignedShape, signature};
use crate::http::api::certificates::number;
use crate::http::api::form::malformed;
use crate::http::api::json::Fields;
use crate::http::api::seal_applications::{credit_code, division};
use crate::http::api::seals::seal_id;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::problem::{Code, Problem};
use crate::service::door::Actor;
use crate::service::inventory::hexadecimal as hex;
use crate::service::registration::MOST_IN_PAGE;
use crate::service::seal_desk::{Among, LifeRequest, Place, SealAnswer, SealQuery, SealRecord, SealRequest, SealStep};

/// Seals of a page where nothing is told.
const USUAL_LIMIT: i64 = 100;
/// States that are searched for.
const STATES: [&str; 7] = ["made", "active", "suspended", "revoked", "expired", "superseded", "archived"];

/// A seal as it stands now. Times are RFC 3339. What stands behind `keeper` is known of seals that were made for an
/// application.
#[derive(Serialize, ToSchema)]
#[schema(as = SealRecord)]
pub(crate) struct RecordShape {
    /// Names the seal here.
    pub(crate) id: String,
    /// Its code, the seal's number in the world (`esID`, GB/T 38540 6.2).
    code: String,
    /// Its name.
    name: String,
    /// `made`, `active`, `suspended`, `revoked`, `expired`, `superseded` or `archived`.
    state: &'static str,
    /// Since when.
    since: String,
    /// Why it rests, or was revoked.
    reason: Option<&'static str>,
    /// The seal that stands in its place.
    superseded_by: Option<String>,
    /// Who keeps it.
    keeper: Option<String>,
    /// The code of its type.
    kind: Option<u8>,
    /// The holder's unified social credit code.
    credit_code: Option<String>,
    /// The holder's name as registered.
    holder: Option<String>,
    /// The code of the division where the holder lies.
    holder_division: Option<String>,
    /// Its number at the filing of public security.
    filing: Option<String>,
    /// How it came to be here: `application`, `import` or `remake`.
    origin: Option<&'static str>,
    /// The application for which it was made.
    application: Option<String>,
    /// The seal in whose place it stands.
    predecessor: Option<String>,
    /// SM3 of its signer's certificate, hex.
    certificate_sm3: Option<String>,
    /// End of its validity.
    valid_to: Option<String>,
    /// When its keeper took it.
    delivered_at: Option<String>,
}

impl From<SealRecord> for RecordShape {
    fn from(SealRecord { seal, keeper, known }: SealRecord) -> Self {
        let (reason, superseded_by) = match &seal.state {
            SealState::Suspended { reason, .. } => (Some(reason.name()), None),
            SealState::Revoked { reason, .. } => (Some(reason.name()), None),
            SealState::Superseded { by, .. } => (None, Some(by.to_string())),
            _ => (None, None),
        };
        let known = known.as_ref();
        Self {
            id: seal.id.to_string(),
            code: seal.es_id,
            name: seal.name,
            state: seal.state.name(),
            since: seal.state.since().to_string(),
            reason,
            superseded_by,
            keeper: keeper.as_ref().map(CallerId::to_string),
            kind: known.map(|known| known.kind),
            credit_code: known.map(|known| known.holder.credit_code.as_str().to_owned()),
            holder: known.map(|known| known.holder.name.clone()),
            holder_division: known.map(|known| known.holder.division.code()),
            filing: known.and_then(|known| known.filing.as_ref()).map(|filing| filing.as_str().to_owned()),
            origin: known.map(|known| known.origin.name()),
            application: known.and_then(|known| known.origin.application()).map(ToString::to_string),
            predecessor: known.and_then(|known| known.predecessor.as_ref()).map(SealId::to_string),
            certificate_sm3: known.map(|known| hex(&known.certificate_sm3)),
            valid_to: known.map(|known| known.valid_to.to_string()),
            delivered_at: known.and_then(|known| known.delivery.as_ref()).map(|(at, _)| at.to_string()),
        }
    }
}

/// Seals.
#[derive(Serialize, ToSchema)]
#[schema(as = SealPage)]
pub(crate) struct PageShape {
    /// The seals.
    seals: Vec<RecordShape>,
    /// What the query for the next page gives as `after`; null on the last one.
    next: Option<String>,
}

/// A step whose octets are asked for.
#[derive(ToSchema)]
#[schema(as = SealStep)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct StepShape {
    /// `deliver`, as the keeper, or `suspend`, as an officer of the holder's division.
    step: String,
    /// To suspend: `owner-request`, `authority-order` or `suspected-misuse`.
    reason: Option<String>,
}

/// A suspension.
#[derive(ToSchema)]
#[schema(as = SealSuspension)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct SuspensionShape {
    /// `owner-request`, `authority-order` or `suspected-misuse`.
    reason: String,
    /// The caller's signature over the octets of this step, base64: DER, or r and s of 32 octets each.
    signature: String,
}

/// Which seals.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchQuery {
    /// `division`: of holders in the officer's division, which is meant where an officer tells nothing; `kept`: those that the
    /// caller keeps, which is meant for others with the role seal-administrator; `usable`: those that somebody authorised the
    /// caller to use.
    among: Option<String>,
    /// With this code, 14 digits.
    code: Option<String>,
    /// Of the holder with this unified social credit code.
    credit_code: Option<String>,
    /// `made`, `active`, `suspended`, `revoked`, `expired`, `superseded` or `archived`.
    state: Option<String>,
    /// Of the type with this code.
    kind: Option<String>,
    /// Of holders in this division: the officer's own, or one in that.
    division: Option<String>,
    /// What the last page gave as `next`.
    after: Option<String>,
    /// At most so many: 1 to 500, 100 where nothing is told. A page may hold fewer, or none, and lead on all the same.
    limit: Option<String>,
}

/// Seals: those of an officer's division by the holder's division and then by name; those that the caller keeps or may use by
/// name.
#[utoipa::path(
    get, path = "/api/v1/seals", operation_id = "search_seals", tag = "seals",
    params(SearchQuery),
    responses(
        (status = 200, description = "A page", body = PageShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Json<PageShape>, Problem> {
    const KNOWN: &str = "Known are among, code, credit_code, state, kind, division, after and limit, each once.";
    let Query(query) = query.map_err(|_| Problem::new(Code::QueryMalformed, KNOWN))?;
    let among = query.among.map(|text| match text.as_str() {
        "division" => Ok(Among::Division),
        "kept" => Ok(Among::Kept),
        "usable" => Ok(Among::Usable),
        _ => Err(malformed("among", "division, kept or usable")),
    });
    let state = query.state.map(|state| match STATES.contains(&state.as_str()) {
        true => Ok(state),
        false => Err(malformed("state", "made, active, suspended, revoked, expired, superseded or archived")),
    });
    let after = |text: String| {
        Place::parse(&text, SealId::parse).ok_or_else(|| malformed("after", "what the last page gave as next"))
    };
    let kind = number("kind", query.kind.as_deref(), (1, 99))?.and_then(|kind| u8::try_from(kind).ok());
    let code =
        query.code.map(|code| SealCode::parse(&code).map_err(|_| malformed("code", "a seal's code of 14 digits")));
    let query = SealQuery {
        among: among.transpose()?,
        code: code.transpose()?,
        credit_code: query.credit_code.map(|code| credit_code(&code)).transpose()?,
        state: state.transpose()?,
        kind,
        division: query.division.map(|code| division("division", &code)).transpose()?,
        after: query.after.map(after).transpose()?,
        limit: number("limit", query.limit.as_deref(), (1, MOST_IN_PAGE))?.unwrap_or(USUAL_LIMIT),
    };
    listed(app.door.seal_desk(&actor, about(LifeRequest::List(query))).await?)
}

/// A seal and what is known of it: for its keeper, officers of its holder's division, and whoever may use it.
#[utoipa::path(
    get, path = "/api/v1/seals/{id}/record", operation_id = "show_seal", tag = "seals",
    params(("id" = String, Path, description = "Names the seal here")),
    responses(
        (status = 200, description = "The seal", body = RecordShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<RecordShape>, Problem> {
    told(app.door.seal_desk(&actor, about(LifeRequest::Show(seal_id(id)?))).await?)
}

/// The seals in whose place a seal stands, it, and those that came to stand in its place: the oldest first.
#[utoipa::path(
    get, path = "/api/v1/seals/{id}/chain", operation_id = "seal_chain", tag = "seals",
    params(("id" = String, Path, description = "Names the seal here")),
    responses(
        (status = 200, description = "The seals", body = PageShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn chain(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<PageShape>, Problem> {
    listed(app.door.seal_desk(&actor, about(LifeRequest::Chain(seal_id(id)?))).await?)
}

/// The picture of a seal, as its maker signed it.
#[utoipa::path(
    get, path = "/api/v1/seals/{id}/picture", operation_id = "seal_picture", tag = "seals",
    params(("id" = String, Path, description = "Names the seal here")),
    responses(
        (status = 200, description = "The picture", content(
            (FileShape = "image/png"),
            (FileShape = "application/octet-stream"),
        )),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn picture(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    match app.door.seal_desk(&actor, about(LifeRequest::Picture(seal_id(id)?))).await? {
        SealAnswer::Picture(octets, kind) => {
            let kind = if kind.eq_ignore_ascii_case("png") { "image/png" } else { "application/octet-stream" };
            Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, "attachment")], octets).into_response())
        }
        _ => Err(unforeseen()),
    }
}

/// The octets that the caller signs to take a step with the seal as it stands now.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/to-sign", operation_id = "seal_to_sign", tag = "seals",
    params(("id" = String, Path, description = "Names the seal here")),
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
    let id = seal_id(id)?;
    let fields = Fields::read(request, &["step", "reason"]).await?;
    let step = match fields.required("step")? {
        "deliver" => {
            fields.without(&["reason"])?;
            SealStep::Deliver
        }
        "suspend" => SealStep::Suspend(reason(&fields)?),
        _ => return Err(malformed("step", "deliver or suspend")),
    };
    octets_answer(app.door.seal_desk(&actor, about(LifeRequest::Octets(id, step))).await?)
}

/// Takes the seal, as its keeper: from now on it may be used.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/delivery", operation_id = "deliver_seal", tag = "seals",
    params(("id" = String, Path, description = "Names the seal here")),
    request_body(content = SignedShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The seal as it stands from now on", body = RecordShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn deliver(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<RecordShape>, Problem> {
    let id = seal_id(id)?;
    let fields = Fields::read(request, &["signature"]).await?;
    acted(&app, actor, LifeRequest::Step(id, SealStep::Deliver, signature(&fields)?)).await
}

/// Lets the seal rest at once, as an officer of the holder's division. Back into use it comes by an application.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/suspension", operation_id = "suspend_seal", tag = "seals",
    params(("id" = String, Path, description = "Names the seal here")),
    request_body(content = SuspensionShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The seal as it stands from now on", body = RecordShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn suspend(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<RecordShape>, Problem> {
    let id = seal_id(id)?;
    let fields = Fields::read(request, &["reason", "signature"]).await?;
    let step = SealStep::Suspend(reason(&fields)?);
    acted(&app, actor, LifeRequest::Step(id, step, signature(&fields)?)).await
}

/// Closes the papers of a seal that ended, as an officer of the holder's division.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/archive", operation_id = "archive_seal", tag = "seals",
    params(("id" = String, Path, description = "Names the seal here")),
    responses(
        (status = 200, description = "The seal as it stands from now on", body = RecordShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn archive(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<RecordShape>, Problem> {
    acted(&app, actor, LifeRequest::Archive(seal_id(id)?)).await
}

async fn acted(app: &App, actor: Actor, request: LifeRequest) -> Result<Json<RecordShape>, Problem> {
    let door = app.door.clone();
    let work = app.to_its_end(async move { door.seal_desk(&actor, about(request)).await });
    told(work.await?)
}

fn reason(fields: &Fields) -> Result<SuspensionReason, Problem> {
    let reason = SuspensionReason::from_name(fields.required("reason")?);
    reason.ok_or_else(|| malformed("reason", "owner-request, authority-order or suspected-misuse"))
}

fn about(request: LifeRequest) -> SealRequest {
    SealRequest::Life(request)
}

fn told(answer: SealAnswer) -> Result<Json<RecordShape>, Problem> {
    match answer {
        SealAnswer::Seal(record) => Ok(Json(RecordShape::from(*record))),
        _ => Err(unforeseen()),
    }
}

fn listed(answer: SealAnswer) -> Result<Json<PageShape>, Problem> {
    match answer {
        SealAnswer::Seals(found, next) => {
            let seals = found.into_iter().map(RecordShape::from).collect();
            Ok(Json(PageShape { seals, next: next.map(|place| place.to_string()) }))
        }
        _ => Err(unforeseen()),
    }
}

/// The use case answered what was not asked.
pub(crate) fn unforeseen() -> Problem {
    Problem::new(Code::Internal, "The request was not served. The log has the cause.")
}
