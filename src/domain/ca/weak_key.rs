//! Public keys whose private keys can be found: what of it costs little to see.
//!
//! Points and exponents are judged where a key is read: SM2 and P-256 points lie on their curve, an RSA exponent is odd
//! and 65537 or more. Not looked for: a factor that another key has too.

use crate::crypto::PublicKey;

/// The least RSA modulus that is certified (NIST SP 800-57 part 1, 128 bits of strength).
pub const LEAST_RSA_BITS: usize = 3072;

/// Why a key is not certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakKey {
    /// Too short.
    #[error("an RSA key of {bits} bits is below {LEAST_RSA_BITS} (NIST SP 800-57 part 1 5.6.1)")]
    Short {
        /// Its bits.
        bits: usize,
    },
    /// The modulus has a small factor.
    #[error("the RSA modulus has the factor {factor} (NIST SP 800-89 5.3.3)")]
    SmallFactor {
        /// The factor.
        factor: u32,
    },
    /// The modulus has the form that a faulty library gave its primes.
    #[error("the RSA modulus has the form of CVE-2017-15361 (ROCA)")]
    Roca,
    /// The two primes lie close together.
    #[error("the primes of the RSA modulus lie close together (CVE-2022-26320)")]
    ClosePrimes,
    /// There was no memory to look.
    #[error("the key could not be examined")]
    NotExamined,
}

impl WeakKey {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Short { .. } => "key-too-short",
            Self::SmallFactor { .. } => "key-small-factor",
            Self::Roca => "key-roca",
            Self::ClosePrimes => "key-close-primes",
            Self::NotExamined => "key-not-examined",
        }
    }
}

/// Primes below that are tried as factors (SP 800-89 5.3.3 asks for those below 752).
const FACTORS_BELOW: u32 = 1024;
/// The primes whose residues tell the faulty form: in each, the residue is a power of 65537.
const ROCA_PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// Looks for what makes a key weak.
///
/// # Errors
/// What it is.
pub fn check(key: &PublicKey) -> Result<(), WeakKey> {
    let PublicKey::Rsa(rsa) = key else { return Ok(()) };
    if rsa.bits() < LEAST_RSA_BITS {
        return Err(WeakKey::Short { bits: rsa.bits() });
    }
    form(rsa.modulus())?;
    match rsa.has_close_primes() {
        Ok(false) => Ok(()),
        Ok(true) => Err(WeakKey::ClosePrimes),
        Err(_) => Err(WeakKey::NotExamined),
    }
}

fn form(modulus: &[u8]) -> Result<(), WeakKey> {
    for factor in (3..FACTORS_BELOW).step_by(2).filter(|number| is_prime(*number)) {
        if remainder(modulus, factor) == 0 {
            return Err(WeakKey::SmallFactor { factor });
        }
    }
    let is_power = |prime: u32| {
        let (wanted, mut power) = (remainder(modulus, prime), 1_u32);
        (0..prime).any(|_| {
            let found = power == wanted;
            power = power.saturating_mul(65_537 % prime) % prime;
            found
        })
    };
    if ROCA_PRIMES.into_iter().all(is_power) { Err(WeakKey::Roca) } else { Ok(()) }
}

/// A big-endian number modulo one below 2^16.
fn remainder(number: &[u8], by: u32) -> u32 {
    number.iter().fold(0, |rest, octet| (rest << 8 | u32::from(*octet)) % by)
}

fn is_prime(number: u32) -> bool {
    (3..=32)
        .step_by(2)
        .take_while(|factor: &u32| factor.saturating_mul(*factor) <= number)
        .all(|factor| !number.is_multiple_of(factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::{Signer, rsa, sm2};

    #[test]
    fn a_sound_key_passes_and_weak_ones_are_told_apart() {
        let sound = rsa::PrivateKey::generate(3072).unwrap();
        assert_eq!(check(&Signer::public_key(&sound)), Ok(()));
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        assert_eq!(check(&Signer::public_key(&key)), Ok(()));
        let short = PublicKey::Rsa(rsa::PublicKey::new(&[0xc5; 256], &[1, 0, 1]).unwrap());
        assert_eq!(check(&short), Err(WeakKey::Short { bits: 2048 }));
        // 2^3071 + 2^… + …: a multiple of 997 with 3072 bits.
        let mut modulus = vec![0_u8; 384];
        modulus[0] = 0x80;
        let rest = remainder(&modulus, 997);
        let add = 997 - rest;
        modulus[383] = u8::try_from(add & 0xff).unwrap();
        modulus[382] = u8::try_from(add >> 8).unwrap();
        let refused = form(&modulus).unwrap_err();
        assert!(matches!(refused, WeakKey::SmallFactor { factor: 3..=997 }), "{refused}");
        assert_eq!(form(&[0x03, 0xf1]).unwrap_err(), WeakKey::SmallFactor { factor: 1009 });
    }

    /// A square is the closest pair; this one has neither a small factor nor the faulty form.
    #[test]
    fn close_primes_are_told() {
        // (2^1536 - 5)² = 2^3072 - 10 * 2^1536 + 25
        let modulus = [&[0xff; 191][..], &[0xf6], &[0; 191], &[25]].concat();
        let key = PublicKey::Rsa(rsa::PublicKey::new(&modulus, &[1, 0, 1]).unwrap());
        assert_eq!(form(&modulus), Ok(()));
        assert_eq!(check(&key), Err(WeakKey::ClosePrimes));
    }

    /// 65537 to any power has the form in every one of the primes.
    #[test]
    fn the_faulty_form_is_recognised() {
        // 65537^3 = 2^48 + 3*2^32 + 3*2^16 + 1.
        assert_eq!(form(&[1, 0, 3, 0, 3, 0, 1]), Err(WeakKey::Roca));
        // 2^61 - 1, a prime.
        assert_eq!(form(&[0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Ok(()));
    }
}
