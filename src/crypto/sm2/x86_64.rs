//! Chains of carries by the processor's add-with-carry: LLVM keeps them in the flag, which it does not with plain comparisons.

use core::arch::x86_64::{_addcarry_u64, _subborrow_u64};

use super::limbs::Carry;

/// `adc` and `sbb`, which every x86-64 has.
pub(super) struct Native;

impl Carry for Native {
    #[inline(always)]
    fn add(carry: u8, a: u64, b: u64) -> (u64, u8) {
        let mut sum = 0;
        let carry = _addcarry_u64(carry, a, b, &mut sum);
        (sum, carry)
    }

    #[inline(always)]
    fn sub(borrow: u8, a: u64, b: u64) -> (u64, u8) {
        let mut difference = 0;
        let borrow = _subborrow_u64(borrow, a, b, &mut difference);
        (difference, borrow)
    }
}
