//! The axis revocation: what the evidence says of every certificate below the anchors, and what follows for a signature
//! of that time (product contract 2; EN 319 102-1 5.2.6, 5.5).

use crate::base::clock::Timestamp;
use crate::crypto::digest::hex;
use crate::domain::trust::revocation::{RevocationSource, SourceKind};
use crate::domain::trust::{
    Budget, PathPolicy, PathQuestion, RevocationDemand, RevocationEvidence, RevocationPolicy, RevocationScope,
    RevocationStatus, RevocationUnknown, TrustedPath,
};
use crate::domain::verify::Ground;
use crate::domain::verify::event::ends_by_itself;
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::issuers::missing_issuers;
use crate::domain::verify::policy::{Past, UnknownRevocation};
use crate::domain::verify::report::{Axis, SignatureReport, Status, Warning};
use crate::domain::verify::signer::{Role, SignerQuestion, path_question};
use crate::domain::verify::wanted::{Lack, unreached};
use crate::format::x509::Certificate;
use crate::format::x509::crl::RevocationReason;

/// Moments at which outdated sources are asked, for policies that look back.
const MOMENTS: usize = 8;

/// Whether a revocation for that reason leaves alone what was done before it: everything that speaks of the holder, and
/// not of the key (RFC 5280 5.3.1). Where no reason is given, the key may be lost.
#[must_use]
pub(in crate::domain::verify) const fn is_harmless_after(reason: RevocationReason) -> bool {
    matches!(
        reason,
        RevocationReason::AffiliationChanged
            | RevocationReason::Superseded
            | RevocationReason::CessationOfOperation
            | RevocationReason::PrivilegeWithdrawn
    )
}

/// Whether somebody is named who could be asked: by the certificate, or by the trust list beside the path's anchor.
#[must_use]
pub(in crate::domain::verify) fn may_be_asked(certificate: &Certificate<'_>, path: &TrustedPath) -> bool {
    certificate.names_revocation_source() || path.anchor_scope().is_some_and(|scope| !scope.status.is_empty())
}

/// Whether that is known from a list alone, and changes to it may tell otherwise: a lasting revocation does not pass.
const fn may_change(status: &RevocationStatus) -> bool {
    match status {
        RevocationStatus::Good { source }
        | RevocationStatus::Revoked { source, reason: RevocationReason::CertificateHold, .. } => {
            matches!(source.kind, SourceKind::Crl { delta: None, .. })
        }
        RevocationStatus::Revoked { .. } | RevocationStatus::Unknown { .. } => false,
    }
}

/// The status of each certificate of a path below its anchor, from the end upward.
#[derive(Debug, Clone)]
pub(in crate::domain::verify) struct Statuses<'p> {
    all: Vec<(Certificate<'p>, RevocationStatus)>,
}

impl<'p> Statuses<'p> {
    /// Asks the evidence now; where that says nothing, and the policy looks back, at the proved moment and after it.
    pub(in crate::domain::verify) fn of(
        question: &PathQuestion<'_>,
        path: &'p TrustedPath,
        proved: Option<Timestamp>,
        ground: &Ground<'_>,
        budget: &mut Budget,
    ) -> Self {
        let below = path.certificates().len().saturating_sub(1);
        let certificates = path.certificates().take(below).filter_map(|der| Certificate::parse(der).ok());
        if ground.evidence.says_nothing() {
            let nothing = || RevocationStatus::Unknown { why: RevocationUnknown::NoEvidence };
            return Self { all: certificates.map(|certificate| (certificate, nothing())).collect() };
        }
        let (crls, ocsp) = (ground.evidence.crls(), ground.evidence.ocsp());
        let evidence = RevocationEvidence { crls: &crls, ocsp: &ocsp, certificates: ground.evidence.certificates() };
        let policy = RevocationPolicy {
            greatest_age: ground.policy.greatest_revocation_age,
            tolerance: ground.policy.future_seconds,
            ..RevocationPolicy::default()
        };
        let mut ask = |at| {
            let demand = RevocationDemand { evidence: &evidence, policy: &policy, scope: RevocationScope::Path, at };
            path.revocation(question, &demand, budget)
        };
        let mut statuses = ask(ground.now);
        if let (Some(proved), Past::AtProof) = (proved, ground.policy.past) {
            let later = crls.iter().map(|crl| crl.list.this_update).filter(|at| *at >= proved && *at <= ground.now);
            for at in std::iter::once(proved).chain(later).take(MOMENTS) {
                if statuses.iter().all(|status| !matches!(status, RevocationStatus::Unknown { .. })) {
                    break;
                }
                for (status, other) in statuses.iter_mut().zip(ask(at)) {
                    if matches!(status, RevocationStatus::Unknown { .. }) {
                        *status = other;
                    }
                }
            }
        }
        Self { all: certificates.zip(statuses).collect() }
    }

    /// What is wanted: the status of each certificate where it is unknown, and changes to the lists at hand where a list
    /// alone tells it.
    pub(in crate::domain::verify) fn lacks(&self, path: &TrustedPath, ground: &Ground<'_>) -> Vec<Lack> {
        let (crls, scope) = (ground.evidence.crls(), path.anchor_scope());
        let issuers = path.certificates().skip(1).filter_map(|der| Certificate::parse(der).ok());
        let mut lacks = Vec::new();
        for ((certificate, status), issuer) in self.all.iter().zip(issuers) {
            if ends_by_itself(certificate) {
                continue;
            }
            let is_unknown = matches!(status, RevocationStatus::Unknown { .. });
            if is_unknown {
                lacks.push(Lack::of(certificate, &issuer, scope));
            }
            if is_unknown || may_change(status) {
                let changes = Lack::of_changes(certificate, crls.iter().map(|crl| crl.list), scope);
                // Where a list tells the status, nothing is missing.
                lacks.extend(changes.map(|lack| if is_unknown { lack } else { Lack { shown: Vec::new(), ..lack } }));
            }
        }
        lacks
    }

    /// Each certificate with its status.
    pub(in crate::domain::verify) fn each(&self) -> impl Iterator<Item = &(Certificate<'p>, RevocationStatus)> {
        self.all.iter()
    }
}

/// The axis revocation over all certificates that a signature rests on.
pub(in crate::domain::verify) fn judge_revocation(
    report: &mut SignatureReport,
    questions: &[SignerQuestion<'_>],
    paths: Option<&[TrustedPath]>,
    ground: &Ground<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) {
    let Some(paths) = paths else {
        let detail = "not asked: there is no path to an anchor";
        let mut shown: Vec<String> = questions.iter().flat_map(|question| unreached(question.certificate)).collect();
        for question in questions {
            for lack in missing_issuers(question.certificate, question.embedded, ground.trust) {
                shown.extend(lack.shown);
                report.want(lack.wanted);
            }
        }
        report.revocation = Axis::new(Status::Unknown, "no-certificate-chain", detail).with(shown);
        return;
    };
    let mut known = Known::default();
    let policy = PathPolicy::seal();
    for (question, path) in questions.iter().zip(paths) {
        let asked = path_question(question, &policy, ground);
        let proved = question.at.proved.map(|proof| proof.at);
        let statuses = Statuses::of(&asked, path, proved, ground, budget);
        for (place, (certificate, status)) in statuses.each().enumerate() {
            known.take(report, question, (place, certificate, path), status, ground);
        }
        for lack in statuses.lacks(path, ground) {
            known.lacking.extend(lack.shown);
            report.want(lack.wanted);
        }
    }
    known.conclude(report, questions, ground, warnings);
}

/// What was learned so far.
#[derive(Default)]
struct Known {
    evidence: Vec<String>,
    /// Where an unknown status may be asked, and where not.
    lacking: Vec<String>,
    /// The first certificate that is revoked or suspended so that it matters, and how the axis tells it.
    bad: Option<(&'static str, String)>,
    /// Unknown, although a source is named or an answer demanded.
    missing: Option<String>,
    /// Unknown, and nobody could be asked.
    silent: bool,
}

impl Known {
    fn take(
        &mut self,
        report: &mut SignatureReport,
        question: &SignerQuestion<'_>,
        (place, certificate, path): (usize, &Certificate<'_>, &TrustedPath),
        status: &RevocationStatus,
        ground: &Ground<'_>,
    ) {
        let whose = question.role.name();
        let subject = || certificate.subject.display();
        match status {
            RevocationStatus::Good { source } => {
                self.evidence.push(format!("{whose}: {} is not revoked, by {}", subject(), shown(source)));
            }
            RevocationStatus::Unknown { .. } if ends_by_itself(certificate) => {
                let until = certificate.not_after;
                self.evidence.push(format!("{whose}: nobody tells of {}, which ends by itself at {until}", subject()));
            }
            RevocationStatus::Unknown { why } => {
                let demanded = ground.policy.unknown_revocation == UnknownRevocation::Refuse;
                if demanded || may_be_asked(certificate, path) {
                    let detail = match why {
                        RevocationUnknown::NoEvidence => {
                            "revocation is unknown: a source is named or demanded, and no answer is at hand".to_owned()
                        }
                        why => format!("whether the certificate of {} is revoked is unknown: {why}", subject()),
                    };
                    self.missing.get_or_insert(detail);
                } else {
                    self.silent = true;
                }
            }
            RevocationStatus::Revoked { since, reason, invalidity_date, source } => {
                let (named, subject) = (reason.name(), subject());
                self.evidence
                    .push(format!("{whose}: {subject} is revoked since {since} ({named}), by {}", shown(source)));
                if place == 0 && question.role == Role::Signer {
                    report.details.revoked_since = Some(*since);
                    report.details.revocation_reason = Some(named);
                }
                let found = consequence(question, (place, &subject), (*since, *reason, *invalidity_date));
                if let Some(finding) = found {
                    let code = if finding.case == Case::Suspended { "suspended" } else { "revoked" };
                    self.bad.get_or_insert((code, finding.detail.clone()));
                    report.add(finding);
                }
            }
        }
    }

    fn conclude(
        mut self,
        report: &mut SignatureReport,
        questions: &[SignerQuestion<'_>],
        ground: &Ground<'_>,
        warnings: &mut Vec<Warning>,
    ) {
        self.lacking.dedup();
        let told = [self.evidence.as_slice(), &self.lacking].concat();
        if let Some(detail) = &self.missing {
            report.add(Finding::new(Case::RevocationUnknown, "revocation-unknown", detail.clone()));
        }
        report.revocation = if let Some((code, detail)) = self.bad {
            Axis::new(Status::Failed, code, detail)
        } else if let Some(detail) = self.missing {
            Axis::new(Status::Unknown, "revocation-unknown", detail)
        } else if self.silent {
            let detail = if ground.evidence.says_nothing() || self.evidence.is_empty() {
                "revocation is unknown, and no certificate of the paths names a source to ask"
            } else {
                "the revocation of some certificates is unknown, and they name no source to ask"
            };
            if warnings.iter().all(|warning| warning.code != "revocation-unknown-no-source") {
                let subject = questions.first().map(|one| one.certificate.subject.display()).unwrap_or_default();
                let detail = format!("{detail} ({subject})");
                warnings.push(Warning { code: "revocation-unknown-no-source", part: None, detail });
            }
            Axis::new(Status::Warning, "revocation-unknown-no-source", detail)
        } else {
            Axis::new(Status::Ok, "ok", "no certificate of the paths is revoked")
        }
        .with(told);
    }
}

/// What a revocation means for this signature; nothing where it came after a proof of existence, or leaves alone what a
/// maker did before.
fn consequence(
    question: &SignerQuestion<'_>,
    (place, subject): (usize, &str),
    (since, reason, invalidity): (Timestamp, RevocationReason, Option<Timestamp>),
) -> Option<Finding> {
    let whose = question.role.name();
    if reason == RevocationReason::CertificateHold {
        let detail = format!("the certificate of {subject} is suspended since {since}");
        return Some(Finding::new(Case::Suspended, format!("{whose}-suspended"), detail));
    }
    let named = reason.name();
    let claimed = question.at.claimed;
    if place == 0 && claimed.is_some_and(|claimed| since <= claimed) {
        let detail = match (question.role, claimed) {
            (Role::Maker, Some(at)) => {
                format!("the maker was revoked at {since} ({named}), before it made the seal at {at}")
            }
            (_, Some(at)) => format!("the {whose} was revoked at {since} ({named}), before the claimed time {at}"),
            (_, None) => format!("the {whose} was revoked at {since} ({named})"),
        };
        return Some(Finding::new(Case::Revoked, format!("{whose}-revoked"), detail));
    }
    // A key that was lost before its revocation is known to be lost from then on.
    let effective = invalidity.map_or(since, |lost| lost.min(since));
    if question.at.proved.is_some_and(|proof| proof.at < effective) {
        return None;
    }
    if question.role == Role::Maker && place == 0 && is_harmless_after(reason) && invalidity.is_none() {
        return None;
    }
    let (case, code) = if place == 0 {
        (Case::RevokedNoProof, "revoked-no-proof-of-time")
    } else {
        (Case::AuthorityRevokedNoProof, "authority-revoked-no-proof-of-time")
    };
    let detail = format!(
        "the certificate of {subject} is revoked since {since} ({named}); nothing proves that the signature is older"
    );
    Some(Finding::new(case, code, detail))
}

/// A source, as evidence shows it.
fn shown(source: &RevocationSource) -> String {
    let until = source.next_update.map(|until| format!(", good until {until}")).unwrap_or_default();
    let number = |number: &Option<Vec<u8>>| number.as_ref().map(|n| format!(" {}", hex(n))).unwrap_or_default();
    let kind = match &source.kind {
        SourceKind::Crl { number: full, delta: None } => format!("CRL{}", number(full)),
        SourceKind::Crl { number: full, delta: Some(delta) } => {
            format!("CRL{} with changes {}", number(full), hex(delta))
        }
        SourceKind::Ocsp { .. } => "an OCSP answer".to_owned(),
    };
    format!("{kind} of {}{until}", source.this_update)
}
