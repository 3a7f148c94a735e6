//! Counter mode (GB/T 17964 CTR, NIST SP 800-38A 6.5): the key stream that CTR, GCM and CCM add to the text.
//!
//! It hides the text and protects nothing against change; use [`crate::crypto::aead`] unless a format demands CTR.

use zeroize::Zeroize;

use crate::crypto::Error;
use crate::crypto::sm4::{BLOCK_LEN, Block, Sm4};

/// Blocks of key stream made at a time: what the widest engine has in flight.
const AT_A_TIME: usize = 64;

/// Adds the key stream that starts at the counter block `initial` to `buffer`: encryption and decryption alike.
///
/// The whole block counts, as a 128-bit big-endian number (GB/T 17964, SP 800-38A B.1 with m = 128). A pair of key
/// and counter must never be used twice: that is the caller's to ensure.
///
/// # Errors
/// [`Error::CounterExhausted`] if the counter would pass 2¹²⁸ - 1 and so meet blocks that other messages may have
/// used. The buffer is unchanged then.
pub fn apply(cipher: &Sm4, initial: &Block, buffer: &mut [u8]) -> Result<(), Error> {
    let first = u128::from_be_bytes(*initial);
    let blocks = u128::try_from(buffer.len().div_ceil(BLOCK_LEN)).map_err(|_| Error::CounterExhausted)?;
    if let Some(beyond_first) = blocks.checked_sub(1) {
        first.checked_add(beyond_first).ok_or(Error::CounterExhausted)?;
    }
    add_stream(cipher, first, |counter| counter.wrapping_add(1), buffer);
    Ok(())
}

/// As [`apply`], but only the last 32 bits count and they wrap around (inc₃₂, SP 800-38D 6.2).
pub(super) fn apply_32(cipher: &Sm4, initial: u128, buffer: &mut [u8]) {
    const COUNTED: u128 = 0xffff_ffff;
    let next = |counter: u128| (counter & !COUNTED) | (counter.wrapping_add(1) & COUNTED);
    add_stream(cipher, initial, next, buffer);
}

#[inline(always)]
fn add_stream(cipher: &Sm4, initial: u128, next: impl Fn(u128) -> u128, buffer: &mut [u8]) {
    let mut counter = initial;
    let mut stream = [[0; BLOCK_LEN]; AT_A_TIME];
    for chunk in buffer.chunks_mut(AT_A_TIME * BLOCK_LEN) {
        let (stream, _) = stream.split_at_mut(chunk.len().div_ceil(BLOCK_LEN));
        for block in &mut *stream {
            *block = counter.to_be_bytes();
            counter = next(counter);
        }
        cipher.encrypt_blocks(stream);
        for (to, from) in chunk.iter_mut().zip(stream.as_flattened()) {
            *to ^= from;
        }
    }
    stream.zeroize();
}
