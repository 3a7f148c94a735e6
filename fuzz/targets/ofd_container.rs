//! Any bytes, opened as an OFD package (GB/T 33190-2016, a ZIP), walked, and signed.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|input: &[u8]| yinxin::check::package(input));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    yinxin::mutate::package(data, size, max_size, seed)
});
