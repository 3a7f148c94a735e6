//! The PKCS#11 module of a token: its sessions, its objects by handle, its return values in our words.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::crypto::digest::hex;
use crate::crypto::{ecdsa, rsa, sm2};
use crate::service::keys::device::{Connection, DeviceError, DevicePublicKey, KeyHandle, octets};
use crate::service::keys::pkcs11::library::{Held, Library};
use crate::service::keys::pkcs11::{P256, SM2, TokenName};

/// Object handles kept per session.
const KNOWN: usize = 4096;

/// The module: loads its library, finds its token, logs in.
pub(in crate::service::keys) struct Module {
    path: PathBuf,
    token: TokenName,
    pin: AuthPin,
    library: Mutex<Option<Arc<Library>>>,
    /// The token's refusal of the PIN. It stays: a token counts wrong PINs, and locks.
    refusal: Mutex<Option<DeviceError>>,
}

/// A session, logged in.
pub(in crate::service::keys) struct OpenSession {
    pub(in crate::service::keys) session: Session,
    pub(in crate::service::keys) slot: Slot,
    library: Arc<Library>,
    /// Of the library, when the session was opened.
    beginning: u64,
    known: HashMap<(u64, Vec<u8>), ObjectHandle>,
}

impl Module {
    pub(in crate::service::keys) fn new(path: PathBuf, token: TokenName, pin: AuthPin) -> Self {
        Self { path, token, pin, library: Mutex::new(None), refusal: Mutex::new(None) }
    }

    fn library(&self) -> Result<Arc<Library>, DeviceError> {
        let mut kept = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*kept {
            return Ok(Arc::clone(library));
        }
        let library = Library::open(&self.path)?;
        *kept = Some(Arc::clone(&library));
        Ok(library)
    }

    /// The slot is looked up for each session: a token that was away may come back in another.
    fn slot(&self, context: &Pkcs11) -> Result<Slot, DeviceError> {
        match &self.token {
            TokenName::Slot(number) => Slot::try_from(*number).map_err(|error| opening(error, "this slot")),
            TokenName::Label(label) => {
                let slots = context.get_slots_with_token().map_err(|error| opening(error, "slots"))?;
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

    /// A session, not logged in, with a token that is there. The caller holds the library.
    fn session(&self, context: &Pkcs11) -> Result<(Slot, Session), DeviceError> {
        let slot = self.slot(context)?;
        let session = context.open_rw_session(slot).map_err(|error| opening(error, "sessions"))?;
        // A token that is gone may still open sessions (SoftHSM).
        context.get_token_info(slot).map_err(|error| opening(error, "token"))?;
        Ok((slot, session))
    }

    /// A session of the library as it is now, logged in; else the refusal, and the library's beginning.
    fn logged_in(&self, library: &Arc<Library>) -> Result<OpenSession, (DeviceError, u64)> {
        let held = library.hold();
        let beginning = held.beginning();
        let (slot, session) = self.session(library.functions()).map_err(|error| (error, beginning))?;
        match session.login(UserType::User, Some(&self.pin)) {
            // One login is for all sessions of a process (5.6, `C_Login`).
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err((opening(error, "login by PIN"), beginning)),
        }
        Ok(OpenSession { session, slot, library: Arc::clone(library), beginning, known: HashMap::new() })
    }
}

impl Connection for Module {
    type Session = OpenSession;
    type Held = Held;

    fn open(&self) -> Result<OpenSession, DeviceError> {
        // Held to the end: one login at a time, and none after a refusal.
        let mut refused = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = &*refused {
            return Err(refused.clone());
        }
        let library = self.library()?;
        let opened = match self.logged_in(&library) {
            // Some libraries find a device that was away only when they are initialised again (SoftHSM, its folder).
            Err((DeviceError::Unavailable { .. }, beginning)) => {
                library.begin_again(beginning)?;
                self.logged_in(&library)
            }
            opened => opened,
        };
        opened.map_err(|(error, _)| {
            if matches!(error, DeviceError::WrongPin | DeviceError::PinLocked) {
                *refused = Some(error.clone());
            }
            error
        })
    }

    fn hold(&self, session: &OpenSession) -> Option<Held> {
        let held = session.library.hold();
        (held.beginning() == session.beginning).then_some(held)
    }

    fn close(&self, session: OpenSession) {
        let held = self.hold(&session);
        let OpenSession { session, .. } = session;
        match held {
            Some(held) => {
                drop(session);
                drop(held);
            }
            // The library has ended it, and may have given its number to another.
            None => std::mem::forget(session),
        }
    }
}

/// Return values while a session is opened: a general error is a token that is not there, since nothing else was asked of it.
fn opening(error: Error, what: &'static str) -> DeviceError {
    match error {
        Error::Pkcs11(code @ RvError::GeneralError, function) => {
            DeviceError::Unavailable { reason: format!("C_{function:?}: {code:?}") }
        }
        error => refusal(error, what),
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
        self.session.generate_random_slice(&mut bytes).map_err(|error| self.refusal(error, "random bytes"))?;
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
        let found = self.session.find_objects(&template).map_err(|error| self.refusal(error, "objects"))?;
        // A token that is gone may show none of its objects (SoftHSM).
        let found = found.first().copied().ok_or_else(|| self.gone().unwrap_or_else(|| absent(handle)))?;
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
        worked.map_err(|error| if stale(&error) { absent(handle) } else { self.refusal(error, what) })
    }

    /// Return values in our words. A general error may mean a token that is gone, or bytes that it does not like
    /// (SoftHSM, of a ciphertext).
    pub(in crate::service::keys) fn refusal(&self, error: Error, what: &'static str) -> DeviceError {
        match error {
            Error::Pkcs11(code @ RvError::GeneralError, function) if self.gone().is_some() => {
                DeviceError::Unavailable { reason: format!("C_{function:?}: {code:?}") }
            }
            error => refusal(error, what),
        }
    }

    /// The token, as it describes itself.
    pub(in crate::service::keys) fn token(&self) -> Result<TokenInfo, DeviceError> {
        self.library.functions().get_token_info(self.slot).map_err(|error| opening(error, "token"))
    }

    /// Why the token is not there, where it is not.
    fn gone(&self) -> Option<DeviceError> {
        let session = self.session.get_session_info().map_err(|error| opening(error, "sessions"));
        session.err().or_else(|| self.token().err())
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
