//! No white space at the ends of an attribute, no control character in it.

use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "name-white-space",
    citation: "X.520 7; RFC 4518 2.6.1",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    for attribute in parts.issuer.attributes().chain(parts.subject.attributes()) {
        let wrong = |text: String| text.trim() != text || text.chars().any(|c| c.is_control() || c == '\u{fffd}');
        if attribute.text().is_some_and(wrong) {
            return Err(format!("{} has white space at an end, or a control character", attribute.kind));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().subject(&[("2.5.4.3", UTF8, "a ")]), || end().subject(&[("2.5.4.3", UTF8, "a\u{0}b")])];
}
