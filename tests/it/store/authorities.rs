//! Authorities, what they issued and what they meant to issue: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{AuthorityId, BatchId, KeyId};
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{Actor, Event, EventBody};
use yinxin::store::authorities::{self, StoredAuthority};
use yinxin::store::crls::ShardKey;
use yinxin::store::issuance_batches::{self, OpenBatch};
use yinxin::store::issued_certificates::{self, Filter, IssuedCertificate, StoredStatus};
use yinxin::store::revocation_pages::{self, RevocationEntry};
use yinxin::store::{Error, Store, audit};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn authority(id: &str) -> StoredAuthority {
    StoredAuthority {
        id: AuthorityId::parse(id).unwrap(),
        name: "示例根".into(),
        certificate: [1; 32],
        key: KeyId::parse("k1").unwrap(),
        parent: None,
        base_url: "http://crl.example".into(),
        crl_shards: 4,
        created_at: at(1),
        retired_at: None,
        version: 1,
    }
}

fn certificate(number: u8, shard: u32) -> IssuedCertificate {
    let der = vec![0x30, 1, number];
    IssuedCertificate {
        authority: AuthorityId::parse("ca").unwrap(),
        serial: [number; 16],
        sm3: sm3(&der),
        shard,
        profile: if number.is_multiple_of(2) { "seal-signer" } else { "officer" }.into(),
        subject: format!("CN=100%_{number}"),
        not_before: at(10),
        not_after: at(100 + i64::from(number)),
        der,
        issued_at: at(10),
        status: StoredStatus::Active,
        status_since: at(10),
        status_event: None,
        version: 1,
    }
}

/// Wants the certificate with SM3 `[1; 32]` and the key `k1`.
pub(super) async fn contract(store: &Store) {
    those_that_issue(store).await;
    what_was_issued(store).await;
    what_was_looked_for(store).await;
    intents(store).await;
    many_events(store).await;
}

async fn those_that_issue(store: &Store) {
    let (root, mut below) = (authority("ca"), authority("below"));
    below.parent = Some(root.id.clone());
    below.created_at = at(2);
    for authority in [&root, &below] {
        store.run("keep", |tx| Box::pin(authorities::insert(tx, authority))).await.unwrap();
    }
    let refused = store.run("keep", |tx| Box::pin(authorities::insert(tx, &root))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let found = store.read(|tx| Box::pin(authorities::all(tx))).await.unwrap();
    assert_eq!(found, [root.clone(), below.clone()]);
    let retired = StoredAuthority { retired_at: Some(at(9)), ..below.clone() };
    let retired = store.run("retire", |tx| Box::pin(authorities::update(tx, &retired))).await.unwrap();
    assert_eq!(retired.version, 2);
    let found = store.read(|tx| Box::pin(authorities::find(tx, &below.id))).await.unwrap();
    assert_eq!(found, Some(retired));
    let stale = store.run("retire", |tx| Box::pin(authorities::update(tx, &below))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "authorities", .. })), "{stale:?}");
}

async fn what_was_issued(store: &Store) {
    // More than one statement takes.
    let all = (0..=254).map(|number| certificate(number, u32::from(number % 4))).collect::<Vec<_>>();
    let all = &all;
    store.run("issue", |tx| Box::pin(issued_certificates::insert_many(tx, all))).await.unwrap();
    let again = store.run("issue", |tx| Box::pin(issued_certificates::insert_many(tx, all))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let (ca, third) = (&all[3].authority, &all[3]);
    let found = store.read(|tx| Box::pin(issued_certificates::find(tx, ca, &[3; 16]))).await.unwrap();
    assert_eq!(found.as_ref(), Some(third));

    let change = async |number: usize, status, since, event| {
        let sm3 = all[number].sm3;
        let steps = store.run("change", |tx| {
            Box::pin(async move {
                let found = issued_certificates::find_by_sm3(tx, &sm3).await?.unwrap();
                issued_certificates::change_status(tx, &found, (status, at(since)), event).await
            })
        });
        steps.await.unwrap()
    };
    let revoked = StoredStatus::Revoked { reason: 1, invalidity_date: Some(at(15)) };
    let held = change(7, StoredStatus::Suspended, 20, 1000).await;
    let revoked = change(3, revoked, 21, 1001).await;
    assert_eq!((held.version, revoked.status_event), (2, Some(1001)));
    let stale = store.run("change", |tx| {
        Box::pin(issued_certificates::change_status(tx, third, (StoredStatus::Suspended, at(30)), 1002))
    });
    assert!(matches!(stale.await, Err(Error::Stale { table: "issued_certificates", .. })));

    // Pages of what a list names.
    let shard = async |shard, unexpired: i64| {
        let key = &ShardKey { authority: ca.clone(), shard };
        store.run("prepare", |tx| Box::pin(revocation_pages::prepare(tx, key))).await.unwrap();
        let wanted = move |entry: &RevocationEntry| entry.not_after >= at(unexpired);
        store.read(|tx| Box::pin(revocation_pages::entries(tx, key, wanted))).await.unwrap()
    };
    let entry = |row: &IssuedCertificate| RevocationEntry::of(row).pack();
    assert_eq!(shard(3, 0).await, [entry(&revoked), entry(&held)]);
    assert_eq!(shard(3, 104).await, [entry(&held)]);
    assert_eq!(shard(2, 0).await, []);
    // Back in use: no list names it any more, a delta says so.
    let resumed = change(7, StoredStatus::Active, 40, 1003).await;
    assert_eq!(shard(3, 0).await, [entry(&revoked)]);
    let key = &ShardKey { authority: ca.clone(), shard: 3 };
    let delta = async |event, limit| {
        store.read(|tx| Box::pin(issued_certificates::changed_in_shard(tx, key, event, limit))).await.unwrap()
    };
    assert_eq!(delta(1001, 9).await, std::slice::from_ref(&resumed));
    assert_eq!(delta(0, 1).await, std::slice::from_ref(&revoked));
    let feed = async |after, limit| {
        store.read(|tx| Box::pin(issued_certificates::changed_since(tx, after, limit))).await.unwrap()
    };
    assert_eq!(feed(0, 10).await, [revoked.clone(), resumed.clone()]);
    assert_eq!(feed(0, 1).await, [revoked]);
    assert_eq!(feed(1001, 10).await, [resumed]);
    assert_eq!(store.read(|tx| Box::pin(issued_certificates::last_change(tx))).await.unwrap(), 1003);
}

async fn what_was_looked_for(store: &Store) {
    let search = async |filter: &Filter, after, limit| {
        let found = store.read(|tx| Box::pin(issued_certificates::search(tx, filter, after, limit))).await.unwrap();
        let last = found.last().map_or(0, |(number, _)| *number);
        (found.into_iter().map(|(_, certificate)| certificate.serial[0]).collect::<Vec<_>>(), last)
    };
    let any = Filter::default();
    let (first, last) = search(&any, 0, 2).await;
    assert_eq!(first, [0, 1]);
    assert_eq!(search(&any, last, 2).await.0, [2, 3]);
    let revoked = Filter { status: Some("revoked".into()), ..Filter::default() };
    assert_eq!(search(&revoked, 0, 10).await.0, [3]);
    // Neither % nor _ stands for anything else.
    let subject = |text: &str| Filter { subject: Some(text.into()), ..Filter::default() };
    assert_eq!(search(&subject("100%_12"), 0, 10).await.0, [12, 120, 121, 122, 123, 124, 125, 126, 127, 128]);
    assert!(search(&subject("100__"), 0, 10).await.0.is_empty());
    let ends = Filter { ends_from: Some(at(105)), ends_before: Some(at(108)), ..Filter::default() };
    assert_eq!(search(&ends, 0, 10).await.0, [5, 6, 7]);
    let signers = Filter {
        authority: AuthorityId::parse("ca").ok(),
        profile: Some("seal-signer".into()),
        ends_before: Some(at(105)),
        ..Filter::default()
    };
    assert_eq!(search(&signers, 0, 10).await.0, [0, 2, 4]);
    let nobody = Filter { authority: AuthorityId::parse("below").ok(), ..Filter::default() };
    assert!(search(&nobody, 0, 10).await.0.is_empty());

    let statistics = store.read(|tx| Box::pin(issued_certificates::statistics(tx, at(101)))).await.unwrap();
    let rows = statistics.iter().map(|(_, profile, status, count)| (profile.as_str(), status.as_str(), *count));
    let expected = [("officer", "active", 126), ("officer", "revoked", 1), ("seal-signer", "active", 127)];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
    let forget = async |before, limit| {
        store.run("forget", |tx| Box::pin(issued_certificates::forget_ended(tx, at(before), limit))).await.unwrap()
    };
    assert_eq!((forget(103, 2).await, forget(103, 9).await, forget(103, 9).await), (2, 1, 0));
}

async fn intents(store: &Store) {
    let ca = &AuthorityId::parse("ca").unwrap();
    let items = &[([1; 16], [2; 32]), ([3; 16], [4; 32])];
    let batches = ["b1", "b2", "b3"].map(|id| BatchId::parse(id).unwrap());
    for id in &batches {
        store.run("intend", |tx| Box::pin(issuance_batches::record_intent(tx, id, ca, items, at(50)))).await.unwrap();
    }
    let [first, second, third] = &batches;
    store.run("complete", |tx| Box::pin(issuance_batches::complete(tx, first, at(51)))).await.unwrap();
    store.run("abandon", |tx| Box::pin(issuance_batches::abandon(tx, second, at(52)))).await.unwrap();
    let stale = store.run("complete", |tx| Box::pin(issuance_batches::complete(tx, second, at(53)))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "issuance_batches", .. })), "{stale:?}");
    let open = store.run("start", |tx| Box::pin(issuance_batches::abandon_open(tx, at(60)))).await.unwrap();
    assert_eq!(open, [OpenBatch { id: third.clone(), authority: ca.clone(), items: items.to_vec() }]);
    let forget = async |before| {
        store.run("forget", |tx| Box::pin(issuance_batches::forget_closed(tx, at(before)))).await.unwrap()
    };
    assert_eq!((forget(53).await, forget(61).await), (2, 1));
}

async fn many_events(store: &Store) {
    let before = store.read(|tx| Box::pin(audit::count(tx))).await.unwrap();
    let event = |number: i64| Event {
        at: at(number),
        actor: Actor::Operator,
        request: None,
        body: EventBody::ServiceStarted { version: number.to_string() },
    };
    // More than one statement takes, among them the last one alone.
    let events = (0..1001).map(event).collect::<Vec<_>>();
    let events = &events;
    let first = store.run("append", |tx| Box::pin(audit::append_many(tx, events))).await.unwrap();
    assert_eq!(first, before);
    let read = store.read(|tx| Box::pin(audit::read(tx, before, 2000))).await.unwrap();
    assert!(read.iter().map(|(_, event)| event).eq(events));
    assert_eq!(read.last().map(|(number, _)| *number), Some(before + 1000));
}
