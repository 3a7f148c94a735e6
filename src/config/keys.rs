//! `[keys]`: where the wrapping key comes from, how private keys are sealed, how many sign at a time.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::base::secret::Secret;
use crate::config::devices::{Pkcs11, Sdf};
use crate::config::raw;
use crate::domain::key::{Profile, SealingAlgorithm};

/// The variable of the passphrase. It is not a key of the file, so that it is never printed.
pub(super) const PASSPHRASE: &str = "YINXIN_PASSPHRASE";

/// `[keys]`.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Where the key comes from that wraps the key-encryption key.
    pub source: Source,
    /// The cipher that private keys are sealed under from now on.
    pub sealing: SealingAlgorithm,
    /// Signatures computed at the same time.
    pub signing_places: usize,
    /// How long a signature may take, waiting included.
    pub signing_timeout: Duration,
    /// A PKCS#11 token that holds keys.
    pub pkcs11: Option<Pkcs11>,
    /// An SDF device that holds keys.
    pub sdf: Option<Sdf>,
    encryption_key_file: PathBuf,
    passphrase_file: Option<PathBuf>,
}

/// Where the wrapping key comes from: the file unless another source is named.
#[derive(Debug, Clone)]
pub enum Source {
    /// This file, made at the first start.
    File(PathBuf),
    /// The passphrase, from `YINXIN_PASSPHRASE` or from a file.
    Passphrase(Secret),
    /// The variable of that name, and its value if it is set. It stays in the process environment, since taking it out
    /// is not safe while threads run; `/proc/PID/environ` is root's alone once the process is not dumpable.
    Environment(String, Option<Secret>),
    /// The SDF device: profile `gm3`.
    Device,
    /// Files of shares; `-` is standard input. Those that are absent are left out.
    Shares(Vec<PathBuf>),
}

/// Why a key of the section is refused.
pub(super) type Refused = (&'static str, String);

impl Keys {
    pub(super) fn checked(
        keys: raw::Keys,
        (data_dir, profile): (&Path, Profile),
        (passphrase, variable): (Option<Secret>, Option<Secret>),
    ) -> Result<Self, Refused> {
        if profile == Profile::Gm3 {
            permitted(&keys, passphrase.is_some())?;
        }
        let passphrase = match (&keys.passphrase_file, passphrase) {
            (Some(_), Some(_)) => {
                return Err(("keys.passphrase_file", format!("{PASSPHRASE} is set too: choose one")));
            }
            (Some(path), None) => match passphrase_of(path) {
                Ok(passphrase) => Some(passphrase),
                Err(message) => return Err(("keys.passphrase_file", format!("{}: {message}", path.display()))),
            },
            (None, passphrase) => passphrase,
        };
        let encryption_key_file = keys.encryption_key_file.unwrap_or_else(|| data_dir.join("key-encryption.key"));
        let source = match (passphrase, keys.environment, keys.share_files) {
            (None, None, None) if profile == Profile::Gm3 => Source::Device,
            (None, None, None) => Source::File(encryption_key_file.clone()),
            (Some(passphrase), None, None) => Source::Passphrase(passphrase),
            (None, Some(name), None) if name.is_empty() || name.contains(['=', '\0']) => {
                return Err(("keys.environment", format!("{name:?} is not the name of a variable")));
            }
            (None, Some(name), None) => Source::Environment(name, variable),
            (None, None, Some(files)) if files.is_empty() => {
                return Err(("keys.share_files", "at least one file is needed".into()));
            }
            (None, None, Some(files)) => Source::Shares(files),
            (_, Some(_), _) => return Err(("keys.environment", ONE.into())),
            (Some(_), None, Some(_)) => return Err(("keys.share_files", ONE.into())),
        };
        let sealing = match keys.sealing.as_deref() {
            None if profile == Profile::Gm3 => SealingAlgorithm::Sm4Gcm,
            None => SealingAlgorithm::Aes256Gcm,
            Some(name) => SealingAlgorithm::from_name(name)
                .ok_or_else(|| ("keys.sealing", format!("sm4-gcm or aes-256-gcm, not {name:?}")))?,
        };
        let signing_places = match keys.signing_places.map(usize::try_from) {
            None => 16,
            Some(Ok(places)) if (1..=1024).contains(&places) => places,
            Some(_) => return Err(("keys.signing_places", "1 to 1024".into())),
        };
        let signing_timeout = keys.signing_timeout.unwrap_or(10);
        if !(1..=600).contains(&signing_timeout) {
            return Err(("keys.signing_timeout", "1 to 600 seconds".into()));
        }
        let signing_timeout = Duration::from_secs(signing_timeout);
        let passphrase_file = keys.passphrase_file;
        let pkcs11 = keys.pkcs11.map(Pkcs11::checked).transpose()?;
        let sdf = keys.sdf.map(Sdf::checked).transpose()?;
        Ok(Self { source, sealing, signing_places, signing_timeout, pkcs11, sdf, encryption_key_file, passphrase_file })
    }

    /// As written, without secrets.
    pub(super) fn effective(&self) -> raw::Keys {
        let (environment, share_files) = match &self.source {
            Source::Environment(name, _) => (Some(name.clone()), None),
            Source::Shares(files) => (None, Some(files.clone())),
            Source::File(_) | Source::Passphrase(_) | Source::Device => (None, None),
        };
        raw::Keys {
            encryption_key_file: (!matches!(self.source, Source::Device)).then(|| self.encryption_key_file.clone()),
            passphrase_file: self.passphrase_file.clone(),
            environment,
            share_files,
            sealing: Some(self.sealing.name().to_owned()),
            signing_places: u64::try_from(self.signing_places).ok(),
            signing_timeout: Some(self.signing_timeout.as_secs()),
            pkcs11: self.pkcs11.as_ref().map(Pkcs11::effective),
            sdf: self.sdf.as_ref().map(Sdf::effective),
        }
    }
}

/// What profile `gm3` takes: the SDF device and nothing beside it.
fn permitted(keys: &raw::Keys, passphrase: bool) -> Result<(), Refused> {
    let sealing = keys.sealing.as_deref();
    let others = [
        ("keys.encryption_key_file", keys.encryption_key_file.is_some()),
        ("keys.passphrase_file", keys.passphrase_file.is_some()),
        (PASSPHRASE, passphrase),
        ("keys.environment", keys.environment.is_some()),
        ("keys.share_files", keys.share_files.is_some()),
    ];
    if let Some((key, _)) = others.into_iter().find(|(_, given)| *given) {
        return Err((key, "not under profile gm3: the device of keys.sdf holds the key".into()));
    }
    if keys.pkcs11.is_some() {
        let message = "not under profile gm3: a PKCS#11 token seals keys by AES; the device of gm3 is that of keys.sdf";
        return Err(("keys.pkcs11", message.into()));
    }
    if keys.sdf.is_none() {
        return Err(("keys.sdf", "needed under profile gm3: the device that holds all keys".into()));
    }
    match sealing {
        None | Some("sm4-gcm") => Ok(()),
        Some(other) => Err(("keys.sealing", format!("sm4-gcm under profile gm3, not {other:?}"))),
    }
}

const ONE: &str = "another source of the key is named too: choose one";

/// The file's text without the line end; only its owner may be able to read it.
fn passphrase_of(path: &Path) -> Result<Secret, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mode = file.metadata().map_err(|error| error.to_string())?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!("mode {mode:04o}; only its owner may read it (0600)"));
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(4096));
    file.take(4096).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    Ok(Secret::new(octets.trim_ascii_end().to_vec()))
}
