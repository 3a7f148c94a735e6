//! Start tags that come again. The pages of a document say the same few elements with the same attributes thousands of
//! times: such a tag is compared with the last one of its name, many octets at once, instead of being taken apart.
//!
//! What is read here is read by [`Scanner`] in the same way: only tags are known that it has read and the walker has
//! accepted, and whatever differs from them in more than its values, or leaves attributes out, goes back to it.

use crate::format::ofd::xml_piece::Piece;
use crate::format::ofd::xml_scan::Scanner;

/// Names that are known at a time; the oldest makes place.
pub(super) const MOST_SHAPES: usize = 16;
/// Attributes of a tag that is worth knowing.
const MOST_ATTRIBUTES: usize = 12;

/// At most 32 octets, compared 16 at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal {
    halves: [Half; 2],
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Half {
    octets: u128,
    mask: u128,
}

impl Half {
    fn of(octets: &[u8]) -> Self {
        let mut half = Self { octets: 0, mask: 0 };
        for octet in octets.iter().rev() {
            half = Self { octets: half.octets << 8 | u128::from(*octet), mask: half.mask << 8 | 0xFF };
        }
        half
    }

    #[inline(always)]
    fn is_in(self, octets: [u8; 16]) -> bool {
        (u128::from_le_bytes(octets) ^ self.octets) & self.mask == 0
    }
}

impl Literal {
    /// None of more than 32 octets, or of none.
    pub(super) fn of(octets: &[u8]) -> Option<Self> {
        if octets.is_empty() || octets.len() > 32 {
            return None;
        }
        let (head, tail) = octets.split_at_checked(16).unwrap_or((octets, &[]));
        Some(Self { halves: [Half::of(head), Half::of(tail)], length: octets.len() })
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whether a text begins so. It may say no near the end of the text, where fewer octets are left than are compared.
    #[inline(always)]
    pub(super) fn begins(&self, text: &[u8]) -> bool {
        let [head, tail] = self.halves;
        let Some((first, rest)) = text.split_first_chunk::<16>() else { return false };
        head.is_in(*first) && (self.length <= 16 || rest.first_chunk::<16>().is_some_and(|second| tail.is_in(*second)))
    }
}

/// An attribute that may come next.
#[derive(Debug, Clone, Copy)]
struct Expected {
    /// One space, the name, `=` and the quotation mark.
    opening: Literal,
    quote: u8,
    is_heeded: bool,
}

/// What is known of a start tag besides its values.
#[derive(Debug, Clone)]
struct Shape {
    name: Literal,
    /// Whether the name is one of OFD, by the declarations in force.
    matches: bool,
    expected: Vec<Expected>,
    /// The place of the one that came after it the last time.
    next: usize,
}

/// A start tag that was read by its shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) qualified: Piece,
    pub(super) name: Literal,
    pub(super) matches: bool,
    /// How many attributes it has.
    pub(super) attributes: usize,
    /// `<element/>`.
    pub(super) is_empty: bool,
}

/// The start tags that came before, while the same namespaces were in force.
#[derive(Debug)]
pub(super) struct Shapes {
    known: Vec<Shape>,
    /// How many are known at most.
    room: usize,
    /// The place of the one that came last.
    last: usize,
    /// The place that is given next.
    oldest: usize,
}

impl Shapes {
    /// None yet, and never more than `room`.
    pub(super) fn new(room: usize) -> Self {
        Self { known: Vec::new(), room, last: 0, oldest: 0 }
    }

    /// The declarations in force have changed.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        (self.last, self.oldest) = (0, 0);
    }

    /// Reads a start tag that came before with these attributes in this order, some perhaps left out; those that are heeded
    /// are put behind `heeded`, names and values. None, and nothing is read, if it is another or a value needs decoding.
    #[inline]
    pub(super) fn read(&mut self, scanner: &mut Scanner<'_>, heeded: &mut Vec<(Piece, Piece)>) -> Option<Known> {
        let mut ahead = scanner.clone();
        if !ahead.passes(b'<') {
            return None;
        }
        let guess = self.known.get(self.last)?.next;
        let place = match self.known.get(guess) {
            Some(shape) if ahead.is_at(&shape.name) => guess,
            _ => self.known.iter().position(|shape| ahead.is_at(&shape.name))?,
        };
        let shape = self.known.get(place)?;
        let qualified = ahead.take(shape.name.len());
        let mut attributes = 0_usize;
        for expected in &shape.expected {
            if !ahead.is_at(&expected.opening) {
                continue;
            }
            let opening = ahead.take(expected.opening.len());
            let value = ahead.plain_value(expected.quote)?;
            attributes = attributes.wrapping_add(1);
            if expected.is_heeded {
                heeded.push((Self::name_within(opening), value));
            }
        }
        let is_empty = ahead.closes()?;
        let known = Known { qualified, name: shape.name, matches: shape.matches, attributes, is_empty };
        *scanner = ahead;
        self.came(place);
        Some(known)
    }

    /// Without the space before it, the `=` and the quotation mark.
    fn name_within(opening: Piece) -> Piece {
        Piece { start: opening.start.wrapping_add(1), end: opening.end.wrapping_sub(2) }
    }

    fn came(&mut self, place: usize) {
        if let Some(shape) = self.known.get_mut(self.last) {
            shape.next = place;
        }
        self.last = place;
    }

    /// Keeps a start tag that was read and accepted, and declares nothing: its name and its attributes in their order, by
    /// what is written in the source. Not if it is long, or its attributes stand otherwise than most do.
    pub(super) fn learn(
        &mut self,
        source: &[u8],
        (qualified, matches): (Piece, bool),
        attributes: &[(Piece, Piece)],
        is_heeded: impl Fn(&[u8]) -> bool,
    ) {
        let Some(name) = source.get(qualified.range()).and_then(Literal::of) else { return };
        if attributes.len() > MOST_ATTRIBUTES {
            return;
        }
        let expect = |(written, _): &(Piece, Piece)| {
            let range = written.range();
            let opening = source.get(range.start.checked_sub(1)?..range.end.checked_add(2)?)?;
            match opening {
                [b' ', name @ .., b'=', quote @ (b'"' | b'\'')] => {
                    Some(Expected { opening: Literal::of(opening)?, quote: *quote, is_heeded: is_heeded(name) })
                }
                _ => None,
            }
        };
        let Some(expected) = attributes.iter().map(expect).collect::<Option<Vec<_>>>() else { return };
        let place = match self.known.iter().position(|shape| shape.name == name) {
            Some(place) => place,
            None if self.known.len() < self.room => self.known.len(),
            None => {
                let Some(next) = self.oldest.wrapping_add(1).checked_rem(self.room) else { return };
                std::mem::replace(&mut self.oldest, next)
            }
        };
        let next = self.known.get(place).map_or(0, |shape| shape.next);
        let shape = Shape { name, matches, expected, next };
        match self.known.get_mut(place) {
            Some(known) => *known = shape,
            None => self.known.push(shape),
        }
        self.came(place);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::base::limits::Limits;
    use crate::format::ofd::Error;
    use crate::format::ofd::path::PartName;
    use crate::format::ofd::xml_walk::{Beginning, Listener, Words, walk_knowing};

    /// Everything that is heard, a line each.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Heard(Vec<String>);

    impl Listener for Heard {
        fn heeds(name: &[u8]) -> bool {
            name != b"unheeded"
        }

        fn begins(&mut self, element: &Beginning<'_>) {
            let heeded: Vec<_> = element.attributes().filter(|(name, _)| Self::heeds(name.as_bytes())).collect();
            let place = (element.start, element.content_start, element.is_empty);
            let name = element.words.read(element.qualified);
            self.0.push(format!("<{name} {} {heeded:?} {place:?}", element.matches));
        }

        fn ends(&mut self, content_end: usize, end: usize) {
            self.0.push(format!("> {content_end} {end}"));
        }

        fn says(&mut self, text: Piece, words: Words<'_>) {
            self.0.push(words.read(text).to_owned());
        }
    }

    fn heard(text: &str, room: usize, limits: &Limits) -> Result<Heard, Error> {
        let mut heard = Heard::default();
        walk_knowing(&PartName::from_checked("x.xml"), text.as_bytes(), limits, &mut heard, Shapes::new(room))?;
        Ok(heard)
    }

    /// Whether it was accepted.
    fn agrees(text: &str) -> bool {
        let mut limits = Limits::DEFAULT;
        let plain = heard(text, 0, &limits);
        for room in [1, 2, MOST_SHAPES] {
            assert_eq!(heard(text, room, &limits), plain, "{text:?} with {room}");
        }
        // Wherever the limits lie.
        for nodes in [1_usize, 3, 7, 12, 20] {
            (limits.xml_nodes, limits.xml_depth) = (nodes, nodes.div_ceil(3));
            assert_eq!(heard(text, MOST_SHAPES, &limits), heard(text, 0, &limits), "{text:?} within {nodes}");
        }
        plain.is_ok()
    }

    const PIECES: [&str; 36] = [
        "<o:b x='1' y='2'>t</o:b>",
        "<o:b x='1' y='2'>t</o:b>",
        "<o:b x='3' y='4'/>",
        "<o:b y='2' x='1'/>",
        "<o:b x='1' unheeded='2'/>",
        "<o:b x='1' y='2' x='3'/>",
        "<o:b x=\"1\" y='2'/>",
        "<o:b x='1'/>",
        "<o:b x='&amp;' y='2'/>",
        "<o:b x='a\tb' y='2'/>",
        "<o:b x='<' y='2'/>",
        "<o:b  x='1' y='2'/>",
        "<o:b x = '1' y='2'/>",
        "<o:b x='1' y='2' />",
        "<o:b x='1' y='2'  />",
        "<o:b x='1'y='2'/>",
        "<o:bb x='1' y='2'/>",
        "<o:b",
        "</o:b>",
        "</o:b >",
        "<b x='1'>",
        "</b>",
        "<b xmlns='urn:x' x='1'>",
        "<o:b xmlns:o='urn:x' x='1' y='2'>",
        "<p:c xmlns:p='http://www.ofdspec.org/2016'>",
        "<p:c>",
        "</p:c>",
        "<a-name-of-more-than-thirty-two-octets z='1'/>",
        "<ofd:TextObject ID='1' Boundary='0 0 1 1' Font='2' Size='3.175'>",
        "</ofd:TextObject>",
        "\n   ",
        "text",
        "&lt;",
        "<![CDATA[ ]]>",
        "<!-- c -->",
        "<o:b a='' b='' c='' d='' e='' f='' g='' h='' i='' j='' k='' l='' m=''/>",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn what_is_known_reads_as_what_is_not(choices in proptest::collection::vec(any::<u8>(), 0..24)) {
            let pieces = choices.iter().map(|choice| PIECES[usize::from(*choice) % PIECES.len()]);
            let text: String = pieces.collect();
            agrees(&text);
            // Again and again, so that each is known the second time; padded, since the last octets are never compared.
            agrees(&format!("<o:r xmlns:o='http://www.ofdspec.org'>{text}{text}</o:r>{:40}", ""));
            agrees(&format!("<r xmlns:o='urn:x' xmlns:ofd='http://www.ofdspec.org/2016'>{text}{text}{text}</r>{:40}", ""));
        }
    }

    #[test]
    fn every_piece_reads_the_same_the_second_time() {
        let mut accepted = 0;
        for piece in PIECES {
            for close in ["", "</o:b>", "</b>", "</p:c>", "</ofd:TextObject>", ">", "/>"] {
                let text = format!("{piece}{close}\n");
                let text =
                    format!("<r xmlns:o='urn:x' xmlns:ofd='http://www.ofdspec.org'>{}</r>{:40}", text.repeat(4), "");
                accepted += usize::from(agrees(&text));
            }
        }
        assert!(accepted > 24, "{accepted}");
    }

    #[test]
    fn a_tag_is_known_the_second_time() {
        let source = "<b x='1' y=\"2\"/><b x='345' y=\"\"/><b y=\"6\"/>                ";
        let piece = |text: &str| {
            let start = source.find(text).unwrap();
            Piece::new(start, start + text.len())
        };
        let mut shapes = Shapes::new(1);
        let mut heeded = Vec::new();
        let mut scanner = Scanner::new(source);
        assert!(shapes.read(&mut scanner, &mut heeded).is_none());
        let attributes = [(piece("x"), piece("1")), (piece("y"), piece("2"))];
        shapes.learn(source.as_bytes(), (piece("b"), true), &attributes, |name| name == b"y");
        let read: Vec<_> = std::iter::from_fn(|| shapes.read(&mut scanner, &mut heeded)).collect();
        assert_eq!(read.iter().map(|known| known.attributes).collect::<Vec<_>>(), [2, 2, 1]);
        assert!(read.iter().all(|known| known.is_empty && known.matches && known.qualified.len() == 1));
        let values: Vec<_> =
            heeded.iter().map(|(name, value)| (&source[name.range()], &source[value.range()])).collect();
        assert_eq!(values, [("y", "2"), ("y", ""), ("y", "6")]);
    }

    #[test]
    fn literals_compare_all_their_octets_and_no_other() {
        let text: Vec<u8> = (0..64).collect();
        assert_eq!((Literal::of(b""), Literal::of(&text[..33])), (None, None));
        for length in 1..=32 {
            let literal = Literal::of(&text[..length]).unwrap();
            assert_eq!(literal.len(), length);
            assert!(literal.begins(&text), "{length}");
            for place in 0..64 {
                let mut other = text.clone();
                other[place] ^= 0x80;
                assert_eq!(literal.begins(&other), place >= length, "{length} {place}");
            }
            assert!(!literal.begins(&text[..length - 1]), "{length}");
        }
    }
}
