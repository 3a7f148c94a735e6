//! `yinxin ca ceremony` from outside: rehearsed, held, broken off, judged; and the installation that it makes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use yinxin::crypto::PublicKey;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::ca::ceremony::{TranscriptError, verify};
use yinxin::domain::trust::key::public_key;
use yinxin::format::keys::read_pem;
use yinxin::format::x509::Certificate;

use crate::built::built;
use crate::ca::Place;
use crate::process::program;
use crate::service::authority::request;
use crate::store::Folder;

const SAMPLE: &str = include_str!("../../docs/ceremony-plan.toml");
const MEDIA: [&str; 3] = ["qian", "sun", "li"];

struct Room {
    folder: Folder,
    plan: String,
}

impl Room {
    /// The plan of the manual, with its paths in a folder of this test's.
    fn new(name: &str, change: impl Fn(String) -> String) -> Self {
        let folder = Folder::new(name);
        let path = folder.path().display().to_string();
        let mut plan = SAMPLE.replace("/srv/yinxin-ca", &format!("{path}/installation"));
        for medium in MEDIA {
            plan = plan.replace(&format!("/media/{medium}/share"), &format!("{path}/{medium}"));
        }
        let room = Self { folder, plan: change(plan) };
        fs::write(room.path("plan.toml"), &room.plan).unwrap();
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn digest(&self) -> String {
        hex(&sm3(self.plan.as_bytes()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(self.folder.path()).env("YINXIN_LOG__LEVEL", "error");
        command.args(["ca", "ceremony"]).args(arguments);
        command
    }

    /// Starts the ceremony.
    fn begin(&self, more: &[&str]) -> Child {
        let mut command = self.command(&["plan.toml", "--plan-sm3", &self.digest()]);
        command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Waits until every share is written; gives their texts.
    fn shares(&self, child: &mut Child) -> Vec<String> {
        let started = Instant::now();
        MEDIA
            .iter()
            .map(|medium| {
                loop {
                    match fs::read_to_string(self.path(medium)) {
                        Ok(text) if text.ends_with('\n') => break text,
                        _ => {
                            let over = child.try_wait().unwrap().is_some();
                            assert!(!over && started.elapsed() < Duration::from_secs(120), "no share for {medium}");
                        }
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
            .collect()
    }

    /// Holds the ceremony to its end: every custodian gives the share back.
    #[track_caller]
    fn hold(&self, more: &[&str]) -> String {
        let mut child = self.begin(more);
        let shares = self.shares(&mut child);
        child.stdin.take().unwrap().write_all(shares.concat().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn names(&self) -> BTreeSet<String> {
        fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn record(&self, name: &str) -> Vec<u8> {
        fs::read(self.path("installation/ceremony").join(name)).unwrap()
    }

    /// A command on the installation that was made.
    fn installation(&self, arguments: &[&str]) -> Output {
        let mut command = program();
        command.current_dir(self.folder.path()).env("YINXIN_LOG__LEVEL", "error");
        command.arg("ca").args(arguments).args(["--config", "installation/yinxin.toml"]).output().unwrap()
    }
}

/// The stable code of a refusal.
#[track_caller]
fn code(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{told}");
    told.rsplit_once('(').map_or(told.as_str(), |(_, code)| code.trim_end_matches(')')).to_owned()
}

#[test]
fn a_rehearsal_tells_everything_and_makes_nothing() {
    let room = Room::new("rehearsal", |plan| plan);
    let before = room.names();
    let output = room.command(&["plan.toml", "--dry-run"]).output().unwrap();
    let (told, wrong) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{wrong}");
    assert_eq!(room.names(), before);
    let digest = room.digest();
    for expected in [
        "REHEARSAL: nothing was made, and every key of it is gone\n",
        &format!("plan sm3     {digest}\n"),
        "present      Zhou Wu, witness\n",
        "keys         in software, below 2 of 3 shares\n",
        "authority    root: root, sm2, certified by itself\n",
        "authority    officers: intermediate, sm2, certified by root\n",
        "  below it   1 more\n",
        "  lists      4, in force 7 days\n",
        "transcript   sm2, certified by officers\n",
        &format!("to carry it out: yinxin ca ceremony plan.toml --plan-sm3 {digest}\n"),
    ] {
        assert!(told.contains(expected), "{expected:?} in {told}");
    }
    // A rule of the profile that only the making of the certificate finds.
    let room = Room::new("rehearsal-refused", |plan| {
        plan.replace(
            "organizationName = \"Example Trust\"\ncommonName = \"Example Officers A1\"",
            "commonName = \"Example Officers A1\"",
        )
    });
    assert_eq!(code(&room.command(&["plan.toml", "--dry-run"]).output().unwrap()), "attribute-missing");
    let late = |plan: String| plan.replace("crl_days = 365", "crl_days = 365\nnot_after = \"2099-01-01T00:00:00Z\"");
    let room = Room::new("rehearsal-late", late);
    assert_eq!(code(&room.command(&["plan.toml", "--dry-run"]).output().unwrap()), "validity-too-long");
}

#[test]
fn only_the_reviewed_plan_is_carried_out_and_nothing_is_written_over() {
    let room = Room::new("ceremony-refused", |plan| plan);
    let before = room.names();
    assert_eq!(code(&room.command(&["plan.toml"]).output().unwrap()), "plan-not-reviewed");
    let another = ["plan.toml", "--plan-sm3", &"0".repeat(64)];
    assert_eq!(code(&room.command(&another).output().unwrap()), "plan-digest");
    let digest = room.digest();
    let held = ["plan.toml", "--plan-sm3", &digest];
    for taken in ["installation", "sun", "copy"] {
        fs::write(room.path(taken), "").unwrap();
        let with_copy = [&held[..], &["--out", "copy"]].concat();
        assert_eq!(code(&room.command(&with_copy).output().unwrap()), "file-exists", "{taken}");
        fs::remove_file(room.path(taken)).unwrap();
    }
    fs::create_dir(room.path("installation.unfinished")).unwrap();
    assert_eq!(code(&room.command(&held).output().unwrap()), "ceremony-unfinished");
    fs::remove_dir(room.path("installation.unfinished")).unwrap();
    assert_eq!(room.names(), before);

    // The second custodian gives back what the third one has: nothing is kept.
    let mut child = room.begin(&[]);
    let shares = room.shares(&mut child);
    let mixed = [&shares[0][..], &shares[2], &shares[1]].concat();
    child.stdin.take().unwrap().write_all(mixed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), "share-not-confirmed");
    assert!(String::from_utf8_lossy(&output.stderr).contains("Sun San did not give the share back"));
    assert_eq!(room.names(), before);
}

fn openssl(arguments: &[&str], folder: &Path) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_installation_of_a_ceremony_is_opened_by_two_shares_and_issues() {
    let room = Room::new("ceremony", |plan| plan.replace("\"sm2\"", "\"ecdsa-p256\""));
    let told = room.hold(&["--out", "copy"]);
    assert!(told.starts_with("the ceremony is complete\n"), "{told}");
    let transcript = room.record("transcript.jsonl");
    assert!(told.contains(&format!("sm3          {}\n", hex(&sm3(&transcript)))), "{told}");
    let expected = ["copy", "installation", "li", "plan.toml", "qian", "sun"].map(str::to_owned);
    assert_eq!(room.names(), expected.into());
    for name in ["transcript.jsonl", "transcript.p7s", "certificates/root.cer", "crls/officers-3.crl", "plan.toml"] {
        assert_eq!(fs::read(room.path("copy").join(name)).unwrap(), room.record(name), "{name}");
    }
    for share in MEDIA {
        let secret = fs::read_to_string(room.path(share)).unwrap();
        let value = secret.split('-').nth(4).unwrap();
        assert!(!String::from_utf8(transcript.clone()).unwrap().contains(value), "a share in the transcript");
    }

    // One share is too few, two are enough.
    for absent in ["sun", "li"] {
        fs::rename(room.path(absent), room.path(&format!("{absent}-away"))).unwrap();
    }
    assert_eq!(code(&room.installation(&["list"])), "too-few-shares");
    fs::rename(room.path("li-away"), room.path("li")).unwrap();
    fs::write(room.path("one.csr"), request(1)).unwrap();
    let issue = ["issue", "--authority", "officers", "--profile", "officer", "--csr", "one.csr"];
    let output = room.installation(&issue);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let pem = String::from_utf8(output.stdout).unwrap();
    assert_eq!(read_pem(&pem, "CERTIFICATE").unwrap().len(), 1);
    let verified = room.command(&["verify", "copy/transcript.jsonl", "--plan", "plan.toml"]).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));

    if Command::new("openssl").arg("version").output().is_err() {
        return crate::skip("an_installation_of_a_ceremony_is_opened_by_two_shares_and_issues", "openssl");
    }
    let record = room.path("copy");
    openssl(&["verify", "-x509_strict", "-CAfile", "certificates/root.pem", "certificates/officers.pem"], &record);
    for (list, of) in [("root-0", "root"), ("officers-0", "officers"), ("officers-3", "officers")] {
        let (list, of) = (format!("crls/{list}.crl"), format!("certificates/{of}.pem"));
        openssl(&["crl", "-inform", "DER", "-in", &list, "-CAfile", &of, "-noout"], &record);
    }
    let message =
        ["cms", "-verify", "-binary", "-inform", "DER", "-in", "transcript.p7s", "-content", "transcript.jsonl"];
    let trust = ["-CAfile", "certificates/root.pem", "-purpose", "any", "-out", "/dev/null"];
    openssl(&[&message[..], &trust].concat(), &record);
}

/// The root has a key of RSA, 4096 bits; the authority below it and the transcript have P-256.
#[test]
fn a_ceremony_makes_an_authority_of_rsa() {
    let room =
        Room::new("ceremony-rsa", |plan| plan.replacen("\"sm2\"", "\"rsa\"", 1).replace("\"sm2\"", "\"ecdsa-p256\""));
    let told = room.hold(&["--out", "copy"]);
    assert!(told.starts_with("the ceremony is complete\n"), "{told}");
    let root = room.record("certificates/root.cer");
    let root = Certificate::parse(&root).unwrap();
    let Some(PublicKey::Rsa(key)) = public_key(&root.public_key) else { panic!("no key of RSA") };
    assert_eq!(key.bits(), 4096);
    let verified = room.command(&["verify", "copy/transcript.jsonl", "--plan", "plan.toml"]).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::skip("a_ceremony_makes_an_authority_of_rsa", "openssl");
    }
    let record = room.path("copy");
    openssl(&["verify", "-x509_strict", "-CAfile", "certificates/root.pem", "certificates/officers.pem"], &record);
    openssl(
        &["crl", "-inform", "DER", "-in", "crls/root-0.crl", "-CAfile", "certificates/root.pem", "-noout"],
        &record,
    );
}

#[test]
fn a_transcript_that_was_changed_is_refused_by_its_record() {
    let room = Room::new("ceremony-transcript", |plan| plan);
    room.hold(&[]);
    let (text, signature) = (room.record("transcript.jsonl"), room.record("transcript.p7s"));
    let plan = room.plan.as_bytes();
    let verified = verify(&text, &signature, Some(plan)).unwrap();
    assert_eq!(verified.records.len(), 17);
    let lines = std::str::from_utf8(&text).unwrap().lines().collect::<Vec<_>>();

    // One octet of each record: the record before the first that does not fit is named.
    for (index, line) in lines.iter().enumerate() {
        let number = u64::try_from(index).unwrap() + 1;
        let step = verified.records[index].step.name();
        let changed = line.replacen("\"at\":\"20", "\"at\":\"19", 1);
        assert_ne!(&changed, line);
        let mut all = lines.clone();
        all[index] = &changed;
        let refused = verify(format!("{}\n", all.join("\n")).as_bytes(), &signature, None).unwrap_err();
        // Only the first one can be of any time.
        let expected = match index {
            0 => TranscriptError::Chain { number, step, next: number + 1 },
            _ => TranscriptError::Time { number },
        };
        assert_eq!(refused, expected, "{step}");

        // A change that no rule but the chain and the signature finds.
        let renamed = line.replacen("\"step\":\"", "\"step\": \"", 1);
        let mut all = lines.clone();
        all[index] = &renamed;
        let refused = verify(format!("{}\n", all.join("\n")).as_bytes(), &signature, None).unwrap_err();
        assert_eq!(refused, TranscriptError::Form { number }, "{step}");
        let mut all = lines.clone();
        all.remove(index);
        let refused = verify(format!("{}\n", all.join("\n")).as_bytes(), &signature, None).unwrap_err();
        let expected = match lines.len() - index {
            1 => TranscriptError::Missing { step: "closed" },
            _ => TranscriptError::Number { number, found: number + 1 },
        };
        assert_eq!(refused, expected, "{step}");
    }

    // Words of a record, with the time left as it is: the record is named, for the last one the signature.
    for (index, (from, to)) in
        [(0, ("Zhou Wu", "Zhou Wv")), (1, ("Sun San", "Sun Sam")), (15, ("Officers A1", "Officers A2"))]
    {
        let changed = lines[index].replacen(from, to, 1);
        assert_ne!(changed, lines[index]);
        let mut all = lines.clone();
        all[index] = &changed;
        let (number, step) = (u64::try_from(index).unwrap() + 1, verified.records[index].step.name());
        let refused = verify(format!("{}\n", all.join("\n")).as_bytes(), &signature, None).unwrap_err();
        assert_eq!(refused, TranscriptError::Chain { number, step, next: number + 1 });
    }
    let last = lines[16].replacen("\"lists\":5", "\"lists\":6", 1);
    let mut all = lines.clone();
    all[16] = &last;
    let refused = verify(format!("{}\n", all.join("\n")).as_bytes(), &signature, None).unwrap_err();
    assert_eq!(refused, TranscriptError::Signature);

    // A chain that was computed anew fits, and is not what was signed.
    let mut previous = yinxin::domain::ca::ceremony::FIRST.to_owned();
    let mut forged = String::new();
    for (number, line) in lines.iter().enumerate() {
        let (_, rest) = line.split_once("\"previous\":\"").unwrap();
        let mut line = line.replacen(&rest[..64], &previous, 1);
        if number == 0 {
            line = line.replacen("Zhou Wu", "Zhou Wv", 1);
        }
        previous = hex(&sm3(line.as_bytes()));
        forged.push_str(&format!("{line}\n"));
    }
    assert_eq!(verify(forged.as_bytes(), &signature, None).unwrap_err(), TranscriptError::Signature);

    // By commands: another plan, a certificate beside it that is another's, no signature.
    let judge = |more: &[&str]| {
        let of = "installation/ceremony/transcript.jsonl";
        room.command(&[&["verify", of], more].concat()).output().unwrap()
    };
    let told = judge(&["--plan", "plan.toml"]);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("  share-confirmed      Sun San gave share no. 2 back\n"), "{told}");
    let json = String::from_utf8(judge(&["--json"]).stdout).unwrap();
    let last: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!((&last["verified"], json.lines().count()), (&Value::Bool(true), 18));
    fs::write(room.path("other.toml"), room.plan.replace("threshold = 2", "threshold = 3")).unwrap();
    assert_eq!(code(&judge(&["--plan", "other.toml"])), "transcript-of-another-plan");
    let root = room.path("installation/ceremony/certificates/root.cer");
    let right = fs::read(&root).unwrap();
    fs::write(&root, room.record("certificates/officers.cer")).unwrap();
    assert_eq!(code(&judge(&[])), "transcript-object");
    fs::write(&root, right).unwrap();
    fs::write(room.path("none.p7s"), "none").unwrap();
    assert_eq!(code(&judge(&["--signature", "none.p7s"])), "transcript-signature-form");
}

#[test]
fn a_ceremony_that_is_killed_leaves_nothing_that_is_used() {
    let (mut broken, mut complete) = (0, 0);
    for pause in [0, 5, 20, 60, 120, 250, 400, 4000] {
        let room = Room::new("ceremony-killed", |plan| plan);
        let mut child = room.begin(&[]);
        let shares = room.shares(&mut child);
        if pause > 0 {
            child.stdin.take().unwrap().write_all(shares.concat().as_bytes()).unwrap();
            let database = room.path("installation.unfinished/yinxin.db");
            while !database.exists() && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(pause));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if room.path("installation").exists() {
            complete += 1;
            assert!(!room.path("installation.unfinished").exists());
            let of = "installation/ceremony/transcript.jsonl";
            let judged = room.command(&["verify", of, "--plan", "plan.toml"]).output().unwrap();
            assert_eq!(judged.status.code(), Some(0), "{}", String::from_utf8_lossy(&judged.stderr));
            assert_eq!(room.installation(&["list"]).status.code(), Some(0));
        } else {
            broken += 1;
            let again = room.command(&["plan.toml", "--plan-sm3", &room.digest()]).output().unwrap();
            assert_eq!(code(&again), "ceremony-unfinished");
        }
    }
    println!("{broken} broken off, {complete} complete");
    assert!(broken >= 1, "no kill came in time");
}

/// The sample without shares, for keys of a device.
fn of_device(plan: String) -> String {
    let (head, rest) = plan.split_once("[shares]").unwrap();
    let (_, authorities) = rest.split_once("# Each authority").unwrap();
    format!("keys = \"sdf\"\n{head}# Each authority{authorities}")
}

#[test]
fn a_ceremony_of_gm3_makes_its_keys_in_the_device() {
    let room = Room::new("ceremony-gm3", of_device);
    let path = |name: &str| room.path(name).display().to_string();
    fs::create_dir(room.path("device")).unwrap();
    fs::write(room.path("passwords"), "1 password-1\n2 password-2\n3 password-3\n").unwrap();
    fs::set_permissions(room.path("passwords"), fs::Permissions::from_mode(0o600)).unwrap();
    let library = built("sdf_double").display().to_string();
    let configuration = format!(
        "profile = 'gm3'\ndata_dir = '{}'\n[server]\ntls_certificate = '/server.pem'\ntls_key = '/server.key'\n\
         [keys.sdf]\nlibrary = '{library}'\npairs = [1, 2, 3]\npassword_file = '{}'\n",
        path("installation"),
        path("passwords"),
    );
    fs::write(room.path("y.toml"), configuration).unwrap();
    let ceremony = |more: &[&str]| {
        let mut command = room.command(&["plan.toml", "--config", "y.toml"]);
        command.env("SDF_DOUBLE_STATE", room.path("device")).args(more).output().unwrap()
    };
    let before = room.names();
    let told = ceremony(&["--dry-run"]);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("keys         3 pairs of the SDF device, one of them for the transcript\n"), "{told}");
    assert_eq!(room.names(), before);
    // Without the configuration of the device, and a plan with shares beside it.
    assert_eq!(code(&room.command(&["plan.toml", "--dry-run"]).output().unwrap()), "plan-other-profile");
    let shared = Room::new("ceremony-gm3-shares", |plan| plan);
    let other = shared.path("plan.toml").display().to_string();
    let refused = room.command(&[&other, "--config", "y.toml", "--dry-run"]).output().unwrap();
    assert_eq!(code(&refused), "plan-other-profile");

    let held = ceremony(&["--plan-sm3", &room.digest()]);
    assert_eq!(held.status.code(), Some(0), "{}", String::from_utf8_lossy(&held.stderr));
    let of = "installation/ceremony/transcript.jsonl";
    let judged = room.command(&["verify", of, "--plan", "plan.toml"]).output().unwrap();
    assert_eq!(judged.status.code(), Some(0), "{}", String::from_utf8_lossy(&judged.stderr));
    let mut command = program();
    command
        .current_dir(room.folder.path())
        .env("SDF_DOUBLE_STATE", room.path("device"))
        .env("YINXIN_LOG__LEVEL", "error");
    let listed = command.args(["keys", "list", "--json", "--config", "y.toml"]).output().unwrap();
    assert_eq!(listed.status.code(), Some(0), "{}", String::from_utf8_lossy(&listed.stderr));
    let keys = String::from_utf8(listed.stdout).unwrap();
    let keys = keys.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let told = keys.iter().map(|key| (key["purpose"].as_str().unwrap(), key["state"].as_str().unwrap()));
    let expected = [("certificate-authority", "active"), ("certificate-authority", "active"), ("log", "suspended")];
    assert_eq!(told.collect::<BTreeSet<_>>(), expected.into());
    assert_eq!(keys.len(), 3);
}

#[test]
fn an_installation_gets_its_authority_from_a_ceremony() {
    let place = Place { folder: Folder::new("ceremony-online") };
    let new = ["request-certificate", "示例机构", "--id", "online", "--algorithm", "ecdsa-p256"];
    let at = ["--subject", "O=Example Trust,CN=Example Online B1", "--base-url", "http://b.example", "--out", "b.csr"];
    let told = place.done(&[&new[..], &at].concat());
    let (id, digest) = told.trim_end().split_once('\n').unwrap();
    assert_eq!(id, "online");
    assert_eq!(place.objects(&["list", "--json"])[0]["state"], "pending");

    let csr = place.path("b.csr");
    let certificate = |digest: &str| {
        let csr = csr.display();
        format!(
            "[[certificate]]\nid = \"online\"\nissuer = \"root\"\nprofile = \"intermediate\"\ncsr = \"{csr}\"\n\
             csr_sm3 = \"{digest}\"\n\n# The key that signs"
        )
    };
    let with = |digest: &str| {
        let certificate = certificate(digest);
        move |plan: String| plan.replace("\"sm2\"", "\"ecdsa-p256\"").replace("# The key that signs", &certificate)
    };
    let other = Room::new("ceremony-other-request", with(&"0".repeat(64)));
    assert_eq!(code(&other.command(&["plan.toml", "--dry-run"]).output().unwrap()), "plan-request-digest");
    let room = Room::new("ceremony-certifies", with(digest));
    let rehearsed = room.command(&["plan.toml", "--dry-run"]).output().unwrap();
    let rehearsed = String::from_utf8(rehearsed.stdout).unwrap();
    for expected in [
        "elsewhere    online: intermediate, certified by root\n",
        &format!("  request    sm3 {digest}\n"),
        "  subject    C=CN, O=Example Trust, CN=Example Online B1\n",
    ] {
        assert!(rehearsed.contains(expected), "{expected:?} in {rehearsed}");
    }
    room.hold(&[]);
    let of = "installation/ceremony/transcript.jsonl";
    let judged = room.command(&["verify", of, "--plan", "plan.toml"]).output().unwrap();
    assert_eq!(judged.status.code(), Some(0), "{}", String::from_utf8_lossy(&judged.stderr));
    let judged = String::from_utf8(judged.stdout).unwrap();
    assert!(judged.contains(&format!("authority-certified  online: intermediate, request {digest}")), "{judged}");

    let record = |name: &str| room.path("installation/ceremony/certificates").join(name).display().to_string();
    let (online, officers, root) = (record("online.pem"), record("officers.pem"), record("root.cer"));
    let take = |certificate: &str, root: &str| {
        ["take-in", "online", "--certificate", certificate, "--root", root].map(str::to_owned)
    };
    let refused = |arguments: [String; 6]| place.refused(&arguments.each_ref().map(String::as_str));
    assert_eq!(refused(take(&officers, &root)), "taken-in-other-key");
    assert_eq!(refused(take(&online, &officers)), "taken-in-root");
    let told = place.done(&take(&online, &root).each_ref().map(String::as_str));
    let digest = hex(&sm3(&room.record("certificates/root.cer")));
    assert!(told.starts_with("online  active  -  ") && told.ends_with(&format!("\nroot {digest}\n")), "{told}");
    assert_eq!(refused(take(&online, &root)), "unknown-authority-request");

    fs::write(place.path("one.csr"), request(1)).unwrap();
    let issue = ["issue", "--authority", "online", "--profile", "officer", "--csr", "one.csr", "--out", "one.pem"];
    place.done(&issue);
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::skip("an_installation_gets_its_authority_from_a_ceremony", "openssl");
    }
    let chain = ["-CAfile", &record("root.pem"), "-untrusted", &online];
    openssl(&[&["verify", "-x509_strict"], &chain[..], &["one.pem"]].concat(), place.folder.path());
}
