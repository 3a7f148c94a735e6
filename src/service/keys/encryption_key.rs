//! The key-encryption key, from a file or a passphrase, and the keys derived from it, one for each use.

use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use ring::hkdf;
use zeroize::Zeroizing;

use crate::base::random::{Random, array};
use crate::base::secret::Secret;
use crate::service::keys::Error;
use crate::store::IntegrityKey;

/// Where the key-encryption key comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A file of mode 0600 with 64 hexadecimal digits.
    File {
        /// Which.
        path: PathBuf,
        /// Whether to make it when it is absent: for the first start of a development installation only.
        create: bool,
    },
    /// A passphrase of at least 12 characters, stretched by argon2id with the installation's salt.
    Passphrase(Secret),
}

/// RFC 9106, section 4, second recommendation: 64 MiB, three passes, four lanes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
const SHORTEST_PASSPHRASE: usize = 12;

/// The key-encryption key. It seals nothing itself: each use has its own key, by HKDF-SHA256 (RFC 5869).
#[derive(Debug)]
pub struct EncryptionKey(Secret);

struct Octets32;

impl hkdf::KeyType for Octets32 {
    fn len(&self) -> usize {
        32
    }
}

impl EncryptionKey {
    /// Reads the file or stretches the passphrase. Takes a tenth of a second and 64 MiB for a passphrase.
    ///
    /// # Errors
    /// The file is absent, malformed or open to others; the passphrase is too short.
    pub fn load(source: &KeySource, salt: &[u8; 32], random: &dyn Random) -> Result<Self, Error> {
        match source {
            KeySource::File { path, create } => {
                if *create && !path.exists() {
                    write_file(path, random)?;
                }
                read_file(path).map(Self)
            }
            KeySource::Passphrase(passphrase) => {
                let text = passphrase.expose(); // to be stretched
                if text.len() < SHORTEST_PASSPHRASE {
                    return Err(Error::PassphraseTooShort);
                }
                let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(|_| Error::Derivation)?;
                let mut key = Zeroizing::new([0; 32]);
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(text, salt, &mut *key)
                    .map_err(|_| Error::Derivation)?;
                Ok(Self(Secret::new(key.to_vec())))
            }
        }
    }

    /// The key for one use, by its label.
    pub(in crate::service::keys) fn derive(&self, salt: &[u8; 32], label: &str) -> Result<Secret, Error> {
        let mut key = Zeroizing::new([0; 32]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
            .extract(self.0.expose()) // to be derived from
            .expand(&[label.as_bytes()], Octets32)
            .and_then(|okm| okm.fill(&mut *key))
            .map_err(|_| Error::Derivation)?;
        Ok(Secret::new(key.to_vec()))
    }

    /// The key of the integrity values on rows.
    ///
    /// # Errors
    /// The derivation refused.
    pub fn integrity(&self, salt: &[u8; 32]) -> Result<IntegrityKey, Error> {
        self.derive(salt, "yinxin row integrity 1").map(IntegrityKey::new)
    }

    /// A value that tells the right key-encryption key from a wrong one, and nothing else.
    ///
    /// # Errors
    /// The derivation refused.
    pub fn check_value(&self, salt: &[u8; 32]) -> Result<Vec<u8>, Error> {
        self.derive(salt, "yinxin key check 1").map(|value| value.expose().to_vec()) // public by purpose
    }
}

fn write_file(path: &Path, random: &dyn Random) -> Result<(), Error> {
    let key = Zeroizing::new(array::<32>(random)?);
    let digits = key.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect::<String>();
    let digits = Zeroizing::new(digits);
    let wrong = |source| Error::File { path: path.to_owned(), source };
    // Made new and closed to others from the first moment; on the disk before a key is sealed under it.
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(wrong)?;
    file.write_all(digits.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(wrong)?;
    file.sync_all().map_err(wrong)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrong)
}

fn read_file(path: &Path) -> Result<Secret, Error> {
    let wrong = |source| Error::File { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(wrong)?;
    // Asked of the open file, so that nobody can put another in its place between the two.
    let mode = file.metadata().map_err(wrong)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::FileOpenToOthers { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(256));
    file.take(256).read_to_string(&mut text).map_err(wrong)?;
    let digits = text.trim_end().chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let digits = digits.collect::<Option<Vec<u8>>>().map(Zeroizing::new).filter(|digits| digits.len() == 64);
    let digits = digits.ok_or_else(|| Error::FileMalformed { path: path.to_owned() })?;
    let octets = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |sum, digit| (sum << 4) | digit));
    Ok(Secret::new(octets.collect()))
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
        let absent = EncryptionKey::load(&source(false), &salt, &SystemRandom);
        assert!(matches!(absent, Err(Error::File { .. })), "{absent:?}");
        let first = EncryptionKey::load(&source(true), &salt, &SystemRandom).unwrap();
        // A second load makes nothing: it would fail without randomness.
        let second = EncryptionKey::load(&source(true), &salt, &DeadRandom).unwrap();
        assert_eq!(first.check_value(&salt).unwrap(), second.check_value(&salt).unwrap());
        assert_ne!(first.check_value(&salt).unwrap(), first.check_value(&[2; 32]).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let open = EncryptionKey::load(&source(false), &salt, &SystemRandom).unwrap_err();
        let expected = format!("the key file {} has mode 0640; only its owner may read it (0600)", path.display());
        assert_eq!(open.to_string(), expected);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "ab".repeat(31)).unwrap();
        let short = EncryptionKey::load(&source(false), &salt, &SystemRandom);
        assert!(matches!(short, Err(Error::FileMalformed { .. })), "{short:?}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_passphrase_gives_one_key_for_each_salt() {
        let load = |text: &str, salt| {
            EncryptionKey::load(&KeySource::Passphrase(Secret::new(text.into())), &salt, &DeadRandom)
        };
        assert!(matches!(load("eleven char", [1; 32]), Err(Error::PassphraseTooShort)));
        let value = |text, salt| load(text, salt).unwrap().check_value(&[0; 32]).unwrap();
        assert_eq!(value("correct horse", [1; 32]), value("correct horse", [1; 32]));
        assert_ne!(value("correct horse", [1; 32]), value("correct horse", [2; 32]));
        assert_ne!(value("correct horse", [1; 32]), value("correct hors3", [1; 32]));
    }
}
