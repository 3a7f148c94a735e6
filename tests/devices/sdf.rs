//! The double of an SDF device behind the SDF door. Each test loads a copy of its own, so each has a device of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use openssl::encrypt::Encrypter;
use openssl::pkey::PKey;
use yinxin::base::random::{Random, RandomUnavailable, SystemRandom};
use yinxin::base::secret::Secret;
use yinxin::crypto::{self, digest};
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::format::der::Reader;
use yinxin::service::keys::device::{
    self, DeviceError, DeviceKind, DeviceOptions, DevicePublicKey, DeviceRandom, KeyDevice, KeyHandle, PairKind,
    PairUse, Scheme, SdfOptions, SecretUse,
};

pub(crate) const GONE: u32 = 0;
const SLOW: u32 = 1;
const BAD_SIGNATURE: u32 = 2;
const NO_MAC: u32 = 3;
const DENY: u32 = 4;
const PASSWORDS: u32 = 100;
const RANDOM: u32 = 101;

/// The double, as built: `cargo test` does it with all examples, `cargo test --test` does not.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = std::env::current_exe().unwrap();
    let profile = program.parent().and_then(Path::parent).unwrap();
    let built = profile.join("examples/libsdf_double.so");
    if !built.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "sdf_double", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    }
    built
});

/// A double in a folder of its own.
pub(crate) struct Double {
    pub(crate) folder: PathBuf,
    library: PathBuf,
    control: libloading::Library,
}

impl Double {
    pub(crate) fn new(name: &str) -> Self {
        Self::changed(name, |library| library)
    }

    /// With a library changed on its way to the folder.
    fn changed(name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        let folder = crate::folder(name);
        let bytes = fs::read(&*BUILT).unwrap();
        let library = folder.join("libsdf.so");
        fs::write(&library, change(bytes)).unwrap();
        #[expect(unsafe_code, reason = "loads the double beside the service, to give it its faults")]
        // SAFETY: the double's loading runs no code of ours.
        let control = unsafe { libloading::Library::new(&library) }.unwrap();
        Self { folder, library, control }
    }

    pub(crate) fn set(&self, what: u32, value: u32) {
        #[expect(unsafe_code, reason = "calls the double")]
        // SAFETY: the double declares it so.
        unsafe {
            self.control.get::<extern "C" fn(u32, u32)>(b"sdf_double_set").unwrap()(what, value);
        }
    }

    pub(crate) fn count(&self, what: u32) -> u32 {
        #[expect(unsafe_code, reason = "calls the double")]
        // SAFETY: the double declares it so.
        unsafe {
            self.control.get::<extern "C" fn(u32) -> u32>(b"sdf_double_count").unwrap()(what)
        }
    }

    pub(crate) fn options(&self) -> SdfOptions {
        let passwords = "1 password-1\n2 password-2\n3 password-3\n";
        SdfOptions {
            library: self.library.clone(),
            pairs: vec![1, 9, 3],
            password_file: Some(crate::secret(&self.folder.join("passwords"), passwords)),
            key_encryption_key: 1,
            sessions: 2,
            timeout: Duration::from_secs(20),
        }
    }

    fn open(&self) -> Arc<dyn KeyDevice> {
        device::open(DeviceOptions::Sdf(self.options())).unwrap()
    }

    fn patient(&self, milliseconds: u64) -> Arc<dyn KeyDevice> {
        let timeout = Duration::from_millis(milliseconds);
        device::open(DeviceOptions::Sdf(SdfOptions { timeout, ..self.options() })).unwrap()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn handle(text: &str) -> KeyHandle {
    KeyHandle::parse(text).unwrap()
}

fn sm2_key(key: &DevicePublicKey) -> &crypto::sm2::PublicKey {
    match key {
        DevicePublicKey::Sm2(key) => key,
        other => panic!("{other:?}"),
    }
}

/// Two strangers' word on a signature under the default signer ID.
fn holds(key: &DevicePublicKey, message: &[u8], value: &[u8]) -> (bool, bool) {
    use sm2::dsa::signature::Verifier as _;
    let point = sm2_key(key).to_bytes();
    let peer = libsm::sm2::signature::SigCtx::new();
    let (r, s) = value.split_at(32);
    let signature = libsm::sm2::signature::Signature::new(r, s);
    let libsm = peer.verify(message, &peer.load_pubkey(&point).unwrap(), &signature).unwrap_or(false);
    let key = sm2::PublicKey::from_sec1_bytes(&point).unwrap();
    let key = sm2::dsa::VerifyingKey::new("1234567812345678", key).unwrap();
    let signature = sm2::dsa::Signature::from_slice(value).unwrap();
    (libsm, key.verify(message, &signature).is_ok())
}

/// What OpenSSL encrypts for the key, as C1‖C3‖C2.
fn encrypted(key: &DevicePublicKey, message: &[u8]) -> Vec<u8> {
    let spki = subject_public_key_info(&crypto::PublicKey::Sm2(*sm2_key(key)));
    let key = PKey::public_key_from_der(&spki).unwrap();
    let encrypter = Encrypter::new(&key).unwrap();
    let mut der = vec![0; encrypter.encrypt_len(message).unwrap()];
    let length = encrypter.encrypt(message, &mut der).unwrap();
    let mut outer = Reader::new(&der[..length]);
    let mut inner = outer.sequence("ciphertext").unwrap();
    let wide = |number: &[u8]| [&vec![0; 32 - number.len()][..], number].concat();
    let (x, y) = (wide(inner.unsigned("x").unwrap()), wide(inner.unsigned("y").unwrap()));
    let (hash, hidden) = (inner.octet_string("hash").unwrap(), inner.octet_string("text").unwrap());
    [&[4][..], &x, &y, hash, hidden].concat()
}

#[test]
fn pairs_of_an_sdf_device_sign_and_decrypt() {
    let double = Double::new("sdf-pairs");
    let device = double.open();
    assert_eq!(device.kind(), DeviceKind::Sdf);
    assert_eq!(device.description(), "SDF device: Double Works SDF-0, serial 20261122");

    // Pairs are taken in order, an empty index is passed over.
    let (first, key) = device.generate("seal", PairKind::Sm2, PairUse::Sign, &[]).unwrap();
    assert_eq!((first.as_str(), device.public_key(&first).unwrap()), ("sign:1", key.clone()));
    let (second, _) = device.generate("seal", PairKind::Sm2, PairUse::Sign, &[handle("sign:1")]).unwrap();
    assert_eq!(second, handle("sign:3"));
    let full = device.generate("seal", PairKind::Sm2, PairUse::Sign, &[first.clone(), second]).unwrap_err();
    assert_eq!((full.code(), full), ("key-store-full", DeviceError::NoFreePair));
    let missing = |what| DeviceError::MechanismMissing { what };
    let error = device.generate("seal", PairKind::Rsa3072, PairUse::Sign, &[]).unwrap_err();
    assert_eq!(error, missing("key pairs other than SM2"));

    let value = device::signature(&*device, &first, &key, Scheme::Sm2, b"message").unwrap();
    assert_eq!(holds(&key, b"message", &value), (true, true));
    assert_eq!(holds(&key, b"massage", &value), (false, false));
    let e = |message| key.digest(Scheme::Sm2, message).unwrap();
    assert_eq!(device.verify(&key, Scheme::Sm2, &e(b"message"), &value), Ok(true));
    assert_eq!(device.verify(&key, Scheme::Sm2, &e(b"massage"), &value), Ok(false));
    assert_eq!(device.verify(&key, Scheme::Sm2, &e(b"message"), &value[1..]), Ok(false));
    let signer = device::signer(&device, &first).unwrap();
    let value = signer.sign(b"other", &SystemRandom).unwrap();
    assert_eq!(holds(&key, b"other", &value), (true, true));
    assert!(signer.public_key().verify(signer.algorithm(), b"other", &value));
    assert_eq!(device.sign(&first, Scheme::EcdsaP256Sha256, &[0; 32]), Err(missing("signatures other than SM2")));
    assert_eq!(device.destroy(&first), Err(missing("the destruction of key pairs")));

    let (letters, key) = device.generate("letters", PairKind::Sm2, PairUse::Decrypt, &[]).unwrap();
    assert_eq!(letters, handle("decrypt:1"));
    let ciphertext = encrypted(&key, b"for you");
    assert_eq!(device.decrypt(&letters, &ciphertext).unwrap().expose(), b"for you");
    assert_eq!(device.decrypt(&letters, &encrypted(&key, &[9; 1024])).unwrap().expose(), [9; 1024]);
    for at in [1, 64, 65, 97, 103] {
        let mut changed = ciphertext.clone();
        changed[at] ^= 1;
        assert_eq!(device.decrypt(&letters, &changed).unwrap_err(), DeviceError::SealBroken, "octet {at}");
    }
    assert_eq!(device.decrypt(&letters, &ciphertext[..97]).unwrap_err(), DeviceError::SealBroken);
    assert_eq!(device.decrypt(&letters, &encrypted(&key, &[9; 1025])).unwrap_err(), DeviceError::SealBroken);
    // A pair does what it is for.
    assert_eq!(device.decrypt(&first, &ciphertext).unwrap_err(), missing("this use of this key"));
    assert_eq!(device.sign(&letters, Scheme::Sm2, &[0; 32]), Err(missing("this use of this key")));
    let absent = DeviceError::KeyAbsent { handle: handle("sign:9") };
    let error = device.public_key(&handle("sign:9")).unwrap_err();
    assert_eq!((error.code(), error), ("key-store-key-absent", absent.clone()));
    assert_eq!(device.sign(&handle("sign:9"), Scheme::Sm2, &[0; 32]), Err(absent));
    for foreign in ["id:00", "sign:", "sign:1:2", "mac:1", "sign"] {
        let absent = DeviceError::KeyAbsent { handle: handle(foreign) };
        assert_eq!(device.sign(&handle(foreign), Scheme::Sm2, &[0; 32]), Err(absent));
    }
    // One right for each session and index, however many calls there were.
    assert!(double.count(PASSWORDS) <= 2, "{}", double.count(PASSWORDS));
}

#[test]
fn digests_macs_sealing_and_random_bytes_of_an_sdf_device() {
    let double = Double::new("sdf-secrets");
    let device = double.open();
    let long = vec![7; 200_000];
    for message in [&b""[..], b"abc", &long] {
        assert_eq!(device.hash(message), Ok(digest::sm3(message)));
    }

    let mac = device.new_secret("integrity", SecretUse::Mac).unwrap();
    let other = device.new_secret("integrity", SecretUse::Mac).unwrap();
    let value = device.mac(&mac, b"row").unwrap();
    assert_eq!(device.mac(&mac, b"row"), Ok(value));
    assert_ne!(device.mac(&mac, b"raw"), Ok(value));
    assert_ne!(device.mac(&other, b"row"), Ok(value));
    // Another opening of the device finds the key by its handle.
    assert_eq!(double.open().mac(&handle(mac.as_str()), b"row"), Ok(value));

    let wrapping = device.new_secret("sealing", SecretUse::Wrap).unwrap();
    for length in [0, 1, 15, 16, 32, 100] {
        let secret = Secret::new(vec![5; length]);
        let sealed = device.wrap(&wrapping, &secret, b"row 1").unwrap();
        assert_eq!(sealed.len(), 16 + length / 16 * 16 + 16 + 32);
        assert_ne!(sealed, device.wrap(&wrapping, &secret, b"row 1").unwrap(), "IVs differ");
        assert_eq!(device.unwrap(&wrapping, &sealed, b"row 1").unwrap().expose(), secret.expose());
        assert_eq!(device.unwrap(&wrapping, &sealed, b"row 2").unwrap_err(), DeviceError::SealBroken);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(device.unwrap(&wrapping, &changed, b"row 1").unwrap_err(), DeviceError::SealBroken, "{at}");
        }
        for length in [0, 15, 47, 48, sealed.len() - 1, sealed.len() - 16] {
            assert_eq!(device.unwrap(&wrapping, &sealed[..length], b"row 1").unwrap_err(), DeviceError::SealBroken);
        }
        let elsewhere = device.new_secret("sealing", SecretUse::Wrap).unwrap();
        assert_eq!(device.unwrap(&elsewhere, &sealed, b"row 1").unwrap_err(), DeviceError::SealBroken);
    }
    assert_eq!(device.mac(&wrapping, b"row"), Err(DeviceError::KeyAbsent { handle: wrapping.clone() }));
    // More keys than a session keeps at hand.
    let keys: Vec<_> = (0..70).map(|_| device.new_secret("integrity", SecretUse::Mac).unwrap()).collect();
    let values: Vec<_> = keys.iter().map(|key| device.mac(key, b"row").unwrap()).collect();
    let again: Vec<_> = keys.iter().map(|key| device.mac(key, b"row").unwrap()).collect();
    assert_eq!(values, again);

    let before = double.count(RANDOM);
    let random = DeviceRandom(Arc::clone(&device));
    let (mut one, mut two) = ([0; 32], [0; 32]);
    random.fill(&mut one).unwrap();
    random.fill(&mut two).unwrap();
    assert!(one != two && double.count(RANDOM) == before + 2);
    let mut long = vec![0; 100_000];
    random.fill(&mut long).unwrap();
    assert!(long.chunks(32).all(|chunk| chunk.iter().any(|octet| *octet != 0)));
    double.set(GONE, 1);
    assert_eq!(random.fill(&mut one), Err(RandomUnavailable));
}

#[test]
fn a_wrong_password_is_offered_once() {
    let double = Double::new("sdf-password");
    let wrong = crate::secret(&double.folder.join("wrong"), "1 passwort-1\n3 password-3\n");
    let options = SdfOptions { password_file: Some(wrong), ..double.options() };
    let device = device::open(DeviceOptions::Sdf(options.clone())).unwrap();
    for _ in 0..10 {
        let error = device.sign(&handle("sign:1"), Scheme::Sm2, &[1; 32]).unwrap_err();
        assert_eq!((error.code(), error), ("key-store-wrong-pin", DeviceError::WrongPin));
    }
    assert_eq!(double.count(PASSWORDS), 1);
    // The other pair is usable, and a device that was away changes nothing.
    device.sign(&handle("sign:3"), Scheme::Sm2, &[1; 32]).unwrap();
    let counted = double.count(PASSWORDS);
    double.set(GONE, 1);
    assert_eq!(device.hash(b"").unwrap_err().code(), "key-store-unavailable");
    double.set(GONE, 0);
    assert_eq!(device.sign(&handle("sign:1"), Scheme::Sm2, &[1; 32]), Err(DeviceError::WrongPin));
    assert_eq!(double.count(PASSWORDS), counted);
    // Without a password the device itself denies.
    let none = device::open(DeviceOptions::Sdf(SdfOptions { password_file: None, ..options.clone() })).unwrap();
    let denied = DeviceError::Refused { function: "SDF_InternalSign_ECC".into(), code: "0x01000007".into() };
    assert_eq!(none.sign(&handle("sign:1"), Scheme::Sm2, &[1; 32]), Err(denied.clone()));

    // A right that the device has dropped is asked for again, by the next call.
    let device = double.open();
    device.sign(&handle("sign:1"), Scheme::Sm2, &[1; 32]).unwrap();
    double.set(DENY, 1);
    let answers: Vec<_> = (0..4).map(|_| device.sign(&handle("sign:1"), Scheme::Sm2, &[1; 32])).collect();
    assert!(answers.iter().all(|answer| answer.is_ok() || *answer == Err(denied.clone())), "{answers:?}");
    assert!(answers.iter().filter(|answer| answer.is_err()).count() <= 2, "{answers:?}");
    assert!(answers.last().unwrap().is_ok(), "{answers:?}");

    for (text, reason) in [("1\n", "line 1 is not `INDEX PASSWORD`"), ("1 a\nx b\n", "line 2 is not `INDEX PASSWORD`")]
    {
        let path = crate::secret(&double.folder.join("malformed"), text);
        let error =
            device::open(DeviceOptions::Sdf(SdfOptions { password_file: Some(path.clone()), ..options.clone() }));
        assert_eq!(error.err(), Some(DeviceError::SecretFile { path, reason: reason.into() }));
    }
}

#[test]
fn a_device_that_goes_during_a_request_is_told_and_found_again() {
    let (double, bystander) = (Double::new("sdf-gone"), Double::new("sdf-bystander"));
    let (device, other) = (double.open(), bystander.open());
    let (first, key) = device.generate("seal", PairKind::Sm2, PairUse::Sign, &[]).unwrap();
    let signer = device::signer(&device, &first).unwrap();
    double.set(SLOW, 300);
    let answer = std::thread::scope(|scope| {
        let request = scope.spawn(|| signer.sign(b"message", &SystemRandom));
        std::thread::sleep(Duration::from_millis(100));
        double.set(GONE, 1);
        // Other work goes on meanwhile.
        let (_, key) = other.generate("seal", PairKind::Sm2, PairUse::Sign, &[]).unwrap();
        let value = device::signature(&*other, &handle("sign:1"), &key, Scheme::Sm2, b"message").unwrap();
        assert_eq!(holds(&key, b"message", &value), (true, true));
        request.join().unwrap()
    });
    assert_eq!(answer, Err(crypto::Error::Device { code: "key-store-unavailable" }));
    let gone = |reason: &str| DeviceError::Unavailable { reason: reason.into() };
    assert_eq!(device.hash(b""), Err(gone("SDF_OpenDevice: 0x01000005")));
    // Not asked at every call.
    assert_eq!(device.hash(b""), Err(gone("it was not there a moment ago")));
    double.set(GONE, 0);
    double.set(SLOW, 0);
    std::thread::sleep(Duration::from_millis(150));
    let value = signer.sign(b"message", &SystemRandom).unwrap();
    assert_eq!(holds(&key, b"message", &value), (true, true));
    assert_eq!(device.hash(b""), Ok(digest::sm3(b"")));
}

#[test]
fn a_device_that_hangs_is_left_alone() {
    let double = Double::new("sdf-hangs");
    let device = double.patient(200);
    let sign = || device.sign(&handle("sign:1"), Scheme::Sm2, &[1; 32]);
    sign().unwrap();
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    double.set(SLOW, 2000);
    let begun = Instant::now();
    let timed_out = Err(DeviceError::TimedOut { limit: Duration::from_millis(200) });
    assert_eq!(sign(), timed_out);
    // The other session works, until it hangs too.
    assert_eq!(device.hash(b""), Ok(digest::sm3(b"")));
    assert_eq!(sign(), timed_out);
    for _ in 0..100 {
        let error = device.hash(b"").unwrap_err();
        assert_eq!((error.code(), error), ("key-store-unavailable", DeviceError::Hung));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // Tests beside this one start threads too, but not a hundred.
    assert!(threads() < before + 60, "{} threads, {before} before", threads());
    double.set(SLOW, 0);
    std::thread::sleep(Duration::from_millis(2200));
    sign().unwrap();
    assert_eq!(device.hash(b""), Ok(digest::sm3(b"")));
}

#[test]
fn callers_beyond_the_sessions_are_told_busy() {
    let double = Double::new("sdf-busy");
    let device = double.patient(400);
    double.set(SLOW, 350);
    let answers = std::thread::scope(|scope| {
        let sign = || device.sign(&handle("sign:1"), Scheme::Sm2, &[1; 32]);
        let callers: Vec<_> = (0..20).map(|_| scope.spawn(sign)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
    });
    let served = answers.iter().filter(|answer| answer.is_ok()).count();
    let busy = answers.iter().filter(|answer| **answer == Err(DeviceError::Busy)).count();
    assert!((2..=6).contains(&served) && served + busy == 20, "{answers:?}");
    assert_eq!(DeviceError::Busy.code(), "key-store-busy");
    double.set(SLOW, 0);
    device.sign(&handle("sign:1"), Scheme::Sm2, &[1; 32]).unwrap();
}

#[test]
fn a_wrong_signature_of_the_device_does_not_leave() {
    let double = Double::new("sdf-fault");
    let device = double.open();
    let (first, key) = device.generate("seal", PairKind::Sm2, PairUse::Sign, &[]).unwrap();
    let signer = device::signer(&device, &first).unwrap();
    double.set(BAD_SIGNATURE, 1);
    assert_eq!(signer.sign(b"message", &SystemRandom), Err(crypto::Error::Fault));
    // It was the device's value that was wrong, not the way to it.
    let e = key.digest(Scheme::Sm2, b"message").unwrap();
    let value = device.sign(&first, Scheme::Sm2, &e).unwrap();
    assert_eq!(holds(&key, b"message", &value), (false, false));
    double.set(BAD_SIGNATURE, 0);
    signer.sign(b"message", &SystemRandom).unwrap();
}

/// A name of the library's functions made unknown.
fn without(name: &'static str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |mut library| {
        let name = [&[0], name.as_bytes(), &[0]].concat();
        let at: Vec<_> = library.windows(name.len()).enumerate().filter(|(_, seen)| **seen == name[..]).collect();
        let at: Vec<usize> = at.into_iter().map(|(at, _)| at).collect();
        assert!(!at.is_empty());
        for at in at {
            library[at + 1] = b'X';
        }
        library
    }
}

#[test]
fn what_a_device_lacks_is_named() {
    let double = Double::changed("sdf-no-mac", without("SDF_HMACInit"));
    let device = double.open();
    let mac = device.new_secret("integrity", SecretUse::Mac).unwrap();
    let missing = |what| DeviceError::MechanismMissing { what };
    let error = device.mac(&mac, b"row").unwrap_err();
    assert_eq!((error.code(), error), ("key-store-mechanism-missing", missing("HMAC-SM3")));
    assert_eq!(device.hash(b"abc"), Ok(digest::sm3(b"abc")));
    let (letters, _) = device.generate("letters", PairKind::Sm2, PairUse::Decrypt, &[]).unwrap();
    drop(device);

    let double = Double::changed("sdf-no-decryption", without("SDF_InternalDecrypt_ECC"));
    let error = double.open().decrypt(&letters, &encrypted(&exported(&double), b"x")).unwrap_err();
    assert_eq!(error, missing("SM2 decryption"));
    double.set(NO_MAC, 1);
    assert_eq!(double.open().mac(&mac, b"row"), Err(missing("HMAC-SM3")));

    let double = Double::changed("sdf-no-session", without("SDF_OpenSession"));
    let error = device::open(DeviceOptions::Sdf(double.options())).err().unwrap();
    let reason = "it has no SDF_OpenSession".to_owned();
    assert_eq!(error, DeviceError::Library { path: double.options().library, reason });
    let absent = double.folder.join("no.so");
    let error = device::open(DeviceOptions::Sdf(SdfOptions { library: absent.clone(), ..double.options() }));
    assert!(matches!(error.err(), Some(DeviceError::Library { path, .. }) if path == absent));
}

fn exported(double: &Double) -> DevicePublicKey {
    double.open().public_key(&handle("decrypt:1")).unwrap()
}
