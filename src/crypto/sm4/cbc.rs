//! Cipher block chaining (GB/T 17964 CBC, NIST SP 800-38A 6.2), with the padding of PKCS#7 (RFC 5652 6.3).
//!
//! It hides the text and protects nothing against change. Whoever decrypts for strangers and lets them see whether
//! it succeeded decrypts everything for them: check a MAC first, or use [`crate::crypto::aead`].

use subtle::{Choice, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroizing;

use crate::base::secret::Secret;
use crate::crypto::Error;
use crate::crypto::secrecy::declassify;
use crate::crypto::sm4::{BLOCK_LEN, Block, Sm4};

/// Blocks decrypted side by side.
const AT_A_TIME: usize = 64;

/// Pads and encrypts. The IV must not be foreseeable (SP 800-38A appendix C): that is the caller's to ensure.
#[must_use]
pub fn encrypt(cipher: &Sm4, iv: &Block, plaintext: &[u8]) -> Vec<u8> {
    let (blocks, rest) = plaintext.as_chunks();
    let padding = BLOCK_LEN - rest.len();
    // One to sixteen, so it is a byte.
    let mut last = [u8::try_from(padding).unwrap_or(0); BLOCK_LEN];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let mut out = Vec::with_capacity(plaintext.len().saturating_add(BLOCK_LEN));
    let mut previous = *iv;
    for block in blocks.iter().chain([&last]) {
        previous = sum(&previous, block);
        cipher.encrypt_block(&mut previous);
        out.extend_from_slice(&previous);
    }
    out
}

/// Decrypts and takes the padding off. Time depends on the length of the text and of the padding taken off, and on
/// nothing else.
///
/// # Errors
/// [`Error::Undecryptable`] if there is no whole number of blocks, or none, or the padding is wrong.
pub fn decrypt(cipher: &Sm4, iv: &Block, ciphertext: &[u8]) -> Result<Secret, Error> {
    if !ciphertext.len().is_multiple_of(BLOCK_LEN) {
        return Err(Error::Undecryptable);
    }
    let mut text = Zeroizing::new(ciphertext.to_vec());
    decrypt_blocks(cipher, iv, text.as_chunks_mut().0);
    let last = text.as_chunks().0.last().ok_or(Error::Undecryptable)?;
    let padding = padding(last).ok_or(Error::Undecryptable)?;
    text.truncate(ciphertext.len().saturating_sub(padding));
    Ok(Secret::new(std::mem::take(&mut *text)))
}

/// Encrypts whole blocks in place, without padding, for formats that pad in their own way.
pub fn encrypt_blocks(cipher: &Sm4, iv: &Block, blocks: &mut [Block]) {
    let mut previous = *iv;
    for block in blocks {
        *block = sum(&previous, block);
        cipher.encrypt_block(block);
        previous = *block;
    }
}

/// Decrypts whole blocks in place, without looking at a padding.
pub fn decrypt_blocks(cipher: &Sm4, iv: &Block, blocks: &mut [Block]) {
    let mut previous = *iv;
    let mut chained = [[0; BLOCK_LEN]; AT_A_TIME];
    for chunk in blocks.chunks_mut(AT_A_TIME) {
        // What each block is added to: the ciphertext before it.
        let (chained, _) = chained.split_at_mut(chunk.len());
        for (chained, block) in chained.iter_mut().zip(&*chunk) {
            *chained = std::mem::replace(&mut previous, *block);
        }
        cipher.decrypt_blocks(chunk);
        for (block, chained) in chunk.iter_mut().zip(chained) {
            *block = sum(block, chained);
        }
    }
}

fn sum(a: &Block, b: &Block) -> Block {
    (u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b)).to_ne_bytes()
}

/// How many bytes of padding the last block ends with, found in constant time.
fn padding(last: &Block) -> Option<usize> {
    let [.., count] = *last;
    let mut right = !count.ct_eq(&0) & !count.ct_gt(&16);
    for (place, byte) in (0_u8..).zip(last.iter().rev()) {
        let text: Choice = !count.ct_gt(&place);
        right &= text | byte.ct_eq(&count);
    }
    // The caller learns both: whether it was one, and by the length of the text how long.
    declassify(bool::from(right)).then(|| usize::from(declassify(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paddings_are_told_apart() {
        for count in 0..=255_u8 {
            let expected = (1..=16).contains(&count).then_some(usize::from(count));
            assert_eq!(padding(&[count; 16]), expected);
            let Some(length) = expected else { continue };
            for changed in 0..16 {
                let mut block = [count; 16];
                block[changed] ^= 0x80;
                // A change before the padding is none of its.
                let expected = (changed < 16 - length).then_some(length);
                assert_eq!(padding(&block), expected, "{count}, {changed}");
            }
        }
    }

    #[test]
    fn what_cannot_be_decrypted_is_refused_in_one_way() {
        let cipher = Sm4::new(&[7; 16]);
        for length in [0, 1, 15, 17, 31] {
            assert_eq!(decrypt(&cipher, &[1; 16], &vec![0; length]).unwrap_err(), Error::Undecryptable);
        }
        let mut unpadded = [[0; 16]; 3];
        encrypt_blocks(&cipher, &[1; 16], &mut unpadded);
        assert_eq!(decrypt(&cipher, &[1; 16], unpadded.as_flattened()).unwrap_err(), Error::Undecryptable);
    }
}
