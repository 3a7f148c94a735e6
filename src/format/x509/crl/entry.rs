//! Entries of a CRL (RFC 5280 5.1.2.6, 5.3): read one after the other, without allocating.

use crate::base::clock::Timestamp;
use crate::format::der::{self, ObjectIdentifier, Reader, Tag};
use crate::format::x509::crl::{CERTIFICATE_ISSUER, HOLD_INSTRUCTION_CODE, INVALIDITY_DATE, REASON_CODE};
use crate::format::x509::extension::Extension;
use crate::format::x509::general_name::GeneralName;

/// `CRLReason` (RFC 5280 5.3.1): why a certificate is revoked, on hold, or taken off a list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// `unspecified`; an absent reason means the same.
    Unspecified,
    /// `keyCompromise`: the subject's private key is, or may be, in other hands.
    KeyCompromise,
    /// `cACompromise`: an authority's private key is, or may be, in other hands.
    CaCompromise,
    /// `affiliationChanged`: a fact in the certificate has changed.
    AffiliationChanged,
    /// `superseded`: another certificate stands in its place.
    Superseded,
    /// `cessationOfOperation`: it is not needed any more.
    CessationOfOperation,
    /// `certificateHold`: suspended.
    CertificateHold,
    /// `removeFromCRL`: in delta CRLs only.
    RemoveFromCrl,
    /// `privilegeWithdrawn`: a privilege that it states was taken away.
    PrivilegeWithdrawn,
    /// `aACompromise`: a key of an attribute authority is, or may be, in other hands.
    AaCompromise,
}

impl RevocationReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::RemoveFromCrl,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The number in the ENUMERATED; 7 is not used.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::RemoveFromCrl => 8,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    /// The reason of that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.number() == number)
    }

    /// The stable name, in rows, commands and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::CaCompromise => "ca-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::CertificateHold => "certificate-hold",
            Self::RemoveFromCrl => "remove-from-crl",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
            Self::AaCompromise => "aa-compromise",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Whether somebody else may have the private key: signatures of any time are in doubt.
    #[must_use]
    pub const fn is_compromise(self) -> bool {
        matches!(self, Self::KeyCompromise | Self::CaCompromise | Self::AaCompromise)
    }

    /// Whether a certificate can be at its end for this reason: a hold is a suspension, and what is removed is in use again.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::CertificateHold | Self::RemoveFromCrl)
    }

    /// Reads the ENUMERATED from where the reader stands.
    ///
    /// # Errors
    /// Not one of the reasons.
    pub fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, der::Error> {
        match reader.expect(Tag::Enumerated, what)?.content() {
            [number] => Self::from_number(*number).ok_or(der::Error::InvalidValue { what }),
            _ => Err(der::Error::InvalidValue { what }),
        }
    }
}

/// One entry of `revokedCertificates`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedCertificate<'a> {
    /// `userCertificate`, content octets of the INTEGER.
    pub serial: &'a [u8],
    /// `revocationDate`.
    pub revocation_date: Timestamp,
    /// `reasonCode`, if present.
    pub reason: Option<RevocationReason>,
    /// `invalidityDate`, if present.
    pub invalidity_date: Option<Timestamp>,
    /// `holdInstructionCode`, if present.
    pub hold_instruction: Option<ObjectIdentifier>,
    /// Who issued the certificate: `certificateIssuer` of this entry or of the last one before it that has some
    /// (RFC 5280 5.3.3), content of GeneralNames. `None`: the issuer of the CRL.
    pub certificate_issuer: Option<&'a [u8]>,
    /// The first critical extension that is none of the above.
    pub unknown_critical: Option<ObjectIdentifier>,
    pub(super) has_extensions: bool,
}

impl<'a> RevokedCertificate<'a> {
    /// Reads one entry; its issuer is the inherited one where it names none itself.
    pub(super) fn read(reader: &mut Reader<'a>, inherited: Option<&'a [u8]>) -> Result<Self, der::Error> {
        const WHAT: &str = "revokedCertificates";
        let mut inner = reader.sequence(WHAT)?;
        let serial = inner.integer("userCertificate")?;
        let revocation_date = inner.time("revocationDate")?;
        let mut entry = Self {
            serial,
            revocation_date,
            reason: None,
            invalidity_date: None,
            hold_instruction: None,
            certificate_issuer: inherited,
            unknown_critical: None,
            has_extensions: !inner.is_empty(),
        };
        if entry.has_extensions {
            entry.read_extensions(inner.sequence("crlEntryExtensions")?)?;
        }
        inner.finish(WHAT)?;
        Ok(entry)
    }

    fn read_extensions(&mut self, list: Reader<'a>) -> Result<(), der::Error> {
        const WHAT: &str = "crlEntryExtensions";
        if list.is_empty() {
            return Err(der::Error::Missing { what: WHAT });
        }
        let mut rest = list.clone();
        let mut count = 0_usize;
        while !rest.is_empty() {
            let extension = Extension::read(&mut rest)?;
            // Entries have one or two extensions; looking through those before costs nothing.
            let mut before = list.clone();
            for _ in 0..count {
                if Extension::read(&mut before)?.oid == extension.oid {
                    return Err(der::Error::InvalidValue { what: WHAT });
                }
            }
            count = count.saturating_add(1);
            if count > MAX_EXTENSIONS {
                return Err(der::Error::TooMany { what: WHAT, limit: MAX_EXTENSIONS });
            }
            self.take(&extension)?;
        }
        Ok(())
    }

    fn take(&mut self, extension: &Extension<'a>) -> Result<(), der::Error> {
        let mut value = Reader::new(extension.value);
        match extension.oid {
            REASON_CODE => self.reason = Some(RevocationReason::read(&mut value, "reasonCode")?),
            INVALIDITY_DATE => self.invalidity_date = Some(value.generalized_time("invalidityDate")?),
            HOLD_INSTRUCTION_CODE => self.hold_instruction = Some(value.oid("holdInstructionCode")?),
            CERTIFICATE_ISSUER => {
                let names = value.expect(Tag::Sequence, "certificateIssuer")?;
                let mut inside = names.inside();
                if inside.is_empty() {
                    return Err(der::Error::Missing { what: "certificateIssuer" });
                }
                while !inside.is_empty() {
                    GeneralName::read(&mut inside)?;
                }
                self.certificate_issuer = Some(names.content());
            }
            other => {
                if extension.critical && self.unknown_critical.is_none() {
                    self.unknown_critical = Some(other);
                }
                return Ok(());
            }
        }
        value.finish("crlEntryExtensions")
    }
}

/// How many extensions one entry may have; four are known.
const MAX_EXTENSIONS: usize = 16;

/// Walks through the entries of a list that was read.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    rest: Reader<'a>,
    issuer: Option<&'a [u8]>,
}

impl<'a> Entries<'a> {
    pub(super) const fn over(content: &'a [u8]) -> Self {
        Self { rest: Reader::new(content), issuer: None }
    }

    /// The next entry, or why it is none; `None` at the end.
    pub(super) fn try_next(&mut self) -> Option<Result<RevokedCertificate<'a>, der::Error>> {
        if self.rest.is_empty() {
            return None;
        }
        let read = RevokedCertificate::read(&mut self.rest, self.issuer);
        if let Ok(entry) = &read {
            self.issuer = entry.certificate_issuer;
        }
        Some(read)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = RevokedCertificate<'a>;

    /// The list was read to its end before, so no entry fails here.
    fn next(&mut self) -> Option<Self::Item> {
        self.try_next()?.ok()
    }
}
