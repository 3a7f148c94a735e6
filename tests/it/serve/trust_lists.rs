//! A trust list that two officers bring into force over HTTPS, and what the service fetches from then on from the hosts
//! that it names: an answer that is kept until its end, a revocation, a host that nobody named, a responder that is late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::base::id::CallerId;
use yinxin::crypto::digest::hex;
use yinxin::domain::caller::Role;
use yinxin::domain::trust::StatusKind;
use yinxin::domain::trust::list::fingerprint;
use yinxin::format::x509::ocsp::CertificateStatus;

use crate::made::{Authority, Points, Reply, Server};
use crate::process::{Answer, has_curl, program};
use crate::serve::requests::{Caller, call, headers, register};
use crate::serve::{Client, Installation};
use crate::store::postgres::Postgres;

pub(super) const LISTS: &str = "/api/v1/trust-lists";
/// Certificates by their numbers: one that is asked about, one that names another port, one whose responder is late.
const ASKED: u8 = 7;
const ELSEWHERE: u8 = 8;
const LATE: u8 = 9;
/// Seconds for which an answer is in force.
const IN_FORCE: i64 = 6;

pub(super) type Person = (Caller, CallerId);

#[test]
fn lists_come_into_force_over_http_on_sqlite() {
    if !has_curl() {
        return crate::skip("serve::lists_come_into_force_over_http_on_sqlite", "curl");
    }
    lists_come_into_force(&Installation::new("serve-trust-lists"));
}

#[test]
fn lists_come_into_force_over_http_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::lists_come_into_force_over_http_on_postgresql", "PostgreSQL");
    };
    if !has_curl() {
        return crate::skip("serve::lists_come_into_force_over_http_on_postgresql", "curl");
    }
    lists_come_into_force(&Installation::on("serve-trust-lists-postgres", &server.url));
}

pub(super) fn send(client: &Client, who: &Person, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
    let signed = headers(&who.0, method, &format!("{}{path}", client.base), body);
    let text = body.map(|body| String::from_utf8(body.to_vec()).unwrap());
    let mut more = vec!["-X", method];
    if let Some(text) = &text {
        more.extend(["-H", "Content-Type: application/json", "--data-binary", text]);
    }
    call(client, path, &signed, &more)
}

fn post(client: &Client, who: &Person, path: &str, body: &Value) -> Answer {
    send(client, who, "POST", path, Some(body.to_string().as_bytes()))
}

/// A step that is signed: its octets are asked for, and sent back with the signature.
pub(super) fn sign(
    client: &Client,
    who: &Person,
    one: &str,
    (step, end): (&str, &str),
    paper: Option<&str>,
) -> (Answer, Value) {
    let octets = post(client, who, &format!("{one}/to-sign"), &json!({ "step": step, "fingerprint": paper }));
    if octets.status != 200 {
        return (octets, Value::Null);
    }
    let octets = STANDARD.decode(octets.json()["to_sign"].as_str().unwrap()).unwrap();
    let mut body = json!({ "signature": STANDARD.encode(who.0.sign(&octets)) });
    if let Some(paper) = paper {
        body["fingerprint"] = json!(paper);
    }
    (post(client, who, &format!("{one}/{end}"), &body), body)
}

fn lists_come_into_force(installation: &Installation) {
    assert_eq!(installation.serve().terminate().0, Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let person = || runtime.block_on(register(installation, Role::CertificateOfficer));
    let (one, two, nobody) = (person(), person(), person());
    let stranger = runtime.block_on(register(installation, Role::Verifier));
    for (_, id) in [&one, &two] {
        let mut command = program();
        command.env("YINXIN_DATA_DIR", installation.home()).env("YINXIN_LOG__LEVEL", "error");
        command.envs(installation.url.as_ref().map(|url| ("YINXIN_DATABASE__URL", url)));
        let done = command.args(["ca", "officer", "appoint", "--role", "approver", "--caller", id.as_str()]).output();
        assert!(done.unwrap().status.success());
    }
    let authority = Arc::new(Authority::new("root"));
    let responder = Responder::start(&runtime, Arc::clone(&authority));
    let list = authority.trust_list(&[(StatusKind::Ocsp, &responder.server.url("/"))]);
    let file = list.to_json();
    let running =
        installation.serve_with(&[("YINXIN_VERIFICATION__FETCH", "true"), ("YINXIN_VERIFICATION__FETCH_SECONDS", "2")]);
    let client = installation.client(&running);

    let taken = send(&client, &one, "POST", LISTS, Some(&file));
    assert_eq!(taken.status, 200, "{}", taken.text());
    let taken = &taken.json()["lists"][0];
    assert_eq!((&taken["state"], &taken["introduced_by_paper"]), (&json!("imported"), &json!(true)));
    assert!(taken["changes"].as_array().unwrap().iter().any(|change| change["of"] == "anchor"), "{taken}");
    let (sm3, path) = (taken["sm3"].as_str().unwrap(), format!("{LISTS}/{}", taken["sm3"].as_str().unwrap()));
    let octets: [u8; 32] = yinxin::crypto::digest::sm3(list.payload());
    assert_eq!(sm3, hex(&octets));
    let paper = fingerprint(&octets);
    what_is_refused(&client, (&one, &nobody, &stranger), &path, &file);

    // The first approves; its answer is lost, and it asks again; the same list again takes no approval away.
    let (approved, body) = sign(&client, &one, &path, ("approve", "approval"), Some(&paper));
    assert_eq!((approved.status, approved.json()["approvals"].as_array().map(Vec::len)), (200, Some(1)));
    let again = post(&client, &one, &format!("{path}/approval"), &body);
    assert_eq!((again.status, again.json()), (200, approved.json()));
    let stolen = post(&client, &two, &format!("{path}/approval"), &body);
    assert_eq!(stolen.refusal(), (409, "approval-signature".into()));
    let same = send(&client, &two, "POST", LISTS, Some(&file)).json();
    assert_eq!(same["lists"][0]["approvals"].as_array().map(Vec::len), Some(1));
    let activation = format!("{path}/activation");
    let too_few = send(&client, &two, "POST", &activation, None);
    assert_eq!(too_few.refusal(), (409, "trust-list-approvals".into()));
    assert_eq!(sign(&client, &two, &path, ("approve", "approval"), Some(&paper)).0.status, 200);
    for _ in 0..2 {
        let active = send(&client, &one, "POST", &activation, None);
        assert_eq!((active.status, &active.json()["state"]), (200, &json!("active")), "{}", active.text());
    }
    assert_eq!(send(&client, &one, "POST", LISTS, Some(&file)).json(), json!({ "lists": [] }));
    let shown = send(&client, &stranger, "GET", &path, None).json();
    let compared = |number: usize| shown["approvals"][number]["compared_with_paper"] == true;
    assert!(compared(0) && compared(1) && shown["not_used"].is_null(), "{shown}");
    assert_eq!(shown["signed"], serde_json::from_slice::<Value>(&file).unwrap());
    let listed = send(&client, &stranger, "GET", LISTS, None).json();
    assert_eq!((listed["lists"].as_array().unwrap().len(), &listed["lists"][0]["sm3"]), (1, &json!(sm3)));
    // It is published, and no older one comes behind it.
    let published = client.call("/.well-known/yinxin-trust-list", &[]).json();
    assert_eq!(published["lists"][0], shown["signed"]);
    let rival = authority.trust_list(&[]).to_json();
    assert_eq!(send(&client, &one, "POST", LISTS, Some(&rival)).refusal(), (409, "trust-list-rollback".into()));

    what_is_fetched(&client, installation, &authority, &responder);
    assert_eq!(running.terminate().0, Some(0));
}

fn what_is_refused(client: &Client, (one, nobody, stranger): (&Person, &Person, &Person), path: &str, file: &[u8]) {
    let refused = |answer: Answer| answer.refusal();
    assert_eq!(
        refused(sign(client, one, path, ("approve", "approval"), None).0),
        (409, "fingerprint-not-compared".into())
    );
    let wrong = "00".repeat(32);
    let typed = sign(client, one, path, ("approve", "approval"), Some(&wrong)).0;
    assert_eq!(typed.refusal(), (409, "fingerprint-differs".into()));
    assert_eq!(refused(sign(client, nobody, path, ("refuse", "refusal"), None).0), (403, "not-officer".into()));
    assert_eq!(refused(send(client, stranger, "POST", LISTS, Some(file))), (403, "role-missing".into()));
    assert_eq!(client.call(LISTS, &[]).refusal().0, 401);
    assert_eq!(refused(send(client, one, "POST", LISTS, Some(b"{}"))), (422, "trust-list-malformed".into()));
    let unknown = format!("{LISTS}/{}", "00".repeat(32));
    assert_eq!(refused(send(client, one, "GET", &unknown, None)), (404, "unknown-trust-list".into()));
}

/// An OCSP responder that says of one certificate what it is told to, and is late about another.
struct Responder {
    server: Server,
    revoked: Arc<AtomicBool>,
}

impl Responder {
    fn start(runtime: &tokio::runtime::Runtime, authority: Arc<Authority>) -> Self {
        let revoked = Arc::new(AtomicBool::new(false));
        let says = Arc::clone(&revoked);
        let server = runtime.block_on(Server::plain(move |asked| {
            let now = authority.at(SystemClock.now());
            if asked.head.contains("/late/") {
                let answer = now.answer(LATE, CertificateStatus::Good, 1);
                return Reply { late: Duration::from_secs(30), ..Reply::ok(answer) };
            }
            let status = if says.load(Ordering::Relaxed) { now.revoked() } else { CertificateStatus::Good };
            Reply::ok(now.answer_until(ASKED, status, IN_FORCE))
        }));
        Self { server, revoked }
    }
}

fn what_is_fetched(client: &Client, installation: &Installation, authority: &Authority, responder: &Responder) {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let elsewhere = format!("http://{}/", other.local_addr().unwrap());
    let (url, late) = (responder.server.url("/ocsp"), responder.server.url("/late"));
    let file = |serial: u8, url: &str| {
        let end = authority.end_with(serial, &Points { responders: &[url], ..Points::default() });
        installation.write(&format!("{serial}.der"), &end)
    };
    let verdict = |path: &std::path::Path| {
        let report = client.verify(path);
        let first = &report["signatures"][0];
        (first["sub_indication"].as_str().unwrap_or("-").to_owned(), first["code"].as_str().unwrap().to_owned(), report)
    };
    // The service notices within 15 seconds that the list is in force.
    let (asked, started) = (file(ASKED, &url), Instant::now());
    while verdict(&asked).1 != "passed" {
        assert!(started.elapsed() < Duration::from_secs(40), "{:?}", verdict(&asked));
        std::thread::sleep(Duration::from_millis(200));
    }
    // What is kept is not asked for again, and tells until its end what was so; then the revocation is known.
    let questions = responder.server.asked().len();
    responder.revoked.store(true, Ordering::Relaxed);
    assert_eq!((verdict(&asked).1.as_str(), responder.server.asked().len()), ("passed", questions));
    std::thread::sleep(Duration::from_secs(u64::try_from(IN_FORCE).unwrap() + 1));
    let (sub, code, _) = verdict(&asked);
    assert_eq!((sub.as_str(), code.as_str()), ("REVOKED_NO_POE", "revoked-no-proof-of-time"));
    assert_eq!(responder.server.asked().len(), questions + 1);

    // Another port of the same host: nobody connects to it.
    let (sub, code, report) = verdict(&file(ELSEWHERE, &elsewhere));
    assert_eq!((sub.as_str(), code.as_str()), ("TRY_LATER", "revocation-unknown"));
    let why = "the trust list of the anchor names that host, but not that port";
    let told = report["signatures"][0]["revocation"]["evidence"].as_array().unwrap();
    assert!(told.contains(&json!(format!("{elsewhere} is not fetched, because {why}"))), "{told:?}");
    assert_eq!(other.accept().err().map(|error| error.kind()), Some(std::io::ErrorKind::WouldBlock));

    // A responder that is late delays a judgement no longer than its time, and nobody else's.
    let (slow, started) = (file(LATE, &late), Instant::now());
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| (verdict(&slow), started.elapsed()));
        let meanwhile = Instant::now();
        assert_eq!(verdict(&asked).1, "revoked-no-proof-of-time");
        assert!(meanwhile.elapsed() < Duration::from_secs(2), "{:?}", meanwhile.elapsed());
        waiting.join().unwrap()
    });
    let ((sub, code, _), elapsed) = waiting;
    assert_eq!((sub.as_str(), code.as_str()), ("TRY_LATER", "revocation-unknown"));
    assert!(elapsed > Duration::from_millis(1500) && elapsed < Duration::from_secs(8), "{elapsed:?}");
}
