//! Why a use case refused or failed, each with a stable code.

use crate::base::random::RandomUnavailable;
use crate::domain::caller::RolesConflict;
use crate::domain::seal::InvalidTransition;
use crate::service::keys;
use crate::store;

/// What a use case answers when it does not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No caller is registered under that name or key.
    #[error("no such caller")]
    UnknownCaller,
    /// The caller is barred.
    #[error("the caller is barred")]
    CallerBarred,
    /// A caller with that key is registered already.
    #[error("a caller with this key is registered")]
    CallerExists,
    /// The roles exclude each other.
    #[error(transparent)]
    RolesConflict(#[from] RolesConflict),
    /// The caller has used this nonce before.
    #[error("the nonce was used before")]
    Replay,
    /// A nonce of 1 to 128 printable characters is wanted.
    #[error("a nonce is 1 to 128 printable ASCII characters")]
    InvalidNonce,
    /// An `Idempotency-Key` of 1 to 128 printable characters is wanted.
    #[error("an idempotency key is 1 to 128 printable ASCII characters")]
    InvalidIdempotencyKey,
    /// The key came before, with another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The first request under this key is still at work.
    #[error("the first request under this idempotency key has not ended")]
    IdempotencyKeyInUse,
    /// No seal of that name.
    #[error("no such seal")]
    UnknownSeal,
    /// The seal's state does not allow it.
    #[error(transparent)]
    InvalidTransition(#[from] InvalidTransition),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// The key store refused or failed.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// The stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownCaller => "unknown-caller",
            Self::CallerBarred => "caller-barred",
            Self::CallerExists => "caller-exists",
            Self::RolesConflict(_) => "roles-conflict",
            Self::Replay => "replay",
            Self::InvalidNonce => "invalid-nonce",
            Self::InvalidIdempotencyKey => "invalid-idempotency-key",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::IdempotencyKeyInUse => "idempotency-key-in-use",
            Self::UnknownSeal => "unknown-seal",
            Self::InvalidTransition(_) => "invalid-transition",
            Self::Random(_) => "random-unavailable",
            Self::Keys(error) => error.code(),
            Self::Store(store::Error::Inconsistent { .. }) => "inconsistent",
            Self::Store(store::Error::Contended { .. } | store::Error::Stale { .. }) => "contended",
            Self::Store(_) => "database",
        }
    }
}
