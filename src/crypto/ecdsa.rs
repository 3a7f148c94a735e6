//! Verification of callers' request signatures on P-256 and Ed25519, by ring. Nothing here signs.

use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};

/// Whether `value` (r‖s, 64 bytes) is right over `message` by ECDSA with SHA-256 (FIPS 186-5) for the uncompressed
/// point `key`.
#[must_use]
pub fn verify_p256(key: &[u8], message: &[u8], value: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, value).is_ok()
}

/// Whether `value` (64 bytes) is right over `message` by Ed25519 (RFC 8032) for `key` (32 bytes).
#[must_use]
pub fn verify_ed25519(key: &[u8], message: &[u8], value: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(message, value).is_ok()
}
