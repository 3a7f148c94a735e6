//! `yinxin ca` from outside, beside a service at work: an authority is made, issues, and its certificates are changed.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::base::random::SystemRandom;
use yinxin::crypto::algorithm::SignatureAlgorithm;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::crypto::{Signer, sm2};
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::format::keys::{read_pem, write_pem};
use yinxin::format::x509::extension::IdentityCode;
use yinxin::format::x509::{Certificate, CertificateList};
use yinxin::service::keys::enveloping::open_sm2;

use crate::process::{Running, program};
use crate::service::authority::request;
use crate::service::escrow::{request as person, sm2_key};
use crate::store::Folder;

pub(crate) struct Place {
    pub(crate) folder: Folder,
}

impl Place {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ca(&self, arguments: &[&str]) -> Output {
        self.program("ca", arguments)
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = program();
        command.current_dir(self.folder.path()).env("YINXIN_DATA_DIR", self.path("installation"));
        command.env("YINXIN_LOG__LEVEL", "error").arg(name).args(arguments).output().unwrap()
    }

    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.ca(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The stable code of a refusal.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.ca(arguments);
        let told = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{arguments:?}: {told}");
        told.rsplit_once('(').map_or(told.as_str(), |(_, code)| code.trim_end_matches(')')).to_owned()
    }

    pub(crate) fn objects(&self, arguments: &[&str]) -> Vec<Value> {
        self.done(arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn an_authority_is_made_and_issues_beside_a_service_at_work() {
    let place = Place { folder: Folder::new("cli-ca") };
    let service = Running::serve(&place.path("installation"), &[]);
    let root = ["create", "示例根", "--id", "root", "--profile", "root", "--subject", "O=示例局,CN=示例根"];
    let at = ["--base-url", "http://ca.example", "--crl-shards", "4"];
    let told = place.done(&[&root[..], &at].concat());
    let (id, pem) = told.split_once('\n').unwrap();
    assert_eq!((id, read_pem(pem, "CERTIFICATE").unwrap().len()), ("root", 1));
    assert_eq!(place.refused(&[&root[..], &at].concat()), "authority-exists");
    let below = ["create", "示例机构", "--id", "below", "--profile", "intermediate", "--parent", "root"];
    let subject = ["--subject", "O=示例\\, 局,CN=示例机构"];
    place.done(&[&below[..], &subject, &at].concat());
    // Beside the one that the development PKI brought along.
    let mut listed = place.objects(&["list", "--json"]);
    listed.retain(|one| one["id"] != "development-authority");
    assert_eq!(listed.iter().map(|one| one["state"].as_str().unwrap()).collect::<Vec<_>>(), ["active", "active"]);
    assert_eq!(listed.iter().filter(|one| one["parent"] == "root").count(), 1);

    fs::write(place.path("one.csr"), request(1)).unwrap();
    fs::write(place.path("two.csr"), write_pem(&request(2), "CERTIFICATE REQUEST")).unwrap();
    let issue = ["issue", "--authority", "below", "--profile", "officer", "--csr"];
    let one = read_pem(&place.done(&[&issue[..], &["one.csr"]].concat()), "CERTIFICATE").unwrap().remove(0);
    let to_file = [&issue[..], &["two.csr", "--out", "two.pem"]].concat();
    let two = place.done(&to_file);
    let two = two.trim_end();
    let written = read_pem(&fs::read_to_string(place.path("two.pem")).unwrap(), "CERTIFICATE").unwrap().remove(0);
    assert_eq!(two, hex(&sm3(&written)));
    assert_eq!(place.refused(&to_file), "file-exists");
    fs::write(place.path("none.csr"), "no request").unwrap();
    assert_eq!(place.refused(&[&issue[..], &["none.csr"]].concat()), "csr-malformed");
    let unheard_of = ["issue", "--authority", "below", "--profile", "unheard-of", "--csr", "one.csr"];
    assert_eq!(place.refused(&unheard_of), "profile-unknown");

    let name = hex(&sm3(&one));
    let shown = &place.objects(&["show", &name, "--json"])[0];
    assert_eq!((shown["profile"].as_str(), shown["status"].as_str()), (Some("officer"), Some("active")));
    let by_serial = ["show", shown["serial"].as_str().unwrap(), "--authority", "below", "--json"];
    assert_eq!(&place.objects(&by_serial)[0], shown);
    assert!(place.done(&["show", &name]).contains("-----BEGIN CERTIFICATE-----"));
    assert_eq!(place.refused(&["show", &"0".repeat(64)]), "unknown-certificate");
    let found = place.objects(&["search", "--profile", "officer", "--subject", "经办人1", "--json"]);
    assert_eq!(found.iter().map(|one| one["sm3"].as_str().unwrap()).collect::<Vec<_>>(), [name.as_str()]);
    let page = place.done(&["search", "--profile", "officer", "--limit", "1"]);
    let after = page.lines().last().unwrap().strip_prefix("more: --after ").unwrap();
    let next = place.done(&["search", "--profile", "officer", "--after", after]);
    assert!(next.starts_with(two) && next.lines().count() == 1, "{next}");
    assert_eq!(place.objects(&["expiring", "--days", "1", "--json"]).len(), 0);
    let mut ending = place.objects(&["expiring", "--days", "36500", "--json"]);
    ending.retain(|one| one["profile"] != "tsa" && one["profile"] != "ocsp-responder");
    assert_eq!(ending.len(), 4);

    place.done(&["suspend", &name]);
    assert_eq!(place.refused(&["suspend", &name]), "certificate-state");
    place.done(&["resume", &name]);
    let told = place.done(&["revoke", &name, "--reason", "superseded"]);
    assert!(told.contains("  revoked  "), "{told}");
    assert_eq!(place.refused(&["revoke", &name, "--reason", "superseded"]), "certificate-state");
    let late = ["revoke", two, "--reason", "key-compromise", "--invalid-since", "2999-01-01T00:00:00Z"];
    assert_eq!(place.refused(&late), "invalidity-date-in-future");
    assert_eq!(place.ca(&["revoke", two, "--reason", "whim"]).status.code(), Some(64));
    numbers_of_identity(&place);
    lists_on_demand(&place);
    units_of_time_stamps(&place);
    let counts = place.done(&["statistics"]);
    assert!(
        counts.contains("below  officer  active  1\n") && counts.contains("below  officer  revoked  1\n"),
        "{counts}"
    );
    place.done(&["export", "--profile", "officer", "--status", "revoked", "--out", "revoked.pem"]);
    let revoked = read_pem(&fs::read_to_string(place.path("revoked.pem")).unwrap(), "CERTIFICATE").unwrap();
    assert_eq!(revoked, [one]);
    assert_eq!(place.refused(&["export", "--out", "revoked.pem"]), "file-exists");
    assert_eq!(place.refused(&["forget", "--years", "4"]), "retention");
    assert_eq!(place.done(&["forget", "--years", "5"]), "0 certificates forgotten\n");
    assert_eq!(place.refused(&["retire", "below", "--confirm", "root"]), "not-confirmed");
    place.done(&["retire", "below", "--confirm", "below"]);
    assert_eq!(place.refused(&[&issue[..], &["one.csr"]].concat()), "authority-retired");
    assert_eq!(service.terminate().0, Some(0));
}

/// In the certificate, and nowhere else that anybody looks.
fn numbers_of_identity(place: &Place) {
    const NUMBER: &str = "11010519491231002X";
    let issue = ["issue", "--authority", "below", "--profile", "person-signing", "--csr", "one.csr"];
    let issue = [&issue[..], &["--subject", "CN=示例人", "--identity-file", "numbers"]].concat();
    fs::write(place.path("numbers"), format!("resident-identity-number={NUMBER}\n\n")).unwrap();
    let more = ["--identity", "social-insurance-number=SI00000001"];
    let der = read_pem(&place.done(&[&issue[..], &more].concat()), "CERTIFICATE").unwrap().remove(0);
    let certificate = Certificate::parse(&der).unwrap();
    let code = certificate.extension_of::<IdentityCode<'_>>().unwrap();
    assert_eq!(code, Some(IdentityCode::ResidentCard(NUMBER)));
    let shown = place.done(&["show", &hex(&sm3(&der)), "--json"]);
    assert!(!shown.contains(NUMBER), "{shown}");
    for (told, code) in [
        ("resident-identity-number=110105194912310021", "identity-form"),
        ("taxation-number=91350100M000100Y43", "identity-forbidden"),
        ("passport-number=E12345678", "identity-repeated"),
        ("shoe-size=44444", "identity-unknown"),
    ] {
        let output = place.ca(&[&issue[..], &["--identity", told]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&format!("({code})")), "{told}: {said}");
        assert!(!said.contains(told.split_once('=').unwrap().1), "{said}");
        assert_eq!(output.status.code(), Some(4));
    }
}

/// The service publishes what is due by itself; numbers go on from there.
fn lists_on_demand(place: &Place) {
    let told = place.objects(&["publish", "below", "--json"]);
    let shards = told.iter().map(|one| (one["shard"].as_u64().unwrap(), one["base"].is_null())).collect::<Vec<_>>();
    assert_eq!(shards, (0..4).flat_map(|shard| [(shard, true), (shard, false)]).collect::<Vec<_>>());
    let entries = told.iter().filter(|one| one["base"].is_null()).map(|one| one["entries"].as_u64().unwrap());
    assert_eq!(entries.sum::<u64>(), 1);
    let pem = place.done(&["crl", "below", "--shard", "3"]);
    let der = read_pem(&pem, "X509 CRL").unwrap().remove(0);
    let read = CertificateList::parse(&der).unwrap();
    let written = place.objects(&["crl", "below", "--shard", "3", "--delta", "--out", "delta.crl", "--json"]).remove(0);
    let delta = fs::read(place.path("delta.crl")).unwrap();
    assert_eq!(written["sm3"].as_str(), Some(hex(&sm3(&delta)).as_str()));
    assert_eq!(CertificateList::parse(&delta).unwrap().delta_base, read.number);
    let again = place.done(&["crl", "below", "--out", "delta.crl"]);
    assert!(again.contains("  full  "), "{again}");
    assert_eq!(place.refused(&["crl", "below", "--shard", "4"]), "unknown-shard");
    assert_eq!(place.refused(&["crl", "nobody"]), "unknown-authority");
    assert_eq!(place.refused(&["publish", "nobody"]), "unknown-authority");
}

fn units_of_time_stamps(place: &Place) {
    for algorithm in ["sm2", "ecdsa-p256", "rsa"] {
        let subject = format!("O=示例局,CN=时间戳 {algorithm}");
        let told = place.done(&["tsa", "create", "below", "--subject", &subject, "--algorithm", algorithm]);
        let (name, pem) = told.split_once('\n').unwrap();
        assert_eq!(name, hex(&sm3(&read_pem(pem, "CERTIFICATE").unwrap()[0])));
        let newest = place.objects(&["tsa", "list", "--json"]).remove(0);
        let facts = ["sm3", "algorithm", "status", "authority"].map(|fact| newest[fact].as_str().unwrap().to_owned());
        assert_eq!(facts, [name, algorithm, "active", "below"]);
        assert_eq!(place.refused(&["tsa", "retire", name, "--confirm", &"0".repeat(64)]), "not-confirmed");
        let told = place.done(&["tsa", "retire", name, "--confirm", name]);
        assert!(told.contains("  revoked  "), "{told}");
        assert_eq!(place.refused(&["tsa", "retire", name, "--confirm", name]), "certificate-state");
    }
    let other = ["tsa", "create", "below", "--subject", "O=示例局,CN=甲"];
    assert_eq!(place.refused(&[&other[..], &["--profile", "unheard-of"]].concat()), "profile-unknown");
    assert_eq!(place.refused(&["tsa", "create", "nobody", "--subject", "O=甲,CN=甲"]), "unknown-authority");
    assert_eq!(place.ca(&[&other[..], &["--algorithm", "ed25519"]].concat()).status.code(), Some(64));
    assert_eq!(place.refused(&[&other[..], &["--in", "sdf"]].concat()), "key-store-unavailable");
}

#[test]
fn pairs_are_issued_recovered_and_certificates_renewed() {
    let place = Place { folder: Folder::new("cli-ca-escrow") };
    let at = ["--base-url", "http://ca.example"];
    let root = ["create", "示例根", "--id", "root", "--profile", "root", "--subject", "O=示例局,CN=示例根"];
    place.done(&[&root[..], &at].concat());
    let below = ["create", "示例机构", "--id", "below", "--profile", "intermediate", "--parent", "root"];
    place.done(&[&below[..], &["--subject", "O=示例局,CN=示例机构"], &at].concat());
    let sign = |key: &sm2::PrivateKey, octets: &str, to: &str| {
        let octets = fs::read(place.path(octets)).unwrap();
        let value = Signer::sign(key, &octets, &SystemRandom).unwrap();
        fs::write(place.path(to), encode_value(SignatureAlgorithm::Sm2Sm3, &value)).unwrap();
    };

    // A pair, to a file and once more.
    let owner = sm2_key();
    fs::write(place.path("owner.csr"), person(&owner, "某人", None)).unwrap();
    let pair = ["issue-pair", "--authority", "below", "--csr", "owner.csr"];
    let told = place.done(&[&pair[..], &["--out", "pair.pem"]].concat());
    let [signing, encryption] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    let written = fs::read_to_string(place.path("pair.pem")).unwrap();
    assert_eq!(read_pem(&written, "CERTIFICATE").unwrap().len(), 2);
    let envelope = read_pem(&written, "SM2 ENVELOPED KEY").unwrap().remove(0);
    let opened = open_sm2(&envelope, &owner).unwrap().to_bytes();
    assert_eq!(place.done(&["show-pair", encryption]), written);
    let facts = &place.objects(&["show-pair", signing, "--json"])[0];
    assert_eq!(
        (facts["encryption"]["sm3"].as_str(), facts["envelope"]["form"].as_str()),
        (Some(encryption), Some("sm2-enveloped-key"))
    );
    assert_eq!(place.refused(&[&pair[..], &["--out", "pair.pem"]].concat()), "file-exists");
    assert_eq!(place.refused(&["show-pair", &"0".repeat(64)]), "unknown-escrow");

    // Two officers, registered by their certificates.
    let officers = [sm2_key(), sm2_key()];
    let mut ids = Vec::new();
    for (number, key) in officers.iter().enumerate() {
        let (csr, pem) = (format!("{number}.csr"), format!("{number}.pem"));
        fs::write(place.path(&csr), person(key, "某员", None)).unwrap();
        let issue = ["issue", "--authority", "below", "--profile", "person-signing", "--csr", &csr, "--out", &pem];
        place.done(&issue);
        let register = ["register-caller", &pem, "--name", "an officer", "--role", "certificate-officer"];
        let output = place.program("seal-admin", &register);
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        let id = told.split_whitespace().next().unwrap().to_owned();
        place.done(&["officer", "appoint", "--caller", &id, "--role", "approver"]);
        ids.push(id);
    }
    let recipient = sm2_key();
    fs::write(place.path("to.csr"), person(&recipient, "某人", None)).unwrap();
    let issue = ["issue", "--authority", "below", "--profile", "person-signing", "--csr", "to.csr", "--out", "to.pem"];
    place.done(&issue);
    fs::write(place.path("evidence"), "what was shown").unwrap();
    let order =
        ["recovery", "order", encryption, "--recipient", "to.pem", "--reason", "key-lost", "--evidence", "evidence"];
    let order = place.done(&order);
    let order = order.trim_end();
    place.done(&["recovery", "to-approve", order, "--out", "octets"]);
    for (number, key) in officers.iter().enumerate() {
        let state = if number == 0 { "ordered" } else { "approved-by-one" };
        assert_eq!(place.objects(&["recovery", "list", "--json"])[0]["state"], state);
        assert_eq!(place.refused(&["recovery", "recover", order]), "recovery-state");
        sign(key, "octets", "signature");
        place.done(&["recovery", "approve", order, "--officer", &ids[number], "--signature", "signature"]);
    }
    let again = ["recovery", "approve", order, "--officer", &ids[0], "--signature", "signature"];
    assert_eq!(place.refused(&again), "approver-repeated");
    assert_eq!(place.done(&["recovery", "recover", order, "--out", "key.pem"]), "sm2-enveloped-key\n");
    let recovered = read_pem(&fs::read_to_string(place.path("key.pem")).unwrap(), "SM2 ENVELOPED KEY").unwrap();
    assert_eq!(open_sm2(&recovered[0], &recipient).unwrap().to_bytes().expose(), opened.expose());
    assert_eq!(place.done(&["recovery", "list"]), "");
    assert!(place.done(&["recovery", "list", "--all"]).contains("  recovered  key-lost  "));
    let shown = &place.objects(&["recovery", "show", order, "--json"])[0];
    assert_eq!(shown["evidence_sm3"].as_str(), Some(hex(&sm3(b"what was shown")).as_str()));
    assert_eq!(shown["approvals"].as_array().unwrap().len(), 2);
    assert!(place.done(&["recovery", "show", order]).contains("key-lost"));

    // One that is refused.
    let zeros = "0".repeat(64);
    let other =
        ["recovery", "order", signing, "--recipient", "to.pem", "--reason", "owner-absent", "--evidence-sm3", &zeros];
    let other = place.done(&other);
    let other = other.trim_end();
    place.done(&["recovery", "to-approve", other, "--refuse", "not-entitled", "--out", "no"]);
    sign(&officers[1], "no", "no.signature");
    let refuse = ["recovery", "refuse", other, "--officer", &ids[1], "--signature", "no.signature", "--reason"];
    assert_eq!(place.refused(&[&refuse[..], &["mistaken"]].concat()), "approval-signature");
    assert!(place.done(&[&refuse[..], &["not-entitled"]].concat()).contains("  refused  owner-absent  "));
    assert_eq!(place.done(&["recovery", "lapse"]), "0 orders lapsed\n");
    assert_eq!(place.refused(&["recovery", "destroy", "--years", "4"]), "retention");
    assert_eq!(place.done(&["recovery", "destroy", "--years", "5"]), "0 keys destroyed\n");

    // Renewal: the pair's certificate is years from its end; one of a month is near it.
    assert_eq!(place.ca(&["renew", signing]).status.code(), Some(64));
    assert_eq!(place.refused(&["renew", signing, "--csr", "owner.csr"]), "renewal-too-early");
    assert_eq!(place.refused(&["renew", encryption, "--csr", "owner.csr"]), "renewal-signature");
    let month = SystemClock.now().plus_days(30).to_string();
    let short = ["issue", "--authority", "below", "--profile", "person-signing", "--csr", "owner.csr"];
    let short = place.done(&[&short[..], &["--not-after", &month, "--out", "short.pem"]].concat());
    let short = short.trim_end();
    let fresh = sm2_key();
    fs::write(place.path("fresh.csr"), person(&fresh, "某人", None)).unwrap();
    place.done(&["to-renew", short, "--csr", "fresh.csr", "--out", "renewal"]);
    sign(&owner, "renewal", "renewal.signature");
    let renew = ["renew", short, "--csr", "fresh.csr", "--signature", "renewal.signature", "--supersede-after", "0"];
    let next = read_pem(&place.done(&renew), "CERTIFICATE").unwrap().remove(0);
    let read = Certificate::parse(&next).unwrap();
    assert_eq!(read.public_key.raw, subject_public_key_info(&Signer::public_key(&fresh)));
    assert_eq!(place.objects(&["show", short, "--json"])[0]["reason"], "superseded");
    assert_eq!(place.refused(&renew), "renewal-not-active");
}

#[test]
fn authorities_are_crossed_and_pass_to_new_keys_by_commands() {
    let place = Place { folder: Folder::new("cli-cross") };
    let at = ["--base-url", "http://ca.example", "--algorithm", "ecdsa-p256"];
    let create = |name: &'static str, more: [&'static str; 4]| {
        let subject = format!("O=示例局,CN=示例 {name}");
        let new = ["create", name, "--id", name, "--subject", &subject];
        place.done(&[&new[..], &more, &at].concat())
    };
    let root = create("root", ["--profile", "root", "--crl-shards", "1"]);
    let other = create("other", ["--profile", "root", "--crl-shards", "1"]);
    create("below", ["--profile", "intermediate", "--parent", "other"]);
    fs::write(place.path("root.pem"), root.split_once('\n').unwrap().1).unwrap();
    fs::write(place.path("other.pem"), other.split_once('\n').unwrap().1).unwrap();
    fs::write(place.path("one.csr"), request(1)).unwrap();
    place.done(&["issue", "--authority", "below", "--profile", "officer", "--csr", "one.csr", "--out", "one.pem"]);
    let below = place.done(&["list"]).lines().find(|line| line.starts_with("below")).map(str::to_owned).unwrap();
    assert!(below.starts_with("below  active  other  "), "{below}");

    // Of this installation, and by its certificate; whom it is, is told once.
    let whom = ["cross", "--issuer", "root", "--subject-authority", "other"];
    let bound = ["--permitted-directory", "C=CN,O=示例局", "--out", "cross.pem"];
    let digest = place.done(&[&whom[..], &bound].concat());
    let crossed = fs::read_to_string(place.path("cross.pem")).unwrap();
    let crossed = read_pem(&crossed, "CERTIFICATE").unwrap().remove(0);
    assert_eq!(digest.trim_end(), hex(&sm3(&crossed)));
    assert_eq!(place.refused(&[&whom[..], &bound].concat()), "file-exists");
    let by_file = place.done(&["cross", "--issuer", "root", "--subject", "other.pem"]);
    let by_file = read_pem(&by_file, "CERTIFICATE").unwrap().remove(0);
    let (one, two) = (Certificate::parse(&crossed).unwrap(), Certificate::parse(&by_file).unwrap());
    assert_eq!((one.subject, one.public_key), (two.subject, two.public_key));
    assert_eq!(place.refused(&["cross", "--issuer", "root", "--subject", "one.pem"]), "possession-missing");
    assert_eq!(place.refused(&["cross", "--issuer", "root", "--subject-authority", "root"]), "root-position");
    assert_eq!(place.ca(&[&whom[..], &["--subject", "other.pem"]].concat()).status.code(), Some(64));
    let shown = &place.objects(&["show", digest.trim_end(), "--json"])[0];
    assert_eq!((shown["authority"].as_str(), shown["profile"].as_str()), (Some("root"), Some("intermediate")));

    // A root: three certificates. One below it: its own.
    let told = place.done(&["rollover", "root", "--new-id", "root-2", "--algorithm", "ecdsa-p256"]);
    assert!(told.starts_with("root-2\n") && told.contains("\nold key by the new one, "), "{told}");
    let all = read_pem(&told, "CERTIFICATE").unwrap();
    let [new, old_by_new, new_by_old] = &all[..] else { panic!("{told}") };
    for der in [old_by_new, new_by_old] {
        let digest = hex(&sm3(der));
        assert!(told.contains(&digest), "{digest}");
        assert_eq!(place.objects(&["show", &digest, "--json"])[0]["status"], "active");
    }
    let told = place.done(&["rollover", "below", "--new-id", "below-2", "--name", "后继", "--algorithm", "ecdsa-p256"]);
    assert_eq!(read_pem(&told, "CERTIFICATE").unwrap().len(), 1, "{told}");
    assert!(
        place
            .done(&["list"])
            .lines()
            .any(|line| line.starts_with("below-2  active  other  ") && line.ends_with("  后继"))
    );
    assert_eq!(place.refused(&["rollover", "root", "--new-id", "root-2"]), "authority-exists");
    assert_eq!(place.refused(&["rollover", "nobody", "--new-id", "x"]), "unknown-authority");
    place.done(&["retire", "root", "--confirm", "root"]);
    assert_eq!(place.refused(&["rollover", "root", "--new-id", "root-3"]), "authority-retired");
    assert_eq!(place.refused(&["cross", "--issuer", "root", "--subject", "other.pem"]), "authority-retired");

    // Whoever trusts the new root alone accepts what stands below the other one, by way of both.
    let openssl = |untrusted: &str| {
        let arguments = ["verify", "-CAfile", "new.pem", "-untrusted", untrusted, "one.pem"];
        std::process::Command::new("openssl").args(arguments).current_dir(place.folder.path()).output()
    };
    let below = place.objects(&["search", "--profile", "intermediate", "--json"]);
    let below = below.iter().find(|one| one["authority"] == "other").and_then(|one| one["sm3"].as_str()).unwrap();
    let below = read_pem(&place.done(&["show", below]), "CERTIFICATE").unwrap().remove(0);
    fs::write(place.path("new.pem"), write_pem(new, "CERTIFICATE")).unwrap();
    let between = [&below, &by_file, old_by_new].map(|der| write_pem(der, "CERTIFICATE"));
    fs::write(place.path("all.pem"), between.concat()).unwrap();
    fs::write(place.path("few.pem"), between[..2].concat()).unwrap();
    let Ok(found) = openssl("all.pem") else {
        return crate::skip("authorities_are_crossed_and_pass_to_new_keys_by_commands", "openssl");
    };
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    assert!(!openssl("few.pem").unwrap().status.success(), "no way from the old key to the new one");
}
