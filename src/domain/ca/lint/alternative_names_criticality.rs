//! Beside a subject the alternative names are not critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::SUBJECT_ALT_NAME;

pub(super) static RULE: Rule = Rule {
    name: "alternative-names-criticality",
    citation: "RFC 5280 4.2.1.6",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.subject.is_empty() {
        return Ok(());
    }
    criticality(parts, SUBJECT_ALT_NAME, "subjectAltName beside a subject", false)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &SubjectAltName(vec![uri("http://a.example")]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(true, &SubjectAltName(vec![uri("http://a.example")]))];
}
