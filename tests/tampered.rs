//! Tampered files: each variant is made here from a stored base file and refused with the exact reason.
//!
//! Attackers are of every strength: some change bytes, some hold another valid signer's key, some hold all keys and
//! make a seal that should not be. The keys are those of `tests/vectors/keys`, which are worth nothing.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not their helpers"
)]

#[path = "tampered/archive.rs"]
mod archive;
#[path = "tampered/bench.rs"]
mod bench;
#[path = "tampered/container.rs"]
mod container;
#[path = "tampered/content.rs"]
mod content;
#[path = "tampered/evidence.rs"]
mod evidence;
#[path = "tampered/flips.rs"]
mod flips;
#[path = "tampered/log_time.rs"]
mod log_time;
#[path = "tampered/logged.rs"]
mod logged;
#[path = "tampered/promised.rs"]
mod promised;
#[path = "tampered/references.rs"]
mod references;
#[path = "tampered/seal.rs"]
mod seal;
#[path = "tampered/seal_stamp.rs"]
mod seal_stamp;
#[path = "tampered/trust.rs"]
mod trust;
#[path = "tampered/value.rs"]
mod value;
#[path = "tampered/xml.rs"]
mod xml;

use std::collections::BTreeSet;

use bench::Bench;
use serde_json::Value;

/// What must come out.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    /// Of the file.
    indication: &'static str,
    sub_indication: Option<&'static str>,
    /// Every code of the signature looked at, the deciding one first; of the refusal, where the file is refused.
    codes: &'static [&'static str],
    /// Part of the refusal.
    part: Option<&'static str>,
    /// Which signature is looked at.
    signature: usize,
    /// `bad_references`, where the variant is about them.
    bad: &'static [&'static str],
    /// Axes and their status.
    axes: &'static [(&'static str, &'static str)],
    /// Warnings that must be among those of the file: `code` or `code:part`.
    warnings: &'static [&'static str],
    /// What the deciding reason must say.
    says: &'static str,
    /// What `uncovered` of the signature must list, where the variant is about it.
    uncovered: &'static [&'static str],
}

impl Expected {
    const fn judged(
        indication: &'static str,
        sub_indication: Option<&'static str>,
        codes: &'static [&'static str],
    ) -> Self {
        Self {
            indication,
            sub_indication,
            codes,
            part: None,
            signature: 0,
            bad: &[],
            axes: &[],
            warnings: &[],
            says: "",
            uncovered: &[],
        }
    }

    pub(crate) const fn failed(sub: &'static str, codes: &'static [&'static str]) -> Self {
        Self::judged("TOTAL_FAILED", Some(sub), codes)
    }

    pub(crate) const fn unsure(sub: &'static str, codes: &'static [&'static str]) -> Self {
        Self::judged("INDETERMINATE", Some(sub), codes)
    }

    pub(crate) const fn refused(code: &'static [&'static str]) -> Self {
        Self::judged("REFUSED", None, code)
    }

    pub(crate) const fn unsigned() -> Self {
        Self::judged("NO_SIGNATURE_FOUND", None, &[])
    }

    /// Not refused: the neighbour of a variant that is.
    pub(crate) const fn passed() -> Self {
        Self::judged("TOTAL_PASSED", None, &[])
    }

    pub(crate) const fn part(self, part: &'static str) -> Self {
        Self { part: Some(part), ..self }
    }

    pub(crate) const fn of_signature(self, signature: usize) -> Self {
        Self { signature, ..self }
    }

    pub(crate) const fn bad(self, bad: &'static [&'static str]) -> Self {
        Self { bad, ..self }
    }

    pub(crate) const fn axes(self, axes: &'static [(&'static str, &'static str)]) -> Self {
        Self { axes, ..self }
    }

    pub(crate) const fn warns(self, warnings: &'static [&'static str]) -> Self {
        Self { warnings, ..self }
    }

    pub(crate) const fn says(self, says: &'static str) -> Self {
        Self { says, ..self }
    }

    pub(crate) const fn uncovered(self, uncovered: &'static [&'static str]) -> Self {
        Self { uncovered, ..self }
    }

    fn differences(&self, report: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let mut same = |what: &str, expected: Value, actual: &Value| {
            if expected != *actual {
                found.push(format!("{what}: expected {expected}, is {actual}"));
            }
        };
        same("indication", self.indication.into(), &report["indication"]);
        if self.indication == "REFUSED" {
            same("code", self.codes[0].into(), &report["error"]["code"]);
            same("part", self.part.into(), &report["error"]["part"]);
            return found;
        }
        let signature = &report["signatures"][self.signature];
        if self.indication == "NO_SIGNATURE_FOUND" {
            same("signatures", Value::Array(Vec::new()), &report["signatures"]);
            return found;
        }
        same("signature's indication", self.indication.into(), &signature["indication"]);
        same("sub_indication", self.sub_indication.into(), &signature["sub_indication"]);
        same("code", (*self.codes.first().unwrap_or(&"passed")).into(), &signature["code"]);
        let reasons = signature["reasons"].as_array().cloned().unwrap_or_default();
        let codes: Vec<Value> = reasons.iter().map(|reason| reason["code"].clone()).collect();
        same("codes", self.codes.into(), &codes.into());
        if !self.bad.is_empty() {
            same("bad_references", self.bad.into(), &signature["details"]["bad_references"]);
        }
        if !self.uncovered.is_empty() {
            same("uncovered", self.uncovered.into(), &signature["details"]["uncovered"]);
        }
        for (axis, status) in self.axes {
            same(axis, (*status).into(), &signature[axis]["status"]);
        }
        let mut warnings = BTreeSet::new();
        for warning in report["warnings"].as_array().unwrap() {
            let code = warning["code"].as_str().unwrap();
            warnings.insert(code.to_owned());
            warnings.insert(format!("{code}:{}", warning["part"].as_str().unwrap_or_default()));
        }
        for warning in self.warnings {
            if !warnings.contains(*warning) {
                found.push(format!("no warning {warning} among {warnings:?}"));
            }
        }
        let reason = signature["reason"].as_str().unwrap();
        if !reason.contains(self.says) {
            found.push(format!("reason {reason:?} does not say {:?}", self.says));
        }
        found
    }
}

/// A file, a change, and what must come out.
pub(crate) struct Variant {
    name: &'static str,
    base: Base,
    edit: fn(&mut Bench),
    expected: Expected,
}

/// Makes the file that a variant starts from.
pub(crate) type Base = fn() -> Bench;

pub(crate) const fn variant(name: &'static str, base: Base, edit: fn(&mut Bench), expected: Expected) -> Variant {
    Variant { name, base, edit, expected }
}

fn all() -> Vec<Variant> {
    let kinds = [
        content::variants,
        references::variants,
        value::variants,
        seal::variants,
        seal_stamp::variants,
        trust::variants,
        evidence::variants,
        container::variants,
        xml::variants,
    ];
    kinds.into_iter().flat_map(|kind| kind()).collect()
}

/// Judges all and tells every difference at once.
fn check(variants: &[Variant]) {
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for variant in variants {
        assert!(names.insert(variant.name), "two variants are named {}", variant.name);
        let mut bench = (variant.base)();
        (variant.edit)(&mut bench);
        let report = serde_json::to_value(bench.judge(variant.name)).unwrap();
        let differences = variant.expected.differences(&report);
        if !differences.is_empty() {
            let reason = &report["signatures"][variant.expected.signature]["reason"];
            let error = &report["error"]["detail"];
            faults.push(format!("{}:\n  {}\n  ({reason}, {error})", variant.name, differences.join("\n  ")));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Without a change every base passes, so that each refusal below is the change's doing.
#[test]
fn untouched_bases_pass() {
    let bases: [(&str, Base); 11] = [
        ("rich", bench::rich),
        ("v4_basic", bench::basic),
        ("v4_two_seals", || bench::stored("v4_two_seals")),
        ("v4_whole_protected", || bench::stored("v4_whole_protected")),
        ("v4_ext_datas", || bench::stored("v4_ext_datas")),
        ("v4_certdigest_list", || bench::stored("v4_certdigest_list")),
        ("v4_rsa_sha256", || bench::stored("v4_rsa_sha256")),
        ("v4_raw_rs_signature", || bench::stored("v4_raw_rs_signature")),
        ("v4_timestamp", || bench::stored("v4_timestamp")),
        ("v4_no_seal_file", || bench::stored("v4_no_seal_file")),
        ("v4_riding_right", || bench::stored("v4_riding_right")),
    ];
    let variants: Vec<Variant> =
        bases.into_iter().map(|(name, base)| variant(name, base, |_| {}, Expected::passed())).collect();
    check(&variants);
}

#[test]
fn tampered_variants_are_refused_with_their_reason() {
    let variants = all();
    let (refused, passed): (Vec<_>, Vec<_>) =
        variants.iter().partition(|variant| variant.expected.indication != "TOTAL_PASSED");
    assert!(refused.len() >= 40);
    check(&variants);
    println!("{} tampered variants refused, {} neighbours passed", refused.len(), passed.len());
}

/// The bench writes seals as the product does, where the product can.
#[test]
fn the_bench_writes_what_the_product_writes() {
    let plan = bench::Plan::default();
    assert_eq!(plan.own_info(), plan.plain_info());
}
