//! Batches of files to verify: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{CallerId, VerificationBatchId};
use yinxin::store::verification_batches::{self as rows, BatchFile, BatchState, Counts, StoredBatch};
use yinxin::store::{Error, Store};

use crate::store::contract::by_hand;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn id(name: &str) -> VerificationBatchId {
    VerificationBatchId::parse(name).unwrap()
}

fn stored(name: &str, owner: &CallerId, key: &str, seconds: i64) -> StoredBatch {
    StoredBatch {
        id: id(name),
        owner: owner.clone(),
        idempotency_key: key.into(),
        policy: "strict".into(),
        judged_as_of: Some(at(7)),
        state: BatchState::Open,
        created_at: at(seconds),
        since: at(seconds),
    }
}

fn file(position: i64, name: &str, bytes: i64) -> BatchFile {
    BatchFile {
        position,
        name: name.into(),
        sm3: [7; 32],
        bytes,
        original_sm3: None,
        original_digest: None,
        indication: None,
    }
}

/// Wants two callers.
pub(super) async fn contract(store: &Store, url: &str, (one, two): (&CallerId, &CallerId)) {
    let first = stored("v1", one, "k", 10);
    let second = StoredBatch { judged_as_of: None, ..stored("v2", two, "k", 11) };
    for batch in [&first, &second] {
        store.run("create", |tx| Box::pin(rows::insert(tx, batch))).await.unwrap();
        let found = store.read(|tx| Box::pin(rows::find(tx, &batch.id))).await.unwrap();
        assert_eq!(found.as_ref(), Some(batch));
        let found = store.read(|tx| Box::pin(rows::find_by_key(tx, &batch.owner, "k"))).await.unwrap();
        assert_eq!(found.as_ref(), Some(batch));
    }
    let nobody = CallerId::parse("nobody").unwrap();
    for refused in [first.clone(), stored("v3", one, "k", 10), stored("v3", &nobody, "k", 10)] {
        let refused = store.run("create", |tx| Box::pin(rows::insert(tx, &refused))).await;
        assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    }
    let third = &id("v3");
    assert_eq!(store.read(|tx| Box::pin(rows::find(tx, third))).await.unwrap(), None);
    let count = async |owner| store.read(|tx| Box::pin(rows::count_of(tx, owner))).await.unwrap();
    assert_eq!((count(one).await, count(two).await, count(&nobody).await), (1, 1, 0));
    files(store, &first.id, &second.id).await;
    states(store, &first, &second).await;
    damaged(store, url, &second.id).await;
    for (batch, was_there) in [(&first, true), (&first, false), (&second, true)] {
        let gone = store.run("forget", |tx| Box::pin(rows::forget(tx, &batch.id))).await.unwrap();
        assert_eq!(gone, was_there, "{}", batch.id);
    }
    assert_eq!(store.read(|tx| Box::pin(rows::bytes_of_all(tx))).await.unwrap(), 0);
}

async fn files(store: &Store, first: &VerificationBatchId, second: &VerificationBatchId) {
    let told = BatchFile { original_digest: Some("sm3:00".into()), ..file(2, "乙", 2) };
    let all = [file(1, "甲", 1), told.clone(), file(3, "c", 4)];
    for one in &all {
        store.run("add", |tx| Box::pin(rows::insert_file(tx, first, one))).await.unwrap();
    }
    store.run("add", |tx| Box::pin(rows::insert_file(tx, second, &all[0]))).await.unwrap();
    for refused in [file(1, "other", 1), file(4, "甲", 1)] {
        let refused = store.run("add", |tx| Box::pin(rows::insert_file(tx, first, &refused))).await;
        assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    }
    let found = store.read(|tx| Box::pin(rows::find_file(tx, first, "乙"))).await.unwrap();
    assert_eq!(found, Some(told));
    assert_eq!(store.read(|tx| Box::pin(rows::find_file(tx, second, "乙"))).await.unwrap(), None);
    let original = async |position: i64| {
        store.run("original", |tx| Box::pin(rows::set_original(tx, first, position, (&[8; 32], 100)))).await
    };
    original(1).await.unwrap();
    // It has one already; its digest was told; there is no such file.
    for position in [1, 2, 9] {
        let refused = original(position).await;
        assert!(matches!(refused, Err(Error::Stale { table: "verification_batch_files", .. })), "{refused:?}");
    }
    let counts = async |id| store.read(|tx| Box::pin(rows::counts(tx, id))).await.unwrap();
    assert_eq!(counts(first).await, Counts { files: 3, judged: 0, bytes: 107 });
    assert_eq!(store.read(|tx| Box::pin(rows::bytes_of_all(tx))).await.unwrap(), 108);
    let names = |files: Vec<BatchFile>| files.into_iter().map(|file| file.name).collect::<Vec<_>>();
    let page = store.read(|tx| Box::pin(rows::files(tx, first, 1, 1))).await.unwrap();
    assert_eq!(names(page), ["乙"]);
    let report = async |position: i64, indication: &'static str, report: Option<&'static [u8]>| {
        store.run("keep", |tx| Box::pin(rows::set_report(tx, first, position, (indication, report)))).await.unwrap()
    };
    assert!(report(2, "TOTAL_PASSED", Some(b"{}")).await);
    assert!(!report(2, "TOTAL_FAILED", Some(b"[]")).await, "a file is judged once");
    assert!(report(1, "LOST", None).await);
    assert!(!report(9, "LOST", None).await);
    let kept = async |position: i64| store.read(|tx| Box::pin(rows::report(tx, first, position))).await.unwrap();
    assert_eq!((kept(2).await, kept(1).await, kept(3).await), (Some(b"{}".to_vec()), None, None));
    let left = store.read(|tx| Box::pin(rows::unjudged(tx, first, 10))).await.unwrap();
    assert_eq!(names(left), ["c"]);
    assert_eq!(counts(first).await, Counts { files: 3, judged: 2, bytes: 107 });
}

async fn states(store: &Store, first: &StoredBatch, second: &StoredBatch) {
    let resting = async |moment: i64| {
        let found = store.read(|tx| Box::pin(rows::resting_since(tx, at(moment)))).await.unwrap();
        found.into_iter().map(|batch| batch.id).collect::<Vec<_>>()
    };
    assert_eq!((resting(10).await, resting(11).await), (vec![], vec![first.id.clone()]));
    let advance = async |id: &VerificationBatchId, step, now: i64| {
        store.run("advance", |tx| Box::pin(rows::advance(tx, id, step, at(now)))).await
    };
    let (start, finish) = ((BatchState::Open, BatchState::Running), (BatchState::Running, BatchState::Finished));
    let early = advance(&first.id, finish, 20).await;
    assert!(matches!(early, Err(Error::Stale { table: "verification_batches", .. })), "{early:?}");
    advance(&second.id, start, 20).await.unwrap();
    let of_start = async |id| store.read(|tx| Box::pin(rows::start_event(tx, id))).await.unwrap();
    store.run("note", |tx| Box::pin(rows::note_start(tx, &second.id, 40))).await.unwrap();
    assert_eq!((of_start(&second.id).await, of_start(&first.id).await), (Some(40), None));
    advance(&first.id, start, 21).await.unwrap();
    let running = store.read(|tx| Box::pin(rows::running(tx))).await.unwrap();
    let expected = [second, first].map(|batch| batch.id.clone());
    assert_eq!(running.iter().map(|batch| batch.id.clone()).collect::<Vec<_>>(), expected);
    assert_eq!((running[0].state, running[0].since), (BatchState::Running, at(20)));
    assert_eq!(resting(1000).await, []);
    advance(&first.id, finish, 22).await.unwrap();
    assert_eq!(resting(23).await.as_slice(), std::slice::from_ref(&first.id));
}

/// A report that is not as it was kept is told by no one.
async fn damaged(store: &Store, url: &str, batch: &VerificationBatchId) {
    let kept: &[u8] = br#"{"indication":"TOTAL_FAILED"}"#;
    let keep = store.run("keep", |tx| Box::pin(rows::set_report(tx, batch, 1, ("TOTAL_FAILED", Some(kept))))).await;
    assert!(keep.unwrap());
    let report = async || store.read(|tx| Box::pin(rows::report(tx, batch, 1))).await;
    assert_eq!(report().await.unwrap().as_deref(), Some(kept));
    let undo = "UPDATE verification_batch_files SET indication = 'TOTAL_FAILED', name = '甲' WHERE batch = 'v2'";
    for change in [
        "UPDATE verification_batch_files SET indication = 'TOTAL_PASSED' WHERE batch = 'v2'",
        "UPDATE verification_batch_files SET name = 'other' WHERE batch = 'v2'",
        "UPDATE verification_batch_files SET integrity = NULL WHERE batch = 'v2'",
    ] {
        assert_eq!(by_hand(url, change).await.unwrap(), 1);
        let refused = report().await;
        assert!(
            matches!(refused, Err(Error::Inconsistent { table: "verification_batch_files", .. })),
            "{change}: {refused:?}"
        );
        by_hand(url, undo).await.unwrap();
    }
    assert!(matches!(report().await, Err(Error::Inconsistent { .. })));
}
