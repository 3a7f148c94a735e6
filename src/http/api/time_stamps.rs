//! Time stamps over HTTP (RFC 3161 3.4): a TimeStampReq in, a TimeStampResp out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::http::App;
use crate::http::api::form::{media_type, whole_body};
use crate::http::api::{FileShape, ProblemShape};
use crate::http::problem::{Code, Problem};

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";

/// Stamps a digest with the time.
///
/// A refusal by the protocol (another digest, another policy, no time to trust) is an answer with status 200 and
/// PKIStatus `rejection` in it.
#[utoipa::path(
    post, path = "/tsa", tag = "time-stamps",
    request_body(content((FileShape = "application/timestamp-query"))),
    responses(
        (status = 200, description = "TimeStampResp: a stamp or a rejection", body = FileShape, content_type = "application/timestamp-reply"),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn stamp(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    if media_type(request.headers()) != QUERY {
        return Err(Problem::new(Code::ContentTypeRefused, format!("Send {QUERY}.")));
    }
    let request = whole_body(request).await?;
    let response = app.door.stamp(request).await?;
    Ok(([(header::CONTENT_TYPE, REPLY)], response).into_response())
}
