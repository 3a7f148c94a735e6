//! The certificate says what the key is for.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::KEY_USAGE;

pub(super) static RULE: Rule = Rule {
    name: "key-usage-present",
    citation: "RFC 5280 4.2.1.3; GB/T 20518 5.2.4 (recollection)",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.extension(KEY_USAGE).is_none() {
        return Err("keyUsage is missing".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().without(extension::KEY_USAGE)];
}
