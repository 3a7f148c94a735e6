//! No kind of attribute stands in a name twice, but units and domain components.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::domain::ca::profile::AttributeKind;

pub(super) static RULE: Rule = Rule {
    name: "name-repeated",
    citation: "X.501 9.3; CA/Browser Forum baseline requirements 7.1.4.1",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    for name in [&parts.issuer, &parts.subject] {
        let mut seen = Vec::new();
        for attribute in name.attributes() {
            let several = [AttributeKind::OrganisationalUnit.oid(), AttributeKind::DomainComponent.oid()];
            if seen.contains(&attribute.kind) && !several.contains(&attribute.kind) {
                return Err(format!("{} stands there twice", attribute.kind));
            }
            seen.push(attribute.kind);
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().subject(&[("2.5.4.11", UTF8, "a"), ("2.5.4.11", UTF8, "b")])];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().subject(&[("2.5.4.3", UTF8, "a"), ("2.5.4.3", UTF8, "b")])];
}
