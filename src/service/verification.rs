//! Judging files that are at hand: certificates are taken in, files judged, and what it rested on is kept for a replay.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::crypto::digest::{hex, sm3};
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::{CheckedList, ListRefused, TrustAnchors, TrustError, add_trust_list};
use crate::domain::verify::report::{PolicySummary, TrustSummary};
use crate::domain::verify::{ALL, Evidence, Ground, Indication, Policy, Refusal, Report, verify};
use crate::format::der::{Reader, Tag};
use crate::format::keys::{read_pem, write_pem};
use crate::format::trust_list::{SignedTrustList, TrustBundle, TrustListError};
use crate::format::x509::Certificate;

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
    /// Evidence of a kind that is not judged.
    #[error("{origin} holds {kind}; revocation lists are not judged by this version")]
    EvidenceKind {
        /// Where it came from.
        origin: String,
        /// What it holds.
        kind: &'static str,
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
            Self::EvidenceKind { .. } => "evidence-kind-not-supported",
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
    tables: KeyTables,
    anchors: Vec<Vec<u8>>,
    lists: Vec<SignedTrustList>,
    certificates: Vec<Vec<u8>>,
}

impl Verification {
    /// Nothing is trusted yet.
    #[must_use]
    pub fn new(policy: Policy, now: Timestamp, limits: Limits) -> Self {
        let (anchors, lists, certificates) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            trust: TrustAnchors::none(),
            policy,
            now,
            limits,
            tables: KeyTables::default(),
            anchors,
            lists,
            certificates,
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
        for der in certificates(bytes, origin)? {
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

    /// Takes in certificates that may stand in a path but are not trusted by themselves.
    ///
    /// # Errors
    /// As [`Self::add_anchors`].
    pub fn add_evidence(&mut self, bytes: &[u8], origin: &str) -> Result<(), Error> {
        for der in certificates(bytes, origin)? {
            if !self.certificates.contains(&der) {
                self.trust.add_certificates(&der, &name_of(&der))?;
                self.certificates.push(der);
            }
        }
        Ok(())
    }

    /// The anchors as PEM, in the order in which they came; none where there is none.
    #[must_use]
    pub fn anchors_pem(&self) -> Option<String> {
        pem(&self.anchors)
    }

    /// The helping certificates as PEM, in the order in which they came; none where there is none.
    #[must_use]
    pub fn certificates_pem(&self) -> Option<String> {
        pem(&self.certificates)
    }

    /// Judges a file. `original` is the document of a detached signature.
    #[must_use]
    pub fn judge(&self, file: &str, bytes: &[u8], original: Option<&[u8]>) -> Report {
        let ground = Ground {
            trust: &self.trust,
            policy: &self.policy,
            now: self.now,
            limits: &self.limits,
            tables: &self.tables,
            evidence: &Evidence::none(),
        };
        verify(file, bytes, original, &ground)
    }

    /// The report on a file that was not taken up at all. `head` is what is known of its beginning.
    #[must_use]
    pub fn refuse(&self, file: &str, head: &[u8], refusal: Refusal) -> Report {
        Report {
            file: file.to_owned(),
            format: ALL.iter().find(|format| format.recognises(head)).map(|format| format.name()),
            indication: Indication::Refused,
            error: Some(refusal),
            signatures: Vec::new(),
            warnings: Vec::new(),
            coverage: None,
            shown: None,
            policy: PolicySummary::of(&self.policy),
            trust: TrustSummary::of(&self.trust),
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

/// The certificates of a file, each of them readable for sure.
fn certificates(bytes: &[u8], origin: &str) -> Result<Vec<Vec<u8>>, Error> {
    if let Some(kind) = other_kind(bytes) {
        return Err(Error::EvidenceKind { origin: origin.to_owned(), kind });
    }
    TrustAnchors::none().add_certificates(bytes, origin)?;
    let blocks = std::str::from_utf8(bytes).ok().and_then(|text| read_pem(text, "CERTIFICATE"));
    Ok(blocks.filter(|blocks| !blocks.is_empty()).unwrap_or_else(|| vec![bytes.to_vec()]))
}

/// What the bytes hold where it is revocation evidence: told by the label of PEM (RFC 7468), by structure in DER.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    const LIST: &str = "a certificate revocation list";
    const ANSWER: &str = "an OCSP answer";
    if let Ok(text) = std::str::from_utf8(bytes) {
        if text.contains("-----BEGIN X509 CRL-----") || text.contains("-----BEGIN CRL-----") {
            return Some(LIST);
        }
        if text.contains("-----BEGIN OCSP RESPONSE-----") {
            return Some(ANSWER);
        }
    }
    let mut outer = Reader::new(bytes).sequence("evidence").ok()?;
    // RFC 6960 4.2.1: OCSPResponse begins with its status. RFC 5280 5.1: in a list the time of issue follows the issuer;
    // in a certificate a SEQUENCE stands there.
    if outer.peek() == Some(Tag::Enumerated) {
        return Some(ANSWER);
    }
    let mut list = outer.sequence("tbsCertList").ok()?;
    list.optional(Tag::Integer, "version").ok()?;
    list.sequence("signature").ok()?;
    list.sequence("issuer").ok()?;
    matches!(list.peek()?, Tag::UtcTime | Tag::GeneralizedTime).then_some(LIST)
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
    fn revocation_evidence_is_told_from_certificates() {
        assert_eq!(other_kind(b"-----BEGIN X509 CRL-----"), Some("a certificate revocation list"));
        assert_eq!(other_kind(b"-----BEGIN OCSP RESPONSE-----"), Some("an OCSP answer"));
        // OCSPResponse { responseStatus tryLater }
        assert_eq!(other_kind(&[0x30, 3, 0x0a, 1, 3]), Some("an OCSP answer"));
        // CertificateList { TBSCertList { version 1, {}, {}, UTCTime } }
        let list = [0x30, 11, 0x30, 9, 2, 1, 1, 0x30, 0, 0x30, 0, 0x17, 0];
        assert_eq!(other_kind(&list), Some("a certificate revocation list"));
        // Certificate { TBSCertificate { serial, {}, {}, Validity } }, of version 1
        let certificate = [0x30, 11, 0x30, 9, 2, 1, 1, 0x30, 0, 0x30, 0, 0x30, 0];
        assert_eq!(other_kind(&certificate), None);
        assert_eq!(other_kind(b""), None);
    }

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
