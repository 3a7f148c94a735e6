//! Any bytes, read as what a log submits to a witness.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::log::submission(input));
