//! What the audit log costs: events recorded durably and sequenced by a service at work, appending leaves to both trees, an
//! inclusion proof among ten million leaves, the check of all of them.
//!
//! Of recording, the ceiling is the same number of rows of the same size in transactions of a thousand, without any service.
//! `YINXIN_BENCH_POSTGRES=postgres://…` measures an empty database of PostgreSQL too.
//!
//! `cargo bench --bench audit_log`. Files are in memory, so that reading them is not measured. Every piece has the same entries.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench without its material cannot go on")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use yinxin::base::clock::SystemClock;
use yinxin::base::random::SystemRandom;
use yinxin::domain::audit::log_check::{CheckedPiece, LogCheck, PIECE, Piece, PieceOfTree, check_piece};
use yinxin::domain::audit::tree::{Frontier, Tiles, TreeHash, inclusion_tiles, prove_inclusion, verify_inclusion};
use yinxin::domain::audit::{Actor, Entry, EventBody};
use yinxin::format::tlog::tile::write_entry;
use yinxin::service::Services;
use yinxin::service::audit_log::{AuditLog, Options, keep_sequencing};
use yinxin::service::keys::KeySource;

const SIZE: u64 = 10_000_000;

/// The files of a piece of one tree.
struct Files {
    bundles: Vec<Vec<u8>>,
    tiles: Vec<Vec<u8>>,
    above: Vec<u8>,
}

impl Files {
    fn of(hash: TreeHash, entries: &[[u8; 39]]) -> Self {
        let slices = entries.iter().map(<[u8; 39]>::as_slice).collect::<Vec<_>>();
        let leaves = hash.leaves(&slices);
        let bundle = |entries: &[[u8; 39]]| {
            let mut octets = Vec::new();
            entries.iter().for_each(|entry| write_entry(&mut octets, entry).unwrap());
            octets
        };
        let roots = leaves.chunks_exact(256).map(|leaves| hash.whole_root(leaves).unwrap()).collect::<Vec<_>>();
        Self {
            bundles: entries.chunks(256).map(bundle).collect(),
            tiles: leaves.chunks(256).map(|leaves| leaves.as_flattened().to_vec()).collect(),
            above: roots.as_flattened().to_vec(),
        }
    }

    fn read(&self) -> PieceOfTree<'_> {
        PieceOfTree {
            bundles: self.bundles.iter().map(|octets| Some(octets.as_slice())).collect(),
            tiles: self.tiles.iter().map(|octets| Some(octets.as_slice())).collect(),
            above: Some(&self.above),
        }
    }
}

fn check(threads: usize, whole: &[Files], last: &[Files]) -> (Duration, Vec<CheckedPiece>) {
    let (pieces, next) = (Piece::all(SIZE).collect::<Vec<_>>(), AtomicU64::new(0));
    let start = Instant::now();
    let mut checked = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            while let Some(piece) = pieces.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap()) {
                let files = if piece.first_leaf() + PIECE <= SIZE { whole } else { last };
                done.push((piece.number(), check_piece(*piece, &files[0].read(), &files[1].read()).unwrap()));
            }
            done
        };
        let running = (0..threads).map(|_| scope.spawn(work)).collect::<Vec<_>>();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    checked.sort_by_key(|(number, _)| *number);
    (start.elapsed(), checked.into_iter().map(|(_, piece)| piece).collect())
}

/// Callers that record one event each, again and again, and wait for its durability.
const CALLERS: usize = 1_000;
/// For so long.
const SUSTAINED: Duration = Duration::from_secs(10);

/// Events recorded a second while the log is sequenced and signed, and how many leaves were signed meanwhile.
async fn sustained(url: &str, folder: &std::path::Path) -> (f64, f64) {
    let source = KeySource::File { path: folder.join("key"), create: true };
    let services = Services::open(url, &source, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
    let options = Options {
        origin: "bench/log".into(),
        is_configured: true,
        every: Duration::from_millis(200),
        merge_delay: Duration::from_secs(60),
    };
    let log = AuditLog::open(&services, options).await.unwrap();
    let before = log.head(TreeHash::Sm3).await.unwrap().size;
    let sequencing = tokio::spawn(keep_sequencing(log.clone()));
    let start = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let services = services.clone();
        callers.spawn(async move {
            let mut done = 0_u64;
            while start.elapsed() < SUSTAINED {
                let body =
                    EventBody::AccessRefused { endpoint: format!("GET /{caller}/{done}"), code: "role-missing".into() };
                services.record(&Actor::Anonymous, None, body).await.unwrap();
                done += 1;
            }
            done
        });
    }
    let done = callers.join_all().await.into_iter().sum::<u64>();
    let spent = start.elapsed().as_secs_f64();
    let merged = log.head(TreeHash::Sm3).await.unwrap().size - before;
    sequencing.abort();
    services.store.close().await;
    let rate = |count: u64| f64::from(u32::try_from(count).unwrap()) / spent;
    (rate(done), rate(merged))
}

/// Rows of the size of an event, in transactions of a thousand, by one writer.
async fn ceiling(path: &std::path::Path) -> f64 {
    use sqlx::Connection as _;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let options = options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let options = options.synchronous(sqlx::sqlite::SqliteSynchronous::Full);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let table = "CREATE TABLE rows (number INTEGER PRIMARY KEY, class INTEGER, at INTEGER, event BLOB, salt BLOB)";
    sqlx::query(table).execute(&mut connection).await.unwrap();
    let (start, mut number) = (Instant::now(), 0_i64);
    while start.elapsed() < SUSTAINED / 2 {
        let mut insert = sqlx::QueryBuilder::<sqlx::Sqlite>::new("INSERT INTO rows (number, class, at, event, salt) ");
        insert.push_values(0..1_000, |mut row, _| {
            row.push_bind(number).push_bind(2_i64).push_bind(0_i64).push_bind(vec![7_u8; 60]).push_bind(vec![9_u8; 32]);
            number += 1;
        });
        insert.build().execute(&mut connection).await.unwrap();
    }
    f64::from(u32::try_from(number).unwrap()) / start.elapsed().as_secs_f64()
}

fn recording() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = std::env::temp_dir().join(format!("yinxin-bench-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let ceiling = runtime.block_on(ceiling(&folder.join("ceiling.db")));
    let url = format!("sqlite:{}", folder.join("rows.db").display());
    let (recorded, merged) = runtime.block_on(sustained(&url, &folder));
    println!(
        "SQLite: {recorded:.0} events/s recorded durably by {CALLERS} callers, {merged:.0} leaves/s signed meanwhile; ceiling \
         {ceiling:.0} rows/s ({:.0} %)",
        recorded / ceiling * 100.0
    );
    if let Ok(url) = std::env::var("YINXIN_BENCH_POSTGRES") {
        let folder = folder.join("postgres");
        std::fs::create_dir_all(&folder).unwrap();
        let (recorded, merged) = runtime.block_on(sustained(&url, &folder));
        println!(
            "PostgreSQL: {recorded:.0} events/s recorded durably by {CALLERS} callers, {merged:.0} leaves/s signed meanwhile"
        );
    } else {
        println!("SKIPPED recording on PostgreSQL: YINXIN_BENCH_POSTGRES names none");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn main() {
    recording();
    let entry = |n: u64| {
        let mut commitment = [0; 32];
        commitment[..8].copy_from_slice(&n.to_be_bytes());
        Entry { class: 12, hour: 494_444, commitment }.to_octets()
    };
    let entries = (0..PIECE).map(entry).collect::<Vec<_>>();
    let slices = entries.iter().map(<[u8; 39]>::as_slice).collect::<Vec<_>>();
    let rest = usize::try_from(SIZE % PIECE).unwrap();
    let (mut frontiers, mut tiles) = (Vec::new(), Vec::new());
    for hash in TreeHash::ALL {
        let (mut frontier, mut all, mut spent) = (Frontier::new(hash), Tiles::new(), Duration::ZERO);
        for piece in Piece::all(SIZE) {
            let slices = if piece.first_leaf() + PIECE <= SIZE { slices.as_slice() } else { &slices[..rest] };
            let start = Instant::now();
            let written = frontier.append(&hash.leaves(slices)).unwrap();
            spent += start.elapsed();
            written.into_iter().for_each(|tile| all.insert(tile.tile, tile.octets).unwrap());
        }
        frontier.partial_tiles().into_iter().for_each(|tile| all.insert(tile.tile, tile.octets).unwrap());
        let start = Instant::now();
        let root = frontier.root();
        let root_spent = start.elapsed();
        println!("{hash}: {SIZE} leaves hashed and appended in {spent:.2?}, the root in {root_spent:.1?}");
        let index = 7_654_321;
        let start = Instant::now();
        let mut few = Tiles::new();
        for tile in inclusion_tiles(index, SIZE).unwrap() {
            few.insert(tile, all.hashes(tile).unwrap().as_flattened().to_vec()).unwrap();
        }
        let proof = prove_inclusion(hash, index, SIZE, &few).unwrap();
        let spent = start.elapsed();
        let leaf = hash.leaf(&entry(index % PIECE));
        verify_inclusion(hash, &leaf, index, SIZE, &proof, &root).unwrap();
        println!("{hash}: inclusion proof of {} hashes in {spent:.1?}", proof.len());
        let mut upper = Tiles::new();
        for tile in LogCheck::upper_tiles(SIZE) {
            upper.insert(tile, all.hashes(tile).unwrap().as_flattened().to_vec()).unwrap();
        }
        tiles.push(upper);
        frontiers.push(frontier);
    }
    let whole = TreeHash::ALL.map(|hash| Files::of(hash, &entries));
    let last = TreeHash::ALL.map(|hash| Files::of(hash, &entries[..rest]));
    let cores = std::thread::available_parallelism().unwrap().get();
    for threads in [1, cores] {
        let (spent, checked) = check(threads, &whole, &last);
        let start = Instant::now();
        let mut log = LogCheck::new(SIZE);
        checked.into_iter().for_each(|piece| log.take(piece).unwrap());
        log.finish([&tiles[0], &tiles[1]], [&frontiers[0].root(), &frontiers[1].root()]).unwrap();
        println!("both trees of {SIZE} leaves checked by {threads} threads in {:.2?}", spent + start.elapsed());
    }
}
