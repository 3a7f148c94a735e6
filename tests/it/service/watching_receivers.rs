//! Receivers of syslog over streams: whole frames, over TLS from whom we know alone, and an end that is noticed.

use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use yinxin::base::clock::{Clock as _, SystemClock, Timestamp};
use yinxin::domain::audit::{Actor, Event, EventBody, SecurityEvent};
use yinxin::http::tls::{Development, development_certificate, server};
use yinxin::service::outside::web::server_anchors;
use yinxin::service::watching::delivery::Sink as _;
use yinxin::service::watching::syslog::{Sender, Syslog, Target};

fn event(number: u64) -> SecurityEvent {
    let body = EventBody::AccessRefused { endpoint: "POST /x".into(), code: "role-missing".into() };
    let event = Event { at: Timestamp::from_unix(1_795_392_000), actor: Actor::Anonymous, request: None, body };
    SecurityEvent::of(number, &event).unwrap()
}

fn frame(number: u64) -> String {
    let message = format!(
        "<108>1 2026-11-23T00:00:00Z - yinxin - access-refused [yinxin@4711 number=\"{number}\" actor=\"anonymous\" \
         endpoint=\"POST /x\" code=\"role-missing\"]"
    );
    format!("{} {message}", message.len())
}

fn sender() -> Sender {
    Sender { enterprise: 4711, hostname: None }
}

fn made() -> Development {
    development_certificate(&["localhost"], SystemClock.now()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_go_over_tls_to_whom_we_know() {
    let (ours, other) = (made(), made());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let acceptor = TlsAcceptor::from(server(ours.certificate_pem.as_bytes(), &ours.key_pem).unwrap());
    let received = tokio::spawn(async move {
        let (expected, mut got) = (format!("{}{}", frame(1), frame(2)), Vec::new());
        // The first who comes does not know us, and leaves.
        let (stranger, _) = listener.accept().await.unwrap();
        assert!(acceptor.accept(stranger).await.is_err());
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        while got.len() < expected.len() {
            assert!(stream.read_buf(&mut got).await.unwrap() > 0);
        }
        assert_eq!(String::from_utf8(got).unwrap(), expected);
    });
    let syslog = |vouched: &Development| {
        let anchors = server_anchors(vouched.certificate_pem.as_bytes()).unwrap();
        Syslog::new(Target::Tls(address.clone(), ServerName::try_from("localhost").unwrap(), anchors), sender())
    };
    let refused = syslog(&other).hand_over(&[event(1)]).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidData, "{refused}");
    let mut known = syslog(&ours);
    known.hand_over(&[event(1), event(2)]).await.unwrap();
    known.look().await.unwrap();
    received.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_ended_is_noticed_and_made_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut syslog = Syslog::new(Target::Tcp(address), sender());
    syslog.look().await.unwrap();
    for number in [1, 2] {
        syslog.hand_over(&[event(number)]).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = vec![0; frame(number).len()];
        stream.read_exact(&mut got).await.unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), frame(number));
        syslog.look().await.unwrap();
        drop(stream);
        let ended = tokio::time::timeout(Duration::from_secs(10), async {
            while syslog.look().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        ended.await.unwrap();
        // It is closed here too: the next look finds nothing to complain of.
        syslog.look().await.unwrap();
    }
    drop(listener);
    let refused = syslog.hand_over(&[event(3)]).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let nowhere = Target::Unix("/nowhere/log".into());
    let absent = Syslog::new(nowhere, sender()).hand_over(&[event(4)]).await.unwrap_err();
    assert_eq!(absent.kind(), std::io::ErrorKind::NotFound);
}
