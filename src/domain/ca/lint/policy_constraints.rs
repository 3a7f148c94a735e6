//! Policy constraints stand in certificates of authorities, critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective, of_authorities};
use crate::format::x509::extension::POLICY_CONSTRAINTS;

pub(super) static RULE: Rule = Rule {
    name: "policy-constraints",
    citation: "RFC 5280 4.2.1.11",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    of_authorities(parts, POLICY_CONSTRAINTS, "policyConstraints")?;
    criticality(parts, POLICY_CONSTRAINTS, "policyConstraints", true)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| authority().with(true, &PolicyConstraints { require_explicit_policy: Some(0), inhibit_policy_mapping: None })];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| authority().with(false, &PolicyConstraints { require_explicit_policy: Some(0), inhibit_policy_mapping: None }), || end().with(true, &PolicyConstraints { require_explicit_policy: Some(0), inhibit_policy_mapping: None })];
}
