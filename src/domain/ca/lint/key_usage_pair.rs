//! An SM2 key signs or encrypts: the two certificates of a pair are for two keys.

use crate::crypto::PublicKey;
use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::domain::trust::key::public_key;
use crate::format::x509::extension::KeyUsage;

pub(super) static RULE: Rule = Rule {
    name: "key-usage-pair",
    citation: "GB/T 20518, pairs of certificates; GM/T 0034 (recollection)",
    effective: effective::GB_T_20518,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let sm2 = matches!(public_key(&parts.public_key), Some(PublicKey::Sm2(_)));
    let encrypts = KeyUsage::KEY_ENCIPHERMENT | KeyUsage::DATA_ENCIPHERMENT | KeyUsage::KEY_AGREEMENT;
    let signs = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION | KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN;
    if sm2 && parts.key_usage() & encrypts != 0 && parts.key_usage() & signs != 0 {
        return Err("one SM2 key is to sign and to encrypt".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().usage(KeyUsage::KEY_ENCIPHERMENT | KeyUsage::DATA_ENCIPHERMENT)];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().usage(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT)];
}
