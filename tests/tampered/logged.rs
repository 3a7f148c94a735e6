//! Seals made with stolen keys, and the log that exposes them: each value of the axis *logged*, in the library and from the
//! program; proofs that are wrong in every way.

#[path = "../material/trust_list.rs"]
mod trust_list;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use yinxin::base::id::{KeyId, SealId, SignatureId};
use yinxin::base::random::SystemRandom;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::{Signer, ed25519, sm2};
use yinxin::domain::audit::checkpoint::{Verifier, checkpoint_text};
use yinxin::domain::audit::tree::{Hash, TreeHash};
use yinxin::domain::audit::{Actor, Entry, Event, EventBody, Salt};
use yinxin::domain::trust::{AlgorithmPolicy, CheckedList};
use yinxin::domain::verify::{Evidence, LogProofRefused};
use yinxin::format::tlog::{LogProof, Note, SignatureLine};
use yinxin::format::trust_list::{ListedAnchor, SignerIdRule, TrustUse};

use crate::bench::{Bench, SEAL, VALUE, at, basic, certificate};
use crate::evidence::{fresh_list, time_stamp};
use trust_list::signed_list;

pub(crate) const NOW: &str = "2026-11-23T00:00:00Z";

/// A log of two trees whose keys are test keys, worth nothing.
pub(crate) struct Log {
    pub(crate) origin: &'static str,
    seed: u8,
    pub(crate) events: Vec<(Event, Salt)>,
}

impl Log {
    pub(crate) fn new(origin: &'static str, seed: u8) -> Self {
        let mut log = Self { origin, seed, events: Vec::new() };
        log.add(EventBody::ServiceStarted { version: "0.1.0".into() });
        log
    }

    fn add(&mut self, body: EventBody) -> usize {
        let salt = [u8::try_from(self.events.len()).unwrap(); 32];
        self.events.push((Event { at: at("2025-06-01T02:03:05Z"), actor: Actor::Operator, request: None, body }, salt));
        self.events.len() - 1
    }

    fn add_seal(&mut self, seal: &[u8]) -> usize {
        let (id, maker) = (SealId::parse("seal-1").unwrap(), KeyId::parse("k-1").unwrap());
        self.add(EventBody::SealIssued { seal: id, seal_sm3: sm3(seal), maker, signer: None })
    }

    fn add_signature(&mut self, value: &[u8]) -> usize {
        self.add(EventBody::DocumentSigned {
            signature: SignatureId::parse("s-1").unwrap(),
            seal: SealId::parse("seal-1").unwrap(),
            document_sm3: [1; 32],
            signed_value_sm3: sm3(value),
            result_sm3: [2; 32],
        })
    }

    pub(crate) fn signer(&self, tree: TreeHash) -> Box<dyn Signer> {
        match tree {
            TreeHash::Sm3 => Box::new(sm2::PrivateKey::from_bytes(&[self.seed; 32]).unwrap()),
            TreeHash::Sha256 => Box::new(ed25519::PrivateKey::from_bytes(&[self.seed; 32]).unwrap()),
        }
    }

    pub(crate) fn key(&self, tree: TreeHash) -> Verifier {
        Verifier::of_log(&tree.origin(self.origin), &self.signer(tree).public_key()).unwrap()
    }

    fn leaves(&self, tree: TreeHash) -> Vec<Hash> {
        let leaf = |(event, salt): &(Event, Salt)| tree.leaf(&Entry::of(event, salt).unwrap().to_octets());
        self.events.iter().map(leaf).collect()
    }

    fn note(&self, tree: TreeHash) -> String {
        let leaves = self.leaves(tree);
        let size = u64::try_from(leaves.len()).unwrap();
        let text = checkpoint_text(self.origin, tree, size, &root(tree, &leaves));
        let key = self.key(tree);
        let line = key.sign(&text, self.signer(tree).as_ref(), &SystemRandom).unwrap();
        Note::write(&text, &[line]).unwrap()
    }

    /// A proof whose checkpoint witnesses cosigned, each at its time.
    pub(crate) fn proof_seen(&self, tree: TreeHash, index: usize, seen: &[(&Witness, &str)]) -> String {
        let note = self.note(tree);
        let read = Note::parse(note.as_bytes()).unwrap();
        let mut lines = read.signatures.clone();
        let cosigned = seen.iter().map(|(by, when)| by.key.cosign(read.text, at(when), &by.signer, &SystemRandom));
        lines.extend(cosigned.map(Result::unwrap));
        let path = path(tree, index, &self.leaves(tree));
        let note = Note::write(read.text, &lines).unwrap();
        LogProof::write(Some(&self.extra(index)), u64::try_from(index).unwrap(), &path, &note)
    }

    pub(crate) fn extra(&self, index: usize) -> Vec<u8> {
        let (event, salt) = &self.events[index];
        [salt.as_slice(), &event.to_der()].concat()
    }

    pub(crate) fn proof(&self, tree: TreeHash, index: usize) -> String {
        let path = path(tree, index, &self.leaves(tree));
        LogProof::write(Some(&self.extra(index)), u64::try_from(index).unwrap(), &path, &self.note(tree))
    }
}

/// A witness whose key is a test key, worth nothing.
pub(crate) struct Witness {
    pub(crate) key: Verifier,
    signer: ed25519::PrivateKey,
}

impl Witness {
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        let signer = ed25519::PrivateKey::from_bytes(&[seed; 32]).unwrap();
        Self { key: Verifier::of_witness(name, &Signer::public_key(&signer)).unwrap(), signer }
    }
}

/// Leaves of the left subtree (RFC 6962 2.1).
fn left(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// MTH (RFC 6962 2.1).
fn root(tree: TreeHash, leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (first, second) = leaves.split_at(left(leaves.len()));
    tree.node(&root(tree, first), &root(tree, second))
}

/// PATH (RFC 6962 2.1.1).
fn path(tree: TreeHash, index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let half = left(leaves.len());
    let (first, second) = leaves.split_at(half);
    let (mut below, sibling) = match index.checked_sub(half) {
        None => (path(tree, index, first), root(tree, second)),
        Some(index) => (path(tree, index, second), root(tree, first)),
    };
    below.push(sibling);
    below
}

/// A document that was sealed by the service and one that was sealed beside it, by whoever stole the keys of maker and
/// signer. The log holds what the service did.
pub(crate) struct Theft {
    pub(crate) log: Log,
    pub(crate) genuine: Bench,
    pub(crate) forged: Bench,
    /// The index of the genuine seal's event.
    pub(crate) seal: usize,
    /// The index of the genuine signature's event.
    pub(crate) signature: usize,
}

impl Theft {
    pub(crate) fn new(policy: &str) -> Self {
        let [mut genuine, mut forged] = [basic(), basic()];
        forged.plan.name = "另一枚印章";
        for bench in [&mut genuine, &mut forged] {
            bench.seal_again();
            bench.policy(policy);
            bench.crls.push(fresh_list());
        }
        let mut log = Log::new("log.example/audit", 0x12);
        let seal = log.add_seal(genuine.pack.get(SEAL));
        let signature = log.add_signature(genuine.pack.get(VALUE));
        log.add(EventBody::ServiceStarted { version: "0.1.1".into() });
        log.add(EventBody::ServiceStarted { version: "0.1.2".into() });
        Self { log, genuine, forged, seal, signature }
    }
}

pub(crate) fn judged(bench: &Bench) -> Value {
    serde_json::to_value(bench.judge("file")).unwrap()
}

/// Indication, sub-indication and code of the verdict; status and code of the axis.
pub(crate) fn told(report: &Value) -> [Value; 5] {
    let signature = &report["signatures"][0];
    let axis = &signature["logged"];
    assert!(!axis["detail_zh"].as_str().unwrap().is_ascii(), "{axis}");
    [&signature["indication"], &signature["sub_indication"], &signature["code"], &axis["status"], &axis["code"]]
        .map(Clone::clone)
}

pub(crate) fn passed(status: &str, code: &str) -> [Value; 5] {
    [json!("TOTAL_PASSED"), Value::Null, json!("passed"), json!(status), json!(code)]
}

pub(crate) fn exposed(status: &str, code: &str) -> [Value; 5] {
    let verdict = [json!("INDETERMINATE"), json!("SIG_CONSTRAINTS_FAILURE"), json!("receipt-missing")];
    let [indication, sub, why] = verdict;
    [indication, sub, why, json!(status), json!(code)]
}

#[test]
fn a_seal_made_with_a_stolen_key_is_exposed_by_the_log() {
    for tree in TreeHash::ALL {
        let Theft { log, mut genuine, mut forged, seal, signature } = Theft::new("strict");
        // Nothing is wrong with it but that the maker never made it.
        assert_eq!(told(&judged(&forged)), passed("not_applicable", "not-in-log"));
        for bench in [&mut genuine, &mut forged] {
            bench.log_keys.push(log.key(tree));
            assert_eq!(told(&judged(bench)), exposed("unknown", "receipt-missing"));
            bench.log_proofs.push(log.proof(tree, signature));
        }
        let report = judged(&genuine);
        assert_eq!(told(&report), passed("ok", "in-log"));
        let axis = &report["signatures"][0]["logged"];
        let place = format!("the signature is in the log log.example/audit/{tree}, as leaf 2 of 5");
        assert_eq!(axis["detail"], format!("{place}; that its seal was issued is not proven"));
        assert_eq!(axis["evidence"], json!([format!("log log.example/audit/{tree}"), "leaf 2", "tree size 5"]));
        assert_eq!(report["trust"]["log_keys"], json!([log.key(tree).to_vkey()]));

        genuine.log_proofs.push(log.proof(tree, seal));
        let axis = &judged(&genuine)["signatures"][0]["logged"];
        assert_eq!(axis["detail"], format!("{place}; that its seal was issued is proven too, as leaf 1"));
        assert_eq!(axis["evidence"][3], format!("seal: log log.example/audit/{tree}, leaf 1, tree size 5"));
        let zh = format!("已登记在审计日志 log.example/audit/{tree} 中，叶序号 2，树的大小为 5；其印章的登记也有证明");
        assert_eq!(axis["detail_zh"], zh);

        // Proofs of what the service did do say nothing of what the thief did.
        forged.log_proofs.push(log.proof(tree, seal));
        let report = judged(&forged);
        assert_eq!(told(&report), exposed("unknown", "receipt-missing"));
        let reason = "policy strict asks for a proof of a log: no proof that the signature is in a known log is at hand; \
                      that its seal was issued is not proven";
        assert_eq!(report["signatures"][0]["reason"], reason);
        assert_eq!(report["signatures"][0]["reasons"].as_array().unwrap().len(), 1);
        assert_eq!(report["warnings"], json!([]));
        // A policy that only tells, tells.
        forged.policy("default");
        assert_eq!(told(&judged(&forged)), passed("unknown", "receipt-missing"));

        // The same of the seals alone.
        for (bench, expected) in
            [(&mut genuine, passed("ok", "in-log")), (&mut forged, exposed("unknown", "receipt-missing"))]
        {
            bench.policy("strict");
            bench.bytes = Some(bench.pack.get(SEAL).to_vec());
            assert_eq!(told(&judged(bench)), expected);
        }
    }
}

/// A proof of the genuine signature, changed, beside the genuine document.
fn with(change: impl FnOnce(&mut Theft) -> String) -> Value {
    let mut theft = Theft::new("default");
    theft.genuine.log_keys = TreeHash::ALL.map(|tree| theft.log.key(tree)).to_vec();
    let proof = change(&mut theft);
    theft.genuine.log_proofs.push(proof);
    judged(&theft.genuine)
}

#[test]
fn a_wrong_proof_proves_nothing_and_harms_nothing() {
    let right = |theft: &Theft| theft.log.proof(TreeHash::Sm3, theft.signature);
    assert_eq!(told(&with(|theft| right(theft))), passed("ok", "in-log"));

    let wrong = |why: &str, report: &Value| {
        assert_eq!(told(report), passed("failed", "log-proof-wrong"), "{why}");
        let detail = &report["signatures"][0]["logged"]["detail"];
        assert_eq!(detail, &format!("the proof of log log.example/audit/sm3 is wrong: {why}"));
        let warning = &report["warnings"][0];
        assert_eq!((&warning["code"], &warning["detail"]), (&json!("log-proof-wrong"), detail));
        assert_eq!(warning["detail_zh"], "审计日志的证明不正确");
    };
    let other_root = "the proof leads to another root (RFC 9162 2.1.3.2, 2.1.4.2)";
    let length = "the proof has more or fewer hashes than the sizes ask for (RFC 9162 2.1.3.2, 2.1.4.2)";
    let remade = |theft: &Theft, index: u64, change: &dyn Fn(&mut Vec<Hash>), note: &str| {
        let mut hashes = path(TreeHash::Sm3, theft.signature, &theft.log.leaves(TreeHash::Sm3));
        change(&mut hashes);
        LogProof::write(Some(&theft.log.extra(theft.signature)), index, &hashes, note)
    };
    let note = |theft: &Theft| theft.log.note(TreeHash::Sm3);
    wrong(other_root, &with(|theft| remade(theft, 2, &|hashes| hashes[0][0] ^= 1, &note(theft))));
    wrong(other_root, &with(|theft| remade(theft, 3, &|_| {}, &note(theft))));
    wrong(length, &with(|theft| remade(theft, 2, &|hashes| hashes.truncate(1), &note(theft))));
    wrong(length, &with(|theft| remade(theft, 2, &|hashes| hashes.push([0; 32]), &note(theft))));
    wrong("there is no such leaf or earlier size: 5 of 5", &with(|theft| remade(theft, 5, &|_| {}, &note(theft))));
    wrong(
        "the signature of log.example/audit/sm3 is wrong (C2SP signed-note, signatures)",
        &with(|theft| remade(theft, 2, &|_| {}, &note(theft).replace("\n5\n", "\n6\n"))),
    );
    // Another salt, and an event of somebody else's that is made to name this signature.
    wrong(
        other_root,
        &with(|theft| {
            let at = theft.signature;
            theft.log.events[at].1 = [9; 32];
            let extra = theft.log.extra(at);
            theft.log.events[at].1 = [2; 32];
            let hashes = path(TreeHash::Sm3, at, &theft.log.leaves(TreeHash::Sm3));
            LogProof::write(Some(&extra), 2, &hashes, &theft.log.note(TreeHash::Sm3))
        }),
    );

    // Beside a right one it is told all the same, and decides nothing.
    let report = with(|theft| {
        let wrong = remade(theft, 3, &|_| {}, &note(theft));
        theft.genuine.log_proofs = vec![wrong.clone(), wrong];
        right(theft)
    });
    assert_eq!(told(&report), passed("ok", "in-log"));
    assert_eq!(report["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn a_log_speaks_for_itself_alone() {
    let unknown = passed("unknown", "log-unknown");
    // No key is known; another log's; another key under the same name; a known log's that signs for this origin.
    let stranger = |theft: &Theft| theft.log.proof(TreeHash::Sm3, theft.signature);
    assert_eq!(told(&with(|theft| (theft.genuine.log_keys.clear(), stranger(theft)).1)), unknown);
    let other = Log::new("other.example/audit", 0x13);
    let keys = |log: &Log| TreeHash::ALL.map(|tree| log.key(tree)).to_vec();
    assert_eq!(told(&with(|theft| (theft.genuine.log_keys = keys(&other), stranger(theft)).1)), unknown);
    let namesake = Log::new("log.example/audit", 0x14);
    assert_eq!(told(&with(|theft| (theft.genuine.log_keys = keys(&namesake), stranger(theft)).1)), unknown);
    let report = with(|theft| {
        theft.genuine.log_keys = keys(&other);
        let text = theft.log.note(TreeHash::Sm3);
        let text = text.split_once("\n\n").unwrap().0.to_owned() + "\n";
        let (key, signer) = (other.key(TreeHash::Sm3), other.signer(TreeHash::Sm3));
        let line = key.signature_line(&signer.sign(text.as_bytes(), &SystemRandom).unwrap());
        let note = Note::write(&text, &[line]).unwrap();
        let hashes = path(TreeHash::Sm3, theft.signature, &theft.log.leaves(TreeHash::Sm3));
        LogProof::write(Some(&theft.log.extra(theft.signature)), 2, &hashes, &note)
    });
    assert_eq!(told(&report), unknown);
    let detail = "there is a proof for the signature, of the log log.example/audit/sm3, and no known key signed it";
    assert_eq!(report["signatures"][0]["logged"]["detail"], detail);

    // An origin that names no tree, with the key that its log has.
    let report = with(|theft| {
        let signer = theft.log.signer(TreeHash::Sm3);
        let key = Verifier::of_log("log.example/other", &signer.public_key()).unwrap();
        let text = theft.log.note(TreeHash::Sm3);
        let text = text.split_once("\n\n").unwrap().0.replace("log.example/audit/sm3", "log.example/other") + "\n";
        let line: SignatureLine<'_> = key.signature_line(&signer.sign(text.as_bytes(), &SystemRandom).unwrap());
        let note = Note::write(&text, &[line]).unwrap();
        theft.genuine.log_keys.push(key.clone());
        LogProof::write(Some(&theft.log.extra(theft.signature)), 2, &[], &note)
    });
    assert_eq!(told(&report), passed("failed", "log-proof-wrong"));

    // Events of another kind that hold the same digest: an order to sign, a document of that digest.
    let report = with(|theft| {
        let named = sm3(theft.genuine.pack.get(VALUE));
        let index = theft.log.add(EventBody::DocumentSigned {
            signature: SignatureId::parse("s-2").unwrap(),
            seal: SealId::parse("seal-1").unwrap(),
            document_sm3: named,
            signed_value_sm3: [3; 32],
            result_sm3: named,
        });
        theft.log.proof(TreeHash::Sm3, index)
    });
    assert_eq!(told(&report), passed("unknown", "receipt-missing"));
}

#[test]
fn certificates_and_time_stamps_are_found_by_their_events() {
    let signer = certificate("signer.pem");
    let token = time_stamp(b"stamped");
    let list = fresh_list();
    let mut log = Log::new("log.example/audit", 0x12);
    let issued = log.add(EventBody::CertificateIssued {
        serial: vec![1],
        issuer_sm3: [1; 32],
        certificate_sm3: sm3(&signer),
        key: None,
    });
    let items = [&[7; 48][..], &[8; 16], &sm3(&token)].concat();
    let stamped = log.add(EventBody::TimeStampsIssued { certificate_sm3: [1; 32], items });
    for (octets, event, name) in [(signer, issued, "certificate"), (token, stamped, "time stamp")] {
        let mut bench = basic();
        bench.crls.push(list.clone());
        bench.policy("strict");
        bench.bytes = Some(octets);
        bench.log_keys.push(log.key(TreeHash::Sha256));
        let missing = judged(&bench);
        let axis = &missing["signatures"][0]["logged"];
        assert_eq!(axis["detail"], format!("no proof that the {name} is in a known log is at hand"));
        // The policy asks for seals and their uses; certificates and time stamps are told.
        let reasons = missing["signatures"][0]["reasons"].as_array().unwrap();
        assert!(reasons.iter().all(|reason| reason["code"] != "receipt-missing"), "{missing}");
        bench.log_proofs.push(log.proof(TreeHash::Sha256, event));
        let axis = &judged(&bench)["signatures"][0]["logged"];
        let expected = format!("the {name} is in the log log.example/audit/sha256, as leaf {event} of 3");
        assert_eq!((&axis["code"], &axis["detail"]), (&json!("in-log"), &json!(expected)));
    }
}

/// A trust list that trusts the authority of the test keys for seals, and says in which logs must be what is issued below it.
pub(crate) fn listing(logs: Vec<String>, name: &str) -> CheckedList {
    listing_of(certificate("ca.pem"), logs, name)
}

/// A trust list that trusts the authority of the test keys for these uses.
pub(crate) fn listing_for(uses: &[TrustUse]) -> CheckedList {
    listed(certificate("ca.pem"), Vec::new(), "uses", uses)
}

fn listing_of(certificate: Vec<u8>, logs: Vec<String>, name: &str) -> CheckedList {
    listed(certificate, logs, name, &[TrustUse::SealMaking, TrustUse::SealSigning])
}

fn listed(certificate: Vec<u8>, logs: Vec<String>, name: &str, uses: &[TrustUse]) -> CheckedList {
    let now = at(NOW);
    let anchor = ListedAnchor {
        certificate,
        from: None,
        logs,
        name: "root".into(),
        regions: Vec::new(),
        signer_id: SignerIdRule::Default,
        status: Vec::new(),
        until: None,
        uses: uses.to_vec(),
    };
    let signed = signed_list(name, anchor, now);
    CheckedList::check(signed, &AlgorithmPolicy::whatever_we_compute(), now).unwrap()
}

#[test]
fn who_is_asked_for_a_proof_a_trust_list_says() {
    for tree in TreeHash::ALL {
        let Theft { log, mut genuine, mut forged, seal, signature } = Theft::new("strict");
        let key = log.key(tree).to_vkey();
        let stranger = Log::new("other.example/audit", 0x13);
        for bench in [&mut genuine, &mut forged] {
            bench.anchors.clear();
            // No list names a log: nobody is asked, and nothing is said of logs.
            bench.lists = vec![listing(Vec::new(), "silent")];
            assert_eq!(told(&judged(bench)), passed("not_applicable", "not-in-log"));
            // This one says that the issuer logs.
            bench.lists = vec![listing(vec![key.clone()], "telling")];
            assert_eq!(told(&judged(bench)), exposed("unknown", "receipt-missing"));
            bench.log_proofs = vec![log.proof(tree, signature), log.proof(tree, seal)];
        }
        let report = judged(&genuine);
        assert_eq!(told(&report), passed("ok", "in-log"));
        let place = format!("the signature is in the log log.example/audit/{tree}, as leaf 2 of 5");
        let detail = format!("{place}; that its seal was issued is proven too, as leaf 1");
        assert_eq!(report["signatures"][0]["logged"]["detail"], detail);
        assert_eq!(told(&judged(&forged)), exposed("unknown", "receipt-missing"));
        forged.policy("default");
        assert_eq!(told(&judged(&forged)), passed("unknown", "receipt-missing"));
        forged.policy("strict");

        // By the keys that stand in the list and no others: a thief's log proves nothing.
        genuine.lists = vec![listing(vec![stranger.key(tree).to_vkey()], "other")];
        assert_eq!(told(&judged(&genuine)), exposed("unknown", "log-unknown"));

        // Its anchor logs, and this one's, which is another entry's, does not: it is not asked, though some are.
        let elsewhere = listing_of(certificate("rsa_ca.pem"), vec![key.clone()], "elsewhere");
        for bench in [&mut genuine, &mut forged] {
            bench.anchors = vec![certificate("ca.pem")];
            bench.lists = vec![elsewhere.clone()];
            bench.log_proofs.clear();
            let report = judged(bench);
            assert_eq!(told(&report), passed("not_applicable", "log-not-asked"));
            let zh = "信任列表未要求其签发机构登记审计日志，未查询";
            assert_eq!(report["signatures"][0]["logged"]["detail_zh"], zh);
            // A key that the caller names asks every one.
            bench.log_keys = vec![log.key(tree)];
            assert_eq!(told(&judged(bench)), exposed("unknown", "receipt-missing"));
            bench.log_keys.clear();
            // The seal alone, whose maker's path ends at the anchor.
            bench.bytes = Some(bench.pack.get(SEAL).to_vec());
            assert_eq!(told(&judged(bench)), passed("not_applicable", "log-not-asked"));
            bench.anchors.clear();
            bench.lists = vec![listing(vec![key.clone()], "telling")];
            assert_eq!(told(&judged(bench)), exposed("unknown", "receipt-missing"));
            bench.log_proofs = vec![log.proof(tree, seal)];
        }
        assert_eq!(told(&judged(&genuine)), passed("ok", "in-log"));
        assert_eq!(told(&judged(&forged)), exposed("unknown", "receipt-missing"));
    }
}

#[test]
fn what_opens_no_event_is_no_proof() {
    let log = Log::new("log.example/audit", 0x12);
    let note = log.note(TreeHash::Sm3);
    let refused = |extra: Option<&[u8]>| {
        let proof = LogProof::write(extra, 0, &[], &note);
        Evidence::none().add_log_proof(proof.as_bytes()).unwrap_err()
    };
    assert_eq!(refused(None), LogProofRefused::NotOpened);
    assert_eq!(refused(Some(&[0; 31])), LogProofRefused::NotOpened);
    assert!(matches!(refused(Some(&[0; 40])), LogProofRefused::Event(_)));
    assert!(matches!(Evidence::none().add_log_proof(b"c2sp"), Err(LogProofRefused::Format(_))));
    let mut full = Evidence::none();
    let proof = log.proof(TreeHash::Sm3, 0);
    for _ in 0..256 {
        full.add_log_proof(proof.as_bytes()).unwrap();
    }
    assert_eq!(full.add_log_proof(proof.as_bytes()), Err(LogProofRefused::TooMany { limit: 256 }));
}

fn folder() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("logged");
    let _ = fs::remove_dir_all(&path);
    for name in ["genuine", "forged"] {
        fs::create_dir_all(path.join(name)).unwrap();
    }
    path
}

pub(crate) fn verify(place: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinxin"));
    let anchors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys/ca.pem");
    command.current_dir(place).args(["verify", "--json", "--at", NOW, "--policy", "strict", "--evidence", "list.crl"]);
    command.arg("--trust").arg(anchors).args(arguments).output().unwrap()
}

#[test]
fn the_program_says_each_value_and_again_from_what_it_kept() {
    let place = folder();
    let Theft { log, genuine, forged, seal, signature } = Theft::new("strict");
    fs::write(place.join("genuine.ofd"), genuine.pack.to_bytes()).unwrap();
    fs::write(place.join("forged.ofd"), forged.pack.to_bytes()).unwrap();
    fs::write(place.join("list.crl"), fresh_list()).unwrap();
    let keys: String = TreeHash::ALL.map(|tree| format!("{}\n", log.key(tree).to_vkey())).concat();
    fs::write(place.join("keys"), &keys).unwrap();
    for (name, index) in [("genuine/2.sm3.tlog-proof", signature), ("genuine/1.sm3.tlog-proof", seal)] {
        fs::write(place.join(name), log.proof(TreeHash::Sm3, index)).unwrap();
    }
    // The thief's own proof: the log's event of the genuine signature, made to name the forged one.
    let mut own = Log { events: log.events.clone(), ..log };
    let EventBody::DocumentSigned { signed_value_sm3, .. } = &mut own.events[signature].0.body else { panic!() };
    *signed_value_sm3 = sm3(forged.pack.get(VALUE));
    let extra = own.extra(signature);
    let hashes = path(TreeHash::Sm3, signature, &log.leaves(TreeHash::Sm3));
    let made = LogProof::write(Some(&extra), 2, &hashes, &log.note(TreeHash::Sm3));
    fs::write(place.join("forged/2.sm3.tlog-proof"), made).unwrap();
    own.seed = 0x33;
    fs::write(place.join("own.tlog-proof"), own.proof(TreeHash::Sm3, signature)).unwrap();
    let other = Log::new("other.example/audit", 0x13).key(TreeHash::Sm3).to_vkey();

    let says = |arguments: &[&str], code: i32, expected: [Value; 5]| {
        let output = verify(&place, arguments);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{complaint}"));
        assert_eq!(told(&report), expected, "{arguments:?}: {report}");
        assert_eq!((output.status.code(), complaint.as_str()), (Some(code), ""), "{arguments:?}");
        output.stdout
    };
    let known = ["--log-key", "keys"];
    says(&["forged.ofd"], 0, passed("not_applicable", "not-in-log"));
    says(&["genuine.ofd", "--evidence", "genuine"], 0, passed("unknown", "log-unknown"));
    says(&["genuine.ofd", "--evidence", "genuine", "--log-key", &other], 2, exposed("unknown", "log-unknown"));
    says(&[&["genuine.ofd", "--evidence", "genuine"], &known[..]].concat(), 0, passed("ok", "in-log"));
    says(&[&["forged.ofd", "--evidence", "genuine"], &known[..]].concat(), 2, exposed("unknown", "receipt-missing"));
    says(&[&["forged.ofd", "--evidence", "forged"], &known[..]].concat(), 2, exposed("failed", "log-proof-wrong"));
    says(&[&["forged.ofd", "--evidence", "own.tlog-proof"], &known[..]].concat(), 2, exposed("unknown", "log-unknown"));

    // The evidence holds proofs and keys: nothing else is asked again.
    let arguments = [&["genuine.ofd", "--evidence", "genuine", "--save-evidence", "kept"], &known[..]].concat();
    let first = says(&arguments, 0, passed("ok", "in-log"));
    for gone in ["genuine", "keys", "list.crl"] {
        let path = place.join(gone);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    assert_eq!(fs::read_to_string(place.join("kept/log-keys.txt")).unwrap(), keys);
    let index: Value = serde_json::from_slice(&fs::read(place.join("kept/evidence.json")).unwrap()).unwrap();
    assert_eq!(index["log_keys"], "log-keys.txt");
    let replay = index["replay"].as_str().unwrap().replacen("yinxin", env!("CARGO_BIN_EXE_yinxin"), 1);
    let again = Command::new("sh").current_dir(&place).args(["-c", &replay]).output().unwrap();
    assert_eq!(again.stdout, first, "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn keys_and_proofs_that_cannot_be_used_are_named() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("logged-misuse");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("list.crl"), fresh_list()).unwrap();
    fs::write(place.join("odd.tlog-proof"), "c2sp.org/tlog-proof@v1\nindex 0\n").unwrap();
    let refused = |arguments: &[&str], code: i32, begins: &str, ends: &str| {
        let output = verify(&place, &[&["x"], arguments].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.starts_with(begins) && said.ends_with(&format!(" ({ends})\n")), "{said}");
    };
    refused(&["--log-key", "absent"], 66, "error: absent cannot be read: ", "log-key-unreadable");
    refused(
        &["--log-key", "a/sm3+00000000+AAAA"],
        64,
        "error: a/sm3+00000000+AAAA is no verifier key: ",
        "log-key-malformed",
    );
    let witness = ed25519::PrivateKey::from_bytes(&[0x21; 32]).unwrap();
    let witness = Verifier::of_witness("witness.example/w1", &Signer::public_key(&witness)).unwrap().to_vkey();
    let says = "error: witness.example/w1 is the key of a witness";
    refused(&["--log-key", &witness], 64, says, "log-key-of-witness");
    let says = "error: odd.tlog-proof holds a proof of a log that cannot be read: ";
    refused(&["--evidence", "odd.tlog-proof"], 64, says, "evidence-malformed");
}
