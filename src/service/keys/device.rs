//! Devices that hold keys (PKCS#11, SDF): what the key store asks of them, and what they refuse.
//!
//! Three traits, because three parts of the service ask: whoever wants random bytes or a digest knows [`Device`] only,
//! the store of key pairs [`DeviceKeys`], the sealing of rows [`DeviceSecrets`]. A [`KeyDevice`] is all three.
//! Every method blocks: the service calls it on a bounded pool. Every call into a library is bounded by the device
//! itself (see [`Pkcs11Options`], [`SdfOptions`]), in time and in number.

mod calls;

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::base::random::{Random, RandomUnavailable};
use crate::base::secret::Secret;
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::crypto::{self, PublicKey, Signer, digest, ecdsa, rsa, sm2};

pub(in crate::service::keys) use calls::{Bounds, Calls, Connection};

pub use crate::service::keys::pkcs11::{OaepDigest, Pkcs11Options, TokenName, VendorMechanisms};
pub use crate::service::keys::sdf::SdfOptions;

/// Which interface a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceKind {
    /// PKCS#11 (Cryptoki).
    Pkcs11,
    /// SDF (GM/T 0018).
    Sdf,
}

impl DeviceKind {
    /// As rows and configuration write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pkcs11 => "pkcs11",
            Self::Sdf => "sdf",
        }
    }
}

impl std::fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Where in its device a key is; a row keeps it. Not secret: what it holds of a key is sealed by the device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyHandle(String);

impl KeyHandle {
    /// Reads a handle that a device gave: 1 to 1024 printable ASCII characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// The text that [`Self::parse`] reads.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for KeyHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A kind of key pair that a device may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairKind {
    /// SM2 (GB/T 32918.5).
    Sm2,
    /// RSA, modulus of 3072 bits.
    Rsa3072,
    /// RSA, modulus of 4096 bits.
    Rsa4096,
    /// P-256 (FIPS 186-5).
    P256,
}

/// What a key pair may do; never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairUse {
    /// Sign.
    Sign,
    /// Decrypt.
    Decrypt,
}

/// What a secret key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretUse {
    /// HMAC-SM3.
    Mac,
    /// Seal and open other keys.
    Wrap,
}

/// How a signature is made. Devices get the digest, never the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// SM2 over e = SM3(Z ‖ M) (GB/T 32918.2 6.1); 64 bytes, r‖s.
    Sm2,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2).
    RsaPkcs1Sha256,
    /// RSASSA-PSS with SHA-512, MGF1 with SHA-512, salt of 64 octets (RFC 8017 8.1).
    RsaPssSha512,
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5); 64 bytes, r‖s.
    EcdsaP256Sha256,
}

/// The public half of a pair in a device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DevicePublicKey {
    /// SM2.
    Sm2(sm2::PublicKey),
    /// RSA.
    Rsa(rsa::PublicKey),
    /// P-256.
    P256(ecdsa::PublicKey),
}

impl DevicePublicKey {
    /// The same key, where devices hold such keys.
    #[must_use]
    pub fn of(key: PublicKey) -> Option<Self> {
        match key {
            PublicKey::Sm2(key) => Some(Self::Sm2(key)),
            PublicKey::Rsa(key) => Some(Self::Rsa(key)),
            PublicKey::EcdsaP256(key) => Some(Self::P256(key)),
            PublicKey::EcdsaLarge(_) | PublicKey::Ed25519(_) => None,
        }
    }

    /// What the scheme has the device sign: e for SM2 under the default signer ID, else the digest.
    ///
    /// # Errors
    /// [`DeviceError::MechanismMissing`]: the scheme is not of this key.
    pub fn digest(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, DeviceError> {
        match (self, scheme) {
            (Self::Sm2(key), Scheme::Sm2) => {
                let e = key.digest(sm2::DEFAULT_ID, message);
                e.map(|e| e.to_vec()).map_err(|_| DeviceError::Malformed { function: "SM3" })
            }
            (Self::Rsa(_), Scheme::RsaPkcs1Sha256) | (Self::P256(_), Scheme::EcdsaP256Sha256) => {
                Ok(digest::digest(DigestAlgorithm::Sha256, message))
            }
            (Self::Rsa(_), Scheme::RsaPssSha512) => Ok(digest::digest(DigestAlgorithm::Sha512, message)),
            _ => Err(DeviceError::MechanismMissing { what: "this scheme with this kind of key" }),
        }
    }

    /// Whether the value is right, by our own software.
    #[must_use]
    pub fn accepts(&self, scheme: Scheme, message: &[u8], value: &[u8]) -> bool {
        match (self, scheme) {
            (Self::Sm2(key), Scheme::Sm2) => key.verify(sm2::DEFAULT_ID, message, value),
            (Self::Rsa(key), Scheme::RsaPkcs1Sha256) => key.verify(DigestAlgorithm::Sha256, message, value),
            (Self::Rsa(key), Scheme::RsaPssSha512) => key.verify_pss_sha512(message, value),
            (Self::P256(key), Scheme::EcdsaP256Sha256) => key.verify(message, value),
            _ => false,
        }
    }
}

/// Why a device did not do as asked. Each has a stable code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The library is not there or is none of that kind.
    #[error("the library {path} cannot be used: {reason}")]
    Library {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file of a PIN or of passwords cannot be used.
    #[error("the file {path} cannot be used: {reason}")]
    SecretFile {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The device or its session is gone. The next call tries again.
    #[error("the device is not there: {reason}")]
    Unavailable {
        /// What it, or its library, answered.
        reason: String,
    },
    /// A call did not end in time. It may still end in the device.
    #[error("the device did not answer within {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// Every thread for this device waits for a call that does not end.
    #[error("the device has stopped answering")]
    Hung,
    /// No session was free in time.
    #[error("all sessions of the device are in use")]
    Busy,
    /// The device refused the PIN or password. It is not tried again before a restart: devices lock themselves.
    #[error("the device refuses the PIN or password; it will not be tried again before a restart")]
    WrongPin,
    /// The device has locked the PIN.
    #[error("the device has locked the PIN")]
    PinLocked,
    /// No such key in the device.
    #[error("the device has no key {handle}")]
    KeyAbsent {
        /// Which.
        handle: KeyHandle,
    },
    /// No place for another key pair: all that the configuration names are taken.
    #[error("the device has no key pair that is free")]
    NoFreePair,
    /// The device cannot do this, or its library lacks the function, or the configuration lacks its number.
    #[error("the device does not offer {what}")]
    MechanismMissing {
        /// What.
        what: &'static str,
    },
    /// The device refused for a reason of its own.
    #[error("the device refuses {function}: {code}")]
    Refused {
        /// The function of its interface.
        function: String,
        /// Its code.
        code: String,
    },
    /// An answer that cannot be right.
    #[error("the device's answer to {function} is malformed")]
    Malformed {
        /// The function of its interface.
        function: &'static str,
    },
    /// A sealed value does not open: changed, or sealed elsewhere.
    #[error("a value sealed by the device does not open")]
    SealBroken,
}

impl DeviceError {
    /// The stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Library { .. } => "key-store-library",
            Self::SecretFile { .. } => "key-store-file",
            Self::Unavailable { .. } | Self::TimedOut { .. } | Self::Hung => "key-store-unavailable",
            Self::Busy => "key-store-busy",
            Self::WrongPin => "key-store-wrong-pin",
            Self::PinLocked => "key-store-pin-locked",
            Self::KeyAbsent { .. } => "key-store-key-absent",
            Self::NoFreePair => "key-store-full",
            Self::MechanismMissing { .. } => "key-store-mechanism-missing",
            Self::Refused { .. } => "key-store-refused",
            Self::Malformed { .. } => "key-store-malformed",
            Self::SealBroken => "key-seal-broken",
        }
    }

    /// Whether the session that answered so is of no more use.
    pub(in crate::service::keys) const fn loses_session(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// A device, open.
pub trait Device: Send + Sync {
    /// Its interface.
    fn kind(&self) -> DeviceKind;

    /// Maker, model, serial number and label as the device tells them.
    fn description(&self) -> String;

    /// Fills the buffer from the device's generator.
    ///
    /// # Errors
    /// The device's; the buffer must not be used then.
    fn random(&self, buffer: &mut [u8]) -> Result<(), DeviceError>;

    /// SM3 of a message (GB/T 32905).
    ///
    /// # Errors
    /// The device's.
    fn hash(&self, message: &[u8]) -> Result<[u8; 32], DeviceError>;
}

/// Key pairs in a device.
pub trait DeviceKeys: Device {
    /// A key pair made in the device: a new one, or, where pairs are made by the device's own administration (SDF), one
    /// that none of the `taken` handles names.
    ///
    /// # Errors
    /// The device's; [`DeviceError::NoFreePair`].
    fn generate(
        &self,
        label: &str,
        kind: PairKind,
        wanted: PairUse,
        taken: &[KeyHandle],
    ) -> Result<(KeyHandle, DevicePublicKey), DeviceError>;

    /// The public key of a pair.
    ///
    /// # Errors
    /// The device's; [`DeviceError::KeyAbsent`].
    fn public_key(&self, handle: &KeyHandle) -> Result<DevicePublicKey, DeviceError>;

    /// Signs what [`DevicePublicKey::digest`] gives. Not checked: that the value is right; see [`signature`].
    ///
    /// # Errors
    /// The device's; [`DeviceError::KeyAbsent`].
    fn sign(&self, handle: &KeyHandle, scheme: Scheme, digest: &[u8]) -> Result<Vec<u8>, DeviceError>;

    /// Whether the value is right, by the device. `digest` as for [`Self::sign`].
    ///
    /// # Errors
    /// The device's.
    fn verify(&self, key: &DevicePublicKey, scheme: Scheme, digest: &[u8], value: &[u8]) -> Result<bool, DeviceError>;

    /// Opens what was encrypted for the pair: SM2 as C1‖C3‖C2 with C1 = 04‖x‖y (GB/T 32918.4), or RSAES-OAEP.
    ///
    /// # Errors
    /// The device's; [`DeviceError::SealBroken`] where the device says that the ciphertext is wrong.
    fn decrypt(&self, handle: &KeyHandle, ciphertext: &[u8]) -> Result<Secret, DeviceError>;

    /// Destroys a pair.
    ///
    /// # Errors
    /// The device's; [`DeviceError::KeyAbsent`].
    fn destroy(&self, handle: &KeyHandle) -> Result<(), DeviceError>;
}

/// Secret keys that never leave a device in the clear.
pub trait DeviceSecrets: Device {
    /// A new secret key.
    ///
    /// # Errors
    /// The device's.
    fn new_secret(&self, label: &str, wanted: SecretUse) -> Result<KeyHandle, DeviceError>;

    /// HMAC-SM3 under a secret key (GM/T 0042, as remembered).
    ///
    /// # Errors
    /// The device's.
    fn mac(&self, handle: &KeyHandle, message: &[u8]) -> Result<[u8; 32], DeviceError>;

    /// Seals bytes under a secret key, bound to `associated`.
    ///
    /// # Errors
    /// The device's.
    fn wrap(&self, handle: &KeyHandle, secret: &Secret, associated: &[u8]) -> Result<Vec<u8>, DeviceError>;

    /// Opens what [`Self::wrap`] sealed.
    ///
    /// # Errors
    /// The device's; [`DeviceError::SealBroken`].
    fn unwrap(&self, handle: &KeyHandle, sealed: &[u8], associated: &[u8]) -> Result<Secret, DeviceError>;
}

/// All three.
pub trait KeyDevice: DeviceKeys + DeviceSecrets {}

impl<D: DeviceKeys + DeviceSecrets> KeyDevice for D {}

/// Which device to open.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DeviceOptions {
    /// A PKCS#11 token.
    Pkcs11(Pkcs11Options),
    /// An SDF device.
    Sdf(SdfOptions),
}

/// Opens a device: loads its library, logs in once.
///
/// # Errors
/// The library or the files cannot be used, or the device's refusal.
pub fn open(options: DeviceOptions) -> Result<Arc<dyn KeyDevice>, DeviceError> {
    match options {
        DeviceOptions::Pkcs11(options) => Ok(Arc::new(crate::service::keys::pkcs11::Token::open(options)?)),
        DeviceOptions::Sdf(options) => Ok(Arc::new(crate::service::keys::sdf::SdfDevice::open(options)?)),
    }
}

/// A signature over the message, made in the device and verified by our own software.
///
/// # Errors
/// [`crypto::Error::Device`]; [`crypto::Error::Fault`] when the value is wrong: it does not leave.
pub fn signature(
    device: &dyn KeyDevice,
    handle: &KeyHandle,
    key: &DevicePublicKey,
    scheme: Scheme,
    message: &[u8],
) -> Result<Vec<u8>, crypto::Error> {
    let failed = |error: DeviceError| {
        tracing::warn!(device = %device.kind(), %handle, code = error.code(), "a device did not sign: {error}");
        crypto::Error::Device { code: error.code() }
    };
    let digest = key.digest(scheme, message).map_err(failed)?;
    let value = device.sign(handle, scheme, &digest).map_err(failed)?;
    if key.accepts(scheme, message, &value) { Ok(value) } else { Err(crypto::Error::Fault) }
}

/// What signs with a pair of a device: SM2, RSASSA-PKCS1-v1_5 with SHA-256, or ECDSA with SHA-256.
///
/// # Errors
/// The device's.
pub fn signer(device: &Arc<dyn KeyDevice>, handle: &KeyHandle) -> Result<Arc<dyn Signer>, DeviceError> {
    Ok(signer_by(device, handle, device.public_key(handle)?))
}

/// The same for a public key that is known, without a call. What the device signs by another key is withheld.
#[must_use]
pub fn signer_by(device: &Arc<dyn KeyDevice>, handle: &KeyHandle, key: DevicePublicKey) -> Arc<dyn Signer> {
    let (public, scheme, algorithm) = match &key {
        DevicePublicKey::Sm2(key) => (PublicKey::Sm2(*key), Scheme::Sm2, SignatureAlgorithm::Sm2Sm3),
        DevicePublicKey::Rsa(key) => {
            let algorithm = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
            (PublicKey::Rsa(key.clone()), Scheme::RsaPkcs1Sha256, algorithm)
        }
        DevicePublicKey::P256(key) => {
            (PublicKey::EcdsaP256(*key), Scheme::EcdsaP256Sha256, SignatureAlgorithm::EcdsaP256Sha256)
        }
    };
    let (device, handle) = (Arc::clone(device), handle.clone());
    Arc::new(DeviceSigner { device, handle, key, scheme, public, algorithm })
}

struct DeviceSigner {
    device: Arc<dyn KeyDevice>,
    handle: KeyHandle,
    key: DevicePublicKey,
    scheme: Scheme,
    public: PublicKey,
    algorithm: SignatureAlgorithm,
}

impl Signer for DeviceSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn public_key(&self) -> PublicKey {
        self.public.clone()
    }

    /// The device draws its nonces itself.
    fn sign(&self, message: &[u8], _: &dyn Random) -> Result<Vec<u8>, crypto::Error> {
        signature(&*self.device, &self.handle, &self.key, self.scheme, message)
    }
}

/// A device's generator as the service's source of randomness.
pub struct DeviceRandom(pub Arc<dyn KeyDevice>);

impl Random for DeviceRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        self.0.random(buffer).map_err(|error| {
            tracing::warn!(device = %self.0.kind(), code = error.code(), "a device gave no random bytes: {error}");
            RandomUnavailable
        })
    }
}

/// The text of a file that only its owner may read, without the line feed at its end.
pub(in crate::service::keys) fn secret_file(path: &Path) -> Result<Zeroizing<String>, DeviceError> {
    let refused = |reason: String| DeviceError::SecretFile { path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(|error| refused(error.to_string()))?;
    // Asked of the open file, so that nobody can put another in its place between the two.
    let mode = file.metadata().map_err(|error| refused(error.to_string()))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(refused(format!("it has mode {mode:04o}; only its owner may read it (0600)")));
    }
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.take(4096).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
    let length = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(length);
    if text.is_empty() { Err(refused("it is empty".to_owned())) } else { Ok(text) }
}

/// Lower-case hexadecimal, back to octets.
pub(in crate::service::keys) fn octets(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let digits = digits.collect::<Option<Vec<u8>>>().filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |sum, digit| (sum << 4) | digit)).collect())
}
