//! What we seal, judged by software that is not ours: Bouncy Castle in Java, GmSSL in Python, and an OFD reader that draws it.
//!
//! `scripts/test-peers` installs the peers. Where one is absent each test says SKIPPED by name; it fails instead under
//! `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};

use serde_json::Value;
use yinxin::base::clock::SystemClock;
use yinxin::base::random::SystemRandom;
use yinxin::domain::audit::Actor;
use yinxin::domain::seal::stamp_plan::StampPlan;
use yinxin::service::Services;
use yinxin::service::development::{self, NOTICE};
use yinxin::service::keys::KeySource;
use yinxin::service::seal_uses::UsePurpose;
use yinxin::service::seals::{Order, sign};

/// What both verifiers check of each signature.
const CHECKS: [&str; 9] =
    ["references", "der", "dataHash", "signature", "seal", "listed", "sealFile", "propertyInfo", "chain"];
/// Sealed files, and how many signatures each has: SM2; SM2 twice; SM2 twice and RSA, locked; RSA alone; upon a keyword; over the
/// seam of the pages.
const GENUINE: [(&str, usize); 6] = [
    ("2-sealed.ofd", 1),
    ("4-sealed-twice.ofd", 2),
    ("5-sealed-locked.ofd", 3),
    ("6-rsa.ofd", 1),
    ("7-keyword.ofd", 1),
    (SEAM, 1),
];

/// The one that the other reader does not draw: it knows one stamp of each signature.
const SEAM: &str = "8-seam.ofd";

/// The demo's files and one sealed with RSA only, made once for all tests.
static KEPT: LazyLock<PathBuf> = LazyLock::new(|| {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
    // Of an earlier run.
    let _ = fs::remove_dir_all(&kept);
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinxin"));
    let status = command.args(["demo", "--keep"]).arg(&kept).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{status}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let more = [
        ("6-rsa.ofd", 2, "at pages=1 x=150 y=20"),
        ("7-keyword.ofd", 0, "keyword which=last text=示例市印信演示局"),
        (SEAM, 0, "seam edge=right"),
    ];
    for (name, seal, place) in more {
        fs::write(kept.join(name), runtime.block_on(sealed(&kept.join("state"), seal, place))).unwrap();
    }
    kept
});

/// The notice, sealed by that seal of the development PKI at that place.
async fn sealed(state: &Path, seal: usize, place: &str) -> Vec<u8> {
    let url = format!("sqlite:{}", state.join("yinxin.db").display());
    let source = KeySource::File { path: state.join("key-encryption.key"), create: false };
    let services = Services::open(&url, &source, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
    let pki = development::ensure(&services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
    let plan = StampPlan::read(place, false).unwrap();
    let order = Order { document: NOTICE.to_vec(), plan, idempotency_key: None, purpose: UsePurpose::default() };
    let sealed = sign(&services, &Actor::Operator, None, &pki.seals[seal].id, order).await.unwrap();
    services.store.close().await;
    sealed.document
}

fn skip(test: &str, absent: &str) {
    println!("SKIPPED {test}: {absent} absent");
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
    assert!(!required, "{absent} is required and absent");
}

fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(path)
}

/// Java with Bouncy Castle, ready for files.
fn java() -> Option<Command> {
    let jar = Path::new("/usr/share/java/bcprov.jar");
    let runs = Command::new("java").arg("-version").output().is_ok_and(|output| output.status.success());
    let mut command = Command::new("java");
    command.arg("-cp").arg(jar).arg(script("bouncycastle/VerifySealedOfd.java"));
    (runs && jar.exists()).then_some(command)
}

/// The Python of the peers, ready for files.
fn python(name: &str) -> Option<Command> {
    let interpreter = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/venv/bin/python");
    let mut command = Command::new(&interpreter);
    command.arg(script("python").join(name));
    interpreter.exists().then_some(command)
}

/// Exit code, and the lines on each file.
fn run(mut command: Command, files: &[&str]) -> (i32, BTreeMap<String, Vec<Value>>) {
    command.args(files.iter().map(|file| KEPT.join(file)));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut lines = BTreeMap::<String, Vec<Value>>::new();
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        let name = Path::new(line["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned();
        lines.entry(name).or_default().push(line);
    }
    let code = output.status.code().unwrap();
    assert!(matches!(code, 0 | 1), "{code}: {}", String::from_utf8_lossy(&output.stderr));
    (code, lines)
}

fn judged_by(peer: fn() -> Option<Command>) {
    let trusting = |anchor: &str| {
        let mut command = peer().unwrap();
        command.arg("--trust").arg(KEPT.join("pki").join(anchor));
        command
    };
    let (code, lines) = run(trusting("authority.pem"), &GENUINE.map(|(file, _)| file));
    assert_eq!(code, 0, "{lines:?}");
    for (file, signatures) in GENUINE {
        assert_eq!(lines[file].len(), signatures, "{file}");
        for line in &lines[file] {
            let unsound = CHECKS.into_iter().filter(|check| line[check] != "ok").collect::<Vec<_>>();
            assert_eq!(unsound, Vec::<&str>::new(), "{line}");
        }
    }
    // One byte of a protected part was changed, and nothing else.
    let (code, lines) = run(trusting("authority.pem"), &["3-tampered.ofd"]);
    let [line] = &lines["3-tampered.ofd"][..] else { panic!("{lines:?}") };
    let unsound = CHECKS.into_iter().filter(|check| line[check] != "ok").collect::<Vec<_>>();
    assert_eq!((code, unsound), (1, vec!["references"]), "{line}");
    // The seal maker issues no certificates: a chain that ends there is none.
    let (code, lines) = run(trusting("maker.pem"), &["2-sealed.ofd"]);
    assert_eq!((code, &lines["2-sealed.ofd"][0]["chain"]), (1, &Value::from("failed")), "{lines:?}");
    // What bears no seal is not passed.
    assert_eq!(run(trusting("authority.pem"), &["1-original.ofd"]).0, 1);
}

#[test]
fn bouncy_castle_accepts_our_seals_and_refuses_tampered_ones() {
    if java().is_none() {
        return skip("bouncy_castle_accepts_our_seals_and_refuses_tampered_ones", "Java with Bouncy Castle");
    }
    judged_by(java);
}

#[test]
fn gmssl_accepts_our_seals_and_refuses_tampered_ones() {
    let peer = || python("verify_sealed_ofd.py");
    if peer().is_none() {
        return skip("gmssl_accepts_our_seals_and_refuses_tampered_ones", "target/peers");
    }
    judged_by(peer);
}

#[test]
fn another_reader_draws_our_pages_and_stamps() {
    let Some(command) = python("render_ofd.py") else {
        return skip("another_reader_draws_our_pages_and_stamps", "target/peers");
    };
    let drawn = || GENUINE.into_iter().filter(|(file, _)| *file != SEAM);
    let (code, lines) = run(command, &drawn().map(|(file, _)| file).collect::<Vec<_>>());
    assert_eq!(code, 0, "{lines:?}");
    for (file, signatures) in drawn() {
        let line = &lines[file][0];
        assert_eq!((&line["status"], &line["pages"], &line["stamps"]), (&"ok".into(), &3.into(), &signatures.into()));
    }
}
