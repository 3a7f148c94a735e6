//! SM4 with the instructions that x86-64 has for AES (AES-NI, VAES) and for GF(2⁸) (GFNI): constant time by design.
//!
//! The S-boxes of SM4 and AES are both an inversion between affine maps, in isomorphic fields (the one used here
//! takes the x of SM4's field to 0x23 in that of AES). So S is IN, the inversion of AES's field, OUT. GFNI offers
//! the inversion and affine maps. AESENCLAST offers the inversion followed by AES's affine map, which our second OUT
//! undoes, and a permutation of the bytes, which the rotations of L undo; the maps around it are looked up in
//! registers, by PSHUFB, half a byte at a time. No address and no branch depends on a key or a text.
//!
//! Words stand as in GB/T 32907 6.1, one vector for word i of several blocks.
#![expect(unsafe_code, reason = "loads and stores of vectors, and the calls into code that needs processor features")]
#![expect(clippy::indexing_slicing, reason = "constant tables of 16 entries, evaluated when compiled")]
#![expect(clippy::as_conversions, reason = "in constant evaluation, where `From` cannot be called; bytes into usize")]

use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};

use zeroize::Zeroizing;

use crate::crypto::sm4::{Block, Engine, sliced};

/// IN: x ↦ A·x, seen in the field of AES. The lowest bit of the result comes from the highest byte, as GFNI wants it.
pub(super) const IN: u64 = 0x4c28_7db9_1a22_505d;
/// What IN adds.
pub(super) const IN_CONSTANT: u8 = 0x3e;
/// OUT for GFNI: back from the field of AES, then A.
const OUT: u64 = 0xf3ab_34a9_74a6_b589;
/// What OUT adds.
const OUT_CONSTANT: u8 = 0xd3;
/// OUT for AESENCLAST: undoes AES's affine map first.
pub(super) const OUT_OF_AES: u64 = 0x480e_4c47_651d_bad3;
/// What it adds.
pub(super) const OUT_OF_AES_CONSTANT: u8 = 0x6c;

/// An affine map as two tables, for the lower and the upper half of the byte.
pub(super) const fn halves(matrix: u64, constant: u8) -> [[u8; 16]; 2] {
    let rows = matrix.to_be_bytes();
    let mut tables = [[constant; 16], [0; 16]];
    let mut half = 0;
    while half < 16 {
        let mut bit = 0;
        while bit < 8 {
            let (low, high) = (rows[bit] & half as u8, rows[bit] & ((half as u8) << 4));
            tables[0][half] ^= ((low.count_ones() & 1) as u8) << bit;
            tables[1][half] ^= ((high.count_ones() & 1) as u8) << bit;
            bit += 1;
        }
        half += 1;
    }
    tables
}

/// The PSHUFB mask that rotates each word left by whole bytes, after undoing AES's ShiftRows if so.
const fn rotation(bytes: usize, undo_shift_rows: bool) -> [u8; 16] {
    let mut mask = [0; 16];
    let mut at = 0;
    while at < 16 {
        let (word, byte) = (at / 4, (at % 4 + 4 - bytes) % 4);
        // ShiftRows brings row r of column c + r to column c (FIPS 197 5.1.2).
        let from = if undo_shift_rows { (word + 4 - byte) % 4 } else { word };
        mask[at] = (4 * from + byte) as u8;
        at += 1;
    }
    mask
}

static IN_HALVES: [[u8; 16]; 2] = halves(IN, IN_CONSTANT);
static OUT_HALVES: [[u8; 16]; 2] = halves(OUT_OF_AES, OUT_OF_AES_CONSTANT);
/// Rotations by 0, 8, 16 and 24 bits of what AESENCLAST left.
static AES_ROTATIONS: [[u8; 16]; 4] = [rotation(0, true), rotation(1, true), rotation(2, true), rotation(3, true)];
/// Rotations by 8, 16 and 24 bits.
static ROTATIONS: [[u8; 16]; 3] = [rotation(1, false), rotation(2, false), rotation(3, false)];
/// Big-endian words to numbers and back.
static SWAP: [u8; 16] = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];

/// Where each block is once the words of a set are transposed: word e of lane l is of block e·lanes + l.
const fn places<const LANES: usize>() -> [[u32; 4]; LANES] {
    let mut places = [[0; 4]; LANES];
    let mut at = 0;
    while at < 4 * LANES {
        places[at % LANES][at / LANES] = at as u32;
        at += 1;
    }
    places
}

/// Sixteen bytes without padding, of which every value is allowed.
///
/// # Safety
/// Implement it for nothing else.
pub(super) unsafe trait Sixteen {}

// SAFETY: sixteen bytes.
unsafe impl Sixteen for Block {}
// SAFETY: sixteen bytes, no padding, any value.
unsafe impl Sixteen for u128 {}
// SAFETY: sixteen bytes, no padding, any value.
unsafe impl Sixteen for [u32; 4] {}

/// The four words of a counter block.
pub(super) fn words(counter: u128) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(counter.to_be_bytes().as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    words
}

/// Adds a stored key stream to a text that is no longer.
fn add_to(text: &mut [u8], stream: &[u128]) {
    for (text, stream) in text.chunks_mut(16).zip(stream) {
        for (text, stream) in text.iter_mut().zip(stream.to_ne_bytes()) {
            *text ^= stream;
        }
    }
}

#[inline]
pub(super) fn constant(bytes: &[u8; 16]) -> __m128i {
    read(bytes)
}

#[inline]
pub(super) fn read<B: Sixteen>(bytes: &B) -> __m128i {
    // SAFETY: sixteen readable bytes (see `Sixteen`); the load needs no alignment, and x86-64 always has it.
    unsafe { _mm_loadu_si128(std::ptr::from_ref(bytes).cast()) }
}

#[inline]
pub(super) fn write<B: Sixteen>(bytes: &mut B, x: __m128i) {
    // SAFETY: sixteen bytes (see `Sixteen`), of which any value is allowed; the store needs no alignment, and x86-64 always has it.
    unsafe { _mm_storeu_si128(std::ptr::from_mut(bytes).cast(), x) }
}

/// The rounds for one set of features; the imports say what the short names mean at this width, and `t` is T of
/// GB/T 32907 6.2.
macro_rules! engine {
    ($name:ident, $features:literal, per_vector: $per_vector:literal, sets: $sets:literal, { $($parts:item)* }) => {
        mod $name {
            use super::*;

            $($parts)*

            /// Blocks in one vector, and in one set of four vectors.
            const PER_VECTOR: usize = $per_vector;
            const PER_SET: usize = 4 * PER_VECTOR;
            #[inline]
            #[target_feature(enable = $features)]
            fn load<B: Sixteen>(blocks: &[B; PER_VECTOR]) -> V {
                // SAFETY: as many readable bytes (see `Sixteen`) as the vector has; the load needs no alignment.
                unsafe { loadu(blocks.as_ptr().cast()) }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn store<B: Sixteen>(blocks: &mut [B; PER_VECTOR], x: V) {
                // SAFETY: as many bytes (see `Sixteen`) as the vector has, of which any value is allowed; the store needs no alignment.
                unsafe { storeu(blocks.as_mut_ptr().cast(), x) }
            }

            /// Transposes 4×4 words in each 128-bit lane; its own inverse.
            #[inline]
            #[target_feature(enable = $features)]
            fn transpose([a, b, c, d]: [V; 4]) -> [V; 4] {
                let (ab_low, ab_high) = (unpack_low32(a, b), unpack_high32(a, b));
                let (cd_low, cd_high) = (unpack_low32(c, d), unpack_high32(c, d));
                [
                    unpack_low64(ab_low, cd_low),
                    unpack_high64(ab_low, cd_low),
                    unpack_low64(ab_high, cd_high),
                    unpack_high64(ab_high, cd_high),
                ]
            }

            /// Four vectors of blocks as the four words of their states.
            #[inline]
            #[target_feature(enable = $features)]
            fn take_up<B: Sixteen>([a, b, c, d]: &[[B; PER_VECTOR]; 4]) -> [V; 4] {
                let swap = wide(constant(&SWAP));
                let (a, b) = (shuffle(load(a), swap), shuffle(load(b), swap));
                transpose([a, b, shuffle(load(c), swap), shuffle(load(d), swap)])
            }

            /// The reversal R of GB/T 32907 7.1, then the inverse of [`take_up`].
            #[inline]
            #[target_feature(enable = $features)]
            fn put_down([x0, x1, x2, x3]: [V; 4]) -> [V; 4] {
                let swap = wide(constant(&SWAP));
                let [a, b, c, d] = transpose([x3, x2, x1, x0]);
                [shuffle(a, swap), shuffle(b, swap), shuffle(c, swap), shuffle(d, swap)]
            }

            /// The 32 rounds on N sets, side by side.
            #[inline]
            #[target_feature(enable = $features)]
            fn rounds<const N: usize>(keys: &[u32; 32], state: &mut [[V; 4]; N]) {
                for [k0, k1, k2, k3] in keys.as_chunks().0 {
                    let key = broadcast(k0.cast_signed());
                    for [x0, x1, x2, x3] in &mut *state {
                        *x0 = xor(*x0, t(xor(xor(xor(*x1, *x2), key), *x3)));
                    }
                    let key = broadcast(k1.cast_signed());
                    for [x0, x1, x2, x3] in &mut *state {
                        *x1 = xor(*x1, t(xor(xor(xor(*x2, *x3), key), *x0)));
                    }
                    let key = broadcast(k2.cast_signed());
                    for [x0, x1, x2, x3] in &mut *state {
                        *x2 = xor(*x2, t(xor(xor(xor(*x3, *x0), key), *x1)));
                    }
                    let key = broadcast(k3.cast_signed());
                    for [x0, x1, x2, x3] in &mut *state {
                        *x3 = xor(*x3, t(xor(xor(xor(*x0, *x1), key), *x2)));
                    }
                }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn crypt_sets<B: Sixteen, const N: usize>(keys: &[u32; 32], sets: &mut [[[B; PER_VECTOR]; 4]; N]) {
                let mut state = [[broadcast(0); 4]; N];
                for (state, set) in state.iter_mut().zip(&*sets) {
                    *state = take_up(set);
                }
                rounds(keys, &mut state);
                for ([a, b, c, d], state) in sets.iter_mut().zip(state) {
                    let [w, x, y, z] = put_down(state);
                    store(a, w);
                    store(b, x);
                    store(c, y);
                    store(d, z);
                }
            }

            /// Adds the key stream from `counter` on, whose last word counts.
            #[inline]
            #[target_feature(enable = $features)]
            fn stream_sets<B: Sixteen, const N: usize>(
                keys: &[u32; 32],
                counter: &mut [u32; 4],
                sets: &mut [[[B; PER_VECTOR]; 4]; N],
            ) {
                let [c0, c1, c2, c3] = counter;
                let (c0, c1, c2) = (c0.cast_signed(), c1.cast_signed(), c2.cast_signed());
                let mut state = [[broadcast(c0), broadcast(c1), broadcast(c2), broadcast(0)]; N];
                for [.., x3] in &mut state {
                    *x3 = add32(broadcast(c3.cast_signed()), load(&PLACES));
                    *c3 = c3.wrapping_add(PER_SET as u32);
                }
                rounds(keys, &mut state);
                for ([a, b, c, d], state) in sets.iter_mut().zip(state) {
                    let [w, x, y, z] = put_down(state);
                    store(a, xor(load(a), w));
                    store(b, xor(load(b), x));
                    store(c, xor(load(c), y));
                    store(d, xor(load(d), z));
                }
            }

            /// Which block a word stands for once [`put_down`] has transposed it.
            static PLACES: [[u32; 4]; PER_VECTOR] = places();

            /// Every block through the rounds in the order of `keys`.
            #[target_feature(enable = $features)]
            pub(super) fn crypt(keys: &[u32; 32], blocks: &mut [Block]) {
                let (whole, rest) = blocks.split_at_mut(blocks.len() - blocks.len() % PER_SET);
                let sets = whole.as_chunks_mut().0.as_chunks_mut().0;
                let (flights, sets) = sets.as_chunks_mut::<$sets>();
                for flight in flights {
                    crypt_sets(keys, flight);
                }
                for set in sets {
                    crypt_sets(keys, std::array::from_mut(set));
                }
                if !rest.is_empty() {
                    let mut set = Zeroizing::new([[[0_u128; PER_VECTOR]; 4]]);
                    for (place, block) in set.as_flattened_mut().as_flattened_mut().iter_mut().zip(&*rest) {
                        *place = u128::from_ne_bytes(*block);
                    }
                    crypt_sets(keys, &mut set);
                    for (block, place) in rest.iter_mut().zip(set.as_flattened().as_flattened()) {
                        *block = place.to_ne_bytes();
                    }
                }
            }

            /// Adds the key stream from `counter` on, whose last 32 bits count and wrap around.
            #[target_feature(enable = $features)]
            pub(super) fn stream(keys: &[u32; 32], counter: u128, text: &mut [u8]) {
                let mut words = words(counter);
                let (whole, rest) = text.split_at_mut(text.len() - text.len() % (PER_SET * 16));
                let sets = whole.as_chunks_mut::<16>().0.as_chunks_mut().0.as_chunks_mut().0;
                let (flights, sets) = sets.as_chunks_mut::<$sets>();
                for flight in flights {
                    stream_sets(keys, &mut words, flight);
                }
                for set in sets {
                    stream_sets(keys, &mut words, std::array::from_mut(set));
                }
                if !rest.is_empty() {
                    let mut set = Zeroizing::new([[[0_u128; PER_VECTOR]; 4]]);
                    stream_sets(keys, &mut words, &mut set);
                    add_to(rest, set.as_flattened().as_flattened());
                }
            }

            /// τ, the S-box on the four bytes of a word.
            #[target_feature(enable = $features)]
            pub(super) fn tau(x: u32) -> u32 {
                first_word(substitute(broadcast(x.cast_signed())))
            }
        }
    };
}

/// S and T where S is AESENCLAST between looked-up affine maps; `aes_last` is AESENCLAST without a key.
macro_rules! between_maps {
    ($features:literal) => {
        /// The affine map of two tables.
        #[inline]
        #[target_feature(enable = $features)]
        fn map(x: V, [low, high]: &[[u8; 16]; 2]) -> V {
            let half = broadcast8(0x0f);
            let low = shuffle(wide(constant(low)), and(x, half));
            xor(low, shuffle(wide(constant(high)), and(right16::<4>(x), half)))
        }

        /// The S-box, with the bytes in the order of ShiftRows.
        #[inline]
        #[target_feature(enable = $features)]
        fn substitute(x: V) -> V {
            map(aes_last(map(x, &IN_HALVES)), &OUT_HALVES)
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn t(x: V) -> V {
            let x = substitute(x);
            let [by0, by8, by16, by24] = &AES_ROTATIONS;
            let (by0, by8) = (shuffle(x, wide(constant(by0))), shuffle(x, wide(constant(by8))));
            let (by16, by24) = (shuffle(x, wide(constant(by16))), shuffle(x, wide(constant(by24))));
            let sum = xor(xor(by0, by8), by16);
            xor(xor(by0, by24), or(left::<2>(sum), right::<30>(sum)))
        }
    };
}

/// S where the processor has the inversion and the affine maps.
macro_rules! inversion {
    ($features:literal) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn substitute(x: V) -> V {
            let x = affine::<{ IN_CONSTANT as i32 }>(x, broadcast64(IN.cast_signed()));
            affine_inverse::<{ OUT_CONSTANT as i32 }>(x, broadcast64(OUT.cast_signed()))
        }
    };
}

engine!(aes_ni, "aes,ssse3,sse4.1", per_vector: 1, sets: 4, {
    use std::arch::x86_64::{__m128i as V, _mm_aesenclast_si128, _mm_and_si128 as and, _mm_cvtsi128_si32, _mm_loadu_si128 as loadu, _mm_or_si128 as or, _mm_set1_epi32 as broadcast, _mm_add_epi32 as add32, _mm_set1_epi8 as broadcast8, _mm_setzero_si128, _mm_shuffle_epi8 as shuffle, _mm_slli_epi32 as left, _mm_srli_epi16 as right16, _mm_srli_epi32 as right, _mm_storeu_si128 as storeu, _mm_unpackhi_epi32 as unpack_high32, _mm_unpackhi_epi64 as unpack_high64, _mm_unpacklo_epi32 as unpack_low32, _mm_unpacklo_epi64 as unpack_low64, _mm_xor_si128 as xor};

    #[inline]
    #[target_feature(enable = "aes,ssse3,sse4.1")]
    fn first_word(x: V) -> u32 {
        _mm_cvtsi128_si32(x).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "aes,ssse3,sse4.1")]
    fn wide(x: __m128i) -> V {
        x
    }

    #[inline]
    #[target_feature(enable = "aes,ssse3,sse4.1")]
    fn aes_last(x: V) -> V {
        _mm_aesenclast_si128(x, _mm_setzero_si128())
    }

    between_maps!("aes,ssse3,sse4.1");
});

engine!(aes_ni_avx2, "aes,avx2", per_vector: 2, sets: 4, {
    use std::arch::x86_64::{__m256i as V, _mm256_and_si256 as and, _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256 as loadu, _mm256_or_si256 as or, _mm256_set1_epi32 as broadcast, _mm256_add_epi32 as add32, _mm256_set1_epi8 as broadcast8, _mm256_set_m128i, _mm256_shuffle_epi8 as shuffle, _mm256_slli_epi32 as left, _mm256_srli_epi16 as right16, _mm256_srli_epi32 as right, _mm256_storeu_si256 as storeu, _mm256_unpackhi_epi32 as unpack_high32, _mm256_unpackhi_epi64 as unpack_high64, _mm256_unpacklo_epi32 as unpack_low32, _mm256_unpacklo_epi64 as unpack_low64, _mm256_xor_si256 as xor, _mm_aesenclast_si128, _mm_cvtsi128_si32, _mm_setzero_si128};

    #[inline]
    #[target_feature(enable = "aes,avx2")]
    fn first_word(x: V) -> u32 {
        _mm_cvtsi128_si32(_mm256_castsi256_si128(x)).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "aes,avx2")]
    fn wide(x: __m128i) -> V {
        _mm256_broadcastsi128_si256(x)
    }

    #[inline]
    #[target_feature(enable = "aes,avx2")]
    fn aes_last(x: V) -> V {
        let zero = _mm_setzero_si128();
        let low = _mm_aesenclast_si128(_mm256_castsi256_si128(x), zero);
        _mm256_set_m128i(_mm_aesenclast_si128(_mm256_extracti128_si256::<1>(x), zero), low)
    }

    between_maps!("aes,avx2");
});

engine!(vaes, "vaes,avx2", per_vector: 2, sets: 4, {
    use std::arch::x86_64::{__m256i as V, _mm256_aesenclast_epi128, _mm256_and_si256 as and, _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_loadu_si256 as loadu, _mm256_or_si256 as or, _mm256_set1_epi32 as broadcast, _mm256_add_epi32 as add32, _mm256_set1_epi8 as broadcast8, _mm256_setzero_si256, _mm256_shuffle_epi8 as shuffle, _mm256_slli_epi32 as left, _mm256_srli_epi16 as right16, _mm256_srli_epi32 as right, _mm256_storeu_si256 as storeu, _mm256_unpackhi_epi32 as unpack_high32, _mm256_unpackhi_epi64 as unpack_high64, _mm256_unpacklo_epi32 as unpack_low32, _mm256_unpacklo_epi64 as unpack_low64, _mm256_xor_si256 as xor, _mm_cvtsi128_si32};

    #[inline]
    #[target_feature(enable = "vaes,avx2")]
    fn first_word(x: V) -> u32 {
        _mm_cvtsi128_si32(_mm256_castsi256_si128(x)).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "vaes,avx2")]
    fn wide(x: __m128i) -> V {
        _mm256_broadcastsi128_si256(x)
    }

    #[inline]
    #[target_feature(enable = "vaes,avx2")]
    fn aes_last(x: V) -> V {
        _mm256_aesenclast_epi128(x, _mm256_setzero_si256())
    }

    between_maps!("vaes,avx2");
});

engine!(gfni, "gfni,avx2", per_vector: 2, sets: 4, {
    use std::arch::x86_64::{__m256i as V, _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_gf2p8affine_epi64_epi8 as affine, _mm256_gf2p8affineinv_epi64_epi8 as affine_inverse, _mm256_loadu_si256 as loadu, _mm256_or_si256 as or, _mm256_set1_epi32 as broadcast, _mm256_add_epi32 as add32, _mm256_set1_epi64x as broadcast64, _mm256_shuffle_epi8 as shuffle, _mm256_slli_epi32 as left, _mm256_srli_epi32 as right, _mm256_storeu_si256 as storeu, _mm256_unpackhi_epi32 as unpack_high32, _mm256_unpackhi_epi64 as unpack_high64, _mm256_unpacklo_epi32 as unpack_low32, _mm256_unpacklo_epi64 as unpack_low64, _mm256_xor_si256 as xor, _mm_cvtsi128_si32};

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    fn first_word(x: V) -> u32 {
        _mm_cvtsi128_si32(_mm256_castsi256_si128(x)).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    fn wide(x: __m128i) -> V {
        _mm256_broadcastsi128_si256(x)
    }

    inversion!("gfni,avx2");

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    fn t(x: V) -> V {
        let x = substitute(x);
        let [by8, by16, by24] = &ROTATIONS;
        let (by8, by16) = (shuffle(x, wide(constant(by8))), shuffle(x, wide(constant(by16))));
        let by24 = shuffle(x, wide(constant(by24)));
        let sum = xor(xor(x, by8), by16);
        xor(xor(x, by24), or(left::<2>(sum), right::<30>(sum)))
    }
});

engine!(gfni_avx512, "gfni,avx512f,avx512bw", per_vector: 4, sets: 4, {
    use std::arch::x86_64::{__m512i as V, _mm512_broadcast_i32x4, _mm512_castsi512_si128, _mm512_gf2p8affine_epi64_epi8 as affine, _mm512_gf2p8affineinv_epi64_epi8 as affine_inverse, _mm512_loadu_si512 as loadu, _mm512_rol_epi32 as rotate, _mm512_set1_epi32 as broadcast, _mm512_add_epi32 as add32, _mm512_set1_epi64 as broadcast64, _mm512_shuffle_epi8 as shuffle, _mm512_storeu_si512 as storeu, _mm512_ternarylogic_epi32 as ternary, _mm512_unpackhi_epi32 as unpack_high32, _mm512_unpackhi_epi64 as unpack_high64, _mm512_unpacklo_epi32 as unpack_low32, _mm512_unpacklo_epi64 as unpack_low64, _mm512_xor_si512 as xor, _mm_cvtsi128_si32};

    #[inline]
    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn first_word(x: V) -> u32 {
        _mm_cvtsi128_si32(_mm512_castsi512_si128(x)).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn wide(x: __m128i) -> V {
        _mm512_broadcast_i32x4(x)
    }

    inversion!("gfni,avx512f,avx512bw");

    #[inline]
    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn t(x: V) -> V {
        /// The truth table of the sum of three.
        const SUM: i32 = 0x96;
        let x = substitute(x);
        let sum = ternary::<SUM>(x, rotate::<8>(x), rotate::<16>(x));
        ternary::<SUM>(x, rotate::<24>(x), rotate::<2>(sum))
    }
});

/// An engine that this processor has: proof that its features were looked for and found.
#[derive(Clone, Copy)]
pub(super) struct Found(Engine);

impl Found {
    /// The engine, if it is one of these and the processor has all that it needs.
    pub(super) fn look_for(engine: Engine) -> Option<Self> {
        let found = match engine {
            Engine::Portable => false,
            Engine::AesNi => {
                is_x86_feature_detected!("aes")
                    && is_x86_feature_detected!("ssse3")
                    && is_x86_feature_detected!("sse4.1")
            }
            Engine::AesNiAvx2 => is_x86_feature_detected!("aes") && is_x86_feature_detected!("avx2"),
            Engine::Vaes => is_x86_feature_detected!("vaes") && is_x86_feature_detected!("avx2"),
            Engine::Gfni => is_x86_feature_detected!("gfni") && is_x86_feature_detected!("avx2"),
            Engine::GfniAvx512 => {
                is_x86_feature_detected!("gfni")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
            }
        };
        found.then_some(Self(engine))
    }

    /// Every block through the rounds in the order of `keys`.
    pub(super) fn crypt(self, keys: &[u32; 32], blocks: &mut [Block]) {
        // SAFETY: a `Found` is made by `look_for` alone, which saw the features of this engine.
        unsafe {
            match self.0 {
                Engine::Portable | Engine::AesNi => aes_ni::crypt(keys, sliced::aes_ni::crypt(keys, blocks)),
                Engine::AesNiAvx2 => aes_ni_avx2::crypt(keys, sliced::aes_ni_avx2::crypt(keys, blocks)),
                Engine::Vaes => vaes::crypt(keys, sliced::vaes::crypt(keys, blocks)),
                Engine::Gfni => gfni::crypt(keys, blocks),
                Engine::GfniAvx512 => gfni_avx512::crypt(keys, blocks),
            }
        }
    }

    /// Adds the key stream from `counter` on, whose last 32 bits count and wrap around.
    pub(super) fn stream(self, keys: &[u32; 32], mut counter: u128, text: &mut [u8]) {
        // SAFETY: a `Found` is made by `look_for` alone, which saw the features of this engine.
        unsafe {
            match self.0 {
                Engine::Portable | Engine::AesNi => {
                    let rest = sliced::aes_ni::stream(keys, &mut counter, text);
                    aes_ni::stream(keys, counter, rest);
                }
                Engine::AesNiAvx2 => {
                    let rest = sliced::aes_ni_avx2::stream(keys, &mut counter, text);
                    aes_ni_avx2::stream(keys, counter, rest);
                }
                Engine::Vaes => {
                    let rest = sliced::vaes::stream(keys, &mut counter, text);
                    vaes::stream(keys, counter, rest);
                }
                Engine::Gfni => gfni::stream(keys, counter, text),
                Engine::GfniAvx512 => gfni_avx512::stream(keys, counter, text),
            }
        }
    }

    /// τ of GB/T 32907 6.2.
    pub(super) fn tau(self, x: u32) -> u32 {
        // SAFETY: a `Found` is made by `look_for` alone, which saw the features of this engine.
        unsafe {
            match self.0 {
                Engine::Portable | Engine::AesNi => aes_ni::tau(x),
                Engine::AesNiAvx2 => aes_ni_avx2::tau(x),
                Engine::Vaes => vaes::tau(x),
                Engine::Gfni => gfni::tau(x),
                Engine::GfniAvx512 => gfni_avx512::tau(x),
            }
        }
    }
}
