//! Use cases: load, decide, record, commit. State and audit event leave in one transaction.
pub mod verification;
