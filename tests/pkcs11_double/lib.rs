//! A double of a PKCS#11 module with a maker's own SM2 mechanisms, as a library with the interface's C functions.
//!
//! Over RustCrypto's `sm2`; shares no code with the service. One slot with one token, labelled `double`, PIN `246810`.
//! `pkcs11_double_set` makes it fail; `pkcs11_double_count` tells what it was asked.
#![expect(unsafe_code, reason = "the interface is C")]
#![expect(clippy::unwrap_used, clippy::missing_safety_doc, reason = "a double for tests")]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::io::Read;
use std::sync::{LazyLock, Mutex, MutexGuard};

use cryptoki_sys::*;
use sm2::SecretKey;
use sm2::dsa::signature::hazmat::PrehashSigner;
use sm2::dsa::{Signature, SigningKey};
use sm2::elliptic_curve::sec1::ToSec1Point;

const SLOT: CK_SLOT_ID = 7;
const PIN: &[u8] = b"246810";
const SIGNER_ID: &str = "1234567812345678";
/// The maker's numbers.
const SM2_KEY_PAIR: CK_MECHANISM_TYPE = 0x8000_0101;
const SM2_SIGN: CK_MECHANISM_TYPE = 0x8000_0102;
/// `CKA_EC_PARAMS` of the SM2 curve: 1.2.156.10197.1.301.
const CURVE: [u8; 10] = [0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];

/// What `pkcs11_double_set` sets and `pkcs11_double_count` counts.
mod control {
    /// The token is pulled out.
    pub(crate) const GONE: u32 = 0;
    /// What is wrong about signatures, or other than usual: see the values below.
    pub(crate) const SIGNATURE: u32 = 1;
    pub(crate) const FLIPPED: u32 = 1;
    pub(crate) const OF_ANOTHER_KEY: u32 = 2;
    pub(crate) const SHORT: u32 = 3;
    pub(crate) const AS_DER: u32 = 4;
    /// The token does not destroy objects.
    pub(crate) const KEEPS: u32 = 2;
    pub(crate) const LOGINS: u32 = 100;
    pub(crate) const SIGNATURES: u32 = 101;
    pub(crate) const OBJECTS: u32 = 102;
}

struct Object {
    attributes: BTreeMap<CK_ATTRIBUTE_TYPE, Vec<u8>>,
    secret: Option<SecretKey>,
}

#[derive(Default)]
struct Session {
    found: Vec<CK_OBJECT_HANDLE>,
    signs_with: Option<CK_OBJECT_HANDLE>,
}

#[derive(Default)]
struct Token {
    settings: BTreeMap<u32, u32>,
    counts: BTreeMap<u32, u32>,
    initialised: bool,
    logged_in: bool,
    sessions: BTreeMap<CK_SESSION_HANDLE, Session>,
    objects: BTreeMap<CK_OBJECT_HANDLE, Object>,
    last: CK_ULONG,
}

static TOKEN: LazyLock<Mutex<Token>> = LazyLock::new(Mutex::default);

fn token() -> MutexGuard<'static, Token> {
    TOKEN.lock().unwrap()
}

impl Token {
    fn setting(&self, what: u32) -> u32 {
        self.settings.get(&what).copied().unwrap_or(0)
    }

    fn counted(&mut self, what: u32) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn number(&mut self) -> CK_ULONG {
        self.last += 1;
        self.last
    }

    fn keep(&mut self, attributes: BTreeMap<CK_ATTRIBUTE_TYPE, Vec<u8>>, secret: Option<SecretKey>) -> CK_ULONG {
        let number = self.number();
        self.objects.insert(number, Object { attributes, secret });
        number
    }
}

fn random(bytes: &mut [u8]) {
    std::fs::File::open("/dev/urandom").unwrap().read_exact(bytes).unwrap();
}

fn fresh_key() -> SecretKey {
    loop {
        let mut bytes = [0; 32];
        random(&mut bytes);
        if let Ok(key) = SecretKey::from_slice(&bytes) {
            return key;
        }
    }
}

fn length(number: usize) -> CK_ULONG {
    number.try_into().unwrap()
}

unsafe fn bytes<'a>(from: *const u8, length: CK_ULONG) -> &'a [u8] {
    if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(from, length.try_into().unwrap()) } }
}

/// The attributes of a template.
unsafe fn template(from: *const CK_ATTRIBUTE, count: CK_ULONG) -> BTreeMap<CK_ATTRIBUTE_TYPE, Vec<u8>> {
    let attributes =
        if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(from, count.try_into().unwrap()) } };
    let value = |attribute: &CK_ATTRIBUTE| unsafe { bytes(attribute.pValue.cast(), attribute.ulValueLen) }.to_vec();
    attributes.iter().map(|attribute| (attribute.type_, value(attribute))).collect()
}

/// Works on a token that is there.
fn on_token(work: impl FnOnce(&mut Token) -> Result<(), CK_RV>) -> CK_RV {
    let mut token = token();
    if !token.initialised {
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    if token.setting(control::GONE) != 0 {
        return CKR_DEVICE_REMOVED;
    }
    work(&mut token).err().unwrap_or(CKR_OK)
}

/// Works on a session. A token that was away has forgotten it.
fn on(session: CK_SESSION_HANDLE, work: impl FnOnce(&mut Token, &mut Session) -> Result<(), CK_RV>) -> CK_RV {
    on_token(|token| {
        let mut open = token.sessions.remove(&session).ok_or(CKR_SESSION_HANDLE_INVALID)?;
        let worked = work(token, &mut open);
        token.sessions.insert(session, open);
        worked
    })
}

/// Makes the token fail: 0 gone, 1 signatures (1 flipped, 2 of another key, 3 short, 4 as DER), 2 keeps objects.
#[unsafe(no_mangle)]
pub extern "C" fn pkcs11_double_set(what: u32, value: u32) {
    let mut token = token();
    token.settings.insert(what, value);
    if what == control::GONE && value != 0 {
        token.sessions.clear();
        token.logged_in = false;
    }
}

/// How often it was asked: 100 for logins, 101 for signatures; 102 how many objects there are.
#[unsafe(no_mangle)]
pub extern "C" fn pkcs11_double_count(what: u32) -> u32 {
    let token = token();
    match what {
        control::OBJECTS => token.objects.len().try_into().unwrap(),
        what => token.counts.get(&what).copied().unwrap_or(0),
    }
}

/// The functions of version 2.40 that are here; the rest is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    let functions = CK_FUNCTION_LIST {
        version: CK_VERSION { major: 2, minor: 40 },
        C_Initialize: Some(initialize),
        C_Finalize: Some(finalize),
        C_GetFunctionList: Some(C_GetFunctionList),
        C_GetSlotList: Some(slot_list),
        C_GetSlotInfo: Some(slot_info),
        C_GetTokenInfo: Some(token_info),
        C_OpenSession: Some(open_session),
        C_CloseSession: Some(close_session),
        C_GetSessionInfo: Some(session_info),
        C_Login: Some(login),
        C_DestroyObject: Some(destroy_object),
        C_GetAttributeValue: Some(attribute_value),
        C_FindObjectsInit: Some(find_objects_init),
        C_FindObjects: Some(find_objects),
        C_FindObjectsFinal: Some(find_objects_final),
        C_SignInit: Some(sign_init),
        C_Sign: Some(sign),
        C_GenerateKeyPair: Some(generate_key_pair),
        C_GenerateRandom: Some(generate_random),
        ..CK_FUNCTION_LIST::default()
    };
    // Lives as long as the library.
    unsafe { *list = Box::leak(Box::new(functions)) };
    CKR_OK
}

unsafe extern "C" fn initialize(_: *mut c_void) -> CK_RV {
    let mut token = token();
    if token.initialised {
        return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    }
    token.initialised = true;
    CKR_OK
}

unsafe extern "C" fn finalize(_: *mut c_void) -> CK_RV {
    let mut token = token();
    token.sessions.clear();
    (token.initialised, token.logged_in) = (false, false);
    CKR_OK
}

unsafe extern "C" fn slot_list(_: CK_BBOOL, slots: *mut CK_SLOT_ID, count: *mut CK_ULONG) -> CK_RV {
    on_token(|_| {
        if !slots.is_null() {
            if unsafe { *count } < 1 {
                return Err(CKR_BUFFER_TOO_SMALL);
            }
            unsafe { *slots = SLOT };
        }
        unsafe { *count = 1 };
        Ok(())
    })
}

fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    field.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    field
}

unsafe extern "C" fn slot_info(slot: CK_SLOT_ID, to: *mut CK_SLOT_INFO) -> CK_RV {
    on_token(|_| {
        let version = CK_VERSION { major: 1, minor: 0 };
        let info = CK_SLOT_INFO {
            slotDescription: padded("a slot"),
            manufacturerID: padded("Double Works"),
            flags: CKF_TOKEN_PRESENT,
            hardwareVersion: version,
            firmwareVersion: version,
        };
        (slot == SLOT).then(|| unsafe { *to = info }).ok_or(CKR_SLOT_ID_INVALID)
    })
}

unsafe extern "C" fn token_info(slot: CK_SLOT_ID, to: *mut CK_TOKEN_INFO) -> CK_RV {
    on_token(|_| {
        let info = CK_TOKEN_INFO {
            label: padded("double"),
            manufacturerID: padded("Double Works"),
            model: padded("SM2-0"),
            serialNumber: padded("20261122"),
            flags: CKF_TOKEN_INITIALIZED,
            utcTime: padded(""),
            ..CK_TOKEN_INFO::default()
        };
        (slot == SLOT).then(|| unsafe { *to = info }).ok_or(CKR_SLOT_ID_INVALID)
    })
}

unsafe extern "C" fn open_session(
    slot: CK_SLOT_ID,
    _: CK_FLAGS,
    _: *mut c_void,
    _: CK_NOTIFY,
    to: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    on_token(|token| {
        if slot != SLOT {
            return Err(CKR_SLOT_ID_INVALID);
        }
        let number = token.number();
        token.sessions.insert(number, Session::default());
        unsafe { *to = number };
        Ok(())
    })
}

unsafe extern "C" fn close_session(session: CK_SESSION_HANDLE) -> CK_RV {
    on_token(|token| {
        token.sessions.remove(&session).ok_or(CKR_SESSION_HANDLE_INVALID)?;
        // A login ends with the last session.
        token.logged_in &= !token.sessions.is_empty();
        Ok(())
    })
}

unsafe extern "C" fn session_info(session: CK_SESSION_HANDLE, to: *mut CK_SESSION_INFO) -> CK_RV {
    on(session, |token, _| {
        let state = if token.logged_in { CKS_RW_USER_FUNCTIONS } else { CKS_RW_PUBLIC_SESSION };
        let flags = CKF_RW_SESSION | CKF_SERIAL_SESSION;
        unsafe { *to = CK_SESSION_INFO { slotID: SLOT, state, flags, ulDeviceError: 0 } };
        Ok(())
    })
}

unsafe extern "C" fn login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_UTF8CHAR,
    count: CK_ULONG,
) -> CK_RV {
    on(session, |token, _| {
        if user != CKU_USER {
            return Err(CKR_USER_TYPE_INVALID);
        }
        if token.logged_in {
            return Err(CKR_USER_ALREADY_LOGGED_IN);
        }
        token.counted(control::LOGINS);
        if unsafe { bytes(pin, count) } != PIN {
            return Err(CKR_PIN_INCORRECT);
        }
        token.logged_in = true;
        Ok(())
    })
}

unsafe extern "C" fn destroy_object(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> CK_RV {
    on(session, |token, _| {
        if token.setting(control::KEEPS) != 0 {
            return Err(CKR_ACTION_PROHIBITED);
        }
        token.objects.remove(&object).map(|_| ()).ok_or(CKR_OBJECT_HANDLE_INVALID)
    })
}

unsafe extern "C" fn attribute_value(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    wanted: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    on(session, |token, _| {
        let object = token.objects.get(&object).ok_or(CKR_OBJECT_HANDLE_INVALID)?;
        let wanted = unsafe { std::slice::from_raw_parts_mut(wanted, count.try_into().unwrap()) };
        let mut answer = Ok(());
        for attribute in wanted {
            let room = std::mem::replace(&mut attribute.ulValueLen, CK_ULONG::MAX);
            match object.attributes.get(&attribute.type_) {
                None => answer = Err(CKR_ATTRIBUTE_TYPE_INVALID),
                Some(value) if !attribute.pValue.is_null() && room < length(value.len()) => {
                    answer = Err(CKR_BUFFER_TOO_SMALL);
                }
                Some(value) => {
                    attribute.ulValueLen = length(value.len());
                    if !attribute.pValue.is_null() {
                        unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), attribute.pValue.cast(), value.len()) };
                    }
                }
            }
        }
        answer
    })
}

unsafe extern "C" fn find_objects_init(session: CK_SESSION_HANDLE, from: *mut CK_ATTRIBUTE, count: CK_ULONG) -> CK_RV {
    let wanted = unsafe { template(from, count) };
    on(session, |token, open| {
        let fits = |object: &Object| wanted.iter().all(|(kind, value)| object.attributes.get(kind) == Some(value));
        // Private objects are there for a user only.
        let seen = |object: &Object| token.logged_in || object.secret.is_none();
        let found = token.objects.iter().filter(|(_, object)| seen(object) && fits(object));
        open.found = found.map(|(number, _)| *number).collect();
        Ok(())
    })
}

unsafe extern "C" fn find_objects(
    session: CK_SESSION_HANDLE,
    to: *mut CK_OBJECT_HANDLE,
    most: CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    on(session, |_, open| {
        let given: Vec<_> = open.found.drain(..open.found.len().min(most.try_into().unwrap())).collect();
        unsafe {
            std::ptr::copy_nonoverlapping(given.as_ptr(), to, given.len());
            *count = length(given.len());
        }
        Ok(())
    })
}

unsafe extern "C" fn find_objects_final(session: CK_SESSION_HANDLE) -> CK_RV {
    on(session, |_, open| {
        open.found.clear();
        Ok(())
    })
}

unsafe extern "C" fn generate_key_pair(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    public: *mut CK_ATTRIBUTE,
    public_count: CK_ULONG,
    private: *mut CK_ATTRIBUTE,
    private_count: CK_ULONG,
    to_public: *mut CK_OBJECT_HANDLE,
    to_private: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    let kind = unsafe { (*mechanism).mechanism };
    let (mut public, mut private) = unsafe { (template(public, public_count), template(private, private_count)) };
    on(session, |token, _| {
        if !token.logged_in {
            return Err(CKR_USER_NOT_LOGGED_IN);
        }
        if kind != SM2_KEY_PAIR {
            return Err(CKR_MECHANISM_INVALID);
        }
        if public.get(&CKA_EC_PARAMS).map(Vec::as_slice) != Some(&CURVE) {
            return Err(CKR_CURVE_NOT_SUPPORTED);
        }
        let secret = fresh_key();
        let point = secret.public_key().as_affine().to_sec1_point(false);
        for (attributes, class) in [(&mut public, CKO_PUBLIC_KEY), (&mut private, CKO_PRIVATE_KEY)] {
            attributes.insert(CKA_CLASS, class.to_ne_bytes().to_vec());
            attributes.insert(CKA_KEY_TYPE, CKK_EC.to_ne_bytes().to_vec());
            attributes.insert(CKA_EC_PARAMS, CURVE.to_vec());
        }
        public.insert(CKA_EC_POINT, [&[0x04, 0x41], point.as_bytes()].concat());
        unsafe {
            *to_public = token.keep(public, None);
            *to_private = token.keep(private, Some(secret));
        }
        Ok(())
    })
}

unsafe extern "C" fn sign_init(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    object: CK_OBJECT_HANDLE,
) -> CK_RV {
    let kind = unsafe { (*mechanism).mechanism };
    on(session, |token, open| {
        if !token.logged_in {
            return Err(CKR_USER_NOT_LOGGED_IN);
        }
        let key = token.objects.get(&object).ok_or(CKR_KEY_HANDLE_INVALID)?;
        if kind != SM2_SIGN {
            return Err(CKR_MECHANISM_INVALID);
        }
        if key.secret.is_none() || key.attributes.get(&CKA_SIGN).map(Vec::as_slice) != Some(&[1]) {
            return Err(CKR_KEY_FUNCTION_NOT_PERMITTED);
        }
        open.signs_with = Some(object);
        Ok(())
    })
}

/// An INTEGER of DER.
fn integer(number: &[u8]) -> Vec<u8> {
    let kept = number.iter().position(|octet| *octet != 0).unwrap_or(number.len() - 1);
    let number = number.split_at(kept).1;
    let lead: &[u8] = if number.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    [&[0x02, (lead.len() + number.len()).try_into().unwrap()], lead, number].concat()
}

fn as_der(value: &[u8]) -> Vec<u8> {
    let (r, s) = value.split_at(32);
    let both = [integer(r), integer(s)].concat();
    [&[0x30, both.len().try_into().unwrap()], &both[..]].concat()
}

unsafe extern "C" fn sign(
    session: CK_SESSION_HANDLE,
    input: *mut CK_BYTE,
    count: CK_ULONG,
    to: *mut CK_BYTE,
    room: *mut CK_ULONG,
) -> CK_RV {
    const MOST: usize = 72;
    let e = unsafe { bytes(input, count) };
    on(session, |token, open| {
        let object = open.signs_with.ok_or(CKR_OPERATION_NOT_INITIALIZED)?;
        if to.is_null() {
            unsafe { *room = length(MOST) };
            return Ok(());
        }
        open.signs_with = None;
        if e.len() != 32 {
            return Err(CKR_DATA_LEN_RANGE);
        }
        if unsafe { *room } < length(MOST) {
            return Err(CKR_BUFFER_TOO_SMALL);
        }
        let secret =
            token.objects.get(&object).and_then(|object| object.secret.clone()).ok_or(CKR_KEY_HANDLE_INVALID)?;
        let fault = token.setting(control::SIGNATURE);
        let key = if fault == control::OF_ANOTHER_KEY { fresh_key() } else { secret };
        let signature: Signature = SigningKey::new(SIGNER_ID, &key).unwrap().sign_prehash(e).unwrap();
        let mut value = signature.to_bytes().to_vec();
        match fault {
            control::FLIPPED => *value.last_mut().unwrap() ^= 1,
            control::SHORT => value.truncate(63),
            control::AS_DER => value = as_der(&value),
            _ => {}
        }
        token.counted(control::SIGNATURES);
        unsafe {
            std::ptr::copy_nonoverlapping(value.as_ptr(), to, value.len());
            *room = length(value.len());
        }
        Ok(())
    })
}

unsafe extern "C" fn generate_random(session: CK_SESSION_HANDLE, to: *mut CK_BYTE, count: CK_ULONG) -> CK_RV {
    on(session, |_, _| {
        random(unsafe { std::slice::from_raw_parts_mut(to, count.try_into().unwrap()) });
        Ok(())
    })
}
