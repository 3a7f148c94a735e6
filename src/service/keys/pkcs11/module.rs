//! The PKCS#11 module of a token: its sessions, its objects by handle, its return values in our words.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::crypto::digest::hex;
use crate::crypto::{ecdsa, rsa, sm2};
use crate::service::keys::device::{Connection, DeviceError, DevicePublicKey, KeyHandle, octets};
use crate::service::keys::pkcs11::{P256, SM2, TokenName};

/// Object handles kept per session.
const KNOWN: usize = 4096;

/// The module: loads its library, finds its token, logs in.
pub(in crate::service::keys) struct Module {
    path: PathBuf,
    token: TokenName,
    pin: AuthPin,
    context: Mutex<Option<Pkcs11>>,
    /// The token's refusal of the PIN. It stays: a token counts wrong PINs, and locks.
    refusal: Mutex<Option<DeviceError>>,
}

/// A session, logged in.
pub(in crate::service::keys) struct OpenSession {
    pub(in crate::service::keys) session: Session,
    pub(in crate::service::keys) slot: Slot,
    pub(in crate::service::keys) context: Pkcs11,
    known: HashMap<(u64, Vec<u8>), ObjectHandle>,
}

impl Module {
    pub(in crate::service::keys) fn new(path: PathBuf, token: TokenName, pin: AuthPin) -> Self {
        Self { path, token, pin, context: Mutex::new(None), refusal: Mutex::new(None) }
    }

    /// Loads and initialises the library the first time (5.4, `C_Initialize`).
    fn context(&self) -> Result<Pkcs11, DeviceError> {
        let mut kept = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(context) = &*kept {
            return Ok(context.clone());
        }
        let unusable = |error: Error| DeviceError::Library { path: self.path.clone(), reason: error.to_string() };
        let context = Pkcs11::new(&self.path).map_err(unusable)?;
        initialise(&context).map_err(unusable)?;
        *kept = Some(context.clone());
        Ok(context)
    }

    /// The slot is looked up for each session: a token that was away may come back in another.
    fn slot(&self, context: &Pkcs11) -> Result<Slot, DeviceError> {
        match &self.token {
            TokenName::Slot(number) => Slot::try_from(*number).map_err(|error| refusal(error, "this slot")),
            TokenName::Label(label) => {
                let slots = context.get_slots_with_token().map_err(|error| refusal(error, "slots"))?;
                let named = |slot: &Slot| context.get_token_info(*slot).is_ok_and(|token| token.label() == label);
                let mut found = slots.into_iter().filter(named);
                match (found.next(), found.next()) {
                    (Some(slot), None) => Ok(slot),
                    (None, _) => Err(DeviceError::Unavailable { reason: format!("no token is labelled {label:?}") }),
                    (Some(_), Some(_)) => {
                        Err(DeviceError::Unavailable { reason: format!("two tokens are labelled {label:?}") })
                    }
                }
            }
        }
    }
}

impl Connection for Module {
    type Session = OpenSession;

    fn open(&self) -> Result<OpenSession, DeviceError> {
        // Held to the end: one login at a time, and none after a refusal.
        let mut refused = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = &*refused {
            return Err(refused.clone());
        }
        let context = self.context()?;
        let opened = self.slot(&context).and_then(|slot| {
            let session = context.open_rw_session(slot).map_err(|error| refusal(error, "sessions"))?;
            Ok((slot, session))
        });
        let (slot, session) = match opened {
            // Some modules have to be initialised again once their device was away.
            Err(DeviceError::Unavailable { .. }) if initialise(&context).is_ok() => {
                let slot = self.slot(&context)?;
                (slot, context.open_rw_session(slot).map_err(|error| refusal(error, "sessions"))?)
            }
            opened => opened?,
        };
        match session.login(UserType::User, Some(&self.pin)) {
            // One login is for all sessions of a process (5.6, `C_Login`).
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => {
                let error = refusal(error, "login by PIN");
                if matches!(error, DeviceError::WrongPin | DeviceError::PinLocked) {
                    *refused = Some(error.clone());
                }
                return Err(error);
            }
        }
        Ok(OpenSession { session, slot, context, known: HashMap::new() })
    }
}

fn initialise(context: &Pkcs11) -> Result<(), Error> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Return values (5.1) in our words.
pub(in crate::service::keys) fn refusal(error: Error, what: &'static str) -> DeviceError {
    let Error::Pkcs11(code, function) = error else {
        return match error {
            Error::NullFunctionPointer | Error::MissingSymbol(_) | Error::NotSupported => {
                DeviceError::MechanismMissing { what }
            }
            _ => DeviceError::Malformed { function: "PKCS#11" },
        };
    };
    match code {
        RvError::DeviceError
        | RvError::DeviceRemoved
        | RvError::TokenNotPresent
        | RvError::TokenNotRecognized
        | RvError::SlotIdInvalid
        | RvError::SessionHandleInvalid
        | RvError::SessionClosed
        | RvError::UserNotLoggedIn
        | RvError::CryptokiNotInitialized => DeviceError::Unavailable { reason: format!("C_{function:?}: {code:?}") },
        RvError::SessionCount => DeviceError::Busy,
        RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange | RvError::PinExpired => {
            DeviceError::WrongPin
        }
        RvError::PinLocked => DeviceError::PinLocked,
        RvError::MechanismInvalid
        | RvError::MechanismParamInvalid
        | RvError::FunctionNotSupported
        | RvError::CurveNotSupported => DeviceError::MechanismMissing { what },
        RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange => DeviceError::SealBroken,
        code => DeviceError::Refused { function: format!("C_{function:?}"), code: format!("{code:?}") },
    }
}

/// A token that is there, has the key and the mechanism, and refuses to decrypt, refuses the ciphertext: some say
/// so by a general error only (SoftHSM).
pub(in crate::service::keys) fn unsealing(error: DeviceError) -> DeviceError {
    match error {
        DeviceError::Refused { function, .. } if function == "C_Decrypt" => DeviceError::SealBroken,
        error => error,
    }
}

fn stale(error: &Error) -> bool {
    matches!(error, Error::Pkcs11(RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid, _))
}

fn absent(handle: &KeyHandle) -> DeviceError {
    DeviceError::KeyAbsent { handle: handle.clone() }
}

/// `CKA_ID` of a handle that we made.
fn identifier(handle: &KeyHandle) -> Result<Vec<u8>, DeviceError> {
    let id = handle.as_str().strip_prefix("id:").and_then(octets);
    id.ok_or_else(|| absent(handle))
}

impl OpenSession {
    /// Random octets of the token.
    pub(in crate::service::keys) fn random(&self, length: usize) -> Result<Zeroizing<Vec<u8>>, DeviceError> {
        let mut bytes = Zeroizing::new(vec![0; length]);
        self.session.generate_random_slice(&mut bytes).map_err(|error| refusal(error, "random bytes"))?;
        Ok(bytes)
    }

    /// A fresh `CKA_ID`, and its handle.
    pub(in crate::service::keys) fn fresh(&self) -> Result<(Vec<u8>, KeyHandle), DeviceError> {
        let id = self.random(16)?.to_vec();
        let handle = KeyHandle::parse(&format!("id:{}", hex(&id)));
        Ok((id, handle.ok_or(DeviceError::Malformed { function: "C_GenerateRandom" })?))
    }

    /// The object of that class and handle.
    pub(in crate::service::keys) fn object(
        &mut self,
        class: ObjectClass,
        handle: &KeyHandle,
    ) -> Result<ObjectHandle, DeviceError> {
        let id = identifier(handle)?;
        if let Some(known) = self.known.get(&(*class, id.clone())) {
            return Ok(*known);
        }
        let template = [Attribute::Class(class), Attribute::Id(id.clone())];
        let found = self.session.find_objects(&template).map_err(|error| refusal(error, "objects"))?;
        let found = found.first().copied().ok_or_else(|| absent(handle))?;
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert((*class, id), found);
        Ok(found)
    }

    /// Works on an object; once more when the number that we remembered is no longer its own.
    pub(in crate::service::keys) fn with<T>(
        &mut self,
        class: ObjectClass,
        handle: &KeyHandle,
        what: &'static str,
        work: impl Fn(&Session, ObjectHandle) -> Result<T, Error>,
    ) -> Result<T, DeviceError> {
        let object = self.object(class, handle)?;
        let worked = match work(&self.session, object) {
            Err(error) if stale(&error) => {
                self.known.clear();
                let object = self.object(class, handle)?;
                work(&self.session, object)
            }
            worked => worked,
        };
        worked.map_err(|error| match error {
            Error::Pkcs11(RvError::GeneralError, function) if self.is_gone() => {
                DeviceError::Unavailable { reason: format!("C_{function:?}: GeneralError") }
            }
            error if stale(&error) => absent(handle),
            error => refusal(error, what),
        })
    }

    /// A general error may mean a token that is gone, or bytes that it does not like (SoftHSM, of a ciphertext).
    fn is_gone(&self) -> bool {
        self.session.get_session_info().is_err() || self.context.get_token_info(self.slot).is_err()
    }

    /// Forgets the numbers of objects.
    pub(in crate::service::keys) fn forget(&mut self) {
        self.known.clear();
    }

    /// The public key of a pair.
    pub(in crate::service::keys) fn public_key(&mut self, handle: &KeyHandle) -> Result<DevicePublicKey, DeviceError> {
        let wanted = [AttributeType::Modulus, AttributeType::PublicExponent];
        let numbers = self.with(ObjectClass::PUBLIC_KEY, handle, "this key", |session, object| {
            session.get_attributes(object, &wanted)
        })?;
        if let [Attribute::Modulus(modulus), Attribute::PublicExponent(exponent)] = numbers.as_slice() {
            let key = rsa::PublicKey::new(modulus, exponent);
            return key.map(DevicePublicKey::Rsa).map_err(|_| MALFORMED_KEY);
        }
        let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
        let parts = self.with(ObjectClass::PUBLIC_KEY, handle, "this key", |session, object| {
            session.get_attributes(object, &wanted)
        })?;
        let [Attribute::EcParams(curve), Attribute::EcPoint(point)] = parts.as_slice() else {
            return Err(MALFORMED_KEY);
        };
        // An OCTET STRING around the point (6.3.3); some modules leave it out.
        let point = point.strip_prefix(&[0x04, 0x41]).filter(|rest| rest.len() == 65).unwrap_or(point);
        let point = <[u8; 65]>::try_from(point).map_err(|_| MALFORMED_KEY)?;
        if curve.as_slice() == P256 {
            ecdsa::PublicKey::from_bytes(&point).map(DevicePublicKey::P256).map_err(|_| MALFORMED_KEY)
        } else if curve.as_slice() == SM2 {
            sm2::PublicKey::from_bytes(&point).map(DevicePublicKey::Sm2).map_err(|_| MALFORMED_KEY)
        } else {
            Err(DeviceError::MechanismMissing { what: "a curve that we know" })
        }
    }
}

const MALFORMED_KEY: DeviceError = DeviceError::Malformed { function: "C_GetAttributeValue" };
