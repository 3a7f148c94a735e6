//! The time-stamp protocol (RFC 3161, RFC 5816; GB/T 20520): requests, responses, and the tokens in them.
//!
//! Reading is strict DER and borrows. Accepted: a written-out `certReq FALSE` and `ordering FALSE`, which genuine
//! clients send and which changes nothing. Refused: a digest or nonce longer than [`MAX_OCTETS`], fractions of a second
//! beyond nanoseconds, a status that does not fit what stands beside it.
//!
//! Nothing is decided here: see `domain::stamp`.

pub mod request;
pub mod response;
pub mod token;

pub use request::{MessageImprint, NewTimeStampReq, TimeStampReq};
pub use response::{FailureInfo, Status, TimeStampResp};
pub use token::{Accuracy, GenTime, NewTstInfo, TimeStampToken, TstInfo};

use crate::format::cms;
use crate::format::der::{self, ObjectIdentifier, Reader};
use crate::format::x509::Extension;

/// `id-ct-TSTInfo` (RFC 3161 2.4.2).
pub const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// Octets of a digest, a nonce or a serial number (RFC 3161 2.4.2 asks for serial numbers up to 20).
pub const MAX_OCTETS: usize = 64;

/// Extensions of one structure.
const MAX_EXTENSIONS: usize = 16;

/// Why bytes are not of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not the structure.
    #[error(transparent)]
    Der(#[from] der::Error),
    /// The token is no SignedData.
    #[error(transparent)]
    Cms(#[from] cms::Error),
    /// A version that is not 1 (RFC 3161 2.4.1, 2.4.2).
    #[error("{what} has version {version}, not 1")]
    Version {
        /// Whose version.
        what: &'static str,
        /// The version.
        version: u32,
    },
    /// SignedData that holds something else than a TSTInfo.
    #[error("the signed content is {found}, not a TSTInfo")]
    NotATimeStamp {
        /// What it is.
        found: ObjectIdentifier,
    },
    /// The TSTInfo is not attached as an OCTET STRING (RFC 3161 2.4.2).
    #[error("the TSTInfo is not attached as an OCTET STRING")]
    NotAttached,
    /// A status that RFC 3161 2.4.2 does not know.
    #[error("the response has the unknown status {status}")]
    UnknownStatus {
        /// The status.
        status: u32,
    },
    /// A token without a granting status, or the other way round (RFC 3161 2.4.2).
    #[error("the response's status and its token do not belong together")]
    StatusAndToken,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Der(_) => "tsp-malformed",
            Self::Cms(error) => error.code(),
            Self::Version { .. } => "tsp-version",
            Self::NotATimeStamp { .. } => "tsp-not-a-time-stamp",
            Self::NotAttached => "tsp-not-attached",
            Self::UnknownStatus { .. } => "tsp-unknown-status",
            Self::StatusAndToken => "tsp-status-and-token",
        }
    }
}

/// The content of `Extensions` (RFC 5280 4.1.2.9), each kind once.
fn read_extensions(mut reader: Reader<'_>) -> Result<Vec<Extension<'_>>, Error> {
    const WHAT: &str = "extensions";
    let mut extensions: Vec<Extension<'_>> = Vec::new();
    while !reader.is_empty() {
        let extension = Extension::read(&mut reader)?;
        if extensions.iter().any(|known| known.oid == extension.oid) {
            return Err(der::Error::InvalidValue { what: WHAT }.into());
        }
        if extensions.len() >= MAX_EXTENSIONS {
            return Err(der::Error::TooMany { what: WHAT, limit: MAX_EXTENSIONS }.into());
        }
        extensions.push(extension);
    }
    Ok(extensions)
}

/// An INTEGER of bounded length, content octets.
fn bounded_integer<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a [u8], Error> {
    let octets = reader.integer(what)?;
    if octets.len() > MAX_OCTETS {
        return Err(der::Error::InvalidValue { what }.into());
    }
    Ok(octets)
}
