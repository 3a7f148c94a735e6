//! Trust lists: what comes through the door, and every field that is not as it must be.

use serde_json::{Value, json};
use yinxin::http::tls::Development;
use yinxin::service::trust_desk::TrustListStep;

use crate::client::{Answer, Request, Server};

const LISTS: &str = "/api/v1/trust-lists";
const LIST: [u8; 32] = [0xab; 32];

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

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Request::new("POST", path).body("application/json", body.to_string().as_bytes())).await
    }

    fn decided(&self) -> Option<TrustListStep> {
        self.server.double.decided.lock().unwrap().take()
    }
}

#[tokio::test]
async fn steps_come_through_as_they_were_written() {
    let office = Office::open().await;
    let one = format!("{LISTS}/{}", "ab".repeat(32));
    let file = br#"{ "payload": 1 }"#;
    let imported = office.send(Request::new("POST", LISTS).body("application/json", file)).await.json();
    assert_eq!(office.decided(), Some(TrustListStep::Import { file: file.to_vec() }));
    let expected = json!({
        "sm3": "ab".repeat(32), "state": "imported", "name": "zj", "number": 2, "replaces": "cd".repeat(32),
        "introduced_by_paper": false, "list_above": null, "imported_at": "1970-01-01T00:00:00Z", "active_since": null,
        "ended_at": null, "refused_by": null, "not_used": null,
        "approvals": [{
            "officer": "o1", "key_sm3": "01".repeat(32), "signature": "02".repeat(64), "at": "1970-01-01T00:00:00Z",
            "compared_with_paper": true,
        }],
    });
    assert_eq!(imported, json!({ "lists": [expected.clone()] }));
    let listed = office.send(Request::new("GET", LISTS)).await.json();
    assert_eq!((office.decided(), listed), (Some(TrustListStep::List), imported));
    let shown = office.send(Request::new("GET", &one)).await.json();
    assert_eq!(office.decided(), Some(TrustListStep::Show { list: LIST }));
    let mut more = expected;
    more["changes"] = json!([{ "what": "added", "of": "anchor", "id": "ab", "detail": "CN=甲" }]);
    more["signed"] = json!({ "payload": "e30", "signatures": [] });
    assert_eq!(shown, more);

    let to_sign = format!("{one}/to-sign");
    let octets = office.post(&to_sign, &json!({ "step": "approve", "fingerprint": "ab cd" })).await.json();
    let step = TrustListStep::ToApprove { list: LIST, paper: Some("ab cd".into()) };
    assert_eq!((octets, office.decided()), (json!({ "to_sign": "BwgJ" }), Some(step)));
    office.post(&to_sign, &json!({ "step": "refuse" })).await.json();
    assert_eq!(office.decided(), Some(TrustListStep::ToRefuse { list: LIST }));
    office.post(&format!("{one}/approval"), &json!({ "signature": "AAAA", "fingerprint": null })).await.json();
    assert_eq!(office.decided(), Some(TrustListStep::Approve { list: LIST, paper: None, signature: vec![0; 3] }));
    office.post(&format!("{one}/refusal"), &json!({ "signature": "AAAA" })).await.json();
    assert_eq!(office.decided(), Some(TrustListStep::Refuse { list: LIST, signature: vec![0; 3] }));
    office.send(Request::new("POST", &format!("{one}/activation"))).await.json();
    assert_eq!(office.decided(), Some(TrustListStep::Activate { list: LIST }));
}

#[tokio::test]
async fn fields_are_refused_by_name() {
    let office = Office::open().await;
    let one = format!("{LISTS}/{}", "ab".repeat(32));
    let (to_sign, approval, refusal) = (format!("{one}/to-sign"), format!("{one}/approval"), format!("{one}/refusal"));
    let long = "a".repeat(129);
    let refused = [
        (&to_sign, json!({}), "field-missing"),
        (&to_sign, json!({ "step": "activate" }), "field-malformed"),
        (&to_sign, json!({ "step": "refuse", "fingerprint": "ab" }), "field-malformed"),
        (&to_sign, json!({ "step": "approve", "fingerprint": long }), "field-malformed"),
        (&to_sign, json!({ "step": "approve", "reason": "x" }), "field-unknown"),
        (&approval, json!({ "fingerprint": "ab" }), "field-missing"),
        (&approval, json!({ "signature": "A" }), "field-malformed"),
        (&refusal, json!({ "signature": "AAAA", "fingerprint": "ab" }), "field-unknown"),
    ];
    for (path, body, code) in refused {
        office.post(path, &body).await.assert_refused(400, code);
    }
    for path in ["x".to_owned(), "ab".repeat(31), "zz".repeat(32)] {
        let answer = office.send(Request::new("GET", &format!("{LISTS}/{path}"))).await;
        answer.assert_refused(400, "identifier-malformed");
    }
    let text = office.send(Request::new("POST", LISTS).body("text/plain", b"{}")).await;
    text.assert_refused(415, "content-type-refused");
    assert_eq!(office.decided(), None);
}
