//! Receipts over HTTPS, on both databases: each opens its own event, is evidence for the program until its promise is due, and is
//! given again with a repeated answer, by another process too.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::checkpoint::Verifier;
use yinxin::domain::audit::promise::Promise;
use yinxin::domain::audit::{Entry, Event, EventBody};
use yinxin::format::tlog::Receipt;

use crate::process::{has_curl, program};
use crate::serve::audit_log::{keys, until};
use crate::serve::{Client, Installation, NOTICE};
use crate::store::postgres::Postgres;

#[test]
fn receipts_over_http_on_sqlite() {
    if !has_curl() {
        return crate::skip("serve::receipts::receipts_over_http_on_sqlite", "curl");
    }
    receipts_over_http(&Installation::new("serve-receipts"));
}

#[test]
fn receipts_over_http_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::receipts::receipts_over_http_on_postgresql", "PostgreSQL");
    };
    if !has_curl() {
        return crate::skip("serve::receipts::receipts_over_http_on_postgresql", "curl");
    }
    receipts_over_http(&Installation::on("serve-receipts-postgres", &server.url));
}

/// The receipts among the header fields that curl kept, as texts.
pub(super) fn receipts_in(headers: &Path) -> Vec<String> {
    let text = fs::read_to_string(headers).unwrap();
    let values = text.lines().filter_map(|line| line.strip_prefix("yinxin-receipt: "));
    values.map(|value| String::from_utf8(STANDARD.decode(value.trim()).unwrap()).unwrap()).collect()
}

/// Index and entry of each receipt among them.
pub(super) fn promised_in(headers: &Path) -> Vec<(u64, Entry)> {
    let promise = |text: &String| Promise::parse(Receipt::parse(text.as_bytes()).unwrap().note.text).unwrap();
    receipts_in(headers).iter().map(promise).map(|promise| (promise.index, promise.entry)).collect()
}

/// What a receipt promises and opens: both are of the same entry.
pub(super) fn opened(text: &str, keys: &[Verifier]) -> (Promise, Event) {
    let receipt = Receipt::parse(text.as_bytes()).unwrap();
    let promise = Promise::verified(&receipt.note, &[keys[0].clone()]).unwrap();
    let extra = receipt.extra.unwrap();
    let (salt, event) = extra.split_first_chunk::<32>().unwrap();
    assert_eq!(promise.entry, Entry::of_der(event, salt).unwrap());
    (promise, Event::from_der(event).unwrap())
}

/// Seals a file: the sealed file, and the receipts that came with it.
fn sealed(installation: &Installation, client: &Client, (key, x): (&str, &str)) -> (Vec<u8>, Vec<String>) {
    sealed_with(client, (key, x), &installation.path("headers"))
}

/// As [`sealed`], with that file for the header fields.
fn sealed_with(client: &Client, (key, x): (&str, &str), headers: &Path) -> (Vec<u8>, Vec<String>) {
    let (file, key, x) = (format!("file=@{NOTICE}"), format!("Idempotency-Key: {key}"), format!("x={x}"));
    let form = ["-F", &file, "-F", "page=3", "-F", &x, "-F", "y=211.682", "-H", &key, "-D", headers.to_str().unwrap()];
    let answer = client.call_as_caller(&format!("{}/signatures", client.seal_path()), &form);
    (answer.ok(), receipts_in(headers))
}

fn receipts_over_http(installation: &Installation) {
    let running = installation.serve();
    let client = installation.client(&running);
    let keys = keys(&client);
    let (document, first) = sealed(installation, &client, ("one", "124"));
    let read = |texts: &[String]| texts.iter().map(|text| opened(text, &keys)).collect::<Vec<_>>();
    let told = read(&first);
    let classes = told.iter().map(|(_, event)| event.class().name()).collect::<Vec<_>>();
    assert_eq!(classes, ["signing-intended", "document-signed"]);
    let EventBody::DocumentSigned { result_sm3, .. } = &told[1].1.body else { panic!() };
    assert_eq!(*result_sm3, sm3(&document));
    what_the_program_says(installation, &keys, (&document, &first[1]), &told[1].0);

    // The answer was lost: it comes again, with receipts of the same entries, and nothing is written.
    let same = |texts: &[String]| {
        let again = read(texts);
        assert_eq!(again.len(), told.len());
        for ((promise, event), (before, was)) in again.iter().zip(&told) {
            assert_eq!((promise.index, &promise.entry, event), (before.index, &before.entry, was));
            assert!(promise.before >= before.before);
        }
    };
    let (again, receipts) = sealed(installation, &client, ("one", "124"));
    assert_eq!(again, document);
    same(&receipts);
    let (_, other) = sealed(installation, &client, ("two", "10"));
    let next = read(&other)[0].0.index;
    // The same request ten times at once: one answer, with receipts of the same entries.
    let at_once = std::thread::scope(|scope| {
        let asked = (0..10).map(|number| {
            let headers = installation.path(&format!("headers-{number}"));
            let client = &client;
            scope.spawn(move || sealed_with(client, ("ten", "20"), &headers))
        });
        let asked = asked.collect::<Vec<_>>();
        asked.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    let entries = |texts: &[String]| {
        read(texts).into_iter().map(|(promise, event)| (promise.index, promise.entry, event)).collect::<Vec<_>>()
    };
    let (one, ones) = (&at_once[0].0, entries(&at_once[0].1));
    assert_eq!(ones.len(), 2);
    for (document, receipts) in &at_once {
        assert!(document == one);
        assert_eq!(entries(receipts), ones);
    }
    assert!(next > told[1].0.index);
    until("the leaves", || {
        let proof = client.call_as_caller(&format!("/api/v1/log/events/{next}/proof"), &[]);
        (proof.status == 200).then_some(())
    });
    same(&sealed(installation, &client, ("one", "124")).1);
    assert_eq!(running.terminate().0, Some(0));

    // Another process, which holds nothing of it in memory.
    let running = installation.serve();
    let (again, receipts) = sealed(installation, &installation.client(&running), ("one", "124"));
    assert_eq!(again, document);
    same(&receipts);
    assert_eq!(running.terminate().0, Some(0));
}

/// A receipt beside the document: a promise while it is ahead, nothing from then on.
fn what_the_program_says(
    installation: &Installation,
    keys: &[Verifier],
    (document, receipt): (&[u8], &str),
    promise: &Promise,
) {
    let file = installation.write("sealed.ofd", document);
    let folder = installation.path("receipts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("one.receipt"), receipt).unwrap();
    let keys = keys.iter().map(|key| format!("{}\n", key.to_vkey())).collect::<String>();
    let keys = installation.write("log.keys", keys.as_bytes());
    let logged = |at: String, policy: &str| {
        let mut command = program();
        command.args(["verify", "--json", "--policy", policy, "--at", &at, "--evidence"]).arg(&folder);
        let output = command.arg("--log-key").arg(&keys).arg(&file).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let first = &report["signatures"][0];
        let is_refused = first["reasons"].as_array().unwrap().iter().any(|reason| reason["code"] == "receipt-missing");
        (first["logged"]["code"].as_str().unwrap().to_owned(), is_refused)
    };
    let (now, due) = (SystemClock.now(), promise.before);
    assert!(now < due && due <= now.plus_seconds(60), "{now} {due}");
    assert_eq!(logged(now.to_string(), "default"), ("promised".to_owned(), false));
    assert_eq!(logged(now.to_string(), "strict"), ("promised".to_owned(), true));
    assert_eq!(logged(due.to_string(), "default"), ("receipt-unredeemed".to_owned(), false));
    assert_eq!(logged(due.to_string(), "strict"), ("receipt-unredeemed".to_owned(), true));
}
