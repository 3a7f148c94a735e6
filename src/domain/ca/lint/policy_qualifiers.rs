//! Policies are identifiers alone: no qualifiers.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::CertificatePolicies;

pub(super) static RULE: Rule = Rule {
    name: "policy-qualifiers",
    citation: "RFC 5280 4.2.1.4",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let policies = parts.value::<CertificatePolicies<'_>>();
    if policies.is_some_and(|list| list.0.iter().any(|one| !one.qualifiers.is_empty())) {
        return Err("a policy has a qualifier".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &policies(ObjectIdentifier::new_unwrap("1.2.3"), &[]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(false, &policies(ObjectIdentifier::new_unwrap("1.2.3"), &[0x30, 16, 6, 8, 0x2b, 6, 1, 5, 5, 7, 2, 1, 0x16, 4, b'h', b':', b'/', b'/']))];
}
