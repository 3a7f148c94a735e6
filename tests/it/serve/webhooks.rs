//! Notices through the built program: the receiver of docs/webhooks.md hears of a seal that is let rest over HTTPS, a kill
//! between sending and noting repeats a notice, and what was given up is sent again at the command line.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::base::random::SystemRandom;
use yinxin::crypto::{PublicKey, Signer as _, sm2};
use yinxin::service::outside::exchange::{content_digest, key_id};

use crate::process::has_curl;
use crate::serve::Installation;
use crate::serve::manual::{Place, absent, blocks};

#[track_caller]
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(240), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The receiver of the manual. It is killed when the test ends.
struct Manual(Child);

impl Manual {
    /// Nothing where Python and its packages are not here.
    fn start(installation: &Installation, url: &str, port: u16) -> Option<Self> {
        let python = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/venv/bin/python");
        if !python.exists() {
            return None;
        }
        let manual = include_str!("../../../docs/webhooks.md");
        let script = manual.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
        installation.write("receiver.py", script.as_bytes());
        let mut command = Command::new(python);
        command.args(["receiver.py", &port.to_string(), url, "keys.pem", "notices.jsonl"]);
        Some(Self(command.current_dir(installation.folder.path()).stdout(Stdio::null()).spawn().unwrap()))
    }
}

impl Drop for Manual {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One receiver for each algorithm, so that each is verified.
fn configured(url: &str) -> String {
    let one = |algorithm: &str| {
        format!("{{name = '{algorithm}', url = '{url}', algorithm = '{algorithm}', give_up_after_hours = 1}}")
    };
    format!("[{}]", ["sm2", "ecdsa-p256", "ed25519"].map(one).join(", "))
}

#[test]
fn the_receiver_of_the_manual_hears_of_a_seal_that_rests() {
    let name = "serve::the_receiver_of_the_manual_hears_of_a_seal_that_rests";
    if let Some(needed) = absent() {
        return crate::skip(name, needed);
    }
    let installation = Installation::new("serve-webhooks");
    let (port, at) = (free_port(), installation.path("notices.jsonl"));
    let url = format!("http://127.0.0.1:{port}/notices");
    let running = installation.serve_with(&[("YINXIN_WEBHOOKS", &configured(&url))]);
    let (client, place) = (installation.client(&running), Place(&installation));
    let mut keys = String::new();
    for algorithm in ["sm2", "ecdsa-p256", "ed25519"] {
        let said = place.done(&["seal-admin", "notices", "key", "--algorithm", algorithm]);
        let (id, pem) = said.split_once('\n').unwrap();
        assert!(id.starts_with("keyid ") && id.len() == 70, "{id}");
        assert_eq!(place.done(&["seal-admin", "notices", "key", "--algorithm", algorithm]), said);
        keys.push_str(pem);
    }
    // The same keys come by HTTPS.
    let told = client.call("/.well-known/yinxin-notice-keys", &[]).json();
    let told = told["keys"].as_array().unwrap().iter().map(|key| {
        assert_eq!(key["standing"], "present");
        key["pem"].as_str().unwrap()
    });
    assert_eq!(told.collect::<String>(), keys);
    installation.write("keys.pem", keys.as_bytes());
    place.seals_begin();
    place.shell(&client.base, blocks(include_str!("../../../docs/seals.md"))[0], &[]);
    // Nobody was there: everything waits.
    let listed = place.done(&["seal-admin", "notices", "list"]);
    assert_eq!((listed.lines().count(), listed.matches("configured\n").count()), (3, 3), "{listed}");
    let Some(receiver) = Manual::start(&installation, &url, port) else { return crate::skip(name, "Python peers") };
    let seals: Value = serde_json::from_str(&fs::read_to_string(installation.path("seals.json")).unwrap()).unwrap();
    let seal = seals["seals"][0]["id"].as_str().unwrap();
    let rest = format!(
        "ask() {{ curl -sS --cacert \"$CA\" --cert \"$1.pem\" --key \"$1.key\" --json \"$3\" \"$BASE/api/v1$2\"; }}\n\
         sign() {{ jq -r .to_sign | base64 -d | openssl dgst -sha256 -sign \"$1.key\" | base64 -w0 | jq -R \
         '{{signature: ., reason: \"owner-request\"}}'; }}\n\
         ask li /seals/{seal}/suspension \"$(ask li /seals/{seal}/to-sign '{{\"step\": \"suspend\", \"reason\": \
         \"owner-request\"}}' | sign li)\""
    );
    place.shell(&client.base, &rest, &[]);
    let read = || fs::read_to_string(&at).unwrap_or_default();
    let ended = |algorithm: &str| {
        let line = format!("\"receiver\": \"{algorithm}\"");
        read().lines().any(|notice| notice.contains(&line) && notice.contains("seal.suspended"))
    };
    wait_until("every receiver hears of it", || ["sm2-sm3", "ecdsa-p256-sha256", "ed25519"].into_iter().all(ended));
    let notices = read().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let of = |algorithm: &str| {
        let own = notices.iter().filter(|one| one["receiver"] == algorithm);
        own.map(|one| one["notice"]["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = [
        "application.submitted",
        "application.checked",
        "application.approved",
        "seal.made",
        "application.fulfilled",
        "seal.active",
        "seal.suspended",
    ];
    for algorithm in ["sm2-sm3", "ecdsa-p256-sha256", "ed25519"] {
        assert_eq!(of(algorithm), expected, "{algorithm}");
    }
    let last = notices.iter().rfind(|one| one["notice"]["type"] == "seal.suspended").unwrap();
    assert_eq!((&last["notice"]["seal"], &last["notice"]["reason"]), (&seal.into(), &"owner-request".into()));
    assert!(!read().contains("样章市") && !read().contains("99990000000000001F"), "{}", read());
    the_manual_refuses_what_is_not_ours(&url, &keys);
    let figures = || String::from_utf8(client.call("/metrics", &[]).ok()).unwrap();
    wait_until("it is counted", || figures().contains("yinxin_webhook_notices_total{receiver=\"ed25519\"} 7"));
    let figures = figures();
    assert!(figures.contains("yinxin_webhook_dead{receiver=\"sm2\"} 0"), "{figures}");
    // In time, whatever is under way.
    let (code, took) = running.terminate();
    assert!(code == Some(0) && took < Duration::from_secs(10), "{took:?}");
    drop(receiver);
}

/// Unsigned, changed, for another address, old, by another key: 400, each with its reason.
fn the_manual_refuses_what_is_not_ours(url: &str, keys: &str) {
    let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let ours = yinxin::service::outside::exchange::public_key_in(keys.as_bytes()).unwrap();
    let send = |target: &str, created: i64, id: &PublicKey, body: &str, digest: &str| {
        let parameters = format!(
            "(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\" \"webhook-id\");created={created};\
             nonce=\"{}\";keyid=\"{}\";alg=\"sm2-sm3\"",
            "0".repeat(32),
            key_id(id)
        );
        let base = format!(
            "\"@method\": POST\n\"@target-uri\": {target}\n\"content-digest\": {digest}\n\"content-type\": \
             application/json\n\"webhook-id\": 1\n\"@signature-params\": {parameters}"
        );
        let value = STANDARD.encode(key.sign(base.as_bytes(), &SystemRandom).unwrap());
        let fields = [
            "content-type: application/json".to_owned(),
            "webhook-id: 1".to_owned(),
            format!("content-digest: {digest}"),
            format!("signature-input: notice={parameters}"),
            format!("signature: notice=:{value}:"),
        ];
        posted(url, &fields, body)
    };
    let now = SystemClock.now().unix();
    let digest = content_digest(b"{}");
    let own = PublicKey::Sm2(key.public_key());
    assert_eq!(posted(url, &["content-type: application/json".to_owned()], "{}"), (400, "signature-input".into()));
    assert_eq!(send(url, now, &own, "{} ", &digest), (400, "content-digest".into()));
    assert_eq!(send(url, now - 400, &ours, "{}", &digest), (400, "created".into()));
    assert_eq!(send(url, now, &own, "{}", &digest), (400, "keyid".into()));
    assert_eq!(send(url, now, &ours, "{}", &digest), (400, "signature".into()));
}

/// Status and body of the answer.
fn posted(url: &str, fields: &[String], body: &str) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "--max-time", "30", "-w", "\n%{http_code}", "--data-binary", body, url]);
    for field in fields {
        command.args(["-H", field]);
    }
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let (text, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), text.to_owned())
}

/// The next notice that comes, whole, and its connection.
fn next_notice(listener: &TcpListener) -> (String, String, TcpStream) {
    listener.set_nonblocking(true).unwrap();
    let started = Instant::now();
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(_) => assert!(started.elapsed() < Duration::from_secs(120), "nothing comes"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut octets = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).unwrap();
        octets.extend_from_slice(&part[..count]);
        let text = String::from_utf8(octets.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let field = |name: &str| {
                let found = head.lines().find_map(|line| line.strip_prefix(name));
                found.unwrap().trim().to_owned()
            };
            if body.len() == field("content-length:").parse::<usize>().unwrap() {
                return (field("webhook-id:"), body.to_owned(), stream);
            }
        }
    }
}

#[test]
fn a_kill_between_sending_and_noting_repeats_the_notice() {
    if !has_curl() {
        return crate::skip("serve::a_kill_between_sending_and_noting_repeats_the_notice", "curl");
    }
    let installation = Installation::new("serve-webhooks-kill");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/notices", listener.local_addr().unwrap());
    let receiver = format!("[{{name = 'archive', url = '{url}', timeout_seconds = 2}}]");
    let more = [("YINXIN_WEBHOOKS", receiver.as_str())];
    let running = installation.serve_with(&more);
    let (client, place) = (installation.client(&running), Place(&installation));
    // It has begun behind the seals of development.
    wait_until("the receiver begins", || place.done(&["seal-admin", "notices", "list"]).starts_with("archive  next "));
    place.done(&["seal-admin", "suspend", &client.seal, "--reason", "authority-order"]);
    place.done(&["seal-admin", "resume", &client.seal]);
    let (first, body, stream) = next_notice(&listener);
    assert!(body.contains("\"type\":\"seal.suspended\"") && body.contains(&client.seal), "{body}");
    // The receiver has it, and nobody knows.
    running.kill();
    drop(stream);
    let running = installation.serve_with(&more);
    let (second, again, mut stream) = next_notice(&listener);
    assert_eq!((&second, &again), (&first, &body));
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    let (third, after, mut stream) = next_notice(&listener);
    assert!(third.parse::<u64>().unwrap() > first.parse::<u64>().unwrap());
    assert!(after.contains("\"type\":\"seal.resumed\""), "{after}");
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert_eq!(running.terminate().0, Some(0));
}

/// What was given up is a row that somebody looks at beside the service, or without it.
#[test]
fn what_was_given_up_is_shown_and_sent_again_at_the_command_line() {
    let installation = Installation::new("serve-webhooks-dead");
    let running = installation.serve();
    let place = Place(&installation);
    let database = installation.home().join("yinxin.db");
    let script = "INSERT INTO webhook_places VALUES ('archive', 9, 0, NULL, NULL, NULL, 1); \
                  INSERT INTO dead_notices VALUES \
                  ('archive', 7, 'seal.revoked', '{\"version\":1}', 'answer-status', 9, 1000, 90000, 0, 0, NULL, NULL, 1), \
                  ('archive', 8, 'seal.made', NULL, 'row-changed', 0, 1000, 1000, 0, 0, NULL, NULL, 1);";
    written(&database, script);
    let listed = place.done(&["seal-admin", "notices", "list"]);
    assert!(
        listed.starts_with("archive  next 9  behind ") && listed.ends_with("given up 2  not-configured\n"),
        "{listed}"
    );
    let first = "archive  7  seal.revoked  answer-status  attempts 9  1970-01-01T00:16:40Z  1970-01-02T01:00:00Z\n";
    let dead = place.done(&["seal-admin", "notices", "list", "--receiver", "archive"]);
    assert!(dead.starts_with(first) && dead.lines().count() == 2, "{dead}");
    let shown: Value = serde_json::from_str(&place.done(&["seal-admin", "notices", "show", "archive", "7"])).unwrap();
    assert_eq!((&shown["body"], &shown["sent_again"]), (&"{\"version\":1}".into(), &false.into()));
    let resent = place.done(&["seal-admin", "notices", "resend", "archive", "7"]);
    assert_eq!(resent, first.replace('\n', "  sent again\n"));
    assert_eq!(
        place.done(&["seal-admin", "notices", "resend", "archive", "--all"]).matches("  sent again\n").count(),
        2
    );
    let mut command = crate::process::program();
    command.env("YINXIN_DATA_DIR", installation.home()).env("YINXIN_LOG__LEVEL", "error");
    command.args(["seal-admin", "notices", "show", "archive", "9"]);
    let refused = command.output().unwrap();
    let expected = "error: no notice of that event was given up for that receiver (unknown-notice)\n";
    assert_eq!((refused.status.code(), String::from_utf8(refused.stderr).unwrap()), (Some(4), expected.to_owned()));
    assert_eq!(running.terminate().0, Some(0));
}

fn written(database: &Path, script: &str) {
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{}", database.display())).await.unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(script.to_owned()))).await.unwrap();
        connection.close().await.unwrap();
    });
}
