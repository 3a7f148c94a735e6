//! The encodings that RSA signs: EMSA-PKCS1-v1_5, EMSA-PSS and the mask MGF1 (RFC 8017 9, B.2.1).

use crate::crypto::algorithm::DigestAlgorithm;
use crate::crypto::digest::digest;

/// The DER of DigestInfo up to the digest (RFC 8017 9.2, note 1). SM3's is written by the same rule; OpenSSL and Botan
/// have the same octets.
const fn digest_prefix(digest: DigestAlgorithm) -> &'static [u8] {
    match digest {
        DigestAlgorithm::Sm3 => b"\x30\x30\x30\x0c\x06\x08\x2a\x81\x1c\xcf\x55\x01\x83\x11\x05\x00\x04\x20",
        DigestAlgorithm::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
        DigestAlgorithm::Sha384 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
        DigestAlgorithm::Sha512 => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
    }
}

/// EMSA-PKCS1-v1_5 of a message, `size` octets (RFC 8017 9.2). `None` where the modulus is too short.
pub(super) fn pkcs1(algorithm: DigestAlgorithm, message: &[u8], size: usize) -> Option<Vec<u8>> {
    let (prefix, value) = (digest_prefix(algorithm), digest(algorithm, message));
    let padding = size.checked_sub(prefix.len())?.checked_sub(value.len())?.checked_sub(3)?;
    if padding < 8 {
        return None;
    }
    let mut encoded = Vec::with_capacity(size);
    encoded.extend([0, 1]);
    encoded.extend(std::iter::repeat_n(0xff, padding));
    encoded.push(0);
    encoded.extend(prefix);
    encoded.extend(value);
    Some(encoded)
}

/// MGF1 (RFC 8017 B.2.1), xored over the target.
fn mask(algorithm: DigestAlgorithm, seed: &[u8], target: &mut [u8]) {
    for (counter, block) in (0_u32..).zip(target.chunks_mut(algorithm.size())) {
        let mut input = seed.to_vec();
        input.extend(counter.to_be_bytes());
        for (to, from) in block.iter_mut().zip(digest(algorithm, &input)) {
            *to ^= from;
        }
    }
}

/// The digest H of EMSA-PSS: over eight zeros, the message's digest and the salt.
fn salted(algorithm: DigestAlgorithm, message: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut input = vec![0; 8];
    input.extend(digest(algorithm, message));
    input.extend(salt);
    digest(algorithm, &input)
}

/// The bits of the first octet that EMSA-PSS leaves unused, for a modulus of that many bits.
fn spare(bits: usize) -> u32 {
    let used = bits.saturating_sub(1) % 8;
    if used == 0 { 0 } else { u32::try_from(8_usize.saturating_sub(used)).unwrap_or(0) }
}

/// Octets of EM for a modulus of that many bits: emBits is one less.
fn pss_size(bits: usize) -> usize {
    bits.saturating_sub(1).div_ceil(8)
}

/// EMSA-PSS of a message (RFC 8017 9.1.1) for a modulus of `bits`, left-padded to the modulus. `None` where the salt is
/// too long for the modulus.
pub(super) fn pss(
    (algorithm, mgf): (DigestAlgorithm, DigestAlgorithm),
    message: &[u8],
    salt: &[u8],
    bits: usize,
) -> Option<Vec<u8>> {
    let size = pss_size(bits);
    let body = size.checked_sub(algorithm.size())?.checked_sub(1)?;
    let padding = body.checked_sub(salt.len())?.checked_sub(1)?;
    let mut block = vec![0; padding];
    block.push(1);
    block.extend(salt);
    let value = salted(algorithm, message, salt);
    mask(mgf, &value, &mut block);
    if let Some(first) = block.first_mut() {
        *first &= 0xff >> spare(bits);
    }
    let mut encoded = vec![0; bits.div_ceil(8).saturating_sub(size)];
    encoded.extend(block);
    encoded.extend(value);
    encoded.push(0xbc);
    Some(encoded)
}

/// Whether `encoded` (as long as the modulus) is EMSA-PSS of the message with a salt of exactly `salt` octets
/// (RFC 8017 9.1.2). Works on public values only: not constant time.
pub(super) fn is_pss(
    (algorithm, mgf): (DigestAlgorithm, DigestAlgorithm),
    message: &[u8],
    encoded: &[u8],
    (salt, bits): (usize, usize),
) -> bool {
    let size = pss_size(bits);
    // Where emBits is a multiple of 8, the modulus is one octet longer, and that octet is zero.
    let Some((lead, encoded)) = encoded.len().checked_sub(size).and_then(|lead| encoded.split_at_checked(lead)) else {
        return false;
    };
    let Some((0xbc, rest)) = encoded.split_last() else { return false };
    let split = rest.len().checked_sub(algorithm.size()).and_then(|at| rest.split_at_checked(at));
    let Some((masked, value)) = split else { return false };
    if lead.iter().any(|octet| *octet != 0) {
        return false;
    }
    let Some(padding) = masked.len().checked_sub(salt).and_then(|left| left.checked_sub(1)) else { return false };
    let mut block = masked.to_vec();
    let keep = 0xff_u8 >> spare(bits);
    if block.first().is_none_or(|first| first & !keep != 0) {
        return false;
    }
    mask(mgf, value, &mut block);
    if let Some(first) = block.first_mut() {
        *first &= keep;
    }
    let Some((zeros, rest)) = block.split_at_checked(padding) else { return false };
    let Some((1, salt)) = rest.split_first() else { return false };
    zeros.iter().all(|octet| *octet == 0) && salted(algorithm, message, salt) == value
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: (DigestAlgorithm, DigestAlgorithm) = (DigestAlgorithm::Sha256, DigestAlgorithm::Sha256);

    #[test]
    fn pss_fits_every_length_of_modulus_and_only_its_own_salt() {
        for bits in 2048..2066 {
            for salt in [0, 1, 32, 190] {
                let encoded = pss(SHA, b"m", &vec![7; salt], bits).unwrap();
                assert_eq!(encoded.len(), bits.div_ceil(8));
                assert!(is_pss(SHA, b"m", &encoded, (salt, bits)), "{bits} {salt}");
                assert!(!is_pss(SHA, b"n", &encoded, (salt, bits)));
                assert!(!is_pss(SHA, b"m", &encoded, (salt + 1, bits)));
                for at in [0, 1, 100, encoded.len() - 40, encoded.len() - 20, encoded.len() - 1] {
                    let mut changed = encoded.clone();
                    changed[at] ^= 0x80;
                    assert!(!is_pss(SHA, b"m", &changed, (salt, bits)), "{bits} {salt} {at}");
                }
            }
        }
        assert_eq!(pss(SHA, b"m", &[0; 223], 2048), None);
        assert!(pss(SHA, b"m", &[0; 222], 2048).is_some());
        assert!(!is_pss(SHA, b"m", &[], (32, 2048)));
        assert!(!is_pss(SHA, b"m", &[0xbc], (32, 2048)));
        assert_eq!(pkcs1(DigestAlgorithm::Sha512, b"m", 93), None);
        assert_eq!(pkcs1(DigestAlgorithm::Sha512, b"m", 94).unwrap().len(), 94);
    }
}
