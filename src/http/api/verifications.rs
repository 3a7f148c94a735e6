//! Verifies an uploaded file.

use std::sync::Arc;

use axum::Extension;
use axum::body::to_bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::base::clock::Timestamp;
use crate::http::App;
use crate::http::api::form::{Form, file_name, malformed, media_type, within_limit};
use crate::http::api::report_answer::{ReportForm, answer};
use crate::http::api::{FileShape, ProblemShape};
use crate::http::guard::UploadPlace;
use crate::http::problem::{Code, Problem};
use crate::service::door::{Actor, VerifyDocument};

/// The form of an upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what Form reads")]
pub(crate) struct VerificationForm {
    /// The file; its name appears in the report.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Replaces *now*, RFC 3339. Proves nothing about when a signature was made.
    at: Option<String>,
    /// A verification policy by name.
    policy: Option<String>,
}

/// For a body that is the file itself.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUpload {
    /// As the report shall name it. Raw bodies only.
    file_name: Option<String>,
    /// Replaces *now*, RFC 3339. Raw bodies only.
    at: Option<String>,
    /// A verification policy by name. Raw bodies only.
    policy: Option<String>,
}

/// Verifies the signatures of a file and answers with the report.
///
/// Send a form, or the file itself with its particulars in the query. A file that is refused still gets a report.
/// Accept chooses the form of the answer. Signed reports want a report key of the installation: `report-signing-off`.
#[utoipa::path(
    post, path = "/api/v1/verifications", tag = "verifications",
    params(RawUpload),
    request_body(content(
        (VerificationForm = "multipart/form-data"),
        (FileShape = "application/ofd"),
        (FileShape = "application/octet-stream"),
    )),
    responses(
        (status = 200, description = "The report, in the form that Accept names: JSON, a page, or signed as JWS, CMS or OFD", content(
            (Object = "application/json"),
            (String = "text/html"),
            (String = "application/jose"),
            (FileShape = "application/pkcs7-mime"),
            (FileShape = "application/ofd"),
        )),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn verify(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(place): Extension<UploadPlace>,
    query: Result<Query<RawUpload>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let misread = |_| Problem::new(Code::QueryMalformed, "Known are file_name, at and policy, each once.");
    let Query(query) = query.map_err(misread)?;
    // Before the body is read.
    let form = ReportForm::wanted(request.headers())?;
    let document = match media_type(&request).as_str() {
        "multipart/form-data" if query.file_name.is_some() || query.at.is_some() || query.policy.is_some() => {
            return Err(Problem::new(Code::QueryMalformed, "A form carries its particulars itself."));
        }
        "multipart/form-data" => {
            let form = Form::read(&app, request, &["at", "policy"]).await?;
            let (at, policy) = (moment(form.optional("at"))?, policy(form.optional("policy"))?);
            VerifyDocument { file_name: form.file_name, document: form.file, at, policy }
        }
        "application/ofd" | "application/octet-stream" => {
            let file_name = file_name("file_name", query.file_name.as_deref().unwrap_or("document"))?;
            let (at, policy) = (moment(query.at.as_deref())?, policy(query.policy.as_deref())?);
            let body = to_bytes(request.into_body(), usize::MAX).await; // bounded by the guard
            let document = body.map_err(|_| Problem::new(Code::BodyMalformed, "The body broke off."))?;
            within_limit(&app, &document)?;
            VerifyDocument { file_name, document: Vec::from(document), at, policy }
        }
        _ => {
            let detail = "Send multipart/form-data, application/ofd or application/octet-stream.";
            return Err(Problem::new(Code::ContentTypeRefused, detail));
        }
    };
    let door = app.door.clone();
    let judged = app.to_its_end(async move {
        let _place = place;
        answer(&*door, &actor, document, form).await
    });
    judged.await
}

fn moment(text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let parse =
        |text| Timestamp::parse_rfc3339(text).map_err(|_| malformed("at", "a moment such as 2026-11-23T00:00:00Z"));
    text.map(parse).transpose()
}

fn policy(text: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain || !(1..=64).contains(&text.len()) {
        return Err(malformed("policy", "a policy's name: 1 to 64 of a-z, 0-9, '-'"));
    }
    Ok(Some(text.to_owned()))
}
