//! subjectDirectoryAttributes are not critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::SUBJECT_DIRECTORY_ATTRIBUTES;

pub(super) static RULE: Rule = Rule {
    name: "directory-attributes-criticality",
    citation: "RFC 5280 4.2.1.8",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    criticality(parts, SUBJECT_DIRECTORY_ATTRIBUTES, "subjectDirectoryAttributes", false)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &SubjectDirectoryAttributes(vec![(CLIENT_AUTH, &[4, 1, 1])]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(true, &SubjectDirectoryAttributes(vec![(CLIENT_AUTH, &[4, 1, 1])]))];
}
