//! The algorithm policy at every door through which something new is made: keys, certificates, seals, signatures.

use std::sync::Arc;

use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::base::id::KeyId;
use yinxin::base::random::SystemRandom;
use yinxin::config::algorithms::{BUILT_IN, parse};
use yinxin::domain::audit::Actor;
use yinxin::domain::ca;
use yinxin::domain::key::{KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, Owner};
use yinxin::domain::seal::maker;
use yinxin::domain::trust::{AlgorithmPolicy, Unacceptable, Use};
use yinxin::service::development::{self, NOTICE};
use yinxin::service::keys::import::{Imported, open};
use yinxin::service::keys::making::generate;
use yinxin::service::keys::transfer::import;
use yinxin::service::keys::{self, KeySource, NewKey};
use yinxin::service::seals;
use yinxin::service::verification::sm3_hex;
use yinxin::service::{Error, KeySettings, Services};

use crate::service::installation::{NOW, Place};
use crate::service::signing::order;
use crate::store::Folder;

const BY: &Actor = &Actor::Operator;
/// The end of the day before [`NOW`]'s.
const END: &str = "2027-01-14T23:59:59Z";
const ENDS: &str = "until 2027-01-14";

fn place(name: &str) -> Place {
    let folder = Folder::new(name);
    Place { url: format!("sqlite:{}", folder.path().join("rows.db").display()), folder }
}

fn end() -> Timestamp {
    Timestamp::parse_rfc3339(END).unwrap()
}

/// The shipped policy; what these names may be issued is another, from `bits` on where keys have several sizes.
fn policy(changes: &[(&str, Option<usize>, &str)]) -> AlgorithmPolicy {
    let mut text = BUILT_IN.to_owned();
    for (name, bits, issue) in changes {
        let bits = bits.map_or_else(String::new, |bits| format!("bits = {bits}\n"));
        let from = format!("name = \"{name}\"\n{bits}issue = \"always\"");
        assert!(text.contains(&from), "{from}");
        text = text.replace(&from, &format!("name = \"{name}\"\n{bits}issue = \"{issue}\""));
    }
    parse(&text, "changed", &sm3_hex).unwrap()
}

async fn opened(place: &Place, policy: AlgorithmPolicy, now: Timestamp) -> Services {
    let source = KeySource::File { path: place.folder.path().join("key"), create: true };
    let settings = KeySettings { algorithms: Arc::new(policy), ..KeySettings::from_source(source) };
    Services::open_with(&place.url, &settings, Arc::new(FixedClock(now)), Arc::new(SystemRandom)).await.unwrap()
}

fn attributes(purpose: KeyPurpose, algorithm: KeyAlgorithm) -> KeyAttributes {
    KeyAttributes::new(Owner::installation(), purpose, algorithm)
}

/// Why the policy refused, whichever door it was asked at.
#[track_caller]
fn reason(error: keys::Error) -> Unacceptable {
    match error {
        keys::Error::Unacceptable(refused) => refused,
        other => panic!("{other:?}"),
    }
}

fn refused(algorithm: &str) -> Unacceptable {
    Unacceptable::Refused { algorithm: algorithm.to_owned(), wanted: Use::Issue }
}

fn ended(algorithm: &'static str) -> Unacceptable {
    Unacceptable::Ended { algorithm, wanted: Use::Issue, until: end() }
}

/// What must not change when nothing is made.
async fn rows(place: &Place) -> [i64; 6] {
    let mut counts = [0; 6];
    let tables = ["keys", "certificates", "seals", "signatures", "outbox", "audit_events"];
    for (count, table) in counts.iter_mut().zip(tables) {
        *count = place.count(table).await;
    }
    counts
}

async fn made(services: &Services, purpose: KeyPurpose, algorithm: KeyAlgorithm) -> Result<(), keys::Error> {
    generate(services, BY, KeyLocation::Software, &attributes(purpose, algorithm)).await.map(|_| ())
}

/// A key file as others make them: PKCS#1.
fn rsa_file(bits: u32) -> Imported {
    let key = openssl::rsa::Rsa::generate(bits).unwrap().private_key_to_der().unwrap();
    open(&key, None).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_made_and_taken_in_only_as_the_policy_allows() {
    let place = place("policy-keys");
    let (sign, decrypt) = (KeyPurpose::Raw, KeyPurpose::Decryption);
    let rules = [
        ("rsa-key", Some(3072), ENDS),
        ("ecdsa-p256-sha256", None, "never"),
        ("sm2-encryption", None, "never"),
        ("sha512", None, "never"),
    ];
    let before = opened(&place, policy(&rules), end()).await;
    made(&before, sign, KeyAlgorithm::Rsa).await.unwrap();
    before.store.close().await;

    let services = opened(&place, policy(&rules), NOW).await;
    let kept = rows(&place).await;
    assert_eq!(kept[0], 1);
    let refuse = async |purpose, algorithm| reason(made(&services, purpose, algorithm).await.unwrap_err());
    assert_eq!(refuse(sign, KeyAlgorithm::Rsa).await, ended("rsa-key"));
    assert_eq!(refuse(decrypt, KeyAlgorithm::Rsa).await, ended("rsa-key"));
    assert_eq!(refuse(sign, KeyAlgorithm::EcdsaP256).await, refused("ecdsa-p256-sha256"));
    assert_eq!(refuse(decrypt, KeyAlgorithm::Sm2).await, refused("sm2-encryption"));
    // Ed25519 digests by SHA-512 itself.
    assert_eq!(refuse(sign, KeyAlgorithm::Ed25519).await, refused("sha512"));

    let take = async |purpose, imported: &Imported| {
        import(&services, BY, &attributes(purpose, imported.algorithm), imported).await.map(|_| ())
    };
    let (short, long) = (rsa_file(2048), rsa_file(3072));
    assert_eq!(reason(take(sign, &short).await.unwrap_err()), refused("rsa-key"));
    assert_eq!(reason(take(sign, &long).await.unwrap_err()), ended("rsa-key"));
    assert_eq!(rows(&place).await, kept);

    // The store asks again, whoever made the pair.
    let keep = async |algorithm, pair: &NewKey| {
        let (id, store) = (KeyId::fresh(NOW, &SystemRandom).unwrap(), &*services.keys);
        let (id, attributes, octets) = (&id, &attributes(sign, algorithm), (&pair.private, &pair.public[..]));
        services.store.run("keep", |tx| Box::pin(store.keep(tx, id, attributes, octets, NOW))).await.map(|_| ())
    };
    let pair = NewKey::generate(sign, KeyAlgorithm::EcdsaP256, &SystemRandom).unwrap();
    let stored = keep(KeyAlgorithm::EcdsaP256, &pair).await.unwrap_err();
    assert_eq!(reason(stored), refused("ecdsa-p256-sha256"));
    assert_eq!(keep(KeyAlgorithm::Sm2, &pair).await.unwrap_err().code(), "key-pair-mismatch");
    assert_eq!(rows(&place).await, kept);
    made(&services, sign, KeyAlgorithm::Sm2).await.unwrap();
}

/// Sizes have rules of their own: the shipped policy verifies RSA keys of 2048 bits, and makes them no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_size_of_a_key_decides_too() {
    let place = place("policy-sizes");
    let services = opened(&place, policy(&[]), NOW).await;
    let take = async |services: &Services, file: &Imported| {
        import(services, BY, &attributes(KeyPurpose::Raw, KeyAlgorithm::Rsa), file).await.map(|_| ())
    };
    let (short, long) = (rsa_file(2048), rsa_file(3072));
    let told = take(&services, &short).await.unwrap_err();
    assert_eq!((told.code(), reason(told)), ("algorithm-not-accepted", refused("rsa-key")));
    take(&services, &long).await.unwrap();
    services.store.close().await;

    let (from, to) = BUILT_IN.split_once("bits = 2048\n").unwrap();
    let (_, to) = to.split_once("[[algorithm]]\nname = \"rsa-key\"\n").unwrap();
    let only_long = parse(&format!("{from}{to}"), "changed", &sm3_hex).unwrap();
    let services = opened(&place, only_long, NOW).await;
    let told = take(&services, &short).await.unwrap_err();
    let short = Unacceptable::KeyTooShort { algorithm: "rsa-key", bits: 2048, least: 3072 };
    assert_eq!((told.code(), reason(told)), ("key-too-short", short));
    services.store.close().await;

    // What is made here has 3072 bits.
    let text = BUILT_IN.replace("bits = 3072\nissue", "bits = 4096\nissue");
    let services = opened(&place, parse(&text, "changed", &sm3_hex).unwrap(), NOW).await;
    let told = made(&services, KeyPurpose::Raw, KeyAlgorithm::Rsa).await.unwrap_err();
    assert_eq!(reason(told), refused("rsa-key"));
}

/// The development PKI: nothing of it is kept when any of it may not be made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_seals_are_made_only_as_the_policy_allows() {
    let place = place("policy-pki");
    let cases =
        [("sm2-key", None, ended("sm2-key")), ("sm3", None, ended("sm3")), ("rsa-key", Some(3072), ended("rsa-key"))];
    for (name, bits, expected) in cases {
        let services = opened(&place, policy(&[(name, bits, ENDS)]), NOW).await;
        let kept = rows(&place).await;
        let told = development::ensure(&services, &yinxin::config::profiles::built_in().unwrap())
            .await
            .map(|_| ())
            .unwrap_err();
        assert_eq!(told.code(), "algorithm-ended");
        match told {
            Error::Keys(error) => assert_eq!(reason(error), expected),
            other => panic!("{other:?}"),
        }
        assert_eq!(rows(&place).await, kept);
        services.store.close().await;
    }
    // At its last moment the policy still allows it; afterwards what is there stays.
    let services = opened(&place, policy(&[("sm2-key", None, ENDS)]), end()).await;
    let first = development::ensure(&services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
    services.store.close().await;
    let services = opened(&place, policy(&[("sm2-key", None, ENDS)]), NOW).await;
    assert_eq!(
        development::ensure(&services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap().root,
        first.root
    );
    let told = Error::from(ca::Error::from(ended("sm3")));
    assert_eq!(
        (told.code(), told.to_string()),
        ("algorithm-ended", format!("sm3 was allowed for anything new until {END}"))
    );
    assert_eq!(Error::from(maker::Error::from(refused("sm3"))).code(), "algorithm-not-accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_sealed_only_as_the_policy_allows() {
    let place = place("policy-signing");
    let rules = [("sm2-sm3", None, ENDS)];
    let services = opened(&place, policy(&rules), end()).await;
    let pki = development::ensure(&services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
    let [sm2, _, rsa] = &pki.seals[..] else { panic!("{:?}", pki.seals) };
    seals::sign(&services, BY, None, &sm2.id, order(NOTICE)).await.unwrap();
    services.store.close().await;

    let services = opened(&place, policy(&rules), NOW).await;
    let kept = rows(&place).await;
    let told = seals::sign(&services, BY, None, &sm2.id, order(NOTICE)).await.unwrap_err();
    assert_eq!((told.code(), told.to_string()), ("algorithm-ended", ended("sm2-sm3").to_string()));
    assert!(matches!(told, Error::Keys(keys::Error::Unacceptable(refused)) if refused == ended("sm2-sm3")));
    assert_eq!(rows(&place).await, kept, "no intent, no event, no message");
    // Other algorithms sign as before.
    seals::sign(&services, BY, None, &rsa.id, order(NOTICE)).await.unwrap();
    services.store.close().await;
    let services = opened(&place, policy(&[("rsa-key", Some(3072), "never")]), NOW).await;
    let told = seals::sign(&services, BY, None, &rsa.id, order(NOTICE)).await.unwrap_err();
    assert!(matches!(told, Error::Keys(keys::Error::Unacceptable(reason)) if reason == refused("rsa-key")));
}
