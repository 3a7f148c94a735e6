//! A server of profile `gm3` as a process, over the double of an SDF device: set up by the program, called with curl,
//! started again, left by its device and found again by it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use yinxin::base::clock::{Clock as _, SystemClock, Timestamp};
use yinxin::base::random::{SystemRandom, array};
use yinxin::config::profiles::built_in;
use yinxin::crypto::sm2::PrivateKey;
use yinxin::crypto::{PublicKey, Signer as _};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::ca::{self, Publication};
use yinxin::domain::seal::maker::{self, SealForm, SealRequest, SignerList};
use yinxin::domain::trust::AlgorithmPolicy;
use yinxin::domain::trust::key::public_key;
use yinxin::format::keys::{SubjectPublicKeyInfo, read_pem, write_pem};
use yinxin::format::x509::Certificate;
use yinxin::http::tls::{development_certificate, development_client};
use yinxin::service::development::picture;

use crate::built::built;
use crate::process::{Running, has_curl, program};
use crate::serve::{Client, Installation, NOTICE};
use crate::store::postgres::Postgres;

#[test]
fn profile_gm3_on_sqlite() {
    if !has_curl() {
        return crate::skip("serve::gm3::profile_gm3_on_sqlite", "curl");
    }
    profile_gm3(&Installation::new("serve-gm3"));
}

#[test]
fn profile_gm3_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::gm3::profile_gm3_on_postgresql", "PostgreSQL");
    };
    if !has_curl() {
        return crate::skip("serve::gm3::profile_gm3_on_postgresql", "curl");
    }
    let url = tokio::runtime::Runtime::new().unwrap().block_on(server.database("serve-gm3"));
    profile_gm3(&Installation::on("serve-gm3-postgres", &url));
}

/// Those who work outside: an authority that certifies our key, and a seal maker.
struct Outside {
    authority: PrivateKey,
    root: Vec<u8>,
    now: Timestamp,
}

impl Outside {
    fn new() -> Self {
        let (authority, now) = (PrivateKey::generate(&SystemRandom).unwrap(), SystemClock.now());
        let mut outside = Self { authority, root: Vec::new(), now };
        let own = PublicKey::Sm2(outside.authority.public_key());
        outside.root = outside.certificate("根", &own, "root");
        outside
    }

    /// Of a seal signer, the name is the number of its seal.
    fn certificate(&self, subject: &str, key: &PublicKey, profile: &str) -> Vec<u8> {
        let own = PublicKey::Sm2(self.authority.public_key());
        let root = Certificate::parse(&self.root).ok();
        let (algorithm, publication) = (self.authority.algorithm(), &Publication::nowhere());
        let throw_away = &ca::ThrowAwayKeys::new(Arc::new(SystemRandom));
        let issuer = ca::Issuer { certificate: root.as_ref(), key: &own, algorithm, publication, throw_away };
        let profiles = built_in().unwrap();
        let organisation = if profile == "seal-signer" { "99990000000000001F示例" } else { "示例" };
        let request = ca::Request {
            profile: profiles.require(profile).unwrap(),
            subject: &[
                (AttributeKind::Organisation, organisation.to_owned()),
                (AttributeKind::CommonName, subject.to_owned()),
            ],
            alternative_names: &[],
            identity: &[],
            key,
            not_before: self.now.plus_days(-1),
            not_after: Some(self.now.plus_days(30)),
            serial: &array(&SystemRandom).unwrap(),
            transaction: None,
            name_constraints: None,
        };
        let rules = (&AlgorithmPolicy::whatever_we_compute(), self.now);
        let token = ca::prepare(&request, &issuer, rules).unwrap();
        let value = self.authority.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value).unwrap()
    }

    fn seal(&self, signer: &[u8]) -> Vec<u8> {
        let maker = PrivateKey::generate(&SystemRandom).unwrap();
        let certificate = self.certificate("制章机构", &PublicKey::Sm2(maker.public_key()), "seal-maker");
        let request = SealRequest {
            es_id: "99000000000009",
            name: "示例市印信演示局（样章）",
            signers: &[signer],
            created: self.now.plus_seconds(-60),
            valid_end: self.now.plus_days(20),
            picture_type: "png",
            picture: &picture("99000000000009").unwrap().png,
            size_mm: (42, 42),
            kind: 1,
            form: SealForm::V4,
            list: SignerList::Certificates,
        };
        let token =
            maker::prepare(&request, &certificate, maker.algorithm(), &AlgorithmPolicy::whatever_we_compute()).unwrap();
        let value = maker.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value).unwrap()
    }
}

fn closed(path: &Path, octets: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, octets).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// An installation of that profile with its device.
struct Gm3<'a> {
    installation: &'a Installation,
    outside: Outside,
}

impl<'a> Gm3<'a> {
    /// Everything that an operator has before the first start.
    fn new(installation: &'a Installation) -> Self {
        let (home, outside) = (installation.home(), Outside::new());
        fs::create_dir_all(installation.path("device")).unwrap();
        closed(&installation.path("passwords"), b"1 password-1\n3 password-3\n");
        fs::write(installation.path("root.pem"), write_pem(&outside.root, "CERTIFICATE")).unwrap();
        let server = development_certificate(&["localhost", "127.0.0.1", "::1"], outside.now).unwrap();
        closed(&home.join("tls/server.pem"), server.certificate_pem.as_bytes());
        closed(&home.join("tls/server.key"), server.key_pem.expose());
        let client = development_client("business system", outside.now).unwrap();
        closed(&home.join("client/client.pem"), client.certificate_pem.as_bytes());
        closed(&home.join("client/client.key"), client.key_pem.expose());
        let path = |name: &str| json!(installation.path(name).to_str().unwrap()).to_string();
        let url =
            installation.url.clone().unwrap_or_else(|| format!("sqlite:{}", installation.path("rows.db").display()));
        let configuration = [
            "profile = \"gm3\"".to_owned(),
            format!("data_dir = {}", path("data")),
            format!(
                "[server]\ntls_certificate = {}\ntls_key = {}",
                path("home/tls/server.pem"),
                path("home/tls/server.key")
            ),
            format!("[trust]\nanchors = [{}]", path("root.pem")),
            format!("[database]\nurl = {}", json!(url)),
            // The seal of this test has no keeper.
            "[seals]\nunkept = \"allow\"".to_owned(),
            format!("[keys.sdf]\nlibrary = {}\npairs = [1, 3]", json!(built("sdf_double").to_str().unwrap())),
            format!("password_file = {}\n", path("passwords")),
        ];
        fs::write(installation.path("y.toml"), configuration.join("\n")).unwrap();
        Self { installation, outside }
    }

    /// The program with its device.
    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).arg("--config").arg(self.installation.path("y.toml"));
        command.env("SDF_DOUBLE_STATE", self.installation.path("device"));
        command
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.program(arguments).output().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// The exit code and the last line.
    fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.program(arguments).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&stdout), "");
        (status.code(), String::from_utf8(stderr).unwrap().lines().last().unwrap().to_owned())
    }

    fn serve(&self) -> Running {
        Running::start_until(self.program(&["serve"]), self.installation.path("log"), "/api/v1/verifications\n")
    }

    fn client(&self, running: &Running, seal: &str) -> Client {
        Client {
            home: self.installation.home(),
            base: format!("https://localhost:{}", running.v4),
            seal: seal.to_owned(),
        }
    }

    fn gone(&self) -> PathBuf {
        self.installation.path("device/gone")
    }

    /// What `yinxin verify` says, which knows the outside's anchor and nothing of the installation.
    fn verified(&self, file: &Path) -> Value {
        let anchor = self.installation.path("root.pem");
        let output = program().args(["verify", "--json", "--trust"]).arg(anchor).arg(file).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A key in the device, its certificate and its seal from outside, and a caller. Gives the key and the seal by name.
    fn set_up(&self) -> (String, String) {
        let path = |name: &str| self.installation.path(name).to_str().unwrap().to_owned();
        let generate = ["--purpose", "seal-signing", "--algorithm", "sm2", "--owner", "示例市印信演示局"];
        let software = self.refused(&[&["keys", "generate"], &generate[..]].concat());
        let expected = "error: profile gm3 forbids private keys in software (profile-forbids-software-keys)";
        assert_eq!(software, (Some(4), expected.to_owned()));
        let made = self.done(&[&["keys", "generate", "--in", "sdf"], &generate[..]].concat());
        let (key, pem) = made.split_once('\n').unwrap();
        let spki = read_pem(pem, "PUBLIC KEY").unwrap().remove(0);
        let public = SubjectPublicKeyInfo::parse(&spki).unwrap();
        let public = public_key(&public).unwrap();
        let certificate = self.outside.certificate("99000000000009", &public, "seal-signer");
        fs::write(path("signer.pem"), write_pem(&certificate, "CERTIFICATE")).unwrap();
        fs::write(path("seal.esl"), self.outside.seal(&certificate)).unwrap();
        let (seal, signer) = (path("seal.esl"), path("signer.pem"));
        let take = ["seal-admin", "take", &seal, "--key", key, "--certificate"];
        let told = self.refused(&[&take[..], &[&path("root.pem")]].concat());
        let expected = "error: the signer's certificate is not for signing (signer-certificate-unusable)";
        assert_eq!(told, (Some(4), expected.to_owned()));
        let id = self.done(&[&take[..], &[&signer]].concat());
        let told = self.refused(&[&take[..], &[&signer]].concat());
        let expected = "error: a seal of this number, or this certificate of its signer, is here already (seal-exists)";
        assert_eq!(told, (Some(4), expected.to_owned()));
        let caller = path("home/client/client.pem");
        let register = ["seal-admin", "register-caller", &caller, "--name", "business system", "--role", "seal-user"];
        let told = self.refused(&[&register[..], &["--role", "audit-administrator"]].concat());
        let expected = "error: one caller cannot be both audit-administrator and seal-user (roles-conflict)";
        assert_eq!(told, (Some(4), expected.to_owned()));
        self.done(&register);
        let told = self.refused(&register);
        assert_eq!(told, (Some(4), "error: a caller with this key is registered (caller-exists)".to_owned()));
        (key.to_owned(), id.trim_end().to_owned())
    }
}

fn profile_gm3(installation: &Installation) {
    let gm3 = Gm3::new(installation);
    let running = gm3.serve();
    // Beside the service at work.
    let (key, seal) = gm3.set_up();
    let client = gm3.client(&running, &seal);
    let status = client.call_as_caller(&client.seal_path(), &[]).json();
    assert_eq!((&status["state"], &status["es_id"]), (&json!("active"), &json!("99000000000009")));
    assert_eq!(client.call(&client.seal_path(), &[]).refusal(), (401, "signature-missing".into()));
    let bytes = client.seal(Path::new(NOTICE), "first").ok();
    let sealed = installation.write("sealed.ofd", &bytes);
    assert_eq!(client.verify(&sealed)["indication"], "TOTAL_PASSED");
    let report = gm3.verified(&sealed);
    assert_eq!(
        (&report["indication"], &report["signatures"][0]["signer"]["subject"]),
        (&json!("TOTAL_PASSED"), &json!("C=CN, O=99990000000000001F示例, CN=99000000000009"))
    );

    // Another process over the same rows and the same device.
    assert_eq!(running.terminate().0, Some(0));
    let running = gm3.serve();
    let client = gm3.client(&running, &seal);
    assert_eq!(client.call_as_caller(&client.seal_path(), &[]).json(), status);
    assert!(client.seal(Path::new(NOTICE), "first").ok() == bytes, "an answer is kept");
    let twice = installation.write("twice.ofd", &client.try_seal(&sealed, "second", "80").unwrap().ok());
    assert_eq!(gm3.verified(&twice)["signatures"].as_array().unwrap().len(), 2);

    // The device is away: whoever needs it is told so, and the service stays.
    fs::write(gm3.gone(), "").unwrap();
    let away = (503, "key-store-unavailable".to_owned());
    for turn in 0..3 {
        let told = client.try_seal(Path::new(NOTICE), &format!("away-{turn}"), "124").unwrap();
        assert_eq!(told.refusal(), away);
        assert_eq!(client.call_as_caller(&client.seal_path(), &[]).refusal(), away);
    }
    assert_eq!(client.call("/healthz", &[]).ok(), b"ok\n");
    assert_eq!(client.verify(&sealed)["indication"], "TOTAL_PASSED", "files of others need no key of ours");
    let absent = "error: the device is not there: SDF_OpenDevice: 0x01000005 (key-store-unavailable)".to_owned();
    assert_eq!(gm3.refused(&["keys", "list"]), (Some(4), absent.clone()));
    fs::remove_file(gm3.gone()).unwrap();
    let back = Instant::now();
    let third = loop {
        let answer = client.seal(Path::new(NOTICE), "away-0");
        if answer.status == 200 {
            break answer.ok();
        }
        assert_eq!(answer.refusal(), away);
        assert!(back.elapsed() < Duration::from_secs(10), "the device is back, and is not found again");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(gm3.verified(&installation.write("third.ofd", &third))["indication"], "TOTAL_PASSED");

    // No start without it, and one with it, to a key that was suspended meanwhile.
    assert_eq!(running.terminate().0, Some(0));
    fs::write(gm3.gone(), "").unwrap();
    assert_eq!(gm3.refused(&["serve"]), (Some(70), absent));
    fs::remove_file(gm3.gone()).unwrap();
    gm3.done(&["keys", "suspend", &key, "--reason", "owner-request"]);
    let running = gm3.serve();
    let client = gm3.client(&running, &seal);
    let told = client.seal(Path::new(NOTICE), "fourth").refusal();
    assert_eq!(told, (409, "key-suspended".into()));
    assert!(client.seal(Path::new(NOTICE), "away-0").ok() == third, "an answer is kept");
    assert_eq!(running.terminate().0, Some(0));
    assert!(!installation.path("data/key-encryption.key").exists(), "no key beside the database");
}
