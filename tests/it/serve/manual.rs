//! The commands of docs/ca.md, docs/seals.md and docs/seal-uses.md for calls over HTTP, as they stand there: officers with keys of
//! P-256, curl, jq, OpenSSL.

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

const NAME: &str = "serve::the_calls_of_the_manual_for_officers_work";

struct Place<'a>(&'a Installation);

impl Place<'_> {
    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let mut command = program();
        command.env("YINXIN_DATA_DIR", self.0.home()).env("YINXIN_LOG__LEVEL", "error").args(arguments);
        self.ran(&mut command)
    }

    #[track_caller]
    fn ran(&self, command: &mut Command) -> String {
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

    /// Runs commands of the manual, which find a server there.
    fn shell(&self, base: &str, commands: &str, more: &[(&str, &str)]) {
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
fn blocks(manual: &str) -> Vec<&str> {
    manual.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

/// What is not here of what the commands call.
fn absent() -> Option<&'static str> {
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
    for (name, part) in [("chen", "applicant"), ("li", "checker"), ("wang", "approver")] {
        let id = place.registered(name, "seal-administrator");
        place.done(&["seal-admin", "officer", "appoint", "--role", part, "--division", "3301", "--caller", &id]);
    }
    let keeper = place.registered("zhao", "seal-administrator");
    let user = place.registered("sun", "seal-user");
    let root = ["ca", "create", "示例机构", "--id", "root", "--profile", "root", "--subject", "O=示例局,CN=根"];
    place.done(&[&root[..], &["--base-url", "http://ca.example"]].concat());
    let seals = ["ca", "create", "示例机构", "--id", "seals", "--profile", "seal-issuing-ca", "--parent", "root"];
    place.done(&[&seals[..], &["--subject", "O=示例局,CN=印章", "--base-url", "http://ca.example"]].concat());
    place.done(&["ca", "seal-maker", "create", "seals", "--subject", "O=示例局,CN=制章"]);
    place.done(&["seal-admin", "codes", "assign", "330106", "--first", "1", "--last", "9"]);
    let key = place.done(&["keys", "generate", "--purpose", "seal-signing", "--algorithm", "sm2", "--owner", "Unit"]);
    let wanted = serde_json::json!({
        "purpose": "make", "division": "3301", "kind": 1, "holder": "样章市试验局", "credit_code": "99990000000000001F",
        "holder_division": "330106", "keeper": keeper, "signer_key": key.lines().next().unwrap(), "authority": "seals",
    });
    installation.write("wanted.json", wanted.to_string().as_bytes());
    installation.write("order.pdf", b"a scan");
    installation.write("face.png", &development::picture("33010600000001").unwrap().png);
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
