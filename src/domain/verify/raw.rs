//! Judging a signature value without any structure: it names nobody, so it is tried with the certificates at hand.
//!
//! In a file of its own the document is `--original` and the certificate is named by `--evidence` or `--trust`. SM2 and
//! ECDSA values are DER or r‖s, RSA is tried as PKCS#1 v1.5 and as PSS with each digest that belongs to it.

use crate::base::clock::Timestamp;
use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::domain::trust::key::decode_value;
use crate::domain::trust::{Budget, public_key};
use crate::domain::verify::cms::{date_time, name_of, no_certificate, no_seal};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::logged::{Thing, judge_logged};
use crate::domain::verify::ofd_sign::Place;
use crate::domain::verify::policy::Tolerance;
use crate::domain::verify::report::{Axis, Body, Refusal, SignatureReport, Status, Validity, Warning};
use crate::domain::verify::shape::Shape;
use crate::domain::verify::signer::{Role, SignerQuestion, SigningTime, Wanted, judge_signer};
use crate::domain::verify::{DigestOf, FileFormat, Ground, Original, original, ses, time_stamp};
use crate::format::ses::Kind;
use crate::format::x509::extension::BasicConstraints;
use crate::format::x509::{Certificate, extension};

/// A value in a file of its own.
#[derive(Debug, Clone, Copy)]
pub struct Raw;

/// Certificates that are tried: who hands in more must say more.
const MAX_CANDIDATES: usize = 32;

/// Which digest is meant, where one is handed in.
const E_IS_MEANT: &str = "an SM2 value is over e, SM3 of Z and the document, Z being of the signer's key and ID (GB/T 32918.2 \
                          5.5, 6.1): hand in sm2-e; a value of another algorithm is judged with the document itself";

/// What a value is over.
#[derive(Debug, Clone, Copy)]
struct Over<'a> {
    original: Original<'a>,
    /// `SignatureDateTime` of Signature.xml.
    date_time: Option<&'a str>,
}

impl FileFormat for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        Shape::of(bytes) == Some(Shape::Raw)
    }

    fn verify(&self, bytes: &[u8], original: Option<Original<'_>>, ground: &Ground<'_>) -> Result<Body, Refusal> {
        if let Some(Original::Digest(digest)) = original
            && digest.of() != DigestOf::Sm2E
        {
            return Err(original::not_enough(E_IS_MEANT.to_owned()));
        }
        let mut body = Body::default();
        let mut report = SignatureReport::blank("1", Kind::Raw.name());
        report.seal = no_seal();
        report.coverage = Axis::new(Status::NotApplicable, "detached", "a detached signature shows nothing");
        if let Some(original) = original {
            let mut budget = Budget::new(ground.limits);
            let place = Over { original, date_time: None };
            judge(&mut report, (bytes, Named::Alone), &place, ground, &mut budget, &mut body.warnings);
        } else {
            let detail = "the signed document is not at hand: --original FILE";
            report.intact = Axis::new(Status::Unknown, "original-missing", detail);
            report.add(Finding::new(Case::SignedDataMissing, "original-missing", detail));
        }
        judge_logged(&mut report, (Thing::Signature, bytes, None), ground, &mut body.warnings);
        body.signatures.push(report);
        Ok(body)
    }
}

/// What it means that exactly one certificate could have made the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// It is the one that the caller named: a value that is not its own is wrong.
    Alone,
    /// It may be anybody's: the package says nothing about it.
    Nobody,
}

/// Judges a value over Signature.xml that names nobody.
pub(in crate::domain::verify) fn judge_described(
    report: &mut SignatureReport,
    value: &[u8],
    place: &Place<'_>,
    ground: &Ground<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) {
    report.details.claimed_time_raw = place.date_time.map(str::to_owned);
    let over = Over { original: Original::Bytes(place.original), date_time: place.date_time };
    judge(report, (value, Named::Nobody), &over, ground, budget, warnings);
    judge_logged(report, (Thing::Signature, value, None), ground, warnings);
    // The References say whether the parts are whole; that the description itself is, only a right value could say.
    if report.intact.status == Status::Unknown && report.signature.status != Status::Ok {
        let detail = "nothing but the signature value protects the description, and whose it is cannot be told";
        report.intact = Axis::new(Status::Ok, "description-unproved", detail);
    }
}

fn judge(
    report: &mut SignatureReport,
    (value, named): (&[u8], Named),
    place: &Over<'_>,
    ground: &Ground<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) {
    report.details.time_stamp = Some("none");
    report.details.encoding = encoding(value);
    let candidates = candidates(ground);
    let found = find_maker(&candidates, value, place, ground);
    let Some((certificate, algorithm)) = found else {
        let count = candidates.len();
        match candidates.as_slice() {
            [only] if named == Named::Alone => {
                let detail = format!("the value is not that of {} over the document", name_of(only));
                report.signature = Axis::new(Status::Failed, "signature-wrong", detail.clone());
                report.add(Finding::new(Case::SignatureValue, "signature-wrong", detail));
            }
            [] => {
                let detail = "the value names nobody, and no certificate of a signer is at hand: --evidence FILE";
                no_certificate(report, "signer-certificate-missing", detail.to_owned());
            }
            _ => {
                let detail = format!("the value names nobody, and none of {count} certificates at hand made it");
                no_certificate(report, "signer-certificate-missing", detail);
            }
        }
        return;
    };
    if report.details.encoding == Some("raw") && algorithm == SignatureAlgorithm::Sm2Sm3 {
        ses::deviates(report, Tolerance::RawRs, ground);
    }
    if matches!(algorithm, SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_)) {
        report.details.encoding = None;
    }
    let detail = format!("the value is right ({}), by a certificate that was handed in", algorithm.name());
    report.signature = Axis::new(Status::Ok, "ok", detail).with(vec![name_of(certificate)]);
    let over = match place.original {
        Original::Bytes(_) => "the value is over the document itself",
        Original::Digest(_) => {
            "the value is over e as it was handed in: whose document it is of is the asker's to know"
        }
    };
    report.intact = Axis::new(Status::Ok, "ok", over);
    report.details.data_hash = Some(Status::Ok);
    report.details.data_hash_algorithm = Some(algorithm.digest().name());
    let claimed = place.date_time.and_then(|text| date_time(text, certificate));
    let (proof, _) = time_stamp::earliest(std::iter::empty(), value, ground, budget);
    report.details.proved_time = proof.as_ref().map(|proof| proof.at);
    let question = SignerQuestion {
        role: Role::Signer,
        certificate,
        embedded: &[],
        at: SigningTime { claimed, proved: proof.as_ref() },
        wanted: Wanted::Signing,
        algorithm: Some(algorithm),
    };
    judge_signer(report, &question, ground, budget, warnings);
}

/// DER is a SEQUENCE; r‖s and RSA are plain octets, told apart by the key.
fn encoding(value: &[u8]) -> Option<&'static str> {
    match value {
        [0x30, ..] if value.len() < 80 && value.len() != 64 => Some("der"),
        _ if value.len() == 64 => Some("raw"),
        _ => None,
    }
}

/// Certificates at hand that are nobody's authority, without repetition.
pub(in crate::domain::verify) fn candidates<'a>(ground: &Ground<'a>) -> Vec<Certificate<'a>> {
    let mut found: Vec<Certificate<'a>> = Vec::new();
    for der in ground.known_certificates() {
        let Ok(certificate) = Certificate::parse(der) else { continue };
        let constraints = certificate.extension(extension::BASIC_CONSTRAINTS);
        let is_authority =
            constraints.is_some_and(|found| BasicConstraints::parse(found.value).is_ok_and(|read| read.authority));
        if !is_authority && found.len() < MAX_CANDIDATES && found.iter().all(|known| known.raw != certificate.raw) {
            found.push(certificate);
        }
    }
    found
}

/// The certificate whose key made the value; of several with one key, one that was valid when it signed.
fn find_maker<'c, 'a>(
    candidates: &'c [Certificate<'a>],
    value: &[u8],
    place: &Over<'_>,
    ground: &Ground<'_>,
) -> Option<(&'c Certificate<'a>, SignatureAlgorithm)> {
    let mut first = None;
    for certificate in candidates {
        let Some(key) = public_key(&certificate.public_key) else { continue };
        let Some(algorithm) = algorithm_of(&key, value, place.original, ground) else { continue };
        let at: Timestamp = place.date_time.and_then(|text| date_time(text, certificate)).unwrap_or(ground.now);
        if Validity::of(at, certificate.not_before, certificate.not_after) == Validity::Ok {
            return Some((certificate, algorithm));
        }
        first = first.or(Some((certificate, algorithm)));
    }
    first
}

/// The algorithm under which the value is the key's over the document.
fn algorithm_of(
    key: &PublicKey,
    value: &[u8],
    original: Original<'_>,
    ground: &Ground<'_>,
) -> Option<SignatureAlgorithm> {
    let document = match original {
        Original::Bytes(document) => document,
        Original::Digest(digest) => {
            let (PublicKey::Sm2(key), Ok(e)) = (key, <&[u8; 32]>::try_from(digest.value())) else { return None };
            let fixed = decode_value(SignatureAlgorithm::Sm2Sm3, value)?;
            return ground.remembered.tables.verify_prehashed(key, e, &fixed).then_some(SignatureAlgorithm::Sm2Sm3);
        }
    };
    let mut own = SignatureAlgorithm::ALL.into_iter().filter(|algorithm| key.signs_with(*algorithm));
    own.find(|algorithm| {
        decode_value(*algorithm, value)
            .is_some_and(|fixed| key.verify_by(&ground.remembered.tables, *algorithm, document, &fixed))
    })
}
