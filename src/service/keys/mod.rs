//! Where private keys live: sealed in rows, under a key-encryption key that the database does not hold.

pub mod device;
mod encryption_key;
pub mod export;
pub mod import;
mod passphrase;
mod pkcs11;
mod rc2;
mod sdf;
mod signers;
mod soft;

pub use encryption_key::{EncryptionKey, KeySource};
pub use signers::NewKey;
pub use soft::KeyStore;

use std::path::PathBuf;

use crate::base::id::KeyId;
use crate::base::random::RandomUnavailable;
use crate::crypto;
use crate::domain::key::{KeyAlgorithm, KeyPurpose};
use crate::store;

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
    /// The key is for something else, or is retired.
    #[error("the key {id} is not an active key for {wanted}")]
    NotForThis {
        /// Which.
        id: KeyId,
        /// What it was asked to sign.
        wanted: KeyPurpose,
    },
    /// We make no keys of that algorithm.
    #[error("keys of algorithm {algorithm} are not made here")]
    AlgorithmNotMade {
        /// Which.
        algorithm: KeyAlgorithm,
    },
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

impl Error {
    /// The stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } | Self::FileOpenToOthers { .. } | Self::FileMalformed { .. } => "key-file",
            Self::PassphraseTooShort => "passphrase-too-short",
            Self::WrongEncryptionKey => "wrong-encryption-key",
            Self::Derivation => "key-derivation",
            Self::SealBroken { .. } => "key-seal-broken",
            Self::Unknown { .. } => "unknown-key",
            Self::NotForThis { .. } => "key-not-for-this",
            Self::AlgorithmNotMade { .. } => "key-algorithm-not-made",
            Self::Crypto(crypto::Error::Random(_)) | Self::Random(_) => "random-unavailable",
            Self::Crypto(crypto::Error::Device { code }) => code,
            Self::Crypto(_) => "key-failed",
            Self::Store(_) => "database",
            Self::Import(error) => error.code(),
            Self::Device(error) => error.code(),
        }
    }
}
