//! ContentInfo and the object identifiers of both families (RFC 5652 3; GB/T 35275 5, 6).

use crate::format::cms::{Error, MAX_DEPTH};
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Value, Writer};

/// Which set of object identifiers a message uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// PKCS#7 and CMS, 1.2.840.113549.1.7.x (RFC 5652).
    Cms,
    /// GB/T 35275 (GM/T 0010), 1.2.156.10197.6.1.4.2.x; the arc is read in files of three independent makers.
    Gm,
}

/// What a message or its content is. Both families number them alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// `data`: octets without meaning of their own (RFC 5652 4).
    Data,
    /// `signedData` (RFC 5652 5).
    SignedData,
    /// `envelopedData` (RFC 5652 6).
    EnvelopedData,
    /// `signedAndEnvelopedData` (PKCS#7 11, GB/T 35275; CMS dropped it).
    SignedAndEnvelopedData,
    /// `encryptedData`: PKCS#7 numbers it 6, GB/T 35275 5.
    EncryptedData,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cms, Self::Gm];

    /// The object identifier of a content type in this family.
    #[must_use]
    pub const fn oid(self, content: ContentType) -> ObjectIdentifier {
        let text = match (self, content) {
            (Self::Cms, ContentType::Data) => "1.2.840.113549.1.7.1",
            (Self::Cms, ContentType::SignedData) => "1.2.840.113549.1.7.2",
            (Self::Cms, ContentType::EnvelopedData) => "1.2.840.113549.1.7.3",
            (Self::Cms, ContentType::SignedAndEnvelopedData) => "1.2.840.113549.1.7.4",
            (Self::Cms, ContentType::EncryptedData) => "1.2.840.113549.1.7.6",
            (Self::Gm, ContentType::Data) => "1.2.156.10197.6.1.4.2.1",
            (Self::Gm, ContentType::SignedData) => "1.2.156.10197.6.1.4.2.2",
            (Self::Gm, ContentType::EnvelopedData) => "1.2.156.10197.6.1.4.2.3",
            (Self::Gm, ContentType::SignedAndEnvelopedData) => "1.2.156.10197.6.1.4.2.4",
            (Self::Gm, ContentType::EncryptedData) => "1.2.156.10197.6.1.4.2.5",
        };
        ObjectIdentifier::new_unwrap(text)
    }
}

impl ContentType {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Data, Self::SignedData, Self::EnvelopedData, Self::SignedAndEnvelopedData, Self::EncryptedData];

    /// As the standards name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::SignedData => "signedData",
            Self::EnvelopedData => "envelopedData",
            Self::SignedAndEnvelopedData => "signedAndEnvelopedData",
            Self::EncryptedData => "encryptedData",
        }
    }

    /// The type and family of an object identifier.
    #[must_use]
    pub fn from_oid(oid: ObjectIdentifier) -> Option<(Family, Self)> {
        Family::ALL
            .into_iter()
            .flat_map(|family| Self::ALL.map(|content| (family, content)))
            .find(|(family, content)| family.oid(*content) == oid)
    }
}

/// The outermost structure.
///
/// ```text
/// ContentInfo ::= SEQUENCE { contentType OBJECT IDENTIFIER, content [0] EXPLICIT ANY OPTIONAL }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentInfo<'a> {
    /// All of it, as it arrived.
    pub raw: &'a [u8],
    /// `contentType`.
    pub content_type: ObjectIdentifier,
    /// `content`; PKCS#7 allows it to be absent, which no message here is.
    pub content: Value<'a>,
}

impl<'a> ContentInfo<'a> {
    /// Reads one that fills the bytes, and proves that it is DER throughout.
    ///
    /// # Errors
    /// Not this structure; [`der::Error::TooDeep`].
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "ContentInfo";
        let value = der::reader::only(der, WHAT)?;
        if value.tag() != Tag::Sequence {
            return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found: value.tag() });
        }
        der::walk(der, MAX_DEPTH)?;
        let mut inner = value.inside();
        let content_type = inner.oid("contentType")?;
        let mut content = inner.expect(context(0), "content")?.inside();
        inner.finish(WHAT)?;
        let value = content.value("content")?;
        content.finish("content")?;
        Ok(Self { raw: der, content_type, content: value })
    }

    /// A reader over the content, which must be of that type.
    pub(super) fn expect(&self, expected: ContentType) -> Result<(Family, Reader<'a>), Error> {
        match ContentType::from_oid(self.content_type) {
            Some((family, found)) if found == expected => {
                if self.content.tag() != Tag::Sequence {
                    let (what, found) = (expected.name(), self.content.tag());
                    return Err(der::Error::UnexpectedTag { what, expected: Tag::Sequence, found }.into());
                }
                Ok((family, self.content.inside()))
            }
            _ => Err(Error::ContentType { expected: expected.name(), found: self.content_type }),
        }
    }

    /// The structure around ready-made content.
    #[must_use]
    pub fn write(content_type: ObjectIdentifier, content: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|inner| {
            inner.oid(content_type);
            inner.context(0, |inner| {
                inner.raw(content);
            });
        });
        writer.into_bytes()
    }
}

/// A constructed context tag.
pub(crate) const fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(number) }
}

/// A primitive context tag.
pub(crate) const fn primitive(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: false, number: ::der::TagNumber(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_lead_back_and_content_must_be_whole() {
        for family in Family::ALL {
            for content in ContentType::ALL {
                assert_eq!(ContentType::from_oid(family.oid(content)), Some((family, content)));
            }
        }
        assert_eq!(ContentType::from_oid(ObjectIdentifier::new_unwrap("1.2.3")), None);
        let signed = Family::Gm.oid(ContentType::SignedData);
        let der = ContentInfo::write(signed, &[0x30, 0]);
        let read = ContentInfo::parse(&der).unwrap();
        assert_eq!((read.content_type, read.content.raw()), (signed, &[0x30, 0][..]));
        assert!(matches!(read.expect(ContentType::SignedData), Ok((Family::Gm, _))));
        assert_eq!(
            read.expect(ContentType::EnvelopedData).unwrap_err(),
            Error::ContentType { expected: "envelopedData", found: signed }
        );
        let two = ContentInfo::write(signed, &[0x30, 0, 5, 0]);
        assert_eq!(ContentInfo::parse(&two), Err(der::Error::TrailingBytes { what: "content" }));
        // An indefinite length (BER).
        assert_eq!(ContentInfo::parse(&[0x30, 0x80, 0, 0]), Err(der::Error::Malformed { what: "ContentInfo" }));
        let mut deep = vec![5, 0];
        for _ in 0..60 {
            deep = Writer::sequence_of(&deep);
        }
        let deep = ContentInfo::write(signed, &deep);
        assert_eq!(ContentInfo::parse(&deep), Err(der::Error::TooDeep { limit: MAX_DEPTH }));
    }
}
