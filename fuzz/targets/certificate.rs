//! Any bytes, read as one X.509 certificate (GB/T 20518, RFC 5280), and by a second parser.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::certificate(input));
