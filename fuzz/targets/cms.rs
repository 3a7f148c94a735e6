//! Any bytes, read as one cryptographic message (RFC 5652, GB/T 35275).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::message(input));
