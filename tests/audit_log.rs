//! The audit log's entries, trees and checkpoints: published vectors, and a checker in Python that shares no code with us.
//!
//! `scripts/test-peers` installs the peer. Where it is absent each test says SKIPPED by name; it fails instead under `CI` or
//! `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use yinxin::base::clock::Timestamp;
use yinxin::base::id::{CallerId, KeyId, RequestId, SealId, SignatureId};
use yinxin::base::random::{Random, RandomUnavailable};
use yinxin::crypto::digest::hex;
use yinxin::crypto::{Signer, ed25519, sm2};
use yinxin::domain::audit::checkpoint::{Verifier, checkpoint_text, verify_checkpoint};
use yinxin::domain::audit::promise::Promise;
use yinxin::domain::audit::statement::Statement;
use yinxin::domain::audit::tree::{Frontier, TreeHash};
use yinxin::domain::audit::{Actor, Entry, Event, EventBody, Salt, SuspensionReason};
use yinxin::domain::caller::{Role, Roles};
use yinxin::format::tlog::tile::{bundles_of, write_entry};
use yinxin::format::tlog::{Note, Receipt};

/// The same octets at every call: nonces are hedged, so signatures under it are what they are by key and message.
struct Fixed;

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        bytes.fill(0x5a);
        Ok(())
    }
}

/// Test keys, published in the vectors and worth nothing.
const SM2_TEST_KEY: [u8; 32] = [0x12; 32];
const ED25519_TEST_KEY: [u8; 32] = [0x11; 32];
const WITNESS_TEST_KEY: [u8; 32] = [0x21; 32];

fn at_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

/// A log's two trees with their keys, and one witness.
struct Log {
    origin: &'static str,
    entries: Vec<Vec<u8>>,
}

impl Log {
    fn signer(hash: TreeHash) -> Box<dyn Signer> {
        match hash {
            TreeHash::Sm3 => Box::new(sm2::PrivateKey::from_bytes(&SM2_TEST_KEY).unwrap()),
            TreeHash::Sha256 => Box::new(ed25519::PrivateKey::from_bytes(&ED25519_TEST_KEY).unwrap()),
        }
    }

    fn key(&self, hash: TreeHash) -> Verifier {
        Verifier::of_log(&hash.origin(self.origin), &Self::signer(hash).public_key()).unwrap()
    }

    fn witness() -> Verifier {
        let key = ed25519::PrivateKey::from_bytes(&WITNESS_TEST_KEY).unwrap();
        Verifier::of_witness("witness.example/w1", &Signer::public_key(&key)).unwrap()
    }

    fn frontier(&self, hash: TreeHash) -> (Frontier, Vec<(String, Vec<u8>)>) {
        let mut frontier = Frontier::new(hash);
        let entries = self.entries.iter().map(Vec::as_slice).collect::<Vec<_>>();
        let mut tiles = frontier.append(&hash.leaves(&entries)).unwrap();
        tiles.extend(frontier.partial_tiles());
        (frontier, tiles.into_iter().map(|tile| (tile.tile.to_string(), tile.octets)).collect())
    }

    /// The signed checkpoint of a tree; that of the SHA-256 tree is cosigned too.
    fn checkpoint(&self, hash: TreeHash) -> String {
        let (frontier, _) = self.frontier(hash);
        let text = checkpoint_text(self.origin, hash, frontier.size(), &frontier.root());
        let (key, witness) = (self.key(hash), Self::witness());
        let mut lines = vec![key.sign(&text, Self::signer(hash).as_ref(), &Fixed).unwrap()];
        if hash == TreeHash::Sha256 {
            let signer = ed25519::PrivateKey::from_bytes(&WITNESS_TEST_KEY).unwrap();
            lines.push(witness.cosign(&text, at_seconds(1_800_000_000), &signer, &Fixed).unwrap());
        }
        Note::write(&text, &lines).unwrap()
    }

    /// The statement that nothing is known of a thing, signed by both keys.
    fn statement(&self, thing: [u8; 32]) -> String {
        let (frontier, _) = self.frontier(TreeHash::Sm3);
        let (size, root, at) = (frontier.size(), frontier.root(), at_seconds(1_800_000_000));
        let text = Statement { origin: self.origin.into(), thing, size, root, at }.to_text();
        let keys = TreeHash::ALL.map(|hash| self.key(hash));
        let lines = TreeHash::ALL.iter().zip(&keys);
        let lines = lines.map(|(hash, key)| key.sign(&text, Self::signer(*hash).as_ref(), &Fixed).unwrap());
        Note::write(&text, &lines.collect::<Vec<_>>()).unwrap()
    }

    /// The receipt of an event at that index, with its opening.
    fn receipt(&self, index: usize, (event, salt): &(Event, Salt)) -> String {
        let entry = Entry::of(event, salt).unwrap();
        let (origin, before) = (TreeHash::Sm3.origin(self.origin), at_seconds(1_800_000_060));
        let text = Promise { origin, index: u64::try_from(index).unwrap(), entry, before }.to_text();
        let key = self.key(TreeHash::Sm3);
        let line = key.sign(&text, Self::signer(TreeHash::Sm3).as_ref(), &Fixed).unwrap();
        Receipt::write(&Note::write(&text, &[line]).unwrap(), Some(&[salt.as_slice(), &event.to_der()].concat()))
    }

    fn write(&self, folder: &Path) {
        for hash in TreeHash::ALL {
            let put = |name: &str, octets: &[u8]| {
                let path = folder.join(hash.name()).join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, octets).unwrap();
            };
            let (frontier, tiles) = self.frontier(hash);
            for (path, octets) in tiles {
                put(&path, &octets);
            }
            for bundle in bundles_of(frontier.size()) {
                let start = usize::try_from(bundle.index()).unwrap() * 256;
                let mut octets = Vec::new();
                for entry in &self.entries[start..start + usize::from(bundle.width())] {
                    write_entry(&mut octets, entry).unwrap();
                }
                put(&bundle.to_string(), &octets);
            }
            put("checkpoint", self.checkpoint(hash).as_bytes());
        }
    }
}

/// Three events of different shapes, with salts that no program would draw.
fn events() -> [(Event, Salt); 3] {
    let started = Event {
        at: at_seconds(0),
        actor: Actor::Operator,
        request: None,
        body: EventBody::ServiceStarted { version: "0.1.0".into() },
    };
    let roles = Roles::new([Role::SealUser, Role::Verifier]).unwrap();
    let signed = Event {
        at: at_seconds(1_795_392_000),
        actor: Actor::Caller { id: CallerId::parse("c-1").unwrap(), roles },
        request: Some(RequestId::parse("r-1").unwrap()),
        body: EventBody::SigningIntended {
            signature: SignatureId::parse("s-1").unwrap(),
            seal: SealId::parse("seal-1").unwrap(),
            document_sm3: [0xab; 32],
            key: KeyId::parse("k-1").unwrap(),
        },
    };
    let suspended = Event {
        at: at_seconds(1_795_395_599),
        actor: Actor::Anonymous,
        request: None,
        body: EventBody::SealSuspended {
            seal: SealId::parse("seal-1").unwrap(),
            reason: SuspensionReason::SuspectedMisuse,
        },
    };
    [(started, [0x01; 32]), (signed, [0x02; 32]), (suspended, [0x03; 32])]
}

fn vectors() -> Value {
    let rows = events().map(|(event, salt)| {
        let entry = Entry::of(&event, &salt).unwrap();
        json!({
            "at": event.at.unix(),
            "class": entry.class,
            "event": hex(&event.to_der()),
            "salt": hex(&salt),
            "commitment": hex(&entry.commitment),
            "entry": hex(&entry.to_octets()),
            "leaf_sm3": hex(&TreeHash::Sm3.leaf(&entry.to_octets())),
            "leaf_sha256": hex(&TreeHash::Sha256.leaf(&entry.to_octets())),
        })
    });
    let entries = events().map(|(event, salt)| Entry::of(&event, &salt).unwrap().to_octets().to_vec());
    let log = Log { origin: "log.example/audit", entries: entries.to_vec() };
    json!({
        "about": "Vectors of docs/formats/audit-leaf.md and audit-notes.md. The keys are test keys, worth nothing.",
        "origin": log.origin,
        "events": rows,
        "root_sm3": hex(&log.frontier(TreeHash::Sm3).0.root()),
        "root_sha256": hex(&log.frontier(TreeHash::Sha256).0.root()),
        "sm2_test_key": hex(&SM2_TEST_KEY),
        "ed25519_test_key": hex(&ED25519_TEST_KEY),
        "witness_test_key": hex(&WITNESS_TEST_KEY),
        "vkey_sm3": log.key(TreeHash::Sm3).to_vkey(),
        "vkey_sha256": log.key(TreeHash::Sha256).to_vkey(),
        "vkey_witness": Log::witness().to_vkey(),
        "checkpoint_sm3": log.checkpoint(TreeHash::Sm3),
        "checkpoint_sha256": log.checkpoint(TreeHash::Sha256),
        "statement": log.statement([0xcd; 32]),
        "receipt": log.receipt(1, &events()[1]),
    })
}

fn vector_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/audit/log.json")
}

#[test]
fn the_vectors_are_what_the_code_makes() {
    let made = vectors();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(vector_file(), format!("{}\n", serde_json::to_string_pretty(&made).unwrap())).unwrap();
    }
    let held: Value = serde_json::from_str(&fs::read_to_string(vector_file()).unwrap()).unwrap();
    assert_eq!(held, made);
    for hash in TreeHash::ALL {
        let text = held[format!("checkpoint_{hash}")].as_str().unwrap();
        let key = Verifier::parse(held[format!("vkey_{hash}")].as_str().unwrap()).unwrap();
        let witness = Verifier::parse(held["vkey_witness"].as_str().unwrap()).unwrap();
        let note = Note::parse(text.as_bytes()).unwrap();
        let verified = verify_checkpoint(&note, key.name(), std::slice::from_ref(&key), &[witness]).unwrap();
        assert_eq!((verified.size(), hex(verified.root())), (3, held[format!("root_{hash}")].as_str().unwrap().into()));
        assert_eq!(verified.cosignatures().len(), usize::from(hash == TreeHash::Sha256));
        let note = Note::parse(held["statement"].as_str().unwrap().as_bytes()).unwrap();
        let stated = Statement::verified(&note, std::slice::from_ref(&key)).unwrap();
        assert_eq!((stated.thing, stated.size, stated.at), ([0xcd; 32], 3, at_seconds(1_800_000_000)));
    }
    let receipt = Receipt::parse(held["receipt"].as_str().unwrap().as_bytes()).unwrap();
    let key = Verifier::parse(held["vkey_sm3"].as_str().unwrap()).unwrap();
    let promise = Promise::verified(&receipt.note, &[key]).unwrap();
    assert_eq!((promise.index, promise.before), (1, at_seconds(1_800_000_060)));
    assert_eq!(hex(&promise.entry.to_octets()), held["events"][1]["entry"].as_str().unwrap());
    let opening =
        format!("{}{}", held["events"][1]["salt"].as_str().unwrap(), held["events"][1]["event"].as_str().unwrap());
    assert_eq!(hex(&receipt.extra.unwrap()), opening);
}

/// The checker, or nothing where the peers are absent.
fn python(test: &str) -> Option<Command> {
    let interpreter = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/venv/bin/python");
    if !interpreter.exists() {
        println!("SKIPPED {test}: target/peers absent");
        let is_required = std::env::var_os("CI").is_some()
            || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
        assert!(!is_required, "target/peers is required and absent");
        return None;
    }
    let mut command = Command::new(interpreter);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python/check_log.py"));
    Some(command)
}

fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let refused = output.status.code().unwrap();
    assert_eq!(refused, i32::from(!text.starts_with("ok")), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.trim_end().to_owned()
}

#[test]
fn a_checker_in_python_agrees_on_the_vectors() {
    let Some(mut command) = python("a_checker_in_python_agrees_on_the_vectors") else { return };
    command.arg("--vectors").arg(vector_file());
    assert_eq!(said(command), "ok");
}

/// A receipt alone, of which only who signed it and what it opens can be checked.
#[test]
fn a_checker_in_python_reads_receipts_and_refuses_changed_ones() {
    const TEST: &str = "a_checker_in_python_reads_receipts_and_refuses_changed_ones";
    let held: Value = serde_json::from_str(&fs::read_to_string(vector_file()).unwrap()).unwrap();
    let (text, key) = (held["receipt"].as_str().unwrap(), held["vkey_sm3"].as_str().unwrap());
    let opening = Receipt::parse(text.as_bytes()).unwrap().extra.unwrap();
    let (note, _) = text.split_once("extra ").unwrap();
    let mut other = opening.clone();
    other[0] ^= 1;
    for (text, expected) in [
        (text.to_owned(), format!("ok 1 1800000060 {}", hex(&opening[32..]))),
        // One of before, which opens nothing.
        (note.to_owned(), "ok 1 1800000060 -".to_owned()),
        (text.replacen("\n1\n", "\n2\n", 1), "refused: the signature of log.example/audit/sm3 is wrong".to_owned()),
        (Receipt::write(note, Some(&other)), "refused: the entry is of another salt or event".to_owned()),
        (Receipt::write(note, Some(&opening[..31])), "refused: the entry is of another salt or event".to_owned()),
        (text.trim_end().to_owned(), "refused: not a receipt".to_owned()),
    ] {
        let Some(mut command) = python(TEST) else { return };
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checked.receipt");
        fs::write(&file, text).unwrap();
        command.arg("--receipt").arg(&file).args(["--sm3", key]);
        assert_eq!(said(command), expected);
    }
}

#[test]
fn a_checker_in_python_accepts_our_log_and_names_what_is_wrong_in_others() {
    const TEST: &str = "a_checker_in_python_accepts_our_log_and_names_what_is_wrong_in_others";
    if python(TEST).is_none() {
        return;
    }
    let (template, _) = &events()[1];
    let entry = |n: i64| {
        let event = Event { at: at_seconds(1_795_392_000 + n), ..template.clone() };
        Entry::of(&event, &[7; 32]).unwrap().to_octets().to_vec()
    };
    let log = Log { origin: "log.example/python", entries: (0..66_000).map(entry).collect() };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("audit-log");
    let check = |log: &Log, keys: [String; 2]| {
        let mut command = python(TEST).unwrap();
        let [sm3, sha256] = keys;
        command.arg(&folder).args(["--sm3", &sm3, "--sha256", &sha256, "--witness", &Log::witness().to_vkey()]);
        let roots = TreeHash::ALL.map(|hash| hex(&log.frontier(hash).0.root()));
        (said(command), format!("ok {} {} {}", log.entries.len(), roots[0], roots[1]))
    };
    let keys = |log: &Log| TreeHash::ALL.map(|hash| log.key(hash).to_vkey());
    let fresh = |log: &Log| {
        // Of an earlier run.
        let _ = fs::remove_dir_all(&folder);
        log.write(&folder);
    };
    fresh(&log);
    let (found, expected) = check(&log, keys(&log));
    assert_eq!(found, expected);

    // Smaller from here on, so that the table is quick.
    let small = Log { origin: log.origin, entries: log.entries[..1000].to_vec() };
    let change = |path: &str, edit: &dyn Fn(&mut Vec<u8>)| {
        let mut octets = fs::read(folder.join(path)).unwrap();
        edit(&mut octets);
        fs::write(folder.join(path), octets).unwrap();
    };
    type Edit<'a> = (&'a str, &'a dyn Fn(&mut Vec<u8>), &'a str);
    let edits: [Edit<'_>; 7] = [
        ("sm3/tile/entries/002", &|octets| octets[41 * 3 + 20] ^= 1, "entry 515: sm3 differs at level 0"),
        ("sha256/tile/0/003.p/232", &|octets| octets[32 * 7] ^= 1, "entry 775: sha256 differs at level 0"),
        ("sm3/tile/1/000.p/3", &|octets| octets[32] ^= 1, "entry 256: sm3 differs at level 1"),
        ("sm3/tile/entries/002", &|octets| drop(octets.drain(41..82)), "entry 767: the bundle has 255 entries"),
        ("sm3/tile/entries/002", &|octets| octets.rotate_left(41), "entry 512: sm3 differs at level 0"),
        ("sm3/checkpoint", &|octets| octets[19] ^= 1, "refused: the signature of log.example/python/sm3 is wrong"),
        (
            "sha256/checkpoint",
            &|octets| octets[22] ^= 1,
            "refused: the signature of log.example/python/sha256 is wrong",
        ),
    ];
    for (path, edit, expected) in edits {
        fresh(&small);
        change(path, edit);
        assert_eq!(check(&small, keys(&small)).0, expected, "{path}");
    }
    fresh(&small);
    assert!(check(&small, keys(&small)).0.starts_with("ok 1000 "));
    fs::remove_file(folder.join("sm3/tile/entries/001")).unwrap();
    assert_eq!(check(&small, keys(&small)).0, "entry 256: sm3/tile/entries/001 is missing");
    // The heads of a log that goes on otherwise: the trees disagree about the size, or about an entry.
    fresh(&small);
    let longer = Log { origin: log.origin, entries: log.entries[..1001].to_vec() };
    fs::write(folder.join("sm3/checkpoint"), longer.checkpoint(TreeHash::Sm3)).unwrap();
    assert_eq!(check(&small, keys(&small)).0, "entry 1000: the trees have other sizes");
    let mut swapped = Log { origin: log.origin, entries: small.entries.clone() };
    swapped.entries.swap(600, 601);
    fresh(&swapped);
    fs::rename(folder.join("sm3"), folder.join("kept")).unwrap();
    small.write(&folder);
    fs::remove_dir_all(folder.join("sm3")).unwrap();
    fs::rename(folder.join("kept"), folder.join("sm3")).unwrap();
    assert_eq!(check(&small, keys(&small)).0, "entry 600: the trees have different entries");
    // Another's keys under the same names, and the same keys under other names.
    let stranger = sm2::PrivateKey::from_bytes(&[0x13; 32]).unwrap();
    let other = Verifier::of_log(&TreeHash::Sm3.origin(log.origin), &Signer::public_key(&stranger)).unwrap();
    let refused = "refused: no signature of log.example/python/sm3";
    assert_eq!(check(&small, [other.to_vkey(), keys(&small)[1].clone()]).0, refused);
    let elsewhere = Log { origin: "log.example/elsewhere", entries: Vec::new() };
    assert_eq!(check(&small, keys(&elsewhere)).0, "refused: no signature of log.example/elsewhere/sm3");
}
