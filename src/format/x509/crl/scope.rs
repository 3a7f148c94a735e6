//! `issuingDistributionPoint` (RFC 5280 5.2.5): which certificates and reasons a CRL speaks of.

use crate::format::der::{self, Reader, Tag, Writer};
use crate::format::x509::extension::{DistributionPointName, ReasonFlags};

/// `IssuingDistributionPoint`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IssuingDistributionPoint<'a> {
    /// `distributionPoint`.
    pub name: Option<DistributionPointName<'a>>,
    /// `onlyContainsUserCerts`.
    pub only_user_certificates: bool,
    /// `onlyContainsCACerts`.
    pub only_authority_certificates: bool,
    /// `onlySomeReasons`.
    pub only_some_reasons: Option<ReasonFlags>,
    /// `indirectCRL`.
    pub indirect: bool,
    /// `onlyContainsAttributeCerts`.
    pub only_attribute_certificates: bool,
}

const WHAT: &str = "issuingDistributionPoint";

const fn tag(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number: ::der::TagNumber(number) }
}

/// An implicitly tagged BOOLEAN DEFAULT FALSE. A written-out FALSE is accepted, as for `critical`.
fn flag(reader: &mut Reader<'_>, number: u32) -> Result<bool, der::Error> {
    match reader.optional(tag(number, false), WHAT)?.map(|value| value.content()) {
        None | Some([0]) => Ok(false),
        Some([0xff]) => Ok(true),
        Some(_) => Err(der::Error::InvalidValue { what: WHAT }),
    }
}

impl<'a> IssuingDistributionPoint<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not this structure; an empty one, or more than one of the three kinds of certificates (RFC 5280 5.2.5).
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        let mut outer = Reader::new(value);
        let mut inner = outer.sequence(WHAT)?;
        outer.finish(WHAT)?;
        if inner.is_empty() {
            return Err(der::Error::Missing { what: WHAT });
        }
        let name = inner.optional(tag(0, true), WHAT)?;
        let name = name.map(|explicit| DistributionPointName::read(&explicit, WHAT)).transpose()?;
        let (only_user_certificates, only_authority_certificates) = (flag(&mut inner, 1)?, flag(&mut inner, 2)?);
        let reasons = inner.optional(tag(3, false), WHAT)?;
        let only_some_reasons = reasons.map(|found| ReasonFlags::from_content(found.content(), WHAT)).transpose()?;
        let (indirect, only_attribute_certificates) = (flag(&mut inner, 4)?, flag(&mut inner, 5)?);
        inner.finish(WHAT)?;
        let kinds = [only_user_certificates, only_authority_certificates, only_attribute_certificates];
        if kinds.into_iter().filter(|only| *only).count() > 1 {
            return Err(der::Error::InvalidValue { what: WHAT });
        }
        Ok(Self {
            name,
            only_user_certificates,
            only_authority_certificates,
            only_some_reasons,
            indirect,
            only_attribute_certificates,
        })
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|inner| {
            if let Some(name) = &self.name {
                inner.context(0, |explicit| name.write(explicit));
            }
            let flag = |inner: &mut Writer, number, set| {
                if set {
                    inner.context_primitive(number, &[0xff]);
                }
            };
            flag(inner, 1, self.only_user_certificates);
            flag(inner, 2, self.only_authority_certificates);
            if let Some(reasons) = self.only_some_reasons {
                inner.context_primitive(3, &reasons.to_content());
            }
            flag(inner, 4, self.indirect);
            flag(inner, 5, self.only_attribute_certificates);
        });
        writer.into_bytes()
    }
}
