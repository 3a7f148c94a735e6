//! `yinxin keys`: the private keys of an installation, and the key above them.
//!
//! Beside a service at work all is safe but `rotate`: the service holds the key-encryption key that would be destroyed,
//! and would refuse every signature until it is started again. So `rotate` takes the installation for itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use crate::base::clock::{SystemClock, Timestamp};
use crate::base::id::KeyId;
use crate::base::secret::Secret;
use crate::cli::console::{Console, shown};
use crate::cli::exit::Outcome;
use crate::cli::installation::{Error, create_folder, key_settings, occupy, parts};
use crate::cli::selftest::before_start;
use crate::cli::serve::{log, runtime};
use crate::config::{Settings, Source};
use crate::domain::audit::Actor;
use crate::domain::key::{
    Exportability, KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, KeySourceKind, KeyState, KeySuspensionReason,
    Owner, Validity,
};
use crate::service::backups::RESTORED;
use crate::service::keys::export::{Protection, public_key_pem};
use crate::service::keys::life_cycle::{destroy, find, list, resume, suspend};
use crate::service::keys::making::generate;
use crate::service::keys::rotation::{permit_source, rewrap, rotate};
use crate::service::keys::transfer::{ExportRule, export, import};
use crate::service::keys::{self, KeySource, SourceKey, fresh, read_closed, shares, write_closed, write_key_file};
use crate::service::verification::sm3_hex;
use crate::service::{Services, Wrapping};
use crate::store::keys::{Custody, StoredKey};

/// The private keys of an installation
///
/// Works on the installation that the configuration names, as `serve` does, also beside a service at work; only `rotate`
/// wants it stopped. The self-tests run first, as before `serve`. Exit code 0 done, 4 refused, 64 usage, 70 internal error.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

/// One line for each action, here and in [`Desk::act`].
#[derive(Subcommand)]
enum Action {
    /// Every key: name, purpose, algorithm, state, place, owner
    List {
        /// Print one JSON object for each key
        #[arg(long)]
        json: bool,
    },
    /// All that is known about a key, but for the private key
    Show {
        /// The key
        #[arg(value_name = "KEY", value_parser = KeyId::parse)]
        key: KeyId,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make a key pair, in the software store or in a device, and print its name and public key
    Generate(Generate),
    /// Take in a key pair that was made elsewhere: PKCS#8 plain or encrypted, PKCS#12, SEC 1, PKCS#1
    Import(Import),
    /// Write an exportable key to a file, as PKCS#8 encrypted under a passphrase
    Export(Export),
    /// Let a key rest: from now on it is refused
    Suspend {
        /// The key
        #[arg(value_name = "KEY", value_parser = KeyId::parse)]
        key: KeyId,
        /// Why: owner-request, authority-order, suspected-misuse or retired
        #[arg(long, value_name = "REASON", value_parser = reason)]
        reason: KeySuspensionReason,
    },
    /// Take a resting key back into use
    Resume {
        /// The key
        #[arg(value_name = "KEY", value_parser = KeyId::parse)]
        key: KeyId,
    },
    /// Delete the private key of a resting key, for ever: in the software store, or in its PKCS#11 token. The pairs of an
    /// SDF device are destroyed by its own administration only
    Destroy {
        /// The key
        #[arg(value_name = "KEY", value_parser = KeyId::parse)]
        key: KeyId,
        /// The key once more: what is destroyed does not come back
        #[arg(long, value_name = "KEY", value_parser = KeyId::parse)]
        confirm: KeyId,
    },
    /// Make a new key-encryption key and seal every private key anew under it
    Rotate,
    /// Wrap the key-encryption key under a fresh key from another source, and write that source
    Rewrap(Rewrap),
    /// Tell whether the shares that the configuration names open this installation
    Shares,
}

#[derive(Args)]
struct Generate {
    /// What the key is for
    #[arg(long, value_name = "PURPOSE", value_parser = purpose)]
    purpose: KeyPurpose,
    /// sm2, rsa (3072 bits; 4096 for certificate-authority), ecdsa-p256 or ed25519
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm)]
    algorithm: KeyAlgorithm,
    /// Who it belongs to
    #[arg(long, value_name = "TEXT", value_parser = Owner::parse)]
    owner: Owner,
    /// Where its private key will lie: software, pkcs11 or sdf
    #[arg(long = "in", value_name = "STORE", value_parser = location, default_value = "software")]
    location: KeyLocation,
    /// The key may be exported; never from a device
    #[arg(long)]
    exportable: bool,
    /// Not to be used before this moment
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_before: Option<Timestamp>,
    /// Not to be used after this moment
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
}

#[derive(Args)]
struct Import {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the key is for
    #[arg(long, value_name = "PURPOSE", value_parser = purpose)]
    purpose: KeyPurpose,
    /// Who it belongs to
    #[arg(long, value_name = "TEXT", value_parser = Owner::parse)]
    owner: Owner,
    /// A file of mode 0600 with the passphrase of the key file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The key may be exported again
    #[arg(long)]
    exportable: bool,
    /// Not to be used before this moment
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_before: Option<Timestamp>,
    /// Not to be used after this moment
    #[arg(long, value_name = "RFC3339", value_parser = Timestamp::parse_rfc3339)]
    not_after: Option<Timestamp>,
}

#[derive(Args)]
struct Export {
    /// The key
    #[arg(value_name = "KEY", value_parser = KeyId::parse)]
    key: KeyId,
    /// Where to write it; must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A file of mode 0600 with the passphrase to encrypt it under, at least 12 characters
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// Encrypt by SM4 and HMAC-SM3 instead of AES-256 and HMAC-SHA256
    #[arg(long)]
    national: bool,
}

#[derive(Args)]
#[command(group = ArgGroup::new("target").required(true).multiple(false))]
struct Rewrap {
    /// A new file for `keys.encryption_key_file`
    #[arg(long, value_name = "FILE", group = "target")]
    to_file: Option<PathBuf>,
    /// An existing file of mode 0600 with the new passphrase, for `keys.passphrase_file` or YINXIN_PASSPHRASE
    #[arg(long, value_name = "FILE", group = "target")]
    to_passphrase: Option<PathBuf>,
    /// A new file whose text becomes the value of the variable that `keys.environment` names
    #[arg(long, value_name = "FILE", group = "target")]
    to_environment: Option<PathBuf>,
    /// A new folder of shares, one file each, for `keys.share_files`
    #[arg(long, value_name = "FOLDER", group = "target", requires_all = ["threshold", "count"])]
    to_shares: Option<PathBuf>,
    /// How many shares are needed
    #[arg(long, value_name = "M", requires = "to_shares")]
    threshold: Option<u8>,
    /// How many shares there are
    #[arg(long, value_name = "N", requires = "to_shares")]
    count: Option<u8>,
}

const fn exportability(exportable: bool) -> Exportability {
    if exportable { Exportability::Exportable } else { Exportability::NotExportable }
}

fn purpose(text: &str) -> Result<KeyPurpose, String> {
    KeyPurpose::from_name(text).ok_or_else(|| one_of(KeyPurpose::ALL.iter().map(|one| one.name())))
}

fn algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    KeyAlgorithm::from_name(text).ok_or_else(|| one_of(KeyAlgorithm::ALL.iter().map(|one| one.name())))
}

fn location(text: &str) -> Result<KeyLocation, String> {
    KeyLocation::from_name(text).ok_or_else(|| one_of(KeyLocation::ALL.iter().map(|one| one.name())))
}

fn reason(text: &str) -> Result<KeySuspensionReason, String> {
    KeySuspensionReason::from_name(text).ok_or_else(|| one_of(KeySuspensionReason::ALL.iter().map(|one| one.name())))
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("one of {}", names.collect::<Vec<_>>().join(", "))
}

/// Does what is asked.
pub(crate) fn run(arguments: &Arguments, console: &mut Console) -> Outcome {
    let alone = matches!(arguments.action, Action::Rotate);
    attached((arguments.config.as_deref(), alone), console, async |services, wrapping, settings| {
        Desk { services, wrapping, settings }.act(&arguments.action).await
    })
}

/// Opens the installation that the configuration names, beside a service at work unless it is to be `alone`, does the
/// work, and prints what it gives.
pub(crate) fn attached(
    (config, alone): (Option<&Path>, bool),
    console: &mut Console,
    work: impl AsyncFnOnce(Services, Wrapping, &Settings) -> Result<String, Error>,
) -> Outcome {
    attached_even_restored((config, alone), console, async |services, wrapping, settings| {
        match settings.data_dir.join(RESTORED).exists() {
            true => Err(Error::NotCompared { path: settings.data_dir.clone() }),
            false => work(services, wrapping, settings).await,
        }
    })
}

/// As [`attached`], also where a restored installation has not been compared yet: for what looks at its log, and puts it
/// right.
pub(crate) fn attached_even_restored(
    (config, alone): (Option<&Path>, bool),
    console: &mut Console,
    work: impl AsyncFnOnce(Services, Wrapping, &Settings) -> Result<String, Error>,
) -> Outcome {
    let settings = match Settings::load(config, std::env::vars()) {
        Ok(settings) => settings,
        Err(error) => {
            console.complain(&Error::from(error).line());
            return Outcome::Usage;
        }
    };
    log(&settings.log);
    // Before anything is touched.
    let sound = match before_start(&settings.policies) {
        Ok(sound) => sound,
        Err(error) => {
            console.complain(&error.line());
            return Outcome::Internal;
        }
    };
    let done = runtime().and_then(|runtime| {
        runtime.block_on(async {
            create_folder(&settings.data_dir)?;
            let _lock = if alone { Some(occupy(&settings.data_dir)?) } else { None };
            let keys = key_settings(&settings, &sound.algorithms)?;
            let (clock, random) = (Arc::new(SystemClock), Arc::clone(&sound.random));
            let (services, wrapping) = Services::attach(&settings.database.url, &keys, clock, random).await?;
            let services = parts::about_seals(parts::with_old_tiles(services, &settings)?, &settings)?;
            let store = services.store.clone();
            let said = work(services, wrapping, &settings).await;
            store.close().await;
            said
        })
    });
    match done {
        Ok(text) => {
            console.print(&text);
            Outcome::Passed
        }
        Err(error) => {
            console.complain(&error.line());
            match error {
                Error::Keys(keys::Error::Store(_)) | Error::File { .. } | Error::Runtime(_) => Outcome::Internal,
                _ => Outcome::Refused,
            }
        }
    }
}

struct Desk<'a> {
    services: Services,
    wrapping: Wrapping,
    settings: &'a Settings,
}

const BY: &Actor = &Actor::Operator;

impl Desk<'_> {
    /// Does one action; gives what to print.
    async fn act(&self, action: &Action) -> Result<String, Error> {
        let services = &self.services;
        match action {
            Action::List { json } => {
                let all = list(services).await?;
                Ok(all.iter().map(|key| if *json { format!("{}\n", facts(key)) } else { line(key) }).collect())
            }
            Action::Show { key, json } => {
                let key = find(services, key).await?;
                Ok(if *json { format!("{}\n", facts(&key)) } else { table(&key) })
            }
            Action::Generate(order) => self.generate(order).await,
            Action::Import(order) => self.import(order).await,
            Action::Export(order) => self.export(order).await,
            Action::Suspend { key, reason } => Ok(line(&suspend(services, BY, key, *reason).await?)),
            Action::Resume { key } => Ok(line(&resume(services, BY, key).await?)),
            Action::Destroy { key, confirm } if key != confirm => {
                Err(Error::NotConfirmed { key: key.clone(), confirmed: confirm.clone() })
            }
            Action::Destroy { key, .. } => Ok(table(&destroy(services, BY, key).await?)),
            Action::Rotate => {
                let Wrapping { source, integrity } = &self.wrapping;
                let sealed = rotate(services, BY, (source, integrity)).await?;
                let now = services.keys.encryption_key_id();
                Ok(format!("{sealed} keys sealed anew under the key-encryption key {now}; the old one is destroyed\n"))
            }
            Action::Rewrap(order) => self.rewrap(order).await,
            Action::Shares => match &self.settings.keys.source {
                // They were combined to get here.
                Source::Shares(_) => Ok("the shares open this installation\n".to_owned()),
                _ => Err(Error::NoShares),
            },
        }
    }

    async fn generate(&self, order: &Generate) -> Result<String, Error> {
        let attributes = KeyAttributes {
            validity: Validity { not_before: order.not_before, not_after: order.not_after },
            exportability: exportability(order.exportable),
            ..KeyAttributes::new(order.owner.clone(), order.purpose, order.algorithm)
        };
        let key = generate(&self.services, BY, order.location, &attributes).await?;
        Ok(format!("{}\n{}", key.id, public_key_pem(&key.public_key)))
    }

    async fn import(&self, order: &Import) -> Result<String, Error> {
        const MOST: u64 = 1 << 20;
        let wrong = |source| Error::File { path: order.file.clone(), source };
        let length = fs::metadata(&order.file).map_err(wrong)?.len();
        if length > MOST {
            return Err(wrong(std::io::Error::other("larger than a key file can be")));
        }
        let file = Secret::new(fs::read(&order.file).map_err(wrong)?);
        let passphrase = order.passphrase_file.as_deref().map(read_closed).transpose()?;
        let opening = tokio::task::spawn_blocking(move || keys::import::open(file.expose(), passphrase.as_ref())); // to be read
        let imported = opening.await.map_err(|_| keys::Error::Unavailable)?.map_err(keys::Error::from)?;
        let attributes = KeyAttributes {
            validity: Validity { not_before: order.not_before, not_after: order.not_after },
            exportability: exportability(order.exportable),
            ..KeyAttributes::new(order.owner.clone(), order.purpose, imported.algorithm)
        };
        let key = import(&self.services, BY, &attributes, &imported).await?;
        Ok(table(&key))
    }

    async fn export(&self, order: &Export) -> Result<String, Error> {
        if order.out.exists() {
            return Err(Error::Exists { path: order.out.clone() });
        }
        let passphrase = read_closed(&order.passphrase_file)?;
        let rule = if self.settings.trust.development { ExportRule::Development } else { ExportRule::Marked };
        let protection = if order.national { Protection::Sm4Sm3 } else { Protection::Aes256Sha256 };
        let pem = export(&self.services, BY, &order.key, (&passphrase, protection, rule)).await?;
        write_closed(&order.out, pem.trim_end().as_bytes())?;
        Ok(format!("{}\n", order.out.display()))
    }

    async fn rewrap(&self, order: &Rewrap) -> Result<String, Error> {
        let (services, random) = (&self.services, &*self.services.random);
        let given = match order {
            Rewrap { to_file: Some(_), .. } => KeySourceKind::File,
            Rewrap { to_environment: Some(_), .. } => KeySourceKind::Environment,
            Rewrap { to_passphrase: Some(_), .. } => KeySourceKind::Passphrase,
            _ => KeySourceKind::Shares,
        };
        permit_source(&services.keys, given)?;
        // The new source is on the disk before the row changes; a crash between leaves a source that opens nothing.
        let (source, next) = match order {
            Rewrap { to_file: Some(path), .. } => {
                let key = fresh(random)?;
                write_key_file(path, &key)?;
                let next = format!("keys.encryption_key_file = {}, and no other source", toml_text(path));
                (SourceKey::of(key, KeySourceKind::File), next)
            }
            Rewrap { to_environment: Some(path), .. } => {
                let key = fresh(random)?;
                write_key_file(path, &key)?;
                let next = format!("keys.environment, and the variable that it names = the text of {}", path.display());
                (SourceKey::of(key, KeySourceKind::Environment), next)
            }
            Rewrap { to_passphrase: Some(path), .. } => {
                let source = KeySource::Passphrase(read_closed(path)?);
                let salt = services.keys.salt();
                (SourceKey::load(&source, &salt, random)?, format!("keys.passphrase_file = {}", toml_text(path)))
            }
            Rewrap { to_shares: Some(folder), threshold, count, .. } => {
                let numbers = (threshold.unwrap_or_default(), count.unwrap_or_default());
                write_shares(folder, numbers, random)?
            }
            _ => return Err(Error::NoShares),
        };
        rewrap(services, BY, (&source, &self.wrapping.integrity)).await?;
        Ok(format!(
            "the key-encryption key {} is wrapped by a key from: {}\nset before the next start: {next}\nthen destroy the \
             old source, and run `yinxin keys rotate` if it may be in other hands\n",
            services.keys.encryption_key_id(),
            source.kind()
        ))
    }
}

/// Shares of a fresh key, one file each; gives the key and what to write into the configuration.
fn write_shares(
    folder: &Path,
    numbers: (u8, u8),
    random: &dyn crate::base::random::Random,
) -> Result<(SourceKey, String), Error> {
    let key = fresh(random)?;
    let secret = key.expose().try_into().map_err(|_| keys::Error::Derivation)?; // to be shared
    let made = shares::split(secret, numbers, random).map_err(keys::Error::from)?.map_err(keys::Error::from)?;
    create_folder(folder)?;
    let mut paths = Vec::new();
    for share in &made {
        let path = folder.join(format!("share-{:03}", share.number()));
        write_closed(&path, share.to_text().expose())?; // the holder's file
        paths.push(toml_text(&path));
    }
    let next =
        format!("keys.share_files = [{}] (or [\"-\"] to enter them), and give each to its holder", paths.join(", "));
    Ok((SourceKey::of(key, KeySourceKind::Shares), next))
}

fn toml_text(path: &Path) -> String {
    json!(path.display().to_string()).to_string()
}

fn place(key: &StoredKey) -> &'static str {
    match &key.custody {
        Custody::Software { .. } => "software",
        Custody::Device { location, .. } => location.name(),
    }
}

/// One key on one line.
fn line(key: &StoredKey) -> String {
    let attributes = &key.attributes;
    format!(
        "{}  {}  {}  {}  {}  {}\n",
        key.id,
        attributes.purpose,
        attributes.algorithm,
        key.state.name(),
        place(key),
        shown(attributes.owner.as_str())
    )
}

/// All that can be told of a key.
fn facts(key: &StoredKey) -> Value {
    let attributes = &key.attributes;
    let moment = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string());
    let (sealing, wrapped_under, handle) = match &key.custody {
        Custody::Software { sealing, wrapped_under, .. } => (Some(sealing.name()), Some(wrapped_under.as_str()), None),
        Custody::Device { handle, .. } => (None, None, Some(octets(handle))),
    };
    let (reason, proof) = match &key.state {
        KeyState::Active { .. } => (None, None),
        KeyState::Suspended { reason, .. } => (Some(reason.name()), None),
        KeyState::Destroyed { proof, .. } => (
            None,
            Some(json!({
                "public_key_sm3": octets(&proof.public_key_sm3),
                "private_key_sm3": octets(&proof.private_key_sm3),
            })),
        ),
    };
    json!({
        "id": key.id,
        "owner": attributes.owner.as_str(),
        "purpose": attributes.purpose,
        "uses": attributes.purpose.uses().to_names(),
        "algorithm": attributes.algorithm,
        "state": key.state.name(),
        "since": key.state.since().to_string(),
        "suspension_reason": reason,
        "destruction_proof": proof,
        "not_before": moment(attributes.validity.not_before),
        "not_after": moment(attributes.validity.not_after),
        "exportable": attributes.exportability == Exportability::Exportable,
        "store": place(key),
        "handle": handle,
        "sealing": sealing,
        "wrapped_under": wrapped_under,
        "public_key_sm3": sm3_hex(&key.public_key),
        "created_at": key.created_at.to_string(),
        "version": key.version,
    })
}

fn octets(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The same for people: what there is, one on a line.
fn table(key: &StoredKey) -> String {
    let facts = facts(key);
    let mut text = String::new();
    let rows = facts.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    for (name, value) in rows {
        let value = value.as_str().map_or_else(|| value.to_string(), shown);
        text.push_str(&format!("{name:18} {value}\n"));
    }
    text
}
