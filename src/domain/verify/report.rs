//! The report: one verdict for each signature, its separate axes, and every reason (product contract 2).

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::crypto::digest::hex;
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::trust::{ListNamed, TrustAnchors};
use crate::domain::verify::asked::Asked;
use crate::domain::verify::event::EventSummary;
use crate::domain::verify::finding::{Case, Finding, Indication, deciding};
use crate::domain::verify::wanted::WantedEvidence;
use crate::domain::verify::words::{Summary, Words, meaning};
use crate::domain::verify::{Ground, Policy, telling};
use crate::format::ofd;

/// How an axis stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The rule holds.
    Ok,
    /// The rule is broken.
    Failed,
    /// It could not be told.
    Unknown,
    /// It holds, but somebody should look.
    Warning,
    /// The question does not arise.
    NotApplicable,
}

impl Status {
    /// As reports write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::NotApplicable => "not_applicable",
        }
    }
}

/// One axis of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Axis {
    /// How it stands.
    pub status: Status,
    /// Stable code; `ok` where nothing is to be said.
    pub code: String,
    /// For people.
    pub detail: String,
    /// The same in Chinese; empty until the report is concluded.
    pub detail_zh: String,
    /// What it rests on: paths, digests, names.
    pub evidence: Vec<String>,
}

impl Axis {
    /// An axis without evidence.
    #[must_use]
    pub fn new(status: Status, code: &str, detail: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), detail: detail.into(), detail_zh: String::new(), evidence: Vec::new() }
    }

    /// `unknown` because something before it was not reached.
    #[must_use]
    pub fn not_reached() -> Self {
        Self::new(Status::Unknown, "not-reached", "not judged: something before it could not be read")
    }

    /// The same with evidence.
    #[must_use]
    pub fn with(mut self, evidence: Vec<String>) -> Self {
        self.evidence = evidence;
        self
    }
}

/// A certificate, as a report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateSummary {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// SM3 of the DER, hexadecimal.
    pub sm3: String,
}

/// A seal, as a report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealSummary {
    /// `esID`.
    pub es_id: String,
    /// Its name.
    pub name: String,
    /// `createDate`.
    pub created: Timestamp,
    /// `validStart`.
    pub valid_from: Timestamp,
    /// `validEnd`.
    pub valid_to: Timestamp,
    /// Width of the picture, millimetres.
    pub width: u32,
    /// Height of the picture, millimetres.
    pub height: u32,
}

/// A moment against a validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// Inside.
    Ok,
    /// After its end.
    Expired,
    /// Before its start.
    NotYetValid,
}

impl Validity {
    /// Where `at` lies.
    #[must_use]
    pub fn of(at: Timestamp, start: Timestamp, end: Timestamp) -> Self {
        if at < start {
            Self::NotYetValid
        } else if at > end {
            Self::Expired
        } else {
            Self::Ok
        }
    }
}

/// What was measured, beside the axes: for machines that want more than a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Details {
    /// Number of References.
    pub references: Option<usize>,
    /// References whose part differs or is missing, as Signature.xml writes them.
    pub bad_references: Vec<String>,
    /// dataHash against Signature.xml (or the original).
    pub data_hash: Option<Status>,
    /// The digest that dataHash is.
    pub data_hash_algorithm: Option<&'static str>,
    /// The algorithm of a signature value that is right.
    pub signature_algorithm: Option<&'static str>,
    /// Encoding of the signature value: `der`, `raw`; none for RSA.
    pub encoding: Option<&'static str>,
    /// The maker's signature on the seal.
    pub seal_signature: Option<Status>,
    /// Encoding of the maker's signature value.
    pub seal_signature_encoding: Option<&'static str>,
    /// Whether the signer's certificate is in the seal's list.
    pub signer_in_list: Option<bool>,
    /// Seal.esl against the seal that was signed: `same`, `differs`, `none`.
    pub seal_file: Option<&'static str>,
    /// propertyInfo against the path of Signature.xml.
    pub property_info: Option<Status>,
    /// When the signer says that it signed.
    pub claimed_time: Option<Timestamp>,
    /// The same as written.
    pub claimed_time_raw: Option<String>,
    /// The seal at the claimed time.
    pub seal_validity_at_signing: Option<Validity>,
    /// The signer's certificate at the claimed time.
    pub signer_validity_at_signing: Option<Validity>,
    /// The maker's certificate at the seal's createDate.
    pub maker_validity_at_create_date: Option<Validity>,
    /// The seal at the moment of verification.
    pub seal_valid_now: Option<bool>,
    /// The signer's certificate at the moment of verification.
    pub signer_valid_now: Option<bool>,
    /// `none` or `present`.
    pub time_stamp: Option<&'static str>,
    /// The moment before which the signature existed, as a trusted time stamp proves it: best-signature-time.
    pub proved_time: Option<Timestamp>,
    /// The time stamp of the seal, version 5: `none` or `present`.
    pub seal_time_stamp: Option<&'static str>,
    /// The moment before which the seal existed, as its own time stamp proves it.
    pub seal_proved_time: Option<Timestamp>,
    /// From when on the signer's certificate is revoked.
    pub revoked_since: Option<Timestamp>,
    /// Why.
    pub revocation_reason: Option<&'static str>,
    /// Shown parts, and OFD.xml, that neither this signature nor an earlier one that did not fail protects.
    pub uncovered: Option<Vec<String>>,
    /// `full`, `partial`, `foreign`.
    pub coverage: Option<&'static str>,
    /// Deviations found, whether or not the policy allows them.
    pub tolerances: Vec<&'static str>,
    /// Of a signature by a certificate for one transaction: what it says, and whether it is for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventSummary>,
}

/// Another reason, beside the deciding one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The verdict that it alone would give.
    pub indication: Indication,
    /// Its sub-indication.
    pub sub_indication: Option<&'static str>,
    /// Stable code.
    pub code: String,
    /// For people.
    pub detail: String,
    /// What it means and what to do, in plain words, with the clause of the rule.
    #[serde(flatten)]
    pub words: &'static Words,
}

/// The verdict on one signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureReport {
    /// Its ID in the document.
    pub id: String,
    /// Its kind, such as `ses-v4`.
    pub kind: &'static str,
    /// The verdict.
    pub indication: Indication,
    /// Its sub-indication.
    pub sub_indication: Option<&'static str>,
    /// The code of the deciding reason; `passed` where there is none.
    pub code: String,
    /// The deciding reason, for people.
    pub reason: String,
    /// Every protected byte matches.
    pub intact: Axis,
    /// The signature's value.
    pub signature: Axis,
    /// The seal: maker's signature, list, validity.
    pub seal: Axis,
    /// Paths to anchors.
    pub trusted: Axis,
    /// When.
    pub time: Axis,
    /// Revocation.
    pub revocation: Axis,
    /// What is protected of what is shown.
    pub coverage: Axis,
    /// Algorithms and key sizes.
    pub algorithm: Axis,
    /// The audit log.
    pub logged: Axis,
    /// The signer's certificate.
    pub signer: Option<CertificateSummary>,
    /// The maker's certificate.
    pub maker: Option<CertificateSummary>,
    /// The seal.
    pub seal_summary: Option<SealSummary>,
    /// What was measured.
    pub details: Details,
    /// Every reason, the deciding one first.
    pub reasons: Vec<Reason>,
    #[serde(skip)]
    findings: Vec<Finding>,
    #[serde(skip)]
    wanted: Vec<WantedEvidence>,
    #[serde(skip)]
    pub(in crate::domain::verify) asked: Asked,
}

impl SignatureReport {
    /// A report in which nothing was judged yet.
    #[must_use]
    pub fn blank(id: &str, kind: &'static str) -> Self {
        let absent = Axis::new(Status::NotApplicable, "not-in-log", "no log was asked for it");
        Self {
            id: id.to_owned(),
            kind,
            indication: Indication::Indeterminate,
            sub_indication: None,
            code: String::new(),
            reason: String::new(),
            intact: Axis::not_reached(),
            signature: Axis::not_reached(),
            seal: Axis::not_reached(),
            trusted: Axis::not_reached(),
            time: Axis::not_reached(),
            revocation: Axis::not_reached(),
            coverage: Axis::not_reached(),
            algorithm: Axis::not_reached(),
            logged: absent,
            signer: None,
            maker: None,
            seal_summary: None,
            details: Details::default(),
            reasons: Vec::new(),
            findings: Vec::new(),
            wanted: Vec::new(),
            asked: Asked::default(),
        }
    }

    /// Adds a broken rule.
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Names a certificate of which evidence is lacking.
    pub fn want(&mut self, evidence: WantedEvidence) {
        self.wanted.push(evidence);
    }

    /// Whether a rule is broken for good so far.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.case.indication() == Indication::TotalFailed)
    }

    /// Whether no rule is broken so far.
    #[must_use]
    pub fn passes_so_far(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether what it protects still counts as protected: nothing is broken but, at most, a tolerance that is off.
    #[must_use]
    pub fn still_protects(&self) -> bool {
        let broken = |finding: &Finding| {
            finding.case.indication() == Indication::TotalFailed && finding.case != Case::ToleranceOff
        };
        let not_accepted = [Case::Algorithm, Case::AlgorithmEnded, Case::UnsupportedKind];
        !self.findings.iter().any(broken) && !not_accepted.into_iter().any(|case| self.has(case))
    }

    /// Whether that row of the table applies so far.
    #[must_use]
    pub fn has(&self, case: Case) -> bool {
        self.findings.iter().any(|finding| finding.case == case)
    }

    /// Draws the verdict from the findings.
    fn conclude(&mut self) {
        let deciding = deciding(&self.findings);
        self.indication = deciding.map_or(Indication::TotalPassed, |finding| finding.case.indication());
        self.sub_indication = deciding.and_then(|finding| finding.case.sub_indication());
        self.code = deciding.map_or_else(|| "passed".to_owned(), |finding| finding.code.clone());
        self.reason = deciding.map_or_else(|| "every rule holds".to_owned(), |finding| finding.detail.clone());
        self.findings.sort_by_key(|finding| finding.case);
        let reason = |finding: &Finding| Reason {
            indication: finding.case.indication(),
            sub_indication: finding.case.sub_indication(),
            code: finding.code.clone(),
            detail: finding.detail.clone(),
            words: meaning(&finding.code, finding.case.sub_indication()),
        };
        self.reasons = self.findings.iter().map(reason).collect();
        let told = telling::axes(self);
        let Self { intact, signature, seal, trusted, time, revocation, coverage, algorithm, logged, .. } = self;
        let axes = [intact, signature, seal, trusted, time, revocation, coverage, algorithm, logged];
        axes.into_iter().zip(told).for_each(|(axis, told)| axis.detail_zh = told);
    }
}

/// Something to look at that decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable code.
    pub code: &'static str,
    /// The part concerned, where there is one.
    pub part: Option<String>,
    /// For people.
    pub detail: String,
}

/// Why a file was not judged at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Stable code.
    pub code: &'static str,
    /// The clause that the file departs from.
    pub clause: &'static str,
    /// For people.
    pub detail: String,
    /// The part concerned, where there is one.
    pub part: Option<String>,
}

impl From<ofd::Error> for Refusal {
    fn from(error: ofd::Error) -> Self {
        Self {
            code: error.code(),
            clause: error.clause(),
            detail: error.to_string(),
            part: error.part().map(str::to_owned),
        }
    }
}

/// Which policy was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicySummary {
    /// Its name.
    pub name: String,
    /// SM3 of its file, hexadecimal.
    pub sm3: String,
    /// The algorithm policy beside it.
    pub algorithms: AlgorithmPolicySummary,
}

impl PolicySummary {
    /// Of that policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let algorithms = &policy.algorithms;
        let algorithms = AlgorithmPolicySummary { name: algorithms.name.clone(), sm3: algorithms.sm3.clone() };
        Self { name: policy.name.clone(), sm3: policy.sm3.clone(), algorithms }
    }
}

/// Which algorithm policy was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlgorithmPolicySummary {
    /// Its name.
    pub name: String,
    /// SM3 of its file, hexadecimal.
    pub sm3: String,
}

/// Which anchors were trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustSummary {
    /// How many anchors.
    pub anchors: usize,
    /// Names the set of anchors.
    pub sm3: String,
    /// `DEVELOPMENT TRUST` where development anchors are among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<&'static str>,
    /// The trust lists that the anchors came from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListSummary>,
    /// The verifier keys of logs that were believed (C2SP signed-note), in the order in which they came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_keys: Vec<String>,
}

impl TrustSummary {
    /// What a report says of these anchors and keys.
    #[must_use]
    pub fn of(trust: &TrustAnchors, log_keys: &[Verifier]) -> Self {
        let list = |list: &ListNamed| ListSummary { name: list.name.clone(), number: list.number, sm3: hex(&list.sm3) };
        Self {
            anchors: trust.anchor_count(),
            sm3: trust.anchors_sm3(),
            notice: trust.is_development().then_some("DEVELOPMENT TRUST"),
            lists: trust.lists().map(list).collect(),
            log_keys: log_keys.iter().map(Verifier::to_vkey).collect(),
        }
    }
}

/// A trust list, as a report names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListSummary {
    /// Its name.
    pub name: String,
    /// Its version.
    pub number: u64,
    /// SM3 of its canonical form: the fingerprint.
    pub sm3: String,
}

/// The coverage of a whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileCoverage {
    /// `full` or `partial`.
    pub coverage: &'static str,
    /// Shown parts, and OFD.xml, that no signature that did not fail protects.
    pub uncovered: Vec<String>,
}

/// What a file's format found in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// Its signatures, in the order of the document.
    pub signatures: Vec<SignatureReport>,
    /// What to look at.
    pub warnings: Vec<Warning>,
    /// What the signatures protect together; none where none did not fail.
    pub coverage: Option<FileCoverage>,
    /// Shown parts.
    pub shown: Option<Vec<String>>,
}

/// The report on one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The file as it was named.
    pub file: String,
    /// Its format, where recognised.
    pub format: Option<&'static str>,
    /// SM3 of the file, hexadecimal, where whoever asked had it computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_sm3: Option<String>,
    /// SM3 of the document of a detached signature, hexadecimal, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_sm3: Option<String>,
    /// The worst of its signatures.
    pub indication: Indication,
    /// What that means, in plain words.
    pub summary: Summary,
    /// Why it was refused.
    pub error: Option<Refusal>,
    /// Its signatures.
    pub signatures: Vec<SignatureReport>,
    /// What to look at.
    pub warnings: Vec<Warning>,
    /// What the signatures protect together.
    pub coverage: Option<FileCoverage>,
    /// The parts that its pages show.
    pub shown: Option<Vec<String>>,
    /// Which policy was applied.
    pub policy: PolicySummary,
    /// Which anchors were trusted.
    pub trust: TrustSummary,
    /// The moment that stood for now.
    pub verified_at: Timestamp,
}

impl Report {
    /// The report's JSON form, one line: what is shown, sent and digested.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A tree of strings, numbers and lists always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The certificates of which evidence is lacking, each lack once, in the order of the signatures. With that evidence
    /// the file may be judged again.
    #[must_use]
    pub fn wanted(&self) -> Vec<&WantedEvidence> {
        let mut all: Vec<&WantedEvidence> = Vec::new();
        for wanted in self.signatures.iter().flat_map(|signature| &signature.wanted) {
            if !all.contains(&wanted) {
                all.push(wanted);
            }
        }
        all
    }

    pub(in crate::domain::verify) fn new(
        file: &str,
        format: Option<&'static str>,
        outcome: Result<Body, Refusal>,
        ground: &Ground<'_>,
    ) -> Self {
        let (mut body, error) = match outcome {
            Ok(body) => (body, None),
            Err(refusal) => (Body::default(), Some(refusal)),
        };
        body.signatures.iter_mut().for_each(SignatureReport::conclude);
        let worst = body.signatures.iter().map(|signature| signature.indication).max();
        let indication =
            if error.is_some() { Indication::Refused } else { worst.unwrap_or(Indication::NoSignatureFound) };
        let worst = body.signatures.iter().find(|signature| signature.indication == indication);
        let summary = Summary::of(indication, worst.map(|worst| (worst.code.as_str(), worst.sub_indication)));
        Self {
            file: file.to_owned(),
            format,
            document_sm3: None,
            original_sm3: None,
            indication,
            summary,
            error,
            signatures: body.signatures,
            warnings: body.warnings,
            coverage: body.coverage,
            shown: body.shown,
            policy: PolicySummary::of(ground.policy),
            trust: TrustSummary::of(ground.trust, ground.log_keys),
            verified_at: ground.now,
        }
    }
}
