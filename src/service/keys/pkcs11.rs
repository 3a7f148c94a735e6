//! A PKCS#11 token as a device: RSA and P-256 by the standard's mechanisms, SM2 and SM3 by the maker's own numbers.
//!
//! Clauses are of PKCS #11 Base Specification 3.0 (OASIS), as remembered, unless another text is named.

mod library;
mod module;

use std::path::PathBuf;
use std::time::Duration;

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, KeyType, ObjectClass};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::base::secret::Secret;
use crate::format::keys::read_sm2_signature;
use crate::service::keys::device::{
    Bounds, Calls, Device, DeviceError, DeviceKeys, DeviceKind, DevicePublicKey, DeviceSecrets, KeyHandle, PairKind,
    PairUse, Scheme, SecretUse, secret_file,
};
use module::{Module, unsealing};

/// `CKA_EC_PARAMS` of P-256: the curve's object identifier (RFC 5480 2.1.1.1).
pub(in crate::service::keys) const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// The same of the SM2 curve (GM/T 0006); that makers use it so is remembered, not read.
pub(in crate::service::keys) const SM2: [u8; 10] = [0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];
/// A `DigestInfo` of SHA-256 up to its digest (RFC 8017 9.2, note 1).
const SHA256_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
const NONCE: usize = 12;
const TAG: usize = 16;

/// Which token, and how to use it.
#[derive(Debug, Clone)]
pub struct Pkcs11Options {
    /// The module: a shared library.
    pub module: PathBuf,
    /// The token.
    pub token: TokenName,
    /// File of the user's PIN, mode 0600.
    pub pin_file: PathBuf,
    /// Calls side by side.
    pub sessions: usize,
    /// Most time for a call.
    pub timeout: Duration,
    /// The digest of RSAES-OAEP.
    pub oaep: OaepDigest,
    /// The maker's own mechanisms.
    pub vendor: VendorMechanisms,
}

/// How a token is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenName {
    /// By its label.
    Label(String),
    /// By its slot's number.
    Slot(u64),
}

/// Digests of RSAES-OAEP (RFC 8017 7.1), also for its MGF1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OaepDigest {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-1, for tokens that know no other here; OAEP does not rest on its collision resistance.
    Sha1,
}

/// Numbers of mechanisms that PKCS#11 leaves to makers (`CKM_VENDOR_DEFINED` and above).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VendorMechanisms {
    /// Makes SM2 key pairs.
    pub sm2_key_pair: Option<u64>,
    /// Signs e by SM2.
    pub sm2_sign: Option<u64>,
    /// SM3.
    pub sm3: Option<u64>,
    /// HMAC-SM3.
    pub sm3_hmac: Option<u64>,
}

/// A token, with its sessions.
pub(in crate::service::keys) struct Token {
    calls: Calls<Module>,
    description: String,
    oaep: OaepDigest,
    vendor: VendorMechanisms,
}

/// A mechanism, by what another thread can be told of it.
#[derive(Clone, Copy)]
enum Step {
    RsaPair,
    RsaPkcs1,
    RsaPss,
    EcPair,
    Ecdsa,
    Vendor(MechanismType),
}

impl Step {
    fn mechanism(self) -> Mechanism<'static> {
        match self {
            Self::RsaPair => Mechanism::RsaPkcsKeyPairGen,
            Self::RsaPkcs1 => Mechanism::RsaPkcs,
            Self::RsaPss => {
                let (hash_alg, mgf) = (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512);
                Mechanism::RsaPkcsPss(PkcsPssParams { hash_alg, mgf, s_len: 64.into() })
            }
            Self::EcPair => Mechanism::EccKeyPairGen,
            Self::Ecdsa => Mechanism::Ecdsa,
            Self::Vendor(kind) => Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(kind, None)),
        }
    }
}

/// A maker's mechanism, without parameters.
fn vendor(number: Option<u64>, what: &'static str) -> Result<Step, DeviceError> {
    let missing = || DeviceError::MechanismMissing { what };
    MechanismType::new_vendor_defined(number.ok_or_else(missing)?).map(Step::Vendor).map_err(|_| missing())
}

impl Token {
    /// Loads the module, finds the token and logs in.
    pub(in crate::service::keys) fn open(options: Pkcs11Options) -> Result<Self, DeviceError> {
        let Pkcs11Options { module, token, pin_file, sessions, timeout, oaep, vendor } = options;
        let pin = AuthPin::new(secret_file(&pin_file)?.as_str().into());
        let module = Module::new(module, token, pin);
        let calls = Calls::start(module, Bounds { sessions, timeout })?;
        let description = calls.call(|_, open| {
            let token = open.token()?;
            let (label, maker) = (token.label(), token.manufacturer_id());
            Ok(format!("PKCS#11 token {label:?}: {maker} {}, serial {}", token.model(), token.serial_number()))
        })?;
        Ok(Self { calls, description, oaep, vendor })
    }

    /// Mechanism and input for a digest.
    fn signing(&self, scheme: Scheme, digest: &[u8]) -> Result<(Step, Vec<u8>), DeviceError> {
        Ok(match scheme {
            Scheme::Sm2 => (vendor(self.vendor.sm2_sign, "SM2 signatures")?, digest.to_vec()),
            Scheme::RsaPkcs1Sha256 => (Step::RsaPkcs1, [&SHA256_INFO, digest].concat()),
            Scheme::RsaPssSha512 => (Step::RsaPss, digest.to_vec()),
            Scheme::EcdsaP256Sha256 => (Step::Ecdsa, digest.to_vec()),
        })
    }

    /// Mechanism, and what the public template of a pair says of its kind.
    fn making(&self, kind: PairKind) -> Result<(Step, Vec<Attribute>), DeviceError> {
        let rsa = |bits: u64| vec![Attribute::ModulusBits(bits.into()), Attribute::PublicExponent(vec![1, 0, 1])];
        Ok(match kind {
            PairKind::Rsa3072 => (Step::RsaPair, rsa(3072)),
            PairKind::Rsa4096 => (Step::RsaPair, rsa(4096)),
            PairKind::P256 => (Step::EcPair, vec![Attribute::EcParams(P256.to_vec())]),
            PairKind::Sm2 => {
                (vendor(self.vendor.sm2_key_pair, "SM2 key pairs")?, vec![Attribute::EcParams(SM2.to_vec())])
            }
        })
    }
}

impl Device for Token {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Pkcs11
    }

    fn description(&self) -> String {
        self.description.clone()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let length = buffer.len();
        let bytes = self.calls.call(move |_, open| open.random(length))?;
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    fn hash(&self, message: &[u8]) -> Result<[u8; 32], DeviceError> {
        const WHAT: &str = "SM3";
        let (mechanism, message) = (vendor(self.vendor.sm3, WHAT)?, message.to_vec());
        let value = self.calls.call(move |_, open| {
            open.session.digest(&mechanism.mechanism(), &message).map_err(|error| open.refusal(error, WHAT))
        })?;
        <[u8; 32]>::try_from(value).map_err(|_| DeviceError::Malformed { function: "C_Digest" })
    }
}

impl DeviceKeys for Token {
    fn generate(
        &self,
        label: &str,
        kind: PairKind,
        wanted: PairUse,
        _: &[KeyHandle],
    ) -> Result<(KeyHandle, DevicePublicKey), DeviceError> {
        let (mechanism, of_kind) = self.making(kind)?;
        let (mechanism, label) = (mechanism, label.as_bytes().to_vec());
        let (signs, decrypts) = (wanted == PairUse::Sign, wanted == PairUse::Decrypt);
        self.calls.call(move |_, open| {
            let (id, handle) = open.fresh()?;
            let shared = [Attribute::Token(true), Attribute::Id(id), Attribute::Label(label)];
            let mut public = shared.to_vec();
            public.extend(of_kind);
            public.extend([Attribute::Verify(signs), Attribute::Encrypt(decrypts), Attribute::Private(false)]);
            let mut private = shared.to_vec();
            private.extend([Attribute::Sign(signs), Attribute::Decrypt(decrypts), Attribute::Private(true)]);
            private.extend([Attribute::Sensitive(true), Attribute::Extractable(false)]);
            let made = open.session.generate_key_pair(&mechanism.mechanism(), &public, &private);
            made.map_err(|error| open.refusal(error, "key pairs of this kind"))?;
            let key = open.public_key(&handle)?;
            Ok((handle, key))
        })
    }

    fn public_key(&self, handle: &KeyHandle) -> Result<DevicePublicKey, DeviceError> {
        let handle = handle.clone();
        self.calls.call(move |_, open| open.public_key(&handle))
    }

    fn sign(&self, handle: &KeyHandle, scheme: Scheme, digest: &[u8]) -> Result<Vec<u8>, DeviceError> {
        let (mechanism, input) = self.signing(scheme, digest)?;
        let (mechanism, handle) = (mechanism, handle.clone());
        let value = self.calls.call(move |_, open| {
            open.with(ObjectClass::PRIVATE_KEY, &handle, "this scheme", |session, key| {
                session.sign(&mechanism.mechanism(), key, &input)
            })
        })?;
        match scheme {
            // Makers give r‖s or DER.
            Scheme::Sm2 => {
                let read = read_sm2_signature(&value).map_err(|_| DeviceError::Malformed { function: "C_Sign" })?;
                Ok(read.0)
            }
            _ => Ok(value),
        }
    }

    fn verify(&self, key: &DevicePublicKey, scheme: Scheme, digest: &[u8], value: &[u8]) -> Result<bool, DeviceError> {
        let (mechanism, input) = self.signing(scheme, digest)?;
        let wrapped = |point: &[u8]| [&[0x04, 0x41], point].concat();
        let of_kind = match key {
            DevicePublicKey::Rsa(key) => vec![
                Attribute::KeyType(KeyType::RSA),
                Attribute::Modulus(key.modulus().to_vec()),
                Attribute::PublicExponent(key.exponent().to_vec()),
            ],
            DevicePublicKey::P256(key) => vec![
                Attribute::KeyType(KeyType::EC),
                Attribute::EcParams(P256.to_vec()),
                Attribute::EcPoint(wrapped(&key.to_bytes())),
            ],
            DevicePublicKey::Sm2(key) => vec![
                Attribute::KeyType(KeyType::EC),
                Attribute::EcParams(SM2.to_vec()),
                Attribute::EcPoint(wrapped(&key.to_bytes())),
            ],
        };
        let (mechanism, value) = (mechanism, value.to_vec());
        self.calls.call(move |_, open| {
            let mut template = vec![Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Token(false)];
            template.extend(of_kind);
            template.extend([Attribute::Verify(true), Attribute::Private(false)]);
            let session = &open.session;
            let object = session.create_object(&template).map_err(|error| open.refusal(error, "keys of others"))?;
            let verified = session.verify(&mechanism.mechanism(), object, &input, &value);
            let destroyed = session.destroy_object(object).map_err(|error| open.refusal(error, "destruction"));
            match verified {
                Ok(()) => destroyed.map(|()| true),
                Err(Error::Pkcs11(RvError::SignatureInvalid | RvError::SignatureLenRange, _)) => {
                    destroyed.map(|()| false)
                }
                Err(error) => Err(open.refusal(error, "this scheme")),
            }
        })
    }

    fn decrypt(&self, handle: &KeyHandle, ciphertext: &[u8]) -> Result<Secret, DeviceError> {
        let (hash, mgf) = match self.oaep {
            OaepDigest::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
            OaepDigest::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        };
        let (handle, ciphertext) = (handle.clone(), ciphertext.to_vec());
        let text = self.calls.call(move |_, open| {
            if !matches!(open.public_key(&handle)?, DevicePublicKey::Rsa(_)) {
                return Err(DeviceError::MechanismMissing { what: "decryption by this kind of key" });
            }
            open.with(ObjectClass::PRIVATE_KEY, &handle, "RSAES-OAEP with this digest", |session, key| {
                let parameters = PkcsOaepParams::new(hash, mgf, PkcsOaepSource::empty());
                session.decrypt(&Mechanism::RsaPkcsOaep(parameters), key, &ciphertext)
            })
        });
        text.map(Secret::new).map_err(unsealing)
    }

    fn destroy(&self, handle: &KeyHandle) -> Result<(), DeviceError> {
        let handle = handle.clone();
        self.calls.call(move |_, open| {
            open.forget();
            let private = open.object(ObjectClass::PRIVATE_KEY, &handle)?;
            open.session.destroy_object(private).map_err(|error| open.refusal(error, "destruction"))?;
            let public = open.object(ObjectClass::PUBLIC_KEY, &handle)?;
            open.session.destroy_object(public).map_err(|error| open.refusal(error, "destruction"))?;
            open.forget();
            Ok(())
        })
    }
}

impl DeviceSecrets for Token {
    fn new_secret(&self, label: &str, wanted: SecretUse) -> Result<KeyHandle, DeviceError> {
        if wanted == SecretUse::Mac && self.vendor.sm3_hmac.is_none() {
            return Err(DeviceError::MechanismMissing { what: "HMAC-SM3" });
        }
        let label = label.as_bytes().to_vec();
        self.calls.call(move |_, open| {
            let (id, handle) = open.fresh()?;
            let mut template = vec![Attribute::Token(true), Attribute::Private(true), Attribute::Id(id)];
            template.extend([Attribute::Label(label), Attribute::Sensitive(true), Attribute::Extractable(false)]);
            template.push(Attribute::ValueLen(32.into()));
            let (mechanism, uses) = match wanted {
                SecretUse::Mac => (Mechanism::GenericSecretKeyGen, [Attribute::Sign(true), Attribute::Verify(true)]),
                SecretUse::Wrap => (Mechanism::AesKeyGen, [Attribute::Encrypt(true), Attribute::Decrypt(true)]),
            };
            template.extend(uses);
            let made = open.session.generate_key(&mechanism, &template);
            made.map_err(|error| open.refusal(error, "secret keys of this kind"))?;
            Ok(handle)
        })
    }

    fn mac(&self, handle: &KeyHandle, message: &[u8]) -> Result<[u8; 32], DeviceError> {
        const WHAT: &str = "HMAC-SM3";
        let mechanism = vendor(self.vendor.sm3_hmac, WHAT)?;
        let (handle, message) = (handle.clone(), message.to_vec());
        let value = self.calls.call(move |_, open| {
            open.with(ObjectClass::SECRET_KEY, &handle, WHAT, |session, key| {
                session.sign(&mechanism.mechanism(), key, &message)
            })
        })?;
        <[u8; 32]>::try_from(value).map_err(|_| DeviceError::Malformed { function: "C_Sign" })
    }

    /// AES-256-GCM (NIST SP 800-38D): nonce ‖ ciphertext ‖ tag.
    fn wrap(&self, handle: &KeyHandle, secret: &Secret, associated: &[u8]) -> Result<Vec<u8>, DeviceError> {
        let text = Zeroizing::new(secret.expose().to_vec()); // to be sealed
        let (handle, associated) = (handle.clone(), associated.to_vec());
        self.calls.call(move |_, open| {
            let nonce = open.random(NONCE)?.to_vec();
            let sealed = open.with(ObjectClass::SECRET_KEY, &handle, "AES-GCM", |session, key| {
                let mut nonce = nonce.clone();
                let parameters = GcmParams::new(&mut nonce, &associated, 128.into())?;
                session.encrypt(&Mechanism::AesGcm(parameters), key, &text)
            })?;
            Ok([nonce, sealed].concat())
        })
    }

    fn unwrap(&self, handle: &KeyHandle, sealed: &[u8], associated: &[u8]) -> Result<Secret, DeviceError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or(DeviceError::SealBroken)?;
        if sealed.len() < TAG {
            return Err(DeviceError::SealBroken);
        }
        let (handle, nonce, sealed, associated) =
            (handle.clone(), nonce.to_vec(), sealed.to_vec(), associated.to_vec());
        let text = self.calls.call(move |_, open| {
            open.with(ObjectClass::SECRET_KEY, &handle, "AES-GCM", |session, key| {
                let mut nonce = nonce.clone();
                let parameters = GcmParams::new(&mut nonce, &associated, 128.into())?;
                session.decrypt(&Mechanism::AesGcm(parameters), key, &sealed)
            })
        });
        text.map(Secret::new).map_err(unsealing)
    }
}
