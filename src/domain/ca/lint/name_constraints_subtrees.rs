//! Subtrees have the minimum 0 and no maximum.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::{GeneralSubtree, NameConstraints};

pub(super) static RULE: Rule = Rule {
    name: "name-constraints-subtrees",
    citation: "RFC 5280 4.2.1.10",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let Some(constraints) = parts.value::<NameConstraints<'_>>() else { return Ok(()) };
    let wrong = |subtree: &GeneralSubtree<'_>| subtree.minimum != 0 || subtree.maximum.is_some();
    if constraints.permitted.iter().chain(&constraints.excluded).any(wrong) {
        return Err("a subtree has a minimum or a maximum".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| authority().with(true, &constraints(0, None))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| authority().with(true, &constraints(1, None)), || authority().with(true, &constraints(0, Some(1)))];
}
