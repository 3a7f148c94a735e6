//! Structured field values (RFC 9651), only the shapes that signatures and digests need, strictly and without recursion.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes of one field value that are looked at.
const MAX_BYTES: usize = 4096;
/// Members of a dictionary, items of a list, parameters.
const MAX_ITEMS: usize = 16;

/// Where reading stopped and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {at}")]
pub(crate) struct Malformed {
    pub(crate) expected: &'static str,
    pub(crate) at: usize,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Text(String),
    Integer(i64),
}

/// One labelled list of strings with parameters: a member of Signature-Input (RFC 9421, 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelledList {
    pub(crate) label: String,
    pub(crate) items: Vec<String>,
    pub(crate) parameters: Vec<(String, Item)>,
}

impl LabelledList {
    /// The one strict serialisation of list and parameters (RFC 9651, 4.1).
    pub(crate) fn serialised(&self) -> String {
        let items: Vec<_> = self.items.iter().map(|item| quoted(item)).collect();
        let mut text = format!("({})", items.join(" "));
        for (name, value) in &self.parameters {
            text.push(';');
            text.push_str(name);
            text.push('=');
            match value {
                Item::Text(value) => text.push_str(&quoted(value)),
                Item::Integer(value) => text.push_str(&value.to_string()),
            }
        }
        text
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Reads a dictionary with exactly one member, an inner list of strings that bear no parameters of their own.
pub(crate) fn labelled_list(text: &str) -> Result<LabelledList, Malformed> {
    let mut cursor = Cursor::new(text)?;
    cursor.spaces();
    let label = cursor.key()?;
    cursor.expect('=', "'='")?;
    cursor.expect('(', "'('")?;
    let mut items = Vec::new();
    loop {
        cursor.spaces();
        if cursor.take(')') {
            break;
        }
        if items.len() == MAX_ITEMS {
            return Err(cursor.malformed("no further item"));
        }
        items.push(cursor.string()?);
        if !matches!(cursor.peek(), Some(' ' | ')')) {
            return Err(cursor.malformed("a space or ')' after an item"));
        }
    }
    let mut parameters: Vec<(String, Item)> = Vec::new();
    while cursor.take(';') {
        cursor.spaces();
        let name = cursor.key()?;
        if parameters.len() == MAX_ITEMS || parameters.iter().any(|(known, _)| *known == name) {
            return Err(cursor.malformed("each parameter once"));
        }
        cursor.expect('=', "'='")?;
        let value =
            if cursor.peek() == Some('"') { Item::Text(cursor.string()?) } else { Item::Integer(cursor.integer()?) };
        parameters.push((name, value));
    }
    cursor.end()?;
    Ok(LabelledList { label, items, parameters })
}

/// Reads a dictionary of byte sequences, each key once.
pub(crate) fn byte_sequences(text: &str) -> Result<Vec<(String, Vec<u8>)>, Malformed> {
    let mut cursor = Cursor::new(text)?;
    cursor.spaces();
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        let key = cursor.key()?;
        if members.len() == MAX_ITEMS || members.iter().any(|(known, _)| *known == key) {
            return Err(cursor.malformed("each key once"));
        }
        cursor.expect('=', "'='")?;
        members.push((key, cursor.bytes()?));
        cursor.spaces();
        if !cursor.take(',') {
            break;
        }
        cursor.spaces();
    }
    cursor.end()?;
    Ok(members)
}

struct Cursor<'a> {
    rest: &'a str,
    total: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Result<Self, Malformed> {
        if text.len() > MAX_BYTES {
            return Err(Malformed { expected: "at most 4096 bytes", at: MAX_BYTES });
        }
        Ok(Self { rest: text, total: text.len() })
    }

    fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed { expected, at: self.total - self.rest.len() }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char, name: &'static str) -> Result<(), Malformed> {
        if self.take(wanted) { Ok(()) } else { Err(self.malformed(name)) }
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn end(&mut self) -> Result<(), Malformed> {
        self.spaces();
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed("the end")) }
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// RFC 9651, 3.1.2.
    fn key(&mut self) -> Result<String, Malformed> {
        if !self.peek().is_some_and(|c| c.is_ascii_lowercase() || c == '*') {
            return Err(self.malformed("a key"));
        }
        let key = self.run(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | '*'));
        Ok(key.to_owned())
    }

    /// RFC 9651, 3.3.3.
    fn string(&mut self) -> Result<String, Malformed> {
        self.expect('"', "'\"'")?;
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => match self.next() {
                    Some(c @ ('"' | '\\')) => text.push(c),
                    _ => return Err(self.malformed("'\"' or '\\' after '\\'")),
                },
                Some(c @ ' '..='~') => text.push(c),
                _ => return Err(self.malformed("a printable ASCII character or '\"'")),
            }
        }
    }

    /// RFC 9651, 3.3.1: at most 15 digits. Written as it is serialised: no leading zeros, no `-0`.
    fn integer(&mut self) -> Result<i64, Malformed> {
        let before = self.rest;
        let negative = self.take('-');
        let digits = self.run(|c| c.is_ascii_digit());
        let canonical = digits == "0" && !negative || !digits.is_empty() && !digits.starts_with('0');
        if !canonical || digits.len() > 15 {
            self.rest = before;
            return Err(self.malformed("an integer of at most 15 digits"));
        }
        let value: i64 = digits.parse().map_err(|_| self.malformed("an integer"))?;
        Ok(if negative { -value } else { value })
    }

    /// RFC 9651, 3.3.5. Padding is required and unused bits are zero, as serialised.
    fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        self.expect(':', "':'")?;
        let text = self.run(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='));
        let bytes = STANDARD.decode(text).map_err(|_| self.malformed("base64"))?;
        self.expect(':', "':'")?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_9421_reads_and_writes_back() {
        // RFC 9421, 4.1.
        let text = "sig1=(\"@method\" \"@target-uri\" \"content-digest\" \"cache-control\");created=1618884475;keyid=\"test-key-rsa-pss\"";
        let list = labelled_list(text).unwrap();
        assert_eq!(list.items, ["@method", "@target-uri", "content-digest", "cache-control"]);
        assert_eq!(format!("sig1={}", list.serialised()), text);
    }

    #[test]
    fn loose_spacing_is_read_and_written_strictly() {
        let list = labelled_list("a=(  \"x\"   \"y\" ); created=1;nonce=\"q\\\"\\\\\"").unwrap();
        assert_eq!(list.serialised(), "(\"x\" \"y\");created=1;nonce=\"q\\\"\\\\\"");
    }

    #[test]
    fn what_is_not_expected_is_refused_where_it_stands() {
        for (text, expected, at) in [
            ("", "a key", 0),
            ("A=()", "a key", 0),
            ("a", "'='", 1),
            ("a=1", "'('", 2),
            ("a=(x)", "'\"'", 3),
            ("a=(\"x\"\"y\")", "a space or ')' after an item", 6),
            ("a=(\"x\";sf)", "a space or ')' after an item", 6),
            ("a=(\"x", "a printable ASCII character or '\"'", 5),
            ("a=(\"\\n\")", "'\"' or '\\' after '\\'", 6),
            ("a=();b", "'='", 6),
            ("a=();b=1;b=2", "each parameter once", 10),
            ("a=();b=01", "an integer of at most 15 digits", 7),
            ("a=();b=-0", "an integer of at most 15 digits", 7),
            ("a=();b=1000000000000000", "an integer of at most 15 digits", 7),
            ("a=();b=1.5", "the end", 8),
            ("a=(), b=()", "the end", 4),
        ] {
            assert_eq!(labelled_list(text), Err(Malformed { expected, at }), "{text}");
        }
        let long = format!("a=({})", "\"x\" ".repeat(2000));
        assert_eq!(labelled_list(&long), Err(Malformed { expected: "at most 4096 bytes", at: 4096 }));
        let many = format!("a=({})", "\"x\" ".repeat(17));
        assert_eq!(labelled_list(&many), Err(Malformed { expected: "no further item", at: 67 }));
    }

    #[test]
    fn byte_sequences_are_strict() {
        let members = byte_sequences("sha-256=:AQI=: , sha-512=::").unwrap();
        assert_eq!(members, [("sha-256".into(), vec![1, 2]), ("sha-512".into(), vec![])]);
        for (text, expected, at) in [
            ("a=AQI=", "':'", 2),
            ("a=:AQI:", "base64", 6),
            ("a=:AQJ=:", "base64", 7),
            ("a=:AQI=", "':'", 7),
            ("a=::,a=::", "each key once", 6),
            ("a=::,", "a key", 5),
            ("a=::;p=1", "the end", 4),
        ] {
            assert_eq!(byte_sequences(text), Err(Malformed { expected, at }), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(text in "[a-z]=\\((\"[ -~]{0,8}\" {0,2}){0,4}\\)(;[a-c]=(\"[ -~]{0,8}\"|-?[0-9]{1,16})){0,4}") {
            if let Ok(list) = labelled_list(&text) {
                let written = format!("{}={}", list.label, list.serialised());
                proptest::prop_assert_eq!(labelled_list(&written), Ok(list));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in proptest::prelude::any::<String>()) {
            let _ = labelled_list(&text);
            let _ = byte_sequences(&text);
        }
    }
}
