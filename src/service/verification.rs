//! Judging files that are at hand: anchors and evidence are taken in, files judged, and what it rested on is kept for a
//! replay.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::crypto::digest::{hex, sm3};
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::trust::{CheckedList, ListRefused, TrustAnchors, TrustError, add_trust_list};
use crate::domain::verify::report::{PolicySummary, TrustSummary};
use crate::domain::verify::words::Summary;
use crate::domain::verify::{
    ALL, Evidence, EvidenceSource, Ground, Indication, Original, Policy, Refusal, Remembered, Report, verify_over,
};
use crate::format::keys::write_pem;
use crate::format::trust_list::{SignedTrustList, TrustBundle, TrustListError};
use crate::format::x509::Certificate;
use crate::service::gathering::{Appetite, Fetched, Gathering, NotHad};
use crate::service::handed_in::{self, HandedIn, Kind};
use crate::service::outside::status::StatusFetcher;

pub use crate::domain::trust::DEVELOPMENT_MARK;

/// A certificate as PEM.
#[must_use]
pub fn pem_of(certificate: &[u8]) -> String {
    write_pem(certificate, "CERTIFICATE")
}

/// Why evidence was not taken, or not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No certificates in it, or none that can be read.
    #[error(transparent)]
    Certificates(#[from] TrustError),
    /// A trust list cannot be read.
    #[error("{origin} is no trust list")]
    TrustListForm {
        /// Where it came from.
        origin: String,
        /// Why.
        source: TrustListError,
    },
    /// A trust list is not accepted.
    #[error("{origin} holds a trust list that is not accepted")]
    TrustList {
        /// Where it came from.
        origin: String,
        /// Why.
        source: ListRefused,
    },
    /// Evidence where anchors are expected.
    #[error("{origin} holds {kind}, which is no anchor")]
    EvidenceKind {
        /// Where it came from.
        origin: String,
        /// What it holds.
        kind: &'static str,
    },
    /// Evidence that cannot be read.
    #[error("{origin} holds {kind} that cannot be read")]
    EvidenceMalformed {
        /// Where it came from.
        origin: String,
        /// What it should be.
        kind: &'static str,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Neither a proof nor a receipt of a log, where nothing else is taken.
    #[error("{origin} is neither a proof nor a receipt of a log")]
    NotOfLog {
        /// Where it came from.
        origin: String,
    },
    /// The folder for the evidence holds such a file already.
    #[error("{path} exists already, and evidence is never overwritten")]
    Exists {
        /// The file.
        path: String,
    },
    /// The evidence could not be written.
    #[error("{path} cannot be written")]
    Write {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Certificates(TrustError::NoCertificate { .. }) => "no-certificate",
            Self::Certificates(_) => "certificate-malformed",
            Self::TrustListForm { source, .. } => source.code(),
            Self::TrustList { source, .. } => source.code(),
            Self::EvidenceKind { .. } => "evidence-is-no-anchor",
            Self::EvidenceMalformed { .. } => "evidence-malformed",
            Self::NotOfLog { .. } => "evidence-not-of-log",
            Self::Exists { .. } => "evidence-exists",
            Self::Write { .. } => "evidence-not-written",
        }
    }
}

/// SM3 in hexadecimal: names policies and input files.
#[must_use]
pub fn sm3_hex(bytes: &[u8]) -> String {
    hex(&sm3(bytes))
}

/// What files are judged by, from the first certificate taken in to the last report.
///
/// Certificates are known by their SM3 and not by the file they came from, so that a report is the same on every
/// machine that holds the same evidence. A certificate that is handed in twice counts once.
#[derive(Debug)]
pub struct Verification {
    trust: TrustAnchors,
    policy: Policy,
    now: Timestamp,
    limits: Limits,
    remembered: Remembered,
    anchors: Vec<Vec<u8>>,
    lists: Vec<SignedTrustList>,
    handed_in: HandedIn,
    log_keys: Vec<Verifier>,
}

/// Everything parsed and at hand, for any number of files.
#[derive(Debug)]
pub struct Ready<'v> {
    verification: &'v Verification,
    evidence: Evidence<'v>,
}

impl Ready<'_> {
    /// Judges a file. `original` is the document of a detached signature.
    #[must_use]
    pub fn judge(&self, file: &str, bytes: &[u8], original: Option<&[u8]>) -> Report {
        self.judge_over(file, bytes, original.map(Original::Bytes))
    }

    /// As [`Self::judge`], where the document may be known by its digest alone.
    #[must_use]
    pub fn judge_over(&self, file: &str, bytes: &[u8], original: Option<Original<'_>>) -> Report {
        let of = self.verification;
        let ground = Ground {
            trust: &of.trust,
            policy: &of.policy,
            now: of.now,
            limits: &of.limits,
            remembered: &of.remembered,
            evidence: &self.evidence,
            log_keys: &of.log_keys,
        };
        verify_over(file, bytes, original, &ground)
    }
}

impl Verification {
    /// Nothing is trusted yet.
    #[must_use]
    pub fn new(policy: Policy, now: Timestamp, limits: Limits) -> Self {
        Self {
            trust: TrustAnchors::none(),
            policy,
            now,
            limits,
            remembered: Remembered::default(),
            anchors: Vec::new(),
            lists: Vec::new(),
            handed_in: HandedIn::default(),
            log_keys: Vec::new(),
        }
    }

    /// How much of a stranger's input is taken on.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The moment that stands for now.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Takes in the certificates of a PEM or DER file as anchors.
    ///
    /// # Errors
    /// The file holds none, one that cannot be read, or something else; then nothing is taken.
    pub fn add_anchors(&mut self, bytes: &[u8], origin: &str) -> Result<(), Error> {
        if TrustBundle::recognises(bytes) {
            return self.add_trust_lists(bytes, origin);
        }
        if let Some(kind) = handed_in::kind_in(bytes) {
            return Err(Error::EvidenceKind { origin: origin.to_owned(), kind: kind.name() });
        }
        for der in handed_in::certificates(bytes, origin)? {
            if !self.anchors.contains(&der) {
                self.trust.add_anchors(&der, &name_of(&der))?;
                if is_development(&der) {
                    self.trust.mark_development();
                }
                self.anchors.push(der);
            }
        }
        Ok(())
    }

    /// Takes in the trust lists of a file, a signed list or a bundle, with the evidence beside them. Who names a list
    /// trusts it, as with anchors; its own signatures must be right, it must not have ended, and a list above it in the
    /// same file must let it do what it does.
    ///
    /// # Errors
    /// The file or one of its lists is refused.
    fn add_trust_lists(&mut self, bytes: &[u8], origin: &str) -> Result<(), Error> {
        let malformed = |source| Error::TrustListForm { origin: origin.to_owned(), source };
        let refused = |source| Error::TrustList { origin: origin.to_owned(), source };
        let bundle = TrustBundle::parse(bytes).map_err(malformed)?;
        let mut lists = Vec::new();
        for signed in bundle.lists {
            let list = CheckedList::check(signed, &self.policy.algorithms, self.now).map_err(refused)?;
            list.not_expired(self.now).map_err(refused)?;
            lists.push(list);
        }
        for list in &lists {
            for above in lists.iter().filter(|above| above.list().lists.iter().any(|one| one.name == list.list().name))
            {
                list.still_named(above).map_err(refused)?;
            }
        }
        for list in lists {
            if self.lists.iter().all(|known| known.payload() != list.signed().payload()) {
                add_trust_list(&mut self.trust, &list);
                self.lists.push(list.signed().clone());
            }
        }
        for der in bundle.certificates.iter().chain(&bundle.crls) {
            self.add_evidence(der, origin)?;
        }
        Ok(())
    }

    /// The trust lists as one file, in the order in which they came; none where there is none.
    #[must_use]
    pub fn trust_lists(&self) -> Option<Vec<u8>> {
        let bundle = TrustBundle { lists: self.lists.clone(), ..TrustBundle::default() };
        (!self.lists.is_empty()).then(|| bundle.to_json())
    }

    /// Takes in what may help: certificates that may stand in a path but are not trusted by themselves, revocation lists,
    /// OCSP answers, time stamps over signature values, proofs of logs. PEM of any of them in any order, one in DER, or a
    /// proof as its log gives it.
    ///
    /// # Errors
    /// The file holds none of these, or one that cannot be read; then nothing is taken.
    pub fn add_evidence(&mut self, bytes: &[u8], origin: &str) -> Result<(), Error> {
        let known = self.handed_in.certificates().len();
        self.handed_in.take(bytes, origin)?;
        for der in self.handed_in.certificates().iter().skip(known) {
            self.trust.add_certificates(der, &name_of(der))?;
        }
        Ok(())
    }

    /// From here on checkpoints of the log of that name are believed by that key; times beside them by the key of a witness. A
    /// key counts once.
    pub fn add_log_key(&mut self, key: Verifier) {
        if !self.log_keys.contains(&key) {
            self.log_keys.push(key);
        }
    }

    /// The keys of logs, one a line, in the order in which they came; none where there is none.
    #[must_use]
    pub fn log_keys(&self) -> Option<String> {
        self.keys_as_text(false)
    }

    /// The keys of witnesses, as [`Self::log_keys`].
    #[must_use]
    pub fn log_witnesses(&self) -> Option<String> {
        self.keys_as_text(true)
    }

    fn keys_as_text(&self, of_witnesses: bool) -> Option<String> {
        let keys = self.log_keys.iter().filter(|key| key.is_witness() == of_witnesses);
        let text: String = keys.map(|key| format!("{}\n", key.to_vkey())).collect();
        (!text.is_empty()).then_some(text)
    }

    /// Takes in what was fetched, once.
    pub fn add_fetched(&mut self, fetched: &Fetched) {
        let kind = match fetched.source {
            EvidenceSource::Crl { .. } => Kind::List,
            EvidenceSource::Ocsp { .. } => Kind::Answer,
            EvidenceSource::Issuer { .. } => {
                for der in fetched.certificates() {
                    // It was read when it was fetched.
                    let is_known = self.handed_in.certificates().iter().any(|known| known == der);
                    if !is_known && self.trust.add_certificates(der, &name_of(der)).is_ok() {
                        self.handed_in.add_certificate(der);
                    }
                }
                return;
            }
        };
        self.handed_in.add(kind, &fetched.octets);
    }

    /// From here on this moment stands for now.
    pub const fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Fetches what the judgement of that file lacks, as far as it is to be had, and takes it in. Gives what was not.
    pub async fn gather(
        &mut self,
        fetcher: &StatusFetcher,
        appetite: Appetite,
        (file, bytes, original): (&str, &[u8], Option<Original<'_>>),
    ) -> Vec<NotHad> {
        let mut gathering = Gathering::new(fetcher, appetite);
        loop {
            let report = self.ready().judge_over(file, bytes, original);
            let wanted: Vec<_> = report.wanted().into_iter().cloned().collect();
            let more = gathering.round(&wanted).await;
            if more.is_empty() {
                return gathering.into_not_had();
            }
            more.iter().for_each(|fetched| self.add_fetched(fetched));
        }
    }

    /// The anchors as PEM, in the order in which they came; none where there is none.
    #[must_use]
    pub fn anchors_pem(&self) -> Option<String> {
        pem(&self.anchors)
    }

    /// The helping certificates as PEM, in the order in which they came; none where there is none.
    #[must_use]
    pub fn certificates_pem(&self) -> Option<String> {
        pem(self.handed_in.certificates())
    }

    /// Revocation lists, answers, time stamps, proofs and receipts of logs as PEM, in the order in which they came; none where there is none.
    #[must_use]
    pub fn others_pem(&self) -> Option<String> {
        self.handed_in.others_pem()
    }

    /// Parses and indexes the evidence, once for all files.
    #[must_use]
    pub fn ready(&self) -> Ready<'_> {
        let mut evidence = Evidence::none();
        self.handed_in.add_to(&mut evidence);
        for der in &self.anchors {
            let _ = evidence.add_certificate(der);
        }
        Ready { verification: self, evidence }
    }

    /// Judges a file alone. `original` is the document of a detached signature.
    #[must_use]
    pub fn judge(&self, file: &str, bytes: &[u8], original: Option<&[u8]>) -> Report {
        self.ready().judge(file, bytes, original)
    }

    /// The report on a file that was not taken up at all. `head` is what is known of its beginning.
    #[must_use]
    pub fn refuse(&self, file: &str, head: &[u8], refusal: Refusal) -> Report {
        Report {
            file: file.to_owned(),
            format: ALL.iter().find(|format| format.recognises(head)).map(|format| format.name()),
            document_sm3: None,
            original_sm3: None,
            indication: Indication::Refused,
            summary: Summary::of(Indication::Refused, None),
            error: Some(refusal),
            signatures: Vec::new(),
            warnings: Vec::new(),
            coverage: None,
            shown: None,
            policy: PolicySummary::of(&self.policy),
            trust: TrustSummary::of(&self.trust, &self.log_keys),
            verified_at: self.now,
        }
    }
}

fn name_of(der: &[u8]) -> String {
    format!("certificate sm3:{}", sm3_hex(der))
}

fn is_development(der: &[u8]) -> bool {
    Certificate::parse(der).is_ok_and(|certificate| certificate.subject.display().contains(DEVELOPMENT_MARK))
}

fn pem(ders: &[Vec<u8>]) -> Option<String> {
    let text: String = ders.iter().map(|der| write_pem(der, "CERTIFICATE")).collect();
    (!text.is_empty()).then_some(text)
}

/// Whether evidence under these names could be saved there: none of them exists yet.
///
/// # Errors
/// [`Error::Exists`] with the first that does.
pub fn refuse_existing<'a>(folder: &Path, names: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    for name in names {
        let path = folder.join(name);
        // A link to nowhere exists too.
        if path.symlink_metadata().is_ok() {
            return Err(Error::Exists { path: path.display().to_string() });
        }
    }
    Ok(())
}

/// Writes evidence into a folder, which is made where it does not exist. Existing files are never overwritten.
///
/// Files appear one after the other: a crash between two leaves those before it.
///
/// # Errors
/// [`Error::Exists`], before anything is written; [`Error::Write`].
pub fn save_evidence(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
    refuse_existing(folder, files.iter().map(|(name, _)| name.as_str()))?;
    let failed = |path: &Path, source| Error::Write { path: path.display().to_string(), source };
    fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        let mut options = OpenOptions::new();
        let written = options.write(true).create_new(true).open(&path).and_then(|mut file| file.write_all(bytes));
        written.map_err(|source| failed(&path, source))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_never_overwritten() {
        let folder = std::env::temp_dir().join(format!("yinxin-evidence-{}", std::process::id()));
        let files = [("one".to_owned(), b"1".to_vec()), ("two".to_owned(), b"2".to_vec())];
        save_evidence(&folder, &files).unwrap();
        assert_eq!(fs::read(folder.join("two")).unwrap(), b"2");
        fs::remove_file(folder.join("one")).unwrap();
        let refused = save_evidence(&folder, &files).unwrap_err();
        assert_eq!(refused.code(), "evidence-exists");
        assert_eq!(
            refused.to_string(),
            format!("{} exists already, and evidence is never overwritten", folder.join("two").display())
        );
        assert!(!folder.join("one").exists(), "nothing is written where anything exists");
        fs::remove_dir_all(folder).unwrap();
    }
}
