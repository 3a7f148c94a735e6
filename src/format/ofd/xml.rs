//! A small bounded XML tree for the parts of a package: strict, UTF-8 only, no recursion.
//!
//! Accepted: XML 1.0, UTF-8 with or without byte order mark, comments, CDATA, the five predefined entities and
//! character references. Refused: everything that another reader could understand differently.
//! Elements of the OFD namespace (`http://www.ofdspec.org/2016`, in older files `http://www.ofdspec.org`) and
//! unqualified ones are found by name; elements of other namespaces are kept but never found.

use std::borrow::Cow;

use crate::base::limits::Limits;
use crate::format::ofd::Error;
use crate::format::ofd::path::PartName;
use crate::format::ofd::xml_piece::{NONE, Piece, Short, long, short};
use crate::format::ofd::xml_text::local;
use crate::format::ofd::xml_walk::{Beginning, Listener, Walked, Words, walk};

/// White space of XML 1.0, 2.3.
pub(super) const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// About as many bytes of real pages make one element: what is set aside before the first.
const BYTES_A_NODE: usize = 64;

/// As [`BYTES_A_NODE`], of an attribute.
const BYTES_AN_ATTRIBUTE: usize = 28;

/// A parsed part. The nodes lie in one list, so that neither reading nor dropping recurses, and what they say lies in
/// the part itself, so that a node costs no allocation of its own.
#[derive(Debug, Clone)]
pub struct Tree<'s> {
    part: PartName,
    nodes: Vec<Node>,
    /// Name as written and value of each attribute, node after node.
    attributes: Vec<(Piece, Piece)>,
    /// The part as written, without the byte order mark.
    source: Cow<'s, str>,
    /// Bytes of the byte order mark.
    base: usize,
    /// Values that read otherwise than they are written: as if they stood behind the part.
    decoded: String,
    /// Text that stands in several pieces between the children of its element.
    joined: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Text {
    /// In one piece.
    Piece(Piece),
    /// In several: an index of [`Tree::joined`].
    Joined(Short),
}

#[derive(Debug, Clone)]
struct Node {
    /// As written, with its prefix.
    qualified: Piece,
    matches: bool,
    /// A range of [`Tree::attributes`].
    attributes: Piece,
    text: Text,
    /// [`NONE`] where there is none.
    first_child: Short,
    /// [`NONE`] where there is none.
    next_sibling: Short,
    start: Short,
    content_start: Short,
    content_end: Short,
    end: Short,
}

/// Where an element stands in the bytes of its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    /// After the start tag.
    pub(super) content_start: usize,
    /// Before the end tag; for an empty element, as `end`.
    pub(super) content_end: usize,
    pub(super) end: usize,
}

/// An element of a [`Tree`].
#[derive(Debug, Clone, Copy)]
pub struct Element<'t> {
    tree: &'t Tree<'t>,
    index: usize,
}

impl<'s> Tree<'s> {
    /// Parses the bytes of a part.
    ///
    /// # Errors
    /// The `xml-…` codes.
    pub fn parse(part: &PartName, bytes: &'s [u8], limits: &Limits) -> Result<Self, Error> {
        Self::parse_content(part, Cow::Borrowed(bytes), limits)
    }

    /// As [`Self::parse`]; the tree keeps what nobody else holds.
    ///
    /// # Errors
    /// The `xml-…` codes.
    pub fn parse_content(part: &PartName, content: Cow<'s, [u8]>, limits: &Limits) -> Result<Self, Error> {
        let mut nodes = Nodes::new(content.len().min(limits.xml_bytes));
        let (base, decoded, source) = match content {
            Cow::Borrowed(bytes) => {
                let walked = walk(part, bytes, limits, &mut nodes)?;
                (walked.base, walked.decoded, Cow::Borrowed(walked.text))
            }
            Cow::Owned(bytes) => {
                let Walked { base, decoded, .. } = walk(part, &bytes, limits, &mut nodes)?;
                let encoding = |_| Error::XmlEncoding { part: part.as_str().to_owned() };
                let mut text = String::from_utf8(bytes).map_err(encoding)?;
                text.drain(..base);
                (base, decoded, Cow::Owned(text))
            }
        };
        Ok(nodes.with(decoded, part, base, source))
    }

    fn piece(&self, piece: Piece) -> &str {
        piece.read(&self.source, &self.decoded)
    }

    /// The part that was parsed.
    #[must_use]
    pub fn part(&self) -> &PartName {
        &self.part
    }

    /// The root element, which must have this name.
    ///
    /// # Errors
    /// `element-missing`.
    pub fn root(&self, name: &'static str) -> Result<Element<'_>, Error> {
        let root = Element { tree: self, index: 0 };
        if root.is(name) { Ok(root) } else { Err(root.missing(name)) }
    }

    /// All elements in document order, the root first.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        (0..self.nodes.len()).map(|index| Element { tree: self, index })
    }
}

impl<'t> Element<'t> {
    fn node(&self) -> Option<&'t Node> {
        self.tree.nodes.get(self.index)
    }

    /// The name without prefix.
    #[must_use]
    pub fn name(&self) -> &'t str {
        local(self.qualified())
    }

    /// The name as written.
    pub(super) fn qualified(&self) -> &'t str {
        self.node().map_or("", |n| self.tree.piece(n.qualified))
    }

    pub(super) fn span(&self) -> Span {
        let base = self.tree.base;
        let at = |offset: Short| base.saturating_add(long(offset));
        self.node().map_or(Span { start: 0, content_start: 0, content_end: 0, end: 0 }, |n| Span {
            start: at(n.start),
            content_start: at(n.content_start),
            content_end: at(n.content_end),
            end: at(n.end),
        })
    }

    /// True if this is the OFD element of that name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.node().is_some_and(|n| n.matches) && self.name() == name
    }

    /// The value of an attribute without prefix.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'t str> {
        self.attributes().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All attributes, names as written.
    pub fn attributes(&self) -> impl Iterator<Item = (&'t str, &'t str)> + use<'t> {
        let tree = self.tree;
        let range = self.node().map(|n| n.attributes).unwrap_or_default();
        let all = tree.attributes.get(range.range()).unwrap_or_default();
        all.iter().map(|(name, value)| (tree.piece(*name), tree.piece(*value)))
    }

    /// The element's own text, without that of its children, trimmed.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.whole_text().trim_matches(SPACE)
    }

    /// The element's own text as written, white space at its ends included: in a line of text each space has its place.
    /// Before any other text, white space alone between children is left out.
    #[must_use]
    pub fn whole_text(&self) -> &'t str {
        match self.node().map(|n| n.text) {
            Some(Text::Piece(piece)) => self.tree.piece(piece),
            Some(Text::Joined(index)) => self.tree.joined.get(long(index)).map_or("", String::as_str),
            None => "",
        }
    }

    /// The child elements.
    pub fn children(&self) -> impl Iterator<Item = Element<'t>> + use<'t> {
        let tree = self.tree;
        let mut next = self.node().map_or(NONE, |n| n.first_child);
        std::iter::from_fn(move || {
            let index = long(next);
            next = tree.nodes.get(index)?.next_sibling;
            Some(Element { tree, index })
        })
    }

    /// The OFD child elements of that name.
    pub fn children_named<'n>(&self, name: &'n str) -> impl Iterator<Item = Element<'t>> + use<'t, 'n> {
        self.children().filter(move |child| child.is(name))
    }

    /// The first OFD child element of that name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<Element<'t>> {
        self.children_named(name).next()
    }

    /// The only OFD child element of that name, if there is one.
    ///
    /// # Errors
    /// `element-invalid` if there are several: readers that take the first and the last would see two documents.
    pub fn only_child(&self, name: &'static str) -> Result<Option<Element<'t>>, Error> {
        let mut all = self.children_named(name);
        let first = all.next();
        if all.next().is_some() { Err(self.invalid(name)) } else { Ok(first) }
    }

    /// The only OFD child element of that name.
    ///
    /// # Errors
    /// `element-missing`, `element-invalid`.
    pub fn required(&self, name: &'static str) -> Result<Element<'t>, Error> {
        self.only_child(name)?.ok_or_else(|| self.missing(name))
    }

    /// The refusal that something is absent here.
    #[must_use]
    pub fn missing(&self, element: &'static str) -> Error {
        Error::ElementMissing { part: self.tree.part.as_str().to_owned(), element }
    }

    /// The refusal that something here has a wrong value.
    #[must_use]
    pub fn invalid(&self, element: &'static str) -> Error {
        Error::ElementInvalid { part: self.tree.part.as_str().to_owned(), element }
    }
}

/// What was read of a part, beside its text.
struct Nodes {
    nodes: Vec<Node>,
    attributes: Vec<(Piece, Piece)>,
    joined: Vec<String>,
    /// Elements that have not ended: each with its last child.
    open: Vec<(usize, Option<usize>)>,
}

impl Nodes {
    /// For a part of that many bytes.
    fn new(bytes: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(bytes / BYTES_A_NODE),
            attributes: Vec::with_capacity(bytes / BYTES_AN_ATTRIBUTE),
            joined: Vec::new(),
            open: Vec::new(),
        }
    }

    fn with<'s>(self, decoded: String, part: &PartName, base: usize, source: Cow<'s, str>) -> Tree<'s> {
        let Self { nodes, attributes, joined, .. } = self;
        Tree { part: part.clone(), nodes, attributes, source, base, decoded, joined }
    }

    /// Makes the new node the last child of the open element.
    fn attach(&mut self, index: usize) {
        let Some((parent, last_child)) = self.open.last_mut() else { return };
        let previous = last_child.replace(index);
        match previous.and_then(|p| self.nodes.get_mut(p)) {
            Some(sibling) => sibling.next_sibling = short(index),
            None => {
                if let Some(node) = self.nodes.get_mut(*parent) {
                    node.first_child = short(index);
                }
            }
        }
    }
}

impl Listener for Nodes {
    fn heeds(_: &[u8]) -> bool {
        true
    }

    fn begins(&mut self, element: &Beginning<'_>) {
        let first = self.attributes.len();
        self.attributes.extend_from_slice(element.attributes);
        let index = self.nodes.len();
        let content_start = short(element.content_start);
        self.nodes.push(Node {
            qualified: element.qualified,
            matches: element.matches,
            attributes: Piece::new(first, self.attributes.len()),
            text: Text::Piece(Piece::default()),
            first_child: NONE,
            next_sibling: NONE,
            start: short(element.start),
            content_start,
            content_end: content_start,
            end: content_start,
        });
        self.attach(index);
        if !element.is_empty {
            self.open.push((index, None));
        }
    }

    fn ends(&mut self, content_end: usize, end: usize) {
        if let Some((index, _)) = self.open.pop()
            && let Some(node) = self.nodes.get_mut(index)
        {
            (node.content_end, node.end) = (short(content_end), short(end));
        }
    }

    fn says(&mut self, text: Piece, words: Words<'_>) {
        let Some((index, last_child)) = self.open.last() else { return };
        let Some(node) = self.nodes.get_mut(*index) else { return };
        match node.text {
            // White space that parts children from each other is nobody's text.
            Text::Piece(before) if last_child.is_some() && words.is_blank(before) && words.is_blank(text) => {}
            Text::Piece(before) if before.is_empty() => node.text = Text::Piece(text),
            Text::Piece(before) => {
                self.joined.push([words.read(before), words.read(text)].concat());
                node.text = Text::Joined(short(self.joined.len().saturating_sub(1)));
            }
            Text::Joined(joined) => {
                if let Some(joined) = self.joined.get_mut(long(joined)) {
                    joined.push_str(words.read(text));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::ofd::xml_walk::NAMESPACES;

    const LIMITS: Limits = Limits::DEFAULT;

    fn parse(text: &(impl AsRef<[u8]> + ?Sized)) -> Result<Tree<'_>, Error> {
        Tree::parse(&PartName::from_checked("x.xml"), text.as_ref(), &LIMITS)
    }

    fn code(text: impl AsRef<[u8]>) -> &'static str {
        parse(&text).map_or_else(|e| e.code(), |_| "accepted")
    }

    #[test]
    fn elements_are_found_by_local_name_in_both_namespaces() {
        for uri in NAMESPACES {
            let text = format!("<o:A xmlns:o=\"{uri}\" ID='1'><o:B>t&amp;&#x26;</o:B><C/></o:A>");
            let tree = parse(&text).unwrap();
            let root = tree.root("A").unwrap();
            assert_eq!(root.attribute("ID"), Some("1"));
            assert_eq!(root.child("B").unwrap().text(), "t&&");
            assert!(root.child("C").is_some());
            assert_eq!(root.children().map(|e| e.name()).collect::<Vec<_>>(), ["B", "C"]);
        }
        let tree = parse("<A xmlns='http://www.ofdspec.org'><x:B xmlns:x='urn:other'/></A>").unwrap();
        assert!(tree.root("A").unwrap().child("B").is_none());
        assert_eq!(tree.root("Z").unwrap_err().code(), "element-missing");
    }

    #[test]
    fn accepted_forms() {
        assert_eq!(
            code("\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<a><!-- c --><![CDATA[<]]></a>\n"),
            "accepted"
        );
        let tree = parse("<a b='x&lt;&#65;\n'><![CDATA[<&]]>&gt;</a>").unwrap();
        let root = tree.root("a").unwrap();
        assert_eq!((root.attribute("b"), root.text()), (Some("x<A "), "<&>"));
    }

    #[test]
    fn text_in_pieces_is_one_text() {
        let tree = parse("<a> x<b>1</b>y&lt;<b>&#50;</b><![CDATA[z]]><c d='&quot;' e=''/></a>").unwrap();
        let root = tree.root("a").unwrap();
        assert_eq!((root.whole_text(), root.text()), (" xy<z", "xy<z"));
        assert_eq!(root.children_named("b").map(|b| b.text()).collect::<Vec<_>>(), ["1", "2"]);
        let c = root.child("c").unwrap();
        assert_eq!(c.attributes().collect::<Vec<_>>(), [("d", "\""), ("e", "")]);
        assert_eq!((c.attribute("e"), c.whole_text()), (Some(""), ""));
        // Two of them never share what was decoded: each reads its own.
        let many: String = (0..500).map(|n| format!("<b x='&#{};'>&amp;{n}</b>", 65 + n % 26)).collect();
        let text = format!("<a>{many}</a>");
        let tree = parse(&text).unwrap();
        for (n, b) in tree.root("a").unwrap().children().enumerate() {
            assert_eq!(b.text(), format!("&{n}"));
            assert_eq!(b.attribute("x").unwrap(), char::from(b'A' + u8::try_from(n % 26).unwrap()).to_string());
        }
    }

    #[test]
    fn repeated_attributes_and_declarations_are_refused() {
        assert_eq!(code("<a b='1' c='2' b='1'/>"), "xml-malformed");
        assert_eq!(code("<a xmlns='urn:x' b='1' xmlns='urn:x'/>"), "xml-malformed");
        assert_eq!(code("<a xmlns:o='urn:x' xmlns:o='urn:y'/>"), "xml-malformed");
        assert_eq!(code("<a xmlns:o='urn:x' xmlns:p='urn:x' o='1' p='1'><b o='1' xmlns:o='urn:y'/></a>"), "accepted");
    }

    #[test]
    fn forbidden_characters_are_found_where_they_stand() {
        for (text, offset) in [("<a>\u{1F}</a>", 3), ("<a>（\u{FFFE}</a>", 6), ("<a>\u{FFFD}\u{FFFF}</a>", 6)] {
            let Err(Error::XmlMalformed { offset: found, why, .. }) = parse(text) else { panic!("{text:?}") };
            assert_eq!((found, why), (offset, "forbidden character"));
        }
        assert_eq!(code("<a>（\u{FFFD}\t\u{10FFFF}）</a>"), "accepted");
    }

    #[test]
    fn spans_point_into_the_bytes() {
        let text = "\u{FEFF}<a><b>t</b><c/></a>";
        let tree = parse(text).unwrap();
        let of = |e: Element<'_>| text.get(e.span().start..e.span().end).unwrap().to_owned();
        let root = tree.root("a").unwrap();
        assert_eq!(root.children().map(of).collect::<Vec<_>>(), ["<b>t</b>", "<c/>"]);
        assert_eq!(text.get(root.span().content_start..root.span().content_end), Some("<b>t</b><c/>"));
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in [
            "",
            " ",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>text",
            "text<a/>",
            "<a b='1' b='2'/>",
            "<a b=1/>",
            "<a b='<'/>",
            "<a b='&'/>",
            "<a>]]></a>",
            "<a>\u{1}</a>",
            "<x:a/>",
            "<1a/>",
            "<a><!-- -- --></a>",
            " <?xml version='1.0'?><a/>",
            "<?xml version='1.1'?><a/>",
            "<a xmlns:=''/>",
            "<:a/>",
            "<a/>&amp;",
            "<a/><![CDATA[]]>",
        ] {
            assert_eq!(code(text), "xml-malformed", "{text:?}");
        }
    }

    #[test]
    fn doctype_entities_instructions_and_encodings_are_refused() {
        assert_eq!(code("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"), "xml-doctype");
        for text in ["<a>&x;</a>", "<a b='&x;'/>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#x;</a>", "<a>&#+65;</a>"] {
            assert_eq!(code(text), "xml-entity", "{text:?}");
        }
        assert_eq!(code("<?pi x?><a/>"), "xml-processing-instruction");
        assert_eq!(code("<?xml version='1.0' encoding='GBK'?><a/>"), "xml-encoding");
        assert_eq!(code(b"<a>\xd5\xc2</a>"), "xml-encoding");
        assert_eq!(code(b"\xff\xfe<\0a\0/\0>\0"), "xml-encoding");
    }

    #[test]
    fn limits_hold() {
        let part = PartName::from_checked("x.xml");
        let code =
            |text: &str, limits| Tree::parse(&part, text.as_bytes(), &limits).map_or_else(|e| e.code(), |_| "ok");
        let deep = |n| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        assert_eq!(code(&deep(64), LIMITS), "ok");
        assert_eq!(code(&deep(65), LIMITS), "xml-too-deep");
        assert_eq!(code("<a/>", Limits { xml_bytes: 3, ..LIMITS }), "xml-too-large");
        assert_eq!(code("<a b='1'>x</a>", Limits { xml_nodes: 2, ..LIMITS }), "xml-too-many-nodes");
        let many: String = (0..300).map(|n| format!(" a{n}='1'")).collect();
        assert_eq!(code(&format!("<a{many}/>"), LIMITS), "xml-too-many-nodes");
        // A million open elements neither read nor drop by recursion.
        let limits = Limits { xml_depth: 1_000_000, xml_nodes: 1_000_000, ..LIMITS };
        assert_eq!(code(&deep(200_000), limits), "ok");
    }
}
