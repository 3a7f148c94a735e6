//! One bit at least is set.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::KEY_USAGE;

pub(super) static RULE: Rule = Rule {
    name: "key-usage-empty",
    citation: "RFC 5280 4.2.1.3",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.extension(KEY_USAGE).is_some() && parts.key_usage() == 0 {
        return Err("keyUsage has no bit".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().usage(0)];
}
