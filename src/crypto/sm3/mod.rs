//! SM3 (GB/T 32905-2016): one message whole or in pieces, many messages at once, and HMAC-SM3.

mod compress;
mod hmac;
#[cfg(any(test, target_arch = "x86_64"))]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use std::borrow::Cow;

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

/// What computes the digests of many messages. The outcome is the same with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Plain arithmetic, on every processor: the reference.
    Portable,
    /// Eight messages at a time, on x86-64 with AVX2.
    Avx2,
    /// Sixteen messages at a time, on x86-64 with AVX-512 F and BW.
    Avx512,
}

impl Engine {
    /// Those that this machine runs, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        [Self::Portable, Self::Avx2, Self::Avx512].into_iter().filter(|engine| engine.runs_here()).collect()
    }

    fn runs_here(self) -> bool {
        self == Self::Portable || in_lanes(self, &[]).is_some()
    }

    /// The engine that is fastest here for `count` messages.
    fn fastest(count: usize) -> Self {
        let engines = [Self::Avx512, Self::Avx2];
        if count < 2 {
            return Self::Portable;
        }
        engines.into_iter().find(|engine| engine.runs_here()).unwrap_or(Self::Portable)
    }
}

/// The digests of the messages, in their order, several computed at a time where the processor can.
#[must_use]
pub fn digest_many(messages: &[&[u8]]) -> Vec<[u8; 32]> {
    digest_many_with(Engine::fastest(messages.len()), messages)
}

/// [`digest_many`] by a given engine; by [`Engine::Portable`] where the machine lacks it.
#[must_use]
pub fn digest_many_with(engine: Engine, messages: &[&[u8]]) -> Vec<[u8; 32]> {
    let messages: Vec<_> = messages.iter().map(|message| (&Start::MESSAGE, *message)).collect();
    digest_many_from(engine, &messages)
}

/// The digests of messages that each may have 32 octets before them, as SM2 puts Z before what is signed (GB/T 32918.2
/// 6.1), in their order; several are computed at a time where the processor can, and no message is copied.
#[must_use]
pub fn digest_many_after(messages: &[(Option<[u8; 32]>, &[u8])]) -> Vec<[u8; 32]> {
    digest_many_after_with(Engine::fastest(messages.len()), messages)
}

/// [`digest_many_after`] by a given engine; by [`Engine::Portable`] where the machine lacks it.
#[must_use]
pub fn digest_many_after_with(engine: Engine, messages: &[(Option<[u8; 32]>, &[u8])]) -> Vec<[u8; 32]> {
    // The octets before a message and its first ones fill a block, which is done first, so that whole blocks follow.
    let begun: Vec<(Start, Cow<'_, [u8]>)> = messages
        .iter()
        .map(|(before, message)| match (before, message.split_first_chunk::<32>()) {
            (None, _) => (Start::MESSAGE, Cow::Borrowed(*message)),
            (Some(before), Some((first, rest))) => {
                let mut state = IV;
                compress(&mut state, [*before, *first].as_flattened().as_chunks().0);
                (Start { state, length: 64 }, Cow::Borrowed(rest))
            }
            (Some(before), None) => (Start::MESSAGE, Cow::Owned([before.as_slice(), message].concat())),
        })
        .collect();
    let messages: Vec<_> = begun.iter().map(|(start, message)| (start, message.as_ref())).collect();
    digest_many_from(engine, &messages)
}

/// Each message goes on from its own start.
fn digest_many_from(engine: Engine, messages: &[(&Start, &[u8])]) -> Vec<[u8; 32]> {
    let single = |(start, message): &(&Start, &[u8])| {
        let mut run = Sm3::after(start.state, start.length);
        run.update(message);
        run.finish()
    };
    in_lanes(engine, messages).unwrap_or_else(|| messages.iter().map(single).collect())
}

/// What came before the messages: the state that it led to, and its bytes, a multiple of 64.
struct Start {
    state: State,
    length: usize,
}

impl Start {
    /// Nothing: plain messages.
    const MESSAGE: Self = Self { state: IV, length: 0 };
}

/// None where the engine has no lanes or the machine lacks it. The last numbers say how many single streams take as
/// long as a step of all lanes; they were measured.
#[cfg(target_arch = "x86_64")]
fn in_lanes(engine: Engine, messages: &[(&Start, &[u8])]) -> Option<Vec<[u8; 32]>> {
    match (engine, messages.len()) {
        (Engine::Portable, _) => None,
        (Engine::Avx2, ..=8) => x86_64::avx2::<1, 8>().map(|step| lanes::digest_many(messages, step, 2)),
        (Engine::Avx2, _) => x86_64::avx2::<2, 16>().map(|step| lanes::digest_many(messages, step, 4)),
        (Engine::Avx512, ..=16) => x86_64::avx512::<1, 16>().map(|step| lanes::digest_many(messages, step, 1)),
        (Engine::Avx512, _) => x86_64::avx512::<2, 32>().map(|step| lanes::digest_many(messages, step, 2)),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn in_lanes(_: Engine, _: &[(&Start, &[u8])]) -> Option<Vec<[u8; 32]>> {
    None
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

    #[test]
    fn every_engine_gives_every_message_its_digest() {
        let all = bytes(20_000);
        let sizes = [0, 1, 55, 56, 63, 64, 119, 120, 127, 128, 129, 1000, 20_000, 56, 0, 64, 4096, 63, 7000];
        let messages: Vec<&[u8]> =
            sizes.iter().cycle().take(40).enumerate().map(|(i, n)| &all[i.min(20_000 - n)..][..*n]).collect();
        let expected: Vec<_> = messages.iter().map(|message| peer(message)).collect();
        for engine in Engine::available() {
            for count in 0..=messages.len() {
                assert_eq!(digest_many_with(engine, &messages[..count]), expected[..count], "{engine:?} {count}");
            }
        }
        assert_eq!(digest_many(&messages), expected);
    }

    #[test]
    fn every_engine_puts_octets_before_the_messages_that_have_them() {
        let all = bytes(3000);
        let sizes = [0, 1, 31, 32, 33, 64, 95, 96, 97, 3000];
        let before = |at: usize| (!at.is_multiple_of(3)).then(|| [u8::try_from(at).unwrap(); 32]);
        let messages: Vec<_> =
            sizes.iter().cycle().take(40).enumerate().map(|(at, size)| (before(at), &all[..*size])).collect();
        let whole = |(before, message): &(Option<[u8; 32]>, &[u8])| {
            peer(&[before.as_ref().map_or(&[][..], |before| before), message].concat())
        };
        let expected: Vec<_> = messages.iter().map(whole).collect();
        for engine in Engine::available() {
            for count in 0..=messages.len() {
                let digests = digest_many_after_with(engine, &messages[..count]);
                assert_eq!(digests, expected[..count], "{engine:?} {count}");
            }
        }
        assert_eq!(digest_many_after(&messages), expected);
    }

    /// Lengths around each boundary of blocks and padding, and any other.
    fn length() -> impl proptest::strategy::Strategy<Value = usize> {
        let edges = [0, 55, 56, 63, 64, 65, 119, 120, 127, 128];
        proptest::prop_oneof![proptest::sample::select(edges.to_vec()), 0usize..5000]
    }

    proptest::proptest! {
        #[test]
        fn lanes_give_what_single_streams_give(lengths in vec(length(), 0..50), from in 0usize..1000) {
            let all = bytes(6000);
            let messages: Vec<&[u8]> = lengths.iter().map(|n| &all[from..][..*n]).collect();
            let expected: Vec<_> = messages.iter().map(|message| sm3(message)).collect();
            assert_eq!(expected, messages.iter().map(|message| peer(message)).collect::<Vec<_>>());
            for engine in Engine::available() {
                assert_eq!(digest_many_with(engine, &messages), expected, "{engine:?}");
            }
        }

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
