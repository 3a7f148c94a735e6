//! Any bytes, read as a proof of the transparency log, and as its receipt.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::log::proof(input));
