//! Defaults are not written: neither critical FALSE nor cA FALSE.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::BASIC_CONSTRAINTS;

pub(super) static RULE: Rule = Rule {
    name: "extension-default",
    citation: "X.690 11.5",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if let Some(extension) = parts.extensions.iter().find(|extension| extension.default_written) {
        return Err(format!("critical FALSE is written out in {}", extension.oid));
    }
    match parts.extension(BASIC_CONSTRAINTS) {
        Some(extension) if extension.value.starts_with(&[0x30, 3, 1, 1, 0]) => Err("cA FALSE is written out".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with_extension(&octets(extension::BASIC_CONSTRAINTS, true, &[0x30, 3, 1, 1, 0])), || end().change(|draft| draft.extensions[2] = Writer::sequence_of(&[&[6, 3, 0x55, 0x1d, 14, 1, 1, 0, 4, 3][..], &[4, 1, 7]].concat()))];
}
