//! A distribution point has a name or an issuer, and its URIs can be fetched by http or ldap.

use crate::domain::ca::lint::{Parts, Rule, effective, is_uri};
use crate::format::x509::GeneralName;
use crate::format::x509::extension::{CrlDistributionPoints, DistributionPointName, FreshestCrl};

pub(super) static RULE: Rule = Rule {
    name: "distribution-points",
    citation: "RFC 5280 4.2.1.13, 4.2.1.15",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let mut points = parts.value::<CrlDistributionPoints<'_>>().map_or_else(Vec::new, |points| points.0);
    points.extend(parts.value::<FreshestCrl<'_>>().map_or_else(Vec::new, |points| points.0));
    for point in &points {
        if point.name.is_none() && point.crl_issuer.is_empty() {
            return Err("a distribution point has neither a name nor an issuer".to_owned());
        }
        let Some(DistributionPointName::FullName(names)) = &point.name else { continue };
        for name in names {
            if let GeneralName::Uri(uri) = name && !is_uri(uri, &["http", "ldap"]) {
                return Err(format!("{uri:?} cannot be fetched"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &CrlDistributionPoints(vec![point("http://a.example/1.crl")])), || end().with(false, &CrlDistributionPoints(vec![DistributionPoint { name: None, reasons: None, crl_issuer: vec![uri("http://a.example")] }]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(false, &CrlDistributionPoints(vec![point("ftp://a.example/1.crl")])), || end().with(false, &FreshestCrl(vec![point("a.crl")]))];
}
