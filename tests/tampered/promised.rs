//! Receipts as evidence: what a log has promised is told while its moment is ahead, proves nothing behind it, and is believed by
//! the log's own key and with its own opening alone.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use yinxin::base::random::SystemRandom;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::EventBody;
use yinxin::domain::audit::entry::Entry;
use yinxin::domain::audit::promise::{Promise, PromiseError};
use yinxin::domain::audit::tree::TreeHash;
use yinxin::domain::verify::policy::Promised;
use yinxin::domain::verify::{Evidence, LogProofRefused};
use yinxin::format::tlog::{Note, Receipt};

use crate::bench::{SEAL, VALUE, at};
use crate::evidence::fresh_list;
use crate::logged::{Log, NOW, Theft, exposed, judged, passed, told, verify};

/// A minute behind [`NOW`].
const BEFORE: &str = "2026-11-23T00:01:00Z";

/// The log's receipt of an event, with its opening; `change` is made to what is promised.
fn receipt_with(log: &Log, index: usize, change: impl FnOnce(&mut Promise)) -> String {
    let (event, salt) = &log.events[index];
    let mut promise = Promise {
        origin: TreeHash::Sm3.origin(log.origin),
        index: u64::try_from(index).unwrap(),
        entry: Entry::of(event, salt).unwrap(),
        before: at(BEFORE),
    };
    change(&mut promise);
    let text = promise.to_text();
    let key = log.key(TreeHash::Sm3);
    let line = key.sign(&text, log.signer(TreeHash::Sm3).as_ref(), &SystemRandom).unwrap();
    Receipt::write(&Note::write(&text, &[line]).unwrap(), Some(&log.extra(index)))
}

fn receipt(log: &Log, index: usize) -> String {
    receipt_with(log, index, |_| {})
}

#[test]
fn a_promise_is_told_until_it_is_due_and_is_no_proof_behind_it() {
    let Theft { log, mut genuine, mut forged, seal, signature } = Theft::new("strict");
    for bench in [&mut genuine, &mut forged] {
        bench.log_keys.push(log.key(TreeHash::Sm3));
        bench.log_proofs = vec![receipt(&log, signature), receipt(&log, seal)];
    }
    // A promise is not enough where everything must be proven.
    let report = judged(&genuine);
    assert_eq!(told(&report), exposed("unknown", "promised"));
    let axis = &report["signatures"][0]["logged"];
    let detail = format!("the log log.example/audit/sm3 has promised to hold the signature as leaf 2 before {BEFORE}");
    assert_eq!(axis["detail"], detail);
    assert_eq!(axis["evidence"], json!(["log log.example/audit/sm3", "leaf 2", format!("before {BEFORE}")]));
    let zh = format!("审计日志 log.example/audit/sm3 承诺在 {BEFORE} 之前将其登记为第 2 号叶；尚未到期，承诺不是证明");
    assert_eq!(axis["detail_zh"], zh);
    // The same at any other moment ahead; from the very moment on the word is due.
    for (now, code) in [
        ("2026-11-23T00:00:59Z", "promised"),
        (BEFORE, "receipt-unredeemed"),
        ("2026-11-23T00:01:01Z", "receipt-unredeemed"),
    ] {
        genuine.now = at(now);
        assert_eq!(told(&judged(&genuine)), exposed("unknown", code), "{now}");
        genuine.policy("default");
        assert_eq!(told(&judged(&genuine)), passed("unknown", code), "{now}");
        genuine.policy("strict");
    }
    let axis = &judged(&genuine)["signatures"][0]["logged"];
    let due = format!(
        "the log log.example/audit/sm3 promised to hold the signature as leaf 2 before {BEFORE}, which is past: no proof that \
         it does is at hand"
    );
    assert_eq!(axis["detail"], due);
    let zh =
        format!("审计日志 log.example/audit/sm3 承诺在 {BEFORE} 之前将其登记为第 2 号叶；期限已过，没有登记的证明");
    assert_eq!(axis["detail_zh"], zh);

    // A proof beside it decides, at any moment; another promise that is not due does too.
    genuine.log_proofs.push(receipt_with(&log, signature, |promise| promise.before = at("2026-11-23T00:02:00Z")));
    assert_eq!(told(&judged(&genuine)), exposed("unknown", "promised"));
    genuine.log_proofs.push(log.proof(TreeHash::Sm3, signature));
    assert_eq!(told(&judged(&genuine)), passed("ok", "in-log"));
    // What the log promised of what the service did says nothing of what the thief did.
    assert_eq!(told(&judged(&forged)), exposed("unknown", "receipt-missing"));
}

/// A policy may take the log's word for what it need not hold yet; it never takes a word that is due.
#[test]
fn a_policy_says_whether_a_promise_is_enough() {
    let Theft { log, mut genuine, seal, signature, .. } = Theft::new("strict");
    genuine.log_keys.push(log.key(TreeHash::Sm3));
    genuine.log_proofs = vec![receipt(&log, signature), receipt(&log, seal)];
    genuine.policy.promised = Promised::Enough;
    for of_seal in [false, true] {
        if of_seal {
            genuine.bytes = Some(genuine.pack.get(SEAL).to_vec());
        }
        genuine.now = at(NOW);
        assert_eq!(told(&judged(&genuine)), passed("unknown", "promised"));
        genuine.now = at(BEFORE);
        assert_eq!(told(&judged(&genuine)), exposed("unknown", "receipt-unredeemed"));
    }
    genuine.now = at(NOW);
    genuine.log_proofs.clear();
    assert_eq!(told(&judged(&genuine)), exposed("unknown", "receipt-missing"));
}

#[test]
fn a_wrong_receipt_promises_nothing() {
    let with = |make: &dyn Fn(&Theft) -> String| {
        let mut theft = Theft::new("default");
        theft.genuine.log_keys = TreeHash::ALL.map(|tree| theft.log.key(tree)).to_vec();
        theft.genuine.log_proofs = vec![make(&theft)];
        judged(&theft.genuine)
    };
    assert_eq!(told(&with(&|theft| receipt(&theft.log, theft.signature))), passed("unknown", "promised"));
    let wrong = |why: &str, report: &Value| {
        assert_eq!(told(report), passed("failed", "log-proof-wrong"), "{why}");
        let detail = format!("the receipt of log log.example/audit/sm3 is wrong: {why}");
        assert_eq!(report["signatures"][0]["logged"]["detail"], detail);
        assert_eq!(
            (&report["warnings"][0]["code"], &report["warnings"][0]["detail"]),
            (&json!("log-proof-wrong"), &json!(detail))
        );
    };
    // Another moment than was signed.
    let signature = "the signature of log.example/audit/sm3 is wrong (C2SP signed-note, signatures)";
    let later = |theft: &Theft| {
        let (from, to) = (at(BEFORE).unix().to_string(), at("2030-01-01T00:00:00Z").unix().to_string());
        receipt(&theft.log, theft.signature).replacen(&from, &to, 1)
    };
    wrong(signature, &with(&later));
    // What was promised is another event: its opening is exchanged for one that names the signature.
    let exchanged = |theft: &Theft| {
        let promised = receipt(&theft.log, theft.seal);
        let (note, _) = promised.split_once("extra ").unwrap();
        Receipt::write(note, Some(&theft.log.extra(theft.signature)))
    };
    wrong("its salt and event are not those of the entry", &with(&exchanged));

    // Of a log that nobody knows, and by a key of nobody's under a name that is known.
    let unknown = passed("unknown", "log-unknown");
    let other = Log::new("other.example/audit", 0x13);
    let namesake = Log::new("log.example/audit", 0x14);
    for stranger in [&other, &namesake] {
        let made = |theft: &Theft| {
            let promised = |promise: &mut Promise| promise.entry = entry_of(theft, theft.signature);
            let text = receipt_with(stranger, 0, promised);
            let (note, _) = text.split_once("extra ").unwrap();
            Receipt::write(note, Some(&theft.log.extra(theft.signature)))
        };
        assert_eq!(told(&with(&made)), unknown);
    }
    // An event that names another thing.
    let of_another = |theft: &Theft| receipt(&theft.log, theft.seal);
    assert_eq!(told(&with(&of_another)), passed("unknown", "receipt-missing"));
}

fn entry_of(theft: &Theft, index: usize) -> Entry {
    let (event, salt) = &theft.log.events[index];
    Entry::of(event, salt).unwrap()
}

#[test]
fn what_promises_nothing_or_opens_nothing_is_refused() {
    let log = Log::new("log.example/audit", 0x12);
    let text = receipt(&log, 0);
    let (note, _) = text.split_once("extra ").unwrap();
    let refused = |text: &str| Evidence::none().add_log_receipt(text.as_bytes()).unwrap_err();
    assert_eq!(refused(note), LogProofRefused::NotOpened);
    assert_eq!(refused(&Receipt::write(note, Some(&[0; 31]))), LogProofRefused::NotOpened);
    assert!(matches!(refused(&Receipt::write(note, Some(&[0; 40]))), LogProofRefused::Event(_)));
    assert!(matches!(refused("yinxin promise v1\n"), LogProofRefused::Format(_)));
    let other = text.replacen("promise v1", "promise v2", 1);
    assert_eq!(refused(&other), LogProofRefused::Promise(PromiseError::Malformed));
    // Beyond what a clock shows.
    let late = text.replacen(&at(BEFORE).unix().to_string(), &i64::MAX.to_string(), 1);
    assert_eq!(refused(&late), LogProofRefused::Promise(PromiseError::Malformed));
    let mut full = Evidence::none();
    let proof = log.proof(TreeHash::Sm3, 0);
    for turn in 0..256 {
        let added =
            if turn % 2 == 0 { full.add_log_receipt(text.as_bytes()) } else { full.add_log_proof(proof.as_bytes()) };
        added.unwrap();
    }
    assert_eq!(full.add_log_receipt(text.as_bytes()), Err(LogProofRefused::TooMany { limit: 256 }));
}

/// The program takes receipts from a folder, and says the same again from what it kept.
#[test]
fn the_program_takes_receipts_and_says_the_same_again() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("promised");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(place.join("receipts")).unwrap();
    let Theft { log, genuine, forged, seal, signature } = Theft::new("strict");
    fs::write(place.join("genuine.ofd"), genuine.pack.to_bytes()).unwrap();
    fs::write(place.join("list.crl"), fresh_list()).unwrap();
    fs::write(place.join("receipts/1.receipt"), receipt(&log, seal)).unwrap();
    fs::write(place.join("receipts/2.receipt"), receipt(&log, signature)).unwrap();
    let key = log.key(TreeHash::Sm3).to_vkey();
    let said = |arguments: &[&str]| {
        let output = verify(&place, &[&["genuine.ofd", "--log-key", &key], arguments].concat());
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{complaint}"));
        (output.status.code(), told(&report), output.stdout)
    };
    let (code, first, octets) = said(&["--evidence", "receipts", "--save-evidence", "kept"]);
    assert_eq!((code, first), (Some(2), exposed("unknown", "promised")));
    let index: Value = serde_json::from_slice(&fs::read(place.join("kept/evidence.json")).unwrap()).unwrap();
    fs::remove_dir_all(place.join("receipts")).unwrap();
    let replay = index["replay"].as_str().unwrap().replacen("yinxin", env!("CARGO_BIN_EXE_yinxin"), 1);
    let again = std::process::Command::new("sh").current_dir(&place).args(["-c", &replay]).output().unwrap();
    assert_eq!(again.stdout, octets, "{}", String::from_utf8_lossy(&again.stderr));

    // The thief's own: the log's promise with an event that names the forged signature.
    let mut own = Log::new(log.origin, 0x12);
    own.events.clone_from(&log.events);
    let EventBody::DocumentSigned { signed_value_sm3, .. } = &mut own.events[signature].0.body else { panic!() };
    *signed_value_sm3 = sm3(forged.pack.get(VALUE));
    let promised = receipt(&log, signature);
    let (note, _) = promised.split_once("extra ").unwrap();
    fs::write(place.join("own.receipt"), Receipt::write(note, Some(&own.extra(signature)))).unwrap();
    fs::write(place.join("genuine.ofd"), forged.pack.to_bytes()).unwrap();
    let (code, first, _) = said(&["--evidence", "own.receipt"]);
    assert_eq!((code, first), (Some(2), exposed("failed", "log-proof-wrong")));

    fs::write(place.join("bare.receipt"), note).unwrap();
    let output = verify(&place, &["genuine.ofd", "--evidence", "bare.receipt"]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let says = "error: bare.receipt holds a receipt of a log that cannot be read: ";
    assert!(complaint.starts_with(says) && complaint.ends_with(" (evidence-malformed)\n"), "{complaint}");
}
