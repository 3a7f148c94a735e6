//! Measures pieces of work by turns in one run, so that a busy machine slows all of them alike, and prints medians.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many samples each piece of work gets.
const SAMPLES: usize = 41;
/// A sample repeats the work until it takes about this long.
const SAMPLE: Duration = Duration::from_millis(10);

/// A named piece of work.
pub(crate) type Work<'a> = (&'a str, Box<dyn Fn() + 'a>);

/// A piece of work whose result is kept from being optimised away.
pub(crate) fn work<'a, T>(name: &'a str, run: impl Fn() -> T + 'a) -> Work<'a> {
    (name, Box::new(move || drop(black_box(run()))))
}

/// Medians in seconds of pieces of work that are measured by turns, in their order.
pub(crate) fn medians(all: &[Work<'_>]) -> Vec<f64> {
    let repeats: Vec<u32> = all.iter().map(|(_, run)| repeats(run)).collect();
    let mut samples: Vec<Vec<f64>> = all.iter().map(|_| Vec::with_capacity(SAMPLES)).collect();
    for _ in 0..SAMPLES {
        for (((_, run), repeats), samples) in all.iter().zip(&repeats).zip(&mut samples) {
            samples.push(sample(run, *repeats));
        }
    }
    for samples in &mut samples {
        samples.sort_by(f64::total_cmp);
    }
    samples.iter().map(|samples| samples.get(SAMPLES / 2).copied().unwrap_or(f64::NAN)).collect()
}

/// Measures ours and its peers by turns; prints the median of each, and how many times faster (above 1) or slower
/// (below 1) ours is than each peer. Asserts nothing.
pub(crate) fn compare(ours: Work<'_>, peers: Vec<Work<'_>>) {
    let all: Vec<Work<'_>> = std::iter::once(ours).chain(peers).collect();
    let mut first = None;
    for ((name, _), median) in all.iter().zip(medians(&all)) {
        let is_first = first.is_none();
        let ours = *first.get_or_insert(median);
        let ratio = if is_first { String::new() } else { format!("{:8.2} ×", median / ours) };
        println!("{name:<52} {:>12.1} µs {ratio}", median * 1e6);
    }
}

fn repeats(run: &dyn Fn()) -> u32 {
    let mut repeats = 1_u32;
    while repeats < 1 << 20 && sample(run, repeats) * f64::from(repeats) < SAMPLE.as_secs_f64() {
        repeats = repeats.saturating_mul(2);
    }
    repeats
}

/// Seconds for one run, on average over the repeats.
fn sample(run: &dyn Fn(), repeats: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..repeats {
        run();
    }
    start.elapsed().as_secs_f64() / f64::from(repeats)
}
