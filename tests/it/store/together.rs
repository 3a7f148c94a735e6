//! Transactions that share a commit: what each of them may rely on all the same.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use yinxin::base::clock::Timestamp;
use yinxin::store::outbox::StoredMessage;
use yinxin::store::{Error, Store, outbox};

use crate::store::contract::by_hand;

pub(crate) async fn contract(store: &Store) {
    a_member_that_fails_fails_alone(store).await;
    a_member_that_is_given_up_is_undone_alone(store).await;
    more_than_a_group_holds_are_all_kept(store).await;
    what_is_cut_off_as_it_begins_is_in_nobody_elses_way(store).await;
}

fn message(id: &str) -> StoredMessage {
    StoredMessage { id: id.to_owned(), topic: "t".into(), payload: vec![1], created_at: Timestamp::from_unix(60) }
}

async fn push(store: &Store, id: &str) -> Result<(), Error> {
    let message = message(id);
    store.run("push", |tx| Box::pin(outbox::push(tx, &message))).await
}

/// Reads that are given up at each place where they wait, and after each a write: it would fail in a transaction that was left open
/// to read.
async fn what_is_cut_off_as_it_begins_is_in_nobody_elses_way(store: &Store) {
    for turn in 0..200_u32 {
        let mut reading = Box::pin(store.read(|tx| Box::pin(outbox::unsent(tx, 1))));
        let mut waits = 0;
        let cut = poll_fn(|context| match reading.as_mut().poll(context) {
            Poll::Pending if waits < turn % 10 => {
                waits += 1;
                Poll::Pending
            }
            _ => Poll::Ready(()),
        });
        cut.await;
        drop(reading);
        push(store, &format!("after-a-cut-{turn:03}")).await.unwrap();
    }
    assert_eq!(kept(store, "after-a-cut-").await.len(), 200);
}

/// The messages whose names begin so.
async fn kept(store: &Store, beginning: &str) -> Vec<String> {
    let unsent = store.read(|tx| Box::pin(outbox::unsent(tx, 1000))).await.unwrap();
    let mut ids =
        unsent.into_iter().map(|message| message.id).filter(|id| id.starts_with(beginning)).collect::<Vec<_>>();
    ids.sort_unstable();
    ids
}

/// Writes a message and then stays in its transaction until the gate opens; counts how often it was begun.
fn waits_at(
    store: &Store,
    id: &'static str,
    gate: &Arc<Semaphore>,
) -> (JoinHandle<Result<(), Error>>, Arc<AtomicUsize>) {
    let (store, gate, begun) = (store.clone(), Arc::clone(gate), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&begun);
    let task = tokio::spawn(async move {
        let message = message(id);
        let (message, gate, counted) = (&message, &gate, &counted);
        let steps = store.run("push", |tx| {
            Box::pin(async move {
                outbox::push(tx, message).await?;
                counted.fetch_add(1, Ordering::SeqCst);
                drop(gate.acquire().await.unwrap());
                Ok::<_, Error>(())
            })
        });
        steps.await
    });
    (task, begun)
}

async fn until(begun: &AtomicUsize, count: usize) {
    while begun.load(Ordering::SeqCst) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Long enough for those who were spawned to stand in the queue.
async fn all_stand_in_the_queue() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn a_member_that_fails_fails_alone(store: &Store) {
    let gate = Arc::new(Semaphore::new(0));
    let (first, begun) = waits_at(store, "alone-first", &gate);
    until(&begun, 1).await;
    let told = Arc::new(AtomicUsize::new(0));
    let mut members = Vec::new();
    for number in 0..12 {
        let (store, told) = (store.clone(), Arc::clone(&told));
        members.push(tokio::spawn(async move {
            let (own, taken) = (message(&format!("alone-{number:02}")), message("alone-first"));
            let (own, taken, seen) = (&own, &taken, &told);
            let steps = store.run("push", |tx| {
                Box::pin(async move {
                    outbox::push(tx, own).await?;
                    match number {
                        3 => return Err(Error::Stale { table: "outbox", row: "x".into() }),
                        // The database itself refuses it.
                        5 => outbox::push(tx, taken).await?,
                        _ => {}
                    }
                    Ok(seen.load(Ordering::SeqCst))
                })
            });
            let outcome = steps.await;
            told.fetch_add(1, Ordering::SeqCst);
            outcome
        }));
    }
    all_stand_in_the_queue().await;
    assert!(!first.is_finished());
    gate.add_permits(1);
    first.await.unwrap().unwrap();
    for (number, member) in members.into_iter().enumerate() {
        let outcome = member.await.unwrap();
        match number {
            3 => assert!(matches!(outcome, Err(Error::Stale { table: "outbox", .. })), "{outcome:?}"),
            5 => assert!(matches!(outcome, Err(Error::Conflict { .. })), "{outcome:?}"),
            // One commit for all: while any of them wrote nobody was told.
            _ => assert_eq!(outcome.unwrap(), 0, "{number}"),
        }
    }
    let mut expected = (0..12).filter(|number| ![3, 5].contains(number)).map(|number| format!("alone-{number:02}"));
    let mut expected = expected.by_ref().collect::<Vec<_>>();
    expected.push("alone-first".into());
    assert_eq!(kept(store, "alone-").await, expected);
}

async fn a_member_that_is_given_up_is_undone_alone(store: &Store) {
    let gate = Arc::new(Semaphore::new(0));
    let (first, begun) = waits_at(store, "given-first", &gate);
    until(&begun, 1).await;
    let stuck_in = Arc::new(AtomicUsize::new(0));
    let stuck = {
        let (store, stuck_in) = (store.clone(), Arc::clone(&stuck_in));
        tokio::spawn(async move {
            let (message, stuck_in) = (message("given-up"), &stuck_in);
            let message = &message;
            let steps = store.run("push", |tx| {
                Box::pin(async move {
                    outbox::push(tx, message).await?;
                    stuck_in.fetch_add(1, Ordering::SeqCst);
                    pending::<Result<(), Error>>().await
                })
            });
            steps.await
        })
    };
    all_stand_in_the_queue().await;
    let (last, _) = waits_at(store, "given-last", &gate);
    gate.add_permits(1);
    until(&stuck_in, 1).await;
    assert!(!first.is_finished(), "told before the commit");
    assert_eq!(kept(store, "given-").await, Vec::<String>::new(), "nothing is committed");
    stuck.abort();
    assert!(stuck.await.unwrap_err().is_cancelled());
    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    assert_eq!(begun.load(Ordering::SeqCst), 2, "the first began again");
    assert_eq!(kept(store, "given-").await, ["given-first", "given-last"]);
}

async fn more_than_a_group_holds_are_all_kept(store: &Store) {
    let gate = Arc::new(Semaphore::new(0));
    let (first, begun) = waits_at(store, "many-first", &gate);
    until(&begun, 1).await;
    let mut members = tokio::task::JoinSet::new();
    for number in 0..150 {
        let store = store.clone();
        members.spawn(async move { push(&store, &format!("many-{number}")).await });
    }
    all_stand_in_the_queue().await;
    gate.add_permits(1);
    first.await.unwrap().unwrap();
    while let Some(member) = members.join_next().await {
        member.unwrap().unwrap();
    }
    assert_eq!(kept(store, "many-").await.len(), 151);
}

/// A constraint that is looked at when the transaction ends, as PostgreSQL knows them and our tables have none.
pub(crate) async fn a_commit_that_fails_is_told_to_all(store: &Store, url: &str) {
    let function = "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                    IF NEW.id = 'late-second' THEN RAISE EXCEPTION 'late' USING ERRCODE = '23514'; END IF; \
                    RETURN NEW; END $$";
    by_hand(url, function).await.unwrap();
    let trigger = "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED \
                   FOR EACH ROW EXECUTE FUNCTION late()";
    by_hand(url, trigger).await.unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let (first, begun) = waits_at(store, "late-first", &gate);
    until(&begun, 1).await;
    let second = {
        let store = store.clone();
        tokio::spawn(async move { push(&store, "late-second").await })
    };
    all_stand_in_the_queue().await;
    gate.add_permits(1);
    for member in [first, second] {
        let outcome = member.await.unwrap();
        assert!(matches!(outcome, Err(Error::NotCommitted(_))), "{outcome:?}");
    }
    assert_eq!(kept(store, "late-").await, Vec::<String>::new());
    push(store, "late-third").await.unwrap();
    by_hand(url, "DROP TRIGGER late ON outbox").await.unwrap();
}
