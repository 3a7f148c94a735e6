//! Use cases: load, decide, record, commit. State and audit event leave in one transaction.

pub mod alarms;
pub mod alerts;
pub mod audit_log;
pub mod authorities;
pub mod authority_requests;
pub mod backups;
pub mod callers;
pub mod ceremony;
pub mod certificate_status;
mod certificates;
pub mod client_values;
pub mod cross_certificates;
pub mod development;
pub mod door;
mod door_records;
pub mod due;
pub mod escrow;
pub mod front;
pub mod gathering;
pub mod handed_in;
pub mod idempotency;
pub mod inventory;
pub mod issuance;
pub mod issuance_jobs;
pub mod judging;
pub mod keys;
pub mod measurement;
pub mod message_desk;
pub mod message_signings;
pub mod office_simulator;
pub mod officers;
pub mod offices;
pub mod outside;
pub mod person_desk;
pub mod person_signings;
pub mod pictures;
pub mod prepared_signings;
pub mod preview;
pub mod publication;
mod recorder;
pub mod recovery;
mod refusals;
pub mod registration;
pub mod registration_desk;
pub mod releases;
pub mod renewal;
pub mod responder;
pub mod revocation_lists;
pub mod rollover;
pub mod seal_applications;
mod seal_changes;
pub mod seal_codes;
pub mod seal_delivery;
pub mod seal_desk;
pub mod seal_expiry;
pub mod seal_filing;
pub mod seal_fulfilment;
pub mod seal_imports;
mod seal_making;
pub mod seal_officers;
pub mod seal_remakes;
pub mod seal_uses;
pub mod seals;
pub mod selftest;
pub mod signed_reports;
pub mod signing_desk;
pub mod stamping;
pub mod tampering;
pub mod trust_desk;
pub mod trust_files;
pub mod trust_lists;
pub mod units;
pub mod verification;
pub mod verification_batches;
pub mod watching;
pub mod webhooks;
pub mod witness;

mod error;

use std::sync::Arc;

use crate::base::clock::Clock;
use crate::base::id::RequestId;
use crate::base::random::{HealthChecked, Random};
use crate::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use crate::domain::ca::ThrowAwayKeys;
use crate::domain::key::{KeyLocation, Profile, SealingAlgorithm};
use crate::domain::seal::authority::UnkeptSeals;
use crate::domain::seal::kind::SealKinds;
use crate::domain::seal::maker::SealStamps;
use crate::domain::trust::AlgorithmPolicy;
use crate::service::audit_log::old_tiles::OldTiles;
use crate::service::keys::device::DeviceRandom;
use crate::service::keys::doors::Doors;
use crate::service::keys::{DeviceSource, IntegritySecret, KeySource, KeyStore, PoolLimits, SigningPool, SourceKey};
use crate::service::offices::Offices;
use crate::service::person_signings::PersonSettings;
use crate::service::publication::{Plan, Publishing};
use crate::service::webhooks::Receiver;
use crate::store::issuance_batches::OpenBatch;
use crate::store::{Database, Store, audit, issuance_batches, signatures};

pub use error::Error;
pub use recorder::Recorder;

/// What every use case needs from outside.
#[derive(Clone)]
pub struct Services {
    /// The rows.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// The private keys.
    pub keys: Arc<KeyStore>,
    /// Where signatures are made.
    pub pool: SigningPool,
    /// Devices that hold keys.
    pub devices: Doors,
    /// What may be made now: keys, certificates, seals, signatures. The key store asks the same policy.
    pub algorithms: Arc<AlgorithmPolicy>,
    /// Revocation lists and OCSP answers, as far as they are kept in memory, and when they are due.
    pub publication: Arc<Publishing>,
    /// Keys that sign what is linted before its issuer signs it.
    pub throw_away: Arc<ThrowAwayKeys>,
    /// Where events wait that change no other row.
    pub recorder: Arc<Recorder>,
    /// What becomes of the use of seals without a keeper. They are used, unless an installation's settings say no.
    pub unkept: UnkeptSeals,
    /// Offices elsewhere that make seals: none, unless an installation's settings name them.
    pub offices: Offices,
    /// Receivers of notices of state changes: none, unless an installation's settings name them.
    pub webhooks: Arc<[Receiver]>,
    /// The types of seals that this installation knows: the common ones, unless its settings name more.
    pub seal_kinds: Arc<SealKinds>,
    /// What is asked of persons who sign by certificates of one act; nobody does, unless an installation's settings say so.
    pub persons: Option<Arc<PersonSettings>>,
    /// Which seals get a time stamp of their own: none, unless an installation's settings say so.
    pub seal_stamps: SealStamps,
    /// For how many seconds the value of a client's key is waited for.
    pub value_within: i64,
    /// Where old tiles of the audit log may lie: folders, unless an installation's settings name an object store.
    pub old_tiles: OldTiles,
}

/// How private keys are kept and used.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// Where the key comes from that wraps the key-encryption key.
    pub source: KeySource,
    /// Under which cipher keys are sealed from now on; every other opens still.
    pub sealing: SealingAlgorithm,
    /// Signatures at a time.
    pub pool: PoolLimits,
    /// Devices that hold keys, open.
    pub devices: Doors,
    /// Whether secrets may be anywhere but in the SDF device.
    pub profile: Profile,
    /// What may be made, and until when.
    pub algorithms: Arc<AlgorithmPolicy>,
}

impl KeySettings {
    /// Profile `gm3` in the SDF device behind the doors: the source of keys, SM4-GCM. Whatever we compute may be made.
    ///
    /// # Errors
    /// There is no SDF device.
    pub fn gm3(devices: Doors) -> Result<Self, keys::Error> {
        let source = KeySource::Device(DeviceSource::new(Arc::clone(devices.device(KeyLocation::Sdf)?)));
        let (sealing, profile) = (SealingAlgorithm::Sm4Gcm, Profile::Gm3);
        let algorithms = Arc::new(AlgorithmPolicy::whatever_we_compute());
        Ok(Self { source, sealing, pool: PoolLimits::default(), devices, profile, algorithms })
    }

    /// AES-256-GCM, the usual limits, no device. Whatever we compute may be made.
    #[must_use]
    pub fn from_source(source: KeySource) -> Self {
        let (sealing, profile) = (SealingAlgorithm::Aes256Gcm, Profile::Standard);
        let algorithms = Arc::new(AlgorithmPolicy::whatever_we_compute());
        Self { source, sealing, pool: PoolLimits::default(), devices: Doors::default(), profile, algorithms }
    }
}

/// What only the rotation of the key-encryption key wants. Wiped when dropped.
pub struct Wrapping {
    /// The key from the source.
    pub source: SourceKey,
    /// The integrity key.
    pub integrity: IntegritySecret,
}

impl Services {
    /// Opens the database, brings it up to date, opens the key store, closes what a crash left open,
    /// and records the start.
    ///
    /// # Errors
    /// The database or the key-encryption key is not the right one, or cannot be had.
    pub async fn open(
        database: impl Into<Database>,
        source: &KeySource,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        Self::open_with(database, &KeySettings::from_source(source.clone()), clock, random).await
    }

    /// As [`Self::open`], with settings of the key store. Under profile `gm3` the device's generator stands in for the
    /// given one, watched and tested at start.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(
        database: impl Into<Database>,
        settings: &KeySettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        let (services, _) = Self::attach(database, settings, clock, random).await?;
        services.start().await?;
        Ok(services)
    }

    /// As [`Self::open_with`], but without a start: beside a service at work, to look at its keys and to change them.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn attach(
        database: impl Into<Database>,
        settings: &KeySettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<(Self, Wrapping), Error> {
        // Salts of events are no keys: what needs no key of ours goes on while the device is away.
        let salts = Arc::clone(&random);
        let random = match settings.profile {
            Profile::Standard => random,
            Profile::Gm3 => device_random(&settings.devices).await?,
        };
        let how = (&settings.source, settings.sealing, settings.profile);
        let opened = keys::open(database.into(), how, &*clock, (Arc::clone(&random), salts)).await?;
        let devices = settings.devices.clone();
        let keys = Arc::new(
            opened.keys.with_devices(Arc::new(devices.clone())).with_algorithms(Arc::clone(&settings.algorithms)),
        );
        let pool = SigningPool::new(settings.pool);
        let algorithms = Arc::clone(&settings.algorithms);
        let publication = publication::shared();
        let throw_away = Arc::new(ThrowAwayKeys::new(Arc::clone(&random)));
        let store = opened.store;
        let recorder = Arc::default();
        let services = Self {
            store,
            clock,
            random,
            keys,
            pool,
            devices,
            algorithms,
            publication,
            throw_away,
            recorder,
            unkept: UnkeptSeals::Allow,
            offices: Offices::default(),
            webhooks: Arc::default(),
            seal_kinds: Arc::new(SealKinds::common()),
            persons: None,
            seal_stamps: SealStamps::Never,
            value_within: prepared_signings::COUNTS,
            old_tiles: OldTiles::default(),
        };
        Ok((services, Wrapping { source: opened.source, integrity: opened.integrity }))
    }

    /// The same with that plan of what authorities publish.
    #[must_use]
    pub fn with_plan(self, plan: Plan) -> Self {
        Self { publication: Arc::new(Publishing::new(plan)), ..self }
    }

    /// The same with that rule for seals without a keeper.
    #[must_use]
    pub fn with_unkept(self, unkept: UnkeptSeals) -> Self {
        Self { unkept, ..self }
    }

    /// The same with another time for the values of clients' keys, in seconds.
    #[must_use]
    pub fn with_value_within(self, value_within: i64) -> Self {
        Self { value_within, ..self }
    }

    /// The same with those offices.
    #[must_use]
    pub fn with_offices(self, offices: Offices) -> Self {
        Self { offices, ..self }
    }

    /// The same with those receivers of notices.
    #[must_use]
    pub fn with_webhooks(self, webhooks: Arc<[Receiver]>) -> Self {
        Self { webhooks, ..self }
    }

    /// The same with those types of seals.
    #[must_use]
    pub fn with_seal_kinds(self, seal_kinds: Arc<SealKinds>) -> Self {
        Self { seal_kinds, ..self }
    }

    /// The same where persons sign by those rules, or none does.
    #[must_use]
    pub fn with_persons(self, persons: Option<PersonSettings>) -> Self {
        Self { persons: persons.map(Arc::new), ..self }
    }

    /// The same where those seals get a time stamp of their own.
    #[must_use]
    pub fn with_seal_stamps(self, seal_stamps: SealStamps) -> Self {
        Self { seal_stamps, ..self }
    }

    /// The same with those places of old tiles.
    #[must_use]
    pub fn with_old_tiles(self, old_tiles: OldTiles) -> Self {
        Self { old_tiles, ..self }
    }

    /// Records an event that changes no other row; gives its number.
    ///
    /// # Errors
    /// The store's.
    pub async fn record(&self, actor: &Actor, request: Option<&RequestId>, body: EventBody) -> Result<i64, Error> {
        let event = Event { at: self.clock.now(), actor: actor.clone(), request: request.cloned(), body };
        self.recorder.record(&self.store, event).await
    }

    /// Abandons every open intent, frees keys of requests that never ended, and records the start, all or nothing.
    ///
    /// One service at a time: another one's signings on the same database would be abandoned, and their results refused.
    ///
    /// # Errors
    /// The store's.
    pub async fn start(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let event = |body| Event { at: now, actor: Actor::Operator, request: None, body };
        let event = &event;
        let steps = self.store.run("start", |tx| {
            Box::pin(async move {
                for signature in signatures::abandon_open(tx, now).await? {
                    seal_uses::give_back_at_start(tx, &signature, now).await?;
                    let reason = AbandonmentReason::Interrupted;
                    audit::append(tx, &event(EventBody::SigningAbandoned { signature, reason })).await?;
                }
                for signature in crate::store::person_signings::abandon_open(tx, now).await? {
                    let reason = AbandonmentReason::Interrupted;
                    audit::append(tx, &event(EventBody::PersonSigningAbandoned { signature, reason })).await?;
                }
                for signature in crate::store::message_signings::abandon_open(tx, now).await? {
                    let reason = AbandonmentReason::Interrupted;
                    audit::append(tx, &event(EventBody::MessageSigningAbandoned { signature, reason })).await?;
                }
                let batches = issuance_batches::abandon_open(tx, now).await?;
                let abandoned = batches.len();
                for OpenBatch { id: batch, items, .. } in batches {
                    let (reason, items) = (AbandonmentReason::Interrupted, issuance_batches::encode_items(&items));
                    audit::append(tx, &event(EventBody::IssuanceAbandoned { batch, reason, items })).await?;
                }
                crate::store::idempotency::release_open(tx).await?;
                let version = env!("CARGO_PKG_VERSION").to_owned();
                audit::append(tx, &event(EventBody::ServiceStarted { version })).await?;
                Ok::<_, Error>(abandoned)
            })
        });
        match steps.await? {
            0 => {}
            batches => tracing::warn!(batches, "certificates that a crash left unfinished are abandoned"),
        }
        Ok(())
    }
}

/// The SDF device's generator, watched, once its sample is sound.
async fn device_random(devices: &Doors) -> Result<Arc<dyn Random>, Error> {
    let device = Arc::clone(devices.device(KeyLocation::Sdf)?);
    let testing = tokio::task::spawn_blocking(move || {
        let random = HealthChecked::new(DeviceRandom(device));
        random.check_at_start().map(|()| random)
    });
    match testing.await.map_err(|_| Error::Interrupted)? {
        Ok(random) => Ok(Arc::new(random)),
        Err(failure) => Err(Error::SelfTestFailed { test: format!("random generator of the device: {failure}") }),
    }
}
