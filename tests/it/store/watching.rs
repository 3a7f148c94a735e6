//! Rows of those that follow the log, and of alarms.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{CallerId, SealId};
use yinxin::domain::audit::misuse::{Topic, Trace};
use yinxin::domain::audit::{Alarm, AlarmKind, Suspends};
use yinxin::store::alarms::{self, StoredAlarm};
use yinxin::store::{Error, Store, watching};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

/// The checks share one database and run in this order: later ones need earlier ones' rows.
pub(crate) async fn contract(store: &Store) {
    places(store).await;
    traces(store).await;
    raised(store).await;
}

async fn places(store: &Store) {
    let position = async |name: &str| store.read(|tx| Box::pin(watching::position(tx, name))).await.unwrap();
    assert_eq!(position("misuse").await, None);
    for (name, next) in [("misuse", 0), ("sink-json", 7), ("misuse", 9)] {
        store.run("move", |tx| Box::pin(watching::move_to(tx, name, next))).await.unwrap();
    }
    assert_eq!((position("misuse").await, position("sink-json").await), (Some(9), Some(7)));
}

async fn traces(store: &Store) {
    let trace = async |topic: &Topic| store.read(|tx| Box::pin(watching::trace(tx, topic))).await.unwrap();
    let (one, other) = (Topic::sink("one"), Topic::sink("other"));
    assert_eq!(trace(&one).await, None);
    let first = Trace { since: at(10), before: 1, count: 2, alarmed_at: None, seen_at: at(11) };
    let second = Trace { since: at(20), before: 2, count: 1, alarmed_at: Some(at(21)), seen_at: at(22) };
    for (topic, kept) in [(&one, &first), (&other, &first), (&one, &second)] {
        store.run("keep", |tx| Box::pin(watching::keep_trace(tx, topic, kept))).await.unwrap();
    }
    assert_eq!((trace(&one).await, trace(&other).await), (Some(second), Some(first)));
    let forget =
        async |seconds| store.run("forget", |tx| Box::pin(watching::forget_traces(tx, at(seconds)))).await.unwrap();
    assert_eq!((forget(11).await, forget(12).await), (0, 1));
    assert_eq!((trace(&one).await, trace(&other).await), (Some(second), None));
}

async fn raised(store: &Store) {
    let whole = Alarm {
        kind: AlarmKind::Burst,
        seal: SealId::parse("s").ok(),
        caller: CallerId::parse("c").ok(),
        sink: None,
        event: Some(40),
        count: 3,
    };
    let bare =
        Alarm { kind: AlarmKind::SinkDown, seal: None, caller: None, sink: Some("json".into()), event: None, count: 0 };
    let stored = |number, alarm: &Alarm, suspended| StoredAlarm {
        number,
        alarm: alarm.clone(),
        suspended,
        raised_at: at(50),
        acknowledged_at: None,
        released_at: None,
        version: 1,
    };
    let (first, second) = (stored(41, &whole, Some(Suspends::Seal)), stored(43, &bare, None));
    let third = stored(45, &whole, Some(Suspends::Caller));
    for alarm in [&first, &second, &third] {
        store.run("raise", |tx| Box::pin(alarms::insert(tx, alarm))).await.unwrap();
    }
    let again = store.run("raise", |tx| Box::pin(alarms::insert(tx, &first))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let find = async |number| store.read(|tx| Box::pin(alarms::find(tx, number))).await.unwrap();
    assert_eq!((find(43).await, find(42).await), (Some(second.clone()), None));
    let acknowledge = async |number| store.run("look", |tx| Box::pin(alarms::acknowledge(tx, number, at(60)))).await;
    acknowledge(43).await.unwrap();
    for number in [43, 42] {
        let refused = acknowledge(number).await;
        assert!(matches!(refused, Err(Error::Stale { table: "alarms", .. })), "{refused:?}");
    }
    let open = async |limit| store.read(|tx| Box::pin(alarms::open(tx, limit))).await.unwrap();
    assert_eq!((open(9).await, open(1).await), (vec![first.clone(), third.clone()], vec![first.clone()]));
    let list = async |after, limit| store.read(|tx| Box::pin(alarms::list(tx, after, limit))).await.unwrap();
    let second = StoredAlarm { acknowledged_at: Some(at(60)), version: 2, ..second };
    assert_eq!(list(None, 2).await, [first, second]);
    assert_eq!(list(Some(43), 9).await, [third]);
    let count = async || store.read(|tx| Box::pin(alarms::count_open(tx))).await.unwrap();
    assert_eq!(count().await, 2);
    let forget = async |seconds| store.run("forget", |tx| Box::pin(alarms::forget(tx, at(seconds)))).await.unwrap();
    assert_eq!((forget(60).await, forget(61).await, count().await), (0, 1, 2));
    // What holds something stays until it is released.
    let holding = async || {
        let seal = &SealId::parse("s").unwrap();
        let found = store.read(|tx| Box::pin(alarms::holding(tx, seal))).await.unwrap();
        found.map(|alarm| alarm.number)
    };
    assert_eq!(holding().await, Some(41));
    acknowledge(41).await.unwrap();
    assert_eq!(forget(61).await, 0);
    let release = async |number| store.run("release", |tx| Box::pin(alarms::release(tx, number, at(70)))).await;
    release(41).await.unwrap();
    for number in [41, 42] {
        let refused = release(number).await;
        assert!(matches!(refused, Err(Error::Stale { table: "alarms", .. })), "{refused:?}");
    }
    assert_eq!(find(41).await.unwrap().released_at, Some(at(70)));
    assert_eq!((holding().await, forget(61).await, count().await), (None, 1, 1));
    let rows = store
        .read(|tx| Box::pin(async move { Ok::<_, Error>((alarms::changed(tx).await?, alarms::unsealed(tx).await?)) }));
    assert_eq!(rows.await.unwrap(), (Vec::new(), Vec::new()));
}
