//! Signatures by certificates of one transaction (事件型证书): whether the certificate is for what was signed, and for nothing
//! else. docs/formats/event-certificate.md
//!
//! What such a certificate says of a person is the word of its issuer: it is shown, and judged by nobody here.

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::crypto::PublicKey;
use crate::crypto::digest::{hex, sha256, sm3};
use crate::domain::trust::public_key;
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::report::{Axis, SignatureReport, Status};
use crate::domain::verify::ses::is_listed;
use crate::format::ses::{CertificateList, SesSeal};
use crate::format::x509::Certificate;
use crate::format::x509::event::{AssuranceLevel, BoundDigest, EventBinding, EventStatement};
use crate::format::x509::extension::NO_REV_AVAIL;

/// So many seconds a certificate may last whose revocation nobody tells: behind them it has ended by itself.
const SHORT_LIVED: i64 = 86_400;

/// What an event certificate says, as reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventSummary {
    /// The digest of the transaction, hexadecimal.
    pub digest: String,
    /// By which algorithm.
    pub digest_algorithm: BoundDigest,
    /// Whether what was signed is that transaction.
    pub bound: Status,
    /// The transaction's name.
    pub transaction: Option<String>,
    /// How surely the person was identified, 1 to 5.
    pub level: Option<AssuranceLevel>,
    /// By which procedure.
    pub procedure: Option<String>,
    /// When.
    pub proven_at: Option<Timestamp>,
    /// The person's pseudonym where the proof comes from.
    pub person: Option<String>,
}

/// Whether a certificate is for one transaction, or claims to be.
pub(in crate::domain::verify) fn is_event(certificate: &Certificate<'_>) -> bool {
    !matches!(EventBinding::of(certificate), Ok(None))
}

/// Whether a certificate says that nobody tells of its revocation, and ends before news would matter (RFC 9608 2).
pub(in crate::domain::verify) fn ends_by_itself(certificate: &Certificate<'_>) -> bool {
    let lasts = certificate.not_after.unix().saturating_sub(certificate.not_before.unix());
    certificate.extension(NO_REV_AVAIL).is_some() && !certificate.names_revocation_source() && lasts <= SHORT_LIVED
}

/// What a signature by an event certificate is held against.
#[derive(Debug, Clone, Copy)]
pub(in crate::domain::verify) struct Signed<'s> {
    /// What was signed, in each form in which the signature may speak of it.
    pub(in crate::domain::verify) contents: &'s [&'s [u8]],
    /// The seal that was used, where there is one.
    pub(in crate::domain::verify) seal: Option<&'s SesSeal<'s>>,
}

/// Judges whether an event certificate is for what was signed. Says nothing of other certificates.
pub(in crate::domain::verify) fn judge_event(
    report: &mut SignatureReport,
    certificate: &Certificate<'_>,
    signed: Signed<'_>,
) {
    let binding = match EventBinding::of(certificate) {
        Ok(None) => return,
        Ok(Some(binding)) => binding,
        Err(error) => {
            let detail = format!("the signer's certificate is for one transaction, and not of its form: {error}");
            return report.add(Finding::new(Case::Format, "event-certificate-malformed", detail));
        }
    };
    let EventBinding { digest, statement } = &binding;
    let algorithm = statement.as_ref().map_or_else(|| usual(certificate), |statement| statement.digest);
    let is_bound = signed.contents.iter().any(|content| *digest == computed(algorithm, content));
    report.details.event = Some(summary(digest, (algorithm, is_bound), statement.as_ref()));
    if !is_bound {
        let detail = "the signer's certificate is for another transaction than the one that was signed";
        report.intact = Axis::new(Status::Failed, "transaction-differs", detail).with(vec![hex(digest)]);
        report.add(Finding::new(Case::Format, "transaction-differs", detail));
    }
    if let Some(seal) = signed.seal
        && !is_seal_of_act(seal, certificate, statement.as_ref())
    {
        let detail = "the signer's certificate is for one act of a person, and the seal is not the one of that act";
        report.seal = Axis::new(Status::Failed, "event-certificate-seal", detail);
        report.add(Finding::new(Case::Format, "event-certificate-seal", detail));
    } else if let (true, Some(statement), Status::Ok) = (is_bound, statement, report.signature.status) {
        let EventStatement { level, procedure, proven_at, .. } = statement;
        let said = format!("; a person of level {level} by {procedure}, proven at {proven_at}, for this transaction");
        report.signature.detail.push_str(&said);
    }
}

/// A certificate of one transaction stands where nothing holds it against what was signed, or makes seals.
pub(in crate::domain::verify) fn misused(report: &mut SignatureReport, whose: &str) {
    let detail = format!("the {whose}'s certificate is for one transaction, and such a signature is not bound to one");
    report.add(Finding::new(Case::Format, "event-certificate-misused", detail));
}

/// By which algorithm the digest is where nothing names one: that of signatures with such a key.
fn usual(certificate: &Certificate<'_>) -> BoundDigest {
    match public_key(&certificate.public_key) {
        Some(PublicKey::Sm2(_)) => BoundDigest::Sm3,
        _ => BoundDigest::Sha256,
    }
}

fn computed(algorithm: BoundDigest, content: &[u8]) -> [u8; 32] {
    match algorithm {
        BoundDigest::Sm3 => sm3(content),
        BoundDigest::Sha256 => sha256(content),
    }
}

/// The seal of an act bears its name, and lists its certificate alone: no organisation's seal does.
fn is_seal_of_act(seal: &SesSeal<'_>, certificate: &Certificate<'_>, statement: Option<&EventStatement>) -> bool {
    let count = match &seal.certificates {
        CertificateList::Certificates(all) => all.len(),
        CertificateList::Digests(all) => all.len(),
    };
    let named = statement.is_some_and(|statement| statement.transaction.as_str() == seal.es_id);
    named && count == 1 && is_listed(seal, certificate.raw)
}

fn summary(
    digest: &[u8; 32],
    (algorithm, is_bound): (BoundDigest, bool),
    statement: Option<&EventStatement>,
) -> EventSummary {
    EventSummary {
        digest: hex(digest),
        digest_algorithm: algorithm,
        bound: if is_bound { Status::Ok } else { Status::Failed },
        transaction: statement.map(|statement| statement.transaction.to_string()),
        level: statement.map(|statement| statement.level),
        procedure: statement.map(|statement| statement.procedure.clone()),
        proven_at: statement.map(|statement| statement.proven_at),
        person: statement.map(|statement| statement.person.clone()),
    }
}
