//! Time stamps from the server as a process: asked by openssl, judged by openssl, Bouncy Castle and rfc3161-client;
//! refused in their form; and all of them in the log after a kill.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::base::id::AuthorityId;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::algorithm::{DigestAlgorithm, OID_SM3};
use yinxin::crypto::digest::{digest, sm3};
use yinxin::crypto::sm2::KeyTables;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::key::KeyAlgorithm;
use yinxin::domain::stamp::{Expected, verify_token};
use yinxin::format::keys::write_pem;
use yinxin::format::tsp::{FailureInfo, NewTimeStampReq, TimeStampReq, TimeStampResp, TimeStampToken};
use yinxin::service::Services;
use yinxin::service::authorities::{self, AuthorityKey, NewAuthority};
use yinxin::service::development::ORGANISATION;
use yinxin::service::issuance::Issuance;
use yinxin::service::keys::KeySource;
use yinxin::service::units::{NewUnit, UnitRole, establish};
use yinxin::store::audit;

use crate::process::{Answer, has_curl};
use crate::serve::{Client, Installation};

const QUERY: &str = "Content-Type: application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";

fn post(client: &Client, request: &Path) -> Option<Answer> {
    client.try_call("/tsa", &["-H", QUERY, "--data-binary", &format!("@{}", request.display())])
}

#[track_caller]
fn response(client: &Client, request: &Path) -> Vec<u8> {
    let answer = post(client, request).unwrap();
    assert_eq!(answer.kind, REPLY, "{}", answer.text());
    answer.ok()
}

fn request(text: &str) -> NewTimeStampReq<'static> {
    let digest = digest(DigestAlgorithm::Sm3, text.as_bytes()).leak();
    NewTimeStampReq { algorithm: OID_SM3, digest, policy: None, nonce: Some(&[0x7f, 1]), certificate_wanted: true }
}

async fn open(installation: &Installation) -> Services {
    let source = KeySource::File { path: installation.home().join("key-encryption.key"), create: false };
    Services::open(&installation.url(), &source, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap()
}

fn name(common_name: &str) -> [(AttributeKind, String); 2] {
    [(AttributeKind::Organisation, ORGANISATION.to_owned()), (AttributeKind::CommonName, common_name.to_owned())]
}

/// A P-256 root of ours, in the key store.
async fn root(services: &Services) -> Vec<u8> {
    let new = NewAuthority {
        id: AuthorityId::parse("p256").ok(),
        name: "P-256 根".into(),
        profile: "root".into(),
        parent: None,
        subject: name("P-256 根").to_vec(),
        key: AuthorityKey::Generated(KeyAlgorithm::EcdsaP256),
        not_after: None,
        base_url: "http://ca.example".into(),
        crl_shards: 1,
    };
    let profiles = yinxin::config::profiles::built_in().unwrap();
    let made = authorities::create(services, &profiles, &Actor::Operator, &new).await.unwrap();
    authorities::find(services, &made.id).await.unwrap().1
}

/// A further unit under that root; the newest one of its kind is the one that works.
async fn unit(services: &Services, algorithm: KeyAlgorithm) -> Vec<u8> {
    let issuance = Issuance::start(services.clone(), Arc::new(yinxin::config::profiles::built_in().unwrap()));
    let subject = name(&format!("{algorithm} 时间戳")).to_vec();
    let new = NewUnit { algorithm, location: None, subject, profile: "tsa".into(), not_after: None };
    let authority = AuthorityId::parse("p256").unwrap();
    establish(services, &issuance, &Actor::Operator, (&authority, UnitRole::TimeStamping), new).await.unwrap().der
}

fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn openssl(folder: &Path, arguments: &[&str]) -> (bool, String) {
    run(Command::new("openssl").current_dir(folder).args(arguments))
}

fn python() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/venv/bin/python")
}

fn bouncy_castle(folder: &Path, files: [&str; 3]) -> Option<(bool, String)> {
    let jars = ["bcprov", "bcpkix", "bcutil"].map(|name| format!("/usr/share/java/{name}.jar"));
    let runs = Command::new("java").arg("-version").output().is_ok_and(|output| output.status.success());
    if !runs || !jars.iter().all(|jar| Path::new(jar).exists()) {
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/bouncycastle/JudgeMessages.java");
    let mut command = Command::new("java");
    Some(run(command.current_dir(folder).arg("-cp").arg(jars.join(":")).arg(source).arg("tsp").args(files)))
}

#[test]
fn stamps_of_the_server_satisfy_others() {
    const TEST: &str = "serve::stamping::stamps_of_the_server_satisfy_others";
    if !has_curl() || Command::new("openssl").arg("version").output().is_err() {
        return crate::skip(TEST, "curl or openssl");
    }
    let installation = Installation::new("serve-stamping");
    let running = installation.serve();
    let client = installation.client(&running);
    refusals(&installation, &client);
    // The development unit.
    let folder = installation.home().parent().unwrap().to_owned();
    installation.write("content", b"content\n");
    let asked = installation.write("request.tsq", &request("content\n").to_der());
    let der = response(&client, &asked);
    installation.write("response.tsr", &der);
    let token = TimeStampResp::parse(&der).unwrap().token.unwrap();
    let read = TimeStampToken::parse(token).unwrap();
    let query = std::fs::read(&asked).unwrap();
    let query = TimeStampReq::parse(&query).unwrap();
    let verified = verify_token(&read, &[], &Expected::answer_to(&query), &KeyTables::default()).unwrap();
    let off = verified.info().gen_time.seconds().unix().abs_diff(SystemClock.now().unix());
    assert!(off < 60, "{off}");
    installation.write("tsa.der", verified.certificate().raw);
    match bouncy_castle(&folder, ["tsa.der", "request.tsq", "response.tsr"]) {
        Some((right, said)) => assert!(right && said.trim() == "ok", "{said}"),
        None => crate::skip(TEST, "Java with Bouncy Castle"),
    }
    assert_eq!(running.terminate().0, Some(0));

    // P-256, then RSA, under a root that openssl can check.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut above = None;
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa] {
        let made = runtime.block_on(async {
            let services = open(&installation).await;
            let root = match above.take() {
                Some(root) => root,
                None => root(&services).await,
            };
            let made = unit(&services, algorithm).await;
            services.store.close().await;
            above = Some(root);
            made
        });
        installation.write("root.pem", write_pem(above.as_ref().unwrap(), "CERTIFICATE").as_bytes());
        installation.write("tsa.pem", write_pem(&made, "CERTIFICATE").as_bytes());
        let running = installation.serve();
        let client = installation.client(&running);
        for kind in ["-sha256", "-sha384", "-sha512"] {
            let (right, said) =
                openssl(&folder, &["ts", "-query", "-data", "content", kind, "-cert", "-out", "theirs.tsq"]);
            assert!(right, "{said}");
            installation.write("theirs.tsr", &response(&client, &folder.join("theirs.tsq")));
            for against in [["-data", "content"], ["-queryfile", "theirs.tsq"]] {
                let rest = ["-in", "theirs.tsr", "-CAfile", "root.pem"];
                let (right, said) = openssl(&folder, &[&["ts", "-verify"][..], &against, &rest].concat());
                assert!(right, "{algorithm} {kind} {against:?}: {said}");
            }
        }
        // Without certificates, and with them given by hand.
        let (right, said) = openssl(&folder, &["ts", "-query", "-data", "content", "-sha256", "-out", "bare.tsq"]);
        assert!(right, "{said}");
        installation.write("bare.tsr", &response(&client, &folder.join("bare.tsq")));
        let verify = ["ts", "-verify", "-queryfile", "bare.tsq", "-in", "bare.tsr", "-CAfile", "root.pem"];
        let (right, said) = openssl(&folder, &[&verify[..], &["-untrusted", "tsa.pem"]].concat());
        assert!(right, "{said}");
        if python().exists() {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python/verify_time_stamp.py");
            let files = ["root.pem", "tsa.pem", "theirs.tsq", "theirs.tsr", "content"];
            let (right, said) = run(Command::new(python()).current_dir(&folder).arg(script).args(files));
            assert!(right, "{said}");
        } else {
            crate::skip(TEST, "target/peers");
        }
        assert_eq!(running.terminate().0, Some(0));
    }

    // Switched off.
    let running = installation.serve_with(&[("YINXIN_STAMPING__ENABLED", "false")]);
    let client = installation.client(&running);
    assert_eq!(post(&client, &asked).unwrap().refusal(), (404, "stamping-off".to_owned()));
}

/// By the protocol and beside it.
fn refusals(installation: &Installation, client: &Client) {
    let good = request("content\n");
    let policy = yinxin::format::der::ObjectIdentifier::new_unwrap("1.2.3");
    let sha1 = yinxin::crypto::algorithm::OID_SHA1;
    for (der, failure) in [
        (NewTimeStampReq { policy: Some(policy), ..good }.to_der(), FailureInfo::UnacceptedPolicy),
        (NewTimeStampReq { algorithm: sha1, digest: &[7; 20], ..good }.to_der(), FailureInfo::BadAlg),
        (NewTimeStampReq { digest: &[7; 33], ..good }.to_der(), FailureInfo::BadDataFormat),
        (b"garbage".to_vec(), FailureInfo::BadDataFormat),
    ] {
        let refused = response(client, &installation.write("refused.tsq", &der));
        let refused = TimeStampResp::parse(&refused).unwrap();
        assert_eq!((refused.failures.as_slice(), refused.token), (&[failure][..], None));
    }
    let asked = format!("@{}", installation.write("request.tsq", &good.to_der()).display());
    let other = client.call("/tsa", &["-H", "Content-Type: application/octet-stream", "--data-binary", &asked]);
    assert_eq!(other.refusal(), (415, "content-type-refused".to_owned()));
    let large = format!("@{}", installation.write("large.tsq", &vec![0; 17 << 10]).display());
    let large = client.call("/tsa", &["-H", QUERY, "--data-binary", &large]);
    assert_eq!(large.refusal(), (413, "too-large".to_owned()));
}

#[test]
fn every_token_that_left_before_a_kill_has_its_event() {
    if !has_curl() {
        return crate::skip("serve::stamping::every_token_that_left_before_a_kill_has_its_event", "curl");
    }
    const ENOUGH: usize = 12;
    let installation = Installation::new("serve-stamping-kill");
    let running = installation.serve();
    let client = installation.client(&running);
    let (count, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(BTreeSet::new())));
    let threads = (0..4).map(|thread| {
        let path = installation.write(&format!("{thread}.tsq"), &request(&thread.to_string()).to_der());
        let (client, count, left) = (client.clone(), Arc::clone(&count), Arc::clone(&left));
        std::thread::spawn(move || {
            // No whole answer: the server is gone.
            while let Some(answer) = post(&client, &path) {
                let der = answer.ok();
                left.lock().unwrap().insert(sm3(TimeStampResp::parse(&der).unwrap().token.unwrap()));
                count.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let threads = threads.collect::<Vec<_>>();
    while count.load(Ordering::SeqCst) < ENOUGH {
        assert!(!threads.iter().all(std::thread::JoinHandle::is_finished), "no thread is left");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.kill();
    for thread in threads {
        thread.join().unwrap();
    }
    let left = std::mem::take(&mut *left.lock().unwrap());
    assert!(left.len() >= ENOUGH);
    let events = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let services = open(&installation).await;
        let events = services.store.read(|tx| Box::pin(audit::read(tx, 0, 10_000))).await.unwrap();
        services.store.close().await;
        events
    });
    let (mut recorded, mut serials) = (BTreeSet::new(), BTreeSet::new());
    for (_, event) in events {
        let EventBody::TimeStampsIssued { items, .. } = event.body else { continue };
        for item in items.chunks(48) {
            assert!(serials.insert(item[..16].to_vec()), "a serial number came twice");
            recorded.insert(<[u8; 32]>::try_from(&item[16..]).unwrap());
        }
    }
    assert!(left.is_subset(&recorded), "{} left, {} recorded", left.len(), recorded.len());
}
