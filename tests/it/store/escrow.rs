//! Keys that are kept for their owners, orders to recover them, and renewals: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{ApplicationId, CallerId, KeyId};
use yinxin::domain::ca::recovery::{
    Recovery, RecoveryApproval, RecoveryEnd, RecoveryOrder, RecoveryReason, RecoveryRefusal,
};
use yinxin::domain::ca::request::Hand;
use yinxin::store::escrowed_keys::{self, EscrowedKey};
use yinxin::store::key_recoveries::{self, StoredRecovery};
use yinxin::store::renewals::{self, CertifiedKey, StoredRenewal};
use yinxin::store::{Error, Store};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn kept() -> EscrowedKey {
    EscrowedKey {
        key: KeyId::parse("k1").unwrap(),
        certificate: [1; 32],
        signing_certificate: [2; 32],
        owner_key_sm3: [3; 32],
        recipient_sm3: [4; 32],
        envelope: vec![5; 9],
        ends_at: at(100),
        created_at: at(10),
        destroyed_at: None,
        version: 1,
    }
}

fn order(id: &str, expires_at: i64) -> Recovery {
    let order = RecoveryOrder {
        id: ApplicationId::parse(id).unwrap(),
        nonce: [6; 32],
        key: KeyId::parse("k1").unwrap(),
        certificate_sm3: [1; 32],
        owner_key_sm3: [3; 32],
        recipient: vec![0x30, 0],
        reason: RecoveryReason::AuthorityOrder,
        evidence_sm3: [7; 32],
        ordered_at: at(20),
        expires_at: at(expires_at),
    };
    Recovery { order, approvals: Vec::new(), end: None }
}

/// Wants the key `k1` and that caller.
pub(super) async fn contract(store: &Store, officer: &CallerId) {
    keys(store).await;
    orders(store, officer).await;
    successors(store).await;
}

async fn keys(store: &Store) {
    let key = kept();
    let nobody = EscrowedKey { key: KeyId::parse("nobody").unwrap(), ..kept() };
    let keep = async |key: &EscrowedKey| store.run("keep", |tx| Box::pin(escrowed_keys::insert(tx, key))).await;
    assert!(matches!(keep(&nobody).await, Err(Error::Conflict { .. })));
    keep(&key).await.unwrap();
    assert!(matches!(keep(&key).await, Err(Error::Conflict { .. })));
    let find = async |sm3: [u8; 32]| {
        store.read(|tx| Box::pin(async move { escrowed_keys::find_by_certificate(tx, &sm3).await })).await.unwrap()
    };
    assert_eq!((find([1; 32]).await, find([2; 32]).await), (Some(key.clone()), Some(key.clone())));
    assert_eq!(find([9; 32]).await, None);
    let ended =
        async |before| store.read(|tx| Box::pin(escrowed_keys::ended(tx, (at(before), at(0)), 9))).await.unwrap();
    assert_eq!((ended(100).await, ended(101).await), (vec![], vec![key.clone()]));
}

async fn orders(store: &Store, officer: &CallerId) {
    let (first, second) = (order("o1", 50), order("o2", 60));
    for recovery in [&first, &second] {
        store.run("order", |tx| Box::pin(key_recoveries::insert(tx, recovery))).await.unwrap();
    }
    let again = store.run("order", |tx| Box::pin(key_recoveries::insert(tx, &first))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let hand = Hand { officer: officer.clone(), key_sm3: [8; 32] };
    let approval = &RecoveryApproval { hand: hand.clone(), signature: vec![1; 64], at: at(30) };
    let approve = async || {
        let id = &first.order.id;
        store.run("approve", |tx| Box::pin(key_recoveries::insert_approval(tx, id, approval))).await
    };
    approve().await.unwrap();
    assert!(matches!(approve().await, Err(Error::Conflict { .. })));
    let find =
        async |id: &ApplicationId| store.read(|tx| Box::pin(key_recoveries::find(tx, id))).await.unwrap().unwrap();
    let stored = &find(&first.order.id).await;
    let approved = Recovery { approvals: vec![approval.clone()], ..first.clone() };
    assert_eq!(*stored, StoredRecovery { recovery: approved.clone(), version: 1 });
    let ids = |all: Vec<StoredRecovery>| all.into_iter().map(|one| one.recovery.order.id).collect::<Vec<_>>();
    let overdue = async |now| ids(store.read(|tx| Box::pin(key_recoveries::overdue(tx, at(now), 9))).await.unwrap());
    assert_eq!(overdue(50).await, []);
    assert_eq!(overdue(61).await, [first.order.id.clone(), second.order.id.clone()]);
    // A key that officers are asked for waits until nobody can be given it.
    let ended = async |now| {
        let bounds = (at(101), at(now));
        store.read(|tx| Box::pin(escrowed_keys::ended(tx, bounds, 9))).await.unwrap()
    };
    assert_eq!((ended(60).await, ended(61).await), (vec![], vec![kept()]));
    let by = RecoveryEnd::Refused { by: hand, reason: RecoveryRefusal::Mistaken, at: at(40) };
    let ends = [by, RecoveryEnd::Lapsed { at: at(40) }, RecoveryEnd::Recovered { at: at(40) }];
    let end = |end: &RecoveryEnd| Recovery { end: Some(end.clone()), ..approved.clone() };
    let next = &end(&ends[0]);
    let changed = store.run("refuse", |tx| Box::pin(key_recoveries::change(tx, stored, next))).await.unwrap();
    assert_eq!((&find(&first.order.id).await, changed.version), (&changed, 2));
    // What has ended does not change, whoever asks.
    for current in [stored, &changed] {
        let next = &end(&ends[1]);
        let stale = store.run("lapse", |tx| Box::pin(key_recoveries::change(tx, current, next))).await;
        assert!(matches!(stale, Err(Error::Stale { table: "key_recoveries", .. })), "{stale:?}");
    }
    let other = &find(&second.order.id).await;
    let next = &Recovery { end: Some(ends[2].clone()), ..second.clone() };
    store.run("recover", |tx| Box::pin(key_recoveries::change(tx, other, next))).await.unwrap();
    assert_eq!(find(&second.order.id).await.recovery, *next);
    let list = async |open, after: Option<&ApplicationId>| {
        ids(store.read(|tx| Box::pin(key_recoveries::list(tx, open, after, 9))).await.unwrap())
    };
    assert_eq!((list(true, None).await, overdue(61).await), (vec![], vec![]));
    assert_eq!(list(false, Some(&first.order.id)).await, [second.order.id]);

    let key = &kept();
    assert_eq!(ended(0).await, std::slice::from_ref(key));
    let gone = store.run("destroy", |tx| Box::pin(escrowed_keys::destroyed(tx, key, at(200)))).await.unwrap();
    assert_eq!((gone.envelope.len(), gone.destroyed_at, gone.version), (0, Some(at(200)), 2));
    let stale = store.run("destroy", |tx| Box::pin(escrowed_keys::destroyed(tx, key, at(200)))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "escrowed_keys", .. })), "{stale:?}");
    assert_eq!(ended(0).await, []);
}

async fn successors(store: &Store) {
    let renewal = |number: u8, supersede_at: Option<i64>| StoredRenewal {
        certificate: [number; 32],
        renewed: [0; 32],
        renewed_at: at(number.into()),
        supersede_at: supersede_at.map(at),
        settled_at: None,
        version: 1,
    };
    let all = [renewal(1, None), renewal(2, Some(30)), renewal(3, Some(20))];
    for renewal in &all {
        store.run("renew", |tx| Box::pin(renewals::insert(tx, renewal))).await.unwrap();
    }
    let again = store.run("renew", |tx| Box::pin(renewals::insert(tx, &all[0]))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    assert_eq!(store.read(|tx| Box::pin(renewals::of(tx, &[0; 32]))).await.unwrap(), all);
    let due = async |now| store.read(|tx| Box::pin(renewals::due(tx, at(now), 9))).await.unwrap();
    assert_eq!((due(19).await, due(30).await), (vec![], vec![all[2].clone(), all[1].clone()]));
    let settled = store.run("settle", |tx| Box::pin(renewals::settle(tx, &all[2], at(40)))).await.unwrap();
    assert_eq!((settled.settled_at, settled.version), (Some(at(40)), 2));
    let stale = store.run("settle", |tx| Box::pin(renewals::settle(tx, &all[2], at(40)))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "renewals", .. })), "{stale:?}");
    assert_eq!(due(30).await, [all[1].clone()]);

    // More than one statement takes.
    let key = |number: u32| {
        let mut certificate = [0; 32];
        certificate[..4].copy_from_slice(&number.to_be_bytes());
        let (not_before, not_after) = (at(i64::from(number)), at(i64::from(number) + 10));
        CertifiedKey { key_sm3: [u8::try_from(number % 2).unwrap(); 32], certificate, not_before, not_after }
    };
    let keys = (10..1_013).rev().map(key).collect::<Vec<_>>();
    let keys = &keys;
    store.run("certify", |tx| Box::pin(renewals::certified(tx, keys))).await.unwrap();
    let again = store.run("certify", |tx| Box::pin(renewals::certified(tx, &keys[..1]))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let since = async |octet: u8| {
        store.read(|tx| Box::pin(async move { renewals::certified_since(tx, &[octet; 32]).await })).await.unwrap()
    };
    assert_eq!((since(0).await, since(1).await, since(2).await), (Some(at(10)), Some(at(11)), None));
    let forget = async |before, limit| {
        store.run("forget", |tx| Box::pin(renewals::forget_certified(tx, at(before), limit))).await.unwrap()
    };
    assert_eq!((forget(23, 2).await, forget(23, 9).await, forget(23, 9).await), (2, 1, 0));
    assert_eq!(since(0).await, Some(at(14)));
}
