//! Ending without dropping what has begun.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use yinxin::http::Settings;

use crate::client::{Answer, Request, Server};

fn slow() -> Request {
    Request::new("POST", "/api/v1/verifications?file_name=slow.ofd").body("application/ofd", b"PK")
}

#[tokio::test]
async fn a_request_in_flight_is_answered() {
    let mut server = Server::start().await;
    let mut stream = server.connect(None).await;
    let _idle = server.connect(None).await;
    stream.write_all(&slow().bytes()).await.unwrap();
    server.double.begun.notified().await;
    server.stop();
    // New connections are refused while the old request still runs.
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused).await.expect("still listening");
    assert!(!server.running.is_finished());
    server.double.release.notify_one();
    assert_eq!(Answer::read(&mut stream).await.status, 200);
    let ended = tokio::time::timeout(Duration::from_secs(5), &mut server.running).await;
    ended.expect("the server does not end").unwrap().unwrap();
}

#[tokio::test]
async fn work_is_finished_although_its_client_is_gone() {
    let mut server = Server::start().await;
    let mut stream = server.connect(None).await;
    stream.write_all(&slow().bytes()).await.unwrap();
    server.double.begun.notified().await;
    drop(stream);
    server.stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!server.running.is_finished());
    server.double.release.notify_one();
    let ended = tokio::time::timeout(Duration::from_secs(5), &mut server.running).await;
    ended.expect("the server does not end").unwrap().unwrap();
    assert!(server.double.finished.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_grace_has_an_end() {
    let mut server = Server::start_with(Settings { grace: Duration::from_millis(200), ..Settings::default() }).await;
    let mut stream = server.connect(None).await;
    stream.write_all(&slow().bytes()).await.unwrap();
    server.double.begun.notified().await;
    server.stop();
    let ended = tokio::time::timeout(Duration::from_secs(5), &mut server.running).await;
    ended.expect("the server does not end").unwrap().unwrap();
}

#[tokio::test]
async fn signals_end_the_server() {
    for signal in ["TERM", "INT"] {
        let ended = yinxin::http::server::termination().unwrap();
        let command = format!("kill -{signal} {}", std::process::id());
        assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
        tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the signal is not heard");
    }
}
