//! Judging cryptographic messages: SignedData of CMS, PKCS#7 and GB/T 35275, attached and detached, each signer by
//! itself; CAdES-B by the certificate that is named inside (RFC 5035), CAdES-T by the time stamp on the value.
//!
//! Countersignatures (RFC 5652 11.4) are signatures of their own in the report, `1.1` being the first on signature `1`; one
//! on a countersignature is not judged, and said so. What the message carries of lists and answers counts as evidence.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::clock::Timestamp;
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::crypto::digest::{digest, hex, sm3};
use crate::domain::trust::{
    Budget, CertificateNamed, ContentDigests, SignatureScope, SignedDataError, SignerVerified, ValueEncoding,
    find_signer_certificate, public_key, verify_attributes, verify_signer_by_digest, verify_signer_of,
};
use crate::domain::verify::carried::Carried;
use crate::domain::verify::event::{Signed, judge_event};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::logged::{Thing, judge_logged};
use crate::domain::verify::policy::Tolerance;
use crate::domain::verify::proof::Unproved;
use crate::domain::verify::report::{Axis, Body, Refusal, SignatureReport, Status, Validity, Warning};
use crate::domain::verify::shape::{Shape, ders};
use crate::domain::verify::signer::{Role, SignerQuestion, SigningTime, Wanted, judge_signer};
use crate::domain::verify::{DigestOf, FileFormat, Ground, Original, OriginalDigest, ses, time_stamp};
use crate::format::cms::{self, Deviation, Family, SignedData, SignerInfo, attribute, ber};
use crate::format::der::{Reader, Tag, time};
use crate::format::ofd::path::PartName;
use crate::format::ofd::signatures::SignatureDescription;
use crate::format::ses::Kind;
use crate::format::x509::Certificate;

/// Messages in files of their own; the document of a detached one is `--original`.
#[derive(Debug, Clone, Copy)]
pub struct Cms;

impl FileFormat for Cms {
    fn name(&self) -> &'static str {
        "cms"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        Shape::of(bytes) == Some(Shape::Cms)
    }

    fn verify(&self, bytes: &[u8], original: Option<Original<'_>>, ground: &Ground<'_>) -> Result<Body, Refusal> {
        let mut body = Body::default();
        let mut budget = Budget::new(ground.limits);
        for der in ders(bytes, Shape::Cms, 1)? {
            let der = as_der(der)?;
            let message = SignedData::parse(&der).map_err(|error| refusal(&error))?;
            let document = original.and_then(Original::bytes);
            check_work(&message, document, ground)?;
            let stands_for =
                if message.family == Family::Gm { StandsFor::ItselfOrItsOriginal } else { StandsFor::Itself };
            let date_time = document.filter(|_| message.family == Family::Gm).and_then(|text| described(text, ground));
            let carried = Carried::by(&message);
            let evidence = carried.beside(ground, &mut body.warnings);
            let ground = &Ground { evidence: &evidence, ..*ground };
            let mut judging = Messages { message: &message, ground, digests: ContentDigests::default() };
            for (index, signer) in message.signers.iter().enumerate() {
                let mut report = SignatureReport::blank(&index.saturating_add(1).to_string(), kind(&message).name());
                let place = Place { original, stands_for, date_time: date_time.as_deref() };
                judging.judge(&mut report, signer, &place, &mut budget, &mut body.warnings);
                report.coverage = match message.content {
                    Some(_) => {
                        Axis::new(Status::Ok, "full", "the signature is over the whole content that is attached")
                    }
                    None => Axis::new(Status::NotApplicable, "detached", "a detached signature shows nothing"),
                };
                body.signatures.push(report);
                judging.countersignatures((index, signer), &mut body, &mut budget);
            }
            deviations(&message, &mut body.warnings);
        }
        Ok(body)
    }
}

/// The SignatureDateTime of a Signature.xml that lies beside its value.
fn described(original: &[u8], ground: &Ground<'_>) -> Option<String> {
    let part = PartName::from_root("Signature.xml").ok()?;
    let text = original.strip_prefix(b"\xef\xbb\xbf").unwrap_or(original);
    let is_xml = text.first() == Some(&b'<') && text.len() <= ground.limits.xml_bytes;
    let description = is_xml.then(|| SignatureDescription::parse(&part, original, ground.limits).ok())??;
    description.signature_date_time
}

/// The message as DER: streamed BER is rewritten, what is signed in it stays as it is.
fn as_der(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, Refusal> {
    if ber::is_streamed(&bytes) {
        ber::to_der(&bytes).map(Cow::Owned).map_err(|error| refusal(&error.into()))
    } else {
        Ok(bytes)
    }
}

/// Why a message cannot be judged at all.
fn refusal(error: &cms::Error) -> Refusal {
    Refusal { code: error.code(), clause: "RFC 5652", detail: error.to_string(), part: None }
}

/// As reports write it: `gbt35275` where the message or its content is named by the national arc.
pub(in crate::domain::verify) fn kind(message: &SignedData<'_>) -> Kind {
    if message.family == Family::Gm { Kind::Gbt35275 } else { Kind::Cms }
}

/// Signers without attributes sign the content itself, each at its full price.
fn check_work(message: &SignedData<'_>, original: Option<&[u8]>, ground: &Ground<'_>) -> Result<(), Refusal> {
    let refused = |detail| Err(Refusal { code: "too-many-signatures", clause: "limits", detail, part: None });
    let limit = ground.limits.signatures;
    if message.signers.len() > limit {
        return refused(format!("the message has {} signers, the limit is {limit}", message.signers.len()));
    }
    let content = message.content_octets().or(original).map_or(0, <[u8]>::len);
    let direct = message.signers.iter().filter(|signer| signer.signed_attributes.is_none()).count();
    if direct.saturating_mul(content) > ground.limits.zip_total_bytes {
        return refused(format!("{direct} signers sign {content} octets each without attributes"));
    }
    Ok(())
}

/// Departures from the standard that change nothing.
fn deviations(message: &SignedData<'_>, warnings: &mut Vec<Warning>) {
    for deviation in &message.deviations {
        let (code, detail) = match deviation {
            Deviation::SignedDataVersion => {
                ("signed-data-version", "SignedData has another version than RFC 5652 5.1 has")
            }
            Deviation::SignerVersion => ("signer-version", "a SignerInfo has another version than RFC 5652 5.3 has"),
            Deviation::AttributeOrder => ("attribute-order", "signed attributes are not in the order of X.690 11.6"),
        };
        if warnings.iter().all(|warning| warning.code != code) {
            warnings.push(Warning { code, part: None, detail: detail.to_owned() });
        }
    }
}

/// What attached content may be, where the document is at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandsFor {
    /// The document itself.
    Itself,
    /// The document, its digest, or its digest in Base64, as makers of OFD signatures write it.
    ItselfOrItsOriginal,
}

/// What surrounds a message.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The document, where it is at hand.
    pub original: Option<Original<'a>>,
    /// What attached content may be.
    pub stands_for: StandsFor,
    /// `SignatureDateTime` of Signature.xml: the claimed time where no attribute tells one.
    pub date_time: Option<&'a str>,
}

/// How the content of a message and the document belong together.
enum Bound {
    /// The message is over this document, which lies beside it.
    Detached,
    /// The message holds what it is over.
    Attached,
    /// It holds the document's digest.
    Digest(DigestAlgorithm),
    /// It holds the document's digest in Base64.
    Base64(DigestAlgorithm),
    /// It holds something else.
    Differs,
    /// The message is over a document of which the digest is at hand.
    ByDigest,
    /// Neither is at hand, or not enough of it: stable code, and why.
    Missing { code: &'static str, detail: String },
}

/// A message whose signers are judged one by one.
pub struct Messages<'j, 'a> {
    /// The message.
    pub message: &'j SignedData<'a>,
    /// What it is judged by.
    pub ground: &'j Ground<'j>,
    /// Digests of its content.
    pub digests: ContentDigests,
}

impl<'a> Messages<'_, 'a> {
    /// Judges one signer into the report: every axis but coverage.
    pub fn judge(
        &mut self,
        report: &mut SignatureReport,
        signer: &SignerInfo<'a>,
        place: &Place<'_>,
        budget: &mut Budget,
        warnings: &mut Vec<Warning>,
    ) {
        report.seal = no_seal();
        let bound = self.bind(report, signer, place);
        let known = self.ground.known_certificates();
        let embedded: Vec<Certificate<'a>> =
            self.message.x509_certificates().filter_map(|der| Certificate::parse(der).ok()).collect();
        let candidates = self.message.x509_certificates().chain(known.iter().copied());
        match find_signer_certificate(signer, candidates) {
            Ok(certificate) => {
                let detached = matches!(bound, Bound::Detached | Bound::ByDigest).then_some(place.original).flatten();
                let right = self.value(report, signer, &certificate, detached, &bound);
                let document = place.original.and_then(Original::bytes);
                let contents: Vec<&[u8]> = self.message.content_octets().into_iter().chain(document).collect();
                judge_event(report, &certificate, Signed { contents: &contents, seal: None });
                let has_stamp = signer.time_stamps().next().is_some();
                report.details.time_stamp = Some(if has_stamp { "present" } else { "none" });
                let (proof, why) = time_stamp::earliest(signer.time_stamps(), signer.signature, self.ground, budget);
                let proof = proof.filter(|_| right.is_some());
                report.details.proved_time = proof.as_ref().map(|proof| proof.at);
                let claimed = claimed_time(report, signer, place, &certificate);
                let question = SignerQuestion {
                    role: Role::Signer,
                    certificate: &certificate,
                    embedded: &embedded,
                    at: SigningTime { claimed, proved: proof.as_ref() },
                    wanted: Wanted::Signing,
                    algorithm: right,
                };
                judge_signer(report, &question, self.ground, budget, warnings);
                unproved(report, why.as_ref().filter(|_| proof.is_none()), warnings);
            }
            Err(error) => {
                self.digest_alone(report, signer, place, &bound);
                no_certificate(report, error.code(), error.to_string());
            }
        }
        report.details.tolerances.sort_unstable();
        report.details.tolerances.dedup();
        judge_logged(report, (Thing::Signature, signer.signature, None), self.ground, warnings);
    }

    /// Whether the message is over the document that is at hand.
    fn bind(&self, report: &mut SignatureReport, signer: &SignerInfo<'_>, place: &Place<'_>) -> Bound {
        let bound = match (self.message.content_octets(), place.original) {
            (None, None) => Bound::Missing {
                code: "original-missing",
                detail: "the signed document is neither in the message nor at hand: --original FILE".to_owned(),
            },
            (None, Some(Original::Bytes(_))) => Bound::Detached,
            (None, Some(Original::Digest(digest))) => by_digest(digest, signer),
            (Some(_), None) => Bound::Attached,
            (Some(content), Some(Original::Digest(digest))) => attached_of(content, digest, place.stands_for),
            (Some(content), Some(Original::Bytes(original))) if content == original => Bound::Attached,
            (Some(content), Some(Original::Bytes(original))) if place.stands_for == StandsFor::ItselfOrItsOriginal => {
                stands_for(content, original, signer)
            }
            (Some(_), Some(_)) => Bound::Differs,
        };
        match &bound {
            Bound::Missing { code, detail } => {
                report.intact = Axis::new(Status::Unknown, code, detail.clone());
                report.add(Finding::new(Case::SignedDataMissing, *code, detail.clone()));
            }
            Bound::Differs => {
                let detail = "what the message holds is neither the document nor its digest";
                report.details.data_hash = Some(Status::Failed);
                report.intact = Axis::new(Status::Failed, "data-hash-wrong", detail);
                report.add(Finding::new(Case::Hash, "data-hash-wrong", detail));
            }
            Bound::Digest(algorithm) | Bound::Base64(algorithm) => {
                report.details.data_hash = Some(Status::Ok);
                report.details.data_hash_algorithm = Some(algorithm.name());
                let is_text = matches!(bound, Bound::Base64(_));
                let how = if is_text { ", in Base64" } else { "" };
                let detail = format!("the message holds the {} of the document{how}", algorithm.name());
                report.intact = Axis::new(Status::Ok, "ok", detail);
                if is_text {
                    ses::deviates(report, Tolerance::Gbt35275Base64Content, self.ground);
                }
                if DigestAlgorithm::from_oid(signer.digest_algorithm.oid) != Some(*algorithm) {
                    ses::deviates(report, Tolerance::DataHashNotOfSignatureAlgorithm, self.ground);
                }
            }
            Bound::Attached | Bound::Detached | Bound::ByDigest => {}
        }
        bound
    }

    /// The value, and with it what was signed. Gives the algorithm of a right value.
    fn value(
        &mut self,
        report: &mut SignatureReport,
        signer: &SignerInfo<'_>,
        certificate: &Certificate<'_>,
        detached: Option<Original<'_>>,
        bound: &Bound,
    ) -> Option<SignatureAlgorithm> {
        let tables = &self.ground.remembered.tables;
        if let Bound::Missing { code, .. } = bound {
            return match verify_attributes(signer, certificate, tables) {
                Ok((algorithm, encoding)) => {
                    right(report, algorithm, encoding, CertificateNamed::No, self.ground);
                    Some(algorithm)
                }
                Err(SignedDataError::AttributesMissing) => {
                    let detail = "the value is over the document, which is not at hand";
                    report.signature = Axis::new(Status::Unknown, code, detail);
                    None
                }
                Err(error) => {
                    wrong(report, &error, certificate);
                    None
                }
            };
        }
        let judged = match detached {
            Some(Original::Digest(digest)) => {
                verify_signer_by_digest(self.message, signer, digest.value(), certificate, tables)
            }
            _ => {
                let content = (detached.and_then(Original::bytes), &mut self.digests);
                verify_signer_of(self.message, signer, content, certificate, tables)
            }
        };
        match judged {
            Ok(verified) => {
                right(report, verified.algorithm(), verified.encoding(), verified.certificate_named(), self.ground);
                content_matches(report, &verified, bound);
                Some(verified.algorithm())
            }
            Err(error @ (SignedDataError::DigestMismatch | SignedDataError::ContentDiffers)) => {
                let detail = error.to_string();
                report.details.data_hash = Some(Status::Failed);
                report.intact = Axis::new(Status::Failed, error.code(), detail.clone());
                report.add(Finding::new(Case::Hash, error.code(), detail));
                // The document was changed; whether the value is still the signer's is another question.
                match verify_attributes(signer, certificate, tables) {
                    Ok((algorithm, encoding)) => {
                        right(report, algorithm, encoding, CertificateNamed::No, self.ground);
                        Some(algorithm)
                    }
                    Err(error) => {
                        wrong(report, &error, certificate);
                        None
                    }
                }
            }
            Err(error) => {
                wrong(report, &error, certificate);
                if report.intact.status == Status::Unknown && signer.signed_attributes.is_none() {
                    let detail = "the value is over the content itself, and is not right over it";
                    report.intact = Axis::new(Status::Unknown, "signature-wrong", detail);
                }
                None
            }
        }
    }

    /// Without a certificate the digest in the attributes can still be compared.
    fn digest_alone(
        &mut self,
        report: &mut SignatureReport,
        signer: &SignerInfo<'_>,
        place: &Place<'_>,
        bound: &Bound,
    ) {
        let content = match bound {
            Bound::Detached | Bound::ByDigest => place.original,
            Bound::Attached => self.message.content_octets().map(Original::Bytes),
            _ => None,
        };
        let signed = signer.signed_attributes.as_ref().and_then(|attributes| attributes.message_digest);
        let algorithm = DigestAlgorithm::from_oid(signer.digest_algorithm.oid);
        let (Some(content), Some(signed), Some(algorithm)) = (content, signed, algorithm) else { return };
        let is_signed = match content {
            Original::Bytes(content) => self.digests.of(algorithm, content) == signed,
            Original::Digest(digest) => digest.value() == signed,
        };
        if is_signed {
            report.details.data_hash = Some(Status::Ok);
            report.details.data_hash_algorithm = Some(algorithm.name());
            let detail = format!("messageDigest is the {} of the content", algorithm.name());
            report.intact = Axis::new(Status::Ok, "ok", detail);
        } else {
            let error = SignedDataError::DigestMismatch;
            report.details.data_hash = Some(Status::Failed);
            report.intact = Axis::new(Status::Failed, error.code(), error.to_string());
            report.add(Finding::new(Case::Hash, error.code(), error.to_string()));
        }
    }
}

/// A kind of signature without a seal.
pub(in crate::domain::verify) fn no_seal() -> Axis {
    Axis::new(Status::NotApplicable, "no-seal", "this kind of signature has no seal")
}

/// A time stamp that is there and proves nothing: one that is wrong is a finding, one of nobody's authority none.
pub(in crate::domain::verify) fn unproved(
    report: &mut SignatureReport,
    why: Option<&Unproved>,
    warnings: &mut Vec<Warning>,
) {
    let Some(why) = why else { return };
    why.report(report, "the signature");
    let detail = format!("a time stamp on the signature proves nothing: {}", why.detail);
    if report.time.status == Status::Ok {
        report.time = Axis::new(Status::Warning, why.code, format!("{}; {detail}", report.time.detail));
    }
    warnings.push(Warning { code: "time-stamp-not-accepted", part: None, detail });
}

/// A detached signature by the document's digest: attributes hold it (RFC 5652 11.2), by the signer's algorithm. Without
/// attributes the value is over the document itself (RFC 5652 5.4).
fn by_digest(digest: &OriginalDigest, signer: &SignerInfo<'_>) -> Bound {
    if signer.signed_attributes.is_none() {
        let detail = "the value is over the document itself, and its digest is not enough: --original FILE".to_owned();
        return Bound::Missing { code: "digest-not-enough", detail };
    }
    match DigestAlgorithm::from_oid(signer.digest_algorithm.oid) {
        Some(algorithm) if digest.of() != DigestOf::Document(algorithm) => Bound::Missing {
            code: "digest-of-another-algorithm",
            detail: format!("the signer digested the document by {}: hand in that digest", algorithm.name()),
        },
        _ => Bound::ByDigest,
    }
}

/// Attached content beside the document's digest: it is the document, or the digest where it may stand for it.
fn attached_of(content: &[u8], given: &OriginalDigest, stands_for: StandsFor) -> Bound {
    let DigestOf::Document(algorithm) = given.of() else {
        let detail = "the message holds its content: hand in the document, or its plain digest".to_owned();
        return Bound::Missing { code: "digest-not-enough", detail };
    };
    let decoded = || STANDARD.decode(std::str::from_utf8(content).ok()?.trim()).ok();
    if digest(algorithm, content) == given.value() {
        Bound::Attached
    } else if stands_for == StandsFor::ItselfOrItsOriginal && content == given.value() {
        Bound::Digest(algorithm)
    } else if stands_for == StandsFor::ItselfOrItsOriginal && decoded().as_deref() == Some(given.value()) {
        Bound::Base64(algorithm)
    } else {
        Bound::Differs
    }
}

/// Whether attached content is the document's digest, plain or in Base64: by the signer's digest first.
fn stands_for(content: &[u8], original: &[u8], signer: &SignerInfo<'_>) -> Bound {
    let of_signer = DigestAlgorithm::from_oid(signer.digest_algorithm.oid);
    let others = [DigestAlgorithm::Sm3, DigestAlgorithm::Sha256].into_iter().filter(|other| Some(*other) != of_signer);
    let text = std::str::from_utf8(content).ok().map(str::trim);
    let decoded = text.and_then(|text| STANDARD.decode(text).ok());
    for algorithm in of_signer.into_iter().chain(others) {
        let is_plain = content.len() == algorithm.size();
        let is_text = decoded.as_ref().is_some_and(|decoded| decoded.len() == algorithm.size());
        if !is_plain && !is_text {
            continue;
        }
        let of_original = digest(algorithm, original);
        if content == of_original {
            return Bound::Digest(algorithm);
        }
        if decoded.as_ref() == Some(&of_original) {
            return Bound::Base64(algorithm);
        }
    }
    Bound::Differs
}

/// What the attributes or the value say of the content, once both are right.
fn content_matches(report: &mut SignatureReport, verified: &SignerVerified, bound: &Bound) {
    if !matches!(bound, Bound::Attached | Bound::Detached | Bound::ByDigest) {
        return;
    }
    let algorithm = verified.digest().name();
    let whose = match bound {
        Bound::Detached => "the document",
        Bound::ByDigest => "the document, as it was handed in",
        _ => "the attached content",
    };
    let detail = match verified.scope() {
        SignatureScope::Attributes => format!("messageDigest is the {algorithm} of {whose}"),
        SignatureScope::Content => format!("the value is over {whose} itself"),
    };
    report.details.data_hash = Some(Status::Ok);
    report.details.data_hash_algorithm = Some(algorithm);
    report.intact = Axis::new(Status::Ok, "ok", detail);
}

/// The axis signature for a right value.
pub(in crate::domain::verify) fn right(
    report: &mut SignatureReport,
    algorithm: SignatureAlgorithm,
    encoding: ValueEncoding,
    named: CertificateNamed,
    ground: &Ground<'_>,
) {
    report.details.encoding = encoding.name();
    if encoding == ValueEncoding::Raw {
        ses::deviates(report, Tolerance::RawRs, ground);
    }
    let id = if algorithm == SignatureAlgorithm::Sm2Sm3 { ", signer ID 1234567812345678" } else { "" };
    let named = match named {
        CertificateNamed::Yes => vec!["the certificate is named inside the signature (RFC 5035)".to_owned()],
        CertificateNamed::NotComputed => vec!["the certificate is named by SHA-1, which is not computed".to_owned()],
        CertificateNamed::No => Vec::new(),
    };
    let detail = format!("the value is right ({}{id})", algorithm.name());
    report.signature = Axis::new(Status::Ok, "ok", detail).with(named);
}

/// The axis signature, and the finding, for a value or a structure that is not right.
pub(in crate::domain::verify) fn wrong(
    report: &mut SignatureReport,
    error: &SignedDataError,
    certificate: &Certificate<'_>,
) {
    let (mut code, mut detail) = (error.code(), error.to_string());
    let (case, status) = match error {
        SignedDataError::SignatureWrong => (Case::SignatureValue, Status::Failed),
        SignedDataError::DigestMismatch | SignedDataError::ContentDiffers => (Case::Hash, Status::Unknown),
        SignedDataError::ContentMissing => (Case::SignedDataMissing, Status::Unknown),
        SignedDataError::CertificateMissing | SignedDataError::CertificateAmbiguous => {
            (Case::NoSigningCertificate, Status::Unknown)
        }
        SignedDataError::DigestUnsupported { .. } => (Case::Algorithm, Status::Unknown),
        SignedDataError::SignatureUnsupported { algorithm } => {
            // An algorithm that we compute, and a key that we know, but not one of the other.
            if public_key(&certificate.public_key).is_some() && SignatureAlgorithm::from_oid(*algorithm).is_some() {
                code = "algorithm-not-of-key";
                detail = format!("the algorithm {algorithm} does not belong to the certificate's key");
                (Case::Format, Status::Failed)
            } else {
                code = "algorithm-not-accepted";
                (Case::Algorithm, Status::Unknown)
            }
        }
        _ => (Case::Format, Status::Failed),
    };
    report.signature = Axis::new(status, code, detail.clone());
    if case == Case::Algorithm {
        report.algorithm = Axis::new(Status::Failed, code, detail.clone());
    }
    report.add(Finding::new(case, code, detail));
}

/// Nobody's certificate: neither value nor trust can be judged.
pub(in crate::domain::verify) fn no_certificate(report: &mut SignatureReport, code: &str, detail: String) {
    for axis in [&mut report.signature, &mut report.trusted, &mut report.time, &mut report.revocation] {
        *axis = Axis::new(Status::Unknown, code, detail.clone());
    }
    report.algorithm = Axis::new(Status::Unknown, code, "not judged: the signer's certificate is not at hand");
    report.add(Finding::new(Case::NoSigningCertificate, code, detail));
}

/// When the signer says that it signed: the signed attribute; in a package, else, the description's SignatureDateTime.
pub(in crate::domain::verify) fn claimed_time(
    report: &mut SignatureReport,
    signer: &SignerInfo<'_>,
    place: &Place<'_>,
    certificate: &Certificate<'_>,
) -> Option<Timestamp> {
    let attributes = signer.signed_attributes.as_ref();
    if let Some(claimed) = attributes.and_then(|attributes| attributes.signing_time) {
        let mut all = attributes.iter().flat_map(|attributes| &attributes.attributes);
        let text = all.find(|attribute| attribute.oid == attribute::SIGNING_TIME).and_then(|attribute| {
            let value = Reader::new(attribute.values.first()?.raw()).value("signingTime").ok()?;
            matches!(value.tag(), Tag::UtcTime | Tag::GeneralizedTime).then_some(value.content())
        });
        report.details.claimed_time_raw = text.and_then(|text| std::str::from_utf8(text).ok()).map(str::to_owned);
        return Some(claimed);
    }
    let text = place.date_time?;
    report.details.claimed_time_raw = Some(text.to_owned());
    date_time(text, certificate)
}

/// A SignatureDateTime (GB/T 33190-2016 18.2.1), whose zone files leave out: Beijing time, as GB/T 7408 reads it, unless
/// only UTC lies within the certificate's validity. Readers and writers differ, and neither reading may fail a
/// signature that the other carries; eight hours of a time that is only claimed prove nothing either way.
pub(in crate::domain::verify) fn date_time(text: &str, certificate: &Certificate<'_>) -> Option<Timestamp> {
    let bare = text.split('.').next().unwrap_or_default();
    let digits: String = bare.chars().filter(char::is_ascii_digit).collect();
    let utc = time::generalized(format!("{}Z", digits.get(..14)?).as_bytes())?;
    if text.ends_with('Z') {
        return Some(utc);
    }
    let beijing = utc.plus_seconds(-8 * 3600);
    let holds = |at| Validity::of(at, certificate.not_before, certificate.not_after) == Validity::Ok;
    Some(if !holds(beijing) && holds(utc) { utc } else { beijing })
}

/// SM3 of a certificate, as evidence names it.
pub(in crate::domain::verify) fn name_of(certificate: &Certificate<'_>) -> String {
    format!("{} (SM3 {})", certificate.subject.display(), hex(&sm3(certificate.raw)))
}
