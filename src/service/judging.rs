//! Judging uploaded files by the anchors that count now, with what came beside the trust lists in force, and with the
//! status that is fetched where the installation fetches any.

use std::sync::{Arc, PoisonError, RwLock};

use crate::base::clock::Timestamp;
use crate::base::limits::Limits;
use crate::domain::audit::checkpoint::Verifier;
use crate::domain::audit::tree::TreeHash;
use crate::domain::trust::TrustAnchors;
use crate::domain::verify::{
    Evidence, Ground, Lacking, Original, OriginalDigest, Policy, Remembered, Report, WantedEvidence, verify_over,
};
use crate::service::Error;
use crate::service::audit_log::{self, AuditLog};
use crate::service::gathering::{Appetite, Fetched, Gathering};
use crate::service::handed_in::HandedIn;
use crate::service::outside::status::StatusFetcher;
use crate::service::trust_lists::InForce;

/// What counts now: anchors, and the evidence that came with the trust lists in force.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Anchors, those of the lists in force counted, and helping certificates.
    pub trust: TrustAnchors,
    /// Certificates that came with the lists, DER.
    pub certificates: Vec<Vec<u8>>,
    /// Revocation lists that came with the lists, DER.
    pub crls: Vec<Vec<u8>>,
}

impl Standing {
    /// Anchors that were named, with the lists in force.
    #[must_use]
    pub fn new(named: &TrustAnchors, found: InForce) -> Self {
        let mut trust = named.clone();
        found.add_to(&mut trust);
        Self { trust, certificates: found.certificates, crls: found.crls }
    }

    /// What is at hand, beside what was handed in. Each part was read when it was imported.
    fn evidence<'e>(
        &'e self,
        handed_in: &'e Evidence<'e>,
        (with_lists, fetched): (bool, &'e [Fetched]),
    ) -> Evidence<'e> {
        // Beside, so that whoever hands in as many proofs as are taken leaves the own log its room.
        let mut evidence = Evidence::beside(handed_in);
        for der in &self.certificates {
            let _ = evidence.add_certificate(der);
        }
        if with_lists {
            for der in &self.crls {
                if evidence.add_crl(der).is_err() {
                    tracing::warn!("a revocation list of a trust bundle cannot be read");
                }
            }
        }
        fetched.iter().for_each(|one| one.add_to(&mut evidence));
        evidence
    }
}

/// What a detached signature signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedOriginal {
    /// The document.
    Document(Vec<u8>),
    /// Its digest.
    Digest(OriginalDigest),
}

impl SignedOriginal {
    /// As it is judged.
    #[must_use]
    pub fn as_original(&self) -> Original<'_> {
        match self {
            Self::Document(document) => Original::Bytes(document),
            Self::Digest(digest) => Original::Digest(digest),
        }
    }
}

/// A file to be judged.
#[derive(Debug, Clone)]
pub struct Subject {
    /// As the report names it.
    pub file_name: String,
    /// The file.
    pub document: Arc<Vec<u8>>,
    /// The document of a detached signature.
    pub original: Option<Arc<SignedOriginal>>,
    /// Proofs and receipts of logs that were handed in beside it.
    pub evidence: Arc<HandedIn>,
}

/// Judges.
#[derive(Debug, Clone)]
pub struct Judging {
    standing: Arc<RwLock<Arc<Standing>>>,
    remembered: Arc<Remembered>,
    fetcher: Option<StatusFetcher>,
    appetite: Appetite,
    log: Option<AuditLog>,
}

/// Things of one file that the own log is asked for, each by one look-up: a package has 64 signatures, each with its seal.
const MOST_THINGS: usize = 128;
/// Proofs of each of them that are taken; of its own events the first is that of its making.
const MOST_OF_EACH: usize = 2;

impl Judging {
    /// By these anchors; nothing is fetched.
    #[must_use]
    pub fn new(trust: TrustAnchors) -> Self {
        let standing = Arc::new(Standing { trust, ..Standing::default() });
        let (remembered, appetite) = (Arc::default(), Appetite::default());
        Self { standing: Arc::new(RwLock::new(standing)), remembered, fetcher: None, appetite, log: None }
    }

    /// With somebody who fetches, or without.
    #[must_use]
    pub fn with_fetcher(self, fetcher: Option<StatusFetcher>, appetite: Appetite) -> Self {
        Self { fetcher, appetite, ..self }
    }

    /// With the service's own log, which tells what it knows of what is judged, or without one.
    #[must_use]
    pub fn with_log(self, log: Option<AuditLog>) -> Self {
        Self { log, ..self }
    }

    /// The proofs that the own log has of these things; by the tree of SM3, which every log has. Where it cannot be asked the
    /// report says less, and the log of the program why.
    async fn own_proofs(&self, things: &[[u8; 32]]) -> Vec<String> {
        let Some(log) = &self.log else { return Vec::new() };
        let (mut proofs, mut seen) = (Vec::new(), Vec::new());
        for thing in things.iter().take(MOST_THINGS) {
            match log.proofs_of(thing).await {
                Ok(found) => {
                    for proof in found.into_iter().take(MOST_OF_EACH) {
                        proofs.push(proof.sm3);
                        seen.extend(proof.seen);
                    }
                }
                Err(error) => {
                    tracing::warn!(code = error.code(), "the audit log is not asked for a proof: {error}");
                    // A store of old tiles that is silent is waited for once, and not for each thing.
                    if matches!(error, Error::AuditLog(audit_log::Error::ObjectStore { .. })) {
                        break;
                    }
                }
            }
        }
        // Behind: of too many those are left out that date, and not those that prove.
        proofs.extend(seen);
        proofs
    }

    /// From now on this counts.
    pub fn stand_on(&self, standing: Standing) {
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
    }

    /// What counts now.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The report on a file. All rounds are judged by what counted at their beginning, and as of the same moment.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: the service ends.
    pub async fn judge(&self, subject: &Subject, policy: &Arc<Policy>, now: Timestamp) -> Result<Report, Error> {
        let standing = self.standing();
        let mut gathering = self.fetcher.as_ref().map(|fetcher| Gathering::new(fetcher, self.appetite));
        let (mut with_lists, mut fetched) = (false, Arc::new(Vec::<Fetched>::new()));
        let mut trust: Option<Arc<TrustAnchors>> = None;
        let own_log: Arc<[Verifier]> = self.log.iter().flat_map(own_keys).cloned().collect();
        let mut own_proofs: Option<Arc<Vec<String>>> = None;
        loop {
            let (subject, policy, remembered) = (subject.clone(), Arc::clone(policy), Arc::clone(&self.remembered));
            let (by, at_hand, more_trust) = (Arc::clone(&standing), Arc::clone(&fetched), trust.clone());
            let (own_log, proofs) = (Arc::clone(&own_log), own_proofs.clone());
            let judge = move || {
                let mut handed_in = Evidence::none();
                subject.evidence.add_to(&mut handed_in);
                let mut evidence = by.evidence(&handed_in, (with_lists, &at_hand));
                evidence.consult(&own_log);
                for proof in proofs.iter().flat_map(|proofs| proofs.iter()) {
                    // We wrote it; what are more than are taken would only date.
                    let _ = evidence.add_log_proof(proof.as_bytes());
                }
                let ground = Ground {
                    trust: more_trust.as_deref().unwrap_or(&by.trust),
                    policy: &policy,
                    now,
                    limits: &Limits::DEFAULT,
                    remembered: &remembered,
                    evidence: &evidence,
                    log_keys: &[],
                };
                let original = subject.original.as_deref().map(SignedOriginal::as_original);
                verify_over(&subject.file_name, &subject.document, original, &ground)
            };
            let report = tokio::task::spawn_blocking(judge).await.map_err(|_| Error::Interrupted)?;
            // Once: what is judged, and so what may be known of it, is the same in each round.
            if own_proofs.is_none() {
                let found = self.own_proofs(&report.things()).await;
                let is_known = !found.is_empty();
                own_proofs = Some(Arc::new(found));
                if is_known {
                    continue;
                }
            }
            let wanted: Vec<WantedEvidence> = report.wanted().into_iter().cloned().collect();
            if wanted.is_empty() {
                return Ok(report);
            }
            // Lists are read only for files that ask for them: they say nothing of any other.
            let of_lists = wanted.iter().any(|lack| lack.what != Lacking::Issuer);
            if !with_lists && of_lists && !standing.crls.is_empty() {
                with_lists = true;
                continue;
            }
            let Some(gathering) = &mut gathering else { return Ok(report) };
            let more = gathering.round(&wanted).await;
            if more.is_empty() {
                return Ok(report);
            }
            trust = with_candidates(trust, &standing, &more);
            fetched = Arc::new(fetched.iter().cloned().chain(more).collect());
        }
    }
}

/// The keys by which proofs of our own log are believed: its own, and those of its witnesses.
fn own_keys(log: &AuditLog) -> impl Iterator<Item = &Verifier> {
    log.verifier(TreeHash::Sm3).into_iter().chain(log.witnesses())
}

/// What counts, with the certificates that were fetched beside it: candidates of paths, never anchors.
fn with_candidates(
    before: Option<Arc<TrustAnchors>>,
    standing: &Standing,
    fetched: &[Fetched],
) -> Option<Arc<TrustAnchors>> {
    let found: Vec<&[u8]> = fetched.iter().flat_map(Fetched::certificates).collect();
    if found.is_empty() {
        return before;
    }
    let mut trust = before.map_or_else(|| standing.trust.clone(), Arc::unwrap_or_clone);
    for der in found {
        // It was read when it was fetched.
        let _ = trust.add_certificates(der, "caIssuers");
    }
    Some(Arc::new(trust))
}
