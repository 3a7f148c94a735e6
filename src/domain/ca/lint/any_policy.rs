//! anyPolicy is for authorities.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::{ANY_POLICY, CertificatePolicies};

pub(super) static RULE: Rule = Rule {
    name: "any-policy",
    citation: "RFC 5280 4.2.1.4; CA/Browser Forum baseline requirements 7.1.2.7",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let policies = parts.value::<CertificatePolicies<'_>>();
    if !parts.is_authority() && policies.is_some_and(|list| list.0.iter().any(|one| one.policy == ANY_POLICY)) {
        return Err("anyPolicy in a certificate that is no authority's".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| authority().with(false, &policies(ANY_POLICY, &[]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(false, &policies(ANY_POLICY, &[]))];
}
