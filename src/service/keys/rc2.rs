//! RC2 in CBC mode (RFC 2268), decryption only: Java still wraps the certificates of a PKCS#12 with it.
//!
//! OpenSSL keeps RC2 in a provider that our build leaves out. It protects nothing that is secret; keys come under
//! triple DES. It is never written.

use zeroize::Zeroizing;

/// Bytes of a block.
const BLOCK: usize = 8;

/// RFC 2268 section 2, step 1: the bytes of π.
const PI: [u8; 256] = [
    0xd9, 0x78, 0xf9, 0xc4, 0x19, 0xdd, 0xb5, 0xed, 0x28, 0xe9, 0xfd, 0x79, 0x4a, 0xa0, 0xd8, 0x9d, 0xc6, 0x7e, 0x37,
    0x83, 0x2b, 0x76, 0x53, 0x8e, 0x62, 0x4c, 0x64, 0x88, 0x44, 0x8b, 0xfb, 0xa2, 0x17, 0x9a, 0x59, 0xf5, 0x87, 0xb3,
    0x4f, 0x13, 0x61, 0x45, 0x6d, 0x8d, 0x09, 0x81, 0x7d, 0x32, 0xbd, 0x8f, 0x40, 0xeb, 0x86, 0xb7, 0x7b, 0x0b, 0xf0,
    0x95, 0x21, 0x22, 0x5c, 0x6b, 0x4e, 0x82, 0x54, 0xd6, 0x65, 0x93, 0xce, 0x60, 0xb2, 0x1c, 0x73, 0x56, 0xc0, 0x14,
    0xa7, 0x8c, 0xf1, 0xdc, 0x12, 0x75, 0xca, 0x1f, 0x3b, 0xbe, 0xe4, 0xd1, 0x42, 0x3d, 0xd4, 0x30, 0xa3, 0x3c, 0xb6,
    0x26, 0x6f, 0xbf, 0x0e, 0xda, 0x46, 0x69, 0x07, 0x57, 0x27, 0xf2, 0x1d, 0x9b, 0xbc, 0x94, 0x43, 0x03, 0xf8, 0x11,
    0xc7, 0xf6, 0x90, 0xef, 0x3e, 0xe7, 0x06, 0xc3, 0xd5, 0x2f, 0xc8, 0x66, 0x1e, 0xd7, 0x08, 0xe8, 0xea, 0xde, 0x80,
    0x52, 0xee, 0xf7, 0x84, 0xaa, 0x72, 0xac, 0x35, 0x4d, 0x6a, 0x2a, 0x96, 0x1a, 0xd2, 0x71, 0x5a, 0x15, 0x49, 0x74,
    0x4b, 0x9f, 0xd0, 0x5e, 0x04, 0x18, 0xa4, 0xec, 0xc2, 0xe0, 0x41, 0x6e, 0x0f, 0x51, 0xcb, 0xcc, 0x24, 0x91, 0xaf,
    0x50, 0xa1, 0xf4, 0x70, 0x39, 0x99, 0x7c, 0x3a, 0x85, 0x23, 0xb8, 0xb4, 0x7a, 0xfc, 0x02, 0x36, 0x5b, 0x25, 0x55,
    0x97, 0x31, 0x2d, 0x5d, 0xfa, 0x98, 0xe3, 0x8a, 0x92, 0xae, 0x05, 0xdf, 0x29, 0x10, 0x67, 0x6c, 0xba, 0xc9, 0xd3,
    0x00, 0xe6, 0xcf, 0xe1, 0x9e, 0xa8, 0x2c, 0x63, 0x16, 0x01, 0x3f, 0x58, 0xe2, 0x89, 0xa9, 0x0d, 0x38, 0x34, 0x1b,
    0xab, 0x33, 0xff, 0xb0, 0xbb, 0x48, 0x0c, 0x5f, 0xb9, 0xb1, 0xcd, 0x2e, 0xc5, 0xf3, 0xdb, 0x47, 0xe5, 0xa5, 0x9c,
    0x77, 0x0a, 0xa6, 0x20, 0x68, 0xfe, 0x7f, 0xc1, 0xad,
];

/// An expanded key.
pub(in crate::service::keys) struct Rc2([u16; 64]);

impl Drop for Rc2 {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

fn pi(octet: u8) -> u8 {
    PI.get(usize::from(octet)).copied().unwrap_or(0)
}

impl Rc2 {
    /// Expands a key of 1 to 16 bytes, all of whose bits count (RFC 2268 2).
    pub(in crate::service::keys) fn new(key: &[u8]) -> Self {
        let length = key.len().clamp(1, 16);
        let mut octets = Zeroizing::new([0_u8; 128]);
        for (to, from) in octets.iter_mut().zip(key.iter().take(length)) {
            *to = *from;
        }
        let at = |octets: &[u8; 128], place: usize| octets.get(place).copied().unwrap_or(0);
        for place in length..128 {
            let sum = at(&octets, place.saturating_sub(1)).wrapping_add(at(&octets, place.saturating_sub(length)));
            if let Some(octet) = octets.get_mut(place) {
                *octet = pi(sum);
            }
        }
        // The effective length is the whole key: T8 is its length in bytes, and the mask TM keeps all bits.
        let start = 128_usize.saturating_sub(length);
        let first = pi(at(&octets, start));
        if let Some(octet) = octets.get_mut(start) {
            *octet = first;
        }
        for place in (0..start).rev() {
            let mixed = at(&octets, place.saturating_add(1)) ^ at(&octets, place.saturating_add(length));
            if let Some(octet) = octets.get_mut(place) {
                *octet = pi(mixed);
            }
        }
        let mut words = [0; 64];
        for (word, pair) in words.iter_mut().zip(octets.chunks_exact(2)) {
            *word = pair.iter().rev().fold(0, |word, octet| word << 8 | u16::from(*octet));
        }
        Self(words)
    }

    fn word(&self, place: usize) -> u16 {
        self.0.get(place % 64).copied().unwrap_or(0)
    }

    /// One block (RFC 2268 4): 5 mixing rounds backwards, a mashing one, 6, a mashing one, 5.
    fn decrypt_block(&self, block: [u8; BLOCK]) -> [u8; BLOCK] {
        let [a, b, c, d, e, f, g, h] = block;
        let mut r = [[a, b], [c, d], [e, f], [g, h]].map(u16::from_le_bytes);
        let mut next = 64_usize;
        for (rounds, mash) in [(5, true), (6, true), (5, false)] {
            for _ in 0..rounds {
                let [mut r0, mut r1, mut r2, mut r3] = r;
                next = next.saturating_sub(4);
                let mix = |word: u16, keep: u16, one: u16, two: u16, place: usize| {
                    word.wrapping_sub(self.word(next + place)).wrapping_sub(keep & one).wrapping_sub(!keep & two)
                };
                r3 = mix(r3.rotate_right(5), r2, r1, r0, 3);
                r2 = mix(r2.rotate_right(3), r1, r0, r3, 2);
                r1 = mix(r1.rotate_right(2), r0, r3, r2, 1);
                r0 = mix(r0.rotate_right(1), r3, r2, r1, 0);
                r = [r0, r1, r2, r3];
            }
            if mash {
                let [mut r0, mut r1, mut r2, mut r3] = r;
                r3 = r3.wrapping_sub(self.word(usize::from(r2)));
                r2 = r2.wrapping_sub(self.word(usize::from(r1)));
                r1 = r1.wrapping_sub(self.word(usize::from(r0)));
                r0 = r0.wrapping_sub(self.word(usize::from(r3)));
                r = [r0, r1, r2, r3];
            }
        }
        let [[a, b], [c, d], [e, f], [g, h]] = r.map(u16::to_le_bytes);
        [a, b, c, d, e, f, g, h]
    }

    /// CBC over whole blocks; the padding stays on. What does not fill a block is left out.
    pub(in crate::service::keys) fn decrypt_cbc(&self, iv: [u8; BLOCK], text: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
        let mut before = iv;
        let (blocks, _) = text.as_chunks::<BLOCK>();
        for block in blocks {
            let opened = self.decrypt_block(*block);
            plain.extend(opened.iter().zip(before).map(|(octet, mask)| octet ^ mask));
            before = *block;
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let octets: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        octets.try_into().unwrap()
    }

    /// RFC 2268 5, those whose effective length is that of the key.
    #[test]
    fn vectors_of_the_standard() {
        let open = |key: &[u8], text: &str| Rc2::new(key).decrypt_block(bytes(text));
        assert_eq!(open(&bytes::<8>("ffffffffffffffff"), "278b27e42e2f0d49"), [0xff; 8]);
        assert_eq!(open(&bytes::<8>("3000000000000000"), "30649edf9be7d2c2"), bytes("1000000000000001"));
        let key = bytes::<16>("88bca90e90875a7f0f79c384627bafb2");
        assert_eq!(open(&key, "2269552ab0f85ca6"), [0; 8]);
    }

    #[test]
    fn blocks_are_chained() {
        let rc2 = Rc2::new(&[0xff; 8]);
        let block = bytes::<8>("278b27e42e2f0d49");
        let plain = rc2.decrypt_cbc([1; 8], &[block, block].concat());
        let second = block.map(|octet| octet ^ 0xff);
        assert_eq!(*plain, [[0xfe; 8], second].concat());
        assert!(rc2.decrypt_cbc([1; 8], &block[..7]).is_empty());
    }
}
