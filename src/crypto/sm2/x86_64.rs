//! Chains of carries by the processor's add-with-carry, and the field's products written out for processors with BMI2.
//!
//! LLVM keeps carries in the flag with the intrinsics, which it does not with plain comparisons; but it spills half of a
//! product's limbs to memory. The two routines below keep all in registers: a third fewer instructions. `field` holds the
//! same steps in plain Rust, with the reasons; it is the reference that the tests compare with.
#![expect(unsafe_code, reason = "products in registers by inline assembly, which compilers do not find by themselves")]

use core::arch::asm;
use core::arch::x86_64::{
    __m256i, _MM_HINT_T0, _addcarry_u64, _mm_prefetch, _mm256_add_epi64, _mm256_and_si256, _mm256_cmpeq_epi64,
    _mm256_extract_epi64, _mm256_or_si256, _mm256_set_epi64x, _mm256_set1_epi64x, _mm256_setzero_si256, _subborrow_u64,
};

use super::comb::Line;
use super::field::{self, FieldElement};
use super::limbs::{Carry, Limbs};
use super::point::Affine;

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

/// As [`field::multiply`].
#[inline(always)]
pub(super) fn multiply(a: &Limbs, b: &Limbs) -> Limbs {
    if is_x86_feature_detected!("bmi2") { multiply_bmi2(a, b) } else { multiply_any(a, b) }
}

/// As [`field::square`].
#[inline(always)]
pub(super) fn square(a: &Limbs) -> Limbs {
    if is_x86_feature_detected!("bmi2") { square_bmi2(a) } else { square_any(a) }
}

/// Tells the processor to fetch an entry of a table; changes nothing else.
#[inline(always)]
pub(super) fn prefetch(line: &Line) {
    // SAFETY: a prefetch reads nothing that the program can see, whatever the address; every x86-64 has it.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(line).cast()) };
}

/// The entry of that digit, or zeros for digit 0; reads all entries. For processors with AVX2, which the caller found.
#[inline(always)]
pub(super) fn scan<const DIGITS: usize>(row: &[Line; DIGITS], magnitude: u64) -> Affine {
    // SAFETY: the caller found AVX2.
    unsafe { scan_avx2(row, magnitude) }
}

#[target_feature(enable = "avx2")]
fn scan_avx2<const DIGITS: usize>(row: &[Line; DIGITS], magnitude: u64) -> Affine {
    let vector = |limbs: &Limbs| {
        let [a, b, c, d] = limbs.map(u64::cast_signed);
        _mm256_set_epi64x(d, c, b, a)
    };
    let wanted = _mm256_set1_epi64x(magnitude.cast_signed());
    let one = _mm256_set1_epi64x(1);
    let (mut digit, mut x, mut y) = (one, _mm256_setzero_si256(), _mm256_setzero_si256());
    for Line(entry) in row {
        let mask = _mm256_cmpeq_epi64(digit, wanted);
        x = _mm256_or_si256(x, _mm256_and_si256(mask, vector(entry.x.montgomery())));
        y = _mm256_or_si256(y, _mm256_and_si256(mask, vector(entry.y.montgomery())));
        digit = _mm256_add_epi64(digit, one);
    }
    let limbs = |v: __m256i| {
        let (a, b) = (_mm256_extract_epi64::<0>(v), _mm256_extract_epi64::<1>(v));
        let (c, d) = (_mm256_extract_epi64::<2>(v), _mm256_extract_epi64::<3>(v));
        FieldElement::from_montgomery([a, b, c, d].map(i64::cast_unsigned))
    };
    Affine { x: limbs(x), y: limbs(y) }
}

#[cold]
#[inline(never)]
fn multiply_any(a: &Limbs, b: &Limbs) -> Limbs {
    field::multiply::<Native>(a, b)
}

#[cold]
#[inline(never)]
fn square_any(a: &Limbs) -> Limbs {
    field::square::<Native>(a)
}

/// Four rows, each followed by one step of the reduction: the sum of five limbs moves up one register each time.
#[inline(always)]
fn multiply_bmi2(a: &Limbs, b: &Limbs) -> Limbs {
    let (r0, r1, r2, r3);
    // SAFETY: reads four limbs behind each reference, which the type guarantees; writes registers only, all declared;
    // the caller found BMI2, the only extension used.
    unsafe {
        asm!(
            "mov rdx, qword ptr [{b}]",
            "mulx r9, r8, qword ptr [{a}]",
            "mulx r10, rax, qword ptr [{a} + 8]",
            "add r9, rax",
            "mulx r11, rax, qword ptr [{a} + 16]",
            "adc r10, rax",
            "mulx r12, rax, qword ptr [{a} + 24]",
            "adc r11, rax",
            "adc r12, 0",
            "mov rax, r8",
            "mov rcx, r8",
            "shl rax, 32",
            "shr rcx, 32",
            "xor r13, r13",
            "add r9, r8",
            "adc r10, 0",
            "adc r11, 0",
            "adc r12, r8",
            "adc r13, 0",
            "sub r9, rax",
            "sbb r10, rcx",
            "sbb r11, rax",
            "sbb r12, rcx",
            "sbb r13, 0",
            "mov rdx, qword ptr [{b} + 8]",
            "mulx rcx, rax, qword ptr [{a}]",
            "mulx r14, r8, qword ptr [{a} + 8]",
            "add rcx, r8",
            "mulx r15, r8, qword ptr [{a} + 16]",
            "adc r14, r8",
            "mulx r8, rdx, qword ptr [{a} + 24]",
            "adc r15, rdx",
            "adc r8, 0",
            "add r9, rax",
            "adc r10, rcx",
            "adc r11, r14",
            "adc r12, r15",
            "adc r13, r8",
            "mov rax, r9",
            "mov rcx, r9",
            "shl rax, 32",
            "shr rcx, 32",
            "xor r8, r8",
            "add r10, r9",
            "adc r11, 0",
            "adc r12, 0",
            "adc r13, r9",
            "adc r8, 0",
            "sub r10, rax",
            "sbb r11, rcx",
            "sbb r12, rax",
            "sbb r13, rcx",
            "sbb r8, 0",
            "mov rdx, qword ptr [{b} + 16]",
            "mulx rcx, rax, qword ptr [{a}]",
            "mulx r14, r9, qword ptr [{a} + 8]",
            "add rcx, r9",
            "mulx r15, r9, qword ptr [{a} + 16]",
            "adc r14, r9",
            "mulx r9, rdx, qword ptr [{a} + 24]",
            "adc r15, rdx",
            "adc r9, 0",
            "add r10, rax",
            "adc r11, rcx",
            "adc r12, r14",
            "adc r13, r15",
            "adc r8, r9",
            "mov rax, r10",
            "mov rcx, r10",
            "shl rax, 32",
            "shr rcx, 32",
            "xor r9, r9",
            "add r11, r10",
            "adc r12, 0",
            "adc r13, 0",
            "adc r8, r10",
            "adc r9, 0",
            "sub r11, rax",
            "sbb r12, rcx",
            "sbb r13, rax",
            "sbb r8, rcx",
            "sbb r9, 0",
            "mov rdx, qword ptr [{b} + 24]",
            "mulx rcx, rax, qword ptr [{a}]",
            "mulx r14, r10, qword ptr [{a} + 8]",
            "add rcx, r10",
            "mulx r15, r10, qword ptr [{a} + 16]",
            "adc r14, r10",
            "mulx r10, rdx, qword ptr [{a} + 24]",
            "adc r15, rdx",
            "adc r10, 0",
            "add r11, rax",
            "adc r12, rcx",
            "adc r13, r14",
            "adc r8, r15",
            "adc r9, r10",
            "mov rax, r11",
            "mov rcx, r11",
            "shl rax, 32",
            "shr rcx, 32",
            "xor r10, r10",
            "add r12, r11",
            "adc r13, 0",
            "adc r8, 0",
            "adc r9, r11",
            "adc r10, 0",
            "sub r12, rax",
            "sbb r13, rcx",
            "sbb r8, rax",
            "sbb r9, rcx",
            "sbb r10, 0",
            "mov rax, r12",
            "mov rcx, r13",
            "mov r14, r8",
            "mov r15, r9",
            "mov rdx, 0xffffffff00000000",
            "sub r12, -1",
            "sbb r13, rdx",
            "mov rdx, 0xfffffffeffffffff",
            "sbb r8, -1",
            "sbb r9, rdx",
            "sbb r10, 0",
            "cmovc r12, rax",
            "cmovc r13, rcx",
            "cmovc r8, r14",
            "cmovc r9, r15",
            a = in(reg) a.as_ptr(),
            b = in(reg) b.as_ptr(),
            out("r12") r0,
            out("r13") r1,
            out("r8") r2,
            out("r9") r3,
            out("rax") _,
            out("rcx") _,
            out("rdx") _,
            out("r10") _,
            out("r11") _,
            out("r14") _,
            out("r15") _,
            options(pure, readonly, nostack),
        );
    }
    [r0, r1, r2, r3]
}

/// The mixed products doubled, the squares added, then four steps of the reduction on the low half.
#[inline(always)]
fn square_bmi2(a: &Limbs) -> Limbs {
    let (r0, r1, r2, r3);
    // SAFETY: reads four limbs behind each reference, which the type guarantees; writes registers only, all declared;
    // the caller found BMI2, the only extension used.
    unsafe {
        asm!(
            "mov rdx, qword ptr [{a}]",
            "xor r15, r15",
            "mulx r10, r9, qword ptr [{a} + 8]",
            "mulx r11, rax, qword ptr [{a} + 16]",
            "add r10, rax",
            "mulx r12, rax, qword ptr [{a} + 24]",
            "adc r11, rax",
            "mov rdx, qword ptr [{a} + 24]",
            "mulx r13, rax, qword ptr [{a} + 8]",
            "adc r12, rax",
            "mulx r14, rax, qword ptr [{a} + 16]",
            "adc r13, rax",
            "adc r14, 0",
            "mov rdx, qword ptr [{a} + 8]",
            "mulx rcx, rax, qword ptr [{a} + 16]",
            "add r11, rax",
            "adc r12, rcx",
            "adc r13, 0",
            "adc r14, 0",
            "add r9, r9",
            "adc r10, r10",
            "adc r11, r11",
            "adc r12, r12",
            "adc r13, r13",
            "adc r14, r14",
            "adc r15, r15",
            "mov rdx, qword ptr [{a}]",
            "mulx rcx, r8, rdx",
            "add r9, rcx",
            "mov rdx, qword ptr [{a} + 8]",
            "mulx rcx, rax, rdx",
            "adc r10, rax",
            "adc r11, rcx",
            "mov rdx, qword ptr [{a} + 16]",
            "mulx rcx, rax, rdx",
            "adc r12, rax",
            "adc r13, rcx",
            "mov rdx, qword ptr [{a} + 24]",
            "mulx rcx, rax, rdx",
            "adc r14, rax",
            "adc r15, rcx",
            "mov rax, r8",
            "mov rcx, r8",
            "shl rax, 32",
            "shr rcx, 32",
            "add r9, r8",
            "adc r10, 0",
            "adc r11, 0",
            "adc r8, 0",
            "sub r9, rax",
            "sbb r10, rcx",
            "sbb r11, rax",
            "sbb r8, rcx",
            "mov rax, r9",
            "mov rcx, r9",
            "shl rax, 32",
            "shr rcx, 32",
            "add r10, r9",
            "adc r11, 0",
            "adc r8, 0",
            "adc r9, 0",
            "sub r10, rax",
            "sbb r11, rcx",
            "sbb r8, rax",
            "sbb r9, rcx",
            "mov rax, r10",
            "mov rcx, r10",
            "shl rax, 32",
            "shr rcx, 32",
            "add r11, r10",
            "adc r8, 0",
            "adc r9, 0",
            "adc r10, 0",
            "sub r11, rax",
            "sbb r8, rcx",
            "sbb r9, rax",
            "sbb r10, rcx",
            "mov rax, r11",
            "mov rcx, r11",
            "shl rax, 32",
            "shr rcx, 32",
            "add r8, r11",
            "adc r9, 0",
            "adc r10, 0",
            "adc r11, 0",
            "sub r8, rax",
            "sbb r9, rcx",
            "sbb r10, rax",
            "sbb r11, rcx",
            "add r8, r12",
            "adc r9, r13",
            "adc r10, r14",
            "adc r11, r15",
            "mov r12, 0",
            "adc r12, 0",
            "mov rax, r8",
            "mov rcx, r9",
            "mov r14, r10",
            "mov r15, r11",
            "mov rdx, 0xffffffff00000000",
            "sub r8, -1",
            "sbb r9, rdx",
            "mov rdx, 0xfffffffeffffffff",
            "sbb r10, -1",
            "sbb r11, rdx",
            "sbb r12, 0",
            "cmovc r8, rax",
            "cmovc r9, rcx",
            "cmovc r10, r14",
            "cmovc r11, r15",
            a = in(reg) a.as_ptr(),
            out("r8") r0,
            out("r9") r1,
            out("r10") r2,
            out("r11") r3,
            out("rax") _,
            out("rcx") _,
            out("rdx") _,
            out("r12") _,
            out("r13") _,
            out("r14") _,
            out("r15") _,
            options(pure, readonly, nostack),
        );
    }
    [r0, r1, r2, r3]
}
