//! `CertificateList` (RFC 5280 5.1): the signed list and its extensions.

use crate::base::clock::Timestamp;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag};
use crate::format::keys::AlgorithmIdentifier;
use crate::format::x509::crl::{
    CRL_NUMBER, DELTA_CRL_INDICATOR, EXPIRED_CERTS_ON_CRL, Entries, ISSUING_DISTRIBUTION_POINT,
    IssuingDistributionPoint, RevokedCertificate,
};
use crate::format::x509::extension::{
    self, AuthorityKeyIdentifier, Extension, FreshestCrl, IssuerAltName,
};
use crate::format::x509::general_name::GeneralName;
use crate::format::x509::name::Name;

/// How many extensions one list may have; RFC 5280 5.2 knows seven.
const MAX_EXTENSIONS: usize = 64;

/// Octets of a CRL number (RFC 5280 5.2.3).
const MAX_NUMBER: usize = 20;

/// A CRL as it arrived. Parsed is not valid: nothing is verified here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateList<'a> {
    /// All of it.
    pub raw: &'a [u8],
    /// `tbsCertList`: what was signed.
    pub tbs: &'a [u8],
    /// 1 or 2.
    pub version: u8,
    /// `signatureAlgorithm`, the same inside and outside.
    pub signature_algorithm: AlgorithmIdentifier<'a>,
    /// `issuer`.
    pub issuer: Name<'a>,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`, if present.
    pub next_update: Option<Timestamp>,
    /// `crlExtensions`, in order.
    pub extensions: Vec<Extension<'a>>,
    /// `authorityKeyIdentifier`, if present.
    pub authority_key_identifier: Option<AuthorityKeyIdentifier<'a>>,
    /// `cRLNumber`, big-endian magnitude without leading zeros, if present.
    pub number: Option<&'a [u8]>,
    /// `BaseCRLNumber` of a delta CRL, as [`Self::number`].
    pub delta_base: Option<&'a [u8]>,
    /// `issuingDistributionPoint`, if present.
    pub issuing_distribution_point: Option<IssuingDistributionPoint<'a>>,
    /// `freshestCRL`, if present: where delta CRLs are.
    pub freshest: Option<FreshestCrl<'a>>,
    /// `expiredCertsOnCRL`, if present.
    pub expired_certificates_since: Option<Timestamp>,
    /// `signatureValue` without the octet that counts unused bits.
    pub signature: &'a [u8],
    entries: &'a [u8],
    count: usize,
    names_issuers: bool,
    unknown_critical_in_entry: Option<ObjectIdentifier>,
}

impl<'a> CertificateList<'a> {
    /// Reads a CRL that fills the bytes, with every entry.
    ///
    /// # Errors
    /// The first thing that is not as RFC 5280 5 writes it.
    pub fn parse(der: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "CertificateList";
        let raw = der::reader::only(der, WHAT)?;
        if raw.tag() != Tag::Sequence {
            return Err(der::Error::UnexpectedTag { what: WHAT, expected: Tag::Sequence, found: raw.tag() });
        }
        let mut outer = raw.inside();
        let tbs = outer.expect(Tag::Sequence, "tbsCertList")?;
        let outer_algorithm = AlgorithmIdentifier::read(&mut outer, "signatureAlgorithm")?;
        let signature = outer.bit_string("signatureValue")?;
        outer.finish(WHAT)?;

        let mut inner = tbs.inside();
        let version = match inner.peek() {
            Some(Tag::Integer) => match inner.small("version")? {
                1 => 2,
                _ => return Err(der::Error::InvalidValue { what: "version" }),
            },
            _ => 1,
        };
        let signature_algorithm = AlgorithmIdentifier::read(&mut inner, "signature")?;
        if signature_algorithm != outer_algorithm {
            return Err(der::Error::InvalidValue { what: "signatureAlgorithm" });
        }
        let issuer = Name::read(&mut inner, "issuer")?;
        if issuer.is_empty() {
            return Err(der::Error::Missing { what: "issuer" });
        }
        let this_update = inner.time("thisUpdate")?;
        let next_update = match inner.peek() {
            Some(Tag::UtcTime | Tag::GeneralizedTime) => Some(inner.time("nextUpdate")?),
            _ => None,
        };
        let entries = inner.optional(Tag::Sequence, "revokedCertificates")?;
        let explicit = Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(0) };
        let extensions = match inner.optional(explicit, "crlExtensions")? {
            Some(value) => {
                let mut inside = value.inside();
                let list = read_extension_list(&mut inside, "crlExtensions")?;
                inside.finish("crlExtensions")?;
                list
            }
            None => Vec::new(),
        };
        inner.finish("tbsCertList")?;
        let mut list = Self {
            raw: raw.raw(),
            tbs: tbs.raw(),
            version,
            signature_algorithm,
            issuer,
            this_update,
            next_update,
            extensions,
            authority_key_identifier: None,
            number: None,
            delta_base: None,
            issuing_distribution_point: None,
            freshest: None,
            expired_certificates_since: None,
            signature,
            entries: entries.map_or(&[], |entries| entries.content()),
            count: 0,
            names_issuers: false,
            unknown_critical_in_entry: None,
        };
        list.read_extensions()?;
        list.read_entries()?;
        Ok(list)
    }

    fn read_extensions(&mut self) -> Result<(), der::Error> {
        if self.version == 1 && !self.extensions.is_empty() {
            return Err(der::Error::InvalidValue { what: "version" });
        }
        for extension in &self.extensions {
            let value = extension.value;
            match extension.oid {
                extension::AUTHORITY_KEY_IDENTIFIER => {
                    self.authority_key_identifier = Some(AuthorityKeyIdentifier::parse(value)?);
                }
                extension::ISSUER_ALT_NAME => drop(IssuerAltName::parse(value)?),
                extension::FRESHEST_CRL => self.freshest = Some(FreshestCrl::parse(value)?),
                CRL_NUMBER => self.number = Some(number(value, "cRLNumber")?),
                DELTA_CRL_INDICATOR => self.delta_base = Some(number(value, "deltaCRLIndicator")?),
                ISSUING_DISTRIBUTION_POINT => {
                    self.issuing_distribution_point = Some(IssuingDistributionPoint::parse(value)?);
                }
                EXPIRED_CERTS_ON_CRL => {
                    let mut reader = Reader::new(value);
                    self.expired_certificates_since = Some(reader.generalized_time("expiredCertsOnCRL")?);
                    reader.finish("expiredCertsOnCRL")?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_entries(&mut self) -> Result<(), der::Error> {
        let mut entries = Entries::over(self.entries);
        while let Some(entry) = entries.try_next() {
            let entry = entry?;
            self.count = self.count.saturating_add(1);
            self.names_issuers |= entry.certificate_issuer.is_some();
            self.unknown_critical_in_entry = self.unknown_critical_in_entry.or(entry.unknown_critical);
            if self.version == 1 && entry.has_extensions {
                return Err(der::Error::InvalidValue { what: "version" });
            }
        }
        Ok(())
    }

    /// The extension of that kind.
    #[must_use]
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// The first critical extension that RFC 5280 5.2 and 5.3 do not know, of the list or of any entry. Such a list must
    /// not be used (RFC 5280 5.2, 5.3).
    #[must_use]
    pub fn unknown_critical(&self) -> Option<ObjectIdentifier> {
        const KNOWN: [ObjectIdentifier; 7] = [
            extension::AUTHORITY_KEY_IDENTIFIER,
            extension::ISSUER_ALT_NAME,
            extension::FRESHEST_CRL,
            CRL_NUMBER,
            DELTA_CRL_INDICATOR,
            ISSUING_DISTRIBUTION_POINT,
            EXPIRED_CERTS_ON_CRL,
        ];
        let unknown = self.extensions.iter().find(|extension| extension.critical && !KNOWN.contains(&extension.oid));
        unknown.map(|extension| extension.oid).or(self.unknown_critical_in_entry)
    }

    /// Whether it lists changes only (RFC 5280 5.2.4).
    #[must_use]
    pub const fn is_delta(&self) -> bool {
        self.delta_base.is_some()
    }

    /// Whether an entry names the issuer of its certificate, as only indirect CRLs may (RFC 5280 5.3.3).
    #[must_use]
    pub const fn names_issuers(&self) -> bool {
        self.names_issuers
    }

    /// How many entries it has.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The entries in order.
    #[must_use]
    pub const fn entries(&self) -> Entries<'a> {
        Entries::over(self.entries)
    }

    pub(super) const fn entry_octets(&self) -> &'a [u8] {
        self.entries
    }

    /// The first entry of the certificate that `issuer` issued under that serial number (content octets of the INTEGER),
    /// found by walking through all. For many questions to one list there is [`super::CrlIndex`].
    #[must_use]
    pub fn find(&self, serial: &[u8], issuer: &Name<'_>) -> Option<RevokedCertificate<'a>> {
        self.entries().find(|entry| entry.serial == serial && self.is_issued_by(entry, issuer))
    }

    /// Whether the entry is about a certificate of that issuer (RFC 5280 5.3.3).
    #[must_use]
    pub fn is_issued_by(&self, entry: &RevokedCertificate<'_>, issuer: &Name<'_>) -> bool {
        let Some(names) = entry.certificate_issuer else { return self.issuer.matches(issuer) };
        let mut reader = Reader::new(names);
        while let Ok(name) = GeneralName::read(&mut reader) {
            if matches!(name, GeneralName::Directory(name) if name.matches(issuer)) {
                return true;
            }
        }
        false
    }
}

/// A CRL number: non-negative, at most 20 octets (RFC 5280 5.2.3).
fn number<'a>(value: &'a [u8], what: &'static str) -> Result<&'a [u8], der::Error> {
    let mut reader = Reader::new(value);
    let number = reader.unsigned(what)?;
    reader.finish(what)?;
    if number.len() > MAX_NUMBER { Err(der::Error::InvalidValue { what }) } else { Ok(number) }
}

/// `Extensions` (RFC 5280 4.1): at least one, each kind once.
pub(in crate::format::x509) fn read_extension_list<'a>(
    reader: &mut Reader<'a>,
    what: &'static str,
) -> Result<Vec<Extension<'a>>, der::Error> {
    let mut list = reader.sequence(what)?;
    if list.is_empty() {
        return Err(der::Error::Missing { what });
    }
    let mut extensions: Vec<Extension<'_>> = Vec::new();
    while !list.is_empty() {
        let extension = Extension::read(&mut list)?;
        if extensions.iter().any(|known| known.oid == extension.oid) {
            return Err(der::Error::InvalidValue { what });
        }
        if extensions.len() >= MAX_EXTENSIONS {
            return Err(der::Error::TooMany { what, limit: MAX_EXTENSIONS });
        }
        extensions.push(extension);
    }
    Ok(extensions)
}
