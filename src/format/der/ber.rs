//! The BER in which others stream, rewritten as DER: indefinite lengths, and OCTET STRINGs cut into pieces
//! (X.690 8.1.3.6, 8.7.3). Messages travel so (RFC 5652 5.2), and PKCS#12 files (RFC 7292 4).
//!
//! Nothing inside a primitive value is touched, so that what was signed stays as it was. Only low tag numbers are taken,
//! and definite lengths must be minimal. The result has at most as many octets as the input and six for each value; it is
//! allocated once and wiped when dropped, since what is streamed may be a key.

use zeroize::Zeroizing;

use crate::format::der::Error;

/// Values in one structure; a message of ours has some 200 for each certificate.
const MAX_VALUES: usize = 200_000;
/// A constructed OCTET STRING (X.690 8.7.3).
const CUT_OCTET_STRING: u8 = 0x24;
/// A primitive OCTET STRING.
const OCTET_STRING: u8 = 4;
/// The bit that says constructed (X.690 8.1.2.5).
const CONSTRUCTED: u8 = 0x20;
/// All ones in the tag number: more octets of it follow (X.690 8.1.2.4), which no structure here needs.
const HIGH_TAG: u8 = 0x1f;
/// A length that the end-of-contents octets tell (X.690 8.1.3.6).
const INDEFINITE: u8 = 0x80;

/// Whether the outermost length is indefinite.
#[must_use]
pub fn is_streamed(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, INDEFINITE, ..])
}

/// The one value as DER; `what` names it in errors, and its values nest no deeper than `depth`. Nothing may follow it.
///
/// # Errors
/// Not such BER, nested too deeply, or with too many values.
pub fn to_der(bytes: &[u8], what: &'static str, depth: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut rewriting = Rewriting { what, depth, sizes: Vec::new() };
    let (size, rest) = rewriting.measure(bytes, 0)?;
    if !rest.is_empty() {
        return Err(Error::TrailingBytes { what });
    }
    let mut output = Zeroizing::new(Vec::with_capacity(size));
    let mut known = rewriting.sizes.iter().copied();
    write(bytes, what, &mut known, &mut output)?;
    Ok(output)
}

/// The beginning of one value.
struct Head<'a> {
    tag: u8,
    /// The content, where its length is definite.
    content: Option<&'a [u8]>,
    /// What follows the length, or the value where its length is definite.
    rest: &'a [u8],
}

fn head<'a>(bytes: &'a [u8], what: &'static str) -> Result<Head<'a>, Error> {
    let malformed = Error::Malformed { what };
    let (tag, after) = bytes.split_first().ok_or_else(|| malformed.clone())?;
    if tag & HIGH_TAG == HIGH_TAG || *tag == 0 {
        return Err(malformed);
    }
    let (first, rest) = after.split_first().ok_or_else(|| malformed.clone())?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        INDEFINITE if tag & CONSTRUCTED != 0 => return Ok(Head { tag: *tag, content: None, rest }),
        long @ 0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(long & 0x7f)).ok_or_else(|| malformed.clone())?;
            let length = octets.iter().fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
            if octets.first() == Some(&0) || length <= 0x7f {
                return Err(malformed);
            }
            (length, rest)
        }
        _ => return Err(malformed),
    };
    let (content, rest) = rest.split_at_checked(length).ok_or_else(|| malformed.clone())?;
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

/// The first look at a structure: every form is judged, and every size known before anything is written.
struct Rewriting {
    what: &'static str,
    /// How deep values may nest.
    depth: usize,
    /// Sizes of the contents of constructed values as DER, in the order in which the values begin.
    sizes: Vec<usize>,
}

impl Rewriting {
    /// The size of the first value as DER, and what follows it.
    fn measure<'a>(&mut self, bytes: &'a [u8], depth: usize) -> Result<(usize, &'a [u8]), Error> {
        if depth > self.depth {
            return Err(Error::TooDeep { limit: self.depth });
        }
        let what = self.what;
        let head = head(bytes, what)?;
        if head.tag & CONSTRUCTED == 0 {
            let size = head.content.map_or(0, <[u8]>::len);
            return Ok((head_size(size).saturating_add(size), head.rest));
        }
        if self.sizes.len() >= MAX_VALUES {
            return Err(Error::TooMany { what, limit: MAX_VALUES });
        }
        let place = self.sizes.len();
        self.sizes.push(0);
        let (mut size, mut left) = (0_usize, head.content.unwrap_or(head.rest));
        let rest = loop {
            match (head.content, left) {
                (Some(_), []) => break head.rest,
                (None, [0, 0, after @ ..]) => break after,
                (None, []) => return Err(Error::Malformed { what }),
                _ => {}
            }
            // Not empty by now.
            let child = left.first().copied().unwrap_or_default();
            let (of_child, after) = self.measure(left, depth.saturating_add(1))?;
            let counted = if head.tag == CUT_OCTET_STRING {
                // A piece gives its content alone.
                if child & !CONSTRUCTED != OCTET_STRING {
                    return Err(Error::InvalidValue { what });
                }
                content_size(of_child)
            } else {
                of_child
            };
            size = size.saturating_add(counted);
            left = after;
        };
        if let Some(value) = self.sizes.get_mut(place) {
            *value = size;
        }
        Ok((head_size(size).saturating_add(size), rest))
    }
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
    what: &'static str,
    lengths: &mut dyn Iterator<Item = usize>,
    output: &mut Vec<u8>,
) -> Result<&'a [u8], Error> {
    let head = head(bytes, what)?;
    if head.tag & CONSTRUCTED == 0 {
        let content = head.content.unwrap_or_default();
        write_head(head.tag, content.len(), output);
        output.extend_from_slice(content);
        return Ok(head.rest);
    }
    let size = lengths.next().ok_or(Error::Malformed { what })?;
    let is_cut = head.tag == CUT_OCTET_STRING;
    write_head(if is_cut { OCTET_STRING } else { head.tag }, size, output);
    write_children(&head, (is_cut, what), lengths, output)
}

fn write_children<'a>(
    head: &Head<'a>,
    (is_cut, what): (bool, &'static str),
    lengths: &mut dyn Iterator<Item = usize>,
    output: &mut Vec<u8>,
) -> Result<&'a [u8], Error> {
    let mut left = head.content.unwrap_or(head.rest);
    loop {
        match (head.content, left) {
            (Some(_), []) => return Ok(head.rest),
            (None, [0, 0, after @ ..]) => return Ok(after),
            _ => {
                left =
                    if is_cut { write_piece(left, what, lengths, output)? } else { write(left, what, lengths, output)? }
            }
        }
    }
}

/// Writes the content of a piece of an OCTET STRING.
fn write_piece<'a>(
    bytes: &'a [u8],
    what: &'static str,
    lengths: &mut dyn Iterator<Item = usize>,
    output: &mut Vec<u8>,
) -> Result<&'a [u8], Error> {
    let head = head(bytes, what)?;
    match head.content {
        Some(content) if head.tag == OCTET_STRING => {
            output.extend_from_slice(content);
            Ok(head.rest)
        }
        _ => {
            lengths.next().ok_or(Error::Malformed { what })?;
            write_children(&head, (true, what), lengths, output)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MALFORMED: Error = Error::Malformed { what: "BER" };
    const MAX_DEPTH: usize = 16;

    fn to_der(bytes: &[u8]) -> Result<Vec<u8>, Error> {
        super::to_der(bytes, "BER", MAX_DEPTH).map(|der| der.to_vec())
    }

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
            let wiped = super::to_der(&streamed, "BER", MAX_DEPTH).unwrap();
            assert_eq!(wiped.capacity(), wiped.len(), "never grown");
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
            &[4],                         // no length
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
