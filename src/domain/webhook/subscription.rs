//! Which notices a receiver is told.

use crate::base::division::Division;
use crate::domain::webhook::{Facts, NoticeType};

/// What a receiver wants to know. An empty list asks nothing of a notice; of types it stands for all but those of certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscription {
    /// Divisions; each with all that lie in it.
    pub divisions: Vec<Division>,
    /// Types of seals, by their codes.
    pub kinds: Vec<u8>,
    /// Types of notices.
    pub types: Vec<NoticeType>,
}

impl Subscription {
    /// Whether notices of that type are told at all.
    #[must_use]
    pub fn wants(&self, kind: NoticeType) -> bool {
        match self.types.is_empty() {
            true => !kind.is_of_certificates(),
            false => self.types.contains(&kind),
        }
    }

    /// Whether it asks where something lies, or of which type the seal is.
    #[must_use]
    pub fn asks_facts(&self) -> bool {
        !self.divisions.is_empty() || !self.kinds.is_empty()
    }

    /// Whether what is known of a seal fits. Of what nothing is known is told only to whoever asks nothing of it: a receiver of
    /// one division never hears of another by mistake.
    #[must_use]
    pub fn fits(&self, facts: Option<&Facts>) -> bool {
        let Some(facts) = facts else { return !self.asks_facts() };
        let lies_there = self.divisions.is_empty() || self.divisions.iter().any(|one| one.contains(&facts.division));
        lies_there && (self.kinds.is_empty() || self.kinds.contains(&facts.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(division: &str, kind: u8) -> Facts {
        Facts { code: None, kind, division: Division::parse(division).unwrap(), valid_to: None }
    }

    #[test]
    fn whoever_asks_nothing_is_told_all_but_certificates() {
        let all = Subscription::default();
        for kind in NoticeType::ALL {
            assert_eq!(all.wants(*kind), !kind.name().starts_with("certificate."), "{kind}");
        }
        assert!(all.fits(None) && all.fits(Some(&facts("330106", 1))));
    }

    #[test]
    fn divisions_and_types_are_kept_apart() {
        let one = Subscription {
            divisions: vec![Division::parse("3301").unwrap(), Division::parse("320000").unwrap()],
            kinds: vec![1, 6],
            types: vec![NoticeType::SealRevoked, NoticeType::CertificateRevoked],
        };
        assert!(one.wants(NoticeType::SealRevoked) && one.wants(NoticeType::CertificateRevoked));
        assert!(!one.wants(NoticeType::SealSuspended));
        for (division, kind, fits) in [
            ("330106", 1, true),
            ("3301", 6, true),
            ("33", 1, false),
            ("330206", 1, false),
            ("320100", 1, true),
            ("330106", 2, false),
        ] {
            assert_eq!(one.fits(Some(&facts(division, kind))), fits, "{division} {kind}");
        }
        assert!(!one.fits(None));
    }
}
