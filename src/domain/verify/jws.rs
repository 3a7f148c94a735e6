//! Judging JSON Web Signatures (RFC 7515): each signature by its algorithm and the certificate that it names.
//!
//! The certificate is the first of `x5c`; without it, the one at hand whose SHA-256 is `x5t#S256`; without both, one at
//! hand whose key made the value. A key that the signature carries itself (`jwk`) is trusted by nobody, and addresses
//! in headers (`jku`, `x5u`) are never asked. `none` is no signature; `HS256` and its like prove nothing to others.
//!
//! Where the header holds the digests of what is signed (`sigD` of JAdES by ObjectIdByURIHash, ETSI TS 119 182-1 5.2.8.3.3), the
//! value says nothing of the document but by them; there the digest of the document is enough. Names of objects are not asked:
//! the document at hand is the one whose digest stands there.

use crate::base::clock::Timestamp;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{digest, sha256};
use crate::domain::message::jws::{ALGORITHMS, DIGESTS, belongs};
use crate::domain::trust::{Budget, public_key};
use crate::domain::verify::cms::{name_of, no_certificate, no_seal};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::logged::{Thing, judge_logged};
use crate::domain::verify::report::{Axis, Body, Refusal, SignatureReport, Status, Warning};
use crate::domain::verify::shape::Shape;
use crate::domain::verify::signer::{Role, SignerQuestion, SigningTime, Wanted, judge_signer};
use crate::domain::verify::{DigestOf, FileFormat, Ground, Original, original, raw, time_stamp};
use crate::format::jose::{Jws, JwsSignature, Payload, SignedObjects, to_base64url};
use crate::format::x509::Certificate;

/// Signatures in files of their own; a detached payload is `--original`.
#[derive(Debug, Clone, Copy)]
pub struct JwsFile;

impl FileFormat for JwsFile {
    fn name(&self) -> &'static str {
        "jws"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        Shape::of(bytes) == Some(Shape::Jws)
    }

    fn verify(&self, bytes: &[u8], original: Option<Original<'_>>, ground: &Ground<'_>) -> Result<Body, Refusal> {
        let jws = Jws::parse(bytes).map_err(|error| Refusal {
            code: error.code(),
            clause: "RFC 7515",
            detail: error.to_string(),
            part: None,
        })?;
        let is_by_octets = |signature: &JwsSignature<'_>| {
            let objects = signature.header.signed_objects();
            objects.is_none() || signature.header.encoded_payload.unwrap_or(true)
        };
        if matches!(original, Some(Original::Digest(_))) && jws.signatures.iter().any(is_by_octets) {
            let detail = "the value is over the payload, or the header holds a digest of its Base64url (RFC 7515 5.1)";
            return Err(original::not_enough(detail.to_owned()));
        }
        let document = original.and_then(Original::bytes);
        let (limit, size) = (ground.limits.signatures, bytes.len().max(document.map_or(0, <[u8]>::len)));
        let count = jws.signatures.len();
        if count > limit || count.saturating_mul(size) > ground.limits.zip_total_bytes {
            let detail = format!("{count} signatures over {size} octets each");
            return Err(Refusal { code: "too-many-signatures", clause: "limits", detail, part: None });
        }
        let mut body = Body::default();
        let mut budget = Budget::new(ground.limits);
        for (index, signature) in jws.signatures.iter().enumerate() {
            let mut report = SignatureReport::blank(&index.saturating_add(1).to_string(), "jws");
            report.seal = no_seal();
            report.coverage = match jws.payload {
                Payload::Attached(_) if signature.header.signed_objects().is_none() => {
                    Axis::new(Status::Ok, "full", "the signature is over the whole payload")
                }
                _ => Axis::new(Status::NotApplicable, "detached", "a detached signature shows nothing"),
            };
            judge(&mut report, (&jws, signature), original, ground, &mut budget, &mut body.warnings);
            judge_logged(&mut report, (Thing::Signature, &signature.value, None), ground, &mut body.warnings);
            body.signatures.push(report);
        }
        Ok(body)
    }
}

fn judge(
    report: &mut SignatureReport,
    (jws, signature): (&Jws<'_>, &JwsSignature<'_>),
    original: Option<Original<'_>>,
    ground: &Ground<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) {
    let header = &signature.header;
    report.details.time_stamp = Some("none");
    if let Some(name) = header.unknown_critical() {
        let name: String = name.chars().take(64).collect();
        return broken(
            report,
            "jws-crit-unknown",
            format!("the critical header {name} is not understood (RFC 7515 4.1.11)"),
        );
    }
    let document = original.and_then(Original::bytes);
    let objects = header.signed_objects();
    match objects {
        Some(_) if matches!(&jws.payload, Payload::Attached(payload) if !payload.is_empty()) => {
            let detail = "a payload stands beside sigD, which leaves it empty (ETSI TS 119 182-1 5.2.8.3.3)";
            return broken(report, "jws-sigd-payload", detail.to_owned());
        }
        Some(objects) => bind(report, signature, objects, original),
        None if document.is_some_and(|document| !jws.is_over(document)) => {
            differs(report, "content-differs", "the payload is not the document");
        }
        None => {}
    }
    let Some(algorithm) = algorithm(report, signature) else { return };
    let Some(signed) = jws.to_sign(signature, document) else {
        let detail = "the payload is detached and not at hand: --original FILE";
        report.intact = Axis::new(Status::Unknown, "original-missing", detail);
        report.add(Finding::new(Case::SignedDataMissing, "original-missing", detail));
        return;
    };
    let claimed = match header.signing_time.as_deref().map(Timestamp::parse_rfc3339) {
        None => header.issued_at.map(Timestamp::from_unix),
        Some(Ok(claimed)) => Some(claimed),
        Some(Err(_)) => return broken(report, "jws-sigt-malformed", "sigT is no time of RFC 3339".to_owned()),
    };
    report.details.claimed_time_raw = header.signing_time.clone();
    let carried = header.certificates.as_deref().unwrap_or_default();
    let embedded: Vec<Certificate<'_>> = carried.iter().filter_map(|der| Certificate::parse(der).ok()).collect();
    if embedded.len() != carried.len() {
        return broken(report, "jws-certificate-malformed", "a certificate of x5c cannot be read".to_owned());
    }
    let at_hand = raw::candidates(ground);
    let is_right = |certificate: &Certificate<'_>| {
        let key = public_key(&certificate.public_key);
        key.is_some_and(|key| {
            belongs(&key, algorithm) && key.verify_by(&ground.remembered.tables, algorithm, &signed, &signature.value)
        })
    };
    let thumbprint = |certificate: &Certificate<'_>| header.thumbprint == Some(sha256(certificate.raw));
    let certificate = match embedded.first() {
        Some(first) if header.thumbprint.is_some() && !thumbprint(first) => {
            let detail = "x5t#S256 names another certificate than x5c begins with (RFC 7515 4.1.8)".to_owned();
            return broken(report, "jws-thumbprint-differs", detail);
        }
        Some(first) => first,
        None => {
            let named = |certificate: &&Certificate<'_>| match header.thumbprint {
                Some(_) => thumbprint(certificate),
                None => is_right(certificate),
            };
            match at_hand.iter().find(named) {
                Some(found) => found,
                None => return unnamed(report, signature, at_hand.len()),
            }
        }
    };
    let Some(key) = public_key(&certificate.public_key) else {
        let detail = "the certificate's kind of key is not accepted";
        report.signature = Axis::new(Status::Unknown, "algorithm-not-accepted", detail);
        report.algorithm = Axis::new(Status::Failed, "algorithm-not-accepted", detail);
        report.add(Finding::new(Case::Algorithm, "algorithm-not-accepted", detail));
        return;
    };
    let right = is_right(certificate);
    if !belongs(&key, algorithm) {
        let detail = format!("{} does not belong to the certificate's key", algorithm.name());
        broken(report, "algorithm-not-of-key", detail);
    } else if right {
        let detail = format!("the value is right ({})", algorithm.name());
        let stated = header.stated.iter().map(|(name, value)| format!("the signer states {name}: {value}"));
        let evidence = std::iter::once(name_of(certificate)).chain(stated).collect();
        report.signature = Axis::new(Status::Ok, "ok", detail).with(evidence);
        if objects.is_none() && report.intact.status != Status::Failed {
            report.details.data_hash = Some(Status::Ok);
            report.details.data_hash_algorithm = Some(algorithm.digest().name());
            report.intact = Axis::new(Status::Ok, "ok", "the value is over the header and the payload");
        }
    } else {
        let detail = "the signature value is not the signer's over what was signed";
        report.signature = Axis::new(Status::Failed, "signature-wrong", detail);
        report.add(Finding::new(Case::SignatureValue, "signature-wrong", detail));
    }
    let (proof, _) = time_stamp::earliest(std::iter::empty(), &signature.value, ground, budget);
    let proof = proof.filter(|_| right);
    report.details.proved_time = proof.as_ref().map(|proof| proof.at);
    let question = SignerQuestion {
        role: Role::Signer,
        certificate,
        embedded: &embedded,
        at: SigningTime { claimed, proved: proof.as_ref() },
        wanted: Wanted::Signing,
        algorithm: right.then_some(algorithm),
    };
    judge_signer(report, &question, ground, budget, warnings);
}

/// Whether the document at hand is the one of which the header holds the digest.
fn bind(
    report: &mut SignatureReport,
    signature: &JwsSignature<'_>,
    objects: &SignedObjects,
    original: Option<Original<'_>>,
) {
    let missing = |report: &mut SignatureReport, detail: String| {
        report.intact = Axis::new(Status::Unknown, "original-missing", detail.clone());
        report.add(Finding::new(Case::SignedDataMissing, "original-missing", detail));
    };
    let Some((_, kind)) = DIGESTS.iter().find(|(name, _)| *name == objects.digest_method) else {
        let method: String = objects.digest_method.chars().take(32).collect();
        let detail = format!("digests by {method} are not computed");
        report.intact = Axis::new(Status::Unknown, "algorithm-not-accepted", detail.clone());
        report.add(Finding::new(Case::Algorithm, "algorithm-not-accepted", detail));
        return;
    };
    report.details.data_hash_algorithm = Some(kind.name());
    let count = objects.objects.len();
    let found = match original {
        None => return missing(report, "the document is not at hand: --original FILE".to_owned()),
        Some(Original::Digest(handed)) if handed.of() != DigestOf::Document(*kind) => {
            return missing(report, format!("the header holds digests by {}, and {handed} is at hand", kind.name()));
        }
        Some(Original::Digest(handed)) => handed.value().to_vec(),
        Some(Original::Bytes(octets)) if signature.header.encoded_payload.unwrap_or(true) => {
            digest(*kind, to_base64url(octets).as_bytes())
        }
        Some(Original::Bytes(octets)) => digest(*kind, octets),
    };
    if !objects.objects.iter().any(|(_, held)| *held == found) {
        return differs(report, "message-digest-mismatch", "the header holds no digest of the document");
    }
    if count > 1 {
        return missing(report, format!("the document is one of {count} that are signed; the others are not at hand"));
    }
    report.details.data_hash = Some(Status::Ok);
    let detail = format!("the header holds the {} of the document", kind.name());
    report.intact = Axis::new(Status::Ok, "ok", detail);
}

fn differs(report: &mut SignatureReport, code: &'static str, detail: &'static str) {
    report.details.data_hash = Some(Status::Failed);
    report.intact = Axis::new(Status::Failed, code, detail);
    report.add(Finding::new(Case::Hash, code, detail));
}

fn broken(report: &mut SignatureReport, code: &str, detail: String) {
    report.signature = Axis::new(Status::Failed, code, detail.clone());
    report.add(Finding::new(Case::Format, code, detail));
}

/// What `alg` names; a finding where it is nothing that proves a signer.
fn algorithm(report: &mut SignatureReport, signature: &JwsSignature<'_>) -> Option<SignatureAlgorithm> {
    let name = signature.header.algorithm.as_deref().unwrap_or_default();
    let found = ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm);
    if found.is_some() {
        return found;
    }
    let shown: String = name.chars().take(32).collect();
    if name.eq_ignore_ascii_case("none") {
        broken(report, "jws-alg-none", "alg is none: nobody signed (RFC 7518 3.6)".to_owned());
        return None;
    }
    let (code, detail) = if name.starts_with("HS") {
        ("jws-alg-symmetric", format!("{shown} is a code by a shared key: it proves nobody's signature (RFC 7518 3.2)"))
    } else {
        ("algorithm-not-accepted", format!("the algorithm {shown} is not accepted"))
    };
    report.signature = Axis::new(Status::Unknown, code, detail.clone());
    report.algorithm = Axis::new(Status::Failed, code, detail.clone());
    report.add(Finding::new(Case::Algorithm, code, detail));
    None
}

/// No certificate is named, or none at hand is the one.
fn unnamed(report: &mut SignatureReport, signature: &JwsSignature<'_>, at_hand: usize) {
    let header = &signature.header;
    let detail = if header.has("jwk") {
        "the signature carries its own key (jwk), which nobody answers for; no certificate is named".to_owned()
    } else if header.thumbprint.is_some() {
        "the certificate that x5t#S256 names is not at hand: --evidence FILE".to_owned()
    } else {
        format!("the signature names no certificate, and none of {at_hand} at hand made it: --evidence FILE")
    };
    no_certificate(report, "signer-certificate-missing", detail);
}
