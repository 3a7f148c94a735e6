//! No extension stands there twice.

use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "extension-repeated",
    citation: "RFC 5280 4.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    for (index, extension) in parts.extensions.iter().enumerate() {
        if parts.extensions.iter().take(index).any(|other| other.oid == extension.oid) {
            return Err(format!("{} stands there twice", extension.oid));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| { let last = draft.extensions[0].clone(); draft.extensions.push(last); })];
}
