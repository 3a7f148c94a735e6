//! Profile `gm3` over the double of an SDF device: what it keeps in the device, and what it refuses by name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection as _};
use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::base::id::{AuthorityId, CallerId, KeyId, RequestId};
use yinxin::base::random::{DeadRandom, RandomUnavailable, SystemRandom, array};
use yinxin::config::Settings;
use yinxin::config::verification::built_in;
use yinxin::domain::audit::Actor;
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::key::{
    KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, KeySourceKind, KeyState, Owner, Profile, SealingAlgorithm,
};
use yinxin::domain::trust::TrustAnchors;
use yinxin::domain::verify::Indication;
use yinxin::service::authorities::{self, AuthorityKey, NewAuthority};
use yinxin::service::door::{self, Refusal as _, UseCases as _, VerifyDocument};
use yinxin::service::front::Front;
use yinxin::service::issuance::Issuance;
use yinxin::service::keys::device::{DeviceOptions, SdfOptions};
use yinxin::service::keys::doors::{Doors, generate};
use yinxin::service::keys::import::Imported;
use yinxin::service::keys::rotation::{rewrap, rotate};
use yinxin::service::keys::transfer::import;
use yinxin::service::keys::{self, KeySource, NewKey, SourceKey, life_cycle};
use yinxin::service::responder::ensure;
use yinxin::service::units::{NewUnit, UnitRole, establish};
use yinxin::service::verification::sm3_hex;
use yinxin::service::{self, KeySettings, Services, Wrapping, development};
use yinxin::store::keys::{Custody, StoredKey};
use yinxin::store::{self, key_encryption_keys};

use crate::sdf::{Double, GONE};
use crate::store::postgres::Postgres;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const RANDOM: u32 = 101;
const MACS: u32 = 103;

/// Where a test keeps its rows.
enum Database {
    Sqlite,
    Postgres(Postgres),
}

impl Database {
    /// A fresh one, named after the folder of a test.
    async fn url(&self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite:{}", folder.join("yinxin.db").display()),
            Self::Postgres(server) => server.database(folder.file_name().unwrap().to_str().unwrap()).await,
        }
    }
}

fn settings(double: &Double) -> KeySettings {
    KeySettings::gm3(Doors::open(vec![DeviceOptions::Sdf(double.options())]).unwrap()).unwrap()
}

/// Opens the database with a device; the random source that is given is dead.
async fn attach(url: &str, settings: &KeySettings) -> Result<(Services, Wrapping), service::Error> {
    Services::attach(url, settings, Arc::new(FixedClock(NOW)), Arc::new(DeadRandom)).await
}

async fn open(url: &str, double: &Double) -> Services {
    let clock = Arc::new(FixedClock(NOW));
    Services::open_with(url, &settings(double), clock, Arc::new(DeadRandom)).await.unwrap()
}

/// What opening is refused with, as told.
async fn refusal(url: &str, settings: &KeySettings) -> (&'static str, String) {
    let error = attach(url, settings).await.map(|_| ()).unwrap_err();
    (error.code(), error.to_string())
}

async fn by_hand(url: &str, sql: &str) -> u64 {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        let done = sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected();
        connection.close().await.unwrap();
        return done;
    }
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let done = sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected();
    connection.close().await.unwrap();
    done
}

fn attributes(purpose: KeyPurpose, algorithm: KeyAlgorithm) -> KeyAttributes {
    KeyAttributes::new(Owner::installation(), purpose, algorithm)
}

async fn make(services: &Services, algorithm: KeyAlgorithm) -> Result<StoredKey, keys::Error> {
    generate(services, &Actor::Operator, KeyLocation::Sdf, &attributes(KeyPurpose::Raw, algorithm)).await
}

/// Signs a message through the door of the service; gives the code of a refusal.
async fn signs(services: &Services, id: &KeyId) -> Result<(), keys::Error> {
    let keys = &*services.keys;
    let signer = services.store.read(|tx| Box::pin(keys.signer(tx, id, KeyPurpose::Raw, NOW))).await?;
    let (public, algorithm) = (signer.public_key(), signer.algorithm());
    let value = services.pool.sign(signer, b"message".to_vec(), Arc::clone(&services.random)).await?;
    assert!(public.verify(algorithm, b"message", &value));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_device_holds_keys_integrity_values_and_randomness() {
    holds(&Database::Sqlite).await;
}

async fn holds(database: &Database) {
    let double = Double::new("gm3-holds");
    let url = &*database.url(&double.folder).await;
    let services = open(url, &double).await;
    assert_eq!((services.keys.profile(), services.keys.sealing()), (Profile::Gm3, SealingAlgorithm::Sm4Gcm));
    // The random source given at opening is dead: every octet is the device's.
    let asked = double.count(RANDOM);
    let first: [u8; 32] = array(&*services.random).unwrap();
    assert_ne!(first, array(&*services.random).unwrap());
    assert_eq!(double.count(RANDOM), asked + 2);

    let key = make(&services, KeyAlgorithm::Sm2).await.unwrap();
    let macs = double.count(MACS);
    signs(&services, &key.id).await.unwrap();
    assert_eq!(double.count(MACS), macs + 1, "one row was checked, by the device");
    let row = services.store.read(|tx| Box::pin(key_encryption_keys::active(tx))).await.unwrap().unwrap();
    assert_eq!((row.source, row.sealing, row.sealings), (KeySourceKind::Device, SealingAlgorithm::Sm4Gcm, 0));
    let text = String::from_utf8_lossy(&row.wrapped).into_owned();
    assert!(text.contains("wrap:1:") && text.contains("mac:1:"), "{text}");
    services.store.close().await;
    let files = fs::read_dir(&double.folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(files.into_iter().all(|name| !name.contains("key")), "no key lies beside the database");

    // Another start, with the same device.
    let (again, wrapping) = attach(url, &settings(&double)).await.unwrap();
    signs(&again, &key.id).await.unwrap();
    // Another key-encryption key, under the same device and the same integrity key.
    let pair = (&wrapping.source, &wrapping.integrity);
    assert_eq!(rotate(&again, &Actor::Operator, pair).await.unwrap(), 0);
    signs(&again, &key.id).await.unwrap();
    again.store.close().await;
    let third = open(url, &double).await;
    signs(&third, &key.id).await.unwrap();
    assert_ne!(third.keys.encryption_key_id(), row.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_is_refused_and_a_device_that_is_away_says_nothing_about_rows() {
    away(&Database::Sqlite).await;
}

async fn away(database: &Database) {
    let double = Double::new("gm3-rows");
    let url = &*database.url(&double.folder).await;
    let services = open(url, &double).await;
    let key = make(&services, KeyAlgorithm::Sm2).await.unwrap();

    double.set(GONE, 1);
    let gone = signs(&services, &key.id).await.unwrap_err();
    assert!(matches!(gone, keys::Error::Store(store::Error::Integrity(_))), "{gone:?}");
    assert_eq!((gone.code(), gone.passes()), ("key-store-unavailable", true));
    assert_eq!(gone.to_string(), "the device gave no integrity value (key-store-unavailable)");
    assert_eq!(service::Error::from(gone).kind(), door::ErrorKind::Unavailable);
    let id = &CallerId::parse("nobody").unwrap();
    let caller = services.store.read(|tx| Box::pin(store::callers::find(tx, id))).await;
    assert_eq!(caller.unwrap(), None, "a row that is not there needs no value");
    assert_eq!(array::<8>(&*services.random), Err(RandomUnavailable));
    // Writing needs the value too, and leaves nothing behind.
    let state = KeyState::Active { since: NOW };
    let change = services.store.run("change", |tx| {
        let (key, custody) = (key.clone(), key.custody.clone());
        Box::pin(async move { store::keys::change(tx, &key, (state, custody)).await })
    });
    let away = service::Error::from(change.await.map(|_| ()).unwrap_err());
    assert_eq!((away.code(), away.kind()), ("key-store-unavailable", door::ErrorKind::Unavailable));
    let start = refusal(url, &settings_of_an_open_device(&services)).await;
    assert_eq!(start.0, "selftest-failed");
    assert_eq!(
        start.1,
        "the self-test random generator of the device: the generator gives nothing failed; nothing is started"
    );
    double.set(GONE, 0);
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    signs(&services, &key.id).await.unwrap();
    array::<8>(&*services.random).unwrap();

    // What the database's owner changes is refused: the value is under a key that only the device has.
    assert_eq!(by_hand(url, "UPDATE keys SET owner = 'somebody else'").await, 1);
    let changed = signs(&services, &key.id).await.unwrap_err();
    assert_eq!(changed.code(), "inconsistent");
    services.store.close().await;
    assert_eq!(refusal(url, &settings(&double)).await.0, "inconsistent", "keys are read at start");
}

/// The device stays open, as that of a service at work.
fn settings_of_an_open_device(services: &Services) -> KeySettings {
    KeySettings::gm3(services.devices.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_device_or_source_does_not_open_the_database() {
    another(&Database::Sqlite).await;
}

async fn another(database: &Database) {
    let (double, other) = (Double::new("gm3-ours"), Double::new("gm3-theirs"));
    let url = &*database.url(&double.folder).await;
    let services = open(url, &double).await;
    services.store.close().await;
    let told = "the key-encryption key is not the one of this database";
    assert_eq!(refusal(url, &settings(&other)).await, ("wrong-encryption-key", told.to_owned()));
    // A handle exchanged in the row, or any octet of it.
    let changes = match database {
        Database::Sqlite => [
            "CAST(replace(wrapped, CAST('mac:1:' AS BLOB), CAST('mac:2:' AS BLOB)) AS BLOB)",
            "CAST(substr(wrapped, 1, 40) AS BLOB)",
            "x'00'",
        ],
        Database::Postgres(_) => [
            "decode(replace(encode(wrapped, 'hex'), encode('mac:1:', 'hex'), encode('mac:2:', 'hex')), 'hex')",
            "substr(wrapped, 1, 40)",
            "'\\x00'::bytea",
        ],
    };
    for change in changes {
        by_hand(url, "CREATE TABLE kept AS SELECT wrapped FROM key_encryption_keys").await;
        by_hand(url, &format!("UPDATE key_encryption_keys SET wrapped = {change}")).await;
        assert_eq!(refusal(url, &settings(&double)).await.0, "wrong-encryption-key", "{change}");
        by_hand(url, "UPDATE key_encryption_keys SET wrapped = (SELECT wrapped FROM kept)").await;
        by_hand(url, "DROP TABLE kept").await;
    }
    // The row's own integrity value covers what the wrapping does not.
    by_hand(url, "UPDATE key_encryption_keys SET sealings = 5").await;
    assert_eq!(refusal(url, &settings(&double)).await.0, "inconsistent");
    by_hand(url, "UPDATE key_encryption_keys SET sealings = 0").await;

    // No way out of the profile, and none into it.
    let (services, wrapping) = attach(url, &settings(&double)).await.unwrap();
    let key = keys::fresh(&SystemRandom).unwrap();
    let shares = SourceKey::of(key, KeySourceKind::Shares);
    let moved = rewrap(&services, &Actor::Operator, (&shares, &wrapping.integrity)).await.unwrap_err();
    assert_eq!(moved.code(), "profile-forbids-source");
    assert_eq!(moved.to_string(), "profile gm3 takes no key from this source: shares");
    services.store.close().await;
    let file = KeySource::File { path: double.folder.join("file"), create: true };
    let devices = Doors::open(vec![DeviceOptions::Sdf(double.options())]).unwrap();
    let standard = KeySettings { devices: devices.clone(), ..KeySettings::from_source(file.clone()) };
    keys::write_key_file(&double.folder.join("file"), &keys::fresh(&SystemRandom).unwrap()).unwrap();
    let clock = || Arc::new(FixedClock(NOW));
    let opened = Services::attach(url, &standard, clock(), Arc::new(SystemRandom)).await;
    assert_eq!(opened.map(|_| ()).unwrap_err().code(), "other-key-source");
    let mixed = KeySettings { source: file, ..settings(&double) };
    let told = "profile gm3 takes no key from this source: file";
    assert_eq!(refusal(url, &mixed).await, ("profile-forbids-source", told.to_owned()));
    let mixed = KeySettings { profile: Profile::Standard, ..settings(&double) };
    let opened = Services::attach(url, &mixed, clock(), Arc::new(SystemRandom)).await;
    let told = "profile standard takes no key from this source: device";
    assert_eq!(opened.map(|_| ()).unwrap_err().to_string(), told);

    let began = other.folder.join("gm3-standard");
    fs::create_dir(&began).unwrap();
    let began = &*database.url(&began).await;
    let opened = Services::attach(began, &standard, clock(), Arc::new(SystemRandom)).await;
    opened.unwrap().0.store.close().await;
    assert_eq!(refusal(began, &settings(&other)).await.0, "other-key-source");
}

/// What the installation makes for itself lies in the device too; where it cannot, the refusal is exact and nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn units_and_responders_have_their_keys_in_the_device() {
    let double = Double::new("gm3-units");
    let url = &*Database::Sqlite.url(&double.folder).await;
    let options = SdfOptions { pairs: vec![1, 2, 3], ..double.options() };
    let settings = KeySettings::gm3(Doors::open(vec![DeviceOptions::Sdf(options)]).unwrap()).unwrap();
    let clock = Arc::new(FixedClock(NOW));
    let services = Services::open_with(url, &settings, clock, Arc::new(DeadRandom)).await.unwrap();
    let by = &Actor::Operator;
    let wanted = attributes(KeyPurpose::CertificateAuthority, KeyAlgorithm::Sm2);
    let key = generate(&services, by, KeyLocation::Sdf, &wanted).await.unwrap();
    let name = |name: &str| {
        vec![(AttributeKind::Organisation, "示例".to_owned()), (AttributeKind::CommonName, name.to_owned())]
    };
    let id = AuthorityId::parse("root").unwrap();
    let mut new = NewAuthority {
        id: Some(id.clone()),
        name: "根".into(),
        profile: "root".into(),
        parent: None,
        subject: name("根"),
        key: AuthorityKey::Generated(KeyAlgorithm::Sm2),
        not_after: None,
        base_url: "http://ca.example".into(),
        crl_shards: 1,
    };
    let profiles = yinxin::config::profiles::built_in().unwrap();
    let refused = authorities::create(&services, &profiles, by, &new).await.unwrap_err();
    assert_eq!(refused.code(), "profile-forbids-software-keys");
    new.key = AuthorityKey::Named(key.id);
    authorities::create(&services, &profiles, by, &new).await.unwrap();
    let issuance = Issuance::start(services.clone(), Arc::new(profiles));
    let unit = |algorithm, location| NewUnit {
        algorithm,
        location,
        subject: name("时间戳"),
        profile: "tsa".into(),
        not_after: None,
    };
    let keys = async || life_cycle::list(&services).await.unwrap();
    let before = keys().await.len();
    for (algorithm, location, code) in [
        (KeyAlgorithm::Sm2, Some(KeyLocation::Software), "profile-forbids-software-keys"),
        (KeyAlgorithm::EcdsaP256, None, "profile-forbids-algorithm"),
        (KeyAlgorithm::Sm2, Some(KeyLocation::Pkcs11), "key-store-unavailable"),
    ] {
        let refused = establish(&services, &issuance, by, (&id, UnitRole::TimeStamping), unit(algorithm, location))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), code);
    }
    assert_eq!(keys().await.len(), before);
    establish(&services, &issuance, by, (&id, UnitRole::TimeStamping), unit(KeyAlgorithm::Sm2, None)).await.unwrap();
    ensure(&services, &issuance, by, &id).await.unwrap();
    let made = keys().await;
    for purpose in [KeyPurpose::TimeStamping, KeyPurpose::Ocsp] {
        let key = made.iter().find(|key| key.attributes.purpose == purpose).unwrap();
        assert!(matches!(key.custody, Custody::Device { location: KeyLocation::Sdf, .. }), "{key:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn software_keys_and_other_algorithms_are_refused() {
    forbidden(&Database::Sqlite).await;
}

async fn forbidden(database: &Database) {
    let double = Double::new("gm3-refuses");
    let url = &*database.url(&double.folder).await;
    let services = open(url, &double).await;
    let software = ("profile-forbids-software-keys", "profile gm3 forbids private keys in software".to_owned());
    let told = |error: keys::Error| (error.code(), error.to_string());

    for algorithm in [KeyAlgorithm::Rsa, KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519] {
        let refused = told(make(&services, algorithm).await.unwrap_err());
        let expected = "profile gm3 forbids keys of our own that are not of SM2".to_owned();
        assert_eq!(refused, ("profile-forbids-algorithm", expected));
    }
    let pair = NewKey::generate(KeyPurpose::Raw, KeyAlgorithm::Sm2, &SystemRandom).unwrap();
    let (keys, wanted) = (&*services.keys, &attributes(KeyPurpose::Raw, KeyAlgorithm::Sm2));
    let (id, octets) = (&KeyId::parse("soft").unwrap(), (&pair.private, &pair.public[..]));
    let kept = services.store.run("keep", |tx| Box::pin(keys.keep(tx, id, wanted, octets, NOW))).await;
    assert_eq!(told(kept.unwrap_err()), software);
    let (algorithm, private, public) = (KeyAlgorithm::Sm2, pair.private.clone(), pair.public.clone());
    let imported = Imported { algorithm, private, public, certificates: Vec::new() };
    let taken = import(&services, &Actor::Operator, wanted, &imported).await;
    assert_eq!(told(taken.unwrap_err()), software);
    let made =
        development::ensure(&services, &yinxin::config::profiles::built_in().unwrap()).await.map(|_| ()).unwrap_err();
    assert_eq!((made.code(), made.to_string()), software);

    // Rows that came by another way: not used, and no start beside them.
    let row = |id: &str, algorithm, custody, number: u8| StoredKey {
        id: KeyId::parse(id).unwrap(),
        attributes: attributes(KeyPurpose::Raw, algorithm),
        public_key: vec![number],
        custody,
        state: KeyState::Active { since: NOW },
        created_at: NOW,
        version: 1,
    };
    let sealed = Custody::Software {
        sealed_private: vec![1; 60],
        sealing: SealingAlgorithm::Sm4Gcm,
        wrapped_under: services.keys.encryption_key_id(),
    };
    let inside = Custody::Device { location: KeyLocation::Sdf, handle: b"sign:1".to_vec() };
    let insert = async |services: &Services, row: &StoredKey| {
        services.store.run("insert", |tx| Box::pin(store::keys::insert(tx, row))).await.unwrap();
    };
    insert(&services, &row("curve", KeyAlgorithm::EcdsaP256, inside, 2)).await;
    services.store.close().await;
    let algorithm = "profile gm3 forbids keys of our own that are not of SM2: curve".to_owned();
    assert_eq!(refusal(url, &settings(&double)).await, ("profile-forbids-algorithm", algorithm));

    // As a service that is at work when the rows come.
    by_hand(url, "UPDATE keys SET state = 'destroyed' WHERE id = 'curve'").await;
    assert_eq!(refusal(url, &settings(&double)).await.0, "inconsistent");
    by_hand(url, "DELETE FROM keys").await;
    let services = open(url, &double).await;
    for (id, number) in [("soft-1", 3), ("soft-2", 4)] {
        insert(&services, &row(id, KeyAlgorithm::Sm2, sealed.clone(), number)).await;
    }
    let loaded = signs(&services, &KeyId::parse("soft-1").unwrap()).await.unwrap_err();
    let expected = "profile gm3 forbids private keys in software: soft-1".to_owned();
    assert_eq!(told(loaded), ("profile-forbids-software-keys", expected));
    services.store.close().await;
    let both = "profile gm3 forbids private keys in software: soft-1, soft-2".to_owned();
    assert_eq!(refusal(url, &settings(&double)).await, ("profile-forbids-software-keys", both));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_on_postgresql() {
    let Some(server) = Postgres::start() else {
        println!("SKIPPED gm3::the_profile_on_postgresql: PostgreSQL absent");
        let required = std::env::var_os("CI").is_some()
            || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
        assert!(!required, "PostgreSQL is required and absent");
        return;
    };
    let database = Database::Postgres(server);
    holds(&database).await;
    away(&database).await;
    another(&database).await;
    forbidden(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_are_judged_as_ever() {
    let double = Double::new("gm3-judges");
    let services = open(&Database::Sqlite.url(&double.folder).await, &double).await;
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut trust = TrustAnchors::none();
    for name in ["ca.pem", "rsa_ca.pem"] {
        trust.add_anchors(&fs::read(vectors.join("keys").join(name)).unwrap(), name).unwrap();
    }
    let policies = BTreeMap::from([("default".to_owned(), built_in("default", &sm3_hex).unwrap())]);
    let front = Front::new(services, trust, policies, "default").unwrap();
    let actor = door::Actor {
        caller: None,
        request_id: RequestId::parse("r").unwrap(),
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
    };
    for name in ["v4_basic.ofd", "v4_rsa_sha256.ofd"] {
        let document = fs::read(vectors.join("ofd/accept").join(name)).unwrap();
        let at = Timestamp::parse_rfc3339("2026-11-23T00:00:00Z").ok();
        let evidence = door::HandedIn::default();
        let request =
            VerifyDocument { file_name: name.to_owned(), document, original: None, evidence, at, policy: None };
        let report = front.verify(&actor, request).await.unwrap();
        assert_eq!(report.indication, Indication::TotalPassed, "{name}");
    }
}

const SERVER: &str = "[server]\ntls_certificate = 'c'\ntls_key = 'k'\n";
const SDF: &str = "[keys.sdf]\nlibrary = '/s.so'\npairs = [1]\n";

#[test]
fn the_configuration_takes_the_device_and_nothing_beside_it() {
    let load = |text: &str, variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_text("y.toml", text, variables).map_err(|error| error.to_string())
    };
    let with = |keys: &str| format!("profile = 'gm3'\n{SERVER}[keys]\n{keys}\n{SDF}");
    let settings = load(&with(""), &[]).unwrap();
    assert_eq!((settings.profile, settings.keys.sealing), (Profile::Gm3, SealingAlgorithm::Sm4Gcm));
    assert!(!settings.trust.development);
    let written = settings.effective();
    assert!(written.contains("profile = \"gm3\"\n") && !written.contains("encryption_key_file"), "{written}");
    assert_eq!(load(&written, &[]).unwrap().effective(), written);
    assert_eq!(load("", &[]).unwrap().profile, Profile::Standard);
    assert_eq!(load("profile = 'standard'", &[]).unwrap().profile, Profile::Standard);
    assert_eq!(load(&with("sealing = 'sm4-gcm'"), &[]).unwrap().keys.sealing, SealingAlgorithm::Sm4Gcm);

    let held = "not under profile gm3: the device of keys.sdf holds the key";
    let needed = "keys.sdf: needed under profile gm3: the device that holds all keys";
    let token = "[keys.pkcs11]\nmodule = '/m.so'\ntoken = 't'\npin_file = '/p'\n";
    let no_token = "keys.pkcs11: not under profile gm3: a PKCS#11 token seals keys by AES; the device of gm3 is that of \
                    keys.sdf";
    let cases = [
        ("profile = 'gm4'".to_owned(), "profile: standard or gm3, not \"gm4\"".to_owned()),
        (format!("profile = 'gm3'\n{SERVER}"), needed.to_owned()),
        (format!("profile = 'gm3'\n{SERVER}{token}"), no_token.to_owned()),
        (format!("{}{token}", with("")), no_token.to_owned()),
        (with("encryption_key_file = 'f'"), format!("keys.encryption_key_file: {held}")),
        (with("passphrase_file = 'f'"), format!("keys.passphrase_file: {held}")),
        (with("environment = 'KEK'"), format!("keys.environment: {held}")),
        (with("share_files = ['f']"), format!("keys.share_files: {held}")),
        (with("sealing = 'aes-256-gcm'"), "keys.sealing: sm4-gcm under profile gm3, not \"aes-256-gcm\"".to_owned()),
        (
            format!("{}[trust]\ndevelopment = true", with("")),
            "trust.development: not under profile gm3: the development PKI keeps its keys in software".to_owned(),
        ),
        (
            format!("profile = 'gm3'\n{SDF}"),
            "server.tls_certificate: needed under profile gm3: no certificate and key are made here".to_owned(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(load(&text, &[]).err(), Some(format!("y.toml: {expected}")), "{text}");
    }
    let passphrase = load(&with(""), &[("YINXIN_PASSPHRASE", "long enough secret")]);
    assert_eq!(passphrase.err(), Some(format!("y.toml: YINXIN_PASSPHRASE: {held}")));
}

/// By the program: the double begins anew with each process, so that a second run meets another device.
#[test]
fn the_program_opens_the_device_that_the_configuration_names() {
    let double = Double::new("gm3-program");
    let options = double.options();
    let run = |name: &str, arguments: &[&str]| {
        let data = double.folder.join(name);
        let text = format!(
            "profile = 'gm3'\ndata_dir = '{}'\n{SERVER}[keys.sdf]\nlibrary = '{}'\npairs = [1, 3]\npassword_file = \
             '{}'\n",
            data.display(),
            options.library.display(),
            options.password_file.clone().unwrap_or_default().display()
        );
        let configuration = double.folder.join(format!("{name}.toml"));
        fs::write(&configuration, text).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_yinxin"));
        program.arg("keys").args(arguments).arg("--config").arg(&configuration).current_dir(&double.folder);
        let done = program.output().unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        (done.status.success(), text(done.stdout), text(done.stderr))
    };
    let first = run("a", &["list"]);
    assert_eq!((first.0, first.1.as_str()), (true, ""), "{}", first.2);
    let (done, _, told) = run("a", &["list"]);
    assert!(!done && told.ends_with("not the one of this database (wrong-encryption-key)\n"), "{told}");
    let (done, _, told) = run("b", &["rewrap", "--to-file", "new.key"]);
    let expected = "error: profile gm3 takes no key from this source: file (profile-forbids-source)\n";
    assert!(!done && told.ends_with(expected), "{told}");
    assert!(!double.folder.join("new.key").exists(), "no source is made that will not be used");
}
