//! Writing CRLs (RFC 5280 5): entries are appended to one buffer, and the list is put around them.

use crate::base::clock::Timestamp;
use crate::format::der::{self, ObjectIdentifier, Writer};
use crate::format::x509::certificate::write_signature_algorithm;
use crate::format::x509::crl::{
    CERTIFICATE_ISSUER, CRL_NUMBER, DELTA_CRL_INDICATOR, INVALIDITY_DATE, ISSUING_DISTRIBUTION_POINT,
    IssuingDistributionPoint, REASON_CODE, RevocationReason,
};
use crate::format::x509::extension::{self, FreshestCrl, NewExtension};
use crate::format::x509::general_name::GeneralName;

/// Octets of an entry with a serial number of 16 octets and a reason.
const USUAL_ENTRY: usize = 50;

/// One revoked certificate, to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRevokedCertificate<'a> {
    /// `userCertificate`, big-endian magnitude.
    pub serial: &'a [u8],
    /// `revocationDate`.
    pub revocation_date: Timestamp,
    /// `reasonCode`; `unspecified` is left out (RFC 5280 5.3.1).
    pub reason: RevocationReason,
    /// `invalidityDate`.
    pub invalidity_date: Option<Timestamp>,
    /// `certificateIssuer`: where another issuer's certificates begin, in indirect CRLs.
    pub certificate_issuer: Option<GeneralName<'a>>,
}

/// Entries of a CRL as they are gathered: some 50 bytes each, nothing else is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewEntries {
    writer: Writer,
    removes: bool,
    names_issuers: bool,
    count: usize,
}

impl NewEntries {
    /// None yet, with room for that many.
    #[must_use]
    pub fn with_room(entries: usize) -> Self {
        Self { writer: Writer::with_capacity(entries.saturating_mul(USUAL_ENTRY)), ..Self::default() }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Appends one.
    pub fn push(&mut self, entry: &NewRevokedCertificate<'_>) {
        self.count = self.count.saturating_add(1);
        self.removes |= entry.reason == RevocationReason::RemoveFromCrl;
        self.names_issuers |= entry.certificate_issuer.is_some();
        self.writer.sequence(|revoked| {
            revoked.unsigned(entry.serial).time(entry.revocation_date);
            let has_reason = entry.reason != RevocationReason::Unspecified;
            if !has_reason && entry.invalidity_date.is_none() && entry.certificate_issuer.is_none() {
                return;
            }
            revoked.sequence(|list| {
                if has_reason {
                    add(list, REASON_CODE, false, |value| {
                        value.enumerated(entry.reason.number());
                    });
                }
                if let Some(moment) = entry.invalidity_date {
                    add(list, INVALIDITY_DATE, false, |value| {
                        value.generalized_time(moment);
                    });
                }
                if let Some(issuer) = &entry.certificate_issuer {
                    add(list, CERTIFICATE_ISSUER, true, |value| {
                        value.sequence(|names| issuer.write(names));
                    });
                }
            });
        });
    }
}

fn add(list: &mut Writer, oid: ObjectIdentifier, critical: bool, fill: impl FnOnce(&mut Writer)) {
    list.sequence(|extension| {
        extension.oid(oid);
        if critical {
            extension.boolean(true);
        }
        extension.octets_of(fill);
    });
}

/// What a CRL of ours shall say besides its entries: full or delta, whole or a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewCrl<'a> {
    /// The signature algorithm that the issuer will use.
    pub signature_algorithm: ObjectIdentifier,
    /// Issuer's name as DER.
    pub issuer: &'a [u8],
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`.
    pub next_update: Timestamp,
    /// `authorityKeyIdentifier`: the key identifier.
    pub authority_key_identifier: &'a [u8],
    /// `cRLNumber`, big-endian magnitude.
    pub number: &'a [u8],
    /// `deltaCRLIndicator`: the number of the CRL whose changes these are.
    pub delta_base: Option<&'a [u8]>,
    /// `issuingDistributionPoint`, critical.
    pub issuing_distribution_point: Option<&'a IssuingDistributionPoint<'a>>,
    /// `freshestCRL`, in full CRLs.
    pub freshest: Option<&'a FreshestCrl<'a>>,
    /// Further extensions.
    pub others: &'a [NewExtension],
}

impl NewCrl<'_> {
    /// The DER of `tbsCertList` (RFC 5280 5.1.2): the bytes to sign.
    ///
    /// # Errors
    /// What RFC 5280 5 forbids: `removeFromCRL` outside of a delta CRL (5.3.1), `certificateIssuer` outside of an indirect
    /// one (5.3.3), `freshestCRL` in a delta CRL (5.2.6).
    pub fn to_tbs(&self, entries: &NewEntries) -> Result<Vec<u8>, der::Error> {
        let is_indirect = self.issuing_distribution_point.is_some_and(|scope| scope.indirect);
        let forbidden = [
            ("reasonCode", entries.removes && self.delta_base.is_none()),
            ("certificateIssuer", entries.names_issuers && !is_indirect),
            ("freshestCRL", self.freshest.is_some() && self.delta_base.is_some()),
        ];
        if let Some((what, _)) = forbidden.into_iter().find(|(_, found)| *found) {
            return Err(der::Error::InvalidValue { what });
        }
        let content = entries.writer.as_bytes();
        let mut writer = Writer::with_capacity(content.len().saturating_add(1024));
        writer.sequence(|tbs| {
            tbs.small(1);
            write_signature_algorithm(tbs, self.signature_algorithm);
            tbs.raw(self.issuer).time(self.this_update).time(self.next_update);
            if !content.is_empty() {
                tbs.sequence(|list| {
                    list.raw(content);
                });
            }
            tbs.context(0, |outer| {
                outer.sequence(|list| self.write_extensions(list));
            });
        });
        Ok(writer.into_bytes())
    }

    fn write_extensions(&self, list: &mut Writer) {
        add(list, extension::AUTHORITY_KEY_IDENTIFIER, false, |value| {
            value.sequence(|inner| {
                inner.context_primitive(0, self.authority_key_identifier);
            });
        });
        add(list, CRL_NUMBER, false, |value| {
            value.unsigned(self.number);
        });
        if let Some(base) = self.delta_base {
            add(list, DELTA_CRL_INDICATOR, true, |value| {
                value.unsigned(base);
            });
        }
        if let Some(scope) = self.issuing_distribution_point {
            add(list, ISSUING_DISTRIBUTION_POINT, true, |value| {
                value.raw(&scope.to_der());
            });
        }
        if let Some(freshest) = self.freshest {
            add(list, extension::FRESHEST_CRL, false, |value| {
                value.raw(&freshest.to_der());
            });
        }
        self.others.iter().for_each(|other| other.write(list));
    }

    /// The CRL from its signed part and the encoded signature value.
    #[must_use]
    pub fn assemble(tbs: &[u8], signature_algorithm: ObjectIdentifier, signature: &[u8]) -> Vec<u8> {
        let mut writer = Writer::with_capacity(tbs.len().saturating_add(signature.len()).saturating_add(64));
        writer.sequence(|list| {
            list.raw(tbs);
            write_signature_algorithm(list, signature_algorithm);
            list.bit_string(signature);
        });
        writer.into_bytes()
    }
}
