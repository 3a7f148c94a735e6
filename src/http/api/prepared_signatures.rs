//! Seals whose key lies with the client: what the client signs, and the file that its value completes.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::id::SignatureId;
use crate::http::App;
use crate::http::api::form::malformed;
use crate::http::api::json::Fields;
use crate::http::api::seals::{SignatureForm, SignedDocumentShape, order, seal_id, signed_answer, wants_json};
use crate::http::api::{FileShape, ProblemShape};
use crate::http::guard::IdempotencyKey;
use crate::http::places::UploadPlace;
use crate::http::problem::{Code, Problem};
use crate::service::door::Actor;
use crate::service::signing_desk::{SigningAnswer, SigningStep};

/// Octets of a value: RSA with 4096 bits, and DER around smaller ones.
const MOST_VALUE: usize = 1024;

/// What the client signs.
#[derive(Serialize, ToSchema)]
#[schema(as = PreparedSignature)]
pub(crate) struct PreparedSignatureShape {
    /// Names the act of signing.
    signature: String,
    /// The octets to sign (`TBS_Sign`), base64.
    to_sign: String,
    /// How: `sm2-sm3` over the octets with the signer's usual ID, `rsa-pkcs1-sha256` …
    algorithm: &'static str,
    /// Until when a value counts, RFC 3339.
    expires_at: String,
}

/// The client's value.
#[derive(ToSchema)]
#[schema(as = SignatureValue)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct SignatureValueShape {
    /// The value, base64: DER, or of fixed width.
    value: String,
}

fn unexpected() -> Problem {
    Problem::new(Code::Internal, "The step gave another answer.")
}

/// Prepares the sealing of an OFD file with a seal whose key lies with the client: decided, counted and entered in the ledger
/// now. A value that comes within ten minutes completes it; without one the use is given back.
#[utoipa::path(
    post, path = "/api/v1/seals/{id}/signatures/prepared", operation_id = "prepare_signature", tag = "seals",
    params(
        ("id" = String, Path, description = "Names the seal here"),
        ("Idempotency-Key" = String, Header, description = "1 to 64 visible ASCII characters; repeat it with a repeated request"),
    ),
    request_body(content = SignatureForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "What the client signs", body = PreparedSignatureShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn prepare(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(place): Extension<UploadPlace>,
    Extension(IdempotencyKey(idempotency_key)): Extension<IdempotencyKey>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<(StatusCode, Json<PreparedSignatureShape>), Problem> {
    let seal = seal_id(id)?;
    let request = Box::new(order(&app, request, (idempotency_key, actor.request_id.clone())).await?);
    let door = app.door.clone();
    let step = SigningStep::Prepare { seal, request };
    let prepared = app.to_its_end(async move {
        let _place = place;
        door.prepared_signing(&actor, step).await
    });
    let SigningAnswer::Prepared(prepared) = prepared.await? else { return Err(unexpected()) };
    let shape = PreparedSignatureShape {
        signature: prepared.signature.to_string(),
        to_sign: STANDARD.encode(&prepared.to_sign),
        algorithm: prepared.algorithm,
        expires_at: prepared.expires_at.to_string(),
    };
    Ok((StatusCode::CREATED, Json(shape)))
}

/// Completes a prepared sealing by the client's value. Answers with the sealed file, or with JSON when only that is accepted; the
/// same value gets the same file again for a day.
#[utoipa::path(
    post, path = "/api/v1/signatures/{id}/value", operation_id = "complete_signature", tag = "seals",
    params(
        ("id" = String, Path, description = "Names the act of signing"),
        ("Idempotency-Key" = String, Header, description = "1 to 64 visible ASCII characters"),
    ),
    request_body(content = SignatureValueShape, content_type = "application/json"),
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
pub(crate) async fn complete(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let signature = act(id)?;
    let as_json = wants_json(request.headers());
    let fields = Fields::read(request, &["value"]).await?;
    let value = STANDARD.decode(fields.required("value")?).ok();
    let value = value.filter(|octets| (1..=MOST_VALUE).contains(&octets.len()));
    let value = value.ok_or_else(|| malformed("value", "a signature's value in base64"))?;
    let door = app.door.clone();
    let step = SigningStep::Complete { signature, value, request_id: actor.request_id.clone() };
    let signed = app.to_its_end(async move { door.prepared_signing(&actor, step).await });
    let SigningAnswer::Signed(signed) = signed.await? else { return Err(unexpected()) };
    Ok(signed_answer(signed, as_json))
}

fn act(id: Result<Path<String>, PathRejection>) -> Result<SignatureId, Problem> {
    let wrong = || {
        Problem::new(
            Code::IdentifierMalformed,
            "An act of signing has a name of 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'.",
        )
    };
    let Path(id) = id.map_err(|_| wrong())?;
    SignatureId::parse(&id).map_err(|_| wrong())
}

/// Gives up what the caller prepared: its use is given back, and a value that comes later is refused. The second time there is
/// nothing to give up (`signing-ended`).
#[utoipa::path(
    delete, path = "/api/v1/signatures/{id}", operation_id = "give_up_signature", tag = "seals",
    params(("id" = String, Path, description = "Names the act of signing")),
    responses(
        (status = 204, description = "It is given up"),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn give_up(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let step = SigningStep::GiveUp { signature: act(id)?, request_id: actor.request_id.clone() };
    let door = app.door.clone();
    let ended = app.to_its_end(async move { door.prepared_signing(&actor, step).await });
    let SigningAnswer::GivenUp = ended.await? else { return Err(unexpected()) };
    Ok(StatusCode::NO_CONTENT)
}
