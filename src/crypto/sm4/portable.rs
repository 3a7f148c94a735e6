//! SM4 as a Boolean circuit over 64-bit words: constant time on every machine, the reference of the faster engines.
//!
//! Sixteen blocks travel together. A slice is a `u64` that holds one bit of 64 bytes; eight slices are one word of
//! the state (GB/T 32907 6.1) for sixteen blocks. No table is read and no branch is taken on a secret.
//!
//! The S-box (GB/T 32907 6.2) is `S(x) = A·(A·x + c)⁻¹ + c` in GF(2⁸) modulo x⁸+x⁷+x⁶+x⁵+x⁴+x²+1, where row i of A is
//! 0xA7 rotated left by i and c = 0xD3; that it equals the standard's table is tested over all 256 bytes. The inverse is computed in the tower GF(((2²)²)²) with
//! normal bases made of W = 0x5C, Z = 0x50 and Y = 0xBE: of all such towers the one whose two changes of basis,
//! multiplied into A, cost the fewest XORs (12 each).
#![expect(clippy::indexing_slicing, reason = "arrays of 4, 8, 16 and 32 entries under constant or masked indices")]

use zeroize::Zeroize;

/// The eight bits of 64 bytes; entry i holds bit i of each.
type Slices = [u64; 8];

/// Up to this many blocks, one at a time is faster than sixteen at a time.
pub(super) const FEW: usize = 1;

/// Blocks that travel together.
pub(super) const LANES: usize = 16;

/// An element of GF(2²) in 64 lanes: a₀·W + a₁·W².
#[derive(Clone, Copy)]
struct Gf4(u64, u64);

impl Gf4 {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0 ^ other.0, self.1 ^ other.1)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let cross = (self.0 ^ self.1) & (other.0 ^ other.1);
        Self((self.0 & other.0) ^ cross, (self.1 & other.1) ^ cross)
    }

    /// The square, which in GF(2²) is also the inverse.
    #[inline(always)]
    fn square(self) -> Self {
        Self(self.1, self.0)
    }

    /// The product with N = Z⁵ = W².
    #[inline(always)]
    fn mul_n(self) -> Self {
        Self(self.0 ^ self.1, self.0)
    }
}

/// An element of GF(2⁴) in 64 lanes: a₀·Z + a₁·Z⁴.
#[derive(Clone, Copy)]
struct Gf16(Gf4, Gf4);

impl Gf16 {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0.add(other.0), self.1.add(other.1))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let cross = self.0.add(self.1).mul(other.0.add(other.1)).mul_n();
        Self(self.0.mul(other.0).add(cross), self.1.mul(other.1).add(cross))
    }

    #[inline(always)]
    fn invert(self) -> Self {
        let norm = self.0.mul(self.1).add(self.0.add(self.1).square().mul_n());
        let inverse = norm.square();
        Self(inverse.mul(self.1), inverse.mul(self.0))
    }

    /// The square times Y¹⁷, a linear map.
    #[inline(always)]
    fn square_mul_y17(self) -> Self {
        let Self(Gf4(a, b), Gf4(c, d)) = self;
        let ab = a ^ b;
        Self(Gf4(d, c), Gf4(d ^ ab, b ^ c))
    }
}

/// The S-box on 64 bytes.
#[inline(always)]
fn substitute(x: Slices) -> Slices {
    let [x0, x1, x2, x3, x4, x5, x6, x7] = x;

    // A·x + c, in the basis of the tower.
    let a = x4 ^ x6;
    let b = x0 ^ a;
    let c = x1 ^ x2;
    let d = x0 ^ x1;
    let low = Gf16(Gf4(x5 ^ c, !(x2 ^ a)), Gf4(x1 ^ x7, x3 ^ x5 ^ x6 ^ x7));
    let high = Gf16(Gf4(x5 ^ b, x6 ^ d), Gf4(!b, !x2));

    // Inverse of low·Y + high·Y¹⁶.
    let norm = low.mul(high).add(low.add(high).square_mul_y17());
    let inverse = norm.invert();
    let Gf16(Gf4(y0, y1), Gf4(y2, y3)) = inverse.mul(high);
    let Gf16(Gf4(y4, y5), Gf4(y6, y7)) = inverse.mul(low);

    // A·y + c, from the basis of the tower.
    let e = y4 ^ y5;
    let f = y0 ^ e;
    let g = y1 ^ y3;
    let h = y6 ^ f;
    let i = f ^ g;
    [!y6, !(y2 ^ y4 ^ y6), h, g ^ e ^ y7, !(h ^ y1 ^ y7), i ^ y2, !y1, !i]
}

/// The S-box on the four bytes of each half of a word pair: the lane of a byte is where its lowest bit stands.
#[inline(always)]
pub(super) fn substitute_bytes(x: u64) -> u64 {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    let mut slices = [0; 8];
    for (bit, slice) in (0_u32..).zip(&mut slices) {
        *slice = (x >> bit) & LOWEST;
    }
    let slices = substitute(slices);
    (0_u32..).zip(slices).fold(0, |out, (bit, slice)| out | ((slice & LOWEST) << bit))
}

#[cfg(yinxin_leaky)]
use super::leaky::linear_tau;
#[cfg(yinxin_leaky)]
pub(super) use super::leaky::tau;

/// The S-box on the four bytes of a word: τ of GB/T 32907 6.2.
#[cfg(not(yinxin_leaky))]
pub(super) fn tau(x: u32) -> u32 {
    let [.., a, b, c, d] = substitute_bytes(x.into()).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// L of GB/T 32907 6.2.
#[inline(always)]
pub(super) fn linear(x: u32) -> u32 {
    x ^ x.rotate_left(2) ^ x.rotate_left(10) ^ x.rotate_left(18) ^ x.rotate_left(24)
}

/// T of GB/T 32907 6.2.
#[cfg(not(yinxin_leaky))]
#[inline(always)]
fn linear_tau(x: u32) -> u32 {
    linear(tau(x))
}

/// L on slices whose lane is 16 · byte + block, byte 0 being the lowest.
#[inline(always)]
fn linear_slices(x: Slices) -> Slices {
    let [x0, x1, x2, x3, x4, x5, x6, x7] = x;
    // Rotated left by 2, the two lowest bits come from the byte below.
    let by_two = [x6.rotate_left(16), x7.rotate_left(16), x0, x1, x2, x3, x4, x5];
    let mut out = [0; 8];
    for ((out, x), y) in out.iter_mut().zip(x).zip(by_two) {
        *out = x ^ x.rotate_left(48) ^ y ^ y.rotate_left(16) ^ y.rotate_left(32);
    }
    out
}

/// A round key on all blocks: each bit fills the 16 lanes of its byte.
fn spread_key(key: u32) -> Slices {
    let mut out = [0; 8];
    for (bit, slice) in (0_u32..).zip(&mut out) {
        for byte in 0_u32..4 {
            let lanes = 0xffff & 0_u64.wrapping_sub(u64::from((key >> (8 * byte + bit)) & 1));
            *slice |= lanes << (16 * byte);
        }
    }
    out
}

/// Exchanges the bits of `a` under `mask << shift` with those of `b` under `mask`.
#[inline(always)]
fn exchange(a: &mut u64, b: &mut u64, mask: u64, shift: u32) {
    let difference = ((*a >> shift) ^ *b) & mask;
    *a ^= difference << shift;
    *b ^= difference;
}

/// Transposes the 8×8 bit matrices that the bytes of equal index form; its own inverse.
#[inline(always)]
fn transpose(x: &mut Slices) {
    let [x0, x1, x2, x3, x4, x5, x6, x7] = x;
    for (a, b) in [(&mut *x0, &mut *x1), (&mut *x2, &mut *x3), (&mut *x4, &mut *x5), (&mut *x6, &mut *x7)] {
        exchange(a, b, 0x5555_5555_5555_5555, 1);
    }
    for (a, b) in [(&mut *x0, &mut *x2), (&mut *x1, &mut *x3), (&mut *x4, &mut *x6), (&mut *x5, &mut *x7)] {
        exchange(a, b, 0x3333_3333_3333_3333, 2);
    }
    for (a, b) in [(x0, x4), (x1, x5), (x2, x6), (x3, x7)] {
        exchange(a, b, 0x0f0f_0f0f_0f0f_0f0f, 4);
    }
}

/// Puts the four bytes of a word at the even bytes of a double word.
#[inline(always)]
fn spread(x: u32) -> u64 {
    let x = u64::from(x);
    let x = (x | (x << 16)) & 0x0000_ffff_0000_ffff;
    (x | (x << 8)) & 0x00ff_00ff_00ff_00ff
}

/// The inverse of [`spread`]; the odd bytes are dropped.
#[inline(always)]
fn gather(x: u64) -> u32 {
    let x = x & 0x00ff_00ff_00ff_00ff;
    let x = (x | (x >> 8)) & 0x0000_ffff_0000_ffff;
    let [a, b, c, d, ..] = (x | (x >> 16)).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// One word of sixteen blocks as slices.
#[inline(always)]
fn slice_up(words: &[u32; LANES]) -> Slices {
    let mut out = [0; 8];
    for (index, slice) in out.iter_mut().enumerate() {
        *slice = spread(words[index]) | (spread(words[index + 8]) << 8);
    }
    transpose(&mut out);
    out
}

/// The inverse of [`slice_up`].
#[inline(always)]
fn put_together(mut slices: Slices) -> [u32; LANES] {
    transpose(&mut slices);
    let mut out = [0; LANES];
    for (index, slice) in slices.into_iter().enumerate() {
        out[index] = gather(slice);
        out[index + 8] = gather(slice >> 8);
    }
    out
}

/// Word `index` of a block (GB/T 32907 6.1: big-endian).
#[inline(always)]
fn word(block: &[u8; 16], index: usize) -> u32 {
    let at = 4 * index;
    u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

/// One block through the 32 rounds in the order of `keys`.
pub(super) fn crypt_block(keys: &[u32; 32], block: &mut [u8; 16]) {
    let mut x = [word(block, 0), word(block, 1), word(block, 2), word(block, 3)];
    for key in keys {
        let [x0, x1, x2, x3] = x;
        x = [x1, x2, x3, x0 ^ linear_tau(x1 ^ x2 ^ x3 ^ key)];
    }
    for (to, word) in block.as_chunks_mut().0.iter_mut().zip(x.iter().rev()) {
        *to = word.to_be_bytes();
    }
    x.zeroize();
}

/// Sixteen blocks through the 32 rounds.
fn crypt_sixteen(keys: &[Slices; 32], blocks: &mut [[u8; 16]; LANES]) {
    let mut state = [[0; 8]; 4];
    for (index, slices) in state.iter_mut().enumerate() {
        let mut words = [0; LANES];
        for (to, block) in words.iter_mut().zip(blocks.iter()) {
            *to = word(block, index);
        }
        *slices = slice_up(&words);
    }
    for round in keys.as_chunks::<4>().0 {
        // Four rounds bring every word back to its place.
        for (place, key) in round.iter().enumerate() {
            let mut x = *key;
            for (bit, x) in x.iter_mut().enumerate() {
                *x ^= state[(place + 1) % 4][bit] ^ state[(place + 2) % 4][bit] ^ state[(place + 3) % 4][bit];
            }
            let x = linear_slices(substitute(x));
            for (bit, x) in x.into_iter().enumerate() {
                state[place][bit] ^= x;
            }
        }
    }
    // The reversal R of GB/T 32907 7.1.
    for (index, slices) in state.iter().rev().enumerate() {
        for (block, word) in blocks.iter_mut().zip(put_together(*slices)) {
            block.as_chunks_mut().0[index] = word.to_be_bytes();
        }
    }
    state.zeroize();
}

/// Round keys spread over sixteen blocks, wiped when dropped.
pub(super) struct SpreadKeys(Box<[Slices; 32]>);

impl SpreadKeys {
    /// Spreads the 32 round keys.
    pub(super) fn new(keys: &[u32; 32]) -> Self {
        let mut spread = Box::new([[0; 8]; 32]);
        for (to, key) in spread.iter_mut().zip(keys) {
            *to = spread_key(*key);
        }
        Self(spread)
    }

    /// Every block through the rounds; the last few are filled up to sixteen.
    pub(super) fn crypt(&self, blocks: &mut [[u8; 16]]) {
        let (chunks, rest) = blocks.as_chunks_mut();
        for chunk in chunks {
            crypt_sixteen(&self.0, chunk);
        }
        if !rest.is_empty() {
            let mut filled = [[0; 16]; LANES];
            filled[..rest.len()].copy_from_slice(rest);
            crypt_sixteen(&self.0, &mut filled);
            rest.copy_from_slice(&filled[..rest.len()]);
            filled.zeroize();
        }
    }
}

impl Drop for SpreadKeys {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x·y in GF(2⁸) modulo x⁸+x⁷+x⁶+x⁵+x⁴+x²+1, bit by bit.
    fn product(mut x: u16, y: u16) -> u16 {
        let mut out = 0;
        for bit in 0..8 {
            if y >> bit & 1 == 1 {
                out ^= x;
            }
            x = if x & 0x80 == 0 { x << 1 } else { (x << 1) ^ 0x1f5 };
        }
        out
    }

    fn affine(x: u8) -> u8 {
        (0..8).fold(0xd3, |out, bit| {
            let parity = (0xa7_u8.rotate_left(bit) & x).count_ones() & 1;
            out ^ (u8::from(parity == 1) << bit)
        })
    }

    #[test]
    fn the_circuit_is_the_algebraic_s_box() {
        for x in 0..=255 {
            let a = u16::from(affine(x));
            let inverse = (0_u16..256).find(|y| product(a, *y) == 1).unwrap_or(0);
            let expected = affine(u8::try_from(inverse).unwrap());
            assert_eq!(tau(u32::from(x)).to_le_bytes()[0], expected, "S({x:02x})");
        }
        // GB/T 32907 6.2 gives this entry as its example: row e, column f.
        assert_eq!(tau(0xef), 0xd6d6_d684);
    }

    #[test]
    fn slices_come_back() {
        let words = std::array::from_fn(|i| 0x0123_4567_u32.rotate_left(u32::try_from(i).unwrap()).wrapping_mul(77));
        assert_eq!(put_together(slice_up(&words)), words);
    }
}
