//! What is known of one certificate's revocation, from where, and why not.

use crate::base::clock::Timestamp;
use crate::domain::trust::acceptance::SignatureUsed;
use crate::format::der::ObjectIdentifier;
use crate::format::x509::crl::RevocationReason;

/// Who signed an OCSP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responder {
    /// The issuer of the certificate.
    Issuer,
    /// One whom the issuer authorised by `id-kp-OCSPSigning`; its certificate has `id-pkix-ocsp-nocheck`.
    Delegated,
    /// The same without `id-pkix-ocsp-nocheck`: whether the responder is revoked is a question of its own.
    DelegatedUnchecked,
}

/// What kind of source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A CRL.
    Crl {
        /// Its number, big-endian.
        number: Option<Vec<u8>>,
        /// The number of the delta CRL that was combined with it.
        delta: Option<Vec<u8>>,
    },
    /// An OCSP answer.
    Ocsp {
        /// Who signed it.
        responder: Responder,
    },
}

/// Where the status is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationSource {
    /// What kind.
    pub kind: SourceKind,
    /// `thisUpdate`; the oldest where several CRLs share the reasons.
    pub this_update: Timestamp,
    /// `nextUpdate`; the first to come.
    pub next_update: Option<Timestamp>,
    /// How it was signed, where the registry of algorithms knows. Which algorithms are acceptable is the caller's axis.
    pub signatures: Vec<SignatureUsed>,
}

/// What is known of a certificate's revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevocationStatus {
    /// Not revoked, as far as the source goes.
    Good {
        /// From where this is known.
        source: RevocationSource,
    },
    /// Revoked or suspended. Whether that matters for something done before is for the caller to judge.
    Revoked {
        /// From when on.
        since: Timestamp,
        /// Why.
        reason: RevocationReason,
        /// When the key is thought to have been lost, if the source says so.
        invalidity_date: Option<Timestamp>,
        /// From where this is known.
        source: RevocationSource,
    },
    /// Not known.
    Unknown {
        /// Why not: of all sources, the reason of the one that got farthest.
        why: RevocationUnknown,
    },
}

impl RevocationStatus {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Good { .. } => "not-revoked",
            Self::Revoked { reason: RevocationReason::CertificateHold, .. } => "suspended",
            Self::Revoked { .. } => "revoked",
            Self::Unknown { why } => why.code(),
        }
    }
}

/// Why it is not known whether a certificate is revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationUnknown {
    /// Nothing was given that the policy asks.
    #[error("there is neither a CRL nor an OCSP answer to ask")]
    NoEvidence,
    /// `cRLDistributionPoints` of the certificate is malformed.
    #[error("the certificate's distribution points cannot be read")]
    DistributionPoints,
    /// RFC 5280 6.3.3 (b) (1).
    #[error("no CRL is of the certificate's issuer or of one that it names")]
    OtherIssuer,
    /// RFC 5280 6.3.3 (b) (1): another issuer's CRL must be an indirect one.
    #[error("the CRL speaks of other issuers' certificates, and is not an indirect one")]
    NotIndirect,
    /// RFC 5280 6.3.3 (b) (2).
    #[error("the CRL does not cover the certificate: {field} of its issuingDistributionPoint")]
    OutOfScope {
        /// The field that shuts it out.
        field: &'static str,
    },
    /// Delta CRLs only (RFC 5280 5.2.4).
    #[error("there are changes to a CRL, but not the CRL itself")]
    NoCompleteCrl,
    /// RFC 5280 5.2, 5.3; RFC 6960 4.4.
    #[error("it has a critical extension {oid} that is not known")]
    CriticalExtension {
        /// The extension.
        oid: ObjectIdentifier,
    },
    /// `thisUpdate` or `producedAt` lies ahead.
    #[error("it is not yet in force: it begins at {from}")]
    NotYet {
        /// Its beginning.
        from: Timestamp,
    },
    /// `nextUpdate` is over.
    #[error("it is out of date since {since}")]
    Stale {
        /// Its end.
        since: Timestamp,
    },
    /// It says not how long it holds, and is older than the policy allows for that; or older than it allows at all.
    #[error("it is of {from}, and too old for the policy")]
    TooOld {
        /// Its beginning.
        from: Timestamp,
    },
    /// No certificate of the CRL's issuer is at hand.
    #[error("no certificate of the CRL's issuer is at hand")]
    SignerMissing,
    /// RFC 5280 6.3.3 (f): cRLSign.
    #[error("the key usage of the CRL's issuer does not allow it to sign CRLs")]
    SignerKeyUsage,
    /// RFC 5280 6.3.3 (f): the path.
    #[error("the CRL's issuer has no path to the anchor of the certificate")]
    SignerNotAuthorised,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    SignatureWrong,
    /// The signature's algorithm is not computed.
    #[error("its signature uses an algorithm that is not accepted")]
    SignatureUnsupported,
    /// RFC 5280 6.3.3 (l): some reasons are in CRLs that are not at hand.
    #[error("the CRLs at hand do not cover all reasons for a revocation")]
    ReasonsIncomplete,
    /// Absence says nothing of a certificate that expired before (RFC 5280 3.3, RFC 6960 4.4.4).
    #[error("the certificate expired before; the source need not know it any more")]
    ExpiredBefore,
    /// The responder gave no answer.
    #[error("the OCSP responder refused: {status}")]
    OcspRefused {
        /// `responseStatus`.
        status: &'static str,
    },
    /// RFC 6960 3.2 (1).
    #[error("the OCSP answer is about another certificate")]
    OtherCertificate,
    /// The CertID's digest is none that we compute.
    #[error("the OCSP answer names the certificate by a digest that is not computed")]
    DigestUnknown,
    /// No certificate of that responder is at hand.
    #[error("no certificate of the OCSP responder is at hand")]
    ResponderMissing,
    /// RFC 6960 4.2.2.2.
    #[error("the certificate's issuer did not authorise the OCSP responder")]
    ResponderNotAuthorised,
    /// The responder's certificate is not valid at the moment.
    #[error("the OCSP responder's certificate has expired or is not yet valid")]
    ResponderExpired,
    /// No `id-pkix-ocsp-nocheck`, and the policy wants it.
    #[error("whether the OCSP responder itself is revoked is not known")]
    ResponderUnchecked,
    /// RFC 8954 2.1.
    #[error("the OCSP answer lacks the nonce that was sent")]
    NonceMissing,
    /// RFC 8954 2.1.
    #[error("the OCSP answer has another nonce than the one that was sent")]
    NonceOther,
    /// The responder does not know the certificate.
    #[error("the OCSP responder does not know the certificate")]
    NotKnown,
    /// The budget was used up.
    #[error("too many sources and signatures to look at")]
    GivenUp,
}

impl RevocationUnknown {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoEvidence => "revocation-no-evidence",
            Self::DistributionPoints => "distribution-points-malformed",
            Self::OtherIssuer => "crl-of-another-issuer",
            Self::NotIndirect => "crl-not-indirect",
            Self::OutOfScope { .. } => "crl-out-of-scope",
            Self::NoCompleteCrl => "crl-base-missing",
            Self::CriticalExtension { .. } => "revocation-critical-extension-unknown",
            Self::NotYet { .. } => "revocation-source-not-yet-valid",
            Self::Stale { .. } => "revocation-source-stale",
            Self::TooOld { .. } => "revocation-source-too-old",
            Self::SignerMissing => "crl-issuer-missing",
            Self::SignerKeyUsage => "crl-issuer-key-usage",
            Self::SignerNotAuthorised => "crl-issuer-not-authorised",
            Self::SignatureWrong => "revocation-signature-wrong",
            Self::SignatureUnsupported => "revocation-signature-unsupported",
            Self::ReasonsIncomplete => "crl-reasons-incomplete",
            Self::ExpiredBefore => "revocation-expired-before",
            Self::OcspRefused { .. } => "ocsp-refused",
            Self::OtherCertificate => "ocsp-other-certificate",
            Self::DigestUnknown => "ocsp-digest-unknown",
            Self::ResponderMissing => "ocsp-responder-missing",
            Self::ResponderNotAuthorised => "ocsp-responder-not-authorised",
            Self::ResponderExpired => "ocsp-responder-expired",
            Self::ResponderUnchecked => "ocsp-responder-unchecked",
            Self::NonceMissing => "ocsp-nonce-missing",
            Self::NonceOther => "ocsp-nonce-other",
            Self::NotKnown => "ocsp-certificate-unknown",
            Self::GivenUp => "revocation-given-up",
        }
    }

    /// How far a source got before it was turned down: the farther, the more the reason tells.
    const fn rank(&self) -> u8 {
        match self {
            Self::NoEvidence => 0,
            Self::OtherIssuer | Self::OtherCertificate => 1,
            Self::NoCompleteCrl | Self::OcspRefused { .. } | Self::DigestUnknown => 2,
            Self::NotIndirect | Self::OutOfScope { .. } => 3,
            Self::CriticalExtension { .. } | Self::NonceMissing | Self::NonceOther | Self::NotYet { .. } => 4,
            Self::SignerMissing | Self::ResponderMissing => 5,
            Self::SignerKeyUsage | Self::ResponderNotAuthorised | Self::ResponderExpired => 6,
            Self::SignatureWrong | Self::SignatureUnsupported => 7,
            Self::SignerNotAuthorised | Self::ResponderUnchecked => 8,
            Self::Stale { .. } | Self::TooOld { .. } | Self::ExpiredBefore | Self::NotKnown => 9,
            Self::ReasonsIncomplete => 10,
            Self::DistributionPoints | Self::GivenUp => 11,
        }
    }

    /// The one of both that tells more; the first where both tell as much.
    pub(in crate::domain::trust::revocation) fn or(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}
