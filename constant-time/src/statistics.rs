//! Whether two classes of secrets take different times: a statistical test of our own after Reparaz, Balasch and
//! Verbauwhede, "Dude, is my code constant time?" (2017).
//!
//! One class always has the same secret, the other a new one each time; a coin decides before each measurement. Inputs
//! are made beforehand and copied to one place, so that neither class has its own addresses. Welch's t compares the means
//! of the times, and of the squares of their deviations, below many percentiles: what disturbs a shared machine sits in the
//! slowest measurements. A subject leaks when |t| reaches 4.5 twice in a row in independent data, the second time over twice as
//! long; by chance that happens less than once in a million subjects.

use std::time::{Duration, Instant};

use crate::Outcome;

/// Above this |t| chance is no explanation (p < 10⁻⁵), said twice.
const SUSPICIOUS: f64 = 4.5;
/// Measurements without which nothing is said, however long they take.
const ENOUGH: usize = 10_000;
/// Percentiles below which the means are compared; the last is the whole.
const CROPS: usize = 60;
/// First the means, then the squares of deviations below this crop.
const SECOND_ORDER_CROP: usize = CROPS / 4;
/// Tests of one run.
const TESTS: usize = CROPS + 2;

/// Whose secret a measurement uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same every time.
    Fixed,
    /// Another every time.
    Random,
}

/// The coin, and whatever needs no better randomness. SplitMix64.
pub struct Coin(u64);

impl Coin {
    /// Seeded by the system.
    pub fn new() -> Self {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("the system gives randomness");
        Self(u64::from_le_bytes(seed))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// That many bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_le_bytes()[7])
    }
}

/// Makes inputs for the classes, runs each after reading the ballast, gives the times in ticks.
type Measure = dyn FnMut(&[Class], &mut Coin, &[u64], &mut Vec<u64>);

/// One thing to measure.
pub struct Subject {
    /// What `--only` names, from its beginning.
    pub name: String,
    /// What differs between the classes.
    pub classes: &'static str,
    /// Whether the leaky build leaks here, and must be found out.
    pub leaks_when_leaky: bool,
    measure: Box<Measure>,
    /// Read before each run.
    evict: Vec<u64>,
}

impl Subject {
    /// `prepare` makes the input of a class, which `run` may use up; only `run` is measured.
    pub fn new<I: 'static, O>(
        name: impl Into<String>,
        classes: &'static str,
        prepare: impl Fn(Class, &mut Coin) -> I + 'static,
        run: impl Fn(&mut I) -> O + 'static,
    ) -> Self {
        let measure = move |classes: &[Class], coin: &mut Coin, evict: &[u64], times: &mut Vec<u64>| {
            let mut inputs = classes.iter().map(|class| prepare(*class, coin)).collect::<Vec<_>>();
            times.clear();
            for input in &mut inputs {
                std::hint::black_box(evict.iter().step_by(8).fold(0, |sum: u64, word| sum.wrapping_add(*word)));
                let input = std::hint::black_box(input);
                let start = ticks();
                let out = run(input);
                let end = ticks();
                std::hint::black_box(out);
                times.push(end.saturating_sub(start));
            }
        };
        Self { name: name.into(), classes, leaks_when_leaky: false, evict: Vec::new(), measure: Box::new(measure) }
    }

    /// The same, with the first-level cache emptied of our tables before each run, as a neighbour would do.
    pub fn evicted(mut self) -> Self {
        self.evict = vec![1; 1 << 14];
        self
    }

    /// The same, and the leaky build leaks here.
    pub fn leaky(mut self) -> Self {
        self.leaks_when_leaky = true;
        self
    }
}

/// The processor's counter, after everything before it and before everything behind it.
#[cfg(target_arch = "x86_64")]
fn ticks() -> u64 {
    use core::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: both instructions are part of every x86-64 processor and touch no memory.
    unsafe {
        _mm_lfence();
        let count = _rdtsc();
        _mm_lfence();
        count
    }
}

/// Nanoseconds, on other machines.
#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    use std::sync::LazyLock;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Mean and variance of one class, as they come (Welford).
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        if self.count > 1.0 { self.squares / (self.count - 1.0) } else { 0.0 }
    }
}

/// Two classes under one test.
#[derive(Clone, Copy, Default)]
struct Welch {
    fixed: Moments,
    random: Moments,
}

impl Welch {
    fn of(&mut self, class: Class) -> &mut Moments {
        if class == Class::Fixed { &mut self.fixed } else { &mut self.random }
    }

    /// Welch's t, or 0 while there is too little to say.
    fn t(&self) -> f64 {
        let error = self.fixed.variance() / self.fixed.count + self.random.variance() / self.random.count;
        if self.fixed.count < 1000.0 || self.random.count < 1000.0 || error <= 0.0 {
            return 0.0;
        }
        (self.fixed.mean - self.random.mean) / error.sqrt()
    }
}

/// What one run of a subject found.
struct Run {
    measurements: usize,
    tests: [Welch; TESTS],
    median: f64,
}

impl Run {
    /// The largest |t| of all tests.
    fn worst(&self) -> f64 {
        self.tests.iter().map(|test| test.t().abs()).fold(0.0, f64::max)
    }
}

/// Measures for that long.
fn measure(subject: &mut Subject, budget: Duration, coin: &mut Coin) -> Run {
    let started = Instant::now();
    let mut times = Vec::new();
    let toss = |coin: &mut Coin| if coin.next() & 1 == 0 { Class::Fixed } else { Class::Random };
    let draw = |count: usize, coin: &mut Coin| (0..count).map(|_| toss(coin)).collect::<Vec<_>>();

    // Twice to warm up; the second time says where to crop.
    let classes = draw(1000, coin);
    (subject.measure)(&classes, coin, &subject.evict, &mut times);
    (subject.measure)(&classes, coin, &subject.evict, &mut times);
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize] as f64;
    let median = at(0.5);
    // Denser towards the slow end: 1 - 2^(-10 (i+1) / CROPS), as in the paper's own program.
    let fresh = |index| at(1.0 - 0.5_f64.powf(10.0 * (index + 1) as f64 / CROPS as f64));
    let whole = |index| if index + 1 == CROPS { f64::INFINITY } else { fresh(index) };
    let crops: [f64; CROPS] = std::array::from_fn(whole);

    let mut run = Run { measurements: 0, tests: [Welch::default(); TESTS], median };
    while started.elapsed() < budget || run.measurements < ENOUGH {
        let classes = draw(1000, coin);
        (subject.measure)(&classes, coin, &subject.evict, &mut times);
        for (class, time) in classes.iter().zip(&times) {
            let time = *time as f64;
            for (test, crop) in run.tests.iter_mut().zip(crops) {
                if time <= crop {
                    test.of(*class).add(time);
                }
            }
            // Squares of deviations, once the means are settled.
            if run.measurements > 5000 {
                for (second, crop) in [(CROPS, SECOND_ORDER_CROP), (CROPS + 1, CROPS - 1)] {
                    if time <= crops[crop] {
                        let deviation = time - run.tests[crop].of(*class).mean;
                        run.tests[second].of(*class).add(deviation * deviation);
                    }
                }
            }
            run.measurements += 1;
        }
    }
    run
}

/// Measures every subject, or the one named, and the control; prints a line for each.
///
/// In the normal build a leak anywhere is [`Outcome::Leak`]; in the leaky build that is so when every subject that leaks there was found,
/// and [`Outcome::Blind`] when one was missed.
pub fn run(subjects: Vec<Subject>, seconds: f64, only: Option<&str>) -> Option<Outcome> {
    let (mut leak, mut blind, mut any) = (false, false, false);
    let mut coin = Coin::new();
    println!(
        "{:<28} {:>9} {:>12} {:>8} {:>8}  {:<14} classes",
        "subject", "ticks", "measured", "max |t|", "again", "verdict"
    );
    for mut subject in subjects {
        let is_control = subject.name == "control";
        if only.is_some_and(|name| !subject.name.starts_with(name)) && !is_control {
            continue;
        }
        any |= !is_control;
        let budget = Duration::from_secs_f64(if is_control { seconds.min(1.0) } else { seconds });
        let expected = is_control || (cfg!(yinxin_leaky) && subject.leaks_when_leaky);
        // What is meant to be found gets more time on a busy machine: a leak grows with the root of the measurements.
        let efforts: &[u32] = if expected { &[1, 2, 4, 8] } else { &[1] };
        let (mut measurements, mut median, mut t, mut again) = (0, 0.0, 0.0, None);
        for effort in efforts {
            let first = measure(&mut subject, budget * *effort, &mut coin);
            (measurements, median, t) = (measurements + first.measurements, first.median, first.worst());
            again = (t >= SUSPICIOUS).then(|| measure(&mut subject, budget * *effort * 2, &mut coin)).map(|second| {
                measurements += second.measurements;
                second.worst()
            });
            if again.is_some_and(|t| t >= SUSPICIOUS) {
                break;
            }
        }
        let leaks = again.is_some_and(|t| t >= SUSPICIOUS);
        let verdict = match (leaks, expected) {
            (true, true) => "LEAK, as meant",
            (true, false) => "LEAK",
            (false, true) => "MISSED",
            (false, false) => "no evidence",
        };
        leak |= leaks && !is_control;
        blind |= expected && !leaks;
        let again = again.map_or_else(|| "-".to_owned(), |t| format!("{t:.1}"));
        println!(
            "{:<28} {:>9.0} {measurements:>12} {:>8.1} {again:>8}  {verdict:<14} {}",
            subject.name, median, t, subject.classes
        );
    }
    match (any, blind, leak) {
        (false, ..) => None,
        (_, true, _) => Some(Outcome::Blind),
        (.., true) => Some(Outcome::Leak),
        _ => Some(Outcome::Clean),
    }
}
