//! What a judgement lacks: the status of certificates that lie on a path to an anchor, and where it may be asked.
//!
//! Nobody is asked but the hosts that the trust list names as status services of that very anchor, on the ports that it
//! names (product contract 2). So what a stranger's file says makes us talk to nobody: its certificates count only where
//! a trusted authority issued them, and then only for hosts that the list names.

use crate::crypto::algorithm::OID_SHA1;
use crate::crypto::digest::{sha1_identifier, sm3};
use crate::domain::trust::{AnchorScope, StatusKind};
use crate::domain::verify::address::Address;
use crate::format::x509::extension::{ACCESS_OCSP, AuthorityInfoAccess, CrlDistributionPoints, DistributionPointName};
use crate::format::x509::ocsp::{NewCertId, NewOcspRequest};
use crate::format::x509::{Certificate, GeneralName};

/// Addresses that are looked at for one certificate: a rogue authority may name thousands.
const MOST_ADDRESSES: usize = 8;
/// Characters of an address that a report shows.
const MOST_SHOWN: usize = 200;

/// Why an address is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotFetched {
    /// Neither http nor https.
    #[error("only http and https are asked")]
    Scheme,
    /// It has no single meaning.
    #[error("the address cannot be read")]
    Malformed,
    /// A user or a password in it.
    #[error("the address names a user")]
    Credentials,
    /// The anchor came without a trust list, or its list names no such host.
    #[error("the trust list of the anchor does not name that host")]
    HostNotNamed,
    /// Another port of a host that is named.
    #[error("the trust list of the anchor names that host, but not that port")]
    PortNotNamed,
    /// The certificate is anybody's.
    #[error("the certificate does not lead to an anchor")]
    NoPath,
    /// Behind the first few.
    #[error("the certificate names too many addresses")]
    TooMany,
}

/// Where a status may be asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusSource {
    /// A revocation list lies there (RFC 5280 4.2.1.13).
    Crl {
        /// Where.
        address: Address,
    },
    /// An OCSP responder answers there (RFC 6960).
    Ocsp {
        /// Where.
        address: Address,
        /// The request, DER: one certificate, no nonce (RFC 5019 2.1).
        request: Vec<u8>,
    },
}

impl StatusSource {
    /// Where.
    #[must_use]
    pub const fn address(&self) -> &Address {
        match self {
            Self::Crl { address } | Self::Ocsp { address, .. } => address,
        }
    }
}

/// A certificate on a path whose revocation is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedStatus {
    /// SM3 of the certificate.
    pub certificate: [u8; 32],
    /// Whom may be asked, the best first. Empty where nobody may be.
    pub sources: Vec<StatusSource>,
}

/// What is wanted of one certificate, and what is not fetched, as evidence shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::verify) struct Lack {
    pub(in crate::domain::verify) wanted: WantedStatus,
    pub(in crate::domain::verify) shown: Vec<String>,
}

/// An address as written, and what is found there.
type Named<'a> = (StatusKind, &'a str);

impl Lack {
    /// Of a certificate on a path to an anchor of that scope.
    pub(in crate::domain::verify) fn of(
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
        scope: Option<&AnchorScope>,
    ) -> Self {
        let services = scope.map(|scope| scope.status.as_slice()).unwrap_or_default();
        let listed: Vec<Address> = services.iter().filter_map(|service| Address::parse(&service.url).ok()).collect();
        // An answer is smaller and younger than a list; what the certificate says itself speaks of it for sure.
        let own = addresses(certificate);
        let all = own.iter().copied().chain(services.iter().map(|service| (service.kind, service.url.as_str())));
        let (mut sources, mut shown) = (Vec::new(), Vec::new());
        for (number, (kind, url)) in all.enumerate() {
            let found = if number < MOST_ADDRESSES { permitted(url, &listed) } else { Err(NotFetched::TooMany) };
            match found {
                Ok(address) => {
                    let source = match kind {
                        StatusKind::Crl => StatusSource::Crl { address },
                        StatusKind::Ocsp => StatusSource::Ocsp { address, request: request(certificate, issuer) },
                    };
                    if !sources.contains(&source) {
                        shown.push(format!("{} may be asked", short(url)));
                        sources.push(source);
                    }
                }
                Err(why) => {
                    shown.push(not_fetched(url, why));
                    if why == NotFetched::TooMany {
                        break;
                    }
                }
            }
        }
        Self { wanted: WantedStatus { certificate: sm3(certificate.raw), sources }, shown }
    }
}

/// The addresses that a certificate names, none of which is asked since it leads to no anchor: as evidence shows them.
pub(in crate::domain::verify) fn unreached(certificate: &Certificate<'_>) -> Vec<String> {
    let all = addresses(certificate);
    all.iter().take(MOST_ADDRESSES).map(|(_, url)| not_fetched(url, NotFetched::NoPath)).collect()
}

fn not_fetched(url: &str, why: NotFetched) -> String {
    format!("{} is not fetched, because {why}", short(url))
}

fn short(url: &str) -> String {
    if url.chars().count() <= MOST_SHOWN {
        return url.to_owned();
    }
    format!("{}…", url.chars().take(MOST_SHOWN).collect::<String>())
}

/// The address, where the list names its host and port.
fn permitted(url: &str, listed: &[Address]) -> Result<Address, NotFetched> {
    let address = Address::parse(url)?;
    let mut same = listed.iter().filter(|named| named.host == address.host).peekable();
    if same.peek().is_none() {
        return Err(NotFetched::HostNotNamed);
    }
    if same.any(|named| named.port == address.port) { Ok(address) } else { Err(NotFetched::PortNotNamed) }
}

/// Responders, then lists, as the certificate names them. An extension that cannot be read names nothing.
fn addresses<'a>(certificate: &Certificate<'a>) -> Vec<Named<'a>> {
    let mut named = Vec::new();
    if let Ok(Some(access)) = certificate.extension_of::<AuthorityInfoAccess<'a>>() {
        for place in access.0 {
            if let (ACCESS_OCSP, GeneralName::Uri(url)) = (place.method, place.location) {
                named.push((StatusKind::Ocsp, url));
            }
        }
    }
    if let Ok(Some(points)) = certificate.extension_of::<CrlDistributionPoints<'a>>() {
        for point in points.0 {
            let Some(DistributionPointName::FullName(names)) = point.name else { continue };
            for name in names {
                if let GeneralName::Uri(url) = name {
                    named.push((StatusKind::Crl, url));
                }
            }
        }
    }
    named
}

/// A request about one certificate. SHA-1 names it, as RFC 5019 2.1.1 has it: every responder knows that one, and nothing
/// is proved by it.
fn request(certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> Vec<u8> {
    let cert_id = NewCertId {
        hash_algorithm: OID_SHA1,
        issuer_name_hash: &sha1_identifier(certificate.issuer.raw()),
        issuer_key_hash: &sha1_identifier(issuer.public_key.key),
        serial: certificate.serial,
    };
    NewOcspRequest { cert_ids: &[&cert_id.to_der()], nonce: None, acceptable_responses: &[] }.to_der()
}
