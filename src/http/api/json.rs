//! Reads JSON bodies strictly: one object of known fields, each once, at every level.

use std::collections::BTreeMap;
use std::fmt;

use axum::extract::Request;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::base::clock::Timestamp;
use crate::http::api::form::{malformed, media_type, missing, whole_body};
use crate::http::problem::{Code, Problem};

/// A JSON value, names of members as they came: twice, if they came twice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Nothing,
    Text(String),
    Integer(i64),
    Truth(bool),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
    /// A number that is no such integer. No endpoint takes one.
    Other,
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Tree, E> {
        Ok(Tree::Truth(truth))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(i64::try_from(number).map_or(Tree::Other, Tree::Integer))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Tree::Object(object))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// The fields of an object.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<&'static str, Tree>);

impl Fields {
    /// Reads the body of a request. Its size is the guard's to bound, its depth the parser's.
    pub(crate) async fn read(request: Request, known: &[&'static str]) -> Result<Self, Problem> {
        if media_type(request.headers()) != "application/json" {
            return Err(Problem::new(Code::ContentTypeRefused, "Send application/json."));
        }
        Self::parse(&whole_body(request).await?, known)
    }

    /// Reads one object.
    pub(crate) fn parse(text: &[u8], known: &[&'static str]) -> Result<Self, Problem> {
        match serde_json::from_slice(text) {
            Ok(Tree::Object(members)) => Self::of(members, known),
            _ => Err(Problem::new(Code::BodyMalformed, "The body is no JSON object.")),
        }
    }

    /// Refuses each of these fields that is there: what is asked for has no place for it.
    pub(crate) fn without(&self, names: &[&'static str]) -> Result<(), Problem> {
        match names.iter().find(|name| self.0.contains_key(*name)) {
            Some(name) => Err(malformed(name, "left out of this")),
            None => Ok(()),
        }
    }

    /// The same, where a request without a body is one without fields.
    pub(crate) async fn read_if_any(request: Request, known: &[&'static str]) -> Result<Self, Problem> {
        use axum::body::HttpBody as _;
        if request.body().is_end_stream() { Ok(Self::default()) } else { Self::read(request, known).await }
    }

    /// The fields among these members. `null` is the same as nothing.
    pub(crate) fn of(members: Vec<(String, Tree)>, known: &[&'static str]) -> Result<Self, Problem> {
        let mut fields = BTreeMap::new();
        for (name, value) in members {
            let Some(known) = known.iter().find(|known| **known == name) else {
                return Err(Problem::new(Code::FieldUnknown, "The body has a field that this endpoint does not know."));
            };
            if fields.insert(*known, value).is_some() {
                return Err(Problem::new(Code::FieldRepeated, format!("{known} appears twice.")));
            }
        }
        fields.retain(|_, value| *value != Tree::Nothing);
        Ok(Self(fields))
    }

    /// A text that may be left out.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Tree::Text(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(name, "a text")),
        }
    }

    /// A text that must be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, Problem> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// A moment that may be left out.
    pub(crate) fn moment(&self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        self.text(name)?.map(|text| moment(name, text)).transpose()
    }

    /// A number from 0 that may be left out.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u32>, Problem> {
        let wrong = || malformed(name, "a number from 0");
        match self.0.get(name) {
            None => Ok(None),
            Some(Tree::Integer(number)) => u32::try_from(*number).map(Some).map_err(|_| wrong()),
            Some(_) => Err(wrong()),
        }
    }

    /// A truth value that may be left out: then it is `false`.
    pub(crate) fn truth(&self, name: &'static str) -> Result<bool, Problem> {
        match self.0.get(name) {
            None => Ok(false),
            Some(Tree::Truth(truth)) => Ok(*truth),
            Some(_) => Err(malformed(name, "true or false")),
        }
    }

    /// An amount from 0 that may be left out.
    pub(crate) fn amount(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        let wrong = || malformed(name, "a number from 0");
        match self.0.get(name) {
            None => Ok(None),
            Some(Tree::Integer(number)) => u64::try_from(*number).map(Some).map_err(|_| wrong()),
            Some(_) => Err(wrong()),
        }
    }

    /// A list that may be left out.
    pub(crate) fn list(&self, name: &'static str) -> Result<Option<&[Tree]>, Problem> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Tree::List(items)) => Ok(Some(items)),
            Some(_) => Err(malformed(name, "a list")),
        }
    }
}

/// A moment of a field or a query.
pub(crate) fn moment(name: &str, text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse_rfc3339(text).map_err(|_| malformed(name, "a moment such as 2026-11-23T00:00:00Z"))
}

/// Octets in hexadecimal, of that length.
pub(crate) fn hexadecimal<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != N.saturating_mul(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(pairs) {
        *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<Tree, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn fields(text: &str) -> Result<Fields, Problem> {
        let Ok(Tree::Object(members)) = tree(text) else { panic!("{text}") };
        Fields::of(members, &["a", "b"])
    }

    #[test]
    fn each_field_is_known_and_comes_once() {
        let read = fields(r#"{"a":"x","b":null}"#).unwrap();
        assert_eq!((read.text("a"), read.text("b")), (Ok(Some("x")), Ok(None)));
        assert_eq!(read.required("b").unwrap_err().code(), "field-missing");
        for (text, code) in [
            (r#"{"a":1,"a":1}"#, "field-repeated"),
            (r#"{"a":null,"a":1}"#, "field-repeated"),
            (r#"{"c":1}"#, "field-unknown"),
        ] {
            assert_eq!(fields(text).unwrap_err().code(), code, "{text}");
        }
    }

    #[test]
    fn values_are_of_their_kind() {
        let code = |text: &str, ask: &dyn Fn(&Fields) -> Option<Problem>| {
            ask(&fields(text).unwrap()).map_or("", |problem| problem.code()).to_owned()
        };
        let number = |fields: &Fields| fields.number("a").err();
        for (text, refused) in [
            (r#"{"a":4294967295}"#, ""),
            (r#"{"a":4294967296}"#, "field-malformed"),
            (r#"{"a":-1}"#, "field-malformed"),
            (r#"{"a":1.0}"#, "field-malformed"),
            (r#"{"a":"1"}"#, "field-malformed"),
            (r#"{"a":true}"#, "field-malformed"),
        ] {
            assert_eq!(code(text, &number), refused, "{text}");
        }
        let truth = |fields: &Fields| fields.truth("a").err();
        for (text, refused) in
            [(r#"{"a":true}"#, ""), (r#"{"a":1}"#, "field-malformed"), (r#"{"a":"true"}"#, "field-malformed")]
        {
            assert_eq!(code(text, &truth), refused, "{text}");
        }
        let amount = |fields: &Fields| fields.amount("a").err();
        for (text, refused) in [
            (r#"{"a":9223372036854775807}"#, ""),
            (r#"{"a":-1}"#, "field-malformed"),
            (r#"{"a":0.5}"#, "field-malformed"),
        ] {
            assert_eq!(code(text, &amount), refused, "{text}");
        }
        assert_eq!(code(r#"{"a":1}"#, &|fields| fields.without(&["b", "a"]).err()), "field-malformed");
        assert_eq!(code(r#"{"a":null}"#, &|fields| fields.without(&["a"]).err()), "");
        assert_eq!(code(r#"{"a":[]}"#, &|fields| fields.text("a").err()), "field-malformed");
        assert_eq!(code(r#"{"a":{}}"#, &|fields| fields.list("a").err()), "field-malformed");
        assert_eq!(code(r#"{"a":"2026-11-23"}"#, &|fields| fields.moment("a").err()), "field-malformed");
    }

    #[test]
    fn bodies_have_a_bounded_depth() {
        assert!(tree(&"[".repeat(1 << 14)).is_err_and(|error| error.to_string().contains("recursion limit")));
    }

    #[test]
    fn octets_are_pairs_of_digits() {
        assert_eq!(hexadecimal("0aFf"), Some([10, 255]));
        for text in ["0af", "0aff0", "0g00", "+100", "印a", ""] {
            assert_eq!(hexadecimal::<2>(text), None, "{text}");
        }
    }
}
