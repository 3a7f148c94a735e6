//! Judging revocation lists in files of their own: signed by an authority that leads to an anchor, and fresh.

use crate::domain::trust::Budget;
use crate::domain::verify::certificate::Signed;
use crate::domain::verify::cms::{no_certificate, no_seal};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::logged::{Thing, judge_logged};
use crate::domain::verify::report::{Axis, Body, Refusal, SignatureReport, Status};
use crate::domain::verify::shape::{Shape, ders};
use crate::domain::verify::signer::{Role, SignerQuestion, SigningTime, Wanted, judge_chains, summary};
use crate::domain::verify::{FileFormat, Ground, Original};
use crate::format::x509::{Certificate, CertificateList, KeyUsage};

/// Revocation lists in DER or PEM.
#[derive(Debug, Clone, Copy)]
pub struct CrlFile;

impl FileFormat for CrlFile {
    fn name(&self) -> &'static str {
        "crl"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        Shape::of(bytes) == Some(Shape::Crl)
    }

    fn verify(&self, bytes: &[u8], _: Option<Original<'_>>, ground: &Ground<'_>) -> Result<Body, Refusal> {
        let mut body = Body::default();
        let mut budget = Budget::new(ground.limits);
        for (index, der) in ders(bytes, Shape::Crl, ground.limits.signatures)?.iter().enumerate() {
            let list = CertificateList::parse(der).map_err(|error| Refusal {
                code: "crl-malformed",
                clause: "RFC 5280 5.1",
                detail: error.to_string(),
                part: None,
            })?;
            let mut report = SignatureReport::blank(&index.saturating_add(1).to_string(), "crl");
            report.seal = no_seal();
            report.coverage = Axis::new(Status::NotApplicable, "crl", "a revocation list shows nothing");
            let signed = Signed {
                issuer: &list.issuer,
                algorithm: &list.signature_algorithm,
                tbs: list.tbs,
                value: list.signature,
            };
            let issuer = signed.judge(&mut report, &[], ground);
            freshness(&mut report, &list, ground);
            understood(&mut report, &list);
            match issuer {
                Some(issuer) => {
                    report.signer = Some(summary(&issuer));
                    may_sign(&mut report, &issuer);
                    let question = SignerQuestion {
                        role: Role::Signer,
                        certificate: &issuer,
                        embedded: &[],
                        at: SigningTime { claimed: Some(list.this_update), proved: None },
                        wanted: Wanted::Anything,
                        algorithm: None,
                    };
                    let paths = judge_chains(&mut report, &[question], ground, &mut budget, &mut body.warnings);
                    if paths.is_some() && report.algorithm.status == Status::Unknown {
                        report.algorithm = Axis::new(Status::Ok, "ok", "every signature on the path is accepted");
                    }
                }
                None if report.signature.status == Status::Failed => {}
                None => {
                    let detail = format!("no certificate of the issuer {} is at hand", list.issuer.display());
                    no_certificate(&mut report, "issuer-missing", detail);
                }
            }
            judge_logged(&mut report, (Thing::RevocationList, der, None), ground, &mut body.warnings);
            body.signatures.push(report);
        }
        Ok(body)
    }
}

/// The axis time: a list counts from thisUpdate to nextUpdate (RFC 5280 5.1.2.4, 5.1.2.5).
fn freshness(report: &mut SignatureReport, list: &CertificateList<'_>, ground: &Ground<'_>) {
    let now = ground.now;
    report.details.claimed_time = Some(list.this_update);
    let latest = now.plus_seconds(ground.policy.future_seconds);
    let (case, code, detail) = match list.next_update {
        _ if list.this_update > latest => {
            (Case::FutureTime, "crl-not-yet", format!("the list counts from {} on", list.this_update))
        }
        Some(until) if until < now => {
            (Case::RevocationUnknown, "crl-stale", format!("a newer list was due at {until}"))
        }
        Some(until) => {
            let detail = format!("issued at {}, the next is due at {until}", list.this_update);
            report.time = Axis::new(Status::Ok, "ok", detail);
            return;
        }
        None => {
            let detail = format!("issued at {}; it does not say when the next is due", list.this_update);
            report.time = Axis::new(Status::Warning, "crl-without-next-update", detail);
            return;
        }
    };
    report.time = Axis::new(Status::Unknown, code, detail.clone());
    report.add(Finding::new(case, code, detail));
}

/// A list with a critical extension that is not known must not be used (RFC 5280 5.2).
fn understood(report: &mut SignatureReport, list: &CertificateList<'_>) {
    if let Some(oid) = list.unknown_critical() {
        let detail = format!("the list has a critical extension that is not known, {oid}");
        report.add(Finding::new(Case::KeyUsage, "crl-critical-extension-unknown", detail));
    }
}

/// Its issuer's key usage, where it says anything, allows lists (RFC 5280 4.2.1.3).
fn may_sign(report: &mut SignatureReport, issuer: &Certificate<'_>) {
    let usage = issuer.extension_of::<KeyUsage>();
    if !matches!(usage, Ok(None)) && !usage.is_ok_and(|usage| usage.is_some_and(|usage| usage.any(KeyUsage::CRL_SIGN)))
    {
        let detail = "the issuer's key usage does not allow it to sign revocation lists";
        report.add(Finding::new(Case::KeyUsage, "issuer-key-usage", detail));
    }
}
