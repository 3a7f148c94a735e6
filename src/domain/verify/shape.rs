//! What a file is, by its first few octets: every kind beside packages and seals, none of them two at once.

use std::borrow::Cow;

use crate::domain::verify::report::Refusal;
use crate::format::cms::ber;
use crate::format::cms::{ContentType, Family};
use crate::format::der::{ObjectIdentifier, Reader, Tag};
use crate::format::jose::Jws;
use crate::format::keys::read_pem;
use crate::format::ses::{Kind, recognise};
use crate::format::tsp::TST_INFO;

/// The kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::verify) enum Shape {
    /// SignedData of either family.
    Cms,
    /// A time-stamp token.
    Token,
    /// A time-stamp response.
    Response,
    /// A certificate, or several in PEM.
    Certificate,
    /// A revocation list.
    Crl,
    /// A JSON Web Signature.
    Jws,
    /// A signature value and nothing else.
    Raw,
}

/// PEM labels (RFC 7468; GM/T messages travel as PKCS7) and what stands under them.
const LABELS: [(&str, Shape); 5] = [
    ("CMS", Shape::Cms),
    ("PKCS7", Shape::Cms),
    ("CERTIFICATE", Shape::Certificate),
    ("X509 CRL", Shape::Crl),
    ("CRL", Shape::Crl),
];

/// As far as one looks for the beginning of PEM or of a package.
const HEAD: usize = 4096;

impl Shape {
    /// The shape of these bytes; `None` for packages, seals and anything else.
    pub(in crate::domain::verify) fn of(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
        if let Some(label) = pem_label(head) {
            return LABELS.iter().find(|(name, _)| *name == label).map(|(_, shape)| *shape);
        }
        if bytes.first() == Some(&0x30) {
            // The first octet of a bare value may be any.
            return Self::of_der(bytes).or_else(|| (recognise(bytes) == Kind::Raw).then_some(Self::Raw));
        }
        // A package may begin with foreign bytes.
        if head.windows(4).any(|window| window == b"PK\x03\x04" || window == b"PK\x05\x06") {
            return None;
        }
        match recognise(bytes) {
            Kind::Raw => Some(Self::Raw),
            _ => Jws::is_likely(bytes).then_some(Self::Jws),
        }
    }

    fn of_der(bytes: &[u8]) -> Option<Self> {
        if ber::is_streamed(bytes) {
            // SEQUENCE of indefinite length, then the object identifier of signedData.
            let oid = Reader::new(bytes.get(2..)?).oid("contentType").ok()?;
            return is_signed_data(oid).then_some(Self::Cms);
        }
        let mut inner = Reader::new(bytes).sequence("file").ok()?;
        let first = inner.value("first").ok()?;
        match first.tag() {
            Tag::ObjectIdentifier => {
                let oid = ObjectIdentifier::from_bytes(first.content()).ok()?;
                let is_token = is_signed_data(oid) && content_type(inner) == Some(TST_INFO);
                Some(if is_token { Self::Token } else { Self::Cms })
            }
            Tag::Integer => (inner.peek() == Some(Tag::Integer)).then_some(Self::Raw),
            Tag::Sequence => {
                let second = inner.peek();
                let is_signed = is_signed_structure(inner);
                let mut list = first.inside();
                match (list.peek(), second) {
                    // RFC 3161 2.4.2: the status; a rejection has nothing else.
                    (Some(Tag::Integer), None) => Some(Self::Response),
                    (Some(Tag::Integer), Some(Tag::Sequence)) if !is_signed => Some(Self::Response),
                    _ if !is_signed => None,
                    _ => Some(if is_list(&mut list) { Self::Crl } else { Self::Certificate }),
                }
            }
            _ => None,
        }
    }
}

/// Whether an algorithm and a BIT STRING follow, and nothing else (RFC 5280 4.1, 5.1).
fn is_signed_structure(mut rest: Reader<'_>) -> bool {
    rest.sequence("algorithm").is_ok_and(|mut algorithm| algorithm.oid("algorithm").is_ok())
        && rest.bit_string("value").is_ok()
        && rest.is_empty()
}

/// In a list the time of issue follows the issuer; in a certificate a SEQUENCE stands there (RFC 5280 5.1, 4.1).
fn is_list(list: &mut Reader<'_>) -> bool {
    let mut read = || {
        list.optional(Tag::Integer, "version").ok()?;
        list.sequence("signature").ok()?;
        list.sequence("issuer").ok()?;
        list.peek()
    };
    matches!(read(), Some(Tag::UtcTime | Tag::GeneralizedTime))
}

fn is_signed_data(oid: ObjectIdentifier) -> bool {
    Family::ALL.iter().any(|family| family.oid(ContentType::SignedData) == oid)
}

/// The type of what is signed in SignedData.
fn content_type(mut rest: Reader<'_>) -> Option<ObjectIdentifier> {
    let mut signed = rest.value("content").ok()?.inside().sequence("SignedData").ok()?;
    signed.integer("version").ok()?;
    signed.value("digestAlgorithms").ok()?;
    signed.sequence("encapContentInfo").ok()?.oid("eContentType").ok()
}

/// The label of PEM that the text begins with, white space aside.
fn pem_label(head: &[u8]) -> Option<&str> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let rest = text.strip_prefix(b"-----BEGIN ")?;
    let end = rest.windows(5).position(|window| window == b"-----")?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

/// The DER of a file: itself, or the blocks of PEM of the kinds that belong to its shape, at most `limit`.
///
/// # Errors
/// Broken PEM.
pub(in crate::domain::verify) fn ders(bytes: &[u8], shape: Shape, limit: usize) -> Result<Vec<Cow<'_, [u8]>>, Refusal> {
    let refused = |code, detail: String| Refusal { code, clause: "RFC 7468 2", detail, part: None };
    if bytes.first() == Some(&0x30) {
        return Ok(vec![Cow::Borrowed(bytes)]);
    }
    let broken = || refused("pem-malformed", "the PEM text is broken".to_owned());
    let text = std::str::from_utf8(bytes).map_err(|_| broken())?;
    let mut found = Vec::new();
    for (label, _) in LABELS.iter().filter(|(_, of)| *of == shape) {
        found.extend(read_pem(text, label).ok_or_else(broken)?.into_iter().map(Cow::Owned));
    }
    if found.len() > limit {
        return Err(refused("pem-too-many", format!("{} blocks of PEM, the limit is {limit}", found.len())));
    }
    if found.is_empty() { Err(broken()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cms::ContentInfo;
    use crate::format::keys::write_pem;

    #[test]
    fn shapes_by_structure() {
        let signed = |content: ObjectIdentifier| {
            let mut writer = crate::format::der::Writer::new();
            writer.sequence(|inner| {
                inner.small(3).set_of_one(|_| {}).sequence(|content_info| {
                    content_info.oid(content);
                });
            });
            ContentInfo::write(Family::Cms.oid(ContentType::SignedData), &writer.into_bytes())
        };
        let token = signed(TST_INFO);
        let response = [&[0x30, 0x81, u8::try_from(token.len() + 5).unwrap(), 0x30, 3, 2, 1, 0], &token[..]].concat();
        let response = if response[2] < 0x80 { [&[0x30, response[2]], &response[3..]].concat() } else { response };
        let certificate = [0x30, 15, 0x30, 2, 0x30, 0, 0x30, 5, 6, 3, 0x2a, 3, 4, 3, 2, 0, 1];
        let time = *b"\x17\x0d260101000000Z";
        let list =
            [&[0x30, 32, 0x30, 19, 0x30, 0, 0x30, 0][..], &time, &[0x30, 5, 6, 3, 0x2a, 3, 4, 3, 2, 0, 1]].concat();
        for (bytes, shape) in [
            (signed(Family::Cms.oid(ContentType::Data)), Some(Shape::Cms)),
            (ContentInfo::write(Family::Gm.oid(ContentType::EnvelopedData), &[5, 0]), Some(Shape::Cms)),
            (token, Some(Shape::Token)),
            (response, Some(Shape::Response)),
            (vec![0x30, 5, 0x30, 3, 2, 1, 2], Some(Shape::Response)),
            (certificate.to_vec(), Some(Shape::Certificate)),
            (list, Some(Shape::Crl)),
            (vec![0x30, 6, 2, 1, 1, 2, 1, 1], Some(Shape::Raw)),
            (vec![7; 64], Some(Shape::Raw)),
            (vec![7; 65], None),
            (b"eyJhbGciOiJFUzI1NiJ9.dGV4dA.dg".to_vec(), Some(Shape::Jws)),
            (br#"{"payload":"dGV4dA","signature":"dg"}"#.to_vec(), Some(Shape::Jws)),
            (br#"{"a":1}"#.to_vec(), None),
            (b"PK\x03\x04".to_vec(), None),
            (write_pem(&[0x30, 0], "PKCS7").into_bytes(), Some(Shape::Cms)),
            (write_pem(&[0x30, 0], "X509 CRL").into_bytes(), Some(Shape::Crl)),
            (write_pem(&[0x30, 0], "PRIVATE KEY").into_bytes(), None),
            (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80".to_vec(), Some(Shape::Cms)),
            (b"\x30\x80\x02\x01\x01".to_vec(), None),
        ] {
            assert_eq!(Shape::of(&bytes), shape, "{bytes:02x?}");
        }
    }

    #[test]
    fn pem_is_taken_apart_by_its_labels() {
        let two = [write_pem(&[0x30, 0], "CERTIFICATE"), write_pem(&[0x30, 1, 5], "CERTIFICATE")].concat();
        let found = ders(two.as_bytes(), Shape::Certificate, 2).unwrap();
        assert_eq!(found, [Cow::Borrowed(&[0x30, 0][..]), Cow::Borrowed(&[0x30, 1, 5])]);
        assert_eq!(ders(two.as_bytes(), Shape::Certificate, 1).unwrap_err().code, "pem-too-many");
        assert_eq!(ders(b"-----BEGIN CMS-----\n", Shape::Cms, 1).unwrap_err().code, "pem-malformed");
    }
}
