//! Purposes agree with keyUsage.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::{
    CLIENT_AUTH, CODE_SIGNING, EMAIL_PROTECTION, KEY_USAGE, KeyUsage, OCSP_SIGNING, SERVER_AUTH, TIME_STAMPING,
};

pub(super) static RULE: Rule = Rule {
    name: "purposes-key-usage",
    citation: "RFC 5280 4.2.1.12",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let signs = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION;
    let agrees = KeyUsage::KEY_AGREEMENT | KeyUsage::KEY_ENCIPHERMENT;
    for purpose in parts.purposes() {
        let allowed = match purpose {
            CODE_SIGNING => KeyUsage::DIGITAL_SIGNATURE,
            CLIENT_AUTH => KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_AGREEMENT,
            SERVER_AUTH => KeyUsage::DIGITAL_SIGNATURE | agrees,
            EMAIL_PROTECTION => signs | agrees,
            TIME_STAMPING | OCSP_SIGNING => signs,
            _ => continue,
        };
        if parts.extension(KEY_USAGE).is_some() && parts.key_usage() & allowed == 0 {
            return Err(format!("keyUsage allows nothing that {purpose} needs"));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().purposes(false, &[CLIENT_AUTH]), || end().usage(KeyUsage::KEY_AGREEMENT).purposes(false, &[SERVER_AUTH])];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().usage(KeyUsage::KEY_ENCIPHERMENT).purposes(false, &[CODE_SIGNING]), || end().usage(KeyUsage::KEY_AGREEMENT).purposes(true, &[TIME_STAMPING])];
}
