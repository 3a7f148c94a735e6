//! What the harnesses of path validation share: where a suite is, how signatures are checked, how results are told.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::sign::Verifier;
use serde::Deserialize;
use yinxin::crypto::sm2::KeyTables;
use yinxin::domain::trust::{CheckSignature, Computed, Signed, SignerId};
use yinxin::format::keys::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// The suite that the variable names, else the one of the fixtures. Where it is absent the test says SKIPPED by name; it
/// fails instead under `CI` or `YINXIN_TEST_PEERS=require`.
pub(crate) fn suite(test: &str, variable: &str, beneath: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(PathBuf::from(named));
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from);
    let file = root.join(beneath);
    if file.exists() {
        return Some(file);
    }
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require");
    assert!(!required, "{test} needs the fixtures, and they are absent");
    tell(&format!("SKIPPED {test}: fixtures absent"));
    None
}

/// The bytes of a file, unpacked if its name ends in `.gz`.
pub(crate) fn read(file: &Path) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    if file.extension().is_some_and(|end| end == "gz") {
        let mut unpacked = Vec::new();
        GzDecoder::new(&*bytes).read_to_end(&mut unpacked).unwrap();
        return unpacked;
    }
    bytes
}

/// A line that a test that passes shows too.
pub(crate) fn tell(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Which signatures a suite takes for acceptable, beyond those that we compute ourselves: checked by OpenSSL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepts {
    /// Bits of the shortest RSA key.
    pub(crate) least_rsa: u32,
    /// Whether SHA-1 is acceptable.
    pub(crate) sha1: bool,
}

impl CheckSignature for Accepts {
    fn name(&self) -> &'static str {
        "suite"
    }

    fn check(
        &self,
        key: &SubjectPublicKeyInfo<'_>,
        algorithm: &AlgorithmIdentifier<'_>,
        (message, value): (&[u8], &[u8]),
        with: (&KeyTables, &[SignerId]),
    ) -> Signed {
        match Computed.check(key, algorithm, (message, value), with) {
            Signed::Unsupported => match self.verifies(key, algorithm, message, value) {
                Some(true) => Signed::Right { used: None, signer_id: None },
                Some(false) => Signed::Wrong,
                None => Signed::Unsupported,
            },
            checked => checked,
        }
    }
}

impl Accepts {
    fn verifies(
        self,
        key: &SubjectPublicKeyInfo<'_>,
        algorithm: &AlgorithmIdentifier<'_>,
        message: &[u8],
        value: &[u8],
    ) -> Option<bool> {
        let (kind, digest) = match algorithm.oid.to_string().as_str() {
            "1.2.840.113549.1.1.5" if self.sha1 => (Id::RSA, MessageDigest::sha1()),
            "1.2.840.113549.1.1.11" => (Id::RSA, MessageDigest::sha256()),
            "1.2.840.113549.1.1.12" => (Id::RSA, MessageDigest::sha384()),
            "1.2.840.113549.1.1.13" => (Id::RSA, MessageDigest::sha512()),
            "1.2.840.10045.4.3.2" => (Id::EC, MessageDigest::sha256()),
            "1.2.840.10045.4.3.3" => (Id::EC, MessageDigest::sha384()),
            "1.2.840.10045.4.3.4" => (Id::EC, MessageDigest::sha512()),
            _ => return None,
        };
        let loaded = PKey::public_key_from_der(key.raw).ok()?;
        let is_acceptable = loaded.id() == kind
            && match kind {
                Id::RSA => loaded.bits() >= self.least_rsa,
                // A named curve: an OBJECT IDENTIFIER.
                _ => key.algorithm.parameters.is_some_and(|der| der.first() == Some(&6)) && is_usual_curve(&loaded),
            };
        if !is_acceptable {
            return None;
        }
        let mut verifier = Verifier::new(digest, &loaded).ok()?;
        Some(verifier.verify_oneshot(value, message).unwrap_or(false))
    }
}

fn is_usual_curve(key: &PKey<Public>) -> bool {
    let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
    curve.is_some_and(|curve| [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1].contains(&curve))
}

/// A case in which we differ from the suite, knowingly.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    id: String,
    expected: String,
    actual: String,
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    #[serde(default)]
    exception: Vec<Exception>,
}

/// What became of the cases.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    exceptions: Vec<Exception>,
    passed: usize,
    failed: Vec<String>,
    excepted: Vec<String>,
    skipped: BTreeMap<String, Vec<String>>,
}

impl Tally {
    /// With the exceptions of that file of `tests/`.
    pub(crate) fn new(exceptions: &str) -> Self {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(exceptions)).unwrap();
        let read: Exceptions = toml::from_str(&text).unwrap();
        assert!(read.exception.iter().all(|row| !row.reason.is_empty()), "an exception without a reason");
        Self { exceptions: read.exception, ..Self::default() }
    }

    /// A case that does not apply.
    pub(crate) fn skip(&mut self, id: &str, reason: &str) {
        self.skipped.entry(reason.to_owned()).or_default().push(id.to_owned());
    }

    /// A case with what was expected and what came out, in the suite's words, and why.
    ///
    /// `YINXIN_WHY=1` prints every reason, so that a verdict can be seen to be right for the right one.
    pub(crate) fn judge(&mut self, id: &str, expected: &str, actual: &str, why: &str) {
        if std::env::var_os("YINXIN_WHY").is_some() && !why.is_empty() {
            tell(&format!("  {id}: {why}"));
        }
        let row = self.exceptions.iter().find(|row| row.id == id);
        match row {
            Some(row) if row.expected == expected && row.actual == actual && expected != actual => {
                self.excepted.push(format!("{id}: expected {expected}, actual {actual}: {}", row.reason));
            }
            Some(_) => self.failed.push(format!("{id}: the exception is no longer one ({actual}: {why})")),
            None if expected == actual => self.passed += 1,
            None => self.failed.push(format!("{id}: expected {expected}, actual {actual}: {why}")),
        }
    }

    /// Prints the result and fails if a case failed.
    pub(crate) fn report(&self, suite: &str) {
        let skipped: usize = self.skipped.values().map(Vec::len).sum();
        tell(&format!(
            "{suite}: {} passed, {} failed, {} knowingly different, {skipped} skipped",
            self.passed,
            self.failed.len(),
            self.excepted.len()
        ));
        for line in &self.failed {
            tell(&format!("  FAILED {line}"));
        }
        for line in &self.excepted {
            tell(&format!("  DIFFERENT {line}"));
        }
        for (reason, ids) in &self.skipped {
            tell(&format!("  SKIPPED {} ({reason}): {}", ids.len(), ids.join(", ")));
        }
        assert!(self.failed.is_empty(), "{} cases of {suite} failed", self.failed.len());
        assert!(self.passed > 0, "no case of {suite} was judged");
    }
}
