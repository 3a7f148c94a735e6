//! Messages by keys of callers, over HTTP: what reaches the use case, in which form it is answered, and each fault.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{KeyId, SignatureId};
use yinxin::crypto::digest::{hex, sm3};
use yinxin::service::door::Actor;
use yinxin::service::message_desk::{KeyFacts, MessageAnswer, MessageRequest};
use yinxin::service::message_signings::{MessageContent, SignedMessage};

use crate::client::{Answer, Request, Server};

const KEYS: &str = "/api/v1/signing-keys";
const KEY: &str = "key-1";
const AT: Timestamp = Timestamp::from_unix(1_800_000_000);

/// What the double answers: of a message all that it was asked; nothing for a key that nobody has.
pub(crate) fn answer(actor: &Actor, request: MessageRequest) -> Option<MessageAnswer> {
    let MessageRequest::Sign { order, request_id } = request else { return Some(MessageAnswer::Keys(vec![key()])) };
    assert_eq!(actor.request_id, request_id);
    if order.key.as_str() == "key-0" {
        return None;
    }
    let content = match &order.content {
        MessageContent::Attached(octets) => format!("attached {}", octets.len()),
        MessageContent::Detached(octets) => format!("detached {}", octets.len()),
        MessageContent::Digest { algorithm, value, uri } => format!("{} {} {uri:?}", algorithm.name(), hex(value)),
    };
    let (form, key) = (order.form.name(), order.idempotency_key);
    let message = format!("{form} {content} lock={} stamp={} {key:?}", order.lock, order.time_stamp).into_bytes();
    let signature = SignatureId::parse("act-1").unwrap();
    let message_sm3 = hex(&sm3(&message));
    Some(MessageAnswer::Signed { signed: SignedMessage { signature, signed_at: AT, message }, message_sm3 })
}

fn key() -> KeyFacts {
    KeyFacts {
        id: KeyId::parse(KEY).unwrap(),
        algorithm: "ecdsa-p256",
        state: "active",
        is_usable: true,
        subject: "CN=示例系统".to_owned(),
        not_before: AT,
        not_after: AT.plus_days(1),
        certificate_sm3: "ab".repeat(32),
        certificates: "-----BEGIN CERTIFICATE-----".to_owned(),
    }
}

/// A request that the double answers.
pub(crate) fn request(path: &str) -> Request {
    if path.ends_with("/digests") { digest(&format!(r#""digest":"{}""#, "ab".repeat(32)), "") } else { upload(&[]) }
}

fn upload(more: &[(&'static str, &'static str)]) -> Request {
    let mut parts = vec![("file", Some("letter.txt"), b"letter".as_slice())];
    if !more.iter().any(|(name, _)| *name == "form") {
        parts.push(("form", None, b"cades-b"));
    }
    parts.extend(more.iter().map(|(name, value)| (*name, None, value.as_bytes())));
    Request::new("POST", &format!("{KEYS}/{KEY}/messages")).header("idempotency-key", "k-1").form(&parts)
}

fn digest(digest: &str, more: &str) -> Request {
    let body = format!(r#"{{"form":"gbt35275","digest_algorithm":"sm3",{digest}{more}}}"#);
    Request::new("POST", &format!("{KEYS}/{KEY}/digests"))
        .header("idempotency-key", "k-2")
        .body("application/json", body.as_bytes())
}

async fn sent(server: &Server, request: Request) -> Answer {
    server.send(&request.signed(&server.caller)).await
}

#[tokio::test]
async fn what_is_asked_comes_through_and_each_form_has_its_type() {
    let server = Server::start().await;
    for (more, kind, told) in [
        (vec![], "application/pkcs7-signature", "cades-b detached 6 lock=false stamp=false"),
        (vec![("attached", "true")], "application/pkcs7-mime", "cades-b attached 6 lock=false stamp=false"),
        (
            vec![("form", "cades-t"), ("time-stamp", "true")],
            "application/pkcs7-signature",
            "cades-t detached 6 lock=false stamp=true",
        ),
        (vec![("form", "jws"), ("attached", "true")], "application/jose", "jws attached 6 lock=false stamp=false"),
        (vec![("form", "jws-json")], "application/jose+json", "jws-json detached 6 lock=false stamp=false"),
        (vec![("form", "ofd-sign"), ("lock", "true")], "application/ofd", "ofd-sign attached 6 lock=true stamp=false"),
        (
            vec![("form", "ofd-sign"), ("attached", "false")],
            "application/ofd",
            "ofd-sign detached 6 lock=false stamp=false",
        ),
    ] {
        let answer = sent(&server, upload(&more)).await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, kind), "{answer:?}");
        assert_eq!(answer.headers["yinxin-signature-id"], "act-1");
        assert!(answer.headers["content-digest"].starts_with("sha-256=:"));
        assert_eq!(String::from_utf8(answer.body).unwrap(), format!("{told} Some(\"k-1\")"));
    }
    let hexadecimal = "AB".repeat(32);
    let order = digest(&format!(r#""digest":"{hexadecimal}""#), r#","uri":"letters/1","time_stamp":true"#);
    let answer = sent(&server, order.header("accept", "application/json")).await.json();
    let told =
        format!("gbt35275 sm3 {} Some(\"letters/1\") lock=false stamp=true Some(\"k-2\")", hexadecimal.to_lowercase());
    assert_eq!(answer["message_sm3"], hex(&sm3(told.as_bytes())));
    assert_eq!((&answer["signature"], &answer["signed_at"]), (&"act-1".into(), &AT.to_string().into()));
    let list = sent(&server, Request::new("GET", KEYS)).await.json();
    let known = &list["keys"][0];
    assert_eq!(
        (&known["id"], &known["algorithm"], &known["state"]),
        (&KEY.into(), &"ecdsa-p256".into(), &"active".into())
    );
    assert_eq!(known["usable"], true);
    assert_eq!((&known["subject"], &known["not_before"]), (&"CN=示例系统".into(), &AT.to_string().into()));
}

#[tokio::test]
async fn each_fault_is_refused_by_name() {
    let server = Server::start().await;
    for (more, code) in [
        (vec![("form", "pdf")], "field-malformed"),
        (vec![("attached", "yes")], "field-malformed"),
        (vec![("time-stamp", "1")], "field-malformed"),
        (vec![("lock", "")], "field-malformed"),
        (vec![("page", "1")], "field-unknown"),
        (vec![("attached", "true"), ("attached", "true")], "field-repeated"),
    ] {
        assert_eq!(sent(&server, upload(&more)).await.refusal(), (400, code.to_owned()), "{more:?}");
    }
    let right = format!(r#""digest":"{}""#, "ab".repeat(32));
    for (given, more, code) in [
        (r#""digest":"00""#, "", "field-malformed"),
        (r#""digest":"zz""#, "", "field-malformed"),
        (right.as_str(), r#","time_stamp":"yes""#, "field-malformed"),
        (right.as_str(), r#","attached":true"#, "field-unknown"),
        (right.as_str(), r#","form":"jws""#, "field-repeated"),
        (r#""uri":"x""#, "", "field-missing"),
        (right.as_str(), r#","uri":7"#, "field-malformed"),
    ] {
        assert_eq!(sent(&server, digest(given, more)).await.refusal(), (400, code.to_owned()), "{given}{more}");
    }
    let other = sent(&server, upload(&[]).header("accept", "text/html")).await;
    assert_eq!(other.refusal(), (406, "not-acceptable".to_owned()));
    let mut strange = upload(&[]);
    strange.target = format!("{KEYS}/key%201/messages");
    assert_eq!(sent(&server, strange).await.refusal(), (400, "identifier-malformed".to_owned()));
    let mut unknown = upload(&[]);
    unknown.target = format!("{KEYS}/key-0/messages");
    assert_eq!(sent(&server, unknown).await.status, 404);
    let unkeyed = upload(&[]).without("idempotency-key");
    assert_eq!(sent(&server, unkeyed).await.refusal(), (428, "idempotency-key-missing".to_owned()));
}
