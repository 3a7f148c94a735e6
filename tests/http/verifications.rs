//! Uploads to verify: as a form, as a raw body, and what is refused about them.

use crate::client::{Request, Server};

const PATH: &str = "/api/v1/verifications";

fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Request {
    Request::new("POST", PATH).form(parts)
}

#[tokio::test]
async fn a_form_is_verified() {
    let server = Server::start().await;
    let request = form(&[
        ("file", Some("通知.ofd"), b"PK12"),
        ("at", None, b"2026-01-02T03:04:05+08:00"),
        ("policy", None, b"strict"),
    ]);
    let answer = server.send(&request).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/json"));
    let expected = serde_json::json!({
        "file": "通知.ofd", "indication": "NO_SIGNATURE_FOUND", "bytes": 4,
        "at": "2026-01-01T19:04:05Z", "policy": { "name": "strict" },
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn a_raw_body_is_verified() {
    let server = Server::start().await;
    for kind in ["application/octet-stream", "application/ofd", "Application/OFD; version=1"] {
        let target = format!("{PATH}?file_name=%E9%80%9A.ofd&policy=default");
        let answer = server.send(&Request::new("POST", &target).body(kind, b"PK123")).await;
        assert_eq!(answer.status, 200, "{kind}");
        assert_eq!((&answer.json()["file"], &answer.json()["bytes"]), (&"通.ofd".into(), &5.into()));
    }
    // An empty file is a file; the report says what is wrong with it.
    let answer = server.send(&Request::new("POST", PATH).header("content-type", "application/ofd")).await;
    assert_eq!((answer.status, &answer.json()["bytes"]), (200, &0.into()));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name() {
    let server = Server::start().await;
    let file = ("file", Some("a.ofd"), b"PK".as_slice());
    let raw = |query: &str| Request::new("POST", &format!("{PATH}?{query}")).body("application/ofd", b"PK");
    let cases = [
        ("no type", Request::new("POST", PATH), 415, "content-type-refused"),
        ("other type", Request::new("POST", PATH).body("application/json", b"{}"), 415, "content-type-refused"),
        ("no boundary", Request::new("POST", PATH).body("multipart/form-data", b"x"), 400, "body-malformed"),
        (
            "broken form",
            Request::new("POST", PATH).body("multipart/form-data; boundary=x", b"x"),
            400,
            "body-malformed",
        ),
        ("no file", form(&[("policy", None, b"x")]), 400, "field-missing"),
        ("two files", form(&[file, file]), 400, "field-repeated"),
        ("two policies", form(&[file, ("policy", None, b"a"), ("policy", None, b"b")]), 400, "field-repeated"),
        ("unknown field", form(&[file, ("page", None, b"1")]), 400, "field-unknown"),
        ("time", form(&[file, ("at", None, b"yesterday")]), 400, "field-malformed"),
        ("policy", form(&[file, ("policy", None, b"../x")]), 400, "field-malformed"),
        ("long field", form(&[file, ("policy", None, &[b'a'; 300])]), 400, "field-malformed"),
        ("no UTF-8", form(&[file, ("policy", None, &[0xff])]), 400, "field-malformed"),
        ("path", form(&[("file", Some("../a.ofd"), b"PK")]), 400, "field-malformed"),
        ("query and form", Request::new("POST", &format!("{PATH}?at=x")).form(&[file]), 400, "query-malformed"),
        ("unknown query", raw("name=x"), 400, "query-malformed"),
        ("repeated query", raw("at=2026-01-01T00:00:00Z&at=2026-01-01T00:00:00Z"), 400, "query-malformed"),
        ("name in query", raw("file_name=a%2Fb"), 400, "field-malformed"),
        ("time in query", raw("at=2026-01-01"), 400, "field-malformed"),
        (
            "digest",
            raw("").header("content-digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"),
            400,
            "digest-wrong",
        ),
    ];
    for (name, request, status, code) in cases {
        assert_eq!(server.send(&request).await.refusal(), (status, code.to_owned()), "{name}");
    }
    // Strangers' refusals on public endpoints are no attempts at access.
    assert!(server.double.refusals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_page_answers_with_pages() {
    let server = Server::start().await;
    let answer = server.send(&Request::new("GET", "/verify")).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    let policy = &answer.headers["content-security-policy"];
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    let file = ("file", Some("<b>&\"'.ofd"), b"PK12".as_slice());
    let answer = server.send(&Request::new("POST", "/verify").form(&[file])).await;
    let text = answer.text();
    assert_eq!((answer.status, answer.headers["cache-control"].as_str()), (200, "no-store"));
    assert!(text.contains("没有签名") && text.contains("No signature"), "{text}");
    assert!(!text.contains("<b>"), "a stranger's text is escaped: {text}");
    for (name, kind) in [("style.css", "text/css; charset=utf-8"), ("page.js", "text/javascript; charset=utf-8")] {
        let answer = server.send(&Request::new("GET", &format!("/verify/{name}"))).await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, kind));
    }
    // Refusals are pages too, with the same status and code.
    let refused = [
        (Request::new("POST", "/verify").form(&[("policy", None, b"x")]), 400, "field-unknown"),
        (Request::new("POST", "/verify").body("application/ofd", b"PK"), 415, "content-type-refused"),
        (Request::new("DELETE", "/verify"), 405, "method-refused"),
    ];
    for (request, status, code) in refused {
        let answer = server.send(&request).await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (status, "text/html; charset=utf-8"));
        assert!(answer.text().contains(&format!("<code>{code}</code>")), "{}", answer.text());
    }
}

#[tokio::test]
async fn accept_chooses_the_form_of_the_report() {
    let server = Server::start().await;
    let wanting = |accept: &str| form(&[("file", Some("a.ofd"), b"PK12")]).header("accept", accept);
    for (accept, kind, start) in [
        ("application/json", "application/json", "{"),
        ("*/*", "application/json", "{"),
        ("text/html, */*;q=0.1", "text/html; charset=utf-8", "<!doctype html>"),
        ("application/jose", "application/jose", "jws:{"),
        ("application/pkcs7-mime", "application/pkcs7-mime; smime-type=signed-data", "cms:{"),
        ("application/ofd;q=0.9, text/html;q=0.5", "application/ofd", "ofd:{"),
    ] {
        let answer = server.send(&wanting(accept)).await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, kind), "{accept}");
        assert!(answer.text().starts_with(start), "{accept}: {}", answer.text());
    }
    let page = server.send(&wanting("text/html")).await;
    let text = page.text();
    assert!(text.contains("<style>") && !text.contains("<script") && !text.contains("href=\"/"), "{text}");
    let policy = &page.headers["content-security-policy"];
    assert!(policy.contains("style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    let policy = policy.replace('\'', "&#39;");
    assert!(text.contains(&policy), "the page carries the same policy: {text}");
    assert_eq!(server.send(&wanting("image/png")).await.refusal(), (406, "not-acceptable".to_owned()));
    let unsigned = form(&[("file", Some("a.ofd"), b"PK12"), ("policy", None, b"unsigned")]);
    let refused = server.send(&unsigned.header("accept", "application/jose")).await.refusal();
    assert_eq!(refused, (409, "report-signing-off".to_owned()));
}
