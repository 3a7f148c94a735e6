//! A job that is killed again and again comes to its end: no row twice, no row lost, no certificate without its event.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use yinxin::base::clock::FixedClock;
use yinxin::base::id::JobId;
use yinxin::base::random::{SystemRandom, array};
use yinxin::crypto::digest::hex;
use yinxin::domain::audit::EventBody;
use yinxin::service::issuance_jobs::{self, Pace};
use yinxin::service::keys::KeySource;
use yinxin::service::{Services, inventory};
use yinxin::store::issuance_job_rows::RowResult;

use crate::service::authority::{issuance, no_number_stands_twice, request, root_and_below};
use crate::service::installation::{NOW, Place};
use crate::service::jobs::{certificates, line, outcomes, submit};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const URL: &str = "YINXIN_TEST_JOBS_URL";
const KEY: &str = "YINXIN_TEST_JOBS_KEY";
const JOB: &str = "YINXIN_TEST_JOBS_JOB";
const ROUND: &str = "YINXIN_TEST_JOBS_ROUND";
const ROUNDS: &str = "YINXIN_CRASH_ROUNDS";

/// A service; each one finds that the lease of the one before it is over.
async fn open(url: &str, key: &Path, round: u32) -> Services {
    let source = KeySource::File { path: key.to_owned(), create: true };
    let now = NOW.plus_seconds(i64::from(round) * 60);
    Services::open(url, &source, Arc::new(FixedClock(now)), Arc::new(SystemRandom)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of `a_job_survives_every_kill`, which ends it"]
async fn child() {
    let variable = |name| std::env::var(name).unwrap();
    let services = open(&variable(URL), Path::new(&variable(KEY)), variable(ROUND).parse().unwrap()).await;
    let id = JobId::parse(&variable(JOB)).unwrap();
    let asked = {
        let (services, id) = (services.clone(), id.clone());
        tokio::spawn(async move {
            // What a customer is told of the rows; the first page is full soon, so it goes on behind it.
            let mut after = 0;
            loop {
                let page = issuance_jobs::results(&services, &id, after, 500).await.unwrap();
                for row in &page.rows {
                    match &row.result {
                        Some((RowResult::Issued(sm3), _)) => println!("acknowledged {} {}.", row.number, hex(sm3)),
                        Some((RowResult::Refused { code, .. }, _)) => println!("acknowledged {} {code}.", row.number),
                        None => {}
                    }
                }
                let answered = page.rows.iter().all(|row| row.result.is_some());
                after = page.next.filter(|_| answered).unwrap_or(after);
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        })
    };
    issuance_jobs::run(&services, &issuance(&services), &id, Pace::default(), &|_| {}).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    asked.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_every_kill() {
    let folder = Folder::new("jobs-crash");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    survive(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_every_kill_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("killed jobs on PostgreSQL", "PostgreSQL") };
    survive(Place { url: server.url.clone(), folder: Folder::new("jobs-crash-postgres") }).await;
}

/// How many intents were abandoned, and how many certificates were issued, as the log tells.
async fn told(services: &Services) -> (i64, BTreeSet<[u8; 32]>) {
    let (mut from, mut abandoned, mut issued) = (0, 0, BTreeSet::new());
    loop {
        let part = services.store.read(|tx| Box::pin(yinxin::store::audit::read(tx, from, 10_000))).await.unwrap();
        let Some((last, _)) = part.last() else { return (abandoned, issued) };
        from = last + 1;
        for (_, event) in part {
            match event.body {
                EventBody::IssuanceAbandoned { .. } => abandoned += 1,
                EventBody::CertificateIssued { certificate_sm3, .. } => assert!(issued.insert(certificate_sm3)),
                _ => {}
            }
        }
    }
}

async fn survive(place: Place) {
    let rounds = std::env::var(ROUNDS).map_or(4, |rounds| rounds.parse::<u32>().unwrap());
    let key = place.folder.path().join("key");
    let services = open(&place.url, &key, 0).await;
    root_and_below(&services).await;
    let before = told(&services).await.1;
    let (good, rows) = (request(1), 400 * rounds.max(2));
    // Every seventh is refused.
    let csr = |number: u32| if number.is_multiple_of(7) { &[0x30, 0][..] } else { &good };
    let file = (1..=rows).map(|number| line(&number.to_string(), csr(number), "")).collect::<String>();
    let id = submit(&services, &file).await.id;
    services.store.close().await;
    let (mut acknowledged, mut abandoned) = (BTreeSet::new(), 0);
    for round in 1..=rounds {
        let arguments = ["service::jobs_crash::child", "--exact", "--ignored", "--nocapture"];
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(arguments).env(URL, &place.url).env(KEY, &key).env(JOB, id.as_str()).env(ROUND, round.to_string());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let [pause, more, _] = array::<3>(&SystemRandom).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut new = 0;
        // After the kill the pipe still holds what the child had told; the last line may be half.
        for line in lines {
            let Some((_, told)) = line.split_once("acknowledged ") else { continue };
            let Some(told) = told.strip_suffix('.') else { continue };
            if !acknowledged.insert(told.to_owned()) {
                continue;
            }
            new += 1;
            if new == 1 {
                // Anywhere between two commits.
                std::thread::sleep(Duration::from_micros(u64::from(pause) * 1024 + u64::from(more)));
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();

        let left = place.count("issuance_batches WHERE state = 'issuing'").await;
        let services = open(&place.url, &key, round).await;
        let (all, issued) = told(&services).await;
        assert_eq!(all - abandoned, left, "each open intent is abandoned and told of");
        abandoned = all;
        check(&services, &id, &acknowledged).await;
        let stored = issuance_jobs::find(&services, &id).await.unwrap();
        assert_eq!(issued.difference(&before).count(), usize::try_from(stored.job.issued).unwrap());
        no_number_stands_twice(&services, &place).await;
        services.store.close().await;
    }
    let services = open(&place.url, &key, rounds + 1).await;
    if issuance_jobs::find(&services, &id).await.unwrap().job.state.name() == "running" {
        issuance_jobs::run(&services, &issuance(&services), &id, Pace::default(), &|_| {}).await.unwrap();
    }
    check(&services, &id, &acknowledged).await;
    let finished = issuance_jobs::find(&services, &id).await.unwrap();
    let refused = rows / 7;
    assert_eq!(
        (finished.job.state.name(), finished.job.issued, finished.job.refused),
        ("finished", rows - refused, refused)
    );
    let all = certificates(&outcomes(&services, &id).await);
    let issued = told(&services).await.1.difference(&before).copied().collect::<BTreeSet<_>>();
    assert_eq!(issued, all, "every certificate is one row's, and every row's certificate has its event");
    no_number_stands_twice(&services, &place).await;
    println!(
        "{rounds} kills: {} answers acknowledged, none lost; {abandoned} open intents abandoned",
        acknowledged.len()
    );
}

/// Counts are those of the results; what was told of a row is so still; each certificate is there.
async fn check(services: &Services, id: &JobId, acknowledged: &BTreeSet<String>) {
    let (stored, rows) = (issuance_jobs::find(services, id).await.unwrap(), outcomes(services, id).await);
    let mut now = BTreeSet::new();
    for row in &rows {
        match &row.result {
            Some((RowResult::Issued(sm3), _)) => {
                assert!(inventory::find(services, sm3).await.is_ok(), "row {} has no certificate", row.number);
                now.insert(format!("{} {}", row.number, hex(sm3)));
            }
            Some((RowResult::Refused { code, .. }, _)) => {
                now.insert(format!("{} {code}", row.number));
            }
            None => {}
        }
    }
    assert_eq!(certificates(&rows).len(), usize::try_from(stored.job.issued).unwrap());
    assert_eq!(now.len(), usize::try_from(stored.job.issued + stored.job.refused).unwrap());
    assert!(acknowledged.is_subset(&now), "what was acknowledged is lost");
}
