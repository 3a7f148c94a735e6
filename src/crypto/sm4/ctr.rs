//! Counter mode (GB/T 17964 CTR, NIST SP 800-38A 6.5): adds a key stream to the text.
//!
//! It hides the text and protects nothing against change; use [`crate::crypto::aead`] unless a format demands CTR.

use crate::crypto::Error;
use crate::crypto::sm4::{BLOCK_LEN, Block, Sm4};

/// Adds the key stream that starts at the counter block `initial` to `buffer`: encryption and decryption alike.
///
/// The whole block counts, as a 128-bit big-endian number (SP 800-38A B.1 with m = 128). A pair of key and counter
/// must never be used twice: that is the caller's to ensure.
///
/// # Errors
/// [`Error::CounterExhausted`] if the counter would pass 2¹²⁸ - 1 and so come back to blocks that other messages may
/// have used. The buffer is unchanged then.
pub fn apply(cipher: &Sm4, initial: &Block, buffer: &mut [u8]) -> Result<(), Error> {
    let mut counter = u128::from_be_bytes(*initial);
    let blocks = u128::try_from(buffer.len().div_ceil(BLOCK_LEN)).map_err(|_| Error::CounterExhausted)?;
    counter.checked_add(blocks.saturating_sub(1)).ok_or(Error::CounterExhausted)?;
    let mut rest = buffer;
    while !rest.is_empty() {
        // The key stream counts in the last 32 bits; up to where they are full.
        let room = (1 << 32) - (counter & 0xffff_ffff);
        let room = usize::try_from(room.saturating_mul(16)).unwrap_or(usize::MAX);
        let (now, later) = rest.split_at_mut(rest.len().min(room));
        cipher.add_stream_32(counter, now);
        counter = counter.wrapping_add(blocks_of(now));
        rest = later;
    }
    Ok(())
}

fn blocks_of(text: &[u8]) -> u128 {
    u128::try_from(text.len().div_ceil(BLOCK_LEN)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sm4::Engine;

    /// Across the ends of the last 32 and 64 bits, and up to the very last counter block.
    #[test]
    fn the_whole_block_counts() {
        for engine in Engine::available() {
            let cipher = Sm4::with_engine(engine, &[7; 16]).unwrap();
            for first in [(1 << 32) - 5, (1 << 64) - 70, u128::MAX - 149] {
                let mut text = [0; 150 * BLOCK_LEN - 3];
                apply(&cipher, &first.to_be_bytes(), &mut text).unwrap();
                for (index, block) in text.chunks(BLOCK_LEN).enumerate() {
                    let mut expected = (first + u128::try_from(index).unwrap()).to_be_bytes();
                    cipher.encrypt_block(&mut expected);
                    assert_eq!(block, &expected[..block.len()], "{engine:?}, {first:x}, block {index}");
                }
            }
        }
    }

    #[test]
    fn the_counter_does_not_run_over() {
        let cipher = Sm4::new(&[7; 16]);
        let mut text = [1; 33];
        let first = (u128::MAX - 1).to_be_bytes();
        assert_eq!(apply(&cipher, &first, &mut text), Err(Error::CounterExhausted));
        assert_eq!(text, [1; 33]);
        assert_eq!(apply(&cipher, &first, &mut text[..32]), Ok(()));
        assert_eq!(apply(&cipher, &[0xff; 16], &mut []), Ok(()));
    }
}
