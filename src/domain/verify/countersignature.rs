//! Judging countersignatures (RFC 5652 11.4): signatures over the value of another, each with a report of its own.

use crate::domain::trust::{Budget, SignedDataError, find_signer_certificate, verify_countersigner};
use crate::domain::verify::cms::{
    Messages, Place, StandsFor, claimed_time, kind, no_certificate, no_seal, right, unproved, wrong,
};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::logged::{Thing, judge_logged};
use crate::domain::verify::report::{Axis, Body, SignatureReport, Status, Warning};
use crate::domain::verify::signer::{Role, SignerQuestion, SigningTime, Wanted, judge_signer};
use crate::domain::verify::time_stamp;
use crate::format::cms::SignerInfo;
use crate::format::x509::Certificate;

impl<'a> Messages<'_, 'a> {
    /// Judges the countersignatures on one signer's value, each into a report of its own.
    pub(in crate::domain::verify) fn countersignatures(
        &self,
        (index, signer): (usize, &SignerInfo<'a>),
        body: &mut Body,
        budget: &mut Budget,
    ) {
        let of = index.saturating_add(1);
        for (place, found) in signer.countersignatures().enumerate() {
            if body.signatures.len() >= self.ground.limits.signatures {
                return not_judged(&mut body.warnings);
            }
            let name = format!("{of}.{}", place.saturating_add(1));
            let mut report = SignatureReport::blank(&name, kind(self.message).name());
            report.seal = no_seal();
            let detail = "a countersignature is over the value of another signature, and shows nothing";
            report.coverage = Axis::new(Status::NotApplicable, "countersignature", detail);
            match found {
                Ok(counter) => self.countersignature(&mut report, &counter, signer.signature, body, budget),
                Err(error) => {
                    report.signature = Axis::new(Status::Failed, error.code(), error.to_string());
                    report.add(Finding::new(Case::Format, error.code(), error.to_string()));
                }
            }
            body.signatures.push(report);
        }
    }

    fn countersignature(
        &self,
        report: &mut SignatureReport,
        counter: &SignerInfo<'a>,
        over: &[u8],
        body: &mut Body,
        budget: &mut Budget,
    ) {
        let ground = self.ground;
        let known = ground.known_certificates();
        let embedded: Vec<Certificate<'a>> =
            self.message.x509_certificates().filter_map(|der| Certificate::parse(der).ok()).collect();
        let candidates = self.message.x509_certificates().chain(known.iter().copied());
        let certificate = match find_signer_certificate(counter, candidates) {
            Ok(certificate) => certificate,
            Err(error) => return no_certificate(report, error.code(), error.to_string()),
        };
        let algorithm = match verify_countersigner(counter, over, &certificate, &ground.remembered.tables) {
            Ok(verified) => {
                right(report, verified.algorithm(), verified.encoding(), verified.certificate_named(), ground);
                report.details.data_hash = Some(Status::Ok);
                report.details.data_hash_algorithm = Some(verified.digest().name());
                report.intact = Axis::new(Status::Ok, "ok", "the value is over the value of the other signature");
                Some(verified.algorithm())
            }
            Err(error) => {
                wrong(report, &error, &certificate);
                if error == SignedDataError::DigestMismatch {
                    report.details.data_hash = Some(Status::Failed);
                    report.intact = Axis::new(Status::Failed, error.code(), error.to_string());
                }
                None
            }
        };
        let has_stamp = counter.time_stamps().next().is_some();
        report.details.time_stamp = Some(if has_stamp { "present" } else { "none" });
        let (proof, why) = time_stamp::earliest(counter.time_stamps(), counter.signature, ground, budget);
        let proof = proof.filter(|_| algorithm.is_some());
        report.details.proved_time = proof.as_ref().map(|proof| proof.at);
        let nowhere = Place { original: None, stands_for: StandsFor::Itself, date_time: None };
        let question = SignerQuestion {
            role: Role::Signer,
            certificate: &certificate,
            embedded: &embedded,
            at: SigningTime { claimed: claimed_time(report, counter, &nowhere, &certificate), proved: proof.as_ref() },
            wanted: Wanted::Signing,
            algorithm,
        };
        judge_signer(report, &question, ground, budget, &mut body.warnings);
        unproved(report, why.as_ref().filter(|_| proof.is_none()), &mut body.warnings);
        report.details.tolerances.sort_unstable();
        report.details.tolerances.dedup();
        judge_logged(report, (Thing::Signature, counter.signature, None), ground, &mut body.warnings);
        if counter.countersignatures().next().is_some() {
            not_judged(&mut body.warnings);
        }
    }
}

/// Countersignatures that are there and were not looked at.
pub(in crate::domain::verify) fn not_judged(warnings: &mut Vec<Warning>) {
    if warnings.iter().all(|warning| warning.code != "countersignature-not-judged") {
        let detail = "a countersignature is there and was not judged".to_owned();
        warnings.push(Warning { code: "countersignature-not-judged", part: None, detail });
    }
}
