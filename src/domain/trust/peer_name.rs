//! Whether a certificate names the party that somebody wanted to reach (RFC 9525 6, RFC 5280 4.2.1.6).
//!
//! Only `subjectAltName` counts; `commonName` never does (RFC 9525 2). A wildcard is the whole first label, stands for
//! exactly one label, and needs two labels behind it; which domains are public suffixes is not known here.

use std::net::IpAddr;

use crate::domain::trust::name_constraints::{is_host, mailbox};
use crate::format::x509::extension::SubjectAltName;
use crate::format::x509::{Certificate, GeneralName};

/// The party that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerName<'a> {
    /// A host, in ASCII.
    Dns(&'a str),
    /// An address.
    Ip(IpAddr),
    /// An address of mail.
    Email(&'a str),
}

/// Why the certificate is not the party's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerNameRefusal {
    /// What was wanted is no name of its kind.
    #[error("{wanted} is not a name that a certificate can prove")]
    NotAName {
        /// What was wanted.
        wanted: String,
    },
    /// `subjectAltName` is absent.
    #[error("the certificate has no subjectAltName, which must name {wanted}")]
    NoNames {
        /// What was wanted.
        wanted: String,
    },
    /// `subjectAltName` cannot be read.
    #[error("the certificate's subjectAltName is malformed")]
    Malformed,
    /// Others are named.
    #[error("the certificate does not name {wanted}")]
    OthersNamed {
        /// What was wanted.
        wanted: String,
    },
}

impl PeerNameRefusal {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAName { .. } => "peer-name-not-a-name",
            Self::NoNames { .. } => "certificate-names-nobody",
            Self::Malformed => "certificate-names-malformed",
            Self::OthersNamed { .. } => "certificate-names-others",
        }
    }
}

/// Whether the certificate names that party.
///
/// # Errors
/// Why not.
pub fn check_peer_name(certificate: &Certificate<'_>, wanted: PeerName<'_>) -> Result<(), PeerNameRefusal> {
    let is_name = match wanted {
        // A last label of digits would be an address in disguise (RFC 5280 4.2.1.6 keeps those in iPAddress).
        PeerName::Dns(host) => {
            is_host(host) && !host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
        }
        PeerName::Ip(_) => true,
        PeerName::Email(address) => mailbox(address).is_some(),
    };
    let wanted_text = || match wanted {
        PeerName::Dns(text) | PeerName::Email(text) => text.chars().filter(|c| !c.is_control()).take(253).collect(),
        PeerName::Ip(address) => address.to_string(),
    };
    if !is_name {
        return Err(PeerNameRefusal::NotAName { wanted: wanted_text() });
    }
    let names = certificate.extension_of::<SubjectAltName<'_>>().map_err(|_| PeerNameRefusal::Malformed)?;
    let names = names.ok_or_else(|| PeerNameRefusal::NoNames { wanted: wanted_text() })?;
    if names.0.iter().any(|name| is_named(name, wanted)) {
        Ok(())
    } else {
        Err(PeerNameRefusal::OthersNamed { wanted: wanted_text() })
    }
}

fn is_named(name: &GeneralName<'_>, wanted: PeerName<'_>) -> bool {
    match (name, wanted) {
        (GeneralName::Dns(named), PeerName::Dns(host)) => is_host_named(named, host),
        (GeneralName::Ip(octets), PeerName::Ip(IpAddr::V4(address))) => **octets == address.octets(),
        (GeneralName::Ip(octets), PeerName::Ip(IpAddr::V6(address))) => **octets == address.octets(),
        (GeneralName::Rfc822(named), PeerName::Email(address)) => match (mailbox(named), mailbox(address)) {
            (Some((local, host)), Some((wanted, at))) => local == wanted && host.eq_ignore_ascii_case(at),
            _ => false,
        },
        _ => false,
    }
}

fn is_host_named(named: &str, host: &str) -> bool {
    match named.strip_prefix("*.") {
        Some(domain) => {
            let rest = host.split_once('.').map(|(_, rest)| rest);
            is_host(domain) && domain.contains('.') && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(domain))
        }
        None => is_host(named) && named.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_named_by_the_rule() {
        assert!(is_host_named("Example.com", "example.COM"));
        assert!(is_host_named("*.example.com", "a.example.com"));
        for (named, host) in [
            ("*.example.com", "example.com"),
            ("*.example.com", "a.b.example.com"),
            ("*.com", "example.com"),
            ("*", "com"),
            ("b*.example.com", "baz.example.com"),
            ("a.*.example.com", "a.b.example.com"),
            (".example.com", "a.example.com"),
        ] {
            assert!(!is_host_named(named, host), "{named} {host}");
        }
    }
}
