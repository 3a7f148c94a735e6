//! Any bytes, read as one electronic seal signature (GB/T 38540-2020, SES_Signature).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::signature(input));
