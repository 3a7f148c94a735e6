//! The look that ends seals is killed anywhere: each seal whose validity is over ends once, with one event and one notice, none is
//! missed, and no other ends.
//!
//! `YINXIN_CRASH_ROUNDS` says how many kills there are.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::base::id::SealId;
use yinxin::base::random::{SystemRandom, array};
use yinxin::domain::audit::EventBody;
use yinxin::domain::key::KeyAlgorithm;
use yinxin::domain::seal::application::Purpose;
use yinxin::domain::verify::address::Address;
use yinxin::domain::webhook::Subscription;
use yinxin::service::keys::KeySource;
use yinxin::service::outside::notices::Destination;
use yinxin::service::seal_expiry::expire_due;
use yinxin::service::webhooks::{Receiver, Sender, Step, desk};
use yinxin::service::{Services, seal_codes};

use crate::service::authority::BY;
use crate::service::installation::{Place, events};
use crate::service::seal_life::{Office, division};
use crate::service::webhook_receiver::ReceiverDouble;
use crate::store::Folder;
use crate::store::postgres::Postgres;

const URL: &str = "YINXIN_TEST_EXPIRY_URL";
const KEY: &str = "YINXIN_TEST_EXPIRY_FOLDER";
const AT: &str = "YINXIN_TEST_EXPIRY_AT";
const ROUNDS: &str = "YINXIN_CRASH_ROUNDS";
/// Seals that end in each round, and days between the rounds.
const SEALS: usize = 5;
const DAYS: u32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of `each_seal_ends_once_whenever_the_look_is_killed`, which ends it"]
async fn child() {
    let variable = |name| std::env::var(name).unwrap();
    let source = KeySource::File { path: Path::new(&variable(KEY)).join("key"), create: false };
    let clock = Arc::new(FixedClock(Timestamp::from_unix(variable(AT).parse().unwrap())));
    let services = Services::open(&variable(URL), &source, clock, Arc::new(SystemRandom)).await.unwrap();
    println!("begins.");
    expire_due(&services).await.unwrap();
    // Whoever comes too late kills it here.
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_seal_ends_once_whenever_the_look_is_killed() {
    let folder = Folder::new("expiry-crash");
    kills(Place { url: format!("sqlite:{}", folder.path().join("rows.db").display()), folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_seal_ends_once_whenever_the_look_is_killed_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("ends of seals killed on PostgreSQL", "PostgreSQL");
    };
    kills(Place { url: server.url.clone(), folder: Folder::new("expiry-crash-postgres") }).await;
}

/// How often the log says of each seal that it expired.
async fn expired(office: &Office) -> BTreeMap<SealId, usize> {
    let mut all = BTreeMap::new();
    for event in events(&office.services).await {
        if let EventBody::SealExpired { seal, .. } = event.body {
            *all.entry(seal).or_default() += 1;
        }
    }
    all
}

/// One seal, valid for so many days.
async fn seal(office: &Office, number: usize, days: u32) -> SealId {
    let mut wanted = office.wanted(number, office.key().await);
    wanted.days = days;
    let id = office.approved(office.asks(Purpose::Make(Box::new(wanted)))).await;
    let seal = office.fulfil(&id).await.unwrap().seal;
    assert_eq!(office.deliver(&seal, &office.keeper).await.unwrap(), "active");
    seal
}

fn once(seals: &[SealId]) -> BTreeMap<SealId, usize> {
    seals.iter().map(|seal| (seal.clone(), 1)).collect()
}

async fn kills(place: Place) {
    let rounds = std::env::var(ROUNDS).map_or(6, |rounds| rounds.parse::<usize>().unwrap());
    let office = Office::open(place.open().await).await;
    office.maker().await;
    seal_codes::assign(&office.services, (BY, None), &division("330106"), (1, 99_999)).await.unwrap();
    let (pem, _) = desk::public_key(&office.services, KeyAlgorithm::Sm2).await.unwrap();
    let there = ReceiverDouble::open(&[pem], None).await;
    let mut sender = Sender::new(office.services.clone(), receiver(&there.address.to_string()));
    assert_eq!(sender.step().await.unwrap(), Step::Idle);
    let mut made = Vec::new();
    for number in 0..rounds * SEALS {
        let days = DAYS * u32::try_from(number / SEALS + 1).unwrap();
        made.push(seal(&office, number + 1, days).await);
    }
    let mut within = 0_usize;
    for round in 1..=rounds {
        office.wait_days(i64::from(DAYS) + i64::from(round == 1));
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["service::seal_expiry_crash::child", "--exact", "--ignored", "--nocapture"]);
        child.env(URL, &place.url).env(KEY, place.folder.path());
        child.env(AT, office.services.clock.now().unix().to_string());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("begins.")), "the child ended by itself in round {round}");
        // Anywhere between its first read and its last commit.
        let [pause] = array::<1>(&SystemRandom).unwrap();
        std::thread::sleep(Duration::from_micros(u64::from(pause) * 150));
        child.kill().unwrap();
        child.wait().unwrap();
        settled(&place, &office).await;

        let (before, due) = (&made[..(round - 1) * SEALS], &made[..round * SEALS]);
        let told = expired(&office).await;
        assert!(told.values().all(|count| *count == 1), "{told:?}");
        assert!(before.iter().all(|seal| told.contains_key(seal)), "{told:?}");
        // State and event together, or neither.
        assert_eq!(place.count("seals WHERE stage = 'expired'").await, i64::try_from(told.len()).unwrap());
        let left = due.len() - told.len();
        within += usize::from((1..SEALS).contains(&left));
        // The next look ends what is left, once, and nothing that is not due.
        assert_eq!(expire_due(&office.services).await.unwrap(), u64::try_from(left).unwrap(), "round {round}");
        assert_eq!(expired(&office).await, once(due), "round {round}");
        assert_eq!(expire_due(&office.services).await.unwrap(), 0);
    }
    println!("{rounds} kills, {within} of them between two seals; {} seals ended", made.len());
    let mut steps = 0;
    while sender.step().await.unwrap() != Step::Idle {
        steps += 1;
        assert!(steps < 100 * made.len(), "notices never end");
    }
    let mut notices = BTreeMap::new();
    for one in there.heard().into_iter().filter(|one| one.body["type"] == "seal.expired") {
        let seal = one.body["seal"].as_str().unwrap_or_else(|| panic!("{}", one.body));
        *notices.entry(SealId::parse(seal).unwrap()).or_default() += 1;
    }
    assert_eq!(notices, once(&made));
}

/// What the killed child sent last may be at work in the server still: its connections come and go with it.
async fn settled(place: &Place, office: &Office) {
    if place.is_sqlite() {
        return;
    }
    let mut last = expired(office).await.len();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = expired(office).await.len();
        if now == last {
            return;
        }
        last = now;
    }
}

fn receiver(address: &str) -> Receiver {
    Receiver {
        name: "archive".to_owned(),
        destination: Destination {
            address: Address::parse(&format!("http://{address}/hook")).unwrap(),
            tls: None,
            patience: Duration::from_secs(10),
        },
        subscription: Subscription::default(),
        since: None,
        give_up_after: Duration::from_secs(3600),
        algorithm: KeyAlgorithm::Sm2,
    }
}
