//! `yinxin ca officer` and `yinxin ca request` from outside: three officers with keys of their own, made and used by OpenSSL,
//! bring a certificate about that OpenSSL verifies.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::format::keys::read_pem;

use crate::process::{Running, program};
use crate::service::authority::request;
use crate::store::Folder;

struct Place {
    folder: Folder,
    /// Profiles that want approvals by configuration.
    approve: Option<&'static str>,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ca(&self, arguments: &[&str]) -> Output {
        let mut command = program();
        command.current_dir(self.folder.path()).env("YINXIN_DATA_DIR", self.path("installation"));
        command.envs(self.approve.map(|names| ("YINXIN_REGISTRATION__APPROVE", names)));
        command.env("YINXIN_LOG__LEVEL", "error").arg("ca").args(arguments).output().unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.ca(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The stable code of a refusal.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.ca(arguments);
        let told = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{arguments:?}: {told}");
        told.rsplit_once('(').map_or(told.as_str(), |(_, code)| code.trim_end_matches(')')).to_owned()
    }

    #[track_caller]
    fn object(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    #[track_caller]
    fn openssl(&self, arguments: &[&str]) -> String {
        let output = Command::new("openssl").current_dir(self.folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// An officer with a P-256 key in `NAME.key`.
    fn hired(&self, name: &str, role: &str) -> String {
        let (key, public) = (format!("{name}.key"), format!("{name}.pub"));
        self.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &key]);
        self.openssl(&["pkey", "-in", &key, "-pubout", "-out", &public]);
        self.done(&["officer", "appoint", "--role", role, "--holder", &public, "--name", name])
    }
}

#[test]
fn jobs_and_pairs_wait_for_officers_signatures() {
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::skip("approved jobs and pairs by OpenSSL", "openssl");
    }
    let approve = Some("[\"officer\", \"person-signing\"]");
    let place = Place { folder: Folder::new("cli-ca-approved"), approve };
    let made = ["create", "Root", "--id", "root", "--profile", "root", "--subject", "O=Example,CN=Root"];
    place.done(&[&made[..], &["--base-url", "http://ca.example", "--algorithm", "ecdsa-p256"]].concat());
    let [applicant, checker, approver] =
        [("chen", "applicant"), ("li", "checker"), ("wang", "approver")].map(|(name, role)| place.hired(name, role));

    let line = crate::service::jobs::line("1", &request(1), "");
    fs::write(place.path("officers.jsonl"), line).unwrap();
    let submit = ["bulk", "submit", "officers.jsonl", "--authority", "root", "--profile", "officer"];
    let job = place.done(&submit);
    assert_eq!(place.refused(&["bulk", "run", &job]), "approval-needed");
    let step = |step: &'static str, officer: &str, proof: [&str; 2]| {
        ["bulk", step, job.as_str(), "--officer", officer, proof[0], proof[1]].map(str::to_owned)
    };
    let early = step("approve", &approver, ["--key", "wang.key"]);
    assert_eq!(place.refused(&early.each_ref().map(String::as_str)), "request-state");
    let check = step("check", &checker, ["--key", "li.key"]);
    assert_eq!(place.done(&check.each_ref().map(String::as_str)), format!("{job}  1 checks  0 approvals"));
    assert_eq!(place.refused(&["bulk", "run", &job]), "approval-needed");
    let write = step("approve", &approver, ["--to-sign", "job.der"]);
    place.done(&write.each_ref().map(String::as_str));
    place.openssl(&["dgst", "-sha256", "-sign", "li.key", "-out", "job.sig", "job.der"]);
    let approve = step("approve", &approver, ["--signature", "job.sig"]);
    assert_eq!(place.refused(&approve.each_ref().map(String::as_str)), "approval-signature");
    place.openssl(&["dgst", "-sha256", "-sign", "wang.key", "-out", "job.sig", "job.der"]);
    assert_eq!(place.done(&approve.each_ref().map(String::as_str)), format!("{job}  1 checks  1 approvals"));
    assert!(place.done(&["bulk", "run", &job]).contains("  finished  root  officer  1 rows  1 issued  0 refused"));

    let new = ["req", "-new", "-newkey", "rsa:3072", "-nodes", "-keyout", "zhao.key", "-subj", "/CN=Zhao"];
    place.openssl(&[&new[..], &["-out", "zhao.csr"]].concat());
    let pair = ["issue-pair", "--authority", "root", "--csr", "zhao.csr"];
    assert_eq!(place.refused(&pair), "approval-needed");
    let what = ["request", "submit", "--authority", "root", "--profile", "person-signing", "--csr", "zhao.csr"];
    let whom = ["--encryption-profile", "person-encryption", "--officer", &applicant, "--key", "chen.key"];
    let evidence = "ab".repeat(32);
    let id = place.done(&[&what[..], &whom, &["--evidence-sm3", &evidence]].concat());
    place.done(&["request", "check", &id, "--officer", &checker, "--key", "li.key"]);
    assert_eq!(place.refused(&["request", "issue", &id]), "request-state");
    place.done(&["request", "approve", &id, "--officer", &approver, "--key", "wang.key"]);
    assert_eq!(place.object(&["request", "show", &id, "--json"])["encryption_profile"], "person-encryption");
    let names = place.done(&["request", "issue", &id, "--out", "pair.pem"]);
    let pair = fs::read_to_string(place.path("pair.pem")).unwrap();
    let certificates = read_pem(&pair, "CERTIFICATE").unwrap();
    let named = certificates.iter().map(|der| hex(&sm3(der))).collect::<Vec<_>>();
    assert_eq!(names.lines().collect::<Vec<_>>(), named);
    fs::write(place.path("envelope.pem"), &pair[pair.find("-----BEGIN CMS-----").unwrap()..]).unwrap();
    let opened = ["cms", "-decrypt", "-inform", "PEM", "-in", "envelope.pem", "-inkey", "zhao.key", "-out", "key.der"];
    place.openssl(&opened);
    let shown = place.object(&["request", "show", &id, "--json"]);
    assert_eq!((shown["state"].as_str(), shown["certificate_sm3"].as_str()), (Some("issued"), Some(named[0].as_str())));
    assert_eq!(place.refused(&["request", "issue", &id]), "request-state");
}

#[test]
fn a_request_becomes_a_certificate_by_three_officers_signatures() {
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::skip("requests for certificates by OpenSSL", "openssl");
    }
    let place = Place { folder: Folder::new("cli-ca-request"), approve: None };
    let service = Running::serve(&place.path("installation"), &[]);
    let at = ["--base-url", "http://ca.example", "--algorithm", "ecdsa-p256"];
    let root = ["create", "Root", "--id", "root", "--profile", "root", "--subject", "O=Example,CN=Root"];
    let told = place.done(&[&root[..], &at].concat());
    fs::write(place.path("root.pem"), told.split_once('\n').unwrap().1).unwrap();
    let below = ["create", "Officers", "--id", "officers", "--profile", "intermediate", "--parent", "root"];
    let told = place.done(&[&below[..], &["--subject", "O=Example,CN=Officers"], &at].concat());
    fs::write(place.path("officers.pem"), told.split_once('\n').unwrap().1).unwrap();

    let [applicant, checker, approver] =
        [("chen", "applicant"), ("li", "checker"), ("wang", "approver")].map(|(name, role)| place.hired(name, role));
    let listed = place.done(&["officer", "list", "--json"]);
    let roles = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let roles = roles.map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["role"].as_str().unwrap()));
    let mut roles = roles.collect::<Vec<_>>();
    roles.sort();
    assert_eq!(roles, ["chen applicant", "li checker", "wang approver"]);
    let again = ["officer", "appoint", "--role", "approver", "--holder", "li.pub", "--name", "li"];
    assert_eq!(place.refused(&again), "caller-exists");
    assert_eq!(place.refused(&["officer", "appoint", "--role", "approver", "--caller", &checker]), "officer-exists");

    place.openssl(&[
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "subject.key",
        "-subj",
        "/O=Example/OU=RA/serialNumber=7/CN=Zhao",
        "-out",
        "subject.csr",
    ]);
    fs::write(place.path("scan.pdf"), "a scan").unwrap();
    let what = ["request", "submit", "--authority", "officers", "--profile", "officer", "--csr", "subject.csr"];
    let what = [&what[..], &["--evidence", "scan.pdf", "--officer", &applicant]].concat();
    // Nothing is taken without proof, and hopeless requests are refused before anybody signs.
    assert_eq!(place.ca(&what).status.code(), Some(64));
    assert_eq!(place.refused(&[&what[..], &["--key", "li.key"]].concat()), "step-signature");
    let late = [&what[..], &["--key", "chen.key", "--not-after", "2999-01-01T00:00:00Z"]].concat();
    assert_eq!(place.refused(&late), "validity-beyond-issuer");
    // Signed elsewhere: by OpenSSL over the octets that are written.
    let nonce = place.done(&[&what[..], &["--to-sign", "submission.der"]].concat());
    place.openssl(&["dgst", "-sha256", "-sign", "chen.key", "-out", "submission.sig", "submission.der"]);
    let signed = [&what[..], &["--nonce", &nonce, "--signature", "submission.sig"]].concat();
    let id = place.done(&signed);
    assert_eq!(place.refused(&signed), "certificate-request-exists");

    let shown = place.object(&["request", "show", &id, "--json"]);
    assert_eq!((shown["state"].as_str(), shown["nonce"].as_str()), (Some("submitted"), Some(nonce.as_str())));
    assert_eq!(shown["evidence_sm3"], hex(&sm3(b"a scan")));
    assert!(place.done(&["request", "show", &id]).contains("CN=Zhao"));
    let check = ["request", "check", &id, "--officer", &checker];
    assert_eq!(place.refused(&[&check[..], &["--key", "wang.key"]].concat()), "step-signature");
    assert_eq!(place.refused(&["request", "issue", &id]), "request-state");
    let told = place.done(&[&check[..], &["--key", "li.key"]].concat());
    assert!(told.starts_with(&format!("{id}  checked  ")), "{told}");

    place.done(&["request", "to-approve", &id, "--out", "approval.der"]);
    place.openssl(&["dgst", "-sha256", "-sign", "wang.key", "-out", "approval.sig", "approval.der"]);
    let approve = |officer: &str| {
        ["request", "approve", id.as_str(), "--officer", officer, "--signature", "approval.sig"].map(str::to_owned)
    };
    let refused = approve(&checker);
    assert_eq!(place.refused(&refused.each_ref().map(String::as_str)), "officer-role");
    let told = place.done(&approve(&approver).each_ref().map(String::as_str));
    assert!(told.starts_with(&format!("{id}  approved  ")), "{told}");
    // An approval is nothing when its officer is none any more.
    place.done(&["officer", "dismiss", &approver]);
    assert_eq!(place.refused(&["request", "issue", &id]), "approver-gone");
    place.done(&["officer", "appoint", "--role", "approver", "--caller", &approver]);
    let name = place.done(&["request", "issue", &id, "--out", "subject.pem"]);
    let der = read_pem(&fs::read_to_string(place.path("subject.pem")).unwrap(), "CERTIFICATE").unwrap().remove(0);
    assert_eq!(name, hex(&sm3(&der)));
    assert_eq!(place.refused(&["request", "issue", &id]), "request-state");
    let shown = place.object(&["request", "show", &id, "--json"]);
    assert_eq!((shown["state"].as_str(), shown["certificate_sm3"].as_str()), (Some("issued"), Some(name.as_str())));

    let verified =
        ["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "root.pem", "-untrusted", "officers.pem"];
    assert_eq!(place.openssl(&[&verified[..], &["subject.pem"]].concat()), "subject.pem: OK\n");
    let key = place.openssl(&["pkey", "-in", "subject.key", "-pubout"]);
    assert_eq!(place.openssl(&["x509", "-in", "subject.pem", "-noout", "-pubkey"]), key);
    let subject = place.openssl(&["x509", "-in", "subject.pem", "-noout", "-subject", "-nameopt", "RFC2253"]);
    assert_eq!(subject, "subject=CN=Zhao,serialNumber=7,OU=RA,O=Example,C=CN\n");

    // Another one is refused, a third is taken back.
    let submit = |number: usize| {
        let file = format!("{number}.csr");
        fs::write(place.path(&file), request(number)).unwrap();
        let what = ["request", "submit", "--authority", "officers", "--profile", "officer", "--csr", &file];
        place.done(&[&what[..], &["--evidence", "scan.pdf", "--officer", &applicant, "--key", "chen.key"]].concat())
    };
    let (second, third) = (submit(2), submit(3));
    let refuse = ["request", "refuse", &second, "--reason", "not-entitled", "--explanation", "not employed"];
    assert_eq!(place.ca(&["request", "refuse", &second, "--reason", "lapsed"]).status.code(), Some(64));
    place.done(&[&refuse[..], &["--officer", &checker, "--key", "li.key"]].concat());
    let shown = place.object(&["request", "show", &second, "--json"]);
    assert_eq!((shown["reason"].as_str(), shown["explanation"].as_str()), (Some("not-entitled"), Some("not employed")));
    let withdraw = ["request", "withdraw", &third, "--reason", "mistaken", "--officer"];
    assert_eq!(place.refused(&[&withdraw[..], &[&checker, "--key", "li.key"]].concat()), "not-applicant");
    place.done(&[&withdraw[..], &[&applicant, "--key", "chen.key"]].concat());
    let listed = place.done(&["request", "list", "--state", "withdrawn"]);
    assert!(listed.starts_with(&third) && listed.lines().count() == 1, "{listed}");
    let page = place.done(&["request", "list", "--limit", "2"]);
    let [_, last, more] = page.lines().collect::<Vec<_>>().try_into().unwrap();
    let after = more.strip_prefix("more: --after ").unwrap();
    assert!(last.starts_with(after), "{page}");
    assert_eq!(place.done(&["request", "list", "--after", after]).lines().count(), 1);
    assert_eq!(place.done(&["request", "lapse", "--days", "1"]), "0 requests lapsed");
    assert_eq!(place.done(&["request", "forget", "--days", "1"]), "0 requests forgotten");
    assert_eq!(place.ca(&["request", "forget", "--days", "0"]).status.code(), Some(64));
    assert_eq!(service.terminate().0, Some(0));
}
