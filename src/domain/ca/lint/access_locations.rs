//! OCSP responders and issuers' certificates are found by http or ldap.

use crate::domain::ca::lint::{Parts, Rule, effective, is_uri};
use crate::format::x509::GeneralName;
use crate::format::x509::extension::{ACCESS_CA_ISSUERS, ACCESS_OCSP, AuthorityInfoAccess};

pub(super) static RULE: Rule = Rule {
    name: "access-locations",
    citation: "RFC 5280 4.2.2.1; RFC 6960 3.1",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let Some(access) = parts.value::<AuthorityInfoAccess<'_>>() else { return Ok(()) };
    for one in &access.0 {
        let right = match (one.method, &one.location) {
            (ACCESS_OCSP, GeneralName::Uri(uri)) => is_uri(uri, &["http"]),
            (ACCESS_CA_ISSUERS, GeneralName::Uri(uri)) => is_uri(uri, &["http", "ldap"]),
            (ACCESS_CA_ISSUERS, GeneralName::Directory(_)) => true,
            (ACCESS_OCSP | ACCESS_CA_ISSUERS, _) => false,
            _ => true,
        };
        if !right {
            return Err(format!("{:?} cannot be fetched", one.location));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &access("http://a.example/ocsp"))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(false, &access("https://a.example/ocsp")), || end().with(false, &access("a.example"))];
}
