//! Walks `tests/vectors`: every file to accept is read, every file to refuse gives exactly the error beside it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::config::verification::built_in;
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::trust::TrustAnchors;
use yinxin::domain::verify::{ALL, Evidence, Ground, Indication, Remembered, verify};
use yinxin::format::ses::{SesSeal, SesSignature};
use yinxin::format::x509::Certificate;
use yinxin::format::{der, ses};

/// Error and clause; no clause where the reader does not tell one.
type Answer = Result<(), (String, Option<&'static str>)>;

/// One file with what is written beside it.
struct Vector {
    path: PathBuf,
    bytes: Vec<u8>,
    notes: toml::Table,
}

impl Vector {
    fn note(&self, key: &str) -> Option<&str> {
        self.notes.get(key).map(|value| value.as_str().unwrap())
    }

    fn required(&self, key: &str) -> &str {
        self.note(key).unwrap_or_else(|| panic!("{} has no {key}", self.path.display()))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn vectors(format: &str, side: &str) -> Vec<Vector> {
    let folder = root().join(format).join(side);
    let (mut found, mut notes) = (Vec::new(), BTreeSet::new());
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            notes.insert(path);
            continue;
        }
        let text = fs::read_to_string(path.with_extension("toml"));
        let text = text.unwrap_or_else(|_| panic!("{} has no notes beside it", path.display()));
        found.push(Vector { bytes: fs::read(&path).unwrap(), notes: text.parse().unwrap(), path });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let of_files: BTreeSet<PathBuf> = found.iter().map(|vector| vector.path.with_extension("toml")).collect();
    assert_eq!(notes, of_files, "each note stands beside a file");
    found
}

fn read_der(vector: &Vector) -> Answer {
    match der::walk(&vector.bytes, Limits::DEFAULT.der_depth) {
        Ok(count) => {
            assert!(count > 0);
            Ok(())
        }
        Err(error) => Err((error.to_string(), None)),
    }
}

fn read_certificate(vector: &Vector) -> Answer {
    match Certificate::parse(&vector.bytes) {
        Ok(certificate) => {
            assert_eq!(certificate.raw, vector.bytes);
            Ok(())
        }
        Err(error) => Err((error.to_string(), None)),
    }
}

fn read_seal(vector: &Vector) -> Answer {
    let answer = |error: ses::Error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        (format!("{error}{cause}"), Some(error.clause()))
    };
    match vector.required("structure") {
        "seal" => SesSeal::parse(&vector.bytes).map(|seal| assert_eq!(seal.raw, vector.bytes)).map_err(answer),
        "signature" => SesSignature::parse(&vector.bytes).map(|read| assert_eq!(read.version, 4)).map_err(answer),
        other => panic!("{}: no structure {other}", vector.path.display()),
    }
}

fn judge_package(vector: &Vector) -> Answer {
    let mut trust = TrustAnchors::none();
    for name in ["ca.pem", "rsa_ca.pem"] {
        trust.add_anchors(&fs::read(root().join("keys").join(name)).unwrap(), name).unwrap();
    }
    let policy = built_in("default", &|text| hex(&sm3(text))).unwrap();
    let now = Timestamp::parse_rfc3339("2026-11-23T00:00:00Z").unwrap();
    let ground = Ground {
        trust: &trust,
        policy: &policy,
        now,
        limits: &Limits::DEFAULT,
        remembered: &Remembered::default(),
        evidence: &Evidence::none(),
        log_keys: &[],
    };
    let report = verify("vector.ofd", &vector.bytes, None, &ground);
    match &report.error {
        Some(refusal) => {
            assert_eq!(report.indication, Indication::Refused);
            Err((refusal.code.to_owned(), Some(refusal.clause)))
        }
        None => {
            assert_eq!(report.indication, Indication::TotalPassed, "{}", vector.path.display());
            Ok(())
        }
    }
}

/// A format: its folder, how it is read, and how many vectors there are at least on each side.
type Format = (&'static str, fn(&Vector) -> Answer, [usize; 2]);

const FORMATS: [Format; 4] = [
    ("der", read_der, [3, 6]),
    ("x509", read_certificate, [4, 6]),
    ("ses", read_seal, [2, 6]),
    ("ofd", judge_package, [10, 6]),
];

#[test]
fn vectors_to_accept_are_accepted() {
    for (format, read, [least, _]) in FORMATS {
        let all = vectors(format, "accept");
        assert!(all.len() >= least, "{format}: only {} vectors", all.len());
        for vector in &all {
            assert_eq!(read(vector), Ok(()), "{}", vector.path.display());
            assert!(vector.note("error").is_none() && !vector.required("source").is_empty());
            assert!(!vector.required("why").is_empty());
        }
    }
}

#[test]
fn vectors_to_refuse_give_their_error() {
    let mut count = 0;
    for (format, read, [_, least]) in FORMATS {
        let all = vectors(format, "refuse");
        assert!(all.len() >= least, "{format}: only {} vectors", all.len());
        for vector in &all {
            let name = vector.path.display();
            let Err((error, clause)) = read(vector) else { panic!("{name} was accepted") };
            assert_eq!(error, vector.required("error"), "{name}");
            // DER and X.509 readers name the field, not the clause; the note still must.
            assert_eq!(clause.unwrap_or(vector.required("clause")), vector.required("clause"), "{name}");
            assert!(!vector.required("source").is_empty() && !vector.required("why").is_empty(), "{name}");
            count += 1;
        }
    }
    println!("{count} vectors refused");
}

/// Two formats that recognise one file would make the verdict depend on their order.
#[test]
fn no_file_is_recognised_by_two_formats() {
    for (format, _, _) in FORMATS {
        for side in ["accept", "refuse"] {
            for vector in vectors(format, side) {
                let by: Vec<_> = ALL.iter().filter(|f| f.recognises(&vector.bytes)).map(|f| f.name()).collect();
                assert!(by.len() <= 1, "{} is recognised by {by:?}", vector.path.display());
                if side == "accept" && format == "ofd" {
                    assert_eq!(by, ["ofd"]);
                }
            }
        }
    }
}
