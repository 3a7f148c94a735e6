//! What was acknowledged is there after the process was killed in the middle of its work.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use yinxin::base::clock::Timestamp;
use yinxin::base::random::SystemRandom;
use yinxin::base::secret::Secret;
use yinxin::domain::audit::{Actor, Event, EventBody};
use yinxin::store::{IntegrityKey, Store, audit};

use crate::store::Folder;
use crate::store::postgres::Postgres;

const FILE: &str = "YINXIN_TEST_DURABILITY_FILE";

async fn open(file: &std::path::Path) -> Store {
    Store::open_file(file, IntegrityKey::new(Secret::new(vec![1; 32])), Arc::new(SystemRandom)).await.unwrap()
}

/// Writers who share their commits.
const WRITERS: i64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of `acknowledged_rows_survive_a_kill`, which ends it"]
async fn child() {
    let store = open(std::env::var_os(FILE).unwrap().as_ref()).await;
    let mut writers = tokio::task::JoinSet::new();
    for first in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for at in (first..).step_by(8) {
                let body = EventBody::ServiceStarted { version: at.to_string() };
                let event = Event { at: Timestamp::from_unix(at), actor: Actor::Operator, request: None, body };
                let number = store.run("append", |tx| Box::pin(audit::append(tx, &event))).await.unwrap();
                println!("acknowledged {number} {at}.");
            }
        });
    }
    while writers.join_next().await.is_some() {}
}

#[tokio::test]
async fn acknowledged_rows_survive_a_kill() {
    let folder = Folder::new("durability");
    let file = folder.path().join("rows.db");
    let mut acknowledged = Vec::<(i64, i64)>::new();
    for round in 1..=3_i64 {
        let arguments = ["store::durability::child", "--exact", "--ignored", "--nocapture"];
        let mut child = Command::new(std::env::current_exe().unwrap());
        let mut child = child.args(arguments).env(FILE, &file).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut in_this_round = 0;
        // After the kill the pipe still holds what the child had acknowledged; the last line may be half.
        for line in lines {
            let Some((_, number)) = line.split_once("acknowledged ") else { continue };
            let Some((number, at)) = number.strip_suffix('.').and_then(|told| told.split_once(' ')) else { continue };
            acknowledged.push((number.parse().unwrap(), at.parse().unwrap()));
            in_this_round += 1;
            if in_this_round == 40 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(in_this_round >= 40 * round, "the child ended by itself");

        let store = open(&file).await;
        let events = store.read(|tx| Box::pin(audit::read(tx, 0, i64::MAX))).await.unwrap();
        let count = store.read(|tx| Box::pin(audit::count(tx))).await.unwrap();
        assert_eq!(events.len(), usize::try_from(count).unwrap());
        for (number, at) in &acknowledged {
            let kept = events.get(usize::try_from(*number).unwrap()).map(|(number, event)| (*number, event.at.unix()));
            assert_eq!(kept, Some((*number, *at)), "acknowledged");
        }
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_goes_on_after_its_server_was_away() {
    let Some(server) = Postgres::start() else {
        return crate::skip("a store whose server was away", "PostgreSQL");
    };
    let key = IntegrityKey::new(Secret::new(vec![1; 32]));
    let store = Store::open(server.url.as_str(), key, Arc::new(SystemRandom)).await.unwrap();
    let append = async |at| {
        let body = EventBody::ServiceStarted { version: "1".into() };
        let event = Event { at: Timestamp::from_unix(at), actor: Actor::Operator, request: None, body };
        store.run("append", |tx| Box::pin(audit::append(tx, &event))).await.unwrap()
    };
    let before = append(60).await;
    server.restart_cold();
    store.ping().await.unwrap();
    assert_eq!(append(61).await, before + 1);
    store.close().await;
}
