//! Alternative names have the form of their kind.

use crate::domain::ca::lint::{Parts, Rule, effective, is_uri};
use crate::domain::ca::profile::is_host_name;
use crate::format::x509::GeneralName;
use crate::format::x509::extension::SubjectAltName;

pub(super) static RULE: Rule = Rule {
    name: "alternative-names-form",
    citation: "RFC 5280 4.2.1.6; RFC 1034 3.5; RFC 5321 4.1.2",
    effective: effective::RFC_5280,
    check,
};

fn check(parts: &Parts<'_>) -> Result<(), String> {
    let Some(names) = parts.value::<SubjectAltName<'_>>() else { return Ok(()) };
    for name in &names.0 {
        let right = match name {
            GeneralName::Dns(name) => is_host_name(name, true),
            GeneralName::Ip(octets) => matches!(octets.len(), 4 | 16),
            GeneralName::Uri(uri) => uri.split_once(':').is_some_and(|(scheme, _)| is_uri(uri, &[scheme]) && is_scheme(scheme)),
            GeneralName::Rfc822(mailbox) => is_mailbox(mailbox),
            GeneralName::Directory(name) => !name.is_empty(),
            _ => true,
        };
        if !right {
            return Err(format!("{name:?} has not the form of its kind"));
        }
    }
    Ok(())
}

/// RFC 3986 3.1.
fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// A mailbox of RFC 5321 4.1.2 with a dot-string in front of a host name; quoted ones are not issued.
fn is_mailbox(text: &str) -> bool {
    let atom = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    text.split_once('@').is_some_and(|(local, host)| {
        local.len() <= 64 && local.split('.').all(atom) && is_host_name(host, false)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::ca::lint::draft::*;

    pub(in crate::domain::ca::lint) const ACCEPTED: &[Case] = &[|| end().with(false, &SubjectAltName(vec![uri("https://a.example/x"), GeneralName::Dns("*.a.example"), GeneralName::Ip(&[127, 0, 0, 1]), GeneralName::Rfc822("a.b@c.example")]))];
    pub(in crate::domain::ca::lint) const REFUSED: &[Case] = &[|| end().with(false, &SubjectAltName(vec![uri("a.example")])), || end().with(false, &SubjectAltName(vec![GeneralName::Dns("a example")])), || end().with(false, &SubjectAltName(vec![GeneralName::Dns("")])), || end().with(false, &SubjectAltName(vec![GeneralName::Rfc822("a.example")])), || end().with(false, &SubjectAltName(vec![GeneralName::Rfc822("a..b@c.example")]))];
}
