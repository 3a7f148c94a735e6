//! Any bytes, read as Signatures.xml and as Signature.xml (GB/T 33190-2016, clause 18).
#![no_main]

use libfuzzer_sys::fuzz_target;
use yinxin::base::limits::Limits;
use yinxin::format::ofd::{SignatureDescription, SignatureList};

const LIMITS: Limits = Limits {
    xml_bytes: 1 << 20,
    xml_nodes: 10_000,
    ..Limits::DEFAULT
};

fuzz_target!(|input: &[u8]| {
    let _ = SignatureList::parse(input, &LIMITS);
    let _ = SignatureDescription::parse(input, &LIMITS);
});
