//! Jobs that issue many certificates: what comes through the door, every field that is not as it must be, roles.

use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use yinxin::base::id::{AuthorityId, JobId};
use yinxin::domain::ca::job_approval::JobStep;
use yinxin::http::tls::Development;
use yinxin::service::issuance_jobs::NewJob;
use yinxin::service::issuance_jobs::desk::JobAction;
use yinxin::service::verification::pem_of;

use crate::client::{Answer, Request, Server};

const JOBS: &str = "/api/v1/issuance-jobs";
const ONE: &str = "/api/v1/issuance-jobs/j1";

struct Office {
    server: Server,
    officer: Development,
}

impl Office {
    async fn open() -> Self {
        let server = Server::start().await;
        let officer = server.caller_with("officer", &["certificate-officer"]);
        Self { server, officer }
    }

    async fn get(&self, path: &str) -> Answer {
        self.server.send(&Request::new("GET", path).signed(&self.officer)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let request = Request::new("POST", path).body("application/json", body.as_bytes());
        self.server.send(&request.signed(&self.officer)).await
    }

    async fn post_nothing(&self, path: &str) -> Answer {
        self.server.send(&Request::new("POST", path).signed(&self.officer)).await
    }

    async fn lines(&self, path: &str) -> Answer {
        let request = Request::new("GET", path).header("accept", "application/jsonl");
        self.server.send(&request.signed(&self.officer)).await
    }

    fn acted(&self) -> Option<JobAction> {
        self.server.double.acted.lock().unwrap().take()
    }
}

fn submission(path: &str, kind: &str) -> Request {
    Request::new("POST", path).header("idempotency-key", "k").body(kind, b"a line\n")
}

/// What came in pieces (RFC 9112 7.1), to its end.
pub(crate) fn dechunked(answer: &Answer) -> String {
    assert_eq!(answer.headers["transfer-encoding"], "chunked");
    let (mut rest, mut text) = (&answer.body[..], Vec::new());
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return String::from_utf8(text).unwrap();
        }
        text.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}

#[tokio::test]
async fn a_job_comes_through_as_it_was_written() {
    let office = Office::open().await;
    let job = id();
    for kind in ["application/jsonl", "application/x-ndjson; charset=utf-8"] {
        let path = format!("{JOBS}?authority=ca&profile=officer");
        let taken = office.server.send(&submission(&path, kind).signed(&office.officer)).await;
        assert_eq!((taken.status, taken.headers["location"].as_str()), (201, ONE));
        let at = "1970-01-01T00:00:00Z";
        let approval = json!({ "officer": "c3", "key_sm3": "03".repeat(32), "signature": "05".repeat(64), "at": at });
        let expected = json!({
            "id": "j1", "state": "paused", "since": at, "reason": "asked", "authority": "ca", "profile": "officer",
            "rows_sm3": "01".repeat(32), "rows": 3, "issued": 1, "refused": 1, "created_by": "c1", "created_at": at,
            "approval": "approved", "checked_by": "c2", "checked_at": at, "approvals": [approval],
        });
        assert_eq!(taken.json(), expected);
        let authority = AuthorityId::parse("ca").unwrap();
        let new = NewJob { authority, profile: "officer".into(), file: b"a line\n".to_vec() };
        assert_eq!(office.acted(), Some(JobAction::Submit { new, idempotency_key: "k".into() }));
    }
    let page = office.get(&format!("{JOBS}?after=j0&limit=7")).await.json();
    assert_eq!((&page["next"], &page["jobs"][0]["id"]), (&json!("j1"), &json!("j1")));
    assert_eq!(office.server.double.listed.lock().unwrap().take(), Some((JobId::parse("j0").ok(), 7)));
    assert_eq!(office.get(JOBS).await.status, 200);
    assert_eq!(office.server.double.listed.lock().unwrap().take(), Some((None, 100)));
    assert_eq!(office.get(ONE).await.json()["state"], "paused");
    assert_eq!(office.acted(), Some(JobAction::Show(job())));

    for (step, end, taken) in [("check", "check", JobStep::Check), ("approve", "approval", JobStep::Approve)] {
        let octets = office.post(&format!("{ONE}/to-sign"), &json!({ "step": step })).await;
        assert_eq!((octets.status, octets.json()), (200, json!({ "to_sign": STANDARD.encode(step) })));
        let signed = json!({ "signature": STANDARD.encode([7; 70]) });
        assert_eq!(office.post(&format!("{ONE}/{end}"), &signed).await.status, 200);
        assert_eq!(office.acted(), Some(JobAction::Sign { id: job(), step: taken, signature: vec![7; 70] }));
    }
    for (end, status, expected) in [
        ("start", 202, JobAction::Start(job())),
        ("pause", 200, JobAction::Pause(job())),
        ("resumption", 202, JobAction::Resume(job())),
        ("cancellation", 200, JobAction::Cancel(job())),
    ] {
        let answer = office.post_nothing(&format!("{ONE}/{end}")).await;
        assert_eq!((answer.status, &answer.json()["id"]), (status, &json!("j1")), "{end}");
        assert_eq!(office.acted(), Some(expected));
        office.post_nothing(&format!("{JOBS}/none/{end}")).await.assert_refused(404, "unknown-job");
    }
}

fn id() -> impl Fn() -> JobId {
    || JobId::parse("j1").unwrap()
}

#[tokio::test]
async fn rows_come_in_pages_or_all_of_them_line_by_line() {
    let office = Office::open().await;
    let at = "1970-01-01T00:00:00Z";
    let issued = json!({
        "row": 1, "name": "甲1", "state": "issued", "certificate_sm3": "ab".repeat(32), "refusal": null,
        "reason": null, "at": at,
    });
    let refused = json!({
        "row": 2, "name": "甲2", "state": "refused", "certificate_sm3": null, "refusal": "csr-malformed",
        "reason": "not a request", "at": at,
    });
    let waiting = json!({
        "row": 3, "name": "甲3", "state": "waiting", "certificate_sm3": null, "refusal": null, "reason": null, "at": null,
    });
    let results = format!("{ONE}/results");
    let page = office.get(&results).await;
    assert_eq!((page.status, page.json()), (200, json!({ "rows": [issued, refused], "next": 2 })));
    assert_eq!(office.get(&format!("{results}?after=2")).await.json(), json!({ "rows": [waiting], "next": null }));
    assert_eq!(office.get(&format!("{results}?limit=1")).await.json(), json!({ "rows": [issued], "next": 1 }));

    let with = |row: &Value, pem: Value| {
        let mut row = row.clone();
        row["pem"] = pem;
        row
    };
    let all = office.lines(&results).await;
    assert_eq!((all.status, all.headers["content-type"].as_str()), (200, "application/jsonl"));
    let text = dechunked(&all);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let pem = json!(pem_of(&[0x30, 0]));
    assert_eq!(lines, [with(&issued, pem), with(&refused, Value::Null), with(&waiting, Value::Null)]);
    assert!(text.ends_with("}\n"), "{text}");
    let text = dechunked(&office.lines(&format!("{results}?after=2")).await);
    assert_eq!(text.lines().count(), 1, "{text}");

    // What fails behind the first page breaks the answer off: nobody takes a part for the whole.
    office.server.double.broken.store(true, Ordering::SeqCst);
    let request = Request::new("GET", &results).header("accept", "application/jsonl").signed(&office.officer);
    let mut stream = office.server.connect(None).await;
    stream.write_all(&request.bytes()).await.unwrap();
    let mut told = Vec::new();
    // What counts is what arrived.
    let _ = stream.read_to_end(&mut told).await;
    assert!(!told.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&told));
    // And what fails at once is a problem document.
    office.lines(&format!("{results}?after=1")).await.assert_refused(503, "database");
    office.lines(&format!("{JOBS}/none/results")).await.assert_refused(404, "unknown-job");
    office.get(&format!("{JOBS}/none/results")).await.assert_refused(404, "unknown-job");
}

#[tokio::test]
async fn fields_are_refused_by_name() {
    let office = Office::open().await;
    let send = async |request: Request| office.server.send(&request.signed(&office.officer)).await;
    let fine = format!("{JOBS}?authority=ca&profile=officer");
    send(submission(&fine, "application/jsonl").without("idempotency-key"))
        .await
        .assert_refused(428, "idempotency-key-missing");
    for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        send(submission(&fine, kind)).await.assert_refused(415, "content-type-refused");
    }
    for (query, code) in [
        ("profile=officer", "field-missing"),
        ("authority=ca", "field-missing"),
        ("authority=&profile=officer", "field-malformed"),
        ("authority=ca&profile=Officer", "field-malformed"),
        ("authority=ca&profile=officer&run=1", "query-malformed"),
        ("authority=ca&authority=cb&profile=officer", "query-malformed"),
    ] {
        send(submission(&format!("{JOBS}?{query}"), "application/jsonl")).await.assert_refused(400, code);
    }
    let (sign, check, approve) = (format!("{ONE}/to-sign"), format!("{ONE}/check"), format!("{ONE}/approval"));
    for (path, body, code) in [
        (&sign, json!({}), "field-missing"),
        (&sign, json!({ "step": "refuse" }), "field-malformed"),
        (&sign, json!({ "step": "check", "reason": "x" }), "field-unknown"),
        (&check, json!({}), "field-missing"),
        (&check, json!({ "signature": "?" }), "field-malformed"),
        (&approve, json!({ "signature": STANDARD.encode([0; 1025]) }), "field-malformed"),
        // Whoever calls is the officer: nobody names one.
        (&approve, json!({ "signature": "AAAA", "officer": "c1" }), "field-unknown"),
    ] {
        office.post(path, &body).await.assert_refused(400, code);
    }
    for query in ["limit=0", "limit=101", "after=%20"] {
        office.get(&format!("{JOBS}?{query}")).await.assert_refused(400, "field-malformed");
    }
    for query in ["limit=0", "limit=501", "after=-1", "after=4294967296"] {
        office.get(&format!("{ONE}/results?{query}")).await.assert_refused(400, "field-malformed");
    }
    office.lines(&format!("{ONE}/results?limit=5")).await.assert_refused(400, "field-malformed");
    office.get(&format!("{JOBS}?state=paused")).await.assert_refused(400, "query-malformed");
    office.get(&format!("{JOBS}/a%20b")).await.assert_refused(400, "identifier-malformed");
    assert_eq!(office.acted(), None);
}

#[tokio::test]
async fn jobs_are_for_officers() {
    let office = Office::open().await;
    let verifier = office.server.caller_with("verifier", &["verifier", "seal-user"]);
    let mut paths = vec![("GET", JOBS.to_owned()), ("POST", JOBS.to_owned()), ("GET", ONE.to_owned())];
    paths.push(("GET", format!("{ONE}/results")));
    let ends = ["to-sign", "check", "approval", "start", "pause", "resumption", "cancellation"];
    paths.extend(ends.map(|end| ("POST", format!("{ONE}/{end}"))));
    for (method, path) in paths {
        let request = Request::new(method, &path);
        office.server.send(&request.clone().signed(&verifier)).await.assert_refused(403, "role-missing");
        office.server.send(&request).await.assert_refused(401, "signature-missing");
    }
    assert_eq!(office.acted(), None);
}
