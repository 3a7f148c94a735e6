//! Which kind of signature value is this? Decided by structure, since version numbers in the field do not suffice.

use crate::format::der::{ObjectIdentifier, Reader, Tag};

/// The kinds of value that OFD signatures carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// GM/T 0031-2014.
    SesV1,
    /// GB/T 38540-2020.
    SesV4,
    /// GM/T 0031-2025.
    SesV5,
    /// A seal of version 4 in a signature of the shape of version 1.
    SesHybrid,
    /// A seal, and no signature with it.
    SesSeal,
    /// GB/T 35275 SignedData.
    Gbt35275,
    /// PKCS#7 or CMS SignedData (RFC 5652).
    Cms,
    /// A signature value and nothing else.
    Raw,
    /// None of these.
    Unknown,
}

impl Kind {
    /// As reports write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SesV1 => "ses-v1",
            Self::SesV4 => "ses-v4",
            Self::SesV5 => "ses-v5",
            Self::SesHybrid => "ses-hybrid",
            Self::SesSeal => "ses-seal",
            Self::Gbt35275 => "gbt35275",
            Self::Cms => "cms",
            Self::Raw => "raw",
            Self::Unknown => "unknown",
        }
    }
}

/// GB/T 35275 signedData.
const GM_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.6.1.4.2.2");

/// Tells the kinds apart by their outermost structure; a recognised value may still be malformed further in.
#[must_use]
pub fn recognise(value: &[u8]) -> Kind {
    match outline(value) {
        Some(kind) => kind,
        // An RSA value has the length of its modulus; SM2 values without structure have 64 bytes.
        None if matches!(value.len(), 64 | 256 | 384 | 512) => Kind::Raw,
        None => Kind::Unknown,
    }
}

fn outline(value: &[u8]) -> Option<Kind> {
    let mut outer = Reader::new(value);
    let mut inner = outer.sequence("value").ok()?;
    let first = inner.value("first").ok()?;
    match first.tag() {
        Tag::ObjectIdentifier => {
            let oid = ObjectIdentifier::from_bytes(first.content()).ok()?;
            Some(if oid == GM_SIGNED_DATA { Kind::Gbt35275 } else { Kind::Cms })
        }
        Tag::Integer => (inner.peek() == Some(Tag::Integer)).then_some(Kind::Raw),
        // A signature begins with its version, eSealInfo of a seal with its header.
        Tag::Sequence if first.inside().peek() == Some(Tag::Sequence) => {
            let second = inner.value("signInfo").ok()?.tag();
            // A BIT STRING after the second makes it a revocation list of version 1 (RFC 5280 5.1).
            let is_seal = second == Tag::OctetString || (second == Tag::Sequence && inner.is_empty());
            is_seal.then_some(Kind::SesSeal)
        }
        Tag::Sequence => {
            let mut count = 1_usize;
            let second = inner.peek();
            while !inner.is_empty() && count < 8 {
                inner.value("next").ok()?;
                count = count.saturating_add(1);
            }
            match count {
                // A time-stamp response begins with its status (RFC 3161 2.4.2).
                2 if second == Some(Tag::Sequence) && first.inside().peek() == Some(Tag::Integer) => None,
                2 => Some(by_seal(first.inside()).unwrap_or(Kind::SesV1)),
                4 | 5 => Some(by_header(first.inside()).unwrap_or(Kind::SesV4)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The seal inside tells version 1 from the layout that took a newer seal into the old signature.
fn by_seal(mut tbs: Reader<'_>) -> Option<Kind> {
    tbs.integer("version").ok()?;
    let mut seal = tbs.sequence("eseal").ok()?;
    seal.value("eSealInfo").ok()?;
    Some(if seal.peek() == Some(Tag::OctetString) { Kind::SesHybrid } else { Kind::SesV1 })
}

/// Versions 4 and 5 share their shape; the header of the seal inside tells them apart.
fn by_header(mut tbs: Reader<'_>) -> Option<Kind> {
    tbs.integer("version").ok()?;
    let mut seal = tbs.sequence("eseal").ok()?;
    let mut header = seal.sequence("eSealInfo").ok()?.sequence("header").ok()?;
    header.ia5("ID").ok()?;
    Some(if header.small("version").ok()? == 5 { Kind::SesV5 } else { Kind::SesV4 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_structure() {
        assert_eq!(recognise(&[]), Kind::Unknown);
        assert_eq!(recognise(&[7; 64]), Kind::Raw);
        assert_eq!(recognise(&[0x30, 6, 2, 1, 1, 2, 1, 1]), Kind::Raw);
        assert_eq!(recognise(b"PK\x03\x04"), Kind::Unknown);
    }
}
