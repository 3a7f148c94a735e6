//! Judging a seal signature of GM/T 0031-2014 (version 1), GB/T 38540-2020 (version 4) or GM/T 0031-2025 (version 5), in the
//! order of clause 7 of the second as paraphrased by open verifiers: value → signer in the seal's list → the seal → the
//! signer's certificate → times → data hash → time stamp.

use crate::base::clock::Timestamp;
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::crypto::digest::{digest, hex};
use crate::crypto::{PublicKey, sm2};
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::trust::{Budget, CheckedValue, ValueEncoding, check_digested, public_key};
use crate::domain::verify::carried::Carried;
use crate::domain::verify::event::{Signed, is_event, judge_event, misused};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::logged::{Thing, judge_logged, may_prove, proved_by_log};
use crate::domain::verify::policy::Tolerance;
use crate::domain::verify::proof::{Unproved, prove, prove_parsed, token_in};
use crate::domain::verify::report::{Axis, Body, Refusal, SignatureReport, Status, Validity, Warning};
use crate::domain::verify::seal::{judge_made, judge_making, prove_seal};
use crate::domain::verify::sealed::{Sealed, SealedDigests};
use crate::domain::verify::signer::{
    ProvedTime, Role, SignerQuestion, SigningTime, Wanted, judge_chains, judge_time, logs_of, outside, summary,
};
use crate::domain::verify::{FileFormat, Ground, Original, is_supported};
use crate::format::der::{self, ObjectIdentifier};
use crate::format::ses::{self, CertificateList, Kind, SesSeal, SesSignature, recognise};
use crate::format::x509::Certificate;

/// Proof that a signature value is right: only this module makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureVerified {
    algorithm: SignatureAlgorithm,
    encoding: ValueEncoding,
}

/// Where a signature value was found.
#[derive(Debug, Clone, Copy)]
pub(in crate::domain::verify) struct Place<'a> {
    /// What dataHash digests: Signature.xml, or the document of a detached signature.
    pub(in crate::domain::verify) original: &'a [u8],
    /// Absolute path of Signature.xml, where there is a package.
    pub(in crate::domain::verify) path: Option<&'a str>,
    /// Seal.esl: `None` no package, `Some(None)` no Seal element, `Some(Some(bytes))` the file; absent files are the
    /// caller's finding.
    pub(in crate::domain::verify) seal_file: Option<Option<&'a [u8]>>,
    /// Those of this value over this original.
    pub(in crate::domain::verify) digests: &'a SealedDigests,
}

/// A seal signature value in a file of its own, its Signature.xml given as `--original`.
#[derive(Debug, Clone, Copy)]
pub struct DetachedSes;

impl FileFormat for DetachedSes {
    fn name(&self) -> &'static str {
        "ses"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        matches!(recognise(bytes), Kind::SesV1 | Kind::SesV4 | Kind::SesV5 | Kind::SesHybrid)
    }

    fn verify(&self, bytes: &[u8], original: Option<Original<'_>>, ground: &Ground<'_>) -> Result<Body, Refusal> {
        let kind = recognise(bytes);
        let mut report = SignatureReport::blank("detached", kind.name());
        let mut warnings = Vec::new();
        if !is_supported(kind) {
            unsupported(&mut report, kind);
        } else if let Some(original) = original.and_then(Original::bytes) {
            match Sealed::read(bytes) {
                Ok(sealed) => {
                    let digests = sealed.digests(original);
                    let place = Place { original, path: None, seal_file: None, digests: &digests };
                    let mut budget = Budget::new(ground.limits);
                    judge(&mut report, &sealed, &place, ground, &mut budget, &mut warnings);
                }
                Err(error) => malformed(&mut report, &error),
            }
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

/// Judges one seal signature of any version into the report: every axis but coverage, and `intact` only as far as
/// dataHash goes.
pub(in crate::domain::verify) fn judge(
    report: &mut SignatureReport,
    sealed: &Sealed<'_>,
    place: &Place<'_>,
    ground: &Ground<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) {
    let signature = &sealed.signature;
    let carried = Carried::by_tokens([signature.time_stamp, signature.seal.time_stamp]);
    let evidence = carried.beside(ground, warnings);
    let ground = &Ground { evidence: &evidence, ..*ground };
    let mut judging = Judging { report, ground, signature, place };
    for deviation in &signature.deviations {
        judging.deviates((*deviation).into());
    }
    judging.binding();
    let signer = judging.certificate("signer", &sealed.signer);
    let maker = judging.certificate("maker", &sealed.maker);
    judging.data_hash(signer);
    let verified = signer.and_then(|signer| judging.value(signer));
    let made = judging.seal(maker);
    judging.event(signer, maker);
    let mut proofs = judging.proofs(verified.is_some(), maker.filter(|_| made.is_some()), budget);
    judging.logged(&mut proofs, sealed.value, (signer, verified.is_some(), made.is_some()), budget);
    judging.times(signer, &proofs);
    if let Some(maker) = maker {
        judge_making(judging.report, &signature.seal, maker, ground);
    }
    if let (Some(signer), Some(maker)) = (signer, maker) {
        judging.chains((signer, verified), (maker, made), &proofs, budget, warnings);
    }
    report.details.tolerances.sort_unstable();
    report.details.tolerances.dedup();
    judge_logged(report, (Thing::Signature, sealed.value, Some(signature.seal.raw)), ground, warnings);
}

/// A value, or a seal, that is not of the structure.
pub(in crate::domain::verify) fn malformed(report: &mut SignatureReport, error: &ses::Error) {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    let detail = format!("{error} ({}){source}", error.clause());
    report.signature = Axis::new(Status::Failed, "signature-malformed", detail.clone());
    report.add(Finding::new(Case::Format, "signature-malformed", detail));
}

/// What time stamps prove of a signature and of the seal in it.
#[derive(Debug, Default)]
struct Proofs {
    signature: Option<ProvedTime>,
    /// The earlier one: whoever proves the signature proves the seal that it signs.
    seal: Option<ProvedTime>,
    /// Why the signature's own time stamp proves nothing.
    unproved: Option<Unproved>,
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
    fn data_hash(&mut self, signer: Option<&Certificate<'_>>) {
        let expected = SignatureAlgorithm::from_oid(self.signature.signature_algorithm).map(SignatureAlgorithm::digest);
        let order = [expected, Some(DigestAlgorithm::Sm3), Some(DigestAlgorithm::Sha256)];
        let matches = |algorithm: &DigestAlgorithm| match algorithm {
            DigestAlgorithm::Sm3 => self.place.digests.original == self.signature.data_hash,
            other => digest(*other, self.place.original) == self.signature.data_hash,
        };
        let plain = order.into_iter().flatten().find(matches);
        let found = plain.or_else(|| {
            let with_z = signer.is_some_and(|signer| self.is_digest_with_z(signer));
            with_z.then(|| {
                self.deviates(Tolerance::DataHashWithZ);
                DigestAlgorithm::Sm3
            })
        });
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

    /// SM3 with the signer's Z before it, as signatures have it and digests do not.
    fn is_digest_with_z(&self, signer: &Certificate<'_>) -> bool {
        let Some(PublicKey::Sm2(key)) = public_key(&signer.public_key) else { return false };
        let digest = key.digest(sm2::DEFAULT_ID, self.place.original);
        digest.is_ok_and(|digest| digest == self.signature.data_hash)
    }

    fn certificate<'c, 'd>(
        &mut self,
        whose: &str,
        read: &'c Result<Certificate<'d>, der::Error>,
    ) -> Option<&'c Certificate<'d>> {
        match read {
            Ok(certificate) => {
                let summary = Some(summary(certificate));
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
        let checked = check_digested(
            &signer.public_key,
            signature.signature_algorithm,
            self.place.digests.signed.as_ref(),
            (signature.tbs, signature.signature),
            &self.ground.remembered.tables,
        );
        let evidence = vec![format!("toSign sm3 {}", hex(&self.place.digests.to_sign))];
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

    /// The seal inside: made by its maker, the signer in its list. Gives the algorithm of a right value.
    fn seal(&mut self, maker: Option<&Certificate<'_>>) -> Option<SignatureAlgorithm> {
        let seal = &self.signature.seal;
        let (mut axis, made) = judge_made(self.report, seal, maker, &self.place.digests.seal, self.ground);
        let listed = is_listed(seal, self.signature.certificate);
        self.report.details.signer_in_list = Some(listed);
        if !listed {
            let detail = "the signer's certificate is not in the seal's list: another key, or a renewed certificate \
                          for which the seal was not made again";
            if axis.status == Status::Ok {
                axis = Axis::new(Status::Failed, "signer-not-listed", detail).with(axis.evidence);
            }
            self.report.add(Finding::new(Case::Format, "signer-not-listed", detail));
        } else if axis.status == Status::Ok {
            axis.detail.push_str(", and the signer is in its list");
        }
        self.report.seal = axis;
        made
    }

    /// A signer's certificate for one transaction is for this Signature.xml, and for the seal of its act; a maker has none.
    fn event(&mut self, signer: Option<&Certificate<'_>>, maker: Option<&Certificate<'_>>) {
        if let Some(signer) = signer {
            let signed = Signed { contents: &[self.place.original], seal: Some(&self.signature.seal) };
            judge_event(self.report, signer, signed);
        }
        if maker.is_some_and(is_event) {
            misused(self.report, Role::Maker.name());
        }
    }

    /// What the time stamps at hand prove: the one in the signature, those of the evidence over its value, the seal's where
    /// that was made by its maker.
    fn proofs(&mut self, is_right: bool, maker: Option<&Certificate<'_>>, budget: &mut Budget) -> Proofs {
        let (signature, ground) = (self.signature, self.ground);
        let mut proofs = Proofs::default();
        self.report.details.time_stamp = Some(if signature.time_stamp.is_some() { "present" } else { "none" });
        if is_right {
            if let Some(time_stamp) = signature.time_stamp {
                let token = token_in(time_stamp, self.report, ground);
                match prove(token, signature.signature, ground, budget) {
                    Ok(proof) => proofs.signature = Some(proof),
                    Err(unproved) => {
                        unproved.report(self.report, "the signature");
                        proofs.unproved = Some(unproved);
                    }
                }
            }
            for token in ground.evidence.tokens_over(signature.signature) {
                if let Ok(proof) = prove_parsed(token, signature.signature, ground, budget)
                    && proofs.signature.as_ref().is_none_or(|known| proof.at < known.at)
                {
                    proofs.signature = Some(proof);
                }
            }
        }
        proofs.seal = maker.and_then(|maker| prove_seal(self.report, (&signature.seal, maker), ground, budget));
        let earlier = |proof: &&ProvedTime| proofs.seal.as_ref().is_none_or(|known| proof.at < known.at);
        if let Some(proof) = proofs.signature.as_ref().filter(earlier) {
            proofs.seal = Some(proof.clone());
        }
        self.report.details.proved_time = proofs.signature.as_ref().map(|proof| proof.at);
        proofs
    }

    /// What logs prove where time stamps prove nothing earlier: by keys that the caller or the service knows, and those that the
    /// trust list names for what is below the signer's anchor.
    fn logged(
        &mut self,
        proofs: &mut Proofs,
        value: &[u8],
        (signer, is_right, is_made): (Option<&Certificate<'_>>, bool, bool),
        budget: &mut Budget,
    ) {
        let (of_value, of_seal) = ((Thing::Signature, value), (Thing::Seal, self.signature.seal.raw));
        let ground = self.ground;
        if !(is_right && may_prove(of_value, ground) || is_made && may_prove(of_seal, ground)) {
            return;
        }
        let mut keys: Vec<Verifier> = ground.log_keys.iter().chain(ground.evidence.own_log()).cloned().collect();
        if let Some(signer) = signer {
            let question = self.question(Role::Signer, signer, self.signature.time, None);
            keys.extend(logs_of(&question, self.report.kind, ground, budget));
        }
        let earlier =
            |proof: &ProvedTime, known: &Option<ProvedTime>| known.as_ref().is_none_or(|known| proof.at < known.at);
        let by_log = |thing, is_sound: bool| if is_sound { proved_by_log(thing, &keys, ground) } else { None };
        if let Some(proof) = by_log(of_value, is_right).filter(|proof| earlier(proof, &proofs.signature)) {
            if earlier(&proof, &proofs.seal) {
                proofs.seal = Some(proof.clone());
            }
            self.report.details.proved_time = Some(proof.at);
            proofs.signature = Some(proof);
        }
        if let Some(proof) = by_log(of_seal, is_made).filter(|proof| earlier(proof, &proofs.seal)) {
            self.report.details.seal_proved_time = Some(proof.at);
            proofs.seal = Some(proof);
        }
    }

    /// Claimed and proved time against signer, seal and now.
    fn times(&mut self, signer: Option<&Certificate<'_>>, proofs: &Proofs) {
        let (claimed, seal, now) = (self.signature.time, &self.signature.seal, self.ground.now);
        let validity = |at| Validity::of(at, seal.valid_start, seal.valid_end);
        let details = &mut self.report.details;
        details.claimed_time = claimed;
        details.claimed_time_raw = Some(self.signature.time_text.to_owned());
        details.seal_validity_at_signing = claimed.map(validity);
        details.seal_valid_now = Some(validity(now) == Validity::Ok);
        self.report.time = Axis::new(Status::Ok, "claimed", "");
        match claimed {
            Some(claimed) => outside(self.report, validity(claimed), claimed, "seal", "the seal"),
            None => self.seal_without_claim(proofs.signature.as_ref().map_or(now, |proof| proof.at)),
        }
        let of_seal = self.report.time.clone();
        if let Some(signer) = signer {
            let question = self.question(Role::Signer, signer, claimed, proofs.signature.as_ref());
            judge_time(self.report, &question, self.ground);
        }
        if let (Some(unproved), Status::Ok) = (&proofs.unproved, self.report.time.status) {
            let status = if unproved.is_wrong { Status::Failed } else { Status::Warning };
            let detail = format!("{}; the time stamp proves nothing: {}", self.report.time.detail, unproved.detail);
            self.report.time = Axis::new(status, unproved.code, detail);
        }
        if of_seal.status == Status::Failed && self.report.time.status != Status::Failed {
            self.report.time = of_seal;
        }
        if self.signature.time_zone_assumed {
            self.report.time.detail.push_str("; it is written without a zone, and read as China's");
        }
    }

    /// A seal whose use has no readable time (GM/T 0031-2014 leaves timeInfo open) must hold at the proved moment, or now.
    fn seal_without_claim(&mut self, at: Timestamp) {
        let seal = &self.signature.seal;
        match Validity::of(at, seal.valid_start, seal.valid_end) {
            Validity::Ok => {}
            Validity::Expired => {
                let detail = format!("the seal ended at {}; nothing tells that it was used before", seal.valid_end);
                self.find(Case::OutOfBounds, "no-proof-of-time", detail);
            }
            Validity::NotYetValid => outside(self.report, Validity::NotYetValid, at, "seal", "the seal"),
        }
    }

    fn question<'q>(
        &self,
        role: Role,
        certificate: &'q Certificate<'q>,
        claimed: Option<Timestamp>,
        proved: Option<&'q ProvedTime>,
    ) -> SignerQuestion<'q> {
        let at = SigningTime { claimed, proved };
        SignerQuestion { role, certificate, embedded: &[], at, wanted: Wanted::Signing, algorithm: None }
    }

    /// The signer at the claimed time, the maker at the seal's createDate. The making of the seal is judged no earlier
    /// than the maker's certificate, for the tolerance `maker-certificate-late`.
    fn chains(
        &mut self,
        (signer, verified): (&Certificate<'_>, Option<SignatureVerified>),
        (maker, made): (&Certificate<'_>, Option<SignatureAlgorithm>),
        proofs: &Proofs,
        budget: &mut Budget,
        warnings: &mut Vec<Warning>,
    ) {
        let created = self.signature.seal.created.max(maker.not_before);
        let signer = self.question(Role::Signer, signer, self.signature.time, proofs.signature.as_ref());
        let maker = self.question(Role::Maker, maker, Some(created), proofs.seal.as_ref());
        let questions = [
            SignerQuestion { algorithm: verified.map(|verified| verified.algorithm), ..signer },
            SignerQuestion { algorithm: made, ..maker },
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
pub(in crate::domain::verify) fn is_listed(seal: &SesSeal<'_>, certificate: &[u8]) -> bool {
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
pub(in crate::domain::verify) fn refused_algorithm(
    certificate: &Certificate<'_>,
    algorithm: ObjectIdentifier,
) -> (Case, &'static str, String) {
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
