//! The door of a witness, by plain HTTP: whatever comes is signed, and so is what leaves (C2SP tlog-witness).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::domain::audit::witness::NotCosigned;
use crate::service::witness::{Error, MOST_SUBMITTED, SIZE_MEDIA_TYPE, Witness};

const TEXT: &str = "text/plain; charset=utf-8";
/// Requests at a time.
const AT_ONCE: usize = 64;
/// For a request to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

struct Desk {
    witness: Witness,
    places: Semaphore,
}

/// The endpoints of a witness.
pub fn router(witness: Witness) -> Router {
    let desk = Arc::new(Desk { witness, places: Semaphore::new(AT_ONCE) });
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(latest))
        .with_state(desk)
}

async fn add_checkpoint(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let Ok(_place) = desk.places.try_acquire() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let Ok(read) = tokio::time::timeout(PATIENCE, to_bytes(request.into_body(), MOST_SUBMITTED)).await else {
        return StatusCode::REQUEST_TIMEOUT.into_response();
    };
    let Ok(body) = read else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    match desk.witness.add_checkpoint(&body).await {
        Ok(line) => ([(header::CONTENT_TYPE, TEXT)], line).into_response(),
        Err(Error::NotCosigned(NotCosigned::Stale { size })) => {
            (StatusCode::CONFLICT, [(header::CONTENT_TYPE, SIZE_MEDIA_TYPE)], format!("{size}\n")).into_response()
        }
        Err(error) => refused(&error),
    }
}

async fn latest(State(desk): State<Arc<Desk>>, Path(origin): Path<String>) -> Response {
    match desk.witness.latest(&origin).await {
        Ok(Some(note)) => ([(header::CONTENT_TYPE, TEXT)], Body::from(note)).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => refused(&error),
    }
}

fn refused(error: &Error) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_server_error() {
        tracing::error!("the witness cannot work: {error}");
        return status.into_response();
    }
    tracing::warn!(status = status.as_u16(), "not cosigned: {error}");
    (status, [(header::CONTENT_TYPE, TEXT)], format!("{error}\n")).into_response()
}
