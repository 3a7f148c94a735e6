//! Any bytes, read as a message to an office elsewhere and as an office's answer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::office(input));
