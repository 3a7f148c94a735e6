//! Extensions of identity are not critical: software that knows nothing of them takes the certificate all the same.

use crate::domain::ca::identity::IdentityKind;
use crate::domain::ca::lint::{Parts, Rule, criticality, effective};

pub(super) static RULE: Rule = Rule {
    name: "identity-criticality",
    citation: "GM/T 0015-2012 5.2.3.3 (recollection)",
    effective: effective::GB_T_20518,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    IdentityKind::ALL.into_iter().try_for_each(|kind| criticality(parts, kind.oid(), kind.name(), false))
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().with_extension(&octets(extension::IDENTITY_CODE, false, b"\x80\x1211010519491231002X"))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with_extension(&octets(extension::IDENTITY_CODE, true, b"\x80\x1211010519491231002X"))];
}
