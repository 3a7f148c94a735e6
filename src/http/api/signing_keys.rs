//! Messages that are signed for a caller by keys of its own: CMS, CAdES, GB/T 35275, JWS, OFD of type Sign; of an uploaded content,
//! or of its digest alone.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::id::KeyId;
use crate::domain::message::Form as MessageForm;
use crate::http::App;
use crate::http::api::accept::most_welcome;
use crate::http::api::form::{Form, malformed};
use crate::http::api::json::Fields;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::guard::IdempotencyKey;
use crate::http::places::UploadPlace;
use crate::http::problem::{Code, Problem};
use crate::service::door::Actor;
use crate::service::message_desk::{KeyFacts, MessageAnswer, MessageRequest};
use crate::service::message_signings::{MessageContent, MessageOrder, SignedMessage};

/// Names the act of signing.
const SIGNATURE_ID: &str = "yinxin-signature-id";
/// A key by which the caller has messages signed.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub(crate) struct SigningKeyShape {
    /// Names the key here.
    id: String,
    /// `sm2`, `rsa` or `ecdsa-p256`.
    algorithm: &'static str,
    /// `active` or `suspended`.
    state: &'static str,
    /// Whether messages are signed by it now: the key active, its certificate valid and neither on hold nor revoked.
    usable: bool,
    /// The subject of its certificate.
    subject: String,
    /// Start of the certificate's validity, RFC 3339.
    not_before: String,
    /// End of the certificate's validity, RFC 3339.
    not_after: String,
    /// SM3 of the certificate in DER, hex.
    certificate_sm3: String,
    /// The certificate and those above it, without the root; PEM.
    certificates: String,
}

/// The keys of a caller.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningKeys)]
pub(crate) struct SigningKeysShape {
    /// The newest first.
    keys: Vec<SigningKeyShape>,
}

/// A content that is signed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what Form reads")]
pub(crate) struct MessageUpload {
    /// The content; for `ofd-sign` the OFD file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// `cms`, `cades-b`, `cades-t`, `gbt35275`, `jws`, `jws-json` or `ofd-sign`.
    form: String,
    /// The message holds the content; else it stands beside it. `ofd-sign` holds it always, and need not be told.
    attached: Option<bool>,
    /// With a time stamp over the value, where the form has a place for one. `cades-t` has one always.
    #[schema(rename = "time-stamp")]
    time_stamp: Option<bool>,
    /// `ofd-sign` alone: no further signature can be added.
    lock: Option<bool>,
}

/// A content of which the digest alone is handed in.
#[derive(ToSchema)]
#[schema(as = DigestToSign)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct DigestToSign {
    /// `cms`, `cades-b`, `cades-t`, `gbt35275`, `jws` or `jws-json`.
    form: String,
    /// `sm3`, `sha256`, `sha384` or `sha512`; SignedData wants the one of the key: `sm3` for SM2, else `sha256`.
    digest_algorithm: String,
    /// The digest of the content, hex. For SM2 it is SM3 of the content alone, without Z.
    digest: String,
    /// How the content is called, a URI reference: `jws` and `jws-json` hold it beside the digest (`sigD` of JAdES).
    uri: Option<String>,
    /// With a time stamp over the value.
    time_stamp: Option<bool>,
}

/// A signed message, for those who ask for JSON.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedMessage)]
pub(crate) struct SignedMessageShape {
    /// Names the act of signing.
    signature: String,
    /// The time that the message claims, RFC 3339.
    signed_at: String,
    /// SM3 of the message, hex.
    message_sm3: String,
    /// The message, base64.
    message: String,
}

/// The caller's own signing keys.
#[utoipa::path(
    get, path = "/api/v1/signing-keys", operation_id = "signing_keys", tag = "messages",
    responses(
        (status = 200, description = "The keys", body = SigningKeysShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<SigningKeysShape>, Problem> {
    let MessageAnswer::Keys(keys) = app.door.message_desk(&actor, MessageRequest::Keys).await? else {
        return Err(unexpected());
    };
    Ok(Json(SigningKeysShape { keys: keys.into_iter().map(SigningKeyShape::from).collect() }))
}

fn unexpected() -> Problem {
    Problem::new(Code::Internal, "The use case gave another answer.")
}

impl From<KeyFacts> for SigningKeyShape {
    fn from(known: KeyFacts) -> Self {
        Self {
            id: known.id.to_string(),
            algorithm: known.algorithm,
            state: known.state,
            usable: known.is_usable,
            subject: known.subject,
            not_before: known.not_before.to_string(),
            not_after: known.not_after.to_string(),
            certificate_sm3: known.certificate_sm3,
            certificates: known.certificates,
        }
    }
}

/// Signs an uploaded content. Answers with the message, or with JSON where that is more welcome.
#[utoipa::path(
    post, path = "/api/v1/signing-keys/{id}/messages", operation_id = "sign_message", tag = "messages",
    params(
        ("id" = String, Path, description = "Names the key here"),
        ("Idempotency-Key" = String, Header, description = "1 to 64 visible ASCII characters; repeat it with a repeated request"),
    ),
    request_body(content = MessageUpload, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The message", content(
            (FileShape = "application/pkcs7-signature"),
            (FileShape = "application/pkcs7-mime"),
            (FileShape = "application/jose"),
            (FileShape = "application/jose+json"),
            (FileShape = "application/ofd"),
            (SignedMessageShape = "application/json"),
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
    let (key, headers) = (key_id(id)?, request.headers().clone());
    let read = Form::read(&app, request, &["form", "attached", "time-stamp", "lock"]).await?;
    let form = form_of(read.required("form")?)?;
    let truth = |name: &'static str| match read.optional(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(malformed(name, "true or false")),
    };
    let (attached, time_stamp, lock) = (truth("attached")?, truth("time-stamp")?, truth("lock")?);
    let holds_always = form == MessageForm::OfdSign && read.optional("attached").is_none();
    let content = if attached || holds_always {
        MessageContent::Attached(read.file)
    } else {
        MessageContent::Detached(read.file)
    };
    let idempotency_key = Some(idempotency_key);
    let order = MessageOrder { key, form, content, lock, time_stamp, idempotency_key };
    answered(&app, actor, order, &headers, Some(place)).await
}

/// Signs a content that stays with the caller, by its digest. Answers with the message, or with JSON where that is more welcome.
#[utoipa::path(
    post, path = "/api/v1/signing-keys/{id}/digests", operation_id = "sign_digest", tag = "messages",
    params(
        ("id" = String, Path, description = "Names the key here"),
        ("Idempotency-Key" = String, Header, description = "1 to 64 visible ASCII characters; repeat it with a repeated request"),
    ),
    request_body(content = DigestToSign),
    responses(
        (status = 200, description = "The message", content(
            (FileShape = "application/pkcs7-signature"),
            (FileShape = "application/jose"),
            (FileShape = "application/jose+json"),
            (SignedMessageShape = "application/json"),
        ), headers(
            ("Yinxin-Signature-Id" = String, description = "Names the act of signing"),
            ("Content-Digest" = String, description = "RFC 9530, sha-256"),
        )),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn sign_digest(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(IdempotencyKey(idempotency_key)): Extension<IdempotencyKey>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let (key, headers) = (key_id(id)?, request.headers().clone());
    let known = ["form", "digest_algorithm", "digest", "uri", "time_stamp"];
    let fields = Fields::read(request, &known).await?;
    let form = form_of(fields.required("form")?)?;
    let algorithm = fields.required("digest_algorithm")?;
    let value =
        octets(fields.required("digest")?).ok_or_else(|| malformed("digest", "hexadecimal digits, two an octet"))?;
    let content = MessageContent::of_digest(algorithm, value, fields.text("uri")?.map(str::to_owned));
    let content = content.ok_or_else(|| malformed("digest_algorithm", "sm3, sha256, sha384 or sha512"))?;
    let time_stamp = fields.truth("time_stamp")?;
    let idempotency_key = Some(idempotency_key);
    let order = MessageOrder { key, form, content, lock: false, time_stamp, idempotency_key };
    answered(&app, actor, order, &headers, None).await
}

/// Has the message signed, and answers in the form that is most welcome.
async fn answered(
    app: &Arc<App>,
    actor: Actor,
    order: MessageOrder,
    headers: &HeaderMap,
    place: Option<UploadPlace>,
) -> Result<Response, Problem> {
    let own = media_type(order.form, matches!(order.content, MessageContent::Attached(_)));
    let as_json = most_welcome(headers, &[(false, own), (true, "application/json")]);
    let as_json =
        as_json.ok_or_else(|| Problem::new(Code::NotAcceptable, format!("It is {own} or application/json.")))?;
    let (door, request_id) = (app.door.clone(), actor.request_id.clone());
    let signing = app.to_its_end(async move {
        let _place = place;
        door.message_desk(&actor, MessageRequest::Sign { order, request_id }).await
    });
    match signing.await? {
        MessageAnswer::Signed { signed, message_sm3 } => Ok(response(signed, message_sm3, (own, as_json))),
        MessageAnswer::Keys(_) => Err(unexpected()),
    }
}

/// RFC 8551 3.2.1, 3.5.3.2 (SignedData), RFC 7515 9.2 (JWS).
const fn media_type(form: MessageForm, attached: bool) -> &'static str {
    match form {
        MessageForm::Jws => "application/jose",
        MessageForm::JwsJson => "application/jose+json",
        MessageForm::OfdSign => "application/ofd",
        _ if attached => "application/pkcs7-mime",
        _ => "application/pkcs7-signature",
    }
}

fn response(signed: SignedMessage, message_sm3: String, (own, as_json): (&'static str, bool)) -> Response {
    let SignedMessage { signature, signed_at, message } = signed;
    let signature = signature.to_string();
    if as_json {
        let shape = SignedMessageShape {
            signature: signature.clone(),
            signed_at: signed_at.to_string(),
            message_sm3,
            message: STANDARD.encode(&message),
        };
        return ([(SIGNATURE_ID, signature)], Json(shape)).into_response();
    }
    let sha256 = ring::digest::digest(&ring::digest::SHA256, &message);
    let headers = [(SIGNATURE_ID, signature), ("content-digest", format!("sha-256=:{}:", STANDARD.encode(sha256)))];
    let mut response = (headers, message).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(own));
    response
}

fn form_of(name: &str) -> Result<MessageForm, Problem> {
    let names = MessageForm::ALL.map(MessageForm::name).join(", ");
    MessageForm::from_name(name).ok_or_else(|| malformed("form", &format!("one of {names}")))
}

/// Hexadecimal digits of either case, 16 to 64 octets.
fn octets(text: &str) -> Option<Vec<u8>> {
    let right =
        (32..=128).contains(&text.len()) && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let pair = |at: usize| u8::from_str_radix(text.get(at..at.saturating_add(2))?, 16).ok();
    right.then(|| (0..text.len()).step_by(2).map(pair).collect()).flatten()
}

/// The key in a path.
fn key_id(id: Result<Path<String>, PathRejection>) -> Result<KeyId, Problem> {
    let malformed =
        || Problem::new(Code::IdentifierMalformed, "A key is named by 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'.");
    let Path(id) = id.map_err(|_| malformed())?;
    KeyId::parse(&id).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_hexadecimal() {
        assert_eq!(octets(&"0aF".repeat(32)).map(|octets| octets.len()), Some(48));
        for text in ["", "00", &"0".repeat(33), &"0g".repeat(32), &"00".repeat(65), &"+1".repeat(32)] {
            assert_eq!(octets(text), None, "{text}");
        }
    }

    #[test]
    fn each_form_has_its_type() {
        assert_eq!(media_type(MessageForm::CadesB, true), "application/pkcs7-mime");
        assert_eq!(media_type(MessageForm::Gbt35275, false), "application/pkcs7-signature");
        assert_eq!(media_type(MessageForm::OfdSign, true), "application/ofd");
    }
}
