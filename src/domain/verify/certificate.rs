//! Judging certificates in files of their own: valid now, signed by its issuer, a path to an anchor, not revoked.
//!
//! In PEM the first certificate is judged; those that follow may stand on its path. Nothing is asked of its purpose.

use crate::domain::trust::{Budget, CheckedValue, ValueEncoding, check_signed};
use crate::domain::verify::cms::{name_of, no_seal};
use crate::domain::verify::finding::{Case, Finding};
use crate::domain::verify::logged::{Thing, judge_logged};
use crate::domain::verify::policy::Tolerance;
use crate::domain::verify::report::{Axis, Body, Refusal, SignatureReport, Status, Validity};
use crate::domain::verify::shape::{Shape, ders};
use crate::domain::verify::signer::{Role, SignerQuestion, SigningTime, Wanted, judge_chains, summary};
use crate::domain::verify::{FileFormat, Ground, Original, ses};
use crate::format::keys::AlgorithmIdentifier;
use crate::format::x509::{Certificate, Name};

/// Certificates of one file.
const MAX_CERTIFICATES: usize = 64;

/// Certificates in DER or PEM.
#[derive(Debug, Clone, Copy)]
pub struct CertificateFile;

impl FileFormat for CertificateFile {
    fn name(&self) -> &'static str {
        "certificate"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        Shape::of(bytes) == Some(Shape::Certificate)
    }

    fn verify(&self, bytes: &[u8], _: Option<Original<'_>>, ground: &Ground<'_>) -> Result<Body, Refusal> {
        let ders = ders(bytes, Shape::Certificate, MAX_CERTIFICATES)?;
        let parse = |der| {
            Certificate::parse(der).map_err(|error| Refusal {
                code: "certificate-malformed",
                clause: "RFC 5280 4.1",
                detail: error.to_string(),
                part: None,
            })
        };
        let all = ders.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
        let mut body = Body::default();
        if let Some((certificate, beside)) = all.split_first() {
            let mut report = SignatureReport::blank("1", "certificate");
            report.seal = no_seal();
            report.coverage = Axis::new(Status::NotApplicable, "certificate", "a certificate shows nothing");
            report.signer = Some(summary(certificate));
            let signed = Signed {
                issuer: &certificate.issuer,
                algorithm: &certificate.signature_algorithm,
                tbs: certificate.tbs,
                value: certificate.signature,
            };
            signed.judge(&mut report, beside, ground);
            validity(&mut report, certificate, ground);
            let question = SignerQuestion {
                role: Role::Signer,
                certificate,
                embedded: beside,
                at: SigningTime::default(),
                wanted: Wanted::Anything,
                algorithm: None,
            };
            let mut budget = Budget::new(ground.limits);
            let paths = judge_chains(&mut report, &[question], ground, &mut budget, &mut body.warnings);
            if paths.is_some() && report.algorithm.status == Status::Unknown {
                report.algorithm = Axis::new(Status::Ok, "ok", "every signature on the path is accepted");
            }
            judge_logged(&mut report, (Thing::Certificate, certificate.raw, None), ground, &mut body.warnings);
            body.signatures.push(report);
        }
        Ok(body)
    }
}

/// The axis time: a certificate is judged at the moment of verification.
fn validity(report: &mut SignatureReport, certificate: &Certificate<'_>, ground: &Ground<'_>) {
    let (from, until, now) = (certificate.not_before, certificate.not_after, ground.now);
    let validity = Validity::of(now, from, until);
    report.details.signer_valid_now = Some(validity == Validity::Ok);
    let (case, code, detail) = match validity {
        Validity::Ok => {
            report.time = Axis::new(Status::Ok, "ok", format!("valid from {from} until {until}"));
            return;
        }
        Validity::Expired => (Case::Expired, "certificate-expired", format!("the certificate ended at {until}")),
        Validity::NotYetValid => {
            (Case::NotYetValid, "certificate-not-yet-valid", format!("the certificate begins at {from}"))
        }
    };
    report.time = Axis::new(Status::Failed, code, detail.clone());
    report.add(Finding::new(case, code, detail));
}

/// Something that an authority signed: a certificate or a revocation list.
pub(in crate::domain::verify) struct Signed<'s> {
    /// Its issuer.
    pub(in crate::domain::verify) issuer: &'s Name<'s>,
    /// `signatureAlgorithm`.
    pub(in crate::domain::verify) algorithm: &'s AlgorithmIdentifier<'s>,
    /// What was signed.
    pub(in crate::domain::verify) tbs: &'s [u8],
    /// `signatureValue`.
    pub(in crate::domain::verify) value: &'s [u8],
}

/// Authorities of one name that are tried.
const MAX_ISSUERS: usize = 16;

impl Signed<'_> {
    /// The axes signature and intact, by the first authority of that name whose value it is: among those beside it and
    /// those at hand. Gives its certificate. Whether anybody trusts it is asked elsewhere.
    pub(in crate::domain::verify) fn judge<'c>(
        &self,
        report: &mut SignatureReport,
        beside: &[Certificate<'c>],
        ground: &Ground<'c>,
    ) -> Option<Certificate<'c>> {
        let known = ground.known_certificates();
        let at_hand = known.iter().filter_map(|der| Certificate::parse(der).ok());
        let named = beside.iter().cloned().chain(at_hand).filter(|other| other.subject.matches(self.issuer));
        let (mut tried, mut unsupported) = (0_usize, false);
        for issuer in named.take(MAX_ISSUERS) {
            tried = tried.saturating_add(1);
            match check_signed(&issuer.public_key, self.algorithm, (self.tbs, self.value), &ground.remembered.tables) {
                CheckedValue::Right { algorithm, encoding } => {
                    report.details.encoding = encoding.name();
                    if encoding == ValueEncoding::Raw {
                        ses::deviates(report, Tolerance::RawRs, ground);
                    }
                    let detail = format!("the issuer's value is right ({})", algorithm.name());
                    report.signature = Axis::new(Status::Ok, "ok", detail).with(vec![name_of(&issuer)]);
                    report.intact = Axis::new(Status::Ok, "ok", "it is as its issuer signed it");
                    return Some(issuer);
                }
                CheckedValue::Wrong { .. } => {}
                CheckedValue::Unsupported => unsupported = true,
            }
        }
        if tried == 0 {
            let detail = format!("no certificate of the issuer {} is at hand", self.issuer.display());
            for axis in [&mut report.signature, &mut report.intact] {
                *axis = Axis::new(Status::Unknown, "issuer-missing", detail.clone());
            }
        } else if unsupported {
            let detail = format!("the algorithm {} or the issuer's kind of key is not accepted", self.algorithm.oid);
            report.signature = Axis::new(Status::Unknown, "algorithm-not-accepted", detail.clone());
            report.algorithm = Axis::new(Status::Failed, "algorithm-not-accepted", detail.clone());
            report.add(Finding::new(Case::Algorithm, "algorithm-not-accepted", detail));
        } else {
            let detail = format!("the value is not that of the issuer {}", self.issuer.display());
            report.signature = Axis::new(Status::Failed, "signature-wrong", detail.clone());
            report.intact = Axis::new(Status::Unknown, "signature-wrong", "changed after signing, or another's");
            report.add(Finding::new(Case::SignatureValue, "signature-wrong", detail));
        }
        None
    }
}
