//! Any text, read as the fields of a signed request (RFC 9651, RFC 9421).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| yinxin::http_fields::read(text));
