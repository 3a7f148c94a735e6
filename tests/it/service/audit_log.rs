//! The audit log as a Merkle log, over a real database: it grows, proves, goes on after a restart, and finds what was done
//! to its rows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yinxin::base::id::CallerId;
use yinxin::domain::audit::checkpoint::{Verifier, verify_checkpoint};
use yinxin::domain::audit::growth::Growth;
use yinxin::domain::audit::statement::Statement;
use yinxin::domain::audit::tree::{
    Hash, Tiles, TreeHash, consistency_tiles, prove_consistency, verify_consistency, verify_inclusion,
};
use yinxin::domain::audit::{Actor, Entry, Event, EventBody, EventClass};
use yinxin::domain::caller::{Role, Roles};
use yinxin::format::tlog::tile::{TilePath, bundles_of, tiles_of};
use yinxin::format::tlog::{LogProof, Note};
use yinxin::service::Services;
use yinxin::service::audit_log::desk::{EventQuery, LogAnswer, LogRequest};
use yinxin::service::audit_log::{AuditLog, Options, SignedStatement};
use yinxin::store::audit;

use crate::service::installation::{NOW, Place};
use crate::store::Folder;
use crate::store::postgres::Postgres;

pub(crate) const ORIGIN: &str = "log.example/one";

pub(crate) fn options() -> Options {
    Options {
        origin: ORIGIN.into(),
        is_configured: true,
        every: Duration::from_millis(50),
        merge_delay: Duration::from_secs(60),
    }
}

pub(crate) async fn open(services: &Services) -> AuditLog {
    AuditLog::open(services, options()).await.unwrap()
}

async fn refused(services: &Services, what: &str) -> String {
    let error = AuditLog::open(services, options()).await.err().unwrap_or_else(|| panic!("{what}: the log was opened"));
    format!("{} {error}", error.code())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("audit-log");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("audit log on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("audit-log-postgres") }).await;
}

/// The checks share one database and run in this order.
async fn contract(place: Place) {
    let services = place.open().await;
    let log = open(&services).await;
    it_begins_empty_and_signed(&log).await;
    it_grows_by_what_is_recorded(&services, &log).await;
    everything_that_is_served_fits(&services, &log).await;
    proofs_lead_to_the_checkpoint(&services, &log).await;
    only_the_entitled_see_events(&services, &log).await;
    sequencers_that_compete_make_one_log(&services, &log).await;
    another_origin_is_refused(&services).await;
    what_an_older_program_wrote_is_taken_in(&place, &services).await;
    what_is_erased_leaves_its_leaf(&services).await;
    whatever_is_changed_by_hand_is_found(&place, &services).await;
}

fn refusal(number: u64) -> EventBody {
    EventBody::AccessRefused { endpoint: format!("GET /{number}"), code: "role-missing".into() }
}

pub(crate) async fn record(services: &Services, count: u64) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..count {
        let services = services.clone();
        tasks.spawn(async move { services.record(&Actor::Anonymous, None, refusal(number)).await.unwrap() });
    }
    let numbers = tasks.join_all().await.into_iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(numbers.len(), usize::try_from(count).unwrap(), "each has a number of its own");
}

pub(crate) async fn count(services: &Services) -> u64 {
    let count = services.store.read(|tx| Box::pin(audit::count(tx))).await.unwrap();
    u64::try_from(count).unwrap()
}

pub(crate) async fn sequence_all(log: &AuditLog) -> u64 {
    let mut size = None;
    while let Some(now) = log.sequence().await.unwrap() {
        size = Some(now);
    }
    size.unwrap()
}

/// The checkpoint of a tree, believed.
pub(crate) async fn head(log: &AuditLog, tree: TreeHash) -> (u64, Hash) {
    let signed = log.head(tree).await.unwrap();
    let note = Note::parse(&signed.note).unwrap();
    let keys = [log.verifier(tree).unwrap().clone()];
    let verified = verify_checkpoint(&note, &format!("{ORIGIN}/{tree}"), &keys, &[]).unwrap();
    assert_eq!(verified.size(), signed.size);
    (verified.size(), *verified.root())
}

async fn it_begins_empty_and_signed(log: &AuditLog) {
    for tree in TreeHash::ALL {
        assert_eq!(head(log, tree).await, (0, tree.empty_root()));
    }
}

async fn it_grows_by_what_is_recorded(services: &Services, log: &AuditLog) {
    record(services, 700).await;
    let size = sequence_all(log).await;
    assert_eq!(size, count(services).await);
    assert_eq!(log.sequence().await.unwrap(), None, "nothing is new, so nothing is signed");
    for tree in TreeHash::ALL {
        assert_eq!(head(log, tree).await.0, size);
    }
}

/// The entries of all events, from the rows.
async fn entries(services: &Services) -> Vec<Entry> {
    let rows = services.store.read(|tx| Box::pin(audit::salted(tx, 0, i64::MAX))).await.unwrap();
    rows.iter().map(|row| Entry::of_der(&row.event, &row.salt).unwrap()).collect()
}

pub(crate) async fn tiles(log: &AuditLog, tree: TreeHash, size: u64) -> Tiles {
    let mut tiles = Tiles::new();
    for tile in tiles_of(size) {
        tiles.insert(tile, log.tile(tree, TilePath::Tile(tile)).await.unwrap().unwrap()).unwrap();
    }
    tiles
}

async fn everything_that_is_served_fits(services: &Services, log: &AuditLog) {
    let entries = entries(services).await;
    let mut growth = Growth::default();
    // Every size has its partial tiles, whichever of them were signed.
    for cut in [1, 255, 256, 300, entries.len()] {
        let before = usize::try_from(growth.size()).unwrap();
        let grown = growth.append(&entries[before..cut]).unwrap();
        for (tree, tiles) in [(TreeHash::Sm3, &grown.sm3), (TreeHash::Sha256, &grown.sha256)] {
            for written in tiles {
                let served = log.tile(tree, TilePath::Tile(written.tile)).await.unwrap();
                assert_eq!(served.as_ref(), Some(&written.octets), "{tree} {}", written.tile);
            }
        }
        for (bundle, octets) in &grown.bundles {
            let served = log.tile(TreeHash::Sm3, TilePath::Entries(*bundle)).await.unwrap();
            assert_eq!(served.as_ref(), Some(octets), "{bundle}");
        }
    }
    let size = growth.size();
    for tree in TreeHash::ALL {
        assert_eq!(head(log, tree).await, (size, growth.root(tree)));
    }
    let last = bundles_of(size).last().unwrap();
    let wider = TilePath::parse(&format!("tile/entries/{:03}.p/{}", last.index(), last.width() + 1)).unwrap();
    assert_eq!(log.tile(TreeHash::Sm3, wider).await.unwrap(), None);
}

async fn proofs_lead_to_the_checkpoint(services: &Services, log: &AuditLog) {
    let size = count(services).await;
    for index in [0, 1, 255, 256, 511, size - 1] {
        let proof = log.prove(index).await.unwrap();
        let entry = Entry::of_der(&proof.event, &proof.salt).unwrap();
        for (tree, text) in [(TreeHash::Sm3, &proof.sm3), (TreeHash::Sha256, proof.sha256.as_ref().unwrap())] {
            let read = LogProof::parse(text.as_bytes()).unwrap();
            assert_eq!((read.index, read.extra.clone()), (index, Some([&proof.salt[..], &proof.event].concat())));
            let keys = [log.verifier(tree).unwrap().clone()];
            let signed = verify_checkpoint(&read.note, &tree.origin(ORIGIN), &keys, &[]).unwrap();
            let leaf = tree.leaf(&entry.to_octets());
            verify_inclusion(tree, &leaf, index, signed.size(), &read.hashes, signed.root()).unwrap();
        }
    }
    let beyond = log.prove(size + 7).await.unwrap_err();
    assert_eq!((beyond.code(), beyond.to_string()), {
        ("log-no-such-leaf", format!("there is no leaf {}: the log has {size}", size + 7))
    });
    record(services, 1).await;
    let early = log.prove(size).await.unwrap_err();
    assert_eq!((early.code(), early.to_string()), {
        ("log-not-merged", format!("event {size} is not in the trees yet; it will be within 60 seconds"))
    });
    assert_eq!(log.sequence().await.unwrap(), Some(size + 1));
    log.prove(size).await.unwrap();
}

pub(crate) fn caller(name: &str, role: Role) -> Actor {
    Actor::Caller { id: CallerId::parse(name).unwrap(), roles: Roles::new([role]).unwrap() }
}

async fn only_the_entitled_see_events(services: &Services, log: &AuditLog) {
    let (user, other) = (caller("user", Role::SealUser), caller("other", Role::SealUser));
    let auditor = caller("auditor", Role::AuditAdministrator);
    let body = EventBody::CertificateIssued {
        serial: vec![1; 16],
        issuer_sm3: [2; 32],
        certificate_sm3: [0xcc; 32],
        key: None,
    };
    let index = u64::try_from(services.record(&user, None, body.clone()).await.unwrap()).unwrap();
    log.sequence().await.unwrap();
    let ask = async |actor: &Actor, request: LogRequest| {
        log.answer(actor, request).await.map_err(|error| error.code().to_owned())
    };
    for entitled in [&user, &auditor, &Actor::Operator] {
        let Ok(LogAnswer::Proofs(proofs)) = ask(entitled, LogRequest::Proof { index }).await else { panic!() };
        assert_eq!(proofs[0].read().unwrap().known().unwrap().body, body);
    }
    for stranger in [&other, &Actor::Anonymous] {
        assert_eq!(ask(stranger, LogRequest::Proof { index }).await, Err("log-not-entitled".to_owned()));
    }
    // Who holds the certificate knows what there is to know.
    let held = ask(&Actor::Anonymous, LogRequest::ProofsOf { thing: [0xcc; 32] }).await;
    assert!(matches!(&held, Ok(LogAnswer::Proofs(proofs)) if proofs.len() == 1 && proofs[0].index == index));
    let unknown = ask(&Actor::Anonymous, LogRequest::ProofsOf { thing: [0xcd; 32] }).await;
    assert_eq!(unknown, Ok(LogAnswer::Proofs(Vec::new())));

    the_service_says_what_it_does_not_know(log, &user).await;

    let everything = || LogRequest::Search(EventQuery::default());
    for stranger in [&user, &Actor::Anonymous] {
        assert_eq!(ask(stranger, everything()).await, Err("log-not-entitled".to_owned()));
    }
    let found = async |query: EventQuery| match ask(&auditor, LogRequest::Search(query)).await {
        Ok(LogAnswer::Events(page)) => (page.events.iter().map(|(number, _)| *number).collect::<Vec<_>>(), page.next),
        other => panic!("{other:?}"),
    };
    let (first, next) = found(EventQuery::default()).await;
    assert_eq!((first, next), ((0..200).collect(), Some(200)));
    let noun = EventQuery { noun: Some("cc".repeat(32)), ..EventQuery::default() };
    assert_eq!(found(noun).await, (vec![index], None));
    let id = CallerId::parse("user").unwrap();
    assert_eq!(found(EventQuery { actor: Some(id), ..EventQuery::default() }).await, (vec![index], None));
    let class = Some(EventClass::CertificateIssued.number());
    assert_eq!(found(EventQuery { class, ..EventQuery::default() }).await, (vec![index], None));
    let late = EventQuery { since: Some(NOW.plus_seconds(1)), ..EventQuery::default() };
    assert_eq!(found(late).await, (Vec::new(), None));
    let early = EventQuery { until: Some(NOW), ..EventQuery::default() };
    assert_eq!(found(early).await, (Vec::new(), None));
}

async fn the_service_says_what_it_does_not_know(log: &AuditLog, user: &Actor) {
    let ask = async |thing| log.answer(user, LogRequest::Statement { thing }).await;
    let Ok(LogAnswer::Statement(SignedStatement { statement, note })) = ask([0xcd; 32]).await else { panic!() };
    let (size, root) = head(log, TreeHash::Sm3).await;
    let expected = Statement { origin: ORIGIN.into(), thing: [0xcd; 32], size, root, at: NOW };
    assert_eq!(statement, expected);
    for tree in TreeHash::ALL {
        let keys = [log.verifier(tree).unwrap().clone()];
        assert_eq!(Statement::verified(&Note::parse(note.as_bytes()).unwrap(), &keys), Ok(expected.clone()));
    }
    let known = ask([0xcc; 32]).await.unwrap_err();
    let words = "the log knows an event of it: GET /api/v1/log/proofs has the proofs";
    assert_eq!((known.code(), known.to_string()), ("log-event-known", words.to_owned()));
}

async fn sequencers_that_compete_make_one_log(services: &Services, log: &AuditLog) {
    let seen = Arc::new(Mutex::new(BTreeMap::<u64, [Hash; 2]>::new()));
    let recording = tokio::spawn({
        let services = services.clone();
        async move {
            for _ in 0..30 {
                record(&services, 40).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let mut sequencers = tokio::task::JoinSet::new();
    let recording = Arc::new(recording);
    for log in [log.clone(), open(services).await, open(services).await] {
        let (seen, recording) = (Arc::clone(&seen), Arc::clone(&recording));
        sequencers.spawn(async move {
            while !recording.is_finished() {
                log.sequence().await.unwrap();
                // Both notes of one head are read one after the other: only equal sizes count.
                let (sm3, sha256) = (head(&log, TreeHash::Sm3).await, head(&log, TreeHash::Sha256).await);
                if sm3.0 == sha256.0 {
                    let roots = [sm3.1, sha256.1];
                    let known = seen.lock().unwrap().insert(sm3.0, roots);
                    assert!(known.is_none_or(|known| known == roots), "two heads of size {} disagree", sm3.0);
                }
            }
        });
    }
    sequencers.join_all().await;
    Arc::into_inner(recording).unwrap().await.unwrap();
    while log.sequence().await.unwrap().is_some() {}
    let (size, _) = head(log, TreeHash::Sm3).await;
    assert_eq!(size, count(services).await);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.len() >= 3, "only {} heads were seen", seen.len());
    for (place, tree) in TreeHash::ALL.into_iter().enumerate() {
        let (tiles, root) = (tiles(log, tree, size).await, head(log, tree).await.1);
        for (old, roots) in &seen {
            assert!(consistency_tiles(*old, size).is_ok());
            let proof = prove_consistency(tree, *old, size, &tiles).unwrap();
            verify_consistency(tree, (*old, &roots[place]), (size, &root), &proof).unwrap();
        }
    }
}

async fn another_origin_is_refused(services: &Services) {
    let other = Options { origin: "log.example/two".into(), ..options() };
    let error = AuditLog::open(services, other.clone()).await.err().unwrap();
    assert_eq!(error.code(), "log-origin-changed");
    let unsaid = Options { is_configured: false, ..other };
    assert_eq!(AuditLog::open(services, unsaid).await.unwrap().origin(), ORIGIN);
}

async fn what_an_older_program_wrote_is_taken_in(place: &Place, services: &Services) {
    let (log, number) = (open(services).await, count(services).await);
    let event = Event { at: NOW, actor: Actor::Operator, request: None, body: refusal(1) };
    let hex = event.to_der().iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let octets = if place.is_sqlite() { format!("x'{hex}'") } else { format!("'\\x{hex}'") };
    let class = event.class().number();
    place
        .script(&format!(
            "INSERT INTO audit_events (number, class, at, event) VALUES ({number}, {class}, {}, {octets}); \
         UPDATE audit_head SET next = {number} + 1",
            NOW.unix()
        ))
        .await;
    assert_eq!(log.sequence().await.unwrap(), Some(number + 1));
    assert_eq!(log.prove(number).await.unwrap().event, event.to_der());
}

async fn what_is_erased_leaves_its_leaf(services: &Services) {
    record(services, 3).await;
    let log = open(services).await;
    sequence_all(&log).await;
    let erased = count(services).await - 2;
    let number = i64::try_from(erased).unwrap();
    let range = (number, number);
    let erasing = async || services.store.run("erase", |tx| Box::pin(audit::erase(tx, range, NOW, 0))).await.unwrap();
    assert_eq!(erasing().await, 1);
    assert_eq!(erasing().await, 0, "it is gone");
    let error = log.prove(erased).await.unwrap_err();
    assert_eq!((error.code(), error.to_string()), ("log-event-erased", format!("event {erased} was erased")));
    log.prove(erased + 1).await.unwrap();
    let events = services.store.read(|tx| Box::pin(audit::read(tx, number - 1, 3))).await.unwrap();
    assert_eq!(events.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [number - 1, number + 1]);
    let again = open(services).await;
    assert_eq!(head(&again, TreeHash::Sm3).await, head(&log, TreeHash::Sm3).await);
    record(services, 1).await;
    assert_eq!(again.sequence().await.unwrap(), Some(count(services).await));
}

/// The right of whoever holds the database's password is not enough.
async fn whatever_is_changed_by_hand_is_found(place: &Place, services: &Services) {
    let log = open(services).await;
    let size = count(services).await;
    let (last, edge) = (size - 1, size - size % 256);
    let off = |name: &str, table: &str| match place.is_sqlite() {
        true => format!("DROP TRIGGER IF EXISTS {name};"),
        false => format!("DROP TRIGGER IF EXISTS {name} ON {table};"),
    };
    let hands = [
        off("audit_events_never_change", "audit_events"),
        off("audit_events_stay", "audit_events"),
        off("audit_salts_never_change", "audit_events"),
        off("log_tiles_grow", "log_tiles"),
        off("log_head_grows", "log_head"),
    ];
    place.script(&hands.concat()).await;
    place.script("CREATE TABLE kept_events AS SELECT * FROM audit_events").await;
    place.script("CREATE TABLE kept_tiles AS SELECT * FROM log_tiles").await;
    place.script("CREATE TABLE kept_head AS SELECT * FROM log_head").await;
    let restored = "DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept_events; \
                    DELETE FROM log_tiles; INSERT INTO log_tiles SELECT * FROM kept_tiles; \
                    UPDATE log_head SET size = (SELECT size FROM kept_head), sm3_note = (SELECT sm3_note FROM kept_head)";
    let swapped = last - 9;
    let (quote, one) = if place.is_sqlite() { ("x'", "x'01'") } else { ("'\\x", "'\\x01'") };
    let zeros = |count: usize| format!("{quote}{}'", "00".repeat(count));
    let other = |row: &str| format!("(SELECT {row} FROM kept_events WHERE number = 0)");
    let wide = size % 256;
    for (what, by_hand, expected) in [
        (
            "an event is another one's",
            format!(
                "UPDATE audit_events SET event = {}, class = {} WHERE number = {swapped}",
                other("event"),
                other("class")
            ),
            format!("log-event-changed event {swapped} is not what its leaf commits to"),
        ),
        (
            "a salt is changed",
            format!("UPDATE audit_events SET salt = {} WHERE number = {swapped}", zeros(32)),
            format!("log-event-changed event {swapped} is not what its leaf commits to"),
        ),
        (
            "an event is deleted",
            format!("DELETE FROM audit_events WHERE number = {swapped}"),
            format!("log-event-missing event {swapped} is missing"),
        ),
        (
            "an event far to the left is deleted",
            "DELETE FROM audit_events WHERE number = 3".to_owned(),
            "log-event-missing event 3 is missing".to_owned(),
        ),
        (
            "the end is cut off",
            format!("DELETE FROM audit_events WHERE number >= {swapped}; UPDATE audit_head SET next = {swapped}"),
            format!("log-events-missing {size} leaves are signed, and there are {swapped} events: rows are missing"),
        ),
        (
            "a leaf is another one's",
            format!(
                "UPDATE log_tiles SET octets = {} WHERE kind = 1 AND level = 0 AND number = {}",
                zeros(usize::try_from(wide).unwrap() * 32),
                edge / 256
            ),
            format!("log-diverged the tiles of the sm3 tree lead to another root than its checkpoint of {size} leaves"),
        ),
        (
            "a leaf of the other tree is another one's",
            format!(
                "UPDATE log_tiles SET octets = {} WHERE kind = 2 AND level = 0 AND number = {}",
                zeros(usize::try_from(wide).unwrap() * 32),
                edge / 256
            ),
            format!(
                "log-diverged the tiles of the sha256 tree lead to another root than its checkpoint of {size} leaves"
            ),
        ),
        (
            "a tile is cut",
            format!(
                "UPDATE log_tiles SET octets = {one}, width = 1 WHERE kind = 1 AND level = 0 AND number = {}",
                edge / 256
            ),
            "log-tiles-wrong the tiles of the log are not right".to_owned(),
        ),
        (
            "an entry is another one's",
            format!("UPDATE log_tiles SET octets = {} WHERE kind = 0 AND number = 1", zeros(256 * 41)),
            "log-event-changed event 256 is not what its leaf commits to".to_owned(),
        ),
        (
            "the head is rolled back",
            "UPDATE log_head SET size = size - 1".to_owned(),
            format!(
                "log-diverged the tiles of the sm3 tree lead to another root than its checkpoint of {} leaves",
                size - 1
            ),
        ),
        (
            "the head is no note",
            format!("UPDATE log_head SET sm3_note = {one}"),
            "log-checkpoint-wrong a checkpoint of the log is not right".to_owned(),
        ),
    ] {
        place.script(&by_hand).await;
        assert_eq!(refused(services, what).await, expected, "{what}");
        place.script(restored).await;
        place.script(&format!("UPDATE audit_head SET next = {size}")).await;
        assert_eq!(head(&open(services).await, TreeHash::Sm3).await, head(&log, TreeHash::Sm3).await);
    }
    // A checkpoint that somebody else signed, over the right tree.
    let stranger = yinxin::crypto::sm2::PrivateKey::generate(&yinxin::base::random::SystemRandom).unwrap();
    let signed = log.head(TreeHash::Sm3).await.unwrap();
    let text = Note::parse(&signed.note).unwrap().text.to_owned();
    let key = yinxin::crypto::Signer::public_key(&stranger);
    let verifier = Verifier::of_log(&TreeHash::Sm3.origin(ORIGIN), &key).unwrap();
    let line = verifier.sign(&text, &stranger, &yinxin::base::random::SystemRandom).unwrap();
    let forged = Note::write(&text, &[line]).unwrap();
    let hex = forged.bytes().map(|octet| format!("{octet:02x}")).collect::<String>();
    place.script(&format!("UPDATE log_head SET sm3_note = {quote}{hex}'")).await;
    assert_eq!(
        refused(services, "a stranger signed").await,
        "log-checkpoint-wrong a checkpoint of the log is not right"
    );
    place.script(restored).await;
    open(services).await;
}
