//! What can be wrong, in the order in which it decides (product contract 2, after ETSI EN 319 102-1).

use serde::Serialize;

/// The verdict on a signature or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Indication {
    /// Every rule holds.
    TotalPassed,
    /// No signature in the file.
    NoSignatureFound,
    /// Not enough is known.
    Indeterminate,
    /// A rule is broken for good.
    TotalFailed,
    /// The file could not be judged.
    Refused,
}

impl Indication {
    /// As reports write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TotalPassed => "TOTAL_PASSED",
            Self::NoSignatureFound => "NO_SIGNATURE_FOUND",
            Self::Indeterminate => "INDETERMINATE",
            Self::TotalFailed => "TOTAL_FAILED",
            Self::Refused => "REFUSED",
        }
    }
}

/// A row of the verdict table. The order is the order of precedence: failures first, each group as in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// dataHash or a Reference is wrong, or a referenced part is missing.
    Hash,
    /// The value of the signature, or of the seal inside it, is wrong.
    SignatureValue,
    /// Structure or binding broken: signer not listed, seal file differs, another path named, coverage foreign.
    Format,
    /// Claimed time after the validity of signer or seal.
    Expired,
    /// Claimed time before the validity of signer or seal.
    NotYetValid,
    /// Revoked before the claimed time.
    Revoked,
    /// A deviation whose tolerance is off.
    ToleranceOff,
    /// The maker's certificate had ended at the seal's createDate.
    MakerExpired,
    /// The maker's certificate had not begun at the seal's createDate.
    MakerNotYetValid,
    /// An algorithm or key size that is not accepted.
    Algorithm,
    /// The document that was signed is not at hand.
    SignedDataMissing,
    /// Whose key it was cannot be told: no certificate is named, or none is at hand.
    NoSigningCertificate,
    /// An algorithm that is not accepted any more, and was at the claimed time, which nothing proves.
    AlgorithmEnded,
    /// No path to an anchor.
    NoPath,
    /// A key usage that does not allow signing.
    KeyUsage,
    /// Certificate ended by now, no proof of the time of signing.
    OutOfBounds,
    /// Signer or maker revoked after the claimed time, or at a time that says nothing about it; no proof of existence.
    RevokedNoProof,
    /// An authority above them revoked, and no proof of existence from before.
    AuthorityRevokedNoProof,
    /// Suspended: what comes of it is not known yet.
    Suspended,
    /// Revocation unknown although it can be asked, or the policy demands it.
    RevocationUnknown,
    /// A shown part that no signature protects.
    CoveragePartial,
    /// Claimed time later than now.
    FutureTime,
    /// Times that contradict each other: claimed after the moment that a time stamp proves.
    TimeOrder,
    /// A time stamp that is there and is wrong, or is missing where the policy demands it.
    TimeStamp,
    /// An unprotected part or an unlisted signature, where the policy refuses them.
    ExtraPart,
    /// A seal, or its use, that no log of the known keys is proven to hold, where the policy refuses that.
    Unlogged,
    /// A kind of signature that this version does not judge.
    UnsupportedKind,
}

impl Case {
    /// All of them, in this order.
    pub const ALL: [Self; 27] = [
        Self::Hash,
        Self::SignatureValue,
        Self::Format,
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::ToleranceOff,
        Self::MakerExpired,
        Self::MakerNotYetValid,
        Self::Algorithm,
        Self::SignedDataMissing,
        Self::NoSigningCertificate,
        Self::AlgorithmEnded,
        Self::NoPath,
        Self::KeyUsage,
        Self::OutOfBounds,
        Self::RevokedNoProof,
        Self::AuthorityRevokedNoProof,
        Self::Suspended,
        Self::RevocationUnknown,
        Self::CoveragePartial,
        Self::FutureTime,
        Self::TimeOrder,
        Self::TimeStamp,
        Self::ExtraPart,
        Self::Unlogged,
        Self::UnsupportedKind,
    ];

    /// The verdict that this case alone would give.
    #[must_use]
    pub const fn indication(self) -> Indication {
        match self {
            Self::Hash
            | Self::SignatureValue
            | Self::Format
            | Self::Expired
            | Self::NotYetValid
            | Self::Revoked
            | Self::ToleranceOff
            | Self::MakerExpired
            | Self::MakerNotYetValid => Indication::TotalFailed,
            Self::Algorithm
            | Self::SignedDataMissing
            | Self::NoSigningCertificate
            | Self::AlgorithmEnded
            | Self::NoPath
            | Self::KeyUsage
            | Self::OutOfBounds
            | Self::RevokedNoProof
            | Self::AuthorityRevokedNoProof
            | Self::Suspended
            | Self::RevocationUnknown
            | Self::CoveragePartial
            | Self::FutureTime
            | Self::TimeOrder
            | Self::TimeStamp
            | Self::ExtraPart
            | Self::Unlogged
            | Self::UnsupportedKind => Indication::Indeterminate,
        }
    }

    /// Its sub-indication (EN 319 102-1 5.1.3), where there is one.
    #[must_use]
    pub const fn sub_indication(self) -> Option<&'static str> {
        match self {
            Self::Hash => Some("HASH_FAILURE"),
            Self::SignatureValue => Some("SIG_CRYPTO_FAILURE"),
            Self::Format | Self::ToleranceOff => Some("FORMAT_FAILURE"),
            Self::Expired | Self::MakerExpired => Some("EXPIRED"),
            Self::NotYetValid | Self::MakerNotYetValid => Some("NOT_YET_VALID"),
            Self::Revoked => Some("REVOKED"),
            Self::Algorithm => Some("CRYPTO_CONSTRAINTS_FAILURE"),
            Self::SignedDataMissing => Some("SIGNED_DATA_NOT_FOUND"),
            Self::NoSigningCertificate => Some("NO_SIGNING_CERTIFICATE_FOUND"),
            Self::AlgorithmEnded => Some("CRYPTO_CONSTRAINTS_FAILURE_NO_POE"),
            Self::NoPath => Some("NO_CERTIFICATE_CHAIN_FOUND"),
            Self::KeyUsage => Some("CHAIN_CONSTRAINTS_FAILURE"),
            Self::OutOfBounds => Some("OUT_OF_BOUNDS_NO_POE"),
            Self::RevokedNoProof => Some("REVOKED_NO_POE"),
            Self::AuthorityRevokedNoProof => Some("REVOKED_CA_NO_POE"),
            Self::Suspended | Self::RevocationUnknown => Some("TRY_LATER"),
            Self::TimeOrder => Some("TIMESTAMP_ORDER_FAILURE"),
            Self::FutureTime | Self::TimeStamp | Self::CoveragePartial | Self::ExtraPart | Self::Unlogged => {
                Some("SIG_CONSTRAINTS_FAILURE")
            }
            Self::UnsupportedKind => None,
        }
    }
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which row of the table.
    pub case: Case,
    /// Our own stable code.
    pub code: String,
    /// For people.
    pub detail: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(case: Case, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { case, code: code.into(), detail: detail.into() }
    }
}

/// The finding that decides: a failure before anything indeterminate, then the order of [`Case`], then the first found.
#[must_use]
pub fn deciding(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().min_by_key(|finding| finding.case)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_outrank_and_the_first_of_equals_wins() {
        let finding = |case, code: &str| Finding::new(case, code, "");
        let all = [finding(Case::NoPath, "a"), finding(Case::Expired, "b"), finding(Case::Expired, "c")];
        assert_eq!(deciding(&all).unwrap().code, "b");
        assert_eq!(deciding(&[]), None);
    }
}
