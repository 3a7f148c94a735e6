//! What authorities publish: revocation lists and OCSP answers, made over a real database, judged by our own eyes and by
//! others'.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

mod answers;
mod desk;
mod lists;
mod peers;

/// Says that a peer is absent, and fails where it must be there.
pub(crate) fn skip(test: &str, absent: &str) {
    println!("SKIPPED {test}: {absent} absent");
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
    assert!(!required, "{absent} is required and absent");
}
