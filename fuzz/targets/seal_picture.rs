//! Any bytes, taken as a picture of a seal or a signature by hand, and as the text of a face.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::seal_picture(input));
