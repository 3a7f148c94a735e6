//! Which kind of private key file bytes are, by the first values inside.

use crate::base::secret::Secret;
use crate::format::der::{Reader, Tag};
use crate::format::keys::pem::read_base64;

/// The kinds of private key file.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyFile<'a> {
    /// Text with PEM blocks (RFC 7468).
    Pem(&'a str),
    /// Base64 without lines around it, as CFCA delivers its files: what it holds.
    Base64(Secret),
    /// PrivateKeyInfo (RFC 5958).
    Pkcs8,
    /// EncryptedPrivateKeyInfo (RFC 5958).
    EncryptedPkcs8,
    /// PFX (RFC 7292).
    Pkcs12,
    /// ECPrivateKey (RFC 5915).
    Sec1,
    /// RSAPrivateKey (RFC 8017).
    Pkcs1,
    /// CFCA's own.
    Cfca,
}

/// Tells the kinds apart; `None` for anything else. Says nothing about the rest of the bytes.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Option<KeyFile<'_>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if text.contains("-----BEGIN ") {
            return Some(KeyFile::Pem(text));
        }
        if let Some(content) = read_base64(bytes) {
            return Some(KeyFile::Base64(content));
        }
    }
    // BER's indefinite length: only PKCS#12 is written so.
    if bytes.starts_with(&[0x30, 0x80]) {
        return Some(KeyFile::Pkcs12);
    }
    let mut inner = Reader::new(bytes).sequence("key file").ok()?;
    let first = inner.value("key file").ok()?;
    let second = inner.value("key file").ok()?;
    match (first.tag(), first.content(), second.tag()) {
        (Tag::Sequence, _, Tag::OctetString) => Some(KeyFile::EncryptedPkcs8),
        (Tag::Integer, [3], Tag::Sequence) => Some(KeyFile::Pkcs12),
        (Tag::Integer, [1], Tag::OctetString) => Some(KeyFile::Sec1),
        (Tag::Integer, [0 | 1], Tag::Integer) => Some(KeyFile::Pkcs1),
        (Tag::Integer, [0 | 1], Tag::Sequence) => match inner.peek() {
            Some(Tag::OctetString) => Some(KeyFile::Pkcs8),
            Some(Tag::Sequence) => Some(KeyFile::Cfca),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_their_first_values() {
        let kind = |bytes: &[u8]| recognise(bytes).map(|kind| format!("{kind:?}"));
        let cases: [(&[u8], &str); 8] = [
            (&[0x30, 4, 0x30, 0, 4, 0], "EncryptedPkcs8"),
            (&[0x30, 5, 2, 1, 3, 0x30, 0], "Pkcs12"),
            (&[0x30, 0x80, 2, 1, 3], "Pkcs12"),
            (&[0x30, 5, 2, 1, 1, 4, 0], "Sec1"),
            (&[0x30, 6, 2, 1, 0, 2, 1, 5], "Pkcs1"),
            (&[0x30, 7, 2, 1, 0, 0x30, 0, 4, 0], "Pkcs8"),
            (&[0x30, 7, 2, 1, 1, 0x30, 0, 0x30, 0], "Cfca"),
            (b" MAM\nCAQE=\n", "Base64(Secret(..))"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(kind(bytes).as_deref(), Some(expected), "{bytes:?}");
        }
        assert!(matches!(recognise(b"x\n-----BEGIN "), Some(KeyFile::Pem("x\n-----BEGIN "))));
        for bytes in [&[][..], b"?", &[0x30, 0], &[0x30, 5, 2, 1, 7, 0x30, 0], &[0x30, 4, 2, 1, 3]] {
            assert_eq!(kind(bytes), None, "{bytes:?}");
        }
    }
}
