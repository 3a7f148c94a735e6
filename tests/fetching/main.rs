//! The status of certificates, fetched over HTTP from servers of our own that answer rightly, wrongly, late, too much, or
//! from where nobody may be asked; and OCSP answers that are handed in.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

mod changes;
mod issuers;
mod made;

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio_rustls::TlsAcceptor;
use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::config::verification::built_in;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::trust::{AlgorithmPolicy, CheckedList, StatusKind, TrustAnchors};
use yinxin::domain::verify::address::Address;
use yinxin::domain::verify::{EvidenceSource, Policy};
use yinxin::format::keys::write_pem;
use yinxin::format::x509::ocsp::{CertificateStatus, OcspRefusal, OcspRequest};
use yinxin::service::gathering::Appetite;
use yinxin::service::judging::{Judging, Standing, Subject};
use yinxin::service::outside::status::{Bounds, StatusFetcher};
use yinxin::service::outside::web::server_anchors;
use yinxin::service::trust_lists::InForce;
use yinxin::service::verification::Verification;

use crate::made::{Asked, Authority, HOUR, Names, Reply, SERIAL, Server, SetClock};

const PASSED: &str = "TOTAL_PASSED - passed";
const REVOKED: &str = "INDETERMINATE REVOKED_NO_POE revoked-no-proof-of-time";
const UNKNOWN: &str = "INDETERMINATE TRY_LATER revocation-unknown";

fn policy() -> Policy {
    built_in("default", &|text| hex(&sm3(text))).unwrap()
}

fn bounds() -> Bounds {
    Bounds { connection: Duration::from_millis(400), whole: Duration::from_millis(600), ..Bounds::default() }
}

/// Who fetches, and by which clock and names.
struct Desk {
    clock: Arc<SetClock>,
    names: Arc<Names>,
    fetcher: StatusFetcher,
}

impl Desk {
    fn new(now: Timestamp, bounds: Bounds) -> Self {
        let (clock, names) = (SetClock::at(now), Arc::<Names>::default());
        let fetcher = StatusFetcher::new(names.clone(), None, clock.clone(), bounds);
        Self { clock, names, fetcher }
    }
}

/// A judgement by that list.
struct Case {
    verification: Verification,
    file: Vec<u8>,
}

impl Case {
    fn new(authority: &Authority, list: &[u8], file: Vec<u8>) -> Self {
        let mut verification = Verification::new(policy(), authority.now, Limits::DEFAULT);
        verification.add_anchors(list, "list").unwrap();
        Self { verification, file }
    }

    /// By a list that names those services.
    fn with(authority: &Authority, services: &[(StatusKind, &str)], file: Vec<u8>) -> Self {
        Self::new(authority, &authority.trust_list(services).to_json(), file)
    }

    fn report(&self) -> Value {
        serde_json::to_value(self.verification.judge("file", &self.file, None)).unwrap()
    }

    fn verdict(&self) -> String {
        short(&self.report())
    }

    /// The verdict after fetching, and the codes of what was not had.
    async fn fetched(&mut self, desk: &Desk) -> (String, Vec<&'static str>) {
        self.fetched_with(desk, Appetite::default()).await
    }

    /// The same with certificates of issuers.
    async fn fetched_with_issuers(&mut self, desk: &Desk) -> (String, Vec<&'static str>) {
        self.fetched_with(desk, Appetite { issuers: true, ..Appetite::default() }).await
    }

    async fn fetched_with(&mut self, desk: &Desk, appetite: Appetite) -> (String, Vec<&'static str>) {
        let not_had = self.verification.gather(&desk.fetcher, appetite, ("file", &self.file, None)).await;
        (self.verdict(), not_had.iter().map(|one| one.error.code()).collect())
    }

    fn evidence(&self) -> Vec<String> {
        let report = self.report();
        let lines = report["signatures"][0]["revocation"]["evidence"].as_array().unwrap();
        lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }
}

fn short(report: &Value) -> String {
    let first = &report["signatures"][0];
    let sub = first["sub_indication"].as_str().unwrap_or("-");
    format!("{} {sub} {}", first["indication"].as_str().unwrap(), first["code"].as_str().unwrap())
}

fn request_in(asked: &Asked) -> Vec<u8> {
    let target = asked.head.split(' ').nth(1).unwrap();
    let encoded = target.rsplit('/').next().unwrap();
    STANDARD.decode(encoded.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")).unwrap()
}

#[tokio::test]
async fn an_answer_is_asked_by_get_and_tells_nothing_of_who_asks() {
    let authority = Arc::new(Authority::new("root"));
    let by = Arc::clone(&authority);
    let server = Server::plain(move |_| Reply::ok(by.answer(SERIAL, CertificateStatus::Good, 1))).await;
    let url = server.url("/ocsp/");
    let mut case = Case::with(&authority, &[(StatusKind::Ocsp, &url)], authority.end(SERIAL, &[&url], &[]));
    assert_eq!(case.verdict(), UNKNOWN);
    assert_eq!(case.evidence(), [format!("{url} may be asked")]);
    let desk = Desk::new(authority.now, bounds());
    assert_eq!(case.fetched(&desk).await, (PASSED.to_owned(), Vec::new()));
    let asked = server.asked();
    let [Asked { head, body }] = asked.as_slice() else { panic!("{} questions", asked.len()) };
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    assert!(lines.remove(0).starts_with("GET /ocsp/") && body.is_empty());
    lines.sort_unstable();
    assert_eq!(lines, ["connection: close".to_owned(), format!("host: {}", server.address)]);
    let octets = request_in(&asked[0]);
    let request = OcspRequest::parse(&octets).unwrap();
    assert_eq!((request.requests.len(), request.requests[0].cert_id.serial, request.nonce), (1, &[SERIAL][..], None));
    // What was fetched is evidence like any other: saved and handed in it gives the same report, byte for byte.
    let json = case.verification.judge("file", &case.file, None).to_json();
    let mut replay = Case::new(&authority, &case.verification.trust_lists().unwrap(), case.file.clone());
    replay.verification.add_evidence(case.verification.others_pem().unwrap().as_bytes(), "saved").unwrap();
    assert_eq!(replay.verification.judge("file", &replay.file, None).to_json(), json);
}

#[tokio::test]
async fn a_responder_without_get_is_asked_by_post_and_a_list_where_none_answers() {
    let authority = Arc::new(Authority::new("root"));
    let by = Arc::clone(&authority);
    let server = Server::plain(move |asked| match asked.head.split(' ').next().unwrap() {
        "POST" => Reply::ok(by.answer(SERIAL, by.revoked(), 1)),
        _ => Reply::status("405 Method Not Allowed"),
    })
    .await;
    let url = server.url("");
    let mut case = Case::with(&authority, &[(StatusKind::Ocsp, &url)], authority.end(SERIAL, &[&url], &[]));
    let desk = Desk::new(authority.now, bounds());
    assert_eq!(case.fetched(&desk).await, (REVOKED.to_owned(), Vec::new()));
    let asked = server.asked();
    assert!(asked[1].head.starts_with("POST / HTTP/1.1") && asked[1].head.contains("application/ocsp-request"));
    assert_eq!(asked[1].body, request_in(&asked[0]));

    // The responder refuses; the list, here in PEM, does not.
    let by = Arc::clone(&authority);
    let server = Server::plain(move |asked| match asked.head.contains("/list.crl") {
        true => Reply::ok(write_pem(&by.crl(1, &[SERIAL]), "X509 CRL").into_bytes()),
        false => Reply::ok(OcspRefusal::TryLater.to_der()),
    })
    .await;
    let (ocsp, crl) = (server.url("/ocsp"), server.url("/list.crl"));
    let mut case = Case::with(&authority, &[(StatusKind::Crl, &crl)], authority.end(SERIAL, &[&ocsp], &[&crl]));
    assert_eq!(case.fetched(&desk).await, (REVOKED.to_owned(), vec!["ocsp-refused"]));
    // Where the certificate names nobody, those of the trust list are asked.
    let mut silent = Case::with(&authority, &[(StatusKind::Crl, &crl)], authority.end(8, &[], &[]));
    assert_eq!(silent.verdict(), UNKNOWN);
    assert_eq!(silent.fetched(&desk).await, (PASSED.to_owned(), Vec::new()));
}

#[tokio::test]
async fn what_does_not_help_is_forgotten_and_not_asked_for_again_at_once() {
    let authority = Arc::new(Authority::new("root"));
    let other = Arc::new(Authority::new("other"));
    // Over since an hour; of somebody else.
    for list in [authority.crl(-1, &[]), other.crl(1, &[])] {
        let server = Server::plain(move |_| Reply::ok(list.clone())).await;
        let url = server.url("/list.crl");
        let services = [(StatusKind::Crl, url.as_str())];
        let file = authority.end(SERIAL, &[], &[&url]);
        let desk = Desk::new(authority.now, bounds());
        let mut case = Case::with(&authority, &services, file.clone());
        assert_eq!(case.fetched(&desk).await, (UNKNOWN.to_owned(), Vec::new()));
        let mut again = Case::with(&authority, &services, file.clone());
        assert_eq!(again.fetched(&desk).await, (UNKNOWN.to_owned(), vec!["answer-useless"]));
        assert_eq!((server.asked().len(), desk.fetcher.kept()), (1, (1, 0)));
        desk.clock.forward(61);
        let mut later = Case::with(&authority, &services, file);
        assert_eq!(later.fetched(&desk).await, (UNKNOWN.to_owned(), Vec::new()));
        assert_eq!(server.asked().len(), 2);
    }
}

#[tokio::test]
async fn each_wrong_answer_is_refused_by_name_and_in_bounded_time() {
    let authority = Arc::new(Authority::new("root"));
    let big = vec![b'x'; 70_000];
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let mut endless = b"11170\r\n".to_vec();
    endless.extend_from_slice(&big);
    let good = authority.answer(SERIAL, CertificateStatus::Good, 1);
    let wide = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(20_000));
    let late = Reply { late: Duration::from_secs(5), ..Reply::ok(good.clone()) };
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned();
    let broken = Reply { head: "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n".into(), ..Reply::ok(good.clone()) };
    let cases = [
        ("answer-late", late),
        ("answer-too-large", Reply::ok(big)),
        ("answer-too-large", Reply { head: chunked, body: endless, late: Duration::ZERO }),
        ("answer-broken", Reply { head: wide, ..Reply::ok(Vec::new()) }),
        ("answer-broken", broken),
        ("answer-broken", Reply { head: "SSH-2.0-x\r\n".into(), ..Reply::ok(Vec::new()) }),
        ("answer-redirects", Reply { head: elsewhere, ..Reply::ok(Vec::new()) }),
        ("answer-status", Reply::status("500 Internal Server Error")),
        ("answer-no-ocsp", Reply::ok(b"<html>".to_vec())),
        ("answer-no-ocsp", Reply::ok(authority.crl(1, &[]))),
        ("ocsp-other-certificate", Reply::ok(authority.answer(8, CertificateStatus::Good, 1))),
        ("ocsp-other-certificate", Reply::ok(Authority::new("x").answer(SERIAL, CertificateStatus::Good, 1))),
        ("ocsp-refused", Reply::ok(OcspRefusal::Unauthorized.to_der())),
    ];
    for (code, reply) in cases {
        let server = Server::plain(move |_| reply.clone()).await;
        let url = server.url("/");
        let mut case = Case::with(&authority, &[(StatusKind::Ocsp, &url)], authority.end(SERIAL, &[&url], &[]));
        let desk = Desk::new(authority.now, bounds());
        let begun = Instant::now();
        assert_eq!(case.fetched(&desk).await, (UNKNOWN.to_owned(), vec![code]));
        assert!(begun.elapsed() < Duration::from_secs(3), "{code}: {:?}", begun.elapsed());
        assert_eq!(server.asked().len(), 1, "{code}");
    }
    // Nobody listens; what is published is no list.
    let closed = Server::plain(|_| Reply::ok(b"<html>".to_vec())).await;
    let url = closed.url("/list.crl");
    let mut case = Case::with(&authority, &[(StatusKind::Crl, &url)], authority.end(SERIAL, &[], &[&url]));
    let desk = Desk::new(authority.now, bounds());
    assert_eq!(case.fetched(&desk).await, (UNKNOWN.to_owned(), vec!["answer-no-crl"]));
    drop(closed);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let desk = Desk::new(authority.now, bounds());
    assert_eq!(case.fetched(&desk).await, (UNKNOWN.to_owned(), vec!["host-not-connected"]));
}

#[tokio::test]
async fn nobody_is_asked_whom_the_trust_list_does_not_name() {
    let authority = Authority::new("root");
    let named = Server::plain(|_| Reply::status("404 Not Found")).await;
    let other = Server::plain(|_| Reply::status("404 Not Found")).await;
    let port = other.address.port();
    let (listed, elsewhere) = (named.url("/"), format!("http://localhost:{port}/"));
    let hostile = [
        (other.url("/a"), "the trust list of the anchor names that host, but not that port"),
        (elsewhere, "the trust list of the anchor does not name that host"),
        (format!("http://127.0.0.1@evil.example:{port}/"), "the address names a user"),
        (format!("ldap://127.0.0.1:{port}/"), "only http and https are asked"),
        (format!("http://2130706433:{port}/"), "the address cannot be read"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "the trust list of the anchor does not name that host"),
        (format!("http://[::1]:{port}/"), "the trust list of the anchor does not name that host"),
    ];
    let urls: Vec<&str> = hostile.iter().map(|(url, _)| url.as_str()).collect();
    let file = authority.end(SERIAL, &urls[..4], &urls[4..]);
    let mut case = Case::with(&authority, &[(StatusKind::Ocsp, &listed)], file.clone());
    let mut expected: Vec<_> =
        hostile.iter().map(|(url, why)| format!("{url} is not fetched, because {why}")).collect();
    expected.push(format!("{listed} may be asked"));
    assert_eq!(case.evidence(), expected);
    let desk = Desk::new(authority.now, bounds());
    assert_eq!(case.fetched(&desk).await, (UNKNOWN.to_owned(), vec!["answer-status"]));
    // 404 to GET is asked again by POST.
    assert_eq!((named.asked().len(), other.asked().len()), (2, 0));

    // An anchor that came without a list names nobody; nor does a certificate that leads to no anchor.
    let mut plain = Verification::new(policy(), authority.now, Limits::DEFAULT);
    plain.add_anchors(&authority.root(), "root").unwrap();
    let mut case = Case { verification: plain, file: file.clone() };
    assert_eq!(case.fetched(&desk).await, (UNKNOWN.to_owned(), Vec::new()));
    let stranger = Authority::new("stranger");
    let no_path = stranger.end(SERIAL, &[&listed], &[]);
    let mut case = Case::with(&authority, &[(StatusKind::Ocsp, &listed)], no_path);
    assert_eq!(
        case.evidence(),
        [format!("{listed} is not fetched, because the certificate does not lead to an anchor")]
    );
    let (verdict, not_had) = case.fetched(&desk).await;
    assert!(verdict.starts_with("INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND") && not_had.is_empty(), "{verdict}");
    // Too many addresses are not even looked at.
    let many: Vec<String> = (0..1000).map(|number| format!("{listed}{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let case = Case::with(&authority, &[(StatusKind::Ocsp, &listed)], authority.end(SERIAL, &[], &many[..60]));
    assert_eq!(case.evidence().len(), 9);
    assert!(case.evidence()[8].ends_with("because the certificate names too many addresses"));
    assert_eq!((named.asked().len(), other.asked().len()), (2, 0));
}

#[tokio::test]
async fn a_name_that_leads_home_is_not_followed() {
    let authority = Authority::new("root");
    let server = Server::plain(|_| Reply::status("404 Not Found")).await;
    let url = format!("http://ocsp.example:{}/", server.address.port());
    let file = authority.end(SERIAL, &[&url], &[]);
    let ask = async |answers: &[&str]| {
        let desk = Desk::new(authority.now, bounds());
        let addresses = answers.iter().map(|text| text.parse::<IpAddr>().unwrap());
        desk.names.answers.lock().unwrap().extend(addresses);
        let mut case = Case::with(&authority, &[(StatusKind::Ocsp, &url)], file.clone());
        let (verdict, not_had) = case.fetched(&desk).await;
        assert_eq!(verdict, UNKNOWN);
        (not_had, desk.names.asked.load(Ordering::Relaxed))
    };
    assert_eq!(ask(&["127.0.0.1"]).await, (vec!["host-address-forbidden"], 1));
    assert_eq!(ask(&["169.254.169.254"]).await, (vec!["host-address-forbidden"], 1));
    assert_eq!(ask(&[]).await, (vec!["host-unknown"], 1));
    // The first answer is the one that is looked at and connected to; a second one is never asked for.
    let (not_had, asked) = ask(&["10.255.255.1", "127.0.0.1"]).await;
    assert!(matches!(not_had.as_slice(), ["answer-late" | "host-not-connected"]), "{not_had:?}");
    assert_eq!((asked, server.asked().len()), (1, 0));
}

#[tokio::test]
async fn many_askers_are_one_question_and_what_is_kept_has_an_end() {
    let authority = Arc::new(Authority::new("root"));
    let by = Arc::clone(&authority);
    let slow = Duration::from_millis(150);
    let server = Server::plain(move |_| Reply { late: slow, ..Reply::ok(by.crl(1, &[])) }).await;
    let source = |path: &str| EvidenceSource::Crl { address: Address::parse(&server.url(path)).unwrap() };
    let desk = Desk::new(authority.now, Bounds { entries: 2, ..bounds() });
    let one = source("/1");
    // Whoever stops waiting stops nobody else.
    let gone = tokio::time::timeout(Duration::from_millis(20), desk.fetcher.fetch(&one)).await;
    assert!(gone.is_err());
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (fetcher, source) = (desk.fetcher.clone(), one.clone());
        askers.spawn(async move { fetcher.fetch(&source).await.unwrap().len() });
    }
    let sizes = askers.join_all().await;
    assert_eq!((sizes.len(), server.asked().len()), (50, 1));
    desk.clock.forward(HOUR - 1);
    desk.fetcher.fetch(&one).await.unwrap();
    assert_eq!(server.asked().len(), 1);
    // No longer than nextUpdate.
    desk.clock.forward(2);
    desk.fetcher.fetch(&one).await.unwrap();
    assert_eq!(server.asked().len(), 2);
    // What was not used for the longest time goes first.
    for path in ["/2", "/1", "/3"] {
        desk.fetcher.fetch(&source(path)).await.unwrap();
    }
    assert_eq!((server.asked().len(), desk.fetcher.kept().0), (4, 2));
    desk.fetcher.fetch(&one).await.unwrap();
    assert_eq!(server.asked().len(), 4);
    desk.fetcher.fetch(&source("/2")).await.unwrap();
    assert_eq!(server.asked().len(), 5);
    // Octets have a bound too: what is larger than all is given and not kept.
    let desk = Desk::new(authority.now, Bounds { bytes: 100, ..bounds() });
    desk.fetcher.fetch(&one).await.unwrap();
    assert_eq!(desk.fetcher.kept(), (0, 0));
}

#[tokio::test]
async fn servers_of_https_must_be_known() {
    let authority = Arc::new(Authority::new("root"));
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let by = Arc::clone(&authority);
    let server = Server::start(
        move |_| Reply::ok(by.crl(1, &[])),
        move |stream| {
            let acceptor = acceptor.clone();
            Box::pin(async move { acceptor.accept(stream).await })
        },
    )
    .await;
    let url = format!("https://{}/list.crl", server.address);
    let ask = async |pem: Option<String>| {
        let tls = pem.map(|pem| server_anchors(pem.as_bytes()).unwrap());
        let desk = Desk::new(authority.now, bounds());
        let fetcher = StatusFetcher::new(desk.names.clone(), tls, desk.clock.clone(), bounds());
        let mut case = Case::with(&authority, &[(StatusKind::Crl, &url)], authority.end(SERIAL, &[], &[&url]));
        case.fetched(&Desk { fetcher, ..desk }).await
    };
    assert_eq!(ask(None).await, (UNKNOWN.to_owned(), vec!["https-anchors-missing"]));
    assert_eq!(ask(Some(other.cert.pem())).await, (UNKNOWN.to_owned(), vec!["https-server-not-trusted"]));
    assert_eq!(ask(Some(made.cert.pem())).await, (PASSED.to_owned(), Vec::new()));
    assert!(server_anchors(b"").is_err_and(|error| error.to_string() == "no certificate in it"));
}

/// Answers that are handed in need no network.
#[test]
fn answers_among_the_evidence_are_judged() {
    let authority = Authority::new("root");
    let file = authority.end(SERIAL, &["http://ocsp.example/"], &[]);
    let judge = |answer: &[u8]| {
        let mut case = Case::with(&authority, &[], file.clone());
        case.verification.add_evidence(answer, "answer").unwrap();
        (case.verdict(), case.report()["signatures"][0]["revocation"]["detail"].as_str().unwrap().to_owned())
    };
    let good = judge(&authority.answer(SERIAL, CertificateStatus::Good, 1));
    assert_eq!(good, (PASSED.to_owned(), "no certificate of the paths is revoked".to_owned()));
    assert_eq!(judge(&authority.answer(SERIAL, authority.revoked(), 1)).0, REVOKED);
    let unknown = |answer: &[u8]| {
        let (verdict, detail) = judge(answer);
        assert_eq!(verdict, UNKNOWN);
        detail.rsplit_once("is unknown: ").unwrap().1.to_owned()
    };
    let stale = unknown(&authority.answer(SERIAL, CertificateStatus::Good, -1));
    assert_eq!(stale, format!("it is out of date since {}", authority.now.plus_seconds(-HOUR)));
    let other = "the OCSP answer is about another certificate";
    assert_eq!(unknown(&authority.answer(8, CertificateStatus::Good, 1)), other);
    assert_eq!(unknown(&Authority::new("root").answer(SERIAL, CertificateStatus::Good, 1)), other);
    let said = unknown(&authority.answer(SERIAL, CertificateStatus::Unknown, 1));
    assert_eq!(said, "the OCSP responder does not know the certificate");
    assert_eq!(unknown(&OcspRefusal::TryLater.to_der()), "the OCSP responder refused: tryLater");
    // Not what the issuer wrote.
    let mut changed = authority.answer(SERIAL, CertificateStatus::Good, 1);
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(unknown(&changed), "its signature is wrong");
}

/// What the service judges by: lists that came with trust lists, and what is fetched.
#[tokio::test]
async fn the_service_judges_by_bundles_in_force_and_fetches_where_it_may() {
    let authority = Arc::new(Authority::new("root"));
    let by = Arc::clone(&authority);
    let server = Server::plain(move |_| Reply::ok(by.crl(1, &[8]))).await;
    let url = server.url("/list.crl");
    let signed = authority.trust_list(&[(StatusKind::Crl, &url)]);
    let algorithms = AlgorithmPolicy::whatever_we_compute();
    let list = CheckedList::check(signed, &algorithms, authority.now).unwrap();
    let desk = Desk::new(authority.now, bounds());
    let (offline, online) = (Judging::new(TrustAnchors::none()), Judging::new(TrustAnchors::none()));
    let online = online.with_fetcher(Some(desk.fetcher.clone()), Appetite::default());
    let policy = Arc::new(policy());
    let verdict = async |judging: &Judging, serial: u8| {
        let document = Arc::new(authority.end(serial, &[], &[&url]));
        let subject =
            Subject { file_name: "file".into(), document, original: None, evidence: std::sync::Arc::default() };
        let report = judging.judge(&subject, &policy, authority.now).await.unwrap();
        short(&serde_json::to_value(report).unwrap())
    };
    let none = "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND no-certificate-chain";
    assert_eq!(verdict(&online, SERIAL).await, none);
    let stand = |crls: Vec<Vec<u8>>| {
        let found = InForce { lists: vec![list.clone()], crls, ..InForce::default() };
        Standing::new(&TrustAnchors::none(), found)
    };
    for judging in [&offline, &online] {
        judging.stand_on(stand(Vec::new()));
    }
    assert_eq!(verdict(&offline, SERIAL).await, UNKNOWN);
    assert_eq!((verdict(&online, SERIAL).await, verdict(&online, 8).await), (PASSED.to_owned(), REVOKED.to_owned()));
    assert_eq!(server.asked().len(), 1);
    // A list of the bundle answers without anybody being asked; a later one counts as well as what is fetched.
    offline.stand_on(stand(vec![authority.crl(1, &[])]));
    assert_eq!((verdict(&offline, SERIAL).await, verdict(&offline, 8).await), (PASSED.to_owned(), PASSED.to_owned()));
    desk.clock.forward(2 * HOUR);
    online.stand_on(stand(vec![authority.crl(1, &[SERIAL])]));
    assert_eq!(verdict(&online, SERIAL).await, REVOKED);
    assert_eq!(server.asked().len(), 1);
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinxin"));
    command.current_dir(folder).env_clear().args(arguments).output().unwrap()
}

/// The command: offline by default, and what it fetched is saved for a replay.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_fetches_only_when_told_and_saves_what_it_fetched() {
    let authority = Arc::new(Authority::new("root"));
    let by = Arc::clone(&authority);
    let server = Server::plain(move |asked| match asked.head.contains("/list.crl") {
        true => Reply::ok(by.crl(1, &[])),
        false => Reply::status("503 Service Unavailable"),
    })
    .await;
    let (ocsp, crl) = (server.url("/ocsp"), server.url("/list.crl"));
    let folder = std::env::temp_dir().join(format!("yinxin-fetching-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("list.json"), authority.trust_list(&[(StatusKind::Crl, &crl)]).to_json()).unwrap();
    fs::write(folder.join("end.der"), authority.end(SERIAL, &[&ocsp], &[&crl])).unwrap();
    let judge = ["verify", "--json", "--trust", "list.json", "end.der"];
    let offline = run(&folder, &judge);
    assert_eq!((offline.status.code(), server.asked().len()), (Some(2), 0));
    let online = run(&folder, &[&judge[..], &["--fetch", "--save-evidence", "saved"]].concat());
    let told = String::from_utf8(online.stderr).unwrap();
    assert_eq!(told, format!("{ocsp} is not fetched: the answer has status 503 (answer-status)\n"));
    assert_eq!((online.status.code(), server.asked().len()), (Some(0), 2));
    let index: Value = serde_json::from_slice(&fs::read(folder.join("saved/evidence.json")).unwrap()).unwrap();
    let replay: Vec<&str> = index["replay"].as_str().unwrap().split(' ').skip(1).collect();
    let again = run(&folder, &replay);
    assert_eq!((again.status.code(), again.stdout == online.stdout, server.asked().len()), (Some(0), true, 2));
    let both = run(&folder, &[&judge[..], &["--fetch", "--offline"]].concat());
    assert_eq!(both.status.code(), Some(64));
    fs::write(folder.join("empty.pem"), b"").unwrap();
    let empty = run(&folder, &[&judge[..], &["--fetch", "--https-anchors", "empty.pem"]].concat());
    let told = String::from_utf8(empty.stderr).unwrap();
    assert!(told.trim_end().ends_with("(https-anchors-malformed)") && empty.status.code() == Some(64), "{told}");
    fs::remove_dir_all(folder).unwrap();
}
