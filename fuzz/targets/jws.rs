//! Any bytes, read as one JSON Web Signature (RFC 7515).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::jws(input));
