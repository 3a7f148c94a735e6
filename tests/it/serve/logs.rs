//! What the server writes about its work: lines for programs, and no secret in any of them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::process::has_curl;
use crate::serve::{Installation, NOTICE};

#[test]
fn logs_are_json_and_hold_no_secret() {
    if !has_curl() {
        return crate::skip("serve::logs_are_json_and_hold_no_secret", "curl");
    }
    let installation = Installation::new("serve-logs");
    const PASSPHRASE: &str = "a passphrase for this test only";
    // The most talkative level that anybody would run.
    let more = [("YINXIN_LOG__FORMAT", "json"), ("YINXIN_LOG__LEVEL", "debug"), ("YINXIN_PASSPHRASE", PASSPHRASE)];
    let running = installation.serve_with(&more);
    let client = installation.client(&running);
    const KEY: &str = "never-to-be-logged-4711";
    client.seal(Path::new(NOTICE), KEY).ok();
    client.seal(Path::new(NOTICE), KEY).ok();
    let reused = client.try_seal(Path::new(NOTICE), KEY, "80").unwrap();
    assert_eq!(reused.refusal(), (409, "idempotency-key-reused".into()));
    assert_eq!(client.call(&client.seal_path(), &[]).status, 401);
    let file = running.log.clone();
    assert_eq!(running.terminate().0, Some(0));

    let log = fs::read_to_string(file).unwrap();
    let lines =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    let requests = lines.filter(|line| line["fields"]["status"] == 200 || line["fields"]["status"] == "200").count();
    assert!(requests >= 2, "{log}");
    let home = installation.home();
    let key = fs::read_to_string(home.join("client/client.key")).unwrap();
    let key = key.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
    assert!(key.len() > 100, "the client's key was read");
    for secret in [PASSPHRASE, KEY, "PRIVATE KEY", "-----BEGIN", &key[..40], &key[key.len() - 40..]] {
        assert!(!log.contains(secret), "the log holds {secret:?}");
    }
}
