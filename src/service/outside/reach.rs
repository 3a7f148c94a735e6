//! Which machines are reached: names are resolved once, and only addresses that may be reached are connected to.
//!
//! A host that a trust list names may lie in a private network (product contract 2). The machine itself, its
//! neighbourhood and the addresses where clouds give out credentials are reached only where the list writes that very
//! address: a name that suddenly leads there is an attack on whoever resolves names (DNS rebinding).

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;

use crate::domain::verify::address::Host;

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;

/// What resolving gives.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Turns names into addresses.
pub trait Resolver: Send + Sync {
    /// The addresses of that name, in the order in which they shall be tried.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Why a host is not reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name has no address.
    #[error("the name cannot be resolved")]
    Resolution(#[from] io::Error),
    /// The name has no address.
    #[error("the name has no address")]
    NoAddress,
    /// The address is nobody's status service.
    #[error("the name leads to {address}, which is {kind}")]
    Forbidden {
        /// Where it leads.
        address: IpAddr,
        /// What that is.
        kind: &'static str,
    },
    /// Private and public at once.
    #[error("the name leads to private and to public addresses")]
    Mixed,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Resolution(_) | Self::NoAddress => "host-unknown",
            Self::Forbidden { .. } => "host-address-forbidden",
            Self::Mixed => "host-addresses-mixed",
        }
    }
}

/// What an address is for whoever connects to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Of the open network.
    Public,
    /// Of a private network.
    Private,
    /// The machine itself, or its neighbourhood: only where it is written so.
    Near(&'static str),
    /// Never an address of one machine.
    Nowhere(&'static str),
}

/// The address's place, by the registries of special-purpose addresses (RFC 6890).
fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(v4) => place_v4(v4),
        IpAddr::V6(v6) => place_v6(v6),
    }
}

fn place_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [0, ..] => Place::Nowhere("an address of this network"),
        [127, ..] => Place::Near("a loopback address"),
        // Link-local; clouds give out credentials at 169.254.169.254.
        [169, 254, ..] => Place::Near("a link-local address"),
        // The same of Alibaba Cloud and of Oracle Cloud.
        [100, 100, 100, 200] | [192, 0, 0, 192] => Place::Near("an address of a cloud's own services"),
        [224..=239, ..] => Place::Nowhere("a multicast address"),
        [240..=255, ..] => Place::Nowhere("a reserved address"),
        [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => {
            Place::Nowhere("an address without a machine")
        }
        [198, 18 | 19, ..] => Place::Nowhere("an address for measurements"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Place::Private,
        _ => Place::Public,
    }
}

fn place_v6(address: Ipv6Addr) -> Place {
    if let Some(v4) = address.to_ipv4_mapped() {
        return place_v4(v4);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Near("a loopback address"),
        // The clouds' services again, of Amazon.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Place::Near("an address of a cloud's own services"),
        [0xfe80..=0xfebf, ..] => Place::Near("a link-local address"),
        [0xff00..=0xffff, ..] => Place::Nowhere("a multicast address"),
        [0xfc00..=0xfdff, ..] => Place::Private,
        // Translated and tunnelled ones hide an address of version 4 (RFC 6052, RFC 3056, RFC 4380).
        [0x0064, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..] => Place::Nowhere("a translated address"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Place::Nowhere("an address without a machine"),
        [0x2000..=0x3fff, ..] => Place::Public,
        _ => Place::Nowhere("a reserved address"),
    }
}

/// The addresses to connect to for that host, which a trust list names. Asks the resolver once: what was looked at is what
/// is connected to.
///
/// # Errors
/// The name has no address, or leads where nobody's status service is.
pub async fn reachable(host: &Host, port: u16, resolver: &dyn Resolver) -> Result<Vec<SocketAddr>, Error> {
    let addresses = match host {
        Host::Ip(address) => vec![*address],
        Host::Name(name) => resolver.resolve(name).await?,
    };
    let mut places = Vec::new();
    for address in &addresses {
        match place(*address) {
            Place::Nowhere(kind) => return Err(Error::Forbidden { address: *address, kind }),
            Place::Near(kind) if !host.is_literal() => return Err(Error::Forbidden { address: *address, kind }),
            other => places.push(other),
        }
    }
    if places.contains(&Place::Public) && places.iter().any(|place| *place != Place::Public) {
        return Err(Error::Mixed);
    }
    if addresses.is_empty() {
        return Err(Error::NoAddress);
    }
    Ok(addresses.into_iter().take(MOST_ADDRESSES).map(|address| SocketAddr::new(address, port)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(&'static [&'static str]);

    impl Resolver for Fixed {
        fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
            Box::pin(async move { Ok(self.0.iter().map(|text| text.parse().unwrap()).collect()) })
        }
    }

    async fn named(addresses: &'static [&'static str]) -> Result<usize, String> {
        let host = Host::Name("ocsp.example".into());
        let found = reachable(&host, 80, &Fixed(addresses)).await;
        found.map(|found| found.len()).map_err(|error| format!("{}: {error}", error.code()))
    }

    async fn written(address: &str) -> Result<SocketAddr, &'static str> {
        let found = reachable(&Host::Ip(address.parse().unwrap()), 80, &Fixed(&[])).await;
        found.map(|found| found[0]).map_err(|error| error.code())
    }

    #[tokio::test]
    async fn names_lead_to_public_or_to_private_addresses_only() {
        assert_eq!(named(&["93.184.216.34", "2606:2800:220:1::1"]).await, Ok(2));
        assert_eq!(named(&["10.0.0.1", "fd12::1", "192.168.1.1", "172.31.0.1", "100.64.0.1"]).await, Ok(4));
        let mixed = "host-addresses-mixed: the name leads to private and to public addresses";
        assert_eq!(named(&["93.184.216.34", "10.0.0.1"]).await, Err(mixed.to_owned()));
        assert_eq!(named(&[]).await, Err("host-unknown: the name has no address".to_owned()));
        let forbidden = [
            (&["127.0.0.1"], "a loopback address"),
            (&["::1"], "a loopback address"),
            (&["::ffff:127.0.0.1"], "a loopback address"),
            (&["169.254.169.254"], "a link-local address"),
            (&["fe80::1"], "a link-local address"),
            (&["100.100.100.200"], "an address of a cloud's own services"),
            (&["fd00:ec2::254"], "an address of a cloud's own services"),
            (&["0.0.0.0"], "an address of this network"),
            (&["224.0.0.1"], "a multicast address"),
            (&["ff02::1"], "a multicast address"),
            (&["255.255.255.255"], "a reserved address"),
            (&["64:ff9b::7f00:1"], "a translated address"),
            (&["2002:7f00:1::"], "a translated address"),
            (&["::"], "a reserved address"),
            (&["::127.0.0.1"], "a reserved address"),
        ];
        for (addresses, kind) in forbidden {
            let told = named(addresses).await.unwrap_err();
            assert!(told.starts_with("host-address-forbidden: the name leads to ") && told.ends_with(kind), "{told}");
        }
        // One such address among others is enough.
        assert!(named(&["93.184.216.34", "127.0.0.1"]).await.unwrap_err().starts_with("host-address-forbidden"));
    }

    #[tokio::test]
    async fn an_address_that_is_written_so_is_reached() {
        for address in ["127.0.0.1", "10.1.1.1", "93.184.216.34", "169.254.169.254"] {
            assert_eq!(written(address).await.map(|found| found.to_string()), Ok(format!("{address}:80")));
        }
        for address in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "ff02::1", "::"] {
            assert_eq!(written(address).await, Err("host-address-forbidden"), "{address}");
        }
        let local = reachable(&Host::Name("localhost".into()), 80, &Fixed(&["127.0.0.1"])).await;
        assert_eq!(local.unwrap(), ["127.0.0.1:80".parse().unwrap()]);
    }
}
