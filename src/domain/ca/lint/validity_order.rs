//! The validity does not end before it begins.

use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "validity-order",
    citation: "RFC 5280 4.1.2.5",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.not_after.moment < parts.not_before.moment {
        return Err(format!("{} is before {}", parts.not_after.moment, parts.not_before.moment));
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.not_after = tlv(0x17, b"251231235959Z"))];
}
