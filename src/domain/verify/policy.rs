//! What a verifier tolerates and demands: a policy, and the closed list of tolerances that policies switch.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::trust::AlgorithmPolicy;
use crate::format::ses::Deviation;

/// A way of genuine files to depart from the standard. A tolerance never changes which bytes are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tolerance {
    /// An extension's `critical FALSE` is written out (X.690 11.5).
    ExplicitDefaultFalse,
    /// A critical extension that we do not know.
    CriticalUnknownExtension,
    /// An SM2 value is r‖s instead of DER (GM/T 0009).
    RawRs,
    /// The maker's certificate starts up to 30 days after the seal's createDate.
    MakerCertificateLate,
    /// CheckMethod names HMAC-SM3 where SM3 is meant.
    Sm3HmacOid,
    /// UTCTime in the dates of a version 4 seal.
    SealTimesUtcTime,
    /// The time stamp lacks its `[0]` tag.
    TimeStampUntagged,
    /// dataHash uses another digest than the signature algorithm's.
    DataHashNotOfSignatureAlgorithm,
    /// SignatureDateTime ends in `Z` and is local time.
    LocalTimeMarkedZ,
    /// GB/T 35275 content that is the digest of Signature.xml in Base64 instead of its octets.
    Gbt35275Base64Content,
    /// timeInfo of version 1 is an OCTET STRING.
    TimeInfoOctetString,
    /// The dates of a seal of version 1 are GeneralizedTime.
    SealTimesGeneralizedTime,
    /// A seal of version 4 in a signature of the shape of version 1.
    HybridLayout,
    /// dataHash is SM3 with the signer's Z (GB/T 32918.2 5.5) before the original.
    DataHashWithZ,
    /// A time stamp is a whole TimeStampResp, not the token in it.
    TimeStampResponse,
}

impl Tolerance {
    /// All of them, in the order of their numbers in the policy files.
    pub const ALL: [Self; 15] = [
        Self::ExplicitDefaultFalse,
        Self::CriticalUnknownExtension,
        Self::RawRs,
        Self::MakerCertificateLate,
        Self::Sm3HmacOid,
        Self::SealTimesUtcTime,
        Self::TimeStampUntagged,
        Self::DataHashNotOfSignatureAlgorithm,
        Self::LocalTimeMarkedZ,
        Self::Gbt35275Base64Content,
        Self::TimeInfoOctetString,
        Self::SealTimesGeneralizedTime,
        Self::HybridLayout,
        Self::DataHashWithZ,
        Self::TimeStampResponse,
    ];

    /// Its name in policy files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExplicitDefaultFalse => "explicit-default-false",
            Self::CriticalUnknownExtension => "critical-unknown-extension",
            Self::RawRs => "raw-rs",
            Self::MakerCertificateLate => "maker-certificate-late",
            Self::Sm3HmacOid => "sm3-hmac-oid",
            Self::SealTimesUtcTime => "seal-times-utctime",
            Self::TimeStampUntagged => "time-stamp-untagged",
            Self::DataHashNotOfSignatureAlgorithm => "datahash-not-of-signature-algorithm",
            Self::LocalTimeMarkedZ => "local-time-marked-z",
            Self::Gbt35275Base64Content => "gbt35275-base64-content",
            Self::TimeInfoOctetString => "timeinfo-octet-string",
            Self::SealTimesGeneralizedTime => "v1-seal-times-generalizedtime",
            Self::HybridLayout => "hybrid-layout",
            Self::DataHashWithZ => "datahash-with-z",
            Self::TimeStampResponse => "time-stamp-response",
        }
    }

    /// The tolerance of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tolerance| tolerance.name() == name)
    }
}

impl From<Deviation> for Tolerance {
    fn from(deviation: Deviation) -> Self {
        match deviation {
            Deviation::ExplicitDefaultFalse => Self::ExplicitDefaultFalse,
            Deviation::CriticalUnknownExtension => Self::CriticalUnknownExtension,
            Deviation::SealTimesUtcTime => Self::SealTimesUtcTime,
            Deviation::UntaggedTimeStamp => Self::TimeStampUntagged,
            Deviation::SealTimesGeneralizedTime => Self::SealTimesGeneralizedTime,
            Deviation::TimeInfoOctetString => Self::TimeInfoOctetString,
            Deviation::HybridLayout => Self::HybridLayout,
        }
    }
}

/// What unknown revocation means where no source of revocation is named anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownRevocation {
    /// A warning.
    Warn,
    /// INDETERMINATE / TRY_LATER.
    Refuse,
}

/// What parts that nothing protects and nothing shows mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraParts {
    /// A warning.
    Warn,
    /// INDETERMINATE.
    Refuse,
}

/// Whether evidence counts that is no longer in force, for signatures of which a time stamp proves that they existed
/// when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// It does not: every source, and the authority of every time stamp, is judged as of now.
    Now,
    /// It does: revocation as of the proved moment or later, and time stamps whose authority's certificate has ended.
    AtProof,
}

/// What it means that a signature or a seal is not proven to be in a log, where it is asked for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlogged {
    /// The axis says so, and nothing comes of it.
    Tell,
    /// INDETERMINATE.
    Refuse,
}

/// Whether the promise of a log is enough while it is not due, where a proof of one is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promised {
    /// It is: what was just made has no proof yet.
    Enough,
    /// INDETERMINATE, as without it.
    Refuse,
}

/// What it means that a seal of version 5 has no time stamp of its own that proves a time (GM/T 0031-2025 leaves it open).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealTimeStamp {
    /// The axis says so, and nothing comes of it.
    Tell,
    /// INDETERMINATE.
    Refuse,
}

/// A verification policy, as `policies/verification/*.toml` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// SM3 of the file that it was read from, hexadecimal.
    pub sm3: String,
    /// What it tolerates.
    pub tolerances: BTreeSet<Tolerance>,
    /// Unknown revocation without a named source.
    pub unknown_revocation: UnknownRevocation,
    /// Unprotected extra parts, signature files that the list does not name.
    pub extra_parts: ExtraParts,
    /// Least bits of an RSA modulus.
    pub rsa_bits: usize,
    /// Algorithms and key sizes, with their dates; judged at the moment of verification.
    pub algorithms: Arc<AlgorithmPolicy>,
    /// By how many seconds a claimed time may lie after the moment of verification.
    pub future_seconds: i64,
    /// By how many days a maker's certificate may start after the seal's createDate, where tolerated.
    pub maker_late_days: i64,
    /// Evidence that is no longer in force.
    pub past: Past,
    /// Signatures and seals that no log is proven to hold.
    pub unlogged: Unlogged,
    /// Those that a log has promised to hold, and need not hold yet.
    pub promised: Promised,
    /// So many known witnesses must have cosigned the checkpoint of a log's proof, so that it proves a time; with 0 no log does.
    pub log_witnesses: usize,
    /// Seals of version 5 without a time stamp of their own.
    pub seal_time_stamp: SealTimeStamp,
    /// Seconds after thisUpdate from which a source of revocation is too old, although its own period lasts.
    pub greatest_revocation_age: Option<i64>,
}

impl Policy {
    /// Whether that tolerance is on.
    #[must_use]
    pub fn tolerates(&self, tolerance: Tolerance) -> bool {
        self.tolerances.contains(&tolerance)
    }
}
