//! Private keys to outside: encrypted PKCS#8 under a passphrase. Who may export which key is the caller's decision.

use std::num::NonZeroU32;

use crate::base::random::{Random, array};
use crate::base::secret::Secret;
use crate::domain::key::KeyAlgorithm;
use crate::format::keys::pbe::{Cipher, Prf, Scheme};
use crate::format::keys::pkcs8::{EncryptedPrivateKeyInfo, KeyKind, PrivateKeyInfo};
use crate::format::keys::{SubjectPublicKeyInfo, write_pem};
use crate::service::keys::passphrase::{encrypt_cbc, pbkdf2};
use crate::service::keys::{Error, import};

/// What stretches the passphrase and what encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// PBKDF2 with HMAC-SHA256, AES-256-CBC: read by everybody.
    Aes256Sha256,
    /// PBKDF2 with HMAC-SHA256, SM4-CBC: read by OpenSSL 3 and later.
    Sm4Sha256,
    /// PBKDF2 with HMAC-SM3 (numbered as GM/T 0006 does), SM4-CBC: only national algorithms. OpenSSL does not read it.
    Sm4Sm3,
}

/// Iterations of PBKDF2: the advice of OWASP for HMAC-SHA256, as remembered.
const ITERATIONS: u32 = 600_000;
/// As for the passphrase of the key-encryption key.
const SHORTEST_PASSPHRASE: usize = 12;

/// The key as EncryptedPrivateKeyInfo (RFC 5958 3, PBES2 of RFC 8018), DER. `private` and `public` are as in
/// [`import::Imported`]. Takes about a second.
///
/// # Errors
/// [`Error::PassphraseTooShort`]; no randomness; [`Error::Import`] if the public key is not one or the cipher refuses.
pub fn pkcs8_encrypted(
    (algorithm, private, public): (KeyAlgorithm, &Secret, &[u8]),
    passphrase: &Secret,
    protection: Protection,
    random: &dyn Random,
) -> Result<Vec<u8>, Error> {
    if passphrase.expose().len() < SHORTEST_PASSPHRASE {
        return Err(Error::PassphraseTooShort);
    }
    let public = SubjectPublicKeyInfo::parse(public).map_err(|error| import::Error::Malformed(error.into()))?;
    let kind = match algorithm {
        KeyAlgorithm::Sm2 => KeyKind::Sm2,
        KeyAlgorithm::EcdsaP256 => KeyKind::P256,
        KeyAlgorithm::Rsa => KeyKind::Rsa,
        KeyAlgorithm::Ed25519 => KeyKind::Ed25519,
    };
    let plain = PrivateKeyInfo::write(kind, private, public.key);
    let (prf, cipher) = match protection {
        Protection::Aes256Sha256 => (Prf::HmacSha256, Cipher::Aes256Cbc),
        Protection::Sm4Sha256 => (Prf::HmacSha256, Cipher::Sm4Cbc),
        Protection::Sm4Sm3 => (Prf::HmacSm3, Cipher::Sm4Cbc),
    };
    let (salt, iv) = (array::<16>(random)?, array::<16>(random)?);
    let iterations = NonZeroU32::new(ITERATIONS).ok_or(Error::Derivation)?;
    let key = pbkdf2(prf, passphrase, &salt, iterations, cipher.key_bytes())?;
    let encrypted = encrypt_cbc(cipher, key.expose(), &iv, &plain)?; // the cipher's key
    let scheme = Scheme::Pbes2 { prf, salt: salt.to_vec(), iterations: ITERATIONS, cipher, iv: iv.to_vec() };
    Ok(EncryptedPrivateKeyInfo { scheme, encrypted: &encrypted }.to_der())
}

/// The same as a PEM block `ENCRYPTED PRIVATE KEY` (RFC 7468 11).
///
/// # Errors
/// As [`pkcs8_encrypted`].
pub fn pkcs8_encrypted_pem(
    key: (KeyAlgorithm, &Secret, &[u8]),
    passphrase: &Secret,
    protection: Protection,
    random: &dyn Random,
) -> Result<String, Error> {
    pkcs8_encrypted(key, passphrase, protection, random).map(|der| write_pem(&der, "ENCRYPTED PRIVATE KEY"))
}

/// A public key, SubjectPublicKeyInfo in DER, as a PEM block `PUBLIC KEY` (RFC 7468 13).
#[must_use]
pub fn public_key_pem(public: &[u8]) -> String {
    write_pem(public, "PUBLIC KEY")
}
