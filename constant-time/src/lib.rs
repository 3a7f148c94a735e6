//! The layers that touch secrets, compiled by themselves: the product's own files, normal or with the variants under
//! `#[cfg(yinxin_leaky)]`.
#![cfg_attr(any(yinxin_leaky, yinxin_portable), allow(dead_code, reason = "what the variants replace"))]

pub mod base;
#[path = "../../src/crypto/mod.rs"]
pub mod crypto;

// The one use of a secret above `crypto` that computes with it.
#[path = "../../src/service/keys/shares.rs"]
pub mod shares;

/// Under the feature `memcheck` the product's `crypto::secrecy` calls it.
pub mod valgrind;
