//! What is logged about a request, and what never is.

use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::client::{Request, Server};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_request_leaves_one_structured_line_without_secrets() {
    let sink = Sink::default();
    let copy = sink.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || copy.clone()).finish();
    // The runtime of this test has one thread, so this subscriber sees the server as well.
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start().await;
    let request = Request::new("POST", "/api/v1/seals/seal-1/signatures")
        .header("idempotency-key", "top-secret-key")
        .header("authorization", "Bearer top-secret-token")
        .form(&[
            ("file", Some("a.ofd"), b"PKtop-secret-body".as_slice()),
            ("page", None, b"1"),
            ("x", None, b"1"),
            ("y", None, b"1"),
        ]);
    let answer = server.send(&request.signed(&server.caller)).await;
    assert_eq!(answer.status, 200);
    server.send(&Request::new("GET", "/api/v1/seals/top-secret-seal?q=top-secret-query")).await;
    server.send(&Request::new("GET", "/top-secret-path")).await;
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<_> = lines.iter().filter(|line| line["fields"]["message"] == "answered").collect();
    assert_eq!(answered.len(), 3, "{text}");
    let (first, second) = (answered[0], answered[1]);
    assert_eq!(first["span"]["route"], "/api/v1/seals/{id}/signatures");
    assert_eq!(first["span"]["method"], "POST");
    assert_eq!(first["span"]["request_id"], answer.headers["yinxin-request-id"]);
    assert_eq!((&first["fields"]["status"], &first["fields"]["caller"]), (&200.into(), &"business".into()));
    assert!(first["fields"]["ms"].is_u64());
    assert_eq!((&second["fields"]["status"], &second["fields"]["code"]), (&401.into(), &"signature-missing".into()));
    assert_eq!(answered[2]["span"]["route"], "(none)");
    assert!(!text.contains("top-secret"), "{text}");
}
