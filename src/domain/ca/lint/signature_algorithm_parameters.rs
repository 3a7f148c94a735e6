//! RSASSA-PKCS1-v1_5 has the parameters NULL, ECDSA, SM2 and Ed25519 have none.

use crate::crypto::algorithm::SignatureAlgorithm;
use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "signature-algorithm-parameters",
    citation: "RFC 4055 5; RFC 5758 3.2; RFC 8410 3; GB/T 20518 (recollection)",
    effective: effective::RFC_3279,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let (oid, parameters) = (parts.inner_algorithm.oid, parts.inner_algorithm.parameters);
    let right = match SignatureAlgorithm::from_oid(oid) {
        Some(SignatureAlgorithm::RsaPkcs1(_)) => parameters == Some(&[5, 0]),
        Some(_) => parameters.is_none(),
        None => true,
    };
    if right { Ok(()) } else { Err(format!("the parameters of {oid} are wrong")) }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().change(|draft| draft.inner = algorithm("1.2.840.113549.1.1.11", &[5, 0]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.inner = algorithm("1.2.840.113549.1.1.11", &[])), || end().change(|draft| draft.inner = algorithm("1.2.840.10045.4.3.2", &[5, 0])), || end().change(|draft| draft.inner = algorithm("1.2.156.10197.1.501", &[5, 0]))];
}
