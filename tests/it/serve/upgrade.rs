//! Two real builds of the program serve one installation in turns, under load: the previous one, which
//! `YINXIN_PREVIOUS_PROGRAM` names, and this one. `scripts/rolling-upgrade` builds the previous one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use yinxin::base::clock::SystemClock;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::checkpoint::Verifier;
use yinxin::domain::audit::promise::Promise;
use yinxin::domain::audit::{Entry, EventBody, LoggedEvent};
use yinxin::format::tlog::Receipt;
use yinxin::service::keys::KeySource;
use yinxin::service::{KeySettings, Services};
use yinxin::store::audit;

use crate::process::{Running, has_curl, program, program_at};
use crate::serve::receipts::receipts_in;
use crate::serve::{Client, Installation, NOTICE};
use crate::store::postgres::Postgres;

const PREVIOUS: &str = "YINXIN_PREVIOUS_PROGRAM";
/// Documents acknowledged before a program's end comes.
const ENOUGH: usize = 6;

/// Documents by the key of their request, each with its receipts.
type Acknowledged = BTreeMap<String, (Vec<u8>, Vec<String>)>;

#[test]
fn previous_and_this_program_serve_in_turns_on_sqlite() {
    let Some(previous) = previous("sqlite") else { return };
    in_turns(&Installation::new("serve-upgrade"), &previous);
}

#[test]
fn previous_and_this_program_serve_in_turns_on_postgresql() {
    let Some(previous) = previous("postgresql") else { return };
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::upgrade::previous_and_this_program_serve_in_turns_on_postgresql", "PostgreSQL");
    };
    in_turns(&Installation::on("serve-upgrade-postgres", &server.url), &previous);
}

/// The previous program; without one there is nothing to prove, also where peers are required.
fn previous(on: &str) -> Option<PathBuf> {
    let found = std::env::var_os(PREVIOUS).map(PathBuf::from).filter(|_| has_curl());
    if found.is_none() {
        println!("SKIPPED serve::upgrade::previous_and_this_program_serve_in_turns_on_{on}: {PREVIOUS} or curl absent");
    }
    found
}

fn serve(installation: &Installation, path: Option<&Path>) -> Running {
    let mut command = path.map_or_else(program, program_at);
    command.arg("serve").env("YINXIN_DATA_DIR", installation.home());
    if let Some(url) = &installation.url {
        command.env("YINXIN_DATABASE__URL", url);
    }
    Running::start(command, installation.path("serve.log"))
}

/// Seals until no whole answer comes, or until it is enough.
fn load(client: &Client, headers: &Path, name: &str, (done, ends): (&AtomicUsize, &AtomicUsize)) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    for turn in 0.. {
        if ends.load(Ordering::SeqCst) > 0 {
            break;
        }
        let key = format!("{name}-{turn}");
        let (file, idempotency) = (format!("file=@{NOTICE}"), format!("Idempotency-Key: {key}"));
        let certificate = client.certificate();
        let mut arguments = certificate.iter().map(String::as_str).collect::<Vec<_>>();
        arguments.extend(["-F", &file, "-F", "page=3", "-F", "x=124", "-F", "y=211.682", "-H", &idempotency]);
        arguments.extend(["-D", headers.to_str().unwrap()]);
        let Some(answer) = client.try_call(&format!("{}/signatures", client.seal_path()), &arguments) else { break };
        acknowledged.insert(key, (answer.ok(), receipts_in(headers)));
        done.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

fn in_turns(installation: &Installation, previous: &Path) {
    let all = Arc::new(Mutex::new(Acknowledged::new()));
    // Up, down, up, down; every second one ends by a kill.
    for turn in 0..5 {
        let running = serve(installation, (turn % 2 == 0).then_some(previous));
        let client = installation.client(&running);
        let (done, ends) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (client, all, counters) = (client.clone(), Arc::clone(&all), (&done, &ends));
                let headers = installation.path(&format!("headers-{thread}"));
                scope.spawn(move || {
                    let found = load(&client, &headers, &format!("upgrade-{turn}-{thread}"), counters);
                    all.lock().unwrap().extend(found);
                });
            }
            let started = std::time::Instant::now();
            while done.load(Ordering::SeqCst) < ENOUGH {
                assert!(started.elapsed().as_secs() < 120, "turn {turn} acknowledges nothing");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            if turn % 2 == 1 {
                running.kill();
                ends.store(1, Ordering::SeqCst);
            } else {
                // Those who are being served get their answers.
                ends.store(1, Ordering::SeqCst);
                assert_eq!(running.terminate().0, Some(0), "turn {turn}");
            }
        });
    }
    let keys = log_command(installation, &["keys"]);
    let keys = keys.lines().map(|line| Verifier::parse(line).unwrap()).collect::<Vec<_>>();
    let said = log_command(installation, &["verify"]);
    assert!(said.starts_with("right: "), "{said}");
    let acknowledged = std::mem::take(&mut *all.lock().unwrap());
    assert!(acknowledged.len() >= 5 * ENOUGH);
    let proving = everything_is_there(installation, &acknowledged, &keys);
    let (leaves, receipts) = tokio::runtime::Runtime::new().unwrap().block_on(proving);
    println!(
        "5 turns: {} documents acknowledged, none lost or twice; {receipts} receipts kept; {leaves} leaves",
        acknowledged.len()
    );
}

fn log_command(installation: &Installation, arguments: &[&str]) -> String {
    let mut command = program();
    command.env("YINXIN_DATA_DIR", installation.home()).env("YINXIN_LOG__LEVEL", "error");
    if let Some(url) = &installation.url {
        command.env("YINXIN_DATABASE__URL", url);
    }
    let done = command.arg("log").args(arguments).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

async fn everything_is_there(
    installation: &Installation,
    acknowledged: &Acknowledged,
    keys: &[Verifier],
) -> (usize, usize) {
    let path = installation.home().join("key-encryption.key");
    let settings = KeySettings::from_source(KeySource::File { path, create: false });
    let url = installation.url();
    let attached = Services::attach(&url, &settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await;
    let (services, _) = attached.unwrap();
    let rows = services.store.read(|tx| Box::pin(audit::salted(tx, 0, i64::MAX))).await.unwrap();
    let mut signed = BTreeMap::new();
    for row in &rows {
        if let LoggedEvent::Known(event) = LoggedEvent::from_der(&row.event).unwrap()
            && let EventBody::DocumentSigned { result_sm3, .. } = event.body
        {
            *signed.entry(result_sm3).or_insert(0) += 1;
        }
    }
    let sm3_keys = keys.iter().filter(|key| key.name().ends_with("/sm3")).cloned().collect::<Vec<_>>();
    let mut receipts = 0;
    for (key, (document, notes)) in acknowledged {
        assert_eq!(signed.get(&sm3(document)), Some(&1), "{key}");
        assert!(!notes.is_empty(), "{key} has no receipt");
        for note in notes {
            // The previous program's may have no opening.
            let receipt = Receipt::parse(note.as_bytes()).unwrap();
            let promise = Promise::verified(&receipt.note, &sm3_keys).unwrap();
            let row = &rows[usize::try_from(promise.index).unwrap()];
            assert_eq!(promise.entry, Entry::of_der(&row.event, &row.salt).unwrap(), "{key}");
            receipts += 1;
        }
    }
    services.store.close().await;
    (rows.len(), receipts)
}
