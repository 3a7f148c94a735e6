//! Any bytes, read as an OCSP request and as a response (RFC 6960).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::ocsp(input));
