//! An authority's basicConstraints are critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::BASIC_CONSTRAINTS;

pub(super) static RULE: Rule = Rule {
    name: "basic-constraints-criticality",
    citation: "RFC 5280 4.2.1.9",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.is_authority() { criticality(parts, BASIC_CONSTRAINTS, "basicConstraints", true) } else { Ok(()) }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[authority, || end().with(false, &BasicConstraints { authority: false, path_length: None })];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| authority().with(false, &BasicConstraints { authority: true, path_length: None })];
}
