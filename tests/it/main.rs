//! Tests across layers: one binary, one folder per layer that is tested from outside.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not what they call")]

mod store;
