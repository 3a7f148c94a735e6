//! Trust: anchors, the paths that lead to them, and the values that bind a key to a signature.
//!
//! A path is built backwards from a certificate to an anchor (RFC 5280 6), for a moment that the caller names: the
//! signer's certificate for the time of signing, the seal maker's for the making of the seal. Revocation is judged
//! apart. No anchor is built in.

pub mod acceptance;
pub mod anchor;
pub mod key;
pub mod path;
pub mod signed_data;

pub use acceptance::{Acceptance, AlgorithmPolicy, SignatureUsed, Unacceptable, Use};
pub use anchor::{TrustAnchors, TrustError};
pub use key::{CheckedValue, ValueEncoding, check_signed, check_value, public_key};
pub use path::{Budget, PathFailure, TrustedPath, find_path};
pub use signed_data::{SignatureScope, SignedDataError, SignerVerified, find_signer_certificate, verify_signer};
