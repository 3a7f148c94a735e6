//! Any bytes, read as the text of a checkpoint, and as the size that a witness answers.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::log::checkpoint(input));
