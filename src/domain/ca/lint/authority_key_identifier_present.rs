//! The issuer's key is identified, except where the key signs itself.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::{AUTHORITY_KEY_IDENTIFIER, AuthorityKeyIdentifier};

pub(super) static RULE: Rule = Rule {
    name: "authority-key-identifier-present",
    citation: "RFC 5280 4.2.1.1",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let identified = parts.value::<AuthorityKeyIdentifier<'_>>().is_some_and(|one| one.key_identifier.is_some());
    if identified || (parts.is_self_issued() && parts.extension(AUTHORITY_KEY_IDENTIFIER).is_none()) {
        return Ok(());
    }
    Err("authorityKeyIdentifier with a keyIdentifier is missing".to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, root];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().without(extension::AUTHORITY_KEY_IDENTIFIER), || end().with(false, &AuthorityKeyIdentifier::default())];
}
