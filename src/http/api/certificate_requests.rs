//! Requests for certificates: drafted, submitted, found, checked, approved, refused, withdrawn, issued. The officer is the
//! caller.

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

use crate::base::id::ApplicationId;
use crate::domain::ca::request::{RefusalReason, WithdrawalReason};
use crate::http::App;
use crate::http::api::accept::Form;
use crate::http::api::certificates::{AttributeShape, OrderedShape, authority, csr, issued, number, profile, subject};
use crate::http::api::form::malformed;
use crate::http::api::json::{Fields, hexadecimal};
use crate::http::api::{FileShape, ProblemShape};
use crate::http::problem::{Code, Problem};
use crate::service::door::Actor;
use crate::service::inventory::hexadecimal as hex;
use crate::service::registration::{MOST_EXPLANATION, MOST_IN_PAGE, NewRequest};
use crate::service::registration_desk::{ApprovalRecord, RequestPage, RequestQuery, RequestRecord, RequestStep};

/// Requests of a page where nothing is told.
const USUAL_LIMIT: i64 = 100;
/// Octets of a signature; those of the largest RSA keys that are registered have 512.
const MOST_SIGNATURE: usize = 1024;
/// States that are searched for.
const STATES: [&str; 6] = ["submitted", "checked", "approved", "issued", "refused", "withdrawn"];

/// What is asked for.
#[derive(ToSchema)]
#[schema(as = CertificateRequestDraft)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct DraftShape {
    /// Who shall issue.
    authority: String,
    /// Under which profile.
    profile: String,
    /// A request of PKCS#10 (RFC 2986): PEM, or its DER in base64. Its signature proves that the subject holds the key;
    /// alternative names and numbers of identity stand in it.
    csr: String,
    /// Stands in for the subject of the request of PKCS#10.
    subject: Option<Vec<AttributeShape>>,
    /// End of validity, RFC 3339; the profile's usual one, from the day of issue, where nothing is told.
    not_after: Option<String>,
    /// Asks for a pair: under which profile its encryption certificate is issued, for a key that is made and kept here.
    encryption_profile: Option<String>,
    /// SM3 of the evidence on file, hex.
    evidence_sm3: String,
}

/// What is asked for, signed by its applicant: the fields of the draft as they were, and two more.
#[derive(ToSchema)]
#[schema(as = CertificateRequestSubmission)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct SubmissionShape {
    /// As in the draft.
    authority: String,
    /// As in the draft.
    profile: String,
    /// As in the draft.
    csr: String,
    /// As in the draft.
    subject: Option<Vec<AttributeShape>>,
    /// As in the draft.
    not_after: Option<String>,
    /// As in the draft.
    encryption_profile: Option<String>,
    /// As in the draft.
    evidence_sm3: String,
    /// What the answer to the draft said.
    nonce: String,
    /// The caller's signature over `to_sign` of that answer, base64: DER, or r and s of 32 octets each.
    signature: String,
}

/// What the applicant signs.
#[derive(Serialize, ToSchema)]
#[schema(as = DraftedCertificateRequest)]
pub(crate) struct DraftedShape {
    /// The request's own random number, hex; it comes back with the signature.
    nonce: String,
    /// The subject that the certificate will have, for people.
    subject: String,
    /// The octets to sign, base64.
    to_sign: String,
}

/// A step whose octets are asked for.
#[derive(ToSchema)]
#[schema(as = CertificateRequestStep)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct StepShape {
    /// `check`, `approve`, `refuse` or `withdraw`.
    step: String,
    /// Why, to refuse (`evidence-insufficient`, `profile-violated`, `not-entitled`, `key-refused`) or to withdraw
    /// (`mistaken`, `not-needed`, `replaced`).
    reason: Option<String>,
    /// Why, in words, to refuse; at most 4096 octets.
    explanation: Option<String>,
}

/// What the officer signs.
#[derive(Serialize, ToSchema)]
#[schema(as = OctetsToSign)]
pub(crate) struct OctetsShape {
    /// The octets to sign, base64. Those of an approval of a request are the same for every approver; those of other steps
    /// fit the officer, and what is decided on as it stands now.
    pub(crate) to_sign: String,
}

/// A step that needs no words.
#[derive(ToSchema)]
#[schema(as = SignedStep)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct SignedShape {
    /// The caller's signature over the octets of this step, base64: DER, or r and s of 32 octets each.
    signature: String,
}

/// A refusal.
#[derive(ToSchema)]
#[schema(as = CertificateRequestRefusal)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct RefusalShape {
    /// `evidence-insufficient`, `profile-violated`, `not-entitled` or `key-refused`.
    reason: String,
    /// Why, in words; at most 4096 octets.
    explanation: Option<String>,
    /// The caller's signature over the octets of this step, base64: DER, or r and s of 32 octets each.
    signature: String,
}

/// A withdrawal.
#[derive(ToSchema)]
#[schema(as = CertificateRequestWithdrawal)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct WithdrawalShape {
    /// `mistaken`, `not-needed` or `replaced`.
    reason: String,
    /// The caller's signature over the octets of this step, base64: DER, or r and s of 32 octets each.
    signature: String,
}

/// An officer's approval.
#[derive(Serialize, ToSchema)]
#[schema(as = Approval)]
pub(crate) struct ApprovalShape {
    /// Whose.
    pub(crate) officer: String,
    /// SM3 of the officer's SubjectPublicKeyInfo, hex.
    pub(crate) key_sm3: String,
    /// The signature's value of fixed width, hex.
    pub(crate) signature: String,
    /// When it arrived.
    pub(crate) at: String,
}

impl From<ApprovalRecord> for ApprovalShape {
    fn from(ApprovalRecord { officer, key_sm3, signature, at }: ApprovalRecord) -> Self {
        Self { officer: officer.to_string(), key_sm3: hex(&key_sm3), signature: hex(&signature), at: at.to_string() }
    }
}

/// A request for a certificate as it stands now. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = CertificateRequest)]
pub(crate) struct RequestShape {
    /// Its name here.
    id: String,
    /// `submitted`, `checked`, `approved`, `issued`, `refused` or `withdrawn`.
    state: &'static str,
    /// When it last moved.
    since: String,
    /// Who shall issue.
    authority: String,
    /// Under which profile.
    profile: String,
    /// The subject that the certificate will have, for people.
    subject: String,
    /// The kinds of the numbers of identity that are asked for; the numbers stand in `csr` alone.
    identity: Vec<&'static str>,
    /// End of validity that was asked for.
    not_after: Option<String>,
    /// Where a pair is asked for: the profile of its encryption certificate.
    encryption_profile: Option<String>,
    /// SM3 of the evidence on file, hex.
    evidence_sm3: String,
    /// Its own random number, hex.
    nonce: String,
    /// Who submitted it.
    applicant: String,
    /// When.
    submitted_at: String,
    /// Who checked it.
    checked_by: Option<String>,
    /// When.
    checked_at: Option<String>,
    /// The approvals so far.
    approvals: Vec<ApprovalShape>,
    /// Who refused it; nobody where it lapsed.
    refused_by: Option<String>,
    /// Why it was refused or withdrawn.
    reason: Option<&'static str>,
    /// Why it was refused, in words.
    explanation: Option<String>,
    /// SM3 of the certificate that was issued for it, hex.
    certificate_sm3: Option<String>,
    /// The request of PKCS#10, DER in base64; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    csr: Option<String>,
}

impl From<RequestRecord> for RequestShape {
    fn from(record: RequestRecord) -> Self {
        let (checked_by, checked_at) = record.checked.map(|(by, at)| (by.to_string(), at.to_string())).unzip();
        Self {
            id: record.id.to_string(),
            state: record.state,
            since: record.since.to_string(),
            authority: record.authority.to_string(),
            profile: record.profile,
            subject: record.subject,
            identity: record.identity,
            not_after: record.not_after.map(|end| end.to_string()),
            encryption_profile: record.encryption_profile,
            evidence_sm3: hex(&record.evidence_sm3),
            nonce: hex(&record.nonce),
            applicant: record.applicant.to_string(),
            submitted_at: record.submitted_at.to_string(),
            checked_by,
            checked_at,
            approvals: record.approvals.into_iter().map(ApprovalShape::from).collect(),
            refused_by: record.refused_by.map(|officer| officer.to_string()),
            reason: record.reason,
            explanation: record.explanation,
            certificate_sm3: record.certificate_sm3.map(|sm3| hex(&sm3)),
            csr: Some(STANDARD.encode(&record.csr)),
        }
    }
}

/// A page of requests, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = CertificateRequestPage)]
pub(crate) struct PageShape {
    /// The requests.
    requests: Vec<RequestShape>,
    /// What the query for the next page gives as `after`; null on the last one.
    next: Option<String>,
}

impl From<RequestPage> for PageShape {
    fn from(page: RequestPage) -> Self {
        let listed = |record: RequestRecord| RequestShape { csr: None, ..record.into() };
        let next = page.next.map(|id| id.to_string());
        Self { requests: page.requests.into_iter().map(listed).collect(), next }
    }
}

/// Which requests.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchQuery {
    /// `submitted`, `checked`, `approved`, `issued`, `refused` or `withdrawn`.
    state: Option<String>,
    /// Behind this request.
    after: Option<String>,
    /// At most so many: 1 to 500, 100 where nothing is told.
    limit: Option<String>,
}

/// The fields of what is asked for.
const ASKED: [&str; 7] = ["authority", "profile", "csr", "subject", "not_after", "encryption_profile", "evidence_sm3"];

/// Judges what is asked for as issuing would, and gives the octets that the caller signs as the applicant. Nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/certificate-requests/draft", tag = "certificate requests",
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
    let fields = Fields::read(request, &ASKED).await?;
    let drafted = app.door.draft_request(&actor, asked(&fields)?).await?;
    let (nonce, to_sign) = (hex(&drafted.nonce), STANDARD.encode(&drafted.to_sign));
    Ok(Json(DraftedShape { nonce, subject: drafted.subject, to_sign }))
}

/// Takes a request that the caller signed.
///
/// The same submission again, with its nonce, is the same request and brings its receipt. Another one is refused.
#[utoipa::path(
    post, path = "/api/v1/certificate-requests", tag = "certificate requests",
    request_body(content = SubmissionShape, content_type = "application/json"),
    responses(
        (status = 201, description = "The request", body = RequestShape,
            headers(("Location" = String, description = "Where the request stands"))),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    request: Request,
) -> Result<Response, Problem> {
    let fields = Fields::read(request, &[&ASKED[..], &["nonce", "signature"]].concat()).await?;
    let new = asked(&fields)?;
    let nonce = octets_of("nonce", fields.required("nonce")?)?;
    let signature = signature(&fields)?;
    let door = app.door.clone();
    let taken = app.to_its_end(async move { door.submit_request(&actor, new, nonce, signature).await });
    let shape = RequestShape::from(taken.await?);
    let location = format!("/api/v1/certificate-requests/{}", shape.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shape)).into_response())
}

/// Requests, oldest first, page by page.
#[utoipa::path(
    get, path = "/api/v1/certificate-requests", operation_id = "search_certificate_requests", tag = "certificate requests",
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
    let misread = |_| Problem::new(Code::QueryMalformed, "Known are state, after and limit, each once.");
    let Query(query) = query.map_err(misread)?;
    let state = query.state.map(|state| match STATES.contains(&state.as_str()) {
        true => Ok(state),
        false => Err(malformed("state", "submitted, checked, approved, issued, refused or withdrawn")),
    });
    let after = |text: String| ApplicationId::parse(&text).map_err(|_| malformed("after", "the name of a request"));
    let query = RequestQuery {
        state: state.transpose()?,
        after: query.after.map(after).transpose()?,
        limit: number("limit", query.limit.as_deref(), (1, MOST_IN_PAGE))?.unwrap_or(USUAL_LIMIT),
    };
    Ok(Json(app.door.certificate_requests(&actor, query).await?.into()))
}

/// All that is known of a request.
#[utoipa::path(
    get, path = "/api/v1/certificate-requests/{id}", operation_id = "show_certificate_request", tag = "certificate requests",
    params(("id" = String, Path, description = "Names the request here")),
    responses(
        (status = 200, description = "The request", body = RequestShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<RequestShape>, Problem> {
    Ok(Json(app.door.certificate_request(&actor, &name(id)?).await?.into()))
}

/// The octets that the caller signs to take a step with the request as it stands now.
#[utoipa::path(
    post, path = "/api/v1/certificate-requests/{id}/to-sign", tag = "certificate requests",
    params(("id" = String, Path, description = "Names the request here")),
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
    let octets = app.door.request_octets(&actor, &id, step(&fields)?).await?;
    Ok(Json(OctetsShape { to_sign: STANDARD.encode(octets) }))
}

/// States that the request agrees with its evidence, as a checker.
#[utoipa::path(
    post, path = "/api/v1/certificate-requests/{id}/check", tag = "certificate requests",
    params(("id" = String, Path, description = "Names the request here")),
    request_body(content = SignedShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The request as it stands from now on", body = RequestShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<RequestShape>, Problem> {
    let id = name(id)?;
    let fields = Fields::read(request, &["signature"]).await?;
    take(&app, actor, id, RequestStep::Check, signature(&fields)?).await
}

/// Approves the request, as an officer of the role that its profile wants.
#[utoipa::path(
    post, path = "/api/v1/certificate-requests/{id}/approval", tag = "certificate requests",
    params(("id" = String, Path, description = "Names the request here")),
    request_body(content = SignedShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The request as it stands from now on", body = RequestShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<RequestShape>, Problem> {
    let id = name(id)?;
    let fields = Fields::read(request, &["signature"]).await?;
    take(&app, actor, id, RequestStep::Approve, signature(&fields)?).await
}

/// Refuses the request, as a checker or an approver.
#[utoipa::path(
    post, path = "/api/v1/certificate-requests/{id}/refusal", tag = "certificate requests",
    params(("id" = String, Path, description = "Names the request here")),
    request_body(content = RefusalShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The request as it stands from now on", body = RequestShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn refuse(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<RequestShape>, Problem> {
    let id = name(id)?;
    let fields = Fields::read(request, &["reason", "explanation", "signature"]).await?;
    take(&app, actor, id, refusal(&fields)?, signature(&fields)?).await
}

/// Takes the request back, as its applicant.
#[utoipa::path(
    post, path = "/api/v1/certificate-requests/{id}/withdrawal", tag = "certificate requests",
    params(("id" = String, Path, description = "Names the request here")),
    request_body(content = WithdrawalShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The request as it stands from now on", body = RequestShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn withdraw(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<RequestShape>, Problem> {
    let id = name(id)?;
    let fields = Fields::read(request, &["reason", "signature"]).await?;
    take(&app, actor, id, withdrawal(&fields)?, signature(&fields)?).await
}

/// Issues what was approved, and nothing else: the approvals decide.
///
/// For a request that was issued it gives the certificate again. Of a pair, JSON holds both certificates and the enveloped
/// key; the other forms hold the signing certificate.
#[utoipa::path(
    post, path = "/api/v1/certificate-requests/{id}/certificate", tag = "certificate requests",
    params(("id" = String, Path, description = "Names the request here")),
    responses(
        (status = 201, description = "The certificate, in the form that Accept names first", content(
            (OrderedShape = "application/json"),
            (FileShape = "application/pkix-cert"),
            (FileShape = "application/pem-certificate-chain"),
        ), headers(("Location" = String, description = "Where the certificate stands"))),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn issue(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let (id, door) = (name(id)?, app.door.clone());
    let ordered = app.to_its_end(async move { door.issue_request(&actor, &id).await });
    Ok(issued(Form::wanted(&headers), ordered.await?))
}

async fn take(
    app: &App,
    actor: Actor,
    id: ApplicationId,
    step: RequestStep,
    signature: Vec<u8>,
) -> Result<Json<RequestShape>, Problem> {
    let door = app.door.clone();
    let taken = app.to_its_end(async move { door.step_request(&actor, &id, step, signature).await });
    Ok(Json(taken.await?.into()))
}

fn asked(fields: &Fields) -> Result<NewRequest, Problem> {
    Ok(NewRequest {
        authority: authority("authority", fields.required("authority")?)?,
        profile: profile(fields.required("profile")?)?,
        csr: csr(fields.required("csr")?)?,
        subject: fields.list("subject")?.map(subject).transpose()?,
        not_after: fields.moment("not_after")?,
        encryption_profile: fields.text("encryption_profile")?.map(profile).transpose()?,
        evidence_sm3: octets_of("evidence_sm3", fields.required("evidence_sm3")?)?,
    })
}

pub(crate) fn octets_of(name: &str, text: &str) -> Result<[u8; 32], Problem> {
    hexadecimal(text).ok_or_else(|| malformed(name, "32 octets: 64 hexadecimal digits"))
}

/// The signature of a step.
pub(crate) fn signature(fields: &Fields) -> Result<Vec<u8>, Problem> {
    let octets = STANDARD.decode(fields.required("signature")?).ok();
    let octets = octets.filter(|octets| (1..=MOST_SIGNATURE).contains(&octets.len()));
    octets.ok_or_else(|| malformed("signature", "a signature in base64"))
}

/// The step whose octets are asked for.
pub(crate) fn step(fields: &Fields) -> Result<RequestStep, Problem> {
    let step = match fields.required("step")? {
        "check" => RequestStep::Check,
        "approve" => RequestStep::Approve,
        "refuse" => refusal(fields)?,
        "withdraw" => withdrawal(fields)?,
        _ => return Err(malformed("step", "check, approve, refuse or withdraw")),
    };
    let has_reason = matches!(step, RequestStep::Refuse { .. } | RequestStep::Withdraw { .. });
    if !has_reason && fields.text("reason")?.is_some() {
        return Err(malformed("reason", "left out of this step"));
    }
    if !matches!(step, RequestStep::Refuse { .. }) && fields.text("explanation")?.is_some() {
        return Err(malformed("explanation", "left out of this step"));
    }
    Ok(step)
}

pub(crate) fn refusal(fields: &Fields) -> Result<RequestStep, Problem> {
    let wrong = || malformed("reason", "evidence-insufficient, profile-violated, not-entitled or key-refused");
    let reason = RefusalReason::from_name(fields.required("reason")?);
    let reason = reason.filter(|reason| *reason != RefusalReason::Lapsed).ok_or_else(wrong)?;
    let explanation = fields.text("explanation")?.unwrap_or_default();
    if explanation.len() > MOST_EXPLANATION {
        return Err(malformed("explanation", &format!("a text of at most {MOST_EXPLANATION} octets")));
    }
    Ok(RequestStep::Refuse { reason, explanation: explanation.to_owned() })
}

pub(crate) fn withdrawal(fields: &Fields) -> Result<RequestStep, Problem> {
    let reason = WithdrawalReason::from_name(fields.required("reason")?);
    let reason = reason.ok_or_else(|| malformed("reason", "mistaken, not-needed or replaced"))?;
    Ok(RequestStep::Withdraw { reason })
}

/// The request in a path.
fn name(path: Result<Path<String>, PathRejection>) -> Result<ApplicationId, Problem> {
    let wrong =
        || Problem::new(Code::IdentifierMalformed, "A request is named by 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'.");
    let Path(text) = path.map_err(|_| wrong())?;
    ApplicationId::parse(&text).map_err(|_| wrong())
}
