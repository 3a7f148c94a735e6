//! Any bytes, walked as DER: must end, without panic, in bounded depth.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin::base::limits::Limits;
use yinxin::format::der::walk;

fuzz_target!(|input: &[u8]| {
    if let Ok(count) = walk(input, Limits::DEFAULT.der_depth) {
        // A value takes two octets at least.
        assert!(count <= input.len() / 2);
        assert_eq!(walk(input, usize::MAX), Ok(count));
    }
});
