//! GHASH, the universal hash of GCM (NIST SP 800-38D 6.4), in constant time.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use zeroize::Zeroize;

/// How GHASH is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// Integer multiplication; works everywhere.
    Portable,
    /// x86-64 with PCLMULQDQ.
    Clmul,
    /// x86-64 with VPCLMULQDQ and AVX-512, four blocks wide.
    ClmulAvx512,
}

/// An engine of another architecture is never found.
#[cfg(not(target_arch = "x86_64"))]
mod x86_64 {
    use crate::crypto::ghash::Engine;

    pub(super) enum Powers {}

    impl Powers {
        pub(super) fn look_for(_: Engine, _: u128) -> Option<Self> {
            None
        }

        pub(super) fn absorb(&self, _: u128, _: &[[u8; 16]]) -> u128 {
            match *self {}
        }
    }
}

impl Engine {
    /// Every engine, slowest first.
    pub const ALL: &[Self] = &[Self::Portable, Self::Clmul, Self::ClmulAvx512];

    /// The engines that run here, slowest first; never empty.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        let runs_here = |engine| engine == Self::Portable || x86_64::Powers::look_for(engine, 0).is_some();
        Self::ALL.iter().copied().filter(move |engine| runs_here(*engine))
    }

    /// A stable name for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Clmul => "clmul",
            Self::ClmulAvx512 => "clmul-avx512",
        }
    }
}

/// The hash subkey H, wiped when dropped.
pub struct GhashKey {
    /// H·x in the bit order of POLYVAL (RFC 8452 appendix A), in which a big-endian block is read as a number.
    h: u128,
    /// Its powers, if the engine is not the portable one.
    powers: Option<x86_64::Powers>,
}

impl GhashKey {
    /// Takes H over, for the fastest engine of this processor.
    #[must_use]
    pub fn new(h: &[u8; 16]) -> Self {
        let h = times_x(h);
        let powers = Engine::ALL.iter().rev().find_map(|engine| x86_64::Powers::look_for(*engine, h));
        Self { h, powers }
    }

    /// Takes H over, for a given engine; `None` if this processor cannot run it.
    #[must_use]
    pub fn with_engine(engine: Engine, h: &[u8; 16]) -> Option<Self> {
        let h = times_x(h);
        let powers = x86_64::Powers::look_for(engine, h);
        (engine == Engine::Portable || powers.is_some()).then_some(Self { h, powers })
    }

    /// GHASH of `aad` and `text`, each filled up with zeros to whole blocks, and the block of their lengths in bits
    /// (SP 800-38D 7.1 step 5).
    #[must_use]
    pub fn hash(&self, aad: &[u8], text: &[u8]) -> [u8; 16] {
        let mut state = self.absorb(0, aad);
        state = self.absorb(state, text);
        let lengths = (bits(aad) << 64) | bits(text);
        self.absorb_blocks(state, &[lengths.to_be_bytes()]).to_be_bytes()
    }

    fn absorb(&self, state: u128, bytes: &[u8]) -> u128 {
        let (blocks, rest) = bytes.as_chunks();
        let state = self.absorb_blocks(state, blocks);
        if rest.is_empty() {
            return state;
        }
        let mut last = [0; 16];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.absorb_blocks(state, &[last])
    }

    fn absorb_blocks(&self, state: u128, blocks: &[[u8; 16]]) -> u128 {
        match &self.powers {
            Some(powers) => powers.absorb(state, blocks),
            None => portable::absorb(self.h, state, blocks),
        }
    }
}

/// H times x modulo x¹²⁸+x¹²⁷+x¹²⁶+x¹²¹+1, without a branch on the bit that leaves.
fn times_x(h: &[u8; 16]) -> u128 {
    let h = u128::from_be_bytes(*h);
    let carry = 0_u128.wrapping_sub(h >> 127);
    (h << 1) ^ (carry & 0xc200_0000_0000_0000_0000_0000_0000_0001)
}

/// A length in bits; a slice is far shorter than 2⁶¹ bytes.
fn bits(bytes: &[u8]) -> u128 {
    u64::try_from(bytes.len()).map_or(0, |length| u128::from(length) << 3)
}

impl Drop for GhashKey {
    fn drop(&mut self) {
        self.h.zeroize();
    }
}

impl std::fmt::Debug for GhashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GhashKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The product of SP 800-38D 6.3, bit by bit.
    fn product(x: u128, y: u128) -> u128 {
        let (mut z, mut v) = (0, y);
        for bit in (0..128).rev() {
            if x >> bit & 1 == 1 {
                z ^= v;
            }
            v = if v & 1 == 0 { v >> 1 } else { (v >> 1) ^ (0xe1 << 120) };
        }
        z
    }

    #[test]
    fn equals_the_definition() {
        let mut x = 0x0123_4567_89ab_cdef_0011_2233_4455_6677_u128;
        for h in [0, 1, 1 << 127, u128::MAX, 0x66e9_4bd4_ef8a_2c3b_884c_fa59_ca34_2b2e] {
            for engine in Engine::available() {
                let key = GhashKey::with_engine(engine, &u128::to_be_bytes(h)).unwrap();
                for count in 0..50 {
                    let mut blocks = vec![u128::MAX.to_be_bytes(); count];
                    for block in blocks.iter_mut().skip(count % 3) {
                        x = x.wrapping_mul(0xda94_2042_e4dd_58b5_0000_0000_0000_0001).rotate_left(29) ^ 0x1234;
                        *block = x.to_be_bytes();
                    }
                    let expected = blocks.iter().fold(!x, |s, block| product(s ^ u128::from_be_bytes(*block), h));
                    assert_eq!(key.absorb_blocks(!x, &blocks), expected, "{engine:?}, {count} blocks, H {h:x}");
                }
            }
        }
    }
}
