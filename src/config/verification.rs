//! Verification policies: those that are built in, and files of the same shape.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

use crate::config::algorithms::{self, AlgorithmPolicyError};
use crate::domain::verify::{
    ExtraParts, Past, Policy, Promised, SealTimeStamp, Tolerance, UnknownRevocation, Unlogged,
};

/// The built-in policies: name and text.
pub const BUILT_IN: [(&str, &str); 4] = [
    ("default", include_str!("../../policies/verification/default.toml")),
    ("strict", include_str!("../../policies/verification/strict.toml")),
    ("archive", include_str!("../../policies/verification/archive.toml")),
    ("lenient-field", include_str!("../../policies/verification/lenient-field.toml")),
];

/// Why a policy was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No built-in policy of that name.
    #[error("no verification policy is named {name}; there are default, strict, archive and lenient-field")]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// Not TOML, or not of this shape; unknown keys are refused.
    #[error("the verification policy {origin} cannot be read: {reason}")]
    Malformed {
        /// Where it came from.
        origin: String,
        /// What is wrong, with its line.
        reason: String,
    },
    /// A tolerance is unknown, missing, twice there, or has another number.
    #[error("the verification policy {origin}: tolerance {name} is unknown, missing, repeated or misnumbered")]
    Tolerance {
        /// Where it came from.
        origin: String,
        /// Its name.
        name: String,
    },
    /// The built-in algorithm policy beside it.
    #[error(transparent)]
    Algorithms(#[from] AlgorithmPolicyError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    name: String,
    demands: RawDemands,
    tolerance: Vec<RawTolerance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDemands {
    unknown_revocation: RawChoice,
    extra_parts: RawChoice,
    rsa_bits: usize,
    future_seconds: u32,
    maker_late_days: u32,
    past: RawPast,
    unlogged: RawUnlogged,
    promised: RawPromised,
    log_witnesses: u8,
    seal_time_stamp: RawUnlogged,
    revocation_age_seconds: Option<u32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawPast {
    Now,
    AtProof,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawUnlogged {
    Tell,
    Refuse,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawPromised {
    Enough,
    Refuse,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawChoice {
    Warn,
    Refuse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTolerance {
    number: usize,
    name: String,
    #[serde(rename = "clause")]
    _clause: String,
    #[serde(rename = "seen")]
    _seen: String,
    allowed: bool,
}

/// The built-in policy of that name.
///
/// `sm3` digests text for [`Policy::sm3`]; it is an argument because this layer computes nothing.
///
/// # Errors
/// [`PolicyError::Unknown`].
pub fn built_in(name: &str, sm3: &dyn Fn(&[u8]) -> String) -> Result<Policy, PolicyError> {
    match BUILT_IN.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => parse(text, name, sm3),
        None => Err(PolicyError::Unknown { name: name.chars().take(64).collect() }),
    }
}

/// A policy from its TOML text, with the built-in algorithm policy. Every tolerance must be listed, so that nothing is
/// decided by silence.
///
/// # Errors
/// The text is not such a policy.
pub fn parse(text: &str, origin: &str, sm3: &dyn Fn(&[u8]) -> String) -> Result<Policy, PolicyError> {
    let malformed = |error: toml::de::Error| PolicyError::Malformed {
        origin: origin.to_owned(),
        reason: error.to_string().trim().to_owned(),
    };
    let raw: RawPolicy = toml::from_str(text).map_err(malformed)?;
    let wrong = |name: &str| PolicyError::Tolerance { origin: origin.to_owned(), name: name.to_owned() };
    if let Some(extra) = raw.tolerance.get(Tolerance::ALL.len()) {
        return Err(wrong(&extra.name));
    }
    let mut tolerances = BTreeSet::new();
    for (index, tolerance) in Tolerance::ALL.into_iter().enumerate() {
        let listed = raw.tolerance.get(index).ok_or_else(|| wrong(tolerance.name()))?;
        if listed.name != tolerance.name() || listed.number != index.saturating_add(1) {
            return Err(wrong(&listed.name));
        }
        if listed.allowed {
            tolerances.insert(tolerance);
        }
    }
    let refuse = |choice| matches!(choice, RawChoice::Refuse);
    let demands = raw.demands;
    Ok(Policy {
        name: raw.name,
        sm3: sm3(text.as_bytes()),
        tolerances,
        unknown_revocation: if refuse(demands.unknown_revocation) {
            UnknownRevocation::Refuse
        } else {
            UnknownRevocation::Warn
        },
        extra_parts: if refuse(demands.extra_parts) { ExtraParts::Refuse } else { ExtraParts::Warn },
        rsa_bits: demands.rsa_bits,
        algorithms: Arc::new(algorithms::built_in(sm3)?),
        future_seconds: i64::from(demands.future_seconds),
        maker_late_days: i64::from(demands.maker_late_days),
        past: match demands.past {
            RawPast::Now => Past::Now,
            RawPast::AtProof => Past::AtProof,
        },
        unlogged: match demands.unlogged {
            RawUnlogged::Tell => Unlogged::Tell,
            RawUnlogged::Refuse => Unlogged::Refuse,
        },
        promised: match demands.promised {
            RawPromised::Enough => Promised::Enough,
            RawPromised::Refuse => Promised::Refuse,
        },
        log_witnesses: usize::from(demands.log_witnesses),
        seal_time_stamp: match demands.seal_time_stamp {
            RawUnlogged::Tell => SealTimeStamp::Tell,
            RawUnlogged::Refuse => SealTimeStamp::Refuse,
        },
        greatest_revocation_age: demands.revocation_age_seconds.map(i64::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(_: &[u8]) -> String {
        "digest".into()
    }

    #[test]
    fn built_in_policies_say_what_their_names_promise() {
        let strict = built_in("strict", &name_of).unwrap();
        assert!(strict.tolerances.is_empty());
        assert_eq!(strict.unknown_revocation, UnknownRevocation::Refuse);
        for (name, _) in BUILT_IN {
            let expected = if name == "strict" { Unlogged::Refuse } else { Unlogged::Tell };
            assert_eq!(built_in(name, &name_of).unwrap().unlogged, expected, "{name}");
            let expected = if name == "strict" { Promised::Refuse } else { Promised::Enough };
            assert_eq!(built_in(name, &name_of).unwrap().promised, expected, "{name}");
            let expected = if name == "strict" { 2 } else { 1 };
            assert_eq!(built_in(name, &name_of).unwrap().log_witnesses, expected, "{name}");
        }
        let lenient = built_in("lenient-field", &name_of).unwrap();
        assert_eq!(lenient.tolerances.len(), Tolerance::ALL.len());
        let default = built_in("default", &name_of).unwrap();
        let names: Vec<_> = default.tolerances.iter().map(|t| t.name()).collect();
        assert_eq!(
            names,
            [
                "explicit-default-false",
                "critical-unknown-extension",
                "raw-rs",
                "maker-certificate-late",
                "local-time-marked-z"
            ]
        );
        assert_eq!(built_in("lax", &name_of), Err(PolicyError::Unknown { name: "lax".into() }));
    }

    #[test]
    fn unknown_keys_and_missing_tolerances_are_refused() {
        let text = BUILT_IN[0].1;
        let extra = format!("surprise = 1\n{text}");
        let refused = parse(&extra, "x", &name_of).unwrap_err().to_string();
        assert!(refused.contains("unknown field `surprise`"), "{refused}");
        let short = text.rsplit_once("[[tolerance]]").unwrap().0;
        let refused = parse(short, "x", &name_of).unwrap_err();
        assert_eq!(refused, PolicyError::Tolerance { origin: "x".into(), name: "time-stamp-response".into() });
    }
}
