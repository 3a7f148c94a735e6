//! An authority has a name.

use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "authority-named",
    citation: "RFC 5280 4.1.2.6",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.is_authority() && parts.subject.is_empty() {
        return Err("the authority's name is empty".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[authority];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| authority().subject(&[])];
}
