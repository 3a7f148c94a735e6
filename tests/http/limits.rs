//! How much and how long: sizes, pauses, places, time, panics.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use yinxin::http::Settings;

use crate::client::{Answer, Request, Server};

const PATH: &str = "/api/v1/verifications";

fn small() -> Settings {
    Settings {
        file_bytes: 1000,
        public_uploads: 1,
        upload_patience: Duration::from_millis(100),
        body_pause: Duration::from_millis(300),
        request: Duration::from_secs(2),
        headers: Duration::from_millis(400),
        handshake: Duration::from_millis(400),
        ..Settings::default()
    }
}

fn raw(name: &str, body: &[u8]) -> Request {
    Request::new("POST", &format!("{PATH}?file_name={name}")).body("application/ofd", body)
}

#[tokio::test]
async fn the_limit_is_exact() {
    let server = Server::start_with(small()).await;
    assert_eq!(server.send(&raw("a.ofd", &[b'x'; 1000])).await.status, 200);
    server.send(&raw("a.ofd", &[b'x'; 1001])).await.assert_refused(413, "too-large");
    let form = |size| Request::new("POST", PATH).form(&[("file", Some("a.ofd"), vec![b'x'; size].as_slice())]);
    assert_eq!(server.send(&form(1000)).await.status, 200);
    server.send(&form(1001)).await.assert_refused(413, "too-large");
}

#[tokio::test]
async fn a_declared_size_is_refused_before_a_byte_is_sent() {
    let server = Server::start_with(small()).await;
    let mut stream = server.connect(None).await;
    let request = raw("a.ofd", b"").header("content-length", "99999999999").header("expect", "100-continue");
    stream.write_all(&request.bytes()).await.unwrap();
    Answer::read(&mut stream).await.assert_refused(413, "too-large");
}

#[tokio::test]
async fn an_undeclared_size_is_refused_when_it_is_reached() {
    let server = Server::start_with(small()).await;
    let mut stream = server.connect(None).await;
    let request = raw("a.ofd", b"").header("transfer-encoding", "chunked");
    stream.write_all(&request.bytes()).await.unwrap();
    let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
    for _ in 0..8 {
        // The server may have answered and closed by now.
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    Answer::read(&mut stream).await.assert_refused(413, "too-large");
}

#[tokio::test]
async fn other_requests_carry_little() {
    let server = Server::start().await;
    let request = Request::new("GET", "/healthz").body("text/plain", &[b'x'; (16 << 10) + 1]);
    server.send(&request).await.assert_refused(413, "too-large");
}

#[tokio::test]
async fn a_body_that_pauses_is_given_up() {
    let server = Server::start_with(small()).await;
    let mut stream = server.connect(None).await;
    stream.write_all(&raw("a.ofd", b"x").header("content-length", "10").bytes()).await.unwrap();
    Answer::read(&mut stream).await.assert_refused(408, "too-slow");
}

#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    let server = Server::start_with(Settings { request: Duration::from_secs(30), ..small() }).await;
    let mut stream = server.connect(None).await;
    let started = Instant::now();
    stream.write_all(&raw("a.ofd", b"x").header("content-length", "1000").bytes()).await.unwrap();
    let (mut reading, mut writing) = tokio::io::split(&mut stream);
    let dripping = async {
        while writing.write_all(b"x").await.is_ok() && writing.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = dripping => {}
        _ = reading.read_to_end(&mut answer) => {}
    }
    Answer::parse(&answer).assert_refused(408, "too-slow");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let server = Server::start_with(small()).await;
    let started = Instant::now();
    let mut bare = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let mut bytes = Vec::new();
    let _ = bare.read_to_end(&mut bytes).await; // a reset is a close too
    let mut idle = server.connect(None).await;
    let _ = idle.read_to_end(&mut bytes).await;
    let mut dripping = server.connect(None).await;
    dripping.write_all(b"GET /healthz HTTP/1.1\r\nhost: local").await.unwrap();
    let _ = dripping.read_to_end(&mut bytes).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_full_house_says_busy_and_callers_have_their_own_places() {
    let server = Server::start_with(small()).await;
    let mut slow = server.connect(None).await;
    slow.write_all(&raw("slow.ofd", b"x").bytes()).await.unwrap();
    server.double.begun.notified().await;
    let answer = server.send(&raw("a.ofd", b"x")).await;
    answer.assert_refused(503, "busy");
    assert_eq!(answer.headers["retry-after"], "1");
    let sealing = Request::new("POST", "/api/v1/seals/seal-1/signatures").header("idempotency-key", "k").form(&[
        ("file", Some("a.ofd"), b"PK".as_slice()),
        ("page", None, b"1"),
        ("x", None, b"1"),
        ("y", None, b"1"),
    ]);
    assert_eq!(server.send(&sealing.signed(&server.caller)).await.status, 200);
    server.double.release.notify_one();
    assert_eq!(Answer::read(&mut slow).await.status, 200);
    assert_eq!(server.send(&raw("a.ofd", b"x")).await.status, 200);
}

/// Ten uploads for one place: each waits for its turn. Beyond one's half of the line the answer is `busy`, at once.
#[tokio::test]
async fn uploads_wait_for_a_place() {
    let settings = Settings { upload_patience: Duration::from_secs(60), uploads_in_line: 8, ..small() };
    let settings = Settings { request: Duration::from_secs(60), ..settings };
    let server = std::sync::Arc::new(Server::start_with(settings).await);
    let mut slow = server.connect(None).await;
    slow.write_all(&raw("slow.ofd", b"x").bytes()).await.unwrap();
    server.double.begun.notified().await;
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let server = server.clone();
        uploads.spawn(async move { server.send(&raw("a.ofd", b"x")).await });
    }
    for _ in 0..6 {
        let refused = uploads.join_next().await.unwrap().unwrap();
        refused.assert_refused(503, "busy");
        assert_eq!(refused.headers["retry-after"], "1");
    }
    assert!(uploads.try_join_next().is_none());
    server.double.release.notify_one();
    while let Some(answer) = uploads.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(Answer::read(&mut slow).await.status, 200);
}

#[tokio::test]
async fn work_beyond_its_time_is_answered_and_keeps_its_place_until_it_ends() {
    let settings = Settings { request: Duration::from_millis(500), ..small() };
    let server = Server::start_with(settings).await;
    server.send(&raw("slow.ofd", b"x")).await.assert_refused(504, "timed-out");
    server.send(&raw("a.ofd", b"x")).await.assert_refused(503, "busy");
    server.double.release.notify_one();
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.send(&raw("a.ofd", b"x")).await.status != 200 {
        assert!(Instant::now() < deadline, "the place is never freed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_panic_is_one_failed_request() {
    let server = Server::start().await;
    let answer = server.send(&raw("panic.ofd", b"x")).await;
    answer.assert_refused(500, "internal");
    assert!(!String::from_utf8(answer.body).unwrap().contains("double"));
    assert_eq!(server.send(&raw("a.ofd", b"x")).await.status, 200);
}

#[tokio::test]
async fn a_refused_upload_can_still_be_read_about() {
    let server = Server::start().await;
    let request = Request::new("POST", "/api/v1/seals/seal-1/signatures").body("application/ofd", &[b'x'; 900_000]);
    let mut stream = server.connect(None).await;
    // A connection that was closed meanwhile would refuse the later chunks.
    for chunk in request.bytes().chunks(150_000) {
        stream.write_all(chunk).await.unwrap();
        stream.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Answer::read(&mut stream).await.assert_refused(401, "signature-missing");
}

#[tokio::test]
async fn connections_beyond_the_places_wait_their_turn() {
    let server = Server::start_with(Settings { connections: 1, ..small() }).await;
    let idle = server.connect(None).await;
    let request = Request::new("GET", "/healthz");
    let second = server.send(&request);
    let mut second = std::pin::pin!(second);
    tokio::select! {
        answer = second.as_mut() => panic!("served beyond the places: {answer:?}"),
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
    drop(idle);
    assert_eq!(second.await.status, 200);
}
