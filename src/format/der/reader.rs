//! Strict DER reading that borrows and never recurses.

use der::asn1::ObjectIdentifier;
use der::{Decode, Header, Reader as _, SliceReader, Tag, TagNumber};

use crate::base::clock::Timestamp;
use crate::format::der::time;

/// Why bytes are not the DER that was expected. `what` names the field, in the standard's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No value where one must stand.
    #[error("{what} is missing")]
    Missing {
        /// The field.
        what: &'static str,
    },
    /// Tag or length is not DER (X.690 8.1, 10.1), or the value runs past its end.
    #[error("{what} is not DER: its tag or length is malformed, or it runs past the end")]
    Malformed {
        /// The field.
        what: &'static str,
    },
    /// Another type stands there.
    #[error("{what} must be {expected}, found {found}")]
    UnexpectedTag {
        /// The field.
        what: &'static str,
        /// The type it must have.
        expected: Tag,
        /// The type it has.
        found: Tag,
    },
    /// The type is right, its content is not canonical or not allowed (X.690 8, 11).
    #[error("{what} has a value that DER or the standard does not allow")]
    InvalidValue {
        /// The field.
        what: &'static str,
    },
    /// Something follows where the value must end.
    #[error("{what} is followed by bytes that do not belong to it")]
    TrailingBytes {
        /// The field.
        what: &'static str,
    },
    /// More nesting than anybody needs.
    #[error("values are nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More elements than anybody needs.
    #[error("{what} holds more than {limit} elements")]
    TooMany {
        /// The field.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// One value: its tag, its content, and the whole slice with tag and length as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    tag: Tag,
    content: &'a [u8],
    raw: &'a [u8],
}

impl<'a> Value<'a> {
    /// The tag.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// The content octets.
    #[must_use]
    pub const fn content(&self) -> &'a [u8] {
        self.content
    }

    /// Tag, length and content, as they arrived.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// A reader over the content of a constructed value.
    #[must_use]
    pub const fn inside(&self) -> Reader<'a> {
        Reader { rest: self.content }
    }
}

/// Reads values one after the other.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value, if there is one and its tag is well formed.
    #[must_use]
    pub fn peek(&self) -> Option<Tag> {
        if let Some(tag) = self.rest.first().and_then(|octet| usual_tag(*octet)) {
            return Some(tag);
        }
        Tag::peek(&SliceReader::new(self.rest).ok()?).ok()
    }

    /// The next value, whatever it is.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Malformed`].
    pub fn value(&mut self, what: &'static str) -> Result<Value<'a>, Error> {
        if let Some(value) = self.usual() {
            return Ok(value);
        }
        if self.rest.is_empty() {
            return Err(Error::Missing { what });
        }
        let malformed = |_| Error::Malformed { what };
        let mut reader = SliceReader::new(self.rest).map_err(malformed)?;
        let header = Header::decode(&mut reader).map_err(malformed)?;
        let content = reader.read_slice(header.length()).map_err(malformed)?;
        let used = usize::try_from(reader.position()).map_err(|_| Error::Malformed { what })?;
        let (raw, rest) = self.rest.split_at_checked(used).ok_or(Error::Malformed { what })?;
        self.rest = rest;
        Ok(Value { tag: header.tag(), content, raw })
    }

    /// The next value, if it is as nearly all are: a tag that structures of ours have, and a length of one to three octets that
    /// is the shortest. Everything else, and every refusal, is the matter of the full decoder.
    #[inline]
    fn usual(&mut self) -> Option<Value<'a>> {
        let (tag, header, length) = match self.rest {
            [tag, length @ 0..=0x7F, ..] => (tag, 2, usize::from(*length)),
            [tag, 0x81, length @ 0x80..=0xFF, ..] => (tag, 3, usize::from(*length)),
            [tag, 0x82, high @ 1..=0xFF, low, ..] => (tag, 4, usize::from(u16::from_be_bytes([*high, *low]))),
            _ => return None,
        };
        let tag = usual_tag(*tag)?;
        let (raw, rest) = self.rest.split_at_checked(length.wrapping_add(header))?;
        self.rest = rest;
        Some(Value { tag, content: raw.get(header..)?, raw })
    }

    /// The next value, which must have that tag.
    ///
    /// # Errors
    /// [`Error::UnexpectedTag`] and those of [`Self::value`].
    pub fn expect(&mut self, expected: Tag, what: &'static str) -> Result<Value<'a>, Error> {
        let value = self.value(what)?;
        if value.tag == expected { Ok(value) } else { Err(Error::UnexpectedTag { what, expected, found: value.tag }) }
    }

    /// The next value if it has that tag.
    ///
    /// # Errors
    /// Those of [`Self::value`].
    pub fn optional(&mut self, tag: Tag, what: &'static str) -> Result<Option<Value<'a>>, Error> {
        if self.peek() == Some(tag) { self.value(what).map(Some) } else { Ok(None) }
    }

    /// The content of a SEQUENCE.
    ///
    /// # Errors
    /// Those of [`Self::expect`].
    pub fn sequence(&mut self, what: &'static str) -> Result<Reader<'a>, Error> {
        Ok(self.expect(Tag::Sequence, what)?.inside())
    }

    /// An OBJECT IDENTIFIER.
    ///
    /// # Errors
    /// Those of [`Self::expect`]; [`Error::InvalidValue`].
    pub fn oid(&mut self, what: &'static str) -> Result<ObjectIdentifier, Error> {
        let value = self.expect(Tag::ObjectIdentifier, what)?;
        ObjectIdentifier::from_bytes(value.content).map_err(|_| Error::InvalidValue { what })
    }

    /// The content of an OCTET STRING.
    ///
    /// # Errors
    /// Those of [`Self::expect`].
    pub fn octet_string(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        Ok(self.expect(Tag::OctetString, what)?.content)
    }

    /// The octets of a BIT STRING without unused bits; the octet that counts them is stripped and must be 0.
    ///
    /// # Errors
    /// Those of [`Self::expect`]; [`Error::InvalidValue`].
    pub fn bit_string(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        match self.expect(Tag::BitString, what)?.content.split_first() {
            Some((0, octets)) => Ok(octets),
            _ => Err(Error::InvalidValue { what }),
        }
    }

    /// A named bit list of at most 16 bits, first bit lowest.
    ///
    /// Trailing zero bits that DER would drop (X.690 11.2.2) are accepted: genuine certificates of provincial
    /// authorities write keyUsage so, and the meaning is the same. Unused bits must be zero.
    ///
    /// # Errors
    /// Those of [`Self::expect`]; [`Error::InvalidValue`].
    pub fn named_bits(&mut self, what: &'static str) -> Result<u16, Error> {
        let content = self.expect(Tag::BitString, what)?.content;
        let invalid = Error::InvalidValue { what };
        let Some((unused @ 0..=7, octets)) = content.split_first() else { return Err(invalid) };
        let last = octets.last().copied().unwrap_or(0);
        let has_stray_bits = last.trailing_zeros() < u32::from(*unused) || (octets.is_empty() && *unused != 0);
        if octets.len() > 2 || has_stray_bits {
            return Err(invalid);
        }
        let mut bits = 0_u16;
        for (index, octet) in octets.iter().enumerate() {
            bits |= u16::from(octet.reverse_bits()) << (8 * index);
        }
        Ok(bits)
    }

    /// The content of an INTEGER, two's complement, minimal (X.690 8.3).
    ///
    /// # Errors
    /// Those of [`Self::expect`]; [`Error::InvalidValue`].
    pub fn integer(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let content = self.expect(Tag::Integer, what)?.content;
        match content {
            [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(Error::InvalidValue { what }),
            _ => Ok(content),
        }
    }

    /// The magnitude of a non-negative INTEGER without leading zeros; empty for zero.
    ///
    /// # Errors
    /// Those of [`Self::integer`]; negative numbers.
    pub fn unsigned(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        match self.integer(what)? {
            [0, rest @ ..] => Ok(rest),
            [0x80..=0xff, ..] => Err(Error::InvalidValue { what }),
            content => Ok(content),
        }
    }

    /// A non-negative INTEGER that fits 32 bits.
    ///
    /// # Errors
    /// Those of [`Self::unsigned`]; larger numbers.
    pub fn small(&mut self, what: &'static str) -> Result<u32, Error> {
        let magnitude = self.unsigned(what)?;
        if magnitude.len() > 4 {
            return Err(Error::InvalidValue { what });
        }
        Ok(magnitude.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// A BOOLEAN: 00 or FF (X.690 11.1).
    ///
    /// # Errors
    /// Those of [`Self::expect`]; [`Error::InvalidValue`].
    pub fn boolean(&mut self, what: &'static str) -> Result<bool, Error> {
        match self.expect(Tag::Boolean, what)?.content {
            [0] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(Error::InvalidValue { what }),
        }
    }

    /// A UTF8String.
    ///
    /// # Errors
    /// Those of [`Self::expect`]; [`Error::InvalidValue`].
    pub fn utf8(&mut self, what: &'static str) -> Result<&'a str, Error> {
        let content = self.expect(Tag::Utf8String, what)?.content;
        std::str::from_utf8(content).map_err(|_| Error::InvalidValue { what })
    }

    /// An IA5String: ASCII.
    ///
    /// # Errors
    /// Those of [`Self::expect`]; [`Error::InvalidValue`].
    pub fn ia5(&mut self, what: &'static str) -> Result<&'a str, Error> {
        let content = self.expect(Tag::Ia5String, what)?.content;
        std::str::from_utf8(content).ok().filter(|text| text.is_ascii()).ok_or(Error::InvalidValue { what })
    }

    /// A PrintableString; its narrower alphabet is not enforced beyond ASCII, since vendors put free text there.
    ///
    /// # Errors
    /// Those of [`Self::expect`]; [`Error::InvalidValue`].
    pub fn printable(&mut self, what: &'static str) -> Result<&'a str, Error> {
        let content = self.expect(Tag::PrintableString, what)?.content;
        std::str::from_utf8(content).ok().filter(|text| text.is_ascii()).ok_or(Error::InvalidValue { what })
    }

    /// A GeneralizedTime `YYYYMMDDHHMMSSZ` (RFC 5280 4.1.2.5.2).
    ///
    /// # Errors
    /// Those of [`Self::expect`]; [`Error::InvalidValue`].
    pub fn generalized_time(&mut self, what: &'static str) -> Result<Timestamp, Error> {
        let content = self.expect(Tag::GeneralizedTime, what)?.content;
        time::generalized(content).ok_or(Error::InvalidValue { what })
    }

    /// A UTCTime `YYMMDDHHMMSSZ`, years 1950 to 2049 (RFC 5280 4.1.2.5.1).
    ///
    /// # Errors
    /// Those of [`Self::expect`]; [`Error::InvalidValue`].
    pub fn utc_time(&mut self, what: &'static str) -> Result<Timestamp, Error> {
        let content = self.expect(Tag::UtcTime, what)?.content;
        time::utc(content).ok_or(Error::InvalidValue { what })
    }

    /// A Time of a certificate: UTCTime or GeneralizedTime (RFC 5280 4.1.2.5).
    ///
    /// # Errors
    /// Those of [`Self::utc_time`].
    pub fn time(&mut self, what: &'static str) -> Result<Timestamp, Error> {
        match self.peek() {
            Some(Tag::GeneralizedTime) => self.generalized_time(what),
            _ => self.utc_time(what),
        }
    }

    /// Ends reading: nothing may be left.
    ///
    /// # Errors
    /// [`Error::TrailingBytes`].
    pub const fn finish(self, what: &'static str) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::TrailingBytes { what }) }
    }
}

/// Reads one value that must fill the bytes.
///
/// # Errors
/// Those of [`Reader::value`] and [`Reader::finish`].
pub fn only<'a>(bytes: &'a [u8], what: &'static str) -> Result<Value<'a>, Error> {
    let mut reader = Reader::new(bytes);
    let value = reader.value(what)?;
    reader.finish(what)?;
    Ok(value)
}

/// Walks through every nested value and counts them: proves that all of it is well-formed DER. Does not recurse.
///
/// # Errors
/// The first malformed value, or nesting deeper than `depth`.
pub fn walk(bytes: &[u8], depth: usize) -> Result<usize, Error> {
    let mut open = vec![only(bytes, "value")?.inside_if_constructed()];
    let mut count = 1_usize;
    while let Some(reader) = open.last_mut() {
        if reader.is_empty() {
            open.pop();
            continue;
        }
        let value = reader.value("value")?;
        count = count.saturating_add(1);
        if open.len() >= depth {
            return Err(Error::TooDeep { limit: depth });
        }
        open.push(value.inside_if_constructed());
    }
    Ok(count)
}

impl<'a> Value<'a> {
    const fn inside_if_constructed(&self) -> Reader<'a> {
        if self.tag.is_constructed() { self.inside() } else { Reader { rest: &[] } }
    }
}

/// The tags that structures of ours have, each of one octet (X.690 8.1.2).
#[inline]
const fn usual_tag(octet: u8) -> Option<Tag> {
    Some(match octet {
        0x01 => Tag::Boolean,
        0x02 => Tag::Integer,
        0x03 => Tag::BitString,
        0x04 => Tag::OctetString,
        0x05 => Tag::Null,
        0x06 => Tag::ObjectIdentifier,
        0x0C => Tag::Utf8String,
        0x13 => Tag::PrintableString,
        0x16 => Tag::Ia5String,
        0x17 => Tag::UtcTime,
        0x18 => Tag::GeneralizedTime,
        0x30 => Tag::Sequence,
        0x31 => Tag::Set,
        0x80 => Tag::ContextSpecific { constructed: false, number: TagNumber(0) },
        0x81 => Tag::ContextSpecific { constructed: false, number: TagNumber(1) },
        0x82 => Tag::ContextSpecific { constructed: false, number: TagNumber(2) },
        0xA0 => Tag::ContextSpecific { constructed: true, number: TagNumber(0) },
        0xA1 => Tag::ContextSpecific { constructed: true, number: TagNumber(1) },
        0xA2 => Tag::ContextSpecific { constructed: true, number: TagNumber(2) },
        0xA3 => Tag::ContextSpecific { constructed: true, number: TagNumber(3) },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_values_only() {
        let read = |bytes: &'static [u8]| Reader::new(bytes);
        let invalid = Error::InvalidValue { what: "x" };
        let malformed = Error::Malformed { what: "x" };
        assert_eq!(read(&[2, 1, 5]).small("x"), Ok(5));
        assert_eq!(read(&[2, 2, 0, 5]).small("x"), Err(invalid.clone()));
        assert_eq!(read(&[2, 1, 0x85]).small("x"), Err(invalid.clone()));
        assert_eq!(read(&[2, 0]).integer("x"), Err(invalid.clone()));
        assert_eq!(read(&[2, 5, 1, 0, 0, 0, 0]).small("x"), Err(invalid.clone()));
        assert_eq!(read(&[1, 1, 1]).boolean("x"), Err(invalid.clone()));
        assert_eq!(read(&[3, 2, 1, 0x80]).bit_string("x"), Err(invalid.clone()));
        assert_eq!(read(&[3, 2, 7, 0x80]).named_bits("x"), Ok(1));
        assert_eq!(read(&[3, 2, 0, 0xc0]).named_bits("x"), Ok(3));
        assert_eq!(read(&[3, 2, 7, 0xc0]).named_bits("x"), Err(invalid));
        assert_eq!(read(&[2, 0x81, 1, 5]).small("x"), Err(malformed.clone()));
        assert_eq!(read(&[0x30, 0x80, 0, 0]).sequence("x").unwrap_err(), malformed.clone());
        assert_eq!(read(&[4, 3, 1, 2]).octet_string("x"), Err(malformed));
        assert_eq!(read(&[]).octet_string("x"), Err(Error::Missing { what: "x" }));
    }

    /// Each tag octet with each form of length around its borders: what is read quickly is what the full decoder reads, and
    /// what it refuses is not read.
    #[test]
    fn usual_values_are_those_of_the_full_decoder() {
        let full = |bytes: &[u8]| {
            let mut reader = SliceReader::new(bytes).ok()?;
            let header = Header::decode(&mut reader).ok()?;
            let content = reader.read_slice(header.length()).ok()?;
            Some((header.tag(), content.to_vec(), usize::try_from(reader.position()).ok()?))
        };
        let lengths: [(&[u8], usize); 16] = [
            (&[0], 0),
            (&[1], 1),
            (&[0x7F], 0x7F),
            (&[0x80], 0),
            (&[0x81, 0x7F], 0x7F),
            (&[0x81, 0x80], 0x80),
            (&[0x81, 0xFF], 0xFF),
            (&[0x82, 0, 0x80], 0x80),
            (&[0x82, 0, 0xFF], 0xFF),
            (&[0x82, 1, 0], 0x100),
            (&[0x82, 2, 3], 0x203),
            (&[0x83, 0, 1, 0], 0x100),
            (&[0x83, 1, 0, 0], 0x1_0000),
            (&[0x84, 0, 1, 0, 0], 0x1_0000),
            (&[0xFF], 0),
            (&[0x81], 0),
        ];
        let mut quick = 0;
        for tag in 0..=u8::MAX {
            for (length, count) in lengths {
                for behind in [count.saturating_sub(1), count, count + 2] {
                    let bytes = [&[tag][..], length, &vec![0; behind]].concat();
                    let mut reader = Reader::new(&bytes);
                    assert_eq!(reader.peek(), Tag::peek(&SliceReader::new(&bytes).unwrap()).ok(), "{tag:02x}");
                    let Some(value) = reader.usual() else {
                        assert_eq!(reader.rest, bytes, "{tag:02x} {length:02x?}");
                        continue;
                    };
                    quick += 1;
                    let expected = (value.tag, value.content.to_vec(), value.raw.len());
                    assert_eq!(full(&bytes), Some(expected), "{tag:02x} {length:02x?} and {behind}");
                    assert_eq!(reader.rest.len(), bytes.len() - value.raw.len());
                }
            }
        }
        // Twenty tags; two lengths of one octet that are never cut short, and the others where enough follows.
        assert!(quick > 20 * 12, "{quick}");
    }

    #[test]
    fn nothing_may_follow() {
        assert_eq!(only(&[5, 0, 0], "x").unwrap_err(), Error::TrailingBytes { what: "x" });
    }

    #[test]
    fn raw_is_what_arrived() {
        let bytes = [0x30, 3, 2, 1, 9, 5, 0];
        let mut reader = Reader::new(&bytes);
        let value = reader.expect(Tag::Sequence, "x").unwrap();
        assert_eq!((value.raw(), value.content()), (&bytes[..5], &bytes[2..5]));
    }

    #[test]
    fn depth_is_bounded() {
        let mut bytes = vec![];
        for _ in 0..40 {
            bytes = Writer::sequence_of(&bytes);
        }
        assert_eq!(walk(&bytes, 24), Err(Error::TooDeep { limit: 24 }));
        assert_eq!(walk(&bytes, 64), Ok(40));
    }

    use crate::format::der::Writer;
}
