//! Backups taken while others write, put back on both databases; and restores to random points with a mirror that is ahead:
//! the log is not opened until the mirror's leaves are taken in, goes on behind them, and names what is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _};
use yinxin::base::random::{SystemRandom, array};
use yinxin::crypto::digest::{hex, sm3};
use yinxin::domain::audit::tree::{Hash, TreeHash, prove_consistency, verify_consistency};
use yinxin::domain::audit::{Actor, Event, EventBody};
use yinxin::domain::ca::request::OfficerRole;
use yinxin::format::backup::BackupManifest;
use yinxin::service::Services;
use yinxin::service::audit_log::adopting::{Adoption, ahead};
use yinxin::service::audit_log::checking::check;
use yinxin::service::audit_log::folder::FolderLog;
use yinxin::service::audit_log::stored::StoredLog;
use yinxin::service::audit_log::{AuditLog, agree};
use yinxin::service::backups::{self, Destination, KEY_FILE, MANIFEST, MANIFEST_SM3, RESTORED};
use yinxin::store::{Store, audit};

use crate::service::audit_log::{head, open, tiles};
use crate::service::audit_log_crash::attach;
use crate::service::installation::{NOW, Place};
use crate::service::registration::{Person, hired};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const ROUNDS: &str = "YINXIN_RESTORE_ROUNDS";

/// Where databases come from: files of a folder, or a server.
enum Ground {
    Files(PathBuf),
    Server(Postgres),
}

impl Ground {
    async fn fresh(&self, name: &str) -> String {
        match self {
            Self::Files(folder) => format!("sqlite:{}", folder.join(format!("{name}.db")).display()),
            Self::Server(server) => server.database(name).await,
        }
    }
}

async fn put_back(backup: &Path, url: &str, home: &Path) -> Result<BackupManifest, (&'static str, String)> {
    fs::create_dir_all(home).unwrap();
    let key = home.join("key");
    let to = Destination { url, data_dir: home, key_file: Some(&key) };
    let opening = async || Store::open_as_it_is(url, Arc::new(SystemRandom)).await;
    backups::put_back(backup, to, opening).await.map_err(|error| (error.code(), error.to_string()))
}

async fn record(services: &Services, endpoint: String) -> i64 {
    let body = EventBody::AccessRefused { endpoint, code: "x".into() };
    services.record(&Actor::Anonymous, None, body).await.unwrap()
}

async fn all(services: &Services) -> BTreeMap<i64, Event> {
    let events = services.store.read(|tx| Box::pin(audit::read(tx, 0, i64::MAX))).await.unwrap();
    events.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_writers_is_one_point_on_sqlite() {
    let folder = Folder::new("backups");
    one_point(Ground::Files(folder.path().to_owned()), folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_writers_is_one_point_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("backups on PostgreSQL", "PostgreSQL") };
    one_point(Ground::Server(server), Folder::new("backups-postgres")).await;
}

async fn one_point(ground: Ground, folder: Folder) {
    let place = Place { url: ground.fresh("first").await, folder };
    let within = |name: &str| place.folder.path().join(name);
    let services = place.open().await;
    let log = open(&services).await;
    hired(&services, OfficerRole::Approver).await;
    for number in 0..300 {
        record(&services, format!("before/{number}")).await;
    }
    log.sequence().await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let services = services.clone();
        writers.spawn(async move {
            for number in 0.. {
                record(&services, format!("{writer}/{number}")).await;
            }
        });
    }
    let sequencing = log.clone();
    writers.spawn(async move {
        loop {
            sequencing.sequence().await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let acknowledged = services.store.read(|tx| Box::pin(audit::count(tx))).await.unwrap();
    let backup = within("backup");
    let manifest = backups::take(&services.store, &backup, Some(&within("key")), NOW).await.unwrap();
    let taken = services.store.read(|tx| Box::pin(audit::count(tx))).await.unwrap();
    until_more(&services, taken).await;
    writers.shutdown().await;

    let again = backups::take(&services.store, &backup, None, NOW).await.unwrap_err();
    assert_eq!(again.code(), "backup-folder-not-empty");
    assert_eq!(backups::check(&backup).unwrap(), manifest);
    for entry in fs::read_dir(&backup).unwrap() {
        let mode = std::os::unix::fs::MetadataExt::mode(&entry.unwrap().metadata().unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }

    let (url, home) = (ground.fresh("second").await, within("restored"));
    assert_eq!(put_back(&backup, &url, &home).await.unwrap(), manifest);
    assert!(home.join(RESTORED).exists());
    let restored = attach(&url, &home.join("key")).await;
    let (old, new) = (all(&services).await, all(&restored).await);
    assert!(i64::try_from(new.len()).unwrap() >= acknowledged, "an acknowledged event is not in the backup");
    assert!(new.iter().all(|(number, event)| old.get(number) == Some(event)));
    assert!(new.len() < old.len(), "nothing was written after the backup");
    let (stored, own) = StoredLog::of(&restored).await.unwrap();
    let checked = check(Arc::new(stored), &own).await.unwrap().unwrap();
    let stated = manifest.log.as_ref().unwrap();
    assert_eq!((checked.size, hex(&checked.roots[0])), (stated.size, stated.sm3.clone()));
    assert_eq!(Some(hex(&checked.roots[1])), stated.sha256);
    open(&restored).await;
    let other = Place { url: url.clone(), folder: Folder::new("backups-second") };
    for table in ["keys", "callers", "officers", "schema_migrations", "key_encryption_keys", "audit_head"] {
        assert_eq!(other.count(table).await, place.count(table).await, "{table}");
    }
    // What guards the rows stands again.
    for sql in ["DELETE FROM log_head", "DELETE FROM audit_events WHERE number = 1"] {
        let done = if other.is_sqlite() {
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.err()
        } else {
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.err()
        };
        assert!(
            done.is_some_and(|error| error.to_string().contains("stay") || error.to_string().contains("grows")),
            "{sql}"
        );
    }
    restored.store.close().await;
    what_is_not_whole_is_refused(&ground, &place, &backup, &url).await;
    services.store.close().await;
}

async fn until_more(services: &Services, than: i64) {
    while services.store.read(|tx| Box::pin(audit::count(tx))).await.unwrap() <= than + 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn what_is_not_whole_is_refused(ground: &Ground, place: &Place, backup: &Path, occupied: &str) {
    let home = place.folder.path().join("elsewhere");
    let occupied = put_back(backup, occupied, &home).await.unwrap_err();
    assert_eq!(occupied.0, "restore-not-empty");
    let other = if place.is_sqlite() { "postgres://nobody@127.0.0.1:1/none" } else { "sqlite:other.db" };
    assert_eq!(put_back(backup, other, &home).await.unwrap_err().0, "backup-other-database");
    let url = ground.fresh("third").await;
    let manifest = backups::check(backup).unwrap();
    let mut names = manifest.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>();
    assert!(names.contains(&KEY_FILE));
    names.extend([MANIFEST, MANIFEST_SM3]);
    for name in names {
        let path = backup.join(name);
        let right = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let missing = put_back(backup, &url, &home).await.unwrap_err();
        assert_eq!(missing, ("backup-incomplete", format!("the backup is not whole: {name} is missing")));
        let mut wrong = right.clone();
        match wrong.len() {
            0 => wrong.push(b'x'),
            length => wrong[length / 2] ^= 1,
        }
        fs::write(&path, &wrong).unwrap();
        let (code, text) = put_back(backup, &url, &home).await.unwrap_err();
        assert_eq!(code, "backup-changed", "{name}: {text}");
        assert!(text.contains(name), "{name}: {text}");
        fs::write(&path, &right).unwrap();
    }
    for (change, known) in [("\"version\": 1", "\"version\": 2"), ("\"migration\": ", "\"migration\": 9")] {
        let right = [fs::read(backup.join(MANIFEST)).unwrap(), fs::read(backup.join(MANIFEST_SM3)).unwrap()];
        let newer = String::from_utf8(right[0].clone()).unwrap().replacen(change, known, 1);
        // A newer version that says that it serves newer programs alone.
        let newer = newer.replacen("\"serves_from\": ", "\"serves_from\": 9", 1);
        fs::write(backup.join(MANIFEST), &newer).unwrap();
        fs::write(backup.join(MANIFEST_SM3), format!("{}\n", hex(&sm3(newer.as_bytes())))).unwrap();
        assert_eq!(put_back(backup, &url, &home).await.unwrap_err().0, "backup-too-new");
        fs::write(backup.join(MANIFEST), &right[0]).unwrap();
        fs::write(backup.join(MANIFEST_SM3), &right[1]).unwrap();
    }
    assert!(!home.join(RESTORED).exists() && !home.join("key").exists(), "a refused restore leaves nothing");
    put_back(backup, &url, &home).await.unwrap();
}

/// What was ever signed and acknowledged, over all restores.
#[derive(Default)]
struct Seen {
    heads: [BTreeMap<u64, Hash>; 2],
    given: BTreeMap<i64, String>,
    gaps: Vec<(u64, u64)>,
}

impl Seen {
    async fn note_heads(&mut self, log: &AuditLog) {
        for (tree, heads) in TreeHash::ALL.into_iter().zip(&mut self.heads) {
            let (size, root) = head(log, tree).await;
            let known = heads.insert(size, root);
            assert!(known.is_none_or(|known| known == root), "two heads of {size} leaves disagree");
        }
    }

    fn note_given(&mut self, number: i64, endpoint: String) {
        let known = self.given.insert(number, endpoint);
        assert_eq!(known, None, "the number {number} was given twice");
    }
}

fn below(bound: u8) -> u8 {
    let [octet] = array::<1>(&SystemRandom).unwrap();
    octet % bound
}

/// Some events, signed and mirrored now and then.
async fn work(services: &Services, log: &AuditLog, mirror: &FolderLog, seen: &mut Seen, round: u32, part: &str) {
    let mut known = 0;
    for number in 0..u32::from(below(60)) + 5 {
        for more in 0..below(9) {
            let endpoint = format!("{round}/{part}/{number}/{more}");
            let given = record(services, endpoint.clone()).await;
            seen.note_given(given, endpoint);
        }
        if below(3) == 0 {
            log.sequence().await.unwrap();
            seen.note_heads(log).await;
            known = log.mirror(mirror, known).await.unwrap();
        }
    }
}

async fn refusal(adoption: &Adoption, services: &Services, by: &[(&Person, Vec<u8>)]) -> &'static str {
    let approvals = by.iter().map(|(person, value)| (person.id.clone(), value.clone())).collect::<Vec<_>>();
    adoption.adopt(services, &approvals).await.unwrap_err().code()
}

async fn rounds(ground: Ground, folder: Folder, rounds: u32) {
    let home = folder.path().to_owned();
    let key = home.join("key");
    let mirror = FolderLog::new(&home.join("mirror"));
    let place = Place { url: ground.fresh("round_0").await, folder };
    let mut services = place.open().await;
    let (first, second) =
        (hired(&services, OfficerRole::Approver).await, hired(&services, OfficerRole::Approver).await);
    let checker = hired(&services, OfficerRole::Checker).await;
    let mut log = open(&services).await;
    let (mut seen, mut lost) = (Seen::default(), 0);
    for round in 1..=rounds {
        work(&services, &log, &mirror, &mut seen, round, "before").await;
        let backup = home.join(format!("backup-{round}"));
        backups::take(&services.store, &backup, None, NOW).await.unwrap();
        work(&services, &log, &mirror, &mut seen, round, "after").await;
        // Whatever was acknowledged is mirrored when the disk breaks; at least one event is behind the backup.
        let endpoint = format!("{round}/last");
        let last = record(&services, endpoint.clone()).await;
        seen.note_given(last, endpoint);
        while log.sequence().await.unwrap().is_some() {}
        seen.note_heads(&log).await;
        let size = log.mirror(&mirror, 0).await.unwrap();
        services.store.close().await;

        let url = ground.fresh(&format!("round_{round}")).await;
        put_back(&backup, &url, &home).await.unwrap();
        fs::remove_file(home.join(RESTORED)).unwrap();
        services = attach(&url, &key).await;
        let refused = agree(&services, &[], Some(&mirror)).await.unwrap_err();
        assert_eq!(refused.code(), "log-behind-mirror");
        // The mirror is not written over by what is behind it.
        let (stored, _) = StoredLog::of(&services).await.unwrap();
        assert_eq!(mirror.write(&stored).await.unwrap_err().code(), "log-behind-mirror");

        let adoption = ahead(&services, &mirror).await.unwrap();
        assert_eq!(adoption.gap.to, size);
        assert!(!adoption.gap.is_empty());
        let sign = async |person: &Person| person.sign(&adoption.to_sign(&services, &person.id).await.unwrap());
        let (one, other) = (sign(&first).await, sign(&second).await);
        assert_eq!(refusal(&adoption, &services, &[]).await, "log-gap-approvals");
        assert_eq!(refusal(&adoption, &services, &[(&first, one.clone())]).await, "log-gap-approvals");
        let twice = [(&first, one.clone()), (&first, one.clone())];
        assert_eq!(refusal(&adoption, &services, &twice).await, "approver-repeated");
        let swapped = [(&first, other.clone()), (&second, one.clone())];
        assert_eq!(refusal(&adoption, &services, &swapped).await, "approval-signature");
        let wrong_role = [(&first, one.clone()), (&checker, sign(&checker).await)];
        assert_eq!(refusal(&adoption, &services, &wrong_role).await, "officer-role");
        assert_eq!(agree(&services, &[], Some(&mirror)).await.unwrap_err().code(), "log-behind-mirror");
        let approvals = [(first.id.clone(), one), (second.id.clone(), other)];
        let number = adoption.adopt(&services, &approvals).await.unwrap();
        assert_eq!(number, i64::try_from(size).ok(), "the log goes on behind the mirror");
        seen.gaps.push((adoption.gap.from, adoption.gap.to));
        lost += adoption.gap.to - adoption.gap.from;
        let stale = adoption.adopt(&services, &approvals).await.unwrap_err();
        assert_eq!(stale.code(), "contended", "it is taken in once");

        assert_eq!(agree(&services, &[], Some(&mirror)).await.unwrap(), 1);
        assert_eq!(ahead(&services, &mirror).await.unwrap_err().code(), "log-nothing-to-adopt");
        services.start().await.unwrap();
        log = open(&services).await;
        while log.sequence().await.unwrap().is_some() {}
        seen.note_heads(&log).await;
        log.mirror(&mirror, 0).await.unwrap();
    }

    let (stored, own) = StoredLog::of(&services).await.unwrap();
    let whole = check(Arc::new(stored), &own).await.unwrap().unwrap();
    assert_eq!(check(Arc::new(mirror), &own).await.unwrap().unwrap(), whole);
    let mut heads = 0;
    for (tree, known) in TreeHash::ALL.into_iter().zip(&seen.heads) {
        let (size, root) = head(&log, tree).await;
        let tiles = tiles(&log, tree, size).await;
        for (old, old_root) in known {
            let proof = prove_consistency(tree, *old, size, &tiles).unwrap();
            verify_consistency(tree, (*old, old_root), (size, &root), &proof).unwrap();
            heads += 1;
        }
    }
    let events = all(&services).await;
    let named = events.values().filter_map(|event| match event.body {
        EventBody::LogGapRecorded { from, to, .. } => Some((from, to)),
        _ => None,
    });
    let in_a_gap = |number: i64| {
        let number = u64::try_from(number).unwrap();
        seen.gaps.iter().any(|(from, to)| (*from..*to).contains(&number))
    };
    // A gap that a later restore went back behind is inside a later gap.
    for (place, gap) in named.enumerate() {
        assert!(seen.gaps.contains(&gap), "gap {place}");
    }
    for number in 0..i64::try_from(whole.size).unwrap() {
        assert_eq!(events.contains_key(&number), !in_a_gap(number), "event {number}");
    }
    for (number, endpoint) in &seen.given {
        match events.get(number).map(|event| &event.body) {
            Some(EventBody::AccessRefused { endpoint: kept, .. }) => assert_eq!(kept, endpoint, "event {number}"),
            Some(other) => panic!("another event stands at {number}: {other:?}"),
            None => assert!(in_a_gap(*number)),
        }
    }
    println!(
        "{rounds} restores: {} leaves, {lost} events lost in {} gaps, all named; {heads} heads agree, no number twice",
        whole.size,
        seen.gaps.len()
    );
}

fn wanted(usual: u32) -> u32 {
    std::env::var(ROUNDS).map_or(usual, |rounds| rounds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_restore_forks_the_log_on_sqlite() {
    let folder = Folder::new("restores");
    rounds(Ground::Files(folder.path().to_owned()), folder, wanted(8)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_restore_forks_the_log_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("restores on PostgreSQL", "PostgreSQL") };
    rounds(Ground::Server(server), Folder::new("restores-postgres"), wanted(4)).await;
}
