//! The public keys by which notices of state changes are signed, for whoever receives them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::App;
use crate::http::api::ProblemShape;
use crate::http::problem::Problem;
use crate::service::webhooks::desk::NoticeKey;

/// For how long an answer may be kept: shorter than anybody announces a key before it signs.
const KEPT: &str = "public, max-age=300";

/// A public key by which notices are signed. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = NoticeKey)]
pub(crate) struct NoticeKeyShape {
    /// `keyid` of its signatures: SHA-256 of SubjectPublicKeyInfo, hex.
    keyid: String,
    /// `alg` of its signatures: `sm2-sm3`, `ecdsa-p256-sha256` or `ed25519`.
    alg: &'static str,
    /// `present`: it signs now. `next`: it signs from `not_before` on. `earlier`: another one signs in its place, and what it
    /// signed just now may still be on its way.
    standing: &'static str,
    /// Not before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    /// Not after this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    /// SubjectPublicKeyInfo, PEM.
    pem: String,
}

/// All of them.
#[derive(Serialize, ToSchema)]
#[schema(as = NoticeKeys)]
pub(crate) struct NoticeKeysShape {
    /// By their algorithm, the newest first.
    keys: Vec<NoticeKeyShape>,
}

impl From<NoticeKey> for NoticeKeyShape {
    fn from(key: NoticeKey) -> Self {
        Self {
            keyid: key.keyid,
            alg: key.alg,
            standing: key.standing.name(),
            not_before: key.validity.not_before.map(|at| at.to_string()),
            not_after: key.validity.not_after.map(|at| at.to_string()),
            pem: key.pem,
        }
    }
}

/// The public keys by which notices of state changes are signed: those that sign now, those that will, and those before them.
/// By HTTPS alone: nothing in the answer is signed.
#[utoipa::path(
    get, path = "/.well-known/yinxin-notice-keys", operation_id = "notice_keys", tag = "notices",
    responses(
        (status = 200, description = "The keys; none before the first notice is signed", body = NoticeKeysShape),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let keys = app.door.notice_keys().await?.into_iter().map(NoticeKeyShape::from).collect();
    Ok(([(header::CACHE_CONTROL, KEPT)], Json(NoticeKeysShape { keys })).into_response())
}
