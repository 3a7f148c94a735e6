//! The signature algorithm inside is that outside.

use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "signature-algorithm-same",
    citation: "RFC 5280 4.1.1.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.inner_algorithm != parts.outer_algorithm {
        return Err("signature and signatureAlgorithm differ".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.outer = algorithm("1.2.840.10045.4.3.2", &[])), || end().change(|draft| draft.outer = algorithm("1.2.156.10197.1.501", &[5, 0]))];
}
