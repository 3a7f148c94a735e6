//! Any bytes, opened as an OFD package (GB/T 33190-2016, a ZIP), under limits small enough that reaching one is cheap.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin::base::limits::Limits;

const LIMITS: Limits = Limits {
    file_bytes: 1 << 20,
    zip_entries: 64,
    zip_entry_bytes: 1 << 20,
    zip_total_bytes: 4 << 20,
    ..Limits::DEFAULT
};

fuzz_target!(|input: &[u8]| {
    let _ = yinxin::format::ofd::Container::read(input, &LIMITS);
});
