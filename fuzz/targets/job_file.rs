//! Any bytes, read as the file of a job that issues many certificates, and as a row that is kept.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::job_file(input));
