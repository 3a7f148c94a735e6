//! Judging time stamps: a token or a response in a file of its own (RFC 3161, GB/T 20520), and the tokens on signature
//! values as proofs that these existed (EN 319 102-1 5.4).

use crate::crypto::algorithm::DigestAlgorithm;
use crate::domain::stamp::verify::NamedBySha1;
use crate::domain::stamp::{Expected, Imprint, TokenRefusal, VerifiedToken, verify_token};
use crate::domain::trust::{Budget, SignedDataError};
use crate::domain::verify::carried::Carried;
use crate::domain::verify::cms::{no_certificate, no_seal};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::logged::{Thing, judge_logged};
use crate::domain::verify::proof::{Unproved, prove, prove_parsed};
use crate::domain::verify::report::{Axis, Body, Refusal, SignatureReport, Status, Warning};
use crate::domain::verify::shape::Shape;
use crate::domain::verify::signer::{ProvedTime, Role, SignerQuestion, SigningTime, Wanted, judge_signer};
use crate::domain::verify::{DigestOf, FileFormat, Ground, Original};
use crate::format::tsp::{self, TimeStampResp, TimeStampToken};
use crate::format::x509::Certificate;

/// As reports write the kind.
const KIND: &str = "time-stamp";

/// Time stamps that are looked at on one signature: the first, and one that renews it.
const MAX_STAMPS: usize = 2;

/// Tokens and responses in files of their own; what was stamped is `--original`.
#[derive(Debug, Clone, Copy)]
pub struct TimeStamp;

impl FileFormat for TimeStamp {
    fn name(&self) -> &'static str {
        KIND
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        matches!(Shape::of(bytes), Some(Shape::Token | Shape::Response))
    }

    fn verify(&self, bytes: &[u8], original: Option<Original<'_>>, ground: &Ground<'_>) -> Result<Body, Refusal> {
        let mut body = Body::default();
        let token = if Shape::of(bytes) == Some(Shape::Response) {
            let response = TimeStampResp::parse(bytes).map_err(|error| refusal(&error))?;
            let Some(token) = response.token else {
                let detail = format!("the authority gave no time stamp: status {:?}", response.status);
                body.warnings.push(Warning { code: "time-stamp-rejected", part: None, detail });
                return Ok(body);
            };
            token
        } else {
            bytes
        };
        let carried = Carried::by_token(Some(token));
        let evidence = carried.beside(ground, &mut body.warnings);
        let ground = &Ground { evidence: &evidence, ..*ground };
        let octets = token;
        let token = TimeStampToken::parse(octets).map_err(|error| refusal(&error))?;
        let mut report = SignatureReport::blank("1", KIND);
        let mut budget = Budget::new(ground.limits);
        let imprint = DigestAlgorithm::from_oid(token.info.imprint.algorithm.oid);
        let other = match original {
            Some(Original::Digest(digest)) => imprint.is_none_or(|imprint| digest.of() != DigestOf::Document(imprint)),
            _ => false,
        };
        judge(&mut report, &token, original.filter(|_| !other), ground, &mut budget, &mut body.warnings);
        if (original.is_none() || other) && report.intact.status != Status::Failed {
            let (code, detail) = if other {
                let wanted = imprint.map_or("an algorithm that is not computed", DigestAlgorithm::name);
                (
                    "digest-of-another-algorithm",
                    format!("the time stamp is over a digest by {wanted}: hand in that one"),
                )
            } else {
                ("original-missing", "what was stamped is not at hand: --original FILE".to_owned())
            };
            report.intact = Axis::new(Status::Unknown, code, detail.clone());
            report.add(Finding::new(Case::SignedDataMissing, code, detail));
        }
        judge_logged(&mut report, (Thing::TimeStamp, octets, None), ground, &mut body.warnings);
        body.signatures.push(report);
        Ok(body)
    }
}

fn refusal(error: &tsp::Error) -> Refusal {
    Refusal { code: error.code(), clause: "RFC 3161 2.4.2", detail: error.to_string(), part: None }
}

/// Judges a token into the report, over the octets where they are given, else over whatever it is over.
fn judge(
    report: &mut SignatureReport,
    token: &TimeStampToken<'_>,
    over: Option<Original<'_>>,
    ground: &Ground<'_>,
    budget: &mut Budget,
    warnings: &mut Vec<Warning>,
) {
    report.seal = no_seal();
    report.coverage = Axis::new(Status::NotApplicable, "detached", "a time stamp shows nothing");
    let imprint = match over {
        Some(Original::Bytes(octets)) => Imprint::Message(octets),
        Some(Original::Digest(digest)) => {
            Imprint::Digest { algorithm: token.info.imprint.algorithm.oid, digest: digest.value() }
        }
        None => Imprint::Digest { algorithm: token.info.imprint.algorithm.oid, digest: token.info.imprint.digest },
    };
    let expected = Expected { imprint, old_names: NamedBySha1::Accept, ..Expected::over(&[]) };
    let known = ground.known_certificates();
    match verify_token(token, &known, &expected, &ground.remembered.tables) {
        Ok(verified) => {
            let algorithm = verified.signer().algorithm();
            let detail = format!("the authority's value is right ({})", algorithm.name());
            let evidence = vec![
                format!("genTime {}", verified.info().gen_time),
                format!("policy {}", verified.info().policy),
                "the certificate is named inside the signature (RFC 5035)".to_owned(),
            ];
            report.signature = Axis::new(Status::Ok, "ok", detail).with(evidence);
            report.intact = Axis::new(Status::Ok, "ok", "the imprint is the digest of what was stamped");
            report.details.data_hash = over.map(|_| Status::Ok);
            let chain = chain_of(&verified);
            let claimed = Some(verified.info().gen_time.seconds());
            let question = SignerQuestion {
                role: Role::TimeStamper,
                certificate: verified.certificate(),
                embedded: &chain,
                at: SigningTime { claimed, proved: None },
                wanted: Wanted::Signing,
                algorithm: Some(algorithm),
            };
            judge_signer(report, &question, ground, budget, warnings);
        }
        Err(refused) => refuse(report, &refused),
    }
}

fn chain_of<'a>(verified: &VerifiedToken<'a>) -> Vec<Certificate<'a>> {
    verified.chain().iter().filter_map(|der| Certificate::parse(der).ok()).collect()
}

/// A token that is not right by itself.
fn refuse(report: &mut SignatureReport, refused: &TokenRefusal) {
    let source = std::error::Error::source(refused).map(|source| format!(": {source}")).unwrap_or_default();
    let detail = format!("{refused}{source}");
    let code = refused.code();
    let case = match refused {
        TokenRefusal::Imprint => {
            report.intact = Axis::new(Status::Failed, code, detail.clone());
            report.details.data_hash = Some(Status::Failed);
            Case::Hash
        }
        TokenRefusal::Signer(SignedDataError::SignatureWrong) => Case::SignatureValue,
        TokenRefusal::Signer(SignedDataError::DigestMismatch) => Case::Hash,
        TokenRefusal::Signer(SignedDataError::CertificateMissing | SignedDataError::CertificateAmbiguous) => {
            no_certificate(report, code, detail);
            return;
        }
        TokenRefusal::ImprintAlgorithm { .. }
        | TokenRefusal::CertificateNamedByOldDigest
        | TokenRefusal::Signer(
            SignedDataError::DigestUnsupported { .. } | SignedDataError::SignatureUnsupported { .. },
        ) => {
            report.algorithm = Axis::new(Status::Failed, code, detail.clone());
            Case::Algorithm
        }
        _ => Case::Format,
    };
    if case != Case::Hash {
        let status = if case == Case::Algorithm { Status::Unknown } else { Status::Failed };
        report.signature = Axis::new(status, code, detail.clone());
    }
    report.add(Finding::new(case, code, detail));
}

/// The earliest proof that a signature value existed, by the tokens beside it and those at hand (RFC 3161 A); else the
/// first reason why there is none.
pub(in crate::domain::verify) fn earliest<'t>(
    tokens: impl Iterator<Item = &'t [u8]>,
    value: &[u8],
    ground: &Ground<'_>,
    budget: &mut Budget,
) -> (Option<ProvedTime>, Option<Unproved>) {
    let (mut proof, mut why): (Option<ProvedTime>, Option<Unproved>) = (None, None);
    let mut keep = |found: Result<ProvedTime, Unproved>| match found {
        Ok(found) if proof.as_ref().is_none_or(|known| found.at < known.at) => proof = Some(found),
        Ok(_) => {}
        Err(unproved) => _ = why.get_or_insert(unproved),
    };
    for token in tokens.take(MAX_STAMPS) {
        keep(prove(token, value, ground, budget));
    }
    for token in ground.evidence.tokens_over(value) {
        if let Ok(found) = prove_parsed(token, value, ground, budget) {
            keep(Ok(found));
        }
    }
    (proof, why)
}
