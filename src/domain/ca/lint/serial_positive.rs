//! A serial number is a positive integer.

use crate::domain::ca::lint::{Parts, Rule, effective};

pub(super) static RULE: Rule = Rule {
    name: "serial-positive",
    citation: "RFC 5280 4.1.2.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    match parts.serial {
        [0x80..=0xff, ..] => Err("the serial number is negative".to_owned()),
        octets if octets.iter().all(|octet| *octet == 0) => Err("the serial number is zero".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().change(|draft| draft.serial = vec![0, 0x80])];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().change(|draft| draft.serial = vec![0x80]), || end().change(|draft| draft.serial = vec![0])];
}
