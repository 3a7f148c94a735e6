//! Why no answer of the protocol is given, or no authority can be set up; each with a stable code.

use crate::domain::stamp::UnfitAuthority;

/// What stands between a request and any time-stamp response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No authority is at work here.
    #[error("no time stamps are made here")]
    Off,
    /// A time stamp of our own is wanted, and no unit is at work.
    #[error("no time-stamping unit is at work")]
    Idle,
    /// The unit refused by the protocol, or what it gave is not over what was asked for.
    #[error("the time-stamping unit gave no time stamp")]
    NotGranted,
    /// A command would stamp beside a service that promises strictly rising times.
    #[error("strictly rising times (stamping.ordering) are promised by the service alone: ask it")]
    Ordered,
    /// More requests than are taken on.
    #[error("too many time stamps are asked for; try again")]
    Busy,
    /// The authority's certificate does not cover this moment.
    #[error("the certificate of the time-stamping authority is not valid at this moment")]
    OutsideValidity,
    /// The key store refused, or gave no signature.
    #[error("the time stamp could not be signed: {code}")]
    NotSigned {
        /// The key store's code.
        code: &'static str,
    },
    /// The stamp was made, could not be recorded, and was thrown away.
    #[error("the time stamp could not be recorded: {code}")]
    NotRecorded {
        /// The code of what failed.
        code: &'static str,
    },
    /// The service ends.
    #[error("the service ends")]
    Ending,
    /// The certificate of an authority does not make it one.
    #[error(transparent)]
    Unfit(#[from] UnfitAuthority),
    /// The unit's certificate is on hold or revoked.
    #[error("the certificate of the time-stamping authority is not active")]
    NotActive,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Off => "stamping-off",
            Self::Idle => "stamping-idle",
            Self::NotGranted => "stamping-not-granted",
            Self::Ordered => "stamping-ordered",
            Self::Busy => "stamping-busy",
            Self::OutsideValidity => "stamping-certificate-outside-validity",
            Self::NotSigned { .. } => "stamping-not-signed",
            Self::NotRecorded { .. } => "stamping-not-recorded",
            Self::Ending => "stamping-ending",
            Self::Unfit(_) => "stamping-authority-unfit",
            Self::NotActive => "stamping-certificate-not-active",
        }
    }
}
