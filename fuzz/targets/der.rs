//! Any bytes, walked as DER: must end, without panic, in bounded depth.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = yinxin::format::der::walk(input);
});
