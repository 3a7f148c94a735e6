//! Addresses of status services, read strictly: what they say must be the same for whoever judges and whoever connects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::domain::verify::wanted::NotFetched;

/// Octets of an address.
const MOST_URL: usize = 1024;

/// Which machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// By name, in small letters, without a final dot.
    Name(String),
    /// By address.
    Ip(IpAddr),
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[') {
            // No zone: which interface is ours to say.
            return inside.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|ip| Self::Ip(IpAddr::V6(ip)));
        }
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Some(Self::Ip(IpAddr::V4(ip)));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
        };
        // `127.1`, `0x7f.0.0.1` and `2130706433` are addresses to some, names to others (WHATWG URL 3.5).
        let last = name.rsplit('.').next().unwrap_or_default();
        let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
        (name.len() <= 253 && !numeric && name.split('.').all(is_label)).then_some(Self::Name(name))
    }

    /// Whether it can mean nothing but the machine itself, or is an address as it stands.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        match self {
            // RFC 6761 6.3
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Ip(_) => true,
        }
    }

    /// Whether it is the machine itself.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(_) => self.is_literal(),
            Self::Ip(ip) => ip.to_canonical().is_loopback(),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => to.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(to),
            Self::Ip(IpAddr::V6(ip)) => write!(to, "[{ip}]"),
        }
    }
}

/// An address of http or https (RFC 9110 4.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Whether it is https.
    pub is_secure: bool,
    /// Which machine.
    pub host: Host,
    /// Which port.
    pub port: u16,
    /// Path and query.
    pub target: String,
}

impl Address {
    /// Reads one.
    ///
    /// # Errors
    /// It is of another scheme; it names a user or a fragment; it cannot be read.
    pub fn parse(url: &str) -> Result<Self, NotFetched> {
        let (scheme, rest) = url.split_once("://").ok_or(NotFetched::Scheme)?;
        let is_secure = match scheme {
            scheme if scheme.eq_ignore_ascii_case("http") => false,
            scheme if scheme.eq_ignore_ascii_case("https") => true,
            _ => return Err(NotFetched::Scheme),
        };
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`');
        if url.len() > MOST_URL || !rest.bytes().all(plain) {
            return Err(NotFetched::Malformed);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).ok_or(NotFetched::Malformed)?;
        if authority.contains('@') {
            return Err(NotFetched::Credentials);
        }
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let port = match port {
            None if is_secure => 443,
            None => 80,
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok().filter(|port| *port > 0).ok_or(NotFetched::Malformed)?
            }
            Some(_) => return Err(NotFetched::Malformed),
        };
        let host = Host::parse(host).ok_or(NotFetched::Malformed)?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { is_secure, host, port, target })
    }

    /// Host and port, as the header Host carries them (RFC 9110 7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        match (self.is_secure, self.port) {
            (false, 80) | (true, 443) => self.host.to_string(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(to, "{scheme}://{}{}", self.authority(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_meaning() {
        let shown = |url| Address::parse(url).map(|address| address.to_string());
        let same = [
            ("http://a.example/x.crl", "http://a.example/x.crl"),
            ("HTTP://A.Example.:80", "http://a.example/"),
            ("https://a.example:443?x=1", "https://a.example/?x=1"),
            ("https://a.example:80/", "https://a.example:80/"),
            ("http://10.1.2.3:8080/", "http://10.1.2.3:8080/"),
            ("http://[::1]/", "http://[::1]/"),
            ("http://[FE80::1]:81/a?b", "http://[fe80::1]:81/a?b"),
        ];
        for (url, wanted) in same {
            assert_eq!(shown(url), Ok(wanted.to_owned()), "{url}");
        }
        let long = format!("http://a.example/{}", "x".repeat(MOST_URL));
        let malformed = [
            "http://",
            "http:///x",
            "http://:80/",
            "http://a..b/",
            "http://127.1/",
            "http://0x7f.0.0.1/",
            "http://2130706433/",
            "http://1.2.3.4.5/",
            "http://[::1",
            "http://[fe80::1%25eth0]/",
            "http://a.example:0/",
            "http://a.example:65536/",
            "http://a.example:/",
            "http://a.example:+80/",
            "http://a.example/ x",
            "http://a.example/\r\nX: y",
            "http://a.example/#f",
            "http://a.example\\@b.example/",
            "http://例.example/",
            &long,
        ];
        for url in malformed {
            assert_eq!(Address::parse(url), Err(NotFetched::Malformed), "{url}");
        }
        assert_eq!(Address::parse("http://u:p@a.example/"), Err(NotFetched::Credentials));
        assert_eq!(Address::parse("http://a.example@b.example/"), Err(NotFetched::Credentials));
        for url in ["ldap://a.example/x", "file:///etc/passwd", "gopher://a.example/", "a.example", "", "http:/a"] {
            assert_eq!(Address::parse(url), Err(NotFetched::Scheme), "{url}");
        }
    }

    #[test]
    fn only_localhost_and_addresses_are_literal() {
        let literal = |url| Address::parse(url).map(|address| address.host.is_literal());
        assert_eq!(literal("http://localhost/"), Ok(true));
        assert_eq!(literal("http://127.0.0.1/"), Ok(true));
        assert_eq!(literal("http://localhost.example/"), Ok(false));
        let loopback = |url| Address::parse(url).map(|address| address.host.is_loopback());
        for url in ["http://localhost/", "http://127.0.0.9/", "http://[::1]/", "http://[::ffff:127.0.0.1]/"] {
            assert_eq!(loopback(url), Ok(true), "{url}");
        }
        for url in ["http://localhost.example/", "http://10.0.0.1/", "http://[::2]/", "http://0.0.0.0/"] {
            assert_eq!(loopback(url), Ok(false), "{url}");
        }
    }
}
