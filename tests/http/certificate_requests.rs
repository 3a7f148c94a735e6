//! Requests for certificates: what comes through the door, every field that is not as it must be, roles.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use yinxin::base::clock::Timestamp;
use yinxin::base::id::{ApplicationId, AuthorityId};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::ca::request::{RefusalReason, WithdrawalReason};
use yinxin::http::tls::Development;
use yinxin::service::registration::NewRequest;
use yinxin::service::registration_desk::{RequestQuery, RequestStep};

use crate::client::{Answer, Request, Server};

const REQUESTS: &str = "/api/v1/certificate-requests";
const ONE: &str = "/api/v1/certificate-requests/r1";

struct Office {
    server: Server,
    officer: Development,
}

impl Office {
    async fn open() -> Self {
        let server = Server::start().await;
        let officer = server.caller_with("officer", &["certificate-officer"]);
        Self { server, officer }
    }

    async fn get(&self, path: &str) -> Answer {
        self.server.send(&Request::new("GET", path).signed(&self.officer)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let request = Request::new("POST", path).body("application/json", body.as_bytes());
        self.server.send(&request.signed(&self.officer)).await
    }

    async fn post_nothing(&self, path: &str, accept: &str) -> Answer {
        let request = Request::new("POST", path).header("accept", accept);
        self.server.send(&request.signed(&self.officer)).await
    }
}

fn asked() -> Value {
    let evidence = "0f".repeat(32);
    json!({ "authority": "ca", "profile": "person-signing", "csr": STANDARD.encode([0x30, 0]), "evidence_sm3": evidence })
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

fn new() -> NewRequest {
    NewRequest {
        authority: AuthorityId::parse("ca").unwrap(),
        profile: "person-signing".into(),
        csr: vec![0x30, 0],
        subject: None,
        not_after: None,
        encryption_profile: None,
        evidence_sm3: [0x0f; 32],
    }
}

#[tokio::test]
async fn a_request_comes_through_as_it_was_written() {
    let office = Office::open().await;
    let drafted = office.post(&format!("{REQUESTS}/draft"), &asked()).await;
    let expected = json!({ "nonce": "02".repeat(32), "subject": "CN=甲", "to_sign": STANDARD.encode([1, 2, 3]) });
    assert_eq!((drafted.status, drafted.json()), (200, expected));
    assert_eq!(office.server.double.submitted.lock().unwrap().take(), Some((new(), None)));

    let mut full = with(asked(), "subject", json!([{ "attribute": "commonName", "value": "甲" }]));
    full["not_after"] = json!("2026-11-24T08:00:00+08:00");
    full["encryption_profile"] = json!("person-encryption");
    full["nonce"] = json!("02".repeat(32));
    full["signature"] = json!(STANDARD.encode([9; 64]));
    let taken = office.post(REQUESTS, &full).await;
    assert_eq!((taken.status, taken.headers["location"].as_str()), (201, ONE));
    let at = "1970-01-01T00:00:00Z";
    let approval = json!({ "officer": "c3", "key_sm3": "03".repeat(32), "signature": "04".repeat(64), "at": at });
    let expected = json!({
        "id": "r1", "state": "submitted", "since": at, "authority": "ca", "profile": "person-signing",
        "subject": "CN=甲", "identity": ["passport-number"], "not_after": null,
        "encryption_profile": null, "evidence_sm3": "01".repeat(32),
        "nonce": "02".repeat(32), "applicant": "c1", "submitted_at": at, "checked_by": "c2", "checked_at": at,
        "approvals": [approval], "refused_by": null, "reason": null, "explanation": null, "certificate_sm3": null,
        "csr": "MAA=",
    });
    assert_eq!(taken.json(), expected);
    let wanted = NewRequest {
        subject: Some(vec![(AttributeKind::CommonName, "甲".into())]),
        not_after: Some(Timestamp::parse_rfc3339("2026-11-24T00:00:00Z").unwrap()),
        encryption_profile: Some("person-encryption".into()),
        ..new()
    };
    let submitted = office.server.double.submitted.lock().unwrap().take();
    assert_eq!(submitted, Some((wanted, Some(([2; 32], vec![9; 64])))));

    // Lists hold no request of PKCS#10.
    let page = office.get(&format!("{REQUESTS}?state=checked&after=r0&limit=7")).await.json();
    assert_eq!((&page["next"], &page["requests"][0]["state"]), (&json!("r1"), &json!("checked")));
    assert_eq!(page["requests"][0].get("csr"), None);
    let query = RequestQuery { state: Some("checked".into()), after: ApplicationId::parse("r0").ok(), limit: 7 };
    assert_eq!(office.server.double.looked_for.lock().unwrap().take(), Some(query));
    assert_eq!(office.get(REQUESTS).await.status, 200);
    let query = RequestQuery { limit: 100, ..RequestQuery::default() };
    assert_eq!(office.server.double.looked_for.lock().unwrap().take(), Some(query));
    assert_eq!(office.get(ONE).await.json()["csr"], "MAA=");
}

#[tokio::test]
async fn steps_come_through_with_their_words() {
    let office = Office::open().await;
    let refuse = RequestStep::Refuse { reason: RefusalReason::NotEntitled, explanation: "不在编".into() };
    let withdraw = RequestStep::Withdraw { reason: WithdrawalReason::Mistaken };
    let short = RequestStep::Refuse { reason: RefusalReason::KeyRefused, explanation: String::new() };
    let words = json!({ "reason": "not-entitled", "explanation": "不在编" });
    for (step, end, body, expected) in [
        ("check", "check", json!({}), RequestStep::Check),
        ("approve", "approval", json!({}), RequestStep::Approve),
        ("refuse", "refusal", words, refuse),
        ("refuse", "refusal", json!({ "reason": "key-refused" }), short),
        ("withdraw", "withdrawal", json!({ "reason": "mistaken" }), withdraw),
    ] {
        let octets = office.post(&format!("{ONE}/to-sign"), &with(body.clone(), "step", json!(step))).await;
        assert_eq!((octets.status, octets.json()), (200, json!({ "to_sign": STANDARD.encode([4, 5, 6]) })), "{step}");
        assert_eq!(office.server.double.stepped.lock().unwrap().take(), Some((expected.clone(), None)));
        let signed = with(body, "signature", json!(STANDARD.encode([7; 70])));
        let taken = office.post(&format!("{ONE}/{end}"), &signed).await;
        assert_eq!((taken.status, &taken.json()["id"]), (200, &json!("r1")), "{step}");
        assert_eq!(office.server.double.stepped.lock().unwrap().take(), Some((expected, Some(vec![7; 70]))));
        let unknown = office.post(&format!("{REQUESTS}/none/{end}"), &signed).await;
        unknown.assert_refused(404, "unknown-certificate-request");
    }
    let issued = office.post_nothing(&format!("{ONE}/certificate"), "application/pkix-cert").await;
    assert_eq!((issued.status, issued.body.as_slice()), (201, &[0x30, 0][..]));
    assert_eq!(issued.headers["location"], format!("/api/v1/certificates/{}", "ab".repeat(32)));
    let issued = office.post_nothing(&format!("{ONE}/certificate"), "application/json").await;
    assert_eq!(issued.json()["profile"], "person-signing");
    let unknown = office.post_nothing(&format!("{REQUESTS}/none/certificate"), "application/json").await;
    unknown.assert_refused(404, "unknown-certificate-request");
}

#[tokio::test]
async fn fields_are_refused_by_name() {
    let office = Office::open().await;
    let signed = || {
        let body = with(asked(), "nonce", json!("02".repeat(32)));
        with(body, "signature", json!("AAAA"))
    };
    let draft = format!("{REQUESTS}/draft");
    for (path, body, code) in [
        (draft.as_str(), with(asked(), "evidence_sm3", Value::Null), "field-missing"),
        (&draft, with(asked(), "evidence_sm3", json!("0f")), "field-malformed"),
        (&draft, with(asked(), "authority", json!("")), "field-malformed"),
        (&draft, with(asked(), "csr", json!("?")), "field-malformed"),
        (&draft, with(asked(), "subject", json!([])), "field-malformed"),
        (&draft, with(asked(), "not_after", json!("tomorrow")), "field-malformed"),
        // The server chooses the number of a draft.
        (&draft, with(asked(), "nonce", json!("02".repeat(32))), "field-unknown"),
        (REQUESTS, with(signed(), "nonce", json!("02")), "field-malformed"),
        (REQUESTS, with(signed(), "nonce", Value::Null), "field-missing"),
        (REQUESTS, with(signed(), "signature", json!("")), "field-malformed"),
        (REQUESTS, with(signed(), "signature", json!("?")), "field-malformed"),
        (REQUESTS, with(signed(), "signature", json!(STANDARD.encode([0; 1025]))), "field-malformed"),
        // Whoever calls is the officer: nobody names one.
        (REQUESTS, with(signed(), "officer", json!("c1")), "field-unknown"),
    ] {
        office.post(path, &body).await.assert_refused(400, code);
    }
    let sign = format!("{ONE}/to-sign");
    let (check, refusal, withdrawal) = (format!("{ONE}/check"), format!("{ONE}/refusal"), format!("{ONE}/withdrawal"));
    for (path, body, code) in [
        (&sign, json!({}), "field-missing"),
        (&sign, json!({ "step": "issue" }), "field-malformed"),
        (&sign, json!({ "step": "check", "reason": "mistaken" }), "field-malformed"),
        (&sign, json!({ "step": "withdraw", "reason": "mistaken", "explanation": "x" }), "field-malformed"),
        (&sign, json!({ "step": "refuse" }), "field-missing"),
        (&sign, json!({ "step": "refuse", "reason": "lapsed" }), "field-malformed"),
        (&check, json!({}), "field-missing"),
        (&check, json!({ "signature": "AAAA", "reason": "mistaken" }), "field-unknown"),
        (&refusal, json!({ "signature": "AAAA", "reason": "mistaken" }), "field-malformed"),
        (
            &refusal,
            json!({ "signature": "AAAA", "reason": "not-entitled", "explanation": "x".repeat(4097) }),
            "field-malformed",
        ),
        (&withdrawal, json!({ "signature": "AAAA", "reason": "lapsed" }), "field-malformed"),
    ] {
        office.post(path, &body).await.assert_refused(400, code);
    }
    for query in ["state=open", "limit=0", "limit=501", "after=%20"] {
        office.get(&format!("{REQUESTS}?{query}")).await.assert_refused(400, "field-malformed");
    }
    office.get(&format!("{REQUESTS}?officer=c1")).await.assert_refused(400, "query-malformed");
    office.get(&format!("{REQUESTS}/a%20b")).await.assert_refused(400, "identifier-malformed");
    assert_eq!(*office.server.double.stepped.lock().unwrap(), None);
    assert_eq!(*office.server.double.submitted.lock().unwrap(), None);
}

#[tokio::test]
async fn requests_are_for_officers() {
    let office = Office::open().await;
    let verifier = office.server.caller_with("verifier", &["verifier", "seal-user"]);
    let paths = [
        ("GET", REQUESTS.to_owned()),
        ("GET", ONE.to_owned()),
        ("POST", REQUESTS.to_owned()),
        ("POST", format!("{REQUESTS}/draft")),
        ("POST", format!("{ONE}/to-sign")),
        ("POST", format!("{ONE}/check")),
        ("POST", format!("{ONE}/approval")),
        ("POST", format!("{ONE}/refusal")),
        ("POST", format!("{ONE}/withdrawal")),
        ("POST", format!("{ONE}/certificate")),
    ];
    for (method, path) in paths {
        let request = Request::new(method, &path);
        office.server.send(&request.clone().signed(&verifier)).await.assert_refused(403, "role-missing");
        office.server.send(&request).await.assert_refused(401, "signature-missing");
    }
}
