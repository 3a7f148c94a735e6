//! SM3 by the instructions of x86-64 processors, each path behind its own detection.

#![expect(unsafe_code, reason = "code for instructions beyond the baseline may run only after their detection")]
#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "bits are reinterpreted, not changed; a lane is below 8 or 16 and a word below 16"
)]

use std::arch::x86_64::*;

use super::compress::{Block, ROUND, State, compress_portable, four};
use super::lanes::{States, Step};

/// Compresses with BMI1 and BMI2 (and-not, rotations into another register); false if the processor lacks them.
pub(super) fn compress_bmi2(state: &mut State, blocks: &[Block]) -> bool {
    #[target_feature(enable = "bmi1,bmi2")]
    fn compress(state: &mut State, blocks: &[Block]) {
        compress_portable(state, blocks);
    }
    if !(is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2")) {
        return false;
    }
    // SAFETY: both features were detected.
    unsafe { compress(state, blocks) };
    true
}

/// Eight lanes a vector, in one vector or two, where the processor has AVX2.
pub(super) fn avx2<const VECTORS: usize, const L: usize>() -> Option<Step<L>> {
    is_x86_feature_detected!("avx2").then_some(step_avx2::<VECTORS, L>)
}

/// Sixteen lanes a vector, in one vector or two, where the processor has AVX-512 F and BW.
pub(super) fn avx512<const VECTORS: usize, const L: usize>() -> Option<Step<L>> {
    let is_here = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    is_here.then_some(step_avx512::<VECTORS, L>)
}

/// W_(j+4) of all lanes, put in the place of W_(j-12) (GB/T 32905-2016 5.3.2).
macro_rules! expand512 {
    ($w:ident, $j:expr) => {
        let x = _mm512_ternarylogic_epi32::<XOR3>(
            $w[($j + 4) % 16],
            $w[($j + 11) % 16],
            _mm512_rol_epi32::<15>($w[($j + 1) % 16]),
        );
        let p1 = _mm512_ternarylogic_epi32::<XOR3>(x, _mm512_rol_epi32::<15>(x), _mm512_rol_epi32::<23>(x));
        let r7 = _mm512_rol_epi32::<7>($w[($j + 7) % 16]);
        $w[($j + 4) % 16] = _mm512_ternarylogic_epi32::<XOR3>(p1, r7, $w[($j + 14) % 16]);
    };
}

macro_rules! round512 {
    ($w:ident, $j:expr, $t:expr, $ff:ident, $gg:ident, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
        let a12 = _mm512_rol_epi32::<12>($a);
        let ss1 = _mm512_rol_epi32::<7>(_mm512_add_epi32(_mm512_add_epi32(a12, _mm512_set1_epi32($t as i32)), $e));
        let ff = _mm512_ternarylogic_epi32::<$ff>($a, $b, $c);
        let dw = _mm512_add_epi32($d, _mm512_xor_si512($w[($j) % 16], $w[($j + 4) % 16]));
        $d = _mm512_add_epi32(_mm512_add_epi32(dw, ff), _mm512_xor_si512(ss1, a12));
        let gg = _mm512_ternarylogic_epi32::<$gg>($e, $f, $g);
        let tt2 = _mm512_add_epi32(_mm512_add_epi32(_mm512_add_epi32($h, $w[($j) % 16]), gg), ss1);
        $h = _mm512_ternarylogic_epi32::<XOR3>(tt2, _mm512_rol_epi32::<9>(tt2), _mm512_rol_epi32::<17>(tt2));
        $b = _mm512_rol_epi32::<9>($b);
        $f = _mm512_rol_epi32::<19>($f);
    };
}

macro_rules! early512 {
    ($w:ident, $j:expr, $t:expr, $($names:ident)*) => {
        if ($j) >= 12 {
            expand512!($w, $j);
        }
        round512!($w, $j, $t, XOR3, XOR3, $($names)*);
    };
}

macro_rules! late512 {
    ($w:ident, $j:expr, $t:expr, $($names:ident)*) => {
        expand512!($w, $j);
        round512!($w, $j, $t, MAJORITY, CHOICE, $($names)*);
    };
}

/// Makes sixteen rounds, four of one vector and four of the next, so that one goes on while another waits.
macro_rules! sixteen {
    ($round:ident, $v:ident, $w:ident, $table:ident) => {
        sixteen!($round, $v, $w, $table, 0 4 8 12);
    };
    ($round:ident, $v:ident, $w:ident, $table:ident, $($j:literal)*) => {
        $(for (v, w) in $v.iter_mut().zip(&mut $w) {
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *v;
            four!($round, w, $table, $j, a b c d e f g h);
            *v = [a, b, c, d, e, f, g, h];
        })*
    };
}

/// Truth tables of three inputs.
const XOR3: i32 = 0x96;
const MAJORITY: i32 = 0xe8;
const CHOICE: i32 = 0xca;

/// The order of bytes that turns big-endian words into the processor's.
const SWAP: [u8; 16] = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];

/// See [`avx512`]. Two vectors hide how long each instruction takes.
fn step_avx512<const VECTORS: usize, const L: usize>(states: &mut States<L>, runs: &[&[Block]; L]) -> usize {
    #[target_feature(enable = "avx512f,avx512bw")]
    fn step<const VECTORS: usize, const L: usize>(states: &mut States<L>, runs: &[&[Block]; L]) -> usize {
        const { assert!(L == 16 * VECTORS) };
        let count = runs.iter().map(|run| run.len()).min().unwrap_or_default();
        let (groups, _) = runs.as_chunks::<16>();
        let mut v = [[_mm512_setzero_si512(); 8]; VECTORS];
        for (group, words) in v.iter_mut().enumerate() {
            for (vector, lanes) in words.iter_mut().zip(&*states) {
                // SAFETY: the array has 16 words, 64 bytes.
                *vector = unsafe { _mm512_loadu_si512(lanes.as_chunks::<16>().0[group].as_ptr().cast()) };
            }
        }
        for at in 0..count {
            let start = v;
            let mut w = [[_mm512_setzero_si512(); 16]; VECTORS];
            for (words, runs) in w.iter_mut().zip(groups) {
                *words = message512(runs, at);
            }
            let [first, others @ ..] = &ROUND;
            sixteen!(early512, v, w, first);
            for table in others {
                sixteen!(late512, v, w, table);
            }
            for (end, start) in v.as_flattened_mut().iter_mut().zip(start.as_flattened()) {
                *end = _mm512_xor_si512(*end, *start);
            }
        }
        for (group, words) in v.iter().enumerate() {
            for (vector, lanes) in words.iter().zip(&mut *states) {
                // SAFETY: the array has 16 words, 64 bytes.
                unsafe { _mm512_storeu_si512(lanes.as_chunks_mut::<16>().0[group].as_mut_ptr().cast(), *vector) };
            }
        }
        count
    }
    // SAFETY: `avx512` gives this function away only after it detected both features.
    unsafe { step::<VECTORS, L>(states, runs) }
}

/// Block `at` of every run, word by word. `at` must be below the length of each.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn message512(runs: &[&[Block]; 16], at: usize) -> [__m512i; 16] {
    // SAFETY: the array has 16 bytes.
    let swap = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(SWAP.as_ptr().cast()) });
    let mut rows = [_mm512_setzero_si512(); 16];
    for (row, run) in rows.iter_mut().zip(runs) {
        let block = &run[at];
        // SAFETY: a block has 64 bytes.
        *row = _mm512_shuffle_epi8(unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }, swap);
    }
    transposed512(&rows)
}

/// Word j of every row becomes row j.
#[target_feature(enable = "avx512f")]
#[inline]
fn transposed512(r: &[__m512i; 16]) -> [__m512i; 16] {
    let mut u = *r;
    for g in (0..16).step_by(4) {
        let (t0, t1) = (_mm512_unpacklo_epi32(r[g], r[g + 1]), _mm512_unpackhi_epi32(r[g], r[g + 1]));
        let (t2, t3) = (_mm512_unpacklo_epi32(r[g + 2], r[g + 3]), _mm512_unpackhi_epi32(r[g + 2], r[g + 3]));
        (u[g], u[g + 1]) = (_mm512_unpacklo_epi64(t0, t2), _mm512_unpackhi_epi64(t0, t2));
        (u[g + 2], u[g + 3]) = (_mm512_unpacklo_epi64(t1, t3), _mm512_unpackhi_epi64(t1, t3));
    }
    let mut w = *r;
    for c in 0..4 {
        let (even, odd) = (_mm512_shuffle_i32x4::<0x88>(u[c], u[c + 4]), _mm512_shuffle_i32x4::<0xdd>(u[c], u[c + 4]));
        let (even1, odd1) =
            (_mm512_shuffle_i32x4::<0x88>(u[c + 8], u[c + 12]), _mm512_shuffle_i32x4::<0xdd>(u[c + 8], u[c + 12]));
        (w[c], w[c + 8]) = (_mm512_shuffle_i32x4::<0x88>(even, even1), _mm512_shuffle_i32x4::<0xdd>(even, even1));
        (w[c + 4], w[c + 12]) = (_mm512_shuffle_i32x4::<0x88>(odd, odd1), _mm512_shuffle_i32x4::<0xdd>(odd, odd1));
    }
    w
}

/// The vector, each word rotated left.
macro_rules! rol256 {
    ($x:expr, $n:literal) => {{
        let x = $x;
        _mm256_or_si256(_mm256_slli_epi32::<$n>(x), _mm256_srli_epi32::<{ 32 - $n }>(x))
    }};
}

macro_rules! xor256 {
    ($x:expr, $y:expr) => { _mm256_xor_si256($x, $y) };
    ($x:expr, $y:expr, $($more:expr),+) => { xor256!(_mm256_xor_si256($x, $y), $($more),+) };
}

macro_rules! add256 {
    ($x:expr, $y:expr) => { _mm256_add_epi32($x, $y) };
    ($x:expr, $y:expr, $($more:expr),+) => { add256!(_mm256_add_epi32($x, $y), $($more),+) };
}

macro_rules! expand256 {
    ($w:ident, $j:expr) => {
        let x = xor256!($w[($j + 4) % 16], $w[($j + 11) % 16], rol256!($w[($j + 1) % 16], 15));
        let x8 = rol8(x);
        let p1 = xor256!(x, rol256!(xor256!(x, x8), 15));
        $w[($j + 4) % 16] = xor256!(p1, rol256!($w[($j + 7) % 16], 7), $w[($j + 14) % 16]);
    };
}

macro_rules! round256 {
    ($w:ident, $j:expr, $t:expr, $ff:expr, $gg:expr, $a:ident $b:ident $d:ident $e:ident $f:ident $h:ident) => {
        let a12 = rol256!($a, 12);
        let ss1 = rol256!(add256!(a12, _mm256_set1_epi32($t as i32), $e), 7);
        $d = add256!($d, xor256!($w[($j) % 16], $w[($j + 4) % 16]), $ff, xor256!(ss1, a12));
        let tt2 = add256!($h, $w[($j) % 16], $gg, ss1);
        $h = xor256!(tt2, rol256!(xor256!(tt2, rol8(tt2)), 9));
        $b = rol256!($b, 9);
        $f = rol256!($f, 19);
    };
}

macro_rules! early256 {
    ($w:ident, $j:expr, $t:expr, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
        if ($j) >= 12 {
            expand256!($w, $j);
        }
        round256!($w, $j, $t, xor256!($a, $b, $c), xor256!($e, $f, $g), $a $b $d $e $f $h);
    };
}

macro_rules! late256 {
    ($w:ident, $j:expr, $t:expr, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
        expand256!($w, $j);
        let (and, or) = (_mm256_and_si256($b, $c), _mm256_or_si256($b, $c));
        let majority = _mm256_or_si256(and, _mm256_and_si256($a, or));
        let choice = xor256!($g, _mm256_and_si256($e, xor256!($f, $g)));
        round256!($w, $j, $t, majority, choice, $a $b $d $e $f $h);
    };
}

/// The order of bytes that rotates each word left by 8.
const ROTATE8: [u8; 16] = [3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14];

#[target_feature(enable = "avx2")]
#[inline]
fn shuffled(x: __m256i, order: &[u8; 16]) -> __m256i {
    // SAFETY: the array has 16 bytes.
    let order = unsafe { _mm_loadu_si128(order.as_ptr().cast()) };
    _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(order))
}

#[target_feature(enable = "avx2")]
#[inline]
fn rol8(x: __m256i) -> __m256i {
    shuffled(x, &ROTATE8)
}

/// See [`avx2`].
fn step_avx2<const VECTORS: usize, const L: usize>(states: &mut States<L>, runs: &[&[Block]; L]) -> usize {
    #[target_feature(enable = "avx2")]
    fn step<const VECTORS: usize, const L: usize>(states: &mut States<L>, runs: &[&[Block]; L]) -> usize {
        const { assert!(L == 8 * VECTORS) };
        let count = runs.iter().map(|run| run.len()).min().unwrap_or_default();
        let (groups, _) = runs.as_chunks::<8>();
        let mut v = [[_mm256_setzero_si256(); 8]; VECTORS];
        for (group, words) in v.iter_mut().enumerate() {
            for (vector, lanes) in words.iter_mut().zip(&*states) {
                // SAFETY: the array has 8 words, 32 bytes.
                *vector = unsafe { _mm256_loadu_si256(lanes.as_chunks::<8>().0[group].as_ptr().cast()) };
            }
        }
        for at in 0..count {
            let start = v;
            let mut w = [[_mm256_setzero_si256(); 16]; VECTORS];
            for (words, runs) in w.iter_mut().zip(groups) {
                *words = message256(runs, at);
            }
            let [first, others @ ..] = &ROUND;
            sixteen!(early256, v, w, first);
            for table in others {
                sixteen!(late256, v, w, table);
            }
            for (end, start) in v.as_flattened_mut().iter_mut().zip(start.as_flattened()) {
                *end = _mm256_xor_si256(*end, *start);
            }
        }
        for (group, words) in v.iter().enumerate() {
            for (vector, lanes) in words.iter().zip(&mut *states) {
                // SAFETY: the array has 8 words, 32 bytes.
                unsafe { _mm256_storeu_si256(lanes.as_chunks_mut::<8>().0[group].as_mut_ptr().cast(), *vector) };
            }
        }
        count
    }
    // SAFETY: `avx2` gives this function away only after it detected the feature.
    unsafe { step::<VECTORS, L>(states, runs) }
}

/// Block `at` of every run, word by word. `at` must be below the length of each.
#[target_feature(enable = "avx2")]
#[inline]
fn message256(runs: &[&[Block]; 8], at: usize) -> [__m256i; 16] {
    let mut words = [_mm256_setzero_si256(); 16];
    for (half, rows) in words.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        for (row, run) in rows.iter_mut().zip(runs) {
            let octets = &run[at].as_chunks::<32>().0[half];
            // SAFETY: half a block has 32 bytes.
            *row = shuffled(unsafe { _mm256_loadu_si256(octets.as_ptr().cast()) }, &SWAP);
        }
        *rows = transposed256(rows);
    }
    words
}

/// Word j of every row becomes row j.
#[target_feature(enable = "avx2")]
#[inline]
fn transposed256(r: &[__m256i; 8]) -> [__m256i; 8] {
    let mut u = *r;
    for g in [0, 4] {
        let (t0, t1) = (_mm256_unpacklo_epi32(r[g], r[g + 1]), _mm256_unpackhi_epi32(r[g], r[g + 1]));
        let (t2, t3) = (_mm256_unpacklo_epi32(r[g + 2], r[g + 3]), _mm256_unpackhi_epi32(r[g + 2], r[g + 3]));
        (u[g], u[g + 1]) = (_mm256_unpacklo_epi64(t0, t2), _mm256_unpackhi_epi64(t0, t2));
        (u[g + 2], u[g + 3]) = (_mm256_unpacklo_epi64(t1, t3), _mm256_unpackhi_epi64(t1, t3));
    }
    let mut w = *r;
    for c in 0..4 {
        w[c] = _mm256_permute2x128_si256::<0x20>(u[c], u[c + 4]);
        w[c + 4] = _mm256_permute2x128_si256::<0x31>(u[c], u[c + 4]);
    }
    w
}
