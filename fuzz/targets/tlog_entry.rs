//! Any bytes, read as an entry of the audit log, and as an event with its salt.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::log::entry(input));
