//! Without a subject the alternative names are there, and critical.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::SUBJECT_ALT_NAME;

pub(super) static RULE: Rule = Rule {
    name: "subject-empty",
    citation: "RFC 5280 4.2.1.6",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if !parts.subject.is_empty() || parts.extension(SUBJECT_ALT_NAME).is_some_and(|names| names.critical) {
        return Ok(());
    }
    Err("the subject is empty and no critical subjectAltName stands in its place".to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().subject(&[]).with(true, &SubjectAltName(vec![uri("http://a.example")]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().subject(&[]), || end().subject(&[]).with(false, &SubjectAltName(vec![uri("http://a.example")]))];
}
