//! Keys from keys (HKDF) and keys from passphrases (argon2id; PBKDF2 for foreign containers).

use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, AssociatedData, Block, ParamsBuilder, Version};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::pbkdf2;
use zeroize::{Zeroize, Zeroizing};

use crate::base::secret::Secret;
use crate::crypto::Error;
use crate::crypto::digest::hmac_sm3;
use crate::crypto::sm3::Hmac;

/// Bytes of one step of HKDF and PBKDF2 over SM3 and SHA-256.
const STEP: usize = 32;

/// The longest key from HKDF: 255 steps (RFC 5869 2.3).
const MAX_HKDF: usize = 255 * STEP;

/// The longest key from a passphrase. No container needs more than a key, an IV and a MAC key.
pub const MAX_FROM_PASSPHRASE: usize = 1024;

/// The most iterations of PBKDF2 that a foreign container may ask for; some seconds of one core.
pub const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;

/// HKDF with HMAC-SHA-256 (RFC 5869): `length` bytes from `ikm`. An empty salt is a salt of zeros. The info is the
/// concatenation of its parts.
///
/// # Errors
/// [`Error::DerivedLength`] for zero bytes and for more than 8160.
pub fn hkdf_sha256(salt: &[u8], ikm: &[u8], info: &[&[u8]], length: usize) -> Result<Secret, Error> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    check_hkdf(length)?;
    let prk = Salt::new(HKDF_SHA256, salt).extract(ikm);
    let mut out = Zeroizing::new(vec![0; length]);
    prk.expand(info, Length(length)).and_then(|okm| okm.fill(&mut out)).map_err(|_| Error::DerivedLength { length })?;
    Ok(Secret::new(std::mem::take(&mut *out)))
}

/// HKDF with HMAC-SM3 (RFC 5869 over GB/T 32905): otherwise as [`hkdf_sha256`].
///
/// # Errors
/// [`Error::DerivedLength`] for zero bytes and for more than 8160.
pub fn hkdf_sm3(salt: &[u8], ikm: &[u8], info: &[&[u8]], length: usize) -> Result<Secret, Error> {
    check_hkdf(length)?;
    // HMAC fills a short key up with zeros, so an empty salt is HashLen zeros (RFC 5869 2.2).
    let prk = Zeroizing::new(hmac_sm3(salt, &[ikm]));
    let mut out = Vec::with_capacity(length.saturating_add(STEP));
    let mut step = Zeroizing::new([0; STEP]);
    for counter in 1..=u8::MAX {
        let counter = [counter];
        let previous: &[u8] = if out.is_empty() { &[] } else { &*step };
        let parts: Vec<&[u8]> =
            std::iter::once(previous).chain(info.iter().copied()).chain(std::iter::once(&counter[..])).collect();
        let next = hmac_sm3(&*prk, &parts);
        drop(parts);
        *step = next;
        out.extend_from_slice(&*step);
        if out.len() >= length {
            break;
        }
    }
    Ok(cut(out, length))
}

fn check_hkdf(length: usize) -> Result<(), Error> {
    if (1..=MAX_HKDF).contains(&length) { Ok(()) } else { Err(Error::DerivedLength { length }) }
}

/// The first `length` bytes; the rest is wiped.
fn cut(mut bytes: Vec<u8>, length: usize) -> Secret {
    if let Some(rest) = bytes.get_mut(length..) {
        rest.zeroize();
    }
    bytes.truncate(length);
    Secret::new(bytes)
}

/// What argon2id may cost (RFC 9106 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Parameters {
    /// Memory in KiB (m).
    pub memory: u32,
    /// Passes over the memory (t).
    pub passes: u32,
    /// Lanes (p).
    pub lanes: u32,
}

impl Argon2Parameters {
    /// The first recommendation of RFC 9106 4: 2 GiB, one pass.
    pub const RFC_9106_FIRST: Self = Self { memory: 1 << 21, passes: 1, lanes: 4 };

    /// The second recommendation, where memory is scarce: 64 MiB, three passes.
    pub const RFC_9106_SECOND: Self = Self { memory: 1 << 16, passes: 3, lanes: 4 };

    /// The most that a stored record may ask for.
    pub const MAX: Self = Self { memory: 1 << 21, passes: 64, lanes: 64 };

    fn is_allowed(self) -> bool {
        (1..=Self::MAX.passes).contains(&self.passes)
            && (1..=Self::MAX.lanes).contains(&self.lanes)
            && (self.lanes.saturating_mul(8)..=Self::MAX.memory).contains(&self.memory)
    }
}

/// argon2id version 0x13 (RFC 9106): `length` bytes from a passphrase. Takes the memory and the time that the
/// parameters say; call it where blocking is allowed. The working memory is wiped.
///
/// # Errors
/// [`Error::DerivationParameters`] for parameters outside [`Argon2Parameters::MAX`], less memory than 8 KiB a lane,
/// and salts outside 8 to 64 bytes; [`Error::DerivedLength`] for keys outside 4 to [`MAX_FROM_PASSPHRASE`] bytes;
/// [`Error::DerivationMemory`] if the memory is not to be had.
pub fn argon2id(passphrase: &[u8], salt: &[u8], parameters: Argon2Parameters, length: usize) -> Result<Secret, Error> {
    argon2id_with(passphrase, salt, &[], &[], parameters, length)
}

/// With the secret value K and the associated data X of RFC 9106 3.1.
fn argon2id_with(
    passphrase: &[u8],
    salt: &[u8],
    secret: &[u8],
    associated: &[u8],
    parameters: Argon2Parameters,
    length: usize,
) -> Result<Secret, Error> {
    if !(4..=MAX_FROM_PASSPHRASE).contains(&length) {
        return Err(Error::DerivedLength { length });
    }
    if !parameters.is_allowed() || !(8..=64).contains(&salt.len()) {
        return Err(Error::DerivationParameters);
    }
    let associated = AssociatedData::new(associated).map_err(|_| Error::DerivationParameters)?;
    let costs = ParamsBuilder::new()
        .m_cost(parameters.memory)
        .t_cost(parameters.passes)
        .p_cost(parameters.lanes)
        .data(associated)
        .build()
        .map_err(|_| Error::DerivationParameters)?;
    let argon2 = Argon2::new_with_secret(secret, Algorithm::Argon2id, Version::V0x13, costs)
        .map_err(|_| Error::DerivationParameters)?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(argon2.params().block_count()).map_err(|_| Error::DerivationMemory)?;
    memory.resize(argon2.params().block_count(), Block::new());
    let mut out = Zeroizing::new(vec![0; length]);
    let done = argon2.hash_password_into_with_memory(passphrase, salt, &mut out, &mut memory);
    memory.iter_mut().for_each(Zeroize::zeroize);
    done.map_err(|_| Error::DerivationParameters)?;
    Ok(Secret::new(std::mem::take(&mut *out)))
}

/// The function that PBKDF2 repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pbkdf2Prf {
    /// HMAC-SHA-1: only to open containers that others made.
    HmacSha1,
    /// HMAC-SHA-256.
    HmacSha256,
    /// HMAC-SHA-384.
    HmacSha384,
    /// HMAC-SHA-512.
    HmacSha512,
    /// HMAC-SM3 (GM/T 0091 uses it in PBES2).
    HmacSm3,
}

/// PBKDF2 (RFC 8018 5.2), for PKCS#8 and PKCS#12, ours and others'; what stays here is under [`argon2id`].
///
/// # Errors
/// [`Error::DerivationParameters`] beyond [`MAX_PBKDF2_ITERATIONS`], [`Error::DerivedLength`] for keys outside 1 to
/// [`MAX_FROM_PASSPHRASE`] bytes.
pub fn pbkdf2(
    prf: Pbkdf2Prf,
    passphrase: &[u8],
    salt: &[u8],
    iterations: NonZeroU32,
    length: usize,
) -> Result<Secret, Error> {
    if !(1..=MAX_FROM_PASSPHRASE).contains(&length) {
        return Err(Error::DerivedLength { length });
    }
    if iterations.get() > MAX_PBKDF2_ITERATIONS {
        return Err(Error::DerivationParameters);
    }
    let algorithm = match prf {
        Pbkdf2Prf::HmacSha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Pbkdf2Prf::HmacSha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Pbkdf2Prf::HmacSha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        Pbkdf2Prf::HmacSha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        Pbkdf2Prf::HmacSm3 => return Ok(pbkdf2_sm3(passphrase, salt, iterations, length)),
    };
    let mut out = Zeroizing::new(vec![0; length]);
    pbkdf2::derive(algorithm, iterations, salt, passphrase, &mut out);
    Ok(Secret::new(std::mem::take(&mut *out)))
}

fn pbkdf2_sm3(passphrase: &[u8], salt: &[u8], iterations: NonZeroU32, length: usize) -> Secret {
    let key = Hmac::new(passphrase);
    let mut out = Vec::with_capacity(length.saturating_add(STEP));
    for index in 1_u32.. {
        let mut run = key.start();
        run.update(salt);
        run.update(&index.to_be_bytes());
        let first = Zeroizing::new(run.finish());
        out.extend_from_slice(&*key.chain(&first, iterations));
        if out.len() >= length {
            break;
        }
    }
    cut(out, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::digest::hex;

    fn shown(key: Result<Secret, Error>) -> String {
        hex(key.unwrap().expose())
    }

    #[test]
    fn hkdf_sha256_of_rfc_5869() {
        // A.1, A.2, A.3.
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(shown(hkdf_sha256(&salt, &[0x0b; 22], &[&info], 42)), expected);
        assert_eq!(shown(hkdf_sha256(&salt, &[0x0b; 22], &[&info[..3], &info[3..]], 42)), expected);
        let ikm: Vec<u8> = (0..=0x4f).collect();
        let salt: Vec<u8> = (0x60..=0xaf).collect();
        let info: Vec<u8> = (0xb0..=0xff).collect();
        let expected = "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
                        da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87";
        assert_eq!(shown(hkdf_sha256(&salt, &ikm, &[&info], 82)), expected);
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(shown(hkdf_sha256(b"", &[0x0b; 22], &[], 42)), expected);
    }

    /// RFC 5869 has none for SM3; these are its inputs A.1 (made longer) and A.3 through OpenSSL 3.0.19.
    #[test]
    fn hkdf_sm3_agrees_with_openssl() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let expected = "c69fe91b7aaee2dd5718d72dcaee0cce93f1b8e41f792da51261b6a517e68b36ed2c595572b01dfa359bc57c754245c6\
                        b5a5b974f538f7d23980f78114d63dab16bd84b9ecfd0a5d501ddfb97bc47d5ad971";
        assert_eq!(shown(hkdf_sm3(&salt, &[0x0b; 22], &[&info], 82)), expected);
        assert_eq!(shown(hkdf_sm3(&salt, &[0x0b; 22], &[&info[..7], &[], &info[7..]], 82)), expected);
        let expected = "c8c91a38ae2fb3b023a7c38ce9f0748f28230d59b6b950ba3ba949bf0d713a5774815778801741cb2034";
        assert_eq!(shown(hkdf_sm3(b"", &[0x0b; 22], &[], 42)), expected);
    }

    #[test]
    fn lengths_are_bounded() {
        type Hkdf = fn(&[u8], &[u8], &[&[u8]], usize) -> Result<Secret, Error>;
        let both: [Hkdf; 2] = [hkdf_sha256, hkdf_sm3];
        for hkdf in both {
            assert_eq!(hkdf(b"", b"key", &[], 8160).unwrap().expose().len(), 8160);
            for length in [0, 8161, usize::MAX] {
                assert_eq!(hkdf(b"", b"key", &[], length).unwrap_err(), Error::DerivedLength { length });
            }
        }
        let once = NonZeroU32::MIN;
        use Pbkdf2Prf::{HmacSha1, HmacSha256, HmacSha384, HmacSha512, HmacSm3};
        for prf in [HmacSha1, HmacSha256, HmacSha384, HmacSha512, HmacSm3] {
            assert_eq!(pbkdf2(prf, b"x", b"salt", once, 1024).unwrap().expose().len(), 1024);
            for length in [0, 1025, usize::MAX] {
                let refused = pbkdf2(prf, b"x", b"salt", once, length).unwrap_err();
                assert_eq!(refused, Error::DerivedLength { length });
            }
            let too_often = NonZeroU32::new(MAX_PBKDF2_ITERATIONS + 1).unwrap();
            assert_eq!(pbkdf2(prf, b"x", b"salt", too_often, 32).unwrap_err(), Error::DerivationParameters);
        }
    }

    #[test]
    fn argon2id_of_rfc_9106() {
        // 5.3.
        let parameters = Argon2Parameters { memory: 32, passes: 3, lanes: 4 };
        let key = argon2id_with(&[1; 32], &[2; 16], &[3; 8], &[4; 12], parameters, 32);
        assert_eq!(shown(key), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    }

    #[test]
    fn the_cost_of_argon2id_is_bounded() {
        let cheap = Argon2Parameters { memory: 32, passes: 1, lanes: 4 };
        for length in [4, 32, 1024] {
            assert_eq!(argon2id(b"x", &[2; 16], cheap, length).unwrap().expose().len(), length);
        }
        for length in [0, 3, 1025] {
            let refused = argon2id(b"x", &[2; 16], cheap, length).unwrap_err();
            assert_eq!(refused, Error::DerivedLength { length });
        }
        let too_much = [
            Argon2Parameters { memory: 31, ..cheap },
            Argon2Parameters { memory: (1 << 21) + 1, ..cheap },
            Argon2Parameters { passes: 0, ..cheap },
            Argon2Parameters { passes: 65, ..cheap },
            Argon2Parameters { lanes: 0, ..cheap },
            Argon2Parameters { lanes: 65, memory: 1 << 16, ..cheap },
        ];
        for parameters in too_much {
            let refused = argon2id(b"x", &[2; 16], parameters, 32).unwrap_err();
            assert_eq!(refused, Error::DerivationParameters, "{parameters:?}");
        }
        for salt in [&[2; 7][..], &[2; 65]] {
            assert_eq!(argon2id(b"x", salt, cheap, 32).unwrap_err(), Error::DerivationParameters);
        }
        for recommended in [Argon2Parameters::RFC_9106_FIRST, Argon2Parameters::RFC_9106_SECOND] {
            assert!(recommended.is_allowed());
        }
    }

    #[test]
    fn pbkdf2_of_rfc_6070() {
        let key = |password: &[u8], salt: &[u8], iterations, length| {
            shown(pbkdf2(Pbkdf2Prf::HmacSha1, password, salt, NonZeroU32::new(iterations).unwrap(), length))
        };
        assert_eq!(key(b"password", b"salt", 1, 20), "0c60c80f961f0e71f3a9b524af6012062fe037a6");
        assert_eq!(key(b"password", b"salt", 4096, 20), "4b007901b765489abead49d926f721d065a429c1");
        assert_eq!(key(b"pass\0word", b"sa\0lt", 4096, 16), "56fa6aa75548099dcc37d7f03425e0c3");
        let salt = b"saltSALTsaltSALTsaltSALTsaltSALTsalt";
        let expected = "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038";
        assert_eq!(key(b"passwordPASSWORDpassword", salt, 4096, 25), expected);
    }

    /// Known answers of OpenSSL 3.0.19: several steps, many iterations, a passphrase longer than a block of SM3.
    #[test]
    fn pbkdf2_sm3_agrees_with_openssl() {
        let key = |password: &[u8], salt: &[u8], iterations, length| {
            shown(pbkdf2(Pbkdf2Prf::HmacSm3, password, salt, NonZeroU32::new(iterations).unwrap(), length))
        };
        let expected =
            "4612f922a1fdcefaf4312fc6f8f3322b489cbf24f2ea361b44c2bd8fa2c6dcb0e2bea084418ffb4f5f1d7e8be043a509";
        assert_eq!(key(b"password", b"salt", 1, 48), expected);
        let salt = b"saltSALTsaltSALTsaltSALTsaltSALTsalt";
        let expected =
            "3b6282ac8519f059e465abff0ea37b0dbfe6c672a76e6b805312d53900db630732ccc1a88fa5512a6e8bbd7e48d336632a25";
        assert_eq!(key(b"passwordPASSWORDpassword", salt, 4096, 50), expected);
        let expected = "c56ae947533ff6b294f607c9827e245aa402dfeebc9b3887f713fa85f659c33a";
        assert_eq!(key(&[b'p'; 100], b"saltsaltsaltsalt", 3, 32), expected);
    }
}
