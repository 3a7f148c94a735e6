//! freshestCRL is not critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::FRESHEST_CRL;

pub(super) static RULE: Rule = Rule {
    name: "freshest-crl-criticality",
    citation: "RFC 5280 4.2.1.15",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    criticality(parts, FRESHEST_CRL, "freshestCRL", false)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &FreshestCrl(vec![point("http://a.example/1.crl")]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(true, &FreshestCrl(vec![point("http://a.example/1.crl")]))];
}
