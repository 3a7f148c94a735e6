//! Verification: from a file's bytes to a report with reasons. Changes nothing, fetches nothing: what it lacks is named
//! beside the report ([`Report::wanted`]), and whoever has it judges again.
//!
//! A signature crosses four types, each made in one place: [`SesSignature`](crate::format::ses::SesSignature)
//! (parsed) → [`ses::SignatureVerified`] (the value is right) → [`TrustedPath`](crate::domain::trust::TrustedPath)
//! (somebody answers for the key) → [`Report`]. Every rule that is broken becomes a [`Finding`]; the verdict is the
//! first of them in the order of [`Case`].

pub mod address;
mod asked;
pub mod carried;
pub mod certificate;
pub mod cms;
mod countersignature;
pub mod coverage;
pub mod crl;
pub mod event;
pub mod evidence;
pub mod finding;
mod issuers;
pub mod jws;
pub mod logged;
pub mod ofd;
pub mod ofd_sign;
pub mod original;
pub mod policy;
pub mod proof;
pub mod raw;
mod remembered;
pub mod report;
mod revocation;
pub mod seal;
mod sealed;
pub mod ses;
mod shape;
pub mod signed_report;
pub mod signer;
mod telling;
pub mod time_stamp;
pub mod wanted;
pub mod words;

pub use evidence::Evidence;
pub use finding::{Case, Finding, Indication};
pub use logged::{LogProofRefused, Opened};
pub use original::{DigestOf, InvalidDigest, Original, OriginalDigest};
pub use policy::{ExtraParts, Past, Policy, Promised, SealTimeStamp, Tolerance, UnknownRevocation, Unlogged};
pub use remembered::Remembered;
pub use report::{Axis, Refusal, Report, SignatureReport, Status, Warning};
pub use wanted::{EvidenceSource, Lacking, NotFetched, WantedEvidence};

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::trust::TrustAnchors;
use crate::format::ses::Kind;

/// What a file is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// Anchors and helping certificates.
    pub trust: &'a TrustAnchors,
    /// Tolerances and demands.
    pub policy: &'a Policy,
    /// The moment of verification.
    pub now: Timestamp,
    /// How much is taken on.
    pub limits: &'a Limits,
    /// What earlier files taught. It changes how fast, never what.
    pub remembered: &'a Remembered,
    /// Revocation lists, OCSP answers and certificates that are at hand.
    pub evidence: &'a Evidence<'a>,
    /// Keys of logs and of witnesses, known from elsewhere. A log's believes for checkpoints of the origin that is its name, and for
    /// no other; a witness's for the times that it wrote beside any.
    pub log_keys: &'a [Verifier],
}

impl<'a> Ground<'a> {
    /// Every certificate that was handed in: anchors, helping ones, and those among the evidence.
    #[must_use]
    pub fn known_certificates(&self) -> Vec<&'a [u8]> {
        self.trust.certificates().chain(self.evidence.certificates().iter().map(|found| found.raw)).collect()
    }
}

/// A kind of file that we verify. Closed list: [`ALL`].
pub trait FileFormat: Sync {
    /// As reports write it.
    fn name(&self) -> &'static str;

    /// Whether these bytes are of this kind, by their first few octets. Kinds never overlap.
    fn recognises(&self, bytes: &[u8]) -> bool;

    /// Judges the file. `original` is the document of a detached signature.
    ///
    /// # Errors
    /// The file is refused: malformed beyond judging, or over a limit.
    fn verify(
        &self,
        bytes: &[u8],
        original: Option<Original<'_>>,
        ground: &Ground<'_>,
    ) -> Result<report::Body, Refusal>;
}

/// Every kind of file that we verify.
pub static ALL: &[&dyn FileFormat] = &[
    &ofd::Ofd,
    &ses::DetachedSes,
    &seal::BareSeal,
    &cms::Cms,
    &time_stamp::TimeStamp,
    &certificate::CertificateFile,
    &crl::CrlFile,
    &jws::JwsFile,
    &raw::Raw,
];

/// Judges one file. Never fails: what cannot be judged is refused in the report, with its reason.
///
/// The report is a function of the arguments and of nothing else.
#[must_use]
pub fn verify(file: &str, bytes: &[u8], original: Option<&[u8]>, ground: &Ground<'_>) -> Report {
    verify_over(file, bytes, original.map(Original::Bytes), ground)
}

/// As [`verify`], where the document of a detached signature may be known by its digest alone.
#[must_use]
pub fn verify_over(file: &str, bytes: &[u8], original: Option<Original<'_>>, ground: &Ground<'_>) -> Report {
    let found = ALL.iter().find(|format| format.recognises(bytes));
    let outcome = if bytes.len() > ground.limits.file_bytes {
        Err(Refusal {
            code: "file-too-large",
            clause: "limits",
            detail: format!("the file has {} bytes, the limit is {}", bytes.len(), ground.limits.file_bytes),
            part: None,
        })
    } else {
        match found {
            Some(format) => {
                original::refuse_digest(format.name(), original).and_then(|()| format.verify(bytes, original, ground))
            }
            None => Err(Refusal {
                code: "unknown-format",
                clause: "product 2",
                detail: "the file is of no kind that is judged: package, seal, message, time stamp, certificate, list, JWS, \
                         value"
                    .to_owned(),
                part: None,
            }),
        }
    };
    Report::new(file, found.map(|format| format.name()), outcome, ground)
}

/// Whether values of that kind are judged at all in this version.
const fn is_supported(kind: Kind) -> bool {
    matches!(kind, Kind::SesV1 | Kind::SesV4 | Kind::SesV5 | Kind::SesHybrid)
}
