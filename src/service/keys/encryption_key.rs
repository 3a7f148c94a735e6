//! The key above all others and where it comes from: a file, a passphrase, the environment, shares, or a device.
//!
//! It wraps the key-encryption key and does nothing else, so that another source touches one row only.

use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use ring::hkdf;
use zeroize::Zeroizing;

use crate::base::memory::LockedSecret;
use crate::base::random::{Random, array};
use crate::base::secret::Secret;
use crate::domain::key::KeySourceKind;
use crate::service::keys::Error;
use crate::service::keys::profile::DeviceSource;
use crate::service::keys::shares::{self, Share};

/// Where the wrapping key comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A file of mode 0600 with 64 hexadecimal digits.
    File {
        /// Which.
        path: PathBuf,
        /// Whether to make it when it is absent: for the first start of an installation only.
        create: bool,
    },
    /// A passphrase of at least 12 characters, stretched by argon2id with the installation's salt.
    Passphrase(Secret),
    /// The value of an environment variable: 64 hexadecimal digits.
    Environment {
        /// The variable, for messages.
        name: String,
        /// Its value, if it is set.
        value: Option<Secret>,
    },
    /// The texts of shares, as many as could be had.
    Shares(Vec<Secret>),
    /// Secret keys that a device makes and keeps: none comes here.
    Device(DeviceSource),
}

impl KeySource {
    /// Of which kind it is.
    #[must_use]
    pub const fn kind(&self) -> KeySourceKind {
        match self {
            Self::File { .. } => KeySourceKind::File,
            Self::Passphrase(_) => KeySourceKind::Passphrase,
            Self::Environment { .. } => KeySourceKind::Environment,
            Self::Shares(_) => KeySourceKind::Shares,
            Self::Device(_) => KeySourceKind::Device,
        }
    }
}

/// RFC 9106, section 4, second recommendation: 64 MiB, three passes, four lanes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
const SHORTEST_PASSPHRASE: usize = 12;

/// The key from the source. It wraps nothing itself: each use has its own key, by HKDF-SHA256 (RFC 5869).
#[derive(Debug, Clone)]
pub struct SourceKey(Held);

#[derive(Debug, Clone)]
enum Held {
    Here { key: LockedSecret, kind: KeySourceKind },
    Device(DeviceSource),
}

impl SourceKey {
    /// Reads the file, stretches the passphrase, reads the variable's value or combines the shares. Takes a tenth of a
    /// second and 64 MiB for a passphrase.
    ///
    /// # Errors
    /// The source is absent, malformed, open to others, too short or incomplete.
    pub fn load(source: &KeySource, salt: &[u8; 32], random: &dyn Random) -> Result<Self, Error> {
        let key = match source {
            KeySource::File { path, create } => {
                if *create && !path.exists() {
                    write_key_file(path, &fresh(random)?)?;
                }
                read_key_file(path)?
            }
            KeySource::Passphrase(passphrase) => stretch(passphrase, salt)?,
            KeySource::Environment { name, value } => {
                let value = value.as_ref().ok_or_else(|| Error::EnvironmentMissing { name: name.clone() })?;
                key_of_digits(value.expose()) // to be read as a key
                    .ok_or_else(|| Error::EnvironmentMalformed { name: name.clone() })?
            }
            KeySource::Shares(texts) => {
                let parse = |(position, text): (usize, &Secret)| Share::parse(text.expose(), position); // to be combined
                let shares = (1..).zip(texts).map(parse).collect::<Result<Vec<_>, _>>()?;
                shares::combine(&shares)?
            }
            KeySource::Device(device) => return Ok(Self(Held::Device(device.clone()))),
        };
        Ok(Self::of(key, source.kind()))
    }

    /// A key just made, or had from elsewhere, that will come from a source of that kind.
    #[must_use]
    pub fn of(key: Secret, kind: KeySourceKind) -> Self {
        Self(Held::Here { key: LockedSecret::new(key), kind })
    }

    /// Of which kind its source is.
    #[must_use]
    pub const fn kind(&self) -> KeySourceKind {
        match &self.0 {
            Held::Here { kind, .. } => *kind,
            Held::Device(_) => KeySourceKind::Device,
        }
    }

    /// The device, where the key is in one.
    pub(in crate::service::keys) const fn device(&self) -> Option<&DeviceSource> {
        match &self.0 {
            Held::Here { .. } => None,
            Held::Device(device) => Some(device),
        }
    }

    /// Whether its pages are locked into memory; what is in a device needs none.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        match &self.0 {
            Held::Here { key, .. } => key.is_locked(),
            Held::Device(_) => true,
        }
    }

    /// The key for one use, by its label. From a key in a device nothing is derived.
    pub(in crate::service::keys) fn derive(
        &self,
        salt: &[u8; 32],
        label: &str,
        length: usize,
    ) -> Result<Secret, Error> {
        match &self.0 {
            Held::Here { key, .. } => derive(key, salt, label, length),
            Held::Device(_) => Err(Error::Derivation),
        }
    }

    /// What version 0.1 kept to tell the right key from a wrong one.
    pub(in crate::service::keys) fn earlier_check_value(&self, salt: &[u8; 32]) -> Result<Vec<u8>, Error> {
        self.derive(salt, "yinxin key check 1", 32).map(|value| value.expose().to_vec()) // public by purpose
    }
}

/// 32 fresh octets.
///
/// # Errors
/// No randomness.
pub fn fresh(random: &dyn Random) -> Result<Secret, Error> {
    let key = Zeroizing::new(array::<32>(random)?);
    Ok(Secret::new(key.to_vec()))
}

struct Octets(usize);

impl hkdf::KeyType for Octets {
    fn len(&self) -> usize {
        self.0
    }
}

/// A key for one use, by its label: HKDF-SHA256 (RFC 5869).
pub(in crate::service::keys) fn derive(
    key: &LockedSecret,
    salt: &[u8; 32],
    label: &str,
    length: usize,
) -> Result<Secret, Error> {
    let mut derived = Zeroizing::new(vec![0; length]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(key.expose()) // to be derived from
        .expand(&[label.as_bytes()], Octets(length))
        .and_then(|okm| okm.fill(&mut derived))
        .map_err(|_| Error::Derivation)?;
    Ok(Secret::new(std::mem::take(&mut *derived)))
}

fn stretch(passphrase: &Secret, salt: &[u8; 32]) -> Result<Secret, Error> {
    let text = passphrase.expose(); // to be stretched
    if text.len() < SHORTEST_PASSPHRASE {
        return Err(Error::PassphraseTooShort);
    }
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(|_| Error::Derivation)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(text, salt, &mut *key)
        .map_err(|_| Error::Derivation)?;
    Ok(Secret::new(key.to_vec()))
}

/// Writes a new file that only its owner can read, with 64 hexadecimal digits.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write_key_file(path: &Path, key: &Secret) -> Result<(), Error> {
    write_closed(path, digits_of(key).expose()) // the file's content
}

/// The key as 64 hexadecimal digits.
#[must_use]
pub fn digits_of(key: &Secret) -> Secret {
    let mut digits = Zeroizing::new(Vec::with_capacity(64));
    for octet in key.expose() {
        // to be written as digits
        digits.extend([octet >> 4, octet & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }));
    }
    Secret::new(std::mem::take(&mut *digits))
}

/// Writes a new file of one line that only its owner can read, and waits until it is on the disk.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write_closed(path: &Path, text: &[u8]) -> Result<(), Error> {
    let wrong = |source| Error::File { path: path.to_owned(), source };
    // Made new and closed to others from the first moment; on the disk before a key is sealed under it.
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(wrong)?;
    file.write_all(text).and_then(|()| file.write_all(b"\n")).map_err(wrong)?;
    file.sync_all().map_err(wrong)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrong)
}

/// A short file that only its owner may be able to read, without white space at its end.
///
/// # Errors
/// It cannot be read, others can read it, or it has more than 4096 octets.
pub fn read_closed(path: &Path) -> Result<Secret, Error> {
    const MOST: u64 = 4096;
    let wrong = |source| Error::File { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(wrong)?;
    // Asked of the open file, so that nobody can put another in its place between the two.
    let mode = file.metadata().map_err(wrong)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::FileOpenToOthers { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(MOST).unwrap_or_default().saturating_add(1)));
    file.take(MOST.saturating_add(1)).read_to_end(&mut text).map_err(wrong)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MOST) {
        return Err(Error::FileMalformed { path: path.to_owned() });
    }
    Ok(Secret::new(text.trim_ascii_end().to_vec()))
}

fn read_key_file(path: &Path) -> Result<Secret, Error> {
    let text = read_closed(path)?;
    key_of_digits(text.expose()) // to be read as a key
        .ok_or_else(|| Error::FileMalformed { path: path.to_owned() })
}

fn key_of_digits(digits: &[u8]) -> Option<Secret> {
    let digits = digits.trim_ascii_end();
    if digits.len() != 64 {
        return None;
    }
    let mut key = Zeroizing::new(Vec::with_capacity(32));
    for pair in digits.chunks_exact(2) {
        let mut octet = 0;
        for digit in pair {
            octet = (octet << 4) | u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
        }
        key.push(octet);
    }
    Some(Secret::new(std::mem::take(&mut *key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("yinxin-kek-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_file_is_made_once_and_read_again() {
        let path = file("made");
        let (salt, source) = ([1; 32], |create| KeySource::File { path: path.clone(), create });
        let absent = SourceKey::load(&source(false), &salt, &SystemRandom);
        assert!(matches!(absent, Err(Error::File { .. })), "{absent:?}");
        let first = SourceKey::load(&source(true), &salt, &SystemRandom).unwrap();
        // A second load makes nothing: it would fail without randomness.
        let second = SourceKey::load(&source(true), &salt, &DeadRandom).unwrap();
        assert_eq!(first.earlier_check_value(&salt).unwrap(), second.earlier_check_value(&salt).unwrap());
        assert_ne!(first.earlier_check_value(&salt).unwrap(), first.earlier_check_value(&[2; 32]).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let open = SourceKey::load(&source(false), &salt, &SystemRandom).unwrap_err();
        let expected = format!("the key file {} has mode 0640; only its owner may read it (0600)", path.display());
        assert_eq!(open.to_string(), expected);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for malformed in ["ab".repeat(31), "ab".repeat(33), "gg".repeat(32), "ab".repeat(2100)] {
            std::fs::write(&path, malformed).unwrap();
            let short = SourceKey::load(&source(false), &salt, &SystemRandom);
            assert!(matches!(short, Err(Error::FileMalformed { .. })), "{short:?}");
        }
        let again = write_key_file(&path, &Secret::new(vec![1; 32]));
        assert!(matches!(again, Err(Error::File { .. })), "nothing is overwritten: {again:?}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_passphrase_gives_one_key_for_each_salt() {
        let load =
            |text: &str, salt| SourceKey::load(&KeySource::Passphrase(Secret::new(text.into())), &salt, &DeadRandom);
        assert!(matches!(load("eleven char", [1; 32]), Err(Error::PassphraseTooShort)));
        let value = |text, salt| load(text, salt).unwrap().earlier_check_value(&[0; 32]).unwrap();
        assert_eq!(value("correct horse", [1; 32]), value("correct horse", [1; 32]));
        assert_ne!(value("correct horse", [1; 32]), value("correct horse", [2; 32]));
        assert_ne!(value("correct horse", [1; 32]), value("correct hors3", [1; 32]));
    }

    #[test]
    fn each_source_gives_the_same_key_or_says_why_not() {
        let key = Secret::new((0..32).collect());
        let derived = |key: SourceKey| key.derive(&[1; 32], "label", 16).unwrap().expose().to_vec();
        let expected = derived(SourceKey::of(key.clone(), KeySourceKind::File));
        assert_eq!(expected.len(), 16);
        let load = |source: &KeySource| SourceKey::load(source, &[1; 32], &DeadRandom);

        let path = file("same");
        write_key_file(&path, &key).unwrap();
        assert_eq!(derived(load(&KeySource::File { path: path.clone(), create: false }).unwrap()), expected);
        std::fs::remove_file(&path).unwrap();

        let environment = |value: Option<Secret>| KeySource::Environment { name: "KEK".into(), value };
        let from_environment = load(&environment(Some(digits_of(&key)))).unwrap();
        assert_eq!(from_environment.kind(), KeySourceKind::Environment);
        assert_eq!(derived(from_environment), expected);
        assert!(matches!(load(&environment(None)), Err(Error::EnvironmentMissing { .. })));
        let malformed = load(&environment(Some(Secret::new(b"not a key".to_vec()))));
        assert!(matches!(malformed, Err(Error::EnvironmentMalformed { .. })), "{malformed:?}");

        let shares = shares::split(key.expose().try_into().unwrap(), (2, 3), &SystemRandom).unwrap().unwrap();
        let texts = |numbers: &[usize]| KeySource::Shares(numbers.iter().map(|one| shares[*one].to_text()).collect());
        assert_eq!(derived(load(&texts(&[2, 0])).unwrap()), expected);
        assert_eq!(load(&texts(&[1])).unwrap_err().code(), "too-few-shares");
        assert_eq!(load(&texts(&[1, 1])).unwrap_err().code(), "share-repeated");
    }
}
