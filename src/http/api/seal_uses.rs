//! Authority to use seals: given by a seal's keeper, listed, withdrawn; single uses approved. The keeper is the caller.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::id::{AuthorisationId, CallerId, SealId};
use crate::domain::seal::authority::{Authorisation, UseTerms};
use crate::http::App;
use crate::http::api::ProblemShape;
use crate::http::api::application_shapes::DraftedShape;
use crate::http::api::certificate_requests::{octets_of, signature};
use crate::http::api::certificates::number;
use crate::http::api::form::{malformed, missing};
use crate::http::api::json::{Fields, Tree};
use crate::http::api::seal_life::unforeseen;
use crate::http::api::seals::seal_id;
use crate::http::problem::{Code, Problem};
use crate::service::door::Actor;
use crate::service::inventory::hexadecimal as hex;
use crate::service::seal_desk::{SealAnswer, SealRequest, UseRequest};
use crate::service::seal_uses::{MOST_LISTED, WantedApproval};

/// Authorisations of a page where nothing is told.
const USUAL_LIMIT: i64 = 100;

/// What the keeper authorises.
#[derive(ToSchema)]
#[schema(as = UseTermsDraft)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct TermsShape {
    /// Who may use the seal: a registered caller with the role seal-user.
    user: String,
    /// For which items (事项), by their codes; any where nothing is told.
    items: Option<Vec<String>>,
    /// For which kinds of document, by their codes; any where nothing is told.
    document_kinds: Option<Vec<String>>,
    /// From when on, RFC 3339.
    from: String,
    /// Until when, not with that moment, RFC 3339.
    until: String,
    /// So many uses at most.
    most_uses: Option<u32>,
    /// The highest amount of one use, in fen.
    most_amount: Option<u64>,
    /// The highest sum of all uses, in fen.
    most_sum: Option<u64>,
    /// The keeper approves each use.
    each_approved: Option<bool>,
    /// A second factor is presented with each use.
    second_factor: Option<bool>,
}

/// What the keeper authorises, signed: the fields of the draft as they were, and two more.
#[derive(ToSchema)]
#[schema(as = UseTermsSigned)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct SignedTermsShape {
    /// As in the draft.
    user: String,
    /// As in the draft.
    items: Option<Vec<String>>,
    /// As in the draft.
    document_kinds: Option<Vec<String>>,
    /// As in the draft.
    from: String,
    /// As in the draft.
    until: String,
    /// As in the draft.
    most_uses: Option<u32>,
    /// As in the draft.
    most_amount: Option<u64>,
    /// As in the draft.
    most_sum: Option<u64>,
    /// As in the draft.
    each_approved: Option<bool>,
    /// As in the draft.
    second_factor: Option<bool>,
    /// What the answer to the draft said.
    nonce: String,
    /// The caller's signature over `to_sign` of that answer, base64: DER, or r and s of 32 octets each.
    signature: String,
}

/// One use that the keeper is asked to approve.
#[derive(ToSchema)]
#[schema(as = UseApprovalDraft)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct WantedShape {
    /// SM3 of the document as it will be handed in, hex.
    document_sm3: String,
    /// The amount that the document is about, in fen.
    amount: Option<u64>,
}

/// The same, signed.
#[derive(ToSchema)]
#[schema(as = UseApprovalSigned)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct SignedWantedShape {
    /// As in the draft.
    document_sm3: String,
    /// As in the draft.
    amount: Option<u64>,
    /// What the answer to the draft said.
    nonce: String,
    /// The caller's signature over `to_sign` of that answer, base64: DER, or r and s of 32 octets each.
    signature: String,
}

/// An authorisation as it stands now. Times are RFC 3339, amounts in fen.
#[derive(Serialize, ToSchema)]
#[schema(as = UseAuthorisation)]
pub(crate) struct AuthorisationShape {
    /// Its name here.
    id: String,
    /// The seal.
    seal: String,
    /// Who may use it.
    user: String,
    /// For which items; any where there is none.
    items: Vec<String>,
    /// For which kinds of document; any where there is none.
    document_kinds: Vec<String>,
    /// From when on.
    from: String,
    /// Until when, not with that moment.
    until: String,
    /// So many uses at most.
    most_uses: Option<u32>,
    /// The highest amount of one use.
    most_amount: Option<u64>,
    /// The highest sum of all uses.
    most_sum: Option<u64>,
    /// The keeper approves each use.
    each_approved: bool,
    /// A second factor is presented with each use.
    second_factor: bool,
    /// Its own random number, hex.
    nonce: String,
    /// The keeper who gave it.
    keeper: String,
    /// When.
    given_at: String,
    /// When it was withdrawn.
    withdrawn_at: Option<String>,
    /// How many uses count.
    uses: u32,
    /// The sum of their amounts.
    sum: u64,
}

impl From<Authorisation> for AuthorisationShape {
    fn from(one: Authorisation) -> Self {
        let terms = one.terms;
        Self {
            id: one.id.to_string(),
            seal: terms.seal.to_string(),
            user: terms.user.to_string(),
            items: terms.items,
            document_kinds: terms.document_kinds,
            from: terms.from.to_string(),
            until: terms.until.to_string(),
            most_uses: terms.most_uses,
            most_amount: terms.most_amount,
            most_sum: terms.most_sum,
            each_approved: terms.each_approved,
            second_factor: terms.second_factor,
            nonce: hex(&terms.nonce),
            keeper: one.given.hand.officer.to_string(),
            given_at: one.given.at.to_string(),
            withdrawn_at: one.withdrawn_at.map(|at| at.to_string()),
            uses: one.used.uses,
            sum: one.used.sum,
        }
    }
}

/// A page of authorisations.
#[derive(Serialize, ToSchema)]
#[schema(as = UseAuthorisationPage)]
pub(crate) struct PageShape {
    /// By their names.
    authorisations: Vec<AuthorisationShape>,
    /// What the query for the next page gives as `after`; null on the last one.
    next: Option<String>,
}

/// How many were withdrawn.
#[derive(Serialize, ToSchema)]
#[schema(as = UsesWithdrawn)]
pub(crate) struct WithdrawnShape {
    /// So many.
    withdrawn: u64,
}

/// An approved use.
#[derive(Serialize, ToSchema)]
#[schema(as = UseApproval)]
pub(crate) struct ApprovalShape {
    /// Under which authorisation.
    authorisation: String,
    /// Its own random number, hex: the ledger names it.
    nonce: String,
    /// SM3 of the document, hex.
    document_sm3: String,
    /// The amount, in fen.
    amount: Option<u64>,
    /// When it was given, RFC 3339.
    given_at: String,
}

/// Which authorisations.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Behind this one.
    after: Option<String>,
    /// At most so many: 1 to 500, 100 where nothing is told.
    limit: Option<String>,
}

/// The fields of terms.
const TERMS: [&str; 10] = [
    "user",
    "items",
    "document_kinds",
    "from",
    "until",
    "most_uses",
    "most_amount",
    "most_sum",
    "each_approved",
    "second_factor",
];

/// Judges what the keeper wants to authorise, and gives the octets that the keeper signs. Nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/authorisations/draft", operation_id = "draft_use_authorisation", tag = "seal uses",
    params(("id" = String, Path, description = "Names the seal here")),
    request_body(content = TermsShape, content_type = "application/json"),
    responses(
        (status = 200, description = "What to sign", body = DraftedShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn draft(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<DraftedShape>, Problem> {
    let seal = seal_id(id)?;
    let fields = Fields::read(request, &TERMS).await?;
    let terms = Box::new(terms(&fields, seal, [0; 32])?);
    drafted(app.door.seal_desk(&actor, SealRequest::Use(UseRequest::Draft(terms))).await?)
}

/// Authorises somebody to use the seal, as its keeper signed it.
///
/// The same again, with its nonce, is the same authorisation. Another one with that nonce is refused.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/authorisations", operation_id = "authorise_use", tag = "seal uses",
    params(("id" = String, Path, description = "Names the seal here")),
    request_body(content = SignedTermsShape, content_type = "application/json"),
    responses(
        (status = 201, description = "The authorisation", body = AuthorisationShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn authorise(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let seal = seal_id(id)?;
    let fields = Fields::read(request, &[&TERMS[..], &["nonce", "signature"]].concat()).await?;
    let nonce = octets_of("nonce", fields.required("nonce")?)?;
    let given = UseRequest::Authorise(Box::new(terms(&fields, seal, nonce)?), signature(&fields)?);
    let shape = told(acted(&app, actor, given).await?)?;
    Ok((StatusCode::CREATED, shape).into_response())
}

/// The authorisations of the seal, withdrawn ones too: for its keeper and officers of its holder's division.
#[utoipa::path(
    get, path = "/api/v1/seals/{id}/authorisations", operation_id = "list_use_authorisations", tag = "seal uses",
    params(("id" = String, Path, description = "Names the seal here"), ListQuery),
    responses(
        (status = 200, description = "A page", body = PageShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<PageShape>, Problem> {
    let seal = seal_id(id)?;
    let misread = |_| Problem::new(Code::QueryMalformed, "Known are after and limit, each once.");
    let Query(query) = query.map_err(misread)?;
    let after =
        |text: String| AuthorisationId::parse(&text).map_err(|_| malformed("after", "the name of an authorisation"));
    let limit = number("limit", query.limit.as_deref(), (1, MOST_LISTED))?.unwrap_or(USUAL_LIMIT);
    let list = UseRequest::List(seal, query.after.map(after).transpose()?, limit);
    match app.door.seal_desk(&actor, SealRequest::Use(list)).await? {
        SealAnswer::Authorisations(found, next) => {
            let authorisations = found.into_iter().map(AuthorisationShape::from).collect();
            Ok(Json(PageShape { authorisations, next: next.map(|id| id.to_string()) }))
        }
        _ => Err(unforeseen()),
    }
}

/// Withdraws an authorisation, as the keeper or an officer of the holder's division: it holds at once. One that is withdrawn
/// stays so.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/authorisations/{authorisation}/withdrawal",
    operation_id = "withdraw_use_authorisation", tag = "seal uses",
    params(
        ("id" = String, Path, description = "Names the seal here"),
        ("authorisation" = String, Path, description = "Names the authorisation here"),
    ),
    responses(
        (status = 200, description = "The authorisation", body = AuthorisationShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn withdraw(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<AuthorisationShape>, Problem> {
    let (seal, id) = both(path)?;
    told(acted(&app, actor, UseRequest::Withdraw(seal, id)).await?)
}

/// Withdraws all authorisations of the seal, as the keeper or an officer of the holder's division: it holds at once.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/authorisations/withdrawal",
    operation_id = "withdraw_use_authorisations", tag = "seal uses",
    params(("id" = String, Path, description = "Names the seal here")),
    responses(
        (status = 200, description = "How many", body = WithdrawnShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn withdraw_all(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<WithdrawnShape>, Problem> {
    match acted(&app, actor, UseRequest::WithdrawAll(seal_id(id)?)).await? {
        SealAnswer::Withdrawn(withdrawn) => Ok(Json(WithdrawnShape { withdrawn })),
        _ => Err(unforeseen()),
    }
}

/// The octets that the keeper signs to approve one use. Nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/authorisations/{authorisation}/approvals/draft",
    operation_id = "draft_use_approval", tag = "seal uses",
    params(
        ("id" = String, Path, description = "Names the seal here"),
        ("authorisation" = String, Path, description = "Names the authorisation here"),
    ),
    request_body(content = WantedShape, content_type = "application/json"),
    responses(
        (status = 200, description = "What to sign", body = DraftedShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn draft_approval(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Json<DraftedShape>, Problem> {
    let (seal, id) = both(path)?;
    let fields = Fields::read(request, &["document_sm3", "amount"]).await?;
    let wanted = wanted(&fields, id, [0; 32])?;
    drafted(app.door.seal_desk(&actor, SealRequest::Use(UseRequest::DraftApproval(seal, wanted))).await?)
}

/// Approves one use, as the keeper signed it.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/authorisations/{authorisation}/approvals",
    operation_id = "approve_use", tag = "seal uses",
    params(
        ("id" = String, Path, description = "Names the seal here"),
        ("authorisation" = String, Path, description = "Names the authorisation here"),
    ),
    request_body(content = SignedWantedShape, content_type = "application/json"),
    responses(
        (status = 201, description = "The approved use", body = ApprovalShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let (seal, id) = both(path)?;
    let fields = Fields::read(request, &["document_sm3", "amount", "nonce", "signature"]).await?;
    let nonce = octets_of("nonce", fields.required("nonce")?)?;
    let approve = UseRequest::Approve(seal, wanted(&fields, id, nonce)?, signature(&fields)?);
    match acted(&app, actor, approve).await? {
        SealAnswer::Approval(approval) => {
            let shape = ApprovalShape {
                authorisation: approval.authorisation.to_string(),
                nonce: hex(&approval.nonce),
                document_sm3: hex(&approval.document_sm3),
                amount: approval.amount,
                given_at: approval.given.at.to_string(),
            };
            Ok((StatusCode::CREATED, Json(shape)).into_response())
        }
        _ => Err(unforeseen()),
    }
}

async fn acted(app: &App, actor: Actor, request: UseRequest) -> Result<SealAnswer, Problem> {
    let door = app.door.clone();
    app.to_its_end(async move { door.seal_desk(&actor, SealRequest::Use(request)).await }).await
}

fn told(answer: SealAnswer) -> Result<Json<AuthorisationShape>, Problem> {
    match answer {
        SealAnswer::Authorisation(one) => Ok(Json(AuthorisationShape::from(*one))),
        _ => Err(unforeseen()),
    }
}

fn drafted(answer: SealAnswer) -> Result<Json<DraftedShape>, Problem> {
    match answer {
        SealAnswer::Drafted { nonce, to_sign } => Ok(Json(DraftedShape::of(&nonce, &to_sign))),
        _ => Err(unforeseen()),
    }
}

fn terms(fields: &Fields, seal: SealId, nonce: [u8; 32]) -> Result<UseTerms, Problem> {
    let codes = |name: &'static str| {
        let one = |tree: &Tree| match tree {
            Tree::Text(text) => Ok(text.clone()),
            _ => Err(malformed(name, "a list of codes")),
        };
        fields.list(name)?.unwrap_or_default().iter().map(one).collect::<Result<Vec<_>, _>>()
    };
    let moment = |name| fields.moment(name)?.ok_or_else(|| missing(name));
    Ok(UseTerms {
        nonce,
        seal,
        user: CallerId::parse(fields.required("user")?).map_err(|_| malformed("user", "the name of a caller"))?,
        items: codes("items")?,
        document_kinds: codes("document_kinds")?,
        from: moment("from")?,
        until: moment("until")?,
        most_uses: fields.number("most_uses")?,
        most_amount: fields.amount("most_amount")?,
        most_sum: fields.amount("most_sum")?,
        each_approved: fields.truth("each_approved")?,
        second_factor: fields.truth("second_factor")?,
    })
}

fn wanted(fields: &Fields, authorisation: AuthorisationId, nonce: [u8; 32]) -> Result<WantedApproval, Problem> {
    let document_sm3 = octets_of("document_sm3", fields.required("document_sm3")?)?;
    Ok(WantedApproval { authorisation, nonce, document_sm3, amount: fields.amount("amount")? })
}

/// The seal and the authorisation in a path.
fn both(path: Result<Path<(String, String)>, PathRejection>) -> Result<(SealId, AuthorisationId), Problem> {
    let wrong = || {
        let detail = "Seals and authorisations are named by 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'.";
        Problem::new(Code::IdentifierMalformed, detail)
    };
    let Path((seal, id)) = path.map_err(|_| wrong())?;
    Ok((SealId::parse(&seal).map_err(|_| wrong())?, AuthorisationId::parse(&id).map_err(|_| wrong())?))
}
