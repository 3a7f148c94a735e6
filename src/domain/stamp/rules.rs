//! What all time-stamping authorities of one installation keep to: policies, digests, precision, order, thresholds.

use crate::crypto::algorithm::DigestAlgorithm;
use crate::domain::stamp::clock::{Precision, Thresholds};
use crate::format::cms::Family;
use crate::format::der::ObjectIdentifier;

/// The rules of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The policies; the first where a client asks for none. Empty: nothing is stamped.
    pub policies: Vec<ObjectIdentifier>,
    /// The digests that are stamped.
    pub digests: Vec<DigestAlgorithm>,
    /// To which fraction of a second genTime is cut.
    pub precision: Precision,
    /// Whether each time is later than the one before.
    pub ordering: bool,
    /// What is tolerated of the clocks.
    pub thresholds: Thresholds,
    /// The family that tokens are written in.
    pub family: Family,
}

/// Why a rule is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRule {
    /// A policy that is no object identifier.
    #[error("{text:?} is no object identifier")]
    Policy {
        /// What was given.
        text: String,
    },
    /// A digest that is not stamped here.
    #[error("{text:?} is not among sm3, sha256, sha384, sha512")]
    Digest {
        /// What was given.
        text: String,
    },
    /// No digest at all.
    #[error("at least one is needed")]
    NoDigest,
    /// A precision that is none.
    #[error("seconds, milliseconds or microseconds, not {text:?}")]
    Precision {
        /// What was given.
        text: String,
    },
}

/// The policy of the development PKI: below the number that IANA keeps for examples (RFC 5612 2).
pub const DEVELOPMENT_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1");

impl Rules {
    /// The rules for clocks that as many sources must vouch for: all digests, milliseconds, no order, no policy.
    #[must_use]
    pub fn new(sources: usize) -> Self {
        Self {
            policies: Vec::new(),
            digests: DigestAlgorithm::ALL.to_vec(),
            precision: Precision::Milliseconds,
            ordering: false,
            thresholds: Thresholds { sources, ..Thresholds::DEFAULT },
            family: Family::Cms,
        }
    }

    /// Offers these policies.
    ///
    /// # Errors
    /// The first that is none.
    pub fn offer_policies(&mut self, texts: &[String]) -> Result<(), InvalidRule> {
        let read = |text: &String| ObjectIdentifier::new(text).map_err(|_| InvalidRule::Policy { text: text.clone() });
        self.policies = texts.iter().map(read).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Stamps these digests only.
    ///
    /// # Errors
    /// The first that is none; [`InvalidRule::NoDigest`].
    pub fn offer_digests(&mut self, texts: &[String]) -> Result<(), InvalidRule> {
        let read = |text: &String| {
            let found = DigestAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text);
            found.ok_or_else(|| InvalidRule::Digest { text: text.clone() })
        };
        self.digests = texts.iter().map(read).collect::<Result<_, _>>()?;
        if self.digests.is_empty() { Err(InvalidRule::NoDigest) } else { Ok(()) }
    }

    /// Cuts times to that fraction.
    ///
    /// # Errors
    /// It is none.
    pub fn cut_to(&mut self, text: &str) -> Result<(), InvalidRule> {
        self.precision = match text {
            "seconds" => Precision::Seconds,
            "milliseconds" => Precision::Milliseconds,
            "microseconds" => Precision::Microseconds,
            _ => return Err(InvalidRule::Precision { text: text.to_owned() }),
        };
        Ok(())
    }

    /// Where nothing is configured and the development PKI stamps.
    pub fn offer_development_policy(&mut self) {
        if self.policies.is_empty() {
            self.policies.push(DEVELOPMENT_POLICY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_or_refused_by_name() {
        let mut rules = Rules::new(2);
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(rules.thresholds.sources, 2);
        rules.offer_development_policy();
        assert_eq!(rules.policies, [DEVELOPMENT_POLICY]);
        rules.offer_policies(&texts(&["1.2.3", "1.2.4"])).unwrap();
        rules.offer_development_policy();
        assert_eq!(rules.policies.len(), 2);
        let policy = InvalidRule::Policy { text: "1.x".into() };
        assert_eq!(rules.offer_policies(&texts(&["1.2.3", "1.x"])), Err(policy));
        rules.offer_digests(&texts(&["sha512", "sm3"])).unwrap();
        assert_eq!(rules.digests, [DigestAlgorithm::Sha512, DigestAlgorithm::Sm3]);
        let digest = InvalidRule::Digest { text: "sha1".into() };
        assert_eq!(rules.offer_digests(&texts(&["sha1"])), Err(digest));
        assert_eq!(rules.offer_digests(&[]), Err(InvalidRule::NoDigest));
        rules.cut_to("microseconds").unwrap();
        assert_eq!(rules.precision, Precision::Microseconds);
        assert_eq!(rules.cut_to("hours"), Err(InvalidRule::Precision { text: "hours".into() }));
    }
}
