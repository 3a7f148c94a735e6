//! The C functions of an SDF library (GM/T 0018), found by name when they are used, behind safe calls.
//!
//! Functions, structures, identifiers and codes are those that published headers of several makers agree on; the text
//! of the standard was not at hand, so clause numbers (edition 2012) are as remembered. Two functions are outside the
//! 2012 edition: `SDF_HMAC…` is of the 2023 edition, `SDF_InternalDecrypt_ECC` is common among makers.
#![expect(unsafe_code, reason = "the interface is C, in a library that is chosen at run time")]
#![expect(clippy::too_many_arguments, reason = "as many as the interface's functions have")]

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::Arc;

use zeroize::{Zeroize, Zeroizing};

use crate::service::keys::device::DeviceError;

/// Octets of a field of `ECCref` structures (`ECCref_MAX_LEN`): 512 bits, the number at their end (5.3.3).
const FIELD: usize = 64;
/// Most octets that an SM2 ciphertext may hide here.
const TEXT: usize = 1024;
/// Octets handed over at once.
const CHUNK: usize = 64 * 1024;

/// `SGD_SM2_1`, SM2 signatures (GM/T 0006).
const SM2_SIGN: u32 = 0x0002_0200;
/// `SGD_SM2_3`, SM2 encryption (GM/T 0006; headers differ between this and 0x00020400, which others give to `SGD_SM2_2`).
const SM2_ENCRYPT: u32 = 0x0002_0800;
/// `SGD_SM4_ECB` (GM/T 0006): what session keys are kept under.
const SM4_ECB: u32 = 0x0000_0401;
/// `SGD_SM4_CBC` (GM/T 0006).
const SM4_CBC: u32 = 0x0000_0402;
/// `SGD_SM3` (GM/T 0006).
const SM3: u32 = 0x0000_0001;
/// Bits of a session key: what SM4 takes.
const KEY_BITS: u32 = 128;

/// Codes (`SDR_…`, annex A) that mean something to us.
pub(super) mod code {
    pub(in crate::service::keys::sdf) const NOT_SUPPORTED: u32 = 0x0100_0002;
    pub(in crate::service::keys::sdf) const COMMUNICATION: u32 = 0x0100_0003;
    pub(in crate::service::keys::sdf) const HARDWARE: u32 = 0x0100_0004;
    pub(in crate::service::keys::sdf) const OPEN_DEVICE: u32 = 0x0100_0005;
    pub(in crate::service::keys::sdf) const OPEN_SESSION: u32 = 0x0100_0006;
    pub(in crate::service::keys::sdf) const PRIVATE_KEY_DENIED: u32 = 0x0100_0007;
    pub(in crate::service::keys::sdf) const NO_KEY: u32 = 0x0100_0008;
    pub(in crate::service::keys::sdf) const ALGORITHM: u32 = 0x0100_0009;
    pub(in crate::service::keys::sdf) const MODE: u32 = 0x0100_000a;
    pub(in crate::service::keys::sdf) const VERIFY: u32 = 0x0100_000e;
    /// Of a key index that is empty, on some devices.
    pub(in crate::service::keys::sdf) const KEY: u32 = 0x0100_0015;
    pub(in crate::service::keys::sdf) const CIPHERTEXT: u32 = 0x0100_0016;
    pub(in crate::service::keys::sdf) const ACCESS_RIGHT: u32 = 0x0100_0018;
}

/// `DEVICEINFO` (5.3.1).
#[repr(C)]
struct DeviceRecord {
    issuer_name: [u8; 40],
    device_name: [u8; 16],
    device_serial: [u8; 16],
    device_version: u32,
    standard_version: u32,
    asymmetric: [u32; 2],
    symmetric: u32,
    hash: u32,
    buffer_size: u32,
}

/// `ECCrefPublicKey` (5.3.3).
#[repr(C)]
struct PublicKeyRecord {
    bits: u32,
    x: [u8; FIELD],
    y: [u8; FIELD],
}

/// `ECCSignature` (5.3.5).
#[repr(C)]
struct SignatureRecord {
    r: [u8; FIELD],
    s: [u8; FIELD],
}

/// `ECCCipher` (5.3.4). `c` ends it with as many octets as there are; here with the most that we send.
#[repr(C)]
struct CipherRecord {
    x: [u8; FIELD],
    y: [u8; FIELD],
    m: [u8; 32],
    length: u32,
    c: [u8; TEXT],
}

/// A number for the library alone: a device, a session or a key.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
struct Handle(*mut c_void);

// SAFETY: we never look behind a handle. A device's handle may be used by all threads of a process, each with a
// session of its own (GM/T 0018 5.2, as remembered); handles of sessions and keys stay on one thread.
unsafe impl Send for Handle {}
// SAFETY: as for `Send`.
unsafe impl Sync for Handle {}

/// Why a call gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The library lacks the function.
    Missing(&'static str),
    /// The function's code.
    Code(&'static str, u32),
    /// An answer that cannot be right.
    Malformed(&'static str),
}

/// A loaded library. It stays loaded: makers' libraries may have threads of their own.
pub(super) struct Library {
    library: ManuallyDrop<libloading::Library>,
}

macro_rules! functions {
    ($($(#[$clause:meta])* $name:ident = $symbol:literal ($($argument:ident: $kind:ty),*);)*) => {
        impl Library {
            $(
                $(#[$clause])*
                ///
                /// # Safety
                /// Each pointer is good for what the function reads and writes behind it.
                unsafe fn $name(&self, $($argument: $kind),*) -> Result<(), Fault> {
                    // SAFETY: the type is the one that makers' headers declare for this name; the library stays loaded.
                    let function = unsafe {
                        self.library.get::<unsafe extern "C" fn($($kind),*) -> u32>($symbol.as_bytes())
                    };
                    let function = function.map_err(|_| Fault::Missing($symbol))?;
                    // SAFETY: the caller answers for the pointers.
                    match unsafe { function($($argument),*) } {
                        0 => Ok(()),
                        code => Err(Fault::Code($symbol, code)),
                    }
                }
            )*
        }
    };
}

functions! {
    /// 6.2.1
    raw_open_device = "SDF_OpenDevice"(device: *mut Handle);
    /// 6.2.2
    raw_close_device = "SDF_CloseDevice"(device: Handle);
    /// 6.2.3
    raw_open_session = "SDF_OpenSession"(device: Handle, session: *mut Handle);
    /// 6.2.4
    raw_close_session = "SDF_CloseSession"(session: Handle);
    /// 6.2.5
    raw_identity = "SDF_GetDeviceInfo"(session: Handle, record: *mut DeviceRecord);
    /// 6.2.6
    raw_random = "SDF_GenerateRandom"(session: Handle, length: u32, octets: *mut u8);
    /// 6.2.7
    raw_access = "SDF_GetPrivateKeyAccessRight"(session: Handle, index: u32, password: *const u8, length: u32);
    /// 6.3.9
    raw_sign_key = "SDF_ExportSignPublicKey_ECC"(session: Handle, index: u32, key: *mut PublicKeyRecord);
    /// 6.3.10
    raw_encrypt_key = "SDF_ExportEncPublicKey_ECC"(session: Handle, index: u32, key: *mut PublicKeyRecord);
    /// 6.3.18
    raw_new_key = "SDF_GenerateKeyWithKEK"(
        session: Handle, bits: u32, algorithm: u32, index: u32, sealed: *mut u8, length: *mut u32, key: *mut Handle
    );
    /// 6.3.19
    raw_import_key = "SDF_ImportKeyWithKEK"(
        session: Handle, algorithm: u32, index: u32, sealed: *const u8, length: u32, key: *mut Handle
    );
    /// 6.3.20
    raw_destroy_key = "SDF_DestroyKey"(session: Handle, key: Handle);
    /// 6.4.5
    raw_verify = "SDF_ExternalVerify_ECC"(
        session: Handle, algorithm: u32, key: *const PublicKeyRecord, digest: *const u8, length: u32,
        signature: *const SignatureRecord
    );
    /// 6.4.6
    raw_sign = "SDF_InternalSign_ECC"(
        session: Handle, index: u32, digest: *const u8, length: u32, signature: *mut SignatureRecord
    );
    /// Of makers.
    raw_decrypt = "SDF_InternalDecrypt_ECC"(
        session: Handle, index: u32, algorithm: u32, ciphertext: *const CipherRecord, text: *mut u8, length: *mut u32
    );
    /// 6.5.1
    raw_encrypt_block = "SDF_Encrypt"(
        session: Handle, key: Handle, algorithm: u32, iv: *mut u8, text: *const u8, length: u32,
        ciphertext: *mut u8, written: *mut u32
    );
    /// 6.5.2
    raw_decrypt_block = "SDF_Decrypt"(
        session: Handle, key: Handle, algorithm: u32, iv: *mut u8, ciphertext: *const u8, length: u32,
        text: *mut u8, written: *mut u32
    );
    /// 6.6.1
    raw_hash_begin = "SDF_HashInit"(
        session: Handle, algorithm: u32, key: *const PublicKeyRecord, id: *const u8, length: u32
    );
    /// 6.6.2
    raw_hash_more = "SDF_HashUpdate"(session: Handle, octets: *const u8, length: u32);
    /// 6.6.3
    raw_hash_end = "SDF_HashFinal"(session: Handle, digest: *mut u8, length: *mut u32);
    /// Edition 2023.
    raw_mac_begin = "SDF_HMACInit"(session: Handle, key: Handle, algorithm: u32);
    /// Edition 2023.
    raw_mac_more = "SDF_HMACUpdate"(session: Handle, octets: *const u8, length: u32);
    /// Edition 2023.
    raw_mac_end = "SDF_HMACFinal"(session: Handle, mac: *mut u8, length: *mut u32);
}

/// The length as the interface counts.
fn count(octets: &[u8]) -> Result<u32, Fault> {
    u32::try_from(octets.len()).map_err(|_| Fault::Malformed("a length"))
}

/// A number of 32 octets at the end of its field.
fn field(number: &[u8; 32]) -> [u8; FIELD] {
    let mut field = [0; FIELD];
    if let Some(end) = field.last_chunk_mut() {
        *end = *number;
    }
    field
}

/// The same way back; what precedes the number must be zero.
fn number(field: &[u8; FIELD], function: &'static str) -> Result<[u8; 32], Fault> {
    match field.split_last_chunk::<32>() {
        Some((before, number)) if before.iter().all(|octet| *octet == 0) => Ok(*number),
        _ => Err(Fault::Malformed(function)),
    }
}

/// Numbers of an uncompressed point.
fn coordinates(point: &[u8; 65]) -> ([u8; FIELD], [u8; FIELD]) {
    let (_, rest) = point.split_at(1);
    let x = rest.first_chunk().map_or([0; FIELD], field);
    let y = rest.last_chunk().map_or([0; FIELD], field);
    (x, y)
}

fn text(octets: &[u8]) -> String {
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    String::from_utf8_lossy(octets.split_at(end).0).trim().chars().filter(|c| !c.is_control()).collect()
}

impl Library {
    /// Loads a library that has what every device must have.
    pub(super) fn load(path: &Path) -> Result<Self, DeviceError> {
        let unusable = |reason: String| DeviceError::Library { path: path.to_owned(), reason };
        // SAFETY: the operator names the library of the device's maker in the configuration; loading runs its code.
        let library = unsafe { libloading::Library::new(path) }.map_err(|error| unusable(error.to_string()))?;
        let library = ManuallyDrop::new(library);
        for name in ["SDF_OpenDevice", "SDF_CloseDevice", "SDF_OpenSession", "SDF_CloseSession", "SDF_GetDeviceInfo"] {
            // SAFETY: the symbol is looked for, not used.
            let found = unsafe { library.get::<unsafe extern "C" fn()>(name.as_bytes()) }.is_ok();
            if !found {
                return Err(unusable(format!("it has no {name}")));
            }
        }
        Ok(Self { library })
    }

    /// Opens the device.
    pub(super) fn open(self: &Arc<Self>) -> Result<OpenDevice, Fault> {
        let mut handle = Handle(null_mut());
        // SAFETY: `handle` outlives the call.
        unsafe { self.raw_open_device(&raw mut handle) }?;
        Ok(OpenDevice { library: Arc::clone(self), handle })
    }
}

/// An open device; closed when its last session is.
pub(super) struct OpenDevice {
    library: Arc<Library>,
    handle: Handle,
}

impl Drop for OpenDevice {
    fn drop(&mut self) {
        // SAFETY: the handle came from this library and is closed once. A device that is gone has nothing to close.
        let _ = unsafe { self.library.raw_close_device(self.handle) };
    }
}

impl OpenDevice {
    /// Opens a session.
    pub(super) fn session(self: &Arc<Self>) -> Result<Session, Fault> {
        let mut handle = Handle(null_mut());
        // SAFETY: `handle` outlives the call.
        unsafe { self.library.raw_open_session(self.handle, &raw mut handle) }?;
        Ok(Session { device: Arc::clone(self), handle })
    }
}

/// A session.
pub(super) struct Session {
    device: Arc<OpenDevice>,
    handle: Handle,
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the handle came from this library and is closed once; its keys go with it.
        let _ = unsafe { self.device.library.raw_close_session(self.handle) };
    }
}

/// A secret key of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionKey(Handle);

impl Session {
    fn library(&self) -> &Library {
        &self.device.library
    }

    /// Maker, model and serial number.
    pub(super) fn identity(&self) -> Result<String, Fault> {
        let mut record = DeviceRecord {
            issuer_name: [0; 40],
            device_name: [0; 16],
            device_serial: [0; 16],
            device_version: 0,
            standard_version: 0,
            asymmetric: [0; 2],
            symmetric: 0,
            hash: 0,
            buffer_size: 0,
        };
        // SAFETY: `record` is as the function expects and outlives the call.
        unsafe { self.library().raw_identity(self.handle, &raw mut record) }?;
        let (maker, model) = (text(&record.issuer_name), text(&record.device_name));
        Ok(format!("SDF device: {maker} {model}, serial {}", text(&record.device_serial)))
    }

    /// Fills the buffer.
    pub(super) fn random(&self, buffer: &mut [u8]) -> Result<(), Fault> {
        for chunk in buffer.chunks_mut(CHUNK) {
            let length = count(chunk)?;
            // SAFETY: `chunk` has `length` octets.
            unsafe { self.library().raw_random(self.handle, length, chunk.as_mut_ptr()) }?;
        }
        Ok(())
    }

    /// Asks for the right to use the private keys of an index.
    pub(super) fn access(&self, index: u32, password: &[u8]) -> Result<(), Fault> {
        // SAFETY: `password` has that many octets; the function reads them.
        unsafe { self.library().raw_access(self.handle, index, password.as_ptr(), count(password)?) }
    }

    /// The public key of an index, 04‖x‖y: of the pair that signs, or of the one that decrypts.
    pub(super) fn public_key(&self, index: u32, signs: bool) -> Result<[u8; 65], Fault> {
        let mut record = PublicKeyRecord { bits: 0, x: [0; FIELD], y: [0; FIELD] };
        let name = if signs {
            // SAFETY: `record` is as the function expects and outlives the call.
            unsafe { self.library().raw_sign_key(self.handle, index, &raw mut record) }?;
            "SDF_ExportSignPublicKey_ECC"
        } else {
            // SAFETY: as above.
            unsafe { self.library().raw_encrypt_key(self.handle, index, &raw mut record) }?;
            "SDF_ExportEncPublicKey_ECC"
        };
        if record.bits != 256 {
            return Err(Fault::Malformed(name));
        }
        let octets = [&[4][..], &number(&record.x, name)?, &number(&record.y, name)?].concat();
        <[u8; 65]>::try_from(octets).map_err(|_| Fault::Malformed(name))
    }

    /// r‖s over e, by the pair of an index.
    pub(super) fn sign(&self, index: u32, digest: &[u8]) -> Result<Vec<u8>, Fault> {
        const NAME: &str = "SDF_InternalSign_ECC";
        let mut record = SignatureRecord { r: [0; FIELD], s: [0; FIELD] };
        // SAFETY: `digest` has that many octets; `record` is as the function expects and outlives the call.
        unsafe { self.library().raw_sign(self.handle, index, digest.as_ptr(), count(digest)?, &raw mut record) }?;
        Ok([number(&record.r, NAME)?, number(&record.s, NAME)?].concat())
    }

    /// Whether r‖s is right over e for the key 04‖x‖y.
    pub(super) fn verify(&self, point: &[u8; 65], digest: &[u8], value: &[u8]) -> Result<bool, Fault> {
        let Ok(value) = <[u8; 64]>::try_from(value) else { return Ok(false) };
        let (x, y) = coordinates(point);
        let key = PublicKeyRecord { bits: 256, x, y };
        let r = value.first_chunk().map_or([0; FIELD], field);
        let s = value.last_chunk().map_or([0; FIELD], field);
        let record = SignatureRecord { r, s };
        let (length, digest) = (count(digest)?, digest.as_ptr());
        // SAFETY: `digest` has `length` octets; `key` and `record` are as the function expects and outlive the call.
        let verified = unsafe {
            self.library().raw_verify(self.handle, SM2_SIGN, &raw const key, digest, length, &raw const record)
        };
        match verified {
            Ok(()) => Ok(true),
            Err(Fault::Code(_, code::VERIFY)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Opens C1‖C3‖C2 by the pair of an index; `None` when it is not such a value.
    pub(super) fn decrypt(&self, index: u32, ciphertext: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        const NAME: &str = "SDF_InternalDecrypt_ECC";
        let Some((point, rest)) = ciphertext.split_first_chunk::<65>() else { return Ok(None) };
        let Some((hash, hidden)) = rest.split_first_chunk::<32>() else { return Ok(None) };
        if point.first() != Some(&4) || hidden.is_empty() || hidden.len() > TEXT {
            return Ok(None);
        }
        let (x, y) = coordinates(point);
        let mut record = CipherRecord { x, y, m: *hash, length: count(hidden)?, c: [0; TEXT] };
        for (to, from) in record.c.iter_mut().zip(hidden) {
            *to = *from;
        }
        let mut text = Zeroizing::new(vec![0; TEXT]);
        let mut length = count(&text)?;
        let into = text.as_mut_ptr();
        // SAFETY: `record` is as the function expects; `into` has room for `length` octets; all outlive the call.
        unsafe {
            let from = &raw const record;
            self.library().raw_decrypt(self.handle, index, SM2_ENCRYPT, from, into, &raw mut length)
        }?;
        if usize::try_from(length) != Ok(hidden.len()) {
            return Err(Fault::Malformed(NAME));
        }
        text.truncate(hidden.len());
        Ok(Some(text))
    }

    /// A new secret key, and the same sealed under the device's key-encryption key of that index.
    pub(super) fn new_key(&self, index: u32) -> Result<(Vec<u8>, SessionKey), Fault> {
        let mut sealed = vec![0; 512];
        let (mut length, mut key) = (count(&sealed)?, Handle(null_mut()));
        let into = sealed.as_mut_ptr();
        // SAFETY: `into` has room for `length` octets; all outlive the call.
        unsafe {
            let (length, key) = (&raw mut length, &raw mut key);
            self.library().raw_new_key(self.handle, KEY_BITS, SM4_ECB, index, into, length, key)
        }?;
        let length = usize::try_from(length).ok().filter(|length| (16..=128).contains(length));
        sealed.truncate(length.ok_or(Fault::Malformed("SDF_GenerateKeyWithKEK"))?);
        Ok((sealed, SessionKey(key)))
    }

    /// A secret key that [`Self::new_key`] sealed.
    pub(super) fn import_key(&self, index: u32, sealed: &[u8]) -> Result<SessionKey, Fault> {
        let (length, mut key) = (count(sealed)?, Handle(null_mut()));
        let sealed = sealed.as_ptr();
        // SAFETY: `sealed` has `length` octets, which the function reads; `key` outlives the call.
        unsafe { self.library().raw_import_key(self.handle, SM4_ECB, index, sealed, length, &raw mut key) }?;
        Ok(SessionKey(key))
    }

    /// Ends a secret key.
    pub(super) fn destroy_key(&self, key: SessionKey) -> Result<(), Fault> {
        // SAFETY: the key came from this session.
        unsafe { self.library().raw_destroy_key(self.handle, key.0) }
    }

    /// SM4-CBC of whole blocks, one direction or the other.
    pub(super) fn cbc(
        &self,
        key: SessionKey,
        encrypt: bool,
        iv: &[u8; 16],
        input: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        // The function changes it.
        let mut iv = *iv;
        let mut output = Zeroizing::new(vec![0; input.len().saturating_add(16)]);
        let (length, mut written) = (count(input)?, count(&output)?);
        let (from, into, iv) = (input.as_ptr(), output.as_mut_ptr(), iv.as_mut_ptr());
        let name = if encrypt {
            // SAFETY: `iv` has 16 octets, `from` has `length`, `into` has room for `written`; all outlive the call.
            unsafe {
                let written = &raw mut written;
                self.library().raw_encrypt_block(self.handle, key.0, SM4_CBC, iv, from, length, into, written)
            }?;
            "SDF_Encrypt"
        } else {
            // SAFETY: as above.
            unsafe {
                let written = &raw mut written;
                self.library().raw_decrypt_block(self.handle, key.0, SM4_CBC, iv, from, length, into, written)
            }?;
            "SDF_Decrypt"
        };
        if written != length {
            return Err(Fault::Malformed(name));
        }
        output.truncate(input.len());
        Ok(output)
    }

    /// SM3.
    pub(super) fn hash(&self, message: &[u8]) -> Result<[u8; 32], Fault> {
        // SAFETY: without an ID the function takes no key.
        unsafe { self.library().raw_hash_begin(self.handle, SM3, null_mut(), null_mut(), 0) }?;
        for chunk in message.chunks(CHUNK) {
            // SAFETY: `chunk` has that many octets.
            unsafe { self.library().raw_hash_more(self.handle, chunk.as_ptr(), count(chunk)?) }?;
        }
        let (mut digest, mut length) = ([0; 64], 64);
        // SAFETY: `digest` has room for `length` octets; both outlive the call.
        unsafe { self.library().raw_hash_end(self.handle, digest.as_mut_ptr(), &raw mut length) }?;
        ended(&digest, length, "SDF_HashFinal")
    }

    /// HMAC-SM3.
    pub(super) fn mac(&self, key: SessionKey, parts: &[&[u8]]) -> Result<[u8; 32], Fault> {
        // SAFETY: no pointers but handles of this session.
        unsafe { self.library().raw_mac_begin(self.handle, key.0, SM3) }?;
        for chunk in parts.iter().flat_map(|part| part.chunks(CHUNK)) {
            // SAFETY: `chunk` has that many octets.
            unsafe { self.library().raw_mac_more(self.handle, chunk.as_ptr(), count(chunk)?) }?;
        }
        let (mut mac, mut length) = ([0; 64], 64);
        // SAFETY: `mac` has room for `length` octets; both outlive the call.
        unsafe { self.library().raw_mac_end(self.handle, mac.as_mut_ptr(), &raw mut length) }?;
        let value = ended(&mac, length, "SDF_HMACFinal");
        mac.zeroize();
        value
    }
}

/// 32 octets, when there are as many.
fn ended(octets: &[u8; 64], length: u32, function: &'static str) -> Result<[u8; 32], Fault> {
    match octets.first_chunk() {
        Some(digest) if length == 32 => Ok(*digest),
        _ => Err(Fault::Malformed(function)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_laid_out_as_c_does() {
        assert_eq!(size_of::<DeviceRecord>(), 40 + 16 + 16 + 7 * 4);
        assert_eq!(size_of::<PublicKeyRecord>(), 4 + 2 * 64);
        assert_eq!(size_of::<SignatureRecord>(), 2 * 64);
        assert_eq!(std::mem::offset_of!(CipherRecord, length), 2 * 64 + 32);
        assert_eq!(std::mem::offset_of!(CipherRecord, c), 2 * 64 + 32 + 4);
    }

    #[test]
    fn numbers_stand_at_the_end_of_their_fields() {
        let field = field(&[7; 32]);
        assert_eq!((&field[..32], &field[32..]), (&[0; 32][..], &[7; 32][..]));
        assert_eq!(number(&field, "f"), Ok([7; 32]));
        let mut wrong = field;
        wrong[31] = 1;
        assert_eq!(number(&wrong, "f"), Err(Fault::Malformed("f")));
    }
}
