//! DER writing: values appended in order, lengths filled in when a constructed value closes.

use der::asn1::ObjectIdentifier;

use crate::base::clock::Timestamp;
use crate::format::der::time;

/// Appends values to a growing buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Empty, with room for that many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// What was written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The bytes as one SEQUENCE around ready-made content.
    #[must_use]
    pub fn sequence_of(content: &[u8]) -> Vec<u8> {
        let mut writer = Self::new();
        writer.tlv(0x30, content);
        writer.bytes
    }

    /// Bytes that are DER already.
    pub fn raw(&mut self, der: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(der);
        self
    }

    fn tlv(&mut self, tag: u8, content: &[u8]) -> &mut Self {
        self.header(tag, content.len());
        self.raw(content)
    }

    /// Tag and minimal length (X.690 8.1.3, 10.1).
    fn header(&mut self, tag: u8, length: usize) {
        self.bytes.push(tag);
        let (octets, used) = length_octets(length);
        self.bytes.extend(octets.into_iter().take(used));
    }

    /// Fills in place: one octet is held for the length, and what was written moves only where that is not enough.
    fn nested(&mut self, tag: u8, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.bytes.push(tag);
        let at = self.bytes.len();
        self.bytes.push(0);
        fill(self);
        let (octets, used) = length_octets(self.bytes.len().saturating_sub(at).saturating_sub(1));
        match (self.bytes.get_mut(at), octets) {
            (Some(length), [short, ..]) if used == 1 => *length = short,
            _ => drop(self.bytes.splice(at..=at, octets.into_iter().take(used))),
        }
        self
    }

    /// A SEQUENCE or SEQUENCE OF.
    pub fn sequence(&mut self, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.nested(0x30, fill)
    }

    /// A SET with one element (so that its order is no question).
    pub fn set_of_one(&mut self, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.nested(0x31, fill)
    }

    /// A constructed context tag, as `[n] EXPLICIT` writes it; n below 31.
    pub fn context(&mut self, number: u8, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.nested(0xa0 | (number & 0x1f), fill)
    }

    /// A primitive context tag, as `[n] IMPLICIT` writes it over a string; n below 31.
    pub fn context_primitive(&mut self, number: u8, content: &[u8]) -> &mut Self {
        self.tlv(0x80 | (number & 0x1f), content)
    }

    /// A BOOLEAN.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.tlv(1, &[if value { 0xff } else { 0 }])
    }

    /// A non-negative INTEGER from its big-endian magnitude; leading zeros are dropped.
    pub fn unsigned(&mut self, magnitude: &[u8]) -> &mut Self {
        let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
        let content = magnitude.get(zeros..).unwrap_or_default();
        let is_padded = content.first().is_none_or(|top| *top >= 0x80);
        self.header(2, content.len().saturating_add(usize::from(is_padded)));
        if is_padded {
            self.bytes.push(0);
        }
        self.raw(content)
    }

    /// A small non-negative INTEGER.
    pub fn small(&mut self, number: u32) -> &mut Self {
        self.unsigned(&number.to_be_bytes())
    }

    /// A BIT STRING without unused bits.
    pub fn bit_string(&mut self, octets: &[u8]) -> &mut Self {
        self.header(3, octets.len().saturating_add(1));
        self.bytes.push(0);
        self.raw(octets)
    }

    /// A named bit list (X.690 11.2.2) of at most 16 bits, first bit lowest.
    pub fn named_bits(&mut self, bits: u16) -> &mut Self {
        let [low, high] = bits.to_le_bytes().map(u8::reverse_bits);
        match (low, high) {
            (0, 0) => self.tlv(3, &[0]),
            (low, 0) => self.tlv(3, &[zeros(low), low]),
            (low, high) => self.tlv(3, &[zeros(high), low, high]),
        }
    }

    /// An OCTET STRING.
    pub fn octet_string(&mut self, content: &[u8]) -> &mut Self {
        self.tlv(4, content)
    }

    /// An OCTET STRING around other values, as an extension's value is.
    pub fn octets_of(&mut self, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.nested(4, fill)
    }

    /// An ENUMERATED of a number below 128.
    pub fn enumerated(&mut self, number: u8) -> &mut Self {
        self.tlv(10, &[number & 0x7f])
    }

    /// NULL.
    pub fn null(&mut self) -> &mut Self {
        self.tlv(5, &[])
    }

    /// An OBJECT IDENTIFIER.
    pub fn oid(&mut self, oid: ObjectIdentifier) -> &mut Self {
        self.tlv(6, oid.as_bytes())
    }

    /// A UTF8String.
    pub fn utf8(&mut self, text: &str) -> &mut Self {
        self.tlv(12, text.as_bytes())
    }

    /// A PrintableString; the caller keeps to its alphabet.
    pub fn printable(&mut self, text: &str) -> &mut Self {
        self.tlv(19, text.as_bytes())
    }

    /// An IA5String; the caller keeps to ASCII.
    pub fn ia5(&mut self, text: &str) -> &mut Self {
        self.tlv(22, text.as_bytes())
    }

    /// A GeneralizedTime.
    pub fn generalized_time(&mut self, moment: Timestamp) -> &mut Self {
        self.tlv(24, &time::generalized_octets(moment))
    }

    /// A Time of a certificate: UTCTime from 1950 through 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5). For the years
    /// before 1950 UTCTime has no form, and the clause no rule: they are written as GeneralizedTime.
    pub fn time(&mut self, moment: Timestamp) -> &mut Self {
        match time::generalized_octets(moment) {
            [b'1', b'9', short @ ..] if matches!(short, [b'5'..=b'9', ..]) => self.tlv(23, &short),
            [b'2', b'0', short @ ..] if matches!(short, [b'0'..=b'4', ..]) => self.tlv(23, &short),
            text => self.tlv(24, &text),
        }
    }
}

/// The octets of a length, and how many of them count.
fn length_octets(length: usize) -> ([u8; 9], usize) {
    let mut octets = [0; 9];
    let [first, rest @ ..] = &mut octets;
    if let Ok(short @ 0..=0x7f) = u8::try_from(length) {
        *first = short;
        return (octets, 1);
    }
    let bytes = length.to_be_bytes();
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    let mut used = 1_u8;
    for (to, from) in rest.iter_mut().zip(significant) {
        *to = *from;
        used = used.saturating_add(1);
    }
    // A usize has at most 8 octets.
    *first = 0x80 | used.saturating_sub(1);
    (octets, usize::from(used))
}

fn zeros(byte: u8) -> u8 {
    u8::try_from(byte.trailing_zeros()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::der::Reader;

    #[test]
    fn lengths_are_minimal() {
        for (size, header) in [
            (127, vec![4, 127]),
            (128, vec![4, 0x81, 128]),
            (256, vec![4, 0x82, 1, 0]),
            (70_000, vec![4, 0x83, 1, 0x11, 0x70]),
        ] {
            let mut writer = Writer::new();
            writer.octet_string(&vec![7; size]);
            let bytes = writer.into_bytes();
            assert!(bytes.starts_with(&header), "{size}");
            assert_eq!(Reader::new(&bytes).octet_string("x").unwrap().len(), size);
        }
    }

    #[test]
    fn times_have_the_form_of_their_year() {
        for (text, form) in [
            ("1949-12-31T23:59:59Z", "\u{18}\u{f}19491231235959Z"),
            ("1950-01-01T00:00:00Z", "\u{17}\r500101000000Z"),
            ("1999-12-31T23:59:59Z", "\u{17}\r991231235959Z"),
            ("2000-01-01T00:00:00Z", "\u{17}\r000101000000Z"),
            ("2049-12-31T23:59:59Z", "\u{17}\r491231235959Z"),
            ("2050-01-01T00:00:00Z", "\u{18}\u{f}20500101000000Z"),
        ] {
            let moment = Timestamp::parse_rfc3339(text).unwrap();
            let mut writer = Writer::new();
            writer.time(moment);
            assert_eq!(writer.as_bytes(), form.as_bytes(), "{text}");
            assert_eq!(Reader::new(writer.as_bytes()).time("t"), Ok(moment));
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(number: u32, bits: u16, octets: Vec<u8>, seconds in -2_000_000_000_i64..9_000_000_000) {
            let moment = Timestamp::from_unix(seconds);
            let mut writer = Writer::new();
            writer.small(number).named_bits(bits).bit_string(&octets).unsigned(&octets).time(moment).boolean(true);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            proptest::prop_assert_eq!(reader.small("a"), Ok(number));
            proptest::prop_assert_eq!(reader.named_bits("b"), Ok(bits));
            proptest::prop_assert_eq!(reader.bit_string("c"), Ok(octets.as_slice()));
            let magnitude: Vec<u8> = octets.iter().copied().skip_while(|b| *b == 0).collect();
            proptest::prop_assert_eq!(reader.unsigned("d"), Ok(magnitude.as_slice()));
            proptest::prop_assert_eq!(reader.time("e"), Ok(moment));
            proptest::prop_assert_eq!(reader.boolean("f"), Ok(true));
            proptest::prop_assert_eq!(reader.finish("g"), Ok(()));
        }
    }
}
