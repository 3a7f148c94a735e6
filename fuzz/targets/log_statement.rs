//! Any bytes, read as the text of a log's statement that it knows nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::log::statement(input));
