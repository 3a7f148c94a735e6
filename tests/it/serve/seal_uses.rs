//! A seal with a keeper, through the built program: used over HTTPS by whom the keeper authorised, and entered in the ledger.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use yinxin::service::development::NOTICE;

use crate::process::{Answer, program};
use crate::serve::{Client, Installation};

struct Office<'a> {
    installation: &'a Installation,
}

impl Office<'_> {
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = program();
        command.current_dir(self.installation.path("")).env("YINXIN_DATA_DIR", self.installation.home());
        command.env("YINXIN_LOG__LEVEL", "error").arg("seal-admin").args(arguments);
        let output = command.output().unwrap();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).trim_end().to_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let (code, said, told) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {told}");
        said
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let (code, said, told) = self.run(arguments);
        assert_eq!((code, said.as_str()), (Some(4), ""), "{arguments:?}: {told}");
        told.rsplit_once('(').map_or(told.as_str(), |(_, code)| code.trim_end_matches(')')).to_owned()
    }

    #[track_caller]
    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").current_dir(self.installation.path("")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn seal(client: &Client, file: &Path, key: &str, more: &[&str]) -> Answer {
    let (file, key) = (format!("file=@{}", file.display()), format!("Idempotency-Key: {key}"));
    let form = ["-F", &file, "-F", "page=3", "-F", "x=124", "-F", "y=211.682", "-H", &key];
    client.call_as_caller(&format!("{}/signatures", client.seal_path()), &[&form[..], more].concat())
}

#[test]
fn a_keeper_authorises_and_the_ledger_tells() {
    let installation = Installation::new("seal-uses-program");
    let running = installation.serve();
    let client = installation.client(&running);
    let file = installation.path("notice.ofd");
    fs::write(&file, NOTICE).unwrap();
    let office = Office { installation: &installation };
    let id = client.seal.clone();

    assert_eq!(seal(&client, &file, "first", &[]).status, 200, "a development seal has no keeper yet");
    let line: Value = serde_json::from_str(&office.done(&["ledger", "--json"])).unwrap();
    assert_eq!((&line["outcome"], &line["authorisation"]), (&"signed".into(), &Value::Null));
    let user = line["user"].as_str().unwrap().to_owned();

    office.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "keeper.key"]);
    office.openssl(&["ec", "-in", "keeper.key", "-pubout", "-out", "keeper.pem"]);
    let register = ["register-caller", "keeper.pem", "--name", "A keeper", "--role", "seal-administrator"];
    let keeper = office.done(&register);
    assert_eq!(office.done(&["keeper", &id]), format!("{id} nobody"));
    assert_eq!(office.refused(&["keeper", &id, &user]), "not-seal-administrator");
    assert!(office.done(&["keeper", &id, &keeper]).starts_with(&format!("{id} {keeper} ")));
    assert_eq!(seal(&client, &file, "second", &[]).refusal(), (403, "use-not-authorised".into()));

    let period = ["--from", "2020-01-01T00:00:00Z", "--until", "2022-01-01T00:00:00Z"];
    let what = ["authorise", &id, "--user", &user, "--item", "permit", "--most-uses", "1", "--officer", &keeper];
    let by_key = ["--key", "keeper.key"];
    assert_eq!(office.refused(&[&what[..], &period, &by_key].concat()), "terms-period");
    let now = line["at"].as_str().unwrap();
    let year: i32 = now[..4].parse().unwrap();
    let until = format!("{}{}", year + 1, &now[4..]);
    let period = ["--from", now, "--until", &until];
    // Signed elsewhere, over what the program writes.
    let nonce = office.done(&[&what[..], &period, &["--to-sign", "octets"]].concat());
    office.openssl(&["dgst", "-sha256", "-sign", "keeper.key", "-out", "signature", "octets"]);
    let signed = [&what[..], &period, &["--nonce", &nonce, "--signature", "signature"]].concat();
    let authorisation = office.done(&signed);
    assert_eq!(office.refused(&signed), "authorisation-exists");
    let nothing =
        [&what[..], &["--most-amount", "5"], &period, &["--nonce", &nonce, "--signature", "signature"]].concat();
    assert_eq!(office.refused(&nothing), "terms-signature");

    assert_eq!(seal(&client, &file, "third", &[]).refusal(), (403, "use-item".into()));
    assert_eq!(seal(&client, &file, "fourth", &["-F", "item=a b"]).refusal(), (400, "field-malformed".into()));
    assert_eq!(seal(&client, &file, "fifth", &["-F", "amount=-1"]).refusal(), (400, "field-malformed".into()));
    let wrong = ["-F", "confirmation=00;now;AA=="];
    assert_eq!(seal(&client, &file, "sixth", &wrong).refusal(), (400, "field-malformed".into()));
    let permit = ["-F", "item=permit", "-F", "document-kind=letter", "-F", "amount=250"];
    assert_eq!(seal(&client, &file, "seventh", &permit).status, 200);
    assert_eq!(seal(&client, &file, "seventh", &permit).status, 200, "the first answer again");
    assert_eq!(seal(&client, &file, "eighth", &permit).refusal(), (403, "use-count".into()));

    let csv = office.done(&["ledger", "--csv", "--all", "--item", "permit"]);
    let lines = csv.lines().collect::<Vec<_>>();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(lines[0].starts_with("at,signature,seal,user,authorisation,number,item,document_kind,amount,"));
    assert!(lines[1].contains(&format!(",{id},{user},{authorisation},1,permit,letter,250,")), "{csv}");
    let page = office.done(&["ledger", "--seal", &id, "--limit", "1"]);
    let after = page.lines().last().unwrap().strip_prefix("more: --after ").unwrap();
    assert_eq!(office.done(&["ledger", "--seal", &id, "--after", after]).lines().count(), 1);
    assert_eq!(office.done(&["ledger", "--outcome", "abandoned"]), "");

    let each = [&what[..], &["--each-approved"], &period, &by_key].concat();
    let each = office.done(&each);
    assert_eq!(seal(&client, &file, "ninth", &permit).refusal(), (403, "use-not-approved".into()));
    let digest = yinxin::crypto::digest::hex(&yinxin::crypto::digest::sm3(NOTICE));
    let approve = ["approve-use", &each, "--document-sm3", &digest, "--amount", "250", "--officer", &keeper];
    let approved = office.done(&[&approve[..], &by_key].concat());
    assert_eq!(approved, format!("{each} {digest} approved"));
    assert_eq!(seal(&client, &file, "tenth", &permit).status, 200);

    assert_eq!(office.done(&["authorisations", &id]).lines().count(), 2);
    assert_eq!(office.done(&["withdraw-use", &authorisation]), format!("{authorisation} withdrawn"));
    assert_eq!(office.done(&["withdraw-use", "--all", &id]), "1 authorisations withdrawn");
    assert_eq!(office.done(&["authorisations", &id, "--json"]).matches("\"withdrawn_at\":\"").count(), 2);
    assert_eq!(seal(&client, &file, "eleventh", &permit).refusal(), (403, "use-withdrawn".into()));
    running.terminate();
}
