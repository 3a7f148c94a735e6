//! Trust lists of the installation: imported, compared, approved by two officers, refused, brought into force. The officer
//! is the caller.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::App;
use crate::http::api::certificate_requests::{ApprovalShape, OctetsShape, SignedShape, signature};
use crate::http::api::form::{malformed, media_type, whole_body, within_limit};
use crate::http::api::json::{Fields, hexadecimal};
use crate::http::api::{FileShape, ProblemShape};
use crate::http::places::UploadPlace;
use crate::http::problem::{Code, Problem};
use crate::service::door::Actor;
use crate::service::inventory::hexadecimal as hex;
use crate::service::registration_desk::ApprovalRecord;
use crate::service::trust_desk::{TrustListAnswer, TrustListRecord, TrustListStep};

/// Characters of a fingerprint from paper, with its spaces.
const MOST_FINGERPRINT: usize = 128;

/// A step whose octets are asked for.
#[derive(ToSchema)]
#[schema(as = TrustListStep)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct StepShape {
    /// `approve` or `refuse`.
    step: String,
    /// To approve: the fingerprint as the officer reads it from paper. Wanted where `introduced_by_paper` says so.
    fingerprint: Option<String>,
}

/// An approval.
#[derive(ToSchema)]
#[schema(as = TrustListApproval)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct ApproveShape {
    /// The fingerprint as it was told with the step.
    fingerprint: Option<String>,
    /// The caller's signature over the octets of this step, base64: DER, or r and s of 32 octets each.
    signature: String,
}

/// An officer's approval of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ApprovalOfTrustList)]
pub(crate) struct ComparedShape {
    #[serde(flatten)]
    approval: ApprovalShape,
    /// Whether the officer compared the fingerprint with paper.
    compared_with_paper: bool,
}

/// One change from the version in force.
#[derive(Serialize, ToSchema)]
#[schema(as = TrustListChange)]
pub(crate) struct ChangeShape {
    /// `added`, `removed` or `changed`.
    what: &'static str,
    /// `anchor`, `list`, `signer`, or a member of the list by its name.
    of: &'static str,
    /// SM3 of an anchor's certificate or a signer's key, hex; the name of a list.
    id: Option<String>,
    /// In words.
    detail: String,
}

/// A trust list as it stands now. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = TrustList)]
pub(crate) struct ListShape {
    /// Its fingerprint, SM3, hex: its name here.
    sm3: String,
    /// `imported`, `active`, `superseded` or `refused`.
    state: &'static str,
    /// Its name.
    name: String,
    /// Its version.
    number: u64,
    /// SM3 of the version that it replaces, hex.
    replaces: Option<String>,
    /// Nobody that is known introduces it: officers compare the fingerprint with paper.
    introduced_by_paper: bool,
    /// The list above that introduced it.
    list_above: Option<String>,
    /// When it was imported.
    imported_at: String,
    /// Since when it is, or was, in force.
    active_since: Option<String>,
    /// When it was superseded or refused.
    ended_at: Option<String>,
    /// Who refused it.
    refused_by: Option<String>,
    /// The approvals so far.
    approvals: Vec<ComparedShape>,
    /// In force, but not used: the code of the reason.
    not_used: Option<&'static str>,
    /// What changes by it: of a list that was imported or is asked for by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<ChangeShape>>,
    /// The signed list: of one that is asked for by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    signed: Option<serde_json::Value>,
}

/// Trust lists.
#[derive(Serialize, ToSchema)]
#[schema(as = TrustLists)]
pub(crate) struct ListsShape {
    /// By name and number.
    lists: Vec<ListShape>,
}

impl ListShape {
    fn of(record: TrustListRecord) -> Result<Self, Problem> {
        let signed = record.file.as_deref().map(serde_json::from_slice).transpose();
        let approvals = record.approvals.into_iter().map(|approval| ComparedShape {
            approval: ApprovalShape::from(ApprovalRecord {
                officer: approval.hand.officer,
                key_sm3: approval.hand.key_sm3,
                signature: approval.signature,
                at: approval.at,
            }),
            compared_with_paper: approval.compared,
        });
        let changes = record.changes.map(|changes| {
            let shape = |change: crate::domain::trust::list_diff::ListChange| ChangeShape {
                what: change.what,
                of: change.of,
                id: change.id,
                detail: change.detail,
            };
            changes.into_iter().map(shape).collect()
        });
        Ok(Self {
            sm3: hex(&record.sm3),
            state: record.state,
            name: record.name,
            number: record.number,
            replaces: record.replaces.map(|sm3| hex(&sm3)),
            introduced_by_paper: record.by_paper,
            list_above: record.above,
            imported_at: record.imported_at.to_string(),
            active_since: record.active_since.map(|at| at.to_string()),
            ended_at: record.ended_at.map(|at| at.to_string()),
            refused_by: record.refused_by.map(|officer| officer.to_string()),
            approvals: approvals.collect(),
            not_used: record.not_used,
            changes,
            signed: signed.map_err(|broken: serde_json::Error| Problem::internal(&broken))?,
        })
    }
}

/// Takes in a signed list, or the lists of a bundle, and says what would change; they wait for two officers.
///
/// Lists that are in force are passed over. A list that waits already keeps its approvals while nothing about it is new.
#[utoipa::path(
    post, path = "/api/v1/trust-lists", operation_id = "import_trust_lists", tag = "trust lists",
    request_body(content((FileShape = "application/json"), (FileShape = "application/octet-stream"))),
    responses(
        (status = 200, description = "The lists that wait now", body = ListsShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(place): Extension<UploadPlace>,
    request: Request,
) -> Result<Json<ListsShape>, Problem> {
    if !matches!(media_type(request.headers()).as_str(), "application/json" | "application/octet-stream") {
        return Err(Problem::new(Code::ContentTypeRefused, "Send application/json or application/octet-stream."));
    }
    let body = whole_body(request).await?;
    within_limit(&app, &body)?;
    lists(&app, actor, TrustListStep::Import { file: body }, Some(place)).await
}

/// Every list, by name and number.
#[utoipa::path(
    get, path = "/api/v1/trust-lists", operation_id = "list_trust_lists", tag = "trust lists",
    responses(
        (status = 200, description = "The lists", body = ListsShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<ListsShape>, Problem> {
    lists(&app, actor, TrustListStep::List, None).await
}

/// A list, the file as it was signed, and what changes by it.
#[utoipa::path(
    get, path = "/api/v1/trust-lists/{sm3}", operation_id = "show_trust_list", tag = "trust lists",
    params(("sm3" = String, Path, description = "SM3 of the list, hex")),
    responses(
        (status = 200, description = "The list", body = ListShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    sm3: Result<Path<String>, PathRejection>,
) -> Result<Json<ListShape>, Problem> {
    one(&app, actor, TrustListStep::Show { list: name(sm3)? }).await
}

/// The octets that the caller signs to approve or refuse the list as it stands now.
#[utoipa::path(
    post, path = "/api/v1/trust-lists/{sm3}/to-sign", operation_id = "trust_list_to_sign", tag = "trust lists",
    params(("sm3" = String, Path, description = "SM3 of the list, hex")),
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
    sm3: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<OctetsShape>, Problem> {
    let list = name(sm3)?;
    let fields = Fields::read(request, &["step", "fingerprint"]).await?;
    let paper = paper(&fields)?;
    let step = match (fields.required("step")?, paper) {
        ("approve", paper) => TrustListStep::ToApprove { list, paper },
        ("refuse", None) => TrustListStep::ToRefuse { list },
        ("refuse", Some(_)) => return Err(malformed("fingerprint", "left out of this step")),
        _ => return Err(malformed("step", "approve or refuse")),
    };
    match app.door.trust_list_step(&actor, step).await? {
        TrustListAnswer::Octets(octets) => Ok(Json(OctetsShape { to_sign: STANDARD.encode(octets) })),
        TrustListAnswer::Lists(_) => Err(no_such_answer()),
    }
}

/// Approves the list, as an officer in the role approver. The same again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/trust-lists/{sm3}/approval", operation_id = "approve_trust_list", tag = "trust lists",
    params(("sm3" = String, Path, description = "SM3 of the list, hex")),
    request_body(content = ApproveShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The list as it stands from now on", body = ListShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    sm3: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<ListShape>, Problem> {
    let list = name(sm3)?;
    let fields = Fields::read(request, &["fingerprint", "signature"]).await?;
    let (paper, signature) = (paper(&fields)?, signature(&fields)?);
    one(&app, actor, TrustListStep::Approve { list, paper, signature }).await
}

/// Refuses the list for ever, as an officer in the role approver. The same again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/trust-lists/{sm3}/refusal", operation_id = "refuse_trust_list", tag = "trust lists",
    params(("sm3" = String, Path, description = "SM3 of the list, hex")),
    request_body(content = SignedShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The list as it stands from now on", body = ListShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn refuse(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    sm3: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<ListShape>, Problem> {
    let list = name(sm3)?;
    let fields = Fields::read(request, &["signature"]).await?;
    one(&app, actor, TrustListStep::Refuse { list, signature: signature(&fields)? }).await
}

/// Brings the list into force: the approvals decide. Again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/trust-lists/{sm3}/activation", operation_id = "activate_trust_list", tag = "trust lists",
    params(("sm3" = String, Path, description = "SM3 of the list, hex")),
    responses(
        (status = 200, description = "The list, in force", body = ListShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn activate(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    sm3: Result<Path<String>, PathRejection>,
) -> Result<Json<ListShape>, Problem> {
    one(&app, actor, TrustListStep::Activate { list: name(sm3)? }).await
}

async fn records(
    app: &Arc<App>,
    actor: Actor,
    step: TrustListStep,
    place: Option<UploadPlace>,
) -> Result<Vec<ListShape>, Problem> {
    let door = app.door.clone();
    let work = app.to_its_end(async move {
        let _place = place;
        door.trust_list_step(&actor, step).await
    });
    match work.await? {
        TrustListAnswer::Lists(found) => found.into_iter().map(ListShape::of).collect(),
        TrustListAnswer::Octets(_) => Err(no_such_answer()),
    }
}

async fn lists(
    app: &Arc<App>,
    actor: Actor,
    step: TrustListStep,
    place: Option<UploadPlace>,
) -> Result<Json<ListsShape>, Problem> {
    Ok(Json(ListsShape { lists: records(app, actor, step, place).await? }))
}

async fn one(app: &Arc<App>, actor: Actor, step: TrustListStep) -> Result<Json<ListShape>, Problem> {
    let found = records(app, actor, step, None).await?.into_iter().next();
    found.map(Json).ok_or_else(no_such_answer)
}

/// The use case answered another question.
fn no_such_answer() -> Problem {
    Problem::new(Code::Internal, "The step has another answer.")
}

fn paper(fields: &Fields) -> Result<Option<String>, Problem> {
    let text = fields.text("fingerprint")?;
    if text.is_some_and(|text| text.len() > MOST_FINGERPRINT) {
        return Err(malformed("fingerprint", "the 64 hexadecimal digits from paper"));
    }
    Ok(text.map(str::to_owned))
}

/// The list in a path.
fn name(path: Result<Path<String>, PathRejection>) -> Result<[u8; 32], Problem> {
    let wrong = || Problem::new(Code::IdentifierMalformed, "A trust list is named by its SM3: 64 hexadecimal digits.");
    let Path(text) = path.map_err(|_| wrong())?;
    hexadecimal(&text).ok_or_else(wrong)
}
