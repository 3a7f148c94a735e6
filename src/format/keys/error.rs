//! Why bytes are no key file that we read.

use crate::format::der::{self, ObjectIdentifier};

/// Why bytes are no key file that we read. `what` names the field, in the standard's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The structure is broken.
    #[error(transparent)]
    Der(#[from] der::Error),
    /// The structure is right and names an algorithm that we do not read.
    #[error("{what} names an algorithm that is not supported: {oid}")]
    Unsupported {
        /// The field.
        what: &'static str,
        /// The algorithm.
        oid: ObjectIdentifier,
    },
    /// The curve is given by its numbers instead of its name; those could be anything (RFC 5480 2.1.1).
    #[error("the curve is given by explicit parameters, not by its name")]
    ExplicitCurve,
    /// An RSA key of more than two primes (RFC 8017 A.1.2, version 1).
    #[error("the RSA key has more than two primes")]
    MultiPrime,
    /// Two places of the file contradict each other.
    #[error("{what} contradicts another place of the file")]
    Contradiction {
        /// The field that contradicts.
        what: &'static str,
    },
    /// More iterations than anybody needs.
    #[error("the passphrase is to be stretched more than {limit} times")]
    TooManyIterations {
        /// The limit.
        limit: u32,
    },
    /// A field or the file is longer than anybody needs.
    #[error("{what} is longer than {limit} bytes")]
    TooLong {
        /// The field.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// More elements than anybody needs.
    #[error("{what} holds more than {limit} elements")]
    TooMany {
        /// The field.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The text between PEM lines is not Base64, or a line that ends a block is missing (RFC 7468 3).
    #[error("a PEM block is cut off or is not Base64")]
    Pem,
    /// `Proc-Type: 4,ENCRYPTED` (RFC 1421): its key derivation is one round of MD5.
    #[error("the PEM block is encrypted in the old way of RFC 1421; convert it to PKCS#8")]
    LegacyEncryption,
}
