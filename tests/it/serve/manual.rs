//! The commands of docs/ca.md for calls over HTTP, as they stand there: three officers with keys of P-256, curl, jq, OpenSSL.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use yinxin::format::keys::read_pem;
use yinxin::format::x509::Certificate;

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
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
        self.ran(command.args(["-subj", &format!("/CN={name}"), "-keyout", &key, "-out", &certificate]));
        let certificate = self.0.path(&certificate).display().to_string();
        let register = ["seal-admin", "register-caller", &certificate, "--name", name, "--role", "certificate-officer"];
        let told = self.done(&register);
        let id = told.split_whitespace().next().unwrap();
        self.done(&["ca", "officer", "appoint", "--role", part, "--caller", id]);
    }
}

#[test]
fn the_calls_of_the_manual_for_officers_work() {
    for needed in ["curl", "jq", "openssl", "bash"] {
        if Command::new(needed).arg("--version").output().is_err() {
            return crate::skip(NAME, needed);
        }
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

    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ca.md")).unwrap();
    let blocks = manual.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect::<Vec<_>>();
    assert_eq!(blocks.len(), 4, "{blocks:?}");
    let commands = blocks.concat().replace("curl ", "curl --noproxy '*' --fail-with-body --max-time 60 ");
    let trusted = installation.home().join("tls/server.pem");
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &commands]).env("BASE", &client.base).env("CA", trusted);
    place.ran(&mut shell);

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
