//! The issuer's name and serial number stand there together or not at all.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::AuthorityKeyIdentifier;

pub(super) static RULE: Rule = Rule {
    name: "authority-key-identifier-pair",
    citation: "RFC 5280 4.2.1.1, A.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    match parts.value::<AuthorityKeyIdentifier<'_>>() {
        Some(one) if one.issuer.is_empty() != one.serial.is_none() => {
            Err("authorityCertIssuer and authorityCertSerialNumber are not together".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().with(false, &AuthorityKeyIdentifier { key_identifier: Some(&[1]), issuer: vec![uri("http://a.example")], serial: Some(&[1]) })];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with_extension(&octets(extension::AUTHORITY_KEY_IDENTIFIER, false, &[0x30, 6, 0x80, 1, 1, 0x82, 1, 1]))];
}
