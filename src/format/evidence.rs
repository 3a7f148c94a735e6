//! Kinds of evidence in DER, told apart by their outermost structure: what is beside certificates when a signature is judged.

use crate::format::der::{Reader, Tag};

/// What a value is, beside a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvidenceKind {
    /// A revocation list (RFC 5280 5.1).
    List,
    /// An OCSP answer (RFC 6960 4.2.1).
    Answer,
    /// A time stamp (RFC 3161 2.4.2): a message of some type (RFC 5652 3).
    Token,
}

/// Tells the kinds apart by their outermost structure; what is recognised may still be malformed further in. Nothing where it is
/// a certificate, or none of these.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Option<EvidenceKind> {
    let mut outer = Reader::new(bytes).sequence("evidence").ok()?;
    match outer.peek()? {
        // RFC 6960 4.2.1: OCSPResponse begins with its status. RFC 5652 3: ContentInfo with its type.
        Tag::Enumerated => return Some(EvidenceKind::Answer),
        Tag::ObjectIdentifier => return Some(EvidenceKind::Token),
        _ => {}
    }
    // RFC 5280 5.1: in a list the time of issue follows the issuer; in a certificate a SEQUENCE stands there.
    let mut list = outer.sequence("tbsCertList").ok()?;
    list.optional(Tag::Integer, "version").ok()?;
    list.sequence("signature").ok()?;
    list.sequence("issuer").ok()?;
    matches!(list.peek()?, Tag::UtcTime | Tag::GeneralizedTime).then_some(EvidenceKind::List)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_from_certificates() {
        // OCSPResponse { responseStatus tryLater }
        assert_eq!(recognise(&[0x30, 3, 0x0a, 1, 3]), Some(EvidenceKind::Answer));
        // ContentInfo { contentType … }
        assert_eq!(recognise(&[0x30, 3, 6, 1, 0x2a]), Some(EvidenceKind::Token));
        // CertificateList { TBSCertList { version 1, {}, {}, UTCTime } }
        let list = [0x30, 11, 0x30, 9, 2, 1, 1, 0x30, 0, 0x30, 0, 0x17, 0];
        assert_eq!(recognise(&list), Some(EvidenceKind::List));
        // Certificate { TBSCertificate { serial, {}, {}, Validity } }, of version 1
        let certificate = [0x30, 11, 0x30, 9, 2, 1, 1, 0x30, 0, 0x30, 0, 0x30, 0];
        assert_eq!(recognise(&certificate), None);
        // Cut, empty, of another tag.
        for wrong in [&list[..12], &[], &[0x30, 0], &[0x31, 3, 6, 1, 0x2a]] {
            assert_eq!(recognise(wrong), None, "{wrong:?}");
        }
    }
}
