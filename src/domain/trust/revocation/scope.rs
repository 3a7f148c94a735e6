//! Which CRLs speak of a certificate, and for which reasons (RFC 5280 6.3.3 (b), (d)).

use crate::domain::trust::revocation::RevocationUnknown;
use crate::format::x509::crl::CertificateList;
use crate::format::x509::extension::{CrlDistributionPoints, DistributionPoint, DistributionPointName, ReasonFlags};
use crate::format::x509::{Certificate, GeneralName, Name, NameBuf};

/// Where a distribution point is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place<'a> {
    Named(GeneralName<'a>),
    /// Put together from an issuer's name and a part relative to it.
    Directory(NameBuf),
}

impl Place<'_> {
    fn is(&self, other: &Place<'_>) -> bool {
        match (self.directory(), other.directory()) {
            (Some(one), Some(other)) => one.matches(&other),
            (None, None) => match (self, other) {
                (Self::Named(one), Place::Named(other)) => one == other,
                _ => false,
            },
            _ => false,
        }
    }

    fn directory(&self) -> Option<Name<'_>> {
        match self {
            Self::Named(GeneralName::Directory(name)) => Some(*name),
            Self::Named(_) => None,
            Self::Directory(name) => Some(name.as_name()),
        }
    }
}

/// The places that a name stands for; relative ones below each of the issuers.
fn places<'a>(name: &DistributionPointName<'a>, issuers: &[Name<'_>]) -> Vec<Place<'a>> {
    match name {
        DistributionPointName::FullName(names) => names.iter().copied().map(Place::Named).collect(),
        DistributionPointName::RelativeToIssuer(part) => {
            issuers.iter().filter_map(|issuer| NameBuf::below(issuer, part).ok()).map(Place::Directory).collect()
        }
    }
}

/// One distribution point of the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point<'a> {
    /// `None`: it has no name.
    places: Option<Vec<Place<'a>>>,
    reasons: u16,
    crl_issuer: Vec<GeneralName<'a>>,
}

/// The certificate's distribution points, and behind them its issuer's name, where any CRL of the issuer may be looked
/// for (RFC 5280 6.3.3, last paragraph).
pub(super) fn points_of<'a>(certificate: &Certificate<'a>) -> Result<Vec<Point<'a>>, RevocationUnknown> {
    let named = certificate
        .extension_of::<CrlDistributionPoints<'_>>()
        .map_err(|_| RevocationUnknown::DistributionPoints)?
        .map_or_else(Vec::new, |points| points.0);
    let issuer = Point {
        places: Some(vec![Place::Named(GeneralName::Directory(certificate.issuer))]),
        reasons: ReasonFlags::ALL,
        crl_issuer: Vec::new(),
    };
    Ok(named.into_iter().map(|point| Point::of(point, certificate)).chain([issuer]).collect())
}

impl<'a> Point<'a> {
    fn of(point: DistributionPoint<'a>, certificate: &Certificate<'_>) -> Self {
        let named = point.crl_issuer.iter().filter_map(directory).collect::<Vec<_>>();
        let issuers = if point.crl_issuer.is_empty() { vec![certificate.issuer] } else { named };
        Self {
            places: point.name.as_ref().map(|name| places(name, &issuers)),
            reasons: point.reasons.map_or(ReasonFlags::ALL, |reasons| reasons.0 & ReasonFlags::ALL),
            crl_issuer: point.crl_issuer,
        }
    }

    /// The reasons that this list covers for this point (RFC 5280 6.3.3 (b), (d)).
    pub(super) fn reasons_in(
        &self,
        list: &CertificateList<'_>,
        certificate: &Certificate<'_>,
    ) -> Result<u16, RevocationUnknown> {
        let scope = list.issuing_distribution_point.as_ref();
        if self.crl_issuer.is_empty() {
            if !list.issuer.matches(&certificate.issuer) {
                return Err(RevocationUnknown::OtherIssuer);
            }
        } else if !self.crl_issuer.iter().filter_map(directory).any(|name| name.matches(&list.issuer)) {
            return Err(RevocationUnknown::OtherIssuer);
        } else if !scope.is_some_and(|scope| scope.indirect) {
            return Err(RevocationUnknown::NotIndirect);
        }
        let Some(scope) = scope else { return Ok(self.reasons) };
        if let Some(name) = &scope.name {
            let theirs = places(name, &[list.issuer]);
            let is_named = match &self.places {
                Some(ours) => ours.iter().any(|our| theirs.iter().any(|their| their.is(our))),
                None => self.crl_issuer.iter().any(|name| theirs.iter().any(|their| their.is(&Place::Named(*name)))),
            };
            if !is_named {
                return Err(RevocationUnknown::OutOfScope { field: "distributionPoint" });
            }
        }
        let is_authority = certificate.basic_constraints.is_some_and(|constraints| constraints.authority);
        let shut = [
            ("onlyContainsUserCerts", scope.only_user_certificates && is_authority),
            ("onlyContainsCACerts", scope.only_authority_certificates && !is_authority),
            ("onlyContainsAttributeCerts", scope.only_attribute_certificates),
        ];
        if let Some((field, _)) = shut.into_iter().find(|(_, shut)| *shut) {
            return Err(RevocationUnknown::OutOfScope { field });
        }
        match self.reasons & scope.only_some_reasons.map_or(ReasonFlags::ALL, |reasons| reasons.0) {
            0 => Err(RevocationUnknown::OutOfScope { field: "onlySomeReasons" }),
            reasons => Ok(reasons),
        }
    }
}

fn directory<'a>(name: &GeneralName<'a>) -> Option<Name<'a>> {
    match name {
        GeneralName::Directory(name) => Some(*name),
        _ => None,
    }
}
