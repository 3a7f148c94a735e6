//! `yinxin trust` from outside: lists made from drafts, signed by OpenSSL and by key files, compared, brought into force by
//! two officers, published, and judged by.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Running, has_curl, program, try_curl};
use crate::store::Folder;

struct Place {
    folder: Folder,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = program();
        command.current_dir(self.folder.path()).env("YINXIN_DATA_DIR", self.path("installation"));
        command.env("YINXIN_LOG__LEVEL", "error").args(arguments).output().unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    #[track_caller]
    fn trust(&self, arguments: &[&str]) -> String {
        self.done(&[&["trust"], arguments].concat())
    }

    /// The stable code of a refusal.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["trust"], arguments].concat());
        let told = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{arguments:?}: {told}");
        told.rsplit_once('(').map_or(told.as_str(), |(_, code)| code.trim_end_matches(')')).to_owned()
    }

    #[track_caller]
    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").current_dir(self.folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A key of that curve in `NAME.key`, its public half in `NAME.pem`.
    fn key(&self, name: &str, curve: &str) {
        let (key, public, curve) = (format!("{name}.key"), format!("{name}.pem"), format!("ec_paramgen_curve:{curve}"));
        self.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", &curve, "-out", &key]);
        self.openssl(&["pkey", "-in", &key, "-pubout", "-out", &public]);
    }

    /// A list for the demonstration's root, with what the draft says of it.
    fn list(&self, number: u32, uses: &str, more: &str) -> String {
        let draft = format!(
            "name = 'demo'\nnumber = {number}\noperator = '示例'\nissued = '2025-01-01T00:00:00Z'\ndays = 30000\nthreshold = 1\n\
             [[signer]]\nname = '甲'\nfile = 'signer.pem'\n\
             [[anchor]]\nname = '根'\nfile = 'demo/pki/root.pem'\nuses = [{uses}]\n{more}\n"
        );
        let (made, signed) = (format!("made-{number}.json"), format!("list-{number}.json"));
        fs::write(self.path("draft.toml"), draft).unwrap();
        self.trust(&["make", "draft.toml", "--out", &made]);
        self.trust(&["sign", &made, "--key", "signer.key", "--out", &signed]);
        signed
    }

    /// Indication and deciding code of the first signature.
    fn verdict(&self, list: &str) -> (String, String, Value) {
        let sealed = "demo/2-sealed.ofd";
        let verify = ["verify", "--json", "--trust", list, "--evidence", "demo/pki/authority.pem", sealed];
        let output = self.run(&verify);
        let told = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
        let first = &report["signatures"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&report["indication"]), text(&first["trusted"]["detail"]), report["trust"].clone())
    }
}

#[test]
fn lists_are_made_signed_and_judged_by() {
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::skip("trust lists by OpenSSL", "openssl");
    }
    let place = Place { folder: Folder::new("cli-trust") };
    place.done(&["demo", "--keep", "demo"]);
    place.key("signer", "P-256");
    place.key("other", "SM2");

    // The draft that is shipped.
    fs::copy("certs/development-trust-list.toml", place.path("demo/pki/development.toml")).unwrap();
    fs::copy(place.path("signer.pem"), place.path("demo/pki/signer.pem")).unwrap();
    place.trust(&["make", "demo/pki/development.toml", "--out", "made.json"]);
    assert_eq!(place.refused(&["check", "made.json"]), "trust-list-too-few-signatures");
    // Signed elsewhere, by OpenSSL over the octets that are written.
    place.trust(&["sign", "made.json", "--signer", "signer.pem", "--to-sign", "input"]);
    place.openssl(&["dgst", "-sha256", "-sign", "signer.key", "-out", "input.sig", "input"]);
    let attach = ["sign", "made.json", "--signer", "signer.pem", "--signature", "input.sig", "--out", "all.json"];
    place.trust(&attach);
    fs::write(place.path("bad.sig"), [1; 64]).unwrap();
    let bad = ["sign", "made.json", "--signer", "signer.pem", "--signature", "bad.sig", "--out", "bad.json"];
    assert_eq!(place.refused(&bad), "trust-list-member");
    let printed = place.trust(&["fingerprint", "all.json"]);
    let paper = printed.lines().nth(1).unwrap();
    let told = place.trust(&["check", "all.json", "--fingerprint", paper]);
    assert!(told.ends_with("introduced by  the fingerprint from paper"), "{told}");
    let wrong = paper.replacen(&paper[..4], "0000", 1);
    assert_eq!(place.refused(&["check", "all.json", "--fingerprint", &wrong]), "fingerprint-differs");
    assert_eq!(place.refused(&["check", "all.json", "--at", "2099-01-01T00:00:00Z"]), "trust-list-expired");
    let shown = place.trust(&["show", "all.json"]);
    assert!(shown.contains("development number 1") && shown.contains("signature is there"), "{shown}");
    assert!(place.refused(&["show", "demo/pki/root.pem"]).starts_with("trust-list-malformed"));

    let (indication, _, trust) = place.verdict("all.json");
    assert_eq!((indication.as_str(), trust["notice"].as_str()), ("TOTAL_PASSED", Some("DEVELOPMENT TRUST")));
    assert_eq!(
        (trust["lists"][0]["name"].as_str(), trust["lists"][0]["number"].as_u64()),
        (Some("development"), Some(1))
    );
    assert_eq!(trust["lists"][0]["sm3"].as_str().unwrap(), paper.replace(' ', ""));

    // A maker's anchor does not carry a signer; nor does one for elsewhere, or for another time.
    let making = place.list(1, "'seal-making'", "");
    let (indication, detail, _) = place.verdict(&making);
    assert_eq!(indication, "INDETERMINATE");
    assert!(detail.contains("does not trust it for seal-signing") && !detail.contains("maker:"), "{detail}");
    let both = "'seal-making', 'seal-signing'";
    let elsewhere = place.list(2, both, "regions = [{ code = '330000', names = ['浙江省'] }]");
    let (indication, detail, _) = place.verdict(&elsewhere);
    assert!(indication == "INDETERMINATE" && detail.contains("trusts it for 330000 alone"), "{detail}");
    let ended = place.list(3, both, "until = '2020-01-01T00:00:00Z'");
    let (indication, detail, _) = place.verdict(&ended);
    assert!(indication == "INDETERMINATE" && detail.contains("trusts it until 2020-01-01T00:00:00Z"), "{detail}");
    let good = place.list(4, both, "");
    assert_eq!(place.verdict(&good).0, "TOTAL_PASSED");
    assert_eq!(place.verdict("demo/pki/root.pem").0, "TOTAL_PASSED");

    // A changed list is refused before anything is judged.
    let mut file: Value = serde_json::from_slice(&fs::read(place.path(&good)).unwrap()).unwrap();
    let other: Value = serde_json::from_slice(&fs::read(place.path(&making)).unwrap()).unwrap();
    file["payload"] = other["payload"].clone();
    fs::write(place.path("moved.json"), file.to_string()).unwrap();
    assert_eq!(place.refused(&["check", "moved.json"]), "trust-list-signature-wrong");
    let output = place.run(&["verify", "--trust", "moved.json", "demo/2-sealed.ofd"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(64) && told.contains("(trust-list-signature-wrong)"), "{told}");

    assert_eq!(place.trust(&["diff", &ended, &good, "--json"]).lines().count(), 2);
    assert!(place.trust(&["check", &good, "--previous", &ended]).ends_with("introduced by  the version before"));
    assert_eq!(place.refused(&["check", &ended, "--previous", &good]), "trust-list-rollback");
    place.trust(&["bundle", &good, "--certificates", "demo/pki/authority.pem", "--out", "bundle.json"]);
    let alone = place.run(&["verify", "--trust", "bundle.json", "demo/2-sealed.ofd"]);
    assert_eq!(alone.status.code(), Some(0), "{}", String::from_utf8_lossy(&alone.stdout));

    // What was judged by a list can be judged again.
    let saved = ["verify", "--trust", "bundle.json", "--save-evidence", "kept", "demo/2-sealed.ofd"];
    assert_eq!(place.run(&saved).status.code(), Some(0));
    let index: Value = serde_json::from_slice(&fs::read(place.path("kept/evidence.json")).unwrap()).unwrap();
    assert_eq!(index["trust_lists"], "trust-lists.json");
    assert!(index["replay"].as_str().unwrap().contains("--trust kept/trust-lists.json"), "{index}");
}

#[test]
fn two_officers_bring_a_bundle_into_force_and_it_is_published() {
    if Command::new("openssl").arg("version").output().is_err() || !has_curl() {
        return crate::skip("trust lists over HTTPS", "openssl or curl");
    }
    let place = Place { folder: Folder::new("cli-trust-force") };
    place.done(&["demo", "--keep", "demo"]);
    place.key("signer", "SM2");
    let list = place.list(1, "'seal-making', 'seal-signing'", "");
    place.trust(&["bundle", &list, "--certificates", "demo/pki/authority.pem", "--out", "bundle.json"]);
    let service = Running::serve(&place.path("installation"), &[]);
    let url = format!("https://localhost:{}/.well-known/yinxin-trust-list", service.v4);
    let server = place.path("installation/tls/server.pem");
    let nothing = try_curl(&server, &[&url]).unwrap();
    assert_eq!(nothing.status, 404, "{}", nothing.text());

    let hired = |name: &str, role: &str| {
        place.key(name, "P-256");
        let public = format!("{name}.pem");
        place.done(&["ca", "officer", "appoint", "--role", role, "--holder", &public, "--name", name])
    };
    let (wang, li) = (hired("wang", "approver"), hired("li", "approver"));
    let told = place.trust(&["import", "bundle.json"]);
    assert!(told.contains("compare the fingerprint with paper") && told.contains("added    anchor"), "{told}");
    let id = told.split_whitespace().next().unwrap().to_owned();
    let paper = place.trust(&["fingerprint", &list]).lines().nth(1).unwrap().to_owned();
    let approve = |officer: &str, key: &str| {
        ["approve", &id, "--officer", officer, "--key", key, "--fingerprint", &paper].map(str::to_owned)
    };
    let without = ["approve", &id, "--officer", &wang, "--key", "wang.key"];
    assert_eq!(place.refused(&without), "fingerprint-not-compared");
    assert_eq!(place.refused(&approve(&wang, "li.key").each_ref().map(String::as_str)), "approval-signature");
    place.trust(&approve(&wang, "wang.key").each_ref().map(String::as_str));
    assert_eq!(place.refused(&["activate", &id]), "trust-list-approvals");
    // The other officer signs elsewhere.
    let with = ["approve", &id, "--officer", &li, "--fingerprint", &paper];
    place.trust(&[&with[..], &["--to-sign", "approval.der"]].concat());
    place.openssl(&["dgst", "-sha256", "-sign", "li.key", "-out", "approval.sig", "approval.der"]);
    place.trust(&[&with[..], &["--signature", "approval.sig"]].concat());
    assert!(place.trust(&["activate", &id]).contains("  active  demo number 1  2 approvals  "));

    let published = try_curl(&server, &[&url]).unwrap();
    assert_eq!((published.status, published.kind.as_str()), (200, "application/json"));
    fs::write(place.path("published.json"), &published.body).unwrap();
    assert!(place.trust(&["check", "published.json"]).starts_with("demo number 1"));
    place.trust(&["export", &id, "--out", "exported.json"]);
    assert_eq!(fs::read(place.path("exported.json")).unwrap(), fs::read(place.path(&list)).unwrap());

    // The service at work judges by it soon.
    let verify = format!("https://localhost:{}/api/v1/verifications", service.v4);
    let started = Instant::now();
    let report = loop {
        let sealed = format!("file=@{}", place.path("demo/2-sealed.ofd").display());
        let report = try_curl(&server, &["-F", &sealed, &verify]).unwrap().json();
        if report["indication"] == "TOTAL_PASSED" || started.elapsed() > Duration::from_secs(40) {
            break report;
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    assert_eq!((&report["indication"], &report["trust"]["lists"][0]["name"]), (&"TOTAL_PASSED".into(), &"demo".into()));
    assert_eq!(service.terminate().0, Some(0));
}
