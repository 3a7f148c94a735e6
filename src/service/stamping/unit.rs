//! One time-stamping unit: a key, its certificate, and the two tasks that make and record its stamps.
//!
//! What a crash means at each arrow of `judge → time → sign → record → answer`: before *record* nothing happened that
//! anybody knows of: a token that may exist was never released, and its serial number is lost. After *record* the log
//! names a token that perhaps nobody has: the client asks again and gets another one. So every token that left has its
//! event, and the log never lacks one.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::base::clock::Timestamp;
use crate::base::id::KeyId;
use crate::base::random::array;
use crate::crypto::Signer;
use crate::crypto::digest::sm3;
use crate::crypto::sm2::KeyTables;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::domain::key::{KeyPurpose, KeyUse};
use crate::domain::stamp::{Authority, ClockRefusal, Offer, Refusal, Rules, StampToken, judge, prepare};
use crate::format::x509::GeneralName;
use crate::service::stamping::Error;
use crate::service::stamping::clock::WatchedClock;
use crate::service::{self, Services};
use crate::store::issued_certificates::StoredStatus;
use crate::store::{audit, issued_certificates};

/// Stamps asked for, by what came of them.
const STAMPS: &str = "yinxin_time_stamps_total";
/// How many stamps one transaction recorded.
const TOGETHER: &str = "yinxin_time_stamps_recorded_together";

/// Requests that wait for a unit; more are refused at once.
const QUEUE: usize = 1024;
/// Requests that are judged and signed side by side.
const SIDE_BY_SIDE: usize = 32;
/// Stamps that one transaction records at most.
const MOST_TOGETHER: usize = 512;
/// How often a time that must be later than the last one is waited for, a millisecond each.
const WAITS: usize = 5;
/// Serial numbers that are remembered against a generator that repeats itself.
const REMEMBERED: usize = 4096;

/// A response, or why there is none.
pub(in crate::service::stamping) type Answer = Result<Vec<u8>, Error>;

/// What a unit works with.
pub(in crate::service::stamping) struct Unit {
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// Those above it that we know, DER.
    pub chain: Vec<Vec<u8>>,
    /// Its validity.
    pub validity: (Timestamp, Timestamp),
    /// Its key.
    pub key: KeyId,
    /// What signs with the key.
    pub signer: Arc<dyn Signer>,
    /// The installation's rules.
    pub rules: Arc<Rules>,
    /// The clock that all units share.
    pub clock: Arc<WatchedClock>,
    /// Everything else.
    pub services: Services,
}

/// A request and where its answer goes.
struct Order {
    request: Vec<u8>,
    answer: oneshot::Sender<Answer>,
}

/// A stamp that nobody has seen.
struct Unrecorded {
    serial: [u8; 16],
    token_sm3: [u8; 32],
    second: Timestamp,
    response: Vec<u8>,
    answer: oneshot::Sender<Answer>,
}

/// The way into a unit.
#[derive(Clone)]
pub(in crate::service::stamping) struct Desk(mpsc::Sender<Order>);

impl Desk {
    /// The answer to a request.
    pub(in crate::service::stamping) async fn ask(&self, request: Vec<u8>) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Order { request, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Error::Ending,
        })?;
        answered.await.unwrap_or(Err(Error::Ending))
    }
}

/// Why one request gets no stamp.
enum Failure {
    /// By the protocol.
    Refused(Refusal),
    /// Beside it.
    Failed(Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn answer(to: oneshot::Sender<Answer>, failure: Failure) {
    let (code, answer) = match failure {
        Failure::Refused(refusal) => (refusal.code(), Ok(refusal.to_response())),
        Failure::Failed(error) => (error.code(), Err(error)),
    };
    metrics::counter!(STAMPS, "outcome" => code).increment(1);
    // Nobody may be waiting any more.
    let _ = to.send(answer);
}

impl Unit {
    /// Starts its tasks. They end when every [`Desk`] is gone and all that was begun is answered.
    pub(in crate::service::stamping) fn start(self) -> Desk {
        metrics::describe_counter!(STAMPS, "Time stamps asked for, by outcome.");
        metrics::describe_histogram!(TOGETHER, "Time stamps that one transaction recorded.");
        let (orders, taken) = mpsc::channel(QUEUE);
        let (made, recording) = mpsc::channel(MOST_TOGETHER);
        let book =
            Book { certificate_sm3: sm3(&self.certificate), key: self.key.clone(), services: self.services.clone() };
        tokio::spawn(self.work(taken, made));
        tokio::spawn(book.keep(recording));
        Desk(orders)
    }

    /// Judges and signs what waits, and hands it on to be recorded; goes on signing while that happens.
    async fn work(self, mut orders: mpsc::Receiver<Order>, made: mpsc::Sender<Unrecorded>) {
        let chain = self.chain.iter().map(Vec::as_slice).collect::<Vec<_>>();
        let subject = crate::format::x509::Certificate::parse(&self.certificate).ok().map(|parsed| parsed.subject);
        let offer = Offer {
            chain: &chain,
            policies: &self.rules.policies,
            digests: &self.rules.digests,
            tsa: subject.map(GeneralName::Directory),
            family: self.rules.family,
        };
        let authority = match Authority::new(&self.certificate, self.signer.algorithm(), offer) {
            Ok(authority) => authority,
            // Was asked before the unit was set up.
            Err(unfit) => return tracing::error!("the time-stamping unit ends: {unfit}"),
        };
        let (tables, mut serials) = (KeyTables::default(), Serials::default());
        let mut waiting = Vec::with_capacity(SIDE_BY_SIDE);
        while orders.recv_many(&mut waiting, SIDE_BY_SIDE).await > 0 {
            let mut signing = Vec::with_capacity(waiting.len());
            for order in waiting.drain(..).filter(|order| !order.answer.is_closed()) {
                match self.decide(&order.request, &authority, &mut serials).await {
                    Ok((token, serial)) => signing.push((self.sign(&token), token, serial, order.answer)),
                    Err(failure) => answer(order.answer, failure),
                }
            }
            for (value, token, serial, to) in signing {
                let (second, value) = (token.gen_time().seconds(), value.await);
                let stamp = value.unwrap_or(Err(Error::Ending)).map_err(Failure::from);
                match stamp.and_then(|value| Ok(token.assemble(&value, &tables)?)) {
                    Ok(stamp) => {
                        let token_sm3 = sm3(&stamp.token);
                        let response = stamp.response;
                        let unrecorded = Unrecorded { serial, token_sm3, second, response, answer: to };
                        if made.send(unrecorded).await.is_err() {
                            return;
                        }
                    }
                    Err(failure) => answer(to, failure),
                }
            }
        }
    }

    /// What the token says. Decisions come one after another, so that times and serial numbers are given in order.
    async fn decide<'a>(
        &self,
        request: &[u8],
        authority: &'a Authority<'a>,
        serials: &mut Serials,
    ) -> Result<(StampToken<'a>, [u8; 16]), Failure> {
        let accepted = judge(request, authority)?;
        let now = self.services.clock.now();
        let permitted = self.services.keys.permit_signature(&*self.signer, now);
        permitted.map_err(|error| Error::NotSigned { code: error.code() })?;
        let mut time = self.clock.stamp();
        for _ in 0..WAITS {
            if time != Err(ClockRefusal::NotLater) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            time = self.clock.stamp();
        }
        let time = time.map_err(Refusal::Time)?;
        let second = time.gen_time().seconds();
        if second < self.validity.0 || second > self.validity.1 {
            return Err(Error::OutsideValidity.into());
        }
        let serial: [u8; 16] = array(&*self.services.random).map_err(|_| Refusal::Serial)?;
        if !serials.take(serial) {
            return Err(Refusal::Serial.into());
        }
        Ok((prepare(&accepted, authority, time, &serial)?, serial))
    }

    fn sign(&self, token: &StampToken<'_>) -> tokio::task::JoinHandle<Result<Vec<u8>, Error>> {
        let (pool, signer) = (self.services.pool.clone(), Arc::clone(&self.signer));
        let (random, message) = (Arc::clone(&self.services.random), token.to_sign().to_vec());
        tokio::spawn(async move {
            let value = pool.sign(signer, message, random).await;
            value.map_err(|error| Error::NotSigned { code: error.code() })
        })
    }
}

/// The serial numbers given last. 128 random bits do not repeat in the life of an authority; a generator that is broken,
/// or a machine that was copied while it ran, repeats itself soon, and is stopped here.
#[derive(Default)]
struct Serials {
    given: HashSet<[u8; 16]>,
    before: HashSet<[u8; 16]>,
}

impl Serials {
    /// Whether that one may be used.
    fn take(&mut self, serial: [u8; 16]) -> bool {
        if self.given.len() >= REMEMBERED {
            self.before = std::mem::take(&mut self.given);
        }
        serial != [0; 16] && !self.before.contains(&serial) && self.given.insert(serial)
    }
}

/// What records a unit's stamps.
struct Book {
    certificate_sm3: [u8; 32],
    key: KeyId,
    services: Services,
}

impl Book {
    /// Records all stamps that wait in one transaction and one event, and only then lets them go.
    async fn keep(self, mut made: mpsc::Receiver<Unrecorded>) {
        let mut waiting = Vec::with_capacity(MOST_TOGETHER);
        while made.recv_many(&mut waiting, MOST_TOGETHER).await > 0 {
            let recorded = self.record(&waiting).await;
            if let Err(error) = &recorded {
                tracing::error!(code = error.code(), stamps = waiting.len(), "time stamps are thrown away: {error}");
            }
            let refused = recorded.err().map(|error| match error {
                service::Error::Stamping(error) => error,
                error => Error::NotRecorded { code: error.code() },
            });
            metrics::histogram!(TOGETHER).record(f64::from(u32::try_from(waiting.len()).unwrap_or(u32::MAX)));
            for stamp in waiting.drain(..) {
                match &refused {
                    Some(error) => answer(stamp.answer, error.clone().into()),
                    None => {
                        metrics::counter!(STAMPS, "outcome" => "granted").increment(1);
                        // Nobody may be waiting any more: the event names a token that nobody has.
                        let _ = stamp.answer.send(Ok(stamp.response));
                    }
                }
            }
        }
    }

    async fn record(&self, stamps: &[Unrecorded]) -> Result<(), service::Error> {
        let now = self.services.clock.now();
        // Never before the stamps, so that the log bounds their times whatever the clock did since.
        let at = stamps.iter().map(|stamp| stamp.second).max().map_or(now, |latest| latest.max(now));
        let items = stamps.iter().flat_map(|stamp| stamp.serial.into_iter().chain(stamp.token_sm3)).collect();
        let body = EventBody::TimeStampsIssued { certificate_sm3: self.certificate_sm3, items };
        let event = &Event { at, actor: Actor::Anonymous, request: None, body };
        let steps = self.services.store.run("record time stamps", |tx| {
            Box::pin(async move {
                // A key that was suspended or destroyed since releases nothing.
                let stamping = (KeyPurpose::TimeStamping, KeyUse::Sign);
                self.services.keys.permitted(tx, &self.key, stamping, now).await?;
                // So is a certificate that was put on hold or revoked, here or by another service on this database.
                let issued = issued_certificates::find_by_sm3(tx, &self.certificate_sm3).await?;
                if issued.is_some_and(|issued| issued.status != StoredStatus::Active) {
                    return Err(Error::NotActive.into());
                }
                audit::append(tx, event).await?;
                Ok::<_, service::Error>(())
            })
        });
        steps.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_given_once() {
        let mut serials = Serials::default();
        assert!(!serials.take([0; 16]));
        for number in 1..3 * u128::try_from(REMEMBERED).unwrap() {
            assert!(serials.take(number.to_be_bytes()));
            assert!(!serials.take(number.to_be_bytes()));
            let earlier = number.saturating_sub(u128::try_from(REMEMBERED).unwrap() / 2).max(1);
            assert!(!serials.take(earlier.to_be_bytes()));
        }
    }
}
