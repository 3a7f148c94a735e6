//! Any text, read as the place of a stamp and as a plan of several.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| yinxin::check::stamp_place(text));
