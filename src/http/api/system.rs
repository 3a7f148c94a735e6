//! Is it alive, is it ready, what does it do, what can it do.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::http::App;
use crate::http::api::ProblemShape;
use crate::http::problem::Problem;

/// Whether the process serves requests at all.
#[utoipa::path(get, path = "/healthz", tag = "system", responses((status = 200, description = "Yes", body = String, content_type = "text/plain")))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether everything that requests need is there: database, keys.
#[utoipa::path(
    get, path = "/readyz", tag = "system",
    responses(
        (status = 200, description = "Yes", body = String, content_type = "text/plain"),
        (status = 503, description = "Not now", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.door.ready().await?;
    Ok("ready\n")
}

/// Figures in Prometheus' text form; for this machine only.
#[utoipa::path(
    get, path = "/metrics", tag = "system",
    responses(
        (status = 200, description = "The figures", body = String, content_type = "text/plain"),
        (status = 403, description = "Asked from elsewhere", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render()).into_response()
}

/// This description.
#[utoipa::path(get, path = "/api/openapi.json", tag = "system", responses((status = 200, description = "OpenAPI 3.1")))]
pub(crate) async fn openapi(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.openapi.clone()).into_response()
}
