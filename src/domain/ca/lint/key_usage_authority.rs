//! keyCertSign is set for authorities, and for nobody else.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::KeyUsage;

pub(super) static RULE: Rule = Rule {
    name: "key-usage-authority",
    citation: "RFC 5280 4.2.1.3, 4.2.1.9",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let signs = parts.key_usage() & KeyUsage::KEY_CERT_SIGN != 0;
    match (parts.is_authority(), signs) {
        (true, false) => Err("an authority without keyCertSign".to_owned()),
        (false, true) => Err("keyCertSign beside no authority".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, authority];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().usage(KeyUsage::KEY_CERT_SIGN), || authority().usage(KeyUsage::CRL_SIGN)];
}
