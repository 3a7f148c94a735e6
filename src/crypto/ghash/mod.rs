//! GHASH, the universal hash of GCM (NIST SP 800-38D 6.4), in constant time.

mod portable;

use zeroize::Zeroize;

/// How GHASH is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// Integer multiplication; works everywhere.
    Portable,
}

/// The hash subkey H, wiped when dropped.
pub struct GhashKey {
    /// H·x in the bit order of POLYVAL (RFC 8452 appendix A), in which a big-endian block is read as a number.
    h: u128,
}

impl GhashKey {
    /// Takes H over.
    #[must_use]
    pub fn new(h: &[u8; 16]) -> Self {
        let h = u128::from_be_bytes(*h);
        // Times x modulo x¹²⁸+x¹²⁷+x¹²⁶+x¹²¹+1, without a branch on the bit that leaves.
        let carry = 0_u128.wrapping_sub(h >> 127);
        Self { h: (h << 1) ^ (carry & 0xc200_0000_0000_0000_0000_0000_0000_0001) }
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
        portable::absorb(self.h, state, blocks)
    }
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
            let key = GhashKey::new(&u128::to_be_bytes(h));
            for _ in 0..40 {
                x = x.wrapping_mul(0xda94_2042_e4dd_58b5_0000_0000_0000_0001).rotate_left(29) ^ 0x1234;
                assert_eq!(key.absorb_blocks(0, &[x.to_be_bytes()]), product(x, h));
                assert_eq!(key.absorb_blocks(0, &[u128::MAX.to_be_bytes()]), product(u128::MAX, h));
            }
        }
    }
}
