//! Who reaches which endpoint: the access table walked endpoint by role, hosts, forwarded headers, methods.

use std::sync::atomic::Ordering;

use yinxin::http::access::{Access, SHIPPED, Table};
use yinxin::http::tls::development_client;
use yinxin::service::door::Proof;

use crate::client::{Request, Server, now};

fn request_for(method: &str, path: &str) -> Request {
    let id = match path {
        path if path.starts_with("/api/v1/authorities/") => "ca",
        path if path.starts_with("/api/v1/certificate-requests/") => "r1",
        path if path.starts_with("/api/v1/issuance-jobs/") => "j1",
        _ => "seal-1",
    };
    let path = path
        .replace("{id}", id)
        .replace("{sm3}", &"ab".repeat(32))
        .replace("{authority}", "ca")
        .replace("{authorisation}", "u1")
        .replace("{list}", "0.crl");
    let path = path.replace("{certificate}", "ca.cer").replace("{*request}", "MAA=").replace("{name}", "a.ofd");
    let path = path.replace("{number}", "7").replace("{*path}", "sm3/checkpoint");
    match method {
        "POST" if path == "/ocsp/ca" => Request::new("POST", &path)
            .form(&[])
            .without("content-type")
            .header("content-type", "application/ocsp-request"),
        "GET" if path == "/api/v1/log/proofs" || path == "/api/v1/log/statements" => {
            Request::new("GET", &format!("{path}?sm3={}", "ab".repeat(32)))
        }
        "GET" => Request::new("GET", &path),
        "DELETE" if path.starts_with("/api/v1/signatures/") => Request::new("DELETE", "/api/v1/signatures/signature-1"),
        "DELETE" => Request::new("DELETE", &path),
        "PUT" => Request::new("PUT", &path).body("application/ofd", b"PK"),
        "POST" if crate::seal_desk::is_about_seals(&path) => crate::seal_desk::request(&path),
        "POST" if path.starts_with("/api/v1/verification-batches") => Request::new("POST", &path),
        "POST" if path.starts_with("/api/v1/trust-lists") => match path.rsplit('/').next() {
            Some("activation") => Request::new("POST", &path),
            Some("to-sign") => Request::new("POST", &path).body("application/json", br#"{"step":"refuse"}"#),
            _ => Request::new("POST", &path).body("application/json", br#"{"signature":"AAAA"}"#),
        },
        "POST" if path == "/api/v1/certificates" => Request::new("POST", &path)
            .body("application/json", br#"{"authority":"ca","profile":"officer","csr":"MAA="}"#),
        "POST" if path.starts_with("/api/v1/certificate-requests") => {
            let body = step_or_submission(&path);
            if body.is_empty() {
                Request::new("POST", &path)
            } else {
                Request::new("POST", &path).body("application/json", body.as_bytes())
            }
        }
        "POST" if path == "/api/v1/issuance-jobs" => {
            let path = format!("{path}?authority=ca&profile=officer");
            Request::new("POST", &path).body("application/jsonl", b"a line")
        }
        "POST" if path.starts_with("/api/v1/issuance-jobs/") => match path.rsplit('/').next() {
            Some("to-sign") => Request::new("POST", &path).body("application/json", br#"{"step":"check"}"#),
            Some("check" | "approval") => {
                Request::new("POST", &path).body("application/json", br#"{"signature":"AAAA"}"#)
            }
            _ => Request::new("POST", &path),
        },
        "POST" if path.ends_with("/revocation") => {
            Request::new("POST", &path).body("application/json", br#"{"reason":"superseded"}"#)
        }
        "POST" if path.starts_with("/api/v1/certificates/") || path.ends_with("/ca/crl") => Request::new("POST", &path),
        "POST" if path.starts_with("/api/v1/signatures/") => {
            Request::new("POST", "/api/v1/signatures/signature-1/value")
                .body("application/json", br#"{"value":"AAAA"}"#)
        }
        "POST" if path.starts_with("/api/v1/signing-keys/") => crate::signing_keys::request(&path),
        "POST" if path == "/api/v1/person-signatures" => {
            Request::new("POST", &path).form(&crate::person_signatures::parts())
        }
        "POST" if path == "/verify" => Request::new("POST", &path).form(&[("file", Some("a.ofd"), b"PK".as_slice())]),
        "POST" => Request::new("POST", &path).form(&[
            ("file", Some("a.ofd"), b"PK".as_slice()),
            ("page", None, b"1"),
            ("x", None, b"1"),
            ("y", None, b"1"),
        ]),
        other => panic!("no request for {other}"),
    }
}

/// What each call about a request for a certificate needs.
fn step_or_submission(path: &str) -> String {
    let (evidence, signed) = ("00".repeat(32), r#""signature":"AAAA""#);
    let asked = format!(r#""authority":"ca","profile":"officer","csr":"MAA=","evidence_sm3":"{evidence}""#);
    match path.rsplit('/').next() {
        Some("draft") => format!("{{{asked}}}"),
        Some("certificate-requests") => format!(r#"{{{asked},"nonce":"{evidence}",{signed}}}"#),
        Some("to-sign") => r#"{"step":"check"}"#.to_owned(),
        Some("refusal") => format!(r#"{{"reason":"not-entitled",{signed}}}"#),
        Some("withdrawal") => format!(r#"{{"reason":"mistaken",{signed}}}"#),
        Some("certificate") => String::new(),
        _ => format!("{{{signed}}}"),
    }
}

/// The one place where a form has fewer fields.
fn trimmed(request: Request) -> Request {
    if request.target == "/api/v1/verifications" {
        let kept = request.without("content-type");
        return kept.form(&[("file", Some("a.ofd"), b"PK".as_slice())]);
    }
    if request.target == "/tsa" {
        return Request::new("POST", "/tsa").body("application/timestamp-query", b"query");
    }
    request
}

#[tokio::test]
async fn every_endpoint_admits_its_roles_and_no_others() {
    let server = Server::start().await;
    let table = Table::parse(SHIPPED).unwrap();
    assert!(table.rules().len() >= 7);
    let roles = [
        "seal-user",
        "seal-administrator",
        "verifier",
        "auditor",
        "audit-administrator",
        "system-administrator",
        "certificate-officer",
        "person-signer",
        "key-user",
    ];
    let keys: Vec<_> = roles.iter().map(|role| (role, development_client(role, now()).unwrap())).collect();
    for (role, key) in &keys {
        server.double.register(role, &[role], key.fingerprint, &key.spki);
    }
    for rule in table.rules() {
        let request = trimmed(request_for(&rule.method, &rule.path))
            .header("idempotency-key", &rule.path.replace(['/', '{', '}', '*'], "-"));
        let anonymous = server.send(&request).await;
        match rule.access {
            Access::Caller => anonymous.assert_refused(401, "signature-missing"),
            _ => assert_eq!(anonymous.status, 200, "{} {}", rule.method, rule.path),
        }
        for (role, key) in &keys {
            let answer = server.send(&request.clone().signed(key)).await;
            if rule.access != Access::Caller || rule.roles.iter().any(|wanted| wanted == **role) {
                assert!(matches!(answer.status, 200..=204), "{} {} as {role}: {answer:?}", rule.method, rule.path);
            } else {
                answer.assert_refused(403, "role-missing");
            }
        }
    }
    let refusals = server.double.refusals.lock().unwrap();
    let seal = "GET /api/v1/seals/{id}".to_owned();
    assert!(refusals.contains(&(None, seal.clone(), "signature-missing".into())));
    let auditor = Some(("auditor".to_owned(), Proof::MessageSignature));
    assert!(refusals.contains(&(auditor, seal, "role-missing".into())));
}

/// What the use cases wrote for a caller is receipted; a stranger gets none.
#[tokio::test]
async fn callers_get_receipts_and_strangers_get_none() {
    let server = Server::start().await;
    let key = development_client("user", now()).unwrap();
    server.double.register("user", &["seal-user"], key.fingerprint, &key.spki);
    let request = Request::new("GET", "/api/v1/seals/seal-1");
    let answer = server.send(&request.clone().signed(&key)).await;
    // "note" and a newline, as the double signs them.
    assert_eq!((answer.status, &answer.headers["yinxin-receipt"]), (200, &"bm90ZQo=".parse().unwrap()));
    let stranger = server.send(&Request::new("GET", "/log/sm3/checkpoint")).await;
    assert_eq!((stranger.status, stranger.headers.get("yinxin-receipt")), (200, None));
}

/// Queries of the log are bounded, and refused with what is known.
#[tokio::test]
async fn questions_to_the_log_are_refused_by_their_field() {
    let server = Server::start().await;
    let key = development_client("auditor", now()).unwrap();
    server.double.register("auditor", &["audit-administrator"], key.fingerprint, &key.spki);
    for (query, code) in [
        ("from=-1", "field-malformed"),
        ("class=nothing", "field-malformed"),
        ("since=yesterday", "field-malformed"),
        ("noun=", "field-malformed"),
        ("sort=up", "query-malformed"),
        ("from=1&from=2", "query-malformed"),
    ] {
        let request = Request::new("GET", &format!("/api/v1/log/events?{query}"));
        server.send(&request.signed(&key)).await.assert_refused(400, code);
    }
    for number in ["07", "-1", "x", "18446744073709551616"] {
        let request = Request::new("GET", &format!("/api/v1/log/events/{number}/proof"));
        server.send(&request.signed(&key)).await.assert_refused(400, "identifier-malformed");
    }
    for (query, code) in [("", "query-malformed"), ("sm3=ab", "field-malformed"), ("sm3=zz", "field-malformed")] {
        server.send(&Request::new("GET", &format!("/api/v1/log/proofs?{query}"))).await.assert_refused(400, code);
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let server = Server::start().await;
    for target in ["/", "/api/v1/seal", "/healthz/", "/api/v2/verifications", "//healthz"] {
        server.send(&Request::new("GET", target)).await.assert_refused(404, "route-unknown");
    }
    for (method, target, allow) in [
        ("POST", "/healthz", "GET,HEAD"),
        ("DELETE", "/api/v1/seals/seal-1", "GET,HEAD"),
        ("GET", "/api/v1/verifications", "POST"),
        ("OPTIONS", "/api/v1/verifications", "POST"),
        ("TRACE", "/metrics", "GET,HEAD"),
    ] {
        let answer = server.send(&Request::new(method, target)).await;
        answer.assert_refused(405, "method-refused");
        assert_eq!(answer.headers["allow"], allow, "{method} {target}");
    }
}

#[tokio::test]
async fn only_our_own_hosts_are_served() {
    let server = Server::start().await;
    let get = || Request::new("GET", "/healthz");
    for host in ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]", "[::1]:443"] {
        assert_eq!(server.send(&get().header("host", host)).await.status, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.2", "[::2]", "", "localhost@evil"] {
        server.send(&get().header("host", host)).await.assert_refused(421, "host-unknown");
    }
    server.send(&get().without("host")).await.assert_refused(421, "host-unknown");
    let mut twice = get();
    twice.headers.push(("host".into(), "localhost".into()));
    server.send(&twice).await.assert_refused(421, "host-unknown");
    let other = Request::new("GET", "https://evil.example/healthz");
    server.send(&other).await.assert_refused(421, "host-unknown");
}

#[tokio::test]
async fn nobody_may_assert_an_address_or_a_certificate() {
    let server = Server::start().await;
    for name in ["forwarded", "x-forwarded-for", "client-cert", "x-forwarded-client-cert", "x-real-ip"] {
        let answer = server.send(&Request::new("GET", "/metrics").header(name, "127.0.0.1")).await;
        answer.assert_refused(400, "forwarded-refused");
    }
}

#[tokio::test]
async fn every_answer_bears_the_security_headers_and_none_of_cors() {
    let server = Server::start().await;
    for target in ["/healthz", "/nothing"] {
        let answer = server.send(&Request::new("GET", target).header("origin", "https://localhost")).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(answer.headers.get(name).map(String::as_str), Some(value), "{target} {name}");
        }
        assert!(!answer.headers.keys().any(|name| name.starts_with("access-control")));
        assert_eq!(answer.headers["yinxin-request-id"].len(), 36);
    }
}

#[tokio::test]
async fn readiness_follows_what_requests_need_and_tells_no_secrets() {
    let server = Server::start().await;
    assert_eq!(server.send(&Request::new("GET", "/readyz")).await.body, b"ready\n");
    server.double.broken.store(true, Ordering::SeqCst);
    let answer = server.send(&Request::new("GET", "/readyz")).await;
    answer.assert_refused(503, "database");
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(!String::from_utf8(answer.body).unwrap().contains("secret"));
}

#[tokio::test]
async fn ipv6_is_served_as_ipv4_is() {
    use tokio::io::AsyncWriteExt;
    let server = Server::start().await;
    let mut stream = server.connect_to(server.address_v6, None).await;
    let request = Request::new("GET", "/metrics").header("host", &server.address_v6.to_string());
    stream.write_all(&request.bytes()).await.unwrap();
    let answer = crate::client::Answer::read(&mut stream).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn figures_count_requests_by_route_and_never_by_address() {
    let server = Server::start().await;
    server.send(&Request::new("GET", "/healthz")).await;
    server.send(&Request::new("GET", "/api/v1/seals/secret-name")).await;
    server.send(&Request::new("GET", "/secret-path")).await;
    let text = String::from_utf8(server.send(&Request::new("GET", "/metrics")).await.body).unwrap();
    for line in [
        "yinxin_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1",
        "yinxin_http_requests_total{method=\"GET\",route=\"/api/v1/seals/{id}\",status=\"401\"} 1",
        "yinxin_http_requests_total{method=\"GET\",route=\"(none)\",status=\"404\"} 1",
        "yinxin_http_requests_in_flight 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
    }
    assert!(
        text.contains("yinxin_http_request_seconds_bucket{method=\"GET\",route=\"/healthz\",le=\"0.001\"}"),
        "{text}"
    );
    assert!(!text.contains("secret"));
}
