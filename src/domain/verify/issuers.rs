//! Issuers whose certificates are missing: how far up a certificate leads with what is at hand, and where the next
//! certificate may be had.

use crate::domain::trust::TrustAnchors;
use crate::domain::verify::address::Address;
use crate::domain::verify::wanted::Lack;
use crate::format::x509::Certificate;

/// Certificates that are looked at on the way up: a file may carry thousands.
const MOST_SEEN: usize = 16;

/// What is lacking above a certificate that leads to no anchor. Names decide what is at hand (RFC 5280 7.1), not
/// signatures: whatever comes is only a candidate of a path.
pub(in crate::domain::verify) fn missing_issuers<'s>(
    end: &Certificate<'s>,
    beside: &[Certificate<'s>],
    trust: &'s TrustAnchors,
) -> Vec<Lack> {
    let listed: Vec<Address> =
        trust.status_services().filter_map(|service| Address::parse(&service.url).ok()).collect();
    let mut lacks = Vec::new();
    let mut seen = vec![end.clone()];
    let mut place = 0_usize;
    while let Some(certificate) = seen.get(place).cloned() {
        place = place.saturating_add(1);
        if listed.is_empty() || certificate.subject.matches(&certificate.issuer) {
            continue;
        }
        let (has_anchor, held) = trust.with_subject(&certificate.issuer);
        if has_anchor {
            continue;
        }
        let carried = beside.iter().filter(|other| other.subject.matches(&certificate.issuer)).cloned();
        let above: Vec<Certificate<'s>> = held.into_iter().chain(carried).collect();
        if above.is_empty() {
            lacks.extend(Lack::of_issuer(&certificate, &listed));
        }
        for issuer in above {
            if seen.len() < MOST_SEEN && seen.iter().all(|known| known.raw != issuer.raw) {
                seen.push(issuer);
            }
        }
    }
    lacks
}
