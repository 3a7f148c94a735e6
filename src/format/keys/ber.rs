//! The BER that real PKCS#12 files contain, rewritten as DER: indefinite lengths, and OCTET STRINGs cut into pieces.
//!
//! RFC 7292 4 asks for BER, and Java's libraries stream it so. Everything else stays as it arrived and meets the strict
//! reader: only low tag numbers, definite lengths minimal, nothing inside an OCTET STRING touched.

use zeroize::Zeroizing;

use crate::format::der::Error;
use crate::format::keys::wiped::{OCTET_STRING, wrap};

/// Nesting of the constructed values; genuine files have 7.
const MAX_DEPTH: usize = 16;
/// A constructed OCTET STRING (X.690 8.7.3).
const CUT_OCTET_STRING: u8 = 0x24;
/// The bit that says constructed (X.690 8.1.2.5).
const CONSTRUCTED: u8 = 0x20;
/// All ones in the tag number: more octets of it follow (X.690 8.1.2.4), which no structure here needs.
const HIGH_TAG: u8 = 0x1f;

/// The first value as DER; `what` names it in errors. Nothing may follow it.
///
/// The work is bounded by the size of the input times the depth of 16.
pub(in crate::format::keys) fn to_der(bytes: &[u8], what: &'static str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (value, rest) = one(bytes, what, 0)?;
    if rest.is_empty() { Ok(value) } else { Err(Error::TrailingBytes { what }) }
}

/// The first value, rewritten, and what follows it.
fn one<'a>(bytes: &'a [u8], what: &'static str, depth: usize) -> Result<(Zeroizing<Vec<u8>>, &'a [u8]), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep { limit: MAX_DEPTH });
    }
    let malformed = Error::Malformed { what };
    let Some((tag, after_tag)) = bytes.split_first() else { return Err(Error::Missing { what }) };
    let tag = *tag;
    if tag & HIGH_TAG == HIGH_TAG || tag == 0 {
        return Err(malformed);
    }
    let constructed = tag & CONSTRUCTED != 0;
    let (children, rest) = match after_tag.split_first() {
        Some((0x80, content)) if constructed => until_end(content, what, depth)?,
        _ => {
            let (content, rest) = definite(after_tag).ok_or(malformed)?;
            if !constructed {
                return Ok((wrap(tag, &[content]), rest));
            }
            let (mut children, mut left) = (Vec::new(), content);
            while !left.is_empty() {
                let (child, after) = one(left, what, depth.saturating_add(1))?;
                children.push(child);
                left = after;
            }
            (children, rest)
        }
    };
    if tag == CUT_OCTET_STRING {
        let pieces = children.iter().map(|piece| octets(piece, what)).collect::<Result<Vec<_>, _>>()?;
        return Ok((wrap(OCTET_STRING, &pieces), rest));
    }
    let children = children.iter().map(|child| child.as_slice()).collect::<Vec<_>>();
    Ok((wrap(tag, &children), rest))
}

type Children<'a> = (Vec<Zeroizing<Vec<u8>>>, &'a [u8]);

/// The values up to the end-of-contents octets 00 00 (X.690 8.1.5).
fn until_end<'a>(mut left: &'a [u8], what: &'static str, depth: usize) -> Result<Children<'a>, Error> {
    let mut children = Vec::new();
    loop {
        if let [0, 0, rest @ ..] = left {
            return Ok((children, rest));
        }
        if left.is_empty() {
            return Err(Error::Malformed { what });
        }
        let (child, rest) = one(left, what, depth.saturating_add(1))?;
        children.push(child);
        left = rest;
    }
}

/// What a definite, minimal length covers, and what follows (X.690 10.1).
fn definite(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = octets.iter().fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
            (octets.first() != Some(&0) && length > 0x7f).then_some((length, rest))?
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The octets of a piece, which has been rewritten and so is primitive with a minimal length.
fn octets<'a>(piece: &'a [u8], what: &'static str) -> Result<&'a [u8], Error> {
    let content = match piece.split_first() {
        Some((&OCTET_STRING, rest)) => definite(rest).map(|(content, _)| content),
        _ => None,
    };
    content.ok_or(Error::InvalidValue { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<u8>, Error> {
        to_der(bytes, "x").map(|value| value.to_vec())
    }

    #[test]
    fn indefinite_lengths_and_cut_octet_strings_become_der() {
        let cut = [0x30, 0x80, 2, 1, 3, 0x24, 0x80, 4, 2, 1, 2, 0x24, 3, 4, 1, 3, 4, 0, 0, 0, 0, 0];
        assert_eq!(read(&cut), Ok(vec![0x30, 8, 2, 1, 3, 4, 3, 1, 2, 3]));
        let der = [0x30, 5, 0xa0, 3, 4, 1, 0];
        assert_eq!(read(&der), Ok(der.to_vec()), "DER stays as it is");
    }

    #[test]
    fn the_rest_of_ber_is_refused() {
        let malformed = Err(Error::Malformed { what: "x" });
        for bytes in [
            &[0x30, 0x80, 2, 1, 3][..],   // no end
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
            assert_eq!(read(bytes), malformed, "{bytes:?}");
        }
        assert_eq!(read(&[]), Err(Error::Missing { what: "x" }));
        assert_eq!(read(&[5, 0, 5, 0]), Err(Error::TrailingBytes { what: "x" }));
        assert_eq!(read(&[0x24, 3, 2, 1, 1]), Err(Error::InvalidValue { what: "x" }), "a piece that is none");
        let deep = [0x30, 0x80].repeat(4000);
        assert_eq!(read(&deep), Err(Error::TooDeep { limit: 16 }));
    }
}
