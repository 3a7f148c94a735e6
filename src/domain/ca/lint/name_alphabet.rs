//! A PrintableString keeps to its alphabet.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::domain::ca::profile::is_printable;
use crate::format::der::Tag;

pub(super) static RULE: Rule = Rule {
    name: "name-alphabet",
    citation: "X.680 41.4",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    for attribute in parts.issuer.attributes().chain(parts.subject.attributes()) {
        let octets = attribute.value.content();
        if attribute.value.tag() == Tag::PrintableString && !octets.iter().all(|octet| is_printable(char::from(*octet))) {
            return Err(format!("{} has characters that a PrintableString has not", attribute.kind));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().subject(&[("2.5.4.3", PRINTABLE, "a*b")]), || end().subject(&[("2.5.4.3", PRINTABLE, "a@b")])];
}
