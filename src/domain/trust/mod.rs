//! Trust: anchors, the paths that lead to them, and the values that bind a key to a signature.
//!
//! A path is built backwards from a certificate to an anchor (RFC 5280 6), for a moment that the caller names: the
//! signer's certificate for the time of signing, the seal maker's for the making of the seal. Revocation is judged
//! apart. No anchor is built in.

pub mod acceptance;
pub mod anchor;
pub mod budget;
pub mod key;
pub mod list;
pub mod list_diff;
mod name_constraints;
pub mod path;
pub mod peer_name;
pub mod policy_graph;
pub mod recent;
pub mod revocation;
pub mod scope;
pub mod signature;
pub mod signed_data;

pub use crate::format::trust_list::{
    ListSigner, ListedAnchor, ListedList, Region, SignedTrustList, SignerIdRule, StatusKind, StatusService, TrustList,
    TrustUse,
};
pub use acceptance::{Acceptance, AlgorithmPolicy, SignatureUsed, Unacceptable, Use};
pub use anchor::{TrustAnchors, TrustError};
pub use budget::{Budget, Exhausted};
pub use key::{CheckedValue, ValueEncoding, check_digested, check_signed, check_value, public_key};
pub use list::{CheckedList, DEVELOPMENT_MARK, Introduction, ListRefused, add_trust_list};
pub use path::cache::PathCache;
pub use path::demand::{Conformance, EndValidity, PathPolicy, PurposeNesting};
pub use path::failure::{NamedCertificate, PathFailure, Refusal};
pub use path::revoked::{RevocationDemand, RevocationScope};
pub use path::{PathQuestion, TrustedPath, find_path, find_path_for};
pub use peer_name::{PeerName, PeerNameRefusal, check_peer_name};
pub use policy_graph::{AcceptedPolicies, PolicyInputs};
pub use recent::{Recent, RecentKey};
pub use revocation::{
    CrlEvidence, OcspEvidence, RevocationEvidence, RevocationPolicy, RevocationQuestion, RevocationStatus,
    RevocationUnknown, status_of,
};
pub use scope::{AnchorDemand, AnchorScope, ListNamed};
pub use signature::{CheckSignature, Computed, Signed, SignerId, SignerIdPolicy};
pub use signed_data::{
    CertificateNamed, ContentDigests, SignatureScope, SignedDataError, SignerVerified, find_signer_certificate,
    verify_attributes, verify_countersigner, verify_signer, verify_signer_by_digest, verify_signer_of,
};
