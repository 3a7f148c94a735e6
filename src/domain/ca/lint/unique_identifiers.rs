//! No unique identifiers.

use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "unique-identifiers",
    citation: "RFC 5280 4.1.2.8",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.unique_identifier {
        return Err("a unique identifier stands there".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.unique = tlv(0x81, &[0, 1])), || end().change(|draft| draft.unique = tlv(0x82, &[0, 1]))];
}
