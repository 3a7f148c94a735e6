//! The header of one signature (RFC 7515 4): what is understood of it, each name once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::format::jose::{Error, MAX_CERTIFICATES, MAX_NAMES, from_base64url, json_error, to_base64url};

/// What is understood of a header. A member that is absent is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// `alg` (4.1.1).
    pub algorithm: Option<String>,
    /// `crit` (4.1.11).
    pub critical: Option<Vec<String>>,
    /// `b64` (RFC 7797 3).
    pub encoded_payload: Option<bool>,
    /// `x5c` (4.1.6), DER each, the signer's own first.
    pub certificates: Option<Vec<Vec<u8>>>,
    /// `x5t#S256` (4.1.8).
    pub thumbprint: Option<[u8; 32]>,
    /// `kid` (4.1.4).
    pub key_id: Option<String>,
    /// `sigT` of JAdES (ETSI TS 119 182-1 5.2.1): the time that the signer claims, RFC 3339.
    pub signing_time: Option<String>,
    /// `iat` of JAdES (ETSI TS 119 182-1 v1.2.1 5.1.11): the same in seconds since 1970.
    pub issued_at: Option<i64>,
    /// `sigD` of JAdES (ETSI TS 119 182-1 5.2.8) by the mechanism ObjectIdByURIHash: what is signed by its digest.
    pub objects: Option<SignedObjects>,
    /// What else the signer states of itself and its signature, as JAdES has it (5.2.2, 5.2.4 to 5.2.7), as JSON.
    pub stated: Vec<(String, String)>,
    /// All names, in order, those above too.
    pub names: Vec<String>,
}

/// Objects beside the signature, each by its name and its digest (ETSI TS 119 182-1 5.2.8.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedObjects {
    /// `hashM`.
    pub digest_method: String,
    /// `pars` with `hashV`: URI references, and digests of the objects' octets where `b64` is false, else of their Base64url.
    pub objects: Vec<(String, Vec<u8>)>,
}

/// `mId` of the one mechanism of `sigD` that is understood.
const BY_URI_HASH: &str = "http://uri.etsi.org/19182/ObjectIdByURIHash";

/// A `sigD` as it stands, or something else of that name.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Detached {
    Objects {
        #[serde(rename = "mId")]
        mechanism: String,
        #[serde(rename = "pars")]
        names: Vec<String>,
        #[serde(rename = "hashM")]
        digest_method: String,
        #[serde(rename = "hashV")]
        digests: Vec<String>,
    },
    Other(IgnoredAny),
}

impl Detached {
    /// What it says, where it is of the mechanism that is understood and each object has its digest.
    fn understood(self) -> Option<SignedObjects> {
        let Self::Objects { mechanism, names, digest_method, digests } = self else { return None };
        let fits = mechanism == BY_URI_HASH && names.len() == digests.len() && (1..=MAX_NAMES).contains(&names.len());
        let digests = digests.iter().map(|text| from_base64url(text, "hashV").ok());
        let objects = names.into_iter().zip(digests).map(|(name, digest)| Some((name, digest?)));
        let objects = if fits { objects.collect::<Option<_>>()? } else { return None };
        Some(SignedObjects { digest_method, objects })
    }
}

/// Extensions that `crit` may name and that are processed here.
const UNDERSTOOD: [&str; 3] = ["b64", "sigT", "iat"];

/// Statements of the signer that change nothing of what is signed: where, as what, why, by which policy.
const STATEMENTS: [&str; 4] = ["sigPl", "srAts", "srCms", "sigPId"];

/// Characters of one statement that are kept.
const STATED: usize = 1024;

/// Names that RFC 7515 itself gives: `crit` must not name them.
const REGISTERED: [&str; 11] = ["alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit"];

impl Header {
    /// Whether that member is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|found| found == name)
    }

    /// The first critical extension that is not understood here.
    #[must_use]
    pub fn unknown_critical(&self) -> Option<&str> {
        let mut names = self.critical.iter().flatten();
        let is_understood = |name: &str| {
            UNDERSTOOD.contains(&name)
                || (name == "sigD" && self.objects.is_some())
                || self.stated.iter().any(|(stated, _)| stated == name)
        };
        names.find(|name| !is_understood(name)).map(String::as_str)
    }

    /// What is signed by its digest in the place of a payload: only where `sigD` is critical (ETSI TS 119 182-1 5.2.8.1), so that
    /// no reader who passes over it takes an empty payload for what was signed.
    #[must_use]
    pub fn signed_objects(&self) -> Option<&SignedObjects> {
        let is_critical = self.critical.iter().flatten().any(|name| name == "sigD");
        self.objects.as_ref().filter(|_| is_critical)
    }

    /// Reads a JSON object that fills the octets.
    pub(super) fn parse(json: &[u8], what: &'static str) -> Result<Self, Error> {
        serde_json::from_slice::<Read>(json).map_err(|error| json_error(what, &error))?.finish()
    }

    /// The header of a signature: the protected one, and what the other adds.
    pub(super) fn join(mut protected: Self, other: Self) -> Result<Self, Error> {
        if let Some(name) = other.names.iter().find(|name| protected.has(name)) {
            return Err(Error::Repeated { name: name.clone() });
        }
        for name in ["crit", "b64"] {
            if other.has(name) {
                return Err(if name == "crit" { critical(name) } else { Error::UnencodedPayload });
            }
        }
        protected.algorithm = protected.algorithm.or(other.algorithm);
        protected.certificates = protected.certificates.or(other.certificates);
        protected.thumbprint = protected.thumbprint.or(other.thumbprint);
        protected.key_id = protected.key_id.or(other.key_id);
        // Its sigT is left out: a time that nobody signed is no claim of the signer's.
        protected.names.extend(other.names);
        if let Some(name) = protected.critical.iter().flatten().find(|name| !protected.has(name)) {
            return Err(critical(name));
        }
        if protected.encoded_payload.is_some() && !protected.critical.iter().flatten().any(|name| name == "b64") {
            return Err(Error::UnencodedPayload);
        }
        Ok(protected)
    }
}

fn critical(name: &str) -> Error {
    Error::Critical { name: name.chars().take(64).collect() }
}

/// A header as it is read: what is wrong with it beyond its shape is kept, to be told exactly.
#[derive(Default)]
pub(super) struct Read {
    header: Header,
    fault: Option<Error>,
}

impl Read {
    pub(super) fn finish(self) -> Result<Header, Error> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let header = self.header;
        if let Some(names) = &header.critical {
            let mut seen: Vec<&String> = Vec::with_capacity(names.len());
            for name in names {
                if seen.contains(&name) || REGISTERED.contains(&name.as_str()) {
                    return Err(critical(name));
                }
                seen.push(name);
            }
            if names.is_empty() {
                return Err(critical("nothing"));
            }
        }
        Ok(header)
    }

    fn fault(&mut self, error: Error) {
        self.fault.get_or_insert(error);
    }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Read;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let mut read = Read::default();
        while let Some(name) = map.next_key::<String>()? {
            if read.header.has(&name) {
                read.fault(Error::Repeated { name: name.chars().take(64).collect() });
            }
            let header = &mut read.header;
            match name.as_str() {
                "alg" => header.algorithm = Some(map.next_value()?),
                "b64" => header.encoded_payload = Some(map.next_value()?),
                "kid" => header.key_id = Some(map.next_value()?),
                "sigT" => header.signing_time = Some(map.next_value()?),
                "crit" => match map.next_value_seed(Texts { limit: MAX_NAMES })? {
                    Some(names) => header.critical = Some(names),
                    None => read.fault(Error::TooMany { what: "crit", limit: MAX_NAMES }),
                },
                "x5c" => match map.next_value_seed(Texts { limit: MAX_CERTIFICATES })? {
                    Some(texts) => match texts.iter().map(|text| STANDARD.decode(text)).collect() {
                        Ok(certificates) => header.certificates = Some(certificates),
                        Err(_) => read.fault(Error::Base64 { what: "x5c" }),
                    },
                    None => read.fault(Error::TooMany { what: "x5c", limit: MAX_CERTIFICATES }),
                },
                "x5t#S256" => {
                    let text: String = map.next_value()?;
                    let octets = from_base64url(&text, "x5t#S256").ok();
                    match octets.and_then(|octets| <[u8; 32]>::try_from(octets).ok()) {
                        Some(digest) => header.thumbprint = Some(digest),
                        None => read.fault(Error::Thumbprint),
                    }
                }
                "sigD" => header.objects = map.next_value::<Detached>()?.understood(),
                "iat" => header.issued_at = Some(map.next_value()?),
                // A statement of another form is none, and so not understood where it is critical.
                statement if STATEMENTS.contains(&statement) => {
                    let value: serde_json::Value = map.next_value()?;
                    let is_form = if statement.starts_with("sr") { value.is_array() } else { value.is_object() };
                    if is_form {
                        header.stated.push((name.clone(), value.to_string().chars().take(STATED).collect()));
                    }
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
            if read.header.names.len() < MAX_NAMES {
                read.header.names.push(name);
            } else {
                read.fault(Error::TooMany { what: "a header", limit: MAX_NAMES });
            }
        }
        Ok(read)
    }
}

/// A list of texts, as long as the limit; `None` for a longer one, which is not kept.
struct Texts {
    limit: usize,
}

impl<'de> DeserializeSeed<'de> for Texts {
    type Value = Option<Vec<String>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Texts {
    type Value = Option<Vec<String>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while texts.len() < self.limit {
            match list.next_element::<String>()? {
                Some(text) => texts.push(text),
                None => return Ok(Some(texts)),
            }
        }
        let mut more = false;
        while list.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok((!more).then_some(texts))
    }
}

/// An object to sign by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSignedObject<'a> {
    /// Its name, a URI reference.
    pub uri: &'a str,
    /// `hashM`.
    pub digest_method: &'a str,
    /// The digest of its octets.
    pub digest: &'a [u8],
}

/// A protected header to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewHeader<'a> {
    /// `alg`: letters, digits and the marks of names.
    pub algorithm: &'a str,
    /// `x5c`, DER each, the signer's own first; none: left out.
    pub certificates: &'a [&'a [u8]],
    /// `sigT`, critical; none: left out.
    pub signing_time: Option<&'a str>,
}

impl NewHeader<'_> {
    /// Base64url of the header.
    #[must_use]
    pub fn to_base64url(&self) -> String {
        self.write(None)
    }

    /// Base64url of the header that holds the digest of an object: `sigD` of JAdES with `b64` false, both critical.
    #[must_use]
    pub fn to_base64url_of(&self, object: &NewSignedObject<'_>) -> String {
        self.write(Some(object))
    }

    fn write(&self, object: Option<&NewSignedObject<'_>>) -> String {
        let mut critical = Vec::new();
        let mut header = serde_json::Map::new();
        header.insert("alg".to_owned(), self.algorithm.into());
        if !self.certificates.is_empty() {
            let texts: Vec<String> = self.certificates.iter().map(|der| STANDARD.encode(der)).collect();
            header.insert("x5c".to_owned(), texts.into());
        }
        if let Some(time) = self.signing_time {
            header.insert("sigT".to_owned(), time.into());
            critical.push("sigT");
        }
        if let Some(object) = object {
            let mut members = serde_json::Map::new();
            members.insert("mId".to_owned(), BY_URI_HASH.into());
            members.insert("pars".to_owned(), vec![object.uri].into());
            members.insert("hashM".to_owned(), object.digest_method.into());
            members.insert("hashV".to_owned(), vec![to_base64url(object.digest)].into());
            header.insert("sigD".to_owned(), serde_json::Value::Object(members));
            header.insert("b64".to_owned(), false.into());
            critical.extend(["sigD", "b64"]);
        }
        if !critical.is_empty() {
            header.insert("crit".to_owned(), critical.into());
        }
        to_base64url(serde_json::Value::Object(header).to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Header, Error> {
        Header::join(Header::parse(json.as_bytes(), "header")?, Header::default())
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        let twice = Error::Repeated { name: "alg".into() };
        assert_eq!(read(r#"{"alg":"ES256","alg":"none"}"#), Err(twice));
        let unknown_twice = Error::Repeated { name: "x".into() };
        assert_eq!(read(r#"{"x":1,"x":[]}"#), Err(unknown_twice));
        let critical = |name: &str| Err(Error::Critical { name: name.into() });
        assert_eq!(read(r#"{"alg":"ES256","crit":[]}"#), critical("nothing"));
        assert_eq!(read(r#"{"alg":"ES256","crit":["exp"]}"#), critical("exp"));
        assert_eq!(read(r#"{"alg":"ES256","crit":["alg"]}"#), critical("alg"));
        assert_eq!(read(r#"{"b64":false,"crit":["b64","b64"]}"#), critical("b64"));
        assert_eq!(read(r#"{"alg":"ES256","b64":false}"#), Err(Error::UnencodedPayload));
        assert_eq!(read(r#"{"x5t#S256":"AAAA"}"#), Err(Error::Thumbprint));
        assert_eq!(read(r#"{"x5c":["_-"]}"#), Err(Error::Base64 { what: "x5c" }));
        let many = format!(r#"{{"x5c":[{}"AA=="]}}"#, r#""AA==","#.repeat(16));
        assert_eq!(read(&many), Err(Error::TooMany { what: "x5c", limit: MAX_CERTIFICATES }));
        assert_eq!(read(r#"{"alg":1}"#), Err(Error::Json { what: "header", line: 1, column: 8 }));
        assert_eq!(read("[]"), Err(Error::Json { what: "header", line: 1, column: 0 }));
        let good = read(r#"{"alg":"ES256","x":1,"crit":["x"]}"#).unwrap();
        assert_eq!(good.unknown_critical(), Some("x"));
        assert_eq!(read(r#"{"b64":false,"crit":["b64"]}"#).unwrap().unknown_critical(), None);
        let placed = read(r#"{"sigPl":{"addressCountry":"CN"},"iat":1,"crit":["sigPl","iat"]}"#).unwrap();
        assert_eq!(placed.unknown_critical(), None);
        assert_eq!((placed.issued_at, placed.stated.len()), (Some(1), 1));
        assert_eq!(placed.stated[0], ("sigPl".to_owned(), r#"{"addressCountry":"CN"}"#.to_owned()));
        let other = read(r#"{"sigPl":"here","crit":["sigPl"]}"#).unwrap();
        assert_eq!(other.unknown_critical(), Some("sigPl"));
    }

    #[test]
    fn headers_do_not_overlap_and_a_time_that_nobody_signed_is_no_claim() {
        let parse = |json: &str| Header::parse(json.as_bytes(), "header").unwrap();
        let both = Header::join(parse(r#"{"alg":"ES256"}"#), parse(r#"{"alg":"none"}"#));
        assert_eq!(both, Err(Error::Repeated { name: "alg".into() }));
        let unprotected = Header::join(parse(r#"{"alg":"ES256"}"#), parse(r#"{"crit":["x"],"x":1}"#));
        assert_eq!(unprotected, Err(Error::Critical { name: "crit".into() }));
        let joined = Header::join(parse("{}"), parse(r#"{"alg":"ES256","sigT":"2026-01-01T00:00:00Z"}"#)).unwrap();
        assert_eq!((joined.algorithm.as_deref(), joined.signing_time), (Some("ES256"), None));
    }

    #[test]
    fn objects_by_digest_are_understood_in_one_form_alone() {
        let read = |members: &str| read(&format!(r#"{{"sigD":{{{members}}},"crit":["sigD"]}}"#)).unwrap();
        let by_hash = r#""mId":"http://uri.etsi.org/19182/ObjectIdByURIHash""#;
        let good = read(&format!(r#"{by_hash},"pars":["a","b"],"hashM":"S256","hashV":["AA","AQ"],"ctys":["",""]"#));
        assert_eq!(good.unknown_critical(), None);
        let objects = vec![("a".to_owned(), vec![0]), ("b".to_owned(), vec![1])];
        assert_eq!(good.signed_objects(), Some(&SignedObjects { digest_method: "S256".into(), objects }));
        let many =
            format!(r#"{by_hash},"pars":[{0}"a"],"hashM":"S256","hashV":[{0}"AA"]"#, r#""AA","#.repeat(MAX_NAMES));
        for other in [
            r#""mId":"http://uri.etsi.org/19182/HttpHeaders","pars":["a"],"hashM":"S256","hashV":["AA"]"#,
            &format!(r#"{by_hash},"pars":["a"]"#),
            &format!(r#"{by_hash},"pars":["a"],"hashM":"S256","hashV":[]"#),
            &format!(r#"{by_hash},"pars":[],"hashM":"S256","hashV":[]"#),
            &format!(r#"{by_hash},"pars":["a"],"hashM":"S256","hashV":["AA=="]"#),
            &format!(r#"{by_hash},"pars":["a"],"hashM":"S256","hashM":"S512","hashV":["AA"]"#),
            &many,
        ] {
            let header = read(other);
            assert_eq!((header.unknown_critical(), header.signed_objects()), (Some("sigD"), None), "{other}");
        }
        // Where it is not critical, a reader may pass over it: then the payload is what was signed, here too.
        let mut passed_over = good;
        passed_over.critical = None;
        assert_eq!(passed_over.signed_objects(), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let new = NewHeader { algorithm: "EdDSA", certificates: &[b"der"], signing_time: Some("2026-11-22T00:00:00Z") };
        let read = Header::parse(&from_base64url(&new.to_base64url(), "header").unwrap(), "header").unwrap();
        assert_eq!(read.algorithm.as_deref(), Some("EdDSA"));
        assert_eq!(read.certificates, Some(vec![b"der".to_vec()]));
        assert_eq!(read.signing_time.as_deref(), Some("2026-11-22T00:00:00Z"));
        assert_eq!(read.unknown_critical(), None);
        let object = NewSignedObject { uri: "urn:x", digest_method: "SM3", digest: &[7; 32] };
        let read = Header::parse(&from_base64url(&new.to_base64url_of(&object), "header").unwrap(), "header").unwrap();
        let objects = vec![("urn:x".to_owned(), vec![7; 32])];
        assert_eq!(read.signed_objects(), Some(&SignedObjects { digest_method: "SM3".into(), objects }));
        assert_eq!((read.encoded_payload, read.unknown_critical()), (Some(false), None));
    }
}
