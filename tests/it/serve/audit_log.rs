//! The audit log from outside: receipts, tiles and proofs over HTTPS, the copy that anybody checks, a witness, and what it
//! finds after the log was set back or written anew.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::checkpoint::{Verifier, verify_checkpoint};
use yinxin::domain::audit::statement::Statement;
use yinxin::domain::audit::tree::{TreeHash, verify_inclusion};
use yinxin::domain::audit::{Entry, Event, EventBody};
use yinxin::format::tlog::{LogProof, Note};

use crate::process::{has_curl, program};
use crate::serve::receipts::{opened, receipts_in};
use crate::serve::{Client, Installation, NOTICE};

const ORIGIN: &str = "localhost/log";

/// The keys that the log says it has: a stranger would compare them with paper.
pub(super) fn keys(client: &Client) -> Vec<Verifier> {
    let text = client.call("/log/keys", &[]).ok();
    String::from_utf8(text).unwrap().lines().map(|line| Verifier::parse(line).unwrap()).collect()
}

fn of_tree(keys: &[Verifier], tree: TreeHash) -> Vec<Verifier> {
    keys.iter().filter(|key| key.name() == tree.origin(ORIGIN)).cloned().collect()
}

fn head(client: &Client, keys: &[Verifier], tree: TreeHash) -> (u64, [u8; 32]) {
    let octets = client.call(&format!("/log/{tree}/checkpoint"), &[]).ok();
    let note = Note::parse(&octets).unwrap();
    let believed = verify_checkpoint(&note, &tree.origin(ORIGIN), &of_tree(keys, tree), &[]).unwrap();
    (believed.size(), *believed.root())
}

pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{what} does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(super) fn log_command(installation: &Installation, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program();
    command.env("YINXIN_DATA_DIR", installation.home()).env("YINXIN_LOG__LEVEL", "error");
    let done = command.arg("log").args(arguments).output().unwrap();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

/// Seals a file and gives its receipts, decoded, and the sealed file.
pub(super) fn seal_with_receipts(installation: &Installation, client: &Client, key: &str) -> (Vec<String>, Vec<u8>) {
    let headers = installation.path("headers");
    let certificate = client.certificate();
    let (file, key) = (format!("file=@{NOTICE}"), format!("Idempotency-Key: {key}"));
    let mut arguments = certificate.iter().map(String::as_str).collect::<Vec<_>>();
    arguments.extend(["-F", &file, "-F", "page=3", "-F", "x=124", "-F", "y=211.682", "-H", &key]);
    arguments.extend(["-D", headers.to_str().unwrap()]);
    let sealed = client.call(&format!("{}/signatures", client.seal_path()), &arguments).ok();
    (receipts_in(&headers), sealed)
}

#[test]
fn whoever_is_served_can_prove_it() {
    if !has_curl() {
        return crate::skip("serve::whoever_is_served_can_prove_it", "curl");
    }
    let installation = Installation::new("serve-audit-log");
    let running = installation.serve();
    let client = installation.client(&running);
    let keys = keys(&client);
    assert_eq!(keys.iter().map(Verifier::name).collect::<Vec<_>>(), ["localhost/log/sm3", "localhost/log/sha256"]);

    // Two events of one request: the intent, and the result.
    let (receipts, sealed) = seal_with_receipts(&installation, &client, "one");
    let promises = receipts.iter().map(|text| opened(text, &keys).0).collect::<Vec<_>>();
    let classes = promises.iter().map(|promise| promise.entry.event_class().unwrap().name()).collect::<Vec<_>>();
    assert_eq!(classes, ["signing-intended", "document-signed"]);
    let last = promises[1].index;
    until("the leaf", || (head(&client, &keys, TreeHash::Sha256).0 > last).then_some(()));

    // Whoever holds the document gets the proof, which opens the very entry that was promised.
    let thing = yinxin::crypto::digest::hex(&sm3(&sealed));
    let found = client.call(&format!("/api/v1/log/proofs?sm3={thing}"), &[]).ok();
    let found: Value = serde_json::from_slice(&found).unwrap();
    let [proof] = &found["proofs"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!((&proof["event"]["class"], proof["index"].as_u64()), (&"document-signed".into(), Some(last)));
    for tree in TreeHash::ALL {
        let text = proof[tree.name()].as_str().unwrap();
        let read = LogProof::parse(text.as_bytes()).unwrap();
        let believed = verify_checkpoint(&read.note, &tree.origin(ORIGIN), &of_tree(&keys, tree), &[]).unwrap();
        let extra = read.extra.unwrap();
        let (salt, event) = extra.split_first_chunk::<32>().unwrap();
        let entry = Entry::of_der(event, salt).unwrap();
        assert_eq!(entry, promises[1].entry);
        let leaf = tree.leaf(&entry.to_octets());
        verify_inclusion(tree, &leaf, read.index, believed.size(), &read.hashes, believed.root()).unwrap();
        let EventBody::DocumentSigned { result_sm3, .. } = Event::from_der(event).unwrap().body else { panic!() };
        assert_eq!(result_sm3, sm3(&sealed));
    }
    // A stranger sees no event by its number; a file that the log does not know has no proof.
    let refused = client.call(&format!("/api/v1/log/events/{last}/proof"), &[]);
    assert_eq!(refused.refusal(), (401, "signature-missing".to_owned()));
    let own = client.call_as_caller(&format!("/api/v1/log/events/{last}/proof"), &[]);
    assert_eq!(own.status, 200, "{}", own.text());
    let foreign = client.call_as_caller("/api/v1/log/events/0/proof", &[]);
    assert_eq!(foreign.refusal(), (403, "log-not-entitled".to_owned()));
    let none = client.call(&format!("/api/v1/log/proofs?sm3={}", "00".repeat(32)), &[]).ok();
    assert_eq!(String::from_utf8(none).unwrap(), "{\"proofs\":[]}");
    what_is_not_known_is_said_and_not_proven(&installation, &client, (&keys, &sealed));
    let searched = client.call_as_caller("/api/v1/log/events", &[]);
    assert_eq!(searched.refusal(), (403, "role-missing".to_owned()));
    for path in ["/log/tile/0/999", "/log/tile/0/1", "/log/sm4/checkpoint", "/log/tile/8/000", "/log/nothing"] {
        assert_eq!(client.call(path, &[]).refusal(), (404, "log-no-such-file".to_owned()), "{path}");
    }

    // On the machine, beside the service at work.
    let (code, said, _) = log_command(&installation, &["verify"]);
    assert_eq!(code, Some(0), "{said}");
    let file = installation.write("sealed.ofd", &sealed);
    let out = installation.path("proofs");
    let (code, said, complaint) =
        log_command(&installation, &["prove", file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}{complaint}");
    assert!(said.contains("the file: document-signed at "), "{said}");
    assert!(said.contains("seal-issued"), "the seal inside is known too: {said}");
    let written = fs::read(out.join(format!("{last}.sm3.tlog-proof"))).unwrap();
    assert_eq!(LogProof::parse(&written).unwrap().index, last);
    the_verdict_says_so(&installation, &file, &out, last);
    let unknown = log_command(&installation, &["prove", NOTICE]);
    assert_eq!((unknown.0, unknown.1.ends_with("the log knows nothing of it\n")), (Some(1), true), "{unknown:?}");

    a_copy_is_checked_by_anybody(&installation, &keys);
    assert_eq!(running.terminate().0, Some(0));
}

/// A statement is signed by both keys of the log, given to callers, and refused where an event is known.
fn what_is_not_known_is_said_and_not_proven(
    installation: &Installation,
    client: &Client,
    (keys, sealed): (&[Verifier], &[u8]),
) {
    let of = |octets: &[u8]| format!("/api/v1/log/statements?sm3={}", yinxin::crypto::digest::hex(&sm3(octets)));
    assert_eq!(client.call(&of(b"nothing"), &[]).refusal(), (401, "signature-missing".to_owned()));
    assert_eq!(client.call_as_caller(&of(sealed), &[]).refusal(), (409, "log-event-known".to_owned()));
    let malformed = client.call_as_caller("/api/v1/log/statements?sm3=00", &[]);
    assert_eq!(malformed.refusal(), (400, "field-malformed".to_owned()));
    let answer: Value = serde_json::from_slice(&client.call_as_caller(&of(b"nothing"), &[]).ok()).unwrap();
    let note = answer["note"].as_str().unwrap();
    let stated = Statement::verified(&Note::parse(note.as_bytes()).unwrap(), keys).unwrap();
    assert_eq!((stated.thing, stated.origin.as_str()), (sm3(b"nothing"), ORIGIN));
    assert_eq!(answer["size"].as_u64(), Some(stated.size));

    let file = installation.write("unknown.bin", b"nothing");
    let place = installation.path("said");
    let (file, out) = (file.to_str().unwrap(), place.to_str().unwrap());
    let (code, said, complaint) = log_command(installation, &["prove", file, "--statement", out]);
    assert_eq!(code, Some(1), "{complaint}");
    assert!(said.ends_with(&format!("what the service says, and no proof, is in {out}\n")), "{said}");
    let written = fs::read(&place).unwrap();
    assert_eq!(Statement::verified(&Note::parse(&written).unwrap(), keys).unwrap().thing, sm3(b"nothing"));
    let Some(mut python) = checker("serve::whoever_is_served_can_prove_it (a statement in Python)") else { return };
    let vkeys = keys.iter().map(Verifier::to_vkey).collect::<Vec<_>>();
    python.arg("--statement").arg(&place).args(["--sm3", &vkeys[0], "--sha256", &vkeys[1]]);
    let done = python.output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.starts_with(&format!("ok {} ", yinxin::crypto::digest::hex(&sm3(b"nothing")))), "{said}");
}

/// Whoever has the file, the proofs and the log's keys is told by `verify`, away from the installation.
fn the_verdict_says_so(installation: &Installation, file: &Path, proofs: &Path, leaf: u64) {
    let (code, keys, _) = log_command(installation, &["keys"]);
    assert_eq!((code, keys.lines().count()), (Some(0), 2));
    let keys = installation.write("log.keys", keys.as_bytes());
    let logged = |with_proofs: bool| {
        let mut command = program();
        command.args(["verify", "--json", "--log-key"]).arg(&keys).arg(file);
        if with_proofs {
            command.arg("--evidence").arg(proofs);
        }
        let report: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        report["signatures"][0]["logged"].clone()
    };
    let axis = logged(true);
    assert_eq!((&axis["status"], &axis["code"]), (&"ok".into(), &"in-log".into()), "{axis}");
    assert_eq!(axis["evidence"][1], format!("leaf {leaf}"));
    assert!(axis["detail"].as_str().unwrap().contains("that its seal was issued is proven too"), "{axis}");
    let axis = logged(false);
    assert_eq!((&axis["status"], &axis["code"]), (&"unknown".into(), &"receipt-missing".into()), "{axis}");
}

fn a_copy_is_checked_by_anybody(installation: &Installation, keys: &[Verifier]) {
    let copy = installation.path("copy");
    let place = copy.to_str().unwrap();
    let (code, said, complaint) = log_command(installation, &["export", place]);
    assert_eq!(code, Some(0), "{complaint}");
    let size = said.split_once(" leaves").unwrap().0.parse::<u64>().unwrap();
    let vkeys = keys.iter().map(Verifier::to_vkey).collect::<Vec<_>>();
    let list = installation.write("keys", format!("{}\n{}\n", vkeys[0], vkeys[1]).as_bytes());
    let list = list.to_str().unwrap();

    let (code, said, _) = log_command(installation, &["verify", place, "--key", list, "--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["result"], report["size"].as_u64()), (Some(0), &"right".into(), Some(size)));
    let (code, said, _) = log_command(installation, &["verify", place, "--key", &vkeys[0], "--key", &vkeys[1]]);
    assert_eq!((code, said.starts_with(&format!("right: {size} leaves\n"))), (Some(0), true), "{said}");
    let (code, _, complaint) = log_command(installation, &["verify", place]);
    assert_eq!((code, complaint.contains("log-key-missing")), (Some(64), true));
    let (code, said, _) = log_command(installation, &["verify", place, "--key", &vkeys[0]]);
    assert_eq!(
        (code, said),
        (Some(1), "WRONG: no verifier key is known for the sha256 tree (log-key-missing)\n".to_owned())
    );
    checked_in_python(&copy, &vkeys, Some(size));

    let entries = copy.join("sm3/tile/entries/000.p").join(size.to_string());
    let mut octets = fs::read(&entries).unwrap();
    octets[41 * 2 + 20] ^= 1;
    fs::write(&entries, &octets).unwrap();
    let (code, said, _) = log_command(installation, &["verify", place, "--key", list, "--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    let told = (code, report["code"].as_str().unwrap(), report["index"].as_u64());
    assert_eq!(told, (Some(1), "log-leaf-differs", Some(2)), "{said}");
    checked_in_python(&copy, &vkeys, None);
    fs::remove_dir_all(copy.join("sm3")).unwrap();
    let (code, said, _) = log_command(installation, &["verify", place, "--key", list]);
    assert_eq!((code, said), (Some(1), "WRONG: the sm3 tree has no checkpoint (log-checkpoint-missing)\n".to_owned()));
}

/// A checker that shares no code with us, or nothing where it is absent.
fn checker(test: &str) -> Option<Command> {
    let checker = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/python/check_log.py");
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/venv/bin/python");
    if !python.exists() {
        crate::skip(test, "scripts/test-peers");
        return None;
    }
    let mut command = Command::new(python);
    command.arg(checker);
    Some(command)
}

fn checked_in_python(copy: &Path, vkeys: &[String], right: Option<u64>) {
    let Some(mut command) = checker("serve::whoever_is_served_can_prove_it (checked in Python)") else { return };
    command.arg(copy).args(["--sm3", &vkeys[0], "--sha256", &vkeys[1]]);
    let done = command.output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    match right {
        Some(size) => assert!(done.status.success() && said.starts_with(&format!("ok {size} ")), "{said}"),
        None => assert!(!done.status.success() && said.starts_with("entry 2: "), "{said}"),
    }
}

/// A witness as its own program. It is killed if a test ends before it.
struct Witness {
    child: std::process::Child,
    address: String,
    vkey: String,
}

impl Witness {
    fn start(folder: &Path, vkeys: &[String]) -> Self {
        use std::io::BufRead as _;
        let mut command = program();
        command.args(["witness", "--name", "witness.example/one", "--listen", "127.0.0.1:0", "--folder"]).arg(folder);
        for key in vkeys {
            command.args(["--log", key]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.next().unwrap().strip_prefix("listening on ").unwrap().to_owned();
        let vkey = lines.next().unwrap();
        Self { child, address, vkey }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() { copied(&path, &to.join(name)) } else { fs::copy(&path, to.join(name)).map(drop).unwrap() }
    }
}

#[test]
fn a_witness_sees_what_was_set_back_or_written_anew() {
    if !has_curl() {
        return crate::skip("serve::a_witness_sees_what_was_set_back_or_written_anew", "curl");
    }
    let installation = Installation::new("serve-witness");
    let running = installation.serve();
    let keys = keys(&installation.client(&running));
    let vkeys = keys.iter().map(Verifier::to_vkey).collect::<Vec<_>>();
    assert_eq!(running.terminate().0, Some(0));

    let folder = installation.path("witness");
    let witness = Witness::start(&folder, &vkeys);
    let by = [Verifier::parse(&witness.vkey).unwrap()];
    let settings = format!("[\"{} {}\"]", witness.address, witness.vkey);
    let with_witness = [("YINXIN_AUDIT_LOG__WITNESSES", settings.as_str())];
    let running = installation.serve_with(&with_witness);
    let client = installation.client(&running);
    let size = head(&client, &keys, TreeHash::Sm3).0;
    let cosigned = |client: &Client, tree: TreeHash, least: u64| {
        until("a cosignature", || {
            let answer = client.call(&format!("/log/{tree}/checkpoint.cosigned"), &[]);
            if answer.status != 200 {
                return None;
            }
            let note = Note::parse(&answer.body).unwrap();
            let believed = verify_checkpoint(&note, &tree.origin(ORIGIN), &of_tree(&keys, tree), &by).unwrap();
            assert_eq!(believed.cosignatures().len(), 1);
            (believed.size() >= least).then(|| believed.size())
        })
    };
    for tree in TreeHash::ALL {
        cosigned(&client, tree, size);
    }
    // A copy of everything, as a backup has it.
    assert_eq!(running.terminate().0, Some(0));
    let backup = installation.path("backup");
    copied(&installation.home(), &backup);

    let running = installation.serve_with(&with_witness);
    let client = installation.client(&running);
    let (receipts, _) = seal_with_receipts(&installation, &client, "after-the-backup");
    assert_eq!(receipts.len(), 2);
    let grown = until("growth", || Some(head(&client, &keys, TreeHash::Sm3).0).filter(|now| *now > size + 2));
    for tree in TreeHash::ALL {
        cosigned(&client, tree, grown);
    }
    assert_eq!(running.terminate().0, Some(0));

    // The backup is put back: the log would sign other leaves under numbers that were given away.
    fs::rename(installation.home(), installation.path("truth")).unwrap();
    copied(&backup, &installation.home());
    let refused = refused_start(&installation, &with_witness);
    assert!(refused.contains("(log-behind-witness)") && refused.contains("was set back"), "{refused}");

    // Whoever runs it without the witness makes another history, and the witness says so.
    let running = installation.serve();
    let client = installation.client(&running);
    for number in 0..4 {
        seal_with_receipts(&installation, &client, &format!("another-history-{number}"));
    }
    until("growth", || (head(&client, &keys, TreeHash::Sm3).0 > grown + 2).then_some(()));
    assert_eq!(running.terminate().0, Some(0));
    let refused = refused_start(&installation, &with_witness);
    assert!(refused.contains("(log-forked)") && refused.contains("witness.example/one saw"), "{refused}");

    // The true one goes on, beside a witness that was started again.
    drop(witness);
    let witness = Witness::start(&folder, &vkeys);
    assert_eq!(witness.vkey, by[0].to_vkey());
    fs::remove_dir_all(installation.home()).unwrap();
    fs::rename(installation.path("truth"), installation.home()).unwrap();
    let settings = format!("[\"{} {}\"]", witness.address, witness.vkey);
    let running = installation.serve_with(&[("YINXIN_AUDIT_LOG__WITNESSES", settings.as_str())]);
    let client = installation.client(&running);
    cosigned(&client, TreeHash::Sha256, grown + 1);
    assert_eq!(running.terminate().0, Some(0));
}

/// The service's own log counts for what is uploaded: what it sealed is in it; what somebody sealed elsewhere with the very
/// same keys is not. Who is refused for that, trust lists say, and none is in force here.
#[test]
fn the_own_log_is_asked_for_what_is_uploaded() {
    if !has_curl() {
        return crate::skip("serve::the_own_log_is_asked_for_what_is_uploaded", "curl");
    }
    let (installation, thief) = (Installation::new("serve-own-log"), Installation::new("serve-own-log-thief"));
    assert_eq!(installation.serve().terminate().0, Some(0));
    copied(&installation.home(), &thief.home());
    let running = thief.serve();
    let (_, forged) = seal_with_receipts(&thief, &thief.client(&running), "forged");
    assert_eq!(running.terminate().0, Some(0));

    let running = installation.serve();
    let client = installation.client(&running);
    let keys = keys(&client);
    let (receipts, genuine) = seal_with_receipts(&installation, &client, "genuine");
    let leaf = opened(&receipts[1], &keys).0.index;
    until("the leaf", || (head(&client, &keys, TreeHash::Sm3).0 > leaf).then_some(()));
    let judged = |name: &str, octets: &[u8]| client.verify(&installation.write(name, octets));
    let report = judged("genuine.ofd", &genuine);
    let axis = &report["signatures"][0]["logged"];
    assert_eq!((&axis["status"], &axis["code"]), (&"ok".into(), &"in-log".into()), "{axis}");
    assert_eq!(
        (&axis["evidence"][0], &axis["evidence"][1]),
        (&"log localhost/log/sm3".into(), &format!("leaf {leaf}").into())
    );
    assert!(axis["detail"].as_str().unwrap().contains("that its seal was issued is proven too"), "{axis}");
    let report = judged("forged.ofd", &forged);
    assert_eq!(report["signatures"][0]["signature"]["status"], "ok", "{report}");
    let axis = &report["signatures"][0]["logged"];
    assert_eq!((&axis["status"], &axis["code"]), (&"not_applicable".into(), &"not-in-log".into()), "{axis}");
    assert_eq!(running.terminate().0, Some(0));
}

/// What a start says that is refused.
fn refused_start(installation: &Installation, more: &[(&str, &str)]) -> String {
    let mut command = program();
    command.arg("serve").env("YINXIN_DATA_DIR", installation.home()).envs(more.iter().copied());
    command.env("YINXIN_SERVER__LISTEN", "[\"127.0.0.1:0\"]").env("YINXIN_LOG__LEVEL", "error");
    let done = command.output().unwrap();
    assert_eq!(done.status.code(), Some(70));
    String::from_utf8(done.stderr).unwrap()
}
