//! The key is one: a point of its curve, an RSA modulus of 3072 bits or more without small factors, an exponent of 65537 or more.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::domain::ca::weak_key;
use crate::domain::trust::key::public_key;

pub(super) static RULE: Rule = Rule {
    name: "key-sound",
    citation: "NIST SP 800-89 5.3.3; FIPS 186-5 5.1, A.1; GB/T 32918.1 6.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let key = public_key(&parts.public_key).ok_or_else(|| "the key is not one that we compute with".to_owned())?;
    weak_key::check(&key).map_err(|weak| weak.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().p256()];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| { let last = draft.key.len() - 1; draft.key[last] ^= 1; }), || end().rsa(256)];
}
