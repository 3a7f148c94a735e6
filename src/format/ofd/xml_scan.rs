//! XML 1.0 as a row of tokens: what begins and ends where, each byte looked at once. What a token means is the walker's
//! matter.
//!
//! Every refusal says why in a few words; the walker adds where. Stricter than most readers: white space must stand before
//! each attribute, `<` and bare `&` stand in no value, `--` in no comment.

use crate::format::ofd::xml_bytes::{blanks, letters, until_markup, until_quote};
use crate::format::ofd::xml_piece::{Piece, Short, long, short};
use crate::format::ofd::xml_shape::Literal;
use crate::format::ofd::xml_text::is_qualified_name;

/// Why a text is no XML.
pub(super) type Why = &'static str;

/// One piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// `<name`: its attributes follow, by [`Scanner::mark`], up to and with [`Mark::Close`].
    Start(Piece),
    /// `</name>`.
    End(Piece),
    /// Text up to the next `<` or `&`; never empty.
    Text(Piece),
    /// Such text that is nothing but white space.
    Blank(Piece),
    /// What stands between `<![CDATA[` and `]]>`.
    CData(Piece),
    /// What stands between `&` and `;`.
    Reference(Piece),
    /// `<!-- -->`.
    Comment,
    /// What stands between `<?xml` and `?>`.
    Declaration(Piece),
    /// `<?target …`, of which no more is read.
    Instruction,
    /// `<!DOCTYPE`, of which no more is read.
    DocType,
    /// Nothing is left.
    Nothing,
}

/// What follows in a start tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// An attribute.
    Attribute {
        /// As written, with its prefix.
        name: Piece,
        /// As written.
        value: Piece,
        /// Whether it reads as it is written: no reference, no white space but spaces.
        is_plain: bool,
    },
    /// The end of the tag.
    Close {
        /// `/>`.
        is_empty: bool,
    },
}

/// Reads tokens from a text.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'s> {
    text: &'s str,
    /// What has not been read.
    rest: &'s [u8],
    /// How many bytes have been read.
    at: Short,
}

impl<'s> Scanner<'s> {
    /// The text has no more than [`LONGEST`](crate::format::ofd::xml_piece::LONGEST) bytes.
    pub(super) fn new(text: &'s str) -> Self {
        Self { text, rest: text.as_bytes(), at: 0 }
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> usize {
        long(self.at)
    }

    /// The text from here, `length` bytes of it, which then are read.
    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Piece {
        let start = self.at;
        self.skip(length);
        Piece { start, end: self.at }
    }

    fn read(&self, piece: Piece) -> &'s str {
        self.text.get(piece.range()).unwrap_or_default()
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
        self.at = self.at.wrapping_add(short(length));
    }

    fn text_from_here(&self) -> &'s str {
        self.text.get(self.position()..).unwrap_or_default()
    }

    /// The next token. After [`Token::Start`] its marks must be read first.
    #[inline]
    pub(super) fn token(&mut self) -> Result<Token, Why> {
        match self.rest {
            [] => Ok(Token::Nothing),
            [b'<', b'/', ..] => self.end(),
            [b'<', b'!', ..] => self.declared(),
            [b'<', b'?', ..] => self.instruction(),
            [b'<', ..] => {
                self.skip(1);
                self.name().map(Token::Start).ok_or("broken element name")
            }
            [b'&', ..] => self.reference(),
            rest => {
                let blanks = blanks(rest);
                if matches!(rest.get(blanks), Some(b'<' | b'&') | None) {
                    return Ok(Token::Blank(self.take(blanks)));
                }
                let stop = until_markup(rest);
                if rest.get(stop) == Some(&b']') { self.bracketed(stop) } else { Ok(Token::Text(self.take(stop))) }
            }
        }
    }

    /// What begins by `&`.
    fn reference(&mut self) -> Result<Token, Why> {
        self.skip(1);
        let end = self.rest.iter().position(|byte| !is_of_reference(*byte)).ok_or("bare &")?;
        if self.rest.get(end) != Some(&b';') {
            return Err("bare &");
        }
        let name = self.take(end);
        self.skip(1);
        Ok(Token::Reference(name))
    }

    /// Text in which a `]` stands after so many bytes.
    #[cold]
    fn bracketed(&mut self, plain: usize) -> Result<Token, Why> {
        let after = self.rest.get(plain..).unwrap_or_default();
        let length = memchr::memchr2(b'<', b'&', after).unwrap_or(after.len());
        let content = self.take(plain.saturating_add(length));
        if self.read(content).contains("]]>") { Err("]]> in text") } else { Ok(Token::Text(content)) }
    }

    /// The name from here; none if it is no name, or two with a colon between.
    #[inline(always)]
    fn name(&mut self) -> Option<Piece> {
        // Nearly all names are ASCII letters, with a prefix of such letters or without.
        let first = letters(self.rest);
        match self.rest.get(first..) {
            Some([byte, ..]) if first > 0 && ends_name(*byte) => Some(self.take(first)),
            Some([b':', local @ ..]) if first > 0 => {
                let second = letters(local);
                match local.get(second) {
                    Some(byte) if second > 0 && ends_name(*byte) => {
                        Some(self.take(first.wrapping_add(second).wrapping_add(1)))
                    }
                    _ => self.rare_name(),
                }
            }
            _ => self.rare_name(),
        }
    }

    /// As [`Self::name`], of any letters.
    #[cold]
    fn rare_name(&mut self) -> Option<Piece> {
        let length = self.rest.iter().position(|byte| ends_name(*byte)).unwrap_or(self.rest.len());
        Some(self.take(length)).filter(|name| is_qualified_name(self.read(*name)))
    }

    /// White space from here; whether there was any.
    fn space(&mut self) -> bool {
        let length = blanks(self.rest);
        self.skip(length);
        length > 0
    }

    /// Text that is nothing but white space up to the next `<`; none if there is no such text here.
    #[inline(always)]
    pub(super) fn indentation(&mut self) -> Option<Piece> {
        let blanks = match self.rest {
            [b' ' | b'\n' | b'\r' | b'\t', ..] => blanks(self.rest),
            _ => return None,
        };
        if self.rest.get(blanks) == Some(&b'<') { Some(self.take(blanks)) } else { None }
    }

    /// Whether these octets stand here. Near the end of the text it may say no.
    #[inline(always)]
    pub(super) fn is_at(&self, literal: &Literal) -> bool {
        literal.begins(self.rest)
    }

    /// Reads one octet, if it stands here.
    #[inline(always)]
    pub(super) fn passes(&mut self, octet: u8) -> bool {
        let is_here = self.rest.first() == Some(&octet);
        if is_here {
            self.skip(1);
        }
        is_here
    }

    /// Reads a value and its second quotation mark; none if it reads otherwise than it is written.
    #[inline(always)]
    pub(super) fn plain_value(&mut self, quote: u8) -> Option<Piece> {
        let length = until_quote(self.rest, quote)?;
        if self.rest.get(length) != Some(&quote) {
            return None;
        }
        let value = self.take(length);
        self.skip(1);
        Some(value)
    }

    /// Reads the end of a start tag, if it stands here in one of the ways in which nearly all do: whether the element is
    /// empty.
    #[inline(always)]
    pub(super) fn closes(&mut self) -> Option<bool> {
        match self.rest {
            [b'>', ..] => {
                self.skip(1);
                Some(false)
            }
            [b'/', b'>', ..] => {
                self.skip(2);
                Some(true)
            }
            [b' ', b'/', b'>', ..] => {
                self.skip(3);
                Some(true)
            }
            _ => None,
        }
    }

    /// As [`Self::ends`], of a name that is known by its octets.
    #[inline(always)]
    pub(super) fn ends_as(&mut self, name: &Literal) -> bool {
        let is_here = match self.rest {
            [b'<', b'/', after @ ..] => name.begins(after) && after.get(name.len()) == Some(&b'>'),
            _ => false,
        };
        if is_here {
            self.skip(name.len().wrapping_add("</>".len()));
        }
        is_here
    }

    /// Reads the end tag of the element that was written so, if it stands here and without white space.
    #[inline]
    pub(super) fn ends(&mut self, qualified: Piece) -> bool {
        let name = self.text.as_bytes().get(qualified.range()).unwrap_or_default();
        let is_here = match self.rest {
            [b'<', b'/', after @ ..] => after.get(..name.len()) == Some(name) && after.get(name.len()) == Some(&b'>'),
            _ => false,
        };
        if is_here {
            self.skip(name.len().wrapping_add("</>".len()));
        }
        is_here
    }

    fn end(&mut self) -> Result<Token, Why> {
        self.skip(2);
        let name = self.name().ok_or("broken end tag")?;
        if self.rest.first() != Some(&b'>') {
            self.space();
            if self.rest.first() != Some(&b'>') {
                return Err("broken end tag");
            }
        }
        self.skip(1);
        Ok(Token::End(name))
    }

    /// What begins by `<!`.
    fn declared(&mut self) -> Result<Token, Why> {
        let rest = self.text_from_here();
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = memchr::memmem::find(comment.as_bytes(), b"--").ok_or("comment without end")?;
            if comment.as_bytes().get(end.saturating_add(2)) != Some(&b'>') {
                return Err("-- in a comment");
            }
            self.skip(end.saturating_add("<!---->".len()));
            Ok(Token::Comment)
        } else if let Some(content) = rest.strip_prefix("<![CDATA[") {
            let end = memchr::memmem::find(content.as_bytes(), b"]]>").ok_or("CDATA without end")?;
            self.skip("<![CDATA[".len());
            let content = self.take(end);
            self.skip("]]>".len());
            Ok(Token::CData(content))
        } else if rest.as_bytes().get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<!DOCTYPE")) {
            Ok(Token::DocType)
        } else {
            Err("broken declaration")
        }
    }

    /// What begins by `<?`.
    fn instruction(&mut self) -> Result<Token, Why> {
        let rest = self.text_from_here();
        let Some(content) =
            rest.strip_prefix("<?xml").filter(|content| content.starts_with([' ', '\t', '\r', '\n', '?']))
        else {
            return Ok(Token::Instruction);
        };
        let end = memchr::memmem::find(content.as_bytes(), b"?>").ok_or("declaration without end")?;
        self.skip("<?xml".len());
        let content = self.take(end);
        self.skip("?>".len());
        Ok(Token::Declaration(content))
    }

    /// The next part of a start tag.
    #[inline(always)]
    pub(super) fn mark(&mut self) -> Result<Mark, Why> {
        match self.rest {
            // What stands before nearly each attribute: one space.
            [b' ', next, ..] if next.is_ascii_alphabetic() => {
                self.skip(1);
                self.attribute()
            }
            [b'>', ..] => {
                self.skip(1);
                Ok(Mark::Close { is_empty: false })
            }
            _ => self.rare_mark(),
        }
    }

    /// As [`Self::mark`], with any white space.
    #[inline(never)]
    fn rare_mark(&mut self) -> Result<Mark, Why> {
        let is_apart = self.space();
        match self.rest {
            [b'>', ..] => {
                self.skip(1);
                Ok(Mark::Close { is_empty: false })
            }
            [b'/', b'>', ..] => {
                self.skip(2);
                Ok(Mark::Close { is_empty: true })
            }
            [] => Err("tag without end"),
            _ if !is_apart => Err("no white space before an attribute"),
            _ => self.attribute(),
        }
    }

    #[inline(always)]
    fn attribute(&mut self) -> Result<Mark, Why> {
        let name = self.name().ok_or("broken attribute name")?;
        let [b'=', quote @ (b'"' | b'\''), after @ ..] = self.rest else { return self.spaced_value(name) };
        match until_quote(after, *quote) {
            Some(length) if after.get(length) == Some(quote) => {
                self.skip(2);
                let value = self.take(length);
                self.skip(1);
                Ok(Mark::Attribute { name, value, is_plain: true })
            }
            _ => {
                self.skip(1);
                self.value(name)
            }
        }
    }

    /// What follows an attribute's name, with white space before the value.
    #[cold]
    fn spaced_value(&mut self, name: Piece) -> Result<Mark, Why> {
        self.space();
        if self.rest.first() != Some(&b'=') {
            return Err("attribute without value");
        }
        self.skip(1);
        self.space();
        self.value(name)
    }

    /// The value of an attribute, from its first quotation mark on.
    #[cold]
    fn value(&mut self, name: Piece) -> Result<Mark, Why> {
        let [quote @ (b'"' | b'\''), after @ ..] = self.rest else { return Err("value without quotes") };
        let length = memchr::memchr(*quote, after).ok_or("value without end")?;
        let value = after.get(..length).unwrap_or_default();
        if memchr::memchr(b'<', value).is_some() {
            return Err("< in an attribute");
        }
        let is_plain = until_quote(after, *quote) == Some(length);
        self.skip(1);
        let value = self.take(length);
        self.skip(1);
        Ok(Mark::Attribute { name, value, is_plain })
    }
}

/// The pseudo-attributes of a declaration, in their order (XML 1.0, 2.8): whether its encoding is another than UTF-8.
///
/// # Errors
/// Why it is no declaration of XML 1.0.
pub(super) fn is_of_other_encoding(declaration: &str) -> Result<bool, Why> {
    let closed = [declaration, ">"].concat();
    let mut scanner = Scanner::new(&closed);
    let mut expected = ["version", "encoding", "standalone"].into_iter();
    let (mut has_version, mut is_other) = (false, false);
    while let Mark::Attribute { name, value, is_plain } = scanner.mark().map_err(|_| "broken declaration")? {
        let (name, value) = (scanner.read(name), scanner.read(value));
        if !is_plain || !expected.any(|known| known == name) {
            return Err("broken declaration");
        }
        match name {
            "version" if value != "1.0" => return Err("not XML 1.0"),
            "version" => has_version = true,
            "encoding" => is_other = !value.eq_ignore_ascii_case("utf-8"),
            _ if !matches!(value, "yes" | "no") => return Err("broken declaration"),
            _ => {}
        }
    }
    match (has_version, scanner.rest) {
        (true, []) => Ok(is_other),
        (true, _) => Err("broken declaration"),
        (false, _) => Err("no version"),
    }
}

/// Names of entities and numbers of characters: what may stand between `&` and `;`.
fn is_of_reference(byte: u8) -> bool {
    !matches!(byte, b';' | b'&' | b'<' | b' ' | b'\t' | b'\r' | b'\n')
}

/// What cannot stand in a name within a tag.
fn ends_name(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'=' | b'/' | b'>' | b'<' | b'"' | b'\'')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    /// Start tags with their attributes, end tags and texts, one line each; why not, where it is refused.
    fn ours(text: &str) -> Result<Vec<String>, Why> {
        let mut scanner = Scanner::new(text);
        let (mut lines, mut open) = (Vec::new(), Vec::new());
        loop {
            match scanner.token()? {
                Token::Start(name) => {
                    let name = scanner.read(name);
                    let mut line = format!("<{name}");
                    let is_empty = loop {
                        match scanner.mark()? {
                            Mark::Attribute { name, value, .. } => {
                                line.push_str(&format!(" {}={:?}", scanner.read(name), scanner.read(value)));
                            }
                            Mark::Close { is_empty } => break is_empty,
                        }
                    };
                    lines.push(line);
                    if !is_empty {
                        open.push(name);
                    }
                }
                Token::End(name) => {
                    let name = scanner.read(name);
                    if open.pop() != Some(name) {
                        return Err("end");
                    }
                    lines.push(format!("</{name}"));
                }
                Token::Text(text) | Token::Blank(text) => lines.push(format!("text {}", scanner.read(text))),
                Token::CData(text) => lines.push(format!("cdata {}", scanner.read(text))),
                Token::Reference(name) => lines.push(format!("&{}", scanner.read(name))),
                Token::Comment => lines.push("comment".to_owned()),
                Token::Declaration(content) => lines.push(format!("xml {}", scanner.read(content))),
                Token::Instruction | Token::DocType => return Err("refused"),
                Token::Nothing if open.is_empty() => return Ok(lines),
                Token::Nothing => return Err("open"),
            }
        }
    }

    /// The same by quick-xml.
    fn peer(text: &str) -> Result<Vec<String>, String> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        let mut lines = Vec::new();
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(tag) | Event::Empty(tag) => {
                    let mut line = format!("<{}", tag.name().0);
                    for attribute in tag.attributes().with_checks(false) {
                        let attribute = attribute.map_err(|error| error.to_string())?;
                        line.push_str(&format!(" {}={:?}", attribute.key.0, attribute.value));
                    }
                    lines.push(line);
                }
                Event::End(tag) => lines.push(format!("</{}", tag.name().0)),
                Event::Text(text) => lines.push(format!("text {}", &*text.into_inner())),
                Event::CData(text) => lines.push(format!("cdata {}", &*text.into_inner())),
                Event::GeneralRef(name) => lines.push(format!("&{}", &*name)),
                Event::Comment(_) => lines.push("comment".to_owned()),
                Event::Decl(content) => lines.push(format!("xml {}", content.strip_prefix("xml").unwrap())),
                Event::PI(_) | Event::DocType(_) => return Err("refused".to_owned()),
                Event::Eof => return Ok(lines),
            }
        }
    }

    const PIECES: [&str; 40] = [
        "<a>",
        "</a>",
        "<o:b ",
        "/>",
        ">",
        "</o:b>",
        "x='1'",
        " y=\"2\"",
        " z = '3'",
        "=",
        "'",
        "\"",
        "&amp;",
        "&",
        ";",
        " ",
        "\n",
        "text",
        "]]>",
        "]",
        "<![CDATA[",
        "<!--",
        "-->",
        "--",
        "-",
        "<?xml version='1.0'?>",
        "<?p?>",
        "<!DOCTYPE a>",
        "<",
        "/",
        "é",
        "中 文",
        "<中/>",
        "<a b='<'/>",
        "<a b='&lt;'/>",
        "<a b='\t'/>",
        "x",
        ":",
        "1",
        "</a\t>",
    ];

    fn agrees(text: &str) -> bool {
        match (ours(text), peer(text)) {
            (Ok(ours), theirs) => {
                assert_eq!(Ok(ours), theirs, "{text:?}");
                true
            }
            (Err(_), _) => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_is_accepted_reads_as_by_another_reader(choices in proptest::collection::vec(any::<u8>(), 0..14)) {
            let pieces = choices.iter().map(|choice| PIECES[usize::from(*choice) % PIECES.len()]);
            let text: String = pieces.collect();
            agrees(&text);
            agrees(&format!("<r>{text}</r>"));
            agrees(&format!("<r {text}/>"));
        }
    }

    #[test]
    fn every_form_reads_as_by_another_reader() {
        for text in [
            "<?xml version='1.0'?><a><!-- c - c --><![CDATA[<x>]] >]]>t &amp;&#65;]] ></a>",
            "<o:a  x='1'\n\ty = \"'>\" ><b z='&lt;\t'/></o:a >",
            "<名字 属性='值'>文</名字>",
            "<a b.c-d_1='x'/>",
            "",
        ] {
            assert!(agrees(text), "{text:?}: {:?}", ours(text));
        }
    }

    #[test]
    fn refusals_say_why() {
        for (text, why) in [
            ("<a x='1'y='2'/>", "no white space before an attribute"),
            ("<a x/>", "attribute without value"),
            ("<a x=1/>", "value without quotes"),
            ("<a x='1", "value without end"),
            ("<a x='<'/>", "< in an attribute"),
            ("<a x='&lt;<'/>", "< in an attribute"),
            ("<a", "tag without end"),
            ("<a ", "tag without end"),
            ("<a 1='x'/>", "broken attribute name"),
            ("<a:/>", "broken element name"),
            ("<a: x='1'/>", "broken element name"),
            ("< a/>", "broken element name"),
            ("</a", "broken end tag"),
            ("</a b>", "broken end tag"),
            ("a & b", "bare &"),
            ("&amp", "bare &"),
            ("a]]>", "]]> in text"),
            ("a]&]]>", "bare &"),
            ("<!-- -- -->", "-- in a comment"),
            ("<!--->", "comment without end"),
            ("<![CDATA[x]]", "CDATA without end"),
            ("<!ELEMENT>", "broken declaration"),
            ("<?xml ", "declaration without end"),
        ] {
            assert_eq!(ours(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn declarations_are_read_in_their_order() {
        for (text, expected) in [
            (" version='1.0'", Ok(false)),
            (" version=\"1.0\" encoding='utf-8' standalone='no' ", Ok(false)),
            (" version='1.0' encoding='GBK'", Ok(true)),
            (" version='1.0' standalone='yes'", Ok(false)),
            (" version='1.1'", Err("not XML 1.0")),
            ("", Err("no version")),
            (" encoding='UTF-8'", Err("no version")),
            (" encoding='UTF-8' version='1.0'", Err("broken declaration")),
            (" version='1.0' version='1.0'", Err("broken declaration")),
            (" version='1.0' standalone='maybe'", Err("broken declaration")),
            (" version='1.0' x='1'", Err("broken declaration")),
            (" version='1.0'><", Err("broken declaration")),
            (" version='1.0'encoding='UTF-8'", Err("broken declaration")),
        ] {
            assert_eq!(is_of_other_encoding(text), expected, "{text:?}");
        }
    }
}
