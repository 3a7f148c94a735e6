//! Requests and answers as a simulated office reads and writes them: HTTP/1.1, signed by RFC 9421, by its own reading.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::clock::Timestamp;
use crate::base::random::Random;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{hex, sha256};
use crate::crypto::{Signer as _, sm2};
use crate::domain::trust::key::subject_public_key_info;
use crate::service::office_simulator::PATH;
use crate::service::office_simulator::desk::Desk;

/// Seconds by which the moment in a request may lie beside the office's clock.
const WINDOW: i64 = 60;

/// The one value of a field.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Result<&'a str, &'static str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    match (found.next(), found.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err("field-absent"),
        (Some(_), Some(_)) => Err("field-twice"),
    }
}

/// The request is signed by whom it should be; gives its signature's value between colons. Its clock goes after the request
/// where it was told so.
pub(super) fn check(desk: &mut Desk, (head, body): (&str, &[u8]), address: SocketAddr) -> Result<String, &'static str> {
    if head.lines().next() != Some(&*format!("POST {PATH} HTTP/1.1")) {
        return Err("request-line");
    }
    let digest = field(head, "content-digest")?;
    if digest != format!("sha-256=:{}:", STANDARD.encode(sha256(body))) {
        return Err("content-digest");
    }
    let parameters = field(head, "signature-input")?.strip_prefix("message=").ok_or("signature-input")?;
    let kind = field(head, "content-type")?;
    let begins = "(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\");created=";
    let created = parameters.strip_prefix(begins).and_then(|rest| rest.split(';').next());
    let created = created.and_then(|text| text.parse::<i64>().ok()).ok_or("signature-input")?;
    desk.hear_time(Timestamp::from_unix(created));
    if created.saturating_sub(desk.now().unix()).saturating_abs() > WINDOW {
        return Err("created");
    }
    let key = desk.correspondent.as_ref().ok_or("nobody-known")?;
    let id = hex(&sha256(&subject_public_key_info(key)));
    if !parameters.contains(&format!(";keyid=\"{id}\";")) {
        return Err("keyid");
    }
    let signature = field(head, "signature")?.strip_prefix("message=").ok_or("signature")?;
    let value = signature.strip_prefix(':').and_then(|text| text.strip_suffix(':'));
    let value = value.and_then(|text| STANDARD.decode(text).ok()).ok_or("signature")?;
    // The address is the one that this office has, never what `Host` says.
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": http://{address}{PATH}\n\"content-digest\": {digest}\n\"content-type\": {kind}\n\
         \"@signature-params\": {parameters}"
    );
    match key.verify(SignatureAlgorithm::Sm2Sm3, base.as_bytes(), &value) {
        true => Ok(signature.to_owned()),
        false => Err("signature"),
    }
}

/// An answer over `asked`, by that key, which says to be by the key of that SubjectPublicKeyInfo.
pub(super) fn signed(
    (by, named): (&sm2::PrivateKey, &[u8]),
    asked: &str,
    body: &[u8],
    (now, random): (Timestamp, &dyn Random),
) -> Option<Vec<u8>> {
    let digest = format!("sha-256=:{}:", STANDARD.encode(sha256(body)));
    let id = hex(&sha256(named));
    let parameters = format!(
        "(\"@status\" \"content-digest\" \"signature\";req;key=\"message\");created={};keyid=\"{id}\";alg=\"sm2-sm3\"",
        now.unix()
    );
    let base = format!(
        "\"@status\": 200\n\"content-digest\": {digest}\n\"signature\";req;key=\"message\": {asked}\n\
         \"@signature-params\": {parameters}"
    );
    let value = STANDARD.encode(by.sign(base.as_bytes(), random).ok()?);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-digest: {digest}\r\nsignature-input: answer={parameters}\r\n\
         signature: answer=:{value}:\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Some([head.as_bytes(), body].concat())
}

/// An answer that leads elsewhere.
pub(super) fn redirect() -> Vec<u8> {
    b"HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n".to_vec()
}

/// The answer to a request that is not taken.
pub(super) fn turned_away(code: &str) -> Vec<u8> {
    let (line, length) = ("HTTP/1.1 400 Bad Request", code.len().saturating_add(1));
    format!("{line}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{code}\n").into_bytes()
}
