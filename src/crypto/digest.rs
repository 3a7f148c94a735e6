//! Digests, HMAC-SM3 and HMAC-SHA256, whole messages at a time.

use crate::crypto::algorithm::DigestAlgorithm;
use crate::crypto::sm3;

/// The digest of a message; [`DigestAlgorithm::size`] bytes.
#[must_use]
pub fn digest(algorithm: DigestAlgorithm, message: &[u8]) -> Vec<u8> {
    let sha = |algorithm| ring::digest::digest(algorithm, message).as_ref().to_vec();
    match algorithm {
        DigestAlgorithm::Sm3 => sm3(message).to_vec(),
        DigestAlgorithm::Sha256 => sha(&ring::digest::SHA256),
        DigestAlgorithm::Sha384 => sha(&ring::digest::SHA384),
        DigestAlgorithm::Sha512 => sha(&ring::digest::SHA512),
    }
}

/// The digests of many messages, in their order; for SM3 several are computed at a time.
#[must_use]
pub fn digest_many(algorithm: DigestAlgorithm, messages: &[&[u8]]) -> Vec<Vec<u8>> {
    match algorithm {
        DigestAlgorithm::Sm3 => sm3::digest_many(messages).into_iter().map(|digest| digest.to_vec()).collect(),
        DigestAlgorithm::Sha256 | DigestAlgorithm::Sha384 | DigestAlgorithm::Sha512 => {
            messages.iter().map(|message| digest(algorithm, message)).collect()
        }
    }
}

/// SM3 of a message (GB/T 32905).
#[must_use]
pub fn sm3(message: &[u8]) -> [u8; 32] {
    sm3::sm3(message)
}

/// SHA-256 of a message (FIPS 180-4).
#[must_use]
pub fn sha256(message: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(ring::digest::digest(&ring::digest::SHA256, message).as_ref()) {
        *to = *from;
    }
    out
}

/// SHA-1 of a message (FIPS 180-4), for names of keys and certificates only: OCSP tells its responder and most certificates
/// by it (RFC 6960 4.1.1, 4.2.1), older time stamps their authority (RFC 3161 2.4.2). No content is told by it.
#[must_use]
pub fn sha1_identifier(message: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, message);
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}

/// HMAC-SM3 (GM/T 0042), over the concatenation of the parts.
#[must_use]
pub fn hmac_sm3(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mac = sm3::Hmac::new(key);
    let mut run = mac.start();
    parts.iter().for_each(|part| run.update(part));
    run.finish()
}

/// HMAC-SHA256 (RFC 2104, FIPS 180-4), for those outside who sign by it.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), message);
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    out
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sm3_of_the_standard() {
        // GB/T 32905 A.1, A.2.
        assert_eq!(hex(&sm3(b"abc")), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
        assert_eq!(hex(&sm3(&b"abcd".repeat(16))), "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732");
    }

    #[test]
    fn many_digests_are_those_of_each() {
        use DigestAlgorithm::{Sha256, Sha384, Sha512, Sm3};
        let messages: [&[u8]; 4] = [b"one", b"", b"a longer message than the others", b"one"];
        for algorithm in [Sm3, Sha256, Sha384, Sha512] {
            let each: Vec<_> = messages.iter().map(|message| digest(algorithm, message)).collect();
            assert_eq!(digest_many(algorithm, &messages), each, "{}", algorithm.name());
        }
    }

    #[test]
    fn hmac_sha256_of_the_standard() {
        // RFC 4231 4.2, 4.3.
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(hex(&hmac_sha256(&[0x0b; 20], b"Hi There")), expected);
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")), expected);
    }

    #[test]
    fn hmac_sm3_agrees_with_openssl() {
        let key = openssl::pkey::PKey::hmac(b"key").unwrap();
        let kind = openssl::hash::MessageDigest::from_name("sm3").unwrap();
        #[expect(clippy::disallowed_methods, reason = "HMAC, not SM2")]
        let mut peer = openssl::sign::Signer::new(kind, &key).unwrap();
        let expected = peer.sign_oneshot_to_vec(b"one two").unwrap();
        assert_eq!(hmac_sm3(b"key", &[b"one", b" two"]).to_vec(), expected);
    }
}
