//! Rules that a certificate is held against before its issuer signs it: one file each, with its clause.
//!
//! The certificate is whole; a throw-away key of the issuer's kind signed it. What a rule cannot read it leaves to
//! [`readable`](ALL) and `extension-readable`, which refuse it.

#[cfg(test)]
mod draft;
mod parts;

use crate::base::clock::Timestamp;
use crate::format::der::{self, ObjectIdentifier};

pub use parts::{LintedExtension, Parts, Time};

/// One rule.
pub struct Rule {
    /// Its stable name.
    pub name: &'static str,
    /// The clause it comes from.
    pub citation: &'static str,
    /// Certificates that begin before that moment are not held against it.
    pub effective: Timestamp,
    /// Looks for the fault; the text says what is wrong.
    pub check: fn(&Parts<'_>) -> Result<(), String>,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {detail} ({citation})")]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// Its clause.
    pub citation: &'static str,
    /// What is wrong.
    pub detail: String,
}

/// When the standards became effective; the days are those of their publication.
mod effective {
    use crate::base::clock::Timestamp;

    /// RFC 3279, April 2002.
    pub(super) const RFC_3279: Timestamp = Timestamp::from_unix(1_017_619_200);
    /// RFC 3161, August 2001.
    pub(super) const RFC_3161: Timestamp = Timestamp::from_unix(996_624_000);
    /// RFC 5280, May 2008.
    pub(super) const RFC_5280: Timestamp = Timestamp::from_unix(1_209_600_000);
    /// RFC 6960, June 2013.
    pub(super) const RFC_6960: Timestamp = Timestamp::from_unix(1_370_044_800);
    /// CA/Browser Forum ballot 164, 2016-09-30.
    pub(super) const BALLOT_164: Timestamp = Timestamp::from_unix(1_475_193_600);
    /// GB/T 20518-2018, 2019-01-01 (recollection).
    pub(super) const GB_T_20518: Timestamp = Timestamp::from_unix(1_546_300_800);
}

macro_rules! rules {
    ($($rule:ident,)*) => {
        $(mod $rule;)*

        /// Every rule.
        pub static ALL: &[&Rule] = &[$(&$rule::RULE),*];

        /// Every rule with what it must take and what it must refuse; a rule without these does not compile.
        #[cfg(test)]
        const CASES: &[(&Rule, &[draft::Case], &[draft::Case])] =
            &[$((&$rule::RULE, $rule::tests::ACCEPTED, $rule::tests::REFUSED)),*];
    };
}

rules! {
    readable,
    version,
    serial_positive,
    serial_length,
    serial_random,
    signature_algorithm_same,
    signature_algorithm_known,
    signature_algorithm_parameters,
    issuer_named,
    authority_named,
    validity_order,
    validity_encoding,
    subject_empty,
    alternative_names_criticality,
    alternative_names_form,
    email_alternative,
    name_lengths,
    name_encoding,
    name_alphabet,
    name_country,
    name_repeated,
    name_white_space,
    key_parameters,
    key_sound,
    unique_identifiers,
    extension_repeated,
    extension_default,
    extension_readable,
    basic_constraints_criticality,
    path_length,
    key_usage_present,
    key_usage_criticality,
    key_usage_empty,
    key_usage_authority,
    key_usage_agreement,
    key_usage_of_key,
    key_usage_pair,
    authority_key_identifier_present,
    authority_key_identifier_criticality,
    subject_key_identifier_present,
    subject_key_identifier_criticality,
    purposes_known,
    purposes_key_usage,
    time_stamping,
    ocsp_no_check,
    name_constraints_position,
    name_constraints_subtrees,
    any_policy,
    policy_qualifiers,
    policy_mappings,
    policy_constraints,
    inhibit_any_policy,
    crl_distribution_points_criticality,
    distribution_points,
    freshest_crl_criticality,
    access_criticality,
    access_locations,
    issuer_alt_name_criticality,
    directory_attributes_criticality,
    private_key_usage_period,
    identity_criticality,
    identity_form,
    identity_position,
}

/// Holds a certificate against every rule.
///
/// # Errors
/// It is no certificate at all.
pub fn run(der: &[u8]) -> Result<Vec<Finding>, der::Error> {
    let parts = Parts::read(der)?;
    let mut findings = Vec::new();
    for rule in ALL.iter().filter(|rule| parts.not_before.moment >= rule.effective) {
        if let Err(detail) = (rule.check)(&parts) {
            findings.push(Finding { rule: rule.name, citation: rule.citation, detail });
        }
    }
    Ok(findings)
}

/// That the extension, where it is there, is critical or is not.
fn criticality(parts: &Parts<'_>, oid: ObjectIdentifier, what: &str, critical: bool) -> Result<(), String> {
    match parts.extension(oid) {
        Some(extension) if extension.critical != critical => {
            Err(format!("{what} is {}critical", if critical { "not " } else { "" }))
        }
        _ => Ok(()),
    }
}

/// That the extension stands in certificates of authorities only.
fn of_authorities(parts: &Parts<'_>, oid: ObjectIdentifier, what: &str) -> Result<(), String> {
    if parts.extension(oid).is_some() && !parts.is_authority() {
        return Err(format!("{what} stands in a certificate that is no authority's"));
    }
    Ok(())
}

/// Whether it is an absolute URI of one of these schemes, in ASCII, with an authority where the scheme has one.
fn is_uri(text: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let printable = text
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'));
    printable && !host.is_empty() && schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_rule_cites_its_clause() {
        let names: BTreeSet<_> = ALL.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), ALL.len());
        for rule in ALL {
            assert!(rule.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.name);
            assert!(rule.citation.len() > 6, "{}", rule.name);
        }
    }

    #[test]
    fn every_rule_takes_what_is_right_and_refuses_what_is_wrong() {
        assert_eq!(CASES.len(), ALL.len());
        let mut wrong = Vec::new();
        for (rule, accepted, refused) in CASES {
            assert!(!accepted.is_empty() && !refused.is_empty(), "{}", rule.name);
            for (index, case) in accepted.iter().enumerate() {
                let der = case().to_der();
                if let Err(detail) = (rule.check)(&Parts::read(&der).unwrap()) {
                    wrong.push(format!("{} refuses {index}: {detail}", rule.name));
                }
            }
            for (index, case) in refused.iter().enumerate() {
                let found = run(&case().to_der()).unwrap();
                if !found.iter().any(|finding| finding.rule == rule.name) {
                    wrong.push(format!("{} takes {index}: {found:?}", rule.name));
                }
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn sound_certificates_are_without_findings() {
        for draft in [draft::end(), draft::authority(), draft::root()] {
            assert_eq!(run(&draft.to_der()), Ok(Vec::new()));
        }
        assert_eq!(run(b"0"), Err(der::Error::Malformed { what: "certificate" }));
    }

    #[test]
    fn rules_are_not_older_than_their_standard() {
        let mut draft = draft::end();
        draft.not_before = draft::tlv(0x17, b"010101000000Z");
        draft.version = None;
        assert_eq!(run(&draft.to_der()), Ok(Vec::new()));
    }

    #[test]
    fn uris_are_absolute() {
        for (text, expected) in [
            ("http://a.example/x", true),
            ("ldap://a.example/cn=x", true),
            ("HTTP://a.example", true),
            ("http:///x", false),
            ("http:x", false),
            ("/x", false),
            ("ftp://a.example", false),
            ("http://a.example/ x", false),
            ("", false),
        ] {
            assert_eq!(is_uri(text, &["http", "ldap"]), expected, "{text}");
        }
    }
}
