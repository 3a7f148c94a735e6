//! Self-tests: every algorithm against a known answer before the first request, the generator, the policy files.
//!
//! A test is a row: what is computed, and the octets that must come out. The rows are values, so that whoever runs them
//! can change an expectation and see that it is noticed. Power-on self-tests are asked for by GM/T 0028 7.10 and
//! ISO/IEC 19790 7.10 (recollection).

mod answers;
mod known;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use known::known_answers;

use crate::base::random::Random;
use crate::crypto::digest::sm3;
use crate::service::Error;

/// What a row computes: `None` where the algorithm refused to.
type Compute = Arc<dyn Fn(&dyn Random) -> Option<Vec<u8>> + Send + Sync>;

/// One self-test.
#[derive(Clone)]
pub struct SelfTest {
    /// Which algorithm or file.
    pub name: Cow<'static, str>,
    /// Where the answer comes from.
    pub standard: &'static str,
    /// What computes: a library, or one of our own engines.
    pub engine: &'static str,
    /// What must come out.
    pub expected: Cow<'static, [u8]>,
    compute: Compute,
}

impl SelfTest {
    fn new(
        (name, standard, engine): (&'static str, &'static str, &'static str),
        expected: Vec<u8>,
        compute: impl Fn(&dyn Random) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), standard, engine, expected: expected.into(), compute: Arc::new(compute) }
    }

    /// The integrity of a policy file: its text has that SM3, 64 hexadecimal digits of either case. Anything else that
    /// stands for the digest is never met.
    #[must_use]
    pub fn of_policy(file: &str, text: &[u8], expected_sm3: &str) -> Self {
        let (name, text) = (Cow::Owned(format!("policy {file}")), text.to_vec());
        let standard = "SM3 of the file";
        let expected = octets(expected_sm3).filter(|digest| digest.len() == 32).unwrap_or_default().into();
        Self { name, standard, engine: "portable", expected, compute: Arc::new(move |_| Some(sm3(&text).to_vec())) }
    }
}

impl std::fmt::Debug for SelfTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SelfTest").field("name", &self.name).field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// The octets of hexadecimal digits.
fn octets(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let octets = pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).ok());
    if rest.is_empty() { octets.collect() } else { None }
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The expected octets came out.
    Passed,
    /// Others came out.
    Differs,
    /// Nothing came out.
    Refused,
}

impl Outcome {
    /// As tables write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Differs => "differs",
            Self::Refused => "refused",
        }
    }
}

/// One test and how it ended.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which algorithm or file.
    pub name: String,
    /// Where the answer comes from.
    pub standard: &'static str,
    /// What computed.
    pub engine: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// Runs all tests, also after one that fails.
#[must_use]
pub fn run(tests: &[SelfTest], random: &dyn Random) -> Vec<Row> {
    let judge = |test: &SelfTest| {
        let begun = Instant::now();
        let outcome = match (test.compute)(random) {
            Some(found) if !test.expected.is_empty() && found == *test.expected => Outcome::Passed,
            Some(_) => Outcome::Differs,
            None => Outcome::Refused,
        };
        let (name, took) = (test.name.clone().into_owned(), begun.elapsed());
        Row { name, standard: test.standard, engine: test.engine, outcome, took }
    };
    tests.iter().map(judge).collect()
}

/// Runs all tests; nothing may start when one fails.
///
/// # Errors
/// [`Error::SelfTestFailed`] with the first that failed; [`Error::SelfTestFailed`] too when there are none.
pub fn require(tests: &[SelfTest], random: &dyn Random) -> Result<Vec<Row>, Error> {
    let rows = run(tests, random);
    let failed = rows.iter().filter(|row| row.outcome != Outcome::Passed);
    for row in failed.clone() {
        tracing::error!(test = row.name, engine = row.engine, outcome = row.outcome.name(), "self-test failed");
    }
    match failed.map(|row| format!("{} ({}, {})", row.name, row.engine, row.outcome.name())).next() {
        Some(test) => Err(Error::SelfTestFailed { test }),
        None if rows.is_empty() => Err(Error::SelfTestFailed { test: "no test at all".to_owned() }),
        None => Ok(rows),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::random::SystemRandom;

    #[test]
    fn all_pass_and_are_told_apart() {
        let tests = known_answers();
        let rows = require(&tests, &SystemRandom).unwrap();
        assert!(rows.len() > 30, "{}", rows.len());
        let names: BTreeSet<_> = tests.iter().map(|test| (&test.name, test.engine)).collect();
        assert_eq!(names.len(), tests.len());
    }

    #[test]
    fn a_flipped_bit_in_any_expectation_is_noticed_and_named() {
        let mut tests = known_answers();
        tests.push(SelfTest::of_policy("x.toml", b"x", &crate::crypto::digest::hex(&sm3(b"x"))));
        assert!(require(&tests, &SystemRandom).is_ok());
        for index in 0..tests.len() {
            let whole = tests[index].expected.clone();
            for at in [0, whole.len() / 2, whole.len() - 1] {
                tests[index].expected.to_mut()[at] ^= 1 << (index % 8);
                let row = &tests[index];
                // The one test alone tells as much as all of them, and takes no time.
                let refused = require(std::slice::from_ref(row), &SystemRandom).unwrap_err();
                assert_eq!(refused.code(), "selftest-failed");
                let told = format!("the self-test {} ({}, differs) failed; nothing is started", row.name, row.engine);
                assert_eq!(refused.to_string(), told);
                tests[index].expected = whole.clone();
            }
            tests[index].expected.to_mut().pop();
            assert!(require(&tests[index..=index], &SystemRandom).is_err(), "{:?} cut short", tests[index]);
            tests[index].expected = whole;
        }
        let none = require(&[], &SystemRandom).unwrap_err().to_string();
        assert_eq!(none, "the self-test no test at all failed; nothing is started");
    }

    #[test]
    fn a_policy_is_known_by_its_digest() {
        let digest = crate::crypto::digest::hex(&sm3(b"text"));
        let outcome = |text: &[u8], digest: &str| {
            run(&[SelfTest::of_policy("a.toml", text, digest)], &SystemRandom).first().unwrap().outcome
        };
        assert_eq!(outcome(b"text", &digest), Outcome::Passed);
        assert_eq!(outcome(b"text", &digest.to_uppercase()), Outcome::Passed);
        assert_eq!(outcome(b"texT", &digest), Outcome::Differs);
        for wrong in ["", "00", "zz", &digest[1..], &format!("{digest}00")] {
            assert_eq!(outcome(b"text", wrong), Outcome::Differs, "{wrong}");
        }
    }
}
