//! Revocation lists and OCSP responders: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{AuthorityId, KeyId};
use yinxin::crypto::digest::sm3;
use yinxin::store::crls::{self, CrlHead, ShardKey};
use yinxin::store::responders::{self, StoredResponder};
use yinxin::store::{Error, Store};

use crate::store::contract::by_hand;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn shard(shard: u32) -> ShardKey {
    ShardKey { authority: AuthorityId::parse("ca").unwrap(), shard }
}

fn head(number: u64, base: Option<u64>, der: &[u8]) -> CrlHead {
    let this_update = at(100 + i64::try_from(number).unwrap());
    CrlHead {
        number,
        base,
        last_event: 7,
        entries: 2,
        this_update,
        next_update: this_update.plus_seconds(60),
        sm3: sm3(der),
    }
}

/// Wants the authority `ca`, the certificate with SM3 `[1; 32]` and the key `k1`.
pub(super) async fn contract(store: &Store, url: &str) {
    numbers_are_given_once(store).await;
    the_newest_is_found_and_old_ones_are_forgotten(store).await;
    a_changed_list_is_refused(store, url).await;
    who_answers(store, url).await;
}

async fn intend(store: &Store, key: &ShardKey, now: i64, stale: i64) -> Option<u64> {
    store.run("intend", |tx| Box::pin(crls::record_intent(tx, key, at(now), at(stale)))).await.unwrap()
}

async fn numbers_are_given_once(store: &Store) {
    let key = &shard(0);
    assert_eq!(intend(store, key, 10, 0).await, Some(1));
    // One at a time; other shards have their own series.
    assert_eq!(intend(store, key, 11, 10).await, None);
    assert_eq!(intend(store, &shard(1), 11, 10).await, Some(1));
    // What a crash left open is abandoned later, and its number stays taken.
    assert_eq!(intend(store, key, 20, 11).await, Some(2));
    let late = head(1, None, b"late");
    let refused = store.run("complete", |tx| Box::pin(crls::complete(tx, key, &late, b"late"))).await;
    assert!(matches!(refused, Err(Error::Stale { table: "crls", .. })), "{refused:?}");
    store.run("abandon", |tx| Box::pin(crls::abandon(tx, key, 2))).await.unwrap();
    let again = store.run("abandon", |tx| Box::pin(crls::abandon(tx, key, 2))).await;
    assert!(matches!(again, Err(Error::Stale { table: "crls", .. })), "{again:?}");
    let nobody = &ShardKey { authority: AuthorityId::parse("nobody").unwrap(), shard: 0 };
    let refused = store.run("intend", |tx| Box::pin(crls::record_intent(tx, nobody, at(1), at(0)))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
}

async fn issue(store: &Store, key: &ShardKey, base: Option<u64>, der: &[u8]) -> CrlHead {
    let number = intend(store, key, 30, 0).await.unwrap();
    let made = head(number, base, der);
    store.run("complete", |tx| Box::pin(crls::complete(tx, key, &made, der))).await.unwrap();
    made
}

async fn newest(store: &Store, key: &ShardKey, delta: bool) -> Option<CrlHead> {
    store.read(|tx| Box::pin(crls::newest(tx, key, delta))).await.unwrap()
}

async fn the_newest_is_found_and_old_ones_are_forgotten(store: &Store) {
    let key = &shard(0);
    assert_eq!((newest(store, key, false).await, newest(store, key, true).await), (None, None));
    let first = issue(store, key, None, b"full 3").await;
    assert_eq!(first.number, 3);
    let delta = issue(store, key, Some(3), b"delta 4").await;
    assert_eq!(newest(store, key, false).await, Some(first.clone()));
    assert_eq!(newest(store, key, true).await, Some(delta.clone()));
    let der = store.read(|tx| Box::pin(crls::der(tx, key, &delta))).await.unwrap();
    assert_eq!(der, b"delta 4");
    let forget = async |keep| store.run("forget", |tx| Box::pin(crls::forget_older(tx, key, keep))).await.unwrap();
    // The abandoned ones go; the full list stays however old it is.
    assert_eq!(forget(1).await, 2);
    assert_eq!(newest(store, key, false).await, Some(first.clone()));
    let second = issue(store, key, None, b"full 5").await;
    assert_eq!((forget(3).await, forget(2).await, forget(1).await), (0, 1, 1));
    assert_eq!((newest(store, key, false).await, newest(store, key, true).await), (Some(second), None));
    let gone = store.read(|tx| Box::pin(crls::der(tx, key, &first))).await;
    assert!(matches!(gone, Err(Error::Inconsistent { table: "crls", .. })), "{gone:?}");
    let ca = &key.authority;
    assert_eq!(store.read(|tx| Box::pin(crls::highest_shard(tx, ca))).await.unwrap(), Some(3));
    let below = &AuthorityId::parse("below").unwrap();
    assert_eq!(store.read(|tx| Box::pin(crls::highest_shard(tx, below))).await.unwrap(), None);
}

async fn a_changed_list_is_refused(store: &Store, url: &str) {
    let key = &shard(0);
    let full = newest(store, key, false).await.unwrap();
    assert_eq!(by_hand(url, "UPDATE crls SET last_event = 8 WHERE state = 'issued' AND number = 5").await.unwrap(), 1);
    let refused = store.read(|tx| Box::pin(crls::newest(tx, key, false))).await;
    assert!(matches!(&refused, Err(Error::Inconsistent { table: "crls", row }) if row == "ca/0/5"), "{refused:?}");
    assert_eq!(by_hand(url, "UPDATE crls SET last_event = 7 WHERE state = 'issued' AND number = 5").await.unwrap(), 1);
    assert_eq!(by_hand(url, "UPDATE crls SET der = sm3 WHERE state = 'issued' AND number = 5").await.unwrap(), 1);
    let refused = store.read(|tx| Box::pin(crls::der(tx, key, &full))).await;
    assert!(matches!(refused, Err(Error::Inconsistent { table: "crls", .. })), "{refused:?}");
}

async fn who_answers(store: &Store, url: &str) {
    let ca = &AuthorityId::parse("ca").unwrap();
    let newest = async || store.read(|tx| Box::pin(responders::newest(tx, ca))).await;
    assert_eq!(newest().await.unwrap(), None);
    let responder = StoredResponder {
        authority: ca.clone(),
        certificate: [1; 32],
        key: KeyId::parse("k1").unwrap(),
        not_before: at(5),
        not_after: at(50),
        created_at: at(6),
    };
    store.run("keep", |tx| Box::pin(responders::insert(tx, &responder))).await.unwrap();
    assert_eq!(newest().await.unwrap(), Some(responder.clone()));
    let again = store.run("keep", |tx| Box::pin(responders::insert(tx, &responder))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let unknown = StoredResponder { certificate: [0xee; 32], ..responder };
    let refused = store.run("keep", |tx| Box::pin(responders::insert(tx, &unknown))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(by_hand(url, "UPDATE responders SET not_after = 60").await.unwrap(), 1);
    let refused = newest().await;
    assert!(matches!(refused, Err(Error::Inconsistent { table: "responders", .. })), "{refused:?}");
    assert_eq!(by_hand(url, "UPDATE responders SET not_after = 50").await.unwrap(), 1);
}
