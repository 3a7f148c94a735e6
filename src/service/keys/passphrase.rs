//! From a passphrase to a key, and from that key to what a key file hides (RFC 8018, RFC 7292 B).

use ::cbc::cipher::{BlockModeDecrypt as _, InnerIvInit as _};
use std::num::NonZeroU32;

use openssl::symm;
use ring::{digest, hmac};
use zeroize::Zeroizing;

use crate::base::secret::Secret;
use crate::crypto::digest::{hmac_sm3, sm3};
use crate::crypto::kdf::{self, Pbkdf2Prf};
use crate::crypto::sm4::{Sm4, cbc};
use crate::format::keys::pbe::{Cipher, Pkcs12Cipher, Prf, Scheme};
use crate::format::keys::pkcs12::{Mac, MacDigest};
use crate::service::keys::import::Error;

type Wiped = Zeroizing<Vec<u8>>;

/// Iterations spent on one file; one derivation may take [`crate::format::keys::pbe::MAX_ITERATIONS`] of them.
const FILE_ITERATIONS: u32 = 4_000_000;

/// What one file may still cost: a PKCS#12 can hold many parts, each with a derivation of its own.
#[derive(Debug)]
pub(in crate::service::keys) struct Budget(u32);

impl Budget {
    /// A fresh one.
    pub(in crate::service::keys) const fn new() -> Self {
        Self(FILE_ITERATIONS)
    }

    fn spend(&mut self, iterations: u32) -> Result<NonZeroU32, Error> {
        let limit = FILE_ITERATIONS;
        self.0 = self.0.checked_sub(iterations).ok_or(Error::TooManyIterations { limit })?;
        NonZeroU32::new(iterations).ok_or(Error::Computation)
    }
}

/// The octets in the clear; `None` if the padding is wrong, which a wrong passphrase nearly always shows as.
pub(in crate::service::keys) fn decrypt(
    scheme: &Scheme,
    passphrase: &Secret,
    encrypted: &[u8],
    budget: &mut Budget,
) -> Result<Option<Secret>, Error> {
    let iterations = budget.spend(scheme.iterations())?;
    match scheme {
        Scheme::Pbes2 { prf, salt, cipher, iv, .. } => {
            let key = pbkdf2(*prf, passphrase, salt, iterations, cipher.key_bytes())?;
            decrypt_cbc(*cipher, key.expose(), iv, encrypted) // the cipher's key
        }
        Scheme::Pkcs12 { cipher, salt, .. } => {
            let text = bmp_string(passphrase)?;
            let derive = |purpose, size| derive_pkcs12(MacDigest::Sha1, purpose, &text, salt, iterations, size);
            let key = derive(Purpose::Key, cipher.key_bytes());
            let iv = derive(Purpose::Iv, 8);
            let triple_des = |key: &[u8]| decrypt_cbc(Cipher::DesEde3Cbc, key, &iv, encrypted);
            match cipher {
                Pkcs12Cipher::TripleDes3 => triple_des(&key),
                Pkcs12Cipher::TripleDes2 => {
                    let (first, _) = key.split_at_checked(8).ok_or(Error::Computation)?;
                    triple_des(&Zeroizing::new([&key[..], first].concat()))
                }
                Pkcs12Cipher::Rc2Bits128 | Pkcs12Cipher::Rc2Bits40 => {
                    let iv = <[u8; 8]>::try_from(iv.as_slice()).map_err(|_| Error::Computation)?;
                    if !encrypted.len().is_multiple_of(8) {
                        return Ok(None);
                    }
                    Ok(unpad(decrypt_rc2(&key, iv, encrypted)?, 8))
                }
            }
        }
    }
}

/// RC2 in CBC mode (RFC 2268), reading only: Java still wraps the certificates of a PKCS#12 file with it. The effective
/// length is the whole key's (RFC 7292 C). `encrypted` is whole blocks; the padding stays on.
fn decrypt_rc2(key: &[u8], iv: [u8; 8], encrypted: &[u8]) -> Result<Wiped, Error> {
    let bits = key.len().saturating_mul(8);
    let mut cbc = ::cbc::Decryptor::inner_iv_init(rc2::Rc2::new_with_eff_key_len(key, bits), &iv.into());
    let mut text = Zeroizing::new(encrypted.to_vec());
    for block in text.as_chunks_mut::<8>().0 {
        cbc.decrypt_block(block.into());
    }
    Ok(text)
}

/// PBKDF2 (RFC 8018 5.2).
pub(in crate::service::keys) fn pbkdf2(
    prf: Prf,
    passphrase: &Secret,
    salt: &[u8],
    iterations: NonZeroU32,
    size: usize,
) -> Result<Secret, Error> {
    let prf = match prf {
        Prf::HmacSha1 => Pbkdf2Prf::HmacSha1,
        Prf::HmacSha256 => Pbkdf2Prf::HmacSha256,
        Prf::HmacSha384 => Pbkdf2Prf::HmacSha384,
        Prf::HmacSha512 => Pbkdf2Prf::HmacSha512,
        Prf::HmacSm3 => Pbkdf2Prf::HmacSm3,
    };
    let passphrase = passphrase.expose(); // to be stretched
    // The formats bound size and iterations more narrowly.
    kdf::pbkdf2(prf, passphrase, salt, iterations, size).map_err(|_| Error::Computation)
}

/// CBC with the padding of RFC 8018 6.1.1; `None` if the length or the padding is wrong.
pub(in crate::service::keys) fn decrypt_cbc(
    cipher: Cipher,
    key: &[u8],
    iv: &[u8],
    encrypted: &[u8],
) -> Result<Option<Secret>, Error> {
    let Some(cipher) = openssl_cipher(cipher) else {
        let (cipher, iv) = sm4(key, iv)?;
        return Ok(cbc::decrypt(&cipher, &iv, encrypted).ok());
    };
    if !encrypted.len().is_multiple_of(cipher.block_size()) {
        return Ok(None);
    }
    // The padding is judged here, so that a refusal of the cipher is told from a wrong passphrase.
    let plain = run_cbc(cipher, symm::Mode::Decrypt, key, iv, encrypted)?;
    Ok(unpad(plain, cipher.block_size()))
}

/// CBC with the padding of RFC 8018 6.1.1.
pub(in crate::service::keys) fn encrypt_cbc(
    cipher: Cipher,
    key: &[u8],
    iv: &[u8],
    plain: &Secret,
) -> Result<Vec<u8>, Error> {
    let plain = plain.expose(); // to be encrypted
    match openssl_cipher(cipher) {
        Some(cipher) => run_cbc(cipher, symm::Mode::Encrypt, key, iv, plain).map(|octets| octets.to_vec()),
        None => sm4(key, iv).map(|(cipher, iv)| cbc::encrypt(&cipher, &iv, plain)),
    }
}

/// OpenSSL computes AES and triple DES; SM4 is ours.
fn openssl_cipher(cipher: Cipher) -> Option<symm::Cipher> {
    match cipher {
        Cipher::Aes128Cbc => Some(symm::Cipher::aes_128_cbc()),
        Cipher::Aes256Cbc => Some(symm::Cipher::aes_256_cbc()),
        Cipher::DesEde3Cbc => Some(symm::Cipher::des_ede3_cbc()),
        Cipher::Sm4Cbc => None,
    }
}

fn sm4(key: &[u8], iv: &[u8]) -> Result<(Sm4, [u8; 16]), Error> {
    let (Ok(key), Ok(iv)) = (key.try_into(), iv.try_into()) else { return Err(Error::Computation) };
    Ok((Sm4::new(key), iv))
}

/// Adds the padding when it encrypts, and leaves it on when it decrypts.
fn run_cbc(cipher: symm::Cipher, mode: symm::Mode, key: &[u8], iv: &[u8], input: &[u8]) -> Result<Wiped, Error> {
    let failed = |_| Error::Computation;
    let mut crypter = symm::Crypter::new(cipher, mode, key, Some(iv)).map_err(failed)?;
    crypter.pad(matches!(mode, symm::Mode::Encrypt));
    let mut output = Zeroizing::new(vec![0; input.len().saturating_add(cipher.block_size())]);
    let written = crypter.update(input, &mut output).map_err(failed)?;
    let (_, rest) = output.split_at_mut_checked(written).ok_or(Error::Computation)?;
    let last = crypter.finalize(rest).map_err(failed)?;
    output.truncate(written.saturating_add(last));
    Ok(output)
}

/// Takes the padding off: n bytes of value n, 1 to a block of them.
fn unpad(mut plain: Wiped, block: usize) -> Option<Secret> {
    let count = *plain.last()?;
    let size = usize::from(count);
    let start = plain.len().checked_sub(size)?;
    let (_, padding) = plain.split_at_checked(start)?;
    if size == 0 || size > block || padding.iter().any(|octet| *octet != count) {
        return None;
    }
    plain.truncate(start);
    Some(Secret::new(std::mem::take(&mut *plain)))
}

/// Whether the MAC of a PKCS#12 is right over the octets (RFC 7292 B.4).
pub(in crate::service::keys) fn mac_is_right(
    mac: &Mac,
    passphrase: &Secret,
    message: &[u8],
    budget: &mut Budget,
) -> Result<bool, Error> {
    let iterations = budget.spend(mac.iterations)?;
    let text = bmp_string(passphrase)?;
    let size = hash(mac.digest, &[]).1;
    let key = derive_pkcs12(mac.digest, Purpose::Mac, &text, &mac.salt, iterations, size);
    let algorithm = match mac.digest {
        MacDigest::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        MacDigest::Sha256 => hmac::HMAC_SHA256,
        MacDigest::Sha384 => hmac::HMAC_SHA384,
        MacDigest::Sha512 => hmac::HMAC_SHA512,
        MacDigest::Sm3 => {
            let value = hmac_sm3(&key, &[message]);
            return Ok(subtle::ConstantTimeEq::ct_eq(&value[..], &mac.value[..]).into());
        }
    };
    Ok(hmac::verify(&hmac::Key::new(algorithm, &key), message, &mac.value).is_ok())
}

/// The passphrase as RFC 7292 B.1 wants it: UTF-16, big-endian, with a zero at the end.
fn bmp_string(passphrase: &Secret) -> Result<Wiped, Error> {
    let text = std::str::from_utf8(passphrase.expose()).map_err(|_| Error::PassphraseNotText)?; // to be stretched
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len().saturating_mul(2).saturating_add(2)));
    octets.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    octets.extend([0, 0]);
    Ok(octets)
}

/// What a derivation is for (RFC 7292 B.3).
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Key,
    Iv,
    Mac,
}

impl Purpose {
    const fn octet(self) -> u8 {
        match self {
            Self::Key => 1,
            Self::Iv => 2,
            Self::Mac => 3,
        }
    }
}

/// The digest of the parts, at the beginning of a buffer, and its size.
fn hash(algorithm: MacDigest, parts: &[&[u8]]) -> (Zeroizing<[u8; 64]>, usize) {
    let algorithm = match algorithm {
        MacDigest::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        MacDigest::Sha256 => &digest::SHA256,
        MacDigest::Sha384 => &digest::SHA384,
        MacDigest::Sha512 => &digest::SHA512,
        MacDigest::Sm3 => return widened(&sm3(&Zeroizing::new(parts.concat()))),
    };
    let mut context = digest::Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    widened(context.finish().as_ref())
}

fn widened(value: &[u8]) -> (Zeroizing<[u8; 64]>, usize) {
    let mut wide = Zeroizing::new([0; 64]);
    for (to, from) in wide.iter_mut().zip(value) {
        *to = *from;
    }
    (wide, value.len())
}

/// The key derivation of PKCS#12 (RFC 7292 B.2); the letters are the standard's.
fn derive_pkcs12(
    algorithm: MacDigest,
    purpose: Purpose,
    passphrase: &[u8],
    salt: &[u8],
    iterations: NonZeroU32,
    size: usize,
) -> Wiped {
    let v = match algorithm {
        MacDigest::Sha384 | MacDigest::Sha512 => 128,
        MacDigest::Sha1 | MacDigest::Sha256 | MacDigest::Sm3 => 64,
    };
    let d = vec![purpose.octet(); v];
    let mut i: Wiped = Zeroizing::new(Vec::with_capacity(
        salt.len().next_multiple_of(v).saturating_add(passphrase.len().next_multiple_of(v)),
    ));
    for text in [salt, passphrase] {
        i.extend(text.iter().cycle().take(text.len().next_multiple_of(v)));
    }
    let mut derived = Zeroizing::new(Vec::with_capacity(size.saturating_add(64)));
    while derived.len() < size {
        let (mut a, u) = hash(algorithm, &[&d, &i]);
        for _ in 1..iterations.get() {
            a = hash(algorithm, &[a.get(..u).unwrap_or_default()]).0;
        }
        let a = a.get(..u).unwrap_or_default();
        derived.extend_from_slice(a);
        let b: Wiped = Zeroizing::new(a.iter().copied().cycle().take(v).collect());
        for block in i.chunks_exact_mut(v) {
            // block + b + 1 modulo 2^(8v).
            let mut carry = 1_u16;
            for (to, from) in block.iter_mut().zip(b.iter()).rev() {
                let [high, low] = (u16::from(*to) + u16::from(*from) + carry).to_be_bytes();
                *to = low;
                carry = u16::from(high);
            }
        }
    }
    derived.truncate(size);
    derived
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::digest::hex;

    fn secret(text: &str) -> Secret {
        Secret::new(text.into())
    }

    fn count(iterations: u32) -> NonZeroU32 {
        NonZeroU32::new(iterations).unwrap()
    }

    /// RFC 6070, and every function against OpenSSL.
    #[test]
    fn pbkdf2_of_the_standard_and_of_openssl() {
        use openssl::hash::MessageDigest;
        let derive = |prf, salt: &[u8], iterations, size| {
            pbkdf2(prf, &secret("口令"), salt, count(iterations), size).unwrap().expose().to_vec()
        };
        let key = pbkdf2(Prf::HmacSha1, &secret("password"), b"salt", count(4096), 20).unwrap();
        assert_eq!(hex(key.expose()), "4b007901b765489abead49d926f721d065a429c1");
        for (prf, peer) in [
            (Prf::HmacSha1, MessageDigest::sha1()),
            (Prf::HmacSha256, MessageDigest::sha256()),
            (Prf::HmacSha384, MessageDigest::sha384()),
            (Prf::HmacSha512, MessageDigest::sha512()),
            (Prf::HmacSm3, MessageDigest::sm3()),
        ] {
            let mut expected = [0; 70];
            openssl::pkcs5::pbkdf2_hmac("口令".as_bytes(), b"salt", 3, peer, &mut expected).unwrap();
            assert_eq!(derive(prf, b"salt", 3, 70), expected);
        }
        // Two rounds by hand: U1 xor U2.
        let first = hmac_sm3("口令".as_bytes(), &[b"salt", &[0, 0, 0, 1]]);
        let second = hmac_sm3("口令".as_bytes(), &[&first]);
        let expected: Vec<u8> = first.iter().zip(second).map(|(a, b)| a ^ b).collect();
        assert_eq!(derive(Prf::HmacSm3, b"salt", 2, 32), expected);
    }

    #[test]
    fn one_file_has_one_budget() {
        let mut budget = Budget::new();
        assert_eq!(budget.spend(2_000_000).unwrap().get(), 2_000_000);
        assert_eq!(budget.spend(2_000_000).unwrap().get(), 2_000_000);
        let refused = budget.spend(1).unwrap_err();
        assert!(matches!(refused, Error::TooManyIterations { limit: 4_000_000 }), "{refused:?}");
    }

    #[test]
    fn padding_is_whole_or_wrong() {
        let open = |octets: &[u8]| unpad(Zeroizing::new(octets.to_vec()), 8).map(|plain| plain.expose().to_vec());
        assert_eq!(open(&[1, 2, 3, 3, 3]), Some(vec![1, 2]));
        assert_eq!(open(&[8; 8]), Some(vec![]));
        for wrong in [&[][..], &[1, 0], &[9; 16], &[2, 3, 3], &[1, 2, 3, 2, 3]] {
            assert_eq!(open(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn passphrases_as_utf16() {
        assert_eq!(*bmp_string(&secret("a字")).unwrap(), [0, 0x61, 0x5b, 0x57, 0, 0]);
        let refused = bmp_string(&Secret::new(vec![0xff])).unwrap_err();
        assert!(matches!(refused, Error::PassphraseNotText), "{refused:?}");
    }
}
