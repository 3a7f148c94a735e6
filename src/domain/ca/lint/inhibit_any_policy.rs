//! inhibitAnyPolicy stands in certificates of authorities, critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective, of_authorities};
use crate::format::x509::extension::INHIBIT_ANY_POLICY;

pub(super) static RULE: Rule = Rule {
    name: "inhibit-any-policy",
    citation: "RFC 5280 4.2.1.14",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    of_authorities(parts, INHIBIT_ANY_POLICY, "inhibitAnyPolicy")?;
    criticality(parts, INHIBIT_ANY_POLICY, "inhibitAnyPolicy", true)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| authority().with(true, &InhibitAnyPolicy(0))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| authority().with(false, &InhibitAnyPolicy(0)), || end().with(true, &InhibitAnyPolicy(0))];
}
