//! Any bytes, judged as a whole: package or detached seal signature, without anchors.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|input: &[u8]| yinxin::check::verify(input));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    yinxin::mutate::package(data, size, max_size, seed)
});
