//! Why there is no path, naming the certificate that is to blame.

use std::fmt;

use crate::base::clock::Timestamp;
use crate::crypto::digest::{hex, sm3};
use crate::domain::trust::budget::Exhausted;
use crate::domain::trust::name_constraints::NameRefusal;
use crate::domain::trust::policy_graph::PolicyRefusal;
use crate::domain::trust::revocation::RevocationUnknown;
use crate::format::der::ObjectIdentifier;
use crate::format::x509::Certificate;
use crate::format::x509::crl::RevocationReason;

/// A certificate as reports name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCertificate {
    /// Its subject.
    pub subject: String,
    /// SM3 of its DER, hexadecimal.
    pub sm3: String,
}

impl NamedCertificate {
    pub(in crate::domain::trust) fn of(certificate: &Certificate<'_>) -> Box<Self> {
        Box::new(Self { subject: certificate.subject.display(), sm3: hex(&sm3(certificate.raw)) })
    }
}

impl fmt::Display for NamedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SM3 {})", self.subject, self.sm3)
    }
}

/// Why there is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFailure {
    /// No anchor was given at all.
    #[error("no trust anchor was given; the certificate names its issuer as {issuer}")]
    NoAnchors {
        /// The issuer that is missing.
        issuer: String,
    },
    /// Nobody's certificate for this issuer is at hand.
    #[error("no certificate of the issuer {issuer} is at hand, who issued {certificate}")]
    IssuerMissing {
        /// The issuer that is missing.
        issuer: String,
        /// Whose issuer it is.
        certificate: Box<NamedCertificate>,
    },
    /// A certificate that a path would need was turned down.
    #[error("the certificate {certificate} cannot be used: {reason}")]
    Refused {
        /// The certificate.
        certificate: Box<NamedCertificate>,
        /// Why.
        reason: Refusal,
    },
    /// The budget or the allowed length was used up.
    #[error("the search for a path was given up: {spent}")]
    GivenUp {
        /// What was used up.
        spent: Exhausted,
    },
}

impl PathFailure {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoAnchors { .. } => "no-trust-anchor",
            Self::IssuerMissing { .. } => "issuer-missing",
            Self::Refused { reason, .. } => reason.code(),
            Self::GivenUp { .. } => "path-search-given-up",
        }
    }
}

impl From<Exhausted> for PathFailure {
    fn from(spent: Exhausted) -> Self {
        Self::GivenUp { spent }
    }
}

/// Why a certificate cannot stand where a path would need it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// RFC 5280 6.1.3 (a)(2).
    #[error("it is not valid before {from}, and the time in question is earlier")]
    NotYetValid {
        /// `notBefore`.
        from: Timestamp,
    },
    /// RFC 5280 6.1.3 (a)(2).
    #[error("it was valid until {until}, and the time in question is later")]
    Expired {
        /// `notAfter`.
        until: Timestamp,
    },
    /// RFC 5280 6.1.4 (k).
    #[error("it has no basicConstraints")]
    NoBasicConstraints,
    /// RFC 5280 6.1.4 (k).
    #[error("it is not an authority")]
    NotAnAuthority,
    /// RFC 5280 6.1.4 (n).
    #[error("its key usage does not allow it to sign certificates")]
    MayNotSignCertificates,
    /// RFC 5280 4.2.1.3: the caller asks for a use of the key.
    #[error("its key usage does not allow what is asked of its key")]
    KeyUsage,
    /// RFC 5280 6.1.4 (l) and (m).
    #[error("its path length of {allowed} is exceeded")]
    PathLength {
        /// `pathLenConstraint`.
        allowed: u32,
    },
    /// More authorities than the caller allows.
    #[error("more than {allowed} authorities would stand between the end and the anchor")]
    TooManyAuthorities {
        /// How many are allowed.
        allowed: usize,
    },
    /// RFC 5280 6.1.4 (o), 6.1.5 (e).
    #[error("it has a critical extension that is not known, {oid}")]
    UnknownCriticalExtension {
        /// `extnID`.
        oid: ObjectIdentifier,
    },
    /// An extension that must be processed cannot be read.
    #[error("its extension {name} is malformed")]
    MalformedExtension {
        /// The extension, in the standard's words.
        name: &'static str,
    },
    /// RFC 5280 6.1.3 (a)(1).
    #[error("the issuer's signature on it is wrong")]
    SignatureWrong,
    /// The signature uses an algorithm, a curve or a key that is not computed.
    #[error("the issuer's signature on it uses an algorithm that is not accepted")]
    SignatureUnsupported,
    /// GB/T 32918.2 5.5: the anchor does not allow the signer ID that the signature was made with.
    #[error("the issuer's signature on it was made with another signer ID than the anchor allows")]
    SignerId,
    /// It is an anchor, and its trust list does not trust it for that.
    #[error("its trust list does not trust it for {wanted}")]
    AnchorUse {
        /// What for.
        wanted: &'static str,
    },
    /// It is an anchor, and its trust list trusts it for other regions than the end's.
    #[error(
        "its trust list trusts it for {regions} alone, and the end certificate does not name one of them as its place"
    )]
    AnchorRegion {
        /// Their codes.
        regions: String,
    },
    /// It is an anchor, and its trust list trusts it later.
    #[error("its trust list trusts it from {from} on, and the time in question is earlier")]
    AnchorNotYetTrusted {
        /// From when on.
        from: Timestamp,
    },
    /// It is an anchor, and its trust list trusts it no more.
    #[error("its trust list trusts it until {until}, and the time in question is later")]
    AnchorTrustEnded {
        /// Until when.
        until: Timestamp,
    },
    /// RFC 5280 4.2.1.12.
    #[error("it is not for the purpose {purpose}")]
    Purpose {
        /// The purpose that is asked for.
        purpose: ObjectIdentifier,
    },
    /// RFC 5280 6.1.3 (b).
    #[error("its name {name} is outside of what an authority above may name")]
    NameNotPermitted {
        /// The name.
        name: String,
    },
    /// RFC 5280 6.1.3 (c).
    #[error("its name {name} is excluded by an authority above")]
    NameExcluded {
        /// The name.
        name: String,
    },
    /// RFC 5280 4.2.1.10: a name of a constrained kind that cannot be compared.
    #[error("its name {name} is constrained by an authority above, and cannot be compared")]
    NameIncomparable {
        /// The name.
        name: String,
    },
    /// RFC 5280 6.1.3 (f), 6.1.5 (g).
    #[error("a certificate policy is required, and no acceptable one is left with it")]
    NoPolicy,
    /// RFC 5280 6.1.4 (a).
    #[error("it maps anyPolicy")]
    AnyPolicyMapped,
    /// It breaks a rule for issuers that the caller's policy enforces.
    #[error("it is not as its standard demands: {rule}")]
    Nonconforming {
        /// The rule, with its clause.
        rule: &'static str,
    },
    /// It is revoked or on hold.
    #[error("it was revoked at {since} ({})", reason.name())]
    Revoked {
        /// From when on.
        since: Timestamp,
        /// Why.
        reason: RevocationReason,
    },
    /// Nothing acceptable says whether it is revoked, and the caller's policy asks for that.
    #[error("whether it is revoked is not known: {why}")]
    RevocationUnknown {
        /// What was missing.
        why: RevocationUnknown,
    },
}

impl Refusal {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotYetValid { .. } => "certificate-not-yet-valid",
            Self::Expired { .. } => "certificate-expired",
            Self::NoBasicConstraints => "issuer-without-basic-constraints",
            Self::NotAnAuthority => "issuer-not-an-authority",
            Self::MayNotSignCertificates => "issuer-key-usage",
            Self::KeyUsage => "certificate-key-usage",
            Self::PathLength { .. } => "path-length-exceeded",
            Self::TooManyAuthorities { .. } => "too-many-authorities",
            Self::UnknownCriticalExtension { .. } => "critical-extension-unknown",
            Self::MalformedExtension { .. } => "certificate-extension-malformed",
            Self::SignatureWrong => "certificate-signature-wrong",
            Self::SignatureUnsupported => "certificate-signature-unsupported",
            Self::SignerId => "signer-id-not-allowed",
            Self::AnchorUse { .. } => "anchor-not-for-this-use",
            Self::AnchorRegion { .. } => "anchor-not-for-this-region",
            Self::AnchorNotYetTrusted { .. } => "anchor-not-yet-trusted",
            Self::AnchorTrustEnded { .. } => "anchor-trust-ended",
            Self::Purpose { .. } => "certificate-purpose",
            Self::NameNotPermitted { .. } => "name-not-permitted",
            Self::NameExcluded { .. } => "name-excluded",
            Self::NameIncomparable { .. } => "name-incomparable",
            Self::NoPolicy => "no-acceptable-policy",
            Self::AnyPolicyMapped => "any-policy-mapped",
            Self::Nonconforming { .. } => "certificate-nonconforming",
            Self::Revoked { .. } => "certificate-revoked",
            Self::RevocationUnknown { .. } => "certificate-revocation-unknown",
        }
    }

    /// How much it tells among candidates that got equally far: a wrong signature only says that another authority of
    /// the same name was meant.
    pub(in crate::domain::trust::path) const fn weight(&self) -> u8 {
        match self {
            Self::SignatureWrong => 1,
            Self::SignatureUnsupported => 2,
            _ => 3,
        }
    }

    /// The budget's end, or the refusal.
    pub(in crate::domain::trust::path) fn of_name(refusal: NameRefusal) -> Result<Self, Exhausted> {
        Ok(match refusal {
            NameRefusal::NotPermitted(name) => Self::NameNotPermitted { name },
            NameRefusal::Excluded(name) => Self::NameExcluded { name },
            NameRefusal::Incomparable(name) => Self::NameIncomparable { name },
            NameRefusal::Malformed => Self::MalformedExtension { name: "subjectAltName" },
            NameRefusal::Exhausted(spent) => return Err(spent),
        })
    }
}

impl From<PolicyRefusal> for Refusal {
    fn from(refusal: PolicyRefusal) -> Self {
        match refusal {
            PolicyRefusal::NoneLeft => Self::NoPolicy,
            PolicyRefusal::AnyMapped => Self::AnyPolicyMapped,
        }
    }
}
