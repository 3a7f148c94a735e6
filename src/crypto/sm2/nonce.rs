//! Nonces of signatures: made of the private key, the digest and fresh randomness, so that no single weakness gives two signatures one nonce.
//!
//! With good randomness they are as random as it is. With bad or repeated randomness they are those of a deterministic
//! scheme: a function of key and digest that nobody without the key can predict.

use zeroize::{Zeroize as _, Zeroizing};

use super::scalar::Scalar;
use crate::crypto::sm3::Hmac;

/// Separates this use of the key from every other.
const LABEL: &[u8] = b"yinxin sm2 nonce 1";

/// The key's state of HMAC-SM3, from which every nonce starts.
pub(super) struct NonceKey(Hmac);

impl NonceKey {
    pub(super) fn new(private: &[u8; 32]) -> Self {
        Self(Hmac::new(private))
    }

    /// The nonces of many digests, the same as one by one; their hashes share the processor's vectors.
    pub(super) fn nonces(&self, digests: &[[u8; 32]], fresh: &[[u8; 32]]) -> Zeroizing<Vec<Scalar>> {
        let mut messages: Zeroizing<Vec<[u8; 84]>> =
            Zeroizing::new(Vec::with_capacity(digests.len().saturating_mul(2)));
        for (e, fresh) in digests.iter().zip(fresh) {
            for i in [1, 2] {
                let (mut message, end) = ([0; 84], [0, i]);
                let parts = LABEL.iter().chain(e).chain(fresh).chain(&end);
                message.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
                messages.push(message);
                message.zeroize();
            }
        }
        let parts: Vec<&[u8]> = messages.iter().map(<[u8; 84]>::as_slice).collect();
        let blocks = Zeroizing::new(self.0.many(&parts));
        let nonces = blocks.as_chunks().0.iter().map(|[first, second]| Scalar::reduce_wide(first, second));
        Zeroizing::new(nonces.collect())
    }

    /// A nonce modulo n: `B1‖B2 mod n`, `Bi = HMAC-SM3(d, label ‖ e ‖ fresh ‖ attempt ‖ i)`. 512 bits, so the bias is below 2^-255.
    ///
    /// It is zero with a chance of 2^-256; the caller then asks for the next attempt, with fresh randomness.
    pub(super) fn nonce(&self, e: &[u8; 32], fresh: &[u8; 32], attempt: u8) -> Zeroizing<Scalar> {
        let mut run = self.0.start();
        let mut message = [0; 83];
        let parts = LABEL.iter().chain(e).chain(fresh).chain(std::slice::from_ref(&attempt));
        message.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        run.update(&message);
        let block = |i: u8| {
            let mut run = run.clone();
            run.update(&[i]);
            Zeroizing::new(run.finish())
        };
        let nonce = Scalar::reduce_wide(&block(1), &block(2));
        message.zeroize();
        Zeroizing::new(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_nonces_are_those_of_one_by_one() {
        let key = NonceKey::new(&[7; 32]);
        for count in [0, 1, 2, 7, 8, 16, 33] {
            let digests: Vec<[u8; 32]> = (0..count).map(|i| [i; 32]).collect();
            let fresh: Vec<[u8; 32]> = (0..count).map(|i| [i ^ 0xff; 32]).collect();
            let many = key.nonces(&digests, &fresh);
            let one_by_one = digests.iter().zip(&fresh).map(|(e, fresh)| key.nonce(e, fresh, 0).to_bytes());
            assert_eq!(
                many.iter().copied().map(Scalar::to_bytes).collect::<Vec<_>>(),
                one_by_one.collect::<Vec<_>>(),
                "{count}"
            );
        }
    }
}
