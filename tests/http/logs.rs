//! What is logged about a request, and what never is.

use std::io::Write;
use std::sync::{Mutex, Once};

use crate::client::{Answer, Request, Server};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Collects the log of the whole test run, from before the first server on.
pub(crate) fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::fmt().json().with_writer(|| Sink).init());
}

#[tokio::test]
async fn a_request_leaves_one_structured_line_without_secrets() {
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
    let refused = server.send(&Request::new("GET", "/api/v1/seals/top-secret-seal?q=top-secret-query")).await;
    let unknown = server.send(&Request::new("GET", "/top-secret-path")).await;
    let text = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |answer: &Answer| {
        let id = &answer.headers["yinxin-request-id"];
        let found: Vec<_> = lines.iter().filter(|line| line["span"]["request_id"] == **id).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["fields"]["message"], "answered");
        found[0].clone()
    };
    let (first, second, third) = (of(&answer), of(&refused), of(&unknown));
    assert_eq!(first["span"]["route"], "/api/v1/seals/{id}/signatures");
    assert_eq!(first["span"]["method"], "POST");
    assert_eq!((&first["fields"]["status"], &first["fields"]["caller"]), (&200.into(), &"business".into()));
    assert!(first["fields"]["ms"].is_u64());
    assert_eq!((&second["fields"]["status"], &second["fields"]["code"]), (&401.into(), &"signature-missing".into()));
    assert_eq!(third["span"]["route"], "(none)");
    assert!(!text.contains("top-secret"));
}
