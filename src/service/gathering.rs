//! The rounds of one judgement: what it lacks is fetched, and it is judged again, four times at most (product contract 2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::domain::verify::{Evidence, EvidenceSource, Lacking, WantedEvidence};
use crate::service::outside::status::{Error, StatusFetcher, certificates_of};

/// How much one judgement may fetch.
#[derive(Debug, Clone, Copy)]
pub struct Appetite {
    /// Times that something is fetched.
    pub rounds: usize,
    /// Certificates that are asked about in one round.
    pub certificates: usize,
    /// Octets of all lists and answers.
    pub bytes: usize,
    /// For all of it.
    pub time: Duration,
    /// Whether certificates of issuers are fetched, from hosts that any trust list names.
    pub issuers: bool,
}

impl Default for Appetite {
    fn default() -> Self {
        Self { rounds: 4, certificates: 16, bytes: 32 << 20, time: Duration::from_secs(15), issuers: false }
    }
}

/// A list, an answer or certificates that were fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// From there.
    pub source: EvidenceSource,
    /// DER; of certificates one behind the other.
    pub octets: Arc<[u8]>,
}

impl Fetched {
    /// Adds it to what is at hand. It was read when it was fetched.
    pub fn add_to<'e>(&'e self, evidence: &mut Evidence<'e>) {
        let _ = match self.source {
            EvidenceSource::Crl { .. } => evidence.add_crl(&self.octets),
            EvidenceSource::Ocsp { .. } => evidence.add_ocsp(&self.octets),
            EvidenceSource::Issuer { .. } => {
                self.certificates().into_iter().try_for_each(|der| evidence.add_certificate(der))
            }
        };
    }

    /// The certificates of issuers that it holds, DER: candidates of paths, trusted by nobody.
    #[must_use]
    pub fn certificates(&self) -> Vec<&[u8]> {
        match self.source {
            EvidenceSource::Issuer { .. } => certificates_of(&self.octets),
            EvidenceSource::Crl { .. } | EvidenceSource::Ocsp { .. } => Vec::new(),
        }
    }
}

/// A source that had nothing.
#[derive(Debug, Clone)]
pub struct NotHad {
    /// Its address.
    pub address: String,
    /// Why.
    pub error: Arc<Error>,
}

/// A certificate, and what is lacking of it.
type Lack = ([u8; 32], Lacking);

/// What one judgement fetched so far, and what it may fetch still.
#[derive(Debug)]
pub struct Gathering<'f> {
    fetcher: &'f StatusFetcher,
    appetite: Appetite,
    end: Instant,
    bytes: usize,
    rounds: usize,
    tried: BTreeSet<EvidenceSource>,
    /// What was fetched, and for which lacks.
    helping: BTreeMap<EvidenceSource, BTreeSet<Lack>>,
    not_had: Vec<NotHad>,
}

impl<'f> Gathering<'f> {
    /// Nothing fetched yet; the time runs from now.
    #[must_use]
    pub fn new(fetcher: &'f StatusFetcher, appetite: Appetite) -> Self {
        let end = Instant::now() + appetite.time;
        let (tried, helping) = (BTreeSet::new(), BTreeMap::new());
        Self { fetcher, appetite, end, bytes: 0, rounds: 0, tried, helping, not_had: Vec::new() }
    }

    /// The sources that had nothing, each address once, in the order in which they were tried.
    #[must_use]
    pub fn into_not_had(self) -> Vec<NotHad> {
        self.not_had
    }

    /// One more round: for each certificate the first source that was not tried yet and has something. What came before and
    /// did not help is forgotten. Empty where there is nothing more to be had.
    pub async fn round(&mut self, wanted: &[WantedEvidence]) -> Vec<Fetched> {
        let is_taken = |lack: &&WantedEvidence| lack.what != Lacking::Issuer || self.appetite.issuers;
        let lacks: Vec<&WantedEvidence> = wanted.iter().filter(is_taken).collect();
        let unknown: BTreeSet<Lack> = lacks.iter().map(|lack| (lack.certificate, lack.what)).collect();
        // A list that is out of date may help yet, with the changes to it.
        let changing: BTreeSet<Lack> = lacks
            .iter()
            .filter(|lack| lack.what == Lacking::Changes && lack.sources.iter().any(|one| !self.tried.contains(one)))
            .map(|lack| (lack.certificate, Lacking::Status))
            .collect();
        for (source, helped) in std::mem::take(&mut self.helping) {
            if !helped.is_disjoint(&changing) {
                self.helping.insert(source, helped);
            } else if helped.is_subset(&unknown) {
                self.fetcher.forget(&source);
            }
        }
        if self.rounds >= self.appetite.rounds || self.bytes >= self.appetite.bytes {
            return Vec::new();
        }
        self.rounds = self.rounds.saturating_add(1);
        let mut asking = JoinSet::new();
        for lack in lacks.into_iter().take(self.appetite.certificates) {
            let left: Vec<_> = lack.sources.iter().filter(|source| !self.tried.contains(*source)).cloned().collect();
            let (fetcher, lack) = (self.fetcher.clone(), (lack.certificate, lack.what));
            if !left.is_empty() {
                asking.spawn(async move { (lack, first_of(&fetcher, left).await) });
            }
        }
        let mut found: BTreeMap<EvidenceSource, Arc<[u8]>> = BTreeMap::new();
        // What is not there in time is left behind; it may be there for the next who asks.
        while let Ok(Some(done)) = timeout_at(self.end, asking.join_next()).await {
            let Ok((lack, Tried { sources, fetched, not_had })) = done else { continue };
            self.tried.extend(sources);
            for one in not_had {
                if self.not_had.iter().all(|known| known.address != one.address) {
                    self.not_had.push(one);
                }
            }
            let Some(Fetched { source, octets }) = fetched else { continue };
            self.helping.entry(source.clone()).or_default().insert(lack);
            if !found.contains_key(&source) && self.bytes.saturating_add(octets.len()) <= self.appetite.bytes {
                self.bytes = self.bytes.saturating_add(octets.len());
                found.insert(source, octets);
            }
        }
        found.into_iter().map(|(source, octets)| Fetched { source, octets }).collect()
    }
}

/// What came of asking some sources in their order.
struct Tried {
    sources: Vec<EvidenceSource>,
    fetched: Option<Fetched>,
    not_had: Vec<NotHad>,
}

/// What the first of these that has something has, and which of them were tried.
async fn first_of(fetcher: &StatusFetcher, sources: Vec<EvidenceSource>) -> Tried {
    let mut tried = Tried { sources: Vec::new(), fetched: None, not_had: Vec::new() };
    for source in sources {
        tried.sources.push(source.clone());
        match fetcher.fetch(&source).await {
            Ok(octets) => {
                tried.fetched = Some(Fetched { source, octets });
                break;
            }
            Err(error) => tried.not_had.push(NotHad { address: source.address().to_string(), error }),
        }
    }
    tried
}
