//! A country is two capital letters.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::domain::ca::profile::{AttributeKind, Pattern};

pub(super) static RULE: Rule = Rule {
    name: "name-country",
    citation: "RFC 5280 A.1; ISO 3166-1",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    for attribute in parts.issuer.attributes().chain(parts.subject.attributes()) {
        let country = attribute.kind == AttributeKind::Country.oid();
        if country && !attribute.text().is_some_and(|text| Pattern::Country.matches(&text)) {
            return Err("countryName is not two capital letters".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().subject(&[("2.5.4.6", PRINTABLE, "cn")]), || end().subject(&[("2.5.4.6", PRINTABLE, "CHN")])];
}
