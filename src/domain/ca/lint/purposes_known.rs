//! No key is for anything, and no purpose stands there twice.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::ANY_EXTENDED_KEY_USAGE;

pub(super) static RULE: Rule = Rule {
    name: "purposes-known",
    citation: "RFC 5280 4.2.1.12; CA/Browser Forum baseline requirements 7.1.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let purposes = parts.purposes();
    if purposes.contains(&ANY_EXTENDED_KEY_USAGE) {
        return Err("anyExtendedKeyUsage stands there".to_owned());
    }
    for (index, purpose) in purposes.iter().enumerate() {
        if purposes.iter().take(index).any(|other| other == purpose) {
            return Err(format!("{purpose} stands there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().purposes(false, &[CLIENT_AUTH, EMAIL_PROTECTION])];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().purposes(false, &[ANY_EXTENDED_KEY_USAGE]), || end().purposes(false, &[CLIENT_AUTH, CLIENT_AUTH])];
}
