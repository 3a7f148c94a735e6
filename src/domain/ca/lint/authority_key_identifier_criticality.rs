//! authorityKeyIdentifier is not critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::AUTHORITY_KEY_IDENTIFIER;

pub(super) static RULE: Rule = Rule {
    name: "authority-key-identifier-criticality",
    citation: "RFC 5280 4.2.1.1",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    criticality(parts, AUTHORITY_KEY_IDENTIFIER, "authorityKeyIdentifier", false)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(true, &AuthorityKeyIdentifier { key_identifier: Some(&[1]), ..Default::default() })];
}
