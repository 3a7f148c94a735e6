//! Algorithms over fixed-width bytes: SM2, SM3, RSA, SHA-2. Parses nothing, decides nothing, does no I/O.
//!
//! A public key is a [`PublicKey`]; whoever can sign is a [`Signer`]. Encodings (DER, PEM, SPKI) live in
//! `format`; which algorithm is acceptable, and when, is a policy and lives in `domain`.

pub mod aead;
pub mod algorithm;
pub mod digest;
pub mod ecdsa;
pub mod ghash;
pub mod kdf;
pub mod rsa;
pub mod sm2;
pub mod sm4;

use crate::base::random::{Random, RandomUnavailable};
use algorithm::SignatureAlgorithm;

/// Why a computation could not be done. A wrong signature is not an error but an answer: see [`PublicKey::verify`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no point of the curve other than infinity (GB/T 32918.1 6.2).
    #[error("the bytes are not an uncompressed point of the SM2 curve")]
    NotAPoint,
    /// The scalar is not in 1..=n-2 (GB/T 32918.1 6.1).
    #[error("the private key is not in the range that GB/T 32918.1 6.1 allows")]
    NotAScalar,
    /// An RSA key whose size we do not handle.
    #[error("an RSA key of {bits} bits is outside 2048 to 8192")]
    RsaKeySize {
        /// Its size in bits.
        bits: usize,
    },
    /// OpenSSL refused an RSA operation.
    #[error("the RSA operation failed")]
    Rsa,
    /// A signature just made does not verify: the key or the machine is faulty. Nothing left.
    #[error("a signature just made does not verify; it was withheld")]
    Fault,
    /// There was no randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// A symmetric key of the wrong length.
    #[error("a key of {algorithm} has {expected} bytes, not {length}")]
    KeyLength {
        /// The name of the algorithm.
        algorithm: &'static str,
        /// What it needs.
        expected: usize,
        /// What was given.
        length: usize,
    },
    /// A nonce that the mode does not allow.
    #[error("a nonce of {length} bytes is not allowed in this mode")]
    NonceLength {
        /// What was given.
        length: usize,
    },
    /// A tag that the mode does not allow.
    #[error("a tag of {length} bytes is not allowed in this mode")]
    TagLength {
        /// What was given.
        length: usize,
    },
    /// More text, or context, than the mode protects under one nonce.
    #[error("the text is longer than the mode allows under one nonce")]
    TextTooLong,
    /// The counter of CTR would run over its end.
    #[error("the counter would run over its end")]
    CounterExhausted,
    /// The tag is wrong: key, nonce, context or text was another one. Nothing was released.
    #[error("the tag is wrong; nothing was decrypted")]
    Unauthentic,
    /// A text in CBC is no whole number of blocks, or its padding is wrong; which, is not said.
    #[error("the text does not decrypt")]
    Undecryptable,
    /// A key derivation was asked for more bytes than it can give, or for none.
    #[error("a key of {length} bytes cannot be derived")]
    DerivedLength {
        /// What was asked for.
        length: usize,
    },
    /// The parameters of a password hash are outside what the function, or we, allow.
    #[error("the parameters of the key derivation are out of bounds")]
    DerivationParameters,
    /// The memory that argon2id works in could not be had.
    #[error("there is not enough memory for the key derivation")]
    DerivationMemory,
}

/// A key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// SM2 (GB/T 32918).
    Sm2(sm2::PublicKey),
    /// RSA, 2048 to 8192 bits.
    Rsa(rsa::PublicKey),
}

impl PublicKey {
    /// Whether `signature` is this key's signature over `message` under `algorithm`.
    ///
    /// `signature` has fixed width: r‖s, 64 bytes, for SM2 (signer ID [`sm2::DEFAULT_ID`]); as long as the modulus
    /// for RSA. An algorithm that does not belong to the key gives `false`.
    /// Not checked: whether anybody should trust the key, or the algorithm is acceptable.
    #[must_use]
    pub fn verify(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Sm2(key), SignatureAlgorithm::Sm2Sm3) => key.verify(sm2::DEFAULT_ID, message, signature),
            (Self::Rsa(key), SignatureAlgorithm::RsaPkcs1(digest)) => key.verify(digest, message, signature),
            (Self::Sm2(_), SignatureAlgorithm::RsaPkcs1(_)) | (Self::Rsa(_), SignatureAlgorithm::Sm2Sm3) => false,
        }
    }
}

/// Whoever holds a private key. Implementations verify each signature before they give it out.
pub trait Signer: Send + Sync {
    /// What [`Signer::sign`] computes.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// The key that verifies.
    fn public_key(&self) -> PublicKey;

    /// Signs the message (not its digest); the value has fixed width, as [`PublicKey::verify`] takes it.
    ///
    /// `random` hedges nonces and salts where the algorithm has them; a signer in a device uses the device's own.
    ///
    /// # Errors
    /// The key store or the randomness failed, or the signature did not verify.
    fn sign(&self, message: &[u8], random: &dyn Random) -> Result<Vec<u8>, Error>;
}
