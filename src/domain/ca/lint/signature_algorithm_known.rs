//! The signature algorithm is one that we compute: neither MD5 nor SHA-1 is.

use crate::crypto::algorithm::{Algorithm, Kind};
use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "signature-algorithm-known",
    citation: "RFC 6151 2; RFC 6194; NIST SP 800-131A rev. 2 9",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let oid = parts.inner_algorithm.oid;
    if Algorithm::by_oid(Kind::Signature, oid).any(|row| row.computed) {
        return Ok(());
    }
    Err(format!("{oid} is not known or not safe"))
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.inner = algorithm("1.2.840.113549.1.1.5", &[5, 0])), || end().change(|draft| draft.inner = algorithm("1.2.3", &[]))];
}
