//! Only authorities that sign certificates have a path length.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::{BasicConstraints, KeyUsage};

pub(super) static RULE: Rule = Rule {
    name: "path-length",
    citation: "RFC 5280 4.2.1.9",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let constraints = parts.value::<BasicConstraints>().unwrap_or_default();
    let signs = parts.key_usage() & KeyUsage::KEY_CERT_SIGN != 0;
    if constraints.path_length.is_some() && !(constraints.authority && signs) {
        return Err("pathLenConstraint stands beside no authority".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[authority];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(true, &BasicConstraints { authority: false, path_length: Some(0) }), || authority().usage(KeyUsage::CRL_SIGN)];
}
