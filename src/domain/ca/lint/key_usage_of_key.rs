//! keyUsage asks nothing of the key that its kind cannot do.

use crate::crypto::PublicKey;
use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::domain::trust::key::public_key;
use crate::format::x509::extension::KeyUsage;

pub(super) static RULE: Rule = Rule {
    name: "key-usage-of-key",
    citation: "RFC 3279 2.3.1; RFC 5480 3; RFC 8410 5; RFC 8813 3",
    effective: effective::RFC_3279,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let agreement = KeyUsage::KEY_AGREEMENT | KeyUsage::ENCIPHER_ONLY | KeyUsage::DECIPHER_ONLY;
    let encryption = KeyUsage::KEY_ENCIPHERMENT | KeyUsage::DATA_ENCIPHERMENT;
    // SM2 encrypts, signs and agrees (GB/T 32918.2 to .4).
    let cannot = match public_key(&parts.public_key) {
        Some(PublicKey::Rsa(_)) => agreement,
        Some(PublicKey::EcdsaP256(_) | PublicKey::EcdsaLarge(_)) => encryption,
        Some(PublicKey::Ed25519(_)) => encryption | agreement,
        _ => 0,
    };
    if parts.key_usage() & cannot != 0 {
        return Err("a key of that kind cannot do what keyUsage says".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().usage(KeyUsage::KEY_ENCIPHERMENT), || end().p256().usage(KeyUsage::KEY_AGREEMENT), || end().rsa(384).usage(KeyUsage::KEY_ENCIPHERMENT)];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().p256().usage(KeyUsage::KEY_ENCIPHERMENT), || end().rsa(384).usage(KeyUsage::KEY_AGREEMENT)];
}
