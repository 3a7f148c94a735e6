//! Any bytes, read as one time-stamp request (RFC 3161).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::time_stamp_request(input));
