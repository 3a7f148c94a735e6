//! Time stamps (RFC 3161): units that hold a key and a certificate of profile `tsa`, one clock for all of them, and a door.
//!
//! Stamps that wait are recorded together, in one event; none leaves before. Refusals of the protocol are answers like
//! others; they leave nothing but figures, so that strangers cannot fill the log with them.

pub mod authority;
pub mod clock;
mod error;
mod unit;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::base::clock::PairedClocks;
use crate::crypto::algorithm::{OID_SM3, SignatureAlgorithm};
use crate::domain::audit::EventClass;
use crate::domain::stamp::Rules;
use crate::format::tsp::TimeStampReq;
use crate::service::outside::ntp::TimeSource;
use crate::service::stamping::clock::WatchedClock;
use crate::service::stamping::unit::Desk;
use crate::service::{self, Services};
use crate::store::audit;

pub use error::Error;

/// What the units of an installation work by.
pub struct Options {
    /// Policies, digests, clock.
    pub rules: Rules,
    /// Both clocks of this machine.
    pub clocks: Arc<dyn PairedClocks>,
    /// Other sources of time.
    pub sources: Vec<Arc<dyn TimeSource>>,
    /// How often each is asked.
    pub every: Duration,
    /// Requests that are taken on in a minute; more are turned away. Each stamp adds 48 octets to the log for ever.
    pub per_minute: u32,
}

/// The time-stamping service. Clones share it; the last one ends it.
#[derive(Clone)]
pub struct Stamping(Arc<Inner>);

struct Inner {
    /// Each kind of key once.
    units: Vec<(SignatureAlgorithm, Desk)>,
    clock: Arc<WatchedClock>,
    services: Services,
    per_minute: u32,
    /// Minute and requests in it.
    taken: Mutex<(i64, u32)>,
    watching: Vec<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.watching {
            task.abort();
        }
    }
}

impl Stamping {
    /// Sets up a unit for the newest valid certificate of role `tsa` of each kind of key (SM2, and others), and starts
    /// to watch the clock. Nothing where there is no such certificate, or no policy is offered.
    ///
    /// # Errors
    /// A certificate that makes no authority; the key store's; the database's.
    pub async fn start(services: &Services, options: Options) -> Result<Option<Self>, service::Error> {
        let Options { rules, clocks, sources, every, per_minute } = options;
        if rules.policies.is_empty() {
            return Ok(None);
        }
        let class = EventClass::TimeStampsIssued;
        let last = services.store.read(|tx| Box::pin(audit::last_of(tx, class))).await?;
        let clock = Arc::new(WatchedClock::new(clocks, &rules, sources.len(), last));
        let units = authority::units(services, &Arc::new(rules), &clock).await?;
        if units.is_empty() {
            return Ok(None);
        }
        let units = units.into_iter().map(|unit| (unit.signer.algorithm(), unit.start())).collect();
        let mut watching = vec![tokio::spawn(clock::watch(Arc::clone(&clock), services.clone()))];
        for (number, source) in sources.into_iter().enumerate() {
            watching.push(tokio::spawn(clock::ask(Arc::clone(&clock), number, source, every)));
        }
        let (services, taken) = (services.clone(), Mutex::new((0, 0)));
        Ok(Some(Self(Arc::new(Inner { units, clock, services, per_minute, taken, watching }))))
    }

    /// The response to a request, DER: a time stamp, or a refusal of the protocol (RFC 3161 2.4.2).
    ///
    /// # Errors
    /// [`Error`]: we did not get as far as a response.
    pub async fn stamp(&self, request: Vec<u8>) -> Result<Vec<u8>, Error> {
        if !self.take_on() {
            return Err(Error::Busy);
        }
        let desk = self.desk(&request).ok_or(Error::Off)?;
        desk.ask(request).await
    }

    /// The clock that stamps are made by.
    #[must_use]
    pub fn clock(&self) -> &WatchedClock {
        &self.0.clock
    }

    /// SM3 digests are stamped by the SM2 unit and others by the other one, so that a client who asks in one family of
    /// algorithms can check the whole token in it; where there is one unit only, it stamps all.
    fn desk(&self, request: &[u8]) -> Option<&Desk> {
        let wants_sm2 = TimeStampReq::parse(request).is_ok_and(|request| request.imprint.algorithm.oid == OID_SM3);
        let fits = |algorithm: &SignatureAlgorithm| (*algorithm == SignatureAlgorithm::Sm2Sm3) == wants_sm2;
        let fitting = self.0.units.iter().find(|(algorithm, _)| fits(algorithm));
        fitting.or_else(|| self.0.units.first()).map(|(_, desk)| desk)
    }

    fn take_on(&self) -> bool {
        let minute = self.0.services.clock.now().unix().div_euclid(60);
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.0 != minute {
            *taken = (minute, 0);
        }
        if taken.1 >= self.0.per_minute {
            return false;
        }
        taken.1 = taken.1.saturating_add(1);
        true
    }
}
