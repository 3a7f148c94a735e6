//! A server killed while it signs: what was acknowledged is there, and what was not is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use yinxin::base::clock::SystemClock;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{Event, EventBody};
use yinxin::service::Services;
use yinxin::service::keys::KeySource;
use yinxin::store::signatures::SigningState;
use yinxin::store::{audit, signatures};

use crate::process::has_curl;
use crate::serve::{Installation, NOTICE};
use crate::store::postgres::Postgres;

/// Documents acknowledged before the kill.
const ENOUGH: usize = 8;

#[test]
fn acknowledged_documents_survive_a_kill_on_sqlite() {
    if !has_curl() {
        return crate::skip("serve::acknowledged_documents_survive_a_kill_on_sqlite", "curl");
    }
    acknowledged_documents_survive_a_kill(&Installation::new("serve-kill"));
}

#[test]
fn acknowledged_documents_survive_a_kill_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::acknowledged_documents_survive_a_kill_on_postgresql", "PostgreSQL");
    };
    if !has_curl() {
        return crate::skip("serve::acknowledged_documents_survive_a_kill_on_postgresql", "curl");
    }
    acknowledged_documents_survive_a_kill(&Installation::on("serve-kill-postgres", &server.url));
}

fn acknowledged_documents_survive_a_kill(installation: &Installation) {
    let running = installation.serve();
    let client = installation.client(&running);
    let (count, acknowledged) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(BTreeMap::new())));
    let mut threads = Vec::new();
    for thread in 0..3 {
        let (client, count, acknowledged) = (client.clone(), Arc::clone(&count), Arc::clone(&acknowledged));
        threads.push(std::thread::spawn(move || {
            for turn in 0.. {
                let key = format!("kill-{thread}-{turn}");
                // No whole answer: the server is gone.
                let Some(answer) = client.try_seal(Path::new(NOTICE), &key, "124") else { return };
                acknowledged.lock().unwrap().insert(key, answer.ok());
                count.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    while count.load(Ordering::SeqCst) < ENOUGH {
        assert!(!threads.iter().all(std::thread::JoinHandle::is_finished), "no thread is left");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.kill();
    for thread in threads {
        thread.join().unwrap();
    }
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    assert!(acknowledged.len() >= ENOUGH);

    // The same keys give the same documents to whoever asks the new process.
    let running = installation.serve();
    let client = installation.client(&running);
    for (key, document) in acknowledged.iter().rev().take(4) {
        assert!(client.seal(Path::new(NOTICE), key).ok() == *document, "{key}");
    }
    let (_, document) = acknowledged.last_key_value().unwrap();
    let sealed = installation.write("sealed.ofd", document);
    assert_eq!(client.verify(&sealed)["indication"], "TOTAL_PASSED");
    assert_eq!(running.terminate().0, Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(rows_and_events_agree(&installation.url(), installation.home(), &acknowledged));
}

async fn rows_and_events_agree(url: &str, home: PathBuf, acknowledged: &BTreeMap<String, Vec<u8>>) {
    let source = KeySource::File { path: home.join("key-encryption.key"), create: false };
    let services = Services::open(url, &source, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
    let events = services.store.read(|tx| Box::pin(audit::read(tx, 0, 10_000))).await.unwrap();
    let (mut open, mut results) = (BTreeSet::new(), BTreeMap::new());
    for (_, Event { body, .. }) in events {
        match body {
            EventBody::SigningIntended { signature, .. } => assert!(open.insert(signature)),
            EventBody::SigningAbandoned { signature, .. } => assert!(open.remove(&signature)),
            EventBody::DocumentSigned { signature, result_sm3, .. } => {
                assert!(open.remove(&signature));
                results.insert(result_sm3, signature);
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for (key, document) in acknowledged {
        let signature = &results[&sm3(document)];
        let row = services.store.read(|tx| Box::pin(signatures::find(tx, signature))).await.unwrap().unwrap();
        let SigningState::Signed { result_sm3, .. } = row.state else { panic!("{key}: {row:?}") };
        assert_eq!(result_sm3, sm3(document), "{key}");
    }
    services.store.close().await;
}
