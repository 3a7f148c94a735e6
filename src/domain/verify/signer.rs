//! Judging who signed: the certificate at the time of signing, its path, revocation, and the algorithms (EN 319 102-1
//! 5.2.6, 5.5). One function for every kind of signature.

use crate::base::clock::Timestamp;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{hex, sm3};
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::trust::{
    AnchorDemand, Budget, Computed, PathFailure, PathPolicy, PathQuestion, SignatureUsed, TrustedPath, Unacceptable,
    Use, public_key,
};
use crate::domain::verify::Ground;
use crate::domain::verify::event::{is_event, misused};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::report::{Axis, CertificateSummary, SignatureReport, Status, Validity, Warning};
use crate::domain::verify::revocation::judge_revocation;
use crate::format::trust_list::TrustUse;
use crate::format::x509::Certificate;

/// In which role a certificate stands in a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It signed the document.
    Signer,
    /// It made the seal (GB/T 38540-2020 6).
    Maker,
    /// It certified the time (RFC 3161 2.3).
    TimeStamper,
}

impl Role {
    /// As codes and evidence write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::Maker => "maker",
            Self::TimeStamper => "time-stamper",
        }
    }
}

/// What the key must be allowed to do, where the certificate says anything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Sign documents or seals: digitalSignature or nonRepudiation (RFC 5280 4.2.1.3).
    Signing,
    /// Nothing in particular: a certificate is judged for itself.
    Anything,
}

/// A moment before which the signature existed for sure, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedTime {
    /// The signature is no younger than this.
    pub at: Timestamp,
    /// The authority's subject.
    pub authority: String,
}

/// When a signature was made, as far as anything is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SigningTime<'t> {
    /// When the signer says that it signed, if it says anything.
    pub claimed: Option<Timestamp>,
    /// A proof of existence by a trusted time stamp: best-signature-time (EN 319 102-1 5.5.4).
    pub proved: Option<&'t ProvedTime>,
}

/// What is asked about one certificate.
#[derive(Debug, Clone, Copy)]
pub struct SignerQuestion<'q> {
    /// In which role.
    pub role: Role,
    /// The certificate.
    pub certificate: &'q Certificate<'q>,
    /// Certificates that the file carries, trusted by nobody.
    pub embedded: &'q [Certificate<'q>],
    /// When it signed. Of a maker: when it made the seal.
    pub at: SigningTime<'q>,
    /// What its key must be allowed to do.
    pub wanted: Wanted,
    /// The algorithm of its value, where the value was right.
    pub algorithm: Option<SignatureAlgorithm>,
}

/// Judges the one signer of a signature into the report: axes time, trusted, revocation, algorithm, the summary of the
/// certificate, and every finding. The path, where there is one.
///
/// The value itself, and that it belongs to this certificate, are the caller's.
pub fn judge_signer(
    report: &mut SignatureReport,
    question: &SignerQuestion<'_>,
    ground: &Ground<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) -> Option<TrustedPath> {
    report.signer = Some(summary(question.certificate));
    if question.wanted == Wanted::Signing && report.details.event.is_none() && is_event(question.certificate) {
        misused(report, question.role.name());
    }
    judge_time(report, question, ground);
    judge_chains(report, &[*question], ground, budget, warnings)?.pop()
}

/// A certificate, as reports show it.
#[must_use]
pub fn summary(certificate: &Certificate<'_>) -> CertificateSummary {
    CertificateSummary {
        subject: certificate.subject.display(),
        issuer: certificate.issuer.display(),
        serial: hex(certificate.serial),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        sm3: hex(&sm3(certificate.raw)),
    }
}

/// The axis time of a signature: the claimed time and the proof, if any, against the signer's certificate and now
/// (product contract 2).
pub fn judge_time(report: &mut SignatureReport, question: &SignerQuestion<'_>, ground: &Ground<'_>) {
    let (certificate, now) = (question.certificate, ground.now);
    let SigningTime { claimed, proved } = question.at;
    report.details.claimed_time = claimed;
    let said = match claimed {
        Some(claimed) => format!("claimed by the signer: {claimed}"),
        None => "the signer claims no time".to_owned(),
    };
    report.time = match proved {
        Some(proof) => {
            let detail = format!("{said}; it existed at {}, by {}", proof.at, proof.authority);
            Axis::new(Status::Ok, "proved", detail)
        }
        None => Axis::new(Status::Ok, "claimed", format!("{said}; not proved")),
    };
    let validity = |at| Validity::of(at, certificate.not_before, certificate.not_after);
    let valid_now = validity(now) == Validity::Ok;
    report.details.signer_valid_now = Some(valid_now);
    let of_claimed = claimed.map(validity);
    report.details.signer_validity_at_signing = of_claimed;
    if let (Some(claimed), Some(validity)) = (claimed, of_claimed) {
        outside(report, validity, claimed, "signer-certificate", "the signer's certificate");
    }
    let proof_fits = proved.is_some_and(|proof| validity(proof.at) == Validity::Ok);
    if of_claimed.is_none_or(|validity| validity == Validity::Ok) && !valid_now && !proof_fits {
        match proved.map(|proof| (proof, validity(proof.at))) {
            Some((proof, Validity::NotYetValid)) => {
                outside(report, Validity::NotYetValid, proof.at, "signer-certificate", "the signer's certificate");
            }
            _ if claimed.is_none() && validity(now) == Validity::NotYetValid => {
                outside(report, Validity::NotYetValid, now, "signer-certificate", "the signer's certificate");
            }
            _ => {
                let ended = certificate.not_after;
                let detail = format!(
                    "the signer's certificate ended at {ended}; nothing proves that the signature is older than that"
                );
                report.add(Finding::new(Case::OutOfBounds, "no-proof-of-time", detail));
            }
        }
    }
    if let (Some(claimed), Some(proof)) = (claimed, proved)
        && claimed.unix() > proof.at.unix().saturating_add(ground.policy.future_seconds)
    {
        let detail = format!("claimed time {claimed} lies after {}, when it existed by {}", proof.at, proof.authority);
        if report.time.status != Status::Failed {
            report.time = Axis::new(Status::Unknown, "claimed-after-time-stamp", detail.clone());
        }
        report.add(Finding::new(Case::TimeOrder, "claimed-after-time-stamp", detail));
    }
    let latest = now.unix().saturating_add(ground.policy.future_seconds);
    if let Some(claimed) = claimed.filter(|claimed| claimed.unix() > latest) {
        let detail = format!("claimed time {claimed} lies after the moment of verification, {now}");
        if report.time.status != Status::Failed {
            report.time = Axis::new(Status::Unknown, "claimed-time-in-future", detail.clone());
        }
        report.add(Finding::new(Case::FutureTime, "claimed-time-in-future", detail));
    }
}

/// A finding where a moment lies outside of a validity, and the axis time with it.
pub(in crate::domain::verify) fn outside(
    report: &mut SignatureReport,
    validity: Validity,
    at: Timestamp,
    code: &str,
    whose: &str,
) {
    let (case, code, detail) = match validity {
        Validity::Ok => return,
        Validity::Expired => {
            (Case::Expired, format!("{code}-expired"), format!("{whose} had ended at the claimed time {at}"))
        }
        Validity::NotYetValid => (
            Case::NotYetValid,
            format!("{code}-not-yet-valid"),
            format!("{whose} had not begun at the claimed time {at}"),
        ),
    };
    report.time = Axis::new(Status::Failed, &code, detail.clone());
    report.add(Finding::new(case, code, detail));
}

/// The axes trusted, revocation and algorithm over all certificates that a signature rests on: a signer, or a signer and
/// the maker of its seal. The paths in the same order, where each has one.
pub fn judge_chains(
    report: &mut SignatureReport,
    questions: &[SignerQuestion<'_>],
    ground: &Ground<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) -> Option<Vec<TrustedPath>> {
    for question in questions {
        key_usage(report, question);
    }
    let paths = trust(report, questions, ground, budget);
    if let Some(paths) = &paths {
        for (question, path) in questions.iter().zip(paths) {
            authorities_in_time(report, question, path, ground);
        }
    }
    judge_revocation(report, questions, paths.as_deref(), ground, budget, warnings);
    algorithm(report, questions, paths.as_deref(), ground);
    paths
}

/// Without a proof from their time, authorities between signer and anchor that have ended vouch for nothing any more
/// (EN 319 102-1 5.5). A maker is judged at the making of the seal alone.
fn authorities_in_time(
    report: &mut SignatureReport,
    question: &SignerQuestion<'_>,
    path: &TrustedPath,
    ground: &Ground<'_>,
) {
    if question.role != Role::Signer || report.has(Case::OutOfBounds) {
        return;
    }
    let best = question.at.proved.map_or(ground.now, |proof| proof.at);
    if let Some((subject, ended)) = path.ended_before(best) {
        let detail = format!(
            "the certificate of {subject} ended at {ended}; nothing proves that the signature is older than that"
        );
        report.add(Finding::new(Case::OutOfBounds, "no-proof-of-time", detail));
    }
}

fn key_usage(report: &mut SignatureReport, question: &SignerQuestion<'_>) {
    if question.wanted == Wanted::Signing && !question.certificate.allows_signing() {
        let whose = question.role.name();
        let detail =
            format!("the {whose}'s certificate is not for signing: neither digitalSignature nor nonRepudiation");
        report.add(Finding::new(Case::KeyUsage, format!("{whose}-key-usage"), detail));
    }
}

/// The moment for which a path is asked: the claimed one; without it the proved one; without both now, or the end of a
/// certificate that has ended, whose lack of proof is told by the axis time.
fn asked_at(question: &SignerQuestion<'_>, now: Timestamp) -> Timestamp {
    let proved = question.at.proved.map(|proof| proof.at);
    question.at.claimed.or(proved).unwrap_or_else(|| now.min(question.certificate.not_after))
}

/// The question for a path of that certificate.
pub(in crate::domain::verify) fn path_question<'q>(
    question: &SignerQuestion<'q>,
    policy: &'q PathPolicy,
    ground: &Ground<'q>,
) -> PathQuestion<'q> {
    PathQuestion {
        end: question.certificate,
        trust: ground.trust,
        beside: question.embedded,
        at: asked_at(question, ground.now),
        policy,
        tables: &ground.remembered.tables,
        check: &Computed,
        revocation: None,
    }
}

/// What a trust list must trust the anchor for.
pub(in crate::domain::verify) fn demanded(kind: &str, question: &SignerQuestion<'_>) -> AnchorDemand {
    match question.role {
        _ if question.wanted == Wanted::Anything => AnchorDemand::ForAnything,
        Role::Maker => AnchorDemand::For(TrustUse::SealMaking),
        Role::TimeStamper => AnchorDemand::For(TrustUse::TimeStamp),
        // A person's signature shows handwriting as a seal, and is the word of a person all the same.
        Role::Signer if kind.starts_with("ses") && !is_event(question.certificate) => {
            AnchorDemand::For(TrustUse::SealSigning)
        }
        Role::Signer => AnchorDemand::For(TrustUse::Identity),
    }
}

/// The keys of the logs that a trust list names for what is below the anchor to which a certificate leads; none without one.
pub(in crate::domain::verify) fn logs_of(
    question: &SignerQuestion<'_>,
    kind: &str,
    ground: &Ground<'_>,
    budget: &mut Budget,
) -> Vec<Verifier> {
    if !ground.trust.names_logs() {
        return Vec::new();
    }
    let path = path_of(question, demanded(kind, question), ground, budget).ok();
    let logs = path.as_ref().and_then(TrustedPath::anchor_scope).map(|scope| scope.logs.as_slice());
    // Each was read when the list was checked.
    logs.unwrap_or_default().iter().filter_map(|text| Verifier::parse(text).ok()).collect()
}

fn path_of(
    question: &SignerQuestion<'_>,
    demanded: AnchorDemand,
    ground: &Ground<'_>,
    budget: &mut Budget,
) -> Result<TrustedPath, PathFailure> {
    let policy = PathPolicy { anchor: demanded, ..PathPolicy::seal() };
    ground.remembered.paths.answer(&path_question(question, &policy, ground), budget)
}

/// Paths of all of them, each at its own moment.
fn trust(
    report: &mut SignatureReport,
    questions: &[SignerQuestion<'_>],
    ground: &Ground<'_>,
    budget: &mut Budget,
) -> Option<Vec<TrustedPath>> {
    let (mut found, mut shown, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for question in questions {
        let whose = question.role.name();
        match path_of(question, demanded(report.kind, question), ground, budget) {
            Ok(path) => {
                let subjects = path.subjects().join(" ← ");
                shown.push(format!("{whose}: {subjects} (anchor from {})", path.anchor_origin()));
                if let Some(scope) = path.anchor_scope() {
                    report.asked.must_be_in(&scope.logs);
                }
                found.push(path);
            }
            Err(failure) => missing.push(format!("{whose}: {failure}")),
        }
    }
    if missing.is_empty() {
        let names: Vec<&str> = questions.iter().map(|question| question.role.name()).collect();
        let verb = if names.len() == 1 { "leads" } else { "lead" };
        let detail = format!("{} {verb} to a trusted anchor", names.join(" and "));
        report.trusted = Axis::new(Status::Ok, "ok", detail).with(shown);
        return Some(found);
    }
    let detail = missing.join("; ");
    report.trusted = Axis::new(Status::Unknown, "no-certificate-chain", detail.clone()).with(missing);
    report.add(Finding::new(Case::NoPath, "no-certificate-chain", detail));
    None
}

/// Every signature that the verdict rests on, by the algorithm policy at the moment of verification.
fn algorithm(
    report: &mut SignatureReport,
    questions: &[SignerQuestion<'_>],
    paths: Option<&[TrustedPath]>,
    ground: &Ground<'_>,
) {
    let (least, now) = (ground.policy.rsa_bits, ground.now);
    let of_value = questions.first().and_then(|question| question.algorithm);
    report.details.signature_algorithm = of_value.map(|algorithm| algorithm.name());
    let keys: Vec<_> = questions.iter().map(|question| public_key(&question.certificate.public_key)).collect();
    for key in keys.iter().flatten() {
        if let PublicKey::Rsa(key) = key
            && key.bits() < least
        {
            let detail = format!("an RSA key of {} bits is below the {least} that the policy asks for", key.bits());
            report.algorithm = Axis::new(Status::Failed, "rsa-key-too-short", detail.clone());
            report.add(Finding::new(Case::Algorithm, "rsa-key-too-short", detail));
            return;
        }
    }
    let policy = &ground.policy.algorithms;
    let accepted = |used: &SignatureUsed, at| policy.signature(used, at, Use::Accept);
    // A proof covers the value, not the certificates above it.
    let of_values = keys.iter().zip(questions).filter_map(|(key, question)| {
        let used = key.as_ref().zip(question.algorithm).map(|(key, algorithm)| SignatureUsed::of(key, algorithm))?;
        let at = question.at.proved.map_or(now, |proof| proof.at);
        Some((used, at))
    });
    let on_paths = paths.iter().flat_map(|paths| paths.iter()).flat_map(TrustedPath::signatures);
    let mut all = of_values.chain(on_paths.map(|used| (*used, now)));
    let refused = all.find_map(|(used, at)| accepted(&used, at).err().map(|refused| (used, refused)));
    if let Some((used, refused)) = refused {
        let detail = format!("{refused} (policy {})", policy.name);
        report.algorithm = Axis::new(Status::Failed, refused.code(), detail.clone());
        let claimed = questions.first().and_then(|question| question.at.claimed);
        let was_accepted = matches!(refused, Unacceptable::Ended { .. })
            && claimed.is_some_and(|claimed| accepted(&used, claimed).is_ok());
        let case = if was_accepted { Case::AlgorithmEnded } else { Case::Algorithm };
        report.add(Finding::new(case, refused.code(), detail));
    } else if let Some(algorithm) = questions.first().and_then(|question| question.algorithm) {
        report.algorithm = Axis::new(Status::Ok, "ok", format!("{} is accepted", algorithm.name()));
    }
}
