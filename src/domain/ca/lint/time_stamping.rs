//! timeStamping is critical and alone.

use crate::domain::ca::lint::{Parts, Rule, criticality, effective};
use crate::format::x509::extension::{EXTENDED_KEY_USAGE, TIME_STAMPING};

pub(super) static RULE: Rule = Rule {
    name: "time-stamping",
    citation: "RFC 3161 2.3",
    effective: effective::RFC_3161,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let purposes = parts.purposes();
    if !purposes.contains(&TIME_STAMPING) {
        return Ok(());
    }
    if purposes.len() != 1 {
        return Err("timeStamping is not alone".to_owned());
    }
    criticality(parts, EXTENDED_KEY_USAGE, "extKeyUsage with timeStamping", true)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().purposes(true, &[TIME_STAMPING])];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().purposes(false, &[TIME_STAMPING]), || end().purposes(true, &[TIME_STAMPING, CLIENT_AUTH])];
}
