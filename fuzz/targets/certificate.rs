//! Any bytes, read as one X.509 certificate (GB/T 20518, RFC 5280).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = yinxin::format::x509::Certificate::parse(input);
});
