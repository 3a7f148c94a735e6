//! A seal's status, and sealing an uploaded file with it.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::clock::Timestamp;
use crate::base::id::{RequestId, SealId};
use crate::domain::seal::authority::is_name;
use crate::domain::seal::confirmation::UseConfirmation;
use crate::http::App;
use crate::http::api::form::{Form, malformed};
use crate::http::api::json::hexadecimal;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::guard::IdempotencyKey;
use crate::http::places::UploadPlace;
use crate::http::problem::{Code, Problem};
use crate::service::door::{Actor, SealStatus, SignDocument, SignedDocument};
use crate::service::seal_uses::{SecondFactor, UsePurpose};

/// Names the act of signing in the answer.
const SIGNATURE_ID: &str = "yinxin-signature-id";

/// How a seal stands. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = SealStatus)]
pub(crate) struct SealStatusShape {
    /// Names the seal here.
    id: String,
    /// The seal's number in the world: `esID` (GB/T 38540 6.2).
    es_id: String,
    /// The seal's name.
    name: String,
    /// Its state, such as `active`.
    state: &'static str,
    /// Since when it is in that state.
    since: String,
    /// Start of its validity.
    valid_from: String,
    /// End of its validity.
    valid_to: String,
    /// SM3 of its signer's certificate, hex.
    certificate_sm3: String,
}

impl From<SealStatus> for SealStatusShape {
    fn from(status: SealStatus) -> Self {
        Self {
            id: status.id.to_string(),
            es_id: status.es_id,
            name: status.name,
            state: status.state,
            since: status.since.to_string(),
            valid_from: status.valid_from.to_string(),
            valid_to: status.valid_to.to_string(),
            certificate_sm3: status.certificate_sm3,
        }
    }
}

/// A file to seal.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what Form reads")]
pub(crate) struct SignatureForm {
    /// The OFD file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The page that bears the stamp; the first is 1. With `x` and `y`, or `place` instead of all three.
    page: Option<u32>,
    /// The stamp's left edge, in mm from the page's left edge.
    x: Option<f64>,
    /// The stamp's upper edge, in mm from the page's upper edge.
    y: Option<f64>,
    /// Where stamps go, up to 16 times: `at pages=1,3-last x=124 y=211.5`, `seam edge=right`, `keyword which=last text=（盖章）` or
    /// `field name=盖章处`; docs/signing.md has all of it.
    #[schema(max_items = 16)]
    place: Option<Vec<String>>,
    /// Protect Signatures.xml too, so that no further signature can be added.
    lock: Option<bool>,
    /// The item (事项) that the seal is used for, by its code: 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'.
    item: Option<String>,
    /// The kind of the document, a code as of an item.
    #[schema(rename = "document-kind")]
    document_kind: Option<String>,
    /// The amount that the document is about, in fen.
    amount: Option<u64>,
    /// A second factor: `NONCE;TIME;SIGNATURE`, 64 hex digits, RFC 3339 and base64, where SIGNATURE is the caller's registered
    /// key's over the octets that docs/seal-uses.md says. It counts once, for this use, within 5 minutes.
    confirmation: Option<String>,
}

/// A sealed file, for those who ask for JSON.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedDocument)]
pub(crate) struct SignedDocumentShape {
    /// Names the act of signing.
    signature: String,
    /// The time that the signature claims, RFC 3339.
    signed_at: String,
    /// SM3 of the file, hex.
    document_sm3: String,
    /// The sealed file, base64.
    document: String,
}

/// How a seal stands now.
#[utoipa::path(
    get, path = "/api/v1/seals/{id}", operation_id = "seal_status", tag = "seals",
    params(("id" = String, Path, description = "Names the seal here")),
    responses(
        (status = 200, description = "The status", body = SealStatusShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn status(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<SealStatusShape>, Problem> {
    let status = app.door.seal_status(&actor, seal_id(id)?).await?;
    Ok(Json(status.into()))
}

/// Seals an OFD file. Answers with the sealed file, or with JSON when only that is accepted.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/signatures", tag = "seals",
    params(
        ("id" = String, Path, description = "Names the seal here"),
        ("Idempotency-Key" = String, Header, description = "1 to 64 visible ASCII characters; repeat it with a repeated request"),
    ),
    request_body(content = SignatureForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The sealed file", content(
            (FileShape = "application/ofd"),
            (SignedDocumentShape = "application/json"),
        ), headers(
            ("Yinxin-Signature-Id" = String, description = "Names the act of signing"),
            ("Content-Digest" = String, description = "RFC 9530, sha-256"),
        )),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn sign(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(place): Extension<UploadPlace>,
    Extension(IdempotencyKey(idempotency_key)): Extension<IdempotencyKey>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let seal = seal_id(id)?;
    let as_json = wants_json(request.headers());
    let document = order(&app, request, (idempotency_key, actor.request_id.clone())).await?;
    let door = app.door.clone();
    let signed = app.to_its_end(async move {
        let _place = place;
        door.sign_with_seal(&actor, seal, document).await
    });
    Ok(signed_answer(signed.await?, as_json))
}

/// What is to be sealed, as the form says.
pub(super) async fn order(
    app: &Arc<App>,
    request: Request,
    (idempotency_key, request_id): (String, RequestId),
) -> Result<SignDocument, Problem> {
    let known = ["page", "x", "y", "place", "lock", "item", "document-kind", "amount", "confirmation"];
    let form = Form::read(app, request, &known).await?;
    let lock = match form.optional("lock") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(malformed("lock", "true or false")),
    };
    Ok(SignDocument {
        plan: form.plan(lock)?,
        idempotency_key,
        request_id,
        purpose: purpose(&form)?,
        file_name: form.file_name,
        document: form.file,
    })
}

/// What the seal is used for, as the form says.
fn purpose(form: &Form) -> Result<UsePurpose, Problem> {
    let code = |name| match form.optional(name) {
        Some(text) if !is_name(text) => Err(malformed(name, "a code of 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'")),
        text => Ok(text.map(str::to_owned)),
    };
    let amount =
        form.optional("amount").map(|text| plain_number(text).ok_or_else(|| malformed("amount", "fen in digits")));
    let factor = form.optional("confirmation").map(|text| {
        confirmation(text).ok_or_else(|| malformed("confirmation", "NONCE;TIME;SIGNATURE in hex, RFC 3339 and base64"))
    });
    Ok(UsePurpose {
        item: code("item")?,
        document_kind: code("document-kind")?,
        amount: amount.transpose()?,
        second_factor: factor.transpose()?.map(SecondFactor::RegisteredKey),
    })
}

/// Digits alone, no sign.
fn plain_number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn confirmation(text: &str) -> Option<UseConfirmation> {
    let mut parts = text.split(';');
    let (nonce, at, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.is_empty() {
        return None;
    }
    Some(UseConfirmation {
        nonce: hexadecimal(nonce)?,
        at: Timestamp::parse_rfc3339(at).ok()?,
        signature: STANDARD.decode(signature).ok()?,
    })
}

pub(super) fn signed_answer(signed: SignedDocument, as_json: bool) -> Response {
    let signature = signed.signature.to_string();
    if as_json {
        let shape = SignedDocumentShape {
            signature: signature.clone(),
            signed_at: signed.signed_at.to_string(),
            document_sm3: signed.document_sm3,
            document: STANDARD.encode(&signed.document),
        };
        return ([(SIGNATURE_ID, signature)], Json(shape)).into_response();
    }
    let sha256 = ring::digest::digest(&ring::digest::SHA256, &signed.document);
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/ofd".to_owned()),
        (SIGNATURE_ID, signature),
        ("content-digest", format!("sha-256=:{}:", STANDARD.encode(sha256))),
    ];
    (headers, signed.document).into_response()
}

/// JSON when it is accepted by name and the file's own type is not.
pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let types: Vec<_> = values
        .flat_map(|value| value.split(','))
        .map(|item| item.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect();
    types.iter().any(|t| t == "application/json") && !types.iter().any(|t| t == "application/ofd")
}

/// The seal in a path.
pub(crate) fn seal_id(id: Result<Path<String>, PathRejection>) -> Result<SealId, Problem> {
    let malformed =
        || Problem::new(Code::IdentifierMalformed, "A seal is named by 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'.");
    let Path(id) = id.map_err(|_| malformed())?;
    SealId::parse(&id).map_err(|_| malformed())
}
