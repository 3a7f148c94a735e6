//! Any bytes, rewritten as the DER of a message that others stream (X.690 8.1.3.6).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::streamed_message(input));
