//! Trust lists (信任列表): who is trusted, for what, where and how long, signed and numbered.
//!
//! No standard of the field gives such a list a form that SM2 and P-256 can both sign; the model is that of ETSI TS 119 612
//! (a list, and a list of lists above it), without its XML. A list is JSON in the canonical form of RFC 8785, signed as JWS
//! in the general JSON form of RFC 7515 7.2.1, so that any reader of JSON and JWS can check it. Read strictly: members that
//! are not known, a second encoding of the same list, an algorithm or a header beyond ours are refused.
//!
//! Not judged here: signatures, times, and whether one list may follow another.

mod bundle;
mod error;
mod list;
mod signed;

#[cfg(test)]
mod tests;

pub use bundle::{MOST_BUNDLE, TrustBundle};
pub use error::TrustListError;
pub use list::{
    ListSigner, ListedAnchor, ListedList, MOST_ANCHORS, MOST_LISTS, MOST_PAYLOAD, MOST_SIGNERS, Region, SignerIdRule,
    StatusKind, StatusService, TrustList, TrustUse,
};
pub use signed::{ListAlgorithm, ListSignature, MOST_SIGNED, SignedTrustList, TYPE};
