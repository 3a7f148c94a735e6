//! Yinxin (印信) issues and validates electronic seals and signatures, and the identities and licences that stand on them.
//!
//! Bytes enter at the top ([`http`], [`cli`]) and fall through the layers; verdicts rise again.
//! Each layer names only layers below it; `tests/tidy.rs` holds the table of allowed arrows.
//! [`base`] gives time, randomness, identifiers and limits, always as arguments.
//! [`crypto`] computes: SM2, SM3, RSA, SHA-2; it neither parses nor decides.
//! [`mod@format`] turns bytes into borrowed types and back; what was signed stays the slice that arrived.
//! [`render`] turns types into pictures.
//! [`domain`] decides, from values alone: is this signature right, whose is it, may it be trusted?
//! [`store`] keeps rows, on SQLite or PostgreSQL.
//! [`service`] is one function per use case: load, decide, record, commit; the only door for [`http`] and [`cli`].
//! ARCHITECTURE.md draws the house; SECURITY.md says who attacks which door and which test holds it.

pub mod base;

pub mod crypto;

pub mod format;
pub mod render;

pub mod domain;

pub mod store;

pub mod service;

pub mod config;

pub mod cli;
pub mod http;
