//! Two programs, one version apart, on one database: this one, and the next one, which has a further migration and writes
//! events that this one does not know. They follow each other under load, both ways, by a stop or a kill; on PostgreSQL also
//! beside each other. Whatever was acknowledged is in the log once, under the number that was given.
//!
//! The next program is this one with what a newer one would have more: the migration is brought by
//! [`Database::with_migrations`], and its events are written by hand, in its own transactions.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::Connection as _;
use yinxin::base::clock::FixedClock;
use yinxin::base::id::{CallerId, RequestId};
use yinxin::base::random::{SystemRandom, array};
use yinxin::crypto::digest::hex;
use yinxin::domain::audit::misuse::Misuse;
use yinxin::domain::audit::promise::Promise;
use yinxin::domain::audit::tree::TreeHash;
use yinxin::domain::audit::{Actor, Entry, EventBody, LoggedEvent, SecurityEvent};
use yinxin::domain::caller::{Role, Roles};
use yinxin::format::tlog::Note;
use yinxin::service::audit_log::AuditLog;
use yinxin::service::audit_log::checking::check;
use yinxin::service::audit_log::desk::{EventQuery, LogAnswer, LogRequest};
use yinxin::service::audit_log::stored::StoredLog;
use yinxin::service::backups::{self, Destination};
use yinxin::service::keys::KeySource;
use yinxin::service::watching::Watch;
use yinxin::service::watching::delivery::{Delivery, Handing, Sink, Step};
use yinxin::service::{KeySettings, Services};
use yinxin::store::{Database, Migration, Migrations, SchemaVersion, Store, audit, newest_version};

use crate::service::audit_log::{head, open, options};
use crate::service::audit_log_crash::{KEY, Told, URL, attach, heads_agree};
use crate::service::installation::{NOW, Place};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const PROGRAM: &str = "YINXIN_TEST_UPGRADE_PROGRAM";
const ROUNDS: &str = "YINXIN_UPGRADE_ROUNDS";
const NEXT: &str = "next";
const THIS: &str = "this";
/// Who record at the same time.
const AT_ONCE: usize = 8;
/// Of them, who ask for receipts.
const WITH_RECEIPTS: usize = 2;
/// A class that no program has.
const CLASS: u16 = 24_001;
/// What a program acknowledges before its end comes.
const ENOUGH: i64 = 120;

/// What the next program has: tables, columns and indexes more.
fn next() -> Migrations {
    Migrations::built_in().with(Migration {
        version: newest_version() + 1,
        serves_from: newest_version(),
        sqlite: "ALTER TABLE callers ADD COLUMN division TEXT; \
                 ALTER TABLE audit_events ADD COLUMN kind INTEGER NOT NULL DEFAULT 0; \
                 CREATE TABLE next_things (number INTEGER PRIMARY KEY, said TEXT NOT NULL) STRICT; \
                 CREATE INDEX next_things_said ON next_things (said); \
                 CREATE INDEX callers_division ON callers (division);",
        postgres: "ALTER TABLE callers ADD COLUMN division TEXT; \
                   ALTER TABLE audit_events ADD COLUMN kind BIGINT NOT NULL DEFAULT 0; \
                   CREATE TABLE next_things (number BIGINT PRIMARY KEY, said TEXT NOT NULL); \
                   CREATE INDEX next_things_said ON next_things (said); \
                   CREATE INDEX callers_division ON callers (division);",
    })
}

async fn attach_next(url: &str, key: &Path) -> Services {
    let settings = KeySettings::from_source(KeySource::File { path: key.to_owned(), create: true });
    let database = Database::at(url).with_migrations(next());
    let attached = Services::attach(database, &settings, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await;
    attached.unwrap().0
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

/// An event of a class that this program does not have, in the form of version 1.
fn newer_event(actor: &Actor, said: &str) -> Vec<u8> {
    let by = match actor {
        Actor::Caller { id, .. } => {
            let role = u8::try_from(Role::SealUser.number()).unwrap();
            [element(0x80, &[1]), element(0x81, id.as_str().as_bytes()), element(0x82, &[role])].concat()
        }
        _ => element(0x80, &[3]),
    };
    let at = NOW.unix().to_be_bytes();
    let at = at.iter().copied().skip_while(|octet| *octet == 0).collect::<Vec<_>>();
    assert!(at[0] < 0x80);
    let parts = [
        element(0x80, &[1]),
        element(0x81, &at),
        element(0xa2, &by),
        element(0x84, &CLASS.to_be_bytes()),
        element(0xa5, &element(0x80, said.as_bytes())),
    ];
    element(0x30, &parts.concat())
}

/// Writes such an event as a newer program does, with a row of its own; gives its number when it is committed.
async fn write_newer(url: &str, actor: &Actor, said: &str) -> Result<i64, sqlx::Error> {
    const TAKE: &str = "UPDATE audit_head SET next = next + 1 WHERE single = 1 RETURNING next - 1";
    const EVENT: &str =
        "INSERT INTO audit_events (number, class, at, event, salt, kind) VALUES ($1, $2, $3, $4, $5, 7)";
    const THING: &str = "INSERT INTO next_things (number, said) VALUES ($1, $2)";
    let (der, salt) = (newer_event(actor, said), array::<32>(&SystemRandom).unwrap());
    macro_rules! write {
        ($tx:expr) => {{
            let (number,): (i64,) = sqlx::query_as(TAKE).fetch_one(&mut *$tx).await?;
            let event = sqlx::query(EVENT).bind(number).bind(i64::from(CLASS)).bind(NOW.unix());
            event.bind(der).bind(salt.to_vec()).execute(&mut *$tx).await?;
            sqlx::query(THING).bind(number).bind(said.to_owned()).execute(&mut *$tx).await?;
            $tx.commit().await?;
            Ok(number)
        }};
    }
    if url.starts_with("sqlite:") {
        let options = url.parse::<sqlx::sqlite::SqliteConnectOptions>()?.busy_timeout(Duration::from_secs(10));
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
        return write!(tx);
    }
    let mut connection = sqlx::PgConnection::connect(url).await?;
    let mut tx = connection.begin().await?;
    write!(tx)
}

fn caller() -> Actor {
    let id = CallerId::parse("c-upgrade").unwrap();
    Actor::Caller { id, roles: Roles::new([Role::SealUser]).unwrap() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a program of the tests below, which serves until its input ends"]
async fn child() {
    let told = |name| std::env::var(name).unwrap();
    let (url, key, is_next) = (told(URL), PathBuf::from(told(KEY)), told(PROGRAM) == NEXT);
    let services = if is_next { attach_next(&url, &key).await } else { attach(&url, &key).await };
    let log = AuditLog::open(&services, options()).await.unwrap();
    let stopping = Arc::new(AtomicBool::new(false));
    let ending = Arc::clone(&stopping);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ending.store(true, Ordering::SeqCst);
    });
    let run = hex(&array::<8>(&SystemRandom).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let (services, log, run, stopping) = (services.clone(), log.clone(), run.clone(), Arc::clone(&stopping));
        tasks.spawn(async move {
            for number in 0.. {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let endpoint = format!("{run}/{worker}/{number}");
                let body = EventBody::AccessRefused { endpoint: endpoint.clone(), code: "x".into() };
                let request = RequestId::parse(&format!("{run}-{worker}-{number}")).unwrap();
                let index = services.record(&caller(), Some(&request), body).await.unwrap();
                println!("acknowledged {index} {endpoint}.");
                let receipts = if worker < WITH_RECEIPTS { log.receipts(&request).await.unwrap() } else { Vec::new() };
                for receipt in receipts {
                    println!("receipt {} {}.", receipt.index, hex(receipt.note.as_bytes()));
                }
                drop(services.store.take_appended(&request));
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        });
    }
    if is_next {
        let (url, stopping) = (url.clone(), Arc::clone(&stopping));
        tasks.spawn(async move {
            for number in 0.. {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let said = format!("{run}/next/{number}");
                // One that did not come to its turn wrote nothing.
                if let Ok(index) = write_newer(&url, &Actor::Anonymous, &said).await {
                    println!("acknowledged {index} {said}.");
                }
            }
        });
    }
    let sequencing = tokio::spawn(async move {
        loop {
            let done = stopping.load(Ordering::SeqCst);
            let grown = log.sequence().await.unwrap();
            if grown.is_some() {
                let (sm3, sha256) = (head(&log, TreeHash::Sm3).await, head(&log, TreeHash::Sha256).await);
                println!("sm3 {} {}.", sm3.0, hex(&sm3.1));
                println!("sha256 {} {}.", sha256.0, hex(&sha256.1));
            }
            // Another program may go on for ever.
            if done {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    sequencing.await.unwrap();
    services.store.close().await;
    println!("stopped.");
}

/// A program at work, and what it said.
struct Serving {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    acknowledged: Arc<AtomicI64>,
    reader: std::thread::JoinHandle<()>,
}

impl Serving {
    fn start(place: &Place, program: &str) -> Self {
        let arguments = ["service::upgrade::child", "--exact", "--ignored", "--nocapture"];
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(arguments).env(URL, &place.url).env(KEY, place.folder.path().join("key")).env(PROGRAM, program);
        let log = std::fs::File::create(place.folder.path().join(format!("{program}.log"))).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let (said, acknowledged) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicI64::new(0)));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (heard, count) = (Arc::clone(&said), Arc::clone(&acknowledged));
        let reader = std::thread::spawn(move || {
            for line in lines {
                count.fetch_add(i64::from(line.contains("acknowledged ")), Ordering::SeqCst);
                heard.lock().unwrap().push(line);
            }
        });
        Self { child, said, acknowledged, reader }
    }

    fn wait_for(&mut self, enough: i64, place: &Place, program: &str) {
        let started = Instant::now();
        while self.acknowledged.load(Ordering::SeqCst) < enough {
            let ended = self.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(place.folder.path().join(format!("{program}.log"))).unwrap();
            assert!(ended.is_none(), "{program} ended: {:?} {}", self.said.lock().unwrap(), log());
            assert!(started.elapsed() < Duration::from_secs(120), "{program} acknowledges nothing: {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it by a kill or by the end of its input; gives all that it said.
    fn end(mut self, by_kill: bool) -> Vec<String> {
        if by_kill {
            self.child.kill().unwrap();
        }
        drop(self.child.stdin.take());
        let status = self.child.wait().unwrap();
        self.reader.join().unwrap();
        let said = std::mem::take(&mut *self.said.lock().unwrap());
        let stopped = said.iter().any(|line| line.ends_with("stopped."));
        assert_eq!((status.success(), stopped), (!by_kill, !by_kill), "{:?}", said.last());
        said
    }
}

fn octets(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Index and note of a receipt that was told whole.
fn receipt(line: &str) -> Option<(u64, Vec<u8>)> {
    let words = line.strip_suffix('.')?.split(' ').collect::<Vec<_>>();
    let [.., "receipt", index, note] = words[..] else { return None };
    Some((index.parse().unwrap(), octets(note)))
}

async fn rounds(place: Place, rounds: u32, beside_each_other: bool) {
    let key = place.folder.path().join("key");
    let services = place.open().await;
    open(&services).await;
    services.store.close().await;
    let (mut told, mut receipts, mut kills) = (Told::default(), BTreeMap::new(), 0);
    for round in 0..rounds {
        let programs: &[&str] = match round % 3 {
            2 if beside_each_other => &[THIS, NEXT],
            // 0: this, 1: next, 3: this where nothing runs beside it.
            _ if round % 2 == 0 => &[THIS],
            _ => &[NEXT],
        };
        let mut serving =
            programs.iter().map(|program| (*program, Serving::start(&place, program))).collect::<Vec<_>>();
        for (program, one) in &mut serving {
            one.wait_for(ENOUGH, &place, program);
        }
        let [pause] = array::<1>(&SystemRandom).unwrap();
        std::thread::sleep(Duration::from_millis(u64::from(pause)));
        for (turn, (_, one)) in serving.into_iter().enumerate() {
            // Each program ends both ways within four rounds.
            let by_kill = (usize::try_from(round).unwrap() / 2 + turn) % 2 == 1;
            kills += u32::from(by_kill);
            for line in one.end(by_kill) {
                told.hear(&line);
                receipts.extend(receipt(&line));
            }
        }
        // This program, after either of them.
        let services = attach(&place.url, &key).await;
        let log = open(&services).await;
        while log.sequence().await.unwrap().is_some() {}
        let (size, _) = head(&log, TreeHash::Sm3).await;
        let count = services.store.read(|tx| Box::pin(audit::count(tx))).await.unwrap();
        assert_eq!(i64::try_from(size).unwrap(), count);
        services.store.close().await;
    }
    everything_is_there(&place, told, receipts, (rounds, kills)).await;
}

async fn everything_is_there(
    place: &Place,
    mut told: Told,
    receipts: BTreeMap<u64, Vec<u8>>,
    (rounds, kills): (u32, u32),
) {
    let services = attach(&place.url, &place.folder.path().join("key")).await;
    let at = services.store.version().await.unwrap();
    let (this, next) = (newest_version(), newest_version() + 1);
    assert_eq!(
        at,
        SchemaVersion { database: next, before: this, serves_from: this, will_serve_from: this, program: this }
    );
    let log = open(&services).await;
    let events = services.store.read(|tx| Box::pin(audit::logged(tx, 0, i64::MAX))).await.unwrap();
    let (mut names, mut unknown, acknowledged) = (BTreeSet::new(), 0_i64, told.acknowledged.len());
    for (index, event) in &events {
        let name = match event {
            LoggedEvent::Known(event) => match &event.body {
                EventBody::AccessRefused { endpoint, .. } => endpoint.clone(),
                _ => continue,
            },
            LoggedEvent::Unknown(event) => {
                unknown += 1;
                // The last field, of 16 digits, `/next/` and a number.
                let der = event.der();
                let at = der.windows(6).position(|part| part == b"/next/").unwrap();
                String::from_utf8(der[at - 16..].to_vec()).unwrap()
            }
        };
        let known = told.acknowledged.remove(index);
        assert!(known.is_none_or(|known| known == name), "another event stands at {index}");
        assert!(names.insert(name.clone()), "{name} stands twice");
    }
    assert!(told.acknowledged.is_empty(), "lost: {:?}", told.acknowledged);
    assert!(unknown > 0);
    assert_eq!(place.count("next_things").await, unknown);
    assert_eq!(place.count("log_unread").await, unknown, "each waits for the program that knows it");

    // Each receipt is the log's word on the very leaf that is there.
    let rows = services.store.read(|tx| Box::pin(audit::salted(tx, 0, i64::MAX))).await.unwrap();
    let keys = [log.verifier(TreeHash::Sm3).unwrap().clone()];
    for (index, note) in &receipts {
        let promise = Promise::verified(&Note::parse(note).unwrap(), &keys).unwrap();
        let row = &rows[usize::try_from(*index).unwrap()];
        assert_eq!((promise.index, promise.entry), (*index, Entry::of_der(&row.event, &row.salt).unwrap()));
    }
    assert!(!receipts.is_empty());
    let heads = heads_agree(&log, &told.heads).await;
    let (stored, own) = StoredLog::of(&services).await.unwrap();
    let checked = check(Arc::new(stored), &own).await.unwrap().unwrap();
    assert_eq!(checked.size, u64::try_from(events.len()).unwrap());
    println!(
        "{rounds} rounds, {kills} kills: {} leaves, {unknown} of them unknown here; {acknowledged} acknowledged, none lost \
         or twice; {} receipts kept; {heads} heads agree",
        events.len(),
        receipts.len()
    );
}

fn wanted() -> u32 {
    std::env::var(ROUNDS).map_or(4, |rounds| rounds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_and_down_under_load_on_sqlite() {
    let folder = Folder::new("upgrade");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    rounds(Place { url, folder }, wanted(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_and_down_under_load_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("upgrade on PostgreSQL", "PostgreSQL") };
    rounds(Place { url: server.url.clone(), folder: Folder::new("upgrade-postgres") }, wanted(), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_newer_program_stop_nothing_on_sqlite() {
    let folder = Folder::new("upgrade-events");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    let fresh = format!("sqlite:{}", folder.path().join("restored.db").display());
    events_of_a_newer_program_stop_nothing(Place { url, folder }, fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_newer_program_stop_nothing_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("events of a newer program", "PostgreSQL") };
    let folder = Folder::new("upgrade-events-postgres");
    let (url, fresh) = (server.database("upgraded").await, server.database("restored").await);
    events_of_a_newer_program_stop_nothing(Place { url, folder }, fresh).await;
}

/// Keeps what it gets.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<SecurityEvent>>>);

impl Sink for Kept {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn hand_over<'a>(&'a mut self, events: &'a [SecurityEvent]) -> Handing<'a, ()> {
        self.0.lock().unwrap().extend_from_slice(events);
        Box::pin(async { Ok(()) })
    }

    fn look(&mut self) -> Handing<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

async fn events_of_a_newer_program_stop_nothing(place: Place, fresh: String) {
    let key = place.folder.path().join("key");
    let services = place.open().await;
    open(&services).await.sequence().await.unwrap();
    // Followers begin behind what is there.
    Watch::begin(services.clone(), Misuse::default()).await.unwrap();
    let kept = Kept::default();
    let delivery = async |services: &Services| {
        let sink = Box::new(kept.clone());
        Delivery::begin(services.clone(), sink, Duration::from_secs(300)).await.unwrap()
    };
    delivery(&services).await;
    services.store.close().await;

    attach_next(&place.url, &key).await.store.close().await;
    let mut numbers = Vec::new();
    for said in ["one", "two", "three"] {
        numbers.push(write_newer(&place.url, &caller(), said).await.unwrap());
    }
    let unknown = u64::try_from(numbers[0]).unwrap();

    let services = attach(&place.url, &key).await;
    let log = open(&services).await;
    let body = EventBody::AccessRefused { endpoint: "after".into(), code: "x".into() };
    let after = services.record(&caller(), None, body).await.unwrap();
    assert_eq!(log.sequence().await.unwrap(), Some(u64::try_from(after).unwrap() + 1));

    // Proofs: for its actor and for auditors.
    let ask = async |actor: &Actor, request| log.answer(actor, request).await.map_err(|error| error.code());
    let auditor =
        Actor::Caller { id: CallerId::parse("a").unwrap(), roles: Roles::new([Role::AuditAdministrator]).unwrap() };
    let other = Actor::Caller { id: CallerId::parse("o").unwrap(), roles: Roles::new([Role::SealUser]).unwrap() };
    for entitled in [&caller(), &auditor] {
        let Ok(LogAnswer::Proofs(proofs)) = ask(entitled, LogRequest::Proof { index: unknown }).await else { panic!() };
        let event = proofs[0].read().unwrap();
        assert_eq!((event.class_number(), event.known()), (u64::from(CLASS), None));
    }
    assert_eq!(ask(&other, LogRequest::Proof { index: unknown }).await, Err("log-not-entitled"));

    // The search of auditors.
    let found = async |query: EventQuery| match ask(&auditor, LogRequest::Search(query)).await {
        Ok(LogAnswer::Events(page)) => page.events.into_iter().map(|(number, _)| number).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let class = LoggedEvent::class_named("class-24001");
    assert_eq!(found(EventQuery { class, ..EventQuery::default() }).await, [unknown, unknown + 1, unknown + 2]);
    assert_eq!(found(EventQuery { noun: Some("two".into()), ..EventQuery::default() }).await, [unknown + 1]);
    assert!(found(EventQuery::default()).await.contains(&unknown));

    // Who must know every event refuses it by name; the log itself is whole, and proven at the next start.
    let strict = services.store.read(|tx| Box::pin(audit::read(tx, 0, 1_000))).await.unwrap_err();
    assert_eq!(strict.to_string(), format!("the row {unknown} of audit_events is not as it was written"));
    let (stored, own) = StoredLog::of(&services).await.unwrap();
    assert_eq!(check(Arc::new(stored), &own).await.unwrap().unwrap().size, u64::try_from(after).unwrap() + 1);
    open(&services).await;

    // Rules pass over them; receivers are told of each.
    let mut watch = Watch::begin(services.clone(), Misuse::default()).await.unwrap();
    assert_eq!(watch.look().await.unwrap().events, 4);
    let mut handing = delivery(&services).await;
    assert_eq!(handing.step().await.unwrap(), Step::Done(4));
    let told = std::mem::take(&mut *kept.0.lock().unwrap());
    let classes = told.iter().map(|event| &*event.class).collect::<Vec<_>>();
    assert_eq!(classes, ["class-24001", "class-24001", "class-24001", "access-refused"]);
    assert!(
        told[0].to_json().unwrap().contains("\"severity\":\"notice\",\"actor\":\"caller\",\"actor_id\":\"c-upgrade\"")
    );

    what_was_not_understood_is_understood_later(&place, &services, &log).await;
    a_backup_is_put_back(&place, &services, &fresh).await;

    // Erased like any other.
    let number = numbers[2];
    let erased = services.store.run("erase", |tx| Box::pin(audit::erase(tx, (number, number), NOW, number))).await;
    assert_eq!(erased.unwrap(), 1);
    assert_eq!(log.prove(unknown + 2).await.unwrap_err().code(), "log-event-erased");
    open(&services).await;
}

/// As the next program does with what this one sequenced.
async fn what_was_not_understood_is_understood_later(place: &Place, services: &Services, log: &AuditLog) {
    assert_eq!(place.count("log_unread").await, 3);
    assert_eq!(log.reread().await.unwrap(), 0);
    let body = EventBody::CertificateIssued {
        serial: vec![1; 16],
        issuer_sm3: [2; 32],
        certificate_sm3: [0xcc; 32],
        key: None,
    };
    let index = services.record(&Actor::Operator, None, body).await.unwrap();
    log.sequence().await.unwrap();
    // As if it had been a newer one's when it was sequenced.
    place.by_hand(&format!("DELETE FROM log_things WHERE number = {index}")).await;
    place.by_hand(&format!("INSERT INTO log_unread (number) VALUES ({index})")).await;
    assert_eq!(log.proofs_of(&[0xcc; 32]).await.unwrap(), []);
    assert_eq!((log.reread().await.unwrap(), log.reread().await.unwrap()), (1, 0));
    assert_eq!(log.proofs_of(&[0xcc; 32]).await.unwrap().len(), 1);
    assert_eq!(place.count("log_unread").await, 3);
}

async fn a_backup_is_put_back(place: &Place, services: &Services, fresh: &str) {
    let (backup, home) = (place.folder.path().join("backup"), place.folder.path().join("home"));
    std::fs::create_dir(&home).unwrap();
    let key = place.folder.path().join("key");
    let manifest = backups::take(&services.store, &backup, Some(&key), NOW).await.unwrap();
    assert_eq!((manifest.migration, manifest.serves_from), (newest_version() + 1, Some(newest_version())));
    let own_key = home.join("key");
    let to = Destination { url: fresh, data_dir: &home, key_file: Some(&own_key) };
    let opening = async || Store::open_as_it_is(fresh, Arc::new(SystemRandom)).await;
    if place.is_sqlite() {
        assert_eq!(backups::put_back(&backup, to, opening).await.unwrap(), manifest);
    } else {
        // The tables of a newer version are made by the program of that version; then this one serves them.
        let refused = backups::put_back(&backup, to, opening).await.unwrap_err();
        assert_eq!(refused.code(), "backup-too-new");
        let newer = Database::at(fresh).with_migrations(next());
        let opening = async || Store::open_as_it_is(newer, Arc::new(SystemRandom)).await;
        assert_eq!(backups::put_back(&backup, to, opening).await.unwrap(), manifest);
    }
    let restored = attach(fresh, &own_key).await;
    let (old, new) =
        (head(&open(services).await, TreeHash::Sm3).await, head(&open(&restored).await, TreeHash::Sm3).await);
    assert_eq!(old, new);
    restored.store.close().await;
}
