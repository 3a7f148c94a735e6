//! Certificate policies along a path (RFC 5280 6.1, in the form of RFC 9618): a graph, since a tree can grow without
//! bound.
//!
//! RFC 5280 keeps a tree whose node count can double with every certificate. RFC 9618 merges the nodes of one depth that
//! have the same policy: each depth holds a policy at most once, with the policies above that lead to it. The verdicts
//! are the same. Qualifiers are not kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::format::der::ObjectIdentifier;
use crate::format::x509::extension::ANY_POLICY;

/// What the caller brings along (RFC 5280 6.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyInputs {
    /// `user-initial-policy-set`; `None` is any policy.
    pub user_initial_policy_set: Option<Vec<ObjectIdentifier>>,
    /// `initial-explicit-policy`.
    pub initial_explicit_policy: bool,
    /// `initial-policy-mapping-inhibit`.
    pub initial_policy_mapping_inhibit: bool,
    /// `initial-any-policy-inhibit`.
    pub initial_any_policy_inhibit: bool,
}

/// What one certificate says about policies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::domain::trust) struct PolicyStatements {
    /// `certificatePolicies`; `None` where the extension is absent.
    pub policies: Option<Vec<ObjectIdentifier>>,
    /// `policyMappings`: issuer's policy, subject's policy.
    pub mappings: Vec<(ObjectIdentifier, ObjectIdentifier)>,
    /// `requireExplicitPolicy`.
    pub require_explicit_policy: Option<u32>,
    /// `inhibitPolicyMapping`.
    pub inhibit_policy_mapping: Option<u32>,
    /// `inhibitAnyPolicy`.
    pub inhibit_any_policy: Option<u32>,
}

/// Why the policies of a path are not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::trust) enum PolicyRefusal {
    /// An explicit policy is required, and none is left.
    NoneLeft,
    /// `anyPolicy` is mapped (RFC 5280 6.1.4 (a)).
    AnyMapped,
}

/// The policies under which a path is valid.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AcceptedPolicies {
    /// In the words of the first authority below the anchor, limited to the caller's set.
    pub policies: BTreeSet<ObjectIdentifier>,
    /// Whether every policy is asserted: `anyPolicy` reaches the end.
    pub any: bool,
}

/// The policies of one depth: each with the policies of the depth above that expect it, or none when `anyPolicy` did.
#[derive(Debug, Clone, Default)]
struct Level {
    nodes: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>>,
    any: bool,
}

impl Level {
    fn is_empty(&self) -> bool {
        self.nodes.is_empty() && !self.any
    }
}

/// The state variables of RFC 5280 6.1.2 that concern policies.
#[derive(Debug)]
pub(in crate::domain::trust) struct PolicyGraph {
    levels: Vec<Level>,
    expected: Level,
    explicit_policy: usize,
    policy_mapping: usize,
    inhibit_any_policy: usize,
}

impl PolicyGraph {
    /// For a path of that many certificates below the anchor (RFC 5280 6.1.2).
    pub(in crate::domain::trust) fn new(inputs: &PolicyInputs, certificates: usize) -> Self {
        let start = |inhibited: bool| if inhibited { 0 } else { certificates.saturating_add(1) };
        Self {
            levels: Vec::with_capacity(certificates),
            expected: Level { nodes: BTreeMap::new(), any: true },
            explicit_policy: start(inputs.initial_explicit_policy),
            policy_mapping: start(inputs.initial_policy_mapping_inhibit),
            inhibit_any_policy: start(inputs.initial_any_policy_inhibit),
        }
    }

    /// Takes one certificate that is not the last (RFC 5280 6.1.3 (d) to (f), 6.1.4).
    pub(in crate::domain::trust) fn authority(
        &mut self,
        said: &PolicyStatements,
        self_issued: bool,
    ) -> Result<(), PolicyRefusal> {
        let level = self.basic(said, self_issued)?;
        if said.mappings.iter().any(|(issuer, subject)| *issuer == ANY_POLICY || *subject == ANY_POLICY) {
            return Err(PolicyRefusal::AnyMapped);
        }
        self.prepare(level, &said.mappings);
        if !self_issued {
            for counter in [&mut self.explicit_policy, &mut self.policy_mapping, &mut self.inhibit_any_policy] {
                *counter = counter.saturating_sub(1);
            }
        }
        lower(&mut self.explicit_policy, said.require_explicit_policy);
        lower(&mut self.policy_mapping, said.inhibit_policy_mapping);
        lower(&mut self.inhibit_any_policy, said.inhibit_any_policy);
        Ok(())
    }

    /// Takes the last certificate and decides (RFC 5280 6.1.3 (d) to (f), 6.1.5).
    pub(in crate::domain::trust) fn end(
        mut self,
        said: &PolicyStatements,
        inputs: &PolicyInputs,
    ) -> Result<AcceptedPolicies, PolicyRefusal> {
        let level = self.basic(said, false)?;
        self.levels.push(level);
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        if said.require_explicit_policy == Some(0) {
            self.explicit_policy = 0;
        }
        let accepted = self.accepted(inputs.user_initial_policy_set.as_deref());
        if self.explicit_policy == 0 && accepted.policies.is_empty() && !accepted.any {
            return Err(PolicyRefusal::NoneLeft);
        }
        Ok(accepted)
    }

    /// RFC 5280 6.1.3 (d) to (f): the policies of this depth.
    fn basic(&mut self, said: &PolicyStatements, self_issued_authority: bool) -> Result<Level, PolicyRefusal> {
        let mut level = std::mem::take(&mut self.expected);
        match &said.policies {
            None => level = Level::default(),
            Some(policies) => {
                let policies: BTreeSet<_> = policies.iter().copied().collect();
                let any_counts = self.inhibit_any_policy > 0 || self_issued_authority;
                let any_said = any_counts && policies.contains(&ANY_POLICY);
                let any_above = level.any;
                if !any_said {
                    level.nodes.retain(|policy, _| policies.contains(policy));
                    level.any = false;
                }
                if any_above {
                    for policy in policies.into_iter().filter(|policy| *policy != ANY_POLICY) {
                        level.nodes.entry(policy).or_default();
                    }
                }
            }
        }
        if self.explicit_policy == 0 && level.is_empty() {
            return Err(PolicyRefusal::NoneLeft);
        }
        Ok(level)
    }

    /// RFC 5280 6.1.4 (b): what the next certificate is expected to say.
    fn prepare(&mut self, mut level: Level, mappings: &[(ObjectIdentifier, ObjectIdentifier)]) {
        let mapped: BTreeSet<_> = mappings.iter().map(|(issuer, _)| *issuer).collect();
        let mut next = Level { nodes: BTreeMap::new(), any: level.any };
        if self.policy_mapping == 0 {
            level.nodes.retain(|policy, _| !mapped.contains(policy));
        } else {
            for (issuer, subject) in mappings {
                if level.any {
                    level.nodes.entry(*issuer).or_default();
                }
                if level.nodes.contains_key(issuer) {
                    next.nodes.entry(*subject).or_default().insert(*issuer);
                }
            }
        }
        for policy in level.nodes.keys().filter(|policy| !mapped.contains(*policy)) {
            next.nodes.entry(*policy).or_default().insert(*policy);
        }
        self.levels.push(level);
        self.expected = next;
    }

    /// RFC 5280 6.1.5 (g): from the end upward to the policies that the first authority named itself, which are those
    /// that `anyPolicy` led to.
    fn accepted(&self, wanted: Option<&[ObjectIdentifier]>) -> AcceptedPolicies {
        let wanted = wanted.filter(|wanted| !wanted.contains(&ANY_POLICY));
        let Some(last) = self.levels.last() else { return AcceptedPolicies::default() };
        let mut policies = BTreeSet::new();
        let mut reached: BTreeSet<ObjectIdentifier> = last.nodes.keys().copied().collect();
        for level in self.levels.iter().rev() {
            let mut above = BTreeSet::new();
            for policy in &reached {
                match level.nodes.get(policy) {
                    Some(parents) if parents.is_empty() => {
                        policies.insert(*policy);
                    }
                    Some(parents) => above.extend(parents.iter().copied()),
                    None => {}
                }
            }
            reached = above;
        }
        match wanted {
            None => AcceptedPolicies { policies, any: last.any },
            Some(wanted) => {
                let is_accepted = |policy: &&ObjectIdentifier| last.any || policies.contains(*policy);
                AcceptedPolicies { policies: wanted.iter().filter(is_accepted).copied().collect(), any: false }
            }
        }
    }
}

fn lower(counter: &mut usize, said: Option<u32>) {
    if let Some(said) = said {
        *counter = (*counter).min(usize::try_from(said).unwrap_or(usize::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(number: u32) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap("1.2.3").push_arc(number).unwrap()
    }

    fn says(policies: &[ObjectIdentifier]) -> PolicyStatements {
        PolicyStatements { policies: Some(policies.to_vec()), ..PolicyStatements::default() }
    }

    fn judge(inputs: &PolicyInputs, path: &[PolicyStatements]) -> Result<Vec<ObjectIdentifier>, PolicyRefusal> {
        let mut graph = PolicyGraph::new(inputs, path.len());
        let (end, authorities) = path.split_last().unwrap();
        for said in authorities {
            graph.authority(said, false)?;
        }
        let accepted = graph.end(end, inputs)?;
        Ok(accepted.policies.into_iter().chain(accepted.any.then_some(ANY_POLICY)).collect())
    }

    fn explicit() -> PolicyInputs {
        PolicyInputs { initial_explicit_policy: true, ..PolicyInputs::default() }
    }

    #[test]
    fn policies_must_meet_along_the_path() {
        let (one, two) = (policy(1), policy(2));
        assert_eq!(judge(&explicit(), &[says(&[one, two]), says(&[one])]), Ok(vec![one]));
        assert_eq!(judge(&explicit(), &[says(&[one]), says(&[two])]), Err(PolicyRefusal::NoneLeft));
        assert_eq!(judge(&PolicyInputs::default(), &[says(&[one]), says(&[two])]), Ok(vec![]));
        assert_eq!(judge(&explicit(), &[says(&[ANY_POLICY]), says(&[two])]), Ok(vec![two]));
        assert_eq!(judge(&explicit(), &[says(&[ANY_POLICY]), says(&[ANY_POLICY])]), Ok(vec![ANY_POLICY]));
        let without = PolicyStatements::default();
        assert_eq!(judge(&explicit(), &[says(&[one]), without]), Err(PolicyRefusal::NoneLeft));
        let wanting = |wanted| PolicyInputs { user_initial_policy_set: Some(vec![wanted]), ..explicit() };
        assert_eq!(judge(&wanting(two), &[says(&[one]), says(&[one])]), Err(PolicyRefusal::NoneLeft));
        assert_eq!(judge(&wanting(two), &[says(&[ANY_POLICY]), says(&[ANY_POLICY])]), Ok(vec![two]));
        let inhibited = PolicyInputs { initial_any_policy_inhibit: true, ..explicit() };
        assert_eq!(judge(&inhibited, &[says(&[ANY_POLICY]), says(&[two])]), Err(PolicyRefusal::NoneLeft));
    }

    #[test]
    fn constraints_count_down() {
        let (one, two) = (policy(1), policy(2));
        let requires = |skip| PolicyStatements { require_explicit_policy: Some(skip), ..says(&[one]) };
        let path = |skip| [requires(skip), says(&[one]), says(&[two])];
        assert_eq!(judge(&PolicyInputs::default(), &path(0)), Err(PolicyRefusal::NoneLeft));
        assert_eq!(judge(&PolicyInputs::default(), &path(2)), Err(PolicyRefusal::NoneLeft));
        assert_eq!(judge(&PolicyInputs::default(), &path(3)), Ok(vec![]));
    }

    #[test]
    fn mappings_translate_and_are_inhibited() {
        let (one, two, three) = (policy(1), policy(2), policy(3));
        let mapping = |from, to| PolicyStatements { mappings: vec![(from, to)], ..says(&[one, two]) };
        assert_eq!(judge(&explicit(), &[mapping(one, three), says(&[three])]), Ok(vec![one]));
        let inhibited = PolicyInputs { initial_policy_mapping_inhibit: true, ..explicit() };
        assert_eq!(judge(&inhibited, &[mapping(one, three), says(&[three])]), Err(PolicyRefusal::NoneLeft));
        assert_eq!(judge(&explicit(), &[mapping(one, ANY_POLICY), says(&[three])]), Err(PolicyRefusal::AnyMapped));
        let from_any = PolicyStatements { mappings: vec![(one, three)], ..says(&[ANY_POLICY]) };
        assert_eq!(judge(&explicit(), &[from_any, says(&[three])]), Ok(vec![one]));
    }

    /// The tree of RFC 5280 has 64 to the power of 12 leaves here.
    #[test]
    fn hostile_mappings_do_not_multiply() {
        let policies: Vec<_> = (0..64).map(policy).collect();
        let mappings = policies.iter().flat_map(|from| policies.iter().map(|to| (*from, *to))).collect();
        let hostile = PolicyStatements { mappings, ..says(&policies) };
        let mut path = vec![hostile; 12];
        path.push(says(&policies));
        assert_eq!(judge(&explicit(), &path), Ok(policies));
    }
}
