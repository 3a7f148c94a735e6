//! Any bytes, read as one CRL (RFC 5280 5), looked through by walking and by index, and read by a second parser.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::crl(input));
