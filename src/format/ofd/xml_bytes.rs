//! Where a run of bytes ends, eight bytes at a time: names and values of XML are short, and a jump that the processor
//! guesses wrong costs more than all bytes of one.
//!
//! Each rule is written twice: for eight bytes in one number, where the highest bit of a byte says that the run ends there,
//! and for the one byte of a rest. A rule for eight may be wrong behind the first byte that it finds, never before it.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// How many ASCII letters come first.
#[inline]
pub(super) fn letters(bytes: &[u8]) -> usize {
    first(bytes, |eight| !letter(eight) & HIGH, |byte| !byte.is_ascii_alphabetic()).unwrap_or(bytes.len())
}

/// How many bytes come before the first `<`, `&` or `]`.
#[inline]
pub(super) fn until_markup(bytes: &[u8]) -> usize {
    let stops = |eight| equal(eight, b'<') | equal(eight, b'&') | equal(eight, b']');
    first(bytes, stops, |byte| matches!(byte, b'<' | b'&' | b']')).unwrap_or(bytes.len())
}

/// How many bytes come before the first that is this quotation mark, `<`, `&`, or a character below the space.
#[inline]
pub(super) fn until_quote(bytes: &[u8], quote: u8) -> Option<usize> {
    let stops = |eight| equal(eight, quote) | equal(eight, b'<') | equal(eight, b'&') | control(eight);
    first(bytes, stops, |byte| byte == quote || matches!(byte, b'<' | b'&' | ..b' '))
}

/// How many bytes come before the first that is no white space, in a text of characters that XML allows: of those nothing
/// else is below `!`.
#[inline]
pub(super) fn blanks(bytes: &[u8]) -> usize {
    first(bytes, above_space, |byte| byte > b' ').unwrap_or(bytes.len())
}

/// The first byte at which a run ends.
#[inline]
fn first(bytes: &[u8], of_eight: impl Fn(u64) -> u64, of_one: impl Fn(u8) -> bool) -> Option<usize> {
    let mut rest = bytes;
    while let Some((eight, after)) = rest.split_first_chunk::<8>() {
        let found = of_eight(u64::from_le_bytes(*eight));
        if found != 0 {
            let within = usize::try_from(found.trailing_zeros() / 8).unwrap_or(0);
            return Some(bytes.len().wrapping_sub(rest.len()).wrapping_add(within));
        }
        rest = after;
    }
    let within = rest.iter().position(|byte| of_one(*byte))?;
    Some(bytes.len().wrapping_sub(rest.len()).wrapping_add(within))
}

/// The bytes that are equal to this one.
fn equal(eight: u64, byte: u8) -> u64 {
    let zero = eight ^ ONES.wrapping_mul(u64::from(byte));
    zero.wrapping_sub(ONES) & !zero & HIGH
}

/// The bytes below 0x20.
fn control(eight: u64) -> u64 {
    eight.wrapping_sub(ONES.wrapping_mul(0x20)) & !eight & HIGH
}

/// The bytes above 0x20. As in [`letter`], all eight are right.
fn above_space(eight: u64) -> u64 {
    ((eight & !HIGH).wrapping_add(ONES.wrapping_mul(0x7F - 0x20)) | eight) & HIGH
}

/// The bytes that are ASCII letters. Without its highest bit no byte carries into the next, so all eight are right.
fn letter(eight: u64) -> u64 {
    let small = (eight | ONES.wrapping_mul(0x20)) & !HIGH;
    let from_a = small.wrapping_add(ONES.wrapping_mul(0x80 - 0x61));
    let beyond_z = small.wrapping_add(ONES.wrapping_mul(0x80 - 0x7B));
    from_a & !beyond_z & !eight & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place among eight and behind them, after bytes that do not stop and before ones that do.
    #[test]
    fn every_byte_stops_at_every_place_or_nowhere() {
        for place in 0..20 {
            for byte in 0..=u8::MAX {
                let mut bytes = [b'a'; 24];
                bytes[place] = byte;
                bytes[20..].copy_from_slice(b"<&]\"");
                let expected = |stops: &dyn Fn(u8) -> bool| bytes.iter().position(|byte| stops(*byte)).unwrap();
                assert_eq!(letters(&bytes), expected(&|byte| !byte.is_ascii_alphabetic()), "{byte} at {place}");
                assert_eq!(until_markup(&bytes), expected(&|byte| b"<&]".contains(&byte)), "{byte} at {place}");
                for quote in *b"\"'" {
                    let stops = |byte| byte == quote || b"<&".contains(&byte) || byte < 0x20;
                    assert_eq!(until_quote(&bytes, quote), Some(expected(&stops)), "{byte} at {place}");
                }
            }
        }
        for (place, byte) in (0..20).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte))) {
            let mut bytes = [b' '; 20];
            bytes[place] = byte;
            assert_eq!(blanks(&bytes), if byte > b' ' { place } else { 20 }, "{byte} at {place}");
        }
        for length in 0..20 {
            let bytes = vec![b'z'; length];
            assert_eq!((letters(&bytes), until_markup(&bytes), until_quote(&bytes, b'"')), (length, length, None));
        }
        // Neighbours: what one byte borrows from the next must not hide it.
        for pair in 0..=u16::MAX {
            let mut bytes = *b"aaaaaaaaaaaa<";
            bytes[3..5].copy_from_slice(&pair.to_be_bytes());
            let stops = |byte: &u8| *byte == b'"' || b"<&".contains(byte) || *byte < 0x20;
            assert_eq!(until_quote(&bytes, b'"'), bytes.iter().position(stops), "{pair:04X}");
            assert_eq!(letters(&bytes), bytes.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap());
        }
    }
}
