//! HMAC-SM3 (GM/T 0042-2015, RFC 2104): the key is absorbed once, each message costs only its own blocks.

use super::compress::{IV, State, compress};
use super::{Engine, Sm3, Start, close, digest_many_from, last_blocks, sm3, wipe};
use std::num::NonZeroU32;

use zeroize::Zeroizing;

use crate::crypto::secrecy;

/// A key, as the two states that its two paddings lead to. Wiped when dropped; shown nowhere.
pub struct Hmac {
    inner: State,
    outer: State,
}

impl Hmac {
    /// Absorbs a key of any length; one longer than a block is digested first (RFC 2104 2).
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        let mut block = [0; 64];
        if key.len() > block.len() {
            block.iter_mut().zip(sm3(key)).for_each(|(to, from)| *to = from);
        } else {
            block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        }
        let absorbed = |padding: u8| {
            let mut padded = block.map(|byte| byte ^ padding);
            let mut state = IV;
            compress(&mut state, &[padded]);
            wipe(&mut padded);
            state
        };
        let (inner, outer) = (absorbed(0x36), absorbed(0x5c));
        wipe(&mut block);
        Self { inner, outer }
    }

    /// Begins a message.
    #[must_use]
    pub fn start(&self) -> HmacRun<'_> {
        HmacRun { key: self, inner: Sm3::after(self.inner, 64) }
    }

    /// `first` ⊕ its code ⊕ the code of that, `count` terms in all: T of PBKDF2 from U₁ (RFC 8018 5.2). A term costs
    /// two compressions.
    #[must_use]
    pub fn chain(&self, first: &[u8; 32], count: NonZeroU32) -> Zeroizing<[u8; 32]> {
        // Inner message and outer message are both 32 bytes behind one block of padded key, so that both end alike.
        let ([mut block, _], _) = last_blocks(first, 96);
        let mut sum = Zeroizing::new(*first);
        for _ in 1..count.get() {
            for start in [&self.inner, &self.outer] {
                let mut state = *start;
                compress(&mut state, std::slice::from_ref(&block));
                block.as_chunks_mut().0.iter_mut().zip(&state).for_each(|(to, word)| *to = word.to_be_bytes());
                wipe(&mut state);
            }
            sum.iter_mut().zip(&block).for_each(|(sum, term)| *sum ^= term);
        }
        wipe(&mut block);
        sum
    }

    /// The codes of many messages, in their order, several computed at a time where the processor can.
    #[must_use]
    pub fn many(&self, messages: &[&[u8]]) -> Vec<[u8; 32]> {
        self.many_with(Engine::fastest(messages.len()), messages)
    }

    /// [`Hmac::many`] by a given engine.
    fn many_with(&self, engine: Engine, messages: &[&[u8]]) -> Vec<[u8; 32]> {
        // Both paddings of the key are one block each, absorbed already.
        let start = Start { state: self.inner, length: 64 };
        let messages: Vec<_> = messages.iter().map(|message| (&start, *message)).collect();
        let inner = Zeroizing::new(digest_many_from(engine, &messages));
        let start = Start { state: self.outer, length: 64 };
        let inner: Vec<_> = inner.iter().map(|code| (&start, code.as_slice())).collect();
        digest_many_from(engine, &inner)
    }
}

impl Drop for Hmac {
    fn drop(&mut self) {
        wipe(&mut self.inner);
        wipe(&mut self.outer);
    }
}

/// A message under a key.
#[derive(Clone)]
pub struct HmacRun<'a> {
    key: &'a Hmac,
    inner: Sm3,
}

impl HmacRun<'_> {
    /// Takes the next bytes of the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }

    /// The authentication code.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        // The inner digest follows the padded key, one block: 96 bytes in all.
        close(self.key.outer, &self.inner.finish(), 96)
    }

    /// Whether `code`, all 32 bytes of it, is the message's. Takes the same time whatever differs.
    #[must_use]
    pub fn verify(self, code: &[u8]) -> bool {
        secrecy::equal(&self.finish(), code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::hmac::{KeyInit, Mac};
    use proptest::collection::vec;
    use proptest::prelude::any;

    #[test]
    fn codes_of_the_standard() {
        // GM/T 0042-2015 D.3: the first code, and RFC 4231's "Jefe".
        let key: Vec<u8> = (1..=32).collect();
        let message = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".repeat(2);
        let code = [
            0xca, 0x05, 0xe1, 0x44, 0xed, 0x05, 0xd1, 0x85, 0x78, 0x40, 0xd1, 0xf3, 0x18, 0xa4, 0xa8, 0x66, 0x9e, 0x55,
            0x9f, 0xc8, 0x39, 0x1f, 0x41, 0x44, 0x85, 0xbf, 0xdf, 0x7b, 0xb4, 0x08, 0x96, 0x3a,
        ];
        let mac = Hmac::new(&key);
        let mut run = mac.start();
        run.update(&message);
        assert_eq!(run.clone().finish(), code);
        assert!(run.verify(&code));
    }

    #[test]
    fn a_code_that_differs_anywhere_or_in_length_is_refused() {
        let mac = Hmac::new(b"key");
        let code = mac.start().finish();
        assert!(mac.start().verify(&code));
        for bit in 0..256 {
            let mut wrong = code;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!mac.start().verify(&wrong), "bit {bit}");
        }
        assert!(!mac.start().verify(&code[..31]) && !mac.start().verify(&[]));
        assert!(!mac.start().verify(&[&code[..], &[0]].concat()));
    }

    proptest::proptest! {
        #[test]
        fn a_chain_is_the_sum_of_codes_of_codes(key in vec(any::<u8>(), 0..100), first: [u8; 32], count in 1..20_u32) {
            let mac = Hmac::new(&key);
            let (mut term, mut sum) = (first, first);
            for _ in 1..count {
                let mut run = mac.start();
                run.update(&term);
                term = run.finish();
                sum.iter_mut().zip(term).for_each(|(sum, term)| *sum ^= term);
            }
            assert_eq!(*mac.chain(&first, NonZeroU32::new(count).unwrap()), sum);
        }

        #[test]
        fn many_codes_are_those_of_one_by_one(key in vec(any::<u8>(), 0..100), messages in vec(vec(any::<u8>(), 0..200), 0..40)) {
            let mac = Hmac::new(&key);
            let one_by_one = messages.iter().map(|message| {
                let mut run = mac.start();
                run.update(message);
                run.finish()
            });
            let one_by_one: Vec<[u8; 32]> = one_by_one.collect();
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            for engine in Engine::available() {
                assert_eq!(mac.many_with(engine, &messages), one_by_one, "{engine:?}");
            }
            assert_eq!(mac.many(&messages), one_by_one);
        }

        #[test]
        fn equals_a_generic_hmac(key in vec(any::<u8>(), 0..200), messages in vec(vec(any::<u8>(), 0..300), 1..4)) {
            let mac = Hmac::new(&key);
            for message in messages {
                let mut peer = ::hmac::Hmac::<::sm3::Sm3>::new_from_slice(&key).unwrap();
                peer.update(&message);
                let mut run = mac.start();
                message.chunks(37).for_each(|chunk| run.update(chunk));
                assert_eq!(run.finish()[..], peer.finalize().into_bytes()[..]);
            }
        }
    }
}
