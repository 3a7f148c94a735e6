//! The whole is a certificate as our own strict reader takes it.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::der::walk;
use crate::format::x509::Certificate;

pub(super) static RULE: Rule = Rule {
    name: "readable",
    citation: "RFC 5280 4.1; X.690",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    walk(parts.raw, 32).map_err(|error| error.to_string())?;
    Certificate::parse(parts.raw).map(|_| ()).map_err(|error| error.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with_extension(&octets(extension::BASIC_CONSTRAINTS, true, &[0x30, 1, 5]))];
}
