//! Persons sign, and the process is killed anywhere: what was acknowledged is given again, nothing else was released, and each
//! certificate stands with its signature.
//!
//! `YINXIN_CRASH_ROUNDS` says how many kills there are.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use yinxin::base::id::CallerId;
use yinxin::base::random::{SystemRandom, array};
use yinxin::config::profiles::built_in;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::caller::{Role, Roles};
use yinxin::render::NOTICE;
use yinxin::service::Services;
use yinxin::service::development;
use yinxin::service::issuance::{Issuance, UnitRole};
use yinxin::service::person_signings::{self, Means, PersonOrder};

use crate::service::installation::{Place, events};
use crate::service::person_signings::{Counter, order};
use crate::service::registration::person;
use crate::store::Folder;
use crate::store::postgres::Postgres;

const URL: &str = "YINXIN_TEST_PERSONS_URL";
const KEY: &str = "YINXIN_TEST_PERSONS_FOLDER";
const CALLER: &str = "YINXIN_TEST_PERSONS_CALLER";
const ROUND: &str = "YINXIN_TEST_PERSONS_ROUND";
const ROUNDS: &str = "YINXIN_CRASH_ROUNDS";
/// Persons who sign at the same time.
const AT_ONCE: usize = 4;

fn caller(id: &str) -> Actor {
    Actor::Caller { id: CallerId::parse(id).unwrap(), roles: Roles::new([Role::PersonSigner]).unwrap() }
}

async fn signed(services: &Services, by: &Actor, key: &str) -> Option<String> {
    let profiles = built_in().unwrap();
    let means = Means { profiles: &profiles, stamping: None };
    let order = PersonOrder { idempotency_key: Some(key.to_owned()), ..order(NOTICE, 20.0) };
    let signed = person_signings::sign(services, means, (by, None), order).await.ok()?;
    Some(hex(&sm3(&signed.document)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of `nothing_of_a_person_is_lost_or_left_by_a_kill`, which ends it"]
async fn child() {
    let variable = |name| std::env::var(name).unwrap();
    let (services, ..) = Counter::services(&variable(URL), variable(KEY).as_ref()).await;
    let (by, round) = (caller(&variable(CALLER)), variable(ROUND));
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let (services, by, round) = (services.clone(), by.clone(), round.clone());
        workers.spawn(async move {
            for number in 0.. {
                let key = format!("k-{round}-{worker}-{number}");
                let document = signed(&services, &by, &key).await.unwrap();
                println!("acknowledged {key} {document}.");
            }
        });
    }
    workers.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_person_is_lost_or_left_by_a_kill() {
    let folder = Folder::new("person-crash");
    kills(Place { url: format!("sqlite:{}", folder.path().join("rows.db").display()), folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_person_is_lost_or_left_by_a_kill_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("persons killed on PostgreSQL", "PostgreSQL") };
    kills(Place { url: server.url.clone(), folder: Folder::new("person-crash-postgres") }).await;
}

/// What the killed child sent last may be at work in the server still.
async fn settled(place: &Place) {
    const OTHERS: &str = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while !place.is_sqlite() && place.count(OTHERS).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn kills(place: Place) {
    let rounds = std::env::var(ROUNDS).map_or(6, |rounds| rounds.parse::<u32>().unwrap());
    let (services, ..) = Counter::services(&place.url, place.folder.path()).await;
    let profiles = built_in().unwrap();
    let pki = development::ensure(&services, &profiles).await.unwrap();
    let issuance = Issuance::start(services.clone(), std::sync::Arc::new(profiles));
    development::ensure_unit(&services, &issuance, &pki, UnitRole::TimeStamping).await.unwrap();
    let id = person(&services, &[Role::PersonSigner]).await.id;
    drop(issuance);
    services.store.close().await;
    let (mut acknowledged, mut abandoned) = (0_usize, 0_usize);
    for round in 1..=rounds {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["service::person_crash::child", "--exact", "--ignored", "--nocapture"]);
        child.env(URL, &place.url).env(KEY, place.folder.path()).env(CALLER, id.as_str()).env(ROUND, round.to_string());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let [count, pause, more] = array::<3>(&SystemRandom).unwrap();
        let enough = usize::from(count % 16) + 4;
        let mut told = Vec::new();
        // After the kill the pipe still holds what the child had acknowledged; the last line may be half.
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            let Some((_, line)) = line.split_once("acknowledged ") else { continue };
            let Some((key, document)) = line.strip_suffix('.').and_then(|line| line.split_once(' ')) else { continue };
            told.push((key.to_owned(), document.to_owned()));
            if told.len() == enough {
                // Anywhere between two commits.
                std::thread::sleep(Duration::from_micros(u64::from(pause) * 256 + u64::from(more)));
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(told.len() >= enough, "the child ended by itself in round {round}");
        acknowledged += told.len();

        settled(&place).await;
        let open = place.count("person_signings WHERE state = 'signing'").await;
        let (services, ..) = Counter::services(&place.url, place.folder.path()).await;
        assert_eq!(place.count("person_signings WHERE state = 'signing'").await, 0);
        let log = events(&services).await;
        let closed = log.iter().filter(|event| matches!(event.body, EventBody::PersonSigningAbandoned { .. })).count();
        assert_eq!(i64::try_from(closed - abandoned).unwrap(), open, "each open act is abandoned and told of");
        abandoned = closed;
        // A certificate is there with its signature, or not at all.
        let done = log.iter().filter(|event| matches!(event.body, EventBody::PersonSigned { .. })).count();
        let certificates = place.count("issued_certificates WHERE profile = 'event'").await;
        let rows = place.count("person_signings WHERE state = 'signed'").await;
        assert_eq!((certificates, rows), (rows, i64::try_from(done).unwrap()));
        for (key, document) in &told {
            let again = signed(&services, &caller(id.as_str()), key).await;
            assert_eq!(again.as_ref(), Some(document), "round {round}: {key} was acknowledged");
        }
        assert_eq!(place.count("person_signings WHERE state = 'signed'").await, rows, "nothing is signed twice");
        services.store.close().await;
    }
    println!(
        "{rounds} kills: {acknowledged} signatures acknowledged, each given again; {abandoned} open acts abandoned"
    );
}
