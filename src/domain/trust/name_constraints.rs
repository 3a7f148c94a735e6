//! Name constraints along a path (RFC 5280 4.2.1.10, 6.1.3 (b) and (c), 6.1.4 (g)).
//!
//! Every kind of name is compared that RFC 5280 gives a rule for: directoryName, dNSName, rfc822Name, URI, iPAddress.
//! A constraint of another kind (otherName, x400Address, ediPartyName, registeredID), or with a `minimum` or `maximum`,
//! refuses a certificate that has a name of that kind, and no other. A name of a constrained kind that is not well
//! formed is refused: it cannot be said to lie inside. `commonName` is never taken for a host.

use crate::domain::trust::budget::{Budget, Exhausted};
use crate::format::der::ObjectIdentifier;
use crate::format::x509::extension::{GeneralSubtree, NameConstraints, SubjectAltName};
use crate::format::x509::{Certificate, GeneralName};

/// `emailAddress` in a distinguished name (PKCS #9, RFC 5280 4.1.2.6).
const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::trust) enum NameRefusal {
    /// In none of the permitted subtrees.
    NotPermitted(String),
    /// In an excluded subtree.
    Excluded(String),
    /// Not well formed, or of a kind whose constraint we do not process.
    Incomparable(String),
    /// The extension that holds the names cannot be read.
    Malformed,
    /// Too many comparisons.
    Exhausted(Exhausted),
}

impl From<Exhausted> for NameRefusal {
    fn from(what: Exhausted) -> Self {
        Self::Exhausted(what)
    }
}

/// `permitted_subtrees` and `excluded_subtrees`: the state variables of RFC 5280 6.1.2 (b) and (c).
#[derive(Debug, Default)]
pub(in crate::domain::trust) struct Constraints<'a> {
    /// One set for each certificate that permits anything: a name must lie in each (the intersection of 6.1.4 (g)(1)).
    permitted: Vec<Vec<GeneralSubtree<'a>>>,
    excluded: Vec<GeneralSubtree<'a>>,
}

impl<'a> Constraints<'a> {
    /// Takes over the constraints of one authority (RFC 5280 6.1.4 (g)).
    pub(in crate::domain::trust) fn add(&mut self, constraints: NameConstraints<'a>) {
        if !constraints.permitted.is_empty() {
            self.permitted.push(constraints.permitted);
        }
        self.excluded.extend(constraints.excluded);
    }

    fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }

    /// Whether every name of the certificate may be (RFC 5280 6.1.3 (b) and (c)): its subject, each alternative name,
    /// and each `emailAddress` of its subject.
    ///
    /// RFC 5280 4.2.1.10 asks for the last only where there is no alternative name; we do so always, since readers of
    /// mail show that attribute whatever else is there.
    pub(in crate::domain::trust) fn allow(
        &self,
        certificate: &Certificate<'_>,
        budget: &mut Budget,
    ) -> Result<(), NameRefusal> {
        if self.is_empty() {
            return Ok(());
        }
        if !certificate.subject.is_empty() {
            self.allow_name(&GeneralName::Directory(certificate.subject), budget)?;
        }
        for attribute in certificate.subject.attributes().filter(|attribute| attribute.kind == EMAIL_ADDRESS) {
            match attribute.text() {
                Some(address) => self.allow_name(&GeneralName::Rfc822(&address), budget)?,
                None => return Err(NameRefusal::Incomparable(attribute.display())),
            }
        }
        let names = certificate.extension_of::<SubjectAltName<'_>>().map_err(|_| NameRefusal::Malformed)?;
        names.iter().flat_map(|names| &names.0).try_for_each(|name| self.allow_name(name, budget))
    }

    fn allow_name(&self, name: &GeneralName<'_>, budget: &mut Budget) -> Result<(), NameRefusal> {
        for subtree in &self.excluded {
            budget.compare()?;
            if touches(name, subtree, Side::Excluded)? == Some(true) {
                return Err(NameRefusal::Excluded(shown(name)));
            }
        }
        for layer in &self.permitted {
            let (mut is_constrained, mut is_inside) = (false, false);
            for subtree in layer {
                budget.compare()?;
                if let Some(inside) = touches(name, subtree, Side::Permitted)? {
                    is_constrained = true;
                    is_inside |= inside;
                }
            }
            if is_constrained && !is_inside {
                return Err(NameRefusal::NotPermitted(shown(name)));
            }
        }
        Ok(())
    }
}

/// A wildcard stands for many names: permitted only if all of them are, excluded if one of them is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Permitted,
    Excluded,
}

/// Whether the name lies in the subtree; `None` if they are of different kinds.
fn touches(name: &GeneralName<'_>, subtree: &GeneralSubtree<'_>, side: Side) -> Result<Option<bool>, NameRefusal> {
    let incomparable = || NameRefusal::Incomparable(shown(name));
    let inside = match (name, &subtree.base) {
        (GeneralName::Directory(name), GeneralName::Directory(base)) => Some(name.is_within(base)),
        (GeneralName::Dns(name), GeneralName::Dns(base)) => {
            Some(host_within(name, base, side).ok_or_else(incomparable)?)
        }
        (GeneralName::Rfc822(name), GeneralName::Rfc822(base)) => {
            Some(mailbox_within(name, base).ok_or_else(incomparable)?)
        }
        (GeneralName::Uri(name), GeneralName::Uri(base)) => Some(uri_within(name, base).ok_or_else(incomparable)?),
        (GeneralName::Ip(name), GeneralName::Ip(base)) => Some(address_within(name, base)),
        (GeneralName::OtherName { .. }, GeneralName::OtherName { .. })
        | (GeneralName::X400(_), GeneralName::X400(_))
        | (GeneralName::EdiParty(_), GeneralName::EdiParty(_))
        | (GeneralName::RegisteredId(_), GeneralName::RegisteredId(_)) => return Err(incomparable()),
        _ => None,
    };
    if inside.is_some() && (subtree.minimum != 0 || subtree.maximum.is_some()) {
        return Err(incomparable());
    }
    Ok(inside)
}

/// A host: labels of letters, digits, hyphens and underscores, none of them empty or longer than 63, 253 in all. A dot
/// at the end is not one of a certificate's.
pub(in crate::domain::trust) fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// The host is the base, or ends in the base at a dot; `.base` leaves out the base itself. `None`: not well formed.
fn host_within(name: &str, base: &str, side: Side) -> Option<bool> {
    let (name, base) = (name.to_ascii_lowercase(), base.to_ascii_lowercase());
    let (wildcard, plain) = match name.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, name.as_str()),
    };
    if !is_host(plain) || !(base.is_empty() || is_host(base.strip_prefix('.').unwrap_or(&base))) {
        return None;
    }
    let inside = is_below(&name, &base);
    // `*.example.com` is `bar.example.com` too.
    let one_of_many = || {
        let first = base.strip_suffix(plain).and_then(|first| first.strip_suffix('.'));
        first.is_some_and(|label| !label.is_empty() && !label.contains('.'))
    };
    Some(inside || (side == Side::Excluded && wildcard && one_of_many()))
}

fn is_below(name: &str, base: &str) -> bool {
    match name.strip_suffix(base) {
        Some("") => !base.starts_with('.'),
        Some(rest) => base.is_empty() || base.starts_with('.') || rest.ends_with('.'),
        None => false,
    }
}

/// Local part and host of an address of mail.
pub(in crate::domain::trust) fn mailbox(address: &str) -> Option<(&str, &str)> {
    let (local, host) = address.split_once('@')?;
    (!local.is_empty() && !host.contains('@') && is_host(host)).then_some((local, host))
}

/// The base is a mailbox, a host (all its mailboxes, none of its subdomains), or `.domain` (all hosts below). The part
/// before the `@` is compared exactly.
fn mailbox_within(address: &str, base: &str) -> Option<bool> {
    let (local, host) = mailbox(address)?;
    if base.contains('@') {
        let (base_local, base_host) = mailbox(base)?;
        return Some(local == base_local && host.eq_ignore_ascii_case(base_host));
    }
    domain_within(host, base)
}

/// A host stands for itself, `.domain` for all hosts below, nothing for every host.
fn domain_within(host: &str, base: &str) -> Option<bool> {
    match base.strip_prefix('.') {
        Some(domain) => is_host(domain).then(|| is_below(&host.to_ascii_lowercase(), &base.to_ascii_lowercase())),
        None if base.is_empty() => Some(true),
        None => is_host(base).then(|| host.eq_ignore_ascii_case(base)),
    }
}

/// The host of the URI's authority, which must be a name: RFC 5280 4.2.1.10 refuses URIs without one where they are
/// constrained.
fn uri_within(uri: &str, base: &str) -> Option<bool> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host_and_port.split_once(':').map_or(host_and_port, |(host, _)| host);
    if !is_host(host) || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return None;
    }
    domain_within(host, base)
}

/// The base is an address and a mask of the same kind; addresses of the other kind lie outside.
fn address_within(address: &[u8], base: &[u8]) -> bool {
    let (network, mask) = base.split_at(base.len() / 2);
    let mut octets = address.iter().zip(network).zip(mask);
    address.len() == network.len() && octets.all(|((address, network), mask)| address & mask == network & mask)
}

/// A name for people, with nothing in it that a terminal would obey.
pub(in crate::domain::trust) fn shown(name: &GeneralName<'_>) -> String {
    let text = |text: &str| text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(253).collect();
    match name {
        GeneralName::Directory(name) => name.display(),
        GeneralName::Dns(name) | GeneralName::Rfc822(name) | GeneralName::Uri(name) => text(name),
        GeneralName::Ip(octets) => match (<[u8; 4]>::try_from(*octets), <[u8; 16]>::try_from(*octets)) {
            (Ok(four), _) => std::net::Ipv4Addr::from(four).to_string(),
            (_, Ok(sixteen)) => std::net::Ipv6Addr::from(sixteen).to_string(),
            _ => "an address".to_owned(),
        },
        GeneralName::OtherName { type_id, .. } => format!("otherName {type_id}"),
        GeneralName::RegisteredId(oid) => format!("registeredID {oid}"),
        GeneralName::X400(_) => "x400Address".to_owned(),
        GeneralName::EdiParty(_) => "ediPartyName".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::format::der::{Reader, Writer};
    use crate::format::x509::Name;

    fn subtree(base: GeneralName<'_>) -> GeneralSubtree<'_> {
        GeneralSubtree { base, minimum: 0, maximum: None }
    }

    fn judge(permitted: &[GeneralName<'_>], excluded: &[GeneralName<'_>], name: GeneralName<'_>) -> &'static str {
        let mut constraints = Constraints::default();
        constraints.add(NameConstraints {
            permitted: permitted.iter().copied().map(subtree).collect(),
            excluded: excluded.iter().copied().map(subtree).collect(),
        });
        match constraints.allow_name(&name, &mut Budget::new(&Limits::DEFAULT)) {
            Ok(()) => "allowed",
            Err(NameRefusal::NotPermitted(_)) => "not permitted",
            Err(NameRefusal::Excluded(_)) => "excluded",
            Err(NameRefusal::Incomparable(_)) => "incomparable",
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn hosts_and_wildcards() {
        use GeneralName::Dns;
        let permits = |base, name| judge(&[Dns(base)], &[], Dns(name));
        assert_eq!(permits("example.com", "example.com"), "allowed");
        assert_eq!(permits("example.com", "a.b.EXAMPLE.com"), "allowed");
        assert_eq!(permits("example.com", "notexample.com"), "not permitted");
        assert_eq!(permits(".example.com", "example.com"), "not permitted");
        assert_eq!(permits(".example.com", "a.example.com"), "allowed");
        assert_eq!(permits("", "anything"), "allowed");
        assert_eq!(permits("foo.example.com", "*.example.com"), "not permitted");
        assert_eq!(permits("foo.com", "*.foo.com"), "allowed");
        assert_eq!(permits("*.foo.com", "a.foo.com"), "incomparable");
        assert_eq!(permits("example.com", ".example.com"), "incomparable");
        let excludes = |base, name| judge(&[], &[Dns(base)], Dns(name));
        assert_eq!(excludes("bar.example.com", "*.example.com"), "excluded");
        assert_eq!(excludes("a.bar.example.com", "*.example.com"), "allowed");
        assert_eq!(excludes("example.com", "*.example.com"), "excluded");
        assert_eq!(excludes("xample.com", "*.example.com"), "allowed");
        assert_eq!(judge(&[Dns("a.b")], &[], GeneralName::Uri("no host")), "allowed");
    }

    #[test]
    fn mailboxes_and_hosts_of_uris() {
        use GeneralName::{Rfc822, Uri};
        let permits = |base, name| judge(&[Rfc822(base)], &[], Rfc822(name));
        assert_eq!(permits("*@example.com", "*@EXAMPLE.com"), "allowed");
        assert_eq!(permits("a@example.com", "A@example.com"), "not permitted");
        assert_eq!(permits("example.com", "a@example.com"), "allowed");
        assert_eq!(permits("example.com", "a@b.example.com"), "not permitted");
        assert_eq!(permits(".example.com", "a@b.example.com"), "allowed");
        assert_eq!(permits(".example.com", "a@example.com"), "not permitted");
        assert_eq!(permits("example.com", "a@b@example.com"), "incomparable");
        assert_eq!(permits("a@b@example.com", "a@example.com"), "incomparable");
        let permits = |base, name| judge(&[Uri(base)], &[], Uri(name));
        assert_eq!(permits("example.com", "https://u@example.com:8443/x"), "allowed");
        assert_eq!(permits("example.com", "ldap://a.example.com/x"), "not permitted");
        assert_eq!(permits(".example.com", "ldap://a.example.com?x"), "allowed");
        assert_eq!(permits("example.com", "urn:x"), "incomparable");
        assert_eq!(permits("example.com", "https://192.0.2.1/"), "incomparable");
        assert_eq!(permits("example.com", "https://[::1]/"), "incomparable");
    }

    #[test]
    fn addresses_and_kinds_without_a_rule() {
        use GeneralName::{Ip, RegisteredId};
        let (network, six) = ([192, 0, 2, 0, 255, 255, 255, 0], [0; 32]);
        assert_eq!(judge(&[Ip(&network)], &[], Ip(&[192, 0, 2, 9])), "allowed");
        assert_eq!(judge(&[Ip(&network)], &[], Ip(&[192, 0, 3, 9])), "not permitted");
        assert_eq!(judge(&[Ip(&network)], &[], Ip(&[0; 16])), "not permitted");
        assert_eq!(judge(&[Ip(&network), Ip(&six)], &[], Ip(&[0; 16])), "allowed");
        let oid = ObjectIdentifier::new_unwrap("1.2.3");
        assert_eq!(judge(&[], &[RegisteredId(oid)], RegisteredId(oid)), "incomparable");
        assert_eq!(judge(&[], &[RegisteredId(oid)], Ip(&[0; 4])), "allowed");
        let mut constraints = Constraints::default();
        let counted = GeneralSubtree { base: Ip(&network), minimum: 1, maximum: None };
        constraints.add(NameConstraints { permitted: vec![counted], excluded: vec![] });
        let mut budget = Budget::new(&Limits::DEFAULT).with_comparisons(1);
        let refused = constraints.allow_name(&Ip(&[192, 0, 2, 9]), &mut budget);
        assert_eq!(refused, Err(NameRefusal::Incomparable("192.0.2.9".into())));
        let refused = constraints.allow_name(&Ip(&[192, 0, 2, 9]), &mut budget);
        assert_eq!(refused, Err(NameRefusal::Exhausted(Exhausted::Comparisons)));
    }

    #[test]
    fn every_authority_narrows() {
        let mut constraints = Constraints::default();
        for base in ["example.com", "a.example.com"] {
            constraints.add(NameConstraints { permitted: vec![subtree(GeneralName::Dns(base))], excluded: vec![] });
        }
        let allow = |name| constraints.allow_name(&GeneralName::Dns(name), &mut Budget::new(&Limits::DEFAULT));
        assert_eq!(allow("b.a.example.com"), Ok(()));
        assert_eq!(allow("b.example.com"), Err(NameRefusal::NotPermitted("b.example.com".into())));
    }

    #[test]
    fn names_of_directories_are_compared_part_by_part() {
        let name = |parts: &[(&str, &str)]| {
            let mut writer = Writer::new();
            writer.sequence(|name| {
                for (kind, value) in parts {
                    name.set_of_one(|set| {
                        set.sequence(|attribute| {
                            attribute.oid(ObjectIdentifier::new_unwrap(kind)).utf8(value);
                        });
                    });
                }
            });
            writer.into_bytes()
        };
        let (base, inside, outside) = (
            name(&[("2.5.4.6", "CN"), ("2.5.4.10", "Yin  xin")]),
            name(&[("2.5.4.6", "cn"), ("2.5.4.10", " yin xin"), ("2.5.4.3", "a")]),
            name(&[("2.5.4.10", "Yin xin"), ("2.5.4.6", "CN")]),
        );
        let read = |der| GeneralName::Directory(Name::read(&mut Reader::new(der), "name").unwrap());
        assert_eq!(judge(&[read(&base)], &[], read(&inside)), "allowed");
        assert_eq!(judge(&[read(&base)], &[], read(&outside)), "not permitted");
        assert_eq!(judge(&[], &[read(&base)], read(&inside)), "excluded");
    }
}
