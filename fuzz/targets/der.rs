//! Any bytes, walked as DER: must end, without panic, in bounded depth; what is told from certificates is none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin::base::limits::Limits;
use yinxin::format::der::walk;
use yinxin::format::evidence::recognise;
use yinxin::format::x509::Certificate;

fuzz_target!(|input: &[u8]| {
    if let Ok(count) = walk(input, Limits::DEFAULT.der_depth) {
        // A value takes two octets at least.
        assert!(count <= input.len() / 2);
        assert_eq!(walk(input, usize::MAX), Ok(count));
    }
    if recognise(input).is_some() {
        assert!(Certificate::parse(input).is_err());
    }
});
