//! HTTP message signatures (RFC 9421) over requests, as far as we accept them.
//!
//! Exactly one signature per request. It covers `@method`, the target (`@target-uri`, or `@authority`, `@path` and
//! `@query`) and, when there is a body, `content-digest` (RFC 9530, `sha-256`). Its parameters are `created`, `nonce`,
//! `keyid` (SHA-256 of SubjectPublicKeyInfo, hex) and `alg`, all required, and `expires`. Anything else is refused.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};

use crate::base::clock::Timestamp;
use crate::http::fields::{Item, byte_sequences, labelled_list};
use crate::http::problem::{Code, Problem};

/// How far `created` may lie from now, either way.
pub(crate) const WINDOW_SECONDS: i64 = 60;

/// Algorithms by the names of RFC 9421 3.3, and our own `sm2-sm3` (SM2 with SM3, r‖s). HMAC is none of them: a key
/// that the verifier holds too proves nothing to others.
const ALGORITHMS: &[&str] = &["ecdsa-p256-sha256", "ed25519", "rsa-pss-sha512", "rsa-v1_5-sha256", "sm2-sm3"];

/// Fields that a signature may cover beyond the required ones.
const FIELDS: &[&str] = &["accept", "content-digest", "content-length", "content-type", "date", "idempotency-key"];

/// What a request claims to be signed with; nothing is proved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    components: Vec<String>,
    parameters: String,
    created: Timestamp,
    expires: Option<Timestamp>,
    pub(crate) nonce: String,
    pub(crate) key: [u8; 32],
    pub(crate) algorithm: String,
    pub(crate) value: Vec<u8>,
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(Code::SignatureMalformed, detail)
}

fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed(format!("{name} appears twice.")));
    }
    value.to_str().map(Some).map_err(|_| malformed(format!("{name} holds bytes that are not ASCII.")))
}

impl Claim {
    /// Reads the signature headers; `None` when there are none.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let (input, value) = match (single(headers, "signature-input")?, single(headers, "signature")?) {
            (None, None) => return Ok(None),
            (Some(input), Some(value)) => (input, value),
            _ => return Err(malformed("Signature-Input and Signature must come together.")),
        };
        let input = labelled_list(input).map_err(|e| malformed(format!("Signature-Input: {e}.")))?;
        let values = byte_sequences(value).map_err(|e| malformed(format!("Signature: {e}.")))?;
        let [(label, value)] = values.as_slice() else {
            return Err(malformed("Signature must hold exactly one signature."));
        };
        if *label != input.label {
            return Err(malformed("Signature and Signature-Input bear different labels."));
        }
        let parameters = input.serialised();
        let (mut created, mut expires, mut nonce, mut key, mut algorithm) = (None, None, None, None, None);
        for (name, value) in input.parameters {
            match (name.as_str(), value) {
                ("created", Item::Integer(at)) => created = Some(Timestamp::from_unix(at)),
                ("expires", Item::Integer(at)) => expires = Some(Timestamp::from_unix(at)),
                ("nonce", Item::Text(text)) => nonce = Some(text),
                ("keyid", Item::Text(text)) => key = Some(text),
                ("alg", Item::Text(text)) => algorithm = Some(text),
                (name, _) => return Err(malformed(format!("The parameter {name} is not accepted in this form."))),
            }
        }
        let missing = |name| Problem::new(Code::SignatureComponentMissing, format!("The parameter {name} is missing."));
        let nonce = nonce.ok_or_else(|| missing("nonce"))?;
        if !(16..=128).contains(&nonce.len()) || !nonce.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed("The nonce must be 16 to 128 visible ASCII characters."));
        }
        let key = key.ok_or_else(|| missing("keyid"))?;
        let claim = Self {
            parameters,
            created: created.ok_or_else(|| missing("created"))?,
            expires,
            nonce,
            key: fingerprint(&key)
                .ok_or_else(|| malformed("keyid must be the SHA-256 of SubjectPublicKeyInfo, 64 hex digits."))?,
            algorithm: algorithm.ok_or_else(|| missing("alg"))?,
            value: value.clone(),
            components: input.items,
        };
        claim.check_components()?;
        Ok(Some(claim))
    }

    fn covers(&self, name: &str) -> bool {
        self.components.iter().any(|component| component == name)
    }

    fn check_components(&self) -> Result<(), Problem> {
        for (position, name) in self.components.iter().enumerate() {
            let known = matches!(name.as_str(), "@method" | "@target-uri" | "@authority" | "@path" | "@query")
                || FIELDS.contains(&name.as_str());
            if !known {
                return Err(malformed("The signature covers a component that is not accepted."));
            }
            // RFC 9421, 2.5: each component identifier occurs once.
            if self.components.iter().take(position).any(|earlier| earlier == name) {
                return Err(malformed(format!("The signature covers {name} twice.")));
            }
        }
        let missing = |name| Err(Problem::new(Code::SignatureComponentMissing, format!("{name} is not covered.")));
        if !self.covers("@method") {
            return missing("@method");
        }
        if !self.covers("@target-uri") {
            for name in ["@authority", "@path", "@query"] {
                if !self.covers(name) {
                    return missing(name);
                }
            }
        }
        Ok(())
    }

    /// Judges algorithm, time and coverage, all that needs no key.
    pub(crate) fn check(&self, now: Timestamp, has_body: bool) -> Result<(), Problem> {
        if has_body && !self.covers("content-digest") {
            return Err(Problem::new(Code::SignatureComponentMissing, "content-digest is not covered."));
        }
        if !ALGORITHMS.contains(&self.algorithm.as_str()) {
            return Err(Problem::new(
                Code::AlgorithmRefused,
                format!("Accepted algorithms are {}.", ALGORITHMS.join(", ")),
            ));
        }
        let early = now < self.created.plus_seconds(-WINDOW_SECONDS);
        let late = now > self.created.plus_seconds(WINDOW_SECONDS);
        if early || late || self.expires.is_some_and(|end| now > end) {
            let detail = format!("The signature says it was made at {}; it is {now}.", self.created);
            return Err(Problem::new(Code::SignatureExpired, detail));
        }
        Ok(())
    }

    /// Until when the nonce must be remembered.
    pub(crate) fn nonce_expires(&self) -> Timestamp {
        self.created.plus_seconds(WINDOW_SECONDS + 1)
    }

    /// The signature base (RFC 9421, 2.5).
    pub(crate) fn base(&self, request: &Parts) -> Result<Vec<u8>, Problem> {
        let mut base = String::new();
        for name in &self.components {
            let value = match name.as_str() {
                "@method" => request.method.as_str().to_owned(),
                "@target-uri" => {
                    let authority = authority(&request.uri, &request.headers)?;
                    let target = request.uri.path_and_query().map_or("/", |path| path.as_str());
                    format!("https://{authority}{target}")
                }
                "@authority" => authority(&request.uri, &request.headers)?,
                "@path" => request.uri.path().to_owned(),
                "@query" => format!("?{}", request.uri.query().unwrap_or_default()),
                field => field_value(&request.headers, field)?,
            };
            base.push_str(&format!("\"{name}\": {value}\n"));
        }
        base.push_str(&format!("\"@signature-params\": {}", self.parameters));
        Ok(base.into_bytes())
    }
}

/// RFC 9421, 2.1: values in order, trimmed, joined by comma and space.
fn field_value(headers: &HeaderMap, name: &str) -> Result<String, Problem> {
    let mut values = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| malformed(format!("{name} holds bytes that are not ASCII.")))?;
        values.push(text.trim_matches([' ', '\t']));
    }
    if values.is_empty() {
        return Err(malformed(format!("The signature covers {name}, which the request does not have.")));
    }
    Ok(values.join(", "))
}

/// RFC 9421, 2.2.3: lower case, without the default port. HTTP/2 carries it in the address, HTTP/1.1 in Host.
pub(crate) fn authority(uri: &Uri, headers: &HeaderMap) -> Result<String, Problem> {
    let unknown = || Problem::new(Code::HostUnknown, "The request names no single host.");
    let mut hosts = headers.get_all("host").iter();
    let (first, second) = (hosts.next(), hosts.next());
    let host = match first {
        Some(host) => Some(host.to_str().map_err(|_| unknown())?),
        None => None,
    };
    let text = match (uri.authority().map(axum::http::uri::Authority::as_str), host) {
        (Some(target), Some(host)) if !target.eq_ignore_ascii_case(host) => return Err(unknown()),
        (Some(text), _) | (None, Some(text)) if second.is_none() => text.to_ascii_lowercase(),
        _ => return Err(unknown()),
    };
    Ok(text.strip_suffix(":443").map(str::to_owned).unwrap_or(text))
}

fn fingerprint(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    let digits: Vec<u8> = hex
        .bytes()
        .filter_map(|b| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        })
        .collect();
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = pair.iter().fold(0, |value, digit| value << 4 | digit);
    }
    Some(bytes)
}

/// The SHA-256 that Content-Digest claims (RFC 9530, section 2); `None` when there is no such header.
pub(crate) fn claimed_digest(headers: &HeaderMap) -> Result<Option<[u8; 32]>, Problem> {
    let wrong = |detail: &str| Problem::new(Code::DigestWrong, detail);
    let mut values = headers.get_all("content-digest").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong("Content-Digest appears twice."));
    }
    let text = value.to_str().map_err(|_| wrong("Content-Digest cannot be read."))?;
    let members = byte_sequences(text).map_err(|e| wrong(&format!("Content-Digest: {e}.")))?;
    let digest = members.into_iter().find(|(name, _)| name == "sha-256").map(|(_, digest)| digest);
    let digest = digest.ok_or_else(|| wrong("Content-Digest must hold sha-256."))?;
    <[u8; 32]>::try_from(digest).map(Some).map_err(|_| wrong("The sha-256 of Content-Digest is not 32 bytes long."))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const KEY: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

    fn input(components: &str, parameters: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("signature-input", format!("sig1=({components}){parameters}").parse().unwrap());
        headers.insert("signature", "sig1=:AQID:".parse().unwrap());
        headers
    }

    fn parameters() -> String {
        format!(";created=1000;nonce=\"0123456789abcdef\";keyid=\"{KEY}\";alg=\"sm2-sm3\"")
    }

    fn code(result: Result<Option<Claim>, Problem>) -> &'static str {
        result.unwrap_err().code()
    }

    #[test]
    fn the_base_is_built_as_rfc_9421_says() {
        let claim =
            Claim::read(&input("\"@method\" \"@target-uri\" \"content-digest\"", &parameters())).unwrap().unwrap();
        let request = Request::post("/api/v1/x?a=b")
            .header("host", "LocalHost:8443")
            .header("content-digest", " sha-256=:AA==: ")
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let expected = format!(
            "\"@method\": POST\n\"@target-uri\": https://localhost:8443/api/v1/x?a=b\n\"content-digest\": sha-256=:AA==:\n\
             \"@signature-params\": (\"@method\" \"@target-uri\" \"content-digest\"){}",
            parameters()
        );
        assert_eq!(String::from_utf8(claim.base(&parts).unwrap()).unwrap(), expected);
    }

    #[test]
    fn the_base_of_rfc_9421_b_2_3_is_ours() {
        let request = Request::post("/foo?param=Value&Pet=dog")
            .header("host", "example.com")
            .header("date", "Tue, 20 Apr 2021 02:07:55 GMT")
            .header("content-type", "application/json")
            .header(
                "content-digest",
                "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
            )
            .header("content-length", "18");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let list = labelled_list("sig-b23=(\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-rsa-pss\"").unwrap();
        // The example lacks parameters that we require, so the claim is put together by hand.
        let claim = Claim {
            parameters: list.serialised(),
            components: list.items,
            created: Timestamp::from_unix(1_618_884_473),
            expires: None,
            nonce: String::new(),
            key: [0; 32],
            algorithm: String::new(),
            value: Vec::new(),
        };
        let expected = [
            "\"date\": Tue, 20 Apr 2021 02:07:55 GMT",
            "\"@method\": POST",
            "\"@path\": /foo",
            "\"@query\": ?param=Value&Pet=dog",
            "\"@authority\": example.com",
            "\"content-type\": application/json",
            "\"content-digest\": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
            "\"content-length\": 18",
            "\"@signature-params\": (\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-rsa-pss\"",
        ];
        assert_eq!(String::from_utf8(claim.base(&parts).unwrap()).unwrap(), expected.join("\n"));
    }

    #[test]
    fn a_target_without_query_signs_a_question_mark() {
        let claim =
            Claim::read(&input("\"@method\" \"@authority\" \"@path\" \"@query\"", &parameters())).unwrap().unwrap();
        let (parts, ()) = Request::get("https://Example.org:443/a").body(()).unwrap().into_parts();
        let base = String::from_utf8(claim.base(&parts).unwrap()).unwrap();
        assert!(
            base.starts_with("\"@method\": GET\n\"@authority\": example.org\n\"@path\": /a\n\"@query\": ?\n"),
            "{base}"
        );
    }

    #[test]
    fn what_must_be_covered_is_named() {
        let read = |components: &str| Claim::read(&input(components, &parameters()));
        assert_eq!(code(read("\"@target-uri\"")), "signature-component-missing");
        assert_eq!(code(read("\"@method\" \"@authority\" \"@path\"")), "signature-component-missing");
        assert_eq!(code(read("\"@method\" \"@target-uri\" \"@method\"")), "signature-malformed");
        assert_eq!(code(read("\"@method\" \"@target-uri\" \"x-other\"")), "signature-malformed");
        for name in ["created", "nonce", "keyid", "alg"] {
            let left: Vec<_> = parameters().split(';').filter(|p| !p.starts_with(name)).map(str::to_owned).collect();
            let result = Claim::read(&input("\"@method\" \"@target-uri\"", &left.join(";")));
            assert_eq!(code(result), "signature-component-missing", "{name}");
        }
        for extra in [";tag=\"x\"", ";created=\"1\"", ";expires=\"never\""] {
            let text = format!("{}{extra}", parameters().replace(";created=1000", ""));
            assert_eq!(
                code(Claim::read(&input("\"@method\" \"@target-uri\"", &text))),
                "signature-malformed",
                "{extra}"
            );
        }
    }

    #[test]
    fn the_window_is_a_minute_each_way() {
        let claim = Claim::read(&input("\"@method\" \"@target-uri\"", &parameters())).unwrap().unwrap();
        let at = |seconds| claim.check(Timestamp::from_unix(seconds), false).map_err(|p| p.code());
        assert_eq!(at(940), Ok(()));
        assert_eq!(at(1060), Ok(()));
        assert_eq!(at(939), Err("signature-expired"));
        assert_eq!(at(1061), Err("signature-expired"));
        assert_eq!(claim.check(Timestamp::from_unix(1000), true).unwrap_err().code(), "signature-component-missing");
        let text = format!("{};expires=1010", parameters());
        let claim = Claim::read(&input("\"@method\" \"@target-uri\"", &text)).unwrap().unwrap();
        assert_eq!(claim.check(Timestamp::from_unix(1011), false).unwrap_err().code(), "signature-expired");
    }

    #[test]
    fn one_host_only() {
        let of = |request: axum::http::request::Builder| {
            let (parts, ()) = request.body(()).unwrap().into_parts();
            authority(&parts.uri, &parts.headers).map_err(|p| p.code())
        };
        assert_eq!(of(Request::get("/")), Err("host-unknown"));
        assert_eq!(of(Request::get("/").header("host", "a").header("host", "a")), Err("host-unknown"));
        assert_eq!(of(Request::get("https://a/").header("host", "b")), Err("host-unknown"));
        assert_eq!(of(Request::get("https://a/").header("host", "A")), Ok("a".into()));
    }
}
