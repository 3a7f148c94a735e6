//! SM2 in a PKCS#11 token by a maker's own mechanisms: our double. Each test loads a copy of its own, so each has a token
//! of its own.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use yinxin::base::clock::SystemClock;
use yinxin::base::random::SystemRandom;
use yinxin::crypto;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::key::{
    Exportability, KeyAlgorithm, KeyAttributes, KeyEvent, KeyLocation, KeyPurpose, KeyState, KeySuspensionReason, Owner,
};
use yinxin::service::keys::device::{
    self, DeviceError, DeviceKind, DeviceOptions, KeyDevice, OaepDigest, PairKind, PairUse, Pkcs11Options, Scheme,
    TokenName, VendorMechanisms,
};
use yinxin::service::keys::doors::Doors;
use yinxin::service::keys::life_cycle::{destroy, find, suspend};
use yinxin::service::keys::making::generate;
use yinxin::service::keys::{DeviceSigners as _, KeySource};
use yinxin::service::{KeySettings, Services};
use yinxin::store::audit;
use yinxin::store::keys::Custody;

use crate::sdf::holds;

const GONE: u32 = 0;
const SIGNATURE: u32 = 1;
const KEEPS: u32 = 2;
const LOGINS: u32 = 100;
const SIGNATURES: u32 = 101;
const OBJECTS: u32 = 102;

/// A token in a folder of its own.
struct Double {
    folder: PathBuf,
    library: PathBuf,
    control: libloading::Library,
}

impl Double {
    fn new(name: &str) -> Self {
        let folder = crate::folder(name);
        let library = folder.join("libtoken.so");
        fs::copy(crate::built("pkcs11_double"), &library).unwrap();
        #[expect(unsafe_code, reason = "loads the double beside the service, to give it its faults")]
        // SAFETY: the double's loading runs no code of ours.
        let control = unsafe { libloading::Library::new(&library) }.unwrap();
        Self { folder, library, control }
    }

    fn set(&self, what: u32, value: u32) {
        #[expect(unsafe_code, reason = "calls the double")]
        // SAFETY: the double declares it so.
        unsafe {
            self.control.get::<extern "C" fn(u32, u32)>(b"pkcs11_double_set").unwrap()(what, value);
        }
    }

    fn count(&self, what: u32) -> u32 {
        #[expect(unsafe_code, reason = "calls the double")]
        // SAFETY: the double declares it so.
        unsafe {
            self.control.get::<extern "C" fn(u32) -> u32>(b"pkcs11_double_count").unwrap()(what)
        }
    }

    fn options(&self) -> Pkcs11Options {
        Pkcs11Options {
            module: self.library.clone(),
            token: TokenName::Label("double".into()),
            pin_file: crate::secret(&self.folder.join("pin"), "246810\n"),
            sessions: 2,
            timeout: Duration::from_secs(20),
            oaep: OaepDigest::default(),
            vendor: VendorMechanisms {
                sm2_key_pair: Some(0x8000_0101),
                sm2_sign: Some(0x8000_0102),
                ..VendorMechanisms::default()
            },
        }
    }

    fn open(&self, vendor: VendorMechanisms) -> Arc<dyn KeyDevice> {
        device::open(DeviceOptions::Pkcs11(Pkcs11Options { vendor, ..self.options() })).unwrap()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn sm2_in_a_token_signs_by_the_makers_mechanisms() {
    let double = Double::new("vendor-sm2");
    let wrong = crate::secret(&double.folder.join("wrong"), "246811\n");
    let refused = device::open(DeviceOptions::Pkcs11(Pkcs11Options { pin_file: wrong, ..double.options() }));
    assert_eq!(refused.err().unwrap(), DeviceError::WrongPin);
    assert_eq!(double.count(LOGINS), 1);

    let token = double.open(double.options().vendor);
    assert_eq!(token.kind(), DeviceKind::Pkcs11);
    assert_eq!(token.description(), "PKCS#11 token \"double\": Double Works SM2-0, serial 20261122");
    let (handle, key) = token.generate("seal", PairKind::Sm2, PairUse::Sign, &[]).unwrap();
    assert_eq!(token.public_key(&handle).unwrap(), key);
    let sign = |message: &[u8]| device::signature(&*token, &handle, &key, Scheme::Sm2, message);
    // What makers give: r‖s, or DER.
    for form in [0, 4] {
        double.set(SIGNATURE, form);
        let value = sign(b"message").unwrap();
        assert_eq!(holds(&key, b"message", &value), (true, true), "form {form}");
        assert_eq!(holds(&key, b"massage", &value), (false, false), "form {form}");
    }
    let signer = device::signer(&token, &handle).unwrap();
    assert_eq!(holds(&key, b"other", &signer.sign(b"other", &SystemRandom).unwrap()), (true, true));
    // What is wrong does not leave: an octet flipped, another key's signature, half a signature.
    let made = double.count(SIGNATURES);
    double.set(SIGNATURE, 1);
    assert_eq!(sign(b"message"), Err(crypto::Error::Fault));
    double.set(SIGNATURE, 2);
    assert_eq!(sign(b"message"), Err(crypto::Error::Fault));
    double.set(SIGNATURE, 3);
    assert_eq!(sign(b"message"), Err(crypto::Error::Device { code: "key-store-malformed" }));
    assert_eq!(double.count(SIGNATURES), made + 3);
    double.set(SIGNATURE, 0);

    let missing = |what| DeviceError::MechanismMissing { what };
    let error = token.generate("pair", PairKind::P256, PairUse::Sign, &[]).unwrap_err();
    assert_eq!(error, missing("key pairs of this kind"));
    let none = double.open(VendorMechanisms::default());
    assert_eq!(none.sign(&handle, Scheme::Sm2, &[1; 32]), Err(missing("SM2 signatures")));
    let other = double.open(VendorMechanisms { sm2_sign: Some(0x8000_0199), ..VendorMechanisms::default() });
    assert_eq!(other.sign(&handle, Scheme::Sm2, &[1; 32]), Err(missing("this scheme")));

    double.set(GONE, 1);
    assert_eq!(sign(b"message"), Err(crypto::Error::Device { code: "key-store-unavailable" }));
    double.set(GONE, 0);
    std::thread::sleep(Duration::from_millis(200));
    // Each session that was open finds out for itself.
    let back = (0..3).find_map(|_| sign(b"message").ok()).unwrap();
    assert_eq!(holds(&key, b"message", &back), (true, true));

    assert_eq!(double.count(OBJECTS), 2);
    token.destroy(&handle).unwrap();
    assert_eq!(double.count(OBJECTS), 0);
    let absent = DeviceError::KeyAbsent { handle: handle.clone() };
    assert_eq!(token.sign(&handle, Scheme::Sm2, &[1; 32]), Err(absent));
}

async fn services(folder: &std::path::Path, device: DeviceOptions) -> Services {
    let url = format!("sqlite:{}", folder.join("yinxin.db").display());
    let source = KeySource::File { path: folder.join("key-encryption.key"), create: true };
    let devices = Doors::open(vec![device]).unwrap();
    let settings = KeySettings { devices, ..KeySettings::from_source(source) };
    Services::open_with(&url, &settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap()
}

fn sealing() -> KeyAttributes {
    KeyAttributes::new(Owner::installation(), KeyPurpose::SealSigning, KeyAlgorithm::Sm2)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_token_is_destroyed_in_the_token_first() {
    let double = Double::new("vendor-rows");
    let services = services(&double.folder, DeviceOptions::Pkcs11(double.options())).await;
    let (services, by) = (&services, &Actor::Operator);
    let exportable = KeyAttributes { exportability: Exportability::Exportable, ..sealing() };
    let refused = generate(services, by, KeyLocation::Pkcs11, &exportable).await.unwrap_err();
    assert_eq!(refused.to_string(), "the device does not offer private keys that can be exported");
    assert_eq!((refused.code(), double.count(OBJECTS)), ("key-store-mechanism-missing", 0));

    let key = generate(services, by, KeyLocation::Pkcs11, &sealing()).await.unwrap();
    let signer = services.devices.signer(&key).unwrap();
    let value = services.pool.sign(signer, b"message".to_vec(), Arc::clone(&services.random)).await.unwrap();
    let public = services.devices.signer(&key).unwrap().public_key();
    let public = device::DevicePublicKey::of(public).unwrap();
    assert_eq!(holds(&public, b"message", &value), (true, true));

    assert_eq!(destroy(services, by, &key.id).await.unwrap_err().code(), "key-invalid-transition");
    assert_eq!(double.count(OBJECTS), 2, "a key in use is not touched");
    suspend(services, by, &key.id, KeySuspensionReason::Retired).await.unwrap();
    for (what, code) in [(KEEPS, "key-store-refused"), (GONE, "key-store-unavailable")] {
        double.set(what, 1);
        assert_eq!(destroy(services, by, &key.id).await.unwrap_err().code(), code);
        double.set(what, 0);
        let state = find(services, &key.id).await.unwrap().state;
        assert!(matches!(state, KeyState::Suspended { reason: KeySuspensionReason::Retired, .. }), "{state:?}");
        assert_eq!(double.count(OBJECTS), 2);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut gone = destroy(services, by, &key.id).await;
    for _ in 0..2 {
        // Each session that was open finds out for itself.
        if gone.as_ref().is_err_and(|error| error.code() == "key-store-unavailable") {
            gone = destroy(services, by, &key.id).await;
        }
    }
    let gone = gone.unwrap();
    assert_eq!(double.count(OBJECTS), 0);
    let KeyState::Destroyed { proof, .. } = gone.state else { panic!("{:?}", gone.state) };
    let Custody::Device { handle, .. } = &gone.custody else { panic!("{:?}", gone.custody) };
    assert_eq!((proof.public_key_sm3, proof.private_key_sm3), (sm3(&key.public_key), sm3(handle)));
    assert_eq!(find(services, &key.id).await.unwrap(), gone);
    let events = services.store.read(|tx| Box::pin(audit::read(tx, 0, 100))).await.unwrap();
    let events: Vec<_> = events.into_iter().map(|(_, event)| (event.actor, event.body)).collect();
    let (purpose, algorithm, public_key_sm3) = (KeyPurpose::SealSigning, KeyAlgorithm::Sm2, sm3(&key.public_key));
    let made = EventBody::KeyCreated { key: key.id.clone(), purpose, algorithm, public_key_sm3 };
    let ended = EventBody::from(KeyEvent::Destroyed { key: key.id.clone(), proof });
    assert_eq!(events.iter().filter(|event| **event == (Actor::Operator, made.clone())).count(), 1, "{events:?}");
    assert_eq!(events.iter().filter(|event| **event == (Actor::Operator, ended.clone())).count(), 1, "{events:?}");
    assert_eq!(destroy(services, by, &key.id).await.unwrap_err().code(), "key-invalid-transition");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_an_sdf_device_stays_suspended() {
    let double = crate::sdf::Double::new("vendor-sdf");
    let services = services(&double.folder, DeviceOptions::Sdf(double.options())).await;
    let (services, by) = (&services, &Actor::Operator);
    let key = generate(services, by, KeyLocation::Sdf, &sealing()).await.unwrap();
    suspend(services, by, &key.id, KeySuspensionReason::Retired).await.unwrap();
    let refused = destroy(services, by, &key.id).await.unwrap_err();
    assert_eq!(refused.to_string(), "the device does not offer the destruction of key pairs");
    assert_eq!(refused.code(), "key-store-mechanism-missing");
    let state = find(services, &key.id).await.unwrap().state;
    assert!(matches!(state, KeyState::Suspended { .. }), "{state:?}");
}
