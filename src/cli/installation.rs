//! An installation on this machine: its folder, database, keys, anchors, TLS, and the first caller's key.

pub(crate) mod parts;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use crate::base::clock::{Clock as _, SystemClock};
use crate::base::id::{AuthorityId, JobId, KeyId};
use crate::base::random::{HealthChecked, SystemRandom};
use crate::base::secret::Secret;
pub(crate) use crate::cli::files::{create_folder, create_new, replace, write, write_new};
use crate::cli::selftest::{self, Sound};
use crate::cli::shares;
use crate::cli::verify::{self, certificates_in};
use crate::cli::watching::{self, Watching};
use crate::cli::{fetching, offices};
use crate::config::algorithms::AlgorithmPolicyError;
use crate::config::devices::Token;
use crate::config::profiles::{self, ProfileError};
use crate::config::verification::{BUILT_IN, PolicyError, built_in};
use crate::config::{self, Settings, Source};
use crate::domain::audit::Actor;
use crate::domain::ca::Profiles;
use crate::domain::caller::{Role, Roles, RolesConflict};
use crate::domain::key::KeyAlgorithm;
use crate::domain::trust::{AlgorithmPolicy, TrustAnchors, TrustError};
use crate::domain::verify::Policy;
use crate::http::tls::{InvalidTls, development_certificate, development_client};
use crate::http::{self, App, server, tls};
use crate::service::audit_log::folder::FolderLog;
use crate::service::audit_log::moving::keep_moving;
use crate::service::audit_log::{KnownWitness, keep_mirrored, keep_sequencing, keep_witnessed};
use crate::service::backups;
use crate::service::callers::{Registration, bar_holder, register_caller};
use crate::service::development::{self, DevelopmentPki};
use crate::service::due::{self, Keeping};
use crate::service::front::Front;
use crate::service::issuance::Issuance;
use crate::service::keys::device::{DeviceOptions, OaepDigest, Pkcs11Options, SdfOptions, TokenName, VendorMechanisms};
use crate::service::keys::doors::Doors;
use crate::service::keys::{self, KeySource, PoolLimits};
use crate::service::publication::{self, Plan};
use crate::service::verification::{pem_of, sm3_hex};
use crate::service::verification_batches;
use crate::service::{self, KeySettings, Services, alerts, issuance_jobs, registration};

pub(crate) use parts::{audit_log, terms, with_old_tiles};

/// Why an installation cannot be opened or served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// A file or folder of the installation.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Authorities of servers.
    #[error(transparent)]
    Fetching(#[from] fetching::Error),
    /// An anchor.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// An algorithm policy.
    #[error(transparent)]
    Algorithms(#[from] AlgorithmPolicyError),
    /// A certificate profile.
    #[error(transparent)]
    Profiles(#[from] ProfileError),
    /// A policy file that is not text.
    #[error("the policy {path} is not UTF-8 text")]
    NotText {
        /// Which.
        path: PathBuf,
    },
    /// Never: the first caller's roles go together.
    #[error(transparent)]
    Roles(#[from] RolesConflict),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] InvalidTls),
    /// The door.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// What judges seals that are taken in.
    #[error(transparent)]
    Verifying(#[from] verify::Error),
    /// A use case.
    #[error(transparent)]
    Service(#[from] service::Error),
    /// A backup is not taken, or not put back.
    #[error(transparent)]
    Backup(#[from] backups::Error),
    /// It was restored, and nothing writes before a start compared its log.
    #[error(
        "{path} was restored, and no start has compared its audit log with a mirror or a witness (restore-not-compared)"
    )]
    NotCompared {
        /// The installation's folder.
        path: PathBuf,
    },
    /// Another process works on it.
    #[error("another process is at work in {path}: one service at a time (installation-in-use)")]
    InUse {
        /// The installation's folder.
        path: PathBuf,
    },
    /// The key store.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// What is to be destroyed was named twice, and differently.
    #[error("{key} is to be destroyed, but {confirmed} was confirmed (not-confirmed)")]
    NotConfirmed {
        /// The key named first.
        key: KeyId,
        /// The key named by --confirm.
        confirmed: KeyId,
    },
    /// What is to be retired was named twice, and differently.
    #[error("{authority} is to be retired, but {confirmed} was confirmed (not-confirmed)")]
    AuthorityNotConfirmed {
        /// The authority named first.
        authority: AuthorityId,
        /// The authority named by --confirm.
        confirmed: AuthorityId,
    },
    /// The job did not come to its end.
    #[error("the job {job} is {state}{} (job-{state})", .reason.as_ref().map_or_else(String::new, |why| format!(": {why}")))]
    JobStopped {
        /// The job.
        job: JobId,
        /// Its state.
        state: &'static str,
        /// The stable code of what stopped it.
        reason: Option<String>,
    },
    /// What is to be ended was named twice, and differently.
    #[error("{certificate} is to be retired, but {confirmed} was confirmed (not-confirmed)")]
    CertificateNotConfirmed {
        /// SM3 of the certificate named first.
        certificate: String,
        /// SM3 of the certificate named by --confirm.
        confirmed: String,
    },
    /// A key for messages names no caller, or another unit names one.
    #[error("a message-signer is made --for a caller, and nothing else is (caller-of-unit)")]
    CallerOfUnit,
    /// Nothing is written over.
    #[error("{path} is there already (file-exists)")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// The configuration names no shares.
    #[error("the configuration names no shares: keys.share_files (no-shares)")]
    NoShares,
    /// The runtime.
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
}

impl Error {
    /// The whole chain on one line, with its code where it has one.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("error: {self}");
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            line.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        match self {
            Self::Service(error) => format!("{line} ({})", error.code()),
            Self::Keys(error) => format!("{line} ({})", error.code()),
            Self::Backup(error) => format!("{line} ({})", error.code()),
            Self::Fetching(error) => format!("{line} ({})", error.code()),
            _ => line,
        }
    }
}

/// An open installation.
pub(crate) struct Installation {
    /// The use cases.
    pub(crate) services: Services,
    /// The development PKI, where the configuration asks for it.
    pub(crate) development: Option<DevelopmentPki>,
    sound: Sound,
    settings: Settings,
    /// The profiles in force.
    pub(crate) profiles: Arc<Profiles>,
    /// Where everything that runs here orders certificates.
    issuance: Issuance,
    /// Held while the installation is open, so that no second process works on it.
    _lock: fs::File,
}

/// A server that listens.
pub(crate) struct Listening {
    /// Where.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The development server certificate, where none is configured.
    pub(crate) server_certificate: Option<PathBuf>,
    /// The first caller's certificate and key.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
    /// Where what authorities publish is served by plain HTTP.
    pub(crate) publication: Vec<SocketAddr>,
    listeners: (Vec<tokio::net::TcpListener>, Vec<tokio::net::TcpListener>),
    services: Services,
    front: Front,
    issuance: Issuance,
    lapse_days: u32,
    keeping: Keeping,
    alert_days: Vec<u32>,
    witnesses: Vec<KnownWitness>,
    mirror: Option<FolderLog>,
    old_tiles: Option<parts::OldTilesAfter>,
    watching: Watching,
    tls: Arc<rustls::ServerConfig>,
    app: Arc<App>,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Listening {
    /// Serves until that ends, or a signal to stop comes.
    pub(crate) fn until(self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        let stop = async move {
            tokio::select! {
                () = self.stop => {}
                () = end => {}
            }
        };
        Self { stop: Box::pin(stop), ..self }
    }

    /// Serves until a signal to stop comes.
    pub(crate) async fn serve(self) -> Result<(), Error> {
        // Ends with this function.
        let _watching = self.watching.start(&self.services);
        let _writing = offices::start(&self.services, &self.issuance);
        let alerts = tokio::spawn(alerts::watch(self.services.clone(), self.alert_days));
        let due = tokio::spawn(due::keep_current(self.services.clone(), self.keeping));
        let lapsing = tokio::spawn(registration::keep_lapsing(self.services.clone(), self.lapse_days));
        let witnesses = self.witnesses;
        let cosigning = self.front.log().cloned().map(|log| tokio::spawn(keep_witnessed(log, witnesses)));
        let mirror = self.mirror;
        let mirroring =
            self.front.log().cloned().zip(mirror).map(|(log, mirror)| tokio::spawn(keep_mirrored(log, mirror)));
        let old_tiles = self.front.log().cloned().zip(self.old_tiles);
        let moving = old_tiles.map(|(log, (place, after))| tokio::spawn(keep_moving(log, place, after)));
        let sequencing = self.front.log().cloned().map(|log| tokio::spawn(keep_sequencing(log)));
        let jobs = tokio::spawn(publication::keep_current(self.services.clone(), self.issuance.clone()));
        let batches = tokio::spawn(verification_batches::keep_verifying(self.front.clone()));
        let trust = tokio::spawn(self.front.keep_trust_current());
        let bulk = tokio::spawn(issuance_jobs::keep_running(self.services, self.issuance));
        let served = server::serve(self.listeners, self.tls, self.app, self.stop).await;
        // What it had under way is kept or is not; its lease ends by itself.
        bulk.abort();
        // A list that is being signed then is an intent, which the next one of its shard abandons.
        jobs.abort();
        trust.abort();
        // A file that is being judged has no report then; its turn comes again.
        batches.abort();
        lapsing.abort();
        due.abort();
        alerts.abort();
        // What is not signed yet is signed by the next start.
        sequencing.inspect(tokio::task::JoinHandle::abort);
        cosigning.inspect(tokio::task::JoinHandle::abort);
        mirroring.inspect(tokio::task::JoinHandle::abort);
        moving.inspect(tokio::task::JoinHandle::abort);
        Ok(served?)
    }
}

impl Installation {
    /// Opens the installation that the settings describe, and makes what is missing on a first start. Self-tests come
    /// before anything: where one fails, nothing is touched.
    pub(crate) async fn open(settings: Settings) -> Result<Self, Error> {
        let sound = selftest::before_start(&settings.policies)?;
        let profiles = profiles::in_force(settings.policies.profiles.as_deref(), &settings.registration.approve)?;
        create_folder(&settings.data_dir)?;
        let lock = occupy(&settings.data_dir)?;
        let keys = key_settings(&settings, &sound.algorithms)?;
        let (clock, random) = (Arc::new(SystemClock), Arc::clone(&sound.random));
        let (services, _) = Services::attach(&settings.database.url, &keys, clock, random).await?;
        // Before an event takes a number that one has already, which a restore forgot.
        let services = parts::agreed(services, &settings).await?;
        services.start().await?;
        let services = parts::about_seals(services.with_plan(plan(&settings)), &settings)?;
        let profiles = Arc::new(profiles);
        let development = match settings.trust.development {
            true => Some(development::ensure(&services, &profiles).await?),
            false => None,
        };
        let issuance = Issuance::start(services.clone(), Arc::clone(&profiles));
        if let Some(pki) = &development {
            development::ensure_units(&services, &issuance, pki, settings.stamping.enabled).await?;
        }
        Ok(Self { services, development, sound, settings, profiles, issuance, _lock: lock })
    }

    fn trust(&self) -> Result<TrustAnchors, Error> {
        let mut trust = TrustAnchors::none();
        for path in &self.settings.trust.anchors {
            for path in certificate_files(path)? {
                let bytes = fs::read(&path).map_err(|source| Error::File { path: path.clone(), source })?;
                trust.add_anchors(&bytes, &path.display().to_string())?;
            }
        }
        if let Some(pki) = &self.development {
            trust.add_anchors(&pki.root, "development root")?;
            trust.add_certificates(&pki.authority, "development authority")?;
            trust.mark_development();
        }
        Ok(trust)
    }

    /// The use cases that stand behind the door.
    pub(crate) async fn front(&self) -> Result<Front, Error> {
        let mut policies = BTreeMap::new();
        for (name, _) in BUILT_IN {
            let algorithms = Arc::clone(&self.sound.algorithms);
            policies.insert(name.to_owned(), Policy { algorithms, ..built_in(name, &sm3_hex)? });
        }
        let (fetcher, appetite) = fetching::served(&self.settings.fetching)?;
        Ok(Front::new(self.services.clone(), self.trust()?, policies, &self.settings.policies.verification)?
            .with_fetcher(fetcher, appetite)
            .with_batches(Some(self.batches()?))
            .with_report_seal(self.settings.fetching.report_seal.clone())
            .with_stamping(self.stamping().await?)
            .with_issuance(self.issuance.clone(), Arc::clone(&self.profiles))
            .with_log(Some(self.audit_log().await?)))
    }

    /// Binds the listeners and sets everything up to serve.
    pub(crate) async fn listen(&self) -> Result<Listening, Error> {
        self.listen_before(Arc::new(self.front().await?), None).await
    }

    /// The same before use cases that are there already, and with a constant for measurements.
    pub(crate) async fn listen_before(
        &self,
        front: Arc<Front>,
        constant: Option<axum::body::Bytes>,
    ) -> Result<Listening, Error> {
        let listeners = server::listen(&self.settings.server.listen).await?;
        let plain = server::listen(&self.settings.server.publication).await?;
        let mut door = http::Settings {
            file_bytes: self.settings.server.max_upload,
            request_bytes: self.settings.server.max_upload.saturating_mul(2),
            spool: Some(self.spool()?),
            request: self.settings.server.request_timeout,
            grace: self.settings.server.shutdown_grace,
            constant,
            ..http::Settings::default()
        };
        door.hosts.extend(self.settings.server.trusted_hosts.iter().cloned());
        let mut addresses = Vec::new();
        for listener in &listeners {
            let address = listener.local_addr().map_err(Error::Runtime)?;
            door.add_listener(address);
            addresses.push(address);
        }
        let mut publication = Vec::new();
        for listener in &plain {
            publication.push(listener.local_addr().map_err(Error::Runtime)?);
        }
        // Names of requests only: a device that is away keeps no request from being answered that needs no key.
        let names = Arc::<HealthChecked<SystemRandom>>::clone(&self.sound.random);
        let keeping = Front::clone(&front);
        let app = match &self.sound.access {
            Some(table) => App::with_access(front, door, names, table)?,
            None => App::new(front, door, names)?,
        };
        // Figures of other layers go to the same recorder; a second server in one process keeps the first's.
        let _ = metrics::set_global_recorder(app.metrics().recorder());
        let (tls, server_certificate) = self.server_tls()?;
        let client = if self.development.is_some() {
            Some(self.first_caller().await?)
        } else {
            self.bar_first_caller().await?;
            None
        };
        if self.development.is_none() {
            tracing::info!(profiles = self.profiles.without_approval().join(", "), "one officer alone may order");
        }
        // Before anybody is told where we listen: whoever knows may ask us to stop.
        let stop = Box::pin(server::termination()?);
        let (services, issuance) = (self.services.clone(), self.issuance.clone());
        let listeners = (listeners, plain);
        Ok(Listening {
            addresses,
            publication,
            server_certificate,
            client,
            listeners,
            services,
            front: keeping,
            issuance,
            lapse_days: self.settings.registration.lapse_days,
            keeping: parts::keeping(&self.settings)?,
            alert_days: self.settings.publication.alert_days.clone(),
            witnesses: parts::witnesses(&self.settings)?,
            mirror: parts::mirror(&self.settings),
            old_tiles: parts::old_tiles(&self.services, &self.settings)?,
            watching: watching::served(&self.settings)?,
            tls,
            app,
            stop,
        })
    }

    /// The folder where uploads wait; what a killed process left there is gone.
    fn spool(&self) -> Result<PathBuf, Error> {
        let folder = self.settings.data_dir.join("spool");
        create_folder(&folder)?;
        http::sweep(&folder).map_err(|source| Error::File { path: folder.clone(), source })?;
        Ok(folder)
    }

    fn server_tls(&self) -> Result<(Arc<rustls::ServerConfig>, Option<PathBuf>), Error> {
        if let Some(configured) = &self.settings.server.tls {
            let read = |path: &PathBuf| fs::read(path).map_err(|source| Error::File { path: path.clone(), source });
            let (certificate, key) = (read(&configured.certificate)?, Secret::new(read(&configured.key)?));
            return Ok((tls::server(&certificate, &key)?, None));
        }
        let made = development_certificate(&["localhost", "127.0.0.1", "::1"], SystemClock.now())?;
        let folder = self.settings.data_dir.join("tls");
        create_folder(&folder)?;
        let path = folder.join("server.pem");
        write(&path, made.certificate_pem.as_bytes())?;
        Ok((tls::server(made.certificate_pem.as_bytes(), &made.key_pem)?, Some(path)))
    }

    /// The first caller's certificate and key: made and registered on the first start, found again later.
    async fn first_caller(&self) -> Result<(PathBuf, PathBuf), Error> {
        let folder = self.settings.data_dir.join("client");
        let (certificate, key) = (folder.join("client.pem"), folder.join("client.key"));
        if certificate.exists() && key.exists() {
            return Ok((certificate, key));
        }
        create_folder(&folder)?;
        let made = development_client("Yinxin development caller", SystemClock.now())?;
        let registration = Registration {
            name: "development caller".to_owned(),
            key_fingerprint: made.fingerprint,
            public_key: made.spki.clone(),
            algorithm: KeyAlgorithm::EcdsaP256,
            roles: Roles::new([Role::SealUser, Role::Verifier])?,
        };
        // The key is on disk before it is registered: a crash between the two leaves a key that opens nothing.
        write(&key, made.key_pem.expose())?;
        write(&certificate, made.certificate_pem.as_bytes())?;
        if let Err(error) = register_caller(&self.services, &Actor::Operator, None, registration).await {
            for path in [&key, &certificate] {
                // The error below is the one to tell.
                let _ = fs::remove_file(path);
            }
            return Err(error.into());
        }
        Ok((certificate, key))
    }

    /// Ends what development began: the caller whose key was made here is let in no more.
    async fn bar_first_caller(&self) -> Result<(), Error> {
        let path = self.settings.data_dir.join("client").join("client.pem");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(Error::File { path, source }),
        };
        if bar_holder(&self.services, &text).await? {
            tracing::warn!("the development caller is barred: trust.development is off");
        }
        // A key that opens nothing is of no use; should development come back, it makes a new one.
        for path in [path.with_file_name("client.key"), path] {
            fs::remove_file(&path).map_err(|source| Error::File { path, source })?;
        }
        Ok(())
    }

    /// Writes the development PKI's certificates into a folder; gives the anchor's path.
    pub(crate) fn write_development(&self, folder: &Path) -> Result<Option<PathBuf>, Error> {
        let Some(pki) = &self.development else { return Ok(None) };
        fs::create_dir_all(folder).map_err(|source| Error::File { path: folder.to_owned(), source })?;
        let root = folder.join("root.pem");
        for (path, der) in [
            (root.clone(), &pki.root),
            (folder.join("authority.pem"), &pki.authority),
            (folder.join("maker.pem"), &pki.maker),
        ] {
            write(&path, pem_of(der).as_bytes())?;
        }
        Ok(Some(root))
    }
}

/// When lists are due and how long answers last, by the settings.
pub(crate) fn plan(settings: &Settings) -> Plan {
    let config::Publication { full_every, delta_every, keep, answer_validity, answer_max_age, answers, .. } =
        settings.publication;
    Plan { full_every, delta_every, keep, answer_validity, answer_max_age, answers, ..Plan::default() }
}

/// Keeps other processes of this machine from working on the installation, for as long as the file is held. A process
/// that ends, however it ends, lets go.
pub(crate) fn occupy(data_dir: &Path) -> Result<fs::File, Error> {
    let path = data_dir.join("lock");
    let wrong = |source| Error::File { path: path.clone(), source };
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::InUse { path: data_dir.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(wrong(source)),
    }
}

/// How private keys are kept, used and made, by the settings and the algorithm policy in force. Reads the files of shares, and standard input where it is named.
pub(crate) fn key_settings(settings: &Settings, algorithms: &Arc<AlgorithmPolicy>) -> Result<KeySettings, Error> {
    let algorithms = Arc::clone(algorithms);
    let devices = Doors::open(device_options(settings)).map_err(keys::Error::from)?;
    let source = match &settings.keys.source {
        Source::Device => return Ok(KeySettings { pool: pool(settings), algorithms, ..KeySettings::gm3(devices)? }),
        Source::File(path) => KeySource::File { path: path.clone(), create: true },
        Source::Passphrase(passphrase) => KeySource::Passphrase(passphrase.clone()),
        Source::Environment(name, value) => KeySource::Environment { name: name.clone(), value: value.clone() },
        Source::Shares(files) => KeySource::Shares(shares::read(files)?),
    };
    Ok(KeySettings {
        sealing: settings.keys.sealing,
        pool: pool(settings),
        devices,
        algorithms,
        ..KeySettings::from_source(source)
    })
}

fn pool(settings: &Settings) -> PoolLimits {
    let (places, patience) = (settings.keys.signing_places, settings.keys.signing_timeout);
    PoolLimits { places, patience, ..PoolLimits::default() }
}

fn device_options(settings: &Settings) -> Vec<DeviceOptions> {
    let pkcs11 = settings.keys.pkcs11.as_ref().map(|pkcs11| {
        let token = match &pkcs11.token {
            Token::Label(label) => TokenName::Label(label.clone()),
            Token::Slot(slot) => TokenName::Slot(*slot),
        };
        let (sm2_key_pair, sm2_sign) = (pkcs11.sm2_key_pair, pkcs11.sm2_sign);
        DeviceOptions::Pkcs11(Pkcs11Options {
            module: pkcs11.module.clone(),
            token,
            pin_file: pkcs11.pin_file.clone(),
            sessions: pkcs11.sessions,
            timeout: pkcs11.timeout,
            oaep: if pkcs11.oaep_sha1 { OaepDigest::Sha1 } else { OaepDigest::Sha256 },
            vendor: VendorMechanisms { sm2_key_pair, sm2_sign, sm3: pkcs11.sm3, sm3_hmac: pkcs11.sm3_hmac },
        })
    });
    let sdf = settings.keys.sdf.as_ref().map(|sdf| {
        DeviceOptions::Sdf(SdfOptions {
            library: sdf.library.clone(),
            pairs: sdf.pairs.clone(),
            password_file: sdf.password_file.clone(),
            key_encryption_key: sdf.key_encryption_key,
            sessions: sdf.sessions,
            timeout: sdf.timeout,
        })
    });
    pkcs11.into_iter().chain(sdf).collect()
}

/// A file, or all certificates of a folder.
fn certificate_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if path.is_dir() {
        certificates_in(path).map_err(|source| Error::File { path: path.to_owned(), source })
    } else {
        Ok(vec![path.to_owned()])
    }
}
