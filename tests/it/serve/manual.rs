//! The commands of docs/ca.md, docs/seals.md, docs/seal-uses.md, docs/person-signatures.md, docs/messages.md for calls over HTTP, and of
//! docs/national-maker.md, as they stand there: officers with keys of P-256, curl, jq, OpenSSL.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use yinxin::format::keys::read_pem;
use yinxin::format::x509::Certificate;
use yinxin::render::NOTICE;
use yinxin::service::development;

use crate::process::{Answer, program};
use crate::serve::Installation;
use crate::service::authority::request;
use crate::service::jobs::line;
use crate::service::person_signings::handwriting;

const NAME: &str = "serve::the_calls_of_the_manual_for_officers_work";

/// An installation, and what is done at its command line.
pub(crate) struct Place<'a>(pub(crate) &'a Installation);

impl Place<'_> {
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let mut command = program();
        command.env("YINXIN_DATA_DIR", self.0.home()).env("YINXIN_LOG__LEVEL", "error").args(arguments);
        self.ran(&mut command)
    }

    #[track_caller]
    pub(crate) fn ran(&self, command: &mut Command) -> String {
        let Output { status, stdout, stderr } = command.current_dir(self.0.folder.path()).output().unwrap();
        let (said, error) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr));
        assert_eq!(status.code(), Some(0), "{command:?}\n{said}\n{error}");
        said
    }

    /// An officer with that name and part, whose key and certificate lie beside the installation.
    fn officer(&self, name: &str, part: &str) {
        let id = self.registered(name, "certificate-officer");
        self.done(&["ca", "officer", "appoint", "--role", part, "--caller", &id]);
    }

    /// A caller with that name and role, whose key and certificate lie beside the installation.
    fn registered(&self, name: &str, role: &str) -> String {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
        self.ran(command.args(["-subj", &format!("/CN={name}"), "-keyout", &key, "-out", &certificate]));
        let certificate = self.0.path(&certificate).display().to_string();
        let register = ["seal-admin", "register-caller", &certificate, "--name", name, "--role", role];
        self.done(&register).split_whitespace().next().unwrap().to_owned()
    }

    /// What the manual for seals begins with: officers, a keeper, a user, a maker, codes, and what is applied for; gives the user.
    pub(crate) fn seals_begin(&self) -> String {
        for (name, part) in [("chen", "applicant"), ("li", "checker"), ("wang", "approver")] {
            let id = self.registered(name, "seal-administrator");
            self.done(&["seal-admin", "officer", "appoint", "--role", part, "--division", "3301", "--caller", &id]);
        }
        let keeper = self.registered("zhao", "seal-administrator");
        let user = self.registered("sun", "seal-user");
        let root = ["ca", "create", "示例机构", "--id", "root", "--profile", "root", "--subject", "O=示例局,CN=根"];
        self.done(&[&root[..], &["--base-url", "http://ca.example"]].concat());
        let seals = ["ca", "create", "示例机构", "--id", "seals", "--profile", "seal-issuing-ca", "--parent", "root"];
        self.done(&[&seals[..], &["--subject", "O=示例局,CN=印章", "--base-url", "http://ca.example"]].concat());
        self.done(&["ca", "seal-maker", "create", "seals", "--subject", "O=示例局,CN=制章"]);
        self.done(&["seal-admin", "codes", "assign", "330106", "--first", "1", "--last", "9"]);
        let key =
            self.done(&["keys", "generate", "--purpose", "seal-signing", "--algorithm", "sm2", "--owner", "Unit"]);
        let wanted = serde_json::json!({
            "purpose": "make", "division": "3301", "kind": 1, "holder": "样章市试验局", "credit_code": "99990000000000001F",
            "holder_division": "330106", "keeper": keeper, "signer_key": key.lines().next().unwrap(), "authority": "seals",
        });
        self.0.write("wanted.json", wanted.to_string().as_bytes());
        self.0.write("order.pdf", b"a scan");
        self.0.write("face.png", &development::picture("33010600000001").unwrap().png);
        user
    }

    /// Runs commands of the manual, which find a server there.
    pub(crate) fn shell(&self, base: &str, commands: &str, more: &[(&str, &str)]) {
        let commands = commands.replace("curl ", "curl --noproxy '*' --fail-with-body --max-time 60 ");
        // The program of this build.
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_yinxin")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell.env("PATH", path);
        shell.args(["-euo", "pipefail", "-c", &commands]).env("BASE", base);
        self.ran(shell.env("CA", self.0.home().join("tls/server.pem")).envs(more.iter().copied()));
    }
}

/// The shell's part of a manual.
pub(crate) fn blocks(manual: &str) -> Vec<&str> {
    manual.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

/// What is not here of what the commands call.
pub(crate) fn absent() -> Option<&'static str> {
    ["curl", "jq", "openssl", "bash"].into_iter().find(|name| Command::new(name).arg("--version").output().is_err())
}

#[test]
fn the_calls_of_the_manual_for_seals_work() {
    if let Some(needed) = absent() {
        return crate::skip("serve::the_calls_of_the_manual_for_seals_work", needed);
    }
    let installation = Installation::new("serve-manual-seals");
    let running = installation.serve();
    let (client, place) = (installation.client(&running), Place(&installation));
    let user = place.seals_begin();
    let (made, used) =
        (blocks(include_str!("../../../docs/seals.md")), blocks(include_str!("../../../docs/seal-uses.md")));
    assert_eq!((made.len(), used.len()), (1, 3));
    let [used, own_key, own_use] = used[..] else { panic!("{used:?}") };
    place.shell(&client.base, &[made[0], used].concat(), &[("SUN", &user)]);
    let read = |name: &str| fs::read_to_string(installation.path(name)).unwrap();
    let found: Value = serde_json::from_str(&read("seals.json")).unwrap();
    assert_eq!((&found["seals"][0]["code"], &found["next"]), (&"33010600000001".into(), &Value::Null));
    assert!(read("ledger.csv").starts_with("at,signature,seal,user,"));
    // Once more, with a key that the service never has.
    installation.write("letter.ofd", NOTICE);
    place.shell(&client.base, &[own_key, made[0], own_use].concat(), &[("SUN", &user)]);
    assert!(read("wanted.json").contains("csr") && !read("wanted.json").contains("signer_key"));
    let sealed = client.verify(&installation.path("sealed.ofd"));
    assert_eq!(sealed["signatures"][0]["signature"]["status"], "ok", "{sealed}");
    assert_eq!(sealed["signatures"][0]["seal"]["status"], "ok", "{sealed}");
    assert_eq!(running.terminate().0, Some(0));
}

#[test]
fn the_walk_to_the_national_system_works() {
    if let Some(needed) = absent() {
        return crate::skip("serve::manual::the_walk_to_the_national_system_works", needed);
    }
    let folder = crate::store::Folder::new("serve-manual-national");
    let blocks = blocks(include_str!("../../../docs/national-maker.md"));
    assert_eq!(blocks.len(), 1);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Whatever goes wrong, nothing stays behind; and nothing is waited for without end.
    let commands = format!("trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n{}", blocks[0]);
    let built = std::path::Path::new(env!("CARGO_BIN_EXE_yinxin")).parent().unwrap();
    let mut shell = Command::new("timeout");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("YINXIN_")) {
        shell.env_remove(name);
    }
    shell
        .env("PATH", format!("{}:{}", built.display(), std::env::var("PATH").unwrap()))
        .env("OFFICE", port.to_string());
    shell.args(["300", "bash", "-euo", "pipefail", "-c", &commands]).current_dir(folder.path());
    let Output { status, stdout, stderr } = shell.output().unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let said = (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned());
    assert_eq!(status.code(), Some(0), "{said:?}\n{}\n{}", read("office.log"), read("serve.log"));
    assert!(said.1.contains("(seal-ordered)"), "{said:?}");
    assert!(said.0.contains("  active\n") && said.0.contains("  suspended\n"), "{said:?}");
    let told = read("office.log");
    let heard = told.lines().filter_map(|line| line.split_once("kind=")).map(|(_, rest)| rest.trim());
    let mut heard = heard.collect::<Vec<_>>();
    heard.dedup();
    let expected = [
        "\"order\" detail=\"\"",
        "\"ask\" detail=\"\"",
        "\"state\" detail=\"active\"",
        "\"state\" detail=\"suspended\"",
    ];
    assert_eq!(heard.get(..4), Some(&expected[..]), "{told}");
    assert!(read("seal.txt").lines().any(|line| line.starts_with("state") && line.ends_with("revoked")));
    assert!(!told.contains("turned away"), "{told}");
}

#[test]
fn the_calls_of_the_manual_for_persons_work() {
    if let Some(needed) = absent() {
        return crate::skip("serve::the_calls_of_the_manual_for_persons_work", needed);
    }
    let installation = Installation::new("serve-manual-persons");
    let persons = ("YINXIN_PERSONS__AUTHORITY", "development-authority");
    let running = installation.serve_with(&[persons, ("YINXIN_STAMPING__ENABLED", "true")]);
    let (client, place) = (installation.client(&running), Place(&installation));
    place.registered("qian", "person-signer");
    installation.write("form.ofd", yinxin::render::NOTICE);
    installation.write("hand.png", &handwriting());
    let blocks = blocks(include_str!("../../../docs/person-signatures.md"));
    assert_eq!(blocks.len(), 1);
    place.shell(&client.base, &blocks.concat(), &[]);
    let report = client.verify(&installation.path("signed.ofd"));
    let signature = &report["signatures"][0];
    assert_eq!(signature["indication"], "TOTAL_PASSED", "{report:#}");
    assert_eq!((&signature["details"]["event"]["level"], &signature["time"]["code"]), (&4.into(), &"proved".into()));
    // The organisation's seal beside it.
    let sealed = client.seal(&installation.path("signed.ofd"), "beside").ok();
    let report = client.verify(&installation.write("sealed.ofd", &sealed));
    assert_eq!((&report["indication"], report["signatures"].as_array().unwrap().len()), (&"TOTAL_PASSED".into(), 2));

    // By hand, beside the service: the operator's statement, and a time stamp all the same.
    let now = yinxin::base::clock::Clock::now(&yinxin::base::clock::SystemClock).to_string();
    let order = |level: &str, out: &str| {
        let mut command = program();
        command.env("YINXIN_DATA_DIR", installation.home()).env("YINXIN_LOG__LEVEL", "error").env(persons.0, persons.1);
        command.args(["seal-admin", "sign-person", "form.ofd", "--out", out, "--handwriting", "hand.png", "--x", "20"]);
        command.args(["--y", "200", "--name", "样章人", "--person", "p-2", "--procedure", "counter", "--level", level]);
        command.args(["--proven-at", &now]);
        command
    };
    let act = place.ran(&mut order("5", "by-hand.ofd"));
    let report = client.verify(&installation.path("by-hand.ofd"));
    let event = &report["signatures"][0]["details"]["event"];
    assert_eq!((&event["transaction"], &event["level"]), (&act.trim_end().into(), &5.into()));
    assert_eq!(report["signatures"][0]["time"]["code"], "proved");
    // Strictly rising times are promised by one process alone.
    let mut ordered = order("5", "ordered.ofd");
    ordered.env("YINXIN_STAMPING__ORDERING", "true").current_dir(installation.folder.path());
    let refused = ordered.output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.success(), told.contains("(stamping-ordered)")), (false, true), "{told}");
    assert!(!installation.path("ordered.ofd").exists());
    let refused = order("3", "low.ofd").current_dir(installation.folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.code(), told.contains("(assurance-level-too-low)")), (Some(4), true), "{told}");
    assert!(!installation.path("low.ofd").exists());
    assert_eq!(running.terminate().0, Some(0));
}

#[test]
fn the_calls_of_the_manual_for_messages_work() {
    if let Some(needed) = absent() {
        return crate::skip("serve::the_calls_of_the_manual_for_messages_work", needed);
    }
    let installation = Installation::new("serve-manual-messages");
    let running = installation.serve();
    let (client, place) = (installation.client(&running), Place(&installation));
    let caller = place.registered("system", "key-user");
    let letter = "样章函件：仅供测试。\n".as_bytes();
    installation.write("letter.txt", letter);
    installation.write("form.ofd", NOTICE);
    let blocks = blocks(include_str!("../../../docs/messages.md"));
    assert_eq!(blocks.len(), 2);
    let home = installation.home().display().to_string();
    let more = [
        ("AUTHORITY", "development-authority"),
        ("CALLER", caller.as_str()),
        ("YINXIN_DATA_DIR", home.as_str()),
        ("YINXIN_LOG__LEVEL", "error"),
    ];
    place.shell(&client.base, &blocks.concat(), &more);
    // A unit for nobody, and somebody's unit for another duty, are not made.
    for (kind, more) in [("message-signer", &[][..]), ("report-signer", &["--for", &caller])] {
        let mut command = program();
        command.args(["ca", kind, "create", "development-authority", "--subject", "O=示例局,CN=示例"]).args(more);
        let refused = command.env("YINXIN_DATA_DIR", &home).env("YINXIN_LOG__LEVEL", "error").output().unwrap();
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains("(caller-of-unit)"), "{told}");
    }
    let listed = place.done(&["ca", "message-signer", "list"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert_eq!(running.terminate().0, Some(0));
    let root = tokio::runtime::Runtime::new().unwrap().block_on(crate::serve::reports::root(&installation));
    let root = installation.write("root.pem", root.as_bytes()).display().to_string();
    for (name, beside) in [
        ("letter.p7s", true),
        ("letter.p7m", false),
        ("letter.jws", false),
        ("signed.ofd", false),
        ("digest.p7s", true),
    ] {
        let mut verify = vec!["verify", "--json", "--trust", &root, name];
        if beside {
            verify.extend(["--original", "letter.txt"]);
        }
        let told: Value = serde_json::from_str(&place.done(&verify)).unwrap();
        assert_eq!(told["indication"], "TOTAL_PASSED", "{name}: {told:#}");
    }
    // What stands beside it is another letter.
    installation.write("letter.txt", b"another");
    let mut command = program();
    command.args(["verify", "--trust", &root, "letter.p7s", "--original", "letter.txt"]);
    assert_eq!(command.current_dir(installation.folder.path()).output().unwrap().status.code(), Some(1));
}

#[test]
fn the_calls_of_the_manual_for_officers_work() {
    if let Some(needed) = absent() {
        return crate::skip(NAME, needed);
    }
    let installation = Installation::new("serve-manual-ca");
    let running = installation.serve();
    let (client, place) = (installation.client(&running), Place(&installation));
    for (name, part) in [("chen", "applicant"), ("li", "checker"), ("wang", "approver")] {
        place.officer(name, part);
    }
    let root = ["ca", "create", "示例机构", "--id", "officers", "--profile", "root", "--algorithm", "sm2"];
    place.done(&[&root[..], &["--subject", "O=示例局,CN=示例机构", "--base-url", "http://ca.example"]].concat());
    installation.write("zhao.der", &request(1));
    let convert = ["req", "-inform", "DER", "-in", "zhao.der", "-out", "zhao.csr"];
    place.ran(Command::new("openssl").args(convert));
    installation.write("scan.pdf", b"evidence");
    installation.write("officers.jsonl", [line("甲", &request(2), ""), line("乙", &[0x30, 0], "")].concat().as_bytes());

    let blocks = blocks(include_str!("../../../docs/ca.md"));
    assert_eq!(blocks.len(), 4, "{blocks:?}");
    place.shell(&client.base, &blocks.concat(), &[]);

    let read = |name: &str| fs::read_to_string(installation.path(name)).unwrap();
    let subjects = ["zhao.pem", "approved.pem"].map(|name| {
        let der = read_pem(&read(name), "CERTIFICATE").unwrap().remove(0);
        Certificate::parse(&der).unwrap().subject.display()
    });
    assert_eq!(subjects[0], subjects[1]);
    assert!(subjects[0].contains("经办人1"), "{subjects:?}");
    let rows = read("results.jsonl").lines().map(|row| serde_json::from_str(row).unwrap()).collect::<Vec<Value>>();
    assert_eq!((rows.len(), &rows[0]["state"], &rows[1]["refusal"]), (2, &"issued".into(), &"csr-malformed".into()));
    assert_eq!(read_pem(rows[0]["pem"].as_str().unwrap(), "CERTIFICATE").unwrap().len(), 1);
    let Answer { status, .. } = client.call("/api/v1/issuance-jobs", &[]);
    assert_eq!(status, 401);
    assert_eq!(running.terminate().0, Some(0));
}
