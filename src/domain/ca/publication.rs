//! Where an authority publishes what concerns its certificates, and in which shard of its revocation lists one stands.

use crate::format::x509::GeneralName;
use crate::format::x509::NewExtension;
use crate::format::x509::extension::{
    ACCESS_CA_ISSUERS, ACCESS_OCSP, AccessDescription, AuthorityInfoAccess, CrlDistributionPoints, DistributionPoint,
    DistributionPointName, FreshestCrl,
};

/// Why locations are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPublication {
    /// Not `http://host/…` or `ldap://host/…`: a client that asks over TLS would ask about that TLS first (RFC 5280 8).
    #[error("a location is not of the form http://host/path (RFC 5280 4.2.1.13, 4.2.2.1)")]
    Location,
    /// `{shard}` stands in a template once, or not at all where there is one shard.
    #[error("the template of a revocation list names {{shard}} once, or has one shard")]
    Template,
    /// No shards, or too many.
    #[error("revocation lists have 1 to 65536 shards")]
    Shards,
}

/// The most shards of one authority.
const MOST_SHARDS: u32 = 65_536;
const SHARD: &str = "{shard}";

/// Where an authority publishes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publication {
    crl: Option<String>,
    delta_crl: Option<String>,
    shards: u32,
    ocsp: Vec<String>,
    issuers: Vec<String>,
}

impl Publication {
    /// Nowhere: an authority for development.
    #[must_use]
    pub fn nowhere() -> Self {
        Self { shards: 1, ..Self::default() }
    }

    /// Locations. `crl` and `delta_crl` are templates in which `{shard}` stands for the shard's number.
    ///
    /// # Errors
    /// A location or template is none.
    pub fn new(
        (crl, delta_crl): (Option<&str>, Option<&str>),
        shards: u32,
        ocsp: &[&str],
        issuers: &[&str],
    ) -> Result<Self, InvalidPublication> {
        if !(1..=MOST_SHARDS).contains(&shards) {
            return Err(InvalidPublication::Shards);
        }
        for template in [crl, delta_crl].into_iter().flatten() {
            let count = template.matches(SHARD).count();
            if count > 1 || (count == 0 && shards > 1) {
                return Err(InvalidPublication::Template);
            }
            check(&template.replace(SHARD, "0"), &["http://", "ldap://"])?;
        }
        ocsp.iter().try_for_each(|location| check(location, &["http://"]))?;
        issuers.iter().try_for_each(|location| check(location, &["http://", "ldap://"]))?;
        let owned = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect();
        Ok(Self {
            crl: crl.map(str::to_owned),
            delta_crl: delta_crl.map(str::to_owned),
            shards,
            ocsp: owned(ocsp),
            issuers: owned(issuers),
        })
    }

    /// The same, with one more place where certificates of the issuer are found.
    ///
    /// # Errors
    /// The location is none.
    pub fn also_issuers(mut self, location: &str) -> Result<Self, InvalidPublication> {
        check(location, &["http://", "ldap://"])?;
        self.issuers.push(location.to_owned());
        Ok(self)
    }

    /// How many shards.
    #[must_use]
    pub const fn shards(&self) -> u32 {
        self.shards
    }

    /// Where the list of that shard is; `None` where there are no lists.
    #[must_use]
    pub fn crl_location(&self, shard: u32) -> Option<String> {
        self.crl.as_ref().map(|template| template.replace(SHARD, &shard.to_string()))
    }

    /// cRLDistributionPoints, freshestCRL and authorityInfoAccess of a certificate with that serial number, as far as
    /// anything is published.
    #[must_use]
    pub fn extensions(&self, serial: &[u8]) -> Vec<NewExtension> {
        let shard = shard(serial, self.shards).to_string();
        let mut found = Vec::new();
        let located = |template: &String| template.replace(SHARD, &shard);
        if let Some(location) = self.crl.as_ref().map(located) {
            found.push(NewExtension::new(false, &CrlDistributionPoints(vec![point(&location)])));
        }
        if let Some(location) = self.delta_crl.as_ref().map(located) {
            found.push(NewExtension::new(false, &FreshestCrl(vec![point(&location)])));
        }
        let access = |method| move |location: &'_ String| (method, location.clone());
        let access: Vec<_> = self
            .ocsp
            .iter()
            .map(access(ACCESS_OCSP))
            .chain(self.issuers.iter().map(access(ACCESS_CA_ISSUERS)))
            .collect();
        if !access.is_empty() {
            let described = access
                .iter()
                .map(|(method, location)| AccessDescription { method: *method, location: GeneralName::Uri(location) });
            found.push(NewExtension::new(false, &AuthorityInfoAccess(described.collect())));
        }
        found
    }
}

fn point(location: &str) -> DistributionPoint<'_> {
    let name = Some(DistributionPointName::FullName(vec![GeneralName::Uri(location)]));
    DistributionPoint { name, reasons: None, crl_issuer: Vec::new() }
}

fn check(location: &str, schemes: &[&str]) -> Result<(), InvalidPublication> {
    let rest = schemes.iter().find_map(|scheme| location.strip_prefix(scheme)).ok_or(InvalidPublication::Location)?;
    let host = rest.split('/').next().unwrap_or_default();
    let printable = location
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'));
    if printable && !host.is_empty() && location.len() <= 512 { Ok(()) } else { Err(InvalidPublication::Location) }
}

/// The shard of a serial number: its last eight octets as a number, modulo the count. Serial numbers are random, so shards
/// are of one size; the number is fixed in the certificate, so that the count of shards can change for later ones.
#[must_use]
pub fn shard(serial: &[u8], shards: u32) -> u32 {
    let last = serial.iter().rev().take(8).rev().fold(0_u64, |number, octet| number << 8 | u64::from(*octet));
    let shards = u64::from(shards.max(1));
    // Below a number of 32 bits.
    u32::try_from(last % shards).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_checked() {
        let crl = |crl, shards| Publication::new((Some(crl), None), shards, &[], &[]).map(|_| ());
        assert_eq!(crl("http://a.example/{shard}.crl", 16), Ok(()));
        assert_eq!(crl("http://a.example/a.crl", 1), Ok(()));
        assert_eq!(crl("http://a.example/a.crl", 2), Err(InvalidPublication::Template));
        assert_eq!(crl("http://a.example/{shard}/{shard}.crl", 2), Err(InvalidPublication::Template));
        assert_eq!(crl("https://a.example/{shard}.crl", 2), Err(InvalidPublication::Location));
        assert_eq!(crl("http:///{shard}.crl", 2), Err(InvalidPublication::Location));
        assert_eq!(crl("http://a.example/{x}{shard}.crl", 2), Err(InvalidPublication::Location));
        assert_eq!(crl("http://a.example/{shard}.crl", 0), Err(InvalidPublication::Shards));
        assert_eq!(crl("http://a.example/{shard}.crl", 65_537), Err(InvalidPublication::Shards));
        let ocsp = Publication::new((None, None), 1, &["ldap://a.example"], &[]);
        assert_eq!(ocsp, Err(InvalidPublication::Location));
    }

    proptest::proptest! {
        #[test]
        fn a_serial_number_keeps_its_shard(serial: [u8; 16], shards in 1_u32..=65_536) {
            let found = shard(&serial, shards);
            proptest::prop_assert!(found < shards);
            // The content octets of the certificate may have a zero in front.
            let content = [&[0][..], &serial].concat();
            proptest::prop_assert_eq!(shard(&content, shards), found);
            proptest::prop_assert_eq!(shard(&serial, 1), 0);
        }
    }
}
