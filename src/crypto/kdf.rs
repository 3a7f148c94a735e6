//! Keys from keys (HKDF) and keys from passphrases (argon2id; PBKDF2 for foreign containers).

use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, AssociatedData, Block, ParamsBuilder, Version};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::pbkdf2;
use zeroize::{Zeroize, Zeroizing};

use crate::base::secret::Secret;
use crate::crypto::Error;
use crate::crypto::digest::{hmac_sm3, sm3};

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
    /// HMAC-SM3 (GM/T 0091 uses it in PBES2).
    HmacSm3,
}

/// PBKDF2 (RFC 8018 5.2), for PKCS#8 and PKCS#12 of others; our own containers use [`argon2id`].
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
        Pbkdf2Prf::HmacSm3 => return Ok(pbkdf2_sm3(passphrase, salt, iterations, length)),
    };
    let mut out = Zeroizing::new(vec![0; length]);
    pbkdf2::derive(algorithm, iterations, salt, passphrase, &mut out);
    Ok(Secret::new(std::mem::take(&mut *out)))
}

fn pbkdf2_sm3(passphrase: &[u8], salt: &[u8], iterations: NonZeroU32, length: usize) -> Secret {
    // HMAC would hash a key longer than a block anew in every step (RFC 2104 2): once is enough.
    let hashed = Zeroizing::new(sm3(passphrase));
    let key = if passphrase.len() > 64 { &hashed[..] } else { passphrase };
    let mut out = Vec::with_capacity(length.saturating_add(STEP));
    for index in 1_u32.. {
        let mut u = Zeroizing::new(hmac_sm3(key, &[salt, &index.to_be_bytes()]));
        let mut sum = u.clone();
        for _ in 1..iterations.get() {
            *u = hmac_sm3(key, &[&*u]);
            for (sum, u) in sum.iter_mut().zip(u.iter()) {
                *sum ^= u;
            }
        }
        out.extend_from_slice(&*sum);
        if out.len() >= length {
            break;
        }
    }
    cut(out, length)
}
