//! Rows of erasures, and of tiles that lie elsewhere.

use yinxin::base::clock::Timestamp;
use yinxin::domain::audit::{Actor, Event, EventBody, EventClass};
use yinxin::store::erasures::{self, Erasure};
use yinxin::store::log::{self, StoredTile, TileKind};
use yinxin::store::moved_tiles::{self, Moved, tiles_below};
use yinxin::store::{Store, audit, watching};

/// Behind whatever else the contract writes. Each step needs the rows of the one before.
pub(crate) async fn contract(store: &Store) {
    ranges_that_touch_are_one(store).await;
    events_go_and_are_passed_over(store).await;
    tiles_are_moved(store).await;
}

const fn range(first: i64, last: i64, event: i64) -> Erasure {
    Erasure { first, last, at: Timestamp::from_unix(9), event }
}

/// Far from any event.
const FAR: i64 = 1 << 40;

async fn ranges_that_touch_are_one(store: &Store) {
    let add = async |erasure: Erasure| {
        let erasure = &erasure;
        store.run("add", |tx| Box::pin(erasures::add(tx, erasure))).await.unwrap();
    };
    let within = async |first: i64, last: i64| {
        store.read(|tx| Box::pin(erasures::within(tx, FAR + first, FAR + last))).await.unwrap()
    };
    let far = |first: i64, last: i64, event: i64| range(FAR + first, FAR + last, event);
    for one in [far(10, 19, 1), far(30, 30, 2), far(32, 39, 3)] {
        add(one).await;
    }
    assert_eq!(within(0, 9).await, []);
    assert_eq!(within(15, 15).await, [far(10, 19, 1)], "it begins before");
    assert_eq!(within(20, 29).await, []);
    assert_eq!(within(19, 32).await, [far(10, 19, 1), far(30, 30, 2), far(32, 39, 3)]);
    add(far(31, 31, 4)).await;
    assert_eq!(within(20, 99).await, [far(30, 39, 4)]);
    add(far(5, 35, 5)).await;
    assert_eq!(within(0, 99).await, [far(5, 39, 5)]);
    assert_eq!(store.read(|tx| Box::pin(erasures::unsealed(tx))).await.unwrap(), Vec::<i64>::new());
    let sealed = far(5, 40, 6);
    store.run("seal", |tx| Box::pin(erasures::seal(tx, &sealed))).await.unwrap();
    assert_eq!(within(0, 99).await, [sealed]);
}

async fn events_go_and_are_passed_over(store: &Store) {
    let event = |at| {
        let body = EventBody::EventsPruned { from: 1, to: 2, count: 3, before: Timestamp::from_unix(4) };
        Event { at: Timestamp::from_unix(at), actor: Actor::Operator, request: None, body }
    };
    let events = &[event(1), event(2), event(3), event(4)];
    let first = store.run("append", |tx| Box::pin(audit::append_many(tx, events))).await.unwrap();
    let kept = async |limit| {
        let rows = store.read(|tx| Box::pin(audit::kept(tx, first, first + 4, limit))).await.unwrap();
        rows.into_iter().map(|(number, at)| (number - first, at.unix())).collect::<Vec<_>>()
    };
    assert_eq!((kept(9).await, kept(1).await), (vec![(0, 1), (1, 2), (2, 3), (3, 4)], vec![(0, 1)]));
    let middle = (first + 1, first + 2);
    let erase = async || store.run("erase", |tx| Box::pin(audit::erase(tx, middle, Timestamp::from_unix(5), 7))).await;
    assert_eq!((erase().await.unwrap(), kept(9).await), (2, vec![(0, 1), (3, 4)]));
    let of_class = store.read(|tx| Box::pin(audit::of_class(tx, EventClass::EventsPruned))).await.unwrap();
    assert_eq!(of_class.iter().map(|(number, _)| number - first).collect::<Vec<_>>(), [0, 3]);
    let read = store.read(|tx| Box::pin(audit::read(tx, first + 1, 9))).await.unwrap();
    assert_eq!(read, [(first + 3, event(4))]);
    let known = store.read(|tx| Box::pin(audit::commitments(tx, first, 4))).await.unwrap();
    let there = known.iter().map(|(number, row)| (number - first, row.is_some())).collect::<Vec<_>>();
    assert_eq!(there, [(0, true), (1, false), (2, false), (3, true)]);
    // The trigger keeps what no erasure names: the store has no way to delete it.
    let positions = store.read(|tx| Box::pin(watching::positions(tx))).await.unwrap();
    assert!(positions.is_sorted(), "{positions:?}");
    assert!(positions.contains(&("misuse".to_owned(), 9)), "{positions:?}");
}

async fn tiles_are_moved(store: &Store) {
    assert_eq!(store.read(|tx| Box::pin(moved_tiles::find(tx))).await.unwrap(), None);
    let moved = |below, place: &str| Moved { below, place: place.to_owned() };
    for one in [moved(256, "/a"), moved(512, "/b")] {
        store.run("note", |tx| Box::pin(moved_tiles::note(tx, &one))).await.unwrap();
        assert_eq!(store.read(|tx| Box::pin(moved_tiles::find(tx))).await.unwrap(), Some(one));
    }
    let lower = moved(256, "/b");
    assert!(store.run("note", |tx| Box::pin(moved_tiles::note(tx, &lower))).await.is_err(), "it only grows");
    assert_eq!((moved(131_072, "/").tiles(0), moved(131_072, "/").tiles(1), tiles_below(2, 1 << 50)), (512, 2, 0));
    let tile = |number, width| StoredTile { kind: TileKind::Sha256, level: 1, number, width, octets: vec![1] };
    for one in [tile(90_000, 256), tile(90_001, 256), tile(90_002, 255)] {
        store.run("put", |tx| Box::pin(log::put_tile(tx, &one))).await.unwrap();
    }
    let which = ((TileKind::Sha256, 1), (90_001, 90_003));
    let delete = store.run("delete", |tx| Box::pin(moved_tiles::delete(tx, which.0, which.1))).await;
    assert_eq!(delete.unwrap(), 1, "full ones in the range alone");
    let left = store.read(|tx| Box::pin(log::tiles(tx, (TileKind::Sha256, 1, 90_000), 9))).await.unwrap();
    assert_eq!(left.iter().map(|tile| tile.number).collect::<Vec<_>>(), [90_000, 90_002]);
}
