//! Any bytes, read as one time-stamp response and the token in it (RFC 3161).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::time_stamp_response(input));
