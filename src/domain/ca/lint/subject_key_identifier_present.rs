//! The key is identified.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::SubjectKeyIdentifier;

pub(super) static RULE: Rule = Rule {
    name: "subject-key-identifier-present",
    citation: "RFC 5280 4.2.1.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.value::<SubjectKeyIdentifier<'_>>().is_none_or(|one| one.0.is_empty()) {
        return Err("subjectKeyIdentifier is missing".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().without(extension::SUBJECT_KEY_IDENTIFIER), || authority().with(false, &SubjectKeyIdentifier(&[]))];
}
