//! SM4-GCM (GB/T 17964 GCM, NIST SP 800-38D, RFC 8998 3.1): hides the text and protects it and its context.

use zeroize::Zeroizing;

use crate::crypto::Error;
use crate::crypto::ghash::{self, GhashKey};
use crate::crypto::secrecy;
use crate::crypto::sm4::{BLOCK_LEN, Block, Engine, KEY_LEN, Sm4, next_32};

/// Bytes of a full tag, the only length that is made.
pub const TAG_LEN: usize = 16;

/// The shortest tag that is accepted (SP 800-38D 5.2.1.2: 96 bits).
pub const MIN_TAG_LEN: usize = 12;

/// The longest text: 2³⁹ - 256 bits (SP 800-38D 5.2.1.1).
const MAX_TEXT: u64 = (1 << 36) - 32;

/// Texts up to here share one pass of the cipher with the mask of the tag.
const SHORT: usize = 7 * BLOCK_LEN;

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
        if buffer.len() <= SHORT {
            let short = self.crypt_short(counter, buffer);
            let [mask, text @ ..] = &*short;
            copy(text.as_flattened(), buffer);
            return Ok(self.tag(mask, aad, buffer));
        }
        self.cipher.add_stream_32(next_32(counter), buffer);
        Ok(self.tag(&self.mask(counter), aad, buffer))
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
        if buffer.len() <= SHORT {
            let short = self.crypt_short(counter, buffer);
            let [mask, text @ ..] = &*short;
            same(&self.tag(mask, aad, buffer), tag)?;
            copy(text.as_flattened(), buffer);
            return Ok(());
        }
        same(&self.tag(&self.mask(counter), aad, buffer), tag)?;
        self.cipher.add_stream_32(next_32(counter), buffer);
        Ok(())
    }

    /// The mask of the tag, and behind it the text with the key stream added: one pass of the cipher for both.
    fn crypt_short(&self, counter: u128, text: &[u8]) -> Zeroizing<[Block; 1 + SHORT / BLOCK_LEN]> {
        let mut out = Zeroizing::new([[0; BLOCK_LEN]; 1 + SHORT / BLOCK_LEN]);
        let (used, _) = out.as_flattened_mut().split_at_mut(BLOCK_LEN + text.len());
        let (_, place) = used.split_at_mut(BLOCK_LEN);
        copy(text, place);
        self.cipher.add_stream_32(counter, used);
        out
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

    /// What hides the tag.
    fn mask(&self, counter: u128) -> Block {
        let mut mask = counter.to_be_bytes();
        self.cipher.encrypt_block(&mut mask);
        mask
    }

    fn tag(&self, mask: &Block, aad: &[u8], text: &[u8]) -> Block {
        (u128::from_be_bytes(*mask) ^ u128::from_be_bytes(self.ghash.hash(aad, text))).to_be_bytes()
    }
}

/// Whether the tag is the beginning of the expected one, found in constant time.
fn same(expected: &Block, tag: &[u8]) -> Result<(), Error> {
    let (expected, _) = expected.split_at_checked(tag.len()).ok_or(Error::Unauthentic)?;
    if secrecy::equal(expected, tag) { Ok(()) } else { Err(Error::Unauthentic) }
}

fn copy(from: &[u8], to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// The hash subkey H (SP 800-38D 7.1 step 1).
fn subkey(cipher: &Sm4) -> Zeroizing<Block> {
    let mut h = Zeroizing::new([0; BLOCK_LEN]);
    cipher.encrypt_block(&mut h);
    h
}

fn check_length(text: &[u8]) -> Result<(), Error> {
    bounded(u64::try_from(text.len()).unwrap_or(u64::MAX))
}

fn bounded(length: u64) -> Result<(), Error> {
    if length <= MAX_TEXT { Ok(()) } else { Err(Error::TextTooLong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded() {
        let key = Sm4Gcm::new(&[7; 16]);
        assert_eq!(key.seal_in_place(b"", b"", &mut []), Err(Error::NonceLength { length: 0 }));
        assert_eq!(key.open_in_place(b"", b"", &mut [], &[0; 16]), Err(Error::NonceLength { length: 0 }));
        for length in [0, 11, 17] {
            let refused = key.open_in_place(&[0; 12], b"", &mut [], &vec![0; length]);
            assert_eq!(refused, Err(Error::TagLength { length }));
        }
        assert_eq!(bounded(MAX_TEXT), Ok(()));
        assert_eq!(bounded(MAX_TEXT + 1), Err(Error::TextTooLong));
    }

    #[test]
    fn shorter_tags_are_the_beginning_of_the_full_one_and_a_wrong_one_releases_nothing() {
        let key = Sm4Gcm::new(&[7; 16]);
        let mut sealed = *b"a text of more than one block";
        let tag = key.seal_in_place(&[1; 12], b"context", &mut sealed).unwrap();
        for length in MIN_TAG_LEN..=TAG_LEN {
            let mut text = sealed;
            assert_eq!(key.open_in_place(&[1; 12], b"context", &mut text, &tag[..length]), Ok(()));
            assert_eq!(&text, b"a text of more than one block");
            for bit in 0..8 * length {
                let (mut text, mut tag) = (sealed, tag);
                tag[bit / 8] ^= 1 << (bit % 8);
                let refused = key.open_in_place(&[1; 12], b"context", &mut text, &tag[..length]);
                assert_eq!((refused, text), (Err(Error::Unauthentic), sealed));
            }
        }
    }

    #[test]
    fn the_last_32_bits_wrap_around() {
        // SP 800-38D 6.2: the rest of the counter block stays as it is.
        for engine in Engine::available() {
            let key = Sm4Gcm::with_engines(engine, ghash::Engine::Portable, &[7; 16]).unwrap();
            let mut text = [0; 100 * 16];
            key.cipher.add_stream_32(u128::MAX - 3, &mut text);
            for (index, block) in text.as_chunks().0.iter().enumerate() {
                let low = u32::MAX.wrapping_sub(3).wrapping_add(u32::try_from(index).unwrap());
                let mut expected = ((u128::MAX << 32) | u128::from(low)).to_be_bytes();
                key.cipher.encrypt_block(&mut expected);
                assert_eq!(block, &expected, "{engine:?}, block {index}");
            }
        }
    }
}
