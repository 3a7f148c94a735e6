//! Certificates and authorities: orders, searches, changes, lists; every field that is not as it must be; roles.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use yinxin::base::clock::Timestamp;
use yinxin::base::id::AuthorityId;
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::ca::state::RevocationReason;
use yinxin::http::tls::{Development, development_client};
use yinxin::service::certificate_status::Change;
use yinxin::service::door::{CertificateQuery, OrderCertificate, Proof};

use crate::client::{Answer, Request, Server, now};

const CERTIFICATES: &str = "/api/v1/certificates";

/// A server with an officer of certificates.
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

    async fn send(&self, request: Request) -> Answer {
        self.server.send(&request.signed(&self.officer)).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(Request::new("POST", path).body("application/json", body.as_bytes())).await
    }
}

impl Server {
    pub(crate) fn caller_with(&self, name: &str, roles: &[&str]) -> Development {
        use yinxin::base::clock::{Clock as _, SystemClock};
        let caller = development_client(name, SystemClock.now()).unwrap();
        self.double.register(name, roles, caller.fingerprint, &caller.spki);
        caller
    }
}

fn one() -> String {
    format!("{CERTIFICATES}/{}", "ab".repeat(32))
}

fn order() -> Value {
    json!({ "authority": "ca", "profile": "officer", "csr": STANDARD.encode([0x30, 0]) })
}

fn ordering(order: &Value) -> Request {
    let body = order.to_string();
    Request::new("POST", CERTIFICATES).header("idempotency-key", "k").body("application/json", body.as_bytes())
}

fn with(name: &str, value: Value) -> Value {
    let mut order = order();
    order[name] = value;
    order
}

#[tokio::test]
async fn an_order_comes_through_as_it_was_written() {
    let office = Office::open().await;
    let mut full = with("subject", json!([{ "attribute": "commonName", "value": "甲" }]));
    full["not_before"] = json!("2026-11-23T00:00:00Z");
    full["not_after"] = json!("2026-11-24T08:00:00+08:00");
    full["transaction_digest"] = json!("0f".repeat(32));
    let answer = office.send(ordering(&full)).await;
    assert_eq!((answer.status, answer.headers["location"].as_str()), (201, one().as_str()));
    let expected = json!({
        "sm3": "ab".repeat(32), "serial": "41".repeat(16), "authority": "ca", "profile": "officer",
        "not_before": "1970-01-01T00:00:00Z", "not_after": "1970-01-02T00:00:00Z",
        "pem": "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    });
    assert_eq!(answer.json(), expected);
    let ordered = office.server.double.ordered.lock().unwrap().take().unwrap();
    let wanted = OrderCertificate {
        authority: AuthorityId::parse("ca").unwrap(),
        profile: "officer".into(),
        csr: vec![0x30, 0],
        subject: Some(vec![(AttributeKind::CommonName, "甲".into())]),
        not_before: Some(now()),
        not_after: Some(Timestamp::parse_rfc3339("2026-11-24T00:00:00Z").unwrap()),
        transaction: Some([0x0f; 32]),
        idempotency_key: "k".into(),
    };
    assert_eq!(ordered, wanted);
    // What is null is not told; PEM stays as it is.
    let pem = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n";
    let mut short = with("csr", json!(pem));
    short["subject"] = Value::Null;
    let answer = office.send(ordering(&short).header("idempotency-key", "other")).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let ordered = office.server.double.ordered.lock().unwrap().take().unwrap();
    assert_eq!((ordered.csr.as_slice(), ordered.subject), (pem.as_bytes(), None));
}

#[tokio::test]
async fn a_certificate_is_given_in_the_form_that_is_accepted() {
    let office = Office::open().await;
    for (accept, kind, body) in [
        ("application/pkix-cert", "application/pkix-cert", &[0x30, 0][..]),
        (
            "application/pem-certificate-chain",
            "application/pem-certificate-chain",
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        ),
    ] {
        for (request, status) in [
            (ordering(&order()), 201),
            (Request::new("GET", &one()), 200),
            (Request::new("GET", "/api/v1/authorities/ca"), 200),
        ] {
            let answer = office.send(request.header("accept", accept)).await;
            let found = (answer.status, answer.headers["content-type"].as_str(), answer.body.as_slice());
            assert_eq!(found, (status, kind, body));
        }
    }
    let known = office.get(&one()).await.json();
    assert_eq!(
        (&known["status"], &known["crl_shard"], &known["subject"]),
        (&json!("active"), &json!(3), &json!("CN=甲"))
    );
    assert!(known["pem"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test]
async fn an_order_under_a_key_is_one_order() {
    let office = Office::open().await;
    let first = office.send(ordering(&order())).await;
    let again = office.send(ordering(&order())).await;
    assert_eq!((first.status, first.json()), (again.status, again.json()));
    let other = office.send(ordering(&with("profile", json!("tls-server")))).await;
    other.assert_refused(409, "idempotency-key-reused");
    office.send(ordering(&order()).without("idempotency-key")).await.assert_refused(428, "idempotency-key-missing");
}

#[tokio::test]
async fn every_field_of_an_order_that_is_wrong_is_refused_by_name() {
    let office = Office::open().await;
    let without = |name: &str| {
        let mut order = order();
        order.as_object_mut().unwrap().remove(name);
        order
    };
    let subject = |attribute: Value| with("subject", json!([attribute]));
    let cases = [
        (without("authority"), "field-missing"),
        (without("profile"), "field-missing"),
        (without("csr"), "field-missing"),
        (with("csr", Value::Null), "field-missing"),
        (with("authority", json!("../x")), "field-malformed"),
        (with("authority", json!(1)), "field-malformed"),
        (with("profile", json!("Officer")), "field-malformed"),
        (with("profile", json!("")), "field-malformed"),
        (with("csr", json!("no base64")), "field-malformed"),
        (with("csr", json!("")), "field-malformed"),
        (with("csr", json!(["MAA="])), "field-malformed"),
        (with("not_before", json!("2026-11-23")), "field-malformed"),
        (with("not_after", json!(1_800_000_000)), "field-malformed"),
        (with("transaction_digest", json!("0f")), "field-malformed"),
        (with("subject", json!("CN=甲")), "field-malformed"),
        (with("subject", json!([])), "field-malformed"),
        (with("subject", json!(["CN=甲"])), "field-malformed"),
        (with("subject", json!(vec![json!({}); 33])), "field-malformed"),
        (subject(json!({ "attribute": "nickname", "value": "甲" })), "field-malformed"),
        (subject(json!({ "attribute": "commonName", "value": 1 })), "field-malformed"),
        (subject(json!({ "attribute": "commonName" })), "field-missing"),
        (subject(json!({ "attribute": "commonName", "value": "甲", "oid": "2.5.4.3" })), "field-unknown"),
        (with("serial", json!("1")), "field-unknown"),
    ];
    for (order, code) in cases {
        let answer = office.send(ordering(&order)).await;
        assert_eq!(answer.refusal(), (400, code.to_owned()), "{order}");
    }
    assert_eq!(*office.server.double.ordered.lock().unwrap(), None, "none came through");
    let raw = |kind: &str, body: &str| {
        Request::new("POST", CERTIFICATES).header("idempotency-key", "k").body(kind, body.as_bytes())
    };
    let twice = r#"{"authority":"ca","authority":"cb"}"#;
    office.send(raw("application/json", twice)).await.assert_refused(400, "field-repeated");
    for body in ["[]", "", "{", "\u{feff}{}", "{} {}"] {
        office.send(raw("application/json", body)).await.assert_refused(400, "body-malformed");
    }
    office.send(raw("text/json", "{}")).await.assert_refused(415, "content-type-refused");
    let large = format!("{{\"csr\":\"{}\"}}", "A".repeat(16 << 10));
    office.send(raw("application/json", &large)).await.assert_refused(413, "too-large");
}

#[tokio::test]
async fn searches_come_through_and_pages_are_told() {
    let office = Office::open().await;
    let serial = "0a".repeat(16);
    let query = format!(
        "?authority=ca&profile=officer&status=revoked&subject=%E7%94%B2&serial={serial}&ends_from=2026-11-23T00:00:00Z\
         &ends_before=2026-11-23T00:00:01Z&after=3&limit=500"
    );
    let answer = office.get(&format!("{CERTIFICATES}{query}")).await;
    let page = answer.json();
    assert_eq!(
        (answer.status, &page["next"], &page["certificates"][0]["status"]),
        (200, &json!(7), &json!("suspended"))
    );
    assert_eq!(page["certificates"][0].get("pem"), None, "{page}");
    let asked = office.server.double.asked.lock().unwrap().take().unwrap();
    let wanted = CertificateQuery {
        authority: Some(AuthorityId::parse("ca").unwrap()),
        profile: Some("officer".into()),
        status: Some("revoked".into()),
        subject: Some("甲".into()),
        serial: Some([0x0a; 16]),
        ends_from: Some(now()),
        ends_before: Some(now().plus_seconds(1)),
        after: 3,
        limit: 500,
    };
    assert_eq!(asked, wanted);
    assert_eq!(office.get(CERTIFICATES).await.status, 200);
    let asked = office.server.double.asked.lock().unwrap().take().unwrap();
    assert_eq!(asked, CertificateQuery { limit: 100, ..CertificateQuery::default() });
    assert_eq!(office.get(&format!("{CERTIFICATES}/expiring?days=7&limit=2")).await.status, 200);
    let asked = office.server.double.asked.lock().unwrap().take().unwrap();
    let (from, before) = (Some(now()), Some(now().plus_days(7)));
    let wanted = CertificateQuery {
        status: Some("active".into()),
        ends_from: from,
        ends_before: before,
        limit: 2,
        ..CertificateQuery::default()
    };
    assert_eq!(asked, wanted);
    let counts = office.get(&format!("{CERTIFICATES}/statistics")).await.json();
    assert_eq!(counts, json!([{ "authority": "ca", "profile": "officer", "status": "active", "certificates": 2 }]));
    for (query, code) in [
        ("?authority=..", "field-malformed"),
        ("?profile=A", "field-malformed"),
        ("?status=expired", "field-malformed"),
        ("?subject=", "field-malformed"),
        ("?serial=0a", "field-malformed"),
        ("?ends_from=now", "field-malformed"),
        ("?ends_before=now", "field-malformed"),
        ("?after=-1", "field-malformed"),
        ("?limit=0", "field-malformed"),
        ("?limit=501", "field-malformed"),
        ("?limit=1&limit=2", "query-malformed"),
        ("?colour=red", "query-malformed"),
        ("/expiring?days=x", "field-malformed"),
        ("/expiring?days=36501", "field-malformed"),
        ("/expiring?status=active", "query-malformed"),
    ] {
        let answer = office.get(&format!("{CERTIFICATES}{query}")).await;
        assert_eq!(answer.refusal(), (400, code.to_owned()), "{query}");
    }
}

#[tokio::test]
async fn changes_come_through_and_are_refused_the_second_time() {
    let office = Office::open().await;
    let status = office.get(&format!("{}/status", one())).await.json();
    let expected = json!({
        "sm3": "ab".repeat(32), "status": "active", "status_since": "1970-01-01T00:00:00Z", "reason": null,
        "invalidity_date": null,
    });
    assert_eq!(status, expected);
    let post = async |path: &str| office.send(Request::new("POST", &format!("{}/{path}", one()))).await;
    for (path, change) in [("suspension", Change::Suspend), ("resumption", Change::Resume)] {
        assert_eq!(post(path).await.status, 200);
        assert_eq!(*office.server.double.changed.lock().unwrap(), Some(change));
        post(path).await.assert_refused(409, "certificate-state");
    }
    let revocation = format!("{}/revocation", one());
    let body = r#"{"reason":"key-compromise","invalidity_date":"2026-11-23T00:00:00Z"}"#;
    let revoked = office.post(&revocation, body).await.json();
    assert_eq!((&revoked["status"], &revoked["reason"]), (&json!("revoked"), &json!("key-compromise")));
    assert_eq!(revoked["invalidity_date"], "2026-11-23T00:00:00Z");
    let (reason, invalidity_date) = (RevocationReason::KeyCompromise, Some(now()));
    assert_eq!(*office.server.double.changed.lock().unwrap(), Some(Change::Revoke { reason, invalidity_date }));
    office.post(&revocation, body).await.assert_refused(409, "certificate-state");
    for (body, code) in [
        ("{}", "field-missing"),
        (r#"{"reason":"whim"}"#, "field-malformed"),
        (r#"{"reason":"certificate-hold"}"#, "field-malformed"),
        (r#"{"reason":1}"#, "field-malformed"),
        (r#"{"reason":"superseded","invalidity_date":"yesterday"}"#, "field-malformed"),
        (r#"{"reason":"superseded","why":"x"}"#, "field-unknown"),
        (r#"{"reason":"superseded","reason":"superseded"}"#, "field-repeated"),
        ("reason", "body-malformed"),
    ] {
        let answer = office.post(&revocation, body).await;
        assert_eq!(answer.refusal(), (400, code.to_owned()), "{body}");
    }
    post("revocation").await.assert_refused(415, "content-type-refused");
    let other = "cd".repeat(32);
    office.get(&format!("{CERTIFICATES}/{other}")).await.assert_refused(404, "unknown-certificate");
    for name in ["ab", &"g0".repeat(32), &"ab".repeat(33), "%FF"] {
        for path in ["", "/status"] {
            let answer = office.get(&format!("{CERTIFICATES}/{name}{path}")).await;
            assert_eq!(answer.refusal(), (400, "identifier-malformed".to_owned()), "{name}{path}");
        }
    }
}

#[tokio::test]
async fn lists_are_issued_on_demand() {
    let office = Office::open().await;
    let all = office.get("/api/v1/authorities").await.json();
    assert_eq!((&all[0]["id"], &all[0]["state"], all[0].get("pem")), (&json!("ca"), &json!("active"), None));
    assert_eq!(office.get("/api/v1/authorities/ca").await.json()["crl_shards"], 4);
    office.get("/api/v1/authorities/none").await.assert_refused(404, "unknown-authority");
    office.get("/api/v1/authorities/%20").await.assert_refused(400, "identifier-malformed");
    let path = "/api/v1/authorities/ca/crl";
    let usual = office.send(Request::new("POST", path)).await;
    assert_eq!((usual.status, usual.headers["location"].as_str()), (201, "/crl/ca/0.crl"));
    let expected = json!({
        "authority": "ca", "shard": 0, "kind": "full", "number": 10, "base": null, "entries": 5,
        "this_update": "1970-01-01T00:00:00Z", "next_update": "1970-01-01T00:01:00Z", "sm3": "02".repeat(32),
    });
    assert_eq!(usual.json(), expected);
    let delta = office.post(path, r#"{"shard":2,"kind":"delta"}"#).await;
    assert_eq!((delta.headers["location"].as_str(), &delta.json()["base"]), ("/crl/ca/2-delta.crl", &json!(9)));
    for (body, code) in [
        (r#"{"shard":-1}"#, "field-malformed"),
        (r#"{"shard":"0"}"#, "field-malformed"),
        (r#"{"kind":"both"}"#, "field-malformed"),
        (r#"{"reason":"x"}"#, "field-unknown"),
    ] {
        assert_eq!(office.post(path, body).await.refusal(), (400, code.to_owned()), "{body}");
    }
    office.post("/api/v1/authorities/none/crl", "{}").await.assert_refused(404, "unknown-authority");
}

#[tokio::test]
async fn only_officers_change_anything_and_refusals_are_recorded() {
    let office = Office::open().await;
    let verifier = office.server.caller_with("verifier", &["verifier"]);
    let changes = [
        ordering(&order()),
        Request::new("POST", &format!("{}/suspension", one())),
        Request::new("POST", &format!("{}/resumption", one())),
        Request::new("POST", &format!("{}/revocation", one())).body("application/json", b"{}"),
        Request::new("POST", "/api/v1/authorities/ca/crl"),
        // Lists of subjects' names are for officers too.
        Request::new("GET", CERTIFICATES),
        Request::new("GET", &format!("{CERTIFICATES}/expiring")),
        Request::new("GET", &format!("{CERTIFICATES}/statistics")),
    ];
    for request in changes {
        for caller in [&verifier, &office.server.caller] {
            let answer = office.server.send(&request.clone().signed(caller)).await;
            assert_eq!(answer.refusal(), (403, "role-missing".to_owned()), "{} {}", request.method, request.target);
        }
        office.server.send(&request).await.assert_refused(401, "signature-missing");
    }
    let recorded = office.server.double.refusals.lock().unwrap().clone();
    let who = Some(("verifier".to_owned(), Proof::MessageSignature));
    assert!(recorded.contains(&(who, format!("POST {CERTIFICATES}"), "role-missing".to_owned())), "{recorded:?}");
    assert_eq!(*office.server.double.ordered.lock().unwrap(), None);
    for path in [one(), format!("{}/status", one()), "/api/v1/authorities".into(), "/api/v1/authorities/ca".into()] {
        let request = Request::new("GET", &path);
        assert_eq!(office.server.send(&request.clone().signed(&verifier)).await.status, 200, "{path}");
        let refused = office.server.send(&request.signed(&office.server.caller)).await;
        refused.assert_refused(403, "role-missing");
    }
    for (method, path) in
        [("PUT", CERTIFICATES.to_owned()), ("DELETE", one()), ("GET", format!("{}/revocation", one()))]
    {
        office.send(Request::new(method, &path)).await.assert_refused(405, "method-refused");
    }
}
