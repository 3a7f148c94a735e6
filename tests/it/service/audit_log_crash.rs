//! The sequencer is killed at each of its steps: no acknowledged leaf is lost, none stands twice, and no two heads that were
//! ever signed disagree; on PostgreSQL with two that compete.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use yinxin::base::clock::FixedClock;
use yinxin::base::random::{SystemRandom, array};
use yinxin::crypto::digest::hex;
use yinxin::domain::audit::tree::{Hash, TreeHash, prove_consistency, verify_consistency};
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::service::audit_log::{AuditLog, Step};
use yinxin::service::keys::KeySource;
use yinxin::service::{KeySettings, Services};
use yinxin::store::audit;

use crate::service::audit_log::{head, open, options, tiles};
use crate::service::installation::{NOW, Place};
use crate::store::Folder;
use crate::store::postgres::Postgres;

pub(crate) const URL: &str = "YINXIN_TEST_LOG_URL";
pub(crate) const KEY: &str = "YINXIN_TEST_LOG_KEY";
const STEP: &str = "YINXIN_TEST_LOG_STEP";
const TURN: &str = "YINXIN_TEST_LOG_TURN";
const ROUNDS: &str = "YINXIN_CRASH_ROUNDS";
/// Who record at the same time.
const AT_ONCE: usize = 24;

pub(crate) async fn attach(url: &str, key: &Path) -> Services {
    let settings = KeySettings::from_source(KeySource::File { path: key.to_owned(), create: true });
    let attached = Services::attach(url, &settings, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await;
    attached.unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the tests below, which ends at the step that it is told"]
async fn child() {
    let told = |name| std::env::var(name).unwrap();
    let services = attach(&told(URL), &PathBuf::from(told(KEY))).await;
    let (step, turn) = (told(STEP).parse::<usize>().unwrap(), told(TURN).parse::<u32>().unwrap());
    let (fatal, left) = (Step::ALL[step], AtomicU32::new(turn));
    let log = AuditLog::open(&services, options()).await.unwrap().watched_by(Arc::new(move |step| {
        if step == fatal && left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
            loop {
                std::thread::park();
            }
        }
    }));
    let mut tasks = tokio::task::JoinSet::new();
    let run = hex(&array::<8>(&SystemRandom).unwrap());
    for worker in 0..AT_ONCE {
        let (services, run) = (services.clone(), run.clone());
        tasks.spawn(async move {
            for number in 0.. {
                let endpoint = format!("{run}/{worker}/{number}");
                let body = EventBody::AccessRefused { endpoint: endpoint.clone(), code: "x".into() };
                let index = services.record(&Actor::Anonymous, None, body).await.unwrap();
                println!("acknowledged {index} {endpoint}.");
            }
        });
    }
    tasks.spawn(async move {
        loop {
            if log.sequence().await.unwrap().is_some() {
                let (sm3, sha256) = (head(&log, TreeHash::Sm3).await, head(&log, TreeHash::Sha256).await);
                println!("sm3 {} {}.", sm3.0, hex(&sm3.1));
                println!("sha256 {} {}.", sha256.0, hex(&sha256.1));
            }
        }
    });
    tasks.join_all().await;
}

fn start(place: &Place, step: usize, turn: u32) -> Child {
    let arguments = ["service::audit_log_crash::child", "--exact", "--ignored", "--nocapture"];
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args(arguments).env(URL, &place.url).env(KEY, place.folder.path().join("key"));
    let child = child.env(STEP, step.to_string()).env(TURN, turn.to_string());
    child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// What all children ever told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) acknowledged: BTreeMap<i64, String>,
    pub(crate) heads: [BTreeMap<u64, String>; 2],
}

impl Told {
    pub(crate) fn hear(&mut self, line: &str) {
        // The last line of one that was killed may be half.
        let Some(line) = line.strip_suffix('.') else { return };
        // The harness writes before the first line of a test.
        let words = line.split(' ').collect::<Vec<_>>();
        match words[..] {
            [.., "acknowledged", index, endpoint] => {
                let known = self.acknowledged.insert(index.parse().unwrap(), endpoint.to_owned());
                assert_eq!(known, None, "the number {index} was given twice");
            }
            [.., tree @ ("sm3" | "sha256"), size, root] => {
                let heads = &mut self.heads[usize::from(tree == "sha256")];
                let known = heads.insert(size.parse().unwrap(), root.to_owned());
                assert!(known.is_none_or(|known| known == root), "two heads of {size} leaves disagree");
            }
            _ => {}
        }
    }
}

/// Each head that was ever told is one that the log went through; gives how many there are.
pub(crate) async fn heads_agree(log: &AuditLog, heads: &[BTreeMap<u64, String>; 2]) -> usize {
    let mut count = 0;
    for (tree, seen) in TreeHash::ALL.into_iter().zip(heads) {
        let (size, root) = head(log, tree).await;
        let tiles = tiles(log, tree, size).await;
        for (old, old_root) in seen {
            let proof = prove_consistency(tree, *old, size, &tiles).unwrap();
            verify_consistency(tree, (*old, &octets(old_root)), (size, &root), &proof).unwrap();
            count += 1;
        }
    }
    count
}

fn octets(hex: &str) -> Hash {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect::<Vec<_>>().try_into().unwrap()
}

async fn rounds(place: Place, rounds: u32, at_once: u32) {
    let key = place.folder.path().join("key");
    let services = place.open().await;
    open(&services).await;
    services.store.close().await;
    let mut told = Told::default();
    for round in 0..rounds {
        let mut children = Vec::new();
        for child in 0..at_once {
            let [turn] = array::<1>(&SystemRandom).unwrap();
            let step = usize::try_from(round + child).unwrap() % Step::ALL.len();
            children.push(start(&place, step, u32::from(turn % 6) + 1));
        }
        let readers = children.iter_mut().map(|child| {
            let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            std::thread::spawn(move || lines.collect::<Vec<_>>())
        });
        let readers = readers.collect::<Vec<_>>();
        for (reader, mut child) in readers.into_iter().zip(children) {
            let lines = reader.join().unwrap();
            let status = child.wait().unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            assert_eq!(signal, Some(9), "round {round}: {:?}", lines.last());
            lines.iter().for_each(|line| told.hear(line));
        }
        let services = attach(&place.url, &key).await;
        let log = open(&services).await;
        while log.sequence().await.unwrap().is_some() {}
        let (size, _) = head(&log, TreeHash::Sm3).await;
        let count = services.store.read(|tx| Box::pin(audit::count(tx))).await.unwrap();
        assert_eq!(i64::try_from(size).unwrap(), count);
        services.store.close().await;
    }

    let services = attach(&place.url, &key).await;
    let log = open(&services).await;
    let events = services.store.read(|tx| Box::pin(audit::read(tx, 0, i64::MAX))).await.unwrap();
    let mut endpoints = BTreeSet::new();
    for (index, event) in &events {
        let EventBody::AccessRefused { endpoint, .. } = &event.body else { continue };
        assert!(endpoints.insert(endpoint.clone()), "{endpoint} stands twice");
        let known = told.acknowledged.remove(index);
        assert!(known.is_none_or(|known| known == *endpoint), "another event stands at {index}");
    }
    assert!(told.acknowledged.is_empty(), "lost: {:?}", told.acknowledged);
    let heads = heads_agree(&log, &told.heads).await;
    println!("{rounds} rounds of {at_once}: {} leaves, none lost or twice; {heads} heads agree", events.len());
}

fn wanted(usual: u32) -> u32 {
    std::env::var(ROUNDS).map_or(usual, |rounds| rounds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_loses_a_leaf_on_sqlite() {
    let folder = Folder::new("audit-log-crash");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    rounds(Place { url, folder }, wanted(6), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_loses_a_leaf_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("kills of the sequencer on PostgreSQL", "PostgreSQL");
    };
    let place = Place { url: server.url.clone(), folder: Folder::new("audit-log-crash-postgres") };
    rounds(place, wanted(6), 2).await;
}
