//! `CertificateList` (RFC 5280 5.1): the signed list and its extensions.

use crate::base::clock::Timestamp;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag};
use crate::format::keys::AlgorithmIdentifier;
use crate::format::x509::crl::{
    CRL_NUMBER, DELTA_CRL_INDICATOR, EXPIRED_CERTS_ON_CRL, Entries, ISSUING_DISTRIBUTION_POINT,
    IssuingDistributionPoint, RevokedCertificate,
};
use crate::format::x509::extension::{self, AuthorityKeyIdentifier, Extension, FreshestCrl, IssuerAltName};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::der::Writer;
    use crate::format::x509::crl::{
        CrlIndex, NewCrl, NewEntries, NewRevokedCertificate, REASON_CODE, RevocationReason,
    };
    use crate::format::x509::extension::{DistributionPointName, ReasonFlags};
    use crate::format::x509::name::NewName;

    const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");

    fn name(common_name: &str) -> Vec<u8> {
        NewName { organisation: "示例".into(), common_name: common_name.into() }.to_der()
    }

    fn entry(serial: &[u8]) -> NewRevokedCertificate<'_> {
        NewRevokedCertificate {
            serial,
            revocation_date: Timestamp::from_unix(1_700_000_000),
            reason: RevocationReason::Unspecified,
            invalidity_date: None,
            certificate_issuer: None,
        }
    }

    fn crl<'a>(issuer: &'a [u8], scope: Option<&'a IssuingDistributionPoint<'a>>) -> NewCrl<'a> {
        NewCrl {
            signature_algorithm: OID,
            issuer,
            this_update: Timestamp::from_unix(1_700_000_000),
            next_update: Timestamp::from_unix(2_600_000_000),
            authority_key_identifier: &[5; 20],
            number: &[1, 0],
            delta_base: None,
            issuing_distribution_point: scope,
            freshest: None,
            others: &[],
        }
    }

    fn written(new: &NewCrl<'_>, entries: &[NewRevokedCertificate<'_>]) -> Vec<u8> {
        let mut list = NewEntries::with_room(entries.len());
        entries.iter().for_each(|entry| list.push(entry));
        NewCrl::assemble(&new.to_tbs(&list).unwrap(), OID, &[9; 70])
    }

    /// A list put together by hand: `version`, entries, extensions as given.
    fn by_hand(version: Option<u32>, entries: Option<&[u8]>, extensions: Option<&[u8]>) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|tbs| {
            if let Some(version) = version {
                tbs.small(version);
            }
            tbs.sequence(|algorithm| {
                algorithm.oid(OID);
            });
            tbs.raw(&name("a")).time(Timestamp::from_unix(0));
            if let Some(entries) = entries {
                tbs.sequence(|list| {
                    list.raw(entries);
                });
            }
            if let Some(extensions) = extensions {
                tbs.context(0, |explicit| {
                    explicit.sequence(|list| {
                        list.raw(extensions);
                    });
                });
            }
        });
        NewCrl::assemble(&writer.into_bytes(), OID, &[9])
    }

    /// An extension, or an entry with one.
    fn extension(oid: ObjectIdentifier, critical: bool, value: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        extension::NewExtension { oid, critical, value: value.to_vec() }.write(&mut writer);
        writer.into_bytes()
    }

    fn entry_with(extensions: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|entry| {
            entry.small(7).time(Timestamp::from_unix(0)).sequence(|list| {
                list.raw(extensions);
            });
        });
        writer.into_bytes()
    }

    #[test]
    fn what_is_written_is_read_and_a_second_parser_agrees() {
        let (issuer, other) = (name("a"), name("b"));
        let point = DistributionPointName::FullName(vec![GeneralName::Uri("http://crl.example/1.crl")]);
        let scope = IssuingDistributionPoint {
            name: Some(point),
            only_user_certificates: true,
            only_some_reasons: Some(ReasonFlags(ReasonFlags::KEY_COMPROMISE | ReasonFlags::AA_COMPROMISE)),
            indirect: true,
            ..IssuingDistributionPoint::default()
        };
        let moment = Timestamp::from_unix(1_650_000_000);
        let by_other = GeneralName::Directory(Name::parse(&other, "x").unwrap());
        let entries = [
            entry(&[0x91]),
            NewRevokedCertificate {
                reason: RevocationReason::KeyCompromise,
                invalidity_date: Some(moment),
                certificate_issuer: Some(by_other),
                ..entry(&[2])
            },
            NewRevokedCertificate { reason: RevocationReason::RemoveFromCrl, ..entry(&[0x91]) },
        ];
        let new = NewCrl { delta_base: Some(&[0xff]), ..crl(&issuer, Some(&scope)) };
        let der = written(&new, &entries);
        let read = CertificateList::parse(&der).unwrap();
        assert_eq!(
            (read.version, read.count(), read.number, read.delta_base),
            (2, 3, Some(&[1, 0][..]), Some(&[0xff][..]))
        );
        assert_eq!(read.issuing_distribution_point, Some(scope.clone()));
        assert_eq!(read.authority_key_identifier.as_ref().unwrap().key_identifier, Some(&[5; 20][..]));
        assert_eq!((read.this_update, read.next_update), (new.this_update, Some(new.next_update)));
        assert_eq!((read.signature, read.unknown_critical()), (&[9; 70][..], None));
        let found: Vec<_> = read.entries().collect();
        assert_eq!((found[0].serial, found[0].reason, found[0].certificate_issuer), (&[0, 0x91][..], None, None));
        assert_eq!((found[1].reason, found[1].invalidity_date), (Some(RevocationReason::KeyCompromise), Some(moment)));
        assert_eq!(found[2].certificate_issuer, found[1].certificate_issuer);

        // The last entry is of the other issuer: it names none and inherits.
        let index = CrlIndex::new(&read, 3).unwrap();
        let (a, b) = (Name::parse(&issuer, "x").unwrap(), Name::parse(&other, "x").unwrap());
        for (serial, issuer, expected) in [
            (&[0, 0x91][..], &a, Some(&found[0])),
            (&[0, 0x91], &b, Some(&found[2])),
            (&[2], &b, Some(&found[1])),
            (&[2], &a, None),
            (&[3], &b, None),
        ] {
            assert_eq!(read.find(serial, issuer).as_ref(), expected);
            assert_eq!(index.find(&read, serial, issuer).as_ref(), expected);
        }
        assert_eq!(CrlIndex::new(&read, 2), Err(der::Error::TooMany { what: "revokedCertificates", limit: 2 }));

        let (rest, peer) = x509_parser::parse_x509_crl(&der).unwrap();
        assert!(rest.is_empty());
        assert_eq!(peer.iter_revoked_certificates().count(), 3);
        assert_eq!(peer.last_update().timestamp(), 1_700_000_000);
        assert_eq!(peer.crl_number().unwrap().to_u32_digits(), [256]);
    }

    /// An index answers for its own list; given another one, it walks through that.
    #[test]
    fn an_index_is_never_wrong_about_another_list() {
        let issuer = name("a");
        let new = crl(&issuer, None);
        let der = written(&new, &[entry(&[1])]);
        let list = CertificateList::parse(&der).unwrap();
        let index = CrlIndex::new(&list, 10).unwrap();
        let mut list_of_others = NewEntries::default();
        list_of_others.push(&entry(&[2]));
        let other = NewCrl::assemble(&new.to_tbs(&list_of_others).unwrap(), OID, &[8; 70]);
        let other = CertificateList::parse(&other).unwrap();
        assert!(index.is_of(&list) && !index.is_of(&other));
        let issuer = Name::parse(&issuer, "x").unwrap();
        assert_eq!(index.find(&other, &[2], &issuer).map(|entry| entry.serial), Some(&[2][..]));
        assert_eq!(index.find(&other, &[1], &issuer), None);
    }

    #[test]
    fn what_the_standard_forbids_is_not_written() {
        let issuer = name("a");
        let removal = NewRevokedCertificate { reason: RevocationReason::RemoveFromCrl, ..entry(&[1]) };
        let by = GeneralName::Directory(Name::parse(&issuer, "x").unwrap());
        let of_another = NewRevokedCertificate { certificate_issuer: Some(by), ..entry(&[1]) };
        let freshest = FreshestCrl(Vec::new());
        let refused = |new: &NewCrl<'_>, entry: &NewRevokedCertificate<'_>| {
            let mut entries = NewEntries::default();
            entries.push(entry);
            new.to_tbs(&entries).unwrap_err()
        };
        let invalid = |what| der::Error::InvalidValue { what };
        assert_eq!(refused(&crl(&issuer, None), &removal), invalid("reasonCode"));
        assert_eq!(refused(&crl(&issuer, None), &of_another), invalid("certificateIssuer"));
        let delta = NewCrl { delta_base: Some(&[1]), freshest: Some(&freshest), ..crl(&issuer, None) };
        assert_eq!(refused(&delta, &removal), invalid("freshestCRL"));
    }

    #[test]
    fn malformed_lists_are_refused_exactly() {
        let invalid = |what| der::Error::InvalidValue { what };
        let missing = |what| der::Error::Missing { what };
        let reason = |content: &[u8]| extension(REASON_CODE, false, content);
        let list = |oid, value: &[u8]| by_hand(Some(1), None, Some(&extension(oid, true, value)));
        let with = |extensions: &[u8]| by_hand(Some(1), Some(&entry_with(extensions)), None);
        let twice = [reason(&[10, 1, 1]), reason(&[10, 1, 1])].concat();
        let numbers = [extension(CRL_NUMBER, false, &[2, 1, 1]), extension(CRL_NUMBER, false, &[2, 1, 1])].concat();
        let cases: [(Vec<u8>, der::Error); 17] = [
            (by_hand(Some(0), None, None), invalid("version")),
            (by_hand(Some(2), None, None), invalid("version")),
            (by_hand(None, None, Some(&extension(CRL_NUMBER, false, &[2, 1, 1]))), invalid("version")),
            (by_hand(None, Some(&entry_with(&reason(&[10, 1, 1]))), None), invalid("version")),
            (by_hand(Some(1), None, Some(&[])), missing("crlExtensions")),
            (by_hand(Some(1), None, Some(&numbers)), invalid("crlExtensions")),
            (with(&[]), missing("crlEntryExtensions")),
            (with(&twice), invalid("crlEntryExtensions")),
            (with(&reason(&[10, 1, 7])), invalid("reasonCode")),
            (with(&reason(&[10, 1, 1, 0])), der::Error::TrailingBytes { what: "crlEntryExtensions" }),
            (
                with(&extension(crate::format::x509::crl::CERTIFICATE_ISSUER, true, &[0x30, 0])),
                missing("certificateIssuer"),
            ),
            (list(CRL_NUMBER, &[2, 1, 0x80]), invalid("cRLNumber")),
            (list(CRL_NUMBER, &[&[2, 21][..], &[1; 21]].concat()), invalid("cRLNumber")),
            (list(ISSUING_DISTRIBUTION_POINT, &[0x30, 0]), missing("issuingDistributionPoint")),
            (
                list(ISSUING_DISTRIBUTION_POINT, &[0x30, 6, 0x81, 1, 0xff, 0x82, 1, 0xff]),
                invalid("issuingDistributionPoint"),
            ),
            (list(ISSUING_DISTRIBUTION_POINT, &[0x30, 3, 0x81, 1, 1]), invalid("issuingDistributionPoint")),
            ([by_hand(Some(1), None, None), vec![0]].concat(), der::Error::TrailingBytes { what: "CertificateList" }),
        ];
        for (index, (der, expected)) in cases.into_iter().enumerate() {
            assert_eq!(CertificateList::parse(&der), Err(expected), "case {index}");
        }
        let tbs = CertificateList::parse(&by_hand(Some(1), None, None)).unwrap().tbs.to_vec();
        let other = NewCrl::assemble(&tbs, ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"), &[1]);
        assert_eq!(CertificateList::parse(&other), Err(invalid("signatureAlgorithm")));
    }

    #[test]
    fn critical_extensions_that_nobody_knows_are_told() {
        let strange = ObjectIdentifier::new_unwrap("1.2.3.4");
        let told = |der: &[u8]| CertificateList::parse(der).unwrap().unknown_critical();
        let (loud, quiet) = (extension(strange, true, &[5, 0]), extension(strange, false, &[5, 0]));
        assert_eq!(told(&by_hand(Some(1), None, Some(&loud))), Some(strange));
        assert_eq!(told(&by_hand(Some(1), None, Some(&quiet))), None);
        assert_eq!(told(&by_hand(Some(1), Some(&entry_with(&loud)), None)), Some(strange));
        assert_eq!(told(&by_hand(Some(1), Some(&entry_with(&quiet)), None)), None);
    }

    proptest::proptest! {
        /// Whatever is revoked is read back in order and found, by walking and by the index.
        #[test]
        fn every_entry_is_found_again(
            serials in proptest::collection::btree_set(proptest::collection::vec(1_u8.., 1..20), 0..40),
            reason in 0_usize..10,
            seconds in -600_000_000_i64..4_000_000_000,
        ) {
            let issuer = name("a");
            let reason = RevocationReason::ALL[reason];
            let moment = Timestamp::from_unix(seconds);
            let entries: Vec<_> = serials.iter().enumerate().map(|(at, serial)| NewRevokedCertificate {
                reason: if at % 2 == 0 { reason } else { RevocationReason::Unspecified },
                revocation_date: moment,
                invalidity_date: (at % 3 == 0).then_some(moment),
                ..entry(serial)
            }).collect();
            let der = written(&NewCrl { delta_base: Some(&[]), ..crl(&issuer, None) }, &entries);
            let list = CertificateList::parse(&der).unwrap();
            let index = CrlIndex::new(&list, 100).unwrap();
            let issuer = Name::parse(&issuer, "x").unwrap();
            proptest::prop_assert_eq!(list.count(), entries.len());
            for (read, new) in list.entries().zip(&entries) {
                let magnitude: Vec<u8> = read.serial.iter().copied().skip_while(|b| *b == 0).collect();
                proptest::prop_assert_eq!(magnitude.as_slice(), new.serial);
                proptest::prop_assert_eq!(read.revocation_date, moment);
                proptest::prop_assert_eq!(read.reason.unwrap_or(RevocationReason::Unspecified), new.reason);
                proptest::prop_assert_eq!(read.invalidity_date, new.invalidity_date);
                proptest::prop_assert_eq!(list.find(read.serial, &issuer), Some(read));
                proptest::prop_assert_eq!(index.find(&list, read.serial, &issuer), Some(read));
            }
            proptest::prop_assert_eq!(index.find(&list, &[0], &issuer), None);
        }
    }
}
