//! The BER in which others stream messages, rewritten as DER: indefinite lengths, and OCTET STRINGs cut into pieces
//! (RFC 5652 5.2, X.690 8.1.3.6, 8.7.3).
//!
//! Nothing inside a primitive value is touched, so that what was signed stays as it was: content is signed without tags
//! and lengths, and the signed attributes as DER, whatever way they travel (RFC 5652 5.4). Lengths must be minimal all
//! the same. The result has at most as many octets as the input and six for each value.

use crate::format::cms::MAX_DEPTH;
use crate::format::der::Error;

/// Values in one message; a message of ours has some 200 for each certificate.
const MAX_VALUES: usize = 200_000;
/// A constructed OCTET STRING (X.690 8.7.3).
const CUT_OCTET_STRING: u8 = 0x24;
/// A primitive OCTET STRING.
const OCTET_STRING: u8 = 4;
/// The bit that says constructed (X.690 8.1.2.5).
const CONSTRUCTED: u8 = 0x20;
/// All ones in the tag number: more octets of it follow (X.690 8.1.2.4), which no message needs.
const HIGH_TAG: u8 = 0x1f;
/// A length that the end-of-contents octets tell (X.690 8.1.3.6).
const INDEFINITE: u8 = 0x80;

/// Whether the outermost length is indefinite, or one inside might be: whether it pays to rewrite.
#[must_use]
pub fn is_streamed(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, INDEFINITE, ..])
}

/// The message as DER. Nothing may follow it.
///
/// # Errors
/// Not such BER, nested too deeply, or with too many values.
pub fn to_der(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "BER";
    let mut lengths = Lengths { values: Vec::new() };
    let (_, rest) = lengths.measure(bytes, 0)?;
    if !rest.is_empty() {
        return Err(Error::TrailingBytes { what: WHAT });
    }
    let mut output = Vec::with_capacity(lengths.values.first().copied().unwrap_or(0).saturating_add(6));
    let mut known = lengths.values.iter().copied();
    write(bytes, &mut known, &mut output)?;
    Ok(output)
}

const MALFORMED: Error = Error::Malformed { what: "BER" };

/// The beginning of one value.
struct Head<'a> {
    tag: u8,
    /// The content, where its length is definite.
    content: Option<&'a [u8]>,
    /// What follows the length, or the value where its length is definite.
    rest: &'a [u8],
}

fn head(bytes: &[u8]) -> Result<Head<'_>, Error> {
    let (tag, after) = bytes.split_first().ok_or(MALFORMED)?;
    if tag & HIGH_TAG == HIGH_TAG || *tag == 0 {
        return Err(MALFORMED);
    }
    let (first, rest) = after.split_first().ok_or(MALFORMED)?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        INDEFINITE if tag & CONSTRUCTED != 0 => return Ok(Head { tag: *tag, content: None, rest }),
        long @ 0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(long & 0x7f)).ok_or(MALFORMED)?;
            let length = octets.iter().fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
            if octets.first() == Some(&0) || length <= 0x7f {
                return Err(MALFORMED);
            }
            (length, rest)
        }
        _ => return Err(MALFORMED),
    };
    let (content, rest) = rest.split_at_checked(length).ok_or(MALFORMED)?;
    Ok(Head { tag: *tag, content: Some(content), rest })
}

/// Octets of a tag and a minimal length before a content of that size.
const fn head_size(content: usize) -> usize {
    match content {
        0..=0x7f => 2,
        0x80..=0xff => 3,
        0x100..=0xffff => 4,
        0x1_0000..=0xff_ffff => 5,
        _ => 6,
    }
}

/// Sizes of the contents of constructed values as DER, in the order in which the values begin.
struct Lengths {
    values: Vec<usize>,
}

impl Lengths {
    /// The size of the first value as DER, and what follows it.
    fn measure<'a>(&mut self, bytes: &'a [u8], depth: usize) -> Result<(usize, &'a [u8]), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep { limit: MAX_DEPTH });
        }
        let head = head(bytes)?;
        if head.tag & CONSTRUCTED == 0 {
            let size = head.content.map_or(0, <[u8]>::len);
            return Ok((head_size(size).saturating_add(size), head.rest));
        }
        if self.values.len() >= MAX_VALUES {
            return Err(Error::TooMany { what: "BER", limit: MAX_VALUES });
        }
        let place = self.values.len();
        self.values.push(0);
        let (mut size, mut left) = (0_usize, head.content.unwrap_or(head.rest));
        let rest = loop {
            match (head.content, left) {
                (Some(_), []) => break head.rest,
                (None, [0, 0, after @ ..]) => break after,
                (None, []) => return Err(MALFORMED),
                _ => {}
            }
            let child = first(left)?;
            let (of_child, after) = self.measure(left, depth.saturating_add(1))?;
            let counted = if head.tag == CUT_OCTET_STRING {
                // A piece gives its content alone.
                if child & !CONSTRUCTED != OCTET_STRING {
                    return Err(Error::InvalidValue { what: "BER" });
                }
                content_size(of_child)
            } else {
                of_child
            };
            size = size.saturating_add(counted);
            left = after;
        };
        if let Some(value) = self.values.get_mut(place) {
            *value = size;
        }
        Ok((head_size(size).saturating_add(size), rest))
    }
}

fn first(bytes: &[u8]) -> Result<u8, Error> {
    bytes.first().copied().ok_or(MALFORMED)
}

/// The size of the content in a value of that size: the inverse of adding [`head_size`].
fn content_size(value: usize) -> usize {
    let fits = |head: &usize| value.checked_sub(*head).is_some_and(|content| head_size(content) == *head);
    (2..=6_usize).find(fits).map_or(0, |head| value.saturating_sub(head))
}

fn write_head(tag: u8, size: usize, output: &mut Vec<u8>) {
    output.push(tag);
    let octets = size.to_be_bytes();
    let significant: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
    match (size, significant.as_slice()) {
        (0..=0x7f, [octet]) => output.push(*octet),
        (0, _) => output.push(0),
        // At most eight octets.
        (_, many) => {
            output.push(0x80 | u8::try_from(many.len()).unwrap_or(0));
            output.extend_from_slice(many);
        }
    }
}

/// Writes the first value; gives what follows it. The input was measured before, so its form is known to be right.
fn write<'a>(
    bytes: &'a [u8],
    lengths: &mut dyn Iterator<Item = usize>,
    output: &mut Vec<u8>,
) -> Result<&'a [u8], Error> {
    let head = head(bytes)?;
    if head.tag & CONSTRUCTED == 0 {
        let content = head.content.unwrap_or_default();
        write_head(head.tag, content.len(), output);
        output.extend_from_slice(content);
        return Ok(head.rest);
    }
    let size = lengths.next().ok_or(MALFORMED)?;
    let is_cut = head.tag == CUT_OCTET_STRING;
    write_head(if is_cut { OCTET_STRING } else { head.tag }, size, output);
    write_children(&head, is_cut, lengths, output)
}

fn write_children<'a>(
    head: &Head<'a>,
    is_cut: bool,
    lengths: &mut dyn Iterator<Item = usize>,
    output: &mut Vec<u8>,
) -> Result<&'a [u8], Error> {
    let mut left = head.content.unwrap_or(head.rest);
    loop {
        match (head.content, left) {
            (Some(_), []) => return Ok(head.rest),
            (None, [0, 0, after @ ..]) => return Ok(after),
            _ => left = if is_cut { write_piece(left, lengths, output)? } else { write(left, lengths, output)? },
        }
    }
}

/// Writes the content of a piece of an OCTET STRING.
fn write_piece<'a>(
    bytes: &'a [u8],
    lengths: &mut dyn Iterator<Item = usize>,
    output: &mut Vec<u8>,
) -> Result<&'a [u8], Error> {
    let head = head(bytes)?;
    match head.content {
        Some(content) if head.tag == OCTET_STRING => {
            output.extend_from_slice(content);
            Ok(head.rest)
        }
        _ => {
            lengths.next().ok_or(MALFORMED)?;
            write_children(&head, true, lengths, output)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indefinite_lengths_and_cut_octet_strings_become_der() {
        let cut = [0x30, 0x80, 2, 1, 3, 0x24, 0x80, 4, 2, 1, 2, 0x24, 3, 4, 1, 3, 4, 0, 0, 0, 0, 0];
        assert_eq!(to_der(&cut), Ok(vec![0x30, 8, 2, 1, 3, 4, 3, 1, 2, 3]));
        let der = [0x30, 5, 0xa0, 3, 4, 1, 0];
        assert_eq!(to_der(&der), Ok(der.to_vec()), "DER stays as it is");
        assert_eq!(to_der(&[0x30, 0x80, 0, 0]), Ok(vec![0x30, 0]));
        for size in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x2_0000_usize] {
            // Two pieces in a definite cut string in an indefinite sequence.
            let mut piece = Vec::new();
            write_head(OCTET_STRING, size, &mut piece);
            piece.resize(piece.len() + size, 7);
            let pieces = piece.repeat(2);
            let mut streamed = vec![0x30, INDEFINITE];
            write_head(CUT_OCTET_STRING, pieces.len(), &mut streamed);
            streamed.extend(pieces);
            streamed.extend([0, 0]);
            let mut inner = Vec::new();
            write_head(OCTET_STRING, size * 2, &mut inner);
            inner.resize(inner.len() + size * 2, 7);
            let mut expected = Vec::new();
            write_head(0x30, inner.len(), &mut expected);
            expected.extend(inner);
            assert_eq!(to_der(&streamed), Ok(expected), "{size}");
        }
    }

    #[test]
    fn the_rest_of_ber_is_refused() {
        for bytes in [
            &[][..],
            &[0x30, 0x80, 2, 1, 3],       // no end
            &[0x30, 0x80, 2, 1, 3, 0],    // half an end
            &[4, 0x80, 0, 0],             // indefinite and primitive
            &[4, 0x81, 1, 7],             // not minimal
            &[4, 0x82, 0, 0x80],          // not minimal
            &[4, 0x85, 0, 0, 0, 0, 1, 7], // too many octets
            &[0x1f, 0x81, 1, 0],          // high tag number
            &[0, 0],                      // an end without a beginning
            &[4, 2, 1],                   // cut off
        ] {
            assert_eq!(to_der(bytes), Err(MALFORMED), "{bytes:?}");
        }
        assert_eq!(to_der(&[5, 0, 5, 0]), Err(Error::TrailingBytes { what: "BER" }));
        assert_eq!(to_der(&[0x24, 3, 2, 1, 1]), Err(Error::InvalidValue { what: "BER" }), "a piece that is none");
        let deep = [0x30, 0x80].repeat(4000);
        assert_eq!(to_der(&deep), Err(Error::TooDeep { limit: MAX_DEPTH }));
        let mut many = vec![0x30, 0x80];
        many.extend([0x30, 0].repeat(MAX_VALUES));
        many.extend([0, 0]);
        assert_eq!(to_der(&many), Err(Error::TooMany { what: "BER", limit: MAX_VALUES }));
    }
}
