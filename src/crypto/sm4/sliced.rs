//! SM4 on many blocks with AES-NI, byte by byte: a vector holds one byte of the state of each block.
//!
//! So the rotations by whole bytes, of which L mostly consists, cost nothing. Two more things save work in a round.
//!
//! Words stay in the field of AES: a word x of GB/T 32907 6.1 stands here as IN·x, byte by byte. Nothing is left to do
//! before AESENCLAST. Behind it stand two maps that include the way back and forth. Let P shift a byte left by 2 and Q
//! shift it right by 6. Then, with OUT after AESENCLAST and IN before the next one, F = IN·(1 + P)·OUT and
//! G = IN·(1 + Q)·OUT give all of L: each byte of L is the sum of the other three bytes of w = G(z) + F(z) <<< 24.
//!
//! AESENCLAST adds the round keys, after its inversion, on behalf of later rounds: each word of the state carries a
//! mask. The masks of the words that enter a round add up to the round key (see [`Folded`]).
//!
//! Constant time as in `x86_64`: no address and no branch depends on a key or a text.
#![expect(clippy::indexing_slicing, reason = "arrays of 8, 16, 32 and 36 entries under constant or counted indices")]
#![expect(clippy::as_conversions, reason = "in constant evaluation, where `From` cannot be called")]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_and_si128, _mm_set_epi8, _mm_set_epi32, _mm_set1_epi8, _mm_set1_epi32,
    _mm_shuffle_epi8, _mm_srli_epi16, _mm_unpackhi_epi32, _mm_unpackhi_epi64, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
    _mm_xor_si128,
};

use zeroize::Zeroizing;

use crate::crypto::sm4::portable::linear;
use crate::crypto::sm4::x86_64::{
    IN, IN_CONSTANT, OUT_OF_AES, OUT_OF_AES_CONSTANT, constant, halves, read, words, write,
};
use crate::crypto::sm4::{BLOCK_LEN, Block};

/// A linear map of bytes as two tables, for the lower and the upper half of the byte.
type Halves = [[u8; 16]; 2];

/// The product of a matrix and a byte; the lowest bit comes from the highest byte, as in [`IN`].
const fn times(matrix: u64, x: u8) -> u8 {
    let rows = matrix.to_be_bytes();
    let (mut out, mut bit) = (0, 0);
    while bit < 8 {
        out |= ((rows[bit] & x).count_ones() as u8 & 1) << bit;
        bit += 1;
    }
    out
}

/// The product of two matrices.
const fn product(a: u64, b: u64) -> u64 {
    let (rows, of_b) = (a.to_be_bytes(), b.to_be_bytes());
    let mut out = [0; 8];
    let mut at = 0;
    while at < 64 {
        if rows[at / 8] >> (at % 8) & 1 == 1 {
            out[at / 8] ^= of_b[at % 8];
        }
        at += 1;
    }
    u64::from_be_bytes(out)
}

/// The inverse of a matrix: its columns are what the matrix takes to a single bit.
const fn inverse(matrix: u64) -> u64 {
    let mut rows = [0; 8];
    let mut at = 0;
    while at < 64 {
        let mut x = 0;
        while times(matrix, x) != 1 << (at / 8) {
            x += 1;
        }
        rows[at % 8] |= (x >> (at % 8) & 1) << (at / 8);
        at += 1;
    }
    u64::from_be_bytes(rows)
}

/// 1 + P.
const WITH_LEFT: u64 = 0x0102_0408_1020_4080 ^ 0x0000_0102_0408_1020;
/// 1 + Q.
const WITH_RIGHT: u64 = 0x0102_0408_1020_4080 ^ 0x4080_0000_0000_0000;

static F: Halves = halves(product(IN, product(WITH_LEFT, OUT_OF_AES)), 0);
static G: Halves = halves(product(IN, product(WITH_RIGHT, OUT_OF_AES)), 0);
/// Into the field of AES, and back.
static ENTER: Halves = halves(IN, 0);
static LEAVE: Halves = halves(inverse(IN), 0);
static BEFORE_OUT: Halves = halves(inverse(OUT_OF_AES), 0);

/// The PSHUFB mask that undoes AES's ShiftRows (FIPS 197 5.1.2).
static UNDO_SHIFT_ROWS: [u8; 16] = [0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3];

/// A byte four times.
const fn four_times(x: u8) -> u32 {
    u32::from_be_bytes([x; 4])
}

/// What IN adds to each word.
const IN_WORD: u32 = four_times(IN_CONSTANT);
/// What OUT adds becomes this behind L, which rotates a word of four equal bytes by 2, and IN.
const OUT_WORD: u32 = four_times(times(IN, OUT_OF_AES_CONSTANT.rotate_left(2)));

/// The part of a counter block that counts.
const LOW_WORD: u128 = 0xffff_ffff;

/// Round keys as AESENCLAST adds them.
///
/// Word i carries the mask mᵢ, with mᵢ₊₁ + mᵢ₊₂ + mᵢ₊₃ = IN(rkᵢ); m₃₃, m₃₄, m₃₅ and m₀ are zero.
struct Folded {
    /// What the maps behind AESENCLAST take to mᵢ + mᵢ₊₄ and what OUT adds.
    rounds: Zeroizing<[u32; 32]>,
    /// m₀ to m₃.
    first: Zeroizing<[u32; 4]>,
    /// m₃₂ to m₃₅.
    last: Zeroizing<[u32; 4]>,
}

impl Folded {
    #[target_feature(enable = "ssse3")]
    fn new(keys: &[u32; 32]) -> Self {
        let mut rounds = Zeroizing::new(*keys);
        map_words(&mut *rounds, &ENTER);
        let mut masks = Zeroizing::new([0; 36]);
        for (round, key) in rounds.iter().enumerate().rev() {
            masks[round + 1] = key ^ IN_WORD ^ masks[round + 2] ^ masks[round + 3];
        }
        for (round, key) in rounds.iter_mut().enumerate() {
            *key = masks[round] ^ masks[round + 4] ^ OUT_WORD;
        }
        map_words(&mut *rounds, &LEAVE);
        for x in &mut *rounds {
            // L¹⁶ = 1, L² = 1 + <<< 16 + <<< 20, L⁴ = <<< 8: this is L¹⁵.
            let y = linear(*x);
            *x = (y ^ y.rotate_left(16) ^ y.rotate_left(20)).rotate_left(24);
        }
        map_words(&mut *rounds, &BEFORE_OUT);
        let [m0, m1, m2, m3, .., m32, m33, m34, m35] = *masks;
        Self { rounds, first: Zeroizing::new([m0, m1, m2, m3]), last: Zeroizing::new([m32, m33, m34, m35]) }
    }
}

/// The map on each byte of the words.
#[target_feature(enable = "ssse3")]
fn map_words(words: &mut [u32], [low, high]: &Halves) {
    let half = _mm_set1_epi8(0x0f);
    for four in words.as_chunks_mut::<4>().0 {
        let x = read(four);
        let low = _mm_shuffle_epi8(constant(low), _mm_and_si128(x, half));
        let high = _mm_shuffle_epi8(constant(high), _mm_and_si128(_mm_srli_epi16::<4>(x), half));
        write(four, _mm_xor_si128(low, high));
    }
}

/// The bytes of sixteen numbers that count up, highest bytes first.
#[inline]
#[target_feature(enable = "ssse3")]
fn count_up(first: u32) -> [__m128i; 4] {
    let first = _mm_set1_epi32(first.cast_signed());
    let gather = _mm_set_epi8(12, 8, 4, 0, 13, 9, 5, 1, 14, 10, 6, 2, 15, 11, 7, 3);
    let a = _mm_shuffle_epi8(_mm_add_epi32(first, _mm_set_epi32(3, 2, 1, 0)), gather);
    let b = _mm_shuffle_epi8(_mm_add_epi32(first, _mm_set_epi32(7, 6, 5, 4)), gather);
    let c = _mm_shuffle_epi8(_mm_add_epi32(first, _mm_set_epi32(11, 10, 9, 8)), gather);
    let d = _mm_shuffle_epi8(_mm_add_epi32(first, _mm_set_epi32(15, 14, 13, 12)), gather);
    let (ab_low, ab_high) = (_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
    [
        _mm_unpacklo_epi64(ab_low, cd_low),
        _mm_unpackhi_epi64(ab_low, cd_low),
        _mm_unpacklo_epi64(ab_high, cd_high),
        _mm_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// The rounds for one set of features; the imports say what the short names mean at this width.
macro_rules! sliced {
    ($name:ident, $features:literal, per_vector: $per_vector:literal, { $($parts:item)* }) => {
        pub(super) mod $name {
            use super::*;

            $($parts)*

            /// Sixteen blocks for each 128 bits travel as one set: byte n of a part of a vector is of block n there.
            const PER_SET: usize = 16 * $per_vector;

            /// For fewer blocks, folding the keys takes longer than it saves.
            const FEWEST: usize = 2 * PER_SET;

            /// So many sets are worked at by turns: each of them waits for its own results.
            const SETS: usize = 4;

            /// The bytes of a word, highest first.
            type Word = [V; 4];

            /// The four words of the state.
            type State = [Word; 4];

            #[inline]
            #[target_feature(enable = $features)]
            fn spread(word: u32) -> Word {
                let [a, b, c, d] = word.to_be_bytes();
                let of = |byte: u8| broadcast8(byte.cast_signed());
                [of(a), of(b), of(c), of(d)]
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn sum([a, b, c, d]: &Word, [e, f, g, h]: &Word) -> Word {
                [xor(*a, *e), xor(*b, *f), xor(*c, *g), xor(*d, *h)]
            }

            /// The map on one vector.
            #[inline]
            #[target_feature(enable = $features)]
            fn map(x: V, [low, high]: &Halves) -> V {
                let half = broadcast8(0x0f);
                let low = shuffle(wide(constant(low)), and(x, half));
                xor(low, shuffle(wide(constant(high)), and(right16::<4>(x), half)))
            }

            /// Inversion, addition of the key, and both maps.
            #[inline]
            #[target_feature(enable = $features)]
            fn substitute(x: V, key: V) -> (V, V) {
                let x = shuffle(aes_last(x, key), wide(constant(&UNDO_SHIFT_ROWS)));
                (map(x, &F), map(x, &G))
            }

            /// Adds T of GB/T 32907 6.2 of x to a word.
            #[inline]
            #[target_feature(enable = $features)]
            fn add_t([x0, x1, x2, x3]: Word, [k0, k1, k2, k3]: &Word, [y0, y1, y2, y3]: &mut Word) {
                let (f0, g0) = substitute(x0, *k0);
                let (f1, g1) = substitute(x1, *k1);
                let w1 = xor(g1, f0);
                let (f2, g2) = substitute(x2, *k2);
                let w2 = xor(g2, f1);
                let (f3, g3) = substitute(x3, *k3);
                let (w3, w0) = (xor(g3, f2), xor(g0, f3));
                let (upper, lower) = (xor(w0, w1), xor(w2, w3));
                *y0 = xor(*y0, xor(w1, lower));
                *y1 = xor(*y1, xor(w0, lower));
                *y2 = xor(*y2, xor(w3, upper));
                *y3 = xor(*y3, xor(w2, upper));
            }

            /// The 32 rounds on some sets.
            #[inline(never)]
            #[target_feature(enable = $features)]
            fn rounds(keys: &[Word; 32], sets: &mut [State]) {
                for [k0, k1, k2, k3] in keys.as_chunks().0 {
                    for [x0, x1, x2, x3] in &mut *sets {
                        add_t(sum(&sum(x2, x3), x1), k0, x0);
                    }
                    for [x0, x1, x2, x3] in &mut *sets {
                        add_t(sum(&sum(x2, x3), x0), k1, x1);
                    }
                    for [x0, x1, x2, x3] in &mut *sets {
                        add_t(sum(&sum(x0, x1), x3), k2, x2);
                    }
                    for [x0, x1, x2, x3] in &mut *sets {
                        add_t(sum(&sum(x0, x1), x2), k3, x3);
                    }
                }
            }

            /// Transposes 16×16 bytes in each 128-bit part; its own inverse.
            #[inline]
            #[target_feature(enable = $features)]
            fn transpose(mut x: [V; 16]) -> [V; 16] {
                for _ in 0..4 {
                    let before = x;
                    for at in 0..8 {
                        x[2 * at] = unpack_low8(before[at], before[at + 8]);
                        x[2 * at + 1] = unpack_high8(before[at], before[at + 8]);
                    }
                }
                x
            }

            /// The blocks of a set as the words of the state, with their masks.
            #[inline]
            #[target_feature(enable = $features)]
            fn take_up(set: &[Block; PER_SET], masks: &State, state: &mut State) {
                let mut rows = [broadcast8(0); 16];
                for (at, row) in rows.iter_mut().enumerate() {
                    *row = join(|part| read(&set[16 * part + at]));
                }
                let columns = transpose(rows);
                for ((word, bytes), masks) in state.iter_mut().zip(columns.as_chunks::<4>().0).zip(masks) {
                    for ((to, x), mask) in word.iter_mut().zip(bytes).zip(masks) {
                        *to = xor(map(*x, &ENTER), *mask);
                    }
                }
            }

            /// The reversal R of GB/T 32907 7.1, and the inverse of [`take_up`] for each 128-bit part.
            #[inline]
            #[target_feature(enable = $features)]
            fn put_down(state: &State, mask: &Word, mut each: impl FnMut(usize, __m128i)) {
                let [x0, x1, x2, x3] = state;
                let mut columns = [broadcast8(0); 16];
                for (bytes, word) in columns.as_chunks_mut::<4>().0.iter_mut().zip([x3, x2, x1, &sum(x0, mask)]) {
                    for (to, x) in bytes.iter_mut().zip(word) {
                        *to = map(*x, &LEAVE);
                    }
                }
                for (at, row) in transpose(columns).into_iter().enumerate() {
                    for (part, x) in split(row).into_iter().enumerate() {
                        each(16 * part + at, x);
                    }
                }
            }

            /// Room for the state of some sets, wiped when dropped.
            #[inline]
            #[target_feature(enable = $features)]
            fn room() -> Zeroizing<[State; SETS]> {
                Zeroizing::new([[[broadcast8(0); 4]; 4]; SETS])
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn spread_all<const N: usize>(words: &[u32; N]) -> Zeroizing<[Word; N]> {
                let mut out = Zeroizing::new([[broadcast8(0); 4]; N]);
                for (to, word) in out.iter_mut().zip(words) {
                    *to = spread(*word);
                }
                out
            }

            /// Whole sets of blocks through the rounds in the order of `keys`; gives back the rest, or a few as they are.
            #[target_feature(enable = $features)]
            pub(in crate::crypto::sm4) fn crypt<'a>(keys: &[u32; 32], blocks: &'a mut [Block]) -> &'a mut [Block] {
                if blocks.len() < FEWEST {
                    return blocks;
                }
                let folded = Folded::new(keys);
                let (keys, masks) = (spread_all(&folded.rounds), spread_all(&folded.first));
                let [last, ..] = *spread_all(&folded.last);
                let mut states = room();
                let (sets, rest) = blocks.as_chunks_mut();
                for sets in sets.chunks_mut(SETS) {
                    let (states, _) = states.split_at_mut(sets.len());
                    for (state, set) in states.iter_mut().zip(&*sets) {
                        take_up(set, &masks, state);
                    }
                    rounds(&keys, states);
                    for (state, set) in states.iter().zip(sets) {
                        put_down(state, &last, |block, x| write(&mut set[block], x));
                    }
                }
                rest
            }

            /// Adds the key stream from `counter` on, whose last word counts, to whole sets; gives back the rest, or
            /// a short text as it is.
            #[target_feature(enable = $features)]
            pub(in crate::crypto::sm4) fn stream<'a>(
                keys: &[u32; 32],
                counter: &mut u128,
                text: &'a mut [u8],
            ) -> &'a mut [u8] {
                if text.len() < BLOCK_LEN * FEWEST {
                    return text;
                }
                let folded = Folded::new(keys);
                let (keys, masks) = (spread_all(&folded.rounds), spread_all(&folded.first));
                let [last, ..] = *spread_all(&folded.last);
                let mut low = (*counter & LOW_WORD) as u32;
                let mut upper = words(*counter);
                map_words(&mut upper, &ENTER);
                let mut first = masks.clone();
                for (to, word) in first.iter_mut().zip(upper).take(3) {
                    *to = sum(to, &spread(word));
                }
                let mut states = room();
                let (whole, rest) = text.split_at_mut(text.len() - text.len() % (BLOCK_LEN * PER_SET));
                for sets in whole.as_chunks_mut::<BLOCK_LEN>().0.as_chunks_mut::<PER_SET>().0.chunks_mut(SETS) {
                    let (states, _) = states.split_at_mut(sets.len());
                    for state in &mut *states {
                        let mut counts = [[constant(&[0; 16]); 4]; $per_vector];
                        for part in &mut counts {
                            *part = count_up(low);
                            low = low.wrapping_add(16);
                        }
                        *state = *first;
                        for (at, to) in state[3].iter_mut().enumerate() {
                            *to = xor(*to, map(join(|part| counts[part][at]), &ENTER));
                        }
                    }
                    rounds(&keys, states);
                    for (state, set) in states.iter().zip(sets) {
                        put_down(state, &last, |block, x| {
                            let text = _mm_xor_si128(read(&set[block]), x);
                            write(&mut set[block], text);
                        });
                    }
                }
                *counter = (*counter & !LOW_WORD) | u128::from(low);
                rest
            }
        }
    };
}

sliced!(aes_ni, "aes,ssse3", per_vector: 1, {
    use std::arch::x86_64::{__m128i as V, _mm_aesenclast_si128 as aes_last, _mm_and_si128 as and, _mm_set1_epi8 as broadcast8, _mm_shuffle_epi8 as shuffle, _mm_srli_epi16 as right16, _mm_unpackhi_epi8 as unpack_high8, _mm_unpacklo_epi8 as unpack_low8, _mm_xor_si128 as xor};

    #[inline]
    #[target_feature(enable = "aes,ssse3")]
    fn wide(x: __m128i) -> V {
        x
    }

    #[inline]
    #[target_feature(enable = "aes,ssse3")]
    fn join(mut part: impl FnMut(usize) -> __m128i) -> V {
        part(0)
    }

    #[inline]
    #[target_feature(enable = "aes,ssse3")]
    fn split(x: V) -> [__m128i; 1] {
        [x]
    }
});

sliced!(aes_ni_avx2, "aes,avx2", per_vector: 2, {
    use std::arch::x86_64::{__m256i as V, _mm256_and_si256 as and, _mm256_broadcastsi128_si256 as wide, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_set_m128i, _mm256_set1_epi8 as broadcast8, _mm256_shuffle_epi8 as shuffle, _mm256_srli_epi16 as right16, _mm256_unpackhi_epi8 as unpack_high8, _mm256_unpacklo_epi8 as unpack_low8, _mm256_xor_si256 as xor, _mm_aesenclast_si128};

    #[inline]
    #[target_feature(enable = "aes,avx2")]
    fn join(mut part: impl FnMut(usize) -> __m128i) -> V {
        let low = part(0);
        _mm256_set_m128i(part(1), low)
    }

    #[inline]
    #[target_feature(enable = "aes,avx2")]
    fn split(x: V) -> [__m128i; 2] {
        [_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x)]
    }

    #[inline]
    #[target_feature(enable = "aes,avx2")]
    fn aes_last(x: V, key: V) -> V {
        let ([x, y], [key, _]) = (split(x), split(key));
        _mm256_set_m128i(_mm_aesenclast_si128(y, key), _mm_aesenclast_si128(x, key))
    }
});

sliced!(vaes, "vaes,avx2", per_vector: 2, {
    use std::arch::x86_64::{__m256i as V, _mm256_aesenclast_epi128 as aes_last, _mm256_and_si256 as and, _mm256_broadcastsi128_si256 as wide, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_set_m128i, _mm256_set1_epi8 as broadcast8, _mm256_shuffle_epi8 as shuffle, _mm256_srli_epi16 as right16, _mm256_unpackhi_epi8 as unpack_high8, _mm256_unpacklo_epi8 as unpack_low8, _mm256_xor_si256 as xor};

    #[inline]
    #[target_feature(enable = "vaes,avx2")]
    fn join(mut part: impl FnMut(usize) -> __m128i) -> V {
        let low = part(0);
        _mm256_set_m128i(part(1), low)
    }

    #[inline]
    #[target_feature(enable = "vaes,avx2")]
    fn split(x: V) -> [__m128i; 2] {
        [_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x)]
    }
});
