//! The algorithm policy: the one that is built in, and files of the same shape.

use serde::Deserialize;

use crate::base::clock::Timestamp;
use crate::domain::trust::acceptance::{Acceptance, AlgorithmPolicy, Contradiction, Term};

/// The built-in policy's text.
pub const BUILT_IN: &str = include_str!("../../policies/algorithms.toml");

/// Why an algorithm policy was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlgorithmPolicyError {
    /// Not TOML, or not of this shape; unknown keys are refused.
    #[error("the algorithm policy {origin} cannot be read: {reason}")]
    Malformed {
        /// Where it came from.
        origin: String,
        /// What is wrong, with its line.
        reason: String,
    },
    /// A term is neither "always" nor "never" nor "until" a day.
    #[error("the algorithm policy {origin}: {name}: {text:?} is neither always, never nor until YYYY-MM-DD")]
    Term {
        /// Where it came from.
        origin: String,
        /// The algorithm.
        name: String,
        /// What stands there.
        text: String,
    },
    /// A rule cites nothing.
    #[error("the algorithm policy {origin}: {name} cites no clause")]
    Uncited {
        /// Where it came from.
        origin: String,
        /// The algorithm.
        name: String,
    },
    /// The rules contradict each other or the registry.
    #[error("the algorithm policy {origin}: {contradiction}")]
    Contradiction {
        /// Where it came from.
        origin: String,
        /// How.
        contradiction: Contradiction,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    name: String,
    algorithm: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: String,
    bits: Option<usize>,
    issue: String,
    accept: String,
    accept_from: Option<String>,
    clause: String,
}

/// The built-in policy.
///
/// # Errors
/// Never: tests read it.
pub fn built_in(sm3: &dyn Fn(&[u8]) -> String) -> Result<AlgorithmPolicy, AlgorithmPolicyError> {
    parse(BUILT_IN, "built in", sm3)
}

/// A policy from its TOML text. `sm3` digests the text; it is an argument because this layer computes nothing.
///
/// # Errors
/// The text is not such a policy.
pub fn parse(text: &str, origin: &str, sm3: &dyn Fn(&[u8]) -> String) -> Result<AlgorithmPolicy, AlgorithmPolicyError> {
    let origin = origin.to_owned();
    let raw: RawPolicy = toml::from_str(text).map_err(|error: toml::de::Error| AlgorithmPolicyError::Malformed {
        origin: origin.clone(),
        reason: error.to_string().trim().to_owned(),
    })?;
    let mut rules = Vec::with_capacity(raw.algorithm.len());
    for rule in &raw.algorithm {
        let unreadable = |text: &str| AlgorithmPolicyError::Term {
            origin: origin.clone(),
            name: rule.name.clone(),
            text: text.to_owned(),
        };
        let term = |text: &str| term(text).ok_or_else(|| unreadable(text));
        if rule.clause.trim().is_empty() {
            return Err(AlgorithmPolicyError::Uncited { origin, name: rule.name.clone() });
        }
        let accept_from = match &rule.accept_from {
            Some(text) => Some(day(text, "T00:00:00Z").ok_or_else(|| unreadable(text))?),
            None => None,
        };
        let acceptance = Acceptance { issue: term(&rule.issue)?, accept_from, accept: term(&rule.accept)? };
        rules.push((rule.name.as_str(), rule.bits.unwrap_or(0), acceptance));
    }
    AlgorithmPolicy::new(raw.name, sm3(text.as_bytes()), rules)
        .map_err(|contradiction| AlgorithmPolicyError::Contradiction { origin, contradiction })
}

fn term(text: &str) -> Option<Term> {
    match text {
        "always" => Some(Term::Always),
        "never" => Some(Term::Never),
        _ => day(text.strip_prefix("until ")?, "T23:59:59Z").map(Term::Until),
    }
}

/// A moment of a day that is written as ten characters, YYYY-MM-DD.
fn day(text: &str, moment: &str) -> Option<Timestamp> {
    if text.len() == 10 { Timestamp::parse_rfc3339(&format!("{text}{moment}")).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trust::Use;

    fn read(text: &str) -> Result<AlgorithmPolicy, AlgorithmPolicyError> {
        parse(text, "a.toml", &|_| "digest".into())
    }

    #[test]
    fn the_built_in_policy_says_what_the_contract_says() {
        let policy = built_in(&|_| "digest".into()).unwrap();
        assert_eq!((policy.name.as_str(), policy.sm3.as_str()), ("default", "digest"));
        let moment = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let (now, last) = (moment("2026-11-22T00:00:00Z"), moment("2030-12-31T23:59:59Z"));
        let ask = |name, bits, at, wanted| policy.acceptable(name, bits, at, wanted).map_err(|refused| refused.code());
        assert_eq!(ask("rsa-key", 2048, now, Use::Accept), Ok(()));
        assert_eq!(ask("rsa-key", 2048, last, Use::Accept), Ok(()));
        assert_eq!(ask("rsa-key", 2048, last.plus_seconds(1), Use::Accept), Err("algorithm-ended"));
        assert_eq!(ask("rsa-key", 2048, now, Use::Issue), Err("algorithm-not-accepted"));
        for bits in [3072, 4096] {
            assert_eq!(ask("rsa-key", bits, Timestamp::MAX, Use::Issue), Ok(()));
        }
        for wanted in [Use::Issue, Use::Accept] {
            for name in ["sha1", "md5", "rsa-sha1", "rsa-md5", "sm4-ecb", "sm4-ctr"] {
                assert_eq!(ask(name, 0, now, wanted), Err("algorithm-not-accepted"), "{name}");
            }
            for name in ["sm2-sm3", "sm3", "sm2-key", "rsa-sha256", "sha256", "aes-256-gcm", "sm4-gcm", "ed25519"] {
                assert_eq!(ask(name, 256, now, wanted), Ok(()), "{name}");
            }
        }
        assert_eq!(ask("sm4-cbc", 128, now, Use::Issue), Err("algorithm-not-accepted"));
    }

    #[test]
    fn each_fault_is_named() {
        let change = |from: &str, to: &str| {
            assert!(BUILT_IN.contains(from), "{from}");
            read(&BUILT_IN.replacen(from, to, 1)).unwrap_err().to_string()
        };
        let unknown = change("name = \"default\"", "name = \"default\"\nsurprise = 1");
        assert!(unknown.starts_with("the algorithm policy a.toml cannot be read:"), "{unknown}");
        assert!(unknown.contains("unknown field `surprise`"), "{unknown}");
        let unknown = change("bits = 2048", "bits = 2048\nbit = 1");
        assert!(unknown.contains("unknown field `bit`"), "{unknown}");
        for wrong in ["until 2030-13-01", "until 2030-1-1", "2030-12-31", "forever", ""] {
            let refused = change("until 2030-12-31", wrong);
            let why = format!("rsa-key: {wrong:?} is neither always, never nor until YYYY-MM-DD");
            assert_eq!(refused, format!("the algorithm policy a.toml: {why}"));
        }
        assert_eq!(change("\"RFC 6151 2\"", "\" \""), "the algorithm policy a.toml: md5 cites no clause");
        let begun = change("until 2030-12-31\"", "until 2030-12-31\"\naccept_from = \"2031-01-01\"");
        let why = "rsa-key is accepted from a moment on at which it is accepted no more";
        assert_eq!(begun, format!("the algorithm policy a.toml: {why}"));
        let twice = change("name = \"sha256\"", "name = \"sm3\"");
        assert_eq!(twice, "the algorithm policy a.toml: sm3 has two rules for the same size");
        let (short, _) = BUILT_IN.rsplit_once("[[algorithm]]").unwrap();
        assert_eq!(read(short).unwrap_err().to_string(), "the algorithm policy a.toml: argon2id has no rule");
    }
}
