//! Mixed work with seals, killed anywhere, its clock set forth and back, its database gone for a while: nothing that was
//! acknowledged is lost, no seal stands in two places, no code comes twice, and every seal and use has its leaf.
//!
//! `YINXIN_SEAL_ROUNDS` says how many kills there are.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use yinxin::base::clock::FixedClock;
use yinxin::base::id::{ApplicationId, AuthorityId, SealId};
use yinxin::base::random::{SystemRandom, array};
use yinxin::config::profiles::built_in;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::audit::{EventBody, RevocationReason};
use yinxin::domain::caller::Role;
use yinxin::domain::officer::OfficerRole;
use yinxin::domain::seal::application::Purpose;
use yinxin::service::audit_log::checking::check;
use yinxin::service::audit_log::stored::StoredLog;
use yinxin::service::issuance::Issuance;
use yinxin::service::keys::KeySource;
use yinxin::service::{Error, Services, authorities, development, seal_applications, seal_codes, seal_delivery};
use yinxin::store::audit;

use crate::service::audit_log::{count, open as open_log, sequence_all};
use crate::service::authority::BY;
use crate::service::installation::{NOW, Place};
use crate::service::registration::{Hands, person};
use crate::service::seal_life::{Office, division, officer};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const URL: &str = "YINXIN_TEST_SEALS_URL";
const KEY: &str = "YINXIN_TEST_SEALS_KEY";
const ROUND: &str = "YINXIN_TEST_SEALS_ROUND";
/// Seals that are on their way at a time.
const AT_ONCE: usize = 6;
/// For so long a round may say nothing more.
const PATIENCE: Duration = Duration::from_secs(120);

async fn reopened(url: &str, key: &Path, round: i64) -> Services {
    let source = KeySource::File { path: key.to_owned(), create: true };
    let clock = FixedClock(NOW.plus_days(3 * round));
    Services::open(url, &source, Arc::new(clock), Arc::new(SystemRandom)).await.unwrap()
}

/// The same office with other people: the keys of those before went with their process.
async fn resumed(services: Services, round: i64) -> Office {
    let hands = Arc::new(Hands(AtomicI64::new(NOW.plus_days(3 * round).unix())));
    let services = Services { clock: hands.clone(), ..services };
    let profiles = Arc::new(built_in().unwrap());
    let (below, _) = authorities::find(&services, &AuthorityId::parse("below").unwrap()).await.unwrap();
    let picture = tokio::task::spawn_blocking(|| development::picture("33010600000001").unwrap().png);
    Office {
        applicant: officer(&services, OfficerRole::Applicant, "3301").await,
        checker: officer(&services, OfficerRole::Checker, "3301").await,
        approver: officer(&services, OfficerRole::Approver, "33").await,
        keeper: person(&services, &[Role::SealAdministrator]).await,
        clerk: person(&services, &[Role::SealUser]).await,
        issuance: Issuance::start(services.clone(), Arc::clone(&profiles)),
        picture: picture.await.unwrap(),
        root: Vec::new(),
        services,
        hands,
        profiles,
        below,
    }
}

fn acknowledged(what: &str, name: &str) {
    println!("acknowledged {what} {name}.");
}

/// A seal from its application to its end. What fails is not acknowledged.
async fn life(office: Arc<Office>, number: usize) -> Result<(), Error> {
    let new = office.make(number).await;
    let id = office.try_submit(new, &office.applicant).await?.id;
    office.check(&id, &office.checker).await?;
    office.approve(&id, &office.approver).await?;
    acknowledged("approved", id.as_str());
    // Two at once; the certificate, the code and the seal are there once.
    let (one, other) = tokio::join!(office.fulfil(&id), office.fulfil(&id));
    let seal = one.or(other)?.seal;
    acknowledged("made", seal.as_str());
    office.deliver(&seal, &office.keeper).await?;
    acknowledged("active", seal.as_str());
    office.authorise(&seal).await;
    for _ in 0..3 {
        if let Ok(document) = office.sign(&seal).await {
            acknowledged("signed", &hex(&sm3(&document)));
        }
    }
    match number % 4 {
        0 => {
            office.suspend(&seal, &office.checker).await?;
            acknowledged("suspended", seal.as_str());
        }
        1 => {
            let reason = RevocationReason::CessationOfOperation;
            let new = office.asks(Purpose::Revoke { seal: seal.clone(), reason });
            let id = office.try_submit(new, &office.applicant).await?.id;
            office.check(&id, &office.checker).await?;
            office.approve(&id, &office.approver).await?;
            office.fulfil(&id).await?;
            acknowledged("revoked", seal.as_str());
        }
        _ => {}
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the tests below, which end it"]
async fn child() {
    let variable = |name| std::env::var(name).unwrap();
    let round = variable(ROUND).parse::<i64>().unwrap();
    let office = resumed(reopened(&variable(URL), Path::new(&variable(KEY)), round).await, round).await;
    // What a kill broke off goes on.
    let left = seal_applications::list(&office.services, Some("approved"), None, 100).await.unwrap();
    for stored in left.applications {
        if let Ok(done) = office.fulfil(&stored.id).await {
            acknowledged("resumed", done.seal.as_str());
        }
    }
    let (office, next) = (Arc::new(office), Arc::new(AtomicUsize::new(usize::try_from(round).unwrap() * 1_000)));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (office, next) = (Arc::clone(&office), Arc::clone(&next));
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                // A database that is gone is an error, or ends the task of this life alone.
                if !matches!(tokio::spawn(life(Arc::clone(&office), number)).await, Ok(Ok(()))) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }
    // The clock is set forth and back by a day.
    for jump in [86_400, -86_400].into_iter().cycle() {
        tokio::time::sleep(Duration::from_millis(700)).await;
        office.hands.0.fetch_add(jump, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_twice_on_sqlite() {
    let folder = Folder::new("seal-crash");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    survive(Place { url, folder }, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_twice_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("killed seals on PostgreSQL", "PostgreSQL") };
    survive(Place { url: server.url.clone(), folder: Folder::new("seal-crash-postgres") }, Some(&server)).await;
}

/// What the child acknowledged until it was killed.
fn killed(place: &Place, round: i64, server: Option<&Postgres>) -> Vec<(String, String)> {
    let arguments = ["service::seal_crash::child", "--exact", "--ignored", "--nocapture"];
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(arguments).env(URL, &place.url).env(KEY, place.folder.path().join("key")).env(ROUND, round.to_string());
    let child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let child = Arc::new(std::sync::Mutex::new(child));
    let output = child.lock().unwrap().stdout.take().unwrap();
    let (ended, waiting) = std::sync::mpsc::channel::<()>();
    let watched = Arc::clone(&child);
    let watch = std::thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            watched.lock().unwrap().kill().unwrap();
        }
    });
    let [enough, pause, more] = array::<3>(&SystemRandom).unwrap();
    let (enough, mut lines) = (usize::from(enough % 60) + 10, Vec::new());
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let Some((_, told)) = line.split_once("acknowledged ") else { continue };
        let Some((what, name)) = told.strip_suffix('.').and_then(|told| told.split_once(' ')) else { continue };
        lines.push((what.to_owned(), name.to_owned()));
        if lines.len() == enough / 2
            && let Some(server) = server.filter(|_| round % 3 == 0)
        {
            server.restart_cold();
        }
        if lines.len() == enough {
            // Anywhere between two commits.
            std::thread::sleep(Duration::from_micros(u64::from(pause) * 256 + u64::from(more)));
            child.lock().unwrap().kill().unwrap();
        }
    }
    drop(ended);
    watch.join().unwrap();
    child.lock().unwrap().wait().unwrap();
    assert!(lines.len() >= enough, "round {round}: the child said {} of {enough} within its time", lines.len());
    lines
}

async fn survive(place: Place, server: Option<&Postgres>) {
    let rounds = std::env::var("YINXIN_SEAL_ROUNDS").map_or(4, |rounds| rounds.parse::<i64>().unwrap());
    let office = Office::open(place.open().await).await;
    office.maker().await;
    seal_codes::assign(&office.services, (BY, None), &division("330106"), (1, 9_000_000)).await.unwrap();
    office.services.store.close().await;
    drop(office);
    let mut told = 0;
    for round in 1..=rounds {
        let lines = killed(&place, round, server);
        told += lines.len();
        let services = reopened(&place.url, &place.folder.path().join("key"), round).await;
        for (what, name) in &lines {
            is_there(&services, what, name).await;
        }
        rows_and_events_agree(&services, &place).await;
        services.store.close().await;
    }
    let services = reopened(&place.url, &place.folder.path().join("key"), rounds).await;
    let signed = documents(&services).await;
    let log = open_log(&services).await;
    let size = sequence_all(&log).await;
    assert_eq!(size, count(&services).await, "every event has its leaf");
    let (stored, own) = StoredLog::of(&services).await.unwrap();
    check(Arc::new(stored), &own).await.unwrap().unwrap();
    println!(
        "{rounds} kills: {told} acknowledged, none lost; {} seals, {} uses, {size} leaves",
        place.count("seal_records").await,
        signed.len()
    );
    services.store.close().await;
}

/// What was acknowledged stands there, or where it went after it.
async fn is_there(services: &Services, what: &str, name: &str) {
    let state = async || {
        let found = seal_delivery::find(services, &SealId::parse(name).unwrap()).await;
        found.unwrap_or_else(|error| panic!("{what} {name}: {error}")).seal.state.name()
    };
    let allowed: &[&str] = match what {
        "approved" => {
            let found = seal_applications::find(services, &ApplicationId::parse(name).unwrap()).await.unwrap();
            assert!(["approved", "fulfilled"].contains(&found.application.state_name()), "{name}");
            return;
        }
        "signed" => {
            assert!(documents(services).await.contains(name), "{name} was signed and is not in the log");
            return;
        }
        "made" | "resumed" => &["made", "active", "suspended", "revoked"],
        "active" => &["active", "suspended", "revoked"],
        "suspended" => &["suspended"],
        "revoked" => &["revoked"],
        other => panic!("{other}"),
    };
    let state = state().await;
    assert!(allowed.contains(&state), "{name} was {what} and is {state}");
}

async fn bodies(services: &Services) -> Vec<EventBody> {
    let events = services.store.read(|tx| Box::pin(audit::read(tx, 0, i64::MAX))).await.unwrap();
    events.into_iter().map(|(_, event)| event.body).collect()
}

async fn documents(services: &Services) -> BTreeSet<String> {
    let signed = bodies(services).await.into_iter().filter_map(|body| match body {
        EventBody::DocumentSigned { result_sm3, .. } => Some(hex(&result_sm3)),
        _ => None,
    });
    signed.collect()
}

async fn rows_and_events_agree(services: &Services, place: &Place) {
    let (mut issued, mut uses, mut twice) = (BTreeSet::new(), 0, Vec::new());
    for body in bodies(services).await {
        match body {
            EventBody::SealIssued { seal, .. } if issued.contains(&seal) => twice.push(seal),
            EventBody::SealIssued { seal, .. } => drop(issued.insert(seal)),
            EventBody::DocumentSigned { .. } => uses += 1,
            _ => {}
        }
    }
    assert_eq!(twice, Vec::<SealId>::new());
    assert_eq!(place.count("seal_records").await, i64::try_from(issued.len()).unwrap());
    assert_eq!(place.count("seals").await, i64::try_from(issued.len()).unwrap());
    for seal in &issued {
        seal_delivery::find(services, seal).await.unwrap();
    }
    assert_eq!(place.count("use_ledger WHERE outcome = 'signed'").await, uses);
    for open in ["signatures WHERE state = 'signing'", "use_ledger WHERE outcome = 'intended'"] {
        assert_eq!(place.count(open).await, 0, "{open}");
    }
    for (column, table) in [("code", "seal_makings"), ("code", "seal_records"), ("certificate_sm3", "seal_records")] {
        let twice = format!("(SELECT {column} FROM {table} GROUP BY {column} HAVING count(*) > 1) AS twice");
        assert_eq!(place.count(&twice).await, 0, "{table}.{column}");
    }
    let twice = "(SELECT credit_code FROM seal_records JOIN seals ON seals.id = seal_records.seal WHERE revoked_at IS NULL \
                 GROUP BY credit_code HAVING count(*) > 1) AS twice";
    assert_eq!(place.count(twice).await, 0, "two seals of one holder in force");
}
