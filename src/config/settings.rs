//! The configuration as the program uses it: complete, and each value within its bounds.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::limits::Limits;
use crate::base::secret::Secret;
use crate::config::keys::{Keys, PASSPHRASE};
use crate::config::verification::BUILT_IN;
use crate::config::{
    AuditLogSettings, BatchSettings, Error, Escrow, Fetching, MakerSettings, OfficeSettings, Publication, Registration,
    Siem, Stamping, WebhookSettings, alarms, offices, persons, raw, seal_kinds, siem, webhooks,
};
use crate::domain::audit::misuse::Misuse;
use crate::domain::key::Profile;
use crate::domain::seal::authority::UnkeptSeals;
use crate::domain::seal::kind::SealKinds;
use crate::domain::seal::maker::SealStamps;
use crate::domain::seal::person::PersonRules;

/// The program's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the embedded database, the key file and the development PKI live.
    pub data_dir: PathBuf,
    /// Whether secrets may be anywhere but in the SDF device.
    pub profile: Profile,
    /// The HTTPS door.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// The key store.
    pub keys: Keys,
    /// Policies.
    pub policies: Policies,
    /// Whom we trust.
    pub trust: Trust,
    /// Time stamps.
    pub stamping: Stamping,
    /// What authorities publish.
    pub publication: Publication,
    /// Requests for certificates.
    pub registration: Registration,
    /// Keys that are kept for their owners.
    pub escrow: Escrow,
    /// `seals.unkept`: what becomes of the use of seals that have no keeper.
    pub unkept: UnkeptSeals,
    /// `seals.time_stamp`: which seals get a time stamp of their own when they are made.
    pub seal_stamps: SealStamps,
    /// `seals.value_within`: how many seconds the value of a client's key is waited for.
    pub value_within: i64,
    /// `seals.keep_messages_days`: how long messages to offices are kept after they ended; nothing: for ever.
    pub keep_messages_days: Option<u32>,
    /// `seals.kinds`: the types of seals, the common ones and those that are written.
    pub seal_kinds: Arc<SealKinds>,
    /// `[persons]`: what is asked of persons who sign by certificates of one act; nobody does without it.
    pub persons: Option<PersonRules>,
    /// `[verification]`.
    pub fetching: Fetching,
    /// How much is taken of files that are verified in the background.
    pub batches: BatchSettings,
    /// The audit log.
    pub audit_log: AuditLogSettings,
    /// `[alarms]`: what counts as misuse.
    pub alarms: Misuse,
    /// `[siem]`: where security events go.
    pub siem: Siem,
    /// `[national_maker]`: the system elsewhere that makes seals, where there is one.
    pub national_maker: Option<MakerSettings>,
    /// `[filing]`: the office that files seals, where there is one.
    pub filing: Option<OfficeSettings>,
    /// `[[webhooks]]`: who is told of state changes.
    pub webhooks: Vec<WebhookSettings>,
    /// The log of the program's work (not the audit log).
    pub log: Log,
}

/// `[server]`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Addresses where what authorities publish is served by plain HTTP.
    pub publication: Vec<SocketAddr>,
    /// Certificate and key; a development certificate is made when there are none.
    pub tls: Option<Tls>,
    /// Bytes of an uploaded file.
    pub max_upload: usize,
    /// Hours for which a batch of files to verify is kept after it was made or judged.
    pub keep_batches: u32,
    /// Hours for which an answer under an `Idempotency-Key` is kept after its request came.
    pub keep_answers: u32,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long requests at work may go on after the signal to stop.
    pub shutdown_grace: Duration,
    /// Names that the `Host` header may have, beside the listeners' addresses.
    pub trusted_hosts: Vec<String>,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate and those above it.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// `[database]`.
#[derive(Debug, Clone)]
pub struct Database {
    /// `sqlite:PATH` or `postgres://…`; may hold a password.
    pub url: String,
}

/// `[policies]`.
#[derive(Debug, Clone)]
pub struct Policies {
    /// The name of the verification policy.
    pub verification: String,
    /// The access table, when another than the built-in one.
    pub access: Option<PathBuf>,
    /// The algorithm policy, when another than the built-in one.
    pub algorithms: Option<PathBuf>,
    /// A folder of certificate profiles, which stand in for built-in ones of the same name.
    pub profiles: Option<PathBuf>,
}

/// `[trust]`.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Whether the development PKI is made and trusted. Only for loopback.
    pub development: bool,
    /// Files and folders of anchors.
    pub anchors: Vec<PathBuf>,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Days for which what is logged elsewhere than here is kept at least: files of security events, acknowledged alarms.
    pub retention_days: u32,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For programs.
    Json,
    /// For people.
    Text,
}

/// Variables that are the tests' own, or the passphrase.
const NOT_KEYS: [&str; 2] = [PASSPHRASE, "YINXIN_FIXTURES"];
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

impl Settings {
    /// Reads the file, if one is named, and lets variables `YINXIN_SECTION__KEY` (`YINXIN_DATA_DIR`) override its keys.
    ///
    /// # Errors
    /// Anything that is not known or not allowed, by file and key.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let (place, text) = match file {
            Some(path) => {
                let wrong = |source| Error::File { path: path.to_owned(), source };
                (path.display().to_string(), std::fs::read_to_string(path).map_err(wrong)?)
            }
            None => ("defaults".to_owned(), String::new()),
        };
        Self::from_text(&place, &text, environment)
    }

    /// As [`Self::load`], with the file's text given.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_text(
        place: &str,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let malformed = |place: &str, error: &toml::de::Error| Error::Malformed {
            place: place.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        };
        // Read once by itself, so that its faults are told with line and column.
        toml::from_str::<raw::Raw>(text).map_err(|error| malformed(place, &error))?;
        let mut table = toml::from_str::<toml::Table>(text).map_err(|error| malformed(place, &error))?;
        let environment = environment.into_iter().collect::<Vec<_>>();
        // The variable that `keys.environment` names may be called like one of ours, and is none.
        let asked = environment.iter().find(|(name, _)| name == "YINXIN_KEYS__ENVIRONMENT");
        let named = asked.map(|(_, value)| value.clone());
        let named = named.or_else(|| Some(table.get("keys")?.get("environment")?.as_str()?.to_owned()));
        let (mut passphrase, mut variable) = (None, None);
        for (name, value) in environment {
            if named.as_ref() == Some(&name) {
                variable = Some(Secret::new(value.into_bytes()));
            } else if name == PASSPHRASE {
                passphrase = Some(Secret::new(value.into_bytes()));
            } else if let Some(key) = override_key(&name) {
                insert(&mut table, &key, &value);
                let checked = table.clone().try_into::<raw::Raw>();
                checked.map_err(|error: toml::de::Error| Error::Malformed {
                    place: name,
                    message: error.message().to_owned(),
                })?;
            }
        }
        let raw = table.try_into::<raw::Raw>().map_err(|error| malformed(place, &error))?;
        Self::checked(place, raw, (passphrase, variable))
    }

    fn checked(place: &str, raw: raw::Raw, secrets: (Option<Secret>, Option<Secret>)) -> Result<Self, Error> {
        let refuse = |key, message: String| Err(Error::Refused { place: place.to_owned(), key, message });
        let data_dir = raw.data_dir.unwrap_or_else(|| PathBuf::from("yinxin-data"));
        let profile = match raw.profile.as_deref() {
            None => Profile::Standard,
            Some(name) => match Profile::from_name(name) {
                Some(profile) => profile,
                None => return refuse("profile", format!("standard or gm3, not {name:?}")),
            },
        };
        let (server, keys) = (raw.server.unwrap_or_default(), raw.keys.unwrap_or_default());
        let (policies, trust) = (raw.policies.unwrap_or_default(), raw.trust.unwrap_or_default());
        let log = raw.log.unwrap_or_default();

        let listen = server.listen.unwrap_or_else(|| vec!["127.0.0.1:8443".into(), "[::1]:8443".into()]);
        let mut addresses = Vec::new();
        for text in &listen {
            match text.parse::<SocketAddr>() {
                Ok(address) => addresses.push(address),
                Err(_) => return refuse("server.listen", format!("{text:?} is not an address with a port")),
            }
        }
        let mut publication = Vec::new();
        for text in server.publication.unwrap_or_default() {
            match text.parse::<SocketAddr>() {
                Ok(address) => publication.push(address),
                Err(_) => return refuse("server.publication", format!("{text:?} is not an address with a port")),
            }
        }
        if addresses.is_empty() {
            return refuse("server.listen", "at least one address is needed".into());
        }
        // No file means the first run on one's own machine: the development PKI, loopback only.
        let development = trust.development.unwrap_or(place == "defaults" && profile == Profile::Standard);
        if development && profile == Profile::Gm3 {
            return refuse(
                "trust.development",
                "not under profile gm3: the development PKI keeps its keys in software".into(),
            );
        }
        if let Some(open) = addresses.iter().find(|address| development && !is_loopback(address.ip())) {
            return refuse("trust.development", format!("the development PKI is for loopback only, not for {open}"));
        }
        // The seals of the development PKI are for trying things out. In earnest a seal is used by those whom its keeper
        // authorised, unless somebody decides otherwise.
        let seals = raw.seals.unwrap_or_default();
        let seal_kinds = match seal_kinds::read(seals.kinds) {
            Ok(kinds) => Arc::new(kinds),
            Err(reason) => return refuse("seals.kinds", reason),
        };
        let unkept = match seals.unkept.as_deref() {
            None if development => UnkeptSeals::Allow,
            None => UnkeptSeals::Refuse,
            Some(name) => match UnkeptSeals::from_name(name) {
                Some(unkept) => unkept,
                None => return refuse("seals.unkept", "one of refuse, allow".into()),
            },
        };
        let seal_stamps = match seals.time_stamp.as_deref().map(SealStamps::from_name) {
            None => SealStamps::Never,
            Some(Some(stamps)) => stamps,
            Some(None) => return refuse("seals.time_stamp", "one of never, v5".into()),
        };
        let value_within = seals.value_within.unwrap_or(600);
        if !(1..=600).contains(&value_within) {
            return refuse("seals.value_within", "1 to 600 seconds".into());
        }
        let tls = match (server.tls_certificate, server.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return refuse("server.tls_key", "missing beside server.tls_certificate".into()),
            (None, Some(_)) => return refuse("server.tls_certificate", "missing beside server.tls_key".into()),
        };
        if let (None, Some(open)) = (&tls, addresses.iter().find(|address| !is_loopback(address.ip()))) {
            let message = format!("needed for {open}: certificates made here are for loopback only");
            return refuse("server.tls_certificate", message);
        }
        if tls.is_none() && profile == Profile::Gm3 {
            let message = "needed under profile gm3: no certificate and key are made here";
            return refuse("server.tls_certificate", message.into());
        }
        if let Some(name) = &policies.verification
            && !BUILT_IN.iter().any(|(known, _)| known == name)
        {
            let names: Vec<_> = BUILT_IN.iter().map(|(known, _)| *known).collect();
            return refuse("policies.verification", format!("one of {}, not {name:?}", names.join(", ")));
        }
        let most = Limits::DEFAULT.file_bytes;
        let max_upload = match server.max_upload.map(usize::try_from) {
            None => most,
            Some(Ok(bytes)) if (1..=most).contains(&bytes) => bytes,
            Some(_) => return refuse("server.max_upload", format!("1 to {most} bytes")),
        };
        let keep_batches = match server.keep_batches.map(u32::try_from) {
            None => 24,
            Some(Ok(hours)) if (1..=720).contains(&hours) => hours,
            Some(_) => return refuse("server.keep_batches", "1 to 720 hours".into()),
        };
        let keep_answers = match server.keep_answers.map(u32::try_from) {
            None => 72,
            Some(Ok(hours)) if (1..=8760).contains(&hours) => hours,
            Some(_) => return refuse("server.keep_answers", "1 to 8760 hours".into()),
        };
        let request_timeout = server.request_timeout.unwrap_or(30);
        if !(1..=600).contains(&request_timeout) {
            return refuse("server.request_timeout", "1 to 600 seconds".into());
        }
        let shutdown_grace = server.shutdown_grace.unwrap_or(20);
        if shutdown_grace > 600 {
            return refuse("server.shutdown_grace", "0 to 600 seconds".into());
        }
        let url = raw.database.unwrap_or_default().url;
        let url = url.unwrap_or_else(|| format!("sqlite:{}", data_dir.join("yinxin.db").display()));
        if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return refuse("database.url", "begins with sqlite: or postgres://".into());
        }
        let keys = match Keys::checked(keys, (&data_dir, profile), secrets) {
            Ok(keys) => keys,
            Err((key, message)) => return refuse(key, message),
        };
        let stamping = match Stamping::checked(raw.stamping.unwrap_or_default()) {
            Ok(stamping) => stamping,
            Err((key, message)) => return refuse(key, message),
        };
        let offers = development || !stamping.rules.policies.is_empty();
        if seal_stamps != SealStamps::Never && !(stamping.enabled && offers) {
            let message = "wants stamping.enabled, and a policy in stamping.policies: no time stamps are made here";
            return refuse("seals.time_stamp", message.into());
        }
        let published = match Publication::checked(&raw.publication.unwrap_or_default()) {
            Ok(publication) => publication,
            Err((key, message)) => return refuse(key, message),
        };
        let registration = match Registration::checked(&raw.registration.unwrap_or_default()) {
            Ok(registration) => registration,
            Err((key, message)) => return refuse(key, message),
        };
        let escrow = match Escrow::checked(&raw.escrow.unwrap_or_default()) {
            Ok(escrow) => escrow,
            Err((key, message)) => return refuse(key, message),
        };
        let fetching = match Fetching::checked(&raw.verification.unwrap_or_default()) {
            Ok(fetching) => fetching,
            Err((key, message)) => return refuse(key, message),
        };
        let batches = match BatchSettings::checked(&raw.batches.unwrap_or_default()) {
            Ok(batches) => batches,
            Err((key, message)) => return refuse(key, message),
        };
        let alarms = match alarms::checked(&raw.alarms.unwrap_or_default()) {
            Ok(alarms) => alarms,
            Err((key, message)) => return refuse(key, message),
        };
        let siem = match Siem::checked(&raw.siem.unwrap_or_default()) {
            Ok(siem) => siem,
            Err((key, message)) => return refuse(key, message),
        };
        let national_maker = match MakerSettings::checked(&raw.national_maker.unwrap_or_default()) {
            Ok(national_maker) => national_maker,
            Err((key, message)) => return refuse(key, message),
        };
        let filing = match OfficeSettings::filing(&raw.filing.unwrap_or_default()) {
            Ok(filing) => filing,
            Err((key, message)) => return refuse(key, message),
        };
        let webhooks = match webhooks::checked(raw.webhooks.unwrap_or_default(), development) {
            Ok(webhooks) => webhooks,
            Err(message) => return refuse("webhooks", message),
        };
        let persons = match persons::checked(&raw.persons.unwrap_or_default()) {
            Ok(persons) => persons,
            Err((key, message)) => return refuse(key, message),
        };
        if persons.is_some() && profile == Profile::Gm3 {
            let message =
                "not under profile gm3: the key of one act is made in memory, and private keys are the device's";
            return refuse("persons.authority", message.into());
        }
        let retention_days = match siem::retention_days(log.retention_days) {
            Ok(days) => days,
            Err((key, message)) => return refuse(key, message),
        };
        let audit_log = match AuditLogSettings::checked(&raw.audit_log.unwrap_or_default(), retention_days) {
            Ok(audit_log) => audit_log,
            Err((key, message)) => return refuse(key, message),
        };
        let kept = (retention_days, audit_log.keep_events_days);
        let keep_messages_days = match offices::keep_messages(seals.keep_messages_days, kept) {
            Ok(days) => days,
            Err((key, message)) => return refuse(key, message),
        };
        let format = match log.format.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => return refuse("log.format", format!("json or text, not {other:?}")),
        };
        let level = log.level.unwrap_or_else(|| "info".into());
        if !LEVELS.contains(&level.as_str()) {
            return refuse("log.level", format!("one of {}, not {level:?}", LEVELS.join(", ")));
        }
        Ok(Self {
            profile,
            server: Server {
                listen: addresses,
                publication,
                tls,
                max_upload,
                keep_batches,
                keep_answers,
                request_timeout: Duration::from_secs(request_timeout),
                shutdown_grace: Duration::from_secs(shutdown_grace),
                trusted_hosts: server.trusted_hosts.unwrap_or_default(),
            },
            database: Database { url },
            keys,
            policies: Policies {
                verification: policies.verification.unwrap_or_else(|| "default".into()),
                access: policies.access,
                algorithms: policies.algorithms,
                profiles: policies.profiles,
            },
            trust: Trust { development, anchors: trust.anchors.unwrap_or_default() },
            stamping,
            publication: published,
            registration,
            escrow,
            unkept,
            seal_stamps,
            value_within,
            keep_messages_days,
            seal_kinds,
            persons,
            fetching,
            batches,
            audit_log,
            alarms,
            siem,
            national_maker,
            filing,
            webhooks,
            log: Log { format, level, retention_days },
            data_dir,
        })
    }

    /// The settings in force as TOML, with the passphrase left out and the database's password masked.
    #[must_use]
    pub fn effective(&self) -> String {
        let server = &self.server;
        let tls = server.tls.as_ref();
        let raw = raw::Raw {
            data_dir: Some(self.data_dir.clone()),
            profile: Some(self.profile.name().to_owned()),
            server: Some(raw::Server {
                listen: Some(server.listen.iter().map(ToString::to_string).collect()),
                publication: Some(server.publication.iter().map(ToString::to_string).collect()),
                tls_certificate: tls.map(|tls| tls.certificate.clone()),
                tls_key: tls.map(|tls| tls.key.clone()),
                max_upload: u64::try_from(server.max_upload).ok(),
                keep_batches: Some(u64::from(server.keep_batches)),
                keep_answers: Some(u64::from(server.keep_answers)),
                request_timeout: Some(server.request_timeout.as_secs()),
                shutdown_grace: Some(server.shutdown_grace.as_secs()),
                trusted_hosts: Some(server.trusted_hosts.clone()),
            }),
            database: Some(raw::Database { url: Some(masked(&self.database.url)) }),
            keys: Some(self.keys.effective()),
            policies: Some(raw::Policies {
                verification: Some(self.policies.verification.clone()),
                access: self.policies.access.clone(),
                algorithms: self.policies.algorithms.clone(),
                profiles: self.policies.profiles.clone(),
            }),
            trust: Some(raw::Trust {
                development: Some(self.trust.development),
                anchors: Some(self.trust.anchors.clone()),
            }),
            stamping: Some(self.stamping.effective()),
            publication: Some(self.publication.effective()),
            registration: Some(self.registration.effective()),
            escrow: Some(self.escrow.effective()),
            seals: Some(raw::Seals {
                unkept: Some(self.unkept.name().to_owned()),
                time_stamp: Some(self.seal_stamps.name().to_owned()),
                value_within: Some(self.value_within),
                keep_messages_days: Some(self.keep_messages_days.unwrap_or(0).into()),
                kinds: Some(seal_kinds::effective(&self.seal_kinds)).filter(|kinds| !kinds.is_empty()),
            }),
            persons: Some(persons::effective(self.persons.as_ref())),
            verification: Some(self.fetching.effective()),
            batches: Some(self.batches.effective()),
            audit_log: Some(self.audit_log.effective()),
            alarms: Some(alarms::effective(&self.alarms)),
            siem: Some(self.siem.effective()),
            filing: Some(OfficeSettings::effective_filing(self.filing.as_ref())),
            national_maker: Some(MakerSettings::effective(self.national_maker.as_ref())),
            webhooks: Some(webhooks::effective(&self.webhooks)).filter(|all| !all.is_empty()),
            log: Some(raw::Log {
                format: Some(if self.log.format == LogFormat::Json { "json" } else { "text" }.into()),
                level: Some(self.log.level.clone()),
                retention_days: Some(self.log.retention_days.into()),
            }),
        };
        // Fails for paths that are not UTF-8 only, and those cannot come out of a TOML file.
        toml::to_string(&raw).unwrap_or_else(|error| format!("# {error}\n"))
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// `YINXIN_SERVER__LISTEN` → `["server", "listen"]`. Other variables are not ours.
fn override_key(name: &str) -> Option<Vec<String>> {
    let key = name.strip_prefix("YINXIN_")?;
    if NOT_KEYS.contains(&name) || key.starts_with("TEST_") {
        return None;
    }
    Some(key.split("__").map(str::to_ascii_lowercase).collect())
}

/// Puts a value under its key: as TOML where it reads as a number, truth value or list, else as text.
fn insert(table: &mut toml::Table, key: &[String], value: &str) {
    let Some((first, rest)) = key.split_first() else { return };
    if rest.is_empty() {
        let parsed = toml::from_str::<toml::Table>(&format!("value = {value}")).ok();
        let parsed = parsed.and_then(|mut table| table.remove("value"));
        let parsed = parsed.filter(|parsed| parsed.is_integer() || parsed.is_bool() || parsed.is_array());
        table.insert(first.clone(), parsed.unwrap_or_else(|| toml::Value::String(value.to_owned())));
        return;
    }
    let section = table.entry(first.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(section) = section.as_table_mut() {
        insert(section, rest, value);
    }
}

/// The URL without its password, and without its parameters, which may hold one too.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (rest, parameters) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?***"));
    match rest.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{scheme}://{user}:***@{host}{parameters}"),
        _ => format!("{scheme}://{rest}{parameters}"),
    }
}

#[cfg(test)]
mod tests {
    const UNSTAMPED: &str =
        "seals.time_stamp: wants stamping.enabled, and a policy in stamping.policies: no time stamps are made here";

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::keys::Source;
    use crate::domain::key::SealingAlgorithm;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_text("y.toml", text, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_file_all_is_local() {
        let settings = Settings::load(None, []).unwrap();
        let listen = settings.server.listen.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(listen, ["127.0.0.1:8443", "[::1]:8443"]);
        assert_eq!(settings.database.url, "sqlite:yinxin-data/yinxin.db");
        assert!(settings.trust.development);
        assert!(!load("", &[]).unwrap().trust.development, "a file must ask for it");
        assert_eq!(settings.unkept, UnkeptSeals::Allow);
        assert_eq!(load("", &[]).unwrap().unkept, UnkeptSeals::Refuse);
        assert_eq!(load("[seals]\nunkept = 'allow'", &[]).unwrap().unkept, UnkeptSeals::Allow);
        let text = "[[seals.kinds]]\ncode = 6\nname = '公章'\nnaming = 'holder'\nsingle = true\n\
                    [[seals.kinds]]\ncode = 7\nname = '内设机构章'\nnaming = 'holder-then'\nending = ''\nsingle = false\n";
        let written = load(text, &[]).unwrap();
        let codes = written.seal_kinds.iter().map(|kind| kind.code).collect::<Vec<_>>();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 99]);
        let unit = written.seal_kinds.find(7).unwrap();
        assert!(
            unit.naming.allows("样章市试验局", "样章市试验局办公室") && !unit.naming.allows("样章市试验局", "办公室")
        );
        let unknown = load(&text.replace("single = true", "single = true\nunit = true"), &[]).unwrap_err();
        assert!(unknown.to_string().contains("unit"), "{unknown}");
    }

    #[test]
    fn the_wrapping_key_has_one_source() {
        let source = |text: &str, environment: &[(&str, &str)]| load(text, environment).map(|it| it.keys.source);
        let file = source("", &[]).unwrap();
        assert!(matches!(&file, Source::File(path) if path == Path::new("yinxin-data/key-encryption.key")), "{file:?}");
        let named = source("[keys]\nenvironment = 'KEK'", &[("KEK", "00ff")]).unwrap();
        assert!(matches!(&named, Source::Environment(name, Some(value)) if name == "KEK" && value.expose() == b"00ff"));
        assert!(!format!("{named:?}").contains("00ff"));
        // A variable that looks like an override is none when it is named.
        let ours = [("YINXIN_KEYS__ENVIRONMENT", "YINXIN_KEK"), ("YINXIN_KEK", "00ff")];
        assert!(matches!(source("", &ours).unwrap(), Source::Environment(_, Some(_))));
        assert!(matches!(source("", &ours[..1]).unwrap(), Source::Environment(_, None)));
        let shares = load("[keys]\nshare_files = ['/a', '-']\nsealing = 'sm4-gcm'", &[]).unwrap();
        assert!(matches!(&shares.keys.source, Source::Shares(files) if files.len() == 2));
        assert_eq!(shares.keys.sealing, SealingAlgorithm::Sm4Gcm);
        assert!(shares.effective().contains("share_files = [\"/a\", \"-\"]\n"), "{}", shares.effective());
        let one = "another source of the key is named too: choose one";
        let refused = source("[keys]\nenvironment = 'KEK'\nshare_files = ['/a']", &[]).unwrap_err();
        assert_eq!(refused, format!("y.toml: keys.environment: {one}"));
        let refused = source("[keys]\nshare_files = ['/a']", &[("YINXIN_PASSPHRASE", "x")]).unwrap_err();
        assert_eq!(refused, format!("y.toml: keys.share_files: {one}"));
    }

    #[test]
    fn each_fault_is_named() {
        let unknown = load("[server]\nlisten = []\nport = 1\n", &[]).unwrap_err();
        assert!(unknown.starts_with("y.toml: TOML parse error at line 3, column 1"), "{unknown}");
        assert!(unknown.contains("unknown field `port`, expected one of `listen`"), "{unknown}");
        let kind = load("[trust]\ndevelopment = 1\n", &[]).unwrap_err();
        assert!(kind.contains("line 2") && kind.contains("invalid type: integer `1`, expected a boolean"), "{kind}");
        let cases = [
            ("[server]\nlisten = []", "server.listen: at least one address is needed"),
            ("[server]\nlisten = ['localhost']", "server.listen: \"localhost\" is not an address with a port"),
            (
                "[server]\nlisten = ['127.0.0.1:1', '0.0.0.0:1']\n[trust]\ndevelopment = true",
                "trust.development: the development PKI is for loopback only, not for 0.0.0.0:1",
            ),
            (
                "[server]\nlisten = ['[::]:1']\n[trust]\ndevelopment = true",
                "trust.development: the development PKI is for loopback only, not for [::]:1",
            ),
            ("[server]\ntls_key = 'a'", "server.tls_certificate: missing beside server.tls_key"),
            ("[server]\ntls_certificate = 'a'", "server.tls_key: missing beside server.tls_certificate"),
            (
                "[server]\nlisten = [\"0.0.0.0:1\"]",
                "server.tls_certificate: needed for 0.0.0.0:1: certificates made here are for loopback only",
            ),
            (
                "[policies]\nverification = \"lax\"",
                "policies.verification: one of default, strict, archive, lenient-field, not \"lax\"",
            ),
            ("[server]\nkeep_batches = 0", "server.keep_batches: 1 to 720 hours"),
            ("[server]\nkeep_answers = 0", "server.keep_answers: 1 to 8760 hours"),
            ("[server]\nkeep_answers = 8761", "server.keep_answers: 1 to 8760 hours"),
            ("[server]\nmax_upload = 0", "server.max_upload: 1 to 67108864 bytes"),
            ("[server]\nrequest_timeout = 0", "server.request_timeout: 1 to 600 seconds"),
            ("[server]\nshutdown_grace = 601", "server.shutdown_grace: 0 to 600 seconds"),
            ("[database]\nurl = 'mysql://x'", "database.url: begins with sqlite: or postgres://"),
            ("[keys]\nsealing = 'des'", "keys.sealing: sm4-gcm or aes-256-gcm, not \"des\""),
            ("[keys]\nenvironment = 'A=B'", "keys.environment: \"A=B\" is not the name of a variable"),
            ("[keys]\nshare_files = []", "keys.share_files: at least one file is needed"),
            ("[keys]\nsigning_places = 0", "keys.signing_places: 1 to 1024"),
            ("[keys]\nsigning_timeout = 601", "keys.signing_timeout: 1 to 600 seconds"),
            ("[registration]\nkeep_days = 36501", "registration.keep_days: 1 to 36500, or 0: for ever"),
            (
                "profile = 'gm3'\n[server]\ntls_certificate = 'a'\ntls_key = 'b'\n[keys.sdf]\nlibrary = 'l'\npairs = [1]\n\
                 password_file = 'p'\n[persons]\nauthority = 'people'",
                "persons.authority: not under profile gm3: the key of one act is made in memory, and private keys are the device's",
            ),
            ("[seals]\ntime_stamp = 'v4'", "seals.time_stamp: one of never, v5"),
            ("[seals]\ntime_stamp = 'v5'", UNSTAMPED),
            ("[seals]\ntime_stamp = 'v5'\n[stamping]\nenabled = false\npolicies = ['1.2.3.4']", UNSTAMPED),
            ("[seals]\nvalue_within = 0", "seals.value_within: 1 to 600 seconds"),
            (
                "[seals]\nkeep_messages_days = 199\n[log]\nretention_days = 200",
                "seals.keep_messages_days: 0 (for ever), or 200 to 36500: not below log.retention_days and \
                 audit_log.keep_events_days, whose events they belong to",
            ),
            ("[seals]\nvalue_within = 601", "seals.value_within: 1 to 600 seconds"),
            ("[seals]\nunkept = 'perhaps'", "seals.unkept: one of refuse, allow"),
            (
                "[[seals.kinds]]\ncode = 1\nname = '公章'\nnaming = 'holder'\nsingle = true",
                "seals.kinds: the type 01 stands there already",
            ),
            (
                "[[seals.kinds]]\ncode = 6\nname = '公章'\nnaming = 'other'\nsingle = true",
                "seals.kinds: the naming of type 06 is one of holder, holder-then, person, free",
            ),
            (
                "[[seals.kinds]]\ncode = 7\nname = '内设机构章'\nnaming = 'holder-then'\nsingle = false",
                "seals.kinds: the type 07 needs an ending, which may be empty",
            ),
            (
                "[[seals.kinds]]\ncode = 7\nname = '内设机构章'\nnaming = 'free'\nending = 'x'\nsingle = false",
                "seals.kinds: the type 07 has no use for an ending",
            ),
            ("[escrow]\nkeep_years = 4", "escrow.keep_years: 5 to 100, or 0: for ever"),
            (
                "[log]\nretention_days = 179",
                "log.retention_days: 180 to 36500: network logs are kept for six months at least \
                 (网络安全法, 留存不少于六个月) (retention-too-short)",
            ),
            ("[log]\nformat = 'xml'", "log.format: json or text, not \"xml\""),
            ("[log]\nlevel = 'loud'", "log.level: one of error, warn, info, debug, trace, not \"loud\""),
        ];
        for (text, message) in cases {
            assert_eq!(load(text, &[]).unwrap_err(), format!("y.toml: {message}"));
        }
        let absent = Settings::load(Some(Path::new("/nowhere/y.toml")), []).unwrap_err();
        assert_eq!(absent.to_string(), "the configuration /nowhere/y.toml cannot be read");
        let passphrase = load("[keys]\npassphrase_file = 'p'", &[("YINXIN_PASSPHRASE", "x")]).unwrap_err();
        assert_eq!(passphrase, "y.toml: keys.passphrase_file: YINXIN_PASSPHRASE is set too: choose one");
    }

    #[test]
    fn a_passphrase_file_is_its_owners_alone() {
        let path = std::env::temp_dir().join(format!("yinxin-passphrase-{}", std::process::id()));
        std::fs::write(&path, "correct horse\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let text = format!("[keys]\npassphrase_file = '{}'", path.display());
        let refused = load(&text, &[]).unwrap_err();
        let why = "mode 0644; only its owner may read it (0600)";
        assert_eq!(refused, format!("y.toml: keys.passphrase_file: {}: {why}", path.display()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let settings = load(&text, &[]).unwrap();
        let Source::Passphrase(passphrase) = &settings.keys.source else { panic!("{:?}", settings.keys) };
        assert_eq!(passphrase.expose(), b"correct horse");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn variables_override_the_file() {
        let variables = [
            ("YINXIN_SERVER__LISTEN", "['[::1]:9']"),
            ("YINXIN_SERVER__REQUEST_TIMEOUT", "5"),
            ("YINXIN_DATABASE__URL", "postgres://u:secret@db/y?password=secret"),
            ("YINXIN_DATA_DIR", "/srv/y"),
            ("YINXIN_TEST_PEERS", "require"),
            ("YINXIN_PASSPHRASE", "long enough secret"),
            ("HOME", "/root"),
        ];
        let settings = load("[server]\nlisten = ['127.0.0.1:1']\nshutdown_grace = 1", &variables).unwrap();
        assert_eq!(settings.server.listen, ["[::1]:9".parse().unwrap()]);
        assert_eq!(settings.server.request_timeout, Duration::from_secs(5));
        assert_eq!(settings.server.shutdown_grace, Duration::from_secs(1));
        let Source::Passphrase(passphrase) = &settings.keys.source else { panic!("{:?}", settings.keys) };
        assert_eq!(passphrase.expose(), b"long enough secret");

        let effective = settings.effective();
        assert!(effective.contains("url = \"postgres://u:***@db/y?***\"\n"), "{effective}");
        assert!(!effective.contains("secret"), "{effective}");
        assert!(effective.contains("encryption_key_file = \"/srv/y/key-encryption.key\"\n"), "{effective}");
        assert!(!format!("{:?}", settings.keys).contains("secret"));
        let again = load(&effective.replace("postgres://u:***@db/y?***", "sqlite:x"), &[]).unwrap();
        assert_eq!(again.effective(), effective.replace("postgres://u:***@db/y?***", "sqlite:x"));

        let unknown = load("", &[("YINXIN_SERVER__PORT", "1")]).unwrap_err();
        assert!(
            unknown.starts_with("YINXIN_SERVER__PORT: unknown field `port`, expected one of `listen`"),
            "{unknown}"
        );
        let unknown = load("", &[("YINXIN_SERVRE__PORT", "1")]).unwrap_err();
        assert!(unknown.starts_with("YINXIN_SERVRE__PORT: unknown field `servre`, expected one of"), "{unknown}");
    }

    #[test]
    fn a_password_is_masked_wherever_it_stands() {
        assert_eq!(masked("sqlite:a/b.db"), "sqlite:a/b.db");
        assert_eq!(masked("postgres://db/y"), "postgres://db/y");
        assert_eq!(masked("postgres://u@db/y"), "postgres://u@db/y");
        assert_eq!(masked("postgres://u:p@q@db/y"), "postgres://u:***@db/y");
    }
}
