//! An SDF device (GM/T 0018): SM2 pairs at the indexes that its administration filled, SM4 and HMAC-SM3 under session
//! keys that leave the device only under one of its key-encryption keys.
//!
//! The interface makes key pairs only to hand them out in the clear (`SDF_GenerateKeyPair_ECC`), so none is made
//! through it: a new key of ours is a pair of the device that no row names yet.

mod library;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base::secret::Secret;
use crate::crypto::digest::hex;
use crate::crypto::sm2;
use crate::service::keys::device::{
    Bounds, Calls, Connection, Device, DeviceError, DeviceKeys, DeviceKind, DevicePublicKey, DeviceSecrets, KeyHandle,
    PairKind, PairUse, Scheme, SecretUse, octets, secret_file,
};
use library::{Fault, Library, OpenDevice, Session, SessionKey, code};

/// Secret keys kept imported per session.
const KNOWN: usize = 64;
const IV: usize = 16;
const MAC: usize = 32;

/// Which device, and how to use it.
#[derive(Debug, Clone)]
pub struct SdfOptions {
    /// The maker's library.
    pub library: PathBuf,
    /// Indexes of key pairs that are ours to use.
    pub pairs: Vec<u32>,
    /// File of the pairs' passwords, mode 0600: a line `INDEX PASSWORD` for each. Without it none is given.
    pub password_file: Option<PathBuf>,
    /// Index of the key-encryption key under which session keys are kept.
    pub key_encryption_key: u32,
    /// Calls side by side.
    pub sessions: usize,
    /// Most time for a call.
    pub timeout: Duration,
}

/// A device, with its sessions.
pub(in crate::service::keys) struct SdfDevice {
    calls: Calls<Access>,
    description: String,
    pairs: Vec<u32>,
    key_encryption_key: u32,
}

/// The way to a device.
struct Access {
    path: PathBuf,
    library: Mutex<Option<Arc<Library>>>,
    device: Mutex<Option<Arc<OpenDevice>>>,
    passwords: BTreeMap<u32, Secret>,
    /// Indexes whose password the device refused. Not asked again: devices count.
    refused: Mutex<BTreeSet<u32>>,
}

struct OpenSession {
    session: Session,
    granted: BTreeSet<u32>,
    known: HashMap<(u32, Vec<u8>), SessionKey>,
}

/// A thread that panicked while it held such a lock left a whole value behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    fn library(&self) -> Result<Arc<Library>, DeviceError> {
        let mut kept = lock(&self.library);
        if let Some(library) = &*kept {
            return Ok(Arc::clone(library));
        }
        let library = Arc::new(Library::load(&self.path)?);
        *kept = Some(Arc::clone(&library));
        Ok(library)
    }

    /// The device after a loss is another one: the old is closed with its last session.
    fn forget(&self) {
        *lock(&self.device) = None;
    }

    /// What a fault means; a lost device is forgotten.
    fn refusal(&self, fault: Fault, what: &'static str) -> DeviceError {
        let (function, number) = match fault {
            Fault::Missing(_) => return DeviceError::MechanismMissing { what },
            Fault::Malformed(function) => return DeviceError::Malformed { function },
            Fault::Code(function, number) => (function, number),
        };
        match number {
            code::COMMUNICATION | code::HARDWARE | code::OPEN_DEVICE | code::OPEN_SESSION => {
                self.forget();
                DeviceError::Unavailable { reason: format!("{function}: {number:#010x}") }
            }
            code::NOT_SUPPORTED | code::ALGORITHM | code::MODE => DeviceError::MechanismMissing { what },
            code::CIPHERTEXT => DeviceError::SealBroken,
            number => DeviceError::Refused { function: function.to_owned(), code: format!("{number:#010x}") },
        }
    }

    /// The same, of a key that may not be there.
    fn key_refusal(&self, fault: Fault, what: &'static str, handle: &KeyHandle) -> DeviceError {
        match fault {
            Fault::Code(_, code::NO_KEY | code::KEY) => DeviceError::KeyAbsent { handle: handle.clone() },
            fault => self.refusal(fault, what),
        }
    }
}

impl Connection for Access {
    type Session = OpenSession;
    type Held = ();

    fn open(&self) -> Result<OpenSession, DeviceError> {
        let library = self.library()?;
        let device = {
            let mut kept = lock(&self.device);
            match &*kept {
                Some(device) => Ok(Arc::clone(device)),
                None => library.open().map(|device| Arc::clone(kept.insert(Arc::new(device)))),
            }
        };
        let session = device.and_then(|device| device.session());
        let session = session.map_err(|fault| self.refusal(fault, "sessions"))?;
        Ok(OpenSession { session, granted: BTreeSet::new(), known: HashMap::new() })
    }

    /// Each device of a library is opened by itself, and none of them ends another's sessions.
    fn hold(&self, _: &OpenSession) -> Option<()> {
        Some(())
    }

    fn close(&self, session: OpenSession) {
        drop(session);
    }
}

/// A handle of ours: `sign:INDEX`, `decrypt:INDEX`, `mac:INDEX:SEALED`, `wrap:INDEX:SEALED:SEALED`.
enum Place {
    Pair { index: u32, wanted: PairUse },
    Mac { index: u32, sealed: Vec<u8> },
    Wrap { index: u32, cipher: Vec<u8>, mac: Vec<u8> },
}

fn place(handle: &KeyHandle) -> Option<Place> {
    let mut parts = handle.as_str().split(':');
    let (kind, index) = (parts.next()?, parts.next()?.parse().ok()?);
    let place = match kind {
        "sign" => Place::Pair { index, wanted: PairUse::Sign },
        "decrypt" => Place::Pair { index, wanted: PairUse::Decrypt },
        "mac" => Place::Mac { index, sealed: octets(parts.next()?)? },
        "wrap" => Place::Wrap { index, cipher: octets(parts.next()?)?, mac: octets(parts.next()?)? },
        _ => return None,
    };
    parts.next().is_none().then_some(place)
}

fn absent(handle: &KeyHandle) -> DeviceError {
    DeviceError::KeyAbsent { handle: handle.clone() }
}

fn pair(handle: &KeyHandle, wanted: PairUse) -> Result<u32, DeviceError> {
    match place(handle) {
        Some(Place::Pair { index, wanted: made }) if made == wanted => Ok(index),
        Some(Place::Pair { .. }) => Err(DeviceError::MechanismMissing { what: "this use of this key" }),
        _ => Err(absent(handle)),
    }
}

impl OpenSession {
    /// Gets the right to use an index's private keys, once per session.
    fn access(&mut self, access: &Access, index: u32) -> Result<(), DeviceError> {
        let Some(password) = access.passwords.get(&index) else { return Ok(()) };
        if self.granted.contains(&index) {
            return Ok(());
        }
        // Held to the end: a wrong password is offered once, not once per session.
        let mut refused = lock(&access.refused);
        if refused.contains(&index) {
            return Err(DeviceError::WrongPin);
        }
        match self.session.access(index, password.expose()) {
            Ok(()) => {
                self.granted.insert(index);
                Ok(())
            }
            Err(Fault::Code(_, code::ACCESS_RIGHT | code::PRIVATE_KEY_DENIED)) => {
                refused.insert(index);
                Err(DeviceError::WrongPin)
            }
            Err(fault) => Err(access.refusal(fault, "access to private keys")),
        }
    }

    /// A refusal by a private key; a right that was lost is asked for again by the next call.
    fn denied(
        &mut self,
        access: &Access,
        fault: Fault,
        index: u32,
        what: &'static str,
        handle: &KeyHandle,
    ) -> DeviceError {
        if matches!(fault, Fault::Code(_, code::PRIVATE_KEY_DENIED)) {
            self.granted.remove(&index);
        }
        access.key_refusal(fault, what, handle)
    }

    /// A secret key by its sealed form.
    fn key(
        &mut self,
        access: &Access,
        index: u32,
        sealed: &[u8],
        handle: &KeyHandle,
    ) -> Result<SessionKey, DeviceError> {
        let name = (index, sealed.to_vec());
        if let Some(key) = self.known.get(&name) {
            return Ok(*key);
        }
        if self.known.len() >= KNOWN {
            for (_, key) in self.known.drain() {
                let ended = self.session.destroy_key(key);
                ended.map_err(|fault| access.refusal(fault, "the end of a session key"))?;
            }
        }
        let key = self.session.import_key(index, sealed);
        let key = key.map_err(|fault| access.key_refusal(fault, "session keys", handle))?;
        self.known.insert(name, key);
        Ok(key)
    }
}

/// `INDEX PASSWORD` on each line.
fn passwords(options: &SdfOptions) -> Result<BTreeMap<u32, Secret>, DeviceError> {
    let Some(path) = &options.password_file else { return Ok(BTreeMap::new()) };
    let mut passwords = BTreeMap::new();
    for (line, number) in secret_file(path)?.lines().zip(1_u32..) {
        let entry = line.split_once(' ').and_then(|(index, password)| Some((index.parse::<u32>().ok()?, password)));
        let Some((index, password)) = entry.filter(|(_, password)| !password.is_empty()) else {
            let reason = format!("line {number} is not `INDEX PASSWORD`");
            return Err(DeviceError::SecretFile { path: path.clone(), reason });
        };
        passwords.insert(index, Secret::new(password.as_bytes().to_vec()));
    }
    Ok(passwords)
}

impl SdfDevice {
    /// Loads the library and opens the device.
    pub(in crate::service::keys) fn open(options: SdfOptions) -> Result<Self, DeviceError> {
        let passwords = passwords(&options)?;
        let SdfOptions { library, pairs, key_encryption_key, sessions, timeout, .. } = options;
        let (kept, device, refused) = (Mutex::new(None), Mutex::new(None), Mutex::new(BTreeSet::new()));
        let access = Access { path: library, library: kept, device, passwords, refused };
        let calls = Calls::start(access, Bounds { sessions, timeout })?;
        let description = calls.call(|access, open| {
            open.session.identity().map_err(|fault| access.refusal(fault, "its own description"))
        })?;
        Ok(Self { calls, description, pairs, key_encryption_key })
    }
}

/// The public key of a pair of the device.
fn exported(open: &OpenSession, index: u32, wanted: PairUse) -> Result<sm2::PublicKey, Fault> {
    let point = open.session.public_key(index, wanted == PairUse::Sign)?;
    sm2::PublicKey::from_bytes(&point).map_err(|_| Fault::Malformed("SDF_ExportSignPublicKey_ECC"))
}

impl Device for SdfDevice {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Sdf
    }

    fn description(&self) -> String {
        self.description.clone()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let mut bytes = Zeroizing::new(vec![0; buffer.len()]);
        let bytes = self.calls.call(move |access, open| {
            open.session.random(&mut bytes).map_err(|fault| access.refusal(fault, "random bytes"))?;
            Ok(bytes)
        })?;
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    fn hash(&self, message: &[u8]) -> Result<[u8; 32], DeviceError> {
        let message = message.to_vec();
        self.calls.call(move |access, open| open.session.hash(&message).map_err(|fault| access.refusal(fault, "SM3")))
    }
}

impl DeviceKeys for SdfDevice {
    /// The label stays with the row: the device has no place for it.
    fn generate(
        &self,
        _: &str,
        kind: PairKind,
        wanted: PairUse,
        taken: &[KeyHandle],
    ) -> Result<(KeyHandle, DevicePublicKey), DeviceError> {
        if kind != PairKind::Sm2 {
            return Err(DeviceError::MechanismMissing { what: "key pairs other than SM2" });
        }
        let word = if wanted == PairUse::Sign { "sign" } else { "decrypt" };
        let handles = self.pairs.iter().filter_map(|index| {
            let handle = KeyHandle::parse(&format!("{word}:{index}"))?;
            (!taken.contains(&handle)).then_some((*index, handle))
        });
        for (index, handle) in handles {
            let sought = handle.clone();
            let found = self.calls.call(move |access, open| {
                let key = exported(open, index, wanted);
                key.map_err(|fault| access.key_refusal(fault, "SM2 key pairs", &sought))
            });
            match found {
                Ok(key) => return Ok((handle, DevicePublicKey::Sm2(key))),
                // An index that the administration has not filled.
                Err(DeviceError::KeyAbsent { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(DeviceError::NoFreePair)
    }

    fn public_key(&self, handle: &KeyHandle) -> Result<DevicePublicKey, DeviceError> {
        let Some(Place::Pair { index, wanted }) = place(handle) else { return Err(absent(handle)) };
        let handle = handle.clone();
        let key = self.calls.call(move |access, open| {
            let key = exported(open, index, wanted);
            key.map_err(|fault| access.key_refusal(fault, "SM2 key pairs", &handle))
        })?;
        Ok(DevicePublicKey::Sm2(key))
    }

    fn sign(&self, handle: &KeyHandle, scheme: Scheme, digest: &[u8]) -> Result<Vec<u8>, DeviceError> {
        if scheme != Scheme::Sm2 {
            return Err(DeviceError::MechanismMissing { what: "signatures other than SM2" });
        }
        let (index, handle, digest) = (pair(handle, PairUse::Sign)?, handle.clone(), digest.to_vec());
        self.calls.call(move |access, open| {
            open.access(access, index)?;
            let value = open.session.sign(index, &digest);
            value.map_err(|fault| open.denied(access, fault, index, "SM2 signatures", &handle))
        })
    }

    fn verify(&self, key: &DevicePublicKey, scheme: Scheme, digest: &[u8], value: &[u8]) -> Result<bool, DeviceError> {
        let (DevicePublicKey::Sm2(key), Scheme::Sm2) = (key, scheme) else {
            return Err(DeviceError::MechanismMissing { what: "signatures other than SM2" });
        };
        let (point, digest, value) = (key.to_bytes(), digest.to_vec(), value.to_vec());
        self.calls.call(move |access, open| {
            let verified = open.session.verify(&point, &digest, &value);
            verified.map_err(|fault| access.refusal(fault, "SM2 verification"))
        })
    }

    fn decrypt(&self, handle: &KeyHandle, ciphertext: &[u8]) -> Result<Secret, DeviceError> {
        let (index, handle, ciphertext) = (pair(handle, PairUse::Decrypt)?, handle.clone(), ciphertext.to_vec());
        let text = self.calls.call(move |access, open| {
            open.access(access, index)?;
            let text = open.session.decrypt(index, &ciphertext);
            let text = text.map_err(|fault| open.denied(access, fault, index, "SM2 decryption", &handle))?;
            text.ok_or(DeviceError::SealBroken)
        })?;
        Ok(Secret::new(text.to_vec()))
    }

    /// Pairs are destroyed by the device's own administration.
    fn destroy(&self, handle: &KeyHandle) -> Result<(), DeviceError> {
        match place(handle) {
            Some(Place::Pair { .. }) => Err(DeviceError::MechanismMissing { what: "the destruction of key pairs" }),
            _ => Err(absent(handle)),
        }
    }
}

/// What the value's MAC is over: its parts cannot slide into one another.
fn sealing_parts(associated: &[u8]) -> Result<Vec<u8>, DeviceError> {
    let length = u64::try_from(associated.len()).map_err(|_| DeviceError::SealBroken)?;
    Ok([b"yinxin device wrap 1", &length.to_be_bytes()[..], associated].concat())
}

impl DeviceSecrets for SdfDevice {
    fn new_secret(&self, _: &str, wanted: SecretUse) -> Result<KeyHandle, DeviceError> {
        let index = self.key_encryption_key;
        self.calls.call(move |access, open| {
            let new_key = || -> Result<String, DeviceError> {
                let (sealed, key) =
                    open.session.new_key(index).map_err(|fault| access.refusal(fault, "session keys"))?;
                open.session.destroy_key(key).map_err(|fault| access.refusal(fault, "the end of a session key"))?;
                Ok(hex(&sealed))
            };
            let text = match wanted {
                SecretUse::Mac => format!("mac:{index}:{}", new_key()?),
                SecretUse::Wrap => format!("wrap:{index}:{}:{}", new_key()?, new_key()?),
            };
            KeyHandle::parse(&text).ok_or(DeviceError::Malformed { function: "SDF_GenerateKeyWithKEK" })
        })
    }

    fn mac(&self, handle: &KeyHandle, message: &[u8]) -> Result<[u8; 32], DeviceError> {
        let Some(Place::Mac { index, sealed }) = place(handle) else { return Err(absent(handle)) };
        let (handle, message) = (handle.clone(), message.to_vec());
        self.calls.call(move |access, open| {
            let key = open.key(access, index, &sealed, &handle)?;
            open.session.mac(key, &[&message]).map_err(|fault| access.refusal(fault, "HMAC-SM3"))
        })
    }

    /// SM4-CBC, then HMAC-SM3 under a key of its own: IV ‖ ciphertext ‖ MAC.
    fn wrap(&self, handle: &KeyHandle, secret: &Secret, associated: &[u8]) -> Result<Vec<u8>, DeviceError> {
        let Some(Place::Wrap { index, cipher, mac }) = place(handle) else { return Err(absent(handle)) };
        // PKCS #7 padding (RFC 5652 6.3).
        let mut text = Zeroizing::new(secret.expose().to_vec()); // to be sealed
        let padding = IV.saturating_sub(text.len() % IV);
        text.extend(std::iter::repeat_n(u8::try_from(padding).unwrap_or(0), padding));
        let (handle, bound) = (handle.clone(), sealing_parts(associated)?);
        self.calls.call(move |access, open| {
            let mut iv = [0; IV];
            open.session.random(&mut iv).map_err(|fault| access.refusal(fault, "random bytes"))?;
            let key = open.key(access, index, &cipher, &handle)?;
            let hidden = open.session.cbc(key, true, &iv, &text).map_err(|fault| access.refusal(fault, "SM4-CBC"))?;
            let key = open.key(access, index, &mac, &handle)?;
            let value = open.session.mac(key, &[&bound, &iv, &hidden]);
            let value = value.map_err(|fault| access.refusal(fault, "HMAC-SM3"))?;
            Ok([&iv[..], &hidden, &value].concat())
        })
    }

    fn unwrap(&self, handle: &KeyHandle, sealed: &[u8], associated: &[u8]) -> Result<Secret, DeviceError> {
        let Some(Place::Wrap { index, cipher, mac }) = place(handle) else { return Err(absent(handle)) };
        let (iv, rest) = sealed.split_first_chunk::<IV>().ok_or(DeviceError::SealBroken)?;
        let (hidden, value) = rest.split_last_chunk::<MAC>().ok_or(DeviceError::SealBroken)?;
        if hidden.is_empty() || hidden.len() % IV != 0 {
            return Err(DeviceError::SealBroken);
        }
        let (handle, bound) = (handle.clone(), sealing_parts(associated)?);
        let (iv, hidden, value) = (*iv, hidden.to_vec(), *value);
        let text = self.calls.call(move |access, open| {
            let key = open.key(access, index, &mac, &handle)?;
            let right = open.session.mac(key, &[&bound, &iv, &hidden]);
            let right = right.map_err(|fault| access.refusal(fault, "HMAC-SM3"))?;
            if !bool::from(right.ct_eq(&value)) {
                return Err(DeviceError::SealBroken);
            }
            let key = open.key(access, index, &cipher, &handle)?;
            open.session.cbc(key, false, &iv, &hidden).map_err(|fault| access.refusal(fault, "SM4-CBC"))
        })?;
        // Authentic, so the padding is ours: what is not, no key of ours made.
        let padding = text.last().map_or(0, |octet| usize::from(*octet));
        let length = text.len().checked_sub(padding).filter(|_| (1..=IV).contains(&padding));
        let (text, _) = length.and_then(|length| text.split_at_checked(length)).ok_or(DeviceError::SealBroken)?;
        Ok(Secret::new(text.to_vec()))
    }
}
