//! Mappings stand in certificates of authorities and map no anyPolicy.

use crate::domain::ca::lint::{Parts, Rule, effective, of_authorities};
use crate::format::x509::extension::{ANY_POLICY, POLICY_MAPPINGS, PolicyMappings};

pub(super) static RULE: Rule = Rule {
    name: "policy-mappings",
    citation: "RFC 5280 4.2.1.5",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    of_authorities(parts, POLICY_MAPPINGS, "policyMappings")?;
    let mappings = parts.value::<PolicyMappings>().map_or_else(Vec::new, |mappings| mappings.0);
    if mappings.iter().any(|(from, to)| [from, to].contains(&&ANY_POLICY)) {
        return Err("anyPolicy is mapped".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| authority().with(true, &PolicyMappings(vec![(CLIENT_AUTH, SERVER_AUTH)]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(true, &PolicyMappings(vec![(CLIENT_AUTH, SERVER_AUTH)])), || authority().with(true, &PolicyMappings(vec![(CLIENT_AUTH, ANY_POLICY)]))];
}
