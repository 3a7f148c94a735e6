//! cRLDistributionPoints are not critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::CRL_DISTRIBUTION_POINTS;

pub(super) static RULE: Rule = Rule {
    name: "crl-distribution-points-criticality",
    citation: "RFC 5280 4.2.1.13",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    criticality(parts, CRL_DISTRIBUTION_POINTS, "cRLDistributionPoints", false)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &CrlDistributionPoints(vec![point("http://a.example/1.crl")]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(true, &CrlDistributionPoints(vec![point("http://a.example/1.crl")]))];
}
