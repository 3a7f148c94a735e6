//! The block cipher SM4 (GB/T 32907) in constant time, and its modes of operation (GB/T 17964).
//!
//! Every engine computes the same function; [`Engine::fastest`] picks one by what the processor says it can do.
//! The S-box is never looked up in memory: the portable engine evaluates it as a circuit, the others with the
//! instructions that processors have for the S-box of AES, which differs from it only by two affine maps.

pub mod cbc;
pub mod ccm;
pub mod ctr;
pub mod gcm;
#[cfg(yinxin_leaky)]
mod leaky;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sliced;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use zeroize::{Zeroize, Zeroizing};

use portable::SpreadKeys;

/// Bytes of a key.
pub const KEY_LEN: usize = 16;

/// Bytes of a block.
pub const BLOCK_LEN: usize = 16;

/// One block.
pub type Block = [u8; BLOCK_LEN];

/// The system parameter FK (GB/T 32907 7.3).
const FK: [u32; 4] = [0xa3b1_bac6, 0x56aa_3350, 0x677d_9197, 0xb270_22dc];

/// How the cipher is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// Sixteen blocks as a Boolean circuit over 64-bit words; works everywhere.
    Portable,
    /// x86-64 with AES-NI, 128 bits wide.
    AesNi,
    /// x86-64 with AES-NI and AVX2, 256 bits wide but for the S-box of AES.
    AesNiAvx2,
    /// x86-64 with VAES and AVX2, 256 bits wide.
    Vaes,
    /// x86-64 with GFNI and AVX2, 256 bits wide.
    Gfni,
    /// x86-64 with GFNI and AVX-512, 512 bits wide.
    GfniAvx512,
}

/// An engine of another architecture is never found.
#[cfg(not(target_arch = "x86_64"))]
mod x86_64 {
    use crate::crypto::sm4::{Block, Engine};

    #[derive(Clone, Copy)]
    pub(super) enum Found {}

    impl Found {
        pub(super) fn look_for(_: Engine) -> Option<Self> {
            None
        }

        pub(super) fn crypt(self, _: &[u32; 32], _: &mut [Block]) {
            match self {}
        }

        pub(super) fn stream(self, _: &[u32; 32], _: u128, _: &mut [u8]) {
            match self {}
        }

        pub(super) fn tau(self, _: u32) -> u32 {
            match self {}
        }
    }
}

impl Engine {
    /// Every engine, slowest first.
    pub const ALL: &[Self] = &[Self::Portable, Self::AesNi, Self::AesNiAvx2, Self::Vaes, Self::Gfni, Self::GfniAvx512];

    /// Whether this processor has what the engine needs.
    #[must_use]
    pub fn is_available(self) -> bool {
        self == Self::Portable || x86_64::Found::look_for(self).is_some()
    }

    /// The engines that run here, slowest first; never empty.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|engine| engine.is_available())
    }

    /// The fastest that runs here.
    #[must_use]
    pub fn fastest() -> Self {
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// A stable name for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::AesNi => "aes-ni",
            Self::AesNiAvx2 => "aes-ni-avx2",
            Self::Vaes => "vaes",
            Self::Gfni => "gfni",
            Self::GfniAvx512 => "gfni-avx512",
        }
    }
}

/// An expanded key. Its round keys are wiped when dropped and never shown.
pub struct Sm4 {
    engine: Engine,
    /// The engine, if it is not the portable one.
    found: Option<x86_64::Found>,
    /// Round keys in the order of encryption.
    forward: [u32; 32],
    /// Round keys in the order of decryption.
    backward: [u32; 32],
    /// The same for sixteen blocks at a time, where the portable engine works.
    spread: Option<[SpreadKeys; 2]>,
}

impl Sm4 {
    /// Expands a key for the fastest engine of this processor.
    #[must_use]
    pub fn new(key: &[u8; KEY_LEN]) -> Self {
        Self::expand(Engine::fastest(), key)
    }

    /// Expands a key for a given engine; `None` if this processor cannot run it.
    #[must_use]
    pub fn with_engine(engine: Engine, key: &[u8; KEY_LEN]) -> Option<Self> {
        engine.is_available().then(|| Self::expand(engine, key))
    }

    /// Key expansion (GB/T 32907 7.3).
    fn expand(engine: Engine, key: &[u8; KEY_LEN]) -> Self {
        let found = x86_64::Found::look_for(engine);
        let mut k = [0; 4];
        for ((k, bytes), fk) in k.iter_mut().zip(key.as_chunks().0).zip(FK) {
            *k = u32::from_be_bytes(*bytes) ^ fk;
        }
        let mut forward = [0; 32];
        let mut ck = 0_u8;
        for round_key in &mut forward {
            // Byte j of CK_i is (4i + j)·7 mod 256.
            let constant = [ck, ck.wrapping_add(7), ck.wrapping_add(14), ck.wrapping_add(21)];
            ck = ck.wrapping_add(28);
            let [k0, k1, k2, k3] = k;
            let x = k1 ^ k2 ^ k3 ^ u32::from_be_bytes(constant);
            let t = found.map_or_else(|| portable::tau(x), |found| found.tau(x));
            *round_key = k0 ^ t ^ t.rotate_left(13) ^ t.rotate_left(23);
            k = [k1, k2, k3, *round_key];
        }
        k.zeroize();
        let mut backward = forward;
        backward.reverse();
        let spread = found.is_none().then(|| [SpreadKeys::new(&forward), SpreadKeys::new(&backward)]);
        Self { engine, found, forward, backward, spread }
    }

    /// The engine in use.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Encrypts one block in place.
    pub fn encrypt_block(&self, block: &mut Block) {
        self.crypt(Direction::Encrypt, std::slice::from_mut(block));
    }

    /// Decrypts one block in place.
    pub fn decrypt_block(&self, block: &mut Block) {
        self.crypt(Direction::Decrypt, std::slice::from_mut(block));
    }

    /// Encrypts each block by itself, in place: the core of every mode, no mode of its own.
    pub fn encrypt_blocks(&self, blocks: &mut [Block]) {
        self.crypt(Direction::Encrypt, blocks);
    }

    /// Decrypts each block by itself, in place.
    pub fn decrypt_blocks(&self, blocks: &mut [Block]) {
        self.crypt(Direction::Decrypt, blocks);
    }

    /// Adds the key stream that starts at a counter block, whose last 32 bits count and wrap around.
    fn add_stream_32(&self, counter: u128, text: &mut [u8]) {
        if let Some(found) = self.found {
            return found.stream(&self.forward, counter, text);
        }
        let mut counter = counter;
        let mut stream = Zeroizing::new([[0; BLOCK_LEN]; portable::LANES]);
        for chunk in text.chunks_mut(stream.as_flattened().len()) {
            let (used, _) = stream.split_at_mut(chunk.len().div_ceil(BLOCK_LEN));
            for block in &mut *used {
                *block = counter.to_be_bytes();
                counter = next_32(counter);
            }
            self.encrypt_blocks(used);
            for (text, stream) in chunk.iter_mut().zip(used.as_flattened()) {
                *text ^= stream;
            }
        }
    }

    fn crypt(&self, direction: Direction, blocks: &mut [Block]) {
        let keys = match direction {
            Direction::Encrypt => &self.forward,
            Direction::Decrypt => &self.backward,
        };
        if let Some(found) = self.found {
            return found.crypt(keys, blocks);
        }
        match (&self.spread, direction) {
            (Some([forward, _]), Direction::Encrypt) if blocks.len() > portable::FEW => forward.crypt(blocks),
            (Some([_, backward]), Direction::Decrypt) if blocks.len() > portable::FEW => backward.crypt(blocks),
            _ => blocks.iter_mut().for_each(|block| portable::crypt_block(keys, block)),
        }
    }
}

/// The counter block after this one, where the last 32 bits count (inc₃₂, NIST SP 800-38D 6.2).
fn next_32(counter: u128) -> u128 {
    const COUNTED: u128 = 0xffff_ffff;
    (counter & !COUNTED) | (counter.wrapping_add(1) & COUNTED)
}

/// Which way through the rounds.
#[derive(Clone, Copy)]
enum Direction {
    Encrypt,
    Decrypt,
}

impl Drop for Sm4 {
    fn drop(&mut self) {
        self.forward.zeroize();
        self.backward.zeroize();
    }
}

impl std::fmt::Debug for Sm4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sm4({}, ..)", self.engine.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Block = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10";

    #[test]
    fn one_block_of_the_standard() {
        // GB/T 32907 A.1.
        for engine in Engine::available() {
            let cipher = Sm4::with_engine(engine, &KEY).unwrap();
            for count in [1, 2, 3, 5, 16, 17, 40, 100] {
                let mut blocks = vec![KEY; count];
                cipher.encrypt_blocks(&mut blocks);
                let expected = *b"\x68\x1e\xdf\x34\xd2\x06\x96\x5e\x86\xb3\xe9\x4f\x53\x6e\x42\x46";
                assert_eq!(blocks, vec![expected; count], "{engine:?}");
                cipher.decrypt_blocks(&mut blocks);
                assert_eq!(blocks, vec![KEY; count], "{engine:?}");
            }
        }
    }

    /// Blocks and streams of every length around one, several and many sets, under keys of all kinds.
    #[test]
    fn every_engine_equals_the_portable_one() {
        let mut random = 0x0123_4567_89ab_cdef_u128;
        let mut draw = || {
            random = random.wrapping_mul(0xda94_2042_e4dd_58b5_0000_0000_0000_0001).wrapping_add(77).rotate_left(29);
            random
        };
        let lengths = (0..300).step_by(7).chain([15, 16, 31, 32, 33, 47, 48, 64, 65, 80, 127, 128, 129, 160, 191, 256]);
        for length in lengths {
            let (key, counter) = (draw().to_be_bytes(), draw());
            let blocks: Vec<Block> = (0..length).map(|_| draw().to_be_bytes()).collect();
            let missing = length % 16;
            let run = |engine| {
                let cipher = Sm4::with_engine(engine, &key).unwrap();
                let (mut encrypted, mut decrypted, mut streamed) = (blocks.clone(), blocks.clone(), blocks.clone());
                cipher.encrypt_blocks(&mut encrypted);
                cipher.decrypt_blocks(&mut decrypted);
                let text = streamed.as_flattened_mut();
                let (text, _) = text.split_at_mut(text.len().saturating_sub(missing));
                // The counted word wraps around in the middle.
                cipher.add_stream_32(counter | 0xffff_ff80, text);
                (encrypted, decrypted, streamed)
            };
            let expected = run(Engine::Portable);
            for engine in Engine::available() {
                assert_eq!(run(engine), expected, "{engine:?}, {length} blocks");
            }
        }
    }

    #[test]
    fn nothing_of_the_key_is_shown() {
        let cipher = Sm4::with_engine(Engine::Portable, &KEY).unwrap();
        assert_eq!(format!("{cipher:?}"), "Sm4(portable, ..)");
    }
}
