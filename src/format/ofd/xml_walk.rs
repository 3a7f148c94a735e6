//! A part of a package from its first element to its last: well-formed, its namespaces bound, within its limits. Who wants
//! to know what it says listens; nothing else is kept.

use crate::base::limits::Limits;
use crate::format::ofd::Error;
use crate::format::ofd::path::PartName;
use crate::format::ofd::xml_bytes::{blanks, letters};
use crate::format::ofd::xml_piece::{LONGEST, Piece, short};
use crate::format::ofd::xml_scan::{Mark, Scanner, Token, is_of_other_encoding};
use crate::format::ofd::xml_shape::{Known, Literal, MOST_SHAPES, Shapes};
use crate::format::ofd::xml_text::{
    character, forbidden_character, is_name, local, mark, mark_length, space, split_prefix, text_of,
};

/// Attributes of one element, and namespace declarations in force: both are searched one by one.
const MAX_ATTRIBUTES: usize = 256;

pub(super) const NAMESPACES: [&str; 2] = ["http://www.ofdspec.org/2016", "http://www.ofdspec.org"];

/// Hears what a part says, in its order.
pub(super) trait Listener {
    /// Whether it looks at attributes of this name, as written. Others may be left out of what it hears.
    fn heeds(name: &[u8]) -> bool;

    /// An element begins. If it is empty, [`Self::ends`] is not called for it.
    fn begins(&mut self, element: &Beginning<'_>);

    /// The element that began last, of those that have not ended, ends: its end tag begins and ends there.
    fn ends(&mut self, content_end: usize, end: usize);

    /// Text in the element that began last. It may come in several pieces.
    fn says(&mut self, text: Piece, words: Words<'_>);
}

/// What pieces are read from: the part without its byte order mark, and behind it what was decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'w> {
    source: &'w str,
    decoded: &'w str,
}

impl<'w> Words<'w> {
    pub(super) fn read(self, piece: Piece) -> &'w str {
        piece.read(self.source, self.decoded)
    }

    /// As [`Self::read`], of what was not decoded.
    pub(super) fn octets(self, piece: Piece) -> &'w [u8] {
        self.source.as_bytes().get(piece.range()).unwrap_or_default()
    }

    pub(super) fn is_blank(self, piece: Piece) -> bool {
        let octets = self.read(piece).as_bytes();
        blanks(octets) == octets.len()
    }
}

/// An element that begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning<'w> {
    /// As written, with its prefix.
    pub(super) qualified: Piece,
    /// Whether its namespace is that of OFD, or none.
    pub(super) matches: bool,
    /// Names as written and values, without namespace declarations; those that are not heeded may be left out.
    pub(super) attributes: &'w [(Piece, Piece)],
    /// `<element/>`.
    pub(super) is_empty: bool,
    /// Where its start tag begins.
    pub(super) start: usize,
    /// Behind its start tag.
    pub(super) content_start: usize,
    pub(super) words: Words<'w>,
}

impl<'w> Beginning<'w> {
    /// Whether this is the OFD element of that name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.matches && local(self.words.read(self.qualified)) == name
    }

    /// The value of an attribute without prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<&'w str> {
        self.attributes().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All attributes that are heeded, and perhaps others, names as written.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'w str, &'w str)> + use<'w> {
        let words = self.words;
        self.attributes.iter().map(move |(name, value)| (words.read(*name), words.read(*value)))
    }
}

/// A part that was walked through.
#[derive(Debug)]
pub(super) struct Walked<'b> {
    /// How many octets of a byte order mark come first.
    pub(super) base: usize,
    /// What follows them.
    pub(super) text: &'b str,
    /// What was decoded: as if it stood behind the text.
    pub(super) decoded: String,
}

/// Walks through the bytes of a part.
///
/// # Errors
/// The `xml-…` codes. What the listener heard before counts for nothing then.
pub(super) fn walk<'b>(
    part: &PartName,
    bytes: &'b [u8],
    limits: &Limits,
    listener: &mut impl Listener,
) -> Result<Walked<'b>, Error> {
    walk_knowing(part, bytes, limits, listener, Shapes::new(MOST_SHAPES))
}

/// As [`walk`], with what is known of start tags, which changes nothing but the time that it takes.
pub(super) fn walk_knowing<'b>(
    part: &PartName,
    bytes: &'b [u8],
    limits: &Limits,
    listener: &mut impl Listener,
    shapes: Shapes,
) -> Result<Walked<'b>, Error> {
    let name = || part.as_str().to_owned();
    if bytes.len() > limits.xml_bytes.min(LONGEST) {
        return Err(Error::XmlTooLarge { part: name(), limit: limits.xml_bytes });
    }
    let base = mark_length(bytes);
    let text = text_of(bytes, base).ok_or_else(|| Error::XmlEncoding { part: name() })?;
    let mut walker = Walker {
        part,
        limits,
        base,
        source: text,
        decoded: String::new(),
        attributes: Vec::new(),
        open: Vec::new(),
        bindings: Vec::new(),
        shapes,
        count: 0,
        done: false,
    };
    if let Some(offset) = forbidden_character(text) {
        return Err(walker.malformed(offset, "forbidden character"));
    }
    walker.run(listener)?;
    Ok(Walked { base, text, decoded: walker.decoded })
}

/// An element whose end tag has not come yet.
struct Open {
    qualified: Piece,
    /// The same, if it was read by its shape.
    name: Option<Literal>,
    bindings: usize,
}

struct Walker<'a> {
    part: &'a PartName,
    limits: &'a Limits,
    base: usize,
    source: &'a str,
    /// Values that read otherwise than they are written: as if they stood behind the part.
    decoded: String,
    /// Those of the element that is being read.
    attributes: Vec<(Piece, Piece)>,
    open: Vec<Open>,
    /// Prefix, and whether it means OFD or no namespace.
    bindings: Vec<(String, bool)>,
    /// Start tags that were accepted under these bindings.
    shapes: Shapes,
    count: usize,
    done: bool,
}

impl<'a> Walker<'a> {
    fn run<L: Listener>(&mut self, listener: &mut L) -> Result<(), Error> {
        let mut scanner = Scanner::new(self.source);
        loop {
            let start = scanner.position();
            if let Some(open) = self.open.last() {
                let ends = match &open.name {
                    Some(name) => scanner.ends_as(name),
                    None => scanner.ends(open.qualified),
                };
                if ends {
                    self.close((start, scanner.position()), listener);
                    continue;
                }
                self.attributes.clear();
                if let Some(known) = self.shapes.read(&mut scanner, &mut self.attributes) {
                    self.known(known, start, scanner.position(), listener)?;
                    continue;
                }
                if let Some(blank) = scanner.indentation() {
                    listener.says(blank, self.words());
                    continue;
                }
            }
            match scanner.token().map_err(|why| self.malformed(start, why))? {
                Token::Start(name) => self.start(name, &mut scanner, start, listener)?,
                Token::End(name) => self.end(name, (start, scanner.position()), listener)?,
                Token::Blank(text) if !self.open.is_empty() => listener.says(text, self.words()),
                // Outside the root white space may stand.
                Token::Blank(_) => {}
                Token::Text(text) => self.text(text, start, false, listener)?,
                Token::CData(text) => self.text(text, start, true, listener)?,
                Token::Reference(name) => {
                    let c = self.entity(self.written(name))?;
                    let text = self.decode(c.encode_utf8(&mut [0; 4]));
                    self.text(text, start, true, listener)?;
                }
                Token::Comment => {}
                Token::Declaration(_) if start != 0 => {
                    return Err(self.malformed(start, "XML declaration not at the start"));
                }
                Token::Declaration(content) => {
                    if is_of_other_encoding(self.written(content)).map_err(|why| self.malformed(start, why))? {
                        return Err(Error::XmlEncoding { part: self.name() });
                    }
                }
                Token::Instruction => return Err(Error::XmlProcessingInstruction { part: self.name() }),
                Token::DocType => return Err(Error::XmlDoctype { part: self.name() }),
                Token::Nothing if self.done && self.open.is_empty() => return Ok(()),
                Token::Nothing => return Err(self.malformed(start, "ends too early")),
            }
        }
    }

    /// An element within another whose start tag was read by its shape.
    #[inline]
    fn known(
        &mut self,
        known: Known,
        start: usize,
        content_start: usize,
        listener: &mut impl Listener,
    ) -> Result<(), Error> {
        let Known { qualified, name, matches, attributes, is_empty } = known;
        self.deepen()?;
        self.spend(attributes.saturating_add(1))?;
        let words = self.words();
        listener.begins(&Beginning {
            qualified,
            matches,
            attributes: &self.attributes,
            is_empty,
            start,
            content_start,
            words,
        });
        if !is_empty {
            self.open.push(Open { qualified, name: Some(name), bindings: self.bindings.len() });
        }
        Ok(())
    }

    /// Another element may begin here.
    fn deepen(&self) -> Result<(), Error> {
        if self.open.len() >= self.limits.xml_depth {
            return Err(Error::XmlTooDeep { part: self.name(), limit: self.limits.xml_depth });
        }
        Ok(())
    }

    fn start<L: Listener>(
        &mut self,
        qualified: Piece,
        scanner: &mut Scanner<'a>,
        start: usize,
        listener: &mut L,
    ) -> Result<(), Error> {
        if self.done {
            return Err(self.malformed(start, "content after the root element"));
        }
        self.deepen()?;
        self.spend(1)?;
        let bindings = self.bindings.len();
        self.attributes.clear();
        let mut seen = 0;
        let is_empty = loop {
            match scanner.mark().map_err(|why| self.malformed(start, why))? {
                Mark::Close { is_empty } => break is_empty,
                Mark::Attribute { name, value, is_plain } => {
                    // Names that differ in length or last letter mostly have marks that differ, and are not compared.
                    let mark = mark(self.octets(name));
                    let may_repeat = seen & mark != 0;
                    seen |= mark;
                    if may_repeat && self.is_repeated(name, bindings) {
                        return Err(self.malformed(start, "repeated attribute"));
                    }
                    self.attribute(name, value, is_plain, start)?;
                }
            }
        };
        let matches = self.is_ours(qualified, start)?;
        listener.begins(&Beginning {
            qualified,
            matches,
            attributes: &self.attributes,
            is_empty,
            start,
            content_start: scanner.position(),
            words: self.words(),
        });
        if self.bindings.len() == bindings {
            self.shapes.learn(self.source.as_bytes(), (qualified, matches), &self.attributes, L::heeds);
        }
        if is_empty {
            self.unbind(bindings);
            self.done = self.open.is_empty();
        } else {
            self.open.push(Open { qualified, name: None, bindings });
        }
        Ok(())
    }

    /// Whether the prefix of an element, or its absence, means OFD or no namespace.
    #[inline(always)]
    fn is_ours(&self, qualified: Piece, start: usize) -> Result<bool, Error> {
        let name = self.octets(qualified);
        let first = letters(name);
        let prefix = match name.get(first) {
            Some(b':') => name.get(..first).unwrap_or_default(),
            None => b"",
            Some(_) => split_prefix(self.written(qualified)).map_or(b"".as_slice(), |(prefix, _)| prefix.as_bytes()),
        };
        match self.bindings.iter().rev().find(|(known, _)| known.as_bytes() == prefix) {
            Some((_, ofd)) => Ok(*ofd),
            None if prefix.is_empty() => Ok(true),
            None => Err(self.malformed(start, "undeclared prefix")),
        }
    }

    /// An attribute or a namespace declaration of the element that begins at `start`. That its name is not repeated is
    /// asked before.
    #[inline(always)]
    fn attribute(&mut self, name: Piece, value: Piece, is_plain: bool, start: usize) -> Result<(), Error> {
        self.spend(1)?;
        if self.attributes.len() >= MAX_ATTRIBUTES || self.bindings.len() >= MAX_ATTRIBUTES {
            return Err(Error::XmlTooManyNodes { part: self.name(), limit: MAX_ATTRIBUTES });
        }
        let value = if is_plain { value } else { self.decoded_value(value, start)? };
        match self.octets(name) {
            b"xmlns" | [b'x', b'm', b'l', b'n', b's', b':', ..] => self.declaration(name, value, start),
            _ => {
                self.attributes.push((name, value));
                Ok(())
            }
        }
    }

    /// `xmlns`, or a name that begins by `xmlns:`. Namespaces in XML 1.0, 3.
    #[cold]
    fn declaration(&mut self, name: Piece, value: Piece, start: usize) -> Result<(), Error> {
        let (prefix, uri) =
            (split_prefix(self.written(name)).map_or("", |(_, prefix)| prefix), self.words().read(value));
        let is_default = name.len() == "xmlns".len();
        if !is_default && (!is_name(prefix) || uri.is_empty()) {
            return Err(self.malformed(start, "broken namespace declaration"));
        }
        let matches = NAMESPACES.contains(&uri) || (is_default && uri.is_empty());
        self.bindings.push((prefix.to_owned(), matches));
        self.shapes.forget();
        Ok(())
    }

    /// Whether the element that is being read has this attribute already. XML 1.0, 3.1.
    fn is_repeated(&self, name: Piece, bindings: usize) -> bool {
        let key = self.written(name);
        if let Some(declared) = key.strip_prefix("xmlns")
            && let Some(prefix) = if declared.is_empty() { Some("") } else { declared.strip_prefix(':') }
        {
            return self.bindings.iter().skip(bindings).any(|(known, _)| known == prefix);
        }
        self.attributes.iter().any(|(known, _)| self.octets(*known) == key.as_bytes())
    }

    /// An end tag that [`Scanner::ends`] did not know.
    fn end(&mut self, name: Piece, (start, end): (usize, usize), listener: &mut impl Listener) -> Result<(), Error> {
        match self.open.last() {
            None => Err(self.malformed(start, "end tag without start tag")),
            Some(open) if self.octets(open.qualified) != self.octets(name) => {
                Err(self.malformed(start, "end tag of another element"))
            }
            Some(_) => {
                self.close((start, end), listener);
                Ok(())
            }
        }
    }

    /// The element that began last has ended, its end tag between these.
    fn close(&mut self, (start, end): (usize, usize), listener: &mut impl Listener) {
        if let Some(closed) = self.open.pop() {
            self.unbind(closed.bindings);
        }
        listener.ends(start, end);
        self.done = self.open.is_empty();
    }

    /// So many bindings stay in force.
    fn unbind(&mut self, bindings: usize) {
        if self.bindings.len() > bindings {
            self.bindings.truncate(bindings);
            self.shapes.forget();
        }
    }

    fn text(&mut self, text: Piece, start: usize, quoted: bool, listener: &mut impl Listener) -> Result<(), Error> {
        let blank = quoted && self.words().is_blank(text);
        if self.open.is_empty() {
            // Not even a reference or CDATA of white space.
            return Err(self.malformed(start, "text outside the root"));
        }
        if !blank {
            self.spend(1)?;
        } else if text.is_empty() {
            return Ok(());
        }
        listener.says(text, self.words());
        Ok(())
    }

    fn words(&self) -> Words<'_> {
        Words { source: self.source, decoded: &self.decoded }
    }

    /// A piece of the source.
    fn written(&self, piece: Piece) -> &'a str {
        self.source.get(piece.range()).unwrap_or_default()
    }

    /// As [`Self::written`].
    fn octets(&self, piece: Piece) -> &'a [u8] {
        self.source.as_bytes().get(piece.range()).unwrap_or_default()
    }

    /// Puts a text behind the source.
    fn decode(&mut self, text: &str) -> Piece {
        let start = self.source.len().saturating_add(self.decoded.len());
        self.decoded.push_str(text);
        Piece { start: short(start), end: short(start.saturating_add(text.len())) }
    }

    /// XML 1.0, 3.3.3: white space becomes a space, references are replaced.
    #[cold]
    fn decoded_value(&mut self, raw: Piece, start: usize) -> Result<Piece, Error> {
        let raw = self.written(raw);
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('&') {
            value.extend(before.chars().map(space));
            let (name, after) = after.split_once(';').ok_or_else(|| self.malformed(start, "bare &"))?;
            value.push(self.entity(name)?);
            rest = after;
        }
        value.extend(rest.chars().map(space));
        Ok(self.decode(&value))
    }

    fn entity(&self, name: &str) -> Result<char, Error> {
        let entity = || Error::XmlEntity { part: self.name(), name: name.chars().take(32).collect() };
        character(name).ok_or_else(entity)
    }

    fn spend(&mut self, nodes: usize) -> Result<(), Error> {
        self.count = self.count.saturating_add(nodes);
        if self.count > self.limits.xml_nodes {
            return Err(Error::XmlTooManyNodes { part: self.name(), limit: self.limits.xml_nodes });
        }
        Ok(())
    }

    #[cold]
    fn malformed(&self, offset: usize, why: &'static str) -> Error {
        Error::XmlMalformed { part: self.name(), offset: self.base.saturating_add(offset), why }
    }

    fn name(&self) -> String {
        self.part.as_str().to_owned()
    }
}
