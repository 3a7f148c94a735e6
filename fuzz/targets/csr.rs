//! Any bytes, read as a request for a certificate (RFC 2986), and by a second parser.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::csr(input));
