//! Extensions that we know have the structure of their standard.

use crate::domain::ca::lint::{Parts, Rule, effective};
use crate::format::x509::extension as e;

pub(super) static RULE: Rule = Rule {
    name: "extension-readable",
    citation: "RFC 5280 4.2.1, 4.2.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    for one in &parts.extensions {
        let read = match one.oid {
            e::SUBJECT_DIRECTORY_ATTRIBUTES => e::SubjectDirectoryAttributes::parse(one.value).map(|_| ()),
            e::SUBJECT_KEY_IDENTIFIER => e::SubjectKeyIdentifier::parse(one.value).map(|_| ()),
            e::KEY_USAGE => e::KeyUsage::parse(one.value).map(|_| ()),
            e::PRIVATE_KEY_USAGE_PERIOD => e::PrivateKeyUsagePeriod::parse(one.value).map(|_| ()),
            e::SUBJECT_ALT_NAME => e::SubjectAltName::parse(one.value).map(|_| ()),
            e::ISSUER_ALT_NAME => e::IssuerAltName::parse(one.value).map(|_| ()),
            e::BASIC_CONSTRAINTS => e::BasicConstraints::parse(one.value).map(|_| ()),
            e::NAME_CONSTRAINTS => e::NameConstraints::parse(one.value).map(|_| ()),
            e::CRL_DISTRIBUTION_POINTS => e::CrlDistributionPoints::parse(one.value).map(|_| ()),
            e::CERTIFICATE_POLICIES => e::CertificatePolicies::parse(one.value).map(|_| ()),
            e::POLICY_MAPPINGS => e::PolicyMappings::parse(one.value).map(|_| ()),
            e::AUTHORITY_KEY_IDENTIFIER => e::AuthorityKeyIdentifier::parse(one.value).map(|_| ()),
            e::POLICY_CONSTRAINTS => e::PolicyConstraints::parse(one.value).map(|_| ()),
            e::EXTENDED_KEY_USAGE => e::ExtendedKeyUsage::parse(one.value).map(|_| ()),
            e::FRESHEST_CRL => e::FreshestCrl::parse(one.value).map(|_| ()),
            e::INHIBIT_ANY_POLICY => e::InhibitAnyPolicy::parse(one.value).map(|_| ()),
            e::AUTHORITY_INFO_ACCESS => e::AuthorityInfoAccess::parse(one.value).map(|_| ()),
            e::SUBJECT_INFO_ACCESS => e::SubjectInfoAccess::parse(one.value).map(|_| ()),
            e::OCSP_NO_CHECK => e::OcspNoCheck::parse(one.value).map(|_| ()),
            e::NO_REV_AVAIL => e::NoRevAvail::parse(one.value).map(|_| ()),
            e::AUTHENTICATION_CONTEXTS => e::AuthenticationContexts::parse(one.value).map(|_| ()),
            e::IDENTITY_CODE => e::IdentityCode::parse(one.value).map(|_| ()),
            oid if one.critical => return Err(format!("{oid} is critical and nobody here knows it")),
            _ => Ok(()),
        };
        read.map_err(|error| format!("{}: {error}", one.oid))?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[end, || end().with_extension(&octets(ObjectIdentifier::new_unwrap("1.2.3"), false, &[5, 0]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with_extension(&octets(extension::AUTHORITY_KEY_IDENTIFIER, false, &[0x30, 6, 0x80, 1, 1, 0x82, 1, 1])), || end().with_extension(&octets(extension::CERTIFICATE_POLICIES, false, &[0x30, 0])), || end().with_extension(&octets(extension::EXTENDED_KEY_USAGE, false, &[5, 0])), || end().with_extension(&octets(ObjectIdentifier::new_unwrap("1.2.3"), true, &[5, 0]))];
}
