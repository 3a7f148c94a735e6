//! encipherOnly and decipherOnly belong to keyAgreement and exclude each other.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::KeyUsage;

pub(super) static RULE: Rule = Rule {
    name: "key-usage-agreement",
    citation: "RFC 5280 4.2.1.3",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let usage = parts.key_usage();
    let only = usage & (KeyUsage::ENCIPHER_ONLY | KeyUsage::DECIPHER_ONLY);
    if only != 0 && usage & KeyUsage::KEY_AGREEMENT == 0 {
        return Err("encipherOnly or decipherOnly without keyAgreement".to_owned());
    }
    if only == KeyUsage::ENCIPHER_ONLY | KeyUsage::DECIPHER_ONLY {
        return Err("encipherOnly and decipherOnly together".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().usage(KeyUsage::KEY_AGREEMENT | KeyUsage::ENCIPHER_ONLY)];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().usage(KeyUsage::ENCIPHER_ONLY), || end().usage(KeyUsage::KEY_AGREEMENT | KeyUsage::ENCIPHER_ONLY | KeyUsage::DECIPHER_ONLY)];
}
