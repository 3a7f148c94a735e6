//! A SoftHSM2 token behind the PKCS#11 door.
//!
//! The module reads `SOFTHSM2_CONF` when it is loaded, so everything runs in a second process of this binary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};
use yinxin::base::random::SystemRandom;
use yinxin::base::secret::Secret;
use yinxin::crypto;
use yinxin::service::keys::device::{
    self, DeviceError, DeviceKind, DeviceOptions, DevicePublicKey, KeyDevice, KeyHandle, OaepDigest, PairKind, PairUse,
    Pkcs11Options, Scheme, SecretUse, TokenName, VendorMechanisms,
};

const MODULES: [&str; 2] = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"];
const NAME: &str = "a_token_of_softhsm_serves_and_refuses_exactly";
const PIN: &str = "9876543210";

fn module() -> Option<PathBuf> {
    let module = MODULES.iter().map(PathBuf::from).find(|module| module.exists())?;
    Command::new("softhsm2-util").arg("--version").output().is_ok().then_some(module)
}

#[test]
fn a_token_of_softhsm_serves_and_refuses_exactly() {
    if module().is_none() {
        println!("SKIPPED {NAME}: SoftHSM2 absent");
        let required = std::env::var_os("CI").is_some()
            || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
        assert!(!required, "SoftHSM2 is required and absent");
        return;
    }
    let folder = crate::folder("softhsm");
    let tokens = folder.join("tokens");
    fs::create_dir(&tokens).unwrap();
    let configuration = folder.join("softhsm2.conf");
    fs::write(&configuration, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    for label in ["yinxin-test", "yinxin-other"] {
        let mut command = Command::new("softhsm2-util");
        command.args(["--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN]);
        let made = command.env("SOFTHSM2_CONF", &configuration).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        if label == "yinxin-test" {
            // Where its token lies.
            let token = fs::read_dir(&tokens).unwrap().next().unwrap().unwrap().file_name();
            fs::write(folder.join("place"), token.to_str().unwrap()).unwrap();
        }
    }

    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "pkcs11::inside_the_second_process", "--ignored", "--nocapture"]);
    child.env("SOFTHSM2_CONF", &configuration).env("YINXIN_TEST_TOKEN_FOLDER", &folder);
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Nothing that the process wrote names the PIN.
    assert!(!said.contains(PIN) && !String::from_utf8_lossy(&output.stderr).contains(PIN));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
#[ignore = "run by a_token_of_softhsm_serves_and_refuses_exactly, which sets its environment"]
fn inside_the_second_process() {
    let folder = PathBuf::from(std::env::var_os("YINXIN_TEST_TOKEN_FOLDER").unwrap());
    openings_are_refused_exactly(&folder);
    let token = device::open(options(&folder, 2)).unwrap();
    assert_eq!(token.kind(), DeviceKind::Pkcs11);
    let description = token.description();
    assert!(description.starts_with("PKCS#11 token \"yinxin-test\": SoftHSM project SoftHSM v2"), "{description}");
    let (mut one, mut two) = ([0; 32], [0; 32]);
    token.random(&mut one).unwrap();
    token.random(&mut two).unwrap();
    assert!(one != two && one != [0; 32]);

    signatures_hold_outside(&*token);
    a_signer_signs_for_the_service(&token);
    decryption_is_for_decryption_keys(&folder, &token);
    wrapped_values_open_only_as_they_were(&*token);
    what_the_token_cannot_do(&*token);
    more_callers_than_sessions(&token);
    the_token_goes_and_comes_back(&folder);
    the_folder_of_a_token_goes_and_comes_back(&folder);
}

fn options(folder: &Path, sessions: usize) -> DeviceOptions {
    DeviceOptions::Pkcs11(Pkcs11Options {
        module: module().unwrap(),
        token: TokenName::Label("yinxin-test".into()),
        pin_file: crate::secret(&folder.join("pin"), &format!("{PIN}\n")),
        sessions,
        timeout: Duration::from_secs(20),
        oaep: OaepDigest::Sha1,
        vendor: VendorMechanisms::default(),
    })
}

fn openings_are_refused_exactly(folder: &Path) {
    let DeviceOptions::Pkcs11(good) = options(folder, 1) else { panic!("options of another kind") };
    let refused = |options| device::open(DeviceOptions::Pkcs11(options)).err().unwrap();

    let wrong = crate::secret(&folder.join("wrong"), "0000000000\n");
    let error = refused(Pkcs11Options { pin_file: wrong.clone(), ..good.clone() });
    assert_eq!((error.code(), error), ("key-store-wrong-pin", DeviceError::WrongPin));
    fs::set_permissions(&wrong, fs::Permissions::from_mode(0o640)).unwrap();
    let error = refused(Pkcs11Options { pin_file: wrong.clone(), ..good.clone() });
    let said =
        format!("the file {} cannot be used: it has mode 0640; only its owner may read it (0600)", wrong.display());
    assert_eq!((error.code(), error.to_string()), ("key-store-file", said));
    let error = refused(Pkcs11Options { token: TokenName::Label("other".into()), ..good.clone() });
    let reason = "no token is labelled \"other\"".to_owned();
    assert_eq!((error.code(), error), ("key-store-unavailable", DeviceError::Unavailable { reason }));
    let error = refused(Pkcs11Options { token: TokenName::Slot(77), ..good.clone() });
    let reason = "C_OpenSession: SlotIdInvalid".to_owned();
    assert_eq!(error, DeviceError::Unavailable { reason });
    let error = refused(Pkcs11Options { module: folder.join("no.so"), ..good });
    assert!(matches!(&error, DeviceError::Library { path, .. } if *path == folder.join("no.so")), "{error:?}");
    assert_eq!(error.code(), "key-store-library");
}

fn openssl_key(key: &DevicePublicKey) -> PKey<Public> {
    match key {
        DevicePublicKey::Rsa(key) => {
            let number = |octets| BigNum::from_slice(octets).unwrap();
            let key = Rsa::from_public_components(number(key.modulus()), number(key.exponent())).unwrap();
            PKey::from_rsa(key).unwrap()
        }
        DevicePublicKey::P256(key) => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
            let mut context = openssl::bn::BigNumContext::new().unwrap();
            let point = EcPoint::from_bytes(&group, &key.to_bytes(), &mut context).unwrap();
            PKey::from_ec_key(EcKey::from_public_key(&group, &point).unwrap()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// OpenSSL's word on a signature.
fn holds(key: &DevicePublicKey, scheme: Scheme, message: &[u8], value: &[u8]) -> bool {
    let key = openssl_key(key);
    let digest = if scheme == Scheme::RsaPssSha512 { MessageDigest::sha512() } else { MessageDigest::sha256() };
    let mut verifier = Verifier::new(digest, &key).unwrap();
    let value = match scheme {
        Scheme::RsaPssSha512 => {
            verifier.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(64)).unwrap();
            value.to_vec()
        }
        Scheme::EcdsaP256Sha256 => {
            let number = |octets| BigNum::from_slice(octets).unwrap();
            let (r, s) = value.split_at(32);
            openssl::ecdsa::EcdsaSig::from_private_components(number(r), number(s)).unwrap().to_der().unwrap()
        }
        _ => value.to_vec(),
    };
    verifier.verify_oneshot(&value, message).unwrap_or(false)
}

fn signatures_hold_outside(token: &dyn KeyDevice) {
    let cases = [
        (PairKind::Rsa3072, vec![Scheme::RsaPkcs1Sha256, Scheme::RsaPssSha512]),
        (PairKind::Rsa4096, vec![Scheme::RsaPkcs1Sha256]),
        (PairKind::P256, vec![Scheme::EcdsaP256Sha256]),
    ];
    for (kind, schemes) in cases {
        let (handle, key) = token.generate("pair", kind, PairUse::Sign, &[]).unwrap();
        assert_eq!(token.public_key(&handle).unwrap(), key);
        if let DevicePublicKey::Rsa(key) = &key {
            assert_eq!(key.bits(), if kind == PairKind::Rsa3072 { 3072 } else { 4096 });
        }
        for scheme in schemes {
            let value = device::signature(token, &handle, &key, scheme, b"message").unwrap();
            assert!(holds(&key, scheme, b"message", &value), "{kind:?} {scheme:?}");
            assert!(!holds(&key, scheme, b"massage", &value), "{kind:?} {scheme:?}");
            let digest = |message| key.digest(scheme, message).unwrap();
            assert_eq!(token.verify(&key, scheme, &digest(b"message"), &value), Ok(true));
            assert_eq!(token.verify(&key, scheme, &digest(b"massage"), &value), Ok(false));
            assert_eq!(token.verify(&key, scheme, &digest(b"message"), &value[1..]), Ok(false));
        }
        // A key that signs does not decrypt.
        if kind == PairKind::Rsa3072 {
            let error = token.decrypt(&handle, &[1; 384]).unwrap_err();
            let code = "KeyFunctionNotPermitted".to_owned();
            assert_eq!(error, DeviceError::Refused { function: "C_DecryptInit".into(), code });
            assert_eq!(error.code(), "key-store-refused");
        }
        token.destroy(&handle).unwrap();
        let error = token.sign(&handle, Scheme::RsaPkcs1Sha256, &[0; 32]).unwrap_err();
        assert_eq!((error.code(), error), ("key-store-key-absent", DeviceError::KeyAbsent { handle: handle.clone() }));
        assert_eq!(token.public_key(&handle), Err(DeviceError::KeyAbsent { handle }));
    }
}

fn a_signer_signs_for_the_service(token: &Arc<dyn KeyDevice>) {
    let (handle, key) = token.generate("seal", PairKind::Rsa3072, PairUse::Sign, &[]).unwrap();
    // The handle goes through a row as text.
    let handle = KeyHandle::parse(handle.as_str()).unwrap();
    let signer = device::signer(token, &handle).unwrap();
    let value = signer.sign(b"message", &SystemRandom).unwrap();
    assert!(signer.public_key().verify(signer.algorithm(), b"message", &value));
    assert!(holds(&key, Scheme::RsaPkcs1Sha256, b"message", &value));
    token.destroy(&handle).unwrap();
    let refused = signer.sign(b"message", &SystemRandom).unwrap_err();
    assert_eq!(refused, crypto::Error::Device { code: "key-store-key-absent" });
    let unknown = KeyHandle::parse("id:00").unwrap();
    assert_eq!(device::signer(token, &unknown).err(), Some(DeviceError::KeyAbsent { handle: unknown }));
    let foreign = KeyHandle::parse("pair:1").unwrap();
    assert_eq!(device::signer(token, &foreign).err(), Some(DeviceError::KeyAbsent { handle: foreign }));
}

fn decryption_is_for_decryption_keys(folder: &Path, token: &Arc<dyn KeyDevice>) {
    let (handle, key) = token.generate("letters", PairKind::Rsa3072, PairUse::Decrypt, &[]).unwrap();
    let public = openssl_key(&key);
    let encrypted = |digest| {
        let mut encrypter = Encrypter::new(&public).unwrap();
        encrypter.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
        encrypter.set_rsa_oaep_md(digest).unwrap();
        encrypter.set_rsa_mgf1_md(digest).unwrap();
        let mut ciphertext = vec![0; encrypter.encrypt_len(b"for you").unwrap()];
        let length = encrypter.encrypt(b"for you", &mut ciphertext).unwrap();
        ciphertext.truncate(length);
        ciphertext
    };
    let ciphertext = encrypted(MessageDigest::sha1());
    assert_eq!(token.decrypt(&handle, &ciphertext).unwrap().expose(), b"for you");
    let mut changed = ciphertext;
    changed[200] ^= 1;
    let error = token.decrypt(&handle, &changed).unwrap_err();
    assert_eq!((error.code(), error), ("key-seal-broken", DeviceError::SealBroken));
    let error = token.sign(&handle, Scheme::RsaPkcs1Sha256, &[0; 32]).unwrap_err();
    let code = "KeyFunctionNotPermitted".to_owned();
    assert_eq!(error, DeviceError::Refused { function: "C_SignInit".into(), code });

    // SoftHSM 2.6 knows RSAES-OAEP with SHA-1 only.
    let DeviceOptions::Pkcs11(options) = options(folder, 1) else { panic!("options of another kind") };
    let strict = device::open(DeviceOptions::Pkcs11(Pkcs11Options { oaep: OaepDigest::Sha256, ..options })).unwrap();
    let error = strict.decrypt(&handle, &encrypted(MessageDigest::sha256())).unwrap_err();
    assert_eq!(error, DeviceError::Refused { function: "C_DecryptInit".into(), code: "ArgumentsBad".into() });
}

fn wrapped_values_open_only_as_they_were(token: &dyn KeyDevice) {
    let handle = token.new_secret("wrapping", SecretUse::Wrap).unwrap();
    let secret = Secret::new(vec![7; 32]);
    let sealed = token.wrap(&handle, &secret, b"row 1").unwrap();
    assert_ne!(sealed, token.wrap(&handle, &secret, b"row 1").unwrap(), "nonces differ");
    assert_eq!(sealed.len(), 12 + 32 + 16);
    assert_eq!(token.unwrap(&handle, &sealed, b"row 1").unwrap().expose(), secret.expose());
    assert_eq!(token.unwrap(&handle, &sealed, b"row 2").unwrap_err(), DeviceError::SealBroken);
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(token.unwrap(&handle, &changed, b"row 1").unwrap_err(), DeviceError::SealBroken, "octet {at}");
    }
    assert_eq!(token.unwrap(&handle, &sealed[..27], b"row 1").unwrap_err(), DeviceError::SealBroken);
    let other = token.new_secret("wrapping", SecretUse::Wrap).unwrap();
    assert_eq!(token.unwrap(&other, &sealed, b"row 1").unwrap_err(), DeviceError::SealBroken);
}

fn what_the_token_cannot_do(token: &dyn KeyDevice) {
    let missing = |what| DeviceError::MechanismMissing { what };
    let error = token.generate("pair", PairKind::Sm2, PairUse::Sign, &[]).unwrap_err();
    assert_eq!((error.code(), error), ("key-store-mechanism-missing", missing("SM2 key pairs")));
    assert_eq!(token.hash(b"message"), Err(missing("SM3")));
    assert_eq!(token.new_secret("integrity", SecretUse::Mac), Err(missing("HMAC-SM3")));
    let handle = KeyHandle::parse("id:00").unwrap();
    assert_eq!(token.mac(&handle, b"message"), Err(missing("HMAC-SM3")));
    assert_eq!(token.sign(&handle, Scheme::Sm2, &[0; 32]), Err(missing("SM2 signatures")));
}

fn more_callers_than_sessions(token: &Arc<dyn KeyDevice>) {
    let (handle, key) = token.generate("seal", PairKind::P256, PairUse::Sign, &[]).unwrap();
    let right = std::thread::scope(|scope| {
        let sign = || {
            let value = device::signature(&**token, &handle, &key, Scheme::EcdsaP256Sha256, b"message").unwrap();
            holds(&key, Scheme::EcdsaP256Sha256, b"message", &value)
        };
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(sign)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).filter(|right| *right).count()
    });
    assert_eq!(right, 8);
    token.destroy(&handle).unwrap();
}

/// Whoever shares the module with us ends it under our feet: every session is gone, and the login with them.
fn the_token_goes_and_comes_back(folder: &Path) {
    let token = device::open(options(folder, 1)).unwrap();
    let (handle, key) = token.generate("seal", PairKind::P256, PairUse::Sign, &[]).unwrap();
    let sign = || device::signature(&*token, &handle, &key, Scheme::EcdsaP256Sha256, b"message");
    sign().unwrap();
    let other = cryptoki::context::Pkcs11::new(module().unwrap()).unwrap();
    other.finalize().unwrap();
    assert_eq!(sign(), Err(crypto::Error::Device { code: "key-store-unavailable" }));
    // The next call opens the token again.
    assert!(holds(&key, Scheme::EcdsaP256Sha256, b"message", &sign().unwrap()));
    let other = cryptoki::context::Pkcs11::new(module().unwrap()).unwrap();
    other.finalize().unwrap();
    let reason = "C_GenerateRandom: CryptokiNotInitialized".to_owned();
    assert_eq!(token.random(&mut [0; 8]), Err(DeviceError::Unavailable { reason }));
    token.random(&mut [0; 8]).unwrap();
    token.destroy(&handle).unwrap();
}

fn unavailable<T>(reason: &str) -> Result<T, DeviceError> {
    Err(DeviceError::Unavailable { reason: reason.to_owned() })
}

/// Signs again within its patience, without a restart.
fn signs_again(sign: &dyn Fn() -> Result<Vec<u8>, crypto::Error>) -> Vec<u8> {
    let began = std::time::Instant::now();
    loop {
        match sign() {
            Ok(value) => return value,
            Err(crypto::Error::Device { code: "key-store-unavailable" }) if began.elapsed().as_secs() < 30 => {
                std::thread::sleep(Duration::from_millis(50));
            }
            other => panic!("{other:?} after {:?}", began.elapsed()),
        }
    }
}

/// The place where a token keeps its objects goes and comes back, while other doors of the same module are at work.
fn the_folder_of_a_token_goes_and_comes_back(folder: &Path) {
    const ECDSA: Scheme = Scheme::EcdsaP256Sha256;
    let token = device::open(options(folder, 1)).unwrap();
    let DeviceOptions::Pkcs11(same) = options(folder, 1) else { panic!("options of another kind") };
    let beside = device::open(DeviceOptions::Pkcs11(Pkcs11Options {
        token: TokenName::Label("yinxin-other".into()),
        ..same.clone()
    }))
    .unwrap();
    // A second door to the same token, by another name of the same library.
    let link = folder.join("libother.so");
    std::os::unix::fs::symlink(module().unwrap(), &link).unwrap();
    let second = device::open(DeviceOptions::Pkcs11(Pkcs11Options { module: link, ..same })).unwrap();

    let (handle, key) = token.generate("seal", PairKind::P256, PairUse::Sign, &[]).unwrap();
    let (other_handle, other_key) = beside.generate("seal", PairKind::P256, PairUse::Sign, &[]).unwrap();
    let sign = || device::signature(&*token, &handle, &key, ECDSA, b"message");
    let sign_second = || device::signature(&*second, &handle, &key, ECDSA, b"message");
    sign().unwrap();
    sign_second().unwrap();

    let place = folder.join("tokens").join(fs::read_to_string(folder.join("place")).unwrap());
    let elsewhere = folder.join("taken");
    let digest = key.digest(ECDSA, b"message").unwrap();
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let at_work = || {
            let mut made = Vec::new();
            while !ended.load(std::sync::atomic::Ordering::SeqCst) {
                made.push(device::signature(&*beside, &other_handle, &other_key, ECDSA, b"beside"));
            }
            made
        };
        let workers = [scope.spawn(at_work), scope.spawn(at_work)];

        fs::rename(&place, &elsewhere).unwrap();
        assert_eq!(token.sign(&handle, ECDSA, &digest), unavailable("C_GetTokenInfo: GeneralError"));
        assert_eq!(token.sign(&handle, ECDSA, &digest), unavailable("no token is labelled \"yinxin-test\""));
        // It is looked for now and then, not at each call.
        assert_eq!(token.sign(&handle, ECDSA, &digest), unavailable("it was not there a moment ago"));
        let made = token.generate("more", PairKind::P256, PairUse::Sign, &[]).unwrap_err();
        assert_eq!(made, unavailable::<()>("it was not there a moment ago").unwrap_err());
        assert_eq!(sign_second(), Err(crypto::Error::Device { code: "key-store-unavailable" }));
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(sign(), Err(crypto::Error::Device { code: "key-store-unavailable" }));

        fs::rename(&elsewhere, &place).unwrap();
        let doors: [&dyn Fn() -> Result<Vec<u8>, crypto::Error>; 2] = [&sign, &sign_second];
        for sign in doors {
            assert!(holds(&key, ECDSA, b"message", &signs_again(sign)));
        }
        ended.store(true, std::sync::atomic::Ordering::SeqCst);
        for worker in workers {
            let made = worker.join().unwrap();
            assert!(made.len() > 10, "{}", made.len());
            // The module was initialised again under it, and it lost no call.
            for value in made {
                assert!(holds(&other_key, ECDSA, b"beside", &value.unwrap()));
            }
        }
    });

    // All tokens at once, and nobody calls while they are away.
    let (tokens, taken) = (folder.join("tokens"), folder.join("taken"));
    fs::rename(&tokens, &taken).unwrap();
    assert_eq!(token.sign(&handle, ECDSA, &digest), unavailable("C_GetTokenInfo: GeneralError"));
    assert_eq!(token.sign(&handle, ECDSA, &digest), unavailable("C_Initialize: GeneralError"));
    fs::rename(&taken, &tokens).unwrap();
    assert!(holds(&key, ECDSA, b"message", &signs_again(&sign)));
    // The others were ended with it, and find out for themselves before they call.
    let value = device::signature(&*beside, &other_handle, &other_key, ECDSA, b"beside").unwrap();
    assert!(holds(&other_key, ECDSA, b"beside", &value));
    assert!(holds(&key, ECDSA, b"message", &sign_second().unwrap()));
    // What was made is there once, and a key that was never there is absent, not away.
    token.destroy(&handle).unwrap();
    beside.destroy(&other_handle).unwrap();
    let absent = DeviceError::KeyAbsent { handle: handle.clone() };
    assert_eq!(token.sign(&handle, ECDSA, &digest), Err(absent));
}
