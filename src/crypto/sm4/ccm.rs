//! SM4-CCM (NIST SP 800-38C, RFC 3610, RFC 8998 3.2): for formats that demand it. Half as fast as CBC at best.

use zeroize::Zeroizing;

use crate::crypto::Error;
use crate::crypto::secrecy;
use crate::crypto::sm4::{BLOCK_LEN, Block, KEY_LEN, Sm4, ctr};

/// A key of SM4-CCM and the length of its tags, which SP 800-38C 5.2 fixes for the life of a key.
#[derive(Debug)]
pub struct Sm4Ccm {
    cipher: Sm4,
    tag_len: u8,
}

impl Sm4Ccm {
    /// Expands a key.
    ///
    /// # Errors
    /// [`Error::TagLength`] unless the tags have 4, 6, 8, 10, 12, 14 or 16 bytes (SP 800-38C A.1).
    pub fn new(key: &[u8; KEY_LEN], tag_len: usize) -> Result<Self, Error> {
        Self::with_cipher(Sm4::new(key), tag_len)
    }

    /// Takes an expanded key, of whatever engine.
    ///
    /// # Errors
    /// As [`Sm4Ccm::new`].
    pub fn with_cipher(cipher: Sm4, tag_len: usize) -> Result<Self, Error> {
        match u8::try_from(tag_len) {
            Ok(tag_len @ (4 | 6 | 8 | 10 | 12 | 14 | 16)) => Ok(Self { cipher, tag_len }),
            _ => Err(Error::TagLength { length: tag_len }),
        }
    }

    /// Encrypts `buffer` in place and gives the tag over it and `aad` (SP 800-38C 6.1).
    ///
    /// A nonce must never be used twice under one key: that is the caller's to ensure.
    ///
    /// # Errors
    /// [`Error::NonceLength`] for a nonce outside 7 to 13 bytes; [`Error::TextTooLong`] if the length of the text does
    /// not fit into the 15 bytes that the nonce leaves (SP 800-38C A.1: 2¹⁶ bytes or more under 13).
    pub fn seal_in_place(&self, nonce: &[u8], aad: &[u8], buffer: &mut [u8]) -> Result<Vec<u8>, Error> {
        let start = Start::new(nonce, buffer.len())?;
        let tag = self.tag(&start, aad, buffer);
        ctr::apply(&self.cipher, &start.counter(1), buffer)?;
        Ok(tag)
    }

    /// Decrypts `buffer` in place if the tag is right (SP 800-38C 6.2). A wrong tag leaves the buffer as it was.
    ///
    /// # Errors
    /// As [`Sm4Ccm::seal_in_place`]; [`Error::TagLength`] for a tag of another length than the key's,
    /// [`Error::Unauthentic`] for a wrong one.
    pub fn open_in_place(&self, nonce: &[u8], aad: &[u8], buffer: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        if tag.len() != usize::from(self.tag_len) {
            return Err(Error::TagLength { length: tag.len() });
        }
        let start = Start::new(nonce, buffer.len())?;
        ctr::apply(&self.cipher, &start.counter(1), buffer)?;
        let expected = self.tag(&start, aad, buffer);
        if secrecy::equal(&expected, tag) {
            return Ok(());
        }
        // The tag is over the plaintext, so it had to be made; adding the key stream again takes it back.
        ctr::apply(&self.cipher, &start.counter(1), buffer)?;
        Err(Error::Unauthentic)
    }

    /// The tag over a plaintext: CBC-MAC of the formatted input (SP 800-38C A.2), hidden by the first counter block.
    fn tag(&self, start: &Start, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut mac = Zeroizing::new(start.first_block(self.tag_len, !aad.is_empty(), plaintext.len()));
        self.cipher.encrypt_block(&mut mac);
        if !aad.is_empty() {
            self.absorb(&mut mac, &[aad_length(aad), aad.to_vec()].concat());
        }
        self.absorb(&mut mac, plaintext);
        let mut mask = start.counter(0);
        self.cipher.encrypt_block(&mut mask);
        mac.iter().zip(mask).take(self.tag_len.into()).map(|(mac, mask)| mac ^ mask).collect()
    }

    /// CBC-MAC of bytes that are filled up with zeros to whole blocks.
    fn absorb(&self, mac: &mut Block, bytes: &[u8]) {
        for chunk in bytes.chunks(BLOCK_LEN) {
            mac.iter_mut().zip(chunk).for_each(|(mac, byte)| *mac ^= byte);
            self.cipher.encrypt_block(mac);
        }
    }
}

/// The nonce where both kinds of blocks have it, and how many bytes are left behind it (q of SP 800-38C A.1).
struct Start {
    block: Block,
    left: u8,
}

impl Start {
    fn new(nonce: &[u8], text_len: usize) -> Result<Self, Error> {
        let left = match u8::try_from(nonce.len()) {
            Ok(length @ 7..=13) => 15 - length,
            _ => return Err(Error::NonceLength { length: nonce.len() }),
        };
        let fits = u128::try_from(text_len).is_ok_and(|length| length >> (8 * u32::from(left)) == 0);
        if !fits {
            return Err(Error::TextTooLong);
        }
        let mut block = [0; BLOCK_LEN];
        block.iter_mut().skip(1).zip(nonce).for_each(|(to, from)| *to = *from);
        Ok(Self { block, left })
    }

    /// B₀ (SP 800-38C A.2.1).
    fn first_block(&self, tag_len: u8, has_aad: bool, text_len: usize) -> Block {
        let flags = (u8::from(has_aad) << 6) | (((tag_len - 2) / 2) << 3) | (self.left - 1);
        self.with(flags, u64::try_from(text_len).unwrap_or(u64::MAX))
    }

    /// Ctr_i (SP 800-38C A.3).
    fn counter(&self, index: u64) -> Block {
        self.with(self.left - 1, index)
    }

    /// Flags in front, a number behind; it fits into the bytes that are left.
    fn with(&self, flags: u8, number: u64) -> Block {
        let head = u128::from(flags) << 120;
        (u128::from_be_bytes(self.block) | head | u128::from(number)).to_be_bytes()
    }
}

/// The length of the context in front of it (SP 800-38C A.2.2).
fn aad_length(aad: &[u8]) -> Vec<u8> {
    let length = u64::try_from(aad.len()).unwrap_or(u64::MAX);
    match (u16::try_from(length), u32::try_from(length)) {
        (Ok(short @ 0..0xff00), _) => short.to_be_bytes().to_vec(),
        (_, Ok(middle)) => [&[0xff, 0xfe][..], &middle.to_be_bytes()].concat(),
        _ => [&[0xff, 0xff][..], &length.to_be_bytes()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded() {
        for tag_len in (0..40).filter(|length| ![4, 6, 8, 10, 12, 14, 16].contains(length)) {
            let refused = Sm4Ccm::new(&[7; 16], tag_len).unwrap_err();
            assert_eq!(refused, Error::TagLength { length: tag_len });
        }
        let key = Sm4Ccm::new(&[7; 16], 16).unwrap();
        for length in [0, 6, 14, 300] {
            let expected = Error::NonceLength { length };
            assert_eq!(key.seal_in_place(&vec![0; length], b"", &mut []).unwrap_err(), expected);
            assert_eq!(key.open_in_place(&vec![0; length], b"", &mut [], &[0; 16]).unwrap_err(), expected);
        }
        assert_eq!(key.open_in_place(&[0; 12], b"", &mut [], &[0; 8]), Err(Error::TagLength { length: 8 }));
        // Thirteen bytes of nonce leave two for the length.
        let mut text = vec![0; 1 << 16];
        assert_eq!(key.seal_in_place(&[0; 13], b"", &mut text), Err(Error::TextTooLong));
        assert_eq!(key.open_in_place(&[0; 13], b"", &mut text, &[0; 16]), Err(Error::TextTooLong));
        let shorter = &mut text[1..];
        let tag = key.seal_in_place(&[0; 13], b"", shorter).unwrap();
        assert_eq!(key.open_in_place(&[0; 13], b"", shorter, &tag), Ok(()));
        assert!(shorter.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn the_length_of_the_context_has_three_forms() {
        assert_eq!(aad_length(&[0; 0xfeff]), [0xfe, 0xff]);
        assert_eq!(aad_length(&[0; 0xff00]), [0xff, 0xfe, 0, 0, 0xff, 0]);
    }
}
