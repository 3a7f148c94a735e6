//! Persons who sign, over HTTP: what reaches the use case, and each fault of the form.

use crate::client::{Request, Server};

pub(crate) type Parts = Vec<(&'static str, Option<&'static str>, &'static [u8])>;

pub(crate) fn parts() -> Parts {
    vec![
        ("file", Some("a.ofd"), b"PK"),
        ("handwriting", Some("hand.png"), b"png"),
        ("page", None, b"2"),
        ("x", None, b"30"),
        ("y", None, b"40.5"),
        ("width", None, b"40"),
        ("height", None, b"15"),
        ("name", None, "样章人".as_bytes()),
        ("person", None, b"p-1"),
        ("level", None, b"4"),
        ("procedure", None, b"live-face"),
        ("proven-at", None, b"2026-11-22T23:59:00Z"),
    ]
}

fn signing(parts: &Parts) -> Request {
    Request::new("POST", "/api/v1/person-signatures").header("idempotency-key", "key-1").form(parts)
}

#[tokio::test]
async fn all_that_is_stated_reaches_the_use_case() {
    let server = Server::start().await;
    let answer = server.send(&signing(&parts()).signed(&server.caller)).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/ofd"));
    assert_eq!(answer.headers["yinxin-signature-id"], "act-1");
    let told = String::from_utf8(answer.body).unwrap();
    let expected = "PK|at pages=2 x=30 y=40.5 (40, 15) StatedPerson { name: \"样章人\", \
                    person: \"p-1\", level: AssuranceLevel(4), procedure: \"live-face\", proven_at: 2026-11-22T23:59:00Z } 3 \
                    Some(\"key-1\")";
    assert_eq!(told, expected);
    let json = signing(&parts()).header("accept", "application/json").signed(&server.caller);
    assert_eq!(server.send(&json).await.json()["signature"], "act-1");
}

#[tokio::test]
async fn each_fault_of_the_form_is_refused_by_name() {
    let server = Server::start().await;
    for (name, ..) in parts() {
        let mut without = parts();
        without.retain(|(known, ..)| *known != name);
        let answer = server.send(&signing(&without).signed(&server.caller)).await;
        assert_eq!(answer.refusal(), (400, "field-missing".to_owned()), "{name}");
        let mut twice = parts();
        let again = twice.iter().find(|(known, ..)| *known == name).copied().unwrap();
        twice.push(again);
        let answer = server.send(&signing(&twice).signed(&server.caller)).await;
        assert_eq!(answer.refusal(), (400, "field-repeated".to_owned()), "{name}");
    }
    let wrong: [(&str, &[u8]); 9] = [
        ("page", b"0"),
        ("x", b"NaN"),
        ("y", b"1e1"),
        ("width", b"-1"),
        ("width", b"40.5"),
        ("height", b"70000"),
        ("level", b"0"),
        ("level", b"6"),
        ("proven-at", b"yesterday"),
    ];
    for (name, value) in wrong {
        let mut changed = parts();
        changed.iter_mut().filter(|(known, ..)| *known == name).for_each(|part| part.2 = value);
        let answer = server.send(&signing(&changed).signed(&server.caller)).await;
        assert_eq!(answer.refusal(), (400, "field-malformed".to_owned()), "{name}");
    }
    let mut more = parts();
    more.push(("lock", None, b"true"));
    server.send(&signing(&more).signed(&server.caller)).await.assert_refused(400, "field-unknown");
    let mut other = parts();
    other[0].2 = b"%PDF";
    server.send(&signing(&other).signed(&server.caller)).await.assert_refused(422, "not-ofd");
    let unkeyed = signing(&parts()).without("idempotency-key").signed(&server.caller);
    server.send(&unkeyed).await.assert_refused(428, "idempotency-key-missing");
    server.send(&signing(&parts())).await.assert_refused(401, "signature-missing");
}
