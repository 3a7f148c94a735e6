//! Name constraints stand in certificates of authorities, critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective, of_authorities};
use crate::format::x509::extension::NAME_CONSTRAINTS;

pub(super) static RULE: Rule = Rule {
    name: "name-constraints-position",
    citation: "RFC 5280 4.2.1.10",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    of_authorities(parts, NAME_CONSTRAINTS, "nameConstraints")?;
    criticality(parts, NAME_CONSTRAINTS, "nameConstraints", true)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| authority().with(true, &constraints(0, None))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| authority().with(false, &constraints(0, None)), || end().with(true, &constraints(0, None))];
}
