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
