//! Whether one certificate is revoked (RFC 5280 6.3, RFC 6960 3.2), from CRLs and OCSP answers given as values.
//!
//! Judged: scope, combination with delta CRLs, reasons, signatures, who may sign, periods. Not judged here: the path of a
//! CRL's issuer that is not the certificate's own, which the caller's function answers; which algorithms are acceptable;
//! whether a revocation matters for something done before it.
//!
//! A lasting revocation counts wherever it is found, out of date or not: it does not pass. A suspension and a "good" that
//! contradict each other are decided by the newer source.

mod crl;
mod ocsp;
mod policy;
mod scope;
mod status;

use crate::base::clock::Timestamp;
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::acceptance::SignatureUsed;
use crate::domain::trust::budget::Budget;
use crate::domain::trust::signature::{CheckSignature, Signed, SignerId};
use crate::format::keys::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use crate::format::x509::Certificate;
use crate::format::x509::crl::{CertificateList, CrlIndex, RevocationReason};
use crate::format::x509::ocsp::OcspResponse;

pub use policy::{DeltaCrls, MissingNonce, RevocationPolicy, RevocationSources, UncheckedResponder, UnknownRevocation};
pub use status::{Responder, RevocationSource, RevocationStatus, RevocationUnknown, SourceKind};

/// A CRL, full or delta.
#[derive(Debug, Clone, Copy)]
pub struct CrlEvidence<'a> {
    /// The list.
    pub list: &'a CertificateList<'a>,
    /// Its index, where many questions are asked of it.
    pub index: Option<&'a CrlIndex>,
}

/// An OCSP response.
#[derive(Debug, Clone, Copy)]
pub struct OcspEvidence<'a> {
    /// The response.
    pub response: &'a OcspResponse<'a>,
    /// The nonce that was sent, if one was.
    pub nonce: Option<&'a [u8]>,
}

/// What is at hand.
#[derive(Debug, Clone, Copy, Default)]
pub struct RevocationEvidence<'a> {
    /// CRLs of whatever issuers.
    pub crls: &'a [CrlEvidence<'a>],
    /// OCSP responses about whatever certificates.
    pub ocsp: &'a [OcspEvidence<'a>],
    /// Certificates that may belong to issuers of CRLs and to responders; trusted by nobody.
    pub certificates: &'a [Certificate<'a>],
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct RevocationQuestion<'a> {
    /// The certificate in question.
    pub certificate: &'a Certificate<'a>,
    /// The certificate above it in the path: its key is trusted to have issued the one in question.
    pub issuer: &'a Certificate<'a>,
    /// What is at hand.
    pub evidence: &'a RevocationEvidence<'a>,
    /// The moment of judging: sources must be in force then. Usually now, even for something done before.
    pub at: Timestamp,
    /// What counts.
    pub policy: &'a RevocationPolicy,
    /// Tables of keys.
    pub tables: &'a KeyTables,
    /// How signatures are checked.
    pub check: &'a dyn CheckSignature,
    /// The signer IDs that count for SM2 signatures.
    pub signer_ids: &'a [SignerId],
    /// Whether a certificate that signed a CRL, and is not [`Self::issuer`], has a valid path to the anchor of the path in
    /// question (RFC 5280 6.3.3 (f)). Its name, key usage and signature on the CRL were checked before.
    pub authorise: &'a dyn Fn(&Certificate<'_>) -> bool,
}

/// The status of the certificate in question.
#[must_use]
pub fn status_of(question: &RevocationQuestion<'_>, budget: &mut Budget) -> RevocationStatus {
    let mut crls = |status| prefer(status, crl::status_by_crls(question, budget));
    let nothing = RevocationStatus::Unknown { why: RevocationUnknown::NoEvidence };
    match question.policy.sources {
        RevocationSources::CrlOnly => crls(nothing),
        RevocationSources::CrlThenOcsp => {
            let status = crls(nothing);
            prefer(status, ocsp::status_by_ocsp(question, budget))
        }
        RevocationSources::OcspOnly => prefer(nothing, ocsp::status_by_ocsp(question, budget)),
        RevocationSources::OcspThenCrl => {
            let status = prefer(nothing, ocsp::status_by_ocsp(question, budget));
            prefer(status, crl::status_by_crls(question, budget))
        }
    }
}

/// Of two answers to one question, the one that counts; the first where they are equal.
fn prefer(first: RevocationStatus, second: RevocationStatus) -> RevocationStatus {
    use RevocationStatus::{Good, Revoked, Unknown};
    match (&first, &second) {
        (Unknown { why }, Unknown { why: other }) => Unknown { why: why.clone().or(other.clone()) },
        (Unknown { .. }, _) => second,
        (_, Unknown { .. }) | (Good { .. }, Good { .. }) => first,
        (Good { source }, Revoked { reason, source: of_other, .. }) => {
            let counts = *reason != RevocationReason::CertificateHold || of_other.this_update >= source.this_update;
            if counts { second } else { first }
        }
        (Revoked { reason, source, .. }, Good { source: of_other }) => {
            let counts = *reason != RevocationReason::CertificateHold || source.this_update >= of_other.this_update;
            if counts { first } else { second }
        }
        (Revoked { reason, since, .. }, Revoked { reason: other, since: earlier, .. }) => {
            let weight = |reason: &RevocationReason| *reason != RevocationReason::CertificateHold;
            let takes_second = (weight(other), std::cmp::Reverse(earlier)) > (weight(reason), std::cmp::Reverse(since));
            if takes_second { second } else { first }
        }
    }
}

impl RevocationQuestion<'_> {
    /// Whether a source of that period is in force.
    fn in_force(&self, from: Timestamp, until: Option<Timestamp>) -> Result<(), RevocationUnknown> {
        let (policy, at) = (self.policy, self.at);
        if from > at.plus_seconds(policy.tolerance) {
            return Err(RevocationUnknown::NotYet { from });
        }
        if let Some(since) = until.filter(|until| *until < at.plus_seconds(policy.tolerance.saturating_neg())) {
            return Err(RevocationUnknown::Stale { since });
        }
        let unlimited = until.is_none().then_some(policy.age_without_next_update);
        let age = at.unix().saturating_sub(from.unix());
        let allowed = policy.greatest_age.into_iter().chain(unlimited).min();
        if allowed.is_some_and(|allowed| age > allowed) {
            return Err(RevocationUnknown::TooOld { from });
        }
        Ok(())
    }

    /// How a signature was made, if it is right.
    fn signed(
        &self,
        key: &SubjectPublicKeyInfo<'_>,
        algorithm: &AlgorithmIdentifier<'_>,
        signed: (&[u8], &[u8]),
        budget: &mut Budget,
    ) -> Result<Option<SignatureUsed>, RevocationUnknown> {
        budget.check().map_err(|_| RevocationUnknown::GivenUp)?;
        match self.check.check(key, algorithm, signed, (self.tables, self.signer_ids)) {
            Signed::Right { used, .. } => Ok(used),
            Signed::Wrong => Err(RevocationUnknown::SignatureWrong),
            Signed::Unsupported => Err(RevocationUnknown::SignatureUnsupported),
        }
    }
}
