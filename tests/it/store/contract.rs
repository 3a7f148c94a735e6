//! What the store promises, function by function, on SQLite and on PostgreSQL.

use std::sync::Arc;

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{CallerId, EncryptionKeyId, KeyId, SealId, SignatureId};
use yinxin::base::random::SystemRandom;
use yinxin::base::secret::Secret;
use yinxin::domain::audit::{Actor, Event, EventBody, RevocationReason, SuspensionReason};
use yinxin::domain::caller::{CallerState, Role, Roles};
use yinxin::domain::key::{
    DestructionProof, Exportability, KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, KeySourceKind, KeyState,
    KeySuspensionReason, Owner, SealingAlgorithm, Validity,
};
use yinxin::domain::seal::person::AssuranceLevel;
use yinxin::domain::seal::{ArchivedAfter, State};
use yinxin::store::callers::StoredCaller;
use yinxin::store::certificates::StoredCertificate;
use yinxin::store::idempotency::{GivenAnswer, StoredAnswer};
use yinxin::store::installation::StoredInstallation;
use yinxin::store::key_encryption_keys::StoredEncryptionKey;
use yinxin::store::keys::{Custody, StoredKey};
use yinxin::store::log::{StoredCosignature, TileKind};
use yinxin::store::outbox::StoredMessage;
use yinxin::store::person_signings::{PersonSigningState, StoredPersonSigning};
use yinxin::store::seals::StoredSeal;
use yinxin::store::signatures::{SigningState, StoredSignature};
use yinxin::store::{
    Error, IntegrityKey, Store, audit, callers, certificates, idempotency, installation, key_encryption_keys, keys,
    log, newest_version, outbox, person_signings, seals, signatures,
};

use crate::store::postgres::Postgres;
use crate::store::{
    Folder, authorities, erasures, escrow, jobs, publication, registration, seal_life, seal_remakes, seal_uses,
    together, verification_batches, watching, webhooks,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("contract");
    contract(&format!("sqlite:{}", folder.path().join("rows.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else {
        println!("SKIPPED store::contract on PostgreSQL: not installed");
        let required = std::env::var_os("CI").is_some()
            || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
        assert!(!required, "PostgreSQL is required and not installed");
        return;
    };
    contract(&server.url).await;
}

/// SQLite's writers wait in line, so only PostgreSQL can ask for another attempt. A sequence counts attempts there:
/// it is not undone with the transaction.
async fn gives_way_and_tries_again(store: &Store, url: &str) {
    by_hand(url, "CREATE SEQUENCE tries").await.unwrap();
    let function = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                    IF nextval('tries') % 100 < NEW.created_at THEN RAISE EXCEPTION 'later' USING ERRCODE = '40001'; \
                    END IF; RETURN NEW; END $$";
    by_hand(url, function).await.unwrap();
    by_hand(url, "CREATE TRIGGER refuse BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION refuse()").await.unwrap();
    let push = async |id: &str, succeeds_at| {
        by_hand(url, "SELECT setval('tries', 100)").await.unwrap();
        let message = StoredMessage { id: id.into(), topic: "t".into(), payload: vec![], created_at: at(succeeds_at) };
        store.run("push", |tx| Box::pin(outbox::push(tx, &message))).await
    };
    push("third", 3).await.unwrap();
    push("fifth", 5).await.unwrap();
    let refused = push("sixth", 6).await;
    assert!(matches!(refused, Err(Error::Contended { name: "push", attempts: 5 })), "{refused:?}");
    let unsent = store.read(|tx| Box::pin(outbox::unsent(tx, 10))).await.unwrap();
    let kept = unsent.iter().map(|message| message.id.as_str()).filter(|id| id.len() == 5).collect::<Vec<_>>();
    assert_eq!(kept, ["third", "fifth"]);
}

#[tokio::test]
async fn other_databases_are_refused() {
    let refused = Store::open("mysql://localhost/x", integrity(), Arc::new(SystemRandom)).await.err();
    assert!(matches!(refused, Some(Error::UnknownDatabase)), "{refused:?}");
}

fn integrity() -> IntegrityKey {
    IntegrityKey::new(Secret::new(vec![1; 32]))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

/// The checks share one database and run in this order: later ones need earlier ones' rows.
/// One of each tree in a time, with all cosignatures of its size; the smallest that holds a leaf is found.
async fn checkpoints_that_stay(store: &Store) {
    let keep = async |kind, witness: &str, size, at| {
        let new = &StoredCosignature {
            kind,
            witness: witness.into(),
            size,
            at: Timestamp::from_unix(at),
            note: format!("{witness} {size}").into_bytes(),
        };
        let since = Timestamp::from_unix(at - 600);
        store.run("keep", |tx| Box::pin(log::keep_seen(tx, new, since))).await.unwrap()
    };
    let (sm3, sha256) = (TileKind::Sm3, TileKind::Sha256);
    assert!(keep(sm3, "one", 10, 1000).await);
    assert!(!keep(sm3, "one", 10, 1001).await, "it stays already");
    assert!(keep(sm3, "two", 10, 1002).await, "of the same size");
    assert!(!keep(sm3, "one", 11, 1599).await, "too soon");
    assert!(keep(sha256, "one", 11, 1599).await, "another tree");
    assert!(!keep(sm3, "one", 12, 1601).await, "too soon behind the second");
    assert!(keep(sm3, "one", 12, 1603).await);
    let found = async |kind, index| {
        let rows = store.read(|tx| Box::pin(log::seen_with(tx, kind, index))).await.unwrap();
        rows.into_iter().map(|row| String::from_utf8(row.note).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(found(sm3, 0).await, ["one 10", "two 10"]);
    assert_eq!(found(sm3, 9).await, ["one 10", "two 10"]);
    assert_eq!(found(sm3, 10).await, ["one 12"]);
    assert_eq!(found(sm3, 12).await, [""; 0]);
    assert_eq!(found(sha256, 3).await, ["one 11"]);
}

async fn contract(url: &str) {
    let store = Store::open(url, integrity(), Arc::new(SystemRandom)).await.unwrap();
    store.ping().await.unwrap();
    events(&store).await;
    events_cannot_be_changed(&store, url).await;
    key_encryption_keys(&store).await;
    key_pairs(&store).await;
    keys_cannot_be_changed_by_hand(&store, url).await;
    certificates_of_keys(&store).await;
    authorities::contract(&store).await;
    publication::contract(&store, url).await;
    jobs::contract(&store).await;
    checkpoints_that_stay(&store).await;
    seals_and_their_states(&store).await;
    signings(&store).await;
    signings_of_persons(&store).await;
    callers_and_nonces(&store).await;
    escrow::contract(&store, &CallerId::parse("c1").unwrap()).await;
    verification_batches::contract(&store, url, (&CallerId::parse("c1").unwrap(), &CallerId::parse("c2").unwrap()))
        .await;
    registration::contract(&store, url).await;
    seal_life::contract(&store, url).await;
    seal_remakes::contract(&store, url).await;
    seal_uses::contract(&store, url).await;
    answers(&store).await;
    watching::contract(&store).await;
    webhooks::contract(&store).await;
    messages(&store).await;
    together::contract(&store).await;
    if url.starts_with("postgres") {
        together::a_commit_that_fails_is_told_to_all(&store, url).await;
    }
    this_installation(&store).await;
    reading_changes_nothing(&store).await;
    authority_cannot_be_written_by_hand(&store, url).await;
    if url.starts_with("postgres") {
        gives_way_and_tries_again(&store, url).await;
    }
    erasures::contract(&store).await;
    store.close().await;
    migrations_are_checked(url).await;
}

fn started(seconds: i64) -> Event {
    let body = EventBody::ServiceStarted { version: seconds.to_string() };
    Event { at: at(seconds), actor: Actor::Operator, request: None, body }
}

async fn events(store: &Store) {
    assert_eq!(store.read(|tx| Box::pin(audit::count(tx))).await.unwrap(), 0);
    let mut tasks = Vec::new();
    for writer in 0..8 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for i in 0..10 {
                let event = started(writer * 10 + i);
                store.run("append", |tx| Box::pin(audit::append(tx, &event))).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    // What fails takes no number.
    let refused = store
        .run("fail", |tx| {
            Box::pin(async move {
                audit::append(tx, &started(999)).await?;
                Err::<(), _>(Error::Stale { table: "none", row: String::new() })
            })
        })
        .await;
    assert!(matches!(refused, Err(Error::Stale { .. })), "{refused:?}");

    let events = store.read(|tx| Box::pin(audit::read(tx, 0, 1000))).await.unwrap();
    assert_eq!(events.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (0..80).collect::<Vec<_>>());
    let mut moments = events.iter().map(|(_, event)| event.at.unix()).collect::<Vec<_>>();
    moments.sort_unstable();
    assert_eq!(moments, (0..80).collect::<Vec<_>>());
    let some = store.read(|tx| Box::pin(audit::read(tx, 70, 3))).await.unwrap();
    assert_eq!(some, events.get(70..73).unwrap());
}

async fn events_cannot_be_changed(store: &Store, url: &str) {
    for sql in ["UPDATE audit_events SET at = 5 WHERE number = 3", "DELETE FROM audit_events WHERE number = 3"] {
        let refused = by_hand(url, sql).await.unwrap_err().to_string();
        assert!(refused.contains("audit events"), "{refused}");
    }
    assert_eq!(store.read(|tx| Box::pin(audit::read(tx, 0, 1000))).await.unwrap().len(), 80);
}

fn attributes(purpose: KeyPurpose) -> KeyAttributes {
    KeyAttributes::new(Owner::parse("示例市印信演示局").unwrap(), purpose, KeyAlgorithm::Sm2)
}

fn key(id: &str) -> StoredKey {
    StoredKey {
        id: KeyId::parse(id).unwrap(),
        attributes: attributes(KeyPurpose::SealSigning),
        public_key: id.as_bytes().to_vec(),
        custody: sealed(id.as_bytes()),
        state: KeyState::Active { since: at(1) },
        created_at: at(1),
        version: 1,
    }
}

fn sealed(private: &[u8]) -> Custody {
    Custody::Software {
        sealed_private: private.to_vec(),
        sealing: SealingAlgorithm::Sm4Gcm,
        wrapped_under: EncryptionKeyId::parse("e1").unwrap(),
    }
}

async fn key_encryption_keys(store: &Store) {
    let first = StoredEncryptionKey {
        id: EncryptionKeyId::parse("e1").unwrap(),
        source: KeySourceKind::File,
        sealing: SealingAlgorithm::Sm4Gcm,
        wrapped: vec![1, 2],
        sealings: 0,
        created_at: at(1),
        destroyed_at: None,
        version: 1,
    };
    let second = StoredEncryptionKey { id: EncryptionKeyId::parse("e2").unwrap(), created_at: at(2), ..first.clone() };
    let active = async || store.read(|tx| Box::pin(key_encryption_keys::active(tx))).await.unwrap();
    let insert =
        async |row: &StoredEncryptionKey| store.run("keep", |tx| Box::pin(key_encryption_keys::insert(tx, row))).await;
    let change = async |row: &StoredEncryptionKey| {
        store.run("change", |tx| Box::pin(key_encryption_keys::change(tx, row))).await
    };
    assert_eq!(active().await, None);
    insert(&first).await.unwrap();
    assert_eq!(active().await, Some(first.clone()));
    let unchecked = store.read(|tx| Box::pin(key_encryption_keys::active_unchecked(tx))).await.unwrap().unwrap();
    assert_eq!(unchecked.claimed(), &first);
    let refused = insert(&second).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "one is active: {refused:?}");

    let counted = change(&StoredEncryptionKey { sealings: 7, ..first.clone() }).await.unwrap();
    assert_eq!((counted.sealings, counted.version), (7, 2));
    let stale = change(&first).await;
    assert!(matches!(stale, Err(Error::Stale { table: "key_encryption_keys", .. })), "{stale:?}");
    let half = StoredEncryptionKey { destroyed_at: Some(at(3)), ..counted.clone() };
    assert!(matches!(change(&half).await, Err(Error::Database(_))), "a destroyed one has no wrapped form");
    let gone = change(&StoredEncryptionKey { wrapped: vec![], ..half }).await.unwrap();
    assert_eq!(active().await, None);
    insert(&second).await.unwrap();
    let all = store.read(|tx| Box::pin(key_encryption_keys::list(tx))).await.unwrap();
    assert_eq!(all, [gone, second.clone()]);
    assert_eq!(active().await, Some(second));
}

async fn key_pairs(store: &Store) {
    let (first, second) = (key("k1"), key("k2"));
    let maker = StoredKey {
        attributes: KeyAttributes {
            algorithm: KeyAlgorithm::Rsa,
            validity: Validity { not_before: Some(at(-5)), not_after: Some(at(99)) },
            exportability: Exportability::Exportable,
            ..attributes(KeyPurpose::SealMaking)
        },
        ..key("k3")
    };
    let device = StoredKey { custody: Custody::Device { location: KeyLocation::Sdf, handle: vec![0, 7] }, ..key("k4") };
    for key in [&first, &second, &maker, &device] {
        store.run("keep key", |tx| Box::pin(keys::insert(tx, key))).await.unwrap();
    }
    let again = store.run("keep key", |tx| Box::pin(keys::insert(tx, &first))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let other = EncryptionKeyId::parse("none").unwrap();
    let custody =
        Custody::Software { sealed_private: vec![1], sealing: SealingAlgorithm::Aes256Gcm, wrapped_under: other };
    let stray = StoredKey { custody, ..key("k5") };
    let refused = store.run("keep key", |tx| Box::pin(keys::insert(tx, &stray))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let find = async |id: &KeyId| store.read(|tx| Box::pin(keys::find(tx, id))).await.unwrap();
    assert_eq!(find(&maker.id).await, Some(maker.clone()));
    assert_eq!(find(&KeyId::parse("none").unwrap()).await, None);
    let by_key = store.read(|tx| Box::pin(keys::find_by_public_key(tx, b"k4"))).await.unwrap();
    assert_eq!(by_key, Some(device.clone()));
    let signing = store.read(|tx| Box::pin(keys::of_purpose(tx, KeyPurpose::SealSigning))).await.unwrap();
    assert_eq!(signing, [first.clone(), second.clone(), device.clone()]);
    let behind = store.read(|tx| Box::pin(keys::list(tx, Some(&first.id), 2))).await.unwrap();
    assert_eq!(behind, [second.clone(), maker]);

    let change = async |key: &StoredKey, state, custody: Custody| {
        store.run("change", |tx| Box::pin(keys::change(tx, key, (state, custody.clone())))).await
    };
    let suspended = KeyState::Suspended { since: at(5), reason: KeySuspensionReason::Retired };
    let resting = change(&second, suspended, sealed(b"anew")).await.unwrap();
    assert_eq!(find(&second.id).await, Some(resting.clone()));
    assert_eq!((resting.version, &resting.state, &resting.custody), (2, &suspended, &sealed(b"anew")));
    let stale = change(&second, suspended, sealed(b"k2")).await;
    assert!(matches!(stale, Err(Error::Stale { table: "keys", .. })), "{stale:?}");
    let proof = DestructionProof { public_key_sm3: [1; 32], private_key_sm3: [2; 32] };
    let gone = change(&resting, KeyState::Destroyed { at: at(6), proof }, sealed(b"")).await.unwrap();
    assert_eq!(find(&second.id).await, Some(gone));
    assert_eq!(store.read(|tx| Box::pin(keys::earlier(tx))).await.unwrap(), []);
}

/// Whoever can write to the database cannot wake a key, give it another purpose or owner, or lengthen its time.
async fn keys_cannot_be_changed_by_hand(store: &Store, url: &str) {
    let id = KeyId::parse("k3").unwrap();
    let find = async || store.read(|tx| Box::pin(keys::find(tx, &id))).await;
    let kept = find().await.unwrap();
    for (change, back) in [
        (
            "UPDATE keys SET purpose = 'raw', uses = 'sign' WHERE id = 'k3'",
            "UPDATE keys SET purpose = 'seal-making' WHERE id = 'k3'",
        ),
        ("UPDATE keys SET uses = 'sign,decrypt' WHERE id = 'k3'", "UPDATE keys SET uses = 'sign' WHERE id = 'k3'"),
        ("UPDATE keys SET not_after = NULL WHERE id = 'k3'", "UPDATE keys SET not_after = 99 WHERE id = 'k3'"),
        ("UPDATE keys SET not_before = 0 WHERE id = 'k3'", "UPDATE keys SET not_before = -5 WHERE id = 'k3'"),
        ("UPDATE keys SET owner = 'me' WHERE id = 'k3'", "UPDATE keys SET owner = '示例市印信演示局' WHERE id = 'k3'"),
        (
            "UPDATE keys SET exportability = 'not-exportable' WHERE id = 'k3'",
            "UPDATE keys SET exportability = 'exportable' WHERE id = 'k3'",
        ),
        (
            "UPDATE keys SET wrapped_under = 'e2' WHERE id = 'k3'",
            "UPDATE keys SET wrapped_under = 'e1' WHERE id = 'k3'",
        ),
        ("UPDATE keys SET state_since = 2 WHERE id = 'k3'", "UPDATE keys SET state_since = 1 WHERE id = 'k3'"),
        ("UPDATE keys SET version = 0 WHERE id = 'k3'", "UPDATE keys SET version = 1 WHERE id = 'k3'"),
    ] {
        assert_eq!(by_hand(url, change).await.unwrap(), 1);
        let refused = find().await;
        assert!(
            matches!(&refused, Err(Error::Inconsistent { table: "keys", row }) if row == "k3"),
            "{change}: {refused:?}"
        );
        assert_eq!(by_hand(url, back).await.unwrap(), 1);
        assert_eq!(find().await.unwrap(), kept, "{back}");
    }
    by_hand(url, "UPDATE key_encryption_keys SET sealings = 1 WHERE id = 'e2'").await.unwrap();
    let refused = store.read(|tx| Box::pin(key_encryption_keys::active(tx))).await;
    assert!(matches!(refused, Err(Error::Inconsistent { table: "key_encryption_keys", .. })), "{refused:?}");
    by_hand(url, "UPDATE key_encryption_keys SET sealings = 0 WHERE id = 'e2'").await.unwrap();
}

async fn certificates_of_keys(store: &Store) {
    let root = StoredCertificate {
        sm3: [1; 32],
        serial: vec![1],
        subject: b"root".to_vec(),
        issuer: b"root".to_vec(),
        key: None,
        der: vec![0x30, 0],
        role: "root".into(),
        issued_at: at(1),
    };
    let key = Some(KeyId::parse("k1").unwrap());
    let older = StoredCertificate { sm3: [2; 32], serial: vec![2], key, role: "signer".into(), ..root.clone() };
    let newer = StoredCertificate { sm3: [3; 32], serial: vec![3], issued_at: at(2), ..older.clone() };
    for certificate in [&root, &older, &newer] {
        store.run("keep", |tx| Box::pin(certificates::insert(tx, certificate))).await.unwrap();
    }
    let same_serial = StoredCertificate { sm3: [4; 32], ..newer.clone() };
    let refused = store.run("keep", |tx| Box::pin(certificates::insert(tx, &same_serial))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let stranger = Some(KeyId::parse("none").unwrap());
    let stranger = StoredCertificate { sm3: [5; 32], serial: vec![5], key: stranger, ..newer.clone() };
    let refused = store.run("keep", |tx| Box::pin(certificates::insert(tx, &stranger))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");

    let found = store.read(|tx| Box::pin(certificates::find(tx, &[1; 32]))).await.unwrap();
    assert_eq!(found, Some(root));
    let of_key = newer.key.clone().unwrap();
    let of_key = store.read(|tx| Box::pin(certificates::of_key(tx, &of_key))).await.unwrap();
    let in_role = store.read(|tx| Box::pin(certificates::in_role(tx, "signer"))).await.unwrap();
    assert_eq!((of_key, in_role), (vec![newer.clone(), older.clone()], vec![newer, older]));
}

fn seal(id: &str) -> StoredSeal {
    StoredSeal {
        id: SealId::parse(id).unwrap(),
        es_id: format!("es-{id}"),
        name: "样章".into(),
        seal_der: vec![0x30, 0],
        signer_key: Some(KeyId::parse("k1").unwrap()),
        state: State::Active { since: at(10) },
        version: 1,
    }
}

async fn find_seal(store: &Store, id: &str) -> Result<Option<StoredSeal>, Error> {
    store.read(|tx| Box::pin(async move { seals::find(tx, &SealId::parse(id).unwrap()).await })).await
}

async fn seals_and_their_states(store: &Store) {
    let (first, second) = (seal("s1"), StoredSeal { signer_key: None, ..seal("s2") });
    for seal in [&first, &second] {
        store.run("keep", |tx| Box::pin(seals::insert(tx, seal))).await.unwrap();
    }
    let same_es_id = StoredSeal { id: SealId::parse("s3").unwrap(), ..first.clone() };
    let refused = store.run("keep", |tx| Box::pin(seals::insert(tx, &same_es_id))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(find_seal(store, "s1").await.unwrap(), Some(first.clone()));
    assert_eq!(find_seal(store, "none").await.unwrap(), None);

    let states = [
        State::Suspended { since: at(11), reason: SuspensionReason::AuthorityOrder },
        State::Active { since: at(12) },
        State::Revoked { at: at(13), reason: RevocationReason::Superseded },
    ];
    let mut current = first.clone();
    for (version, state) in (2..).zip(states) {
        current = store.run("change", |tx| Box::pin(seals::change_state(tx, &current, state.clone()))).await.unwrap();
        assert_eq!((current.version, current.state.clone()), (version, state));
        assert_eq!(find_seal(store, "s1").await.unwrap().as_ref(), Some(&current));
    }
    let state = State::Active { since: at(14) };
    let refused = store.run("change", |tx| Box::pin(seals::change_state(tx, &first, state.clone()))).await;
    assert!(matches!(refused, Err(Error::Stale { table: "seals", .. })), "{refused:?}");
    let all = store.read(|tx| Box::pin(seals::list(tx, None, 10))).await.unwrap();
    assert_eq!(all, [current, second.clone()]);
    let rest = store.read(|tx| Box::pin(seals::list(tx, Some(&first.id), 10))).await.unwrap();
    assert_eq!(rest, std::slice::from_ref(&second));

    let made = State::Made { since: at(14) };
    let mut current = StoredSeal { state: made.clone(), ..seal("s4") };
    store.run("keep", |tx| Box::pin(seals::insert(tx, &current))).await.unwrap();
    let superseded = State::Superseded { at: at(15), by: second.id.clone() };
    for state in [superseded, State::Archived { at: at(16), after: ArchivedAfter::Superseded }, made] {
        current = store.run("change", |tx| Box::pin(seals::change_state(tx, &current, state.clone()))).await.unwrap();
        assert_eq!(current.state, state);
        assert_eq!(find_seal(store, "s4").await.unwrap().as_ref(), Some(&current));
    }
}

async fn signings(store: &Store) {
    let seal = SealId::parse("s2").unwrap();
    let names = ["g1", "g2", "g3", "g4"].map(|name| SignatureId::parse(name).unwrap());
    for id in &names {
        let keep =
            async || store.run("keep", |tx| Box::pin(signatures::record_intent(tx, id, &seal, &[7; 32], at(20)))).await;
        keep().await.unwrap();
    }
    let [done, failed, open, other] = &names;
    let twice =
        async || store.run("twice", |tx| Box::pin(signatures::record_intent(tx, done, &seal, &[7; 32], at(20)))).await;
    assert!(matches!(twice().await, Err(Error::Conflict { .. })));
    let complete =
        async || store.run("complete", |tx| Box::pin(signatures::complete(tx, done, &[8; 32], at(21)))).await;
    complete().await.unwrap();
    assert!(matches!(complete().await, Err(Error::Stale { table: "signatures", .. })));
    let abandon = async || store.run("abandon", |tx| Box::pin(signatures::abandon(tx, failed, at(22)))).await;
    abandon().await.unwrap();
    assert!(matches!(abandon().await, Err(Error::Stale { table: "signatures", .. })));
    let left = store.run("abandon", |tx| Box::pin(signatures::abandon_open(tx, at(23)))).await.unwrap();
    assert_eq!(left, [open.clone(), other.clone()]);
    // An abandoned one can never be completed: its value was not released and must not be.
    let late = store.run("complete", |tx| Box::pin(signatures::complete(tx, open, &[8; 32], at(24)))).await;
    assert!(matches!(late, Err(Error::Stale { table: "signatures", .. })), "{late:?}");

    let expected = [
        SigningState::Signed { result_sm3: [8; 32], finished_at: at(21) },
        SigningState::Abandoned { finished_at: at(22) },
        SigningState::Abandoned { finished_at: at(23) },
    ];
    for (id, state) in names.iter().zip(expected) {
        let found = store.read(|tx| Box::pin(signatures::find(tx, id))).await.unwrap();
        let (id, seal) = (id.clone(), seal.clone());
        assert_eq!(found, Some(StoredSignature { id, seal, document_sm3: [7; 32], created_at: at(20), state }));
    }
}

async fn signings_of_persons(store: &Store) {
    let level = AssuranceLevel::new(5).unwrap();
    let names = ["p1", "p2", "p3"].map(|name| SignatureId::parse(name).unwrap());
    let intend = async |id| {
        let what = (&[7; 32], level);
        store.run("keep", |tx| Box::pin(person_signings::record_intent(tx, id, what, at(20)))).await
    };
    for id in &names {
        intend(id).await.unwrap();
    }
    let [done, failed, open] = &names;
    assert!(matches!(intend(done).await, Err(Error::Conflict { .. })));
    let complete = async |id, now| {
        let what = (&[6; 32], &[8; 32]);
        store.run("complete", |tx| Box::pin(person_signings::complete(tx, id, what, now))).await
    };
    complete(done, at(21)).await.unwrap();
    let stale = |refused| matches!(refused, Err(Error::Stale { table: "person_signings", .. }));
    assert!(stale(complete(done, at(21)).await));
    let abandon = async || store.run("abandon", |tx| Box::pin(person_signings::abandon(tx, failed, at(22)))).await;
    abandon().await.unwrap();
    assert!(stale(abandon().await));
    let left = store.run("abandon", |tx| Box::pin(person_signings::abandon_open(tx, at(23)))).await.unwrap();
    assert_eq!(left, std::slice::from_ref(open));
    // What was abandoned was not released, and must not be.
    assert!(stale(complete(open, at(24)).await));
    let expected = [
        PersonSigningState::Signed { certificate_sm3: [6; 32], result_sm3: [8; 32], finished_at: at(21) },
        PersonSigningState::Abandoned { finished_at: at(22) },
        PersonSigningState::Abandoned { finished_at: at(23) },
    ];
    for (id, state) in names.iter().zip(expected) {
        let found = store.read(|tx| Box::pin(person_signings::find(tx, id))).await.unwrap();
        let (id, document_sm3, created_at) = (id.clone(), [7; 32], at(20));
        assert_eq!(found, Some(StoredPersonSigning { id, document_sm3, level, created_at, state }));
    }
}

fn caller(id: &str, key: u8) -> StoredCaller {
    StoredCaller {
        id: CallerId::parse(id).unwrap(),
        name: "演示系统".into(),
        key_fingerprint: [key; 32],
        public_key: vec![key],
        algorithm: KeyAlgorithm::EcdsaP256,
        roles: Roles::new([Role::SealUser, Role::Verifier]).unwrap(),
        state: CallerState::Active,
        created_at: at(30),
        version: 1,
    }
}

async fn callers_and_nonces(store: &Store) {
    let (first, second) = (caller("c1", 1), caller("c2", 2));
    for caller in [&first, &second] {
        store.run("register", |tx| Box::pin(callers::insert(tx, caller))).await.unwrap();
    }
    let same_key = caller("c3", 1);
    let refused = store.run("register", |tx| Box::pin(callers::insert(tx, &same_key))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let by_key = store.read(|tx| Box::pin(callers::find_by_fingerprint(tx, &[2; 32]))).await.unwrap();
    assert_eq!(by_key.as_ref(), Some(&second));
    let none = store.read(|tx| Box::pin(callers::find_by_fingerprint(tx, &[9; 32]))).await.unwrap();
    assert_eq!(none, None);
    let bar = async || store.run("bar", |tx| Box::pin(callers::change_state(tx, &second, CallerState::Barred))).await;
    let barred = bar().await.unwrap();
    let found = store.read(|tx| Box::pin(callers::find(tx, &second.id))).await.unwrap();
    assert_eq!(found, Some(StoredCaller { state: CallerState::Barred, version: 2, ..second.clone() }));
    assert_eq!(found, Some(barred));
    assert!(matches!(bar().await, Err(Error::Stale { table: "callers", .. })));

    let spend = async |who: &CallerId, nonce: &str, now: i64| {
        store.run("spend", |tx| Box::pin(callers::spend_nonce(tx, who, nonce, at(now), at(now + 120)))).await
    };
    assert!(spend(&first.id, "n1", 100).await.unwrap());
    assert!(!spend(&first.id, "n1", 101).await.unwrap());
    assert!(spend(&second.id, "n1", 101).await.unwrap());
    assert!(!spend(&first.id, "n1", 220).await.unwrap(), "kept to its end");
    assert!(spend(&first.id, "n1", 221).await.unwrap(), "forgotten after its end");
    let stranger = spend(&CallerId::parse("none").unwrap(), "n1", 100).await;
    assert!(matches!(stranger, Err(Error::Conflict { .. })), "{stranger:?}");
}

async fn answers(store: &Store) {
    let (who, other) = (CallerId::parse("c1").unwrap(), CallerId::parse("c2").unwrap());
    let reserve = async |who: &CallerId, key: &str| {
        store.run("reserve", |tx| Box::pin(idempotency::reserve(tx, who, key, &[3; 32], at(40)))).await.unwrap()
    };
    let find = async |key: &str| store.read(|tx| Box::pin(idempotency::find(tx, &who, key))).await.unwrap();
    assert!(reserve(&who, "a").await);
    assert!(!reserve(&who, "a").await);
    assert!(reserve(&other, "a").await, "keys are each caller's own");
    assert_eq!(find("a").await, Some(StoredAnswer { request_sm3: [3; 32], answer: None, events: Vec::new() }));
    let complete =
        async || store.run("complete", |tx| Box::pin(idempotency::complete(tx, (&who, "a", None, b"body"), 201))).await;
    complete().await.unwrap();
    assert!(matches!(complete().await, Err(Error::Stale { table: "idempotency", .. })));
    assert_eq!(
        find("a").await,
        Some(StoredAnswer { request_sm3: [3; 32], answer: Some((201, b"body".to_vec())), events: Vec::new() })
    );

    assert!(reserve(&who, "b").await);
    store.run("release", |tx| Box::pin(idempotency::release(tx, &who, "b"))).await.unwrap();
    assert!(reserve(&who, "b").await);
    let freed = store.run("release", |tx| Box::pin(idempotency::release_open(tx))).await.unwrap();
    assert_eq!((freed, find("b").await), (2, None));
    let forget = async |moment, most| {
        store.run("forget", |tx| Box::pin(idempotency::forget_before(tx, at(moment), most))).await.unwrap()
    };
    assert!(reserve(&who, "open").await);
    assert_eq!((forget(40, 9).await, forget(41, 0).await, forget(41, 1).await, forget(41, 9).await), (0, 0, 1, 0));
    assert_eq!(find("a").await, None);
    // What is at work has no answer yet, and stays.
    assert_eq!(store.run("release", |tx| Box::pin(idempotency::release_open(tx))).await.unwrap(), 1);
    many_answers(store, (&who, &other)).await;
}

/// More than one statement takes.
async fn many_answers(store: &Store, (who, other): (&CallerId, &CallerId)) {
    let keys = (0..700).map(|number| format!("m{number}")).collect::<Vec<_>>();
    let named = |who: &CallerId, key: &str| (who.as_str().to_owned(), key.to_owned());
    let reserve = async |wanted: &[(&CallerId, &str, &[u8; 32])]| {
        store.run("reserve", |tx| Box::pin(idempotency::reserve_many(tx, wanted, at(40)))).await
    };
    let wanted = keys.iter().map(|key| (who, key.as_str(), &[3; 32])).collect::<Vec<_>>();
    let free = reserve(&wanted).await.unwrap();
    assert_eq!(free, keys.iter().map(|key| named(who, key)).collect());
    // One that is taken, one of another caller, and one that is named twice.
    let mixed = [(who, "m0", &[4; 32]), (other, "m0", &[4; 32]), (who, "n", &[4; 32]), (who, "n", &[5; 32])];
    assert_eq!(reserve(&mixed).await.unwrap(), [named(other, "m0"), named(who, "n")].into());
    assert!(reserve(&[]).await.unwrap().is_empty());
    let none = CallerId::parse("none").unwrap();
    let stranger = reserve(&[(who, "o", &[4; 32]), (&none, "o", &[4; 32])]).await;
    assert!(matches!(stranger, Err(Error::Conflict { .. })), "{stranger:?}");
    let find =
        async |who: &CallerId, key: &str| store.read(|tx| Box::pin(idempotency::find(tx, who, key))).await.unwrap();
    assert_eq!(find(who, "o").await, None);
    assert_eq!(find(who, "n").await, Some(StoredAnswer { request_sm3: [4; 32], answer: None, events: Vec::new() }));

    let complete = async |answers: &[GivenAnswer<'_>]| {
        store.run("complete", |tx| Box::pin(idempotency::complete_many(tx, 201, answers))).await
    };
    let answers = keys.iter().map(|key| (who, key.as_str(), None, key.as_bytes())).collect::<Vec<_>>();
    complete(&answers).await.unwrap();
    for key in ["m0", "m499", "m500", "m699"] {
        let answer = Some((201, key.as_bytes().to_vec()));
        assert_eq!(find(who, key).await, Some(StoredAnswer { request_sm3: [3; 32], answer, events: Vec::new() }));
    }
    complete(&[]).await.unwrap();
    let stale = complete(&[(who, "n", None, b"x"), (who, "m3", None, b"x")]).await;
    assert!(matches!(&stale, Err(Error::Stale { table: "idempotency", row }) if row == "c1/m3"), "{stale:?}");
    assert_eq!(
        find(who, "n").await,
        Some(StoredAnswer { request_sm3: [4; 32], answer: None, events: Vec::new() }),
        "all or none"
    );
    assert_eq!(find(other, "m0").await, Some(StoredAnswer { request_sm3: [4; 32], answer: None, events: Vec::new() }));
}

async fn messages(store: &Store) {
    let message = |id: &str, seconds| StoredMessage {
        id: id.into(),
        topic: "seal".into(),
        payload: vec![1, 2],
        created_at: at(seconds),
    };
    let (late, early) = (message("a", 51), message("b", 50));
    for message in [&late, &early] {
        store.run("push", |tx| Box::pin(outbox::push(tx, message))).await.unwrap();
    }
    assert!(matches!(store.run("push", |tx| Box::pin(outbox::push(tx, &late))).await, Err(Error::Conflict { .. })));
    let unsent = async || store.read(|tx| Box::pin(outbox::unsent(tx, 10))).await.unwrap();
    assert_eq!(unsent().await, [early, late.clone()]);
    let sent = async || store.run("sent", |tx| Box::pin(outbox::mark_sent(tx, "b", at(52)))).await;
    sent().await.unwrap();
    assert!(matches!(sent().await, Err(Error::Stale { table: "outbox", .. })));
    assert_eq!(unsent().await, [late]);
}

async fn this_installation(store: &Store) {
    let ours = StoredInstallation { salt: [9; 32], key_check: vec![4], created_at: at(60) };
    assert_eq!(store.read(|tx| Box::pin(installation::find(tx))).await.unwrap(), None);
    let keep = async || store.run("keep", |tx| Box::pin(installation::insert(tx, &ours))).await;
    keep().await.unwrap();
    assert!(matches!(keep().await, Err(Error::Conflict { .. })));
    assert_eq!(store.read(|tx| Box::pin(installation::find(tx))).await.unwrap(), Some(ours));
}

async fn reading_changes_nothing(store: &Store) {
    let refused = store.read(|tx| Box::pin(async move { audit::append(tx, &started(1)).await })).await;
    assert!(matches!(refused, Err(Error::Database(_))), "{refused:?}");
}

/// Whoever can write to the database cannot make a seal active or give a caller a role.
async fn authority_cannot_be_written_by_hand(store: &Store, url: &str) {
    let statements = [
        // Changed content, revoked to active.
        "UPDATE seals SET revoked_at = NULL, revocation_reason = NULL, active_since = 12 WHERE id = 's1'",
        // Old version number under new content.
        "UPDATE seals SET revoked_at = 13, revocation_reason = 'superseded', active_since = NULL, version = 3 \
         WHERE id = 's1'",
        "UPDATE seals SET stage = 'made', stage_at = 14, version = 4 WHERE id = 's1'",
    ];
    for sql in statements {
        assert_eq!(by_hand(url, sql).await.unwrap(), 1);
        let refused = find_seal(store, "s1").await;
        assert!(matches!(&refused, Err(Error::Inconsistent { table: "seals", row }) if row == "s1"), "{refused:?}");
    }
    let back = "UPDATE seals SET stage = NULL, stage_at = NULL, version = 4 WHERE id = 's1'";
    assert_eq!(by_hand(url, back).await.unwrap(), 1);
    assert_eq!(find_seal(store, "s1").await.unwrap().unwrap().version, 4);

    // A right row under another name.
    let copy = "INSERT INTO seals (id, es_id, name, seal_der, signer_key, active_since, suspended_since, \
                suspension_reason, revoked_at, revocation_reason, version, integrity) SELECT 's9', 'es-s9', name, seal_der, signer_key, active_since, suspended_since, \
                suspension_reason, revoked_at, revocation_reason, version, integrity FROM seals WHERE id = 's2'";
    assert_eq!(by_hand(url, copy).await.unwrap(), 1);
    let refused = find_seal(store, "s9").await;
    assert!(matches!(&refused, Err(Error::Inconsistent { table: "seals", row }) if row == "s9"), "{refused:?}");

    let find = async || {
        store.read(|tx| Box::pin(async move { callers::find(tx, &CallerId::parse("c1").unwrap()).await })).await
    };
    let granted = "UPDATE callers SET roles = 'security-administrator' WHERE id = 'c1'";
    let back = "UPDATE callers SET roles = 'verifier,seal-user' WHERE id = 'c1'";
    assert_eq!(by_hand(url, granted).await.unwrap(), 1);
    let refused = find().await;
    assert!(matches!(&refused, Err(Error::Inconsistent { table: "callers", row }) if row == "c1"), "{refused:?}");
    assert_eq!(by_hand(url, back).await.unwrap(), 1);
    assert_eq!(find().await.unwrap(), Some(caller("c1", 1)));

    let other_key = store.clone().with_integrity(IntegrityKey::new(Secret::new(vec![2; 32])));
    let refused = find_seal(&other_key, "s2").await;
    assert!(matches!(refused, Err(Error::Inconsistent { table: "seals", .. })), "{refused:?}");
}

async fn migrations_are_checked(url: &str) {
    Store::open(url, integrity(), Arc::new(SystemRandom)).await.unwrap().close().await;
    by_hand(
        url,
        "INSERT INTO schema_migrations (version, sm3, applied_at) \
         SELECT 99, sm3, applied_at FROM schema_migrations WHERE version = 1",
    )
    .await
    .unwrap();
    let newest = newest_version();
    let is_too_new = async || {
        let refused = Store::open(url, integrity(), Arc::new(SystemRandom)).await.err();
        matches!(refused, Some(Error::TooNew { found: 99, known }) if known == newest)
    };
    assert!(is_too_new().await);
    // It says whom it serves: newer programs alone, or ours too.
    by_hand(url, "UPDATE schema_migrations SET serves_from = 98 WHERE version = 99").await.unwrap();
    assert!(is_too_new().await);
    by_hand(url, "UPDATE schema_migrations SET serves_from = 19 WHERE version = 99").await.unwrap();
    let served = Store::open(url, integrity(), Arc::new(SystemRandom)).await.unwrap();
    let version = served.version().await.unwrap();
    assert_eq!((version.database, version.before, version.program), (99, newest, newest));
    assert!(version.can_go_back());
    served.close().await;
    by_hand(url, "DELETE FROM schema_migrations WHERE version = 99").await.unwrap();
    by_hand(
        url,
        "UPDATE schema_migrations SET sm3 = applied_sm3 FROM (SELECT key_check AS applied_sm3 FROM installation) AS theirs",
    )
    .await
    .unwrap();
    let refused = Store::open(url, integrity(), Arc::new(SystemRandom)).await.err();
    assert!(matches!(refused, Some(Error::MigrationChanged { version: 1 })), "{refused:?}");
}

/// What somebody with the database's password could do.
pub(super) async fn by_hand(url: &str, sql: &str) -> Result<u64, sqlx::Error> {
    use sqlx::Connection;
    if url.starts_with("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(url).await?;
        let done = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await?.rows_affected();
        connection.close().await?;
        return Ok(done);
    }
    let mut connection = sqlx::PgConnection::connect(url).await?;
    Ok(sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await?.rows_affected())
}
