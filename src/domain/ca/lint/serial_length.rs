//! A serial number has at most 20 octets.

use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "serial-length",
    citation: "RFC 5280 4.1.2.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    if parts.serial.len() > 20 {
        return Err(format!("the serial number has {} octets", parts.serial.len()));
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().change(|draft| draft.serial = vec![0x5a; 20])];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.serial = vec![0x5a; 21])];
}
