//! A serial number has room for 64 random bits.

use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "serial-random",
    citation: "CA/Browser Forum baseline requirements 7.1",
    effective: effective::BALLOT_164,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let octets = parts.serial.iter().skip_while(|octet| **octet == 0).count();
    if octets < 8 {
        return Err(format!("the serial number has {octets} octets"));
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.serial = vec![0, 0xa5, 1, 1, 1, 1, 1, 1])];
}
