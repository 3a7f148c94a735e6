//! Comparing secrets, and the points at which something computed from a secret becomes public, each marked by one word.
//!
//! To the product [`declassify`] is nothing. The proof of constant time (`constant-time/`) runs the same code with every
//! secret marked as undefined memory, where a branch or an address that depends on one is reported; there it unmarks
//! what is public by design. Each call says why. `grep -rn 'declassify(' src/crypto` is the complete list.

#[cfg(not(yinxin_leaky))]
use subtle::ConstantTimeEq;

/// `value`, which anybody may know from here on, so that the program may branch on it.
#[inline(always)]
#[must_use]
pub(crate) fn declassify<T: Copy>(value: T) -> T {
    #[cfg(yinxin_memcheck)]
    {
        let mut value = value;
        crate::valgrind::make_public((&raw mut value).cast(), size_of::<T>());
        value
    }
    #[cfg(not(yinxin_memcheck))]
    value
}

/// Whether the bytes are equal, in a time that depends on the lengths only. The answer is public.
#[inline]
#[must_use]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    #[cfg(yinxin_leaky)]
    let same = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| std::hint::black_box(a) == std::hint::black_box(b));
    #[cfg(not(yinxin_leaky))]
    let same: bool = a.ct_eq(b).into();
    // The caller accepts or refuses in the open.
    declassify(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_stays_what_it_is() {
        assert_eq!((declassify(true), declassify([1_u64, 2, 3, u64::MAX])), (true, [1, 2, 3, u64::MAX]));
    }

    #[test]
    fn equal_means_equal() {
        for length in [0, 1, 16, 32] {
            let bytes = vec![0xa5; length];
            assert!(equal(&bytes, &bytes.clone()));
            assert!(!equal(&bytes, &[&bytes[..], &[0]].concat()));
            for bit in 0..length * 8 {
                let mut other = bytes.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(!equal(&bytes, &other));
            }
        }
    }
}
