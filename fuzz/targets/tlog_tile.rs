//! Any bytes, read as a path, a tile and an entry bundle.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::log::tile(input));
