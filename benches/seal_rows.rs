//! What rows of seals cost when there are many: status, search and lists over 10⁴ to 10⁷ seals on PostgreSQL, warm and cold,
//! with the plan of each statement and the pages that it touched.
//!
//! `cargo bench --bench seal_rows` goes to 10⁵; `YINXIN_BENCH_SEALS=10000000` goes on to that many (16 GB of disk). The server
//! is one of the bench's own, on loopback. Rows are right ones, each with its integrity value, loaded by COPY with all indexes in place;
//! a seal's DER is 700 random octets, and the applications that the rows refer to are left out.
//!
//! Warm: the same server, rows chosen at random, after as many others. Cold: the server was started anew and the files of its tables were
//! dropped from the system's cache. Nothing is asserted.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench without its material cannot go on")]

#[path = "material/explained.rs"]
mod explained;
#[path = "material/rows.rs"]
mod rows;
#[path = "material/store.rs"]
mod store;

use std::sync::Arc;
use std::time::{Duration, Instant};

use yinxin::base::division::Division;
use yinxin::base::random::SystemRandom;
use yinxin::base::secret::Secret;
use yinxin::store::{Error, IntegrityKey, Store, Tx, seal_keepers, seal_records, seals};

use explained::Explained;
use rows::{KEY, Kept, load};
use store::postgres::Postgres;

/// Asked so often warm, and so often cold.
const WARM: u64 = 2_000;
const COLD: u64 = 200;
/// Rows of a page.
const PAGE: i64 = 100;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Status,
    SearchByCode,
    SearchByHolder,
    ListOfDivision,
    ListOfKeeper,
}

impl Piece {
    const ALL: [Self; 5] =
        [Self::Status, Self::SearchByCode, Self::SearchByHolder, Self::ListOfDivision, Self::ListOfKeeper];

    const fn name(self) -> &'static str {
        match self {
            Self::Status => "status of a seal",
            Self::SearchByCode => "search by code",
            Self::SearchByHolder => "search by holder",
            Self::ListOfDivision => "page of a county",
            Self::ListOfKeeper => "page of a keeper",
        }
    }

    /// How many rows came.
    async fn ask(self, tx: &mut Tx<'_>, kept: Kept) -> Result<usize, Error> {
        let record = kept.record();
        match self {
            Self::Status => {
                let seal = seals::find(tx, &record.seal).await?;
                let keeper = seal_keepers::find(tx, &record.seal).await?;
                let known = seal_records::find(tx, &record.seal).await?;
                Ok(usize::from(seal.is_some()) + usize::from(keeper.is_some()) + usize::from(known.is_some()))
            }
            Self::SearchByCode => Ok(usize::from(seal_records::with_code(tx, &record.code).await?.is_some())),
            Self::SearchByHolder => Ok(seal_records::of_holder(tx, &record.holder.credit_code).await?.len()),
            Self::ListOfDivision => {
                let county = Division::parse(&record.holder.division.code()[..6]).unwrap();
                let after = Some((&record.holder.division, &record.seal));
                Ok(seal_records::in_division(tx, &county, after, PAGE).await?.len())
            }
            Self::ListOfKeeper => {
                Ok(seal_keepers::of_keeper(tx, &record.keeper, Some(&record.seal), PAGE).await?.len())
            }
        }
    }
}

/// Numbers that look random, and are the same in each run.
fn scattered(count: u64, of: u64, salt: u64) -> impl Iterator<Item = Kept> {
    (0..count).map(move |number| {
        let mixed = (number + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Kept { number: (mixed ^ (mixed >> 29)) % of, of }
    })
}

async fn open(url: &str) -> Store {
    let key = IntegrityKey::new(Secret::new(KEY.to_vec()));
    Store::open(url, key, Arc::new(SystemRandom)).await.unwrap()
}

/// The median and the 99th of a hundred, in microseconds, and the rows that came on average.
async fn measure(store: &Store, piece: Piece, asked: impl Iterator<Item = Kept>) -> (f64, f64, f64) {
    let (mut times, mut rows) = (Vec::new(), 0);
    for kept in asked {
        let start = Instant::now();
        rows += store.read(|tx| Box::pin(piece.ask(tx, kept))).await.unwrap();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e6;
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    (at(50), at(99), count(rows) / count(times.len()))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let most = std::env::var("YINXIN_BENCH_SEALS").ok().map_or(100_000, |text| text.parse().unwrap());
    let Some(server) = Postgres::start() else {
        println!("no PostgreSQL: left out");
        return;
    };
    println!(
        "{:>9}  {:<18} {:>10} {:>10} {:>10} {:>10} {:>6} {:>7}  plan",
        "seals", "asked", "p50 µs", "p99 µs", "cold p50", "cold p99", "rows", "pages"
    );
    let mut first: Vec<(f64, f64, Explained)> = Vec::new();
    for size in (4..=9).map(|power| 10_u64.pow(power)).take_while(|size| *size <= most) {
        let begun = Instant::now();
        open(&server.url).await.close().await;
        load(&server.url, size).await;
        println!("{size:>9}  loaded in {:.0} s, {}", begun.elapsed().as_secs_f64(), rows::space(&server.url).await);
        for (which, piece) in Piece::ALL.into_iter().enumerate() {
            let store = open(&server.url).await;
            measure(&store, piece, scattered(WARM, size, 1)).await;
            let (median, high, rows) = measure(&store, piece, scattered(WARM, size, 1)).await;
            store.close().await;
            let explained =
                Explained::of(&server.url, |tx| Box::pin(piece.ask(tx, Kept { number: size / 3, of: size }))).await;

            server.restart_cold();
            let store = open(&server.url).await;
            // Connections and the system's catalogue are not what is measured.
            measure(&store, piece, scattered(8, 1, 0)).await;
            let (cold, cold_high, _) = measure(&store, piece, scattered(COLD, size, 1 << 40)).await;
            store.close().await;
            println!(
                "{size:>9}  {:<18} {median:>10.0} {high:>10.0} {cold:>10.0} {cold_high:>10.0} {rows:>6.1} {:>7}  {}",
                piece.name(),
                explained.pages,
                explained.plan
            );
            match first.get(which) {
                None => first.push((median, high, explained)),
                Some((least, least_high, before)) => println!(
                    "{:>9}  {:<18} {:>9.2}× {:>9.2}×   of 10⁴; {} plan, {} pages then",
                    "",
                    "",
                    median / least,
                    high / least_high,
                    if before.plan == explained.plan { "the same" } else { "ANOTHER" },
                    before.pages
                ),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
