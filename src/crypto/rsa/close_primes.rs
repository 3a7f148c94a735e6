//! RSA moduli whose two primes lie close together: Fermat's method finds them at once.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;

/// Rounds of Fermat's method. Primes made apart by FIPS 186-5 A.1.3 differ in their upper hundred bits and withstand more
/// rounds than anybody can count; CVE-2022-26320 fell in the first few.
const ROUNDS: usize = 100;

/// Whether Fermat's method factors the odd modulus within [`ROUNDS`]: with `a` from the root of `n` upwards, `a² - n` is a
/// square.
pub(super) fn are_close(modulus: &[u8]) -> Result<bool, ErrorStack> {
    let n = BigNum::from_slice(modulus)?;
    let mut context = BigNumContext::new()?;
    let (mut a, exact) = root(&n, &mut context)?;
    if exact {
        return Ok(true);
    }
    a.add_word(1)?;
    let (mut square, mut rest) = (BigNum::new()?, BigNum::new()?);
    square.sqr(&a, &mut context)?;
    rest.checked_sub(&square, &n)?;
    for _ in 0..ROUNDS {
        if may_be_square(&rest)? && root(&rest, &mut context)?.1 {
            return Ok(true);
        }
        // (a + 1)² - n = a² - n + 2a + 1
        for _ in 0..2 {
            square.checked_add(&rest, &a)?;
            std::mem::swap(&mut square, &mut rest);
        }
        rest.add_word(1)?;
        a.add_word(1)?;
    }
    Ok(false)
}

/// A square leaves certain rests only; nearly all other numbers are told by them without a root.
fn may_be_square(number: &BigNumRef) -> Result<bool, ErrorStack> {
    for by in [64_u32, 63, 65, 11] {
        let rest = number.mod_word(by)?;
        let by = u64::from(by);
        if !(0..by).any(|root| root.pow(2) % by == rest) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The integer square root by Newton's method, and whether it is exact.
fn root(number: &BigNumRef, context: &mut BigNumContext) -> Result<(BigNum, bool), ErrorStack> {
    if number.num_bits() == 0 {
        return Ok((BigNum::new()?, true));
    }
    // Above the root, so that the steps fall until they reach it.
    let (one, mut x) = (BigNum::from_u32(1)?, BigNum::new()?);
    x.lshift(&one, number.num_bits() / 2 + 1)?;
    loop {
        let (mut quotient, mut next) = (BigNum::new()?, BigNum::new()?);
        quotient.checked_div(number, &x, context)?;
        let mut sum = BigNum::new()?;
        sum.checked_add(&quotient, &x)?;
        next.rshift1(&sum)?;
        if next >= x {
            let mut square = BigNum::new()?;
            square.sqr(&x, context)?;
            let exact = *square == *number;
            return Ok((x, exact));
        }
        x = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::rsa::PrivateKey;

    fn number(text: &str) -> BigNum {
        BigNum::from_dec_str(text).unwrap()
    }

    #[test]
    fn roots_are_whole() {
        let mut context = BigNumContext::new().unwrap();
        for value in (0..2000_u32).chain([u32::MAX, 65_536 * 65_535, 4_294_836_225]) {
            let (found, exact) = root(&BigNum::from_u32(value).unwrap(), &mut context).unwrap();
            let expected = value.isqrt();
            assert_eq!((found.to_string(), exact), (expected.to_string(), expected * expected == value), "{value}");
        }
    }

    #[test]
    fn squares_are_never_passed_over() {
        for root in 0..3000_u32 {
            assert!(may_be_square(&BigNum::from_u32(root * root).unwrap()).unwrap(), "{root}");
        }
        assert!(!may_be_square(&number("2")).unwrap());
    }

    /// Two primes in a row, of 1536 bits each.
    #[test]
    fn neighbouring_primes_are_found_and_sound_keys_are_not() {
        let first = BigNum::from_slice(&[&[0x80][..], &[0x5a; 191]].concat()).unwrap();
        let next_prime = |from: &BigNumRef| {
            let mut context = BigNumContext::new().unwrap();
            let mut found = from.to_owned().unwrap();
            found.set_bit(0).unwrap();
            while !found.is_prime(20, &mut context).unwrap() {
                found.add_word(2).unwrap();
            }
            found
        };
        let p = next_prime(&first);
        let mut above = p.to_owned().unwrap();
        above.add_word(2).unwrap();
        let q = next_prime(&above);
        let mut context = BigNumContext::new().unwrap();
        for (p, q) in [(&p, &q), (&p, &p)] {
            let mut n = BigNum::new().unwrap();
            n.checked_mul(p, q, &mut context).unwrap();
            assert!(are_close(&n.to_vec()).unwrap());
        }
        // 187 = 11 * 17: 14² - 187 = 3². 15 = 3 * 5.
        assert!(are_close(&[187]).unwrap() && are_close(&[15]).unwrap());
        let sound = PrivateKey::generate(3072).unwrap();
        assert!(!are_close(sound.public_key().modulus()).unwrap());
    }
}
