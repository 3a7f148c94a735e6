//! Rules that bind issuers, enforced where a caller's policy asks for it: RFC 5280 4, and for TLS servers the CA/Browser
//! Forum's Baseline Requirements 7.1.
//!
//! A certificate that breaks them is not forged, but nobody careful issued it. RFC 5280 6.1 does not ask verifiers to
//! look; certificates in the field break many of them, so the policies for seals do not.

use crate::domain::trust::name_constraints::{is_host, mailbox};
use crate::domain::trust::path::demand::Conformance;
use crate::domain::trust::path::failure::Refusal;
use crate::format::der::{self, ObjectIdentifier, Reader};
use crate::format::keys::read_rsa_public_key;
use crate::format::x509::extension::{
    self, ANY_EXTENDED_KEY_USAGE, AuthorityInfoAccess, AuthorityKeyIdentifier, CertificatePolicies, ExtendedKeyUsage,
    NameConstraints, SubjectAltName, SubjectInfoAccess, SubjectKeyIdentifier,
};
use crate::format::x509::name::COMMON_NAME;
use crate::format::x509::{Certificate, ExtensionValue, GeneralName, KeyUsage};

/// Where the certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::trust::path) enum Place {
    End,
    Authority,
    Anchor,
}

/// Extensions that must not be critical (RFC 5280 4.2.1.1, 4.2.1.2, 4.2.1.8, 4.2.1.15, 4.2.2.1, 4.2.2.2).
const NEVER_CRITICAL: [(ObjectIdentifier, &str); 6] = [
    (extension::AUTHORITY_KEY_IDENTIFIER, "authorityKeyIdentifier is not critical (RFC 5280 4.2.1.1)"),
    (extension::SUBJECT_KEY_IDENTIFIER, "subjectKeyIdentifier is not critical (RFC 5280 4.2.1.2)"),
    (extension::SUBJECT_DIRECTORY_ATTRIBUTES, "subjectDirectoryAttributes is not critical (RFC 5280 4.2.1.8)"),
    (extension::FRESHEST_CRL, "freshestCRL is not critical (RFC 5280 4.2.1.15)"),
    (extension::AUTHORITY_INFO_ACCESS, "authorityInfoAccess is not critical (RFC 5280 4.2.2.1)"),
    (extension::SUBJECT_INFO_ACCESS, "subjectInfoAccess is not critical (RFC 5280 4.2.2.2)"),
];

/// Extensions that must be critical (RFC 5280 4.2.1.11, 4.2.1.14).
const ALWAYS_CRITICAL: [(ObjectIdentifier, &str); 2] = [
    (extension::POLICY_CONSTRAINTS, "policyConstraints is critical (RFC 5280 4.2.1.11)"),
    (extension::INHIBIT_ANY_POLICY, "inhibitAnyPolicy is critical (RFC 5280 4.2.1.14)"),
];

/// Whether the certificate is as its issuer should have made it.
pub(in crate::domain::trust::path) fn conforms(
    certificate: &Certificate<'_>,
    place: Place,
    conformance: Conformance,
) -> Result<(), Refusal> {
    if conformance == Conformance::Field {
        return Ok(());
    }
    fields(certificate, place, conformance)?;
    criticality(certificate, place, conformance)?;
    key_identifiers(certificate, place, conformance)?;
    key_usage(certificate)?;
    names(certificate)?;
    constraints(certificate)?;
    read::<AuthorityInfoAccess<'_>>(certificate, "authorityInfoAccess")?;
    read::<SubjectInfoAccess<'_>>(certificate, "subjectInfoAccess")?;
    read::<CertificatePolicies<'_>>(certificate, "certificatePolicies")?;
    read::<ExtendedKeyUsage>(certificate, "extKeyUsage")?;
    if conformance == Conformance::Tls { tls(certificate, place) } else { Ok(()) }
}

fn broken(rule: &'static str) -> Refusal {
    Refusal::Nonconforming { rule }
}

fn rule(kept: bool, rule: &'static str) -> Result<(), Refusal> {
    if kept { Ok(()) } else { Err(broken(rule)) }
}

/// An extension, if it is there; refused if it cannot be read.
pub(in crate::domain::trust::path) fn read<'a, T: ExtensionValue<'a>>(
    certificate: &Certificate<'a>,
    name: &'static str,
) -> Result<Option<T>, Refusal> {
    certificate.extension_of::<T>().map_err(|_: der::Error| Refusal::MalformedExtension { name })
}

fn is_critical(certificate: &Certificate<'_>, oid: ObjectIdentifier) -> Option<bool> {
    certificate.extension(oid).map(|extension| extension.critical)
}

fn is_self_issued(certificate: &Certificate<'_>) -> bool {
    certificate.subject.matches(&certificate.issuer)
}

fn is_authority(certificate: &Certificate<'_>) -> bool {
    certificate.basic_constraints.is_some_and(|constraints| constraints.authority)
}

fn fields(certificate: &Certificate<'_>, place: Place, conformance: Conformance) -> Result<(), Refusal> {
    let is_positive = match certificate.serial {
        // Roots of the web have it.
        [0] => conformance == Conformance::Tls && place == Place::Anchor,
        [0x80..=0xff, ..] => false,
        serial => serial.len() <= 20,
    };
    rule(is_positive, "serialNumber is positive and has at most 20 octets (RFC 5280 4.1.2.2)")?;
    rule(!certificate.issuer.is_empty(), "issuer is not empty (RFC 5280 4.1.2.4)")?;
    let may_be_unnamed = place == Place::End && !is_authority(certificate);
    rule(may_be_unnamed || !certificate.subject.is_empty(), "an authority's subject is not empty (RFC 5280 4.1.2.6)")
}

fn criticality(certificate: &Certificate<'_>, place: Place, conformance: Conformance) -> Result<(), Refusal> {
    for (oid, text) in NEVER_CRITICAL {
        rule(is_critical(certificate, oid) != Some(true), text)?;
    }
    for (oid, text) in ALWAYS_CRITICAL {
        rule(is_critical(certificate, oid) != Some(false), text)?;
    }
    let constraints = is_critical(certificate, extension::BASIC_CONSTRAINTS);
    rule(
        place == Place::End || constraints != Some(false),
        "basicConstraints of an authority is critical (RFC 5280 4.2.1.9)",
    )?;
    // Baseline Requirements 7.1.2.5.2 leave it open, for clients that do not know the extension.
    let critical = is_critical(certificate, extension::NAME_CONSTRAINTS);
    rule(
        conformance == Conformance::Tls || critical != Some(false),
        "nameConstraints is critical (RFC 5280 4.2.1.10)",
    )?;
    rule(
        !certificate.subject.is_empty() || is_critical(certificate, extension::SUBJECT_ALT_NAME) == Some(true),
        "subjectAltName is there and critical where the subject is empty (RFC 5280 4.2.1.6)",
    )
}

fn key_identifiers(certificate: &Certificate<'_>, place: Place, conformance: Conformance) -> Result<(), Refusal> {
    let own = read::<SubjectKeyIdentifier<'_>>(certificate, "subjectKeyIdentifier")?;
    let of_issuer = read::<AuthorityKeyIdentifier<'_>>(certificate, "authorityKeyIdentifier")?;
    rule(place == Place::End || own.is_some(), "an authority has a subjectKeyIdentifier (RFC 5280 4.2.1.2)")?;
    let names_key = of_issuer.is_some_and(|found| found.key_identifier.is_some());
    // Only a certificate that its own key signed may leave it out. In the web's stores a root may stand in the shape that
    // another root gave it.
    let may_lack = place == Place::Anchor && (is_self_issued(certificate) || conformance == Conformance::Tls);
    rule(names_key || may_lack, "authorityKeyIdentifier names the issuer's key (RFC 5280 4.2.1.1)")
}

fn key_usage(certificate: &Certificate<'_>) -> Result<(), Refusal> {
    let signs = certificate.key_usage.map(|usage| usage.any(KeyUsage::KEY_CERT_SIGN));
    rule(signs != Some(true) || is_authority(certificate), "keyCertSign is for authorities (RFC 5280 4.2.1.9)")?;
    let limited = certificate.basic_constraints.is_some_and(|constraints| constraints.path_length.is_some());
    rule(
        !limited || (is_authority(certificate) && signs != Some(false)),
        "pathLenConstraint is for authorities that sign certificates (RFC 5280 4.2.1.9)",
    )
}

fn names(certificate: &Certificate<'_>) -> Result<(), Refusal> {
    let names = read::<SubjectAltName<'_>>(certificate, "subjectAltName")?;
    for name in names.iter().flat_map(|names| &names.0) {
        let is_well_formed = match name {
            GeneralName::Dns(name) => is_preferred(name.strip_prefix("*.").unwrap_or(name)),
            GeneralName::Rfc822(name) => mailbox(name).is_some(),
            GeneralName::Uri(name) => name.contains(':'),
            _ => true,
        };
        rule(is_well_formed, "each name of subjectAltName is well formed (RFC 5280 4.2.1.6)")?;
    }
    Ok(())
}

/// The "preferred name syntax" of RFC 1034 3.5, as RFC 1123 2.1 widens it: no underscores.
fn is_preferred(name: &str) -> bool {
    is_host(name) && !name.contains('_')
}

fn constraints(certificate: &Certificate<'_>) -> Result<(), Refusal> {
    let Some(constraints) = read::<NameConstraints<'_>>(certificate, "nameConstraints")? else { return Ok(()) };
    rule(is_authority(certificate), "nameConstraints is for authorities (RFC 5280 4.2.1.10)")?;
    for subtree in constraints.permitted.iter().chain(&constraints.excluded) {
        let is_well_formed = match subtree.base {
            GeneralName::Dns(base) => base.is_empty() || is_preferred(base),
            GeneralName::Rfc822(base) if base.contains('@') => mailbox(base).is_some(),
            GeneralName::Rfc822(base) | GeneralName::Uri(base) => {
                base.is_empty() || is_host(base.strip_prefix('.').unwrap_or(base))
            }
            _ => true,
        };
        let is_whole = subtree.minimum == 0 && subtree.maximum.is_none();
        rule(is_well_formed && is_whole, "each subtree of nameConstraints is well formed (RFC 5280 4.2.1.10)")?;
    }
    Ok(())
}

/// Baseline Requirements 7.1, where it can be seen in one certificate.
fn tls(certificate: &Certificate<'_>, place: Place) -> Result<(), Refusal> {
    tls_key(certificate)?;
    rule(!certificate.extensions.is_empty(), "version is 3 (Baseline Requirements 7.1.1)")?;
    if place == Place::Anchor && is_self_issued(certificate) {
        return tls_root(certificate);
    }
    if place != Place::End {
        return Ok(());
    }
    rule(!is_authority(certificate), "a server is not an authority (Baseline Requirements 7.1.2.7.8)")?;
    let purposes = read::<ExtendedKeyUsage>(certificate, "extKeyUsage")?;
    let limits = purposes.is_some_and(|purposes| !purposes.0.contains(&ANY_EXTENDED_KEY_USAGE));
    rule(limits, "a server's extKeyUsage is there and is not anyExtendedKeyUsage (Baseline Requirements 7.1.2.7.10)")?;
    rule(
        is_critical(certificate, extension::EXTENDED_KEY_USAGE) != Some(true),
        "a server's extKeyUsage is not critical (Baseline Requirements 7.1.2.7.6)",
    )?;
    rule(
        certificate.subject.is_empty() || is_critical(certificate, extension::SUBJECT_ALT_NAME) != Some(true),
        "subjectAltName is not critical where there is a subject (Baseline Requirements 7.1.2.7.12)",
    )?;
    let names = read::<SubjectAltName<'_>>(certificate, "subjectAltName")?;
    let names = names.map(|names| names.0).unwrap_or_default();
    for common_name in certificate.subject.attributes().filter(|attribute| attribute.kind == COMMON_NAME) {
        rule(
            common_name.text().is_some_and(|text| is_among(&text, &names)),
            "commonName is one of subjectAltName, letter by letter (Baseline Requirements 7.1.4.3)",
        )?;
    }
    Ok(())
}

/// A host is looked for among the hosts, if there are any, where `*.example.com` covers `example.com`; anything else
/// among all names. The requirement has neither leniency, but verifiers' suites take both for granted.
fn is_among(text: &str, names: &[GeneralName<'_>]) -> bool {
    let is_full_host =
        is_host(text) && text.rsplit_once('.').is_some_and(|(_, last)| !last.bytes().all(|byte| byte.is_ascii_digit()));
    let names_hosts = names.iter().any(|name| matches!(name, GeneralName::Dns(_)));
    (is_full_host && !names_hosts) || names.iter().any(|name| is_verbatim(name, text))
}

fn is_verbatim(name: &GeneralName<'_>, text: &str) -> bool {
    match name {
        GeneralName::Dns(name) => *name == text || name.strip_prefix("*.") == Some(text),
        GeneralName::Ip(octets) => match (<[u8; 4]>::try_from(*octets), <[u8; 16]>::try_from(*octets)) {
            (Ok(four), _) => std::net::Ipv4Addr::from(four).to_string() == text,
            // Rust writes addresses as RFC 5952 does.
            (_, Ok(sixteen)) => std::net::Ipv6Addr::from(sixteen).to_string() == text,
            _ => false,
        },
        _ => false,
    }
}

fn tls_root(certificate: &Certificate<'_>) -> Result<(), Refusal> {
    rule(
        certificate.extension(extension::EXTENDED_KEY_USAGE).is_none(),
        "a root has no extKeyUsage (Baseline Requirements 7.1.2.1.2)",
    )?;
    let own = read::<SubjectKeyIdentifier<'_>>(certificate, "subjectKeyIdentifier")?;
    match read::<AuthorityKeyIdentifier<'_>>(certificate, "authorityKeyIdentifier")? {
        Some(found) => rule(
            found.key_identifier == own.map(|own| own.0) && found.issuer.is_empty() && found.serial.is_none(),
            "a root's authorityKeyIdentifier is its own key and nothing else (Baseline Requirements 7.1.2.1.3)",
        ),
        None => Ok(()),
    }
}

/// Baseline Requirements 6.1.5 and 7.1.3.1: RSA of at least 2048 bits, in whole octets, and the named curves P-256,
/// P-384 and P-521; beside them the curve of SM2 (RFC 8998), for servers of ours.
fn tls_key(certificate: &Certificate<'_>) -> Result<(), Refusal> {
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    const CURVES: [ObjectIdentifier; 4] = [
        ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
        ObjectIdentifier::new_unwrap("1.3.132.0.34"),
        ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        ObjectIdentifier::new_unwrap("1.2.156.10197.1.301"),
    ];
    let key = &certificate.public_key;
    let is_strong = match key.algorithm.oid {
        RSA => read_rsa_public_key(key.key).is_ok_and(|(modulus, _)| {
            modulus.len() >= 256 && modulus.first().is_some_and(|first| first.leading_zeros() == 0)
        }),
        EC => {
            let mut parameters = Reader::new(key.algorithm.parameters.unwrap_or_default());
            parameters.oid("curve").is_ok_and(|curve| CURVES.contains(&curve))
        }
        _ => false,
    };
    rule(
        is_strong,
        "the key is RSA of whole octets from 2048 bits on, or on a named curve (Baseline Requirements 6.1.5)",
    )
}
