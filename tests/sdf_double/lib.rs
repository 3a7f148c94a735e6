//! A double of an SDF device (GM/T 0018) for tests, as a library with the interface's C functions, over RustCrypto crates.
//!
//! Shares no code with the service. `sdf_double_set` makes it fail; `sdf_double_count` tells what it was asked. Pairs
//! stand at the indexes 1 to 3, their passwords are `password-INDEX`; a key-encryption key stands at index 1.
//!
//! A device begins anew with each process, unless `SDF_DOUBLE_STATE` names a folder: then its keys stand in the file
//! `keys` there, and it is gone while a file `gone` is there.
#![expect(unsafe_code, reason = "the interface is C")]
#![expect(missing_docs, reason = "the functions are GM/T 0018's")]
#![expect(clippy::unwrap_used, clippy::missing_safety_doc, reason = "a double for tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sm2::dsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm2::elliptic_curve::sec1::ToSec1Point;
use sm2::{ProjectivePoint, PublicKey, SecretKey};
use sm3::{Digest, Sm3};
use sm4::Sm4;
use sm4::cipher::{BlockCipherDecrypt, BlockCipherEncrypt};

const OK: u32 = 0;
const NOT_SUPPORTED: u32 = 0x0100_0002;
const COMMUNICATION: u32 = 0x0100_0003;
const DENIED: u32 = 0x0100_0007;
const NO_KEY: u32 = 0x0100_0008;
const ALGORITHM: u32 = 0x0100_0009;
const VERIFY: u32 = 0x0100_000e;
const STEP: u32 = 0x0100_0010;
const CIPHERTEXT: u32 = 0x0100_0016;
const ACCESS: u32 = 0x0100_0018;
const ARGUMENT: u32 = 0x0100_001d;
const ID: &str = "1234567812345678";

/// What `sdf_double_set` sets and `sdf_double_count` counts.
mod control {
    pub(crate) const GONE: u32 = 0;
    pub(crate) const SLOW: u32 = 1;
    pub(crate) const BAD_SIGNATURE: u32 = 2;
    pub(crate) const NO_MAC: u32 = 3;
    pub(crate) const DENY: u32 = 4;
    pub(crate) const PASSWORDS: u32 = 100;
    pub(crate) const RANDOM: u32 = 101;
    pub(crate) const SIGNATURES: u32 = 102;
    pub(crate) const MACS: u32 = 103;
}

struct Pair {
    sign: SecretKey,
    decrypt: SecretKey,
}

#[derive(Default)]
struct Session {
    granted: BTreeSet<u32>,
    keys: BTreeMap<usize, [u8; 16]>,
    hash: Option<Sm3>,
    mac: Option<Hmac<Sm3>>,
}

#[derive(Default)]
struct Device {
    settings: BTreeMap<u32, u32>,
    counts: BTreeMap<u32, u32>,
    pairs: BTreeMap<u32, Pair>,
    key_encryption_keys: BTreeMap<u32, [u8; 16]>,
    open: BTreeSet<usize>,
    sessions: BTreeMap<usize, Session>,
    last: usize,
}

impl Device {
    fn new() -> Self {
        let keys = state("keys");
        let kept = keys.as_ref().and_then(|path| std::fs::read(path).ok()).unwrap_or_else(|| {
            let mut octets = (0..6).flat_map(|_| secret().to_bytes()).collect::<Vec<_>>();
            let mut key = [0; 16];
            random(&mut key);
            octets.extend(key);
            if let Some(path) = &keys {
                std::fs::write(path, &octets).unwrap();
            }
            octets
        });
        let (secrets, rest) = kept.as_chunks::<32>();
        let secret = |at: usize| SecretKey::from_slice(secrets.get(at).unwrap()).unwrap();
        let mut device = Self::default();
        for (index, at) in [(1, 0), (2, 2), (3, 4)] {
            device.pairs.insert(index, Pair { sign: secret(at), decrypt: secret(at + 1) });
        }
        device.key_encryption_keys.insert(1, rest.try_into().unwrap());
        device
    }

    /// Whether the device is away. What was open stays dead when it is back.
    fn is_gone(&mut self) -> bool {
        let gone = self.setting(control::GONE) != 0 || state("gone").is_some_and(|path| path.exists());
        if gone {
            self.open.clear();
            self.sessions.clear();
        }
        gone
    }

    fn setting(&self, what: u32) -> u32 {
        self.settings.get(&what).copied().unwrap_or(0)
    }

    fn counted(&mut self, what: u32) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn handle(&mut self) -> usize {
        self.last += 1;
        self.last
    }
}

static DEVICE: LazyLock<Mutex<Device>> = LazyLock::new(|| Mutex::new(Device::new()));

fn device() -> MutexGuard<'static, Device> {
    DEVICE.lock().unwrap()
}

/// A file of a device that outlives its process.
fn state(name: &str) -> Option<PathBuf> {
    std::env::var_os("SDF_DOUBLE_STATE").map(|folder| PathBuf::from(folder).join(name))
}

fn secret() -> SecretKey {
    loop {
        let mut bytes = [0; 32];
        random(&mut bytes);
        if let Ok(key) = SecretKey::from_slice(&bytes) {
            return key;
        }
    }
}

fn random(bytes: &mut [u8]) {
    std::fs::File::open("/dev/urandom").unwrap().read_exact(bytes).unwrap();
}

/// Runs on a session of a device that is there.
fn on(session: *mut c_void, work: impl FnOnce(&mut Device, &mut Session) -> Result<(), u32>) -> u32 {
    let mut device = device();
    if device.is_gone() {
        return COMMUNICATION;
    }
    let Some(mut state) = device.sessions.remove(&session.addr()) else { return COMMUNICATION };
    let result = work(&mut device, &mut state);
    device.sessions.insert(session.addr(), state);
    result.err().unwrap_or(OK)
}

unsafe fn octets<'a>(start: *const u8, length: u32) -> &'a [u8] {
    if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(start, usize::try_from(length).unwrap()) } }
}

unsafe fn give(bytes: &[u8], to: *mut u8, length: *mut u32) -> Result<(), u32> {
    unsafe {
        if usize::try_from(*length).unwrap() < bytes.len() {
            return Err(ARGUMENT);
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        *length = u32::try_from(bytes.len()).unwrap();
    }
    Ok(())
}

/// Makes the device fail: 0 gone, 1 milliseconds per signature, 2 wrong signatures, 3 no HMAC, 4 rights are lost.
#[unsafe(no_mangle)]
pub extern "C" fn sdf_double_set(what: u32, value: u32) {
    let mut device = device();
    device.settings.insert(what, value);
    device.is_gone();
    if what == control::DENY {
        for session in device.sessions.values_mut() {
            session.granted.clear();
        }
    }
}

/// How often it was asked: 100 for access by password, 101 for random bytes, 102 for signatures, 103 for MACs.
#[unsafe(no_mangle)]
pub extern "C" fn sdf_double_count(what: u32) -> u32 {
    device().counts.get(&what).copied().unwrap_or(0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_OpenDevice(handle: *mut *mut c_void) -> u32 {
    let mut device = device();
    if device.is_gone() {
        return 0x0100_0005;
    }
    let number = device.handle();
    device.open.insert(number);
    unsafe { *handle = std::ptr::without_provenance_mut(number) };
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn SDF_CloseDevice(handle: *mut c_void) -> u32 {
    if device().open.remove(&handle.addr()) { OK } else { ARGUMENT }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_OpenSession(handle: *mut c_void, session: *mut *mut c_void) -> u32 {
    let mut device = device();
    if device.is_gone() || !device.open.contains(&handle.addr()) {
        return 0x0100_0006;
    }
    let number = device.handle();
    device.sessions.insert(number, Session::default());
    unsafe { *session = std::ptr::without_provenance_mut(number) };
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn SDF_CloseSession(session: *mut c_void) -> u32 {
    if device().sessions.remove(&session.addr()).is_some() { OK } else { COMMUNICATION }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_GetDeviceInfo(session: *mut c_void, record: *mut u8) -> u32 {
    on(session, |_, _| {
        let mut written = [0_u8; 100];
        for (at, text) in [(0, "Double Works"), (40, "SDF-0"), (56, "20261122")] {
            for (to, from) in written.iter_mut().skip(at).zip(text.bytes()) {
                *to = from;
            }
        }
        unsafe { std::ptr::copy_nonoverlapping(written.as_ptr(), record, written.len()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_GenerateRandom(session: *mut c_void, length: u32, to: *mut u8) -> u32 {
    on(session, |device, _| {
        device.counted(control::RANDOM);
        random(unsafe { std::slice::from_raw_parts_mut(to, usize::try_from(length).unwrap()) });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_GetPrivateKeyAccessRight(
    session: *mut c_void,
    index: u32,
    password: *const u8,
    length: u32,
) -> u32 {
    on(session, |device, session| {
        device.counted(control::PASSWORDS);
        let right = unsafe { octets(password, length) } == format!("password-{index}").as_bytes();
        if !right {
            return Err(ACCESS);
        }
        session.granted.insert(index);
        Ok(())
    })
}

unsafe fn export(session: *mut c_void, index: u32, record: *mut u8, which: fn(&Pair) -> &SecretKey) -> u32 {
    on(session, |device, _| {
        let key = which(device.pairs.get(&index).ok_or(NO_KEY)?).public_key();
        let point = key.as_affine().to_sec1_point(false);
        let (x, y) = point.as_bytes().split_at(1).1.split_at(32);
        let zeros = [0; 32];
        let written = [&256_u32.to_ne_bytes()[..], &zeros, x, &zeros, y].concat();
        unsafe { std::ptr::copy_nonoverlapping(written.as_ptr(), record, written.len()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_ExportSignPublicKey_ECC(session: *mut c_void, index: u32, record: *mut u8) -> u32 {
    unsafe { export(session, index, record, |pair| &pair.sign) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_ExportEncPublicKey_ECC(session: *mut c_void, index: u32, record: *mut u8) -> u32 {
    unsafe { export(session, index, record, |pair| &pair.decrypt) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_InternalSign_ECC(
    session: *mut c_void,
    index: u32,
    digest: *const u8,
    length: u32,
    record: *mut u8,
) -> u32 {
    // As a device would: others go on meanwhile.
    let slow = device().setting(control::SLOW);
    std::thread::sleep(Duration::from_millis(slow.into()));
    on(session, |device, session| {
        device.counted(control::SIGNATURES);
        let pair = device.pairs.get(&index).ok_or(NO_KEY)?;
        if !session.granted.contains(&index) {
            return Err(DENIED);
        }
        let digest = unsafe { octets(digest, length) };
        if digest.len() != 32 {
            return Err(ARGUMENT);
        }
        let key = SigningKey::from_slice(ID, &pair.sign.to_bytes()).unwrap();
        let signature: Signature = key.sign_prehash(digest).unwrap();
        let mut value = signature.to_bytes().to_vec();
        if device.setting(control::BAD_SIGNATURE) != 0 {
            *value.last_mut().unwrap() ^= 1;
        }
        let (r, s) = value.split_at(32);
        let written = [&[0; 32][..], r, &[0; 32], s].concat();
        unsafe { std::ptr::copy_nonoverlapping(written.as_ptr(), record, written.len()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_ExternalVerify_ECC(
    session: *mut c_void,
    algorithm: u32,
    key: *const u8,
    digest: *const u8,
    length: u32,
    signature: *const u8,
) -> u32 {
    on(session, |_, _| {
        if algorithm != 0x0002_0200 {
            return Err(ALGORITHM);
        }
        let (key, value) = unsafe { (octets(key, 132), octets(signature, 128)) };
        let end = |from: usize| key.iter().copied().skip(from + 32).take(32);
        let point = [4].into_iter().chain(end(4)).chain(end(68)).collect::<Vec<u8>>();
        let key = PublicKey::from_sec1_bytes(&point).map_err(|_| ARGUMENT)?;
        let end = |from: usize| value.iter().copied().skip(from + 32).take(32);
        let value = end(0).chain(end(64)).collect::<Vec<u8>>();
        let signature = Signature::from_slice(&value).map_err(|_| VERIFY)?;
        let key = VerifyingKey::new(ID, key).map_err(|_| ARGUMENT)?;
        key.verify_prehash(unsafe { octets(digest, length) }, &signature).map_err(|_| VERIFY)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_InternalDecrypt_ECC(
    session: *mut c_void,
    index: u32,
    algorithm: u32,
    record: *const u8,
    text: *mut u8,
    written: *mut u32,
) -> u32 {
    on(session, |device, session| {
        if algorithm != 0x0002_0800 {
            return Err(ALGORITHM);
        }
        let pair = device.pairs.get(&index).ok_or(NO_KEY)?;
        if !session.granted.contains(&index) {
            return Err(DENIED);
        }
        let head = unsafe { octets(record, 164) };
        let at = |from: usize, length: usize| head.iter().copied().skip(from).take(length).collect::<Vec<u8>>();
        let point = [vec![4], at(32, 32), at(96, 32)].concat();
        let length = u32::from_ne_bytes(at(160, 4).try_into().unwrap());
        let hidden = unsafe { octets(record.add(164), length) };
        let point = PublicKey::from_sec1_bytes(&point).map_err(|_| CIPHERTEXT)?;
        let shared = ProjectivePoint::from(*point.as_affine()) * *pair.decrypt.to_nonzero_scalar();
        let shared = shared.to_affine().to_sec1_point(false);
        let (x, y) = shared.as_bytes().split_at(1).1.split_at(32);
        let stream = (1_u32..).flat_map(|counter| {
            Sm3::new().chain_update(x).chain_update(y).chain_update(counter.to_be_bytes()).finalize().to_vec()
        });
        let message = hidden.iter().zip(stream).map(|(octet, key)| octet ^ key).collect::<Vec<u8>>();
        let check = Sm3::new().chain_update(x).chain_update(&message).chain_update(y).finalize();
        if check.to_vec() != at(128, 32) {
            return Err(CIPHERTEXT);
        }
        unsafe { give(&message, text, written) }
    })
}

fn block(key: [u8; 16], block: [u8; 16], encrypt: bool) -> [u8; 16] {
    let cipher = Sm4::new(&key.into());
    let mut block = block.into();
    if encrypt {
        cipher.encrypt_block(&mut block)
    } else {
        cipher.decrypt_block(&mut block)
    }
    block.into()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_GenerateKeyWithKEK(
    session: *mut c_void,
    bits: u32,
    algorithm: u32,
    index: u32,
    sealed: *mut u8,
    length: *mut u32,
    handle: *mut *mut c_void,
) -> u32 {
    on(session, |device, session| {
        if bits != 128 || algorithm != 0x0401 {
            return Err(ALGORITHM);
        }
        let kek = *device.key_encryption_keys.get(&index).ok_or(NO_KEY)?;
        let mut key = [0; 16];
        random(&mut key);
        let number = device.handle();
        session.keys.insert(number, key);
        unsafe {
            *handle = std::ptr::without_provenance_mut(number);
            give(&block(kek, key, true), sealed, length)
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_ImportKeyWithKEK(
    session: *mut c_void,
    algorithm: u32,
    index: u32,
    sealed: *const u8,
    length: u32,
    handle: *mut *mut c_void,
) -> u32 {
    on(session, |device, session| {
        if algorithm != 0x0401 {
            return Err(ALGORITHM);
        }
        let kek = *device.key_encryption_keys.get(&index).ok_or(NO_KEY)?;
        let sealed = <[u8; 16]>::try_from(unsafe { octets(sealed, length) }).map_err(|_| ARGUMENT)?;
        let number = device.handle();
        session.keys.insert(number, block(kek, sealed, false));
        unsafe { *handle = std::ptr::without_provenance_mut(number) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn SDF_DestroyKey(session: *mut c_void, key: *mut c_void) -> u32 {
    on(session, |_, session| session.keys.remove(&key.addr()).map(|_| ()).ok_or(NO_KEY))
}

unsafe fn cbc(
    session: *mut c_void,
    key: *mut c_void,
    algorithm: u32,
    iv: *mut u8,
    input: (*const u8, u32),
    output: (*mut u8, *mut u32),
    encrypt: bool,
) -> u32 {
    on(session, |_, session| {
        if algorithm != 0x0402 || !input.1.is_multiple_of(16) {
            return Err(ALGORITHM);
        }
        let key = *session.keys.get(&key.addr()).ok_or(NO_KEY)?;
        let mut before = <[u8; 16]>::try_from(unsafe { octets(iv, 16) }).unwrap();
        let mut written = Vec::new();
        let exclusive_or = |one: [u8; 16], two: [u8; 16]| {
            let mut both = one;
            both.iter_mut().zip(two).for_each(|(to, from)| *to ^= from);
            both
        };
        for chunk in unsafe { octets(input.0, input.1) }.as_chunks::<16>().0 {
            if encrypt {
                before = block(key, exclusive_or(*chunk, before), true);
                written.extend(before);
            } else {
                written.extend(exclusive_or(block(key, *chunk, false), before));
                before = *chunk;
            }
        }
        unsafe {
            std::ptr::copy_nonoverlapping(before.as_ptr(), iv, 16);
            give(&written, output.0, output.1)
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_Encrypt(
    session: *mut c_void,
    key: *mut c_void,
    algorithm: u32,
    iv: *mut u8,
    text: *const u8,
    length: u32,
    to: *mut u8,
    written: *mut u32,
) -> u32 {
    unsafe { cbc(session, key, algorithm, iv, (text, length), (to, written), true) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_Decrypt(
    session: *mut c_void,
    key: *mut c_void,
    algorithm: u32,
    iv: *mut u8,
    text: *const u8,
    length: u32,
    to: *mut u8,
    written: *mut u32,
) -> u32 {
    unsafe { cbc(session, key, algorithm, iv, (text, length), (to, written), false) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_HashInit(
    session: *mut c_void,
    algorithm: u32,
    _key: *const u8,
    _id: *const u8,
    length: u32,
) -> u32 {
    on(session, |_, session| {
        if algorithm != 1 || length != 0 {
            return Err(ALGORITHM);
        }
        session.hash = Some(Sm3::new());
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_HashUpdate(session: *mut c_void, from: *const u8, length: u32) -> u32 {
    on(session, |_, session| {
        session.hash.as_mut().ok_or(STEP)?.update(unsafe { octets(from, length) });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_HashFinal(session: *mut c_void, to: *mut u8, length: *mut u32) -> u32 {
    on(session, |_, session| unsafe { give(&session.hash.take().ok_or(STEP)?.finalize(), to, length) })
}

#[unsafe(no_mangle)]
pub extern "C" fn SDF_HMACInit(session: *mut c_void, key: *mut c_void, algorithm: u32) -> u32 {
    on(session, |device, session| {
        if device.setting(control::NO_MAC) != 0 {
            return Err(NOT_SUPPORTED);
        }
        if algorithm != 1 {
            return Err(ALGORITHM);
        }
        device.counted(control::MACS);
        let key = session.keys.get(&key.addr()).ok_or(NO_KEY)?;
        session.mac = Some(Hmac::new_from_slice(key).unwrap());
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_HMACUpdate(session: *mut c_void, from: *const u8, length: u32) -> u32 {
    on(session, |_, session| {
        session.mac.as_mut().ok_or(STEP)?.update(unsafe { octets(from, length) });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn SDF_HMACFinal(session: *mut c_void, to: *mut u8, length: *mut u32) -> u32 {
    on(session, |_, session| unsafe { give(&session.mac.take().ok_or(STEP)?.finalize().into_bytes(), to, length) })
}
