//! A process killed while it watches: no alarm is lost, none is raised twice, and every event reaches its receiver.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use yinxin::base::clock::SystemClock;
use yinxin::base::id::CallerId;
use yinxin::base::random::SystemRandom;
use yinxin::domain::audit::misuse::{Misuse, Threshold};
use yinxin::domain::audit::{Actor, Event, EventBody, SecurityEvent};
use yinxin::domain::caller::Roles;
use yinxin::service::Services;
use yinxin::service::keys::KeySource;
use yinxin::service::watching::Watch;
use yinxin::service::watching::delivery::{Delivery, Step};
use yinxin::service::watching::json_lines::{JsonLines, Place};
use yinxin::store::{alarms, audit};

use crate::store::Folder;
use crate::store::postgres::Postgres;

const URL: &str = "YINXIN_TEST_WATCHING_URL";
const HOME: &str = "YINXIN_TEST_WATCHING_HOME";
const ROUND: &str = "YINXIN_TEST_WATCHING_ROUND";

async fn open(url: &str, home: &Path) -> Services {
    let source = KeySource::File { path: home.join("key"), create: true };
    Services::open(url, &source, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap()
}

/// The second refusal of a caller within a day is an alarm.
fn misuse() -> Misuse {
    Misuse { refusals: Some(Threshold { most: 1, minutes: 1440 }), ..Misuse::default() }
}

async fn watch(services: &Services) -> Watch {
    Watch::begin(services.clone(), misuse()).await.unwrap()
}

async fn delivery(services: &Services, home: &Path) -> Delivery {
    let place = Place::File(home.join("events.json"), 180);
    let sink = Box::new(JsonLines::new(place, Arc::new(SystemClock)));
    Delivery::begin(services.clone(), sink, Duration::from_secs(300)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the tests below, which end it"]
async fn child() {
    let of = |name| std::env::var(name).unwrap();
    let (home, round) = (of(HOME), of(ROUND));
    let services = open(&of(URL), home.as_ref()).await;
    let (mut rules, mut handing) = (watch(&services).await, delivery(&services, home.as_ref()).await);
    let writing = services.clone();
    let writer = tokio::spawn(async move {
        for turn in 0.. {
            let id = CallerId::parse(&format!("c-{round}-{turn}")).unwrap();
            let actor = Actor::Caller { id, roles: Roles::default() };
            for _ in 0..1 + turn % 3 {
                let body = EventBody::AccessRefused { endpoint: "POST /x".into(), code: "role-missing".into() };
                writing.record(&actor, None, body).await.unwrap();
            }
        }
    });
    let watcher = tokio::spawn(async move {
        loop {
            let looked = rules.look().await.unwrap();
            for alarm in looked.alarms {
                println!("alarm {}.", alarm.number);
            }
        }
    });
    loop {
        if handing.step().await.unwrap() == Step::Idle {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!writer.is_finished() && !watcher.is_finished());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_alarm_is_lost_or_doubled_by_a_kill_on_sqlite() {
    let folder = Folder::new("watching-crash");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    killed(&url, folder.path(), 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_alarm_is_lost_or_doubled_by_a_kill_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("watching, killed, on PostgreSQL", "PostgreSQL") };
    let folder = Folder::new("watching-crash-postgres");
    killed(&server.url, folder.path(), 5).await;
}

async fn killed(url: &str, home: &Path, rounds: usize) {
    // The first places in the log are kept before anything happens.
    let services = open(url, home).await;
    watch(&services).await;
    delivery(&services, home).await;
    services.store.close().await;
    for round in 0..rounds {
        let arguments = ["service::watching_crash::child", "--exact", "--ignored", "--nocapture"];
        let mut child = Command::new(std::env::current_exe().unwrap());
        let child = child.args(arguments).env(URL, url).env(HOME, home).env(ROUND, round.to_string());
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut told = 0;
        for _ in lines.filter(|line| line.starts_with("alarm ")) {
            told += 1;
            if told == 3 + 4 * round {
                // Not always right behind a commit.
                std::thread::sleep(Duration::from_millis(u64::try_from(3 * round).unwrap()));
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(told >= 3 + 4 * round, "the child ended by itself");
    }

    let services = open(url, home).await;
    let (mut rules, mut handing) = (watch(&services).await, delivery(&services, home).await);
    while rules.look().await.unwrap().events > 0 {}
    while handing.step().await.unwrap() != Step::Idle {}
    let events = services.store.read(|tx| Box::pin(audit::read(tx, 0, i64::MAX))).await.unwrap();
    let stored = services.store.read(|tx| Box::pin(alarms::list(tx, None, i64::MAX))).await.unwrap();
    each_has_its_alarm(&events, &stored);
    all_were_handed_over(&events, home);
    services.store.close().await;
}

fn each_has_its_alarm(events: &[(i64, Event)], stored: &[alarms::StoredAlarm]) {
    let (mut refused, mut alarmed) = (BTreeMap::<CallerId, usize>::new(), BTreeMap::<CallerId, usize>::new());
    let mut numbers = Vec::new();
    for (number, Event { actor, body, .. }) in events {
        match (actor, body) {
            (Actor::Caller { id, .. }, EventBody::AccessRefused { .. }) => *refused.entry(id.clone()).or_default() += 1,
            (_, EventBody::AlarmRaised { caller: Some(id), .. }) => {
                *alarmed.entry(id.clone()).or_default() += 1;
                numbers.push(u64::try_from(*number).unwrap());
            }
            _ => {}
        }
    }
    let expected = refused.iter().filter(|(_, count)| **count > 1).map(|(id, _)| (id.clone(), 1));
    assert_eq!(alarmed, expected.collect());
    assert!(alarmed.len() > 20, "{}", alarmed.len());
    assert_eq!(stored.iter().map(|alarm| alarm.number).collect::<Vec<_>>(), numbers);
}

/// Every line that is whole is the event of its number, each is there, and the first time each comes is in order.
fn all_were_handed_over(events: &[(i64, Event)], home: &Path) {
    let text = std::fs::read_to_string(home.join("events.json")).unwrap();
    let told = events.iter().filter_map(|(number, event)| SecurityEvent::of(u64::try_from(*number).unwrap(), event));
    let expected = told.map(|event| (event.number, event.to_json().unwrap())).collect::<BTreeMap<_, _>>();
    let mut firsts = Vec::new();
    for line in text.lines() {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let number = value["number"].as_u64().unwrap();
        assert_eq!(expected.get(&number).map(String::as_str), Some(line));
        if firsts.last().is_none_or(|last| *last < number) {
            firsts.push(number);
        }
    }
    let first = firsts.first().copied().unwrap();
    assert_eq!(firsts, expected.keys().copied().filter(|number| *number >= first).collect::<Vec<_>>());
    // Behind the first start, which was there before anybody followed.
    assert!(first <= 4, "{first}");
}
