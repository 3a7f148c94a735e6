//! The document of a detached signature: itself, or its digest alone where the format needs no more than that.

use std::fmt;

use crate::crypto::algorithm::DigestAlgorithm;
use crate::crypto::digest::hex;
use crate::domain::verify::report::Refusal;

/// What is at hand of the document that a detached signature signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original<'a> {
    /// The document.
    Bytes(&'a [u8]),
    /// Its digest: whoever asks keeps the document.
    Digest(&'a OriginalDigest),
}

impl<'a> Original<'a> {
    /// The document, where it is at hand.
    #[must_use]
    pub const fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Digest(_) => None,
        }
    }
}

impl<'a> From<&'a [u8]> for Original<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

/// Of what the digest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestOf {
    /// Of the document.
    Document(DigestAlgorithm),
    /// SM3 of Z and the document, e of GB/T 32918.2 6.1: Z is of the signer's key and of its ID.
    Sm2E,
}

impl DigestOf {
    const ALL: [Self; 5] = [
        Self::Document(DigestAlgorithm::Sm3),
        Self::Document(DigestAlgorithm::Sha256),
        Self::Document(DigestAlgorithm::Sha384),
        Self::Document(DigestAlgorithm::Sha512),
        Self::Sm2E,
    ];

    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Document(algorithm) => algorithm.name(),
            Self::Sm2E => "sm2-e",
        }
    }

    const fn size(self) -> usize {
        match self {
            Self::Document(algorithm) => algorithm.size(),
            Self::Sm2E => 32,
        }
    }
}

/// The digest of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalDigest {
    of: DigestOf,
    value: Vec<u8>,
}

impl fmt::Display for OriginalDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.of.name(), hex(&self.value))
    }
}

/// Not a digest as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sm3, sha256, sha384, sha512 or sm2-e, a colon, and the digest in hexadecimal are wanted")]
pub struct InvalidDigest;

impl InvalidDigest {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        "digest-malformed"
    }
}

impl OriginalDigest {
    /// Reads `sm3:…`, `sha256:…`, `sha384:…`, `sha512:…` or `sm2-e:…` with the digest in hexadecimal.
    ///
    /// # Errors
    /// [`InvalidDigest`]: another name, another length, or no hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        let (name, digits) = text.split_once(':').ok_or(InvalidDigest)?;
        let of = DigestOf::ALL.into_iter().find(|of| of.name() == name).ok_or(InvalidDigest)?;
        if digits.len() != of.size().saturating_mul(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(InvalidDigest);
        }
        let pairs = digits.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).map_err(|_| InvalidDigest)?;
            u8::from_str_radix(pair, 16).map_err(|_| InvalidDigest)
        });
        Ok(Self { of, value: pairs.collect::<Result<_, _>>()? })
    }

    /// Of what it is.
    #[must_use]
    pub const fn of(&self) -> DigestOf {
        self.of
    }

    /// Its octets.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

/// Kinds of files that a digest is enough for, by their names: a message of CMS whose signer signs attributes (RFC 5652
/// 5.4), a time stamp (RFC 3161 2.4.1), an SM2 value alone (GB/T 32918.2 7.1), a JWS whose header holds digests (ETSI TS 119
/// 182-1 5.2.8.3.3), which asks by itself: the input of any other holds the payload (RFC 7515 5.1). All others are over the
/// document itself.
const BY_DIGEST: [&str; 4] = ["cms", "time-stamp", "raw", "jws"];

/// Refuses a digest where the kind of file needs the document.
pub(in crate::domain::verify) fn refuse_digest(kind: &str, original: Option<Original<'_>>) -> Result<(), Refusal> {
    match original {
        Some(Original::Digest(_)) if !BY_DIGEST.contains(&kind) => {
            Err(not_enough(format!("a file of kind {kind} is judged with the document itself, not with its digest")))
        }
        _ => Ok(()),
    }
}

/// The digest does not do what the document would.
pub(in crate::domain::verify) const fn not_enough(detail: String) -> Refusal {
    Refusal { code: "digest-not-enough", clause: "product 2", detail, part: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_strictly() {
        let digest = OriginalDigest::parse(&format!("sm3:{}", "aB".repeat(32))).unwrap();
        assert_eq!((digest.of(), digest.value()), (DigestOf::Document(DigestAlgorithm::Sm3), [0xab; 32].as_slice()));
        for of in DigestOf::ALL {
            let digest = OriginalDigest::parse(&format!("{}:{}", of.name(), "00".repeat(of.size()))).unwrap();
            assert_eq!((digest.of(), digest.value().len()), (of, of.size()));
            let short = format!("{}:{}", of.name(), "00".repeat(of.size() - 1));
            assert_eq!(OriginalDigest::parse(&short), Err(InvalidDigest), "{short}");
        }
        let full = "00".repeat(32);
        for text in [
            "",
            ":",
            full.as_str(),
            &format!("md5:{full}"),
            &format!("SM3:{full}"),
            &format!("sm3: {}", "0".repeat(63)),
            &format!("sm3:+{}", "0".repeat(63)),
            &format!("sm3:{}é", "0".repeat(62)),
        ] {
            assert_eq!(OriginalDigest::parse(text), Err(InvalidDigest), "{text}");
        }
    }

    #[test]
    fn a_digest_is_refused_where_the_document_is_needed() {
        let digest = OriginalDigest::parse(&format!("sm3:{}", "00".repeat(32))).unwrap();
        for kind in ["ofd", "ses", "seal", "certificate", "crl"] {
            let refused = refuse_digest(kind, Some(Original::Digest(&digest))).unwrap_err();
            assert_eq!(refused.code, "digest-not-enough", "{kind}");
            assert_eq!(refuse_digest(kind, Some(Original::Bytes(b"x"))), Ok(()));
            assert_eq!(refuse_digest(kind, None), Ok(()));
        }
        for kind in BY_DIGEST {
            assert_eq!(refuse_digest(kind, Some(Original::Digest(&digest))), Ok(()), "{kind}");
        }
    }
}
