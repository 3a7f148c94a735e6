//! What an authority acknowledged is there after the process was killed in the middle of issuing, and nothing is twice.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use yinxin::base::clock::FixedClock;
use yinxin::base::id::AuthorityId;
use yinxin::base::random::{SystemRandom, array};
use yinxin::crypto::digest::hex;
use yinxin::domain::audit::EventBody;
use yinxin::service::keys::KeySource;
use yinxin::service::{Services, authorities, inventory};

use crate::service::authority::{issuance, no_number_stands_twice, order, request, root_and_below};
use crate::service::installation::{NOW, Place};
use crate::store::Folder;

const FOLDER: &str = "YINXIN_TEST_CRASH_FOLDER";
const ROUNDS: &str = "YINXIN_CRASH_ROUNDS";
/// Orders that wait at the same time.
const AT_ONCE: usize = 48;

async fn open(url: &str, key: std::path::PathBuf) -> Services {
    let source = KeySource::File { path: key, create: true };
    Services::open(url, &source, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of `what_was_acknowledged_survives_every_kill`, which ends it"]
async fn child() {
    let folder = std::path::PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let url = format!("sqlite:{}", folder.join("rows.db").display());
    let services = open(&url, folder.join("key")).await;
    let (below, _) = authorities::find(&services, &AuthorityId::parse("below").unwrap()).await.unwrap();
    let engine = issuance(&services);
    let mut workers = tokio::task::JoinSet::new();
    for number in 1..=AT_ONCE {
        let (engine, order) = (engine.clone(), order(&below, request(number)));
        workers.spawn(async move {
            loop {
                let issued = engine.issue(order.clone()).await.unwrap();
                println!("acknowledged {}.", hex(&issued.sm3));
            }
        });
    }
    workers.join_all().await;
}

async fn abandoned(services: &Services) -> usize {
    let events = services.store.read(|tx| Box::pin(yinxin::store::audit::read(tx, 0, i64::MAX))).await.unwrap();
    events.iter().filter(|(_, event)| matches!(event.body, EventBody::IssuanceAbandoned { .. })).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill() {
    let rounds = std::env::var(ROUNDS).map_or(8, |rounds| rounds.parse::<u32>().unwrap());
    let folder = Folder::new("authority-crash");
    let place = Place { url: format!("sqlite:{}", folder.path().join("rows.db").display()), folder };
    let key = || place.folder.path().join("key");
    let services = open(&place.url, key()).await;
    root_and_below(&services).await;
    services.store.close().await;
    let (mut acknowledged, mut told) = (0_usize, 0);
    for round in 1..=rounds {
        let arguments = ["service::authority_crash::child", "--exact", "--ignored", "--nocapture"];
        let mut child = Command::new(std::env::current_exe().unwrap());
        let child = child.args(arguments).env(FOLDER, place.folder.path());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let [count, pause, more] = array::<3>(&SystemRandom).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut names = Vec::new();
        // After the kill the pipe still holds what the child had acknowledged; the last line may be half.
        for line in lines {
            let Some((_, name)) = line.split_once("acknowledged ") else { continue };
            let Some(name) = name.strip_suffix('.') else { continue };
            names.push(name.to_owned());
            if names.len() == usize::from(count) + 1 {
                // Anywhere between two commits.
                std::thread::sleep(Duration::from_micros(u64::from(pause) * 256 + u64::from(more)));
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(names.len() > usize::from(count), "the child ended by itself in round {round}");
        acknowledged += names.len();

        let left = place.count("issuance_batches WHERE state = 'issuing'").await;
        let services = open(&place.url, key()).await;
        let now = abandoned(&services).await;
        assert_eq!(i64::try_from(now - told).unwrap(), left, "each open intent is abandoned and told of");
        told = now;
        for name in &names {
            let octets = name.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            let octets = octets.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect::<Vec<_>>();
            let found = inventory::find(&services, &octets.try_into().unwrap()).await;
            assert!(found.is_ok(), "round {round}: {name} was acknowledged and is lost");
        }
        no_number_stands_twice(&services, &place).await;
        services.store.close().await;
    }
    println!("{rounds} kills: {acknowledged} certificates acknowledged, none lost; {told} open intents abandoned");
}
