//! What an installation serves with, each by its settings: seals, the audit log, batches of files to verify, time stamps.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::SystemClock;
use crate::base::random::{HealthChecked, Random, SystemRandom};
use crate::cli::installation::{Error, Installation};
use crate::cli::{fetching, offices};
use crate::config::{OldTilesPlace, Settings};
use crate::service::audit_log::erasing::Terms;
use crate::service::audit_log::folder::FolderLog;
use crate::service::audit_log::old_tiles::{OldTiles, TilePlace};
use crate::service::audit_log::{self, AuditLog, KnownWitness, agree as agree_with};
use crate::service::backups::RESTORED;
use crate::service::due::Keeping;
use crate::service::inventory::Retention;
use crate::service::keys::read_closed;
use crate::service::outside::ntp::{NtpServer, TimeSource};
use crate::service::outside::objects::{Credentials, ObjectFolder};
use crate::service::person_signings::PersonSettings;
use crate::service::pictures::Trust;
use crate::service::stamping::clock::Belief;
use crate::service::stamping::{self, Stamping};
use crate::service::verification_batches::{BatchLimits, Batches};
use crate::service::{self, Services};

/// The same services with what the settings say of seals: of those without a keeper, of offices elsewhere, of who is told of
/// changes, of types; and of persons who sign.
pub(crate) fn about_seals(services: Services, settings: &Settings) -> Result<Services, Error> {
    let services = services.with_unkept(settings.unkept).with_offices(offices::of(settings)?);
    let services = services.with_webhooks(offices::receivers(settings)?).with_value_within(settings.value_within);
    let services = services.with_seal_stamps(settings.seal_stamps);
    // What development keys sign says so where everybody sees it.
    let pictures = if settings.trust.development { Trust::Development } else { Trust::Production };
    let persons = settings.persons.clone().map(|rules| PersonSettings { rules, pictures });
    Ok(services.with_seal_kinds(Arc::clone(&settings.seal_kinds)).with_persons(persons))
}

/// The audit log of an installation with these settings, opened and proven.
pub(crate) async fn audit_log(services: &Services, settings: &Settings) -> Result<AuditLog, Error> {
    let host = settings.server.trusted_hosts.first().map_or("localhost", String::as_str);
    let options = audit_log::Options {
        origin: settings.audit_log.origin.clone().unwrap_or_else(|| format!("{host}/log")),
        is_configured: settings.audit_log.origin.is_some(),
        every: settings.audit_log.every,
        merge_delay: settings.audit_log.merge_delay,
    };
    let witnesses = settings.audit_log.witnesses.iter().map(|(_, key)| key.clone()).collect();
    Ok(AuditLog::open(services, options).await?.seen_by(witnesses))
}

/// The witnesses of these settings.
pub(super) fn witnesses(settings: &Settings) -> Result<Vec<KnownWitness>, Error> {
    let tls = fetching::https_anchors(&settings.fetching.https_anchors)?;
    let known = settings.audit_log.witnesses.iter();
    Ok(known.map(|(address, key)| KnownWitness::new(address.clone(), key.clone(), tls.clone())).collect())
}

/// The mirror of these settings.
pub(super) fn mirror(settings: &Settings) -> Option<FolderLog> {
    settings.audit_log.mirror.as_deref().map(FolderLog::new)
}

/// The same services with the object store of old tiles, where these settings name one.
pub(crate) fn with_old_tiles(services: Services, settings: &Settings) -> Result<Services, Error> {
    let Some(OldTilesPlace::Objects { address, region, credentials: path }) = &settings.audit_log.old_tiles else {
        return Ok(services);
    };
    let credentials = Credentials::read(read_closed(path)?.expose()); // the secret signs requests
    let credentials = credentials.ok_or_else(|| fetching::Error::Credentials { path: path.clone() })?;
    let tls = fetching::https_anchors(&settings.fetching.https_anchors)?;
    let objects = ObjectFolder::new((address.clone(), region), credentials, tls, Arc::clone(&services.clock));
    Ok(services.with_old_tiles(OldTiles::with_objects(objects)))
}

/// A place for old tiles, and how many leaves keep theirs in the database.
pub(super) type OldTilesAfter = (Arc<dyn TilePlace>, u64);

/// Where old tiles go by themselves, and how many leaves keep theirs.
pub(super) fn old_tiles(services: &Services, settings: &Settings) -> Result<Option<OldTilesAfter>, Error> {
    let log = &settings.audit_log;
    let Some((place, after)) = log.old_tiles.as_ref().zip(log.old_tiles_after) else { return Ok(None) };
    let place = services.old_tiles.at(&place.name()).map_err(service::Error::from)?;
    Ok(Some((place, after)))
}

/// How long what ended is kept, by these settings.
pub(super) fn keeping(settings: &Settings) -> Result<Keeping, Error> {
    Ok(Keeping {
        request_days: settings.registration.keep_days,
        keys: settings.escrow.keep_years.map(Retention::years).transpose()?,
        office_message_days: settings.keep_messages_days,
        answer_hours: Some(settings.server.keep_answers),
        events: settings.audit_log.keep_events_days.map(|days| (days, terms(settings))),
    })
}

/// What must be kept of the audit log, by these settings.
pub(crate) fn terms(settings: &Settings) -> Terms {
    Terms { days: settings.log.retention_days, mirror: mirror(settings) }
}

/// Compares the audit log with what witnesses and the mirror saw, before anything is written. After a restore one of them
/// has to have seen it, where there are any.
pub(super) async fn agreed(services: Services, settings: &Settings) -> Result<Services, Error> {
    let services = with_old_tiles(services, settings)?;
    let (witnesses, mirror) = (witnesses(settings)?, mirror(settings));
    let compared = agree_with(&services, &witnesses, mirror.as_ref()).await?;
    let restored = settings.data_dir.join(RESTORED);
    if !restored.exists() {
        return Ok(services);
    }
    if witnesses.is_empty() && mirror.is_none() {
        tracing::warn!("a restored audit log is compared with nothing: there is neither a witness nor a mirror");
    } else if compared == 0 {
        return Err(Error::NotCompared { path: settings.data_dir.clone() });
    }
    std::fs::remove_file(&restored).map_err(|source| Error::File { path: restored, source })?;
    Ok(services)
}

/// The time-stamping service, where the settings want one and there is an authority for it.
async fn stamping_of(
    services: &Services,
    settings: &Settings,
    random: &Arc<dyn Random>,
) -> Result<Option<Stamping>, Error> {
    /// For an answer of a source of time.
    const PATIENCE: Duration = Duration::from_secs(2);
    let set = &settings.stamping;
    if !set.enabled {
        return Ok(None);
    }
    let mut rules = set.rules.clone();
    if settings.trust.development {
        rules.offer_development_policy();
    }
    let source = |address: &SocketAddr| -> Arc<dyn TimeSource> {
        Arc::new(NtpServer::new(*address, PATIENCE, Arc::clone(random)))
    };
    let options = stamping::Options {
        rules,
        clocks: Arc::new(SystemClock),
        sources: set.ntp.iter().map(source).collect(),
        every: set.ntp_interval,
        per_minute: set.per_minute,
    };
    Ok(Stamping::start(services, options).await?)
}

/// The same for one command, beside a service at work or without one. Where sources of time are named they are waited for.
///
/// Strictly rising times are promised by one process alone, so with `stamping.ordering` a command stamps nothing.
pub(crate) async fn stamping_beside(services: &Services, settings: &Settings) -> Result<Option<Stamping>, Error> {
    /// For the answers of the sources of time.
    const PATIENCE: Duration = Duration::from_secs(5);
    /// Between two looks.
    const LOOK: Duration = Duration::from_millis(50);
    if settings.stamping.enabled && settings.stamping.rules.ordering {
        return Err(service::Error::from(stamping::Error::Ordered).into());
    }
    let stamping = stamping_of(services, settings, &services.random).await?;
    if let Some(stamping) = &stamping {
        let believed = async {
            while !matches!(stamping.clock().observe(), Belief::Trusted(_)) {
                tokio::time::sleep(LOOK).await;
            }
        };
        // Without them the unit refuses, and says why in the log.
        let _ = tokio::time::timeout(PATIENCE, believed).await;
    }
    Ok(stamping)
}

impl Installation {
    /// The audit log, opened and proven: nothing is served before.
    pub(super) async fn audit_log(&self) -> Result<AuditLog, Error> {
        audit_log(&self.services, &self.settings).await
    }

    /// Batches of files to verify.
    pub(super) fn batches(&self) -> Result<Batches, Error> {
        let folder = self.settings.data_dir.join("batches");
        let set = &self.settings.batches;
        let limits = BatchLimits {
            of_caller: set.of_caller.into(),
            files: set.files.into(),
            bytes: i64::from(set.mebibytes) << 20,
            bytes_of_all: i64::from(set.all_mebibytes) << 20,
        };
        Ok(Batches::open(&folder, self.settings.server.keep_batches, limits).map_err(service::Error::from)?)
    }

    /// The time-stamping service, where the settings want one and there is an authority for it.
    pub(super) async fn stamping(&self) -> Result<Option<Stamping>, Error> {
        let random: Arc<dyn Random> = Arc::<HealthChecked<SystemRandom>>::clone(&self.sound.random);
        stamping_of(&self.services, &self.settings, &random).await
    }
}
