//! What a client does with a key that never leaves it: it reads what `prepared_signings` gave it, and signs that and nothing else.
//!
//! Runs where the client is. Nothing of an installation is asked.

use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::domain::seal::to_sign::{self, ToSign};
use crate::domain::trust::key::encode_value;
use crate::service::keys::{self, import, software_signer};
use crate::service::seal_imports::one_certificate;

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file holds no key that can be used.
    #[error(transparent)]
    Key(#[from] keys::Error),
    /// What is to be signed is nothing for this key.
    #[error(transparent)]
    ToSign(#[from] to_sign::Error),
}

impl Error {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Key(error) => error.code(),
            Self::ToSign(error) => error.code(),
        }
    }
}

/// What the client was given.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The octets to sign.
    pub to_sign: &'a [u8],
    /// By which algorithm, by its name.
    pub algorithm: &'a str,
    /// The signer's certificate, PEM or DER, which a seal that lists digests wants.
    pub certificate: Option<&'a [u8]>,
}

/// The value of a key file over what was prepared, as `prepared_signings::complete` takes it, and what it is a value over.
///
/// # Errors
/// The file is no private key; these octets are nothing that this key signs.
pub fn sign(
    (file, passphrase): (&Secret, Option<&Secret>),
    given: &Given<'_>,
    random: &dyn Random,
) -> Result<(ToSign, Vec<u8>), Error> {
    let imported = import::open(file.expose(), passphrase).map_err(keys::Error::from)?; // to be read
    let signer = software_signer(imported.algorithm, &imported.private)?;
    let (key, algorithm) = (signer.public_key(), signer.algorithm());
    let certificate = given.certificate.map(|file| one_certificate(file.to_vec()));
    let told = to_sign::read(given.to_sign, (&key, algorithm), given.algorithm, certificate.as_deref())?;
    let value = signer.sign(given.to_sign, random).map_err(keys::Error::from)?;
    Ok((told, encode_value(algorithm, &value)))
}
