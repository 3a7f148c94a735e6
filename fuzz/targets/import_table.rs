//! Any bytes, read as a table of seals that are taken in together.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::import_table(input));
