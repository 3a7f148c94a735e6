//! issuerAltName is not critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::ISSUER_ALT_NAME;

pub(super) static RULE: Rule = Rule {
    name: "issuer-alt-name-criticality",
    citation: "RFC 5280 4.2.1.7",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    criticality(parts, ISSUER_ALT_NAME, "issuerAltName", false)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &IssuerAltName(vec![uri("http://a.example")]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(true, &IssuerAltName(vec![uri("http://a.example")]))];
}
