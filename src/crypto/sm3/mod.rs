//! SM3 (GB/T 32905-2016): one message, whole or in pieces, and HMAC-SM3.

mod compress;
mod hmac;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use compress::{Block, IV, State, compress};
pub use hmac::{Hmac, HmacRun};

/// The digest of a message.
#[must_use]
pub fn sm3(message: &[u8]) -> [u8; 32] {
    let (blocks, rest) = message.as_chunks();
    let mut state = IV;
    compress(&mut state, blocks);
    close(state, rest, message.len())
}

/// A message that comes in pieces. Wiped when dropped, since the message may be a secret.
#[derive(Clone)]
pub struct Sm3 {
    state: State,
    /// Bytes that do not fill a block yet, at the front.
    pending: Block,
    /// Bytes of the message so far.
    length: usize,
}

impl Sm3 {
    /// Begins a message.
    #[must_use]
    pub fn new() -> Self {
        Self::after(IV, 0)
    }

    /// Goes on after `length` bytes, a multiple of 64, that led to `state`.
    fn after(state: State, length: usize) -> Self {
        Self { state, pending: [0; 64], length }
    }

    /// Takes the next bytes of the message.
    pub fn update(&mut self, bytes: &[u8]) {
        let filled = self.length % 64;
        self.length = self.length.wrapping_add(bytes.len());
        let mut bytes = bytes;
        if filled > 0 {
            let (_, room) = self.pending.split_at_mut(filled);
            let (head, tail) = bytes.split_at(room.len().min(bytes.len()));
            let is_full = head.len() == room.len();
            room.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
            if !is_full {
                return;
            }
            compress(&mut self.state, &[self.pending]);
            bytes = tail;
        }
        let (blocks, rest) = bytes.as_chunks();
        if !blocks.is_empty() {
            compress(&mut self.state, blocks);
        }
        self.pending.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        let (pending, _) = self.pending.split_at(self.length % 64);
        close(self.state, pending, self.length)
    }
}

impl Default for Sm3 {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Sm3 {
    fn drop(&mut self) {
        wipe(&mut self.state);
        wipe(&mut self.pending);
    }
}

/// The last one or two blocks of a message of `length` bytes whose last bytes, fewer than 64, are `rest`:
/// a one bit, zeros, the length in bits (GB/T 32905-2016 5.2).
fn last_blocks(rest: &[u8], length: usize) -> ([Block; 2], usize) {
    let mut blocks = [[0; 64]; 2];
    let bytes = blocks.as_flattened_mut();
    bytes.iter_mut().zip(rest.iter().chain([&0x80])).for_each(|(to, from)| *to = *from);
    let count = if rest.len() < 56 { 1 } else { 2 };
    // The standard ends at 2^64 bits; no message in memory comes near.
    let bits = u64::try_from(length).unwrap_or(u64::MAX).wrapping_mul(8).to_be_bytes();
    let end = if count == 1 { 56..64 } else { 120..128 };
    bytes.get_mut(end).into_iter().flatten().zip(bits).for_each(|(to, from)| *to = from);
    (blocks, count)
}

fn close(mut state: State, rest: &[u8], length: usize) -> [u8; 32] {
    let (blocks, count) = last_blocks(rest, length);
    compress(&mut state, blocks.get(..count).unwrap_or(&blocks));
    octets(&state)
}

/// The octets of a state, which are the digest when it is the last.
fn octets(state: &State) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    digest
}

/// Overwrites what may tell something about a secret.
fn wipe<T: Copy + Default, const N: usize>(secret: &mut [T; N]) {
    *secret = [T::default(); N];
    zeroize::optimization_barrier(secret);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::sm3::Digest;
    use proptest::collection::vec;
    use proptest::prelude::any;

    fn bytes(length: usize) -> Vec<u8> {
        (0u32..).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).take(length).collect()
    }

    fn peer(message: &[u8]) -> [u8; 32] {
        ::sm3::Sm3::digest(message).into()
    }

    #[test]
    fn digests_of_the_standard() {
        // GB/T 32905-2016 A.1, A.2.
        let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(sm3(b"abc")), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
        assert_eq!(hex(sm3(&b"abcd".repeat(16))), "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732");
    }

    #[test]
    fn every_length_to_three_blocks_equals_another_implementation() {
        let message = bytes(200);
        for length in 0..=message.len() {
            assert_eq!(sm3(&message[..length]), peer(&message[..length]), "{length}");
        }
    }

    #[test]
    fn the_reference_equals_the_code_chosen_for_this_machine() {
        let message = bytes(64 * 5);
        let (mut reference, mut chosen) = (IV, IV);
        compress::compress_portable(&mut reference, message.as_chunks().0);
        compress(&mut chosen, message.as_chunks().0);
        assert_eq!(reference, chosen);
    }

    proptest::proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(pieces in vec(vec(any::<u8>(), 0..150), 0..12)) {
            let mut running = Sm3::new();
            pieces.iter().for_each(|piece| running.update(piece));
            let whole = pieces.concat();
            assert_eq!(running.clone().finish(), sm3(&whole));
            assert_eq!(sm3(&whole), peer(&whole));
        }
    }
}
