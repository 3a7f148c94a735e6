//! Where a certificate's revocation is told by CRLs: cRLDistributionPoints, freshestCRL (RFC 5280 4.2.1.13, 4.2.1.15).

use crate::format::der::{self, Reader, Value, Writer};
use crate::format::x509::extension::{context, list, write_sequence};
use crate::format::x509::general_name::GeneralName;
use crate::format::x509::name::{Name, NameBuf};

/// `ReasonFlags` (RFC 5280 4.2.1.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonFlags(pub u16);

impl ReasonFlags {
    /// `keyCompromise`.
    pub const KEY_COMPROMISE: u16 = 1 << 1;
    /// `cACompromise`.
    pub const CA_COMPROMISE: u16 = 1 << 2;
    /// `affiliationChanged`.
    pub const AFFILIATION_CHANGED: u16 = 1 << 3;
    /// `superseded`.
    pub const SUPERSEDED: u16 = 1 << 4;
    /// `cessationOfOperation`.
    pub const CESSATION_OF_OPERATION: u16 = 1 << 5;
    /// `certificateHold`.
    pub const CERTIFICATE_HOLD: u16 = 1 << 6;
    /// `privilegeWithdrawn`.
    pub const PRIVILEGE_WITHDRAWN: u16 = 1 << 7;
    /// `aACompromise`.
    pub const AA_COMPROMISE: u16 = 1 << 8;
    /// Every reason there is; bit 0 is unused.
    pub const ALL: u16 = 0x1fe;

    /// Reads the content octets of the BIT STRING, as they stand under an implicit tag.
    ///
    /// # Errors
    /// Not a named bit list of nine bits.
    pub fn from_content(content: &[u8], what: &'static str) -> Result<Self, der::Error> {
        let mut universal = Writer::new();
        universal.bit_string(content.get(1..).unwrap_or(&[]));
        let mut bytes = universal.into_bytes();
        // The octet that counts unused bits stands behind tag and length: a list that can be right has at most two more.
        match (content.first(), bytes.get_mut(2)) {
            (Some(unused), Some(place)) if content.len() <= 3 => *place = *unused,
            _ => return Err(der::Error::InvalidValue { what }),
        }
        match Reader::new(&bytes).named_bits(what)? {
            bits if bits <= 0x1ff => Ok(Self(bits)),
            _ => Err(der::Error::InvalidValue { what }),
        }
    }

    /// The content octets of the BIT STRING.
    #[must_use]
    pub fn to_content(self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.named_bits(self.0);
        // Tag and length are one octet each: the content has at most three.
        writer.into_bytes().split_off(2)
    }
}

/// `DistributionPointName` (RFC 5280 4.2.1.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DistributionPointName<'a> {
    /// `fullName`.
    FullName(Vec<GeneralName<'a>>),
    /// `nameRelativeToCRLIssuer`: the content octets of the SET.
    RelativeToIssuer(&'a [u8]),
}

impl<'a> DistributionPointName<'a> {
    /// Reads it out of the tag `[0]` around it: a CHOICE under a tag is explicit (X.680 31.2.7).
    ///
    /// # Errors
    /// Not this structure.
    pub fn read(explicit: &Value<'a>, what: &'static str) -> Result<Self, der::Error> {
        let mut reader = explicit.inside();
        let value = reader.value(what)?;
        reader.finish(what)?;
        if value.tag() == context(0, true) {
            return GeneralName::read_many(&mut value.inside(), what).map(Self::FullName);
        }
        if value.tag() != context(1, true) {
            return Err(der::Error::InvalidValue { what });
        }
        // The same rules as for a part of a name.
        let nothing = [0x30, 0];
        NameBuf::below(&Name::parse(&nothing, what)?, value.content())?;
        Ok(Self::RelativeToIssuer(value.content()))
    }

    /// Writes it, with its own tag; the caller writes the one around it.
    pub fn write(&self, writer: &mut Writer) {
        match self {
            Self::FullName(names) => writer.context(0, |list| names.iter().for_each(|name| name.write(list))),
            Self::RelativeToIssuer(part) => writer.context(1, |set| {
                set.raw(part);
            }),
        };
    }
}

/// `DistributionPoint` (RFC 5280 4.2.1.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionPoint<'a> {
    /// `distributionPoint`.
    pub name: Option<DistributionPointName<'a>>,
    /// `reasons`.
    pub reasons: Option<ReasonFlags>,
    /// `cRLIssuer`; empty where absent.
    pub crl_issuer: Vec<GeneralName<'a>>,
}

impl<'a> DistributionPoint<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "DistributionPoint";
        let mut inner = reader.sequence(WHAT)?;
        let name = inner.optional(context(0, true), WHAT)?;
        let name = name.map(|explicit| DistributionPointName::read(&explicit, WHAT)).transpose()?;
        let reasons = inner.optional(context(1, false), WHAT)?;
        let reasons = reasons.map(|found| ReasonFlags::from_content(found.content(), WHAT)).transpose()?;
        let crl_issuer = match inner.optional(context(2, true), WHAT)? {
            Some(names) => GeneralName::read_many(&mut names.inside(), WHAT)?,
            None => Vec::new(),
        };
        inner.finish(WHAT)?;
        // RFC 5280 4.2.1.13: reasons alone say nothing.
        if name.is_none() && crl_issuer.is_empty() {
            return Err(der::Error::Missing { what: WHAT });
        }
        Ok(Self { name, reasons, crl_issuer })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|inner| {
            if let Some(name) = &self.name {
                inner.context(0, |explicit| name.write(explicit));
            }
            if let Some(reasons) = self.reasons {
                inner.context_primitive(1, &reasons.to_content());
            }
            if !self.crl_issuer.is_empty() {
                inner.context(2, |names| self.crl_issuer.iter().for_each(|name| name.write(names)));
            }
        });
    }
}

/// `CRLDistributionPoints` (RFC 5280 4.2.1.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlDistributionPoints<'a>(pub Vec<DistributionPoint<'a>>);

/// `FreshestCRL` (RFC 5280 4.2.1.15): where delta CRLs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshestCrl<'a>(pub Vec<DistributionPoint<'a>>);

impl<'a> CrlDistributionPoints<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a list of at least one distribution point.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        list(value, "cRLDistributionPoints", DistributionPoint::read).map(Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|points| self.0.iter().for_each(|point| point.write(points)))
    }
}

impl<'a> FreshestCrl<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a list of at least one distribution point.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        list(value, "freshestCRL", DistributionPoint::read).map(Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|points| self.0.iter().for_each(|point| point.write(points)))
    }
}
