//! The one door of randomness: an argument, so that a dead generator stops the caller and tests can repeat themselves.
//!
//! [`SystemRandom`] is the operating system's generator; a device gives another [`Random`]. Whatever it is stands
//! behind [`HealthChecked`], which watches the octets as they come and shuts the door for good when they look wrong.
//! No generator of our own: nothing is mixed, stretched or corrected here.

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};
use std::sync::{Mutex, OnceLock, PoisonError};

use zeroize::Zeroize as _;

/// The generator could not give random bytes; nothing secret may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes could be had from the operating system")]
pub struct RandomUnavailable;

/// A source of unpredictable bytes.
pub trait Random: Send + Sync {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// The source failed; the buffer must not be used.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable>;
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for randomness")]
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        getrandom::fill(buffer).map_err(|_| RandomUnavailable)
    }
}

/// That many random bytes, as an array.
///
/// # Errors
/// The source failed.
pub fn array<const N: usize>(random: &dyn Random) -> Result<[u8; N], RandomUnavailable> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// A generator that never gives anything, to prove that callers fail closed.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeadRandom;

impl Random for DeadRandom {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomUnavailable> {
        Err(RandomUnavailable)
    }
}

/// Why a generator is not trusted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HealthFailure {
    /// One octet came too often in a row.
    #[error("the generator repeats an octet (repetition count test, SP 800-90B 4.4.1)")]
    Repetition,
    /// One octet came too often among 512.
    #[error("the generator prefers an octet (adaptive proportion test, SP 800-90B 4.4.2)")]
    Proportion,
    /// 32 octets came again within 2 KiB.
    #[error("the generator repeats a block")]
    Block,
    /// Too many or too few ones in the sample at start.
    #[error("the generator prefers a bit (monobit test at start)")]
    Monobit,
    /// The octets of the sample at start are spread too unevenly, or too evenly.
    #[error("the generator spreads its octets wrongly (poker test at start)")]
    Poker,
    /// The generator gave nothing at start.
    #[error("the generator gives nothing")]
    Silent,
}

/// A source of randomness that is watched.
///
/// Two tests of NIST SP 800-90B 4.4 run on every octet, here at the output of a generator that is expected to be
/// perfect (8 bits of entropy for each octet): the repetition count test and the adaptive proportion test. A third
/// one compares each 32 octets with the 64 blocks before, which finds a generator whose state does not move on. What a
/// health test finds is remembered: nothing is ever given out again. A source that says itself that it failed is
/// believed, and asked again next time: a device can come back.
///
/// A false alarm has a chance of 2⁻⁶⁴ for each octet and window and 2⁻⁵⁸ for each block: of one in a million in a year
/// at a million octets a second. SP 800-90B recommends 2⁻²⁰ to 2⁻⁴⁰ for noise sources; here an alarm ends the service.
///
/// Not found: a generator that is predictable and looks random. No statistical test finds that.
#[derive(Debug)]
pub struct HealthChecked<R> {
    source: R,
    watch: Mutex<Watch>,
    failure: OnceLock<HealthFailure>,
}

/// Octets of the sample at start: 2¹⁷ bits. GM/T 0062 (recollection) asks for tests at power-on, on use, and without pause.
const START_SAMPLE: usize = 16_384;
/// How far the ones may lie from 65536: 9.16 standard deviations of 181, so 2⁻⁶⁴.
const MONOBIT_BOUND: u64 = 1_658;
/// Bounds of χ² with 255 degrees of freedom, 2⁻⁶⁴ on each side.
const POKER_BOUNDS: (u64, u64) = (100, 518);

impl<R: Random> HealthChecked<R> {
    /// Watches a source from now on.
    #[must_use]
    pub fn new(source: R) -> Self {
        Self { source, watch: Mutex::new(Watch::new()), failure: OnceLock::new() }
    }

    /// Takes a sample of 16 KiB through the watch and judges it by the monobit test and the poker test on octets
    /// (GB/T 32915 as recollection). A failure is remembered like any other.
    ///
    /// # Errors
    /// What is wrong with the source.
    pub fn check_at_start(&self) -> Result<(), HealthFailure> {
        match check_sample(self) {
            Ok(()) => Ok(()),
            Err(HealthFailure::Silent) => Err(self.failure().unwrap_or(HealthFailure::Silent)),
            Err(failure) => Err(*self.failure.get_or_init(|| failure)),
        }
    }

    /// Why nothing is given out any more, where a health test found something.
    #[must_use]
    pub fn failure(&self) -> Option<HealthFailure> {
        self.failure.get().copied()
    }
}

impl<R: Random> Random for HealthChecked<R> {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        if self.failure.get().is_some() {
            return Err(RandomUnavailable);
        }
        // What the caller left in the buffer must not pass for what the source gave.
        buffer.fill(0);
        let drawn = self.source.fill(buffer);
        if drawn.is_err() {
            buffer.zeroize();
            return drawn;
        }
        // No code below can panic with the lock in hand; a poisoned watch is as good as another.
        let judged = self.watch.lock().unwrap_or_else(PoisonError::into_inner).see(buffer);
        if let Err(failure) = judged {
            self.failure.get_or_init(|| failure);
        }
        if self.failure.get().is_some() {
            buffer.zeroize();
            return Err(RandomUnavailable);
        }
        Ok(())
    }
}

/// Equal octets in a row that are refused: 1 + 64 bits / 8 bits (SP 800-90B 4.4.1).
const REPETITION_CUTOFF: u32 = 9;
/// Octets of a window of the adaptive proportion test (SP 800-90B 4.4.2, not binary).
const WINDOW: u32 = 512;
/// Octets equal to a window's first, itself included, that are refused: 26 further ones of 511 have a chance of 2⁻⁶⁶.
const PROPORTION_CUTOFF: u32 = 27;
/// Octets of a block.
const BLOCK: u32 = 32;
/// Blocks that are remembered.
const BLOCKS: usize = 64;

/// What the continuous tests remember. Of the octets given out only the last one and a window's first; blocks are kept
/// as 64 bits of a hash under a key of this process, so that the memory of the watch does not tell what was drawn.
#[derive(Debug)]
struct Watch {
    last: Option<u8>,
    run: u32,
    window_first: u8,
    window_seen: u32,
    window_equal: u32,
    key: RandomState,
    block: DefaultHasher,
    block_seen: u32,
    blocks: [Option<u64>; BLOCKS],
    next: usize,
}

impl Watch {
    fn new() -> Self {
        let key = RandomState::new();
        let block = key.build_hasher();
        let (last, run, window_first, window_seen, window_equal) = (None, 0, 0, 0, 0);
        let (block_seen, blocks, next) = (0, [None; BLOCKS], 0);
        Self { last, run, window_first, window_seen, window_equal, key, block, block_seen, blocks, next }
    }

    fn see(&mut self, octets: &[u8]) -> Result<(), HealthFailure> {
        for octet in octets {
            self.see_octet(*octet)?;
        }
        Ok(())
    }

    fn see_octet(&mut self, octet: u8) -> Result<(), HealthFailure> {
        self.run = if self.last == Some(octet) { self.run.saturating_add(1) } else { 1 };
        self.last = Some(octet);
        if self.run >= REPETITION_CUTOFF {
            return Err(HealthFailure::Repetition);
        }
        if self.window_seen == 0 {
            (self.window_first, self.window_equal) = (octet, 0);
        }
        if octet == self.window_first {
            self.window_equal = self.window_equal.saturating_add(1);
            if self.window_equal >= PROPORTION_CUTOFF {
                return Err(HealthFailure::Proportion);
            }
        }
        self.window_seen = self.window_seen.wrapping_add(1) % WINDOW;
        self.block.write_u8(octet);
        self.block_seen = self.block_seen.saturating_add(1);
        if self.block_seen == BLOCK { self.see_block() } else { Ok(()) }
    }

    fn see_block(&mut self) -> Result<(), HealthFailure> {
        let hash = std::mem::replace(&mut self.block, self.key.build_hasher()).finish();
        self.block_seen = 0;
        if self.blocks.contains(&Some(hash)) {
            return Err(HealthFailure::Block);
        }
        if let Some(oldest) = self.blocks.get_mut(self.next) {
            *oldest = Some(hash);
        }
        self.next = self.next.wrapping_add(1) % BLOCKS;
        Ok(())
    }
}

/// Judges 16 KiB of a source by the monobit test and the poker test on octets, once.
///
/// # Errors
/// What is wrong with them; [`HealthFailure::Silent`] where there are none.
pub fn check_sample(random: &dyn Random) -> Result<(), HealthFailure> {
    let mut sample = vec![0; START_SAMPLE];
    random.fill(&mut sample).map_err(|_| HealthFailure::Silent)?;
    let judged = judge_sample(&sample);
    sample.zeroize();
    judged
}

/// Monobit and poker test (m = 8).
fn judge_sample(sample: &[u8]) -> Result<(), HealthFailure> {
    let ones = sample.iter().map(|octet| u64::from(octet.count_ones())).sum::<u64>();
    let octets = u64::try_from(sample.len()).unwrap_or(u64::MAX);
    if ones.abs_diff(octets.saturating_mul(4)) > MONOBIT_BOUND {
        return Err(HealthFailure::Monobit);
    }
    let mut counts = [0_u64; 256];
    for octet in sample {
        if let Some(count) = counts.get_mut(usize::from(*octet)) {
            *count = count.saturating_add(1);
        }
    }
    // χ² = 256/N · Σ count² − N.
    let squares = counts.iter().map(|count| count.saturating_mul(*count)).sum::<u64>();
    let chi_squared = squares.saturating_mul(256).checked_div(octets).unwrap_or(0).saturating_sub(octets);
    if (POKER_BOUNDS.0..=POKER_BOUNDS.1).contains(&chi_squared) { Ok(()) } else { Err(HealthFailure::Poker) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A generator whose n-th octet is given by a rule over the system's octet.
    struct Ruled<F: Fn(usize, u8) -> u8 + Send + Sync>(AtomicUsize, F);

    impl<F: Fn(usize, u8) -> u8 + Send + Sync> Random for Ruled<F> {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
            SystemRandom.fill(buffer)?;
            for octet in buffer {
                *octet = (self.1)(self.0.fetch_add(1, Ordering::Relaxed), *octet);
            }
            Ok(())
        }
    }

    fn ruled<F: Fn(usize, u8) -> u8 + Send + Sync>(rule: F) -> HealthChecked<Ruled<F>> {
        HealthChecked::new(Ruled(AtomicUsize::new(0), rule))
    }

    /// Octets drawn, 24 at a time, until the door shuts, and why.
    fn until_refused<R: Random>(random: &HealthChecked<R>, most: usize) -> (usize, Option<HealthFailure>) {
        for drawn in (0..most).step_by(24) {
            let mut buffer = [0xaa; 24];
            if random.fill(&mut buffer) == Err(RandomUnavailable) {
                assert_eq!(buffer, [0; 24], "nothing is left of what was drawn");
                let failure = random.failure();
                assert_eq!(random.fill(&mut buffer), Err(RandomUnavailable), "and it stays shut");
                assert_eq!(random.failure(), failure);
                return (drawn, failure);
            }
        }
        (most, random.failure())
    }

    #[test]
    fn the_system_passes() {
        let random = HealthChecked::new(SystemRandom);
        assert_eq!(random.check_at_start(), Ok(()));
        assert_eq!(until_refused(&random, 2_000_000).1, None);
    }

    #[test]
    fn a_stuck_generator_is_shut_at_the_ninth_octet() {
        assert_eq!(until_refused(&ruled(|_, _| 0x5a), 100_000), (0, Some(HealthFailure::Repetition)));
        let eight = ruled(|n, octet| if n < 8 { 1 } else { octet | 2 });
        assert_eq!(eight.fill(&mut [0; 8]), Ok(()), "eight in a row are let through");
        let later = ruled(|n, octet| if n < 48_000 { octet } else { 0 });
        let (drawn, why) = until_refused(&later, 100_000);
        assert_eq!(why, Some(HealthFailure::Repetition));
        assert_eq!(drawn, 48_000);
    }

    #[test]
    fn a_biased_generator_is_shut_within_a_few_windows() {
        // Each fourth octet is the same one.
        let (drawn, why) = until_refused(&ruled(|n, octet| if n % 4 == 0 { 0x42 } else { octet }), 100_000);
        assert_eq!(why, Some(HealthFailure::Proportion));
        assert!(drawn < 512, "{drawn}");
        // Digits only: each of ten octets has a tenth, 51 of 512.
        let (drawn, why) = until_refused(&ruled(|_, octet| b'0' + octet % 10), 100_000);
        assert_eq!(why, Some(HealthFailure::Proportion));
        assert!(drawn < 512, "{drawn}");
    }

    #[test]
    fn a_generator_that_comes_round_again_is_shut_at_once() {
        // Periods as a snapshot or a counter that stands still would make, whatever the callers draw.
        for period in [16, 24, 31, 32, 33, 48, 61, 64, 512, 1024, 2048] {
            let first: Vec<u8> = (0..period).map(|n| u8::try_from(n * 7919 % 251).unwrap()).collect();
            let scrambled = ruled(move |n, _| first[n % period].wrapping_mul(167) ^ first[(n + 5) % period]);
            let (drawn, why) = until_refused(&scrambled, 100_000);
            assert!(matches!(why, Some(HealthFailure::Block | HealthFailure::Proportion)), "{period}: {why:?}");
            assert!(drawn <= 2048 + 64, "{period}: {drawn}");
        }
    }

    #[test]
    fn the_sample_at_start_finds_what_the_continuous_tests_let_pass() {
        // Three bits in eight are ones, none of the octets too often.
        let tilted = ruled(|n, octet| if n % 3 == 0 { octet & 0x7f } else { octet });
        assert_eq!(tilted.check_at_start(), Err(HealthFailure::Monobit));
        assert_eq!(tilted.fill(&mut [0; 1]), Err(RandomUnavailable));
        // Every octet has four ones: as many ones as zeros, but 70 octets of 256.
        let four: Vec<u8> = (0..=255_u8).filter(|octet| octet.count_ones() == 4).collect();
        let uneven = ruled(move |_, octet| four[usize::from(octet) % four.len()]);
        assert_eq!(uneven.check_at_start(), Err(HealthFailure::Poker));
        // A counter spreads its octets too evenly.
        let counter = ruled(|n, _| u8::try_from((n + n / 256) % 256).unwrap());
        let failure = counter.check_at_start().unwrap_err();
        assert_eq!(failure, HealthFailure::Poker);
        assert_eq!(counter.failure(), Some(failure));
    }

    #[test]
    fn a_source_that_fails_by_itself_is_believed_and_asked_again() {
        struct Dying(AtomicUsize);
        impl Random for Dying {
            fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
                if self.0.fetch_add(1, Ordering::Relaxed) == 1 {
                    Err(RandomUnavailable)
                } else {
                    SystemRandom.fill(buffer)
                }
            }
        }
        let random = HealthChecked::new(Dying(AtomicUsize::new(0)));
        let mut buffer = [7; 16];
        assert_eq!(random.fill(&mut buffer), Ok(()));
        assert_eq!(random.fill(&mut buffer), Err(RandomUnavailable));
        assert_eq!((buffer, random.failure()), ([0; 16], None));
        assert_eq!(random.fill(&mut buffer), Ok(()));
        let dead = HealthChecked::new(DeadRandom);
        assert_eq!(dead.check_at_start(), Err(HealthFailure::Silent));
        assert_eq!(dead.failure(), None);
    }
}
