//! What counts as knowing whether a certificate is revoked.

use crate::domain::trust::revocation::RevocationStatus;
use crate::format::x509::Certificate;

/// Which sources are asked, and which is named first where both say good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationSources {
    /// OCSP answers, then CRLs.
    OcspThenCrl,
    /// CRLs, then OCSP answers.
    CrlThenOcsp,
    /// OCSP answers alone.
    OcspOnly,
    /// CRLs alone.
    CrlOnly,
}

/// What follows where nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownRevocation {
    /// The certificate is not used: hard.
    Refuse,
    /// It is not used if it names a place where its revocation could have been asked.
    RefuseWhereNamed,
    /// It is used: soft.
    Accept,
}

/// An answer without the nonce that was sent (RFC 8954 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingNonce {
    /// Not used: it may be an old one, played again.
    Refuse,
    /// Used while it is fresh: answers that were signed before the question have none (RFC 5019 4).
    Accept,
}

/// A delegated responder whose certificate lacks `id-pkix-ocsp-nocheck` (RFC 6960 4.2.2.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UncheckedResponder {
    /// Its answers are not used.
    Refuse,
    /// Its answers are used; the caller may ask about the responder itself.
    Accept,
}

/// Delta CRLs (RFC 5280 6.3.1: use-deltas).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaCrls {
    /// Combined with their base.
    Use,
    /// Not looked at.
    Ignore,
}

/// The policy for one kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationPolicy {
    /// Which sources.
    pub sources: RevocationSources,
    /// What follows where nobody knows.
    pub unknown: UnknownRevocation,
    /// Delta CRLs.
    pub deltas: DeltaCrls,
    /// Seconds by which clocks may differ, at both ends of a source's period.
    pub tolerance: i64,
    /// Seconds after `thisUpdate` from which a source is too old although its period lasts.
    pub greatest_age: Option<i64>,
    /// Seconds after `thisUpdate` that a source without `nextUpdate` is used.
    pub age_without_next_update: i64,
    /// An answer without the nonce that was sent.
    pub missing_nonce: MissingNonce,
    /// Delegated responders that nobody vouches for.
    pub unchecked_responder: UncheckedResponder,
}

impl Default for RevocationPolicy {
    /// Hard, both sources, deltas used, 5 minutes of tolerance.
    fn default() -> Self {
        Self {
            sources: RevocationSources::OcspThenCrl,
            unknown: UnknownRevocation::Refuse,
            deltas: DeltaCrls::Use,
            tolerance: 300,
            greatest_age: None,
            age_without_next_update: 86_400,
            missing_nonce: MissingNonce::Refuse,
            unchecked_responder: UncheckedResponder::Accept,
        }
    }
}

impl RevocationPolicy {
    /// Whether the certificate may be used, by that status of it.
    #[must_use]
    pub fn permits(&self, certificate: &Certificate<'_>, status: &RevocationStatus) -> bool {
        match (status, self.unknown) {
            (RevocationStatus::Good { .. }, _) | (RevocationStatus::Unknown { .. }, UnknownRevocation::Accept) => true,
            (RevocationStatus::Unknown { .. }, UnknownRevocation::RefuseWhereNamed) => {
                !certificate.names_revocation_source()
            }
            (RevocationStatus::Unknown { .. }, UnknownRevocation::Refuse) | (RevocationStatus::Revoked { .. }, _) => {
                false
            }
        }
    }
}
