//! The key derivation of SM2: KDF(Z, length) = SM3(Z‖1)‖SM3(Z‖2)‖… with a 32-bit counter (GB/T 32918.4 5.4.3, 32918.3 5.4.3).

use zeroize::Zeroizing;

use crate::crypto::sm3::Sm3;

/// The longest output: the counter has 32 bits.
pub(super) const MAX_LENGTH: u64 = 32 * 0xffff_ffff;

/// That many bytes derived from the parts, one after the other; the caller keeps `length` within [`MAX_LENGTH`].
pub(super) fn derive(parts: &[&[u8]], length: usize) -> Zeroizing<Vec<u8>> {
    let mut start = Sm3::new();
    for part in parts {
        start.update(part);
    }
    let mut key = Zeroizing::new(vec![0; length]);
    for (counter, chunk) in (1_u32..).zip(key.chunks_mut(32)) {
        let mut hash = start.clone();
        hash.update(&counter.to_be_bytes());
        let block = Zeroizing::new(hash.finish());
        chunk.iter_mut().zip(block.iter()).for_each(|(to, from)| *to = *from);
    }
    key
}
