//! One door to authenticated encryption: SM4-GCM of our own and AES-256-GCM of `ring`, by name.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::base::secret::Secret;
use crate::crypto::Error;
use crate::crypto::sm4;
use crate::crypto::sm4::gcm::Sm4Gcm;

/// Bytes of a nonce.
pub const NONCE_LEN: usize = 12;

/// Bytes that sealing adds.
pub const TAG_LEN: usize = 16;

/// The longest text: 2³⁹ - 256 bits (NIST SP 800-38D 5.2.1.1).
const MAX_TEXT: u64 = (1 << 36) - 32;

/// An algorithm that hides a text and protects it together with its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AeadAlgorithm {
    /// SM4-GCM (GB/T 17964, RFC 8998 3.1).
    Sm4Gcm,
    /// AES-256-GCM (NIST SP 800-38D).
    Aes256Gcm,
}

impl AeadAlgorithm {
    /// Every algorithm.
    pub const ALL: &[Self] = &[Self::Sm4Gcm, Self::Aes256Gcm];

    /// The stable name, as it stands in stored records and in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sm4Gcm => "sm4-gcm",
            Self::Aes256Gcm => "aes-256-gcm",
        }
    }

    /// The algorithm of that name; nothing else is tolerated.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// Bytes of a key.
    #[must_use]
    pub fn key_len(self) -> usize {
        match self {
            Self::Sm4Gcm => sm4::KEY_LEN,
            Self::Aes256Gcm => 32,
        }
    }
}

/// An expanded key. It seals and opens; it is never shown. The SM4 schedule is wiped when dropped; `ring` gives no
/// such promise for its AES schedule.
pub struct AeadKey(Expanded);

enum Expanded {
    Sm4Gcm(Box<Sm4Gcm>),
    Aes256Gcm(Box<LessSafeKey>),
}

impl AeadKey {
    /// Expands a key. The caller's copy stays the caller's to wipe.
    ///
    /// # Errors
    /// [`Error::KeyLength`] unless `key` has [`AeadAlgorithm::key_len`] bytes.
    pub fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Self, Error> {
        let wrong_length =
            || Error::KeyLength { algorithm: algorithm.name(), expected: algorithm.key_len(), length: key.len() };
        Ok(Self(match algorithm {
            AeadAlgorithm::Sm4Gcm => {
                Expanded::Sm4Gcm(Box::new(Sm4Gcm::new(key.try_into().map_err(|_| wrong_length())?)))
            }
            AeadAlgorithm::Aes256Gcm => {
                let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| wrong_length())?;
                Expanded::Aes256Gcm(Box::new(LessSafeKey::new(key)))
            }
        }))
    }

    /// The algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> AeadAlgorithm {
        match self.0 {
            Expanded::Sm4Gcm(_) => AeadAlgorithm::Sm4Gcm,
            Expanded::Aes256Gcm(_) => AeadAlgorithm::Aes256Gcm,
        }
    }

    /// The ciphertext of `plaintext` and, behind it, the tag over it and `aad`.
    ///
    /// A nonce must never be used twice under one key: two texts under one nonce give away their difference and the
    /// key of the tag. With random nonces change the key before 2³² texts (SP 800-38D 8.3).
    ///
    /// # Errors
    /// [`Error::TextTooLong`] beyond 2³⁶ - 32 bytes.
    pub fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        if u64::try_from(plaintext.len()).map_or(true, |length| length > MAX_TEXT) {
            return Err(Error::TextTooLong);
        }
        let mut sealed = Vec::with_capacity(plaintext.len().saturating_add(TAG_LEN));
        sealed.extend_from_slice(plaintext);
        let mut text = zeroize::Zeroizing::new(sealed);
        match &self.0 {
            Expanded::Sm4Gcm(key) => {
                let tag = key.seal_in_place(nonce, aad, &mut text)?;
                text.extend_from_slice(&tag);
            }
            Expanded::Aes256Gcm(key) => {
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let tag =
                    key.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut text).map_err(|_| Error::TextTooLong)?;
                text.extend_from_slice(tag.as_ref());
            }
        }
        Ok(std::mem::take(&mut *text))
    }

    /// The plaintext, if `sealed` was made by [`AeadKey::seal`] under this key, nonce and `aad`; else `None`, for
    /// whatever reason.
    #[must_use]
    pub fn open(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], sealed: &[u8]) -> Option<Secret> {
        let length = sealed.len().checked_sub(TAG_LEN)?;
        let (ciphertext, tag) = sealed.split_at_checked(length)?;
        match &self.0 {
            Expanded::Sm4Gcm(key) => {
                let mut text = ciphertext.to_vec();
                key.open_in_place(nonce, aad, &mut text, tag).ok()?;
                Some(Secret::new(text))
            }
            Expanded::Aes256Gcm(key) => {
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let mut text = zeroize::Zeroizing::new(sealed.to_vec());
                key.open_in_place(nonce, Aad::from(aad), &mut text).ok()?;
                // `ring` leaves the plaintext in front; the bytes of the tag behind it go.
                text.truncate(length);
                Some(Secret::new(std::mem::take(&mut *text)))
            }
        }
    }
}

impl std::fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AeadKey({}, ..)", self.algorithm().name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::digest::hex;

    fn key(algorithm: AeadAlgorithm) -> AeadKey {
        AeadKey::new(algorithm, &vec![7; algorithm.key_len()]).unwrap()
    }

    #[test]
    fn names_are_stable_and_lead_back() {
        let names: Vec<_> = AeadAlgorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        assert_eq!(names, ["sm4-gcm", "aes-256-gcm"]);
        for algorithm in AeadAlgorithm::ALL {
            assert_eq!(AeadAlgorithm::from_name(algorithm.name()), Some(*algorithm));
            assert_eq!(key(*algorithm).algorithm(), *algorithm);
        }
        assert_eq!(AeadAlgorithm::from_name("SM4-GCM"), None);
    }

    #[test]
    fn a_key_has_one_length() {
        for algorithm in AeadAlgorithm::ALL {
            for length in [0, algorithm.key_len() - 1, algorithm.key_len() + 1] {
                let expected = Error::KeyLength { algorithm: algorithm.name(), expected: algorithm.key_len(), length };
                assert_eq!(AeadKey::new(*algorithm, &vec![0; length]).unwrap_err(), expected);
            }
        }
    }

    #[test]
    fn known_answers() {
        // RFC 8998 A.1.
        let sm4 = AeadKey::new(AeadAlgorithm::Sm4Gcm, &0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes());
        let nonce = *b"\0\0\x12\x34\x56\x78\0\0\0\0\xab\xcd";
        let aad = [&b"\xfe\xed\xfa\xce\xde\xad\xbe\xef".repeat(2)[..], b"\xab\xad\xda\xd2"].concat();
        let text: Vec<u8> = [0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0xee, 0xaa].iter().flat_map(|b| [*b; 8]).collect();
        let sealed = sm4.unwrap().seal(&nonce, &aad, &text).unwrap();
        let expected = "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15\
                        a56834cbcf98c397b4024a2691233b8d83de3541e4c2b58177e065a9bf7b62ec";
        assert_eq!(hex(&sealed), expected);
        // The GCM specification's test case 14: AES-256, zero key, nonce and block.
        let aes = AeadKey::new(AeadAlgorithm::Aes256Gcm, &[0; 32]).unwrap();
        let expected = "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919";
        assert_eq!(hex(&aes.seal(&[0; 12], b"", &[0; 16]).unwrap()), expected);
    }

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        for algorithm in AeadAlgorithm::ALL {
            let key = key(*algorithm);
            for length in [0, 1, 15, 16, 17, 300] {
                let text = vec![0x5a; length];
                let sealed = key.seal(&[1; 12], b"context", &text).unwrap();
                assert_eq!(sealed.len(), length + TAG_LEN);
                assert_eq!(key.open(&[1; 12], b"context", &sealed).unwrap().expose(), text);
                assert!(key.open(&[2; 12], b"context", &sealed).is_none());
                assert!(key.open(&[1; 12], b"contexT", &sealed).is_none());
                for cut in 0..sealed.len() {
                    assert!(key.open(&[1; 12], b"context", &sealed[..cut]).is_none());
                }
                for bit in 0..sealed.len() * 8 {
                    let mut tampered = sealed.clone();
                    tampered[bit / 8] ^= 1 << (bit % 8);
                    assert!(key.open(&[1; 12], b"context", &tampered).is_none());
                }
            }
        }
    }

    #[test]
    fn nothing_of_the_key_is_shown() {
        assert_eq!(format!("{:?}", key(AeadAlgorithm::Sm4Gcm)), "AeadKey(sm4-gcm, ..)");
        assert_eq!(format!("{:?}", key(AeadAlgorithm::Aes256Gcm)), "AeadKey(aes-256-gcm, ..)");
    }
}
