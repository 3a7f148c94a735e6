//! Verifies uploaded files.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::base::clock::Timestamp;
use crate::domain::verify::OriginalDigest;
use crate::http::App;
use crate::http::api::files::{DIGEST, FileToJudge, Files};
use crate::http::api::form::{file_name, malformed, media_type, whole_body, within_limit};
use crate::http::api::report_answer::{ReportForm, answer};
use crate::http::api::{FileShape, ProblemShape};
use crate::http::places::UploadPlace;
use crate::http::problem::{Code, Problem};
use crate::service::door::{Actor, HandedIn, SignedOriginal, VerifyDocument};

/// The form of an upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what Form reads")]
pub(crate) struct VerificationForm {
    /// A file; its name appears in the report. May be repeated.
    #[schema(value_type = Option<String>, format = Binary)]
    file: Option<Vec<u8>>,
    /// A detached signature; the part before it or behind it is its `original` or `digest`. May be repeated.
    #[schema(value_type = Option<String>, format = Binary)]
    signature: Option<Vec<u8>>,
    /// What a detached signature signs.
    #[schema(value_type = Option<String>, format = Binary)]
    original: Option<Vec<u8>>,
    /// The digest of what it signs instead, where that is enough: `sm3`, `sha256`, `sha384`, `sha512` or `sm2-e`, a colon,
    /// hexadecimal.
    digest: Option<String>,
    /// A proof of a log (C2SP tlog-proof) or its receipt, or PEM of both, at most 64 KiB: judged as evidence for each file. At
    /// most 16 times.
    #[schema(value_type = Option<String>, format = Binary)]
    evidence: Option<Vec<u8>>,
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
    /// The digest of what a detached signature signs. Raw bodies only.
    original_digest: Option<String>,
}

/// Verifies the signatures of files and answers with the report; of several files with an array of reports, in their order.
///
/// Send a form, or one file itself with its particulars in the query. A file that is refused still gets a report. Nothing of
/// an upload outlives the request.
/// Accept chooses the form of the answer, of several files JSON alone. Signed reports want a report key of the installation:
/// `report-signing-off`.
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
    let misread =
        |_| Problem::new(Code::QueryMalformed, "Known are file_name, at, policy and original_digest, each once.");
    let Query(query) = query.map_err(misread)?;
    // Before the body is read.
    let form = ReportForm::wanted(request.headers())?;
    let in_query = [&query.file_name, &query.at, &query.policy, &query.original_digest];
    let document = match media_type(request.headers()).as_str() {
        "multipart/form-data" if in_query.into_iter().any(Option::is_some) => {
            return Err(Problem::new(Code::QueryMalformed, "A form carries its particulars itself."));
        }
        "multipart/form-data" => {
            let files = Files::read(&app, &actor, request, &["at", "policy"]).await?;
            return verify_files(&app, actor, place, (files, form)).await;
        }
        "application/ofd" | "application/octet-stream" => {
            let file_name = file_name("file_name", query.file_name.as_deref().unwrap_or("document"))?;
            let (at, policy) = (moment(query.at.as_deref())?, policy(query.policy.as_deref())?);
            let document = whole_body(request).await?;
            within_limit(&app, &document)?;
            let original = query.original_digest.as_deref().map(OriginalDigest::parse).transpose();
            let original = original.map_err(|_| malformed("original_digest", DIGEST))?.map(SignedOriginal::Digest);
            VerifyDocument { file_name, document, original, evidence: HandedIn::default(), at, policy }
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

/// Judges them one after the other, each in memory for as long as it is judged.
async fn verify_files(
    app: &Arc<App>,
    actor: Actor,
    place: UploadPlace,
    (files, form): (Files, ReportForm),
) -> Result<Response, Problem> {
    if files.len() > 1 && form != ReportForm::Json {
        return Err(Problem::new(Code::NotAcceptable, "Reports on several files come as application/json."));
    }
    let (at, policy) = (moment(files.optional("at"))?, policy(files.optional("policy"))?);
    let door = app.door.clone();
    let judged = app.to_its_end(async move {
        let _place = place;
        let mut reports = Vec::new();
        for number in 0..files.len() {
            let Some(FileToJudge { file_name, file, original }) = files.file(number).await? else { break };
            let (evidence, policy) = (files.evidence().clone(), policy.clone());
            let document = VerifyDocument { file_name, document: file, original, evidence, at, policy };
            if files.len() == 1 {
                return answer(&*door, &actor, document, form).await;
            }
            reports.extend_from_slice(if number == 0 { b"[" } else { b"," });
            reports.extend_from_slice(&door.verify(&actor, document).await?);
        }
        reports.push(b']');
        Ok(([(header::CONTENT_TYPE, "application/json")], reports).into_response())
    });
    judged.await
}

fn moment(text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let parse =
        |text| Timestamp::parse_rfc3339(text).map_err(|_| malformed("at", "a moment such as 2026-11-23T00:00:00Z"));
    text.map(parse).transpose()
}

/// A policy's name.
pub(crate) fn policy(text: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain || !(1..=64).contains(&text.len()) {
        return Err(malformed("policy", "a policy's name: 1 to 64 of a-z, 0-9, '-'"));
    }
    Ok(Some(text.to_owned()))
}
