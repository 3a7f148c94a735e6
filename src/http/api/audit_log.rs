//! The audit log as everybody may read it (C2SP tlog-tiles), proofs of its events, and the search of auditors.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::clock::Timestamp;
use crate::base::id::CallerId;
use crate::domain::audit::{self, LoggedEvent};
use crate::http::App;
use crate::http::api::certificates::number;
use crate::http::api::form::malformed;
use crate::http::api::json::{hexadecimal, moment};
use crate::http::api::{FileShape, ProblemShape};
use crate::http::problem::{Code, Problem};
use crate::service::audit_log::desk::{EventQuery, LogAnswer, LogFile, LogRequest};
use crate::service::audit_log::{EventProof, SignedStatement};
use crate::service::door::Actor;
use crate::service::inventory::hexadecimal as hex;

const TEXT: &str = "text/plain; charset=utf-8";
const OCTETS: &str = "application/octet-stream";
/// A checkpoint is young: nobody keeps it for longer than the next one takes.
const CHANGES: &str = "max-age=1, public, must-revalidate";
/// A tile of that width never changes.
const STAYS: &str = "max-age=31536000, public, immutable";

/// A proof that an event is a leaf of the log.
#[derive(Serialize, ToSchema)]
#[schema(as = LogProof)]
pub(crate) struct ProofShape {
    /// The index of its leaf.
    index: u64,
    /// The event, as far as it can be told in words.
    event: EventShape,
    /// The event in its canonical encoding, base64 (`docs/formats/audit-leaf.md`).
    encoded: String,
    /// The salt of its commitment, base64.
    salt: String,
    /// The proof in the tree of SM3 (C2SP tlog-proof): what `yinxin verify --evidence` reads.
    sm3: String,
    /// The same in the tree of SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// The proof in the tree of SM3 under an earlier checkpoint with the cosignatures of witnesses, where one stays: it proves when.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
}

/// What the service says, signed: the log knows no event of a thing. No tree proves it.
#[derive(Serialize, ToSchema)]
#[schema(as = LogStatement)]
pub(crate) struct StatementShape {
    /// SM3 of the thing, hex.
    sm3: String,
    /// The leaves that were looked at: those of the newest checkpoint.
    size: u64,
    /// When, RFC 3339.
    at: String,
    /// The signed note (`docs/formats/audit-notes.md`).
    note: String,
}

/// Proofs, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = LogProofs)]
pub(crate) struct ProofsShape {
    /// They.
    proofs: Vec<ProofShape>,
}

/// An event.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct EventShape {
    /// Its number, which is the index of its leaf.
    number: u64,
    /// When, RFC 3339.
    at: String,
    /// Its class; `class-` and its number where only a newer program knows it.
    class: String,
    /// `caller`, `operator` or `anonymous`; `unknown` where only a newer program can tell.
    actor: &'static str,
    /// The caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<String>,
    /// In which roles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<&'static str>,
    /// The request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// The fields of its class; of one that only a newer program knows `encoded`, all its octets in hex.
    fields: Vec<FieldShape>,
}

/// A field of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEventField)]
pub(crate) struct FieldShape {
    /// Its name.
    name: &'static str,
    /// Its value; octets in hex.
    value: String,
}

/// Events that were found.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvents)]
pub(crate) struct EventsShape {
    /// Oldest first.
    events: Vec<EventShape>,
    /// From which number on to go on, where there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Of which thing.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThingQuery {
    /// SM3 of a certificate, seal, signature, sealed document, time-stamp token or signed report of ours, hex.
    sm3: String,
}

/// Which events.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchQuery {
    /// From that number on.
    from: Option<String>,
    /// Of that class, such as `seal-issued`.
    class: Option<String>,
    /// By that caller.
    actor: Option<String>,
    /// Not before that moment, RFC 3339.
    since: Option<String>,
    /// Before that moment, RFC 3339.
    until: Option<String>,
    /// With a field of exactly that value: the name of a seal, a key, a job, or a hash in hex.
    noun: Option<String>,
}

/// A file of the log: `checkpoint`, `tile/LEVEL/INDEX`, `tile/entries/INDEX`, all below `sm3/` or `sha256/` too; `keys`.
#[utoipa::path(
    get, path = "/log/{*path}", operation_id = "log_file", tag = "audit log",
    params(("*path" = String, Path, description = "The path (C2SP tlog-tiles)")),
    responses(
        (status = 200, description = "The file", content((String = "text/plain"), (FileShape = "application/octet-stream"))),
        (status = "4XX", description = "There is none", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn file(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(path) =
        path.map_err(|_| Problem::new(Code::IdentifierMalformed, "Such a path has no file of the log."))?;
    match app.door.audit_log(&actor, LogRequest::File { path }).await? {
        LogAnswer::File(LogFile { octets, is_text, is_fixed }) => {
            let kind = if is_text { TEXT } else { OCTETS };
            let keep = if is_fixed { STAYS } else { CHANGES };
            Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], Body::from(octets)).into_response())
        }
        _ => Err(no_such_answer()),
    }
}

/// Proofs for whoever holds a thing of ours: that the log has it.
#[utoipa::path(
    get, path = "/api/v1/log/proofs", operation_id = "log_proofs", tag = "audit log",
    params(ThingQuery),
    responses(
        (status = 200, description = "The proofs; none where the log knows of no such thing", body = ProofsShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn proofs(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    query: Result<Query<ThingQuery>, QueryRejection>,
) -> Result<Json<ProofsShape>, Problem> {
    let thing = thing(query)?;
    proven(&app, &actor, LogRequest::ProofsOf { thing }).await
}

/// The statement that the log knows no event of a thing: what the service says, not something that the tree proves.
#[utoipa::path(
    get, path = "/api/v1/log/statements", operation_id = "log_statement", tag = "audit log",
    params(ThingQuery),
    responses(
        (status = 200, description = "The statement", body = StatementShape),
        (status = 409, description = "An event is known: ask for its proofs", body = ProblemShape, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn statement(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    query: Result<Query<ThingQuery>, QueryRejection>,
) -> Result<Json<StatementShape>, Problem> {
    let thing = thing(query)?;
    match app.door.audit_log(&actor, LogRequest::Statement { thing }).await? {
        LogAnswer::Statement(SignedStatement { statement, note }) => Ok(Json(StatementShape {
            sm3: hex(&statement.thing),
            size: statement.size,
            at: Timestamp::to_string(&statement.at),
            note,
        })),
        _ => Err(no_such_answer()),
    }
}

fn thing(query: Result<Query<ThingQuery>, QueryRejection>) -> Result<[u8; 32], Problem> {
    let Query(query) = query.map_err(|_| Problem::new(Code::QueryMalformed, "Needed is sm3, once."))?;
    hexadecimal(&query.sm3).ok_or_else(|| malformed("sm3", "an SM3: 64 hexadecimal digits"))
}

/// The proof of an event, for whoever did what it says, and for auditors.
#[utoipa::path(
    get, path = "/api/v1/log/events/{number}/proof", operation_id = "log_event_proof", tag = "audit log",
    params(("number" = String, Path, description = "The event's number")),
    responses(
        (status = 200, description = "The proof", body = ProofsShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn event_proof(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<ProofsShape>, Problem> {
    let wrong = || Problem::new(Code::IdentifierMalformed, "An event is named by its number.");
    let Path(text) = path.map_err(|_| wrong())?;
    let index = text.parse::<u64>().ok().filter(|index| index.to_string() == text).ok_or_else(wrong)?;
    proven(&app, &actor, LogRequest::Proof { index }).await
}

/// Events, oldest first, for auditors.
#[utoipa::path(
    get, path = "/api/v1/log/events", operation_id = "search_events", tag = "audit log",
    params(SearchQuery),
    responses(
        (status = 200, description = "A page", body = EventsShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Json<EventsShape>, Problem> {
    const KNOWN: &str = "Known are from, class, actor, since, until and noun, each once.";
    let Query(query) = query.map_err(|_| Problem::new(Code::QueryMalformed, KNOWN))?;
    let class = query
        .class
        .map(|name| LoggedEvent::class_named(&name).ok_or_else(|| malformed("class", "the name of a class of events")));
    let by = query.actor.map(|name| CallerId::parse(&name).map_err(|_| malformed("actor", "the name of a caller")));
    let at = |name, text: Option<String>| text.map(|text| moment(name, &text)).transpose();
    let noun = query.noun.map(|text| match text.chars().count() {
        1..=256 => Ok(text),
        _ => Err(malformed("noun", "1 to 256 characters")),
    });
    let from = number("from", query.from.as_deref(), (0, i64::MAX))?.unwrap_or(0);
    let query = EventQuery {
        from: u64::try_from(from).unwrap_or(0),
        class: class.transpose()?,
        actor: by.transpose()?,
        since: at("since", query.since)?,
        until: at("until", query.until)?,
        noun: noun.transpose()?,
    };
    match app.door.audit_log(&actor, LogRequest::Search(query)).await? {
        LogAnswer::Events(page) => {
            let events = page.events.iter().map(|(number, event)| shape(*number, event)).collect();
            Ok(Json(EventsShape { events, next: page.next }))
        }
        _ => Err(no_such_answer()),
    }
}

async fn proven(app: &App, actor: &Actor, request: LogRequest) -> Result<Json<ProofsShape>, Problem> {
    match app.door.audit_log(actor, request).await? {
        LogAnswer::Proofs(proofs) => {
            let proofs = proofs.into_iter().map(proof).collect::<Result<Vec<_>, _>>()?;
            Ok(Json(ProofsShape { proofs }))
        }
        _ => Err(no_such_answer()),
    }
}

fn proof(proof: EventProof) -> Result<ProofShape, Problem> {
    let event = proof.read().map_err(|error| Problem::internal(&error))?;
    Ok(ProofShape {
        index: proof.index,
        event: shape(proof.index, &event),
        encoded: STANDARD.encode(&proof.event),
        salt: STANDARD.encode(proof.salt),
        sm3: proof.sm3,
        sha256: proof.sha256,
        seen: proof.seen,
    })
}

fn shape(number: u64, event: &LoggedEvent) -> EventShape {
    let (actor, caller, roles) = match event.actor() {
        Some(audit::Actor::Caller { id, roles }) => {
            ("caller", Some(id.to_string()), roles.iter().map(|role| role.name()).collect())
        }
        Some(audit::Actor::Operator) => ("operator", None, Vec::new()),
        Some(audit::Actor::Anonymous) => ("anonymous", None, Vec::new()),
        None => ("unknown", None, Vec::new()),
    };
    let fields = event.fields().into_iter().map(|(name, value)| FieldShape { name, value });
    EventShape {
        number,
        at: Timestamp::to_string(&event.at()),
        class: event.class_name().into_owned(),
        actor,
        caller,
        roles,
        request: event.request().map(ToString::to_string),
        fields: fields.collect(),
    }
}

fn no_such_answer() -> Problem {
    Problem::new(Code::Internal, "The request was not served. The log has the cause.")
}
