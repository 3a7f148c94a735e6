//! The points at which something computed from a secret becomes public, each marked by one word.
//!
//! To the product this is nothing. The proof of constant time (`constant-time/`) runs the same code with every secret
//! marked as undefined memory, where a branch or an address that depends on one is reported; here it unmarks what is
//! public by design. Each call says why. `grep -rn 'declassify(' src/crypto` is the complete list.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_stays_what_it_is() {
        assert_eq!((declassify(true), declassify([1_u64, 2, 3, u64::MAX])), (true, [1, 2, 3, u64::MAX]));
    }
}
