//! When a log proves that a seal was used: by the times of witnesses beside its checkpoint, before a revocation; and everything
//! that must not prove it.

use serde_json::{Value, json};
use yinxin::domain::audit::tree::TreeHash;
use yinxin::format::x509::crl::RevocationReason;

use crate::bench::Bench;
use crate::evidence::now_revoked;
use crate::logged::{Log, Theft, Witness, judged, listing};

/// The claimed time is 2025-06-01T02:03:04Z.
const REVOKED: &str = "2025-09-01T00:00:00Z";
const BEFORE: &str = "2025-06-01T02:05:00Z";
const LATER: &str = "2025-08-01T00:00:00Z";
const AFTER: &str = "2025-10-01T00:00:00Z";
const LOST: RevocationReason = RevocationReason::KeyCompromise;

fn one() -> Witness {
    Witness::new("witness.example/one", 0x31)
}

fn two() -> Witness {
    Witness::new("witness.example/two", 0x32)
}

/// A document whose signer was revoked later, and the log that holds its signature.
fn revoked_later(policy: &str) -> Theft {
    let mut theft = Theft::new(policy);
    now_revoked(&mut theft.genuine, "signer", REVOKED, LOST);
    theft
}

/// Sub-indication and code of the verdict, and the proved time.
fn verdict(bench: &Bench) -> (Value, String, Value) {
    let report = judged(bench);
    let signature = &report["signatures"][0];
    let code = signature["code"].as_str().unwrap().to_owned();
    (signature["sub_indication"].clone(), code, signature["details"]["proved_time"].clone())
}

fn refused() -> (Value, String, Value) {
    (json!("REVOKED_NO_POE"), "revoked-no-proof-of-time".to_owned(), Value::Null)
}

fn passed(at: &str) -> (Value, String, Value) {
    (Value::Null, "passed".to_owned(), json!(at))
}

/// What is judged with that proof, by a log and a witness that are known.
fn with(proof: impl FnOnce(&Theft) -> String) -> (Value, String, Value) {
    let mut theft = revoked_later("default");
    let proof = proof(&theft);
    theft.genuine.log_keys = vec![theft.log.key(TreeHash::Sm3), theft.log.key(TreeHash::Sha256), one().key];
    theft.genuine.log_proofs.push(proof);
    verdict(&theft.genuine)
}

#[test]
fn what_a_witness_saw_before_the_revocation_stays_valid() {
    assert_eq!(verdict(&revoked_later("default").genuine), refused());
    for tree in TreeHash::ALL {
        let proved = with(|theft| theft.log.proof_seen(tree, theft.signature, &[(&one(), BEFORE)]));
        assert_eq!(proved, passed(BEFORE), "{tree}");
    }
    let mut theft = revoked_later("default");
    theft.genuine.log_keys = vec![theft.log.key(TreeHash::Sm3), one().key];
    theft.genuine.log_proofs.push(theft.log.proof_seen(TreeHash::Sm3, theft.signature, &[(&one(), BEFORE)]));
    let report = judged(&theft.genuine);
    let signature = &report["signatures"][0];
    let by = "it existed at 2025-06-01T02:05:00Z, by the log log.example/audit/sm3, seen by witness.example/one";
    let detail = signature["time"]["detail"].as_str().unwrap();
    assert!(detail.ends_with(by), "{detail}");
    assert_eq!((&signature["time"]["code"], &signature["logged"]["code"]), (&json!("proved"), &json!("in-log")));
    let seen = "seen by witness.example/one at 2025-06-01T02:05:00Z";
    assert!(signature["logged"]["evidence"].as_array().unwrap().contains(&json!(seen)), "{signature}");
    // Of more proofs the earliest counts.
    theft.genuine.log_proofs.insert(0, theft.log.proof_seen(TreeHash::Sm3, theft.signature, &[(&one(), LATER)]));
    assert_eq!(verdict(&theft.genuine), passed(BEFORE));
}

#[test]
fn what_proves_no_earlier_moment_saves_nothing() {
    let sm3 = TreeHash::Sm3;
    // The log's own word: its checkpoint without a witness.
    assert_eq!(with(|theft| theft.log.proof(sm3, theft.signature)), refused());
    // Seen only after the revocation: the moment is proved, and comes too late.
    let late = with(|theft| theft.log.proof_seen(sm3, theft.signature, &[(&one(), AFTER)]));
    assert_eq!(late, (json!("REVOKED_NO_POE"), "revoked-no-proof-of-time".to_owned(), json!(AFTER)));
    // Seen in the very second of the revocation.
    let late = with(|theft| theft.log.proof_seen(sm3, theft.signature, &[(&one(), REVOKED)]));
    assert_eq!(late.1, "revoked-no-proof-of-time");
    // By a witness whom nobody named, or one that has only the name.
    assert_eq!(with(|theft| theft.log.proof_seen(sm3, theft.signature, &[(&two(), BEFORE)])), refused());
    let false_one = Witness::new("witness.example/one", 0x33);
    assert_eq!(with(|theft| theft.log.proof_seen(sm3, theft.signature, &[(&false_one, BEFORE)])), refused());
    // Of another leaf: that of the seal proves the seal, and no use of it.
    assert_eq!(with(|theft| theft.log.proof_seen(sm3, theft.seal, &[(&one(), BEFORE)])), refused());
    // The leaf of the signature under the proof of another.
    let moved = with(|theft| {
        let other = theft.log.proof_seen(sm3, theft.seal, &[(&one(), BEFORE)]);
        let own = theft.log.proof_seen(sm3, theft.signature, &[(&one(), BEFORE)]);
        let extra = own.lines().nth(1).unwrap();
        other.replace(other.lines().nth(1).unwrap(), extra)
    });
    assert_eq!(moved, refused());
    // Of a time that has not come.
    assert_eq!(
        with(|theft| theft.log.proof_seen(sm3, theft.signature, &[(&one(), "2027-01-01T00:00:00Z")])),
        refused()
    );
    // Of another log that says the same.
    let foreign = with(|theft| {
        let mut log = Log::new("elsewhere.example/audit", 0x13);
        log.events.clone_from(&theft.log.events);
        log.proof_seen(sm3, theft.signature, &[(&one(), BEFORE)])
    });
    assert_eq!(foreign, refused());
}

#[test]
fn a_time_that_was_changed_proves_nothing() {
    let mut theft = revoked_later("default");
    let proof = theft.log.proof_seen(TreeHash::Sm3, theft.signature, &[(&one(), AFTER)]);
    let earlier = theft.log.proof_seen(TreeHash::Sm3, theft.signature, &[(&one(), BEFORE)]);
    // The line of an earlier time with the value of the later one: its first octets are key ID and time.
    let (line, other) = (proof.lines().last().unwrap(), earlier.lines().last().unwrap());
    let (name, value) = line.rsplit_once(' ').unwrap();
    let spliced = format!("{name} {}{}", &other.rsplit_once(' ').unwrap().1[..16], &value[16..]);
    theft.genuine.log_keys = vec![theft.log.key(TreeHash::Sm3), one().key];
    theft.genuine.log_proofs.push(proof.replace(line, &spliced));
    assert_eq!(verdict(&theft.genuine), refused());
    assert_eq!(judged(&theft.genuine)["signatures"][0]["logged"]["code"], "log-proof-wrong");
}

#[test]
fn what_was_revoked_before_it_was_claimed_stays_revoked() {
    let mut theft = Theft::new("default");
    now_revoked(&mut theft.genuine, "signer", "2025-05-01T00:00:00Z", LOST);
    theft.genuine.log_keys = vec![theft.log.key(TreeHash::Sm3), one().key];
    theft.genuine.log_proofs.push(theft.log.proof_seen(TreeHash::Sm3, theft.signature, &[(&one(), BEFORE)]));
    assert_eq!(verdict(&theft.genuine), (json!("REVOKED"), "signer-revoked".to_owned(), json!(BEFORE)));
    // Nor is a time believed that lies before the one that the signer claims.
    let mut theft = revoked_later("default");
    theft.genuine.log_keys = vec![theft.log.key(TreeHash::Sm3), one().key];
    let early = theft.log.proof_seen(TreeHash::Sm3, theft.signature, &[(&one(), "2025-01-01T00:00:00Z")]);
    theft.genuine.log_proofs.push(early);
    assert_eq!(verdict(&theft.genuine).1, "claimed-after-time-stamp");
}

#[test]
fn the_policy_says_how_many_witnesses_date_a_log() {
    let of = |count: usize, seen: &[(&Witness, &str)]| {
        let mut theft = revoked_later("default");
        theft.genuine.policy.log_witnesses = count;
        theft.genuine.log_keys = vec![theft.log.key(TreeHash::Sm3), one().key, two().key];
        theft.genuine.log_proofs.push(theft.log.proof_seen(TreeHash::Sm3, theft.signature, seen));
        verdict(&theft.genuine)
    };
    let (one, two) = (one(), two());
    assert_eq!(of(0, &[(&one, BEFORE), (&two, BEFORE)]), refused());
    assert_eq!(of(2, &[(&one, BEFORE)]), refused());
    // The same witness twice is one.
    assert_eq!(of(2, &[(&one, BEFORE), (&one, LATER)]), refused());
    // The latest counts: none of them alone dates it back.
    assert_eq!(of(2, &[(&one, BEFORE), (&two, LATER)]), passed(LATER));
    assert_eq!(of(2, &[(&one, BEFORE), (&two, AFTER)]).1, "revoked-no-proof-of-time");
    assert_eq!(of(1, &[(&one, BEFORE), (&two, AFTER)]).1, "revoked-no-proof-of-time");
}

#[test]
fn a_log_of_the_trust_list_dates_what_is_below_its_anchor() {
    let names = |log: &Theft, key: bool| {
        let keys = if key { vec![log.log.key(TreeHash::Sm3).to_vkey()] } else { Vec::new() };
        listing(keys, "list")
    };
    for (key, expected) in [(true, passed(BEFORE)), (false, refused())] {
        let mut theft = revoked_later("default");
        theft.genuine.anchors.clear();
        theft.genuine.lists.push(names(&theft, key));
        theft.genuine.log_keys = vec![one().key];
        theft.genuine.log_proofs.push(theft.log.proof_seen(TreeHash::Sm3, theft.signature, &[(&one(), BEFORE)]));
        assert_eq!(verdict(&theft.genuine), expected, "{key}");
    }
}

#[test]
fn a_makers_lost_key_leaves_what_the_log_held_before() {
    let of = |index: &dyn Fn(&Theft) -> usize, when: &str| {
        let mut theft = Theft::new("default");
        now_revoked(&mut theft.genuine, "maker", REVOKED, LOST);
        theft.genuine.log_keys = vec![theft.log.key(TreeHash::Sm3), one().key];
        theft.genuine.log_proofs.push(theft.log.proof_seen(TreeHash::Sm3, index(&theft), &[(&one(), when)]));
        verdict(&theft.genuine)
    };
    // Its making, or any use of it, proves the seal.
    assert_eq!(of(&|theft| theft.seal, BEFORE), (Value::Null, "passed".to_owned(), Value::Null));
    assert_eq!(of(&|theft| theft.signature, BEFORE), passed(BEFORE));
    assert_eq!(of(&|theft| theft.seal, AFTER), refused());
    // The maker's event of the start of the service proves nothing.
    assert_eq!(of(&|_| 0, BEFORE), refused());
}
