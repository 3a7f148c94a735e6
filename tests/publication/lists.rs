//! Revocation lists: what they name, how they are numbered, what a crash leaves.

use yinxin::base::random::{SystemRandom, array};
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::key::KeyAlgorithm;
use yinxin::format::x509::crl::{CertificateList, RevocationReason};
use yinxin::format::x509::extension::DistributionPointName;
use yinxin::format::x509::{Certificate, GeneralName};
use yinxin::service::publication::{self, Plan, publish_due};
use yinxin::service::revocation_lists::{Kind, current, issue, least_number};
use yinxin::service::{Error, Services};
use yinxin::store::crls::{self, CrlHead, ShardKey};
use yinxin::store::issued_certificates::{self, IssuedCertificate, StoredStatus};

use crate::desk::{Authority, Desk, NOW, REVOKED, issuance};

const BASE: &str = "http://crl.example";

fn key(authority: &Authority, shard: u32) -> ShardKey {
    ShardKey { authority: authority.id.clone(), shard }
}

async fn list(services: &Services, key: &ShardKey, kind: Kind) -> (CrlHead, Vec<u8>) {
    let head = issue(services, &Actor::Operator, key, kind).await.unwrap();
    let published = current(services, key, kind).await.unwrap().unwrap();
    assert_eq!(published.head, head);
    (head, published.der.to_vec())
}

fn entries(der: &[u8]) -> Vec<(Vec<u8>, Option<RevocationReason>)> {
    let list = CertificateList::parse(der).unwrap();
    let magnitude = |serial: &[u8]| serial.strip_prefix(&[0]).unwrap_or(serial).to_vec();
    list.entries().map(|entry| (magnitude(entry.serial), entry.reason)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_lists_and_deltas_share_a_series_and_tell_what_changed() {
    let desk = Desk::new("series", Plan::default()).await;
    let authority = desk.authority("ca", KeyAlgorithm::Sm2, BASE, 1).await;
    let rows = authority.issue(&desk.services, 4, 30).await;
    let key = key(&authority, 0);
    let none = issue(&desk.services, &Actor::Operator, &key, Kind::Delta).await;
    assert!(matches!(none, Err(Error::Publishing(publication::Error::NoFullList))), "{none:?}");
    assert_eq!(current(&desk.services, &key, Kind::Full).await.unwrap(), None);
    let revoked = desk.status(&rows[0], REVOKED).await;
    let held = desk.status(&rows[1], StoredStatus::Suspended).await;

    // The number of the refused delta is not given again.
    let (full, der) = list(&desk.services, &key, Kind::Full).await;
    let first = least_number(NOW);
    assert_eq!((full.number, full.base, full.entries), (first + 1, None, 2));
    let parsed = CertificateList::parse(&der).unwrap();
    let mut expected = vec![
        (revoked.serial.to_vec(), Some(RevocationReason::KeyCompromise)),
        (held.serial.to_vec(), Some(RevocationReason::CertificateHold)),
    ];
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    let found =
        entries(&der).into_iter().map(|(serial, reason)| ([&[0; 16][serial.len()..], &serial].concat(), reason));
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let point = parsed.issuing_distribution_point.clone().unwrap();
    let full_name = |url| Some(DistributionPointName::FullName(vec![GeneralName::Uri(url)]));
    assert_eq!(point.name, full_name("http://crl.example/crl/ca/0.crl"));
    assert_eq!(parsed.freshest.unwrap().0[0].name, full_name("http://crl.example/crl/ca/0-delta.crl"));
    assert_eq!((parsed.this_update, parsed.next_update), (NOW, Some(NOW.plus_seconds(86_400 * 3 / 2))));

    // Since then: one resumed, one more revoked, the first as before.
    desk.clock.set(NOW.plus_seconds(60));
    desk.status(&held, StoredStatus::Active).await;
    let later = desk.status(&rows[2], REVOKED).await;
    let (delta, der) = list(&desk.services, &key, Kind::Delta).await;
    let later_number = least_number(NOW.plus_seconds(60));
    assert_eq!((delta.number, delta.base, delta.entries), (later_number, Some(first + 1), 2));
    let parsed = CertificateList::parse(&der).unwrap();
    let octets = |number: u64| signed(&number.to_be_bytes());
    assert_eq!(parsed.number, Some(&octets(later_number)[..]));
    assert_eq!((parsed.delta_base, parsed.freshest.is_some()), (Some(&octets(first + 1)[..]), false));
    let own = Certificate::parse(&authority.certificate).unwrap();
    let reason = |row: &[u8]| parsed.find(&signed(row), &own.subject).map(|entry| entry.reason);
    assert_eq!(reason(&held.serial), Some(Some(RevocationReason::RemoveFromCrl)));
    assert_eq!(reason(&later.serial), Some(Some(RevocationReason::KeyCompromise)));
    assert_eq!((reason(&revoked.serial), reason(&rows[3].serial)), (None, None));

    // Each list has its event, and no event is without its list.
    let told = desk.events().await.into_iter().filter_map(|body| match body {
        EventBody::CrlIssued { number, base, entries, crl_sm3, .. } => Some((number, base, entries, crl_sm3)),
        _ => None,
    });
    let heads = [&full, &delta].map(|head| (head.number, head.base, head.entries, head.sm3));
    assert_eq!(told.collect::<Vec<_>>(), heads);
}

/// Content octets of an INTEGER.
fn signed(serial: &[u8]) -> Vec<u8> {
    let serial = &serial[serial.iter().take_while(|octet| **octet == 0).count()..];
    if serial[0] >= 0x80 { [&[0], serial].concat() } else { serial.to_vec() }
}

/// What an older copy of the database does not know of was published all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_number_of_a_list_comes_again_after_a_restore() {
    use sqlx::Connection as _;
    let desk = Desk::new("restored", Plan::default()).await;
    let authority = desk.authority("ca", KeyAlgorithm::Sm2, BASE, 1).await;
    let key = key(&authority, 0);
    let mut given = vec![list(&desk.services, &key, Kind::Full).await.0.number];
    let copied = given[0];
    // Many of one moment, then some later ones.
    for number in 0..20 {
        desk.clock.set(NOW.plus_seconds((number - 15).max(0)));
        given.push(list(&desk.services, &key, Kind::Delta).await.0.number);
    }
    let url = format!("sqlite:{}", desk.folder.path().join("yinxin.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let forgotten = sqlx::query("DELETE FROM crls WHERE number > $1").bind(i64::try_from(copied).unwrap());
    assert_eq!(forgotten.execute(&mut connection).await.unwrap().rows_affected(), 20);
    connection.close().await.unwrap();
    desk.clock.set(NOW.plus_seconds(5));
    for kind in [Kind::Delta, Kind::Full, Kind::Full] {
        let number = list(&desk.services, &key, kind).await.0.number;
        assert!(given.iter().all(|other| *other < number), "{number} after {given:?}");
        given.push(number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_expired_stand_in_one_list_beyond_their_end() {
    let desk = Desk::new("expired", Plan { keep: 2, ..Plan::default() }).await;
    let authority = desk.authority("ca", KeyAlgorithm::Sm2, BASE, 1).await;
    let rows = authority.issue(&desk.services, 2, 1).await;
    let key = key(&authority, 0);
    desk.status(&rows[0], REVOKED).await;
    let count = async |days| {
        desk.clock.set(NOW.plus_days(days));
        entries(&list(&desk.services, &key, Kind::Full).await.1).len()
    };
    assert_eq!(count(0).await, 1);
    // Beyond its end for the first time; then for the second.
    assert_eq!((count(2).await, count(3).await), (1, 0));
    // Revoked after its end, it stands in one list all the same.
    desk.status(&rows[1], REVOKED).await;
    assert_eq!((count(4).await, count(5).await), (1, 0));
    let read = desk.services.store.read(|tx| Box::pin(crls::newest(tx, &key, false))).await.unwrap();
    assert_eq!(read.unwrap().number, least_number(NOW.plus_days(5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_is_issued_for_every_shard_and_no_more() {
    let plan = Plan { full_every: 1000, delta_every: Some(100), ..Plan::default() };
    let desk = Desk::new("due", plan).await;
    let authority = desk.authority("ca", KeyAlgorithm::EcdsaP256, BASE, 3).await;
    let issuance = issuance(&desk.services);
    let numbers = async |seconds| {
        desk.clock.set(NOW.plus_seconds(seconds));
        publish_due(&desk.services, &issuance).await;
        let mut found = Vec::new();
        for shard in 0..4 {
            let key = key(&authority, shard);
            let newest = async |kind| current(&desk.services, &key, kind).await.unwrap().map(|list| list.head.number);
            found.push((newest(Kind::Full).await, newest(Kind::Delta).await));
        }
        assert_eq!(found.pop(), Some((None, None)));
        assert!(found.iter().all(|shard| *shard == found[0]), "{found:?}");
        found[0]
    };
    let least = |seconds| least_number(NOW.plus_seconds(seconds));
    assert_eq!(numbers(0).await, (Some(least(0)), Some(least(0) + 1)));
    assert_eq!(numbers(99).await, (Some(least(0)), Some(least(0) + 1)));
    assert_eq!(numbers(100).await, (Some(least(0)), Some(least(100))));
    assert_eq!(numbers(1000).await, (Some(least(1000)), Some(least(1000) + 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_intent_keeps_others_off_and_is_abandoned_later() {
    let desk = Desk::new("intent", Plan::default()).await;
    let authority = desk.authority("ca", KeyAlgorithm::Sm2, BASE, 1).await;
    let key = &key(&authority, 0);
    // As a crash before the list was kept leaves it.
    let intend = desk.services.store.run("intend", |tx| Box::pin(crls::record_intent(tx, key, (NOW, 1), NOW)));
    assert_eq!(intend.await.unwrap(), Some(1));
    let refused = issue(&desk.services, &Actor::Operator, key, Kind::Full).await;
    assert!(matches!(refused, Err(Error::Publishing(publication::Error::InProgress))), "{refused:?}");
    desk.clock.set(NOW.plus_seconds(601));
    assert_eq!(list(&desk.services, key, Kind::Full).await.0.number, least_number(NOW.plus_seconds(601)));
    let nobody = ShardKey { authority: yinxin::base::id::AuthorityId::parse("nobody").unwrap(), shard: 0 };
    let refused = issue(&desk.services, &Actor::Operator, &nobody, Kind::Full).await.unwrap_err();
    assert_eq!(refused.code(), "unknown-authority");
    let beyond = ShardKey { shard: 1, ..key.clone() };
    let refused = issue(&desk.services, &Actor::Operator, &beyond, Kind::Full).await.unwrap_err();
    assert_eq!(refused.code(), "unknown-shard");
}

/// The most memory that this process ever held since the last time that this was asked, octets.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
    // 5 resets the mark; where that is forbidden the figure is only larger.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    kib * 1024
}

/// `cargo test --release --test publication -- --ignored --nocapture` prints how long lists take from the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; release only"]
async fn large_lists_come_from_the_database() {
    let desk = Desk::new("large", Plan { delta_every: None, ..Plan::default() }).await;
    let authority = desk.authority("ca", KeyAlgorithm::Sm2, BASE, 2).await;
    let model = &authority.issue(&desk.services, 1, 30).await[0];
    for (shard, count) in [(0, 10_000_usize), (1, 1_000_000)] {
        let mut left = count;
        while left > 0 {
            let these = left.min(10_000);
            left -= these;
            let rows = (0..these).map(|_| {
                let serial: [u8; 16] = array(&SystemRandom).unwrap();
                IssuedCertificate {
                    serial,
                    sm3: sm3(&serial),
                    shard,
                    // A row's SM3 is that of its certificate; nobody reads this one as a certificate.
                    der: serial.to_vec(),
                    status: REVOKED,
                    ..model.clone()
                }
            });
            let rows = &rows.collect::<Vec<_>>();
            let keep = desk.services.store.run("fill", |tx| Box::pin(issued_certificates::insert_many(tx, rows)));
            keep.await.unwrap();
        }
        let mut times = Vec::new();
        let before = (most_memory(), most_memory()).1;
        for _ in 0..5 {
            let started = std::time::Instant::now();
            let head = issue(&desk.services, &Actor::Operator, &key(&authority, shard), Kind::Full).await.unwrap();
            times.push(started.elapsed());
            assert_eq!(head.entries, u64::try_from(count).unwrap());
        }
        times.sort();
        let memory = most_memory().saturating_sub(before) >> 20;
        println!("{count} entries from SQLite, signed and kept: {times:?}, {memory} MiB above {} MiB", before >> 20);
    }
}
