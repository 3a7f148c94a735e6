//! keyUsage is critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::KEY_USAGE;

pub(super) static RULE: Rule = Rule {
    name: "key-usage-criticality",
    citation: "RFC 5280 4.2.1.3",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    criticality(parts, KEY_USAGE, "keyUsage", true)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(false, &KeyUsage(1))];
}
