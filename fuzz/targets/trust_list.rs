//! Any bytes, read as one trust list, signed list or bundle (RFC 7515, RFC 8785).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::trust_list(input));
