//! Any bytes, opened as an OFD package, and its pages drawn with their stamps (GB/T 33190-2016).
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|input: &[u8]| yinxin::check::pages(input));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    yinxin::mutate::package(data, size, max_size, seed)
});
