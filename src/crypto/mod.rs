//! Algorithms over fixed-width bytes: SM2, SM3, RSA, ECDSA, Ed25519, SHA-2. Parses nothing, decides nothing, does no I/O.
//!
//! A public key is a [`PublicKey`]; whoever can sign is a [`Signer`]. Encodings (DER, PEM, SPKI) live in
//! `format`; which algorithm is acceptable, and when, is a policy and lives in `domain`.

pub mod aead;
pub mod algorithm;
pub mod digest;
pub mod ecdsa;
pub mod ecdsa_large;
pub mod ed25519;
pub mod ghash;
pub mod kdf;
pub mod rsa;
pub(crate) mod secrecy;
pub mod sm2;
pub mod sm3;
pub mod sm4;

use crate::base::random::{Random, RandomUnavailable};
use algorithm::SignatureAlgorithm;

/// Why a computation could not be done. A wrong signature is not an error but an answer: see [`PublicKey::verify`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no point of the curve other than infinity (GB/T 32918.1 6.2).
    #[error("the bytes are not an uncompressed point of the curve")]
    NotAPoint,
    /// The scalar is not in 1..=n-2 (GB/T 32918.1 6.1).
    #[error("the private key is not in the range that GB/T 32918.1 6.1 allows")]
    NotAScalar,
    /// A signer ID whose length in bits does not fit into two bytes (GB/T 32918.2 5.5).
    #[error("a signer ID of {length} bytes is longer than 8191")]
    IdTooLong {
        /// Its length.
        length: usize,
    },
    /// An SM2 plaintext or ciphertext of a length that GB/T 32918.4 does not cover: none, or beyond the derivation's counter.
    #[error("a text of {length} bytes cannot be encrypted with SM2")]
    TextLength {
        /// Its length.
        length: usize,
    },
    /// The other side of a key exchange sent a wrong confirmation, or a point that leads nowhere (GB/T 32918.3 6.1).
    #[error("the key exchange failed: the other side does not hold the key it claims")]
    KeyExchange,
    /// An RSA key whose size we do not handle.
    #[error("an RSA key of {bits} bits is outside 2048 to 8192")]
    RsaKeySize {
        /// Its size in bits.
        bits: usize,
    },
    /// An RSA modulus that is even (RFC 8017 3.1).
    #[error("the RSA modulus is even")]
    RsaModulus,
    /// An RSA exponent that is even, below 65537 or above 2³³−1 (FIPS 186-5 5.1).
    #[error("the RSA exponent is not an odd number of 65537 to 2^33-1")]
    RsaExponent,
    /// The parts of an RSA private key do not belong together (RFC 8017 3.2).
    #[error("the parts of the RSA private key do not belong together")]
    RsaParts,
    /// A ciphertext that this key does not open.
    #[error("the ciphertext does not open")]
    Decryption,
    /// The key does not sign with that algorithm.
    #[error("the key does not sign with {algorithm}")]
    NotOfThisKey {
        /// The algorithm asked for.
        algorithm: &'static str,
    },
    /// A library refused what it should not: memory, or a fault.
    #[error("a cryptographic library failed")]
    Library,
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
    /// The device that holds the key refused, or is not there.
    #[error("the device that holds the key did not sign ({code})")]
    Device {
        /// The stable code of its answer.
        code: &'static str,
    },
}

/// A key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKey {
    /// SM2 (GB/T 32918).
    Sm2(sm2::PublicKey),
    /// RSA, 2048 to 8192 bits.
    Rsa(rsa::PublicKey),
    /// ECDSA over P-256.
    EcdsaP256(ecdsa::PublicKey),
    /// ECDSA over P-384 or P-521: others' alone.
    EcdsaLarge(ecdsa_large::PublicKey),
    /// Ed25519.
    Ed25519(ed25519::PublicKey),
}

impl PublicKey {
    /// Whether `signature` is this key's signature over `message` under `algorithm`.
    ///
    /// `signature` has fixed width: r‖s, 64 bytes, for SM2 (signer ID [`sm2::DEFAULT_ID`]), as long as two coordinates for
    /// ECDSA; 64 bytes for Ed25519; as long as the modulus for RSA. An algorithm that does not belong to the key gives `false`.
    /// Not checked: whether anybody should trust the key, or the algorithm is acceptable.
    #[must_use]
    pub fn verify(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.signs_with(algorithm) {
            return false;
        }
        match self {
            Self::Sm2(key) => key.verify(sm2::DEFAULT_ID, message, signature),
            Self::Rsa(key) => key.verify_with(algorithm, message, signature),
            Self::EcdsaP256(key) if algorithm == SignatureAlgorithm::EcdsaP256Sha256 => key.verify(message, signature),
            Self::EcdsaP256(key) => {
                let digest = digest::digest(algorithm.digest(), message);
                ecdsa_large::verify(ecdsa_large::Curve::P256, &key.to_bytes(), &digest, signature)
            }
            Self::EcdsaLarge(key) => key.verify(algorithm.digest(), message, signature),
            Self::Ed25519(key) => key.verify(message, signature),
        }
    }

    /// As [`PublicKey::verify`], faster where `tables` hold the key.
    #[must_use]
    pub fn verify_by(
        &self,
        tables: &sm2::KeyTables,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        match (self, algorithm) {
            (Self::Sm2(key), SignatureAlgorithm::Sm2Sm3) => {
                let e = key.digest(sm2::DEFAULT_ID, message);
                e.is_ok_and(|e| tables.verify_prehashed(key, &e, signature))
            }
            _ => self.verify(algorithm, message, signature),
        }
    }

    /// Whether the algorithm belongs to the key.
    #[must_use]
    pub const fn signs_with(&self, algorithm: SignatureAlgorithm) -> bool {
        matches!(
            (self, algorithm),
            (Self::Sm2(_), SignatureAlgorithm::Sm2Sm3)
                | (Self::Rsa(_), SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_))
                | (
                    Self::EcdsaP256(_),
                    SignatureAlgorithm::EcdsaP256Sha256
                        | SignatureAlgorithm::EcdsaSha384
                        | SignatureAlgorithm::EcdsaSha512
                )
                | (
                    Self::EcdsaLarge(_),
                    SignatureAlgorithm::EcdsaSha256 | SignatureAlgorithm::EcdsaSha384 | SignatureAlgorithm::EcdsaSha512
                )
                | (Self::Ed25519(_), SignatureAlgorithm::Ed25519)
        )
    }

    /// What an algorithm that was told by its object identifier is under this key: `ecdsa-with-SHA256` names no curve.
    #[must_use]
    pub const fn meant(&self, algorithm: SignatureAlgorithm) -> SignatureAlgorithm {
        match (self, algorithm) {
            (Self::EcdsaLarge(_), SignatureAlgorithm::EcdsaP256Sha256) => SignatureAlgorithm::EcdsaSha256,
            (_, algorithm) => algorithm,
        }
    }

    /// Bits of the key, as policies count them: the modulus, or the order of the curve.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::Rsa(key) => key.bits(),
            Self::EcdsaLarge(key) => key.curve().bits(),
            Self::Sm2(_) | Self::EcdsaP256(_) | Self::Ed25519(_) => 256,
        }
    }

    /// Its name in the registry of algorithms.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sm2(_) => "sm2-key",
            Self::Rsa(_) => "rsa-key",
            Self::EcdsaP256(_) => "p256-key",
            Self::EcdsaLarge(key) => match key.curve() {
                ecdsa_large::Curve::P256 => "p256-key",
                ecdsa_large::Curve::P384 => "p384-key",
                ecdsa_large::Curve::P521 => "p521-key",
            },
            Self::Ed25519(_) => "ed25519-key",
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
