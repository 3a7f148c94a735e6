//! GHASH with the carry-less multiplication of x86-64: constant time by design.
//!
//! A block is a number in the bit order of POLYVAL (see the module above). Several blocks are multiplied by
//! descending powers of H and added up before one reduction: (s + x₁)·Hⁿ + x₂·Hⁿ⁻¹ + … + xₙ·H.
#![expect(unsafe_code, reason = "loads and stores of vectors, and the calls into code that needs processor features")]

use std::arch::x86_64::{
    __m128i, __m512i, _mm_clmulepi64_si128, _mm_loadu_si128, _mm_set_epi64x, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_shuffle_epi32, _mm_slli_si128, _mm_srli_si128, _mm_storeu_si128, _mm_xor_si128, _mm512_broadcast_i32x4,
    _mm512_castsi512_si128, _mm512_clmulepi64_epi128, _mm512_extracti32x4_epi32, _mm512_inserti32x4,
    _mm512_loadu_si512, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_epi32, _mm512_xor_si512,
};

use zeroize::Zeroize;

use crate::crypto::ghash::Engine;

/// Blocks between two reductions.
const TOGETHER: usize = 16;

/// The immediate of PSHUFD that exchanges the halves of a lane.
const EXCHANGE: i32 = 0x4e;

/// The powers H¹⁶ to H¹ for an engine that this processor has, wiped when dropped.
pub(super) struct Powers {
    engine: Engine,
    powers: [u128; TOGETHER],
}

impl Powers {
    /// Makes the powers, if the engine is one of these and the processor has all that it needs.
    pub(super) fn look_for(engine: Engine, h: u128) -> Option<Self> {
        let multiplies = is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("ssse3");
        let found = match engine {
            Engine::Portable => false,
            Engine::Clmul => multiplies,
            Engine::ClmulAvx512 => {
                multiplies
                    && is_x86_feature_detected!("vpclmulqdq")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
            }
        };
        if !found {
            return None;
        }
        let mut powers = [h; TOGETHER];
        let mut power = h;
        for place in powers.iter_mut().rev().skip(1) {
            // SAFETY: the features were seen above.
            power = unsafe { dot(power, h) };
            *place = power;
        }
        Some(Self { engine, powers })
    }

    /// Absorbs whole blocks.
    pub(super) fn absorb(&self, state: u128, blocks: &[[u8; 16]]) -> u128 {
        // SAFETY: a `Powers` is made by `look_for` alone, which saw the features of this engine.
        unsafe {
            match self.engine {
                Engine::Portable | Engine::Clmul => absorb(&self.powers, state, blocks),
                Engine::ClmulAvx512 => absorb_wide(&self.powers, state, blocks),
            }
        }
    }
}

impl Drop for Powers {
    fn drop(&mut self) {
        self.powers.zeroize();
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn from_number(x: &u128) -> __m128i {
    // SAFETY: sixteen readable bytes; the load needs no alignment.
    unsafe { _mm_loadu_si128(std::ptr::from_ref(x).cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn to_number(x: __m128i) -> u128 {
    let mut out = 0_u128;
    // SAFETY: sixteen writable bytes; the store needs no alignment.
    unsafe { _mm_storeu_si128(std::ptr::from_mut(&mut out).cast(), x) };
    out
}

#[inline]
#[target_feature(enable = "ssse3")]
fn from_block(block: &[u8; 16]) -> __m128i {
    // SAFETY: sixteen readable bytes; the load needs no alignment.
    let x = unsafe { _mm_loadu_si128(block.as_ptr().cast()) };
    _mm_shuffle_epi8(x, reversal())
}

/// The mask that turns a big-endian block into a number.
#[inline]
#[target_feature(enable = "sse2")]
fn reversal() -> __m128i {
    _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f)
}

/// A product before reduction: lower, middle (by Karatsuba, lower and upper still in it) and upper part.
#[derive(Clone, Copy)]
struct Product([__m128i; 3]);

#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
fn multiply(x: __m128i, y: __m128i) -> Product {
    let x_sum = _mm_xor_si128(x, _mm_shuffle_epi32::<EXCHANGE>(x));
    let y_sum = _mm_xor_si128(y, _mm_shuffle_epi32::<EXCHANGE>(y));
    Product([
        _mm_clmulepi64_si128::<0x00>(x, y),
        _mm_clmulepi64_si128::<0x00>(x_sum, y_sum),
        _mm_clmulepi64_si128::<0x11>(x, y),
    ])
}

#[inline]
#[target_feature(enable = "sse2")]
fn add(Product([a, b, c]): Product, Product([x, y, z]): Product) -> Product {
    Product([_mm_xor_si128(a, x), _mm_xor_si128(b, y), _mm_xor_si128(c, z)])
}

/// Divides by z¹²⁸ modulo the polynomial: twice, the multiple that clears the lowest 64 bits is added.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
fn reduce(Product([low, middle, high]): Product) -> __m128i {
    let middle = _mm_xor_si128(middle, _mm_xor_si128(low, high));
    let low = _mm_xor_si128(low, _mm_slli_si128::<8>(middle));
    let high = _mm_xor_si128(high, _mm_srli_si128::<8>(middle));
    let polynomial = _mm_set_epi64x(0, 0xc200_0000_0000_0000_u64.cast_signed());
    let folded = _mm_clmulepi64_si128::<0x00>(low, polynomial);
    let low = _mm_xor_si128(_mm_shuffle_epi32::<EXCHANGE>(low), folded);
    let folded = _mm_clmulepi64_si128::<0x00>(low, polynomial);
    _mm_xor_si128(high, _mm_xor_si128(_mm_shuffle_epi32::<EXCHANGE>(low), folded))
}

#[target_feature(enable = "pclmulqdq,ssse3")]
fn dot(x: u128, y: u128) -> u128 {
    to_number(reduce(multiply(from_number(&x), from_number(&y))))
}

#[target_feature(enable = "pclmulqdq,ssse3")]
fn absorb(powers: &[u128; TOGETHER], state: u128, blocks: &[[u8; 16]]) -> u128 {
    let mut state = from_number(&state);
    for chunk in blocks.chunks(TOGETHER) {
        let mut sum = Product([_mm_setzero_si128(); 3]);
        for (block, power) in chunk.iter().zip(powers.iter().skip(TOGETHER.wrapping_sub(chunk.len()))) {
            sum = add(sum, multiply(_mm_xor_si128(state, from_block(block)), from_number(power)));
            state = _mm_setzero_si128();
        }
        state = reduce(sum);
    }
    to_number(state)
}

/// Four blocks a vector, sixteen between two reductions.
#[target_feature(enable = "vpclmulqdq,avx512f,avx512bw,pclmulqdq,ssse3")]
fn absorb_wide(powers: &[u128; TOGETHER], state: u128, blocks: &[[u8; 16]]) -> u128 {
    let (chunks, rest) = blocks.as_chunks::<TOGETHER>();
    if chunks.is_empty() {
        return absorb(powers, state, rest);
    }
    let mut state = from_number(&state);
    let reversal = _mm512_broadcast_i32x4(reversal());
    let mut factors = [[_mm512_setzero_si512(); 2]; 4];
    for ([factor, sum], four) in factors.iter_mut().zip(powers.as_chunks::<4>().0) {
        // SAFETY: 64 readable bytes; the load needs no alignment.
        *factor = unsafe { _mm512_loadu_si512(four.as_ptr().cast()) };
        *sum = _mm512_xor_si512(*factor, _mm512_shuffle_epi32::<EXCHANGE>(*factor));
    }
    for chunk in chunks {
        let mut first = _mm512_inserti32x4::<0>(_mm512_setzero_si512(), state);
        let mut parts = [_mm512_setzero_si512(); 3];
        for ([factor, factor_sum], four) in factors.iter().zip(chunk.as_chunks::<4>().0) {
            // SAFETY: 64 readable bytes; the load needs no alignment.
            let x = unsafe { _mm512_loadu_si512(four.as_ptr().cast()) };
            let x = _mm512_xor_si512(first, _mm512_shuffle_epi8(x, reversal));
            first = _mm512_setzero_si512();
            let x_sum = _mm512_xor_si512(x, _mm512_shuffle_epi32::<EXCHANGE>(x));
            let [low, middle, high] = &mut parts;
            *low = _mm512_xor_si512(*low, _mm512_clmulepi64_epi128::<0x00>(x, *factor));
            *middle = _mm512_xor_si512(*middle, _mm512_clmulepi64_epi128::<0x00>(x_sum, *factor_sum));
            *high = _mm512_xor_si512(*high, _mm512_clmulepi64_epi128::<0x11>(x, *factor));
        }
        state = reduce(Product(parts.map(|part| add_lanes(part))));
    }
    absorb(powers, to_number(state), rest)
}

/// The sum of the four lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_lanes(x: __m512i) -> __m128i {
    let low = _mm_xor_si128(_mm512_castsi512_si128(x), _mm512_extracti32x4_epi32::<1>(x));
    _mm_xor_si128(low, _mm_xor_si128(_mm512_extracti32x4_epi32::<2>(x), _mm512_extracti32x4_epi32::<3>(x)))
}
