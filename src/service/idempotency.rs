//! `Idempotency-Key`: the same request under the same key gets the first answer, and is done once.

use crate::base::id::CallerId;
use crate::service::callers::is_token;
use crate::service::{Error, Services};
use crate::store::idempotency;

/// What a request under a key shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// It is the first: do it, then [`complete`] with its answer or [`release`].
    First,
    /// It was done: give this answer, do nothing.
    Done {
        /// The first answer's status.
        status: u16,
        /// The first answer's body.
        response: Vec<u8>,
    },
}

/// Reserves the key for a request, or finds the answer that it had.
///
/// # Errors
/// [`Error::IdempotencyKeyReused`] when the key came with another request; [`Error::IdempotencyKeyInUse`] while the
/// first is at work; [`Error::InvalidIdempotencyKey`].
pub async fn reserve(
    services: &Services,
    caller: &CallerId,
    key: &str,
    request_sm3: &[u8; 32],
) -> Result<Reservation, Error> {
    if !is_token(key) {
        return Err(Error::InvalidIdempotencyKey);
    }
    let now = services.clock.now();
    let steps = services.store.run("reserve idempotency key", |tx| {
        Box::pin(async move {
            if idempotency::reserve(tx, caller, key, request_sm3, now).await? {
                return Ok(Reservation::First);
            }
            let stored = idempotency::find(tx, caller, key).await?.ok_or(Error::IdempotencyKeyInUse)?;
            if stored.request_sm3 != *request_sm3 {
                return Err(Error::IdempotencyKeyReused);
            }
            let (status, response) = stored.answer.ok_or(Error::IdempotencyKeyInUse)?;
            Ok(Reservation::Done { status, response })
        })
    });
    steps.await
}

/// Keeps the answer of a reserved request.
///
/// # Errors
/// The key is not reserved, or has its answer.
pub async fn complete(
    services: &Services,
    caller: &CallerId,
    key: &str,
    status: u16,
    response: &[u8],
) -> Result<(), Error> {
    let keep = services
        .store
        .run("keep idempotent answer", |tx| Box::pin(idempotency::complete(tx, caller, key, status, response)));
    Ok(keep.await?)
}

/// Frees the key of a request that changed nothing, so that it may be tried again.
///
/// # Errors
/// The store's.
pub async fn release(services: &Services, caller: &CallerId, key: &str) -> Result<(), Error> {
    let free = services.store.run("free idempotency key", |tx| Box::pin(idempotency::release(tx, caller, key)));
    Ok(free.await?)
}
