//! Distinguished names (RFC 5280 4.1.2.4): compared as bytes, shown as text.

use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};

/// `commonName`.
pub const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// `countryName`.
pub const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
/// `organizationName`.
pub const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// A distinguished name as it arrived.
///
/// Equality compares bytes: the binary comparison that RFC 5280 7.1 allows where both ends come from one authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    raw: &'a [u8],
}

impl<'a> Name<'a> {
    /// Reads one from where the reader stands and walks through all of it.
    ///
    /// # Errors
    /// Not a Name.
    pub fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, der::Error> {
        let name = Self { raw: reader.expect(Tag::Sequence, what)?.raw() };
        name.attributes()?;
        Ok(name)
    }

    /// The bytes, tag and length included.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Attribute types and values in order; values of types that are not text are shown as `?`.
    fn attributes(&self) -> Result<Vec<(ObjectIdentifier, String)>, der::Error> {
        const WHAT: &str = "name";
        let mut found = Vec::new();
        let mut names = Reader::new(self.raw).sequence(WHAT)?;
        while !names.is_empty() {
            let mut set = names.expect(Tag::Set, WHAT)?.inside();
            while !set.is_empty() {
                let mut attribute = set.sequence(WHAT)?;
                let kind = attribute.oid(WHAT)?;
                let value = attribute.value(WHAT)?;
                attribute.finish(WHAT)?;
                found.push((kind, text(value)));
            }
        }
        Ok(found)
    }

    /// The first value of that attribute.
    #[must_use]
    pub fn first(&self, kind: ObjectIdentifier) -> Option<String> {
        let attributes = self.attributes().ok()?;
        attributes.into_iter().find(|(found, _)| *found == kind).map(|(_, text)| text)
    }

    /// For people: the parts in the order of the certificate, `C=CN, O=…, CN=…`; control characters are replaced.
    #[must_use]
    pub fn display(&self) -> String {
        let shown = |(kind, value): &(ObjectIdentifier, String)| {
            let label = match *kind {
                COMMON_NAME => "CN".to_owned(),
                COUNTRY => "C".to_owned(),
                ORGANIZATION => "O".to_owned(),
                other => match other.to_string().as_str() {
                    "2.5.4.11" => "OU".to_owned(),
                    "2.5.4.7" => "L".to_owned(),
                    "2.5.4.8" => "ST".to_owned(),
                    "2.5.4.5" => "SERIALNUMBER".to_owned(),
                    "1.2.840.113549.1.9.1" => "E".to_owned(),
                    text => text.to_owned(),
                },
            };
            format!("{label}={value}")
        };
        let attributes = self.attributes().unwrap_or_default();
        attributes.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

/// A string value for showing; never for comparing.
fn text(value: der::Value<'_>) -> String {
    let content = value.content();
    let text = match value.tag() {
        Tag::BmpString => {
            let units = content.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
        }
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::TeletexString => {
            String::from_utf8_lossy(content).into_owned()
        }
        _ => "?".to_owned(),
    };
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A name that we write: country, organisation, common name (GB/T 20518 5.2.3.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewName {
    /// `organizationName`.
    pub organisation: String,
    /// `commonName`.
    pub common_name: String,
}

impl NewName {
    /// `C=CN, O=…, CN=…` as DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|name| {
            let parts = [(COUNTRY, "CN"), (ORGANIZATION, &self.organisation), (COMMON_NAME, &self.common_name)];
            for (kind, value) in parts {
                name.set_of_one(|set| {
                    set.sequence(|attribute| {
                        attribute.oid(kind);
                        // countryName is a PrintableString (RFC 5280 A.1).
                        if kind == COUNTRY {
                            attribute.printable(value)
                        } else {
                            attribute.utf8(value)
                        };
                    });
                });
            }
        });
        writer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_names_are_read() {
        let name = NewName { organisation: "示例市印信演示局".into(), common_name: "a\u{7}b".into() };
        let der = name.to_der();
        let read = Name::read(&mut Reader::new(&der), "x").unwrap();
        assert_eq!(read.display(), "C=CN, O=示例市印信演示局, CN=a\u{fffd}b");
        assert_eq!(read.first(ORGANIZATION).as_deref(), Some("示例市印信演示局"));
        assert_eq!(read.raw(), der);
    }
}
