//! Time stamps over HTTP (RFC 3161 3.4): content types, size, and what stands behind the door.

use std::sync::atomic::Ordering;

use crate::client::{Request, Server};

const QUERY: &str = "application/timestamp-query";

#[tokio::test]
async fn a_query_gets_a_reply() {
    let server = Server::start().await;
    for kind in [QUERY, "Application/Timestamp-Query; x=1"] {
        let answer = server.send(&Request::new("POST", "/tsa").body(kind, b"query")).await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/timestamp-reply"));
        assert_eq!(answer.body, b"answer to query");
    }
}

#[tokio::test]
async fn what_is_no_query_is_refused_by_name() {
    let server = Server::start().await;
    server.send(&Request::new("POST", "/tsa")).await.assert_refused(415, "content-type-refused");
    let other = Request::new("POST", "/tsa").body("application/ofd", b"query");
    server.send(&other).await.assert_refused(415, "content-type-refused");
    let large = Request::new("POST", "/tsa").body(QUERY, &vec![0; (16 << 10) + 1]);
    server.send(&large).await.assert_refused(413, "too-large");
    server.send(&Request::new("GET", "/tsa")).await.assert_refused(405, "method-refused");
    server.double.broken.store(true, Ordering::SeqCst);
    let query = Request::new("POST", "/tsa").body(QUERY, b"query");
    server.send(&query).await.assert_refused(503, "database");
}
