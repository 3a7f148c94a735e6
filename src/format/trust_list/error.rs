//! Why bytes are no trust list, or why a list cannot be written.

use crate::format::der;

/// Why a trust list, or a bundle of them, is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustListError {
    /// More octets than are read.
    #[error("the {what} is larger than the {most} octets that are read")]
    TooLarge {
        /// What.
        what: &'static str,
        /// So many.
        most: usize,
    },
    /// No JSON, or JSON of another shape; members that are not known are refused (RFC 8259).
    #[error("the {what} is not JSON of the shape that is read (line {line}, column {column})")]
    Shape {
        /// What.
        what: &'static str,
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// Not base64url without padding (RFC 7515 2), or not base64 (RFC 4648 4).
    #[error("{what} is not base64 as it must be")]
    Base64 {
        /// What.
        what: &'static str,
    },
    /// The payload is readable, but is not written as RFC 8785 has it: members in order, no white space, nothing empty.
    #[error("the list is not in its canonical form (RFC 8785)")]
    NotCanonical,
    /// Another version of the format.
    #[error("the format has version {found}; version 1 is read")]
    Version {
        /// Which.
        found: u64,
    },
    /// A member breaks a rule of the format.
    #[error("{member}: {rule}")]
    Member {
        /// Which.
        member: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// A certificate or revocation list in it cannot be read.
    #[error("{what} {index} cannot be read")]
    Malformed {
        /// What.
        what: &'static str,
        /// Its number, from 1.
        index: usize,
        /// Why.
        source: der::Error,
    },
    /// The header of a signature is not exactly `alg`, `kid` and `typ` (RFC 7515 4.1), or says something else than it must.
    #[error("the header of signature {index} is not as it must be: {rule}")]
    Header {
        /// Its number, from 1.
        index: usize,
        /// The rule.
        rule: &'static str,
    },
}

impl TrustListError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "trust-list-too-large",
            Self::Shape { .. } | Self::Base64 { .. } => "trust-list-malformed",
            Self::NotCanonical => "trust-list-not-canonical",
            Self::Version { .. } => "trust-list-version",
            Self::Member { .. } => "trust-list-member",
            Self::Malformed { .. } => "trust-list-certificate-malformed",
            Self::Header { .. } => "trust-list-signature-header",
        }
    }
}
