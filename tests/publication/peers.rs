//! What we publish, judged by software that is not ours: OpenSSL over plain HTTP against a running server, pkilint,
//! Bouncy Castle, GnuTLS.
//!
//! Where a peer is absent each test says SKIPPED by name; it fails instead under `CI` or `YINXIN_TEST_PEERS=require`.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yinxin::base::clock::SystemClock;
use yinxin::crypto::algorithm::OID_SHA1;
use yinxin::crypto::digest::sha1_identifier;
use yinxin::domain::audit::Actor;
use yinxin::domain::key::KeyAlgorithm;
use yinxin::format::keys::write_pem;
use yinxin::format::x509::Certificate;
use yinxin::format::x509::ocsp::{NewCertId, NewOcspRequest};
use yinxin::service::publication::Plan;
use yinxin::service::responder::{answer, ensure};
use yinxin::service::revocation_lists::{Kind, current, issue};
use yinxin::service::verification::pem_of;
use yinxin::store::crls::ShardKey;
use yinxin::store::issued_certificates::{IssuedCertificate, StoredStatus};

use crate::desk::{Authority, Desk, Folder, REVOKED, authority, change, issuance, open};
use crate::skip;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn runs(command: &str, argument: &str) -> bool {
    Command::new(command).arg(argument).output().is_ok_and(|output| output.status.success())
}

fn openssl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    (output.status.success(), said(&output))
}

/// `yinxin serve` with a publication listener. Killed if a test ends before it.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn serve(home: &Path, port: u16) -> Serving {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinxin"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("YINXIN_") {
            command.env_remove(name);
        }
    }
    let log = File::create(home.with_extension("log")).unwrap();
    let variables = [
        ("YINXIN_DATA_DIR", home.to_str().unwrap().to_owned()),
        ("YINXIN_SERVER__LISTEN", "[\"127.0.0.1:0\"]".to_owned()),
        ("YINXIN_SERVER__PUBLICATION", format!("[\"127.0.0.1:{port}\"]")),
        ("YINXIN_TRUST__DEVELOPMENT", "false".to_owned()),
    ];
    command.arg("serve").envs(variables).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut serving = Serving(command.spawn().unwrap());
    let mut lines = BufReader::new(serving.0.stdout.take().unwrap()).lines();
    let wanted = format!("publishing on http://127.0.0.1:{port}");
    loop {
        match lines.next() {
            Some(line) if line.as_ref().unwrap().contains(&wanted) => break,
            Some(_) => {}
            None => panic!("{}", fs::read_to_string(home.with_extension("log")).unwrap()),
        }
    }
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    serving
}

/// Status line and headers, and body, of one request.
fn fetch(port: u16, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    let text = format!("{head}\r\nHost: anything.example\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..at].to_vec()).unwrap().to_lowercase(), answer[at + 4..].to_vec())
}

/// Asks until it is there: the server makes responders and lists by itself.
fn wait_for(port: u16, path: &str) -> Vec<u8> {
    let started = Instant::now();
    loop {
        let (head, body) = fetch(port, &format!("GET {path} HTTP/1.1"), b"");
        if head.starts_with("http/1.1 200") {
            return body;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{path}: {head}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn ocsp_request(authority: &Authority, row: &IssuedCertificate) -> Vec<u8> {
    let issuer = Certificate::parse(&authority.certificate).unwrap();
    let (name, key) = (sha1_identifier(issuer.subject.raw()), sha1_identifier(issuer.public_key.key));
    let id =
        NewCertId { hash_algorithm: OID_SHA1, issuer_name_hash: &name, issuer_key_hash: &key, serial: &row.serial };
    NewOcspRequest { cert_ids: &[&id.to_der()], nonce: None, acceptable_responses: &[] }.to_der()
}

/// Three certificates of an authority: in use, revoked, and in use with a delta that will revoke it.
async fn prepared(home: &Path, algorithm: KeyAlgorithm, port: u16) -> (Authority, Vec<IssuedCertificate>) {
    let services = open(home, Arc::new(SystemClock)).await;
    let authority = authority(&services, "ca", algorithm, (&format!("http://127.0.0.1:{port}"), 1)).await;
    let rows = authority.issue(&services, 3, 30).await;
    change(&services, &rows[1], REVOKED).await;
    services.store.close().await;
    (authority, rows)
}

async fn openssl_agrees(algorithm: KeyAlgorithm, name: &str) {
    let (folder, port) = (Folder::new(name), free_port());
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let (authority, rows) = prepared(&home, algorithm, port).await;
    let serving = serve(&home, port);
    let ca = folder.write("ca.pem", pem_of(&authority.certificate).as_bytes());
    let files = rows
        .iter()
        .enumerate()
        .map(|(number, row)| folder.write(&format!("{number}.pem"), pem_of(&row.der).as_bytes()));
    let files = files.collect::<Vec<_>>();

    let full = folder.write("full.crl", &wait_for(port, "/crl/ca/0.crl"));
    let delta = wait_for(port, "/crl/ca/0-delta.crl");
    assert_eq!(wait_for(port, "/aia/ca.cer"), authority.certificate);
    let (fine, text) = openssl(&["crl", "-inform", "DER", "-in", &full, "-CAfile", &ca, "-noout", "-verify"]);
    assert!(fine && text.contains("verify OK"), "{text}");

    // OCSP: by POST, with a nonce of OpenSSL's own and without.
    let url = format!("http://127.0.0.1:{port}/ocsp/ca");
    let ask = |file: &str, more: &[&str]| {
        // The digest stands before what it is for.
        let usual = ["-issuer", &ca, "-cert", file, "-url", &url, "-CAfile", &ca];
        openssl(&[&["ocsp"], more, &usual[..]].concat())
    };
    let started = Instant::now();
    while !ask(&files[0], &["-no_nonce"]).1.contains("Response verify OK") {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", ask(&files[0], &["-no_nonce"]).1);
    }
    for more in [&[][..], &["-no_nonce"], &["-sha256"], &["-no_nonce", "-sha256"]] {
        let (fine, text) = ask(&files[0], more);
        assert!(fine && text.contains("Response verify OK") && text.contains(": good"), "{text}");
        let (_, text) = ask(&files[1], more);
        assert!(text.contains("Response verify OK") && text.contains(": revoked"), "{text}");
        assert!(text.contains("keyCompromise"), "{text}");
    }

    // By GET, as caches like it.
    let escaped = STANDARD.encode(ocsp_request(&authority, &rows[0])).replace('+', "%2B").replace('/', "%2F");
    let (head, body) = fetch(port, &format!("GET /ocsp/ca/{escaped} HTTP/1.1"), b"");
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: application/ocsp-response"), "{head}");
    for name in ["etag: \"", "last-modified: ", "expires: ", "cache-control: max-age="] {
        assert!(head.contains(name), "{head}");
    }
    let tag = head.split_once("etag: ").unwrap().1.lines().next().unwrap().trim().to_owned();
    let conditional = format!("GET /ocsp/ca/{escaped} HTTP/1.1\r\nIf-None-Match: {tag}");
    let (head, nothing) = fetch(port, &conditional, b"");
    assert!(head.starts_with("http/1.1 304") && nothing.is_empty(), "{head}");
    let response = folder.write("response.der", &body);
    let (fine, text) =
        openssl(&["ocsp", "-respin", &response, "-issuer", &ca, "-cert", &files[0], "-CAfile", &ca, "-no_nonce"]);
    assert!(fine && text.contains(": good"), "{text}");
    let (head, body) = fetch(port, "GET /ocsp/ca/%25%25 HTTP/1.1", b"");
    assert!(head.starts_with("http/1.1 200") && head.contains("cache-control: no-store"), "{head}");
    assert_eq!(body, [0x30, 3, 0x0a, 1, 1]);
    // Nothing else is served there.
    for (head, status) in [
        ("GET /healthz HTTP/1.1", "404"),
        ("GET /api/v1/seals/x HTTP/1.1", "404"),
        ("GET /crl/ca/1.crl HTTP/1.1", "404"),
        ("GET /crl/ca/00.crl HTTP/1.1", "404"),
        ("GET /aia/nobody.cer HTTP/1.1", "404"),
        ("GET /aia/nobody.p7c HTTP/1.1", "404"),
        ("GET /aia/ca.p7b HTTP/1.1", "404"),
        ("POST /ocsp/ca HTTP/1.1", "415"),
        ("DELETE /crl/ca/0.crl HTTP/1.1", "405"),
    ] {
        let (answer, _) = fetch(port, head, b"");
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{head}: {answer}");
    }
    drop(serving);

    // A delta that was issued after a change; the full list alone does not know yet.
    let services = open(&home, Arc::new(SystemClock)).await;
    change(&services, &rows[2], REVOKED).await;
    let key = ShardKey { authority: authority.id.clone(), shard: 0 };
    issue(&services, &Actor::Operator, &key, Kind::Delta).await.unwrap();
    let newer = current(&services, &key, Kind::Delta).await.unwrap().unwrap().der;
    services.store.close().await;
    let to_pem = |name: &str, der: &[u8]| {
        let text = STANDARD.encode(der).as_bytes().chunks(64).map(<[u8]>::to_vec).collect::<Vec<_>>().join(&b"\n"[..]);
        let text = String::from_utf8(text).unwrap();
        folder.write(name, format!("-----BEGIN X509 CRL-----\n{text}\n-----END X509 CRL-----\n").as_bytes())
    };
    let (full, first, second) =
        (to_pem("full.pem", &fs::read(&full).unwrap()), to_pem("first.pem", &delta), to_pem("second.pem", &newer));
    let verify = |file: &str, lists: &[&str]| {
        let lists = lists.iter().flat_map(|list| ["-CRLfile", list]).collect::<Vec<_>>();
        let usual = ["verify", "-CAfile", &ca, "-crl_check", "-extended_crl", "-use_deltas"];
        openssl(&[&usual[..], &lists, &[file]].concat())
    };
    for (file, lists, revoked) in [
        (&files[0], [&full, &first], false),
        (&files[1], [&full, &first], true),
        (&files[2], [&full, &first], false),
        (&files[2], [&full, &second], true),
        (&files[0], [&full, &second], false),
    ] {
        let (fine, text) = verify(file, &lists.map(String::as_str));
        assert_eq!((fine, text.contains("certificate revoked")), (!revoked, revoked), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_takes_lists_and_answers_of_a_running_server_p256() {
    if !runs("openssl", "version") {
        return skip("openssl_takes_lists_and_answers_of_a_running_server_p256", "openssl");
    }
    openssl_agrees(KeyAlgorithm::EcdsaP256, "openssl-p256").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_takes_lists_and_answers_of_a_running_server_rsa() {
    if !runs("openssl", "version") {
        return skip("openssl_takes_lists_and_answers_of_a_running_server_rsa", "openssl");
    }
    openssl_agrees(KeyAlgorithm::Rsa, "openssl-rsa").await;
}

/// Files of one authority: its certificate, lists, and for each of three certificates the answer.
struct Files {
    desk: Desk,
    ca: String,
    full: String,
    delta: String,
    certificates: Vec<String>,
    answers: Vec<String>,
}

async fn files(name: &str, algorithm: KeyAlgorithm) -> Files {
    let desk = Desk::new(name, Plan::default()).await;
    let services = &desk.services;
    let authority = desk.authority("ca", algorithm, "http://a.example", 1).await;
    let rows = authority.issue(services, 3, 30).await;
    desk.status(&rows[1], REVOKED).await;
    let key = ShardKey { authority: authority.id.clone(), shard: 0 };
    issue(services, &Actor::Operator, &key, Kind::Full).await.unwrap();
    let full = current(services, &key, Kind::Full).await.unwrap().unwrap().der;
    desk.status(&rows[2], StoredStatus::Suspended).await;
    issue(services, &Actor::Operator, &key, Kind::Delta).await.unwrap();
    let delta = current(services, &key, Kind::Delta).await.unwrap().unwrap().der;
    ensure(services, &issuance(services), &Actor::Operator, &authority.id).await.unwrap();
    let mut answers = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let reply = answer(services, &authority.id, &ocsp_request(&authority, row)).await;
        answers.push(desk.folder.write(&format!("{number}.ors"), &reply.to_der()));
    }
    let certificate =
        |(number, row): (usize, &IssuedCertificate)| desk.folder.write(&format!("{number}.der"), &row.der);
    Files {
        ca: desk.folder.write("ca.der", &authority.certificate),
        full: desk.folder.write("full.crl", &full),
        delta: desk.folder.write("delta.crl", &delta),
        certificates: rows.iter().enumerate().map(certificate).collect(),
        answers,
        desk,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bouncy_castle_takes_sm2_lists_and_answers() {
    let jars = ["bcprov", "bcpkix", "bcutil"].map(|name| format!("/usr/share/java/{name}.jar"));
    if !runs("java", "-version") || !jars.iter().all(|jar| Path::new(jar).exists()) {
        return skip("bouncy_castle_takes_sm2_lists_and_answers", "Java with Bouncy Castle");
    }
    let files = files("bouncycastle", KeyAlgorithm::Sm2).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/bouncycastle/JudgeRevocation.java");
    let judge = |how: &str, evidence: &str, certificate: &str| {
        let mut command = Command::new("java");
        command.arg("-cp").arg(jars.join(":")).arg(&script).args([how, &files.ca, evidence, certificate]);
        said(&command.output().unwrap()).trim().to_owned()
    };
    let subjects = &files.certificates;
    assert_eq!(judge("crl", &files.full, &subjects[0]), "good");
    assert_eq!(judge("crl", &files.full, &subjects[1]), "revoked 1");
    assert_eq!(judge("crl", &files.delta, &subjects[2]), "revoked 6");
    assert_eq!(judge("ocsp", &files.answers[0], &subjects[0]), "good");
    assert_eq!(judge("ocsp", &files.answers[1], &subjects[1]), "revoked 1");
    assert_eq!(judge("ocsp", &files.answers[2], &subjects[2]), "revoked 6");
    let mut changed = fs::read(&files.full).unwrap();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let changed = files.desk.folder.write("changed.crl", &changed);
    assert!(!judge("crl", &changed, &subjects[0]).starts_with("good"));
}

/// GnuTLS judges by its own clock: what it is given is of today.
async fn gnutls_agrees(algorithm: KeyAlgorithm, name: &str) {
    if !runs("certtool", "--version") || !runs("ocsptool", "--version") {
        return skip(name, "GnuTLS");
    }
    let folder = Folder::new(name);
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let (authority, rows) = prepared(&home, algorithm, 1).await;
    let services = open(&home, Arc::new(SystemClock)).await;
    let key = ShardKey { authority: authority.id.clone(), shard: 0 };
    issue(&services, &Actor::Operator, &key, Kind::Full).await.unwrap();
    let full = current(&services, &key, Kind::Full).await.unwrap().unwrap().der;
    ensure(&services, &issuance(&services), &Actor::Operator, &authority.id).await.unwrap();
    let ca = folder.write("ca.pem", pem_of(&authority.certificate).as_bytes());
    let list = folder.write("full.pem", write_pem(&full, "X509 CRL").as_bytes());
    let tool = |command: &str, arguments: &[&str]| {
        let output = Command::new(command).args(arguments).output().unwrap();
        (output.status.success(), said(&output))
    };

    let judge_list = |file: &str| tool("certtool", &["--verify-crl", "--load-ca-certificate", &ca, "--infile", file]);
    let (fine, text) = judge_list(&list);
    assert!(fine && text.contains("Verified."), "{text}");
    let mut changed = full.to_vec();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let (_, text) = judge_list(&folder.write("changed.pem", write_pem(&changed, "X509 CRL").as_bytes()));
    assert!(!text.contains("Verified."), "{text}");

    for (number, row) in rows.iter().enumerate() {
        let revoked = number == 1;
        let file = folder.write(&format!("{number}.pem"), pem_of(&row.der).as_bytes());
        let (fine, text) =
            tool("certtool", &["--verify", "--load-ca-certificate", &ca, "--load-crl", &list, "--infile", &file]);
        assert_eq!((fine, text.contains("certificate chain is revoked")), (!revoked, revoked), "{text}");
        let answered = answer(&services, &authority.id, &ocsp_request(&authority, row)).await.to_der();
        let response = folder.write(&format!("{number}.ors"), &answered);
        let (fine, text) = tool("ocsptool", &["--verify-response", "--load-response", &response, "--load-trust", &ca]);
        assert!(fine && text.contains("Verifying OCSP Response: Success"), "{text}");
        let (fine, text) = tool("ocsptool", &["--response-info", "--infile", &response]);
        let status = if revoked { "Certificate Status: revoked" } else { "Certificate Status: good" };
        assert!(fine && text.contains(status), "{text}");
    }
    services.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gnutls_takes_certificates_lists_and_answers_p256() {
    gnutls_agrees(KeyAlgorithm::EcdsaP256, "gnutls_takes_certificates_lists_and_answers_p256").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gnutls_takes_certificates_lists_and_answers_rsa() {
    gnutls_agrees(KeyAlgorithm::Rsa, "gnutls_takes_certificates_lists_and_answers_rsa").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pkilint_finds_nothing() {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/venv/bin");
    let tool = |name: &str| -> PathBuf { tools.join(name) };
    if !tool("lint_crl").exists() || !tool("lint_ocsp_response").exists() {
        return skip("pkilint_finds_nothing", "target/peers");
    }
    for (name, algorithm) in [("lint-p256", KeyAlgorithm::EcdsaP256), ("lint-sm2", KeyAlgorithm::Sm2)] {
        let files = files(name, algorithm).await;
        let lists = [&files.full, &files.delta].map(|file| {
            let mut command = Command::new(tool("lint_crl"));
            command.args(["lint", "-t", "CRL", "-p", "PKIX", "-s", "NOTICE", "--document-format", "DER", file]);
            command.output().unwrap()
        });
        let answers = files.answers.iter().map(|file| {
            let mut command = Command::new(tool("lint_ocsp_response"));
            command.args(["lint", "-s", "NOTICE", "--document-format", "DER", file]).output().unwrap()
        });
        for output in lists.into_iter().chain(answers.collect::<Vec<_>>()) {
            assert_eq!((output.status.code(), said(&output).trim()), (Some(0), ""), "{name}");
        }
    }
}
