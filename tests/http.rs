//! The HTTPS door from outside: a real server on loopback, an in-memory double behind it, clients of our own and curl.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not their helpers"
)]

#[path = "http/access.rs"]
mod access;
#[path = "http/certificate_requests.rs"]
mod certificate_requests;
#[path = "http/certificates.rs"]
mod certificates;
#[path = "http/client.rs"]
mod client;
#[path = "http/curl.rs"]
mod curl;
#[path = "http/double.rs"]
mod double;
#[path = "http/evidence.rs"]
mod evidence;
#[path = "http/issuance_jobs.rs"]
mod issuance_jobs;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/logs.rs"]
mod logs;
#[path = "http/openapi.rs"]
mod openapi;
#[path = "http/person_signatures.rs"]
mod person_signatures;
#[path = "http/seal_answers.rs"]
mod seal_answers;
#[path = "http/seal_desk.rs"]
mod seal_desk;
#[path = "http/seals.rs"]
mod seals;
#[path = "http/shutdown.rs"]
mod shutdown;
#[path = "http/signatures.rs"]
mod signatures;
#[path = "http/signing_keys.rs"]
mod signing_keys;
#[path = "http/time_stamps.rs"]
mod time_stamps;
#[path = "http/trust_lists.rs"]
mod trust_lists;
#[path = "http/verifications.rs"]
mod verifications;
