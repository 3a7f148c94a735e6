//! Revocation lists and OCSP responders: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{AuthorityId, KeyId};
use yinxin::crypto::digest::sm3;
use yinxin::store::crls::{self, CrlHead, ShardKey};
use yinxin::store::issued_certificates::{self, IssuedCertificate, StoredStatus};
use yinxin::store::responders::{self, StoredResponder};
use yinxin::store::revocation_pages::{self, PackedEntry, RevocationEntry};
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
    pages_hold_what_lists_name(store).await;
    changed_pages_are_refused(store, url).await;
    what_was_changed_past_the_pages_is_found(store, url).await;
}

async fn intend(store: &Store, key: &ShardKey, now: i64, stale: i64) -> Option<u64> {
    store.run("intend", |tx| Box::pin(crls::record_intent(tx, key, (at(now), 1), at(stale)))).await.unwrap()
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
    let refused = store.run("intend", |tx| Box::pin(crls::record_intent(tx, nobody, (at(1), 1), at(0)))).await;
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

const REVOKED: StoredStatus = StoredStatus::Revoked { reason: 4, invalidity_date: None };

fn below(shard: u32) -> ShardKey {
    ShardKey { authority: AuthorityId::parse("below").unwrap(), shard }
}

/// Serial numbers in an order that is not that of their making.
fn certificate(number: u16, shard: u32, status: StoredStatus) -> IssuedCertificate {
    let der = [&[0x30, 4][..], &shard.to_be_bytes()[2..], &number.to_be_bytes()].concat();
    let mut serial = [0x40; 16];
    serial[..2].copy_from_slice(&number.wrapping_mul(40_503).to_be_bytes());
    serial[15] = u8::try_from(shard).unwrap();
    IssuedCertificate {
        authority: below(shard).authority,
        serial,
        sm3: sm3(&der),
        shard,
        profile: "officer".into(),
        subject: "CN=1".into(),
        not_before: at(10),
        not_after: at(1000 + i64::from(number)),
        der,
        issued_at: at(10),
        status,
        status_since: at(10),
        status_event: None,
        version: 1,
    }
}

async fn pages(store: &Store, key: &ShardKey) -> Result<Vec<PackedEntry>, Error> {
    store.run("prepare", |tx| Box::pin(revocation_pages::prepare(tx, key))).await?;
    store.read(|tx| Box::pin(revocation_pages::entries(tx, key, |_| true))).await
}

async fn change(store: &Store, row: &IssuedCertificate, status: StoredStatus, event: i64) -> IssuedCertificate {
    let steps =
        store.run("change", |tx| Box::pin(issued_certificates::change_status(tx, row, (status, at(50)), event)));
    steps.await.unwrap()
}

fn packed<'a>(rows: impl IntoIterator<Item = &'a IssuedCertificate>) -> Vec<PackedEntry> {
    let active = |row: &&IssuedCertificate| row.status != StoredStatus::Active;
    let mut all = rows.into_iter().filter(active).map(|row| RevocationEntry::of(row).pack()).collect::<Vec<_>>();
    all.sort_unstable();
    all
}

/// More than two pages; whatever comes, goes and changes, the pages say what the rows say.
async fn pages_hold_what_lists_name(store: &Store) {
    let key = &below(9);
    assert_eq!(pages(store, key).await.unwrap(), []);
    let status = |number: u16| if number < 150 { REVOKED } else { StoredStatus::Active };
    let mut rows = (0..200).map(|number| certificate(number, 9, status(number))).collect::<Vec<_>>();
    let inserted = &rows;
    store.run("issue", |tx| Box::pin(issued_certificates::insert_many(tx, inserted))).await.unwrap();
    assert_eq!(pages(store, key).await.unwrap(), packed(&rows));
    let mut event = 2000;
    for (at, status) in [
        (170, StoredStatus::Suspended),
        (171, REVOKED),
        (170, REVOKED),
        // As no service would: pages do not ask what may follow what. Out of the first page, the last one, one in between.
        (0, StoredStatus::Active),
        (171, StoredStatus::Active),
        (0, REVOKED),
        (70, StoredStatus::Active),
        (149, StoredStatus::Active),
        (171, StoredStatus::Active),
    ] {
        event += 1;
        rows[at] = change(store, &rows[at], status, event).await;
        assert_eq!(pages(store, key).await.unwrap(), packed(&rows), "{at} {status:?}");
    }
    // Whatever comes in whatever order.
    let mut chance = 0x2545_f491_u32;
    for step in 0..300_i64 {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let at = usize::try_from(chance >> 16).unwrap() % rows.len();
        let status =
            [StoredStatus::Active, StoredStatus::Suspended, REVOKED][usize::try_from(chance >> 8).unwrap() % 3];
        rows[at] = change(store, &rows[at], status, 2100 + step).await;
        if step % 20 == 0 {
            assert_eq!(pages(store, key).await.unwrap(), packed(&rows), "step {step}");
        }
    }
    assert_eq!(pages(store, key).await.unwrap(), packed(&rows));
    for (number, row) in rows.iter_mut().enumerate().take(140) {
        *row = change(store, row, StoredStatus::Active, 3000 + i64::try_from(number).unwrap()).await;
    }
    assert_eq!(pages(store, key).await.unwrap(), packed(&rows));

    // A page goes when all that it names ended, and nothing of it changed after that event.
    let key = &below(10);
    assert_eq!(pages(store, key).await.unwrap(), []);
    let rows = (0..128).map(|number| certificate(number, 10, REVOKED)).collect::<Vec<_>>();
    let inserted = &rows;
    store.run("issue", |tx| Box::pin(issued_certificates::insert_many(tx, inserted))).await.unwrap();
    let last = change(store, &rows[100], StoredStatus::Suspended, 5000).await;
    let forget = async |end, event| {
        store.run("forget", |tx| Box::pin(revocation_pages::forget(tx, key, at(end), event))).await.unwrap()
    };
    assert_eq!(forget(1063, 9000).await, 0);
    assert_eq!(forget(2000, 4999).await, 1);
    let left = rows[64..].iter().map(|row| if row.serial == last.serial { &last } else { row });
    assert_eq!(pages(store, key).await.unwrap(), packed(left));
    // What was forgotten may come back.
    let again = change(store, &rows[5], StoredStatus::Suspended, 5001).await;
    assert_eq!(pages(store, key).await.unwrap().len(), 65);
    change(store, &again, StoredStatus::Active, 5002).await;
    assert_eq!(forget(2000, 9000).await, 1);
    assert_eq!(pages(store, key).await.unwrap(), []);
}

async fn changed_pages_are_refused(store: &Store, url: &str) {
    let key = &below(9);
    let right = pages(store, key).await.unwrap();
    let refused = async |table: &str, why: &str| {
        let found = store.read(|tx| Box::pin(revocation_pages::entries(tx, key, |_| true))).await;
        assert!(matches!(&found, Err(Error::Inconsistent { table: named, .. }) if *named == table), "{why}: {found:?}");
    };
    let hand = async |sql: &'static str| by_hand(url, sql).await.unwrap();
    hand("CREATE TABLE kept AS SELECT * FROM revocation_pages WHERE shard = 9").await;
    let restore = async || {
        hand("DELETE FROM revocation_pages WHERE shard = 9").await;
        hand("INSERT INTO revocation_pages SELECT * FROM kept").await;
    };
    // An entry less; a page less; a page under another number; an older page in its place.
    hand("UPDATE revocation_pages SET entries = substr(entries, 50) WHERE shard = 9").await;
    refused("revocation_pages", "an entry less").await;
    restore().await;
    hand("DELETE FROM revocation_pages WHERE shard = 9 AND page = (SELECT MIN(page) FROM kept)").await;
    refused("revocation_heads", "a page less").await;
    restore().await;
    hand("UPDATE revocation_pages SET page = page + 100 WHERE shard = 9").await;
    refused("revocation_pages", "another number").await;
    restore().await;
    let serial = right[0].read().serial;
    let row = store.read(|tx| Box::pin(issued_certificates::find(tx, &key.authority, &serial))).await;
    change(store, &row.unwrap().unwrap(), StoredStatus::Suspended, 6000).await;
    restore().await;
    refused("revocation_heads", "an older page").await;
    hand("UPDATE revocation_heads SET entries = entries + 1 WHERE shard = 9").await;
    refused("revocation_heads", "another head").await;
    hand("DROP TABLE kept").await;
    // Without a head they are made anew from the rows.
    hand("DELETE FROM revocation_heads WHERE shard = 9").await;
    assert_eq!(pages(store, key).await.unwrap().len(), right.len());
}

/// As a program does that knows no pages.
async fn what_was_changed_past_the_pages_is_found(store: &Store, url: &str) {
    let key = &below(11);
    let rows = (0..3).map(|number| certificate(number, 11, REVOKED)).collect::<Vec<_>>();
    let inserted = &rows;
    store.run("issue", |tx| Box::pin(issued_certificates::insert_many(tx, inserted))).await.unwrap();
    assert_eq!(pages(store, key).await.unwrap().len(), 3);
    let hand = async |sql: &'static str| by_hand(url, sql).await.unwrap();
    hand("CREATE TABLE old_pages AS SELECT * FROM revocation_pages WHERE shard = 11").await;
    hand("CREATE TABLE old_heads AS SELECT * FROM revocation_heads WHERE shard = 11").await;
    let changed = change(store, &rows[1], StoredStatus::Suspended, 7000).await;
    // Pages and head of before, a row of after.
    hand("DELETE FROM revocation_pages WHERE shard = 11").await;
    hand("INSERT INTO revocation_pages SELECT * FROM old_pages").await;
    hand("DELETE FROM revocation_heads WHERE shard = 11").await;
    hand("INSERT INTO revocation_heads SELECT * FROM old_heads").await;
    assert_eq!(pages(store, key).await.unwrap(), packed([&rows[0], &changed, &rows[2]]));
    hand("DROP TABLE old_pages").await;
    hand("DROP TABLE old_heads").await;
}
