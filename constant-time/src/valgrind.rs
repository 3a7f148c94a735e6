//! Requests to valgrind's memcheck: what is secret counts as undefined memory.
//!
//! The sequence of instructions is the documented one of valgrind's client requests (valgrind.h, "amd64"): four rotations
//! that cancel out and an exchange of a register with itself, nothing to a processor, a call to valgrind.

/// `VG_USERREQ__RUNNING_ON_VALGRIND`, `VG_USERREQ__COUNT_ERRORS`.
const RUNNING: usize = 0x1001;
const COUNT_ERRORS: usize = 0x1201;
/// memcheck's own, from 'M' << 24 | 'C' << 16: `MAKE_MEM_UNDEFINED`, `MAKE_MEM_DEFINED`.
const UNDEFINED: usize = 0x4d43_0001;
const DEFINED: usize = 0x4d43_0002;

/// Asks valgrind; without it the answer is 0.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn request(code: usize, first: usize, second: usize) -> usize {
    let arguments = [code, first, second, 0, 0, 0];
    let answer: usize;
    // SAFETY: outside of valgrind nothing changes but the flags: the rotations of rdi add up to 128 bits. Inside, memcheck
    // reads the six words, which live until after, and changes no byte of ours, only what it knows of them.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") 0_usize => answer,
            options(nostack),
        );
    }
    answer
}

/// Asks nobody: no request is known for this machine.
#[cfg(not(target_arch = "x86_64"))]
fn request(_: usize, _: usize, _: usize) -> usize {
    0
}

/// Whether this program runs under valgrind.
pub fn is_running() -> bool {
    request(RUNNING, 0, 0) != 0
}

/// How often memcheck has reported something so far, repetitions counted.
pub fn reports() -> usize {
    request(COUNT_ERRORS, 0, 0)
}

/// From here on these bytes are a secret: a branch or an address that depends on them is reported.
pub fn make_secret(bytes: &mut [u8]) {
    request(UNDEFINED, bytes.as_mut_ptr().addr(), bytes.len());
    std::hint::black_box(bytes);
}

/// From here on these `length` bytes are public, whatever they were computed from. Only the address is used.
#[inline(never)]
pub fn make_public(start: *mut u8, length: usize) {
    request(DEFINED, start.addr(), length);
    std::hint::black_box(start);
}
