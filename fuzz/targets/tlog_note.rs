//! Any bytes, read as a signed note, as lines of signatures, as a verifier key.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::log::note(input));
