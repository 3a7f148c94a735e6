//! Certificates that we issue: what they say, before anybody signs them.

pub mod issuance;

pub use issuance::{Error, IssuanceToken, Issuer, Profile, Request, prepare};
