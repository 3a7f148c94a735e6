//! `yinxin log verify` of an address: the log of a running service with more leaves than one piece, and copies that somebody
//! changed, served by somebody else.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use yinxin::base::clock::Timestamp;
use yinxin::domain::audit::{Actor, Event, EventBody};
use yinxin::service::outside::kept::CONNECTIONS;

use crate::process::has_curl;
use crate::serve::Installation;
use crate::serve::audit_log::{copied, keys, log_command, until};

/// Two pieces, the second one with a bundle that is not full.
const LEAVES: u64 = 70_000;

/// A server of files below a folder, with connections that stay open; nothing else. It ends with the test.
struct Files {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Files {
    fn serve(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (seen, asked) = (Arc::clone(&connections), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                seen.fetch_add(1, Ordering::Relaxed);
                let (folder, asked) = (folder.clone(), Arc::clone(&asked));
                std::thread::spawn(move || answer(stream, &folder, &asked));
            }
        });
        Self { port, connections, requests }
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}/log", self.port)
    }
}

/// Answers until whoever asks closes the connection.
fn answer(stream: TcpStream, folder: &Path, asked: &AtomicUsize) -> Option<()> {
    let mut writing = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    loop {
        let request = lines.next()?;
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        asked.fetch_add(1, Ordering::Relaxed);
        let path = request.strip_prefix("GET /log/")?.strip_suffix(" HTTP/1.1")?;
        let (status, body) = match fs::read(folder.join(path)) {
            Ok(body) => ("200 OK", body),
            Err(_) if path.starts_with("moved/") => ("302 Found\r\nLocation: /log/", Vec::new()),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        writing.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    }
}

/// Adds that many events as an older program wrote them, the service stopped: the sequencer takes them in.
fn grow(installation: &Installation, count: u64) {
    use sqlx::{Connection as _, Executor as _};
    let event = Event {
        at: Timestamp::from_unix(1_795_392_000),
        actor: Actor::Operator,
        request: None,
        body: EventBody::ServiceStarted { version: "0.1.0".into() },
    };
    let der = event.to_der().iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let sql = format!(
        "WITH RECURSIVE added(number) AS (SELECT next FROM audit_head UNION ALL \
             SELECT number + 1 FROM added LIMIT {count}) \
         INSERT INTO audit_events (number, class, at, event) SELECT number, {}, {}, x'{der}' FROM added; \
         UPDATE audit_head SET next = next + {count};",
        event.class().number(),
        event.at.unix(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&installation.url()).await.unwrap();
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// Exit code, code of the fault, its index, and what was complained about.
fn verified(installation: &Installation, place: &str, keys: &Path, more: &[&str]) -> (Option<i32>, Value, String) {
    let arguments = [&["verify", place, "--key", keys.to_str().unwrap(), "--json"], more].concat();
    let (code, said, complaint) = log_command(installation, &arguments);
    (code, serde_json::from_str(&said).unwrap_or_default(), complaint)
}

#[test]
fn a_log_is_checked_where_it_is_served() {
    if !has_curl() {
        return crate::skip("serve::a_log_is_checked_where_it_is_served", "curl");
    }
    let installation = Installation::new("serve-log-address");
    assert_eq!(installation.serve().terminate().0, Some(0));
    grow(&installation, LEAVES);
    let running = installation.serve();
    let client = installation.client(&running);
    let vkeys = keys(&client).iter().map(|key| format!("{}\n", key.to_vkey())).collect::<String>();
    let list = installation.write("keys", vkeys.as_bytes());
    let size = || {
        let note = String::from_utf8(client.call("/log/sm3/checkpoint", &[]).ok()).unwrap();
        note.lines().nth(1).unwrap().parse::<u64>().unwrap()
    };
    until("the leaves", || (size() > LEAVES).then_some(()));

    // By whoever knows the server and the keys, beside a service at work.
    let (address, anchor) =
        (format!("https://localhost:{}/log", running.v4), installation.home().join("tls/server.pem"));
    let anchors = ["--https-anchors", anchor.to_str().unwrap()];
    let (code, told, complaint) = verified(&installation, &address, &list, &anchors);
    assert_eq!((code, &told["result"]), (Some(0), &"right".into()), "{complaint}");
    assert!(told["size"].as_u64().unwrap() > LEAVES, "{told}");
    // A server whose authority nobody named, or another one's.
    let (code, _, complaint) = verified(&installation, &address, &list, &[]);
    assert_eq!((code, complaint.contains("(https-anchors-missing)")), (Some(66), true), "{complaint}");
    let other = installation.home().join("client/client.pem");
    let (code, _, complaint) = verified(&installation, &address, &list, &["--https-anchors", other.to_str().unwrap()]);
    assert_eq!((code, complaint.contains("(https-server-not-trusted)")), (Some(66), true), "{complaint}");

    let copy = installation.path("copy");
    assert_eq!(log_command(&installation, &["export", copy.to_str().unwrap()]).0, Some(0));
    assert_eq!(running.terminate().0, Some(0));
    let (code, _, complaint) = verified(&installation, &address, &list, &anchors);
    assert_eq!((code, complaint.contains("(host-not-connected)")), (Some(66), true), "{complaint}");
    copies_that_were_changed_are_told(&installation, &copy, &list);
}

/// What is wrong is told with the same code and index, whether it lies in a folder or is served.
fn copies_that_were_changed_are_told(installation: &Installation, copy: &Path, list: &Path) {
    let files = Files::serve(copy.to_owned());
    let address = files.address();
    let size = || {
        let (code, told, complaint) = verified(installation, &address, list, &[]);
        assert_eq!((code, &told["result"]), (Some(0), &"right".into()), "{complaint}");
        told["size"].as_u64().unwrap()
    };
    let whole = size();
    let (connections, requests) = (files.connections.load(Ordering::Relaxed), files.requests.load(Ordering::Relaxed));
    assert!(connections <= CONNECTIONS && requests > 1_000, "{connections} connections for {requests} requests");

    let changed = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = copy.join(name);
        let kept = fs::read(&path).unwrap();
        let mut octets = kept.clone();
        change(&mut octets);
        if octets.is_empty() {
            fs::remove_file(&path).unwrap()
        } else {
            fs::write(&path, &octets).unwrap()
        }
        let of = |(code, told, complaint): (Option<i32>, Value, String)| {
            assert_eq!(code, Some(1), "{name}: {told}{complaint}");
            (told["code"].as_str().unwrap().to_owned(), told["index"].as_u64())
        };
        let (served, held) = (
            of(verified(installation, &address, list, &[])),
            of(verified(installation, copy.to_str().unwrap(), list, &[])),
        );
        fs::write(&path, kept).unwrap();
        assert_eq!(served, held, "{name}");
        served
    };
    let fault = |code: &str, index: u64| (code.to_owned(), Some(index));
    assert_eq!(changed("sm3/tile/0/257", &|octets| octets.clear()), fault("log-tile-missing", 257 * 256));
    assert_eq!(changed("sha256/tile/entries/003", &|octets| octets.clear()), fault("log-bundle-missing", 3 * 256));
    assert_eq!(changed("sha256/tile/0/003", &|octets| octets[32 * 5] ^= 1), fault("log-leaf-differs", 3 * 256 + 5));
    assert_eq!(changed("sm3/tile/1/000", &|octets| octets[32 * 9] ^= 1), fault("log-node-differs", 9 * 256));
    assert_eq!(changed("sm3/tile/0/004", &|octets| octets.truncate(40)), fault("log-tile-malformed", 4 * 256));
    assert_eq!(
        changed("sm3/tile/entries/257", &|octets| octets.truncate(100)),
        fault("log-bundle-malformed", 257 * 256 + 2)
    );
    assert_eq!(changed("sm3/checkpoint", &|octets| octets[0] ^= 1), ("log-checkpoint-wrong".to_owned(), None));
    assert_eq!(changed("sha256/checkpoint", &|octets| octets.clear()), ("log-checkpoint-missing".to_owned(), None));

    // A checkpoint of one tree that is older than the other's. Of both: the log is right as far as they go, and its partial
    // tiles are the beginnings of full ones.
    let old = installation.path("old");
    copied(copy, &old);
    let running = installation.serve();
    let grown =
        || fs::read_to_string(copy.join("sm3/checkpoint")).unwrap().lines().nth(1).unwrap().parse::<u64>().unwrap();
    until("growth", || {
        assert_eq!(log_command(installation, &["export", copy.to_str().unwrap()]).0, Some(0));
        (grown() > whole).then_some(())
    });
    assert_eq!(running.terminate().0, Some(0));
    let now = size();
    assert!(now > whole);
    let checkpoint = |tree: &str| fs::read(old.join(tree).join("checkpoint")).unwrap();
    assert_eq!(
        changed("sha256/checkpoint", &|octets| *octets = checkpoint("sha256")),
        fault("log-sizes-differ", whole)
    );
    for tree in ["sm3", "sha256"] {
        fs::write(copy.join(tree).join("checkpoint"), checkpoint(tree)).unwrap();
    }
    assert_eq!(size(), whole);

    // Addresses that are none, or not for this.
    let (code, _, complaint) = verified(installation, "http://192.0.2.1/log", list, &[]);
    assert_eq!((code, complaint.contains("(log-address-plain)")), (Some(64), true), "{complaint}");
    let (code, _, complaint) = verified(installation, "http://user@127.0.0.1/log", list, &[]);
    assert_eq!((code, complaint.contains("(log-address-malformed)")), (Some(64), true), "{complaint}");
    let (code, _, complaint) = verified(installation, &format!("{address}/moved"), list, &[]);
    assert_eq!((code, complaint.contains("(answer-redirects)")), (Some(66), true), "{complaint}");
}
