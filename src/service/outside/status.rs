//! Asking status services: revocation lists, OCSP answers and certificates of issuers are fetched once for many askers,
//! and kept for a while.
//!
//! What is kept changes how often others are asked, never what counts: who signed a list or an answer, and whether it is
//! in force, is judged where it is used. What did not help there is forgotten ([`StatusFetcher::forget`]), so that nobody
//! on the way can put a wrong answer in the place of a right one for long.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use tokio::sync::{Semaphore, watch};

use crate::base::clock::{Clock, Timestamp};
use crate::domain::verify::EvidenceSource;
use crate::domain::verify::address::Address;
use crate::format::cms::SignedData;
use crate::format::der::Reader;
use crate::format::keys::read_pem;
use crate::format::x509::ocsp::{OcspRequest, OcspResponse};
use crate::format::x509::{Certificate, CertificateList};
use crate::service::outside::reach::Resolver;
use crate::service::outside::web::{self, Patience, Question, Web};

/// An answer about one certificate has some hundred octets, with a responder's chain some thousand.
const MOST_ANSWER: usize = 64 << 10;
/// Certificates of one answer: an authority with a handful of cross certificates.
const MOST_CERTIFICATES: usize = 16;
/// RFC 6960 A.1: requests below this length, after encoding, go by GET, where caches may answer.
const MOST_BY_GET: usize = 255;
/// What was fetched is kept no longer than this, whatever it says: an authority may publish a newer list at any time.
const MOST_KEPT: i64 = 3600;
/// An answer without an end is kept so long.
const WITHOUT_END: i64 = 60;
/// So long nobody is asked again who failed, or whose answer did not help.
const FAILED: i64 = 60;

/// How much is fetched and kept.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Octets of a revocation list.
    pub list_bytes: usize,
    /// Answers that are kept, the failed ones counted.
    pub entries: usize,
    /// Octets of them together.
    pub bytes: usize,
    /// Questions at one time.
    pub at_once: usize,
    /// Until the connection stands.
    pub connection: Duration,
    /// Until the last octet of an answer.
    pub whole: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            list_bytes: 16 << 20,
            entries: 1024,
            bytes: 64 << 20,
            at_once: 16,
            connection: Duration::from_secs(3),
            whole: Duration::from_secs(8),
        }
    }
}

/// Why there is no status to be had from a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer.
    #[error(transparent)]
    Web(#[from] web::Error),
    /// An answer that is no revocation list.
    #[error("what is published there is no revocation list")]
    NoList,
    /// An answer that is no OCSP answer.
    #[error("the answer is none of OCSP")]
    NoAnswer,
    /// An answer that holds no certificates, or too many.
    #[error("what is published there is neither a certificate nor 16 at most")]
    NoCertificate,
    /// The responder gives none.
    #[error("the responder refuses: {0}")]
    Refused(&'static str),
    /// RFC 6960 3.2 (1).
    #[error("the answer is not about the certificate that was asked about")]
    OtherCertificate,
    /// It was right in form, and did not help.
    #[error("what was fetched did not tell the status")]
    Useless,
    /// The fetching broke off.
    #[error("the fetching was interrupted")]
    Interrupted,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Web(error) => error.code(),
            Self::NoList => "answer-no-crl",
            Self::NoAnswer => "answer-no-ocsp",
            Self::NoCertificate => "answer-no-certificate",
            Self::Refused(_) => "ocsp-refused",
            Self::OtherCertificate => "ocsp-other-certificate",
            Self::Useless => "answer-useless",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A revocation list or an OCSP answer, DER, or certificates, each in DER and one behind the other; or why there is none.
pub type Outcome = Result<Arc<[u8]>, Arc<Error>>;

/// Fetches lists, answers and certificates. Clones share what is kept.
#[derive(Clone)]
pub struct StatusFetcher {
    inner: Arc<Inner>,
}

struct Inner {
    web: Web,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    places: Semaphore,
    shelf: Mutex<Shelf>,
}

impl fmt::Debug for StatusFetcher {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("StatusFetcher").field("bounds", &self.inner.bounds).finish_non_exhaustive()
    }
}

/// One answer, under way or there.
enum Entry {
    UnderWay(watch::Receiver<Option<Outcome>>),
    There { outcome: Outcome, until: Timestamp, used: u64 },
}

#[derive(Default)]
struct Shelf {
    entries: BTreeMap<EvidenceSource, Entry>,
    bytes: usize,
    uses: u64,
}

impl Shelf {
    fn remove(&mut self, source: &EvidenceSource) {
        if let Some(Entry::There { outcome: Ok(octets), .. }) = self.entries.remove(source) {
            self.bytes = self.bytes.saturating_sub(octets.len());
        }
    }

    /// Keeps it, and drops what is over and what was not used for the longest time until the bounds hold.
    fn keep(
        &mut self,
        source: EvidenceSource,
        (outcome, until): (Outcome, Timestamp),
        now: Timestamp,
        bounds: &Bounds,
    ) {
        self.remove(&source);
        let size = outcome.as_ref().map_or(0, |octets| octets.len());
        if size > bounds.bytes {
            return;
        }
        let is_over = |entry: &Entry| matches!(entry, Entry::There { until, .. } if *until < now);
        let over: Vec<_> =
            self.entries.iter().filter(|(_, entry)| is_over(entry)).map(|(key, _)| key.clone()).collect();
        over.iter().for_each(|key| self.remove(key));
        while self.entries.len() >= bounds.entries || self.bytes.saturating_add(size) > bounds.bytes {
            let there = self.entries.iter().filter_map(|(key, entry)| match entry {
                Entry::There { used, .. } => Some((*used, key)),
                Entry::UnderWay(_) => None,
            });
            let Some(oldest) = there.min_by_key(|(used, _)| *used).map(|(_, key)| key.clone()) else { break };
            self.remove(&oldest);
        }
        self.bytes = self.bytes.saturating_add(size);
        self.uses = self.uses.saturating_add(1);
        let used = self.uses;
        self.entries.insert(source, Entry::There { outcome, until, used });
    }

    /// What is kept, and counts still.
    fn find(&mut self, source: &EvidenceSource, now: Timestamp) -> Option<Outcome> {
        self.uses = self.uses.saturating_add(1);
        let uses = self.uses;
        match self.entries.get_mut(source) {
            Some(Entry::There { outcome, until, used }) if *until >= now => {
                *used = uses;
                Some(outcome.clone())
            }
            _ => None,
        }
    }
}

impl StatusFetcher {
    /// A fetcher with nothing kept yet. `tls` names whom servers of https must be known by; without it none is asked.
    #[must_use]
    pub fn new(
        resolver: Arc<dyn Resolver>,
        tls: Option<Arc<ClientConfig>>,
        clock: Arc<dyn Clock>,
        bounds: Bounds,
    ) -> Self {
        let patience = Patience { connection: bounds.connection, whole: bounds.whole };
        let web = Web { resolver, tls, patience };
        let places = Semaphore::new(bounds.at_once);
        Self { inner: Arc::new(Inner { web, bounds, clock, places, shelf: Mutex::default() }) }
    }

    /// How many answers are kept or under way, and their octets.
    #[must_use]
    pub fn kept(&self) -> (usize, usize) {
        let shelf = self.inner.shelf();
        (shelf.entries.len(), shelf.bytes)
    }

    /// The list or answer of that source: kept, under way already, or fetched now. Whoever stops waiting stops nobody else.
    ///
    /// # Errors
    /// Why there is none; for a while nobody is asked again.
    pub async fn fetch(&self, source: &EvidenceSource) -> Outcome {
        let mut receiver = {
            let mut shelf = self.inner.shelf();
            if let Some(outcome) = shelf.find(source, self.inner.clock.now()) {
                return outcome;
            }
            match shelf.entries.get(source) {
                Some(Entry::UnderWay(receiver)) => receiver.clone(),
                _ => self.start(&mut shelf, source),
            }
        };
        match receiver.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(Arc::new(Error::Interrupted))),
            Err(_) => {
                // Whoever fetched is gone, and left nothing.
                self.inner.shelf().remove(source);
                Err(Arc::new(Error::Interrupted))
            }
        }
    }

    fn start(&self, shelf: &mut Shelf, source: &EvidenceSource) -> watch::Receiver<Option<Outcome>> {
        let (sender, receiver) = watch::channel(None);
        shelf.remove(source);
        shelf.entries.insert(source.clone(), Entry::UnderWay(receiver.clone()));
        let (inner, source) = (Arc::clone(&self.inner), source.clone());
        tokio::spawn(async move {
            let outcome = inner.ask(&source).await;
            let now = inner.clock.now();
            let (outcome, until) = match outcome {
                Ok((octets, until)) => (Ok(octets.into()), until),
                Err(error) => {
                    let address = source.address().to_string();
                    tracing::info!(address, code = error.code(), reason = web::told(&error), "a status is not fetched");
                    (Err(Arc::new(error)), now.plus_seconds(FAILED))
                }
            };
            inner.shelf().keep(source, (Outcome::clone(&outcome), until), now, &inner.bounds);
            // Nobody may be waiting any more.
            let _ = sender.send(Some(outcome));
        });
        receiver
    }

    /// What came from that source did not help: it is not kept, and for a while not asked for.
    pub fn forget(&self, source: &EvidenceSource) {
        let now = self.inner.clock.now();
        let mut shelf = self.inner.shelf();
        if matches!(shelf.entries.get(source), Some(Entry::There { outcome: Ok(_), .. })) {
            let useless = (Err(Arc::new(Error::Useless)), now.plus_seconds(FAILED));
            shelf.keep(source.clone(), useless, now, &self.inner.bounds);
        }
    }
}

impl Inner {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The octets, and until when they are kept.
    async fn ask(&self, source: &EvidenceSource) -> Result<(Vec<u8>, Timestamp), Error> {
        let _place = self.places.acquire().await.map_err(|_| Error::Interrupted)?;
        match source {
            EvidenceSource::Crl { address } => {
                let question = Question { address: address.clone(), body: None, most: self.bounds.list_bytes };
                let octets = list_in(self.web.ask(question).await?)?;
                let next = CertificateList::parse(&octets).map_err(|_| Error::NoList)?.next_update;
                Ok((octets, self.until(next)))
            }
            EvidenceSource::Ocsp { address, request } => {
                let octets = self.ask_responder(address, request).await?;
                let next = answers(&octets, request)?;
                Ok((octets, self.until(next)))
            }
            EvidenceSource::Issuer { address } => {
                let question = Question { address: address.clone(), body: None, most: MOST_ANSWER };
                let octets = certificates_in(&self.web.ask(question).await?).ok_or(Error::NoCertificate)?;
                // It says of no end: as long as a list at most.
                Ok((octets, self.clock.now().plus_seconds(MOST_KEPT)))
            }
        }
    }

    /// By GET where it is short enough (RFC 6960 A.1); by POST where it is not, or the responder knows no GET.
    async fn ask_responder(&self, address: &Address, request: &[u8]) -> Result<Vec<u8>, Error> {
        let encoded = percent_encoded(&STANDARD.encode(request));
        if encoded.len() <= MOST_BY_GET && !address.target.contains('?') {
            let target = format!("{}/{encoded}", address.target.trim_end_matches('/'));
            let address = Address { target, ..address.clone() };
            match self.web.ask(Question { address, body: None, most: MOST_ANSWER }).await {
                Err(web::Error::Status(400 | 404 | 405 | 414 | 501)) => {}
                other => return Ok(other?),
            }
        }
        let body = Some(("application/ocsp-request", request.to_vec()));
        Ok(self.web.ask(Question { address: address.clone(), body, most: MOST_ANSWER }).await?)
    }

    fn until(&self, next: Option<Timestamp>) -> Timestamp {
        let now = self.clock.now();
        let without_end = now.plus_seconds(WITHOUT_END);
        match next {
            Some(next) if next > now => next.min(now.plus_seconds(MOST_KEPT)),
            // A list that is over when it comes does not make us ask for it at every turn.
            _ => without_end,
        }
    }
}

/// Base64 in a path: three of its characters mean something else there (RFC 3986 3.3).
fn percent_encoded(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// A list in DER, or the first one in PEM.
fn list_in(octets: Vec<u8>) -> Result<Vec<u8>, Error> {
    let text = std::str::from_utf8(&octets).ok().filter(|text| text.contains("-----BEGIN"));
    let Some(text) = text else { return Ok(octets) };
    let of = |label| read_pem(text, label).and_then(|blocks| blocks.into_iter().next());
    of("X509 CRL").or_else(|| of("CRL")).ok_or(Error::NoList)
}

/// The certificates in one of the forms of RFC 5280 4.2.2.1, DER or PEM: one, or a message of CMS that holds nothing else.
/// Each in DER, one behind the other.
fn certificates_in(octets: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(octets).ok().filter(|text| text.contains("-----BEGIN"));
    let blocks = |label| text.and_then(|text| read_pem(text, label)).unwrap_or_default();
    let (single, bundles) = match text {
        Some(_) => (blocks("CERTIFICATE"), [blocks("PKCS7"), blocks("CMS")].concat()),
        None if Certificate::parse(octets).is_ok() => (vec![octets.to_vec()], Vec::new()),
        None => (Vec::new(), vec![octets.to_vec()]),
    };
    let mut found = single;
    for bundle in &bundles {
        let message = SignedData::parse(bundle).ok()?;
        found.extend(message.x509_certificates().take(MOST_CERTIFICATES + 1).map(<[u8]>::to_vec));
    }
    let right =
        (1..=MOST_CERTIFICATES).contains(&found.len()) && found.iter().all(|der| Certificate::parse(der).is_ok());
    right.then(|| found.concat())
}

/// The certificates of an answer.
pub(in crate::service) fn certificates_of(octets: &[u8]) -> Vec<&[u8]> {
    let mut reader = Reader::new(octets);
    std::iter::from_fn(|| reader.value("certificate").ok().map(|value| value.raw())).collect()
}

/// Whether an answer is one to that request (RFC 6960 3.2 (1)), and when the next is due.
fn answers(octets: &[u8], request: &[u8]) -> Result<Option<Timestamp>, Error> {
    let response = match OcspResponse::parse(octets).map_err(|_| Error::NoAnswer)? {
        OcspResponse::Refused(refusal) => return Err(Error::Refused(refusal.name())),
        OcspResponse::Successful(basic) => basic,
    };
    let request = OcspRequest::parse(request).map_err(|_| Error::NoAnswer)?;
    let asked = request.requests.first().ok_or(Error::NoAnswer)?.cert_id;
    let about = response.responses.iter().find(|single| {
        let told = &single.cert_id;
        told.hash_algorithm.oid == asked.hash_algorithm.oid
            && told.issuer_name_hash == asked.issuer_name_hash
            && told.issuer_key_hash == asked.issuer_key_hash
            && told.serial == asked.serial
    });
    about.map(|single| single.next_update).ok_or(Error::OtherCertificate)
}
