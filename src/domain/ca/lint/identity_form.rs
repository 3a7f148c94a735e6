//! Numbers of identity have the form of their kind, and their check characters are right.

use crate::domain::ca::identity::{IdentityKind, IdentityValue};
use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "identity-form",
    citation: "GM/T 0015-2012 5.2.3.3 (recollection); GB 11643-1999 4; GB 32100-2015 4",
    effective: effective::GB_T_20518,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    for one in &parts.extensions {
        if IdentityKind::ALL.iter().any(|kind| kind.oid() == one.oid) {
            // No finding holds a number.
            IdentityValue::from_extension(one.oid, one.value).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    const ORGANISATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10260.4.1.4");

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[
        end,
        || end().with_extension(&octets(extension::IDENTITY_CODE, false, b"\x80\x1211010519491231002X")),
        || end().with_extension(&octets(ORGANISATION, false, b"\x13\x1291350100M000100Y43")),
        || end().with_extension(&octets(ORGANISATION, false, b"\x13\x09M000100Y4")),
    ];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[
        || end().with_extension(&octets(extension::IDENTITY_CODE, false, b"\x80\x12110105194912310021")),
        || end().with_extension(&octets(ORGANISATION, false, b"\x13\x1291350100M000100Y44")),
        || end().with_extension(&octets(ORGANISATION, false, b"\x05\x00")),
    ];
}
