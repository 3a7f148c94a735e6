//! Rows of receivers of notices, and of notices that were given up.

use yinxin::base::clock::Timestamp;
use yinxin::domain::webhook::delivery::{Delivery, Place};
use yinxin::store::webhooks::{self, DeadNotice, StoredPlace};
use yinxin::store::{Error, Led, Store};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

const BEGUN: Delivery = Delivery::Begun { attempts: 2, since: Timestamp::from_unix(10), at: Timestamp::from_unix(40) };

/// The checks share one database and run in this order: later ones need earlier ones' rows.
pub(crate) async fn contract(store: &Store) {
    places(store).await;
    given_up(store).await;
    // What sequences the log has a lock of its own.
    assert!(store.lead(Led::Webhooks).await.unwrap().is_some());
}

async fn places(store: &Store) {
    let place = async |name: &str| store.read(|tx| Box::pin(webhooks::place(tx, name))).await.unwrap();
    assert_eq!(place("archive").await, None);
    for (name, next) in [("archive", 7), ("other", 0)] {
        store.run("begin", |tx| Box::pin(webhooks::begin(tx, name, next))).await.unwrap();
    }
    let twice = store.run("begin", |tx| Box::pin(webhooks::begin(tx, "archive", 9))).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    let first = place("archive").await.unwrap();
    let expected = StoredPlace { receiver: "archive".into(), place: Place::before(7), alarmed_at: None, version: 1 };
    assert_eq!(first, expected);
    let moved = &StoredPlace { place: Place { next: 9, delivery: BEGUN }, alarmed_at: Some(at(5)), ..first.clone() };
    let kept = store.run("update", |tx| Box::pin(webhooks::update(tx, moved))).await.unwrap();
    assert_eq!((kept.version, place("archive").await), (2, Some(kept)));
    let stale = store.run("update", |tx| Box::pin(webhooks::update(tx, moved))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "webhook_places", .. })), "{stale:?}");
    let names = store.read(|tx| Box::pin(webhooks::receivers(tx))).await.unwrap();
    assert_eq!(names, ["archive", "other"]);
}

async fn given_up(store: &Store) {
    let dead = |event: u64, body: Option<&str>| DeadNotice {
        receiver: "archive".into(),
        event,
        kind: "seal.revoked".into(),
        body: body.map(str::to_owned),
        refusal: "answer-status".into(),
        sent: 8,
        first_at: at(10),
        given_up_at: at(99),
        resending: None,
        version: 1,
    };
    let all = [dead(7, Some("{}")), dead(9, None), DeadNotice { receiver: "other".into(), ..dead(8, None) }];
    for one in &all {
        store.run("give up", |tx| Box::pin(webhooks::give_up(tx, one))).await.unwrap();
    }
    let find = async |event| store.read(|tx| Box::pin(webhooks::find_dead(tx, "archive", event))).await.unwrap();
    assert_eq!((find(7).await, find(8).await), (Some(all[0].clone()), None));
    let listed = async |from| store.read(|tx| Box::pin(webhooks::dead(tx, "archive", from, 9))).await.unwrap();
    assert_eq!((listed(0).await, listed(8).await), (all[..2].to_vec(), all[1..2].to_vec()));
    let count = async || store.read(|tx| Box::pin(webhooks::count_dead(tx, "archive"))).await.unwrap();
    assert_eq!(count().await, 2);
    let resending = async || store.read(|tx| Box::pin(webhooks::resending(tx, "archive"))).await.unwrap();
    assert_eq!(resending().await, None);
    let wanted = &DeadNotice { resending: Some(Delivery::New), ..all[1].clone() };
    let wanted = store.run("update", |tx| Box::pin(webhooks::update_dead(tx, wanted))).await.unwrap();
    assert_eq!((wanted.version, resending().await.as_ref()), (2, Some(&wanted)));
    let begun = &DeadNotice { resending: Some(BEGUN), refusal: "answer-late".into(), sent: 9, ..wanted.clone() };
    let begun = &store.run("update", |tx| Box::pin(webhooks::update_dead(tx, begun))).await.unwrap();
    assert_eq!(resending().await.as_ref(), Some(begun));
    for stale in [
        store.run("update", |tx| Box::pin(webhooks::update_dead(tx, &wanted))).await.map(|_| ()),
        store.run("forget", |tx| Box::pin(webhooks::forget_dead(tx, &wanted))).await,
    ] {
        assert!(matches!(stale, Err(Error::Stale { table: "dead_notices", .. })), "{stale:?}");
    }
    // Given up once more, nobody wants it sent again.
    let again = &DeadNotice { sent: 11, given_up_at: at(200), ..dead(9, Some("{}")) };
    store.run("give up", |tx| Box::pin(webhooks::give_up(tx, again))).await.unwrap();
    let found = find(9).await.unwrap();
    assert_eq!(found, DeadNotice { version: 4, ..again.clone() });
    store.run("forget", |tx| Box::pin(webhooks::forget_dead(tx, &found))).await.unwrap();
    assert_eq!((find(9).await, count().await), (None, 1));
}
