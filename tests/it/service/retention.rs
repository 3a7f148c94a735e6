//! What is kept of the audit log, and for how long: events erased by two officers, pruned by ranges; the trees stay whole,
//! and what is deleted by hand is told from what was erased.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::domain::audit::checkpoint::verify_checkpoint;
use yinxin::domain::audit::tree::{TreeHash, verify_inclusion};
use yinxin::domain::audit::{Actor, Entry, ErasureReason, Event, EventBody};
use yinxin::domain::ca::request::OfficerRole;
use yinxin::domain::caller::Role;
use yinxin::format::tlog::LogProof;
use yinxin::service::Services;
use yinxin::service::audit_log::AuditLog;
use yinxin::service::audit_log::checking::{CheckError, CheckedLog, check};
use yinxin::service::audit_log::desk::{LogAnswer, LogRequest};
use yinxin::service::audit_log::erasing::{ProposedErasure, Terms, propose};
use yinxin::service::audit_log::folder::FolderLog;
use yinxin::service::audit_log::moving::{MovedTiles, move_tiles};
use yinxin::service::audit_log::pruning::{Pruned, prune, prune_all, prune_due};
use yinxin::service::audit_log::stored::StoredLog;
use yinxin::store::{audit, watching};

use crate::service::audit_log::{ORIGIN, caller, count, head, open, options, record, sequence_all};
use crate::service::installation::{NOW, Place};
use crate::service::registration::{Person, hired};
use crate::store::Folder;
use crate::store::postgres::Postgres;

/// The term, and no mirror.
const TERM: u32 = 180;

fn terms() -> Terms {
    Terms { days: TERM, mirror: None }
}

fn at(services: &Services, moment: Timestamp) -> Services {
    Services { clock: Arc::new(FixedClock(moment)), ..services.clone() }
}

/// When the term of what happened at `NOW` is over.
fn after_the_term(services: &Services) -> Services {
    at(services, NOW.plus_days(i64::from(TERM)).plus_seconds(1))
}

async fn checked(services: &Services) -> Result<CheckedLog, CheckError> {
    let (log, own) = StoredLog::of(services).await.unwrap();
    check(Arc::new(log), &own).await.unwrap()
}

/// The log of the rows and a copy of it are right, and it can be opened; gives what was checked.
async fn is_whole(services: &Services, copy: &Path) -> CheckedLog {
    let (log, own) = StoredLog::of(services).await.unwrap();
    let whole = check(Arc::new(log.clone()), &own).await.unwrap().unwrap();
    let folder = FolderLog::new(copy);
    folder.write(&log).await.unwrap();
    assert_eq!(check(Arc::new(folder), &own).await.unwrap().unwrap(), whole);
    open(services).await;
    whole
}

/// The proof of an event leads to both checkpoints.
async fn is_proven(log: &AuditLog, index: u64) {
    let proof = log.prove(index).await.unwrap();
    let entry = Entry::of_der(&proof.event, &proof.salt).unwrap();
    for (tree, text) in [(TreeHash::Sm3, &proof.sm3), (TreeHash::Sha256, proof.sha256.as_ref().unwrap())] {
        let read = LogProof::parse(text.as_bytes()).unwrap();
        let keys = [log.verifier(tree).unwrap().clone()];
        let signed = verify_checkpoint(&read.note, &tree.origin(ORIGIN), &keys, &[]).unwrap();
        let leaf = tree.leaf(&entry.to_octets());
        verify_inclusion(tree, &leaf, index, signed.size(), &read.hashes, signed.root()).unwrap();
    }
}

async fn follow(services: &Services, name: &str, next: u64) {
    let next = i64::try_from(next).unwrap();
    services.store.run("follow", |tx| Box::pin(watching::move_to(tx, name, next))).await.unwrap();
}

async fn body(services: &Services, number: i64) -> EventBody {
    let read = services.store.read(|tx| Box::pin(audit::read(tx, number, 1))).await.unwrap();
    read.into_iter().find(|(found, _)| *found == number).unwrap().1.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_officers_erase_on_sqlite() {
    let folder = Folder::new("erasing");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    erasing(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_officers_erase_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("erasing on PostgreSQL", "PostgreSQL") };
    erasing(Place { url: server.url.clone(), folder: Folder::new("erasing-postgres") }).await;
}

/// What no other octets of a database are.
const NEEDLE: &str = "GET /needle-9b1f3c5e";

async fn erasing(place: Place) {
    let services = place.open().await;
    let (first, second) =
        (hired(&services, OfficerRole::Approver).await, hired(&services, OfficerRole::Approver).await);
    let checker = hired(&services, OfficerRole::Checker).await;
    let log = open(&services).await;
    let user = caller("user", Role::SealUser);
    let certificate =
        EventBody::CertificateIssued { serial: vec![1; 16], issuer_sm3: [2; 32], certificate_sm3: [3; 32], key: None };
    let thing = u64::try_from(services.record(&user, None, certificate).await.unwrap()).unwrap();
    let needle = EventBody::AccessRefused { endpoint: NEEDLE.into(), code: "x".into() };
    let needle = u64::try_from(services.record(&user, None, needle).await.unwrap()).unwrap();
    record(&services, 300).await;
    let size = sequence_all(&log).await;
    let (before, later) = (head(&log, TreeHash::Sm3).await, after_the_term(&services));
    let reason = ErasureReason::HolderRequest;

    // What keeps an event.
    let refused = async |services: &Services, terms: &Terms, numbers: &[u64]| {
        let error = propose(services, terms, numbers, reason).await.unwrap_err();
        (error.code(), error.to_string())
    };
    let young = at(&services, NOW.plus_days(i64::from(TERM)));
    assert_eq!(refused(&young, &terms(), &[thing]).await.0, "erasure-too-young");
    assert_eq!(refused(&later, &terms(), &[]).await.0, "erasure-count");
    assert_eq!(refused(&later, &terms(), &(0..257).collect::<Vec<_>>()).await.0, "erasure-count");
    assert_eq!(refused(&later, &terms(), &[size + 9]).await.0, "log-no-such-leaf");
    record(&services, 1).await;
    let text = format!("event {size} is not in the trees yet: {size} leaves are signed");
    assert_eq!(refused(&later, &terms(), &[size]).await, ("erasure-not-integrated", text));
    sequence_all(&log).await;
    follow(&services, "misuse", thing).await;
    let text = format!("event {thing} was not seen yet by misuse, which is at {thing}");
    assert_eq!(refused(&later, &terms(), &[thing]).await, ("erasure-not-followed", text));
    follow(&services, "misuse", size).await;
    let mirror = FolderLog::new(&place.folder.path().join("mirror"));
    let mirrored = Terms { mirror: Some(mirror.clone()), ..terms() };
    let text = format!("the leaf of event {thing} is not in the mirror yet, which has 0");
    assert_eq!(refused(&later, &mirrored, &[thing]).await, ("erasure-not-mirrored", text));
    log.mirror(&mirror, 0).await.unwrap();

    // Who must sign, and what.
    let found = propose(&later, &mirrored, &[needle, thing, needle], reason).await.unwrap();
    assert_eq!(found.numbers(), [thing, needle]);
    let other = propose(&later, &mirrored, &[thing, needle], ErasureReason::Unlawful).await.unwrap();
    let fewer = propose(&later, &mirrored, &[thing], reason).await.unwrap();
    let sign = async |erasure: &ProposedErasure, person: &Person| {
        let octets = erasure.to_sign(&later, &person.id).await.unwrap();
        (person.id.clone(), person.sign(&octets))
    };
    let (one, two) = (sign(&found, &first).await, sign(&found, &second).await);
    let swapped = [(first.id.clone(), two.1.clone()), (second.id.clone(), one.1.clone())];
    for (approvals, code) in [
        (Vec::new(), "approvals-missing"),
        (vec![one.clone()], "approvals-missing"),
        (vec![one.clone(), one.clone()], "approver-repeated"),
        (vec![one.clone(), sign(&found, &checker).await], "officer-role"),
        (swapped.to_vec(), "approval-signature"),
        (vec![one.clone(), sign(&other, &second).await], "approval-signature"),
        (vec![one.clone(), sign(&fewer, &second).await], "approval-signature"),
    ] {
        assert_eq!(found.erase(&later, &approvals).await.unwrap_err().code(), code);
    }
    is_proven(&log, thing).await;

    let event = found.erase(&later, &[one.clone(), two.clone()]).await.unwrap();
    let EventBody::EventsErased { numbers, reason: said, first: by, first_signature, second: and, second_signature } =
        body(&services, event).await
    else {
        panic!("another event")
    };
    assert_eq!((numbers, said, by, and), (vec![thing, needle], reason, first.id.clone(), second.id.clone()));
    assert!(!first_signature.is_empty() && first_signature != second_signature);
    assert_eq!(found.erase(&later, &[one, two]).await.unwrap_err().code(), "log-event-erased", "a replay");
    assert_eq!(refused(&later, &terms(), &[thing]).await.0, "log-event-erased");

    // The trees are as they were, and so are the neighbours' proofs.
    assert_eq!(place.count(&format!("audit_events WHERE number IN ({thing}, {needle})")).await, 0);
    assert_eq!(place.count(&format!("log_things WHERE number = {thing}")).await, 0);
    sequence_all(&log).await;
    let whole = is_whole(&later, &place.folder.path().join("copy")).await;
    assert!(whole.size > before.0);
    for neighbour in [thing - 1, needle + 1, 0, u64::try_from(event).unwrap()] {
        is_proven(&log, neighbour).await;
    }
    let ask = async |actor: &Actor, request: LogRequest| {
        log.answer(actor, request).await.map_err(|error| error.code().to_owned())
    };
    let auditor = caller("auditor", Role::AuditAdministrator);
    for index in [thing, needle] {
        for entitled in [&auditor, &Actor::Operator] {
            assert_eq!(ask(entitled, LogRequest::Proof { index }).await, Err("log-event-erased".to_owned()));
        }
        for stranger in [&caller("other", Role::SealUser), &Actor::Anonymous] {
            let asked = [ask(stranger, LogRequest::Proof { index }).await, {
                ask(stranger, LogRequest::Proof { index: needle + 1 }).await
            }];
            assert_eq!(asked[0], Err("log-not-entitled".to_owned()));
            assert_eq!(asked[0], asked[1], "an erased event looks as any other");
        }
    }
    let held = ask(&Actor::Anonymous, LogRequest::ProofsOf { thing: [3; 32] }).await;
    assert_eq!(held, Ok(LogAnswer::Proofs(Vec::new())));
    if place.is_sqlite() {
        let path = place.url.strip_prefix("sqlite:").unwrap();
        for file in [path.to_owned(), format!("{path}-wal")] {
            let octets = fs::read(&file).unwrap_or_default();
            let found = octets.windows(NEEDLE.len()).any(|window| window == NEEDLE.as_bytes());
            assert!(!found, "{file} still holds what was erased");
        }
    }

    // What says that something is gone stays, whatever its age.
    let much_later = at(&services, NOW.plus_days(i64::from(TERM) * 3));
    follow(&services, "misuse", count(&services).await).await;
    let number = u64::try_from(event).unwrap();
    assert_eq!(refused(&much_later, &terms(), &[number]).await, {
        ("erasure-kept", format!("event {number} is of class events-erased, which tells what is gone, and stays"))
    });
    only_our_own_rows_say_that_an_event_was_erased(&place, &later).await;
    services.store.close().await;
}

/// Whoever deletes an event by hand, and writes that it was erased, is found.
async fn only_our_own_rows_say_that_an_event_was_erased(place: &Place, services: &Services) {
    let (number, erased) = (20, place.count("audit_erasures").await);
    assert_eq!(erased, 1, "numbers that touch are one range");
    let off = if place.is_sqlite() { "" } else { " ON audit_events" };
    place.script(&format!("DROP TRIGGER audit_events_stay{off}")).await;
    place.script(&format!("CREATE TABLE kept AS SELECT * FROM audit_events WHERE number = {number}")).await;
    place.script(&format!("DELETE FROM audit_events WHERE number = {number}")).await;
    let error = checked(services).await.unwrap_err();
    assert_eq!((error.code(), error.index()), ("log-row-missing", Some(20)));
    let log = AuditLog::open(services, options()).await.err().unwrap();
    assert_eq!(log.to_string(), "event 20 is missing");
    // Alone, as an older program would; and as a copy of a row that is right.
    for forged in [
        format!("INSERT INTO audit_erasures (number, at) VALUES ({number}, 0)"),
        format!(
            "INSERT INTO audit_erasures (number, last, at, event, integrity) \
             SELECT {number}, {number}, at, event, integrity FROM audit_erasures LIMIT 1"
        ),
    ] {
        place.script(&forged).await;
        let (log, own) = StoredLog::of(services).await.unwrap();
        let error = check(Arc::new(log), &own).await.unwrap_err();
        assert_eq!(error.to_string(), "the row 20 of audit_erasures is not as it was written", "{forged}");
        let refused = AuditLog::open(services, options()).await.err().map(|error| error.to_string());
        assert_eq!(refused.as_deref(), Some("the row 20 of audit_erasures is not as it was written"), "{forged}");
        place.script(&format!("DELETE FROM audit_erasures WHERE number = {number}")).await;
    }
    place.script("INSERT INTO audit_events SELECT * FROM kept").await;
    open(services).await;
    // A range that is made longer by hand.
    place.script("UPDATE audit_erasures SET last = last + 1").await;
    let refused = AuditLog::open(services, options()).await.err().map(|error| error.code());
    assert_eq!(refused, Some("inconsistent"));
    place.script("UPDATE audit_erasures SET last = last - 1").await;
    open(services).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gaps_that_an_older_program_noted_are_taken_over() {
    let folder = Folder::new("old-gaps");
    let place = Place { url: format!("sqlite:{}", folder.path().join("rows.db").display()), folder };
    let services = place.open().await;
    let log = open(&services).await;
    record(&services, 30).await;
    sequence_all(&log).await;
    let from = count(&services).await;
    let range = (i64::try_from(from).unwrap(), i64::try_from(from).unwrap() + 5);
    let approver = hired_name();
    let gap = EventBody::LogGapRecorded {
        from,
        to: from + 5,
        sm3_root: [1; 32],
        sha256_root: [2; 32],
        first: approver.clone(),
        first_signature: vec![1],
        second: approver,
        second_signature: vec![2],
    };
    let event = &Event { at: NOW, actor: Actor::Operator, request: None, body: gap };
    let steps = services.store.run("lose", |tx| {
        Box::pin(async move {
            audit::lose(tx, range, NOW).await?;
            audit::append(tx, event).await
        })
    });
    assert_eq!(steps.await.unwrap(), range.1);
    assert_eq!(place.count("audit_erasures").await, 1);
    place.script("DELETE FROM audit_erasures").await;
    for number in range.0..range.1 {
        place.script(&format!("INSERT INTO audit_erasures (number, at) VALUES ({number}, 0)")).await;
    }
    open(&services).await;
    assert_eq!(place.count("audit_erasures WHERE integrity IS NOT NULL").await, 1);
    assert_eq!(place.count("audit_erasures").await, 1);
    let events = services.store.read(|tx| Box::pin(audit::read(tx, range.0 - 1, 9))).await.unwrap();
    assert_eq!(events.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [range.0 - 1, range.1]);
    services.store.close().await;
}

fn hired_name() -> yinxin::base::id::CallerId {
    yinxin::base::id::CallerId::parse("officer").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_are_pruned_on_sqlite() {
    let folder = Folder::new("pruning");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    pruning(Place { url, folder }, 100_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_are_pruned_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("pruning on PostgreSQL", "PostgreSQL") };
    pruning(Place { url: server.url.clone(), folder: Folder::new("pruning-postgres") }, 12_000).await;
}

/// So many events at that moment.
async fn append(services: &Services, count: u64, at: Timestamp) {
    let body = EventBody::AccessRefused { endpoint: "GET /".into(), code: "x".into() };
    let events = vec![Event { at, actor: Actor::Anonymous, request: None, body }; 5_000];
    for first in (0..count).step_by(5_000) {
        let part = &events[..usize::try_from((count - first).min(5_000)).unwrap()];
        services.store.run("append", |tx| Box::pin(audit::append_many(tx, part))).await.unwrap();
    }
}

async fn pruning(place: Place, old: u64) {
    let services = place.open().await;
    let log = open(&services).await;
    append(&services, old, NOW).await;
    let (first_kept, later) = (count(&services).await, after_the_term(&services));
    let moment = NOW.plus_seconds(1);
    append(&services, 1_000, NOW.plus_days(10)).await;
    sequence_all(&log).await;

    let young = at(&services, NOW.plus_days(i64::from(TERM)));
    assert_eq!(prune(&young, &terms(), moment).await.unwrap_err().code(), "erasure-too-young");
    assert_eq!(prune(&later, &terms(), NOW).await.unwrap(), None, "nothing happened before");
    follow(&services, "misuse", 0).await;
    assert_eq!(prune(&later, &terms(), moment).await.unwrap(), None, "somebody has not seen them");
    // Whatever was deleted or changed by hand is not covered up.
    let off = if place.is_sqlite() { "" } else { " ON audit_events" };
    place.script(&format!("DROP TRIGGER audit_events_stay{off}")).await;
    place.script("CREATE TABLE kept AS SELECT * FROM audit_events WHERE number = 77").await;
    place.script("DELETE FROM audit_events WHERE number = 77").await;
    follow(&services, "misuse", 2_000).await;
    let error = prune(&later, &terms(), moment).await.unwrap_err();
    assert_eq!((error.code(), error.to_string()), ("log-event-missing", "event 77 is missing".to_owned()));
    place.script("INSERT INTO audit_events SELECT * FROM kept").await;

    // Up to what the slowest has seen, then all of it.
    let slow = prune_all(&later, &terms(), moment).await.unwrap();
    assert_eq!(slow.iter().map(|run| (run.from, run.to, run.count)).collect::<Vec<_>>(), [(0, 2_000, 2_000)]);
    follow(&services, "misuse", count(&services).await).await;
    let runs = prune_all(&later, &terms(), moment).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.count).sum::<u64>(), first_kept - 2_000);
    assert_eq!((runs[0].from, runs.last().unwrap().to), (2_000, first_kept));
    assert!(runs.iter().zip(&runs[1..]).all(|(one, next)| one.to == next.from));
    for Pruned { from, to, count, event } in &runs {
        let said = EventBody::EventsPruned { from: *from, to: *to, count: *count, before: moment };
        assert_eq!(body(&services, *event).await, said);
    }
    assert_eq!(place.count("audit_erasures").await, 1, "ranges that touch are one");
    assert_eq!(place.count(&format!("audit_events WHERE number < {first_kept}")).await, 0);

    sequence_all(&log).await;
    let whole = is_whole(&later, &place.folder.path().join("copy")).await;
    assert_eq!(whole.size, count(&services).await);
    for index in [first_kept, first_kept + 999, whole.size - 1] {
        is_proven(&log, index).await;
    }
    for index in [0, 77, first_kept - 1] {
        assert_eq!(log.prove(index).await.unwrap_err().code(), "log-event-erased");
    }
    let rest = services.store.read(|tx| Box::pin(audit::read(tx, 0, i64::MAX))).await.unwrap();
    assert_eq!(u64::try_from(rest.len()).unwrap(), whole.size - first_kept);

    if first_kept > TILE_OF_LEVEL_1 {
        its_tile_of_level_1_is_moved_too(&place, &later, &log, first_kept).await;
    }

    // Deleted by hand behind the range, and the range itself.
    let deleted = first_kept + 5;
    place.script(&format!("DELETE FROM audit_events WHERE number = {deleted}")).await;
    let error = checked(&later).await.unwrap_err();
    assert_eq!((error.code(), error.index()), ("log-row-missing", Some(deleted)));
    let error = log.prove(deleted).await.unwrap_err();
    assert_eq!(error.code(), "log-event-missing", "a row that is gone was not erased");
    place.script("DELETE FROM audit_erasures").await;
    let error = checked(&later).await.unwrap_err();
    assert_eq!((error.code(), error.index()), ("log-row-missing", Some(0)));
    services.store.close().await;
}

/// Leaves below one full tile of level 1.
const TILE_OF_LEVEL_1: u64 = 65_536;

/// Tiles of both levels leave the database; what lies there is served, proven and compared with the tree.
async fn its_tile_of_level_1_is_moved_too(place: &Place, services: &Services, log: &AuditLog, kept: u64) {
    let upper = |tree: &str| place.folder.path().join(format!("old/{tree}/tile/1/000"));
    let rows = "log_tiles WHERE level = 1 AND number = 0";
    assert_eq!(place.count(rows).await, 2, "one in each tree");
    let folder = crate::service::old_tiles::at(&place.folder.path().join("old"));
    let moved = move_tiles(services, &folder, TILE_OF_LEVEL_1, &|_| {}).await.unwrap();
    assert_eq!(moved, Some(MovedTiles { from: 0, below: TILE_OF_LEVEL_1 }));
    assert_eq!((place.count(rows).await, upper("sm3").is_file(), upper("sha256").is_file()), (0, true, true));
    sequence_all(log).await;
    is_whole(services, &place.folder.path().join("copy-of-moved")).await;
    is_proven(log, kept).await;

    let right = fs::read(upper("sha256")).unwrap();
    let mut wrong = right.clone();
    wrong[32] ^= 1;
    fs::write(upper("sha256"), &wrong).unwrap();
    let error = checked(services).await.unwrap_err();
    assert_eq!((error.code(), error.index()), ("log-node-differs", Some(256)));
    fs::write(upper("sha256"), &right).unwrap();
    checked(services).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_at_work_prunes_what_is_kept_no_longer() {
    let folder = Folder::new("pruning-due");
    let place = Place { url: format!("sqlite:{}", folder.path().join("rows.db").display()), folder };
    let services = place.open().await;
    let log = open(&services).await;
    append(&services, 500, NOW).await;
    let kept = count(&services).await;
    sequence_all(&log).await;
    let later = at(&services, NOW.plus_days(200));
    assert_eq!(prune_due(&later, &terms(), 201).await.unwrap(), 0);
    assert_eq!(prune_due(&later, &terms(), 200).await.unwrap(), 0, "on the day they stay");
    let later = at(&services, NOW.plus_days(200).plus_seconds(1));
    assert_eq!(prune_due(&later, &terms(), 200).await.unwrap(), kept);
    assert_eq!(prune_due(&later, &terms(), 200).await.unwrap(), 0);
    services.store.close().await;
}
