//! Any bytes, read as one electronic seal (GB/T 38540-2020, SESeal).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::seal(input));
