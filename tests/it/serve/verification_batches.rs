//! Files verified together in the background, across kills; and what is left of a public upload when the server is
//! killed: nothing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use yinxin::base::clock::SystemClock;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::EventBody;
use yinxin::domain::caller::Role;
use yinxin::service::Services;
use yinxin::service::keys::KeySource;
use yinxin::store::audit;

use crate::process::{Answer, has_curl};
use crate::serve::receipts::promised_in;
use crate::serve::requests::{call, headers, register};
use crate::serve::{Client, Installation, NOTICE};
use crate::store::postgres::Postgres;

const PATH: &str = "/api/v1/verification-batches";
const OCTETS: &str = "Content-Type: application/octet-stream";
/// Files that are still to be judged when the server is killed, as a rule.
const FILES: usize = 24;

#[test]
fn a_batch_survives_a_kill_on_sqlite() {
    if !has_curl() {
        return crate::skip("serve::a_batch_survives_a_kill_on_sqlite", "curl");
    }
    a_batch_survives_a_kill(&Installation::new("serve-batch"));
}

#[test]
fn a_batch_survives_a_kill_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::a_batch_survives_a_kill_on_postgresql", "PostgreSQL");
    };
    if !has_curl() {
        return crate::skip("serve::a_batch_survives_a_kill_on_postgresql", "curl");
    }
    a_batch_survives_a_kill(&Installation::on("serve-batch-postgres", &server.url));
}

fn create(client: &Client, key: &str, wish: &str) -> Answer {
    let key = format!("Idempotency-Key: {key}");
    client.call_as_caller(PATH, &["-H", &key, "-H", "Content-Type: application/json", "-d", wish])
}

fn put(client: &Client, path: &str, file: &Path) -> Answer {
    client.call_as_caller(path, &["-H", OCTETS, "-T", file.to_str().unwrap()])
}

fn all_judged(client: &Client, path: &str) -> Value {
    let started = Instant::now();
    loop {
        let batch = client.call_as_caller(&format!("{path}?limit=100"), &[]).json();
        if batch["state"] == "finished" {
            return batch;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{batch}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn a_batch_survives_a_kill(installation: &Installation) {
    let running = installation.serve();
    let client = installation.client(&running);
    let batch = create(&client, "one", r#"{"policy":"strict"}"#);
    assert_eq!(batch.status, 201, "{}", batch.text());
    let id = batch.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(create(&client, "one", r#"{"policy":"strict"}"#).json()["id"], id.as_str());
    assert_eq!(create(&client, "one", "{}").refusal(), (409, "idempotency-key-reused".to_owned()));
    assert_eq!(create(&client, "two", r#"{"policy":"none"}"#).refusal().1, "policy-unknown");
    let path = format!("{PATH}/{id}");
    let start = format!("{path}/start");
    assert_eq!(client.call_as_caller(&start, &["-X", "POST"]).refusal(), (422, "batch-empty".to_owned()));

    let sealed = installation.write("sealed.ofd", &client.seal(Path::new(NOTICE), "seal").ok());
    let (text, other) = (installation.write("text", b"no signature"), installation.write("other", b"another text"));
    for number in 0..FILES {
        let name = format!("{path}/files/{number}.ofd");
        assert_eq!(put(&client, &name, &sealed).status, 200, "{name}");
    }
    let again = put(&client, &format!("{path}/files/0.ofd"), &sealed);
    assert_eq!((again.status, &again.json()["files"]), (200, &FILES.into()));
    assert_eq!(put(&client, &format!("{path}/files/0.ofd"), &other).refusal(), (409, "batch-file-differs".to_owned()));
    assert_eq!(put(&client, &format!("{path}/files/text"), &text).status, 200);
    let original = |name: &str| format!("{path}/files/{name}/original");
    assert_eq!(put(&client, &original("none"), &text).refusal(), (404, "unknown-batch-file".to_owned()));
    for _ in 0..2 {
        assert_eq!(put(&client, &original("text"), &other).status, 200);
    }
    assert_eq!(put(&client, &original("text"), &text).refusal(), (409, "batch-file-differs".to_owned()));

    // What lies there is for its owner alone.
    let folder = installation.home().join("batches").join(&id);
    let permissions = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&folder).unwrap().permissions());
    assert_eq!(permissions & 0o777, 0o700);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "equal contents lie there once");

    let kept = installation.path("headers");
    let with_headers = ["-X", "POST", "-D", kept.to_str().unwrap()];
    let started = client.call_as_caller(&start, &with_headers);
    let receipts = promised_in(&kept);
    assert_eq!(receipts.len(), 1);
    assert_eq!((started.status, &started.json()["state"]), (202, &"running".into()), "{}", started.text());
    running.kill();
    let running = installation.serve();
    let client = installation.client(&running);
    let batch = all_judged(&client, &path);
    assert_eq!((&batch["files"], &batch["judged"]), (&(FILES + 1).into(), &(FILES + 1).into()));
    let results = batch["results"].as_array().unwrap();
    assert_eq!((results.len(), &batch["next"]), (FILES + 1, &Value::Null));
    for (number, result) in results.iter().take(FILES).enumerate() {
        assert_eq!((&result["name"], &result["report"]["file"]), (&format!("{number}.ofd").into(), &result["name"]));
        assert_eq!(result["report"]["policy"]["name"], "strict");
        assert_eq!(result["indication"], result["report"]["indication"]);
        assert_eq!(result["report"]["signatures"][0]["signature"]["status"], "ok");
    }
    assert_eq!(results[FILES]["indication"], "REFUSED");
    let page = client.call_as_caller(&format!("{path}?after=2&limit=3"), &[]).json();
    assert_eq!((&page["results"][0]["name"], &page["next"]), (&"2.ofd".into(), &5.into()));
    assert_eq!(put(&client, &format!("{path}/files/late"), &text).refusal(), (409, "batch-not-open".to_owned()));
    // Another process gives the receipt of the start again.
    let again = client.call_as_caller(&start, &with_headers);
    assert_eq!((again.status, &again.json()["state"]), (202, &"finished".into()));
    assert_eq!(promised_in(&kept), receipts);

    // A stranger sees nothing; a forgotten batch is no more, on the disk neither.
    assert_eq!(client.call(&path, &[]).refusal().0, 401);
    assert_eq!(client.call_as_caller(&format!("{path}?limit=101"), &[]).refusal(), (400, "field-malformed".to_owned()));
    assert_eq!(client.call_as_caller(&path, &["-X", "DELETE"]).status, 204);
    assert_eq!(client.call_as_caller(&path, &[]).refusal(), (404, "unknown-verification-batch".to_owned()));
    assert_eq!(client.call_as_caller(&path, &["-X", "DELETE"]).refusal().0, 404);
    assert!(!folder.exists());
    assert_eq!(running.terminate().0, Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(events_tell_it_once(&installation.url(), &installation.home(), (&id, &sealed)));
}

/// Each file is verified by one event, whatever was killed.
async fn events_tell_it_once(url: &str, home: &Path, (id, sealed): (&str, &Path)) {
    let source = KeySource::File { path: home.join("key-encryption.key"), create: false };
    let services = Services::open(url, &source, std::sync::Arc::new(SystemClock), std::sync::Arc::new(SystemRandom));
    let services = services.await.unwrap();
    let events = services.store.read(|tx| Box::pin(audit::read(tx, 0, 10_000))).await.unwrap();
    let sealed = sm3(&fs::read(sealed).unwrap());
    let (mut verified, mut told) = (0, Vec::new());
    for (_, event) in events {
        match event.body {
            EventBody::DocumentVerified { document_sm3, .. } if document_sm3 == sealed => verified += 1,
            EventBody::VerificationBatchStarted { batch, files, policy } => {
                assert_eq!((batch.as_str(), files, policy.as_str()), (id, u64::try_from(FILES + 1).unwrap(), "strict"));
                told.push("started");
            }
            EventBody::VerificationBatchFinished { batch, files } => {
                assert_eq!((batch.as_str(), files), (id, u64::try_from(FILES + 1).unwrap()));
                told.push("finished");
            }
            EventBody::VerificationBatchForgotten { batch } => {
                assert_eq!(batch.as_str(), id);
                told.push("forgotten");
            }
            _ => {}
        }
    }
    assert_eq!((verified, told), (FILES, vec!["started", "finished", "forgotten"]));
    services.store.close().await;
}

/// To everybody else a batch is none: it is not seen, not changed, not started, not forgotten.
#[test]
fn a_batch_is_its_owners_alone() {
    if !has_curl() {
        return crate::skip("serve::a_batch_is_its_owners_alone", "curl");
    }
    let installation = Installation::new("serve-batch-owner");
    assert_eq!(installation.serve().terminate().0, Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (other, _) = runtime.block_on(register(&installation, Role::Verifier));
    let running = installation.serve();
    let client = installation.client(&running);
    let id = create(&client, "one", "{}").json()["id"].as_str().unwrap().to_owned();
    let path = format!("{PATH}/{id}");
    let text = installation.write("text", b"no signature");
    assert_eq!(put(&client, &format!("{path}/files/text"), &text).status, 200);
    let none = (404, "unknown-verification-batch".to_owned());
    for (method, path, body) in [
        ("GET", path.clone(), None),
        ("POST", format!("{path}/start"), None),
        ("PUT", format!("{path}/files/mine"), Some("mine")),
        ("PUT", format!("{path}/files/text/original"), Some("mine")),
        ("DELETE", path.clone(), None),
    ] {
        let url = format!("{}{path}", client.base);
        let signed = headers(&other, method, &url, body.map(str::as_bytes));
        let mut more = vec!["-X", method];
        if let Some(body) = body {
            more.extend(["-H", OCTETS, "--data-binary", body]);
        }
        assert_eq!(call(&client, &path, &signed, &more).refusal(), none, "{method} {path}");
    }
    let batch = client.call_as_caller(&path, &[]).json();
    assert_eq!((&batch["state"], &batch["files"]), (&"open".into(), &1.into()));
    // The same key names another batch for another caller.
    let (url, wish) = (format!("{}{PATH}", client.base), "{}");
    let signed = headers(&other, "POST", &url, Some(wish.as_bytes()));
    let own = ["-H", "Idempotency-Key: one", "-H", "Content-Type: application/json", "--data-binary", wish];
    let own = call(&client, PATH, &signed, &own);
    assert_eq!(own.status, 201, "{}", own.text());
    assert_ne!(own.json()["id"], id.as_str());
    assert_eq!(running.terminate().0, Some(0));
}

/// Content that has been damaged is said to be lost, and is never judged.
#[test]
fn a_damaged_content_is_not_judged() {
    if !has_curl() {
        return crate::skip("serve::a_damaged_content_is_not_judged", "curl");
    }
    let installation = Installation::new("serve-batch-damaged");
    let running = installation.serve();
    let client = installation.client(&running);
    let id = create(&client, "one", "{}").json()["id"].as_str().unwrap().to_owned();
    let path = format!("{PATH}/{id}");
    assert_eq!(put(&client, &format!("{path}/files/a.ofd"), Path::new(NOTICE)).status, 200);
    let folder = installation.home().join("batches").join(&id);
    let content = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    fs::write(&content, b"something else").unwrap();
    assert_eq!(client.call_as_caller(&format!("{path}/start"), &["-X", "POST"]).status, 202);
    let batch = all_judged(&client, &path);
    assert_eq!((&batch["results"][0]["indication"], &batch["results"][0]["report"]), (&"LOST".into(), &Value::Null));
    // A folder that no batch names goes with the next start.
    let nobody = installation.home().join("batches/nobody");
    fs::create_dir(&nobody).unwrap();
    assert_eq!(running.terminate().0, Some(0));
    let running = installation.serve();
    let started = Instant::now();
    while nobody.exists() {
        assert!(started.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(folder.exists());
    assert_eq!(running.terminate().0, Some(0));
}

/// A public upload is cut off in its middle by a kill: no file of the installation holds any of it.
#[test]
fn nothing_of_a_public_upload_outlives_a_kill() {
    if !has_curl() {
        return crate::skip("serve::nothing_of_a_public_upload_outlives_a_kill", "curl");
    }
    let installation = Installation::new("serve-upload-kill");
    let running = installation.serve();
    let client = installation.client(&running);
    let mark = b"a-mark-of-a-stranger-0123456789";
    let file = installation.write("large", &mark.repeat(400_000));
    let upload = std::thread::spawn(move || {
        let from = format!("@{}", file.display());
        client.try_call("/api/v1/verifications", &["-H", OCTETS, "--limit-rate", "3M", "--data-binary", &from])
    });
    // Until some of it has come: then the folder of uploads still shows nothing.
    let spool = installation.home().join("spool");
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!upload.is_finished());
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
    running.kill();
    assert_eq!(upload.join().unwrap(), None);
    let mut folders = vec![installation.home()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).unwrap();
                assert!(!content.windows(mark.len()).any(|window| window == mark), "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 3, "{seen}");
    let log = fs::read(installation.home().with_extension("log")).unwrap();
    assert!(!log.windows(mark.len()).any(|window| window == mark));
}

/// The commands of docs/verify.md, as they stand there.
#[test]
fn the_examples_of_the_manual_work() {
    if !has_curl() {
        return crate::skip("serve::the_examples_of_the_manual_work", "curl");
    }
    let installation = Installation::new("serve-manual");
    let running = installation.serve();
    let client = installation.client(&running);
    installation.write("contract.ofd", &fs::read(NOTICE).unwrap());
    installation.write("letter.ofd", &fs::read(NOTICE).unwrap());
    installation.write("value.p7s", b"0");
    installation.write("letter.txt", b"a letter");
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify.md")).unwrap();
    let file = |name: &str| installation.home().join(name).to_str().unwrap().to_owned();
    let mut told = Vec::new();
    for block in manual.split("```sh\n").skip(1) {
        let commands =
            block.split("```").next().unwrap().replace("curl ", "curl --noproxy '*' --fail-with-body -w '\\n' ");
        let output = Command::new("sh")
            .args(["-eu", "-c", &commands])
            .current_dir(installation.home().parent().unwrap())
            .env("BASE", &client.base)
            .env("CA", file("tls/server.pem"))
            .env("CERT", file("client/client.pem"))
            .env("KEY", file("client/client.key"))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{commands}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        told.extend(
            said.lines()
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_str(line).unwrap())
                .collect::<Vec<Value>>(),
        );
    }
    assert_eq!(told[0]["indication"], "NO_SIGNATURE_FOUND");
    assert_eq!((told[1].as_array().unwrap().len(), &told[1][1]["file"]), (2, &"letter.ofd".into()));
    assert_eq!(told[2]["file"], "value.p7s");
    // Three files are put, then the batch is started and looked at; the DELETE says nothing.
    assert_eq!(told.len(), 9, "{told:?}");
    assert_eq!((&told[6]["files"], &told[7]["files"]), (&2.into(), &2.into()));
    assert_eq!(running.terminate().0, Some(0));
}
