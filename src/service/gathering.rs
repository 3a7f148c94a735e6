//! The rounds of one judgement: what it lacks is fetched, and it is judged again, four times at most (product contract 2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::domain::verify::{Evidence, StatusSource, WantedStatus};
use crate::service::outside::status::{Error, StatusFetcher};

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
}

impl Default for Appetite {
    fn default() -> Self {
        Self { rounds: 4, certificates: 16, bytes: 32 << 20, time: Duration::from_secs(15) }
    }
}

/// A list or an answer that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// From there.
    pub source: StatusSource,
    /// DER.
    pub octets: Arc<[u8]>,
}

impl Fetched {
    /// Adds it to what is at hand. It was read when it was fetched.
    pub fn add_to<'e>(&'e self, evidence: &mut Evidence<'e>) {
        let _ = match self.source {
            StatusSource::Crl { .. } => evidence.add_crl(&self.octets),
            StatusSource::Ocsp { .. } => evidence.add_ocsp(&self.octets),
        };
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

/// What one judgement fetched so far, and what it may fetch still.
#[derive(Debug)]
pub struct Gathering<'f> {
    fetcher: &'f StatusFetcher,
    appetite: Appetite,
    end: Instant,
    bytes: usize,
    rounds: usize,
    tried: BTreeSet<StatusSource>,
    /// What was fetched, and for which certificates.
    helping: BTreeMap<StatusSource, BTreeSet<[u8; 32]>>,
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
    pub async fn round(&mut self, wanted: &[WantedStatus]) -> Vec<Fetched> {
        let unknown: BTreeSet<_> = wanted.iter().map(|status| status.certificate).collect();
        for (source, certificates) in std::mem::take(&mut self.helping) {
            if certificates.is_subset(&unknown) {
                self.fetcher.forget(&source);
            }
        }
        if self.rounds >= self.appetite.rounds || self.bytes >= self.appetite.bytes {
            return Vec::new();
        }
        self.rounds = self.rounds.saturating_add(1);
        let mut asking = JoinSet::new();
        for status in wanted.iter().take(self.appetite.certificates) {
            let left: Vec<_> = status.sources.iter().filter(|source| !self.tried.contains(*source)).cloned().collect();
            let (fetcher, certificate) = (self.fetcher.clone(), status.certificate);
            if !left.is_empty() {
                asking.spawn(async move { (certificate, first_of(&fetcher, left).await) });
            }
        }
        let mut found: BTreeMap<StatusSource, Arc<[u8]>> = BTreeMap::new();
        // What is not there in time is left behind; it may be there for the next who asks.
        while let Ok(Some(done)) = timeout_at(self.end, asking.join_next()).await {
            let Ok((certificate, Tried { sources, fetched, not_had })) = done else { continue };
            self.tried.extend(sources);
            for one in not_had {
                if self.not_had.iter().all(|known| known.address != one.address) {
                    self.not_had.push(one);
                }
            }
            let Some(Fetched { source, octets }) = fetched else { continue };
            self.helping.entry(source.clone()).or_default().insert(certificate);
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
    sources: Vec<StatusSource>,
    fetched: Option<Fetched>,
    not_had: Vec<NotHad>,
}

/// What the first of these that has something has, and which of them were tried.
async fn first_of(fetcher: &StatusFetcher, sources: Vec<StatusSource>) -> Tried {
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
