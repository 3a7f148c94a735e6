//! A JSON Web Signature in its three forms (RFC 7515 7.1, 7.2.1, 7.2.2).

use std::borrow::Cow;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::format::jose::header::{Header, Read};
use crate::format::jose::{
    Error, MAX_HEADER, MAX_NAMES, MAX_SIGNATURES, from_base64url, is_base64url, json_error, to_base64url,
};

/// Which form it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Three parts with dots between.
    Compact,
    /// JSON with one signature.
    Flattened,
    /// JSON with a list of signatures.
    General,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload<'a> {
    /// As it stands in the signature: Base64url, or the payload itself where `b64` is false.
    Attached(Cow<'a, str>),
    /// Left out (RFC 7515 F).
    Detached,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwsSignature<'a> {
    /// The protected header as it stands, Base64url; empty where there is none.
    pub protected: Cow<'a, str>,
    /// Both headers.
    pub header: Header,
    /// The value.
    pub value: Vec<u8>,
}

/// A JSON Web Signature as it arrived. Parsed is not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jws<'a> {
    /// Its form.
    pub form: Form,
    /// The payload.
    pub payload: Payload<'a>,
    /// One signature or several, at least one.
    pub signatures: Vec<JwsSignature<'a>>,
}

impl<'a> Jws<'a> {
    /// Whether bytes look like one, by their first few octets: the compact form of a header that is a JSON object, or
    /// a JSON object that speaks of signatures.
    #[must_use]
    pub fn is_likely(bytes: &[u8]) -> bool {
        let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
        let trimmed = head.trim_ascii();
        if trimmed.first() == Some(&b'{') {
            return [&b"\"signature"[..], b"\"payload\"", b"\"protected\""]
                .iter()
                .any(|name| trimmed.windows(name.len()).any(|window| window == *name));
        }
        // Base64url of `{"`, `{ ` and of `{` with a line break.
        let begins = [&b"eyJ"[..], b"eyA", b"ewo", b"ew0", b"e30"].iter().any(|start| trimmed.starts_with(start));
        let in_alphabet = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
        begins && trimmed.iter().take_while(|octet| **octet != b'.').all(in_alphabet)
    }

    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::NotText)?.trim_ascii();
        let jws = if text.starts_with('{') { Self::json(text)? } else { Self::compact(text)? };
        let encoded = |signature: &JwsSignature<'_>| signature.header.encoded_payload.unwrap_or(true);
        let first = jws.signatures.first().is_none_or(encoded);
        if jws.signatures.iter().any(|signature| encoded(signature) != first) {
            return Err(Error::UnencodedPayload);
        }
        match &jws.payload {
            Payload::Attached(payload) if first && !is_base64url(payload) => Err(Error::Base64 { what: "the payload" }),
            _ => Ok(jws),
        }
    }

    fn compact(text: &'a str) -> Result<Self, Error> {
        let parts = text.split('.').count();
        let (Some((protected, rest)), 3) = (text.split_once('.'), parts) else { return Err(Error::Parts { parts }) };
        let (payload, value) = rest.split_once('.').ok_or(Error::Parts { parts })?;
        let payload = if payload.is_empty() { Payload::Detached } else { Payload::Attached(Cow::Borrowed(payload)) };
        let signature = signature(Cow::Borrowed(protected), Header::default(), value)?;
        Ok(Self { form: Form::Compact, payload, signatures: vec![signature] })
    }

    fn json(text: &str) -> Result<Self, Error> {
        const WHAT: &str = "the JSON form";
        let outer: Outer = serde_json::from_str(text).map_err(|error| json_error(WHAT, &error))?;
        if let Some(fault) = outer.fault {
            return Err(fault);
        }
        let form = match (&outer.alone.value, &outer.signatures) {
            (Some(_), None) => Form::Flattened,
            (None, Some(_)) if outer.alone.protected.is_none() && outer.alone.header.is_none() => Form::General,
            (None, None) => return Err(Error::Missing { name: "signature" }),
            _ => return Err(Error::BothForms),
        };
        let read = outer.signatures.unwrap_or_else(|| vec![outer.alone]);
        if read.is_empty() {
            return Err(Error::Missing { name: "signature" });
        }
        let signatures = read.into_iter().map(Entry::finish).collect::<Result<_, _>>()?;
        let payload = outer.payload.map_or(Payload::Detached, |payload| Payload::Attached(Cow::Owned(payload)));
        Ok(Self { form, payload, signatures })
    }

    /// The bytes that a signature is over: the protected header, a dot, the payload (RFC 7515 5.1, RFC 7797 3).
    /// `detached` is the payload's octets where they are not attached. `None` where neither is there. Where the header holds
    /// digests of what is signed, the payload is empty (ETSI TS 119 182-1 5.2.8.3.3).
    #[must_use]
    pub fn to_sign(&self, signature: &JwsSignature<'_>, detached: Option<&[u8]>) -> Option<Vec<u8>> {
        let mut bytes = signature.protected.as_bytes().to_vec();
        bytes.push(b'.');
        match (&self.payload, detached) {
            (Payload::Attached(payload), _) => bytes.extend_from_slice(payload.as_bytes()),
            (Payload::Detached, _) if signature.header.signed_objects().is_some() => {}
            (Payload::Detached, Some(octets)) => bytes.extend_from_slice(&presented(signature, octets)),
            (Payload::Detached, None) => return None,
        }
        Some(bytes)
    }

    /// Whether the attached payload is these octets; true where none is attached.
    #[must_use]
    pub fn is_over(&self, octets: &[u8]) -> bool {
        match (&self.payload, self.signatures.first()) {
            (Payload::Attached(payload), Some(signature)) => *payload.as_bytes() == *presented(signature, octets),
            _ => true,
        }
    }
}

/// A payload as the signature presents it: Base64url, or as it is.
fn presented<'p>(signature: &JwsSignature<'_>, octets: &'p [u8]) -> Cow<'p, [u8]> {
    if signature.header.encoded_payload.unwrap_or(true) {
        Cow::Owned(to_base64url(octets).into_bytes())
    } else {
        Cow::Borrowed(octets)
    }
}

fn signature<'a>(protected: Cow<'a, str>, other: Header, value: &str) -> Result<JwsSignature<'a>, Error> {
    if protected.len() > MAX_HEADER / 3 * 4 {
        return Err(Error::TooMany { what: "the protected header", limit: MAX_HEADER });
    }
    let header = if protected.is_empty() {
        Header::default()
    } else {
        Header::parse(&from_base64url(&protected, "the protected header")?, "the protected header")?
    };
    let header = Header::join(header, other)?;
    if header.algorithm.is_none() {
        return Err(Error::Missing { name: "alg" });
    }
    Ok(JwsSignature { protected, header, value: from_base64url(value, "the signature")? })
}

/// A signature in JSON.
#[derive(Default)]
struct Entry {
    protected: Option<String>,
    header: Option<Read>,
    value: Option<String>,
}

impl Entry {
    fn finish<'a>(self) -> Result<JwsSignature<'a>, Error> {
        let other = self.header.map(Read::finish).transpose()?.unwrap_or_default();
        let value = self.value.ok_or(Error::Missing { name: "signature" })?;
        signature(Cow::Owned(self.protected.unwrap_or_default()), other, &value)
    }
}

#[derive(Default)]
struct Outer {
    payload: Option<String>,
    alone: Entry,
    signatures: Option<Vec<Entry>>,
    fault: Option<Error>,
}

/// The members of either object; what no rule names is passed over without being kept.
struct OuterVisitor {
    /// Whether this is the outermost object.
    outermost: bool,
}

impl<'de> Visitor<'de> for OuterVisitor {
    type Value = Outer;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a signature")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outer, A::Error> {
        let mut outer = Outer::default();
        let mut names: Vec<String> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                outer.fault.get_or_insert(Error::Repeated { name: name.chars().take(64).collect() });
            }
            match name.as_str() {
                "payload" if self.outermost => outer.payload = Some(map.next_value()?),
                "signatures" if self.outermost => {
                    let read = map.next_value_seed(Entries)?;
                    match read {
                        Ok(entries) => outer.signatures = Some(entries),
                        Err(fault) => _ = outer.fault.get_or_insert(fault),
                    }
                }
                "protected" => outer.alone.protected = Some(map.next_value()?),
                "header" => outer.alone.header = Some(map.next_value()?),
                "signature" => outer.alone.value = Some(map.next_value()?),
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
            if names.len() < MAX_NAMES {
                names.push(name);
            } else {
                outer.fault.get_or_insert(Error::TooMany { what: "the JSON form", limit: MAX_NAMES });
            }
        }
        Ok(outer)
    }
}

impl<'de> Deserialize<'de> for Outer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OuterVisitor { outermost: true })
    }
}

struct Inner;

impl<'de> DeserializeSeed<'de> for Inner {
    type Value = Outer;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Outer, D::Error> {
        deserializer.deserialize_map(OuterVisitor { outermost: false })
    }
}

/// The list of signatures, bounded; the first fault in it.
struct Entries;

impl<'de> DeserializeSeed<'de> for Entries {
    type Value = Result<Vec<Entry>, Error>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = Result<Vec<Entry>, Error>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of signatures")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let (mut entries, mut fault) = (Vec::new(), None);
        while entries.len() < MAX_SIGNATURES {
            match list.next_element_seed(Inner)? {
                Some(read) => {
                    fault = fault.or(read.fault);
                    entries.push(read.alone);
                }
                None => return Ok(fault.map_or(Ok(entries), Err)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            fault.get_or_insert(Error::TooMany { what: "signatures", limit: MAX_SIGNATURES });
        }
        Ok(fault.map_or(Ok(entries), Err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::jose::NewHeader;

    fn header() -> String {
        NewHeader { algorithm: "ES256", certificates: &[], signing_time: None }.to_base64url()
    }

    #[test]
    fn three_forms_sign_the_same_bytes() {
        let (protected, payload, value) = (header(), to_base64url(b"text"), to_base64url(b"value"));
        let expected = format!("{protected}.{payload}");
        let compact = format!("{expected}.{value}\n");
        let flat =
            format!(r#"{{"payload":"{payload}","protected":"{protected}","signature":"{value}","more":[{{}}]}}"#);
        let general = format!(
            r#" {{"payload":"{payload}","signatures":[{{"protected":"{protected}","signature":"{value}"}},
                {{"header":{{"alg":"RS256","kid":"k"}},"signature":"{value}"}}]}}"#
        );
        for (text, form, count) in
            [(&compact, Form::Compact, 1), (&flat, Form::Flattened, 1), (&general, Form::General, 2)]
        {
            assert!(Jws::is_likely(text.as_bytes()), "{text}");
            let read = Jws::parse(text.as_bytes()).unwrap();
            assert_eq!((read.form, read.signatures.len()), (form, count));
            let signed = read.to_sign(&read.signatures[0], None);
            assert_eq!(signed.as_deref(), Some(expected.as_bytes()));
            assert_eq!(read.signatures[0].value, b"value");
            assert!(read.is_over(b"text") && !read.is_over(b"test"));
        }
        let detached = format!("{protected}..{value}");
        let read = Jws::parse(detached.as_bytes()).unwrap();
        assert_eq!(read.to_sign(&read.signatures[0], None), None);
        assert_eq!(read.to_sign(&read.signatures[0], Some(b"text")).as_deref(), Some(expected.as_bytes()));
    }

    #[test]
    fn an_unencoded_payload_is_signed_as_it_is() {
        let protected = to_base64url(br#"{"alg":"ES256","b64":false,"crit":["b64"]}"#);
        let text = format!("{protected}..dg");
        let read = Jws::parse(text.as_bytes()).unwrap();
        let signed = read.to_sign(&read.signatures[0], Some(b"$.02")).unwrap();
        assert_eq!(signed, format!("{protected}.$.02").into_bytes());
        let json = format!(r#"{{"payload":"$.02","protected":"{protected}","signature":"dg"}}"#);
        assert!(Jws::parse(json.as_bytes()).unwrap().is_over(b"$.02"));
        let other = header();
        let mixed = format!(
            r#"{{"payload":"JC4wMg","signatures":[{{"protected":"{protected}","signature":"dg"}},{{"protected":"{other}","signature":"dg"}}]}}"#
        );
        assert_eq!(Jws::parse(mixed.as_bytes()), Err(Error::UnencodedPayload));
    }

    #[test]
    fn refusals_are_exact() {
        let refused = |text: &str| Jws::parse(text.as_bytes()).unwrap_err();
        let protected = header();
        assert_eq!(Jws::parse(&[b'e', 0xff]), Err(Error::NotText));
        assert_eq!(refused("a.b"), Error::Parts { parts: 2 });
        assert_eq!(refused("a.b.c.d"), Error::Parts { parts: 4 });
        assert_eq!(refused(&format!("{protected}.dGV4dA==.dg")), Error::Base64 { what: "the payload" });
        assert_eq!(refused(&format!("{protected}.dGV4dB.dg")), Error::Base64 { what: "the payload" });
        assert_eq!(refused(&format!("{protected}.dGV4dA.dh")), Error::Base64 { what: "the signature" });
        assert_eq!(refused("e30.dGV4dA.dg"), Error::Missing { name: "alg" });
        assert_eq!(
            refused(&format!(r#"{{"payload":"","protected":"{protected}"}}"#)),
            Error::Missing { name: "signature" }
        );
        assert_eq!(
            refused(&format!(r#"{{"payload":"","protected":"{protected}","signature":"dg","signatures":[]}}"#)),
            Error::BothForms
        );
        assert_eq!(refused(r#"{"payload":"","signatures":[]}"#), Error::Missing { name: "signature" });
        assert_eq!(
            refused(r#"{"payload":"","payload":"","signature":"dg"}"#),
            Error::Repeated { name: "payload".into() }
        );
        let inner_twice = r#"{"payload":"","signatures":[{"signature":"dg","signature":"dh"}]}"#;
        assert_eq!(refused(inner_twice), Error::Repeated { name: "signature".into() });
        let many = format!(r#"{{"signatures":[{}{{}}]}}"#, "{},".repeat(64));
        assert_eq!(refused(&many), Error::TooMany { what: "signatures", limit: MAX_SIGNATURES });
        assert_eq!(refused(r#"{"signatures":1}"#), Error::Json { what: "the JSON form", line: 1, column: 15 });
        let long = "A".repeat(MAX_HEADER / 3 * 4 + 4);
        assert_eq!(refused(&format!("{long}.AA.AA")).code(), "jws-too-many");
    }
}
