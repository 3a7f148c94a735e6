//! Keys of rows that lie in a device: made there, found again after a restart, away with it and back with it.

use std::sync::Arc;
use std::time::Duration;

use yinxin::base::clock::SystemClock;
use yinxin::base::random::SystemRandom;
use yinxin::domain::audit::Actor;
use yinxin::domain::key::{KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, Owner};
use yinxin::service::keys::device::{DeviceError, DeviceOptions};
use yinxin::service::keys::doors::{Doors, generate};
use yinxin::service::keys::{DeviceSigners as _, Error, KeySource};
use yinxin::service::{self, KeySettings, Services};
use yinxin::store::keys::{Custody, StoredKey};

use crate::sdf::{Double, GONE};

async fn open(double: &Double) -> Services {
    let url = format!("sqlite:{}", double.folder.join("yinxin.db").display());
    let source = KeySource::File { path: double.folder.join("key-encryption.key"), create: true };
    let devices = Doors::open(vec![DeviceOptions::Sdf(double.options())]).unwrap();
    let settings = KeySettings { devices, ..KeySettings::from_source(source) };
    Services::open_with(&url, &settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap()
}

async fn sign(services: &Services, key: &StoredKey) -> Result<Vec<u8>, Error> {
    let (id, now) = (&key.id, services.clock.now());
    let signer = services
        .store
        .run("signer", |tx| Box::pin(async move { services.keys.signer(tx, id, KeyPurpose::SealSigning, now).await }));
    let signer = signer.await?;
    let (public, algorithm) = (signer.public_key(), signer.algorithm());
    let value = services.pool.sign(signer, b"message".to_vec(), Arc::clone(&services.random)).await?;
    assert!(public.verify(algorithm, b"message", &value));
    Ok(value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_leads_to_its_key_in_the_device() {
    let double = Double::new("sdf-rows");
    let services = open(&double).await;
    let attributes = |algorithm| KeyAttributes::new(Owner::installation(), KeyPurpose::SealSigning, algorithm);
    let make = async |algorithm| generate(&services, &Actor::Operator, KeyLocation::Sdf, &attributes(algorithm)).await;
    let first = make(KeyAlgorithm::Sm2).await.unwrap();
    let second = make(KeyAlgorithm::Sm2).await.unwrap();
    let place = |key: &StoredKey| match &key.custody {
        Custody::Device { location: KeyLocation::Sdf, handle } => String::from_utf8(handle.clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!((place(&first), place(&second)), ("sign:1".into(), "sign:3".into()));
    let full = make(KeyAlgorithm::Sm2).await.unwrap_err();
    assert!(matches!(full, Error::Device(DeviceError::NoFreePair)), "{full:?}");
    assert_eq!(full.code(), "key-store-full");
    assert_eq!(make(KeyAlgorithm::Rsa).await.unwrap_err().code(), "key-store-mechanism-missing");
    let nowhere = generate(&services, &Actor::Operator, KeyLocation::Pkcs11, &attributes(KeyAlgorithm::Sm2)).await;
    assert_eq!(nowhere.unwrap_err().code(), "key-store-unavailable");
    sign(&services, &first).await.unwrap();

    // Gone in the middle of things: the exact code, the database goes on, and all is well once it is back.
    double.set(GONE, 1);
    let gone = sign(&services, &first).await.unwrap_err();
    assert_eq!((gone.code(), gone.passes()), ("key-store-unavailable", true));
    let door = service::door::Refusal::kind(&service::Error::from(gone));
    assert_eq!(door, service::door::ErrorKind::Unavailable);
    double.set(GONE, 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let back = sign(&services, &second).await;
    assert!(back.is_ok(), "{back:?}");
    services.store.close().await;

    let again = open(&double).await;
    sign(&again, &first).await.unwrap();
    // A row that names another pair than its public key's gives no signature.
    let custody = Custody::Device { location: KeyLocation::Sdf, handle: b"sign:3".to_vec() };
    let swapped = again.devices.signer(&StoredKey { custody, ..first }).unwrap();
    assert_eq!(swapped.sign(b"message", &SystemRandom), Err(yinxin::crypto::Error::Fault));
}
