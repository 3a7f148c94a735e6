//! The block cipher SM4 (GB/T 32907) in constant time, and its modes of operation (GB/T 17964).
//!
//! Every engine computes the same function; [`Engine::fastest`] picks one by what the processor says it can do.
//! The S-box is never looked up in memory: the portable engine evaluates it as a circuit, the others with the
//! instructions that processors have for the S-box of AES, which differs from it only by two affine maps.

pub mod ctr;
pub mod gcm;
mod portable;

use zeroize::Zeroize;

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
}

impl Engine {
    /// Every engine, slowest first.
    pub const ALL: &[Self] = &[Self::Portable];

    /// Whether this processor has what the engine needs.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
        }
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
        }
    }
}

/// An expanded key. Its round keys are wiped when dropped and never shown.
pub struct Sm4 {
    engine: Engine,
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
            let t = portable::tau(k1 ^ k2 ^ k3 ^ u32::from_be_bytes(constant));
            *round_key = k0 ^ t ^ t.rotate_left(13) ^ t.rotate_left(23);
            k = [k1, k2, k3, *round_key];
        }
        k.zeroize();
        let mut backward = forward;
        backward.reverse();
        let spread = (engine == Engine::Portable).then(|| [SpreadKeys::new(&forward), SpreadKeys::new(&backward)]);
        Self { engine, forward, backward, spread }
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

    fn crypt(&self, direction: Direction, blocks: &mut [Block]) {
        let keys = match direction {
            Direction::Encrypt => &self.forward,
            Direction::Decrypt => &self.backward,
        };
        match (&self.spread, blocks) {
            (Some([forward, backward]), blocks) if blocks.len() > portable::FEW => match direction {
                Direction::Encrypt => forward.crypt(blocks),
                Direction::Decrypt => backward.crypt(blocks),
            },
            (_, blocks) => blocks.iter_mut().for_each(|block| portable::crypt_block(keys, block)),
        }
    }
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

    #[test]
    fn nothing_of_the_key_is_shown() {
        let cipher = Sm4::with_engine(Engine::Portable, &KEY).unwrap();
        assert_eq!(format!("{cipher:?}"), "Sm4(portable, ..)");
    }
}
