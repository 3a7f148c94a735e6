//! The period of a private key lies within the certificate's, and has an order.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension::PrivateKeyUsagePeriod;

pub(super) static RULE: Rule = Rule {
    name: "private-key-usage-period",
    citation: "RFC 3280 4.2.1.4; X.509 9.2.2.5",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let Some(period) = parts.value::<PrivateKeyUsagePeriod>() else { return Ok(()) };
    let (from, to) = (period.not_before.unwrap_or(parts.not_before.moment), period.not_after.unwrap_or(parts.not_after.moment));
    if from > to || from < parts.not_before.moment || to > parts.not_after.moment {
        return Err(format!("{from} to {to} is no period within the certificate's"));
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &PrivateKeyUsagePeriod { not_before: None, not_after: Some(Timestamp::from_unix(1_800_000_000)) })];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(false, &PrivateKeyUsagePeriod { not_before: None, not_after: Some(Timestamp::from_unix(1)) })];
}
