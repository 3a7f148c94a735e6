//! SM4-GCM (GB/T 17964 GCM, NIST SP 800-38D, RFC 8998 3.1): hides the text and protects it and its context.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::Error;
use crate::crypto::ghash::{self, GhashKey};
use crate::crypto::sm4::{BLOCK_LEN, Block, Engine, KEY_LEN, Sm4, ctr};

/// Bytes of a full tag, the only length that is made.
pub const TAG_LEN: usize = 16;

/// The shortest tag that is accepted (SP 800-38D 5.2.1.2: 96 bits).
pub const MIN_TAG_LEN: usize = 12;

/// The longest text: 2³⁹ - 256 bits (SP 800-38D 5.2.1.1).
const MAX_TEXT: u64 = (1 << 36) - 32;

/// A key of SM4-GCM.
#[derive(Debug)]
pub struct Sm4Gcm {
    cipher: Sm4,
    ghash: GhashKey,
}

impl Sm4Gcm {
    /// Expands a key.
    #[must_use]
    pub fn new(key: &[u8; KEY_LEN]) -> Self {
        let cipher = Sm4::new(key);
        let ghash = GhashKey::new(&subkey(&cipher));
        Self { cipher, ghash }
    }

    /// Expands a key for given engines; `None` if this processor cannot run them.
    #[must_use]
    pub fn with_engines(engine: Engine, ghash: ghash::Engine, key: &[u8; KEY_LEN]) -> Option<Self> {
        let cipher = Sm4::with_engine(engine, key)?;
        let ghash = GhashKey::with_engine(ghash, &subkey(&cipher))?;
        Some(Self { cipher, ghash })
    }

    /// Encrypts `buffer` in place and gives the tag over it and `aad` (SP 800-38D 7.1).
    ///
    /// The nonce should have 12 bytes and must never be used twice under one key: that is the caller's to ensure.
    ///
    /// # Errors
    /// [`Error::NonceLength`] for an empty nonce, [`Error::TextTooLong`] beyond 2³⁶ - 32 bytes.
    pub fn seal_in_place(&self, nonce: &[u8], aad: &[u8], buffer: &mut [u8]) -> Result<[u8; TAG_LEN], Error> {
        let counter = self.first_counter(nonce)?;
        check_length(buffer)?;
        ctr::apply_32(&self.cipher, after(counter), buffer);
        Ok(self.tag(counter, aad, buffer))
    }

    /// Checks the tag, then decrypts `buffer` in place (SP 800-38D 7.2). A wrong tag leaves the buffer as it was.
    ///
    /// # Errors
    /// [`Error::NonceLength`] for an empty nonce, [`Error::TagLength`] for a tag outside 12 to 16 bytes,
    /// [`Error::TextTooLong`] beyond 2³⁶ - 32 bytes, [`Error::Unauthentic`] for a wrong tag.
    pub fn open_in_place(&self, nonce: &[u8], aad: &[u8], buffer: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        if !(MIN_TAG_LEN..=TAG_LEN).contains(&tag.len()) {
            return Err(Error::TagLength { length: tag.len() });
        }
        let counter = self.first_counter(nonce)?;
        check_length(buffer)?;
        let expected = self.tag(counter, aad, buffer);
        let (expected, _) = expected.split_at_checked(tag.len()).ok_or(Error::Unauthentic)?;
        if !bool::from(expected.ct_eq(tag)) {
            return Err(Error::Unauthentic);
        }
        ctr::apply_32(&self.cipher, after(counter), buffer);
        Ok(())
    }

    /// The counter block J₀ (SP 800-38D 7.1 step 2).
    fn first_counter(&self, nonce: &[u8]) -> Result<u128, Error> {
        if nonce.is_empty() {
            return Err(Error::NonceLength { length: 0 });
        }
        if let Ok(nonce) = <[u8; 12]>::try_from(nonce) {
            let mut block = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
            for (to, from) in block.iter_mut().zip(nonce) {
                *to = from;
            }
            return Ok(u128::from_be_bytes(block));
        }
        Ok(u128::from_be_bytes(self.ghash.hash(&[], nonce)))
    }

    fn tag(&self, counter: u128, aad: &[u8], text: &[u8]) -> Block {
        let mut mask = counter.to_be_bytes();
        self.cipher.encrypt_block(&mut mask);
        let sum = u128::from_be_bytes(mask) ^ u128::from_be_bytes(self.ghash.hash(aad, text));
        sum.to_be_bytes()
    }
}

/// The hash subkey H (SP 800-38D 7.1 step 1).
fn subkey(cipher: &Sm4) -> Zeroizing<Block> {
    let mut h = Zeroizing::new([0; BLOCK_LEN]);
    cipher.encrypt_block(&mut h);
    h
}

/// inc₃₂ (SP 800-38D 6.2).
fn after(counter: u128) -> u128 {
    const COUNTED: u128 = 0xffff_ffff;
    (counter & !COUNTED) | (counter.wrapping_add(1) & COUNTED)
}

fn check_length(text: &[u8]) -> Result<(), Error> {
    match u64::try_from(text.len()) {
        Ok(0..=MAX_TEXT) => Ok(()),
        _ => Err(Error::TextTooLong),
    }
}
