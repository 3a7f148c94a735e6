//! The endpoints, one file per noun. JSON shapes live here.

pub(crate) mod accept;
mod application_shapes;
pub(crate) mod audit_log;
pub(crate) mod authorities;
pub(crate) mod certificate_requests;
pub(crate) mod certificates;
pub(crate) mod files;
pub(crate) mod form;
pub(crate) mod issuance_jobs;
mod job_lines;
pub(crate) mod json;
mod lines;
pub(crate) mod notice_keys;
mod pair;
mod parts;
pub(crate) mod person_signatures;
pub(crate) mod prepared_signatures;
pub(crate) mod publication;
pub(crate) mod report_answer;
pub(crate) mod seal_applications;
pub(crate) mod seal_life;
pub(crate) mod seal_uses;
pub(crate) mod seals;
pub(crate) mod signing_keys;
pub(crate) mod system;
pub(crate) mod time_stamps;
pub(crate) mod trust_lists;
pub(crate) mod use_ledger;
pub(crate) mod verification_batches;
pub(crate) mod verifications;

use serde::Serialize;
use utoipa::ToSchema;

/// An error (RFC 9457). `docs/api-errors.md` lists the codes.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemShape {
    /// `urn:yinxin:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The same for each occurrence.
    title: String,
    /// The HTTP status.
    status: u16,
    /// About this occurrence.
    detail: String,
    /// Stable; programs look at this.
    code: String,
    /// The request's id.
    instance: String,
}

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(as = File, value_type = String, format = Binary)]
pub(crate) struct FileShape(#[expect(dead_code, reason = "describes a body")] Vec<u8>);
