//! Time stamps (RFC 3161): units that hold a key and a certificate of profile `tsa`, one clock for all of them, and a door.
//!
//! Stamps that wait are recorded together, in one event; none leaves before. Refusals of the protocol are answers like
//! others; they leave nothing but figures, so that strangers cannot fill the log with them.

mod authority;
pub mod clock;
mod error;
mod unit;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::base::clock::PairedClocks;
use crate::base::random::array;
use crate::crypto::algorithm::{OID_SM3, SignatureAlgorithm};
use crate::crypto::digest::sm3;
use crate::domain::audit::EventClass;
use crate::domain::stamp::Rules;
use crate::format::tsp::{NewTimeStampReq, TimeStampReq, TimeStampResp, TimeStampToken};
use crate::service::outside::ntp::TimeSource;
use crate::service::stamping::clock::WatchedClock;
use crate::service::stamping::unit::Desk;
use crate::service::{self, Services};
use crate::store::{audit, certificates};

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
    units: Mutex<Units>,
    rules: Arc<Rules>,
    clock: Arc<WatchedClock>,
    services: Services,
    per_minute: u32,
    /// Minute and requests in it.
    taken: Mutex<(i64, u32)>,
    watching: Vec<JoinHandle<()>>,
}

/// The units at work, each kind of key once, and what was known when they were set up.
#[derive(Default)]
struct Units {
    working: Vec<Working>,
    /// SM3 of every certificate of their role.
    known: Vec<[u8; 32]>,
}

#[derive(Clone)]
struct Working {
    certificate: Vec<u8>,
    algorithm: SignatureAlgorithm,
    desk: Desk,
}

/// Whether both are of one kind of key: SM2, or others.
fn same_kind(one: SignatureAlgorithm, other: SignatureAlgorithm) -> bool {
    (one == SignatureAlgorithm::Sm2Sm3) == (other == SignatureAlgorithm::Sm2Sm3)
}

/// From one look for new units to the next.
const LOOK: Duration = Duration::from_secs(5);

async fn keep_looking(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(inner) = inner.upgrade() else { return };
        match Stamping(inner).take_up().await {
            Ok(0) => {}
            Ok(units) => tracing::info!(units, "time-stamping units are taken up"),
            Err(error) => tracing::warn!(code = error.code(), "no new time-stamping unit can be taken up: {error}"),
        }
    }
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
    /// to watch the clock. Units that come later are taken up while it is at work; until there is one, it is idle. Nothing
    /// where no policy is offered.
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
        let mut watching = vec![tokio::spawn(clock::watch(Arc::clone(&clock), services.clone()))];
        for (number, source) in sources.into_iter().enumerate() {
            watching.push(tokio::spawn(clock::ask(Arc::clone(&clock), number, source, every)));
        }
        let (services, taken) = (services.clone(), Mutex::new((0, 0)));
        let (units, rules) = (Mutex::default(), Arc::new(rules));
        let stamping = Self(Arc::new(Inner { units, rules, clock, services, per_minute, taken, watching }));
        stamping.take_up().await?;
        tokio::spawn(keep_looking(Arc::downgrade(&stamping.0)));
        Ok(Some(stamping))
    }

    /// Takes up units that were made since; gives how many. One that takes the place of another of its kind answers from
    /// then on, and what the other one began is still answered. A unit whose certificate or key may not be used is not
    /// ended: it says so to whoever asks.
    ///
    /// # Errors
    /// A certificate that makes no authority; the key store's; the database's.
    pub async fn take_up(&self) -> Result<usize, service::Error> {
        let services = &self.0.services;
        let rows = services.store.read(|tx| Box::pin(certificates::in_role(tx, authority::ROLE))).await?;
        let known = rows.iter().map(|row| row.sm3).collect::<Vec<_>>();
        {
            let units = self.units();
            if !units.working.is_empty() && units.known == known {
                return Ok(0);
            }
        }
        let found = authority::units(services, &self.0.rules, &self.0.clock).await?;
        let mut units = self.units();
        let mut taken_up = 0_usize;
        for unit in found {
            if units.working.iter().any(|working| working.certificate == unit.certificate) {
                continue;
            }
            let (certificate, algorithm) = (unit.certificate.clone(), unit.signer.algorithm());
            units.working.retain(|working| !same_kind(working.algorithm, algorithm));
            units.working.push(Working { certificate, algorithm, desk: unit.start() });
            taken_up = taken_up.saturating_add(1);
        }
        units.known = known;
        Ok(taken_up)
    }

    /// Whether there is no unit yet.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.units().working.is_empty()
    }

    fn units(&self) -> std::sync::MutexGuard<'_, Units> {
        self.0.units.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A token over those octets, for something of our own: the response is read, and compared with what was asked.
    ///
    /// # Errors
    /// [`Error`]: there is none, [`Error::NotGranted`] where the unit refused by the protocol.
    pub async fn token_over(&self, octets: &[u8]) -> Result<Vec<u8>, service::Error> {
        if self.is_idle() {
            return Err(Error::Idle.into());
        }
        let (digest, nonce) = (sm3(octets), array::<8>(&*self.0.services.random)?);
        // Content octets of a positive INTEGER, minimal.
        let nonce = nonce.map(|octet| octet & 0x3f | 0x40);
        let request = NewTimeStampReq {
            algorithm: OID_SM3,
            digest: &digest,
            policy: None,
            nonce: Some(&nonce),
            certificate_wanted: true,
        };
        let response = self.stamp(request.to_der()).await?;
        let token = TimeStampResp::parse(&response).ok().and_then(|response| response.token);
        let read = token.and_then(|token| TimeStampToken::parse(token).ok());
        let fits = read.is_some_and(|read| read.info.imprint.digest == digest && read.info.nonce == Some(&nonce[..]));
        token.filter(|_| fits).map(<[u8]>::to_vec).ok_or_else(|| Error::NotGranted.into())
    }

    /// The clock that stamps are made by.
    #[must_use]
    pub fn clock(&self) -> &WatchedClock {
        &self.0.clock
    }

    /// SM3 digests are stamped by the SM2 unit and others by the other one, so that a client who asks in one family of
    /// algorithms can check the whole token in it; where there is one unit only, it stamps all.
    fn desk(&self, request: &[u8]) -> Option<Desk> {
        let wants_sm2 = TimeStampReq::parse(request).is_ok_and(|request| request.imprint.algorithm.oid == OID_SM3);
        let units = self.units();
        let fits = |working: &&Working| (working.algorithm == SignatureAlgorithm::Sm2Sm3) == wants_sm2;
        let fitting = units.working.iter().find(fits);
        fitting.or_else(|| units.working.first()).map(|working| working.desk.clone())
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
