//! Tests across layers: one binary, one folder per layer that is tested from outside.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

mod bench;
#[path = "../devices/built.rs"]
mod built;
mod bulk;
mod ca;
mod ca_request;
mod ceremony;
mod demo;
mod keys;
#[expect(dead_code, reason = "made for the tests of fetching, which ask for more")]
#[path = "../fetching/made.rs"]
mod made;
mod process;
mod seal_admin;
mod serve;
mod service;
mod store;
mod trust;

/// Says that a test could not run for want of a peer, and fails where peers are required.
pub(crate) fn skip(test: &str, absent: &str) {
    println!("SKIPPED {test}: {absent} absent");
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
    assert!(!required, "{absent} is required and absent");
}
