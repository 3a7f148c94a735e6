//! Certificate revocation lists (RFC 5280 5, GB/T 20518 CRL): read as borrowed slices, written as DER.
//!
//! Accepted: version 1 without extensions and version 2; a missing `nextUpdate`, which RFC 5280 5.1.2.5 demands and which
//! whoever judges freshness will miss; an empty `revokedCertificates`, which RFC 5280 5.1.2.6 leaves out and many
//! authorities write: it changes nothing. Refused: anything that is not DER, trailing bytes, an issuer without a name,
//! extensions in version 1, two extensions of one kind, extensions of RFC 5280 5.2 and 5.3 that are not as written there,
//! a signature algorithm that differs inside and outside (RFC 5280 5.1.1.2).
//!
//! Every entry is read once when the list is, so that walking through them later cannot fail; nothing is allocated for
//! an entry. Which extensions are critical and unknown is told, not judged.

mod entry;
mod index;
mod list;
mod scope;
mod writer;

use crate::format::der::ObjectIdentifier;

pub use entry::{Entries, RevocationReason, RevokedCertificate};
pub use index::CrlIndex;
pub use list::CertificateList;
pub(in crate::format::x509) use list::read_extension_list;
pub use scope::IssuingDistributionPoint;
pub use writer::{NewCrl, NewEntries, NewRevokedCertificate};

/// `cRLNumber` (RFC 5280 5.2.3).
pub const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
/// `reasonCode` (RFC 5280 5.3.1).
pub const REASON_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
/// `holdInstructionCode`, withdrawn by RFC 5280, still met.
pub const HOLD_INSTRUCTION_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.23");
/// `invalidityDate` (RFC 5280 5.3.2).
pub const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
/// `deltaCRLIndicator` (RFC 5280 5.2.4).
pub const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
/// `issuingDistributionPoint` (RFC 5280 5.2.5).
pub const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
/// `certificateIssuer` (RFC 5280 5.3.3).
pub const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");
/// `expiredCertsOnCRL` (X.509 9.5.2.8): from when on expired certificates stay listed.
pub const EXPIRED_CERTS_ON_CRL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.60");
