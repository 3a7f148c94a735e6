//! A person signs an uploaded file: by a certificate of that one act, with the handwriting as a stamp.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use utoipa::ToSchema;

use crate::base::clock::Timestamp;
use crate::domain::seal::person::{AssuranceLevel, StatedPerson};
use crate::http::App;
use crate::http::api::form::{Form, malformed};
use crate::http::api::seals::{SignedDocumentShape, signed_answer, wants_json};
use crate::http::api::{FileShape, ProblemShape};
use crate::http::guard::IdempotencyKey;
use crate::http::places::UploadPlace;
use crate::http::problem::Problem;
use crate::service::door::Actor;
use crate::service::person_desk::PersonDocument;
use crate::service::person_signings::PersonOrder;

/// The part of the form that holds the picture.
const HANDWRITING: &str = "handwriting";

/// A file that a person signs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what Form reads")]
pub(crate) struct PersonSignatureForm {
    /// The OFD file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The picture of the handwriting: PNG, JPEG, GIF or plain BMP, black or blue ink on paper or on nothing.
    #[schema(value_type = String, format = Binary)]
    handwriting: Vec<u8>,
    /// The page that bears the handwriting; the first is 1. With `x` and `y`, or `place` instead of all three.
    page: Option<u32>,
    /// Its left edge, in mm from the page's left edge.
    x: Option<f64>,
    /// Its upper edge, in mm from the page's upper edge.
    y: Option<f64>,
    /// Where it goes, up to 16 times: `keyword which=last text=签名` or `field name=签名处`; docs/signing.md has all of it.
    #[schema(max_items = 16)]
    place: Option<Vec<String>>,
    /// Its width in whole mm, 10 to 80.
    width: u16,
    /// Its height in whole mm, 5 to 40.
    height: u16,
    /// The person's name, which the certificate shows.
    name: String,
    /// A lasting pseudonym of the person where the proof comes from: a code of 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.'; never a
    /// number of identity.
    person: String,
    /// How surely the person was identified, 1 to 5.
    level: u8,
    /// By which procedure: a code.
    procedure: String,
    /// When, RFC 3339.
    #[schema(rename = "proven-at")]
    proven_at: String,
}

/// A person signs an OFD file. Who the person is and how surely that was proven is the caller's statement, and is logged as such.
/// Answers with the signed file, or with JSON when only that is accepted.
#[utoipa::path(
    post, path = "/api/v1/person-signatures", operation_id = "sign_by_person", tag = "person signatures",
    params(
        ("Idempotency-Key" = String, Header, description = "1 to 64 visible ASCII characters; repeat it with a repeated request"),
    ),
    request_body(content = PersonSignatureForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The signed file", content(
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
    request: Request,
) -> Result<Response, Problem> {
    let as_json = wants_json(request.headers());
    let known = ["page", "x", "y", "place", "width", "height", "name", "person", "level", "procedure", "proven-at"];
    let form = Form::read_beside(&app, request, &known, &[HANDWRITING]).await?;
    let document = PersonDocument {
        order: order(&form, idempotency_key)?,
        file_name: form.file_name,
        request_id: actor.request_id.clone(),
    };
    let door = app.door.clone();
    let signed = app.to_its_end(async move {
        let _place = place;
        door.sign_by_person(&actor, document).await
    });
    Ok(signed_answer(signed.await?, as_json))
}

/// What is asked for, as the form says.
fn order(form: &Form, idempotency_key: String) -> Result<PersonOrder, Problem> {
    let whole = |name: &'static str| {
        let text = form.required(name)?;
        let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
        number.ok_or_else(|| malformed(name, "whole millimetres"))
    };
    let level = form.required("level")?.parse().ok().and_then(AssuranceLevel::new);
    let proven_at = Timestamp::parse_rfc3339(form.required("proven-at")?);
    let person = StatedPerson {
        name: form.required("name")?.to_owned(),
        person: form.required("person")?.to_owned(),
        level: level.ok_or_else(|| malformed("level", "a level of assurance, 1 to 5"))?,
        procedure: form.required("procedure")?.to_owned(),
        proven_at: proven_at.map_err(|_| malformed("proven-at", "a moment by RFC 3339"))?,
    };
    Ok(PersonOrder {
        plan: form.plan(false)?,
        size_mm: (whole("width")?, whole("height")?),
        handwriting: form.beside(HANDWRITING)?.to_vec(),
        document: form.file.clone(),
        person,
        idempotency_key: Some(idempotency_key),
    })
}
