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
        self.bytes.push(tag);
        let length = content.len();
        if let Ok(short @ 0..=0x7f) = u8::try_from(length) {
            self.bytes.push(short);
        } else {
            let octets: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
            // A usize has at most 8 octets.
            self.bytes.push(0x80 | u8::try_from(octets.len()).unwrap_or(8));
            self.bytes.extend_from_slice(&octets);
        }
        self.raw(content)
    }

    fn nested(&mut self, tag: u8, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::new();
        fill(&mut inner);
        self.tlv(tag, &inner.bytes)
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
        let mut content: Vec<u8> = magnitude.iter().copied().skip_while(|b| *b == 0).collect();
        if content.first().is_none_or(|top| *top >= 0x80) {
            content.insert(0, 0);
        }
        self.tlv(2, &content)
    }

    /// A small non-negative INTEGER.
    pub fn small(&mut self, number: u32) -> &mut Self {
        self.unsigned(&number.to_be_bytes())
    }

    /// A BIT STRING without unused bits.
    pub fn bit_string(&mut self, octets: &[u8]) -> &mut Self {
        let mut content = Vec::with_capacity(octets.len().saturating_add(1));
        content.push(0);
        content.extend_from_slice(octets);
        self.tlv(3, &content)
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
        self.tlv(24, time::to_generalized(moment).as_bytes())
    }

    /// A Time of a certificate: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5).
    pub fn time(&mut self, moment: Timestamp) -> &mut Self {
        let text = time::to_generalized(moment);
        match text.split_at_checked(2) {
            Some(("20", short)) if moment.to_utc().year() < 2050 => self.tlv(23, short.as_bytes()),
            _ => self.tlv(24, text.as_bytes()),
        }
    }
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
