//! Judging a seal signature of GB/T 38540-2020 (version 4), in the order of its clause 7 as paraphrased by open
//! verifiers: value → signer in the seal's list → the seal → the signer's certificate → times → data hash → time stamp.

use crate::base::clock::Timestamp;
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::crypto::digest::{digest, hex, sm3};
use crate::domain::trust::{Budget, CheckedValue, ValueEncoding, check_value, public_key};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::policy::Tolerance;
use crate::domain::verify::report::{Axis, Body, Refusal, SealSummary, SignatureReport, Status, Validity, Warning};
use crate::domain::verify::signer::{
    Role, SignerQuestion, SigningTime, Wanted, judge_chains, judge_time, outside, summary,
};
use crate::domain::verify::{FileFormat, Ground, is_supported};
use crate::format::der::ObjectIdentifier;
use crate::format::ses::{CertificateList, Kind, SesSeal, SesSignature, recognise};
use crate::format::x509::Certificate;

/// Proof that a signature value is right: only this module makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureVerified {
    algorithm: SignatureAlgorithm,
    encoding: ValueEncoding,
}

/// Where a signature value was found.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What dataHash digests: Signature.xml, or the document of a detached signature.
    pub original: &'a [u8],
    /// Absolute path of Signature.xml, where there is a package.
    pub path: Option<&'a str>,
    /// Seal.esl: `None` no package, `Some(None)` no Seal element, `Some(Some(bytes))` the file; absent files are the
    /// caller's finding.
    pub seal_file: Option<Option<&'a [u8]>>,
}

/// A seal signature value in a file of its own, its Signature.xml given as `--original`.
#[derive(Debug, Clone, Copy)]
pub struct DetachedSes;

impl FileFormat for DetachedSes {
    fn name(&self) -> &'static str {
        "ses"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        recognise(bytes) != Kind::Unknown
    }

    fn verify(&self, bytes: &[u8], original: Option<&[u8]>, ground: &Ground<'_>) -> Result<Body, Refusal> {
        let kind = recognise(bytes);
        let mut report = SignatureReport::blank("detached", kind.name());
        let mut warnings = Vec::new();
        if !is_supported(kind) {
            unsupported(&mut report, kind);
        } else if let Some(original) = original {
            let place = Place { original, path: None, seal_file: None };
            let mut budget = Budget::new(ground.limits);
            judge(&mut report, bytes, &place, ground, &mut budget, &mut warnings);
            report.coverage = Axis::new(Status::NotApplicable, "detached", "a detached signature shows nothing");
        } else {
            return Err(Refusal {
                code: "original-missing",
                clause: "product 1",
                detail: "a detached seal signature needs the document that it signs: --original FILE".to_owned(),
                part: None,
            });
        }
        Ok(Body { signatures: vec![report], warnings, coverage: None, shown: None })
    }
}

/// Answers for a kind that this version does not judge: never passed.
pub fn unsupported(report: &mut SignatureReport, kind: Kind) {
    let detail = format!("signatures of kind {} are not judged by this version", kind.name());
    report.add(Finding::new(Case::UnsupportedKind, "unsupported-kind", detail));
}

/// Judges one signature value of version 4 into the report: every axis but coverage, and `intact` only as far as
/// dataHash goes.
pub fn judge(
    report: &mut SignatureReport,
    value: &[u8],
    place: &Place<'_>,
    ground: &Ground<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) {
    let signature = match SesSignature::parse(value) {
        Ok(signature) => signature,
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            let detail = format!("{error} ({}){source}", error.clause());
            report.signature = Axis::new(Status::Failed, "signature-malformed", detail.clone());
            report.add(Finding::new(Case::Format, "signature-malformed", detail));
            return;
        }
    };
    let mut judging = Judging { report, ground, signature: &signature, place };
    for deviation in &signature.deviations {
        judging.deviates((*deviation).into());
    }
    judging.binding();
    judging.data_hash();
    let signer = judging.certificate("signer", signature.certificate);
    let maker = judging.certificate("maker", signature.seal.maker_certificate);
    let verified = signer.as_ref().and_then(|signer| judging.value(signer));
    let made = judging.seal(maker.as_ref());
    judging.times(signer.as_ref(), maker.as_ref());
    if let (Some(signer), Some(maker)) = (&signer, &maker) {
        judging.chains((signer, verified), (maker, made), budget, warnings);
    }
    report.details.tolerances.sort_unstable();
    report.details.tolerances.dedup();
}

struct Judging<'j, 'a> {
    report: &'j mut SignatureReport,
    ground: &'j Ground<'j>,
    signature: &'j SesSignature<'a>,
    place: &'j Place<'j>,
}

impl Judging<'_, '_> {
    fn find(&mut self, case: Case, code: &str, detail: impl Into<String>) {
        self.report.add(Finding::new(case, code, detail));
    }

    /// Notes a deviation; a finding where the policy does not tolerate it.
    fn deviates(&mut self, tolerance: Tolerance) {
        deviates(self.report, tolerance, self.ground);
    }

    /// Version, propertyInfo and Seal.esl bind the value to this place in this package.
    fn binding(&mut self) {
        let (signature, place) = (self.signature, self.place);
        if signature.version != signature.seal.version {
            let detail =
                format!("the signature has version {}, its seal {}", signature.version, signature.seal.version);
            self.find(Case::Format, "version-differs", detail);
        }
        if let Some(path) = place.path {
            let named = signature.property_info;
            let same = named.trim_start_matches('/') == path.trim_start_matches('/');
            let looks_like_path = named.contains('/') || named.to_ascii_lowercase().ends_with(".xml");
            let status = match (same, looks_like_path) {
                (true, _) => Status::Ok,
                (false, true) => Status::Failed,
                (false, false) => Status::Unknown,
            };
            self.report.details.property_info = Some(status);
            if status == Status::Failed {
                let detail = format!("propertyInfo names {named}, the signature lies at {path}");
                self.find(Case::Format, "property-info-differs", detail);
            }
        }
        self.report.details.seal_file = match place.seal_file {
            None => self.report.details.seal_file,
            Some(None) => self.report.details.seal_file.or(Some("none")),
            Some(Some(bytes)) if bytes == signature.seal.raw => Some("same"),
            Some(Some(_)) => {
                self.find(Case::Format, "seal-file-differs", "the seal file differs from the seal that was signed");
                Some("differs")
            }
        };
    }

    /// dataHash is the digest of the original, by the digest of the signature algorithm (GB/T 38540-2020 7).
    fn data_hash(&mut self) {
        let expected = SignatureAlgorithm::from_oid(self.signature.signature_algorithm).map(SignatureAlgorithm::digest);
        let order = [expected, Some(DigestAlgorithm::Sm3), Some(DigestAlgorithm::Sha256)];
        let matches = |algorithm: &DigestAlgorithm| digest(*algorithm, self.place.original) == self.signature.data_hash;
        let found = order.into_iter().flatten().find(matches);
        self.report.details.data_hash_algorithm = found.map(DigestAlgorithm::name);
        let status = if found.is_some() { Status::Ok } else { Status::Failed };
        self.report.details.data_hash = Some(status);
        if found.is_none() {
            self.find(Case::Hash, "data-hash-wrong", "dataHash is not the digest of Signature.xml as it is here");
        } else if found != expected && expected.is_some() {
            self.deviates(Tolerance::DataHashNotOfSignatureAlgorithm);
        }
        self.report.intact = match found {
            Some(algorithm) => {
                let detail = format!("dataHash is the {} of the signed description", algorithm.name());
                Axis::new(Status::Ok, "ok", detail).with(vec![hex(self.signature.data_hash)])
            }
            None => Axis::new(Status::Failed, "data-hash-wrong", "the signed description was changed"),
        };
    }

    fn certificate<'c>(&mut self, whose: &str, der: &'c [u8]) -> Option<Certificate<'c>> {
        match Certificate::parse(der) {
            Ok(certificate) => {
                let summary = Some(summary(&certificate));
                if whose == "signer" {
                    self.report.signer = summary
                } else {
                    self.report.maker = summary
                }
                Some(certificate)
            }
            Err(error) => {
                let code = format!("{whose}-certificate-malformed");
                self.find(Case::Format, &code, format!("the {whose}'s certificate cannot be read: {error}"));
                None
            }
        }
    }

    /// The signer's value over toSign, exactly as it arrived.
    fn value(&mut self, signer: &Certificate<'_>) -> Option<SignatureVerified> {
        let signature = self.signature;
        let checked = check_value(
            &signer.public_key,
            signature.signature_algorithm,
            (signature.tbs, signature.signature),
            self.ground.tables,
        );
        let evidence = vec![format!("toSign sm3 {}", hex(&sm3(signature.tbs)))];
        match checked {
            CheckedValue::Right { algorithm, encoding } => {
                self.report.details.encoding = encoding.name();
                if encoding == ValueEncoding::Raw {
                    self.deviates(Tolerance::RawRs);
                }
                let id = if algorithm == SignatureAlgorithm::Sm2Sm3 { ", signer ID 1234567812345678" } else { "" };
                let detail = format!("the value is right ({}{id})", algorithm.name());
                self.report.signature = Axis::new(Status::Ok, "ok", detail).with(evidence);
                Some(SignatureVerified { algorithm, encoding })
            }
            CheckedValue::Wrong { encoding } => {
                self.report.details.encoding = encoding.and_then(ValueEncoding::name);
                let detail = "the signature value is not the signer's over what was signed";
                self.report.signature = Axis::new(Status::Failed, "signature-wrong", detail).with(evidence);
                self.find(Case::SignatureValue, "signature-wrong", detail);
                None
            }
            CheckedValue::Unsupported => {
                let (case, code, detail) = refused_algorithm(signer, signature.signature_algorithm);
                let status = if case == Case::Format { Status::Failed } else { Status::Unknown };
                self.report.signature = Axis::new(status, code, detail.clone());
                self.report.algorithm = Axis::new(Status::Failed, code, detail.clone());
                self.find(case, code, detail);
                None
            }
        }
    }

    /// The seal inside: maker's value over eSealInfo, the signer in its list. Gives the algorithm of a right value.
    fn seal(&mut self, maker: Option<&Certificate<'_>>) -> Option<SignatureAlgorithm> {
        let seal = &self.signature.seal;
        self.report.seal_summary = Some(SealSummary {
            es_id: seal.es_id.to_owned(),
            name: seal.name.to_owned(),
            created: seal.created,
            valid_from: seal.valid_start,
            valid_to: seal.valid_end,
            width: seal.width,
            height: seal.height,
        });
        let evidence = vec![format!("eSealInfo sm3 {}", hex(&sm3(seal.info))), format!("esID {}", seal.es_id)];
        let mut axis = Axis::new(Status::Ok, "ok", "made by its maker, and the signer is in its list").with(evidence);
        let mut worsen = |status, code: &str, detail: &str| {
            if axis.status == Status::Ok {
                (axis.status, axis.code, axis.detail) = (status, code.to_owned(), detail.to_owned());
            }
        };
        let checked = maker.map(|maker| {
            (
                maker,
                check_value(
                    &maker.public_key,
                    seal.signature_algorithm,
                    (seal.info, seal.signed_value),
                    self.ground.tables,
                ),
            )
        });
        let mut made = None;
        match checked {
            Some((_, CheckedValue::Right { algorithm, encoding })) => {
                made = Some(algorithm);
                self.report.details.seal_signature = Some(Status::Ok);
                self.report.details.seal_signature_encoding = encoding.name();
                if encoding == ValueEncoding::Raw {
                    deviates(self.report, Tolerance::RawRs, self.ground);
                }
            }
            Some((_, CheckedValue::Wrong { encoding })) => {
                self.report.details.seal_signature = Some(Status::Failed);
                self.report.details.seal_signature_encoding = encoding.and_then(ValueEncoding::name);
                let detail = "the maker's signature on the seal is wrong";
                worsen(Status::Failed, "seal-signature-wrong", detail);
                self.report.add(Finding::new(Case::SignatureValue, "seal-signature-wrong", detail));
            }
            Some((maker, CheckedValue::Unsupported)) => {
                self.report.details.seal_signature = Some(Status::Unknown);
                let (case, code, detail) = refused_algorithm(maker, seal.signature_algorithm);
                worsen(Status::Unknown, code, &detail);
                self.report.add(Finding::new(case, code, format!("the seal: {detail}")));
            }
            None => worsen(Status::Unknown, "maker-certificate-malformed", "the maker's certificate cannot be read"),
        }
        let listed = is_listed(seal, self.signature.certificate);
        self.report.details.signer_in_list = Some(listed);
        if !listed {
            let detail = "the signer's certificate is not in the seal's list: another key, or a renewed certificate \
                          for which the seal was not made again";
            worsen(Status::Failed, "signer-not-listed", detail);
            self.report.add(Finding::new(Case::Format, "signer-not-listed", detail));
        }
        self.report.seal = axis;
        made
    }

    /// Claimed time against signer, seal and now; the maker against the seal's createDate.
    fn times(&mut self, signer: Option<&Certificate<'_>>, maker: Option<&Certificate<'_>>) {
        let (claimed, seal, now) = (self.signature.time, &self.signature.seal, self.ground.now);
        let of_seal = Validity::of(claimed, seal.valid_start, seal.valid_end);
        let details = &mut self.report.details;
        details.claimed_time = Some(claimed);
        details.claimed_time_raw = Some(self.signature.time_text.to_owned());
        details.seal_validity_at_signing = Some(of_seal);
        details.seal_valid_now = Some(Validity::of(now, seal.valid_start, seal.valid_end) == Validity::Ok);
        details.time_stamp = Some(if self.signature.time_stamp.is_some() { "present" } else { "none" });
        self.report.time = Axis::new(Status::Ok, "claimed", format!("claimed by the signer: {claimed}; not proved"));
        outside(self.report, of_seal, claimed, "seal", "the seal");
        let of_seal = self.report.time.clone();
        if let Some(signer) = signer {
            let question = self.question(Role::Signer, signer, claimed, None);
            judge_time(self.report, &question, self.ground);
        }
        if self.signature.time_stamp.is_some() && self.report.time.status == Status::Ok {
            let detail = format!("claimed by the signer: {claimed}; a time stamp is there and was not judged");
            self.report.time = Axis::new(Status::Unknown, "time-stamp-not-checked", detail);
        }
        if of_seal.status == Status::Failed && self.report.time.status != Status::Failed {
            self.report.time = of_seal;
        }
        if let Some(maker) = maker {
            self.maker_time(maker);
        }
    }

    fn question<'q>(
        &self,
        role: Role,
        certificate: &'q Certificate<'q>,
        claimed: Timestamp,
        algorithm: Option<SignatureAlgorithm>,
    ) -> SignerQuestion<'q> {
        let at = SigningTime { claimed: Some(claimed), proved: None };
        SignerQuestion { role, certificate, embedded: &[], at, wanted: Wanted::Signing, algorithm }
    }

    /// A maker is judged at the making of the seal: genuine seals outlive their maker's certificate.
    fn maker_time(&mut self, maker: &Certificate<'_>) {
        let created = self.signature.seal.created;
        let validity = Validity::of(created, maker.not_before, maker.not_after);
        self.report.details.maker_validity_at_create_date = Some(validity);
        match validity {
            Validity::Ok => {}
            Validity::Expired => {
                let detail = format!("the maker's certificate had ended when the seal was made, {created}");
                self.find(Case::MakerExpired, "maker-certificate-expired", detail);
            }
            Validity::NotYetValid => {
                let slack = created.plus_days(self.ground.policy.maker_late_days);
                let late = slack >= maker.not_before;
                if late && self.ground.policy.tolerates(Tolerance::MakerCertificateLate) {
                    self.deviates(Tolerance::MakerCertificateLate);
                } else {
                    let detail = format!("the maker's certificate had not begun when the seal was made, {created}");
                    self.find(Case::MakerNotYetValid, "maker-certificate-not-yet-valid", detail);
                }
            }
        }
    }

    /// The signer at the claimed time, the maker at the seal's createDate. The making of the seal is judged no earlier
    /// than the maker's certificate, for the tolerance `maker-certificate-late`.
    fn chains(
        &mut self,
        (signer, verified): (&Certificate<'_>, Option<SignatureVerified>),
        (maker, made): (&Certificate<'_>, Option<SignatureAlgorithm>),
        budget: &mut Budget,
        warnings: &mut Vec<Warning>,
    ) {
        let created = self.signature.seal.created.max(maker.not_before);
        let algorithm = verified.map(|verified| verified.algorithm);
        let questions = [
            self.question(Role::Signer, signer, self.signature.time, algorithm),
            self.question(Role::Maker, maker, created, made),
        ];
        judge_chains(self.report, &questions, self.ground, budget, warnings);
        let encoding = verified.and_then(|verified| verified.encoding.name());
        if let (Status::Ok, Some(name)) = (self.report.algorithm.status, encoding) {
            self.report.algorithm.detail.push_str(&format!(", value in {name}"));
        }
    }
}

/// Notes a deviation; a finding where the policy does not tolerate it.
pub(in crate::domain::verify) fn deviates(report: &mut SignatureReport, tolerance: Tolerance, ground: &Ground<'_>) {
    let name = tolerance.name();
    if report.details.tolerances.contains(&name) {
        return;
    }
    report.details.tolerances.push(name);
    if !ground.policy.tolerates(tolerance) {
        let detail = format!(
            "the file departs from the standard ({name}) and policy {} does not tolerate it",
            ground.policy.name
        );
        report.add(Finding::new(Case::ToleranceOff, format!("tolerance-off:{name}"), detail));
    }
}

/// Type 1: byte-equal certificate; type 2: digest of the whole DER, SM3 first (GB/T 38540-2020 6, as read by open
/// implementations; the structure does not state the digest).
fn is_listed(seal: &SesSeal<'_>, certificate: &[u8]) -> bool {
    match &seal.certificates {
        CertificateList::Certificates(all) => all.contains(&certificate),
        CertificateList::Digests(all) => all.iter().any(|listed| {
            [DigestAlgorithm::Sm3, DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512]
                .into_iter()
                .filter(|algorithm| algorithm.size() == listed.value.len())
                .any(|algorithm| digest(algorithm, certificate) == listed.value)
        }),
    }
}

/// Tells an algorithm that is not ours from one that contradicts the certificate's key.
fn refused_algorithm(certificate: &Certificate<'_>, algorithm: ObjectIdentifier) -> (Case, &'static str, String) {
    if public_key(&certificate.public_key).is_some() && SignatureAlgorithm::from_oid(algorithm).is_some() {
        let detail = format!("the algorithm {algorithm} does not belong to the certificate's key");
        (Case::Format, "algorithm-not-of-key", detail)
    } else {
        (
            Case::Algorithm,
            "algorithm-not-accepted",
            format!("the algorithm {algorithm} or the kind of key is not accepted"),
        )
    }
}

/// Whether a SignatureDateTime ends in `Z` and lies 8 hours ahead of the signed time: Beijing time in disguise.
#[must_use]
pub(in crate::domain::verify) fn is_local_time_marked_z(text: &str, claimed: Timestamp) -> bool {
    let Some(bare) = text.strip_suffix('Z') else { return false };
    let digits: String = bare.split('.').next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    let moment = crate::format::der::time::generalized(format!("{digits}Z").as_bytes());
    moment.is_some_and(|moment| moment.unix() - claimed.unix() == 8 * 3600)
}
