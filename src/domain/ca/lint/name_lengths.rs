//! Attributes are not empty and keep to the upper bounds.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::domain::ca::profile::AttributeKind;

pub(super) static RULE: Rule = Rule {
    name: "name-lengths",
    citation: "RFC 5280 A.1; X.520 C",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    for attribute in parts.issuer.attributes().chain(parts.subject.attributes()) {
        let most = AttributeKind::from_oid(attribute.kind).map_or(256, AttributeKind::most_characters);
        let length = attribute.text().map(|text| text.chars().count());
        if length.is_some_and(|length| length == 0 || length > most) {
            return Err(format!("{} has {} characters, not 1 to {most}", attribute.kind, length.unwrap_or(0)));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().subject(&[("2.5.4.3", UTF8, "")]), || end().subject(&[("2.5.4.3", UTF8, &"长".repeat(65))])];
}
