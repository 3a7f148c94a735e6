//! Uploads to verify: as a form, as a raw body, and what is refused about them.

use yinxin::http::Settings;

use crate::client::{Request, Server};

const PATH: &str = "/api/v1/verifications";
const DIGEST: &str = "sm3:66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";

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
        "original": null, "at": "2026-01-01T19:04:05Z", "evidence": null, "policy": { "name": "strict" },
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

/// Reports come in the order of the files; a signature has its original on either side.
#[tokio::test]
async fn many_files_are_verified_in_their_order() {
    let settings = Settings { request_files: 4, request_bytes: 1000, file_bytes: 600, ..Settings::default() };
    let server = Server::start_with(settings).await;
    let answer = server
        .send(&form(&[
            ("file", Some("a.ofd"), b"PK"),
            ("signature", Some("b.p7s"), b"12345"),
            ("original", Some("b"), b"the original"),
            ("policy", None, b"strict"),
            ("digest", None, DIGEST.as_bytes()),
            ("signature", Some("c.p7s"), b"1234567"),
            ("file", Some("d.ofd"), b""),
        ]))
        .await;
    assert_eq!(answer.status, 200);
    let reports = answer.json();
    let told = reports.as_array().unwrap().iter().map(|report| {
        assert_eq!(report["policy"]["name"], "strict");
        (report["file"].as_str().unwrap(), report["bytes"].as_u64().unwrap(), report["original"].as_str())
    });
    let expected =
        [("a.ofd", 2, None), ("b.p7s", 5, Some("the original")), ("c.p7s", 7, Some(DIGEST)), ("d.ofd", 0, None)];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    // One pair is one report.
    let pair = form(&[("original", None, b"o".as_slice()), ("signature", Some("s"), b"s")]);
    assert_eq!(server.send(&pair).await.json()["original"], "o");
    let target = format!("{PATH}?original_digest={}", DIGEST.replace(':', "%3A"));
    let answer = server.send(&Request::new("POST", &target).body("application/octet-stream", b"s")).await;
    assert_eq!(answer.json()["original"], DIGEST);

    let file = ("file", Some("a.ofd"), b"PK".as_slice());
    server.send(&form(&[file; 5])).await.assert_refused(413, "too-many-files");
    let large = vec![b'x'; 601];
    server.send(&form(&[file, ("file", Some("b"), &large)])).await.assert_refused(413, "too-large");
    let most = vec![b'x'; 80_000];
    server.send(&form(&[("unknown", None, &most)])).await.assert_refused(413, "too-large");
}

/// What is not small waits in a file without a name, and comes out as it came in.
#[tokio::test]
async fn large_uploads_wait_in_files_without_names() {
    let folder = std::env::temp_dir().join(format!("yinxin-http-spool-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let settings = Settings { spool: Some(folder.clone()), spool_bytes_of_one: 3 << 20, ..Settings::default() };
    let server = Server::start_with(settings).await;
    let (first, second) = (vec![b'a'; 700_000], vec![b'b'; 300_000]);
    let request = form(&[("file", Some("a"), &first), ("signature", Some("b"), b"s"), ("original", None, &second)]);
    let reports = server.send(&request).await.json();
    assert_eq!((&reports[0]["bytes"], &reports[1]["bytes"]), (&700_000.into(), &1.into()));
    assert_eq!(reports[1]["original"].as_str().unwrap().as_bytes(), second);
    let raw = Request::new("POST", PATH).body("application/ofd", &first);
    assert_eq!(server.send(&raw).await.json()["bytes"], 700_000);
    let too_much = Request::new("POST", PATH).body("application/ofd", &vec![b'x'; 4 << 20]);
    server.send(&too_much).await.assert_refused(503, "quota-reached");
    // What was refused takes no space any more.
    assert_eq!(server.send(&raw).await.status, 200);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    std::fs::remove_dir_all(folder).unwrap();
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
        ("half a pair", form(&[("signature", None, b"s")]), 400, "pair-incomplete"),
        ("two signatures", form(&[("signature", None, b"s"), ("signature", None, b"s")]), 400, "pair-incomplete"),
        (
            "two originals",
            form(&[("original", None, b"s"), ("digest", None, DIGEST.as_bytes())]),
            400,
            "pair-incomplete",
        ),
        ("a file between", form(&[("signature", None, b"s"), file, ("original", None, b"o")]), 400, "pair-incomplete"),
        ("digest field", form(&[("digest", None, b"sm3:00"), file]), 400, "field-malformed"),
        ("digest in query", raw("original_digest=sm3%3A00"), 400, "field-malformed"),
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
        (Request::new("POST", "/verify").form(&[file, ("report", None, b"xml")]), 400, "field-malformed"),
        (Request::new("POST", "/verify").form(&[file, ("report", None, b"")]), 400, "field-malformed"),
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
async fn the_page_gives_signed_reports_for_the_file_handed_in_again() {
    let server = Server::start().await;
    let file = ("file", Some("a.ofd"), b"PK12".as_slice());
    for path in ["/verify", "/verify?large=1"] {
        let offered = server.send(&Request::new("GET", path)).await.text();
        let answer = server.send(&Request::new("POST", path).form(&[file])).await;
        for page in [offered, answer.text()] {
            assert!(page.contains(r#"<select id="report" name="report">"#), "{page}");
            assert!(page.contains(&format!(r#"action="{path}" enctype="multipart/form-data""#)), "{page}");
        }
    }
    for (form, kind, name) in [
        ("jws", "application/jose", "report.jws"),
        ("cms", "application/pkcs7-mime; smime-type=signed-data", "report.p7m"),
        ("ofd", "application/ofd", "report.ofd"),
    ] {
        let wanted = ("report", None, form.as_bytes());
        let answer = server.send(&Request::new("POST", "/verify").form(&[file, wanted])).await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, kind));
        assert_eq!(answer.headers["content-disposition"], format!("attachment; filename=\"{name}\""));
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(answer.text().starts_with(&format!("{form}:{{")), "{}", answer.text());
    }
    let page = ("report", None, b"page".as_slice());
    let answer = server.send(&Request::new("POST", "/verify").form(&[file, page])).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
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
    let two = form(&[("file", Some("a.ofd"), b"PK12"), ("file", Some("b.ofd"), b"PK12")]);
    let refused = server.send(&two.header("accept", "text/html")).await.refusal();
    assert_eq!(refused, (406, "not-acceptable".to_owned()));
    let unsigned = form(&[("file", Some("a.ofd"), b"PK12"), ("policy", None, b"unsigned")]);
    let refused = server.send(&unsigned.header("accept", "application/jose")).await.refusal();
    assert_eq!(refused, (409, "report-signing-off".to_owned()));
}
