//! Old tiles in an object store: a double that refuses, breaks off, lies and is silent; and a store that is not ours.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yinxin::base::clock::SystemClock;
use yinxin::domain::audit::tree::TreeHash;
use yinxin::domain::verify::address::Address;
use yinxin::format::tlog::tile::TilePath;
use yinxin::service::Services;
use yinxin::service::audit_log::AuditLog;
use yinxin::service::audit_log::moving::{MovedTiles, move_tiles};
use yinxin::service::audit_log::old_tiles::{OldTiles, TilePlace};
use yinxin::service::outside::objects::{Credentials, ObjectFolder};
use yinxin::service::outside::web::Patience;

use crate::service::audit_log::{open, options, record, sequence_all};
use crate::service::installation::Place;
use crate::service::old_tiles::{
    all_files, at, checked, everything_is_served_and_proven_as_before, is_served, moved,
    no_step_that_is_cut_off_loses_anything,
};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const SECRET: &str = "a-secret-of-a-test";

/// How a double answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// As it should.
    Right,
    /// By that status, whatever is asked.
    Status(u16),
    /// Never.
    Silent,
    /// Half of what there is.
    Cut,
    /// More than any tile has.
    Large,
    /// Another octet.
    Lies,
    /// That there is nothing.
    Forgets,
}

/// What a double keeps, each with the head of the request that put it there.
type Objects = BTreeMap<String, (Vec<u8>, String)>;

/// An object store that does what it is told to do.
struct Double {
    port: u16,
    mood: Arc<Mutex<Mood>>,
    objects: Arc<Mutex<Objects>>,
}

impl Double {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mood, objects) = (Arc::new(Mutex::new(Mood::Right)), Arc::new(Mutex::new(BTreeMap::new())));
        let started = Self { port, mood: Arc::clone(&mood), objects: Arc::clone(&objects) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (mood, objects) = (Arc::clone(&mood), Arc::clone(&objects));
                // A client that goes away ends it.
                std::thread::spawn(move || while answered(&stream, &mood, &objects).is_some() {});
            }
        });
        started
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn objects(&self, secret: &str) -> ObjectFolder {
        objects(&format!("http://127.0.0.1:{}/logs/old", self.port), "AKIATEST", secret)
    }
}

fn objects(address: &str, id: &str, secret: &str) -> ObjectFolder {
    let text = format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    let credentials = Credentials::read(text.as_bytes()).unwrap();
    let located = (Address::parse(address).unwrap(), "us-east-1");
    ObjectFolder::new(located, credentials, None, Arc::new(SystemClock))
}

/// Reads a request and answers it; nothing at the end of the connection.
fn answered(mut stream: &TcpStream, mood: &Mutex<Mood>, objects: &Mutex<Objects>) -> Option<()> {
    let (mut head, mut octet) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut octet).ok()?;
        head.extend(octet);
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let mood = *mood.lock().unwrap();
    let mut say = |status: u16, said: usize, body: &[u8]| {
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {said}\r\nLocation: http://127.0.0.1:1/\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).ok()
    };
    match (mood, method.as_str()) {
        (Mood::Status(status), _) => say(status, 5, b"<no/>"),
        (Mood::Silent, _) => {
            let _ = stream.read_exact(&mut octet);
            None
        }
        (_, "PUT") => {
            objects.lock().unwrap().insert(path, (body, head));
            say(200, 0, b"")
        }
        (mood, _) => {
            let found = objects.lock().unwrap().get(&path).map(|(octets, _)| octets.clone());
            let Some(mut octets) = found.filter(|_| mood != Mood::Forgets) else { return say(404, 0, b"") };
            match mood {
                Mood::Cut => {
                    say(200, octets.len(), &octets[..octets.len() / 2]);
                    return None;
                }
                Mood::Large => octets = vec![0; (64 << 10) + 1],
                Mood::Lies => octets[40] ^= 1,
                _ => {}
            }
            say(200, octets.len(), &octets)
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_sqlite() {
    let folder = Folder::new("old-tiles-objects");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("old objects on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("old-tiles-objects-postgres") }).await;
}

/// The checks share one database and run in this order.
async fn contract(place: Place) {
    let double = Double::start();
    let patience = Patience { connection: Duration::from_secs(1), whole: Duration::from_secs(1) };
    let store = double.objects(SECRET).patient(patience);
    let services = place.open().await.with_old_tiles(OldTiles::with_objects(store.clone()));
    let log = open(&services).await;
    record(&services, 1_500).await;
    sequence_all(&log).await;
    let tiles: Arc<dyn TilePlace> = Arc::new(store);
    let served = all_files(&log).await;
    nothing_is_moved_to_a_store_that_fails(&place, &services, &double, &tiles).await;
    no_step_that_is_cut_off_loses_anything(&place, &services, &tiles, &served).await;
    everything_is_served_and_proven_as_before(&place, &services, &served).await;
    requests_are_signed_and_hold_no_secret(&double);
    // Another sequencer was at work meanwhile: whoever finds that out compares the newest leaves again, as a start does.
    let log = open(&services).await;
    a_store_that_fails_is_named_and_the_log_grows(&services, &log, &double).await;
    without_its_settings_a_store_is_not_read(&services).await;
    they_come_back_to_a_folder(&place, &services, &double).await;
    is_served(&services, &served).await;
    services.store.close().await;
}

/// Every way to fail for whoever puts or gets, with its code.
const FAILING: [(Mood, &str); 10] = [
    (Mood::Status(403), "object-store-denied"),
    (Mood::Status(401), "object-store-denied"),
    (Mood::Status(500), "answer-status"),
    (Mood::Status(503), "answer-status"),
    (Mood::Status(307), "answer-redirects"),
    (Mood::Silent, "answer-late"),
    (Mood::Cut, "answer-broken"),
    (Mood::Large, "answer-too-large"),
    (Mood::Lies, "log-old-tile-changed"),
    (Mood::Forgets, "log-old-tile-missing"),
];

async fn nothing_is_moved_to_a_store_that_fails(
    place: &Place,
    services: &Services,
    double: &Double,
    tiles: &Arc<dyn TilePlace>,
) {
    let rows = place.count("log_tiles").await;
    for (mood, code) in FAILING {
        double.set(mood);
        let refused = move_tiles(services, tiles, 1_280, &|_| {}).await.unwrap_err();
        assert_eq!((refused.code(), moved(services).await), (code, 0), "{mood:?}: {refused}");
        assert_eq!(place.count("log_tiles").await, rows, "{mood:?}");
    }
    let nobody: Arc<dyn TilePlace> = Arc::new(objects("http://127.0.0.1:1/logs", "a", "b"));
    let refused = move_tiles(services, &nobody, 1_280, &|_| {}).await.unwrap_err();
    assert_eq!(refused.code(), "host-not-connected");
    double.set(Mood::Right);
}

fn requests_are_signed_and_hold_no_secret(double: &Double) {
    let objects = double.objects.lock().unwrap();
    let bundles = objects.keys().filter(|path| path.starts_with("/logs/old/sm3/tile/entries/")).count();
    let tiles = objects.keys().filter(|path| path.starts_with("/logs/old/sha256/tile/0/")).count();
    assert_eq!((bundles, tiles), (5, 5), "{:?}", objects.keys());
    for (path, (_, head)) in &*objects {
        let signed = head.lines().find(|line| line.starts_with("authorization: AWS4-HMAC-SHA256 Credential=AKIATEST/"));
        let fields = "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=";
        assert!(signed.is_some_and(|line| line.contains(fields)), "{path}: {head}");
        assert!(!head.contains(SECRET), "{path}");
    }
}

async fn a_store_that_fails_is_named_and_the_log_grows(services: &Services, log: &AuditLog, double: &Double) {
    let tile = TilePath::parse("tile/0/001").unwrap();
    for (mood, code) in FAILING {
        double.set(mood);
        let failed = log.tile(TreeHash::Sm3, tile).await.unwrap_err();
        assert_eq!(failed.code(), code, "{mood:?}: {failed}");
        let named = format!("http://127.0.0.1:{}/logs/old/sm3/tile/0/001", double.port);
        assert!(failed.to_string().starts_with(&named), "{failed}");
        assert_eq!(log.prove(300).await.unwrap_err().code(), code, "{mood:?}");
        // A start compares the newest leaves, which lie there too.
        assert_eq!(
            AuditLog::open(services, options()).await.err().map(|error| error.code().to_owned()).as_deref(),
            Some(code)
        );
        let before = log.head(TreeHash::Sm3).await.unwrap().size;
        record(services, 3).await;
        sequence_all(log).await;
        let size = log.head(TreeHash::Sm3).await.unwrap().size;
        assert_eq!(size, before + 3, "{mood:?}");
        log.prove(size - 1).await.unwrap();
    }
    // Whoever waits for a store that is silent holds no row of the database: many wait, and the log grows.
    double.set(Mood::Silent);
    let waiting = (0..64).map(|_| {
        let log = log.clone();
        tokio::spawn(async move { log.tile(TreeHash::Sm3, TilePath::parse("tile/0/002").unwrap()).await })
    });
    let waiting = waiting.collect::<Vec<_>>();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = tokio::time::Instant::now();
    record(services, 3).await;
    sequence_all(log).await;
    assert!(started.elapsed() < Duration::from_millis(800), "{:?}", started.elapsed());
    for one in waiting {
        assert_eq!(one.await.unwrap().unwrap_err().code(), "answer-late");
    }
    assert!(started.elapsed() < Duration::from_secs(4), "whoever waits for a connection waits no longer");
    double.set(Mood::Right);
    checked(services).await.unwrap();
    log.prove(300).await.unwrap();
    // Its own word is not believed where it is changed for good.
    let path = "/logs/old/sm3/tile/0/001";
    double.objects.lock().unwrap().get_mut(path).unwrap().0[3 * 32 + 5] ^= 1;
    assert_eq!(checked(services).await.unwrap_err().index(), Some(259));
    double.objects.lock().unwrap().get_mut(path).unwrap().0[3 * 32 + 5] ^= 1;
    checked(services).await.unwrap();
}

async fn without_its_settings_a_store_is_not_read(services: &Services) {
    let without = services.clone().with_old_tiles(OldTiles::default());
    let refused = AuditLog::open(&without, options()).await.err().unwrap();
    assert_eq!(refused.code(), "log-old-tiles-elsewhere");
}

async fn they_come_back_to_a_folder(place: &Place, services: &Services, double: &Double) {
    let folder = at(&place.folder.path().join("back"));
    assert_eq!(move_tiles(services, &folder, 0, &|_| {}).await.unwrap(), None);
    double.set(Mood::Silent);
    checked(services).await.unwrap();
    open(&services.clone().with_old_tiles(OldTiles::default())).await.prove(300).await.unwrap();
}

/// The store of the peers, as its own program.
struct Peer {
    child: Child,
    said: serde_json::Value,
}

impl Peer {
    fn start() -> Option<Self> {
        let python = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/venv/bin/python");
        let has = |python: &Path| {
            let mut command = Command::new(python);
            command.args(["-c", "import moto.server"]).stderr(Stdio::null()).status().is_ok_and(|done| done.success())
        };
        if !has(&python) {
            crate::skip("service::old_tiles_objects::a_store_that_is_not_ours_takes_and_gives_them", "moto");
            return None;
        }
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/python/object_store.py");
        let mut command = Command::new(python);
        command.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self { child, said: serde_json::from_str(&line).unwrap() })
    }

    fn said(&self, what: &str) -> &str {
        self.said[what].as_str().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// It computes each signature anew, by another's code, and refuses what is not signed right.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_is_not_ours_takes_and_gives_them() {
    let Some(peer) = Peer::start() else { return };
    let (address, id) = (peer.said("address"), peer.said("id"));
    let store = objects(address, id, peer.said("secret"));
    let folder = Folder::new("old-tiles-peer");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    let place = Place { url, folder };
    let services = place.open().await.with_old_tiles(OldTiles::with_objects(store.clone()));
    let log = open(&services).await;
    record(&services, 600).await;
    sequence_all(&log).await;
    let served = all_files(&log).await;
    for (id, secret) in [(id, "another-secret"), ("AKIANOBODY", peer.said("secret"))] {
        let stranger: Arc<dyn TilePlace> = Arc::new(objects(address, id, secret));
        let refused = move_tiles(&services, &stranger, 512, &|_| {}).await.unwrap_err();
        assert_eq!(refused.code(), "object-store-denied", "{refused}");
    }
    let other: Arc<dyn TilePlace> = Arc::new(objects(&address.replace("/logs/", "/other/"), id, peer.said("secret")));
    let refused = move_tiles(&services, &other, 512, &|_| {}).await.unwrap_err();
    assert_eq!(refused.code(), "object-store-denied", "another bucket: {refused}");
    assert_eq!(moved(&services).await, 0);
    let tiles: Arc<dyn TilePlace> = Arc::new(store.clone());
    let done = move_tiles(&services, &tiles, 512, &|_| {}).await.unwrap();
    assert_eq!(done, Some(MovedTiles { from: 0, below: 512 }));
    is_served(&services, &served).await;
    checked(&services).await.unwrap();
    open(&services).await.prove(300).await.unwrap();
    // Another's octets at the place of a tile.
    store.put("sm3/tile/0/001", b"x".to_vec()).await.unwrap();
    assert_eq!(log.prove(300).await.unwrap_err().code(), "log-old-tile-changed");
    assert_eq!(store.get("sm3/tile/0/777", 1 << 16).await.unwrap(), None);
    services.store.close().await;
}
