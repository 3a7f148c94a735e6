//! Proof of identity: signed requests (RFC 9421) and client certificates, and each way to fail.

use yinxin::http::tls::development_client;
use yinxin::service::door::Proof;

use crate::client::{Request, Server, Signing, fresh_nonce, now};

const STATUS: &str = "/api/v1/seals/seal-1";

fn status() -> Request {
    Request::new("GET", STATUS)
}

fn sealing() -> Request {
    Request::new("POST", "/api/v1/seals/seal-1/signatures").header("idempotency-key", "k-1").form(&[
        ("file", Some("a.ofd"), b"PK".as_slice()),
        ("page", None, b"1"),
        ("x", None, b"30"),
        ("y", None, b"40.5"),
    ])
}

#[tokio::test]
async fn a_right_signature_is_served_once() {
    let server = Server::start().await;
    let request = sealing().signed(&server.caller);
    assert_eq!(server.send(&request).await.status, 200);
    server.send(&request).await.assert_refused(401, "replayed");
    let refusals = server.double.refusals.lock().unwrap();
    let (caller, _, code) = refusals.last().unwrap();
    assert_eq!(caller, &Some(("business".to_owned(), Proof::MessageSignature)));
    assert_eq!(code, "replayed");
}

#[tokio::test]
async fn the_target_may_be_covered_in_parts_and_other_fields_too() {
    let server = Server::start().await;
    let components = vec!["@method", "@authority", "@path", "@query"];
    let signing = Signing { components: Some(components), ..Signing::default() };
    assert_eq!(server.send(&status().signed_by(&server.caller, &signing)).await.status, 200);
    let components = vec!["@method", "@target-uri", "content-digest", "idempotency-key", "content-type"];
    let signing = Signing { components: Some(components), ..Signing::default() };
    assert_eq!(server.send(&sealing().signed_by(&server.caller, &signing)).await.status, 200);
}

#[tokio::test]
async fn each_fault_has_its_code() {
    let server = Server::start().await;
    let key = &server.caller;
    let signed = || status().signed(key);
    let input = || signed().value("signature-input");
    let with = |signing: Signing| status().signed_by(key, &signing);
    let stranger = development_client("stranger", now()).unwrap();
    let cases: Vec<(&str, Request, u16, &str)> = vec![
        ("nothing", status(), 401, "signature-missing"),
        ("no value", signed().without("signature"), 401, "signature-malformed"),
        ("no input", signed().without("signature-input"), 401, "signature-malformed"),
        ("garbage", signed().header("signature-input", "sig1"), 401, "signature-malformed"),
        ("labels", signed().header("signature", "sig2=:AQ==:"), 401, "signature-malformed"),
        ("two", signed().header("signature", "sig1=:AQ==:, sig2=:AQ==:"), 401, "signature-malformed"),
        ("tag", signed().header("signature-input", &(input() + ";tag=\"x\"")), 401, "signature-malformed"),
        (
            "short nonce",
            with(Signing { nonce: Some("0123456789abcde".into()), ..Signing::default() }),
            401,
            "signature-malformed",
        ),
        (
            "method",
            with(Signing { components: Some(vec!["@target-uri"]), ..Signing::default() }),
            401,
            "signature-component-missing",
        ),
        (
            "target",
            with(Signing { components: Some(vec!["@method", "@path"]), ..Signing::default() }),
            401,
            "signature-component-missing",
        ),
        (
            "digest not covered",
            sealing()
                .signed_by(key, &Signing { components: Some(vec!["@method", "@target-uri"]), ..Signing::default() }),
            401,
            "signature-component-missing",
        ),
        ("no digest", sealing().signed(key).without("content-digest"), 401, "signature-malformed"),
        ("old", with(Signing { skew: -61, ..Signing::default() }), 401, "signature-expired"),
        ("early", with(Signing { skew: 61, ..Signing::default() }), 401, "signature-expired"),
        ("algorithm", with(Signing { algorithm: "hmac-sha256", ..Signing::default() }), 401, "algorithm-refused"),
        ("other algorithm", with(Signing { algorithm: "ed25519", ..Signing::default() }), 401, "algorithm-refused"),
        ("unknown key", status().signed(&stranger), 401, "key-unknown"),
        ("other value", signed().header("signature", &signed().value("signature")), 401, "signature-wrong"),
        ("other method", Request { method: "HEAD", ..signed() }, 401, ""),
        ("other target", Request { target: format!("{STATUS}?x"), ..signed() }, 401, "signature-wrong"),
        ("other host", signed().header("host", "127.0.0.1"), 401, "signature-wrong"),
        (
            "other digest",
            sealing().signed(key).header("content-digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"),
            401,
            "signature-wrong",
        ),
        (
            "other body",
            {
                let mut request = sealing().signed(key);
                request.body[3] ^= 1;
                request
            },
            400,
            "digest-wrong",
        ),
        (
            "digest by SHA-512 only",
            sealing().signed(key).header("content-digest", "sha-512=:AA==:"),
            400,
            "digest-wrong",
        ),
        ("short digest", sealing().signed(key).header("content-digest", "sha-256=:AA==:"), 400, "digest-wrong"),
    ];
    for (name, request, code, expected) in cases {
        let answer = server.send(&request).await;
        if expected.is_empty() {
            assert_eq!((answer.status, answer.body.len()), (code, 0), "{name}");
        } else {
            assert_eq!(answer.refusal(), (code, expected.to_owned()), "{name}");
        }
        if code == 401 {
            assert_eq!(answer.headers["www-authenticate"], "Signature realm=\"yinxin\"", "{name}");
            assert!(answer.headers["accept-signature"].starts_with("sig1=(\"@method\" \"@target-uri\""), "{name}");
        }
    }
}

#[tokio::test]
async fn the_edges_of_the_window_hold() {
    let server = Server::start().await;
    for skew in [-60, 60] {
        let request = status().signed_by(&server.caller, &Signing { skew, ..Signing::default() });
        assert_eq!(server.send(&request).await.status, 200, "{skew}");
    }
}

#[tokio::test]
async fn a_refused_signature_spends_no_nonce() {
    let server = Server::start().await;
    let nonce = fresh_nonce();
    let signing = || Signing { nonce: Some(nonce.clone()), ..Signing::default() };
    let wrong = Request { target: format!("{STATUS}?x"), ..status().signed_by(&server.caller, &signing()) };
    server.send(&wrong).await.assert_refused(401, "signature-wrong");
    assert_eq!(server.send(&status().signed_by(&server.caller, &signing())).await.status, 200);
}

#[tokio::test]
async fn a_registered_certificate_is_enough() {
    let server = Server::start().await;
    assert_eq!(server.send_as(&status(), Some(&server.caller)).await.status, 200);
    let stranger = development_client("stranger", server_time()).unwrap();
    server.send_as(&status(), Some(&stranger)).await.assert_refused(401, "key-unknown");
    // The certificate is an envelope: a new one around the registered key, long expired, is the same caller.
    let old = re_enveloped(&server.caller);
    assert_eq!(server.send_as(&status(), Some(&old)).await.status, 200);
    // A wrong signature is not saved by a right certificate.
    let wrong = Request { target: format!("{STATUS}?x"), ..status().signed(&server.caller) };
    server.send_as(&wrong, Some(&server.caller)).await.assert_refused(401, "signature-wrong");
}

fn server_time() -> yinxin::base::clock::Timestamp {
    now()
}

fn re_enveloped(caller: &yinxin::http::tls::Development) -> yinxin::http::tls::Development {
    let key = rcgen::KeyPair::from_pem(std::str::from_utf8(caller.key_pem.expose()).unwrap()).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    yinxin::http::tls::Development {
        certificate_pem: params.self_signed(&key).unwrap().pem(),
        key_pem: caller.key_pem.clone(),
        spki: caller.spki.clone(),
        fingerprint: caller.fingerprint,
    }
}

#[tokio::test]
async fn someone_elses_certificate_without_its_key_opens_nothing() {
    let server = Server::start().await;
    let thief = development_client("thief", now()).unwrap();
    let stolen = yinxin::http::tls::Development { certificate_pem: server.caller.certificate_pem.clone(), ..thief };
    for version in rustls::ALL_VERSIONS {
        let refused = server.shake_hands_with(&stolen, version).await;
        assert!(refused.contains("DecryptError") || refused.contains("BadCertificate"), "{version:?}: {refused}");
    }
}

#[tokio::test]
async fn strangers_cannot_fill_the_audit_log() {
    let server = Server::start().await;
    for _ in 0..70 {
        server.send(&status()).await.assert_refused(401, "signature-missing");
    }
    assert_eq!(server.double.refusals.lock().unwrap().len(), 60);
    let text = String::from_utf8(server.send(&Request::new("GET", "/metrics")).await.body).unwrap();
    assert!(text.contains("yinxin_http_refusals_unrecorded_total 10\n"), "{text}");
}
