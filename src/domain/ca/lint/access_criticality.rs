//! authorityInfoAccess and subjectInfoAccess are not critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::{AUTHORITY_INFO_ACCESS, SUBJECT_INFO_ACCESS};

pub(super) static RULE: Rule = Rule {
    name: "access-criticality",
    citation: "RFC 5280 4.2.2.1, 4.2.2.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    criticality(parts, AUTHORITY_INFO_ACCESS, "authorityInfoAccess", false)?;
    criticality(parts, SUBJECT_INFO_ACCESS, "subjectInfoAccess", false)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &access("http://a.example"))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(true, &access("http://a.example"))];
}
