//! The life of keys over a real database: states, times, doors, rotation, sources, and a database of version 0.1.

use std::sync::Arc;

use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::base::id::{CallerId, KeyId};
use yinxin::base::random::SystemRandom;
use yinxin::base::secret::Secret;
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::caller::{CallerState, Role, Roles};
use yinxin::domain::key::{
    DestructionProof, Exportability, KeyAlgorithm, KeyAttributes, KeyPurpose, KeySourceKind, KeyState,
    KeySuspensionReason, KeyUse, Owner, SealingAlgorithm, Validity,
};
use yinxin::service::keys::export::Protection;
use yinxin::service::keys::life_cycle::{destroy, find, list, resume, suspend};
use yinxin::service::keys::rotation::{rewrap, rotate};
use yinxin::service::keys::transfer::{ExportRule, export, import};
use yinxin::service::keys::{self, KeySource, MOST_SEALINGS, NewKey, SourceKey, fresh, shares};
use yinxin::service::{Error, KeySettings, Services, Wrapping};
use yinxin::store::callers::StoredCaller;
use yinxin::store::key_encryption_keys::StoredEncryptionKey;
use yinxin::store::keys::{Custody, StoredKey};
use yinxin::store::{self, IntegrityKey, Store, callers, key_encryption_keys};

use crate::service::installation::{NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const BY: &Actor = &Actor::Operator;

fn sqlite(name: &str) -> Place {
    let folder = Folder::new(name);
    Place { url: format!("sqlite:{}", folder.path().join("rows.db").display()), folder }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    contract(sqlite("keys")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("keys on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("keys-postgres") }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_version_0_1_is_taken_over_on_sqlite() {
    taken_over(sqlite("keys-0-1")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_version_0_1_is_taken_over_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("version 0.1 on PostgreSQL", "PostgreSQL") };
    taken_over(Place { url: server.url.clone(), folder: Folder::new("keys-0-1-postgres") }).await;
}

/// The checks share one database and run in this order: later ones need earlier ones' rows.
async fn contract(place: Place) {
    let services = place.open().await;
    every_purpose_at_every_door(&services).await;
    states_and_times_are_refused_by_their_codes(&services).await;
    a_destroyed_key_leaves_nothing(&services, &place).await;
    keys_come_and_go_in_files(&services).await;
    services.store.close().await;
    rotation_keeps_every_key(&place).await;
    a_rotation_that_fails_changes_nothing(&place).await;
    enough_is_sealed_under_one_key(&place).await;
    another_source_touches_one_row(&place).await;
}

fn attributes(purpose: KeyPurpose) -> KeyAttributes {
    KeyAttributes::new(Owner::parse("示例市印信演示局").unwrap(), purpose, KeyAlgorithm::Sm2)
}

/// A new SM2 key with these attributes.
async fn made(services: &Services, attributes: &KeyAttributes) -> (KeyId, NewKey) {
    let key = NewKey::generate(attributes.purpose, KeyAlgorithm::Sm2, &SystemRandom).unwrap();
    let id = KeyId::fresh(NOW, &SystemRandom).unwrap();
    keep(services, &id, attributes, &key).await.unwrap();
    (id, key)
}

async fn keep(services: &Services, id: &KeyId, attributes: &KeyAttributes, key: &NewKey) -> Result<(), keys::Error> {
    let (store, pair) = (&*services.keys, (&key.private, &key.public[..]));
    let keeping = services.store.run("keep key", |tx| Box::pin(store.keep(tx, id, attributes, pair, NOW)));
    keeping.await.map(|_| ())
}

/// What comes of asking for a signer.
async fn signs(services: &Services, id: &KeyId, purpose: KeyPurpose) -> &'static str {
    let keys = &*services.keys;
    let signer = services.store.read(|tx| Box::pin(keys.signer(tx, id, purpose, NOW))).await;
    let signer = match signer {
        Ok(signer) => signer,
        Err(error) => return error.code(),
    };
    let (key, algorithm) = (signer.public_key(), signer.algorithm());
    let value = services.pool.sign(signer, b"message".to_vec(), Arc::new(SystemRandom)).await.unwrap();
    assert!(key.verify(algorithm, b"message", &value));
    "signed"
}

async fn last_event(services: &Services) -> EventBody {
    events(services).await.pop().unwrap().body
}

async fn every_purpose_at_every_door(services: &Services) {
    for purpose in KeyPurpose::ALL.iter().copied() {
        let (id, key) = made(services, &attributes(purpose)).await;
        for wanted in KeyPurpose::ALL.iter().copied() {
            for how in KeyUse::ALL.iter().copied() {
                let keys = &*services.keys;
                let loaded = services.store.read(|tx| Box::pin(keys.load(tx, &id, (wanted, how), NOW))).await;
                let right = match purpose {
                    KeyPurpose::Decryption => how == KeyUse::Decrypt,
                    KeyPurpose::Integrity => how == KeyUse::Mac,
                    KeyPurpose::Escrow => false,
                    _ => how == KeyUse::Sign,
                };
                match loaded {
                    Ok((private, _)) => {
                        assert!(purpose == wanted && right, "{purpose} at {wanted} {how}");
                        assert_eq!(private.expose(), key.private.expose());
                    }
                    Err(error) => {
                        let expected = if purpose == wanted { "key-use-not-allowed" } else { "key-not-for-this" };
                        assert!(purpose != wanted || !right, "{purpose} at {wanted} {how}");
                        assert_eq!(error.code(), expected);
                    }
                }
            }
            let expected = match (purpose == wanted, purpose) {
                (false, _) => "key-not-for-this",
                (true, KeyPurpose::Decryption | KeyPurpose::Integrity | KeyPurpose::Escrow) => "key-use-not-allowed",
                (true, _) => "signed",
            };
            assert_eq!(signs(services, &id, wanted).await, expected, "{purpose} at {wanted}");
        }
    }
}

async fn states_and_times_are_refused_by_their_codes(services: &Services) {
    let purpose = KeyPurpose::Token;
    let (id, _) = made(services, &attributes(purpose)).await;
    let code = async || signs(services, &id, purpose).await;
    assert_eq!(code().await, "signed");
    let reason = KeySuspensionReason::SuspectedMisuse;
    let resting = suspend(services, BY, &id, reason).await.unwrap();
    assert_eq!((resting.state, resting.version), (KeyState::Suspended { since: NOW, reason }, 2));
    assert_eq!(last_event(services).await, EventBody::KeySuspended { key: id.clone(), reason });
    assert_eq!(code().await, "key-suspended");
    let before = events(services).await.len();
    let again = suspend(services, BY, &id, reason).await.unwrap_err();
    assert_eq!(
        (again.code(), again.to_string().as_str()),
        ("key-invalid-transition", "a key that is suspended cannot be suspended")
    );
    assert_eq!(events(services).await.len(), before);
    resume(services, BY, &id).await.unwrap();
    assert_eq!(last_event(services).await, EventBody::KeyResumed { key: id.clone() });
    assert_eq!(code().await, "signed");
    let none = KeyId::parse("none").unwrap();
    assert_eq!(suspend(services, BY, &none, reason).await.unwrap_err().code(), "unknown-key");

    let within = async |not_before: Option<i64>, not_after: Option<i64>| {
        let moment = |seconds: Option<i64>| seconds.map(|seconds| NOW.plus_seconds(seconds));
        let validity = Validity { not_before: moment(not_before), not_after: moment(not_after) };
        let (id, _) = made(services, &KeyAttributes { validity, ..attributes(purpose) }).await;
        assert_eq!(find(services, &id).await.unwrap().attributes.validity, validity);
        signs(services, &id, purpose).await
    };
    assert_eq!(within(Some(0), Some(0)).await, "signed");
    assert_eq!(within(Some(1), None).await, "key-not-yet-valid");
    assert_eq!(within(None, Some(-1)).await, "key-expired");
}

fn sealed(key: &StoredKey) -> Vec<u8> {
    let Custody::Software { sealed_private, .. } = &key.custody else { panic!("{key:?}") };
    sealed_private.clone()
}

async fn a_destroyed_key_leaves_nothing(services: &Services, place: &Place) {
    let (id, _) = made(services, &attributes(KeyPurpose::Log)).await;
    let active = find(services, &id).await.unwrap();
    assert_eq!(destroy(services, BY, &id).await.unwrap_err().code(), "key-invalid-transition");
    assert_eq!(find(services, &id).await.unwrap(), active);
    suspend(services, BY, &id, KeySuspensionReason::Retired).await.unwrap();
    let octets = sealed(&active);
    let present = |octets: &[u8]| {
        let files = std::fs::read_dir(place.folder.path()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()));
        files.into_iter().any(|file| file.unwrap().windows(octets.len()).any(|part| part == octets))
    };
    assert!(!place.is_sqlite() || present(&octets), "the test looks where keys are");
    let gone = destroy(services, BY, &id).await.unwrap();
    let proof = DestructionProof { public_key_sm3: sm3(&active.public_key), private_key_sm3: sm3(&octets) };
    assert_eq!(gone.state, KeyState::Destroyed { at: NOW, proof });
    assert_eq!((sealed(&gone), &gone.public_key), (Vec::new(), &active.public_key));
    assert_eq!(find(services, &id).await.unwrap(), gone);
    let DestructionProof { public_key_sm3, private_key_sm3 } = proof;
    assert_eq!(
        last_event(services).await,
        EventBody::KeyDestroyed { key: id.clone(), public_key_sm3, private_key_sm3 }
    );
    assert!(!place.is_sqlite() || !present(&octets), "nothing of it is left in the database's files");
    assert_eq!(signs(services, &id, KeyPurpose::Log).await, "key-destroyed");
    assert_eq!(resume(services, BY, &id).await.unwrap_err().code(), "key-invalid-transition");
    let kept = place.count(&format!("keys WHERE id = '{id}' AND length(sealed_private) = 0")).await;
    assert_eq!(kept, 1);
}

async fn keys_come_and_go_in_files(services: &Services) {
    let passphrase = Secret::new(b"a long passphrase".to_vec());
    let (stays, _) = made(services, &attributes(KeyPurpose::Raw)).await;
    let with = |rule| (&passphrase, Protection::Aes256Sha256, rule);
    let refused = export(services, BY, &stays, with(ExportRule::Marked)).await.unwrap_err();
    assert_eq!(refused.code(), "key-not-exportable");
    export(services, BY, &stays, with(ExportRule::Development)).await.unwrap();

    let marked = KeyAttributes { exportability: Exportability::Exportable, ..attributes(KeyPurpose::Raw) };
    let (leaves, key) = made(services, &marked).await;
    let before = events(services).await.len();
    let short = Secret::new(b"eleven char".to_vec());
    let refused = export(services, BY, &leaves, (&short, Protection::Sm4Sm3, ExportRule::Marked)).await.unwrap_err();
    assert_eq!(refused.code(), "passphrase-too-short");
    assert_eq!(events(services).await.len(), before, "nothing left, nothing is recorded");
    let pem = export(services, BY, &leaves, with(ExportRule::Marked)).await.unwrap();
    let told = EventBody::KeyExported { key: leaves.clone(), public_key_sm3: sm3(&key.public) };
    assert_eq!(last_event(services).await, told);
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{pem}");

    let imported = keys::import::open(pem.as_bytes(), Some(&passphrase)).unwrap();
    assert_eq!(imported.private.expose(), key.private.expose());
    let again = import(services, BY, &marked, &imported).await.unwrap_err();
    assert!(matches!(&again, keys::Error::AlreadyHere { id } if *id == leaves), "{again:?}");
    let rsa = KeyAttributes { algorithm: KeyAlgorithm::Rsa, ..marked.clone() };
    assert_eq!(import(services, BY, &rsa, &imported).await.unwrap_err().code(), "key-other-algorithm");

    let elsewhere = sqlite("keys-import");
    let theirs = elsewhere.open().await;
    let row = import(&theirs, BY, &attributes(KeyPurpose::SealSigning), &imported).await.unwrap();
    let expected = EventBody::KeyImported {
        key: row.id.clone(),
        purpose: KeyPurpose::SealSigning,
        algorithm: KeyAlgorithm::Sm2,
        public_key_sm3: sm3(&key.public),
    };
    assert_eq!(last_event(&theirs).await, expected);
    assert_eq!(row.attributes, attributes(KeyPurpose::SealSigning));
    assert_eq!(signs(&theirs, &row.id, KeyPurpose::SealSigning).await, "signed");
    assert_eq!(signs(&theirs, &row.id, KeyPurpose::Raw).await, "key-not-for-this");
    // A private key under another's public key is refused before it is kept.
    let other = NewKey::generate(KeyPurpose::Raw, KeyAlgorithm::Sm2, &SystemRandom).unwrap();
    let mut mixed = keys::import::open(pem.as_bytes(), Some(&passphrase)).unwrap();
    mixed.public = other.public;
    let refused = import(&theirs, BY, &marked, &mixed).await.unwrap_err();
    assert_eq!(refused.code(), "key-pair-mismatch");
    suspend(services, BY, &leaves, KeySuspensionReason::Retired).await.unwrap();
    destroy(services, BY, &leaves).await.unwrap();
    let refused = export(services, BY, &leaves, with(ExportRule::Marked)).await.unwrap_err();
    assert_eq!(refused.code(), "key-destroyed");
}

/// Opened without a start, with settings of its own.
async fn attach(place: &Place, source: KeySource, sealing: SealingAlgorithm) -> Result<(Services, Wrapping), Error> {
    let settings = KeySettings { sealing, ..KeySettings::from_source(source) };
    Services::attach(&place.url, &settings, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await
}

fn file(place: &Place) -> KeySource {
    KeySource::File { path: place.folder.path().join("key"), create: false }
}

async fn by_file(place: &Place, sealing: SealingAlgorithm) -> (Services, Wrapping) {
    attach(place, file(place), sealing).await.unwrap()
}

/// What must not change when a key-encryption key does.
fn identity(key: &StoredKey) -> (KeyId, KeyAttributes, Vec<u8>, KeyState, Timestamp) {
    (key.id.clone(), key.attributes.clone(), key.public_key.clone(), key.state, key.created_at)
}

/// The one in force comes last: here all are made at the same moment.
async fn encryption_keys(services: &Services) -> Vec<StoredEncryptionKey> {
    let mut rows = services.store.read(|tx| Box::pin(key_encryption_keys::list(tx))).await.unwrap();
    rows.sort_by_key(|row| row.destroyed_at.is_none());
    rows
}

async fn rotation_keeps_every_key(place: &Place) {
    let (services, wrapping) = by_file(place, SealingAlgorithm::Sm4Gcm).await;
    let (beside, _) = by_file(place, SealingAlgorithm::Sm4Gcm).await;
    let before = list(&services).await.unwrap();
    let old = services.keys.encryption_key_id();
    let sealed_keys = before.iter().filter(|key| !sealed(key).is_empty()).count();
    let rotated = rotate(&services, BY, (&wrapping.source, &wrapping.integrity)).await.unwrap();
    assert_eq!(usize::try_from(rotated).unwrap(), sealed_keys);
    assert!(sealed_keys >= KeyPurpose::ALL.len() && sealed_keys < before.len(), "destroyed keys have nothing to seal");
    let new = services.keys.encryption_key_id();
    let told = EventBody::EncryptionKeyRotated {
        key: new.clone(),
        destroyed: old.clone(),
        keys: rotated,
        sealing: SealingAlgorithm::Sm4Gcm,
    };
    assert_eq!(last_event(&services).await, told);
    let after = list(&services).await.unwrap();
    assert_eq!(after.iter().map(identity).collect::<Vec<_>>(), before.iter().map(identity).collect::<Vec<_>>());
    for (before, after) in before.iter().zip(&after).filter(|(before, _)| !sealed(before).is_empty()) {
        assert_ne!(sealed(before), sealed(after));
        let Custody::Software { sealing, wrapped_under, .. } = &after.custody else { panic!("{after:?}") };
        assert_eq!((sealing, wrapped_under), (&SealingAlgorithm::Sm4Gcm, &new));
    }
    let rows = encryption_keys(&services).await;
    assert_eq!(rows.iter().map(|row| &row.id).collect::<Vec<_>>(), [&old, &new]);
    assert_eq!((rows[0].wrapped.is_empty(), rows[0].destroyed_at), (true, Some(NOW)));
    assert_eq!(rows[1].sealings, i64::try_from(rotated).unwrap());

    let active = after.iter().find(|key| key.attributes.purpose == KeyPurpose::Ocsp).unwrap();
    assert_eq!(signs(&services, &active.id, KeyPurpose::Ocsp).await, "signed");
    // Who holds the old one opens nothing and, above all, seals nothing under it.
    assert_eq!(signs(&beside, &active.id, KeyPurpose::Ocsp).await, "key-encryption-key-changed");
    let key = NewKey::generate(KeyPurpose::Raw, KeyAlgorithm::Sm2, &SystemRandom).unwrap();
    let id = KeyId::fresh(NOW, &SystemRandom).unwrap();
    let refused = keep(&beside, &id, &attributes(KeyPurpose::Raw), &key).await.unwrap_err();
    assert_eq!(refused.code(), "key-encryption-key-changed");
    let refused = rotate(&beside, BY, (&wrapping.source, &wrapping.integrity)).await.unwrap_err();
    assert_eq!(refused.code(), "key-encryption-key-changed");
    beside.store.close().await;
    services.store.close().await;
    // The next process has it from the same source, and seals as it is told; keys sealed otherwise open still.
    let (services, _) = by_file(place, SealingAlgorithm::Aes256Gcm).await;
    assert_eq!(signs(&services, &active.id, KeyPurpose::Ocsp).await, "signed");
    keep(&services, &id, &attributes(KeyPurpose::Raw), &key).await.unwrap();
    let row = find(&services, &id).await.unwrap();
    assert!(matches!(row.custody, Custody::Software { sealing: SealingAlgorithm::Aes256Gcm, .. }), "{row:?}");
    services.store.close().await;
}

/// The database fails in the middle, at the last key.
async fn a_rotation_that_fails_changes_nothing(place: &Place) {
    let (services, wrapping) = by_file(place, SealingAlgorithm::Sm4Gcm).await;
    let (before, rows) = (list(&services).await.unwrap(), encryption_keys(&services).await);
    let last = before.iter().rfind(|key| !sealed(key).is_empty()).unwrap().id.clone();
    if place.is_sqlite() {
        let sql = format!(
            "CREATE TRIGGER fail BEFORE UPDATE ON keys WHEN NEW.id = '{last}' BEGIN SELECT RAISE(ABORT, 'full'); END"
        );
        place.by_hand(&sql).await;
    } else {
        place
            .by_hand(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full'; END $$",
            )
            .await;
        let sql = format!(
            "CREATE TRIGGER fail BEFORE UPDATE ON keys FOR EACH ROW WHEN (NEW.id = '{last}') EXECUTE FUNCTION fail()"
        );
        place.by_hand(&sql).await;
    }
    let refused = rotate(&services, BY, (&wrapping.source, &wrapping.integrity)).await.unwrap_err();
    assert!(matches!(refused, keys::Error::Store(store::Error::Database(_))), "{refused:?}");
    place.by_hand(if place.is_sqlite() { "DROP TRIGGER fail" } else { "DROP FUNCTION fail() CASCADE" }).await;
    assert_eq!((list(&services).await.unwrap(), encryption_keys(&services).await), (before, rows));
    rotate(&services, BY, (&wrapping.source, &wrapping.integrity)).await.unwrap();
    services.store.close().await;
}

async fn enough_is_sealed_under_one_key(place: &Place) {
    let (services, wrapping) = by_file(place, SealingAlgorithm::Sm4Gcm).await;
    let row = encryption_keys(&services).await.pop().unwrap();
    let full = &StoredEncryptionKey { sealings: MOST_SEALINGS - 1, ..row };
    services.store.run("count", |tx| Box::pin(key_encryption_keys::change(tx, full))).await.unwrap();
    made(&services, &attributes(KeyPurpose::Raw)).await;
    let key = NewKey::generate(KeyPurpose::Raw, KeyAlgorithm::Sm2, &SystemRandom).unwrap();
    let id = KeyId::fresh(NOW, &SystemRandom).unwrap();
    let refused = keep(&services, &id, &attributes(KeyPurpose::Raw), &key).await.unwrap_err();
    assert_eq!(refused.code(), "key-encryption-key-exhausted");
    rotate(&services, BY, (&wrapping.source, &wrapping.integrity)).await.unwrap();
    keep(&services, &id, &attributes(KeyPurpose::Raw), &key).await.unwrap();
    services.store.close().await;
}

async fn another_source_touches_one_row(place: &Place) {
    let (services, wrapping) = by_file(place, SealingAlgorithm::Sm4Gcm).await;
    let keys_before = list(&services).await.unwrap();
    let rows_before = encryption_keys(&services).await;
    let secret = fresh(&SystemRandom).unwrap();
    let holders = shares::split(secret.expose().try_into().unwrap(), (2, 3), &SystemRandom).unwrap().unwrap();
    let strangers = shares::split(&[7; 32], (2, 3), &SystemRandom).unwrap().unwrap();
    let source = SourceKey::of(secret, KeySourceKind::Shares);
    rewrap(&services, BY, (&source, &wrapping.integrity)).await.unwrap();
    let key = services.keys.encryption_key_id();
    assert_eq!(last_event(&services).await, EventBody::EncryptionKeyRewrapped { key, source: KeySourceKind::Shares });
    assert_eq!(list(&services).await.unwrap(), keys_before);
    let rows = encryption_keys(&services).await;
    let (last, earlier) = rows.split_last().unwrap();
    assert_eq!(earlier, &rows_before[..earlier.len()]);
    assert_eq!((last.source, last.version), (KeySourceKind::Shares, rows_before.last().unwrap().version + 1));
    services.store.close().await;

    let open = async |source: KeySource| attach(place, source, SealingAlgorithm::Sm4Gcm).await;
    let code = async |source: KeySource| open(source).await.map(|_| ()).unwrap_err().code();
    let given = |shares: &[&shares::Share]| KeySource::Shares(shares.iter().map(|share| share.to_text()).collect());
    assert_eq!(code(file(place)).await, "other-key-source");
    assert_eq!(code(given(&[&holders[0]])).await, "too-few-shares");
    assert_eq!(code(given(&[&holders[0], &holders[0]])).await, "share-repeated");
    assert_eq!(code(given(&[&holders[0], &strangers[1]])).await, "share-of-another-set");
    assert_eq!(code(given(&[&strangers[0], &strangers[1]])).await, "wrong-encryption-key");
    let damaged = KeySource::Shares(vec![holders[0].to_text(), {
        let mut text = holders[1].to_text().expose().to_vec();
        let digit = text.last_mut().unwrap();
        *digit = if *digit == b'0' { b'1' } else { b'0' };
        Secret::new(text)
    }]);
    assert_eq!(code(damaged).await, "share-corrupted");
    let (services, wrapping) = open(given(&[&holders[2], &holders[0]])).await.unwrap();
    let active = keys_before.iter().find(|key| key.attributes.purpose == KeyPurpose::Ocsp).unwrap();
    assert_eq!(signs(&services, &active.id, KeyPurpose::Ocsp).await, "signed");
    rotate(&services, BY, (&wrapping.source, &wrapping.integrity)).await.unwrap();
    let passphrase = KeySource::Passphrase(Secret::new(b"correct horse battery".to_vec()));
    let source = SourceKey::load(&passphrase, &services.keys.salt(), &SystemRandom).unwrap();
    rewrap(&services, BY, (&source, &wrapping.integrity)).await.unwrap();
    services.store.close().await;
    let wrong = KeySource::Passphrase(Secret::new(b"correct horse batterx".to_vec()));
    assert_eq!(code(wrong).await, "wrong-encryption-key");
    let (services, _) = open(passphrase).await.unwrap();
    assert_eq!(signs(&services, &active.id, KeyPurpose::Ocsp).await, "signed");
    services.store.close().await;
}

/// HKDF-SHA256 as version 0.1 used it.
fn derived(key: &[u8], salt: &[u8], label: &str) -> [u8; 32] {
    let mut output = [0; 32];
    let extracted = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, salt).extract(key);
    extracted.expand(&[label.as_bytes()], ring::hkdf::HKDF_SHA256).unwrap().fill(&mut output).unwrap();
    output
}

async fn taken_over(place: Place) {
    let (secret, salt) = ([5_u8; 32], [9_u8; 32]);
    keys::write_key_file(&place.folder.path().join("key"), &Secret::new(secret.to_vec())).unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations");
    let kind = if place.is_sqlite() { "sqlite" } else { "postgres" };
    let schema = std::fs::read_to_string(format!("{folder}/{kind}/0001_foundation.sql")).unwrap();
    let blob = |octets: &[u8]| {
        let digits = octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        if place.is_sqlite() { format!("x'{digits}'") } else { format!("'\\x{digits}'::bytea") }
    };
    let (integer, octets) = if place.is_sqlite() { ("INTEGER", "BLOB") } else { ("BIGINT", "BYTEA") };
    let mut script = format!(
        "CREATE TABLE schema_migrations (version {integer} PRIMARY KEY, sm3 {octets} NOT NULL, applied_at TEXT NOT NULL);
         INSERT INTO schema_migrations VALUES (1, {}, 'then'); {schema}
         INSERT INTO installation VALUES (1, {}, {}, 1);",
        blob(&sm3(schema.as_bytes())),
        blob(&salt),
        blob(&derived(&secret, &salt, "yinxin key check 1")),
    );
    let sealing =
        ring::aead::UnboundKey::new(&ring::aead::AES_256_GCM, &derived(&secret, &salt, "yinxin key sealing 1"));
    let sealing = ring::aead::LessSafeKey::new(sealing.unwrap());
    let mut made = Vec::new();
    for (id, purpose, state) in [("k1", KeyPurpose::SealSigning, "active"), ("k2", KeyPurpose::Raw, "retired")] {
        let key = NewKey::generate(purpose, KeyAlgorithm::Sm2, &SystemRandom).unwrap();
        let nonce: [u8; 12] = yinxin::base::random::array(&SystemRandom).unwrap();
        let mut sealed = key.private.expose().to_vec();
        let associated = ring::aead::Aad::from(format!("keys|{id}|{purpose}|sm2"));
        let unique = ring::aead::Nonce::assume_unique_for_key(nonce);
        sealing.seal_in_place_append_tag(unique, associated, &mut sealed).unwrap();
        script.push_str(&format!(
            "INSERT INTO keys VALUES ('{id}', '{purpose}', 'sm2', {}, {}, '{state}', 7);",
            blob(&key.public),
            blob(&[&nonce[..], &sealed].concat())
        ));
        made.push(key);
    }
    place.script(&script).await;
    // A row that gives authority, under the integrity key of version 0.1.
    let integrity = IntegrityKey::new(Secret::new(derived(&secret, &salt, "yinxin row integrity 1").to_vec()));
    let store = Store::open(&place.url, integrity, Arc::new(SystemRandom)).await.unwrap();
    let caller = &StoredCaller {
        id: CallerId::parse("c").unwrap(),
        name: "caller".into(),
        key_fingerprint: [1; 32],
        public_key: vec![1],
        algorithm: KeyAlgorithm::Sm2,
        roles: Roles::new([Role::SealUser]).unwrap(),
        state: CallerState::Active,
        created_at: NOW,
        version: 1,
    };
    store.run("keep", |tx| Box::pin(callers::insert(tx, caller))).await.unwrap();
    store.close().await;

    // The wrong key file changes nothing.
    let stray = place.folder.path().join("stray");
    keys::write_key_file(&stray, &Secret::new(vec![6; 32])).unwrap();
    let wrong = attach(&place, KeySource::File { path: stray, create: false }, SealingAlgorithm::Sm4Gcm).await;
    assert_eq!(wrong.map(|_| ()).unwrap_err().code(), "wrong-encryption-key");
    assert_eq!(place.count("key_encryption_keys").await, 0);
    for round in 0..2 {
        let (services, _) = by_file(&place, SealingAlgorithm::Sm4Gcm).await;
        let all = list(&services).await.unwrap();
        for (row, key) in all.iter().zip(&made) {
            let expected = KeyAttributes::new(Owner::not_recorded(), key.purpose, KeyAlgorithm::Sm2);
            assert_eq!((&row.attributes, &row.public_key, row.version), (&expected, &key.public, 1), "{round}");
        }
        let retired = KeyState::Suspended { since: Timestamp::from_unix(7), reason: KeySuspensionReason::Retired };
        assert_eq!(
            all.iter().map(|row| row.state).collect::<Vec<_>>(),
            [KeyState::Active { since: Timestamp::from_unix(7) }, retired]
        );
        assert_eq!(signs(&services, &all[0].id, KeyPurpose::SealSigning).await, "signed");
        assert_eq!(signs(&services, &all[1].id, KeyPurpose::Raw).await, "key-suspended");
        let found = services.store.read(|tx| Box::pin(callers::find(tx, &caller.id))).await.unwrap();
        assert_eq!(found.as_ref(), Some(caller));
        let rows = encryption_keys(&services).await;
        assert_eq!((rows.len(), rows[0].sealings), (1, 2));
        services.store.close().await;
    }
    // Whoever puts an old row back, as version 0.1 wrote it, gives it no authority.
    place.by_hand("UPDATE keys SET version = 0").await;
    let (services, _) = by_file(&place, SealingAlgorithm::Sm4Gcm).await;
    assert_eq!(list(&services).await.unwrap_err().code(), "inconsistent");
}
