//! The public page `/verify`: a stranger's file comes in, and the verdict with its reasons goes out, in one answer.
//!
//! Nothing of an upload is kept: it lives for this request, in memory or in a file without a name, and the pictures of its
//! pages stand in the answer.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;

use crate::http::App;
use crate::http::api::form::{Form, malformed};
use crate::http::api::report_answer::signed_type;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::pages::report::{ReportPage, View};
use crate::http::pages::{SCRIPT, STYLE, answer, is_large, page};
use crate::http::places::UploadPlace;
use crate::http::problem::Problem;
use crate::service::door::{Actor, HandedIn, VerifyDocument};
use crate::service::signed_reports::Form as SignedForm;
use crate::service::verification::sm3_hex;

/// Seconds for which a browser may keep style and script.
const ASSET_AGE: &str = "public, max-age=3600";

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    large: bool,
    /// Signed reports are offered.
    signs: bool,
    most_mib: usize,
}

/// The page on which a file is handed in.
#[utoipa::path(
    get, path = "/verify", tag = "pages",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "text/html"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "text/html"),
    ),
)]
pub(crate) async fn form(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (large, most_mib) = (is_large(&request), app.settings.file_bytes >> 20);
    page(StatusCode::OK, &VerifyPage { large, signs: app.door.signs_reports().await?, most_mib })
}

/// What a form of the page answers with, by its field `report`.
const ANSWERS: [(&str, Option<SignedForm>); 4] =
    [("page", None), ("ofd", Some(SignedForm::Ofd)), ("jws", Some(SignedForm::Jws)), ("cms", Some(SignedForm::Cms))];

/// The form of the page.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what Form reads")]
pub(crate) struct VerifyPageForm {
    /// The file; its name appears in the report.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// What to answer with: `page`, also where nothing is told; or the report signed, as `ofd`, `jws` or `cms`, for keeping.
    report: Option<String>,
}

/// A signed report, to be kept as a file.
fn kept(form: SignedForm, report: Vec<u8>) -> Response {
    let (kind, name) = match form {
        SignedForm::Jws => (signed_type(form), "attachment; filename=\"report.jws\""),
        SignedForm::Cms => (signed_type(form), "attachment; filename=\"report.p7m\""),
        SignedForm::Ofd => (signed_type(form), "attachment; filename=\"report.ofd\""),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    (headers, report).into_response()
}

/// Verifies the file and answers with the report as a page, or signed.
///
/// The page tells verdict and reasons and shows the pages with their stamps marked. For a signed report after that the file
/// is handed in again: nothing of it was kept.
#[utoipa::path(
    post, path = "/verify", operation_id = "verify_page", tag = "pages",
    request_body(content((VerifyPageForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "The report as a page, or signed", content(
            (String = "text/html"),
            (FileShape = "application/ofd"),
            (String = "application/jose"),
            (FileShape = "application/pkcs7-mime"),
        )),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "text/html"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "text/html"),
    ),
)]
pub(crate) async fn verify(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(place): Extension<UploadPlace>,
    request: Request,
) -> Result<Response, Problem> {
    let large = is_large(&request);
    let form = Form::read(&app, request, &["report"]).await?;
    let wanted = form.optional("report").unwrap_or("page");
    let (_, signed) = ANSWERS
        .into_iter()
        .find(|(name, _)| *name == wanted)
        .ok_or_else(|| malformed("report", "page, ofd, jws or cms"))?;
    let (file_name, file) = (form.file_name, form.file);
    let door = app.door.clone();
    if let Some(signed) = signed {
        let document = alone(file_name, file);
        let made = app.to_its_end(async move {
            let _place = place;
            door.verify_signed(&actor, document, signed).await
        });
        return Ok(kept(signed, made.await?));
    }
    let judged = app.to_its_end(async move {
        let _place = place;
        let sm3 = sm3_hex(&file);
        let document = alone(file_name, file.clone());
        let report = door.verify(&actor, document).await?;
        let preview = door.preview(file).await?;
        Ok((report, sm3, preview, door.signs_reports().await?))
    });
    let (json, sm3, preview, signs) = judged.await?;
    let view = View::read(&json).map_err(|broken| Problem::internal(&broken))?;
    page(StatusCode::OK, &ReportPage::new(&view, &json, &sm3, preview.as_ref(), large).with_signed_reports(signs))
}

/// A file by itself: pages take nothing beside it.
fn alone(file_name: String, document: Vec<u8>) -> VerifyDocument {
    VerifyDocument { file_name, document, original: None, evidence: HandedIn::default(), at: None, policy: None }
}

/// The style of the pages.
#[utoipa::path(
    get, path = "/verify/style.css", tag = "pages",
    responses((status = 200, description = "The style", body = String, content_type = "text/css")),
)]
pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// The script of the pages.
#[utoipa::path(
    get, path = "/verify/page.js", tag = "pages",
    responses((status = 200, description = "The script", body = String, content_type = "text/javascript")),
)]
pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

fn asset(kind: &'static str, text: &str) -> Response {
    let mut response = answer(StatusCode::OK, kind, text.to_owned());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(ASSET_AGE));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_reports_are_offered_where_they_are_made() {
        let drawn = |signs| VerifyPage { large: false, signs, most_mib: 1 }.render().unwrap();
        let (with, without) = (drawn(true), drawn(false));
        assert!(!without.contains("<select") && !without.contains("签名报告"), "{without}");
        for (value, _) in ANSWERS {
            assert!(with.contains(&format!("<option value=\"{value}\"")), "{value}: {with}");
        }
    }
}
