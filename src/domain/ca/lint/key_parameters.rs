//! The key's algorithm has the parameters of its standard: NULL for RSA, a named curve, nothing for Ed25519.

use crate::crypto::algorithm::{OID_EC_PUBLIC_KEY, OID_ED25519, OID_P256, OID_RSA, OID_SM2_CURVE, Parameters};
use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "key-parameters",
    citation: "RFC 3279 2.3.1; RFC 5480 2.1.1; RFC 8410 3; GB/T 20518 (recollection)",
    effective: effective::RFC_3279,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let algorithm = &parts.public_key.algorithm;
    let right = match algorithm.oid {
        OID_RSA => algorithm.parameters == Some(&[5, 0]),
        OID_EC_PUBLIC_KEY => [OID_SM2_CURVE, OID_P256].into_iter().any(|curve| Parameters::Curve(curve).allow(algorithm.parameters)),
        OID_ED25519 => algorithm.parameters.is_none(),
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("a key of {} with other parameters, or one that nobody certifies", algorithm.oid)) }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().p256(), || end().rsa(384)];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.key = key(&algorithm("1.2.840.113549.1.1.1", &[]), &[1])), || end().change(|draft| draft.key = key(&algorithm("1.2.840.10045.2.1", &[5, 0]), &[1])), || end().change(|draft| draft.key = key(&algorithm("1.3.101.112", &[5, 0]), &[1; 32]))];
}
