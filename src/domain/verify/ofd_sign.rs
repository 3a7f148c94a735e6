//! Judging the signature values of OFD signatures of type Sign: GB/T 35275 or PKCS#7 in its three forms, and a bare
//! value without structure.
//!
//! The forms, as genuine files and open writers have them: the content is the digest of Signature.xml; the content is
//! that digest in Base64 (tolerance `gbt35275-base64-content`); the content is left out and the signed attributes hold
//! the digest. A bare value names nobody: it is tried with the certificates at hand.

use crate::domain::trust::{Budget, ContentDigests};
use crate::domain::verify::carried::Carried;
use crate::domain::verify::cms::{Messages, Place as MessagePlace, StandsFor};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::report::{Axis, SignatureReport, Status, Warning};
use crate::domain::verify::{Ground, Original, cms, countersignature, raw};
use crate::format::cms::SignedData;
use crate::format::ses::{Kind, recognise};

/// Where a signature value was found.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Signature.xml, as it stands in the package.
    pub original: &'a [u8],
    /// Its SignatureDateTime, where it has one.
    pub date_time: Option<&'a str>,
}

/// Judges one signature value into the report: every axis but coverage, and `intact` only as far as Signature.xml goes.
pub fn judge(
    report: &mut SignatureReport,
    value: &[u8],
    place: &Place<'_>,
    ground: &Ground<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) {
    if recognise(value) == Kind::Raw {
        report.seal = cms::no_seal();
        raw::judge_described(report, value, place, ground, budget, warnings);
        return;
    }
    let malformed = |report: &mut SignatureReport, code: &str, detail: String| {
        report.signature = Axis::new(Status::Failed, code, detail.clone());
        report.add(Finding::new(Case::Format, code, detail));
    };
    let message = match SignedData::parse(value) {
        Ok(message) => message,
        Err(error) => return malformed(report, "signature-malformed", error.to_string()),
    };
    let [signer] = message.signers.as_slice() else {
        let detail = format!("the signature value has {} signers, not one", message.signers.len());
        return malformed(report, "not-one-signer", detail);
    };
    let (original, stands_for) = (Some(Original::Bytes(place.original)), StandsFor::ItselfOrItsOriginal);
    let within = MessagePlace { original, stands_for, date_time: place.date_time };
    let carried = Carried::by(&message);
    let evidence = carried.beside(ground, warnings);
    let ground = &Ground { evidence: &evidence, ..*ground };
    let mut judging = Messages { message: &message, ground, digests: ContentDigests::default() };
    judging.judge(report, signer, &within, budget, warnings);
    if signer.countersignatures().next().is_some() {
        countersignature::not_judged(warnings);
    }
}
