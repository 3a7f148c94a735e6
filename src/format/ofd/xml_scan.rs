//! XML 1.0 as a row of tokens: what begins and ends where, each byte looked at once. What a token means is the tree's matter.
//!
//! Every refusal says why in a few words; the tree adds where. Stricter than most readers: white space must stand before
//! each attribute, `<` and bare `&` stand in no value, `--` in no comment.

use crate::format::ofd::xml_text::is_qualified_name;

/// Why a text is no XML.
pub(super) type Why = &'static str;

/// One piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// `<name`: its attributes follow, by [`Scanner::mark`], up to and with [`Mark::Close`].
    Start(&'s str),
    /// `</name>`.
    End(&'s str),
    /// Text up to the next `<` or `&`; never empty.
    Text(&'s str),
    /// What stands between `<![CDATA[` and `]]>`.
    CData(&'s str),
    /// What stands between `&` and `;`.
    Reference(&'s str),
    /// `<!-- -->`.
    Comment,
    /// What stands between `<?xml` and `?>`.
    Declaration(&'s str),
    /// `<?target …`, of which no more is read.
    Instruction,
    /// `<!DOCTYPE`, of which no more is read.
    DocType,
    /// Nothing is left.
    Nothing,
}

/// What follows in a start tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark<'s> {
    /// An attribute.
    Attribute {
        /// As written, with its prefix.
        name: &'s str,
        /// As written.
        value: &'s str,
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
    at: usize,
}

impl<'s> Scanner<'s> {
    pub(super) fn new(text: &'s str) -> Self {
        Self { text, at: 0 }
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'s [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The text from here, `length` bytes of it, which then are read.
    fn take(&mut self, length: usize) -> &'s str {
        let end = self.at.saturating_add(length);
        let taken = self.text.get(self.at..end).unwrap_or_default();
        self.at = end;
        taken
    }

    fn skip(&mut self, length: usize) {
        self.at = self.at.saturating_add(length);
    }

    /// The next token. After [`Token::Start`] its marks must be read first.
    pub(super) fn token(&mut self) -> Result<Token<'s>, Why> {
        match self.rest() {
            [] => Ok(Token::Nothing),
            [b'<', b'/', ..] => self.end(),
            [b'<', b'!', ..] => self.declared(),
            [b'<', b'?', ..] => self.instruction(),
            [b'<', ..] => {
                self.skip(1);
                self.name().map(Token::Start).ok_or("broken element name")
            }
            [b'&', rest @ ..] => {
                let end = rest.iter().position(|byte| !is_of_reference(*byte)).ok_or("bare &")?;
                if rest.get(end) != Some(&b';') {
                    return Err("bare &");
                }
                self.skip(1);
                let name = self.take(end);
                self.skip(1);
                Ok(Token::Reference(name))
            }
            rest => {
                let stops = |byte: &u8| matches!(byte, b'<' | b'&' | b']');
                let stop = rest.iter().position(stops).unwrap_or(rest.len());
                let after = rest.get(stop..).unwrap_or_default();
                if after.first() != Some(&b']') {
                    return Ok(Token::Text(self.take(stop)));
                }
                let length = memchr::memchr2(b'<', b'&', after).unwrap_or(after.len());
                let content = self.take(stop.saturating_add(length));
                if content.contains("]]>") { Err("]]> in text") } else { Ok(Token::Text(content)) }
            }
        }
    }

    /// The name from here; none if it is no name, or two with a colon between.
    fn name(&mut self) -> Option<&'s str> {
        let rest = self.rest();
        // Nearly all names are ASCII letters, with a prefix of such letters or without.
        let first = letters(rest);
        let plain = match rest.get(first..)? {
            [b':', local @ ..] => first.saturating_add(1).saturating_add(letters(local)),
            _ => first,
        };
        let is_whole = |length: usize| rest.get(length).is_some_and(|byte| ends_name(*byte));
        if first > 0 && is_whole(plain) && rest.get(plain.saturating_sub(1)) != Some(&b':') {
            return Some(self.take(plain));
        }
        let length = rest.iter().position(|byte| ends_name(*byte)).unwrap_or(rest.len());
        Some(self.take(length)).filter(|name| is_qualified_name(name))
    }

    /// White space from here; whether there was any.
    fn space(&mut self) -> bool {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
        self.skip(length);
        length > 0
    }

    fn end(&mut self) -> Result<Token<'s>, Why> {
        self.skip(2);
        let name = self.name().ok_or("broken end tag")?;
        self.space();
        if self.rest().first() != Some(&b'>') {
            return Err("broken end tag");
        }
        self.skip(1);
        Ok(Token::End(name))
    }

    /// What begins by `<!`.
    fn declared(&mut self) -> Result<Token<'s>, Why> {
        let rest = self.text.get(self.at..).unwrap_or_default();
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
    fn instruction(&mut self) -> Result<Token<'s>, Why> {
        let rest = self.text.get(self.at..).unwrap_or_default();
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
    pub(super) fn mark(&mut self) -> Result<Mark<'s>, Why> {
        let is_apart = match self.rest() {
            // What stands before nearly each attribute: one space.
            [b' ', next, ..] if !is_space(*next) => {
                self.skip(1);
                true
            }
            [b'>', ..] => false,
            _ => self.space(),
        };
        match self.rest() {
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

    fn attribute(&mut self) -> Result<Mark<'s>, Why> {
        let name = self.name().ok_or("broken attribute name")?;
        if !matches!(self.rest(), [b'=', b'"' | b'\'', ..]) {
            self.space();
            if self.rest().first() != Some(&b'=') {
                return Err("attribute without value");
            }
            self.skip(1);
            self.space();
        } else {
            self.skip(1);
        }
        let [quote @ (b'"' | b'\''), rest @ ..] = self.rest() else { return Err("value without quotes") };
        let stops = |byte: &u8| byte == quote || matches!(byte, b'<' | b'&' | b'\t' | b'\r' | b'\n');
        let stop = rest.iter().position(stops).ok_or("value without end")?;
        let after = rest.get(stop..).unwrap_or_default();
        let length = if after.first() == Some(quote) {
            0
        } else {
            let length = memchr::memchr(*quote, after).ok_or("value without end")?;
            if memchr::memchr(b'<', after.get(..length).unwrap_or_default()).is_some() {
                return Err("< in an attribute");
            }
            length
        };
        self.skip(1);
        let value = self.take(stop.saturating_add(length));
        self.skip(1);
        Ok(Mark::Attribute { name, value, is_plain: length == 0 })
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
    match (has_version, scanner.rest()) {
        (true, []) => Ok(is_other),
        (true, _) => Err("broken declaration"),
        (false, _) => Err("no version"),
    }
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Names of entities and numbers of characters: what may stand between `&` and `;`.
fn is_of_reference(byte: u8) -> bool {
    !matches!(byte, b';' | b'&' | b'<' | b' ' | b'\t' | b'\r' | b'\n')
}

/// What cannot stand in a name within a tag.
fn ends_name(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'=' | b'/' | b'>' | b'<' | b'"' | b'\'')
}

/// How many ASCII letters come first.
fn letters(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(bytes.len())
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
                    let mut line = format!("<{name}");
                    let is_empty = loop {
                        match scanner.mark()? {
                            Mark::Attribute { name, value, .. } => line.push_str(&format!(" {name}={value:?}")),
                            Mark::Close { is_empty } => break is_empty,
                        }
                    };
                    lines.push(line);
                    if !is_empty {
                        open.push(name);
                    }
                }
                Token::End(name) => {
                    if open.pop() != Some(name) {
                        return Err("end");
                    }
                    lines.push(format!("</{name}"));
                }
                Token::Text(text) => lines.push(format!("text {text}")),
                Token::CData(text) => lines.push(format!("cdata {text}")),
                Token::Reference(name) => lines.push(format!("&{name}")),
                Token::Comment => lines.push("comment".to_owned()),
                Token::Declaration(content) => lines.push(format!("xml {content}")),
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
