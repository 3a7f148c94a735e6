//! Seal status and sealing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Request, Server};

type Parts<'a> = Vec<(&'a str, Option<&'a str>, &'a [u8])>;

fn parts<'a>() -> Parts<'a> {
    vec![("file", Some("a.ofd"), b"PK"), ("page", None, b"2"), ("x", None, b"30"), ("y", None, b"40.5")]
}

fn sealing(parts: &Parts<'_>) -> Request {
    Request::new("POST", "/api/v1/seals/seal-1/signatures").header("idempotency-key", "key-1").form(parts)
}

#[tokio::test]
async fn status_is_told() {
    let server = Server::start().await;
    let answer = server.send(&Request::new("GET", "/api/v1/seals/seal-1").signed(&server.caller)).await;
    let expected = serde_json::json!({
        "id": "seal-1", "es_id": "51010000000001", "name": "样章", "state": "active", "since": "1970-01-01T00:00:00Z",
        "valid_from": "1970-01-01T00:00:00Z", "valid_to": "9999-12-31T23:59:59Z", "certificate_sm3": "ab".repeat(32),
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    let of =
        async |id: &str| server.send(&Request::new("GET", &format!("/api/v1/seals/{id}")).signed(&server.caller)).await;
    of("seal-2").await.assert_refused(404, "seal-unknown");
    for id in ["..%2F..", "a%20b", "%FF", &"x".repeat(65)] {
        of(id).await.assert_refused(400, "identifier-malformed");
    }
}

/// Whoever receives notices gets their keys; nobody needs to be known for it.
#[tokio::test]
async fn the_keys_of_notices_are_told_to_everybody() {
    let server = Server::start().await;
    let answer = server.send(&Request::new("GET", "/.well-known/yinxin-notice-keys")).await;
    let (keyid, pem) = ("ab".repeat(32), "-----BEGIN PUBLIC KEY-----\n");
    let expected = serde_json::json!({ "keys": [
        { "keyid": keyid, "alg": "sm2-sm3", "standing": "next", "not_before": "2030-03-17T17:46:40Z", "pem": pem },
        { "keyid": keyid, "alg": "sm2-sm3", "standing": "present", "pem": pem },
    ] });
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
}

#[tokio::test]
async fn a_sealed_file_comes_back_with_its_digest() {
    let server = Server::start().await;
    let answer = server.send(&sealing(&parts()).signed(&server.caller)).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/ofd"));
    assert_eq!(answer.body, b"PK|at pages=2 x=30 y=40.5 false");
    let digest = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, &answer.body));
    assert_eq!(answer.headers["content-digest"], format!("sha-256=:{digest}:"));
    assert_eq!(answer.headers["yinxin-signature-id"].len(), 36);
}

#[tokio::test]
async fn json_is_given_to_those_who_ask() {
    let server = Server::start().await;
    let mut locked = parts();
    locked.push(("lock", None, b"true"));
    let request = sealing(&locked).header("accept", "application/json; q=1").signed(&server.caller);
    let answer = server.send(&request).await;
    let json = answer.json();
    assert_eq!(json["signature"], answer.headers["yinxin-signature-id"]);
    assert_eq!(STANDARD.decode(json["document"].as_str().unwrap()).unwrap(), b"PK|at pages=2 x=30 y=40.5 true");
    assert_eq!((&json["signed_at"], &json["document_sm3"]), (&"2026-11-23T00:00:00Z".into(), &"00".repeat(32).into()));
    for accept in ["*/*", "application/ofd, application/json"] {
        let answer = server.send(&sealing(&locked).header("accept", accept).signed(&server.caller)).await;
        assert_eq!(answer.headers["content-type"], "application/ofd", "{accept}");
    }
}

#[tokio::test]
async fn idempotency_keys_are_needed_and_honoured() {
    let server = Server::start().await;
    let send = async |request: Request| server.send(&request.signed(&server.caller)).await;
    send(sealing(&parts()).without("idempotency-key")).await.assert_refused(428, "idempotency-key-missing");
    for key in ["", "a b", "é", &"x".repeat(65)] {
        let answer = send(sealing(&parts()).header("idempotency-key", key)).await;
        answer.assert_refused(400, "idempotency-key-malformed");
    }
    let mut twice = sealing(&parts());
    twice.headers.push(("idempotency-key".into(), "key-2".into()));
    send(twice).await.assert_refused(400, "idempotency-key-malformed");
    let first = send(sealing(&parts())).await;
    let again = send(sealing(&parts())).await;
    assert_eq!(first.headers["yinxin-signature-id"], again.headers["yinxin-signature-id"]);
    let mut other = parts();
    other[1].2 = b"3";
    send(sealing(&other)).await.assert_refused(409, "idempotency-key-reused");
}

#[tokio::test]
async fn stamps_go_to_many_places() {
    let server = Server::start().await;
    let places = |all: &[&'static str]| -> Parts<'static> {
        let mut parts: Parts<'static> = vec![("file", Some("a.ofd"), b"PK")];
        parts.extend(all.iter().map(|place| ("place", None, place.as_bytes())));
        parts
    };
    let all = ["seam edge=right", "keyword which=last text=\u{ff08}盖章\u{ff09}"];
    let answer = server.send(&sealing(&places(&all)).signed(&server.caller)).await;
    assert_eq!(answer.status, 200);
    let said = "PK|seam edge=right pages=all\nkeyword which=last pages=all dx=0 dy=0 text=\u{ff08}盖章\u{ff09} false";
    assert_eq!(String::from_utf8(answer.body).unwrap(), said);
    let mut both = places(&["at x=1 y=2"]);
    both.push(("page", None, b"1"));
    let wrong = "at x=1";
    for (number, parts) in [both, places(&[wrong]), places(&[""]), places(&["at x=1 y=2"; 17])].iter().enumerate() {
        let answer = server.send(&sealing(parts).signed(&server.caller)).await;
        assert_eq!(answer.refusal().0, 400, "{number}");
        assert_eq!(answer.refusal().1, if number == 3 { "field-repeated" } else { "field-malformed" }, "{number}");
    }
    let answer = server.send(&sealing(&places(&[wrong])).signed(&server.caller)).await;
    assert_eq!(answer.json()["detail"], "place: y: millimetres, such as 12.5 was expected.");
}

#[tokio::test]
async fn what_cannot_be_sealed_is_refused_by_name() {
    let server = Server::start().await;
    let changed = |name: &str, value: &'static [u8]| -> Parts<'static> {
        let mut changed = parts();
        changed.retain(|(known, ..)| *known != name);
        let name = ["file", "page", "x", "y", "lock"].into_iter().find(|known| *known == name).unwrap();
        changed.push((name, (name == "file").then_some("a.ofd"), value));
        changed
    };
    let without = |name: &str| -> Parts<'static> {
        let mut changed = parts();
        changed.retain(|(known, ..)| *known != name);
        changed
    };
    let cases = [
        (without("file"), 400, "field-missing"),
        (without("page"), 400, "field-missing"),
        (without("x"), 400, "field-missing"),
        (without("y"), 400, "field-missing"),
        (changed("page", b"0"), 400, "field-malformed"),
        (changed("page", b"-1"), 400, "field-malformed"),
        (changed("page", b"100001"), 400, "field-malformed"),
        (changed("x", b"NaN"), 400, "field-malformed"),
        (changed("y", b"1e1"), 400, "field-malformed"),
        (changed("lock", b"yes"), 400, "field-malformed"),
        (changed("file", b"%PDF"), 422, "not-ofd"),
    ];
    for (parts, status, code) in cases {
        let answer = server.send(&sealing(&parts).signed(&server.caller)).await;
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{parts:?}");
    }
    let raw = Request::new("POST", "/api/v1/seals/seal-1/signatures")
        .header("idempotency-key", "k")
        .body("application/ofd", b"PK");
    server.send(&raw.signed(&server.caller)).await.assert_refused(415, "content-type-refused");
}

#[tokio::test]
async fn what_a_client_signs_is_prepared_and_completed() {
    let server = Server::start().await;
    let prepare = |seal: &str, parts: &Parts<'_>| {
        let request = Request::new("POST", &format!("/api/v1/seals/{seal}/signatures/prepared"));
        request.header("idempotency-key", "key-1").form(parts).signed(&server.caller)
    };
    let answer = server.send(&prepare("seal-1", &parts())).await;
    let expected = serde_json::json!({
        "signature": "signature-1", "to_sign": STANDARD.encode(b"PK"), "algorithm": "sm2-sm3",
        "expires_at": "2027-01-15T08:10:00Z",
    });
    assert_eq!((answer.status, answer.json()), (201, expected));
    server.send(&prepare("seal-2", &parts())).await.assert_refused(404, "seal-unknown");
    let mut without_page = parts();
    without_page.remove(1);
    server.send(&prepare("seal-1", &without_page)).await.assert_refused(400, "field-missing");

    let complete = |id: &str, body: &[u8]| {
        let request =
            Request::new("POST", &format!("/api/v1/signatures/{id}/value")).header("idempotency-key", "key-2");
        request.body("application/json", body).signed(&server.caller)
    };
    let value = format!("{{\"value\":\"{}\"}}", STANDARD.encode(b"value"));
    let answer = server.send(&complete("signature-1", value.as_bytes())).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/ofd"));
    assert_eq!((&answer.body[..], answer.headers["yinxin-signature-id"].as_str()), (&b"PK|value"[..], "signature-1"));
    for body in ["{\"value\":\"\"}", "{\"value\":\"%\"}"] {
        server.send(&complete("signature-1", body.as_bytes())).await.assert_refused(400, "field-malformed");
    }
    server.send(&complete("signature-1", b"{}")).await.assert_refused(400, "field-missing");
    server.send(&complete("a%20b", value.as_bytes())).await.assert_refused(400, "identifier-malformed");
    let stranger = Request::new("POST", "/api/v1/signatures/signature-1/value").header("idempotency-key", "k");
    let stranger = stranger.body("application/json", value.as_bytes());
    server.send(&stranger).await.assert_refused(401, "signature-missing");

    let give_up = |id: &str| Request::new("DELETE", &format!("/api/v1/signatures/{id}"));
    let answer = server.send(&give_up("signature-1").signed(&server.caller)).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    server.send(&give_up("a%20b").signed(&server.caller)).await.assert_refused(400, "identifier-malformed");
    server.send(&give_up("signature-1")).await.assert_refused(401, "signature-missing");
}
