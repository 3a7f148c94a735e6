//! Judging a seal: made by its maker, at a time when the maker might, by a maker that leads to an anchor
//! (GB/T 38540-2020 6). In a signature, or alone in a file.

use std::borrow::Cow;

use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::hex;
use crate::domain::trust::{Budget, CheckedValue, ValueEncoding};
use crate::domain::verify::carried::Carried;
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::logged::{Thing, judge_logged};
use crate::domain::verify::policy::{SealTimeStamp, Tolerance};
use crate::domain::verify::proof::{prove, prove_parsed, token_in};
use crate::domain::verify::report::{Axis, Body, Refusal, SealSummary, SignatureReport, Status, Validity};
use crate::domain::verify::sealed::SealDigests;
use crate::domain::verify::ses::{deviates, malformed, refused_algorithm};
use crate::domain::verify::signer::{ProvedTime, Role, SignerQuestion, SigningTime, Wanted, judge_chains, summary};
use crate::domain::verify::{FileFormat, Ground, Original};
use crate::format::ses::{Kind, Layout, SesSeal, recognise};
use crate::format::x509::Certificate;

/// A seal in a file of its own (`.esl`). It is judged as of now: may it be used?
#[derive(Debug, Clone, Copy)]
pub struct BareSeal;

impl FileFormat for BareSeal {
    fn name(&self) -> &'static str {
        "seal"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        recognise(bytes) == Kind::SesSeal
    }

    fn verify(&self, bytes: &[u8], _: Option<Original<'_>>, ground: &Ground<'_>) -> Result<Body, Refusal> {
        let mut body = Body::default();
        let mut report = SignatureReport::blank("seal", Kind::SesSeal.name());
        match SesSeal::parse_any(bytes) {
            Ok(seal) => {
                report.kind = seal.layout.kind().name();
                judge_alone(&mut report, &seal, ground, &mut body);
            }
            Err(error) => malformed(&mut report, &error),
        }
        body.signatures.push(report);
        Ok(body)
    }
}

fn judge_alone(report: &mut SignatureReport, seal: &SesSeal<'_>, ground: &Ground<'_>, body: &mut Body) {
    let mut budget = Budget::new(ground.limits);
    let carried = Carried::by_tokens([seal.time_stamp]);
    let evidence = carried.beside(ground, &mut body.warnings);
    let ground = &Ground { evidence: &evidence, ..*ground };
    for deviation in &seal.deviations {
        deviates(report, (*deviation).into(), ground);
    }
    let maker = match Certificate::parse(seal.maker_certificate) {
        Ok(maker) => Some(maker),
        Err(error) => {
            let detail = format!("the maker's certificate cannot be read: {error}");
            report.add(Finding::new(Case::Format, "maker-certificate-malformed", detail));
            None
        }
    };
    report.maker = maker.as_ref().map(summary);
    let digests = SealDigests::of(seal, maker.as_ref());
    let (axis, made) = judge_made(report, seal, maker.as_ref(), &digests, ground);
    report.signature = match report.details.seal_signature {
        Some(Status::Ok) => Axis::new(Status::Ok, "ok", "the value is right").with(axis.evidence.clone()),
        _ => Axis { evidence: Vec::new(), ..axis.clone() },
    };
    report.intact = match report.details.seal_signature {
        Some(Status::Ok) => Axis::new(Status::Ok, "ok", "eSealInfo is what its maker signed"),
        _ => Axis::new(Status::Unknown, "seal-signature-wrong", "nothing right protects eSealInfo"),
    };
    report.seal = axis;
    report.coverage = Axis::new(Status::NotApplicable, "seal-alone", "a seal alone shows no document");
    let validity = Validity::of(ground.now, seal.valid_start, seal.valid_end);
    report.details.seal_valid_now = Some(validity == Validity::Ok);
    report.time = Axis::new(Status::Ok, "ok", format!("made at {} as its maker says; it holds now", seal.created));
    let outside = match validity {
        Validity::Ok => None,
        Validity::Expired => Some((Case::Expired, "seal-expired", format!("the seal ended at {}", seal.valid_end))),
        Validity::NotYetValid => {
            Some((Case::NotYetValid, "seal-not-yet-valid", format!("the seal begins at {}", seal.valid_start)))
        }
    };
    if let Some((case, code, detail)) = outside {
        report.time = Axis::new(Status::Failed, code, detail.clone());
        report.add(Finding::new(case, code, detail));
    }
    if let Some(maker) = &maker {
        let proof = if made.is_some() { prove_seal(report, (seal, maker), ground, &mut budget) } else { None };
        if let (Some(proof), Status::Ok) = (&proof, report.time.status) {
            let detail = format!("{}; it existed at {}, by {}", report.time.detail, proof.at, proof.authority);
            report.time = Axis::new(Status::Ok, "proved", detail);
        }
        judge_making(report, seal, maker, ground);
        let at = SigningTime { claimed: Some(seal.created.max(maker.not_before)), proved: proof.as_ref() };
        let question = SignerQuestion {
            role: Role::Maker,
            certificate: maker,
            embedded: &[],
            at,
            wanted: Wanted::Signing,
            algorithm: made,
        };
        judge_chains(report, &[question], ground, &mut budget, &mut body.warnings);
    }
    report.details.tolerances.sort_unstable();
    judge_logged(report, (Thing::Seal, seal.raw, None), ground, &mut body.warnings);
}

/// The maker's value over its part of the seal. Gives the axis seal, as far as that goes, and the algorithm of a right
/// value.
pub(in crate::domain::verify) fn judge_made(
    report: &mut SignatureReport,
    seal: &SesSeal<'_>,
    maker: Option<&Certificate<'_>>,
    digests: &SealDigests,
    ground: &Ground<'_>,
) -> (Axis, Option<SignatureAlgorithm>) {
    report.seal_summary = Some(SealSummary {
        es_id: seal.es_id.to_owned(),
        name: seal.name.to_owned(),
        created: seal.created,
        valid_from: seal.valid_start,
        valid_to: seal.valid_end,
        width: seal.width,
        height: seal.height,
    });
    report.details.seal_time_stamp = Some(if seal.time_stamp.is_some() { "present" } else { "none" });
    let evidence = vec![format!("eSealInfo sm3 {}", hex(&digests.info)), format!("esID {}", seal.es_id)];
    let Some(maker) = maker else {
        let detail = "the maker's certificate cannot be read";
        return (Axis::new(Status::Unknown, "maker-certificate-malformed", detail).with(evidence), None);
    };
    // What SM2 signs is digested already; the others digest it themselves.
    let message = if digests.made.is_some() { Cow::Borrowed(seal.info) } else { seal.signed_bytes() };
    let details = &mut report.details;
    let signed = (message.as_ref(), seal.signed_value);
    let e = digests.made.as_ref();
    match ground.remembered.check_seal(&maker.public_key, seal.signature_algorithm, e, signed) {
        CheckedValue::Right { algorithm, encoding } => {
            details.seal_signature = Some(Status::Ok);
            details.seal_signature_encoding = encoding.name();
            if encoding == ValueEncoding::Raw {
                deviates(report, Tolerance::RawRs, ground);
            }
            (Axis::new(Status::Ok, "ok", "made by its maker").with(evidence), Some(algorithm))
        }
        CheckedValue::Wrong { encoding } => {
            details.seal_signature = Some(Status::Failed);
            details.seal_signature_encoding = encoding.and_then(ValueEncoding::name);
            let detail = "the maker's signature on the seal is wrong";
            report.add(Finding::new(Case::SignatureValue, "seal-signature-wrong", detail));
            (Axis::new(Status::Failed, "seal-signature-wrong", detail).with(evidence), None)
        }
        CheckedValue::Unsupported => {
            details.seal_signature = Some(Status::Unknown);
            let (case, code, detail) = refused_algorithm(maker, seal.signature_algorithm);
            report.add(Finding::new(case, code, format!("the seal: {detail}")));
            (Axis::new(Status::Unknown, code, detail).with(evidence), None)
        }
    }
}

/// A maker is judged at the making of the seal: genuine seals outlive their maker's certificate.
pub(in crate::domain::verify) fn judge_making(
    report: &mut SignatureReport,
    seal: &SesSeal<'_>,
    maker: &Certificate<'_>,
    ground: &Ground<'_>,
) {
    let created = seal.created;
    let validity = Validity::of(created, maker.not_before, maker.not_after);
    report.details.maker_validity_at_create_date = Some(validity);
    match validity {
        Validity::Ok => {}
        Validity::Expired => {
            let detail = format!("the maker's certificate had ended when the seal was made, {created}");
            report.add(Finding::new(Case::MakerExpired, "maker-certificate-expired", detail));
        }
        Validity::NotYetValid => {
            let slack = created.plus_days(ground.policy.maker_late_days);
            let late = slack >= maker.not_before;
            if late && ground.policy.tolerates(Tolerance::MakerCertificateLate) {
                deviates(report, Tolerance::MakerCertificateLate, ground);
            } else {
                let detail = format!("the maker's certificate had not begun when the seal was made, {created}");
                report.add(Finding::new(Case::MakerNotYetValid, "maker-certificate-not-yet-valid", detail));
            }
        }
    }
}

/// What time stamps prove of a seal that its maker made: its own, which version 5 has, and those of the evidence over the
/// octets of the maker's value, as the time stamp of a signature is over the signer's (recollection: GM/T 0031-2025 was not
/// at hand). It is a proof of existence of the maker's signature (EN 319 102-1 5.4).
pub(in crate::domain::verify) fn prove_seal(
    report: &mut SignatureReport,
    (seal, maker): (&SesSeal<'_>, &Certificate<'_>),
    ground: &Ground<'_>,
    budget: &mut Budget,
) -> Option<ProvedTime> {
    let mut proof = own_proof(report, (seal, maker), ground, budget);
    for token in ground.evidence.tokens_over(seal.signed_value) {
        if let Ok(found) = prove_parsed(token, seal.signed_value, ground, budget)
            && proof.as_ref().is_none_or(|known| found.at < known.at)
        {
            proof = Some(found);
        }
    }
    report.details.seal_proved_time = proof.as_ref().map(|proof| proof.at);
    proof
}

/// What the seal's own time stamp proves, and what the axis seal says of it.
fn own_proof(
    report: &mut SignatureReport,
    (seal, maker): (&SesSeal<'_>, &Certificate<'_>),
    ground: &Ground<'_>,
    budget: &mut Budget,
) -> Option<ProvedTime> {
    let demanded = ground.policy.seal_time_stamp == SealTimeStamp::Refuse;
    let Some(time_stamp) = seal.time_stamp else {
        if demanded && seal.layout == Layout::V5 {
            let detail = "the seal is of version 5 and has no time stamp of its own, which the policy demands";
            tell(report, Status::Unknown, "seal-time-stamp-missing", detail);
            report.add(Finding::new(Case::TimeStamp, "seal-time-stamp-missing", detail));
        }
        return None;
    };
    match prove(token_in(time_stamp, report, ground), seal.signed_value, ground, budget) {
        Ok(proof) => {
            report.seal.detail.push_str(&format!("; it existed at {}, by {}", proof.at, proof.authority));
            report.seal.evidence.push(format!("time stamp {}", proof.at));
            in_order(report, (seal, maker), &proof, ground);
            Some(proof)
        }
        Err(unproved) => {
            unproved.report(report, "the seal");
            let status = if unproved.is_wrong { Status::Failed } else { Status::Warning };
            let detail = format!("its time stamp proves nothing: {}", unproved.detail);
            tell(report, status, unproved.code, &detail);
            if demanded && !unproved.is_wrong {
                report.add(Finding::new(Case::TimeStamp, unproved.code, format!("the seal: {detail}")));
            }
            None
        }
    }
}

/// A seal existed before no moment at which its maker says it was made, nor before its maker's certificate: clocks may
/// differ by as much as the policy allows. A certificate that begins behind createDate is judged by that alone.
fn in_order(
    report: &mut SignatureReport,
    (seal, maker): (&SesSeal<'_>, &Certificate<'_>),
    proof: &ProvedTime,
    ground: &Ground<'_>,
) {
    let latest = proof.at.unix().saturating_add(ground.policy.future_seconds);
    let existed = format!("when the seal existed by {}", proof.authority);
    if seal.created.unix() > latest {
        let detail = format!("the seal's createDate {} lies after {}, {existed}", seal.created, proof.at);
        tell(report, Status::Unknown, "seal-created-after-time-stamp", &detail);
        report.add(Finding::new(Case::TimeOrder, "seal-created-after-time-stamp", detail));
    }
    if maker.not_before.unix() > latest && seal.created >= maker.not_before {
        let detail = format!("the maker's certificate begins at {}, after {}, {existed}", maker.not_before, proof.at);
        tell(report, Status::Failed, "seal-time-stamp-before-certificate", &detail);
        report.add(Finding::new(Case::MakerNotYetValid, "seal-time-stamp-before-certificate", detail));
    }
}

/// Says on the axis seal what became of the time stamp, where nothing worse stands there.
fn tell(report: &mut SignatureReport, status: Status, code: &str, detail: &str) {
    if report.seal.status == Status::Failed {
        return;
    }
    let evidence = std::mem::take(&mut report.seal.evidence);
    let detail = format!("{}; {detail}", report.seal.detail);
    report.seal = Axis::new(status, code, detail).with(evidence);
}
