//! Verdicts on files made by others, against `expected.json`, which an independent checker made.
//!
//! The files stay outside of the repository: `YINXIN_FIXTURES`, else `../shared/fixtures`. Where they are absent each
//! test says SKIPPED by name; it fails instead under `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not their helpers"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;
use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::config::verification::built_in;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::trust::TrustAnchors;
use yinxin::domain::verify::{Evidence, Ground, Indication, Policy, Remembered, verify};
use yinxin::format::keys::read_pem;
use yinxin::format::ofd::container::Container;
use yinxin::format::ofd::document::Package;
use yinxin::format::ofd::path::PartName;
use yinxin::format::ofd::signatures::{SignatureDescription, SignatureList};
use yinxin::format::ses::SesSignature;

fn fixtures(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from);
    if root.join("eseal/expected.json").exists() {
        return Some(root.join("eseal"));
    }
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require");
    assert!(!required, "{test} needs the fixtures, and they are absent");
    eprintln!("SKIPPED {test}: fixtures absent");
    None
}

fn policy(name: &str) -> Policy {
    built_in(name, &|text| hex(&sm3(text))).unwrap()
}

/// The axis revocation in the words of the checker.
fn revocation(actual: &Value) -> Value {
    match actual["revocation"]["code"].as_str().unwrap() {
        "ok" => "good".into(),
        code => code.into(),
    }
}

/// What all rows of all tests taught.
static REMEMBERED: LazyLock<Remembered> = LazyLock::new(Remembered::default);

/// The same whether nothing is remembered, much of others, or the same file.
fn report(root: &Path, row: &Value, policy: &Policy, now: Timestamp) -> Value {
    let mut trust = TrustAnchors::none();
    for anchor in row["trust"].as_array().unwrap() {
        let name = anchor.as_str().unwrap();
        trust.add_anchors(&fs::read(root.join(name)).unwrap(), name).unwrap();
    }
    let name = row["file"].as_str().unwrap();
    let bytes = fs::read(root.join(name)).unwrap();
    let original = row["original"].as_str().map(|name| fs::read(root.join(name)).unwrap());
    let list = row["crl"].as_str().map(|name| fs::read(root.join(name)).unwrap());
    let list = list.map(|bytes| match std::str::from_utf8(&bytes) {
        Ok(text) => read_pem(text, "X509 CRL").unwrap().remove(0),
        Err(_) => bytes,
    });
    let mut evidence = Evidence::none();
    if let Some(list) = &list {
        evidence.add_crl(list).unwrap();
    }
    let limits = &Limits::DEFAULT;
    let [new, known, again] = [&Remembered::default(), &REMEMBERED, &REMEMBERED].map(|remembered| {
        let ground = Ground { trust: &trust, policy, now, limits, remembered, evidence: &evidence, log_keys: &[] };
        verify(name, &bytes, original.as_deref(), &ground).to_json()
    });
    assert_eq!((&new, &new), (&known, &again), "{name}");
    serde_json::from_str(&new).unwrap()
}

/// One difference between what is expected and what was found.
type Difference = (String, String, Value, Value);

struct Comparison<'a> {
    file: &'a str,
    differences: Vec<Difference>,
}

impl Comparison<'_> {
    fn same(&mut self, what: &str, expected: &Value, actual: &Value) {
        if expected != actual {
            self.differences.push((self.file.to_owned(), what.to_owned(), expected.clone(), actual.clone()));
        }
    }

    /// Only where the checker decided: null means not known, not applicable or not decided.
    fn same_if_known(&mut self, what: &str, expected: &Value, actual: &Value) {
        if !expected.is_null() {
            self.same(what, expected, actual);
        }
    }

    /// Rows with a revocation list say nothing of the axes that they share with the row without.
    fn revocation(&mut self, id: &str, expected: &Value, actual: &Value) {
        let at = |what: &str| format!("{id}.{what}");
        for name in ["indication", "sub_indication"] {
            self.same(&at(name), &expected[name], &actual[name]);
        }
        self.same(&at("revocation"), &expected["revocation"], &revocation(actual));
        for name in ["revoked_since", "claimed_time", "coverage"] {
            self.same(&at(name), &expected[name], &actual["details"][name]);
        }
    }

    fn signature(&mut self, expected: &Value, actual: &Value) {
        let id = expected["id"].as_str().unwrap_or("detached").to_owned();
        let at = |what: &str| format!("{id}.{what}");
        if expected["kind"].is_null() {
            self.revocation(&id, expected, actual);
            return;
        }
        self.same(&at("kind"), &expected["kind"], &actual["kind"]);
        self.same(&at("indication"), &expected["indication"], &actual["indication"]);
        match expected["sub_indication_any_of"].as_array() {
            Some(any) if any.contains(&actual["sub_indication"]) => {}
            _ => self.same(&at("sub_indication"), &expected["sub_indication"], &actual["sub_indication"]),
        }
        let reasons = actual["reasons"].as_array().unwrap();
        let mut failures = Vec::new();
        for reason in reasons.iter().filter(|reason| reason["indication"] == "TOTAL_FAILED") {
            if !failures.contains(&reason["sub_indication"]) {
                failures.push(reason["sub_indication"].clone());
            }
        }
        self.same(&at("failures"), &expected["failures"], &Value::Array(failures));
        if let Some(codes) = expected["codes"].as_array() {
            // The checker names only the codes that are our own and none of the sub-indications.
            let own = |code: &str| code.starts_with("tolerance-off:") || code.starts_with("coverage-");
            let codes_found: Vec<Value> = reasons
                .iter()
                .filter(|reason| own(reason["code"].as_str().unwrap()))
                .map(|reason| reason["code"].clone())
                .collect();
            self.same(&at("codes"), &Value::Array(codes.clone()), &Value::Array(codes_found));
        }
        let (details, axis) = (&actual["details"], |name: &str| actual[name]["status"].clone());
        self.same_if_known(&at("intact"), &expected["intact"], &axis("intact"));
        self.same_if_known(&at("signature"), &expected["signature"], &axis("signature"));
        self.same_if_known(&at("trusted"), &expected["trusted"], &axis("trusted"));
        for name in [
            "bad_references",
            "data_hash",
            "data_hash_algorithm",
            "encoding",
            "seal_signature",
            "seal_signature_encoding",
            "signer_in_list",
            "property_info",
            "claimed_time",
            "claimed_time_raw",
            "seal_validity_at_signing",
            "signer_validity_at_signing",
            "seal_valid_now",
            "signer_valid_now",
            "coverage",
            "uncovered",
        ] {
            let mut found = details[name].clone();
            let mut wanted = expected[name].clone();
            if let (Some(a), Some(b)) = (found.as_array_mut(), wanted.as_array_mut()) {
                a.sort_by_key(ToString::to_string);
                b.sort_by_key(ToString::to_string);
            }
            self.same_if_known(&at(name), &wanted, &found);
        }
        let maker = &details["maker_validity_at_create_date"];
        self.same_if_known(&at("maker_validity_at_createDate"), &expected["maker_validity_at_createDate"], maker);
        self.same_if_known(&at("timestamp"), &expected["timestamp"], &details["time_stamp"]);
        for (stamp, proved) in [("timestamp_detail", "proved_time"), ("seal_timestamp_detail", "seal_proved_time")] {
            self.same_if_known(&at(stamp), &expected[stamp]["gen_time"], &details[proved]);
        }
        if expected["original"].is_null() {
            self.same_if_known(&at("seal_file"), &expected["seal_file"], &details["seal_file"]);
        }
        // The checker counts the maker's late certificate among the validities, not among the deviations, and has no
        // name for a digest that is not the algorithm's unless it decides.
        let unlisted = ["maker-certificate-late", "datahash-not-of-signature-algorithm"];
        let set = |list: &Value| -> BTreeSet<String> {
            let names = list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
            names.filter(|name| !unlisted.contains(&name.as_str())).collect()
        };
        let (wanted, found) = (set(&expected["tolerances"]), set(&details["tolerances"]));
        self.same(&at("tolerances"), &serde_json::json!(wanted), &serde_json::json!(found));
    }
}

/// Divergences that we can prove: file, what, expected, actual, proof. One that no longer differs fails the test.
fn exceptions() -> Vec<Difference> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exceptions.toml");
    let table: toml::Table = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let rows = table.get("exception").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let text = |row: &toml::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let json = |row: &toml::Value, key: &str| serde_json::from_str(&text(row, key)).unwrap();
    for row in &rows {
        assert!(text(row, "proof").len() > 20, "an exception needs its proof: {row}");
    }
    rows.iter().map(|row| (text(row, "file"), text(row, "what"), json(row, "expected"), json(row, "actual"))).collect()
}

fn settle(differences: Vec<Difference>, all_files: &BTreeSet<String>) {
    let mut exceptions = exceptions();
    exceptions.retain(|exception| all_files.contains(&exception.0));
    let unexplained: Vec<_> = differences.iter().filter(|difference| !exceptions.contains(difference)).collect();
    let stale: Vec<_> = exceptions.iter().filter(|exception| !differences.contains(exception)).collect();
    let show = |(file, what, expected, actual): &Difference| format!("{file} {what}: expected {expected}, is {actual}");
    let unexplained: Vec<_> = unexplained.into_iter().map(show).collect();
    assert!(unexplained.is_empty(), "\n{}\n", unexplained.join("\n"));
    assert!(stale.is_empty(), "exceptions that no longer differ: {stale:?}");
}

fn moment(expected: &Value) -> Timestamp {
    Timestamp::parse_rfc3339(expected["verified_at"].as_str().unwrap()).unwrap()
}

fn load(root: &Path) -> Value {
    serde_json::from_slice(&fs::read(root.join("expected.json")).unwrap()).unwrap()
}

/// Documents: every file, every axis.
#[test]
fn documents_are_judged_as_expected() {
    documents("documents_are_judged_as_expected", "files");
}

/// The same with revocation lists: revoked before the claimed time, after it, and not at all.
#[test]
fn revocation_lists_are_judged_as_expected() {
    documents("revocation_lists_are_judged_as_expected", "with_crl");
}

fn documents(test: &str, group: &str) {
    let Some(root) = fixtures(test) else { return };
    let expected = load(&root);
    let (policy, now) = (policy("default"), moment(&expected));
    let mut differences = Vec::new();
    let mut files = BTreeSet::new();
    let mut signatures = 0;
    for row in expected[group].as_array().unwrap() {
        let file = row["file"].as_str().unwrap();
        files.insert(file.to_owned());
        let actual = report(&root, row, &policy, now);
        let mut comparison = Comparison { file, differences: Vec::new() };
        let rows = row["signatures"].as_array().cloned().unwrap_or_default();
        let found = actual["signatures"].as_array().unwrap();
        comparison.same("number of signatures", &rows.len().into(), &found.len().into());
        for (wanted, found) in rows.iter().zip(found) {
            comparison.same("id", &wanted["id"], &found["id"]);
            comparison.signature(wanted, found);
            signatures += 1;
        }
        comparison.same("indication", &row["indication"], &actual["indication"]);
        comparison.same("error.code", &row["error"]["code"], &actual["error"]["code"]);
        comparison.same("error.part", &row["error"]["part"], &actual["error"]["part"]);
        comparison.same_if_known("coverage", &row["coverage"], &actual["coverage"]["coverage"]);
        comparison.same_if_known("uncovered", &row["uncovered"], &actual["coverage"]["uncovered"]);
        let known = ["revocation-unknown-no-source", "ofd-xml-uncovered", "resource-missing"];
        let mut warnings = BTreeSet::new();
        for warning in actual["warnings"].as_array().unwrap() {
            let code = warning["code"].as_str().unwrap();
            if known.contains(&code) {
                let part = warning["part"].as_str().map(|part| format!(": {part}")).unwrap_or_default();
                warnings.insert(format!("{code}{part}"));
            }
        }
        let wanted: BTreeSet<String> =
            row["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect();
        comparison.same("warnings", &serde_json::json!(wanted), &serde_json::json!(warnings));
        comparison.same_if_known("shown", &row["shown"], &actual["shown"]);
        differences.extend(comparison.differences);
    }
    println!("{} files, {signatures} signatures, {} differences", files.len(), differences.len());
    settle(differences, &files);
}

/// Deviations that `default` refuses pass under `lenient-field`, where the checker says so.
#[test]
fn tolerated_deviations_pass_under_lenient_field() {
    let Some(root) = fixtures("tolerated_deviations_pass_under_lenient_field") else { return };
    let expected = load(&root);
    let mut judged = 0;
    for row in expected["files"].as_array().unwrap() {
        if let Some(wanted) = row["indication_if_tolerated"].as_str() {
            let actual = report(&root, row, &policy("lenient-field"), moment(&expected));
            assert_eq!(actual["indication"], wanted, "{}", row["file"]);
            judged += 1;
        }
    }
    assert_eq!(judged, 4);
}

/// Values without their package, against the Signature.xml that they sign.
#[test]
fn detached_values_are_judged_as_expected() {
    let Some(root) = fixtures("detached_values_are_judged_as_expected") else { return };
    let expected = load(&root);
    let (policy, now) = (policy("default"), moment(&expected));
    let mut differences = Vec::new();
    let mut files = BTreeSet::new();
    for row in expected["ses"].as_array().unwrap() {
        let file = row["file"].as_str().unwrap();
        files.insert(file.to_owned());
        let actual = report(&root, row, &policy, now);
        let mut comparison = Comparison { file, differences: Vec::new() };
        let Some(found) = actual["signatures"].as_array().and_then(|all| all.first()) else {
            panic!("{file}: {actual}")
        };
        comparison.signature(row, found);
        differences.extend(comparison.differences);
    }
    settle(differences, &files);
}

/// Seals alone: made by their makers or not, then and now.
#[test]
fn seals_are_judged_as_expected() {
    let Some(root) = fixtures("seals_are_judged_as_expected") else { return };
    let expected = load(&root);
    let (policy, now) = (policy("default"), moment(&expected));
    let mut differences = Vec::new();
    let mut files = BTreeSet::new();
    for row in expected["seals"].as_array().unwrap() {
        let file = row["file"].as_str().unwrap();
        files.insert(file.to_owned());
        let actual = report(&root, row, &policy, now);
        assert_eq!(actual["format"], "seal", "{file}");
        let found = &actual["signatures"][0];
        let (details, summary) = (&found["details"], &found["seal_summary"]);
        let mut comparison = Comparison { file, differences: Vec::new() };
        comparison.same("kind", &row["kind"], &found["kind"]);
        comparison.same_if_known("indication", &row["indication"], &found["indication"]);
        comparison.same_if_known("sub_indication", &row["sub_indication"], &found["sub_indication"]);
        for name in ["seal_signature", "seal_signature_encoding", "seal_valid_now"] {
            comparison.same(name, &row[name], &details[name]);
        }
        let maker = &details["maker_validity_at_create_date"];
        comparison.same("maker_validity_at_createDate", &row["maker_validity_at_createDate"], maker);
        comparison.same("seal_timestamp", &row["seal_timestamp"], &details["seal_time_stamp"]);
        comparison.same("trusted", &row["trusted"], &found["trusted"]["status"]);
        for (name, of_summary) in [("createDate", "created"), ("valid_from", "valid_from"), ("valid_to", "valid_to")] {
            comparison.same(name, &row[name], &summary[of_summary]);
        }
        let set = |list: &Value| -> BTreeSet<String> {
            list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let (wanted, tolerated) = (set(&row["tolerances"]), set(&details["tolerances"]));
        comparison.same("tolerances", &serde_json::json!(wanted), &serde_json::json!(tolerated));
        differences.extend(comparison.differences);
    }
    assert_eq!(files.len(), 10);
    settle(differences, &files);
}

/// The value file and the description of the first signature of a document.
fn first_signature(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let limits = &Limits::DEFAULT;
    let container = Container::read(bytes, limits).unwrap();
    let package = Package::read(&container, limits).unwrap();
    let list = package.bodies[0].signatures.as_ref().unwrap();
    let entry = SignatureList::read(&container, list, limits).unwrap().entries.remove(0);
    let description = SignatureDescription::read(&container, &entry.base_loc, limits).unwrap();
    let part = |name: &PartName| container.part(name).unwrap().to_vec();
    (part(&description.signed_value), part(&entry.base_loc))
}

/// No byte of a seal signature of any version can be changed unnoticed: every position but those inside of the picture,
/// of which some, and inside of time stamps, which are judged by themselves.
#[test]
fn any_changed_byte_of_a_signature_is_noticed() {
    let Some(root) = fixtures("any_changed_byte_of_a_signature_is_noticed") else { return };
    let (policy, now) = (policy("lenient-field"), moment(&load(&root)));
    let mut trust = TrustAnchors::none();
    for name in ["generated/keys/ca.pem", "generated/keys/rsa_ca.pem"] {
        trust.add_anchors(&fs::read(root.join(name)).unwrap(), name).unwrap();
    }
    let (limits, remembered, evidence) = (&Limits::DEFAULT, &Remembered::default(), &Evidence::none());
    let ground = Ground { trust: &trust, policy: &policy, now, limits, remembered, evidence, log_keys: &[] };
    let noticed = |name: &str| {
        let mut count = 0;
        let (value, original) = first_signature(&fs::read(root.join(format!("generated/{name}.ofd"))).unwrap());
        let judge = |value: &[u8]| verify(name, value, Some(&original), &ground).indication;
        assert_eq!(judge(&value), Indication::TotalPassed, "{name}");
        let read = SesSignature::parse_any(&value).unwrap();
        let place = |part: &[u8]| {
            let start = value.windows(part.len()).position(|window| window == part).unwrap();
            start..start + part.len()
        };
        let picture = place(read.seal.picture);
        let stamps: Vec<_> = [read.time_stamp, read.seal.time_stamp].into_iter().flatten().map(place).collect();
        let mut changed = value.clone();
        for position in 0..value.len() {
            let skipped = picture.contains(&position) && position % 251 != 0;
            if skipped || stamps.iter().any(|stamp| stamp.contains(&position)) {
                continue;
            }
            changed[position] ^= 1 << (position * 5 % 8);
            let indication = judge(&changed);
            changed[position] = value[position];
            assert_ne!(indication, Indication::TotalPassed, "{name}: byte {position} changed");
            count += 1;
        }
        count
    };
    // Each file in a thread of its own: it is the longest test of its program.
    let noticed = &noticed;
    let count: i32 = std::thread::scope(|scope| {
        let names = ["v1_basic", "v1_rsa_sha256", "v1_timeinfo_octetstring", "v5_basic", "v5_seal_and_sig_timestamp"];
        let threads = names.map(|name| scope.spawn(move || noticed(name)));
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    println!("{count} changed bytes noticed");
    assert!(count > 5000);
}
