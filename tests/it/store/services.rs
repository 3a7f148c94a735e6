//! Use cases over a real database: state and event together, keys for one purpose, a start after a crash.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::base::id::{CallerId, KeyId, RequestId, SealId, SignatureId};
use yinxin::base::random::SystemRandom;
use yinxin::base::secret::Secret;
use yinxin::crypto::Signer;
use yinxin::crypto::sm2::PrivateKey;
use yinxin::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::key::{KeyAlgorithm, KeyAttributes, KeyPurpose, KeyUse, Owner};
use yinxin::domain::seal::State;
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::service::callers::{self, Register, Registration};
use yinxin::service::idempotency::{self, Reservation, Reserving};
use yinxin::service::keys::KeySource;
use yinxin::service::{Error, Services, keys};
use yinxin::store::keys::Custody;
use yinxin::store::seals::StoredSeal;
use yinxin::store::{audit, seals, signatures};

use crate::store::Folder;

async fn open(folder: &Path, key_file: &str) -> Result<Services, Error> {
    let url = format!("sqlite:{}", folder.join("rows.db").display());
    let source = KeySource::File { path: folder.join(key_file), create: true };
    let clock = Arc::new(FixedClock(Timestamp::from_unix(1_000)));
    Services::open(&url, &source, clock, Arc::new(SystemRandom)).await
}

async fn events(services: &Services) -> Vec<Event> {
    let events = services.store.read(|tx| Box::pin(audit::read(tx, 0, 100))).await.unwrap();
    events.into_iter().map(|(_, event)| event).collect()
}

async fn register(services: &Services, key: u8) -> Result<CallerId, Error> {
    let registration = Registration {
        name: "演示系统".into(),
        key_fingerprint: [key; 32],
        public_key: vec![key],
        algorithm: KeyAlgorithm::Sm2,
        roles: Roles::new([Role::SealUser]).unwrap(),
    };
    callers::register_caller(services, &Actor::Operator, None, registration).await.map(|caller| caller.id)
}

#[tokio::test]
async fn a_caller_is_registered_once_and_its_nonces_are_spent_once() {
    let folder = Folder::new("callers");
    let services = open(folder.path(), "key").await.unwrap();
    let id = register(&services, 1).await.unwrap();
    assert_eq!(register(&services, 1).await.unwrap_err().code(), "caller-exists");
    // The refused one left no event.
    let recorded = events(&services).await;
    let classes = recorded.iter().map(|event| event.class().name()).collect::<Vec<_>>();
    assert_eq!(classes, ["key-encryption-key-created", "service-started", "caller-registered"]);

    assert_eq!(callers::caller_by_fingerprint(&services, &[1; 32]).await.unwrap().id, id);
    let unknown = callers::caller_by_fingerprint(&services, &[2; 32]).await.unwrap_err();
    assert_eq!(unknown.code(), "unknown-caller");

    let spend = async |nonce: &str, now| {
        callers::spend_nonce(&services, &id, nonce, Timestamp::from_unix(now), 60).await.map_err(|error| error.code())
    };
    assert_eq!(spend("n", 1_000).await, Ok(()));
    assert_eq!(spend("n", 1_120).await, Err("replayed"));
    assert_eq!(spend("n", 1_121).await, Ok(()));
    assert_eq!(spend("", 1_000).await, Err("invalid-nonce"));
    assert_eq!(spend(&"n".repeat(129), 1_000).await, Err("invalid-nonce"));

    let body = EventBody::AccessRefused { endpoint: "POST /x".into(), code: "replay".into() };
    let request = RequestId::parse("r").unwrap();
    let number = services.record(&Actor::Anonymous, Some(&request), body.clone()).await.unwrap();
    let at = Timestamp::from_unix(1_000);
    let expected = Event { at, actor: Actor::Anonymous, request: Some(request), body };
    assert_eq!((number, events(&services).await.last()), (3, Some(&expected)));

    callers::bar_caller(&services, &Actor::Operator, None, &id).await.unwrap();
    let barred = callers::caller_by_fingerprint(&services, &[1; 32]).await.unwrap_err();
    assert_eq!(barred.code(), "caller-barred");
    let again = callers::bar_caller(&services, &Actor::Operator, None, &id).await.unwrap_err();
    assert_eq!(again.code(), "caller-barred");
    assert_eq!(events(&services).await.len(), 5);
}

/// What a start without the development PKI does with the caller whose certificate lies in the installation's folder.
#[tokio::test]
async fn the_holder_of_a_certificate_is_barred_once() {
    let folder = Folder::new("holder");
    let services = open(folder.path(), "key").await.unwrap();
    let made = yinxin::http::tls::development_client("caller", Timestamp::from_unix(1_000)).unwrap();
    let registration = Registration {
        name: "development caller".into(),
        key_fingerprint: made.fingerprint,
        public_key: made.spki.clone(),
        algorithm: KeyAlgorithm::EcdsaP256,
        roles: Roles::new([Role::SealUser]).unwrap(),
    };
    callers::register_caller(&services, &Actor::Operator, None, registration).await.unwrap();
    assert!(!callers::bar_holder(&services, "no certificate").await.unwrap());
    assert!(callers::bar_holder(&services, &made.certificate_pem).await.unwrap());
    let barred = callers::caller_by_fingerprint(&services, &made.fingerprint).await.unwrap_err();
    assert_eq!(barred.code(), "caller-barred");
    assert!(!callers::bar_holder(&services, &made.certificate_pem).await.unwrap());
    let classes = events(&services).await.iter().map(|event| event.class().name()).collect::<Vec<_>>();
    assert_eq!(classes, ["key-encryption-key-created", "service-started", "caller-registered", "caller-barred"]);
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let folder = Folder::new("idempotency");
    let services = open(folder.path(), "key").await.unwrap();
    let id = register(&services, 1).await.unwrap();
    let reserve = async |key: &str, request| {
        idempotency::reserve(&services, &id, key, &[request; 32]).await.map_err(|error| error.code())
    };
    assert_eq!(reserve("k", 1).await, Ok(Reservation::First));
    assert_eq!(reserve("k", 2).await, Err("idempotency-key-reused"));
    // The same request waits for the answer of the first.
    let done = Ok(Reservation::Done { status: 201, response: b"made".to_vec(), events: Vec::new() });
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        idempotency::complete(&services, &id, "k", 201, b"made").await.unwrap();
    };
    let (one, other, ()) = tokio::join!(reserve("k", 1), reserve("k", 1), later);
    assert_eq!((&one, &other), (&done, &done));
    assert_eq!(reserve("k", 1).await, done);
    assert_eq!(reserve("k", 2).await, Err("idempotency-key-reused"));
    assert_eq!(reserve("l", 2).await, Ok(Reservation::First));
    // Where the first comes to nothing, the one that waits is the first.
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        idempotency::release(&services, &id, "l").await.unwrap();
    };
    let (waited, ()) = tokio::join!(reserve("l", 2), later);
    assert_eq!(waited, Ok(Reservation::First));
    idempotency::release(&services, &id, "l").await.unwrap();
    assert_eq!(reserve("l", 3).await, Ok(Reservation::First));
    assert_eq!(reserve("a b", 1).await, Err("invalid-idempotency-key"));
}

/// What one of them is refused for is no other's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_reserved_together_are_each_their_callers_own() {
    let folder = Folder::new("reserving");
    let services = open(folder.path(), "key").await.unwrap();
    let (one, barred) = (register(&services, 1).await.unwrap(), register(&services, 2).await.unwrap());
    let unknown = CallerId::parse("nobody").unwrap();
    callers::bar_caller(&services, &Actor::Operator, None, &barred).await.unwrap();
    idempotency::reserve(&services, &one, "done", &[1; 32]).await.unwrap();
    idempotency::complete(&services, &one, "done", 201, b"made").await.unwrap();
    let keys = Reserving::start(services.clone());
    let reserve = async |caller: &CallerId, key: &str, request: u8| {
        let reserved = keys.reserve(caller, key, &[request; 32]).await;
        reserved.map_err(|error| error.code())
    };
    let outcomes = tokio::join!(
        reserve(&one, "a", 1),
        reserve(&barred, "a", 1),
        reserve(&one, "twice", 1),
        reserve(&one, "twice", 1),
        reserve(&unknown, "a", 1),
        reserve(&one, "done", 1),
        reserve(&one, "done", 2),
        reserve(&one, "no key", 1),
    );
    let actor = Actor::Caller { id: one.clone(), roles: Roles::new([Role::SealUser]).unwrap() };
    let first = Ok((actor.clone(), Reservation::First));
    assert_eq!(outcomes.0, first);
    assert_eq!(outcomes.1, Err("caller-barred"));
    // The second of them waited ten seconds for the first, which never ends here.
    assert_eq!((outcomes.2, outcomes.3), (first.clone(), Err("idempotency-key-in-use")));
    assert_eq!(outcomes.4, Err("unknown-caller"));
    assert_eq!(
        outcomes.5,
        Ok((actor, Reservation::Done { status: 201, response: b"made".to_vec(), events: Vec::new() }))
    );
    assert_eq!(outcomes.6, Err("idempotency-key-reused"));
    // Ten wait for a first that comes to nothing: one of them is the first, and the others get its answer.
    assert_eq!(reserve(&one, "ten", 1).await, first);
    let mut ten = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (keys, one) = (keys.clone(), one.clone());
        ten.spawn(async move { keys.reserve(&one, "ten", &[1; 32]).await.map(|(_, reserved)| reserved) });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    idempotency::release(&services, &one, "ten").await.unwrap();
    assert_eq!(ten.join_next().await.unwrap().unwrap().unwrap(), Reservation::First);
    idempotency::complete(&services, &one, "ten", 201, b"made").await.unwrap();
    let made = Reservation::Done { status: 201, response: b"made".to_vec(), events: Vec::new() };
    while let Some(outcome) = ten.join_next().await {
        assert_eq!(outcome.unwrap().unwrap(), made);
    }
    assert_eq!(outcomes.7, Err("invalid-idempotency-key"));
    // Nothing of the barred one stands in the way of others.
    assert_eq!(reserve(&one, "b", 1).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_is_barred_is_out_at_the_next_look() {
    let folder = Folder::new("register");
    let services = open(folder.path(), "key").await.unwrap();
    let (one, other) = (register(&services, 1).await.unwrap(), register(&services, 2).await.unwrap());
    let looks = Register::start(&services);
    let by_key =
        async |key: u8| looks.by_fingerprint(&[key; 32]).await.map(|caller| caller.id).map_err(|error| error.code());
    let found = tokio::join!(by_key(1), by_key(2), by_key(1), by_key(3));
    assert_eq!(found, (Ok(one.clone()), Ok(other.clone()), Ok(one.clone()), Err("unknown-caller")));
    let actor = Actor::Caller { id: one.clone(), roles: Roles::new([Role::SealUser]).unwrap() };
    assert_eq!(looks.actor(&one).await.unwrap(), actor);
    callers::bar_caller(&services, &Actor::Operator, None, &one).await.unwrap();
    let found = tokio::join!(by_key(1), by_key(2));
    assert_eq!(found, (Err("caller-barred"), Ok(other)));
    assert_eq!(looks.actor(&one).await.unwrap_err().code(), "caller-barred");
    assert_eq!(looks.actor(&CallerId::parse("nobody").unwrap()).await.unwrap_err().code(), "unknown-caller");
}

#[tokio::test]
async fn a_start_abandons_what_a_crash_left_open() {
    let folder = Folder::new("start");
    let services = open(folder.path(), "key").await.unwrap();
    let seal = StoredSeal {
        id: SealId::parse("s").unwrap(),
        es_id: "1".into(),
        name: "样章".into(),
        seal_der: vec![0x30, 0],
        signer_key: None,
        state: State::Active { since: Timestamp::from_unix(1) },
        version: 1,
    };
    let signature = SignatureId::parse("g").unwrap();
    let (row, name) = (&seal, &signature);
    let steps = services.store.run("intend", |tx| {
        Box::pin(async move {
            seals::insert(tx, row).await?;
            signatures::record_intent(tx, name, &row.id, &[1; 32], Timestamp::from_unix(2)).await
        })
    });
    steps.await.unwrap();
    services.store.close().await;

    let services = open(folder.path(), "key").await.unwrap();
    // The first tells of the key-encryption key.
    let recorded = events(&services).await.into_iter().skip(1).map(|event| event.body).collect::<Vec<_>>();
    let started = || EventBody::ServiceStarted { version: env!("CARGO_PKG_VERSION").into() };
    let abandoned = EventBody::SigningAbandoned { signature, reason: AbandonmentReason::Interrupted };
    assert_eq!(recorded, [started(), abandoned, started()]);
    // The integrity key is the same again: the seal is still believed.
    let found = services.store.read(|tx| Box::pin(seals::find(tx, &seal.id))).await.unwrap();
    assert_eq!(found, Some(seal));
    services.store.close().await;

    // A key that is lost is not replaced by a new one: the operator has to bring it back.
    let lost = open(folder.path(), "other").await.err().unwrap();
    assert!(matches!(lost, Error::Keys(keys::Error::File { .. })), "{lost:?}");
    assert!(!folder.path().join("other").exists());
    let elsewhere = Folder::new("start-elsewhere");
    open(elsewhere.path(), "key").await.unwrap().store.close().await;
    std::fs::copy(elsewhere.path().join("key"), folder.path().join("other")).unwrap();
    let other_key = open(folder.path(), "other").await.err().unwrap();
    assert!(matches!(other_key, Error::Keys(keys::Error::WrongEncryptionKey)), "{other_key:?}");
}

#[tokio::test]
async fn a_key_signs_for_one_purpose() {
    let folder = Folder::new("keys");
    let services = open(folder.path(), "key").await.unwrap();
    let id = KeyId::parse("k").unwrap();
    let private = Secret::new(vec![7; 32]);
    let (store, name, secret) = (&*services.keys, &id, &private);
    let attributes = &KeyAttributes::new(Owner::installation(), KeyPurpose::SealSigning, KeyAlgorithm::Sm2);
    let now = Timestamp::from_unix(1);
    let public = subject_public_key_info(&Signer::public_key(&PrivateKey::from_bytes(secret.expose()).unwrap()));
    let pair = (secret, &public[..]);
    let keep = services.store.run("keep key", |tx| Box::pin(store.keep(tx, name, attributes, pair, now)));
    let event = keep.await.unwrap();
    assert!(matches!(event, EventBody::KeyCreated { purpose: KeyPurpose::SealSigning, .. }), "{event:?}");

    let load = async |id: &KeyId, wanted| {
        services.store.read(|tx| Box::pin(store.load(tx, id, (wanted, KeyUse::Sign), now))).await
    };
    let (opened, key) = load(&id, KeyPurpose::SealSigning).await.unwrap();
    assert_eq!(opened.expose(), private.expose());
    assert_eq!(key.public_key, public);
    let Custody::Software { sealed_private, .. } = &key.custody else { panic!("{key:?}") };
    assert!(!sealed_private.windows(32).any(|part| part == private.expose()));
    for wanted in KeyPurpose::ALL.iter().copied().filter(|purpose| *purpose != KeyPurpose::SealSigning) {
        let refused = load(&id, wanted).await.unwrap_err();
        assert_eq!(refused.code(), "key-not-for-this", "{wanted}: {refused:?}");
    }
    let unknown = load(&KeyId::parse("none").unwrap(), KeyPurpose::Raw).await.unwrap_err();
    assert!(matches!(unknown, keys::Error::Unknown { .. }), "{unknown:?}");

    // Whoever writes into the database cannot give the key another purpose.
    use sqlx::Connection;
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE keys SET purpose = 'raw'").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let refused = load(&id, KeyPurpose::Raw).await.unwrap_err();
    assert_eq!(refused.code(), "inconsistent", "{refused:?}");
}
