//! The public page `/verify`: a stranger's file comes in, and the verdict with its reasons goes out, in one answer.
//!
//! Nothing of an upload is kept: it lives for this request, in memory or in a file without a name, and the pictures of its
//! pages stand in the answer.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::http::App;
use crate::http::api::form::Form;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::guard::UploadPlace;
use crate::http::pages::report::{ReportPage, View};
use crate::http::pages::{SCRIPT, STYLE, answer, is_large, page};
use crate::http::problem::Problem;
use crate::service::door::{Actor, VerifyDocument};
use crate::service::verification::sm3_hex;

/// Seconds for which a browser may keep style and script.
const ASSET_AGE: &str = "public, max-age=3600";

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    large: bool,
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
    page(StatusCode::OK, &VerifyPage { large: is_large(&request), most_mib: app.settings.file_bytes >> 20 })
}

/// Verifies the file and answers with the report as a page: verdict, reasons, the pages with their stamps marked.
#[utoipa::path(
    post, path = "/verify", operation_id = "verify_page", tag = "pages",
    request_body(content((FileShape = "multipart/form-data"))),
    responses(
        (status = 200, description = "The report as a page", body = String, content_type = "text/html"),
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
    let form = Form::read(&app, request, &[]).await?;
    let (file_name, file) = (form.file_name, form.file);
    let door = app.door.clone();
    let judged = app.to_its_end(async move {
        let _place = place;
        let sm3 = sm3_hex(&file);
        let document = VerifyDocument { file_name, document: file.clone(), original: None, at: None, policy: None };
        let report = door.verify(&actor, document).await?;
        let preview = door.preview(file).await?;
        Ok((report, sm3, preview))
    });
    let (json, sm3, preview) = judged.await?;
    let view = View::read(&json).map_err(|broken| Problem::internal(&broken))?;
    page(StatusCode::OK, &ReportPage::new(&view, &json, &sm3, preview.as_ref(), large))
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
