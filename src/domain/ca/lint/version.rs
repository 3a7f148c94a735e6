//! Extensions belong to version 3.

use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "version",
    citation: "RFC 5280 4.1.2.1",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.version != 2 {
        return Err(format!("the version is {}", parts.version.saturating_add(1)));
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.version = None), || end().change(|draft| draft.version = Some(1))];
}
