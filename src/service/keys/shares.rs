//! Shares of a secret: any `threshold` of them give it back, fewer say nothing about it (Shamir, CACM 22(11), 1979).
//!
//! Each octet of the secret is the constant term of a random polynomial of degree `threshold - 1` over GF(2⁸) with the
//! modulus x⁸ + x⁴ + x³ + x + 1 (that of FIPS 197, 4.2); share *x* holds its values at *x*. No tables and no branches
//! on secret octets.

use zeroize::Zeroizing;

use crate::base::random::{Random, RandomUnavailable, array};
use crate::base::secret::Secret;
use crate::crypto::digest::sm3;
use crate::crypto::secrecy::equal;

/// Octets of the shared secret.
pub const LENGTH: usize = 32;
/// What every share's text begins with.
const PREFIX: &str = "YXS1";
const CHECKSUM: usize = 4;

/// Why shares do not give a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// Fewer than two, more than there are, or more than 255.
    #[error("{threshold} of {count} is no way to share: 2 up to 255, and not more needed than there are")]
    Numbers {
        /// How many are to be needed.
        threshold: u8,
        /// How many there are to be.
        count: u8,
    },
    /// The text does not have the form of a share.
    #[error("share no. {position} does not have the form {PREFIX}-set-threshold-number-value-checksum")]
    Malformed {
        /// Which of those given, from 1.
        position: usize,
    },
    /// A digit is wrong.
    #[error("share no. {position} is damaged: its checksum is not right")]
    Corrupted {
        /// Which of those given, from 1.
        position: usize,
    },
    /// It was made on another occasion.
    #[error("share no. {position} belongs to another set than the first")]
    AnotherSet {
        /// Which of those given, from 1.
        position: usize,
    },
    /// The same share twice.
    #[error("share number {number} was given twice")]
    Repeated {
        /// Its number within its set.
        number: u8,
    },
    /// Not enough.
    #[error("{given} of the {needed} shares that are needed were given")]
    TooFew {
        /// How many were given.
        given: usize,
        /// How many are needed.
        needed: u8,
    },
    /// More than enough were given, and they do not agree: one was changed with its checksum.
    #[error("the shares do not agree with each other")]
    Disagree,
}

impl ShareError {
    /// The stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Numbers { .. } => "share-numbers",
            Self::Malformed { .. } => "share-malformed",
            Self::Corrupted { .. } => "share-corrupted",
            Self::AnotherSet { .. } => "share-of-another-set",
            Self::Repeated { .. } => "share-repeated",
            Self::TooFew { .. } => "too-few-shares",
            Self::Disagree => "shares-disagree",
        }
    }
}

/// One share.
pub struct Share {
    set: [u8; 8],
    threshold: u8,
    number: u8,
    value: Zeroizing<[u8; LENGTH]>,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Share")
            .field("number", &self.number)
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

impl Share {
    /// Its number within its set, from 1.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// How many of its set are needed.
    #[must_use]
    pub const fn threshold(&self) -> u8 {
        self.threshold
    }

    /// Names its set: the same for all shares of one occasion. Not secret.
    #[must_use]
    pub fn set(&self) -> String {
        self.set.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// The form that people keep: set, threshold, number, value and checksum, in hexadecimal.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let mut text = Zeroizing::new(String::with_capacity(128));
        text.push_str(PREFIX);
        let (head, tail) = ([self.threshold], [self.number]);
        let checksum = self.checksum();
        for part in [&self.set[..], &head, &tail, &self.value[..], &checksum] {
            text.push('-');
            for octet in part {
                for digit in [octet >> 4, octet & 15] {
                    text.extend(char::from_digit(u32::from(digit), 16));
                }
            }
        }
        Secret::new(text.as_bytes().to_vec())
    }

    /// Reads the text form; spaces and line ends do not count, nor does upper or lower case.
    ///
    /// # Errors
    /// [`ShareError::Malformed`] or [`ShareError::Corrupted`], with the position given.
    pub fn parse(text: &[u8], position: usize) -> Result<Self, ShareError> {
        let malformed = ShareError::Malformed { position };
        let mut plain = Zeroizing::new(Vec::with_capacity(256));
        if text.len() > 1024 {
            return Err(malformed);
        }
        plain.extend(text.iter().filter(|octet| !octet.is_ascii_whitespace()).map(u8::to_ascii_lowercase));
        let parts = plain.split(|octet| *octet == b'-').collect::<Vec<_>>();
        let [prefix, set, threshold, number, value, checksum] = parts[..] else { return Err(malformed) };
        let read = || {
            let threshold = hexadecimal::<1>(threshold).map(|[threshold]| threshold).filter(|needed| *needed >= 2)?;
            let number = hexadecimal::<1>(number).map(|[number]| number).filter(|number| *number >= 1)?;
            let share = Self { set: hexadecimal(set)?, threshold, number, value: Zeroizing::new(hexadecimal(value)?) };
            Some((share, hexadecimal::<CHECKSUM>(checksum)?))
        };
        let known = prefix == PREFIX.to_ascii_lowercase().as_bytes();
        let (share, checksum) = read().filter(|_| known).ok_or(malformed)?;
        if share.checksum() == checksum { Ok(share) } else { Err(ShareError::Corrupted { position }) }
    }

    /// The first octets of SM3 over all else: finds typing errors, not forgeries.
    fn checksum(&self) -> [u8; CHECKSUM] {
        let mut octets = Zeroizing::new(Vec::with_capacity(64));
        octets.extend_from_slice(PREFIX.as_bytes());
        octets.extend_from_slice(&self.set);
        octets.extend_from_slice(&[self.threshold, self.number]);
        octets.extend_from_slice(&*self.value);
        let mut checksum = [0; CHECKSUM];
        checksum.iter_mut().zip(sm3(&octets)).for_each(|(to, from)| *to = from);
        checksum
    }
}

/// Exactly `N` octets in hexadecimal.
fn hexadecimal<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut octets = [0; N];
    if digits.len() != N.checked_mul(2)? {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let digit = char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())?;
            *octet = (*octet << 4) | digit;
        }
    }
    Some(octets)
}

/// Shares a secret among `count` holders, any `threshold` of whom give it back.
///
/// # Errors
/// [`ShareError::Numbers`] inside of the result; no randomness.
pub fn split(
    secret: &[u8; LENGTH],
    (threshold, count): (u8, u8),
    random: &dyn Random,
) -> Result<Result<Vec<Share>, ShareError>, RandomUnavailable> {
    if threshold < 2 || threshold > count {
        return Ok(Err(ShareError::Numbers { threshold, count }));
    }
    let set = array(random)?;
    // Coefficients of x¹, x², …; the secret is that of x⁰.
    let mut higher = Vec::new();
    for _ in 1..threshold {
        higher.push(Zeroizing::new(array::<LENGTH>(random)?));
    }
    let share = |number: u8| {
        // Horner's rule, from the highest coefficient down.
        let mut value = Zeroizing::new([0; LENGTH]);
        for coefficients in higher.iter().map(|coefficients| &**coefficients).rev().chain([secret]) {
            value.iter_mut().zip(coefficients).for_each(|(sum, next)| *sum = multiply(*sum, number) ^ next);
        }
        Share { set, threshold, number, value }
    };
    Ok(Ok((1..=count).map(share).collect()))
}

/// The secret that these shares give. More than are needed must agree.
///
/// # Errors
/// Shares of several sets, one given twice, too few, or such as do not agree. Whether it is the right secret is for the
/// caller to check.
pub fn combine(shares: &[Share]) -> Result<Secret, ShareError> {
    let Some(first) = shares.first() else { return Err(ShareError::TooFew { given: 0, needed: 2 }) };
    for (position, share) in (1..).zip(shares) {
        if (share.set, share.threshold) != (first.set, first.threshold) {
            return Err(ShareError::AnotherSet { position });
        }
        let same = shares.iter().filter(|other| other.number == share.number).count();
        if same > 1 {
            return Err(ShareError::Repeated { number: share.number });
        }
    }
    let needed = usize::from(first.threshold);
    let Some((used, more)) = shares.split_at_checked(needed) else {
        return Err(ShareError::TooFew { given: shares.len(), needed: first.threshold });
    };
    for share in more {
        if !equal(&*interpolate(used, share.number), &*share.value) {
            return Err(ShareError::Disagree);
        }
    }
    Ok(Secret::new(interpolate(used, 0).to_vec()))
}

/// The value at `x` of the polynomial through these shares (Lagrange). Numbers are public, values are not.
fn interpolate(shares: &[Share], x: u8) -> Zeroizing<[u8; LENGTH]> {
    let mut sum = Zeroizing::new([0; LENGTH]);
    for share in shares {
        let mut weight = 1;
        for other in shares.iter().filter(|other| other.number != share.number) {
            weight = multiply(weight, multiply(x ^ other.number, invert(share.number ^ other.number)));
        }
        sum.iter_mut().zip(share.value.iter()).for_each(|(sum, value)| *sum ^= multiply(*value, weight));
    }
    sum
}

/// The product in GF(2⁸): shift and add, every step taken whatever the octets are.
const fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut product, mut step) = (a, b, 0_u8, 0);
    while step < 8 {
        product ^= a & 0_u8.wrapping_sub(b & 1);
        let carry = 0_u8.wrapping_sub(a >> 7);
        a = (a << 1) ^ (0x1b & carry);
        b >>= 1;
        step += 1;
    }
    product
}

/// The inverse: a²⁵⁴, since a²⁵⁵ = 1; zero for zero.
const fn invert(a: u8) -> u8 {
    // 254 = 2 + 4 + 8 + 16 + 32 + 64 + 128.
    let (mut square, mut product, mut step) = (a, 1, 0);
    while step < 7 {
        square = multiply(square, square);
        product = multiply(product, square);
        step += 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};

    fn shares(secret: &[u8; LENGTH], threshold: u8, count: u8) -> Vec<Share> {
        split(secret, (threshold, count), &SystemRandom).unwrap().unwrap()
    }

    fn copy(share: &Share) -> Share {
        Share { value: share.value.clone(), ..*share }
    }

    /// FIPS 197, 4.2: {57}•{83} = {c1}, {57}•{13} = {fe}; {53} and {ca} are inverse to each other.
    #[test]
    fn the_field_is_that_of_fips_197() {
        assert_eq!((multiply(0x57, 0x83), multiply(0x57, 0x13), multiply(0x53, 0xca)), (0xc1, 0xfe, 1));
        assert_eq!((invert(0x53), invert(0)), (0xca, 0));
        for a in 1..=255 {
            assert_eq!(multiply(a, invert(a)), 1, "{a}");
        }
    }

    #[test]
    fn any_sufficient_shares_give_the_secret_and_fewer_do_not() {
        let secret: [u8; LENGTH] = array(&SystemRandom).unwrap();
        let all = shares(&secret, 3, 5);
        for chosen in 0..32_u8 {
            let some = all.iter().filter(|share| chosen >> (share.number - 1) & 1 == 1).map(copy).collect::<Vec<_>>();
            match some.len() {
                given @ 0..3 => {
                    let needed = if given == 0 { 2 } else { 3 };
                    assert_eq!(combine(&some).unwrap_err(), ShareError::TooFew { given, needed });
                }
                _ => assert_eq!(combine(&some).unwrap().expose(), secret, "{chosen:b}"),
            }
        }
        // Two shares of three are as likely for any other secret: there is a third share that leads to it.
        let forged = Share { value: Zeroizing::new([9; LENGTH]), ..copy(&all[2]) };
        assert_ne!(combine(&[copy(&all[0]), copy(&all[1]), forged]).unwrap().expose(), secret);
        let most = shares(&secret, 255, 255);
        assert_eq!(combine(&most).unwrap().expose(), secret);
    }

    #[test]
    fn wrong_sets_of_shares_are_refused_by_name() {
        let secret = [7; LENGTH];
        let (ours, theirs) = (shares(&secret, 2, 3), shares(&secret, 2, 3));
        let refused =
            |shares: &[&Share]| combine(&shares.iter().map(|share| copy(share)).collect::<Vec<_>>()).unwrap_err();
        assert_eq!(refused(&[&ours[0], &theirs[1]]), ShareError::AnotherSet { position: 2 });
        assert_eq!(refused(&[&ours[1], &ours[1]]), ShareError::Repeated { number: 2 });
        assert_eq!(refused(&[&ours[2]]), ShareError::TooFew { given: 1, needed: 2 });
        let forged = Share { value: Zeroizing::new([9; LENGTH]), ..copy(&ours[2]) };
        assert_eq!(refused(&[&ours[0], &ours[1], &forged]), ShareError::Disagree);
        for (threshold, count) in [(1, 3), (0, 0), (4, 3)] {
            let refused = split(&secret, (threshold, count), &SystemRandom).unwrap().unwrap_err();
            assert_eq!(refused, ShareError::Numbers { threshold, count });
        }
        let refused = split(&secret, (2, 3), &DeadRandom).map(|shares| shares.map(|shares| shares.len()));
        assert_eq!(refused, Err(RandomUnavailable));
    }

    #[test]
    fn a_text_is_read_whole_or_not_at_all() {
        let share = shares(&[7; LENGTH], 2, 3).remove(2);
        let text = String::from_utf8(share.to_text().expose().to_vec()).unwrap();
        assert_eq!(text.len(), 4 + 1 + 16 + 1 + 2 + 1 + 2 + 1 + 64 + 1 + 8);
        assert!(text.starts_with(&format!("YXS1-{}-02-03-", share.set())), "{text}");
        assert_eq!(format!("{share:?}"), "Share { number: 3, threshold: 2, .. }");
        let typed = format!(" {} \n", text.to_uppercase().replace("-03-", "-03-  "));
        assert_eq!(Share::parse(typed.as_bytes(), 1).unwrap().value, share.value);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            let code = Share::parse(&changed, 4).unwrap_err();
            let damaged = [ShareError::Corrupted { position: 4 }, ShareError::Malformed { position: 4 }];
            assert!(damaged.contains(&code), "{at}: {code:?}");
            let cut = Share::parse(&text.as_bytes()[..at], 4).unwrap_err();
            assert_eq!(cut, ShareError::Malformed { position: 4 });
        }
        let longer = Share::parse(format!("{text}0").as_bytes(), 1).unwrap_err();
        assert_eq!(longer, ShareError::Malformed { position: 1 });
        let endless = Share::parse(&vec![b' '; 1025], 1).unwrap_err();
        assert_eq!(endless, ShareError::Malformed { position: 1 });
    }

    proptest! {
        #[test]
        fn what_is_split_is_combined(secret: [u8; LENGTH], threshold in 2_u8..6, more in 0_u8..4) {
            let mut all = shares(&secret, threshold, threshold + more);
            all.reverse();
            let combined = combine(&all).unwrap();
            prop_assert_eq!(combined.expose(), &secret[..]);
        }
    }
}
