//! Numbers of identity are of those who sign, encrypt or log in, not of authorities.

use crate::domain::ca::identity::IdentityKind;
use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "identity-position",
    citation: "GM/T 0015-2012 5.2.3.3 (recollection)",
    effective: effective::GB_T_20518,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let found = IdentityKind::ALL.into_iter().find(|kind| parts.extension(kind.oid()).is_some());
    match found {
        Some(kind) if parts.is_authority() => Err(format!("{} stands in a certificate of an authority", kind.name())),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[authority, || end().with_extension(&octets(extension::IDENTITY_CODE, false, b"\x80\x1211010519491231002X"))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| authority().with_extension(&octets(extension::IDENTITY_CODE, false, b"\x80\x1211010519491231002X"))];
}
