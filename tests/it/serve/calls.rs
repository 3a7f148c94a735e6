//! Every endpoint, the refusals of strangers, both kinds of loopback, and a restart that changes nothing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use yinxin::service::tampering::change_one_byte;

use crate::process::{has_curl, try_curl};
use crate::serve::{Installation, NOTICE};
use crate::store::postgres::Postgres;

#[test]
fn every_endpoint_on_sqlite() {
    if !has_curl() {
        return crate::skip("serve::every_endpoint_on_sqlite", "curl");
    }
    every_endpoint(&Installation::new("serve"));
}

#[test]
fn every_endpoint_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::every_endpoint_on_postgresql", "PostgreSQL");
    };
    if !has_curl() {
        return crate::skip("serve::every_endpoint_on_postgresql", "curl");
    }
    every_endpoint(&Installation::on("serve-postgres", &server.url));
}

fn every_endpoint(installation: &Installation) {
    let running = installation.serve();
    let client = installation.client(&running);
    assert_eq!(client.call("/healthz", &[]).ok(), b"ok\n");
    assert_eq!(client.call("/readyz", &[]).ok(), b"ready\n");
    let description: Value = serde_json::from_slice(&client.call("/api/openapi.json", &[]).ok()).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    let home = installation.home();
    let by_v6 = format!("https://[::1]:{}/readyz", running.v6);
    assert_eq!(try_curl(&home.join("tls/server.pem"), &[&by_v6]).unwrap().ok(), b"ready\n");
    let by_v4 = format!("https://127.0.0.1:{}/readyz", running.v4);
    assert_eq!(try_curl(&home.join("tls/server.pem"), &[&by_v4]).unwrap().ok(), b"ready\n");

    // Strangers.
    let signatures = format!("{}/signatures", client.seal_path());
    assert_eq!(client.call(&client.seal_path(), &[]).refusal(), (401, "signature-missing".into()));
    let file = format!("file=@{NOTICE}");
    let form = ["-F", &file, "-F", "page=3", "-F", "x=10", "-F", "y=10", "-H", "Idempotency-Key: k"];
    assert_eq!(client.call(&signatures, &form).refusal(), (401, "signature-missing".into()));
    let stranger = yinxin::http::tls::development_client("stranger", now()).unwrap();
    let certificate = installation.write("stranger.pem", stranger.certificate_pem.as_bytes());
    let key = installation.write("stranger.key", stranger.key_pem.expose());
    let own = ["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
    assert_eq!(client.call(&client.seal_path(), &own).refusal(), (401, "key-unknown".into()));

    // The seal, a document sealed with it, and the verdict.
    let status: Value = serde_json::from_slice(&client.call_as_caller(&client.seal_path(), &[]).ok()).unwrap();
    assert_eq!(
        (&status["id"], &status["state"], &status["es_id"]),
        (&json!(client.seal), &json!("active"), &json!("99000000000001"))
    );
    assert_eq!(client.call_as_caller("/api/v1/seals/none", &[]).refusal(), (404, "unknown-seal".into()));
    let sealed = client.seal(Path::new(NOTICE), "first");
    assert_eq!(sealed.kind, "application/ofd");
    let sealed = installation.write("sealed.ofd", &sealed.ok());
    let report = client.verify(&sealed);
    assert_eq!((&report["indication"], &report["signatures"].as_array().unwrap().len()), (&json!("TOTAL_PASSED"), &1));
    assert_eq!(report["trust"]["notice"], "DEVELOPMENT TRUST");
    let tampered = change_one_byte(&fs::read(&sealed).unwrap()).unwrap();
    let report = client.verify(&installation.write("tampered.ofd", &tampered.document));
    assert_eq!(
        (&report["indication"], &report["signatures"][0]["sub_indication"]),
        (&json!("TOTAL_FAILED"), &json!("HASH_FAILURE"))
    );
    assert_eq!(report["signatures"][0]["details"]["bad_references"], json!([tampered.part]));

    // The same key again, with the same and with another content.
    let bytes = fs::read(&sealed).unwrap();
    assert_eq!(client.seal(Path::new(NOTICE), "first").ok(), bytes);
    let moved = client.try_seal(Path::new(NOTICE), "first", "80").unwrap();
    assert_eq!(moved.refusal(), (409, "idempotency-key-reused".into()));
    let outside = client.try_seal(Path::new(NOTICE), "outside", "900").unwrap();
    assert_eq!(outside.refusal(), (422, "stamp-outside".into()));
    let metrics = client.call("/metrics", &[]).ok();
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(
        metrics.contains("yinxin_http_requests_total{") && metrics.contains("route=\"/api/v1/seals/{id}/signatures\""),
        "{metrics}"
    );

    // A restart changes nothing.
    let client_key = fs::read(home.join("client/client.key")).unwrap();
    let (code, time) = running.terminate();
    assert_eq!(code, Some(0));
    assert!(time < Duration::from_secs(20), "{time:?}");
    let running = installation.serve();
    let again = installation.client(&running);
    assert_eq!(again.seal, client.seal);
    assert_eq!(fs::read(home.join("client/client.key")).unwrap(), client_key);
    assert_eq!(serde_json::from_slice::<Value>(&again.call_as_caller(&again.seal_path(), &[]).ok()).unwrap(), status);
    assert_eq!(again.seal(Path::new(NOTICE), "first").ok(), bytes);
    assert_eq!(again.verify(&sealed)["indication"], "TOTAL_PASSED");
    // A further signature goes beside the first.
    let twice = again.try_seal(&sealed, "second", "80").unwrap();
    let twice = installation.write("twice.ofd", &twice.ok());
    assert_eq!(again.verify(&twice)["signatures"].as_array().unwrap().len(), 2);
    assert_eq!(running.terminate().0, Some(0));
}

fn now() -> yinxin::base::clock::Timestamp {
    use yinxin::base::clock::{Clock, SystemClock};
    SystemClock.now()
}
