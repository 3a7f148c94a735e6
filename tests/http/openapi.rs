//! The description of the API: as committed, and complete.

use std::path::Path;

use yinxin::http::access::{Access, SHIPPED, Table};

use crate::client::{Request, Server};

#[tokio::test]
async fn the_description_is_the_committed_one_and_names_every_endpoint() {
    let server = Server::start().await;
    let answer = server.send(&Request::new("GET", "/api/openapi.json")).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/json"));
    let served = answer.json();
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1."), "{}", served["openapi"]);
    for rule in Table::parse(SHIPPED).unwrap().rules() {
        let operation = &served["paths"][&rule.path][rule.method.to_lowercase()];
        assert!(operation.is_object(), "{} {}", rule.method, rule.path);
        let responses = operation["responses"].as_object().unwrap();
        // OpenAPI 3.1, "Response Object": the description is required.
        assert!(!responses.is_empty() && responses.values().all(|r| r["description"].is_string()), "{responses:?}");
        match rule.access {
            Access::Caller => assert_eq!(operation["security"][1]["messageSignature"], serde_json::json!(rule.roles)),
            _ => assert!(operation["security"].is_null()),
        }
    }
    let text = format!("{}\n", String::from_utf8(answer.body).unwrap().trim_end());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/openapi.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "run with UPDATE=1");
}
