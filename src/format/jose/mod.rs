//! JSON Web Signatures (RFC 7515, RFC 7797): the compact form and both JSON forms, read and written.
//!
//! Accepted: one or several signatures over one payload, attached, detached (RFC 7515 F) or unencoded (RFC 7797);
//! certificates beside a signature (`x5c`); white space at the end of the compact form. Not looked at: members that
//! no rule here names, except for being unique. Refused: a name twice in one object or in both headers of a
//! signature (RFC 7515 4 leaves the choice; two readers would choose differently), padding, line breaks and unused bits
//! in Base64url (RFC 7515 2), `crit` that is empty, repeated, unprotected or names what is not there (RFC 7515 4.1.11),
//! more than the limits below.
//!
//! Which algorithm is acceptable and whose key it is, is decided elsewhere: see `domain::verify::jws`.

pub mod header;
pub mod jws;

pub use header::{Header, NewHeader, NewSignedObject, SignedObjects};
pub use jws::{Form, Jws, JwsSignature, Payload};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Octets of a decoded protected header: a chain of eight certificates has some 20,000.
pub const MAX_HEADER: usize = 256 << 10;

/// Signatures over one payload.
pub const MAX_SIGNATURES: usize = 64;

/// Names in one object, entries of one list in it.
pub const MAX_NAMES: usize = 64;

/// Certificates in `x5c`.
pub const MAX_CERTIFICATES: usize = 16;

/// Why bytes are no JSON Web Signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not text.
    #[error("it is not UTF-8 text (RFC 7515 3)")]
    NotText,
    /// The compact form has other than three parts.
    #[error("the compact form has {parts} parts, not three (RFC 7515 7.1)")]
    Parts {
        /// How many.
        parts: usize,
    },
    /// Not Base64url as RFC 7515 2 has it.
    #[error("{what} is not Base64url without padding (RFC 7515 2)")]
    Base64 {
        /// Of what.
        what: &'static str,
    },
    /// Not JSON, or not of the shape that is asked for.
    #[error("{what} is not the JSON object that it must be, at line {line}, column {column} (RFC 7515 7.2)")]
    Json {
        /// What.
        what: &'static str,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// A member is not there.
    #[error("{name} is missing (RFC 7515 7.2)")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A name stands twice, in one object or in both headers.
    #[error("{name} stands twice (RFC 7515 4)")]
    Repeated {
        /// The name.
        name: String,
    },
    /// Both JSON forms at once.
    #[error("signature and signatures stand side by side (RFC 7515 7.2.2)")]
    BothForms,
    /// More than a limit allows.
    #[error("{what} has more than {limit} (limits)")]
    TooMany {
        /// What.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// `crit` breaks its own rules.
    #[error("crit is empty, repeats itself, is not protected or names {name} wrongly (RFC 7515 4.1.11)")]
    Critical {
        /// The name concerned.
        name: String,
    },
    /// `b64` without being critical and protected, or differing between signatures.
    #[error("b64 is not protected and critical, or not the same for all signatures (RFC 7797 3, 6)")]
    UnencodedPayload,
    /// `x5t#S256` is no SHA-256.
    #[error("x5t#S256 is not the Base64url of 32 octets (RFC 7515 4.1.8)")]
    Thumbprint,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotText | Self::Parts { .. } | Self::Json { .. } | Self::Missing { .. } | Self::BothForms => {
                "jws-malformed"
            }
            Self::Base64 { .. } => "jws-base64",
            Self::Repeated { .. } => "jws-name-repeated",
            Self::TooMany { .. } => "jws-too-many",
            Self::Critical { .. } => "jws-crit",
            Self::UnencodedPayload => "jws-b64",
            Self::Thumbprint => "jws-thumbprint",
        }
    }
}

fn json_error(what: &'static str, error: &serde_json::Error) -> Error {
    Error::Json { what, line: error.line(), column: error.column() }
}

/// Base64url without padding, every unused bit zero (RFC 7515 2).
fn from_base64url(text: &str, what: &'static str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Base64 { what })
}

/// Base64url without padding (RFC 7515 2).
#[must_use]
pub fn to_base64url(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// Whether text is Base64url without padding, every unused bit zero; decodes nothing, so that a large payload is not
/// held twice.
fn is_base64url(text: &str) -> bool {
    let octets = text.as_bytes();
    let tail = octets.len() % 4;
    let (whole, rest) = octets.split_at(octets.len().saturating_sub(tail));
    let in_alphabet = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    whole.iter().all(in_alphabet) && URL_SAFE_NO_PAD.decode(rest).is_ok()
}
