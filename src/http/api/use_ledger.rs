//! The use ledger (用印台账): searched page by page, or taken whole as CSV or JSON Lines.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::clock::Timestamp;
use crate::base::csv;
use crate::base::id::{CallerId, SealId, SignatureId};
use crate::domain::seal::authority::is_name;
use crate::http::App;
use crate::http::api::accept::most_welcome;
use crate::http::api::certificates::number;
use crate::http::api::form::malformed;
use crate::http::api::json::moment;
use crate::http::api::lines::{Lines, Page};
use crate::http::api::seal_life::unforeseen;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::problem::{Code, Problem};
use crate::service::door::Actor;
use crate::service::inventory::hexadecimal as hex;
use crate::service::seal_desk::{LedgerEntry, LedgerQuery, SealAnswer, SealRequest, UseRequest};
use crate::service::seal_uses::MOST_LISTED;

/// Lines of a page where nothing is told.
const USUAL_LIMIT: i64 = 100;
/// Where a page ended.
type Place = (Timestamp, SignatureId);

/// In which form the ledger is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Page,
    Lines,
    Csv,
}

const FORMS: [(Form, &str); 3] =
    [(Form::Page, "application/json"), (Form::Lines, "application/jsonl"), (Form::Csv, "text/csv")];

/// One use of a seal. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = LedgerLine)]
pub(crate) struct LineShape {
    /// When it began.
    at: String,
    /// The act of signing.
    signature: String,
    /// The seal.
    seal: String,
    /// Who used it; nobody where somebody at the machine did.
    user: Option<String>,
    /// Under which authorisation.
    authorisation: Option<String>,
    /// Its number among the uses under that authorisation, from 1.
    number: Option<i64>,
    /// The nonce of the keeper's approval that it used, hex.
    approval: Option<String>,
    /// For which item.
    item: Option<String>,
    /// The kind of the document.
    document_kind: Option<String>,
    /// The amount, in fen.
    amount: Option<u64>,
    /// SM3 of the document as it came, hex.
    document_sm3: String,
    /// The kind of the second factor.
    second_factor: Option<String>,
    /// When that was presented.
    second_factor_at: Option<String>,
    /// `intended`, `signed` or `abandoned`.
    outcome: &'static str,
    /// When it ended.
    ended_at: Option<String>,
}

impl From<LedgerEntry> for LineShape {
    fn from(entry: LedgerEntry) -> Self {
        let (authorisation, number) = entry.authorisation.map(|(id, number)| (id.to_string(), number)).unzip();
        let (second_factor, second_factor_at) = entry.factor.map(|(kind, at)| (kind, at.to_string())).unzip();
        Self {
            at: entry.at.to_string(),
            signature: entry.signature.to_string(),
            seal: entry.seal.to_string(),
            user: entry.user.map(|user| user.to_string()),
            authorisation,
            number,
            approval: entry.approval.map(|nonce| hex(&nonce)),
            item: entry.item,
            document_kind: entry.document_kind,
            amount: entry.amount,
            document_sm3: hex(&entry.document_sm3),
            second_factor,
            second_factor_at,
            outcome: entry.outcome.name(),
            ended_at: entry.outcome.ended_at().map(|at| at.to_string()),
        }
    }
}

/// The columns of CSV, as those of `yinxin seal-admin ledger --csv`.
const COLUMNS: [&str; 14] = [
    "at",
    "signature",
    "seal",
    "user",
    "authorisation",
    "number",
    "item",
    "document_kind",
    "amount",
    "document_sm3",
    "second_factor",
    "second_factor_at",
    "outcome",
    "ended_at",
];

impl LineShape {
    fn record(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let fields: [String; 14] = [
            self.at.clone(),
            self.signature.clone(),
            self.seal.clone(),
            text(&self.user),
            text(&self.authorisation),
            self.number.map(|number| number.to_string()).unwrap_or_default(),
            text(&self.item),
            text(&self.document_kind),
            self.amount.map(|amount| amount.to_string()).unwrap_or_default(),
            self.document_sm3.clone(),
            text(&self.second_factor),
            text(&self.second_factor_at),
            self.outcome.to_owned(),
            text(&self.ended_at),
        ];
        csv::record(fields.iter().map(String::as_str))
    }
}

/// Lines of the ledger, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = LedgerPage)]
pub(crate) struct PageShape {
    /// The lines.
    uses: Vec<LineShape>,
    /// What the query for the next page gives as `after`; null on the last one.
    next: Option<String>,
}

/// Which uses.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchQuery {
    /// Of this seal: what its keeper, and officers of its holder's division, must tell.
    seal: Option<String>,
    /// By this caller.
    user: Option<String>,
    /// For this item.
    item: Option<String>,
    /// Of this kind of document.
    document_kind: Option<String>,
    /// Begun then or later, RFC 3339.
    from: Option<String>,
    /// Begun before, RFC 3339.
    until: Option<String>,
    /// `intended`, `signed` or `abandoned`.
    outcome: Option<String>,
    /// What the last page gave as `next`.
    after: Option<String>,
    /// Lines of a page, at most so many: 1 to 500, 100 where nothing is told.
    limit: Option<String>,
}

/// The use ledger, the newest line first: auditors read all of it, a keeper and officers of the holder's division what
/// concerns one seal, everybody else the own uses.
///
/// `Accept: application/jsonl` or `text/csv` gives every line that is found, and takes no `limit`.
#[utoipa::path(
    get, path = "/api/v1/use-ledger", operation_id = "search_use_ledger", tag = "seal uses",
    params(SearchQuery),
    responses(
        (status = 200, description = "A page, or all of it", content(
            (PageShape = "application/json"),
            (FileShape = "application/jsonl"),
            (FileShape = "text/csv"),
        )),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    const KNOWN: &str = "Known are seal, user, item, document_kind, from, until, outcome, after and limit, each once.";
    let Query(asked) = query.map_err(|_| Problem::new(Code::QueryMalformed, KNOWN))?;
    let form = most_welcome(&headers, &FORMS);
    let form = form.ok_or_else(|| Problem::new(Code::NotAcceptable, "JSON, JSON Lines and CSV are there."))?;
    let limit = number("limit", asked.limit.as_deref(), (1, MOST_LISTED))?;
    let query = read(asked)?;
    if form == Form::Page {
        let (found, next) = page(&app, &actor, query, limit.unwrap_or(USUAL_LIMIT)).await?;
        let uses = found.into_iter().map(LineShape::from).collect();
        let next = next.map(|(at, signature)| format!("{at}/{signature}"));
        return Ok(Json(PageShape { uses, next }).into_response());
    }
    if limit.is_some() {
        return Err(malformed("limit", "left out where all lines are asked for"));
    }
    let (kind, opening) = match form {
        Form::Csv => ("text/csv; charset=utf-8", csv::record(COLUMNS).into_bytes()),
        _ => ("application/jsonl", Vec::new()),
    };
    let first = query.after.clone();
    let body = Lines::open(first, opening, move |after| {
        let (app, actor, query) = (Arc::clone(&app), actor.clone(), LedgerQuery { after, ..query.clone() });
        Box::pin(text(app, actor, query, form))
    });
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, "attachment; filename=\"use-ledger\"")];
    Ok((headers, body.await?).into_response())
}

fn read(asked: SearchQuery) -> Result<LedgerQuery, Problem> {
    let code = |name: &'static str, text: Option<String>| match text {
        Some(text) if !is_name(&text) => Err(malformed(name, "a code of 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'")),
        text => Ok(text),
    };
    let outcome = asked.outcome.map(|text| match text.as_str() {
        "intended" | "signed" | "abandoned" => Ok(text),
        _ => Err(malformed("outcome", "intended, signed or abandoned")),
    });
    let seal = asked.seal.map(|text| SealId::parse(&text).map_err(|_| malformed("seal", "the name of a seal")));
    let user = asked.user.map(|text| CallerId::parse(&text).map_err(|_| malformed("user", "the name of a caller")));
    let at = |name, text: Option<String>| text.map(|text| moment(name, &text)).transpose();
    let after = |text: String| place(&text).ok_or_else(|| malformed("after", "what the last page gave as next"));
    Ok(LedgerQuery {
        seal: seal.transpose()?,
        user: user.transpose()?,
        item: code("item", asked.item)?,
        document_kind: code("document_kind", asked.document_kind)?,
        from: at("from", asked.from)?,
        until: at("until", asked.until)?,
        outcome: outcome.transpose()?,
        after: asked.after.map(after).transpose()?,
    })
}

fn place(text: &str) -> Option<Place> {
    let (at, signature) = text.split_once('/')?;
    Some((Timestamp::parse_rfc3339(at).ok()?, SignatureId::parse(signature).ok()?))
}

async fn page(
    app: &App,
    actor: &Actor,
    query: LedgerQuery,
    limit: i64,
) -> Result<(Vec<LedgerEntry>, Option<Place>), Problem> {
    match app.door.seal_desk(actor, SealRequest::Use(UseRequest::Ledger(query, limit))).await? {
        SealAnswer::Ledger(found, next) => Ok((found, next)),
        _ => Err(unforeseen()),
    }
}

/// A page as text, in that form.
async fn text(app: Arc<App>, actor: Actor, query: LedgerQuery, form: Form) -> Result<Page<Option<Place>>, Problem> {
    let (found, next) = page(&app, &actor, query, MOST_LISTED).await?;
    let mut text = Vec::new();
    for line in found.into_iter().map(LineShape::from) {
        if form == Form::Csv {
            text.extend_from_slice(line.record().as_bytes());
        } else {
            serde_json::to_writer(&mut text, &line).map_err(|broken| Problem::internal(&broken))?;
            text.push(b'\n');
        }
    }
    Ok((text, next.map(Some)))
}
