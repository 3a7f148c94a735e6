//! OCSP responders, and nobody else, are not asked about; the extension is not critical.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::{OCSP_NO_CHECK, OCSP_SIGNING};

pub(super) static RULE: Rule = Rule {
    name: "ocsp-no-check",
    citation: "RFC 6960 4.2.2.2.1; CA/Browser Forum baseline requirements 4.9.9",
    effective: effective::RFC_6960,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let (answers, unchecked) = (parts.purposes().contains(&OCSP_SIGNING), parts.extension(OCSP_NO_CHECK).is_some());
    match (answers, unchecked) {
        (true, false) => Err("OCSPSigning without id-pkix-ocsp-nocheck".to_owned()),
        (false, true) => Err("id-pkix-ocsp-nocheck without OCSPSigning".to_owned()),
        _ => criticality(parts, OCSP_NO_CHECK, "id-pkix-ocsp-nocheck", false),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().purposes(false, &[OCSP_SIGNING]).with(false, &OcspNoCheck)];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().purposes(false, &[OCSP_SIGNING]), || end().with(false, &OcspNoCheck), || end().purposes(false, &[OCSP_SIGNING]).with(true, &OcspNoCheck)];
}
