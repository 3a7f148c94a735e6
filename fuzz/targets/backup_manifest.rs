//! Any bytes, read as the manifest of a backup.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| yinxin::check::backup_manifest(input));
