//! Certificates that we issue: who may have one, what it says before anybody signs it, and where it stands afterwards.

pub mod ceremony;
pub mod erasure;
pub mod identity;
pub mod issuance;
pub mod job;
pub mod job_approval;
pub mod job_file;
pub mod lint;
pub mod log_gap;
pub mod pair;
pub mod possession;
pub mod profile;
pub mod publication;
pub mod recovery;
pub mod release;
pub mod renewal;
pub mod request;
pub mod rollover;
#[cfg(test)]
pub(in crate::domain) mod specimen;
pub mod state;
pub mod subject;
pub mod submission;
pub mod taking_in;
pub mod throw_away;
pub mod trust_list;
pub mod two_hands;
pub mod weak_key;

pub use issuance::{Error, IssuanceToken, Issuer, Request, Transaction, prepare};
pub use profile::{Profile, Profiles, UnknownProfile};
pub use publication::{Publication, shard};
pub use throw_away::ThrowAwayKeys;
