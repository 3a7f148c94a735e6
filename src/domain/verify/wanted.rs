//! What a judgement lacks: the status of certificates that lie on a path to an anchor, changes to revocation lists that
//! are at hand, the certificates of issuers; and where it may be asked.
//!
//! For status and changes nobody is asked but the hosts that the trust list names as status services of that very anchor,
//! on the ports that it names (product contract 2). So what a stranger's file says makes us talk to nobody: its
//! certificates count only where a trusted authority issued them, and then only for hosts that the list names.
//!
//! A missing issuer's certificate is another matter: until it is there no anchor is reached, so the host may be any that a
//! trust list names, and the path of the address is a stranger's. It is named here, and fetched only where the
//! installation says so.

use crate::crypto::algorithm::OID_SHA1;
use crate::crypto::digest::{sha1_identifier, sm3};
use crate::domain::trust::{AnchorScope, StatusKind};
use crate::domain::verify::address::Address;
use crate::format::der::ObjectIdentifier;
use crate::format::x509::crl::CertificateList;
use crate::format::x509::extension::{
    ACCESS_CA_ISSUERS, ACCESS_OCSP, AuthorityInfoAccess, CrlDistributionPoints, DistributionPoint,
    DistributionPointName, FreshestCrl,
};
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
    /// A query, on the word of a certificate that leads to no anchor.
    #[error("the address has a query, and the certificate does not lead to an anchor")]
    Query,
}

/// Where evidence may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceSource {
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
    /// Certificates of an issuer lie there: one, or a bundle (RFC 5280 4.2.2.1).
    Issuer {
        /// Where.
        address: Address,
    },
}

impl EvidenceSource {
    /// Where.
    #[must_use]
    pub const fn address(&self) -> &Address {
        match self {
            Self::Crl { address } | Self::Ocsp { address, .. } | Self::Issuer { address } => address,
        }
    }
}

/// What is lacking of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lacking {
    /// Whether it is revoked; it lies on a path.
    Status,
    /// Changes to the list that tells whether it is revoked (RFC 5280 5.2.4, 5.2.6); it lies on a path.
    Changes,
    /// The certificate of its issuer; it leads to no anchor.
    Issuer,
}

/// A certificate of which evidence is lacking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedEvidence {
    /// SM3 of the certificate.
    pub certificate: [u8; 32],
    /// What is lacking.
    pub what: Lacking,
    /// Whom may be asked, the best first. Empty where nobody may be.
    pub sources: Vec<EvidenceSource>,
}

/// What is wanted of one certificate, and what is not fetched, as evidence shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::verify) struct Lack {
    pub(in crate::domain::verify) wanted: WantedEvidence,
    pub(in crate::domain::verify) shown: Vec<String>,
}

/// An address as written, and what is found there.
type Named<'a> = (StatusKind, &'a str);

impl Lack {
    /// The status of a certificate on a path to an anchor of that scope.
    pub(in crate::domain::verify) fn of(
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
        scope: Option<&AnchorScope>,
    ) -> Self {
        let services = scope.map(|scope| scope.status.as_slice()).unwrap_or_default();
        let listed = listed(scope);
        // An answer is smaller and younger than a list; what the certificate says itself speaks of it for sure.
        let own = addresses(certificate);
        let all = own.iter().copied().chain(services.iter().map(|service| (service.kind, service.url.as_str())));
        let (mut sources, mut shown) = (Vec::new(), Vec::new());
        for (number, (kind, url)) in all.enumerate() {
            let found = if number < MOST_ADDRESSES { permitted(url, &listed) } else { Err(NotFetched::TooMany) };
            match found {
                Ok(address) => {
                    let source = match kind {
                        StatusKind::Crl => EvidenceSource::Crl { address },
                        StatusKind::Ocsp => EvidenceSource::Ocsp { address, request: request(certificate, issuer) },
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
        Self { wanted: wanted(certificate, Lacking::Status, sources), shown }
    }

    /// Changes to the lists of its issuer that are at hand, where the certificate or one of these lists names any that
    /// may be asked for.
    pub(in crate::domain::verify) fn of_changes<'l>(
        certificate: &Certificate<'_>,
        lists: impl Iterator<Item = &'l CertificateList<'l>>,
        scope: Option<&AnchorScope>,
    ) -> Option<Self> {
        let listed = listed(scope);
        if listed.is_empty() {
            return None;
        }
        let own = certificate.extension_of::<FreshestCrl<'_>>().ok().flatten();
        let mut points: Vec<&str> = own.iter().flat_map(|own| urls(&own.0)).collect();
        let mut is_any = false;
        for list in lists.filter(|list| !list.is_delta() && list.issuer.matches(&certificate.issuer)) {
            is_any = true;
            points.extend(list.freshest.iter().flat_map(|freshest| urls(&freshest.0)));
        }
        let (mut sources, mut shown) = (Vec::new(), Vec::new());
        for url in points.into_iter().take(MOST_ADDRESSES).filter(|_| is_any) {
            match permitted(url, &listed) {
                Ok(address) => {
                    let source = EvidenceSource::Crl { address };
                    if !sources.contains(&source) {
                        shown.push(format!("{} may be asked for changes", short(url)));
                        sources.push(source);
                    }
                }
                Err(why) => shown.push(not_fetched(url, why)),
            }
        }
        (!sources.is_empty()).then(|| Self { wanted: wanted(certificate, Lacking::Changes, sources), shown })
    }

    /// The certificate of its issuer, from hosts that some trust list names; nothing where it names no such address.
    pub(in crate::domain::verify) fn of_issuer(certificate: &Certificate<'_>, listed: &[Address]) -> Option<Self> {
        let (mut sources, mut shown) = (Vec::new(), Vec::new());
        for url in issuers(certificate).into_iter().take(MOST_ADDRESSES) {
            let found = permitted(url, listed)
                .and_then(|address| if address.target.contains('?') { Err(NotFetched::Query) } else { Ok(address) });
            match found {
                Ok(address) => {
                    let source = EvidenceSource::Issuer { address };
                    if !sources.contains(&source) {
                        shown.push(format!("{} may be asked for the certificate of the issuer", short(url)));
                        sources.push(source);
                    }
                }
                Err(NotFetched::Query) => shown.push(not_fetched(url, NotFetched::Query)),
                // Of another host than those nobody is asked, and nothing is said: no list is responsible.
                Err(_) => {}
            }
        }
        (!shown.is_empty()).then(|| Self { wanted: wanted(certificate, Lacking::Issuer, sources), shown })
    }
}

fn wanted(certificate: &Certificate<'_>, what: Lacking, sources: Vec<EvidenceSource>) -> WantedEvidence {
    WantedEvidence { certificate: sm3(certificate.raw), what, sources }
}

/// The addresses that the list names beside an anchor.
fn listed(scope: Option<&AnchorScope>) -> Vec<Address> {
    let services = scope.map(|scope| scope.status.as_slice()).unwrap_or_default();
    services.iter().filter_map(|service| Address::parse(&service.url).ok()).collect()
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
    let responders = described(certificate, ACCESS_OCSP).into_iter().map(|url| (StatusKind::Ocsp, url));
    let points = certificate.extension_of::<CrlDistributionPoints<'a>>().ok().flatten();
    let lists = points.iter().flat_map(|points| urls(&points.0)).map(|url| (StatusKind::Crl, url));
    responders.chain(lists).collect()
}

/// Where the certificate says that those of its issuer are.
fn issuers<'a>(certificate: &Certificate<'a>) -> Vec<&'a str> {
    described(certificate, ACCESS_CA_ISSUERS)
}

/// RFC 5280 4.2.2.1.
fn described<'a>(certificate: &Certificate<'a>, method: ObjectIdentifier) -> Vec<&'a str> {
    let access = certificate.extension_of::<AuthorityInfoAccess<'a>>().ok().flatten();
    let places = access.into_iter().flat_map(|access| access.0);
    let of_method = places.filter(|place| place.method == method);
    of_method.filter_map(|place| if let GeneralName::Uri(url) = place.location { Some(url) } else { None }).collect()
}

/// The addresses of distribution points (RFC 5280 4.2.1.13).
fn urls<'a>(points: &[DistributionPoint<'a>]) -> Vec<&'a str> {
    let names = points.iter().filter_map(|point| match &point.name {
        Some(DistributionPointName::FullName(names)) => Some(names),
        _ => None,
    });
    let uri = |name: &GeneralName<'a>| if let GeneralName::Uri(url) = name { Some(*url) } else { None };
    names.flatten().filter_map(uri).collect()
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
