//! Certification authorities of ours, and their revocation lists on demand.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::id::AuthorityId;
use crate::http::App;
use crate::http::api::accept::Form;
use crate::http::api::form::malformed;
use crate::http::api::json::Fields;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::problem::{Code, Problem};
use crate::service::door::{Actor, AuthorityRecord};
use crate::service::inventory::hexadecimal as hex;
use crate::service::verification::pem_of;

/// A certification authority. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = Authority)]
pub(crate) struct AuthorityShape {
    /// Its name here.
    id: String,
    /// What it is called.
    name: String,
    /// `active`, or `retired`: then it issues no more, and its lists are still signed.
    state: &'static str,
    /// The authority above it, when that is ours.
    parent: Option<String>,
    /// SM3 of its certificate in DER, hex.
    certificate_sm3: String,
    /// Where its lists, its certificate and its answers are found.
    base_url: String,
    /// Among how many revocation lists its certificates are shared out.
    crl_shards: u32,
    /// When it began.
    created_at: String,
    /// Since when it issues no more.
    retired_at: Option<String>,
    /// Its certificate; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pem: Option<String>,
}

impl From<AuthorityRecord> for AuthorityShape {
    fn from(record: AuthorityRecord) -> Self {
        Self {
            id: record.id.to_string(),
            name: record.name,
            state: if record.retired_at.is_some() { "retired" } else { "active" },
            parent: record.parent.map(|parent| parent.to_string()),
            certificate_sm3: hex(&record.certificate_sm3),
            base_url: record.base_url,
            crl_shards: record.crl_shards,
            created_at: record.created_at.to_string(),
            retired_at: record.retired_at.map(|at| at.to_string()),
            pem: None,
        }
    }
}

/// Which list.
#[derive(ToSchema)]
#[schema(as = ListOrder)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct ListOrderShape {
    /// The shard's number; 0 where nothing is told.
    shard: Option<u32>,
    /// `full` or `delta`; `full` where nothing is told.
    kind: Option<String>,
}

/// A revocation list that was issued. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedList)]
pub(crate) struct IssuedListShape {
    /// The authority.
    authority: String,
    /// The shard's number.
    shard: u32,
    /// `full` or `delta`.
    kind: &'static str,
    /// `cRLNumber`.
    number: u64,
    /// The number of the full list that it changes, for a delta.
    base: Option<u64>,
    /// How many certificates it names.
    entries: u64,
    /// `thisUpdate`.
    this_update: String,
    /// `nextUpdate`.
    next_update: String,
    /// SM3 of the list in DER, hex.
    sm3: String,
}

/// Every authority, oldest first.
#[utoipa::path(
    get, path = "/api/v1/authorities", tag = "authorities",
    responses(
        (status = 200, description = "The authorities", body = Vec<AuthorityShape>),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<Vec<AuthorityShape>>, Problem> {
    Ok(Json(app.door.authorities(&actor).await?.into_iter().map(Into::into).collect()))
}

/// An authority and its certificate; or the certificate alone, where Accept names its form.
#[utoipa::path(
    get, path = "/api/v1/authorities/{id}", operation_id = "show_authority", tag = "authorities",
    params(("id" = String, Path, description = "Names the authority here")),
    responses(
        (status = 200, description = "The authority, in the form that Accept names first", content(
            (AuthorityShape = "application/json"),
            (FileShape = "application/pkix-cert"),
            (FileShape = "application/pem-certificate-chain"),
        )),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let (record, der) = app.door.authority(&actor, &authority(id)?).await?;
    Ok(match Form::wanted(&headers) {
        Form::Json => Json(AuthorityShape { pem: Some(pem_of(&der)), ..record.into() }).into_response(),
        form => form.file(der),
    })
}

/// Issues a revocation list of a shard now, and publishes it.
#[utoipa::path(
    post, path = "/api/v1/authorities/{id}/crl", tag = "authorities",
    params(("id" = String, Path, description = "Names the authority here")),
    request_body(content = Option<ListOrderShape>, content_type = "application/json"),
    responses(
        (status = 201, description = "The list that is in force from now on", body = IssuedListShape,
            headers(("Location" = String, description = "Where the list is published"))),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn issue_list(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let id = authority(id)?;
    let fields = Fields::read_if_any(request, &["shard", "kind"]).await?;
    let shard = fields.number("shard")?.unwrap_or(0);
    let delta = match fields.text("kind")? {
        None | Some("full") => false,
        Some("delta") => true,
        Some(_) => return Err(malformed("kind", "full or delta")),
    };
    let (door, of) = (app.door.clone(), id.clone());
    let issued = app.to_its_end(async move { door.issue_list(&actor, &of, shard, delta).await }).await?;
    let location = format!("/crl/{id}/{shard}{}.crl", if delta { "-delta" } else { "" });
    let shape = IssuedListShape {
        authority: id.to_string(),
        shard,
        kind: if delta { "delta" } else { "full" },
        number: issued.number,
        base: issued.base,
        entries: issued.entries,
        this_update: issued.this_update.to_string(),
        next_update: issued.next_update.to_string(),
        sm3: hex(&issued.sm3),
    };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shape)).into_response())
}

fn authority(id: Result<Path<String>, PathRejection>) -> Result<AuthorityId, Problem> {
    let malformed =
        || Problem::new(Code::IdentifierMalformed, "An authority is named by 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'.");
    let Path(id) = id.map_err(|_| malformed())?;
    AuthorityId::parse(&id).map_err(|_| malformed())
}
