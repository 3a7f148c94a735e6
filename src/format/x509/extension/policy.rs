//! Extensions about certificate policies (RFC 5280 4.2.1.4, 4.2.1.5, 4.2.1.11, 4.2.1.14).

use crate::format::der::{self, ObjectIdentifier, Reader, Writer};
use crate::format::x509::extension::{context, elements, list, sequence, small, small_content, write_sequence};

/// `anyPolicy`.
pub const ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");

/// `PolicyInformation` (RFC 5280 4.2.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyInformation<'a> {
    /// `policyIdentifier`.
    pub policy: ObjectIdentifier,
    /// The content octets of `policyQualifiers`: PolicyQualifierInfo one after the other; empty where absent.
    pub qualifiers: &'a [u8],
}

impl<'a> PolicyInformation<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, der::Error> {
        const WHAT: &str = "PolicyInformation";
        let mut inner = reader.sequence(WHAT)?;
        let policy = inner.oid(WHAT)?;
        let qualifiers = if inner.is_empty() {
            &[]
        } else {
            let found = inner.expect(der::Tag::Sequence, WHAT)?;
            elements(found.inside(), WHAT, |reader| {
                let mut qualifier = reader.sequence(WHAT)?;
                qualifier.oid(WHAT)?;
                qualifier.value(WHAT)?;
                qualifier.finish(WHAT)
            })?;
            found.content()
        };
        inner.finish(WHAT)?;
        Ok(Self { policy, qualifiers })
    }
}

/// `CertificatePolicies` (RFC 5280 4.2.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificatePolicies<'a>(pub Vec<PolicyInformation<'a>>);

impl<'a> CertificatePolicies<'a> {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a list of at least one policy; a policy that is named twice.
    pub fn parse(value: &'a [u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "certificatePolicies";
        let policies = list(value, WHAT, PolicyInformation::read)?;
        let mut named: Vec<_> = policies.iter().map(|found| found.policy).collect();
        named.sort_unstable();
        if named.windows(2).any(|pair| matches!(pair, [left, right] if left == right)) {
            return Err(der::Error::InvalidValue { what: WHAT });
        }
        Ok(Self(policies))
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|policies| {
            for found in &self.0 {
                policies.sequence(|inner| {
                    inner.oid(found.policy);
                    if !found.qualifiers.is_empty() {
                        inner.raw(&Writer::sequence_of(found.qualifiers));
                    }
                });
            }
        })
    }
}

/// `PolicyMappings` (RFC 5280 4.2.1.5): pairs of issuerDomainPolicy and subjectDomainPolicy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyMappings(pub Vec<(ObjectIdentifier, ObjectIdentifier)>);

impl PolicyMappings {
    /// Reads the content of the extension. That neither side is anyPolicy is for path validation (RFC 5280 6.1.4 a).
    ///
    /// # Errors
    /// Not a list of at least one pair.
    pub fn parse(value: &[u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "policyMappings";
        let pair = |reader: &mut Reader<'_>| {
            let mut inner = reader.sequence(WHAT)?;
            let pair = (inner.oid(WHAT)?, inner.oid(WHAT)?);
            inner.finish(WHAT)?;
            Ok(pair)
        };
        list(value, WHAT, pair).map(Self)
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|mappings| {
            for (issuer, subject) in &self.0 {
                mappings.sequence(|pair| {
                    pair.oid(*issuer).oid(*subject);
                });
            }
        })
    }
}

/// `PolicyConstraints` (RFC 5280 4.2.1.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyConstraints {
    /// `requireExplicitPolicy`.
    pub require_explicit_policy: Option<u32>,
    /// `inhibitPolicyMapping`.
    pub inhibit_policy_mapping: Option<u32>,
}

impl PolicyConstraints {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not this structure; neither constraint given.
    pub fn parse(value: &[u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "policyConstraints";
        let mut inner = sequence(value, WHAT)?;
        let mut skip = |number| {
            inner.optional(context(number, false), WHAT)?.map(|found| small(found.content(), WHAT)).transpose()
        };
        let (require_explicit_policy, inhibit_policy_mapping) = (skip(0)?, skip(1)?);
        inner.finish(WHAT)?;
        if require_explicit_policy.is_none() && inhibit_policy_mapping.is_none() {
            return Err(der::Error::Missing { what: WHAT });
        }
        Ok(Self { require_explicit_policy, inhibit_policy_mapping })
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        write_sequence(|inner| {
            for (number, skip) in [(0, self.require_explicit_policy), (1, self.inhibit_policy_mapping)] {
                if let Some(certificates) = skip {
                    inner.context_primitive(number, &small_content(certificates));
                }
            }
        })
    }
}

/// `InhibitAnyPolicy` (RFC 5280 4.2.1.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InhibitAnyPolicy(pub u32);

impl InhibitAnyPolicy {
    /// Reads the content of the extension.
    ///
    /// # Errors
    /// Not a number of certificates.
    pub fn parse(value: &[u8]) -> Result<Self, der::Error> {
        const WHAT: &str = "inhibitAnyPolicy";
        let mut reader = Reader::new(value);
        let skip = reader.small(WHAT)?;
        reader.finish(WHAT)?;
        Ok(Self(skip))
    }

    /// The content of the extension.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.small(self.0);
        writer.into_bytes()
    }
}
