//! Where private keys live: sealed in rows, under a key-encryption key that the database does not hold.
//!
//! Who wraps whom: `wrapping.rs`. What may be done with which key: `domain::key`.

pub mod device;
pub mod doors;
mod encryption_key;
pub mod enveloping;
mod escrowed;
pub mod export;
pub mod import;
pub mod life_cycle;
pub mod making;
mod opening;
mod passphrase;
mod pkcs11;
mod pool;
mod profile;
pub mod rotation;
mod sdf;
pub mod shares;
mod signers;
mod soft;
pub mod transfer;
mod wrapping;

pub use encryption_key::{KeySource, SourceKey, digits_of, fresh, read_closed, write_closed, write_key_file};
pub use opening::{Opened, open};
pub use pool::{PoolLimits, SigningPool};
pub use profile::DeviceSource;
pub use signers::NewKey;
pub(in crate::service) use signers::{made_bits, software_signer};
pub use soft::KeyStore;
pub use wrapping::{EncryptionKey, IntegritySecret, MOST_SEALINGS};

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::id::{EncryptionKeyId, KeyId};
use crate::base::random::RandomUnavailable;
use crate::crypto;
use crate::crypto::Signer;
use crate::domain::key::{InvalidTransition, KeyAlgorithm, KeyPurpose, KeyRefusal, KeySourceKind, Profile};
use crate::domain::trust::Unacceptable;
use crate::service::keys::shares::ShareError;
use crate::store;
use crate::store::keys::StoredKey;

/// The doors to keys in devices.
pub trait DeviceSigners: Send + Sync {
    /// Whatever signs with the key of that row.
    ///
    /// # Errors
    /// There is no such door, or no such key behind it.
    fn signer(&self, key: &StoredKey) -> Result<Arc<dyn Signer>, Error>;
}

/// What the key store refuses or cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file of the key-encryption key cannot be read or written.
    #[error("the key file {path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner can read the file.
    #[error("the key file {path} has mode {mode:04o}; only its owner may read it (0600)")]
    FileOpenToOthers {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold 32 octets in hexadecimal.
    #[error("the key file {path} does not hold 64 hexadecimal digits")]
    FileMalformed {
        /// Which.
        path: PathBuf,
    },
    /// The passphrase is shorter than 12 characters.
    #[error("the passphrase is shorter than 12 characters")]
    PassphraseTooShort,
    /// The variable is not set.
    #[error("the environment variable {name} is not set")]
    EnvironmentMissing {
        /// Which.
        name: String,
    },
    /// The variable does not hold 32 octets in hexadecimal.
    #[error("the environment variable {name} does not hold 64 hexadecimal digits")]
    EnvironmentMalformed {
        /// Which.
        name: String,
    },
    /// The shares give no key.
    #[error(transparent)]
    Shares(#[from] ShareError),
    /// The configuration names a source of another kind than the one that wrapped the key-encryption key.
    #[error("the key-encryption key is wrapped by a key from: {wrapped}; the configuration names: {given}")]
    OtherSource {
        /// Of which kind the right source is.
        wrapped: KeySourceKind,
        /// Of which kind the given one is.
        given: KeySourceKind,
    },
    /// The profile has the key-encryption key wrapped by a key from elsewhere. Rows carry integrity values under a key of
    /// the same place, so that a database cannot move from the one to the other.
    #[error("profile {profile} takes no key from this source: {given}")]
    SourceForbidden {
        /// Of the installation.
        profile: Profile,
        /// Of which kind the given one is.
        given: KeySourceKind,
    },
    /// The profile has no private keys outside the device; those that it met, when it met some.
    #[error("profile {profile} forbids private keys in software{}", listed(.keys))]
    SoftwareKeysForbidden {
        /// Of the installation.
        profile: Profile,
        /// Which.
        keys: Vec<KeyId>,
    },
    /// The profile has keys of our own of other algorithms only; those that it met, when it met some.
    #[error("profile {profile} forbids keys of our own that are not of SM2{}", listed(.keys))]
    AlgorithmForbidden {
        /// Of the installation.
        profile: Profile,
        /// Which.
        keys: Vec<KeyId>,
    },
    /// The key-encryption key was rotated by another process, or its row was changed.
    #[error("the key-encryption key {known} is no longer the one in force: start the service again")]
    EncryptionKeyChanged {
        /// The one that this process holds.
        known: EncryptionKeyId,
    },
    /// So much was sealed under it that nonces might repeat.
    #[error("the key-encryption key {id} has sealed {MOST_SEALINGS} times: rotate it (`yinxin keys rotate`)")]
    EncryptionKeyExhausted {
        /// Which.
        id: EncryptionKeyId,
    },
    /// Another key-encryption key sealed this database's keys.
    #[error("the key-encryption key is not the one of this database")]
    WrongEncryptionKey,
    /// The key derivation or the cipher refused.
    #[error("a key could not be derived or sealed")]
    Derivation,
    /// A sealed key does not open: it was changed, copied from another row, or sealed under another key.
    #[error("the private key {id} does not open")]
    SealBroken {
        /// Which.
        id: KeyId,
    },
    /// No key of that name.
    #[error("no key {id}")]
    Unknown {
        /// Which.
        id: KeyId,
    },
    /// The key may not be used so.
    #[error(transparent)]
    Refused(#[from] KeyRefusal),
    /// The key's state does not allow it.
    #[error(transparent)]
    Transition(InvalidTransition),
    /// The private key lies in a device.
    #[error("the private key {id} lies in a device")]
    InDevice {
        /// Which.
        id: KeyId,
    },
    /// The key is kept for its owner: it lives and ends by the rules of escrow.
    #[error("the key {id} is kept for its owner, and is destroyed when its time of keeping is over only")]
    InEscrow {
        /// Which.
        id: KeyId,
    },
    /// A key cannot be enveloped for a public key of that kind.
    #[error("a private key of algorithm {algorithm} is not enveloped for a {recipient}")]
    EnvelopeKind {
        /// The key's algorithm.
        algorithm: KeyAlgorithm,
        /// The kind of the recipient's key.
        recipient: &'static str,
    },
    /// An envelope does not open: it is for another key, or was changed.
    #[error("the envelope does not open by this key, or what is in it is not the key that it names")]
    EnvelopeBroken,
    /// The key is not marked as exportable.
    #[error("the key {id} is not exportable")]
    NotExportable {
        /// Which.
        id: KeyId,
    },
    /// A file holds a key of another algorithm than asked for.
    #[error("the key is of algorithm {found}, not {expected}")]
    OtherAlgorithm {
        /// As asked for.
        expected: KeyAlgorithm,
        /// As found.
        found: KeyAlgorithm,
    },
    /// The private key does not belong to the public key.
    #[error("the private key does not belong to the public key")]
    PairMismatch,
    /// The same key pair is there already.
    #[error("the key store has this key pair already, as {id}")]
    AlreadyHere {
        /// Under which name.
        id: KeyId,
    },
    /// All places for signing are taken.
    #[error("the key store is busy")]
    Busy,
    /// A signature did not come in time.
    #[error("the key store did not sign in time")]
    TimedOut,
    /// No door leads to the key, or what is behind it broke down.
    #[error("the key store cannot be reached")]
    Unavailable,
    /// We make no keys of that algorithm.
    #[error("keys of algorithm {algorithm} are not made here")]
    AlgorithmNotMade {
        /// Which.
        algorithm: KeyAlgorithm,
    },
    /// No such key can do what that purpose wants.
    #[error("no keys of algorithm {algorithm} are made for {purpose}")]
    PurposeNotMade {
        /// What the key would be for.
        purpose: KeyPurpose,
        /// Its algorithm.
        algorithm: KeyAlgorithm,
    },
    /// The algorithm policy allows it for nothing new at this moment: no key pair, no signature.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
    /// The key could never be used.
    #[error("the key could never be used: its time ends before it begins, or has ended")]
    EmptyPeriod,
    /// The key could not be made or used.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key file is not taken in, or not written.
    #[error(transparent)]
    Import(#[from] import::Error),
    /// A device refused or is not there.
    #[error(transparent)]
    Device(#[from] device::DeviceError),
}

/// `: k1, k2` behind a sentence; nothing when there are none.
fn listed(keys: &[KeyId]) -> String {
    if keys.is_empty() { String::new() } else { format!(": {}", profile::names(keys)) }
}

impl Error {
    /// Whether the same request may do better later.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(
            self.code(),
            "key-store-unavailable" | "key-store-busy" | "key-store-timeout" | "key-encryption-key-changed"
        )
    }

    /// The stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } | Self::FileOpenToOthers { .. } | Self::FileMalformed { .. } => "key-file",
            Self::EnvironmentMissing { .. } | Self::EnvironmentMalformed { .. } => "key-environment",
            Self::Shares(error) => error.code(),
            Self::OtherSource { .. } => "other-key-source",
            Self::SourceForbidden { .. } => "profile-forbids-source",
            Self::SoftwareKeysForbidden { .. } => "profile-forbids-software-keys",
            Self::AlgorithmForbidden { .. } => "profile-forbids-algorithm",
            Self::EncryptionKeyChanged { .. } => "key-encryption-key-changed",
            Self::EncryptionKeyExhausted { .. } => "key-encryption-key-exhausted",
            Self::PassphraseTooShort => "passphrase-too-short",
            Self::WrongEncryptionKey => "wrong-encryption-key",
            Self::Derivation => "key-derivation",
            Self::SealBroken { .. } => "key-seal-broken",
            Self::Unknown { .. } => "unknown-key",
            Self::Refused(refusal) => refusal.code(),
            Self::Transition(_) => "key-invalid-transition",
            Self::InDevice { .. } => "key-in-device",
            Self::InEscrow { .. } => "key-in-escrow",
            Self::EnvelopeKind { .. } => "envelope-kind",
            Self::EnvelopeBroken => "envelope-broken",
            Self::NotExportable { .. } => "key-not-exportable",
            Self::OtherAlgorithm { .. } => "key-other-algorithm",
            Self::PairMismatch => "key-pair-mismatch",
            Self::AlreadyHere { .. } => "key-exists",
            Self::Busy => "key-store-busy",
            Self::TimedOut => "key-store-timeout",
            Self::Unavailable => "key-store-unavailable",
            Self::AlgorithmNotMade { .. } => "key-algorithm-not-made",
            Self::PurposeNotMade { .. } => "key-purpose-not-made",
            Self::Unacceptable(refused) => refused.code(),
            Self::EmptyPeriod => "key-empty-period",
            Self::Crypto(crypto::Error::Random(_)) | Self::Random(_) => "random-unavailable",
            Self::Crypto(crypto::Error::Device { code }) => code,
            Self::Crypto(_) => "key-failed",
            Self::Store(store::Error::Inconsistent { .. }) => "inconsistent",
            Self::Store(store::Error::Contended { .. } | store::Error::Stale { .. }) => "contended",
            Self::Store(store::Error::Integrity(away)) => away.code,
            Self::Store(_) => "database",
            Self::Import(error) => error.code(),
            Self::Device(error) => error.code(),
        }
    }
}
